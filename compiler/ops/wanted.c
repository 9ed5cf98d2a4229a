/* wanted.c - a value that has to be known when the model is compiled, and is not: which inputs of the model decide it?
 *
 * in:  a problem just reported, and the values that the operator asked for
 * out: the problem's hint and needs name the inputs for --value, or the hint the node that computes the value. Only those with few elements, in one dimension: axes, sizes, scales and the like; what follows
 *      from the shape of an input is said by --dim or --shape. */
#include <string.h>

#include "ops/ops.h"

enum { MOST_ASKED = 256, MOST_ELEMENTS = 1024 };

void note_asked(model *m, value_id v)
{
    if (m->asked.n < MOST_ASKED) VEC_PUSH(m->mem, m->asked, v);
}

static bool is_small_input(model *m, value_id v)
{
    const type *t = &value_at(m, v)->type;
    int64_t n = 0;
    bool found = false;
    for (uint32_t i = 0; i < model_main(m)->inputs.n; i++) found |= model_main(m)->inputs.p[i] == v;
    return found && t->kind == TYPE_TENSOR && t->rank <= 1 && (t->rank < 1 || !dim_is_const(m->dims, t->shape[0], &n) || n <= MOST_ELEMENTS);
}

typedef struct {
    arena *mem;
    bool *seen;
    VEC(value_id) list;
} worklist;

static void look_at(worklist *w, model *m, value_id v)
{
    if (!v || w->seen[v] || value_at(m, v)->data) return;
    w->seen[v] = true;
    VEC_PUSH(w->mem, w->list, v);
}

static void look_behind(worklist *w, model *m, const node *n)
{
    if (node_is(n, "", "Shape") || node_is(n, "", "Size")) return;
    for (uint32_t i = 0; i < n->n_in; i++) look_at(w, m, n->in[i]);
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const graph *g = n->attr[i].kind == ATTR_GRAPH ? graph_at(m, n->attr[i].u.g) : NULL;
        for (uint32_t k = 0; g && k < g->outputs.n; k++) look_at(w, m, g->outputs.p[k]);
    }
}

static bool hint_needs(diag *d)
{
    text said = {.mem = d->mem};
    if (d->last >= d->list.n) return false;
    const problem *p = &d->list.p[d->last]; /* with the needs of equal messages before */
    for (uint32_t i = 0; i < p->needs.n; i++)
        if (!strcmp(p->needs.p[i].option, "value")) text_addf(&said, " --value %s=..", p->needs.p[i].name);
    return said.n && diag_hint(d, "an input decides it, and can be given when compiling:%s", said.p);
}

/* No input decides it: the node that does is named, where nothing else is said. */
static bool hint_computed(model *m, const value_id *v, uint32_t n)
{
    diag *d = m->diag;
    if (d->last >= d->list.n || d->list.p[d->last].hint) return false;
    for (uint32_t i = 0; i < n; i++) {
        const value *x = value_at(m, v[i]);
        if (x->producer && !x->data && !x->content)
            return diag_hint(d, "'%s' decides it, which %s computes from data; it has to follow from constants and sizes", x->name, at_node(m, node_at(m, x->producer)));
    }
    return false;
}

static void need_inputs(model *m, const value_id *v, uint32_t n)
{
    worklist w = {.mem = arena_new()};
    w.seen = ARENA_ARRAY(w.mem, bool, m->values.n);
    for (uint32_t i = 0; i < n; i++) look_at(&w, m, v[i]);
    for (uint32_t i = 0; i < w.list.n; i++) {
        const value *x = value_at(m, w.list.p[i]);
        if (x->producer) look_behind(&w, m, node_at(m, x->producer));
        else if (is_small_input(m, w.list.p[i])) diag_need(m->diag, "value", x->name);
    }
    arena_free(w.mem);
}

static bool hint_of(model *m, const value_id *v, uint32_t n)
{
    need_inputs(m, v, n);
    return hint_needs(m->diag) || hint_computed(m, v, n);
}

bool hint_value(model *m, value_id v)
{
    return hint_of(m, &v, 1);
}

/* A contradiction is there whatever the data are, and what was reported in the body of a node has no need of what the node itself asked for. */
static bool is_for_lack_of_data(model *m, const node *n)
{
    const diag *d = m->diag;
    if (d->last >= d->list.n || d->list.p[d->last].exit != EXIT_UNSUPPORTED) return false;
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attr[i].kind == ATTR_GRAPH) return !strcmp(d->list.p[d->last].where, at_node(m, n));
    return true;
}

void hint_asked(model *m, const node *n, uint32_t from, bool can_give)
{
    if (from >= m->asked.n || !is_for_lack_of_data(m, n)) return;
    const value_id *v = m->asked.p + from;
    const uint32_t count = m->asked.n - from;
    if (can_give) (void)hint_of(m, v, count);
    else (void)hint_computed(m, v, count);
}
