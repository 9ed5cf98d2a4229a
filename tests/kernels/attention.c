/* attention against softmax(Q K' + mask) V in double: all remainders of rows, keys and values, masks, rows without keys, one block of keys and several, ranges. */
#include "check.h"

enum { PLAIN, FINITE, CAUSAL, SOME_ROWS_EMPTY, MASKS };

typedef struct {
    int64_t batch, m, n, d, ldq;
    int mask;
} shape;

static shape now;

#define KV NV
#define PV 2
#define RB (2 * MR)
#define KB (2 * KV * VL)
#ifndef DV
#define DV (2 * VL + 1)
#define EMPTY 0
#endif
#define M (now.m)
#define N (now.n)
#define D (now.d)
#define LDQ (now.ldq)
#define Q_AT (batch_index * M * LDQ)
#define K_AT (batch_index * ((N + KV * VL - 1) / (KV * VL)) * KV * VL * D)
#define V_AT (batch_index * ((DV + PV * VL - 1) / (PV * VL)) * PV * VL * N)
#define HOOK_PARAMS , const check_output *y
#define HOOK_ARGS , y
#define OUT_V out_v
#define OUT_S out_s
#define SCORE_V score_v
#define SCORE_S score_s

static float mask_of(int64_t m, int64_t n)
{
    if (now.mask == FINITE) return (float)((m * 7 + n * 3) % 11) - 5.0f;
    if (now.mask == CAUSAL) return n <= m ? 0.0f : -INFINITY;
    return now.mask == SOME_ROWS_EMPTY && m % 3 == 1 ? -INFINITY : 0.0f;
}

static float score_s(float acc, int64_t batch, int64_t m, int64_t n, const check_output *y)
{
    (void)y;
    return acc * 0.5f + mask_of(m, n + batch);
}

static vf score_v(vf acc, int64_t batch, int64_t m, int64_t n, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) lane[i] = score_s(lane[i], batch, m, n + i, y);
    return vf_ld(lane);
}

static void out_s(float acc, int64_t batch, int64_t m, int64_t n, const check_output *y)
{
    check_store(y, (batch * M + m) * DV + n, acc);
}

static void out_v(vf acc, int64_t batch, int64_t m, int64_t n, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], batch, m, n + i, y);
}

#include "cpu/attention.c"

/* Columns of [rows][columns] in panels of `width`, element (r, c) being from[r * by_row + c * by_column]. */
static void pack(float *to, const float *from, int64_t rows, int64_t columns, int64_t by_row, int64_t by_column, int64_t width)
{
    for (int64_t first = 0; first < columns; first += width)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = first; c < first + width; c++) *to++ = c < columns ? from[r * by_row + c * by_column] : 0.0f;
}

static void check_row(const float *q, const float *k, const float *v, int64_t batch, int64_t m, const float *y)
{
    double p[1024], most = -INFINITY, sum = 0;
    for (int64_t n = 0; n < N; n++) {
        p[n] = 0;
        for (int64_t d = 0; d < D; d++) p[n] += (double)q[d] * (double)k[n * D + d];
        p[n] = p[n] * 0.5 + (double)mask_of(m, n + batch);
        if (p[n] > most) most = p[n];
    }
    const bool empty = most == -INFINITY;
    for (int64_t n = 0; n < N && !empty; n++) sum += p[n] = exp(p[n] - most);
    for (int64_t j = 0; j < DV; j++) {
        double expected = 0, scale = 0;
        for (int64_t n = 0; n < N && !empty; n++) {
            expected += p[n] / sum * (double)v[n * DV + j];
            scale += p[n] / sum * fabs((double)v[n * DV + j]);
        }
        if (empty && EMPTY == 0) check_near("a row without keys is NaN", (double)isnan(y[j]), 1, 0);
        else check_near("element", (double)y[j], expected, 4e-6 * (scale + 1e-3));
    }
}

static void check_shape(void)
{
    const int64_t kw = (N + KV * VL - 1) / (KV * VL) * KV * VL, vw = (DV + PV * VL - 1) / (PV * VL) * PV * VL, b = now.batch, blocks = (M + RB - 1) / RB;
    float *q = check_floats(b * M * LDQ), *k = check_floats(b * N * D), *v = check_floats(b * N * DV), *kp = check_floats(b * kw * D), *vp = check_floats(b * N * vw);
    float *scratch = check_floats(RB * (KB + VL + vw + 3));
    for (int64_t i = 0; i < b; i++) {
        pack(kp + i * kw * D, k + i * N * D, D, N, 1, D, KV * VL);
        pack(vp + i * N * vw, v + i * N * DV, N, DV, DV, 1, PV * VL);
    }
    check_output y = check_output_new(b * M * DV);
    CHECK_RANGES(b * blocks, attention(q, kp, vp, scratch, lo, hi, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < b; i++)
        for (int64_t m = 0; m < M; m++) check_row(q + (i * M + m) * LDQ, k + i * N * D, v + i * N * DV, i, m, y.value + (i * M + m) * DV);
    check_output_free(&y);
    free(q);
    free(k);
    free(v);
    free(kp);
    free(vp);
    free(scratch);
}

int main(void)
{
    for (int round = 0; round < 60; round++) {
        now = (shape){check_int(1, 3), check_int(1, 5 * MR), check_int(1, 5 * KV * VL), check_int(0, 20), 0, round % MASKS};
        if (round % 7 == 0) now.n = KB;
        if (round % 5 == 0) now.m = RB;
        now.ldq = now.d + check_int(0, 3);
        check_shape();
    }
    return 0;
}
