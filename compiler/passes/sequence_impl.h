/* sequence_impl.h - what the parts of sequence.h share. */
#ifndef ONNXCC_PASSES_SEQUENCE_IMPL_H
#define ONNXCC_PASSES_SEQUENCE_IMPL_H
#include "passes/sequence.h"

/* What a value holds that is no tensor. An optional with a tensor in it is that tensor. */
typedef struct {
    bool absent; /* an optional with nothing in it */
    uint32_t n;  /* else a sequence, in an optional or not */
    const value_id *item;
    bool maps;   /* or a sequence of maps with the same keys: item 0 has the keys, item 1 a row of values for each map */
    bool map;    /* or one map: item 0 has the keys, item 1 their values */
    value_id stack; /* not 0: the run decides how many there are; they are alike and lie along the first axis of this tensor */
    value_id present; /* not 0: an optional; the run decides, by this bool, whether it holds what stands here */
    bool single;      /* what such an optional holds is the tensor item[0], no sequence */
} held;

typedef VEC(value_id) value_list;

/* A loop of which some turns stand before it already. */
typedef struct {
    node_id loop;
    int64_t turn;
    value_list *stacked;    /* by output: what the turns gave */
} unrolled;

/* The first turn of a loop, once more before it. */
typedef struct {
    node_id loop;
    const value_id *out; /* what the body gave */
} probe;

struct sequences {
    model *m;
    VEC(const held *) of; /* by value id; NULL: a tensor, or not known */
    VEC(unrolled) loops;
    VEC(probe) probes;
    VEC(node_id) kept; /* loops that stay loops: what they carry are tensors with room */
};

/* The node that is looked at. Pointers to nodes do not survive new ones, hence a copy. */
typedef struct {
    sequences *s;
    model *m;
    graph_id g;
    uint32_t i;
    node_id id;
    node n;
} spot;

const held *held_by(const sequences *s, value_id v);
void hold(sequences *s, value_id v, held h);
void hold_items(sequences *s, value_id v, uint32_t n, const value_id *item);

/* sequence_edit.c: changes around the node. */
resolution spot_error(spot *p, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));       /* model invalid */
resolution spot_unsupported(spot *p, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4))); /* valid, not ours */
/* A new node of ai.onnx before the node; its output is `out`, or a new value where that is 0. a: its attribute or NULL. */
value_id spot_insert(spot *p, const char *op, const attr *a, uint32_t n_in, const value_id *in, value_id out);
value_id spot_insert_in(spot *p, const char *domain, const char *op, const attr *a, uint32_t n_in, const value_id *in, value_id out); /* the same of any domain */
resolution spot_becomes(spot *p, const char *op, const attr *a, uint32_t n_in, const value_id *in); /* keeps its outputs */
resolution spot_copies(spot *p, value_id v); /* the tensor v again, by Identity, or by a Cast to its own type where Identity has no such type */
resolution spot_drop(spot *p);                                                                     /* its outputs are known otherwise */
void spot_outputs(model *m, node_id id, uint32_t n, const value_id *out); /* the node gives these instead; what it gave has no producer */
value_id spot_value(spot *p, const char *stem, int64_t k);  /* a new value named STEM.k */
value_id spot_int(spot *p, const char *role, int64_t v);    /* constants: a scalar of int64 */
value_id spot_bool(spot *p, const char *role, bool v);
bool known_int(model *m, value_id v, int64_t *out);         /* the one element of a constant */
bool tensor_type_known(model *m, value_id v);

/* sequence_map.c */
resolution resolve_ZipMap(spot *p);
resolution resolve_CastMap(spot *p);
resolution resolve_DictVectorizer(spot *p);
/* sequence_split.c */
resolution resolve_SplitToSequence(spot *p);
/* sequence_stack.c: sequences whose length the run decides. */
attr axis_attr(spot *p, int64_t axis);
value_id *unsqueezed(spot *p, const held *h, int64_t axis); /* the items of a list, each with a new axis */
resolution stack_at(spot *p, const held *h);
resolution stack_length(spot *p, const held *h);
resolution stack_concat(spot *p, const held *h);
resolution stack_insert(spot *p, const held *h);
resolution stack_erase(spot *p, const held *h);
resolution stack_split(spot *p, value_id x, int64_t axis, bool keep);
/* sequence_move.c: stacks with an element more or less, at a position that may be known to the run only. */
value_id stack_position(spot *p, uint32_t i); /* input i, a position, as a scalar */
value_id stack_count(spot *p, value_id stack); /* how many elements, a scalar of int64 */
value_id stack_without(spot *p, value_id stack, value_id position);
value_id stack_with(spot *p, value_id stack, value_id element, value_id position);
value_id stack_of(spot *p, const held *h); /* the elements of a list, which are alike, as a stack before the node */
value_id zeros_like(spot *p, value_id v); /* a constant of its type and shape; 0 after a report */
value_id stack_in(spot *p, const held *h, const held *other, graph_id g); /* a list as a stack, by nodes at the end of the graph; `other` says what an empty one has; 0 after a report */
bool stack_alike(spot *p, const held *h); /* false after a report: elements differ in size from turn to turn of a loop */
/* sequence_append.c: a loop that appends to sequences gives what it appends, turn by turn; one that passes them on does not carry them. RESOLVE_LEAVES: the
 * loop does something else with one. */
resolution resolve_append(spot *p, graph_id body, uint32_t n_state);
value_id passed_on_by(model *m, value_id v); /* the value behind Identity nodes */
void stop_carrying(spot *p, graph *body, uint32_t k); /* the loop no longer carries value k */
/* sequence_carry.c: a loop that does something else with one carries tensors with room for the most elements. */
resolution resolve_carried(spot *p, graph_id body, uint32_t n_state);
bool carries_rows(spot *p, graph_id body); /* --dim gives it a capacity */
resolution resolve_Pack(spot *p);
value_id rows_like(spot *p, const type *of, dim n); /* n elements of this type along a first axis, with nothing of meaning in them */
/* sequence_control.c */
resolution resolve_If(spot *p);
resolution resolve_Loop(spot *p);
resolution resolve_SequenceMap(spot *p);
bool resolve_branches(void *ctx, node_id id, graph_id then, graph_id otherwise);
/* sequence.c: an operator of sequences or optionals, by name. */
bool speaks_of_sequences(const node *n);
#endif
