/* A model that is loaded with `keep_source` is written as it stood, but for what was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check/check.h"
#include "fixture.h"
#include "passes/analyze.h"
#include "passes/optimize.h"
#include "proto/load.h"
#include "proto/save.h"
#include "wire_build.h"

static text message(void)
{
    return (text){.mem = mem};
}

static void put_info(text *to, uint32_t field, const char *name, const char *doc)
{
    text one = message(), shape = message(), tensor_type = message(), kind = message(), info = message();
    put_int(&one, 1, 2);
    put_message(&shape, 1, &one);
    put_int(&tensor_type, 1, 1);
    put_message(&tensor_type, 2, &shape);
    put_message(&kind, 1, &tensor_type);
    put_string(&info, 1, name);
    put_message(&info, 2, &kind);
    if (doc) put_string(&info, 3, doc);
    put_message(to, field, &info);
}

static void put_pair(text *to, uint32_t field, const char *key, const char *v)
{
    text pair = message();
    put_string(&pair, 1, key);
    put_string(&pair, 2, v);
    put_message(to, field, &pair);
}

static void put_node(text *gr, const char *op, const char *in, const char *out)
{
    text nd = message();
    put_string(&nd, 1, in);
    put_string(&nd, 2, out);
    put_string(&nd, 3, "the name");
    put_string(&nd, 4, op);
    put_string(&nd, 6, "the doc");
    put_pair(&nd, 9, "key", "value");
    put_string(&nd, 99, "a field of the future");
    put_message(gr, 1, &nd);
}

/* y = last(Neg(x + w)), w stored as float_data with a doc string, everything with extras. */
static text build(const char *last)
{
    static const float W[] = {1, -2};
    text gr = message(), add = message(), w = message(), ops = message(), m = message(), note = message();
    put_string(&add, 1, "x");
    put_string(&add, 1, "w");
    put_string(&add, 2, "s");
    put_string(&add, 4, "Add");
    put_message(&gr, 1, &add);
    put_node(&gr, "Neg", "s", "t");
    put_node(&gr, last, "t", "y");
    put_string(&gr, 2, "g");
    put_int(&w, 1, 2);
    put_int(&w, 2, 1);
    put_string(&w, 8, "w");
    put_bytes(&w, 9, W, sizeof W);
    put_string(&w, 12, "weights");
    put_message(&gr, 5, &w);
    put_string(&gr, 10, "graph doc");
    put_info(&gr, 11, "x", "the input");
    put_info(&gr, 12, "y", NULL);
    put_info(&gr, 13, "s", "a sum");
    put_info(&gr, 13, "t", NULL);
    put_string(&note, 1, "t");
    put_pair(&note, 2, "SCALE_TENSOR", "w");
    put_message(&gr, 14, &note);
    put_pair(&gr, 16, "graph", "metadata");
    put_string(&ops, 1, "");
    put_int(&ops, 2, 13);
    put_int(&m, 1, 9);
    put_string(&m, 2, "producer");
    put_message(&m, 7, &gr);
    put_message(&m, 8, &ops);
    put_pair(&m, 14, "model", "metadata");
    return m;
}

static model *load(const text *bytes)
{
    model *m = model_load_bytes(mem, d, bytes->p, bytes->n, NULL, &(load_options){.keep_source = true, .overridable_inputs = true});
    assert_non_null(m);
    assert_true(check_model_basic(m));
    return m;
}

static bool same_bytes(const text *a, const text *b)
{
    return a->n == b->n && !memcmp(a->p, b->p, a->n);
}

static bool holds(const text *t, const char *s)
{
    return memmem(t->p, t->n, s, strlen(s)) != NULL;
}

static void what_nobody_changed_is_the_same_bytes(void **state)
{
    (void)state;
    const text file = build("Relu");
    text out = message();
    assert_true(model_encode(load(&file), d, &out));
    assert_true(same_bytes(&file, &out));
}

static void an_analysis_changes_nothing(void **state)
{
    (void)state;
    const text file = build("Relu");
    text out = message();
    model *m = load(&file);
    analyze(m, 1 << 16);
    assert_int_equal(value_at(m, node_at(m, 1)->out[0])->type.rank, 1);
    assert_true(model_encode(m, d, &out));
    assert_true(same_bytes(&file, &out));
}

static void a_pass_leaves_the_rest_as_it_stood(void **state)
{
    (void)state;
    const text file = build("Identity");
    text out = message();
    optimize_report report;
    model *m = load(&file);
    assert_true(optimize_model(m, mem, &(optimize_options){.level = LEVEL_ALL}, &report));
    assert_int_equal(count_nodes(m), 2);
    assert_true(model_encode(m, d, &out));
    assert_true(holds(&out, "a field of the future") && holds(&out, "the doc") && holds(&out, "a sum") && holds(&out, "weights") &&
                holds(&out, "producer"));
    assert_false(holds(&out, "Identity"));
    assert_false(holds(&out, "SCALE_TENSOR")); /* speaks of t, which is y now */
}

static void a_default_that_callers_may_replace_is_no_constant(void **state)
{
    (void)state;
    static const float W[] = {1, 1};
    text gr = message(), mul = message(), w = message(), ops = message(), file = message(), out = message();
    put_string(&mul, 1, "x");
    put_string(&mul, 1, "w");
    put_string(&mul, 2, "y");
    put_string(&mul, 4, "Mul");
    put_message(&gr, 1, &mul);
    put_string(&gr, 2, "g");
    put_int(&w, 1, 2);
    put_int(&w, 2, 1);
    put_string(&w, 8, "w");
    put_bytes(&w, 9, W, sizeof W);
    put_message(&gr, 5, &w);
    put_info(&gr, 11, "x", NULL);
    put_info(&gr, 11, "w", NULL);
    put_info(&gr, 12, "y", NULL);
    put_string(&ops, 1, "");
    put_int(&ops, 2, 13);
    put_int(&file, 1, 8);
    put_message(&file, 7, &gr);
    put_message(&file, 8, &ops);
    optimize_report report;
    model *m = load(&file);
    assert_true(optimize_model(m, mem, &(optimize_options){.level = LEVEL_ALL}, &report));
    assert_true(model_encode(m, d, &out));
    assert_true(same_bytes(&file, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_nobody_changed_is_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_analysis_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pass_leaves_the_rest_as_it_stood, setup, teardown),
        cmocka_unit_test_setup_teardown(a_default_that_callers_may_replace_is_no_constant, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
