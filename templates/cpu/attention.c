/* attention.c - float32 softmax(S) V for scores S = SCORE(Q K'), with an epilogue. Scores are there for a few rows and keys at a time only.
 *
 *   S[m][n] = SCORE(sum over d of Q[batch][m][d] * K[batch][n][d], batch, m, n)                        for all n < N
 *   OUT(sum over n of exp(S[m][n]) * V[batch][n][j] / sum over n of exp(S[m][n]), batch, m, j)         for all batch, m < M, j < DV
 *
 * arguments  q  matrices [M][D], rows LDQ elements apart; matrix `batch` begins at element Q_AT
 *            k  panels of keys [ceil(N / (KV * VL))][D][KV * VL], keys beyond N zero; from element K_AT on
 *            v  panels of values [ceil(DV / (PV * VL))][N][PV * VL], zero beyond DV; from element V_AT on
 *            scratch  RB * (KB + VL + ceil(DV / (PV * VL)) * PV * VL + 3) floats: scores, sums of values, and each row's maximum, sum and factor
 * range      [lo, hi) of blocks: block = batch * ceil(M / RB) + block of RB rows
 * fixed      MR KV PV  rows of a register tile, its vectors of scores and of values      MT  rows of the second tile, for what MR leaves over of M
 *            RB KB  rows and keys of a block, multiples of MR and KV * VL
 *            EMPTY  what rows give whose scores are all -inf: 0: NaN; 1: zeros; 2: zeros, and so do rows with a NaN
 * free       M N D LDQ, and Q_AT K_AT V_AT: expressions of batch_index, the matrix
 *
 * Where there are several blocks of keys, sums follow a running maximum. An element's bits depend on KB and the vectors' length, but on no range.
 * Source: Dao, Fu, Ermon, Rudra and Re, FlashAttention, arXiv 2205.14135. */
#include "kernel.h"
#include "simd/simd.h"

/* exp for x <= 0, as vf_expn: numbers too small to be normal are 0, by way of a power of two that is: masked scores cost no more than others. NaN stays. */
INLINE vf attention_exp(vf x)
{
    const vf magic = vf_set(12582912.0f), a = vf_fmax(vf_set(-88.0f), x), t = vf_fma(a, vf_set(1.44269504f), magic), n = t - magic;
    return vf_exp_rest(a, n) * vi_pow2(vi_sub(vf_bits(t), vf_bits(magic)));
}

/* Scores of `rows` rows from m on and KV vectors of keys from n on, -inf beyond N. */
INLINE void attention_scores(const int rows, const float *restrict q, const float *restrict k, float *restrict s, int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    vf acc[MR][KV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < KV; j++) acc[r][j] = vf_set(0.0f);
    }
    for (int64_t d = 0; d < D; d++) {
        vf kd[KV];
#pragma GCC unroll 8
        for (int j = 0; j < KV; j++) kd[j] = vf_ld(k + (d * KV + j) * VL);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vf qr = vf_set(q[r * LDQ + d]);
#pragma GCC unroll 8
            for (int j = 0; j < KV; j++) acc[r][j] = vf_fma(qr, kd[j], acc[r][j]);
        }
    }
    if (N % (KV * VL) == 0 || n + KV * VL <= N) {
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < KV; j++) vf_st(s + r * (KB + VL) + j * VL, SCORE_V(acc[r][j], batch_index, m + r, n + j * VL HOOK_ARGS));
        }
        return;
    }
    /* The last panel: whole vectors, then single keys. */
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < KV; j++) vf_st(s + r * (KB + VL) + j * VL, acc[r][j]);
    }
    for (int r = 0; r < rows; r++) {
        float *row = s + r * (KB + VL);
        int64_t i = n;
        for (; i + VL <= N; i += VL) vf_st(row + (i - n), SCORE_V(vf_ld(row + (i - n)), batch_index, m + r, i HOOK_ARGS));
        for (; i < n + KV * VL; i++) {
            if (i < N) row[i - n] = SCORE_S(row[i - n], batch_index, m + r, i HOOK_ARGS);
            else row[i - n] = -INFINITY;
        }
    }
}

/* A row's scores become exp(score - most), which is added to *sum; *most grows, and *keep is what becomes of what was summed before. */
INLINE void attention_row(float *restrict s, int64_t keys, int first, float *restrict most, float *restrict sum, float *restrict keep)
{
    vf high = vf_set(-INFINITY), all = vf_set(0.0f);
    for (int64_t i = 0; i < keys; i += VL) high = vf_fmax(vf_ld(s + i), high);
    const float own = vf_hmax(high), top = first || own > *most ? own : *most, base = top == -INFINITY ? 0.0f : top;
    const vf below = vf_set(base);
    for (int64_t i = 0; i < keys; i += VL) {
        const vf e = attention_exp(vf_ld(s + i) - below);
        vf_st(s + i, e);
        all = all + e;
    }
    *keep = first ? 0.0f : sf_exp(*most - base);
    *sum = first ? vf_hsum(all) : *sum * *keep + vf_hsum(all);
    *most = top;
}

/* Adds `rows` rows of s times PV vectors of values to o, and stores the quotients after the last keys. */
INLINE void attention_values(const int rows, const float *restrict s, const float *restrict v, float *restrict o, int64_t keys, int first, int last, const float *restrict sum,
                             const float *restrict keep, int64_t batch_index, int64_t m, int64_t n HOOK_PARAMS)
{
    const int64_t width = (DV + PV * VL - 1) / (PV * VL) * (PV * VL);
    vf acc[MR][PV];
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < PV; j++) acc[r][j] = vf_set(0.0f);
    }
    for (int64_t k = 0; k < keys; k++) {
        vf value[PV];
#pragma GCC unroll 8
        for (int j = 0; j < PV; j++) value[j] = vf_ld(v + (k * PV + j) * VL);
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const vf sr = vf_set(s[r * (KB + VL) + k]);
#pragma GCC unroll 8
            for (int j = 0; j < PV; j++) acc[r][j] = vf_fma(sr, value[j], acc[r][j]);
        }
    }
    if (!first) {
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
            for (int j = 0; j < PV; j++) acc[r][j] = vf_fma(vf_ld(o + r * width + j * VL), vf_set(keep[r]), acc[r][j]);
        }
    }
    const int whole = DV % (PV * VL) == 0 || n + PV * VL <= DV;
    SIMD_FENCE();
    if (last) {
#pragma GCC unroll 32
        for (int r = 0; r < rows; r++) {
            const int none = N == 0 || (EMPTY == 2 ? !(sum[r] > 0.0f) : EMPTY == 1 && sum[r] == 0.0f);
            const vf by = vf_set(none ? 0.0f : 1.0f / sum[r]);
#pragma GCC unroll 8
            for (int j = 0; j < PV; j++) {
                acc[r][j] = EMPTY == 2 && none ? vf_set(0.0f) : acc[r][j] * by;
                if (whole) OUT_V(acc[r][j], batch_index, m + r, n + j * VL HOOK_ARGS);
            }
        }
        if (whole) return;
    }
#pragma GCC unroll 32
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < PV; j++) vf_st(o + r * width + j * VL, acc[r][j]);
    }
    if (!last) return;
    for (int r = 0; r < rows; r++) {
        int64_t i = n;
        for (; i + VL <= DV; i += VL) OUT_V(vf_ld(o + r * width + (i - n)), batch_index, m + r, i HOOK_ARGS);
        for (; i < DV; i++) OUT_S(o[r * width + (i - n)], batch_index, m + r, i HOOK_ARGS);
    }
}

/* The rows [m, end) and the keys [n, n + keys): a panel of the keys after the other, then of the values. */
INLINE void attention_block(const float *restrict q, const float *restrict k, const float *restrict v, float *restrict s, int64_t keys, int64_t batch_index, int64_t m, int64_t end,
                            int64_t n HOOK_PARAMS)
{
    const int64_t width = (DV + PV * VL - 1) / (PV * VL) * (PV * VL), rows = end - m;
    const int first = n == 0, last = n + keys >= N;
    float *o = s + RB * (KB + VL), *most = o + RB * width, *sum = most + RB, *keep = sum + RB;
    for (int64_t i = 0; i < keys; i += KV * VL) {
        const float *ks = k + i * D;
        int64_t r = 0;
        for (; r + MR <= rows; r += MR) attention_scores(MR, q + r * LDQ, ks, s + r * (KB + VL) + i, batch_index, m + r, n + i HOOK_ARGS);
        if (M % MR == 0) continue;
        for (; r + MT <= rows; r += MT) attention_scores(MT, q + r * LDQ, ks, s + r * (KB + VL) + i, batch_index, m + r, n + i HOOK_ARGS);
        for (; r < rows; r++) attention_scores(1, q + r * LDQ, ks, s + r * (KB + VL) + i, batch_index, m + r, n + i HOOK_ARGS);
    }
    for (int64_t r = 0; r < rows; r++) attention_row(s + r * (KB + VL), keys, first, most + r, sum + r, keep + r);
    for (int64_t i = 0; i < DV; i += PV * VL) {
        const float *values = v + i * N;
        int64_t r = 0;
        for (; r + MR <= rows; r += MR)
            attention_values(MR, s + r * (KB + VL), values, o + r * width + i, keys, first, last, sum + r, keep + r, batch_index, m + r, i HOOK_ARGS);
        if (M % MR == 0) continue;
        for (; r + MT <= rows; r += MT)
            attention_values(MT, s + r * (KB + VL), values, o + r * width + i, keys, first, last, sum + r, keep + r, batch_index, m + r, i HOOK_ARGS);
        for (; r < rows; r++) attention_values(1, s + r * (KB + VL), values, o + r * width + i, keys, first, last, sum + r, keep + r, batch_index, m + r, i HOOK_ARGS);
    }
}

KERNEL void attention(const float *restrict q, const float *restrict k, const float *restrict v, float *restrict scratch, int64_t lo, int64_t hi HOOK_PARAMS)
{
    const int64_t blocks = (M + RB - 1) / RB;
    for (int64_t block = lo; block < hi; block++) {
        const int64_t batch_index = block / blocks, m = block % blocks * RB, end = m + RB < M ? m + RB : M;
        const float *qm = q + Q_AT + m * LDQ, *km = k + K_AT, *vm = v + V_AT;
        for (int64_t n = 0; n == 0 || n < N; n += KB)
            attention_block(qm, km + n * D, vm + n * (PV * VL), scratch, n + KB < N ? KB : N - n, batch_index, m, end, n HOOK_ARGS);
    }
}
