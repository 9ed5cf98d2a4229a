/* grid.h - reading a tensor between its elements, for GridSample and DeformConv. */
#ifndef ONNXCC_OPS_GRID_H
#define ONNXCC_OPS_GRID_H
#include "ops/ops.h"

enum { GRID_SPATIAL = 3 };

/* What is read along one dimension. */
typedef struct {
    uint32_t n;
    ex at[4], weight[4], inside[4]; /* weight 0: one; inside: the tap is in the tensor */
} grid_taps;

/* Linear interpolation at v in a dimension of `extent` elements with zeros around them. */
grid_taps grid_linear(lower_ctx *c, ex v, dim extent);

/* x at [at[0], at[1], tap[2], tap[3]...]; `inside` begins as true. */
typedef struct {
    lower_ctx *c;
    slot x;
    uint32_t rank;
    grid_taps tap[GRID_SPATIAL + 2];
    ex at[GRID_SPATIAL + 2], inside;
} grid_sampler;
ex grid_sum(grid_sampler *s, uint32_t k); /* over the taps of dimensions k, k + 1, ...; k is 2 */
#endif
