/* gemm_half.c - matrix product of numbers of 16 bits with float32 sums with an epilogue; B comes in packed panels.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N
 *
 * arguments  a  matrices [M][K] of bfloat16 or float16, rows LDA elements apart; matrix `batch` begins at element A_AT
 *            b  such matrices as panels [ceil(N / NR)][ceil(K / 2)][NR][2] with NR = NV * VL, zero beyond N and K: two k of a column lie together;
 *               matrix `batch` begins at element B_AT
 * range, fixed, free  as in gemm.c; AHEAD counts per two k
 *            ACC_T DOT2 TOTAL  an accumulator, what adds two products to each lane, what makes floats of it: vf, vf_dot2 and nothing for bfloat16;
 *               vk, vk_dot2 and vk_total for float16, where CHAIN is how many DOT2 an accumulator takes before it is added to a sum of floats; else 0
 *
 * Each element is one chain of DOT2 from 0 over the pairs of k, or one for every CHAIN of them, so its bits depend on no tile size and no range. */
#include "kernel.h"
#include "simd/simd.h"

/* The last element of a row with an odd number of them. */
INLINE vh gemm_half_last(const uint16_t *a)
{
    const uint16_t pair[2] = {*a, 0};
    return vh_set(pair);
}

/* `rows` rows from m on, NV vectors from n on; rows <= MR is a constant at every call. `ahead`: what is to be prefetched meanwhile. */
INLINE void gemm_half_tile(const int rows, const uint16_t *restrict a, const uint16_t *restrict b, const uint16_t *ahead, int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    vf sum[MR][NV];
    int64_t from = 0, to;
    do {
        ACC_T acc[MR][NV];
        to = CHAIN > 0 && from + CHAIN < K / 2 ? from + CHAIN : K / 2;
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) acc[r][j] = (ACC_T){0};
        }
        for (int64_t k = from; k < to; k++) {
            vh bk[NV];
            if (AHEAD > 0) SIMD_PREFETCH(ahead + k * AHEAD / 8 * 32);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) bk[j] = vh_ld(b + (k * NV + j) * VL * 2);
#pragma GCC unroll 32
            for (int r = 0; r < rows; r++) {
                const vh ar = vh_set(a + r * LDA + k * 2);
#pragma GCC unroll 8
                for (int j = 0; j < NV; j++) acc[r][j] = DOT2(acc[r][j], ar, bk[j]);
            }
        }
        if (K % 2 != 0 && to == K / 2) {
            const uint16_t *last = b + K / 2 * NV * VL * 2;
#pragma GCC unroll 32
            for (int r = 0; r < rows; r++) {
                const vh ar = gemm_half_last(a + r * LDA + K - 1);
#pragma GCC unroll 8
                for (int j = 0; j < NV; j++) acc[r][j] = DOT2(acc[r][j], ar, vh_ld(last + j * VL * 2));
            }
        }
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) sum[r][j] = from > 0 ? sum[r][j] + TOTAL(acc[r][j]) : TOTAL(acc[r][j]);
        }
        from = to;
    } while (CHAIN > 0 && to < K / 2);
    SIMD_FENCE();
    if (N % (NV * VL) == 0 || n + NV * VL <= N) {
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) OUT_V(sum[r][j], batch_index, m + r, n + j * VL HOOK_ARGS);
        }
        return;
    }
    /* The last panel: whole vectors, then single columns. */
    float row[MR][NV * VL];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) vf_st(row[r] + j * VL, sum[r][j]);
    }
    for (int r = 0; r < rows; r++) {
        int64_t i = n;
        for (; i + VL <= N; i += VL) OUT_V(vf_ld(row[r] + (i - n)), batch_index, m + r, i HOOK_ARGS);
        for (; i < N; i++) OUT_S(row[r][i - n], batch_index, m + r, i HOOK_ARGS);
    }
}

KERNEL void gemm_half(const uint16_t *restrict a, const uint16_t *restrict b, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL);
    const int64_t blocks = (M + MC - 1) / MC;
    const int64_t panel_size = (K + 1) / 2 * 2 * NV * VL;
    for (int64_t tile = lo; tile < hi; tile++) {
        const int64_t batch_index = tile / panels / blocks;
        const int64_t panel = tile % panels;
        int64_t m = tile / panels % blocks * MC;
        const int64_t end = m + MC < M ? m + MC : M;
        const int64_t n = panel * NV * VL;
        const uint16_t *am = a + A_AT + m * LDA;
        const uint16_t *bn = b + B_AT + panel * panel_size;
        const uint16_t *ahead = tile + 1 < hi && panel + 1 < panels ? bn + panel_size : bn;
        for (; m + MR <= end; m += MR, am += MR * LDA, ahead += (int64_t)K / 2 * AHEAD / 8 * 32)
            gemm_half_tile(MR, am, bn, ahead, batch_index, m, n HOOK_ARGS);
        if (M % MR != 0) {
            for (; m + MT <= end; m += MT, am += MT * LDA) gemm_half_tile(MT, am, bn, ahead, batch_index, m, n HOOK_ARGS);
            for (; m < end; m++, am += LDA) gemm_half_tile(1, am, bn, ahead, batch_index, m, n HOOK_ARGS);
        }
    }
}
