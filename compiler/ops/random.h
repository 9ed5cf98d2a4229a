/* random.h - random numbers that are a function of a node's state and of a position: no memory between elements, steps or runs. */
#ifndef ONNXCC_OPS_RANDOM_H
#define ONNXCC_OPS_RANDOM_H
#include "ops/ops.h"

/* At inference: gives a node without a seed one that depends on the name of its first output, as attribute `state`, so that no pass changes what it
 * draws. Nothing where the model is written back. */
void random_seed(infer_ctx *c);
/* 64 bits for position `at` (I64) of the lowered node: the output of SplitMix64 that follows `at` others, starting with the node's state. */
ex random_bits(lower_ctx *c, ex at);
/* A multiple of 2^-digits in [0, 1), of type t; digits at most 24 for F32, 53 for F64. */
ex random_unit(lower_ctx *c, ctype t, int digits, ex at);
/* Row-major position of an index in a slot. */
ex random_place(lower_ctx *c, slot s, const dim *idx);
#endif
