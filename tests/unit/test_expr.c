/* Expressions: what the constructors simplify, and what they must leave alone. */
#include "expr/nest.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static arena *A;
static program *P;
static exprs *X;
static dims *D;

static int setup(void **s)
{
    (void)s;
    A = arena_new();
    P = program_new(A, model_new(A, diag_new(A, "test")));
    X = P->ex;
    D = P->dims;
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    arena_free(A);
    return 0;
}

static dim c(int64_t v)
{
    return dim_const(D, v);
}
static ex k(int64_t v)
{
    return ex_i(X, CT_I64, v);
}
static ex f(double v)
{
    return ex_f(X, CT_F32, v);
}
static ex d(dim v)
{
    return ex_dim(X, v);
}

/* A load of a new rank-1 tensor of that type. */
static ex load(elem t)
{
    const dim n = c(8);
    const ex at = k(0);
    return ex_load(X, slot_new(P, "t", t, SLOT_INPUT, 1, &n), t, 1, &at);
}

static const char *str(ex e)
{
    text t = {.mem = A};
    ex_text(X, e, &t);
    return t.p;
}

static void index_arithmetic_stays_one_dim(void **s)
{
    (void)s;
    const ex i = d(dim_axis(D, c(12))), j = d(dim_axis(D, c(5)));
    const ex flat = ex_bin(X, EX_ADD, ex_bin(X, EX_MUL, i, k(5)), j);
    assert_true(ex_is_dim(X, flat, NULL));
    assert_int_equal(ex_bin(X, EX_FDIV, flat, k(5)), i);
    assert_int_equal(ex_bin(X, EX_FMOD, flat, k(5)), j);
    assert_int_equal(ex_bin(X, EX_DIV, flat, k(5)), i);
    assert_int_equal(ex_bin(X, EX_SUB, ex_bin(X, EX_ADD, i, j), i), j);
}

static void guards_fold_where_ranges_prove_them(void **s)
{
    (void)s;
    const dim i = dim_axis(D, c(12));
    assert_int_equal(ex_in_range(X, d(i), c(12)), ex_bool(X, true));
    assert_int_equal(ex_bin(X, EX_LT, d(i), k(0)), ex_bool(X, false));
    const ex inside = ex_in_range(X, d(dim_addc(D, i, -1)), c(12));
    assert_int_equal(inside, ex_bin(X, EX_LT, k(0), d(i)));
    assert_int_equal(ex_bin(X, EX_LE, d(i), k(5)), ex_bin(X, EX_LT, d(i), k(6)));
    assert_int_equal(ex_un(X, EX_NOT, ex_bin(X, EX_LT, d(i), k(6))), ex_bin(X, EX_LT, k(5), d(i)));
    const ex weak = ex_bin(X, EX_LT, d(i), k(7)), strong = ex_bin(X, EX_LT, d(i), k(3));
    assert_int_equal(ex_bin(X, EX_AND, weak, strong), strong);
    assert_int_equal(ex_bin(X, EX_OR, weak, strong), weak);
}

static void floats_fold_with_the_rounding_of_their_type(void **s)
{
    (void)s;
    double v;
    assert_true(ex_is_num(X, ex_bin(X, EX_ADD, f(0.1), f(0.2)), &v));
    assert_true(v == (double)(0.1f + 0.2f));
    assert_true(ex_is_num(X, ex_bin(X, EX_MUL, ex_f(X, CT_F64, 0.1), ex_f(X, CT_F64, 3)), &v));
    assert_true(v == 0.1 * 3);
    assert_true(ex_is_num(X, ex_un(X, EX_EXP, f(1)), &v));
    assert_true(v == (double)(float)exp(1));
    assert_true(ex_is_num(X, ex_round(X, ELEM_FLOAT16, f(0.1)), &v));
    assert_true(v == 0.0999755859375);
}

static void an_exponential_beside_a_number_needs_no_subnormal_ones(void **s)
{
    (void)s;
    const ex y = ex_load(X, 1, ELEM_FLOAT, 0, NULL), e = ex_un(X, EX_EXP, y), n = ex_un(X, EX_EXPN, y);
    assert_int_equal(ex_bin(X, EX_ADD, f(1), e), ex_bin(X, EX_ADD, n, f(1)));
    assert_int_equal(ex_bin(X, EX_SUB, e, f(1)), ex_bin(X, EX_SUB, n, f(1)));
    assert_int_equal(ex_bin(X, EX_SUB, f(1), e), ex_bin(X, EX_SUB, f(1), n));
    assert_int_equal(ex_at(X, ex_bin(X, EX_ADD, e, f(0)))->a[0], e);
    assert_int_equal(ex_at(X, ex_bin(X, EX_ADD, e, f(1e-38)))->a[0], e);
}

static void a_swish_is_one_division(void **s)
{
    (void)s;
    const ex y = ex_load(X, 1, ELEM_FLOAT, 0, NULL), z = ex_load(X, 2, ELEM_FLOAT, 0, NULL);
    const ex sum = ex_bin(X, EX_ADD, ex_un(X, EX_EXP, ex_un(X, EX_NEG, y)), f(1)), gate = ex_bin(X, EX_DIV, f(1), sum);
    assert_int_equal(ex_bin(X, EX_MUL, y, gate), ex_bin(X, EX_DIV, y, sum));
    assert_int_equal(ex_at(X, ex_bin(X, EX_MUL, z, gate))->op, EX_MUL); /* of another value: the gate may be one for many */
    const ex quick = ex_bin(X, EX_ADD, ex_un(X, EX_EXP, ex_bin(X, EX_MUL, y, f(-1.702))), f(1));
    assert_int_equal(ex_bin(X, EX_MUL, ex_bin(X, EX_DIV, f(1), quick), y), ex_bin(X, EX_DIV, y, quick));
}

static void float_rewrites_keep_every_bit(void **s)
{
    (void)s;
    const ex a = load(ELEM_FLOAT);
    assert_int_equal(ex_bin(X, EX_ADD, a, f(-0.0)), a);
    assert_int_equal(ex_bin(X, EX_SUB, a, f(0)), a);
    assert_int_equal(ex_bin(X, EX_MUL, f(1), a), a);
    assert_int_equal(ex_bin(X, EX_DIV, a, f(8)), ex_bin(X, EX_MUL, a, f(0.125)));
    assert_int_equal(ex_bin(X, EX_POW, a, f(2)), ex_bin(X, EX_MUL, a, a));
    assert_int_equal(ex_un(X, EX_NEG, ex_un(X, EX_NEG, a)), a);
    assert_string_equal(str(ex_bin(X, EX_ADD, a, f(0))), "s1[0] + 0");
    assert_string_equal(str(ex_bin(X, EX_MUL, a, f(0))), "s1[0] * 0");
    assert_string_equal(str(ex_bin(X, EX_SUB, a, a)), "s1[0] - s1[0]");
    assert_string_equal(str(ex_bin(X, EX_DIV, a, f(3))), "s1[0] / 3");
    assert_string_equal(str(ex_bin(X, EX_EQ, a, a)), "s1[0] == s1[0]");
    assert_string_equal(str(ex_un(X, EX_NOT, ex_bin(X, EX_LT, a, f(3)))), "!(s1[0] < 3)");
}

static void powers_of_quarters_are_roots(void **s)
{
    (void)s;
    const ex a = load(ELEM_FLOAT), square = ex_bin(X, EX_MUL, a, a), root = ex_un(X, EX_SQRT, square);
    assert_int_equal(ex_bin(X, EX_POW, square, f(0.25)), ex_un(X, EX_SQRT, root));
    assert_int_equal(ex_bin(X, EX_POW, square, f(-0.75)), ex_bin(X, EX_DIV, f(1), ex_bin(X, EX_MUL, root, ex_un(X, EX_SQRT, root))));
    assert_string_equal(str(ex_bin(X, EX_POW, a, f(0.75))), "(s1[0] == -inf) ? inf : (sqrt(s1[0] + 0) * sqrt(sqrt(s1[0] + 0)))");
    assert_string_equal(str(ex_bin(X, EX_POW, a, f(1.75))), "pow(s1[0], 1.75)");
}

static void integers_wrap_and_divide_as_documented(void **s)
{
    (void)s;
    const struct {
        ex_op op;
        int64_t a, b, want;
    } ROW[] = {
        {EX_DIV, -7, 2, -3}, {EX_FDIV, -7, 2, -4}, {EX_MOD, -7, 2, -1},  {EX_FMOD, -7, 2, 1},  {EX_FMOD, 7, -2, -1}, {EX_DIV, 5, 0, 0},
        {EX_FMOD, 5, 0, 0},  {EX_SHL, 1, 70, 0},   {EX_SHR, -8, 1, -4},  {EX_POW, 3, 4, 81},   {EX_POW, 2, -1, 0},   {EX_ADD, INT64_MAX, 1, INT64_MIN},
        {EX_MUL, INT64_MIN, -1, INT64_MIN}, {EX_DIV, INT64_MIN, -1, INT64_MIN},
    };
    for (size_t i = 0; i < sizeof ROW / sizeof *ROW; i++) assert_int_equal(ex_bin(X, ROW[i].op, k(ROW[i].a), k(ROW[i].b)), k(ROW[i].want));
    assert_int_equal(ex_bin(X, EX_ADD, ex_i(X, CT_I32, INT32_MAX), ex_i(X, CT_I32, 1)), ex_i(X, CT_I32, INT32_MIN));
    assert_int_equal(ex_bin(X, EX_SUB, ex_i(X, CT_U32, 0), ex_i(X, CT_U32, 1)), ex_i(X, CT_U32, UINT32_MAX));
    assert_int_equal(ex_round(X, ELEM_INT8, ex_i(X, CT_I32, 200)), ex_i(X, CT_I32, -56));
}

static void conversions_saturate_from_floats_and_wrap_between_integers(void **s)
{
    (void)s;
    assert_int_equal(ex_cast(X, CT_I32, f(1e20)), ex_i(X, CT_I32, INT32_MAX));
    assert_int_equal(ex_cast(X, CT_I32, f((double)NAN)), ex_i(X, CT_I32, 0));
    assert_int_equal(ex_cast(X, CT_U32, f(-3)), ex_i(X, CT_U32, 0));
    assert_int_equal(ex_cast(X, CT_I32, f(-2.7)), ex_i(X, CT_I32, -2));
    assert_int_equal(ex_cast(X, CT_I32, k((int64_t)1 << 32)), ex_i(X, CT_I32, 0));
    const ex i = load(ELEM_INT32), u = load(ELEM_UINT32), q = load(ELEM_INT8);
    assert_int_equal(ex_cast(X, CT_I32, ex_cast(X, CT_F64, i)), i);
    assert_int_equal(ex_cast(X, CT_F32, ex_cast(X, CT_I64, i)), ex_cast(X, CT_F32, i));
    assert_true(ex_cast(X, CT_I32, ex_cast(X, CT_F64, u)) != ex_cast(X, CT_I32, u));
    assert_true(ex_cast(X, CT_I32, ex_cast(X, CT_F32, i)) != i);
    assert_int_equal(ex_round(X, ELEM_INT8, q), q);
    assert_int_equal(ex_round(X, ELEM_INT16, ex_bin(X, EX_ADD, q, q)), ex_bin(X, EX_ADD, q, q));
    assert_true(ex_round(X, ELEM_INT8, ex_bin(X, EX_ADD, q, q)) != ex_bin(X, EX_ADD, q, q));
}

static void selects_fold(void **s)
{
    (void)s;
    const ex a = load(ELEM_FLOAT), b = load(ELEM_FLOAT), p = load(ELEM_BOOL);
    assert_int_equal(ex_select(X, ex_bool(X, true), a, b), a);
    assert_int_equal(ex_select(X, p, a, a), a);
    assert_int_equal(ex_select(X, ex_un(X, EX_NOT, p), a, b), ex_select(X, p, b, a));
    assert_int_equal(ex_select(X, p, ex_bool(X, true), ex_bool(X, false)), p);
    assert_int_equal(ex_select(X, p, ex_select(X, p, a, b), b), ex_select(X, p, a, b));
    const ex i = d(dim_axis(D, c(9)));
    assert_true(ex_is_dim(X, ex_select(X, ex_bin(X, EX_LT, i, k(4)), i, k(4)), NULL));
}

static void an_index_proved_inside_cannot_fail(void **s)
{
    (void)s;
    const ex i = d(dim_axis(D, c(9)));
    assert_int_equal(ex_index(X, i, k(9)), i);
    assert_int_equal(ex_index(X, k(-2), k(9)), k(7));
    const ex wild = ex_index(X, load(ELEM_INT64), k(9));
    assert_true(ex_can_fail(X, wild));
    assert_true(ex_can_fail(X, ex_bin(X, EX_ADD, wild, k(1))));
    assert_false(ex_can_fail(X, i));
    assert_int_equal(ex_index(X, wild, k(9)), wild);
}

static void axes_can_become_data_dependent(void **s)
{
    (void)s;
    const dim i = dim_axis(D, c(12)), j = dim_axis(D, c(5)), flat = dim_add(D, dim_mulc(D, i, 5), j);
    const slot x = slot_new(P, "x", ELEM_FLOAT, SLOT_INPUT, 1, (dim[]){c(60)});
    const ex from = ex_load(X, x, ELEM_FLOAT, 1, (ex[]){d(flat)});
    const ex gathered = ex_map_ex(X, from, 1, &i, (ex[]){load(ELEM_INT64)});
    text want = {.mem = A};
    text_add(&want, "s1[(s2[0] * 5) + ");
    dim_text(D, j, &want);
    text_add(&want, "]");
    assert_string_equal(str(gathered), want.p);
    assert_int_equal(ex_map_ex(X, from, 1, &j, (ex[]){k(3)}), ex_map(X, from, 1, &j, (dim[]){c(3)}));
}

static void dims_gather_around_data_dependent_indexes(void **s)
{
    (void)s;
    const ex i = d(dim_axis(D, c(12))), j = d(dim_axis(D, c(5))), v = load(ELEM_INT64), w = load(ELEM_INT64);
    const ex sum = ex_bin(X, EX_ADD, ex_bin(X, EX_ADD, i, v), ex_bin(X, EX_ADD, ex_bin(X, EX_SUB, w, j), j));
    assert_int_equal(ex_bin(X, EX_ADD, ex_bin(X, EX_ADD, v, i), j), ex_bin(X, EX_ADD, v, ex_bin(X, EX_ADD, i, j)));
    assert_int_equal(ex_bin(X, EX_SUB, ex_bin(X, EX_ADD, v, i), i), v);
    assert_true(ex_is_dim(X, ex_at(X, sum)->a[1], NULL));
    assert_int_equal(ex_in_range(X, ex_index(X, v, i), ex_at(X, i)->d), ex_bool(X, true));
}

static ex twice(void *ctx, ex e)
{
    (void)ctx;
    return ex_at(X, e)->op == EX_LOAD ? ex_bin(X, EX_ADD, e, e) : 0;
}

static void count_node(void *ctx, ex e)
{
    (void)e;
    ++*(int *)ctx;
}

static void deep_and_shared_expressions_take_linear_time(void **s)
{
    (void)s;
    const ex a = load(ELEM_FLOAT);
    ex ladder = a, chain = a;
    for (int i = 0; i < 2000; i++) ladder = ex_bin(X, EX_MUL, ladder, ladder); /* 2^2000 paths */
    for (int i = 0; i < 100000; i++) chain = ex_un(X, EX_SIN, chain);
    int n = 0;
    ex_walk(X, ladder, count_node, &n);
    assert_int_equal(n, 2002);
    assert_true(ex_cost(X, ladder) == 2000.5);
    assert_true(ex_subst(X, ladder, twice, NULL) != ladder);
    assert_true(ex_subst(X, chain, twice, NULL) != chain);
    assert_true(strlen(str(ladder)) < 100000);
}

static void a_program_lists_readably(void **s)
{
    (void)s;
    const dim shape[] = {dim_symbol(D, "batch", 1, 64), c(128)};
    const slot x = slot_new(P, "x", ELEM_FLOAT, SLOT_INPUT, 2, shape), y = slot_new(P, "y", ELEM_FLOAT, SLOT_OUTPUT, 2, shape);
    nest_builder b = nest_begin(P);
    const dim i = nest_axis(&b, shape[0]);
    dim j = stage_axis(&b, shape[1]);
    const ex top = stage_fold(&b, FOLD_MAX, ex_load(X, x, ELEM_FLOAT, 2, (ex[]){d(i), d(j)}));
    nest_stage(&b);
    j = stage_axis(&b, shape[1]);
    const ex at[] = {d(i), d(j)};
    stage_store(&b, y, 2, at, ex_bin(X, EX_SUB, ex_load(X, x, ELEM_FLOAT, 2, at), top));
    nest_end(&b, &P->main, "'M_1' (Max)");
    text t = {.mem = A};
    program_text(P, &t);
    assert_non_null(strstr(t.p, "input   x  float[batch,128]\n"));
    assert_non_null(strstr(t.p, "1   nest    'M_1' (Max)  for i"));
    assert_non_null(strstr(t.p, "a1 = max(a1, x["));
    assert_non_null(strstr(t.p, "] - a1 }\n"));
}

static void note_access(void *ctx, slot s, bool written)
{
    text_addf(ctx, "%s%u ", written ? "w" : "r", s);
}

static void accesses_include_updates_and_nested_blocks(void **s)
{
    (void)s;
    const dim n = c(4);
    const slot x = slot_new(P, "x", ELEM_INT64, SLOT_INPUT, 1, &n), y = slot_new(P, "y", ELEM_INT64, SLOT_OUTPUT, 1, &n);
    const slot cond = slot_new(P, "c", ELEM_BOOL, SLOT_INPUT, 0, NULL);
    block *then = ARENA_NEW(A, block);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, n));
    const ex at = ex_index(X, ex_load(X, x, ELEM_INT64, 1, &i), k(4));
    stage_store(&b, y, 1, &at, k(1))->fold = FOLD_SUM;
    step *inner = nest_end(&b, then, "scatter");
    assert_true(inner->nest->can_fail);
    control ctl = {.cond = cond, .then = then};
    const step st = {.kind = STEP_IF, .control = &ctl};
    text t = {.mem = A};
    step_access(P, &st, note_access, &t);
    assert_string_equal(t.p, "r3 r1 r2 w2 ");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(index_arithmetic_stays_one_dim),
        T(guards_fold_where_ranges_prove_them),
        T(floats_fold_with_the_rounding_of_their_type),
        T(a_swish_is_one_division),
        T(float_rewrites_keep_every_bit),
        T(powers_of_quarters_are_roots),
        T(integers_wrap_and_divide_as_documented),
        T(conversions_saturate_from_floats_and_wrap_between_integers),
        T(selects_fold),
        T(an_index_proved_inside_cannot_fail),
        T(axes_can_become_data_dependent),
        T(dims_gather_around_data_dependent_indexes),
        T(an_exponential_beside_a_number_needs_no_subnormal_ones), T(deep_and_shared_expressions_take_linear_time),
        T(a_program_lists_readably),
        T(accesses_include_updates_and_nested_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
