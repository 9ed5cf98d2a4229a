/* sums.c - averages and softmax of dequantized values: sums of integers that are scaled once, exponentials from a table.
 *
 *     GlobalAveragePool(DQ(q)), ReduceMean(DQ(q)), an AveragePool over all   ->  (ReduceSum(q) - n * zero) * (scale / n)
 *     AveragePool(DQ(q)), and the Q after it                                 ->  onnxcc.AveragePoolInteger(q)
 *     Softmax(DQ(q))                                                         ->  e / ReduceSum(e) with e = Lookup(ReduceMax(q) - q)
 *
 * Sums of integers are exact, where the float ones round at every step; so results may differ from the original's last bits. Averages of a
 * number of elements that is not known, and those of com.microsoft's QLinearAveragePool (attribute in_float), stay in float: they are one nest with what is around them, which rounds as onnxruntime does. */
#include <string.h>

#include "base/fmath.h"
#include "quant/region.h"

static value_id cast(region *r, node_id like, value_id v, elem e, const char *role)
{
    const attr to = attr_int(r->m, "to", e);
    return region_make(r, like, "", "Cast", role, 1, &to, 1, &v);
}

static value_id axes_constant(region *r, value_id of, uint32_t n, const int64_t *axes)
{
    tensor *t = tensor_new(r->m->mem, ELEM_INT64, 1, (const int64_t[]){n});
    for (uint32_t i = 0; i < n; i++) elem_set_int(ELEM_INT64, (void *)(uintptr_t)t->data, i, axes[i]);
    return const_tensor(r, of, "axes", t);
}

/* ---- averages ---- */

static bool size_of(region *r, value_id v, int64_t axis, int64_t *n)
{
    const type *t = &value_at(r->m, v)->type;
    if (axis < 0) axis += t->rank;
    return axis >= 0 && axis < t->rank && dim_is_const(r->m->dims, t->shape[axis], n) && *n > 0;
}

/* The window of an AveragePool is all of the image, with nothing around it. */
static bool covers_all(region *r, const node *n)
{
    uint32_t count, k;
    const int64_t *taps = node_ints(n, "kernel_shape", &count), *pads = node_ints(n, "pads", &k);
    const char *pad = node_string(n, "auto_pad", "NOTSET");
    for (uint32_t i = 0; pads && i < k; i++)
        if (pads[i]) return false;
    if (strcmp(pad, "NOTSET") && strcmp(pad, "VALID")) return false;
    for (uint32_t i = 0; i < count; i++) {
        int64_t size;
        if (!size_of(r, n->in[0], i + 2, &size) || size != taps[i]) return false;
    }
    return taps && !node_attr(n, "dilations");
}

/* Which axes a node averages over. False: it is no average. */
static bool averaged_axes(region *r, const node *n, uint32_t *count, int64_t *axes)
{
    const type *t = &value_at(r->m, n->in[0])->type;
    const bool all = node_is(n, "", "GlobalAveragePool") || (node_is(n, "", "AveragePool") && covers_all(r, n));
    if (t->rank < 0 || t->rank > MAX_RANK) return false;
    *count = 0;
    for (int32_t i = 2; all && i < t->rank; i++) axes[(*count)++] = i;
    if (all) return true;
    const tensor *given = node_is(n, "", "ReduceMean") ? region_constant(r, node_in(n, 1)) : NULL;
    if (!given || given->rank != 1 || given->shape[0] < 1 || given->shape[0] > MAX_RANK) return false;
    for (; *count < given->shape[0]; ++*count) axes[*count] = elem_get_int(given->type, given->data, *count);
    return true;
}

/* How many numbers one average is of; 0: not known, or too many for a sum in int32. */
static int64_t averaged_count(region *r, value_id x, uint32_t count, const int64_t *axes)
{
    int64_t n = 1;
    for (uint32_t i = 0; i < count; i++) {
        int64_t size;
        if (!size_of(r, x, axes[i], &size)) return 0;
        n = sat_mul(n, size);
    }
    return n <= INT32_MAX / (2 * TABLE_SIZE) ? n : 0;
}

static bool average(region *r, node_id id)
{
    const node n = *node_at(r->m, id);
    quantization d;
    uint32_t count;
    int64_t axes[MAX_RANK];
    if (n.n_in < 1 || n.n_out != 1 || !read_dequantized_byte(r, n.in[0], &d) || !averaged_axes(r, &n, &count, axes)) return false;
    const int64_t numbers = averaged_count(r, n.in[0], count, axes);
    if (!numbers) return false;
    const attr keep = attr_int(r->m, "keepdims", strcmp(n.op, "ReduceMean") ? 1 : node_int(&n, "keepdims", 1));
    drop_node(r, id);
    value_id sum =
        region_make(r, id, "", "ReduceSum", "sum", 1, &keep, IN(cast(r, id, d.x, ELEM_INT32, "wide"), axes_constant(r, n.out[0], count, axes)));
    if (d.one.zero)
        sum =
            region_make(r, id, "", "Sub", "offset", 0, NULL, IN(sum, const_number(r, n.out[0], "zeros", ELEM_INT32, (double)(numbers * d.one.zero))));
    const value_id scale = const_number(r, n.out[0], "scale", ELEM_FLOAT, (double)d.one.scale / (double)numbers);
    region_add(r, id, "", "Mul", 0, NULL, IN(cast(r, id, sum, ELEM_FLOAT, "float"), scale), n.out[0]);
    return true;
}

/* ---- averages over windows ---- */

/* int32 holds the sum of a window. */
static bool window_fits(const node *n)
{
    uint32_t count;
    const int64_t *taps = node_ints(n, "kernel_shape", &count);
    int64_t all = 1;
    for (uint32_t i = 0; taps && i < count; i++) all = sat_mul(all, taps[i]);
    return taps && all > 0 && all <= INT32_MAX / (2 * TABLE_SIZE);
}

static bool window_average(region *r, node_id id)
{
    const node n = *node_at(r->m, id);
    quantization d, q = {0};
    if (!node_is(&n, "", "AveragePool") || node_int(&n, "in_float", 0) || !read_dequantized_byte(r, n.in[0], &d) || !window_fits(&n)) return false;
    const node_id reader = only_reader(r, n.out[0]);
    const bool bytes = reader && read_quantize_byte(r, reader, &q);
    const value_id zero = const_number(r, n.out[0], "x_zero", d.type, d.one.zero);
    const value_id factor = const_number(r, n.out[0], "factor", ELEM_FLOAT, (double)(bytes ? d.one.scale / q.one.scale : d.one.scale));
    const value_id y_zero = bytes ? const_number(r, n.out[0], "zero", q.type, q.one.zero) : 0;
    const value_id out = bytes ? node_at(r->m, reader)->out[0] : n.out[0];
    if (bytes) drop_node(r, reader);
    drop_node(r, id);
    region_add(r, id, OWN_DOMAIN, "AveragePoolInteger", n.n_attr, n.attr, bytes ? 4 : 3, (const value_id[]){d.x, zero, factor, y_zero}, out);
    return true;
}

/* ---- softmax ---- */

/* exp(-i * scale): how far below the largest number of the row. */
static value_id exponentials(region *r, value_id of, float scale)
{
    tensor *t = tensor_new(r->m->mem, ELEM_FLOAT, 1, (const int64_t[]){TABLE_SIZE});
    for (int i = 0; i < TABLE_SIZE; i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, (size_t)i, fm_exp(-(double)i * (double)scale));
    return const_tensor(r, of, "exp", t);
}

static bool softmax(region *r, node_id id)
{
    const node n = *node_at(r->m, id);
    quantization d;
    if (!node_is(&n, "", "Softmax") || !read_dequantized_byte(r, n.in[0], &d)) return false;
    const int64_t axis = node_int(&n, "axis", -1);
    const value_id axes = axes_constant(r, n.out[0], 1, &axis);
    drop_node(r, id);
    const value_id most = region_make(r, id, "", "ReduceMax", "most", 0, NULL, IN(d.x, axes));
    const value_id below =
        region_make(r, id, "", "Sub", "below", 0, NULL, IN(cast(r, id, most, ELEM_INT32, "most_wide"), cast(r, id, d.x, ELEM_INT32, "wide")));
    const value_id at = cast(r, id, below, ELEM_UINT8, "index");
    const value_id e = region_make(r, id, OWN_DOMAIN, "Lookup", "e", 0, NULL, IN(at, exponentials(r, n.out[0], d.one.scale)));
    const value_id sum = region_make(r, id, "", "ReduceSum", "sum", 0, NULL, IN(e, axes));
    region_add(r, id, "", "Div", 0, NULL, IN(e, sum), n.out[0]);
    return true;
}

void make_integer_sums(region *r)
{
    const graph *g = graph_at(r->m, r->g);
    const uint32_t count = g->nodes.n;
    for (uint32_t i = 0; i < count; i++) {
        const node_id id = g->nodes.p[i];
        if (!node_at(r->m, id)->dead && !average(r, id) && !window_average(r, id)) (void)softmax(r, id);
    }
    region_settle(r);
}
