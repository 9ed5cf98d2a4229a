/* print_split.c - borders: where the comparisons of indexes in a nest change their outcome along an axis.
 *
 * A comparison of two DIMs is affine in the axis: k * axis + rest > 0, with rest in an interval given by the other axes. It becomes possible at one
 * place and certain at another; loops are cut there, and the constructors of expressions decide the comparison in each segment by themselves. */
#include <stdlib.h>

#include "expr/print.h"

typedef struct {
    printer *w;
    dim axis;
    int64_t extent;
    int64_t cut[MAX_CUTS];
    uint32_t n;
    bool found; /* a comparison that depends on the axis */
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

static void find_compare(void *ctx, ex e)
{
    cut_search *s = ctx;
    dims *t = s->w->t;
    const ex_node n = *ex_at(s->w->x, e);
    dim a, b;
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
        }
}

uint32_t find_cuts(printer *w, const stage *s, uint32_t n, dim axis, int64_t *cut)
{
    cut_search c = {.w = w, .axis = axis};
    cut[0] = cut[1] = 0;
    if (!dim_is_const(w->t, dim_extent(w->t, axis), &c.extent)) return 1;
    search(&c, s, n);
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
