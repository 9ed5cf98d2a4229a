/* computed_body.c - the loss functions said with other operators; see computed_body.h.
 *
 * Source: the definitions of NegativeLogLikelihoodLoss-22 and SoftmaxCrossEntropyLoss-13 in the operator documentation. */
#include "passes/computed_body.h"

#include <string.h>

/* The loss of each element: -x[n, t, d...] * w[t], where t = target[n, d...]; 0 where t is ignore_index. With x [N,C,d...], target [N,d...],
 * weight [C] or absent. Then its sum, or its mean with the weights as weights, or itself. The edited node becomes the last step. */
static bool likelihood_loss(edit *e, value_id x, value_id target, value_id weight)
{
    model *m = e->m;
    const char *reduction = node_string(edited(e), "reduction", "mean");
    const bool ignores = node_attr(edited(e), "ignore_index") != NULL;
    const int64_t ignored = node_int(edited(e), "ignore_index", 0);
    const attr classes = attr_int(m, "axis", 1), flat = attr_int(m, "keepdims", 0);
    const value_id axis = const_ints(e, "axes", 1, (const int64_t[]){1}), like = input_of(e, 0); /* x's type is that of the node's input */

    value_id mask = 0, zero = 0, index = target;
    if (ignores) {
        const value_id ignore = insert(e, "CastLike", NULL, IN(const_int(e, "ignored", ignored), target));
        const value_id first = insert(e, "CastLike", NULL, IN(const_int(e, "first", 0), target)); /* an index that is always good */
        zero = const_like(e, "zero", 0, like);
        mask = insert(e, "Equal", NULL, IN(target, ignore));
        index = insert(e, "Where", NULL, IN(mask, first, target));
    }
    const value_id column = insert(e, "Unsqueeze", NULL, IN(index, axis));
    const value_id chosen = insert(e, "Squeeze", NULL, IN(insert(e, "GatherElements", &classes, IN(x, column)), axis));
    value_id loss = insert(e, "Neg", NULL, IN(chosen)), share = 0; /* share: what an element counts */
    if (weight) share = insert(e, "Gather", NULL, IN(weight, index));
    if (ignores) share = insert(e, "Where", NULL, IN(mask, zero, share ? share : const_like(e, "one", 1, like)));
    if (ignores) loss = insert(e, "Where", NULL, IN(mask, zero, loss)); /* also where x is infinite */
    if (share) loss = insert(e, "Mul", NULL, IN(loss, share));

    if (!strcmp(reduction, "none")) become(e, "Identity", NULL, IN(loss));
    else if (!strcmp(reduction, "sum")) become(e, "ReduceSum", &flat, IN(loss));
    else if (strcmp(reduction, "mean")) return version_error(e, "attr-value", "reduction '%s' is none of none, sum, mean", reduction);
    else if (share) become(e, "Div", NULL, IN(insert(e, "ReduceSum", &flat, IN(loss)), insert(e, "ReduceSum", &flat, IN(share))));
    else become(e, "ReduceMean", &flat, IN(loss));
    return true;
}

static bool negative_log_likelihood_loss(edit *e)
{
    return likelihood_loss(e, input_of(e, 0), input_of(e, 1), input_of(e, 2));
}

/* The same of the logarithm of the softmax over the classes, which is an optional second output. */
static bool softmax_cross_entropy_loss(edit *e)
{
    const attr classes = attr_int(e->m, "axis", 1);
    const value_id log_prob = insert(e, "LogSoftmax", &classes, IN(input_of(e, 0)));
    if (edited(e)->n_out > 1 && edited(e)->out[1]) give_output(e, 1, log_prob);
    return likelihood_loss(e, log_prob, input_of(e, 1), input_of(e, 2));
}

body_builder computed_body_find(const char *domain, const char *op)
{
    static const struct {
        const char *op;
        body_builder build;
    } table[] = {{"NegativeLogLikelihoodLoss", negative_log_likelihood_loss}, {"SoftmaxCrossEntropyLoss", softmax_cross_entropy_loss}};
    for (size_t i = 0; !*domain && i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].op, op)) return table[i].build;
    return NULL;
}
