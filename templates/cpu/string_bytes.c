/* string_bytes.c - how many bytes the strings of one or two lists have.
 *
 * arguments  count [1]      a, b [N] strings; b may be NULL */
#include "kernel.h"

KERNEL void string_bytes(int64_t *restrict count, const onnxcc_string *a, const onnxcc_string *b HOOK_PARAMS)
{
    int64_t n = 0;
    for (int64_t i = 0; i < (N); i++) n += (int64_t)a[i].length + (b ? (int64_t)b[i].length : 0);
    count[0] = n;
}
