/* gradient.h - what the walk of gradient.c and the rules of gradient_rules.c and gradient_move.c share. */
#ifndef ONNXCC_OPS_GRADIENT_H
#define ONNXCC_OPS_GRADIENT_H
#include "ops/contrib.h"

/* The backward graph while it is made: nodes are added before the Gradient node (edit.list). */
typedef struct backward {
    edit *e;
    arena *scratch;
    VEC(node_id) order; /* the nodes between the variables and y, each after those that it reads */
    bool *depends;      /* by value: it depends on one of xs, as a float */
    value_id *grad;     /* by value: the derivative of y, as far as it has been added up; 0: none */
    uint32_t n_values;  /* entries of the two: values made since have none */
    node_id at;         /* whose rule runs */
} backward;

/* ---- for rules ---- */
typedef struct gradient_row {
    const char *op; /* of ai.onnx, at its newest version */
    bool (*run)(backward *b, const struct gradient_row *row);
    const char *with; /* what rules of several operators differ in */
} gradient_row;
extern const gradient_row gradient_rules[], gradient_move_rules[]; /* each ended by a NULL op */

const node *rule_node(backward *b); /* valid until a node is made */
value_id in_of(backward *b, uint32_t i);
value_id out_of(backward *b, uint32_t i);
bool wants(backward *b, uint32_t i);      /* input i depends on one of xs */
value_id d_out(backward *b, uint32_t i);  /* the derivative by output i, 0: nothing came */
/* Adds `g`, which has the shape of input i, to its derivative. */
void add_to(backward *b, uint32_t i, value_id g);
/* The same where `g` has the shape of output 0, over which the input was broadcast: summed back to the input's shape. */
void add_broadcast(backward *b, uint32_t i, value_id g);
value_id sum_back(backward *b, value_id g, const type *from, const type *to);
type type_of(backward *b, value_id v); /* of a value in front of the node */
bool cant(backward *b, const char *why); /* reports: the derivative of the node is not supported, and why. False */

value_id op1(backward *b, const char *op, value_id x);
value_id op2(backward *b, const char *op, value_id x, value_id y);
value_id op3(backward *b, const char *op, value_id x, value_id y, value_id z);
value_id number(backward *b, double v, value_id like); /* a scalar of that value's type */
value_id shape_of(backward *b, value_id v);
value_id zeros_for(backward *b, value_id v);
value_id cast_to(backward *b, value_id x, elem to);
value_id summed(backward *b, value_id x, uint32_t n, const int64_t *axes); /* over axes that stay, as 1 */

bool gradient_knows(const char *domain, const char *op); /* is it Gradient? */
/* Replaces the edited node when it is a Gradient and all that it needs is known. False after a report. */
bool gradient_expand(edit *e);
#endif
