/* file.c - the verdict on a model file: its form, then its meaning; see check_model_file in check.h. */
#include "check/check.h"

#include <string.h>

#include "check/form.h"

/* What inference can work with: types that are not declared, operators that are no more or that nothing defines, undeclared references. */
static void allow_unfinished(diag *d)
{
    static const char *const codes[] = {"field-missing", "op-deprecated", "op-unknown", "attr-undeclared"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) diag_allow(d, codes[i]);
}

/* The model of a file whose form has faults, as far as it can be read, so that all is said in one run. The loader meets the same faults again. */
static model *look_on(arena *mem, diag *d, proto_file *f, const load_options *o)
{
    diag *apart = diag_new(mem, d->file);
    model *m = model_from_proto(mem, apart, f, o);
    diag_take(d, apart);
    if (m) m->diag = d;
    return m;
}

static model *judge(arena *mem, diag *d, proto_file *f, const load_options *o, bool skip_opset, bool full)
{
    if (!f) return NULL;
    arena *scratch = arena_new();
    const bool formed = check_form(scratch, d, proto_model(f));
    if (o && o->any_order) diag_allow(d, "graph-order");
    if (o && o->incomplete) allow_unfinished(d);
    if (skip_opset) diag_allow(d, "function-opset");
    model *m = formed || !d->errors ? model_from_proto(mem, d, f, o) : o && o->judging ? look_on(mem, d, f, o) : NULL;
    if (m && full) check_declared_types(scratch, d, proto_model(f));
    arena_free(scratch);
    if (!o || !o->keep_source) proto_release(f);
    if (m) (void)check_model_basic(m);
    if (o && o->incomplete) allow_unfinished(d);
    return m;
}

/* What is no fault in onnx.checker's eyes. */
static void allow(diag *d, bool skip_opset, bool full)
{
    static const char *const codes[] = {"call-inputs", "call-outputs", "attr-undeclared", "attr-ref"};
    diag_allow(d, NULL);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) diag_allow(d, codes[i]);
    if (skip_opset) diag_allow(d, "function-opset");
    if (!full) diag_allow(d, "elem-type");
}

static bool is_text_form(const char *path)
{
    const size_t n = strlen(path);
    return n >= 8 && (!strcmp(path + n - 8, ".onnxtxt") || (n >= 9 && !strcmp(path + n - 9, ".onnxtext")));
}

static model *load_text(arena *mem, diag *d, const char *path, const load_options *o)
{
    model *m = model_load(mem, d, path, o);
    if (m) (void)check_model_basic(m);
    if (o && o->any_order) diag_allow(d, "graph-order");
    if (o && o->incomplete) allow_unfinished(d);
    return m;
}

model *check_model_file(arena *mem, diag *d, const char *path, bool skip_opset, bool full)
{
    const load_options o = {.no_digest = true, .judging = true};
    proto_file *f = is_text_form(path) ? NULL : proto_open(mem, d, path, &onnx__model_proto__descriptor, &o);
    model *m = is_text_form(path) ? load_text(mem, d, path, &o) : judge(mem, d, f, &o, skip_opset, full);
    allow(d, skip_opset, full);
    return m;
}

model *model_load_checked(arena *mem, diag *d, const char *path, const load_options *o)
{
    model *m = is_text_form(path) ? load_text(mem, d, path, o) : judge(mem, d, proto_open(mem, d, path, &onnx__model_proto__descriptor, o), o, false, false);
    return d->errors ? NULL : m;
}

model *check_model_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path)
{
    return judge(mem, d, proto_open_bytes(mem, d, data, size, path, &onnx__model_proto__descriptor, NULL), NULL, false, false);
}
