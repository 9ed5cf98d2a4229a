/* forms.h - operators as passes read and write them, whatever the version.
 *
 * `compile` brings every node to its operator's newest version before passes run; tools that write the model back leave nodes as they stand in
 * the file (model.written_back). One set of passes serves both: it reads a node only through op_is, which knows the versions whose meaning is the
 * one that passes have in mind, and list_param, which does not care whether a list is an attribute or an input; and it writes a node only
 * where op_version says that the model's operator sets have it. */
#ifndef ONNXCC_PASSES_FORMS_H
#define ONNXCC_PASSES_FORMS_H
#include "ir/ir.h"

/* An operator of ai.onnx at a version that passes can read (newer than forms with another meaning, such as the first Add's `axis`). */
bool op_is(const node *n, const char *op);
bool op_readable(const node *n); /* the same for whatever operator it is; true for other domains */

/* The version that a new node of this operator gets; 0: the model's operator sets do not have it. */
int op_version(const model *m, const char *domain, const char *op);
bool op_has(const model *m, const char *op, int least); /* of ai.onnx, in this version or a newer one */

/* A list of integers that is an attribute in old versions and constant input `i` in newer ones. False: given, but not constant. When it is not given,
 * *v is NULL and *n 0. */
bool list_param(model *m, const node *n, const char *name, uint32_t i, const int64_t **v, uint32_t *count);
/* Sets it, in the form that the node's version has. `as_input`: the first version with the input. n->in must have a place i for it or grow. */
void set_list_param(model *m, node_id id, const char *name, uint32_t i, int as_input, uint32_t count, const int64_t *v);

/* Constants and nodes. A constant gets a name made of `of` and `role`. */
value_id new_constant(model *m, const char *of, const char *role, tensor *t);
value_id new_ints(model *m, const char *of, const char *role, uint32_t count, const int64_t *v);
/* The node becomes op(inputs) in the version that op_version gives, without attributes and source; outputs, name and place stay. */
node *node_becomes(model *m, node_id id, const char *domain, const char *op, uint32_t n_in, const value_id *in);
void set_attr_int(model *m, node_id id, const char *name, int64_t v);
void set_attr_ints(model *m, node_id id, const char *name, uint32_t count, const int64_t *v);
void set_attr_float(model *m, node_id id, const char *name, float v);

/* The value's constant data, when it is one with elements that can be read; else NULL. */
const tensor *constant_of(model *m, value_id v);
/* The one element of a constant of real numbers or integers, in a tensor of any rank. */
bool scalar_constant(model *m, value_id v, double *x);
#endif
