/* rewrite.c - the walk that graph passes share; see rewrite.h. */
#include "passes/rewrite.h"

#include <string.h>

#include "ops/ops.h"
#include "passes/forms.h"

static void count_graph(rewrite *r, graph_id id)
{
    const graph *g = graph_at(r->m, id);
    for (uint32_t i = 0; i < g->outputs.n; i++) r->output[g->outputs.p[i]] = 1;
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_in; k++) r->uses[n->in[k]]++;
        for (uint32_t k = 0; k < n->n_attr; k++) {
            const attr *a = &n->attr[k];
            if (a->kind == ATTR_GRAPH) count_graph(r, a->u.g);
            for (uint32_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++) count_graph(r, a->u.graphs[j]);
        }
    }
}

rewrite rewrite_new(model *m, arena *mem, void *ctx)
{
    rewrite r = {.m = m, .mem = mem, .n = m->values.n, .ctx = ctx};
    r.same = ARENA_ARRAY(mem, value_id, r.n);
    r.renamed = ARENA_ARRAY(mem, value_id, r.n);
    r.uses = ARENA_ARRAY(mem, uint32_t, r.n);
    r.output = ARENA_ARRAY(mem, uint8_t, r.n);
    count_graph(&r, 1);
    return r;
}

value_id rewrite_resolve(rewrite *r, value_id v)
{
    if (v >= r->n || !r->same[v]) return v;
    value_id root = v;
    while (r->same[root]) root = r->same[root];
    while (r->same[v]) { /* shorten the way for the next time */
        const value_id next = r->same[v];
        r->same[v] = root;
        v = next;
    }
    return root;
}

bool rewrite_alias(rewrite *r, value_id v, value_id same)
{
    model *m = r->m;
    same = rewrite_resolve(r, same);
    r->same[v] = same;
    value *from = value_at(m, v), *to = value_at(m, same);
    if (!to->content && from->content) to->content = from->content, to->n_content = from->n_content;
    if (!r->output[v]) return true;
    if (to->data || !to->producer || !from->producer || r->output[same] || r->renamed[same]) return false;
    if (node_at(m, to->producer)->graph != node_at(m, from->producer)->graph) return false;
    r->renamed[same] = v;
    return true;
}

typedef struct {
    rewrite *r;
    rewrite_visit visit;
    rewrite_scope scope;
} walker;

static void walk_graph(walker *w, graph_id id);

static void walk_subgraphs(walker *w, node_id id)
{
    const node *n = node_at(w->r->m, id);
    const attr *list = n->attr; /* nodes move while new ones are made */
    const uint32_t count = n->n_attr;
    for (uint32_t i = 0; i < count; i++) {
        const attr *a = &list[i];
        const graph_id *graphs = a->kind == ATTR_GRAPH ? &a->u.g : a->kind == ATTR_GRAPHS ? a->u.graphs : NULL;
        for (uint32_t k = 0; graphs && k < (a->kind == ATTR_GRAPH ? 1 : a->n); k++) {
            if (w->visit && w->scope) w->scope(w->r, true);
            walk_graph(w, graphs[k]);
            if (w->visit && w->scope) w->scope(w->r, false);
        }
    }
}

/* Without `visit`: only substitutes. */
static void walk_graph(walker *w, graph_id id)
{
    model *m = w->r->m;
    graph *g = graph_at(m, id);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node_id here = g->nodes.p[i];
        walk_subgraphs(w, here);
        node *n = node_at(m, here);
        for (uint32_t k = 0; k < n->n_in; k++) n->in[k] = rewrite_resolve(w->r, n->in[k]);
        if (!w->visit || !w->visit(w->r, here)) {
            g->nodes.p[kept++] = here;
            continue;
        }
        n = node_at(m, here);
        n->dead = true;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] && value_at(m, n->out[k])->producer == here) value_at(m, n->out[k])->producer = 0;
    }
    g->nodes.n = kept;
}

/* Nodes that compute a value under another name than the graph's output wants take the output's. */
static void rename_outputs(rewrite *r)
{
    model *m = r->m;
    for (value_id v = 1; v < r->n; v++) {
        const value_id out = r->renamed[v];
        if (!out) continue;
        value *from = value_at(m, v), *to = value_at(m, out);
        to->producer = from->producer;
        to->output = from->output;
        if (!to->content) to->content = from->content, to->n_content = from->n_content;
        node_at(m, from->producer)->out[from->output] = out;
        from->producer = 0;
        r->same[out] = 0;
        r->same[v] = out;
    }
}

void rewrite_run(rewrite *r, rewrite_visit visit, rewrite_scope scope)
{
    walker w = {r, visit, scope};
    walk_graph(&w, 1);
    rename_outputs(r);
    w.visit = NULL;
    walk_graph(&w, 1);
}

/* ---- rules ---- */

node *rewrite_producer(rewrite *r, value_id v)
{
    const value *x = v ? value_at(r->m, v) : NULL;
    return x && x->producer && !x->data ? node_at(r->m, x->producer) : NULL;
}

node *rewrite_producer_is(rewrite *r, value_id v, const char *op)
{
    node *n = rewrite_producer(r, v);
    return n && op_is(n, op) ? n : NULL;
}

bool rewrite_only_use(rewrite *r, value_id v)
{
    return v && v < r->n && r->uses[v] == 1 && !r->output[v];
}

static void count_use(rewrite *r, value_id v, int change)
{
    if (v && v < r->n) r->uses[v] += (uint32_t)change;
}

void rewrite_set_input(rewrite *r, node_id id, uint32_t i, value_id v)
{
    node *n = node_at(r->m, id);
    v = rewrite_resolve(r, v);
    count_use(r, n->in[i], -1);
    count_use(r, v, 1);
    n->in[i] = v;
}

node *rewrite_becomes(rewrite *r, node_id id, const char *domain, const char *op, uint32_t n_in, const value_id *in)
{
    const node old = *node_at(r->m, id);
    node *n = node_becomes(r->m, id, domain, op, n_in, in);
    for (uint32_t i = 0; i < n_in; i++) n->in[i] = rewrite_resolve(r, in[i]);
    for (uint32_t i = 0; i < old.n_in; i++) count_use(r, old.in[i], -1);
    for (uint32_t i = 0; i < n_in; i++) count_use(r, n->in[i], 1);
    return n;
}

/* What goes reads nothing any more, and its readers read something else. */
static void settle_uses(rewrite *r, node_id id)
{
    const node *n = node_at(r->m, id);
    for (uint32_t i = 0; i < n->n_in; i++) count_use(r, n->in[i], -1);
    for (uint32_t k = 0; k < n->n_out; k++) {
        const value_id v = n->out[k], same = rewrite_resolve(r, v);
        if (v && v < r->n && same < r->n && same != v) r->uses[same] += r->uses[v];
    }
}

typedef struct {
    const rule_row *rules;
    void *ctx;
} rule_list;

void *rewrite_context(rewrite *r)
{
    return ((const rule_list *)r->ctx)->ctx;
}

static bool try_rules(rewrite *r, node_id id)
{
    enum { MOST = 64 }; /* changes of one node */
    const rule_list *list = r->ctx;
    bool gone = false, again = true;
    for (uint32_t turn = 0; turn < MOST && again; turn++) {
        again = false;
        for (const rule_row *row = list->rules; row->rule && !again && !gone; row++) {
            const node *n = node_at(r->m, id);
            if (!n->n_out || !n->out[0] || !node_in(n, 0) || (row->op ? !op_is(n, row->op) : !op_readable(n))) continue;
            again = row->rule(r, id, &gone);
        }
    }
    if (gone) settle_uses(r, id);
    return gone;
}

void rewrite_rules(model *m, const rule_row *rules, void *ctx)
{
    arena *scratch = arena_new();
    rule_list list = {rules, ctx};
    rewrite r = rewrite_new(m, scratch, &list);
    rewrite_run(&r, try_rules, NULL);
    arena_free(scratch);
}

/* ---- questions ---- */

bool same_tensor_type(const type *a, const type *b)
{
    if (a->kind != TYPE_TENSOR || b->kind != TYPE_TENSOR || a->elem != b->elem || a->rank != b->rank || a->rank < 0) return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

bool same_value_type(model *m, value_id a, value_id b)
{
    return same_tensor_type(&value_at(m, a)->type, &value_at(m, b)->type);
}

bool node_has_graph(const node *n)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attr[i].kind == ATTR_GRAPH || n->attr[i].kind == ATTR_GRAPHS) return true;
    return false;
}
