#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "build_graph.h"
#include "check/check.h"
#include "ops/ops.h"
#include "ops/version.h"
#include "schema/schema.h"

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

/* The model at this opset goes to the newest versions: they check, and the graph is whole. */
static void normalize(int version)
{
    import_opset(m, "", version);
    assert_true(check_model_basic(m));
    if (!version_to_newest(m)) {
        diag_print(m->diag, stderr);
        fail();
    }
    assert_true(ir_verify(m));
    for (uint32_t g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->nodes.n; i++) {
            const node *n = node_at(m, graph_at(m, g)->nodes.p[i]);
            const op_schema *s = schema_find(n->domain, n->op, n->version);
            assert_non_null(s);
            assert_null(schema_next(s));
        }
    m->opsets.p[0].version = schema_domain_version("");
    const bool good = check_model_basic(m);
    if (!good) diag_print(m->diag, stderr);
    assert_true(good);
}

/* The operators of the main graph, in order: "Shape Flatten Softmax Reshape". */
static void expect_ops(const char *expected)
{
    text t = {.mem = mem};
    for (uint32_t i = 0; i < model_main(m)->nodes.n; i++) text_addf(&t, "%s%s", i ? " " : "", node_at(m, model_main(m)->nodes.p[i])->op);
    assert_string_equal(t.p, expected);
}

static const node *nth(uint32_t i)
{
    return node_at(m, model_main(m)->nodes.p[i]);
}

/* Input i of the n-th node is this constant. */
static void expect_ints(uint32_t n, uint32_t i, uint32_t count, const int64_t *v)
{
    const tensor *t = value_at(m, node_in(nth(n), i))->data;
    assert_non_null(t);
    assert_int_equal(t->type, ELEM_INT64);
    assert_int_equal(tensor_count(t), count);
    for (uint32_t k = 0; k < count; k++) assert_int_equal(elem_get_int(t->type, t->data, k), v[k]);
}

static void expect_floats(uint32_t n, uint32_t i, uint32_t count, const float *v)
{
    const tensor *t = value_at(m, node_in(nth(n), i))->data;
    assert_non_null(t);
    assert_int_equal(tensor_count(t), count);
    for (uint32_t k = 0; k < count; k++) assert_true((float)elem_get_double(t->type, t->data, k) == v[k]);
}

static value_id add_floats(const char *name, uint32_t count, const float *v)
{
    const value_id c = val(m, name);
    tensor *t = tensor_new(mem, ELEM_FLOAT, 1, (const int64_t[]){count});
    for (uint32_t i = 0; i < count; i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, i, (double)v[i]);
    value_at(m, c)->data = t;
    VEC_PUSH(mem, model_main(m)->initializers, c);
    return c;
}

static void versions_that_only_widen_types_change_nothing(void **state)
{
    (void)state;
    add_node(m, 1, "Relu", "x", "y");
    add_node(m, 1, "MatMul", "y, x", "z");
    normalize(7);
    expect_ops("Relu MatMul");
    assert_int_equal(nth(0)->version, 14);
    assert_int_equal(nth(1)->version, 13);
    assert_int_equal(model_main(m)->initializers.n, 0);
}

static void broadcast_from_an_axis_becomes_trailing_ones(void **state)
{
    (void)state;
    add_input(m, 1, "b", ELEM_FLOAT, 1);
    const node_id n = add_node(m, 1, "Add", "x, b", "y");
    set_int(m, n, "axis", 1);
    set_int(m, n, "broadcast", 1);
    set_ints(m, n, "consumed_inputs", 2, (const int64_t[]){0, 0});
    import_opset(m, "", 1);
    m->opsets.n = 0;
    normalize(1);
    expect_ops("Unsqueeze Add");
    expect_ints(0, 1, 2, (const int64_t[]){1, 2});
    assert_int_equal(nth(1)->n_attr, 0);
}

static void broadcast_of_unknown_ranks_is_computed_at_run_time(void **state)
{
    (void)state;
    add_input(m, 1, "b", ELEM_FLOAT, -1);
    const node_id n = add_node(m, 1, "Mul", "x, b", "y");
    set_int(m, n, "axis", 1);
    set_int(m, n, "broadcast", 1);
    normalize(6);
    expect_ops("Shape Shape Shape Shape Sub Sub Max Expand Concat Reshape Mul");
}

static void softmax_over_one_long_axis_only_changes_its_axis(void **state)
{
    (void)state;
    type *t = &value_at(m, val(m, "x"))->type;
    t->shape[2] = t->shape[3] = dim_const(m->dims, 1);
    add_node(m, 1, "Softmax", "x", "y");
    normalize(11);
    expect_ops("Softmax");
    assert_int_equal(node_int(nth(0), "axis", 99), -3);
}

static void softmax_over_several_axes_goes_through_a_matrix(void **state)
{
    (void)state;
    add_node(m, 1, "LogSoftmax", "x", "y");
    add_output(m, 1, "y");
    normalize(9);
    expect_ops("Shape Flatten LogSoftmax Reshape");
    assert_int_equal(node_int(nth(1), "axis", 99), 1);
    assert_int_equal(node_int(nth(2), "axis", 99), -1);
    assert_int_equal(node_int(nth(3), "allowzero", 0), 1);
    assert_string_equal(value_at(m, nth(3)->out[0])->name, "y");
}

static void attributes_that_became_inputs_are_constants(void **state)
{
    (void)state;
    set_ints(m, add_node(m, 1, "ReduceMean", "x", "a"), "axes", 2, (const int64_t[]){2, 3});
    set_ints(m, add_node(m, 1, "Squeeze", "a", "b"), "axes", 1, (const int64_t[]){3});
    set_ints(m, add_node(m, 1, "Unsqueeze", "b", "c"), "axes", 1, (const int64_t[]){0});
    add_node(m, 1, "ReduceSum", "c", "d");
    set_int(m, add_node(m, 1, "TopK", "x", "e, f"), "k", 5);
    normalize(9);
    expect_ops("ReduceMean Squeeze Unsqueeze ReduceSum TopK");
    expect_ints(0, 1, 2, (const int64_t[]){2, 3});
    expect_ints(1, 1, 1, (const int64_t[]){3});
    expect_ints(2, 1, 1, (const int64_t[]){0});
    assert_int_equal(nth(3)->n_in, 1);
    expect_ints(4, 1, 1, (const int64_t[]){5});
}

static void slice_pad_and_reshape_take_their_numbers_as_inputs(void **state)
{
    (void)state;
    const node_id s = add_node(m, 1, "Slice", "x", "a"), p = add_node(m, 1, "Pad", "a", "b"), r = add_node(m, 1, "Reshape", "b", "c");
    set_ints(m, s, "starts", 1, (const int64_t[]){1});
    set_ints(m, s, "ends", 1, (const int64_t[]){INT64_MAX});
    set_ints(m, p, "paddings", 8, (const int64_t[]){0, 0, 1, 1, 0, 0, 2, 2});
    set_float(m, p, "value", 2.5f);
    set_ints(m, r, "shape", 2, (const int64_t[]){0, -1});
    normalize(1);
    expect_ops("Slice CastLike Pad Reshape");
    assert_int_equal(nth(0)->n_in, 3);
    expect_ints(0, 2, 1, (const int64_t[]){INT64_MAX});
    expect_ints(2, 1, 8, (const int64_t[]){0, 0, 1, 1, 0, 0, 2, 2});
    expect_ints(3, 1, 2, (const int64_t[]){0, -1});
}

static void clip_leaves_missing_bounds_absent(void **state)
{
    (void)state;
    set_float(m, add_node(m, 1, "Clip", "x", "y"), "max", 6);
    add_node(m, 1, "Clip", "x", "z");
    normalize(6);
    expect_ops("Clip Clip");
    assert_int_equal(node_in(nth(0), 1), 0);
    expect_floats(0, 2, 1, (const float[]){6});
    assert_int_equal(nth(1)->n_in, 1);
}

static void split_says_how_many(void **state)
{
    (void)state;
    add_node(m, 1, "Split", "x", "a, b, c");
    set_ints(m, add_node(m, 1, "Split", "x", "d, e"), "split", 2, (const int64_t[]){1, 2});
    normalize(2);
    assert_int_equal(node_int(nth(0), "num_outputs", 0), 3);
    expect_ints(1, 1, 2, (const int64_t[]){1, 2});
    assert_null(node_attr(nth(1), "num_outputs"));
}

static void upsample_becomes_resize(void **state)
{
    (void)state;
    const node_id n = add_node(m, 1, "Upsample", "x", "y");
    const float scales[] = {1, 1, 2, 2};
    node_set_attr(m, node_at(m, n), (attr){.name = "scales", .kind = ATTR_FLOATS, .n = 4, .u.floats = scales});
    normalize(7);
    expect_ops("Resize");
    expect_floats(0, 2, 4, scales);
    assert_int_equal(node_in(nth(0), 1), 0);
    assert_string_equal(node_string(nth(0), "coordinate_transformation_mode", ""), "asymmetric");
    assert_string_equal(node_string(nth(0), "nearest_mode", ""), "floor");
}

static void a_resize_that_grows_and_shrinks_is_split(void **state)
{
    (void)state;
    add_floats("s", 4, (const float[]){1, 1, 2, 0.5f});
    add_node(m, 1, "Resize", "x, s", "y");
    normalize(10);
    expect_ops("Resize Resize");
    expect_floats(0, 2, 4, (const float[]){1, 1, 2, 1});
    expect_floats(1, 2, 4, (const float[]){1, 1, 1, 0.5f});
    assert_string_equal(node_string(nth(0), "nearest_mode", ""), "floor");
    assert_string_equal(node_string(nth(1), "nearest_mode", ""), "ceil");
}

static void resize_half_pixel_for_nearest_keeps_its_rounding(void **state)
{
    (void)state;
    add_floats("s", 4, (const float[]){1, 1, 2, 2});
    add_floats("empty", 0, NULL);
    const node_id n = add_node(m, 1, "Resize", "x, empty, s, empty", "y");
    set_string(m, n, "coordinate_transformation_mode", "tf_half_pixel_for_nn");
    set_string(m, n, "nearest_mode", "floor");
    normalize(11);
    assert_string_equal(node_string(nth(0), "coordinate_transformation_mode", ""), "half_pixel");
    assert_string_equal(node_string(nth(0), "nearest_mode", ""), "round_prefer_ceil");
    assert_int_equal(node_in(nth(0), 1), 0);
    assert_int_equal(node_in(nth(0), 3), 0);
}

static void dropout_gets_its_ratio_as_input_and_its_mask_in_the_old_type(void **state)
{
    (void)state;
    set_float(m, add_node(m, 1, "Dropout", "x", "y, mask"), "ratio", 0.25f);
    add_output(m, 1, "mask");
    normalize(7);
    expect_ops("Dropout CastLike");
    expect_floats(0, 1, 1, (const float[]){0.25f});
    assert_string_equal(value_at(m, nth(1)->out[0])->name, "mask");
}

static void batch_normalization_for_inference_needs_nothing(void **state)
{
    (void)state;
    const node_id n = add_node(m, 1, "BatchNormalization", "x, x, x, x, x", "y");
    set_int(m, n, "is_test", 1);
    normalize(6);
    expect_ops("BatchNormalization");
    assert_int_equal(nth(0)->n_attr, 0);
}

static void batch_normalization_per_place_becomes_elementwise(void **state)
{
    (void)state;
    const node_id n = add_node(m, 1, "BatchNormalization", "x, x, x, x, x", "y");
    set_int(m, n, "spatial", 0);
    normalize(7);
    expect_ops("Add Sqrt Sub Div Mul Add");
}

static void training_outputs_say_training_mode(void **state)
{
    (void)state;
    add_node(m, 1, "BatchNormalization", "x, x, x, x, x", "y, mean, var, sm, sv");
    normalize(9);
    assert_int_equal(nth(0)->n_out, 3);
    assert_int_equal(node_int(nth(0), "training_mode", 0), 1);
}

static void a_form_that_is_gone_is_unsupported(void **state)
{
    (void)state;
    add_node(m, 1, "BatchNormalization", "x, x, x, x, x", "y, mean, var, sm, sv");
    add_output(m, 1, "sm");
    import_opset(m, "", 9);
    assert_true(check_model_basic(m));
    assert_false(version_to_newest(m));
    assert_int_equal(diag_exit(m->diag), EXIT_UNSUPPORTED);
    assert_string_equal(m->diag->list.p[0].code, "version-training");
}

static void group_normalization_spreads_groups_over_channels(void **state)
{
    (void)state;
    set_int(m, add_node(m, 1, "GroupNormalization", "x, x, x", "y"), "num_groups", 2);
    import_opset(m, "", 18);
    assert_true(check_model_basic(m));
    assert_true(version_to_newest(m));
    assert_true(ir_verify(m));
    expect_ops("Shape Gather Div Concat Unsqueeze Expand Reshape Unsqueeze Expand Reshape GroupNormalization");
}

static void one_hot_keeps_negative_indexes_off(void **state)
{
    (void)state;
    add_input(m, 1, "i", ELEM_INT32, 1);
    add_input(m, 1, "depth", ELEM_INT64, 0);
    add_input(m, 1, "u", ELEM_UINT8, 1);
    add_node(m, 1, "OneHot", "i, depth, x", "y");
    add_node(m, 1, "OneHot", "u, depth, x", "z");
    normalize(9);
    expect_ops("Cast Less Where OneHot OneHot");
}

static void scatter_has_a_new_name(void **state)
{
    (void)state;
    add_input(m, 1, "i", ELEM_INT64, 4);
    set_int(m, add_node(m, 1, "Scatter", "x, i, x", "y"), "axis", 2);
    normalize(9);
    expect_ops("ScatterElements");
    assert_int_equal(node_int(nth(0), "axis", 0), 2);
}

static void tile_of_one_axis_becomes_counts_for_all(void **state)
{
    (void)state;
    add_node(m, 1, "Tile", "x, x, x", "y");
    normalize(1);
    expect_ops("Cast Reshape Cast Reshape Shape Shape Expand ScatterElements Tile");
    assert_int_equal(nth(8)->n_in, 2);
}

static void cast_by_name_becomes_cast_by_number(void **state)
{
    (void)state;
    set_string(m, add_node(m, 1, "Cast", "x", "y"), "to", "INT64");
    normalize(1);
    assert_int_equal(node_int(nth(0), "to", 0), ELEM_INT64);
}

static void constants_have_one_form(void **state)
{
    (void)state;
    set_ints(m, add_node(m, 1, "Constant", "", "y"), "value_ints", 2, (const int64_t[]){7, -8});
    normalize(13);
    const attr *a = node_attr(nth(0), "value");
    assert_int_equal(a->u.t->rank, 1);
    assert_int_equal(elem_get_int(ELEM_INT64, a->u.t->data, 1), -8);
    assert_int_equal(nth(0)->n_attr, 1);
}

static void nodes_of_subgraphs_are_adapted_where_they_stand(void **state)
{
    (void)state;
    add_input(m, 1, "c", ELEM_BOOL, 0);
    const graph_id then = graph_new(m, 1, "then"), other = graph_new(m, 1, "else");
    set_ints(m, add_node(m, then, "Squeeze", "x", "p"), "axes", 1, (const int64_t[]){0});
    add_node(m, other, "Abs", "x", "q");
    add_output(m, then, "p");
    add_output(m, other, "q");
    const node_id n = add_node(m, 1, "If", "c", "y");
    node_set_attr(m, node_at(m, n), (attr){.name = "then_branch", .kind = ATTR_GRAPH, .u.g = then});
    node_set_attr(m, node_at(m, n), (attr){.name = "else_branch", .kind = ATTR_GRAPH, .u.g = other});
    normalize(11);
    assert_int_equal(graph_at(m, then)->initializers.n, 1);
    assert_int_equal(node_at(m, graph_at(m, then)->nodes.p[0])->n_in, 2);
}

static void a_batched_scan_becomes_two_scans(void **state)
{
    (void)state;
    add_input(m, 1, "state", ELEM_FLOAT, 2);
    const graph_id body = graph_new(m, 1, "body");
    add_input(m, body, "s_in", ELEM_FLOAT, 1);
    add_input(m, body, "x_in", ELEM_FLOAT, 2);
    add_node(m, body, "Add", "s_in, x_in", "s_out");
    add_node(m, body, "Relu", "s_out", "y_out");
    add_output(m, body, "s_out");
    add_output(m, body, "y_out");
    const node_id n = add_node(m, 1, "Scan", "_, state, x", "last, all");
    node_set_attr(m, node_at(m, n), (attr){.name = "body", .kind = ATTR_GRAPH, .u.g = body});
    set_int(m, n, "num_scan_inputs", 1);
    add_output(m, 1, "all");
    normalize(8);
    expect_ops("Scan");
    assert_int_equal(nth(0)->n_in, 2);
    assert_int_equal(node_int(nth(0), "num_scan_inputs", 0), 2);
    const graph_id batch = node_attr(nth(0), "body")->u.g;
    const node *inner = node_at(m, graph_at(m, batch)->nodes.p[0]);
    assert_string_equal(inner->op, "Scan");
    assert_int_equal(node_int(inner, "num_scan_inputs", 0), 1);
    assert_int_equal(node_attr(inner, "body")->u.g, body);
    assert_int_equal(graph_at(m, body)->parent, batch);
}

static void an_lstm_loses_the_attribute_that_its_outputs_say_already(void **state)
{
    (void)state;
    set_int(m, add_node(m, 1, "LSTM", "x, x, x", "y"), "output_sequence", 1);
    normalize(6);
    assert_null(node_attr(nth(0), "output_sequence"));
}

static void inference_adapts_nodes_when_it_knows_their_inputs(void **state)
{
    (void)state;
    add_node(m, 1, "Relu", "x", "y");
    set_int(m, add_node(m, 1, "Softmax", "y", "z"), "axis", 3);
    set_ints(m, add_node(m, 1, "Unsqueeze", "z", "u"), "axes", 1, (const int64_t[]){0});
    add_output(m, 1, "u");
    import_opset(m, "", 11);
    assert_true(check_model_basic(m));
    if (!infer_model(m, &(infer_options){.fold_limit = 16})) {
        diag_print(m->diag, stderr);
        fail();
    }
    expect_ops("Relu Softmax Unsqueeze");
    assert_int_equal(nth(2)->version, schema_newest("", "Unsqueeze")->since);
    assert_int_equal(value_at(m, val(m, "u"))->type.rank, 5);
}

static void inference_walks_over_what_adapters_insert(void **state)
{
    (void)state;
    add_node(m, 1, "Relu", "x", "y");
    set_int(m, add_node(m, 1, "Softmax", "y", "z"), "axis", 1);
    add_node(m, 1, "Abs", "z", "u");
    add_output(m, 1, "u");
    import_opset(m, "", 11);
    assert_true(check_model_basic(m));
    if (!infer_model(m, &(infer_options){.fold_limit = 16})) {
        diag_print(m->diag, stderr);
        fail();
    }
    assert_true(ir_verify(m));
    expect_ops("Relu Shape Flatten Softmax Reshape Abs");
    const type *in = &value_at(m, val(m, "x"))->type, *out = &value_at(m, val(m, "u"))->type;
    assert_int_equal(out->rank, 4);
    assert_memory_equal(in->shape, out->shape, 4 * sizeof(dim));
}

static void a_hole_in_a_list_of_inputs_is_an_error_of_inference(void **state)
{
    (void)state;
    add_node(m, 1, "Sum", "x, _", "y");
    import_opset(m, "", 13);
    assert_true(check_model_basic(m));
    assert_false(infer_model(m, &(infer_options){.fold_limit = 16}));
    assert_string_equal(m->diag->list.p[0].code, "input-missing");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_that_only_widen_types_change_nothing),
        TEST(broadcast_from_an_axis_becomes_trailing_ones),
        TEST(broadcast_of_unknown_ranks_is_computed_at_run_time),
        TEST(softmax_over_one_long_axis_only_changes_its_axis),
        TEST(softmax_over_several_axes_goes_through_a_matrix),
        TEST(attributes_that_became_inputs_are_constants),
        TEST(slice_pad_and_reshape_take_their_numbers_as_inputs),
        TEST(clip_leaves_missing_bounds_absent),
        TEST(split_says_how_many),
        TEST(upsample_becomes_resize),
        TEST(a_resize_that_grows_and_shrinks_is_split),
        TEST(resize_half_pixel_for_nearest_keeps_its_rounding),
        TEST(dropout_gets_its_ratio_as_input_and_its_mask_in_the_old_type),
        TEST(batch_normalization_for_inference_needs_nothing),
        TEST(batch_normalization_per_place_becomes_elementwise),
        TEST(training_outputs_say_training_mode),
        TEST(a_form_that_is_gone_is_unsupported),
        TEST(group_normalization_spreads_groups_over_channels),
        TEST(one_hot_keeps_negative_indexes_off),
        TEST(scatter_has_a_new_name),
        TEST(tile_of_one_axis_becomes_counts_for_all),
        TEST(cast_by_name_becomes_cast_by_number),
        TEST(constants_have_one_form),
        TEST(nodes_of_subgraphs_are_adapted_where_they_stand),
        TEST(a_batched_scan_becomes_two_scans),
        TEST(an_lstm_loses_the_attribute_that_its_outputs_say_already),
        TEST(inference_adapts_nodes_when_it_knows_their_inputs),
        TEST(a_hole_in_a_list_of_inputs_is_an_error_of_inference),
        TEST(inference_walks_over_what_adapters_insert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
