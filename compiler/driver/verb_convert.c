/* verb_convert.c - `onnxcc convert IN -o OUT --opset N`: writes the model back for another version of ai.onnx; what was done, node by node. */
#include <string.h>

#include "check/check.h"
#include "driver/command.h"
#include "ops/version.h"
#include "passes/analyze.h"
#include "passes/inline.h"
#include "proto/save.h"
#include "schema/schema.h"

enum { LARGEST_CONSTANT = 1 << 16 };

static void print_changes(FILE *to, const version_changes *done)
{
    for (uint32_t i = 0; i < done->n; i++) {
        const version_change *c = &done->p[i];
        fprintf(to, "%s: %s-%d -> %s-%d", c->where, c->op, c->from, c->new_op, c->to);
        if (c->added) fprintf(to, ", with %u node%s beside it", c->added, c->added > 1 ? "s" : "");
        fprintf(to, "%s\n", c->rewritten ? "" : ", unchanged");
    }
}

static void print_json(FILE *to, const version_changes *done)
{
    for (uint32_t i = 0; i < done->n; i++) {
        const version_change *c = &done->p[i];
        fputs("{\"where\":", to);
        json_string(to, c->where);
        fputs(",\"op\":", to);
        json_string(to, c->op);
        fprintf(to, ",\"version\":%d,\"new_op\":", c->from);
        json_string(to, c->new_op);
        fprintf(to, ",\"new_version\":%d,\"added\":%u,\"rewritten\":%s}\n", c->to, c->added, c->rewritten ? "true" : "false");
    }
}

static bool wanted_opset(command *c, int *to)
{
    const int newest = schema_domain_version("");
    const int64_t n = opt_int(c->o, OPT_OPSET, 0);
    *to = (int)n;
    if (n >= 1 && n <= newest) return true;
    return diag_error(c->diag, EXIT_USAGE, "", "opset", "convert needs --opset N, a version of ai.onnx from 1 to %d", newest);
}

/* Operators that the older version does not have are said with those that it has, where the standard says how. */
static bool missing(void *ctx, model *m, const node *n)
{
    const int to = *(const int *)ctx;
    const op_schema *s = *n->domain ? NULL : schema_find("", n->op, to);
    (void)m;
    return !*n->domain && n->version > to && (!s || s->deprecated);
}

exit_code verb_convert(command *c)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true, .incomplete = true};
    const char *out = opt_text(c->o, OPT_OUTPUT, NULL);
    version_changes done = {0};
    int to;
    if (!out) diag_error(c->diag, EXIT_USAGE, "", "output", "convert needs -o OUT, the file to write");
    if (!wanted_opset(c, &to) || !out) return EXIT_USAGE;
    c->diag->file = c->o->args.p[0];
    model *m = model_load_checked(c->mem, c->diag, c->o->args.p[0], &load);
    if (!m) return diag_exit(c->diag);
    if (!inline_operators(m, missing, &to, NULL)) return diag_exit(c->diag);
    analyze_kept(m, LARGEST_CONSTANT);
    if (!version_convert(m, to, &done) || !model_save_own(m, c->diag, out)) return diag_exit(c->diag);
    if (c->json) print_json(c->json, &done);
    else if (c->verbose) print_changes(c->out, &done);
    return EXIT_OK;
}
