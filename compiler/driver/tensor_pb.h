/* tensor_pb.h - tensors in files of serialized TensorProtos (.pb), as in the ONNX project's test data. */
#ifndef ONNXCC_DRIVER_TENSOR_PB_H
#define ONNXCC_DRIVER_TENSOR_PB_H
#include "ir/ir.h"

/* Parses a TensorProto; the data is copied into the arena. NULL: *why is a short reason. */
tensor *tensor_pb_parse(arena *a, const unsigned char *data, size_t size, const char **why);
#endif
