/* labels.h - what a model needs before it can be written out: unique names, and a list for every constant. */
#ifndef ONNXCC_IR_LABELS_H
#define ONNXCC_IR_LABELS_H
#include "ir/ir.h"

/* By value id: the name to write. Values without a name, and those whose name is taken where they are defined, get one made from the id.
 * NULL for values that are not in any graph. */
const char **value_labels(model *m, arena *a);

/* Constants that nodes below graph `root` (the main graph or the body of a function) use but no graph lists as an initializer: passes make
 * them. Of a function also those that its body lists, since a function has no initializers. */
value_id *loose_constants(model *m, arena *a, graph_id root, uint32_t *n);
#endif
