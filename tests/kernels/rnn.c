/* rnn against the equation of ONNX in double: both directions, clip, sequence lengths, initial states. */
#include "rnn_check.h"

#include "cpu/rnn.c"

static void cell(const problem *p, int64_t t, int64_t b, double *h, double *c)
{
    double sum[64];
    for (int64_t j = 0; j < p->h; j++) sum[j] = gate_sum(p, t, b, 0, j, h);
    for (int64_t j = 0; j < p->h; j++) h[j] = sigmoid(clipped(p, sum[j]));
    (void)c;
}

int main(void)
{
    for (int round = 0; round < 80; round++) {
        problem p = problem_new(1, 3);
        CHECK_STEPS(p, rnn(p.y, p.y_h, p.xw, p.rt, p.with_states ? p.h0 : NULL, p.with_lens ? p.lens : NULL, p.scratch, lo, hi, &p))
        for (int64_t b = 0; b < p.batch; b++) check_sequence(&p, b, cell);
        rnn(NULL, NULL, p.xw, p.rt, NULL, NULL, p.scratch, 0, p.batch, &p);
        problem_free(&p);
    }
    return 0;
}
