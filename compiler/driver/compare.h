/* compare.h - are two tensors the same within a tolerance? */
#ifndef ONNXCC_DRIVER_COMPARE_H
#define ONNXCC_DRIVER_COMPARE_H
#include "ir/ir.h"

typedef struct {
    double rtol, atol;
    bool shapes_only; /* random outputs: types and shapes decide alone */
    double range;     /* also allowed: this times the largest magnitude in the tensor that is expected */
} tolerance;

/* What compare() found; max_* over all elements compared so far, index of the first (else the worst) difference. */
typedef struct {
    bool ok;
    double max_abs, max_rel;
    int64_t index; /* flat; -1: none */
    char reason[200];
} difference;

/* Compares `got` with `expected`: |got - expected| <= atol + rtol * |expected| + range * max |expected| for floats and complex numbers (rtol is at least 2^-6 for
 * bfloat16), NaN equal to NaN, infinities equal when the same; integers, bools and strings exactly; types and shapes always. */
difference compare(const tensor *got, const tensor *expected, tolerance tol);
/* The largest finite magnitude in a tensor of numbers; 0: there is none. */
double tensor_largest(const tensor *t);
#endif
