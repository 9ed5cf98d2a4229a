/* How far outputs are from each other: driver/output_distance.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "driver/output_distance.h"

static tensor floats(const float *x, int64_t *shape, uint32_t rank)
{
    tensor t = {.type = ELEM_FLOAT, .rank = rank, .shape = shape, .data = (const void *)x};
    t.bytes = (size_t)tensor_count(&t) * sizeof *x;
    return t;
}

static void equal_tensors_have_no_distance(void **state)
{
    (void)state;
    const float x[4] = {1, -2, INFINITY, NAN};
    int64_t shape[2] = {2, 2};
    const tensor t = floats(x, shape, 2);
    output_distance d = {0};
    distance_add(&d, &t, &t);
    assert_true(d.largest == 0 && d.noise == 0 && d.count == 4 && d.rows == 2 && d.same_argmax == 2);
    assert_true(fabs(distance_cosine(&d) - 1) < 1e-12);
    assert_true(distance_sqnr(&d) == INFINITY);
}

static void sets_add_up(void **state)
{
    (void)state;
    const float x[2] = {3, 4}, y[2] = {3, 4.5f}, u[3] = {0, 0, 1}, v[3] = {0, 2, 1};
    int64_t two[1] = {2}, three[1] = {3};
    const tensor a = floats(x, two, 1), b = floats(y, two, 1), e = floats(u, three, 1), f = floats(v, three, 1);
    output_distance d = {0};
    distance_add(&d, &a, &b);
    assert_true(fabs(distance_sqnr(&d) - 20) < 1e-9); /* 25 to 0.25 */
    assert_true(fabs(distance_cosine(&d) - 27 / (5 * sqrt(29.25))) < 1e-12);
    distance_add(&d, &e, &f);
    assert_true(fabs(d.noise - 4.25) < 1e-12);
    assert_true(d.largest == 2 && d.rows == 2 && d.same_argmax == 1);
}

static void what_only_one_of_them_has_finite_is_infinitely_far(void **state)
{
    (void)state;
    const float x[2] = {1, 2}, y[2] = {1, NAN};
    int64_t shape[1] = {2};
    const tensor a = floats(x, shape, 1), b = floats(y, shape, 1);
    output_distance d = {0};
    distance_add(&d, &a, &b);
    assert_true(d.largest == INFINITY && distance_sqnr(&d) == -INFINITY);
}

static void other_shapes_are_counted_and_scalars_have_no_argmax(void **state)
{
    (void)state;
    const float x[2] = {1, 2};
    int64_t two[1] = {2}, one[2] = {2, 1};
    const tensor a = floats(x, two, 1), b = floats(x, one, 2), s = floats(x, NULL, 0);
    output_distance d = {0};
    distance_add(&d, &a, &b);
    assert_true(d.other_shapes == 1 && d.count == 0 && isnan(distance_cosine(&d)));
    distance_add(&d, &s, &s);
    assert_true(d.count == 1 && d.rows == 0);
}

#define T(f) cmocka_unit_test(f)
int main(void)
{
    const struct CMUnitTest tests[] = {T(equal_tensors_have_no_distance), T(sets_add_up), T(what_only_one_of_them_has_finite_is_infinitely_far),
                                       T(other_shapes_are_counted_and_scalars_have_no_argmax)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
