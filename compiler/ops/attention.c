/* attention.c - Attention and RotaryEmbedding. Source: ONNX Operators.md, versions 25 and 23.
 *
 * Attention is two matrix products around a row nest: scores = Q * K^T; in the nest scaling, soft cap, masks and softmax; result = P * V.
 * Operands are [batch, heads, sequence, size] or [batch, sequence, heads * size]; the second is read by index arithmetic, and so is a head
 * that several query heads share. Keys and values after a past are joined first. */
#include <math.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/matmul.h"

/* An operand seen as [batch, heads, sequence, size]. */
typedef struct {
    slot s;
    bool joined; /* [batch, sequence, heads * size] */
    dim batch, heads, length, size;
} operand;

static ex operand_load(lower_ctx *c, const operand *o, dim b, dim h, dim i, dim d)
{
    const dim four[4] = {b, h, i, d}, three[3] = {b, i, dim_add(c->d, dim_mul(c->d, h, o->size), d)};
    return o->joined ? load_axes(c, o->s, 3, three) : load_axes(c, o->s, 4, four);
}

static void operand_index(lower_ctx *c, const operand *o, dim b, dim h, dim i, dim d, dim *at)
{
    at[0] = b;
    at[1] = o->joined ? i : h;
    at[2] = o->joined ? dim_add(c->d, dim_mul(c->d, h, o->size), d) : i;
    at[3] = d;
}

/* Heads, length and size of input i; `heads` is the attribute for the joined form. False when the attribute is missing. */
static bool operand_shape(dims *d, const dim *shape, int32_t rank, int64_t heads, operand *o)
{
    if (rank < 3) return false;
    o->joined = rank == 3;
    o->batch = shape[0];
    if (rank == 4) {
        o->heads = shape[1];
        o->length = shape[2];
        o->size = shape[3];
        return true;
    }
    if (rank != 3 || heads < 1) return false;
    o->heads = dim_const(d, heads);
    o->length = shape[1];
    o->size = dim_fdiv(d, shape[2], o->heads);
    return true;
}

/* ---- Attention ---- */

enum { Q, K, V, MASK, PAST_KEY, PAST_VALUE, NONPAD, SINK }; /* SINK: ours, for com.microsoft: one more score of each head, or of all, for no key */

bool infer_Attention(infer_ctx *c)
{
    operand o[3];
    for (uint32_t i = 0; i < 6; i++)
        if (!need_rank(c, i)) return false;
    for (uint32_t i = 0; i < 3; i++) {
        const int64_t heads = node_int(c->n, i == Q ? "q_num_heads" : "kv_num_heads", 0);
        if (!operand_shape(c->d, in_type(c, i)->shape, in_rank(c, i), heads, &o[i]))
            return infer_error(c, "shape-rank", "input %u has %d dimensions; with 3 the numbers of heads are needed", i, in_rank(c, i));
    }
    if (infer_is_strict(c) && (in_rank(c, Q) != in_rank(c, K) || in_rank(c, K) != in_rank(c, V))) return infer_unsupported(c, "shape-rank", "Q, K and V differ in their number of dimensions");
    if (infer_is_strict(c) && has_out(c, 1) != has_out(c, 2)) return infer_error(c, "output-count", "present_key and present_value come together");
    if (!infer_only_checks(c) && !node_in(c->n, PAST_KEY) != !node_in(c->n, PAST_VALUE)) return infer_error(c, "input-missing", "past_key and past_value come together");
    const bool past = node_in(c->n, PAST_KEY) && node_in(c->n, PAST_VALUE);
    if (past && (in_rank(c, PAST_KEY) != 4 || in_rank(c, PAST_VALUE) != 4)) return infer_error(c, "shape-rank", "a past has not 4 dimensions");
    for (uint32_t i = 0; i < 3; i++) {
        (void)assume_equal(c, o[i].batch, o[Q].batch);
        if (o[i].joined) (void)assume_equal(c, in_dim(c, i, 2), dim_mul(c->d, o[i].heads, o[i].size));
    }
    (void)assume_equal(c, o[K].size, o[Q].size);
    (void)assume_equal(c, o[V].length, o[K].length);
    (void)assume_equal(c, o[V].heads, o[K].heads);
    (void)assume_equal(c, o[Q].heads, dim_mul(c->d, o[K].heads, dim_fdiv(c->d, o[Q].heads, o[K].heads)));
    if (past) {
        const dim length = in_dim(c, PAST_KEY, 2);
        if (!shape_fits(c, PAST_KEY, 4, (const dim[]){o[K].batch, o[K].heads, length, o[K].size})) return false;
        if (!shape_fits(c, PAST_VALUE, 4, (const dim[]){o[V].batch, o[V].heads, length, o[V].size})) return false;
    }
    const dim total = past ? dim_add(c->d, in_dim(c, PAST_KEY, 2), o[K].length) : o[K].length;
    const dim y4[4] = {o[Q].batch, o[Q].heads, o[Q].length, o[V].size};
    const dim y3[3] = {o[Q].batch, o[Q].length, dim_mul(c->d, o[Q].heads, o[V].size)};
    const dim key[4] = {o[K].batch, o[K].heads, total, o[K].size}, val[4] = {o[V].batch, o[V].heads, total, o[V].size};
    const dim scores[4] = {o[Q].batch, o[Q].heads, o[Q].length, total};
    for (int32_t k = 2; k <= 4 && node_in(c->n, MASK) && k <= in_rank(c, MASK); k++) { /* the last dimension may be shorter */
        const dim size = in_dim(c, MASK, in_rank(c, MASK) - k);
        if (!dim_is(c->d, size, 1)) (void)assume_equal(c, size, scores[4 - k]);
    }
    return out_tensor(c, 0, in_elem(c, Q), o[Q].joined ? 3 : 4, o[Q].joined ? y3 : y4) && out_tensor(c, 1, in_elem(c, K), 4, key)
        && out_tensor(c, 2, in_elem(c, V), 4, val) && out_tensor(c, 3, in_elem(c, Q), 4, scores);
}

typedef struct {
    lower_ctx *c;
    operand q, k, v; /* k and v with the past */
    dim past;        /* length; 0: the constant */
    dim share;       /* query heads per key head */
} attention;

static operand operand_of(lower_ctx *c, uint32_t i)
{
    const slot s = in_slot(c, i);
    operand o = {.s = s};
    (void)operand_shape(c->d, slot_at(c->p, s)->extent, (int32_t)slot_rank(c, s), node_int(c->n, i == Q ? "q_num_heads" : "kv_num_heads", 0), &o);
    return o;
}

/* Copies `from` into positions [at, at + length) of the sequence of `to`, [batch, heads, sequence, size]. */
static void copy_part(lower_ctx *c, slot to, const operand *from, dim at)
{
    const dim shape[4] = {from->batch, from->heads, from->length, from->size};
    nest_builder b = low_begin(c);
    dim idx[4];
    axes_for(&b, 4, shape, idx);
    nest_stage(&b);
    const dim out[4] = {idx[0], idx[1], dim_add(c->d, at, idx[2]), idx[3]};
    store_axes(c, &b, to, 4, out, operand_load(c, from, idx[0], idx[1], idx[2], idx[3]));
    low_end(c, &b);
}

/* The whole keys or values: past, then new; the output `present` holds them where it is wanted. */
static operand with_past(lower_ctx *c, uint32_t input, uint32_t past_input, uint32_t present)
{
    operand own = operand_of(c, input);
    const slot past = in_slot(c, past_input);
    if (!past && !low_has_out(c, present)) return own;
    operand all = {.batch = own.batch, .heads = own.heads, .length = own.length, .size = own.size};
    if (past) all.length = dim_add(c->d, slot_dim(c, past, 2), own.length);
    const dim shape[4] = {all.batch, all.heads, all.length, all.size};
    all.s = low_has_out(c, present) ? out_slot(c, present) : temp_slot(c, "present", slot_elem(c, own.s), 4, shape);
    if (past) {
        const operand old = {.s = past, .batch = own.batch, .heads = own.heads, .length = slot_dim(c, past, 2), .size = own.size};
        copy_part(c, all.s, &old, dim_const(c->d, 0));
    }
    copy_part(c, all.s, &own, past ? slot_dim(c, past, 2) : dim_const(c->d, 0));
    return all;
}

/* Q * K^T: [batch, heads, queries, keys]. */
static slot raw_scores(attention *a)
{
    lower_ctx *c = a->c;
    const dim shape[4] = {a->q.batch, a->q.heads, a->q.length, a->k.length};
    product p = {.a_slot = a->q.s, .b_slot = a->k.s, .n_batch = 2, .n_at = 4};
    p.out = temp_slot(c, "scores", slot_elem(c, a->q.s), 4, shape);
    p.at[0] = p.batch[0] = dim_axis(c->d, shape[0]);
    p.at[1] = p.batch[1] = dim_axis(c->d, shape[1]);
    p.at[2] = p.m = dim_axis(c->d, shape[2]);
    p.at[3] = p.n = dim_axis(c->d, shape[3]);
    p.k = dim_axis(c->d, a->q.size);
    p.a = operand_load(c, &a->q, p.at[0], p.at[1], p.m, p.k);
    p.b = operand_load(c, &a->k, p.at[0], dim_fdiv(c->d, p.at[1], a->share), p.n, p.k);
    return lower_product(c, &p) ? p.out : 0;
}

/* The keys before this block of queries: the past, or what nonpad_kv_seqlen says. */
static ex block_offset(attention *a, dim b)
{
    lower_ctx *c = a->c;
    const slot nonpad = in_slot(c, NONPAD);
    if (in_slot(c, PAST_KEY) || !nonpad) return ex_dim(c->x, a->past);
    return sub(c, load_axes(c, nonpad, 1, &b), ex_dim(c->x, a->q.length));
}

/* Whether query i may see key j by causality, window and padding. */
static ex allowed(attention *a, const dim *at)
{
    lower_ctx *c = a->c;
    const int64_t left = node_int(c->n, "left_window_size", -1), right = node_int(c->n, "right_window_size", -1);
    const ex i = add(c, ex_dim(c->x, at[2]), block_offset(a, at[0])), j = ex_dim(c->x, at[3]);
    ex ok = ex_bool(c->x, true);
    if (node_int(c->n, "is_causal", 0)) ok = both(c, ok, ex_bin(c->x, EX_LE, j, i));
    if (left >= 0) ok = both(c, ok, ex_bin(c->x, EX_LE, sub(c, i, j), ex_i(c->x, CT_I64, left)));
    if (right >= 0) ok = both(c, ok, ex_bin(c->x, EX_LE, sub(c, j, i), ex_i(c->x, CT_I64, right)));
    if (in_slot(c, NONPAD)) ok = both(c, ok, less(c, j, load_axes(c, in_slot(c, NONPAD), 1, &at[0])));
    return ok;
}

/* The mask of input 3, which broadcasts from the right and may end before the keys do: what is added to the score. */
static ex masked(attention *a, const dim *at, ex score)
{
    lower_ctx *c = a->c;
    const slot m = in_slot(c, MASK);
    const ex none = num(c, score, -INFINITY);
    if (m) {
        const ex v = load_bcast(c, m, 4, at);
        const dim width = slot_dim(c, m, slot_rank(c, m) - 1);
        score = ex_type(c->x, v) == CT_BOOL ? ex_select(c->x, v, score, none) : add(c, score, ex_cast(c->x, ex_type(c->x, score), v));
        if (width != a->k.length && !dim_is(c->d, width, 1)) score = ex_select(c->x, dim_less(c, at[3], width), score, none);
    }
    return ex_select(c->x, allowed(a, at), score, none);
}

static ex scaled(attention *a, slot raw, const dim *at)
{
    lower_ctx *c = a->c;
    const ex s = load_axes(c, raw, 4, at);
    const attr *given = node_attr(c->n, "scale");
    if (given) return mul(c, s, num(c, s, (double)given->u.f));
    return divide(c, s, ex_un(c->x, EX_SQRT, size_as(c, s, a->q.size)));
}

static ex capped(attention *a, ex s)
{
    const double cap = (double)node_float(a->c->n, "softcap", 0);
    return cap > 0 ? mul(a->c, ex_un(a->c->x, EX_TANH, divide(a->c, s, num(a->c, s, cap))), num(a->c, s, cap)) : s;
}

/* Output 3 in modes 0 to 2: the scores as they are, capped, or masked too. */
static void store_scores(attention *a, nest_builder *b, slot raw, const dim *at)
{
    lower_ctx *c = a->c;
    const int64_t mode = node_int(c->n, "qk_matmul_output_mode", 0);
    if (!low_has_out(c, 3) || mode == 3) return;
    ex s = scaled(a, raw, at);
    if (mode > 0) s = capped(a, s);
    store_axes(c, b, out_slot(c, 3), 4, at, mode == 2 ? masked(a, at, s) : s);
}

/* Softmax over the keys; a query that may see none gets zeros. */
static slot probabilities(attention *a, slot raw)
{
    lower_ctx *c = a->c;
    const dim *shape = slot_at(c->p, raw)->extent;
    const bool keep = low_has_out(c, 3) && node_int(c->n, "qk_matmul_output_mode", 0) == 3;
    const dim extent[4] = {shape[0], shape[1], shape[2], shape[3]};
    const slot to = keep ? out_slot(c, 3) : temp_slot(c, "probabilities", slot_elem(c, raw), 4, extent);
    const slot row = temp_slot(c, "exps", slot_elem(c, raw) == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT, 4, extent);
    nest_builder b = low_begin(c);
    dim at[4];
    nest_axes_mask(&b, 4, extent, 7u, at);
    nest_stage(&b);
    at[3] = stage_axis(&b, extent[3]);
    store_scores(a, &b, raw, at);
    const ex most = stage_fold(&b, FOLD_MAX, masked(a, at, capped(a, scaled(a, raw, at))));
    const ex extra = in_slot(c, SINK) ? ex_cast(c->x, ex_type(c->x, most), load_bcast(c, in_slot(c, SINK), 1, &at[1])) : 0;
    const ex max = extra ? larger(c, most, extra) : most;
    const ex base = ex_select(c->x, equal(c, max, num(c, max, -INFINITY)), num(c, max, 0), max);
    nest_stage(&b);
    at[3] = stage_axis(&b, extent[3]);
    const ex e = ex_un(c->x, EX_EXP, sub(c, masked(a, at, capped(a, scaled(a, raw, at))), base));
    store_axes(c, &b, row, 4, at, e);
    ex sum = stage_fold(&b, FOLD_SUM, e);
    if (extra) sum = add(c, sum, ex_un(c->x, EX_EXP, sub(c, extra, base)));
    nest_stage(&b);
    at[3] = stage_axis(&b, extent[3]);
    const ex whole_sum = ex_select(c->x, equal(c, sum, num(c, sum, 0)), num(c, sum, 1), sum);
    store_axes(c, &b, to, 4, at, divide(c, load_axes(c, row, 4, at), whole_sum));
    low_end(c, &b);
    return to;
}

/* P * V into output 0. */
static bool weigh_values(attention *a, slot probs)
{
    lower_ctx *c = a->c;
    operand y = {.s = out_slot(c, 0), .joined = a->q.joined, .size = a->v.size};
    product p = {.a_slot = probs, .b_slot = a->v.s, .out = y.s, .n_batch = 2, .n_at = y.joined ? 3 : 4};
    const dim b = p.batch[0] = dim_axis(c->d, a->q.batch), h = p.batch[1] = dim_axis(c->d, a->q.heads);
    p.m = dim_axis(c->d, a->q.length);
    p.n = dim_axis(c->d, a->v.size);
    p.k = dim_axis(c->d, a->k.length);
    const dim from[4] = {b, h, p.m, p.k};
    p.a = load_axes(c, probs, 4, from);
    p.b = operand_load(c, &a->v, b, dim_fdiv(c->d, h, a->share), p.k, p.n);
    operand_index(c, &y, b, h, p.m, p.n, p.at);
    return lower_product(c, &p);
}

bool lower_Attention(lower_ctx *c)
{
    attention a = {.c = c, .q = operand_of(c, Q)};
    a.past = in_slot(c, PAST_KEY) ? slot_dim(c, in_slot(c, PAST_KEY), 2) : dim_const(c->d, 0);
    a.k = with_past(c, K, PAST_KEY, 1);
    a.v = with_past(c, V, PAST_VALUE, 2);
    a.share = dim_fdiv(c->d, a.q.heads, a.k.heads);
    const slot raw = raw_scores(&a);
    return raw && weigh_values(&a, probabilities(&a, raw));
}

/* ---- RotaryEmbedding ---- */

bool infer_RotaryEmbedding(infer_ctx *c)
{
    operand o;
    for (uint32_t i = 0; i < 4; i++)
        if (!need_rank(c, i)) return false;
    if (!operand_shape(c->d, in_type(c, 0)->shape, in_rank(c, 0), node_int(c->n, "num_heads", 0), &o))
        return infer_error(c, "shape-rank", "the input has %d dimensions; with 3 'num_heads' is needed", in_rank(c, 0));
    if (in_rank(c, 1) != (node_in(c->n, 3) ? 2 : 3)) return infer_error(c, "shape-rank", "the cosines have %d dimensions", in_rank(c, 1));
    if (!shape_fits(c, 2, in_rank(c, 1), in_type(c, 1)->shape)) return false;
    const int64_t part = node_int(c->n, "rotary_embedding_dim", 0);
    const dim cosines = in_dim(c, 1, in_rank(c, 1) - 1), turned = part ? dim_const(c->d, part) : o.size;
    if (!infer_only_checks(c) && (part < 0 || dim_lt(c->d, o.size, turned))) return infer_error(c, "attribute-value", "rotary_embedding_dim is %lld, which is no part of a head", (long long)part);
    if (!infer_only_checks(c) && dim_lt(c->d, cosines, dim_fdiv(c->d, turned, dim_const(c->d, 2)))) return infer_error(c, "shape-mismatch", "there are fewer cosines than half of the numbers that are turned");
    const dim places[3] = {o.batch, o.length, cosines};
    if (node_in(c->n, 3) ? !shape_fits(c, 3, 2, places) : !shape_stretches(c, 1, 3, places)) return false;
    return out_like(c, 0, 0);
}

/* Cosine or sine for position (b, i), pair k. */
static ex cached(lower_ctx *c, uint32_t input, dim b, dim i, dim k)
{
    const slot s = in_slot(c, input), ids = in_slot(c, 3);
    const dim three[3] = {b, i, k}, pos[2] = {b, i};
    if (!ids) return load_bcast(c, s, 3, three);
    const ex at[2] = {ex_index(c->x, ex_cast(c->x, CT_I64, load_axes(c, ids, 2, pos)), ex_dim(c->x, slot_dim(c, s, 0))), ex_dim(c->x, k)};
    return load_at(c, s, 2, at);
}

/* Pairs (x1, x2) are turned by the angle of their position: halves of the head, or neighbours when interleaved. The rest is copied. */
bool lower_RotaryEmbedding(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    dims *d = c->d;
    operand o = {.s = x};
    (void)operand_shape(d, slot_at(c->p, x)->extent, (int32_t)slot_rank(c, x), node_int(c->n, "num_heads", 0), &o);
    const int64_t part = node_int(c->n, "rotary_embedding_dim", 0);
    const dim turned = part ? dim_const(d, part) : o.size, half = dim_fdiv(d, turned, dim_const(d, 2));
    const bool interleaved = node_int(c->n, "interleaved", 0) != 0;
    const dim shape[4] = {o.batch, o.heads, o.length, half};
    nest_builder b = low_begin(c);
    dim at[4], to[4];
    axes_for(&b, 4, shape, at);
    nest_stage(&b);
    const dim first = interleaved ? dim_mulc(d, at[3], 2) : at[3], second = interleaved ? dim_addc(d, first, 1) : dim_add(d, at[3], half);
    const ex x1 = operand_load(c, &o, at[0], at[1], at[2], first), x2 = operand_load(c, &o, at[0], at[1], at[2], second);
    const ex cosine = ex_cast(c->x, ex_type(c->x, x1), cached(c, 1, at[0], at[2], at[3])), sine = ex_cast(c->x, ex_type(c->x, x1), cached(c, 2, at[0], at[2], at[3]));
    operand_index(c, &o, at[0], at[1], at[2], first, to);
    store_axes(c, &b, y, slot_rank(c, y), to, sub(c, mul(c, cosine, x1), mul(c, sine, x2)));
    operand_index(c, &o, at[0], at[1], at[2], second, to);
    store_axes(c, &b, y, slot_rank(c, y), to, add(c, mul(c, sine, x1), mul(c, cosine, x2)));
    low_end(c, &b);
    if (turned == o.size) return true;
    const dim rest[4] = {o.batch, o.heads, o.length, dim_sub(d, o.size, turned)};
    b = low_begin(c);
    axes_for(&b, 4, rest, at);
    nest_stage(&b);
    at[3] = dim_add(d, turned, at[3]);
    operand_index(c, &o, at[0], at[1], at[2], at[3], to);
    store_axes(c, &b, y, slot_rank(c, y), to, operand_load(c, &o, at[0], at[1], at[2], at[3]));
    low_end(c, &b);
    return true;
}
