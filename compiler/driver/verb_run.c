/* verb_run.c - `onnxcc run MODEL --input x.npz`: compile with the system's C compiler, run once, show or write the outputs. With --data DIR, run on
 * every set of inputs in it. */
#include <string.h>

#include "driver/build.h"
#include "driver/command.h"
#include "driver/data_set.h"
#include "driver/inputs.h"
#include "driver/sample_sets.h"

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
    fprintf(to, ",\"ms\":%s,\"outputs\":[", decimal_of(ms, 6).s);
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

/* One call on these inputs. `output`: the file for its outputs, NULL for none. */
static bool call(command *c, session *s, const tensor_set *inputs, const char *output)
{
    double ms = 0;
    tensor_set out = {.mem = c->mem};
    if (!session_bind(s, inputs) || !session_call(s, &ms) || !session_outputs(s, &out) || (output && !tensors_write(c->diag, output, &out))) return false;
    if (c->json) print_json(c->json, c->o->args.p[0], &out, ms);
    if (c->json != stdout && !c->quiet) {
        for (uint32_t i = 0; i < out.list.n; i++) print_output(c->out, out.list.p[i]);
        fprintf(c->out, "%.3f ms\n", ms);
    }
    return true;
}

/* The file in `folder` for the outputs of a set: its name with .npz at the end. */
static const char *output_of(command *c, const char *folder, const char *set)
{
    const char *slash = strrchr(set, '/'), *name = slash ? slash + 1 : set, *dot = strrchr(name, '.');
    return arena_printf(c->mem, "%s/%.*s.npz", folder, dot ? (int)(dot - name) : (int)strlen(name), name);
}

/* A call on every set; one that fails does not keep the others from running. What is said names the set. */
static bool call_sets(command *c, session *s, const folder_list *sets)
{
    const char *folder = opt_text(c->o, OPT_OUTPUT, NULL);
    if (folder && !folder_make(c->diag, folder)) return false;
    diag *all = c->diag;
    for (uint32_t i = 0; i < sets->n; i++) {
        const char *set = sets->p[i];
        tensor_set inputs;
        c->diag = s->diag = diag_new(c->mem, set);
        if (sample_set_read(c->diag, c->mem, set, &inputs)) call(c, s, &inputs, folder ? output_of(c, folder, set) : NULL);
        for (uint32_t k = 0; k < c->diag->list.n; k++) {
            const problem *p = &c->diag->list.p[k];
            diag_error(all, p->exit, *p->where ? arena_printf(c->mem, "%s: %s", set, p->where) : set, p->code, "%s", p->message);
            if (p->hint) diag_hint(all, "%s", p->hint);
        }
    }
    c->diag = s->diag = all;
    return !all->errors;
}

static bool run_in(command *c, const tensor_set *inputs, const char *folder)
{
    compile_options co;
    compiled built = {0};
    const char *library, *data = opt_text(c->o, OPT_DATA, NULL);
    folder_list sets = {0};
    cuda_mode mode;
    if (!command_compile_options(c, &co) || !cuda_mode_of(c->o, c->diag, co.target, &mode)) return false;
    co.emit = 0;
    model *m = load_for_build(c->mem, c->diag, c->o->args.p[0]);
    if (!m || !inputs_named(c, m, inputs) || (data && !sample_sets_find(c, m, data, &sets))) return false;
    if (!build_library(c->mem, m, &co, folder, "", mode, &built, &library)) return false;
    session s;
    const bool ok = session_open(&s, c->mem, c->diag, library, built.name, co.threads) &&
                    (data ? call_sets(c, &s, &sets) : call(c, &s, inputs, opt_text(c->o, OPT_OUTPUT, NULL)));
    session_close(&s);
    return ok;
}

exit_code verb_run(command *c)
{
    tensor_set inputs = {.mem = c->mem};
    for (uint32_t i = 1; i < c->o->args.n; i++)
        if (!input_add(c, c->o->args.p[i], &inputs)) return diag_exit(c->diag);
    if (!inputs_read(c, &inputs)) return diag_exit(c->diag);
    if (inputs.list.n && opt_text(c->o, OPT_DATA, NULL)) {
        diag_error(c->diag, EXIT_USAGE, "", "arguments", "--data and single inputs do not go together");
        return EXIT_USAGE;
    }
    bool temporary;
    const char *folder = build_folder(c, &temporary);
    if (!folder) return EXIT_IO;
    const bool ok = run_in(c, &inputs, folder);
    if (temporary) folder_remove(folder);
    return ok ? EXIT_OK : diag_exit(c->diag);
}
