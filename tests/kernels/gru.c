/* gru against the equations of ONNX in double: both directions, both kinds of reset, clip, sequence lengths, initial states. */
#include "rnn_check.h"

#define LINEAR_BEFORE_RESET check_option
#include "cpu/gru.c"

static void cell(const problem *p, int64_t t, int64_t b, double *h, double *c)
{
    double z[64], r[64], reset_h[64], n[64];
    for (int64_t j = 0; j < p->h; j++) {
        z[j] = sigmoid(clipped(p, gate_sum(p, t, b, 0, j, h)));
        r[j] = sigmoid(clipped(p, gate_sum(p, t, b, 1, j, h)));
        reset_h[j] = r[j] * h[j];
    }
    for (int64_t j = 0; j < p->h; j++) {
        const double x = (double)p->xw[((t * p->batch + b) * 3 + 2) * p->h + j], rb = p->with_p ? (double)p->rb[j] : 0;
        n[j] = p->option ? x + r[j] * (gate_sum(p, t, b, 2, j, h) - x + rb) : gate_sum(p, t, b, 2, j, reset_h);
    }
    for (int64_t j = 0; j < p->h; j++) h[j] = (1 - z[j]) * tanh(clipped(p, n[j])) + z[j] * h[j];
    (void)c;
}

int main(void)
{
    for (int round = 0; round < 80; round++) {
        problem p = problem_new(3, 6);
        CHECK_STEPS(p, gru(p.y, p.y_h, p.xw, p.rt, p.with_p ? p.rb : NULL, p.with_states ? p.h0 : NULL, p.with_lens ? p.lens : NULL,
                                  p.scratch, lo, hi, &p))
        for (int64_t b = 0; b < p.batch; b++) check_sequence(&p, b, cell);
        gru(NULL, NULL, p.xw, p.rt, NULL, NULL, NULL, p.scratch, 0, p.batch, &p);
        problem_free(&p);
    }
    return 0;
}
