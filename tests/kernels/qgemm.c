/* qgemm on random shapes: all remainders of rows, columns and sums, batches, row strides, ranges; exact at the ends of the bytes' ranges. */
#include "bytes.h"

typedef struct {
    int64_t batch, m, n, k, lda;
} shape;

#define AHEAD 3
#define M (s->m)
#define N (s->n)
#define K (s->k)
#define LDA (s->lda)
#define A_AT (batch_index * M * LDA)
#define B_AT (batch_index * ((N + NV * VL - 1) / (NV * VL)) * NV * VL * ((K + 3) / 4 * 4))
#define HOOK_PARAMS , const shape *s, const check_output *y
#define HOOK_ARGS , s, y
#define OUT_V out_v
#define OUT_S out_s

/* Sums here are below 2^24: floats hold them. */
static void out_s(int32_t acc, int64_t batch, int64_t m, int64_t n, const shape *s, const check_output *y)
{
    check_store(y, (batch * s->m + m) * s->n + n, (float)acc);
}

static void out_v(vi acc, int64_t batch, int64_t m, int64_t n, const shape *s, const check_output *y)
{
    int32_t lane[VL];
    vi_st(lane, acc);
    for (int64_t i = 0; i < VL; i++) out_s(lane[i], batch, m, n + i, s, y);
}

#include "cpu/qgemm.c"

/* Panels as qgemm.c wants them, from row-major [K][N]. */
static void pack(const shape *s, int8_t *to, const uint8_t *b)
{
    for (int64_t panel = 0; panel * NV * VL < s->n; panel++)
        for (int64_t k = 0; k < (s->k + 3) / 4 * 4; k += 4)
            for (int64_t j = 0; j < NV * VL * 4; j++) {
                const int64_t n = panel * NV * VL + j / 4, at = k + j % 4;
                *to++ = n < s->n && at < s->k ? check_signed(b[at * s->n + n]) : 0;
            }
}

static void check_shape(const shape *s)
{
    const int64_t panels = (s->n + NV * VL - 1) / (NV * VL), blocks = (s->m + MC - 1) / MC;
    const int64_t packed = panels * NV * VL * ((s->k + 3) / 4 * 4);
    uint8_t *a = check_bytes((s->batch * s->m - 1) * s->lda + s->k), *b = check_bytes(s->batch * s->k * s->n);
    int8_t *bp = (int8_t *)check_bytes(s->batch * packed);
    for (int64_t i = 0; i < s->batch; i++) pack(s, bp + i * packed, b + i * s->k * s->n);
    check_output y = check_output_new(s->batch * s->m * s->n);
    CHECK_RANGES(s->batch * panels * blocks, qgemm(a, bp, lo, hi, s, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < y.n; i++) {
        const uint8_t *row = a + i / s->n * s->lda, *column = b + i / (s->m * s->n) * s->k * s->n + i % s->n;
        int32_t sum = 0;
        for (int64_t k = 0; k < s->k; k++) sum += row[k] * check_signed(column[k * s->n]);
        check_near("element", (double)y.value[i], sum, 0);
    }
    check_output_free(&y);
    free(a);
    free(b);
    free(bp);
}

int main(void)
{
    for (int round = 0; round < 60; round++) {
        shape s = {check_int(1, 3), check_int(1, 2 * MR + MC), check_int(1, 3 * NV * VL), check_int(0, 50), 0};
        if (round % 4 == 0) s.n = NV * VL;
        if (round % 5 == 0) s.m = MR;
        s.lda = s.k + check_int(0, 3);
        check_shape(&s);
    }
    return 0;
}
