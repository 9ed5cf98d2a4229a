/* npy.c - the .npy format, versions 1 to 3 (numpy.lib.format), both ways, and the change of element types that go with it. */
#include "driver/npy.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { NPY_MAX_RANK = 32 };

typedef struct {
    char order, kind; /* '<' '>' '|' '='; 'f' 'i' 'u' 'b' 'c' 'U' 'S' 'V' */
    size_t item;      /* bytes of one element in the file */
    bool fortran;
    uint32_t rank;
    int64_t shape[NPY_MAX_RANK];
    int64_t count;
} npy_header;

/* ---- reading ---- */

/* The text after 'KEY': in the header's Python dict; NULL when it's not there. */
static const char *dict_value(const char *dict, const char *key)
{
    const char *p = strstr(dict, key);
    if (!p) return NULL;
    p += strlen(key);
    while (*p == '\'' || *p == '"' || *p == ' ' || *p == ':') p++;
    return p;
}

static bool parse_shape(const char *p, npy_header *h)
{
    if (*p++ != '(') return false;
    h->count = 1;
    for (;;) {
        while (*p == ' ' || *p == ',') p++;
        if (*p == ')') return true;
        char *end;
        const long long v = strtoll(p, &end, 10);
        if (end == p || v < 0 || h->rank == NPY_MAX_RANK || !mul_i64(h->count, v, &h->count)) return false;
        h->shape[h->rank++] = v;
        p = *end == 'L' ? end + 1 : end;
    }
}

static bool parse_header(const char *dict, npy_header *h, const char **why)
{
    const char *descr = strstr(dict, "'descr'"), *fortran = dict_value(dict, "'fortran_order'"), *shape = dict_value(dict, "'shape'");
    if (!descr || !fortran || !shape || !parse_shape(shape, h)) {
        *why = "damaged .npy header";
        return false;
    }
    descr += strlen("'descr'");
    while (*descr == ' ' || *descr == ':') descr++;
    if (*descr != '\'') {
        *why = "structured arrays are no tensors";
        return false;
    }
    descr++;
    h->order = *descr && strchr("<>|=", *descr) ? *descr++ : '|';
    h->kind = *descr ? *descr++ : '?';
    h->item = (size_t)strtoul(descr, NULL, 10);
    if (h->item > UINT32_MAX) {
        *why = "damaged .npy header";
        return false;
    }
    if (h->kind == 'U') h->item *= 4; /* counted in characters */
    h->fortran = !strncmp(fortran, "True", 4);
    if (h->kind == 'O') *why = "arrays of Python objects can't be read (save strings as fixed-width unicode)";
    else if (!strchr("fiubcUSV?", h->kind)) *why = "unknown element type in .npy";
    else return true;
    return false;
}

static elem elem_of_npy(const npy_header *h)
{
    switch (h->kind) {
    case 'f': return h->item == 2 ? ELEM_FLOAT16 : h->item == 4 ? ELEM_FLOAT : h->item == 8 ? ELEM_DOUBLE : ELEM_NONE;
    case 'i': return h->item == 1 ? ELEM_INT8 : h->item == 2 ? ELEM_INT16 : h->item == 4 ? ELEM_INT32 : ELEM_INT64;
    case 'u': return h->item == 1 ? ELEM_UINT8 : h->item == 2 ? ELEM_UINT16 : h->item == 4 ? ELEM_UINT32 : ELEM_UINT64;
    case '?':
    case 'b': return ELEM_BOOL;
    case 'c': return h->item == 8 ? ELEM_COMPLEX64 : ELEM_COMPLEX128;
    case 'U':
    case 'S': return ELEM_STRING;
    default: return ELEM_NONE;
    }
}

/* Unicode code point -> UTF-8; returns bytes written. */
static size_t utf8_put(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

static const char *read_string(arena *a, const unsigned char *p, const npy_header *h)
{
    if (h->kind == 'S') return arena_strndup(a, (const char *)p, strnlen((const char *)p, h->item));
    char *s = arena_alloc(a, h->item + 1), *to = s;
    for (size_t i = 0; i + 4 <= h->item; i += 4, p += 4) {
        const uint32_t c = h->order == '>' ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
                                           : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
        if (!c) break;
        to += utf8_put(to, c);
    }
    return s;
}

/* Copies element `from` of the file to element `to` of the tensor. */
static void read_element(arena *a, tensor *t, const npy_header *h, const unsigned char *data, int64_t from, int64_t to)
{
    const unsigned char *p = data + (size_t)from * h->item;
    if (t->type == ELEM_STRING) {
        t->strings[to] = read_string(a, p, h);
        return;
    }
    unsigned char *q = (unsigned char *)(uintptr_t)t->data + (size_t)to * h->item;
    if (h->order != '>') {
        memcpy(q, p, h->item);
        return;
    }
    const size_t word = h->kind == 'c' ? h->item / 2 : h->item;
    for (size_t w = 0; w < h->item; w += word)
        for (size_t k = 0; k < word; k++) q[w + k] = p[w + word - 1 - k];
}

static void read_elements(arena *a, tensor *t, const npy_header *h, const unsigned char *data)
{
    if (h->order != '>' && !h->fortran && t->type != ELEM_STRING) {
        if (t->bytes) memcpy((void *)(uintptr_t)t->data, data, t->bytes);
        return;
    }
    int64_t index[NPY_MAX_RANK] = {0};
    for (int64_t i = 0; i < h->count; i++) {
        int64_t from = i, stride = 1;
        if (h->fortran) {
            from = 0;
            for (uint32_t d = 0; d < h->rank; d++) {
                from += index[d] * stride;
                stride *= h->shape[d];
            }
        }
        read_element(a, t, h, data, from, i);
        for (uint32_t d = h->rank; d-- > 0;) {
            if (++index[d] < h->shape[d]) break;
            index[d] = 0;
        }
    }
}

tensor *npy_parse(arena *a, const unsigned char *data, size_t size, const char **why)
{
    npy_header h = {0};
    if (size < 10 || memcmp(data, "\x93NUMPY", 6)) {
        *why = "not an .npy file";
        return NULL;
    }
    const bool wide = data[6] > 1;
    size_t start = wide ? 12 : 10, length = (size_t)data[8] | (size_t)data[9] << 8;
    if (wide && size >= 12) length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (start > size || length > size - start) {
        *why = "the .npy file is cut short";
        return NULL;
    }
    if (!parse_header(arena_strndup(a, (const char *)data + start, length), &h, why)) return NULL;
    start += length;
    if (h.item && (uint64_t)h.count > (size - start) / h.item) {
        *why = "the .npy file is cut short";
        return NULL;
    }
    const elem e = elem_of_npy(&h);
    if (h.kind != 'V' && e != ELEM_STRING && (size_t)elem_of(e)->bits != h.item * 8) {
        *why = "elements of this width can't be read";
        return NULL;
    }
    tensor *t = ARENA_NEW(a, tensor);
    t->type = e;
    t->rank = h.rank;
    t->shape = arena_copy(a, h.shape, h.rank * sizeof h.shape[0]);
    if (t->type == ELEM_STRING) t->strings = ARENA_ARRAY(a, const char *, h.count + 1);
    else {
        t->bytes = (size_t)h.count * h.item;
        t->data = arena_alloc(a, t->bytes + 1);
    }
    read_elements(a, t, &h, data + start);
    return t;
}

/* ---- types ---- */

/* What NumPy holds this type's values in exactly; the type itself when it has it. */
static elem wider(elem e)
{
    switch (e) {
    case ELEM_BFLOAT16:
    case ELEM_FLOAT8E4M3FN:
    case ELEM_FLOAT8E4M3FNUZ:
    case ELEM_FLOAT8E5M2:
    case ELEM_FLOAT8E5M2FNUZ:
    case ELEM_FLOAT8E8M0:
    case ELEM_FLOAT6E2M3:
    case ELEM_FLOAT6E3M2:
    case ELEM_FLOAT4E2M1: return ELEM_FLOAT;
    case ELEM_INT4:
    case ELEM_INT2: return ELEM_INT8;
    case ELEM_UINT4:
    case ELEM_UINT2: return ELEM_UINT8;
    default: return e;
    }
}

const tensor *tensor_widen(arena *a, const tensor *t)
{
    const elem e = wider(t->type);
    if (e == t->type) return t;
    tensor *w = tensor_new(a, e, t->rank, t->shape);
    w->name = t->name;
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        if (e == ELEM_FLOAT) elem_set_double(e, (void *)(uintptr_t)w->data, (size_t)i, elem_get_double(t->type, t->data, (size_t)i));
        else elem_set_int(e, (void *)(uintptr_t)w->data, (size_t)i, elem_get_int(t->type, t->data, (size_t)i));
    }
    return w;
}

tensor *tensor_as(arena *a, tensor *t, elem e)
{
    if (t->type == e) return t;
    const int64_t n = tensor_count(t);
    const elem_info *to = elem_of(e);
    if (t->type == ELEM_STRING || e == ELEM_STRING || to->kind == 'c') return NULL;
    const int from_bits = t->type == ELEM_NONE ? (n ? (int)(t->bytes / (size_t)n) * 8 : to->bits) : elem_of(t->type)->bits;
    const bool raw = t->type == ELEM_NONE || strchr("iu", elem_of(t->type)->kind);
    if (t->type == wider(e)) { /* values, as npy_print writes them */
        tensor *r = tensor_new(a, e, t->rank, t->shape);
        r->name = t->name;
        for (int64_t i = 0; i < n; i++) {
            if (t->type == ELEM_FLOAT) elem_set_double(e, (void *)(uintptr_t)r->data, (size_t)i, elem_get_double(t->type, t->data, (size_t)i));
            else elem_set_int(e, (void *)(uintptr_t)r->data, (size_t)i, elem_get_int(t->type, t->data, (size_t)i));
        }
        return r;
    }
    if (!raw || elem_of(t->type)->kind == 'i' || wider(e) == e) return NULL;
    tensor *r = ARENA_NEW(a, tensor);
    *r = *t;
    r->type = e;
    if (to->bits == from_bits) return r;
    if (to->bits > 8 || from_bits != 8) return NULL;
    r->bytes = elem_bytes(e, (size_t)n);
    unsigned char *packed = arena_alloc(a, r->bytes + 1);
    for (size_t i = 0; i < (size_t)n; i++) elem_set_packed(e, packed, i, ((const unsigned char *)t->data)[i] & ((1u << to->bits) - 1));
    r->data = packed;
    return r;
}

/* ---- writing ---- */

static uint32_t utf8_take(const char **s)
{
    const unsigned char *p = (const unsigned char *)*s;
    const uint32_t c = *p++;
    unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t v = more == 0 ? c : c & (0x3fu >> more);
    while (more-- && (*p & 0xc0) == 0x80) v = v << 6 | (*p++ & 0x3f);
    *s = (const char *)p;
    return v;
}

static void print_strings(const tensor *t, int64_t n, size_t width, text *to)
{
    for (int64_t i = 0; i < n; i++) {
        const char *s = t->strings[i];
        for (size_t k = 0; k < width; k++) {
            const uint32_t c = s && *s ? utf8_take(&s) : 0;
            const char b[4] = {(char)c, (char)(c >> 8), (char)(c >> 16), (char)(c >> 24)};
            text_addn(to, b, 4);
        }
    }
}

static size_t widest_string(const tensor *t, int64_t n)
{
    size_t width = 1;
    for (int64_t i = 0; i < n; i++) {
        size_t k = 0;
        for (const char *s = t->strings[i]; s && *s; k++) utf8_take(&s);
        if (k > width) width = k;
    }
    return width;
}

void npy_print(const tensor *given, text *to)
{
    const tensor *t = tensor_widen(to->mem, given);
    const int64_t n = tensor_count(t);
    const elem_info *info = elem_of(t->type);
    text head = {.mem = to->mem};
    const size_t width = t->type == ELEM_STRING ? widest_string(t, n) : 0;
    if (width) text_addf(&head, "{'descr': '<U%zu'", width);
    else text_addf(&head, "{'descr': '%c%c%d'", info->bits == 8 ? '|' : '<', info->kind, info->bits / 8);
    text_add(&head, ", 'fortran_order': False, 'shape': (");
    for (uint32_t i = 0; i < t->rank; i++) text_addf(&head, i + 1 < t->rank ? "%lld, " : t->rank == 1 ? "%lld," : "%lld", (long long)t->shape[i]);
    text_add(&head, "), }");
    while ((10 + head.n + 1) % 64) text_add(&head, " "); /* data begins at a multiple of 64 */
    text_add(&head, "\n");
    const char start[10] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(head.n & 255), (char)(head.n >> 8)};
    text_addn(to, start, sizeof start);
    text_addn(to, head.p, head.n);
    if (width) print_strings(t, n, width, to);
    else if (t->bytes) text_addn(to, t->data, t->bytes);
}

tensor *tensor_set_find(const tensor_set *s, const char *name)
{
    for (uint32_t i = 0; i < s->list.n; i++)
        if (s->list.p[i]->name && !strcmp(s->list.p[i]->name, name)) return s->list.p[i];
    return NULL;
}
