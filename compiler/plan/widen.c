/* widen.c - float16 and bfloat16 between products and convolutions, kept as float32 in memory.
 *
 * in:  fused steps over logical indexes, before any layout
 * out: temporaries of those types that a K_MATMUL or K_CONV reads or writes are of float32, and what is stored to them is rounded to the type that they had:
 *      the same values, which the kernels of float32 then read and write as they are. Twice the memory for them; not with --optimize=size. */
#include "plan/plan.h"

/* ---- other types in memory ---- */

typedef struct {
    program *p;
    const elem *was;
    bool round;
} retyper;

static ex retyped_load(void *ctx, ex e)
{
    const retyper *r = ctx;
    exprs *x = r->p->ex;
    const ex_node n = *ex_at(x, e);
    if (n.op != EX_LOAD || r->was[n.slot] == ELEM_NONE) return 0;
    ex at[MAX_RANK];
    for (uint32_t i = 0; i < n.n; i++) at[i] = ex_subst(x, n.idx[i], retyped_load, ctx);
    return ex_load(x, n.slot, slot_at(r->p, n.slot)->type, n.n, at);
}

static ex retyped(retyper *r, ex e)
{
    return e ? ex_subst(r->p->ex, e, retyped_load, r) : 0;
}

/* What is stored to slot `to`: rounded, unless it is of that type already. */
static ex retyped_store(retyper *r, slot to, ex stored)
{
    const ex_node *n = ex_at(r->p->ex, stored);
    const elem was = r->was[to];
    const bool rounded = (n->op == EX_ROUND || n->op == EX_LOAD) && n->elem == was;
    const ex v = retyped(r, stored);
    return !r->round || was == ELEM_NONE || rounded ? v : ex_round(r->p->ex, was, v);
}

static void rewrite(void *ctx, step *s)
{
    retyper *r = ctx;
    for (uint32_t i = 0; s->nest && i < s->nest->n_stages; i++)
        for (uint32_t k = 0; k < s->nest->stage[i].n_sinks; k++) {
            sink *to = &s->nest->stage[i].sink[k];
            to->value = to->to ? retyped_store(r, to->to, to->value) : retyped(r, to->value);
            to->guard = retyped(r, to->guard);
            for (uint32_t a = 0; a < to->n; a++) to->at[a] = retyped(r, to->at[a]);
        }
    for (uint32_t i = 0; s->kernel && i < s->kernel->n_hook; i++) {
        hook *h = &s->kernel->hook[i];
        h->value = h->to ? retyped_store(r, h->to, h->value) : retyped(r, h->value);
        for (uint32_t a = 0; a < h->n; a++) h->at[a] = retyped(r, h->at[a]);
    }
    if (s->kernel && s->kernel->kind == K_MATMUL) {
        s->kernel->matmul.a = retyped(r, s->kernel->matmul.a);
        s->kernel->matmul.b = retyped(r, s->kernel->matmul.b);
    }
}

void plan_retype(program *p, const elem *was, bool round)
{
    retyper r = {p, was, round};
    program_steps(p, rewrite, &r);
}

/* ---- which ---- */

typedef struct {
    program *p;
    uint8_t *wanted, *refused; /* by slot */
    elem *was;                 /* by slot: the type it had, ELEM_NONE: it is not widened */
} widener;

static bool is_half(elem e)
{
    return e == ELEM_FLOAT16 || e == ELEM_BFLOAT16;
}

static void want(void *ctx, slot s, bool written)
{
    (void)written;
    ((widener *)ctx)->wanted[s] = 1;
}

static void refuse(void *ctx, slot s, bool written)
{
    (void)written;
    ((widener *)ctx)->refused[s] = 1;
}

static void look(void *ctx, step *s)
{
    widener *w = ctx;
    if (s->kind == STEP_KERNEL && s->kernel->kind != K_TEMPLATE) step_access(w->p, s, want, w);
    else if (s->kind != STEP_NEST) step_access(w->p, s, refuse, w);
    for (uint32_t i = 0; s->nest && i < s->nest->n_stages; i++)
        for (uint32_t k = 0; k < s->nest->stage[i].n_sinks; k++) {
            const sink *to = &s->nest->stage[i].sink[k];
            if (to->to && to->fold != FOLD_NONE) w->refused[to->to] = 1; /* each addition is rounded */
        }
}

void plan_widen(program *p, const plan_options *o)
{
    if (o->target->language != LANGUAGE_C || o->optimize == OPTIMIZE_SIZE) return;
    arena *scratch = arena_new();
    widener w = {p, ARENA_ARRAY(scratch, uint8_t, p->slot.n), ARENA_ARRAY(scratch, uint8_t, p->slot.n), ARENA_ARRAY(scratch, elem, p->slot.n)};
    bool any = false;
    program_steps(p, look, &w);
    for (slot s = 1; s < p->slot.n; s++) {
        slot_info *i = slot_at(p, s);
        w.was[s] = ELEM_NONE;
        if (!w.wanted[s] || w.refused[s] || i->kind != SLOT_TEMP || !is_half(i->type) || i->alias_of || i->has_views || i->keep) continue;
        w.was[s] = i->type;
        i->type = ELEM_FLOAT;
        any = true;
    }
    if (any) plan_retype(p, w.was, true);
    arena_free(scratch);
}
