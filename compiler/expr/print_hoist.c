/* print_hoist.c - values that do not change inside a loop get a name in front of it. */
#include "expr/expr_impl.h"
#include "expr/print.h"

typedef struct {
    printer *w;
    const stage *s;
    bool runs;
    bool fixed;
} fixed_search;

static void check_axis(void *ctx, dim d)
{
    fixed_search *f = ctx;
    if (!axis_name(f->w, d)) f->fixed = false;
}

static bool is_written(const printer *w, slot s)
{
    for (uint32_t i = 0; i < w->param.n; i++)
        if (w->param.p[i].written && same_memory(w, w->param.p[i].slot, s)) return true;
    return false;
}

static void check_fixed(void *ctx, ex e)
{
    fixed_search *f = ctx;
    printer *w = f->w;
    const ex_node n = *ex_at(w->x, e);
    if (!f->fixed) return;
    if (n.op == EX_DIM) dim_atoms(w->t, n.d, check_axis, f);
    else if (n.op == EX_LOAD || n.op == EX_INDEX) f->fixed = f->runs && (n.op == EX_INDEX || !is_written(w, n.slot));
    else if (n.op == EX_ACC) {
        if (n.i && !acc_of(w, (uint32_t)n.i)->name) f->fixed = false;
        for (uint32_t i = 0; i < f->s->n_sinks; i++)
            if (!f->s->sink[i].to && f->s->sink[i].acc == (uint32_t)n.i) f->fixed = false;
    }
}

/* Has the same value in every turn of the loops that are not open yet. */
static bool is_fixed(fixed_search *f, ex e)
{
    f->fixed = true;
    ex_walk(f->w->x, e, check_fixed, f);
    return f->fixed;
}

static void hoist(fixed_search *f, ex e)
{
    printer *w = f->w;
    const ex_node n = *ex_at(w->x, e);
    if (n.op == EX_NUM || n.op == EX_DIM || n.op == EX_ACC || mark_of(w, e)->name || mark_of(w, e)->walk == w->walk) return;
    mark_of(w, e)->walk = w->walk;
    if (is_fixed(f, e)) {
        const char *s = value_text(w, e); /* may name it */
        if (!mark_of(w, e)->name) name_value(w, e, s);
        return;
    }
    const bool exact = w->exact;
    if (n.op == EX_RINT || n.op == EX_FLOOR || n.op == EX_CEIL || n.op == EX_TRUNC || (n.op == EX_CAST && !ctype_is_float((ctype)n.type))) w->exact = true;
    const ex *kid;
    const uint32_t count = ex_kids(&n, &kid);
    for (uint32_t i = 0; i < count; i++) {
        if (n.op == EX_SELECT && i > 0) break; /* a branch may not be evaluated unless it is taken */
        if (i < 2 && is_fused(w, &n, (int)i)) {
            const ex_node product = *ex_at(w->x, kid[i]);
            hoist(f, product.a[0]);
            hoist(f, product.a[1]);
        } else hoist(f, kid[i]);
    }
    w->exact = exact;
}

void hoist_stage(printer *w, const stage *s, bool runs)
{
    fixed_search f = {w, s, runs, false};
    for (uint32_t i = 0; i < s->n_sinks; i++) count_refs(w, s->sink[i].value);
    w->walk++;
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        const sink *k = &s->sink[i];
        if (k->guard) {
            hoist(&f, k->guard);
            continue; /* the value is only evaluated where the guard holds */
        }
        if (is_fused_fold(w, k)) {
            const ex_node product = *ex_at(w->x, k->value);
            hoist(&f, product.a[0]);
            hoist(&f, product.a[1]);
        } else hoist(&f, k->value);
        for (uint32_t d = 0; d < k->n; d++)
            if (!ex_is_dim(w->x, k->at[d], NULL)) hoist(&f, k->at[d]);
    }
    for (uint32_t i = 0; i < s->n_sinks; i++) clear_refs(w, s->sink[i].value);
}
