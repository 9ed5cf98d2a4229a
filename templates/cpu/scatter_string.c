/* scatter_string.c - ScatterElements-18 and ScatterND-18 of strings with a reduction: the sum of strings is one behind the other, the least of them that of the
 * first different byte.
 *
 * arguments  y, x [N] strings      pool with room for the bytes of x and u together, from byte `start[0]` on (NULL: from the start); NULL where KIND is not 0
 *            u [M] updates      at [M] the element that each is for; the first of equal ones comes first      grown [N] scratch
 * fixed      KIND  0 sum, 1 minimum, 2 maximum
 * free       N M */
#include "kernel.h"

INLINE int scatter_string_less(const onnxcc_string *a, const onnxcc_string *b)
{
    const size_t n = a->length < b->length ? a->length : b->length;
    const int order = n ? memcmp(a->data, b->data, n) : 0;
    return order ? order < 0 : a->length < b->length;
}

/* Bytes that an element gets; those with any move to the pool, where they have room to grow. */
INLINE void scatter_string_move(onnxcc_string *y, uint8_t *pool, const onnxcc_string *u, const int64_t *at, int64_t *grown, int64_t n, int64_t m)
{
    for (int64_t i = 0; i < n; i++) grown[i] = 0;
    for (int64_t i = 0; i < m; i++) grown[at[i]] += (int64_t)u[i].length;
    for (int64_t i = 0; i < n; i++) {
        if (!grown[i]) continue;
        if (y[i].length) memcpy(pool, y[i].data, y[i].length);
        y[i].data = (const char *)pool;
        pool += (int64_t)y[i].length + grown[i];
        grown[i] = 0;
    }
}

KERNEL void scatter_string(onnxcc_string *restrict y, uint8_t *pool, const onnxcc_string *x, const onnxcc_string *u, const int64_t *restrict at, const int64_t *restrict start,
                           int64_t *restrict grown HOOK_PARAMS)
{
    uint8_t *const first = pool ? pool + (start ? start[0] : 0) : pool;
    for (int64_t i = 0; i < (N); i++) y[i] = x[i];
    if (KIND == 0) scatter_string_move(y, first, u, at, grown, N, M);
    for (int64_t i = 0; i < (M); i++) {
        onnxcc_string *const to = y + at[i];
        if (KIND == 0 && u[i].length) {
            memcpy(first + (to->data - (const char *)first) + to->length, u[i].data, u[i].length);
            to->length += u[i].length;
        } else if (KIND != 0 && (KIND == 1 ? scatter_string_less(u + i, to) : scatter_string_less(to, u + i))) {
            *to = u[i];
        }
    }
}
