/* save_own.c - writing a model back: the file, and the files with its weights beside it; see model_save_own in save.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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
    VEC(file_content) copies; /* of them, to be written together with the model */
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

/* ---- copying them ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* True when there is no such file or it has these bytes. */
static bool free_to_write(const char *path, const void *data, size_t size)
{
    file_view old;
    const char *why;
    struct stat st;
    if (stat(path, &st)) return errno == ENOENT;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size || !file_map(path, &old, &why)) return false;
    const bool same = !memcmp(old.data, data, size);
    file_unmap(&old);
    return same;
}

/* The folders on the way to a file. */
static bool make_folders(saver *s, const char *folder, const char *location)
{
    for (const char *slash = strchr(location, '/'); slash; slash = strchr(slash + 1, '/')) {
        const char *path = arena_printf(s->a, "%s/%.*s", folder, (int)(slash - location), location);
        if (mkdir(path, 0777) && errno != EEXIST)
            return diag_error(s->d, EXIT_IO, "", "write-failed", "can't make folder '%s': %s", path, strerror(errno));
    }
    return true;
}

static bool copy_file(saver *s, externals *from, const char *folder, const char *location)
{
    uint64_t size;
    if (!external_size(from, "", location, &size)) return false;
    const void *data = external_data(from, "", location, 0, size);
    const char *path = arena_printf(s->a, "%s/%s", folder, location);
    if (!free_to_write(path, data, (size_t)size)) {
        diag_error(s->d, EXIT_IO, "", "write-external", "the weights' file '%s' is there already, with other content", path);
        return diag_hint(s->d, "write the model to another folder, or remove that file");
    }
    VEC_PUSH(s->a, s->copies, ((file_content){path, data, (size_t)size}));
    return make_folders(s, folder, location);
}

static bool place_files(saver *s, const char *path)
{
    const char *folder = proto_folder(s->a, path), *home = s->m->path ? proto_folder(s->a, s->m->path) : NULL;
    externals *from = externals_new(s->a, s->d, home);
    const bool here = home && same_file(folder, home);
    for (uint32_t i = 0; i < s->files.n; i++) {
        if (same_file(path, arena_printf(s->a, "%s/%s", home, s->files.p[i])))
            return diag_error(s->d, EXIT_USAGE, "", "output", "'%s' holds weights of the model", path);
        if (!here && !copy_file(s, from, folder, s->files.p[i])) return false;
    }
    return true;
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
    const char *failed, *why = NULL;
    find_files(&s);
    bool ok = encode(&s, path, &out) && place_files(&s, path);
    VEC_PUSH(s.a, s.copies, ((file_content){path, out.p, out.n}));
    if (ok && !files_write(s.copies.p, s.copies.n, &failed, &why)) ok = diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", failed, why);
    arena_free(s.a);
    return ok;
}
