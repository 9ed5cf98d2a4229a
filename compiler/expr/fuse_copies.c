/* fuse_copies.c - copies that need not be made.
 *
 * A copy of a whole slot into (a part of) another one disappears when the steps that write the first can store into the second instead and
 * its other readers can read there: concat in place, the interior of a pad, a transpose or reshape after a row step. And a slot that holds
 * nothing but copies of equal parts of another one is not needed: its readers read the other. Together they keep one buffer for a chain of
 * concats that each repeat the ones before (dense blocks). */
#include <string.h>

#include "expr/fuse_impl.h"

typedef struct {
    fuser *f;
    uint32_t item; /* the copy */
    nest *nest;
    sink *sink;
    slot from, to;
    ex load;
    uint32_t n_from;     /* rank of `from` */
    dim index[MAX_RANK]; /* stand for the indexes of an element of `from`: fresh axes, 0 where the extent is 1 */
    sink region;         /* where the copy puts that element */
} copy;

static bool find_copy(fuser *f, uint32_t item, copy *c)
{
    nest *n = fuse_nest(f, item);
    sink *k = n ? fuse_map_sink(n) : NULL;
    if (!k || ex_at(f->x, k->value)->op != EX_LOAD) return false;
    const slot from = ex_at(f->x, k->value)->slot;
    const slot_info *a = slot_at(f->p, from), *b = slot_at(f->p, k->to);
    if (a->type != b->type || from == k->to) return false;
    *c = (copy){.f = f, .item = item, .nest = n, .sink = k, .from = from, .to = k->to, .load = k->value, .n_from = a->rank};
    return true;
}

/* Where the copy puts the element at idx[]; false when it does not put every element somewhere. */
static bool copied_to(const copy *c, const ex *idx, ex *to)
{
    ex axis_value[NEST_AXES];
    if (!fuse_invert(c->f, c->nest, c->load, idx, axis_value)) return false;
    for (uint32_t d = 0; d < c->sink->n; d++) to[d] = ex_map_ex(c->f->x, c->sink->at[d], c->nest->n_axes, c->nest->axis, axis_value);
    return true;
}

static bool find_region(copy *c)
{
    fuser *f = c->f;
    ex idx[MAX_RANK];
    c->nest = fuse_copy_nest(f, c->nest); /* inverting splits axes, and nothing may come of it */
    c->sink = fuse_map_sink(c->nest);
    for (uint32_t d = 0; d < c->n_from; d++) {
        c->index[d] = dim_axis(f->t, slot_at(f->p, c->from)->extent[d]);
        idx[d] = ex_dim(f->x, c->index[d]);
    }
    c->region = (sink){.to = c->to, .n = c->sink->n};
    return copied_to(c, idx, c->region.at);
}

/* idx[] of `from` as indexes of `to`. */
static void follow(const copy *c, const ex *idx, ex *to)
{
    dim from[MAX_RANK];
    ex with[MAX_RANK];
    uint32_t n = 0;
    for (uint32_t d = 0; d < c->n_from; d++) {
        if (!dim_is_axis(c->f->t, c->index[d])) continue;
        from[n] = c->index[d];
        with[n++] = idx[d];
    }
    for (uint32_t d = 0; d < c->region.n; d++) to[d] = ex_map_ex(c->f->x, c->region.at[d], n, from, with);
}

static bool region_is_affine(const copy *c)
{
    for (uint32_t d = 0; d < c->region.n; d++)
        if (!fuse_affine(c->f, c->region.at[d])) return false;
    return true;
}

/* ---- the steps that write what is copied ---- */

/* Indexes that were affine stay so, that vectors stay vectors. */
static bool moves_well(const copy *c, const ex *at, uint32_t n, const ex *to)
{
    bool affine = true;
    for (uint32_t d = 0; d < n; d++) affine &= fuse_affine(c->f, at[d]);
    for (uint32_t d = 0; d < c->region.n && affine; d++)
        if (!fuse_affine(c->f, to[d])) return false;
    return true;
}

static bool nest_stores_there(const copy *c, nest *n, bool apply)
{
    if (!fuse_plain(n)) return false;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t j = 0; j < n->stage[i].n_sinks; j++) {
            sink *k = &n->stage[i].sink[j];
            ex to[MAX_RANK];
            if (k->to != c->from) continue;
            follow(c, k->at, to);
            if (!moves_well(c, k->at, k->n, to)) return false;
            if (!apply) continue;
            k->to = c->to;
            k->n = c->region.n;
            memcpy(k->at, to, sizeof to[0] * k->n);
        }
    return true;
}

static bool kernel_stores_there(const copy *c, kernel *k, bool apply)
{
    hook *h = fuse_out_hook(k);
    ex to[MAX_RANK];
    if (!h || h->to != c->from || (k->kind != K_MATMUL && k->kind != K_CONV)) return false;
    follow(c, h->at, to);
    if (!fuse_hook_stores_well(c->f, k, h, to, c->region.n)) return false;
    for (uint32_t i = 0; i < k->n_arg && apply; i++)
        if (k->arg[i].slot == c->from && k->arg[i].role == ARG_OUT) k->arg[i].slot = c->to;
    if (!apply) return true;
    h->to = c->to;
    h->n = c->region.n;
    memcpy(h->at, to, sizeof to[0] * h->n);
    return true;
}

static bool stores_there(const copy *c, uint32_t writer, bool apply)
{
    fuser *f = c->f;
    bool reads, writes;
    if (fuse_nest(f, writer)) return nest_stores_there(c, fuse_nest(f, writer), apply) && (apply || !fuse_touches(f, writer, c->to, &reads, &writes) || !reads);
    if (!fuse_kernel(f, writer)) return false;
    return kernel_stores_there(c, fuse_kernel(f, writer), apply) && (apply || !fuse_touches(f, writer, c->to, &reads, &writes));
}

/* ---- its other readers ---- */

static ex load_there(void *ctx, uint32_t n, const ex *idx)
{
    const copy *c = ctx;
    ex to[MAX_RANK];
    (void)n;
    follow(c, idx, to);
    return ex_load(c->f->x, c->to, c->f->p->slot.p[c->to].type, c->region.n, to);
}

/* Can the item read `to` where it reads `from`? Everything that loads through expressions can; arguments of kernels are whole slots. */
static bool reads_there(const copy *c, uint32_t reader)
{
    fuser *f = c->f;
    bool reads, writes;
    const kernel *k = fuse_kernel(f, reader);
    if (!fuse_nest(f, reader) && !k) return false;
    for (uint32_t i = 0; k && i < k->n_arg; i++)
        if (k->arg[i].slot == c->from && (k->kind != K_MATMUL || k->arg[i].role != ARG_IN)) return false;
    return !fuse_touches(f, reader, c->to, &reads, &writes) || !writes;
}

static void read_there(copy *c, uint32_t reader)
{
    fuser *f = c->f;
    step *s = f->item.p[reader].step;
    fuse_rewrite r = {f, c->from, load_there, c};
    fuse_each(s, fuse_rewrite_ex, &r);
    if (s->kernel) fuse_rename_arg(s->kernel, c->from, c->to);
    fuse_update(f, reader);
}

/* ---- a whole slot into a part of another ---- */

static bool may_redirect(copy *c)
{
    fuser *f = c->f;
    const block *b = f->item.p[c->item].block;
    const fuse_uses *u = &f->uses[c->from];
    uint32_t first = c->item, last = 0;
    if (slot_at(f->p, c->from)->kind != SLOT_TEMP || !find_region(c)) return false;
    for (uint32_t i = 0; i < u->use.n; i++) {
        const fuse_use *w = &u->use.p[i];
        if (!w->writes) continue;
        if (w->reads || w->item >= c->item || f->item.p[w->item].block != b || !stores_there(c, w->item, false)) return false;
        if (w->item < first) first = w->item;
        if (w->item > last) last = w->item;
    }
    if (!last || !fuse_can_store_at(f, c->item, &c->region, first)) return false;
    for (uint32_t i = 0; i < u->use.n; i++) {
        const fuse_use *r = &u->use.p[i];
        if (!r->reads || r->item == c->item) continue;
        const uint32_t reach = fuse_reach(f, r->item, b);
        if (r->item < last || !reach || !region_is_affine(c) || !reads_there(c, r->item)) return false;
        if (fuse_overwritten(f, &c->region, first, reach, c->item)) return false;
    }
    return true;
}

static void redirect(copy *c)
{
    fuser *f = c->f;
    const char *what = f->item.p[c->item].step->what;
    fuse_remove(f, c->item);
    while (f->uses[c->from].use.n) {
        const fuse_use u = f->uses[c->from].use.p[0];
        step *s = f->item.p[u.item].step;
        if (!u.writes) {
            read_there(c, u.item);
            continue;
        }
        stores_there(c, u.item, true);
        s->what = fuse_what(f, s->what, what);
        fuse_update(f, u.item);
    }
    slot_at(f->p, c->from)->kind = SLOT_DEAD;
}

/* Of several copies of a slot the one into the largest slot, the last of equal ones: it may make the others needless. */
static bool redirect_slot(fuser *f, slot s)
{
    const fuse_uses *u = &f->uses[s];
    copy best = {0};
    double most = -1;
    for (uint32_t i = 0; i < u->use.n; i++) {
        copy c;
        if (!u->use.p[i].reads || !find_copy(f, u->use.p[i].item, &c) || c.from != s) continue;
        const double elems = fuse_elems(f, c.to);
        if (elems < most || (elems == most && c.item < best.item) || !may_redirect(&c)) continue;
        best = c;
        most = elems;
    }
    if (most < 0) return false;
    redirect(&best);
    return true;
}

/* ---- a slot of nothing but copies ---- */

/* The element of c->from that the copy puts at index[] of c->to, from one copy that stores with one axis in every dimension but those of
 * extent 1. The roles of the fields: `from` is the slot that goes, `to` the one to read instead. */
static bool find_source(fuser *f, const copy *k, copy *out)
{
    dim from[MAX_RANK];
    ex with[MAX_RANK];
    uint32_t n = 0;
    *out = (copy){.f = f, .item = k->item, .from = k->to, .to = k->from, .n_from = k->sink->n};
    for (uint32_t d = 0; d < k->sink->n; d++) {
        dim at, coef, rest, axis = 0;
        out->index[d] = dim_axis(f->t, slot_at(f->p, k->to)->extent[d]);
        if (!ex_is_dim(f->x, k->sink->at[d], &at)) return false;
        for (uint32_t i = 0; i < k->nest->n_axes; i++)
            if (dim_has(f->t, at, k->nest->axis[i])) axis = k->nest->axis[i];
        if (!axis) continue;
        if (!dim_affine(f->t, at, axis, &coef, &rest) || !dim_is(f->t, coef, 1) || dim_has_axis(f->t, rest)) return false;
        from[n] = axis;
        with[n++] = ex_dim(f->x, dim_sub(f->t, out->index[d], rest));
    }
    const ex_node *load = ex_at(f->x, k->load);
    out->region = (sink){.to = k->from, .n = load->n};
    if (n != k->nest->n_axes) return false;
    for (uint32_t d = 0; d < load->n; d++) out->region.at[d] = ex_map_ex(f->x, load->idx[d], n, from, with);
    return region_is_affine(out);
}

/* Does the copy k follow the same map? */
static bool follows(const copy *map, const copy *k)
{
    ex to[MAX_RANK];
    const ex_node *load = ex_at(k->f->x, k->load);
    if (k->from != map->to) return false;
    follow(map, k->sink->at, to);
    return !load->n || !memcmp(to, load->idx, load->n * sizeof *to);
}

static bool skip_copies(fuser *f, slot s)
{
    const fuse_uses *u = &f->uses[s];
    copy map = {0}, k;
    uint32_t first = UINT32_MAX, last = 0;
    if (slot_at(f->p, s)->kind != SLOT_TEMP) return false;
    for (uint32_t i = 0; i < u->use.n; i++) {
        const fuse_use *w = &u->use.p[i];
        if (!w->writes) continue;
        if (w->reads || !find_copy(f, w->item, &k) || k.to != s || (!map.f && !find_source(f, &k, &map)) || !follows(&map, &k)) return false;
        if (f->item.p[w->item].block != f->item.p[map.item].block) return false;
        if (w->item < first) first = w->item;
        if (w->item > last) last = w->item;
    }
    if (!map.f) return false;
    const block *b = f->item.p[map.item].block;
    bool read = false;
    for (uint32_t i = 0; i < u->use.n; i++) {
        const fuse_use *r = &u->use.p[i];
        if (!r->reads) continue;
        const uint32_t reach = fuse_reach(f, r->item, b);
        read = true;
        if (r->item < last || !reach || !reads_there(&map, r->item)) return false;
        if (slot_at(f->p, map.to)->kind != SLOT_CONST && fuse_overwritten(f, &map.region, first, reach, 0)) return false;
    }
    if (!read) return false;
    while (f->uses[s].use.n) {
        const fuse_use w = f->uses[s].use.p[0];
        if (w.writes) fuse_remove(f, w.item);
        else read_there(&map, w.item);
    }
    slot_at(f->p, s)->kind = SLOT_DEAD;
    return true;
}

bool fuse_copies(fuser *f)
{
    bool changed = false;
    for (slot s = 1; s < f->p->slot.n; s++) changed |= redirect_slot(f, s);
    for (slot s = 1; s < f->p->slot.n; s++) changed |= skip_copies(f, s);
    return changed;
}
