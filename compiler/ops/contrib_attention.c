/* contrib_attention.c - attention of com.microsoft in terms of ai.onnx: Attention, MultiHeadAttention, GroupQueryAttention, RotaryEmbedding.
 * Source: the documentation of onnxruntime's contrib operators. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "ops/contrib.h"

/* ---- sizes and positions, as tensors ---- */

static value_id one_int(edit *e, int64_t v)
{
    return const_ints(e, "number", 1, &v);
}

static value_id as_int64(edit *e, value_id v)
{
    const attr to = attr_int(e->m, "to", ELEM_INT64);
    return insert(e, "Cast", &to, 1, &v);
}

/* 0, 1, ... below n, an int64[1]. */
static value_id count_to(edit *e, value_id n)
{
    return insert(e, "Range", NULL, IN(const_int(e, "zero", 0), insert(e, "Squeeze", NULL, IN(n, one_int(e, 0))), const_int(e, "one", 1)));
}

static value_id with_axes(edit *e, value_id x, uint32_t n, const int64_t *axes)
{
    return insert(e, "Unsqueeze", NULL, IN(x, const_ints(e, "axes", n, axes)));
}

/* Elements [from, to) along an axis; the bounds are int64[1]. */
static value_id slice(edit *e, value_id x, value_id from, value_id to, int64_t axis)
{
    return insert(e, "Slice", NULL, IN(x, from, to, one_int(e, axis)));
}

/* [batch, sequence, heads * size] as [batch, sequence, heads, size], and back. */
static value_id parted(edit *e, value_id x, int64_t heads)
{
    const int64_t shape[4] = {0, 0, heads, -1};
    return insert(e, "Reshape", NULL, IN(x, const_ints(e, "shape", 4, shape)));
}

static value_id joined(edit *e, value_id x)
{
    const int64_t shape[3] = {0, 0, -1};
    return insert(e, "Reshape", NULL, IN(x, const_ints(e, "shape", 3, shape)));
}

static value_id picked(edit *e, value_id x, int64_t at, int64_t axis)
{
    const attr a = attr_int(e->m, "axis", axis);
    return insert(e, "Gather", &a, IN(x, const_int(e, "part", at)));
}

/* ---- masks ---- */

/* Whether a mask of one dimension is [2 * batch], [3 * batch + 2] or, where that is not known, [batch]. */
static int64_t per_batch(edit *e, value_id mask, value_id x)
{
    model *m = e->m;
    const dim n = value_at(m, mask)->type.shape[0], batch = value_at(m, x)->type.shape[0];
    if (n == dim_mulc(m->dims, batch, 2)) return 2;
    return n == dim_addc(m->dims, dim_mulc(m->dims, batch, 3), 2) ? 3 : 1;
}

/* A vector's part `k` of `parts` as [batch, 1]. */
static value_id mask_part(edit *e, value_id mask, value_id x, int64_t k)
{
    const value_id batch = size_of(e, x, 0), from = insert(e, "Mul", NULL, IN(batch, one_int(e, k))), to = insert(e, "Mul", NULL, IN(batch, one_int(e, k + 1)));
    return with_axes(e, as_int64(e, slice(e, mask, from, to, 0)), 1, (const int64_t[]){1});
}

/* The mask as what is added to scores, broadcasting to [batch, heads, queries, keys]: from [batch] lengths, [2 * batch] ends and starts, a
 * [batch, keys], [batch, queries, keys] or [batch, 1, most, most] mask. x has batch and queries as its first sizes, `like` the scores' type. 0 after a
 * report. */
static value_id additive_mask(edit *e, value_id mask, value_id x, value_id like, value_id total)
{
    model *m = e->m;
    const float low = node_float(edited(e), "mask_filter_value", -10000.0f);
    const int32_t rank = rank_of(e, mask);
    const int64_t parts = rank == 1 ? per_batch(e, mask, x) : 0;
    static const int64_t HEADS_AND_QUERIES[2] = {1, 2};
    value_id seen;
    if (rank == 1 && parts < 3) {
        const value_id keys = count_to(e, total);
        seen = insert(e, "Less", NULL, IN(keys, mask_part(e, mask, x, 0)));
        if (parts == 2) seen = insert(e, "And", NULL, IN(seen, insert(e, "GreaterOrEqual", NULL, IN(keys, mask_part(e, mask, x, 1)))));
    } else if (rank >= 2 && rank <= 4) {
        const attr to = attr_int(m, "to", ELEM_BOOL);
        if (rank == 4) { /* the rows of these queries */
            mask = slice(e, mask, insert(e, "Sub", NULL, IN(total, size_of(e, x, 1))), total, 2);
            mask = slice(e, mask, one_int(e, 0), total, 3);
        }
        seen = insert(e, "Cast", &to, 1, &mask);
    } else {
        version_error(e, "contrib", "a mask of %s is not supported yet", rank == 1 ? "lengths and offsets of packed sequences" : "this number of dimensions");
        return 0;
    }
    if (rank < 4) seen = with_axes(e, seen, rank == 3 ? 1 : 2, HEADS_AND_QUERIES);
    return insert(e, "Where", NULL, IN(seen, const_like(e, "open", 0, like), const_like(e, "closed", low, like)));
}

/* ---- the node ---- */

typedef struct {
    int64_t heads, kv_heads;
    value_id q, k, v, mask, past_k, past_v, sink; /* as inputs of ai.onnx's Attention; 0: absent. sink: of our own */
    value_id out, present_k, present_v, scores;   /* outputs */
    int64_t score_mode;
    bool causal, k_parted; /* k_parted: k has 4 dimensions */
} attention_call;

/* The edited node becomes Attention. */
static bool become_call(edit *e, const attention_call *c)
{
    model *m = e->m;
    const attr *scale = node_attr(edited(e), "scale"), *cap = node_attr(edited(e), "softcap");
    attr a[6] = {attr_int(m, "q_num_heads", c->heads), attr_int(m, "kv_num_heads", c->kv_heads), attr_int(m, "is_causal", c->causal)};
    uint32_t n_attr = 3, n_in = 8;
    if (scale && scale->u.f != 0) a[n_attr++] = *scale;
    if (cap && cap->u.f != 0) a[n_attr++] = *cap;
    if (c->scores) a[n_attr++] = attr_int(m, "qk_matmul_output_mode", c->score_mode);
    const value_id in[8] = {c->q, c->k, c->v, c->mask, c->past_k, c->past_v, 0, c->sink}, out[4] = {c->out, c->present_k, c->present_v, c->scores};
    while (!in[n_in - 1]) n_in--;
    replace_node(e, "Attention", n_attr, a, n_in, in);
    node *n = edited(e);
    n->out = arena_copy(m->mem, out, sizeof out);
    n->n_out = c->scores ? 4 : c->present_v ? 3 : 1;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!out[i]) continue;
        value_at(m, out[i])->producer = e->id;
        value_at(m, out[i])->output = i;
    }
    return true;
}

/* A node after the edited one; the last one made stands first. */
static void make_after(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in, value_id out)
{
    make_node(e, op, n_attr, a, n_in, in, 1, &out);
    e->list.n--;
    VEC_PUSH(e->m->mem, e->follow, e->list.p[e->list.n]);
}

/* The mask and the bias of scores of a call whose keys, and past keys, are set. False after a report. */
static bool set_mask(edit *e, attention_call *c, value_id mask, value_id bias, value_id like)
{
    if (mask) {
        value_id total = size_of(e, c->k, c->k_parted ? 2 : 1);
        if (c->past_k) total = insert(e, "Add", NULL, IN(total, size_of(e, c->past_k, 2)));
        mask = additive_mask(e, mask, input_of(e, 0), like, total);
        if (!mask) return false;
    }
    c->mask = mask && bias ? insert(e, "Add", NULL, IN(mask, bias)) : mask ? mask : bias;
    return true;
}

/* ---- Attention, QAttention ---- */

bool become_attention(edit *e, value_id qkv, value_id like, value_id mask, value_id past, value_id bias)
{
    model *m = e->m;
    const int64_t heads = node_int(edited(e), "num_heads", 1);
    uint32_t n_sizes;
    const int64_t *sizes = node_ints(edited(e), "qkv_hidden_sizes", &n_sizes);
    const value_id present = output_of(e, 1);
    if (node_int(edited(e), "do_rotary", 0)) return version_error(e, "contrib", "do_rotary is not supported yet");
    if (node_int(edited(e), "past_present_share_buffer", 0)) return version_error(e, "contrib", "past_present_share_buffer is not supported yet");
    const value_id parts[3] = {make_value(e, "q"), make_value(e, "k"), make_value(e, "v")};
    const attr split[2] = {attr_int(m, "axis", 2), attr_int(m, "num_outputs", 3)};
    if (n_sizes == 3) make_node(e, "Split", 1, split, IN(qkv, const_ints(e, "sizes", 3, sizes)), 3, parts);
    else make_node(e, "Split", 2, split, 1, &qkv, 3, parts);
    attention_call c = {.heads = heads, .kv_heads = heads, .q = parts[0], .k = parts[1], .v = parts[2], .out = output_of(e, 0)};
    c.causal = node_int(edited(e), "unidirectional", 0) != 0;
    if (past) {
        c.past_k = picked(e, past, 0, 0);
        c.past_v = picked(e, past, 1, 0);
    }
    if (!set_mask(e, &c, mask, bias, like)) return false;
    if (present) {
        c.present_k = make_value(e, "present_key");
        c.present_v = make_value(e, "present_value");
        const value_id both[2] = {make_value(e, "key"), make_value(e, "value")}, zero = one_int(e, 0);
        const attr axis = attr_int(m, "axis", 0);
        make_after(e, "Concat", 1, &axis, 2, both, present);
        make_after(e, "Unsqueeze", 0, NULL, IN(c.present_k, zero), both[0]);
        make_after(e, "Unsqueeze", 0, NULL, IN(c.present_v, zero), both[1]);
    }
    return become_call(e, &c);
}

static bool attention(edit *e)
{
    const value_id x = input_of(e, 0), mask = input_of(e, 3);
    if (rank_of(e, x) < 0 || (mask && rank_of(e, mask) < 0)) return true; /* later, when types are known */
    const value_id qkv = with_bias(e, insert(e, "MatMul", NULL, IN(x, input_of(e, 1))), input_of(e, 2));
    return become_attention(e, qkv, x, mask, input_of(e, 4), input_of(e, 5));
}

/* ---- MultiHeadAttention ---- */

/* Queries, keys and values, packed or not; the packed forms are [batch, sequence, heads, parts, size]. */
static void unpack(edit *e, attention_call *c)
{
    const value_id q = c->q = input_of(e, 0), k = c->k = input_of(e, 1);
    c->v = input_of(e, 2);
    if (rank_of(e, q) == 5) {
        c->q = joined(e, picked(e, q, 0, 3));
        c->k = joined(e, picked(e, q, 1, 3));
        c->v = joined(e, picked(e, q, 2, 3));
    } else if (rank_of(e, k) == 5) {
        c->k = joined(e, picked(e, k, 0, 3));
        c->v = joined(e, picked(e, k, 1, 3));
    }
    c->k_parted = rank_of(e, k) == 4;
}

/* The bias holds a part for each of q, k and v; keys and values that were computed before have theirs. */
static void add_biases(edit *e, attention_call *c, value_id bias)
{
    if (!bias) return;
    const value_id hidden = size_of(e, c->q, 2), twice = insert(e, "Add", NULL, IN(hidden, hidden));
    c->q = with_bias(e, c->q, slice(e, bias, one_int(e, 0), hidden, 0));
    if (c->k_parted) return;
    c->k = with_bias(e, c->k, slice(e, bias, hidden, twice, 0));
    c->v = with_bias(e, c->v, slice(e, bias, twice, one_int(e, INT64_MAX), 0));
}

static bool multi_head(edit *e)
{
    const value_id mask = input_of(e, 4), x = input_of(e, 0);
    const int64_t heads = node_int(edited(e), "num_heads", 1);
    if (rank_of(e, x) < 0 || (input_of(e, 1) && rank_of(e, input_of(e, 1)) < 0) || (mask && rank_of(e, mask) < 0)) return true; /* later */
    if (input_of(e, 8) || input_of(e, 9)) return version_error(e, "contrib", "a past that shares its buffer, or beams, are not supported yet");
    attention_call c = {.heads = heads, .kv_heads = heads, .past_k = input_of(e, 6), .past_v = input_of(e, 7), .score_mode = 2};
    c.causal = node_int(edited(e), "unidirectional", 0) != 0;
    unpack(e, &c);
    if (!c.k || !c.v) return version_error(e, "contrib", "a query without keys and values must have 5 dimensions");
    add_biases(e, &c, input_of(e, 3));
    c.out = output_of(e, 0);
    c.present_k = output_of(e, 1);
    c.present_v = output_of(e, 2);
    c.scores = output_of(e, 3);
    return set_mask(e, &c, mask, input_of(e, 5), x) && become_call(e, &c);
}

/* ---- RotaryEmbedding ---- */

/* The width that a table of cosines says, when it is a number. */
static int64_t turned_width(edit *e, value_id cosines)
{
    const type *t = &value_at(e->m, cosines)->type;
    int64_t half;
    return t->rank == 2 && dim_is_const(e->m->dims, t->shape[1], &half) ? 2 * half : 0;
}

/* first[batch or 1] + 0, 1, ... as [batch, sequence]; x is [batch, ...]. */
static value_id positions_from(edit *e, value_id first, value_id x, value_id length)
{
    const attr axis = attr_int(e->m, "axis", 0);
    const value_id shape = insert(e, "Concat", &axis, IN(size_of(e, x, 0), length));
    const value_id at = insert(e, "Add", NULL, IN(with_axes(e, first, 1, (const int64_t[]){1}), count_to(e, length)));
    return insert(e, "Expand", NULL, IN(at, shape));
}

/* com.microsoft: input, position ids, cosines, sines; the ids are [1] (an offset, added to 0, 1, ...) or [batch, sequence]. */
static bool rotary(edit *e)
{
    const value_id x = input_of(e, 0);
    value_id ids = input_of(e, 1);
    if (rank_of(e, ids) < 0 || rank_of(e, x) < 0) return true;
    const attr *scale = node_attr(edited(e), "scale");
    if ((scale && scale->u.f != 1.0f) || node_int(edited(e), "is_packed_batching", 0)) return version_error(e, "contrib", "scale and packing are not supported yet");
    if (rank_of(e, ids) != 2) {
        if (rank_of(e, ids) == 0) ids = with_axes(e, ids, 1, (const int64_t[]){0});
        ids = positions_from(e, as_int64(e, ids), x, size_of(e, x, rank_of(e, x) == 4 ? 2 : 1));
    }
    attr a[3] = {attr_int(e->m, "interleaved", node_int(edited(e), "interleaved", 0)),
                 attr_int(e->m, "rotary_embedding_dim", node_int(edited(e), "rotary_embedding_dim", 0)),
                 attr_int(e->m, "num_heads", node_int(edited(e), "num_heads", 0))};
    const int64_t width = turned_width(e, input_of(e, 2));
    int64_t hidden;
    if (!a[2].u.i && width > 0 && rank_of(e, x) == 3 && dim_is_const(e->m->dims, value_at(e->m, x)->type.shape[2], &hidden))
        a[2].u.i = hidden / width; /* then a head is as wide as two rows of cosines */
    replace_node(e, "RotaryEmbedding", 3, a, IN(x, input_of(e, 2), input_of(e, 3), ids));
    return true;
}

/* ---- GroupQueryAttention ---- */

enum { G_QUERY, G_KEY, G_VALUE, G_PAST_KEY, G_PAST_VALUE, G_LAST, G_TOTAL, G_COS, G_SIN, G_POSITIONS, G_BIAS, G_SINK, G_K_SCALE, G_V_SCALE, G_Q_NORM, G_K_NORM, G_VALID };

typedef struct {
    edit *e;
    attention_call call;
    int64_t bits;     /* of a number in a quantized cache; 0: it is not quantized */
    value_id queries; /* int64[1]: their number */
    value_id total;   /* int64[1]: keys of the longest sequence, new ones included */
    value_id before;  /* int64[batch] or [1]: keys before the new ones */
    value_id seen;    /* bool[batch or 1, 1, queries, keys] */
    value_id prompt;  /* bool[1]: there are none before, whatever the past holds; 0: known by `before` alone */
} grouped;

static void unpack_grouped(grouped *g)
{
    edit *e = g->e;
    attention_call *c = &g->call;
    c->q = input_of(e, G_QUERY);
    c->k = input_of(e, G_KEY);
    c->v = input_of(e, G_VALUE);
    if (c->k) return;
    const int64_t heads[3] = {c->heads, c->kv_heads, c->kv_heads};
    const value_id packed = c->q, parts[3] = {make_value(e, "q"), make_value(e, "k"), make_value(e, "v")};
    const value_id size = insert(e, "Div", NULL, IN(size_of(e, packed, 2), one_int(e, c->heads + 2 * c->kv_heads)));
    const attr axis = attr_int(e->m, "axis", 2);
    make_node(e, "Split", 1, &axis, IN(packed, insert(e, "Mul", NULL, IN(size, const_ints(e, "heads", 3, heads)))), 3, parts);
    c->q = parts[0];
    c->k = parts[1];
    c->v = parts[2];
}

/* RMS normalization of each head. */
static value_id head_norm(edit *e, value_id x, int64_t heads, value_id weight, const char *own)
{
    const float both = node_float(edited(e), "qk_norm_epsilon", 1e-6f);
    const attr a[2] = {attr_int(e->m, "axis", -1), attr_float(e->m, "epsilon", node_float(edited(e), own, both))};
    const value_id in[2] = {parted(e, x, heads), weight};
    return joined(e, make(e, "RMSNormalization", 2, a, 2, in));
}

/* How many keys each sequence of the batch has before these. */
static void set_before(grouped *g)
{
    edit *e = g->e;
    const value_id valid = input_of(e, G_VALID), flat = one_int(e, -1);
    g->queries = size_of(e, input_of(e, G_QUERY), 1);
    g->total = insert(e, "Reshape", NULL, IN(as_int64(e, input_of(e, G_TOTAL)), flat));
    if (!input_of(e, G_PAST_KEY)) {
        g->before = one_int(e, 0);
        return;
    }
    const value_id last = insert(e, "Reshape", NULL, IN(as_int64(e, input_of(e, G_LAST)), flat)), now = insert(e, "Add", NULL, IN(last, one_int(e, 1)));
    g->before = insert(e, "Sub", NULL, IN(now, valid ? as_int64(e, valid) : g->queries));
    if (valid) return;
    g->prompt = insert(e, "Equal", NULL, IN(g->queries, g->total));
    g->before = insert(e, "Where", NULL, IN(g->prompt, one_int(e, 0), insert(e, "Max", NULL, IN(g->before, one_int(e, 0)))));
}

static void turn(grouped *g)
{
    edit *e = g->e;
    attention_call *c = &g->call;
    value_id ids = input_of(e, G_POSITIONS);
    if (!ids) ids = positions_from(e, g->before, input_of(e, G_QUERY), g->queries);
    else if (g->prompt) { /* of a prompt, only the first one counts */
        const value_id flat = insert(e, "Reshape", NULL, IN(ids, one_int(e, -1))), first = slice(e, flat, one_int(e, 0), one_int(e, 1), 0);
        ids = insert(e, "Where", NULL, IN(g->prompt, positions_from(e, first, input_of(e, G_QUERY), g->queries), ids));
    }
    attr a[3] = {attr_int(e->m, "interleaved", node_int(edited(e), "rotary_interleaved", 0)), attr_int(e->m, "num_heads", c->heads),
                 attr_int(e->m, "rotary_embedding_dim", turned_width(e, input_of(e, G_COS)))};
    const value_id q[4] = {c->q, input_of(e, G_COS), input_of(e, G_SIN), ids}, k[4] = {c->k, q[1], q[2], ids};
    c->q = make(e, "RotaryEmbedding", 3, a, 4, q);
    a[1].u.i = c->kv_heads;
    c->k = make(e, "RotaryEmbedding", 3, a, 4, k);
}

/* How long the keys are afterwards, as int64[1]; 0: as long as the past, which is a buffer for the longest sequence. False after a report. */
static bool cache_length(grouped *g, value_id *length)
{
    edit *e = g->e;
    model *m = e->m;
    const value_id present = output_of(e, 1);
    const value *total = value_at(m, input_of(e, G_TOTAL));
    const type *past = &value_at(m, input_of(e, G_PAST_KEY))->type, *declared = present ? &value_at(m, present)->type : NULL;
    const dim room = past->shape[2], said = declared && declared->kind == TYPE_TENSOR && declared->rank == 4 ? declared->shape[2] : room;
    *length = 0;
    const dim known = total->content ? total->content[0] : total->data ? dim_const(m->dims, elem_get_int(total->data->type, total->data->data, 0)) : 0;
    if (known && said == known) *length = g->total;
    else if (known) *length = insert(e, "Max", NULL, IN(g->total, size_of(e, input_of(e, G_PAST_KEY), 2)));
    else if (said != room) {
        version_error(e, "contrib", "how long the present keys are depends on the value of total_sequence_length");
        return diag_hint(m->diag, "compile with --value of that input, or with a past that is a buffer of the size of the present");
    }
    return true;
}

static value_id small_numbers(edit *e, uint32_t n, const int64_t *v)
{
    const attr to = attr_int(e->m, "to", ELEM_UINT8);
    return insert(e, "Cast", &to, IN(const_ints(e, "bits", n, v)));
}

/* Keys (or values) as a quantized cache holds them: int8, or two numbers from -8 to 7, plus 8, in a byte, the first one low. */
static value_id stored(const grouped *g, value_id x, value_id scale)
{
    edit *e = g->e;
    const attr to_float = attr_int(e->m, "to", ELEM_FLOAT), to = attr_int(e->m, "to", g->bits == 4 ? ELEM_UINT8 : ELEM_INT8);
    const float half = g->bits == 4 ? 8 : 128, lo = -half, hi = half - 1;
    value_id q = insert(e, "Round", NULL, IN(insert(e, "Div", NULL, IN(insert(e, "Cast", &to_float, 1, &x), scale))));
    q = insert(e, "Min", NULL, IN(insert(e, "Max", NULL, IN(q, const_floats(e, "lo", 1, &lo))), const_floats(e, "hi", 1, &hi)));
    if (g->bits == 8) return insert(e, "Cast", &to, 1, &q);
    const int64_t pairs[5] = {0, 0, 0, -1, 2}, four = 4;
    const attr left = attr_string(e->m, "direction", "LEFT");
    q = insert(e, "Add", NULL, IN(q, const_floats(e, "half", 1, &half)));
    q = insert(e, "Reshape", NULL, IN(insert(e, "Cast", &to, 1, &q), const_ints(e, "shape", 5, pairs)));
    return insert(e, "BitwiseOr", NULL, IN(picked(e, q, 0, 4), insert(e, "BitShift", &left, IN(picked(e, q, 1, 4), small_numbers(e, 1, &four)))));
}

static value_id restored(const grouped *g, value_id cache, value_id scale)
{
    edit *e = g->e;
    const attr to_float = attr_int(e->m, "to", ELEM_FLOAT), right = attr_string(e->m, "direction", "RIGHT");
    const float half = 8;
    if (g->bits == 4) {
        const int64_t shifts[2] = {0, 4}, mask = 15, last = -1, shape[4] = {0, 0, 0, -1};
        cache = insert(e, "BitShift", &right, IN(with_axes(e, cache, 1, &last), small_numbers(e, 2, shifts)));
        cache = insert(e, "Reshape", NULL, IN(insert(e, "BitwiseAnd", NULL, IN(cache, small_numbers(e, 1, &mask))), const_ints(e, "shape", 4, shape)));
    }
    value_id x = insert(e, "Cast", &to_float, 1, &cache);
    if (g->bits == 4) x = insert(e, "Sub", NULL, IN(x, const_floats(e, "half", 1, &half)));
    return insert(e, "CastLike", NULL, IN(insert(e, "Mul", NULL, IN(x, scale)), input_of(e, G_QUERY)));
}

/* Past and new keys (or values), [batch, heads, sequence, size], as output `out`; scale: of a quantized cache. What attention reads. */
static value_id appended(grouped *g, value_id past, value_id now, value_id length, value_id scale, value_id out)
{
    edit *e = g->e;
    const int64_t perm[4] = {0, 2, 1, 3}, six[6] = {0};
    const attr turned = attr_ints(e->m, "perm", 4, perm), axis = attr_int(e->m, "axis", 0), along = attr_int(e->m, "axis", 2);
    if (length) {
        const value_id more = insert(e, "Sub", NULL, IN(length, size_of(e, past, 2)));
        past = insert(e, "Pad", NULL, IN(past, insert(e, "Concat", &axis, IN(const_ints(e, "pads", 6, six), more, one_int(e, 0)))));
    }
    const value_id x = parted(e, now, g->call.kv_heads);
    value_id update = insert(e, "Transpose", &turned, 1, &x);
    if (scale) update = stored(g, update, scale);
    const value_id first = insert(e, "Expand", NULL, IN(g->before, size_of(e, update, 0)));
    if (!out) out = make_value(e, "present");
    make_node(e, "TensorScatter", 1, &along, IN(past, update, first), 1, &out);
    return scale ? restored(g, out, scale) : out;
}

/* Which keys a query sees, and the bias, as Attention's mask. */
static void set_grouped_mask(grouped *g, value_id keys, bool causal)
{
    edit *e = g->e;
    const int64_t window = node_int(edited(e), "local_window_size", -1);
    const value_id bias = input_of(e, G_BIAS);
    if (bias) keys = size_of(e, bias, 3); /* no later key is seen */
    else if (output_of(e, 3)) keys = g->total;
    const value_id i = insert(e, "Add", NULL, IN(with_axes(e, g->before, 3, (const int64_t[]){1, 2, 3}), with_axes(e, count_to(e, g->queries), 1, (const int64_t[]){1})));
    const value_id j = count_to(e, keys);
    value_id seen;
    if (causal) {
        seen = insert(e, "LessOrEqual", NULL, IN(j, i));
        if (window > 0) seen = insert(e, "And", NULL, IN(seen, insert(e, "Greater", NULL, IN(j, insert(e, "Sub", NULL, IN(i, one_int(e, window)))))));
    } else {
        const value_id last = with_axes(e, as_int64(e, input_of(e, G_LAST)), 3, (const int64_t[]){1, 2, 3});
        seen = insert(e, "LessOrEqual", NULL, IN(j, last));
    }
    g->seen = seen;
    g->call.mask = bias ? insert(e, "Where", NULL, IN(seen, bias, const_like(e, "closed", -INFINITY, bias))) : seen;
}

/* The scores of the keys that there are, of a cache that may hold more; before the softmax, those of keys that a query does not see are zero. */
static void set_grouped_scores(grouped *g, value_id out)
{
    edit *e = g->e;
    const bool after = node_int(edited(e), "qk_output", 0) == 2;
    const value_id all = g->call.scores = make_value(e, "scores"), some = after ? out : make_value(e, "scores");
    g->call.score_mode = after ? 3 : 2;
    if (!after) make_after(e, "Where", 0, NULL, IN(g->seen, some, const_like(e, "zero", 0, input_of(e, G_QUERY))), out);
    make_after(e, "Slice", 0, NULL, IN(all, one_int(e, 0), g->total, one_int(e, 3)), some);
}

/* What of the cache is not supported, and how it is quantized. False after a report. */
static bool check_cache(grouped *g)
{
    edit *e = g->e;
    const node *n = edited(e);
    const value_id past = input_of(e, G_PAST_KEY);
    if (!past != !input_of(e, G_PAST_VALUE)) return version_error(e, "contrib", "past_key and past_value come together");
    if (node_int(n, "sliding_window_cache", 0)) return version_error(e, "contrib", "sliding_window_cache is not supported yet");
    const bool plain[2] = {!strcmp(node_string(n, "k_quant_type", "NONE"), "NONE"), !strcmp(node_string(n, "v_quant_type", "NONE"), "NONE")};
    if (plain[0] && plain[1]) return true;
    const elem kind = past ? elem_type_of(e, past) : ELEM_NONE;
    g->bits = node_int(n, "kv_cache_bit_width", kind == ELEM_UINT8 ? 4 : 8);
    if (plain[0] != plain[1] || !input_of(e, G_K_SCALE) || !input_of(e, G_V_SCALE)) return version_error(e, "contrib", "keys and values are not quantized alike");
    if (kind != (g->bits == 4 ? ELEM_UINT8 : ELEM_INT8)) return version_error(e, "contrib", "quantized keys and values of this type are not supported yet");
    return true;
}

static bool group_query(edit *e)
{
    grouped g = {.e = e, .call = {.heads = node_int(edited(e), "num_heads", 1), .kv_heads = node_int(edited(e), "kv_num_heads", 1)}};
    attention_call *c = &g.call;
    const value_id past_k = input_of(e, G_PAST_KEY), past_v = input_of(e, G_PAST_VALUE), q_norm = input_of(e, G_Q_NORM), k_norm = input_of(e, G_K_NORM);
    const bool causal = node_int(edited(e), "causal", 1) != 0;
    if (rank_of(e, input_of(e, G_QUERY)) < 0 || (past_k && rank_of(e, past_k) < 0)) return true; /* later */
    if (!check_cache(&g)) return false;
    unpack_grouped(&g);
    if (q_norm) c->q = head_norm(e, c->q, c->heads, q_norm, "q_norm_epsilon");
    if (k_norm) c->k = head_norm(e, c->k, c->kv_heads, k_norm, "k_norm_epsilon");
    set_before(&g);
    if (node_int(edited(e), "do_rotary", 0)) turn(&g);
    value_id keys = g.queries;
    c->out = output_of(e, 0);
    if (past_k) {
        value_id length;
        if (!cache_length(&g, &length)) return false;
        c->k = appended(&g, past_k, c->k, length, g.bits ? input_of(e, G_K_SCALE) : 0, output_of(e, 1));
        c->v = appended(&g, past_v, c->v, length, g.bits ? input_of(e, G_V_SCALE) : 0, output_of(e, 2));
        keys = length ? length : size_of(e, past_k, 2);
    } else {
        c->present_k = output_of(e, 1);
        c->present_v = output_of(e, 2);
    }
    set_grouped_mask(&g, keys, causal);
    if (output_of(e, 3)) set_grouped_scores(&g, output_of(e, 3));
    c->sink = input_of(e, G_SINK);
    if (!c->sink && node_int(edited(e), "smooth_softmax", 0)) c->sink = const_floats(e, "sink", 1, &(float){0});
    return become_call(e, &c[0]);
}

const contrib_row contrib_attention_rows[] = {
    {"Attention", attention},
    {"GroupQueryAttention", group_query},
    {"MultiHeadAttention", multi_head},
    {"RotaryEmbedding", rotary},
    {NULL, NULL},
};
