/* ir.h - the model between import and lowering: an SSA graph of ONNX nodes.
 *
 * Nodes and values are ids into tables of the model, shared by the main graph, all subgraphs and function bodies, so a subgraph that uses a
 * value from outside just names its id. Id 0 is none (an absent optional input). Two arenas: `mem` lives as long as the model, passes use
 * one of their own. Names are interned (compare by ==). */
#ifndef ONNXCC_IR_IR_H
#define ONNXCC_IR_IR_H
#include "base/arena.h"
#include "base/diag.h"
#include "base/elem.h"
#include "base/text.h"
#include "ir/dim.h"

typedef uint32_t node_id, value_id, graph_id, origin_id;

enum { MAX_RANK = 8 };        /* of a tensor that is computed with; shapes of more dimensions are refused at lowering, not before */
enum { MAX_CONTENT = 1024 };  /* elements of an integer tensor whose values are followed symbolically */

/* Constant data: dense, row-major, little-endian as in raw_data, packed below 8 bits; a view into the mapped file where possible, so not
 * aligned: read it with elem_get_* or memcpy.
 * Strings: `strings` has one entry per element and data is NULL. */
typedef struct tensor {
    elem type;
    uint32_t rank;
    int64_t *shape;
    const void *data;
    size_t bytes;
    const char **strings;
    const char *name; /* may be NULL */
    const void *source; /* as the file has it, see `keep_source` in proto/load.h; NULL: made here */
    bool sparse;        /* the source is a sparse tensor */
} tensor;

typedef enum { TYPE_UNKNOWN, TYPE_TENSOR, TYPE_SEQUENCE, TYPE_OPTIONAL, TYPE_MAP, TYPE_SPARSE } type_kind;

typedef struct type {
    type_kind kind;
    elem elem;              /* of a tensor; ELEM_NONE: unknown. Of a map: the key */
    int32_t rank;           /* -1: unknown */
    dim *shape;             /* rank dims */
    const struct type *of;  /* element of a sequence or optional, value of a map */
} type;

typedef struct value {
    const char *name; /* "" for a value without one */
    type type;
    node_id producer;       /* 0: graph input, initializer or outer value */
    uint32_t output;        /* which output of the producer */
    const tensor *data;     /* not NULL: a constant (initializer or folded) */
    dim *content;           /* not NULL: the elements of a small integer tensor as dims (n_content of them, row-major) */
    uint32_t n_content;
    const char *doc;
    bool undefined;        /* a name that nothing in the file defines, which was reported */
    const tensor *initial; /* of a graph input: what it is when the caller gives nothing; no constant, since the caller may */
    const void *source;    /* its declaration in the file, see `keep_source` in proto/load.h */
} value;

typedef enum {
    ATTR_NONE = 0, ATTR_FLOAT = 1, ATTR_INT = 2, ATTR_STRING = 3, ATTR_TENSOR = 4, ATTR_GRAPH = 5, ATTR_FLOATS = 6, ATTR_INTS = 7,
    ATTR_STRINGS = 8, ATTR_TENSORS = 9, ATTR_GRAPHS = 10, ATTR_SPARSE = 11, ATTR_SPARSES = 12, ATTR_TYPE = 13, ATTR_TYPES = 14
} attr_kind; /* AttributeProto.AttributeType */

typedef struct attr {
    const char *name;
    attr_kind kind;
    const char *ref; /* name of a function's attribute that stands here; NULL outside function bodies */
    uint32_t n;      /* elements of the list kinds; length of a string */
    union {
        float f;
        int64_t i;
        const char *s; /* terminated; may hold zero bytes, see n */
        const tensor *t;
        graph_id g;
        const float *floats;
        const int64_t *ints;
        const char **strings;
        const tensor **tensors;
        const graph_id *graphs;
        const type *type;
    } u;
    const void *source; /* see `keep_source` in proto/load.h; not set in an attribute that was made or changed here */
} attr;

typedef struct node {
    const char *domain; /* "" for ai.onnx */
    const char *op;
    const char *name; /* "" when it has none */
    const char *overload;
    int version;     /* schema version (since_version) it is written in; 0 for a local function or an unknown domain */
    uint32_t n_in, n_out, n_attr;
    value_id *in, *out;
    attr *attr;
    origin_id origin;
    graph_id graph; /* that it stands in */
    const char *doc;
    const void *source; /* see `keep_source` in proto/load.h */
    bool dead;
    bool faulty; /* the checker found fault with its operator, its attributes or the numbers of its inputs and outputs: it has no meaning to infer types from */
} node;

/* Where a node came from: shown in comments of the generated code, in messages, in reports. */
typedef struct origin {
    const char *name, *op, *domain;
    uint32_t index;   /* of the node in its graph in the file */
    origin_id caller; /* the function call it was expanded from; 0: none */
    bool clean;       /* unchanged since import */
} origin;

typedef struct graph {
    const char *name, *doc;
    graph_id parent;     /* 0: the main graph or a function body */
    VEC(node_id) nodes;  /* in topological order */
    VEC(value_id) inputs, outputs;
    VEC(value_id) initializers;
    const void *source; /* see `keep_source` in proto/load.h */
} graph;

typedef struct opset {
    const char *domain;
    int version;
} opset;

typedef struct function {
    const char *domain, *name, *overload, *doc;
    graph_id body; /* its inputs and outputs are the function's */
    uint32_t n_attr;
    attr *attr; /* declared attributes; kind ATTR_NONE: without default */
    VEC(opset) opsets;
    const void *source; /* see `keep_source` in proto/load.h */
    bool changed;       /* nodes or operator sets are not those of the source */
} function;

typedef enum { SIZE_EQUAL, SIZE_OTHER, SIZE_AT_LEAST } size_relation;

/* What is taken for granted of two sizes, such as that the model needs them to be equal although their names differ; checked at the start of a run,
 * or of the branch of an If that holds the node. */
typedef struct size_claim {
    dim a, b;
    size_relation is; /* a is .. b */
    graph_id graph;   /* of the node */
} size_claim;

typedef struct metadata {
    const char *key, *value;
} metadata;

/* An input whose value the user has fixed: nodes read a constant, a run refuses other values. */
typedef struct {
    value_id input;
    const tensor *data;
} fixed_input;

/* A bound on a size that data decides; see limit_decided in ops.h. */
typedef struct size_limit {
    const char *name;
    int64_t lo, hi;
    bool used;
} size_limit;

typedef struct model {
    arena *mem;
    names *names;
    dims *dims;
    diag *diag;
    const char *path;
    int64_t ir_version;
    const char *producer, *producer_version, *domain, *doc;
    int64_t model_version;
    char sha256[65]; /* of the model file, hexadecimal; "" when made from text */
    VEC(opset) opsets;
    VEC(value) values;   /* [0] is unused */
    VEC(node) nodes;     /* [0] is unused */
    VEC(graph *) graphs; /* [0] is unused, [1] is the main graph; pointers stay valid */
    VEC(function) functions;
    VEC(origin) origins; /* [0] is unused */
    VEC(metadata) metadata;
    VEC(size_claim) claims; /* found by inference, see assume_equal in ops.h */
    VEC(fixed_input) fixed;
    VEC(dim) decided;    /* symbols that inference made for sizes that data decides */
    VEC(value_id) asked; /* values that the node in work wants to know and that are not known; see hint_asked in ops.h */
    VEC(const struct custom_op *) customs; /* operators that the user describes, see ops/custom.h */
    VEC(size_limit) limits; /* what the user says about them, before they exist */
    const void *source;     /* see `keep_source` in proto/load.h */
    bool types_inferred;    /* what is written back says all that is known of types, declared or not */
    VEC(dim) named;         /* symbols that names in the file stand for */
    VEC(dim) invented;      /* others, as they were written */
    bool written_back;      /* nodes stand at the versions that the model imports (else at the newest), and no size is taken as equal to another without proof */
} model;

model *model_new(arena *mem, diag *d);
static inline graph *model_main(model *m)
{
    return m->graphs.p[1];
}

/* Building. Pointers returned by *_at are valid until the next *_new of the same kind. */
value_id value_new(model *m, const char *name);
node_id node_new(model *m, graph_id g, const char *domain, const char *op, uint32_t n_in, uint32_t n_out, uint32_t n_attr); /* not yet in the list */
graph_id graph_new(model *m, graph_id parent, const char *name);
static inline value *value_at(model *m, value_id v)
{
    return &m->values.p[v];
}
static inline node *node_at(model *m, node_id n)
{
    return &m->nodes.p[n];
}
static inline graph *graph_at(model *m, graph_id g)
{
    return m->graphs.p[g];
}

const attr *node_attr(const node *n, const char *name); /* NULL when absent */
int64_t node_int(const node *n, const char *name, int64_t otherwise);
elem node_elem(const node *n, const char *name, elem otherwise); /* an element type by its number; ELEM_NONE: that of none */
float node_float(const node *n, const char *name, float otherwise);
const char *node_string(const node *n, const char *name, const char *otherwise);
const int64_t *node_ints(const node *n, const char *name, uint32_t *count); /* NULL and 0 when absent */
void node_set_attr(model *m, node *n, attr a);                              /* adds or replaces */
void node_drop_attr(node *n, const char *name);
/* Input i, 0 when absent (either left out or beyond the list). */
static inline value_id node_in(const node *n, uint32_t i)
{
    return i < n->n_in ? n->in[i] : 0;
}
bool node_is(const node *n, const char *domain, const char *op); /* "" is ai.onnx */
int model_opset(const model *m, const char *domain);             /* 0 when not imported */

/* The text for a message's `where`: node 'name' (Op), or node #12 (Op) when it has no name. */
const char *at_node(model *m, const node *n);
const char *at_value(model *m, value_id v); /* value 'name' */

/* Types. */
type type_tensor(elem e, int32_t rank, dim *shape); /* shape is kept, not copied */
dim *shape_new(model *m, uint32_t rank);            /* in model memory */
bool shape_is_static(model *m, const type *t, int64_t *out); /* all dims constants; out may be NULL */
void type_text(model *m, const type *t, text *out);          /* "float[1,3,batch]" */
int64_t tensor_count(const tensor *t);                       /* elements; 1 for a scalar */
/* The element of a tensor that has one; false: it has none or several, is NULL, text or complex. Integers of 64 bits are as near as a double is. */
bool tensor_number(const tensor *t, double *v);
/* Complex numbers as pairs of floats or doubles, along a new last dimension; the data are shared. */
tensor *tensor_of_parts(arena *a, const tensor *t);
tensor *tensor_new(arena *a, elem e, uint32_t rank, const int64_t *shape); /* with zeroed own data; not for strings */

/* Between passes: every used value is defined before its use in its graph or an outer one, ids are in range, producers agree, no node is
 * listed twice. Reports [internal-ir] and returns false. */
bool ir_verify(model *m);
/* The onnx package's text form of the model. Weights longer than `limit` elements are abbreviated as a comment. */
void model_text(model *m, text *out, uint32_t limit);
#endif
