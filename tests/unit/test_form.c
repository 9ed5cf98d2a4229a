#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check/form.h"
#include "proto/parse.h"

/* The verdict on the form of a model in the text form: "" or the code and message of the first problem. */
static void expect(const char *model_text_form, const char *verdict)
{
    arena *mem = arena_new();
    diag *d = diag_new(mem, "model");
    const proto_file *f = proto_parse(mem, d, model_text_form, NULL);
    assert_non_null(f);
    const bool ok = check_form(mem, d, proto_model(f));
    const char *got = d->list.n ? arena_printf(mem, "%s: %s", d->list.p[0].code, d->list.p[0].message) : "";
    assert_string_equal(got, verdict);
    assert_int_equal(ok, !*verdict);
    arena_free(mem);
}

#define HEAD "<ir_version: 8, opset_import: [\"\": 17]>\n"

static void a_model_with_all_fields_is_well_formed(void **state)
{
    (void)state;
    expect(HEAD "g (float[N,4] x) => (float[N,4] y) { t = Relu(x) y = Add(t, x) }", "");
}

static void nodes_must_be_in_order(void **state)
{
    (void)state;
    expect(HEAD "g (float[4] x) => (float[4] y) { y = Add(t, x) t = Relu(x) }",
           "graph-order: input 0 't' is not defined before the node; nodes must be in topological order");
}

static void a_name_is_defined_once(void **state)
{
    (void)state;
    expect(HEAD "g (float[4] x) => (float[4] y) { y = Relu(x) y = Abs(x) }", "value-twice: output 0 'y' is a name that is defined already");
}

static void a_subgraph_must_not_define_a_name_of_the_graph_around_it(void **state)
{
    (void)state;
    expect(HEAD "g (bool c, float[4] x) => (float[4] y) {\n"
                "  t = Relu(x)\n"
                "  y = If(c) <then_branch: graph = a () => (float[4] t) { t = Abs(x) }, else_branch: graph = b () => (float[4] q) { q = Abs(x) }>\n"
                "}",
           "value-twice: output 0 't' is a name that is defined already");
}

static void an_output_of_a_subgraph_is_its_own(void **state)
{
    (void)state;
    expect(HEAD "g (bool c, float[4] x) => (float[4] y) {\n"
                "  y = If(c) <then_branch: graph = a () => (float[4] x) { p = Abs(x) }, else_branch: graph = b () => (float[4] q) { q = Abs(x) }>\n"
                "}",
           "value-undefined: nothing in this graph defines the output");
}

static void an_output_that_nothing_defines_is_named(void **state)
{
    (void)state;
    expect(HEAD "g (float[4] x) => (float[4] z) { y = Relu(x) }", "value-undefined: nothing in this graph defines the output");
}

static void metadata_keys_differ(void **state)
{
    (void)state;
    expect("<ir_version: 8, opset_import: [\"\": 17], metadata_props: [\"k\": \"1\", \"k\": \"2\"]>\ng (float[4] x) => (float[4] y) { y = Relu(x) }",
           "metadata-twice: the key is given twice");
}

static void a_function_may_import_another_opset_where_its_operators_are_the_same(void **state)
{
    (void)state;
#define FUNCTION "<ir_version: 8, opset_import: [\"\": 17, \"local\": 1]>\ng (float[4] x) => (float[4] y) { y = local.f(x) }\n<domain: \"local\", opset_import: [\"\": "
    expect(FUNCTION "14]>\nf (a) => (b) { b = Relu(a) }", "");
    expect(FUNCTION "13]>\nf (a) => (b) { b = Relu(a) }",
           "function-opset: Relu differs between version 13 of ai.onnx, which the function imports, and version 17, which the model imports");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_with_all_fields_is_well_formed),
        cmocka_unit_test(nodes_must_be_in_order),
        cmocka_unit_test(a_name_is_defined_once),
        cmocka_unit_test(a_subgraph_must_not_define_a_name_of_the_graph_around_it),
        cmocka_unit_test(an_output_of_a_subgraph_is_its_own),
        cmocka_unit_test(an_output_that_nothing_defines_is_named),
        cmocka_unit_test(metadata_keys_differ),
        cmocka_unit_test(a_function_may_import_another_opset_where_its_operators_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
