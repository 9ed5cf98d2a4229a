/* ml.h - what the families of ai.onnx.ml share. */
#ifndef ONNXCC_OPS_ML_H
#define ONNXCC_OPS_ML_H
#include "ops/ops.h"

typedef enum { POST_NONE, POST_SOFTMAX, POST_LOGISTIC, POST_SOFTMAX_ZERO, POST_PROBIT, POST_UNKNOWN } post_kind;

/* Attribute lists; NULL and 0 when absent. */
const float *node_floats(const node *n, const char *name, uint32_t *count);
uint32_t attr_count(const node *n, const char *name);
post_kind post_of(const node *n);

/* Checks that input 0 is [rows, features] or [features], and its type is a number. */
bool ml_matrix(infer_ctx *c);
dim ml_rows(dims *d, const type *t);
dim ml_features(dims *d, const type *t);
/* How many class labels there are, and of which type. */
bool ml_labels(infer_ctx *c, const char *ints, const char *strings, uint32_t *count, elem *t);
slot ml_label_list(lower_ctx *c, const char *ints, const char *strings, uint32_t *count);

/* Feature k of row r of input 0, as float (double when it is one). */
ex ml_feature(lower_ctx *c, dim row, dim k);
/* scores -> to, both [rows, count]: the post transform of the node. */
void ml_post(lower_ctx *c, slot scores, slot to);
/* to[row] = labels[index of the first largest of scores[row]]. */
void ml_label(lower_ctx *c, slot scores, slot labels, slot to);
#endif
