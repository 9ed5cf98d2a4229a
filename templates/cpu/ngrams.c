/* ngrams.c - counts n-grams (TfIdfVectorizer).
 *
 * arguments  y [ROWS][COLUMNS] counts      x [ROWS][N] tokens
 *            from, token, to [SIZE] edges of a tree of n-grams by hash: the token leads from one node to the other; from is -1 where there is none
 *            column [nodes] of what ends at a node, -1: nothing does; the root is node 0
 * range      [lo, hi) of rows
 * fixed      SIZE, a power of two, more than there are edges      LEAST, MOST tokens of an n-gram      SKIPS: up to so many tokens are left out between two */
#include "kernel.h"

INLINE int32_t ngrams_step(int32_t node, int64_t item, const int32_t *restrict from, const int64_t *restrict token, const int32_t *restrict to)
{
    const uint64_t h = ((uint64_t)item ^ (uint64_t)node << 32) * 0x9e3779b97f4a7c15u;
    for (uint32_t at = (uint32_t)(h >> 32) & ((uint32_t)(SIZE) - 1u); from[at] >= 0; at = (at + 1u) & ((uint32_t)(SIZE) - 1u))
        if (from[at] == node && token[at] == item) return to[at];
    return -1;
}

KERNEL void ngrams(float *restrict y, const int64_t *restrict x, const int32_t *restrict from, const int64_t *restrict token, const int32_t *restrict to,
                   const int32_t *restrict column, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t n = N;
    for (int64_t row = lo; row < hi; row++) {
        float *count = y + row * (int64_t)(COLUMNS);
        const int64_t *item = x + row * n;
        memset(count, 0, (size_t)(COLUMNS) * sizeof *count);
        for (int64_t step = 1; step <= (int64_t)(SKIPS) + 1; step++) {
            for (int64_t start = 0; start < n; start++) {
                int32_t node = 0;
                int64_t at = start;
                for (int64_t length = 1; length <= (MOST) && at < n; length++, at += step) {
                    node = ngrams_step(node, item[at], from, token, to);
                    if (node < 0) break;
                    if (length >= (LEAST) && (length > 1 || step == 1) && column[node] >= 0) count[column[node]] += 1.0f; /* a single token skips nothing */
                }
            }
        }
    }
}
