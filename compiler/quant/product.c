/* product.c - products of dequantized values become products of integers.
 *
 *     Q(Conv(DQ(x), DQ(w), DQ(bias)))       ->  QLinearConv(x, w, bias)
 *     Q(MatMul(DQ(a), DQ(b)))               ->  QLinearMatMul(a, b)
 *     Q(MatMul(DQ(a), DQ(b)) + bias)        ->  onnxcc.QLinearMatMul(a, b, bias): the same with the bias added to the integer sum
 *     Q(Gemm(DQ(a), DQ(b), bias))           ->  likewise, b turned and alpha in the scale
 *     Conv(DQ(x), DQ(w), bias)              ->  Cast(ConvInteger(x, w)) * scale + bias     where the result is used as float
 *
 * One scale for activations, one or one per output channel for weights; weights may have zero points and 4 bits. The bias becomes int32 in
 * units of the product, rounded once. What is left in float: sums that int32 might not hold, 16 bits, blocked or computed scales. */
#include <math.h>
#include <string.h>

#include "quant/region.h"

typedef enum { CONV, MATMUL, GEMM } product_kind;

typedef struct {
    node_id id;
    product_kind kind;
    bool constant; /* the second operand is: it is stored as int8 */
    quantization a, b;
    value_id x, w, w_zero; /* integers; the zero point of w is a constant, or 0 for none */
    uint32_t channels;     /* 1: one scale */
    double *scale;         /* per channel: of a unit of the sum */
    double most;           /* no sum is further from 0 */
    int64_t columns;       /* output channels; -1: not known */
    value_id bias;         /* 0: none; a float value that is constant or dequantized from a constant */
    double beta;           /* factor of the bias */
    value_id out;          /* float result, the bias included */
    node_id added;         /* the Add that brings the bias; 0: none */
} product;

/* ---- reading ---- */

/* Elements of a float constant, or of a dequantized one before it is dequantized. NULL: it is neither. */
static double *real_numbers(region *r, value_id v, int64_t *count)
{
    const tensor *t = region_constant(r, v);
    quantization q = {0};
    if (!t && read_dequantized(r, v, &q)) t = region_constant(r, q.x);
    if (!t) return NULL;
    const tensor *scale = q.id ? region_constant(r, q.scale) : NULL, *zero = q.id ? region_constant(r, q.zero) : NULL;
    *count = tensor_count(t);
    if (q.id && q.axis >= 0 && tensor_count(scale) != *count) return NULL; /* a vector, perhaps with dimensions of 1 before */
    double *x = ARENA_ARRAY(r->mem, double, *count + 1);
    for (int64_t i = 0; i < *count; i++) {
        const size_t k = (size_t)i, at = q.axis < 0 ? 0 : k;
        x[i] = elem_get_double(t->type, t->data, k);
        if (q.id) x[i] = (x[i] - (zero ? elem_get_double(zero->type, zero->data, at) : 0)) * elem_get_double(scale->type, scale->data, at);
    }
    return x;
}

/* Length of the last dimension when the others are 1, and of a scalar 1; 0: something else. */
static int64_t vector_length(region *r, value_id v)
{
    const type *t = &value_at(r->m, v)->type;
    int64_t n = 1;
    if (t->kind != TYPE_TENSOR || t->rank < 0) return 0;
    for (int32_t i = 0; i < t->rank; i++) {
        const bool last = i == t->rank - 1;
        if (last ? !dim_is_const(r->m->dims, t->shape[i], &n) : !dim_is(r->m->dims, t->shape[i], 1)) return 0;
    }
    return n;
}

static bool is_bias(region *r, const product *p, value_id v)
{
    int64_t count;
    const int64_t n = v ? vector_length(r, v) : 0;
    return n > 0 && (n == p->columns || n == 1) && real_numbers(r, v, &count) && count == n;
}

/* The axis of the weights that counts output channels. */
static int64_t channel_axis(region *r, const product *p, const node *n)
{
    if (p->kind == CONV) return 0;
    if (p->kind == GEMM) return node_int(n, "transB", 0) ? 0 : 1;
    return value_at(r->m, p->b.x)->type.rank - 1;
}

/* How many products one sum has; -1: no bound is known. */
static int64_t sum_length(region *r, const product *p, const node *n)
{
    model *m = r->m;
    const type *w = &value_at(m, p->b.x)->type;
    int64_t k = 1;
    for (int32_t i = 0; i < w->rank; i++) {
        const bool summed = p->kind == CONV ? i > 0 : p->kind == GEMM ? i != channel_axis(r, p, n) : i == (w->rank > 1 ? w->rank - 2 : 0);
        if (!summed) continue;
        const interval range = dim_range(m->dims, w->shape[i]);
        if (range.hi == INT64_MAX) return -1;
        k = sat_mul(k, range.hi);
    }
    return k;
}

static int64_t largest_offset(int32_t zero, elem e)
{
    const int32_t lo = lowest_byte(e), hi = lo + TABLE_SIZE - 1;
    return hi - zero > zero - lo ? hi - zero : zero - lo;
}

/* Largest distance of a weight from its zero point. */
static int64_t largest_weight(region *r, const product *p)
{
    const tensor *w = region_constant(r, p->b.x), *zero = region_constant(r, p->b.zero);
    if (!w) return largest_offset(p->b.one.zero, p->b.type);
    int64_t least = 0, most = 0, z_least = 0, z_most = 0;
    const int64_t n = tensor_count(w), nz = zero ? tensor_count(zero) : 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t v = elem_get_int(w->type, w->data, (size_t)i);
        if (!i || v < least) least = v;
        if (!i || v > most) most = v;
    }
    for (int64_t i = 0; i < nz; i++) {
        const int64_t v = elem_get_int(zero->type, zero->data, (size_t)i);
        if (!i || v < z_least) z_least = v;
        if (!i || v > z_most) z_most = v;
    }
    return most - z_least > z_most - least ? most - z_least : z_most - least;
}

static bool read_scales(region *r, product *p, double alpha)
{
    const tensor *s = region_constant(r, p->b.scale);
    p->channels = p->b.axis < 0 ? 1 : (uint32_t)tensor_count(s);
    p->scale = ARENA_ARRAY(r->mem, double, p->channels);
    for (uint32_t i = 0; i < p->channels; i++) p->scale[i] = (double)p->a.one.scale * elem_get_double(s->type, s->data, i) * alpha;
    return p->b.axis < 0 || p->columns == p->channels;
}

static bool read_operands(region *r, product *p)
{
    const node *n = node_at(r->m, p->id);
    if (n->n_in < 2 || !read_dequantized_byte(r, n->in[0], &p->a) || !read_dequantized(r, n->in[1], &p->b)) return false;
    p->constant = region_constant(r, p->b.x) != NULL;
    const int32_t rank = value_at(r->m, p->b.x)->type.rank, a_rank = value_at(r->m, p->a.x)->type.rank;
    if (p->constant ? elem_of(p->b.type)->bits > 8 : !is_byte(p->b.type) || p->b.axis >= 0 || p->kind == CONV) return false;
    if (a_rank < 1 || rank < 1 || (p->kind == CONV && rank != a_rank) || (p->kind == GEMM && rank != 2)) return false;
    const int64_t axis = channel_axis(r, p, n);
    if (p->b.axis >= 0 && (p->b.axis != axis || (p->kind == MATMUL && rank < 2))) return false;
    p->columns = -1;
    if (rank > 1) (void)dim_is_const(r->m->dims, value_at(r->m, p->b.x)->type.shape[axis], &p->columns);
    p->x = p->a.x;
    return true;
}

static bool read_product(region *r, node_id id, product *p)
{
    const node *n = node_at(r->m, id);
    *p = (product){.id = id};
    if (node_is(n, "", "Conv")) p->kind = CONV;
    else if (node_is(n, "", "MatMul")) p->kind = MATMUL;
    else if (node_is(n, "", "Gemm")) p->kind = GEMM;
    else return false;
    const double alpha = p->kind == GEMM ? (double)node_float(n, "alpha", 1) : 1;
    if (!(alpha > 0) || !read_operands(r, p) || !read_scales(r, p, alpha)) return false;
    const int64_t k = sum_length(r, p, n);
    p->most = (double)k * (double)largest_offset(p->a.one.zero, p->a.type) * (double)largest_weight(r, p);
    if (k < 0 || p->most > INT32_MAX) return false;
    p->out = n->out[0];
    p->bias = node_in(n, 2);
    p->beta = p->kind == GEMM ? (double)node_float(n, "beta", 1) : 1;
    return !p->bias || is_bias(r, p, p->bias);
}

/* A constant vector that is added right after a product without a bias. */
static void take_added_bias(region *r, product *p)
{
    const node_id id = p->bias || p->kind == CONV ? 0 : only_reader(r, p->out);
    const node *n = id ? node_at(r->m, id) : NULL;
    if (!n || !node_is(n, "", "Add") || n->n_in != 2 || n->in[0] == n->in[1]) return;
    const value_id other = n->in[n->in[0] == p->out];
    if (!is_bias(r, p, other) || !same_shape(r, p->out, n->out[0])) return;
    p->added = id;
    p->bias = other;
    p->out = n->out[0];
}

/* ---- operands ---- */

static tensor *map_constant(region *r, const tensor *t, elem e, int64_t add)
{
    tensor *y = tensor_new(r->m->mem, e, t->rank, t->shape);
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) elem_set_int(e, (void *)(uintptr_t)y->data, (size_t)i, elem_get_int(t->type, t->data, (size_t)i) + add);
    return y;
}

/* Constant weights become int8: what the dot products of vector units take as their second operand. */
static void make_weights(region *r, product *p)
{
    const tensor *w = region_constant(r, p->b.x), *zero = region_constant(r, p->b.zero);
    const int64_t add = p->b.type == ELEM_UINT8 ? -128 : 0;
    p->w = p->b.x;
    p->w_zero = p->b.zero;
    if (!p->constant) return;
    if (p->b.type != ELEM_INT8) p->w = const_tensor(r, p->b.x, "int8", map_constant(r, w, ELEM_INT8, add));
    const int64_t n = zero ? tensor_count(zero) : 1;
    double *z = ARENA_ARRAY(r->mem, double, n);
    for (int64_t i = 0; i < n; i++) z[i] = (double)((zero ? elem_get_int(zero->type, zero->data, (size_t)i) : 0) + add);
    p->w_zero = const_numbers(r, p->b.x, "zero", ELEM_INT8, (uint32_t)n, z);
}

static value_id transposed(region *r, const product *p, value_id v, const char *role)
{
    const attr perm = attr_ints(r->m, "perm", 2, (const int64_t[]){1, 0});
    return region_make(r, p->id, "", "Transpose", role, 1, &perm, 1, &v);
}

static void make_operands(region *r, product *p)
{
    const node *n = node_at(r->m, p->id);
    const bool turn_a = p->kind == GEMM && node_int(n, "transA", 0), turn_b = p->kind == GEMM && node_int(n, "transB", 0);
    make_weights(r, p);
    if (turn_a) p->x = transposed(r, p, p->x, "a");
    if (turn_b) p->w = transposed(r, p, p->w, "b");
}

static value_id zero_or(region *r, const product *p, value_id zero, elem e)
{
    return zero ? zero : const_number(r, p->out, "zero", e, 0);
}

/* ---- with a quantized result ---- */

/* The bias in units of the sum. False when int32 does not hold it together with the sum. */
static bool integer_bias(region *r, const product *p, double **out, uint32_t *n)
{
    int64_t count;
    const double *b = real_numbers(r, p->bias, &count);
    *n = (uint32_t)(p->columns > 0 ? p->columns : count);
    *out = ARENA_ARRAY(r->mem, double, *n);
    for (uint32_t i = 0; i < *n; i++) {
        const double v = rint(p->beta * b[count == 1 ? 0 : i] / p->scale[p->channels == 1 ? 0 : i]);
        if (!(fabs(v) + p->most <= INT32_MAX)) return false;
        (*out)[i] = v;
    }
    return true;
}

static value_id int32_vector(region *r, value_id of, const char *role, uint32_t n, const double *v)
{
    tensor *t = tensor_new(r->m->mem, ELEM_INT32, 1, (const int64_t[]){n});
    for (uint32_t i = 0; i < n; i++) elem_set_double(ELEM_INT32, (void *)(uintptr_t)t->data, i, v[i]);
    return const_tensor(r, of, role, t);
}

static value_id scalar_scale(region *r, const product *p, float v)
{
    return const_number(r, p->out, "scale", ELEM_FLOAT, (double)v);
}

static bool with_quantized_result(region *r, product *p)
{
    quantization y;
    double *bias = NULL;
    uint32_t n_bias = 0;
    const node_id q = only_reader(r, p->out);
    if (!q || !read_quantize_byte(r, q, &y) || (p->bias && !integer_bias(r, p, &bias, &n_bias))) return false;
    make_operands(r, p);
    const node n = *node_at(r->m, p->id);
    const float alpha = p->kind == GEMM ? node_float(&n, "alpha", 1) : 1;
    value_id in[9] = {p->x,       scalar_scale(r, p, p->a.one.scale * alpha), zero_or(r, p, p->a.zero, p->a.type), p->w,
                      p->b.scale, zero_or(r, p, p->w_zero, p->b.type)};
    if (p->a.zero && value_at(r->m, p->a.zero)->type.rank) in[2] = const_number(r, p->out, "zero", p->a.type, p->a.one.zero);
    in[6] = scalar_scale(r, p, y.one.scale);
    in[7] = const_number(r, p->out, "zero", y.type, y.one.zero);
    if (bias) in[8] = int32_vector(r, p->out, "bias", n_bias, bias);
    const value_id out = node_at(r->m, q)->out[0];
    drop_node(r, q);
    drop_node(r, p->id);
    if (p->added) drop_node(r, p->added);
    if (p->kind == CONV) region_add(r, p->id, "", "QLinearConv", n.n_attr, n.attr, bias ? 9 : 8, in, out);
    else region_add(r, p->id, bias ? OWN_DOMAIN : "", "QLinearMatMul", 0, NULL, bias ? 9 : 8, in, out);
    return true;
}

/* ---- with a float result ---- */

/* A constant that meets the channels of the result: a vector for matrices, [C, 1, ..] for convolutions. */
static value_id channel_constant(region *r, const product *p, const char *role, uint32_t n, const double *v)
{
    if (p->kind != CONV || n == 1) return const_numbers(r, p->out, role, ELEM_FLOAT, n, v);
    const uint32_t rank = (uint32_t)value_at(r->m, p->out)->type.rank - 1;
    int64_t shape[MAX_RANK] = {n};
    for (uint32_t i = 1; i < rank; i++) shape[i] = 1;
    tensor *t = tensor_new(r->m->mem, ELEM_FLOAT, rank, shape);
    for (uint32_t i = 0; i < n; i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, i, v[i]);
    return const_tensor(r, p->out, role, t);
}

static void with_float_result(region *r, product *p)
{
    const node n = *node_at(r->m, p->id);
    int64_t count = 0;
    double *bias = p->bias ? real_numbers(r, p->bias, &count) : NULL;
    for (int64_t i = 0; i < count; i++) bias[i] *= p->beta;
    make_operands(r, p);
    const attr to = attr_int(r->m, "to", ELEM_FLOAT);
    const value_id in[4] = {p->x, p->w, zero_or(r, p, p->a.zero, p->a.type), zero_or(r, p, p->w_zero, p->b.type)};
    drop_node(r, p->id);
    if (p->added) drop_node(r, p->added);
    const bool conv = p->kind == CONV;
    const value_id sum = region_make(r, p->id, "", conv ? "ConvInteger" : "MatMulInteger", "sum", conv ? n.n_attr : 0, n.attr, 4, in);
    const value_id real = region_make(r, p->id, "", "Cast", "float", 1, &to, 1, &sum);
    const value_id scale = channel_constant(r, p, "scale", p->channels, p->scale);
    if (!bias) {
        region_add(r, p->id, "", "Mul", 0, NULL, IN(real, scale), p->out);
        return;
    }
    const value_id scaled = region_make(r, p->id, "", "Mul", "scaled", 0, NULL, IN(real, scale));
    region_add(r, p->id, "", "Add", 0, NULL, IN(scaled, channel_constant(r, p, "bias", (uint32_t)count, bias)), p->out);
}

void make_products(region *r)
{
    const graph *g = graph_at(r->m, r->g);
    const uint32_t count = g->nodes.n;
    for (uint32_t i = 0; i < count; i++) {
        product p;
        const node_id id = g->nodes.p[i];
        if (node_at(r->m, id)->dead || !read_product(r, id, &p)) continue;
        take_added_bias(r, &p);
        if (!with_quantized_result(r, &p)) with_float_result(r, &p);
    }
    region_settle(r);
}
