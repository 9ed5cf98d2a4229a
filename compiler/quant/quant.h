/* quant.h - quantized models: from graphs that dequantize, compute in float and quantize again to graphs that compute with integers. */
#ifndef ONNXCC_QUANT_QUANT_H
#define ONNXCC_QUANT_QUANT_H
#include "ir/ir.h"

/* Pass `integer` (integer.c). Replaces DequantizeLinear .. operator .. QuantizeLinear by operators on integers. Some of them are our own (domain
 * "onnxcc"), so the result can be compiled, but not saved as ONNX. */
void use_integers(model *m);
#endif
