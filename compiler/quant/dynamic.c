/* dynamic.c - products whose input is quantized when they run.
 *
 *     y = x W + b    ->    q, s, z = DynamicQuantizeLinear(x);  y = float(MatMulInteger(q, W8, z)) * (s * s_w) + b
 *
 * and Conv likewise with ConvInteger, whose weights are unsigned (zero point 128), since onnxruntime has no other ones. An input that several
 * products of a graph read is quantized once. in: a plan of quantize_choose. out: the model, with the names of all results kept. */
#include <string.h>

#include "passes/forms.h"
#include "quant/plan.h"

typedef struct {
    value_id x, q, scale, zero; /* x is 0: not in this graph yet */
} input8;

typedef struct {
    quantize_plan *p;
    node_list to;
    VEC(input8) inputs; /* of this graph */
} writer;

static input8 quantized_input(writer *w, value_id x)
{
    for (uint32_t i = 0; i < w->inputs.n; i++)
        if (w->inputs.p[i].x == x) return w->inputs.p[i];
    value_id others[2];
    input8 in = {.x = x};
    w->to.of = value_at(w->p->m, x)->name;
    in.q = emit_node(&w->to, "DynamicQuantizeLinear", 1, &x, 3, others);
    in.scale = others[0];
    in.zero = others[1];
    VEC_PUSH(w->p->mem, w->inputs, in);
    return in;
}

/* A constant per channel, in the shape in which it meets the product's result: a Conv has its channels in dimension 1. */
static value_id per_channel(writer *w, const product *pr, const char *role, const float *v, int64_t n)
{
    model *m = w->p->m;
    const uint32_t rank = constant_of(m, pr->weights)->rank, n_dims = pr->axis || rank < 3 || n == 1 ? n > 1 : rank - 1;
    int64_t shape[MAX_RANK] = {n, 1, 1, 1, 1, 1, 1, 1};
    return floats_value(m, value_at(m, pr->weights)->name, role, n_dims, shape, v);
}

static value_id bias_value(writer *w, const product *pr)
{
    model *m = w->p->m;
    const tensor *t = constant_of(m, pr->bias);
    const int64_t n = tensor_count(t);
    if (pr->beta == 1 && (n == 1 || constant_of(m, pr->weights)->rank == 2)) return pr->bias;
    float *v = ARENA_ARRAY(w->p->mem, float, n);
    for (int64_t i = 0; i < n; i++) v[i] = pr->beta * (float)elem_get_double(t->type, t->data, (size_t)i);
    return per_channel(w, pr, "bias", v, n);
}

static value_id emit_integer_product(writer *w, const product *pr, input8 in, weights8 w8, bool conv)
{
    model *m = w->p->m;
    if (!conv) return emit_node(&w->to, "MatMulInteger", 3, (const value_id[]){in.q, w8.q, in.zero}, 1, NULL);
    const value_id zero = scalar_value(m, value_at(m, pr->weights)->name, "zero", ELEM_UINT8, 128);
    const value_id acc = emit_node(&w->to, "ConvInteger", 4, (const value_id[]){in.q, w8.q, in.zero, zero}, 1, NULL);
    const node old = *node_at(m, pr->id);
    node *n = node_at(m, w->to.nodes.p[w->to.nodes.n - 1]);
    n->attr = arena_copy(m->mem, old.attr, old.n_attr * sizeof *old.attr);
    n->n_attr = old.n_attr;
    return acc;
}

static void write_product(writer *w, layer *l)
{
    model *m = w->p->m;
    const product pr = l->p;
    const bool conv = !strcmp(node_at(m, pr.id)->op, "Conv");
    const value_id y = node_at(m, pr.id)->out[0];
    value_id x = pr.x;
    if (pr.turned) {
        w->to.of = l->name;
        x = emit_node(&w->to, "Transpose", 1, &x, 1, NULL);
    }
    const input8 in = quantized_input(w, x);
    w->to.of = l->name;
    const weights8 w8 =
        weights_quantized(w->p, &pr, (weights_form){conv ? ELEM_UINT8 : ELEM_INT8, !w->p->o->per_tensor, !conv && pr.axis == 0, NULL});
    l->sqnr[1] = w8.sqnr;
    float *scale = ARENA_ARRAY(w->p->mem, float, w8.n);
    for (int64_t i = 0; i < w8.n; i++) scale[i] = w8.s[i] * pr.alpha;
    const value_id by = per_channel(w, &pr, "scale", scale, w8.n);
    const value_id acc = emit_integer_product(w, &pr, in, w8, conv), real = emit_node(&w->to, "Cast", 1, &acc, 1, NULL);
    set_attr_int(m, w->to.nodes.p[w->to.nodes.n - 1], "to", ELEM_FLOAT);
    const value_id both = emit_node(&w->to, "Mul", 2, (const value_id[]){in.scale, by}, 1, NULL);
    value_id last = emit_node(&w->to, "Mul", 2, (const value_id[]){real, both}, 1, NULL);
    if (pr.bias) last = emit_node(&w->to, "Add", 2, (const value_id[]){last, bias_value(w, &pr)}, 1, NULL);
    const node_id maker = value_at(m, last)->producer;
    value_at(m, last)->producer = 0;
    node_at(m, maker)->out[0] = y;
    value_at(m, y)->producer = maker;
    value_at(m, y)->output = 0;
    node_at(m, pr.id)->dead = true;
}

static layer *layer_of(quantize_plan *p, node_id id)
{
    for (uint32_t i = 0; i < p->layers.n; i++)
        if (p->layers.p[i].id == id) return &p->layers.p[i];
    return NULL;
}

void quantize_write_dynamic(quantize_plan *p)
{
    model *m = p->m;
    for (graph_id g = 1; g < m->graphs.n; g++) {
        graph *gr = graph_at(m, g);
        writer w = {.p = p, .to = {.m = m, .graph = g}};
        for (uint32_t i = 0; i < gr->nodes.n; i++) {
            const node_id id = gr->nodes.p[i];
            if (p->role[id] == ROLE_PRODUCT) write_product(&w, layer_of(p, id));
            else VEC_PUSH(m->mem, w.to.nodes, id);
        }
        gr->nodes.p = w.to.nodes.p;
        gr->nodes.n = w.to.nodes.n;
        gr->nodes.cap = w.to.nodes.cap;
    }
}
