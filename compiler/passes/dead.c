/* dead.c - removes nodes whose results nobody needs.
 * requires: topological order. keeps: everything that an output depends on, directly or inside a subgraph. breaks: nothing. */
#include "passes/passes.h"

static void mark_graph(model *m, graph_id g, uint8_t *needed);

static void mark_node(model *m, const node *n, uint8_t *needed)
{
    for (uint32_t i = 0; i < n->n_in; i++) needed[n->in[i]] = 1;
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const attr *a = &n->attr[i];
        if (a->kind == ATTR_GRAPH) mark_graph(m, a->u.g, needed);
        for (uint32_t k = 0; a->kind == ATTR_GRAPHS && k < a->n; k++) mark_graph(m, a->u.graphs[k], needed);
    }
}

/* Marks what the graph's outputs need, last node first, and drops the rest. A constant needs no producer. */
static void mark_graph(model *m, graph_id id, uint8_t *needed)
{
    graph *g = graph_at(m, id);
    for (uint32_t i = 0; i < g->outputs.n; i++) needed[g->outputs.p[i]] = 1;
    uint32_t kept = g->nodes.n;
    for (uint32_t i = g->nodes.n; i-- > 0;) {
        node *n = node_at(m, g->nodes.p[i]);
        bool used = false;
        for (uint32_t k = 0; k < n->n_out; k++) used |= n->out[k] && needed[n->out[k]] && !value_at(m, n->out[k])->data;
        if (used) {
            mark_node(m, n, needed);
            g->nodes.p[--kept] = g->nodes.p[i];
            continue;
        }
        n->dead = true;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k]) value_at(m, n->out[k])->producer = 0;
    }
    const uint32_t count = g->nodes.n - kept;
    for (uint32_t i = 0; i < count; i++) g->nodes.p[i] = g->nodes.p[kept + i];
    g->nodes.n = count;
}

void remove_dead(model *m)
{
    arena *scratch = arena_new();
    mark_graph(m, 1, ARENA_ARRAY(scratch, uint8_t, m->values.n + 1));
    arena_free(scratch);
}
