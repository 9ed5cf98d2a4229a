/* norm.c - pass `norm`: layer normalization, recognised in what it computes, becomes the operator of that name.
 *
 *     d = x - mean(x)      d / sqrt(mean(d * d) + e)            LayerNormalization(x, ones)          from opset 17 on
 *                          x / sqrt(mean(x * x) + e)            RMSNormalization(x, ones)            from opset 23 on
 *     Mul(LayerNormalization(x, ones), g)                       LayerNormalization(x, g)
 *     Add(LayerNormalization(x, g), b)                          LayerNormalization(x, g, b)
 *
 * Division by a square root, multiplication by its reciprocal and Pow(-0.5), squares as Pow and Mul, operands in either order: see algebra.h.
 *
 * requires: types known; float32. breaks: the order of additions, so the last bits. */
#include <string.h>

#include "passes/algebra.h"
#include "passes/forms.h"
#include "passes/passes.h"

static const type *floats(model *m, value_id v)
{
    const type *t = &value_at(m, v)->type;
    return t->kind == TYPE_TENSOR && t->elem == ELEM_FLOAT && t->rank > 0 ? t : NULL;
}

/* The tensor of ones that a norm without a factor needs: the size of the last axes has to be known. */
static value_id ones_like(model *m, const type *t, int64_t axis, value_id of)
{
    int64_t shape[64];
    const uint32_t rank = (uint32_t)(t->rank - axis);
    if (rank > 64) return 0;
    for (uint32_t i = 0; i < rank; i++)
        if (!dim_is_const(m->dims, t->shape[axis + i], &shape[i]) || shape[i] < 1) return 0;
    tensor *ones = tensor_new(m->mem, ELEM_FLOAT, rank, shape);
    const int64_t n = tensor_count(ones);
    for (int64_t i = 0; i < n; i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)ones->data, (size_t)i, 1);
    return new_constant(m, value_at(m, of)->name, "ones", ones);
}

/* v = sqrt(w) or, `inverse`, 1 / sqrt(w). */
static bool is_root(rewrite *r, value_id v, bool inverse, value_id *w)
{
    const node *root = inverse ? NULL : rewrite_producer_is(r, v, "Sqrt");
    if (root) *w = root->in[0];
    return root || (inverse && is_rsqrt(r, v, w));
}

/* The node is d divided by the root of the mean of its square. */
static bool core(rewrite *r, const node *n, value_id d, value_id root, int64_t *axis, double *epsilon)
{
    value_id sum, mean, square, w;
    if (!is_root(r, root, !op_is(n, "Div"), &sum) || !is_shifted(r, sum, &mean, epsilon) || *epsilon < 0) return false;
    return is_mean(r, mean, &square, axis) && is_square(r, square, &w) && w == d;
}

static bool become_norm(rewrite *r, node_id id, const char *op, value_id x, int64_t axis, double epsilon)
{
    model *m = r->m;
    const value_id out = node_at(m, id)->out[0];
    const type *t = floats(m, x);
    if (!t || !same_value_type(m, x, out)) return false;
    const value_id ones = ones_like(m, t, axis, out);
    const bool last = axis == value_at(m, x)->type.rank - 1;
    if (!ones) return false;
    (void)rewrite_becomes(r, id, "", op, 2, (const value_id[]){x, ones});
    if (!last) set_attr_int(m, id, "axis", axis);
    set_attr_float(m, id, "epsilon", (float)epsilon);
    return true;
}

static bool recognise(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    const node n = *node_at(r->m, id);
    int64_t axis, mean_axis;
    double epsilon;
    value_id of;
    for (uint32_t i = 0; i < (op_is(&n, "Div") ? 1 : 2); i++) {
        const value_id d = n.in[i];
        if (n.n_in != 2 || !core(r, &n, d, n.in[1 - i], &axis, &epsilon)) continue;
        const node *centred = rewrite_producer_is(r, d, "Sub");
        if (centred && is_mean(r, centred->in[1], &of, &mean_axis) && of == centred->in[0] && mean_axis == axis &&
            op_has(r->m, "LayerNormalization", 17))
            return become_norm(r, id, "LayerNormalization", of, axis, epsilon);
        return op_has(r->m, "RMSNormalization", 23) && become_norm(r, id, "RMSNormalization", d, axis, epsilon);
    }
    return false;
}

/* ---- factor and bias ---- */

static bool all_ones(model *m, value_id v)
{
    const tensor *t = constant_of(m, v);
    if (!t || t->type != ELEM_FLOAT) return false;
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++)
        if (elem_get_double(t->type, t->data, (size_t)i) != 1) return false;
    return true;
}

/* `v` in the shape that the norm wants for a factor or bias: exactly the last axes. A constant may have ones in front. 0: it does not fit. */
static value_id last_axes(model *m, value_id v, const type *x, int64_t axis)
{
    const type *t = floats(m, v);
    const int32_t rank = (int32_t)(x->rank - axis);
    if (!t || t->rank < rank || t->rank > x->rank) return 0;
    for (int32_t i = 0; i < t->rank; i++) {
        const int32_t from_end = t->rank - 1 - i;
        if (from_end < rank ? t->shape[i] != x->shape[x->rank - 1 - from_end] : !dim_is(m->dims, t->shape[i], 1)) return 0;
    }
    if (t->rank == rank) return v;
    const tensor *data = constant_of(m, v);
    if (!data) return 0;
    tensor *same = ARENA_NEW(m->mem, tensor);
    *same = *data;
    same->source = NULL;
    same->rank = (uint32_t)rank;
    same->shape = data->shape + (t->rank - rank);
    return new_constant(m, value_at(m, v)->name, "row", same);
}

static bool take_operand(rewrite *r, node_id id, bool factor)
{
    model *m = r->m;
    const node n = *node_at(m, id);
    for (uint32_t i = 0; i < 2 && n.n_in == 2; i++) {
        const node *found = rewrite_producer(r, n.in[i]);
        const bool layer = found && node_is(found, "", "LayerNormalization"), rms = found && node_is(found, "", "RMSNormalization");
        if ((!layer && !(rms && factor)) || !rewrite_only_use(r, n.in[i]) || node_in(found, 2)) continue;
        const node norm = *found;
        const type *x = floats(m, norm.in[0]);
        if (!x || !same_value_type(m, n.in[i], n.out[0]) || (factor && !all_ones(m, norm.in[1]))) continue;
        const int64_t given = node_int(&norm, "axis", -1), axis = given < 0 ? given + x->rank : given;
        const value_id row = axis < 0 || axis >= x->rank ? 0 : last_axes(m, n.in[1 - i], x, axis);
        if (!row) continue;
        const value_id in[] = {norm.in[0], factor ? row : norm.in[1], row};
        (void)rewrite_becomes(r, id, "", norm.op, factor ? 2 : 3, in);
        for (uint32_t k = 0; k < norm.n_attr; k++) node_set_attr(m, node_at(m, id), norm.attr[k]);
        return true;
    }
    return false;
}

static bool take_factor(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    return take_operand(r, id, true);
}

static bool take_bias(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    return take_operand(r, id, false);
}

static const rule_row RULES[] = {{"Div", recognise}, {"Mul", recognise}, {"Mul", take_factor}, {"Add", take_bias}, {NULL, NULL}};

void make_norms(model *m)
{
    rewrite_rules(m, RULES, NULL);
}
