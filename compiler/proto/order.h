/* order.h - a valid order of a graph's nodes. */
#ifndef ONNXCC_PROTO_ORDER_H
#define ONNXCC_PROTO_ORDER_H
#include "ir/scope.h"
#include "onnx.pb-c.h"

/* ONNX wants nodes after what they use, and so do we, but some converters append nodes at the end and runtimes let them pass. NULL when the
 * order in the file is valid; else the n places in a valid order, in `a`. *circle: set when there is none (then NULL, too); n: none, else the place of a node in a circle.
 * `producers` is any scope without levels open, `interned` the table of names. */
const uint32_t *node_order(arena *a, names *interned, scope *producers, Onnx__NodeProto *const *list, uint32_t n, uint32_t *circle);
#endif
