/* fuse_inline.c - rule 1: a map (one stage, no stage axes, one store at the identity) disappears into the steps that read it, its axes
 * replaced by the reader's indexes. Its mirror, copies that disappear into the steps before them, is in fuse_copies.c. */
#include "expr/fuse_impl.h"

/* ---- the producer ---- */

typedef struct {
    fuser *f;
    uint32_t item;
    nest *nest;
    const sink *sink;
    slot slot;
    elem stored;
    bool movement; /* a bare load at DIM indexes */
    bool cheap, costly;
    bool strided;  /* neighbours of what it stores are not neighbours in something that it loads */
    uint32_t taken_off; /* adds that its cost is less, see note_cost */
    ex value;      /* as a reader of the slot sees it: rounded to the stored type */
    uint32_t n_from;
    dim from[MAX_RANK]; /* axes of the nest ... */
    uint8_t at[MAX_RANK]; /* ... and the dimension of the slot whose index each one is */
} producer;

/* Every dimension is stored by one axis of its extent, or has extent 1. */
static bool stores_identity(producer *p)
{
    const fuser *f = p->f;
    const slot_info *info = &f->p->slot.p[p->slot];
    for (uint32_t d = 0; d < p->sink->n; d++) {
        dim axis;
        if (fuse_is_zero(f, p->sink->at[d]) && dim_is(f->t, info->extent[d], 1)) continue;
        if (!fuse_is_axis(f, p->sink->at[d], &axis) || dim_extent(f->t, axis) != info->extent[d]) return false;
        for (uint32_t i = 0; i < p->n_from; i++)
            if (p->from[i] == axis) return false;
        p->from[p->n_from] = axis;
        p->at[p->n_from++] = (uint8_t)d;
    }
    return p->n_from == p->nest->n_axes;
}

/* Guards are free: comparisons of indexes fold or split the loop, so their cost is taken off. Bytes that become wide numbers are cheaper to load again
 * than what is stored: one add less. */
static void note_cost(void *ctx, ex e)
{
    producer *p = ctx;
    const ex_node *n = ex_at(p->f->x, e);
    const ex_op op = (ex_op)n->op;
    dim d;
    if (op == EX_DIV || op == EX_MOD || op == EX_POW || op == EX_ATAN2 || (op >= EX_SQRT && op <= EX_ERF)) p->costly = true;
    if ((op == EX_LT || op == EX_LE || op == EX_EQ || op == EX_NE) && ex_is_dim(p->f->x, n->a[0], &d) && ex_is_dim(p->f->x, n->a[1], &d)) p->taken_off++;
    if ((op == EX_AND || op == EX_OR) && n->type == CT_BOOL) p->taken_off++;
    if (op == EX_LOAD && elem_of(n->elem)->bits <= 8 && elem_of(p->stored)->bits >= 32) p->taken_off++;
}

static bool is_movement(const fuser *f, ex e)
{
    const ex_node *n = ex_at(f->x, e);
    dim d;
    if (n->op != EX_LOAD) return false;
    for (uint32_t i = 0; i < n->n; i++)
        if (!ex_is_dim(f->x, n->idx[i], &d)) return false;
    return true;
}

static bool find_producer(fuser *f, uint32_t item, producer *p)
{
    nest *n = fuse_nest(f, item);
    const sink *k = n ? fuse_map_sink(n) : NULL;
    if (!k || f->p->slot.p[k->to].kind != SLOT_TEMP || fuse_writer(f, k->to) != item) return false;
    *p = (producer){.f = f, .item = item, .nest = n, .sink = k, .slot = k->to, .stored = f->p->slot.p[k->to].type};
    if (!stores_identity(p)) return false;
    fuse_loads self = {0};
    fuse_loads_of_ex(f, k->value, k->to, &self);
    if (self.load.n) return false;
    p->value = ex_round(f->x, p->stored, k->value);
    p->movement = is_movement(f, p->value);
    ex_walk(f->x, p->value, note_cost, p);
    dim inner;
    p->strided = k->n && fuse_is_axis(f, k->at[k->n - 1], &inner) && fuse_strided(f, p->value, inner);
    p->cheap = !p->costly && ex_cost(f->x, p->value) - p->taken_off <= FUSE_CHEAP;
    return true;
}

/* The producer's value at the indexes of a load. */
static ex stored_at(void *ctx, uint32_t n, const ex *idx)
{
    const producer *p = ctx;
    ex to[MAX_RANK];
    (void)n;
    for (uint32_t i = 0; i < p->n_from; i++) to[i] = idx[p->at[i]];
    return ex_map_ex(p->f->x, p->value, p->n_from, p->from, to);
}

/* ---- its readers ---- */

/* Nothing that the value reads is written before the reader is done (again and again, when the reader stands in a loop that the producer is
 * outside of), and the reader does not write it either. */
static bool sources_stay(const producer *p, uint32_t reader)
{
    fuser *f = p->f;
    const fuse_item *it = &f->item.p[p->item];
    const uint32_t reach = fuse_reach(f, reader, it->block);
    if (reach == 0 || reader <= p->item) return false;
    for (uint32_t i = 0; i < it->n_access; i++)
        if (it->access[i].reads && fuse_written(f, it->access[i].slot, p->item, reach)) return false;
    return !p->nest->can_fail || reach == reader;
}

/* Different points of the stage load different elements: each axis is in exactly one index, which is affine in it alone. */
static bool is_injective(fuser *f, const nest *n, const stage *g, ex load)
{
    const ex_node *loaded = ex_at(f->x, load);
    bool index_used[MAX_RANK] = {false};
    for (uint32_t i = 0; i < (uint32_t)n->n_axes + g->n_axes; i++) {
        const dim axis = i < n->n_axes ? n->axis[i] : g->axis[i - n->n_axes];
        uint32_t found = 0;
        for (uint32_t d = 0; d < loaded->n; d++) {
            dim index, coef, rest;
            if (!ex_is_dim(f->x, loaded->idx[d], &index)) return false;
            if (!dim_has(f->t, index, axis)) continue;
            if (index_used[d] || !dim_affine(f->t, index, axis, &coef, &rest) || !dim_is_const(f->t, coef, NULL)) return false;
            index_used[d] = true;
            found++;
        }
        if (found != 1) return false;
    }
    return true;
}

typedef struct {
    uint32_t sites;   /* loads in the text of the readers */
    double evaluated; /* points at which they are evaluated, all together */
    bool injective;   /* every one at most once per element */
    bool uniform;     /* none changes along an innermost loop, so that it is computed outside */
} demand;

static bool is_uniform(const fuser *f, const nest *n, const stage *g, ex load)
{
    const ex_node *loaded = ex_at(f->x, load);
    const dim inner = g->n_axes ? g->axis[g->n_axes - 1] : n->n_axes ? n->axis[n->n_axes - 1] : 0;
    for (uint32_t i = 0; inner && i < loaded->n; i++) {
        dim d;
        if (!ex_is_dim(f->x, loaded->idx[i], &d) || dim_has(f->t, d, inner)) return false;
    }
    return true;
}

/* What a nest wants from the producer; false when it can't take its value. */
static bool nest_demand(const producer *p, nest *n, demand *d)
{
    fuser *f = p->f;
    for (uint32_t i = 0; i < n->n_stages; i++) {
        stage *g = &n->stage[i];
        for (uint32_t k = 0; k < g->n_sinks; k++)
            if (g->sink[k].to == p->slot) return false;
        const fuse_loads l = fuse_loads_of_stage(f, g, p->slot);
        d->sites += l.load.n;
        d->evaluated += l.load.n * fuse_iterations(f, n, g);
        for (uint32_t k = 0; k < l.load.n; k++) {
            d->injective &= is_injective(f, n, g, l.load.p[k]);
            d->uniform &= is_uniform(f, n, g, l.load.p[k]);
        }
    }
    return true;
}

/* A matmul takes plain movement for its operands, or for the bytes and the zero point of one, whose indexes must stay affine; epilogues take what
 * is cheap; other hooks movement. */
static bool operand_takes(const producer *p, ex operand, demand *d)
{
    fuser *f = p->f;
    fuse_loads l = {0};
    fuse_loads_of_ex(f, operand, p->slot, &l);
    if (!l.load.n) return true;
    d->sites += l.load.n;
    const ex load = l.load.p[0];
    const ex_node *o = ex_at(f->x, operand), *loaded = ex_at(f->x, load);
    const bool of_difference = o->op == EX_SUB && (o->a[0] == load || o->a[1] == load);
    if (!p->movement || l.load.n != 1 || (operand != load && !of_difference)) return false;
    ex idx[MAX_RANK];
    for (uint32_t i = 0; i < loaded->n; i++) idx[i] = loaded->idx[i];
    const ex moved = stored_at((void *)(uintptr_t)p, loaded->n, idx);
    const ex_node *m = ex_at(f->x, moved);
    if (m->op != EX_LOAD) return false;
    for (uint32_t i = 0; i < m->n; i++)
        if (!fuse_affine(f, m->idx[i])) return false;
    return true;
}

static bool kernel_demand(const producer *p, const kernel *k, demand *d)
{
    fuser *f = p->f;
    if (k->kind == K_MATMUL && (!operand_takes(p, k->matmul.a, d) || !operand_takes(p, k->matmul.b, d))) return false;
    /* Arguments are real slots, but those of a matmul that only name what its operands load. */
    for (uint32_t i = 0; i < k->n_arg; i++)
        if (k->arg[i].slot == p->slot && (k->arg[i].role != ARG_IN || !d->sites)) return false;
    for (uint32_t i = 0; i < k->n_hook; i++) {
        const hook *h = &k->hook[i];
        fuse_loads l = {0};
        if (h->to == p->slot) return false;
        fuse_loads_of_ex(f, h->value, p->slot, &l);
        if (l.load.n && !(h->to ? p->cheap : p->movement)) return false;
        for (uint32_t j = 0; j < h->n; j++) fuse_loads_of_ex(f, h->at[j], p->slot, &l);
        d->sites += l.load.n;
        if (l.load.n && p->nest->can_fail) return false;
    }
    d->injective = false;
    return true; /* hooks run once per element */
}

static bool reader_takes(const producer *p, uint32_t reader, demand *total)
{
    fuser *f = p->f;
    step *s = f->item.p[reader].step;
    demand d = {.injective = true, .uniform = true};
    if (!sources_stay(p, reader) || !fuse_same_side(f, p->item, reader)) return false;
    if (fuse_nest(f, reader)) {
        if (!nest_demand(p, s->nest, &d)) return false;
    } else if (!fuse_kernel(f, reader) || !kernel_demand(p, s->kernel, &d)) return false;
    if (f->item.p[reader].block != f->item.p[p->item].block && !p->movement) return false;
    total->sites += d.sites;
    total->evaluated += d.evaluated;
    total->injective &= d.injective;
    total->uniform &= d.uniform;
    return fuse_fits(f, s, p->value, d.sites);
}

/* Computing again must cost less than storing and loading, and must not load from far apart again. */
static bool is_wanted(const producer *p, const demand *d)
{
    enum { AGAIN = 4 };
    const double elems = fuse_elems(p->f, p->slot);
    if (d->sites == 1 && (d->injective || (d->evaluated > 0 && d->evaluated <= elems * 1.01))) return true;
    if (!p->cheap) return false;
    if (p->strided && !p->movement && !d->uniform && d->sites > 1) return false;
    return p->movement || d->uniform || d->evaluated <= AGAIN * elems;
}

static bool inline_map(fuser *f, uint32_t item, bool movement)
{
    producer p;
    if (!find_producer(f, item, &p) || (movement && !p.movement)) return false;
    demand d = {.injective = true, .uniform = true};
    const fuse_uses *u = &f->uses[p.slot];
    for (uint32_t i = 0; i < u->use.n; i++)
        if (u->use.p[i].item != item && !reader_takes(&p, u->use.p[i].item, &d)) return false;
    if (!d.sites || !is_wanted(&p, &d)) return false;

    const char *what = f->item.p[item].step->what;
    fuse_rewrite r = {f, p.slot, stored_at, &p};
    fuse_remove(f, item);
    while (f->uses[p.slot].use.n) {
        const uint32_t reader = f->uses[p.slot].use.p[0].item;
        step *s = f->item.p[reader].step;
        fuse_each(s, fuse_rewrite_ex, &r);
        if (s->kernel) fuse_rename_arg(s->kernel, p.slot, ex_at(f->x, p.value)->slot);
        s->what = fuse_what(f, what, s->what);
        fuse_update(f, reader);
    }
    slot_at(f->p, p.slot)->kind = SLOT_DEAD;
    return true;
}

bool fuse_inline(fuser *f)
{
    bool changed = false;
    /* What only moves first: then arithmetic sees who really reads it. */
    for (uint32_t i = 1; i < f->item.n; i++) changed |= inline_map(f, i, true);
    for (uint32_t i = 1; i < f->item.n; i++) {
        /* A kernel that can take the map stores its value once, however many readers it has. */
        if (f->o->epilogues && fuse_into_kernel(f, i)) changed = true;
        else changed |= inline_map(f, i, false);
    }
    return changed;
}
