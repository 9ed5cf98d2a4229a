/* dtw.c - DynamicTimeWarping of com.microsoft: the cheapest way from the first to the last cell of a matrix of costs, by steps down, right or both.
 *
 * arguments  path [2][ROOM] rows and columns of the way's cells, from `count[0]` ones on the rest is not written      count [1]      x [H][W] costs
 *            cost [W + 1], step [H][W] scratch
 * free       H W ROOM: at least H + W - 1
 *
 * A step both ways is taken where it alone is cheapest, one down likewise, else one to the right, as onnxruntime does. */
#include "kernel.h"

KERNEL void dtw(int32_t *restrict path, int64_t *restrict count, const float *restrict x, float *restrict cost, uint8_t *restrict step HOOK_PARAMS)
{
    enum { step_both, step_down, step_right };
    const int64_t h = H, w = W, room = ROOM;
    cost[0] = 0.0f;
    for (int64_t j = 0; j < w; j++) cost[j + 1] = INFINITY;
    for (int64_t i = 0; i < h; i++) {
        float both = cost[0], left = INFINITY; /* above to the left; to the left */
        cost[0] = INFINITY;
        for (int64_t j = 0; j < w; j++) {
            const float above = cost[j + 1];
            const int way = both < above && both < left ? step_both : above < both && above < left ? step_down : step_right;
            step[i * w + j] = (uint8_t)way;
            left = x[i * w + j] + (way == step_both ? both : way == step_down ? above : left);
            cost[j + 1] = left;
            both = above;
        }
    }
    int64_t n = 0; /* backwards, then turned round */
    for (int64_t i = h - 1, j = w - 1; i >= 0 && j >= 0; n++) {
        const int way = step[i * w + j];
        path[n] = (int32_t)i;
        path[room + n] = (int32_t)j;
        i -= way != step_right;
        j -= way != step_down;
    }
    for (int64_t k = 0; k < 2; k++)
        for (int64_t a = 0, b = n - 1; a < b; a++, b--) {
            const int32_t t = path[k * room + a];
            path[k * room + a] = path[k * room + b];
            path[k * room + b] = t;
        }
    count[0] = n;
}
