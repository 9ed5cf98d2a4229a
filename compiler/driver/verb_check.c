/* verb_check.c - `onnxcc check FILE...`: every problem of every file; --full also infers types and shapes; --explain is in codes.c. */
#include <string.h>

#include "check/check.h"
#include "driver/command.h"
#include "ops/ops.h"
#include "passes/analyze.h"
#include "passes/inline.h"
#include "passes/passes.h"
#include "schema/schema.h"

enum { FOLD_LIMIT = 1 << 16 };

/* --check-custom-domains: a node must be an operator of the standard; calls of the model's functions are none, as in onnx.checker. */
static bool check_domains(model *m)
{
    bool ok = true;
    for (graph_id g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->nodes.n; i++) {
            const node *n = node_at(m, graph_at(m, g)->nodes.p[i]);
            if (schema_newest(n->domain, n->op) || custom_find(m, n)) continue;
            ok = diag_error(m->diag, EXIT_INVALID, at_node(m, n), "op-custom", "nothing defines operator %s of domain %s", n->op, n->domain);
        }
    return ok;
}

/* --custom: nodes follow the descriptions. */
static void check_customs(command *c, model *m)
{
    custom_ops all = {0};
    if (!command_customs(c, &all)) return; /* said when the verb began */
    for (uint32_t i = 0; i < all.n; i++) VEC_PUSH(m->mem, m->customs, all.p[i]);
    for (graph_id g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->nodes.n; i++) {
            const node *n = node_at(m, graph_at(m, g)->nodes.p[i]);
            if (custom_find(m, n)) custom_check(m, n, custom_find(m, n));
        }
}

/* Calls that have no end can't be expanded. */
static bool calls_end(const diag *d)
{
    for (uint32_t i = 0; i < d->list.n; i++)
        if (!strcmp(d->list.p[i].code, "function-recursion") || !strcmp(d->list.p[i].code, "function-depth")) return false;
    return true;
}

/* --full: types and shapes, as far as they can be inferred, also where the model has faults. Inference wants calls expanded. */
static void check_inferred(model *m)
{
    diag *d = m->diag;
    const infer_options o = {.fold_limit = FOLD_LIMIT, .strict = true, .partial = true, .given_only = true, .before = check_input_types, .faults_known = d->errors != 0};
    m->diag = diag_new(d->mem, d->file);
    m->diag->kind = "inference";
    if (inline_functions(m) && inline_operators(m, has_no_types, NULL, NULL)) {
        (void)infer_model(m, &o);
        check_types(m, NULL);
    }
    diag_allow(m->diag, NULL);
    diag_take(d, m->diag);
    m->diag = d;
}

static void check_file(command *c, diag *d, arena *a, const char *path)
{
    model *m = check_model_file(a, d, path, opt_flag(c->o, OPT_SKIP_OPSET), opt_flag(c->o, OPT_FULL));
    if (!m) return;
    const uint32_t errors = d->errors;
    check_customs(c, m);
    const bool fits = d->errors == errors; /* the descriptions of custom operators, whose rules are asked */
    if (opt_flag(c->o, OPT_CUSTOM_DOMAINS)) check_domains(m);
    if (opt_flag(c->o, OPT_FULL) && fits && calls_end(d)) check_inferred(m);
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
    custom_ops customs = {0};
    if (opt_flag(c->o, OPT_EXPLAIN)) return explain_codes(c);
    if (!command_customs(c, &customs)) return diag_exit(c->diag);
    for (uint32_t i = 0; i < c->o->args.n; i++) {
        const exit_code code = check_one(c, c->o->args.p[i]);
        if (code > worst) worst = code;
    }
    return worst;
}
