/* infer_partial.h - the parts of infer_partial (ops.h). */
#ifndef ONNXCC_OPS_INFER_PARTIAL_H
#define ONNXCC_OPS_INFER_PARTIAL_H
#include "ops/ops.h"

bool infer_branch_types(infer_ctx *c); /* an If whose branches are inferred; false: another operator */
bool infer_list_types(infer_ctx *c); /* sequences and optionals; false: another operator */
#endif
