/* dim_bound.c - what a size is at most when symbols in it lie between bounds: how much memory a size that the run decides can take. Each part of the expression
 * is followed between its least and its largest value, as formulas; parts that move together count as if they did not, so a bound may be larger than need be,
 * never smaller. */
#include "ir/dim.h"

typedef struct {
    dim lo, hi;
} span;

typedef struct {
    dims *t;
    uint32_t n;
    const dim *symbol, *lo, *hi;
} bounds;

static span span_of(const bounds *b, dim d);

static bool is_fixed(const bounds *b, dim d)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (dim_has(b->t, d, b->symbol[i])) return false;
    return true;
}

static bool is_le0(dims *t, dim d)
{
    return dim_le(t, d, dim_const(t, 0));
}

static span scaled(dims *t, span a, int64_t k)
{
    const span s = {dim_mulc(t, a.lo, k), dim_mulc(t, a.hi, k)};
    return k < 0 ? (span){s.hi, s.lo} : s;
}

static span product(dims *t, span a, span b)
{
    if (dim_ge0(t, a.lo) && dim_ge0(t, b.lo)) return (span){dim_mul(t, a.lo, b.lo), dim_mul(t, a.hi, b.hi)};
    const dim at[4] = {dim_mul(t, a.lo, b.lo), dim_mul(t, a.lo, b.hi), dim_mul(t, a.hi, b.lo), dim_mul(t, a.hi, b.hi)};
    span s = {at[0], at[0]};
    for (int i = 1; i < 4; i++) s = (span){dim_min(t, s.lo, at[i]), dim_max(t, s.hi, at[i])};
    return s;
}

static span poly_span(const bounds *b, dim d)
{
    const dim_term *term;
    uint32_t n;
    const dim c = dim_const(b->t, dim_poly(b->t, d, &term, &n));
    span sum = {c, c};
    for (uint32_t i = 0; i < n; i++) {
        span m = span_of(b, term[i].atom[0]);
        for (uint32_t k = 1; k < term[i].n_atoms; k++) m = product(b->t, m, span_of(b, term[i].atom[k]));
        m = scaled(b->t, m, term[i].coef);
        sum = (span){dim_add(b->t, sum.lo, m.lo), dim_add(b->t, sum.hi, m.hi)};
    }
    return sum;
}

/* A quotient is farthest from 0 by the smallest divisor. */
static span quotient(dims *t, span a, span by)
{
    const dim one = dim_const(t, 1);
    by = (span){dim_max(t, by.lo, one), dim_max(t, by.hi, one)};
    const dim lo[2] = {dim_fdiv(t, a.lo, by.hi), dim_fdiv(t, a.lo, by.lo)}, hi[2] = {dim_fdiv(t, a.hi, by.lo), dim_fdiv(t, a.hi, by.hi)};
    return (span){dim_ge0(t, a.lo) ? lo[0] : is_le0(t, a.lo) ? lo[1] : dim_min(t, lo[0], lo[1]), dim_ge0(t, a.hi) ? hi[0] : is_le0(t, a.hi) ? hi[1] : dim_max(t, hi[0], hi[1])};
}

static span remainder_span(dims *t, span a, span by)
{
    const dim most = dim_max(t, dim_addc(t, by.hi, -1), dim_const(t, 0));
    return (span){dim_const(t, 0), dim_ge0(t, a.lo) ? dim_min(t, a.hi, most) : most};
}

static span selection(const bounds *b, const dim *arg)
{
    const span x = span_of(b, arg[0]), y = span_of(b, arg[1]), p = span_of(b, arg[2]), q = span_of(b, arg[3]);
    if (dim_lt(b->t, x.hi, y.lo)) return p;
    if (dim_le(b->t, y.hi, x.lo)) return q;
    return (span){dim_min(b->t, p.lo, q.lo), dim_max(b->t, p.hi, q.hi)};
}

static span span_of(const bounds *b, dim d)
{
    dims *t = b->t;
    for (uint32_t i = 0; i < b->n; i++)
        if (b->symbol[i] == d) return (span){b->lo[i], b->hi[i]};
    if (is_fixed(b, d)) return (span){d, d};
    const dim_kind kind = dim_kind_of(t, d);
    if (kind < DIM_FDIV) return poly_span(b, d);
    const dim *arg = dim_args(t, d);
    if (kind == DIM_SELECT) return selection(b, arg);
    const span x = span_of(b, arg[0]), y = span_of(b, arg[1]);
    switch (kind) {
    case DIM_FDIV: return quotient(t, x, y);
    case DIM_MOD: return remainder_span(t, x, y);
    case DIM_MIN: return (span){dim_min(t, x.lo, y.lo), dim_min(t, x.hi, y.hi)};
    default: return (span){dim_max(t, x.lo, y.lo), dim_max(t, x.hi, y.hi)};
    }
}

dim dim_at_most(dims *t, dim d, uint32_t n, const dim *symbol, const dim *lo, const dim *hi)
{
    const bounds b = {t, n, symbol, lo, hi};
    return span_of(&b, d).hi;
}
