/* prescan.c - an iterative walk over the wire format; see prescan.h.
 *
 * In: the bytes of a file and the descriptor of the message that they should be. Out: a verdict, an estimate of the memory that unpacking
 * will take, and the skeleton that is unpacked. Sources: the Protocol Buffers encoding; what protobuf-c 1.4 allocates for each field. */
#include "proto/prescan.h"

#include <string.h>

#include "base/text.h"
#include "onnx.pb-c.h"
#include "proto/wire.h"

enum { MAX_FIELDS = 32, MAX_FRAMES = WIRE_NESTING + 1 };

/* A message that is open. */
typedef struct {
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *via; /* the parent's field that holds it */
    uint32_t index;                      /* among the values of that field */
    const unsigned char *end;
    uint64_t fields;             /* seen so far */
    uint64_t scratch;            /* most that unpacking one of its sub-messages needs besides the result */
    uint32_t count[MAX_FIELDS]; /* seen so far, by place in type->fields */
    uint32_t places;            /* weights that the skeleton leaves out */
} frame;

typedef struct {
    diag *d;
    const unsigned char *data, *end;
    uint64_t budget;
    bool zeros;              /* as in prescan_limits */
    uint32_t nesting, depth; /* depth: place of the open frame */
    prescan_result *out;
    frame *frames;
} scan;

/* ---- messages ---- */

/* The path of the open message, and of one of its fields when `field` is given: graph.node[3].attribute[0].t */
static const char *path_of(const scan *s, const ProtobufCFieldDescriptor *field)
{
    text t = {.mem = s->d->mem};
    text_add(&t, "");
    for (uint32_t i = 1; i <= s->depth; i++) {
        const frame *f = &s->frames[i];
        if (s->depth > 12 && i == 7) {
            text_add(&t, " ... ");
            i = s->depth - 4;
            continue;
        }
        text_addf(&t, "%s%s", t.n ? "." : "", f->via->name);
        if (f->via->label == PROTOBUF_C_LABEL_REPEATED) text_addf(&t, "[%u]", f->index);
    }
    if (field) text_addf(&t, "%s%s", t.n ? "." : "", field->name);
    return t.p;
}

static bool malformed(const scan *s, const unsigned char *at, const ProtobufCFieldDescriptor *field, const char *what)
{
    diag_error(s->d, EXIT_INVALID, path_of(s, field), "wire-format", "%s at byte %zu of the file", what, (size_t)(at - s->data));
    if (s->depth == 0) diag_hint(s->d, "is this an ONNX file?");
    return false;
}

/* ---- strings ---- */

bool utf8_valid(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const unsigned char c = s[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        const size_t more = c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
        if (!more || n - i <= more) return false;
        for (size_t k = 1; k <= more; k++)
            if ((s[i + k] & 0xc0) != 0x80) return false;
        const unsigned char second = s[i + 1];
        if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f)) return false;
        i += more + 1;
    }
    return true;
}

/* ---- what unpacking costs ---- */

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + 15) & ~(uint64_t)15;
}

static size_t scalar_size(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return 8;
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    default: return 4;
    }
}

static wire_type wire_of(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return WIRE_32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
    default: return WIRE_VARINT;
    }
}

static bool is_scalar(const ProtobufCFieldDescriptor *f)
{
    return wire_of(f->type) != WIRE_BYTES;
}

/* The number of scalars in a packed list; false when the list is cut in the middle of one. */
static bool packed_count(const ProtobufCFieldDescriptor *f, const unsigned char *p, size_t n, uint64_t *count)
{
    const wire_type w = wire_of(f->type);
    if (w != WIRE_VARINT) {
        const size_t each = w == WIRE_32 ? 4 : 8;
        *count = n / each;
        return n % each == 0;
    }
    uint64_t c = 0;
    size_t run = 0; /* bytes of the current varint */
    for (size_t i = 0; i < n; i++) {
        if (++run > 10) return false;
        if (p[i] < 0x80) {
            c++;
            run = 0;
        }
    }
    *count = c;
    return run == 0;
}

/* protobuf-c notes the members of a message in pieces of doubling size while it unpacks it; the first 16 are on the stack. */
static uint64_t unpack_scratch(const frame *f)
{
    return f->scratch + (f->fields > 16 ? f->fields * 2 * 40 : 0);
}

static bool spend(scan *s, uint64_t bytes)
{
    s->out->memory += bytes;
    if (s->out->memory <= s->budget) return true;
    diag_error(s->d, EXIT_LIMIT, path_of(s, NULL), "model-memory",
               "unpacking the model takes more than %llu MiB, which is out of proportion to its size; a limit stops here",
               (unsigned long long)(s->budget >> 20));
    return diag_hint(s->d, "raise the limit if the file is meant to be like that");
}

/* ---- the walk ---- */

static bool open_message(scan *s, const ProtobufCFieldDescriptor *f, uint32_t index, const unsigned char *end)
{
    if (s->depth == s->nesting) {
        diag_error(s->d, EXIT_LIMIT, path_of(s, f), "nesting", "messages are nested more than %u deep", s->nesting);
        return false;
    }
    const ProtobufCMessageDescriptor *type = f->descriptor;
    s->frames[++s->depth] = (frame){.type = type, .via = f, .index = index, .end = end};
    s->out->messages++;
    return spend(s, rounded(type->sizeof_message));
}

static bool close_message(scan *s)
{
    const uint64_t scratch = unpack_scratch(&s->frames[s->depth]);
    if (s->depth == 0) return spend(s, scratch);
    frame *parent = &s->frames[--s->depth];
    if (scratch > parent->scratch) parent->scratch = scratch;
    return true;
}

/* Weights that the skeleton leaves out: the fields of TensorProto that hold a little-endian array as it is. */
static bool is_left_out(const ProtobufCMessageDescriptor *type, uint32_t number, wire_type w, uint64_t n)
{
    enum { FLOAT_DATA = 4, RAW_DATA = 9, DOUBLE_DATA = 10, LONG_LIST = 1024 };
    if (type != &onnx__tensor_proto__descriptor || w != WIRE_BYTES) return false;
    return number == RAW_DATA ? n > 0 : (number == FLOAT_DATA || number == DOUBLE_DATA) && n >= LONG_LIST;
}

static bool leave_out(scan *s, const ProtobufCFieldDescriptor *f, size_t n)
{
    if (s->frames[s->depth].places++)
        return diag_error(s->d, EXIT_INVALID, path_of(s, f), "wire-duplicate", "elements are given in more than one piece or form");
    s->out->left_out += n;
    s->out->places++;
    return spend(s, rounded(sizeof(prescan_place) + 1));
}

/* A text, or an element of a list of texts that end with 0: C takes what comes behind a zero byte for no part of it. */
static bool is_text(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_STRING || (f->type == PROTOBUF_C_TYPE_BYTES && (!strcmp(f->name, "string_data") || !strcmp(f->name, "strings")));
}

/* ONNX allows zero bytes, and so does its checker. */
static bool has_no_zero(scan *s, const ProtobufCFieldDescriptor *f, const unsigned char *p, size_t n)
{
    if (!memchr(p, 0, n)) return true;
    if (s->zeros) diag_warn(s->d, path_of(s, f), "wire-zero", "the text has a zero byte in it, with which the model can't be compiled");
    else diag_error(s->d, EXIT_UNSUPPORTED, path_of(s, f), "wire-zero", "the text has a zero byte in it, which is valid but not supported");
    diag_hint(s->d, "rename what carries it, or remove the byte");
    return s->zeros;
}

/* A length-prefixed field of known type with its content at [p, p + n). */
static bool scan_bytes(scan *s, const ProtobufCFieldDescriptor *f, const unsigned char *p, size_t n)
{
    frame *top = &s->frames[s->depth];
    const uint32_t index = top->count[f - top->type->fields] - 1;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (index && f->label != PROTOBUF_C_LABEL_REPEATED)
            return diag_error(s->d, EXIT_INVALID, path_of(s, f), "wire-duplicate", "is given twice; onnxcc does not merge messages");
        return open_message(s, f, index, p + n);
    }
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        if (!utf8_valid(p, n)) return malformed(s, p, f, "text is not valid UTF-8");
        return has_no_zero(s, f, p, n) && spend(s, rounded(n + 1));
    }
    uint64_t count = 0;
    if (f->type != PROTOBUF_C_TYPE_BYTES && !packed_count(f, p, n, &count)) return malformed(s, p, f, "a packed list is cut off");
    if (is_left_out(top->type, f->id, WIRE_BYTES, n)) return leave_out(s, f, n);
    if (is_text(f) && !has_no_zero(s, f, p, n)) return false;
    if (f->type == PROTOBUF_C_TYPE_BYTES) return spend(s, rounded(n + 1));
    return spend(s, rounded(count * scalar_size(f->type)));
}

/* A list of numbers may be packed. */
static bool has_its_wire(const ProtobufCFieldDescriptor *f, wire_type w)
{
    return w == wire_of(f->type) || (w == WIRE_BYTES && f->label == PROTOBUF_C_LABEL_REPEATED && is_scalar(f));
}

/* Nothing but zeros from p on, outside of all messages. */
static bool is_padding(const scan *s, const unsigned char *p)
{
    if (s->depth) return false;
    while (p < s->end && !*p) p++;
    return p == s->end;
}

/* One field at p. Returns where the next one starts: inside it when it is a message; NULL after reporting. */
static const unsigned char *scan_field(scan *s, const unsigned char *p)
{
    frame *top = &s->frames[s->depth];
    const unsigned char *const start = p, *const end = top->end;
    uint64_t tag, n = 0;
    size_t used = wire_varint(p, end, 5, &tag);
    if (!used || tag >> 32 || tag < 8) return malformed(s, start, NULL, "there is no field tag"), NULL;
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(top->type, (unsigned)(tag >> 3));
    const wire_type w = (wire_type)(tag & 7);
    p += used;
    switch (w) {
    case WIRE_VARINT:
        n = wire_varint(p, end, 10, &tag);
        if (!n) return malformed(s, start, f, "a number is cut off or too long"), NULL;
        break;
    case WIRE_64: n = 8; break;
    case WIRE_32: n = 4; break;
    case WIRE_BYTES:
        used = wire_varint(p, end, 5, &n);
        if (!used) return malformed(s, start, f, "a length is cut off or too long"), NULL;
        p += used;
        break;
    default: return malformed(s, start, f, "a group or an unknown wire type stands"), NULL;
    }
    if (n > (uint64_t)(end - p)) return malformed(s, start, f, "a field runs past the end of its message"), NULL;
    top->fields++;
    if (!f || !has_its_wire(f, w)) return spend(s, rounded(n) + 64) ? p + n : NULL; /* unknown: protobuf passes over it */
    top->count[f - top->type->fields]++;
    const bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
    if (repeated && !(w == WIRE_BYTES && is_scalar(f)) && !spend(s, scalar_size(f->type))) return NULL;
    const uint32_t depth = s->depth;
    if (w == WIRE_BYTES && !scan_bytes(s, f, p, (size_t)n)) return NULL;
    return s->depth > depth ? p : p + n;
}

bool prescan(diag *d, const unsigned char *data, size_t size, const ProtobufCMessageDescriptor *root, const prescan_limits *limits, prescan_result *out)
{
    *out = (prescan_result){0};
    if (size > INT32_MAX) {
        diag_error(d, EXIT_LIMIT, "", "file-size", "a protobuf file can't be larger than 2 GiB, this one has %zu bytes", size);
        return diag_hint(d, "keep the weights in a file of their own (external data)");
    }
    frame frames[MAX_FRAMES];
    scan s = {.d = d, .data = data, .end = data + size, .out = out, .frames = frames};
    s.budget = limits && limits->memory ? limits->memory : 16 * (uint64_t)size + ((uint64_t)64 << 20);
    s.zeros = limits && limits->zeros;
    s.nesting = limits && limits->nesting && limits->nesting < WIRE_NESTING ? limits->nesting : WIRE_NESTING;
    frames[0] = (frame){.type = root, .end = data + size};
    if (!spend(&s, rounded(root->sizeof_message))) return false;
    for (const unsigned char *p = data;;) {
        while (p == frames[s.depth].end) {
            const bool outermost = s.depth == 0;
            if (!close_message(&s)) return false;
            out->size = (size_t)(p - data);
            if (outermost) return true;
        }
        if (!*p && is_padding(&s, p)) s.end = frames[0].end = p;
        else p = scan_field(&s, p);
        if (!p) return false;
    }
}

/* ---- the skeleton ---- */

/* A message that is being copied: its type, where it ends in the file, and where its length goes in the copy. */
typedef struct {
    const ProtobufCMessageDescriptor *type;
    const unsigned char *end;
    unsigned char *length;
} copy_frame;

size_t prescan_skeleton_bound(size_t size, const prescan_result *scan_)
{
    /* A length may grow from 1 byte to 5. */
    return size - (size_t)scan_->left_out + 4 * (size_t)scan_->messages + (sizeof(prescan_place) + 1) * (size_t)scan_->places;
}

/* The field at p, of a file that passed: its end is returned, its parts are in *f. */
typedef struct {
    uint32_t number;
    wire_type wire;
    const unsigned char *content; /* what follows the tag, and the length if there is one */
    size_t tag_bytes;
    uint64_t n; /* bytes of content */
} field_view;

static field_view field_at(const unsigned char *p, const unsigned char *end)
{
    uint64_t tag = 0, n = 0;
    field_view f = {.tag_bytes = wire_varint(p, end, 5, &tag)};
    f.number = (uint32_t)(tag >> 3);
    f.wire = (wire_type)(tag & 7);
    f.content = p + f.tag_bytes;
    switch (f.wire) {
    case WIRE_VARINT: n = wire_varint(f.content, end, 10, &tag); break;
    case WIRE_64: n = 8; break;
    case WIRE_32: n = 4; break;
    default: f.content += wire_varint(f.content, end, 5, &n); break;
    }
    f.n = n;
    return f;
}

static void replace_zeros(unsigned char *p, size_t n)
{
    enum { SUB = 26 };
    for (unsigned char *z; n && (z = memchr(p, 0, n));) {
        *z++ = SUB;
        n -= (size_t)(z - p);
        p = z;
    }
}

size_t prescan_skeleton(const unsigned char *data, size_t size, const ProtobufCMessageDescriptor *root, unsigned char *copy)
{
    enum { RAW_DATA_TAG = 9 << 3 | WIRE_BYTES };
    copy_frame frames[MAX_FRAMES];
    unsigned char *q = copy;
    uint32_t depth = 0;
    frames[0] = (copy_frame){root, data + size, NULL};
    for (const unsigned char *p = data;;) {
        while (p == frames[depth].end) {
            if (depth == 0) return (size_t)(q - copy);
            unsigned char *length = frames[depth--].length;
            wire_put_padded(length, (uint32_t)(q - length - 5));
        }
        const ProtobufCMessageDescriptor *kind = frames[depth].type;
        const field_view v = field_at(p, frames[depth].end);
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(kind, v.number);
        const unsigned char *const next = v.content + v.n;
        if (f && !has_its_wire(f, v.wire)) {
            p = next;
            continue;
        }
        if (f && f->type == PROTOBUF_C_TYPE_MESSAGE) {
            memcpy(q, p, v.tag_bytes);
            q += v.tag_bytes + 5;
            frames[++depth] = (copy_frame){f->descriptor, next, q - 5};
            p = v.content;
            continue;
        }
        if (f && is_left_out(kind, v.number, v.wire, v.n)) {
            const prescan_place place = {(uint64_t)(v.content - data), v.n, v.number};
            *q++ = RAW_DATA_TAG;
            *q++ = sizeof place;
            memcpy(q, &place, sizeof place);
            q += sizeof place;
        } else {
            memcpy(q, p, (size_t)(next - p));
            q += next - p;
            if (f && v.wire == WIRE_BYTES && is_text(f) && kind != &onnx__string_string_entry_proto__descriptor) /* a path ends there for onnx too */
                replace_zeros(q - v.n, (size_t)v.n);
        }
        p = next;
    }
}
