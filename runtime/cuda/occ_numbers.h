/* occ_numbers.h - what CUDA calls on numbers, for the emulation: float16, bfloat16 and tf32; bits; the functions that math.h has not. */
#ifndef OCC_NUMBERS_H
#define OCC_NUMBERS_H
#include <cmath>
#include <cstdint>
#include <cstring>

static inline unsigned __float_as_uint(float f)
{
    unsigned u;
    memcpy(&u, &f, sizeof u);
    return u;
}
static inline float __uint_as_float(unsigned u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline int __float_as_int(float f)
{
    return static_cast<int>(__float_as_uint(f));
}
static inline float __int_as_float(int i)
{
    return __uint_as_float(static_cast<unsigned>(i));
}
static inline int __popc(unsigned u)
{
    return __builtin_popcount(u);
}
static inline int __clz(int i)
{
    return i ? __builtin_clz(static_cast<unsigned>(i)) : 32;
}
static inline int __ffs(int i)
{
    return __builtin_ffs(i);
}
template <class T> static inline T __ldg(const T *p)
{
    return *p;
}
static inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}
#define __expf(x) expf(x) /* the C library has functions of these names */
#define __logf(x) logf(x)
static inline float __fdividef(float a, float b)
{
    return a / b;
}
/* One rounding each, and never fused with another: this file's users compile with -ffp-contract=off. */
static inline float __fmul_rn(float a, float b)
{
    return a * b;
}
static inline float __fadd_rn(float a, float b)
{
    return a + b;
}
static inline float __fsub_rn(float a, float b)
{
    return a - b;
}
static inline float __fmaf_rn(float a, float b, float c)
{
    return fmaf(a, b, c);
}

#define OCC_MINMAX(T)                \
    static inline T min(T a, T b)    \
    {                                \
        return b < a ? b : a;        \
    }                                \
    static inline T max(T a, T b)    \
    {                                \
        return a < b ? b : a;        \
    }
OCC_MINMAX(int)
OCC_MINMAX(unsigned)
OCC_MINMAX(long)
OCC_MINMAX(unsigned long)
OCC_MINMAX(long long)
OCC_MINMAX(unsigned long long)
#undef OCC_MINMAX

/* By the exponent: a float16 is a float with 112 subtracted from its exponent, subnormals included when a product does the subtraction. */
static inline float occ_f16_to_float(uint16_t h)
{
    const float f = __uint_as_float((h & 0x7fffu) << 13) * 0x1p112f;
    const unsigned huge = f >= 65536.0f ? 0x7f800000u : 0u; /* infinity and NaN */
    return __uint_as_float(__float_as_uint(f) | huge | (h & 0x8000u) << 16);
}
static inline uint16_t occ_float_to_f16(float x)
{
    const unsigned u = __float_as_uint(x), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return 0x7fff; /* the NaN that the hardware gives */
    if (a >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
    if (a < 0x38800000u) { /* subnormal: adding 0.5 leaves its bits, rounded, at the end of the fraction */
        const float f = __uint_as_float(a) + 0.5f;
        return static_cast<uint16_t>(sign | (__float_as_uint(f) - 0x3f000000u));
    }
    return static_cast<uint16_t>(sign | (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13);
}
static inline float occ_bf16_to_float(uint16_t h)
{
    return __uint_as_float(static_cast<unsigned>(h) << 16);
}
static inline uint16_t occ_float_to_bf16(float x)
{
    const unsigned u = __float_as_uint(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return static_cast<uint16_t>((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}
static inline uint32_t occ_pack_f16(float lo, float hi)
{
    return occ_float_to_f16(lo) | static_cast<uint32_t>(occ_float_to_f16(hi)) << 16;
}
static inline uint32_t occ_pack_bf16(float lo, float hi)
{
    return occ_float_to_bf16(lo) | static_cast<uint32_t>(occ_float_to_bf16(hi)) << 16;
}
static inline uint32_t occ_float_to_tf32(float x)
{
    const unsigned u = __float_as_uint(x);
    return (u & 0x7fffffffu) > 0x7f800000u ? 0x7fffffffu : (u + 0x1000u) & ~0x1fffu; /* infinity stays: its fraction is 0 */
}
#endif
