/* load.h - from a model file to the IR. */
#ifndef ONNXCC_PROTO_LOAD_H
#define ONNXCC_PROTO_LOAD_H
#include "ir/ir.h"

/* Zeros are the defaults. */
typedef struct load_options {
    uint64_t memory;         /* bytes that the protobuf form may take, weights not counted; 0: 16 x file + 64 MiB */
    uint64_t dense;          /* bytes that one sparse tensor may take when made dense; 0: 256 MiB */
    bool keep_source;        /* nodes, attributes, tensors, values and graphs point to their messages, which live as long as `mem`: model_save writes those, and so
                              * keeps what the IR has no place for */
    bool no_digest;          /* leave model.sha256 empty: the only thing that reads all of the weights */
    bool any_order;          /* of a checked model: nodes that stand before what they use are put in order, with a warning, as onnxruntime does */
    bool judging;            /* what onnx.checker passes is a warning, not an error: more elements than a shape has, versions below 1 that no node needs, zero bytes in texts */
    bool incomplete;         /* of a checked model: types and shapes that the standard wants may be missing */
    bool overridable_inputs; /* keep graph inputs that have an initializer as inputs (with the data as default; from IR version 4 on in `initial`); else they become constants */
} load_options;

/* Reads a model (a file named *.onnxtxt or *.onnxtext in text form): maps the file, looks it over (prescan.h), unpacks it, converts it. Everything lives in `mem`, the mapped files too: tensors
 * point into them wherever the stored form allows (not aligned!). NULL after reporting; `o` may be NULL. */
model *model_load(arena *mem, diag *d, const char *path, const load_options *o);
/* The same from memory, which must outlive the model. `path` is for messages and for the folder of external data; NULL: there is none. */
model *model_load_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path, const load_options *o);

/* A file with one TensorProto, as test data has it (input_0.pb). */
tensor *tensor_load(arena *mem, diag *d, const char *path);

/* A file with one value, whatever its kind: a TensorProto, a SequenceProto or an OptionalProto with tensors in it. */
typedef struct loaded_value {
    bool list;    /* a sequence, in an optional or not; element k of NAME is called NAME.k */
    bool nothing; /* an empty optional */
    uint32_t n;
    tensor **item;
} loaded_value;
bool value_load(arena *mem, diag *d, const char *path, loaded_value *out);
#endif
