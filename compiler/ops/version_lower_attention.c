/* version_lower_attention.c - Attention and RotaryEmbedding in versions that lack them, or lack what the node says: products, masks and Softmax.
 * Source: ONNX Operators.md, Attention-25 and RotaryEmbedding-23. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/contrib.h"

static value_id cast_to(edit *e, value_id v, elem from, elem to)
{
    const attr a = attr_int(e->m, "to", to);
    return from == to ? v : insert(e, "Cast", &a, 1, &v);
}

static value_id in_order(edit *e, value_id x, const int64_t perm[4])
{
    const attr p = attr_ints(e->m, "perm", 4, perm);
    return insert(e, "Transpose", &p, 1, &x);
}

static value_id concat(edit *e, int64_t axis, uint32_t n, const value_id *parts)
{
    const attr a = attr_int(e->m, "axis", axis);
    return insert(e, "Concat", &a, n, parts);
}

/* A size in front of which nothing has to be known: a constant where it is one. */
static value_id size_or_number(edit *e, value_id x, int64_t axis)
{
    const type *t = &value_at(e->m, x)->type;
    int64_t n;
    if (t->kind == TYPE_TENSOR && axis < t->rank && dim_is_const(e->m->dims, t->shape[axis], &n)) return one_int(e, n);
    return size_of(e, x, axis);
}

static bool known_size(edit *e, value_id x, int64_t axis, int64_t *n)
{
    const type *t = &value_at(e->m, x)->type;
    return t->kind == TYPE_TENSOR && axis < t->rank && dim_is_const(e->m->dims, t->shape[axis], n);
}

/* ---- Attention ---- */

enum { Q, K, V, MASK, PAST_KEY, PAST_VALUE, NONPAD };

typedef struct {
    value_id q, k, v; /* [batch, heads, length, size], with the past */
    value_id n_q, n_k; /* lengths, int64[1] */
    elem own;
    bool joined; /* the node's operands are [batch, length, heads * size] */
    bool shared; /* several query heads may share keys */
} attention;

/* An operand as [batch, heads, length, size]. */
static value_id operand(edit *e, uint32_t i, bool joined)
{
    static const int64_t heads_first[4] = {0, 2, 1, 3};
    const int64_t heads = node_int(edited(e), i == Q ? "q_num_heads" : "kv_num_heads", 0);
    return joined ? in_order(e, parted(e, input_of(e, i), heads), heads_first) : input_of(e, i);
}

static value_id behind_past(edit *e, value_id now, uint32_t past)
{
    return input_of(e, past) ? concat(e, 2, IN(input_of(e, past), now)) : now;
}

static bool attention_of(edit *e, attention *a)
{
    const int32_t rank = rank_of(e, input_of(e, Q));
    int64_t heads, kv;
    *a = (attention){.own = elem_type_of(e, input_of(e, Q)), .joined = rank == 3};
    if (a->own == ELEM_NONE || rank < 3 || rank > 4 || (input_of(e, MASK) && elem_type_of(e, input_of(e, MASK)) == ELEM_NONE))
        return version_error(e, "version-lower", "types and number of dimensions have to be known to say it with older operators");
    const bool known = a->joined || (known_size(e, input_of(e, Q), 1, &heads) && known_size(e, input_of(e, K), 1, &kv));
    a->shared = !known || (a->joined ? node_int(edited(e), "q_num_heads", 0) != node_int(edited(e), "kv_num_heads", 0) : heads != kv);
    a->q = operand(e, Q, a->joined);
    a->k = behind_past(e, operand(e, K, a->joined), PAST_KEY);
    a->v = behind_past(e, operand(e, V, a->joined), PAST_VALUE);
    a->n_q = size_or_number(e, input_of(e, Q), a->joined ? 1 : 2);
    a->n_k = size_of(e, a->k, 2);
    return true;
}

/* [batch, heads, rows, n] as [batch, heads of the keys, rows of all heads that share them, n]. */
static value_id by_key_heads(edit *e, const attention *a, value_id x)
{
    if (!a->shared) return x;
    const value_id batch = size_of(e, a->k, 0), heads = size_of(e, a->k, 1);
    return insert(e, "Reshape", NULL, IN(x, concat(e, 0, IN(batch, heads, one_int(e, -1), size_of(e, x, 3)))));
}

static value_id by_query_heads(edit *e, const attention *a, value_id x)
{
    if (!a->shared) return x;
    const value_id batch = size_of(e, a->q, 0), heads = size_of(e, a->q, 1);
    return insert(e, "Reshape", NULL, IN(x, concat(e, 0, IN(batch, heads, a->n_q, size_of(e, x, 3)))));
}

/* Q * K^T, scaled: each operand by the root, as the standard does for the sake of 16 bits. */
static value_id scores(edit *e, const attention *a)
{
    static const int64_t turned[4] = {0, 1, 3, 2};
    const attr *given = node_attr(edited(e), "scale");
    value_id q = a->q, k = a->k;
    if (given && given->u.f < 0) q = insert(e, "Mul", NULL, IN(q, const_like(e, "scale", given->u.f, q)));
    else {
        int64_t size;
        const bool known = known_size(e, q, 3, &size);
        value_id root;
        if (given || known) root = const_like(e, "root", given ? sqrtf(given->u.f) : 1 / sqrtf(sqrtf((float)size)), q);
        else {
            const elem wide = a->own == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT;
            const value_id n = cast_to(e, size_of(e, q, 3), ELEM_INT64, wide);
            root = cast_to(e, insert(e, "Reciprocal", NULL, IN(insert(e, "Sqrt", NULL, IN(insert(e, "Sqrt", NULL, IN(n)))))), wide, a->own);
        }
        q = insert(e, "Mul", NULL, IN(q, root));
        k = insert(e, "Mul", NULL, IN(k, root));
    }
    return by_query_heads(e, a, insert(e, "MatMul", NULL, IN(by_key_heads(e, a, q), in_order(e, k, turned))));
}

static value_id capped(edit *e, value_id s)
{
    const float cap = node_float(edited(e), "softcap", 0);
    if (cap <= 0) return s;
    const value_id c = const_like(e, "cap", cap, input_of(e, Q));
    return insert(e, "Mul", NULL, IN(insert(e, "Tanh", NULL, IN(insert(e, "Div", NULL, IN(s, c)))), c));
}

static value_id both(edit *e, value_id a, value_id b)
{
    return a ? insert(e, "And", NULL, IN(a, b)) : b;
}

/* Which query may see which key, by causality, window and padding: bool, to be broadcast to the scores; 0: all. */
static value_id allowed(edit *e, const attention *a)
{
    static const int64_t column[1] = {1}, each[3] = {1, 2, 3};
    const int64_t left = node_int(edited(e), "left_window_size", -1), right = node_int(edited(e), "right_window_size", -1);
    const bool causal = node_int(edited(e), "is_causal", 0);
    const value_id nonpad = input_of(e, NONPAD);
    if (!causal && left < 0 && right < 0 && !nonpad) return 0;
    const value_id j = count_to(e, a->n_k);
    value_id i = with_axes(e, count_to(e, a->n_q), 1, column), ok = 0;
    if (input_of(e, PAST_KEY)) i = insert(e, "Add", NULL, IN(i, size_of(e, input_of(e, PAST_KEY), 2)));
    else if (nonpad) i = insert(e, "Add", NULL, IN(i, with_axes(e, insert(e, "Sub", NULL, IN(nonpad, a->n_q)), 3, each)));
    if (causal || right >= 0) {
        const value_id last = causal || !right ? i : insert(e, "Add", NULL, IN(i, one_int(e, right)));
        ok = insert(e, "Not", NULL, IN(insert(e, "Greater", NULL, IN(j, last))));
    }
    if (left >= 0) ok = both(e, ok, insert(e, "Not", NULL, IN(insert(e, "Less", NULL, IN(j, insert(e, "Sub", NULL, IN(i, one_int(e, left))))))));
    if (nonpad) ok = both(e, ok, insert(e, "Less", NULL, IN(j, with_axes(e, nonpad, 3, each))));
    return ok;
}

/* Input 3 as what is added to the scores; it may end before the keys do, and forbids those that it does not name. */
static value_id additive_mask(edit *e, const attention *a)
{
    const value_id m = input_of(e, MASK), none = const_like(e, "none", -INFINITY, input_of(e, Q));
    const elem kind = elem_type_of(e, m);
    const int32_t rank = rank_of(e, m);
    const value_id add = kind == ELEM_BOOL ? insert(e, "Where", NULL, IN(m, const_like(e, "zero", 0, input_of(e, Q)), none)) : cast_to(e, m, kind, a->own);
    int64_t width, keys;
    if (rank < 1) return add;
    const bool wide = known_size(e, m, rank - 1, &width);
    if (wide && (width == 1 || (known_size(e, a->k, 2, &keys) && keys == width))) return add;
    const value_id missing = insert(e, "Sub", NULL, IN(a->n_k, size_of(e, m, rank - 1)));
    const int64_t *zeros = ARENA_ARRAY(e->m->mem, int64_t, 2 * (uint32_t)rank);
    const value_id pads = concat(e, 0, IN(const_ints(e, "before", 2 * (uint32_t)rank - 1, zeros), missing));
    return insert(e, "Pad", NULL, IN(add, pads, none));
}

/* Rows that see no key are zeros. */
static value_id zero_rows(edit *e, elem t, value_id s, value_id probabilities)
{
    const double least = t == ELEM_FLOAT16 ? -65504 : t == ELEM_DOUBLE ? -DBL_MAX : t == ELEM_BFLOAT16 ? -3.3895313892515355e38 : -(double)FLT_MAX;
    tensor *c = tensor_new(e->m->mem, t, 0, (const int64_t[]){0}), *zero = tensor_new(e->m->mem, t, 0, (const int64_t[]){0});
    elem_set_double(t, (void *)(uintptr_t)c->data, 0, least);
    const value_id most = insert(e, "ReduceMax", NULL, IN(s, one_int(e, -1))), blind = insert(e, "Less", NULL, IN(most, const_of_tensor(e, "lowest", c)));
    return insert(e, "Where", NULL, IN(blind, const_of_tensor(e, "zero", zero), probabilities));
}

static bool attention_body(edit *e)
{
    static const int64_t heads_last[4] = {0, 2, 1, 3};
    attention a;
    if (!attention_of(e, &a)) return false;
    const int64_t mode = node_int(edited(e), "qk_matmul_output_mode", 0);
    const elem precise = node_elem(edited(e), "softmax_precision", a.own), values = elem_type_of(e, input_of(e, V));
    if (values == ELEM_NONE || elem_of(precise)->kind != 'f') return version_error(e, "version-lower", "the type of the values or of softmax_precision is not known");
    value_id stage[4]; /* by mode */
    stage[0] = scores(e, &a);
    stage[1] = capped(e, stage[0]);
    const value_id see = allowed(e, &a), mask = input_of(e, MASK);
    value_id s = mask ? insert(e, "Add", NULL, IN(stage[1], additive_mask(e, &a))) : stage[1];
    if (see) s = insert(e, "Where", NULL, IN(see, s, const_like(e, "none", -INFINITY, input_of(e, Q))));
    stage[2] = s;
    const attr last = attr_int(e->m, "axis", -1);
    s = cast_to(e, s, a.own, precise);
    value_id p = insert(e, "Softmax", &last, 1, &s);
    if (see || mask) p = zero_rows(e, precise, s, p);
    stage[3] = cast_to(e, p, precise, a.own);
    const value_id y = by_query_heads(e, &a, insert(e, "MatMul", NULL, IN(by_key_heads(e, &a, stage[3]), cast_to(e, a.v, values, a.own))));
    if (output_of(e, 1)) give_output(e, 1, a.k);
    if (output_of(e, 2)) give_output(e, 2, a.v);
    if (output_of(e, 3)) give_output(e, 3, stage[mode < 0 || mode > 3 ? 0 : mode]);
    if (a.joined) become(e, "Reshape", NULL, IN(in_order(e, y, heads_last), const_ints(e, "shape", 3, (const int64_t[]){0, 0, -1})));
    else become(e, "Identity", NULL, IN(y));
    return true;
}

/* 25 -> 24, 24 -> 23: as long as nothing new is said, the older version says it. */
static bool attention_from_25(edit *e)
{
    if (node_int(edited(e), "left_window_size", -1) >= 0 || node_int(edited(e), "right_window_size", -1) >= 0) return attention_body(e);
    return true;
}

static bool attention_from_24(edit *e)
{
    return input_of(e, NONPAD) ? attention_body(e) : true;
}

/* ---- RotaryEmbedding ---- */

typedef struct {
    value_id x1, x2, rest; /* what is turned, in two halves, and what is not (0: nothing) */
} turned;

static value_id every_second(edit *e, value_id x, int64_t from, value_id to)
{
    return insert(e, "Slice", NULL, IN(x, one_int(e, from), to, one_int(e, 3), one_int(e, 2)));
}

/* Of x, with 4 dimensions. */
static turned parts_of(edit *e, value_id x, bool interleaved)
{
    int64_t size = node_int(edited(e), "rotary_embedding_dim", 0);
    turned t = {.rest = 0};
    const bool partial = size > 0, known = partial || known_size(e, x, 3, &size);
    const value_id end = known ? one_int(e, size) : size_of(e, x, 3);
    if (partial) t.rest = slice(e, x, end, one_int(e, INT64_MAX), 3);
    if (interleaved) {
        t.x1 = every_second(e, x, 0, end);
        t.x2 = every_second(e, x, 1, end);
    } else {
        const value_id half = known ? one_int(e, size / 2) : insert(e, "Div", NULL, IN(end, one_int(e, 2)));
        t.x1 = slice(e, x, one_int(e, 0), half, 3);
        t.x2 = slice(e, x, half, end, 3);
    }
    return t;
}

static value_id product(edit *e, value_id a, value_id b)
{
    return insert(e, "Mul", NULL, IN(a, b));
}

static bool rotary_body(edit *e)
{
    const value_id input = input_of(e, 0), ids = input_of(e, 3);
    const int32_t rank = rank_of(e, input);
    const int64_t heads = node_int(edited(e), "num_heads", 0);
    const bool interleaved = node_int(edited(e), "interleaved", 0);
    if (rank < 3 || rank > 4 || (rank == 3 && heads < 1)) return version_error(e, "version-lower", "the number of dimensions has to be known to say it with older operators");
    const value_id x = rank == 3 ? parted(e, input, heads) : input; /* heads are dimension 2 or 1 */
    value_id wave[2];
    for (uint32_t i = 0; i < 2; i++) {
        const value_id cache = input_of(e, i + 1);
        wave[i] = with_axes(e, ids ? insert(e, "Gather", NULL, IN(cache, ids)) : cache, 1, (const int64_t[]){rank == 3 ? 2 : 1});
    }
    const turned t = parts_of(e, x, interleaved);
    const value_id real = insert(e, "Sub", NULL, IN(product(e, wave[0], t.x1), product(e, wave[1], t.x2)));
    const value_id imaginary = insert(e, "Add", NULL, IN(product(e, wave[1], t.x1), product(e, wave[0], t.x2)));
    value_id y;
    if (interleaved) {
        const int64_t new_axis[1] = {4}, shape[4] = {0, 0, 0, -1};
        y = concat(e, 4, IN(with_axes(e, real, 1, new_axis), with_axes(e, imaginary, 1, new_axis)));
        y = insert(e, "Reshape", NULL, IN(y, const_ints(e, "shape", 4, shape)));
    } else y = concat(e, 3, IN(real, imaginary));
    if (t.rest) y = concat(e, 3, IN(y, t.rest));
    if (rank == 3) become(e, "Reshape", NULL, IN(y, const_ints(e, "shape", 3, (const int64_t[]){0, 0, -1})));
    else become(e, "Identity", NULL, IN(y));
    return true;
}

const adapter_row lower_attention_rows[] = {
    {"", "Attention", 23, attention_body},
    {"", "Attention", 24, attention_from_24},
    {"", "Attention", 25, attention_from_25},
    {"", "RotaryEmbedding", 23, rotary_body},
    {NULL, NULL, 0, NULL},
};
