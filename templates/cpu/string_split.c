/* string_split.c - the pieces of strings between delimiters.
 *
 * arguments  y [N][PIECES] pieces, in the memory of x, and empty strings behind the last; NULL: they are only counted
 *            count [N] of pieces      x [N] strings      delimiter [LENGTH]
 * fixed      LENGTH 0: white space delimits, however much of it, and what is at the ends is dropped      MOST splits of a string; negative: all */
#include "kernel.h"

INLINE int string_split_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The first delimiter in s[at, n); n: there is none. */
INLINE size_t string_split_find(const char *s, size_t at, size_t n, const uint8_t *restrict delimiter)
{
    const size_t length = (LENGTH) ? (LENGTH) : 1;
    while (at + length <= n && !((LENGTH) ? memcmp(s + at, delimiter, (LENGTH)) == 0 : string_split_space(s[at]))) at++;
    return at + length <= n ? at : n;
}

KERNEL void string_split(onnxcc_string *restrict y, int64_t *restrict count, const onnxcc_string *x, const uint8_t *restrict delimiter HOOK_PARAMS)
{
    for (int64_t i = 0; i < (N); i++) {
        const char *s = x[i].data;
        size_t n = x[i].length, at = 0;
        int64_t pieces = 0, last = 0; /* an empty string is one piece, as in onnx.reference */
        if (!(LENGTH)) {
            while (n > 0 && string_split_space(s[n - 1])) n--;
            while (at < n && string_split_space(s[at])) at++;
            last = at == n; /* but none where white space delimits */
        }
        while (!last) {
            const size_t end = (MOST) >= 0 && pieces >= (MOST) ? n : string_split_find(s, at, n, delimiter);
            if (y) {
                y[i * (int64_t)(PIECES) + pieces].data = s + at;
                y[i * (int64_t)(PIECES) + pieces].length = end - at;
            }
            pieces++;
            last = end == n;
            at = end + (LENGTH);
            if (!(LENGTH))
                while (at < n && string_split_space(s[at])) at++;
        }
        count[i] = pieces;
        for (; y && pieces < (PIECES); pieces++) {
            y[i * (int64_t)(PIECES) + pieces].data = "";
            y[i * (int64_t)(PIECES) + pieces].length = 0;
        }
    }
}
