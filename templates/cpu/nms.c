/* nms.c - NonMaxSuppression-11: of overlapping boxes, those with the best score.
 *
 * arguments  y         [at most BATCH * CLASSES * BOXES][3] batch, class, box of what is selected
 *            count     how many rows of y are used
 *            boxes     [BATCH][BOXES][4] opposite corners y1, x1, y2, x2; with CENTER 1: x, y, width, height around a center
 *            scores    [BATCH][CLASSES][BOXES]
 *            most      boxes to select per class, NULL: none      iou, least  thresholds of overlap and score, NULL: 0, none
 *            order     [BOXES] scratch
 * fixed      CENTER
 *
 * Boxes of a class are taken by falling score, equal ones by index, from a heap; one that overlaps a selected one by more than iou is dropped. */
#include "kernel.h"

INLINE void nms_corners(const float *restrict box, float *restrict to)
{
    const float a = CENTER ? box[0] - box[2] / 2.0f : box[1], b = CENTER ? box[0] + box[2] / 2.0f : box[3];
    const float c = CENTER ? box[1] - box[3] / 2.0f : box[0], d = CENTER ? box[1] + box[3] / 2.0f : box[2];
    to[0] = fminf(a, b);
    to[1] = fmaxf(a, b);
    to[2] = fminf(c, d);
    to[3] = fmaxf(c, d);
}

INLINE int nms_overlap(const float *restrict p, const float *restrict q, float limit)
{
    float a[4], b[4];
    nms_corners(p, a);
    nms_corners(q, b);
    const float w = fminf(a[1], b[1]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[2], b[2]);
    if (w <= 0.0f || h <= 0.0f) return 0;
    const float both = w * h, first = (a[1] - a[0]) * (a[3] - a[2]), second = (b[1] - b[0]) * (b[3] - b[2]), all = first + second - both;
    return first > 0.0f && second > 0.0f && all > 0.0f && both / all > limit;
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
                const float *restrict iou, const float *restrict least, int32_t *restrict order HOOK_PARAMS)
{
    const float limit = iou ? iou[0] : 0.0f;
    int64_t n = 0;
    for (int64_t row = 0; row < (int64_t)BATCH * CLASSES; row++) {
        const float *s = scores + row * BOXES, *b = boxes + row / CLASSES * BOXES * 4;
        const int64_t first = n;
        int64_t left = 0;
        for (int64_t i = 0; i < BOXES; i++)
            if (!least || s[i] > least[0]) order[left++] = (int32_t)i;
        for (int64_t i = left / 2; i-- > 0;) nms_sink(s, order, left, i);
        while (left > 0 && most && n - first < most[0]) {
            const int32_t best = order[0];
            order[0] = order[--left];
            if (left > 1) nms_sink(s, order, left, 0);
            int keep = 1;
            for (int64_t k = first; k < n && keep; k++) keep = !nms_overlap(b + (int64_t)best * 4, b + y[3 * k + 2] * 4, limit);
            if (!keep) continue;
            y[3 * n] = row / CLASSES;
            y[3 * n + 1] = row % CLASSES;
            y[3 * n + 2] = best;
            n++;
        }
    }
    count[0] = n;
}
