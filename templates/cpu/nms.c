/* nms.c - NonMaxSuppression-11: of overlapping boxes, those with the best score.
 *
 * arguments  y         [at most BATCH * CLASSES * BOXES][3] batch, class, box of what is selected
 *            count     how many rows of y are used
 *            boxes     [BATCH][BOXES][4] opposite corners y1, x1, y2, x2; with CENTER 1: x, y, width, height around a center
 *            scores    [BATCH][CLASSES][BOXES]
 *            most      boxes to select per class, NULL: none      iou, least  thresholds of overlap and score, NULL: 0, none
 *            order     [BOXES] scratch
 *            kept      [BOXES rounded up to a multiple of VL][5] scratch
 * fixed      CENTER
 *
 * Boxes of a class are taken by falling score, equal ones by index, from a heap; one that overlaps a selected one by more than iou is dropped.
 * Sides and areas of those that are selected lie in kept, [VL of them][5][VL], so that a candidate meets VL of them at once. A box without a
 * positive area (NaN among them) overlaps nothing and is not kept. */
#include "kernel.h"
#include "simd/simd.h"

typedef struct {
    float x1, x2, y1, y2, area;
} nms_box;

INLINE nms_box nms_sides(const float *restrict box)
{
    const float a = CENTER ? box[0] - box[2] / 2.0f : box[1], b = CENTER ? box[0] + box[2] / 2.0f : box[3];
    const float c = CENTER ? box[1] - box[3] / 2.0f : box[0], d = CENTER ? box[1] + box[3] / 2.0f : box[2];
    nms_box s = {fminf(a, b), fmaxf(a, b), fminf(c, d), fmaxf(c, d), 0.0f};
    s.area = (s.x2 - s.x1) * (s.y2 - s.y1);
    return s;
}

INLINE void nms_keep(float *restrict kept, int64_t n, const nms_box *restrict s)
{
    float *restrict to = kept + n / VL * (5 * VL);
    if (n % VL == 0)
        for (int i = 0; i < 5 * VL; i++) to[i] = i < VL ? INFINITY : 0.0f; /* begin to the right of everything: they meet nothing */
    to += n % VL;
    to[0] = s->x1;
    to[VL] = s->x2;
    to[2 * VL] = s->y1;
    to[3 * VL] = s->y2;
    to[4 * VL] = s->area;
}

/* Whether s overlaps one of the first n that are kept by more than limit. */
INLINE int nms_meets(const float *restrict kept, int64_t n, const nms_box *restrict s, float limit)
{
    const vf x1 = vf_set(s->x1), x2 = vf_set(s->x2), y1 = vf_set(s->y1), y2 = vf_set(s->y2), zero = vf_set(0.0f);
    for (int64_t k = 0; k < n; k += VL, kept += 5 * VL) {
        const vf w = vf_fmin(x2, vf_ld(kept + VL)) - vf_fmax(x1, vf_ld(kept)), h = vf_fmin(y2, vf_ld(kept + 3 * VL)) - vf_fmax(y1, vf_ld(kept + 2 * VL));
        const vi near = (w > zero) & (h > zero);
        if (!vi_some(near)) continue;
        const vf both = w * h, all = vf_set(s->area) + vf_ld(kept + 4 * VL) - both;
        if (vi_some(near & (all > zero) & (both / all > vf_set(limit)))) return 1;
    }
    return 0;
}

/* i comes before j. */
INLINE int nms_before(const float *restrict scores, int32_t i, int32_t j)
{
    return scores[i] > scores[j] || (scores[i] == scores[j] && i < j);
}

INLINE void nms_sink(const float *restrict scores, int32_t *restrict heap, int64_t n, int64_t at)
{
    const int32_t item = heap[at];
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && nms_before(scores, heap[child + 1], heap[child])) ++child;
        if (!nms_before(scores, heap[child], item)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

KERNEL void nms(int64_t *restrict y, int64_t *restrict count, const float *restrict boxes, const float *restrict scores, const int64_t *restrict most,
                const float *restrict iou, const float *restrict least, int32_t *restrict order, float *restrict kept HOOK_PARAMS)
{
    const float limit = iou ? iou[0] : 0.0f;
    int64_t n = 0;
    for (int64_t row = 0; row < (int64_t)BATCH * CLASSES; row++) {
        const float *s = scores + row * BOXES, *b = boxes + row / CLASSES * BOXES * 4;
        const int64_t first = n;
        int64_t left = 0, n_kept = 0;
        for (int64_t i = 0; i < BOXES; i++)
            if (!least || s[i] > least[0]) order[left++] = (int32_t)i;
        for (int64_t i = left / 2; i-- > 0;) nms_sink(s, order, left, i);
        while (left > 0 && most && n - first < most[0]) {
            const int32_t best = order[0];
            order[0] = order[--left];
            if (left > 1) nms_sink(s, order, left, 0);
            const nms_box box = nms_sides(b + (int64_t)best * 4);
            if (box.area > 0.0f) {
                if (nms_meets(kept, n_kept, &box, limit)) continue;
                nms_keep(kept, n_kept++, &box);
            }
            y[3 * n] = row / CLASSES;
            y[3 * n + 1] = row % CLASSES;
            y[3 * n + 2] = best;
            n++;
        }
    }
    count[0] = n;
}
