/* nbits_float_check.h - nbits_float on random shapes, against sums in double. */
#include "nbits_check.h"

#include "cpu/nbits_float.c"

static void check_shape(const shape *s)
{
    const int64_t rows = s->batch * s->m;
    float *a = check_floats((rows - 1) * s->lda + s->k);
    weights w = weights_new(s);
    check_output y = check_output_new(rows * s->n);
    CHECK_RANGES(tiles(s), nbits_float(a, w.w, w.ws, w.zeros, lo, hi, s, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < y.n; i++) {
        const int64_t n = i % s->n;
        double sum = 0, size = 0;
        for (int64_t k = 0; k < s->k; k++) {
            const double term = (double)a[i / s->n * s->lda + k] * weight_at(s, &w, n, k) * (double)w.scale[n * BLOCKS + k / SIZE];
            sum += term;
            size += fabs(term);
        }
        check_near("element", (double)y.value[i], sum, 1e-6 * size + 1e-30);
    }
    weights_free(&w);
    check_output_free(&y);
    free(a);
}

int main(void)
{
    for (int round = 0; round < 40; round++) {
        const shape s = random_shape(round);
        check_shape(&s);
    }
    return 0;
}
