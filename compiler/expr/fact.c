/* fact.c - what is known about the value of a node from its arguments alone: the interval of an integer, whether a float can be negative,
 * whether evaluating it can fail. Computed once when a node is made; the constructors fold by it. */
#include <math.h>
#include <string.h>

#include "expr/expr_impl.h"

static interval type_range(ctype t)
{
    switch (t) {
    case CT_BOOL: return (interval){0, 1};
    case CT_I32: return (interval){INT32_MIN, INT32_MAX};
    case CT_U32: return (interval){0, UINT32_MAX};
    case CT_U64: return (interval){0, INT64_MAX}; /* INT64_MAX: no bound */
    default: return (interval){INT64_MIN, INT64_MAX};
    }
}

static interval elem_range(elem t)
{
    const elem_info *info = elem_of(t);
    if (info->kind == 'b') return (interval){0, 1};
    if (info->bits >= 64) return info->kind == 'u' ? (interval){0, INT64_MAX} : (interval){INT64_MIN, INT64_MAX};
    if (info->kind == 'u') return (interval){0, ((int64_t)1 << info->bits) - 1};
    return (interval){-((int64_t)1 << (info->bits - 1)), ((int64_t)1 << (info->bits - 1)) - 1};
}

static bool within(interval a, interval b)
{
    return a.lo >= b.lo && a.hi <= b.hi;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool bounded(interval a)
{
    return a.lo != INT64_MIN && a.hi != INT64_MAX;
}

/* The interval of an exact result, or the type's when the operation may wrap there. */
static interval unless_wrapped(interval r, ctype t)
{
    return bounded(r) && within(r, type_range(t)) ? r : type_range(t);
}

static interval mul_range(interval a, interval b)
{
    if (!bounded(a) || !bounded(b)) return (interval){INT64_MIN, INT64_MAX};
    const int64_t p[4] = {sat_mul(a.lo, b.lo), sat_mul(a.lo, b.hi), sat_mul(a.hi, b.lo), sat_mul(a.hi, b.hi)};
    return (interval){min_i64(min_i64(p[0], p[1]), min_i64(p[2], p[3])), max_i64(max_i64(p[0], p[1]), max_i64(p[2], p[3]))};
}

static interval binary_range(ex_op op, ctype t, interval a, interval b)
{
    const bool known = bounded(a) && bounded(b);
    switch (op) {
    case EX_ADD: return known ? unless_wrapped((interval){sat_add(a.lo, b.lo), sat_add(a.hi, b.hi)}, t) : type_range(t);
    case EX_SUB: return known ? unless_wrapped((interval){sat_add(a.lo, -b.hi), sat_add(a.hi, -b.lo)}, t) : type_range(t);
    case EX_MUL: return unless_wrapped(mul_range(a, b), t);
    case EX_MAX: return (interval){max_i64(a.lo, b.lo), max_i64(a.hi, b.hi)};
    case EX_MIN: return (interval){min_i64(a.lo, b.lo), min_i64(a.hi, b.hi)};
    case EX_FMOD: return b.lo > 0 && b.hi != INT64_MAX ? (interval){0, b.hi - 1} : type_range(t);
    case EX_MOD: return a.lo >= 0 && b.lo > 0 && b.hi != INT64_MAX ? (interval){0, min_i64(a.hi, b.hi - 1)} : type_range(t);
    case EX_DIV:
    case EX_FDIV: return a.lo >= 0 && b.lo > 0 ? (interval){0, a.hi} : type_range(t);
    case EX_AND: return a.lo >= 0 && b.lo >= 0 ? (interval){0, min_i64(a.hi, b.hi)} : type_range(t);
    default: return type_range(t);
    }
}

static interval number_range(const ex_node *n)
{
    if (n->type == CT_U64 && n->i < 0) return (interval){INT64_MAX, INT64_MAX};
    return (interval){n->i, n->i};
}

/* Of a float that is clamped between literals, rounded or not, as an integer: NaN gives 0. */
static interval clamp_range(const exprs *x, ex e)
{
    const ex_node *n = ex_at(x, e);
    const interval none = {INT64_MIN, INT64_MAX};
    double v[2];
    if (n->op == EX_RINT) return clamp_range(x, n->a[0]);
    if (n->op != EX_MIN && n->op != EX_MAX) return none;
    const int lit = ex_is_num(x, n->a[0], &v[0]) ? 0 : 1;
    if (!ex_is_num(x, n->a[lit], &v[0])) return none;
    const ex_node *in = ex_at(x, n->a[1 - lit]);
    if (in->op != (n->op == EX_MIN ? EX_MAX : EX_MIN) || !(ex_is_num(x, in->a[0], &v[1]) || ex_is_num(x, in->a[1], &v[1]))) return none;
    const double hi = n->op == EX_MIN ? v[0] : v[1], lo = n->op == EX_MIN ? v[1] : v[0];
    if (!(fabs(lo) < 0x1p40) || !(fabs(hi) < 0x1p40) || lo > hi) return none;
    return (interval){min_i64((int64_t)floor(lo), 0), max_i64((int64_t)ceil(hi), 0)};
}

static interval range_of(exprs *x, const ex_node *n)
{
    const ctype t = (ctype)n->type;
    const ex_fact *f = x->fact.p;
    const interval a = f[n->a[0]].range;
    switch (n->op) {
    case EX_NUM: return number_range(n);
    case EX_DIM: return dim_range(x->dims, n->d);
    case EX_LOAD: return elem_range((elem)n->elem);
    case EX_CAST: {
        const ctype from = ex_type(x, n->a[0]);
        if (ctype_is_float(from) && bounded(type_range(t)) && within(clamp_range(x, n->a[0]), type_range(t))) return clamp_range(x, n->a[0]);
        return !ctype_is_float(from) && within(a, type_range(t)) && (bounded(a) || from == t) ? a : type_range(t);
    }
    case EX_ROUND: return within(a, elem_range((elem)n->elem)) ? a : elem_range((elem)n->elem);
    case EX_NEG: return bounded(a) ? unless_wrapped((interval){-a.hi, -a.lo}, t) : type_range(t);
    case EX_ABS: return a.lo >= 0 ? a : bounded(a) ? unless_wrapped((interval){0, max_i64(-a.lo, a.hi)}, t) : type_range(t);
    case EX_SELECT: {
        const interval b = f[n->a[1]].range, c = f[n->a[2]].range;
        return (interval){min_i64(b.lo, c.lo), max_i64(b.hi, c.hi)};
    }
    case EX_INDEX: {
        const interval size = f[n->a[1]].range;
        return (interval){0, size.hi == INT64_MAX ? INT64_MAX : max_i64(size.hi - 1, 0)};
    }
    default: return ex_arity((ex_op)n->op) == 2 && t != CT_BOOL ? binary_range((ex_op)n->op, t, a, f[n->a[1]].range) : type_range(t);
    }
}

/* Never negative and never -0: what makes pow(x, 0.5) the same as sqrt(x). */
static bool float_not_neg(const exprs *x, const ex_node *n)
{
    const ex_fact *f = x->fact.p;
    uint64_t bits;
    memcpy(&bits, &n->f, sizeof bits);
    switch (n->op) {
    case EX_NUM: return !(bits >> 63);
    case EX_ABS:
    case EX_EXP:
    case EX_EXPN:
    case EX_COSH: return true;
    case EX_SQRT:
    case EX_FLOOR:
    case EX_RINT:
    case EX_TRUNC:
    case EX_CEIL: return f[n->a[0]].not_neg;
    case EX_CAST: return !ctype_is_float(ex_type(x, n->a[0])) && f[n->a[0]].range.lo >= 0;
    case EX_MUL: return n->a[0] == n->a[1] || (f[n->a[0]].not_neg && f[n->a[1]].not_neg);
    case EX_ADD:
    case EX_DIV:
    case EX_MIN: return f[n->a[0]].not_neg && f[n->a[1]].not_neg;
    case EX_MAX: return f[n->a[0]].not_neg && f[n->a[1]].not_neg;
    case EX_SELECT: return f[n->a[1]].not_neg && f[n->a[2]].not_neg;
    default: return false;
    }
}

ex_fact ex_derive(exprs *x, const ex_node *n)
{
    ex_fact r = {.can_fail = n->op == EX_INDEX};
    const ex *kid;
    const uint32_t count = ex_kids(n, &kid);
    for (uint32_t i = 0; i < count; i++) r.can_fail |= x->fact.p[kid[i]].can_fail;
    if (ctype_is_float((ctype)n->type)) r.not_neg = float_not_neg(x, n);
    else r.range = range_of(x, n);
    return r;
}
