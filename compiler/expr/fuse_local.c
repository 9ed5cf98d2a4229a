/* fuse_local.c - rule 4: stored values that are cheap, or stored at the point that reads them, take the place of their loads; stores and
 * folds that nobody reads go. Rule 5: what only its own nest touches becomes a local of the dimensions that the stages walk. */
#include <string.h>

#include "expr/fuse_impl.h"

/* ---- forwarding ---- */

typedef struct {
    fuser *f;
    nest *nest;
    uint32_t stage, sink; /* of the store */
    const sink *store;
    ex value; /* rounded to the stored type */
    uint32_t n_from;
    dim from[NEST_AXES]; /* axes of the stage that choose an element */
    uint8_t at[NEST_AXES];
    bool same_point; /* only loads at the very indexes of the store */
} forward;

/* The value at the indexes of a load; 0 when they are not a point of the store. */
static ex forwarded(void *ctx, uint32_t n, const ex *idx)
{
    const forward *w = ctx;
    ex to[NEST_AXES];
    if (w->same_point) return n && memcmp(idx, w->store->at, n * sizeof *idx) ? 0 : w->value;
    for (uint32_t d = 0; d < n; d++) {
        bool chosen = false;
        for (uint32_t i = 0; i < w->n_from; i++) {
            if (w->at[i] != d) continue;
            to[i] = idx[d];
            chosen = true;
        }
        if (!chosen && idx[d] != w->store->at[d]) return 0;
    }
    return ex_map_ex(w->f->x, w->value, w->n_from, w->from, to);
}

static void rewrite_sink(forward *w, sink *k)
{
    fuse_rewrite r = {w->f, w->store->to, forwarded, w};
    fuse_each_sink(k, fuse_rewrite_ex, &r);
}

static bool loads_slot(fuser *f, ex e, slot s)
{
    fuse_loads l = {0};
    if (s) fuse_loads_of_ex(f, e, s, &l);
    return l.load.n > 0;
}

/* Loads at later sinks of the same stage, same point, until something that the value is made of changes: an accumulator, an element. */
static void forward_in_stage(forward *w)
{
    const stage *g = &w->nest->stage[w->stage];
    w->same_point = true;
    for (uint32_t i = w->sink + 1; i < g->n_sinks; i++) {
        const sink *before = &g->sink[i - 1];
        if (fuse_uses_acc(w->f, w->value, before, 1) || loads_slot(w->f, w->value, before->to)) return;
        if (i - 1 > w->sink && before->to == w->store->to) return;
        rewrite_sink(w, &g->sink[i]);
    }
}

static uint32_t stores_to(const nest *n, slot s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) count += n->stage[i].sink[k].to == s;
    return count;
}

typedef struct {
    const forward *w;
    bool stale;
} source_check;

/* Is something that the value loads stored again by this stage or a later one? */
static void check_source(void *ctx, ex e)
{
    source_check *c = ctx;
    const ex_node *n = ex_at(c->w->f->x, e);
    for (uint32_t i = c->w->stage; n->op == EX_LOAD && i < c->w->nest->n_stages; i++)
        for (uint32_t k = 0; k < c->w->nest->stage[i].n_sinks; k++) c->stale |= c->w->nest->stage[i].sink[k].to == n->slot;
}

static bool has_stage_axis(const fuser *f, const stage *g, ex e)
{
    dim d;
    for (uint32_t i = 0; i < g->n_axes; i++)
        if (!ex_is_dim(f->x, e, &d) || dim_has(f->t, d, g->axis[i])) return true;
    return false;
}

/* A cheap value may be computed again in later stages, if that makes the store needless. What it loads must lie together. */
static bool may_recompute(forward *w, bool private)
{
    fuser *f = w->f;
    const stage *g = &w->nest->stage[w->stage];
    if (!private || stores_to(w->nest, w->store->to) != 1 || ex_cost(f->x, w->value) > FUSE_CHEAP) return false;
    if (g->n_axes && fuse_strided(f, w->value, g->axis[g->n_axes - 1])) return false;
    /* Running values differ from final ones; without a loop only those folded after the store do. */
    const uint32_t from = g->n_axes ? 0 : w->sink + 1;
    if (fuse_uses_acc(f, w->value, g->sink + from, g->n_sinks - from)) return false;
    source_check c = {w, false};
    ex_walk(f->x, w->value, check_source, &c);
    if (c.stale) return false;
    w->n_from = 0;
    for (uint32_t d = 0; d < w->store->n; d++) {
        dim axis;
        if (!has_stage_axis(f, g, w->store->at[d])) continue;
        if (!fuse_is_axis(f, w->store->at[d], &axis)) return false;
        for (uint32_t i = 0; i < w->n_from; i++)
            if (w->from[i] == axis) return false;
        w->from[w->n_from] = axis;
        w->at[w->n_from++] = (uint8_t)d;
    }
    return w->n_from == g->n_axes;
}

static bool only_here(const fuser *f, uint32_t item, slot s)
{
    const slot_kind kind = f->p->slot.p[s].kind;
    const fuse_uses *u = &f->uses[s];
    if (kind != SLOT_TEMP && kind != SLOT_LOCAL) return false;
    for (uint32_t i = 0; i < u->use.n; i++)
        if (u->use.p[i].item != item) return false;
    return true;
}

static void forward_values(fuser *f, uint32_t item)
{
    nest *n = fuse_nest(f, item);
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            const sink *s = &n->stage[i].sink[k];
            bool reads, writes;
            if (!s->to || s->fold != FOLD_NONE || s->guard || s->in_order) continue;
            if (!fuse_touches(f, item, s->to, &reads, &writes) || !reads) continue;
            const sink store = *s;
            forward w = {.f = f, .nest = n, .stage = i, .sink = k, .store = &store};
            w.value = ex_round(f->x, f->p->slot.p[s->to].type, s->value);
            forward_in_stage(&w);
            w.same_point = false;
            if (!may_recompute(&w, only_here(f, item, store.to))) continue;
            for (uint32_t j = i + 1; j < n->n_stages; j++)
                for (uint32_t m = 0; m < n->stage[j].n_sinks; m++) rewrite_sink(&w, &n->stage[j].sink[m]);
        }
}

/* ---- dead sinks ---- */

typedef struct {
    fuser *f;
    const sink *sink;
    bool found;
} dead_search;

static void search_acc(void *ctx, ex *e)
{
    dead_search *s = ctx;
    s->found |= fuse_uses_acc(s->f, *e, s->sink, 1);
}

static bool acc_is_read(fuser *f, nest *n, const sink *k)
{
    dead_search s = {.f = f, .sink = k};
    for (uint32_t i = 0; i < n->n_stages; i++) fuse_each_stage(&n->stage[i], search_acc, &s);
    return s.found;
}

static bool store_is_read(const fuser *f, slot s)
{
    const slot_kind kind = f->p->slot.p[s].kind;
    if (kind != SLOT_TEMP && kind != SLOT_LOCAL) return true;
    const fuse_uses *u = &f->uses[s];
    for (uint32_t i = 0; i < u->use.n; i++)
        if (u->use.p[i].reads) return true;
    return false;
}

/* What may fail has to be computed, but not twice: another sink of the stage has the same value. */
static bool fails_elsewhere(const stage *g, const sink *s)
{
    for (uint32_t i = 0; i < g->n_sinks; i++)
        if (&g->sink[i] != s && g->sink[i].value == s->value && g->sink[i].guard == s->guard) return true;
    return false;
}

static bool drop_dead(fuser *f, uint32_t item)
{
    nest *n = fuse_nest(f, item);
    uint32_t stages = 0;
    bool dropped = false;
    for (uint32_t i = 0; i < n->n_stages; i++) {
        stage *g = &n->stage[i];
        for (uint32_t k = 0; k < g->n_sinks;) {
            const sink *s = &g->sink[k];
            const slot to = s->to;
            if ((ex_can_fail(f->x, s->value) && !fails_elsewhere(g, s)) || (to ? store_is_read(f, to) : acc_is_read(f, n, s))) {
                k++;
                continue;
            }
            memmove(&g->sink[k], &g->sink[k + 1], (g->n_sinks - k - 1) * sizeof *g->sink);
            g->n_sinks--;
            dropped = true;
        }
        if (g->n_sinks) n->stage[stages++] = *g;
    }
    n->n_stages = stages;
    return dropped;
}

bool fuse_tidy(fuser *f, uint32_t item)
{
    nest *n = fuse_nest(f, item);
    bool any = false;
    if (!fuse_plain(n)) return false;
    for (;;) {
        bool changed = f->o->merge_stages && fuse_merge_stages(f, n);
        if (f->o->merge_stages) forward_values(f, item);
        fuse_update(f, item);
        changed |= drop_dead(f, item);
        if (!changed) return any;
        any = true;
        if (!n->n_stages) {
            fuse_remove(f, item);
            return true;
        }
        fuse_update(f, item);
    }
}

/* ---- locals ---- */

typedef struct {
    fuser *f;
    nest *nest;
    slot slot;
    bool first_is_load, seen;
    ex fixed[MAX_RANK]; /* the index of every access, 0 when they differ */
} local_search;

static bool is_parallel(const local_search *s, ex e)
{
    dim d;
    if (!ex_is_dim(s->f->x, e, &d)) return false;
    for (uint32_t i = 0; i < s->nest->n_stages; i++)
        for (uint32_t k = 0; k < s->nest->stage[i].n_axes; k++)
            if (dim_has(s->f->t, d, s->nest->stage[i].axis[k])) return false;
    return true;
}

static void note_index(local_search *s, uint32_t n, const ex *idx)
{
    for (uint32_t d = 0; d < n; d++) {
        if (!s->seen) s->fixed[d] = is_parallel(s, idx[d]) ? idx[d] : 0;
        else if (s->fixed[d] != idx[d]) s->fixed[d] = 0;
    }
    s->seen = true;
}

static void note_load(void *ctx, ex e)
{
    local_search *s = ctx;
    const ex_node *n = ex_at(s->f->x, e);
    if (n->op != EX_LOAD || n->slot != s->slot) return;
    if (!s->seen) s->first_is_load = true;
    note_index(s, n->n, n->idx);
}

static void note_loads(void *ctx, ex *e)
{
    ex_walk(((local_search *)ctx)->f->x, *e, note_load, ctx);
}

static void search_local(local_search *s)
{
    for (uint32_t i = 0; i < s->nest->n_stages; i++)
        for (uint32_t k = 0; k < s->nest->stage[i].n_sinks; k++) {
            sink *z = &s->nest->stage[i].sink[k];
            fuse_each_sink(z, note_loads, s);
            if (z->to == s->slot) {
                if (z->guard && !s->seen) s->first_is_load = true; /* may stay unwritten */
                note_index(s, z->n, z->at);
            }
        }
}

typedef struct {
    fuser *f;
    slot slot;
    elem type;
    uint32_t n;
    uint8_t keep[MAX_RANK];
} narrowing;

static ex narrow_load(void *ctx, uint32_t n, const ex *idx)
{
    const narrowing *w = ctx;
    ex kept[MAX_RANK];
    (void)n;
    for (uint32_t i = 0; i < w->n; i++) kept[i] = idx[w->keep[i]];
    return ex_load(w->f->x, w->slot, w->type, w->n, kept);
}

static void make_local(fuser *f, nest *n, narrowing *w)
{
    slot_info *info = slot_at(f->p, w->slot);
    fuse_rewrite r = {f, w->slot, narrow_load, w};
    info->kind = SLOT_LOCAL;
    for (uint32_t i = 0; i < w->n; i++) info->extent[i] = info->extent[w->keep[i]];
    info->rank = (uint8_t)w->n;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            sink *z = &n->stage[i].sink[k];
            fuse_each_sink(z, fuse_rewrite_ex, &r);
            if (z->to != w->slot) continue;
            for (uint32_t d = 0; d < w->n; d++) z->at[d] = z->at[w->keep[d]];
            z->n = (uint8_t)w->n;
        }
}

static void localize(fuser *f, uint32_t item, slot s)
{
    nest *n = fuse_nest(f, item);
    const slot_info *info = slot_at(f->p, s);
    local_search search = {.f = f, .nest = n, .slot = s};
    search_local(&search);
    if (search.first_is_load) return;
    narrowing w = {.f = f, .slot = s, .type = info->type};
    double elems = 1;
    for (uint32_t d = 0; d < info->rank; d++) {
        if (search.fixed[d]) continue;
        w.keep[w.n++] = (uint8_t)d;
        elems *= (double)dim_range(f->t, info->extent[d]).hi;
    }
    if (elems <= FUSE_ROW_ELEMS) make_local(f, n, &w);
}

void fuse_locals(fuser *f)
{
    for (uint32_t i = 1; i < f->item.n; i++) {
        if (!fuse_nest(f, i) || !fuse_plain(fuse_nest(f, i))) continue;
        const fuse_item it = f->item.p[i];
        for (uint32_t k = 0; k < it.n_access; k++)
            if (it.access[k].writes && f->p->slot.p[it.access[k].slot].kind == SLOT_TEMP && only_here(f, i, it.access[k].slot))
                localize(f, i, it.access[k].slot);
    }
}
