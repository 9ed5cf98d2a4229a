/* string_keep.c - the strings that are not in a list, in their order; one empty string where none is left.
 *
 * arguments  y [at least 1 and N] strings      count [1] of them      x [N] strings      found [N] negative: keep it */
#include "kernel.h"

KERNEL void string_keep(onnxcc_string *restrict y, int64_t *restrict count, const onnxcc_string *x, const int64_t *restrict found HOOK_PARAMS)
{
    int64_t n = 0;
    for (int64_t i = 0; i < (N); i++)
        if (found[i] < 0) y[n++] = x[i];
    if (!n) {
        y[0].data = "";
        y[0].length = 0;
        n = 1;
    }
    count[0] = n;
}
