/* half.h - float16 and bfloat16 bits to float and back, fast; the same values as elem_get_double and elem_set_double. Rounds to nearest
 * even; too large gives infinity; any NaN gives the quiet NaN with its sign. Needs subnormal floats (no flush to zero). */
#ifndef ONNXCC_BASE_HALF_H
#define ONNXCC_BASE_HALF_H
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float half_to_float(uint16_t h)
{
    /* The exponent field moves into a float's; the factor corrects the bias, for subnormals too. */
    const uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t special = (h & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;
    return bits_float(sign | special | float_bits(bits_float(magnitude) * 0x1p112f));
}

static inline uint16_t float_to_half(float f)
{
    const uint32_t u = float_bits(f) & 0x7fffffff;
    const uint16_t sign = (uint16_t)((float_bits(f) >> 16) & 0x8000);
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (u < 0x38800000) return (uint16_t)(sign | (uint16_t)rintf(bits_float(u) * 0x1p24f)); /* below 2^-14: steps of 2^-24 */
    const uint32_t rounded = (u + 0xfff + ((u >> 13) & 1)) >> 13;
    return (uint16_t)(sign | (u >= 0x47800000 ? 0x7c00 : rounded - (112u << 10)));
}

static inline float bfloat16_to_float(uint16_t h)
{
    return bits_float((uint32_t)h << 16);
}

static inline uint16_t float_to_bfloat16(float f)
{
    const uint32_t u = float_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)((u >> 16 & 0x8000) | 0x7fc0);
    return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
#endif
