/* nest_oracle.h - the meaning of a nest, written as plainly as possible: one element at a time, straight from the definitions in expr.h. Tests
 * hold printed code and the interpreter against it. Works on logical indexes (before nest_flatten), dense row-major memory. */
#ifndef NEST_ORACLE_H
#define NEST_ORACLE_H
#include <assert.h>
#include <math.h>
#include <string.h>

#include "expr/nest.h"

typedef struct {
    double f;
    int64_t i;
} number;

typedef struct oracle {
    program *p;
    void *(*data)(void *ctx, slot s);
    int64_t (*symbol)(void *ctx, dim s);
    void *ctx;
    VEC(int64_t) axis;   /* by dim */
    VEC(number) acc;     /* by accumulator */
    bool failed;         /* an INDEX was out of range */
} oracle;

static int64_t oracle_atom(void *ctx, dim d)
{
    oracle *o = ctx;
    return dim_is_axis(o->p->dims, d) ? o->axis.p[d] : o->symbol(o->ctx, d);
}

static int64_t oracle_dim(oracle *o, dim d)
{
    return dim_eval(o->p->dims, d, oracle_atom, o);
}

static number oracle_eval(oracle *o, ex e);

static size_t oracle_place(oracle *o, slot s, uint32_t n, const ex *at)
{
    size_t a = 0;
    for (uint32_t i = 0; i < n; i++) {
        const int64_t v = oracle_eval(o, at[i]).i, extent = oracle_dim(o, slot_at(o->p, s)->extent[i]);
        assert(o->failed || (v >= 0 && v < extent));
        a = a * (size_t)extent + (size_t)v;
    }
    return a;
}

static int64_t oracle_wrap(ctype t, int64_t v)
{
    return t == CT_I32 ? (int32_t)(uint32_t)v : t == CT_U32 ? (int64_t)(uint32_t)v : t == CT_BOOL ? v != 0 : v;
}

static number as_int(ctype t, int64_t v)
{
    return (number){0, oracle_wrap(t, v)};
}

static number as_float(ctype t, double v)
{
    return (number){t == CT_F32 ? (double)(float)v : v, 0};
}

static number oracle_cast(ctype from, ctype to, number v)
{
    if (ctype_is_float(to)) return as_float(to, ctype_is_float(from) ? v.f : from == CT_U64 ? (double)(uint64_t)v.i : (double)v.i);
    if (!ctype_is_float(from)) return as_int(to, v.i);
    if (to == CT_BOOL) return as_int(to, v.f != 0);
    const double lo = to == CT_I32 ? -2147483648.0 : to == CT_I64 ? -9223372036854775808.0 : 0;
    const double hi = to == CT_I32 ? 2147483648.0 : to == CT_U32 ? 4294967296.0 : to == CT_I64 ? 9223372036854775808.0 : 18446744073709551616.0;
    if (isnan(v.f)) return as_int(to, 0);
    if (v.f <= lo) return (number){0, to == CT_I32 ? INT32_MIN : to == CT_I64 ? INT64_MIN : 0};
    if (v.f >= hi) return (number){0, to == CT_I32 ? INT32_MAX : to == CT_U32 ? UINT32_MAX : to == CT_I64 ? INT64_MAX : (int64_t)UINT64_MAX};
    return (number){0, to == CT_U64 ? (int64_t)(uint64_t)v.f : (int64_t)v.f};
}

static number oracle_unary(oracle *o, const ex_node *n, number a, ctype from)
{
    const ctype t = (ctype)n->type;
    (void)o;
    switch ((ex_op)n->op) {
    case EX_NEG: return ctype_is_float(t) ? as_float(t, -a.f) : as_int(t, (int64_t)(0 - (uint64_t)a.i));
    case EX_ABS: return ctype_is_float(t) ? as_float(t, fabs(a.f)) : as_int(t, a.i < 0 && t != CT_U64 ? (int64_t)(0 - (uint64_t)a.i) : a.i);
    case EX_SQRT: return as_float(t, sqrt(a.f));
    case EX_EXP: return as_float(t, exp(a.f));
    case EX_LOG: return as_float(t, log(a.f));
    case EX_SIN: return as_float(t, sin(a.f));
    case EX_COS: return as_float(t, cos(a.f));
    case EX_TANH: return as_float(t, tanh(a.f));
    case EX_ERF: return as_float(t, erf(a.f));
    case EX_FLOOR: return as_float(t, floor(a.f));
    case EX_CEIL: return as_float(t, ceil(a.f));
    case EX_RINT: return as_float(t, rint(a.f));
    case EX_TRUNC: return as_float(t, trunc(a.f));
    case EX_ISNAN: return as_int(CT_BOOL, isnan(a.f));
    case EX_ISINF: return as_int(CT_BOOL, isinf(a.f));
    case EX_NOT: return as_int(t, t == CT_BOOL ? !a.i : ~a.i);
    case EX_CAST: return oracle_cast(from, t, a);
    case EX_ROUND: {
        unsigned char b[8] = {0};
        if (ctype_is_float(t)) {
            elem_set_double((elem)n->elem, b, 0, a.f);
            return as_float(t, elem_get_double((elem)n->elem, b, 0));
        }
        elem_set_int((elem)n->elem, b, 0, a.i);
        return as_int(t, elem_get_int((elem)n->elem, b, 0));
    }
    default: assert(!"operation the oracle does not know"); return a;
    }
}

static double oracle_extremum(bool max, double a, double b)
{
    if (isnan(a) || isnan(b)) return (double)NAN;
    return max ? (a > b ? a : b) : (a < b ? a : b);
}

static number oracle_binary(ex_op op, ctype t, number a, number b)
{
    const uint64_t x = (uint64_t)a.i, y = (uint64_t)b.i;
    const bool fl = ctype_is_float(t), big = t == CT_U64;
    switch (op) {
    case EX_ADD: return fl ? as_float(t, a.f + b.f) : as_int(t, (int64_t)(x + y));
    case EX_SUB: return fl ? as_float(t, a.f - b.f) : as_int(t, (int64_t)(x - y));
    case EX_MUL: return fl ? as_float(t, a.f * b.f) : as_int(t, (int64_t)(x * y));
    case EX_DIV: return fl ? as_float(t, a.f / b.f) : as_int(t, !b.i ? 0 : big ? (int64_t)(x / y) : b.i == -1 ? (int64_t)(0 - x) : a.i / b.i);
    case EX_MOD: return fl ? as_float(t, fmod(a.f, b.f)) : as_int(t, !b.i || b.i == -1 ? 0 : big ? (int64_t)(x % y) : a.i % b.i);
    case EX_FDIV: return as_int(t, !b.i ? 0 : b.i > 0 ? floor_div(a.i, b.i) : -floor_div(a.i, -b.i) - (a.i % b.i != 0));
    case EX_FMOD: {
        const int64_t r = b.i ? a.i % b.i : 0;
        return as_int(t, r && (r < 0) != (b.i < 0) ? r + b.i : r);
    }
    case EX_MAX:
    case EX_MIN:
        if (fl) return as_float(t, oracle_extremum(op == EX_MAX, a.f, b.f));
        return (big ? x > y : a.i > b.i) == (op == EX_MAX) ? a : b;
    case EX_POW: return as_float(t, pow(a.f, b.f));
    case EX_AND: return as_int(t, a.i & b.i);
    case EX_OR: return as_int(t, a.i | b.i);
    case EX_XOR: return as_int(t, a.i ^ b.i);
    case EX_LT: return as_int(CT_BOOL, fl ? a.f < b.f : big ? x < y : a.i < b.i);
    case EX_LE: return as_int(CT_BOOL, fl ? a.f <= b.f : big ? x <= y : a.i <= b.i);
    case EX_EQ: return as_int(CT_BOOL, fl ? a.f == b.f : a.i == b.i);
    case EX_NE: return as_int(CT_BOOL, fl ? a.f != b.f : a.i != b.i);
    default: assert(!"operation the oracle does not know"); return a;
    }
}

static number oracle_eval(oracle *o, ex e)
{
    const ex_node n = *ex_at(o->p->ex, e);
    const ctype t = (ctype)n.type;
    switch ((ex_op)n.op) {
    case EX_NUM: return (number){n.f, n.i};
    case EX_DIM: return (number){0, oracle_dim(o, n.d)};
    case EX_ACC: return o->acc.p[n.i];
    case EX_LOAD: {
        const size_t at = oracle_place(o, n.slot, n.n, n.idx);
        const void *mem = o->data(o->ctx, n.slot);
        if (o->failed) return (number){0, 0};
        return ctype_is_float(t) ? (number){elem_get_double((elem)n.elem, mem, at), 0} : (number){0, elem_get_int((elem)n.elem, mem, at)};
    }
    case EX_SELECT: return oracle_eval(o, oracle_eval(o, n.a[0]).i ? n.a[1] : n.a[2]);
    case EX_INDEX: {
        int64_t v = oracle_eval(o, n.a[0]).i;
        const int64_t extent = oracle_eval(o, n.a[1]).i;
        if (v < 0) v += extent;
        if (v < 0 || v >= extent) o->failed = true;
        return (number){0, v};
    }
    default: break;
    }
    const number a = oracle_eval(o, n.a[0]);
    if (!n.a[1]) return oracle_unary(o, &n, a, ex_type(o->p->ex, n.a[0]));
    return oracle_binary((ex_op)n.op, ex_type(o->p->ex, n.a[0]), a, oracle_eval(o, n.a[1]));
}

static number oracle_fold(fold f, ctype t, number a, number b)
{
    static const ex_op ops[] = {[FOLD_SUM] = EX_ADD, [FOLD_PROD] = EX_MUL, [FOLD_MAX] = EX_MAX, [FOLD_MIN] = EX_MIN, [FOLD_OR] = EX_OR, [FOLD_AND] = EX_AND};
    return oracle_binary(ops[f], t, a, b);
}

static number oracle_identity(fold f, ctype t)
{
    const bool max = f == FOLD_MAX;
    if (f == FOLD_SUM || f == FOLD_OR) return (number){0, 0};
    if (f == FOLD_PROD) return (number){1, 1};
    if (f == FOLD_AND) return as_int(t, -1);
    if (ctype_is_float(t)) return (number){max ? -(double)INFINITY : (double)INFINITY, 0};
    return (number){0, t == CT_I32 ? (max ? INT32_MIN : INT32_MAX) : t == CT_I64 ? (max ? INT64_MIN : INT64_MAX) : max ? 0 : t == CT_U32 ? (int64_t)UINT32_MAX : -1};
}

static void oracle_sink(oracle *o, const sink *k)
{
    if (k->guard && !oracle_eval(o, k->guard).i) return;
    number v = oracle_eval(o, k->value);
    const ctype t = ex_type(o->p->ex, k->value);
    if (!k->to) {
        o->acc.p[k->acc] = oracle_fold(k->fold, t, o->acc.p[k->acc], v);
        return;
    }
    const elem stored = slot_at(o->p, k->to)->type;
    const size_t at = oracle_place(o, k->to, k->n, k->at);
    void *mem = o->data(o->ctx, k->to);
    if (o->failed) return;
    if (k->fold != FOLD_NONE)
        v = oracle_fold(k->fold, t, ctype_is_float(t) ? (number){elem_get_double(stored, mem, at), 0} : (number){0, elem_get_int(stored, mem, at)}, v);
    if (ctype_is_float(t)) elem_set_double(stored, mem, at, v.f);
    else elem_set_int(stored, mem, at, v.i);
}

static void oracle_stage(oracle *o, const stage *s, uint32_t depth)
{
    if (depth == s->n_axes) {
        for (uint32_t i = 0; i < s->n_sinks && !o->failed; i++) oracle_sink(o, &s->sink[i]);
        return;
    }
    const int64_t n = oracle_dim(o, dim_extent(o->p->dims, s->axis[depth]));
    for (int64_t i = 0; i < n; i++) {
        o->axis.p[s->axis[depth]] = i;
        oracle_stage(o, s, depth + 1);
    }
}

static void oracle_walk(oracle *o, const nest *n, uint32_t depth)
{
    if (depth < n->n_axes) {
        const int64_t extent = oracle_dim(o, dim_extent(o->p->dims, n->axis[depth]));
        for (int64_t i = 0; i < extent; i++) {
            o->axis.p[n->axis[depth]] = i;
            oracle_walk(o, n, depth + 1);
        }
        return;
    }
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++)
            if (!n->stage[i].sink[k].to)
                o->acc.p[n->stage[i].sink[k].acc] = oracle_identity(n->stage[i].sink[k].fold, ex_type(o->p->ex, n->stage[i].sink[k].value));
    for (uint32_t i = 0; i < n->n_stages; i++) oracle_stage(o, &n->stage[i], 0);
}

/* Runs the nest; false when an INDEX was out of range. */
static bool oracle_run(oracle *o, const nest *n)
{
    for (uint32_t i = o->axis.n; i < 4096; i++) VEC_PUSH(o->p->mem, o->axis, 0);
    for (uint32_t i = o->acc.n; i <= o->p->n_acc; i++) VEC_PUSH(o->p->mem, o->acc, ((number){0, 0}));
    o->failed = false;
    oracle_walk(o, n, 0);
    return !o->failed;
}
#endif
