/* surgery_weights.c - a model's weights out of its file and back into it; see surgery_weights_out in surgery.h.
 *
 * Nothing is copied in memory: tensors point into the mapped files that they come from, and the new files are written from there. */
#include <string.h>

#include "proto/convert.h"
#include "proto/external.h"
#include "proto/surgery_impl.h"

typedef struct {
    surgery *s;
    converter c;
    const weights_options *o; /* NULL: into the file */
    file_list files;
    VEC(file_piece) pieces; /* of the last file */
    uint64_t end;           /* of its last piece */
    uint64_t total;         /* bytes in the model's file */
    bool ok;
} mover;

/* ---- into files beside ---- */

static const char *number_text(mover *m, uint64_t n)
{
    return arena_printf(m->s->mem, "%llu", (unsigned long long)n);
}

static void finish_file(mover *m)
{
    if (!m->files.n) return;
    file_content *f = &m->files.p[m->files.n - 1];
    f->pieces = m->pieces.p;
    f->n_pieces = m->pieces.n;
    f->size = (size_t)m->end;
}

static const char *file_name(mover *m, uint32_t i)
{
    return i ? arena_printf(m->s->mem, "%s.%u", m->o->file, i) : m->o->file;
}

static void next_file(mover *m)
{
    finish_file(m);
    const char *path = arena_printf(m->s->mem, "%s/%s", m->o->folder, file_name(m, m->files.n));
    VEC_PUSH(m->s->mem, m->files, ((file_content){.path = path}));
    m->pieces.p = NULL;
    m->pieces.n = m->pieces.cap = 0;
    m->end = 0;
}

/* Where a tensor begins: what is read often and small lies close, what is large can be mapped by itself. */
static uint64_t aligned(uint64_t at, uint64_t bytes)
{
    enum { LARGE = 1 << 16, PAGE = 4096, LINE = 64 };
    const uint64_t unit = bytes >= LARGE ? PAGE : LINE;
    return (at + unit - 1) / unit * unit;
}

static Onnx__StringStringEntryProto *pair(mover *m, const char *key, const char *v)
{
    Onnx__StringStringEntryProto *p = ARENA_NEW(m->s->mem, Onnx__StringStringEntryProto);
    onnx__string_string_entry_proto__init(p);
    p->key = arena_strndup(m->s->mem, key, strlen(key));
    p->value = arena_strndup(m->s->mem, v, strlen(v));
    return p;
}

/* No elements of its own. */
static void empty(Onnx__TensorProto *p)
{
    p->n_float_data = p->n_int32_data = p->n_int64_data = p->n_double_data = p->n_uint64_data = 0;
    p->n_external_data = 0;
    p->has_raw_data = p->has_data_location = false;
    p->raw_data = (ProtobufCBinaryData){0, NULL};
    p->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
}

static void put_beside(mover *m, Onnx__TensorProto *p, const tensor *t)
{
    uint64_t at = aligned(m->end, t->bytes);
    if (!m->files.n || (m->o->part && m->pieces.n && at + t->bytes > m->o->part)) {
        next_file(m);
        at = 0;
    }
    empty(p);
    p->has_data_location = true;
    p->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    p->external_data = ARENA_ARRAY(m->s->mem, Onnx__StringStringEntryProto *, 3);
    p->external_data[p->n_external_data++] = pair(m, "location", file_name(m, m->files.n - 1));
    p->external_data[p->n_external_data++] = pair(m, "offset", number_text(m, at));
    p->external_data[p->n_external_data++] = pair(m, "length", number_text(m, t->bytes));
    VEC_PUSH(m->s->mem, m->pieces, ((file_piece){at, t->data, t->bytes}));
    m->end = at + t->bytes;
}

/* ---- tensors ---- */

static bool is_external(const Onnx__TensorProto *p)
{
    return p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

static void put_inside(mover *m, Onnx__TensorProto *p, const tensor *t)
{
    empty(p);
    p->has_raw_data = true;
    p->raw_data = (ProtobufCBinaryData){t->bytes, (uint8_t *)(uintptr_t)t->data};
    m->total += t->bytes;
}

static void move(mover *m, Onnx__TensorProto *p, const char *field, size_t i, bool is_initializer)
{
    const place at = {NULL, field, (int64_t)i, p->name};
    const bool out = m->o && is_initializer;
    if (p->data_type == ELEM_STRING || (!is_external(p) && !out)) return;
    const tensor *t = convert_tensor(&m->c, p, &at);
    if (!t) m->ok = false;
    else if (out && t->bytes >= m->o->least) put_beside(m, p, t);
    else if (is_external(p)) put_inside(m, p, t); /* in attributes they are constants of nodes, which runtimes read from the model only */
}

static void move_graph(mover *m, const Onnx__GraphProto *g);

static void move_node(mover *m, const Onnx__NodeProto *n)
{
    for (size_t i = 0; i < n->n_attribute; i++) {
        const Onnx__AttributeProto *a = n->attribute[i];
        if (a->t) move(m, a->t, "t", 0, false);
        for (size_t k = 0; k < a->n_tensors; k++) move(m, a->tensors[k], "tensors", k, false);
        for (size_t k = 0; k < a->n_sparse_tensors + (a->sparse_tensor != NULL); k++) {
            const Onnx__SparseTensorProto *s = k < a->n_sparse_tensors ? a->sparse_tensors[k] : a->sparse_tensor;
            if (s->values) move(m, s->values, "values", k, false);
            if (s->indices) move(m, s->indices, "indices", k, false);
        }
    }
    for (uint32_t k = 0; node_graph(n, k); k++) move_graph(m, node_graph(n, k));
}

static void move_graph(mover *m, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) move(m, g->initializer[i], "initializer", i, true);
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *s = g->sparse_initializer[i];
        if (s->values) move(m, s->values, "sparse_initializer", i, false);
        if (s->indices) move(m, s->indices, "sparse_initializer", i, false);
    }
    for (size_t i = 0; i < g->n_node; i++) move_node(m, g->node[i]);
}

static bool move_all(surgery *s, const weights_options *o, mover *m)
{
    *m = (mover){.s = s, .o = o, .ok = true};
    m->c = (converter){.mem = s->mem, .d = s->d, .m = model_new(s->mem, s->d), .files = externals_new(s->mem, s->d, surgery_folder(s))};
    move_graph(m, s->m->graph);
    for (size_t i = 0; i < s->m->n_functions; i++)
        for (size_t k = 0; k < s->m->functions[i]->n_node; k++) move_node(m, s->m->functions[i]->node[k]);
    finish_file(m);
    return m->ok;
}

bool surgery_weights_in(surgery *s)
{
    mover m;
    if (!move_all(s, NULL, &m)) return false;
    if (m.total <= INT32_MAX) return true;
    diag_error(s->d, EXIT_LIMIT, "", "file-size", "the weights take %llu bytes; a protobuf file can't be larger than 2 GiB", (unsigned long long)m.total);
    return diag_hint(s->d, "they have to stay in files beside the model");
}

bool surgery_weights_out(surgery *s, const weights_options *o)
{
    mover m;
    if (!*o->file || strchr(o->file, '/') || strchr(o->file, '\\') || !strncmp(o->file, "..", 2))
        return diag_error(s->d, EXIT_USAGE, "", "external-path", "'%s' is no name of a file beside the model", o->file);
    if (!move_all(s, o, &m)) return false;
    for (uint32_t i = 0; i < m.files.n; i++) {
        if (file_is_new(m.files.p[i].path) || file_has_content(&m.files.p[i])) continue;
        diag_error(s->d, EXIT_IO, "", "write-external", "the weights' file '%s' is there already, with other content", m.files.p[i].path);
        return diag_hint(s->d, "choose another name with --data-file, or remove that file");
    }
    s->made = m.files;
    return true;
}
