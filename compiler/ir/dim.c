/* dim.c - interned symbolic integers in normal form; see dim.h. */
#include "ir/dim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    dim_kind kind;
    int64_t c; /* CONST: the value; POLY: the constant */
    const dim_term *term;
    uint32_t n_terms;
    dim arg[4];       /* FDIV MOD MIN MAX SELECT; AXIS: its extent in arg[0] */
    const char *name; /* SYMBOL */
    interval range;
    dim_term self; /* what dim_poly returns for an atom: one term with the atom itself */
    dim id;
    uint32_t length; /* dim_length */
    bool axis;       /* mentions an axis */
} dnode;

struct dims {
    arena *mem;
    VEC(dnode *) node; /* [0] is unused */
    dim *slot;
    uint32_t cap;
    uint32_t fresh;
    bool overflow, too_long;
};

static const interval EVERYTHING = {INT64_MIN, INT64_MAX};

static dnode *at(const dims *t, dim d)
{
    assert(d > 0 && d < t->node.n);
    return t->node.p[d];
}

bool dims_overflowed(dims *t)
{
    const bool was = t->overflow;
    t->overflow = false;
    return was;
}

bool dims_too_long(dims *t)
{
    const bool was = t->too_long;
    t->too_long = false;
    return was;
}

uint32_t dim_length(const dims *t, dim d)
{
    return at(t, d)->length;
}

/* ---- interning ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

static uint32_t hash_node(const dnode *n)
{
    uint64_t h = mix((uint64_t)n->kind, (uint64_t)n->c);
    for (uint32_t i = 0; i < n->n_terms; i++) {
        h = mix(h, (uint64_t)n->term[i].coef);
        for (uint32_t k = 0; k < n->term[i].n_atoms; k++) h = mix(h, n->term[i].atom[k]);
    }
    for (int i = 0; i < 4; i++) h = mix(h, n->arg[i]);
    for (const char *s = n->name; s && *s; s++) h = mix(h, (unsigned char)*s);
    return (uint32_t)(h ^ (h >> 32));
}

static bool same_atoms(const dim_term *a, const dim_term *b)
{
    return a->n_atoms == b->n_atoms && !memcmp(a->atom, b->atom, a->n_atoms * sizeof *a->atom);
}

static bool same_node(const dnode *a, const dnode *b)
{
    if (a->kind != b->kind || a->c != b->c || a->n_terms != b->n_terms || memcmp(a->arg, b->arg, sizeof a->arg)) return false;
    if ((a->name || b->name) && (!a->name || !b->name || strcmp(a->name, b->name))) return false;
    for (uint32_t i = 0; i < a->n_terms; i++)
        if (a->term[i].coef != b->term[i].coef || !same_atoms(&a->term[i], &b->term[i])) return false;
    return true;
}

static void table_put(dims *t, dim d)
{
    uint32_t h = hash_node(at(t, d)) & (t->cap - 1);
    while (t->slot[h]) h = (h + 1) & (t->cap - 1);
    t->slot[h] = d;
}

static uint32_t arg_count(dim_kind k)
{
    return k == DIM_SELECT ? 4 : k >= DIM_FDIV ? 2 : 0;
}

static uint32_t length_of(const dims *t, const dnode *n)
{
    uint32_t length = 1; /* no more than DIM_LONGEST each, of few parts: no overflow */
    for (uint32_t i = 0; i < n->n_terms && length <= DIM_LONGEST; i++) {
        length++;
        for (uint32_t k = 0; k < n->term[i].n_atoms && length <= DIM_LONGEST; k++) length += at(t, n->term[i].atom[k])->length;
    }
    for (uint32_t i = 0; i < arg_count(n->kind); i++) length += at(t, n->arg[i])->length;
    return length;
}

static dim node_add(dims *t, const dnode *n)
{
    const uint32_t length = length_of(t, n);
    if (length > DIM_LONGEST) {
        t->too_long = true;
        return dim_const(t, 0);
    }
    dnode *own = arena_copy(t->mem, n, sizeof *n);
    own->id = t->node.n;
    own->length = length;
    own->self = (dim_term){1, &own->id, 1};
    VEC_PUSH(t->mem, t->node, own);
    if (t->node.n * 2 > t->cap) {
        t->cap *= 2;
        t->slot = ARENA_ARRAY(t->mem, dim, t->cap);
        for (dim i = 1; i < own->id; i++)
            if (at(t, i)->kind != DIM_AXIS) table_put(t, i);
    }
    if (n->kind != DIM_AXIS) table_put(t, own->id); /* every axis is its own */
    return own->id;
}

static dim find(const dims *t, const dnode *n)
{
    for (uint32_t h = hash_node(n) & (t->cap - 1); t->slot[h]; h = (h + 1) & (t->cap - 1))
        if (same_node(at(t, t->slot[h]), n)) return t->slot[h];
    return 0;
}

dims *dims_new(arena *a)
{
    dims *t = ARENA_NEW(a, dims);
    t->mem = a;
    t->cap = 4096;
    t->slot = ARENA_ARRAY(a, dim, t->cap);
    VEC_PUSH(a, t->node, NULL);
    return t;
}

dim dim_const(dims *t, int64_t v)
{
    dnode n = {.kind = DIM_CONST, .c = v, .range = {v, v}};
    const dim d = find(t, &n);
    return d ? d : node_add(t, &n);
}

dim dim_symbol(dims *t, const char *name, int64_t lo, int64_t hi)
{
    dnode n = {.kind = DIM_SYMBOL, .name = name, .range = {lo, hi}};
    const dim d = find(t, &n);
    if (d) return d;
    n.name = arena_strndup(t->mem, name, strlen(name));
    return node_add(t, &n);
}

void dim_narrow(dims *t, dim symbol, int64_t lo, int64_t hi)
{
    interval *r = &at(t, symbol)->range;
    if (lo > r->lo) r->lo = lo;
    if (hi < r->hi) r->hi = hi;
}

dim dim_fresh(dims *t, const char *stem, int64_t lo, int64_t hi)
{
    dnode n = {.kind = DIM_SYMBOL, .name = stem, .range = {lo, hi}};
    if (!find(t, &n)) return dim_symbol(t, stem, lo, hi);
    do n.name = arena_printf(t->mem, "%s_%u", stem, ++t->fresh);
    while (find(t, &n));
    return node_add(t, &n);
}

dim dim_axis(dims *t, dim extent)
{
    if (dim_is(t, extent, 1)) return dim_const(t, 0);
    const interval e = dim_range(t, extent);
    dnode n = {.kind = DIM_AXIS, .range = {0, e.hi == INT64_MAX ? INT64_MAX : e.hi > 0 ? e.hi - 1 : 0}, .axis = true};
    n.arg[0] = extent;
    return node_add(t, &n);
}

/* ---- reading ---- */

dim_kind dim_kind_of(const dims *t, dim d)
{
    return at(t, d)->kind;
}

bool dim_is_const(const dims *t, dim d, int64_t *v)
{
    const dnode *n = at(t, d);
    if (n->kind != DIM_CONST) return false;
    if (v) *v = n->c;
    return true;
}

bool dim_is(const dims *t, dim d, int64_t v)
{
    const dnode *n = at(t, d);
    return n->kind == DIM_CONST && n->c == v;
}

bool dim_is_axis(const dims *t, dim d)
{
    return at(t, d)->kind == DIM_AXIS;
}

const char *dim_name(const dims *t, dim d)
{
    return at(t, d)->name;
}

dim dim_extent(const dims *t, dim axis)
{
    return at(t, axis)->arg[0];
}

const dim *dim_args(const dims *t, dim d)
{
    return at(t, d)->arg;
}

int64_t dim_poly(const dims *t, dim d, const dim_term **terms, uint32_t *n_terms)
{
    const dnode *n = at(t, d);
    if (n->kind == DIM_CONST || n->kind == DIM_POLY) {
        *terms = n->term;
        *n_terms = n->n_terms;
        return n->c;
    }
    *terms = &n->self;
    *n_terms = 1;
    return 0;
}

bool dim_has_axis(const dims *t, dim d)
{
    return at(t, d)->axis;
}

bool dim_has(const dims *t, dim d, dim atom)
{
    if (d == atom) return true;
    const dnode *n = at(t, d);
    if (at(t, atom)->kind == DIM_AXIS && !n->axis) return false;
    for (uint32_t i = 0; i < n->n_terms; i++)
        for (uint32_t k = 0; k < n->term[i].n_atoms; k++)
            if (dim_has(t, n->term[i].atom[k], atom)) return true;
    for (uint32_t i = 0; i < arg_count(n->kind); i++)
        if (dim_has(t, n->arg[i], atom)) return true;
    return false;
}

typedef VEC(dim) dim_list;

static void list_atoms(const dims *t, dim d, arena *mem, dim_list *seen)
{
    const dnode *n = at(t, d);
    for (uint32_t i = 0; i < seen->n; i++)
        if (seen->p[i] == d) return;
    VEC_PUSH(mem, *seen, d);
    for (uint32_t i = 0; i < n->n_terms; i++)
        for (uint32_t k = 0; k < n->term[i].n_atoms; k++) list_atoms(t, n->term[i].atom[k], mem, seen);
    for (uint32_t i = 0; i < arg_count(n->kind); i++) list_atoms(t, n->arg[i], mem, seen);
}

void dim_atoms(const dims *t, dim d, void (*f)(void *ctx, dim atom), void *ctx)
{
    const dim_kind k = at(t, d)->kind;
    if (k == DIM_CONST) return;
    if (k == DIM_SYMBOL || k == DIM_AXIS) {
        f(ctx, d);
        return;
    }
    arena *mem = arena_new();
    dim_list seen = {0};
    list_atoms(t, d, mem, &seen);
    for (uint32_t i = 0; i < seen.n; i++) {
        const dim_kind a = at(t, seen.p[i])->kind;
        if (a == DIM_SYMBOL || a == DIM_AXIS) f(ctx, seen.p[i]);
    }
    arena_free(mem);
}

/* ---- intervals ---- */

static interval range_mul(interval a, interval b)
{
    const int64_t p[4] = {sat_mul(a.lo, b.lo), sat_mul(a.lo, b.hi), sat_mul(a.hi, b.lo), sat_mul(a.hi, b.hi)};
    interval r = {p[0], p[0]};
    for (int i = 1; i < 4; i++) {
        if (p[i] < r.lo) r.lo = p[i];
        if (p[i] > r.hi) r.hi = p[i];
    }
    return r;
}

static interval range_poly(const dims *t, int64_t c, const dim_term *term, uint32_t n)
{
    interval r = {c, c};
    for (uint32_t i = 0; i < n; i++) {
        interval m = {term[i].coef, term[i].coef};
        for (uint32_t k = 0; k < term[i].n_atoms; k++) m = range_mul(m, at(t, term[i].atom[k])->range);
        r.lo = sat_add(r.lo, m.lo);
        r.hi = sat_add(r.hi, m.hi);
    }
    return r;
}

static int64_t sat_fdiv(int64_t a, int64_t d)
{
    return a == INT64_MAX || a == INT64_MIN ? a : floor_div(a, d);
}

static interval range_atom(const dims *t, const dnode *n)
{
    const interval a = at(t, n->arg[0])->range, b = n->arg[1] ? at(t, n->arg[1])->range : EVERYTHING;
    switch (n->kind) {
    case DIM_FDIV: {
        if (b.lo < 1) return EVERYTHING;
        const int64_t far = b.hi == INT64_MAX ? INT64_MAX : b.hi;
        interval r;
        r.lo = a.lo >= 0 ? (far == INT64_MAX ? 0 : sat_fdiv(a.lo, far)) : sat_fdiv(a.lo, b.lo);
        r.hi = a.hi >= 0 ? sat_fdiv(a.hi, b.lo) : far == INT64_MAX ? -1 : sat_fdiv(a.hi, far);
        return r;
    }
    case DIM_MOD: return (interval){0, b.hi == INT64_MAX ? (a.lo >= 0 ? a.hi : INT64_MAX) : b.hi > 0 ? b.hi - 1 : 0};
    case DIM_MIN: return (interval){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
    case DIM_MAX: return (interval){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
    case DIM_SELECT: {
        const interval c = at(t, n->arg[2])->range, d = at(t, n->arg[3])->range;
        return (interval){c.lo < d.lo ? c.lo : d.lo, c.hi > d.hi ? c.hi : d.hi};
    }
    default: return EVERYTHING;
    }
}

static interval range_now(dims *t, dim d)
{
    const dnode *n = at(t, d);
    if (n->kind == DIM_POLY) return range_poly(t, n->c, n->term, n->n_terms);
    if (arg_count(n->kind)) return range_atom(t, n);
    return n->range; /* axes keep the bound they were made with; symbols are narrowed in place */
}

/* Smallest value over all axes: each axis goes to the end that makes d smallest, where the sign of its coefficient is known. */
static dim at_axis_minimum(dims *t, dim d)
{
    for (int guard = 0; guard < 16 && dim_has_axis(t, d); guard++) {
        const dim_term *term;
        uint32_t n;
        (void)dim_poly(t, d, &term, &n);
        bool moved = false;
        for (uint32_t i = 0; i < n && !moved; i++)
            for (uint32_t k = 0; k < term[i].n_atoms && !moved; k++) {
                const dim a = term[i].atom[k];
                dim coef, rest;
                if (!dim_is_axis(t, a) || !dim_affine(t, d, a, &coef, &rest)) continue;
                const interval r = range_now(t, coef);
                if (r.lo >= 0) d = rest;
                else if (r.hi <= 0) d = dim_add(t, rest, dim_mul(t, coef, dim_addc(t, dim_extent(t, a), -1)));
                else continue;
                moved = true;
            }
        if (!moved) break;
    }
    return d;
}

bool dim_allow_zero(dims *t, dim symbol)
{
    dnode *s = at(t, symbol);
    if (s->range.lo < 1) return true;
    for (uint32_t i = 1; i < t->node.n; i++)
        if (arg_count(at(t, i)->kind) && dim_has(t, i, symbol)) return false;
    s = at(t, symbol);
    s->range.lo = 0;
    for (uint32_t i = 1; i < t->node.n; i++)
        if (at(t, i)->kind == DIM_POLY) at(t, i)->range = range_poly(t, at(t, i)->c, at(t, i)->term, at(t, i)->n_terms);
    return true;
}

interval dim_range(dims *t, dim d)
{
    const interval r = range_now(t, d);
    if (!dim_has_axis(t, d)) return r;
    const interval lo = range_now(t, at_axis_minimum(t, d));
    const interval hi = range_now(t, at_axis_minimum(t, dim_mulc(t, d, -1)));
    const int64_t top = hi.lo == INT64_MIN ? INT64_MAX : hi.lo == INT64_MAX ? INT64_MIN : -hi.lo;
    return (interval){lo.lo > r.lo ? lo.lo : r.lo, top < r.hi ? top : r.hi};
}

bool dim_ge0(dims *t, dim d)
{
    if (range_now(t, d).lo >= 0) return true;
    return dim_has_axis(t, d) && range_now(t, at_axis_minimum(t, d)).lo >= 0;
}

bool dim_le(dims *t, dim a, dim b)
{
    return a == b || dim_ge0(t, dim_sub(t, b, a));
}

bool dim_lt(dims *t, dim a, dim b)
{
    return a != b && dim_ge0(t, dim_addc(t, dim_sub(t, b, a), -1));
}

bool dim_divides(dims *t, int64_t c, dim d)
{
    const dim_term *term;
    uint32_t n;
    if (dim_poly(t, d, &term, &n) % c) return false;
    for (uint32_t i = 0; i < n; i++)
        if (term[i].coef % c) return false;
    return true;
}

/* ---- polynomials ---- */

static int compare_terms(const dim_term *a, const dim_term *b)
{
    if (a->n_atoms != b->n_atoms) return a->n_atoms < b->n_atoms ? -1 : 1;
    for (uint32_t k = 0; k < a->n_atoms; k++)
        if (a->atom[k] != b->atom[k]) return a->atom[k] < b->atom[k] ? -1 : 1;
    return 0;
}

static dim overflowed(dims *t)
{
    t->overflow = true;
    return dim_const(t, 0);
}

static dim poly_intern(dims *t, int64_t c, dim_term *term, uint32_t n)
{
    if (!n) return dim_const(t, c);
    if (!c && n == 1 && term[0].coef == 1 && term[0].n_atoms == 1) return term[0].atom[0];
    for (uint32_t i = 0; i < n; i++)
        if (term[i].coef == INT64_MIN) return overflowed(t); /* which has no negative */
    dnode p = {.kind = DIM_POLY, .c = c, .term = term, .n_terms = n};
    const dim known = find(t, &p);
    if (known) return known;
    p.term = arena_copy(t->mem, term, n * sizeof *term);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < term[i].n_atoms; k++) p.axis |= at(t, term[i].atom[k])->axis;
    p.range = range_poly(t, c, p.term, n);
    return node_add(t, &p);
}

/* Is term `a` = k * c * atom, for k = coefficient of the term with the remainder and c the (monomial) divisor? */
static bool is_quotient_term(const dims *t, const dim_term *a, int64_t k, dim c, dim *quotient)
{
    const dim_term *tc;
    uint32_t n, used = 0;
    int64_t cc = dim_poly(t, c, &tc, &n), want;
    if (n > 1 || (n == 1 && cc)) return false;
    const uint32_t n_c = n ? tc[0].n_atoms : 0;
    if (!mul_i64(k, n ? tc[0].coef : cc, &want) || a->coef != want || a->n_atoms != n_c + 1) return false;
    *quotient = 0;
    for (uint32_t i = 0; i < a->n_atoms; i++) {
        if (used < n_c && a->atom[i] == tc[0].atom[used]) used++;
        else if (!*quotient) *quotient = a->atom[i];
        else return false;
    }
    return used == n_c && *quotient && at(t, *quotient)->kind == DIM_FDIV;
}

/* k*c * floor(x / c) + k * (x mod c) is k * x. */
static bool rejoin(dims *t, const dim_term *term, uint32_t n, uint32_t *div, uint32_t *mod)
{
    for (uint32_t i = 0; i < n; i++) {
        if (term[i].n_atoms != 1 || at(t, term[i].atom[0])->kind != DIM_MOD) continue;
        const dim *m = at(t, term[i].atom[0])->arg;
        for (uint32_t j = 0; j < n; j++) {
            dim q;
            if (!is_quotient_term(t, &term[j], term[i].coef, m[1], &q)) continue;
            if (at(t, q)->arg[0] != m[0] || at(t, q)->arg[1] != m[1]) continue;
            *div = j;
            *mod = i;
            return true;
        }
    }
    return false;
}

static dim poly_finish(dims *t, int64_t c, dim_term *term, uint32_t n)
{
    uint32_t div = 0, mod = 0;
    if (n < 2 || !rejoin(t, term, n, &div, &mod)) return poly_intern(t, c, term, n);
    const dim x = dim_mulc(t, at(t, term[mod].atom[0])->arg[0], term[mod].coef);
    uint32_t m = 0;
    for (uint32_t i = 0; i < n; i++)
        if (i != div && i != mod) term[m++] = term[i];
    return dim_add(t, poly_intern(t, c, term, m), x);
}

/* a + scale * b */
static dim add_scaled(dims *t, dim a, dim b, int64_t scale)
{
    const dim_term *ta, *tb;
    uint32_t na, nb, n = 0;
    int64_t ca = dim_poly(t, a, &ta, &na), cb = dim_poly(t, b, &tb, &nb), c;
    if (!mul_i64(cb, scale, &cb) || !add_i64(ca, cb, &c)) return overflowed(t);
    dim_term few[32];
    dim_term *out = na + nb <= 32 ? few : ARENA_ARRAY(t->mem, dim_term, na + nb);
    for (uint32_t i = 0, j = 0; i < na || j < nb;) {
        const int order = i == na ? 1 : j == nb ? -1 : compare_terms(&ta[i], &tb[j]);
        dim_term m = order <= 0 ? ta[i] : tb[j];
        int64_t add = 0;
        if (order >= 0 && !mul_i64(tb[j].coef, scale, &add)) return overflowed(t);
        if (order < 0) add = 0;
        if (!add_i64(order <= 0 ? ta[i].coef : 0, add, &m.coef)) return overflowed(t);
        i += order <= 0;
        j += order >= 0;
        if (m.coef) out[n++] = m;
    }
    return poly_finish(t, c, out, n);
}

dim dim_add(dims *t, dim a, dim b)
{
    return add_scaled(t, a, b, 1);
}

dim dim_sub(dims *t, dim a, dim b)
{
    return a == b ? dim_const(t, 0) : add_scaled(t, a, b, -1);
}

dim dim_addc(dims *t, dim a, int64_t c)
{
    return c ? add_scaled(t, a, dim_const(t, c), 1) : a;
}

dim dim_mulc(dims *t, dim a, int64_t c)
{
    return c == 1 ? a : add_scaled(t, dim_const(t, 0), a, c);
}

static void merge_atoms(const dim_term *a, const dim_term *b, dim *out)
{
    uint32_t i = 0, j = 0, n = 0;
    while (i < a->n_atoms || j < b->n_atoms) {
        const bool left = j == b->n_atoms || (i < a->n_atoms && a->atom[i] <= b->atom[j]);
        out[n++] = left ? a->atom[i++] : b->atom[j++];
    }
}

enum { MOST_PRODUCTS = 1 << 10 }; /* of terms, each added to the sum of those before */

dim dim_mul(dims *t, dim a, dim b)
{
    int64_t c;
    if (dim_is_const(t, a, &c)) return dim_mulc(t, b, c);
    if (dim_is_const(t, b, &c)) return dim_mulc(t, a, c);
    const dim_term *ta, *tb;
    uint32_t na, nb;
    const int64_t ca = dim_poly(t, a, &ta, &na), cb = dim_poly(t, b, &tb, &nb);
    if ((uint64_t)na * nb > MOST_PRODUCTS || dim_length(t, a) + dim_length(t, b) > DIM_LONGEST) {
        t->too_long = true;
        return dim_const(t, 0);
    }
    dim sum = dim_add(t, dim_mulc(t, poly_intern(t, 0, (dim_term *)(uintptr_t)ta, na), cb), dim_mulc(t, b, ca));
    for (uint32_t i = 0; i < na; i++)
        for (uint32_t j = 0; j < nb; j++) {
            dim_term m = {0, NULL, ta[i].n_atoms + tb[j].n_atoms};
            if (!mul_i64(ta[i].coef, tb[j].coef, &m.coef)) return overflowed(t);
            dim *atoms = ARENA_ARRAY(t->mem, dim, m.n_atoms);
            merge_atoms(&ta[i], &tb[j], atoms);
            m.atom = atoms;
            sum = dim_add(t, sum, poly_intern(t, 0, &m, 1));
        }
    return sum;
}

dim dim_product(dims *t, const dim *d, uint32_t n)
{
    dim p = dim_const(t, 1);
    for (uint32_t i = 0; i < n; i++) p = dim_mul(t, p, d[i]);
    return p;
}

/* The monomial a / b, or false. */
static bool divide_term(dims *t, const dim_term *a, const dim_term *b, dim_term *q)
{
    if ((b->coef == -1 && a->coef == INT64_MIN) || a->coef % b->coef || a->n_atoms < b->n_atoms) return false;
    dim *atoms = ARENA_ARRAY(t->mem, dim, a->n_atoms + 1);
    uint32_t n = 0, j = 0;
    for (uint32_t i = 0; i < a->n_atoms; i++) {
        if (j < b->n_atoms && a->atom[i] == b->atom[j]) j++;
        else atoms[n++] = a->atom[i];
    }
    if (j < b->n_atoms) return false;
    *q = (dim_term){a->coef / b->coef, atoms, n};
    return true;
}

static dim term_dim(dims *t, dim_term q)
{
    return q.n_atoms ? poly_intern(t, 0, &q, 1) : dim_const(t, q.coef);
}

/* Polynomial division: a = b * q + r; takes out what the leading term of b divides. */
static void divide_poly(dims *t, dim a, dim b, dim *q, dim *r)
{
    const dim_term *tb;
    uint32_t nb;
    const int64_t cb = dim_poly(t, b, &tb, &nb);
    const dim_term lead = nb ? tb[nb - 1] : (dim_term){cb, NULL, 0};
    *q = dim_const(t, 0);
    *r = dim_const(t, 0);
    for (int guard = 0; guard < 64; guard++) {
        const dim_term *ta;
        uint32_t na;
        const int64_t ca = dim_poly(t, a, &ta, &na);
        if (!na && !ca) return;
        const dim_term top = na ? ta[na - 1] : (dim_term){ca, NULL, 0};
        dim_term k;
        if (divide_term(t, &top, &lead, &k)) {
            const dim kd = term_dim(t, k);
            *q = dim_add(t, *q, kd);
            a = dim_sub(t, a, dim_mul(t, kd, b));
        } else {
            const dim td = term_dim(t, top);
            *r = dim_add(t, *r, td);
            a = dim_sub(t, a, td);
        }
    }
    *r = dim_add(t, *r, a);
}

dim dim_div_exact(dims *t, dim a, dim b)
{
    if (dim_is(t, b, 0)) return 0;
    dim q, r;
    divide_poly(t, a, b, &q, &r);
    return dim_is(t, r, 0) ? q : 0;
}

/* ---- division, minimum, maximum, selection ---- */

static dim atom(dims *t, dim_kind k, dim a, dim b, dim c, dim d)
{
    dnode n = {.kind = k, .arg = {a, b, c, d}};
    const dim known = find(t, &n);
    if (known) return known;
    n.range = range_atom(t, &n);
    for (uint32_t i = 0; i < arg_count(k); i++) n.axis |= at(t, n.arg[i])->axis;
    return node_add(t, &n);
}

/* a = b * q + r with a constant b: coefficients split so that those of r are not multiples of b, its constant in [0, b). */
static void split_const(dims *t, dim a, int64_t b, dim *q, dim *r)
{
    const dim_term *ta;
    uint32_t n;
    const int64_t c = dim_poly(t, a, &ta, &n);
    *q = dim_const(t, floor_div(c, b));
    *r = dim_const(t, floor_mod(c, b));
    for (uint32_t i = 0; i < n; i++) {
        dim_term part = ta[i];
        if (part.coef % b) {
            *r = dim_add(t, *r, term_dim(t, part));
            continue;
        }
        part.coef /= b;
        *q = dim_add(t, *q, term_dim(t, part));
    }
    /* the remainder may still be negative or too large although the constant could be chosen better */
    if (!dim_ge0(t, *r) && dim_ge0(t, dim_addc(t, *r, b)) && dim_lt(t, *r, dim_const(t, 0))) {
        *r = dim_addc(t, *r, b);
        *q = dim_addc(t, *q, -1);
    }
}

static void split(dims *t, dim a, dim b, dim *q, dim *r)
{
    int64_t c;
    if (dim_is_const(t, b, &c)) split_const(t, a, c, q, r);
    else divide_poly(t, a, b, q, r);
}

dim dim_fdiv(dims *t, dim a, dim b)
{
    int64_t c, inner;
    if (dim_is(t, b, 1)) return a;
    if (dim_is_const(t, b, &c) && c <= 0) return c && c != INT64_MIN ? dim_fdiv(t, dim_mulc(t, a, -1), dim_const(t, -c)) : overflowed(t);
    dim q, r;
    split(t, a, b, &q, &r);
    if (dim_is(t, r, 0) || (dim_ge0(t, r) && dim_lt(t, r, b))) return q;
    const dnode *n = at(t, r);
    if (n->kind == DIM_FDIV && dim_is_const(t, n->arg[1], &inner) && dim_is_const(t, b, &c) && mul_i64(inner, c, &inner))
        return dim_add(t, q, dim_fdiv(t, n->arg[0], dim_const(t, inner)));
    return dim_add(t, q, atom(t, DIM_FDIV, r, b, 0, 0));
}

dim dim_mod(dims *t, dim a, dim b)
{
    int64_t c, inner;
    if (dim_is(t, b, 1)) return dim_const(t, 0);
    if (dim_is_const(t, b, &c) && c <= 0) return overflowed(t);
    dim q, r;
    split(t, a, b, &q, &r);
    if (dim_is(t, r, 0) || (dim_ge0(t, r) && dim_lt(t, r, b))) return r;
    const dnode *n = at(t, r);
    if (n->kind == DIM_MOD && dim_is_const(t, n->arg[1], &inner) && dim_is_const(t, b, &c) && inner % c == 0) return dim_mod(t, n->arg[0], b);
    return atom(t, DIM_MOD, r, b, 0, 0);
}

dim dim_cdiv(dims *t, dim a, dim b)
{
    return dim_fdiv(t, dim_add(t, a, dim_addc(t, b, -1)), b);
}

static dim min_max(dims *t, dim_kind k, dim a, dim b)
{
    if (dim_le(t, a, b)) return k == DIM_MIN ? a : b;
    if (dim_le(t, b, a)) return k == DIM_MIN ? b : a;
    return a < b ? atom(t, k, a, b, 0, 0) : atom(t, k, b, a, 0, 0);
}

dim dim_min(dims *t, dim a, dim b)
{
    return min_max(t, DIM_MIN, a, b);
}

dim dim_max(dims *t, dim a, dim b)
{
    return min_max(t, DIM_MAX, a, b);
}

dim dim_select(dims *t, dim a, dim b, dim if_less, dim if_not)
{
    if (if_less == if_not || dim_lt(t, a, b)) return if_less;
    if (dim_le(t, b, a)) return if_not;
    return atom(t, DIM_SELECT, a, b, if_less, if_not);
}

/* ---- whole expressions ---- */

bool dim_affine(dims *t, dim d, dim x, dim *coef, dim *rest)
{
    const dim_term *term;
    uint32_t n;
    const int64_t c = dim_poly(t, d, &term, &n);
    dim k = dim_const(t, 0), r = dim_const(t, c);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t times = 0, where = 0;
        bool hidden = false;
        for (uint32_t j = 0; j < term[i].n_atoms; j++) {
            if (term[i].atom[j] == x) {
                times++;
                where = j;
            } else hidden |= dim_has(t, term[i].atom[j], x);
        }
        if (times > 1 || hidden) return false;
        if (!times) {
            r = dim_add(t, r, term_dim(t, term[i]));
            continue;
        }
        dim_term q = {term[i].coef, NULL, term[i].n_atoms - 1};
        dim *atoms = ARENA_ARRAY(t->mem, dim, q.n_atoms + 1);
        for (uint32_t j = 0, m = 0; j < term[i].n_atoms; j++)
            if (j != where) atoms[m++] = term[i].atom[j];
        q.atom = atoms;
        k = dim_add(t, k, term_dim(t, q));
    }
    *coef = k;
    *rest = r;
    return true;
}

dim dim_subst(dims *t, dim d, uint32_t n, const dim *from, const dim *to)
{
    for (uint32_t i = 0; i < n; i++)
        if (from[i] == d) return to[i];
    const dnode *x = at(t, d);
    if (x->kind == DIM_CONST || x->kind == DIM_SYMBOL || x->kind == DIM_AXIS) return d;
    bool any = false;
    for (uint32_t i = 0; i < n && !any; i++) any = dim_has(t, d, from[i]);
    if (!any) return d;
    if (x->kind == DIM_POLY) {
        dim sum = dim_const(t, x->c);
        for (uint32_t i = 0; i < x->n_terms; i++) {
            dim m = dim_const(t, x->term[i].coef);
            for (uint32_t k = 0; k < x->term[i].n_atoms; k++) m = dim_mul(t, m, dim_subst(t, x->term[i].atom[k], n, from, to));
            sum = dim_add(t, sum, m);
        }
        return sum;
    }
    dim a[4] = {0};
    for (uint32_t i = 0; i < arg_count(x->kind); i++) a[i] = dim_subst(t, x->arg[i], n, from, to);
    switch (x->kind) {
    case DIM_FDIV: return dim_fdiv(t, a[0], a[1]);
    case DIM_MOD: return dim_mod(t, a[0], a[1]);
    case DIM_MIN: return dim_min(t, a[0], a[1]);
    case DIM_MAX: return dim_max(t, a[0], a[1]);
    default: return dim_select(t, a[0], a[1], a[2], a[3]);
    }
}

int64_t dim_eval(const dims *t, dim d, int64_t (*value)(void *ctx, dim atom), void *ctx)
{
    const dnode *n = at(t, d);
    int64_t a[4] = {0};
    for (uint32_t i = 0; i < arg_count(n->kind); i++) a[i] = dim_eval(t, n->arg[i], value, ctx);
    switch (n->kind) {
    case DIM_CONST: return n->c;
    case DIM_SYMBOL:
    case DIM_AXIS: return value(ctx, d);
    case DIM_FDIV: return a[1] > 0 ? floor_div(a[0], a[1]) : 0;
    case DIM_MOD: return a[1] > 0 ? floor_mod(a[0], a[1]) : 0;
    case DIM_MIN: return a[0] < a[1] ? a[0] : a[1];
    case DIM_MAX: return a[0] > a[1] ? a[0] : a[1];
    case DIM_SELECT: return a[0] < a[1] ? a[2] : a[3];
    case DIM_POLY: break;
    }
    int64_t sum = n->c;
    for (uint32_t i = 0; i < n->n_terms; i++) {
        int64_t m = n->term[i].coef;
        for (uint32_t k = 0; k < n->term[i].n_atoms; k++) m = sat_mul(m, dim_eval(t, n->term[i].atom[k], value, ctx));
        sum = sat_add(sum, m);
    }
    return sum;
}

static void atom_text(const dims *t, dim d, text *out)
{
    const dnode *n = at(t, d);
    static const char *const NAME[] = {[DIM_FDIV] = "fdiv", [DIM_MOD] = "mod", [DIM_MIN] = "min", [DIM_MAX] = "max", [DIM_SELECT] = "select"};
    if (n->kind == DIM_SYMBOL) text_add(out, n->name);
    else if (n->kind == DIM_AXIS) text_addf(out, "i%u", d);
    else if (!arg_count(n->kind)) {
        text_add(out, "(");
        dim_text(t, d, out);
        text_add(out, ")");
    } else {
        text_addf(out, "%s(", NAME[n->kind]);
        for (uint32_t i = 0; i < arg_count(n->kind); i++) {
            if (i) text_add(out, ", ");
            dim_text(t, n->arg[i], out);
        }
        text_add(out, ")");
    }
}

void dim_text(const dims *t, dim d, text *out)
{
    const dim_term *term;
    uint32_t n;
    const int64_t c = dim_poly(t, d, &term, &n);
    for (uint32_t i = 0; i < n; i++) {
        const int64_t k = term[i].coef, m = k < 0 && k != INT64_MIN ? -k : k;
        if (i) text_add(out, k < 0 ? " - " : " + ");
        else if (k < 0) text_add(out, "-");
        if (m != 1) text_addf(out, "%" PRId64 "*", m);
        for (uint32_t j = 0; j < term[i].n_atoms; j++) {
            if (j) text_add(out, "*");
            atom_text(t, term[i].atom[j], out);
        }
    }
    if (!n) text_addf(out, "%" PRId64, c);
    else if (c) text_addf(out, c < 0 ? " - %" PRId64 : " + %" PRId64, c < 0 && c != INT64_MIN ? -c : c);
}
