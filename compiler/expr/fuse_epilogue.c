/* fuse_epilogue.c - rule 7: a map over exactly the elements that a kernel makes becomes the kernel's epilogue, its hook OUT: the load of the
 * kernel's output becomes the value that the kernel hands over, and the kernel stores where the map did (also at an offset or in another
 * order, where vectors of the kernel's last axis stay vectors). The kernel moves to the place of the map, where all its operands are known. */
#include <string.h>

#include "expr/fuse_impl.h"

typedef struct {
    fuser *f;
    uint32_t kernel_item, map_item;
    kernel *kernel;
    hook *hook;
    nest *map;
    sink *sink;
    slot slot; /* from the kernel to the map */
    ex load;
} epilogue;

hook *fuse_out_hook(kernel *k)
{
    for (uint32_t i = 0; i < k->n_hook; i++)
        if (k->hook[i].to && !strcmp(k->hook[i].name, "OUT")) return &k->hook[i];
    return NULL;
}

static uint32_t loads_in_hooks(fuser *f, const kernel *k, slot s)
{
    fuse_loads l = {0};
    for (uint32_t i = 0; i < k->n_hook; i++) fuse_loads_of_ex(f, k->hook[i].value, s, &l);
    return l.load.n;
}

static bool find_epilogue(fuser *f, uint32_t item, epilogue *e)
{
    kernel *k = fuse_kernel(f, item);
    hook *h = k ? fuse_out_hook(k) : NULL;
    if (!h || (k->kind != K_MATMUL && k->kind != K_CONV)) return false;
    if (f->p->slot.p[h->to].kind != SLOT_TEMP || fuse_writer(f, h->to) != item) return false;
    const uint32_t reader = fuse_reader(f, h->to);
    nest *n = reader > item ? fuse_nest(f, reader) : NULL;
    sink *s = n ? fuse_map_sink(n) : NULL;
    if (!s || n->can_fail || f->item.p[reader].block != f->item.p[item].block || !fuse_same_side(f, item, reader)) return false;
    const fuse_loads l = fuse_loads_of_nest(f, n, h->to);
    fuse_loads in_value = {0};
    fuse_loads_of_ex(f, s->value, h->to, &in_value);
    if (l.load.n != 1 || in_value.load.n != 1 || loads_in_hooks(f, k, h->to)) return false;
    *e = (epilogue){f, item, reader, k, h, n, s, h->to, l.load.p[0]};
    return true;
}

/* ---- legality ---- */

static bool touches_kernel(const epilogue *e, slot s)
{
    bool reads, writes;
    return fuse_touches(e->f, e->kernel_item, s, &reads, &writes);
}

static bool is_legal(const epilogue *e)
{
    fuser *f = e->f;
    const fuse_item *map = &f->item.p[e->map_item];
    if (touches_kernel(e, e->sink->to)) return false;
    for (uint32_t i = 0; i < map->n_access; i++) {
        const fuse_access *a = &map->access[i];
        bool reads, writes;
        if (a->writes && a->reads) return false;
        if (a->slot != e->slot && fuse_touches(f, e->kernel_item, a->slot, &reads, &writes) && writes) return false;
    }
    return fuse_can_move(f, e->kernel_item, e->map_item);
}

/* ---- profitability ---- */

/* Another kernel that ends later and could take this map: the residual sum of two branches goes to the second one. */
static bool later_kernel_takes_it(const epilogue *e)
{
    fuser *f = e->f;
    const fuse_item *map = &f->item.p[e->map_item];
    for (uint32_t i = 0; i < map->n_access; i++) {
        const fuse_access *a = &map->access[i];
        const uint32_t w = a->reads && a->slot != e->slot ? fuse_writer(f, a->slot) : 0;
        epilogue other;
        if (w > e->kernel_item && w < e->map_item && find_epilogue(f, w, &other) && other.map_item == e->map_item && is_legal(&other)) return true;
    }
    return false;
}

static bool runs_along(const fuser *f, ex at, dim axis)
{
    dim d, coef, rest;
    return ex_is_dim(f->x, at, &d) && dim_affine(f->t, d, axis, &coef, &rest) && dim_is(f->t, coef, 1);
}

/* Vectors of the kernel must stay vectors: matmul's run along its last axis; conv's along channels or the last spatial axis, as layout
 * decides, so its order of dimensions has to stay. */
bool fuse_hook_stores_well(const fuser *f, const kernel *k, const hook *h, const ex *at, uint32_t n)
{
    const dim last = h->n_axes ? h->axis[h->n_axes - 1] : 0;
    const bool lanes = last && dim_is_axis(f->t, last);
    if (k->kind == K_MATMUL) {
        for (uint32_t d = 0; d < n; d++) {
            dim i;
            if (!ex_is_dim(f->x, at[d], &i)) return false;
            if (lanes && dim_has(f->t, i, last) && !fuse_affine(f, at[d])) return false;
        }
        return !lanes || !n || runs_along(f, at[n - 1], last);
    }
    if (n != h->n_axes) return false;
    for (uint32_t d = 0; d < n; d++)
        if (dim_is_axis(f->t, h->axis[d]) ? !runs_along(f, at[d], h->axis[d]) : !fuse_affine(f, at[d])) return false;
    return true;
}

/* ---- doing it ---- */

static ex handed_over(void *ctx, uint32_t n, const ex *idx)
{
    (void)n;
    (void)idx;
    return *(const ex *)ctx;
}

/* The map's value over the kernel's axes, and where it stores. */
static bool translate(epilogue *e, ex *result, ex *at)
{
    fuser *f = e->f;
    ex axis[NEST_AXES];
    e->map = fuse_copy_nest(f, e->map); /* inverting splits axes, and nothing may come of it */
    e->sink = fuse_map_sink(e->map);
    if (!fuse_invert(f, e->map, e->load, e->hook->at, axis)) return false;
    for (uint32_t d = 0; d < e->sink->n; d++) at[d] = ex_map_ex(f->x, e->sink->at[d], e->map->n_axes, e->map->axis, axis);
    *result = ex_map_ex(f->x, e->sink->value, e->map->n_axes, e->map->axis, axis);
    ex inner = ex_round(f->x, f->p->slot.p[e->slot].type, e->hook->value);
    fuse_rewrite r = {f, e->slot, handed_over, &inner};
    fuse_rewrite_ex(&r, result);
    return true;
}

static bool fuse_one(fuser *f, uint32_t item, bool movement)
{
    epilogue e;
    ex result, at[MAX_RANK];
    if (!find_epilogue(f, item, &e) || !is_legal(&e) || later_kernel_takes_it(&e)) return false;
    if (!movement && ex_at(f->x, e.sink->value)->op == EX_LOAD) return false;
    step *s = f->item.p[item].step, *map = f->item.p[e.map_item].step;
    if (!fuse_fits(f, s, e.sink->value, 1) || !translate(&e, &result, at) || !fuse_hook_stores_well(f, e.kernel, e.hook, at, e.sink->n)) return false;

    for (uint32_t i = 0; i < e.kernel->n_arg; i++)
        if (e.kernel->arg[i].slot == e.slot) e.kernel->arg[i].slot = e.sink->to;
    e.hook->value = result;
    e.hook->to = e.sink->to;
    e.hook->n = e.sink->n;
    memcpy(e.hook->at, at, sizeof at[0] * e.sink->n);
    s->what = fuse_what(f, s->what, map->what);
    fuse_remove(f, item);
    f->item.p[e.map_item].step = s;
    fuse_update(f, e.map_item);
    slot_at(f->p, e.slot)->kind = SLOT_DEAD;
    return true;
}

/* ---- arithmetic before movement ---- */

typedef struct {
    fuser *f;
    slot slot;
    bool others;
} leaf_check;

static void check_leaf(void *ctx, ex e)
{
    leaf_check *c = ctx;
    const ex_node *n = ex_at(c->f->x, e);
    c->others |= (n->op == EX_LOAD && n->slot != c->slot) || n->op == EX_DIM || n->op == EX_ACC || n->op == EX_INDEX;
}

/* Is the value a function of the load alone? Its indexes do not count. */
static bool is_function_of(fuser *f, ex value_ex, ex load)
{
    leaf_check c = {f, ex_at(f->x, load)->slot, false};
    ex stand_in = ex_load(f->x, c.slot, (elem)ex_at(f->x, load)->elem, 0, NULL);
    fuse_rewrite r = {f, c.slot, handed_over, &stand_in};
    fuse_rewrite_ex(&r, &value_ex);
    ex_walk(f->x, value_ex, check_leaf, &c);
    return !c.others;
}

/* A map that computes and moves between a kernel and a matmul's operand (scaled and transposed heads of attention): the kernel takes the
 * arithmetic, so that what is left moves only and disappears into the operand. */
static bool fuse_before_movement(fuser *f, uint32_t item)
{
    epilogue e;
    if (!find_epilogue(f, item, &e) || e.sink->value == e.load) return false;
    const uint32_t reader = fuse_reader(f, e.sink->to);
    const kernel *next = reader > e.map_item ? fuse_kernel(f, reader) : NULL;
    const slot_info *from = slot_at(f->p, e.slot), *to = slot_at(f->p, e.sink->to);
    if (!next || next->kind != K_MATMUL || to->kind != SLOT_TEMP || from->type != to->type || !is_function_of(f, e.sink->value, e.load)) return false;
    step *s = f->item.p[item].step, *map = f->item.p[e.map_item].step;
    if (!fuse_fits(f, s, e.sink->value, 1)) return false;
    ex inner = ex_round(f->x, from->type, e.hook->value), result = e.sink->value;
    fuse_rewrite r = {f, e.slot, handed_over, &inner};
    fuse_rewrite_ex(&r, &result);
    e.hook->value = result;
    e.sink->value = e.load;
    s->what = fuse_what(f, s->what, map->what);
    fuse_update(f, item);
    fuse_update(f, e.map_item);
    return true;
}

bool fuse_into_kernel(fuser *f, uint32_t map)
{
    const fuse_item it = f->item.p[map];
    const sink *k = fuse_nest(f, map) ? fuse_map_sink(fuse_nest(f, map)) : NULL;
    if (!k || ex_at(f->x, k->value)->op == EX_LOAD) return false;
    for (uint32_t i = 0; i < it.n_access; i++) {
        const uint32_t w = it.access[i].reads ? fuse_writer(f, it.access[i].slot) : 0;
        if (w && w < map && fuse_kernel(f, w) && fuse_reader(f, it.access[i].slot) == map && fuse_one(f, w, false)) return true;
    }
    return false;
}

bool fuse_epilogues(fuser *f, bool movement)
{
    bool changed = false;
    for (uint32_t i = 1; i < f->item.n; i++) {
        const bool fused = fuse_one(f, i, movement);
        changed |= fused || (movement && fuse_before_movement(f, i));
    }
    return changed;
}
