/* form.h - the rules that the protobuf form of a model can break and the IR cannot: fields that must be there, fields that contradict each
 * other, names defined twice or out of order. Only check/ includes this. */
#ifndef ONNXCC_CHECK_FORM_H
#define ONNXCC_CHECK_FORM_H
#include "proto/proto.h"

/* Reports everything it finds, as `proto/` does by the place in the file, and returns whether that was nothing. `scratch` is for names. */
bool check_form(arena *scratch, diag *d, const Onnx__ModelProto *p);

/* What `check --full` says of such a model, with a graph, besides what inference finds: initializers that are declared differently; inputs without the type of their elements. */
void check_declared_types(arena *scratch, diag *d, const Onnx__ModelProto *p);
#endif
