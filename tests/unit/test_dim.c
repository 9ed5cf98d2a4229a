#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/dim.h"

static arena *mem;
static dims *t;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    t = dims_new(mem);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}
static dim C(int64_t v)
{
    return dim_const(t, v);
}
static dim N(void)
{
    return dim_symbol(t, "N", 1, INT64_MAX);
}
static dim axis(int64_t n)
{
    return dim_axis(t, C(n));
}

static void equal_polynomials_have_equal_ids(void **state)
{
    (void)state;
    const dim n = N(), b = dim_symbol(t, "batch", 1, 32);
    assert_int_equal(dim_add(t, n, b), dim_add(t, b, n));
    assert_int_equal(dim_sub(t, dim_add(t, n, b), b), n);
    assert_int_equal(dim_mul(t, dim_add(t, n, C(1)), dim_sub(t, n, C(1))), dim_addc(t, dim_mul(t, n, n), -1));
    assert_true(dim_is(t, dim_sub(t, n, n), 0));
}

static void reshape_indexes_fold_away(void **state)
{
    (void)state;
    const dim i = axis(12), j = axis(64), flat = dim_add(t, dim_mulc(t, i, 64), j);
    assert_int_equal(dim_fdiv(t, flat, C(64)), i);
    assert_int_equal(dim_mod(t, flat, C(64)), j);
    const dim q = dim_fdiv(t, flat, C(32)), r = dim_mod(t, flat, C(32));
    assert_int_equal(dim_add(t, dim_mulc(t, q, 32), r), flat);
}

static void symbolic_strides_divide_exactly(void **state)
{
    (void)state;
    const dim n = N(), i = axis(7), j = dim_axis(t, n), flat = dim_add(t, dim_mul(t, i, n), j);
    assert_int_equal(dim_fdiv(t, flat, n), i);
    assert_int_equal(dim_mod(t, flat, n), j);
    assert_int_equal(dim_div_exact(t, dim_mul(t, dim_mulc(t, n, 6), n), dim_mulc(t, n, 2)), dim_mulc(t, n, 3));
    assert_int_equal(dim_div_exact(t, dim_addc(t, n, 1), C(2)), 0);
}

static void an_axis_stays_below_its_extent(void **state)
{
    (void)state;
    const dim n = N(), j = dim_axis(t, n);
    assert_true(dim_lt(t, j, n));
    assert_true(dim_le(t, dim_addc(t, j, 1), n));
    assert_false(dim_lt(t, dim_addc(t, j, 1), n));
    const dim w = dim_add(t, dim_mulc(t, axis(5), 2), axis(3));
    const interval r = dim_range(t, w);
    assert_int_equal(r.lo, 0);
    assert_int_equal(r.hi, 10);
}

static void minimum_and_maximum_fold_when_ordered(void **state)
{
    (void)state;
    const dim b = dim_symbol(t, "b", 1, 32);
    assert_true(dim_is(t, dim_min(t, b, C(0)), 0));
    assert_int_equal(dim_max(t, b, C(1)), b);
    assert_int_equal(dim_min(t, b, C(5)), dim_min(t, C(5), b));
}

static void ceil_division_of_constants_and_symbols(void **state)
{
    (void)state;
    assert_true(dim_is(t, dim_cdiv(t, C(7), C(2)), 4));
    const dim n = N();
    assert_int_equal(dim_cdiv(t, dim_mulc(t, n, 4), C(2)), dim_mulc(t, n, 2));
    assert_int_equal(dim_range(t, dim_cdiv(t, n, C(2))).lo, 1);
}

static void overflow_is_marked(void **state)
{
    (void)state;
    (void)dim_mul(t, dim_mulc(t, N(), INT64_MAX), C(2));
    assert_true(dims_overflowed(t));
    assert_false(dims_overflowed(t));
    (void)dim_mulc(t, N(), INT64_MIN); /* has no negative */
    assert_true(dims_overflowed(t));
}

static int64_t seven(void *ctx, dim atom)
{
    (void)ctx;
    (void)atom;
    return 7;
}

static void substitution_and_evaluation_agree(void **state)
{
    (void)state;
    const dim n = N(), e = dim_add(t, dim_fdiv(t, dim_addc(t, n, 3), C(4)), dim_mod(t, n, C(5)));
    const dim seven_d = C(7), v = dim_subst(t, e, 1, &n, &seven_d);
    assert_true(dim_is(t, v, 2 + 2));
    assert_int_equal(dim_eval(t, e, seven, NULL), 4);
}

/* Expressions of n and of k, which is from 1 to 6: the values of n and k. */
static int64_t n_and_k[2];

static int64_t value_of(void *ctx, dim atom)
{
    (void)ctx;
    return n_and_k[!strcmp(dim_name(t, atom), "k")];
}

static dim random_expression(uint32_t *seed, int depth)
{
    *seed = *seed * 1664525u + 1013904223u;
    const uint32_t r = *seed >> 16, kind = depth ? r % 9 : r % 3;
    if (kind == 0) return C((int64_t)(r / 9 % 7) - 3);
    if (kind == 1) return N();
    if (kind == 2) return dim_symbol(t, "k", 1, 6);
    const dim a = random_expression(seed, depth - 1), b = random_expression(seed, depth - 1);
    switch (kind) {
    case 3: return dim_sub(t, a, b);
    case 4: return dim_mul(t, a, b);
    case 5: return dim_fdiv(t, a, dim_max(t, b, C(1)));
    case 6: return dim_mod(t, a, dim_max(t, b, C(1)));
    case 7: return r / 9 % 2 ? dim_min(t, a, b) : dim_max(t, a, b);
    default: return dim_select(t, a, N(), b, dim_sub(t, b, a));
    }
}

static void what_a_size_is_at_most_is_no_less_than_any_of_its_values(void **state)
{
    (void)state;
    const dim n = N(), k = dim_symbol(t, "k", 1, 6), one = C(1), six = C(6);
    uint32_t seed = 5;
    for (int i = 0; i < 3000; i++) {
        const dim d = random_expression(&seed, 4), most = dim_at_most(t, d, 1, &k, &one, &six);
        assert_false(dim_has(t, most, k));
        for (n_and_k[0] = 1; n_and_k[0] <= 9; n_and_k[0] += 4)
            for (n_and_k[1] = 1; n_and_k[1] <= 6; n_and_k[1]++) assert_true(dim_eval(t, d, value_of, NULL) <= dim_eval(t, most, value_of, NULL));
    }
    assert_int_equal(dim_at_most(t, dim_sub(t, n, k), 1, &k, &one, &six), dim_addc(t, n, -1));
    assert_int_equal(dim_at_most(t, dim_max(t, C(0), dim_sub(t, n, dim_min(t, k, n))), 1, &k, &one, &n), dim_addc(t, n, -1));
    assert_int_equal(dim_at_most(t, dim_mul(t, n, k), 1, &k, &one, &n), dim_mul(t, n, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_polynomials_have_equal_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(reshape_indexes_fold_away, setup, teardown),
        cmocka_unit_test_setup_teardown(symbolic_strides_divide_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(an_axis_stays_below_its_extent, setup, teardown),
        cmocka_unit_test_setup_teardown(minimum_and_maximum_fold_when_ordered, setup, teardown),
        cmocka_unit_test_setup_teardown(ceil_division_of_constants_and_symbols, setup, teardown),
        cmocka_unit_test_setup_teardown(overflow_is_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(substitution_and_evaluation_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_size_is_at_most_is_no_less_than_any_of_its_values, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
