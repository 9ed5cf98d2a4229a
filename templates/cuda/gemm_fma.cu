/* gemm_fma.cu - float32 matrix product by fused multiply-adds, with an epilogue: the precision of float32, on every architecture.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N
 *
 * As gemm_tf32.cu, but a block has 256 threads in a square of 16 by 16: the thread in row y and column x has the elements m = y + 16 i and
 * n = x + 16 j. BM and BN are multiples of 16. Each element is one chain of fused multiply-adds from 0 over k. */
#include "kernel.h"

enum {
    gemm_fma_a = A_ROWS ? BM * (BK + 4) : BK * (BM + 8), /* floats of a tile */
    gemm_fma_b = B_ROWS ? BN * (BK + 4) : BK * (BN + 8)
};

/* The products of one tile. */
INLINE void gemm_fma_products(float (*acc)[BN / 16], const float *at, const float *bt)
{
    const int x = (int)threadIdx.x % 16, y = (int)threadIdx.x / 16;
#pragma unroll
    for (int k = 0; k < BK; k++) {
        float a[BM / 16], b[BN / 16];
#pragma unroll
        for (int i = 0; i < BM / 16; i++) a[i] = at[A_ROWS ? (y + 16 * i) * (BK + 4) + k : k * (BM + 8) + y + 16 * i];
#pragma unroll
        for (int j = 0; j < BN / 16; j++) b[j] = bt[B_ROWS ? (x + 16 * j) * (BK + 4) + k : k * (BN + 8) + x + 16 * j];
#pragma unroll
        for (int i = 0; i < BM / 16; i++) {
#pragma unroll
            for (int j = 0; j < BN / 16; j++) acc[i][j] = fmaf(a[i], b[j], acc[i][j]);
        }
    }
}

OCC_KERNEL(gemm_fma, 256)(const float *restrict a, const float *restrict b HOOK_PARAMS)
{
    OCC_DYNAMIC_SHARED(float, tiles);
    const int64_t across = (N + BN - 1) / BN, down = (M + BM - 1) / BM;
    const int64_t batch_index = (int64_t)blockIdx.x / (across * down);
    const int64_t m0 = (int64_t)blockIdx.x / across % down * BM, n0 = (int64_t)blockIdx.x % across * BN;
    const float *am = a + A_AT, *bm = b + B_AT;
    float acc[BM / 16][BN / 16];
#pragma unroll
    for (int i = 0; i < BM / 16; i++) {
#pragma unroll
        for (int j = 0; j < BN / 16; j++) acc[i][j] = 0.0f;
    }
    for (int s = 0; s < STAGES - 1; s++) {
        float *at = tiles + s * (gemm_fma_a + gemm_fma_b);
        if (s * BK < K) {
            A_TILE(at, am, m0, s * BK PART_ARGS);
            B_TILE(at + gemm_fma_a, bm, n0, s * BK PART_ARGS);
        }
        occ_cp_async_commit();
    }
    int now = 0, next = STAGES - 1;
    for (int64_t k = 0; k < K; k += BK) {
        occ_cp_async_wait<STAGES - 2>();
        __syncthreads();
        const int64_t ahead = k + (STAGES - 1) * BK;
        if (ahead < K) {
            float *at = tiles + next * (gemm_fma_a + gemm_fma_b);
            A_TILE(at, am, m0, ahead PART_ARGS);
            B_TILE(at + gemm_fma_a, bm, n0, ahead PART_ARGS);
        }
        occ_cp_async_commit();
        const float *at = tiles + now * (gemm_fma_a + gemm_fma_b);
        gemm_fma_products(acc, at, at + gemm_fma_a);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
    occ_cp_async_wait<0>();
#pragma unroll
    for (int i = 0; i < BM / 16; i++) {
#pragma unroll
        for (int j = 0; j < BN / 16; j++) {
            const int64_t m = m0 + (int64_t)threadIdx.x / 16 + 16 * i, n = n0 + (int64_t)threadIdx.x % 16 + 16 * j;
            if (m < M && n < N) OUT_S(acc[i][j], batch_index, m, n HOOK_ARGS);
        }
    }
}
