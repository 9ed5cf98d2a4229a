/* unsign.c - int8 activations of products become uint8: the same number plus 128, and so the zero point. Dot products of vector units take
 * an unsigned first operand and a signed second one. Exact.
 *
 * Values that only move or are selected from one another change together. What stands at the border of such a group and can't change
 * (inputs and outputs of the graph, operators that are not listed here) keeps int8: a node between adds or takes away the 128. Constant weights of
 * type uint8 become int8 the other way round. */
#include <string.h>

#include "quant/region.h"

typedef struct {
    region *r;
    value_id *group;   /* by value id: union-find */
    uint8_t *worth;    /* by group: one of its values is an operand of a product */
    value_id *changed; /* by value id: its uint8 form; 0: it stays */
} unsigning;

static value_id group_of(const unsigning *s, value_id v)
{
    while (s->group[v] != v) v = s->group[v] = s->group[s->group[v]];
    return v;
}

static bool is_int8(region *r, value_id v)
{
    const type *t = v ? &value_at(r->m, v)->type : NULL;
    return t && t->kind == TYPE_TENSOR && t->rank >= 0 && t->elem == ELEM_INT8;
}

static bool follows(const unsigning *s, value_id v)
{
    return v < s->r->n && is_int8(s->r, v) && !region_constant(s->r, v);
}

/* ---- what a node does with its inputs and outputs ---- */

static bool is_qlinear(const node *n)
{
    return node_is(n, "", "QLinearConv") || node_is(n, "", "QLinearMatMul") || node_is(n, OWN_DOMAIN, "QLinearMatMul");
}

static bool is_integer_product(const node *n)
{
    return node_is(n, "", "ConvInteger") || node_is(n, "", "MatMulInteger");
}

static bool is_operand(const node *n, uint32_t i)
{
    return is_qlinear(n) ? i == 0 || i == 3 : is_integer_product(n) && i < 2;
}

enum { NO_ZERO = -1 };

/* The input that holds the zero point of input i, NO_ZERO when the number means the same without one; false: the node needs int8 there. */
static bool zero_of_input(const node *n, uint32_t i, int *zero)
{
    *zero = NO_ZERO;
    if (is_operand(n, i)) *zero = (int)i + 2;
    else if (node_is(n, "", "DequantizeLinear") && i == 0) *zero = 2;
    else return i == 0 && (node_is(n, OWN_DOMAIN, "Lookup") || node_is(n, "", "ArgMax") || node_is(n, "", "ArgMin"));
    return true;
}

static bool zero_of_output(const node *n, int *zero)
{
    *zero = node_is(n, "", "QuantizeLinear") ? 2 : is_qlinear(n) ? 7 : NO_ZERO;
    return *zero != NO_ZERO || node_is(n, OWN_DOMAIN, "Lookup");
}

static bool zero_is_constant(region *r, const node *n, int zero)
{
    return zero == NO_ZERO || !node_in(n, (uint32_t)zero) || region_constant(r, n->in[zero]);
}

static bool input_can_change(region *r, const node *n, uint32_t i)
{
    int zero;
    const movement how = movement_of(r, n);
    if (how) return is_moved(how, i);
    return zero_of_input(n, i, &zero) && zero_is_constant(r, n, zero);
}

static bool output_can_change(region *r, const node *n)
{
    int zero;
    return movement_of(r, n) || (zero_of_output(n, &zero) && zero_is_constant(r, n, zero));
}

/* ---- groups ---- */

static void join(unsigning *s, value_id *first, value_id v)
{
    if (!follows(s, v)) return;
    if (*first) s->group[group_of(s, v)] = group_of(s, *first);
    *first = v;
}

static void find_groups(unsigning *s)
{
    region *r = s->r;
    const graph *g = graph_at(r->m, r->g);
    for (value_id v = 0; v < r->n; v++) s->group[v] = v;
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        const movement how = movement_of(r, n);
        value_id first = 0;
        for (uint32_t k = 0; how && k < n->n_in; k++)
            if (is_moved(how, k)) join(s, &first, n->in[k]);
        for (uint32_t k = 0; how && k < n->n_out; k++) join(s, &first, n->out[k]);
    }
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(r->m, g->nodes.p[i]);
        for (uint32_t k = 0; k < n->n_in; k++)
            if (is_operand(n, k) && follows(s, n->in[k]) && input_can_change(r, n, k)) s->worth[group_of(s, n->in[k])] = 1;
    }
}

static value_id changed_form(unsigning *s, value_id v)
{
    if (!follows(s, v) || !s->worth[group_of(s, v)]) return 0;
    if (s->changed[v]) return s->changed[v];
    const value_id u = new_like(s->r, v, "uint8");
    value_at(s->r->m, u)->type = value_at(s->r->m, v)->type;
    value_at(s->r->m, u)->type.elem = ELEM_UINT8;
    return s->changed[v] = u;
}

/* ---- changing ---- */

static value_id shifted_constant(region *r, value_id v, elem e, int64_t add, const char *role)
{
    const tensor *t = region_constant(r, v);
    tensor *y = tensor_new(r->m->mem, e, t->rank, t->shape);
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) elem_set_int(e, (void *)(uintptr_t)y->data, (size_t)i, elem_get_int(t->type, t->data, (size_t)i) + add);
    return const_tensor(r, v, role, y);
}

static void put_input(region *r, node_id id, uint32_t i, value_id v)
{
    node *n = node_at(r->m, id);
    if (i >= n->n_in) {
        value_id *in = ARENA_ARRAY(r->m->mem, value_id, i + 1);
        memcpy(in, n->in, n->n_in * sizeof *in);
        n->in = in;
        n->n_in = i + 1;
    }
    n->in[i] = v;
}

static void shift_zero(region *r, node_id id, int zero, elem e, int64_t add)
{
    if (zero == NO_ZERO) return;
    const node *n = node_at(r->m, id);
    const value_id old = node_in(n, (uint32_t)zero);
    put_input(r, id, (uint32_t)zero, old ? shifted_constant(r, old, e, add, "zero") : const_number(r, n->out[0], "zero", e, (double)add));
    if (node_is(node_at(r->m, id), "", "QuantizeLinear")) node_drop_attr(node_at(r->m, id), "output_dtype");
}

/* Whether the group of a movement changes is decided by its output. */
static void change_movement(unsigning *s, node_id id, movement how)
{
    region *r = s->r;
    const node n = *node_at(r->m, id);
    bool changes = false;
    for (uint32_t k = 0; k < n.n_out; k++) {
        const value_id u = n.out[k] ? changed_form(s, n.out[k]) : 0;
        if (!u) continue;
        changes = true;
        n.out[k] = u;
        value_at(r->m, u)->producer = id;
        value_at(r->m, u)->output = k;
    }
    for (uint32_t k = 0; changes && k < n.n_in; k++) {
        const bool number = k == 2 && !strcmp(n.op, "Pad");
        if (!n.in[k] || (!is_moved(how, k) && !number)) continue;
        n.in[k] = region_constant(r, n.in[k]) ? shifted_constant(r, n.in[k], ELEM_UINT8, 128, "uint8") : changed_form(s, n.in[k]);
    }
}

static void change_node(unsigning *s, node_id id)
{
    region *r = s->r;
    const movement how = movement_of(r, node_at(r->m, id));
    if (how) {
        change_movement(s, id, how);
        return;
    }
    for (uint32_t k = 0; k < node_at(r->m, id)->n_in; k++) {
        const value_id v = node_at(r->m, id)->in[k], u = v ? changed_form(s, v) : 0;
        int zero;
        if (!u || !input_can_change(r, node_at(r->m, id), k)) continue;
        (void)zero_of_input(node_at(r->m, id), k, &zero);
        shift_zero(r, id, zero, ELEM_UINT8, 128);
        node_at(r->m, id)->in[k] = u;
    }
    const node *n = node_at(r->m, id);
    const value_id v = n->n_out == 1 ? n->out[0] : 0, u = v ? changed_form(s, v) : 0;
    int zero;
    if (!u || !output_can_change(r, n)) return;
    (void)zero_of_output(n, &zero);
    shift_zero(r, id, zero, ELEM_UINT8, 128);
    if (node_is(node_at(r->m, id), OWN_DOMAIN, "Lookup"))
        node_at(r->m, id)->in[1] = shifted_constant(r, node_at(r->m, id)->in[1], ELEM_UINT8, 128, "uint8");
    node_at(r->m, id)->out[0] = u;
    value_at(r->m, u)->producer = id;
    value_at(r->m, u)->output = 0;
}

/* to = from + add, between int8 and uint8. */
static void convert(region *r, node_id like, value_id from, value_id to, elem e, int32_t add)
{
    const attr wide = attr_int(r->m, "to", ELEM_INT32), narrow = attr_int(r->m, "to", e);
    const value_id w = new_like(r, from, "wide"), sum = new_like(r, from, "shifted");
    region_add(r, like, "", "Cast", 1, &wide, 1, &from, w);
    region_add(r, like, "", "Add", 0, NULL, IN(w, const_number(r, from, "shift", ELEM_INT32, add)), sum);
    region_add(r, like, "", "Cast", 1, &narrow, 1, &sum, to);
}

/* Where a value and its changed form are both needed, one is computed from the other. */
static void connect(unsigning *s, uint32_t n)
{
    region *r = s->r;
    for (value_id v = 1; v < n; v++) {
        const value_id u = s->changed[v];
        if (!u) continue;
        const bool made = value_at(r->m, u)->producer != 0;
        if (made) value_at(r->m, v)->producer = 0;
        if (made && (r->uses[v] || r->output[v])) convert(r, value_at(r->m, u)->producer, u, v, ELEM_INT8, -128);
        else if (!made && r->uses[u]) convert(r, r->reader[u], v, u, ELEM_UINT8, 128);
    }
}

static void make_weights_signed(region *r, node_id id)
{
    const node *n = node_at(r->m, id);
    const uint32_t w = is_qlinear(n) ? 3 : 1;
    const value_id v = node_in(n, w);
    if ((!is_qlinear(n) && !is_integer_product(n)) || !region_constant(r, v) || region_constant(r, v)->type != ELEM_UINT8 ||
        !zero_is_constant(r, n, (int)w + 2))
        return;
    shift_zero(r, id, (int)w + 2, ELEM_INT8, -128);
    put_input(r, id, w, shifted_constant(r, v, ELEM_INT8, -128, "int8"));
}

void make_unsigned(region *r)
{
    const graph *g = graph_at(r->m, r->g);
    const uint32_t n = r->n, count = g->nodes.n;
    unsigning s = {r, ARENA_ARRAY(r->mem, value_id, n), ARENA_ARRAY(r->mem, uint8_t, n), ARENA_ARRAY(r->mem, value_id, n)};
    find_groups(&s);
    for (uint32_t i = 0; i < count; i++) {
        make_weights_signed(r, g->nodes.p[i]);
        change_node(&s, g->nodes.p[i]);
    }
    region_settle(r);
    connect(&s, n);
    region_settle(r);
}
