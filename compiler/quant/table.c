/* table.c - what is an elementwise function of one 8-bit value becomes a lookup in a table of 256 entries.
 *
 *     Q(Sigmoid(DQ(q)))                                       ->  Lookup(q, table)
 *     y = Q(DQ(x) * DQ(Q(HardSigmoid(DQ(x)))))                ->  Lookup(x, table)     HardSwish in pieces: it depends on x alone
 *     Q(DQ(q)) with other scale or zero point                 ->  Lookup(q, table)     with the same: q itself
 *     DQ(q) -> Tanh -> used as float                          ->  Lookup(q, table of float)
 *
 * The table holds what the nodes themselves compute for the 256 values: they are run by the compiler as constants are, so a table is
 * exact by construction. A walk in order finds for each value the earliest 8-bit value that alone decides it, element by element. */
#include <string.h>

#include "ops/families.h"
#include "quant/region.h"

typedef struct {
    region *r;
    value_id *root;  /* by value id: the 8-bit value that it is a function of; 0: there is none */
    value_id *image; /* by value id: a constant, the value for each of the 256 roots */
    uint8_t *costly; /* by value id: computing it takes an exponential or the like */
    uint8_t *wanted; /* by value id: something that is no such function reads it */
    uint8_t *bound;  /* by value id: it is the root, or maxima and minima of it and constants: as good as a lookup */
} tabling;

/* ---- the function of a node ---- */

static bool is_elementwise(const node *n)
{
    static const char *const MORE[] = {"Cast", "DequantizeLinear", "QuantizeLinear", "Where"};
    if (!strcmp(n->domain, OWN_DOMAIN)) return !strcmp(n->op, "Lookup");
    if (*n->domain || n->n_out != 1) return false;
    for (size_t i = 0; i < sizeof MORE / sizeof *MORE; i++)
        if (!strcmp(n->op, MORE[i])) return true;
    const op_def *op = op_find(n->domain, n->op);
    return op && (op->lower == lower_unary || op->lower == lower_binary || op->lower == lower_variadic);
}

static bool is_costly(const node *n)
{
    static const char *const COSTLY[] = {"Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh",   "Celu", "Cos",  "Cosh",     "Elu",   "Erf", "Exp",
                                         "Gelu", "Log",   "Mish", "Pow",   "Selu", "Sigmoid", "Sin",  "Sinh", "Softplus", "Swish", "Tan", "Tanh"};
    for (size_t i = 0; i < sizeof COSTLY / sizeof *COSTLY; i++)
        if (!strcmp(n->op, COSTLY[i])) return true;
    return false;
}

/* A Lookup's table is the one operand that is not met element by element. */
static bool is_table(const node *n, uint32_t input)
{
    return !strcmp(n->op, "Lookup") && input == 1;
}

/* The one value that all inputs are functions of, besides constants of one element; 0: there is none. */
static value_id common_root(const tabling *t, const node *n)
{
    value_id root = 0;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const value_id v = n->in[i];
        const tensor *c = region_constant(t->r, v);
        if (!v || is_table(n, i) || (c && tensor_count(c) == 1)) continue;
        const value_id from = v < t->r->n ? t->root[v] : 0;
        if (!from || (root && from != root)) return 0;
        root = from;
    }
    return root;
}

static value_id root_image(tabling *t, value_id root)
{
    if (t->image[root]) return t->image[root];
    const elem e = value_at(t->r->m, root)->type.elem;
    tensor *x = tensor_new(t->r->m->mem, e, 1, (const int64_t[]){TABLE_SIZE});
    for (int i = 0; i < TABLE_SIZE; i++) elem_set_int(e, (void *)(uintptr_t)x->data, (size_t)i, i + lowest_byte(e));
    return t->image[root] = unlisted_constant(t->r, root, "all", x);
}

/* Runs a copy of the node on the images of its inputs. 0: it can't be run. */
static value_id image_of(tabling *t, node_id id)
{
    model *m = t->r->m;
    const node old = *node_at(m, id);
    const node_id copy = node_new(m, t->r->g, old.domain, old.op, old.n_in, 1, old.n_attr);
    const value_id out = new_like(t->r, old.out[0], "table");
    node *n = node_at(m, copy);
    n->version = old.version;
    n->dead = true; /* in no list */
    if (old.n_attr) memcpy(n->attr, old.attr, old.n_attr * sizeof *old.attr);
    for (uint32_t i = 0; i < old.n_in; i++) n->in[i] = old.in[i] && !region_constant(t->r, old.in[i]) ? t->image[old.in[i]] : old.in[i];
    n->out[0] = out;
    const uint32_t problems = m->diag->list.n, errors = m->diag->errors;
    const bool done = infer_node(m, copy) && fold_numbers(t->r->f, copy, TABLE_SIZE);
    m->diag->list.n = problems; /* what can't be computed here is no fault of the model */
    m->diag->errors = errors;
    if (!done) return 0;
    const tensor *y = value_at(m, out)->data;
    return y && y->data && tensor_count(y) == TABLE_SIZE ? out : 0;
}

static bool is_bound(const tabling *t, const node *n, value_id root)
{
    if (strcmp(n->op, "Max") && strcmp(n->op, "Min")) return false;
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != root && !t->bound[n->in[i]] && !region_constant(t->r, n->in[i])) return false;
    return true;
}

static void follow_node(tabling *t, node_id id)
{
    const node *n = node_at(t->r->m, id);
    const value_id root = is_elementwise(n) ? common_root(t, n) : 0, out = root ? n->out[0] : 0;
    if (!root || value_at(t->r->m, out)->data || !same_shape(t->r, root, out)) return;
    (void)root_image(t, root);
    bool costly = is_costly(n);
    for (uint32_t i = 0; i < n->n_in; i++) costly |= t->costly[n->in[i]];
    t->image[out] = image_of(t, id);
    if (!t->image[out]) return;
    n = node_at(t->r->m, id); /* nodes move while new ones are made */
    t->root[out] = root;
    t->bound[out] = is_bound(t, n, root);
    t->costly[out] = costly;
}

/* An 8-bit tensor is a function of itself. */
static void start_at(tabling *t, value_id v)
{
    if (!v || t->root[v] || region_constant(t->r, v)) return;
    const type *x = &value_at(t->r->m, v)->type;
    if (x->kind == TYPE_TENSOR && x->rank >= 0 && is_byte(x->elem)) t->root[v] = v;
}

/* ---- what becomes of it ---- */

static tensor *table_of(tabling *t, value_id v)
{
    tensor *y = ARENA_NEW(t->r->m->mem, tensor);
    *y = *value_at(t->r->m, t->image[v])->data;
    y->rank = 1;
    y->shape = arena_copy(t->r->m->mem, (const int64_t[]){TABLE_SIZE}, sizeof(int64_t));
    return y;
}

static bool is_identity(region *r, value_id root, const tensor *y)
{
    const elem e = value_at(r->m, root)->type.elem;
    for (int i = 0; i < TABLE_SIZE; i++)
        if (y->type != e || elem_get_int(e, y->data, (size_t)i) != i + lowest_byte(e)) return false;
    return true;
}

static void look_up(tabling *t, value_id v)
{
    region *r = t->r;
    const value_id root = t->root[v];
    const node_id id = producer_of(r, v);
    if (!id || root == v || t->bound[v] || (!strcmp(node_at(r->m, id)->op, "Lookup") && node_at(r->m, id)->in[0] == root)) return;
    tensor *y = table_of(t, v);
    if (is_identity(r, root, y)) {
        replace_value(r, v, root);
        return;
    }
    const value_id table = const_tensor(r, v, "table", y);
    drop_node(r, id);
    region_add(r, id, OWN_DOMAIN, "Lookup", 0, NULL, IN(root, table), v);
}

static void find_wanted(tabling *t)
{
    region *r = t->r;
    const graph *g = graph_at(r->m, r->g);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        const bool follows = n->n_out == 1 && t->root[n->out[0]] && t->root[n->out[0]] != n->out[0];
        for (uint32_t k = 0; k < n->n_in; k++) t->wanted[n->in[k]] |= !follows;
    }
    for (value_id v = 1; v < r->n; v++) t->wanted[v] |= r->output[v];
}

void make_tables(region *r)
{
    const graph *g = graph_at(r->m, r->g);
    const uint32_t n = r->n, count = g->nodes.n;
    tabling t = {r,
                 ARENA_ARRAY(r->mem, value_id, n),
                 ARENA_ARRAY(r->mem, value_id, n),
                 ARENA_ARRAY(r->mem, uint8_t, n),
                 ARENA_ARRAY(r->mem, uint8_t, n),
                 ARENA_ARRAY(r->mem, uint8_t, n)};
    for (uint32_t i = 0; i < g->inputs.n; i++) start_at(&t, g->inputs.p[i]);
    for (uint32_t i = 0; i < count; i++) {
        const node_id id = g->nodes.p[i];
        for (uint32_t k = 0; k < node_at(r->m, id)->n_in; k++) start_at(&t, node_at(r->m, id)->in[k]); /* values from outside the graph */
        follow_node(&t, id);
        for (uint32_t k = 0; k < node_at(r->m, id)->n_out; k++) start_at(&t, node_at(r->m, id)->out[k]);
    }
    find_wanted(&t);
    for (uint32_t i = 0; i < count; i++) {
        const node *nd = node_at(r->m, g->nodes.p[i]);
        const value_id v = nd->n_out == 1 ? nd->out[0] : 0;
        if (!v || v >= n || !t.root[v]) continue;
        const elem e = value_at(r->m, v)->type.elem;
        if (is_byte(e) || (e == ELEM_FLOAT && t.costly[v] && t.wanted[v])) look_up(&t, v);
    }
    region_settle(r);
}
