/* verify.h - --verify-passes: whether a rewrite of the graph, or fusion, changed what the model computes, by running it before and after.
 *
 * The model is lowered as it stands and its nests run in the compiler, on a few small sizes and inputs (random, extreme, NaN and infinite
 * ones). This finds wrong rewrites; it is no judge of operators, since both sides are lowered by the same code. */
#ifndef ONNXCC_PASSES_VERIFY_H
#define ONNXCC_PASSES_VERIFY_H
#include "expr/nest.h"

typedef struct pass_check pass_check;

/* Runs the model as it is now. Types must be known. Everything lives in `mem`. */
pass_check *pass_check_new(arena *mem, model *m);

/* Runs the model again and compares with the run before. `exact`: the pass keeps every bit; otherwise floats may differ by 1e-5 of the largest
 * magnitude in their output, float16 and bfloat16 by a unit in the last place more. Integers are equal, and so is where NaN and infinities
 * stand. False after reporting [verify-pass]. */
bool pass_check_after(pass_check *c, const char *pass, bool exact);

/* The same for the fusion of steps: the model as lowered against the model as lowered and fused by these rules. Every bit is kept,
 * but by constants that become part of expressions and by `reciprocals`, which are compared on random inputs within the slack above. */
bool pass_check_fusion(pass_check *c, const fuse_options *rules);

/* The same for a model that is written back, whose nodes stand at their own versions: a copy of it, at the newest ones, runs. Types need not be known. What
 * can't be run is no error here, since such nodes are left alone; *difference is the largest that was seen, in parts of the largest magnitude, or -1
 * when nothing was compared. */
pass_check *pass_check_written(arena *mem, model *m);
bool pass_check_written_after(pass_check *c, model *m, const char *pass, bool exact, double *difference);

/* Trials that ran before and after the last pass; 0 with *why (in the arena): the model is too large, or holds what can't be run here. */
uint32_t pass_check_trials(const pass_check *c, const char **why);
#endif
