/* tensor_pb.c - TensorProto (onnx.proto) -> tensor: raw data, or the typed field in which the element type is kept. */
#include "driver/tensor_pb.h"

#include <string.h>

#include "base/size.h"
#include "onnx.pb-c.h"

/* Stores n numbers from one of the integer fields, each the bits of one element (packed types: of one byte of elements). */
#define STORE_INTS(field, n_field)                                                                                                    \
    do {                                                                                                                              \
        const int bits = elem_of(t->type)->bits;                                                                                      \
        const size_t units = bits < 8 ? t->bytes : count, width = bits < 8 ? 1 : (size_t)bits / 8;                                    \
        if (p->n_field != units) return false;                                                                                        \
        for (size_t i = 0; i < units; i++)                                                                                            \
            for (size_t k = 0; k < width; k++) to[i * width + k] = (unsigned char)((unsigned long long)p->field[i] >> (8 * k));        \
    } while (0)

static bool fill_typed(const Onnx__TensorProto *p, tensor *t, size_t count)
{
    unsigned char *to = (unsigned char *)(uintptr_t)t->data;
    switch (t->type) {
    case ELEM_FLOAT:
    case ELEM_COMPLEX64:
        if (p->n_float_data * 4 != t->bytes) return false;
        if (t->bytes) memcpy(to, p->float_data, t->bytes);
        return true;
    case ELEM_DOUBLE:
    case ELEM_COMPLEX128:
        if (p->n_double_data * 8 != t->bytes) return false;
        if (t->bytes) memcpy(to, p->double_data, t->bytes);
        return true;
    case ELEM_INT64: STORE_INTS(int64_data, n_int64_data); return true;
    case ELEM_UINT32:
    case ELEM_UINT64: STORE_INTS(uint64_data, n_uint64_data); return true;
    default: STORE_INTS(int32_data, n_int32_data); return true;
    }
}

static bool fill(arena *a, const Onnx__TensorProto *p, tensor *t, size_t count)
{
    if (t->type == ELEM_STRING) {
        if (p->n_string_data != count) return false;
        t->strings = ARENA_ARRAY(a, const char *, count + 1);
        for (size_t i = 0; i < count; i++) t->strings[i] = arena_strndup(a, (const char *)p->string_data[i].data, p->string_data[i].len);
        return true;
    }
    if (p->has_raw_data) {
        if (p->raw_data.len != t->bytes) return false;
        if (t->bytes) memcpy((void *)(uintptr_t)t->data, p->raw_data.data, t->bytes);
        return true;
    }
    return fill_typed(p, t, count);
}

static tensor *from_proto(arena *a, const Onnx__TensorProto *p, const char **why)
{
    if (!p->has_data_type || !elem_known(p->data_type)) {
        *why = "unknown element type";
        return NULL;
    }
    if (p->n_external_data || p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        *why = "external data is not read for inputs and outputs";
        return NULL;
    }
    *why = "the data does not fit the shape";
    int64_t count = 1;
    for (size_t i = 0; i < p->n_dims; i++)
        if (p->dims[i] < 0 || !mul_i64(count, p->dims[i], &count)) return NULL;
    const size_t given = p->raw_data.len + p->n_float_data + p->n_double_data + p->n_int32_data + p->n_int64_data + p->n_uint64_data + p->n_string_data;
    if ((uint64_t)count / 8 > given) return NULL; /* before any memory is taken for it */
    tensor *t = ARENA_NEW(a, tensor);
    t->type = (elem)p->data_type;
    t->rank = (uint32_t)p->n_dims;
    t->shape = arena_copy(a, p->dims, p->n_dims * sizeof p->dims[0]);
    t->name = p->name && *p->name ? arena_strndup(a, p->name, strlen(p->name)) : NULL;
    if (t->type != ELEM_STRING) {
        t->bytes = elem_bytes(t->type, (size_t)count);
        t->data = arena_alloc(a, t->bytes + 1);
    }
    return fill(a, p, t, (size_t)count) ? t : NULL;
}

tensor *tensor_pb_parse(arena *a, const unsigned char *data, size_t size, const char **why)
{
    Onnx__TensorProto *p = onnx__tensor_proto__unpack(NULL, size, data);
    if (!p) {
        *why = "not a serialized TensorProto";
        return NULL;
    }
    tensor *t = from_proto(a, p, why);
    onnx__tensor_proto__free_unpacked(p, NULL);
    return t;
}
