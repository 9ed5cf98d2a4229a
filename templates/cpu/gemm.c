/* gemm.c - float32 matrix product with an epilogue; B comes in packed panels.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N
 *
 * arguments  a  matrices [M][K], rows LDA elements apart; matrix `batch` begins at element A_AT
 *            b  matrices as panels [ceil(N / NR)][K][NR] with NR = NV * VL, columns beyond N zero; matrix `batch` begins at element B_AT
 * range      [lo, hi) of tiles, a tile being MC rows by one panel: tile = (batch * ceil(M / MC) + row block) * ceil(N / NR) + panel
 * fixed      MR NV  rows and vectors of the register tile       MC  rows of a cache block, a multiple of MR
 *            MT     rows of the second register tile, for what MR leaves over; single rows do the rest
 *            AHEAD  eighths of a cache line of the next panel to prefetch at each k, so that all of it is there when it is needed
 * free       M N K BATCH LDA, and A_AT B_AT: expressions of batch_index, the matrix
 *
 * Each element is one chain of fused multiply-adds from 0 over k, so its bits depend on no tile size and no range.
 * Within a tile the A block stays in the L2 cache and one panel of B in L1 or L2; between tiles of a row block, A is still there. */
#include "kernel.h"
#include "simd/simd.h"

/* `rows` rows from m on, NV vectors from n on; rows <= MR is a constant at every call. `ahead`: what is to be prefetched meanwhile. */
INLINE void gemm_tile(const int rows, const float *restrict a, const float *restrict b, const float *ahead, int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    vf acc[MR][NV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) acc[r][j] = vf_set(0.0f);
    }
    for (int64_t k = 0; k < K; k++) {
        vf bk[NV];
        if (AHEAD > 0) SIMD_PREFETCH(ahead + k * AHEAD / 8 * 16);
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) bk[j] = vf_ld(b + (k * NV + j) * VL);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vf ar = vf_set(a[r * LDA + k]);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) acc[r][j] = vf_fma(ar, bk[j], acc[r][j]);
        }
    }
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

KERNEL void gemm(const float *restrict a, const float *restrict b, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL);
    const int64_t blocks = (M + MC - 1) / MC;
    for (int64_t tile = lo; tile < hi; tile++) {
        const int64_t batch_index = tile / panels / blocks;
        const int64_t panel = tile % panels;
        int64_t m = tile / panels % blocks * MC;
        const int64_t end = m + MC < M ? m + MC : M;
        const int64_t n = panel * NV * VL;
        const float *am = a + A_AT + m * LDA;
        const float *bn = b + B_AT + n * K;
        const float *ahead = tile + 1 < hi && panel + 1 < panels ? bn + NV * VL * K : bn;
        for (; m + MR <= end; m += MR, am += MR * LDA, ahead += (int64_t)K * AHEAD / 8 * 16)
            gemm_tile(MR, am, bn, ahead, batch_index, m, n HOOK_ARGS);
        if (M % MR != 0) {
            for (; m + MT <= end; m += MT, am += MT * LDA) gemm_tile(MT, am, bn, ahead, batch_index, m, n HOOK_ARGS);
            for (; m < end; m++, am += LDA) gemm_tile(1, am, bn, ahead, batch_index, m, n HOOK_ARGS);
        }
    }
}
