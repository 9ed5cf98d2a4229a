/* mathf.h - float functions in one text for one element and for a vector: the same bits in a scalar tail as in the lanes.
 *
 * MATH_FUNCTIONS(S, J, F, I, V) defines S##_exp ... S##_pow for type F with integer type I and integer prefix J, from the primitives S##_set,
 * S##_fma, S##_fmin, S##_fmax, S##_sel, S##_bits, S##_sqrt, S##_abs and J##_float, J##_to_f, J##_set, J##_sub, J##_pow2. Conditions are masks:
 * 0 or -1 in lanes, 0 or 1 in scalars. Sources: Cephes (log; range reduction by Cody and Waite), rational minimax forms for erf and tanh. Errors are in units of
 * the last place (ulp) against the exact value. */
#ifndef ONNXCC_MATHF_H
#define ONNXCC_MATHF_H
#include "scalar.h"

/* a * 2^n for a whole n, |n| < 254: in two halves, so that infinities and subnormals come out right. */
#define MATH_SCALE(S, J, F, I)                                                                 \
    SIMD_FN F S##_scale(F a, F n)                                                              \
    {                                                                                          \
        const F magic = S##_set(12582912.0f);                                                  \
        const I k = J##_sub(S##_bits(n + magic), S##_bits(magic)), half = k >> 1;              \
        return a * J##_pow2(half) * J##_pow2(J##_sub(k, half));                                \
    }

/* exp: 1.1 ulp; overflows to infinity, underflows through the subnormals to 0; NaN stays. expn: 1.1 + |a| / 25 ulp, 0 for results below 2^-125.
 * exp_rest: exp(x) / 2^n as expn, n being x / log(2) as a whole number; log(2) as one number is enough for a product that is not rounded.
 * exp_near: exp(r) for |r| <= log(2) / 2, a minimax polynomial for the relative error, 0.9 ulp. */
#define MATH_EXP(S, J, F, I)                                                                   \
    SIMD_FN F S##_exp_near(F r)                                                                \
    {                                                                                          \
        F p = S##_fma(S##_set(1.3843644e-3f), r, S##_set(8.374163e-3f));                       \
        p = S##_fma(p, r, S##_set(4.1668e-2f));                                                \
        p = S##_fma(p, r, S##_set(1.6666432e-1f));                                             \
        p = S##_fma(p, r, S##_set(4.9999994e-1f));                                             \
        p = S##_fma(p, r, S##_set(1.0f));                                                      \
        return S##_fma(p, r, S##_set(1.0f));                                                   \
    }                                                                                          \
    SIMD_FN F S##_less_log2(F x, F n)                                                          \
    {                                                                                          \
        return S##_fma(n, S##_set(2.12194440e-4f), S##_fma(n, S##_set(-0.693359375f), x));     \
    }                                                                                          \
    SIMD_FN F S##_exp_rest(F x, F n)                                                           \
    {                                                                                          \
        return S##_exp_near(SIMD_FUSED ? S##_fma(n, S##_set(-0.693147182f), x) : S##_less_log2(x, n)); \
    }                                                                                          \
    SIMD_FN F S##_exp(F a)                                                                     \
    {                                                                                          \
        const F magic = S##_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */ \
        const F x = S##_fmin(S##_set(89.0f), S##_fmax(S##_set(-104.0f), a));                   \
        const F n = S##_fma(x, S##_set(1.44269504f), magic) - magic;                           \
        return S##_scale(S##_exp_near(S##_less_log2(x, n)), n);                                \
    }                                                                                          \
    SIMD_FN F S##_expn(F a)                                                                    \
    {                                                                                          \
        const F magic = S##_set(12582912.0f);                                                  \
        const F x = S##_fmin(S##_set(89.0f), S##_fmax(S##_set(-87.5f), a)); /* n from -126 to 128 */ \
        const F t = S##_fma(x, S##_set(1.44269504f), magic);                                   \
        const F p = S##_exp_rest(x, t - magic);                                                \
        return (p + p) * J##_pow2(J##_sub(S##_bits(t), J##_set(0x4b400001))); /* 2^(n - 1) */  \
    }

/* log: 1 ulp; log(0) = -inf, negative numbers give NaN. */
#define MATH_LOG(S, J, F, I)                                                                   \
    SIMD_FN F S##_log(F a)                                                                     \
    {                                                                                          \
        const I tiny = a < S##_set(1.17549435e-38f);                                           \
        const F scaled = S##_sel(tiny, a * S##_set(8388608.0f), a);                            \
        const I up = J##_sub(S##_bits(scaled), J##_set(0x3f3504f3)); /* from sqrt(1/2) */      \
        const I e = (up >> 23) & 511, sign = e & 256;                                          \
        const F m = J##_float((up & 0x7fffff) + 0x3f3504f3) - S##_set(1.0f);                   \
        const F n = J##_to_f((e ^ sign) - sign) - S##_sel(tiny, S##_set(23.0f), S##_set(0.0f)); \
        const F z = m * m;                                                                     \
        F p = S##_fma(S##_set(7.0376836292e-2f), m, S##_set(-1.1514610310e-1f));               \
        p = S##_fma(p, m, S##_set(1.1676998740e-1f));                                          \
        p = S##_fma(p, m, S##_set(-1.2420140846e-1f));                                         \
        p = S##_fma(p, m, S##_set(1.4249322787e-1f));                                          \
        p = S##_fma(p, m, S##_set(-1.6668057665e-1f));                                         \
        p = S##_fma(p, m, S##_set(2.0000714765e-1f));                                          \
        p = S##_fma(p, m, S##_set(-2.4999993993e-1f));                                         \
        p = S##_fma(p, m, S##_set(3.3333331174e-1f));                                          \
        p = p * m * z;                                                                         \
        p = S##_fma(n, S##_set(-2.12194440e-4f), p);                                           \
        p = S##_fma(z, S##_set(-0.5f), p);                                                     \
        F r = S##_fma(n, S##_set(0.693359375f), m + p);                                        \
        r = S##_sel(a == S##_set(INFINITY), a, r);                                             \
        r = S##_sel(a == S##_set(0.0f), S##_set(-INFINITY), r);                                \
        return S##_sel(a >= S##_set(0.0f), r, S##_set(NAN));                                   \
    }

/* erf: odd rational 13/8, 4e-7 absolute. */
#define MATH_ERF(S, J, F, I)                                                                   \
    SIMD_FN F S##_erf(F a)                                                                     \
    {                                                                                          \
        const F x = S##_fmin(S##_set(4.0f), S##_fmax(S##_set(-4.0f), a));                      \
        const F z = x * x;                                                                     \
        F p = S##_fma(S##_set(-2.72614225801306e-10f), z, S##_set(2.77068142495902e-08f));     \
        p = S##_fma(p, z, S##_set(-2.10102402082508e-06f));                                    \
        p = S##_fma(p, z, S##_set(-5.69250639462346e-05f));                                    \
        p = S##_fma(p, z, S##_set(-7.34990630326855e-04f));                                    \
        p = S##_fma(p, z, S##_set(-2.95459980854025e-03f));                                    \
        p = S##_fma(p, z, S##_set(-1.60960333262415e-02f));                                    \
        F q = S##_fma(S##_set(-1.45660718464996e-05f), z, S##_set(-2.13374055278905e-04f));    \
        q = S##_fma(q, z, S##_set(-1.68282697438203e-03f));                                    \
        q = S##_fma(q, z, S##_set(-7.37332916720468e-03f));                                    \
        q = S##_fma(q, z, S##_set(-1.42647390514189e-02f));                                    \
        return S##_fmin(S##_set(1.0f), S##_fmax(S##_set(-1.0f), x * p / q));                   \
    }

/* tanh: odd rational 13/6, 4 ulp; below 0.0004 the argument itself. */
#define MATH_TANH(S, J, F, I)                                                                  \
    SIMD_FN F S##_tanh(F a)                                                                    \
    {                                                                                          \
        const F x = S##_fmin(S##_set(7.90531111f), S##_fmax(S##_set(-7.90531111f), a));        \
        const F z = x * x;                                                                     \
        F p = S##_fma(S##_set(-2.76076847742355e-16f), z, S##_set(2.00018790482477e-13f));     \
        p = S##_fma(p, z, S##_set(-8.60467152213735e-11f));                                    \
        p = S##_fma(p, z, S##_set(5.12229709037114e-08f));                                     \
        p = S##_fma(p, z, S##_set(1.48572235717979e-05f));                                     \
        p = S##_fma(p, z, S##_set(6.37261928875436e-04f));                                     \
        p = S##_fma(p, z, S##_set(4.89352455891786e-03f));                                     \
        F q = S##_fma(S##_set(1.19825839466702e-06f), z, S##_set(1.18534705686654e-04f));      \
        q = S##_fma(q, z, S##_set(2.26843463243900e-03f));                                     \
        q = S##_fma(q, z, S##_set(4.89352518554385e-03f));                                     \
        return S##_sel(S##_abs(a) < S##_set(0.0004f), a, S##_fmin(S##_set(1.0f), S##_fmax(S##_set(-1.0f), x * p / q))); \
    }

/* Activations that kernels take by name. */
#define MATH_GATES(S, J, F, I)                                                                 \
    SIMD_FN F S##_sigmoid(F a) { return S##_set(1.0f) / (S##_set(1.0f) + S##_expn(-a)); }      \
    SIMD_FN F S##_relu(F a) { return S##_max(a, S##_set(0.0f)); }

/* pow: 1 ulp, through double. Special cases as C99's powf. */
#define MATH_POW(S, J, F, I, D)                                                                \
    SIMD_FN F S##_pow(F a, F b)                                                                \
    {                                                                                          \
        const F zero = S##_set(0.0f), one = S##_set(1.0f), x = S##_abs(a);                     \
        const I tiny = x < S##_set(1.17549435e-38f);                                           \
        const I up = S##_bits(S##_sel(tiny, x * S##_set(8388608.0f), x)) - 0x3f3504f3;         \
        const I e = (up >> 23) & 511, sign = e & 256;                                          \
        const F n = J##_to_f((e ^ sign) - sign) - S##_sel(tiny, S##_set(23.0f), zero);         \
        const D m = S##_double(J##_float((up & 0x7fffff) + 0x3f3504f3));                       \
        const D s = (m - 1.0) / (m + 1.0), z = s * s;                                          \
        D q = z * (1.0 / 13.0) + 1.0 / 11.0; /* log(m) = 2 atanh(s) */                         \
        q = q * z + 1.0 / 9.0;                                                                 \
        q = q * z + 1.0 / 7.0;                                                                 \
        q = q * z + 1.0 / 5.0;                                                                 \
        q = q * z + 1.0 / 3.0;                                                                 \
        q = (q * z + 1.0) * s * 2.8853900817779268 + S##_double(n); /* log2(x) */              \
        const D product = q * S##_double(b);                                                   \
        const F t = S##_fmin(S##_set(200.0f), S##_fmax(S##_set(-200.0f), S##_narrow(product))); \
        const F r = S##_rint(t);                                                               \
        const D f = S##_sel_double(S##_abs(t) < S##_set(200.0f), product - S##_double(r), S##_double(t - r)) * 0.69314718055994531; \
        D p = f * (1.0 / 5040.0) + 1.0 / 720.0;                                                \
        p = p * f + 1.0 / 120.0;                                                               \
        p = p * f + 1.0 / 24.0;                                                                \
        p = p * f + 1.0 / 6.0;                                                                 \
        p = (p * f + 0.5) * f * f + f + 1.0;                                                   \
        F y = S##_scale(S##_narrow(p), r);                                                     \
        const F inf = S##_set(INFINITY), whole = S##_rint(b), pair = b * S##_set(0.5f);        \
        const I grows = (x > one) == (b > zero);                                               \
        y = S##_sel((x == inf) | (x == zero) | (S##_abs(b) == inf), S##_sel(grows, inf, zero), y); \
        const I odd = (whole == b) & (S##_rint(pair) != pair);                                 \
        y = S##_sel(odd & (S##_bits(a) < 0), -y, y);                                           \
        y = S##_sel((a < zero) & (whole != b) & (x != inf), S##_set(NAN), y);                  \
        y = S##_sel((x == one) & ((a == one) | (S##_abs(b) == inf)), one, y);                  \
        y = S##_sel((a != a) | (b != b), a + b, y);                                            \
        return S##_sel((b == zero) | (a == one), one, y);                                      \
    }

/* After S##_scale, which comes from MATH_SCALE or an instruction. D: double or a vector of doubles; S##_double widens, S##_narrow rounds back. */
#define MATH_FUNCTIONS(S, J, F, I, D) \
    MATH_EXP(S, J, F, I)              \
    MATH_LOG(S, J, F, I)              \
    MATH_ERF(S, J, F, I)              \
    MATH_TANH(S, J, F, I)             \
    MATH_GATES(S, J, F, I)            \
    MATH_POW(S, J, F, I, D)

SIMD_FN double sf_double(float a) { return (double)a; }
SIMD_FN float sf_narrow(double a) { return (float)a; }
SIMD_FN double sf_sel_double(int32_t m, double a, double b) { return m ? a : b; }
MATH_SCALE(sf, si, float, int32_t)
MATH_FUNCTIONS(sf, si, float, int32_t, double)

/* From libm, one lane at a time in vectors too. */
#define LIBM_FUNCTIONS(X) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh)
#define LIBM_SCALAR(name) SIMD_FN float sf_##name(float a) { return name##f(a); }
LIBM_FUNCTIONS(LIBM_SCALAR)
SIMD_FN float sf_atan2(float a, float b) { return atan2f(a, b); }
SIMD_FN int32_t sf_isnan(float a) { return a != a; }
SIMD_FN int32_t sd_isnan(double a) { return a != a; }
SIMD_FN int32_t sf_isinf(float a) { return fabsf(a) == INFINITY; }
SIMD_FN int32_t sd_isinf(double a) { return fabs(a) == (double)INFINITY; }
#endif
