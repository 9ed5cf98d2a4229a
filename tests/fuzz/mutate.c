/* mutate.c - mutations of ONNX files that know the wire format.
 *
 * The file is read as a list of fields, each with its place, its parent and its descriptor. A change replaces a range of bytes in one message, and the
 * lengths of all messages around it follow, so that the result still reads as a model; one change in sixteen breaks the framing on purpose. */
#include "mutate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.pb-c.h"
#include "proto/wire.h"
#include "schema/schema.h"

enum { MAX_FIELDS = 8192, MAX_DEPTH = 64, MAX_PIECE = 1 << 16 };

typedef struct {
    size_t tag, length_at, content, end; /* places; length_at: of the length, content when there is none */
    int parent;                          /* index of the field that holds it; -1: the file */
    wire_type wire;
    const ProtobufCMessageDescriptor *in;
    const ProtobufCFieldDescriptor *f; /* NULL: unknown */
} field;

typedef struct {
    uint8_t *p;
    size_t size, max;
    uint64_t *state;
    field *list;
    int n;
} editor;

uint64_t mutate_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 0x2545f4914f6cdd1dULL >> 16;
}

static uint64_t below(editor *e, uint64_t n)
{
    return n ? mutate_random(e->state) % n : 0;
}

/* ---- reading ---- */

static void read_message(editor *e, size_t at, size_t end, int parent, const ProtobufCMessageDescriptor *in, int depth)
{
    while (at < end && e->n < MAX_FIELDS) {
        uint64_t tag, n = 0;
        field x = {.tag = at, .parent = parent, .in = in};
        size_t used = wire_varint(e->p + at, e->p + end, 5, &tag);
        if (!used) return;
        x.wire = (wire_type)(tag & 7);
        x.f = protobuf_c_message_descriptor_get_field(in, (unsigned)(tag >> 3));
        x.length_at = at += used;
        switch (x.wire) {
        case WIRE_VARINT: n = wire_varint(e->p + at, e->p + end, 10, &tag); break;
        case WIRE_64: n = 8; break;
        case WIRE_32: n = 4; break;
        case WIRE_BYTES:
            used = wire_varint(e->p + at, e->p + end, 5, &n);
            if (!used) return;
            at += used;
            break;
        default: return;
        }
        if ((!n && x.wire == WIRE_VARINT) || n > end - at) return;
        x.content = at;
        x.end = at += (size_t)n;
        const int here = e->n;
        e->list[e->n++] = x;
        if (x.f && x.f->type == PROTOBUF_C_TYPE_MESSAGE && x.wire == WIRE_BYTES && depth < MAX_DEPTH) read_message(e, x.content, x.end, here, x.f->descriptor, depth + 1);
    }
}

/* ---- writing ---- */

static size_t put_varint(uint8_t *to, uint64_t v)
{
    size_t n = 0;
    for (; v > 127; v >>= 7) to[n++] = (uint8_t)(v | 128);
    to[n++] = (uint8_t)v;
    return n;
}

static bool replace_bytes(editor *e, size_t at, size_t old, const void *bytes, size_t n)
{
    if (e->size - old + n > e->max) return false;
    memmove(e->p + at + n, e->p + at + old, e->size - at - old);
    memcpy(e->p + at, bytes, n);
    e->size = e->size - old + n;
    return true;
}

/* Replaces bytes within the message that is the content of field `parent`; lengths follow. The list is stale afterwards. */
static void edit(editor *e, int parent, size_t at, size_t old, const void *bytes, size_t n)
{
    uint8_t copy[MAX_PIECE];
    if (n > sizeof copy || e->size + n + 64 > e->max) return;
    memcpy(copy, bytes, n);
    if (!replace_bytes(e, at, old, copy, n)) return;
    int64_t grown = (int64_t)n - (int64_t)old;
    for (; parent >= 0; parent = e->list[parent].parent) {
        const field *x = &e->list[parent];
        uint8_t length[10];
        const size_t k = put_varint(length, (uint64_t)((int64_t)(x->end - x->content) + grown));
        replace_bytes(e, x->length_at, x->content - x->length_at, length, k);
        grown += (int64_t)k - (int64_t)(x->content - x->length_at);
    }
}

/* New content of a field with a length. */
static void set_content(editor *e, int i, const void *bytes, size_t n)
{
    uint8_t piece[MAX_PIECE];
    const field *x = &e->list[i];
    if (n + 10 > sizeof piece) return;
    const size_t head = put_varint(piece, n);
    memcpy(piece + head, bytes, n);
    edit(e, x->parent, x->length_at, x->end - x->length_at, piece, head + n);
}

static void set_varint(editor *e, int i, uint64_t v)
{
    uint8_t piece[10];
    const field *x = &e->list[i];
    edit(e, x->parent, x->content, x->end - x->content, piece, put_varint(piece, v));
}

/* ---- picking ---- */

/* A field for which `fits` holds, from a random place on; -1: there is none. */
static int pick(editor *e, bool (*fits)(const field *x, const field *like), const field *like)
{
    const int from = (int)below(e, (uint64_t)e->n);
    for (int k = 0; k < e->n; k++) {
        const int i = (from + k) % e->n;
        if (fits(&e->list[i], like)) return i;
    }
    return -1;
}

static bool any_field(const field *x, const field *like)
{
    (void)like;
    return x->f != NULL;
}
static bool is_varint(const field *x, const field *like)
{
    (void)like;
    return x->f && x->wire == WIRE_VARINT;
}
static bool is_number(const field *x, const field *like)
{
    (void)like;
    return x->f && (x->wire == WIRE_32 || x->wire == WIRE_64);
}
static bool is_size(const field *x, const field *like)
{
    (void)like;
    return is_varint(x, NULL) && (!strcmp(x->f->name, "dims") || !strcmp(x->f->name, "dim_value") || !strcmp(x->f->name, "ints"));
}
static bool is_text(const field *x, const field *like)
{
    (void)like;
    return x->f && x->f->type == PROTOBUF_C_TYPE_STRING && x->wire == WIRE_BYTES;
}
static bool is_data(const field *x, const field *like)
{
    (void)like;
    return x->f && x->wire == WIRE_BYTES && x->f->type != PROTOBUF_C_TYPE_MESSAGE && x->f->type != PROTOBUF_C_TYPE_STRING;
}
static bool is_operator(const field *x, const field *like)
{
    (void)like;
    return is_text(x, NULL) && x->in == &onnx__node_proto__descriptor && !strcmp(x->f->name, "op_type");
}
static bool is_attribute_name(const field *x, const field *like)
{
    (void)like;
    return is_text(x, NULL) && x->in == &onnx__attribute_proto__descriptor && !strcmp(x->f->name, "name");
}
static bool is_message(const field *x, const field *like)
{
    (void)like;
    return x->f && x->f->type == PROTOBUF_C_TYPE_MESSAGE && x->wire == WIRE_BYTES;
}
static bool same_kind(const field *x, const field *like)
{
    return x != like && x->f && x->wire == like->wire && x->f->type == like->f->type && x->f->descriptor == like->f->descriptor;
}
static bool sibling(const field *x, const field *like)
{
    return x != like && x->parent == like->parent;
}

/* ---- the changes ---- */

static uint64_t odd_number(editor *e, uint64_t old)
{
    static const uint64_t odd[] = {0, 1, 2, 3, 4, 5, 7, 8, 16, 255, 1 << 16, (uint64_t)-1, (uint64_t)-2, INT32_MAX, 1ULL << 31, UINT32_MAX, 1ULL << 32,
                                   1ULL << 62, INT64_MAX, 1ULL << 63};
    switch (below(e, 4)) {
    case 0: return old + below(e, 9) - 4;
    case 1: return old << below(e, 64);
    case 2: return below(e, 28); /* kinds of elements, axes */
    default: return odd[below(e, sizeof odd / sizeof *odd)];
    }
}

static void change_varint(editor *e, int i)
{
    uint64_t old = 0;
    if (i < 0) return;
    wire_varint(e->p + e->list[i].content, e->p + e->list[i].end, 10, &old);
    set_varint(e, i, odd_number(e, old));
}

static void change_number(editor *e, int i)
{
    static const double odd[] = {0.0, -0.0, 1.0, -1.0, 1e-40, 1e38, 1e308};
    if (i < 0) return;
    const field *x = &e->list[i];
    const double d = odd[below(e, 7)];
    const float f = (float)d;
    uint8_t bytes[8];
    memcpy(bytes, x->wire == WIRE_64 ? (const void *)&d : (const void *)&f, x->wire == WIRE_64 ? 8 : 4);
    if (!below(e, 3)) memset(bytes, 0xff, sizeof bytes); /* no number */
    edit(e, x->parent, x->content, x->end - x->content, bytes, x->end - x->content);
}

static void set_text(editor *e, int i, const char *s)
{
    if (i >= 0) set_content(e, i, s, strlen(s));
}

static void change_text(editor *e, int i)
{
    static const char *const odd[] = {"", "x", "*/ #include \"x\" /*", "?\?/\n", "\\", "int", "a.b", "\xff", "\xe2\x80\xae", "ai.onnx.ml", "com.microsoft"};
    if (i < 0) return;
    const int other = pick(e, is_text, NULL);
    if (below(e, 3)) set_content(e, i, e->p + e->list[other].content, e->list[other].end - e->list[other].content);
    else set_text(e, i, odd[below(e, sizeof odd / sizeof *odd)]);
}

static void change_operator(editor *e, int i)
{
    if (i >= 0) set_text(e, i, schema_at((uint32_t)below(e, schema_count()))->name);
}

static void change_attribute_name(editor *e, int i)
{
    const op_schema *s = schema_at((uint32_t)below(e, schema_count()));
    if (i >= 0 && s->n_attr) set_text(e, i, s->attr[below(e, s->n_attr)].name);
}

static void change_data(editor *e, int i)
{
    if (i < 0) return;
    const field *x = &e->list[i];
    const size_t n = x->end - x->content, at = x->content + (size_t)below(e, n);
    if (!n) return;
    switch (below(e, 3)) {
    case 0: e->p[at] = (uint8_t)below(e, 256); break;
    case 1: set_content(e, i, e->p + x->content, (size_t)below(e, n)); break;
    default: memset(e->p + at, (int)below(e, 2) * 255, n - (at - x->content) < 8 ? n - (at - x->content) : 8); break;
    }
}

static void remove_field(editor *e, int i)
{
    const field *x = &e->list[i];
    edit(e, x->parent, x->tag, x->end - x->tag, "", 0);
}

/* A copy of field `from` behind field `i`, or in its place. */
static void copy_field(editor *e, int from, int i, bool instead)
{
    if (from < 0) return;
    const field *x = &e->list[i], *y = &e->list[from];
    if (instead) edit(e, x->parent, x->tag, x->end - x->tag, e->p + y->tag, y->end - y->tag);
    else edit(e, x->parent, x->end, 0, e->p + y->tag, y->end - y->tag);
}

/* The content of a message becomes that of another of its type, or is put behind its own. */
static void splice(editor *e, int i)
{
    if (i < 0) return;
    const int from = pick(e, same_kind, &e->list[i]);
    if (from < 0) return;
    const field *x = &e->list[i], *y = &e->list[from];
    if (below(e, 3)) set_content(e, i, e->p + y->content, y->end - y->content);
    else edit(e, i, x->end, 0, e->p + y->content, y->end - y->content);
}

static void break_framing(editor *e)
{
    const field *x = &e->list[below(e, (uint64_t)e->n)];
    switch (below(e, 4)) {
    case 0: e->size = x->tag + (size_t)below(e, x->end - x->tag + 1); break;
    case 1: e->p[x->length_at] = (uint8_t)below(e, 256); break;
    case 2: e->p[x->tag] ^= (uint8_t)(1 << below(e, 8)); break;
    default: e->p[below(e, e->size)] = (uint8_t)below(e, 256); break;
    }
}

static void change(editor *e)
{
    const int i = pick(e, any_field, NULL);
    if (i < 0) return;
    switch (below(e, 16)) {
    case 0: break_framing(e); break;
    case 1: remove_field(e, i); break;
    case 2: copy_field(e, i, i, false); break;
    case 3: copy_field(e, pick(e, sibling, &e->list[i]), i, below(e, 2)); break;
    case 4: splice(e, pick(e, is_message, NULL)); break;
    case 5: change_varint(e, pick(e, is_varint, NULL)); break;
    case 6:
    case 7: change_varint(e, pick(e, is_size, NULL)); break;
    case 8:
    case 9: change_text(e, pick(e, is_text, NULL)); break;
    case 10:
    case 11: change_operator(e, pick(e, is_operator, NULL)); break;
    case 12: change_attribute_name(e, pick(e, is_attribute_name, NULL)); break;
    case 13: change_number(e, pick(e, is_number, NULL)); break;
    default: change_data(e, pick(e, is_data, NULL)); break;
    }
}

size_t mutate_model(uint8_t *data, size_t size, size_t max, uint64_t *state)
{
    editor e = {.p = data, .size = size, .max = max, .state = state, .list = malloc(MAX_FIELDS * sizeof(field))};
    if (!e.list) abort();
    read_message(&e, 0, size, -1, &onnx__model_proto__descriptor, 0);
    change(&e);
    free(e.list);
    return e.size;
}
