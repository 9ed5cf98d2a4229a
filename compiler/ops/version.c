/* version.c - takes every node to the newest version of its operator; see version.h. To another version than the newest: version_convert.c.
 *
 * The adapters and their tables are in version_math.c, version_shape.c and version_other.c. Source of every change: the ONNX operator
 * change log and the schemas of both versions. */
#include "ops/version.h"

#include <string.h>

#include "ops/contrib.h"
#include "ops/gradient.h"
#include "ops/version_edit.h"
#include "schema/schema.h"

adapter version_row(const adapter_row *r, const op_schema *s)
{
    for (; r->op; r++)
        if (r->version == s->since && !strcmp(r->op, s->name) && !strcmp(r->domain, s->domain)) return r->run;
    return NULL;
}

adapter version_adapter(const op_schema *to)
{
    adapter a = version_row(version_math_rows, to);
    if (!a) a = version_row(version_shape_rows, to);
    return a ? a : version_row(version_other_rows, to);
}

bool version_replaces(const op_schema *s)
{
    return version_adapter(s) != NULL;
}

const op_schema *version_same(const op_schema *s)
{
    for (const op_schema *next = schema_next(s); next && !next->deprecated && !version_adapter(next); next = schema_next(next)) s = next;
    return s;
}

bool version_step(edit *e, bool *more)
{
    const node *n = edited(e);
    const op_schema *now = schema_find(n->domain, n->op, n->version), *next = now ? schema_next(now) : NULL;
    const adapter run = next ? version_adapter(next) : NULL;
    *more = next && (run || !next->deprecated);
    if (!*more) return true;
    edited(e)->version = next->since; /* an adapter that replaces the operator sets another one */
    node_drop_attr(edited(e), "consumed_inputs"); /* versions before 6: a hint for memory planners, without meaning */
    return !run || run(e);
}

/* The node e->id with all that it needs, at the end of e->list. */
static bool node_to_newest(edit *e)
{
    arena *mem = e->m->mem;
    e->serial = 0;
    e->follow.n = 0;
    bool good = contrib_expand(e) && gradient_expand(e), more = edited(e)->version > 0;
    while (more && good) good = version_step(e, &more);
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

bool version_to_newest(model *m)
{
    bool ok = true;
    for (graph_id g = 1; g < m->graphs.n; g++) /* adapters may add graphs, at the end */
        if (!in_function(m, g)) ok &= graph_to_newest(m, g);
    return ok;
}
