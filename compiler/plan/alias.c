/* alias.c - copies that move nothing.
 *
 * in:  fused steps with logical indexes
 * out: a nest that only copies, element a of one slot's row-major order to element a + c of another's, is gone where lifetimes allow; one of
 *      the two slots is then a view of the other: slot_info.alias_of and .alias_offset, which layout turns into a view of one buffer. So
 *      do Reshape, Flatten, Squeeze, Identity, Split and Concat along the outermost dimension that reach a kernel's argument.
 *
 * The reader's slot becomes a view of the source when the source keeps its content as long as it is read (the source may be an input or a
 * constant); otherwise the source becomes a view of the target (which may be an output) when the target's elements are not in use before.
 * All slots that share memory form a group under one root; each use is a range of elements of the root, so parts that are provably apart do
 * not disturb each other. Slots that control steps touch stay alone, and those of convolutions, which choose their layout. */
#include <string.h>

#include "plan/plan.h"

typedef struct {
    uint32_t at;  /* position of the step, from 1 */
    uint32_t reach; /* the end of the outermost loop around it, as seen from anywhere: reads may repeat up to there */
    bool reads, writes;
    dim lo, hi;   /* elements [lo, hi) of the slot that it is listed at */
} use;

typedef struct {
    VEC(use) list;
    bool fixed; /* touched by a control step or a convolution, or placed already */
} use_list;

typedef struct {
    step *step;
    block *block;
    uint32_t reach;
} place;

typedef struct {
    program *p;
    dims *t;
    use_list *uses;    /* by root */
    VEC(place) places; /* by position; [0] is unused */
    uint32_t now;
    bool binds, unknown;
} aliases;

/* ---- elements ---- */

/* Row-major position of an index in the slot; 0 when it is no DIM. */
static dim flat_index(const aliases *a, slot s, const ex *idx)
{
    const slot_info *info = slot_at(a->p, s);
    dim at = dim_const(a->t, 0), d;
    for (uint32_t i = 0; i < info->rank; i++) {
        if (!ex_is_dim(a->p->ex, idx[i], &d)) return 0;
        at = dim_add(a->t, dim_mul(a->t, at, info->extent[i]), d);
    }
    return at;
}

static dim elems(const aliases *a, slot s)
{
    return dim_product(a->t, slot_at(a->p, s)->extent, slot_at(a->p, s)->rank);
}

/* Bounds [lo, hi) of a flat index over all points of a nest: affine with coefficients that are not negative. */
static bool flat_range(const aliases *a, const nest *n, dim at, dim *lo, dim *hi)
{
    dim last = at;
    for (uint32_t i = 0; i < n->n_axes; i++) {
        dim coef, rest;
        if (!dim_has(a->t, at, n->axis[i])) continue;
        if (!dim_affine(a->t, at, n->axis[i], &coef, &rest) || dim_has_axis(a->t, coef) || !dim_ge0(a->t, coef)) return false;
        const dim top = dim_addc(a->t, dim_extent(a->t, n->axis[i]), -1);
        last = dim_subst(a->t, last, 1, &n->axis[i], &top);
        at = rest;
    }
    *lo = at;
    *hi = dim_addc(a->t, last, 1);
    return !dim_has_axis(a->t, at) && !dim_has_axis(a->t, last);
}

static void check_symbol(void *ctx, dim atom)
{
    aliases *a = ctx;
    bool known = false;
    for (uint32_t i = 0; i < a->p->symbols.n; i++) known |= a->p->symbols.p[i] == atom;
    a->unknown |= !known;
}

/* Known from the beginning of a run: no turn of a loop, nothing that a step finds out. */
static bool is_known(aliases *a, dim d)
{
    a->unknown = false;
    dim_atoms(a->t, d, check_symbol, a);
    return !a->unknown && (!a->binds || dim_is_const(a->t, d, NULL));
}

static bool apart(const aliases *a, const use *u, dim lo, dim hi)
{
    return dim_le(a->t, u->hi, lo) || dim_le(a->t, hi, u->lo);
}

/* ---- uses ---- */

static void note_use(void *ctx, slot s, bool written)
{
    aliases *a = ctx;
    use_list *l = &a->uses[s];
    const place *here = &a->places.p[a->now];
    if (slot_at(a->p, s)->view.buf || here->step->control || (here->step->kernel && here->step->kernel->kind == K_CONV)) l->fixed = true;
    for (uint32_t i = l->list.n; i-- > 0 && l->list.p[i].at == a->now;) {
        l->list.p[i].reads |= !written;
        l->list.p[i].writes |= written;
        return;
    }
    VEC_PUSH(a->p->mem, l->list, ((use){a->now, here->reach, !written, written, dim_const(a->t, 0), elems(a, s)}));
}

/* A copy writes no more of its target than its indexes say. */
static void narrow(aliases *a, const step *s)
{
    if (!s->nest || s->nest->n_stages != 1 || s->nest->stage[0].n_axes || s->nest->stage[0].n_sinks != 1) return;
    const sink *k = &s->nest->stage[0].sink[0];
    dim at, lo, hi;
    if (!k->to || k->fold != FOLD_NONE || !(at = flat_index(a, k->to, k->at)) || !flat_range(a, s->nest, at, &lo, &hi)) return;
    use_list *l = &a->uses[k->to];
    for (uint32_t i = l->list.n; i-- > 0 && l->list.p[i].at == a->now;)
        if (!l->list.p[i].reads) l->list.p[i].lo = lo, l->list.p[i].hi = hi;
}

static void collect(aliases *a, block *b, bool in_loop)
{
    for (uint32_t i = 0; i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        const uint32_t at = a->places.n;
        VEC_PUSH(a->p->mem, a->places, ((place){s, b, at}));
        a->binds |= s->kind == STEP_BIND;
        if (s->control) {
            const bool loop = s->kind == STEP_LOOP;
            if (s->control->then) collect(a, s->control->then, in_loop || loop);
            if (s->control->otherwise) collect(a, s->control->otherwise, in_loop || loop);
            for (uint32_t k = at; loop && !in_loop && k < a->places.n; k++) a->places.p[k].reach = a->places.n - 1;
        }
    }
}

/* Only a control step's own slots, without what its blocks touch. */
static void note_control(aliases *a, const control *c)
{
    if (c->cond) note_use(a, c->cond, false);
    if (c->trip) note_use(a, c->trip, false);
    if (c->cond_next) note_use(a, c->cond_next, false);
    for (uint32_t i = 0; i < c->n_carried; i++) {
        note_use(a, c->state[i], true);
        note_use(a, c->next[i], false);
    }
}

/* ---- groups ---- */

static slot root_of(aliases *a, slot s, dim *offset)
{
    *offset = dim_const(a->t, 0);
    while (slot_at(a->p, s)->alias_of) {
        *offset = dim_add(a->t, *offset, slot_at(a->p, s)->alias_offset);
        s = slot_at(a->p, s)->alias_of;
    }
    return s;
}

/* `part`, a root, becomes a view of `of` from element `offset` on; its uses move into the other's list. */
static void join(aliases *a, slot part, slot of, dim offset, uint32_t copy)
{
    slot_at(a->p, part)->alias_of = of;
    slot_at(a->p, of)->has_views = true;
    slot_at(a->p, part)->alias_offset = offset;
    dim shift;
    const slot root = root_of(a, part, &shift);
    use_list *to = &a->uses[root], *from = &a->uses[part];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < to->list.n; i++)
        if (to->list.p[i].at != copy) to->list.p[kept++] = to->list.p[i];
    to->list.n = kept;
    for (uint32_t i = 0; i < from->list.n; i++) {
        use u = from->list.p[i];
        if (u.at == copy) continue;
        u.lo = dim_add(a->t, u.lo, shift);
        u.hi = dim_add(a->t, u.hi, shift);
        VEC_PUSH(a->p->mem, to->list, u);
    }
    from->list.n = 0;
    a->places.p[copy].step = NULL;
}

typedef struct {
    uint32_t at;
    slot from, to;
    dim shift; /* element e of `from` is element e + shift of `to` */
    bool whole_from, whole_to;
} flat_copy;

/* Does the nest touch every element of the slot, at flat index `at`, once? Its points are as many as the elements and bounded by them. */
static bool is_whole(const aliases *a, const nest *n, slot s, dim at)
{
    dim lo, hi, points = dim_const(a->t, 1);
    for (uint32_t i = 0; i < n->n_axes; i++) points = dim_mul(a->t, points, dim_extent(a->t, n->axis[i]));
    return flat_range(a, n, at, &lo, &hi) && dim_is(a->t, lo, 0) && hi == elems(a, s) && points == hi;
}

static bool find_copy(aliases *a, uint32_t at, flat_copy *c)
{
    const step *s = a->places.p[at].step;
    const nest *n = s ? s->nest : NULL;
    if (!n || n->n_stages != 1 || n->stage[0].n_axes || n->stage[0].n_sinks != 1) return false;
    const sink *k = &n->stage[0].sink[0];
    const ex_node *load = ex_at(a->p->ex, k->value);
    if (!k->to || k->fold != FOLD_NONE || k->in_order || k->guard || load->op != EX_LOAD) return false;
    if (slot_at(a->p, load->slot)->type != slot_at(a->p, k->to)->type || elem_of(slot_at(a->p, k->to)->type)->bits < 8) return false;
    const dim to = flat_index(a, k->to, k->at), from = flat_index(a, load->slot, load->idx);
    if (!to || !from) return false;
    *c = (flat_copy){.at = at, .from = load->slot, .to = k->to, .shift = dim_sub(a->t, to, from)};
    if (dim_has_axis(a->t, c->shift) || !is_known(a, c->shift)) return false;
    c->whole_from = is_whole(a, n, c->from, from);
    c->whole_to = is_whole(a, n, c->to, to);
    return true;
}

/* ---- the target as a view of the source ---- */

static bool target_as_view(aliases *a, const flat_copy *c)
{
    dim offset;
    const slot root = root_of(a, c->from, &offset);
    const use_list *source = &a->uses[root], *dest = &a->uses[c->to];
    uint32_t last = c->at;
    if (!c->whole_to || slot_at(a->p, c->to)->kind != SLOT_TEMP || slot_at(a->p, c->to)->alias_of || source->fixed || dest->fixed || root == c->to) return false;
    for (uint32_t i = 0; i < dest->list.n; i++) {
        const use *u = &dest->list.p[i];
        if (u->at != c->at && (u->writes || u->at < c->at)) return false;
        if (u->reach > last) last = u->reach;
    }
    const dim lo = dim_sub(a->t, offset, c->shift), hi = dim_add(a->t, lo, elems(a, c->to));
    for (uint32_t i = 0; i < source->list.n; i++) {
        const use *u = &source->list.p[i];
        if (u->writes && u->at > c->at && u->at <= last && !apart(a, u, lo, hi)) return false;
    }
    join(a, c->to, c->from, dim_sub(a->t, dim_const(a->t, 0), c->shift), c->at);
    return true;
}

/* ---- the source as a view of the target ---- */

static bool source_as_view(aliases *a, const flat_copy *c)
{
    dim offset;
    const slot root = root_of(a, c->to, &offset);
    const slot_kind kind = slot_at(a->p, root)->kind;
    const use_list *source = &a->uses[c->from], *dest = &a->uses[root];
    uint32_t first = c->at, last = c->at;
    if (!c->whole_from || slot_at(a->p, c->from)->kind != SLOT_TEMP || slot_at(a->p, c->from)->alias_of || source->fixed || dest->fixed) return false;
    if ((kind != SLOT_TEMP && kind != SLOT_OUTPUT) || root == c->from) return false;
    for (uint32_t i = 0; i < source->list.n; i++) {
        const use *u = &source->list.p[i];
        if (u->writes && (u->at > c->at || a->places.p[u->at].block != a->places.p[c->at].block)) return false;
        if (u->at < first) first = u->at;
        if (u->reach > last) last = u->reach;
    }
    const dim lo = dim_add(a->t, offset, c->shift), hi = dim_add(a->t, lo, elems(a, c->from));
    for (uint32_t i = 0; i < dest->list.n; i++) {
        const use *u = &dest->list.p[i];
        if (u->at == c->at || apart(a, u, lo, hi)) continue;
        if (u->at < first && u->reach == u->at) continue;
        if (u->at < c->at || (u->writes && u->at <= last)) return false;
    }
    join(a, c->from, c->to, c->shift, c->at);
    return true;
}

/* ---- the pass ---- */

void plan_alias(program *p)
{
    aliases a = {.p = p, .t = p->dims};
    a.uses = ARENA_ARRAY(p->mem, use_list, p->slot.n);
    VEC_PUSH(p->mem, a.places, (place){0});
    collect(&a, &p->main, false);
    for (a.now = 1; a.now < a.places.n; a.now++) {
        const step *s = a.places.p[a.now].step;
        if (s->control) {
            note_control(&a, s->control);
            continue;
        }
        step_access(p, s, note_use, &a);
        narrow(&a, s);
    }
    for (uint32_t at = 1; at < a.places.n; at++) {
        flat_copy c;
        if (find_copy(&a, at, &c) && !target_as_view(&a, &c)) source_as_view(&a, &c);
    }
    for (uint32_t at = 1; at < a.places.n; at++) a.places.p[at].block->steps.n = 0;
    for (uint32_t at = 1; at < a.places.n; at++)
        if (a.places.p[at].step) VEC_PUSH(p->mem, a.places.p[at].block->steps, a.places.p[at].step);
}
