/* save.h - from the IR to a model file. */
#ifndef ONNXCC_PROTO_SAVE_H
#define ONNXCC_PROTO_SAVE_H
#include "ir/ir.h"

/* Appends the bytes of an ONNX file. Nodes are written as they are: that their versions are those of the model's operator sets is the caller's
 * part. Constants become raw_data; names are made unique (labels.h). Types of inner values are kept as value_info. False after reporting:
 * a file of 2 GiB or more (EXIT_LIMIT), sparse attributes (EXIT_UNSUPPORTED). */
bool model_encode(model *m, diag *d, text *out);
/* The same into a file, which is written whole or not at all. */
bool model_save(model *m, diag *d, const char *path);
#endif
