/* gemm_half of bfloat16 on random shapes: all remainders of rows, columns and sums, batches, row strides, ranges. */
#include "check.h"

#ifndef OF_HALF /* bfloat16; else gemm_f16.c and conv_f16.c */
#define OF_HALF bf16_to_f
#define TO_HALF bf16_of_f
#define HALF_NAN 0x7fc0
#define ACC_T vf
#define DOT2 vf_dot2
#define TOTAL
#define CHAIN 0
#define ROUNDING 1e-6
#endif

typedef struct {
    int64_t batch, m, n, k, lda;
} shape;

#define AHEAD 3
#define M (s->m)
#define N (s->n)
#define K (s->k)
#define LDA (s->lda)
#define A_AT (batch_index * M * LDA)
#define B_AT (batch_index * ((N + NV * VL - 1) / (NV * VL)) * NV * VL * ((K + 1) / 2 * 2))
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

#include "cpu/gemm_half.c"

/* Panels as gemm_half.c wants them, from row-major [K][N]. */
static void pack(const shape *s, uint16_t *to, const uint16_t *b)
{
    for (int64_t panel = 0; panel * NV * VL < s->n; panel++)
        for (int64_t k = 0; k < s->k; k += 2)
            for (int64_t j = 0; j < NV * VL * 2; j++) {
                const int64_t n = panel * NV * VL + j / 2, at = k + j % 2;
                *to++ = n < s->n && at < s->k ? b[at * s->n + n] : 0;
            }
}

/* n random numbers, exactly. */
static uint16_t *check_halves(int64_t n)
{
    float *from = check_floats(n);
    uint16_t *to = malloc((size_t)n * sizeof *to + 1);
    if (!to) exit(3);
    for (int64_t i = 0; i < n; i++) to[i] = TO_HALF(from[i]);
    free(from);
    return to;
}

static void check_shape(const shape *s)
{
    const int64_t panels = (s->n + NV * VL - 1) / (NV * VL), blocks = (s->m + MC - 1) / MC;
    const int64_t packed = panels * NV * VL * ((s->k + 1) / 2 * 2);
    uint16_t *a = check_halves((s->batch * s->m - 1) * s->lda + s->k), *b = check_halves(s->batch * s->k * s->n), *bp = check_halves(s->batch * packed);
    for (int64_t i = 0; i < s->batch; i++) pack(s, bp + i * packed, b + i * s->k * s->n);
    check_output y = check_output_new(s->batch * s->m * s->n);
    CHECK_RANGES(s->batch * panels * blocks, gemm_half(a, bp, lo, hi, s, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < y.n; i++) {
        const uint16_t *row = a + i / s->n * s->lda, *column = b + i / (s->m * s->n) * s->k * s->n + i % s->n;
        double sum = 0, scale = 0;
        float chain = 0.0f;
        for (int64_t k = 0; k < s->k; k++) {
            const int64_t at = (k ^ 1) < s->k ? k ^ 1 : k; /* the second of two first */
            const float x = OF_HALF(row[at]), w = OF_HALF(column[at * s->n]);
            sum += (double)x * (double)w;
            scale += fabs((double)x * (double)w);
            chain = sf_fma(x, w, chain);
        }
        check_near("element", (double)y.value[i], sum, ROUNDING * scale);
        if (CHAIN == 0) check_near("one chain of fused multiply-adds", (double)y.value[i], (double)chain, 0);
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
