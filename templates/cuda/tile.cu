/* tile.cu - a tile of a float matrix from global to shared memory, zeros outside of the matrix.
 *
 * arguments  into  ROWS 1: LINES lines of BK + 4 floats, element (line, k) at line * (BK + 4) + k
 *                  ROWS 0: BK lines of LINES + 8, element (line, k) at k * (LINES + 8) + line
 *            p     the matrix; element (line, k) at line * STRIDE + k (ROWS 1) or k * STRIDE + line (ROWS 0)
 *            line, k  the tile's first element
 * fixed      LINES BK ROWS, THREADS of the block; VEC 1: p is at a multiple of 16 bytes and STRIDE a multiple of 4, so 16 bytes are one access
 * free       END DEPTH  extents of the matrix along lines and k      STRIDE
 *
 * By the whole block. What is copied asynchronously belongs to the group that the caller commits. */
#include "kernel.h"

KERNEL void tile(float *into, const float *restrict p, int64_t line, int64_t k HOOK_PARAMS)
{
    const int length = ROWS ? BK : LINES, pitch = ROWS ? BK + 4 : LINES + 8;
    OCC_UNROLL
    for (int i = 0; i < LINES * BK / 4; i += THREADS) {
        const int c = i + (int)threadIdx.x, row = c / (length / 4), column = c % (length / 4) * 4;
        if (LINES * BK / 4 % THREADS != 0 && c >= LINES * BK / 4) break;
        const int64_t across = (ROWS ? line : k) + row, along = (ROWS ? k : line) + column;
        const int64_t across_end = ROWS ? END : DEPTH, along_end = ROWS ? DEPTH : END;
        const int64_t left = across < across_end && along < along_end ? along_end - along : 0;
        const float *from = p + (left > 0 ? across * STRIDE + along : 0);
        float *to = into + row * pitch + column;
        if (VEC) occ_cp_async16(to, from, left >= 4 ? 16 : (int)left * 4);
        else {
            OCC_UNROLL
            for (int e = 0; e < 4; e++) occ_cp_async4(to + e, from + (e < left ? e : 0), e < left ? 4 : 0);
        }
    }
}
