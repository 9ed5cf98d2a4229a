/* scalar.h - one element at a time: arithmetic that C leaves undefined or unnamed, casts, and the storage types below 32 bits.
 *
 * The letter says the type: sf float, sd double, si int32_t, su uint32_t, sl int64_t, sw uint64_t. Signed arithmetic wraps; division by zero
 * gives 0; a cast from a float saturates and takes NaN to 0; max and min give NaN when either argument is NaN (ONNX), fmax and fmin give the
 * second argument then (what the vector units do). Everything here is portable C99 and gives the same bits on every machine. */
#ifndef ONNXCC_SCALAR_H
#define ONNXCC_SCALAR_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(OCC_CUDA) /* CUDA C++, for the host and the device */
#define SIMD_FN static inline __host__ __device__
#define SIMD_PREFETCH(p) ((void)(p))
#elif defined(__GNUC__)
#define SIMD_FN static inline __attribute__((always_inline, unused))
#define SIMD_PREFETCH(p) __builtin_prefetch(p, 0, 2) /* into the second cache: what is prefetched is more than the first one holds */
#else
#define SIMD_FN static inline
#define SIMD_PREFETCH(p) ((void)(p))
#endif

/* ---- integers ---- */
#define SIGNED_OPS(S, T, U, MIN, BITS)                                                                                  \
    SIMD_FN T S##_add(T a, T b) { return (T)((U)a + (U)b); }                                                            \
    SIMD_FN T S##_sub(T a, T b) { return (T)((U)a - (U)b); }                                                            \
    SIMD_FN T S##_mul(T a, T b) { return (T)((U)a * (U)b); }                                                            \
    SIMD_FN T S##_neg(T a) { return (T)(0u - (U)a); }                                                                   \
    SIMD_FN T S##_abs(T a) { return a < 0 ? S##_neg(a) : a; }                                                           \
    SIMD_FN T S##_div(T a, T b) { return b == 0 ? 0 : b == -1 ? S##_neg(a) : a / b; }                                   \
    SIMD_FN T S##_mod(T a, T b) { return b == 0 || b == -1 ? 0 : a % b; }                                               \
    SIMD_FN T S##_fmod(T a, T b) { const T r = S##_mod(a, b); return r != 0 && (r < 0) != (b < 0) ? r + b : r; }        \
    SIMD_FN T S##_fdiv(T a, T b) { const T q = S##_div(a, b), r = S##_mod(a, b); return r != 0 && (r < 0) != (b < 0) ? q - 1 : q; } \
    SIMD_FN T S##_shl(T a, T b) { return b < 0 || b >= BITS ? 0 : (T)((U)a << b); }                                     \
    SIMD_FN T S##_shr(T a, T b) { return b < 0 || b >= BITS ? (T)(a < 0 ? -1 : 0) : a >> b; }
#define UNSIGNED_OPS(S, T, BITS)                                                                                        \
    SIMD_FN T S##_div(T a, T b) { return b ? a / b : 0; }                                                               \
    SIMD_FN T S##_mod(T a, T b) { return b ? a % b : 0; }                                                               \
    SIMD_FN T S##_shl(T a, T b) { return b >= BITS ? 0 : a << b; }                                                      \
    SIMD_FN T S##_shr(T a, T b) { return b >= BITS ? 0 : a >> b; }
#define ORDER_OPS(S, T)                                                                                                 \
    SIMD_FN T S##_max(T a, T b) { return a > b ? a : b; }                                                               \
    SIMD_FN T S##_min(T a, T b) { return a < b ? a : b; }
/* a to the power of n by squaring, wrapping; a negative power is 0 except of 1 and -1. */
#define POW_OP(S, T, U)                                                                                                 \
    SIMD_FN T S##_pow(T a, T n)                                                                                         \
    {                                                                                                                   \
        U r = 1, b = (U)a, k = (U)n;                                                                                    \
        if (n < 1 && n != 0) return a == 1 || (a + 1 == 0 && k % 2 == 0) ? 1 : a + 1 == 0 ? a : 0;                      \
        for (; k; k >>= 1, b *= b)                                                                                      \
            if (k & 1) r *= b;                                                                                          \
        return (T)r;                                                                                                    \
    }
SIGNED_OPS(si, int32_t, uint32_t, INT32_MIN, 32)
SIGNED_OPS(sl, int64_t, uint64_t, INT64_MIN, 64)
UNSIGNED_OPS(su, uint32_t, 32)
UNSIGNED_OPS(sw, uint64_t, 64)
POW_OP(si, int32_t, uint32_t)
POW_OP(sl, int64_t, uint64_t)
POW_OP(su, uint32_t, uint32_t)
POW_OP(sw, uint64_t, uint64_t)
ORDER_OPS(si, int32_t)
ORDER_OPS(sl, int64_t)
ORDER_OPS(su, uint32_t)
ORDER_OPS(sw, uint64_t)

/* An index into n elements, negative ones counted from the end; -1 when it is outside. */
SIMD_FN int64_t sl_index(int64_t i, int64_t n)
{
    if (i < 0) i += n;
    return i >= 0 && i < n ? i : -1;
}

/* ---- floats ---- */
#define FLOAT_OPS(S, T)                                                                                                 \
    SIMD_FN T S##_fmax(T a, T b) { return a > b ? a : b; }                                                              \
    SIMD_FN T S##_fmin(T a, T b) { return a < b ? a : b; }                                                              \
    SIMD_FN T S##_max(T a, T b) { return a > b || a != a ? a : b; }                                                     \
    SIMD_FN T S##_min(T a, T b) { return a < b || a != a ? a : b; }                                                     \
    SIMD_FN int32_t S##_to_i(T a) { return !(a > (T)-2147483648.0) ? (a != a ? 0 : INT32_MIN) : a >= (T)2147483648.0 ? INT32_MAX : (int32_t)a; } \
    SIMD_FN uint32_t S##_to_u(T a) { return !(a > 0) ? 0u : a >= (T)4294967296.0 ? UINT32_MAX : (uint32_t)a; }          \
    SIMD_FN int64_t S##_to_l(T a) { return !(a > (T)-9223372036854775808.0) ? (a != a ? 0 : INT64_MIN) : a >= (T)9223372036854775808.0 ? INT64_MAX : (int64_t)a; } \
    SIMD_FN uint64_t S##_to_w(T a) { return !(a > 0) ? 0u : a >= (T)18446744073709551616.0 ? UINT64_MAX : (uint64_t)a; }
FLOAT_OPS(sf, float)
FLOAT_OPS(sd, double)

SIMD_FN int32_t sf_to_i_in(float a) { return a == a ? (int32_t)a : 0; } /* of what is NaN or inside the range */

/* ---- the same bits as another type ---- */
#define BITS_OP(NAME, FROM, TO) SIMD_FN TO NAME(FROM a) { TO r; memcpy(&r, &a, sizeof r); return r; }
BITS_OP(sf_bits, float, int32_t)
BITS_OP(si_float, int32_t, float)
BITS_OP(sf_bits_u, float, uint32_t)
BITS_OP(su_float, uint32_t, float)
BITS_OP(sd_bits, double, int64_t)
BITS_OP(sl_double, int64_t, double)
BITS_OP(sd_bits_w, double, uint64_t)
BITS_OP(sw_double, uint64_t, double)

/* ---- floats below 32 bits, as bits ----
 * `top` says what the largest exponent holds: 0 infinities and NaN (IEEE), 1 only all ones is NaN (..FN), 2 none, and minus zero is NaN (..FNUZ),
 * 3 only numbers. Rounds half to even; too large becomes infinity where there is one, else the largest number. */
SIMD_FN float small_to_f(uint32_t b, int exp_bits, int man_bits, int bias, int top)
{
    const uint32_t mag = b & ((1u << (exp_bits + man_bits)) - 1), sign = (b >> (exp_bits + man_bits) & 1) << 31;
    const int32_t e = (int32_t)(mag >> man_bits);
    const uint32_t m = mag & ((1u << man_bits) - 1);
    if (top == 2 && sign && !mag) return su_float(0x7fc00000u);
    if (top == 1 && mag == (1u << (exp_bits + man_bits)) - 1) return su_float(sign | 0x7fc00000u);
    if (top == 0 && e == (1 << exp_bits) - 1) return su_float(sign | 0x7f800000u | m << (23 - man_bits) | (m ? 0x400000u : 0u));
    if (bias == 127) return su_float(sign | mag << (23 - man_bits));
    if (e) return su_float(sign | ((uint32_t)(e + 127 - bias) << 23 | m << (23 - man_bits)));
    const float f = (float)m * su_float((uint32_t)(128 - bias - man_bits) << 23); /* subnormal: m * 2^(1 - bias - man_bits) */
    return sign ? -f : f;
}
SIMD_FN uint32_t small_of_f(float v, int exp_bits, int man_bits, int bias, int top)
{
    const uint32_t u = sf_bits_u(v), a = u & 0x7fffffffu, sign = u >> 31 << (exp_bits + man_bits), mag = (1u << (exp_bits + man_bits)) - 1;
    const uint32_t inf = mag >> man_bits << man_bits, largest = top == 0 ? inf - 1 : top == 1 ? mag - 1 : mag;
    if (a > 0x7f800000u) return top == 0 ? sign | inf | 1u << (man_bits - 1) : top == 1 ? sign | mag : top == 2 ? mag + 1 : 0;
    const int32_t e = a >= 0x800000u ? (int32_t)(a >> 23) - 127 : -126, low = e < 1 - bias ? 1 - bias : e;
    const int32_t shift = 23 - man_bits + low - e;
    uint32_t code = largest + 1;
    if (a < 0x7f800000u) {
        const uint32_t m = (a & 0x7fffffu) | (a >= 0x800000u ? 0x800000u : 0u);
        uint32_t q = shift > 25 ? 0 : m >> shift;
        const uint32_t rest = shift > 25 ? 0 : m & ((1u << shift) - 1), half = shift > 25 ? 1 : 1u << (shift - 1);
        if (rest > half || (rest == half && (q & 1))) ++q;
        code = q + ((uint32_t)(low + bias - 1) << man_bits); /* the exponent field and a carry of the mantissa add up */
    }
    if (code > largest) code = top == 0 ? inf : largest; /* Cast clamps before where it is to saturate */
    return code || top != 2 ? sign | code : 0;
}
SIMD_FN float f16_to_f(uint16_t b) { return small_to_f(b, 5, 10, 15, 0); }
SIMD_FN uint16_t f16_of_f(float v) { return (uint16_t)small_of_f(v, 5, 10, 15, 0); }
SIMD_FN float bf16_to_f(uint16_t b) { return small_to_f(b, 8, 7, 127, 0); }
SIMD_FN uint16_t bf16_of_f(float v) { return (uint16_t)small_of_f(v, 8, 7, 127, 0); }
SIMD_FN float e4m3fn_to_f(uint8_t b) { return small_to_f(b, 4, 3, 7, 1); }
SIMD_FN uint8_t e4m3fn_of_f(float v) { return (uint8_t)small_of_f(v, 4, 3, 7, 1); }
SIMD_FN float e4m3fnuz_to_f(uint8_t b) { return small_to_f(b, 4, 3, 8, 2); }
SIMD_FN uint8_t e4m3fnuz_of_f(float v) { return (uint8_t)small_of_f(v, 4, 3, 8, 2); }
SIMD_FN float e5m2_to_f(uint8_t b) { return small_to_f(b, 5, 2, 15, 0); }
SIMD_FN uint8_t e5m2_of_f(float v) { return (uint8_t)small_of_f(v, 5, 2, 15, 0); }
SIMD_FN float e5m2fnuz_to_f(uint8_t b) { return small_to_f(b, 5, 2, 16, 2); }
SIMD_FN uint8_t e5m2fnuz_of_f(float v) { return (uint8_t)small_of_f(v, 5, 2, 16, 2); }
SIMD_FN float e2m1_to_f(uint8_t b) { return small_to_f(b, 2, 1, 1, 3); }
SIMD_FN uint8_t e2m1_of_f(float v) { return (uint8_t)small_of_f(v, 2, 1, 1, 3); }
SIMD_FN float e2m3_to_f(uint8_t b) { return small_to_f(b, 2, 3, 1, 3); }
SIMD_FN uint8_t e2m3_of_f(float v) { return (uint8_t)small_of_f(v, 2, 3, 1, 3); }
SIMD_FN float e3m2_to_f(uint8_t b) { return small_to_f(b, 3, 2, 3, 3); }
SIMD_FN uint8_t e3m2_of_f(float v) { return (uint8_t)small_of_f(v, 3, 2, 3, 3); }
/* A power of two without sign, which is dropped: 2^(b - 127), 255 is NaN; rounds up from three quarters. */
SIMD_FN float e8m0_to_f(uint8_t b) { return b == 255 ? su_float(0x7fc00000u) : b ? su_float((uint32_t)b << 23) : su_float(0x00400000u); }
SIMD_FN uint8_t e8m0_of_f(float v)
{
    const uint32_t u = sf_bits_u(v) & 0x7fffffffu;
    if (v != v) return 255;
    if (u < 0x00800000u) return u > 0x00600000u ? 1 : 0;
    return (uint8_t)((u >> 23) + ((u & 0x7fffffu) > 0x400000u));
}

/* ---- packed types, low bits first: element i of `bits` bits ---- */
SIMD_FN uint8_t bits_get(const uint8_t *p, int64_t i, int bits) { return (uint8_t)(p[i * bits / 8] >> (i * bits % 8) & ((1 << bits) - 1)); }
SIMD_FN void bits_put(uint8_t *p, int64_t i, int bits, int32_t v)
{
    const int shift = (int)(i * bits % 8), mask = ((1 << bits) - 1) << shift;
    p[i * bits / 8] = (uint8_t)((p[i * bits / 8] & ~mask) | ((int)((uint32_t)v << shift) & mask));
}
SIMD_FN int32_t u4_ld(const uint8_t *p, int64_t i) { return bits_get(p, i, 4); }
SIMD_FN int32_t i4_ld(const uint8_t *p, int64_t i) { return (bits_get(p, i, 4) ^ 8) - 8; }
SIMD_FN int32_t u2_ld(const uint8_t *p, int64_t i) { return bits_get(p, i, 2); }
SIMD_FN int32_t i2_ld(const uint8_t *p, int64_t i) { return (bits_get(p, i, 2) ^ 2) - 2; }
/* Of 6 bits, four elements in three bytes. */
SIMD_FN uint8_t six_get(const uint8_t *p, int64_t i)
{
    const int64_t at = i * 6 / 8;
    const int shift = (int)(i * 6 % 8);
    return (uint8_t)((p[at] | (shift > 2 ? p[at + 1] << 8 : 0)) >> shift & 63);
}
SIMD_FN void six_put(uint8_t *p, int64_t i, int32_t v)
{
    const int64_t at = i * 6 / 8;
    const int shift = (int)(i * 6 % 8), mask = 63 << shift, put = (int)((uint32_t)v << shift) & mask;
    p[at] = (uint8_t)((p[at] & ~mask) | (put & 255));
    if (shift > 2) p[at + 1] = (uint8_t)((p[at + 1] & ~(mask >> 8)) | put >> 8);
}
SIMD_FN float e2m1_ld(const uint8_t *p, int64_t i) { return e2m1_to_f(bits_get(p, i, 4)); }

/* ---- a row's sum ----
 * A float sum (product) over a row is 16 of them, lane = index mod 16, folded 8-4-2-1, on every target: the same bits whatever the vectors are. */
SIMD_FN float sf_row_sum(const float *l)
{
    float a[8];
    for (int k = 0; k < 8; ++k) a[k] = l[k] + l[k + 8];
    for (int k = 0; k < 4; ++k) a[k] += a[k + 4];
    return (a[0] + a[2]) + (a[1] + a[3]);
}
SIMD_FN float sf_row_prod(const float *l)
{
    float a[8];
    for (int k = 0; k < 8; ++k) a[k] = l[k] * l[k + 8];
    for (int k = 0; k < 4; ++k) a[k] *= a[k + 4];
    return (a[0] * a[2]) * (a[1] * a[3]);
}

/* ---- float functions with vector twins in simd.h ---- */
/* SIMD_FUSED: whether fma rounds once, which makes its product exact. */
#if defined(OCC_CUDA) && !defined(SIMD_NO_FMA)
#define SIMD_FUSED 1
SIMD_FN float sf_fma(float a, float b, float c) { return fmaf(a, b, c); }
#elif (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && !defined(SIMD_NO_FMA)
#define SIMD_FUSED 1
SIMD_FN float sf_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
#define SIMD_FUSED 0
SIMD_FN float sf_fma(float a, float b, float c) { return a * b + c; }
#endif
SIMD_FN float sf_add(float a, float b) { return a + b; }
SIMD_FN float sf_mul(float a, float b) { return a * b; }
SIMD_FN float sf_set(float a) { return a; }
SIMD_FN int32_t si_set(int32_t a) { return a; }
SIMD_FN float sf_abs(float a) { return fabsf(a); }
SIMD_FN float sf_sqrt(float a) { return sqrtf(a); }
#if defined(__SSE4_1__) || defined(__aarch64__) || defined(__ARM_FEATURE_DIRECTED_ROUNDING) || defined(OCC_CUDA)
SIMD_FN float sf_rint(float a) { return rintf(a); }
#else
/* Half to even without libm, whose rintf is a call where the processor has no such instruction: beside 2^23 there is no room for halves. */
SIMD_FN float sf_rint(float a)
{
    const uint32_t sign = sf_bits_u(a) & 0x80000000u;
    const float whole = su_float(sign | 0x4b000000u); /* 2^23 with the sign of a */
    if ((sf_bits_u(a) ^ sign) >= 0x4b000000u) return a; /* a whole number, infinity or NaN */
    return su_float(sf_bits_u(su_float(sf_bits_u(a + whole)) - whole) | sign); /* through bits: no wider type holds the sum */
}
#endif
SIMD_FN float sf_floor(float a) { return floorf(a); }
SIMD_FN float sf_ceil(float a) { return ceilf(a); }
SIMD_FN float sf_trunc(float a) { return truncf(a); }
SIMD_FN float sf_sel(int32_t m, float a, float b) { return m ? a : b; }
SIMD_FN float si_pow2(int32_t k) { return su_float(((uint32_t)k + 127u) << 23); } /* 2^k, -127 < k < 128 */
SIMD_FN float si_to_f(int32_t a) { return (float)a; }
#endif
