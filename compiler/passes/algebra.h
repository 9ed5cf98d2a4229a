/* algebra.h - what a value is as a formula, whatever nodes an exporter wrote it with: rules that recognise fused operators match this form.
 *
 * A formula is a polynomial in a tensor x and one other tensor t with number coefficients: sums, differences, products, quotients by
 * constants, Neg and Pow with a small whole exponent are computed with. So 0.5 * x * (1 + t), (x / 2) + (t * x) / 2 and x * ((t + 1) * 0.5) are one.
 */
#ifndef ONNXCC_PASSES_ALGEBRA_H
#define ONNXCC_PASSES_ALGEBRA_H
#include "passes/rewrite.h"

enum { FORMULA_X = 4, FORMULA_T = 2 }; /* powers 0 .. 3 of x, 0 .. 1 of t */

typedef struct formula {
    double c[FORMULA_T][FORMULA_X]; /* coefficient of t^i x^k */
} formula;

/* The formula of v in x and t (t may be 0). Nodes between that something else reads too are fine. False: v is no such formula. */
bool formula_of(rewrite *r, value_id v, value_id x, value_id t, formula *f);
/* Whether it has these coefficients and no others, to about single precision. */
bool formula_is(const formula *f, const formula *want);

/* Values that v could be a formula of: v's operands, followed through sums and products; at most `most`, the nearest first. */
uint32_t formula_leaves(rewrite *r, value_id v, value_id *leaf, uint32_t most);

/* v = 1 / sqrt(w): Reciprocal of Sqrt, 1 divided by Sqrt, Pow with -0.5. */
bool is_rsqrt(rewrite *r, value_id v, value_id *w);
/* v = w * w. */
bool is_square(rewrite *r, value_id v, value_id *w);
/* v = mean of w over the last axes from *axis on, which stay as 1. */
bool is_mean(rewrite *r, value_id v, value_id *w, int64_t *axis);
/* v = w + constant. */
bool is_shifted(rewrite *r, value_id v, value_id *w, double *constant);
bool close_to(double a, double b); /* equal to about single precision */
#endif
