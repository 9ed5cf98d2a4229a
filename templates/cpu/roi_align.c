/* roi_align.c - RoiAlign-22 with sampling_ratio 0: as many samples along a side of a bin as it is elements long.
 *
 * arguments  y [ROIS][C][PH][PW]        x [BATCH][C][H][W]        boxes [ROIS][4]: left, top, width, height, in elements        image [ROIS]
 * range      [lo, hi) of regions
 * fixed      T    type of x, y and boxes, float or double
 *            MAX  1: the maximum of what samples are made of, 0: their average
 *
 * A sample more than one element outside is 0; a bin without samples, too. */
#include "kernel.h"

typedef struct {
    int64_t low, high;
    T rest;
    int inside;
} roi_align_place;

INLINE roi_align_place roi_align_at(T v, int64_t extent)
{
    roi_align_place p = {0, 0, (T)0, v >= (T)-1 && v <= (T)extent};
    if (!p.inside) return p;
    if (v <= (T)0) v = (T)0;
    p.low = (int64_t)v;
    p.rest = v - (T)p.low;
    if (p.low >= extent - 1) {
        p.low = extent - 1;
        p.rest = (T)0;
    }
    p.high = p.low + 1 < extent ? p.low + 1 : p.low;
    return p;
}

/* Samples along a side of a bin. */
INLINE int64_t roi_align_count(T size)
{
    const double n = ceil((double)size);
    return n >= 1.0 ? n < 1e6 ? (int64_t)n : 1000000 : 0;
}

KERNEL void roi_align(T *restrict y, const T *restrict x, const T *restrict boxes, const int64_t *restrict image, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t r = lo; r < hi; r++) {
        const T *const box = boxes + 4 * r;
        const T bin_w = box[2] / (T)PW, bin_h = box[3] / (T)PH;
        const int64_t across = roi_align_count(bin_w), down = roi_align_count(bin_h), count = across * down, bins = (int64_t)PH * PW;
        for (int64_t i = 0; i < C * bins; i++) y[r * C * bins + i] = MAX && count ? -(T)INFINITY : (T)0;
        for (int64_t p = 0; p < bins; p++) {
            T *const to = y + r * C * bins + p;
            for (int64_t s = 0; s < count; s++) {
                const T step_y = ((T)(s / across) + (T)0.5) / (T)down, step_x = ((T)(s % across) + (T)0.5) / (T)across;
                const roi_align_place v = roi_align_at(box[1] + bin_h * ((T)(p / PW) + step_y), H), h = roi_align_at(box[0] + bin_w * ((T)(p % PW) + step_x), W);
                const int inside = v.inside && h.inside;
                for (int64_t c = 0; c < C; c++) {
                    const T *const from = x + (image[r] * C + c) * H * W;
                    const T a = ((T)1 - v.rest) * ((T)1 - h.rest) * from[v.low * W + h.low], b = ((T)1 - v.rest) * h.rest * from[v.low * W + h.high];
                    const T d = v.rest * ((T)1 - h.rest) * from[v.high * W + h.low], e = v.rest * h.rest * from[v.high * W + h.high];
                    const T most = (a > b ? a : b) > (d > e ? d : e) ? (a > b ? a : b) : (d > e ? d : e);
                    const T sample = !inside ? (T)0 : MAX ? most : a + b + d + e;
                    to[c * bins] = !MAX ? to[c * bins] + sample : sample > to[c * bins] ? sample : to[c * bins];
                }
            }
            for (int64_t c = 0; !MAX && count && c < C; c++) to[c * bins] /= (T)count;
        }
    }
}
