/* gradient.c - Gradient (ai.onnx.preview.training) as operators of ai.onnx: reverse mode over the nodes between the variables and y.
 * Source: ONNX Operators.md, Gradient-1.
 *
 * in:  the node when inference comes to it: what stands before has types and is at the newest versions
 * out: nodes that compute the derivatives, which inference goes on with; a derivative of y's elements is that of their sum
 *
 * xs, zs and y are names. Where the node is given other tensors than those of its lists, the nodes in between are copied first, with these in their place;
 * the node then names the copies, and is met again behind them. */
#include "ops/gradient.h"

#include <string.h>

#include "ops/ops.h"
#include "schema/schema.h"

/* ---- names ---- */

static value_id find_in(const model *m, const graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (!strcmp(m->values.p[g->inputs.p[i]].name, name)) return g->inputs.p[i];
    for (uint32_t i = 0; i < g->initializers.n; i++)
        if (!strcmp(m->values.p[g->initializers.p[i]].name, name)) return g->initializers.p[i];
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = &m->nodes.p[g->nodes.p[i]];
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] && !strcmp(m->values.p[n->out[k]].name, name)) return n->out[k];
    }
    return 0;
}

/* The value of that name that the node sees; 0 after a report. */
static value_id named(edit *e, const char *name)
{
    value_id v = 0;
    for (graph_id g = e->graph; g && !v; g = graph_at(e->m, g)->parent) v = find_in(e->m, graph_at(e->m, g), name);
    if (!v) diag_error(e->m->diag, EXIT_INVALID, at_node(e->m, edited(e)), "gradient-name", "there is no tensor '%s'", name);
    return v;
}

/* The tensors of xs and zs in a row, `n_x` and `n` of them, and y. */
typedef struct {
    value_id *v, y;
    uint32_t n_x, n;
} variables;

static bool find_variables(edit *e, variables *to)
{
    const node *n = edited(e);
    const attr *xs = node_attr(n, "xs"), *zs = node_attr(n, "zs");
    const char *y = node_string(n, "y", "");
    *to = (variables){.n_x = xs ? xs->n : 0, .n = (xs ? xs->n : 0) + (zs ? zs->n : 0)};
    if (to->n != n->n_in || n->n_out > to->n_x) {
        diag_error(e->m->diag, EXIT_INVALID, at_node(e->m, n), "node-inputs", "has %u inputs and %u outputs, but xs has %u names and zs %u", n->n_in, n->n_out, to->n_x, to->n - to->n_x);
        return false;
    }
    to->v = ARENA_ARRAY(e->m->mem, value_id, to->n + 1);
    for (uint32_t i = 0; i < to->n; i++)
        if (!(to->v[i] = named(e, i < to->n_x ? xs->u.strings[i] : zs->u.strings[i - to->n_x]))) return false;
    to->y = named(e, y);
    return to->y != 0;
}

/* ---- the nodes in between ---- */

enum { NEW, OPEN, DONE };

static bool is_variable(const variables *x, value_id v)
{
    for (uint32_t i = 0; i < x->n; i++)
        if (x->v[i] == v) return true;
    return false;
}

/* Nodes that y is computed by, back to the variables, in topological order. */
static void collect(backward *b, const variables *x, value_id y)
{
    model *m = b->e->m;
    uint8_t *state = ARENA_ARRAY(b->scratch, uint8_t, m->nodes.n);
    VEC(node_id) open = {0};
    if (!is_variable(x, y) && value_at(m, y)->producer) VEC_PUSH(b->scratch, open, value_at(m, y)->producer);
    while (open.n) {
        const node_id id = open.p[open.n - 1];
        const node *n = node_at(m, id);
        if (state[id] != NEW) {
            open.n--;
            if (state[id] == OPEN) VEC_PUSH(b->scratch, b->order, id);
            state[id] = DONE;
            continue;
        }
        state[id] = OPEN;
        for (uint32_t i = 0; i < n->n_in; i++) {
            const node_id from = n->in[i] && !is_variable(x, n->in[i]) ? value_at(m, n->in[i])->producer : 0;
            if (from && state[from] == NEW) VEC_PUSH(b->scratch, open, from);
        }
    }
}

static bool has_graph(const node *n)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attr[i].kind == ATTR_GRAPH || n->attr[i].kind == ATTR_GRAPHS) return true;
    return false;
}

/* A node whose body reads what it likes. */
static bool plain_nodes(backward *b)
{
    for (uint32_t i = 0; i < b->order.n; i++) {
        b->at = b->order.p[i];
        if (has_graph(rule_node(b))) return cant(b, "it has a body");
    }
    return true;
}

/* No variable is computed from another one. */
static bool independent(edit *e, const variables *x)
{
    for (uint32_t i = 0; i < x->n; i++) {
        backward b = {.e = e, .scratch = arena_new()};
        variables others = *x;
        const value_id producer_of = x->v[i];
        bool found = false;
        others.n = 0;
        collect(&b, &others, producer_of);
        for (uint32_t k = 0; k < b.order.n && !found; k++) {
            const node *n = node_at(e->m, b.order.p[k]);
            for (uint32_t j = 0; j < n->n_in; j++) found |= n->in[j] && n->in[j] != x->v[i] && is_variable(x, n->in[j]);
        }
        arena_free(b.scratch);
        if (!found) continue;
        diag_error(e->m->diag, EXIT_INVALID, at_node(e->m, edited(e)), "gradient-name", "'%s' is computed from another tensor of xs and zs", value_at(e->m, x->v[i])->name);
        return false;
    }
    return true;
}

/* ---- other tensors than those that the lists name ---- */

static value_id replaced(const variables *x, const value_id *by, const value_id *copy, uint32_t n_copy, value_id v)
{
    for (uint32_t i = 0; i < x->n; i++)
        if (x->v[i] == v) return by[i];
    return v < n_copy && copy[v] ? copy[v] : v;
}

static void set_names(edit *e, const char *name, uint32_t n, const value_id *v)
{
    const char **list = ARENA_ARRAY(e->m->mem, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) list[i] = value_at(e->m, v[i])->name;
    node_set_attr(e->m, edited(e), (attr){.name = intern(e->m->names, name), .kind = ATTR_STRINGS, .n = n, .u.strings = list});
}

/* Copies the nodes in between, on the node's inputs; the node then speaks of the copies. */
static bool copy_nodes(backward *b, const variables *x)
{
    edit *e = b->e;
    model *m = e->m;
    const uint32_t n_copy = m->values.n;
    value_id *copy = ARENA_ARRAY(b->scratch, value_id, n_copy), *by = ARENA_ARRAY(b->scratch, value_id, x->n + 1);
    for (uint32_t i = 0; i < x->n; i++) by[i] = make(e, "Identity", 0, NULL, IN(input_of(e, i))); /* values of their own: two inputs may be one tensor */
    for (uint32_t i = 0; i < b->order.n; i++) {
        const node n = *node_at(m, b->order.p[i]);
        value_id *in = ARENA_ARRAY(b->scratch, value_id, n.n_in + 1), *out = ARENA_ARRAY(b->scratch, value_id, n.n_out + 1);
        bool same = true;
        for (uint32_t k = 0; k < n.n_in; k++) {
            in[k] = replaced(x, by, copy, n_copy, n.in[k]);
            same &= in[k] == n.in[k];
        }
        if (same) continue;
        for (uint32_t k = 0; k < n.n_out; k++)
            if (n.out[k]) out[k] = copy[n.out[k]] = make_value(e, "copy");
        make_node_as(e, &n, n.n_in, in, n.n_out, out);
    }
    const value_id y = replaced(x, by, copy, n_copy, x->y);
    set_names(e, "xs", x->n_x, by);
    set_names(e, "zs", x->n - x->n_x, by + x->n_x);
    node_set_attr(m, edited(e), attr_string(m, "y", value_at(m, y)->name));
    for (uint32_t i = 0; i < x->n; i++) edited(e)->in[i] = by[i];
    return true;
}

/* ---- backward ---- */

static void mark(backward *b, const variables *x)
{
    model *m = b->e->m;
    b->n_values = m->values.n;
    b->depends = ARENA_ARRAY(b->scratch, bool, b->n_values);
    b->grad = ARENA_ARRAY(b->scratch, value_id, b->n_values);
    for (uint32_t i = 0; i < x->n_x; i++) b->depends[x->v[i]] = true;
    for (uint32_t i = 0; i < b->order.n; i++) {
        const node *n = node_at(m, b->order.p[i]);
        bool any = false;
        for (uint32_t k = 0; k < n->n_in; k++) any |= n->in[k] && b->depends[n->in[k]];
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] && !is_variable(x, n->out[k])) b->depends[n->out[k]] = any && elem_of(elem_type_of(b->e, n->out[k]))->kind == 'f';
    }
}

static const gradient_row *rule_of(const node *n)
{
    const gradient_row *const tables[] = {gradient_rules, gradient_move_rules};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const gradient_row *r = tables[t]; !*n->domain && r->op; r++)
            if (!strcmp(r->op, n->op)) return r;
    return NULL;
}

static bool node_back(backward *b)
{
    const node *n = rule_node(b);
    bool reached = false, asked = false;
    for (uint32_t k = 0; k < n->n_out; k++) reached |= d_out(b, k) != 0;
    for (uint32_t k = 0; k < n->n_in; k++) asked |= wants(b, k);
    if (!reached || !asked) return true;
    const gradient_row *r = rule_of(n);
    return r ? r->run(b, r) : cant(b, "there is no rule for the operator");
}

static bool walk_back(backward *b, const variables *x)
{
    const type t = type_of(b, x->y);
    const value_id one = number(b, 1, x->y);
    if (b->depends[x->y]) b->grad[x->y] = t.rank ? op2(b, "Expand", one, shape_of(b, x->y)) : one;
    for (uint32_t i = b->order.n; i-- > 0;) {
        b->at = b->order.p[i];
        if (!node_back(b)) return false;
    }
    return true;
}

/* The node's outputs become the derivatives; the node itself the last of them. */
static void give(backward *b, const variables *x)
{
    edit *e = b->e;
    model *m = e->m;
    value_id last = 0, from = x->n_x ? x->v[0] : 0;
    for (uint32_t i = 0; i < edited(e)->n_out; i++) {
        const value_id out = edited(e)->out[i];
        if (!out) continue;
        if (last) make_node(e, "Identity", 0, NULL, IN(from), 1, &last);
        last = out;
        from = b->grad[x->v[i]] ? b->grad[x->v[i]] : zeros_for(b, x->v[i]);
    }
    node_id id = e->id;
    replace_node(e, "Identity", 0, NULL, IN(from));
    node *n = node_at(m, id);
    n->n_out = last ? 1 : 0;
    if (!last) return;
    n->out[0] = last;
    value_at(m, last)->producer = id;
    value_at(m, last)->output = 0;
}

static bool types_known(edit *e, const backward *b, const variables *x)
{
    bool ok = rank_of(e, x->y) >= 0;
    for (uint32_t i = 0; i < x->n; i++) ok &= rank_of(e, x->v[i]) >= 0;
    for (uint32_t i = 0; i < b->order.n; i++) {
        const node *n = node_at(e->m, b->order.p[i]);
        for (uint32_t k = 0; k < n->n_out; k++) ok &= !n->out[k] || rank_of(e, n->out[k]) >= 0;
    }
    return ok;
}

static bool are_floats(edit *e, const value_id *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (elem_of(elem_type_of(e, v[i]))->kind != 'f') return version_error(e, "gradient", "'%s' is no tensor of floats", value_at(e->m, v[i])->name);
    return true;
}

static bool expand(backward *b)
{
    edit *e = b->e;
    variables x;
    bool direct = true;
    if (!find_variables(e, &x)) return false;
    collect(b, &x, x.y);
    for (uint32_t i = 0; i < b->order.n; i++)
        if (b->order.p[i] == e->id) return diag_error(e->m->diag, EXIT_INVALID, at_node(e->m, edited(e)), "gradient-name", "y is computed from its own derivatives");
    if (!types_known(e, b, &x)) return true; /* a tool that only looks */
    for (uint32_t i = 0; i < x.n; i++) direct &= x.v[i] == input_of(e, i);
    if (!independent(e, &x) || !plain_nodes(b)) return false;
    if (!direct) return copy_nodes(b, &x);
    mark(b, &x);
    if (!are_floats(e, &x.y, 1) || !are_floats(e, x.v, x.n_x)) return false;
    if (!walk_back(b, &x)) return false;
    give(b, &x);
    return true;
}

bool gradient_knows(const char *domain, const char *op)
{
    return !strcmp(op, "Gradient") && !strcmp(domain, "ai.onnx.preview.training");
}

bool gradient_expand(edit *e)
{
    const node *n = edited(e);
    if (!gradient_knows(n->domain, n->op)) return true;
    backward b = {.e = e, .scratch = arena_new()};
    const bool ok = expand(&b);
    arena_free(b.scratch);
    return ok;
}

/* ---- what rules are written in ---- */

const node *rule_node(backward *b)
{
    return node_at(b->e->m, b->at);
}

value_id in_of(backward *b, uint32_t i)
{
    return node_in(rule_node(b), i);
}

value_id out_of(backward *b, uint32_t i)
{
    return i < rule_node(b)->n_out ? rule_node(b)->out[i] : 0;
}

bool wants(backward *b, uint32_t i)
{
    const value_id v = in_of(b, i);
    return v && v < b->n_values && b->depends[v];
}

value_id d_out(backward *b, uint32_t i)
{
    const value_id v = out_of(b, i);
    return v ? b->grad[v] : 0;
}

void add_to(backward *b, uint32_t i, value_id g)
{
    const value_id v = in_of(b, i);
    if (!wants(b, i)) return;
    b->grad[v] = b->grad[v] ? op2(b, "Add", b->grad[v], g) : g;
}

type type_of(backward *b, value_id v)
{
    model *m = b->e->m;
    const tensor *t = value_at(m, v)->data;
    if (!t) return value_at(m, v)->type;
    dim *shape = shape_new(m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = dim_const(m->dims, t->shape[i]);
    return type_tensor(t->type, (int32_t)t->rank, shape);
}

value_id summed(backward *b, value_id x, uint32_t n, const int64_t *axes)
{
    return op2(b, "ReduceSum", x, const_ints(b->e, "axes", n, axes)); /* keepdims is 1 by default */
}

value_id sum_back(backward *b, value_id g, const type *from, const type *to)
{
    dims *d = b->e->m->dims;
    const int32_t more = from->rank - to->rank;
    int64_t axes[MAX_RANK * 2];
    uint32_t n = 0;
    for (int32_t i = 0; i < from->rank && i < MAX_RANK; i++)
        if (i < more || (dim_is(d, to->shape[i - more], 1) && !dim_is(d, from->shape[i], 1))) axes[n++] = i;
    if (n) g = summed(b, g, n, axes);
    for (int32_t i = 0; i < more; i++) axes[i] = i;
    return more > 0 ? op2(b, "Squeeze", g, const_ints(b->e, "axes", (uint32_t)more, axes)) : g;
}

void add_broadcast(backward *b, uint32_t i, value_id g)
{
    if (!wants(b, i)) return;
    const type from = type_of(b, out_of(b, 0)), to = type_of(b, in_of(b, i));
    add_to(b, i, sum_back(b, g, &from, &to));
}

bool cant(backward *b, const char *why)
{
    model *m = b->e->m;
    return version_error(b->e, "gradient", "the derivative of %s is not supported yet: %s", at_node(m, rule_node(b)), why);
}

value_id op1(backward *b, const char *op, value_id x)
{
    return make(b->e, op, 0, NULL, IN(x));
}

value_id op2(backward *b, const char *op, value_id x, value_id y)
{
    return make(b->e, op, 0, NULL, IN(x, y));
}

value_id op3(backward *b, const char *op, value_id x, value_id y, value_id z)
{
    return make(b->e, op, 0, NULL, IN(x, y, z));
}

value_id number(backward *b, double v, value_id like)
{
    const tensor *t = tensor_new(b->e->m->mem, elem_type_of(b->e, like), 0, (const int64_t[]){0});
    elem_set_double(t->type, (void *)(uintptr_t)t->data, 0, v);
    const value_id c = make_value(b->e, "number");
    model *m = b->e->m;
    value_at(m, c)->type = type_tensor(t->type, 0, shape_new(m, 0));
    value_at(m, c)->data = t;
    VEC_PUSH(m->mem, graph_at(m, b->e->graph)->initializers, c);
    return c;
}

value_id shape_of(backward *b, value_id v)
{
    return op1(b, "Shape", v);
}

value_id zeros_for(backward *b, value_id v)
{
    return op2(b, "Expand", number(b, 0, v), shape_of(b, v));
}

value_id cast_to(backward *b, value_id x, elem to)
{
    const attr a = attr_int(b->e->m, "to", to);
    return make(b->e, "Cast", 1, &a, IN(x));
}
