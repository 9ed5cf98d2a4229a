/* qgemm.c - matrix product of bytes, unsigned by signed, in 32-bit sums with an epilogue; B comes in packed panels.
 *
 *   OUT(sum over k of A[batch][m][k] * B[batch][k][n], batch, m, n)      for all batch < BATCH, m < M, n < N; the sum wraps at 32 bits
 *
 * arguments  a  uint8 matrices [M][K], rows LDA elements apart; matrix `batch` begins at element A_AT
 *            b  int8 matrices as panels [ceil(N / NR)][ceil(K / 4)][NR][4] with NR = NV * VL, zero beyond N and K: four k of a column lie together;
 *               matrix `batch` begins at element B_AT
 * range, fixed, free  as in gemm.c; AHEAD counts per four k
 *
 * Zero points are the epilogue's matter: they add a term of the row and one of the column to the sum. */
#include "kernel.h"
#include "simd/simd.h"

/* n < 4 elements as four, zeros behind them. */
INLINE vb qgemm_tail(const uint8_t *a, int64_t n)
{
    uint8_t last[4] = {0};
    for (int64_t k = 0; k < n; k++) last[k] = a[k];
    return vb_set_u8(last);
}

/* `rows` rows from m on, NV vectors from n on; rows <= MR is a constant at every call. `ahead`: what is to be prefetched meanwhile. */
INLINE void qgemm_tile(const int rows, const uint8_t *restrict a, const int8_t *restrict b, const int8_t *ahead, int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    vi acc[MR][NV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) acc[r][j] = vi_set(0);
    }
    for (int64_t k = 0; k < K / 4; k++) {
        vb bk[NV];
        if (AHEAD > 0 && AHEAD < 8) SIMD_PREFETCH(ahead + k * AHEAD / 8 * 64);
#pragma GCC unroll 32
        for (int line = 0; line < AHEAD / 8; line++) SIMD_PREFETCH(ahead + (k * (AHEAD / 8) + line) * 64);
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) bk[j] = vb_ld_s8(b + (k * NV + j) * VL * 4);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vb ar = vb_set_u8(a + r * LDA + k * 4);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) acc[r][j] = vi_dot4(acc[r][j], ar, bk[j]);
        }
    }
    if (K % 4 != 0) {
        const int8_t *last = b + K / 4 * NV * VL * 4;
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vb ar = qgemm_tail(a + r * LDA + K / 4 * 4, K % 4);
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) acc[r][j] = vi_dot4(acc[r][j], ar, vb_ld_s8(last + j * VL * 4));
        }
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
    int32_t row[MR][NV * VL];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) vi_st(row[r] + j * VL, acc[r][j]);
    }
    for (int r = 0; r < rows; r++) {
        int64_t i = n;
        for (; i + VL <= N; i += VL) OUT_V(vi_ld(row[r] + (i - n)), batch_index, m + r, i HOOK_ARGS);
        for (; i < N; i++) OUT_S(row[r][i - n], batch_index, m + r, i HOOK_ARGS);
    }
}

KERNEL void qgemm(const uint8_t *restrict a, const int8_t *restrict b, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL);
    const int64_t blocks = (M + MC - 1) / MC;
    const int64_t panel_bytes = (K + 3) / 4 * 4 * NV * VL;
    for (int64_t tile = lo; tile < hi; tile++) {
        const int64_t batch_index = tile / panels / blocks;
        const int64_t panel = tile % panels;
        int64_t m = tile / panels % blocks * MC;
        const int64_t end = m + MC < M ? m + MC : M;
        const int64_t n = panel * NV * VL;
        const uint8_t *am = a + A_AT + m * LDA;
        const int8_t *bn = b + B_AT + panel * panel_bytes;
        const int8_t *ahead = tile + 1 < hi && panel + 1 < panels ? bn + panel_bytes : bn;
        for (; m + MR <= end; m += MR, am += MR * LDA, ahead += (int64_t)K / 4 * AHEAD / 8 * 64)
            qgemm_tile(MR, am, bn, ahead, batch_index, m, n HOOK_ARGS);
        if (M % MR != 0) {
            for (; m + MT <= end; m += MT, am += MT * LDA) qgemm_tile(MT, am, bn, ahead, batch_index, m, n HOOK_ARGS);
            for (; m < end; m++, am += LDA) qgemm_tile(1, am, bn, ahead, batch_index, m, n HOOK_ARGS);
        }
    }
}
