/* rnn_check.h - what the tests of lstm, gru and rnn share: a random problem in ONNX's layouts for one direction, activations, comparison.
 *
 * x * W^T needs no kernel here: xw is random itself. */
#ifndef RNN_CHECK_H
#define RNN_CHECK_H
#include "check.h"

typedef struct {
    int64_t t, batch, h, gates, row_size, from, to;
    int reverse, option, with_states, with_p, with_lens;
    float clip;
    float *xw, *rt, *rb, *h0, *c0, *p, *scratch, *y, *y_h, *y_c;
    int32_t *lens;
} problem;

#define UNITS check_units
#define FROM (s->from)
#define TO (s->to)
#define T (s->t)
#define BATCH (s->batch)
#define H (s->h)
#define REVERSE check_reverse
#define CLIP check_clip
#define Y_AT 0
#define Y_T (s->batch * s->h)
#define Y_B (s->h)
#define YH_AT 0
#define YH_B (s->h)
#define XW_AT 0
#define RT_AT 0
#define RB_AT 0
#define H0_AT 0
#define H0_B (s->h)
#define P_AT 0
#define MUL_ACC mul_acc
#define HOOK_PARAMS , const problem *s
#define HOOK_ARGS , s
#define F_V sigmoid_v
#define G_V tanh_v
#define H_V tanh_v

static float check_clip; /* these are literals in generated code */
static int check_option, check_units, check_reverse;

static inline double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static inline vf sigmoid_v(vf x)
{
    float lane[VL];
    vf_st(lane, x);
    for (int i = 0; i < VL; i++) lane[i] = (float)sigmoid((double)lane[i]);
    return vf_ld(lane);
}

static inline vf tanh_v(vf x)
{
    float lane[VL];
    vf_st(lane, x);
    for (int i = 0; i < VL; i++) lane[i] = tanhf(lane[i]);
    return vf_ld(lane);
}

#include "cpu/mul_acc.c"

/* Scratch memory of a sequence: `rows` times h up to a multiple of 16, and 16. */
static inline problem problem_new(int64_t gates, int64_t rows)
{
    problem p = {.t = check_int(1, 5), .batch = check_int(1, 4), .h = check_int(1, 40), .gates = gates};
    p.to = p.t;
    p.reverse = check_reverse = (int)check_int(0, 1);
    p.option = check_option = (int)check_int(0, 1);
    p.with_states = (int)check_int(0, 1);
    p.with_p = (int)check_int(0, 1);
    p.with_lens = (int)check_int(0, 1);
    p.clip = check_clip = check_int(0, 2) ? INFINITY : 0.5f;
    p.row_size = rows * ((p.h + 15) / 16 * 16) + 16;
    p.xw = check_floats(p.t * p.batch * gates * p.h);
    p.rt = check_floats(p.h * gates * p.h);
    p.rb = check_floats(p.h);
    p.h0 = check_floats(p.batch * p.h);
    p.c0 = check_floats(p.batch * p.h);
    p.p = check_floats(3 * p.h);
    p.scratch = check_floats(p.batch * p.row_size);
    p.y = check_floats(p.t * p.batch * p.h);
    p.y_h = check_floats(p.batch * p.h);
    p.y_c = check_floats(p.batch * p.h);
    p.lens = malloc((size_t)p.batch * sizeof *p.lens);
    if (!p.lens) exit(3);
    for (int64_t b = 0; b < p.batch; b++) p.lens[b] = (int32_t)(p.with_lens ? check_int(-1, p.t + 2) : p.t);
    return p;
}

/* Does the whole problem `p`, by ranges of sequences for all steps, or by ranges of units for each step; the last range of a step first, or the first one. */
#define CHECK_STEPS(p, call)                                                                                              \
    check_units = (p.gates != 3 || p.option) && check_int(0, 1);                                                           \
    if (!check_units) CHECK_RANGES(p.batch, call)                                                                         \
    for (p.from = 0, p.to = 1; check_units && p.from < p.t; p.from++, p.to++) {                                           \
        const int64_t cut = 16 * check_int(0, p.h / 16), backward = check_int(0, 1);                                      \
        for (int64_t part = 0; part < 2; part++) {                                                                        \
            const int64_t lo = part == backward ? 0 : cut, hi = part == backward ? cut : p.h;                             \
            if (lo < hi) call;                                                                                            \
        }                                                                                                                 \
    }                                                                                                                     \
    check_units = 0;                                                                                                      \
    p.from = 0;                                                                                                           \
    p.to = p.t;

static inline void problem_free(problem *p)
{
    float *all[] = {p->xw, p->rt, p->rb, p->h0, p->c0, p->p, p->scratch, p->y, p->y_h, p->y_c};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(p->lens);
}

static inline double clipped(const problem *p, double x)
{
    return fmax(-(double)p->clip, fmin((double)p->clip, x));
}

/* xw[t][b][gate * h + j] + sum over k of v[k] * R^T[k][gate * h + j] */
static inline double gate_sum(const problem *p, int64_t t, int64_t b, int64_t gate, int64_t j, const double *v)
{
    double sum = (double)p->xw[((t * p->batch + b) * p->gates + gate) * p->h + j];
    for (int64_t k = 0; k < p->h; k++) sum += v[k] * (double)p->rt[k * p->gates * p->h + gate * p->h + j];
    return sum;
}

/* Runs the reference cell over one sequence and compares every step's output and the last state. */
static inline void check_sequence(const problem *p, int64_t b, void (*cell)(const problem *, int64_t t, int64_t b, double *h, double *c))
{
    double h[64] = {0}, c[64] = {0};
    for (int64_t j = 0; p->with_states && j < p->h; j++) {
        h[j] = (double)p->h0[b * p->h + j];
        c[j] = (double)p->c0[b * p->h + j];
    }
    const int64_t length = p->lens[b] < p->t ? p->lens[b] : p->t;
    for (int64_t step = 0; step < p->t; step++) {
        const bool inside = step < length;
        const int64_t t = p->reverse && inside ? length - 1 - step : step;
        if (inside) cell(p, t, b, h, c);
        for (int64_t j = 0; j < p->h; j++) check_near("output of a step", (double)p->y[(t * p->batch + b) * p->h + j], inside ? h[j] : 0.0, 2e-4);
    }
    for (int64_t j = 0; j < p->h; j++) check_near("last state", (double)p->y_h[b * p->h + j], h[j], 2e-4);
    for (int64_t j = 0; p->gates == 4 && j < p->h; j++) check_near("last cell state", (double)p->y_c[b * p->h + j], c[j], 1e-3);
}
#endif
