/* flatten.c - from logical indexes to addresses: the last form of a nest before it is printed.
 *
 * In: a nest whose loads and stores have one index per dimension, and slots whose views say where an element lies (a slot without a view is dense
 * and row-major; locals are). Out: the same nest in place, where every load and store has one index, the element counted from the start of the
 * slot's buffer. Then axes are split where an address divides them or takes them modulo a constant (reshapes, NCHWc blocks), so that the addresses
 * become affine, and neighbouring axes that every address sees as one are joined (56 x 56 -> 3136). Parallel axes stay parallel and stage axes keep
 * their order. */
#include <string.h>

#include "expr/nest.h"

typedef struct {
    program *p;
    exprs *x;
    dims *t;
    nest *n;
} flattener;

/* ---- every expression of a nest ---- */

static void map_sinks(flattener *f, stage *s, ex (*g)(flattener *f, void *ctx, ex e), void *ctx)
{
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        sink *k = &s->sink[i];
        k->value = g(f, ctx, k->value);
        if (k->guard) k->guard = g(f, ctx, k->guard);
        for (uint32_t d = 0; d < k->n; d++) k->at[d] = g(f, ctx, k->at[d]);
    }
}

static void map_nest(flattener *f, ex (*g)(flattener *f, void *ctx, ex e), void *ctx)
{
    for (uint32_t i = 0; i < f->n->n_stages; i++) map_sinks(f, &f->n->stage[i], g, ctx);
}

typedef struct {
    flattener *f;
    void (*visit)(flattener *f, void *ctx, dim d);
    void *ctx;
} dim_visit;

static void visit_ex(void *ctx, ex e)
{
    dim_visit *v = ctx;
    dim d;
    if (ex_is_dim(v->f->x, e, &d)) v->visit(v->f, v->ctx, d);
}

static ex visit_root(flattener *f, void *ctx, ex e)
{
    ex_walk(f->x, e, visit_ex, ctx);
    return e;
}

typedef struct {
    uint32_t n;
    dim from[NEST_AXES], to[NEST_AXES];
} axis_map;

static ex replace_axes(flattener *f, void *ctx, ex e)
{
    const axis_map *m = ctx;
    return ex_map(f->x, e, m->n, m->from, m->to);
}

/* ---- addresses ---- */

/* coefficient * index of one dimension: the part that is a dim goes to *affine, the rest (a loaded index) to *rest. */
static void add_index(flattener *f, ex index, dim stride, dim *affine, ex *rest)
{
    dim d;
    if (!stride || dim_is(f->t, stride, 0)) return;
    if (ex_is_dim(f->x, index, &d)) {
        *affine = dim_add(f->t, *affine, dim_mul(f->t, d, stride));
        return;
    }
    const ex part = ex_bin(f->x, EX_MUL, index, ex_dim(f->x, stride));
    *rest = *rest ? ex_bin(f->x, EX_ADD, *rest, part) : part;
}

static ex address(flattener *f, slot s, uint32_t n, const ex *index)
{
    const slot_info *info = slot_at(f->p, s);
    const view *v = &info->view;
    const bool dense = v->rank == 0;
    dim affine = dense || !v->offset ? dim_const(f->t, 0) : v->offset, stride = dim_const(f->t, 1);
    ex rest = 0;
    for (uint32_t i = n; i-- > 0;) {
        if (dense) {
            add_index(f, index[i], stride, &affine, &rest);
            stride = dim_mul(f->t, stride, info->extent[i]);
        } else if (v->d[i].block > 1) {
            const ex c = ex_i(f->x, CT_I64, v->d[i].block);
            add_index(f, ex_bin(f->x, EX_FDIV, index[i], c), v->d[i].stride, &affine, &rest);
            add_index(f, ex_bin(f->x, EX_FMOD, index[i], c), v->d[i].inner, &affine, &rest);
        } else {
            add_index(f, index[i], v->d[i].stride, &affine, &rest);
            if (v->d[i].first) affine = dim_sub(f->t, affine, dim_mul(f->t, v->d[i].first, v->d[i].stride));
        }
    }
    const ex a = ex_dim(f->x, affine);
    return !rest ? a : dim_is(f->t, affine, 0) ? rest : ex_bin(f->x, EX_ADD, rest, a);
}

static ex flat_leaf(void *ctx, ex e)
{
    flattener *f = ctx;
    const ex_node n = *ex_at(f->x, e);
    ex index[MAX_RANK];
    if (n.op != EX_LOAD) return 0;
    for (uint32_t i = 0; i < n.n; i++) index[i] = ex_subst(f->x, n.idx[i], flat_leaf, ctx);
    const ex a = address(f, n.slot, n.n, index);
    return ex_load(f->x, n.slot, (elem)n.elem, 1, &a);
}

static void flatten_stage(flattener *f, stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        sink *k = &s->sink[i];
        k->value = ex_subst(f->x, k->value, flat_leaf, f);
        if (k->guard) k->guard = ex_subst(f->x, k->guard, flat_leaf, f);
        if (!k->to) continue;
        for (uint32_t d = 0; d < k->n; d++) k->at[d] = ex_subst(f->x, k->at[d], flat_leaf, f);
        k->at[0] = address(f, k->to, k->n, k->at);
        k->n = 1;
    }
}

/* ---- splitting an axis that is divided ---- */

typedef struct {
    dim axis;
    int64_t by; /* the largest divisor seen */
} split_search;

/* An address with axis / c or axis % c; c must divide the extent. Looks into the arguments of atoms too. */
static void find_divisor(flattener *f, void *ctx, dim d)
{
    split_search *s = ctx;
    if (!dim_has(f->t, d, s->axis)) return;
    const dim_kind kind = dim_kind_of(f->t, d);
    if (kind == DIM_POLY) {
        const dim_term *term;
        uint32_t n;
        dim_poly(f->t, d, &term, &n);
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < term[i].n_atoms; j++)
                if (term[i].atom[j] != d) find_divisor(f, ctx, term[i].atom[j]);
        return;
    }
    if (kind != DIM_FDIV && kind != DIM_MOD && kind != DIM_MIN && kind != DIM_MAX && kind != DIM_SELECT) return;
    const dim *arg = dim_args(f->t, d);
    for (uint32_t i = 0; i < (kind == DIM_SELECT ? 4u : 2u); i++) find_divisor(f, ctx, arg[i]);
    int64_t c, extent;
    if ((kind != DIM_FDIV && kind != DIM_MOD) || !dim_is_const(f->t, arg[1], &c) || c < 2 || c <= s->by) return;
    dim coef, rest;
    int64_t k;
    if (!dim_affine(f->t, arg[0], s->axis, &coef, &rest) || !dim_is_const(f->t, coef, &k) || k < 1 || c % k) return;
    c /= k; /* (k * axis + rest) / (k * c) steps when the axis does, every c */
    const dim n = dim_extent(f->t, s->axis);
    if (c > s->by && c > 1 && !(dim_is_const(f->t, n, &extent) && extent <= c) && dim_div_exact(f->t, n, dim_const(f->t, c))) s->by = c;
}

/* Replaces axis[i] of a list by an outer and an inner one, `by` apart. */
static void split_at(flattener *f, dim *axis, uint8_t *n_axes, uint32_t i, int64_t by)
{
    const dim n = dim_extent(f->t, axis[i]), c = dim_const(f->t, by);
    const dim outer = dim_axis(f->t, dim_div_exact(f->t, n, c)), inner = dim_axis(f->t, c);
    axis_map m = {1, {axis[i]}, {dim_add(f->t, dim_mulc(f->t, outer, by), inner)}};
    map_nest(f, replace_axes, &m);
    memmove(&axis[i + 1], &axis[i], sizeof axis[0] * (*n_axes - i));
    ++*n_axes;
    axis[i] = outer;
    axis[i + 1] = inner;
}

static void split_axes(flattener *f, dim *axis, uint8_t *n_axes)
{
    for (uint32_t i = 0; i < *n_axes && *n_axes < NEST_AXES; i++) {
        split_search s = {axis[i], 1};
        dim_visit v = {f, find_divisor, &s};
        if (!dim_is_axis(f->t, axis[i])) continue;
        map_nest(f, visit_root, &v);
        if (s.by > 1) split_at(f, axis, n_axes, i--, s.by); /* the outer one may be divided again; a smaller divisor, so this ends */
    }
}

/* ---- joining axes ---- */

typedef struct {
    dim a, b;
    bool ok;
} join_search;

/* Every index must see a and b as a * extent(b) + b. */
static void check_join(flattener *f, void *ctx, dim d)
{
    join_search *j = ctx;
    dim ca, cb, rest;
    if (!j->ok || (!dim_has(f->t, d, j->a) && !dim_has(f->t, d, j->b))) return;
    j->ok = dim_affine(f->t, d, j->a, &ca, &rest) && dim_affine(f->t, d, j->b, &cb, &rest) && !dim_has(f->t, ca, j->b)
         && dim_mul(f->t, cb, dim_extent(f->t, j->b)) == ca;
}

static bool can_join(flattener *f, dim a, dim b)
{
    join_search j = {a, b, true};
    dim_visit v = {f, check_join, &j};
    map_nest(f, visit_root, &v);
    return j.ok;
}

/* Joins what can be joined; `any_pair`: the axes are parallel, so they need not be neighbours. */
static void join_axes(flattener *f, dim *axis, uint8_t *n_axes, bool any_pair)
{
    for (uint32_t i = 0; i < *n_axes; i++) {
        for (uint32_t j = 0; j < *n_axes; j++) {
            if (i == j || (!any_pair && j != i + 1) || !can_join(f, axis[i], axis[j])) continue;
            const dim one = dim_axis(f->t, dim_mul(f->t, dim_extent(f->t, axis[i]), dim_extent(f->t, axis[j])));
            axis_map m = {2, {axis[i], axis[j]}, {dim_const(f->t, 0), one}};
            map_nest(f, replace_axes, &m);
            axis[i] = one;
            memmove(&axis[j], &axis[j + 1], sizeof axis[0] * (*n_axes - j - 1));
            --*n_axes;
            i = (uint32_t)-1; /* start again: the list changed */
            break;
        }
    }
}

/* Axes of extent 1 are constants; nothing to walk. */
static void drop_constant_axes(flattener *f, dim *axis, uint8_t *n_axes)
{
    uint8_t n = 0;
    for (uint8_t i = 0; i < *n_axes; i++)
        if (dim_is_axis(f->t, axis[i])) axis[n++] = axis[i];
    *n_axes = n;
}

static bool has_order(const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++)
            if (n->stage[i].sink[k].in_order) return true;
    return false;
}

/* Merged stages may walk the same axes. Each gets its own, so that splitting and joining the axes of one leaves the others whole. */
static void own_axes(flattener *f)
{
    for (uint32_t i = 1; i < f->n->n_stages; i++) {
        stage *s = &f->n->stage[i];
        axis_map m = {0};
        for (uint32_t k = 0; k < s->n_axes; k++) {
            if (!dim_is_axis(f->t, s->axis[k])) continue;
            m.from[m.n] = s->axis[k];
            s->axis[k] = m.to[m.n++] = dim_axis(f->t, dim_extent(f->t, s->axis[k]));
        }
        map_sinks(f, s, replace_axes, &m);
    }
}

void nest_flatten(program *p, nest *n)
{
    flattener f = {p, p->ex, p->dims, n};
    if (n->flat) return;
    own_axes(&f);
    drop_constant_axes(&f, n->axis, &n->n_axes);
    for (uint32_t i = 0; i < n->n_stages; i++) {
        drop_constant_axes(&f, n->stage[i].axis, &n->stage[i].n_axes);
        flatten_stage(&f, &n->stage[i]);
    }
    split_axes(&f, n->axis, &n->n_axes);
    for (uint32_t i = 0; i < n->n_stages; i++) split_axes(&f, n->stage[i].axis, &n->stage[i].n_axes);
    join_axes(&f, n->axis, &n->n_axes, !has_order(n));
    for (uint32_t i = 0; i < n->n_stages; i++) join_axes(&f, n->stage[i].axis, &n->stage[i].n_axes, false);
    n->flat = true;
}

/* ---- kernels ---- */

ex slot_address(program *p, slot s, uint32_t n, const ex *index)
{
    flattener f = {p, p->ex, p->dims, NULL};
    return address(&f, s, n, index);
}

ex ex_flatten(program *p, ex e)
{
    flattener f = {p, p->ex, p->dims, NULL};
    return ex_subst(p->ex, e, flat_leaf, &f);
}

void hook_flatten(program *p, hook *h)
{
    flattener f = {p, p->ex, p->dims, NULL};
    if (h->flat) return;
    h->value = ex_subst(p->ex, h->value, flat_leaf, &f);
    if (h->to) {
        for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_subst(p->ex, h->at[i], flat_leaf, &f);
        h->at[0] = address(&f, h->to, h->n, h->at);
        h->n = 1;
    }
    h->flat = true;
}
