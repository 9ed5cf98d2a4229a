/* verb_run.c - `onnxcc run MODEL --input x.npz`: compile with the system's C compiler, run once, show or write the outputs. */
#include <string.h>

#include "driver/build.h"
#include "driver/command.h"
#include "driver/data_set.h"
#include "driver/inputs.h"

enum { SHOWN = 8 }; /* elements of an output that are shown */

static void print_shape(FILE *to, const tensor *t)
{
    for (uint32_t i = 0; i < t->rank; i++) fprintf(to, i ? ",%lld" : "%lld", (long long)t->shape[i]);
}

static void print_output(FILE *to, const tensor *t)
{
    const int64_t n = tensor_count(t);
    const char kind = elem_of(t->type)->kind;
    fprintf(to, "%s: %s[", t->name, elem_of(t->type)->name);
    print_shape(to, t);
    fputs("] =", to);
    for (int64_t i = 0; i < n && i < SHOWN; i++) {
        if (kind == 's') fprintf(to, " \"%s\"", t->strings[i]);
        else if (kind == 'c') fprintf(to, " (complex)");
        else if (kind == 'f') fprintf(to, " %.7g", elem_get_double(t->type, t->data, (size_t)i));
        else fprintf(to, " %lld", elem_get_int(t->type, t->data, (size_t)i));
    }
    fputs(n > SHOWN ? " ...\n" : "\n", to);
}

static void print_json(FILE *to, const char *path, const tensor_set *out, double ms)
{
    fputs("{\"model\":", to);
    json_string(to, path);
    fprintf(to, ",\"ms\":%.6g,\"outputs\":[", ms);
    for (uint32_t i = 0; i < out->list.n; i++) {
        const tensor *t = out->list.p[i];
        fputs(i ? ",{\"name\":" : "{\"name\":", to);
        json_string(to, t->name);
        fprintf(to, ",\"type\":\"%s\",\"shape\":[", elem_of(t->type)->name);
        print_shape(to, t);
        fputs("]}", to);
    }
    fputs("]}\n", to);
}

static bool run_in(command *c, const tensor_set *inputs, const char *folder)
{
    compile_options co;
    compiled built = {0};
    const char *library, *output = opt_text(c->o, OPT_OUTPUT, NULL);
    cuda_mode mode;
    if (!command_compile_options(c, &co) || !cuda_mode_of(c->o, c->diag, co.target, &mode)) return false;
    co.emit = 0;
    model *m = load_for_build(c->mem, c->diag, c->o->args.p[0]);
    if (!m || !inputs_named(c, m) || !build_library(c->mem, m, &co, folder, "", mode, &built, &library)) return false;
    session s;
    double ms = 0;
    tensor_set out = {.mem = c->mem};
    const bool ok = session_open(&s, c->mem, c->diag, library, built.name, co.threads) && session_bind(&s, inputs) && session_call(&s, &ms) &&
                    session_outputs(&s, &out) && (!output || tensors_write(c->diag, output, &out));
    if (ok && c->json) print_json(c->json, c->o->args.p[0], &out, ms);
    if (ok && c->json != stdout && !c->quiet) {
        for (uint32_t i = 0; i < out.list.n; i++) print_output(c->out, out.list.p[i]);
        fprintf(c->out, "%.3f ms\n", ms);
    }
    session_close(&s);
    return ok;
}

exit_code verb_run(command *c)
{
    tensor_set inputs = {.mem = c->mem};
    for (uint32_t i = 1; i < c->o->args.n; i++)
        if (!input_add(c, c->o->args.p[i], &inputs)) return diag_exit(c->diag);
    if (!inputs_read(c, &inputs)) return diag_exit(c->diag);
    bool temporary;
    const char *folder = build_folder(c, &temporary);
    if (!folder) return EXIT_IO;
    const bool ok = run_in(c, &inputs, folder);
    if (temporary) folder_remove(folder);
    return ok ? EXIT_OK : diag_exit(c->diag);
}
