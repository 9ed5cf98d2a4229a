/* roi_max.c - MaxRoiPool-22: the maximum of each bin of a region; the bins are those of Girshick's "Fast R-CNN", 2015.
 *
 * arguments  y [ROIS][C][PH][PW]        x [BATCH][C][H][W]        boxes [ROIS][5]: image, first column and row, last column and row
 * range      [lo, hi) of regions
 * fixed      T  type of x and y, float or double
 *
 * A region is at least one element large. Bin p of PH holds the rows floor(p * size / PH) to ceil((p + 1) * size / PH) of it that x has; of none the
 * maximum is 0. */
#include "kernel.h"

INLINE int64_t roi_max_edge(double v, int64_t from, int64_t extent)
{
    const double at = v + (double)from;
    return at <= 0.0 ? 0 : at >= (double)extent ? extent : (int64_t)at;
}

INLINE T roi_max_of(const T *restrict x, int64_t width, int64_t top, int64_t bottom, int64_t left, int64_t right)
{
    T best = -(T)INFINITY;
    if (bottom <= top || right <= left) return (T)0;
    for (int64_t i = top; i < bottom; i++)
        for (int64_t j = left; j < right; j++) best = x[i * width + j] > best || x[i * width + j] != x[i * width + j] ? x[i * width + j] : best;
    return best;
}

KERNEL void roi_max(T *restrict y, const T *restrict x, const int64_t *restrict boxes, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t r = lo; r < hi; r++) {
        const int64_t *const box = boxes + 5 * r;
        const int64_t width = box[3] - box[1] + 1 > 1 ? box[3] - box[1] + 1 : 1, height = box[4] - box[2] + 1 > 1 ? box[4] - box[2] + 1 : 1;
        const T bin_h = (T)height / (T)PH, bin_w = (T)width / (T)PW;
        for (int64_t p = 0; p < (int64_t)PH * PW; p++) {
            const int64_t ph = p / PW, pw = p % PW;
            const int64_t top = roi_max_edge(floor((double)((T)ph * bin_h)), box[2], H), bottom = roi_max_edge(ceil((double)((T)(ph + 1) * bin_h)), box[2], H);
            const int64_t left = roi_max_edge(floor((double)((T)pw * bin_w)), box[1], W), right = roi_max_edge(ceil((double)((T)(pw + 1) * bin_w)), box[1], W);
            for (int64_t c = 0; c < C; c++)
                y[((r * C + c) * PH + ph) * PW + pw] = roi_max_of(x + (box[0] * C + c) * H * W, W, top, bottom, left, right);
        }
    }
}
