/* labels.c - unique names of values and constants that no list has; see labels.h. */
#include "ir/labels.h"

#include "ir/scope.h"

typedef struct {
    model *m;
    arena *a;
    scope *taken;
    const char **label;
} labeler;

static void define(labeler *l, value_id v)
{
    if (!v || l->label[v]) return;
    const char *name = value_at(l->m, v)->name;
    if (!*name) name = intern(l->m->names, arena_printf(l->a, "v%u", v));
    while (scope_find(l->taken, name)) name = intern(l->m->names, arena_printf(l->a, "%s_%u", name, v));
    scope_define(l->taken, name, v);
    l->label[v] = name;
}

static void label_graph(labeler *l, graph_id id)
{
    const graph *g = graph_at(l->m, id);
    scope_enter(l->taken);
    for (uint32_t i = 0; i < g->inputs.n; i++) define(l, g->inputs.p[i]);
    for (uint32_t i = 0; i < g->initializers.n; i++) define(l, g->initializers.p[i]);
    if (!g->parent) {
        uint32_t n;
        const value_id *loose = loose_constants(l->m, l->a, id, &n);
        for (uint32_t i = 0; i < n; i++) define(l, loose[i]);
    }
    for (uint32_t i = 0; i < g->outputs.n; i++) define(l, g->outputs.p[i]);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(l->m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_out; k++) define(l, n->out[k]);
        for (uint32_t k = 0; k < n->n_attr; k++) {
            const attr *at = &n->attr[k];
            if (at->ref) continue;
            if (at->kind == ATTR_GRAPH) label_graph(l, at->u.g);
            for (uint32_t j = 0; at->kind == ATTR_GRAPHS && j < at->n; j++) label_graph(l, at->u.graphs[j]);
        }
    }
    scope_leave(l->taken);
}

const char **value_labels(model *m, arena *a)
{
    labeler l = {m, a, scope_new(a), ARENA_ARRAY(a, const char *, m->values.n)};
    label_graph(&l, 1);
    for (uint32_t i = 0; i < m->functions.n; i++) label_graph(&l, m->functions.p[i].body);
    return l.label;
}

/* ---- constants ---- */

static graph_id outermost(const model *m, graph_id g)
{
    while (m->graphs.p[g]->parent) g = m->graphs.p[g]->parent;
    return g;
}

value_id *loose_constants(model *m, arena *a, graph_id root, uint32_t *n)
{
    uint8_t *listed = ARENA_ARRAY(a, uint8_t, m->values.n);
    VEC(value_id) used = {0}, loose = {0};
    for (uint32_t i = 1; i < m->graphs.n; i++)
        for (uint32_t k = 0; k < graph_at(m, i)->initializers.n && (i != root || root == 1); k++) listed[graph_at(m, i)->initializers.p[k]] = 1;
    for (uint32_t i = 1; i < m->nodes.n; i++) {
        const node *nd = node_at(m, i);
        if (nd->dead || outermost(m, nd->graph) != root) continue;
        for (uint32_t k = 0; k < nd->n_in; k++) VEC_PUSH(a, used, nd->in[k]);
    }
    for (uint32_t i = 1; i < m->graphs.n; i++)
        if (outermost(m, i) == root)
            for (uint32_t k = 0; k < graph_at(m, i)->outputs.n; k++) VEC_PUSH(a, used, graph_at(m, i)->outputs.p[k]);
    for (uint32_t i = 0; i < used.n; i++) {
        const value_id v = used.p[i];
        if (!v || listed[v] || !value_at(m, v)->data || value_at(m, v)->producer) continue;
        listed[v] = 1;
        VEC_PUSH(a, loose, v);
    }
    *n = loose.n;
    return loose.p;
}
