/* analyze.h - what is known of the values of a model that stays as its file says it. */
#ifndef ONNXCC_PASSES_ANALYZE_H
#define ONNXCC_PASSES_ANALYZE_H
#include "ops/ops.h"

/* For tools that write the model back. Requires: node->version set (check_model_basic). Then every value has its type, its constant data and its
 * symbolic content as inference finds them (ops.h), for all that can be inferred; nodes, graphs and names are as they were, at the versions that
 * the model imports, calls of functions are still calls. What can't be inferred (an operator that is not supported, a body with sizes that
 * change) keeps the type that the file declares or has none, and nothing is reported.
 *
 * No size is taken as equal to another one unless that is proved (model.written_back): what a tool writes is run by others, who do not check it.
 * A constant of more than `limit` bytes that no constant of the file has becomes none: it stays a node. */
void analyze(model *m, size_t limit);
/* The same; what the file declares of outputs is written again, also where it contradicts what was found. */
void analyze_kept(model *m, size_t limit);
/* For inline_operators: an operator without inference of ours, whose types come from the standard's body. */
bool has_no_types(void *ctx, model *m, const node *n);
/* The same with what inference reports, by these options; its data and content are forgotten. False after an error of inference. */
bool analyze_types(model *m, const infer_options *o);
#endif
