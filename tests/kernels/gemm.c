/* gemm on random shapes: all remainders of rows and columns, batches, row strides, ranges. */
#include "check.h"

typedef struct {
    int64_t batch, m, n, k, lda;
} shape;

#ifndef KC
#define KC 0
#define AHEAD 3
#endif
#define M (s->m)
#define N (s->n)
#define K (s->k)
#define LDA (s->lda)
#define A_AT (batch_index * M * LDA)
#define B_AT (batch_index * ((N + NV * VL - 1) / (NV * VL)) * NV * VL * K)
#define HOOK_PARAMS , const shape *s, const check_output *y
#define HOOK_ARGS , s, y
#define OUT_V out_v
#define OUT_S out_s

static void out_s(float acc, int64_t batch, int64_t m, int64_t n, const shape *s, const check_output *y)
{
    check_store(y, (batch * s->m + m) * s->n + n, acc);
}

static void out_v(vf acc, int64_t batch, int64_t m, int64_t n, const shape *s, const check_output *y)
{
    float lane[VL];
    vf_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], batch, m, n + i, s, y);
}

#include "cpu/gemm.c"

/* Panels as gemm.c wants them, from row-major [K][N]. */
static void pack(const shape *s, float *to, const float *b)
{
    for (int64_t panel = 0; panel * NV * VL < s->n; panel++)
        for (int64_t k = 0; k < s->k; k++)
            for (int64_t j = 0; j < NV * VL; j++) {
                const int64_t n = panel * NV * VL + j;
                *to++ = n < s->n ? b[k * s->n + n] : 0.0f;
            }
}

static void check_shape(const shape *s)
{
    const int64_t panels = (s->n + NV * VL - 1) / (NV * VL), blocks = (s->m + MC - 1) / MC;
    const int64_t packed = panels * NV * VL * s->k;
    float *a = check_floats(s->batch * s->m * s->lda), *b = check_floats(s->batch * s->k * s->n), *bp = check_floats(s->batch * packed);
    for (int64_t i = 0; i < s->batch; i++) pack(s, bp + i * packed, b + i * s->k * s->n);
    check_output y = check_output_new(s->batch * s->m * s->n);
    CHECK_RANGES(s->batch * panels * blocks, gemm(a, bp, lo, hi, s, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < y.n; i++) {
        const float *row = a + i / s->n * s->lda, *column = b + i / (s->m * s->n) * s->k * s->n + i % s->n;
        double sum = 0, scale = 0;
        float chain = 0.0f;
        for (int64_t k = 0; k < s->k; k++) {
            const double product = (double)row[k] * (double)column[k * s->n];
            sum += product;
            scale += fabs(product);
            chain = fmaf(row[k], column[k * s->n], chain);
        }
        check_near("element", (double)y.value[i], sum, 1e-6 * scale);
#ifdef __FMA__
        check_near("one chain of fused multiply-adds", (double)y.value[i], (double)chain, 0);
#else
        (void)chain;
#endif
    }
    check_output_free(&y);
    free(a);
    free(b);
    free(bp);
}

int main(void)
{
    for (int round = 0; round < 60; round++) {
        shape s = {check_int(1, 3), check_int(1, 2 * MR + MC), check_int(1, 3 * NV * VL), check_int(0, 40), 0};
        if (round % 4 == 0) s.n = NV * VL;
        if (round % 5 == 0) s.m = MR;
        s.lda = s.k + check_int(0, 3);
        check_shape(&s);
    }
    return 0;
}
