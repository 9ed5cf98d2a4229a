/* bits.c - BitCast-26 of elements under 32 bits: the same bits as elements of another type. A copy, but not one of numbers: a NaN keeps its bits.
 *
 * arguments  y, x: as many elements of C, which hold the bits; several elements of a type under 8 bits
 * range      [lo, hi) of them
 * fixed      Y_T X_T  integers of one width */
#include "kernel.h"

KERNEL void bits(Y_T *restrict y, const X_T *restrict x, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t i = lo; i < hi; i++) y[i] = (Y_T)x[i];
}
