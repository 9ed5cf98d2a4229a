/* weights.c - products with constant weights, and these weights in 8 bits. */
#include <math.h>
#include <string.h>

#include "passes/forms.h"
#include "quant/plan.h"

enum { MOST_DEPTH = 65000 }; /* products of 255 * 127 that 32 bits certainly hold */

static const tensor *float_constant(model *m, value_id v)
{
    const tensor *t = constant_of(m, v);
    return t && t->type == ELEM_FLOAT ? t : NULL;
}

static bool is_float_tensor(model *m, value_id v)
{
    const type *t = &value_at(m, v)->type;
    return t->kind == TYPE_TENSOR && t->elem == ELEM_FLOAT;
}

static bool all_finite(const tensor *t)
{
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(elem_get_double(t->type, t->data, (size_t)i))) return false;
    return true;
}

/* The bias of a Gemm or Conv: a constant with one element per channel; Gemm broadcasts it. */
static bool bias_fits(model *m, const product *p)
{
    if (!p->bias) return true;
    const tensor *t = float_constant(m, p->bias);
    if (!t || !all_finite(t)) return false;
    const int64_t n = tensor_count(t);
    return n == 1 || (n == p->channels && t->rank && t->shape[t->rank - 1] == n);
}

static const char *read_weights(model *m, const node *n, product *out)
{
    const bool conv = !strcmp(n->op, "Conv"), gemm = !strcmp(n->op, "Gemm");
    const tensor *w = float_constant(m, out->weights);
    if (constant_of(m, out->x)) return "its first input is a constant";
    if (!constant_of(m, out->weights)) return "its weights are not constant";
    if (!w || !is_float_tensor(m, out->x)) return "it is not in float32";
    if (!tensor_count(w)) return "it has no weights";
    if (conv ? w->rank < 3 : gemm ? w->rank != 2 : w->rank < 2) return conv || gemm ? "its weights have an unexpected shape" : "its weights are no matrix";
    if (!all_finite(w)) return "its weights are not all finite";
    const bool first = conv || (gemm && node_int(n, "transB", 0));
    out->axis = first ? 0 : w->rank - 1; /* of a batch of matrices: the columns of all of them */
    out->channels = w->shape[out->axis];
    out->depth = first ? tensor_count(w) / out->channels : w->shape[w->rank - 2];
    if (gemm) {
        out->alpha = node_float(n, "alpha", 1);
        out->beta = node_float(n, "beta", 1);
        out->turned = node_int(n, "transA", 0) != 0;
    }
    return out->depth > MOST_DEPTH ? "its sums may not fit 32 bits" : NULL;
}

const char *read_product(quantize_plan *p, node_id id, product *out)
{
    model *m = p->m;
    const node *n = node_at(m, id);
    *out = (product){.id = id, .x = node_in(n, 0), .weights = node_in(n, 1), .bias = node_in(n, 2), .alpha = 1, .beta = 1};
    if (!op_readable(n)) return "it is an old form of the operator";
    const char *why = read_weights(m, n, out);
    if (why) return why;
    if (!bias_fits(m, out)) return "its bias is not constant, or not one number per channel";
    if (!isfinite(out->alpha) || !isfinite(out->beta) || out->alpha == 0) return "alpha or beta are no usable numbers";
    return NULL;
}

/* ---- 8 bits ---- */

typedef struct {
    const tensor *w;
    int64_t channels, inner, outer; /* element (o, c, i) at (o * channels + c) * inner + i */
} strided;

static double weight_at(const strided *s, int64_t c, int64_t k)
{
    return elem_get_double(ELEM_FLOAT, s->w->data, (size_t)((k / s->inner * s->channels + c) * s->inner + k % s->inner));
}

/* One scale for the channels [from, to). */
static float scale_of(quantize_plan *p, const strided *s, int64_t from, int64_t to)
{
    const int64_t depth = s->inner * s->outer;
    if (p->o->method == RANGE_MSE && p->o->mode == QUANTIZE_STATIC) {
        arena *scratch = arena_new();
        float *all = ARENA_ARRAY(scratch, float, depth *(to - from));
        for (int64_t c = from; c < to; c++)
            for (int64_t k = 0; k < depth; k++) all[(c - from) * depth + k] = (float)weight_at(s, c, k);
        const float scale = weight_scale_mse(all, depth * (to - from), 1);
        arena_free(scratch);
        return scale;
    }
    double most = 0;
    for (int64_t c = from; c < to; c++)
        for (int64_t k = 0; k < depth; k++) most = fmax(most, fabs(weight_at(s, c, k)));
    return weight_scale(most);
}

static tensor *quantize_elements(quantize_plan *p, const strided *s, const float *scale, int64_t n_scale, weights_form form, double *sqnr)
{
    const tensor *w = s->w;
    const int64_t turned[2] = {w->shape[w->rank - 1], w->shape[0]}, depth = s->inner * s->outer, zero = form.type == ELEM_UINT8 ? 128 : 0;
    tensor *t = tensor_new(p->m->mem, form.type, w->rank, form.rows ? turned : w->shape);
    unsigned char *to = (void *)(uintptr_t)t->data;
    double power = 0, noise = 0;
    for (int64_t c = 0; c < s->channels; c++) {
        const double by = (double)scale[n_scale > 1 ? c : 0];
        for (int64_t k = 0; k < depth; k++) {
            const double v = weight_at(s, c, k), q = fmin(fmax((double)rintf((float)v / (float)by), -127), 127), off = v - q * by;
            const int64_t at = form.rows ? k * s->channels + c : (k / s->inner * s->channels + c) * s->inner + k % s->inner;
            to[at] = (unsigned char)((int64_t)q + zero);
            power += v * v;
            noise += off * off;
        }
    }
    *sqnr = decibel(power, noise);
    return t;
}

/* The same weights in the same form that another product has. */
static const weights8 *made_before(const quantize_plan *p, const weights8 *w)
{
    for (uint32_t i = 0; i < p->weights.n; i++) {
        const weights8 *x = p->weights.p[i];
        if (x->of == w->of && x->type == w->type && x->rows == w->rows && x->n == w->n && !memcmp(x->s, w->s, (size_t)w->n * sizeof *w->s)) return x;
    }
    return NULL;
}

weights8 weights_quantized(quantize_plan *p, const product *pr, weights_form form)
{
    model *m = p->m;
    const tensor *w = constant_of(m, pr->weights);
    strided s = {.w = w, .channels = pr->channels, .inner = 1, .outer = 1};
    for (uint32_t i = 0; i < w->rank; i++) {
        if (i < pr->axis) s.outer *= w->shape[i];
        if (i > pr->axis) s.inner *= w->shape[i];
    }
    weights8 out = {.of = pr->weights, .type = form.type, .rows = form.rows, .n = form.per_channel ? s.channels : 1};
    float *scale = ARENA_ARRAY(m->mem, float, s.channels);
    double least = 0;
    for (int64_t c = 0; c < out.n; c++) scale[c] = form.per_channel ? scale_of(p, &s, c, c + 1) : scale_of(p, &s, 0, s.channels);
    for (int64_t c = 0; form.least && c < s.channels; c++) {
        least = fmax(least, form.least[c]);
        if (form.per_channel && (double)scale[c] < form.least[c]) scale[c] = (float)form.least[c];
    }
    if (!form.per_channel && (double)scale[0] < least) scale[0] = (float)least;
    const char *of = value_at(m, pr->weights)->name;
    out.s = scale;
    const weights8 *same = made_before(p, &out);
    if (same) return *same;
    out.q = new_constant(m, of, "quantized", quantize_elements(p, &s, scale, out.n, form, &out.sqnr));
    out.scale = floats_value(m, of, "scale", out.n > 1, &out.n, scale);
    VEC_PUSH(p->mem, p->weights, arena_copy(p->mem, &out, sizeof out));
    return out;
}

/* ---- building ---- */

value_id scalar_value(model *m, const char *of, const char *role, elem e, double v)
{
    tensor *t = tensor_new(m->mem, e, 0, NULL);
    elem_set_double(e, (void *)(uintptr_t)t->data, 0, v);
    return new_constant(m, of, role, t);
}

value_id floats_value(model *m, const char *of, const char *role, uint32_t rank, const int64_t *shape, const float *v)
{
    tensor *t = tensor_new(m->mem, ELEM_FLOAT, rank, shape);
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, (size_t)i, (double)v[i]);
    return new_constant(m, of, role, t);
}

/* A name that no node has: onnxruntime refuses models where two have the same. */
static const char *node_name(model *m, const char *of, const char *op)
{
    for (uint32_t k = 1;; k++) {
        const char *name = intern(m->names, arena_printf(m->mem, k > 1 ? "%s.%s.%u" : "%s.%s", of, op, k));
        bool taken = false;
        for (node_id n = 1; n < m->nodes.n && !taken; n++) taken = node_at(m, n)->name == name;
        if (!taken) return name;
    }
}

value_id emit_node(node_list *to, const char *op, uint32_t n_in, const value_id *in, uint32_t n_out, value_id *others)
{
    model *m = to->m;
    const char *name = node_name(m, to->of, op);
    const node_id id = node_new(m, to->graph, "", op, n_in, n_out, 0);
    node *n = node_at(m, id);
    n->version = op_version(m, "", op);
    n->name = name;
    memcpy(n->in, in, n_in * sizeof *in);
    for (uint32_t k = 0; k < n_out; k++) {
        const value_id v = value_new(m, arena_printf(m->mem, k ? "%s.out%u" : "%s", name, k));
        value_at(m, v)->producer = id;
        value_at(m, v)->output = k;
        node_at(m, id)->out[k] = v;
        if (k) others[k - 1] = v;
    }
    VEC_PUSH(m->mem, to->nodes, id);
    return node_at(m, id)->out[0];
}
