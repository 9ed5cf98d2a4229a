/* rowmem.c - see rowmem.h. Types that the host stores as ONNX does are moved by copying; the others (float8, 4-bit, and all on a
 * big-endian host) one by one through elem_get and elem_set. */
#include "expr/rowmem.h"

#include <string.h>

#include "base/half.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { HOST_IS_LITTLE = 1 };
#else
enum { HOST_IS_LITTLE = 0 };
#endif

static inline size_t place(const row *r, uint32_t i)
{
    return (size_t)(r->base + (int64_t)i * r->step + (r->at ? r->at[i] : 0));
}

static inline bool active(const row *r, uint32_t i)
{
    return !r->mask || r->mask[i];
}

bool row_inside(const row *r, int64_t count)
{
    if (r->n == 0) return true;
    if (!r->at && !r->mask) {
        const int64_t last = r->base + (int64_t)(r->n - 1) * r->step;
        return r->base >= 0 && r->base < count && last >= 0 && last < count;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        const int64_t p = r->base + (int64_t)i * r->step + (r->at ? r->at[i] : 0);
        if (active(r, i) && (p < 0 || p >= count)) return false;
    }
    return true;
}

/* Storage type S, lane type L, converted by CONVERT(v). Data may be unaligned (a mapped file), hence memcpy. */
#define LOAD_BY(S, L, CONVERT)                                                    \
    do {                                                                 \
        L *to = lanes;                                                   \
        const char *from = data;                                         \
        S v;                                                             \
        if (!r->at && !r->mask && r->step == 1) {                        \
            from += (size_t)r->base * sizeof(S);                         \
            for (uint32_t i = 0; i < r->n; i++) {                        \
                memcpy(&v, from + i * sizeof(S), sizeof(S));             \
                to[i] = (L)CONVERT(v);                                            \
            }                                                            \
        } else                                                           \
            for (uint32_t i = 0; i < r->n; i++)                          \
                if (active(r, i)) {                                      \
                    memcpy(&v, from + place(r, i) * sizeof(S), sizeof(S)); \
                    to[i] = (L)CONVERT(v);                                        \
                }                                                        \
    } while (0)

#define STORE_BY(S, L, CONVERT)                                                   \
    do {                                                                 \
        const L *from = lanes;                                           \
        char *to = data;                                                 \
        if (!r->at && !r->mask && r->step == 1) {                        \
            to += (size_t)r->base * sizeof(S);                           \
            for (uint32_t i = 0; i < r->n; i++) {                        \
                const S v = (S)CONVERT(from[i]);                                  \
                memcpy(to + i * sizeof(S), &v, sizeof(S));               \
            }                                                            \
        } else                                                           \
            for (uint32_t i = 0; i < r->n; i++)                          \
                if (active(r, i)) {                                      \
                    const S v = (S)CONVERT(from[i]);                              \
                    memcpy(to + place(r, i) * sizeof(S), &v, sizeof(S)); \
                }                                                        \
    } while (0)

#define AS_IS(v) (v)
#define LOAD_AS(S, L) LOAD_BY(S, L, AS_IS)
#define STORE_AS(S, L) STORE_BY(S, L, AS_IS)

static void load_any(elem t, const void *data, const row *r, void *lanes)
{
    const ctype c = ctype_of(t);
    for (uint32_t i = 0; i < r->n; i++) {
        if (!active(r, i)) continue;
        const size_t p = place(r, i);
        if (c == CT_F32) ((float *)lanes)[i] = (float)elem_get_double(t, data, p);
        else if (c == CT_F64) ((double *)lanes)[i] = elem_get_double(t, data, p);
        else if (c == CT_BOOL) ((uint8_t *)lanes)[i] = elem_get_int(t, data, p) != 0;
        else if (c == CT_I32 || c == CT_U32) ((uint32_t *)lanes)[i] = (uint32_t)elem_get_int(t, data, p);
        else ((int64_t *)lanes)[i] = elem_get_int(t, data, p);
    }
}

static void store_any(elem t, void *data, const row *r, const void *lanes)
{
    const ctype c = ctype_of(t);
    for (uint32_t i = 0; i < r->n; i++) {
        if (!active(r, i)) continue;
        const size_t p = place(r, i);
        if (c == CT_F32) elem_set_double(t, data, p, (double)((const float *)lanes)[i]);
        else if (c == CT_F64) elem_set_double(t, data, p, ((const double *)lanes)[i]);
        else if (c == CT_BOOL) elem_set_int(t, data, p, ((const uint8_t *)lanes)[i]);
        else if (c == CT_I32) elem_set_int(t, data, p, ((const int32_t *)lanes)[i]);
        else if (c == CT_U32) elem_set_int(t, data, p, ((const uint32_t *)lanes)[i]);
        else elem_set_int(t, data, p, ((const int64_t *)lanes)[i]);
    }
}

void row_load(elem t, const void *data, const row *r, void *lanes)
{
    if (t == ELEM_STRING) { /* pointers, as in a tensor's `strings` */
        LOAD_AS(uintptr_t, uint64_t);
        return;
    }
    switch (HOST_IS_LITTLE ? t : ELEM_NONE) {
    case ELEM_FLOAT: LOAD_AS(uint32_t, uint32_t); break; /* as bits: a NaN stays the same */
    case ELEM_DOUBLE:
    case ELEM_INT64:
    case ELEM_UINT64: LOAD_AS(uint64_t, uint64_t); break;
    case ELEM_INT32:
    case ELEM_UINT32: LOAD_AS(uint32_t, uint32_t); break;
    case ELEM_INT16: LOAD_AS(int16_t, int32_t); break;
    case ELEM_UINT16: LOAD_AS(uint16_t, int32_t); break;
    case ELEM_INT8: LOAD_AS(int8_t, int32_t); break;
    case ELEM_UINT8: LOAD_AS(uint8_t, int32_t); break;
    case ELEM_FLOAT16: LOAD_BY(uint16_t, float, half_to_float); break;
    case ELEM_BFLOAT16: LOAD_BY(uint16_t, float, bfloat16_to_float); break;
    case ELEM_BOOL:
        LOAD_AS(uint8_t, uint8_t);
        for (uint32_t i = 0; i < r->n; i++) ((uint8_t *)lanes)[i] = ((uint8_t *)lanes)[i] != 0;
        break;
    default: load_any(t, data, r, lanes);
    }
}

void row_store(elem t, void *data, const row *r, const void *lanes)
{
    if (t == ELEM_STRING) {
        STORE_AS(uintptr_t, uint64_t);
        return;
    }
    switch (HOST_IS_LITTLE ? t : ELEM_NONE) {
    case ELEM_FLOAT: STORE_AS(uint32_t, uint32_t); break;
    case ELEM_DOUBLE:
    case ELEM_INT64:
    case ELEM_UINT64: STORE_AS(uint64_t, uint64_t); break;
    case ELEM_INT32:
    case ELEM_UINT32: STORE_AS(uint32_t, uint32_t); break;
    case ELEM_INT16:
    case ELEM_UINT16: STORE_AS(uint16_t, uint32_t); break;
    case ELEM_INT8:
    case ELEM_UINT8: STORE_AS(uint8_t, uint32_t); break;
    case ELEM_FLOAT16: STORE_BY(uint16_t, float, float_to_half); break;
    case ELEM_BFLOAT16: STORE_BY(uint16_t, float, float_to_bfloat16); break;
    case ELEM_BOOL: STORE_AS(uint8_t, uint8_t); break;
    default: store_any(t, data, r, lanes);
    }
}
