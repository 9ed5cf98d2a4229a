/* dead.c - removes nodes whose results nobody needs, and constants that nobody reads.
 * requires: topological order. keeps: everything that an output depends on, directly or inside a subgraph. breaks: nothing.
 *
 * A constant needs no producer. But in a model that is written back, an output of a graph needs a node of that graph, also when it is a constant. */
#include "passes/forms.h"
#include "passes/passes.h"

enum { READ = 1, GRAPH_OUTPUT = 2 };

static void mark_graph(model *m, graph_id g, uint8_t *needed);

static void mark_node(model *m, const node *n, uint8_t *needed)
{
    for (uint32_t i = 0; i < n->n_in; i++) needed[n->in[i]] |= READ;
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const attr *a = &n->attr[i];
        if (a->kind == ATTR_GRAPH) mark_graph(m, a->u.g, needed);
        for (uint32_t k = 0; a->kind == ATTR_GRAPHS && k < a->n; k++) mark_graph(m, a->u.graphs[k], needed);
    }
}

static bool is_used(const model *m, value_id v, const uint8_t *needed)
{
    if (!v || !needed[v]) return false;
    return !m->values.p[v].data || (m->written_back && needed[v] & GRAPH_OUTPUT);
}

/* Marks what the graph's outputs need, last node first, and drops the rest. */
static void mark_graph(model *m, graph_id id, uint8_t *needed)
{
    graph *g = graph_at(m, id);
    for (uint32_t i = 0; i < g->outputs.n; i++) needed[g->outputs.p[i]] |= GRAPH_OUTPUT;
    uint32_t kept = g->nodes.n;
    for (uint32_t i = g->nodes.n; i-- > 0;) {
        node *n = node_at(m, g->nodes.p[i]);
        bool used = false;
        for (uint32_t k = 0; k < n->n_out; k++) used |= is_used(m, n->out[k], needed);
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

/* Initializers that nothing reads; before IR version 4 they are listed as inputs too. */
static void drop_initializers(model *m, graph *g, const uint8_t *needed)
{
    uint32_t kept = 0, inputs = 0;
    for (uint32_t i = 0; i < g->initializers.n; i++) {
        const value_id v = g->initializers.p[i];
        if (needed[v] || value_at(m, v)->initial) g->initializers.p[kept++] = v;
    }
    g->initializers.n = kept;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value_id v = g->inputs.p[i];
        if (needed[v] || !value_at(m, v)->data) g->inputs.p[inputs++] = v;
    }
    g->inputs.n = inputs;
}

static void mark_listed(const model *m, graph_id g, uint8_t *listed)
{
    const graph *gr = m->graphs.p[g];
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        const node *n = &m->nodes.p[gr->nodes.p[i]];
        listed[gr->nodes.p[i]] = 1;
        for (uint32_t k = 0; k < n->n_attr; k++) {
            const attr *a = &n->attr[k];
            if (a->kind == ATTR_GRAPH) mark_listed(m, a->u.g, listed);
            for (uint32_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++) mark_listed(m, a->u.graphs[j], listed);
        }
    }
}

/* Nodes of bodies that went with their node: what they read is not needed for them. */
static void drop_bodies(model *m, const uint8_t *in_function, arena *scratch)
{
    uint8_t *listed = ARENA_ARRAY(scratch, uint8_t, m->nodes.n);
    mark_listed(m, 1, listed);
    for (node_id n = 1; n < m->nodes.n; n++)
        if (!listed[n] && !in_function[node_at(m, n)->graph]) node_at(m, n)->dead = true;
}

void remove_dead(model *m)
{
    arena *scratch = arena_new();
    uint8_t *needed = ARENA_ARRAY(scratch, uint8_t, m->values.n + 1);
    mark_graph(m, 1, needed);
    if (m->written_back) {
        uint8_t *in_function = ARENA_ARRAY(scratch, uint8_t, m->graphs.n);
        for (graph_id g = 1; g < m->graphs.n; g++) {
            graph_id top = g;
            while (graph_at(m, top)->parent) top = graph_at(m, top)->parent;
            in_function[g] = top != 1;
        }
        for (graph_id g = 1; g < m->graphs.n; g++)
            if (!in_function[g]) drop_initializers(m, graph_at(m, g), needed);
        drop_bodies(m, in_function, scratch);
    }
    arena_free(scratch);
}

/* A node of one output, which is a constant and leaves its graph. */
static void make_constant(model *m, node_id id)
{
    node *n = node_at(m, id);
    const tensor *t = value_at(m, n->out[0])->data;
    if (!t || n->n_out != 1 || node_is(n, "", "Constant") || !op_version(m, "", "Constant")) return;
    (void)node_becomes(m, id, "", "Constant", 0, NULL);
    node_set_attr(m, node_at(m, id), (attr){.name = intern(m->names, "value"), .kind = ATTR_TENSOR, .u.t = t});
}

void keep_folded_outputs(model *m)
{
    for (graph_id g = 1; g < m->graphs.n; g++) {
        const graph *gr = graph_at(m, g);
        for (uint32_t i = 0; i < gr->outputs.n; i++) {
            const value *v = value_at(m, gr->outputs.p[i]);
            if (v->data && v->producer && node_at(m, v->producer)->graph == g) make_constant(m, v->producer);
        }
    }
}
