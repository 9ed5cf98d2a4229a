/* Elementary functions against libm: close everywhere, exact where C99 Annex F says so. */
#include "base/fmath.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static uint64_t state = 88172645463325252u;

/* Uniform in [lo, hi). */
static double uniform(double lo, double hi)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return lo + (hi - lo) * (double)(state >> 11) * 0x1p-53;
}

/* Largest relative difference over a range, in units of 2^-52. */
static double worst(double (*f)(double), double (*want)(double), double lo, double hi)
{
    double most = 0;
    for (int i = 0; i < 20000; i++) {
        const double x = uniform(lo, hi), w = want(x), d = fabs(f(x) - w);
        const double r = w == 0 ? d : d / fabs(w);
        if (r > most) most = r;
    }
    return most * 0x1p52;
}

static void functions_agree_with_libm(void **s)
{
    (void)s;
    static const struct {
        const char *name;
        double (*f)(double), (*want)(double);
        double lo, hi, limit;
    } ROW[] = {
        {"exp", fm_exp, exp, -700, 700, 2},        {"exp", fm_exp, exp, -1, 1, 2},           {"exp", fm_exp, exp, -740, -708, 1e16},
        {"expm1", fm_expm1, expm1, -2, 2, 5},      {"expm1", fm_expm1, expm1, -1e-8, 1e-8, 2},
        {"log", fm_log, log, 0, 10, 2},            {"log", fm_log, log, 0.9, 1.1, 2},        {"log", fm_log, log, 0, 1e300, 2},
        {"log1p", fm_log1p, log1p, -0.99, 3, 4},   {"log1p", fm_log1p, log1p, -1e-9, 1e-9, 2},
        {"sin", fm_sin, sin, -10, 10, 2},          {"sin", fm_sin, sin, -1e8, 1e8, 2},       {"cos", fm_cos, cos, -10, 10, 2},
        {"cos", fm_cos, cos, -1e8, 1e8, 2},        {"tan", fm_tan, tan, -10, 10, 4},         {"asin", fm_asin, asin, -1, 1, 4},
        {"acos", fm_acos, acos, -1, 1, 4},         {"atan", fm_atan, atan, -20, 20, 2},      {"atan", fm_atan, atan, -1e9, 1e9, 2},
        {"sinh", fm_sinh, sinh, -5, 5, 5},         {"sinh", fm_sinh, sinh, -700, 700, 5},    {"cosh", fm_cosh, cosh, -5, 5, 4},
        {"cosh", fm_cosh, cosh, -700, 700, 5},     {"tanh", fm_tanh, tanh, -3, 3, 5},        {"tanh", fm_tanh, tanh, -30, 30, 5},
        {"asinh", fm_asinh, asinh, -3, 3, 5},      {"asinh", fm_asinh, asinh, -1e12, 1e12, 5}, {"acosh", fm_acosh, acosh, 1, 9, 6},
        {"atanh", fm_atanh, atanh, -1, 1, 6},      {"erf", fm_erf, erf, -1, 1, 4},           {"erf", fm_erf, erf, -7, 7, 6},
        {"erf", fm_erf, erf, -1e-5, 1e-5, 3},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof *ROW; i++) {
        const double w = worst(ROW[i].f, ROW[i].want, ROW[i].lo, ROW[i].hi);
        if (w > ROW[i].limit) print_error("%s on [%g, %g]: %.1f ulp\n", ROW[i].name, ROW[i].lo, ROW[i].hi, w);
        assert_true(w <= ROW[i].limit);
    }
}

static void powers_agree_with_libm(void **s)
{
    (void)s;
    double most = 0;
    for (int i = 0; i < 100000; i++) {
        const double x = uniform(0, i % 2 ? 3 : 1e6), y = i % 3 ? uniform(-40, 40) : rint(uniform(-300, 300));
        const double w = pow(x, y), v = fm_pow(x, y);
        if (w == 0 || isinf(w) || fabs(w) < 1e-300) continue;
        const double r = fabs(v - w) / fabs(w) * 0x1p52;
        if (r > most) most = r;
    }
    if (most > 2) print_error("pow: %.2f ulp\n", most);
    assert_true(most <= 2);
    assert_true(fm_pow(3, 20) == 3486784401.0 && fm_pow(10, -2) == 0.01 && fm_pow(2, -1074) == 0x1p-1074 && fm_pow(-2, 3) == -8);
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void special_arguments_follow_annex_f(void **s)
{
    (void)s;
    static double (*const F[][2])(double) = {
        {fm_exp, exp},   {fm_expm1, expm1}, {fm_log, log},   {fm_log1p, log1p}, {fm_sin, sin},     {fm_cos, cos},     {fm_tan, tan},     {fm_asin, asin},
        {fm_acos, acos}, {fm_atan, atan},   {fm_sinh, sinh}, {fm_cosh, cosh},   {fm_tanh, tanh},   {fm_asinh, asinh}, {fm_acosh, acosh}, {fm_atanh, atanh},
        {fm_erf, erf},
    };
    static const double X[] = {0.0, -0.0, 1, -1, 2, -2, (double)INFINITY, -(double)INFINITY, (double)NAN, 1e308, -1e308, 1e-310, 0.5};
    enum { N = sizeof X / sizeof *X };
    for (size_t f = 0; f < sizeof F / sizeof *F; f++)
        for (size_t i = 0; i < N; i++) {
            const double v = F[f][0](X[i]), w = F[f][1](X[i]);
            const bool far = fabs(X[i]) > 1e300 && isfinite(X[i]); /* sin and cos beyond their range: only finite */
            if (far && isfinite(w)) assert_true(isfinite(v));
            else if (!same(v, w) && !(fabs(v - w) <= 4 * 0x1p-52 * fabs(w))) {
                print_error("function %zu of %g: %g, libm %g\n", f, X[i], v, w);
                fail();
            }
        }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) {
            const double p = fm_pow(X[i], X[k]), q = pow(X[i], X[k]), a = fm_atan2(X[i], X[k]), b = atan2(X[i], X[k]);
            if (!same(p, q) && !(fabs(p - q) <= 2 * 0x1p-52 * fabs(q))) {
                print_error("pow(%g, %g): %g, libm %g\n", X[i], X[k], p, q);
                fail();
            }
            if (!same(a, b) && !(fabs(a - b) <= 2 * 0x1p-52 * fabs(b))) {
                print_error("atan2(%g, %g): %g, libm %g\n", X[i], X[k], a, b);
                fail();
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_agree_with_libm),
        cmocka_unit_test(powers_agree_with_libm),
        cmocka_unit_test(special_arguments_follow_annex_f),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
