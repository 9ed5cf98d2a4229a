/* multiply_fma.cu - the products of two tiles of floats by fused multiply-adds, added to the elements that place_fma.cu places: the precision of float32,
 * on every architecture.
 *
 * fixed  BM BN BK  the tiles, BM and BN multiples of 16      A_ROWS B_ROWS  1: tiles lie as [line][k]; 0: as [k][line] */
#include "kernel.h"

KERNEL void multiply_fma(float *acc, const float *at, const float *bt HOOK_PARAMS)
{
    const int x = (int)threadIdx.x % 16, y = (int)threadIdx.x / 16;
    OCC_UNROLL
    for (int k = 0; k < BK; k++) {
        float a[BM / 16], b[BN / 16];
        OCC_UNROLL
        for (int i = 0; i < BM / 16; i++) a[i] = at[A_ROWS ? (y + 16 * i) * (BK + 4) + k : k * (BM + 8) + y + 16 * i];
        OCC_UNROLL
        for (int j = 0; j < BN / 16; j++) b[j] = bt[B_ROWS ? (x + 16 * j) * (BK + 4) + k : k * (BN + 8) + x + 16 * j];
        OCC_UNROLL
        for (int i = 0; i < BM / 16; i++) {
            OCC_UNROLL
            for (int j = 0; j < BN / 16; j++) acc[i * (BN / 16) + j] = fmaf(a[i], b[j], acc[i * (BN / 16) + j]);
        }
    }
}
