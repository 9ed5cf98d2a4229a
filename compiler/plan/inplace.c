/* inplace.c - a step writes over what it is the last to read.
 *
 * in:  flat steps, numbered; every buffer's first and last step (see memory.c)
 * out: where a step stores each element of a new temporary at the very address at which it reads an old one for the last time, both share one
 *      buffer: activations, residual additions and the like need no memory of their own
 *
 * Only steps with a single store qualify, so that no later read of the same step can find what was just written, and only outside of loops
 * and branches, where "last" means what it says. The printers see that two slots share a buffer and drop `restrict`. */
#include "plan/plan.h"

typedef struct {
    program *p;
    slot to;
    ex at;     /* the store's address */
    slot from; /* candidate: read only at `at`; 0: none yet */
    bool bad;  /* the store's own buffer is read */
    uint32_t step;
} overlay;

static buf_info *buf_of(program *p, slot s)
{
    return &p->buf.p[slot_at(p, s)->view.buf];
}

static bool dies_here(const overlay *o, slot s)
{
    program *p = o->p;
    if (!slot_at(p, s)->view.buf) return false;
    const buf_info *b = buf_of(p, s), *to = buf_of(p, o->to);
    return b->kind == SLOT_TEMP && b->last == o->step && b->first < o->step && b->elems == to->elems && elem_of(b->type)->bits == elem_of(to->type)->bits &&
           slot_at(p, s)->type == slot_at(p, o->to)->type && slot_at(p, s)->type == b->type;
}

static void look_at_load(void *ctx, ex e)
{
    overlay *o = ctx;
    const ex_node *n = ex_at(o->p->ex, e);
    if (n->op != EX_LOAD || slot_at(o->p, n->slot)->kind == SLOT_LOCAL) return;
    if (slot_at(o->p, n->slot)->view.buf == slot_at(o->p, o->to)->view.buf) o->bad = true;
    if (!o->from && n->idx[0] == o->at && dies_here(o, n->slot)) o->from = n->slot;
}

/* Is every read of `from`'s buffer at the store's address? */
static void check_load(void *ctx, ex e)
{
    overlay *o = ctx;
    const ex_node *n = ex_at(o->p->ex, e);
    if (n->op != EX_LOAD || slot_at(o->p, n->slot)->kind == SLOT_LOCAL) return;
    if (slot_at(o->p, n->slot)->view.buf == slot_at(o->p, o->from)->view.buf && n->idx[0] != o->at) o->bad = true;
}

static bool new_temporary(program *p, slot s, uint32_t id)
{
    const slot_info *i = slot_at(p, s);
    if (i->kind != SLOT_TEMP || !i->view.buf) return false;
    const buf_info *b = &p->buf.p[i->view.buf];
    return b->kind == SLOT_TEMP && b->first == id && i->type == b->type;
}

static void share(program *p, slot to, slot from)
{
    const uint32_t gone = slot_at(p, to)->view.buf, stays = slot_at(p, from)->view.buf;
    for (slot s = 1; s < p->slot.n; s++)
        if (slot_at(p, s)->view.buf == gone) slot_at(p, s)->view.buf = stays;
    p->buf.p[stays].last = p->buf.p[gone].last;
    p->buf.p[gone].first = p->buf.p[gone].last = 0;
}

/* A nest of one stage with one plain store and no axes of its own. */
static const sink *single_store(const nest *n)
{
    if (n->n_stages != 1 || n->stage[0].n_sinks != 1 || n->stage[0].n_axes) return NULL;
    const sink *k = &n->stage[0].sink[0];
    return k->to && k->fold == FOLD_NONE && !k->guard && !k->in_order ? k : NULL;
}

/* The kernel's own operands are its first two arguments. */
static bool kernel_reads(program *p, const kernel *k, slot from)
{
    for (uint32_t i = 0; i < k->n_arg; i++)
        if (k->arg[i].slot && i < 2 && slot_at(p, k->arg[i].slot)->view.buf == slot_at(p, from)->view.buf) return true;
    return false;
}

static void try_step(program *p, const step *s)
{
    overlay o = {.p = p, .step = s->id};
    ex element;
    const kernel *k = s->kind == STEP_KERNEL && s->kernel->n_hook == 1 ? s->kernel : NULL;
    if (s->kind == STEP_NEST) {
        const sink *st = single_store(s->nest);
        if (!st) return;
        o.to = st->to;
        o.at = st->at[0];
        element = st->value;
    } else if (k && k->hook[0].to) {
        o.to = k->hook[0].to;
        o.at = k->hook[0].at[0];
        element = k->hook[0].value;
    } else return;
    if (!new_temporary(p, o.to, s->id)) return;
    ex_walk(p->ex, element, look_at_load, &o);
    if (!o.from || o.bad) return;
    ex_walk(p->ex, element, check_load, &o);
    if (o.bad || (k && kernel_reads(p, k, o.from))) return; /* the kernel still reads its operands when the hook stores */
    share(p, o.to, o.from);
}

void plan_in_place(program *p)
{
    for (uint32_t i = 0; i < p->main.steps.n; i++) try_step(p, p->main.steps.p[i]);
}
