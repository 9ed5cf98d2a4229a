/* What becomes of a product of bytes: the kernel, and which sums make up for zero points and for bytes of the other sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "plan/plan.h"

enum { M = 3, K = 5, N = 2 };

static arena *mem;
static program *p;
static dim m, n, k;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    p = program_new(mem, model_new(mem, diag_new(mem, "test")));
    m = dim_axis(p->dims, dim_const(p->dims, M));
    n = dim_axis(p->dims, dim_const(p->dims, N));
    k = dim_axis(p->dims, dim_const(p->dims, K));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static slot input(elem stored, int64_t rows, int64_t columns)
{
    const dim extent[2] = {dim_const(p->dims, rows), dim_const(p->dims, columns)};
    return slot_new(p, "input", stored, SLOT_INPUT, 2, extent);
}

/* [rows][columns] with element i = first + each * i. */
static slot constant(elem stored, int64_t rows, int64_t columns, int64_t first, int64_t each)
{
    const int64_t shape[2] = {rows, columns};
    const slot s = input(stored, rows, columns);
    tensor *t = tensor_new(mem, stored, 2, shape);
    for (int64_t i = 0; i < rows * columns; i++) elem_set_int(stored, (void *)(uintptr_t)t->data, (size_t)i, first + each * i);
    slot_at(p, s)->kind = SLOT_CONST;
    slot_at(p, s)->data = t;
    return s;
}

static ex load(slot s, dim row, dim column)
{
    const ex at[2] = {ex_dim(p->ex, row), ex_dim(p->ex, column)};
    return ex_load(p->ex, s, slot_at(p, s)->type, 2, at);
}

static ex less(ex v, ex zero)
{
    return ex_bin(p->ex, EX_SUB, v, zero);
}

/* The steps that sum over k of a * b, stored as int32, is planned as. */
static const block *planned(slot a_slot, ex a, slot b_slot, ex b)
{
    static const target unit = {.name = "test", .vl = 4, .registers = 16, .l2 = 1 << 18};
    const plan_options o = {.target = &unit};
    const dim extent[2] = {dim_const(p->dims, M), dim_const(p->dims, N)};
    const slot y = slot_new(p, "y", ELEM_INT32, SLOT_OUTPUT, 2, extent);
    kernel *product = ARENA_NEW(mem, kernel);
    product->kind = K_MATMUL;
    product->matmul = (matmul_params){.m = m, .n = n, .k = k, .a = a, .b = b};
    product->n_arg = 3;
    product->arg = ARENA_ARRAY(mem, kernel_arg, 3);
    product->arg[0] = (kernel_arg){y, ARG_OUT};
    product->arg[1] = (kernel_arg){a_slot, ARG_IN};
    product->arg[2] = (kernel_arg){b_slot, ARG_IN};
    product->n_hook = 1;
    product->hook = ARENA_NEW(mem, hook);
    *product->hook = (hook){.name = "OUT", .n_axes = 2, .axis = {m, n}, .int_acc = true, .value = ex_acc(p->ex, 0, CT_I32), .to = y, .n = 2,
                            .at = {ex_dim(p->ex, m), ex_dim(p->ex, n)}};
    step *s = ARENA_NEW(mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = "product", .kernel = product};
    VEC_PUSH(mem, p->main.steps, s);
    plan_layout(p);
    assert_true(plan_select(p, &o));
    return &p->main;
}

static const kernel *last_kernel(const block *b)
{
    const step *s = b->steps.p[b->steps.n - 1];
    assert_int_equal(s->kind, STEP_KERNEL);
    assert_string_equal(s->kernel->name, "qgemm");
    return s->kernel;
}

/* The constant that the epilogue takes from each sum. */
static const int32_t *taken_away(const kernel *q)
{
    const ex_node *v = ex_at(p->ex, q->hook->value);
    assert_int_equal(v->op, EX_SUB);
    const ex_node *off = ex_at(p->ex, v->a[1]);
    assert_int_equal(off->op, EX_LOAD);
    assert_int_equal(slot_at(p, off->slot)->kind, SLOT_CONST);
    return slot_at(p, off->slot)->data->data;
}

static void unsigned_by_signed_bytes_need_nothing_else(void **state)
{
    (void)state;
    const slot a = input(ELEM_UINT8, M, K), b = constant(ELEM_INT8, K, N, -3, 1);
    const block *steps = planned(a, load(a, m, k), b, load(b, k, n));
    assert_int_equal(steps->steps.n, 1);
    assert_int_equal(ex_at(p->ex, last_kernel(steps)->hook->value)->op, EX_ACC);
}

static void a_zero_point_of_the_rows_takes_sums_of_columns_away(void **state)
{
    (void)state;
    const slot a = input(ELEM_UINT8, M, K), zero = constant(ELEM_UINT8, 1, 1, 7, 0), b = constant(ELEM_INT8, K, N, -3, 1);
    const dim first = dim_const(p->dims, 0);
    const block *steps = planned(a, less(load(a, m, k), load(zero, first, first)), b, load(b, k, n));
    assert_int_equal(steps->steps.n, 1);
    const int32_t *off = taken_away(last_kernel(steps));
    assert_int_equal(off[0], 7 * (-3 - 1 + 1 + 3 + 5));
    assert_int_equal(off[1], 7 * (-2 + 0 + 2 + 4 + 6));
}

static void signed_rows_are_copied_128_higher(void **state)
{
    (void)state;
    const slot a = input(ELEM_INT8, M, K), b = constant(ELEM_INT8, K, N, -3, 1);
    const block *steps = planned(a, load(a, m, k), b, load(b, k, n));
    assert_int_equal(steps->steps.n, 2);
    const kernel *q = last_kernel(steps);
    assert_int_equal(slot_at(p, q->arg[0].slot)->type, ELEM_UINT8);
    assert_int_equal(taken_away(q)[1], 128 * 10);
}

static void unsigned_columns_with_zero_point_128_are_signed_ones(void **state)
{
    (void)state;
    const slot a = input(ELEM_UINT8, M, K), b = constant(ELEM_UINT8, K, N, 120, 2), zeros = constant(ELEM_UINT8, 1, N, 128, 0);
    const block *steps = planned(a, load(a, m, k), b, less(load(b, k, n), load(zeros, dim_const(p->dims, 0), n)));
    assert_int_equal(steps->steps.n, 1);
    const kernel *q = last_kernel(steps);
    assert_int_equal(ex_at(p->ex, q->hook->value)->op, EX_ACC);
    const int8_t *panels = slot_at(p, q->arg[1].slot)->data->data; /* four k of a column together */
    assert_int_equal(panels[0], -8);
    assert_int_equal(panels[1], -4);
    assert_int_equal(panels[4], -6);
}

static void a_zero_point_of_the_columns_takes_sums_of_rows_away(void **state)
{
    (void)state;
    const slot a = input(ELEM_UINT8, M, K), b = constant(ELEM_INT8, K, N, -3, 1), zeros = constant(ELEM_INT8, 1, N, 4, 1);
    const block *steps = planned(a, load(a, m, k), b, less(load(b, k, n), load(zeros, dim_const(p->dims, 0), n)));
    assert_int_equal(steps->steps.n, 2);
    assert_int_equal(steps->steps.p[0]->kind, STEP_NEST);
    assert_int_equal(ex_at(p->ex, last_kernel(steps)->hook->value)->op, EX_SUB);
}

static void a_zero_point_that_changes_along_the_sum_is_left_to_a_nest(void **state)
{
    (void)state;
    const slot a = input(ELEM_UINT8, M, K), zeros = constant(ELEM_UINT8, 1, K, 1, 1), b = constant(ELEM_INT8, K, N, -3, 1);
    const block *steps = planned(a, less(load(a, m, k), load(zeros, dim_const(p->dims, 0), k)), b, load(b, k, n));
    assert_int_equal(steps->steps.n, 1);
    assert_int_equal(steps->steps.p[0]->kind, STEP_NEST);
}

static void columns_known_only_at_run_time_are_packed_and_summed_then(void **state)
{
    (void)state;
    const slot a = input(ELEM_INT8, M, K), b = input(ELEM_INT8, K, N);
    const block *steps = planned(a, load(a, m, k), b, load(b, k, n));
    assert_int_equal(steps->steps.n, 4); /* sums of columns, rows, panels, product */
    assert_int_equal(ex_at(p->ex, last_kernel(steps)->hook->value)->op, EX_SUB);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {T(unsigned_by_signed_bytes_need_nothing_else),
                                       T(a_zero_point_of_the_rows_takes_sums_of_columns_away),
                                       T(signed_rows_are_copied_128_higher),
                                       T(unsigned_columns_with_zero_point_128_are_signed_ones),
                                       T(a_zero_point_of_the_columns_takes_sums_of_rows_away),
                                       T(a_zero_point_that_changes_along_the_sum_is_left_to_a_nest),
                                       T(columns_known_only_at_run_time_are_packed_and_summed_then)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
