/* gemm_f16.cu - matrix product on tensor cores with operands as float16 or bfloat16 and sums in float32, with an epilogue.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N
 *
 * As gemm_tf32.cu, but tiles (tile16.cu, tile16_conv.cu) hold 16-bit floats, which the operands of type T are or become; BK is a multiple of 16, the
 * columns of a warp, BN / WN, are a multiple of 16 or 8. MMA: occ_mma_f16 or occ_mma_bf16. Products of two such numbers are exact in float32. */
#include "kernel.h"

enum {
    gemm_f16_a = A_ROWS ? BM * (BK + 8) : BK * (BM + 8), /* elements of a tile */
    gemm_f16_b = B_ROWS ? BN * (BK + 8) : BK * (BN + 8)
};

/* The products of one tile for a warp, whose first row and column are wm and wn. */
INLINE void gemm_f16_products(float (*acc)[BN / WN / 8][4], const uint16_t *at, const uint16_t *bt, int wm, int wn)
{
    const int lane = (int)threadIdx.x % 32, eight = lane / 8, row = lane % 8; /* the matrix and its row whose address a lane gives */
#pragma unroll
    for (int k = 0; k < BK; k += 16) {
        uint32_t a[BM / WM / 16][4], b[(BN / WN + 8) / 16 * 2][2];
#pragma unroll
        for (int i = 0; i < BM / WM / 16; i++) {
            const int m = wm + i * 16 + eight % 2 * 8, kk = k + eight / 2 * 8;
            if (A_ROWS) occ_ldmatrix_x4(a[i], at + (m + row) * (BK + 8) + kk);
            else occ_ldmatrix_x4_trans(a[i], at + (kk + row) * (BM + 8) + m);
        }
#pragma unroll
        for (int j = 0; j < BN / WN; j += 16) {
            const int next = BN / WN - j > 8 ? eight / 2 * 8 : 0; /* a last half: the same twice */
            const int n = wn + j + next, kk = k + eight % 2 * 8;
            uint32_t r[4];
            if (B_ROWS) occ_ldmatrix_x4(r, bt + (n + row) * (BK + 8) + kk);
            else occ_ldmatrix_x4_trans(r, bt + (kk + row) * (BN + 8) + n);
            b[j / 8][0] = r[0], b[j / 8][1] = r[1];
            b[j / 8 + 1][0] = r[2], b[j / 8 + 1][1] = r[3];
        }
#pragma unroll
        for (int i = 0; i < BM / WM / 16; i++) {
#pragma unroll
            for (int j = 0; j < BN / WN / 8; j++) MMA(acc[i][j], a[i], b[j]);
        }
    }
}

OCC_KERNEL(gemm_f16, WM * WN * 32)(const T *restrict a, const T *restrict b HOOK_PARAMS)
{
    OCC_DYNAMIC_SHARED(uint16_t, tiles);
    const int64_t across = (N + BN - 1) / BN, down = (M + BM - 1) / BM;
    const int64_t batch_index = (int64_t)blockIdx.x / (across * down);
    const int64_t m0 = (int64_t)blockIdx.x / across % down * BM, n0 = (int64_t)blockIdx.x % across * BN;
    const int warp = (int)threadIdx.x / 32, wm = warp / WN * (BM / WM), wn = warp % WN * (BN / WN);
    const T *am = a + A_AT, *bm = b + B_AT;
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
        uint16_t *at = tiles + s * (gemm_f16_a + gemm_f16_b);
        if (s * BK < K) {
            A_TILE(at, am, m0, s * BK PART_ARGS);
            B_TILE(at + gemm_f16_a, bm, n0, s * BK PART_ARGS);
        }
        occ_cp_async_commit();
    }
    int now = 0, next = STAGES - 1;
    for (int64_t k = 0; k < K; k += BK) {
        occ_cp_async_wait<STAGES - 2>();
        __syncthreads();
        const int64_t ahead = k + (STAGES - 1) * BK;
        if (ahead < K) {
            uint16_t *at = tiles + next * (gemm_f16_a + gemm_f16_b);
            A_TILE(at, am, m0, ahead PART_ARGS);
            B_TILE(at + gemm_f16_a, bm, n0, ahead PART_ARGS);
        }
        occ_cp_async_commit();
        const uint16_t *at = tiles + now * (gemm_f16_a + gemm_f16_b);
        gemm_f16_products(acc, at, at + gemm_f16_a, wm, wn);
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
