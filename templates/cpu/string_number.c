/* string_number.c - numbers from their decimal texts: to the nearest, of two equally near the even one; integers without what is behind the point.
 *
 * arguments  y [N] numbers, 0 of strings that are none      bad [1]: how many strings are no number of this type      x [N] strings
 * fixed      T, float, double, int64_t or uint64_t
 *            DIGITS, binary ones, of a float; 0: T is an integer      LOWEST, HIGHEST power of two that is a float; HIGHEST 63: T has a sign
 *
 * A text is a sign, digits with a point among them, and an exponent, with white space around; or instead of digits inf, infinity or nan, whatever their
 * case. A float takes what is too large as infinite. A negative integer of an unsigned type is what it is modulo 2^64. */
#include "kernel.h"

INLINE int string_number_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* s is this word of small letters. */
INLINE int string_number_word(const char *s, size_t n, const char *word)
{
    size_t k = 0;
    while (k < n && word[k] && (s[k] | 32) == word[k]) k++;
    return k == n && !word[k];
}

/* The digits of s by their decimal places, nine to a number: w[34] are those before the point, w[35] those behind it. `rest` becomes 1 when there are digits
 * other than 0 that are too far behind it. 0; 1: the number is too large; -1: s is none. */
INLINE int string_number_digits(uint32_t *restrict w, int *restrict rest, const char *s, size_t n)
{
    static const uint32_t power[9] = {1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u};
    int64_t digits = 0, point = -1, exponent = 0;
    size_t end = 0;
    for (; end < n && (string_number_digit(s[end]) || (s[end] == '.' && point < 0)); end++) {
        if (s[end] == '.') point = digits;
        else digits++;
    }
    size_t k = end;
    if (k < n && (s[k] | 32) == 'e') {
        const int minus = ++k < n && s[k] == '-';
        if (k < n && (s[k] == '-' || s[k] == '+')) k++;
        if (k == n) return -1;
        for (; k < n && string_number_digit(s[k]); k++)
            if (exponent < INT64_C(1000000000000)) exponent = exponent * 10 + (s[k] - '0');
        if (minus) exponent = -exponent;
    }
    if (!digits || k < n) return -1;
    int64_t at = (point < 0 ? digits : point) + exponent; /* the place of a digit: 0 is that of ones */
    for (k = 0; k < end; k++) {
        if (s[k] == '.') continue;
        at--;
        if (s[k] == '0') continue;
        if (at >= 315) return 1;
        if (at < -1080) *rest = 1;
        else w[(314 - at) / 9] += (uint32_t)(s[k] - '0') * power[(at + 1080) % 9];
    }
    return 0;
}

/* The first 64 binary digits of w[155]; `rest` becomes 1 when there are more. Gives the power of two of the first one, -2000 for zero. */
INLINE int string_number_binary(uint64_t *restrict first, int *restrict rest, uint32_t *restrict w)
{
    uint32_t whole[34], top[3] = {0, 0, 0};
    int n = 0, taken = 0, power = -2000;
    for (int from = 0; from < 35;) { /* before the point: remainders of divisions by 2^32 */
        if (!w[from]) {
            from++;
            continue;
        }
        uint64_t v = 0;
        for (int k = from; k < 35; k++) {
            v = (v & 0xffffffffu) * 1000000000u + w[k];
            w[k] = (uint32_t)(v >> 32);
        }
        whole[n++] = (uint32_t)v;
    }
    int last = 154;
    while (last >= 35 && !w[last]) last--;
    for (int at = n - 1; taken < 3 && at >= -40; at--) {
        uint64_t v = 0;
        if (at >= 0) v = whole[at];
        for (int k = last; at < 0 && k >= 35; k--) { /* behind it: carries of products with 2^32 */
            v += (uint64_t)w[k] << 32;
            w[k] = (uint32_t)(v % 1000000000u);
            v /= 1000000000u;
        }
        if (!taken && !v) continue;
        if (!taken) power = 32 * at + 31;
        top[taken++] = (uint32_t)v;
        n = at;
    }
    for (int k = 0; k < n; k++) *rest |= whole[k] != 0;
    for (int k = 35; k <= last; k++) *rest |= w[k] != 0;
    *first = (uint64_t)top[0] << 32 | top[1];
    if (!taken) return power;
    for (; !(*first >> 63); power--) {
        *first = *first << 1 | top[2] >> 31;
        top[2] <<= 1;
    }
    *rest |= top[2] != 0;
    return power;
}

INLINE double string_number_rounded(uint64_t first, int rest, int power)
{
    const uint64_t half = UINT64_C(1) << 63;
    const int room = power - (LOWEST) + 1, keep = room < (DIGITS) ? room : (DIGITS);
    if (keep < 0) return 0;
    uint64_t kept = keep > 0 ? first >> (64 - keep) : 0;
    const uint64_t below = first << keep;
    if (below > half || (below == half && (rest || (kept & 1u)))) kept++;
    if (power + (keep > 0 && kept >> keep) > (HIGHEST)) return (double)INFINITY;
    return ldexp((double)kept, power - keep + 1);
}

INLINE int string_number_whole(uint64_t *restrict v, const uint32_t *restrict w)
{
    *v = 0;
    for (int k = 0; k < 35; k++) {
        if (*v > (UINT64_MAX - w[k]) / 1000000000u) return 0;
        *v = *v * 1000000000u + w[k];
    }
    return 1;
}

/* 1: s is a number of this type, which is stored. */
INLINE int string_number_read(T *restrict y, const char *s, size_t n)
{
    uint32_t w[155] = {0};
    uint64_t v = 0;
    int rest = 0;
    while (n > 0 && (s[n - 1] == ' ' || (s[n - 1] >= '\t' && s[n - 1] <= '\r'))) n--;
    for (; n > 0 && (*s == ' ' || (*s >= '\t' && *s <= '\r')); n--) s++;
    const int minus = n > 0 && *s == '-', sign = minus || (n > 0 && *s == '+');
    s += sign;
    n -= (size_t)sign;
    const int special = string_number_word(s, n, "inf") || string_number_word(s, n, "infinity") ? 1 : string_number_word(s, n, "nan") ? 2 : 0;
    const int found = special ? 0 : string_number_digits(w, &rest, s, n);
    if (found < 0) return 0;
    if (DIGITS) {
        const int power = special || found ? 0 : string_number_binary(&v, &rest, w);
        const double size = special == 2 ? (double)NAN : special || found ? (double)INFINITY : string_number_rounded(v, rest, power);
        *y = (T)(minus ? -size : size);
        return 1;
    }
    if (special || found || !string_number_whole(&v, w)) return 0;
    if ((HIGHEST) == 63 && v > (uint64_t)INT64_MAX + (uint64_t)minus) return 0;
    *y = (T)(minus ? 0u - v : v);
    return 1;
}

KERNEL void string_number(T *restrict y, int64_t *restrict bad, const onnxcc_string *x HOOK_PARAMS)
{
    int64_t none = 0;
    for (int64_t i = 0; i < (N); i++) {
        y[i] = (T)0;
        none += !string_number_read(&y[i], x[i].data, x[i].length);
    }
    bad[0] = none;
}
