/* verb_optimize.c - `onnxcc optimize IN -o OUT`: writes the model back with fewer nodes; what changed as a table by operator and by pass. */
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "driver/command.h"
#include "passes/optimize.h"
#include "proto/save.h"

typedef struct {
    const char *domain, *op;
    uint32_t before, after;
} op_row;

typedef struct {
    arena *mem;
    VEC(op_row) rows;
    uint32_t before, after;
} op_table_text;

static uint32_t *row_of(op_table_text *t, const node *n, bool after)
{
    for (uint32_t i = 0; i < t->rows.n; i++) {
        op_row *r = &t->rows.p[i];
        if (r->op == n->op && r->domain == n->domain) return after ? &r->after : &r->before; /* names are interned */
    }
    VEC_PUSH(t->mem, t->rows, ((op_row){n->domain, n->op, 0, 0}));
    op_row *r = &t->rows.p[t->rows.n - 1];
    return after ? &r->after : &r->before;
}

static void count_graph(op_table_text *t, const model *m, graph_id g, bool after)
{
    const graph *gr = m->graphs.p[g];
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        const node *n = &m->nodes.p[gr->nodes.p[i]];
        ++*row_of(t, n, after);
        ++*(after ? &t->after : &t->before);
        for (uint32_t k = 0; k < n->n_attr; k++) {
            const attr *a = &n->attr[k];
            if (a->kind == ATTR_GRAPH) count_graph(t, m, a->u.g, after);
            for (uint32_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++) count_graph(t, m, a->u.graphs[j], after);
        }
    }
}

static int by_count(const void *a, const void *b)
{
    const op_row *x = a, *y = b;
    if (x->before != y->before) return x->before < y->before ? 1 : -1;
    if (x->after != y->after) return x->after < y->after ? 1 : -1;
    const int d = strcmp(x->domain, y->domain);
    return d ? d : strcmp(x->op, y->op);
}

static const char *what_of(const char *pass)
{
    uint32_t n;
    const graph_pass *p = graph_passes(&n);
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(p[i].name, pass)) return p[i].what;
    return "";
}

static void print_table(FILE *to, const op_table_text *t, const optimize_report *r)
{
    fputs("  before    after  operator\n", to);
    for (uint32_t i = 0; i < t->rows.n; i++) {
        const op_row *x = &t->rows.p[i];
        fprintf(to, "%8u %8u  %s%s%s\n", x->before, x->after, x->domain, *x->domain ? ":" : "", x->op);
    }
    fprintf(to, "%8u %8u  in all\n\n  before    after  pass\n", t->before, t->after);
    for (uint32_t i = 0; i < r->passes.n; i++) {
        const pass_result *p = &r->passes.p[i];
        fprintf(to, "%8u %8u  %-12s %s", p->before, p->after, p->name, what_of(p->name));
        if (p->difference >= 0) fprintf(to, "  (largest difference %.3g)", p->difference);
        fputc('\n', to);
    }
}

/* One object for each pass, then one for the whole. */
static void print_json(FILE *to, const char *in, const char *out, const op_table_text *t, const optimize_report *r)
{
    for (uint32_t i = 0; i < r->passes.n; i++) {
        const pass_result *p = &r->passes.p[i];
        fprintf(to, "{\"pass\":\"%s\",\"before\":%u,\"after\":%u", p->name, p->before, p->after);
        if (p->difference >= 0) fprintf(to, ",\"difference\":%.9g", p->difference);
        fputs("}\n", to);
    }
    fputs("{\"file\":", to);
    json_string(to, in);
    fputs(",\"output\":", to);
    json_string(to, out);
    fprintf(to, ",\"rounds\":%u,\"nodes\":{\"before\":%u,\"after\":%u},\"operators\":{", r->rounds, t->before, t->after);
    for (uint32_t i = 0; i < t->rows.n; i++) {
        const op_row *x = &t->rows.p[i];
        if (i) fputc(',', to);
        json_string(to, arena_printf(t->mem, "%s%s%s", x->domain, *x->domain ? ":" : "", x->op));
        fprintf(to, ":{\"before\":%u,\"after\":%u}", x->before, x->after);
    }
    fputs("}}\n", to);
}

/* --passes a,b --passes c */
static bool read_passes(command *c, optimize_options *o)
{
    VEC(const char *) list = {0};
    if (!c->o->n[OPT_PASSES]) return true;
    for (uint32_t i = 0; i < c->o->n[OPT_PASSES]; i++)
        for (const char *s = c->o->values[OPT_PASSES][i]; *s; s += *s == ',') {
            const size_t n = strcspn(s, ",");
            const char *name = arena_strndup(c->mem, s, n);
            if (n) VEC_PUSH(c->mem, list, name);
            s += n;
        }
    if (!list.n) return diag_error(c->diag, EXIT_USAGE, "", "pass-unknown", "--passes names no pass");
    o->passes = list.p;
    o->n_passes = list.n;
    return true;
}

static bool read_options(command *c, optimize_options *o)
{
    *o = (optimize_options){.level = LEVEL_ALL, .verify = opt_flag(c->o, OPT_VERIFY_PASSES)};
    o->reader = opt_choice(c->o, OPT_FOR) == 1 ? FOR_ONNXRUNTIME : FOR_PORTABLE; /* OpenVINO fuses by itself */
    if (c->o->n[OPT_LEVEL]) o->level = (pass_level)opt_choice(c->o, OPT_LEVEL);
    return read_passes(c, o);
}

exit_code verb_optimize(command *c)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true};
    const char *in = c->o->args.p[0], *out = opt_text(c->o, OPT_OUTPUT, NULL);
    optimize_options o;
    optimize_report report;
    op_table_text t = {.mem = c->mem};
    if (!out) {
        diag_error(c->diag, EXIT_USAGE, "", "output", "optimize needs -o OUT, the file to write");
        return EXIT_USAGE;
    }
    if (!read_options(c, &o)) return diag_exit(c->diag);
    c->diag->file = in;
    model *m = model_load_checked(c->mem, c->diag, in, &load);
    if (!m) return diag_exit(c->diag);
    count_graph(&t, m, 1, false);
    if (!optimize_model(m, c->mem, &o, &report) || !model_save_own(m, c->diag, out)) return diag_exit(c->diag);
    count_graph(&t, m, 1, true);
    if (t.rows.n) qsort(t.rows.p, t.rows.n, sizeof *t.rows.p, by_count);
    if (c->json) print_json(c->json, in, out, &t, &report);
    if (c->json != stdout && !c->quiet) print_table(c->out, &t, &report);
    return EXIT_OK;
}
