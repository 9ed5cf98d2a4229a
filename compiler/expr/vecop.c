/* vecop.c - see vecop.h. Each operation is one loop per type; the loops are written out by macros so that they can be vectorized. */
#include "expr/vecop.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/half.h"

size_t lane_bytes(ctype t)
{
    switch (t) {
    case CT_BOOL: return 1;
    case CT_I32:
    case CT_U32:
    case CT_F32: return 4;
    default: return 8;
    }
}

#define LANES for (uint32_t i = 0; i < n; i++)
/* out[i] = EXPR of x = a[i] and y = b[i]. */
#define MAP1(T, R, EXPR)              \
    do {                              \
        const T *pa = a;              \
        R *po = out;                  \
        LANES {                       \
            const T x = pa[i];        \
            po[i] = (R)(EXPR);        \
        }                             \
    } while (0)
#define MAP2(T, R, EXPR)              \
    do {                              \
        const T *pa = a, *pb = b;     \
        R *po = out;                  \
        LANES {                       \
            const T x = pa[i];        \
            const T y = pb[i];        \
            po[i] = (R)(EXPR);        \
        }                             \
    } while (0)

/* ---- one argument ---- */

static void functions_f64(ex_op op, uint32_t n, double *out, const double *a)
{
    double (*const f)(double) = op == EX_EXP || op == EX_EXPN ? fm_exp
                                : op == EX_LOG   ? fm_log
                                : op == EX_SIN   ? fm_sin
                                : op == EX_COS   ? fm_cos
                                : op == EX_TAN   ? fm_tan
                                : op == EX_ASIN  ? fm_asin
                                : op == EX_ACOS  ? fm_acos
                                : op == EX_ATAN  ? fm_atan
                                : op == EX_SINH  ? fm_sinh
                                : op == EX_COSH  ? fm_cosh
                                : op == EX_TANH  ? fm_tanh
                                : op == EX_ASINH ? fm_asinh
                                : op == EX_ACOSH ? fm_acosh
                                : op == EX_ATANH ? fm_atanh
                                                 : fm_erf;
    assert(op >= EX_EXP && op <= EX_ERF);
    LANES out[i] = f(a[i]);
}

enum { CHUNK = 256 };

static void functions_f32(ex_op op, uint32_t n, float *out, const float *a)
{
    double t[CHUNK];
    for (uint32_t at = 0; at < n; at += CHUNK) {
        const uint32_t m = n - at < CHUNK ? n - at : CHUNK;
        for (uint32_t i = 0; i < m; i++) t[i] = (double)a[at + i];
        functions_f64(op, m, t, t);
        for (uint32_t i = 0; i < m; i++) out[at + i] = (float)t[i];
    }
}

static void un_f32(ex_op op, uint32_t n, void *out, const void *a)
{
    switch (op) {
    case EX_NEG: MAP1(float, float, -x); break;
    case EX_ABS: MAP1(float, float, fabsf(x)); break;
    case EX_SQRT: MAP1(float, float, sqrtf(x)); break;
    case EX_FLOOR: MAP1(float, float, floorf(x)); break;
    case EX_CEIL: MAP1(float, float, ceilf(x)); break;
    case EX_RINT: MAP1(float, float, rintf(x)); break;
    case EX_TRUNC: MAP1(float, float, truncf(x)); break;
    case EX_ISNAN: MAP1(float, uint8_t, x != x); break;
    case EX_ISINF: MAP1(float, uint8_t, fabsf(x) == INFINITY); break;
    default: functions_f32(op, n, out, a);
    }
}

static void un_f64(ex_op op, uint32_t n, void *out, const void *a)
{
    switch (op) {
    case EX_NEG: MAP1(double, double, -x); break;
    case EX_ABS: MAP1(double, double, fabs(x)); break;
    case EX_SQRT: MAP1(double, double, sqrt(x)); break;
    case EX_FLOOR: MAP1(double, double, floor(x)); break;
    case EX_CEIL: MAP1(double, double, ceil(x)); break;
    case EX_RINT: MAP1(double, double, rint(x)); break;
    case EX_TRUNC: MAP1(double, double, trunc(x)); break;
    case EX_ISNAN: MAP1(double, uint8_t, x != x); break;
    case EX_ISINF: MAP1(double, uint8_t, fabs(x) == (double)INFINITY); break;
    default: functions_f64(op, n, out, a);
    }
}

/* Integers wrap: computed in the unsigned type U of the same width, stored back as T. */
#define UN_INT(T, U)                                                    \
    switch (op) {                                                       \
    case EX_NEG: MAP1(T, T, (U)0 - (U)x); break;                        \
    case EX_ABS: MAP1(T, T, x < (T)1 ? (U)0 - (U)x : (U)x); break;      \
    case EX_NOT: MAP1(T, T, ~(U)x); break;                              \
    case EX_ISNAN:                                                      \
    case EX_ISINF: memset(out, 0, n); break;                            \
    default: memmove(out, a, n * sizeof(T)); /* floor, rint, ...: it is an integer already */ \
    }

void vec_un(ex_op op, ctype t, uint32_t n, void *out, const void *a)
{
    switch (t) {
    case CT_F32: un_f32(op, n, out, a); break;
    case CT_F64: un_f64(op, n, out, a); break;
    case CT_BOOL:
        if (op == EX_NOT) MAP1(uint8_t, uint8_t, !x);
        else memmove(out, a, n);
        break;
    case CT_I32: UN_INT(int32_t, uint32_t); break;
    case CT_I64: UN_INT(int64_t, uint64_t); break;
    case CT_U32:
        if (op == EX_ABS) memmove(out, a, n * sizeof(uint32_t));
        else UN_INT(uint32_t, uint32_t);
        break;
    case CT_U64:
        if (op == EX_ABS) memmove(out, a, n * sizeof(uint64_t));
        else UN_INT(uint64_t, uint64_t);
        break;
    case CT_STR: assert(0 && "an operation of one string");
    }
}

/* ---- casts ---- */

/* Truncates; NaN gives 0, values outside saturate. The bounds are exact in double. */
static int32_t to_i32(double v)
{
    return v != v ? 0 : v <= -2147483648.0 ? INT32_MIN : v >= 2147483647.0 ? INT32_MAX : (int32_t)v;
}
static uint32_t to_u32(double v)
{
    return v != v || v <= 0 ? 0 : v >= 4294967295.0 ? UINT32_MAX : (uint32_t)v;
}
static int64_t to_i64(double v)
{
    return v != v ? 0 : v < -9223372036854775808.0 ? INT64_MIN : v >= 9223372036854775808.0 ? INT64_MAX : (int64_t)v;
}
static uint64_t to_u64(double v)
{
    return v != v || v <= 0 ? 0 : v >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)v;
}

#define CAST_FROM_INT(T)                                    \
    switch (to) {                                           \
    case CT_BOOL: MAP1(T, uint8_t, x != 0); break;          \
    case CT_I32: MAP1(T, int32_t, (uint32_t)x); break;      \
    case CT_U32: MAP1(T, uint32_t, x); break;               \
    case CT_I64: MAP1(T, int64_t, x); break;                \
    case CT_U64: MAP1(T, uint64_t, x); break;               \
    case CT_F32: MAP1(T, float, x); break;                  \
    case CT_F64: MAP1(T, double, x); break;                 \
    case CT_STR: break;                                     \
    }
#define CAST_FROM_FLOAT(T)                                  \
    switch (to) {                                           \
    case CT_BOOL: MAP1(T, uint8_t, x != 0); break;          \
    case CT_I32: MAP1(T, int32_t, to_i32((double)x)); break; \
    case CT_U32: MAP1(T, uint32_t, to_u32((double)x)); break; \
    case CT_I64: MAP1(T, int64_t, to_i64((double)x)); break; \
    case CT_U64: MAP1(T, uint64_t, to_u64((double)x)); break; \
    case CT_F32: MAP1(T, float, x); break;                  \
    case CT_F64: MAP1(T, double, x); break;                 \
    case CT_STR: break;                                     \
    }

void vec_cast(ctype to, ctype from, uint32_t n, void *out, const void *a)
{
    switch (from) {
    case CT_BOOL: CAST_FROM_INT(uint8_t); break;
    case CT_I32: CAST_FROM_INT(int32_t); break;
    case CT_U32: CAST_FROM_INT(uint32_t); break;
    case CT_I64: CAST_FROM_INT(int64_t); break;
    case CT_U64: CAST_FROM_INT(uint64_t); break;
    case CT_F32: CAST_FROM_FLOAT(float); break;
    case CT_F64: CAST_FROM_FLOAT(double); break;
    case CT_STR: break; /* strings are not cast */
    }
}

void vec_round(elem to, ctype t, uint32_t n, void *out, const void *a)
{
    uint64_t cell;
    if (t == CT_F32 && to == ELEM_FLOAT16) {
        MAP1(float, float, half_to_float(float_to_half(x)));
        return;
    }
    if (t == CT_F32 && to == ELEM_BFLOAT16) {
        MAP1(float, float, bfloat16_to_float(float_to_bfloat16(x)));
        return;
    }
    switch (t) {
    case CT_F32: MAP1(float, float, (elem_set_double(to, &cell, 0, (double)x), elem_get_double(to, &cell, 0))); break;
    case CT_F64: MAP1(double, double, (elem_set_double(to, &cell, 0, x), elem_get_double(to, &cell, 0))); break;
    case CT_I32: MAP1(int32_t, int32_t, (elem_set_int(to, &cell, 0, x), elem_get_int(to, &cell, 0))); break;
    case CT_U32: MAP1(uint32_t, uint32_t, (elem_set_int(to, &cell, 0, x), elem_get_int(to, &cell, 0))); break;
    case CT_I64: MAP1(int64_t, int64_t, (elem_set_int(to, &cell, 0, x), elem_get_int(to, &cell, 0))); break;
    case CT_U64: MAP1(uint64_t, uint64_t, (elem_set_int(to, &cell, 0, (long long)x), elem_get_int(to, &cell, 0))); break;
    case CT_BOOL: memmove(out, a, n); break;
    case CT_STR: memmove(out, a, n * sizeof(uint64_t)); break;
    }
}

/* ---- two arguments ---- */

static float pow_f32(float x, float y)
{
    return (float)fm_pow((double)x, (double)y);
}
static float atan2_f32(float x, float y)
{
    return (float)fm_atan2((double)x, (double)y);
}

/* NaN wins; +0 is above -0, so that the order of the arguments does not matter. */
#define MAX_NAN(x, y) ((x) != (x) || (x) > (y) ? (x) : (x) == (y) ? (signbit(x) ? (y) : (x)) : (y))
#define MIN_NAN(x, y) ((x) != (x) || (x) < (y) ? (x) : (x) == (y) ? (signbit(x) ? (x) : (y)) : (y))

#define BIN_FLOAT(T, FMOD, POW, ATAN2)                           \
    switch (op) {                                                \
    case EX_ADD: MAP2(T, T, x + y); break;                       \
    case EX_SUB: MAP2(T, T, x - y); break;                       \
    case EX_MUL: MAP2(T, T, x * y); break;                       \
    case EX_DIV: MAP2(T, T, x / y); break;                       \
    case EX_MOD: MAP2(T, T, FMOD(x, y)); break;                  \
    case EX_MAX: MAP2(T, T, MAX_NAN(x, y)); break;               \
    case EX_MIN: MAP2(T, T, MIN_NAN(x, y)); break;               \
    case EX_POW: MAP2(T, T, POW(x, y)); break;                   \
    case EX_ATAN2: MAP2(T, T, ATAN2(x, y)); break;               \
    case EX_LT: MAP2(T, uint8_t, x < y); break;                  \
    case EX_LE: MAP2(T, uint8_t, x <= y); break;                 \
    case EX_EQ: MAP2(T, uint8_t, x == y); break;                 \
    case EX_NE: MAP2(T, uint8_t, x != y); break;                 \
    default: assert(0 && "a float operation of two arguments");      \
    }

static uint64_t pow_u64(uint64_t base, uint64_t exponent)
{
    uint64_t r = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1) r *= base;
    return r;
}

/* Wrapping; a negative exponent gives the truncated fraction. */
static int64_t pow_i64(int64_t base, int64_t exponent)
{
    if (exponent >= 0) return (int64_t)pow_u64((uint64_t)base, (uint64_t)exponent);
    return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
}

static int64_t div_i64(int64_t x, int64_t y)
{
    return y == 0 ? 0 : y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y;
}
static int64_t mod_i64(int64_t x, int64_t y)
{
    return y == 0 || y == -1 ? 0 : x % y;
}
static int64_t fdiv_i64(int64_t x, int64_t y)
{
    const int64_t q = div_i64(x, y), r = mod_i64(x, y);
    return r != 0 && (r < 0) != (y < 0) ? q - 1 : q;
}
static int64_t fmod_i64(int64_t x, int64_t y)
{
    const int64_t r = mod_i64(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static uint64_t div_u64(uint64_t x, uint64_t y)
{
    return y ? x / y : 0;
}
static uint64_t mod_u64(uint64_t x, uint64_t y)
{
    return y ? x % y : 0;
}

/* Shifts by the width or more give 0 (the sign for an arithmetic shift to the right). */
#define SHIFT_OUT(T, y) ((uint64_t)(y) >= 8 * sizeof(T))

#define BIN_INT(T, U, WIDE, DIV, MOD, FDIV, FMOD, POW)                                        \
    switch (op) {                                                                             \
    case EX_ADD: MAP2(T, T, (U)x + (U)y); break;                                              \
    case EX_SUB: MAP2(T, T, (U)x - (U)y); break;                                              \
    case EX_MUL: MAP2(T, T, (U)x * (U)y); break;                                              \
    case EX_DIV: MAP2(T, T, DIV((WIDE)x, (WIDE)y)); break;                                    \
    case EX_MOD: MAP2(T, T, MOD((WIDE)x, (WIDE)y)); break;                                    \
    case EX_FDIV: MAP2(T, T, FDIV((WIDE)x, (WIDE)y)); break;                                  \
    case EX_FMOD: MAP2(T, T, FMOD((WIDE)x, (WIDE)y)); break;                                  \
    case EX_MAX: MAP2(T, T, x > y ? x : y); break;                                            \
    case EX_MIN: MAP2(T, T, x < y ? x : y); break;                                            \
    case EX_POW: MAP2(T, T, POW((WIDE)x, (WIDE)y)); break;                                    \
    case EX_AND: MAP2(T, T, (U)x & (U)y); break;                                              \
    case EX_OR: MAP2(T, T, (U)x | (U)y); break;                                               \
    case EX_XOR: MAP2(T, T, (U)x ^ (U)y); break;                                              \
    case EX_SHL: MAP2(T, T, SHIFT_OUT(T, y) ? (U)0 : (U)((U)x << y)); break;                  \
    case EX_SHR: MAP2(T, T, SHIFT_OUT(T, y) ? (T)(x < (T)1 && x != 0 ? ~(U)0 : 0) : (T)(x >> y)); break; \
    case EX_LT: MAP2(T, uint8_t, x < y); break;                                               \
    case EX_LE: MAP2(T, uint8_t, x <= y); break;                                              \
    case EX_EQ: MAP2(T, uint8_t, x == y); break;                                              \
    case EX_NE: MAP2(T, uint8_t, x != y); break;                                              \
    default: assert(0 && "an integer operation of two arguments");                                \
    }

static void bin_bool(ex_op op, uint32_t n, void *out, const void *a, const void *b)
{
    switch (op) {
    case EX_AND:
    case EX_MIN:
    case EX_MUL: MAP2(uint8_t, uint8_t, x & y); break;
    case EX_OR:
    case EX_MAX:
    case EX_ADD: MAP2(uint8_t, uint8_t, x | y); break;
    case EX_XOR:
    case EX_NE: MAP2(uint8_t, uint8_t, x ^ y); break;
    case EX_EQ: MAP2(uint8_t, uint8_t, x == y); break;
    case EX_LT: MAP2(uint8_t, uint8_t, x < y); break;
    case EX_LE: MAP2(uint8_t, uint8_t, x <= y); break;
    default: assert(0 && "a bool operation of two arguments");
    }
}

static int order_of(uint64_t a, uint64_t b)
{
    return strcmp((const char *)(uintptr_t)a, (const char *)(uintptr_t)b);
}

static void bin_text(ex_op op, uint32_t n, void *out, const void *a, const void *b)
{
    switch (op) {
    case EX_EQ: MAP2(uint64_t, uint8_t, order_of(x, y) == 0); break;
    case EX_NE: MAP2(uint64_t, uint8_t, order_of(x, y) != 0); break;
    case EX_LT: MAP2(uint64_t, uint8_t, order_of(x, y) < 0); break;
    case EX_LE: MAP2(uint64_t, uint8_t, order_of(x, y) <= 0); break;
    default: assert(0 && "an operation of two strings");
    }
}

void vec_bin(ex_op op, ctype t, uint32_t n, void *out, const void *a, const void *b)
{
    switch (t) {
    case CT_BOOL: bin_bool(op, n, out, a, b); break;
    case CT_I32: BIN_INT(int32_t, uint32_t, int64_t, div_i64, mod_i64, fdiv_i64, fmod_i64, pow_i64); break;
    case CT_U32: BIN_INT(uint32_t, uint32_t, uint64_t, div_u64, mod_u64, div_u64, mod_u64, pow_u64); break;
    case CT_I64: BIN_INT(int64_t, uint64_t, int64_t, div_i64, mod_i64, fdiv_i64, fmod_i64, pow_i64); break;
    case CT_U64: BIN_INT(uint64_t, uint64_t, uint64_t, div_u64, mod_u64, div_u64, mod_u64, pow_u64); break;
    case CT_F32: BIN_FLOAT(float, fmodf, pow_f32, atan2_f32); break;
    case CT_F64: BIN_FLOAT(double, fmod, fm_pow, fm_atan2); break;
    case CT_STR: bin_text(op, n, out, a, b); break;
    }
}

void vec_select(ctype t, uint32_t n, void *out, const uint8_t *c, const void *a, const void *b)
{
    /* Moved as bits, so that a NaN passes unchanged. */
    switch (lane_bytes(t)) {
    case 1: MAP2(uint8_t, uint8_t, c[i] ? x : y); break;
    case 4: MAP2(uint32_t, uint32_t, c[i] ? x : y); break;
    default: MAP2(uint64_t, uint64_t, c[i] ? x : y);
    }
}

/* ---- folds ---- */

ex_op fold_op(fold f)
{
    static const ex_op OP[] = {[FOLD_NONE] = EX_NONE, [FOLD_SUM] = EX_ADD, [FOLD_PROD] = EX_MUL, [FOLD_MAX] = EX_MAX,
                               [FOLD_MIN] = EX_MIN,   [FOLD_OR] = EX_OR,   [FOLD_AND] = EX_AND};
    return OP[f];
}

void fold_identity(fold f, ctype t, void *out)
{
    const bool is_float = t == CT_F32 || t == CT_F64, is_signed = t == CT_I32 || t == CT_I64;
    double d = 0;
    uint64_t u = 0;
    const int bits = (int)lane_bytes(t) * 8;
    switch (f) {
    case FOLD_PROD: d = 1, u = 1; break;
    case FOLD_MAX:
        d = -(double)INFINITY;
        u = is_signed ? (uint64_t)1 << (bits - 1) : 0;
        break;
    case FOLD_MIN:
        d = (double)INFINITY;
        u = t == CT_BOOL ? 1 : is_signed ? ((uint64_t)1 << (bits - 1)) - 1 : ~(uint64_t)0;
        break;
    case FOLD_AND: u = t == CT_BOOL ? 1 : ~(uint64_t)0; break;
    default: break;
    }
    const float s = (float)d;
    const uint8_t u8 = (uint8_t)u;
    const uint32_t u32 = (uint32_t)u;
    if (is_float) memcpy(out, t == CT_F32 ? (const void *)&s : (const void *)&d, lane_bytes(t));
    else memcpy(out, bits == 8 ? (const void *)&u8 : bits == 32 ? (const void *)&u32 : (const void *)&u, lane_bytes(t));
}
