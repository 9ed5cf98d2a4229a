/* nbits_check.h - weights of a few bits for the tests of nbits_int8 and nbits_float: BITS, SIZE, ZEROS and ZERO are defined before. */
#ifndef NBITS_CHECK_H
#define NBITS_CHECK_H
#include "bytes.h"

#define AHEAD 256
#define BLOCKS ((s->k + SIZE - 1) / SIZE)
#define M (s->m)
#define N (s->n)
#define K (s->k)
#define LDA (s->lda)
#define A_AT (batch_index * M * LDA)
#define HOOK_PARAMS , const shape *s, const check_output *y
#define HOOK_ARGS , s, y
#define OUT_V out_v
#define OUT_S out_s

typedef struct {
    int64_t batch, m, n, k, lda;
} shape;

typedef struct {
    uint8_t *code, *zero; /* [n][blocks * SIZE], [n][blocks] */
    float *scale;         /* [n][blocks] */
    uint8_t *w, *zeros;   /* as the kernels read them */
    float *ws;
} weights;

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

static weights weights_new(const shape *s)
{
    const int64_t nr = NV * VL, panels = (s->n + nr - 1) / nr, rows = panels * nr, group = SIZE * BITS / 32;
    weights w = {check_bytes(rows * BLOCKS * SIZE), check_bytes(rows * BLOCKS), check_floats(rows * BLOCKS), check_bytes(rows * BLOCKS * (SIZE * BITS / 8)),
                 check_bytes(rows * BLOCKS), check_floats(rows * BLOCKS)};
    for (int64_t i = 0; i < rows * BLOCKS * SIZE; i++) w.code[i] &= (1 << BITS) - 1;
    for (int64_t i = 0; i < rows * BLOCKS; i++) w.zero[i] = ZEROS ? w.zero[i] & ((1 << BITS) - 1) : ZERO;
    memset(w.w, 0, (size_t)(rows * BLOCKS * (SIZE * BITS / 8)));
    for (int64_t n = 0; n < rows; n++)
        for (int64_t b = 0; b < BLOCKS; b++) {
            const int64_t at = (n / nr * BLOCKS + b) * nr + n % nr;
            w.ws[at] = w.scale[n * BLOCKS + b];
            w.zeros[at] = w.zero[n * BLOCKS + b];
            for (int64_t k = 0; k < SIZE; k++) {
                const int64_t h = k / (SIZE * BITS / 8), q = k % (SIZE * BITS / 8) / 4;
                const int code = w.code[(n * BLOCKS + b) * SIZE + k] << (h * BITS);
                w.w[(((n / nr * BLOCKS + b) * group + q) * nr + n % nr) * 4 + k % 4] |= (uint8_t)code;
            }
        }
    return w;
}

static void weights_free(const weights *w)
{
    free(w->code);
    free(w->zero);
    free(w->scale);
    free(w->w);
    free(w->zeros);
    free(w->ws);
}

/* The weight times its block's scale's inverse: a whole number. */
static int32_t weight_at(const shape *s, const weights *w, int64_t n, int64_t k)
{
    return w->code[n * BLOCKS * SIZE + k] - w->zero[n * BLOCKS + k / SIZE];
}

static shape random_shape(int round)
{
    shape s = {check_int(1, 3), check_int(1, 2 * MR + MC), check_int(1, 3 * NV * VL), check_int(1, 4 * SIZE), 0};
    if (round % 4 == 0) s.n = NV * VL;
    if (round % 5 == 0) s.m = MR;
    if (round % 3 == 0) s.k = (s.k + SIZE - 1) / SIZE * SIZE;
    s.lda = s.k + check_int(0, 3);
    return s;
}

static int64_t tiles(const shape *s)
{
    return s->batch * ((s->n + NV * VL - 1) / (NV * VL)) * ((s->m + MC - 1) / MC);
}
#endif
