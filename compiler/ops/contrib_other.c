/* contrib_other.c - operators of com.microsoft that are those of ai.onnx under another name or layout. Source: the documentation of onnxruntime's
 * contrib operators. */
#include <string.h>

#include "ops/contrib.h"

/* The axis, a scalar or one element, is where a dimension of 1 comes in. */
static bool expand_dims(edit *e)
{
    const int64_t one = 1;
    const value_id axis = insert(e, "Reshape", NULL, IN(as_int64(e, input_of(e, 1)), const_ints(e, "one", 1, &one)));
    rename_node(e, "Unsqueeze", IN(input_of(e, 0), axis));
    return true;
}

static bool range(edit *e)
{
    const value_id start = input_of(e, 0), delta = input_of(e, 2);
    rename_node(e, "Range", IN(start, input_of(e, 1), delta ? delta : const_like(e, "delta", 1, start)));
    return true;
}

static bool gather_nd(edit *e)
{
    rename_node(e, "GatherND", IN(input_of(e, 0), as_int64(e, input_of(e, 1))));
    return true;
}

/* Values in the order of their first occurrence, the place of each element among them, and how often each occurs. */
static bool unique(edit *e)
{
    model *m = e->m;
    const value_id out[4] = {output_of(e, 0), 0, output_of(e, 1), output_of(e, 2)};
    rename_node(e, "Unique", IN(input_of(e, 0)));
    node *n = edited(e);
    n->out = arena_copy(m->mem, out, sizeof out);
    n->n_out = 4;
    for (uint32_t i = 0; i < n->n_out; i++)
        if (out[i]) value_at(m, out[i])->output = i;
    node_set_attr(m, n, attr_int(m, "sorted", 0));
    return true;
}

/* Rfft, Irfft: the last signal_ndim dimensions of real numbers to the first half of a spectrum, pairs of parts, and back. onnxruntime divides in the way back. */
static bool real_fft(edit *e)
{
    const bool back = edited(e)->op[0] == 'I';
    const int64_t last = -1, n = node_int(edited(e), "signal_ndim", 1);
    const attr half[2] = {attr_int(e->m, "onesided", 1), attr_int(e->m, "inverse", back)}, whole = attr_int(e->m, "inverse", back);
    if (n < 1 || n > 3) return version_error(e, "contrib", "signal_ndim is %lld, expected 1 to 3", (long long)n);
    if (rank_of(e, input_of(e, 0)) >= 0 && rank_of(e, input_of(e, 0)) < n + back) return version_error(e, "contrib", "signal_ndim is %lld, more than the input's dimensions", (long long)n);
    if (node_int(edited(e), "normalized", 0) || !node_int(edited(e), "onesided", 1)) return version_error(e, "contrib", "normalized has to be 0, and onesided 1");
    const value_id axes = const_ints(e, "last", 1, &last), axis = const_int(e, "axis", -2);
    value_id x = input_of(e, 0);
    if (!back) x = insert(e, "Unsqueeze", NULL, IN(x, axes)); /* the half is taken along the last dimension, first here and last on the way back */
    if (!back && n == 1) return replace_node(e, "DFT", 2, half, IN(x, 0, axis)), true;
    if (!back) x = make(e, "DFT", 2, half, IN(x, 0, axis));
    for (int64_t k = n + 1; k > (back ? 2 : 3); k--) x = insert(e, "DFT", &whole, IN(x, 0, const_int(e, "axis", -k)));
    if (back) replace_node(e, "Squeeze", 0, NULL, IN(make(e, "DFT", 2, half, IN(x, 0, axis)), axes));
    else replace_node(e, "DFT", 1, &whole, IN(x, 0, const_int(e, "axis", -3)));
    return true;
}

static bool trilu(edit *e)
{
    const value_id in[2] = {input_of(e, 0), input_of(e, 1)};
    rename_node(e, "Trilu", in[1] ? 2 : 1, in);
    return true;
}

static bool pad(edit *e)
{
    const value_id in[3] = {input_of(e, 0), input_of(e, 1), input_of(e, 2)};
    rename_node(e, "Pad", in[2] ? 3 : 2, in);
    return true;
}

/* The other inputs matter to training alone. */
static bool torch_embedding(edit *e)
{
    replace_node(e, "Gather", 0, NULL, IN(input_of(e, 0), input_of(e, 1)));
    return true;
}

static bool matmul_integer_16(edit *e)
{
    const attr to = attr_int(e->m, "to", elem_type_of(e, input_of(e, 0)) == ELEM_UINT16 ? ELEM_UINT32 : ELEM_INT32);
    if (elem_type_of(e, input_of(e, 0)) == ELEM_NONE) return true; /* later, when types are known */
    replace_node(e, "MatMul", 0, NULL, IN(insert(e, "Cast", &to, IN(input_of(e, 0))), insert(e, "Cast", &to, IN(input_of(e, 1)))));
    return true;
}

/* Softmax over `axis` and all after it, as it was before version 13. A bias of fewer dimensions is for the last ones, or stretched in the middle. */
static bool bias_softmax(edit *e)
{
    const value_id x = insert(e, "Add", NULL, IN(input_of(e, 0), input_of(e, 1)));
    const attr axis = attr_int(e->m, "axis", node_int(edited(e), "axis", 1));
    if (rank_of(e, input_of(e, 0)) < 0) return true;
    value_at(e->m, x)->type = value_at(e->m, input_of(e, 0))->type; /* what the adapter of Softmax looks at */
    replace_node(e, "Softmax", 1, &axis, IN(x));
    edited(e)->version = 11;
    return true;
}

/* Slices of `size` elements along a dimension, `step` apart, as a new last dimension. */
static bool unfold(edit *e)
{
    const int32_t rank = rank_of(e, input_of(e, 0));
    const int64_t size = node_int(edited(e), "size", 0), step = node_int(edited(e), "step", 1), last = 1;
    int64_t axis = node_int(edited(e), "dim", -1), perm[MAX_RANK + 1];
    if (rank < 0) return true;
    if (axis < 0) axis += rank;
    if (rank + 1 > MAX_RANK || axis < 0 || axis >= rank || size < 1 || step < 1) return version_error(e, "contrib", "dim, size or step is wrong");
    const value_id room = insert(e, "Sub", NULL, IN(size_of(e, input_of(e, 0), axis), one_int(e, size)));
    const value_id count = insert(e, "Add", NULL, IN(insert(e, "Div", NULL, IN(room, one_int(e, step))), one_int(e, 1)));
    const value_id from = insert(e, "Mul", NULL, IN(count_to(e, count), const_int(e, "step", step)));
    const value_id index = insert(e, "Add", NULL, IN(with_axes(e, from, 1, &last), count_to(e, one_int(e, size))));
    const attr along = attr_int(e->m, "axis", axis);
    for (int64_t i = 0; i <= rank; i++) perm[i] = i <= axis ? i : i < rank ? i + 1 : axis + 1;
    const attr turn = attr_ints(e->m, "perm", (uint32_t)rank + 1, perm);
    const value_id slices = insert(e, "Gather", &along, IN(input_of(e, 0), index));
    replace_node(e, "Transpose", 1, &turn, IN(slices));
    return true;
}

/* Products of complex numbers whose parts are the last dimension; with Conj the second factor's conjugates. */
static bool complex_mul(edit *e)
{
    const bool conjugate = edited(e)->op[strlen("ComplexMul")] != 0;
    value_id a[2], b[2], part[2];
    const int64_t last = -1;
    for (uint32_t i = 0; i < 2; i++) {
        a[i] = picked(e, input_of(e, 0), i, -1);
        b[i] = picked(e, input_of(e, 1), i, -1);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const value_id straight = insert(e, "Mul", NULL, IN(a[i], b[0])), crossed = insert(e, "Mul", NULL, IN(a[!i], b[1]));
        part[i] = with_axes(e, insert(e, (i == 1) != conjugate ? "Add" : "Sub", NULL, IN(straight, crossed)), 1, &last);
    }
    const attr axis = attr_int(e->m, "axis", -1);
    replace_node(e, "Concat", 1, &axis, 2, part);
    return true;
}

/* Whether no element of the inputs is infinite or NaN, a scalar. */
static bool is_all_finite(edit *e)
{
    const bool nan_only = node_int(edited(e), "isnan_only", 0) != 0, inf_only = node_int(edited(e), "isinf_only", 0) != 0;
    const attr to = attr_int(e->m, "to", ELEM_UINT8), flat = attr_int(e->m, "keepdims", 0);
    value_id any = 0;
    for (uint32_t i = 0; i < edited(e)->n_in; i++) {
        const value_id x = input_of(e, i), nan = inf_only ? 0 : insert(e, "IsNaN", NULL, IN(x)), inf = nan_only ? 0 : insert(e, "IsInf", NULL, IN(x));
        const value_id bad = nan && inf ? insert(e, "Or", NULL, IN(nan, inf)) : nan ? nan : inf;
        const value_id one = insert(e, "ReduceMax", &flat, IN(insert(e, "Cast", &to, IN(bad))));
        any = any ? insert(e, "Max", NULL, IN(any, one)) : one;
    }
    const attr truth = attr_int(e->m, "to", ELEM_BOOL);
    replace_node(e, "Not", 0, NULL, IN(insert(e, "Cast", &truth, IN(any))));
    return true;
}

bool refused_search(edit *e)
{
    return version_error(e, "contrib", "searches with a model of its own in a loop that onnxruntime writes; export the model without the search, which a program can do step by step");
}

const contrib_row contrib_other_rows[] = {
    {"BeamSearch", refused_search},
    {"BiasAdd", bias_add},
    {"BiasSoftmax", bias_softmax},
    {"BiasSplitGelu", bias_split_gelu},
    {"CDist", c_dist},
    {"ComplexMul", complex_mul},
    {"ComplexMulConj", complex_mul},
    {"CropAndResize", crop_and_resize},
    {"ExpandDims", expand_dims},
    {"GatherBlockQuantized", gather_blocks},
    {"GatedRelativePositionBias", gated_relative_bias},
    {"GatherND", gather_nd},
    {"GreedySearch", refused_search},
    {"GroupNorm", group_norm},
    {"Irfft", real_fft},
    {"IsAllFinite", is_all_finite},
    {"MatMulBnb4", matmul_bnb4},
    {"MatMulInteger16", matmul_integer_16},
    {"MurmurHash3", murmur_hash},
    {"NGramRepeatBlock", ngram_block},
    {"NhwcConv", nhwc_conv},
    {"NhwcFusedConv", nhwc_conv},
    {"NhwcMaxPool", nhwc_max_pool},
    {"Pad", pad},
    {"QMoE", q_moe},
    {"Range", range},
    {"RelativePositionBias", relative_bias},
    {"Rfft", real_fft},
    {"Sampling", refused_search},
    {"SkipGroupNorm", skip_group_norm},
    {"TorchEmbedding", torch_embedding},
    {"Trilu", trilu},
    {"UnfoldTensor", unfold},
    {"Unique", unique},
    {"WhisperBeamSearch", refused_search},
    {NULL, NULL},
};
