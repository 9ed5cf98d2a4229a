/* rewrite.h - what passes over the graph share: a walk in order of execution during which one value may be said to be another.
 *
 * Outputs of graphs keep their names (their value ids): where such a value is the same as a computed one, the node that computes it takes
 * over the output's id, if it can. Substitution happens during the walk and once more at its end, so it costs time linear in the model. */
#ifndef ONNXCC_PASSES_REWRITE_H
#define ONNXCC_PASSES_REWRITE_H
#include "ir/ir.h"

typedef struct rewrite {
    model *m;
    arena *mem;       /* for the pass */
    value_id *same;   /* by value id: what stands for it; 0: itself */
    value_id *renamed;/* by value id: the graph output whose id it takes at the end; 0: none */
    uint32_t *uses;   /* by value id: inputs of nodes that read it, anywhere, before the pass */
    uint8_t *output;  /* by value id: it is an output of some graph */
    uint32_t n;       /* values before the pass: the tables have no entries for newer ones */
    void *ctx;        /* of the pass */
} rewrite;

/* What the pass does at a node whose inputs are resolved already: true drops the node (nobody needs its outputs any more). */
typedef bool (*rewrite_visit)(rewrite *r, node_id id);
/* Called when the walk enters and leaves a subgraph; may be NULL. */
typedef void (*rewrite_scope)(rewrite *r, bool enter);

rewrite rewrite_new(model *m, arena *mem, void *ctx);
/* Visits every node of the main graph and its subgraphs (a node after its subgraphs), then substitutes. */
void rewrite_run(rewrite *r, rewrite_visit visit, rewrite_scope scope);

value_id rewrite_resolve(rewrite *r, value_id v);
/* Readers of `v` read `same` from now on; both have the same type and `same` is computed before `v`. True when `v` need not be computed:
 * it is no output of a graph, or the node that computes `same` gives it that name. */
bool rewrite_alias(rewrite *r, value_id v, value_id same);

/* For rules, which look at a few nodes around one. `uses` is kept true by those that change inputs. */
node *rewrite_producer(rewrite *r, value_id v);                /* that computes v; NULL: an input or a constant */
node *rewrite_producer_is(rewrite *r, value_id v, const char *op); /* the same if it is that operator of ai.onnx (op_is), else NULL */
bool rewrite_only_use(rewrite *r, value_id v);                 /* one node reads it, once, and it is no output */
void rewrite_set_input(rewrite *r, node_id id, uint32_t i, value_id v);
/* The node computes op(in...) from now on (node_becomes in forms.h). */
node *rewrite_becomes(rewrite *r, node_id id, const char *domain, const char *op, uint32_t n_in, const value_id *in);

/* A rule looks at one node, whose inputs are resolved; true: it did something, the node is *gone or stays changed. */
typedef bool (*rewrite_rule)(rewrite *r, node_id id, bool *gone);
typedef struct {
    const char *op; /* of ai.onnx, at a version that op_is knows; NULL: all */
    rewrite_rule rule;
} rule_row;
/* Tries the rules at every node, again from the first one after each that did something; ended by a row without a rule. */
void rewrite_rules(model *m, const rule_row *rules, void *ctx);
void *rewrite_context(rewrite *r); /* what rewrite_rules was given */

/* Tensors of the same element type and, as far as the compiler can prove, the same shape. */
bool same_tensor_type(const type *a, const type *b);
bool same_value_type(model *m, value_id a, value_id b);
bool node_has_graph(const node *n);
/* Transpose (identity.c). order[i]: the dimension of the node's input that becomes dimension i. False: another operator, or not known. */
bool transpose_order(model *m, const node *n, uint32_t *order, uint32_t *rank);
bool transpose_moves_nothing(model *m, const node *n); /* only dimensions of 1 change places */
#endif
