/* quant.h - the arithmetic of ONNX's quantization, for operators that contain it. */
#ifndef ONNXCC_OPS_QUANT_H
#define ONNXCC_OPS_QUANT_H
#include "ops/ops.h"

/* saturate(round_half_even(v) + zero) as a value of the compute type of `to`; v is float, `zero` is I32 or 0 for none. */
ex quantized(lower_ctx *c, ex v, ex zero, elem to);
#endif
