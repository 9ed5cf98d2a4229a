/* Whether --verify-passes notices what a wrong rewrite does: the rewrites are made by hand here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "check/check.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/verify.h"
#include "proto/parse.h"

static arena *mem;
static model *m;

static const char CONV[] = "<ir_version: 8, opset_import: [\"\": 17]>\n"
                           "g (float[n,1,4,4] x, bool c) => (float[n,2,4,4] y, int64[k] s)\n"
                           "<float[2,1,1,1] w = {1, 2}, float[2] scale = {3, 4}, float[2] mean = {0.3, 0.7}>\n"
                           "{\n"
                           "  a = Conv (x, w)\n"
                           "  b = BatchNormalization (a, scale, mean, mean, scale)\n"
                           "  y = If (c) <then_branch = t () => (float[n,2,4,4] t) { t = Relu (b) }, else_branch = e () => (float[n,2,4,4] e) { e = Tanh (b) }>\n"
                           "  s = Shape (y)\n"
                           "}\n";

static void load(const char *model_source)
{
    const infer_options infer = {.fold_limit = 1 << 16};
    m = model_parse(mem, diag_new(mem, "model.onnxtxt"), model_source, NULL);
    assert_non_null(m);
    assert_true(check_model_basic(m) && infer_model(m, &infer));
    remove_dead(m);
}

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static node *node_named(const char *op)
{
    for (uint32_t i = 1; i < m->nodes.n; i++)
        if (!strcmp(m->nodes.p[i].op, op)) return &m->nodes.p[i];
    fail();
    return NULL;
}

static void assert_caught(pass_check *c, bool exact)
{
    assert_false(pass_check_after(c, "test", exact));
    assert_string_equal(m->diag->list.p[0].code, "verify-pass");
    assert_int_equal(diag_exit(m->diag), EXIT_INTERNAL);
}

static void a_model_that_stays_the_same_passes(void **state)
{
    (void)state;
    load(CONV);
    const char *why;
    pass_check *c = pass_check_new(mem, m);
    assert_true(pass_check_after(c, "test", true));
    assert_int_equal(pass_check_trials(c, &why), 5);
}

static void fusion_of_a_convolution_and_a_branch_keeps_the_bits(void **state)
{
    (void)state;
    load(CONV);
    const char *why;
    const fuse_options rules = {.inline_maps = true, .merge_rows = true, .merge_stages = true, .epilogues = true, .reciprocals = true};
    pass_check *c = pass_check_new(mem, m);
    assert_true(pass_check_fusion(c, &rules));
    assert_int_equal(pass_check_trials(c, &why), 3); /* the reciprocals' rule: random inputs only */
}

static void folding_passes_within_rounding_but_keeps_no_bits(void **state)
{
    (void)state;
    load(CONV);
    pass_check *c = pass_check_new(mem, m);
    fold_batchnorm(m);
    remove_dead(m);
    assert_true(pass_check_after(c, "batchnorm", false));
    load(CONV);
    c = pass_check_new(mem, m);
    fold_batchnorm(m);
    assert_caught(c, true);
}

static void another_operator_is_caught_in_one_branch(void **state)
{
    (void)state;
    load(CONV);
    pass_check *c = pass_check_new(mem, m);
    node_named("Relu")->op = intern(m->names, "LeakyRelu");
    assert_caught(c, false);
}

static void a_weight_that_is_off_by_a_little_is_caught(void **state)
{
    (void)state;
    load(CONV);
    pass_check *c = pass_check_new(mem, m);
    const value *w = value_at(m, node_named("Conv")->in[1]);
    tensor *other = tensor_new(mem, ELEM_FLOAT, w->data->rank, w->data->shape);
    memcpy((void *)(uintptr_t)other->data, w->data->data, w->data->bytes);
    elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)other->data, 1, 2.0002);
    value_at(m, node_named("Conv")->in[1])->data = other;
    assert_caught(c, false);
}

static void a_lost_sign_of_zero_is_caught(void **state)
{
    (void)state;
    load("<ir_version: 8, opset_import: [\"\": 17]>\n"
         "g (float[n,40] x) => (float[n,40] y)\n<float zero = {0}, float minus = {-0.0}>\n{\n  y = Add (x, minus)\n  z = Add (x, zero)\n}\n");
    pass_check *c = pass_check_new(mem, m);
    node *n = node_named("Add");
    for (uint32_t i = 1; i < m->values.n; i++)
        if (!strcmp(m->values.p[i].name, "zero")) n->in[1] = i;
    assert_caught(c, true);
}

static void a_model_with_a_loop_is_not_compared(void **state)
{
    (void)state;
    load("<ir_version: 8, opset_import: [\"\": 17]>\n"
         "g (float[n] x, int64 trip) => (float[n] y)\n{\n"
         "  y = Loop (trip, , x) <body = b (int64 i, bool c, float[n] v) => (bool d, float[n] u) { d = Identity (c)  u = Exp (v) }>\n}\n");
    const char *why;
    pass_check *c = pass_check_new(mem, m);
    assert_true(pass_check_after(c, "test", true));
    assert_int_equal(pass_check_trials(c, &why), 0);
    assert_non_null(why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fusion_of_a_convolution_and_a_branch_keeps_the_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_model_that_stays_the_same_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(folding_passes_within_rounding_but_keeps_no_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(another_operator_is_caught_in_one_branch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_weight_that_is_off_by_a_little_is_caught, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_sign_of_zero_is_caught, setup, teardown),
        cmocka_unit_test_setup_teardown(a_model_with_a_loop_is_not_compared, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
