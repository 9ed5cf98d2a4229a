/* version_lower_body.c - operators that an older version lacks, said with those that it has: those for which the standard has no body as data, since it depends on the
 * node. Source: the function bodies of the standard's operators. */
#include <math.h>
#include <string.h>

#include "ops/version_edit.h"
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
    n->stash = (elem)node_int(edited(e), "stash_type", ELEM_FLOAT);
    n->axes = last_axes(e, x, node_int(edited(e), "axis", -1));
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

const adapter_row lower_body_rows[] = {
    {"", "LayerNormalization", 17, layer_norm_body},
    {"", "RMSNormalization", 23, rms_norm_body},
    {"", "Gelu", 20, gelu_body},
    {NULL, NULL, 0, NULL},
};
