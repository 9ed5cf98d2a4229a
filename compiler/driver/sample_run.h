/* sample_run.h - models that run on sets of inputs: what calibrating and judging share. */
#ifndef ONNXCC_DRIVER_SAMPLE_RUN_H
#define ONNXCC_DRIVER_SAMPLE_RUN_H
#include "driver/sample_sets.h"

/* The model as it is now, as if it were read from a file; NULL after reporting. */
model *model_copy(command *c, model *m);
/* Compiles m, which becomes its program, in `folder` and loads it: with strict math, so that the same numbers come out on every machine, and the options
 * --dim, --shape and --threads. */
bool sample_session(command *c, model *m, const char *folder, session *s);
/* Runs it on a set's inputs, all memory from `mem`; outputs are added to *out. */
bool sample_outputs(session *s, arena *mem, const tensor_set *inputs, tensor_set *out);

/* Visits every set in order, with memory of its own; `what` is shown as progress. A visit that returns false has reported. */
typedef bool sample_visit(void *ctx, const tensor_set *inputs, const char *path, arena *mem);
bool sample_sets_each(command *c, const folder_list *sets, const char *what, sample_visit *visit, void *ctx);
#endif
