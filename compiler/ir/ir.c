/* ir.c - making and reading the graph, and the verifier that runs between passes; see ir.h. */
#include "ir/ir.h"

#include <string.h>

model *model_new(arena *mem, diag *d)
{
    model *m = ARENA_NEW(mem, model);
    m->mem = mem;
    m->names = names_new(mem);
    m->dims = dims_new(mem);
    m->diag = d;
    m->producer = m->producer_version = m->domain = m->doc = "";
    VEC_PUSH(mem, m->values, (value){0});
    VEC_PUSH(mem, m->nodes, (node){0});
    VEC_PUSH(mem, m->graphs, NULL);
    VEC_PUSH(mem, m->origins, (origin){0});
    graph_new(m, 0, "");
    return m;
}

value_id value_new(model *m, const char *name)
{
    value v = {.name = intern(m->names, name), .type = {.rank = -1}};
    VEC_PUSH(m->mem, m->values, v);
    return m->values.n - 1;
}

node_id node_new(model *m, graph_id g, const char *domain, const char *op, uint32_t n_in, uint32_t n_out, uint32_t n_attr)
{
    node n = {.domain = intern(m->names, domain), .op = intern(m->names, op), .name = "", .overload = "", .graph = g};
    n.n_in = n_in;
    n.n_out = n_out;
    n.n_attr = n_attr;
    n.in = ARENA_ARRAY(m->mem, value_id, n_in);
    n.out = ARENA_ARRAY(m->mem, value_id, n_out);
    n.attr = ARENA_ARRAY(m->mem, attr, n_attr);
    VEC_PUSH(m->mem, m->nodes, n);
    return m->nodes.n - 1;
}

graph_id graph_new(model *m, graph_id parent, const char *name)
{
    graph *g = ARENA_NEW(m->mem, graph);
    g->name = intern(m->names, name);
    g->parent = parent;
    VEC_PUSH(m->mem, m->graphs, g);
    return m->graphs.n - 1;
}

/* ---- attributes ---- */

const attr *node_attr(const node *n, const char *name)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (!strcmp(n->attr[i].name, name)) return &n->attr[i];
    return NULL;
}

int64_t node_int(const node *n, const char *name, int64_t otherwise)
{
    const attr *a = node_attr(n, name);
    return a && a->kind == ATTR_INT ? a->u.i : otherwise;
}

elem node_elem(const node *n, const char *name, elem otherwise)
{
    const int64_t to = node_int(n, name, (int64_t)otherwise);
    return to > 0 && to < ELEM_COUNT ? (elem)to : ELEM_NONE;
}

float node_float(const node *n, const char *name, float otherwise)
{
    const attr *a = node_attr(n, name);
    return a && a->kind == ATTR_FLOAT ? a->u.f : otherwise;
}

const char *node_string(const node *n, const char *name, const char *otherwise)
{
    const attr *a = node_attr(n, name);
    return a && a->kind == ATTR_STRING ? a->u.s : otherwise;
}

const int64_t *node_ints(const node *n, const char *name, uint32_t *count)
{
    const attr *a = node_attr(n, name);
    const bool here = a && a->kind == ATTR_INTS;
    *count = here ? a->n : 0;
    return here ? a->u.ints : NULL;
}

void node_set_attr(model *m, node *n, attr a)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (!strcmp(n->attr[i].name, a.name)) {
            n->attr[i] = a;
            return;
        }
    attr *grown = ARENA_ARRAY(m->mem, attr, n->n_attr + 1);
    if (n->n_attr) memcpy(grown, n->attr, n->n_attr * sizeof a);
    grown[n->n_attr++] = a;
    n->attr = grown;
}

void node_drop_attr(node *n, const char *name)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (!strcmp(n->attr[i].name, name)) {
            memmove(&n->attr[i], &n->attr[i + 1], (n->n_attr - i - 1) * sizeof *n->attr);
            n->n_attr--;
            return;
        }
}

bool node_is(const node *n, const char *domain, const char *op)
{
    return !strcmp(n->op, op) && !strcmp(n->domain, domain);
}

int model_opset(const model *m, const char *domain)
{
    for (uint32_t i = 0; i < m->opsets.n; i++)
        if (!strcmp(m->opsets.p[i].domain, domain)) return m->opsets.p[i].version;
    return 0;
}

const char *at_value(model *m, value_id v)
{
    return arena_printf(m->mem, "value '%s'", value_at(m, v)->name);
}

/* ---- types ---- */

type type_tensor(elem e, int32_t rank, dim *shape)
{
    return (type){.kind = TYPE_TENSOR, .elem = e, .rank = rank, .shape = shape};
}

dim *shape_new(model *m, uint32_t rank)
{
    return ARENA_ARRAY(m->mem, dim, rank);
}

bool shape_is_static(model *m, const type *t, int64_t *out)
{
    if (t->kind != TYPE_TENSOR || t->rank < 0) return false;
    for (int32_t i = 0; i < t->rank; i++) {
        int64_t v;
        if (!dim_is_const(m->dims, t->shape[i], &v)) return false;
        if (out) out[i] = v;
    }
    return true;
}

void type_text(model *m, const type *t, text *out)
{
    switch (t->kind) {
    case TYPE_UNKNOWN: text_add(out, "?"); return;
    case TYPE_SEQUENCE:
    case TYPE_OPTIONAL:
        text_add(out, t->kind == TYPE_SEQUENCE ? "seq(" : "optional(");
        if (t->of) type_text(m, t->of, out);
        text_add(out, ")");
        return;
    case TYPE_MAP:
        text_addf(out, "map(%s, ", elem_of(t->elem)->name);
        if (t->of) type_text(m, t->of, out);
        text_add(out, ")");
        return;
    case TYPE_TENSOR:
    case TYPE_SPARSE: break;
    }
    if (t->kind == TYPE_SPARSE) text_add(out, "sparse_");
    text_add(out, elem_of(t->elem)->name);
    if (t->rank < 0) text_add(out, "[...]");
    if (t->rank <= 0) return;
    for (int32_t i = 0; i < t->rank; i++) {
        text_add(out, i ? "," : "[");
        dim_text(m->dims, t->shape[i], out);
    }
    text_add(out, "]");
}

int64_t tensor_count(const tensor *t)
{
    int64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n = sat_mul(n, t->shape[i]);
    return n;
}

bool tensor_number(const tensor *t, double *v)
{
    if (!t || !t->data || tensor_count(t) != 1 || !strchr("fiub", elem_of(t->type)->kind)) return false;
    *v = elem_get_double(t->type, t->data, 0);
    return true;
}

tensor *tensor_new(arena *a, elem e, uint32_t rank, const int64_t *shape)
{
    tensor *t = ARENA_NEW(a, tensor);
    t->type = e;
    t->rank = rank;
    t->shape = arena_copy(a, shape, rank * sizeof *shape);
    t->bytes = elem_bytes(e, (size_t)tensor_count(t));
    t->data = arena_alloc(a, t->bytes);
    return t;
}

tensor *tensor_of_parts(arena *a, const tensor *t)
{
    tensor *r = ARENA_NEW(a, tensor);
    int64_t *shape = ARENA_ARRAY(a, int64_t, t->rank + 1);
    *r = *t;
    r->type = t->type == ELEM_COMPLEX64 ? ELEM_FLOAT : ELEM_DOUBLE;
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = t->shape[i];
    shape[t->rank] = 2;
    r->shape = shape;
    r->rank = t->rank + 1;
    return r;
}

/* ---- verifier ---- */

typedef struct {
    model *m;
    uint8_t *defined; /* by value id */
    uint8_t *listed;  /* by node id */
} verifier;

static bool verify_graph(verifier *v, graph_id g);

static bool verify_node(verifier *v, graph_id g, node_id id)
{
    model *m = v->m;
    if (!id || id >= m->nodes.n) return diag_error(m->diag, EXIT_INTERNAL, "", "internal-ir", "graph %u lists node %u, which does not exist", g, id);
    const node n = *node_at(m, id);
    if (v->listed[id]++) return diag_error(m->diag, EXIT_INTERNAL, at_node(m, &n), "internal-ir", "is listed twice");
    for (uint32_t i = 0; i < n.n_in; i++) {
        if (!n.in[i]) continue;
        if (n.in[i] >= m->values.n) return diag_error(m->diag, EXIT_INTERNAL, at_node(m, &n), "internal-ir", "input %u is no value", i);
        const value *in = value_at(m, n.in[i]);
        if (!v->defined[n.in[i]] && !in->data)
            return diag_error(m->diag, EXIT_INTERNAL, at_node(m, &n), "internal-ir", "input %u '%s' is used before it is defined", i, in->name);
    }
    for (uint32_t i = 0; i < n.n_attr; i++) {
        const attr *a = &n.attr[i];
        if (a->ref) continue; /* the graph is the call's */
        if (a->kind == ATTR_GRAPH && !verify_graph(v, a->u.g)) return false;
        for (uint32_t k = 0; a->kind == ATTR_GRAPHS && k < a->n; k++)
            if (!verify_graph(v, a->u.graphs[k])) return false;
    }
    for (uint32_t i = 0; i < n.n_out; i++) {
        if (!n.out[i]) continue;
        const value *out = value_at(m, n.out[i]);
        if (out->producer != id || out->output != i)
            return diag_error(m->diag, EXIT_INTERNAL, at_node(m, &n), "internal-ir", "output %u '%s' names another producer", i, out->name);
        v->defined[n.out[i]] = 1;
    }
    return true;
}

static bool verify_graph(verifier *v, graph_id g)
{
    model *m = v->m;
    graph *gr = graph_at(m, g);
    for (uint32_t i = 0; i < gr->inputs.n; i++) v->defined[gr->inputs.p[i]] = 1;
    for (uint32_t i = 0; i < gr->initializers.n; i++) v->defined[gr->initializers.p[i]] = 1;
    for (uint32_t i = 0; i < gr->nodes.n; i++)
        if (!verify_node(v, g, gr->nodes.p[i])) return false;
    for (uint32_t i = 0; i < gr->outputs.n; i++) {
        const value_id o = gr->outputs.p[i];
        if (o && !v->defined[o] && !value_at(m, o)->data)
            return diag_error(m->diag, EXIT_INTERNAL, at_value(m, o), "internal-ir", "is an output of graph %u but nothing defines it", g);
    }
    return true;
}

bool ir_verify(model *m)
{
    arena *scratch = arena_new();
    verifier v = {m, ARENA_ARRAY(scratch, uint8_t, m->values.n), ARENA_ARRAY(scratch, uint8_t, m->nodes.n)};
    bool ok = verify_graph(&v, 1);
    for (uint32_t i = 0; ok && i < m->functions.n; i++) ok = verify_graph(&v, m->functions.p[i].body);
    arena_free(scratch);
    return ok;
}
