/* A model that is written and loaded again is the same model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "proto/parse.h"
#include "proto/save.h"

static model *parse(const char *s)
{
    model *m = model_parse(mem, d, s, NULL);
    if (!m) diag_print(d, stderr);
    assert_non_null(m);
    return m;
}
static model *again(model *m)
{
    text bytes = {.mem = mem};
    assert_true(model_encode(m, d, &bytes));
    model *copy = model_load_bytes(mem, d, bytes.p, bytes.n, NULL, NULL);
    if (!copy) diag_print(d, stderr);
    assert_non_null(copy);
    assert_true(ir_verify(copy));
    return copy;
}
static const char *print(model *m)
{
    text t = {.mem = mem};
    model_text(m, &t, 1000);
    return t.p;
}

#define HEAD "<ir_version: 10, opset_import: [\"\" : 21, \"my\" : 1], producer_name: \"p\", model_version: 7, metadata_props: [\"a\": \"b\"]>\n"

static void everything_that_the_text_form_says_survives(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[N,3] x, bool c, seq(map(int64, optional(float[]))) q) => (float[N,3] y)\n"
                          "<float[3] w = {1, nan, -3}, string[2] s = {\"a\", \"\"}, int4[3] i4 = {1, -2, 3}, float16[1] h = {1.5}, float[N,3] t>\n"
                          "{ [first] t = Mul (x, w)\n"
                          "  z, \"\" = my.Op:v2 <f = 1.5, i = -3, s = \"x\", t = int64[2] {4, 5}, fs = [1.0, 2.0], is: ints = [], ss = [\"p\"], ts = [int64[1] {1}], "
                          "ty: type_proto = seq(float[N])> (t, \"\", s)\n"
                          "  y = If (c) <then_branch = a () => (p) { p = Neg (z) }, else_branch = b () => (k) <float[1] k = {2}> {}> }\n"
                          "<domain: \"my\", opset_import: [\"\" : 20]> f <a, b: int = 3> (x) => (y) { c = Constant <value_float: float = @a> () y = Mul (x, c) }");
    assert_string_equal(print(again(m)), print(m));
    assert_int_equal(again(m)->model_version, 7);
}

static void constants_made_by_passes_are_written(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[2] x) => (y) { y = Add (x, x) }\n<domain: \"my\", opset_import: [\"\" : 21]> f (x) => (y) { y = Mul (x, x) }");
    const value_id k = value_new(m, "x"), k2 = value_new(m, "");
    value_at(m, k)->data = value_at(m, k2)->data = tensor_new(mem, ELEM_FLOAT, 1, (int64_t[]){1});
    node_at(m, model_main(m)->nodes.p[0])->in[1] = k;
    node_at(m, graph_at(m, m->functions.p[0].body)->nodes.p[0])->in[1] = k2;
    model *copy = again(m);
    assert_string_equal(value_at(copy, model_main(copy)->initializers.p[0])->name, arena_printf(mem, "x_%u", k));
    const graph *body = graph_at(copy, copy->functions.p[0].body);
    assert_int_equal(body->nodes.n, 2);
    assert_string_equal(node_at(copy, body->nodes.p[0])->op, "Constant");
}

static void before_ir_version_4_initializers_are_inputs_as_well(void **state)
{
    (void)state;
    model *m = parse("<ir_version: 3, opset_import: [\"\" : 7]> g (float[2] x) => (y) <float[2] w = {1, 2}> { y = Add (x, w) }");
    text bytes = {.mem = mem};
    assert_true(model_encode(m, d, &bytes));
    assert_int_equal(model_main(model_load_bytes(mem, d, bytes.p, bytes.n, NULL, &(load_options){.overridable_inputs = true}))->inputs.n, 2);
    assert_int_equal(model_main(again(m))->inputs.n, 1);
}

static void a_file_is_written_whole(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[2] x) => (y) { y = Neg (x) }");
    assert_true(model_save(m, d, TEST_BINARY_DIR "/test_save.onnx"));
    assert_string_equal(print(model_load(mem, d, TEST_BINARY_DIR "/test_save.onnx", NULL)), print(m));
    assert_false(model_save(m, d, "/nonexistent/x.onnx"));
    assert_int_equal(diag_exit(d), EXIT_IO);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_that_the_text_form_says_survives),
        TEST(constants_made_by_passes_are_written),
        TEST(before_ir_version_4_initializers_are_inputs_as_well),
        TEST(a_file_is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
