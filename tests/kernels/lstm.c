/* lstm against the equations of ONNX in double: both directions, peepholes, clip, coupled gates, sequence lengths, initial states. */
#include "rnn_check.h"

#define INPUT_FORGET check_option
#include "cpu/lstm.c"

static void cell(const problem *p, int64_t t, int64_t b, double *h, double *c)
{
    double gate[4][64];
    for (int64_t g = 0; g < 4; g++)
        for (int64_t j = 0; j < p->h; j++) gate[g][j] = gate_sum(p, t, b, g, j, h);
    for (int64_t j = 0; j < p->h; j++) {
        const double pi = p->with_p ? (double)p->p[j] : 0, po = p->with_p ? (double)p->p[p->h + j] : 0, pf = p->with_p ? (double)p->p[2 * p->h + j] : 0;
        const double i = sigmoid(clipped(p, gate[0][j] + pi * c[j]));
        const double f = p->option ? 1 - i : sigmoid(clipped(p, gate[2][j] + pf * c[j]));
        c[j] = f * c[j] + i * tanh(clipped(p, gate[3][j]));
        h[j] = sigmoid(clipped(p, gate[1][j] + po * c[j])) * tanh(c[j]);
    }
}

int main(void)
{
    for (int round = 0; round < 80; round++) {
        problem p = problem_new(4, 7);
        CHECK_STEPS(p, lstm(p.y, p.y_h, p.y_c, p.xw, p.rt, p.with_states ? p.h0 : NULL, p.with_states ? p.c0 : NULL,
                                   p.with_p ? p.p : NULL, p.with_lens ? p.lens : NULL, p.scratch, lo, hi, &p))
        for (int64_t b = 0; b < p.batch; b++) check_sequence(&p, b, cell);
        lstm(NULL, NULL, NULL, p.xw, p.rt, NULL, NULL, NULL, NULL, p.scratch, 0, p.batch, &p); /* every output is optional */
        problem_free(&p);
    }
    return 0;
}
