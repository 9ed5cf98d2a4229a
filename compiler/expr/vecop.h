/* vecop.h - the meaning of every operation of an expression, on arrays of lanes in host memory.
 *
 * One definition serves the interpreter (hundreds of lanes) and constant folding in the constructors (one lane). A lane of a compute type
 * is stored as: BOOL uint8_t (0 or 1), I32 int32_t, U32 uint32_t, I64 int64_t, U64 uint64_t, F32 float, F64 double, STR the
 * address of a C string as uint64_t. Float functions other
 * than + - * / sqrt and the exact ones come from base/fmath.h, so results are the same on every host; F32 results are the double function
 * rounded once. `out` may be the same array as an argument, except in vec_cast. */
#ifndef ONNXCC_EXPR_VECOP_H
#define ONNXCC_EXPR_VECOP_H
#include "expr/expr.h"

size_t lane_bytes(ctype t);

void vec_un(ex_op op, ctype t, uint32_t n, void *out, const void *a); /* NEG .. NOT; ISNAN and ISINF give BOOL lanes */
void vec_cast(ctype to, ctype from, uint32_t n, void *out, const void *a);
void vec_round(elem to, ctype t, uint32_t n, void *out, const void *a);
/* ADD .. NE on arguments of type t; comparisons give BOOL lanes. */
void vec_bin(ex_op op, ctype t, uint32_t n, void *out, const void *a, const void *b);
/* out = c ? a : b */
void vec_select(ctype t, uint32_t n, void *out, const uint8_t *c, const void *a, const void *b);
/* The identity of a fold, one lane. */
void fold_identity(fold f, ctype t, void *out);
ex_op fold_op(fold f); /* ADD, MUL, MAX, MIN, OR, AND */
#endif
