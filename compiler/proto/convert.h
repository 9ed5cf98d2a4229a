/* convert.h - shared by the files that convert the protobuf form to the IR: tensor.c, type.c, load.c. */
#ifndef ONNXCC_PROTO_CONVERT_H
#define ONNXCC_PROTO_CONVERT_H
#include "proto/external.h"
#include "proto/proto.h"
#include "ir/scope.h"

typedef struct converter {
    arena *mem;
    diag *d;
    model *m;
    externals *files;
    scope *names;
    scope *producers; /* for node_order() */
    uint64_t dense_limit;
    bool overridable_inputs;
    bool keep_source;
    bool judging; /* as in load_options */
    uint32_t mended; /* errors after which the rest can be looked at, when judging: names that nothing defines or that are defined twice stand for values of their own */
    const text_places *places; /* NULL: the model is no text */
    uint32_t line, column;     /* where the node or value that is converted stands in the text; 0: not known */
} converter;

/* What a message says about the position: the path, after line and column of a text. */
const char *where_of(const converter *c, const place *at);
/* The message is what is converted next. */
void look_at(converter *c, const void *message);

/* NULL after reporting. Strings, shapes and typed fields are copied; raw and external data is pointed into. */
tensor *convert_tensor(converter *c, const Onnx__TensorProto *t, const place *at);
tensor *convert_sparse(converter *c, const Onnx__SparseTensorProto *t, const place *at); /* made dense */

/* False after reporting. `stem` is for names of dims without one. */
bool convert_type(converter *c, const Onnx__TypeProto *t, const char *stem, const place *at, type *out);

/* Small helpers: text of optional fields, never NULL. */
static inline const char *given(const char *s)
{
    return s ? s : "";
}
static inline const char *keep(converter *c, const char *s)
{
    return intern(c->m->names, given(s));
}
#endif
