/* multiply_f16.cu - the products of two tiles of float16 or bfloat16 on tensor cores, added in float32 to the elements that place_mma.cu places. Products
 * of two such numbers are exact in float32.
 *
 * fixed  MMA  occ_mma_f16 or occ_mma_bf16      BM BN BK  the tiles, BK a multiple of 16
 *        WM WN  warps of the block, each with BM / WM rows (a multiple of 16) and BN / WN columns (of 8)
 *        A_ROWS B_ROWS  1: tiles lie as [line][k]; 0: as [k][line] */
#include "kernel.h"

KERNEL void multiply_f16(float *acc, const uint16_t *at, const uint16_t *bt HOOK_PARAMS)
{
    const int warp = (int)threadIdx.x / 32, wm = warp / WN * (BM / WM), wn = warp % WN * (BN / WN);
    const int lane = (int)threadIdx.x % 32, eight = lane / 8, row = lane % 8; /* the matrix and its row whose address a lane gives */
    OCC_UNROLL
    for (int k = 0; k < BK; k += 16) {
        uint32_t a[BM / WM / 16][4], b[(BN / WN + 8) / 16 * 2][2];
        OCC_UNROLL
        for (int i = 0; i < BM / WM / 16; i++) {
            const int m = wm + i * 16 + eight % 2 * 8, kk = k + eight / 2 * 8;
            if (A_ROWS) occ_ldmatrix_x4(a[i], at + (m + row) * (BK + 8) + kk);
            else occ_ldmatrix_x4_trans(a[i], at + (kk + row) * (BM + 8) + m);
        }
        OCC_UNROLL
        for (int j = 0; j < BN / WN; j += 16) {
            const int next = BN / WN - j > 8 ? eight / 2 * 8 : 0; /* a last half: the same twice */
            const int n = wn + j + next, kk = k + eight % 2 * 8;
            uint32_t r[4];
            if (B_ROWS) occ_ldmatrix_x4(r, bt + (n + row) * (BK + 8) + kk);
            else occ_ldmatrix_x4_trans(r, bt + (kk + row) * (BN + 8) + n);
            b[j / 8][0] = r[0], b[j / 8][1] = r[1];
            b[j / 8 + 1][0] = r[2], b[j / 8 + 1][1] = r[3];
        }
        OCC_UNROLL
        for (int i = 0; i < BM / WM / 16; i++) {
            OCC_UNROLL
            for (int j = 0; j < BN / WN / 8; j++) MMA(acc + (i * (BN / WN / 8) + j) * 4, a[i], b[j]);
        }
    }
}
