/* version_edit.h - what the adapters of version_*.c (and other rewrites of single nodes) share: the node under edit, and short ways to add
 * nodes and constants around it. */
#ifndef ONNXCC_OPS_VERSION_EDIT_H
#define ONNXCC_OPS_VERSION_EDIT_H
#include "ir/ir.h"

struct op_schema;

typedef struct edit {
    model *m;
    graph_id graph;
    node_id id;          /* the node that is rewritten, in place */
    uint32_t serial;     /* makes the names of added values different */
    VEC(node_id) list;   /* nodes of the graph so far; what insert() adds comes before the node */
    VEC(node_id) follow; /* what comes right after the node */
} edit;

/* Rewrites edit.id from the version before `to` into `to`. False after reporting. Pointers to nodes do not survive insert() and follow(). */
typedef bool (*adapter)(edit *e);
typedef struct {
    const char *domain, *op;
    int version;
    adapter run;
} adapter_row;
extern const adapter_row version_math_rows[], version_shape_rows[], version_other_rows[]; /* into `version`; each ended by a NULL op */
extern const adapter_row lower_math_rows[], lower_shape_rows[], lower_body_rows[], lower_attention_rows[]; /* out of `version`, into the one before */
adapter version_row(const adapter_row *r, const struct op_schema *s);
adapter version_adapter(const struct op_schema *to); /* NULL: the step into this version changes nothing */
/* One step of the edited node towards the newest version; *more is false when it is there. */
bool version_step(edit *e, bool *more);
/* Constant has many attributes for its value; one is enough for those who read it. Sparse values, and what a function's caller gives, stay. */
void dense_constant(edit *e);
/* The edited node, and what it needs, in the form that opset `to` has (version_lower.c). Nodes that are no newer stay. */
bool version_lower(edit *e, int to);

node *edited(edit *e);
value_id input_of(edit *e, uint32_t i); /* 0: absent */
void set_input(edit *e, uint32_t i, value_id v);

attr attr_int(model *m, const char *name, int64_t v);
attr attr_ints(model *m, const char *name, uint32_t n, const int64_t *v);
attr attr_string(model *m, const char *name, const char *v);

/* Input lists: insert(e, "Reshape", NULL, IN(x, shape)). */
#define IN(...) (uint32_t)(sizeof((value_id[]){__VA_ARGS__}) / sizeof(value_id)), (const value_id[]){__VA_ARGS__}
/* A new node of ai.onnx before the edited one, with one output, which is returned; `a` is its attribute or NULL. */
value_id insert(edit *e, const char *op, const attr *a, uint32_t n_in, const value_id *in);
/* The edited node's output k goes through a new node op(k, second) (second 0: op(k)), which takes over the name and the users. */
void follow(edit *e, uint32_t k, const char *op, const attr *a, value_id second);

/* The edited node's output k is no longer its own: it is the value `from`, through an Identity. */
void give_output(edit *e, uint32_t k, value_id from);
/* The edited node becomes another operator of ai.onnx in its newest form, with these inputs, one attribute or none, and its first output. */
void become(edit *e, const char *op, const attr *a, uint32_t n_in, const value_id *in);

/* Constants, as new initializers. `role` becomes part of the name. */
value_id const_ints(edit *e, const char *role, uint32_t n, const int64_t *v); /* int64[n] */
value_id const_int(edit *e, const char *role, int64_t v);                     /* int64 scalar */
value_id const_floats(edit *e, const char *role, uint32_t n, const float *v); /* float[n] */
value_id const_like(edit *e, const char *role, float v, value_id x);          /* scalar of x's type, at run time if it is not known */
value_id const_of_tensor(edit *e, const char *role, const tensor *t);
value_id const_bool(edit *e, const char *role, bool v);                       /* bool scalar */

/* What is known of a value: rank (-1: unknown), element type (ELEM_NONE), its constant data (NULL; always real numbers). */
int32_t rank_of(edit *e, value_id v);
elem elem_type_of(edit *e, value_id v);
const tensor *data_of(edit *e, value_id v);
bool is_used(edit *e, value_id v); /* by any node or as an output of a graph */

/* Moves an INTS attribute to input i as int64[n]; leaves the input absent when there is no attribute (or an empty one). */
void ints_to_input(edit *e, const char *name, uint32_t i);
/* b with ones appended to its shape so that its axes meet a's axes from `axis` on: what "broadcast from axis" meant. */
value_id align_to_axis(edit *e, value_id a, value_id b, int64_t axis);

bool recurrent_in_float(edit *e); /* version_other.c: a node at the newest version */
/* For the other way. What input i is: its constant data, or what an input of the model is unless the caller says otherwise, with a warning; NULL: computed, or absent. */
const tensor *settled(edit *e, uint32_t i, const char *what);
/* An input becomes absent; the constant integers that input i is (*v NULL: it is absent), and the same as an attribute. False after reporting
 * that it is no constant. */
void drop_input(edit *e, uint32_t i);
bool input_ints(edit *e, uint32_t i, const char *what, const int64_t **v, uint32_t *count);
bool input_to_ints(edit *e, uint32_t i, const char *name);

bool version_error(edit *e, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#endif
