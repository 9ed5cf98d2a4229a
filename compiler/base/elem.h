/* elem.h - element types of tensors: one table, from which everything about a type follows. */
#ifndef ONNXCC_BASE_ELEM_H
#define ONNXCC_BASE_ELEM_H
#include <stdbool.h>
#include <stddef.h>

/* X(NAME, code in TensorProto.DataType, ONNX text name, bits, C storage type, kind)
 * kind: f float, i signed, u unsigned, b bool, c complex, s string. Types under 8 bits are packed, low bits first. */
#define ELEM_TYPES(X)                                  \
    X(FLOAT, 1, "float", 32, "float", 'f')             \
    X(UINT8, 2, "uint8", 8, "uint8_t", 'u')            \
    X(INT8, 3, "int8", 8, "int8_t", 'i')               \
    X(UINT16, 4, "uint16", 16, "uint16_t", 'u')        \
    X(INT16, 5, "int16", 16, "int16_t", 'i')           \
    X(INT32, 6, "int32", 32, "int32_t", 'i')           \
    X(INT64, 7, "int64", 64, "int64_t", 'i')           \
    X(STRING, 8, "string", 128, "onnxcc_string", 's')  \
    X(BOOL, 9, "bool", 8, "uint8_t", 'b')              \
    X(FLOAT16, 10, "float16", 16, "uint16_t", 'f')     \
    X(DOUBLE, 11, "double", 64, "double", 'f')         \
    X(UINT32, 12, "uint32", 32, "uint32_t", 'u')       \
    X(UINT64, 13, "uint64", 64, "uint64_t", 'u')       \
    X(COMPLEX64, 14, "complex64", 64, "float", 'c')    \
    X(COMPLEX128, 15, "complex128", 128, "double", 'c') \
    X(BFLOAT16, 16, "bfloat16", 16, "uint16_t", 'f')   \
    X(FLOAT8E4M3FN, 17, "float8e4m3fn", 8, "uint8_t", 'f')     \
    X(FLOAT8E4M3FNUZ, 18, "float8e4m3fnuz", 8, "uint8_t", 'f') \
    X(FLOAT8E5M2, 19, "float8e5m2", 8, "uint8_t", 'f')         \
    X(FLOAT8E5M2FNUZ, 20, "float8e5m2fnuz", 8, "uint8_t", 'f') \
    X(UINT4, 21, "uint4", 4, "uint8_t", 'u')           \
    X(INT4, 22, "int4", 4, "uint8_t", 'i')             \
    X(FLOAT4E2M1, 23, "float4e2m1", 4, "uint8_t", 'f') \
    X(FLOAT8E8M0, 24, "float8e8m0", 8, "uint8_t", 'f') \
    X(UINT2, 25, "uint2", 2, "uint8_t", 'u')           \
    X(INT2, 26, "int2", 2, "uint8_t", 'i')             \
    X(FLOAT6E2M3, 27, "float6e2m3", 6, "uint8_t", 'f') \
    X(FLOAT6E3M2, 28, "float6e3m2", 6, "uint8_t", 'f')

typedef enum {
    ELEM_NONE = 0,
#define X(name, code, text, bits, ctype, kind) ELEM_##name = code,
    ELEM_TYPES(X)
#undef X
    ELEM_COUNT
} elem;

typedef struct {
    const char *name;  /* ONNX's: "float", "int64" */
    const char *ctype; /* of one stored element in C */
    int bits;
    char kind;
} elem_info;

const elem_info *elem_of(elem t); /* never NULL; name "undefined" for ELEM_NONE and unknown codes */
bool elem_known(int code);
elem elem_named(const char *name); /* ELEM_NONE when there is no such type */
size_t elem_bytes(elem t, size_t n); /* of n stored elements; packed types round up */

/* Reading and writing one element as a number, from memory in little-endian ONNX order (raw_data) on any host. Not for strings and complex. */
double elem_get_double(elem t, const void *data, size_t i);
long long elem_get_int(elem t, const void *data, size_t i); /* floats truncate; to the nearest number there is, 0 for none */
void elem_set_double(elem t, void *data, size_t i, double v); /* rounds to nearest even; saturates integers */
void elem_set_int(elem t, void *data, size_t i, long long v); /* wraps */
/* The bits of one element of a type under 8 bits; element i begins at bit i * bits. */
unsigned elem_get_packed(elem t, const void *data, size_t i);
void elem_set_packed(elem t, void *data, size_t i, unsigned v);
#endif
