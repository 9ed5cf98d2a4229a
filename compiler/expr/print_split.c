/* print_split.c - borders: where the comparisons of indexes in a nest change their outcome along an axis.
 *
 * A comparison of two DIMs is affine in the axis: k * axis + rest > 0, with rest in an interval given by the other axes. It becomes possible at one
 * place and certain at another; loops are cut there, and the constructors of expressions decide the comparison in each segment by themselves. */
#include <stdlib.h>

#include "expr/expr_impl.h"
#include "expr/print.h"

typedef struct {
    printer *w;
    dim axis;
    int64_t extent;
    int64_t cut[MAX_CUTS];
    uint32_t n;
    bool found;  /* a comparison that depends on the axis */
    bool turned; /* an index that turns: cutting it may show further turns */
} cut_search;

static void add_cut(cut_search *s, int64_t at)
{
    if (at <= 0 || at >= s->extent) return;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->cut[i] == at) return;
    if (s->n + 2 < MAX_CUTS) s->cut[s->n++] = at;
}

/* Where k * axis + rest >= 0 changes, for the smallest and the largest rest. */
static void cut_at_sign(cut_search *s, dim difference)
{
    dim coef, rest;
    int64_t k;
    if (!dim_has(s->w->t, difference, s->axis)) return;
    s->found = true;
    if (!dim_affine(s->w->t, difference, s->axis, &coef, &rest) || !dim_is_const(s->w->t, coef, &k) || !k) return;
    const interval r = dim_range(s->w->t, rest);
    const int64_t ends[2] = {r.lo, r.hi};
    for (int i = 0; i < 2; i++) {
        if (ends[i] < -((int64_t)1 << 60) || ends[i] > (int64_t)1 << 60) continue;
        add_cut(s, k > 0 ? ceil_div(-ends[i], k) : floor_div(ends[i], -k) + 1); /* the first axis value at which the outcome differs */
    }
}

/* Minimum, maximum and selection inside an index (reflected padding) turn where their arguments cross. */
static void cut_at_turns(cut_search *s, dim d)
{
    dims *t = s->w->t;
    const dim_kind kind = dim_kind_of(t, d);
    if (!dim_has(t, d, s->axis) || kind == DIM_AXIS) return;
    if (kind == DIM_POLY) {
        const dim_term *term;
        uint32_t n;
        dim_poly(t, d, &term, &n);
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < term[i].n_atoms; k++) cut_at_turns(s, term[i].atom[k]);
        return;
    }
    const dim *arg = dim_args(t, d);
    const uint32_t n = kind == DIM_SELECT ? 4 : 2;
    dim a[4];
    for (uint32_t i = 0; i < n; i++) a[i] = arg[i];
    s->turned = true;
    if (kind == DIM_MIN || kind == DIM_MAX) cut_at_sign(s, dim_sub(t, a[0], a[1]));
    if (kind == DIM_SELECT) cut_at_sign(s, dim_addc(t, dim_sub(t, a[1], a[0]), -1));
    for (uint32_t i = 0; i < n; i++) cut_at_turns(s, a[i]);
}

static void find_compare(void *ctx, ex e)
{
    cut_search *s = ctx;
    dims *t = s->w->t;
    const ex_node n = *ex_at(s->w->x, e);
    dim a, b;
    if (n.op == EX_DIM) cut_at_turns(s, n.d);
    if (n.op != EX_LT && n.op != EX_LE && n.op != EX_EQ && n.op != EX_NE) return;
    if (!ex_is_dim(s->w->x, n.a[0], &a) || !ex_is_dim(s->w->x, n.a[1], &b)) return;
    const dim d = dim_sub(t, b, a);
    if (n.op != EX_LT) cut_at_sign(s, d);
    if (n.op != EX_LE) cut_at_sign(s, dim_addc(t, d, -1));
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void search(cut_search *c, const stage *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < s[i].n_sinks; k++) {
            ex_walk(c->w->x, s[i].sink[k].value, find_compare, c);
            if (s[i].sink[k].guard) ex_walk(c->w->x, s[i].sink[k].guard, find_compare, c);
            for (uint32_t d = 0; d < s[i].sink[k].n; d++) ex_walk(c->w->x, s[i].sink[k].at[d], find_compare, c);
        }
}

/* Cuts inside the segments that the first cuts made. */
static void search_again(cut_search *c, const stage *s, uint32_t n)
{
    const uint32_t first = c->n;
    int64_t start = 0;
    c->cut[c->n++] = c->extent;
    qsort(c->cut, c->n, sizeof c->cut[0], ascending);
    int64_t bound[MAX_CUTS];
    for (uint32_t i = 0; i <= first; i++) bound[i] = c->cut[i];
    c->n = first; /* the extent is added again at the end */
    for (uint32_t i = 0; i <= first; start = bound[i++]) {
        const dim t = dim_axis(c->w->t, dim_const(c->w->t, bound[i] - start));
        if (!dim_is_axis(c->w->t, t)) continue;
        cut_search part = {.w = c->w, .axis = t, .extent = bound[i] - start};
        search(&part, map_stages(c->w, s, n, c->axis, dim_addc(c->w->t, t, start)), n);
        for (uint32_t k = 0; k < part.n; k++) add_cut(c, start + part.cut[k]);
    }
}

uint32_t find_cuts(printer *w, const stage *s, uint32_t n, dim axis, int64_t *cut)
{
    cut_search c = {.w = w, .axis = axis};
    cut[0] = cut[1] = 0;
    if (!dim_is_const(w->t, dim_extent(w->t, axis), &c.extent)) return 1;
    search(&c, s, n);
    if (c.turned && c.n) search_again(&c, s, n);
    c.cut[c.n++] = 0;
    c.cut[c.n++] = c.extent;
    qsort(c.cut, c.n, sizeof c.cut[0], ascending);
    for (uint32_t i = 0; i < c.n; i++) cut[i] = c.cut[i];
    return c.n - 1;
}

bool has_guards(printer *w, const stage *s, uint32_t n, dim axis)
{
    cut_search c = {.w = w, .axis = axis};
    search(&c, s, n);
    return c.found;
}

stage *map_stages(printer *w, const stage *s, uint32_t n, dim axis, dim to)
{
    stage *r = arena_copy(w->mem, s, sizeof *s * n);
    for (uint32_t i = 0; i < n; i++) {
        r[i].sink = arena_copy(w->mem, s[i].sink, sizeof(sink) * s[i].n_sinks);
        for (uint32_t k = 0; k < s[i].n_sinks; k++) {
            sink *t = &r[i].sink[k];
            t->value = ex_map(w->x, t->value, 1, &axis, &to);
            if (t->guard) t->guard = ex_map(w->x, t->guard, 1, &axis, &to);
            for (uint32_t d = 0; d < t->n; d++) t->at[d] = ex_map(w->x, t->at[d], 1, &axis, &to);
        }
    }
    return r;
}

/* ---- the inside of a border at run time ---- */

typedef struct {
    printer *w;
    dim axis;
    dim from, to; /* bounds so far; 0: none */
    VEC(ex) sure; /* comparisons that hold between them */
} inner_search;

typedef struct {
    printer *w;
    dim d;
    bool ok;
} extreme_search;

/* The smallest value over an axis that has no loop yet: its end, by the sign of its coefficient. */
static void take_extreme(void *ctx, dim atom)
{
    extreme_search *c = ctx;
    printer *w = c->w;
    dim coef, rest;
    int64_t k;
    if (!c->ok || !dim_is_axis(w->t, atom) || axis_name(w, atom)) return;
    c->ok = dim_affine(w->t, c->d, atom, &coef, &rest) && dim_is_const(w->t, coef, &k);
    if (!c->ok) return;
    const dim at = k >= 0 ? dim_const(w->t, 0) : dim_addc(w->t, dim_extent(w->t, atom), -1);
    c->d = dim_subst(w->t, c->d, 1, &atom, &at);
}

static void find_inner(void *ctx, ex e)
{
    inner_search *s = ctx;
    dims *t = s->w->t;
    const ex_node n = *ex_at(s->w->x, e);
    dim a, b, coef, rest;
    int64_t k;
    if ((n.op != EX_LT && n.op != EX_LE) || !ex_is_dim(s->w->x, n.a[0], &a) || !ex_is_dim(s->w->x, n.a[1], &b)) return;
    const dim d = dim_addc(t, dim_sub(t, b, a), n.op == EX_LT ? -1 : 0); /* holds where d >= 0 */
    if (!dim_has(t, d, s->axis) || !dim_affine(t, d, s->axis, &coef, &rest) || !dim_is_const(t, coef, &k) || !k) return;
    extreme_search c = {s->w, rest, true};
    dim_atoms(t, rest, take_extreme, &c);
    if (!c.ok) return;
    const dim bound = k > 0 ? dim_cdiv(t, dim_mulc(t, c.d, -1), dim_const(t, k)) : dim_addc(t, dim_fdiv(t, c.d, dim_const(t, -k)), 1);
    if (k > 0) s->from = s->from ? dim_max(t, s->from, bound) : bound;
    else s->to = s->to ? dim_min(t, s->to, bound) : bound;
    VEC_PUSH(s->w->mem, s->sure, e);
}

typedef struct {
    printer *w;
    const inner_search *inner;
    VEC(ex) to; /* by ex: what it becomes */
} assume_walk;

static void assume(void *ctx, ex e)
{
    assume_walk *a = ctx;
    printer *w = a->w;
    while (a->to.n <= e) VEC_PUSH(w->mem, a->to, 0);
    for (uint32_t i = 0; i < a->inner->sure.n; i++)
        if (a->inner->sure.p[i] == e) {
            a->to.p[e] = ex_bool(w->x, true);
            return;
        }
    const ex_node n = *ex_at(w->x, e);
    const ex *kid;
    const uint32_t count = ex_kids(&n, &kid);
    ex kids[MAX_RANK];
    bool changed = false;
    for (uint32_t i = 0; i < count; i++) {
        kids[i] = a->to.p[kid[i]];
        changed |= kids[i] != kid[i];
    }
    const ex made = changed ? ex_rebuild(w->x, &n, kids) : e;
    while (a->to.n <= e) VEC_PUSH(w->mem, a->to, 0);
    a->to.p[e] = made;
}

static ex assuming(assume_walk *a, ex e)
{
    ex_walk(a->w->x, e, assume, a);
    return a->to.p[e];
}

stage *find_inside(printer *w, const stage *s, uint32_t n, dim axis, dim *from, dim *to)
{
    inner_search c = {.w = w, .axis = axis};
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < s[i].n_sinks; k++) {
            ex_walk(w->x, s[i].sink[k].value, find_inner, &c);
            if (s[i].sink[k].guard) ex_walk(w->x, s[i].sink[k].guard, find_inner, &c);
        }
    if (!c.sure.n) return NULL;
    stage *r = arena_copy(w->mem, s, sizeof *s * n);
    assume_walk a = {.w = w, .inner = &c};
    for (uint32_t i = 0; i < n; i++) {
        r[i].sink = arena_copy(w->mem, s[i].sink, sizeof(sink) * s[i].n_sinks);
        for (uint32_t k = 0; k < s[i].n_sinks; k++) {
            sink *t = &r[i].sink[k];
            t->value = assuming(&a, t->value);
            if (t->guard) t->guard = assuming(&a, t->guard);
        }
    }
    *from = c.from ? c.from : dim_const(w->t, 0);
    *to = c.to ? c.to : dim_extent(w->t, axis);
    return r;
}
