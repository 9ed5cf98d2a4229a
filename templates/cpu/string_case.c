/* string_case.c - strings with the letters of ASCII made small or capital; other bytes stay.
 *
 * arguments  y [N] strings in the pool      x [N] strings
 *            pool with room for as many bytes as x has, from byte at[0] on; NULL: from the start
 * fixed      UPPER: 1 capital, 0 small */
#include "kernel.h"

KERNEL void string_case(onnxcc_string *restrict y, uint8_t *pool, const onnxcc_string *x, const int64_t *restrict at HOOK_PARAMS)
{
    pool += at ? at[0] : 0;
    const uint8_t first = UPPER ? 97 : 65; /* the first letter that changes, in ASCII */
    for (int64_t i = 0; i < (N); i++) {
        const size_t n = x[i].length;
        y[i].data = (const char *)pool;
        y[i].length = n;
        for (size_t k = 0; k < n; k++) {
            const uint8_t c = (uint8_t)x[i].data[k];
            pool[k] = (uint8_t)(c >= first && c <= first + 25 ? c ^ 32 : c);
        }
        pool += n;
    }
}
