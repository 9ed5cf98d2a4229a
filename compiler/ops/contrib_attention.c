/* contrib_attention.c - attention of com.microsoft in terms of ai.onnx: Attention, MultiHeadAttention, DecoderMaskedMultiHeadAttention,
 * RotaryEmbedding.
 * Source: the documentation of onnxruntime's contrib operators. */
#include "ops/contrib_attention.h"

#include <math.h>

/* ---- masks ---- */

/* Whether a mask of one dimension is [2 * batch], [3 * batch + 2] or, where that is not known, [batch]. */
static int64_t per_batch(edit *e, value_id mask, value_id x)
{
    model *m = e->m;
    if (value_at(m, mask)->type.rank != 1 || value_at(m, x)->type.rank < 1) return 1;
    const dim n = value_at(m, mask)->type.shape[0], batch = value_at(m, x)->type.shape[0];
    if (n == dim_mulc(m->dims, batch, 2)) return 2;
    return n == dim_addc(m->dims, dim_mulc(m->dims, batch, 3), 2) ? 3 : 1;
}

static value_id as_column(edit *e, value_id v)
{
    return with_axes(e, as_int64(e, v), 1, (const int64_t[]){1});
}

/* Whether there is a key below the length, or from the start to the end, of each sequence: [batch, keys]. */
static value_id within_lengths(edit *e, value_id mask, value_id x, value_id total, bool starts)
{
    const value_id keys = count_to(e, total), batch = size_of(e, x, 0);
    if (!starts) return insert(e, "Less", NULL, IN(keys, as_column(e, mask)));
    const value_id end = as_column(e, slice(e, mask, one_int(e, 0), batch, 0)), start = as_column(e, slice(e, mask, batch, one_int(e, INT64_MAX), 0));
    return insert(e, "And", NULL, IN(insert(e, "Less", NULL, IN(keys, end)), insert(e, "GreaterOrEqual", NULL, IN(keys, start))));
}

/* The mask as what is added to scores, broadcasting to [batch, heads, queries, keys]: from [batch] lengths, [2 * batch] ends and starts, a
 * [batch, keys], [batch, queries, keys] or [batch, 1, most, most] mask. x has batch and queries as its first sizes, `like` the scores' type. 0 after
 * a report. */
static value_id additive_mask(edit *e, value_id mask, value_id x, value_id like, value_id total)
{
    model *m = e->m;
    const float low = node_float(edited(e), "mask_filter_value", -10000.0f);
    const int32_t rank = rank_of(e, mask);
    const int64_t parts = rank == 1 ? per_batch(e, mask, x) : 0;
    static const int64_t HEADS_AND_QUERIES[2] = {1, 2};
    value_id seen;
    if (rank == 1 && parts < 3) {
        seen = within_lengths(e, mask, x, total, parts == 2);
    } else if (rank >= 2 && rank <= 4) {
        const attr to = attr_int(m, "to", ELEM_BOOL);
        if (rank == 4) { /* the rows of these queries */
            mask = slice(e, mask, insert(e, "Sub", NULL, IN(total, size_of(e, x, 1))), total, 2);
            mask = slice(e, mask, one_int(e, 0), total, 3);
        }
        seen = insert(e, "Cast", &to, 1, &mask);
    } else {
        version_error(e, "contrib", "a mask of %s is not supported yet",
                      rank == 1 ? "lengths and offsets of packed sequences" : "this number of dimensions");
        return 0;
    }
    if (rank < 4) seen = with_axes(e, seen, rank == 3 ? 1 : 2, HEADS_AND_QUERIES);
    return insert(e, "Where", NULL, IN(seen, const_like(e, "open", 0, like), const_like(e, "closed", low, like)));
}

/* ---- the node ---- */

bool become_call(edit *e, const attention_call *c)
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

value_id head_rows(edit *e, value_id x, int64_t heads)
{
    const int64_t perm[4] = {0, 2, 1, 3};
    const attr turned = attr_ints(e->m, "perm", 4, perm);
    return insert(e, "Transpose", &turned, IN(parted(e, x, heads)));
}

value_id scattered(edit *e, value_id past, value_id update, value_id before, value_id out)
{
    const attr along = attr_int(e->m, "axis", 2);
    const value_id first = insert(e, "Expand", NULL, IN(before, size_of(e, update, 0)));
    if (!out) out = make_value(e, "present");
    make_node(e, "TensorScatter", 1, &along, IN(past, update, first), 1, &out);
    return out;
}

void make_after(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in, value_id out)
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

/* Keys and values go into buffers that hold `before` of them, an int64[1], and the mask hides what comes later. */
static bool fill_buffers(edit *e, attention_call *c, value_id before, value_id mask, value_id bias)
{
    const value_id queries = size_of(e, c->q, 1), x = input_of(e, 0);
    const int32_t rank = mask ? rank_of(e, mask) : 0;
    if (!c->past_k || !c->past_v || c->k_parted) return version_error(e, "contrib", "a past length needs a past, and keys to add to it");
    const value_id keys = bias ? size_of(e, bias, 3) : rank > 1 ? size_of(e, mask, rank - 1) : size_of(e, c->past_k, 2);
    c->k = scattered(e, c->past_k, head_rows(e, c->k, c->kv_heads), before, c->present_k);
    c->v = scattered(e, c->past_v, head_rows(e, c->v, c->kv_heads), before, c->present_v);
    c->k_parted = true;
    c->past_k = c->past_v = c->present_k = c->present_v = 0;
    const value_id i = with_axes(e, insert(e, "Add", NULL, IN(before, count_to(e, queries))), 1, (const int64_t[]){1}), j = count_to(e, keys);
    const value_id seen =
        c->causal ? insert(e, "LessOrEqual", NULL, IN(j, i)) : insert(e, "Less", NULL, IN(j, insert(e, "Add", NULL, IN(before, queries))));
    const value_id shown = c->causal ? seen : with_axes(e, seen, 1, (const int64_t[]){0});
    c->causal = false;
    if (mask) mask = additive_mask(e, mask, x, x, keys);
    if (rank && !mask) return false;
    const value_id all = mask && bias ? insert(e, "Add", NULL, IN(mask, bias)) : mask ? mask : bias;
    c->mask = all ? insert(e, "Where", NULL, IN(shown, all, const_like(e, "hidden", -INFINITY, x))) : shown;
    return true;
}

/* Where an operator has its inputs. */
typedef struct {
    uint32_t bias, mask, add, past_k, past_v, length, beams;
} head_inputs;

static bool heads_of(edit *e, const head_inputs *at)
{
    const value_id mask = input_of(e, at->mask), x = input_of(e, 0), length = input_of(e, at->length);
    const int64_t heads = node_int(edited(e), "num_heads", 1);
    if (rank_of(e, x) < 0 || (input_of(e, 1) && rank_of(e, input_of(e, 1)) < 0) || (mask && rank_of(e, mask) < 0)) return true; /* later */
    if (input_of(e, at->beams)) return version_error(e, "contrib", "beams (cache_indirection) are not supported yet");
    attention_call c = {.heads = heads, .kv_heads = heads, .past_k = input_of(e, at->past_k), .past_v = input_of(e, at->past_v), .score_mode = 2};
    c.causal = node_int(edited(e), "unidirectional", 0) != 0;
    unpack(e, &c);
    if (!c.k || !c.v) return version_error(e, "contrib", "a query without keys and values must have 5 dimensions");
    add_biases(e, &c, input_of(e, at->bias));
    c.out = output_of(e, 0);
    c.present_k = output_of(e, 1);
    c.present_v = output_of(e, 2);
    c.scores = output_of(e, 3);
    if (!length) return set_mask(e, &c, mask, input_of(e, at->add), x) && become_call(e, &c);
    if (c.scores) return version_error(e, "contrib", "scores of keys in a buffer are not supported yet");
    const value_id before = insert(e, "Reshape", NULL, IN(as_int64(e, length), one_int(e, -1)));
    return fill_buffers(e, &c, before, mask, input_of(e, at->add)) && become_call(e, &c);
}

static bool multi_head(edit *e)
{
    return heads_of(e, &(head_inputs){.bias = 3, .mask = 4, .add = 5, .past_k = 6, .past_v = 7, .length = 8, .beams = 9});
}

/* The same for one query, with its inputs in another order. The length counts when past and present share a buffer. */
static bool decoder_heads(edit *e)
{
    const bool shared = node_int(edited(e), "past_present_share_buffer", 0) != 0 && input_of(e, 5);
    if (shared && !input_of(e, 7)) return version_error(e, "contrib", "past_present_share_buffer needs past_sequence_length");
    return heads_of(e, &(head_inputs){.bias = 10, .mask = 3, .add = 4, .past_k = 5, .past_v = 6, .length = shared ? 7 : UINT32_MAX, .beams = 9});
}

/* ---- RotaryEmbedding ---- */

int64_t turned_width(edit *e, value_id cosines)
{
    const type *t = &value_at(e->m, cosines)->type;
    int64_t half;
    return t->rank == 2 && dim_is_const(e->m->dims, t->shape[1], &half) && half <= INT32_MAX ? 2 * half : 0;
}

value_id positions_from(edit *e, value_id first, value_id x, value_id length)
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
    if (scale && scale->u.f != 1.0f) return version_error(e, "contrib", "scale is not supported yet");
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

const contrib_row contrib_attention_rows[] = {
    {"Attention", attention},
    {"DecoderMaskedMultiHeadAttention", decoder_heads},
    {"GroupQueryAttention", group_query},
    {"MultiHeadAttention", multi_head},
    {"RotaryEmbedding", rotary},
    {NULL, NULL},
};
