/* bench_inputs.h - what a measured model is run on. */
#ifndef ONNXCC_DRIVER_BENCH_INPUTS_H
#define ONNXCC_DRIVER_BENCH_INPUTS_H
#include "compile.h"
#include "driver/command.h"
#include "driver/npy.h"
#include "driver/process.h"
#include "driver/session.h"

typedef VEC(tensor_set) input_sets;

/* The sets of --data; or that of --input; or invented ones, up to 256 or 1 MiB together, with --state one. Each has a tensor for every input, all sets have the shapes of the
 * first, and the options pin the model's inputs to them. Reports and returns false on failure. */
bool bench_inputs(command *c, model *m, compile_options *o, input_sets *sets);
/* The options that pin a model (as it was loaded) so, such as "--dim batch=1", each size once; none where its inputs have fixed sizes. */
arguments bench_sizes(model *m, const tensor_set *inputs);

/* Is there anything to measure, with these inputs bound? Else false after reporting: the time of a run that computes nothing says nothing. */
bool bench_worth(command *c, const session *s, const tensor_set *inputs);
#endif
