/* infer_bodies.c - types of operators that are compiled as the bodies that the standard gives: known without expanding them.
 * Source: ONNX Operators.md, LinearAttention-27, NegativeLogLikelihoodLoss-22, SoftmaxCrossEntropyLoss-13; ai.onnx.preview FlexAttention-1. */
#include <string.h>

#include "ops/families.h"
#include "ops/ops.h"

/* The size of a packed dimension for each of `heads`. */
static dim per_head(infer_ctx *c, dim packed, int64_t heads)
{
    return dim_fdiv(c->d, packed, dim_const(c->d, heads));
}

static bool rule_takes(infer_ctx *c, const char *rule, const char *input, uint32_t i, bool wanted)
{
    if ((node_in(c->n, i) != 0) == wanted) return true;
    return infer_error(c, "input-missing", wanted ? "update_rule '%s' needs input %u (%s)" : "update_rule '%s' has no input %u (%s)", rule, i, input);
}

/* Does the last dimension hold that many heads? */
static bool packs(infer_ctx *c, uint32_t i, int64_t heads)
{
    int64_t size;
    if (!dim_is_const(c->d, in_dim(c, i, 2), &size) || size % heads == 0) return true;
    return infer_error(c, "shape-mismatch", "the last dimension of input %u, %lld, is no multiple of %lld heads", i, (long long)size, (long long)heads);
}

bool infer_LinearAttention(infer_ctx *c)
{
    enum { QUERY, KEY, VALUE, PAST, DECAY, BETA };
    const int64_t q_heads = node_int(c->n, "q_num_heads", 0), heads = node_int(c->n, "kv_num_heads", 0);
    const char *rule = node_string(c->n, "update_rule", "gated_delta");
    const bool gated = !strncmp(rule, "gated", 5), delta = strstr(rule, "delta") != NULL;
    if (q_heads < 1 || heads < 1 || q_heads % heads) return infer_error(c, "attribute-value", "%lld query heads don't fit %lld key heads", (long long)q_heads, (long long)heads);
    if (strcmp(rule, "linear") && strcmp(rule, "gated") && strcmp(rule, "delta") && strcmp(rule, "gated_delta"))
        return infer_error(c, "attribute-value", "update_rule is '%s'", rule);
    if (!rule_takes(c, rule, "decay", DECAY, gated) || !rule_takes(c, rule, "beta", BETA, delta)) return false;
    for (uint32_t i = QUERY; i <= VALUE; i++)
        if (in_rank(c, i) >= 0 && in_rank(c, i) != 3) return infer_error(c, "shape-rank", "input %u has %d dimensions, expected 3", i, in_rank(c, i));
    if (in_rank(c, PAST) >= 0 && in_rank(c, PAST) != 4) return infer_error(c, "shape-rank", "past_state has %d dimensions, expected 4", in_rank(c, PAST));
    for (uint32_t i = DECAY; i <= BETA; i++)
        if (in_rank(c, i) >= 0 && in_rank(c, i) != 3) return infer_error(c, "shape-rank", "input %u has %d dimensions, expected 3", i, in_rank(c, i));
    for (uint32_t i = QUERY; i <= VALUE; i++)
        if (!need_rank(c, i)) return false;
    if (!packs(c, QUERY, q_heads) || !packs(c, KEY, heads) || !packs(c, VALUE, heads)) return false;
    const type *q = in_type(c, QUERY), *k = in_type(c, KEY), *v = in_type(c, VALUE);
    const dim size = per_head(c, v->shape[2], heads), key = per_head(c, k->shape[2], heads);
    int64_t decay, each;
    if (in_type(c, DECAY) && in_rank(c, DECAY) == 3 && dim_is_const(c->d, in_dim(c, DECAY, 2), &decay) && dim_is_const(c->d, key, &each) && decay != heads && decay != heads * each)
        return infer_error(c, "shape-mismatch", "the last dimension of decay is %lld, expected %lld (one for each head) or %lld", (long long)decay, (long long)heads, (long long)(heads * each));
    const dim out[3] = {q->shape[0], q->shape[1], dim_mulc(c->d, size, q_heads)};
    const dim state[4] = {q->shape[0], dim_const(c->d, heads), key, size};
    return out_tensor(c, 0, q->elem, 3, out) && out_tensor(c, 1, in_type(c, PAST) ? in_elem(c, PAST) : q->elem, 4, state);
}

bool infer_FlexAttention(infer_ctx *c)
{
    enum { Q, K, V };
    for (uint32_t i = Q; i <= V; i++) {
        if (!need_rank(c, i)) return false;
        if (in_rank(c, i) != 4) return infer_error(c, "shape-rank", "input %u has %d dimensions, expected 4 (batch, heads, length, size)", i, in_rank(c, i));
    }
    const type *q = in_type(c, Q), *k = in_type(c, K), *v = in_type(c, V);
    int64_t a, b;
    if (!assume_equal(c, q->shape[3], k->shape[3])) return infer_error(c, "shape-mismatch", "queries and keys have different sizes");
    if (!assume_equal(c, k->shape[2], v->shape[2])) return infer_error(c, "shape-mismatch", "keys and values have different lengths");
    if (!assume_equal(c, k->shape[1], v->shape[1])) return infer_error(c, "shape-mismatch", "keys and values have different numbers of heads");
    if (dim_is_const(c->d, q->shape[1], &a) && dim_is_const(c->d, k->shape[1], &b) && b && a % b) return infer_error(c, "shape-mismatch", "%lld query heads don't fit %lld key heads", (long long)a, (long long)b);
    const dim out[4] = {q->shape[0], q->shape[1], q->shape[2], v->shape[3]};
    return out_tensor(c, 0, q->elem, 4, out);
}

/* Input [N, classes, d..] and target [N, d..]. Of the softmax's loss the standard's inference does not look whether they fit. */
bool infer_likelihood_loss(infer_ctx *c)
{
    enum { INPUT, TARGET, WEIGHT };
    const bool each = !strcmp(node_string(c->n, "reduction", "mean"), "none"), looks = node_is(c->n, "", "NegativeLogLikelihoodLoss") || !infer_only_checks(c);
    if (has_out(c, 1) && !out_like(c, 1, INPUT)) return false;
    if (!need_rank(c, INPUT) || !need_rank(c, TARGET)) return false;
    const type *x = in_type(c, INPUT), *t = in_type(c, TARGET);
    if (looks && (x->rank < 2 || t->rank != x->rank - 1)) return infer_error(c, "shape-rank", "the input has %d dimensions and the target %d, expected one less", x->rank, t->rank);
    if (looks && in_rank(c, WEIGHT) >= 0 && in_rank(c, WEIGHT) != 1) return infer_error(c, "shape-rank", "the weights have %d dimensions instead of 1", in_rank(c, WEIGHT));
    for (int32_t k = 0; looks && k < t->rank; k++)
        if (!assume_equal(c, x->shape[k ? k + 1 : 0], t->shape[k])) return infer_error(c, "shape-mismatch", "dimension %d of the target does not fit the input", k);
    return out_tensor(c, 0, x->elem, each ? t->rank : 0, t->shape);
}
