/* contrib_gates.c - operators of com.microsoft around the layers of newer language models, in terms of ai.onnx: gates, norms of parts of a row, mixes of streams,
 * rotary positions of pictures. Source: the documentation of onnxruntime's contrib operators.
 *
 * Most compute in float whatever the type of the tensors: casts of float to float vanish. */
#include <string.h>

#include "ops/contrib.h"

static value_id converted(edit *e, value_id x, elem to)
{
    const attr a = attr_int(e->m, "to", to);
    return insert(e, "Cast", &a, IN(x));
}

static value_id in_float(edit *e, value_id x)
{
    return converted(e, x, ELEM_FLOAT);
}

static value_id times(edit *e, value_id a, value_id b)
{
    return insert(e, "Mul", NULL, IN(a, b));
}

/* The result of the edited node: v as type `to`. */
static bool gives_as(edit *e, value_id v, elem to)
{
    const attr a = attr_int(e->m, "to", to);
    replace_node(e, "Cast", 1, &a, IN(v));
    return true;
}

/* x / sqrt(mean(x^2) + epsilon) along the last axis */
static value_id normalized(edit *e, value_id x, float epsilon)
{
    const value_id mean = insert(e, "ReduceMean", NULL, IN(times(e, x, x), one_int(e, -1)));
    return insert(e, "Div", NULL, IN(x, insert(e, "Sqrt", NULL, IN(insert(e, "Add", NULL, IN(mean, const_like(e, "epsilon", epsilon, x)))))));
}

static value_id swish(edit *e, value_id x, float alpha)
{
    const attr a = attr_float(e->m, "alpha", alpha);
    return insert(e, "Swish", &a, IN(x));
}

/* The last dimension of x, a tensor of `rank`, as [first, last]; -1: what is left. */
static value_id last_split(edit *e, value_id x, int32_t rank, int64_t first, int64_t last)
{
    int64_t shape[MAX_RANK + 1] = {0};
    shape[rank - 1] = first;
    shape[rank] = last;
    return insert(e, "Reshape", NULL, IN(x, const_ints(e, "shape", (uint32_t)rank + 1, shape)));
}

static value_id shaped_like(edit *e, value_id x, value_id like)
{
    return insert(e, "Reshape", NULL, IN(x, insert(e, "Shape", NULL, IN(like))));
}

/* Rank and type of the first inputs are known, so that the rewrite can be made. */
static bool known(edit *e, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (rank_of(e, input_of(e, i)) < 0 || elem_type_of(e, input_of(e, i)) == ELEM_NONE) return false;
    return true;
}

static bool rank_is(edit *e, uint32_t i, int32_t least, int32_t most)
{
    const int32_t r = rank_of(e, input_of(e, i));
    return (r >= least && r <= most) || version_error(e, "shape-rank", "input %u has %d dimensions, expected %d to %d", i, r, least, most);
}

/* ---- gates ---- */

static bool gated_add(edit *e)
{
    if (input_of(e, 3)) return version_error(e, "contrib", "a gate that is projected (gate_weight) is not supported, as in onnxruntime but on a GPU");
    const value_id scaled = times(e, input_of(e, 1), input_of(e, 2));
    replace_node(e, "Add", 0, NULL, IN(input_of(e, 0), scaled));
    return true;
}

static bool scaled_silu(edit *e)
{
    const value_id x = input_of(e, 0), scale = input_of(e, 1);
    const elem kind = elem_type_of(e, x);
    if (kind == ELEM_NONE) return true;
    const value_id wide = in_float(e, x), factor = scale ? in_float(e, scale) : const_like(e, "alpha", node_float(edited(e), "alpha", 1.0f), wide);
    const value_id z = converted(e, times(e, wide, factor), kind);
    replace_node(e, "Mul", 0, NULL, IN(z, insert(e, "Sigmoid", NULL, IN(z))));
    return true;
}

/* x swish(gate); without `up` both are halves of one tensor. */
static bool swiglu(edit *e)
{
    model *m = e->m;
    const elem kind = elem_type_of(e, input_of(e, 0));
    const float limit = node_float(edited(e), "limit", 0), alpha = node_float(edited(e), "activation_alpha", 1.0f), beta = node_float(edited(e), "activation_beta", 0);
    if (kind == ELEM_NONE) return true;
    value_id part[2] = {input_of(e, 0), input_of(e, 1)};
    if (!part[1]) {
        const attr split[2] = {attr_int(m, "axis", -1), attr_int(m, "num_outputs", 2)};
        const value_id both = part[0];
        part[0] = make_value(e, "gate");
        part[1] = make_value(e, "up");
        make_node(e, "Split", 2, split, IN(both), 2, part);
    }
    for (uint32_t i = 0; i < 2; i++) {
        part[i] = in_float(e, part[i]);
        if (limit > 0) part[i] = insert(e, "Min", NULL, IN(part[i], const_like(e, "limit", limit, part[i])));
    }
    if (limit > 0) part[1] = insert(e, "Max", NULL, IN(part[1], const_like(e, "limit", -limit, part[1])));
    value_id gate = swish(e, part[0], alpha);
    if (node_int(edited(e), "round_activation", 0)) gate = in_float(e, converted(e, gate, kind));
    if (beta != 0) part[1] = insert(e, "Add", NULL, IN(part[1], const_like(e, "beta", beta, part[1])));
    return gives_as(e, times(e, gate, part[1]), kind);
}

/* decay_scale softplus(a + dt_bias); beta: sigmoid(b) */
static bool attention_gate(edit *e)
{
    const elem kind = elem_type_of(e, input_of(e, 0));
    if (kind == ELEM_NONE) return true;
    if (output_of(e, 1) && !input_of(e, 3)) return version_error(e, "contrib", "output beta needs input b");
    if (output_of(e, 1)) give_output(e, 1, converted(e, insert(e, "Sigmoid", NULL, IN(in_float(e, input_of(e, 3)))), kind));
    const value_id sum = insert(e, "Add", NULL, IN(in_float(e, input_of(e, 0)), input_of(e, 1)));
    const value_id decay = times(e, insert(e, "Softplus", NULL, IN(sum)), input_of(e, 2));
    edited(e)->n_out = 1;
    return gives_as(e, decay, kind);
}

static bool gemm_fast_gelu(edit *e)
{
    const attr a = attr_string(e->m, "approximate", "tanh");
    const value_id x = with_bias(e, insert(e, "MatMul", NULL, IN(input_of(e, 0), input_of(e, 1))), input_of(e, 2));
    replace_node(e, "Gelu", 1, &a, IN(x));
    return true;
}

/* dropout(data + bias, ratio) + residual */
static bool bias_dropout(edit *e)
{
    const value_id sum = insert(e, "Add", NULL, IN(input_of(e, 0), input_of(e, 1))), residual = input_of(e, 2), in[3] = {sum, input_of(e, 3), input_of(e, 4)};
    rename_node(e, "Dropout", in[2] ? 3 : in[1] ? 2 : 1, in);
    if (residual) follow(e, 0, "Add", NULL, residual);
    return true;
}

/* ---- norms ---- */

/* Norms of groups as long as `scale`, times the activation of the gate. */
static bool gated_norm(edit *e)
{
    const value_id x = input_of(e, 0), scale = input_of(e, 1);
    const char *name = node_string(edited(e), "activation", "silu");
    const bool sigmoid = !strcmp(name, "sigmoid");
    if (!known(e, 1)) return true;
    if (!sigmoid && strcmp(name, "silu") && strcmp(name, "swish")) return version_error(e, "activation", "activation '%s' is not known", name);
    if (!rank_is(e, 0, 1, MAX_RANK - 1)) return false;
    const int32_t rank = rank_of(e, x);
    int64_t front[MAX_RANK] = {0};
    front[rank - 1] = -1;
    const attr axis = attr_int(e->m, "axis", 0);
    const value_id shape = insert(e, "Concat", &axis, IN(const_ints(e, "front", (uint32_t)rank, front), insert(e, "Shape", NULL, IN(scale))));
    const value_id groups = insert(e, "Reshape", NULL, IN(in_float(e, x), shape));
    const value_id scaled = times(e, normalized(e, groups, node_float(edited(e), "epsilon", 1e-5f)), in_float(e, scale)), gate = in_float(e, input_of(e, 2));
    const value_id open = sigmoid ? insert(e, "Sigmoid", NULL, IN(gate)) : swish(e, gate, 1.0f);
    return gives_as(e, times(e, shaped_like(e, scaled, x), open), elem_type_of(e, x));
}

/* Streams as [..., branches, features], in float; *rank is that form's. */
static value_id grouped(edit *e, int64_t branches, int32_t *rank)
{
    const value_id x = in_float(e, input_of(e, 0));
    *rank = rank_of(e, input_of(e, 0)) + (branches > 0);
    return branches > 0 ? last_split(e, x, *rank - 1, branches, -1) : x;
}

static bool branchwise_norm(edit *e)
{
    const value_id x = input_of(e, 0);
    const int64_t branches = node_int(edited(e), "num_branches", 0);
    int32_t rank;
    if (!known(e, 1)) return true;
    if (!rank_is(e, 0, branches > 0 ? 1 : 2, MAX_RANK - 1)) return false;
    const value_id streams = grouped(e, branches, &rank);
    value_id scale = input_of(e, 1), y = normalized(e, streams, node_float(edited(e), "epsilon", 1e-5f));
    if (scale) { /* of each feature, or of each feature of each branch */
        const attr axis = attr_int(e->m, "axis", 0);
        const value_id shape = insert(e, "Concat", &axis, IN(one_int(e, -1), size_of(e, streams, rank - 1)));
        y = times(e, y, insert(e, "Reshape", NULL, IN(in_float(e, scale), shape)));
    }
    return gives_as(e, branches > 0 ? shaped_like(e, y, x) : y, elem_type_of(e, x));
}

/* A gate from two normalized rows, for the value that all branches share. */
static bool engram_gate(edit *e)
{
    const float epsilon = node_float(edited(e), "epsilon", 1e-5f);
    const value_id hidden = input_of(e, 0);
    if (!known(e, 1)) return true;
    if (!rank_is(e, 0, 4, 4)) return false;
    const elem kind = elem_type_of(e, hidden);
    value_id row[2];
    for (uint32_t i = 0; i < 2; i++) row[i] = times(e, normalized(e, in_float(e, input_of(e, i)), epsilon), in_float(e, input_of(e, 3 + i)));
    const value_id sum = insert(e, "ReduceSum", NULL, IN(times(e, row[0], row[1]), one_int(e, -1)));
    const value_id dot = insert(e, "Div", NULL, IN(sum, insert(e, "Sqrt", NULL, IN(in_float(e, size_of(e, hidden, 3))))));
    const value_id size = insert(e, "Max", NULL, IN(insert(e, "Abs", NULL, IN(dot)), const_like(e, "least", 1e-6f, dot)));
    const value_id gate = insert(e, "Sigmoid", NULL, IN(times(e, insert(e, "Sign", NULL, IN(dot)), insert(e, "Sqrt", NULL, IN(size)))));
    const value_id out = times(e, gate, with_axes(e, in_float(e, input_of(e, 2)), 1, (const int64_t[]){2}));
    if (output_of(e, 1)) {
        if (!input_of(e, 5)) return version_error(e, "contrib", "output gated_value_normed needs input conv_norm_scale");
        give_output(e, 1, converted(e, times(e, normalized(e, out, epsilon), in_float(e, input_of(e, 5))), kind));
    }
    edited(e)->n_out = 1;
    return gives_as(e, out, kind);
}

/* ---- streams ---- */

/* Gates of branches, or of their features, so that they meet [..., branches, features] of `rank` dimensions. */
static value_id spread(edit *e, uint32_t i, int64_t branches, int32_t rank)
{
    const value_id v = in_float(e, input_of(e, i));
    const int32_t own = rank_of(e, input_of(e, i));
    if (own >= rank) return v;
    return branches > 0 ? last_split(e, v, own, branches, -1) : with_axes(e, v, 1, (const int64_t[]){-1});
}

/* scale * sum over branches of x gate */
static bool pre_mix(edit *e)
{
    const int64_t branches = node_int(edited(e), "num_branches", 0);
    const elem kind = elem_type_of(e, input_of(e, 0));
    int32_t rank;
    if (!known(e, 2)) return true;
    if (!rank_is(e, 0, branches > 0 ? 1 : 2, MAX_RANK - 1) || !rank_is(e, 1, 1, MAX_RANK - 1)) return false;
    const value_id streams = grouped(e, branches, &rank), mixed = times(e, streams, spread(e, 1, branches, rank));
    const attr thin = attr_int(e->m, "keepdims", 0);
    const value_id sum = insert(e, "ReduceSum", &thin, IN(mixed, one_int(e, -2)));
    return gives_as(e, times(e, sum, const_like(e, "scale", node_float(edited(e), "reduction_scale", 1.0f), sum)), kind);
}

/* The streams mixed among each other, and the output of a block added to each through a gate. */
static bool post_mix(edit *e)
{
    const value_id x = input_of(e, 0), mix = input_of(e, 3);
    const int64_t branches = node_int(edited(e), "num_branches", 0);
    int32_t rank;
    if (!known(e, 3) || (mix && rank_of(e, mix) < 0)) return true;
    if (!rank_is(e, 0, branches > 0 ? 1 : 2, MAX_RANK - 1) || !rank_is(e, 2, 1, MAX_RANK)) return false;
    value_id streams = grouped(e, branches, &rank);
    if (mix) {
        int64_t order[MAX_RANK];
        const int32_t own = rank_of(e, mix);
        if (!rank_is(e, 3, 2, MAX_RANK)) return false;
        for (int64_t k = 0; k < own; k++) order[k] = k < own - 2 ? k : 2 * own - 3 - k;
        const attr perm = attr_ints(e->m, "perm", (uint32_t)own, order);
        streams = insert(e, "MatMul", NULL, IN(insert(e, "Transpose", &perm, IN(in_float(e, mix))), streams));
    }
    const value_id block = with_axes(e, in_float(e, input_of(e, 1)), 1, (const int64_t[]){-2}), gate = rank_of(e, input_of(e, 2)) < rank
        ? with_axes(e, in_float(e, input_of(e, 2)), 1, (const int64_t[]){-1}) : in_float(e, input_of(e, 2));
    const value_id sum = insert(e, "Add", NULL, IN(streams, times(e, gate, block)));
    return gives_as(e, branches > 0 ? shaped_like(e, sum, x) : sum, elem_type_of(e, x));
}

/* ---- positions and samples ---- */

/* Which of the three positions (time, height, width) column k of the cosines is for. */
static int64_t section_of(const int64_t *section, bool interleaved, int64_t k)
{
    if (!interleaved) return k < section[0] ? 0 : k < section[0] + section[1] ? 1 : 2;
    return k % 3 && k < 3 * section[k % 3] ? k % 3 : 0;
}

/* Rows of the cosines or sines [batch, sequence, width], each column at the position of its section. */
static value_id section_rows(edit *e, value_id table, const int64_t *section, int64_t width, bool interleaved)
{
    const attr rows = attr_int(e->m, "axis", 0);
    const value_id all = insert(e, "Gather", &rows, IN(table, input_of(e, 1)));
    int64_t *which = ARENA_ARRAY(e->m->mem, int64_t, (size_t)width + 1);
    for (int64_t k = 0; k < width; k++) which[k] = section_of(section, interleaved, k);
    const value_id of_column = const_ints(e, "section", (uint32_t)width, which);
    value_id chosen = picked(e, all, 0, 0);
    for (int64_t k = 1; k < 3; k++) chosen = insert(e, "Where", NULL, IN(insert(e, "Equal", NULL, IN(of_column, const_int(e, "which", k))), picked(e, all, k, 0), chosen));
    return chosen;
}

static bool sectioned_rotary(edit *e)
{
    const value_id x = input_of(e, 0), cos = input_of(e, 2);
    uint32_t n;
    const int64_t *section = node_ints(edited(e), "mrope_section", &n);
    int64_t width;
    const int64_t heads = node_int(edited(e), "num_heads", 0);
    if (!known(e, 3)) return true;
    if (node_float(edited(e), "scale", 1.0f) != 1.0f || node_int(edited(e), "is_packed_batching", 0)) return version_error(e, "contrib", "scale and is_packed_batching are not supported yet");
    if (!rank_is(e, 0, 3, 4) || !rank_is(e, 1, 3, 3) || !rank_is(e, 2, 2, 2)) return false;
    if (!dim_is_const(e->m->dims, value_at(e->m, cos)->type.shape[1], &width)) return version_error(e, "contrib", "the width of cos_cache has to be known");
    const bool interleaved = node_int(edited(e), "mrope_layout", 0) != 0;
    if (width > UINT16_MAX) return version_error(e, "contrib", "cos_cache is %lld wide, more than the limit", (long long)width);
    const bool sums = n == 3 && section[0] >= 0 && section[1] >= 0 && section[2] >= 0 && section[0] <= width && section[1] <= width && section[2] <= width;
    if (!sums || section[0] + section[1] + section[2] != width) return version_error(e, "contrib", "mrope_section has to be three numbers that add up to the width of cos_cache, %lld", (long long)width);
    if (rank_of(e, x) == 3 && heads < 1) return version_error(e, "contrib", "num_heads has to be given for an input of three dimensions");
    const attr a[3] = {attr_int(e->m, "interleaved", node_int(edited(e), "interleaved", 0)), attr_int(e->m, "rotary_embedding_dim", node_int(edited(e), "rotary_embedding_dim", 0)),
                       attr_int(e->m, "num_heads", heads)};
    const value_id cosines = section_rows(e, cos, section, width, interleaved), sines = section_rows(e, input_of(e, 3), section, width, interleaved);
    replace_node(e, "RotaryEmbedding", 3, a, IN(x, cosines, sines));
    return true;
}

static bool grid_sample(edit *e)
{
    static const char *const NAMES[][2] = {{"bilinear", "linear"}, {"bicubic", "cubic"}, {"nearest", "nearest"}};
    const char *mode = node_string(edited(e), "mode", "bilinear");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (strcmp(mode, NAMES[i][0])) continue;
        rename_node(e, "GridSample", IN(input_of(e, 0), input_of(e, 1)));
        node_set_attr(e->m, edited(e), attr_string(e->m, "mode", NAMES[i][1]));
        return true;
    }
    return version_error(e, "attribute-value", "mode '%s' is not known", mode);
}

/* ---- what ai.onnx has since ---- */

static bool causal_conv(edit *e)
{
    static const char *const PLAIN[] = {"state_window", "channels_last", "state_update_capacity", "state_length", "input_channel_offset", "input_channels"};
    const attr activation = attr_string(e->m, "activation", node_string(edited(e), "activation", "none"));
    const value_id in[4] = {input_of(e, 0), input_of(e, 1), input_of(e, 2), input_of(e, 3)};
    for (size_t i = 0; i < sizeof PLAIN / sizeof *PLAIN; i++)
        if (node_int(edited(e), PLAIN[i], 0)) return version_error(e, "contrib", "%s is not supported yet", PLAIN[i]);
    if (node_int(edited(e), "ndim", 1) != 1 || node_int(edited(e), "dilation", 1) != 1) return version_error(e, "contrib", "ndim and dilation have to be 1");
    if (output_of(e, 2)) return version_error(e, "contrib", "output state_update is not supported");
    replace_node(e, "CausalConvWithState", 1, &activation, in[3] ? 4 : in[2] ? 3 : 2, in);
    return true;
}

static bool linear_attention(edit *e)
{
    if (node_int(edited(e), "state_window", 0)) return version_error(e, "contrib", "state_window is not supported yet");
    node_drop_attr(edited(e), "state_window");
    if (node_int(edited(e), "kv_num_heads", 1) > node_int(edited(e), "q_num_heads", 1)) return version_error(e, "contrib", "more heads of keys and values than of queries are not supported yet");
    rename_node(e, "LinearAttention", edited(e)->n_in, edited(e)->in);
    return attention_expand(e);
}

const contrib_row contrib_gates_rows[] = {
    {"BiasDropout", bias_dropout},
    {"BranchwiseRMSNorm", branchwise_norm},
    {"CausalConvWithState", causal_conv},
    {"EngramGate", engram_gate},
    {"GatedAdd", gated_add},
    {"GatedRMSNorm", gated_norm},
    {"GemmFastGelu", gemm_fast_gelu},
    {"GridSample", grid_sample},
    {"HyperConnectionPostMix", post_mix},
    {"HyperConnectionPreMix", pre_mix},
    {"LinearAttention", linear_attention},
    {"LinearAttentionGate", attention_gate},
    {"MRotaryEmbedding", sectioned_rotary},
    {"ScaledSiLU", scaled_silu},
    {"SwiGLU", swiglu},
    {NULL, NULL},
};
