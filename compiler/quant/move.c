/* move.c - operators that only move or select numbers, and those that keep their order, work on the integers: they change places with the
 * DequantizeLinear before them or the QuantizeLinear after them. Every rewrite here keeps every bit.
 *
 *     Transpose(DQ(q))    ->  DQ(Transpose(q))        "sink": whatever follows; what moves is a quarter of the bytes
 *     Q(Reshape(Conv()))  ->  Reshape(Q(Conv()))      "hoist": where a product of integers can end in Q
 *     Q(Concat(a, b))     ->  Concat(Q(a), Q(b))
 *     Q(Relu(x))          ->  Max(Q(x), zero point)   nothing at all when the zero point is the least integer
 *     Q(Clip(x, lo, hi))  ->  Min(Max(Q(x), Q(lo)), Q(hi))
 *
 * Rounding and saturation never change the order of two numbers, so Max, Min, MaxPool and ArgMax may come first. */
#include <string.h>

#include "quant/region.h"

enum { CLIMB = 16 }; /* nodes between a product and its QuantizeLinear that are looked at, so that the pass is linear */

/* ---- which operators ---- */

static bool nearest(const node *n)
{
    return !strcmp(node_string(n, "mode", "nearest"), "nearest") &&
           strcmp(node_string(n, "coordinate_transformation_mode", "half_pixel"), "tf_crop_and_resize");
}

static bool one_of(const char *const *list, size_t count, const char *op)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i], op)) return true;
    return false;
}
#define ONE_OF(list, op) one_of(list, sizeof(list) / sizeof *(list), op)

movement movement_of(region *r, const node *n)
{
    static const char *const FIRST[] = {"Compress",     "DepthToSpace", "Expand",  "Flatten", "Gather",    "GatherElements",  "GatherND",
                                        "Identity",     "MaxPool",      "Pad",     "Reshape", "Resize",    "ReverseSequence", "Slice",
                                        "SpaceToDepth", "Split",        "Squeeze", "Tile",    "Transpose", "Unsqueeze"};
    static const char *const ALL[] = {"Concat", "Max", "Min"};
    if (*n->domain) return MOVES_NOTHING;
    if (!strcmp(n->op, "Resize") && !nearest(n)) return MOVES_NOTHING;
    if (!strcmp(n->op, "MaxPool") && n->n_out > 1 && n->out[1]) return MOVES_NOTHING;
    if (!strcmp(n->op, "Pad") && node_in(n, 2) && !region_constant(r, n->in[2])) return MOVES_NOTHING;
    return ONE_OF(FIRST, n->op) ? MOVES_FIRST : ONE_OF(ALL, n->op) ? MOVES_ALL : strcmp(n->op, "Where") ? MOVES_NOTHING : MOVES_BRANCHES;
}

bool is_moved(movement how, uint32_t input)
{
    return how == MOVES_ALL || (how == MOVES_FIRST && input == 0) || (how == MOVES_BRANCHES && input > 0);
}

/* ---- padding ---- */

static bool pads_a_number(const node *n)
{
    return !strcmp(n->op, "Pad") && !strcmp(node_string(n, "mode", "constant"), "constant");
}

static float pad_number(region *r, const node *n)
{
    double v;
    return tensor_number(region_constant(r, node_in(n, 2)), &v) ? (float)v : 0;
}

/* Inputs of a copy of n that works on integers: the moved ones are given, a number to pad with becomes an integer. */
static value_id *integer_inputs(region *r, const node *n, movement how, const value_id *moved, affine a, uint32_t *count)
{
    const bool pad = pads_a_number(n);
    *count = pad && n->n_in < 3 ? 3 : n->n_in;
    value_id *in = ARENA_ARRAY(r->m->mem, value_id, *count + 1);
    for (uint32_t i = 0; i < n->n_in; i++) in[i] = is_moved(how, i) ? moved[i] : n->in[i];
    if (pad) in[2] = const_number(r, n->out[0], "padding", a.type, quantize_number(a, pad_number(r, n)));
    return in;
}

/* ---- sink ---- */

static value_id dequantized_as(region *r, node_id like, value_id q, const quantization *d, int64_t axis, value_id out)
{
    const attr a = attr_int(r->m, "axis", axis);
    const value_id in[3] = {q, d->scale, d->zero};
    region_add(r, like, "", "DequantizeLinear", axis >= 0, &a, d->zero ? 3 : 2, in, out);
    return out;
}

/* A constant with scales along an axis, transposed: the axis moves. -1: this is something else. */
static int64_t transposed_axis(region *r, const node *n, const quantization *d)
{
    if (strcmp(n->op, "Transpose") || !region_constant(r, d->x)) return -1;
    const int32_t rank = value_at(r->m, d->x)->type.rank;
    uint32_t count;
    const int64_t *perm = node_ints(n, "perm", &count);
    for (int32_t i = 0; i < rank; i++)
        if ((perm && i < (int32_t)count ? perm[i] : rank - 1 - i) == d->axis) return i;
    return -1;
}

/* All moved inputs are dequantized in the same way: `first` says how, moved[] holds the integers. */
static bool read_moved(region *r, const node *n, movement how, quantization *first, value_id *moved)
{
    bool any = false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        quantization d;
        if (!is_moved(how, i)) continue;
        if (!read_dequantized(r, n->in[i], &d) || !is_byte(d.type)) return false;
        if (any && (d.axis >= 0 || !same_affine(d.one, first->one))) return false;
        if (!any) *first = d;
        any = true;
        moved[i] = d.x;
    }
    return any && (first->axis < 0 || transposed_axis(r, n, first) >= 0);
}

static bool sink_movement(region *r, node_id id, movement how)
{
    model *m = r->m;
    const node n = *node_at(m, id);
    value_id *moved = ARENA_ARRAY(r->mem, value_id, n.n_in + 1);
    quantization d;
    uint32_t n_in;
    if (!read_moved(r, &n, how, &d, moved)) return false;
    if (pads_a_number(&n)) { /* not every number is one of the integers */
        const float v = pad_number(r, &n);
        if ((float)(quantize_number(d.one, v) - d.one.zero) * d.one.scale != v) return false;
    }
    const int64_t axis = d.axis < 0 ? -1 : transposed_axis(r, &n, &d);
    const value_id *in = integer_inputs(r, &n, how, moved, d.one, &n_in);
    value_id *out = ARENA_ARRAY(m->mem, value_id, n.n_out);
    for (uint32_t i = 0; i < n.n_out; i++) out[i] = n.out[i] ? new_like(r, n.out[i], "integers") : 0;
    drop_node(r, id);
    region_copies(r, id, n_in, in, n.n_out, out);
    for (uint32_t i = 0; i < n.n_out; i++)
        if (n.out[i]) dequantized_as(r, id, out[i], &d, axis, n.out[i]);
    return true;
}

/* Which of some numbers is the largest does not depend on how they are scaled. */
static bool sink_arg(region *r, node_id id)
{
    quantization d;
    if (!read_dequantized_byte(r, node_at(r->m, id)->in[0], &d)) return false;
    node_at(r->m, id)->in[0] = d.x;
    return true;
}

static value_id clamped(region *r, node_id like, const char *op, value_id v, affine a, int32_t bound, value_id out)
{
    const value_id number = const_number(r, out ? out : v, op, a.type, bound);
    const value_id to = out ? out : new_like(r, v, op);
    region_add(r, like, "", op, 0, NULL, IN(v, number), to);
    return to;
}

static bool sink_relu(region *r, node_id id)
{
    const node n = *node_at(r->m, id);
    quantization d;
    if (!read_dequantized_byte(r, n.in[0], &d)) return false;
    drop_node(r, id);
    const bool all = d.one.zero == lowest_byte(d.type);
    dequantized_as(r, id, all ? d.x : clamped(r, id, "Max", d.x, d.one, d.one.zero, 0), &d, -1, n.out[0]);
    return true;
}

static bool sink_node(region *r, node_id id)
{
    const node *n = node_at(r->m, id);
    const movement how = movement_of(r, n);
    if (how) return sink_movement(r, id, how);
    if (node_is(n, "", "ArgMax") || node_is(n, "", "ArgMin")) return sink_arg(r, id);
    return node_is(n, "", "Relu") && sink_relu(r, id);
}

/* ---- hoist ---- */

static bool is_product(const node *n)
{
    return node_is(n, "", "Conv") || node_is(n, "", "MatMul") || node_is(n, "", "Gemm");
}

static bool is_clamp(region *r, const node *n)
{
    if (node_is(n, "", "Relu")) return true;
    if (!node_is(n, "", "Clip")) return false;
    for (uint32_t i = 1; i < n->n_in; i++)
        if (n->in[i] && !region_constant(r, n->in[i])) return false;
    return true;
}

/* A product (perhaps with a bias added) whose result only moves and is clamped on its way to v. */
static bool comes_from_product(region *r, value_id v)
{
    for (uint32_t i = 0; i < CLIMB && read_once(r, v); i++) {
        const node_id id = producer_of(r, v);
        if (!id) return false;
        const node *n = node_at(r->m, id);
        if (is_product(n)) return true;
        if (node_is(n, "", "Add")) v = region_constant(r, n->in[0]) ? n->in[1] : n->in[0];
        else if (movement_of(r, n) == MOVES_FIRST || is_clamp(r, n)) v = n->in[0];
        else return false;
    }
    return false;
}

/* Operators that throw most of their input away quantize less when they come first. */
static bool worth_hoisting(region *r, const node *n)
{
    static const char *const SELECTS[] = {"Compress", "Gather", "GatherElements", "GatherND", "Max", "Min", "Slice", "Split", "Where"};
    if (ONE_OF(SELECTS, n->op)) return false;
    return !strcmp(n->op, "Concat") || comes_from_product(r, n->in[0]);
}

static void hoist_over_movement(region *r, node_id q, node_id id, movement how, affine a)
{
    model *m = r->m;
    const node n = *node_at(m, id);
    const value_id out = node_at(m, q)->out[0];
    value_id *moved = ARENA_ARRAY(r->mem, value_id, n.n_in + 1), *in_q = arena_copy(m->mem, node_at(m, q)->in, node_at(m, q)->n_in * sizeof *in_q);
    const uint32_t n_in_q = node_at(m, q)->n_in;
    drop_node(r, q);
    drop_node(r, id);
    for (uint32_t i = 0; i < n.n_in; i++) {
        if (!is_moved(how, i)) continue;
        in_q[0] = n.in[i];
        moved[i] = new_like(r, n.in[i], "quantized");
        region_copy(r, q, n_in_q, in_q, moved[i]);
    }
    uint32_t n_in;
    const value_id *in = integer_inputs(r, &n, how, moved, a, &n_in);
    region_copy(r, id, n_in, in, out);
}

/* The bounds of a Clip or Relu as integers; the least and largest ones say nothing. */
static void clamp_bounds(region *r, const node *n, affine a, int32_t *lo, int32_t *hi)
{
    const bool relu = node_is(n, "", "Relu");
    double least, most;
    *lo = relu ? a.zero : tensor_number(region_constant(r, node_in(n, 1)), &least) ? quantize_number(a, (float)least) : lowest_byte(a.type);
    *hi = !relu && tensor_number(region_constant(r, node_in(n, 2)), &most) ? quantize_number(a, (float)most) : lowest_byte(a.type) + TABLE_SIZE - 1;
}

static void hoist_over_clamp(region *r, node_id q, node_id id, affine a)
{
    model *m = r->m;
    const node n = *node_at(m, id);
    const value_id out = node_at(m, q)->out[0];
    int32_t lo, hi;
    clamp_bounds(r, &n, a, &lo, &hi);
    const bool low = lo > lowest_byte(a.type), high = hi < lowest_byte(a.type) + TABLE_SIZE - 1;
    const uint32_t n_in = node_at(m, q)->n_in;
    value_id *in = arena_copy(m->mem, node_at(m, q)->in, n_in * sizeof *in);
    in[0] = n.in[0];
    drop_node(r, q);
    drop_node(r, id);
    value_id v = low || high ? new_like(r, out, "quantized") : out;
    region_copy(r, q, n_in, in, v);
    if (low) v = clamped(r, id, "Max", v, a, lo, high ? 0 : out);
    if (high) clamped(r, id, "Min", v, a, hi, out);
}

static bool hoist_node(region *r, node_id q)
{
    quantization to;
    const node_id id = read_quantize_byte(r, q, &to) && read_once(r, to.x) ? producer_of(r, to.x) : 0;
    if (!id) return false;
    const node *n = node_at(r->m, id);
    const movement how = n->n_out == 1 ? movement_of(r, n) : MOVES_NOTHING;
    if (how && worth_hoisting(r, n)) hoist_over_movement(r, q, id, how, to.one);
    else if (is_clamp(r, n)) hoist_over_clamp(r, q, id, to.one);
    else return false;
    return true;
}

/* ---- the rewrite ---- */

void move_quantization(region *r)
{
    const graph *g = graph_at(r->m, r->g);
    for (uint32_t i = 0; i < g->nodes.n; i++)
        if (!node_at(r->m, g->nodes.p[i])->dead) (void)sink_node(r, g->nodes.p[i]);
    region_settle(r);
    for (uint32_t i = 0; i < g->nodes.n; i++) /* new QuantizeLinear nodes come up again at the end of the list */
        if (!node_at(r->m, g->nodes.p[i])->dead) (void)hoist_node(r, g->nodes.p[i]);
    region_settle(r);
}
