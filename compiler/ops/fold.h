/* fold.h - the value of a node at compile time, by running its lowered nests: on numbers, or on symbols. */
#ifndef ONNXCC_OPS_FOLD_H
#define ONNXCC_OPS_FOLD_H
#include "ops/ops.h"

typedef struct folder folder;
folder *folder_new(arena *mem, model *m);

/* All inputs constant: runs the node and makes its outputs constants. `limit`: elements of an output larger than its largest input.
 * False when it is not foldable (nothing is reported). */
bool fold_numbers(folder *f, node_id n, int64_t limit);
/* All inputs known as symbols: sets the content of small integer outputs. False when some element has no symbolic form. */
bool fold_symbols(folder *f, node_id n);
/* By value: a product or a convolution of graph g reads it as weights (infer_weights.c). In `mem`. */
bool *weight_flags(model *m, graph_id g, arena *mem);
#endif
