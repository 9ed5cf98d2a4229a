/* build.c - constructors of expressions. They simplify, so that equal expressions get equal ids and nothing known at compile time reaches
 * the generated code.
 *
 * Rules. Integers that are DIMs stay one DIM, in its normal form. Literals fold with exactly the arithmetic of the interpreter (vecop.h).
 * Float rewrites are only those that give the same bits for every argument, NaN and signed zeros included (NaN payloads aside): no x + 0,
 * no x * 0, nothing reassociated. Boolean and integer rewrites use intervals (fact.c) and proofs of dim.h. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "expr/expr_impl.h"
#include "expr/vecop.h"

/* DIMs hold constants up to here, so that sums of two never overflow; larger I64 literals are NUM nodes. */
#define DIM_LITERAL_MAX ((int64_t)1 << 61)

static bool is_int(ctype t)
{
    return t != CT_BOOL && t != CT_STR && !ctype_is_float(t);
}

static ex_op op_of(const exprs *x, ex e)
{
    return (ex_op)ex_at(x, e)->op;
}

static ex arg(const exprs *x, ex e, int i)
{
    return ex_at(x, e)->a[i];
}

static interval range_at(const exprs *x, ex e)
{
    return x->fact.p[e].range;
}

/* ---- leaves ---- */

ex ex_f(exprs *x, ctype t, double v)
{
    assert(ctype_is_float(t));
    ex_node n = {.op = EX_NUM, .type = (uint8_t)t};
    n.f = t == CT_F32 ? (double)(float)v : v;
    if (isnan(n.f)) n.f = (double)NAN; /* one NaN */
    return ex_make(x, &n);
}

static ex number(exprs *x, ctype t, int64_t v)
{
    return ex_make(x, &(ex_node){.op = EX_NUM, .type = (uint8_t)t, .i = v});
}

ex ex_i(exprs *x, ctype t, int64_t v)
{
    switch (t) {
    case CT_BOOL: return number(x, t, v != 0);
    case CT_I32: return number(x, t, (int32_t)(uint32_t)v);
    case CT_U32: return number(x, t, (int64_t)(uint32_t)v);
    case CT_I64: return v > DIM_LITERAL_MAX || v < -DIM_LITERAL_MAX ? number(x, t, v) : ex_dim(x, dim_const(x->dims, v));
    case CT_U64: return number(x, t, v);
    default: return ex_f(x, t, (double)v);
    }
}

ex ex_bool(exprs *x, bool v)
{
    return number(x, CT_BOOL, v);
}

ex ex_dim(exprs *x, dim d)
{
    int64_t v = 0;
    assert(d);
    if (dim_is_const(x->dims, d, &v) && (v > DIM_LITERAL_MAX || v < -DIM_LITERAL_MAX)) return number(x, CT_I64, v);
    return ex_make(x, &(ex_node){.op = EX_DIM, .type = CT_I64, .d = d});
}

ex ex_load(exprs *x, slot s, elem stored, uint32_t n, const ex *idx)
{
    assert(s && n <= 255);
    for (uint32_t i = 0; i < n; i++) assert(ex_type(x, idx[i]) == CT_I64);
    return ex_make(x, &(ex_node){.op = EX_LOAD, .type = (uint8_t)ctype_of(stored), .elem = (uint8_t)stored, .slot = s, .n = (uint8_t)n, .idx = n ? idx : NULL});
}

ex ex_acc(exprs *x, uint32_t id, ctype t)
{
    return ex_make(x, &(ex_node){.op = EX_ACC, .type = (uint8_t)t, .i = id});
}

/* ---- literals ---- */

bool ex_literal(const exprs *x, ex e, lane *v)
{
    const ex_node *n = ex_at(x, e);
    int64_t i = n->i;
    memset(v, 0, sizeof *v);
    if (n->op == EX_DIM) {
        if (!dim_is_const(x->dims, n->d, &i)) return false;
    } else if (n->op != EX_NUM) return false;
    switch (n->type) {
    case CT_BOOL: v->b = i != 0; break;
    case CT_I32: v->i32 = (int32_t)i; break;
    case CT_U32: v->u32 = (uint32_t)i; break;
    case CT_F32: v->f32 = (float)n->f; break;
    case CT_F64: v->f64 = n->f; break;
    default: v->i64 = i;
    }
    return true;
}

ex ex_from_lane(exprs *x, ctype t, const lane *v)
{
    switch (t) {
    case CT_BOOL: return ex_bool(x, v->b != 0);
    case CT_I32: return ex_i(x, t, v->i32);
    case CT_U32: return ex_i(x, t, v->u32);
    case CT_F32: return ex_f(x, t, (double)v->f32);
    case CT_F64: return ex_f(x, t, v->f64);
    default: return ex_i(x, t, v->i64);
    }
}

bool ex_is_num(const exprs *x, ex e, double *v)
{
    lane l;
    if (!ex_literal(x, e, &l)) return false;
    if (!v) return true;
    switch (ex_type(x, e)) {
    case CT_BOOL: *v = l.b; break;
    case CT_I32: *v = l.i32; break;
    case CT_U32: *v = l.u32; break;
    case CT_I64: *v = (double)l.i64; break;
    case CT_U64: *v = (double)l.u64; break;
    case CT_F32: *v = (double)l.f32; break;
    case CT_F64: *v = l.f64; break;
    case CT_STR: return false;
    }
    return true;
}

bool ex_is_dim(const exprs *x, ex e, dim *d)
{
    const ex_node *n = ex_at(x, e);
    if (n->op != EX_DIM) return false;
    if (d) *d = n->d;
    return true;
}

ex ex_as_i32(exprs *x, ex e)
{
    const ex_node n = *ex_at(x, e);
    double v;
    if (ex_is_num(x, e, &v)) return fabs(v) < 1e9 ? ex_i(x, CT_I32, (int64_t)v) : 0;
    if (n.op == EX_CAST && ex_type(x, n.a[0]) == CT_I32) return n.a[0];
    if (n.op != EX_ADD && n.op != EX_SUB) return 0;
    const ex a = ex_as_i32(x, n.a[0]), b = ex_as_i32(x, n.a[1]);
    return a && b ? ex_bin(x, (ex_op)n.op, a, b) : 0;
}

static bool is_literal(const exprs *x, ex e)
{
    lane ignored;
    return ex_literal(x, e, &ignored);
}

/* The integer or bool literal v. */
static bool is_i(const exprs *x, ex e, int64_t v)
{
    const interval r = range_at(x, e);
    return !ctype_is_float(ex_type(x, e)) && is_literal(x, e) && r.lo == v && r.hi == v && v != INT64_MAX;
}

/* The float literal v, sign of zero included. */
static bool is_f(const exprs *x, ex e, double v)
{
    const ex_node *n = ex_at(x, e);
    return n->op == EX_NUM && ctype_is_float((ctype)n->type) && n->f == v && signbit(n->f) == signbit(v);
}

/* ---- one argument ---- */

static ex plain_un(exprs *x, ex_op op, ctype t, ex a)
{
    return ex_make(x, &(ex_node){.op = (uint8_t)op, .type = (uint8_t)t, .a = {a}});
}

static ex plain_bin(exprs *x, ex_op op, ctype t, ex a, ex b)
{
    return ex_make(x, &(ex_node){.op = (uint8_t)op, .type = (uint8_t)t, .a = {a, b}});
}

static ex un_dim(exprs *x, ex_op op, dim d)
{
    dims *t = x->dims;
    const dim minus = dim_sub(t, dim_const(t, 0), d);
    if (op == EX_NEG) return ex_dim(x, minus);
    return ex_dim(x, dim_ge0(t, d) ? d : dim_max(t, d, minus)); /* ABS */
}

static bool is_rounding(ex_op op)
{
    return op == EX_FLOOR || op == EX_CEIL || op == EX_RINT || op == EX_TRUNC;
}

static ex not_bool(exprs *x, ex a)
{
    const ex_node n = *ex_at(x, a);
    switch (n.op) {
    case EX_NOT: return n.a[0];
    case EX_EQ: return ex_bin(x, EX_NE, n.a[0], n.a[1]);
    case EX_NE: return ex_bin(x, EX_EQ, n.a[0], n.a[1]);
    case EX_LT: /* not of floats: a NaN makes both false */ return ctype_is_float(ex_type(x, n.a[0])) ? 0 : ex_bin(x, EX_LE, n.a[1], n.a[0]);
    case EX_LE: return ctype_is_float(ex_type(x, n.a[0])) ? 0 : ex_bin(x, EX_LT, n.a[1], n.a[0]);
    default: return 0;
    }
}

/* A simpler form of op(a), or 0. */
static ex simpler_un(exprs *x, ex_op op, ctype t, ex a)
{
    const ex_op inner = op_of(x, a);
    dim d;
    if (ex_is_dim(x, a, &d) && (op == EX_NEG || op == EX_ABS)) return un_dim(x, op, d);
    if (op == EX_NOT) return t == CT_BOOL ? not_bool(x, a) : inner == EX_NOT ? arg(x, a, 0) : 0;
    if (!ctype_is_float(t)) {
        if (is_rounding(op)) return a;
        if (op == EX_ISNAN || op == EX_ISINF) return ex_bool(x, false);
        if (op == EX_ABS && range_at(x, a).lo >= 0) return a;
        return op == EX_NEG && inner == EX_NEG ? arg(x, a, 0) : 0;
    }
    if (op == EX_NEG) return inner == EX_NEG ? arg(x, a, 0) : 0;
    if (op == EX_ABS) return x->fact.p[a].not_neg ? a : inner == EX_NEG || inner == EX_ABS ? ex_un(x, EX_ABS, arg(x, a, 0)) : 0;
    if (is_rounding(op)) return is_rounding(inner) || (inner == EX_CAST && !ctype_is_float(ex_type(x, arg(x, a, 0)))) ? a : 0;
    return 0;
}

ex ex_un(exprs *x, ex_op op, ex a)
{
    const ctype t = ex_type(x, a);
    const ctype to = op == EX_ISNAN || op == EX_ISINF ? CT_BOOL : t;
    assert(op >= EX_NEG && op <= EX_NOT);
    assert(ctype_is_float(t) || op == EX_NEG || op == EX_ABS || op == EX_NOT || is_rounding(op) || to == CT_BOOL);
    lane v;
    if (ex_literal(x, a, &v)) {
        vec_un(op, t, 1, &v, &v);
        return ex_from_lane(x, to, &v);
    }
    const ex r = simpler_un(x, op, t, a);
    return r ? r : plain_un(x, op, to, a);
}

/* ---- conversions ---- */

/* Every value of `from` is a value of `to`. */
static bool holds(ctype to, ctype from)
{
    if (to == from || from == CT_BOOL) return to != CT_BOOL || from == CT_BOOL;
    switch (from) {
    case CT_I32: return to == CT_I64 || to == CT_F64;
    case CT_U32: return to == CT_I64 || to == CT_U64 || to == CT_F64;
    case CT_F32: return to == CT_F64;
    default: return false;
    }
}

ex ex_cast(exprs *x, ctype to, ex a)
{
    const ctype from = ex_type(x, a);
    lane v;
    if (from == to) return a;
    if (ex_literal(x, a, &v)) {
        lane r = {0};
        vec_cast(to, from, 1, &r, &v);
        return ex_from_lane(x, to, &r);
    }
    if (to == CT_BOOL) return ex_bin(x, EX_NE, a, ex_i(x, from, 0));
    if (op_of(x, a) == EX_CAST) {
        /* The step between loses nothing, so only its source matters - but an integer seen through a float saturates where one seen
         * directly wraps. */
        const ex inner = arg(x, a, 0);
        const ctype source = ex_type(x, inner);
        const bool kinds_differ = !ctype_is_float(source) && ctype_is_float(from) && !ctype_is_float(to);
        if (holds(from, source) && (!kinds_differ || holds(to, source))) return ex_cast(x, to, inner);
        /* Integers that kept their value on the way and fit the new type too (a DIM counted as I32 and back). */
        const interval r = range_at(x, inner), through = range_at(x, a);
        if (is_int(source) && is_int(from) && r.lo == through.lo && r.hi == through.hi && source == to) return inner;
    }
    return plain_un(x, EX_CAST, to, a);
}

ex ex_round(exprs *x, elem to, ex a)
{
    const ctype t = ex_type(x, a);
    const elem_info *info = elem_of(to);
    const ex_op inner = op_of(x, a);
    lane v;
    if (t == CT_BOOL || t == CT_STR || to == ELEM_DOUBLE || (t == CT_F32 && to == ELEM_FLOAT)) return a;
    if (is_int(t) && info->kind != 'f' && (info->bits == 64 || (t == CT_I32 && to == ELEM_INT32) || (t == CT_U32 && to == ELEM_UINT32))) return a;
    if (ex_literal(x, a, &v)) {
        vec_round(to, t, 1, &v, &v);
        return ex_from_lane(x, t, &v);
    }
    if ((inner == EX_ROUND || inner == EX_LOAD) && ex_at(x, a)->elem == to) return a;
    ex_node n = {.op = EX_ROUND, .type = (uint8_t)t, .elem = (uint8_t)to, .a = {a}};
    if (is_int(t) && info->kind != 'f') {
        const interval r = range_at(x, a), all = info->kind == 'u' ? (interval){0, ((int64_t)1 << info->bits) - 1}
                                                                  : (interval){-((int64_t)1 << (info->bits - 1)), ((int64_t)1 << (info->bits - 1)) - 1};
        if (info->kind != 'b' && r.lo >= all.lo && r.hi <= all.hi) return a;
    }
    return ex_make(x, &n);
}

ex ex_bitcast(exprs *x, ctype to, ex a)
{
    const ctype from = ex_type(x, a);
    lane v;
    assert(lane_bytes(to) == lane_bytes(from));
    if (to == from) return a;
    if (ex_literal(x, a, &v)) return ex_from_lane(x, to, &v);
    if (op_of(x, a) == EX_BITCAST) return ex_bitcast(x, to, arg(x, a, 0));
    return plain_un(x, EX_BITCAST, to, a);
}

/* ---- integers that are DIMs ---- */

/* op on two DIMs as a DIM, or 0 when it cannot be said (division by something that may be 0 or negative). */
static ex dim_arith(exprs *x, ex_op op, dim a, dim b)
{
    dims *t = x->dims;
    const bool divides = dim_lt(t, dim_const(t, 0), b);
    switch (op) {
    case EX_ADD: return ex_dim(x, dim_add(t, a, b));
    case EX_SUB: return ex_dim(x, dim_sub(t, a, b));
    case EX_MUL: return ex_dim(x, dim_mul(t, a, b));
    case EX_MAX: return ex_dim(x, dim_max(t, a, b));
    case EX_MIN: return ex_dim(x, dim_min(t, a, b));
    case EX_FDIV: return divides ? ex_dim(x, dim_fdiv(t, a, b)) : 0;
    case EX_FMOD: return divides ? ex_dim(x, dim_mod(t, a, b)) : 0;
    case EX_DIV: return divides && dim_ge0(t, a) ? ex_dim(x, dim_fdiv(t, a, b)) : 0;
    case EX_MOD: return divides && dim_ge0(t, a) ? ex_dim(x, dim_mod(t, a, b)) : 0;
    default: return 0;
    }
}

/* Splits d into two sides with positive coefficients: d = *right - *left. One normal form for `i - 1 < 5` and `i < 6`. */
static void two_sides(exprs *x, dim d, dim *left, dim *right)
{
    dims *t = x->dims;
    const dim_term *term;
    uint32_t n;
    const int64_t c = dim_poly(t, d, &term, &n);
    const bool least = c == INT64_MIN; /* which has no positive */
    *left = dim_const(t, c < 0 && !least ? -c : 0);
    *right = dim_const(t, c > 0 || least ? c : 0);
    for (uint32_t i = 0; i < n; i++) {
        const dim product = dim_product(t, term[i].atom, term[i].n_atoms);
        if (term[i].coef > 0) *right = dim_add(t, *right, dim_mulc(t, product, term[i].coef));
        else *left = dim_add(t, *left, dim_mulc(t, product, -term[i].coef));
    }
}

static ex dim_compare(exprs *x, ex_op op, dim a, dim b)
{
    dims *t = x->dims;
    dim left, right;
    if (op == EX_LE) return dim_compare(x, EX_LT, a, dim_addc(t, b, 1));
    if (op == EX_LT) {
        if (dim_lt(t, a, b)) return ex_bool(x, true);
        if (dim_le(t, b, a)) return ex_bool(x, false);
        two_sides(x, dim_sub(t, b, a), &left, &right);
        return plain_bin(x, EX_LT, CT_BOOL, ex_dim(x, left), ex_dim(x, right));
    }
    if (a == b) return ex_bool(x, op == EX_EQ);
    if (dim_lt(t, a, b) || dim_lt(t, b, a)) return ex_bool(x, op == EX_NE);
    two_sides(x, dim_sub(t, b, a), &left, &right);
    const ex l = ex_dim(x, left), r = ex_dim(x, right);
    const bool swap = is_literal(x, l) || (!is_literal(x, r) && l > r);
    return plain_bin(x, op, CT_BOOL, swap ? r : l, swap ? l : r);
}

/* ---- two arguments ---- */

static bool commutes(ex_op op)
{
    return op == EX_ADD || op == EX_MUL || op == EX_MAX || op == EX_MIN || op == EX_AND || op == EX_OR || op == EX_XOR || op == EX_EQ || op == EX_NE;
}

/* a < b (for all values of these dims) follows from, or implies, another such comparison. */
static bool implies(exprs *x, ex a, ex b)
{
    const ex_node *p = ex_at(x, a), *q = ex_at(x, b);
    dim d[4];
    if (a == b) return true;
    if (p->op != EX_LT || q->op != EX_LT) return false;
    for (int i = 0; i < 2; i++)
        if (!ex_is_dim(x, p->a[i], &d[i]) || !ex_is_dim(x, q->a[i], &d[2 + i])) return false;
    dims *t = x->dims;
    return dim_le(t, dim_sub(t, d[1], d[0]), dim_sub(t, d[3], d[2]));
}

/* Is b implied by one of the conjuncts of a? Looks at the last few only: guards are short. */
static bool implied(exprs *x, ex a, ex b)
{
    for (int i = 0; i < 16; i++) {
        if (op_of(x, a) != EX_AND) return implies(x, a, b);
        if (implies(x, arg(x, a, 1), b) || implies(x, arg(x, a, 0), b)) return true;
        a = arg(x, a, 0);
    }
    return false;
}

static ex bin_bool_op(exprs *x, ex_op op, ex a, ex b)
{
    const bool lit = is_literal(x, b), v = lit && is_i(x, b, 1);
    const bool opposite = (op_of(x, a) == EX_NOT && arg(x, a, 0) == b) || (op_of(x, b) == EX_NOT && arg(x, b, 0) == a);
    switch (op) {
    case EX_AND:
    case EX_MUL:
    case EX_MIN:
        if (lit) return v ? a : b;
        if (opposite) return ex_bool(x, false);
        return implied(x, a, b) ? a : implied(x, b, a) ? b : 0;
    case EX_OR:
    case EX_ADD:
    case EX_MAX:
        if (lit) return v ? b : a;
        if (opposite) return ex_bool(x, true);
        return implies(x, a, b) ? b : implies(x, b, a) ? a : 0;
    case EX_XOR:
    case EX_NE:
        if (a == b) return ex_bool(x, false);
        return lit ? (v ? ex_un(x, EX_NOT, a) : a) : 0;
    case EX_EQ:
        if (a == b) return ex_bool(x, true);
        return lit ? (v ? a : ex_un(x, EX_NOT, a)) : 0;
    default: return 0;
    }
}

static ex compare_int(exprs *x, ex_op op, ex a, ex b)
{
    const interval p = range_at(x, a), q = range_at(x, b);
    const bool top = p.hi == INT64_MAX || q.hi == INT64_MAX; /* no bound: only strict orders below are proofs */
    switch (op) {
    case EX_LT:
        if (op_of(x, a) == EX_INDEX && arg(x, a, 1) == b) return ex_bool(x, true);
        if (a == b || (p.lo >= q.hi && q.hi != INT64_MAX)) return ex_bool(x, false);
        return p.hi < q.lo ? ex_bool(x, true) : 0;
    case EX_LE:
        if (a == b || (p.hi <= q.lo && !top)) return ex_bool(x, true);
        return p.lo > q.hi ? ex_bool(x, false) : 0;
    default:
        if (a == b) return ex_bool(x, op == EX_EQ);
        return p.hi < q.lo || q.hi < p.lo ? ex_bool(x, op == EX_NE) : 0;
    }
}

/* (y op c1) op c2 -> y op (c1 op c2); exact for wrapping integers, and for MAX and MIN of anything. */
static ex regroup(exprs *x, ex_op op, ex a, ex b)
{
    if (op_of(x, a) != op || !is_literal(x, b) || !is_literal(x, arg(x, a, 1))) return 0;
    return ex_bin(x, op, arg(x, a, 0), ex_bin(x, op, arg(x, a, 1), b));
}

/* Sums of a DIM and something else keep one DIM, outermost and on the right: (p + d) + e -> p + (d + e), (p + d) + q -> (p + q) + d. */
static ex gather_dims(exprs *x, ex_op op, ex a, ex b)
{
    dim d, e;
    if (op_of(x, a) != EX_ADD || !ex_is_dim(x, arg(x, a, 1), &d)) {
        if (op != EX_ADD || ex_is_dim(x, b, NULL) || op_of(x, b) != EX_ADD || !ex_is_dim(x, arg(x, b, 1), NULL)) return 0;
        return ex_bin(x, EX_ADD, ex_bin(x, EX_ADD, a, arg(x, b, 0)), arg(x, b, 1));
    }
    const ex p = arg(x, a, 0);
    if (!ex_is_dim(x, b, &e)) return ex_bin(x, EX_ADD, ex_bin(x, op, p, b), arg(x, a, 1));
    return ex_bin(x, EX_ADD, p, ex_dim(x, op == EX_ADD ? dim_add(x->dims, d, e) : dim_sub(x->dims, d, e)));
}

static ex bin_int_op(exprs *x, ex_op op, ctype t, ex a, ex b)
{
    const interval p = range_at(x, a), q = range_at(x, b);
    const bool zero = is_i(x, b, 0), one = is_i(x, b, 1);
    switch (op) {
    case EX_ADD: return zero ? a : t == CT_I64 ? gather_dims(x, op, a, b) : regroup(x, op, a, b);
    case EX_SUB: return zero ? a : a == b ? ex_i(x, t, 0) : t == CT_I64 ? gather_dims(x, op, a, b) : 0;
    case EX_MUL: return zero ? b : one ? a : regroup(x, op, a, b);
    case EX_DIV:
    case EX_FDIV: return one ? a : zero ? ex_i(x, t, 0) : 0;
    case EX_MOD:
    case EX_FMOD:
        if (one || zero) return ex_i(x, t, 0);
        return p.lo >= 0 && p.hi < q.lo ? a : 0;
    case EX_MAX:
        if (a == b || (p.lo >= q.hi && q.hi != INT64_MAX)) return a;
        return q.lo >= p.hi && p.hi != INT64_MAX ? b : regroup(x, op, a, b);
    case EX_MIN:
        if (a == b || (p.hi <= q.lo && p.hi != INT64_MAX)) return a;
        return q.hi <= p.lo && q.hi != INT64_MAX ? b : regroup(x, op, a, b);
    case EX_AND: return zero ? b : a == b || is_i(x, b, -1) ? a : regroup(x, op, a, b);
    case EX_OR: return zero || a == b ? a : is_i(x, b, -1) ? b : regroup(x, op, a, b);
    case EX_XOR: return zero ? a : a == b ? ex_i(x, t, 0) : regroup(x, op, a, b);
    case EX_SHL:
    case EX_SHR: return zero ? a : 0;
    case EX_POW: return one ? a : zero ? ex_i(x, t, 1) : is_i(x, b, 2) ? ex_bin(x, EX_MUL, a, a) : 0;
    case EX_LT:
    case EX_LE:
    case EX_EQ:
    case EX_NE: return compare_int(x, op, a, b);
    default: return 0;
    }
}

/* 1 / v when v is a power of two and the reciprocal is exact in t: then x / v and x * (1 / v) round the same real number. */
static bool exact_reciprocal(ctype t, double v, double *r)
{
    int e;
    if (fabs(frexp(v, &e)) != 0.5) return false;
    *r = 1 / v;
    return t == CT_F32 ? isnormal((float)*r) : isnormal(*r);
}

/* x to 0.5, 0.25 or 0.75, of its root. */
static ex pow_of_root(exprs *x, double p, ex root)
{
    if (p == 0.5) return root;
    const ex fourth = ex_un(x, EX_SQRT, root);
    return p == 0.25 ? fourth : ex_bin(x, EX_MUL, root, fourth);
}

/* x to a literal power. Square, cube, reciprocal and products of roots are within three ulps of any pow; roots must keep pow's values at -inf and -0. */
static ex pow_const(exprs *x, ctype t, ex a, double p)
{
    if (p == 0) return ex_f(x, t, 1);
    if (p == 1) return a;
    if (p == 2) return ex_bin(x, EX_MUL, a, a);
    if (p == 3) return ex_bin(x, EX_MUL, ex_bin(x, EX_MUL, a, a), a);
    if (p == -1) return ex_bin(x, EX_DIV, ex_f(x, t, 1), a);
    const double size = fabs(p);
    if (size != 0.25 && size != 0.5 && size != 0.75) return 0;
    const bool not_neg = x->fact.p[a].not_neg;
    ex power = pow_of_root(x, size, ex_un(x, EX_SQRT, not_neg ? a : ex_bin(x, EX_ADD, a, ex_f(x, t, 0)))); /* + 0 makes -0 positive */
    if (p < 0) power = ex_bin(x, EX_DIV, ex_f(x, t, 1), power);
    if (not_neg) return power;
    const ex minus_inf = ex_bin(x, EX_EQ, a, ex_f(x, t, -(double)INFINITY));
    return ex_select(x, minus_inf, ex_f(x, t, p > 0 ? (double)INFINITY : 0), power);
}

/* In a sum with a number that no subnormal one changes. */
static ex beside(exprs *x, ctype t, ex e, double number)
{
    return t == CT_F32 && op_of(x, e) == EX_EXP && fabs(number) >= 0x1p-90 ? ex_un(x, EX_EXPN, arg(x, e, 0)) : 0;
}

/* a / (1 + exp(-c a)) for the product of a and 1 / (1 + exp(-c a)), a swish: an operation and a rounding less. Not for the gate of something else, which may be one
 * for many products. */
static ex swish(exprs *x, ex a, ex gate)
{
    if (op_of(x, gate) != EX_DIV || !is_f(x, arg(x, gate, 0), 1)) return 0;
    const ex sum = arg(x, gate, 1), power = op_of(x, sum) == EX_ADD && is_f(x, arg(x, sum, 1), 1) ? arg(x, sum, 0) : 0;
    if (!power || op_of(x, power) != EX_EXPN) return 0;
    const ex e = arg(x, power, 0);
    const bool own = e == ex_un(x, EX_NEG, a) || (op_of(x, e) == EX_MUL && arg(x, e, 0) == a && is_literal(x, arg(x, e, 1)));
    return own ? ex_bin(x, EX_DIV, a, sum) : 0;
}

static ex bin_float_op(exprs *x, ex_op op, ctype t, ex a, ex b)
{
    const ex_op oa = op_of(x, a), ob = op_of(x, b);
    double v, r;
    const bool lit = ex_is_num(x, b, &v);
    ex e;
    switch (op) {
    case EX_ADD:
        if (is_f(x, b, -0.0)) return a;
        if (lit && (e = beside(x, t, a, v))) return ex_bin(x, EX_ADD, e, b);
        return ob == EX_NEG ? ex_bin(x, EX_SUB, a, arg(x, b, 0)) : oa == EX_NEG ? ex_bin(x, EX_SUB, b, arg(x, a, 0)) : 0;
    case EX_SUB:
        if (is_f(x, b, 0.0)) return a;
        if (is_f(x, a, -0.0)) return ex_un(x, EX_NEG, b);
        if (lit && (e = beside(x, t, a, v))) return ex_bin(x, EX_SUB, e, b);
        if (ex_is_num(x, a, &v) && (e = beside(x, t, b, v))) return ex_bin(x, EX_SUB, a, e);
        return ob == EX_NEG ? ex_bin(x, EX_ADD, a, arg(x, b, 0)) : 0;
    case EX_MUL:
        if (is_f(x, b, 1)) return a;
        if (is_f(x, b, -1)) return ex_un(x, EX_NEG, a);
        if (oa == EX_NEG && ob == EX_NEG) return ex_bin(x, EX_MUL, arg(x, a, 0), arg(x, b, 0));
        if ((e = swish(x, a, b)) || (e = swish(x, b, a))) return e;
        return oa == EX_NEG && lit ? ex_bin(x, EX_MUL, arg(x, a, 0), ex_f(x, t, -v)) : 0;
    case EX_DIV:
        if (is_f(x, b, 1)) return a;
        if (is_f(x, b, -1)) return ex_un(x, EX_NEG, a);
        return lit && exact_reciprocal(t, v, &r) ? ex_bin(x, EX_MUL, a, ex_f(x, t, r)) : 0;
    case EX_MAX:
    case EX_MIN: return a == b ? a : regroup(x, op, a, b);
    case EX_POW: return lit ? pow_const(x, t, a, v) : 0;
    case EX_LT: return a == b ? ex_bool(x, false) : 0;
    case EX_EQ:
    case EX_NE: return a == b ? (op == EX_NE ? ex_un(x, EX_ISNAN, a) : 0) : 0;
    default: return 0;
    }
}

/* Arguments that commute stand in this order: others, DIMs, literals; the older first. */
static int place(const exprs *x, ex e)
{
    return is_literal(x, e) ? 2 : op_of(x, e) == EX_DIM;
}

ex ex_bin(exprs *x, ex_op op, ex a, ex b)
{
    const ctype t = ex_type(x, a);
    const bool compares = op >= EX_LT && op <= EX_NE;
    assert(op >= EX_ADD && op <= EX_NE);
    assert(t == ex_type(x, b));
    lane p, q;
    if (ex_literal(x, a, &p) && ex_literal(x, b, &q)) {
        vec_bin(op, t, 1, &p, &p, &q);
        return ex_from_lane(x, compares ? CT_BOOL : t, &p);
    }
    dim da, db;
    if (ex_is_dim(x, a, &da) && ex_is_dim(x, b, &db)) {
        const ex r = compares ? dim_compare(x, op, da, db) : dim_arith(x, op, da, db);
        if (r) return r;
    }
    const int pa = place(x, a), pb = place(x, b);
    if (commutes(op) && (pa > pb || (pa == pb && a > b))) {
        const ex s = a;
        a = b;
        b = s;
    }
    const ex r = t == CT_BOOL ? bin_bool_op(x, op, a, b) : is_int(t) ? bin_int_op(x, op, t, a, b) : bin_float_op(x, op, t, a, b);
    return r ? r : plain_bin(x, op, compares ? CT_BOOL : t, a, b);
}

/* ---- three arguments, guards ---- */

ex ex_select(exprs *x, ex c, ex a, ex b)
{
    const ctype t = ex_type(x, a);
    assert(ex_type(x, c) == CT_BOOL && t == ex_type(x, b));
    if (is_literal(x, c)) return is_i(x, c, 1) ? a : b;
    if (a == b) return a;
    const ex_node n = *ex_at(x, c);
    if (n.op == EX_NOT) return ex_select(x, n.a[0], b, a);
    if (op_of(x, a) == EX_SELECT && arg(x, a, 0) == c) return ex_select(x, c, arg(x, a, 1), b);
    if (op_of(x, b) == EX_SELECT && arg(x, b, 0) == c) return ex_select(x, c, a, arg(x, b, 2));
    if (t == CT_BOOL && is_literal(x, a) && is_literal(x, b)) return is_i(x, a, 1) ? c : ex_un(x, EX_NOT, c);
    dim d[4];
    if (n.op == EX_LT && ex_is_dim(x, n.a[0], &d[0]) && ex_is_dim(x, n.a[1], &d[1]) && ex_is_dim(x, a, &d[2]) && ex_is_dim(x, b, &d[3]))
        return ex_dim(x, dim_select(x->dims, d[0], d[1], d[2], d[3]));
    return ex_make(x, &(ex_node){.op = EX_SELECT, .type = (uint8_t)t, .a = {c, a, b}});
}

ex ex_index(exprs *x, ex v, ex n)
{
    assert(ex_type(x, v) == CT_I64 && ex_type(x, n) == CT_I64);
    const ex zero = ex_i(x, CT_I64, 0);
    const ex not_neg = ex_bin(x, EX_LE, zero, v);
    if (is_i(x, not_neg, 1) && is_i(x, ex_bin(x, EX_LT, v, n), 1)) return v;
    if (is_i(x, not_neg, 0)) {
        const ex wrapped = ex_bin(x, EX_ADD, v, n);
        if (is_i(x, ex_bin(x, EX_LE, zero, wrapped), 1)) return wrapped;
    }
    if (op_of(x, v) == EX_INDEX && arg(x, v, 1) == n) return v;
    return ex_make(x, &(ex_node){.op = EX_INDEX, .type = CT_I64, .a = {v, n}});
}

ex ex_in_range(exprs *x, ex e, dim n)
{
    return ex_bin(x, EX_AND, ex_bin(x, EX_LE, ex_i(x, CT_I64, 0), e), ex_bin(x, EX_LT, e, ex_dim(x, n)));
}
