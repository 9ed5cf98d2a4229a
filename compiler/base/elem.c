#include "base/elem.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static const elem_info INFO[ELEM_COUNT] = {
    [ELEM_NONE] = {"undefined", "void", 0, '?'},
#define X(name, code, text, bits, ctype, kind) [code] = {text, ctype, bits, kind},
    ELEM_TYPES(X)
#undef X
};

bool elem_known(int code)
{
    return code > 0 && code < ELEM_COUNT;
}

const elem_info *elem_of(elem t)
{
    return &INFO[elem_known((int)t) ? t : ELEM_NONE];
}

elem elem_named(const char *name)
{
    for (int i = 1; i < ELEM_COUNT; i++)
        if (!strcmp(INFO[i].name, name)) return (elem)i;
    return ELEM_NONE;
}

size_t elem_bytes(elem t, size_t n)
{
    const size_t bits = (size_t)elem_of(t)->bits;
    return bits >= 8 ? n * (bits / 8) : (n * bits + 7) / 8;
}

/* ---- bits of one element, little-endian ---- */

/* A type that is no number has no bits: 0. */
static uint64_t get_bits(int bits, const unsigned char *p, size_t i)
{
    if (!bits) return 0;
    if (bits < 8) {
        const size_t at = i * (size_t)bits, shift = at % 8;
        const unsigned next = shift + (size_t)bits > 8 ? p[at / 8 + 1] : 0;
        return ((p[at / 8] | next << 8) >> shift) & ((1u << bits) - 1);
    }
    uint64_t v = 0;
    const size_t n = (size_t)bits / 8;
    for (size_t k = 0; k < n; k++) v |= (uint64_t)p[i * n + k] << (8 * k);
    return v;
}

static void set_bits(int bits, unsigned char *p, size_t i, uint64_t v)
{
    if (!bits) return;
    if (bits < 8) {
        const size_t at = i * (size_t)bits, shift = at % 8;
        const unsigned mask = ((1u << bits) - 1) << shift, put = (unsigned)(v << shift) & mask;
        p[at / 8] = (unsigned char)((p[at / 8] & ~mask) | put);
        if (mask >> 8) p[at / 8 + 1] = (unsigned char)((p[at / 8 + 1] & ~(mask >> 8)) | put >> 8);
        return;
    }
    const size_t n = (size_t)bits / 8;
    for (size_t k = 0; k < n; k++) p[i * n + k] = (unsigned char)(v >> (8 * k));
}

/* ---- small floats: sign, exponent, mantissa, bias; what the top codes mean ---- */

typedef struct {
    int exp_bits, man_bits, bias;
    char special; /* 'i' IEEE (inf and nan), 'n' all ones is nan only, 'z' minus zero is nan, 'f' finite only */
} small_float;

static small_float small_of(elem t)
{
    switch (t) {
    case ELEM_FLOAT16: return (small_float){5, 10, 15, 'i'};
    case ELEM_BFLOAT16: return (small_float){8, 7, 127, 'i'};
    case ELEM_FLOAT8E4M3FN: return (small_float){4, 3, 7, 'n'};
    case ELEM_FLOAT8E4M3FNUZ: return (small_float){4, 3, 8, 'z'};
    case ELEM_FLOAT8E5M2: return (small_float){5, 2, 15, 'i'};
    case ELEM_FLOAT8E5M2FNUZ: return (small_float){5, 2, 16, 'z'};
    case ELEM_FLOAT4E2M1: return (small_float){2, 1, 1, 'f'};
    case ELEM_FLOAT6E2M3: return (small_float){2, 3, 1, 'f'};
    case ELEM_FLOAT6E3M2: return (small_float){3, 2, 3, 'f'};
    default: return (small_float){0, 0, 0, 0};
    }
}

static double small_to_double(small_float f, uint64_t b)
{
    const int bits = 1 + f.exp_bits + f.man_bits;
    const int e = (int)(b >> f.man_bits) & ((1 << f.exp_bits) - 1), m = (int)(b & ((1u << f.man_bits) - 1));
    const double sign = (b >> (bits - 1)) & 1 ? -1.0 : 1.0;
    if (f.special == 'z' && b == (uint64_t)1 << (bits - 1)) return (double)NAN;
    if (f.special == 'i' && e == (1 << f.exp_bits) - 1) return m ? (double)NAN : sign * (double)INFINITY;
    if (f.special == 'n' && e == (1 << f.exp_bits) - 1 && m == (1 << f.man_bits) - 1) return (double)NAN;
    return e ? sign * ldexp(1.0 + ldexp(m, -f.man_bits), e - f.bias) : sign * ldexp(m, 1 - f.bias - f.man_bits);
}

static uint64_t small_from_double(small_float f, double v)
{
    const int bits = 1 + f.exp_bits + f.man_bits, top = (1 << f.exp_bits) - 1;
    const uint64_t sign = signbit(v) ? (uint64_t)1 << (bits - 1) : 0, mag = ((uint64_t)1 << (bits - 1)) - 1;
    const uint64_t nan = f.special == 'z' ? (uint64_t)1 << (bits - 1)
                       : f.special == 'i' ? sign | (((uint64_t)top << f.man_bits) | ((uint64_t)1 << (f.man_bits - 1)))
                                          : sign | mag;
    const uint64_t largest = f.special == 'i' ? ((uint64_t)top << f.man_bits) - 1 : f.special == 'n' ? mag - 1 : mag;
    if (isnan(v)) return f.special == 'f' ? 0 : nan;
    double a = fabs(v);
    if (a == 0) return f.special == 'z' ? 0 : sign;
    int e;
    (void)frexp(a, &e); /* a = 0.5.. * 2^e, so its leading bit stands for 2^(e-1) */
    if (e - 1 < 1 - f.bias) e = 2 - f.bias; /* subnormal: fixed step */
    const double q = isinf(a) ? a : rint(ldexp(a, f.man_bits - (e - 1))); /* in units of the last mantissa bit */
    uint64_t b = largest + 1;
    if (!isinf(q)) {
        const double code = q + ldexp((double)(e - 1 + f.bias - 1), f.man_bits); /* the exponent field and a mantissa carry add up */
        if (code <= (double)largest) b = (uint64_t)code;
    }
    if (b > largest) return f.special == 'i' ? sign | ((uint64_t)top << f.man_bits) : sign | largest; /* saturates where there is no infinity */
    return b ? sign | b : f.special == 'z' ? 0 : sign;
}

double elem_get_double(elem t, const void *data, size_t i)
{
    const elem_info *info = elem_of(t);
    const uint64_t b = get_bits(info->bits, data, i);
    if (t == ELEM_FLOAT) {
        float v;
        const uint32_t u = (uint32_t)b;
        memcpy(&v, &u, sizeof v);
        return (double)v;
    }
    if (t == ELEM_DOUBLE) {
        double v;
        memcpy(&v, &b, sizeof v);
        return v;
    }
    if (t == ELEM_FLOAT8E8M0) return b == 255 ? (double)NAN : ldexp(1.0, (int)b - 127);
    if (info->kind == 'f') return small_to_double(small_of(t), b);
    return info->kind == 'u' ? (double)b : (double)elem_get_int(t, data, i);
}

long long elem_get_int(elem t, const void *data, size_t i)
{
    const elem_info *info = elem_of(t);
    if (info->kind == 'f') {
        const double v = elem_get_double(t, data, i), most = 9223372036854775808.0;
        return isnan(v) ? 0 : v >= most ? LLONG_MAX : v <= -most ? LLONG_MIN : (long long)v;
    }
    const uint64_t b = get_bits(info->bits, data, i);
    if (info->kind != 'i' || info->bits == 64) return (long long)b;
    const uint64_t sign = (uint64_t)1 << (info->bits - 1);
    return (long long)((b ^ sign) - sign);
}

void elem_set_double(elem t, void *data, size_t i, double v)
{
    const elem_info *info = elem_of(t);
    if (t == ELEM_FLOAT) {
        const float f = (float)v;
        uint32_t u;
        memcpy(&u, &f, sizeof u);
        set_bits(32, data, i, u);
    } else if (t == ELEM_DOUBLE) {
        uint64_t u;
        memcpy(&u, &v, sizeof u);
        set_bits(64, data, i, u);
    } else if (t == ELEM_FLOAT8E8M0) {
        int e;
        const double m = frexp(fabs(v), &e);
        set_bits(8, data, i, isnan(v) ? 255u : v == 0 ? 0u : (uint64_t)(e - 1 + 127 + (m > 0.75)));
    } else if (info->kind == 'f') set_bits(info->bits, data, i, small_from_double(small_of(t), v));
    else if (info->kind == 'b') set_bits(8, data, i, v != 0);
    else {
        const double r = isnan(v) ? 0 : rint(v), lim = ldexp(1.0, info->bits - (info->kind == 'i'));
        const double lo = info->kind == 'i' ? -lim : 0;
        if (r >= lim) set_bits(info->bits, data, i, info->kind == 'i' ? ((uint64_t)1 << (info->bits - 1)) - 1 : ~(uint64_t)0);
        else if (r <= lo) set_bits(info->bits, data, i, info->kind == 'i' ? (uint64_t)1 << (info->bits - 1) : 0);
        else set_bits(info->bits, data, i, r < 0 ? (uint64_t)(long long)r : (uint64_t)r);
    }
}

void elem_set_int(elem t, void *data, size_t i, long long v)
{
    const elem_info *info = elem_of(t);
    if (info->kind == 'f') elem_set_double(t, data, i, (double)v);
    else set_bits(info->bits, data, i, info->kind == 'b' ? (uint64_t)(v != 0) : (uint64_t)v);
}

unsigned elem_get_packed(elem t, const void *data, size_t i)
{
    return (unsigned)get_bits(elem_of(t)->bits, data, i);
}

void elem_set_packed(elem t, void *data, size_t i, unsigned v)
{
    set_bits(elem_of(t)->bits, data, i, v);
}
