/* inline.h - expands calls of functions into the nodes of their bodies. */
#ifndef ONNXCC_PASSES_INLINE_H
#define ONNXCC_PASSES_INLINE_H
#include "ir/ir.h"

/* Pass `inline`. Requires: node->version set (check_model_basic). Then the main graph and all graphs below it hold no call of a model-local
 * function; the functions themselves stay, for who saves the model. Attribute references take the call's value, else the function's default,
 * else the attribute is left out; an input that the call leaves out is left out inside. Values and nodes from a body are named
 * CALL.NAME; their origin names the body's node and has the call's origin as caller; outputs of the call keep their names. Types of new
 * values are left to inference.
 * False after reporting [function-recursion] or, when calls multiply or nest without measure, [function-size]. */
bool inline_functions(model *m);

/* Whether this node, an operator that the standard defines by a body, should be replaced by that body. */
typedef bool (*inline_predicate)(void *ctx, model *m, const node *n);

/* Expands operators for which the standard has a body as data (schema.h), or we have one (computed_body.h), and `want` says yes, also inside bodies. The new nodes stand at the
 * versions that the body is written in. *expanded (may be NULL) is the number of nodes replaced. */
bool inline_operators(model *m, inline_predicate want, void *ctx, uint32_t *expanded);

/* A copy of a subgraph's nodes at place i of graph call->graph: its inputs are call->in, its outputs call->out; values from outside stay themselves. New
 * values and nodes are named PREFIX.NAME. */
bool inline_body(model *m, graph_id body, const node *call, const char *prefix, uint32_t i);
#endif
