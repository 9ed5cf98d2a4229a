/* sizes.c - pass `sizes`: small integer tensors whose elements are known as sizes (value.content) are taken from where they are cheapest.
 *
 *     Concat(Gather(Shape(x), 0), Gather(Shape(y), 1)) = [batch, seq]    Shape(ids), when ids is an input of the graph of that shape
 *     two tensors with the same elements                                 one of them
 *
 * requires: types and contents known. keeps: every bit. breaks: nothing. Only equal expressions count as equal sizes. */
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

typedef struct known {
    value_id v;
    graph_id graph; /* that its producer stands in */
} known;

typedef struct {
    VEC(known) list;
    VEC(uint32_t) scopes;
} sizes;

static bool all_known(const value *v)
{
    if (!v->content || !v->n_content || v->data || v->type.kind != TYPE_TENSOR || v->type.rank < 0) return false;
    for (uint32_t i = 0; i < v->n_content; i++)
        if (!v->content[i]) return false;
    return true;
}

static bool same_content(model *m, value_id a, value_id b)
{
    const value *x = value_at(m, a), *y = value_at(m, b);
    return x->n_content == y->n_content && !memcmp(x->content, y->content, x->n_content * sizeof *x->content) && same_value_type(m, a, b);
}

/* Dimensions of an input that are these elements, one after the other: the place of the first; -1: none. */
static int32_t find_run(const type *t, const value *v)
{
    const int32_t n = (int32_t)v->n_content;
    if (t->kind != TYPE_TENSOR || t->rank < n) return -1;
    for (int32_t at = 0; at + n <= t->rank; at++)
        if (!memcmp(t->shape + at, v->content, (size_t)n * sizeof(dim))) return at;
    return -1;
}

static bool has_symbol(model *m, const value *v)
{
    for (uint32_t i = 0; i < v->n_content; i++)
        if (!dim_is_const(m->dims, v->content[i], NULL)) return true;
    return false;
}

/* The node becomes Shape of an input of the main graph, which every graph sees. */
static bool from_input(rewrite *r, node_id id)
{
    enum { START_AND_END = 15 };
    model *m = r->m;
    const node *n = node_at(m, id);
    const value *v = value_at(m, n->out[0]);
    const graph *g = model_main(m);
    if (!m->written_back || n->n_out != 1 || op_is(n, "Shape") || v->type.rank != 1 || v->type.elem != ELEM_INT64 || !has_symbol(m, v)) return false;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const type *t = &value_at(m, g->inputs.p[i])->type;
        const int32_t at = find_run(t, v), end = at + (int32_t)v->n_content;
        if (at < 0 || (end - at != t->rank && !op_has(m, "Shape", START_AND_END)) || !op_has(m, "Shape", 1)) continue;
        const bool whole = end - at == t->rank;
        (void)rewrite_becomes(r, id, "", "Shape", 1, &g->inputs.p[i]);
        if (!whole && at) set_attr_int(m, id, "start", at);
        if (!whole && end != t->rank) set_attr_int(m, id, "end", end);
        return true;
    }
    return false;
}

static bool visit(rewrite *r, node_id id)
{
    sizes *s = r->ctx;
    model *m = r->m;
    const node *n = node_at(m, id);
    if (n->n_out != 1 || !n->out[0] || node_has_graph(n) || !all_known(value_at(m, n->out[0]))) return false;
    const value_id v = n->out[0];
    for (uint32_t i = 0; i < s->list.n; i++)
        if (same_content(m, s->list.p[i].v, v)) return rewrite_alias(r, v, s->list.p[i].v);
    (void)from_input(r, id);
    VEC_PUSH(r->mem, s->list, ((known){v, node_at(m, id)->graph}));
    return false;
}

static void scope(rewrite *r, bool enter)
{
    sizes *s = r->ctx;
    if (enter) VEC_PUSH(r->mem, s->scopes, s->list.n);
    else s->list.n = s->scopes.p[--s->scopes.n];
}

void share_sizes(model *m)
{
    arena *scratch = arena_new();
    sizes s = {0};
    rewrite r = rewrite_new(m, scratch, &s);
    rewrite_run(&r, visit, scope);
    arena_free(scratch);
}
