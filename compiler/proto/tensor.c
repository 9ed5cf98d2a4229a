/* tensor.c - TensorProto to tensor: one dense little-endian form from the four ways in which ONNX stores elements.
 *
 * In: raw_data (pointed into), external data (pointed into), typed fields (packed anew), sparse tensors (made dense). Out: tensor with data
 * of exactly the size that type and shape ask for. Source: the ONNX IR specification, TensorProto. */
#include <stdlib.h>
#include <string.h>

#include "proto/convert.h"

static bool bad(converter *c, const place *at, const char *code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static bool bad(converter *c, const place *at, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(c->d->mem, fmt, ap);
    va_end(ap);
    return diag_error(c->d, EXIT_INVALID, where_of(c, at), code, "%s", what);
}

/* What onnx.checker passes: true when that is all that is asked for, else as bad(). */
static bool odd(converter *c, const place *at, const char *code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static bool odd(converter *c, const place *at, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(c->d->mem, fmt, ap);
    va_end(ap);
    if (c->judging) diag_warn(c->d, where_of(c, at), code, "%s", what);
    else diag_error(c->d, EXIT_INVALID, where_of(c, at), code, "%s", what);
    return c->judging;
}

/* Type and shape. *bytes: what the elements take in dense form. */
static bool convert_head(converter *c, const Onnx__TensorProto *p, const place *at, tensor *t)
{
    if (!p->data_type) return bad(c, at, "tensor-type", "has no element type");
    if (!elem_known(p->data_type)) return bad(c, at, "elem-type", "element type %d is unknown", p->data_type);
    if (p->segment) return diag_error(c->d, EXIT_UNSUPPORTED, where_of(c, at), "tensor-segment", "tensors in segments are not supported");
    t->type = (elem)p->data_type;
    t->name = keep(c, p->name);
    t->rank = (uint32_t)p->n_dims;
    t->shape = ARENA_ARRAY(c->mem, int64_t, p->n_dims);
    int64_t n = 1, bits;
    bool zero = false, overflow = false;
    for (uint32_t i = 0; i < t->rank; i++) {
        t->shape[i] = p->dims[i];
        if (p->dims[i] < 0) return bad(c, at, "tensor-shape", "dimension %u is %lld", i, (long long)p->dims[i]);
        zero |= p->dims[i] == 0;
        overflow |= !mul_i64(n, p->dims[i], &n);
    }
    if (zero) n = 0;
    else if (overflow || !mul_i64(n, elem_of(t->type)->bits, &bits)) return bad(c, at, "tensor-shape", "its size is more than 2^63 bits");
    t->bytes = t->type == ELEM_STRING ? 0 : elem_bytes(t->type, (size_t)n);
    return true;
}

/* ---- typed fields ---- */

typedef enum { STORED_NONE, STORED_FLOAT, STORED_INT32, STORED_INT64, STORED_DOUBLE, STORED_UINT64, STORED_STRING } stored_kind;

static const char *const STORED_NAME[] = {"", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data"};

static stored_kind stored_as(elem e)
{
    switch (e) {
    case ELEM_FLOAT:
    case ELEM_COMPLEX64: return STORED_FLOAT;
    case ELEM_DOUBLE:
    case ELEM_COMPLEX128: return STORED_DOUBLE;
    case ELEM_INT64: return STORED_INT64;
    case ELEM_UINT32:
    case ELEM_UINT64: return STORED_UINT64;
    case ELEM_STRING: return STORED_STRING;
    default: return STORED_INT32;
    }
}

static size_t stored_count(const Onnx__TensorProto *p, stored_kind k)
{
    switch (k) {
    case STORED_FLOAT: return p->n_float_data;
    case STORED_INT32: return p->n_int32_data;
    case STORED_INT64: return p->n_int64_data;
    case STORED_DOUBLE: return p->n_double_data;
    case STORED_UINT64: return p->n_uint64_data;
    case STORED_STRING: return p->n_string_data;
    case STORED_NONE: break;
    }
    return 0;
}

/* Entry i of a typed field as the bits that raw_data would hold. */
static uint64_t stored_bits(const Onnx__TensorProto *p, stored_kind k, size_t i)
{
    uint32_t narrow;
    uint64_t wide;
    switch (k) {
    case STORED_FLOAT: memcpy(&narrow, &p->float_data[i], sizeof narrow); return narrow;
    case STORED_DOUBLE: memcpy(&wide, &p->double_data[i], sizeof wide); return wide;
    case STORED_INT32: return (uint64_t)(int64_t)p->int32_data[i];
    case STORED_INT64: return (uint64_t)p->int64_data[i];
    default: return p->uint64_data[i];
    }
}

static bool convert_strings(converter *c, const Onnx__TensorProto *p, tensor *t)
{
    t->strings = ARENA_ARRAY(c->mem, const char *, p->n_string_data + 1);
    for (size_t i = 0; i < p->n_string_data; i++)
        t->strings[i] = arena_strndup(c->mem, (const char *)p->string_data[i].data, p->string_data[i].len);
    return true;
}

/* Bytes that one entry of the typed field gives; two nibbles share an entry, a complex number takes two. */
static size_t entry_bytes(const elem_info *info)
{
    return info->kind == 'c' ? (size_t)info->bits / 16 : info->bits < 8 ? 1 : (size_t)info->bits / 8;
}

static bool entries_fit(converter *c, const place *at, const tensor *t, stored_kind k, size_t n, size_t want)
{
    const elem_info *info = elem_of(t->type);
    if (n == want) return true;
    if (n > want && want) return odd(c, at, "tensor-excess", "%s has %zu entries, %s of its shape needs only %zu", STORED_NAME[k], n, info->name, want);
    if (info->bits < 8 && info->bits != 6 && n >= (t->bytes + 3) / 4) /* onnx.checker wants as many as hold the bits when each holds 32 */
        return odd(c, at, "tensor-packed", "%s has %zu entries, %s of its shape needs %zu, one for each byte", STORED_NAME[k], n, info->name, want);
    return bad(c, at, "tensor-data", "%s has %zu entries, %s of its shape needs %zu", STORED_NAME[k], n, info->name, want);
}

/* 6 bits have an entry of their own. */
static bool convert_typed(converter *c, const Onnx__TensorProto *p, const place *at, tensor *t)
{
    const stored_kind k = stored_as(t->type);
    const elem_info *info = elem_of(t->type);
    const size_t elements = (size_t)tensor_count(t), entry = entry_bytes(info);
    const bool six = info->bits == 6;
    const size_t given_entries = stored_count(p, k), want = k == STORED_STRING || six ? elements : t->bytes / entry;
    if (!entries_fit(c, at, t, k, given_entries, want)) return false;
    if (k == STORED_STRING) return convert_strings(c, p, t);
    const size_t n = given_entries < want ? given_entries : want;
    unsigned char *out = arena_alloc(c->mem, t->bytes); /* zeros */
    for (size_t i = 0; i < n; i++) {
        const uint64_t v = stored_bits(p, k, i);
        if (six && v > 63) return bad(c, at, "tensor-data", "entry %zu of %s is %lld, %s has 6 bits", i, STORED_NAME[k], (long long)v, info->name);
        if (six) elem_set_packed(t->type, out, i, (unsigned)v);
        for (size_t b = 0; b < entry && !six; b++) out[i * entry + b] = (unsigned char)(v >> (8 * b));
    }
    t->data = out;
    return true;
}

/* ---- raw and external ---- */

static bool convert_raw(converter *c, const Onnx__TensorProto *p, const place *at, tensor *t)
{
    if (t->type == ELEM_STRING) return bad(c, at, "tensor-data", "strings can't be in raw_data");
    if (p->raw_data.len < t->bytes || (p->raw_data.len && !t->bytes))
        return bad(c, at, "tensor-data", "raw_data has %zu bytes, %s of its shape needs %zu", p->raw_data.len, elem_of(t->type)->name, t->bytes);
    if (p->raw_data.len > t->bytes && !odd(c, at, "tensor-excess", "raw_data has %zu bytes, %s of its shape needs only %zu", p->raw_data.len, elem_of(t->type)->name, t->bytes))
        return false;
    const unsigned used = elem_of(t->type)->bits == 6 ? (unsigned)(tensor_count(t) * 6 % 8) : 0; /* bits of the last byte; 0: all */
    if (used && t->bytes && p->raw_data.data[t->bytes - 1] >> used)
        return bad(c, at, "tensor-data", "the bits of raw_data behind the last %s are not zero", elem_of(t->type)->name);
    t->data = p->raw_data.data;
    return true;
}

static bool parse_u64(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    if (!*s) return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v)) return false;
    }
    *out = v;
    return true;
}

static bool convert_external(converter *c, const Onnx__TensorProto *p, const place *at, tensor *t)
{
    const char *location = NULL;
    uint64_t offset = 0, length = t->bytes;
    if (t->type == ELEM_STRING) return bad(c, at, "tensor-data", "strings can't be external data");
    for (size_t i = 0; i < p->n_external_data; i++) {
        const char *key = given(p->external_data[i]->key), *v = given(p->external_data[i]->value);
        if (!strcmp(key, "location")) location = v;
        else if (!strcmp(key, "offset") && !parse_u64(v, &offset)) return bad(c, at, "external-range", "external data has offset '%s'", v);
        else if (!strcmp(key, "length") && !parse_u64(v, &length)) return bad(c, at, "external-range", "external data has length '%s'", v);
    }
    if (!location) return bad(c, at, "external-path", "external data has no location");
    if (length != t->bytes)
        return bad(c, at, "tensor-data", "external data has length %llu, %s of its shape needs %zu", (unsigned long long)length, elem_of(t->type)->name,
                   t->bytes);
    t->data = external_data(c->files, where_of(c, at), location, offset, t->bytes);
    return t->data != NULL;
}

tensor *convert_tensor(converter *c, const Onnx__TensorProto *p, const place *at)
{
    tensor *t = ARENA_NEW(c->mem, tensor);
    if (!convert_head(c, p, at, t)) return NULL;
    const stored_kind own = stored_as(t->type);
    const bool external = p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    int forms = external + (p->has_raw_data && p->raw_data.len);
    for (int k = STORED_FLOAT; k <= STORED_STRING; k++) {
        if (!stored_count(p, (stored_kind)k)) continue;
        forms++;
        if ((stored_kind)k != own) {
            bad(c, at, "tensor-data", "elements of type %s are in %s, they belong in %s", elem_of(t->type)->name, STORED_NAME[k], STORED_NAME[own]);
            return NULL;
        }
    }
    if (forms > 1) {
        bad(c, at, "tensor-data", "elements are given in more than one form");
        return NULL;
    }
    const bool ok = external ? convert_external(c, p, at, t) : p->has_raw_data ? convert_raw(c, p, at, t) : convert_typed(c, p, at, t);
    if (c->keep_source) t->source = p;
    return ok ? t : NULL;
}

/* ---- sparse ---- */

static bool sparse_place(const tensor *indices, const tensor *dense, size_t i, int64_t *out)
{
    if (indices->rank == 1) {
        *out = elem_get_int(ELEM_INT64, indices->data, i);
        return *out >= 0 && *out < tensor_count(dense);
    }
    int64_t at = 0;
    for (uint32_t k = 0; k < dense->rank; k++) {
        const int64_t v = elem_get_int(ELEM_INT64, indices->data, i * dense->rank + k);
        if (v < 0 || v >= dense->shape[k]) return false;
        at = at * dense->shape[k] + v;
    }
    *out = at;
    return true;
}

/* Checks the three parts against each other. */
static bool sparse_agree(converter *c, const tensor *values, const tensor *indices, const tensor *dense, const place *at)
{
    const int64_t n = values->rank == 1 ? values->shape[0] : -1;
    if (n < 0) return bad(c, at, "sparse", "values have rank %u, not 1", values->rank);
    if (indices->type != ELEM_INT64) return bad(c, at, "sparse", "indices are %s, not int64", elem_of(indices->type)->name);
    const bool linear = indices->rank == 1 && indices->shape[0] == n;
    const bool by_axis = indices->rank == 2 && indices->shape[0] == n && indices->shape[1] == (int64_t)dense->rank;
    if (!linear && !by_axis) return bad(c, at, "sparse", "indices are neither [%lld] nor [%lld,%u]", (long long)n, (long long)n, dense->rank);
    if (values->type == ELEM_STRING || elem_of(values->type)->bits < 8)
        return diag_error(c->d, EXIT_UNSUPPORTED, where_of(c, at), "sparse", "sparse tensors of type %s are not supported", elem_of(values->type)->name);
    return true;
}

tensor *convert_sparse(converter *c, const Onnx__SparseTensorProto *p, const place *at)
{
    const place at_values = {at, "values", -1, NULL}, at_indices = {at, "indices", -1, NULL};
    const tensor *values = p->values ? convert_tensor(c, p->values, &at_values) : NULL;
    if (p->values && !values) return NULL;
    if (!values || (!p->indices && tensor_count(values))) {
        bad(c, at, "sparse", "a sparse tensor needs values and indices");
        return NULL;
    }
    const tensor *indices = p->indices ? convert_tensor(c, p->indices, &at_indices) : tensor_new(c->mem, ELEM_INT64, 1, (const int64_t[]){0});
    if (!indices) return NULL;
    const Onnx__TensorProto head = {.dims = p->dims, .n_dims = p->n_dims, .data_type = (int32_t)values->type, .name = p->values->name};
    tensor *t = ARENA_NEW(c->mem, tensor);
    if (!convert_head(c, &head, at, t) || !sparse_agree(c, values, indices, t, at)) return NULL;
    if (t->bytes > c->dense_limit) {
        diag_error(c->d, EXIT_LIMIT, where_of(c, at), "sparse", "takes %zu MiB when made dense; a limit stops here", t->bytes >> 20);
        return NULL;
    }
    unsigned char *out = arena_alloc(c->mem, t->bytes);
    const size_t each = elem_bytes(t->type, 1);
    int64_t before = -1;
    for (size_t i = 0; i < (size_t)values->shape[0]; i++) {
        int64_t k;
        if (!sparse_place(indices, t, i, &k)) {
            bad(c, at, "sparse", "index %zu is outside the shape", i);
            return NULL;
        }
        if (k <= before) {
            bad(c, at, "sparse", "indices are not in ascending order at %zu", i);
            return NULL;
        }
        before = k;
        memcpy(out + (size_t)k * each, (const unsigned char *)values->data + i * each, each);
    }
    t->data = out;
    t->source = c->keep_source ? p : NULL;
    t->sparse = true;
    return t;
}
