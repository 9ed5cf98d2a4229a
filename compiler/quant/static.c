/* static.c - QuantizeLinear and DequantizeLinear around the nodes that compute in integers.
 *
 *     x ... Q DQ -> Conv(., DQ(weights), DQ(bias)) -> Q DQ ... y
 *
 * A value that comes out in integers has one pair right behind its producer, and everybody reads what the pair gives. A float value that
 * integer nodes read has one pair, which they share; others read the value itself. Weights are stored in 8 bits, biases in 32 with the scale of
 * the sums; a Relu or Clip goes where the saturation of the rounding does the same.
 *
 * in: a plan whose values were observed. out: the model, with the names of all results kept. */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "passes/forms.h"
#include "quant/plan.h"

typedef struct {
    quantize_plan *p;
    node_list to;
    value_id *pair; /* by value id: the float value after its pair; 0: not made */
    uint8_t *gone;  /* by node id: a clamp that vanished */
    layer **layer;  /* by node id, of products */
} writer;

/* ---- parameters ---- */

quant_params quantize_params(const quantize_plan *p, value_id v)
{
    const observed *s = p->seen[p->same_as[v]] ? p->seen[p->same_as[v]] : p->seen[p->first_same[v]];
    double lo = 0, hi = 0;
    if (s) range_of(s, p->o->method, &lo, &hi);
    return params_of_range(lo, hi, p->o->activations);
}

/* A batch of matrices has one scale: onnxruntime's integer products take one per column only as [.., 1, N], which no DequantizeLinear gives. */
static bool per_channel(const quantize_plan *p, const product *pr)
{
    return !p->o->per_tensor && op_has(p->m, "DequantizeLinear", 13) && pr->axis < 2;
}

/* A bias is stored in steps of input scale times weight scale. Where that does not fit 32 bits, the weights' steps get larger. */
static double *least_scales(quantize_plan *p, const product *pr, double input)
{
    const tensor *b = pr->bias ? constant_of(p->m, pr->bias) : NULL;
    if (!b) return NULL;
    const int64_t n = tensor_count(b);
    double *least = ARENA_ARRAY(p->mem, double, pr->channels);
    for (int64_t c = 0; c < pr->channels; c++) least[c] = fabs(elem_get_double(b->type, b->data, n > 1 ? (size_t)c : 0)) / input / 0x1p30;
    return least;
}

/* The noises of input and weights, which add up. */
static double together(const layer *l)
{
    double noise = 0;
    for (int i = 0; i < 2; i++)
        if (!isnan(l->sqnr[i])) noise += fm_pow(10, -l->sqnr[i] / 10);
    return decibel(1, noise);
}

static void take_measures(const quantize_plan *p, layer *l)
{
    const value_id y = node_at(p->m, l->id)->out[0], out = p->absorbed[y] ? node_at(p->m, p->absorbed[y])->out[0] : y;
    const observed *in = p->seen[p->first_same[l->p.x]], *rounded = p->integer[out] ? p->seen[p->first_same[out]] : NULL;
    l->sqnr[1] = l->w8->sqnr;
    if (rounded && rounded->count) l->sqnr[2] = decibel(rounded->power, rounded->noise);
    if (!in || !in->count) return;
    l->sqnr[0] = decibel(in->power, in->noise);
    l->saturated = (double)in->outside / (double)in->count;
}

void quantize_judge(quantize_plan *p)
{
    for (uint32_t i = 0; i < p->layers.n; i++) {
        layer *l = &p->layers.p[i];
        if (l->kept) continue;
        const quant_params in = quantize_params(p, l->p.x);
        l->w8 = ARENA_NEW(p->mem, weights8);
        *l->w8 = weights_quantized(p, &l->p, (weights_form){ELEM_INT8, per_channel(p, &l->p), false, least_scales(p, &l->p, (double)in.scale)});
        take_measures(p, l);
    }
    for (uint32_t i = 0; i < p->layers.n; i++) {
        layer *l = &p->layers.p[i];
        if (!l->kept && together(l) < p->o->least_sqnr)
            quantize_keep(p, l, arena_printf(p->mem, "signal to noise %.1f dB is below %.1f", together(l), p->o->least_sqnr));
    }
}

/* ---- pairs ---- */

static value_id zero_point(writer *w, const char *of, const quant_params *q)
{
    return scalar_value(w->p->m, of, "zero_point", q->type, q->zero);
}

/* Q and DQ behind `x`; the result is a new value, or `as` when that is not 0. */
static value_id emit_pair(writer *w, value_id x, const quant_params *q, const char *of, value_id as)
{
    model *m = w->p->m;
    w->to.of = of;
    value_id in[3] = {x, scalar_value(m, of, "scale", ELEM_FLOAT, (double)q->scale), zero_point(w, of, q)};
    in[0] = emit_node(&w->to, "QuantizeLinear", 3, in, 1, NULL);
    const value_id out = emit_node(&w->to, "DequantizeLinear", 3, in, 1, NULL);
    if (!as) return out;
    const node_id maker = value_at(m, out)->producer;
    value_at(m, out)->producer = 0;
    node_at(m, maker)->out[0] = as;
    value_at(m, as)->producer = maker;
    value_at(m, as)->output = 0;
    return as;
}

/* A single number: one end of the range is the number itself. */
static value_id constant_pair(writer *w, value_id v)
{
    model *m = w->p->m;
    const tensor *t = constant_of(m, v);
    const double x = elem_get_double(t->type, t->data, 0);
    const char *of = value_at(m, v)->name;
    const quant_params q = params_of_range(fmin(x, 0), fmax(x, 0), w->p->o->activations);
    tensor *stored = tensor_new(m->mem, q.type, t->rank, t->shape);
    elem_set_int(q.type, (void *)(uintptr_t)stored->data, 0, quantize_one(&q, (float)x));
    w->to.of = of;
    const value_id in[3] = {new_constant(m, of, "quantized", stored), scalar_value(m, of, "scale", ELEM_FLOAT, (double)q.scale),
                            zero_point(w, of, &q)};
    return emit_node(&w->to, "DequantizeLinear", 3, in, 1, NULL);
}

/* What integer nodes read for this value. */
static value_id integer_input(writer *w, value_id v)
{
    if (v < w->p->n_values && w->p->integer[v]) return v;
    if (w->pair[v]) return w->pair[v];
    if (constant_of(w->p->m, v)) return w->pair[v] = constant_pair(w, v);
    const quant_params q = quantize_params(w->p, v);
    return w->pair[v] = emit_pair(w, v, &q, value_at(w->p->m, v)->name, 0);
}

/* ---- weights ---- */

static value_id dequantized(writer *w, value_id q, value_id scale, elem stored, int64_t channels, uint32_t axis)
{
    model *m = w->p->m;
    tensor *zeros = tensor_new(m->mem, stored, channels > 1, &channels);
    const value_id in[3] = {q, scale, new_constant(m, w->to.of, "zero_point", zeros)};
    const value_id out = emit_node(&w->to, "DequantizeLinear", 3, in, 1, NULL);
    if (channels > 1) set_attr_int(m, w->to.nodes.p[w->to.nodes.n - 1], "axis", axis);
    return out;
}

/* The bias of a channel, less the mean error of its sums. */
static double bias_at(model *m, const layer *l, int64_t c)
{
    const tensor *b = l->p.bias ? constant_of(m, l->p.bias) : NULL;
    const double v = b ? elem_get_double(b->type, b->data, tensor_count(b) > 1 ? (size_t)c : 0) : 0;
    return v - quantize_mean_error(l, c);
}

static bool corrected(const layer *l)
{
    for (int64_t c = 0; c < l->p.channels; c++)
        if (quantize_mean_error(l, c) != 0) return true;
    return false;
}

static value_id bias32(writer *w, const layer *l, const quant_params *in)
{
    model *m = w->p->m;
    const int64_t channels = l->p.channels;
    tensor *t = tensor_new(m->mem, ELEM_INT32, 1, &channels);
    float *scale = ARENA_ARRAY(w->p->mem, float, channels);
    for (int64_t c = 0; c < channels; c++) {
        scale[c] = in->scale * l->w8->s[l->w8->n > 1 ? c : 0];
        elem_set_double(ELEM_INT32, (void *)(uintptr_t)t->data, (size_t)c, scale[c] > 0 ? rint(bias_at(m, l, c) / (double)scale[c]) : 0);
    }
    const char *of = w->to.of = l->p.bias ? value_at(m, l->p.bias)->name : arena_printf(m->mem, "%s.bias", l->name);
    const value_id steps = floats_value(m, of, "scale", l->w8->n > 1, &channels, scale);
    return dequantized(w, new_constant(m, of, "quantized", t), steps, ELEM_INT32, l->w8->n, 0);
}

static void write_weights(writer *w, node_id id)
{
    model *m = w->p->m;
    const layer *l = w->layer[id];
    const quant_params in = quantize_params(w->p, l->p.x);
    w->to.of = value_at(m, l->p.weights)->name;
    const value_id weights = dequantized(w, l->w8->q, l->w8->scale, ELEM_INT8, l->w8->n, l->p.axis);
    const value_id bias = l->p.bias || corrected(l) ? bias32(w, l, &in) : 0;
    node *n = node_at(m, id);
    if (bias && n->n_in < 3) {
        value_id *wide = ARENA_ARRAY(m->mem, value_id, 3);
        memcpy(wide, n->in, n->n_in * sizeof *wide);
        n->in = wide;
        n->n_in = 3;
    }
    n->in[1] = weights;
    if (bias) n->in[2] = bias;
}

/* ---- nodes ---- */

/* The bounds of a Relu or Clip; false when they are not known. */
static bool bounds_of(model *m, const node *n, double *lo, double *hi)
{
    *lo = !strcmp(n->op, "Relu") ? 0 : -INFINITY;
    *hi = INFINITY;
    if (strcmp(n->op, "Clip")) return true;
    if (n->version < 11) {
        *lo = (double)node_float(n, "min", -INFINITY);
        *hi = (double)node_float(n, "max", INFINITY);
        return true;
    }
    return (!node_in(n, 1) || scalar_constant(m, node_in(n, 1), lo)) && (!node_in(n, 2) || scalar_constant(m, node_in(n, 2), hi));
}

/* Rounding saturates where the clamp does: then the clamp says nothing. */
static bool rounding_clamps(const quant_params *q, double lo, double hi)
{
    return (lo == -INFINITY || quantize_one(q, (float)lo) == q->least) && (hi == INFINITY || quantize_one(q, (float)hi) == q->most);
}

/* The value that leaves the node: its output, or that of the clamp behind it, which goes. */
static value_id leaving(writer *w, value_id y)
{
    model *m = w->p->m;
    const node_id clamp = w->p->absorbed[y];
    double lo, hi;
    if (!clamp) return y;
    const value_id out = node_at(m, clamp)->out[0];
    const quant_params q = quantize_params(w->p, out);
    if (!bounds_of(m, node_at(m, clamp), &lo, &hi) || !rounding_clamps(&q, lo, hi)) return y;
    w->gone[clamp] = 1;
    node_at(m, clamp)->dead = true;
    return out;
}

static bool reads_unrounded(const writer *w, const node *n)
{
    return n->in[0] < w->p->n_values && w->p->absorbed[n->in[0]] != 0;
}

static void write_node(writer *w, node_id id)
{
    quantize_plan *p = w->p;
    model *m = p->m;
    const uint32_t n_data = data_inputs(node_at(m, id));
    for (uint32_t k = 0; k < n_data && !reads_unrounded(w, node_at(m, id)); k++) {
        const value_id v = integer_input(w, node_at(m, id)->in[k]);
        node_at(m, id)->in[k] = v;
    }
    if (p->role[id] == ROLE_PRODUCT) write_weights(w, id);
    VEC_PUSH(m->mem, w->to.nodes, id);
    for (uint32_t k = 0; k < node_at(m, id)->n_out; k++) {
        const value_id y = node_at(m, id)->out[k], out = y ? leaving(w, y) : 0;
        if (!out || !p->integer[out]) continue;
        const value_id raw = value_new(m, arena_printf(m->mem, "%s.unrounded", value_at(m, y)->name));
        value_at(m, raw)->producer = id;
        value_at(m, raw)->output = k;
        node_at(m, id)->out[k] = raw;
        if (out != y) value_at(m, y)->producer = 0;
        const quant_params q = quantize_params(p, out);
        (void)emit_pair(w, raw, &q, value_at(m, out)->name, out);
    }
}

void quantize_write_static(quantize_plan *p)
{
    model *m = p->m;
    graph *g = model_main(m);
    writer w = {.p = p, .to = {.m = m, .graph = 1}};
    w.pair = ARENA_ARRAY(p->mem, value_id, p->n_values);
    w.gone = ARENA_ARRAY(p->mem, uint8_t, p->n_nodes);
    w.layer = ARENA_ARRAY(p->mem, layer *, p->n_nodes);
    for (uint32_t i = 0; i < p->layers.n; i++) w.layer[p->layers.p[i].id] = &p->layers.p[i];
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node_id id = g->nodes.p[i];
        if (w.gone[id]) continue;
        if (p->role[id] == ROLE_NONE) VEC_PUSH(m->mem, w.to.nodes, id);
        else write_node(&w, id);
    }
    g->nodes.p = w.to.nodes.p;
    g->nodes.n = w.to.nodes.n;
    g->nodes.cap = w.to.nodes.cap;
}
