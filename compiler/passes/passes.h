/* passes.h - transformations of the graph. Each says what it requires, keeps and breaks in the comment at its definition. */
#ifndef ONNXCC_PASSES_PASSES_H
#define ONNXCC_PASSES_PASSES_H
#include "compile.h"

bool inline_functions(model *m);                            /* inline.c: no calls of model-local functions are left */
bool version_to_newest(model *m);                           /* ops/version.c: every node is at the newest version of its operator */
bool set_shapes(model *m, const compile_options *o);        /* shapes.c: --dim and --shape */
void remove_dead(model *m);                                 /* dead.c: nodes whose results nobody needs */
const char *model_name(model *m, const compile_options *o, arena *mem); /* shapes.c: the prefix: --name, or from the path */
#endif
