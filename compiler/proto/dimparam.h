/* dimparam.h - the text of a symbolic dimension as a dim. */
#ifndef ONNXCC_PROTO_DIMPARAM_H
#define ONNXCC_PROTO_DIMPARAM_H
#include "ir/dim.h"

/* Exporters write sums and products into dim_param ("past_len + 1", "2*s0"), so these are read as expressions over symbols of at least 1:
 * + - * // ( ) numbers, names, Min Max Mod. Any other text is the name of one symbol. `a` is for scratch memory. */
dim dim_of_param(dims *t, arena *a, const char *param);
#endif
