/* trim.h - the part of a helper header that a source needs, as plain functions. */
#ifndef ONNXCC_EMIT_TRIM_H
#define ONNXCC_EMIT_TRIM_H
#include "base/text.h"

/* Appends to `out` what `users`, a C text, needs of `header`: the functions, types and macros that it names, and those that they name. Macros that
 * define functions are written as the functions, conditions on VL are decided by `vl`, the include guard and empty conditions are left out; comments
 * go with what they stand before. The header is a regular one: see trim.c. */
void trim_header(arena *mem, const char *header, const char *users, int vl, text *out);
#endif
