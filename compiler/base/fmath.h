/* fmath.h - elementary functions in double that give the same bits on every host.
 *
 * They use only + - * / and exactly rounded functions of libm (sqrt, rint, ldexp, floor, frexp), never fused or reassociated, so constants
 * that the compiler computes do not depend on the C library it runs with (DESIGN section 8). Relative error around 1e-15. NaN gives NaN;
 * infinities and signed zeros follow C99 Annex F. sin, cos and tan are accurate up to |x| about 1e9 and finite beyond. */
#ifndef ONNXCC_BASE_FMATH_H
#define ONNXCC_BASE_FMATH_H

double fm_exp(double x);
double fm_expm1(double x);
double fm_log(double x);
double fm_log1p(double x);
double fm_sin(double x);
double fm_cos(double x);
double fm_tan(double x);
double fm_asin(double x);
double fm_acos(double x);
double fm_atan(double x);
double fm_atan2(double y, double x);
double fm_sinh(double x);
double fm_cosh(double x);
double fm_tanh(double x);
double fm_asinh(double x);
double fm_acosh(double x);
double fm_atanh(double x);
double fm_erf(double x);
double fm_pow(double x, double y);
#endif
