/* topk.c - TopK-11: where the K greatest or least elements along an axis are, in their order.
 *
 * arguments  index  [OUTER][K][INNER] places along the axis, best first, equal elements by their place
 *            x      [OUTER][N][INNER]
 * range      [lo, hi) of the OUTER * INNER rows
 * fixed      T  type of x        LARGEST  1: the greatest, and NaN is greater than every number
 * free       K at most N
 *
 * The K best so far are a heap in the output itself, the last of them at its root: an element that is worse than that is dropped by one comparison, and sixteen
 * that adjoin by a few of vectors.
 * In the end the heap is sorted by taking its root away. No scratch memory. */
#include "kernel.h"

INLINE int topk_is_number(T a, T b)
{
    return a == b; /* called with the same twice */
}

/* a comes strictly before b by value. */
INLINE int topk_above(T a, T b)
{
    const T high = LARGEST ? a : b, low = LARGEST ? b : a;
    return high > low || (!topk_is_number(high, high) && topk_is_number(low, low));
}

/* Element i comes before element j; elements are `step` apart. */
INLINE int topk_before(const T *restrict x, int64_t i, int64_t j, int64_t step)
{
    const T a = x[i * step], b = x[j * step];
    return topk_above(a, b) || (i < j && !topk_above(b, a));
}

/* Moves `item` down from the root to where both below it come before it. */
INLINE void topk_sink(const T *restrict x, int64_t *restrict heap, int64_t n, int64_t at, int64_t item, int64_t step)
{
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && topk_before(x, heap[child * step], heap[(child + 1) * step], step)) ++child;
        if (topk_before(x, heap[child * step], item, step)) break;
        heap[at * step] = heap[child * step];
        at = child;
    }
    heap[at * step] = item;
}

/* Is one of 16 elements that adjoin above the last of the best? The compiler makes vectors of it. */
INLINE int topk_some(const T *restrict x, T last)
{
    int some = 0;
    for (int i = 0; i < 16; i++) some |= topk_above(x[i], last);
    return some;
}

KERNEL void topk(int64_t *restrict index, const T *restrict x, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t row = lo; row < hi && K > 0; row++) {
        const T *from = x + row / INNER * N * INNER + row % INNER;
        int64_t *heap = index + row / INNER * K * INNER + row % INNER;
        for (int64_t i = 0; i < K; i++) heap[i * INNER] = i;
        for (int64_t i = K / 2; i-- > 0;) topk_sink(from, heap, K, i, heap[i * INNER], INNER);
        T last = from[heap[0] * INNER];
        for (int64_t i = K, end; i < N; i = end) {
            end = INNER == 1 && i + 16 <= N ? i + 16 : N;
            if (INNER == 1 && i + 16 <= N && !topk_some(from + i, last)) continue;
            for (; i < end; i++) {
                if (!topk_above(from[i * INNER], last)) continue;
                topk_sink(from, heap, K, 0, i, INNER);
                last = from[heap[0] * INNER];
            }
        }
        for (int64_t n = K - 1; n > 0; n--) {
            const int64_t item = heap[n * INNER];
            heap[n * INNER] = heap[0];
            topk_sink(from, heap, n, 0, item, INNER);
        }
    }
}
