/* contrib_grouped.c - GroupQueryAttention of com.microsoft in terms of ai.onnx: new keys and values go into the cache by TensorScatter, and what a
 * query sees is a mask. Source: the documentation of onnxruntime's contrib operators. */
#include <math.h>
#include <string.h>

#include "ops/contrib_attention.h"
#include "ops/ops.h"

enum {
    G_QUERY,
    G_KEY,
    G_VALUE,
    G_PAST_KEY,
    G_PAST_VALUE,
    G_LAST,
    G_TOTAL,
    G_COS,
    G_SIN,
    G_POSITIONS,
    G_BIAS,
    G_SINK,
    G_K_SCALE,
    G_V_SCALE,
    G_Q_NORM,
    G_K_NORM,
    G_VALID
};

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
    const value_id last = insert(e, "Reshape", NULL, IN(as_int64(e, input_of(e, G_LAST)), flat)),
                   now = insert(e, "Add", NULL, IN(last, one_int(e, 1)));
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
    const type *past = &value_at(m, input_of(e, G_PAST_KEY))->type, *declared = present ? &value_at(m, present)->type : NULL;
    const dim room = past->shape[2], said = declared && declared->kind == TYPE_TENSOR && declared->rank == 4 ? declared->shape[2] : room;
    *length = 0;
    uint32_t count;
    const dim *content = value_content(m, input_of(e, G_TOTAL), &count), known = content && count == 1 ? content[0] : 0;
    if (known && said == known) *length = g->total;
    else if (known) *length = insert(e, "Max", NULL, IN(g->total, size_of(e, input_of(e, G_PAST_KEY), 2)));
    else if (said != room) {
        version_error(e, "contrib", "how long the present keys are depends on the value of total_sequence_length");
        diag_hint(m->diag, "or give a past that is a buffer of the size of the present");
        return hint_value(m, input_of(e, G_TOTAL));
    }
    return true;
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
    const attr to_float = attr_int(e->m, "to", ELEM_FLOAT);
    const int64_t shape[4] = {0, 0, 0, -1};
    const float half = 8;
    if (g->bits == 4) cache = insert(e, "Reshape", NULL, IN(unpacked_bits(e, cache, 4), const_ints(e, "shape", 4, shape)));
    value_id x = insert(e, "Cast", &to_float, 1, &cache);
    if (g->bits == 4) x = insert(e, "Sub", NULL, IN(x, const_floats(e, "half", 1, &half)));
    return insert(e, "CastLike", NULL, IN(insert(e, "Mul", NULL, IN(x, scale)), input_of(e, G_QUERY)));
}

/* Past and new keys (or values), [batch, heads, sequence, size], as output `out`; scale: of a quantized cache. What attention reads. */
static value_id appended(grouped *g, value_id past, value_id now, value_id length, value_id scale, value_id out)
{
    edit *e = g->e;
    const int64_t six[6] = {0};
    const attr axis = attr_int(e->m, "axis", 0);
    if (length) {
        const value_id more = insert(e, "Sub", NULL, IN(length, size_of(e, past, 2)));
        past = insert(e, "Pad", NULL, IN(past, insert(e, "Concat", &axis, IN(const_ints(e, "pads", 6, six), more, one_int(e, 0)))));
    }
    const value_id update = head_rows(e, now, g->call.kv_heads);
    out = scattered(e, past, scale ? stored(g, update, scale) : update, g->before, out);
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
    const value_id i = insert(
        e, "Add", NULL, IN(with_axes(e, g->before, 3, (const int64_t[]){1, 2, 3}), with_axes(e, count_to(e, g->queries), 1, (const int64_t[]){1})));
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
    if (plain[0] != plain[1] || !input_of(e, G_K_SCALE) || !input_of(e, G_V_SCALE))
        return version_error(e, "contrib", "keys and values are not quantized alike");
    if (kind != (g->bits == 4 ? ELEM_UINT8 : ELEM_INT8))
        return version_error(e, "contrib", "quantized keys and values of this type are not supported yet");
    return true;
}

bool group_query(edit *e)
{
    grouped g = {.e = e, .call = {.heads = node_int(edited(e), "num_heads", 1), .kv_heads = node_int(edited(e), "kv_num_heads", 1)}};
    attention_call *c = &g.call;
    const value_id past_k = input_of(e, G_PAST_KEY), past_v = input_of(e, G_PAST_VALUE), q_norm = input_of(e, G_Q_NORM),
                   k_norm = input_of(e, G_K_NORM);
    const bool causal = node_int(edited(e), "causal", 1) != 0;
    if (rank_of(e, input_of(e, G_QUERY)) < 0 || (past_k && rank_of(e, past_k) < 0)) return true; /* later */
    if (past_k && (value_at(e->m, past_k)->type.rank != 4 || !past_v || !input_of(e, G_TOTAL))) return version_error(e, "contrib", "past keys have 4 dimensions, and values and a total sequence length with them");
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
    return become_call(e, c);
}
