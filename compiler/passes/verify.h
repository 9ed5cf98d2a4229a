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

/* What a pass may do to results. MOVES_A_STEP is for passes that compute quantized values in another way: each may be rounded to its neighbour,
 * and what depends on it changes in its turn. */
typedef enum {
    KEEPS_BITS,
    ROUNDS_FINITE, /* the next, where inputs are finite numbers */
    ROUNDS_ANEW, /* floats may differ by 1e-5 of the largest magnitude in their output, float16 and bfloat16 by a unit in the last place more */
    MOVES_A_STEP /* an output's elements may differ by half a step on average, in an output of few by four: a step is 1 in integers of 8 bits, 1/128 of
                  * the largest magnitude in floats, a tenth of a difference in other integers. Inputs with NaN and infinities are not compared */
} pass_change;

/* Runs the model again and compares with the run before. Integers are equal (but see above), and so is where NaN and infinities stand. False after
 * reporting [verify-pass]. */
bool pass_check_after(pass_check *c, const char *pass, pass_change allowed);

/* The same for the fusion of steps: the model as lowered against the model as lowered and fused by these rules. Every bit is kept,
 * but by constants that become part of expressions and by `reciprocals`, which are compared on random inputs within the slack above. */
bool pass_check_fusion(pass_check *c, const fuse_options *rules);

/* The same for a model that is written back, whose nodes stand at their own versions: a copy of it, at the newest ones, runs. Types need not be known. What
 * can't be run is no error here, since such nodes are left alone; *difference is the largest that was seen, in parts of the largest magnitude, or -1
 * when nothing was compared. */
pass_check *pass_check_written(arena *mem, model *m);
bool pass_check_written_after(pass_check *c, model *m, const char *pass, pass_change allowed, double *difference);

/* Trials that ran before and after the last pass; 0 with *why (in the arena): the model is too large, or holds what can't be run here. */
uint32_t pass_check_trials(const pass_check *c, const char **why);
#endif
