/* nbits_int8_check.h - nbits_rows and nbits_int8 on random shapes: the integers of a row as defined, and of the products every bit. */
#include "nbits_check.h"

#include "cpu/nbits_int8.c"

#undef HOOK_PARAMS
#define HOOK_PARAMS , const shape *s
#if ZEROS
#undef ZERO
#define ZERO 1
#endif
#include "cpu/nbits_rows.c"

static void check_rows(const shape *s, const float *a, const int8_t *x, const float *scale, const int32_t *start)
{
    for (int64_t row = 0; row < s->batch * s->m; row++)
        for (int64_t b = 0; b < BLOCKS; b++) {
            const int64_t at = row * BLOCKS + b, count = s->k - b * SIZE < SIZE ? s->k - b * SIZE : SIZE;
            const float *block = a + row * s->lda + b * SIZE;
            float most = 0;
            int32_t sum = 0;
            for (int64_t k = 0; k < count; k++) most = fabsf(block[k]) > most ? fabsf(block[k]) : most;
            const float factor = most > 0 ? 127.0f / most : 0.0f;
            for (int64_t k = 0; k < SIZE; k++) {
                check_near("integer", x[at * SIZE + k], k < count ? (double)rintf(block[k] * factor) : 0, 0);
                sum += x[at * SIZE + k];
            }
            check_near("scale", (double)scale[at], (double)(most / 127.0f), 0);
            check_near("start", start[at], -ZERO * sum, 0);
        }
}

static float element(const shape *s, const weights *w, const int8_t *x, const float *scale, int64_t row, int64_t n)
{
    float acc = 0;
    for (int64_t b = 0; b < BLOCKS; b++) {
        int32_t sum = 0;
        for (int64_t k = b * SIZE; k < (b + 1) * SIZE; k++) sum += x[row * BLOCKS * SIZE + k] * weight_at(s, w, n, k);
        acc = sf_fma((float)sum, scale[row * BLOCKS + b] * w->scale[n * BLOCKS + b], acc);
    }
    return acc;
}

static void check_shape(const shape *s)
{
    const int64_t rows = s->batch * s->m;
    float *a = check_floats((rows - 1) * s->lda + s->k), *scale = check_floats(rows * BLOCKS);
    int8_t *x = (int8_t *)check_bytes(rows * BLOCKS * SIZE);
    int32_t *start = (int32_t *)check_floats(rows * BLOCKS);
    weights w = weights_new(s);
    check_output y = check_output_new(rows * s->n);
    if (check_int(0, 3) == 0) memset(a, 0, (size_t)s->k * sizeof *a);
    CHECK_RANGES(rows, nbits_rows(x, scale, start, a, lo, hi, s))
    check_rows(s, a, x, scale, start);
    CHECK_RANGES(tiles(s), nbits_int8(x, scale, start, w.w, w.ws, w.zeros, lo, hi, s, &y))
    check_written_once(&y);
    for (int64_t i = 0; i < y.n; i++) check_near("element", (double)y.value[i], (double)element(s, &w, x, scale, i / s->n, i % s->n), 0);
    weights_free(&w);
    check_output_free(&y);
    free(a);
    free(scale);
    free(x);
    free(start);
}

static void check_special(void)
{
    const shape shaped = {1, 1, 1, SIZE, SIZE}, *s = &shaped;
    float a[SIZE] = {1.0f, 0}, scale;
    int8_t x[SIZE];
    int32_t start;
    for (int i = 0; i < 3; i++) {
        a[SIZE - 1] = i == 0 ? NAN : i == 1 ? INFINITY : 0.0f;
        if (i == 2) a[0] = 1e-40f;
        nbits_rows(x, &scale, &start, a, 0, 1, s);
        const float want = i == 0 ? NAN : i == 1 ? INFINITY : 1e-40f / 127.0f;
        if (isnan(want) ? !isnan(scale) : scale != want) check_fail("scale of a special number", (double)scale, (double)want);
        check_near("integer of a special number", x[0], 0, 0);
    }
}

int main(void)
{
    for (int round = 0; round < 40; round++) {
        const shape s = random_shape(round);
        check_shape(&s);
    }
    check_special();
    return 0;
}
