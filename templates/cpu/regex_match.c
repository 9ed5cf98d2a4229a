/* regex_match.c - whether a whole string is what a regular expression says: the walk through its automaton.
 *
 * arguments  y [N] 1 where it is      x [N] strings      classes [256] of a byte
 *            next [states][CLASSES]; state 0: no match any more; state 1: the start      accepts [states]: the string may end here
 * range      [lo, hi) of strings
 * fixed      CLASSES */
#include "kernel.h"

KERNEL void regex_match(uint8_t *restrict y, const onnxcc_string *restrict x, const uint8_t *restrict classes, const int32_t *restrict next,
                        const uint8_t *restrict accepts, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t i = lo; i < hi; i++) {
        const size_t n = x[i].length;
        int32_t state = 1;
        for (size_t k = 0; k < n && state > 0; k++) state = next[state * (CLASSES) + classes[(uint8_t)x[i].data[k]]];
        y[i] = accepts[state];
    }
}
