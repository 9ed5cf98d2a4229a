/* version_convert.c - takes a model to another version of ai.onnx, newer or older; see version.h.
 *
 * Upwards the adapters of version.c run, and stop at that version; nodes that they add are in the newest form. Downwards, and for those nodes,
 * version_lower.c goes the other way, until no node is too new. */
#include <string.h>

#include "ir/scope.h"
#include "ops/version.h"
#include "ops/version_edit.h"
#include "schema/schema.h"

enum { MAX_ROUNDS = 8 }; /* of lowering what lowering has added */

typedef struct {
    const char *where, *op;
    int version;
} before;

static bool has_reference(const node *n)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attr[i].ref) return true;
    return false;
}

/* The step makes an input of a list, whoever gives it; other adapters look at what attributes say. */
static bool only_moves_a_list(const op_schema *from, const op_schema *into)
{
    static const char *const name[] = {"axes", "split"};
    for (uint32_t i = 0; i < 2 && (into->since == 13 || into->since == 18); i++)
        if (schema_attr_find(from, name[i]) && !schema_attr_find(into, name[i])) return true;
    return false;
}

static bool raise_node(edit *e, int to)
{
    for (bool more = true; more;) {
        const node *n = edited(e);
        const op_schema *now = *n->domain || !n->version ? NULL : schema_find("", n->op, n->version), *next = now ? schema_next(now) : NULL;
        if (!next || next->since > to) return true;
        if (has_reference(n) && version_adapter(next) && !only_moves_a_list(now, next))
            return version_error(e, "version-function", "an attribute is given by the function's caller; %s-%d needs to know it", next->name,
                                 next->since);
        if (!version_step(e, &more)) return false;
    }
    return true;
}

/* One walk over a graph: every node goes through `run`, between what that adds. */
static bool walk(model *m, graph_id g, int to, bool (*run)(edit *e, int to))
{
    edit e = {.m = m, .graph = g};
    graph *gr = graph_at(m, g);
    bool ok = true;
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        e.id = gr->nodes.p[i];
        e.follow.n = 0;
        e.serial = 0;
        ok &= run(&e, to);
        VEC_PUSH(m->mem, e.list, e.id);
        for (uint32_t k = e.follow.n; k-- > 0;) VEC_PUSH(m->mem, e.list, e.follow.p[k]);
    }
    gr->nodes.p = e.list.p;
    gr->nodes.n = e.list.n;
    gr->nodes.cap = e.list.cap;
    return ok;
}

static bool too_new(model *m, graph_id g, int to)
{
    const graph *gr = graph_at(m, g);
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        const node *n = node_at(m, gr->nodes.p[i]);
        if (!*n->domain && n->version > to && !node_is(n, "", "Constant")) return true;
    }
    return false;
}

/* Constants come last: those that became attributes have no readers then. */
static bool lower_other(edit *e, int to)
{
    return node_is(edited(e), "", "Constant") || version_lower(e, to);
}

static bool lower_constant(edit *e, int to)
{
    return !node_is(edited(e), "", "Constant") || !is_used(e, edited(e)->out[0]) || version_lower(e, to);
}

static bool convert_graph(model *m, graph_id g, int to)
{
    bool ok = walk(m, g, to, raise_node);
    for (uint32_t round = 0; round < MAX_ROUNDS && ok && too_new(m, g, to); round++) ok = walk(m, g, to, lower_other);
    return walk(m, g, to, lower_constant) && ok;
}

/* ---- constants that nothing reads any more ---- */

static uint8_t *used_values(model *m, arena *a)
{
    uint8_t *used = ARENA_ARRAY(a, uint8_t, m->values.n);
    for (graph_id g = 1; g < m->graphs.n; g++) {
        const graph *gr = graph_at(m, g);
        for (uint32_t i = 0; i < gr->nodes.n; i++) {
            const node *n = node_at(m, gr->nodes.p[i]);
            for (uint32_t k = 0; k < n->n_in; k++) used[n->in[k]] = 1;
        }
        for (uint32_t i = 0; i < gr->outputs.n; i++) used[gr->outputs.p[i]] = 1;
    }
    return used;
}

static bool is_input(const graph *g, value_id v)
{
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (g->inputs.p[i] == v) return true;
    return false;
}

/* Nobody reads v, but somebody did, or it is new. */
static bool lost(value_id v, const uint8_t *was, uint32_t n_was, const uint8_t *is)
{
    return !is[v] && (v >= n_was || was[v]);
}

static void drop_lost_constants(model *m, arena *a, const uint8_t *was, uint32_t n_was)
{
    const uint8_t *is = used_values(m, a);
    for (graph_id g = 1; g < m->graphs.n; g++) {
        graph *gr = graph_at(m, g);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < gr->initializers.n; i++) {
            const value_id v = gr->initializers.p[i];
            if (!lost(v, was, n_was, is) || is_input(gr, v)) gr->initializers.p[kept++] = v;
        }
        gr->initializers.n = kept;
        kept = 0;
        for (uint32_t i = 0; i < gr->nodes.n; i++) {
            node *n = node_at(m, gr->nodes.p[i]);
            n->dead = node_is(n, "", "Constant") && n->n_out == 1 && lost(n->out[0], was, n_was, is);
            if (!n->dead) gr->nodes.p[kept++] = gr->nodes.p[i];
        }
        gr->nodes.n = kept;
    }
}

/* ---- the whole ---- */

static graph_id root_of(model *m, graph_id g)
{
    while (graph_at(m, g)->parent) g = graph_at(m, g)->parent;
    return g;
}

static const opset *import_of(const opset *o, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!*o[i].domain) return &o[i];
    return NULL;
}

/* Names of nodes are different, as runtimes want them: also from those that a conversion before has given. */
static void name_new_nodes(model *m, node_id first)
{
    arena *scratch = arena_new();
    scope *taken = scope_new(scratch);
    for (node_id id = 1; id < first; id++)
        if (!scope_find(taken, node_at(m, id)->name)) scope_define(taken, node_at(m, id)->name, 1);
    for (node_id id = first, serial = 0; id < m->nodes.n; id++) {
        node *n = node_at(m, id);
        if (!*n->name) continue;
        const char *name;
        do name = intern(m->names, arena_printf(m->mem, "%s.%s.%u", n->name, n->op, serial++));
        while (scope_find(taken, name));
        n->name = name;
    }
    arena_free(scratch);
}

static bool convert(model *m, int to, bool functions)
{
    bool ok = true;
    const node_id first = m->nodes.n;
    for (graph_id g = 1; g < m->graphs.n; g++) /* adapters may add graphs, at the end */
        if (functions || root_of(m, g) == 1) ok &= convert_graph(m, g, to);
    name_new_nodes(m, first);
    if (!import_of(m->opsets.p, m->opsets.n)) VEC_PUSH(m->mem, m->opsets, ((opset){.domain = intern(m->names, "")}));
    for (uint32_t i = 0; i < m->opsets.n; i++)
        if (!*m->opsets.p[i].domain) m->opsets.p[i].version = to;
    for (uint32_t i = 0; functions && i < m->functions.n; i++) {
        function *f = &m->functions.p[i];
        for (uint32_t k = 0; k < f->opsets.n; k++) {
            if (*f->opsets.p[k].domain || f->opsets.p[k].version == to) continue;
            f->opsets.p[k].version = to;
            f->changed = true;
        }
    }
    return ok;
}

bool version_raise(model *m, int to)
{
    if (m->ir_version < schema_ir_for_opset(to)) m->ir_version = schema_ir_for_opset(to);
    return convert(m, to, false);
}

/* Imports came with IR version 3, initializers that are no inputs with 4. */
static void raise_ir(model *m, uint32_t n_values)
{
    bool added = false;
    for (graph_id g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->initializers.n; i++) added |= graph_at(m, g)->initializers.p[i] >= n_values;
    if (m->ir_version < (added ? 4 : 3)) m->ir_version = added ? 4 : 3;
}

static before *remember(model *m, arena *a)
{
    before *list = ARENA_ARRAY(a, before, m->nodes.n);
    for (node_id id = 1; id < m->nodes.n; id++) {
        const node *n = node_at(m, id);
        list[id] = (before){.where = at_node(m, n), .op = n->op, .version = n->version};
    }
    return list;
}

static void report(model *m, const before *was, uint32_t n_was, version_changes *done)
{
    uint32_t *added = ARENA_ARRAY(m->mem, uint32_t, m->origins.n + 1); /* by origin, which new nodes share with the one they help */
    for (node_id id = n_was; id < m->nodes.n; id++) added[node_at(m, id)->origin]++;
    for (node_id id = 1; id < n_was; id++) {
        const node *n = node_at(m, id);
        if (n->dead || (n->version == was[id].version && n->op == was[id].op)) continue;
        const op_schema *s = schema_find("", n->op, was[id].version > n->version ? was[id].version : n->version);
        version_change c = {
            .where = was[id].where, .op = was[id].op, .new_op = n->op, .from = was[id].version, .to = n->version, .added = added[n->origin]};
        for (c.rewritten = c.op != c.new_op || c.added; s && !c.rewritten && s->since > (c.from < c.to ? c.from : c.to); s = schema_previous(s))
            c.rewritten = version_adapter(s) != NULL;
        VEC_PUSH(m->mem, *done, c);
    }
}

bool version_convert(model *m, int to, version_changes *done)
{
    arena *scratch = arena_new();
    const uint32_t n_values = m->values.n, n_nodes = m->nodes.n;
    const uint8_t *was_used = used_values(m, scratch);
    const before *was = remember(m, scratch);
    const bool ok = convert(m, to, true);
    if (ok) {
        drop_lost_constants(m, scratch, was_used, n_values);
        raise_ir(m, n_values);
        report(m, was, n_nodes, done);
    }
    arena_free(scratch);
    return ok;
}
