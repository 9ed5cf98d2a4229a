/* text.h - comparing strings (st): bytes in order, as memcmp. A string of no bytes may have a NULL pointer. */
#ifndef ONNXCC_TEXT_H
#define ONNXCC_TEXT_H
#include <string.h>

#if defined(OCC_CUDA) /* steps on strings run on the host */
#define TEXT_FN static inline
#else
#define TEXT_FN SIMD_FN
#endif

TEXT_FN int32_t st_eq(onnxcc_string a, onnxcc_string b) { return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0); }
TEXT_FN int32_t st_ne(onnxcc_string a, onnxcc_string b) { return !st_eq(a, b); }
/* -1, 0, 1: a comes before b, is equal, comes after */
TEXT_FN int32_t st_order(onnxcc_string a, onnxcc_string b)
{
    const size_t n = a.length < b.length ? a.length : b.length;
    const int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? (c < 0 ? -1 : 1) : a.length < b.length ? -1 : a.length > b.length;
}
TEXT_FN int32_t st_lt(onnxcc_string a, onnxcc_string b) { return st_order(a, b) < 0; }
TEXT_FN int32_t st_le(onnxcc_string a, onnxcc_string b) { return st_order(a, b) <= 0; }
#endif
