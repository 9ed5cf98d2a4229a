/* integer.c - the pass that makes integer models: what is quantized is computed with integers. See docs/int8.md, with a paragraph for each rewrite.
 *
 * requires: types known, newest versions; dequantized constants are still nodes (infer does not fold them).
 * keeps: what the model computes up to one step of a quantized value: sums of integers are exact where float sums round.
 * breaks: the model has operators of domain OWN_DOMAIN, and can't be saved; dequantized constants that nothing integer reads are float
 * constants from here on; nodes that nobody reads are left to dead. */
#include "quant/quant.h"

#include "quant/region.h"

/* Nodes of constants that inference left alone, in order. */
static void fold_rest(region *r, graph_id id)
{
    const graph *g = graph_at(r->m, id);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        bool constant = n->n_in > 0;
        for (uint32_t k = 0; k < n->n_in; k++) constant &= !n->in[k] || region_constant(r, n->in[k]);
        if (constant && n->n_out == 1 && !value_at(r->m, n->out[0])->data) (void)fold_numbers(r->f, g->nodes.p[i], TABLE_SIZE);
    }
}

/* Dequantized constants of one element are numbers in expressions, not weights. */
static void fold_scalars(region *r)
{
    const graph *g = graph_at(r->m, r->g);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        const tensor *t = node_is(n, "", "DequantizeLinear") ? region_constant(r, n->in[0]) : NULL;
        if (t && tensor_count(t) == 1) (void)fold_numbers(r->f, g->nodes.p[i], TABLE_SIZE);
    }
}

static void convert_graph(region *r, graph_id g)
{
    region_open(r, g);
    fold_scalars(r);
    make_convolutions(r);
    move_quantization(r);
    make_tables(r);
    make_products(r);
    make_unsigned(r);
    make_integer_sums(r);
}

static bool in_function(model *m, graph_id g)
{
    while (graph_at(m, g)->parent) g = graph_at(m, g)->parent;
    return g != 1;
}

static bool has_quantization(model *m)
{
    for (node_id i = 1; i < m->nodes.n; i++) {
        const node *n = node_at(m, i);
        if (!n->dead && (node_is(n, "", "DequantizeLinear") || node_is(n, "", "QuantizeLinear") || node_is(n, "", "QLinearConv") ||
                         node_is(n, "", "QLinearMatMul") || node_is(n, "", "ConvInteger") || node_is(n, "", "MatMulInteger")))
            return true;
    }
    return false;
}

void use_integers(model *m)
{
    if (!has_quantization(m)) return;
    arena *scratch = arena_new();
    region r = {.m = m, .mem = scratch, .f = folder_new(scratch, m)};
    const uint32_t graphs = m->graphs.n;
    for (graph_id g = 1; g < graphs; g++)
        if (!in_function(m, g)) convert_graph(&r, g);
    for (graph_id g = 1; g < graphs; g++) /* bodies read what is around them: when all are done */
        if (!in_function(m, g)) fold_rest(&r, g);
    arena_free(scratch);
}
