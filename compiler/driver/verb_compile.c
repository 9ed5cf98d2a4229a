/* verb_compile.c - `onnxcc compile MODEL -o DIR`: writes the generated files, all or none. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/build.h"
#include "driver/command.h"

/* A make rule: the main file depends on the model and on the config file. Blanks and # are escaped as make wants it. */
static void make_name(text *to, const char *s)
{
    for (; *s; s++) {
        if (*s == ' ' || *s == '#') text_add(to, "\\");
        if (*s == '$') text_add(to, "$");
        text_addn(to, s, 1);
    }
}

static bool write_depfile(command *c, const char *path, const char *folder, const compiled *out)
{
    text rule = {.mem = c->mem};
    const char *why, *config = opt_text(c->o, OPT_CONFIG, NULL);
    for (uint32_t i = 0; i < out->files.n; i++) {
        make_name(&rule, arena_printf(c->mem, "%s/%s", folder, out->files.p[i].name));
        text_add(&rule, i + 1 < out->files.n ? " " : ": ");
    }
    make_name(&rule, c->o->args.p[0]);
    if (config) {
        text_add(&rule, " ");
        make_name(&rule, config);
    }
    for (uint32_t i = 0; i < c->o->n[OPT_CUSTOM]; i++) {
        text_add(&rule, " ");
        make_name(&rule, c->o->values[OPT_CUSTOM][i]);
    }
    const char *tuning = opt_text(c->o, OPT_TUNING, NULL);
    if (tuning) {
        text_add(&rule, " ");
        make_name(&rule, tuning);
    }
    text_add(&rule, "\n");
    return file_write(path, rule.p, rule.n, &why) || diag_error(c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
}

/* The manifest on one line: its strings hold no line breaks, so those and the blanks that follow are layout. */
void print_manifest(FILE *to, const char *s)
{
    for (; *s; s++) {
        if (*s != '\n') fputc(*s, to);
        else while (s[1] == ' ') s++;
    }
}

static void print_summary(const command *c, const char *folder, const compiled *out)
{
    if (out->dump.n) fwrite(out->dump.p, 1, out->dump.n, c->out);
    if (c->json) {
        print_manifest(c->json, out->manifest ? out->manifest : "{}");
        fputc('\n', c->json);
    }
    if (!c->verbose || c->quiet) return;
    for (uint32_t i = 0; i < out->files.n; i++) fprintf(stderr, "%s/%s  %zu bytes\n", folder, out->files.p[i].name, out->files.p[i].size);
    fprintf(stderr, "%u steps for %u nodes, weights %lld bytes, arena ", out->n_steps, out->n_nodes, (long long)out->weights_bytes);
    if (out->arena_bytes < 0) fputs("decided at run time by the dimensions\n", stderr);
    else fprintf(stderr, "%lld bytes\n", (long long)out->arena_bytes);
    print_winograd(stderr, "Winograd's algorithm:", out);
    if (opt_choice(c->o, OPT_MATH) != MATH_FAST) return;
    if (out->fast_steps) fprintf(stderr, "--math=fast: %u step%s more than with the default\n", out->fast_steps, out->fast_steps == 1 ? " rounds" : "s round");
    else fputs("--math=fast changes no step of this model\n", stderr);
}

static bool is_newer(const char *path, const struct stat *made)
{
    struct stat source;
    if (stat(path, &source)) return true;
    const struct timespec *a = &made->st_mtim, *b = &source.st_mtim;
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Is NAME.so there, and none of the files that it was built of newer? */
static bool library_is_fresh(command *c, const char *folder, const compiled *out, const compile_options *o)
{
    struct stat made;
    if (stat(arena_printf(c->mem, "%s/%s.so", folder, out->name), &made)) return false;
    for (uint32_t i = 0; i < out->files.n; i++)
        if (is_newer(arena_printf(c->mem, "%s/%s", folder, out->files.p[i].name), &made)) return false;
    for (uint32_t i = 0; i < o->custom_sources.n; i++)
        if (is_newer(o->custom_sources.p[i], &made)) return false;
    return true;
}

static bool write_library(command *c, const char *folder, const compiled *out, const compile_options *o)
{
    const char *flags = getenv("CFLAGS");
    return library_is_fresh(c, folder, out, o) || build_shared(c->mem, c->diag, out, o, folder, flags ? flags : "", CUDA_DEVICE);
}

/* All files, or none and no folder that was not there: also when memory runs out on the way. */
static bool write_folder(command *c, const compiled *out, const char *folder)
{
    const bool is_new = access(folder, F_OK) != 0;
    if (!folder_make(c->diag, folder)) return false;
    mem_trap trap;
    mem_trap_set(&trap);
    const bool trapped = setjmp(trap.here) != 0;
    const bool ok = !trapped && write_compiled(c->mem, c->diag, out, folder);
    mem_trap_end(&trap);
    if (!ok && is_new) rmdir(folder);
    return ok || (trapped && diag_error(c->diag, EXIT_LIMIT, "", "out-of-memory", "out of memory"));
}

static exit_code run_compile(command *c)
{
    compile_options o;
    compiled out = {.mem = c->mem};
    const char *folder = opt_text(c->o, OPT_OUTPUT, NULL), *depfile = opt_text(c->o, OPT_DEPFILE, NULL);
    if (!command_compile_options(c, &o)) return diag_exit(c->diag);
    if ((o.emit & EMIT_SHARED) && o.target && !strcmp(o.target, "auto")) {
        diag_error(c->diag, EXIT_USAGE, "", "target", "--emit=shared builds for one target: --target=native or --target=cuda, not auto");
        return EXIT_USAGE;
    }
    if (o.custom_sources.n && !(o.emit & EMIT_SHARED)) {
        diag_error(c->diag, EXIT_USAGE, "", "option-mix", "--custom-source is for --emit=shared; else the sources are built with the generated ones");
        return EXIT_USAGE;
    }
    if (!folder && !o.dump) {
        diag_error(c->diag, EXIT_USAGE, "", "missing-value", "'compile' needs -o DIR to write to");
        return EXIT_USAGE;
    }
    model *m = load_for_build(c->mem, c->diag, c->o->args.p[0]);
    if (!m) return diag_exit(c->diag);
    if (o.target && !strcmp(o.target, "auto")) {
        model *again = load_for_build(c->mem, c->diag, c->o->args.p[0]);
        if (!again || !compile_auto(m, again, &o, &out)) return diag_exit(c->diag);
    } else if (!compile_model(m, &o, &out)) return diag_exit(c->diag);
    if (folder) {
        if (!write_folder(c, &out, folder)) return diag_exit(c->diag);
        if ((o.emit & EMIT_SHARED) && !write_library(c, folder, &out, &o)) return diag_exit(c->diag);
        if (depfile && !write_depfile(c, depfile, folder, &out)) return EXIT_IO;
    }
    print_summary(c, folder ? folder : "", &out);
    return EXIT_OK;
}

exit_code verb_compile(command *c)
{
    const exit_code code = run_compile(c);
    if (code != EXIT_OK && c->json) diag_print_json(c->diag, c->json);
    return code;
}
