/* check.h - is a model what the ONNX standard allows?
 *
 * The rules that speak of nodes, values and types are on the IR, without any code per operator: everything comes from schema/. Rules that
 * only the protobuf form can break are in form.h. Every function reports all
 * problems that it finds, in one run. */
#ifndef ONNXCC_CHECK_CHECK_H
#define ONNXCC_CHECK_CHECK_H
#include "proto/load.h"

/* Sets node->version of every node of every graph and function body to the since_version that its opset import selects (0 for a call of a
 * model-local function and for domains that the standard does not define), and checks: IR and opset versions are known; every domain is
 * imported; every operator exists there and is not deprecated; numbers of inputs and outputs; required ones are present; attributes are
 * known, of the right kind, not given twice, and required ones are there; every used value is defined before its use; graph outputs are
 * defined. False after reporting. Calls nothing that needs inferred types. */
bool check_model_basic(model *m);

/* How the node computes an element type that the schema does not list (`listed`, as schema_types.tensor); NULL: not at all. */
typedef const char *(*types_beyond)(model *m, const node *n, uint32_t listed, elem e);

/* After inference: the types of inputs and outputs, where known, against the schema's constraints; equal type variables have equal types. An element type for
 * which `beyond` (NULL: none) has an answer is a warning. Needs the versions that check_model_basic sets. */
bool check_types(model *m, types_beyond beyond);
/* The same for the inputs of one node, at the version that it has. */
bool check_input_types(model *m, const node *n);
/* And of the outputs. */
bool check_node_types(model *m, const node *n, types_beyond beyond);

/* What `onnxcc check` says: the rules on the file's form, stricter than what the loader needs (required fields, names defined twice, nodes out of
 * order), then check_model_basic. Whether everything holds is in d->errors. The model, where it can be read at all; else NULL. `path` as in
 * model_load_bytes. What onnx.checker takes is a warning here: what only onnxcc can't do, and calls that don't fit their function. full: types are looked at, too, so that unknown ones are errors; skip_opset: not operators
 * in functions that differ between the versions which function and model import. */
model *check_model_file(arena *mem, diag *d, const char *path, bool skip_opset, bool full);
/* The same for tools that go on with the model: loaded with these options (proto/load.h). NULL when there are errors. A file in the text form
 * (*.onnxtxt) is read too. */
model *model_load_checked(arena *mem, diag *d, const char *path, const load_options *o);
model *check_model_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path);

/* The function that a node calls; NULL when it is an operator. */
const function *model_function(const model *m, const char *domain, const char *name, const char *overload);
#endif
