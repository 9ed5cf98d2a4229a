/* verb_inspect.c - `onnxcc inspect MODEL`: what is in a model file; with --after, what compiling it makes. */
#include <stdlib.h>
#include <string.h>

#include "driver/build.h"
#include "driver/command.h"
#include "schema/schema.h"

typedef struct {
    const char *domain, *op;
    uint32_t n;
} op_count;

typedef struct {
    VEC(op_count) ops;
    uint32_t n_nodes;
    int64_t parameters, parameter_bytes;
    VEC(run_size) decided;
} summary;

static int by_count(const void *a, const void *b)
{
    const op_count *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    const int d = strcmp(x->domain, y->domain);
    return d ? d : strcmp(x->op, y->op);
}

static void count_op(arena *a, summary *s, const node *n)
{
    s->n_nodes++;
    for (uint32_t i = 0; i < s->ops.n; i++)
        if (s->ops.p[i].op == n->op && s->ops.p[i].domain == n->domain) { /* names are interned */
            s->ops.p[i].n++;
            return;
        }
    VEC_PUSH(a, s->ops, ((op_count){n->domain, n->op, 1}));
}

static summary summarize(command *c, model *m)
{
    summary s = {0};
    for (graph_id g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->nodes.n; i++) count_op(c->mem, &s, node_at(m, graph_at(m, g)->nodes.p[i]));
    for (value_id v = 1; v < m->values.n; v++) {
        const tensor *t = value_at(m, v)->data;
        if (!t) continue;
        s.parameters += tensor_count(t);
        s.parameter_bytes += (int64_t)t->bytes;
    }
    if (s.ops.n) qsort(s.ops.p, s.ops.n, sizeof *s.ops.p, by_count);
    return s;
}

/* The sizes that data decides, which compiling finds: of a second copy of the model, because it changes it. None when it has errors: `check` and
 * `compile` report those. */
static void infer_sizes(command *c, summary *s)
{
    diag *quiet = diag_new(c->mem, NULL);
    compile_options o;
    compiled out = {.mem = c->mem};
    if (!command_compile_options(c, &o)) return;
    model *m = load_for_build(c->mem, quiet, c->o->args.p[0]);
    if (!m || !compile_sizes(m, &o, &out)) return;
    for (uint32_t i = 0; i < out.run_sizes.n; i++) VEC_PUSH(c->mem, s->decided, out.run_sizes.p[i]);
}

static const char *typed(command *c, model *m, value_id v)
{
    text t = {.mem = c->mem};
    type_text(m, &value_at(m, v)->type, &t);
    return t.n ? t.p : "";
}

static void json_values(command *c, model *m, const value_id *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        fputs(i ? ",{\"name\":" : "{\"name\":", c->json);
        json_string(c->json, value_at(m, v[i])->name);
        fputs(",\"type\":", c->json);
        json_string(c->json, typed(c, m, v[i]));
        fputc('}', c->json);
    }
}

static void print_json(command *c, model *m, const summary *s, const compiled *after)
{
    FILE *to = c->json;
    const graph *g = model_main(m);
    fputs("{\"file\":", to);
    json_string(to, m->path);
    fprintf(to, ",\"sha256\":\"%s\",\"ir_version\":%lld,\"producer\":", m->sha256, (long long)m->ir_version);
    json_string(to, m->producer ? m->producer : "");
    fputs(",\"opsets\":{", to);
    for (uint32_t i = 0; i < m->opsets.n; i++) {
        if (i) fputc(',', to);
        json_string(to, schema_domain_name(m->opsets.p[i].domain));
        fprintf(to, ":%d", m->opsets.p[i].version);
    }
    fputs("},\"inputs\":[", to);
    json_values(c, m, g->inputs.p, g->inputs.n);
    fputs("],\"outputs\":[", to);
    json_values(c, m, g->outputs.p, g->outputs.n);
    fprintf(to, "],\"nodes\":%u,\"operators\":{", s->n_nodes);
    for (uint32_t i = 0; i < s->ops.n; i++) {
        const char *d = s->ops.p[i].domain;
        if (i) fputc(',', to);
        json_string(to, *d ? arena_printf(c->mem, "%s:%s", d, s->ops.p[i].op) : s->ops.p[i].op);
        fprintf(to, ":%u", s->ops.p[i].n);
    }
    fprintf(to, "},\"parameters\":%lld,\"parameter_bytes\":%lld", (long long)s->parameters, (long long)s->parameter_bytes);
    fputs(",\"decided_by_data\":[", to);
    for (uint32_t i = 0; i < s->decided.n; i++) {
        fputs(i ? ",{\"name\":" : "{\"name\":", to);
        json_string(to, s->decided.p[i].name);
        fprintf(to, ",\"lo\":%lld", (long long)s->decided.p[i].least);
        if (s->decided.p[i].at_most) fputs(s->decided.p[i].number ? ",\"hi\":" : ",\"at_most\":", to);
        if (s->decided.p[i].number) fputs(s->decided.p[i].at_most, to);
        else if (s->decided.p[i].at_most) json_string(to, s->decided.p[i].at_most);
        fputc('}', to);
    }
    fputc(']', to);
    if (after) {
        fputs(",\"compiled\":", to);
        print_manifest(to, after->manifest ? after->manifest : "{}");
    }
    fputs("}\n", to);
}

static void print_values(command *c, model *m, const char *what, const value_id *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) fprintf(c->out, "%-11s %s: %s\n", i ? "" : what, value_at(m, v[i])->name, typed(c, m, v[i]));
}

static void print_text(command *c, model *m, const summary *s, const compiled *after)
{
    const graph *g = model_main(m);
    fprintf(c->out, "%-11s %s\n%-11s %s\n%-11s %lld", "file", m->path, "sha256", m->sha256, "ir version", (long long)m->ir_version);
    fputs("\nopsets     ", c->out);
    for (uint32_t i = 0; i < m->opsets.n; i++) fprintf(c->out, " %s %d", schema_domain_name(m->opsets.p[i].domain), m->opsets.p[i].version);
    fprintf(c->out, "\n%-11s %s %s\n", "producer", m->producer ? m->producer : "", m->producer_version ? m->producer_version : "");
    print_values(c, m, "inputs", g->inputs.p, g->inputs.n);
    print_values(c, m, "outputs", g->outputs.p, g->outputs.n);
    fprintf(c->out, "%-11s %lld (%lld bytes)\n%-11s %u\n", "parameters", (long long)s->parameters, (long long)s->parameter_bytes, "nodes",
            s->n_nodes);
    for (uint32_t i = 0; i < s->ops.n; i++)
        fprintf(c->out, "%8u %s%s%s\n", s->ops.p[i].n, s->ops.p[i].domain, *s->ops.p[i].domain ? ":" : "", s->ops.p[i].op);
    for (uint32_t i = 0; i < s->decided.n; i++) {
        const run_size *d = &s->decided.p[i];
        fprintf(c->out, "%-11s %s: ", i ? "" : "data sizes", d->name);
        if (d->least) fprintf(c->out, "at least %lld, ", (long long)d->least);
        if (d->at_most) fprintf(c->out, "at most %s\n", d->at_most);
        else fprintf(c->out, "no bound; give it one with --dim %s=..N\n", d->name);
    }
    if (!after) return;
    fprintf(c->out, "%-11s %u for %u nodes\n", "steps", after->n_steps, after->n_nodes);
    if (after->arena_bytes < 0) fprintf(c->out, "%-11s decided at run time by the dimensions; --dim NAME=LO..HI bounds them\n", "arena");
    else fprintf(c->out, "%-11s %lld bytes (lower bound %lld)\n", "arena", (long long)after->arena_bytes, (long long)after->arena_lower_bound);
    fprintf(c->out, "%-11s %lld bytes\n", "weights", (long long)after->weights_bytes);
    if (after->multiply_adds) fprintf(c->out, "%-11s %s\n", "mul-adds", after->multiply_adds);
    print_winograd(c->out, "winograd   ", after);
    if (after->dump.n) fwrite(after->dump.p, 1, after->dump.n, c->out);
}

exit_code verb_inspect(command *c)
{
    const bool want_after = opt_flag(c->o, OPT_AFTER);
    model *m = load_for_build(c->mem, c->diag, c->o->args.p[0]);
    if (!m) return diag_exit(c->diag);
    summary s = summarize(c, m);
    infer_sizes(c, &s);
    if (c->diag->errors) return diag_exit(c->diag);
    compiled after = {.mem = c->mem};
    if (want_after) {
        compile_options o;
        if (!command_compile_options(c, &o)) return diag_exit(c->diag);
        if (!o.dump) o.dump = "plan";
        model *copy = load_for_build(c->mem, c->diag, c->o->args.p[0]); /* compiling changes the model */
        if (!copy || !compile_model(copy, &o, &after)) return diag_exit(c->diag);
    }
    if (c->json) print_json(c, m, &s, want_after ? &after : NULL);
    if (c->json != stdout) print_text(c, m, &s, want_after ? &after : NULL);
    return EXIT_OK;
}
