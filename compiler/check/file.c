/* file.c - the verdict on a model file: its form, then its meaning; see check_model_file in check.h. */
#include "check/check.h"

#include <string.h>

#include "check/form.h"

static model *judge(arena *mem, diag *d, proto_file *f, const load_options *o)
{
    if (!f) return NULL;
    arena *scratch = arena_new();
    bool formed = check_form(scratch, d, proto_model(f));
    arena_free(scratch);
    if (o && o->any_order) {
        diag_allow(d, "graph-order");
        formed |= !d->errors;
    }
    model *m = formed ? model_from_proto(mem, d, f, o) : NULL; /* what has no form is hardly worth more messages */
    if (!o || !o->keep_source) proto_release(f);
    if (m) (void)check_model_basic(m);
    return m;
}

model *check_model_file(arena *mem, diag *d, const char *path)
{
    return judge(mem, d, proto_open(mem, d, path, &onnx__model_proto__descriptor, NULL), NULL);
}

model *model_load_checked(arena *mem, diag *d, const char *path, const load_options *o)
{
    const size_t n = strlen(path);
    const bool is_text = n >= 8 && (!strcmp(path + n - 8, ".onnxtxt") || (n >= 9 && !strcmp(path + n - 9, ".onnxtext")));
    model *m = is_text ? model_load(mem, d, path, o) : judge(mem, d, proto_open(mem, d, path, &onnx__model_proto__descriptor, o), o);
    if (m && is_text) (void)check_model_basic(m);
    return d->errors ? NULL : m;
}

model *check_model_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path)
{
    return judge(mem, d, proto_open_bytes(mem, d, data, size, path, &onnx__model_proto__descriptor, NULL), NULL);
}
