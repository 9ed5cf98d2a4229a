#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build_graph.h"
#include "check/check.h"
#include "ops/ops.h"

static arena *mem;
static model *m;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    m = model_new(mem, diag_new(mem, "model.onnx"));
    m->ir_version = 8;
    add_input(m, 1, "x", ELEM_FLOAT, 4);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

/* The only problem has this code and text, and its hint begins so (NULL: there is none). */
static void expect(const char *code, const char *message, const char *hint)
{
    assert_int_equal(m->diag->list.n, 1);
    const problem *p = &m->diag->list.p[0];
    assert_string_equal(p->code, code);
    assert_string_equal(p->message, message);
    if (!hint) assert_null(p->hint);
    else assert_memory_equal(p->hint, hint, strlen(hint));
}

static void a_good_model_passes_and_its_nodes_know_their_versions(void **state)
{
    (void)state;
    import_opset(m, "", 12);
    const node_id a = add_node(m, 1, "Relu", "x", "y"), b = add_node(m, 1, "Add", "y, x", "z");
    add_output(m, 1, "z");
    assert_true(check_model_basic(m));
    assert_int_equal(node_at(m, a)->version, 6);
    assert_int_equal(node_at(m, b)->version, 7);
}

static void an_operator_from_a_later_opset_is_unknown_and_the_hint_says_when_it_came(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "Gelu", "x", "y");
    assert_false(check_model_basic(m));
    expect("op-unknown", "there is no operator Gelu in version 13 of ai.onnx", "Gelu is new in version 20 of ai.onnx; the model imports version 13");
}

static void a_misspelt_operator_gets_a_suggestion(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "SoftMax", "x", "y");
    assert_false(check_model_basic(m));
    expect("op-unknown", "there is no operator SoftMax in version 13 of ai.onnx", "did you mean Softmax?");
}

static void a_removed_operator_is_an_error(void **state)
{
    (void)state;
    import_opset(m, "", 11);
    set_int(m, add_node(m, 1, "Upsample", "x, x", "y"), "__mark", 1);
    assert_false(check_model_basic(m));
    expect("op-deprecated", "Upsample was removed from ai.onnx in version 10; the model imports version 11", NULL);
}

static void a_domain_must_be_imported(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    const node_id n = add_node(m, 1, "Scaler", "x", "y");
    node_at(m, n)->domain = "ai.onnx.ml";
    assert_false(check_model_basic(m));
    expect("domain-import", "domain 'ai.onnx.ml' is not imported", "add the domain");
}

static void an_opset_newer_than_known_is_unsupported(void **state)
{
    (void)state;
    import_opset(m, "ai.onnx", 99);
    assert_false(check_model_basic(m));
    assert_int_equal(diag_exit(m->diag), EXIT_UNSUPPORTED);
    expect("opset-unknown", "imports ai.onnx at version 99, newer than the newest known, 28", "export the model at opset 28");
}

static void a_foreign_domain_is_not_judged(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    import_opset(m, "com.example", 1);
    const node_id n = add_node(m, 1, "Anything", "x", "y");
    node_at(m, n)->domain = "com.example";
    assert_true(check_model_basic(m));
    assert_int_equal(node_at(m, n)->version, 0);
}

static void too_few_inputs_are_an_error_that_lists_them(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "Conv", "x", "y");
    assert_false(check_model_basic(m));
    expect("node-inputs", "has 1 input, expected 2 to 3", "inputs of Conv are X, W, B (optional)");
}

static void a_required_input_may_not_be_left_out(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "Gemm", "_, x", "y");
    assert_false(check_model_basic(m));
    expect("input-missing", "input 0 (A) is required but left out", NULL);
}

static void an_attribute_that_became_an_input_is_explained(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    set_ints(m, add_node(m, 1, "Squeeze", "x", "y"), "axes", 1, (const int64_t[]){0});
    assert_false(check_model_basic(m));
    expect("attr-unknown", "Squeeze has no attribute 'axes'", "'axes' is input 1 since a version later than 1 of Squeeze");
}

static void attributes_have_the_kind_that_the_schema_says(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    set_float(m, add_node(m, 1, "Softmax", "x", "y"), "axis", 1);
    assert_false(check_model_basic(m));
    expect("attr-type", "attribute 'axis' is FLOAT, expected INT", NULL);
}

static void a_required_attribute_is_required(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "Concat", "x, x", "y");
    assert_false(check_model_basic(m));
    expect("attr-missing", "required attribute 'axis' (INT) is missing", NULL);
}

static void equal_problems_are_told_once_and_different_ones_all(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "SoftMax", "x", "y");
    add_node(m, 1, "Conv", "y", "z");
    add_node(m, 1, "SoftMax", "z", "u");
    assert_false(check_model_basic(m));
    assert_int_equal(m->diag->list.n, 2);
    assert_int_equal(m->diag->list.p[0].times, 2);
    assert_string_equal(m->diag->list.p[0].hint, "did you mean Softmax?");
    assert_string_equal(m->diag->list.p[1].hint, "inputs of Conv are X, W, B (optional)");
}

static void a_use_before_the_definition_names_both_nodes(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "Relu", "y", "z");
    const node_id n = add_node(m, 1, "Abs", "x", "y");
    node_at(m, n)->name = "later";
    assert_false(check_model_basic(m));
    expect("graph-order", "input 0 'y' is used before node 'later' (Abs) defines it", "nodes must be listed");
}

static void values_of_a_subgraph_are_not_visible_outside(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_input(m, 1, "c", ELEM_BOOL, 0);
    const graph_id then = graph_new(m, 1, "then"), other = graph_new(m, 1, "else");
    add_node(m, then, "Relu", "x", "inner");
    add_node(m, other, "Abs", "x", "inner2");
    add_output(m, then, "inner");
    add_output(m, other, "inner2");
    const node_id n = add_node(m, 1, "If", "c", "y");
    node_set_attr(m, node_at(m, n), (attr){.name = "then_branch", .kind = ATTR_GRAPH, .u.g = then});
    node_set_attr(m, node_at(m, n), (attr){.name = "else_branch", .kind = ATTR_GRAPH, .u.g = other});
    assert_true(check_model_basic(m));
    assert_int_equal(node_at(m, graph_at(m, then)->nodes.p[0])->version, 13);
    add_node(m, 1, "Relu", "inner", "z");
    assert_false(check_model_basic(m));
    assert_string_equal(m->diag->list.p[0].code, "graph-order");
}

static void an_output_that_nothing_defines_is_an_error(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_output(m, 1, "nowhere");
    assert_false(check_model_basic(m));
    expect("output-undefined", "nothing defines output 0 'nowhere' of graph ''", NULL);
}

/* A function of the model: domain "local", with a body that the caller fills. */
static graph_id add_function(const char *name, int opset_version)
{
    const graph_id body = graph_new(m, 0, name);
    function f = {.domain = intern(m->names, "local"), .name = intern(m->names, name), .overload = "", .body = body};
    VEC_PUSH(mem, f.opsets, ((opset){"", opset_version}));
    VEC_PUSH(mem, m->functions, f);
    return body;
}

static void function_bodies_use_the_opsets_of_the_function(void **state)
{
    (void)state;
    import_opset(m, "", 22);
    import_opset(m, "local", 1);
    const graph_id body = add_function("F", 12);
    add_input(m, body, "a", ELEM_NONE, -1);
    const node_id inside = add_node(m, body, "Relu", "a", "b");
    add_output(m, body, "b");
    const node_id call = add_node(m, 1, "F", "x", "y"), outside = add_node(m, 1, "Relu", "y", "z");
    node_at(m, call)->domain = "local";
    assert_true(check_model_basic(m));
    assert_int_equal(node_at(m, inside)->version, 6);
    assert_int_equal(node_at(m, outside)->version, 14);
    assert_int_equal(node_at(m, call)->version, 0);
}

static void attribute_references_need_a_declaration(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    import_opset(m, "local", 1);
    const graph_id body = add_function("F", 13);
    add_input(m, body, "a", ELEM_NONE, -1);
    const node_id inside = add_node(m, body, "LeakyRelu", "a", "b");
    add_output(m, body, "b");
    node_set_attr(m, node_at(m, inside), (attr){.name = "alpha", .kind = ATTR_FLOAT, .ref = "slope"});
    assert_false(check_model_basic(m));
    expect("attr-undeclared", "attribute 'alpha' refers to 'slope', which the function does not declare", NULL);
}

static void of_a_domain_imported_twice_the_last_version_counts(void **state)
{
    (void)state;
    import_opset(m, "", 12);
    import_opset(m, "ai.onnx", 14);
    const node_id n = add_node(m, 1, "Relu", "x", "y");
    assert_true(check_model_basic(m));
    expect("opset-twice", "imports domain ai.onnx at versions 12 and 14; the last one counts", NULL);
    assert_int_equal(node_at(m, n)->version, 14);
}

static void opsets_came_with_ir_version_3(void **state)
{
    (void)state;
    m->ir_version = 2;
    const node_id n = add_node(m, 1, "Abs", "x", "y");
    assert_true(check_model_basic(m));
    assert_int_equal(node_at(m, n)->version, 1);
    assert_false(check_model_basic(m)); /* it imports version 1 now */
    expect("opset-forbidden", "IR version 2 has no opset_import, but the model has", NULL);
}

static void functions_that_call_each_other_in_a_circle_are_an_error(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    static const char *const name[] = {"A", "B", "C"}, *const calls[] = {"B", "A", "A"};
    for (int i = 0; i < 3; i++) { /* C calls the circle but is not in it; it cannot be expanded either */
        const graph_id body = add_function(name[i], 13);
        VEC_PUSH(mem, m->functions.p[i].opsets, ((opset){"local", 1}));
        const char *in = arena_printf(mem, "in%d", i), *out = arena_printf(mem, "out%d", i);
        add_input(m, body, in, ELEM_NONE, -1);
        node_at(m, add_node(m, body, calls[i], in, out))->domain = "local";
        add_output(m, body, out);
    }
    assert_false(check_model_basic(m));
    expect("function-recursion", "the function calls itself, or one that does", NULL);
    assert_int_equal(m->diag->list.p[0].times, 3);
}

static void a_deprecated_form_with_a_successor_is_only_a_warning(void **state)
{
    (void)state;
    import_opset(m, "", 18);
    set_int(m, add_node(m, 1, "GroupNormalization", "x, x, x", "y"), "num_groups", 2);
    assert_true(check_model_basic(m));
    expect("op-deprecated", "version 18 of GroupNormalization is deprecated in favour of version 21", NULL);
}

static void input_types_must_be_in_the_constraint(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_input(m, 1, "i", ELEM_INT32, 4);
    add_node(m, 1, "Sigmoid", "i", "y");
    assert_true(check_model_basic(m));
    assert_false(check_types(m, NULL));
    expect("input-type", "input 0 'i' (X) is int32, expected float, float16, double, bfloat16", "version 13 of Sigmoid");
}

static void one_type_variable_has_one_type(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_input(m, 1, "d", ELEM_DOUBLE, 4);
    add_node(m, 1, "Add", "x, d", "y");
    assert_true(check_model_basic(m));
    assert_false(check_types(m, NULL));
    expect("type-mismatch", "input 1 'd' is double but input 0 'x' is float; both are of type T", NULL);
}

static void operators_that_are_not_by_element_keep_to_the_types_of_their_schema(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_input(m, 1, "f", ELEM_FLOAT8E4M3FN, 4);
    add_node(m, 1, "Softmax", "f", "u");
    assert_true(check_model_basic(m));
    assert_false(check_types(m, type_beyond));
    expect("input-type", "input 0 'f' (input) is float8e4m3fn, expected float, float16, double, bfloat16", "version 13 of Softmax");
}

static void types_beyond_the_schema_are_a_warning_where_their_meaning_is_plain(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_input(m, 1, "f", ELEM_FLOAT8E4M3FN, 4);
    add_node(m, 1, "Add", "f, f", "s");
    assert_true(check_model_basic(m));
    assert_true(check_types(m, type_beyond));
    expect("type-beyond", "input 0 'f' (A) is float8e4m3fn, which version 13 of Add does not list; computed in float, each element rounded once", "other tools may refuse");
    assert_int_equal(m->diag->errors, 0);
    assert_false(check_types(m, NULL));
}

static void a_cast_to_complex_goes_beyond_the_schema_and_one_from_complex_does_not(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_input(m, 1, "z", ELEM_COMPLEX64, 4);
    set_int(m, add_node(m, 1, "Cast", "x", "c"), "to", ELEM_COMPLEX128);
    set_int(m, add_node(m, 1, "Cast", "z", "r"), "to", ELEM_FLOAT);
    assert_true(check_model_basic(m));
    assert_true(infer_node(m, graph_at(m, 1)->nodes.p[0]) && infer_node(m, graph_at(m, 1)->nodes.p[1]));
    assert_false(check_types(m, type_beyond));
    assert_int_equal(m->diag->errors, 1);
    assert_int_equal(m->diag->list.n, 2);
    assert_string_equal(m->diag->list.p[0].code, "type-beyond");
    assert_string_equal(m->diag->list.p[1].code, "input-type");
    assert_memory_equal(m->diag->list.p[1].message, "input 0 'z' (input) is complex64", 32);
}

static void unknown_types_pass(void **state)
{
    (void)state;
    import_opset(m, "", 13);
    add_node(m, 1, "Relu", "x", "y");
    add_node(m, 1, "Add", "x, y", "z");
    assert_true(check_model_basic(m));
    assert_true(check_types(m, NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_model_passes_and_its_nodes_know_their_versions),
        TEST(an_operator_from_a_later_opset_is_unknown_and_the_hint_says_when_it_came),
        TEST(a_misspelt_operator_gets_a_suggestion),
        TEST(a_removed_operator_is_an_error),
        TEST(a_domain_must_be_imported),
        TEST(an_opset_newer_than_known_is_unsupported),
        TEST(a_foreign_domain_is_not_judged),
        TEST(too_few_inputs_are_an_error_that_lists_them),
        TEST(a_required_input_may_not_be_left_out),
        TEST(an_attribute_that_became_an_input_is_explained),
        TEST(attributes_have_the_kind_that_the_schema_says),
        TEST(a_required_attribute_is_required),
        TEST(equal_problems_are_told_once_and_different_ones_all),
        TEST(a_use_before_the_definition_names_both_nodes),
        TEST(values_of_a_subgraph_are_not_visible_outside),
        TEST(an_output_that_nothing_defines_is_an_error),
        TEST(function_bodies_use_the_opsets_of_the_function),
        TEST(attribute_references_need_a_declaration),
        TEST(of_a_domain_imported_twice_the_last_version_counts),
        TEST(opsets_came_with_ir_version_3),
        TEST(functions_that_call_each_other_in_a_circle_are_an_error),
        TEST(a_deprecated_form_with_a_successor_is_only_a_warning),
        TEST(input_types_must_be_in_the_constraint),
        TEST(one_type_variable_has_one_type),
        TEST(operators_that_are_not_by_element_keep_to_the_types_of_their_schema),
        TEST(types_beyond_the_schema_are_a_warning_where_their_meaning_is_plain),
        TEST(a_cast_to_complex_goes_beyond_the_schema_and_one_from_complex_does_not),
        TEST(unknown_types_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
