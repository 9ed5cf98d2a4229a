/* file.c - the verdict on a model file: its form, then its meaning; see check_model_file in check.h. */
#include "check/check.h"
#include "check/form.h"

static model *judge(arena *mem, diag *d, proto_file *f)
{
    if (!f) return NULL;
    arena *scratch = arena_new();
    const bool formed = check_form(scratch, d, proto_model(f));
    arena_free(scratch);
    model *m = formed ? model_from_proto(mem, d, f, NULL) : NULL; /* what has no form is hardly worth more messages */
    proto_release(f);
    if (m) (void)check_model_basic(m);
    return m;
}

model *check_model_file(arena *mem, diag *d, const char *path)
{
    return judge(mem, d, proto_open(mem, d, path, &onnx__model_proto__descriptor, NULL));
}

model *check_model_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path)
{
    return judge(mem, d, proto_open_bytes(mem, d, data, size, path, &onnx__model_proto__descriptor, NULL));
}
