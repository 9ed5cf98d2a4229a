/* verb_check.c - `onnxcc check FILE...`: every problem of every file; --full also infers types and shapes. */
#include <string.h>

#include "check/check.h"
#include "driver/command.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "schema/schema.h"

enum { FOLD_LIMIT = 1 << 16 };

/* --check-custom-domains: a node must be an operator of the standard or a call of a function in the model. */
static bool check_domains(model *m)
{
    bool ok = true;
    for (graph_id g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->nodes.n; i++) {
            const node *n = node_at(m, graph_at(m, g)->nodes.p[i]);
            if (schema_domain_version(n->domain) || model_function(m, n->domain, n->op, n->overload)) continue;
            ok = diag_error(m->diag, EXIT_INVALID, at_node(m, n), "op-custom", "nothing defines operator %s of domain %s", n->op, n->domain);
        }
    return ok;
}

/* --full: types and shapes, as far as they can be inferred. Inference wants calls expanded. */
static void check_inferred(model *m)
{
    const infer_options o = {.fold_limit = FOLD_LIMIT};
    if (inline_functions(m) && infer_model(m, &o)) check_types(m);
    diag_allow(m->diag, NULL);
}

static void check_file(command *c, diag *d, arena *a, const char *path)
{
    model *m = check_model_file(a, d, path);
    if (!m) return;
    if (opt_flag(c->o, OPT_CUSTOM_DOMAINS)) check_domains(m);
    if (opt_flag(c->o, OPT_SKIP_OPSET)) diag_allow(d, "opset-unknown");
    if (opt_flag(c->o, OPT_FULL) && !d->errors) check_inferred(m);
}

static exit_code check_one(command *c, const char *path)
{
    arena *a = arena_new();
    diag *d = diag_new(a, path);
    check_file(c, d, a, path);
    const exit_code code = diag_exit(d);
    if (c->json) diag_print_json(d, c->json);
    if (c->json != stdout) {
        command_report(c, d);
        if (!d->errors && !c->quiet) fprintf(c->out, "%s: ok\n", path);
    }
    arena_free(a);
    return code;
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
