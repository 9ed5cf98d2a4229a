/* version_math.c - version adapters of operators that compute: elementwise, reductions, softmax, normalization, pools, matrix products. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/version_edit.h"

/* Add Sub Mul Div Pow And Or Xor Equal Greater Less, 1/6 -> 7: before, B was broadcast only on request (broadcast=1), as a contiguous part of
 * A's shape that starts at `axis`, or at the end without it. From 7 on shapes are aligned at the end, always. */
static bool broadcast_to_7(edit *e)
{
    const bool asked = node_int(edited(e), "broadcast", 0) != 0, from = node_attr(edited(e), "axis") != NULL;
    const int64_t axis = node_int(edited(e), "axis", 0);
    node_drop_attr(edited(e), "broadcast");
    node_drop_attr(edited(e), "axis");
    if (asked && from) set_input(e, 1, align_to_axis(e, input_of(e, 0), input_of(e, 1), axis));
    return true;
}

/* Selu 1 -> 6: other default coefficients. */
static bool selu_to_6(edit *e)
{
    node *n = edited(e);
    const float alpha = node_float(n, "alpha", 1.6732f), gamma = node_float(n, "gamma", 1.0507f);
    node_set_attr(e->m, n, (attr){.name = intern(e->m->names, "alpha"), .kind = ATTR_FLOAT, .u.f = alpha});
    node_set_attr(e->m, n, (attr){.name = intern(e->m->names, "gamma"), .kind = ATTR_FLOAT, .u.f = gamma});
    return true;
}

/* Cast 1 -> 6: `to` was the type's name ("FLOAT"), now its number. */
static bool cast_to_6(edit *e)
{
    const char *name = node_string(edited(e), "to", "");
    for (int t = 1; t < ELEM_COUNT; t++) {
        if (strcasecmp(elem_of((elem)t)->name, name)) continue;
        node_set_attr(e->m, edited(e), attr_int(e->m, "to", t));
        return true;
    }
    return version_error(e, "version-cast", "attribute 'to' names no type: '%s'", name);
}

/* PRelu 6 -> 7: a slope of shape [C] belonged to axis 1 of X; now it is broadcast from the end. */
static bool prelu_to_7(edit *e)
{
    const value_id slope = input_of(e, 1);
    const tensor *t = data_of(e, slope);
    if (t && tensor_count(t) == 1) return true;
    set_input(e, 1, align_to_axis(e, input_of(e, 0), slope, 1));
    return true;
}

/* Gemm 6 -> 7: C is broadcast whenever its shape asks for it; the attribute is gone. */
static bool gemm_to_7(edit *e)
{
    node_drop_attr(edited(e), "broadcast");
    return true;
}

/* Clip 6 -> 11: the bounds are inputs. The old defaults, lowest and highest float, are what an absent input means. */
static bool clip_to_11(edit *e)
{
    static const char *const name[] = {"min", "max"};
    for (uint32_t i = 0; i < 2; i++) {
        const float none = i ? FLT_MAX : -FLT_MAX, v = node_float(edited(e), name[i], none);
        node_drop_attr(edited(e), name[i]);
        if (v < none || v > none) set_input(e, 1 + i, const_like(e, name[i], v, input_of(e, 0)));
    }
    return true;
}

/* Dropout 6 -> 7: is_test=0 asked for training; from 7 on a Dropout without further inputs is the identity. */
static bool dropout_to_7(edit *e)
{
    if (node_attr(edited(e), "is_test") && !node_int(edited(e), "is_test", 0))
        diag_warn(e->m->diag, at_node(e->m, edited(e)), "version-training", "is_test=0 asks for random dropout; it is compiled for inference");
    node_drop_attr(edited(e), "is_test");
    return true;
}

/* Dropout 7 -> 10: the mask is bool, it had the type of the data. */
static bool dropout_to_10(edit *e)
{
    if (edited(e)->n_out > 1 && edited(e)->out[1] && (e->m->written_back || is_used(e, edited(e)->out[1]))) follow(e, 1, "CastLike", NULL, input_of(e, 0));
    return true;
}

/* Dropout 10 -> 12: ratio is an input; training_mode (absent: false) is new. */
static bool dropout_to_12(edit *e)
{
    const attr *a = node_attr(edited(e), "ratio");
    const float ratio = a && a->kind == ATTR_FLOAT ? a->u.f : 0.5f;
    node_drop_attr(edited(e), "ratio");
    if (a) set_input(e, 1, const_like(e, "ratio", ratio, input_of(e, 0)));
    return true;
}

/* Softmax LogSoftmax Hardmax 11 -> 13: before, the input was seen as a matrix, all axes from `axis` on (default 1) as its columns; now one
 * axis is meant (default -1). Where at most one of those axes is longer than 1 it is that axis; else the matrix is made, and unmade. */
static bool softmax_to_13(edit *e)
{
    model *m = e->m;
    const value_id x = input_of(e, 0);
    const int32_t rank = rank_of(e, x);
    int64_t axis = node_int(edited(e), "axis", 1);
    if (axis < 0 && rank >= 0) axis += rank;
    if (rank > 0 && axis >= 0 && axis < rank && value_at(m, x)->type.kind == TYPE_TENSOR) {
        int64_t longer = -1, many = 0;
        const dim *shape = value_at(m, x)->type.shape;
        for (int64_t i = axis; i < rank; i++) {
            if (dim_is(m->dims, shape[i], 1)) continue;
            many++;
            longer = i;
        }
        if (many <= 1) axis = (longer < 0 ? axis : longer) - rank;
    }
    const bool one_axis = axis == -1 || (axis < 0 && rank > 0);
    node_set_attr(m, edited(e), attr_int(m, "axis", one_axis ? axis : -1));
    if (one_axis) return true;
    const attr flat = attr_int(m, "axis", axis), allow = attr_int(m, "allowzero", 1);
    const value_id shape = insert(e, "Shape", NULL, IN(x));
    set_input(e, 0, insert(e, "Flatten", &flat, IN(x)));
    follow(e, 0, "Reshape", &allow, shape);
    return true;
}

/* Reduce* 13 -> 18 (ReduceSum 11 -> 13): axes is an input; none means all, as before. */
static bool reduce_axes(edit *e)
{
    ints_to_input(e, "axes", 1);
    return true;
}

/* BatchNormalization 6 -> 7: is_test=0 asked for training. From 7 on the extra outputs say so, until 14 has an attribute for it, which is
 * set here already so that a node with one output keeps its meaning. Without is_test, inference is meant (as onnx's converter has it). */
static bool batch_norm_to_7(edit *e)
{
    if (node_attr(edited(e), "is_test") && !node_int(edited(e), "is_test", 0)) node_set_attr(e->m, edited(e), attr_int(e->m, "training_mode", 1));
    node_drop_attr(edited(e), "is_test");
    return true;
}

/* BatchNormalization 7 -> 9: spatial=0, statistics of shape [C,D1..Dn] for each place, is gone: it is said with elementwise operators. */
static bool batch_norm_to_9(edit *e)
{
    const bool spatial = node_int(edited(e), "spatial", 1) != 0;
    node_drop_attr(edited(e), "spatial");
    if (spatial) return true;
    for (uint32_t i = 1; i < edited(e)->n_out; i++)
        if (edited(e)->out[i]) return version_error(e, "version-training", "training with spatial=0 has no form in later versions");
    const float epsilon = node_float(edited(e), "epsilon", 1e-5f);
    const value_id x = input_of(e, 0), scale = input_of(e, 1), bias = input_of(e, 2), mean = input_of(e, 3), var = input_of(e, 4);
    const value_id eps = const_like(e, "epsilon", epsilon, var);
    const value_id deviation = insert(e, "Sqrt", NULL, IN(insert(e, "Add", NULL, IN(var, eps))));
    const value_id normal = insert(e, "Div", NULL, IN(insert(e, "Sub", NULL, IN(x, mean)), deviation));
    become(e, "Add", NULL, IN(insert(e, "Mul", NULL, IN(normal, scale)), bias));
    return true;
}

/* BatchNormalization 9 -> 14: training has an attribute; the outputs saved_mean and saved_var are gone. */
static bool batch_norm_to_14(edit *e)
{
    bool training = false;
    for (uint32_t i = 1; i < edited(e)->n_out; i++) {
        const value_id out = edited(e)->out[i];
        if (!out) continue;
        training = true;
        if (i >= 3 && is_used(e, out)) return version_error(e, "version-training", "output %u (%s) has no form in later versions", i, i == 3 ? "saved_mean" : "saved_var");
    }
    if (edited(e)->n_out > 3) edited(e)->n_out = 3;
    if (training) node_set_attr(e->m, edited(e), attr_int(e->m, "training_mode", 1));
    return true;
}

/* One value per group [G] -> one per channel [C]: [G] -> [G,1] -> [G,C/G] -> [C]. */
static value_id per_channel(edit *e, value_id v, value_id target)
{
    const value_id column = insert(e, "Unsqueeze", NULL, IN(v, const_ints(e, "axes", 1, (const int64_t[]){1})));
    const value_id spread = insert(e, "Expand", NULL, IN(column, target));
    return insert(e, "Reshape", NULL, IN(spread, const_ints(e, "all", 1, (const int64_t[]){-1})));
}

/* GroupNormalization 18 -> 21: scale and bias are per channel, they were per group; stash_type=1 (float) says how the statistics are computed,
 * which was in the type of X: for double that has to be said. */
static bool group_norm_to_21(edit *e)
{
    model *m = e->m;
    const int64_t groups = node_int(edited(e), "num_groups", 1);
    if (groups < 1) return version_error(e, "version-norm", "num_groups is %lld", (long long)groups);
    const value_id x = input_of(e, 0), n = const_ints(e, "groups", 1, &groups);
    const attr first = attr_int(m, "axis", 0);
    const value_id channels = insert(e, "Gather", &first, IN(insert(e, "Shape", NULL, IN(x)), const_ints(e, "channel", 1, (const int64_t[]){1})));
    const value_id target = insert(e, "Concat", &first, IN(n, insert(e, "Div", NULL, IN(channels, n))));
    for (uint32_t i = 1; i <= 2; i++) set_input(e, i, per_channel(e, input_of(e, i), target));
    if (elem_type_of(e, x) == ELEM_DOUBLE) node_set_attr(m, edited(e), attr_int(m, "stash_type", ELEM_DOUBLE));
    return true;
}

/* LpPool GlobalLpPool 1 -> 2: p is an integer. */
static bool lp_pool_to_2(edit *e)
{
    const float p = node_float(edited(e), "p", 2);
    if (p != rintf(p) || p < 1 || p > 1e6f) return version_error(e, "version-pool", "p=%g is no whole number", (double)p);
    node_set_attr(e->m, edited(e), attr_int(e->m, "p", (int64_t)p));
    return true;
}

/* Erf 9 -> 13: integers are no longer allowed. Erf of them is rounded to float, as onnx.reference has it, and truncated: from 4 on it is 1. */
static bool erf_to_13(edit *e)
{
    const elem kind = elem_type_of(e, input_of(e, 0));
    const attr to = attr_int(e->m, "to", ELEM_DOUBLE), narrow = attr_int(e->m, "to", ELEM_FLOAT), back = attr_int(e->m, "to", kind);
    if (!strchr("iu", elem_of(kind)->kind)) return true;
    set_input(e, 0, insert(e, "Cast", &to, IN(input_of(e, 0))));
    follow(e, 0, "Cast", &back, 0);
    follow(e, 0, "Cast", &narrow, 0);
    return true;
}

/* ReduceLogSum and ReduceLogSumExp 18 -> 28: integers are no longer allowed. They are computed in double, and truncated. */
static bool through_double(edit *e)
{
    const elem kind = elem_type_of(e, input_of(e, 0));
    const attr to = attr_int(e->m, "to", ELEM_DOUBLE), back = attr_int(e->m, "to", kind);
    if (!strchr("iu", elem_of(kind)->kind)) return true;
    set_input(e, 0, insert(e, "Cast", &to, IN(input_of(e, 0))));
    follow(e, 0, "Cast", &back, 0);
    return true;
}

const adapter_row version_math_rows[] = {
    {"", "Add", 7, broadcast_to_7},
    {"", "Sub", 7, broadcast_to_7},
    {"", "Mul", 7, broadcast_to_7},
    {"", "Div", 7, broadcast_to_7},
    {"", "Pow", 7, broadcast_to_7},
    {"", "And", 7, broadcast_to_7},
    {"", "Or", 7, broadcast_to_7},
    {"", "Xor", 7, broadcast_to_7},
    {"", "Equal", 7, broadcast_to_7},
    {"", "Greater", 7, broadcast_to_7},
    {"", "Less", 7, broadcast_to_7},
    {"", "Selu", 6, selu_to_6},
    {"", "Cast", 6, cast_to_6},
    {"", "PRelu", 7, prelu_to_7},
    {"", "Gemm", 7, gemm_to_7},
    {"", "Clip", 11, clip_to_11},
    {"", "Dropout", 7, dropout_to_7},
    {"", "Dropout", 10, dropout_to_10},
    {"", "Dropout", 12, dropout_to_12},
    {"", "Softmax", 13, softmax_to_13},
    {"", "LogSoftmax", 13, softmax_to_13},
    {"", "Hardmax", 13, softmax_to_13},
    {"", "ReduceSum", 13, reduce_axes},
    {"", "ReduceL1", 18, reduce_axes},
    {"", "ReduceL2", 18, reduce_axes},
    {"", "ReduceLogSum", 18, reduce_axes},
    {"", "ReduceLogSumExp", 18, reduce_axes},
    {"", "ReduceMax", 18, reduce_axes},
    {"", "ReduceMean", 18, reduce_axes},
    {"", "ReduceMin", 18, reduce_axes},
    {"", "ReduceProd", 18, reduce_axes},
    {"", "ReduceSumSquare", 18, reduce_axes},
    {"", "BatchNormalization", 7, batch_norm_to_7},
    {"", "BatchNormalization", 9, batch_norm_to_9},
    {"", "BatchNormalization", 14, batch_norm_to_14},
    {"", "GroupNormalization", 21, group_norm_to_21},
    {"", "Erf", 13, erf_to_13},
    {"", "ReduceLogSum", 28, through_double},
    {"", "ReduceLogSumExp", 28, through_double},
    {"", "LpPool", 2, lp_pool_to_2},
    {"", "GlobalLpPool", 2, lp_pool_to_2},
    {NULL, NULL, 0, NULL},
};
