/* plan.h - what the files of quantize.h share. */
#ifndef ONNXCC_QUANT_PLAN_H
#define ONNXCC_QUANT_PLAN_H
#include "quant/quantize.h"

/* NULL, or why this Conv, Gemm or MatMul can't be quantized. */
const char *read_product(quantize_plan *p, node_id id, product *out);

/* Inputs of a node with a role that hold the numbers that are quantized: the first ones. The others are parameters. */
uint32_t data_inputs(const node *n);

/* Weights in 8 bits, symmetric: q * scale. `scale` has one element, or one for each output channel. */
typedef struct weights8 {
    value_id of;
    elem type;
    bool rows;
    value_id q, scale;
    const float *s;
    int64_t n; /* elements of scale */
    double sqnr;
} weights8;
/* What is to be written. `type` is ELEM_INT8, or ELEM_UINT8 with 128 for zero. `rows`: transposed, so that columns are channels (MatMulInteger).
 * least (may be NULL) is the smallest scale that channel i may have. */
typedef struct weights_form {
    elem type;
    bool per_channel, rows;
    const double *least;
} weights_form;
weights8 weights_quantized(quantize_plan *p, const product *pr, weights_form form);

/* The nodes of graph `graph` as they will be. */
typedef struct node_list {
    model *m;
    graph_id graph;
    VEC(node_id) nodes;
    const char *of; /* the name that new values begin with */
} node_list;
/* Makes a node at the end of the list; its first output. others[k - 1] gets output k. */
value_id emit_node(node_list *to, const char *op, uint32_t n_in, const value_id *in, uint32_t n_out, value_id *others);
value_id scalar_value(model *m, const char *of, const char *role, elem e, double v);
value_id floats_value(model *m, const char *of, const char *role, uint32_t rank, const int64_t *shape, const float *v);
#endif
