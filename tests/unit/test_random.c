/* Random operators: what their generator draws, how it is distributed, what it depends on. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "check/check.h"
#include "ops/fold.h"
#include "ops/ops.h"
#include "ops/version.h"
#include "proto/parse.h"

/* The elements of the last node's output `y` of `main () => (y) <CONSTANTS> { NODES }`. */
static const double *drawn(arena *mem, const char *constants, const char *nodes, int64_t *count)
{
    diag *d = diag_new(mem, "test.txt");
    const char *source = arena_printf(mem, "<ir_version: 10, opset_import: [\"\" : 22]>\nmain () => (y)\n<%s>\n{ %s }\n", constants, nodes);
    model *m = model_parse(mem, d, source, "test.txt");
    const infer_options o = {.fold_limit = 1 << 20};
    assert_true(m && check_model_basic(m) && version_to_newest(m) && infer_model(m, &o));
    const value_id y = model_main(m)->outputs.p[0];
    assert_null(value_at(m, y)->data); /* it stays a node */
    assert_true(fold_numbers(folder_new(mem, m), value_at(m, y)->producer, 1 << 20));
    const tensor *t = value_at(m, y)->data;
    *count = tensor_count(t);
    double *v = ARENA_ARRAY(mem, double, *count);
    for (int64_t i = 0; i < *count; i++) v[i] = elem_get_double(t->type, t->data, (size_t)i);
    return v;
}

static double mean_of(const double *v, int64_t n, double power)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += pow(v[i], power);
    return sum / (double)n;
}

static void an_element_is_an_output_of_splitmix64(void **state)
{
    (void)state;
    arena *mem = arena_new();
    int64_t n;
    const double *v = drawn(mem, "float x = {0}", "y = RandomUniform <shape = [3], dtype = 11, seed = 0.0> ()", &n);
    const uint64_t gamma = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t s = 0xe220a8397b1dcdafu; /* the first output of the generator that starts at 0: a seed's bits are mixed so */
    for (int64_t i = 0; i < n; i++) {
        uint64_t z = s += gamma;
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        assert_true(v[i] == ldexp((double)(z >> 11), -53));
    }
    arena_free(mem);
}

static void uniform_and_normal_numbers_have_the_moments_of_their_distribution(void **state)
{
    (void)state;
    arena *mem = arena_new();
    int64_t n;
    const double *u = drawn(mem, "float x = {0}", "y = RandomUniform <shape = [200, 500]> ()", &n);
    for (int64_t i = 0; i < n; i++) assert_true(u[i] >= 0 && u[i] < 1);
    assert_true(fabs(mean_of(u, n, 1) - 0.5) < 0.004 && fabs(mean_of(u, n, 2) - 1.0 / 3) < 0.004);
    const double *g = drawn(mem, "float x = {0}", "y = RandomNormal <shape = [200, 500], mean = 1.0, scale = 2.0> ()", &n);
    assert_true(fabs(mean_of(g, n, 1) - 1) < 0.03 && fabs(mean_of(g, n, 2) - 5) < 0.1);
    arena_free(mem);
}

static void a_seed_decides_and_without_one_the_name_does(void **state)
{
    (void)state;
    arena *mem = arena_new();
    int64_t n;
    const double *a = drawn(mem, "float x = {0}", "y = RandomNormal <shape = [4], seed = 7.0> ()", &n);
    const double *b = drawn(mem, "float x = {0}", "z = RandomNormal <shape = [4]> () y = RandomNormal <shape = [4], seed = 7.0> ()", &n);
    const double *c = drawn(mem, "float x = {0}", "y = RandomNormal <shape = [4], seed = 8.0> ()", &n);
    const double *e = drawn(mem, "float x = {0}", "y = RandomNormal <shape = [4]> ()", &n);
    assert_true(a[0] == b[0] && a[3] == b[3] && a[0] != c[0] && a[0] != e[0] && c[0] != e[0]);
    arena_free(mem);
}

static void draws_follow_the_probabilities_of_the_input(void **state)
{
    (void)state;
    arena *mem = arena_new();
    int64_t n;
    const double *b = drawn(mem, "float[1] p = {0.25}, int64[1] s = {20000}", "q = Expand (p, s) y = Bernoulli <dtype = 6> (q)", &n);
    assert_true(fabs(mean_of(b, n, 1) - 0.25) < 0.02);
    const double *m = drawn(mem, "float[1,3] p = {0, 1, -100}", "y = Multinomial <sample_size = 20000> (p)", &n);
    assert_true(fabs(mean_of(m, n, 1) - 1 / (1 + exp(-1))) < 0.02);
    const double *d = drawn(mem, "float[1] x = {3}, int64[1] s = {20000}, float r = {0.25}, bool t = {1}", "w = Expand (x, s) y = Dropout (w, r, t)", &n);
    for (int64_t i = 0; i < n; i++) assert_true(d[i] == 0 || d[i] == 4);
    assert_true(fabs(mean_of(d, n, 1) - 3) < 0.05);
    arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_is_an_output_of_splitmix64),
        cmocka_unit_test(uniform_and_normal_numbers_have_the_moments_of_their_distribution),
        cmocka_unit_test(a_seed_decides_and_without_one_the_name_does),
        cmocka_unit_test(draws_follow_the_probabilities_of_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
