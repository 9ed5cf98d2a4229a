/* verb_ops.c - `onnxcc ops [WORD]...`: the operators of the registry with their versions and types; and `onnxcc text MODEL`. */
#include <string.h>

#include "driver/build.h"
#include "driver/command.h"
#include "ops/ops.h"
#include "schema/schema.h"

static bool wanted(const command *c, const op_def *op)
{
    if (!strcmp(op->domain, OWN_DOMAIN)) return false;
    if (!c->o->args.n) return true;
    for (uint32_t i = 0; i < c->o->args.n; i++)
        if (strcasestr(op->name, c->o->args.p[i]) || !strcmp(op->domain, c->o->args.p[i])) return true;
    return false;
}

static void versions(const op_def *op, text *to)
{
    for (uint32_t i = 0; i < schema_count(); i++) {
        const op_schema *s = schema_at(i);
        if (!strcmp(s->domain, op->domain) && !strcmp(s->name, op->name)) text_addf(to, to->n ? ",%d" : "%d", s->since);
    }
}

static void types_of(const op_def *op, text *to)
{
    const op_schema *s = schema_newest(op->domain, op->name);
    const schema_param *p = s ? schema_input(s, 0) : NULL;
    if (s && !p) p = schema_output(s, 0);
    if (p) schema_types_text(p->types, to);
}

static void print_op(const command *c, const op_def *op)
{
    text v = {.mem = c->mem}, t = {.mem = c->mem};
    const char *domain = *op->domain ? op->domain : "ai.onnx";
    versions(op, &v);
    types_of(op, &t);
    if (c->json) {
        fprintf(c->json, "{\"domain\":\"%s\",\"operator\":\"%s\",\"versions\":[%s],\"types\":", domain, op->name, v.n ? v.p : "");
        json_string(c->json, t.n ? t.p : "");
        fprintf(c->json, ",\"targets\":\"c\"}\n");
    }
    if (c->json != stdout) fprintf(c->out, "%-18s %-28s %-24s %s\n", domain, op->name, v.n ? v.p : "-", t.n ? t.p : "");
}

exit_code verb_ops(command *c)
{
    uint32_t n;
    const op_def *op = op_table(&n);
    uint32_t shown = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!wanted(c, &op[i])) continue;
        print_op(c, &op[i]);
        shown++;
    }
    if (shown) return EXIT_OK;
    diag_error(c->diag, EXIT_UNSUPPORTED, "", "op-unsupported", "no operator that has a lowering is called like that");
    diag_hint(c->diag, "`onnxcc ops` lists all; operators that the standard defines by a body of other operators are expanded");
    return EXIT_UNSUPPORTED;
}

exit_code verb_text(command *c)
{
    enum { SHOWN_ELEMENTS = 64 };
    text t = {.mem = c->mem};
    const char *path = opt_text(c->o, OPT_OUTPUT, NULL), *why;
    model *m = load_for_build(c->mem, c->diag, c->o->args.p[0]);
    if (!m) return diag_exit(c->diag);
    model_text(m, &t, SHOWN_ELEMENTS);
    if (!path) return fwrite(t.p, 1, t.n, c->out) == t.n ? EXIT_OK : EXIT_IO;
    if (file_write(path, t.p, t.n, &why)) return EXIT_OK;
    diag_error(c->diag, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
    return EXIT_IO;
}
