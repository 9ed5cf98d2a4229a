/* version.h - rewriting nodes from one version of an operator into a later one, with the same meaning.
 *
 * Most versions only allow more types; those steps are free. A step that changes attributes, inputs or semantics has a function of its own
 * in version_*.c, one per neighbouring pair of versions. A later stage then knows one form of each operator. */
#ifndef ONNXCC_OPS_VERSION_H
#define ONNXCC_OPS_VERSION_H
#include "ir/ir.h"

/* Pass `normalize`. Requires: node->version set (check_model_basic), function calls expanded (passes/inline.h): the bodies of functions are
 * left alone. Types of values are used where known, hardly ever needed.
 * Then every node of the main graph and those below it is in the newest form that its operator has, and node->version says so; operators that the standard
 * replaced (Scatter, Upsample) have their new names; removed ones without a replacement of the same meaning (TreeEnsembleClassifier,
 * TreeEnsembleRegressor) stay at their last version. Constants that adapters need are new initializers, nodes that they need are written in
 * the newest form, with the origin of the node they help; value types of new nodes are left to inference.
 * Reports [version-...] with EXIT_UNSUPPORTED for forms that later versions cannot say, all of them in one run, and returns false. */
bool version_to_newest(model *m);

/* For tools that write a model back (model.written_back): every node of ai.onnx outside of functions goes to the form that opset version `to`, newer than the
 * model's, has, and the model imports that version. Requires what version_to_newest does. False after reporting [version-...]. */
bool version_raise(model *m, int to);

/* A node whose form is another one now. */
typedef struct version_change {
    const char *where; /* at_node before */
    const char *op, *new_op;
    int from, to;
    uint32_t added; /* nodes beside it */
    bool rewritten; /* not only another version of the same form */
} version_change;
typedef VEC(version_change) version_changes;

/* The same up and down, and in the bodies of functions, whose calls are still calls. Types of values have to be known as far as they can be (analyze.h): they
 * decide whether an older version allows a node. Initializers and Constant nodes that became attributes go. The
 * IR version stays, as long as it knows imports, and initializers that are no inputs where some were added. False after reporting, for each node in its way,
 * [version-...] with EXIT_UNSUPPORTED. */
bool version_convert(model *m, int to, version_changes *done);

/* The newest version of an operator that says the same as version s without any change to the node. */
const struct op_schema *version_same(const struct op_schema *s);

/* The deprecated last form of an operator: is there another that takes its place? */
bool version_replaces(const struct op_schema *s);

/* As version_to_newest, for the node at place i of a graph, with what was inserted before it then standing at i; the node itself and what follows it come
 * after. Does nothing to a node that is newest already, so a walk in topological order may call it for each place. Inference does: adapters
 * see the types of inputs then, and write simpler forms (Softmax keeps its one axis instead of going through a matrix). */
bool version_node(model *m, graph_id g, uint32_t i);
#endif
