/* verify.c - `onnxcc verify MODEL`: compile, run on given inputs and compare with expected outputs. The run happens in a process of its own, so
 * that a crash of the generated code is a result. `--cases DIR` is in cases.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/build.h"
#include "driver/cases.h"
#include "driver/command.h"
#include "driver/data_set.h"
#include "driver/inputs.h"
#include "driver/sanitize.h"

typedef struct {
    command *c;
    const char *library, *name, *path;
    tolerance tol;
    int threads;
    VEC(data_set) sets;
    outcome result;
    exit_code exit;
} verification;

static bool read_sets(verification *v)
{
    command *c = v->c;
    const char *dir = opt_text(c->o, OPT_DATA, NULL), *inputs = opt_text(c->o, OPT_INPUTS, NULL), *expect = opt_text(c->o, OPT_EXPECT, NULL);
    if (dir) {
        const folder_list folders = data_set_folders(c->mem, dir);
        if (!folders.n) return diag_error(c->diag, EXIT_IO, "", "no-data", "'%s' holds no test_data_set_K and no input_0.pb", dir);
        for (uint32_t i = 0; i < folders.n; i++) {
            data_set set;
            if (!data_set_read(c->mem, c->diag, folders.p[i], &set)) return false;
            VEC_PUSH(c->mem, v->sets, set);
        }
        return true;
    }
    if (!inputs || !expect) {
        diag_error(c->diag, EXIT_USAGE, "", "arguments", "there is nothing to verify with");
        return diag_hint(c->diag, "give --data DIR, or --inputs a.npz and --expect b.npz, or --cases DIR instead of a model");
    }
    data_set set = {.name = expect, .inputs.mem = c->mem, .expected.mem = c->mem, .by_name = true};
    if (!tensors_read(c->diag, inputs, NULL, &set.inputs) || !tensors_read(c->diag, expect, NULL, &set.expected)) return false;
    if (!set.expected.list.n) return diag_error(c->diag, EXIT_USAGE, "", "no-data", "'%s' holds no tensor to compare with", expect);
    VEC_PUSH(c->mem, v->sets, set);
    return true;
}

/* In the child: the result is the exit code, then an outcome. */
static void work(void *ctx, uint32_t i, FILE *result)
{
    verification *v = ctx;
    (void)i;
    session s;
    outcome o = {OUTCOME_PASS, 0, 0, "", -1, ""};
    diag *d = diag_new(v->c->mem, v->path);
    bool ok = session_open(&s, v->c->mem, d, v->library, v->name, v->threads);
    s.poison = true;
    s.exact = opt_flag(v->c->o, OPT_SANITIZE);
    for (uint32_t k = 0; ok && k < v->sets.n; k++) ok = data_set_verify(&s, &v->sets.p[k], v->tol, &o);
    if (!ok) o = outcome_of_diag(v->c->mem, d);
    fprintf(result, "%d\n", ok ? (o.kind == OUTCOME_PASS ? EXIT_OK : EXIT_MISMATCH) : (int)diag_exit(d));
    outcome_write(&o, result);
}

static void take(void *ctx, uint32_t i, const job_result *r)
{
    verification *v = ctx;
    (void)i;
    if (r->end == JOB_CRASHED) {
        v->result =
            (outcome){OUTCOME_ERROR, 0, 0, "", -1, arena_printf(v->c->mem, "the run was ended by signal %d (%s)", r->status, strsignal(r->status))};
        v->exit = EXIT_INTERNAL;
        return;
    }
    if (r->status) { /* left on its own: a sanitizer's report */
        v->result = (outcome){OUTCOME_ERROR, 0, 0, "", -1, arena_printf(v->c->mem, "the run left with code %d: %s", r->status, r->message)};
        v->exit = EXIT_INTERNAL;
        return;
    }
    const char *line = strchr(r->text, '\n');
    v->result = outcome_parse(v->c->mem, line ? line + 1 : "");
    v->exit = line ? (exit_code)strtol(r->text, NULL, 10) : EXIT_INTERNAL;
}

static void print_result(const verification *v)
{
    const outcome *o = &v->result;
    command *c = v->c;
    if (c->json) {
        fputs("{\"file\":", c->json);
        json_string(c->json, v->path);
        fprintf(c->json, ",\"ok\":%s,\"max_abs\":", o->kind == OUTCOME_PASS ? "true" : "false");
        json_number(c->json, o->max_abs);
        fputs(",\"max_rel\":", c->json);
        json_number(c->json, o->max_rel);
        fputs(",\"output\":", c->json);
        json_string(c->json, o->output);
        fprintf(c->json, ",\"index\":%lld", (long long)o->index);
        if (*o->reason) {
            fputs(",\"reason\":", c->json);
            json_string(c->json, o->reason);
        }
        fputs("}\n", c->json);
    }
    if (c->json == stdout) return;
    if (o->kind == OUTCOME_PASS)
        fprintf(c->out, "%s: ok, %u set%s, largest difference %.3g (relative %.3g)\n", v->path, v->sets.n, v->sets.n == 1 ? "" : "s", o->max_abs,
                o->max_rel);
    else if (o->kind == OUTCOME_FAIL && o->index >= 0 && isfinite(o->max_abs))
        fprintf(c->out, "%s: fail: %s; the largest difference is %.3g, accepted are %.3g of the expected and %.3g (--rtol, --atol)\n", v->path, o->reason, o->max_abs, v->tol.rtol, v->tol.atol);
    else fprintf(c->out, "%s: %s: %s\n", v->path, outcome_word(o->kind), o->reason);
}

static exit_code verify_in(verification *v, const char *folder)
{
    command *c = v->c;
    compile_options co;
    compiled built = {0};
    cuda_mode mode;
    if (!command_compile_options(c, &co) || !cuda_mode_of(c->o, c->diag, co.target, &mode)) return diag_exit(c->diag);
    co.emit = 0;
    v->threads = co.threads;
    model *m = load_for_build(c->mem, c->diag, v->path);
    if (!m || !build_library(c->mem, m, &co, folder, opt_flag(c->o, OPT_SANITIZE) ? SANITIZE_FLAGS : "", mode, &built, &v->library)) {
        v->result = outcome_of_diag(c->mem, c->diag);
        if (c->json) print_result(v);
        return diag_exit(c->diag);
    }
    v->name = built.name;
    const job_limits limits = {.at_once = 1};
    jobs_run(c->mem, 1, &limits, work, take, v);
    print_result(v);
    return v->exit;
}

exit_code verb_verify(command *c)
{
    if (opt_text(c->o, OPT_CASES, NULL)) return verify_cases(c);
    if (!c->o->args.n) {
        diag_error(c->diag, EXIT_USAGE, "", "arguments", "'verify' needs a model, or --cases DIR");
        return EXIT_USAGE;
    }
    verification v = {.c = c, .path = c->o->args.p[0], .tol = tolerance_of(c->o)};
    if (!read_sets(&v)) return diag_exit(c->diag);
    bool temporary;
    const char *folder = build_folder(c, &temporary);
    if (!folder) return EXIT_IO;
    const exit_code code = verify_in(&v, folder);
    if (temporary) folder_remove(folder);
    return code;
}
