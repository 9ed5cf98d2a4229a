/* What is computed from two bytes otherwise: the same integer for each of the 65,536 pairs, as expressions and in a nest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "plan/plan.h"

enum { VALUES = 256 };

static arena *mem;
static program *p;
static exprs *x;
static slot a, b, y;
static dim i, j;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    p = program_new(mem, model_new(mem, diag_new(mem, "test")));
    x = p->ex;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

/* Two vectors of all bytes and a matrix for the results. */
static void begin(elem of_a, elem of_b, elem of_y)
{
    const dim extent[2] = {dim_const(p->dims, VALUES), dim_const(p->dims, VALUES)};
    a = slot_new(p, "a", of_a, SLOT_INPUT, 1, extent);
    b = slot_new(p, "b", of_b, SLOT_INPUT, 1, extent);
    y = slot_new(p, "y", of_y, SLOT_OUTPUT, 2, extent);
    i = dim_axis(p->dims, extent[0]);
    j = dim_axis(p->dims, extent[1]);
}

static ex num(double v)
{
    return ex_f(x, CT_F32, v);
}

static ex load(slot s, dim at)
{
    const ex index = ex_dim(x, at);
    return ex_load(x, s, slot_at(p, s)->type, 1, &index);
}

static ex dequantized(ex v, int32_t zero, float scale)
{
    return ex_bin(x, EX_MUL, ex_cast(x, CT_F32, ex_bin(x, EX_SUB, v, ex_i(x, CT_I32, zero))), num((double)scale));
}

static ex rounded(ex v, int32_t zero)
{
    const int32_t lo = slot_at(p, y)->type == ELEM_INT8 ? -128 : 0;
    v = ex_un(x, EX_RINT, ex_bin(x, EX_MIN, ex_bin(x, EX_MAX, v, num(lo - zero)), num(lo + 255 - zero)));
    return ex_bin(x, EX_ADD, ex_cast(x, CT_I32, v), ex_i(x, CT_I32, zero));
}

static ex quantized(ex v, int32_t zero, float scale)
{
    return rounded(ex_bin(x, EX_DIV, v, num((double)scale)), zero);
}

static uint8_t bytes[2][VALUES], result[2][VALUES * VALUES];
static uint8_t *out;

static void *data(void *ctx, slot s)
{
    (void)ctx;
    return s == y ? out : bytes[s == b];
}

static void run(ex v, uint8_t *to)
{
    const ex at[2] = {ex_dim(x, i), ex_dim(x, j)};
    sink s = {.to = y, .n = 2, .at = {at[0], at[1]}, .value = v};
    stage only = {.n_sinks = 1, .sink = &s};
    const nest n = {.n_axes = 2, .axis = {i, j}, .n_stages = 1, .stage = &only};
    const interp in = {.p = p, .data = data};
    const char *why;
    for (int k = 0; k < VALUES; k++) bytes[0][k] = bytes[1][k] = (uint8_t)k;
    out = to;
    assert_true(nest_run(&in, &n, &why));
}

/* What e becomes is the same for all pairs. Returns whether it is anything else. */
static bool same_for_all(ex e)
{
    const ex made = pair_computed(x, e);
    run(e, result[0]);
    run(made, result[1]);
    assert_memory_equal(result[0], result[1], sizeof result[0]);
    return made != e;
}

static uint32_t seed;

static int32_t below(int32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int32_t)((seed >> 8) % (uint32_t)n);
}

static float scale(void)
{
    return 0.002f + (float)below(10000) * 7e-6f;
}

static void sums_and_products_of_any_scales(void **state)
{
    (void)state;
    int changed = 0;
    seed = 1;
    for (int round = 0; round < 60; round++) {
        static const elem TYPES[] = {ELEM_UINT8, ELEM_INT8};
        static const ex_op OPS[] = {EX_ADD, EX_SUB, EX_MUL};
        begin(TYPES[round % 2], TYPES[round / 2 % 2], TYPES[round / 4 % 2]);
        const ex l = dequantized(load(a, i), below(200) - 60, scale()), r = dequantized(load(b, j), below(200) - 60, scale());
        changed += same_for_all(quantized(ex_bin(x, OPS[round % 3], l, r), below(100), scale() + 0.005f));
    }
    assert_true(changed > 50);
}

static void scales_with_many_ties(void **state)
{
    (void)state;
    static const float EVEN[] = {0.5f, 0.25f, 1, 2}, ODD[] = {0.0075f, 0.015f, 0.03f, 0.06f};
    int changed = 0;
    for (int round = 0; round < 32; round++) {
        const float *s = round < 16 ? EVEN : ODD;
        begin(ELEM_UINT8, ELEM_UINT8, ELEM_UINT8);
        const ex l = dequantized(load(a, i), 128, s[round % 4]), r = dequantized(load(b, j), round, s[round / 4 % 4]);
        const bool is_new = same_for_all(quantized(ex_bin(x, EX_ADD, l, r), round % 7, s[2]));
        changed += round < 16 && is_new;
    }
    assert_int_equal(changed, 15); /* halves and quarters are exact; where all three scales are 1 there is nothing to gain */
}

static void sums_in_double(void **state)
{
    (void)state;
    begin(ELEM_UINT8, ELEM_INT8, ELEM_UINT8);
    const ex l = ex_bin(x, EX_MUL, ex_cast(x, CT_F64, load(a, i)), ex_f(x, CT_F64, 0.75884246826171875));
    const ex r = ex_bin(x, EX_MUL, ex_cast(x, CT_F64, load(b, j)), ex_f(x, CT_F64, 0.37620577216148376));
    assert_true(same_for_all(rounded(ex_cast(x, CT_F32, ex_bin(x, EX_ADD, l, r)), 0)));
}

/* A residual connection: one of the two is the rounded sum of a convolution. */
static void an_integer_that_is_computed(void **state)
{
    (void)state;
    begin(ELEM_UINT8, ELEM_UINT8, ELEM_UINT8);
    const ex first = rounded(ex_bin(x, EX_MUL, ex_cast(x, CT_F32, ex_bin(x, EX_MUL, load(a, i), ex_i(x, CT_I32, 313))), num(0.0031)), 5);
    assert_true(same_for_all(quantized(ex_bin(x, EX_ADD, dequantized(first, 5, 0.02f), dequantized(load(b, j), 100, 0.013f)), 17, 0.025f)));
}

static void what_is_no_sum_stays(void **state)
{
    (void)state;
    begin(ELEM_UINT8, ELEM_UINT8, ELEM_UINT8);
    const ex l = dequantized(load(a, i), 128, 0.02f), r = dequantized(load(b, j), 100, 0.013f);
    assert_false(same_for_all(quantized(ex_bin(x, EX_MAX, l, r), 17, 0.025f)));
    assert_false(same_for_all(quantized(ex_bin(x, EX_MUL, l, ex_un(x, EX_EXP, r)), 17, 0.025f)));
    assert_false(same_for_all(quantized(l, 17, 0.025f)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_and_products_of_any_scales, setup, teardown),
        cmocka_unit_test_setup_teardown(scales_with_many_ties, setup, teardown),
        cmocka_unit_test_setup_teardown(sums_in_double, setup, teardown),
        cmocka_unit_test_setup_teardown(an_integer_that_is_computed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_sum_stays, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
