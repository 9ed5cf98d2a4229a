/* control.h - lowering of whole graphs, for the main graph and for the bodies of If, Loop and Scan. */
#ifndef ONNXCC_OPS_CONTROL_H
#define ONNXCC_OPS_CONTROL_H
#include "ops/ops.h"

/* Appends the steps of all nodes of a graph. Reports every problem; false when there was one. */
bool lower_graph(program *p, slot *of_value, block *to, graph_id g);
#endif
