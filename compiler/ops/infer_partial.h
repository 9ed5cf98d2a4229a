/* infer_partial.h - the parts of infer_partial (ops.h). */
#ifndef ONNXCC_OPS_INFER_PARTIAL_H
#define ONNXCC_OPS_INFER_PARTIAL_H
#include "ops/ops.h"

/* What both are: sizes that differ are unknown. */
type infer_common(infer_ctx *c, const type *a, const type *b);
type infer_sequence_of(infer_ctx *c, type element);
void infer_set_type(infer_ctx *c, uint32_t i, type t); /* output i, of any kind; nothing where t is unknown */

bool infer_loop_types(infer_ctx *c);   /* Loop, Scan, SequenceMap (infer_loops.c); false: another operator */
bool infer_branch_types(infer_ctx *c); /* an If whose branches are inferred; false: another operator */
bool infer_list_types(infer_ctx *c); /* sequences and optionals; false: another operator */
#endif
