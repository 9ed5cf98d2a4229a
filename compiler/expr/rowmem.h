/* rowmem.h - rows of elements between tensors in host memory (row-major, little-endian, packed below 8 bits) and lanes of compute types. */
#ifndef ONNXCC_EXPR_ROWMEM_H
#define ONNXCC_EXPR_ROWMEM_H
#include "expr/expr.h"

/* Which elements: lane i is element (at ? at[i] : 0) + base + i * step, and takes part when mask is NULL or mask[i] is not 0. */
typedef struct {
    int64_t base, step;
    const int64_t *at;
    const uint8_t *mask;
    uint32_t n;
} row;

/* Loads widen to lanes of ctype_of(t), stores narrow from them: integers wrap, floats round to nearest even. */
void row_load(elem t, const void *data, const row *r, void *lanes);
void row_store(elem t, void *data, const row *r, const void *lanes);
/* Every lane that takes part is an element in [0, count). */
bool row_inside(const row *r, int64_t count);
#endif
