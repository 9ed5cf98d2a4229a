/* From values that were seen to scale and zero point: quant/range.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "quant/range.h"

static observed *seen(arena *mem, const float *x, int64_t n)
{
    observed *s = observed_new(mem);
    assert_true(observe_range(s, x, n));
    observe_bins(s, mem, x, n);
    return s;
}

static void zero_is_represented_exactly(void **state)
{
    (void)state;
    const double ends[][2] = {{-1, 3}, {0.5, 2}, {-7, -1}, {-1e-3, 1e3}, {-1e30, 1e30}, {0, 6}, {-0.3, 0.1}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (int k = 0; k < 2; k++) {
            const quant_params p = params_of_range(fmin(ends[i][0], 0), fmax(ends[i][1], 0), k ? ELEM_INT8 : ELEM_UINT8);
            assert_in_range(p.zero - p.least, 0, 255);
            assert_int_equal(quantize_one(&p, 0), p.zero);
        }
}

static void ends_of_the_range_are_the_ends_of_the_type(void **state)
{
    (void)state;
    const quant_params u = params_of_range(0, 6, ELEM_UINT8), s = params_of_range(-1, 3, ELEM_INT8);
    assert_int_equal(u.zero, 0);
    assert_int_equal(quantize_one(&u, 6), 255);
    assert_int_equal(quantize_one(&u, 100), 255);
    assert_int_equal(quantize_one(&u, -100), 0);
    assert_int_equal(quantize_one(&s, -1), -128);
    assert_int_equal(quantize_one(&s, 3), 127);
    assert_int_equal(quantize_one(&s, INFINITY), 127);
}

static void halves_are_rounded_to_even(void **state)
{
    (void)state;
    const quant_params p = {1, 10, 0, 255, ELEM_UINT8};
    assert_int_equal(quantize_one(&p, 0.5f), 10);
    assert_int_equal(quantize_one(&p, 1.5f), 12);
    assert_int_equal(quantize_one(&p, -2.5f), 8);
}

static void a_tensor_of_zeros_gets_a_scale(void **state)
{
    (void)state;
    arena *mem = arena_new();
    const float x[4] = {0};
    double lo, hi;
    range_of(seen(mem, x, 4), RANGE_MSE, &lo, &hi);
    const quant_params p = params_of_range(lo, hi, ELEM_UINT8);
    assert_true(p.scale == 1 && p.zero == 0);
    assert_true(params_of_range(0, 1e-42, ELEM_UINT8).scale >= 0x1p-126f);
    range_of(observed_new(mem), RANGE_MINMAX, &lo, &hi); /* nothing was seen */
    assert_true(lo == 0 && hi == 0);
    arena_free(mem);
}

static void what_is_not_finite_is_named(void **state)
{
    (void)state;
    arena *mem = arena_new();
    observed *s = observed_new(mem);
    const float x[3] = {1, 2, NAN}, y[2] = {INFINITY, 0};
    assert_false(observe_range(s, x, 3));
    assert_int_equal(s->strange, 2);
    assert_false(observe_range(s, y, 2));
    assert_int_equal(s->strange, 0);
    arena_free(mem);
}

static void looks_over_several_tensors_add_up(void **state)
{
    (void)state;
    arena *mem = arena_new();
    observed *s = observed_new(mem);
    const float x[2] = {-1, 0}, y[2] = {3, 1};
    assert_true(observe_range(s, x, 2) && observe_range(s, y, 2));
    assert_true(s->lo == -1 && s->hi == 3 && s->count == 4);
    observe_bins(s, mem, x, 2);
    observe_bins(s, mem, y, 2);
    assert_int_equal(s->bins[0], 1);
    assert_int_equal(s->bins[RANGE_BINS / 2], 1);
    assert_int_equal(s->bins[RANGE_BINS - 1], 1);
    assert_int_equal(s->zeros, 1);
    arena_free(mem);
}

/* 100,000 values in [-1, 1) and a few far away. */
static observed *with_outliers(arena *mem, float far)
{
    enum { N = 100000 };
    float *x = ARENA_ARRAY(mem, float, N);
    uint32_t r = 1;
    for (int i = 0; i < N; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)r / 2147483648.0f - 1;
    }
    x[10] = x[20000] = far;
    return seen(mem, x, N);
}

static void a_percentile_leaves_rare_values_outside(void **state)
{
    (void)state;
    arena *mem = arena_new();
    double lo, hi;
    observed *s = with_outliers(mem, 50);
    range_of(s, RANGE_MINMAX, &lo, &hi);
    assert_true(hi == 50);
    range_of(s, RANGE_PERCENTILE, &lo, &hi);
    assert_true(hi < 1.1 && hi > 0.9 && lo < -0.9);
    arena_free(mem);
}

/* The same numbers as often as they have to be looked at. */
static void one_outlier_does_not_make_a_percentile_coarse(void **state)
{
    (void)state;
    enum { N = 100000 };
    arena *mem = arena_new();
    float *x = ARENA_ARRAY(mem, float, N);
    uint32_t r = 1, looks = 1;
    for (int i = 0; i < N; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)r / 2147483648.0f - 1;
    }
    x[10] = 1e6f;
    double lo, hi;
    observed *s = seen(mem, x, N);
    for (; observe_refine(s); looks++) observe_bins(s, mem, x, N);
    range_of(s, RANGE_PERCENTILE, &lo, &hi);
    assert_true(lo > -1.001 && lo < -0.999 && hi > 0.999 && hi < 1.001);
    assert_in_range(looks, 2, 4);
    x[10] = 0.5f;
    assert_false(observe_refine(seen(mem, x, N)));
    for (int i = 0; i < N; i++) x[i] = i ? 1 : 3; /* as narrow as bins may get */
    s = seen(mem, x, N);
    while (observe_refine(s)) observe_bins(s, mem, x, N);
    range_of(s, RANGE_PERCENTILE, &lo, &hi);
    assert_true(lo == 0 && hi >= 1 && hi < 1.001);
    arena_free(mem);
}

static void the_least_squared_error_weighs_outliers_against_steps(void **state)
{
    (void)state;
    arena *mem = arena_new();
    double lo, hi;
    range_of(with_outliers(mem, 5), RANGE_MSE, &lo, &hi);
    assert_true(lo < -0.85 && hi < 5);
    /* Without outliers nothing is clipped: a step's gain is less than the loss. */
    range_of(with_outliers(mem, 0.5f), RANGE_MSE, &lo, &hi);
    assert_true(lo < -0.95 && hi > 0.95);
    arena_free(mem);
}

static void the_third_look_measures_error_and_saturation(void **state)
{
    (void)state;
    arena *mem = arena_new();
    observed *s = observed_new(mem);
    const quant_params p = params_of_range(0, 255, ELEM_UINT8);
    const float x[4] = {1, 2.25f, 300, -1};
    observe_error(s, &p, x, 4);
    assert_int_equal(s->outside, 2);
    assert_float_equal(s->noise, 0.0625 + 45 * 45 + 1, 1e-9);
    assert_float_equal(decibel(100, 1), 20, 1e-9);
    assert_true(decibel(1, 0) == INFINITY && isnan(decibel(0, 0)));
    arena_free(mem);
}

static void weights_are_symmetric_and_may_be_clipped(void **state)
{
    (void)state;
    float x[1000];
    uint32_t r = 7;
    for (int i = 0; i < 1000; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)r / 2147483648.0f - 1;
    }
    assert_true(weight_scale(127) == 1 && weight_scale(0) == 1 && weight_scale(1e-44) > 0);
    x[0] = 1;
    assert_true(weight_scale_mse(x, 1000, 1) > weight_scale(0.95));
    x[0] = 1.6f;
    assert_true(weight_scale_mse(x, 1000, 1) < weight_scale(1.6));
}

#define T(f) cmocka_unit_test(f)
int main(void)
{
    const struct CMUnitTest tests[] = {T(zero_is_represented_exactly),
                                       T(ends_of_the_range_are_the_ends_of_the_type),
                                       T(halves_are_rounded_to_even),
                                       T(a_tensor_of_zeros_gets_a_scale),
                                       T(what_is_not_finite_is_named),
                                       T(looks_over_several_tensors_add_up),
                                       T(a_percentile_leaves_rare_values_outside),
                                       T(one_outlier_does_not_make_a_percentile_coarse),
                                       T(the_least_squared_error_weighs_outliers_against_steps),
                                       T(the_third_look_measures_error_and_saturation),
                                       T(weights_are_symmetric_and_may_be_clipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
