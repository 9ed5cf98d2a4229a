/* build.c - generated files on disk and the call of the C compiler. */
#include "driver/build.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embedded.h"
#include "proto/load.h"

static const char *cc_command(void)
{
    const char *cc = getenv("CC");
    return cc && *cc ? cc : "cc";
}

const char *cc_identity(arena *a)
{
    text out = {.mem = a};
    arguments argv = {0};
    arguments_split(a, &argv, cc_command());
    VEC_PUSH(a, argv, "--version");
    VEC_PUSH(a, argv, NULL);
    process_run(argv.p, &out);
    return arena_printf(a, "%s\n%s", cc_command(), out.p ? out.p : "");
}

const char *cc_file(arena *a, const char *name)
{
    text out = {.mem = a};
    arguments argv = {0};
    arguments_split(a, &argv, cc_command());
    VEC_PUSH(a, argv, arena_printf(a, "-print-file-name=%s", name));
    VEC_PUSH(a, argv, NULL);
    if (process_run(argv.p, &out) || !out.p || *out.p != '/') return NULL; /* a name that it does not know comes back as it is */
    return arena_strndup(a, out.p, strcspn(out.p, "\n"));
}

bool cc_shared(arena *a, const char *const *sources, uint32_t n, const char *include, const char *cflags, const char *level, const char *library,
               text *messages)
{
    arguments argv = {0};
    arguments_split(a, &argv, cc_command());
    arguments_split(a, &argv, "-std=c99 -w -shared -fPIC -fvisibility=default -ffp-contract=off");
    arguments_split(a, &argv, level);
    arguments_split(a, &argv, cflags ? cflags : "");
    VEC_PUSH(a, argv, "-I");
    VEC_PUSH(a, argv, include);
    VEC_PUSH(a, argv, arena_printf(a, "-Wa,-I,%s", include));
    VEC_PUSH(a, argv, "-o");
    VEC_PUSH(a, argv, library);
    for (uint32_t i = 0; i < n; i++) VEC_PUSH(a, argv, sources[i]);
    VEC_PUSH(a, argv, "-lm");
#ifdef __linux__
    VEC_PUSH(a, argv, "-Wl,-z,defs"); /* a missing function is an error now, not when the library is loaded */
#endif
    VEC_PUSH(a, argv, NULL);
    const int status = process_run(argv.p, messages);
    if (status == 0) return true;
    if (status > 128) text_addf(messages, "the C compiler was ended by signal %d\n", status - 128);
    return false;
}

bool write_compiled(arena *a, diag *d, const compiled *out, const char *folder)
{
    const char *why = "";
    for (uint32_t i = 0; i < out->files.n; i++) {
        const out_file *f = &out->files.p[i];
        const char *path = arena_printf(a, "%s/%s", folder, f->name);
        if (file_write(path, f->data, f->size, &why)) continue;
        for (uint32_t k = 0; k < i; k++) unlink(arena_printf(a, "%s/%s", folder, out->files.p[k].name));
        return diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
    }
    return true;
}

bool write_runtime_header(diag *d, arena *a, const char *folder)
{
    const char *why = "it is not part of this executable", *path = arena_printf(a, "%s/onnxcc_rt.h", folder);
    for (const embedded_file *f = onnxcc_embedded; f->name; f++)
        if (!strcmp(f->name, "runtime/onnxcc_rt.h") && file_write(path, f->data, f->size, &why)) return true;
    return diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
}

static bool is_source(const char *name)
{
    const size_t n = strlen(name);
    return n > 2 && name[n - 2] == '.' && (name[n - 1] == 'c' || name[n - 1] == 'S') && !(n > 7 && !strcmp(name + n - 7, "_main.c"));
}

static bool call_cc(arena *a, diag *d, const compiled *out, const char *folder, const char *flags, const char *library)
{
    arguments sources = {0};
    for (uint32_t i = 0; i < out->files.n; i++)
        if (is_source(out->files.p[i].name)) VEC_PUSH(a, sources, arena_printf(a, "%s/%s", folder, out->files.p[i].name));
    text said = {.mem = a};
    if (cc_shared(a, sources.p, sources.n, folder, arena_printf(a, "%s %s", out->cflags ? out->cflags : "", flags), "-O2", library, &said)) return true;
    diag_error(d, EXIT_INTERNAL, "", "cc-failed", "the C compiler refused the generated code: %.600s", said.p ? said.p : "");
    return diag_hint(d, "--keep DIR keeps the generated files");
}

model *load_for_build(arena *a, diag *d, const char *path)
{
    d->file = path;
    return model_load(a, d, path, NULL);
}

bool build_library(arena *a, model *m, const compile_options *o, const char *folder, const char *flags, compiled *out, const char **library)
{
    out->mem = a;
    if (!compile_model(m, o, out)) return false;
    *library = arena_printf(a, "%s/%s.so", folder, out->name);
    return write_runtime_header(m->diag, a, folder) && write_compiled(a, m->diag, out, folder) && call_cc(a, m->diag, out, folder, flags, *library);
}
