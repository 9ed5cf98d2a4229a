/* branch.c - pass `branch`: an If whose condition is a constant gives way to the nodes of the branch that is taken.
 *
 * requires: constants known. keeps: every bit. breaks: nothing: outputs of the If are copies (Identity) of what the branch gives, for `identity`
 * to remove. */
#include "passes/forms.h"
#include "passes/passes.h"

typedef VEC(node_id) node_list;

static graph_id taken(model *m, const node *n)
{
    double condition;
    if (!node_is(n, "", "If") || !scalar_constant(m, node_in(n, 0), &condition) || !op_version(m, "", "Identity")) return 0;
    const attr *a = node_attr(n, condition != 0 ? "then_branch" : "else_branch");
    const attr *other = node_attr(n, condition != 0 ? "else_branch" : "then_branch");
    if (!a || a->kind != ATTR_GRAPH || graph_at(m, a->u.g)->outputs.n < n->n_out) return 0;
    if (!other || other->kind != ATTR_GRAPH || (m->written_back && n->n_out > 1 + graph_at(m, other->u.g)->nodes.n))
        return 0;                             /* in a file, the copies would be more than what goes */
    for (uint32_t i = 0; i < n->n_out; i++) { /* Identity of sequences is a newer form; such an If is rare */
        const type *t = n->out[i] ? &value_at(m, n->out[i])->type : NULL;
        if (t && t->kind != TYPE_TENSOR && t->kind != TYPE_UNKNOWN) return 0;
    }
    return a->u.g;
}

/* Nodes and constants of graph `from` come to `to`; graphs inside follow. */
static void move_body(model *m, graph_id from, graph_id to, node_list *list, arena *scratch)
{
    graph *g = graph_at(m, from);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        node_at(m, g->nodes.p[i])->graph = to;
        VEC_PUSH(scratch, *list, g->nodes.p[i]);
    }
    for (uint32_t i = 0; i < g->initializers.n; i++) VEC_PUSH(m->mem, graph_at(m, to)->initializers, g->initializers.p[i]);
    for (graph_id i = 1; i < m->graphs.n; i++)
        if (graph_at(m, i)->parent == from) graph_at(m, i)->parent = to;
    g->nodes.n = g->initializers.n = 0;
}

static void copy_outputs(model *m, node_id id, graph_id body, node_list *list, arena *scratch)
{
    const uint32_t n_out = node_at(m, id)->n_out;
    const graph_id g = node_at(m, id)->graph;
    for (uint32_t i = 0; i < n_out; i++) {
        const value_id out = node_at(m, id)->out[i];
        if (!out) continue;
        const node_id copy = node_new(m, g, "", "Identity", 1, 1, 0);
        node *n = node_at(m, copy);
        n->version = op_version(m, "", "Identity");
        n->in[0] = graph_at(m, body)->outputs.p[i];
        n->out[0] = out;
        n->origin = node_at(m, id)->origin;
        value_at(m, out)->producer = copy;
        value_at(m, out)->output = 0;
        if (value_at(m, out)->type.kind == TYPE_UNKNOWN) value_at(m, out)->type = value_at(m, n->in[0])->type;
        VEC_PUSH(scratch, *list, copy);
    }
    graph_at(m, body)->outputs.n = 0;
    node_at(m, id)->dead = true;
}

static void visit_graph(model *m, graph_id id, arena *scratch)
{
    node_list list = {0};
    bool changed = false;
    for (uint32_t i = 0; i < graph_at(m, id)->nodes.n; i++) {
        const node_id at = graph_at(m, id)->nodes.p[i];
        const graph_id body = taken(m, node_at(m, at));
        const node n = *node_at(m, at);
        if (body) {
            visit_graph(m, body, scratch);
            move_body(m, body, id, &list, scratch);
            copy_outputs(m, at, body, &list, scratch);
            changed = true;
            continue;
        }
        VEC_PUSH(scratch, list, at);
        for (uint32_t k = 0; k < n.n_attr; k++) {
            const attr *a = &n.attr[k];
            if (a->kind == ATTR_GRAPH) visit_graph(m, a->u.g, scratch);
            for (uint32_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++) visit_graph(m, a->u.graphs[j], scratch);
        }
    }
    if (!changed) return;
    graph *g = graph_at(m, id);
    g->nodes.n = 0;
    for (uint32_t i = 0; i < list.n; i++) VEC_PUSH(m->mem, g->nodes, list.p[i]);
    visit_graph(m, id, scratch); /* there may be others in what was taken */
}

void take_branches(model *m)
{
    arena *scratch = arena_new();
    visit_graph(m, 1, scratch);
    arena_free(scratch);
}
