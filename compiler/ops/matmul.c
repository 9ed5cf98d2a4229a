/* matmul.c - MatMul and Gemm: float and bytes summed in int32 go to the matrix kernels (chosen in plan/), every other type is a reduction in a nest.
 * Source: ONNX Operators.md, MatMul-13, Gemm-13. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/matmul.h"

/* ---- a product-sum as a step ---- */

static bool as_nest(lower_ctx *c, const product *q)
{
    nest_builder b = low_begin(c);
    dim at[MAX_RANK];
    dim from[MAX_RANK + 2], to[MAX_RANK + 2];
    uint32_t n = 0;
    for (uint32_t i = 0; i < q->n_batch; i++) {
        from[n] = q->batch[i];
        to[n] = dim_is_axis(c->d, q->batch[i]) ? nest_axis(&b, dim_extent(c->d, q->batch[i])) : q->batch[i];
        n++;
    }
    const dim mn[2] = {q->m, q->n};
    for (uint32_t i = 0; i < 2; i++, n++) {
        from[n] = mn[i];
        to[n] = dim_is_axis(c->d, mn[i]) ? nest_axis(&b, dim_extent(c->d, mn[i])) : mn[i];
    }
    nest_stage(&b);
    from[n] = q->k;
    to[n] = dim_is_axis(c->d, q->k) ? stage_axis(&b, dim_extent(c->d, q->k)) : q->k;
    n++;
    uint32_t used = 0; /* constants (extent 1) are not substituted */
    for (uint32_t i = 0; i < n; i++)
        if (dim_is_axis(c->d, from[i])) {
            from[used] = from[i];
            to[used++] = to[i];
        }
    const ctype t = ctype_of(slot_elem(c, q->out));
    const ex a = ex_cast(c->x, t, ex_map(c->x, q->a, used, from, to)), v = ex_cast(c->x, t, ex_map(c->x, q->b, used, from, to));
    const ex acc = stage_fold(&b, FOLD_SUM, ex_bin(c->x, EX_MUL, a, v));
    nest_stage(&b);
    for (uint32_t i = 0; i < q->n_at; i++) at[i] = dim_subst(c->d, q->at[i], used, from, to);
    store_axes(c, &b, q->out, q->n_at, at, acc);
    low_end(c, &b);
    return true;
}

static kernel_arg arg_of(slot s, arg_role role)
{
    return (kernel_arg){s, role};
}

static bool is_byte(elem t)
{
    return t == ELEM_INT8 || t == ELEM_UINT8;
}

bool lower_product(lower_ctx *c, const product *q)
{
    const elem out = slot_elem(c, q->out), a = slot_elem(c, q->a_slot), b = slot_elem(c, q->b_slot);
    const bool floats = out == ELEM_FLOAT && a == ELEM_FLOAT && b == ELEM_FLOAT, bytes = out == ELEM_INT32 && is_byte(a) && is_byte(b);
    if (!floats && !bytes) return as_nest(c, q);
    kernel *k = ARENA_NEW(c->p->mem, kernel);
    k->kind = K_MATMUL;
    k->matmul = (matmul_params){.n_batch = (uint8_t)q->n_batch, .m = q->m, .n = q->n, .k = q->k, .a = q->a, .b = q->b};
    memcpy(k->matmul.batch, q->batch, q->n_batch * sizeof(dim));
    k->n_arg = 3;
    k->arg = ARENA_ARRAY(c->p->mem, kernel_arg, 3);
    k->arg[0] = arg_of(q->out, ARG_OUT);
    k->arg[1] = arg_of(q->a_slot, ARG_IN);
    k->arg[2] = arg_of(q->b_slot, ARG_IN);
    hook *h = k->hook = ARENA_NEW(c->p->mem, hook);
    k->n_hook = 1;
    h->name = "OUT";
    for (uint32_t i = 0; i < q->n_batch; i++) h->axis[h->n_axes++] = q->batch[i];
    h->axis[h->n_axes++] = q->m;
    h->axis[h->n_axes++] = q->n;
    h->int_acc = bytes;
    h->value = ex_acc(c->x, 0, bytes ? CT_I32 : CT_F32);
    h->to = q->out;
    h->n = (uint8_t)q->n_at;
    for (uint32_t i = 0; i < q->n_at; i++) h->at[i] = ex_dim(c->x, q->at[i]);
    step *s = ARENA_NEW(c->p->mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = c->what, .kernel = k};
    VEC_PUSH(c->p->mem, c->to->steps, s);
    return true;
}

/* ---- MatMul ---- */

bool infer_MatMul(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const type *a = in_type(c, 0), *b = in_type(c, 1);
    if (a->rank < 1 || b->rank < 1) return infer_error(c, "shape-rank", "input %d is a scalar", a->rank < 1 ? 0 : 1);
    if (a->rank > 32 || b->rank > 32) return infer_unsupported(c, "rank-limit", "more than 32 dimensions");
    const dim ka = a->shape[a->rank - 1], kb = b->shape[b->rank > 1 ? b->rank - 2 : 0];
    int64_t x, y;
    if (dim_is_const(c->d, ka, &x) && dim_is_const(c->d, kb, &y) && x != y)
        return infer_error(c, "shape-mismatch", "the last dimension of input 0 is %lld, the matching one of input 1 is %lld", (long long)x, (long long)y);
    (void)assume_equal(c, ka, kb);
    dim out[64];
    int32_t rank;
    if (!broadcast(c, a->shape, a->rank > 2 ? a->rank - 2 : 0, b->shape, b->rank > 2 ? b->rank - 2 : 0, out, &rank)) return false;
    if (a->rank > 1) out[rank++] = a->shape[a->rank - 2];
    if (b->rank > 1) out[rank++] = b->shape[b->rank - 1];
    return out_tensor(c, 0, in_elem(c, 0), rank, out);
}

/* Index of an operand in the batch axes: aligned right, extent 1 reads 0. */
static void batch_index(lower_ctx *c, slot s, uint32_t n_batch, const dim *batch, dim *at)
{
    const uint32_t own = slot_rank(c, s) > 2 ? slot_rank(c, s) - 2 : 0;
    for (uint32_t i = 0; i < own; i++) at[i] = dim_is(c->d, slot_dim(c, s, i), 1) ? dim_const(c->d, 0) : batch[n_batch - own + i];
}

bool lower_MatMul(lower_ctx *c)
{
    product q = {.a_slot = in_slot(c, 0), .b_slot = in_slot(c, 1), .out = out_slot(c, 0)};
    const uint32_t ra = slot_rank(c, q.a_slot), rb = slot_rank(c, q.b_slot), ro = slot_rank(c, q.out);
    dim at[MAX_RANK];
    q.n_batch = ro - (ra > 1) - (rb > 1);
    for (uint32_t i = 0; i < q.n_batch; i++) q.at[q.n_at++] = q.batch[i] = dim_axis(c->d, slot_dim(c, q.out, i));
    q.m = ra > 1 ? dim_axis(c->d, slot_dim(c, q.a_slot, ra - 2)) : dim_const(c->d, 0);
    q.n = rb > 1 ? dim_axis(c->d, slot_dim(c, q.b_slot, rb - 1)) : dim_const(c->d, 0);
    q.k = dim_axis(c->d, slot_dim(c, q.a_slot, ra - 1));
    if (ra > 1) q.at[q.n_at++] = q.m;
    if (rb > 1) q.at[q.n_at++] = q.n;
    batch_index(c, q.a_slot, q.n_batch, q.batch, at);
    if (ra > 1) at[ra - 2] = q.m;
    at[ra - 1] = q.k;
    q.a = load_axes(c, q.a_slot, ra, at);
    batch_index(c, q.b_slot, q.n_batch, q.batch, at);
    at[rb > 1 ? rb - 2 : 0] = q.k;
    if (rb > 1) at[rb - 1] = q.n;
    q.b = load_axes(c, q.b_slot, rb, at);
    return lower_product(c, &q);
}

/* ---- Gemm: alpha * A' * B' + beta * C ---- */

bool infer_Gemm(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1) || !need_rank(c, 2)) return false;
    const type *a = in_type(c, 0), *b = in_type(c, 1);
    if (a->rank != 2 || b->rank != 2) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions, expected 2 and 2", a->rank, b->rank);
    const int ta = node_int(c->n, "transA", 0) != 0, tb = node_int(c->n, "transB", 0) != 0;
    int64_t x, y;
    if (dim_is_const(c->d, a->shape[!ta], &x) && dim_is_const(c->d, b->shape[tb], &y) && x != y)
        return infer_error(c, "shape-mismatch", "inner dimensions are %lld and %lld", (long long)x, (long long)y);
    (void)assume_equal(c, a->shape[!ta], b->shape[tb]);
    const dim out[2] = {a->shape[ta], b->shape[!tb]};
    return out_tensor(c, 0, in_elem(c, 0), 2, out);
}

typedef struct {
    slot product;
    float alpha, beta;
} gemm_sum;

static ex gemm_value(lower_ctx *c, const dim *idx, void *arg)
{
    const gemm_sum *g = arg;
    ex v = load_axes(c, g->product, 2, idx);
    const ctype t = ex_type(c->x, v);
    const slot bias = in_slot(c, 2);
    if (g->alpha != 1.0f) v = ctype_is_float(t) ? ex_bin(c->x, EX_MUL, v, ex_f(c->x, t, (double)g->alpha)) : ex_bin(c->x, EX_MUL, v, ex_i(c->x, t, (int64_t)g->alpha));
    if (!bias || g->beta == 0.0f) return v;
    ex w = load_bcast(c, bias, 2, idx);
    if (g->beta != 1.0f) w = ctype_is_float(t) ? ex_bin(c->x, EX_MUL, w, ex_f(c->x, t, (double)g->beta)) : ex_bin(c->x, EX_MUL, w, ex_i(c->x, t, (int64_t)g->beta));
    return ex_bin(c->x, EX_ADD, v, w);
}

bool lower_Gemm(lower_ctx *c)
{
    const int ta = node_int(c->n, "transA", 0) != 0, tb = node_int(c->n, "transB", 0) != 0;
    const slot out = out_slot(c, 0);
    gemm_sum g = {out, node_float(c->n, "alpha", 1.0f), node_float(c->n, "beta", 1.0f)};
    const bool more = in_slot(c, 2) || g.alpha != 1.0f;
    if (more) g.product = temp_slot(c, arena_printf(c->m->mem, "%s_product", slot_at(c->p, out)->name), slot_elem(c, out), 2, slot_at(c->p, out)->extent);
    product q = {.a_slot = in_slot(c, 0), .b_slot = in_slot(c, 1), .out = g.product, .n_at = 2};
    q.at[0] = q.m = dim_axis(c->d, slot_dim(c, q.a_slot, (uint32_t)ta));
    q.at[1] = q.n = dim_axis(c->d, slot_dim(c, q.b_slot, (uint32_t)!tb));
    q.k = dim_axis(c->d, slot_dim(c, q.a_slot, (uint32_t)!ta));
    const dim ia[2] = {ta ? q.k : q.m, ta ? q.m : q.k}, ib[2] = {tb ? q.n : q.k, tb ? q.k : q.n};
    q.a = load_axes(c, q.a_slot, 2, ia);
    q.b = load_axes(c, q.b_slot, 2, ib);
    return lower_product(c, &q) && (!more || lower_map(c, out, gemm_value, &g));
}

/* ---- onnxcc.MatMulNBits: x * w^T, w [n, k] unsigned integers of a few bits, with a scale and a zero point (the middle where none is given) for each block
 * along k. accuracy_level 4: x may be rounded to int8 by blocks. */

bool infer_MatMulNBits(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const type *x = in_type(c, 0);
    if (x->rank < 1 || x->rank > MAX_RANK) return infer_error(c, "shape-rank", "input 0 has %d dimensions", x->rank);
    (void)assume_equal(c, x->shape[x->rank - 1], in_dim(c, 1, 1));
    dim out[MAX_RANK];
    memcpy(out, x->shape, (size_t)x->rank * sizeof *out);
    out[x->rank - 1] = in_dim(c, 1, 0);
    return out_tensor(c, 0, in_elem(c, 0), x->rank, out);
}

bool lower_MatMulNBits(lower_ctx *c)
{
    const slot x = in_slot(c, 0), codes = in_slot(c, 1), scales = in_slot(c, 2), zeros = in_slot(c, 3);
    const uint32_t rank = slot_rank(c, x);
    const int64_t size = node_int(c->n, "block_size", 32);
    product q = {.a_slot = x, .b_slot = scales, .out = out_slot(c, 0), .n_batch = rank > 1 ? rank - 2 : 0, .n_at = rank};
    dim from[MAX_RANK];
    for (uint32_t i = 0; i + 1 < rank; i++) q.at[i] = from[i] = dim_axis(c->d, slot_dim(c, x, i));
    memcpy(q.batch, q.at, q.n_batch * sizeof *q.batch);
    q.m = rank > 1 ? q.at[rank - 2] : dim_const(c->d, 0);
    q.n = q.at[rank - 1] = dim_axis(c->d, slot_dim(c, codes, 0));
    q.k = from[rank - 1] = dim_axis(c->d, slot_dim(c, codes, 1));
    q.a = load_axes(c, x, rank, from);
    const dim nk[2] = {q.n, q.k}, blocked[2] = {q.n, dim_fdiv(c->d, q.k, dim_const(c->d, size))};
    const int bits = elem_of(slot_elem(c, codes))->bits;
    const ex zero = zeros ? load_axes(c, zeros, 2, blocked) : ex_i(c->x, CT_I32, (int64_t)1 << (bits - 1));
    q.b = mul(c, ex_cast(c->x, CT_F32, sub(c, load_axes(c, codes, 2, nk), zero)), load_axes(c, scales, 2, blocked));
    if (!lower_product(c, &q)) return false;
    matmul_params *made = &c->to->steps.p[c->to->steps.n - 1]->kernel->matmul;
    made->block = size;
    made->bytes = node_int(c->n, "accuracy_level", 0) == 4;
    return true;
}
