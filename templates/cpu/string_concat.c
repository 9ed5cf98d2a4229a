/* string_concat.c - pairs of strings, one behind the other.
 *
 * arguments  y [N] strings in the pool      pool with room for as many bytes as a and b have together, from byte at[0] on; NULL: from the start
 *            a, b [N] strings */
#include "kernel.h"

KERNEL void string_concat(onnxcc_string *restrict y, uint8_t *pool, const onnxcc_string *a, const onnxcc_string *b, const int64_t *restrict at HOOK_PARAMS)
{
    pool += at ? at[0] : 0;
    for (int64_t i = 0; i < (N); i++) {
        y[i].data = (const char *)pool;
        y[i].length = a[i].length + b[i].length;
        if (a[i].length) memcpy(pool, a[i].data, a[i].length);
        pool += a[i].length;
        if (b[i].length) memcpy(pool, b[i].data, b[i].length);
        pool += b[i].length;
    }
}
