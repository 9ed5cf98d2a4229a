/* proto.c - files into protobuf-c structures, without copying the weights; see proto.h.
 *
 * protobuf-c copies everything. So what it gets to see is a copy of the file without the weights (prescan_skeleton), with their places in the
 * file instead, and the places are made pointers afterwards. */
#include "proto/proto.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "proto/prescan.h"

/* ---- memory of the protobuf form ---- */

enum { LARGE = 1024 }; /* bytes from which a piece has a block of its own, which the unpacker can free: its scratch is of that size */

typedef struct piece {
    struct piece *next, *before; /* in the ring of large ones */
    size_t bytes;
    size_t pad; /* keeps what follows aligned to 16 bytes */
} piece;

struct proto_memory {
    arena *small;
    piece large; /* head of the ring */
    uint64_t used, limit;
};

static void *memory_alloc(void *self, size_t bytes)
{
    proto_memory *m = self;
    if (bytes > SIZE_MAX - sizeof(piece) || bytes + sizeof(piece) > m->limit - m->used) return NULL;
    m->used += bytes + sizeof(piece);
    piece *p;
    if (bytes < LARGE) p = arena_alloc(m->small, sizeof *p + bytes);
    else {
        p = malloc(sizeof *p + bytes);
        if (!p) return NULL;
        p->next = m->large.next;
        p->before = &m->large;
        p->next->before = m->large.next = p;
    }
    p->bytes = bytes;
    return p + 1;
}

static void memory_free(void *self, void *content)
{
    proto_memory *m = self;
    if (!content) return;
    piece *p = (piece *)content - 1;
    if (p->bytes < LARGE) return; /* goes with the arena */
    p->next->before = p->before;
    p->before->next = p->next;
    m->used -= p->bytes + sizeof *p;
    free(p);
}

static void memory_release(void *self)
{
    proto_memory *m = self;
    while (m->large.next != &m->large) {
        piece *p = m->large.next;
        m->large.next = p->next;
        free(p);
    }
    m->large.before = &m->large;
    arena_free(m->small);
    m->small = NULL;
}

static proto_memory *memory_new(arena *mem, uint64_t limit)
{
    proto_memory *m = ARENA_NEW(mem, proto_memory);
    m->large.next = m->large.before = &m->large;
    m->limit = limit;
    arena_on_free(mem, memory_release, m);
    m->small = mem_keep(arena_new());
    return m;
}

void proto_release(proto_file *f)
{
    if (f->memory) memory_release(f->memory);
    f->root = NULL;
}

/* ---- weights back in place ---- */

/* False when memory runs out. */
static bool restore_tensor(Onnx__TensorProto *t, const unsigned char *data, proto_memory *memory)
{
    enum { FLOAT_DATA = 4, RAW_DATA = 9 };
    prescan_place at;
    if (!t->has_raw_data || !t->raw_data.len) return true;
    memcpy(&at, t->raw_data.data, sizeof at);
    t->raw_data = (ProtobufCBinaryData){(size_t)at.bytes, (uint8_t *)(uintptr_t)(data + at.offset)};
    const bool single = t->data_type == ELEM_FLOAT || t->data_type == ELEM_COMPLEX64, twice = t->data_type == ELEM_DOUBLE || t->data_type == ELEM_COMPLEX128;
    if (at.field == RAW_DATA || (at.field == FLOAT_DATA ? single : twice)) return true;
    /* A list that does not fit the element type: as it was, for the converter to complain about. */
    void *list = memory_alloc(memory, (size_t)at.bytes);
    if (!list) return false;
    memcpy(list, data + at.offset, (size_t)at.bytes);
    t->has_raw_data = false;
    if (at.field == FLOAT_DATA) {
        t->n_float_data = (size_t)at.bytes / sizeof(float);
        t->float_data = list;
    } else {
        t->n_double_data = (size_t)at.bytes / sizeof(double);
        t->double_data = list;
    }
    return true;
}

/* Visits every message below `m`; the depth is bounded by the prescan. */
static bool restore(ProtobufCMessage *m, const unsigned char *data, proto_memory *memory)
{
    const ProtobufCMessageDescriptor *kind = m->descriptor;
    bool ok = kind != &onnx__tensor_proto__descriptor || restore_tensor((Onnx__TensorProto *)m, data, memory);
    for (unsigned i = 0; i < kind->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &kind->fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE) continue;
        char *member = (char *)m + f->offset, *quantifier = (char *)m + f->quantifier_offset;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            ProtobufCMessage **list = *(ProtobufCMessage ***)(void *)member;
            for (size_t k = 0, n = *(size_t *)(void *)quantifier; k < n; k++) ok &= restore(list[k], data, memory);
        } else if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) || *(uint32_t *)(void *)quantifier == f->id) {
            ProtobufCMessage *sub = *(ProtobufCMessage **)(void *)member;
            if (sub) ok &= restore(sub, data, memory);
        }
    }
    return ok;
}

/* ---- opening ---- */

static void unmap(void *view)
{
    file_unmap(view);
}

static bool unpack(proto_file *f, arena *mem, diag *d, const ProtobufCMessageDescriptor *root, const load_options *o)
{
    prescan_result scan;
    const prescan_limits limits = {.memory = o ? o->memory : 0, .zeros = o && o->judging};
    if (!prescan(d, f->view.data, f->view.size, root, &limits, &scan)) return false;
    /* More than the estimate: protobuf-c's scratch grows by doubling, and every piece has a head here. */
    const size_t bound = prescan_skeleton_bound(scan.size, &scan);
    f->memory = memory_new(mem, scan.memory * 4 + bound + (1 << 20));
    ProtobufCAllocator allocator = {memory_alloc, memory_free, f->memory};
    ProtobufCMessage *m = NULL;
    unsigned char *skeleton = memory_alloc(f->memory, bound > LARGE ? bound : LARGE);
    if (skeleton) {
        const size_t n = prescan_skeleton(f->view.data, scan.size, root, skeleton);
        m = protobuf_c_message_unpack(root, &allocator, n, skeleton);
        memory_free(f->memory, skeleton);
    }
    if (!m || !restore(m, f->view.data, f->memory)) return diag_error(d, EXIT_LIMIT, "", "model-memory", "the model can't be unpacked: out of memory");
    f->root = m;
    if (!o || !o->no_digest) sha256_hex(f->view.data, f->view.size, f->sha256);
    return true;
}

const char *proto_folder(arena *mem, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/" : arena_strndup(mem, path, (size_t)(slash - path));
}

proto_file *proto_open_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path, const ProtobufCMessageDescriptor *root,
                             const load_options *o)
{
    proto_file *f = ARENA_NEW(mem, proto_file);
    f->view = (file_view){data, size, NULL};
    if (path) {
        f->path = arena_strndup(mem, path, strlen(path));
        f->folder = proto_folder(mem, path);
    }
    return unpack(f, mem, d, root, o) ? f : NULL;
}

proto_file *proto_open(arena *mem, diag *d, const char *path, const ProtobufCMessageDescriptor *root, const load_options *o)
{
    file_view *view = ARENA_NEW(mem, file_view);
    const char *why;
    arena_on_free(mem, unmap, view);
    if (!file_map(path, view, &why)) {
        diag_error(d, EXIT_IO, "", "file-open", "can't read the file: %s", why);
        return NULL;
    }
    mem_keep(view->piece); /* the arena's from here on */
    return proto_open_bytes(mem, d, view->data, view->size, path, root, o);
}

/* ---- positions ---- */

static void place_add(const place *p, text *t)
{
    if (p->up) place_add(p->up, t); /* as deep as the model is nested */
    if (!*p->field) return;
    text_addf(t, "%s%s", t->n ? "." : "", p->field);
    if (p->index >= 0) text_addf(t, "[%lld]", (long long)p->index);
    if (p->name && *p->name) text_addf(t, " '%s'", p->name);
}

const char *place_text(diag *d, const place *p)
{
    text t = {.mem = d->mem};
    text_add(&t, "");
    if (p) place_add(p, &t);
    return t.p;
}
