/* contrib_attention.h - what the attention operators of com.microsoft share. */
#ifndef ONNXCC_OPS_CONTRIB_ATTENTION_H
#define ONNXCC_OPS_CONTRIB_ATTENTION_H
#include "ops/contrib.h"

typedef struct {
    int64_t heads, kv_heads;
    value_id q, k, v, mask, past_k, past_v, sink; /* as inputs of ai.onnx's Attention; 0: absent. sink: of our own */
    value_id out, present_k, present_v, scores;   /* outputs */
    int64_t score_mode;
    bool causal, k_parted; /* k_parted: k has 4 dimensions */
} attention_call;

/* The edited node becomes Attention. */
bool become_call(edit *e, const attention_call *c);
/* A node after the edited one; the last one made stands first. */
void make_after(edit *e, const char *op, uint32_t n_attr, const attr *a, uint32_t n_in, const value_id *in, value_id out);

/* [batch, sequence, heads * size] as [batch, heads, sequence, size]. */
value_id head_rows(edit *e, value_id x, int64_t heads);
/* The past, a buffer [batch, heads, most, size], with `update` from row before[batch or 1] on, as the value `out` (0: a new one). */
value_id scattered(edit *e, value_id past, value_id update, value_id before, value_id out);

/* The width that a table of cosines says, when it is a number; else 0. */
int64_t turned_width(edit *e, value_id cosines);
/* first[batch or 1] + 0, 1, ... as [batch, sequence]; x is [batch, ...], length int64[1]. */
value_id positions_from(edit *e, value_id first, value_id x, value_id length);

bool group_query(edit *e); /* contrib_grouped.c */
#endif
