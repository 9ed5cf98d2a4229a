/* nbits_float.c - matrix product of rows of floats by weights of a few bits in blocks along k, each with its scale, with an epilogue.
 *
 *   OUT(sum over k of a[batch][m][k] * ((w[k][n] - zero[b][n]) * ws[b][n]), batch, m, n)                 for the block b of k
 *
 * arguments  a             matrices [M][K], rows LDA elements apart; matrix `batch` begins at element A_AT
 *            w ws zeros    as in nbits_int8.c, with BLOCKS = ceil(K / SIZE)
 * range, fixed  as in nbits_int8.c; ZERO: the zero point of all weights, without ZEROS
 * free       M N K BATCH LDA, and A_AT, an expression of batch_index, the matrix
 *
 * Weights become floats in registers, once for MR rows. Each element is one chain of fused multiply-adds in the order of w's bits: its bits depend on no tile size
 * and no range. */
#include "kernel.h"
#include "simd/simd.h"

/* The numbers of `bytes` from bit `at` on, less their zero points: a table in a register where there is one for all. */
INLINE vf nbits_float_number(vb bytes, int at, vi zero, vf table)
{
    if (!ZEROS && BITS == SIMD_PICKS) return vf_pick(table, vb_from(bytes, at));
    return vi_to_f(vi_sub(vb_number(bytes, at, BITS), zero));
}

/* Block b, whose rows begin at `a`, is added to acc. */
INLINE void nbits_float_block(const int rows, vf acc[MR][NV], const float *restrict a, int64_t lda, const uint8_t *restrict w, const float *restrict ws,
                              const uint8_t *restrict zeros, int64_t b)
{
    const vf table = vi_to_f(vi_iota(-ZERO, 1));
    vf scale[NV];
    vi zero[NV];
#pragma GCC unroll 8
    for (int j = 0; j < NV; j++) {
        scale[j] = vf_ld(ws + (b * NV + j) * VL);
        zero[j] = ZEROS ? vi_ld_u8(zeros + (b * NV + j) * VL) : vi_set(ZERO);
    }
    w += b * (SIZE * BITS / 8) * NV * VL;
    for (int q = 0; q < SIZE * BITS / 32; q++) {
        const float *aq = a + q * 4;
#pragma GCC unroll 8
        for (int j = 0; AHEAD > 0 && j < NV * VL * 4; j += 64) SIMD_PREFETCH(w + AHEAD + j);
        vb bytes[NV];
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++, w += VL * 4) bytes[j] = vb_ld_u8(w);
#pragma GCC unroll 16
        for (int s = 0; s < 32 / BITS; s++) {
            const float *as = aq + s * BITS / 8 + s % (8 / BITS) * (SIZE * BITS / 8);
            vf v[NV];
#pragma GCC unroll 8
            for (int j = 0; j < NV; j++) v[j] = nbits_float_number(bytes[j], s * BITS, zero[j], table) * scale[j];
#pragma GCC unroll 32
            for (int r = 0; r < rows; r++) {
                const vf ar = vf_set(as[r * lda]);
#pragma GCC unroll 8
                for (int j = 0; j < NV; j++) acc[r][j] = vf_fma(ar, v[j], acc[r][j]);
            }
        }
    }
}

/* `rows` rows from m on, one panel; rows <= MR is a constant at every call. */
INLINE void nbits_float_tile(const int rows, const float *restrict a, const uint8_t *restrict w, const float *restrict ws, const uint8_t *restrict zeros,
                             int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    vf acc[MR][NV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < NV; j++) acc[r][j] = vf_set(0.0f);
    }
    for (int64_t b = 0; b < K / SIZE; b++) nbits_float_block(rows, acc, a + b * SIZE, LDA, w, ws, zeros, b);
    if (K % SIZE != 0) { /* zeros behind the last of a row */
        float last[MR][SIZE] = {{0}};
        for (int r = 0; r < rows; r++) memcpy(last[r], a + r * LDA + K / SIZE * SIZE, (size_t)(K % SIZE) * sizeof(float));
        nbits_float_block(rows, acc, last[0], SIZE, w, ws, zeros, K / SIZE);
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

KERNEL void nbits_float(const float *restrict a, const uint8_t *restrict w, const float *restrict ws, const uint8_t *restrict zeros, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t panels = (N + NV * VL - 1) / (NV * VL), blocks = (M + MC - 1) / MC, along_k = (K + SIZE - 1) / SIZE;
    for (int64_t tile = lo; tile < hi; tile++) {
        const int64_t batch_index = tile / panels / blocks, panel = tile % panels, n = panel * NV * VL;
        int64_t m = tile / panels % blocks * MC;
        const int64_t end = m + MC < M ? m + MC : M;
        const float *am = a + A_AT + m * LDA, *sn = ws + n * along_k;
        const uint8_t *wn = w + n * along_k * (SIZE * BITS / 8), *zn = ZEROS ? zeros + n * along_k : zeros;
        for (; m + MR <= end; m += MR, am += MR * LDA) nbits_float_tile(MR, am, wn, sn, zn, batch_index, m, n HOOK_ARGS);
        if (M % MR != 0) {
            for (; m + MT <= end; m += MT, am += MT * LDA) nbits_float_tile(MT, am, wn, sn, zn, batch_index, m, n HOOK_ARGS);
            for (; m < end; m++, am += LDA) nbits_float_tile(1, am, wn, sn, zn, batch_index, m, n HOOK_ARGS);
        }
    }
}
