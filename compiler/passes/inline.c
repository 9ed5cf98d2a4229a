/* inline.c - expansion of model-local functions and of the standard's function operators; see inline.h.
 *
 * In: a checked model. Out: the same model without calls. A call is replaced by copies of the body's nodes, in place; copies that are calls
 * again are expanded the same way, with a stack that finds recursion. Source: docs/IR.md of ONNX, "Functions". */
#include "passes/inline.h"

#include <assert.h>
#include <string.h>

#include "check/check.h"
#include "ops/version.h"
#include "passes/computed_body.h"
#include "proto/load.h"
#include "schema/schema.h"

/* What calls may add, nodes for each that the file has: a chain of functions that call the next one twice is 2^n. Names tell the way to a node through all calls. */
enum { MOST_NODES = 1 << 16, NODES_EACH = 16, MOST_DEPTH = 200, MOST_NAME_BYTES = 1 << 25 };

/* What a call is replaced by. */
typedef struct {
    model *from;            /* the model that the body stands in: the same one for local functions */
    const function *function;
    const op_schema *schema; /* of a function operator: its attributes' defaults; else NULL */
} callee;

/* Functions whose bodies are being expanded, innermost first. */
typedef struct frame {
    const function *function;
    const struct frame *outer;
    uint32_t depth;
} frame;

typedef struct {
    const schema_body *body;
    model *m;
} loaded_body;

typedef VEC(node_id) node_list;

typedef struct {
    model *m;
    arena *scratch;
    inline_predicate want; /* NULL: expand local functions; else function operators */
    void *ctx;
    uint32_t expanded;
    uint64_t most_nodes, name_bytes;
    VEC(loaded_body) bodies;
    VEC(value_id) map;     /* of the body that is being copied: by value id there; 0: not copied */
    VEC(value_id) touched; /* entries of map to clear */
} inliner;

/* One body being copied. */
typedef struct {
    inliner *x;
    model *from;
    const callee *callee;
    node call; /* a copy: nodes move while new ones are made */
    const char *prefix;
    bool outer_values; /* unmapped values stand for themselves: a graph of the caller, given as an attribute */
} copier;

static bool copy_graph(copier *c, graph_id from, graph_id parent, graph_id *out);

/* ---- values ---- */

static void map_set(inliner *x, value_id from, value_id to)
{
    while (x->map.n <= from) VEC_PUSH(x->scratch, x->map, 0);
    x->map.p[from] = to;
    VEC_PUSH(x->scratch, x->touched, from);
}

static value_id map_own(const copier *c, value_id from)
{
    return from < c->x->map.n ? c->x->map.p[from] : 0;
}

static value_id map_get(const copier *c, value_id from)
{
    const value_id to = map_own(c, from);
    return to || !c->outer_values ? to : from;
}

static void map_clear(inliner *x)
{
    for (uint32_t i = 0; i < x->touched.n; i++) x->map.p[x->touched.p[i]] = 0;
    x->touched.n = 0;
}

static const char *scoped_name(copier *c, const char *name)
{
    const char *scoped = arena_printf(c->x->m->mem, "%s.%s", c->prefix, name);
    c->x->name_bytes += strlen(scoped);
    return scoped;
}

/* Element types stay, shapes do not: a body's symbols mean something else in each call, and ids of dims belong to the body's model. */
static type without_shape(model *m, const type *t)
{
    type out = {.kind = t->kind, .elem = t->elem, .rank = -1};
    if (t->of) {
        type *of = ARENA_NEW(m->mem, type);
        *of = without_shape(m, t->of);
        out.of = of;
    }
    return out;
}

static value_id copy_value(copier *c, value_id from)
{
    model *m = c->x->m;
    const value src = *value_at(c->from, from);
    const value_id to = value_new(m, scoped_name(c, src.name));
    value *v = value_at(m, to);
    v->data = src.data;
    v->type = without_shape(m, &src.type);
    if (src.data) {
        dim *shape = shape_new(m, src.data->rank);
        for (uint32_t i = 0; i < src.data->rank; i++) shape[i] = dim_const(m->dims, src.data->shape[i]);
        v->type = type_tensor(src.data->type, (int32_t)src.data->rank, shape);
    }
    map_set(c->x, from, to);
    return to;
}

/* ---- attributes ---- */

/* The default that the standard gives an attribute of a function operator. */
static bool schema_default(model *m, const op_schema *s, const char *name, attr *out)
{
    const schema_attr *a = s ? schema_attr_find(s, name) : NULL;
    if (!a || !a->has_default) return false;
    *out = (attr){.kind = (attr_kind)a->kind, .n = a->n};
    switch (a->kind) {
    case ATTR_INT: out->u.i = a->otherwise.i; return true;
    case ATTR_FLOAT: out->u.f = a->otherwise.f; return true;
    case ATTR_STRING:
        out->u.s = a->otherwise.s;
        out->n = (uint32_t)strlen(a->otherwise.s);
        return true;
    case ATTR_INTS: out->u.ints = a->otherwise.ints; return true;
    case ATTR_STRINGS: out->u.strings = arena_copy(m->mem, a->otherwise.strings, a->n * sizeof(const char *)); return true;
    default: return false;
    }
}

/* The value behind a reference; false: the attribute is left out. *of_caller: it came from the call. */
static bool resolve(const copier *c, const char *ref, attr *out, bool *of_caller)
{
    const attr *given = node_attr(&c->call, ref);
    *of_caller = given != NULL;
    if (given) {
        *out = *given;
        return true;
    }
    for (uint32_t i = 0; i < c->callee->function->n_attr; i++) {
        const attr *a = &c->callee->function->attr[i];
        if (strcmp(a->name, ref) || a->kind == ATTR_NONE) continue;
        *out = *a;
        return true;
    }
    return schema_default(c->x->m, c->callee->schema, ref, out);
}

/* Graphs in an attribute are copied: a body may use one several times. Those that the caller gave speak of the caller's values. */
static bool copy_attr_graphs(copier *c, attr *a, graph_id parent, bool of_caller)
{
    if (a->kind != ATTR_GRAPH && a->kind != ATTR_GRAPHS) return true;
    copier given = *c;
    if (of_caller) {
        assert(c->from == c->x->m || c->outer_values); /* no body in the schemas takes a graph */
        given.from = c->x->m;
        given.outer_values = true;
    }
    copier *use = of_caller ? &given : c;
    if (a->kind == ATTR_GRAPH) return copy_graph(use, a->u.g, parent, &a->u.g);
    graph_id *graphs = ARENA_ARRAY(c->x->m->mem, graph_id, a->n);
    for (uint32_t i = 0; i < a->n; i++)
        if (!copy_graph(use, a->u.graphs[i], parent, &graphs[i])) return false;
    a->u.graphs = graphs;
    return true;
}

/* The name that a value of the body has now; a name of none stays. */
static const char *renamed(const copier *c, const char *name)
{
    for (uint32_t i = 0; i < c->x->touched.n; i++) {
        const value_id from = c->x->touched.p[i], to = c->x->map.p[from];
        if (to && from < c->from->values.n && !strcmp(value_at(c->from, from)->name, name)) return value_at(c->x->m, to)->name;
    }
    return name;
}

/* Gradient's attributes are names of values. */
static void rename_values(const copier *c, attr *a)
{
    if (a->kind == ATTR_STRING) {
        a->u.s = renamed(c, a->u.s);
        a->n = (uint32_t)strlen(a->u.s);
    }
    if (a->kind != ATTR_STRINGS) return;
    const char **list = ARENA_ARRAY(c->x->m->mem, const char *, a->n + 1);
    for (uint32_t i = 0; i < a->n; i++) list[i] = renamed(c, a->u.strings[i]);
    a->u.strings = list;
}

/* ---- nodes ---- */

/* `top`: it stands in the body itself, where values that are outputs of the function are mapped already, to the call's. */
static bool copy_node(copier *c, node_id from, graph_id g, bool top, node_list *out)
{
    model *m = c->x->m;
    const node src = *node_at(c->from, from);
    if (m->nodes.n >= c->x->most_nodes || c->x->name_bytes > MOST_NAME_BYTES) {
        diag_error(m->diag, EXIT_LIMIT, at_node(m, &c->call), "function-size", "function calls expand to more than %llu nodes, or to names of more than %d bytes", (unsigned long long)c->x->most_nodes, MOST_NAME_BYTES);
        return diag_hint(m->diag, "functions that call others several times multiply");
    }
    const node_id id = node_new(m, g, src.domain, src.op, src.n_in, src.n_out, src.n_attr);
    uint32_t n_attr = 0;
    attr *attrs = node_at(m, id)->attr;
    for (uint32_t i = 0; i < src.n_attr; i++) {
        attr a = src.attr[i];
        bool of_caller = c->outer_values;
        if (a.ref && !c->outer_values && !resolve(c, a.ref, &a, &of_caller)) continue;
        a.name = intern(m->names, src.attr[i].name);
        if (src.attr[i].ref && !a.ref) a.source = NULL; /* the name is another one */
        if (!copy_attr_graphs(c, &a, g, of_caller)) return false;
        if (node_is(&src, "ai.onnx.preview.training", "Gradient")) rename_values(c, &a);
        attrs[n_attr++] = a;
    }
    for (uint32_t i = 0; i < src.n_out; i++) {
        if (!src.out[i]) continue;
        value_id v = top ? map_own(c, src.out[i]) : 0;
        if (!v) v = copy_value(c, src.out[i]);
        node_at(m, id)->out[i] = v;
        value_at(m, v)->producer = id;
        value_at(m, v)->output = i;
    }
    const origin o = src.origin ? c->from->origins.p[src.origin] : (origin){.name = src.name, .op = src.op, .domain = src.domain};
    VEC_PUSH(m->mem, m->origins, ((origin){o.name, o.op, o.domain, o.index, c->call.origin, o.clean}));
    node *n = node_at(m, id);
    n->n_attr = n_attr;
    n->name = scoped_name(c, *src.name ? src.name : src.op);
    n->overload = src.overload ? intern(m->names, src.overload) : "";
    n->version = src.version;
    n->faulty = src.faulty;
    n->doc = src.doc;
    n->origin = m->origins.n - 1;
    for (uint32_t i = 0; i < src.n_in; i++) n->in[i] = map_get(c, src.in[i]);
    VEC_PUSH(c->x->scratch, *out, id);
    return true;
}

static bool is_input(const graph *g, value_id v)
{
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (g->inputs.p[i] == v) return true;
    return false;
}

static bool copy_graph(copier *c, graph_id from, graph_id parent, graph_id *out)
{
    model *m = c->x->m;
    const graph *src = graph_at(c->from, from);
    const graph_id to = graph_new(m, parent, src->name);
    graph *g = graph_at(m, to);
    for (uint32_t i = 0; i < src->inputs.n; i++) VEC_PUSH(m->mem, g->inputs, copy_value(c, src->inputs.p[i]));
    for (uint32_t i = 0; i < src->initializers.n; i++) {
        const value_id v = src->initializers.p[i];
        VEC_PUSH(m->mem, g->initializers, is_input(src, v) ? map_get(c, v) : copy_value(c, v)); /* an input with a default is both */
    }
    node_list list = {0};
    for (uint32_t i = 0; i < src->nodes.n; i++)
        if (!copy_node(c, src->nodes.p[i], to, false, &list)) return false;
    for (uint32_t i = 0; i < list.n; i++) VEC_PUSH(m->mem, g->nodes, list.p[i]);
    for (uint32_t i = 0; i < src->outputs.n; i++) VEC_PUSH(m->mem, g->outputs, map_get(c, src->outputs.p[i]));
    *out = to;
    return true;
}

/* ---- calls ---- */

/* v = Identity(from), where an output of a function is no value that a node of its body defines for it alone. */
static void add_identity(copier *c, graph_id g, value_id from, value_id v, node_list *out)
{
    model *m = c->x->m;
    const node_id id = node_new(m, g, "", "Identity", 1, 1, 0);
    node *n = node_at(m, id);
    n->version = schema_newest("", "Identity")->since;
    n->origin = c->call.origin;
    n->name = c->prefix;
    n->in[0] = from;
    n->out[0] = v;
    value_at(m, v)->producer = id;
    value_at(m, v)->output = 0;
    VEC_PUSH(c->x->scratch, *out, id);
}

/* Copies a body into `out`: its inputs are the call's, the call's outputs get their new producers. */
static bool copy_nodes(copier c, graph_id source, node_list *out)
{
    inliner *x = c.x;
    model *m = x->m;
    const node n = c.call;
    const graph *body = graph_at(c.from, source);
    for (uint32_t i = 0; i < body->inputs.n; i++) map_set(x, body->inputs.p[i], node_in(&n, i));
    for (uint32_t i = 0; i < body->initializers.n; i++) VEC_PUSH(m->mem, graph_at(m, n.graph)->initializers, copy_value(&c, body->initializers.p[i]));
    bool *direct = ARENA_ARRAY(x->scratch, bool, body->outputs.n);
    for (uint32_t i = 0; i < body->outputs.n && i < n.n_out; i++) {
        const value_id o = body->outputs.p[i];
        const node_id by = o ? value_at(c.from, o)->producer : 0;
        if (!by || !n.out[i] || map_own(&c, o) || node_at(c.from, by)->graph != source) continue;
        map_set(x, o, n.out[i]);
        direct[i] = true;
    }
    bool ok = true;
    for (uint32_t i = 0; ok && i < body->nodes.n; i++) ok = copy_node(&c, body->nodes.p[i], n.graph, true, out);
    for (uint32_t i = 0; ok && i < body->outputs.n && i < n.n_out; i++) {
        if (!n.out[i] || direct[i]) continue;
        const value_id from = map_get(&c, body->outputs.p[i]);
        if (from) add_identity(&c, n.graph, from, n.out[i], out);
        else ok = diag_error(m->diag, EXIT_INVALID, at_node(m, &n), "function-output", "output %u is an input that the call leaves out", i);
    }
    map_clear(x);
    x->expanded++;
    return ok;
}

static bool copy_body(inliner *x, node_id call, const callee *what, node_list *out)
{
    const node n = *node_at(x->m, call);
    const char *prefix = *n.name ? n.name : n.n_out && n.out[0] ? value_at(x->m, n.out[0])->name : n.op;
    const bool ok = copy_nodes((copier){.x = x, .from = what->from, .callee = what, .call = n, .prefix = prefix}, what->function->body, out);
    node_at(x->m, call)->dead = true;
    return ok;
}

/* The body of a function operator as a model with one function, loaded once. A FunctionProto is wrapped into a ModelProto:
 * ir_version (field 1), graph (7), opset_import (8), functions (25). NULL after reporting. */
static model *body_model(inliner *x, const schema_body *b)
{
    for (uint32_t i = 0; i < x->bodies.n; i++)
        if (x->bodies.p[i].body == b) return x->bodies.p[i].m;
    text t = {.mem = x->m->mem};
    text_addn(&t, "\x08\x0a\x3a\x06\x12\x04", 6); /* ir_version 10; a graph with a name of 4 bytes */
    text_addn(&t, "body\x42\x02\x10", 7);         /* opset_import of ai.onnx at */
    const char version = (char)b->opset;
    text_addn(&t, &version, 1);
    text_addn(&t, "\xca\x01", 2);
    for (uint32_t size = b->size;; size >>= 7) { /* varint */
        const char byte = (char)((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
        text_addn(&t, &byte, 1);
        if (size <= 0x7f) break;
    }
    text_addn(&t, b->data, b->size);
    model *m = model_load_bytes(x->m->mem, x->m->diag, t.p, t.n, NULL, NULL);
    if (!m || !check_model_basic(m) || m->functions.n != 1) {
        diag_error(x->m->diag, EXIT_INTERNAL, "", "internal-body", "the body of a function operator cannot be read");
        return NULL;
    }
    VEC_PUSH(x->scratch, x->bodies, ((loaded_body){b, m}));
    return m;
}

/* What the node calls, if this run expands it: what->function is NULL if not. False after reporting. */
static bool find_callee(inliner *x, const node *n, callee *what)
{
    *what = (callee){.from = x->m};
    if (!x->want) {
        what->function = model_function(x->m, n->domain, n->op, n->overload);
        return true;
    }
    const op_schema *s = n->version && !n->faulty ? schema_find(n->domain, n->op, n->version) : NULL;
    const schema_body *b = s ? schema_body_find(version_same(s), INT32_MAX) : NULL;
    if (!b || !x->want(x->ctx, x->m, n)) return true;
    what->schema = s;
    what->from = body_model(x, b);
    if (what->from) what->function = &what->from->functions.p[0];
    return what->from != NULL;
}

static bool expand_graph(inliner *x, graph_id g, const frame *stack);

static bool report_recursion(inliner *x, const node *n, const function *f, const frame *stack)
{
    text path = {.mem = x->m->mem};
    text_add(&path, f->name);
    for (; stack && stack->function != f; stack = stack->outer) text_addf(&path, " <- %s", stack->function->name);
    text_addf(&path, " <- %s", f->name);
    return diag_error(x->m->diag, EXIT_INVALID, at_node(x->m, n), "function-recursion", "function '%s' calls itself (%s)", f->name, path.p);
}

/* A function operator whose body is made for the node. */
static bool expand_computed(inliner *x, node_id id, body_builder build, node_list *out)
{
    edit e = {.m = x->m, .graph = node_at(x->m, id)->graph, .id = id};
    if (!build(&e)) return false;
    for (uint32_t i = 0; i < e.list.n; i++) VEC_PUSH(x->scratch, *out, e.list.p[i]);
    VEC_PUSH(x->scratch, *out, id);
    for (uint32_t i = e.follow.n; i-- > 0;) VEC_PUSH(x->scratch, *out, e.follow.p[i]);
    x->expanded++;
    return true;
}

/* The node, or everything that it expands to, at the end of `out`. */
static bool expand_node(inliner *x, node_id id, const frame *stack, node_list *out)
{
    model *m = x->m;
    callee what;
    const node n = *node_at(m, id);
    const body_builder build = x->want && n.version && !n.faulty ? computed_body_find(n.domain, n.op) : NULL;
    if (build && x->want(x->ctx, m, &n)) return expand_computed(x, id, build, out);
    if (!find_callee(x, &n, &what)) return false;
    if (!what.function) {
        bool ok = true;
        for (uint32_t i = 0; i < n.n_attr; i++) {
            const attr *a = &n.attr[i];
            if (a->kind == ATTR_GRAPH) ok &= expand_graph(x, a->u.g, stack);
            for (uint32_t k = 0; a->kind == ATTR_GRAPHS && k < a->n; k++) ok &= expand_graph(x, a->u.graphs[k], stack);
        }
        VEC_PUSH(x->scratch, *out, id);
        return ok;
    }
    for (const frame *f = stack; f; f = f->outer)
        if (f->function == what.function) return report_recursion(x, &n, what.function, stack);
    node_list body = {0};
    const frame inner = {what.function, stack, stack ? stack->depth + 1 : 1};
    if (inner.depth > MOST_DEPTH) return diag_error(m->diag, EXIT_LIMIT, at_node(m, &n), "function-size", "functions call each other more than %d deep", MOST_DEPTH);
    if (!copy_body(x, id, &what, &body)) return false;
    bool ok = true;
    for (uint32_t i = 0; ok && i < body.n; i++) ok = expand_node(x, body.p[i], &inner, out);
    return ok;
}

static bool expand_graph(inliner *x, graph_id g, const frame *stack)
{
    model *m = x->m;
    graph *gr = graph_at(m, g);
    node_list out = {0};
    bool ok = true;
    for (uint32_t i = 0; i < gr->nodes.n; i++) ok &= expand_node(x, gr->nodes.p[i], stack, &out);
    if (!ok) return false;
    gr->nodes.n = 0;
    for (uint32_t i = 0; i < out.n; i++) VEC_PUSH(m->mem, gr->nodes, out.p[i]);
    return true;
}

static uint64_t most_nodes(const model *m)
{
    return MOST_NODES + (uint64_t)m->nodes.n * NODES_EACH;
}

bool inline_functions(model *m)
{
    if (!m->functions.n) return true;
    inliner x = {.m = m, .scratch = arena_new(), .most_nodes = most_nodes(m)};
    const bool ok = expand_graph(&x, 1, NULL);
    arena_free(x.scratch);
    return ok;
}

bool inline_operators(model *m, inline_predicate want, void *ctx, uint32_t *expanded)
{
    inliner x = {.m = m, .scratch = arena_new(), .most_nodes = most_nodes(m), .want = want, .ctx = ctx};
    const bool ok = expand_graph(&x, 1, NULL);
    arena_free(x.scratch);
    if (expanded) *expanded = x.expanded;
    return ok;
}

bool inline_body(model *m, graph_id body, const node *call, const char *prefix, uint32_t i)
{
    inliner x = {.m = m, .scratch = arena_new(), .most_nodes = most_nodes(m)};
    node_list list = {0};
    const bool ok = copy_nodes((copier){.x = &x, .from = m, .call = *call, .prefix = prefix, .outer_values = true}, body, &list);
    graph *g = graph_at(m, call->graph);
    for (uint32_t k = 0; ok && k < list.n; k++) VEC_PUSH(m->mem, g->nodes, 0);
    if (ok && list.n) {
        memmove(g->nodes.p + i + list.n, g->nodes.p + i, (g->nodes.n - list.n - i) * sizeof *g->nodes.p);
        memcpy(g->nodes.p + i, list.p, list.n * sizeof *list.p);
    }
    arena_free(x.scratch);
    return ok;
}
