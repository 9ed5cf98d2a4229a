/* size.h - checked arithmetic for everything that comes from a model. Each returns false on overflow and leaves *out alone. */
#ifndef ONNXCC_BASE_SIZE_H
#define ONNXCC_BASE_SIZE_H
#include <stdbool.h>
#include <stdint.h>

static inline bool add_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool sub_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_sub_overflow(a, b, out);
}
static inline bool mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* The same, saturating: for intervals, where INT64_MIN and INT64_MAX mean "without bound". */
int64_t sat_add(int64_t a, int64_t b);
int64_t sat_mul(int64_t a, int64_t b);

/* Division rounding down and up; d > 0. */
int64_t floor_div(int64_t a, int64_t d);
int64_t ceil_div(int64_t a, int64_t d);
int64_t floor_mod(int64_t a, int64_t d); /* 0 <= result < d */
#endif
