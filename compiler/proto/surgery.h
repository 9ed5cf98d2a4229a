/* surgery.h - putting models together and taking them apart, as files: what no rule of these operations names stays as it stands, also what the IR has no
 * place for (metadata of nodes, sparse tensors, annotations, types of values). The rules are those of onnx.compose, onnx.utils and onnx.inliner. */
#ifndef ONNXCC_PROTO_SURGERY_H
#define ONNXCC_PROTO_SURGERY_H
#include "base/diag.h"
#include "base/text.h"

typedef struct surgery surgery;

/* A file, text form or not. `name` is its path: for messages, and for the folder of external data. NULL after reporting. */
surgery *surgery_open(arena *mem, diag *d, const char *path);
surgery *surgery_open_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path);

/* The model as it is now: its bytes, and as a file (.onnxtxt: in the text form), with its external data as in model_save_own (proto/save.h). False after
 * reporting. */
bool surgery_encode(surgery *s, text *out);
bool surgery_save(surgery *s, const char *path);
bool surgery_in_one_folder(surgery *s); /* external data lie beside the file, also of what was merged into it */

/* Names that get a prefix. Values: by where they stand; one that stands at several places goes with any of them. */
enum {
    RENAME_NODES = 1,
    RENAME_EDGES = 2, /* results of nodes that are no outputs of their graph */
    RENAME_INPUTS = 4,
    RENAME_OUTPUTS = 8,
    RENAME_INITIALIZERS = 16,
    RENAME_VALUE_INFOS = 32,
    RENAME_FUNCTIONS = 64,
    RENAME_ALL = 127
};
void surgery_prefix(surgery *s, const char *prefix, unsigned what);

typedef struct {
    const char *out, *in;
} surgery_edge;

typedef struct {
    const surgery_edge *edges; /* an output of the first model, and the input of the second that takes its place */
    uint32_t n_edges;
    const char *const *inputs, *const *outputs; /* keep only these of the result; none: all that are not connected */
    uint32_t n_inputs, n_outputs;
    const char *name; /* of the graph; NULL: made of both */
} merge_options;

/* The second model goes behind the first, which becomes both. False after reporting: versions or metadata that differ, names that both have,
 * names that are none, connected values whose types or fixed sizes differ. */
bool surgery_merge(surgery *first, surgery *second, const merge_options *o);

/* What computes these outputs from these inputs: values of the main graph whose types the file declares. Functions that are not called go. False after
 * reporting: a value that is none, an output that needs an input that is left out. */
bool surgery_extract(surgery *s, const char *const *inputs, uint32_t n_inputs, const char *const *outputs, uint32_t n_outputs);

typedef struct {
    const char *folder; /* where the model will be written */
    const char *file;   /* name of the weights' file there; with `part`: of the first one, others end in .1, .2 and so on */
    uint64_t part;      /* bytes that such a file may have, where it holds more than one tensor; 0: any number */
    uint64_t least;     /* smaller initializers stay in the model */
} weights_options;

/* Initializers, whatever their form and place, go into files beside the model; surgery_save writes them. Tensors in attributes go into the model. False after
 * reporting: data that can't be read; a file of that name that has other content. */
bool surgery_weights_out(surgery *s, const weights_options *o);
/* All external data go into the model. False after reporting, also when they are too much for a file. */
bool surgery_weights_in(surgery *s);

struct op_schema;
typedef struct {
    const char *const *ids; /* "domain:name" or "name" of any domain */
    uint32_t n_ids;
    bool except;  /* those are left, all others go; without ids: all go */
    bool standard; /* operators too that the standard defines by a body, where its operators are the model's */
    /* Whether a node in the first form says the same in the second one (version.h). */
    bool (*same_form)(const struct op_schema *from, const struct op_schema *into);
} inline_options;

/* The operators in the functions that would be inlined mean the same in the model, whatever versions the functions import. Else surgery_inline refuses. */
bool surgery_same_operators(surgery *s, const inline_options *o);

/* Calls of functions become the nodes of their bodies, in subgraphs and in the functions that are left, too; the functions that were inlined go. False after
 * reporting: an id that names nothing, too. */
bool surgery_inline(surgery *s, const inline_options *o);
#endif
