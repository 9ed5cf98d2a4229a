/* string_list.c - strings from their bytes.
 *
 * arguments  y [N] strings, each where it lies      bytes of all strings      places [N + 1] where each begins, and where the last one ends
 * range      [lo, hi) of strings */
#include "kernel.h"

KERNEL void string_list(onnxcc_string *restrict y, const uint8_t *bytes, const int64_t *restrict places, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t i = lo; i < hi; i++) {
        y[i].data = (const char *)bytes + places[i];
        y[i].length = (size_t)(places[i + 1] - places[i]);
    }
}
