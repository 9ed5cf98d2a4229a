/* save_impl.h - what the files that write models share. */
#ifndef ONNXCC_PROTO_SAVE_IMPL_H
#define ONNXCC_PROTO_SAVE_IMPL_H
#include "ir/ir.h"
#include "ir/scope.h"
#include "onnx.pb-c.h"

typedef struct {
    model *m;
    diag *d;
    arena *a;
    const char **label; /* by value id */
    uint8_t *is_output; /* by value id: of some graph */
    scope *written;     /* names of values, for annotations */
} writer;

Onnx__TypeProto *write_type(const writer *w, const type *t);
Onnx__TensorShapeProto *write_shape(const writer *w, const type *t); /* NULL: the number of dimensions is unknown */
Onnx__TensorShapeProto__Dimension *write_dim(const writer *w, dim d);

/* save_types.c: the dim with names that a file can have for symbols that no name in the file stands for. */
dim dim_with_names(const writer *w, dim d);
/* The declared type (NULL: none) with what t says more. */
Onnx__TypeProto *merge_type(const writer *w, Onnx__TypeProto *declared, const type *t);
#endif
