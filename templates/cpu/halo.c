/* halo.c - the cells around the pixels of a tensor in channel blocks: padding in memory, that a convolution reads like any other cell.
 *
 * arguments  y  [N][BLOCKS][TOP + H + BOTTOM][LEFT + W + RIGHT][L] with strides Y_N, Y_C, Y_H in elements of type T; the first cell is element Y_AT
 * range      [lo, hi) of share * LINES + row, row = n * H + h of LINES; a share is a part of the blocks. With the first and the last row of an image go those
 *            before and behind it
 *            PARTS  shares; with 1 LINES is not used
 * fixed      T, L, VALUE  element type, lanes of a block, what the cells get */
#include "kernel.h"

INLINE void halo_cells(T *restrict y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int lane = 0; lane < L; lane++) y[i * L + lane] = VALUE;
    }
}

KERNEL void halo(T *restrict y, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t at = lo, end; at < hi; at = end) {
        const int64_t share = PARTS > 1 ? at / LINES : 0, before = PARTS > 1 ? share * LINES : 0;
        end = PARTS > 1 && before + LINES < hi ? before + LINES : hi;
        for (int64_t block = BLOCKS * share / PARTS; block < BLOCKS * (share + 1) / PARTS; block++) {
            for (int64_t row = at - before; row < end - before; row++) {
                const int64_t n = row / H, h = row % H, first = h ? TOP + h : 0, last = h + 1 < H ? TOP + h + 1 : TOP + H + BOTTOM;
                T *image = y + (Y_AT + n * Y_N + block * Y_C);
                for (int64_t r = first; r < last; r++) {
                    const int inside = r >= TOP && r < TOP + H;
                    halo_cells(image + r * Y_H, inside ? LEFT : LEFT + W + RIGHT);
                    if (inside) halo_cells(image + (r * Y_H + (LEFT + W) * L), RIGHT);
                }
            }
        }
    }
}
