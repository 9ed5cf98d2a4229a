/* region.c - see region.h. */
#include "quant/region.h"

#include <math.h>
#include <string.h>

#include "schema/schema.h"

/* ---- counting ---- */

static void count_graph(region *r, graph_id id)
{
    const graph *g = graph_at(r->m, id);
    for (uint32_t i = 0; i < g->outputs.n; i++) r->output[g->outputs.p[i]] = 1;
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_in; k++) {
            r->uses[n->in[k]]++;
            r->reader[n->in[k]] = g->nodes.p[i];
        }
        for (uint32_t k = 0; k < n->n_attr; k++) {
            const attr *a = &n->attr[k];
            if (a->kind == ATTR_GRAPH) count_graph(r, a->u.g);
            for (uint32_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++) count_graph(r, a->u.graphs[j]);
        }
    }
}

static void count(region *r)
{
    r->n = r->m->values.n;
    r->uses = ARENA_ARRAY(r->mem, uint32_t, r->n);
    r->reader = ARENA_ARRAY(r->mem, node_id, r->n);
    r->output = ARENA_ARRAY(r->mem, uint8_t, r->n);
    r->same = ARENA_ARRAY(r->mem, value_id, r->n);
    count_graph(r, 1);
}

void region_open(region *r, graph_id g)
{
    r->g = g;
    count(r);
}

/* ---- order ---- */

static void substitute(region *r, graph_id id)
{
    const graph *g = graph_at(r->m, id);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        node *n = node_at(r->m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_in; k++)
            while (n->in[k] < r->n && r->same[n->in[k]]) n->in[k] = r->same[n->in[k]];
        for (uint32_t k = 0; k < n->n_attr; k++) {
            const attr *a = &n->attr[k];
            if (a->kind == ATTR_GRAPH) substitute(r, a->u.g);
            for (uint32_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++) substitute(r, a->u.graphs[j]);
        }
    }
}

typedef struct {
    region *r;
    uint8_t *state; /* by node id: 1 being visited, 2 placed */
    VEC(node_id) stack;
    VEC(node_id) list;
} ordering;

static void need(ordering *o, const node *n);

static void need_graph(ordering *o, graph_id id)
{
    const graph *g = graph_at(o->r->m, id);
    for (uint32_t i = 0; i < g->outputs.n; i++) {
        const node_id p = value_at(o->r->m, g->outputs.p[i])->producer;
        if (p && node_at(o->r->m, p)->graph == o->r->g && !o->state[p]) VEC_PUSH(o->r->mem, o->stack, p);
    }
    for (uint32_t i = 0; i < g->nodes.n; i++) need(o, node_at(o->r->m, g->nodes.p[i]));
}

/* Puts on the stack what the node and its subgraphs need and is not placed yet. */
static void need(ordering *o, const node *n)
{
    model *m = o->r->m;
    for (uint32_t k = n->n_in; k-- > 0;) {
        const node_id p = n->in[k] ? value_at(m, n->in[k])->producer : 0;
        if (p && node_at(m, p)->graph == o->r->g && !node_at(m, p)->dead && !o->state[p]) VEC_PUSH(o->r->mem, o->stack, p);
    }
    for (uint32_t k = 0; k < n->n_attr; k++) {
        if (n->attr[k].kind == ATTR_GRAPH) need_graph(o, n->attr[k].u.g);
        for (uint32_t j = 0; n->attr[k].kind == ATTR_GRAPHS && j < n->attr[k].n; j++) need_graph(o, n->attr[k].u.graphs[j]);
    }
}

static void place(ordering *o, node_id first)
{
    VEC_PUSH(o->r->mem, o->stack, first);
    while (o->stack.n) {
        const node_id id = o->stack.p[o->stack.n - 1];
        if (o->state[id] == 0) {
            o->state[id] = 1;
            need(o, node_at(o->r->m, id));
            continue;
        }
        o->stack.n--;
        if (o->state[id] == 2) continue;
        o->state[id] = 2;
        VEC_PUSH(o->r->mem, o->list, id);
    }
}

/* Nodes keep their order as far as what they need allows. */
static void sort_nodes(region *r)
{
    graph *g = graph_at(r->m, r->g);
    ordering o = {.r = r, .state = ARENA_ARRAY(r->mem, uint8_t, r->m->nodes.n)};
    for (uint32_t i = 0; i < g->nodes.n; i++)
        if (!node_at(r->m, g->nodes.p[i])->dead && !o.state[g->nodes.p[i]]) place(&o, g->nodes.p[i]);
    if (o.list.n) memcpy(g->nodes.p, o.list.p, o.list.n * sizeof *o.list.p);
    g->nodes.n = o.list.n;
}

void region_settle(region *r)
{
    substitute(r, 1);
    sort_nodes(r);
    count(r);
}

/* ---- quantizations ---- */

bool same_affine(affine a, affine b)
{
    return a.scale == b.scale && a.zero == b.zero && a.type == b.type;
}

static bool positive_scales(const tensor *t)
{
    if (!t || t->type != ELEM_FLOAT || t->rank > 1 || tensor_count(t) < 1) return false;
    const size_t n = (size_t)tensor_count(t);
    for (size_t i = 0; i < n; i++) {
        const double v = elem_get_double(t->type, t->data, i);
        if (!(v >= 1e-30 && v <= 1e30)) return false; /* far from where 255 steps overflow or lose bits */
    }
    return true;
}

/* Inputs 1 and 2 and the attributes of a Q or DQ node; the element types are known. */
static bool read_parameters(region *r, const node *n, quantization *q)
{
    const tensor *scale = region_constant(r, node_in(n, 1)), *zero = region_constant(r, node_in(n, 2));
    if (!positive_scales(scale) || (node_in(n, 2) && !zero) || node_int(n, "block_size", 0) || !node_int(n, "saturate", 1)) return false;
    if (zero && (zero->type != q->type || tensor_count(zero) != tensor_count(scale))) return false;
    q->scale = n->in[1];
    q->zero = node_in(n, 2);
    q->axis = -1;
    if (tensor_count(scale) > 1) {
        const int32_t rank = value_at(r->m, q->x)->type.rank;
        q->axis = node_int(n, "axis", 1);
        if (q->axis < 0) q->axis += rank;
        return q->axis >= 0 && q->axis < rank;
    }
    q->one = (affine){(float)elem_get_double(scale->type, scale->data, 0), zero ? (int32_t)elem_get_int(zero->type, zero->data, 0) : 0, q->type};
    return true;
}

static elem elem_type(region *r, value_id v)
{
    const type *t = &value_at(r->m, v)->type;
    return t->kind == TYPE_TENSOR && t->rank >= 0 ? t->elem : ELEM_NONE;
}

bool read_dequantized(region *r, value_id v, quantization *q)
{
    const node_id id = v && !value_at(r->m, v)->data ? value_at(r->m, v)->producer : 0; /* in this graph or one around it */
    if (!id || !node_is(node_at(r->m, id), "", "DequantizeLinear")) return false;
    const node *n = node_at(r->m, id);
    *q = (quantization){.id = id, .x = n->in[0], .type = elem_type(r, n->in[0])};
    return elem_type(r, v) == ELEM_FLOAT && strchr("iu", elem_of(q->type)->kind) && read_parameters(r, n, q);
}

bool read_quantize(region *r, node_id id, quantization *q)
{
    const node *n = id ? node_at(r->m, id) : NULL;
    if (!n || !node_is(n, "", "QuantizeLinear")) return false;
    *q = (quantization){.id = id, .x = n->in[0], .type = elem_type(r, n->out[0])};
    const int64_t precision = node_int(n, "precision", 0);
    if (precision && precision != ELEM_FLOAT) return false;
    return elem_type(r, q->x) == ELEM_FLOAT && strchr("iu", elem_of(q->type)->kind) && read_parameters(r, n, q);
}

bool read_dequantized_byte(region *r, value_id v, quantization *q)
{
    return read_dequantized(r, v, q) && q->axis < 0 && is_byte(q->type);
}

bool read_quantize_byte(region *r, node_id id, quantization *q)
{
    return read_quantize(r, id, q) && q->axis < 0 && is_byte(q->type);
}

int32_t quantize_number(affine a, float v)
{
    const int32_t lo = lowest_byte(a.type), hi = lo + TABLE_SIZE - 1;
    const double q = (double)rintf(v / a.scale) + a.zero;
    return q > lo ? q < hi ? (int32_t)q : hi : lo;
}

/* ---- questions ---- */

const tensor *region_constant(region *r, value_id v)
{
    const tensor *t = v ? value_at(r->m, v)->data : NULL;
    return t && t->data ? t : NULL;
}

node_id producer_of(region *r, value_id v)
{
    const node_id id = v && !value_at(r->m, v)->data ? value_at(r->m, v)->producer : 0;
    return id && node_at(r->m, id)->graph == r->g && !node_at(r->m, id)->dead ? id : 0;
}

bool read_once(region *r, value_id v)
{
    return v < r->n && r->uses[v] == 1 && !r->output[v];
}

node_id only_reader(region *r, value_id v)
{
    if (!read_once(r, v)) return 0;
    const node_id id = r->reader[v];
    return node_at(r->m, id)->graph == r->g && !node_at(r->m, id)->dead ? id : 0;
}

bool same_shape(region *r, value_id a, value_id b)
{
    const type *x = &value_at(r->m, a)->type, *y = &value_at(r->m, b)->type;
    if (x->kind != TYPE_TENSOR || y->kind != TYPE_TENSOR || x->rank != y->rank || x->rank < 0) return false;
    for (int32_t i = 0; i < x->rank; i++)
        if (x->shape[i] != y->shape[i]) return false;
    return true;
}

/* ---- making ---- */

value_id new_like(region *r, value_id of, const char *role)
{
    return value_new(r->m, arena_printf(r->m->mem, "%s.%s", value_at(r->m, of)->name, role));
}

static bool all_constant(region *r, const node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && !region_constant(r, n->in[i])) return false;
    return n->n_in > 0;
}

/* Puts a node that is complete into the graph. */
static void put_unfolded(region *r, node_id id)
{
    model *m = r->m;
    const node *n = node_at(m, id);
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        value_at(m, n->out[i])->producer = id;
        value_at(m, n->out[i])->output = i;
    }
    VEC_PUSH(m->mem, graph_at(m, r->g)->nodes, id);
    (void)infer_node(m, id); /* its inputs are what inference accepted before */
}

static void put_node(region *r, node_id id)
{
    put_unfolded(r, id);
    if (all_constant(r, node_at(r->m, id))) (void)fold_numbers(r->f, id, TABLE_SIZE);
}

node_id region_add(region *r, node_id like, const char *domain, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in,
                   value_id out)
{
    model *m = r->m;
    const node_id id = node_new(m, r->g, domain, op, n_in, 1, n_attr);
    node *n = node_at(m, id);
    const op_schema *s = schema_newest(domain, op);
    n->version = s ? s->since : 0;
    n->origin = node_at(m, like)->origin;
    n->name = node_at(m, like)->name;
    memcpy(n->in, in, n_in * sizeof *in);
    n->out[0] = out;
    if (n_attr) memcpy(n->attr, a, n_attr * sizeof *a);
    put_node(r, id);
    return id;
}

value_id region_make(region *r, node_id like, const char *domain, const char *op, const char *role, uint32_t n_attr, const attr *a, uint32_t n_in,
                     const value_id *in)
{
    const value_id out = new_like(r, node_at(r->m, like)->out[0], role);
    region_add(r, like, domain, op, n_attr, a, n_in, in, out);
    return out;
}

value_id region_dequantize(region *r, node_id like, const char *role, value_id x, value_id scale, value_id zero, int64_t axis)
{
    model *m = r->m;
    const node_id id = node_new(m, r->g, "", "DequantizeLinear", zero ? 3 : 2, 1, axis >= 0);
    const value_id in[3] = {x, scale, zero};
    node *n = node_at(m, id);
    n->version = schema_newest("", n->op)->since;
    n->origin = node_at(m, like)->origin;
    n->name = node_at(m, like)->name;
    memcpy(n->in, in, n->n_in * sizeof *in);
    n->out[0] = new_like(r, node_at(m, like)->out[0], role);
    if (axis >= 0) n->attr[0] = attr_int(m, "axis", axis);
    const value_id out = node_at(m, id)->out[0];
    put_unfolded(r, id);
    return out;
}

node_id region_copies(region *r, node_id like, uint32_t n_in, const value_id *in, uint32_t n_out, const value_id *out)
{
    model *m = r->m;
    const node old = *node_at(m, like);
    const node_id id = node_new(m, r->g, old.domain, old.op, n_in, n_out, old.n_attr);
    node *n = node_at(m, id);
    n->version = old.version;
    n->origin = old.origin;
    n->name = old.name;
    memcpy(n->in, in, n_in * sizeof *in);
    memcpy(n->out, out, n_out * sizeof *out);
    if (old.n_attr) memcpy(n->attr, old.attr, old.n_attr * sizeof *old.attr);
    put_node(r, id);
    return id;
}

node_id region_copy(region *r, node_id like, uint32_t n_in, const value_id *in, value_id out)
{
    return region_copies(r, like, n_in, in, 1, &out);
}

void drop_node(region *r, node_id id)
{
    node *n = node_at(r->m, id);
    n->dead = true;
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && value_at(r->m, n->out[i])->producer == id) value_at(r->m, n->out[i])->producer = 0;
}

/* The node that computes `by` gives it the name v instead. */
static bool take_name(region *r, value_id v, value_id by)
{
    model *m = r->m;
    const node_id id = producer_of(r, by);
    if (!id || by >= r->n || r->output[by] || r->same[by]) return false;
    node_at(m, id)->out[value_at(m, by)->output] = v;
    value_at(m, v)->producer = id;
    value_at(m, v)->output = value_at(m, by)->output;
    value_at(m, by)->producer = 0;
    r->same[by] = v;
    return true;
}

void replace_value(region *r, value_id v, value_id by)
{
    const node_id id = producer_of(r, v);
    if (id) drop_node(r, id);
    if (r->output[v] && take_name(r, v, by)) return;
    r->same[v] = by;
    if (r->output[v] && id) region_add(r, id, "", "Identity", 0, NULL, IN(by), v);
}

value_id unlisted_constant(region *r, value_id of, const char *role, tensor *t)
{
    model *m = r->m;
    const value_id v = new_like(r, of, role);
    t->name = value_at(m, v)->name;
    value_at(m, v)->data = t;
    dim *shape = shape_new(m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = dim_const(m->dims, t->shape[i]);
    value_at(m, v)->type = type_tensor(t->type, (int32_t)t->rank, shape);
    return v;
}

value_id const_tensor(region *r, value_id of, const char *role, tensor *t)
{
    const value_id v = unlisted_constant(r, of, role, t);
    VEC_PUSH(r->m->mem, graph_at(r->m, r->g)->initializers, v);
    return v;
}

value_id const_number(region *r, value_id of, const char *role, elem e, double v)
{
    return const_numbers(r, of, role, e, 1, &v);
}

value_id const_numbers(region *r, value_id of, const char *role, elem e, uint32_t n, const double *v)
{
    bool equal = true;
    for (uint32_t i = 1; i < n; i++) equal &= v[i] == v[0];
    const int64_t shape[1] = {n};
    tensor *t = tensor_new(r->m->mem, e, equal ? 0 : 1, shape);
    for (uint32_t i = 0; i < (equal ? 1 : n); i++) elem_set_double(e, (void *)(uintptr_t)t->data, i, v[i]);
    return const_tensor(r, of, role, t);
}
