/* analyze.c - infers a copy of the nodes and takes the copy away again; see analyze.h.
 *
 * Inference wants calls expanded and every node at its operator's newest version, and gets there by rewriting. So the nodes and the lists of the
 * graphs are kept aside meanwhile. Values are not: an adapter or an expansion makes new ones, but those of the file keep their ids and get
 * their types, data and content in place. */
#include "passes/analyze.h"

#include <string.h>

#include "ops/ops.h"
#include "passes/inline.h"

typedef struct {
    node_id producer;
    uint32_t output;
    const char *name;
    type declared;
} definition;

typedef struct {
    arena *mem;
    uint32_t n_values, n_nodes, n_graphs, n_claims, n_origins;
    definition *value;
    node *node;
    graph *graph;
    const tensor **data;
} snapshot;

/* The lists of the kept nodes are the model's own, since passes may keep pointing to them; inference works on copies. */
static node copied_node(arena *mem, node n)
{
    n.in = arena_copy(mem, n.in, n.n_in * sizeof *n.in);
    n.out = arena_copy(mem, n.out, n.n_out * sizeof *n.out);
    n.attr = arena_copy(mem, n.attr, n.n_attr * sizeof *n.attr);
    return n;
}

static graph copied_graph(arena *mem, graph g)
{
    g.nodes.p = arena_copy(mem, g.nodes.p, g.nodes.n * sizeof *g.nodes.p);
    g.inputs.p = arena_copy(mem, g.inputs.p, g.inputs.n * sizeof *g.inputs.p);
    g.outputs.p = arena_copy(mem, g.outputs.p, g.outputs.n * sizeof *g.outputs.p);
    g.initializers.p = arena_copy(mem, g.initializers.p, g.initializers.n * sizeof *g.initializers.p);
    g.nodes.cap = g.nodes.n;
    g.inputs.cap = g.inputs.n;
    g.outputs.cap = g.outputs.n;
    g.initializers.cap = g.initializers.n;
    return g;
}

static snapshot take(model *m, arena *scratch)
{
    snapshot s = {
        .mem = scratch, .n_values = m->values.n, .n_nodes = m->nodes.n, .n_graphs = m->graphs.n, .n_claims = m->claims.n, .n_origins = m->origins.n};
    s.value = ARENA_ARRAY(scratch, definition, s.n_values);
    s.data = ARENA_ARRAY(scratch, const tensor *, s.n_values);
    s.node = ARENA_ARRAY(scratch, node, s.n_nodes);
    s.graph = ARENA_ARRAY(scratch, graph, s.n_graphs);
    for (value_id v = 1; v < s.n_values; v++) {
        const value *x = value_at(m, v);
        s.value[v] = (definition){x->producer, x->output, x->name, x->type};
        s.data[v] = x->data;
    }
    for (node_id n = 1; n < s.n_nodes; n++) {
        s.node[n] = *node_at(m, n);
        *node_at(m, n) = copied_node(m->mem, s.node[n]);
    }
    for (graph_id g = 1; g < s.n_graphs; g++) {
        s.graph[g] = *graph_at(m, g);
        *graph_at(m, g) = copied_graph(m->mem, s.graph[g]);
    }
    return s;
}

static void put_back(model *m, const snapshot *s)
{
    m->values.n = s->n_values;
    m->nodes.n = s->n_nodes;
    m->graphs.n = s->n_graphs;
    m->claims.n = s->n_claims;
    m->origins.n = s->n_origins;
    for (value_id v = 1; v < s->n_values; v++) {
        value_at(m, v)->producer = s->value[v].producer;
        value_at(m, v)->output = s->value[v].output;
        value_at(m, v)->name = s->value[v].name;
    }
    for (node_id n = 1; n < s->n_nodes; n++) *node_at(m, n) = s->node[n];
    for (graph_id g = 1; g < s->n_graphs; g++) *graph_at(m, g) = s->graph[g];
}

/* Operators without a definition of ours are understood through the standard's body. */
bool has_no_types(void *ctx, model *m, const node *n)
{
    (void)ctx, (void)m;
    const op_def *op = op_find(n->domain, n->op);
    return !op || !op->infer;
}

/* ---- which constants may stand in the file ---- */

/* What inference made a constant of: not one of the file's, as an initializer or a Constant. */
static bool is_folded(model *m, const snapshot *s, value_id v)
{
    const value *x = value_at(m, v);
    return x->data && !s->data[v] && x->producer && !node_is(node_at(m, x->producer), "", "Constant");
}

static bool all_constant(model *m, const node *n)
{
    bool all = n->n_out > 0;
    for (uint32_t k = 0; k < n->n_out; k++) all &= !n->out[k] || value_at(m, n->out[k])->data;
    return all;
}

/* How often every value is read; `remaining`: by nodes that are not constants themselves. */
static uint32_t *count_uses(model *m, const snapshot *s, bool remaining)
{
    uint32_t *uses = ARENA_ARRAY(s->mem, uint32_t, s->n_values);
    for (node_id id = 1; id < s->n_nodes; id++) {
        const node *n = node_at(m, id);
        if (n->dead || (remaining && all_constant(m, n))) continue;
        for (uint32_t k = 0; k < n->n_in; k++) uses[n->in[k]]++;
    }
    for (graph_id g = 1; g < s->n_graphs; g++)
        for (uint32_t k = 0; k < s->graph[g].outputs.n; k++) uses[s->graph[g].outputs.p[k]]++;
    return uses;
}

/* All of them together take no more room than what nobody reads any more gives. */
static bool all_fit(model *m, const snapshot *s, size_t limit)
{
    const uint32_t *before = count_uses(m, s, false), *after = count_uses(m, s, true);
    size_t added = 0, freed = 0;
    for (value_id v = 1; v < s->n_values; v++) {
        const tensor *t = value_at(m, v)->data;
        if (!t) continue;
        if (!is_folded(m, s, v)) freed += before[v] && !after[v] ? t->bytes : 0;
        else if (t->bytes > limit) added += after[v] ? t->bytes : 0;
    }
    return added <= freed;
}

/* A constant of the node at least as large, which nothing else reads: it goes when the node does. */
static bool makes_room(model *m, const node *n, size_t bytes, const uint32_t *uses)
{
    for (uint32_t i = 0; i < n->n_in; i++) {
        const tensor *t = n->in[i] ? value_at(m, n->in[i])->data : NULL;
        if (t && t->bytes >= bytes && uses[n->in[i]] == 1) return true;
    }
    return false;
}

/* Constants that are too large to stand in the file. In the order of values, which is that of the file: a chain of nodes on one constant goes whole.
 */
static void drop_large(model *m, const snapshot *s, size_t limit)
{
    if (all_fit(m, s, limit)) return;
    const uint32_t *uses = count_uses(m, s, false);
    for (value_id v = 1; v < s->n_values; v++) {
        value *x = value_at(m, v);
        if (is_folded(m, s, v) && x->data->bytes > limit && !makes_room(m, node_at(m, x->producer), x->data->bytes, uses)) x->data = NULL;
    }
}

/* What the file declares can't be: the number of dimensions, or one of them, is another. */
static bool contradicts(model *m, const type *declared, const type *t)
{
    int64_t a, b;
    if (declared->kind != TYPE_TENSOR || t->kind != TYPE_TENSOR || declared->rank < 0 || t->rank < 0) return false;
    if (declared->rank != t->rank) return true;
    for (int32_t i = 0; i < t->rank; i++)
        if (dim_is_const(m->dims, declared->shape[i], &a) && dim_is_const(m->dims, t->shape[i], &b) && a != b) return true;
    return false;
}

/* Exporters get declarations wrong, and nobody notices as long as shapes are computed during the run. Once passes have made constants of them,
 * checkers do: a wrong declaration is not written again. */
static void drop_wrong_declarations(model *m, const snapshot *s, bool of_outputs)
{
    uint8_t *kept = ARENA_ARRAY(s->mem, uint8_t, s->n_values);
    for (graph_id g = 1; g < s->n_graphs && !of_outputs; g++)
        for (uint32_t i = 0; i < s->graph[g].outputs.n; i++) kept[s->graph[g].outputs.p[i]] = 1;
    for (value_id v = 1; v < s->n_values; v++) {
        value *x = value_at(m, v);
        if (!kept[v] && x->source && x->producer && contradicts(m, &s->value[v].declared, &x->type)) x->source = NULL;
    }
}

static void look(model *m, size_t limit, bool of_outputs)
{
    arena *scratch = arena_new();
    diag *said = m->diag;
    const snapshot before = take(m, scratch);
    const infer_options o = {.fold_limit = (int64_t)limit, .tolerant = true};
    m->diag = diag_new(scratch, NULL);
    m->written_back = true;
    if (inline_functions(m) && inline_operators(m, has_no_types, NULL, NULL)) (void)infer_model(m, &o);
    m->diag = said;
    put_back(m, &before);
    drop_large(m, &before, limit);
    drop_wrong_declarations(m, &before, of_outputs);
    arena_free(scratch);
}

void analyze(model *m, size_t limit)
{
    look(m, limit, true);
}

void analyze_kept(model *m, size_t limit)
{
    look(m, limit, false);
}

/* Data that inference found would be written as constants. */
static void forget_data(model *m, const snapshot *s)
{
    for (value_id v = 1; v < s->n_values; v++) {
        value_at(m, v)->data = s->data[v];
        value_at(m, v)->content = NULL;
        value_at(m, v)->n_content = 0;
    }
}

bool analyze_types(model *m, const infer_options *o)
{
    arena *scratch = arena_new();
    const snapshot before = take(m, scratch);
    m->written_back = true;
    for (value_id v = 1; v < before.n_values; v++) /* as onnx takes them */
        if (!value_at(m, v)->data) value_at(m, v)->data = value_at(m, v)->initial;
    bool ok = inline_functions(m) && inline_operators(m, has_no_types, NULL, NULL) && infer_model(m, o);
    put_back(m, &before);
    forget_data(m, &before);
    arena_free(scratch);
    return ok;
}
