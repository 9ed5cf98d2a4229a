/* build.c - generated files on disk and the call of the C compiler. */
#include "driver/build.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embedded.h"
#include "proto/load.h"
#include "target/target.h"

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

/* Whether there is such a program at all. */
static bool cc_runs(void)
{
    arena *a = arena_new();
    text out = {.mem = a};
    arguments argv = {0};
    arguments_split(a, &argv, cc_command());
    VEC_PUSH(a, argv, "--version");
    VEC_PUSH(a, argv, NULL);
    const bool runs = process_run(argv.p, &out) == 0;
    arena_free(a);
    return runs;
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

/* The list of files in the manifest that an earlier compilation left in the folder; "" when there is none. */
static const char *files_made_before(arena *a, const compiled *out, const char *folder)
{
    file_view manifest;
    const char *why;
    if (!file_map(arena_printf(a, "%s/%s.json", folder, out->name), &manifest, &why)) return "";
    const char *list = strstr(arena_strndup(a, (const char *)manifest.data, manifest.size), "\"files\": [");
    file_unmap(&manifest);
    return list ? list : "";
}

/* Weights in another form that an earlier compilation made: a build that takes all files of the folder would have both. */
static void remove_stale_weights(arena *a, const compiled *out, const char *folder, const char *made_before)
{
    static const char *const forms[] = {"c", "S", "bin"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *name = arena_printf(a, "%s_weights.%s", out->name, forms[i]);
        bool made = false;
        for (uint32_t k = 0; k < out->files.n; k++) made |= !strcmp(out->files.p[k].name, name);
        if (!made && strstr(made_before, arena_printf(a, "\"%s\"", name))) unlink(arena_printf(a, "%s/%s", folder, name));
    }
}

bool write_compiled(arena *a, diag *d, const compiled *out, const char *folder)
{
    file_content *list = ARENA_ARRAY(a, file_content, out->files.n + 1);
    const char *failed, *why, *made_before = files_made_before(a, out, folder);
    for (uint32_t i = 0; i < out->files.n; i++)
        list[i] = (file_content){.path = arena_printf(a, "%s/%s", folder, out->files.p[i].name), .data = out->files.p[i].data, .size = out->files.p[i].size};
    if (!files_write(list, out->files.n, &failed, &why)) return diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", failed, why);
    remove_stale_weights(a, out, folder, made_before);
    return true;
}

bool write_runtime_header(diag *d, arena *a, const char *folder)
{
    const char *why = "it is not part of this executable", *path = arena_printf(a, "%s/onnxcc_rt.h", folder);
    for (const embedded_file *f = onnxcc_embedded; f->name; f++)
        if (!strcmp(f->name, "runtime/onnxcc_rt.h") && file_write(path, f->data, f->size, &why)) return true;
    return diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
}

bool is_source(const char *name)
{
    const size_t n = strlen(name);
    if (n > 3 && !strcmp(name + n - 3, ".cu")) return true;
    return n > 2 && name[n - 2] == '.' && (name[n - 1] == 'c' || name[n - 1] == 'S') && !(n > 7 && !strcmp(name + n - 7, "_main.c"));
}

const char *cache_folder(arena *a)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *path = base && *base   ? arena_printf(a, "%s/onnxcc/units", base)
                       : home && *home ? arena_printf(a, "%s/.cache/onnxcc/units", home)
                                       : NULL;
    return path && folder_make(NULL, path) && !access(path, W_OK) ? path : NULL;
}

/* The line that says what is wrong: the first with that word, else the first. */
static const char *said_line(arena *a, const text *said, const char *word)
{
    const char *all = said->p ? said->p : "", *found = strstr(all, word), *start = found ? found : all;
    while (start > all && start[-1] != '\n') start--;
    return arena_strndup(a, start, strcspn(start, "\n"));
}

static bool refused(diag *d, const char *what, const text *said)
{
    diag_error(d, EXIT_INTERNAL, "", "cc-failed", "%s refused the generated code: %.600s", what, said_line(d->mem, said, "error"));
    return diag_hint(d, "--keep DIR keeps the generated files");
}

bool cc_customs(arena *a, diag *d, const char *const *files, uint32_t n, const char *folder, const char *name, const char *flags, arguments *to)
{
    for (uint32_t i = 0; i < n; i++) {
        const size_t length = strlen(files[i]);
        if (access(files[i], R_OK)) return diag_error(d, EXIT_IO, "", "read-failed", "can't read '%s'", files[i]);
        if (length < 3 || strcmp(files[i] + length - 2, ".c")) {
            VEC_PUSH(a, *to, files[i]);
            continue;
        }
        const char *object = arena_printf(a, "%s/custom%u.o", folder, i);
        arguments argv = {0};
        text said = {.mem = a};
        arguments_split(a, &argv, cc_command());
        arguments_split(a, &argv, arena_printf(a, "-O2 -fPIC -Werror=implicit-function-declaration %s", flags));
        VEC_PUSH(a, argv, "-I");
        VEC_PUSH(a, argv, folder);
        VEC_PUSH(a, argv, "-include");
        VEC_PUSH(a, argv, arena_printf(a, "%s/%s.h", folder, name));
        VEC_PUSH(a, argv, "-c");
        VEC_PUSH(a, argv, files[i]);
        VEC_PUSH(a, argv, "-o");
        VEC_PUSH(a, argv, object);
        VEC_PUSH(a, argv, NULL);
        if (process_run(argv.p, &said)) return diag_error(d, EXIT_USAGE, "", "custom-source", "the C compiler refused '%s': %.900s", files[i], said.p ? said.p : "");
        VEC_PUSH(a, *to, object);
    }
    return true;
}

/* Something that the library needs is in none of its files. */
static bool misses_function(const compile_options *o, const text *said)
{
    return o->customs.n && said->p && (strstr(said->p, "undefined reference") || strstr(said->p, "undefined symbol"));
}

static bool call_cc(arena *a, diag *d, const compile_options *o, const compiled *out, const char *folder, const char *flags, const char *library, const cuda_tools *cuda)
{
    arguments sources = {0};
    for (uint32_t i = 0; i < out->files.n; i++)
        if (is_source(out->files.p[i].name)) VEC_PUSH(a, sources, arena_printf(a, "%s/%s", folder, out->files.p[i].name));
    text said = {.mem = a};
    if (!cc_customs(a, d, o->custom_sources.p, o->custom_sources.n, folder, out->name, flags, &sources)) return false;
    if (cuda) return cuda_shared(a, cuda, sources.p, sources.n, folder, flags, "-O1", library, &said) || refused(d, "the compiler", &said);
    if (cc_shared(a, sources.p, sources.n, folder, arena_printf(a, "%s %s", out->cflags ? out->cflags : "", flags), "-O2", library, &said)) return true;
    if (!cc_runs()) {
        diag_error(d, EXIT_IO, "", "cc-missing", "the C compiler '%s' does not run", cc_command());
        return diag_hint(d, "install gcc or clang, or name one in CC; `onnxcc doctor` tries it");
    }
    if (misses_function(o, &said)) {
        diag_error(d, EXIT_USAGE, "", "custom-source", "the function of a custom operator is missing: %.600s", said_line(a, &said, "undefined"));
        return diag_hint(d, "give the C source or object that has it: --custom-source FILE");
    }
    return refused(d, "the C compiler", &said);
}

bool build_shared(arena *a, diag *d, const compiled *out, const compile_options *o, const char *folder, const char *flags, cuda_mode mode)
{
    const bool cuda = target_is_cuda(o->target);
    const char *library = arena_printf(a, "%s/%s.so", folder, out->name), *made = arena_printf(a, "%s.%ld", library, (long)getpid());
    cuda_tools tools;
    if (cuda && !cuda_prepare(a, d, folder, cache_folder(a), mode, o->gpu_arch, &tools)) return false;
    if (!call_cc(a, d, o, out, folder, flags, made, cuda ? &tools : NULL)) return false;
    return !rename(made, library) || diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s'", library);
}

model *load_for_build(arena *a, diag *d, const char *path)
{
    d->file = path;
    return model_load(a, d, path, NULL);
}

bool build_library(arena *a, model *m, const compile_options *o, const char *folder, const char *flags, cuda_mode mode, compiled *out, const char **library)
{
    out->mem = a;
    if (o->target && !strcmp(o->target, "auto")) {
        diag_error(m->diag, EXIT_USAGE, "", "target", "--target=auto is for `onnxcc compile`");
        return diag_hint(m->diag, "run, verify and bench take one of its parts: --target=native, or --target=cuda, with --emulate where there is no device");
    }
    if (!target_runs_here(o->target)) {
        diag_error(m->diag, EXIT_USAGE, "", "target-foreign", "this machine can't run code for '%s'", o->target);
        return diag_hint(m->diag, "`onnxcc compile` writes it; `generic-c99` runs everywhere");
    }
    if (!compile_model(m, o, out)) return false;
    *library = arena_printf(a, "%s/%s.so", folder, out->name);
    return write_runtime_header(m->diag, a, folder) && write_compiled(a, m->diag, out, folder) && build_shared(a, m->diag, out, o, folder, flags, mode);
}

void print_winograd(FILE *out, const char *label, const compiled *c)
{
    const winograd_use *w = &c->winograd;
    if (!w->layers && !w->left) return;
    fprintf(out, "%s %u convolution%s, %lld bytes of weights more for %lld multiply-adds less", label, w->layers, w->layers == 1 ? "" : "s", (long long)w->bytes, (long long)w->saved);
    if (w->left) fprintf(out, "; --optimize=speed: %u more or in larger tiles, %lld bytes for %lld", w->left, (long long)w->left_bytes, (long long)w->left_saved);
    fputs(c->dims.n ? " (the run's dimensions at their least)\n" : "\n", out);
}
