/* qlinear.c - products of quantized integers: MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv. Source: ONNX Operators.md, versions
 * 10, 10, 21, 10.
 *
 * Sums are exact in int32; the QLinear forms then scale once in float: saturate(round_half_even(sum * (sa * sb / sy)) + zero). */
#include <string.h>

#include "ops/conv.h"
#include "ops/families.h"
#include "ops/formula.h"
#include "ops/matmul.h"
#include "ops/quant.h"

/* Which inputs hold what; 0 where the operator has none (input 0 is always the first operand). */
typedef struct {
    uint32_t b, a_zero, b_zero, a_scale, b_scale, y_scale, y_zero, bias;
} operands;

static const operands INTEGER = {.b = 1, .a_zero = 2, .b_zero = 3};
static const operands QLINEAR = {.b = 3, .a_zero = 2, .b_zero = 5, .a_scale = 1, .b_scale = 4, .y_scale = 6, .y_zero = 7, .bias = 8};

static operands operands_of(const node *n)
{
    return strncmp(n->op, "QLinear", 7) ? INTEGER : QLINEAR;
}

static elem product_elem(infer_ctx *c, const operands *o)
{
    return o->y_zero ? (node_in(c->n, o->y_zero) ? in_elem(c, o->y_zero) : in_elem(c, 0)) : ELEM_INT32;
}

/* sum * (a_scale * b_scale / y_scale) + y_zero; `at` is the index of b's scale where it has one per channel. */
static ex requantized(lower_ctx *c, const operands *o, ex sum, ex b_scale, elem to)
{
    const ctype t = ex_type(c->x, b_scale);
    const slot zero = in_slot(c, o->y_zero);
    const ex scale = divide(c, mul(c, load_scalar(c, in_slot(c, o->a_scale)), b_scale), load_scalar(c, in_slot(c, o->y_scale)));
    return quantized(c, mul(c, ex_cast(c->x, t, sum), scale), zero ? ex_cast(c->x, CT_I32, load_scalar(c, zero)) : 0, to);
}

/* ---- matrices ---- */

bool infer_matmul_integer(infer_ctx *c)
{
    const operands o = operands_of(c->n);
    if (!need_rank(c, 0) || !need_rank(c, o.b)) return false;
    const type *a = in_type(c, 0), *b = in_type(c, o.b);
    if (a->rank < 1 || b->rank < 1) return infer_error(c, "shape-rank", "an operand is a scalar");
    if (a->rank > MAX_RANK || b->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    dim out[2 * MAX_RANK];
    int32_t rank;
    if (!assume_equal(c, a->shape[a->rank - 1], b->shape[b->rank > 1 ? b->rank - 2 : 0]))
        return infer_error(c, "shape-mismatch", "the operands' sizes do not fit a product");
    if (!broadcast(c, a->shape, a->rank > 2 ? a->rank - 2 : 0, b->shape, b->rank > 2 ? b->rank - 2 : 0, out, &rank)) return false;
    if (a->rank > 1) out[rank++] = a->shape[a->rank - 2];
    if (b->rank > 1) out[rank++] = b->shape[b->rank - 1];
    return out_tensor(c, 0, product_elem(c, &o), rank, out);
}

/* A parameter that is one number, one per row or column (index `line`), or has the operand's form with 1 along the summed dimension. */
static ex line_param(lower_ctx *c, slot s, dim line, uint32_t rank, const dim *at)
{
    if (slot_rank(c, s) <= 1) return load_channel(c, s, line);
    return load_bcast(c, s, rank, at);
}

typedef struct {
    product q;
    dim a_at[MAX_RANK], b_at[MAX_RANK];
    uint32_t ra, rb;
} indexes;

static void batch_index(lower_ctx *c, slot s, uint32_t n_batch, const dim *batch, dim *at)
{
    const uint32_t own = slot_rank(c, s) > 2 ? slot_rank(c, s) - 2 : 0;
    for (uint32_t i = 0; i < own; i++) at[i] = dim_is(c->d, slot_dim(c, s, i), 1) ? dim_const(c->d, 0) : batch[n_batch - own + i];
}

static indexes matmul_indexes(lower_ctx *c, slot a, slot b, slot out)
{
    indexes x = {.q = {.a_slot = a, .b_slot = b, .out = out}, .ra = slot_rank(c, a), .rb = slot_rank(c, b)};
    product *q = &x.q;
    q->n_batch = slot_rank(c, out) - (x.ra > 1) - (x.rb > 1);
    for (uint32_t i = 0; i < q->n_batch; i++) q->at[q->n_at++] = q->batch[i] = dim_axis(c->d, slot_dim(c, out, i));
    q->m = x.ra > 1 ? dim_axis(c->d, slot_dim(c, a, x.ra - 2)) : dim_const(c->d, 0);
    q->n = x.rb > 1 ? dim_axis(c->d, slot_dim(c, b, x.rb - 1)) : dim_const(c->d, 0);
    q->k = dim_axis(c->d, slot_dim(c, a, x.ra - 1));
    if (x.ra > 1) q->at[q->n_at++] = q->m;
    if (x.rb > 1) q->at[q->n_at++] = q->n;
    batch_index(c, a, q->n_batch, q->batch, x.a_at);
    if (x.ra > 1) x.a_at[x.ra - 2] = q->m;
    x.a_at[x.ra - 1] = q->k;
    batch_index(c, b, q->n_batch, q->batch, x.b_at);
    x.b_at[x.rb > 1 ? x.rb - 2 : 0] = q->k;
    if (x.rb > 1) x.b_at[x.rb - 1] = q->n;
    return x;
}

static ex matmul_requantized(lower_ctx *c, const dim *idx, void *arg)
{
    const operands o = operands_of(c->n);
    const slot *sum = arg, y = out_slot(c, 0), scale = in_slot(c, o.b_scale);
    const uint32_t rank = slot_rank(c, y);
    const dim column = rank ? idx[rank - 1] : dim_const(c->d, 0);
    const ex s = line_param(c, scale, column, rank, idx);
    ex v = load_axes(c, *sum, rank, idx);
    if (in_slot(c, o.bias)) v = add(c, v, load_channel(c, in_slot(c, o.bias), column)); /* onnxcc.QLinearMatMul */
    return requantized(c, &o, v, s, slot_elem(c, y));
}

bool lower_matmul_integer(lower_ctx *c)
{
    const operands o = operands_of(c->n);
    const slot y = out_slot(c, 0), a = in_slot(c, 0), b = in_slot(c, o.b), za = in_slot(c, o.a_zero), zb = in_slot(c, o.b_zero);
    slot sum = y;
    if (o.y_scale) sum = temp_slot(c, arena_printf(c->m->mem, "%s_sum", slot_at(c->p, y)->name), ELEM_INT32, slot_rank(c, y), slot_at(c->p, y)->extent);
    indexes x = matmul_indexes(c, a, b, sum);
    x.q.a = load_axes(c, a, x.ra, x.a_at);
    x.q.b = load_axes(c, b, x.rb, x.b_at);
    if (za) x.q.a = sub(c, x.q.a, line_param(c, za, x.q.m, x.ra, x.a_at));
    if (zb) x.q.b = sub(c, x.q.b, line_param(c, zb, x.q.n, x.rb, x.b_at));
    if (!lower_product(c, &x.q)) return false;
    return !o.y_scale || lower_map(c, y, matmul_requantized, &sum);
}

/* ---- convolutions ---- */

bool infer_conv_integer(infer_ctx *c)
{
    const operands o = operands_of(c->n);
    if (!need_rank(c, 0) || !need_rank(c, o.b)) return false;
    const type *x = in_type(c, 0), *wt = in_type(c, o.b);
    if (x->rank < 3 || wt->rank != x->rank) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions", x->rank, wt->rank);
    if (x->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    if (node_int(c->n, "group", 1) < 1) return infer_error(c, "attribute-value", "attribute 'group' is not positive");
    window w;
    if (!kernel_fits(c, o.b)) return false;
    if (!window_of_conv(c->d, c->n, (uint32_t)x->rank, x->shape, wt->shape, &w))
        return infer_unsupported(c, "kernel-shape", "the kernel's shape is not known, or a stride, dilation or kernel size is not positive");
    if (!assume_equal(c, x->shape[1], dim_mulc(c->d, wt->shape[1], node_int(c->n, "group", 1))))
        return infer_error(c, "shape-channels", "the weights are for another number of channels");
    dim out[MAX_RANK] = {x->shape[0], wt->shape[0]};
    for (int32_t i = 2; i < x->rank; i++) assume_at_least(c, out[i] = w.out[i - 2], 1);
    return out_tensor(c, 0, product_elem(c, &o), x->rank, out);
}

/* sum + bias, scaled for the QLinear forms. */
static ex conv_result(lower_ctx *c, const operands *o, ex sum, dim channel)
{
    if (o->bias && in_slot(c, o->bias)) sum = add(c, sum, load_channel(c, in_slot(c, o->bias), channel));
    return o->y_scale ? requantized(c, o, sum, load_channel(c, in_slot(c, o->b_scale), channel), slot_elem(c, out_slot(c, 0))) : sum;
}

/* A constant whose elements are all the same number; an absent one is 0. */
static bool one_number(lower_ctx *c, slot s, int32_t *v)
{
    *v = 0;
    if (!s) return true;
    const tensor *t = slot_at(c->p, s)->kind == SLOT_CONST ? slot_at(c->p, s)->data : NULL;
    const int64_t n = t ? tensor_count(t) : 0;
    for (int64_t i = 0; i < n; i++)
        if (elem_get_int(t->type, t->data, (size_t)i) != elem_get_int(t->type, t->data, 0)) return false;
    if (n) *v = (int32_t)elem_get_int(t->type, t->data, 0);
    return n > 0;
}

/* The kernels (plan/conv.c) take constant weights, one constant zero point of them, and one of x. */
static bool conv_of_bytes(lower_ctx *c, const operands *o, const window *w)
{
    const slot x = in_slot(c, 0), wt = in_slot(c, o->b);
    const uint32_t rank = slot_rank(c, x);
    conv_params params = {0};
    if (rank > 5 || slot_at(c->p, wt)->kind != SLOT_CONST || !window_params(c, w, rank - 2, &params)) return false;
    if (!one_number(c, in_slot(c, o->a_zero), &params.x_zero) || !one_number(c, in_slot(c, o->b_zero), &params.w_zero)) return false;
    hook *h = lower_conv_step(c, &params, x, wt, CT_I32);
    h->value = conv_result(c, o, h->value, h->axis[1]);
    return true;
}

bool lower_conv_integer(lower_ctx *c)
{
    const operands o = operands_of(c->n);
    const slot x = in_slot(c, 0), wt = in_slot(c, o.b), zx = in_slot(c, o.a_zero), zw = in_slot(c, o.b_zero), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    window w;
    if (!window_of_conv(c->d, c->n, rank, slot_at(c->p, x)->extent, slot_at(c->p, wt)->extent, &w)) return lower_unsupported(c, "kernel-shape", "unknown kernel");
    if (conv_of_bytes(c, &o, &w)) return true;
    const dim in_per = slot_dim(c, wt, 1), out_per = dim_fdiv(c->d, slot_dim(c, wt, 0), dim_const(c->d, node_int(c->n, "group", 1)));
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], xi[MAX_RANK], wi[MAX_RANK];
    ex inside = ex_bool(c->x, true);
    axes_for(&b, rank, slot_at(c->p, y)->extent, idx);
    nest_stage(&b);
    xi[0] = idx[0];
    wi[0] = idx[1];
    wi[1] = stage_axis(&b, in_per);
    xi[1] = dim_add(c->d, dim_mul(c->d, dim_fdiv(c->d, idx[1], out_per), in_per), wi[1]);
    for (uint32_t i = 2; i < rank; i++) {
        wi[i] = stage_axis(&b, dim_const(c->d, w.kernel[i - 2]));
        xi[i] = dim_sub(c->d, dim_add(c->d, dim_mulc(c->d, idx[i], w.stride[i - 2]), dim_mulc(c->d, wi[i], w.dilation[i - 2])), w.pad_lo[i - 2]);
        inside = both(c, inside, dim_inside(c, xi[i], slot_dim(c, x, i)));
    }
    ex v = load_axes(c, x, rank, xi), k = load_axes(c, wt, rank, wi);
    if (zx) v = sub(c, v, load_scalar(c, zx));
    if (zw) k = sub(c, k, load_channel(c, zw, idx[1]));
    ex sum = stage_fold(&b, FOLD_SUM, mul(c, ex_select(c->x, inside, v, ex_i(c->x, CT_I32, 0)), k)); /* padding is the zero point */
    nest_stage(&b);
    store_axes(c, &b, y, rank, idx, conv_result(c, &o, sum, idx[1]));
    low_end(c, &b);
    return true;
}
