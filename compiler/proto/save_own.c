/* save_own.c - writing a model back: the file, and the files with its weights beside it; see model_save_own in save.h. */
#include <string.h>

#include "onnx.pb-c.h"
#include "proto/external.h"
#include "proto/load.h"
#include "proto/proto.h"
#include "proto/save.h"

typedef struct {
    model *m;
    diag *d;
    arena *a;
    VEC(const char *) files;  /* locations of external data, each once */
    file_list copies;         /* of them, to be written together with the model */
} saver;

/* ---- which files ---- */

static void note_tensor(saver *s, const tensor *t)
{
    const Onnx__TensorProto *p = t && !t->sparse ? t->source : NULL;
    if (!p || p->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) return;
    const char *location = NULL;
    for (size_t i = 0; i < p->n_external_data; i++)
        if (p->external_data[i]->key && !strcmp(p->external_data[i]->key, "location")) location = p->external_data[i]->value;
    for (uint32_t i = 0; location && i < s->files.n; i++)
        if (!strcmp(s->files.p[i], location)) return;
    if (location) VEC_PUSH(s->a, s->files, location);
}

static void note_attr(saver *s, const attr *a)
{
    if (a->ref) return;
    if (a->kind == ATTR_TENSOR) note_tensor(s, a->u.t);
    for (uint32_t i = 0; a->kind == ATTR_TENSORS && i < a->n; i++) note_tensor(s, a->u.tensors[i]);
}

static void find_files(saver *s)
{
    const model *m = s->m;
    for (graph_id g = 1; g < m->graphs.n; g++) {
        const graph *gr = m->graphs.p[g];
        for (uint32_t i = 0; i < gr->initializers.n; i++) {
            const value *v = &m->values.p[gr->initializers.p[i]];
            note_tensor(s, v->data ? v->data : v->initial);
        }
        for (uint32_t i = 0; i < gr->nodes.n; i++) {
            const node *n = &m->nodes.p[gr->nodes.p[i]];
            for (uint32_t k = 0; k < n->n_attr; k++) note_attr(s, &n->attr[k]);
        }
    }
}

/* ---- the model ---- */

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

/* Types that were inferred are put together with those of the file when it is encoded: the text is that of the file. */
static bool text_of_encoded(saver *s, text *out)
{
    text file = {.mem = s->a};
    const load_options o = {.overridable_inputs = true};
    if (!model_encode(s->m, s->d, &file)) return false;
    model *m = model_load_bytes(s->a, s->d, file.p, file.n, s->m->path, &o);
    if (m) model_text(m, out, UINT32_MAX);
    return m != NULL;
}

static bool encode(saver *s, const char *path, text *out)
{
    if (!ends_with(path, ".onnxtxt")) return model_encode(s->m, s->d, out);
    if (s->m->types_inferred) return text_of_encoded(s, out);
    model_text(s->m, out, UINT32_MAX);
    return true;
}

bool model_save_own(model *m, diag *d, const char *path)
{
    saver s = {.m = m, .d = d, .a = arena_new()};
    text out = {.mem = s.a};
    find_files(&s);
    bool ok = encode(&s, path, &out) && external_copy(s.a, d, m->path ? proto_folder(s.a, m->path) : NULL, path, s.files.p, s.files.n, &s.copies);
    VEC_PUSH(s.a, s.copies, ((file_content){.path = path, .data = out.p, .size = out.n}));
    ok = ok && file_list_write(&s.copies, d);
    arena_free(s.a);
    return ok;
}
