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

/* For tools that write a model back: a model loaded with `keep_source` and checked (check_model_load), changed or not, at its own operator sets.
 *
 * What was not changed is written as it stood: nodes with their versions, attributes, doc strings and metadata; declarations of values that are
 * still there; tensors with their bytes, whatever their form; functions, operator sets, producer. A node that is made anew has to be
 * written for model_opset(m, domain), see op_version in passes/forms.h; give a node that gets another operator `source` NULL.
 * External data stays external under the same location, offset and length; when `path` is in another folder than the model was, the files that are
 * still needed are copied there first, and a different file of that name is never overwritten. A path that ends in .onnxtxt gets the text
 * form. False after reporting; then no model was written. */
bool model_save_own(model *m, diag *d, const char *path);
#endif
