/* correct.c - what quantizing a product does to its output on average, per channel.
 *
 * Rounded weights and saturated inputs shift the mean of an output; a shift is the same in every place, so what follows adds it up instead of averaging it
 * out. The mean of product(Q(x), Q(W)) - product(x, W) over calibration data, x as it is in the float model, is taken from the bias. Source:
 * Nagel et al. 2019 (arXiv 1906.04721), section 4.2. */
#include <string.h>

#include "passes/forms.h"
#include "quant/plan.h"

/* A Conv or Gemm has a place for a bias. */
static bool correctable(const quantize_plan *p, const layer *l)
{
    const node *n = node_at(p->m, l->id);
    return !l->kept && l->w8 && (!strcmp(n->op, "Conv") || !strcmp(n->op, "Gemm"));
}

/* The weights that the 8 bits stand for. */
static value_id rounded_weights(quantize_plan *p, const layer *l)
{
    model *m = p->m;
    const tensor *q = constant_of(m, l->w8->q);
    tensor *t = tensor_new(m->mem, ELEM_FLOAT, q->rank, q->shape);
    const int64_t n = tensor_count(q);
    int64_t inner = 1;
    for (uint32_t i = l->p.axis + 1; i < q->rank; i++) inner *= q->shape[i];
    for (int64_t i = 0; i < n; i++) {
        const int64_t channel = l->w8->n > 1 ? i / inner % l->p.channels : 0;
        elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, (size_t)i, elem_get_double(q->type, q->data, (size_t)i) * (double)l->w8->s[channel]);
    }
    return new_constant(m, value_at(m, l->p.weights)->name, "rounded", t);
}

static value_id rounded_input(quantize_plan *p, node_list *to, value_id x, value_id *made)
{
    model *m = p->m;
    if (made[x]) return made[x];
    const quant_params q = quantize_params(p, x);
    to->of = value_at(m, x)->name;
    value_id in[3] = {x, scalar_value(m, to->of, "scale", ELEM_FLOAT, (double)q.scale), scalar_value(m, to->of, "zero_point", q.type, q.zero)};
    in[0] = emit_node(to, "QuantizeLinear", 3, in, 1, NULL);
    return made[x] = emit_node(to, "DequantizeLinear", 3, in, 1, NULL);
}

value_list quantize_errors(quantize_plan *p, layer_list *layers)
{
    model *m = p->m;
    graph *g = model_main(m);
    value_list errors = {0};
    node_list to = {.m = m, .graph = 1};
    value_id *made = ARENA_ARRAY(p->mem, value_id, p->n_values);
    *layers = (layer_list){0};
    for (uint32_t i = 0; i < p->layers.n; i++) {
        layer *l = &p->layers.p[i];
        if (!correctable(p, l)) continue;
        const value_id in[3] = {rounded_input(p, &to, l->p.x, made), rounded_weights(p, l), l->p.bias};
        to.of = l->name;
        const value_id y = emit_node(&to, node_at(m, l->id)->op, l->p.bias ? 3 : 2, in, 1, NULL);
        node *n = node_at(m, to.nodes.p[to.nodes.n - 1]);
        const node *old = node_at(m, l->id);
        n->version = old->version;
        n->attr = arena_copy(m->mem, old->attr, old->n_attr * sizeof *old->attr);
        n->n_attr = old->n_attr;
        const value_id both[2] = {y, old->out[0]};
        VEC_PUSH(p->mem, errors, emit_node(&to, "Sub", 2, both, 1, NULL));
        VEC_PUSH(p->mem, *layers, l);
    }
    for (uint32_t i = 0; i < to.nodes.n; i++) VEC_PUSH(m->mem, g->nodes, to.nodes.p[i]);
    return errors;
}

void quantize_observe_error(quantize_plan *p, layer *l, const tensor *error)
{
    const int64_t n = tensor_count(error), channels = l->p.channels;
    int64_t inner = 1;
    for (uint32_t i = 2; i < error->rank; i++) inner *= error->shape[i]; /* channels are in dimension 1 */
    if (!l->error) l->error = ARENA_ARRAY(p->mem, double, 2 * channels);
    for (int64_t i = 0; i < n; i++) {
        const double e = elem_get_double(error->type, error->data, (size_t)i);
        l->error[i / inner % channels] += e;
        l->error[channels + i / inner % channels] += e * e;
    }
    l->n_error += n / channels;
}

/* Of few numbers the mean is chance: it is shrunk by the share that its own variance has in its square. */
double quantize_mean_error(const layer *l, int64_t channel)
{
    if (!l->error || l->n_error < 2) return 0;
    const double n = (double)l->n_error, mean = l->error[channel] / n, spread = l->error[l->p.channels + channel] / n - mean * mean;
    const double variance = spread > 0 ? spread / (n - 1) : 0;
    return mean * mean > variance ? mean * (1 - variance / (mean * mean)) : 0;
}
