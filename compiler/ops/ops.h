/* ops.h - what the compiler knows about an operator, and the vocabulary in which its block is written.
 *
 * An operator is one block in its family's file that answers, in this order:
 *     infer      what does it produce: types and shapes of the outputs
 *     decompose  can it be said with other operators (optional)
 *     lower      how is it computed: nests, or a kernel
 * Values of small integer tensors (shapes, axes, indices) need no code of their own: the driver runs the lowered nest on symbols
 * (passes/content.c), so that Shape -> Gather -> Concat -> Reshape folds away for every operator that has a lowering, and constants fold by
 * running it on numbers. ops.def lists the operators, one line each. All are written for the newest schema version; older nodes were
 * brought there by version.c. */
#ifndef ONNXCC_OPS_OPS_H
#define ONNXCC_OPS_OPS_H
#include "expr/nest.h"
#include "ir/ir.h"

/* ---- infer ---- */
typedef struct {
    model *m;
    dims *d;
    node_id id;
    node *n; /* valid until the next node_new */
    struct infer_walk *walk; /* the pass that this is part of; NULL outside it */
    bool wrong; /* in_dim was asked for what is not there, and that was reported */
} infer_ctx;

bool infer_error(infer_ctx *c, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));       /* model invalid */
bool infer_unsupported(infer_ctx *c, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4))); /* valid, not ours */

const type *in_type(infer_ctx *c, uint32_t i);     /* NULL when the input is absent */
elem in_elem(infer_ctx *c, uint32_t i);            /* ELEM_NONE when absent */
int32_t in_rank(infer_ctx *c, uint32_t i);         /* -1: unknown or absent */
dim in_dim(infer_ctx *c, uint32_t i, int32_t axis); /* 1 after reporting where the input has no such axis: the inference fails then, whatever it returns */
/* The elements of an integer input when they are known, at least as symbols: constants or content. NULL otherwise: what was asked for in vain is noted, and
 * when the operator can't be inferred without it, the report names the inputs of the model that decide it (wanted.c). */
const dim *in_content(infer_ctx *c, uint32_t i, uint32_t *count);
/* Likewise of any value; constant integer data becomes content on first use. */
const dim *value_content(model *m, value_id v, uint32_t *count);
/* The one element of an integer input. False when unknown. */
bool in_scalar(infer_ctx *c, uint32_t i, dim *out);
const tensor *in_data(infer_ctx *c, uint32_t i); /* constant data, or NULL */
/* The problem reported last is that this value is not known: if inputs of the model decide it, the hint says that --value gives them. Returns false. */
bool hint_value(model *m, value_id v);
void hint_asked(model *m, const node *n, uint32_t from, bool can_give); /* of what the node asked for, m->asked from there on; can_give: the tool has --value */
void note_asked(model *m, value_id v);
bool need_rank(infer_ctx *c, uint32_t i); /* reports when input i is present and its rank is unknown */

/* An axis attribute or value: negative counts from the end; reports when outside [-rank, rank). */
bool fix_axis(infer_ctx *c, int64_t axis, int32_t rank, uint32_t *out);

bool out_tensor(infer_ctx *c, uint32_t i, elem e, int32_t rank, const dim *shape); /* sets output i if it is wanted; checks against the declaration */
bool out_like(infer_ctx *c, uint32_t i, uint32_t input);                           /* same type and shape as that input */
void out_content(infer_ctx *c, uint32_t i, const dim *content, uint32_t n);
bool has_out(infer_ctx *c, uint32_t i);
/* A fresh symbol for a data-dependent size: "nonzero.NODE", where NODE is the node's name or, without one, its first output's. */
dim out_unknown(infer_ctx *c, const char *stem);
const char *decided_name(model *m, const node *n, const char *stem); /* "nonzero.NODE" */
/* Notes that data decides this new symbol and applies what --dim says about the name (the symbol's own may have a number behind it). */
dim limit_decided(model *m, dim symbol, const char *name);
/* The same symbol whenever it is asked for: "STEM.NODE", a size up to `most` that data decides. */
dim decided_symbol(model *m, node_id id, const char *stem, int64_t most);
bool is_decided(const model *m, dim d);
bool infer_sizes_hold(infer_ctx *c); /* infer_is_strict, and it infers sizes, not only their number */
bool infer_is_strict(infer_ctx *c); /* infer_options.strict, and the standard infers something for the operator */
bool infer_is_partial(const infer_ctx *c); /* infer_options.partial */
bool infer_only_checks(const infer_ctx *c); /* infer_options.strict */
/* Types of the outputs, as far as they don't depend on values that are unknown (infer_partial.c). False after reporting that they contradict declarations. */
bool infer_partial(infer_ctx *c);
/* Infers a subgraph of the node; the types of its inputs are set. False after a report. */
bool infer_subgraph(infer_ctx *c, graph_id g);
/* Both branches of the If are inferred: the resolver of this inference looks at them (see below). False after a report. */
bool infer_branches(infer_ctx *c, graph_id then, graph_id otherwise);
/* Two dims that the operator needs to be equal: false when they are known to differ (nothing is reported); when it can't be decided they are
 * taken as equal, and the run checks it. */
bool assume_equal(infer_ctx *c, dim a, dim b);
/* Input i, when it is there, has this shape (dimension `axis`, this size): [shape-mismatch] when it has another for sure, else as assume_equal. */
bool shape_fits(infer_ctx *c, uint32_t i, int32_t rank, const dim *shape);
bool dim_fits(infer_ctx *c, uint32_t i, int32_t axis, dim size);
/* Likewise where it is stretched over a shape: its dimensions, counted from the last, are 1 or those of `shape`. */
bool shape_stretches(infer_ctx *c, uint32_t i, int32_t rank, const dim *shape);
/* A size that has to be `least` or more, where that is not proved: the run checks it. */
void assume_at_least(infer_ctx *c, dim a, int64_t least);
/* Input i is read at places that are clamped into a dimension of this size, which is not 0: false after a report. */
bool needs_elements(infer_ctx *c, uint32_t i, dim size);
/* Is a size this number, where the answer decides about a shape? One that has been assumed equal to it is; another that could be is taken not to be,
 * and the run checks it. Open: data decides the size, or nothing may be taken for granted. */
typedef enum { SIZE_IS_NOT, SIZE_IS, SIZE_IS_OPEN } size_is;
size_is assume_is(infer_ctx *c, dim a, int64_t number);
/* Numpy broadcasting of shapes a and b; reports [shape-broadcast] when they can't be. out has max(ra, rb) dims. */
bool broadcast(infer_ctx *c, const dim *a, int32_t ra, const dim *b, int32_t rb, dim *out, int32_t *rank);

/* ---- lower ---- */
typedef struct {
    program *p;
    model *m;
    dims *d;
    exprs *x;
    node_id id;
    node *n;
    block *to;        /* steps go here */
    slot *of_value;   /* by value id: its slot, 0: not made yet */
    const char *what; /* "'Conv_0' (Conv)" for the steps */
    dim part;         /* which part of complex numbers load_at and store_axes mean: an axis of the nest, of extent 2 */
} lower_ctx;

/* A slot for a value of this type. Complex numbers are pairs of their parts (slot_info.pairs): slot_rank, load_at, store_axes and lower_map hide the dimension. */
slot typed_slot(program *p, const char *name, elem e, slot_kind kind, uint32_t rank, const dim *extent);
/* Does the node's operator take complex numbers: is its lowering made of lower_map, or does it open the axis of the parts itself (part_axis)? */
bool takes_complex(const node *n);
/* Opens the axis for the parts of what is stored to `out`, where that is complex. After the other axes. */
void part_axis(lower_ctx *c, nest_builder *b, slot out);

bool lower_unsupported(lower_ctx *c, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

slot in_slot(lower_ctx *c, uint32_t i); /* 0 when absent; constants get a CONST slot */
slot out_slot(lower_ctx *c, uint32_t i); /* 0 when not wanted; made as TEMP with the inferred type */
slot temp_slot(lower_ctx *c, const char *name, elem e, uint32_t rank, const dim *extent);
slot temp_like(lower_ctx *c, const char *name, slot like, uint32_t rank, const dim *extent); /* of its element type, which may be complex */
uint32_t slot_rank(lower_ctx *c, slot s);
dim slot_dim(lower_ctx *c, slot s, uint32_t axis); /* 1 after reporting where there is no such axis: the lowering fails then, whatever it returns */
elem slot_elem(lower_ctx *c, slot s);
bool low_has_out(lower_ctx *c, uint32_t i);
/* Integer input known at compile time (constants or dims); as in_content. */
const dim *low_content(lower_ctx *c, uint32_t i, uint32_t *count);
const tensor *low_data(lower_ctx *c, uint32_t i);

ex load_at(lower_ctx *c, slot s, uint32_t n, const ex *idx);           /* element idx[0..n); reports, as slot_dim, where it has not n dimensions */
ex load_axes(lower_ctx *c, slot s, uint32_t n, const dim *idx);        /* the same with dims for indexes */
ex load_bcast(lower_ctx *c, slot s, uint32_t rank, const dim *idx);    /* aligned right in an index of `rank`; extent 1 reads 0 */
ex load_scalar(lower_ctx *c, slot s);                                  /* element 0 of a scalar or one-element tensor; reports where there is none */
ex load_channel(lower_ctx *c, slot s, dim i);                          /* element i of a vector */
/* Index axes for a whole shape, made as parallel axes of the nest. */
void axes_for(nest_builder *b, uint32_t rank, const dim *extent, dim *idx);
void stage_axes_for(nest_builder *b, uint32_t rank, const dim *extent, dim *idx);
/* Stores at dims; the value is rounded to the slot's type where the compute type is wider. */
sink *store_axes(lower_ctx *c, nest_builder *b, slot to, uint32_t n, const dim *at, ex element);
/* One-STORE nest over output 0's shape. element(ctx, index) gives the element. */
bool lower_map(lower_ctx *c, slot out, ex (*element)(lower_ctx *c, const dim *idx, void *arg), void *arg);
nest_builder low_begin(lower_ctx *c);
void low_end(lower_ctx *c, nest_builder *b);
/* A product-sum C[batch.., m, n] as a K_MATMUL step; see program.h. The step stores to `out` at (batch.., m, n) through its identity hook. */
ex ex_one(lower_ctx *c, ctype t);

/* ---- registry ---- */
#define OWN_DOMAIN "onnxcc" /* operators that only passes make; a model that brings them is refused */
typedef struct op_def {
    const char *domain, *name;
    bool (*infer)(infer_ctx *c);
    bool (*decompose)(model *m, node_id n); /* replaces the node in its graph by others; true: done */
    bool (*lower)(lower_ctx *c);
} op_def;

const op_def *op_find(const char *domain, const char *name); /* NULL: unknown operator */
const op_def *op_of(const model *m, const node *n); /* the same, those that the user describes included */
const op_def *op_table(uint32_t *n);
/* Operators that draw random numbers (Dropout in training is one of them) and those of users that are not pure: never folded, and two of them are never one. */
bool node_is_random(model *m, const node *n);

/* ---- drivers ---- */
/* What a resolver did with the node at place i of a graph: left it to inference; changed the list, so that place i is to be looked at again; failed, after a
 * report. */
typedef enum { RESOLVE_LEAVES, RESOLVE_AGAIN, RESOLVE_FAILED } resolution;
/* Replaces nodes during inference by others that say the same, when the types and constants of their inputs are known; see passes/sequence.h. */
typedef struct {
    void *ctx;
    resolution (*node)(void *ctx, graph_id g, uint32_t i);
    /* Both branches of an If are inferred: makes their outputs, and the node's, tensors. False after a report. */
    bool (*branches)(void *ctx, node_id id, graph_id then, graph_id otherwise);
} resolver;
/* Types, shapes and contents of all values of the main graph and its subgraphs, folding constants on the way. Requires newest versions. */
typedef struct {
    int64_t fold_limit;    /* elements of a folded constant that did not exist before; larger ones stay nodes */
    int64_t weights_limit; /* the same of what products and convolutions read as weights, where that is more */
    bool strict;           /* a declared shape that contradicts the operator is an error; else what the operator gives holds */
    bool partial;          /* what can't be inferred whole has the types that are known without its sizes (infer_partial) */
    bool given_only;       /* of integer tensors only those in the file are known, none that nodes compute: as onnx infers without data propagation */
    bool tolerant;         /* what can't be inferred stays without a type, and so does what is computed from it; reported as ever */
    bool faults_known;     /* the model has errors that were reported: nothing is inferred of nodes that are `faulty`, nor said of what follows from errors */
    bool keep_dequantized; /* DequantizeLinear of a constant stays a node: the pass `integer` wants the integers */
    const resolver *resolver; /* NULL: none */
    bool (*before)(model *m, const node *n); /* NULL, or what is asked about each node before it changes its version: false after a report */
} infer_options;
bool infer_model(model *m, const infer_options *o);
/* How this node computes an element type that its schema does not list, in words: "in float, each element rounded once". NULL: the type has no plain meaning there.
 * listed: the element types that the schema lists for the input or output, as schema_types.tensor. A types_beyond of check.h. */
const char *type_beyond(model *m, const node *n, uint32_t listed, elem e);
void report_unsupported(model *m);           /* one report for each operator in the main graph and below that nothing here knows, with the number of its nodes, most first */
bool infer_node(model *m, node_id n); /* types of one new node; false after a report */

/* The program of a model whose types are known; in_sequence: see program.h. NULL after a report. */
program *lower_model(arena *mem, model *m, bool in_sequence);
/* Appends the steps of one node; used by the above, by folding, by tests. */
bool lower_node(program *p, slot *of_value, block *to, node_id n);
#endif
