/* where.c - at_node: how messages name a node.
 *
 * One with a name goes by it. One without is counted, in the main graph alone; in a body, whose nodes are counted from 0 again, it goes by its path in the file,
 * in the words of the messages about a file's form: graph.node[2] 'If'.attribute[0] 'then_branch'.g 'one'.node[1] 'Softmax'. */
#include <string.h>

#include "ir/ir.h"

static uint32_t place_of(const model *m, const node *n)
{
    return n->origin ? m->origins.p[n->origin].index : 0;
}

/* Which of the attribute's graphs g is; -1: none. */
static int64_t graph_in(const attr *a, graph_id g)
{
    if (a->ref) return -1;
    if (a->kind == ATTR_GRAPH) return a->u.g == g ? 0 : -1;
    for (uint32_t i = 0; a->kind == ATTR_GRAPHS && i < a->n; i++)
        if (a->u.graphs[i] == g) return i;
    return -1;
}

static void add_name(text *t, const char *name)
{
    if (name && *name) text_addf(t, " '%s'", name);
}

static bool add_graph(model *m, graph_id g, text *t);

static bool add_path(model *m, const node *n, text *t)
{
    if (!add_graph(m, n->graph, t)) return false;
    text_addf(t, ".node[%u] '%s'", place_of(m, n), *n->name ? n->name : n->op);
    return true;
}

/* The body of a node of the graph around it. */
static bool add_body(model *m, graph_id g, text *t)
{
    const graph *gr = graph_at(m, g), *around = graph_at(m, gr->parent);
    for (uint32_t i = 0; i < around->nodes.n; i++) {
        const node *n = node_at(m, around->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_attr; k++) {
            const int64_t j = graph_in(&n->attr[k], g);
            if (j < 0) continue;
            if (!add_path(m, n, t)) return false;
            text_addf(t, ".attribute[%u]", k);
            add_name(t, n->attr[k].name);
            if (n->attr[k].kind == ATTR_GRAPH) text_addf(t, ".g");
            else text_addf(t, ".graphs[%lld]", (long long)j);
            add_name(t, gr->name);
            return true;
        }
    }
    return false;
}

/* False: a graph that a pass made, which no file has. */
static bool add_graph(model *m, graph_id g, text *t)
{
    if (g == 1) {
        text_addf(t, "graph");
        return true;
    }
    if (graph_at(m, g)->parent) return add_body(m, g, t);
    for (uint32_t i = 0; i < m->functions.n; i++) {
        if (m->functions.p[i].body != g) continue;
        text_addf(t, "functions[%u]", i);
        add_name(t, m->functions.p[i].name);
        return true;
    }
    return false;
}

const char *at_node(model *m, const node *n)
{
    if (*n->name) return arena_printf(m->mem, "node '%s' (%s)", n->name, n->op);
    text path = {.mem = m->mem};
    if (n->graph > 1 && n->graph < m->graphs.n && add_path(m, n, &path)) return path.p;
    return arena_printf(m->mem, "node #%u (%s)", place_of(m, n), n->op);
}
