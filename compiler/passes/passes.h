/* passes.h - transformations of the graph. Each says what it requires, keeps and breaks in the comment at its definition. */
#ifndef ONNXCC_PASSES_PASSES_H
#define ONNXCC_PASSES_PASSES_H
#include "compile.h"
#include "passes/inline.h"

bool set_shapes(model *m, const compile_options *o);        /* shapes.c: --dim and --shape */
void remove_identities(model *m);                           /* identity.c: nodes that give their input back */
void fold_batchnorm(model *m);                              /* batchnorm.c: products take what follows on their channels into their weights */
void merge_views(model *m);                                 /* view.c: Reshape, Squeeze, Transpose and the like in a row become one */
void share_sizes(model *m);                                 /* sizes.c: tensors of sizes that are known are taken from where they are cheapest */
void merge_pieces(model *m);                                /* pieces.c: Slice, Concat, Split, Expand */
void simplify_elementwise(model *m);                        /* elementwise.c: Mul by 1, casts in a row, Relu before Clip and the like */
void take_branches(model *m);                               /* branch.c: If with a constant condition */
void drop_zero_states(model *m);                            /* state.c: initial states of LSTM, GRU, RNN that are zero */
void merge_pads(model *m);                                  /* pad.c: Pad into Conv and pools */
void make_gemms(model *m);                                  /* gemm.c: MatMul and Add become Gemm */
void make_norms(model *m);                                  /* norm.c: LayerNormalization, RMSNormalization */
struct pass_context;
void make_activations(model *m, const struct pass_context *c); /* activation.c: Gelu, HardSigmoid, HardSwish, Mish */
void make_attentions(model *m, const struct pass_context *c);  /* attention.c: Attention, MultiHeadAttention */
void make_microsoft(model *m, const struct pass_context *c);   /* microsoft.c: onnxruntime's fused operators */
void merge_common(model *m);                                /* cse.c: equal nodes and equal constants become one */
bool check_limits(model *m);                                /* shapes.c, after inference: every --dim for a size that data decides met its size */
void remove_dead(model *m);                                 /* dead.c: nodes whose results nobody needs */
void keep_folded_outputs(model *m);                         /* dead.c: outputs of graphs that are constants are computed by a Constant */
bool set_values(model *m, const compile_options *o); /* values.c: inputs whose value the user gives become constants */
const char *model_name(model *m, const compile_options *o, arena *mem); /* shapes.c: the prefix: --name, or from the path */
#endif
