/* version.c - takes every node to the newest version of its operator; see version.h.
 *
 * The adapters and their tables are in version_math.c, version_shape.c and version_other.c. Source of every change: the ONNX operator
 * change log and the schemas of both versions. */
#include "ops/version.h"

#include <string.h>

#include "ops/contrib.h"
#include "ops/gradient.h"
#include "ops/version_edit.h"
#include "schema/schema.h"

static adapter adapter_in(const adapter_row *r, const op_schema *to)
{
    for (; r->op; r++)
        if (r->to == to->since && !strcmp(r->op, to->name) && !strcmp(r->domain, to->domain)) return r->run;
    return NULL;
}

static adapter adapter_for(const op_schema *to)
{
    adapter a = adapter_in(version_math_rows, to);
    if (!a) a = adapter_in(version_shape_rows, to);
    return a ? a : adapter_in(version_other_rows, to);
}

bool version_replaces(const op_schema *s)
{
    return adapter_for(s) != NULL;
}

const op_schema *version_same(const op_schema *s)
{
    for (const op_schema *next = schema_next(s); next && !next->deprecated && !adapter_for(next); next = schema_next(next)) s = next;
    return s;
}

/* One step of the edited node; *more is false at the newest version. */
static bool step(edit *e, bool *more)
{
    const node *n = edited(e);
    const op_schema *now = schema_find(n->domain, n->op, n->version), *next = now ? schema_next(now) : NULL;
    const adapter run = next ? adapter_for(next) : NULL;
    *more = next && (run || !next->deprecated);
    if (!*more) return true;
    edited(e)->version = next->since; /* an adapter that replaces the operator sets another one */
    node_drop_attr(edited(e), "consumed_inputs"); /* versions before 6: a hint for memory planners, without meaning */
    return !run || run(e);
}

/* Constant has many attributes for its value; one is enough for those who read it. Sparse values stay. */
static void dense_constant(edit *e)
{
    static const char *const name[] = {"value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings"};
    model *m = e->m;
    node *n = edited(e);
    for (uint32_t i = 0; i < 6; i++) {
        const attr *a = node_attr(n, name[i]);
        if (!a || a->ref) continue;
        const bool list = i & 1;
        const elem kind = i < 2 ? ELEM_FLOAT : i < 4 ? ELEM_INT64 : ELEM_STRING;
        tensor *t = ARENA_NEW(m->mem, tensor);
        if (kind != ELEM_STRING) t = tensor_new(m->mem, kind, list, (const int64_t[]){a->n});
        else *t = (tensor){.type = kind, .rank = list, .shape = arena_copy(m->mem, (const int64_t[]){a->n}, sizeof(int64_t))};
        void *to = (void *)(uintptr_t)t->data;
        const uint32_t count = list ? a->n : 1;
        if (kind == ELEM_STRING) t->strings = ARENA_ARRAY(m->mem, const char *, count);
        for (uint32_t k = 0; k < count; k++) {
            if (kind == ELEM_FLOAT) elem_set_double(kind, to, k, (double)(list ? a->u.floats[k] : a->u.f));
            else if (kind == ELEM_INT64) elem_set_int(kind, to, k, list ? a->u.ints[k] : a->u.i);
            else t->strings[k] = list ? a->u.strings[k] : a->u.s;
        }
        node_drop_attr(n, name[i]);
        node_set_attr(m, n, (attr){.name = intern(m->names, "value"), .kind = ATTR_TENSOR, .u.t = t});
        return;
    }
}

/* The node e->id with all that it needs, at the end of e->list. */
static bool node_to_newest(edit *e)
{
    arena *mem = e->m->mem;
    e->serial = 0;
    e->follow.n = 0;
    bool good = contrib_expand(e) && gradient_expand(e), more = edited(e)->version > 0;
    while (more && good) good = step(e, &more);
    if (good && (node_is(edited(e), "", "LSTM") || node_is(edited(e), "", "GRU") || node_is(edited(e), "", "RNN"))) good = recurrent_in_float(e);
    if (node_is(edited(e), "", "Constant")) dense_constant(e);
    VEC_PUSH(mem, e->list, e->id);
    for (uint32_t k = e->follow.n; k-- > 0;) VEC_PUSH(mem, e->list, e->follow.p[k]); /* the newest is nearest to the node */
    return good;
}

static bool graph_to_newest(model *m, graph_id g)
{
    edit e = {.m = m, .graph = g};
    graph *gr = graph_at(m, g);
    bool ok = true;
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        e.id = gr->nodes.p[i];
        ok &= node_to_newest(&e);
    }
    gr->nodes.p = e.list.p;
    gr->nodes.n = e.list.n;
    gr->nodes.cap = e.list.cap;
    return ok;
}

bool version_node(model *m, graph_id g, uint32_t i)
{
    graph *gr = graph_at(m, g);
    edit e = {.m = m, .graph = g, .id = gr->nodes.p[i]};
    if (!node_to_newest(&e)) return false;
    const uint32_t added = e.list.n - 1;
    if (!added) return true;
    const uint32_t rest = gr->nodes.n - i - 1;
    for (uint32_t k = 0; k < added; k++) VEC_PUSH(m->mem, gr->nodes, 0);
    memmove(gr->nodes.p + i + e.list.n, gr->nodes.p + i + 1, rest * sizeof *gr->nodes.p);
    memcpy(gr->nodes.p + i, e.list.p, e.list.n * sizeof *e.list.p);
    return true;
}

static bool in_function(model *m, graph_id g)
{
    while (graph_at(m, g)->parent) g = graph_at(m, g)->parent;
    return g != 1;
}

/* Adapters write the nodes that they add in the newest form; the opset may have an older one that says the same. */
static bool settle_version(model *m, node_id id, int to)
{
    node *n = node_at(m, id);
    const op_schema *s = schema_find(n->domain, n->op, to);
    if (s && !s->deprecated && version_same(s)->since >= n->version) {
        n->version = s->since;
        return true;
    }
    return diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "version-raise", "opset %d can't say what version %d says", to, n->version);
}

static bool raise_graph(model *m, graph_id g, int to)
{
    edit e = {.m = m, .graph = g};
    graph *gr = graph_at(m, g);
    bool ok = true;
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        e.id = gr->nodes.p[i];
        e.serial = 0;
        e.follow.n = 0;
        for (bool more = !*edited(&e)->domain && edited(&e)->version > 0; more && ok;) {
            const op_schema *now = schema_find("", edited(&e)->op, edited(&e)->version), *next = now ? schema_next(now) : NULL;
            more = next && next->since <= to;
            if (more) ok &= step(&e, &more);
        }
        VEC_PUSH(m->mem, e.list, e.id);
        for (uint32_t k = e.follow.n; k-- > 0;) VEC_PUSH(m->mem, e.list, e.follow.p[k]);
    }
    for (uint32_t i = 0; i < e.list.n && ok; i++)
        if (!*node_at(m, e.list.p[i])->domain) ok = settle_version(m, e.list.p[i], to);
    gr->nodes.p = e.list.p;
    gr->nodes.n = e.list.n;
    gr->nodes.cap = e.list.cap;
    return ok;
}

bool version_raise(model *m, int to)
{
    for (graph_id g = 1; g < m->graphs.n; g++)
        if (!in_function(m, g) && !raise_graph(m, g, to)) return false;
    for (uint32_t i = 0; i < m->opsets.n; i++)
        if (!*m->opsets.p[i].domain) m->opsets.p[i].version = to;
    if (m->ir_version < schema_ir_for_opset(to)) m->ir_version = schema_ir_for_opset(to);
    return true;
}

bool version_to_newest(model *m)
{
    bool ok = true;
    for (graph_id g = 1; g < m->graphs.n; g++) /* adapters may add graphs, at the end */
        if (!in_function(m, g)) ok &= graph_to_newest(m, g);
    return ok;
}
