/* gemm.c - float32 matrix product with an epilogue; B comes in packed panels.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N
 *
 * arguments  a  matrices [M][K], rows LDA elements apart; matrix `batch` begins at element A_AT
 *            b  matrices as panels [ceil(N / NR)][K][NR] with NR = NV * VL, columns beyond N zero; matrix `batch` begins at element B_AT
 * range      [lo, hi) of tiles, a tile being MC rows by one panel: tile = (batch * ceil(M / MC) + row block) * ceil(N / NR) + panel
 * fixed      MR NV  rows and vectors of the register tile       MC  rows of a cache block, a multiple of MR
 *            MT     rows of the second register tile, for what MR leaves over; single rows do the rest
 *            KC     k of a cache block, sums of MC rows by a panel being kept between blocks; 0: K is one block
 *            AHEAD  eighths of a cache line of the next block of B to prefetch at each k, so that all of it is there when it is needed
 * free       M N K BATCH LDA, and A_AT B_AT: expressions of batch_index, the matrix
 *
 * Each element is one chain of fused multiply-adds from 0 over k, so its bits depend on no tile size and no range.
 * Within a tile the A block stays in the L2 cache and one panel of B in L1 or L2; between tiles of a row block, A is still there. Where K is so large that
 * few rows of A would be, blocks of KC let more rows use what is read of B. */
#include "kernel.h"
#include "simd/simd.h"

/* `rows` rows from m on, NV vectors from n on, of the block [k_lo, k_hi); rows <= MR is a constant at every call. part: sums of the blocks before, [rows][NR].
 * ahead: what is to be prefetched meanwhile. */
INLINE void gemm_tile(const int rows, const float *restrict a, const float *restrict b, const float *ahead, float *restrict part, int64_t k_lo, int64_t k_hi,
                      int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    vf acc[MR][NV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) acc[r][j] = KC > 0 && k_lo > 0 ? vf_ld(part + (r * NV + j) * VL) : vf_set(0.0f);
    }
    for (int64_t k = 0; k < k_hi - k_lo; k++) {
        vf bk[NV];
        if (AHEAD > 0 && AHEAD < 8) SIMD_PREFETCH(ahead + k * AHEAD / 8 * 16);
#pragma GCC unroll 32
        for (int line = 0; line < AHEAD / 8; line++) SIMD_PREFETCH(ahead + (k * (AHEAD / 8) + line) * 16);
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) bk[j] = vf_ld(b + (k * NV + j) * VL);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vf ar = vf_set(a[r * LDA + k]);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) acc[r][j] = vf_fma(ar, bk[j], acc[r][j]);
        }
    }
    if (KC > 0 && k_hi < K) {
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) vf_st(part + (r * NV + j) * VL, acc[r][j]);
        }
        return;
    }
    SIMD_FENCE();
    if (N % (NV * VL) == 0 || n + NV * VL <= N) {
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) OUT_V(acc[r][j], batch_index, m + r, n + j * VL HOOK_ARGS);
        }
        return;
    }
    /* The last panel: whole vectors, then single columns. */
    float row[MR][NV * VL];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) vf_st(row[r] + j * VL, acc[r][j]);
    }
    for (int r = 0; r < rows; r++) {
        int64_t i = n;
        for (; i + VL <= N; i += VL) OUT_V(vf_ld(row[r] + (i - n)), batch_index, m + r, i HOOK_ARGS);
        for (; i < N; i++) OUT_S(row[r][i - n], batch_index, m + r, i HOOK_ARGS);
    }
}

/* The rows [m, end) of a tile, for the block [k_lo, k_hi). */
INLINE void gemm_block(const float *restrict a, const float *restrict b, const float *ahead, float *restrict part, int64_t k_lo, int64_t k_hi, int64_t batch_index,
                       int64_t m, int64_t end, int64_t n HOOK_PARAMS)
{
    for (; m + MR <= end; m += MR, a += MR * LDA, ahead += (k_hi - k_lo) * AHEAD / 8 * 16, part += KC > 0 ? MR * NV * VL : 0)
        gemm_tile(MR, a, b, ahead, part, k_lo, k_hi, batch_index, m, n HOOK_ARGS);
    if (M % MR == 0) return;
    for (; m + MT <= end; m += MT, a += MT * LDA, part += KC > 0 ? MT * NV * VL : 0) gemm_tile(MT, a, b, ahead, part, k_lo, k_hi, batch_index, m, n HOOK_ARGS);
    for (; m < end; m++, a += LDA, part += KC > 0 ? NV * VL : 0) gemm_tile(1, a, b, ahead, part, k_lo, k_hi, batch_index, m, n HOOK_ARGS);
}

KERNEL void gemm(const float *restrict a, const float *restrict b, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL);
    const int64_t blocks = (M + MC - 1) / MC;
    float part[KC > 0 ? MC * NV * VL : 1];
    for (int64_t tile = lo; tile < hi; tile++) {
        const int64_t batch_index = tile / panels / blocks;
        const int64_t panel = tile % panels;
        const int64_t m = tile / panels % blocks * MC;
        const int64_t end = m + MC < M ? m + MC : M;
        const int64_t n = panel * NV * VL;
        const float *am = a + A_AT + m * LDA;
        const float *bn = b + B_AT + n * K;
        const float *next = tile + 1 < hi && panel + 1 < panels ? bn + NV * VL * K : bn;
        int64_t k = 0;
        for (; KC > 0 && k + KC < K; k += KC) gemm_block(am + k, bn + k * NV * VL, bn + (k + KC) * NV * VL, part, k, k + KC, batch_index, m, end, n HOOK_ARGS);
        gemm_block(am + k, bn + k * NV * VL, next, part, k, K, batch_index, m, end, n HOOK_ARGS);
    }
}
