/* gemm_tf32.cu - float32 matrix product on tensor cores, with an epilogue.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N
 *
 * arguments  a, b  the operands; matrix `batch` begins at A_AT and B_AT, the rest A_TILE and B_TILE know
 * grid       BATCH * ceil(M / BM) * ceil(N / BN) blocks of WM * WN warps
 * fixed      BM BN BK  tile of a block          WM WN  warps of a block, each with BM / WM rows (a multiple of 16) and BN / WN columns (of 8)
 *            STAGES    tiles of A and B that are on their way or in use
 *            PASSES    1: operands are rounded to tf32 (10 bits of fraction, relative error about 5e-4 each)
 *                      3: each is a sum of two tf32 numbers, whose product leaves out only lo * lo (relative error about 2^-21)
 *            A_TILE B_TILE  functions that fetch tiles of BM and BN lines by BK (tile.cu, tile_conv.cu)
 *            A_ROWS B_ROWS  1: tiles lie as [line][k]; 0: as [k][line]
 * free       M N K BATCH, and A_AT B_AT: expressions of batch_index, the matrix
 *
 * Tiles come by asynchronous copies, STAGES - 1 ahead of the products. Lines in shared memory are padded so that a fragment's loads hit 32 banks.
 * Each element is one chain over k. For sm_80 and later. */
#include "kernel.h"

enum {
    gemm_tf32_a = A_ROWS ? BM * (BK + 4) : BK * (BM + 8), /* floats of a tile */
    gemm_tf32_b = B_ROWS ? BN * (BK + 4) : BK * (BN + 8)
};

/* A float as one or two tf32 numbers. */
INLINE void gemm_tf32_split(float v, uint32_t *high, uint32_t *low)
{
    *high = occ_float_to_tf32(v);
    *low = PASSES > 1 ? occ_float_to_tf32(v - __uint_as_float(*high)) : 0;
}

/* The products of one tile for a warp, whose first row and column are wm and wn. */
INLINE void gemm_tf32_products(float (*acc)[BN / WN / 8][4], const float *at, const float *bt, int wm, int wn)
{
    const int lane = (int)threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int k = 0; k < BK; k += 8) {
        uint32_t a[BM / WM / 16][2][4], b[BN / WN / 8][2][2];
#pragma unroll
        for (int i = 0; i < BM / WM / 16; i++) {
#pragma unroll
            for (int r = 0; r < 4; r++) {
                const int m = wm + i * 16 + g + r % 2 * 8, kk = k + t + r / 2 * 4;
                gemm_tf32_split(at[A_ROWS ? m * (BK + 4) + kk : kk * (BM + 8) + m], &a[i][0][r], &a[i][1][r]);
            }
        }
#pragma unroll
        for (int j = 0; j < BN / WN / 8; j++) {
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const int n = wn + j * 8 + g, kk = k + t + r * 4;
                gemm_tf32_split(bt[B_ROWS ? n * (BK + 4) + kk : kk * (BN + 8) + n], &b[j][0][r], &b[j][1][r]);
            }
        }
#pragma unroll
        for (int i = 0; i < BM / WM / 16; i++) {
#pragma unroll
            for (int j = 0; j < BN / WN / 8; j++) {
                if (PASSES > 1) {
                    occ_mma_tf32(acc[i][j], a[i][1], b[j][0]);
                    occ_mma_tf32(acc[i][j], a[i][0], b[j][1]);
                }
                occ_mma_tf32(acc[i][j], a[i][0], b[j][0]);
            }
        }
    }
}

OCC_KERNEL(gemm_tf32, WM * WN * 32)(const float *restrict a, const float *restrict b HOOK_PARAMS)
{
    OCC_DYNAMIC_SHARED(float, tiles);
    const int64_t across = (N + BN - 1) / BN, down = (M + BM - 1) / BM;
    const int64_t batch_index = (int64_t)blockIdx.x / (across * down);
    const int64_t m0 = (int64_t)blockIdx.x / across % down * BM, n0 = (int64_t)blockIdx.x % across * BN;
    const int warp = (int)threadIdx.x / 32, wm = warp / WN * (BM / WM), wn = warp % WN * (BN / WN);
    const float *am = a + A_AT, *bm = b + B_AT;
    float acc[BM / WM / 16][BN / WN / 8][4];
#pragma unroll
    for (int i = 0; i < BM / WM / 16; i++) {
#pragma unroll
        for (int j = 0; j < BN / WN / 8; j++) {
#pragma unroll
            for (int r = 0; r < 4; r++) acc[i][j][r] = 0.0f;
        }
    }
    for (int s = 0; s < STAGES - 1; s++) {
        float *at = tiles + s * (gemm_tf32_a + gemm_tf32_b);
        if (s * BK < K) {
            A_TILE(at, am, m0, s * BK PART_ARGS);
            B_TILE(at + gemm_tf32_a, bm, n0, s * BK PART_ARGS);
        }
        occ_cp_async_commit();
    }
    int now = 0, next = STAGES - 1;
    for (int64_t k = 0; k < K; k += BK) {
        occ_cp_async_wait<STAGES - 2>();
        __syncthreads();
        const int64_t ahead = k + (STAGES - 1) * BK;
        if (ahead < K) {
            float *at = tiles + next * (gemm_tf32_a + gemm_tf32_b);
            A_TILE(at, am, m0, ahead PART_ARGS);
            B_TILE(at + gemm_tf32_a, bm, n0, ahead PART_ARGS);
        }
        occ_cp_async_commit();
        const float *at = tiles + now * (gemm_tf32_a + gemm_tf32_b);
        gemm_tf32_products(acc, at, at + gemm_tf32_a, wm, wn);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
    occ_cp_async_wait<0>();
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < BM / WM / 16; i++) {
#pragma unroll
        for (int j = 0; j < BN / WN / 8; j++) {
#pragma unroll
            for (int r = 0; r < 4; r++) {
                const int64_t m = m0 + wm + i * 16 + lane / 4 + r / 2 * 8, n = n0 + wn + j * 8 + lane % 4 * 2 + r % 2;
                if (m < M && n < N) OUT_S(acc[i][j][r], batch_index, m, n HOOK_ARGS);
            }
        }
    }
}
