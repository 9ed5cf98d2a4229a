/* index.h - what operators share whose tensor says where to read (index.c) or to write (scatter.c). */
#ifndef ONNXCC_OPS_INDEX_H
#define ONNXCC_OPS_INDEX_H
#include "ops/ops.h"

/* The ranks of inputs 0..n-1 are known and within the limit; false after a report. */
bool need_ranks(infer_ctx *c, uint32_t n);
/* The indices of GatherElements and ScatterElements are no longer than the data but along the axis. */
void inside_data(infer_ctx *c, uint32_t axis);
/* The length of the index tuples: the last dimension of indices. */
bool tuple_length(dims *d, const type *i, int64_t *n);

void as_ex(lower_ctx *c, uint32_t n, const dim *d, ex *out);
/* Element `at` of an index tensor as an index into a dimension of n elements. */
ex index_from(lower_ctx *c, slot s, const dim *at, dim n);
/* Indexes of a tuple tensor `i` at `idx` (its leading dimensions) into at[first..first + n). */
void tuple_indexes(lower_ctx *c, slot i, const dim *idx, slot x, uint32_t first, int64_t n, ex *at);
#endif
