/* number_string.c - decimal texts of numbers: of floats, eight digits as %.8g prints them, NaN, INF and -INF; of integers, all digits.
 *
 * arguments  y [N] strings in the pool, string i at i * MOST      x [N] numbers
 *            pool of N * MOST bytes from byte at[0] on; NULL: from the start
 * range      [lo, hi) of strings
 * fixed      T, float, double, int64_t or uint64_t      MOST bytes of a text      KIND of T: 0 an integer without a sign, 1 one with it, 2 a float */
#include "kernel.h"

/* The digits of v from the last one, before `end`; gives how many. */
INLINE int number_string_whole(char *end, uint64_t v)
{
    int n = 0;
    do {
        *--end = (char)('0' + (int)(v % 10u));
        v /= 10u;
        n++;
    } while (v);
    return n;
}

/* w[n], nine decimal digits in each from the last one, times a factor below 2^32; gives the new n. */
INLINE int number_string_times(uint32_t *restrict w, int n, uint32_t factor)
{
    uint64_t carry = 0;
    for (int k = 0; k < n; k++) {
        carry += (uint64_t)w[k] * factor;
        w[k] = (uint32_t)(carry % 1000000000u);
        carry /= 1000000000u;
    }
    for (; carry; carry /= 1000000000u) w[n++] = (uint32_t)(carry % 1000000000u);
    return n;
}

/* digit[8]: the first digits of a number above 0, rounded. Gives the place of the first one, 0 for that of ones. */
INLINE int number_string_digits(char *restrict digit, double v)
{
    static const uint32_t power10[10] = {1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u};
    uint32_t w[88];
    char top[10];
    int power, n = 0, rest = 0;
    uint64_t m = (uint64_t)ldexp(frexp(v, &power), 53);
    for (power -= 53; power < 0 && !(m & 1u); power++) m >>= 1;
    for (uint64_t left = m; left; left /= 1000000000u) w[n++] = (uint32_t)(left % 1000000000u);
    for (int left = power; left > 0; left -= 29) n = number_string_times(w, n, (uint32_t)1 << (left < 29 ? left : 29));
    for (int left = -power; left > 0; left--) { /* m / 2^k is m * 5^k / 10^k */
        uint32_t factor = 5;
        for (int k = 1; k < 13 && left > 1; k++, left--) factor *= 5;
        n = number_string_times(w, n, factor);
    }
    const int all = 9 * (n - 1) + number_string_whole(top + 10, w[n - 1]);
    for (int k = 0; k < 9; k++) { /* the ninth says how to round */
        const int at = all - 1 - k;
        top[k] = (char)(at < 0 ? 0 : w[at / 9] / power10[at % 9] % 10u);
    }
    for (int k = 0; 9 * k < all - 9; k++) rest |= w[k] % power10[all - 9 - 9 * k < 9 ? all - 9 - 9 * k : 9] != 0;
    int place = all - 1 + (power < 0 ? power : 0);
    int up = top[8] > 5 || (top[8] == 5 && (rest || (top[7] & 1)));
    for (int k = 7; k >= 0; k--) {
        const int d = top[k] + up;
        up = d == 10;
        digit[k] = (char)('0' + (up ? 0 : d));
    }
    if (up) {
        digit[0] = '1';
        place++;
    }
    return place;
}

/* Gives the length. */
INLINE int number_string_float(char *to, double v)
{
    char *p = to, digit[8] = "0";
    int n = 8, place = 0;
    if (signbit(v)) *p++ = '-';
    if (isinf(v) || isnan(v)) {
        if (isnan(v)) p = to;
        memcpy(p, isnan(v) ? "NaN" : "INF", 3);
        return (int)(p - to) + 3;
    }
    if (v == 0) n = 1;
    else place = number_string_digits(digit, signbit(v) ? -v : v);
    while (n > 1 && digit[n - 1] == '0') n--;
    const int scientific = place < -4 || place >= 8, point = scientific ? 0 : place; /* the digit before the point */
    if (point < 0) {
        *p++ = '0';
        *p++ = '.';
    }
    for (int k = -1; k > point; k--) *p++ = '0';
    for (int k = 0; k < n || k <= point; k++) {
        if (point >= 0 && k == point + 1) *p++ = '.';
        *p++ = k < n ? digit[k] : '0';
    }
    if (scientific) {
        const int size = place < 0 ? -place : place;
        *p++ = 'e';
        *p++ = place < 0 ? '-' : '+';
        if (size >= 100) *p++ = (char)('0' + size / 100);
        *p++ = (char)('0' + size / 10 % 10);
        *p++ = (char)('0' + size % 10);
    }
    return (int)(p - to);
}

INLINE int number_string_integer(char *to, T v)
{
    char text[20];
    const int minus = (KIND) == 1 && (int64_t)v < 0, n = number_string_whole(text + 20, minus ? 0u - (uint64_t)v : (uint64_t)v);
    if (minus) to[0] = '-';
    memcpy(to + minus, text + 20 - n, (size_t)n);
    return minus + n;
}

KERNEL void number_string(onnxcc_string *restrict y, uint8_t *pool, const T *restrict x, const int64_t *restrict at, int64_t lo, int64_t hi HOOK_PARAMS)
{
    pool += at ? at[0] : 0;
    for (int64_t i = lo; i < hi; i++) {
        char *to = (char *)pool + i * (MOST);
        y[i].data = to;
        y[i].length = (size_t)((KIND) == 2 ? number_string_float(to, (double)x[i]) : number_string_integer(to, x[i]));
    }
}
