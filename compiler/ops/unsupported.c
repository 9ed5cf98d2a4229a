/* unsupported.c - all operators of a model that nothing here knows, in one report: see report_unsupported in ops.h. */
#include <stdlib.h>
#include <string.h>

#include "ops/contrib.h"
#include "ops/ops.h"
#include "schema/schema.h"

typedef struct {
    const node *first;
    uint32_t nodes;
} unknown_op;

typedef VEC(unknown_op) unknown_ops;

static bool in_main(model *m, graph_id g)
{
    while (graph_at(m, g)->parent) g = graph_at(m, g)->parent;
    return g == 1;
}

static void count(model *m, unknown_ops *all, const node *n)
{
    for (uint32_t i = 0; i < all->n; i++) {
        unknown_op *u = &all->p[i];
        if (strcmp(u->first->op, n->op) || strcmp(u->first->domain, n->domain)) continue;
        u->nodes++;
        return;
    }
    VEC_PUSH(m->mem, *all, ((unknown_op){n, 1}));
}

static int most_first(const void *a, const void *b)
{
    const unknown_op *x = a, *y = b;
    if (x->nodes != y->nodes) return x->nodes > y->nodes ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* What may help: another domain where it is misspelt, a function of the user's else. */
static void hint(model *m, const node *n)
{
    const char *own = "a function of yours can compute it: --custom FILE.yaml (docs/custom-operators.md)";
    for (uint32_t i = 0; i < schema_count(); i++) {
        const op_schema *s = schema_at(i);
        if (strcmp(s->name, n->op) || !strcmp(s->domain, n->domain)) continue;
        diag_hint(m->diag, "%s has an operator of that name; else %s", schema_domain_name(s->domain), own);
        return;
    }
    diag_hint(m->diag, "%s; `onnxcc ops` lists what is supported", own);
}

void report_unsupported(model *m)
{
    unknown_ops all = {0};
    for (graph_id g = 1; g < m->graphs.n; g++) {
        const graph *gr = graph_at(m, g);
        for (uint32_t i = 0; in_main(m, g) && i < gr->nodes.n; i++) {
            const node *n = node_at(m, gr->nodes.p[i]);
            const op_def *op = op_of(m, n);
            if ((!op || !op->infer) && !contrib_knows(n->domain, n->op)) count(m, &all, n); /* those say themselves why they can't be */
        }
    }
    if (all.n) qsort(all.p, all.n, sizeof *all.p, most_first);
    for (uint32_t i = 0; i < all.n; i++) {
        const node *n = all.p[i].first;
        const char *where = at_node(m, n), *times = all.p[i].nodes > 1 ? arena_printf(m->mem, ", in %u nodes", all.p[i].nodes) : "";
        diag_error(m->diag, EXIT_UNSUPPORTED, where, "op-unsupported", "operator %s%s%s is not supported%s", n->domain, *n->domain ? "." : "", n->op, times);
        hint(m, n);
    }
}
