#include "base/size.h"

int64_t sat_add(int64_t a, int64_t b)
{
    int64_t r;
    if (a == INT64_MAX || b == INT64_MAX) return INT64_MAX;
    if (a == INT64_MIN || b == INT64_MIN) return INT64_MIN;
    return add_i64(a, b, &r) ? r : a > 0 ? INT64_MAX : INT64_MIN;
}

int64_t sat_mul(int64_t a, int64_t b)
{
    int64_t r;
    if (!a || !b) return 0;
    const bool neg = (a < 0) != (b < 0);
    if (a == INT64_MAX || a == INT64_MIN || b == INT64_MAX || b == INT64_MIN || !mul_i64(a, b, &r)) return neg ? INT64_MIN : INT64_MAX;
    return r;
}

int64_t floor_div(int64_t a, int64_t d)
{
    return a / d - (a % d < 0);
}

int64_t ceil_div(int64_t a, int64_t d)
{
    return a / d + (a % d > 0);
}

int64_t floor_mod(int64_t a, int64_t d)
{
    const int64_t r = a % d;
    return r < 0 ? r + d : r;
}
