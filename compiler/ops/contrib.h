/* contrib.h - operators of domain com.microsoft, which model optimizers write, as operators of ai.onnx. */
#ifndef ONNXCC_OPS_CONTRIB_H
#define ONNXCC_OPS_CONTRIB_H
#include "ops/version_edit.h"

typedef struct {
    const char *op;
    bool (*run)(edit *e); /* as an adapter: rewrites the node in place; leaves it alone when it needs types that are not known yet */
} contrib_row;
extern const contrib_row contrib_rows[], contrib_attention_rows[], contrib_gates_rows[], contrib_other_rows[], contrib_quant_rows[]; /* each ended by a NULL op */

#define CONTRIB_DOMAIN "com.microsoft"

const char *contrib_operator(uint32_t i);               /* the names of all rows, then NULL */
bool contrib_knows(const char *domain, const char *op); /* Would contrib_expand rewrite it? */
/* Rewrites the edited node when it is of com.microsoft and has a row, or LinearAttention or FlexAttention. False after a report. */
bool contrib_expand(edit *e);

/* Before checking: nodes that onnxruntime alone knows but counts to ai.onnx get the domain com.microsoft, which the model then imports. */
void contrib_names(model *m);

/* A node before the edited one with outputs `out`; `a` its n_attr attributes. */
void make_node(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in, uint32_t n_out, const value_id *out);
/* Of the domain and version of `as`, with its attributes. */
void make_node_as(edit *e, const node *as, uint32_t n_in, const value_id *in, uint32_t n_out, const value_id *out);
/* The same with one new output. */
value_id make(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in);
/* A node of com.microsoft, which the edited one is of, that has a lowering. */
value_id make_contrib(edit *e, const char *op, uint32_t n_in, const value_id *in);
/* The edited node becomes `op` of ai.onnx with these inputs, and keeps its attributes and outputs. */
void rename_node(edit *e, const char *op, uint32_t n_in, const value_id *in);
value_id make_value(edit *e, const char *role);
value_id output_of(edit *e, uint32_t i); /* 0: not wanted */
/* The edited node becomes `op` of ai.onnx in its newest form, with the attributes `a` only; its outputs stay. */
void replace_node(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in);
value_id size_of(edit *e, value_id x, int64_t axis); /* of one dimension, as int64[1]; axis >= 0 */
value_id with_bias(edit *e, value_id x, value_id bias); /* their sum; x without a bias */
attr attr_float(model *m, const char *name, float v);
/* The multi-head attention that ends QAttention and Attention: qkv is [batch, sequence, hidden + hidden + hidden of the values]; `like` has the type of
 * the scores, past is [2, batch, heads, sequence, size], what is added to the scores comes as mask and as bias. 0: absent. */
bool become_attention(edit *e, value_id qkv, value_id like, value_id mask, value_id past, value_id bias);
/* layernorm(emb) as the edited node, with the mask's row sums as output 1 where that is wanted. */
bool become_embed_norm(edit *e, value_id sum, value_id gamma, value_id beta, value_id mask);
bool attention_expand(edit *e); /* attention_body.c */
bool attention_knows(const char *domain, const char *op);
bool fused_conv(edit *e);
/* contrib_layout.c: channels last. The permutations that bring the channels of x first, and back; false: its rank is not known, or below 3. */
bool channel_orders(edit *e, value_id x, attr *first, attr *last);
bool with_channels_first(edit *e, uint32_t i);
bool nhwc_expand(edit *e); /* a node of com.ms.internal.nhwc */
bool nhwc_conv(edit *e);
bool nhwc_max_pool(edit *e);
bool q_conv(edit *e);
/* contrib_image.c */
bool bias_add(edit *e);
bool bias_split_gelu(edit *e);
bool group_norm(edit *e);
bool skip_group_norm(edit *e);
bool crop_and_resize(edit *e);
bool refused_search(edit *e); /* contrib_other.c: operators that are known and refused with the reason */
bool c_dist(edit *e); /* contrib_distance.c */
/* contrib_relative.c */
bool relative_bias(edit *e);
bool gated_relative_bias(edit *e);
/* contrib_ids.c */
bool murmur_hash(edit *e);
bool ngram_block(edit *e);
/* contrib_blocks.c */
bool gather_blocks(edit *e);
bool matmul_bnb4(edit *e);
bool q_moe(edit *e);
bool matmul_nbits(edit *e); /* contrib_nbits.c */
bool dynamic_lstm(edit *e); /* contrib_lstm.c: DynamicQuantizeLSTM */
/* word[ids] + position[ids or 0..] + segment[ids]; tables may be functions of their rows (dequantization comes after the gather). */
value_id position_rows(edit *e, value_id table, value_id ids, value_id position_ids);

/* ---- contrib_parts.c ---- */
value_id one_int(edit *e, int64_t v); /* int64[1] */
value_id as_int64(edit *e, value_id v);
value_id count_to(edit *e, value_id n); /* 0, 1, ... below n, an int64[1] */
value_id with_axes(edit *e, value_id x, uint32_t n, const int64_t *axes);
value_id slice(edit *e, value_id x, value_id from, value_id to, int64_t axis); /* elements [from, to); the bounds are int64[1] */
value_id picked(edit *e, value_id x, int64_t at, int64_t axis);                /* element `at` of the axis, which goes */
value_id parted(edit *e, value_id x, int64_t heads);                           /* [batch, sequence, heads * size] as [batch, sequence, heads, size] */
value_id joined(edit *e, value_id x);                                          /* and back */
value_id small_numbers(edit *e, uint32_t n, const int64_t *v);                 /* uint8[n] */
value_id unpacked_bits(edit *e, value_id bytes, int64_t bits);                 /* of each byte, its 8 / bits numbers, the low one first, along a new last axis */
#endif
