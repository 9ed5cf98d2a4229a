/* custom.h - operators that the user describes and computes with a C function: what a description says, and how a node follows it.
 *
 * Descriptions come from YAML files (driver/custom_file.c, docs/custom-operators.md) and hang at the model. A node of one is a kernel step without a
 * template: a function around the call of the user's (emit/custom.c). */
#ifndef ONNXCC_OPS_CUSTOM_H
#define ONNXCC_OPS_CUSTOM_H
#include "ops/ops.h"

typedef struct {
    const char *name;
    uint32_t types;  /* a bit for each element type that it may have; 0: it has that of an input */
    uint32_t like;   /* which input */
    int32_t rank_lo, rank_hi; /* dimensions of an input, inclusive */
    bool optional;
    const char *shape; /* of an output: the rule */
} custom_tensor;

typedef struct {
    attr otherwise; /* name, kind, default */
    bool required;
} custom_attr;

typedef struct custom_op {
    op_def def;
    const char *function; /* in C */
    const char *where;    /* "FILE:LINE" */
    int since, until;     /* versions of the domain, inclusive */
    uint32_t n_in, n_out, n_attr;
    custom_tensor *in, *out;
    custom_attr *attr;
    const char *scratch, *cost; /* rules; NULL: none */
    bool pure;                  /* equal inputs give equal outputs */
} custom_op;

/* What a kernel step calls: values of the attributes in the order of the description. Its arguments are outputs, inputs, scratch memory. */
typedef struct custom_call {
    const custom_op *op;
    const attr **attr;
} custom_call;

/* The description that a node follows; NULL: none does. */
const custom_op *custom_find(const model *m, const node *n);

/* Numbers of inputs and outputs, attributes and their kinds. False after a report. */
bool custom_check(model *m, const node *n, const custom_op *op);

bool custom_infer(infer_ctx *c);
bool custom_lower(lower_ctx *c);

/* Rules are lists of expressions over sizes of inputs and integer attributes, see docs/custom-operators.md. Without a model only whether the rule can be read
 * is looked at. At most MAX_RANK values. False: *why says what is wrong. */
bool custom_rule(arena *mem, model *m, const node *n, const custom_op *op, const char *rule, dim *out, uint32_t *count, const char **why);

/* The type of a tensor in C; "void": it may have several, and another argument says which. */
const char *custom_ctype(const custom_op *op, const custom_tensor *t);
/* "int f(float *y, const int64_t *y_shape, int y_rank, ..., void *user)" */
void custom_prototype(const custom_op *op, text *out);
#endif
