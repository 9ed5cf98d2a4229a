/* fuse_rows.c - rule 2: a nest joins one that reads what it stores when every element is read at the same point of the parallel axes that
 * they share (row steps: softmax, normalisations, reductions and what follows them); rule 3: stages of one nest that walk equal axes
 * become one stage. */
#include <string.h>

#include "expr/fuse_impl.h"

/* Parallel axes of the producer and of the consumer that mean the same point. */
typedef struct {
    uint32_t n;
    dim from[NEST_AXES]; /* the producer's */
    dim to[NEST_AXES];   /* the consumer's */
} pairing;

static bool has_axis(const nest *n, dim axis)
{
    for (uint32_t i = 0; i < n->n_axes; i++)
        if (n->axis[i] == axis) return true;
    return false;
}

/* Is some dimension stored by axis `a` of the producer and loaded by axis `b` of the consumer? */
static bool agrees(const fuser *f, const sink *k, const ex_node *load, dim a, dim b)
{
    for (uint32_t d = 0; d < k->n; d++) {
        dim stored, loaded;
        if (fuse_is_axis(f, k->at[d], &stored) && stored == a && fuse_is_axis(f, load->idx[d], &loaded) && loaded == b) return true;
    }
    return false;
}

static void first_pairs(const fuser *f, const nest *p, const nest *c, const sink *k, const ex_node *load, pairing *out)
{
    for (uint32_t i = 0; i < p->n_axes; i++)
        for (uint32_t j = 0; j < c->n_axes; j++) {
            if (dim_extent(f->t, p->axis[i]) != dim_extent(f->t, c->axis[j]) || !agrees(f, k, load, p->axis[i], c->axis[j])) continue;
            out->from[out->n] = p->axis[i];
            out->to[out->n++] = c->axis[j];
            break;
        }
}

static void keep_pairs(const fuser *f, const sink *k, const ex_node *load, pairing *pairs)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pairs->n; i++) {
        if (!agrees(f, k, load, pairs->from[i], pairs->to[i])) continue;
        pairs->from[kept] = pairs->from[i];
        pairs->to[kept++] = pairs->to[i];
    }
    pairs->n = kept;
}

/* The pairs on which all loads of all that the producer stores agree; false when the consumer loads nothing of it, or something that other
 * steps write too. */
static bool find_pairs(fuser *f, uint32_t producer, uint32_t consumer, pairing *out)
{
    nest *p = fuse_nest(f, producer), *c = fuse_nest(f, consumer);
    bool first = true;
    out->n = 0;
    for (uint32_t i = 0; i < p->n_stages; i++)
        for (uint32_t j = 0; j < p->stage[i].n_sinks; j++) {
            const sink *k = &p->stage[i].sink[j];
            if (!k->to) continue;
            const fuse_loads l = fuse_loads_of_nest(f, c, k->to);
            if (l.load.n && fuse_writer(f, k->to) != producer) return false;
            for (uint32_t m = 0; m < l.load.n; m++) {
                const ex_node *load = ex_at(f->x, l.load.p[m]);
                if (first) first_pairs(f, p, c, k, load, out);
                else keep_pairs(f, k, load, out);
                first = false;
            }
        }
    return !first;
}

static bool pairs_all(const pairing *pairs, const nest *n, bool producer)
{
    if (pairs->n != n->n_axes) return false;
    for (uint32_t i = 0; i < pairs->n; i++)
        if (!has_axis(n, producer ? pairs->from[i] : pairs->to[i])) return false;
    return true;
}

static bool is_prefix(const pairing *pairs, const nest *p, const nest *c)
{
    for (uint32_t i = 0; i < pairs->n; i++)
        if (pairs->from[i] != p->axis[i] || pairs->to[i] != c->axis[i]) return false;
    return true;
}

static uint32_t memory_outputs(const fuser *f, const nest *n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t j = 0; j < n->stage[i].n_sinks; j++) count += n->stage[i].sink[j].to && f->p->slot.p[n->stage[i].sink[j].to].kind != SLOT_LOCAL;
    return count;
}

/* ---- legality ---- */

static bool writes_read_of(const fuser *f, uint32_t writer, uint32_t other)
{
    const fuse_item *it = &f->item.p[writer];
    for (uint32_t i = 0; i < it->n_access; i++) {
        bool reads, writes;
        if (it->access[i].writes && fuse_touches(f, other, it->access[i].slot, &reads, &writes)) return true;
    }
    return false;
}

/* The consumer must not write what the producer touches, and shares everything that it reads of it point by point. */
static bool rows_are_legal(fuser *f, uint32_t producer, uint32_t consumer, pairing *pairs)
{
    nest *p = fuse_nest(f, producer), *c = fuse_nest(f, consumer);
    if (!p || !c || f->item.p[producer].block != f->item.p[consumer].block || producer >= consumer) return false;
    if (!fuse_plain(p) || !fuse_plain(c) || writes_read_of(f, consumer, producer)) return false;
    if (!find_pairs(f, producer, consumer, pairs)) return false;
    const bool rows_p = fuse_has_rows(p), rows_c = fuse_has_rows(c);
    if (rows_p && !pairs_all(pairs, p, true)) return false;
    if (rows_c && !pairs_all(pairs, c, false)) return false;
    if (!rows_p && !rows_c && (!pairs_all(pairs, p, true) || !is_prefix(pairs, p, c))) return false;
    return true;
}

/* ---- profitability ---- */

static double pair_points(fuser *f, const pairing *pairs)
{
    double n = 1;
    for (uint32_t i = 0; i < pairs->n; i++) n *= (double)fuse_estimate(f, dim_extent(f->t, pairs->from[i]));
    return n;
}

static bool is_serial(fuser *f, const nest *n, double points)
{
    double most = 1;
    for (uint32_t i = 0; i < n->n_stages; i++) {
        const double here = fuse_iterations(f, n, &n->stage[i]);
        if (here > most) most = here;
    }
    return points < 2 && most > FUSE_SERIAL_ITERS;
}

static bool rows_are_wanted(fuser *f, uint32_t producer, uint32_t consumer, const pairing *pairs)
{
    const nest *p = fuse_nest(f, producer), *c = fuse_nest(f, consumer);
    const double points = pair_points(f, pairs);
    if (p->n_stages + c->n_stages > FUSE_STAGES || memory_outputs(f, p) + memory_outputs(f, c) > FUSE_OUTPUTS + 2) return false;
    if (is_serial(f, c, points)) return false;
    for (uint32_t i = 0; i < p->n_stages; i++)
        for (uint32_t j = 0; j < p->stage[i].n_sinks; j++) {
            const slot s = p->stage[i].sink[j].to;
            if (s && fuse_elems(f, s) > points * FUSE_ROW_ELEMS) return false;
        }
    return true;
}

/* ---- doing it ---- */

typedef struct {
    exprs *x;
    uint32_t n;
    const dim *from, *to;
} renaming;

static void rename_axes(void *ctx, ex *e)
{
    const renaming *r = ctx;
    *e = ex_map(r->x, *e, r->n, r->from, r->to);
}

/* A map's parallel axes that are not shared become axes of its stage; the nest keeps the shared ones, in the order of `order`. */
static bool demote_axes(nest *n, uint32_t n_shared, const dim *shared)
{
    if (n->n_axes == n_shared) return true;
    stage *g = &n->stage[0];
    for (uint32_t i = 0; i < n->n_axes; i++) {
        bool stays = false;
        for (uint32_t k = 0; k < n_shared; k++) stays |= shared[k] == n->axis[i];
        if (!stays) g->axis[g->n_axes++] = n->axis[i];
    }
    memcpy(n->axis, shared, n_shared * sizeof *shared);
    n->n_axes = (uint8_t)n_shared;
    return true;
}

/* Joins into the step at `place`, one of the two; the other item goes. */
static void join(fuser *f, uint32_t producer, uint32_t consumer, const pairing *pairs, uint32_t place)
{
    step *sp = f->item.p[producer].step, *sc = f->item.p[consumer].step;
    nest *p = sp->nest, *c = sc->nest;
    demote_axes(p, pairs->n, pairs->from);
    demote_axes(c, pairs->n, pairs->to);
    renaming r = {f->x, pairs->n, pairs->to, pairs->from};
    stage *all = ARENA_ARRAY(f->mem, stage, p->n_stages + c->n_stages);
    memcpy(all, p->stage, p->n_stages * sizeof *all);
    for (uint32_t i = 0; i < c->n_stages; i++) {
        fuse_each_stage(&c->stage[i], rename_axes, &r);
        all[p->n_stages + i] = c->stage[i];
    }
    p->stage = all;
    p->n_stages += c->n_stages;
    sp->what = fuse_what(f, sp->what, sc->what);
    f->item.p[place].step = sp;
    fuse_remove(f, place == producer ? consumer : producer);
    fuse_update(f, place);
    if (f->o->merge_stages) fuse_merge_stages(f, p);
    fuse_tidy(f, place);
}

/* Returns the place of the joined step, 0 when nothing was done. */
static uint32_t join_as_is(fuser *f, uint32_t producer, uint32_t consumer)
{
    pairing pairs;
    if (!rows_are_legal(f, producer, consumer, &pairs) || !rows_are_wanted(f, producer, consumer, &pairs)) return 0;
    const uint32_t place = fuse_can_move(f, producer, consumer) ? consumer : fuse_can_move(f, consumer, producer) ? producer : 0;
    if (place) join(f, producer, consumer, &pairs, place);
    return place;
}

/* A map after a reshape finds the producer's axes only when its own are split as the reshape divides them. */
static uint32_t try_join(fuser *f, uint32_t producer, uint32_t consumer)
{
    uint32_t place = join_as_is(f, producer, consumer);
    if (place || fuse_has_rows(fuse_nest(f, consumer))) return place;
    step *s = f->item.p[consumer].step;
    nest *whole = s->nest, *split = fuse_copy_nest(f, whole);
    if (!fuse_split_axes(f, split)) return 0;
    s->nest = split;
    place = join_as_is(f, producer, consumer);
    if (!place) s->nest = whole;
    return place;
}

/* Joins the step at `item` with a producer of something it reads; the nearest one first. */
static uint32_t join_one(fuser *f, uint32_t item)
{
    const fuse_item *it = &f->item.p[item];
    uint32_t tried = item;
    for (;;) {
        uint32_t best = 0;
        for (uint32_t i = 0; i < it->n_access; i++) {
            if (!it->access[i].reads) continue;
            const uint32_t w = fuse_writer(f, it->access[i].slot);
            if (w < tried && w > best && fuse_same_side(f, w, item)) best = w;
        }
        if (!best) return 0;
        const uint32_t place = try_join(f, best, item);
        if (place) return place;
        tried = best;
    }
}

bool fuse_rows(fuser *f)
{
    bool changed = false;
    for (uint32_t i = 1; i < f->item.n; i++)
        for (uint32_t at = i; at && fuse_nest(f, at);) {
            at = join_one(f, at);
            changed |= at != 0;
        }
    return changed;
}

/* ---- rule 3: stages ---- */

static bool same_axes(const fuser *f, const stage *a, const stage *b)
{
    if (a->n_axes != b->n_axes) return false;
    for (uint32_t i = 0; i < a->n_axes; i++)
        if (dim_extent(f->t, a->axis[i]) != dim_extent(f->t, b->axis[i])) return false;
    return true;
}

typedef struct {
    fuser *f;
    const sink *sink;
    uint32_t n;
    bool found;
} acc_use;

static void uses_acc(void *ctx, ex *e)
{
    acc_use *u = ctx;
    u->found |= fuse_uses_acc(u->f, *e, u->sink, u->n);
}

static bool stage_uses_acc(fuser *f, stage *user, const stage *folding)
{
    acc_use u = {f, folding->sink, folding->n_sinks, false};
    fuse_each_stage(user, uses_acc, &u);
    return u.found;
}

static bool stage_stores(const stage *g, slot s)
{
    for (uint32_t i = 0; i < g->n_sinks; i++)
        if (g->sink[i].to == s) return true;
    return false;
}

/* Everything that `user` loads of what `storing` stores, it loads at the indexes of the one plain store. */
static bool loads_same_point(fuser *f, stage *user, const stage *storing)
{
    for (uint32_t i = 0; i < storing->n_sinks; i++) {
        const sink *k = &storing->sink[i];
        if (!k->to) continue;
        const fuse_loads l = fuse_loads_of_stage(f, user, k->to);
        for (uint32_t j = 0; j < l.load.n; j++)
            if (k->guard || (k->n && memcmp(ex_at(f->x, l.load.p[j])->idx, k->at, k->n * sizeof *k->at))) return false;
    }
    return true;
}

/* Could the sinks of `late` run at the end of each point of stage `early`, before the stages in between? */
static bool stage_can_move(fuser *f, nest *n, uint32_t early, stage *late, uint32_t late_at)
{
    stage *g = &n->stage[early];
    const bool looped = g->n_axes > 0;
    if (looped && (stage_uses_acc(f, late, g) || !loads_same_point(f, late, g))) return false;
    for (uint32_t i = early; i < late_at; i++) {
        stage *between = &n->stage[i];
        for (uint32_t k = 0; k < late->n_sinks; k++) {
            const slot s = late->sink[k].to;
            if (s && (looped || i > early) && (stage_stores(between, s) || fuse_loads_of_stage(f, between, s).load.n)) return false;
        }
        if (i == early) continue;
        if (stage_uses_acc(f, late, between)) return false;
        for (uint32_t k = 0; k < between->n_sinks; k++)
            if (between->sink[k].to && fuse_loads_of_stage(f, late, between->sink[k].to).load.n) return false;
    }
    return true;
}

static void append_sinks(fuser *f, stage *to, const stage *from)
{
    sink *all = ARENA_ARRAY(f->mem, sink, to->n_sinks + from->n_sinks);
    if (to->n_sinks) memcpy(all, to->sink, to->n_sinks * sizeof *all);
    if (from->n_sinks) memcpy(all + to->n_sinks, from->sink, from->n_sinks * sizeof *all);
    to->sink = all;
    to->n_sinks += from->n_sinks;
}

static bool merge_stage(fuser *f, nest *n, uint32_t early, uint32_t late)
{
    stage *g = &n->stage[early], *h = &n->stage[late];
    if (!same_axes(f, g, h) || g->n_sinks + h->n_sinks > FUSE_SINKS) return false;
    /* Renaming to axes of the same extents changes nothing as long as h stays where it is. */
    renaming r = {f->x, h->n_axes, h->axis, g->axis};
    fuse_each_stage(h, rename_axes, &r);
    memcpy(h->axis, g->axis, sizeof h->axis);
    if (!stage_can_move(f, n, early, h, late)) return false;
    append_sinks(f, g, h);
    memmove(h, h + 1, (n->n_stages - late - 1) * sizeof *h);
    n->n_stages--;
    return true;
}

bool fuse_merge_stages(fuser *f, nest *n)
{
    bool changed = false;
    if (!fuse_plain(n)) return false;
    for (uint32_t late = 1; late < n->n_stages;) {
        bool merged = false;
        for (uint32_t early = late; early-- > 0 && !merged;) merged = merge_stage(f, n, early, late);
        changed |= merged;
        if (!merged) late++;
    }
    return changed;
}
