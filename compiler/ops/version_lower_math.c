/* version_lower_math.c - steps back into the version before, of operators that compute; each undoes the one of version_math.c or version_other.c that
 * bears its name, where it can. */
#include <string.h>

#include "base/size.h"
#include "ops/version_edit.h"
#include "schema/schema.h"

/* The version before says the same in the same form, as far as defaults go, which are spelled out. */
static bool nothing(edit *e)
{
    (void)e;
    return true;
}

/* ---- broadcasting ---- */

static const type *tensor_type(edit *e, value_id v)
{
    const type *t = v ? &value_at(e->m, v)->type : NULL;
    return t && t->kind == TYPE_TENSOR && t->rank >= 0 ? t : NULL;
}

static bool single(edit *e, value_id v)
{
    const tensor *t = data_of(e, v);
    const type *x = tensor_type(e, v);
    if (t) return tensor_count(t) == 1;
    bool one = x != NULL;
    for (int32_t i = 0; one && i < x->rank; i++) one = dim_is(e->m->dims, x->shape[i], 1);
    return one;
}

/* Add, Sub and the like, 7 -> 6: B has A's shape, or the end of it and broadcast=1. */
static bool broadcast_from_7(edit *e)
{
    const type *a = tensor_type(e, input_of(e, 0)), *b = tensor_type(e, input_of(e, 1));
    bool tail = a && b && b->rank <= a->rank;
    for (int32_t i = 1; tail && i <= b->rank; i++) tail = a->shape[a->rank - i] == b->shape[b->rank - i];
    if (tail && a->rank == b->rank) return true;
    if (!tail && !(single(e, input_of(e, 1)) && a && b && b->rank <= a->rank))
        return version_error(e, "version-lower", "before version 7, the second operand has the first one's shape, or the end of it");
    node_set_attr(e->m, edited(e), attr_int(e->m, "broadcast", 1));
    return true;
}

/* Greater, Less 9 -> 7: only floats. A double holds all integers of 32 bits. */
static bool compare_from_9(edit *e)
{
    const attr to = attr_int(e->m, "to", ELEM_DOUBLE);
    const elem x = elem_type_of(e, input_of(e, 0));
    const char kind = elem_of(x)->kind;
    if (x == ELEM_NONE || (kind != 'i' && kind != 'u') || elem_of(x)->bits > 32) return true;
    for (uint32_t i = 0; i < 2; i++) set_input(e, i, insert(e, "Cast", &to, IN(input_of(e, i))));
    return true;
}

static bool gemm_from_7(edit *e)
{
    node_set_attr(e->m, edited(e), attr_int(e->m, "broadcast", 1));
    return true;
}

/* Gemm 11 -> 9: C is required. */
static bool gemm_from_11(edit *e)
{
    if (!input_of(e, 2)) set_input(e, 2, const_like(e, "C", 0, input_of(e, 0)));
    return true;
}

static bool prelu_from_7(edit *e)
{
    const value_id slope = input_of(e, 1);
    const type *x = tensor_type(e, input_of(e, 0)), *s = tensor_type(e, slope);
    if (single(e, slope)) return true;
    bool channels = x && s && s->rank == x->rank - 1;
    for (int32_t i = 1; channels && i < s->rank; i++) channels = dim_is(e->m->dims, s->shape[i], 1);
    if (!channels) return version_error(e, "version-lower", "before version 7, a slope is one number, or one for each channel");
    if (s->rank > 1) set_input(e, 1, insert(e, "Reshape", NULL, IN(slope, const_ints(e, "channels", 1, (const int64_t[]){-1}))));
    return true;
}

/* ---- elementwise ---- */

static bool cast_from_6(edit *e)
{
    const int64_t to = node_int(edited(e), "to", 0);
    if (to < 1 || to >= ELEM_COUNT) return version_error(e, "version-lower", "attribute 'to' is no type");
    text upper = {.mem = e->m->mem};
    for (const char *s = elem_of((elem)to)->name; *s; s++) text_addf(&upper, "%c", *s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s);
    node_set_attr(e->m, edited(e), attr_string(e->m, "to", upper.p));
    return true;
}

/* CastLike came with 15. */
static bool cast_like_from_15(edit *e)
{
    const elem to = elem_type_of(e, input_of(e, 1));
    if (to == ELEM_NONE)
        return version_error(e, "version-lower", "the type of '%s', which is cast to, is not known", value_at(e->m, input_of(e, 1))->name);
    node *n = edited(e);
    n->n_in = 1;
    n->op = intern(e->m->names, "Cast");
    n->version = n->version >= 19 ? schema_find("", "Cast", n->version)->since : 13;
    node_set_attr(e->m, n, attr_int(e->m, "to", to));
    return true;
}

static bool clip_from_11(edit *e)
{
    static const char *const name[] = {"min", "max"};
    for (uint32_t i = 2; i >= 1; i--) {
        const value_id in = input_of(e, i);
        const tensor *t = settled(e, i, name[i - 1]);
        if (!in) continue;
        double v;
        if (!tensor_number(t, &v))
            return version_error(e, "version-lower", "%s, '%s', is computed; the older version wants an attribute", name[i - 1],
                                 value_at(e->m, in)->name);
        const float f = (float)v;
        if ((double)f < v || (double)f > v)
            return version_error(e, "version-lower", "%s is %.17g, which is no float, as the older version wants it", name[i - 1], v);
        node_set_attr(e->m, edited(e), (attr){.name = intern(e->m->names, name[i - 1]), .kind = ATTR_FLOAT, .u.f = f});
        drop_input(e, i);
    }
    return true;
}

static bool dropout_from_7(edit *e)
{
    node_set_attr(e->m, edited(e), attr_int(e->m, "is_test", 1));
    return true;
}

/* Dropout 10 -> 7: the mask has the type of the data. */
static bool dropout_from_10(edit *e)
{
    const attr to = attr_int(e->m, "to", ELEM_BOOL);
    if (edited(e)->n_out < 2) return true;
    if (is_used(e, edited(e)->out[1])) follow(e, 1, "Cast", &to, 0);
    else edited(e)->n_out = 1;
    return true;
}

static bool dropout_from_12(edit *e)
{
    const tensor *ratio = settled(e, 1, "the ratio"), *training = settled(e, 2, "training_mode");
    double share = 0, trains;
    if (input_of(e, 2) && (!tensor_number(training, &trains) || trains != 0))
        return version_error(e, "version-lower", "training_mode is not false, which the older version knows only");
    if (input_of(e, 1) && !tensor_number(ratio, &share)) return version_error(e, "version-lower", "ratio is computed; the older version wants an attribute");
    if (ratio)
        node_set_attr(e->m, edited(e),
                      (attr){.name = intern(e->m->names, "ratio"), .kind = ATTR_FLOAT, .u.f = (float)share});
    node_drop_attr(edited(e), "seed");
    drop_input(e, 2);
    drop_input(e, 1);
    return true;
}

/* Constant 12 -> 11: one form of attribute. */
static bool constant_from_12(edit *e)
{
    dense_constant(e);
    return true;
}

/* ---- softmax, reductions ---- */

/* 13 -> 11: the axis and all behind it are one, so it has to be the last: with a transposition on both sides. */
static bool softmax_from_13(edit *e)
{
    model *m = e->m;
    const value_id x = input_of(e, 0);
    const int32_t rank = rank_of(e, x);
    const attr *given = node_attr(edited(e), "axis");
    if (given && given->ref) return version_error(e, "version-function", "the axis is given by the function's caller");
    int64_t axis = node_int(edited(e), "axis", -1);
    if (rank <= 0 && axis != -1)
        return version_error(e, "version-lower", "the number of dimensions is not known; before version 13 the last axis has to be meant");
    if (rank > 0 && (axis < -rank || axis >= rank)) return version_error(e, "version-lower", "axis %lld is outside [%d, %d)", (long long)axis, -rank, rank);
    if (axis < 0 && rank > 0) axis += rank;
    const type *t = tensor_type(e, x);
    bool last = axis == -1 || axis == rank - 1;
    if (!last && t) {
        last = true;
        for (int64_t i = axis + 1; i < rank; i++) last &= dim_is(m->dims, t->shape[i], 1);
    }
    node_set_attr(m, edited(e), attr_int(m, "axis", last ? axis : rank - 1));
    if (last) return true;
    int64_t *perm = ARENA_ARRAY(m->mem, int64_t, rank);
    for (int32_t i = 0; i < rank; i++) perm[i] = i == axis ? rank - 1 : i == rank - 1 ? axis : i;
    const attr swap = attr_ints(m, "perm", (uint32_t)rank, perm);
    set_input(e, 0, insert(e, "Transpose", &swap, IN(x)));
    follow(e, 0, "Transpose", &swap, 0);
    return true;
}

/* Reduce* 18 -> 13, ReduceSum 13 -> 11: an empty list of axes means all. */
static bool reduce_from_input(edit *e)
{
    const int64_t *v;
    uint32_t count;
    if (!input_ints(e, 1, "the list of axes", &v, &count)) return false;
    const attr *noop = node_attr(edited(e), "noop_with_empty_axes");
    if (!count && noop && (noop->ref || noop->u.i))
        return version_error(e, "version-lower", "noop_with_empty_axes=1 without axes has no form in older versions");
    node_drop_attr(edited(e), "noop_with_empty_axes");
    if (count) node_set_attr(e->m, edited(e), attr_ints(e->m, "axes", count, v));
    drop_input(e, 1);
    return true;
}

/* ---- normalization, pools, recurrent ---- */

static bool batch_norm_from_7(edit *e)
{
    node_set_attr(e->m, edited(e), attr_int(e->m, "is_test", 1));
    return true;
}

static bool batch_norm_from_14(edit *e)
{
    const attr *a = node_attr(edited(e), "training_mode");
    if (a && (a->ref || a->u.i)) return version_error(e, "version-lower", "training has no form of the same meaning in older versions");
    node_drop_attr(edited(e), "training_mode");
    while (edited(e)->n_out > 1 && !is_used(e, edited(e)->out[edited(e)->n_out - 1])) edited(e)->n_out--;
    return edited(e)->n_out == 1 || version_error(e, "version-lower", "training has no form of the same meaning in older versions");
}

static bool lp_pool_from_2(edit *e)
{
    node_set_attr(e->m, edited(e), (attr){.name = intern(e->m->names, "p"), .kind = ATTR_FLOAT, .u.f = (float)node_int(edited(e), "p", 2)});
    return true;
}

/* A window that starts behind the input and its first padding is left out since 22. False: there is one, or there may be. */
static bool windows_start_inside(edit *e, uint32_t k, int64_t window, int64_t stride, int64_t head, int64_t tail)
{
    const type *x = tensor_type(e, input_of(e, 0));
    int64_t in;
    if (stride < 1 || (tail <= 0 && stride <= window)) return true;
    if (stride > INT32_MAX || window != (int32_t)window || head != (int32_t)head || tail != (int32_t)tail) return false;
    if (!x || (int32_t)k + 2 >= x->rank || !dim_is_const(e->m->dims, x->shape[k + 2], &in) || in > INT64_MAX / 4) return false;
    const int64_t room = in + head + tail - window, steps = (room + stride - 1) / stride;
    return room <= 0 || steps * stride < in + head;
}

/* AveragePool, MaxPool 22 -> the version before, LpPool too. */
static bool pool_from_22(edit *e)
{
    if (!node_int(edited(e), "ceil_mode", 0)) return true;
    uint32_t n, n_stride, n_pads, n_dilations;
    const int64_t *window = node_ints(edited(e), "kernel_shape", &n), *stride = node_ints(edited(e), "strides", &n_stride);
    const int64_t *pads = node_ints(edited(e), "pads", &n_pads), *dilations = node_ints(edited(e), "dilations", &n_dilations);
    bool inside = true;
    for (uint32_t i = 0; i < n && inside; i++)
        inside = windows_start_inside(e, i, sat_add(sat_mul(sat_add(window[i], -1), i < n_dilations ? dilations[i] : 1), 1), i < n_stride ? stride[i] : 1,
                                      n_pads == 2 * n ? pads[i] : 0, n_pads == 2 * n ? pads[n + i] : 0);
    return inside || version_error(e, "version-lower", "with ceil_mode=1, the last window may start behind the data; older versions count it");
}

/* LSTM, RNN, GRU 7 -> before: output_sequence says that the first output is wanted. */
static bool recurrent_from_7(edit *e)
{
    if (edited(e)->n_out && edited(e)->out[0]) node_set_attr(e->m, edited(e), attr_int(e->m, "output_sequence", 1));
    return true;
}

/* QuantizeLinear, DequantizeLinear 13 -> 10: one scale for all. */
static bool quantize_from_13(edit *e)
{
    if (rank_of(e, input_of(e, 1)) != 0) return version_error(e, "version-lower", "before version 13, there is one scale for all, a scalar");
    node_drop_attr(edited(e), "axis");
    return true;
}

static bool dft_from_20(edit *e)
{
    const int64_t *v;
    uint32_t count;
    if (!input_ints(e, 2, "the axis", &v, &count)) return false;
    const int32_t rank = rank_of(e, input_of(e, 0));
    int64_t axis = count ? v[0] : -2;
    if (axis < 0 && rank > 0) axis += rank;
    node_set_attr(e->m, edited(e), attr_int(e->m, "axis", axis));
    drop_input(e, 2);
    return true;
}

const adapter_row lower_math_rows[] = {
    {"", "Add", 7, broadcast_from_7},
    {"", "Sub", 7, broadcast_from_7},
    {"", "Mul", 7, broadcast_from_7},
    {"", "Div", 7, broadcast_from_7},
    {"", "Pow", 7, broadcast_from_7},
    {"", "And", 7, broadcast_from_7},
    {"", "Or", 7, broadcast_from_7},
    {"", "Xor", 7, broadcast_from_7},
    {"", "Equal", 7, broadcast_from_7},
    {"", "Greater", 7, broadcast_from_7},
    {"", "Less", 7, broadcast_from_7},
    {"", "Greater", 9, compare_from_9},
    {"", "Less", 9, compare_from_9},
    {"", "Erf", 13, nothing},
    {"", "ReduceLogSum", 28, nothing},
    {"", "ReduceLogSumExp", 28, nothing},
    {"", "Selu", 6, nothing},
    {"", "Cast", 6, cast_from_6},
    {"", "CastLike", 15, cast_like_from_15},
    {"", "PRelu", 7, prelu_from_7},
    {"", "Gemm", 7, gemm_from_7},
    {"", "Gemm", 11, gemm_from_11},
    {"", "Clip", 11, clip_from_11},
    {"", "Dropout", 7, dropout_from_7},
    {"", "Dropout", 10, dropout_from_10},
    {"", "Dropout", 12, dropout_from_12},
    {"", "Constant", 12, constant_from_12},
    {"", "Softmax", 13, softmax_from_13},
    {"", "LogSoftmax", 13, softmax_from_13},
    {"", "Hardmax", 13, softmax_from_13},
    {"", "ReduceSum", 13, reduce_from_input},
    {"", "ReduceL1", 18, reduce_from_input},
    {"", "ReduceL2", 18, reduce_from_input},
    {"", "ReduceLogSum", 18, reduce_from_input},
    {"", "ReduceLogSumExp", 18, reduce_from_input},
    {"", "ReduceMax", 18, reduce_from_input},
    {"", "ReduceMean", 18, reduce_from_input},
    {"", "ReduceMin", 18, reduce_from_input},
    {"", "ReduceProd", 18, reduce_from_input},
    {"", "ReduceSumSquare", 18, reduce_from_input},
    {"", "BatchNormalization", 7, batch_norm_from_7},
    {"", "BatchNormalization", 9, nothing},
    {"", "BatchNormalization", 14, batch_norm_from_14},
    {"", "LpPool", 2, lp_pool_from_2},
    {"", "GlobalLpPool", 2, lp_pool_from_2},
    {"", "AveragePool", 22, pool_from_22},
    {"", "MaxPool", 22, pool_from_22},
    {"", "LpPool", 22, pool_from_22},
    {"", "LSTM", 7, recurrent_from_7},
    {"", "RNN", 7, recurrent_from_7},
    {"", "GRU", 7, recurrent_from_7},
    {"", "QuantizeLinear", 13, quantize_from_13},
    {"", "DequantizeLinear", 13, quantize_from_13},
    {"", "DFT", 20, dft_from_20},
    {NULL, NULL, 0, NULL},
};
