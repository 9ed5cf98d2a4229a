/* moe.c - MoE of com.microsoft: for each token the k best of a set of experts, small networks of two layers. Source: the documentation of onnxruntime's
 * contrib operators, and its kernels for what that leaves open (gelu by tanh; shares are of all experts' softmax unless normalized; the sparse mixer of its CUDA kernel).
 *
 * Only the weights of the chosen experts are read: the choice is a tensor of indexes, through which products of matrix and vector read their rows. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

enum { X, ROUTER, FC1, BIAS1, FC2, BIAS2, FC3, BIAS3 };
#define JITTER 0.01 /* of the sparse mixer in training, which says how far apart scores may be */
typedef enum { NOT_FUSED, INTERLEAVED, HALVES } fusion;

static bool is_swiglu(const node *n)
{
    return !strcmp(node_string(n, "activation_type", "relu"), "swiglu");
}

static bool known_activation(const char *name)
{
    static const char *const NAMES[] = {"relu", "gelu", "silu", "swiglu", "identity"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (!strcmp(name, NAMES[i])) return true;
    return false;
}

static bool moe_attributes(infer_ctx *c)
{
    const char *activation = node_string(c->n, "activation_type", "relu");
    const int64_t k = node_int(c->n, "k", 1), layout = node_int(c->n, "swiglu_fusion", 0);
    int64_t experts;
    if (!known_activation(activation)) return infer_unsupported(c, "attribute-value", "activation_type '%s' is not supported yet", activation);
    if (node_int(c->n, "use_sparse_mixer", 0) && k != 2) return infer_error(c, "attribute-value", "the sparse mixer chooses 2 experts, and attribute 'k' is %lld", (long long)k);
    if (k < 1 || (dim_is_const(c->d, in_dim(c, FC1, 0), &experts) && k > experts)) return infer_error(c, "attribute-value", "attribute 'k' is %lld", (long long)k);
    if (layout < 0 || layout > 2) return infer_error(c, "attribute-value", "attribute 'swiglu_fusion' is %lld", (long long)layout);
    if (is_swiglu(c->n) && (layout == NOT_FUSED) != (node_in(c->n, FC3) != 0))
        return infer_error(c, "input-count", "swiglu takes its linear half from input 6 when swiglu_fusion is 0, and only then");
    return true;
}

bool infer_MoE(infer_ctx *c)
{
    static const int32_t RANK[] = {0, 2, 3, 2, 3, 2, 3, 2};
    if (!need_rank(c, X)) return false;
    for (uint32_t i = X; i <= BIAS3; i++)
        if (node_in(c->n, i) && elem_of(in_elem(c, i))->kind != 'f') return infer_error(c, "input-type", "input %u is of type %s, expected a float type", i, elem_of(in_elem(c, i))->name);
    const int32_t rank = in_rank(c, X);
    if (rank != 2 && rank != 3) return infer_error(c, "shape-rank", "input 0 has %d dimensions, expected 2 or 3", rank);
    for (uint32_t i = ROUTER; i <= BIAS3; i++) {
        if (!need_rank(c, i)) return false;
        if (node_in(c->n, i) && in_rank(c, i) != RANK[i]) return infer_error(c, "shape-rank", "input %u has %d dimensions, expected %d", i, in_rank(c, i), RANK[i]);
    }
    if (!moe_attributes(c)) return false;
    const dim hidden = in_dim(c, X, rank - 1), inner = in_dim(c, FC2, 2), experts = in_dim(c, FC1, 0);
    const dim rows = is_swiglu(c->n) && !node_in(c->n, FC3) ? dim_mulc(c->d, inner, 2) : inner;
    bool fits = assume_equal(c, in_dim(c, ROUTER, 1), experts) && assume_equal(c, in_dim(c, FC1, 1), rows) && assume_equal(c, in_dim(c, FC1, 2), hidden);
    fits = fits && assume_equal(c, in_dim(c, FC2, 0), experts) && assume_equal(c, in_dim(c, FC2, 1), hidden);
    fits = fits && assume_equal(c, in_dim(c, ROUTER, 0), dim_product(c->d, in_type(c, X)->shape, (uint32_t)rank - 1));
    if (node_in(c->n, FC3)) fits = fits && assume_equal(c, in_dim(c, FC3, 0), experts) && assume_equal(c, in_dim(c, FC3, 1), inner) && assume_equal(c, in_dim(c, FC3, 2), hidden);
    if (node_in(c->n, BIAS1)) fits = fits && assume_equal(c, in_dim(c, BIAS1, 0), experts) && assume_equal(c, in_dim(c, BIAS1, 1), rows);
    if (node_in(c->n, BIAS2)) fits = fits && assume_equal(c, in_dim(c, BIAS2, 0), experts) && assume_equal(c, in_dim(c, BIAS2, 1), hidden);
    if (node_in(c->n, BIAS3)) fits = fits && assume_equal(c, in_dim(c, BIAS3, 0), experts) && assume_equal(c, in_dim(c, BIAS3, 1), inner);
    return fits ? out_like(c, 0, X) : infer_error(c, "shape-mismatch", "the shapes of tokens, router and experts do not fit each other");
}

typedef struct {
    dim tokens, experts, inner, k;
    slot chosen, share; /* [tokens, k]: experts, and their part in the result */
    elem type;          /* of what is kept between the steps */
} moe;

static ex zero_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg, (void)idx;
    return ex_i(c->x, CT_I64, 0);
}

/* An expert's rank is the number of those before it: better ones, and equal ones with a smaller number. */
static bool choose_experts(lower_ctx *c, moe *o)
{
    const slot router = in_slot(c, ROUTER);
    const dim shape[2] = {o->tokens, o->k};
    o->chosen = temp_slot(c, "chosen", ELEM_INT64, 2, shape);
    if (!lower_map(c, o->chosen, zero_value, NULL)) return false; /* NaN has no rank */
    nest_builder b = low_begin(c);
    const dim own[2] = {nest_axis(&b, o->tokens), nest_axis(&b, o->experts)};
    nest_stage(&b);
    const dim other[2] = {own[0], stage_axis(&b, o->experts)};
    const ex mine = load_axes(c, router, 2, own), theirs = load_axes(c, router, 2, other);
    const ex before = either(c, less(c, mine, theirs), both(c, equal(c, mine, theirs), dim_less(c, other[1], own[1])));
    const ex rank = stage_fold(&b, FOLD_SUM, ex_select(c->x, before, ex_i(c->x, CT_I64, 1), ex_i(c->x, CT_I64, 0)));
    nest_stage(&b);
    const ex at[2] = {ex_dim(c->x, own[0]), rank};
    stage_store(&b, o->chosen, 2, at, ex_dim(c->x, own[1]))->guard = less(c, rank, ex_dim(c->x, o->k));
    low_end(c, &b);
    return true;
}

static ex expert_of(lower_ctx *c, const moe *o, dim token, dim j)
{
    const dim at[2] = {token, j};
    return load_axes(c, o->chosen, 2, at);
}

/* The softmax of the router: over all experts, or with normalize_routing_weights over those that were chosen. */
static void share_out(lower_ctx *c, moe *o)
{
    const slot router = in_slot(c, ROUTER);
    const bool chosen_only = node_int(c->n, "normalize_routing_weights", 0) != 0;
    const dim shape[2] = {o->tokens, o->k};
    o->share = temp_slot(c, "share", o->type, 2, shape);
    nest_builder b = low_begin(c);
    dim at[2] = {nest_axis(&b, o->tokens)};
    nest_stage(&b);
    at[1] = stage_axis(&b, o->experts);
    const ex most = stage_fold(&b, FOLD_MAX, load_axes(c, router, 2, at));
    nest_stage(&b);
    at[1] = stage_axis(&b, chosen_only ? o->k : o->experts);
    const ex picked[2] = {ex_dim(c->x, at[0]), chosen_only ? expert_of(c, o, at[0], at[1]) : ex_dim(c->x, at[1])};
    const ex all = stage_fold(&b, FOLD_SUM, ex_un(c->x, EX_EXP, sub(c, load_at(c, router, 2, picked), most)));
    nest_stage(&b);
    at[1] = stage_axis(&b, o->k);
    const ex from[2] = {ex_dim(c->x, at[0]), expert_of(c, o, at[0], at[1])};
    store_axes(c, &b, o->share, 2, at, ex_cast(c->x, ctype_of(o->type), divide(c, ex_un(c->x, EX_EXP, sub(c, load_at(c, router, 2, from), most)), all)));
    low_end(c, &b);
}

/* The sparse mixer: a chosen expert's part in the softmax of those whose score is no more than 2% below its own, the one chosen before it left out. */
static void share_sparsely(lower_ctx *c, moe *o)
{
    const slot router = in_slot(c, ROUTER);
    const dim shape[2] = {o->tokens, o->k};
    o->share = temp_slot(c, "share", o->type, 2, shape);
    nest_builder b = low_begin(c);
    const dim own[2] = {nest_axis(&b, o->tokens), nest_axis(&b, o->k)};
    nest_stage(&b);
    const dim other[2] = {own[0], stage_axis(&b, o->experts)};
    const ex at[2] = {ex_dim(c->x, own[0]), expert_of(c, o, own[0], own[1])};
    const ex mine = load_at(c, router, 2, at), theirs = load_axes(c, router, 2, other);
    const ex room = mul(c, larger(c, ex_un(c->x, EX_ABS, theirs), mine), num(c, mine, 2 * JITTER));
    const ex before = both(c, dim_less(c, dim_const(c->d, 0), own[1]), equal(c, expert_of(c, o, own[0], dim_const(c->d, 0)), ex_dim(c->x, other[1])));
    const ex out = either(c, before, less(c, room, sub(c, mine, theirs)));
    const ex all = stage_fold(&b, FOLD_SUM, ex_select(c->x, out, num(c, mine, 0), ex_un(c->x, EX_EXP, sub(c, theirs, mine))));
    nest_stage(&b);
    store_axes(c, &b, o->share, 2, own, ex_cast(c->x, ctype_of(o->type), divide(c, num(c, mine, 1), all)));
    low_end(c, &b);
}

/* Axes over the tokens of x, whose last dimension is left open; returns the token's number. */
static dim token_axes(lower_ctx *c, nest_builder *b, dim *at)
{
    const slot x = in_slot(c, X);
    const uint32_t lead = slot_rank(c, x) - 1;
    axes_for(b, lead, slot_at(c->p, x)->extent, at);
    return lead == 2 ? dim_add(c->d, dim_mul(c->d, at[0], slot_dim(c, x, 1)), at[1]) : at[0];
}

/* x times row `row` of an expert's matrix, a fold of the open stage. */
static ex row_product(lower_ctx *c, nest_builder *b, uint32_t input, ex expert, dim row, const dim *x_at, dim h)
{
    const slot x = in_slot(c, X);
    const ex at[3] = {expert, ex_dim(c->x, row), ex_dim(c->x, h)};
    return stage_fold(b, FOLD_SUM, mul(c, load_axes(c, x, slot_rank(c, x), x_at), load_at(c, in_slot(c, input), 3, at)));
}

static ex plus_bias(lower_ctx *c, ex v, uint32_t input, ex expert, dim row)
{
    const slot bias = in_slot(c, input);
    const ex at[2] = {expert, ex_dim(c->x, row)};
    return bias ? add(c, v, load_at(c, bias, 2, at)) : v;
}

static ex sigmoid_of(lower_ctx *c, ex v)
{
    const ex one = num(c, v, 1);
    return divide(c, one, add(c, one, ex_un(c->x, EX_EXP, ex_un(c->x, EX_NEG, v))));
}

static ex activated(lower_ctx *c, ex v)
{
    const char *name = node_string(c->n, "activation_type", "relu");
    if (!strcmp(name, "relu")) return larger(c, v, num(c, v, 0));
    if (!strcmp(name, "silu")) return mul(c, v, sigmoid_of(c, v));
    if (strcmp(name, "gelu")) return v;
    const ex cube = mul(c, mul(c, v, v), v), inner = mul(c, num(c, v, 0.7978845608028654), add(c, v, mul(c, num(c, v, 0.044715), cube)));
    return mul(c, mul(c, num(c, v, 0.5), v), add(c, num(c, v, 1), ex_un(c->x, EX_TANH, inner)));
}

static ex swiglu_of(lower_ctx *c, ex gate, ex linear)
{
    const attr *limit = node_attr(c->n, "swiglu_limit");
    const bool after = node_int(c->n, "swiglu_limit_after_activation", 0) != 0;
    const ex top = limit ? num(c, gate, (double)limit->u.f) : 0;
    if (limit && !after) gate = smaller(c, gate, top);
    if (limit) linear = larger(c, smaller(c, linear, top), ex_un(c->x, EX_NEG, top));
    ex g = mul(c, gate, sigmoid_of(c, mul(c, attr_f(c, gate, "activation_alpha", 1), gate)));
    if (limit && after) g = smaller(c, g, top);
    return mul(c, g, add(c, linear, attr_f(c, gate, "activation_beta", 0)));
}

/* [tokens, k, inner]: what the first layer gives, times the expert's share. */
static slot first_layer(lower_ctx *c, const moe *o)
{
    const slot x = in_slot(c, X);
    const bool swiglu = is_swiglu(c->n), third = in_slot(c, FC3) != 0;
    const fusion layout = swiglu ? (fusion)node_int(c->n, "swiglu_fusion", 0) : NOT_FUSED;
    const dim shape[3] = {o->tokens, o->k, o->inner};
    const slot to = temp_slot(c, "inner", o->type, 3, shape);
    nest_builder b = low_begin(c);
    dim x_at[3];
    const dim token = token_axes(c, &b, x_at), j = nest_axis(&b, o->k), i = nest_axis(&b, o->inner);
    const dim row = layout == INTERLEAVED ? dim_mulc(c->d, i, 2) : i;
    const dim second = third ? i : layout == INTERLEAVED ? dim_addc(c->d, row, 1) : dim_add(c->d, i, o->inner);
    const ex expert = expert_of(c, o, token, j);
    nest_stage(&b);
    const dim h = x_at[slot_rank(c, x) - 1] = stage_axis(&b, slot_dim(c, x, slot_rank(c, x) - 1));
    ex v = row_product(c, &b, FC1, expert, row, x_at, h);
    ex other = third || swiglu ? row_product(c, &b, third ? FC3 : FC1, expert, second, x_at, h) : 0;
    nest_stage(&b);
    v = plus_bias(c, v, BIAS1, expert, row);
    if (other) other = plus_bias(c, other, third ? BIAS3 : BIAS1, expert, second);
    v = swiglu ? swiglu_of(c, v, other) : other ? mul(c, activated(c, v), other) : activated(c, v);
    const dim share[2] = {token, j}, at[3] = {token, j, i};
    store_axes(c, &b, to, 3, at, mul(c, v, load_axes(c, o->share, 2, share)));
    low_end(c, &b);
    return to;
}

static void second_layer(lower_ctx *c, const moe *o, slot inner)
{
    const slot y = out_slot(c, 0), bias = in_slot(c, BIAS2);
    nest_builder b = low_begin(c);
    dim y_at[3];
    const dim token = token_axes(c, &b, y_at), row = y_at[slot_rank(c, y) - 1] = nest_axis(&b, slot_dim(c, y, slot_rank(c, y) - 1));
    nest_stage(&b);
    dim j = stage_axis(&b, o->k);
    const dim i = stage_axis(&b, o->inner), from[3] = {token, j, i};
    const ex w[3] = {expert_of(c, o, token, j), ex_dim(c->x, row), ex_dim(c->x, i)};
    ex v = stage_fold(&b, FOLD_SUM, mul(c, load_axes(c, inner, 3, from), load_at(c, in_slot(c, FC2), 3, w)));
    nest_stage(&b);
    if (bias) {
        j = stage_axis(&b, o->k);
        const dim share[2] = {token, j};
        const ex at[2] = {expert_of(c, o, token, j), ex_dim(c->x, row)};
        v = add(c, v, stage_fold(&b, FOLD_SUM, mul(c, load_axes(c, o->share, 2, share), load_at(c, bias, 2, at))));
        nest_stage(&b);
    }
    store_axes(c, &b, y, slot_rank(c, y), y_at, v);
    low_end(c, &b);
}

bool lower_MoE(lower_ctx *c)
{
    const slot router = in_slot(c, ROUTER), x = in_slot(c, X);
    moe o = {.tokens = slot_dim(c, router, 0), .experts = slot_dim(c, router, 1), .inner = slot_dim(c, in_slot(c, FC2), 2)};
    o.k = dim_const(c->d, node_int(c->n, "k", 1));
    o.type = slot_elem(c, x) == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT;
    if (!choose_experts(c, &o)) return false;
    if (node_int(c->n, "use_sparse_mixer", 0)) share_sparsely(c, &o);
    else share_out(c, &o);
    second_layer(c, &o, first_layer(c, &o));
    return true;
}
