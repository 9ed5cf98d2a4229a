/* expr_impl.h - what the files that implement expr.h share: the table of nodes and the walk over a DAG. Not for users of expressions. */
#ifndef ONNXCC_EXPR_EXPR_IMPL_H
#define ONNXCC_EXPR_EXPR_IMPL_H
#include "expr/expr.h"

/* Facts about a node, computed once from its arguments when it is made. */
typedef struct {
    interval range; /* of integers and bools; of floats without meaning */
    bool can_fail;  /* holds an INDEX */
    bool not_neg;   /* float: provably >= +0 or NaN, never -0 or negative */
} ex_fact;

/* Working memory of one walk. Walks nest (a callback may walk), so each takes its own from a list in exprs and gives it back. */
typedef struct visit {
    struct visit *next; /* free list */
    uint32_t round, size;
    uint32_t *mark; /* mark[e]: 2 * round when entered, 2 * round + 1 when in order[] */
    uint32_t *to;   /* for the caller, by ex: what e became (ex_subst), its number (tape.c) */
    VEC(ex) order;  /* every node below the root once, arguments before users */
    VEC(ex) stack;
} visit;

struct exprs {
    arena *mem;
    dims *dims;
    VEC(ex_node) node; /* [0] is unused. When it grows the old copy stays in the arena, so pointers to nodes stay readable */
    VEC(ex_fact) fact;
    ex *table; /* open addressing; size is a power of two */
    uint32_t table_size;
    visit *idle;
};

/* The node with these contents: the old one when there is one. Copies idx. Makes no simplification. */
ex ex_make(exprs *x, const ex_node *n);
uint32_t ex_arity(ex_op op);                      /* number of a[] used */
uint32_t ex_kids(const ex_node *n, const ex **k); /* arguments, or the indexes of a load */

visit *visit_begin(exprs *x, uint32_t n, const ex *roots); /* fills order; roots may be 0. End with visit_end */
void visit_end(exprs *x, visit *v);

/* The interval of a node's value, from those of its arguments (fact.c). */
ex_fact ex_derive(exprs *x, const ex_node *n);

/* One lane of a literal, in the layout of vecop.h. */
typedef union {
    uint8_t b;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
} lane;
bool ex_literal(const exprs *x, ex e, lane *v); /* also of a constant DIM */
ex ex_from_lane(exprs *x, ctype t, const lane *v);

/* The node again through its simplifying constructor, with other arguments. */
ex ex_rebuild(exprs *x, const ex_node *n, const ex *kids);
#endif
