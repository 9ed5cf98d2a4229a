/* version_lower_body.c - operators that an older version lacks, said with those that it has: those for which the standard has no body as data, since it depends on the
 * node. Source: the function bodies of the standard's operators. */
#include <math.h>
#include <string.h>

#include "ops/contrib.h"
#include "schema/schema.h"

static value_id cast(edit *e, value_id x, elem t)
{
    const attr to = attr_int(e->m, "to", t);
    return insert(e, "Cast", &to, IN(x));
}

/* A scalar of type t. */
static value_id number(edit *e, const char *role, double v, elem t)
{
    tensor *c = tensor_new(e->m->mem, t, 0, (const int64_t[]){0});
    elem_set_double(t, (void *)(uintptr_t)c->data, 0, v);
    return const_of_tensor(e, role, c);
}

/* The axes from `axis` to the last, counted from the end; 0: not known how many. */
static value_id last_axes(edit *e, value_id x, int64_t axis)
{
    const int32_t rank = rank_of(e, x);
    if ((axis >= 0 && rank < 0) || axis < -64) return 0;
    const int64_t n = axis < 0 ? -axis : rank - axis;
    if (n < 1 || n > 64) return 0;
    int64_t *axes = ARENA_ARRAY(e->m->mem, int64_t, n);
    for (int64_t i = 0; i < n; i++) axes[i] = i - n;
    return const_ints(e, "axes", (uint32_t)n, axes);
}

/* ReduceMean that keeps its axes. */
static value_id mean(edit *e, value_id x, value_id axes)
{
    return insert(e, "ReduceMean", NULL, IN(x, axes));
}

typedef struct {
    elem own, stash; /* types of the data and of the computation */
    value_id x, axes;
} normalization;

static bool normalization_of(edit *e, normalization *n)
{
    const value_id x = input_of(e, 0);
    n->own = elem_type_of(e, x);
    n->stash = node_elem(edited(e), "stash_type", ELEM_FLOAT);
    n->axes = last_axes(e, x, node_int(edited(e), "axis", -1));
    if (elem_of(n->stash)->kind != 'f') return version_error(e, "attr-value", "stash_type is no type of real numbers");
    if (n->own == ELEM_NONE || !n->axes) return version_error(e, "version-lower", "type and number of dimensions have to be known to say it with older operators");
    n->x = n->own == n->stash ? x : cast(e, x, n->stash);
    return true;
}

/* The computed value back in the type of the data, times scale, plus bias: the node itself. */
static void finish(edit *e, const normalization *n, value_id normal, value_id scale, value_id bias)
{
    if (n->own != n->stash) normal = cast(e, normal, n->own);
    if (bias) become(e, "Add", NULL, IN(insert(e, "Mul", NULL, IN(normal, scale)), bias));
    else become(e, "Mul", NULL, IN(normal, scale));
}

static value_id inverse_root(edit *e, const normalization *n, value_id variance)
{
    const value_id eps = number(e, "epsilon", (double)node_float(edited(e), "epsilon", 1e-5f), n->stash);
    return insert(e, "Sqrt", NULL, IN(insert(e, "Add", NULL, IN(variance, eps))));
}

static bool layer_norm_body(edit *e)
{
    normalization n;
    if (!normalization_of(e, &n)) return false;
    const value_id scale = input_of(e, 1), bias = input_of(e, 2), center = mean(e, n.x, n.axes);
    const value_id rest = insert(e, "Sub", NULL, IN(n.x, center)), variance = mean(e, insert(e, "Mul", NULL, IN(rest, rest)), n.axes);
    const value_id root = inverse_root(e, &n, variance);
    if (edited(e)->n_out > 1 && edited(e)->out[1]) give_output(e, 1, center);
    if (edited(e)->n_out > 2 && edited(e)->out[2]) give_output(e, 2, insert(e, "Reciprocal", NULL, IN(root)));
    finish(e, &n, insert(e, "Div", NULL, IN(rest, root)), scale, bias);
    return true;
}

static bool rms_norm_body(edit *e)
{
    normalization n;
    if (!normalization_of(e, &n)) return false;
    const value_id scale = input_of(e, 1), square = mean(e, insert(e, "Mul", NULL, IN(n.x, n.x)), n.axes);
    finish(e, &n, insert(e, "Div", NULL, IN(n.x, inverse_root(e, &n, square))), scale, 0);
    return true;
}

/* x/2 (1 + erf(x / sqrt 2)), or with tanh(sqrt(2/pi) (x + 0.044715 x^3)). */
static bool gelu_body(edit *e)
{
    const value_id x = input_of(e, 0);
    const elem t = elem_type_of(e, x);
    const bool tanh = !strcmp(node_string(edited(e), "approximate", "none"), "tanh");
    if (t == ELEM_NONE) return version_error(e, "version-lower", "the type has to be known to say it with older operators");
    const value_id half = number(e, "half", 0.5, t), one = number(e, "one", 1, t);
    value_id inner = x;
    if (tanh) {
        const value_id cube = insert(e, "Mul", NULL, IN(insert(e, "Mul", NULL, IN(x, x)), x));
        inner = insert(e, "Add", NULL, IN(x, insert(e, "Mul", NULL, IN(number(e, "cubic", 0.044715, t), cube))));
        inner = insert(e, "Tanh", NULL, IN(insert(e, "Mul", NULL, IN(number(e, "factor", sqrt(2 / 3.14159265358979323846), t), inner))));
    } else inner = insert(e, "Erf", NULL, IN(insert(e, "Div", NULL, IN(x, number(e, "root", sqrt(2), t)))));
    become(e, "Mul", NULL, IN(insert(e, "Mul", NULL, IN(half, x)), insert(e, "Add", NULL, IN(inner, one))));
    return true;
}

/* ---- GroupNormalization: each group is a channel of InstanceNormalization ---- */

static value_id repeated(edit *e, const char *role, int64_t n, float v, elem t)
{
    tensor *c = tensor_new(e->m->mem, t, 1, &n);
    for (int64_t i = 0; i < n; i++) elem_set_double(t, (void *)(uintptr_t)c->data, (size_t)i, (double)v);
    return const_of_tensor(e, role, c);
}

/* X with its groups normalized, times scale, plus bias, which have an element for each group; in the shape of X. */
static value_id normalized_groups(edit *e, value_id x, int64_t groups, value_id scale, value_id bias)
{
    const attr epsilon = attr_float(e->m, "epsilon", node_float(edited(e), "epsilon", 1e-5f));
    const int64_t shape[3] = {0, groups, -1};
    const value_id rows = insert(e, "Reshape", NULL, IN(x, const_ints(e, "groups", 3, shape)));
    return insert(e, "Reshape", NULL, IN(insert(e, "InstanceNormalization", &epsilon, IN(rows, scale, bias)), insert(e, "Shape", NULL, IN(x))));
}

enum { MOST_GROUPS = 1 << 16 };

/* 21 -> 18: scale and bias are per channel, they were per group. */
static bool group_norm_from_21(edit *e)
{
    const value_id x = input_of(e, 0);
    const elem own = elem_type_of(e, x), stash = node_elem(edited(e), "stash_type", ELEM_FLOAT);
    const int64_t groups = node_int(edited(e), "num_groups", 0);
    const int32_t rank = rank_of(e, x);
    if (elem_of(stash)->kind != 'f') return version_error(e, "attr-value", "stash_type is no type of real numbers");
    if (own == ELEM_NONE || rank < 2 || groups < 1 || groups > MOST_GROUPS) return version_error(e, "version-lower", "type and number of dimensions have to be known to say it with older operators");
    int64_t *axes = ARENA_ARRAY(e->m->mem, int64_t, (uint32_t)rank);
    for (int32_t i = 0; i + 2 < rank; i++) axes[i] = i + 1;
    value_id scale = input_of(e, 1), bias = input_of(e, 2), y = own == stash ? x : cast(e, x, stash);
    y = normalized_groups(e, y, groups, repeated(e, "ones", groups, 1, stash), repeated(e, "zeros", groups, 0, stash));
    if (own != stash) y = cast(e, y, own);
    if (rank > 2) scale = with_axes(e, scale, (uint32_t)rank - 2, axes);
    if (rank > 2) bias = with_axes(e, bias, (uint32_t)rank - 2, axes);
    become(e, "Add", NULL, IN(insert(e, "Mul", NULL, IN(y, scale)), bias));
    return true;
}

static bool group_norm_from_18(edit *e)
{
    const int64_t groups = node_int(edited(e), "num_groups", 0);
    if (groups < 1) return version_error(e, "version-lower", "num_groups is not known");
    become(e, "Identity", NULL, IN(normalized_groups(e, input_of(e, 0), groups, input_of(e, 1), input_of(e, 2))));
    return true;
}

/* ---- CausalConvWithState: Conv over the past and the input ---- */

static bool causal_conv_body(edit *e)
{
    model *m = e->m;
    const value_id x = input_of(e, 0), weight = input_of(e, 1), bias = input_of(e, 2), past = input_of(e, 3);
    const type *w = &value_at(m, weight)->type;
    const char *activation = node_string(edited(e), "activation", "none");
    const bool silu = !strcmp(activation, "silu") || !strcmp(activation, "swish");
    int64_t channels, taps;
    if (w->kind != TYPE_TENSOR || w->rank != 3 || !dim_is_const(m->dims, w->shape[0], &channels) || !dim_is_const(m->dims, w->shape[2], &taps) || taps < 1)
        return version_error(e, "version-lower", "the shape of the weights has to be known to say it with older operators");
    if (!silu && strcmp(activation, "none")) return version_error(e, "version-lower", "activation '%s' is none of silu, swish, none", activation);
    const attr axis = attr_int(m, "axis", 2), group = attr_int(m, "group", channels);
    const int64_t pads[6] = {0, 0, taps - 1, 0, 0, 0};
    const value_id all = past ? insert(e, "Concat", &axis, IN(past, x)) : insert(e, "Pad", NULL, IN(x, const_ints(e, "pads", 6, pads)));
    const value_id y = bias ? insert(e, "Conv", &group, IN(all, weight, bias)) : insert(e, "Conv", &group, IN(all, weight));
    if (output_of(e, 1)) give_output(e, 1, slice(e, all, one_int(e, taps > 1 ? 1 - taps : INT64_MAX), one_int(e, INT64_MAX), 2));
    if (silu) become(e, "Mul", NULL, IN(y, insert(e, "Sigmoid", NULL, IN(y))));
    else become(e, "Identity", NULL, IN(y));
    return true;
}

/* ---- others ---- */

/* Mod 28 -> 13: of floats there is only the remainder with the sign of the dividend; the divisor's sign it has to have, zero too. */
static bool mod_from_28(edit *e)
{
    const value_id x = input_of(e, 0), y = input_of(e, 1);
    const elem t = elem_type_of(e, x);
    if (node_int(edited(e), "fmod", 0) || (t != ELEM_NONE && elem_of(t)->kind != 'f')) return true;
    if (t == ELEM_NONE) return version_error(e, "version-lower", "before version 28, floats need fmod=1, and the type is not known");
    const attr fmod = attr_int(e->m, "fmod", 1);
    const value_id r = insert(e, "Mod", &fmod, IN(x, y)), zero = number(e, "zero", 0, t);
    const value_id low = insert(e, "And", NULL, IN(insert(e, "Less", NULL, IN(r, zero)), insert(e, "Greater", NULL, IN(y, zero))));
    const value_id high = insert(e, "And", NULL, IN(insert(e, "Greater", NULL, IN(r, zero)), insert(e, "Less", NULL, IN(y, zero))));
    const value_id same = insert(e, "Mul", NULL, IN(insert(e, "Abs", NULL, IN(r)), insert(e, "Sign", NULL, IN(y))));
    become(e, "Where", NULL, IN(insert(e, "Or", NULL, IN(low, high)), insert(e, "Add", NULL, IN(r, y)), same));
    return true;
}

/* Elements on one side of a diagonal, zeros on the other. */
static bool trilu_body(edit *e)
{
    const value_id x = input_of(e, 0), k = input_of(e, 1);
    const int32_t rank = rank_of(e, x);
    const elem t = elem_type_of(e, x);
    const bool upper = node_int(edited(e), "upper", 1);
    if (rank < 2 || t == ELEM_NONE || strchr("sc", elem_of(t)->kind)) return version_error(e, "version-lower", "type and number of dimensions have to be known to say it with older operators");
    const value_id column = count_to(e, size_of(e, x, rank - 1)), row = with_axes(e, count_to(e, size_of(e, x, rank - 2)), 1, (const int64_t[]){1});
    const value_id diagonal = k ? insert(e, "Add", NULL, IN(row, k)) : row;
    const value_id beyond = insert(e, upper ? "Less" : "Greater", NULL, IN(column, diagonal));
    become(e, "Where", NULL, IN(beyond, number(e, "zero", 0, t), x));
    return true;
}

const adapter_row lower_body_rows[] = {
    {"", "GroupNormalization", 18, group_norm_from_18},
    {"", "GroupNormalization", 21, group_norm_from_21},
    {"", "CausalConvWithState", 27, causal_conv_body},
    {"", "LinearAttention", 27, attention_expand},
    {"", "Mod", 28, mod_from_28},
    {"", "Trilu", 14, trilu_body},
    {"", "LayerNormalization", 17, layer_norm_body},
    {"", "RMSNormalization", 23, rms_norm_body},
    {"", "Gelu", 20, gelu_body},
    {NULL, NULL, 0, NULL},
};
