/* matmul.h - a sum of products as a step, for operators that contain one. */
#ifndef ONNXCC_OPS_MATMUL_H
#define ONNXCC_OPS_MATMUL_H
#include "ops/ops.h"

/* out[at...] = sum over k of a * b, for all points of the axes batch, m, n. Axes come from dim_axis (the constant 0 where the extent is 1);
 * a and b are loads of a_slot and b_slot over the axes. */
typedef struct {
    slot a_slot, b_slot, out;
    uint32_t n_batch, n_at;
    dim batch[MAX_RANK], m, n, k;
    ex a, b;
    dim at[MAX_RANK];
} product;
bool lower_product(lower_ctx *c, const product *q);
#endif
