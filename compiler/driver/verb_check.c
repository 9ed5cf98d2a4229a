/* verb_check.c - `onnxcc check FILE...`: every problem of every file; --full also infers types and shapes. */
#include "check/check.h"
#include "driver/command.h"
#include "ops/ops.h"
#include "passes/inline.h"

static exit_code check_one(command *c, const char *path)
{
    arena *a = arena_new();
    diag *d = diag_new(a, path);
    model *m = check_model_file(a, d, path);
    bool ok = m != NULL;
    if (ok && opt_flag(c->o, OPT_FULL)) ok = inline_functions(m) && infer_model(m, &(infer_options){1 << 16}) && check_types(m);
    const exit_code code = diag_exit(d);
    if (c->json) diag_print_json(d, c->json);
    if (c->json != stdout) {
        command_report(c, d);
        if (!d->errors && !c->quiet) fprintf(c->out, "%s: ok\n", path);
    }
    arena_free(a);
    return ok ? EXIT_OK : code ? code : EXIT_INTERNAL;
}

exit_code verb_check(command *c)
{
    exit_code worst = EXIT_OK;
    for (uint32_t i = 0; i < c->o->args.n; i++) {
        const exit_code code = check_one(c, c->o->args.p[i]);
        if (code > worst) worst = code;
    }
    return worst;
}
