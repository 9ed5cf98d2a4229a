#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build_graph.h"
#include "check/check.h"
#include "ops/version.h"
#include "passes/inline.h"
#include "schema/schema.h"

static arena *mem;
static model *m;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    m = model_new(mem, diag_new(mem, "model.onnx"));
    m->ir_version = 10;
    import_opset(m, "", 21);
    import_opset(m, "local", 1);
    add_input(m, 1, "x", ELEM_FLOAT, 2);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

/* A function local.NAME written at opset 18; the caller fills the body. */
static graph_id add_function(const char *name, uint32_t n_attr)
{
    const graph_id body = graph_new(m, 0, name);
    function f = {.domain = intern(m->names, "local"), .name = intern(m->names, name), .overload = "", .body = body, .n_attr = n_attr};
    f.attr = ARENA_ARRAY(mem, attr, n_attr);
    VEC_PUSH(mem, f.opsets, ((opset){"", 18}));
    VEC_PUSH(mem, f.opsets, ((opset){"local", 1}));
    VEC_PUSH(mem, m->functions, f);
    return body;
}

static node_id add_call(graph_id g, const char *name, const char *ins, const char *outs)
{
    const node_id id = add_node(m, g, name, ins, outs);
    node_at(m, id)->domain = intern(m->names, "local");
    VEC_PUSH(mem, m->origins, ((origin){.name = outs, .op = name, .domain = "local", .clean = true}));
    node_at(m, id)->origin = m->origins.n - 1;
    return id;
}

static void expand(void)
{
    if (!check_model_basic(m) || !inline_functions(m)) {
        diag_print(m->diag, stderr);
        fail();
    }
    assert_true(ir_verify(m));
}

/* The nodes of the main graph as text: "Op(in,in)->out; ..." */
static void expect_nodes(const char *expected)
{
    text t = {.mem = mem};
    for (uint32_t i = 0; i < model_main(m)->nodes.n; i++) {
        const node *n = node_at(m, model_main(m)->nodes.p[i]);
        text_addf(&t, "%s%s(", i ? "; " : "", n->op);
        for (uint32_t k = 0; k < n->n_in; k++) text_addf(&t, "%s%s", k ? "," : "", n->in[k] ? value_at(m, n->in[k])->name : "_");
        text_addf(&t, ")->%s", value_at(m, n->out[0])->name);
    }
    assert_string_equal(t.p, expected);
}

static void a_call_becomes_its_body_between_the_calls_values(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    add_node(m, f, "Relu", "a", "t");
    add_node(m, f, "Add", "t, a", "r");
    add_output(m, f, "r");
    const node_id call = add_call(1, "F", "x", "y");
    add_call(1, "F", "y", "z");
    add_output(m, 1, "z");
    node_at(m, call)->name = "first";
    expand();
    expect_nodes("Relu(x)->first.t; Add(first.t,x)->y; Relu(y)->z.t; Add(z.t,y)->z");
    const node *relu = node_at(m, model_main(m)->nodes.p[0]);
    assert_int_equal(relu->version, 14);
    assert_string_equal(m->origins.p[relu->origin].op, "Relu");
    assert_string_equal(m->origins.p[m->origins.p[relu->origin].caller].op, "F");
}

static void functions_that_call_functions_unfold_completely(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0), g = add_function("G", 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    add_call(f, "G", "a", "b");
    add_call(f, "G", "b", "c");
    add_output(m, f, "c");
    add_input(m, g, "p", ELEM_NONE, -1);
    add_node(m, g, "Abs", "p", "q");
    add_output(m, g, "q");
    add_call(1, "F", "x", "y");
    expand();
    expect_nodes("Abs(x)->y.b; Abs(y.b)->y");
}

static void attribute_references_take_the_call_then_the_default_then_nothing(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 3);
    attr *declared = m->functions.p[0].attr;
    declared[0] = (attr){.name = "slope", .kind = ATTR_FLOAT, .u.f = 0.5f};
    declared[1] = (attr){.name = "other", .kind = ATTR_FLOAT, .u.f = 0.25f};
    declared[2] = (attr){.name = "none", .kind = ATTR_NONE};
    add_input(m, f, "a", ELEM_NONE, -1);
    static const char *const ref[] = {"slope", "other", "none"}, *const in[] = {"a", "b", "c"}, *const out[] = {"b", "c", "d"};
    for (int i = 0; i < 3; i++) {
        const node_id n = add_node(m, f, "LeakyRelu", in[i], out[i]);
        node_set_attr(m, node_at(m, n), (attr){.name = "alpha", .kind = ATTR_FLOAT, .ref = ref[i]});
    }
    add_output(m, f, "d");
    set_float(m, add_call(1, "F", "x", "y"), "slope", 2);
    expand();
    const node_id *n = model_main(m)->nodes.p;
    assert_true(node_float(node_at(m, n[0]), "alpha", -1) == 2);
    assert_true(node_float(node_at(m, n[1]), "alpha", -1) == 0.25f);
    assert_int_equal(node_at(m, n[2])->n_attr, 0);
    assert_null(node_attr(node_at(m, n[0]), "alpha")->ref);
}

static void inputs_that_the_call_leaves_out_are_left_out_inside(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    add_input(m, f, "lo", ELEM_NONE, -1);
    add_input(m, f, "hi", ELEM_NONE, -1);
    add_node(m, f, "Clip", "a, lo, hi", "c");
    add_output(m, f, "c");
    add_call(1, "F", "x, _, x", "y");
    add_call(1, "F", "y", "z");
    expand();
    expect_nodes("Clip(x,_,x)->y; Clip(y,_,_)->z");
}

static void an_output_that_is_an_input_or_given_twice_gets_an_identity(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    add_node(m, f, "Relu", "a", "r");
    add_output(m, f, "r");
    add_output(m, f, "a");
    add_output(m, f, "r");
    add_call(1, "F", "x", "u, v, w");
    expand();
    expect_nodes("Relu(x)->u; Identity(x)->v; Identity(u)->w");
}

static void an_output_that_the_call_does_not_want_stays_inside(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    add_node(m, f, "Relu", "a", "r");
    add_node(m, f, "Abs", "r", "s");
    add_output(m, f, "r");
    add_output(m, f, "s");
    add_call(1, "F", "x", "_, s1");
    node_at(m, model_main(m)->nodes.p[0])->name = "call";
    expand();
    expect_nodes("Relu(x)->call.r; Abs(call.r)->s1");
}

static graph_id branch(graph_id parent, const char *name, const char *op, const char *in, const char *out)
{
    const graph_id g = graph_new(m, parent, name);
    add_node(m, g, op, in, out);
    add_output(m, g, out);
    return g;
}

static void subgraphs_of_a_body_are_copied_for_each_call(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0);
    add_input(m, f, "c", ELEM_BOOL, 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    const graph_id then = branch(f, "then", "Relu", "a", "p"), other = branch(f, "else", "Abs", "a", "q");
    const node_id n = add_node(m, f, "If", "c", "r");
    node_set_attr(m, node_at(m, n), (attr){.name = "then_branch", .kind = ATTR_GRAPH, .u.g = then});
    node_set_attr(m, node_at(m, n), (attr){.name = "else_branch", .kind = ATTR_GRAPH, .u.g = other});
    add_output(m, f, "r");
    add_input(m, 1, "cond", ELEM_BOOL, 0);
    add_call(1, "F", "cond, x", "y");
    add_call(1, "F", "cond, y", "z");
    expand();
    const graph_id g1 = node_attr(node_at(m, model_main(m)->nodes.p[0]), "then_branch")->u.g;
    const graph_id g2 = node_attr(node_at(m, model_main(m)->nodes.p[1]), "then_branch")->u.g;
    assert_true(g1 != g2 && g1 != then);
    assert_int_equal(graph_at(m, g2)->parent, 1);
    const node *inner = node_at(m, graph_at(m, g2)->nodes.p[0]);
    assert_string_equal(inner->op, "Relu");
    assert_int_equal(inner->graph, g2);
    assert_string_equal(value_at(m, inner->in[0])->name, "y");
    assert_int_equal(graph_at(m, g2)->outputs.p[0], inner->out[0]);
}

static void a_graph_given_by_the_call_speaks_of_the_callers_values(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 1);
    m->functions.p[0].attr[0] = (attr){.name = "way", .kind = ATTR_NONE};
    add_input(m, f, "c", ELEM_BOOL, 0);
    const node_id n = add_node(m, f, "If", "c", "r");
    node_set_attr(m, node_at(m, n), (attr){.name = "then_branch", .kind = ATTR_GRAPH, .ref = "way"});
    node_set_attr(m, node_at(m, n), (attr){.name = "else_branch", .kind = ATTR_GRAPH, .ref = "way"});
    add_output(m, f, "r");
    add_input(m, 1, "cond", ELEM_BOOL, 0);
    const graph_id way = branch(1, "way", "Relu", "x", "w");
    const node_id call = add_call(1, "F", "cond", "y");
    node_set_attr(m, node_at(m, call), (attr){.name = "way", .kind = ATTR_GRAPH, .u.g = way});
    expand();
    const node *made = node_at(m, model_main(m)->nodes.p[0]);
    const graph_id a = node_attr(made, "then_branch")->u.g, b = node_attr(made, "else_branch")->u.g;
    assert_true(a != b);
    assert_int_equal(node_at(m, graph_at(m, b)->nodes.p[0])->in[0], val(m, "x"));
}

static void calls_in_subgraphs_are_expanded_too(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    add_node(m, f, "Relu", "a", "r");
    add_output(m, f, "r");
    add_input(m, 1, "cond", ELEM_BOOL, 0);
    const graph_id then = graph_new(m, 1, "then"), other = branch(1, "else", "Abs", "x", "q");
    add_call(then, "F", "x", "p");
    add_output(m, then, "p");
    const node_id n = add_node(m, 1, "If", "cond", "y");
    node_set_attr(m, node_at(m, n), (attr){.name = "then_branch", .kind = ATTR_GRAPH, .u.g = then});
    node_set_attr(m, node_at(m, n), (attr){.name = "else_branch", .kind = ATTR_GRAPH, .u.g = other});
    expand();
    assert_string_equal(node_at(m, graph_at(m, then)->nodes.p[0])->op, "Relu");
}

static void recursion_is_an_error_that_shows_the_circle(void **state)
{
    (void)state;
    const graph_id f = add_function("F", 0), g = add_function("G", 0);
    add_input(m, f, "a", ELEM_NONE, -1);
    add_call(f, "G", "a", "b");
    add_output(m, f, "b");
    add_input(m, g, "p", ELEM_NONE, -1);
    add_call(g, "F", "p", "q");
    add_output(m, g, "q");
    add_call(1, "F", "x", "y");
    assert_false(check_model_basic(m));
    assert_string_equal(m->diag->list.p[0].code, "function-recursion");
    assert_false(inline_functions(m));
    assert_string_equal(m->diag->list.p[1].message, "function 'F' calls itself (F <- G <- F)");
}

static void an_expansion_without_end_stops(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        const graph_id f = add_function(arena_printf(mem, "F%d", i), 0);
        const char *a = arena_printf(mem, "a%d", i), *b = arena_printf(mem, "b%d", i), *c = arena_printf(mem, "c%d", i);
        add_input(m, f, a, ELEM_NONE, -1);
        const char *next = arena_printf(mem, "F%d", i + 1);
        if (i < 39) {
            add_call(f, next, a, b);
            add_call(f, next, b, c);
        } else {
            add_node(m, f, "Relu", a, b);
            add_node(m, f, "Relu", b, c);
        }
        add_output(m, f, c);
    }
    add_call(1, "F0", "x", "y");
    assert_true(check_model_basic(m));
    assert_false(inline_functions(m));
    assert_int_equal(diag_exit(m->diag), EXIT_LIMIT);
    assert_string_equal(m->diag->list.p[0].code, "function-size");
}

static bool want_op(void *ctx, model *of, const node *n)
{
    (void)of;
    return !strcmp(n->op, ctx);
}

static void an_operator_becomes_the_body_that_the_standard_gives(void **state)
{
    (void)state;
    add_node(m, 1, "HardSwish", "x", "y");
    add_node(m, 1, "Softsign", "y", "z");
    add_output(m, 1, "z");
    assert_true(check_model_basic(m));
    uint32_t expanded;
    assert_true(inline_operators(m, want_op, (void *)"HardSwish", &expanded));
    assert_true(ir_verify(m));
    assert_int_equal(expanded, 1);
    expect_nodes("HardSigmoid(x)->y.HS_X; Mul(x,y.HS_X)->y; Softsign(y)->z");
    assert_int_equal(node_at(m, model_main(m)->nodes.p[0])->version, 22); /* the body is written at opset 22 */
    assert_true(node_float(node_at(m, model_main(m)->nodes.p[0]), "alpha", 0) > 0.16f);
}

static void a_body_takes_the_standards_defaults(void **state)
{
    (void)state;
    add_node(m, 1, "Elu", "x", "y");
    assert_true(check_model_basic(m));
    assert_true(inline_operators(m, want_op, (void *)"Elu", NULL));
    assert_true(version_to_newest(m));
    assert_true(ir_verify(m));
    const node *n = node_at(m, model_main(m)->nodes.p[0]);
    assert_string_equal(n->op, "Constant"); /* alpha as a tensor, from the attribute reference */
    assert_non_null(node_attr(n, "value"));
    assert_true(elem_get_double(ELEM_FLOAT, node_attr(n, "value")->u.t->data, 0) == 1.0);
}

static void a_body_of_a_later_version_serves_where_nothing_changed(void **state)
{
    (void)state;
    m->opsets.p[0].version = 12;
    add_node(m, 1, "Celu", "x", "y"); /* version 12 has no body as data, version 28 has, and only allows more types */
    assert_true(check_model_basic(m));
    uint32_t expanded;
    assert_true(inline_operators(m, want_op, (void *)"Celu", &expanded));
    assert_int_equal(expanded, 1);
    assert_true(ir_verify(m));
}

static bool want_all(void *ctx, model *of, const node *n)
{
    (void)ctx, (void)of, (void)n;
    return true;
}

static void a_loss_is_made_of_basic_operators(void **state)
{
    (void)state;
    add_input(m, 1, "t", ELEM_INT64, 1);
    add_input(m, 1, "w", ELEM_FLOAT, 1);
    set_int(m, add_node(m, 1, "SoftmaxCrossEntropyLoss", "x, t, w", "loss, logp"), "ignore_index", -1);
    set_string(m, add_node(m, 1, "NegativeLogLikelihoodLoss", "logp, t", "y"), "reduction", "sum");
    add_output(m, 1, "y");
    assert_true(check_model_basic(m));
    uint32_t expanded;
    assert_true(inline_operators(m, want_all, NULL, &expanded));
    assert_true(ir_verify(m));
    text t = {.mem = mem};
    for (uint32_t i = 0; i < model_main(m)->nodes.n; i++) text_addf(&t, "%s ", node_at(m, model_main(m)->nodes.p[i])->op);
    assert_string_equal(t.p, "LogSoftmax CastLike CastLike Equal Where Unsqueeze GatherElements Squeeze Neg Gather Where Where Mul ReduceSum ReduceSum Div "
                             "Identity Unsqueeze GatherElements Squeeze Neg ReduceSum ");
}

static void every_body_of_the_standard_can_be_expanded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < schema_count(); i++) {
        const op_schema *s = schema_at(i);
        if (!s->n_body || schema_next(s)) continue;
        arena *a = arena_new();
        model *one = model_new(a, diag_new(a, "one"));
        one->ir_version = 10;
        import_opset(one, s->domain, schema_domain_version(s->domain));
        static const char *const ins[] = {"", "a", "a, b", "a, b, c", "a, b, c, d"};
        const node_id n = add_node(one, 1, s->name, ins[s->min_in], "y, y2, y3");
        node_at(one, n)->n_out = s->min_out;
        for (uint32_t k = 0; k < s->min_in; k++) add_input(one, 1, (const char *[]){"a", "b", "c", "d"}[k], ELEM_NONE, -1);
        add_output(one, 1, "y");
        uint32_t expanded = 0;
        const bool ok = check_model_basic(one) && inline_operators(one, want_all, NULL, &expanded) && ir_verify(one);
        if (!ok) diag_print(one->diag, stderr);
        assert_true(ok && expanded >= 1);
        arena_free(a);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_becomes_its_body_between_the_calls_values),
        TEST(functions_that_call_functions_unfold_completely),
        TEST(attribute_references_take_the_call_then_the_default_then_nothing),
        TEST(inputs_that_the_call_leaves_out_are_left_out_inside),
        TEST(an_output_that_is_an_input_or_given_twice_gets_an_identity),
        TEST(an_output_that_the_call_does_not_want_stays_inside),
        TEST(subgraphs_of_a_body_are_copied_for_each_call),
        TEST(a_graph_given_by_the_call_speaks_of_the_callers_values),
        TEST(calls_in_subgraphs_are_expanded_too),
        TEST(recursion_is_an_error_that_shows_the_circle),
        TEST(an_expansion_without_end_stops),
        TEST(an_operator_becomes_the_body_that_the_standard_gives),
        TEST(a_body_takes_the_standards_defaults),
        TEST(a_body_of_a_later_version_serves_where_nothing_changed),
        TEST(a_loss_is_made_of_basic_operators),
        TEST(every_body_of_the_standard_can_be_expanded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
