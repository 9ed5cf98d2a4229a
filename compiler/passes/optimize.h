/* optimize.h - the passes over the graph, as a list, and the tool that runs them on a model that is written back. */
#ifndef ONNXCC_PASSES_OPTIMIZE_H
#define ONNXCC_PASSES_OPTIMIZE_H
#include "passes/verify.h"
#include "ir/ir.h"

typedef enum { LEVEL_BASIC, LEVEL_EXTENDED, LEVEL_ALL } pass_level;
typedef enum { FOR_PORTABLE, FOR_ONNXRUNTIME } pass_reader; /* who runs what is written */

typedef struct pass_context {
    pass_reader reader;
    pass_level level;
} pass_context;

typedef struct graph_pass {
    const char *name;
    void (*run)(model *m, const pass_context *c);
    pass_change change; /* what it may do to results */
    bool in_compile;  /* also runs on the main road */
    pass_level level; /* least level that it belongs to */
    const char *what; /* one line */
} graph_pass;
const graph_pass *graph_passes(uint32_t *n); /* in the order in which they run */

typedef struct optimize_options {
    pass_reader reader;
    pass_level level;
    const char *const *passes; /* NULL: all of the level; else the names of those that run */
    uint32_t n_passes;
    bool verify; /* run the model before and after each pass, see verify.h */
} optimize_options;

/* What a pass did, over all rounds. */
typedef struct pass_result {
    const char *name;
    uint32_t before, after; /* nodes, bodies of control flow included: when it first ran, and that less what it removed in all rounds */
    double difference;      /* the largest that --verify-passes saw, in parts of the output's largest magnitude; -1: not compared */
} pass_result;

typedef struct optimize_report {
    VEC(pass_result) passes;
    uint32_t rounds;
} optimize_report;

/* Nodes of the main graph and of the bodies below it. A call of a function is one. */
uint32_t count_nodes(const model *m);

/* Requires: loaded with `keep_source` and checked. Then model_save_own writes a model with the same results in fewer nodes. The report lives in
 * `mem`. False after reporting: an unknown pass (EXIT_USAGE), a pass that changed results (EXIT_INTERNAL). */
bool optimize_model(model *m, arena *mem, const optimize_options *o, optimize_report *report);
#endif
