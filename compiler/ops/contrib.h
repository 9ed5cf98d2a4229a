/* contrib.h - operators of domain com.microsoft, which model optimizers write, as operators of ai.onnx. */
#ifndef ONNXCC_OPS_CONTRIB_H
#define ONNXCC_OPS_CONTRIB_H
#include "ops/version_edit.h"

typedef struct {
    const char *op;
    bool (*run)(edit *e); /* as an adapter: rewrites the node in place; leaves it alone when it needs types that are not known yet */
} contrib_row;
extern const contrib_row contrib_rows[], contrib_other_rows[], contrib_quant_rows[]; /* each ended by a NULL op */

/* Rewrites the edited node when it is of com.microsoft and has a row. False after a report. */
bool contrib_expand(edit *e);

/* A node before the edited one with outputs `out`; `a` its n_attr attributes. */
void make_node(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in, uint32_t n_out, const value_id *out);
/* The same with one new output. */
value_id make(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in);
/* The edited node becomes `op` of ai.onnx with these inputs, and keeps its attributes and outputs. */
void rename_node(edit *e, const char *op, uint32_t n_in, const value_id *in);
value_id make_value(edit *e, const char *role);
value_id output_of(edit *e, uint32_t i); /* 0: not wanted */
attr attr_float(model *m, const char *name, float v);
/* The multi-head attention that ends QAttention and Attention: qkv is [batch, sequence, 3 * hidden]. */
bool become_attention(edit *e, value_id input, value_id qkv, value_id mask);
/* layernorm(emb) as the edited node, with the mask's row sums as output 1 where that is wanted. */
bool become_embed_norm(edit *e, value_id sum, value_id gamma, value_id beta, value_id mask);
bool dynamic_lstm(edit *e); /* contrib_lstm.c: DynamicQuantizeLSTM */
/* word[ids] + position[ids or 0..] + segment[ids]; tables may be functions of their rows (dequantization comes after the gather). */
value_id position_rows(edit *e, value_id table, value_id ids, value_id position_ids);
#endif
