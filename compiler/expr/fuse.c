/* fuse.c - the fusion pass: driver, the line of items, use lists, and what may be moved over what.
 *
 * In: a program of blocks of steps with logical indexes, as lowering makes it. Out: the same meaning in fewer steps. Rules in the order of
 * the driver below; they repeat until nothing changes, since one opens the way for another. All questions about other steps go through
 * lists from slot to the items that touch it, which are kept up to date, so the cost is proportional to what is merged. */
#include <string.h>

#include "expr/fuse_impl.h"

/* ---- use lists ---- */

static bool is_listed(const fuser *f, slot s)
{
    const slot_kind k = f->p->slot.p[s].kind;
    return k != SLOT_INPUT && k != SLOT_CONST;
}

typedef struct {
    fuser *f;
    VEC(fuse_access) list;
} collector;

static void note(collector *c, slot s, bool reads, bool writes)
{
    fuser *f = c->f;
    if (!s) return;
    if (f->mark[s] != f->generation) {
        f->mark[s] = f->generation;
        f->mark_at[s] = c->list.n;
        VEC_PUSH(f->mem, c->list, ((fuse_access){.slot = s}));
    }
    fuse_access *a = &c->list.p[f->mark_at[s]];
    a->reads |= reads;
    a->writes |= writes;
}

static void note_access(void *ctx, slot s, bool written)
{
    note(ctx, s, !written, written);
}

/* A control step alone, without what its blocks do. */
static void note_control(collector *c, const control *k, step_kind kind, bool turn)
{
    note(c, k->cond, true, false);
    if (kind != STEP_LOOP) return;
    note(c, k->trip, true, false);
    for (uint32_t i = 0; i < k->n_carried; i++) {
        note(c, k->state[i], true, true);
        note(c, k->next[i], turn, false);
    }
    if (turn) note(c, k->cond_next, true, false);
}

static void list_remove(fuser *f, uint32_t item)
{
    const fuse_item *it = &f->item.p[item];
    for (uint32_t i = 0; i < it->n_access; i++) {
        fuse_uses *u = &f->uses[it->access[i].slot];
        for (uint32_t k = u->use.n; k-- > 0;)
            if (u->use.p[k].item == item) u->use.p[k] = u->use.p[--u->use.n];
    }
}

void fuse_update(fuser *f, uint32_t item)
{
    list_remove(f, item);
    fuse_item *it = &f->item.p[item];
    collector c = {.f = f};
    f->generation++;
    if (it->step && it->step->control) note_control(&c, it->step->control, it->step->kind, it->turn);
    else if (it->step) step_access(f->p, it->step, note_access, &c);
    it->access = c.list.p;
    it->n_access = c.list.n;
    for (uint32_t i = 0; i < it->n_access; i++) {
        const fuse_access *a = &it->access[i];
        if (is_listed(f, a->slot)) VEC_PUSH(f->mem, f->uses[a->slot].use, ((fuse_use){item, a->reads, a->writes}));
    }
    if (fuse_nest(f, item)) it->step->nest->can_fail = nest_can_fail(f->p, it->step->nest);
}

void fuse_remove(fuser *f, uint32_t item)
{
    list_remove(f, item);
    fuse_item *it = &f->item.p[item];
    it->step = NULL;
    it->n_access = 0;
}

static bool touches_strings(const fuser *f, uint32_t item)
{
    const fuse_item *it = &f->item.p[item];
    for (uint32_t i = 0; i < it->n_access; i++)
        if (f->p->slot.p[it->access[i].slot].type == ELEM_STRING) return true;
    return false;
}

bool fuse_same_side(const fuser *f, uint32_t a, uint32_t b)
{
    return !f->o->strings_apart || touches_strings(f, a) == touches_strings(f, b);
}

uint32_t fuse_writer(const fuser *f, slot s)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < f->uses[s].use.n; i++) {
        if (!f->uses[s].use.p[i].writes) continue;
        if (found) return 0;
        found = f->uses[s].use.p[i].item;
    }
    return found;
}

uint32_t fuse_reader(const fuser *f, slot s)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < f->uses[s].use.n; i++) {
        if (!f->uses[s].use.p[i].reads) continue;
        if (found) return 0;
        found = f->uses[s].use.p[i].item;
    }
    return found;
}

bool fuse_touches(const fuser *f, uint32_t item, slot s, bool *reads, bool *writes)
{
    const fuse_item *it = &f->item.p[item];
    for (uint32_t i = 0; i < it->n_access; i++) {
        if (it->access[i].slot != s) continue;
        *reads = it->access[i].reads;
        *writes = it->access[i].writes;
        return true;
    }
    *reads = *writes = false;
    return false;
}

bool fuse_written(const fuser *f, slot s, uint32_t after, uint32_t until)
{
    for (uint32_t i = 0; i < f->uses[s].use.n; i++) {
        const fuse_use *u = &f->uses[s].use.p[i];
        if (u->writes && u->item > after && u->item <= until) return true;
    }
    return false;
}

uint32_t fuse_reach(const fuser *f, uint32_t reader, const block *b)
{
    uint32_t reach = reader;
    for (uint32_t i = reader; i; i = f->item.p[i].parent) {
        reach = f->item.p[i].last;
        if (f->item.p[i].block == b) return i == reader ? reader : reach;
    }
    return 0;
}

/* Is the part p[0..n) one of the parts of `list`, which " + " separates? */
static bool has_part(const char *list, const char *p, size_t n)
{
    for (const char *at = list; at;) {
        const char *end = strstr(at, " + ");
        const size_t len = end ? (size_t)(end - at) : strlen(at);
        if (len == n && !memcmp(at, p, n)) return true;
        at = end ? end + 3 : NULL;
    }
    return false;
}

const char *fuse_what(fuser *f, const char *a, const char *b)
{
    enum { LONGEST = 240 };
    text out = {.mem = f->mem};
    text_add(&out, a);
    for (const char *at = b; at && *at;) {
        const char *end = strstr(at, " + ");
        const size_t len = end ? (size_t)(end - at) : strlen(at);
        if (out.n + len > LONGEST) {
            if (!has_part(out.p, "...", 3)) text_add(&out, " + ...");
            break;
        }
        if (!out.n || !has_part(out.p, at, len)) {
            if (out.n) text_add(&out, " + ");
            text_addn(&out, at, len);
        }
        at = end ? end + 3 : NULL;
    }
    return out.p ? out.p : "";
}

/* ---- order ---- */

/* Smallest and largest value of an index over all points of the nest, as dims without axes. */
static bool index_bounds(const fuser *f, ex e, dim *lo, dim *hi)
{
    if (!ex_is_dim(f->x, e, lo)) return false;
    *hi = *lo;
    while (dim_has_axis(f->t, *lo)) {
        const dim_term *term;
        uint32_t n;
        dim axis = 0, coef, rest;
        dim_poly(f->t, *lo, &term, &n);
        for (uint32_t i = 0; i < n && !axis; i++)
            for (uint32_t k = 0; k < term[i].n_atoms && !axis; k++)
                if (dim_is_axis(f->t, term[i].atom[k])) axis = term[i].atom[k];
        if (!axis || !dim_affine(f->t, *lo, axis, &coef, &rest) || dim_has_axis(f->t, coef) || !dim_ge0(f->t, coef)) return false;
        *lo = rest;
        const dim top = dim_addc(f->t, dim_extent(f->t, axis), -1);
        *hi = dim_subst(f->t, *hi, 1, &axis, &top);
    }
    return true;
}

static bool stores_apart(const fuser *f, const sink *a, const sink *b)
{
    for (uint32_t d = 0; d < a->n && d < b->n; d++) {
        dim alo, ahi, blo, bhi;
        if (!index_bounds(f, a->at[d], &alo, &ahi) || !index_bounds(f, b->at[d], &blo, &bhi)) continue;
        if (dim_lt(f->t, ahi, blo) || dim_lt(f->t, bhi, alo)) return true;
    }
    return false;
}

typedef struct {
    const fuser *f;
    const sink *store;
    bool apart;
} overlap;

static void check_load(void *ctx, ex e)
{
    overlap *o = ctx;
    const ex_node *n = ex_at(o->f->x, e);
    if (n->op != EX_LOAD || n->slot != o->store->to) return;
    sink read = {.to = n->slot, .n = n->n};
    for (uint32_t d = 0; d < n->n; d++) read.at[d] = n->idx[d];
    o->apart &= stores_apart(o->f, o->store, &read);
}

static void check_loads(void *ctx, ex *e)
{
    ex_walk(((overlap *)ctx)->f->x, *e, check_load, ctx);
}

/* Does every load and store of k's slot by the step at `other` go elsewhere? Arguments of kernels are whole slots. */
static bool apart_from(const fuser *f, const sink *k, uint32_t other)
{
    const fuse_item *it = &f->item.p[other];
    overlap o = {f, k, true};
    if (!it->step || it->step->control) return false;
    const nest *n = it->step->nest;
    for (uint32_t i = 0; n && i < n->n_stages; i++)
        for (uint32_t j = 0; j < n->stage[i].n_sinks; j++)
            if (n->stage[i].sink[j].to == k->to && !stores_apart(f, k, &n->stage[i].sink[j])) return false;
    const kernel *u = it->step->kernel;
    for (uint32_t i = 0; u && i < u->n_hook; i++) {
        const hook *h = &u->hook[i];
        sink out = {.to = h->to, .n = h->n};
        memcpy(out.at, h->at, sizeof out.at);
        if (h->to == k->to && !stores_apart(f, k, &out)) return false;
    }
    for (uint32_t i = 0; u && i < u->n_arg; i++)
        if (u->arg[i].slot == k->to && !(u->kind != K_TEMPLATE && u->arg[i].role == ARG_OUT) &&
            !(u->kind == K_MATMUL && u->arg[i].role == ARG_IN))
            return false;
    fuse_each(it->step, check_loads, &o);
    return o.apart;
}

static bool nest_apart_from(const fuser *f, uint32_t item, slot s, uint32_t other)
{
    const nest *n = fuse_nest(f, item);
    if (!n) return false;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t j = 0; j < n->stage[i].n_sinks; j++)
            if (n->stage[i].sink[j].to == s && !apart_from(f, &n->stage[i].sink[j], other)) return false;
    return true;
}

static bool can_fail(const fuser *f, uint32_t item)
{
    const nest *n = fuse_nest(f, item);
    return n && n->can_fail;
}

static bool writes_result(const fuser *f, uint32_t item)
{
    const fuse_item *it = &f->item.p[item];
    for (uint32_t i = 0; i < it->n_access; i++) {
        const slot_kind k = f->p->slot.p[it->access[i].slot].kind;
        if (it->access[i].writes && (k == SLOT_OUTPUT || k == SLOT_STATE)) return true;
    }
    return false;
}

/* A step that fails does so before or after the same results are written as without the move. */
static bool keeps_failures(const fuser *f, uint32_t item, uint32_t lo, uint32_t hi)
{
    const bool fails = can_fail(f, item), result = writes_result(f, item);
    for (uint32_t i = lo + 1; (fails || result) && i < hi; i++)
        if ((fails && writes_result(f, i)) || (result && can_fail(f, i))) return false;
    return true;
}

/* What moves up must not pass the step that makes a symbol known, or one that may end the run. */
static bool passes_bind(const fuser *f, uint32_t lo, uint32_t hi)
{
    for (uint32_t i = 0; i < f->bind.n; i++)
        if (f->bind.p[i] > lo && f->bind.p[i] < hi) return true;
    return false;
}

bool fuse_can_move(fuser *f, uint32_t item, uint32_t to)
{
    const fuse_item *it = &f->item.p[item];
    const uint32_t lo = item < to ? it->last : to, hi = item < to ? to : item;
    if (it->block != f->item.p[to].block || (to < item && passes_bind(f, lo, hi))) return false;
    for (uint32_t i = 0; i < it->n_access; i++) {
        const fuse_access *a = &it->access[i];
        const fuse_uses *u = &f->uses[a->slot];
        for (uint32_t k = 0; k < u->use.n; k++) {
            const fuse_use *other = &u->use.p[k];
            if (other->item <= lo || other->item >= hi || other->item == item) continue;
            if (other->writes && a->reads) return false;
            if (!a->writes) continue;
            if (other->reads || !nest_apart_from(f, item, a->slot, other->item)) return false;
        }
    }
    return keeps_failures(f, item, lo, hi);
}

bool fuse_can_store_at(fuser *f, uint32_t item, const sink *k, uint32_t to)
{
    const fuse_uses *u = &f->uses[k->to];
    if (passes_bind(f, to, item)) return false;
    for (uint32_t i = 0; i < u->use.n; i++) {
        const uint32_t other = u->use.p[i].item;
        if (other >= to && other < item && !apart_from(f, k, other)) return false;
    }
    return keeps_failures(f, item, to, item);
}

bool fuse_overwritten(fuser *f, const sink *k, uint32_t after, uint32_t until, uint32_t except)
{
    const fuse_uses *u = &f->uses[k->to];
    for (uint32_t i = 0; i < u->use.n; i++) {
        const fuse_use *other = &u->use.p[i];
        if (other->writes && other->item > after && other->item <= until && other->item != except && !apart_from(f, k, other->item)) return true;
    }
    return false;
}

/* ---- sizes ---- */

static int64_t nominal(void *ctx, dim symbol)
{
    enum { UNBOUNDED = 128 };
    const interval r = dim_range(((fuser *)ctx)->t, symbol);
    if (r.hi < (int64_t)1 << 40) return r.hi;
    return r.lo > UNBOUNDED ? r.lo : UNBOUNDED;
}

int64_t fuse_estimate(fuser *f, dim d)
{
    return dim_eval(f->t, d, nominal, f);
}

double fuse_elems(fuser *f, slot s)
{
    const slot_info *info = slot_at(f->p, s);
    double n = 1;
    for (uint32_t i = 0; i < info->rank; i++) n *= (double)fuse_estimate(f, info->extent[i]);
    return n;
}

double fuse_iterations(fuser *f, const nest *n, const stage *g)
{
    double count = 1;
    for (uint32_t i = 0; i < n->n_axes; i++) count *= (double)fuse_estimate(f, dim_extent(f->t, n->axis[i]));
    for (uint32_t i = 0; g && i < g->n_axes; i++) count *= (double)fuse_estimate(f, dim_extent(f->t, g->axis[i]));
    return count;
}

/* ---- the pass ---- */

static uint32_t add_item(fuser *f, step *s, block *b, uint32_t parent, bool turn)
{
    VEC_PUSH(f->mem, f->item, ((fuse_item){.step = s, .block = b, .parent = parent, .turn = turn}));
    return f->item.n - 1;
}

static void add_block(fuser *f, block *b, uint32_t parent)
{
    for (uint32_t i = 0; b && i < b->steps.n; i++) {
        step *s = b->steps.p[i];
        const uint32_t item = add_item(f, s, b, parent, false);
        if (s->control && s->kind != STEP_BIND) {
            add_block(f, s->control->then, item);
            add_block(f, s->control->otherwise, item);
            if (s->kind == STEP_LOOP) add_item(f, s, s->control->then, item, true);
        }
        f->item.p[item].last = f->item.n - 1;
    }
}

/* Blocks get the steps that are left, in order. */
static void rebuild_blocks(fuser *f)
{
    for (uint32_t i = 1; i < f->item.n; i++) f->item.p[i].block->steps.n = 0;
    for (uint32_t i = 1; i < f->item.n; i++) {
        const fuse_item *it = &f->item.p[i];
        if (it->step && !it->turn) VEC_PUSH(f->mem, it->block->steps, it->step);
    }
}

/* What no step touches any more is gone. */
static void drop_slots(fuser *f)
{
    for (slot s = 1; s < f->p->slot.n; s++) {
        slot_info *info = slot_at(f->p, s);
        if ((info->kind == SLOT_TEMP || info->kind == SLOT_LOCAL) && !f->uses[s].use.n) info->kind = SLOT_DEAD;
    }
}

/* Nobody reads what the kernel writes. */
static bool is_dead_kernel(const fuser *f, uint32_t item)
{
    const fuse_item *it = &f->item.p[item];
    for (uint32_t i = 0; i < it->n_access; i++) {
        const slot s = it->access[i].slot;
        if (!it->access[i].writes) continue;
        if (f->p->slot.p[s].kind != SLOT_TEMP) return false;
        for (uint32_t k = 0; k < f->uses[s].use.n; k++)
            if (f->uses[s].use.p[k].reads && f->uses[s].use.p[k].item != item) return false;
    }
    return true;
}

/* Backwards, so that what only dead steps read is dead too. */
static bool tidy_all(fuser *f)
{
    bool changed = false;
    for (uint32_t i = f->item.n; i-- > 1;) {
        if (fuse_nest(f, i)) changed |= fuse_tidy(f, i);
        if (!fuse_kernel(f, i) || !is_dead_kernel(f, i)) continue;
        fuse_remove(f, i);
        changed = true;
    }
    return changed;
}

void fuse(program *p, const fuse_options *o)
{
    enum { ROUNDS = 6 };
    fuser f = {.p = p, .x = p->ex, .t = p->dims, .mem = p->mem, .o = o};
    f.uses = ARENA_ARRAY(p->mem, fuse_uses, p->slot.n);
    f.mark = ARENA_ARRAY(p->mem, uint32_t, p->slot.n);
    f.mark_at = ARENA_ARRAY(p->mem, uint32_t, p->slot.n);
    VEC_PUSH(f.mem, f.item, (fuse_item){0});
    add_block(&f, &p->main, 0);
    fuse_literals(&f);
    for (uint32_t i = 1; i < f.item.n; i++) {
        if (f.item.p[i].turn) f.item.p[i].last = i;
        if (f.item.p[i].step->kind == STEP_BIND || f.item.p[i].step->kind == STEP_CHECK) VEC_PUSH(f.mem, f.bind, i);
        fuse_update(&f, i);
    }
    bool changed = true;
    for (uint32_t round = 0; changed && round < ROUNDS; round++) {
        changed = tidy_all(&f);
        /* A kernel's bias and residual first, before they disappear into several readers of their sum. */
        if (o->epilogues) changed |= fuse_epilogues(&f, false);
        if (o->inline_maps) changed |= fuse_inline(&f);
        if (o->inline_maps) changed |= fuse_copies(&f);
        if (o->epilogues) changed |= fuse_epilogues(&f, true);
        if (o->merge_rows) changed |= fuse_rows(&f);
    }
    fuse_locals(&f);
    if (o->reciprocals) fuse_reciprocals(&f);
    drop_slots(&f);
    fuse_constants(&f);
    rebuild_blocks(&f);
}
