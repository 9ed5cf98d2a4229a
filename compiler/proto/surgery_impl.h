/* surgery_impl.h - what the files of surgery share. */
#ifndef ONNXCC_PROTO_SURGERY_IMPL_H
#define ONNXCC_PROTO_SURGERY_IMPL_H
#include "proto/external.h"
#include "proto/proto.h"
#include "proto/surgery.h"

typedef struct {
    const char *folder; /* where the file lies */
    VEC(const char *) location;
} surgery_files;

struct surgery {
    arena *mem;
    diag *d;
    Onnx__ModelProto *m; /* changed in place: lists and strings are replaced, never what they point to */
    const char *path;
    names *names;
    VEC(surgery_files) others; /* external data of models that were merged into it */
    file_list made;            /* new files of weights, to be written with it */
};

/* From names to names. */
typedef struct {
    arena *mem;
    names *names;
    scope *ids;
    VEC(char *) to;
} name_map;
name_map name_map_new(surgery *s);
void name_map_set(name_map *t, const char *from, const char *to);
char *name_map_get(const name_map *t, const char *from); /* NULL: none */
static inline bool has_name(const name_map *t, const char *name)
{
    return name_map_get(t, name) != NULL;
}

/* Every graph in the attributes of a node: graph k, NULL beyond the last. */
Onnx__GraphProto *node_graph(const Onnx__NodeProto *n, uint32_t k);
/* The names of a sparse tensor, which is known by that of its values. */
static inline const char *sparse_name(const Onnx__SparseTensorProto *t)
{
    return t->values && t->values->name ? t->values->name : "";
}
/* Values from outside that a node reads: its inputs, and what graphs in it do not define themselves. */
typedef void (*read_function)(void *ctx, const char *name);
void node_reads(surgery *s, const Onnx__NodeProto *n, read_function f, void *ctx);

Onnx__FunctionProto *called_function(const surgery *s, const Onnx__NodeProto *n); /* NULL: an operator */
static inline const char *plain_domain(const char *domain)
{
    return !domain || !strcmp(domain, "ai.onnx") ? "" : domain;
}
/* Locations of external data, each once. */
void surgery_locations(surgery *s, surgery_files *out);
const char *surgery_folder(surgery *s);
#endif
