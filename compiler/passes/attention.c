/* attention.c - pass `attention`: scaled dot products, recognised in what they compute.
 *
 *     softmax(s q k' + mask) v            q, k, v: [batch, heads, length, size]; s anywhere: on q, on k, on the product
 *
 *     Attention(q, k, v, mask)                        ai.onnx, from opset 23 on; k and v without the repetition of their heads, if there is one
 *     MultiHeadAttention(q, k, v, , , mask)           for onnxruntime: with the Reshape and Transpose around it, on [batch, length, heads * size]; k
 * and v may also be [batch, heads, length, size], as a cache keeps them
 *
 * Where rows of NaN are replaced by zeros (Where(IsNaN(p), 0, p), as PyTorch exports), that goes when the mask is made of finite numbers: no row is NaN then, if
 * q and k are not. With another mask it stays as it is: a row that the mask hides altogether is zero there, and is not in the operators.
 *
 * requires: types known; float32. breaks: the exact sequence of roundings. */
#include <math.h>
#include <string.h>

#include "passes/algebra.h"
#include "passes/forms.h"
#include "passes/optimize.h"
#include "passes/passes.h"

typedef struct {
    value_id q, k, v; /* four dimensions */
    bool k_inner;     /* k stands as [batch, length, heads, size] */
    value_id mask;    /* 0: none */
    double scale;
} dot_products;

static const type *four_floats(model *m, value_id v)
{
    const type *t = v ? &value_at(m, v)->type : NULL;
    return t && t->kind == TYPE_TENSOR && t->elem == ELEM_FLOAT && t->rank == 4 ? t : NULL;
}

static bool order_is(model *m, const node *n, const char *order)
{
    uint32_t have[MAX_RANK], rank;
    if (!n || !transpose_order(m, n, have, &rank) || rank != strlen(order)) return false;
    for (uint32_t i = 0; i < rank; i++)
        if (have[i] != (uint32_t)(order[i] - '0')) return false;
    return true;
}

/* v without factors that are numbers. */
static value_id unscaled(rewrite *r, value_id v, double *scale)
{
    for (;;) {
        const node *n = rewrite_producer(r, v);
        double number;
        if (!n || n->n_in != 2 || (!op_is(n, "Mul") && !op_is(n, "Div"))) return v;
        const bool second = scalar_constant(r->m, n->in[1], &number);
        if (!second && (op_is(n, "Div") || !scalar_constant(r->m, n->in[0], &number))) return v;
        if (op_is(n, "Div") && number == 0) return v;
        *scale *= op_is(n, "Mul") ? number : 1 / number;
        v = n->in[second ? 0 : 1];
    }
}

/* ---- softmax(s q k' + mask) ---- */

static bool read_product(rewrite *r, value_id v, dot_products *a)
{
    model *m = r->m;
    const node *n = rewrite_producer_is(r, unscaled(r, v, &a->scale), "MatMul");
    if (!n) return false;
    const value_id q = n->in[0], k = n->in[1];
    a->q = unscaled(r, q, &a->scale);
    const value_id turned = unscaled(r, k, &a->scale);
    const node *t = rewrite_producer_is(r, turned, "Transpose");
    a->k_inner = order_is(m, t, "0231");
    if (!a->k_inner && !order_is(m, t, "0132")) return false;
    a->k = unscaled(r, t->in[0], &a->scale);
    return four_floats(m, a->q) && four_floats(m, a->k);
}

static bool read_scores(rewrite *r, value_id v, dot_products *a)
{
    const node *sum = rewrite_producer_is(r, v, "Add");
    a->scale = 1;
    a->mask = 0;
    if (!sum) return read_product(r, v, a);
    for (uint32_t i = 0; i < 2; i++) {
        a->scale = 1;
        a->mask = sum->in[1 - i];
        if (read_product(r, sum->in[i], a)) return true;
    }
    return false;
}

/* Proved to hold finite numbers: choices between constants, and what moves them. */
static bool is_finite(rewrite *r, value_id v, int depth)
{
    enum { MOST = 16 };
    static const char *const moves[] = {"Expand", "Unsqueeze", "Squeeze", "Reshape", "Slice", "Cast", "Transpose", "Identity"};
    const tensor *t = value_at(r->m, v)->data;
    if (t && t->type == ELEM_FLOAT) {
        for (int64_t i = 0; i < tensor_count(t); i++)
            if (!isfinite(elem_get_double(t->type, t->data, (size_t)i))) return false;
        return true;
    }
    const node *n = depth < MOST ? rewrite_producer(r, v) : NULL;
    if (!n) return false;
    if (op_is(n, "Where")) return is_finite(r, n->in[1], depth + 1) && is_finite(r, n->in[2], depth + 1);
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (op_is(n, moves[i])) return is_finite(r, n->in[0], depth + 1);
    return false;
}

/* The softmax below v; *guarded: between them rows of NaN become zeros. */
static const node *softmax_of(rewrite *r, value_id v, bool *guarded)
{
    double zero;
    const node *where = rewrite_producer_is(r, v, "Where"), *nan = where ? rewrite_producer_is(r, where->in[0], "IsNaN") : NULL;
    *guarded = nan && nan->in[0] == where->in[2] && scalar_constant(r->m, where->in[1], &zero) && zero == 0;
    if (*guarded) v = where->in[2];
    const node *n = rewrite_producer_is(r, v, "Softmax");
    const int64_t axis = n ? node_int(n, "axis", -1) : 0;
    return n && (axis == -1 || axis == 3) ? n : NULL;
}

/* The node is MatMul(softmax(...), v). */
static bool read_attention(rewrite *r, const node *n, dot_products *a)
{
    model *m = r->m;
    bool guarded = false;
    const node *softmax = n && op_is(n, "MatMul") ? softmax_of(r, n->in[0], &guarded) : NULL;
    if (!softmax || !read_scores(r, softmax->in[0], a) || (guarded && a->mask && !is_finite(r, a->mask, 0))) return false;
    a->v = n->in[1];
    const type *q = four_floats(m, a->q), *k = four_floats(m, a->k), *v = four_floats(m, a->v), *y = four_floats(m, n->out[0]);
    if (!v || !y || !same_value_type(m, n->in[0], softmax->out[0])) return false;
    const uint32_t heads = a->k_inner ? 2 : 1, length = a->k_inner ? 1 : 2;
    return q->shape[0] == k->shape[0] && k->shape[0] == v->shape[0] && q->shape[1] == k->shape[heads] && q->shape[1] == v->shape[1] &&
           k->shape[length] == v->shape[2] && q->shape[3] == k->shape[3];
}

/* Dimensions of the mask: those of the scores, or 1 for batch and heads. The standard would stretch the others too; onnxruntime does not. */
static bool mask_fits(model *m, const dot_products *a)
{
    const type *t = four_floats(m, a->mask), *q = four_floats(m, a->q), *v = four_floats(m, a->v);
    if (!a->mask) return true;
    if (!t) return false;
    const dim want[] = {q->shape[0], q->shape[1], q->shape[2], v->shape[2]};
    for (uint32_t i = 0; i < 4; i++)
        if (t->shape[i] != want[i] && !(i < 2 && dim_is(m->dims, t->shape[i], 1))) return false;
    return true;
}

static void set_scale(model *m, node_id id, const dot_products *a)
{
    int64_t size;
    const bool known = dim_is_const(m->dims, four_floats(m, a->q)->shape[3], &size);
    if (!known || !close_to(a->scale, 1 / sqrt((double)size))) set_attr_float(m, id, "scale", (float)a->scale);
}

/* ---- Attention of the standard ---- */

static bool standard(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    dot_products a;
    const node n = *node_at(m, id);
    if (!op_has(m, "Attention", 23) || !read_attention(r, &n, &a) || a.k_inner || !mask_fits(m, &a)) return false;
    (void)rewrite_becomes(r, id, "", "Attention", a.mask ? 4 : 3, (const value_id[]){a.q, a.k, a.v, a.mask});
    set_scale(m, id, &a);
    return true;
}

/* x [batch, heads, length, size], when v repeats every head of it some times: Reshape(Expand(Unsqueeze(x))). 0: it does not. */
static value_id repeated_heads(rewrite *r, value_id v)
{
    model *m = r->m;
    const node *join = rewrite_producer_is(r, v, "Reshape"), *expand = join ? rewrite_producer_is(r, join->in[0], "Expand") : NULL;
    const node *apart = expand ? rewrite_producer(r, expand->in[0]) : NULL;
    if (!apart || (!op_is(apart, "Unsqueeze") && !op_is(apart, "Reshape"))) return 0;
    const type *x = four_floats(m, apart->in[0]), *y = four_floats(m, v), *wide = &value_at(m, expand->out[0])->type, *one = &value_at(m, apart->out[0])->type;
    int64_t heads, times, all;
    if (!x || !y || wide->kind != TYPE_TENSOR || wide->rank != 5 || one->kind != TYPE_TENSOR || one->rank != 5 || !dim_is(m->dims, one->shape[2], 1)) return 0;
    for (int32_t i = 0, k = 0; i < 5; i++) {
        if (i == 2) continue;
        if (wide->shape[i] != x->shape[k] || one->shape[i] != x->shape[k] || (k != 1 && y->shape[k] != x->shape[k])) return 0;
        k++;
    }
    if (!dim_is_const(m->dims, x->shape[1], &heads) || !dim_is_const(m->dims, wide->shape[2], &times) || !dim_is_const(m->dims, y->shape[1], &all)) return 0;
    return all == heads * times ? apart->in[0] : 0;
}

/* Attention has groups of its own: heads of q that share one of k and v. */
static bool share_heads(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    const node n = *node_at(r->m, id);
    if (!four_floats(r->m, n.in[0]) || n.n_in > 4 || n.n_out > 1) return false;
    const value_id k = repeated_heads(r, n.in[1]), v = k ? repeated_heads(r, n.in[2]) : 0;
    if (!v || four_floats(r->m, k)->shape[1] != four_floats(r->m, v)->shape[1]) return false;
    rewrite_set_input(r, id, 1, k);
    rewrite_set_input(r, id, 2, v);
    return true;
}

/* ---- MultiHeadAttention of onnxruntime ---- */

/* What v = Transpose(Reshape(x)) makes [batch, heads, length, size] of, if x is [batch, length, heads * size]; `turned`: v has not been transposed.
 */
static value_id heads_together(rewrite *r, value_id v, bool turned)
{
    model *m = r->m;
    const node *transpose = turned ? NULL : rewrite_producer_is(r, v, "Transpose");
    if (!turned && !order_is(m, transpose, "0213")) return 0;
    const node *reshape = rewrite_producer_is(r, turned ? v : transpose->in[0], "Reshape");
    const type *apart = reshape ? four_floats(m, reshape->out[0]) : NULL, *t = reshape ? &value_at(m, reshape->in[0])->type : NULL;
    if (!apart || t->kind != TYPE_TENSOR || t->rank != 3 || t->shape[0] != apart->shape[0] || t->shape[1] != apart->shape[1]) return 0;
    return reshape->in[0];
}

/* A constant shape that means the same when the last two dimensions before it are one. */
static bool only_early_zeros(model *m, const node *reshape)
{
    const tensor *t = constant_of(m, node_in(reshape, 1));
    const int64_t n = t ? tensor_count(t) : 0;
    for (int64_t i = 2; i < n; i++)
        if (!elem_get_int(t->type, t->data, (size_t)i)) return false;
    return t != NULL;
}

/* [batch, length, heads, size] with the last two as one. */
static type heads_joined(model *m, const type *y, int64_t width)
{
    dim *shape = shape_new(m, 3);
    shape[0] = y->shape[0];
    shape[1] = y->shape[1];
    shape[2] = dim_const(m->dims, width);
    return type_tensor(ELEM_FLOAT, 3, shape);
}

/* The Transpose back after the attention becomes the operator; the Reshape that follows has nothing left to do, or something else. */
static bool microsoft(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const pass_context *c = rewrite_context(r);
    dot_products a;
    const node *reshape = node_at(m, id), *back = c->reader == FOR_ONNXRUNTIME ? rewrite_producer_is(r, reshape->in[0], "Transpose") : NULL;
    const value_id out = reshape->in[0];
    const type *y = four_floats(m, out);
    if (!y || !order_is(m, back, "0213") || !only_early_zeros(m, reshape) || !rewrite_only_use(r, back->in[0]) || !rewrite_only_use(r, out))
        return false;
    if (!read_attention(r, rewrite_producer(r, back->in[0]), &a) || !mask_fits(m, &a)) return false;
    int64_t heads, size;
    if (!dim_is_const(m->dims, y->shape[2], &heads) || !dim_is_const(m->dims, y->shape[3], &size)) return false;
    const value_id q = heads_together(r, a.q, false), k = heads_together(r, a.k, a.k_inner), v = heads_together(r, a.v, false);
    const bool apart = !k || !v;
    if (!q || (apart && a.k_inner)) return false;
    const node_id at = value_at(m, out)->producer;
    const value_id in[] = {q, apart ? a.k : k, apart ? a.v : v, 0, 0, a.mask};
    (void)rewrite_becomes(r, at, "com.microsoft", "MultiHeadAttention", a.mask ? 6 : 3, in);
    set_attr_int(m, at, "num_heads", heads);
    set_scale(m, at, &a);
    value_at(m, out)->type = heads_joined(m, four_floats(m, out), heads * size);
    value_at(m, out)->source = NULL;
    return true;
}

static const rule_row RULES[] = {{"MatMul", standard}, {"Attention", share_heads}, {"Reshape", microsoft}, {NULL, NULL}};

void make_attentions(model *m, const struct pass_context *c)
{
    rewrite_rules(m, RULES, (void *)(uintptr_t)c);
}
