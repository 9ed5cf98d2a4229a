/* multiply_tf32.cu - the products of two tiles of floats on tensor cores, added to the elements that place_mma.cu places.
 *
 * fixed  BM BN BK  the tiles      WM WN  warps of the block, each with BM / WM rows (a multiple of 16) and BN / WN columns (of 8)
 *        PASSES    1: operands are rounded to tf32 (10 bits of fraction, relative error about 5e-4 each)
 *                  3: each is a sum of two tf32 numbers, whose product leaves out only lo * lo (relative error about 2^-21)
 *        A_ROWS B_ROWS  1: tiles lie as [line][k]; 0: as [k][line], padded so that a fragment's loads hit 32 banks */
#include "kernel.h"

/* A float as one or two tf32 numbers. */
INLINE void multiply_tf32_split(float v, uint32_t *high, uint32_t *low)
{
    *high = occ_float_to_tf32(v);
    *low = PASSES > 1 ? occ_float_to_tf32(v - __uint_as_float(*high)) : 0;
}

KERNEL void multiply_tf32(float *acc, const float *at, const float *bt HOOK_PARAMS)
{
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int wm = warp / WN * (BM / WM), wn = warp % WN * (BN / WN);
    OCC_UNROLL
    for (int k = 0; k < BK; k += 8) {
        uint32_t a[BM / WM / 16][2][4], b[BN / WN / 8][2][2];
        OCC_UNROLL
        for (int i = 0; i < BM / WM / 16; i++) {
            OCC_UNROLL
            for (int r = 0; r < 4; r++) {
                const int m = wm + i * 16 + g + r % 2 * 8, kk = k + t + r / 2 * 4;
                multiply_tf32_split(at[A_ROWS ? m * (BK + 4) + kk : kk * (BM + 8) + m], &a[i][0][r], &a[i][1][r]);
            }
        }
        OCC_UNROLL
        for (int j = 0; j < BN / WN / 8; j++) {
            OCC_UNROLL
            for (int r = 0; r < 2; r++) {
                const int n = wn + j * 8 + g, kk = k + t + r * 4;
                multiply_tf32_split(bt[B_ROWS ? n * (BK + 4) + kk : kk * (BN + 8) + n], &b[j][0][r], &b[j][1][r]);
            }
        }
        OCC_UNROLL
        for (int i = 0; i < BM / WM / 16; i++) {
            OCC_UNROLL
            for (int j = 0; j < BN / WN / 8; j++) {
                float *d = acc + (i * (BN / WN / 8) + j) * 4;
                if (PASSES > 1) {
                    occ_mma_tf32(d, a[i][1], b[j][0]);
                    occ_mma_tf32(d, a[i][0], b[j][1]);
                }
                occ_mma_tf32(d, a[i][0], b[j][0]);
            }
        }
    }
}
