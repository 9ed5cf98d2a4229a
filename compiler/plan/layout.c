/* layout.c - where every slot lies in its buffer.
 *
 * in:  slots with logical extents; aliases found
 * out: every slot that is not local has a view; every buffer its size in elements */
#include <assert.h>

#include "plan/plan.h"

/* Fills in strides, innermost last, for the blocks and halos that the view asks for (none: dense and row-major). Returns the elements. */
static dim place_view(program *p, slot_info *s)
{
    dims *d = p->dims;
    view *v = &s->view;
    const bool asked = v->rank != 0;
    v->rank = s->rank;
    int32_t lanes = 1;
    for (uint32_t i = 0; i < s->rank; i++) {
        if (!asked) v->d[i].block = 1;
        if (v->d[i].block > 1) lanes = v->d[i].block;
    }
    dim stride = dim_const(d, lanes), offset = dim_const(d, 0);
    for (uint32_t i = s->rank; i-- > 0;) {
        struct view_dim *k = &v->d[i];
        k->stride = stride;
        k->inner = dim_const(d, 1);
        offset = dim_add(d, offset, dim_mulc(d, stride, k->halo_lo));
        const dim cells = k->block > 1 ? dim_cdiv(d, s->extent[i], dim_const(d, k->block)) : dim_addc(d, dim_addc(d, s->extent[i], k->halo_lo), k->halo_hi);
        stride = dim_mul(d, stride, cells);
    }
    v->offset = offset;
    return stride;
}

/* A view of another slot lies dense and row-major in that one's buffer; so does what it is a view of. */
static void place_alias(program *p, slot_info *i)
{
    const slot_info *of = i;
    i->view.rank = 0;
    place_view(p, i);
    while (of->alias_of) {
        i->view.offset = dim_add(p->dims, i->view.offset, of->alias_offset);
        of = slot_at(p, of->alias_of);
    }
    i->view.buf = of->view.buf;
}

void plan_layout(program *p)
{
    if (!p->buf.n) VEC_PUSH(p->mem, p->buf, (buf_info){0});
    for (slot s = 1; s < p->slot.n; s++) {
        slot_info *i = slot_at(p, s);
        if (i->kind == SLOT_LOCAL || i->kind == SLOT_DEAD || i->view.buf || i->alias_of) continue;
        assert(!i->has_views || !i->view.rank);
        const dim elems = dim_addc(p->dims, place_view(p, i), i->read_past);
        i->view.buf = p->buf.n;
        VEC_PUSH(p->mem, p->buf, ((buf_info){.kind = i->kind, .type = i->type, .elems = elems, .io = i->io, .offset = -1}));
    }
    for (slot s = 1; s < p->slot.n; s++)
        if (slot_at(p, s)->alias_of && !slot_at(p, s)->view.buf) place_alias(p, slot_at(p, s));
}

/* ---- numbering and addresses ---- */

static void walk_block(block *b, void (*f)(void *ctx, step *s), void *ctx)
{
    for (uint32_t i = 0; i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        f(ctx, s);
        if (s->control && s->control->then) walk_block(s->control->then, f, ctx);
        if (s->control && s->control->otherwise) walk_block(s->control->otherwise, f, ctx);
    }
}

void program_steps(program *p, void (*f)(void *ctx, step *s), void *ctx)
{
    walk_block(&p->main, f, ctx);
}

typedef struct {
    program *p;
    uint32_t n;
} numbering;

static void number(void *ctx, step *s)
{
    numbering *k = ctx;
    s->id = ++k->n;
    if (s->nest) nest_flatten(k->p, s->nest);
    for (uint32_t i = 0; s->kernel && i < s->kernel->n_hook; i++) hook_flatten(k->p, &s->kernel->hook[i]);
}

void plan_flatten(program *p)
{
    numbering k = {p, 0};
    program_steps(p, number, &k);
}
