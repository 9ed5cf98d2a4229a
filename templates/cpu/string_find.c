/* string_find.c - the number of a string in a constant list.
 *
 * arguments  y [N] numbers, -1: it is not in the list      x [N] strings
 *            bytes of the list's strings      places where each begins, and where the last one ends
 *            table [SIZE] numbers by hash, -1: free; a string that is not at its hash is at the next place, or the one after that ...
 * range      [lo, hi) of strings
 * fixed      SIZE, a power of two, more than the list is long      FOLD: 1 when capital letters of ASCII are taken as small ones, which the list has */
#include "kernel.h"

INLINE uint8_t string_find_letter(char c)
{
    return (uint8_t)(FOLD && c >= 65 && c <= 90 ? c + 32 : c); /* a capital letter */
}

INLINE int string_find_same(const uint8_t *restrict a, const char *restrict b, size_t n)
{
    if (!(FOLD) && n && memcmp(a, b, n) != 0) return 0;
    for (size_t k = (FOLD) ? 0 : n; k < n; k++)
        if (a[k] != string_find_letter(b[k])) return 0;
    return 1;
}

KERNEL void string_find(int64_t *restrict y, const onnxcc_string *restrict x, const uint8_t *restrict bytes, const int64_t *restrict places,
                        const int32_t *restrict table, int64_t lo, int64_t hi HOOK_PARAMS)
{
    for (int64_t i = lo; i < hi; i++) {
        const char *s = x[i].data;
        const size_t n = x[i].length;
        uint32_t h = 2166136261u; /* FNV-1a */
        for (size_t k = 0; k < n; k++) h = (h ^ string_find_letter(s[k])) * 16777619u;
        int32_t at;
        for (h &= (uint32_t)(SIZE) - 1u; (at = table[h]) >= 0; h = (h + 1u) & ((uint32_t)(SIZE) - 1u))
            if ((size_t)(places[at + 1] - places[at]) == n && string_find_same(bytes + places[at], s, n)) break;
        y[i] = at;
    }
}
