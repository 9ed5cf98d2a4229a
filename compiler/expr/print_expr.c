/* print_expr.c - the text of an expression, for one element or for all lanes of a vector.
 *
 * A sub-expression with several parents is printed once, as a named constant in front of the statement. Only one side of a SELECT may be
 * evaluated when it loads: then the text is a C conditional, or an if with a block when one side needs statements of its own. */
#include <math.h>
#include <assert.h>
#include <string.h>

#include "expr/expr_impl.h"
#include "expr/print.h"

/* ---- marks ---- */

ex_mark *mark_of(printer *w, ex e)
{
    if (e >= w->mark.n) {
        const uint32_t n = e + e / 2 + 1024; /* a large piece is zeroed by the system, and only where it is touched */
        ex_mark *old = w->mark.p;
        w->mark.p = ARENA_ARRAY(w->mem, ex_mark, n);
        if (old) memcpy(w->mark.p, old, sizeof *old * w->mark.n);
        w->mark.n = n;
    }
    return &w->mark.p[e];
}

acc_mark *acc_of(printer *w, uint32_t id)
{
    while (w->acc.n <= id) VEC_PUSH(w->mem, w->acc, (acc_mark){0});
    return &w->acc.p[id];
}

void set_vec(printer *w, dim axis)
{
    w->vec = axis;
    w->epoch++;
}

static bool is_leaf(const ex_node *n)
{
    return n->op == EX_NUM || n->op == EX_DIM || n->op == EX_ACC;
}

void count_refs(printer *w, ex e)
{
    if (mark_of(w, e)->refs++) return;
    const ex_node n0 = *ex_at(w->x, e);
    const ex *kid;
    const uint32_t n = ex_kids(&n0, &kid);
    for (uint32_t i = 0; i < n; i++) count_refs(w, kid[i]);
}

void clear_refs(printer *w, ex e)
{
    if (!mark_of(w, e)->refs) return;
    mark_of(w, e)->refs = 0;
    const ex_node n0 = *ex_at(w->x, e);
    const ex *kid;
    const uint32_t n = ex_kids(&n0, &kid);
    for (uint32_t i = 0; i < n; i++) clear_refs(w, kid[i]);
}

uint32_t name_level(const printer *w)
{
    return w->named.n;
}

void name_pop(printer *w, uint32_t level)
{
    while (w->named.n > level) mark_of(w, w->named.p[--w->named.n])->name = NULL;
}

typedef struct {
    printer *w;
    slot slot;
    uint32_t acc;
    bool hit;
} stale_search;

static void find_stale(void *ctx, ex e)
{
    stale_search *s = ctx;
    const ex_node *n = ex_at(s->w->x, e);
    if (n->op == EX_LOAD && s->slot && same_memory(s->w, n->slot, s->slot)) s->hit = true;
    if (n->op == EX_ACC && !s->slot && (uint32_t)n->i == s->acc) s->hit = true;
}

static void drop_names(printer *w, slot s, uint32_t acc)
{
    for (uint32_t i = 0; i < w->named.n; i++) {
        stale_search search = {w, s, acc, false};
        if (!mark_of(w, w->named.p[i])->name) continue;
        ex_walk(w->x, w->named.p[i], find_stale, &search);
        if (search.hit) mark_of(w, w->named.p[i])->name = NULL;
    }
}

void name_drop_loads(printer *w, slot s)
{
    drop_names(w, s, 0);
}

void name_drop_acc(printer *w, uint32_t id)
{
    drop_names(w, 0, id);
}

interval ex_range(const printer *w, ex e)
{
    return w->x->fact.p[e].range;
}

bool is_vec(printer *w, ex e)
{
    if (!w->vec) return false;
    if (mark_of(w, e)->epoch == w->epoch) return mark_of(w, e)->lanes;
    const ex_node n0 = *ex_at(w->x, e);
    bool lanes = false;
    if (n0.op == EX_DIM) lanes = dim_has(w->t, n0.d, w->vec);
    else if (n0.op == EX_ACC) lanes = w->across || acc_of(w, (uint32_t)n0.i)->lanes;
    else if (n0.op == EX_LOAD && w->across && slot_at(w->p, n0.slot)->kind == SLOT_LOCAL) lanes = true;
    else {
        const ex *kid;
        const uint32_t n = ex_kids(&n0, &kid);
        for (uint32_t i = 0; i < n && !lanes; i++) lanes = is_vec(w, kid[i]);
    }
    mark_of(w, e)->epoch = w->epoch;
    mark_of(w, e)->lanes = lanes;
    return lanes;
}

const char *name_value(printer *w, ex e, const char *s)
{
    const ctype t = ex_type(w->x, e);
    const char *word = !is_vec(w, e) ? ctype_name(t) : t == CT_F32 ? "vf" : "vi";
    const char *name = arena_printf(w->mem, "v%u", ++w->temps);
    line(w, "const %s %s = %s;", word, name, s);
    mark_of(w, e)->name = name;
    VEC_PUSH(w->mem, w->named, e);
    return name;
}

/* ---- operands ---- */

/* As a vector, whatever it is. */
const char *lanes_text(printer *w, ex e)
{
    const char *s = value_text(w, e);
    if (is_vec(w, e)) return s;
    const ctype t = ex_type(w->x, e);
    return arena_printf(w->mem, t == CT_F32 ? "vf_set(%s)" : t == CT_BOOL ? "vi_set(-(%s))" : "vi_set(%s)", s);
}

/* An index over the lanes: vi of lane 0's value and a constant step. */
static const char *iota_text(printer *w, dim d)
{
    dim coef, rest;
    const bool affine = dim_affine(w->t, d, w->vec, &coef, &rest);
    assert(affine);
    (void)affine;
    const char *first = dim_str(w, d), *cast = w->wide ? "(int32_t)" : "";
    return arena_printf(w->mem, "vi_iota(%s%s, %s)", cast, w->wide ? paren(w, first) : first, dim_str(w, coef));
}

static const char *call1(printer *w, const char *f, ex a, bool lanes)
{
    return arena_printf(w->mem, "%s(%s)", f, lanes ? lanes_text(w, a) : value_text(w, a));
}

static const char *call2(printer *w, const char *f, ex a, ex b, bool lanes)
{
    const char *l = lanes ? lanes_text(w, a) : value_text(w, a), *r = lanes ? lanes_text(w, b) : value_text(w, b);
    return arena_printf(w->mem, "%s(%s, %s)", f, l, r);
}

/* How tightly the operator binds that the text of e ends in; 0 where it may be anything. */
enum { BIND_OR = 1, BIND_AND, BIND_COMPARE, BIND_SUM, BIND_PRODUCT, BIND_UNARY };

static int binding_of(printer *w, ex e)
{
    const ex_node *n = ex_at(w->x, e);
    const bool is_float = ctype_is_float((ctype)n->type);
    switch ((ex_op)n->op) {
    case EX_ADD:
    case EX_SUB: return BIND_SUM;
    case EX_DIV: return is_float ? BIND_PRODUCT : 0;
    case EX_MUL: return BIND_PRODUCT;
    case EX_LT:
    case EX_LE: return BIND_COMPARE;
    case EX_AND: return n->type == CT_BOOL && !is_vec(w, e) ? BIND_AND : 0;
    case EX_OR: return n->type == CT_BOOL && !is_vec(w, e) ? BIND_OR : 0;
    case EX_CAST:
    case EX_NEG: return is_float ? BIND_UNARY : 0;
    case EX_DIM: return dim_kind_of(w->t, n->d) == DIM_POLY ? BIND_SUM : 0;
    default: return 0;
    }
}

/* The text of e as an operand of something that binds with `level`. */
static const char *operand(printer *w, ex e, int level)
{
    const char *s = value_text(w, e);
    return mark_of(w, e)->name || binding_of(w, e) >= level ? s : paren(w, s);
}

static const char *infix(printer *w, const char *op, ex a, ex b, int level)
{
    const char *l = operand(w, a, level), *r = operand(w, b, level + 1);
    return arena_printf(w->mem, "%s %s %s", l, op, r);
}

/* "sf", "vf", "si", ... */
static const char *prefix(printer *w, ctype t, bool lanes)
{
    return arena_printf(w->mem, "%c%c", lanes ? 'v' : 's', ctype_letter(t));
}

static const char *own(printer *w, ctype t, bool lanes, const char *f)
{
    return arena_printf(w->mem, "%s_%s", prefix(w, t, lanes), f);
}

/* ---- one argument ---- */

static const char *const function_names[EX_OPS] = {
    [EX_SQRT] = "sqrt",   [EX_EXP] = "exp",     [EX_EXPN] = "expn",   [EX_LOG] = "log",     [EX_SIN] = "sin",     [EX_COS] = "cos",   [EX_TAN] = "tan",     [EX_ASIN] = "asin",
    [EX_ACOS] = "acos",   [EX_ATAN] = "atan",   [EX_SINH] = "sinh",   [EX_COSH] = "cosh",   [EX_TANH] = "tanh", [EX_ASINH] = "asinh", [EX_ACOSH] = "acosh",
    [EX_ATANH] = "atanh", [EX_ERF] = "erf",     [EX_FLOOR] = "floor", [EX_CEIL] = "ceil",   [EX_RINT] = "rint", [EX_TRUNC] = "trunc", [EX_POW] = "pow",
    [EX_ATAN2] = "atan2"};

/* A float between two literals that int32 holds (or NaN): a clamp, rounded or not. */
static bool is_clamped(printer *w, ex e)
{
    double v, u;
    const ex_node n = *ex_at(w->x, e);
    if (n.op == EX_RINT || n.op == EX_FLOOR || n.op == EX_CEIL || n.op == EX_TRUNC) return is_clamped(w, n.a[0]);
    if (n.op != EX_MIN && n.op != EX_MAX) return false;
    const int lit = ex_is_num(w->x, n.a[0], &v) ? 0 : 1;
    if (!ex_is_num(w->x, n.a[lit], &v) || !(v > -2e9 && v < 2e9)) return false;
    const ex_node in = *ex_at(w->x, n.a[1 - lit]);
    if (in.op != (n.op == EX_MIN ? EX_MAX : EX_MIN)) return false;
    return (ex_is_num(w->x, in.a[0], &u) || ex_is_num(w->x, in.a[1], &u)) && u > -2e9 && u < 2e9;
}

/* The largest magnitude that a float can have, infinite when that is not known. A finite one also says that it is no NaN. */
static double magnitude(printer *w, ex e)
{
    enum { LOOKED_AT = 1 << 16 };
    const ex_node n = *ex_at(w->x, e);
    if (n.op == EX_NUM) return isnan(n.f) ? INFINITY : fabs(n.f);
    if (n.op == EX_CAST && ctype_is_float(ex_type(w->x, n.a[0]))) return INFINITY;
    if (n.op == EX_CAST) return fmax(fabs((double)ex_range(w, n.a[0]).lo), fabs((double)ex_range(w, n.a[0]).hi));
    if (n.op == EX_DIV && ex_at(w->x, n.a[1])->op == EX_NUM) {
        const double r = magnitude(w, n.a[0]) / fabs(ex_at(w->x, n.a[1])->f);
        return r < 0x1p127 ? r : INFINITY;
    }
    if (n.op == EX_LOAD) {
        const slot_info *s = slot_at(w->p, n.slot);
        double most = 0;
        if (s->kind != SLOT_CONST || !s->data || elem_of(s->type)->kind != 'f' || tensor_count(s->data) > LOOKED_AT) return INFINITY;
        for (int64_t i = 0; i < tensor_count(s->data); i++) {
            const double v = fabs(elem_get_double(s->type, s->data->data, (size_t)i));
            if (!(v <= most)) most = isfinite(v) ? v : INFINITY;
        }
        return most;
    }
    if (n.op != EX_ADD && n.op != EX_SUB && n.op != EX_MUL && n.op != EX_MIN && n.op != EX_MAX && n.op != EX_NEG && n.op != EX_ABS) return INFINITY;
    const double a = magnitude(w, n.a[0]), b = n.a[1] ? magnitude(w, n.a[1]) : 0, r = n.op == EX_MUL ? a * b : a + b;
    return r < 0x1p127 && isfinite(a) && isfinite(b) ? r : INFINITY;
}

/* The operand of an operation with a literal, which *v gets; 0: e is not that, or is used elsewhere too. */
static ex beside_literal(printer *w, ex e, ex_op op, double *v)
{
    const ex_node n = *ex_at(w->x, e);
    if (n.op != op || mark_of(w, e)->refs > 1) return 0;
    return ex_is_num(w->x, n.a[1], v) ? n.a[0] : ex_is_num(w->x, n.a[0], v) ? n.a[1] : 0;
}

const char *saturated_text(printer *w, ex e, elem to)
{
    const double least = to == ELEM_INT8 ? -128 : 0;
    double add = 0, hi, lo;
    if ((to != ELEM_INT8 && to != ELEM_UINT8) || !is_vec(w, e)) return NULL;
    const ex sum = beside_literal(w, e, EX_ADD, &add), cast = sum ? sum : e;
    const ex_node c = *ex_at(w->x, cast), r = c.op == EX_CAST ? *ex_at(w->x, c.a[0]) : c;
    if (c.op != EX_CAST || c.type != CT_I32 || r.op != EX_RINT || mark_of(w, cast)->refs > 1 || mark_of(w, c.a[0])->refs > 1) return NULL;
    const ex max = beside_literal(w, r.a[0], EX_MIN, &hi), v = max ? beside_literal(w, max, EX_MAX, &lo) : 0;
    if (!v || lo + add != least || hi + add != least + 255 || !(magnitude(w, v) < 0x1p30)) return NULL;
    const bool exact = w->exact;
    w->exact = true;
    const char *s = arena_printf(w->mem, "vf_round_to_i(%s)", lanes_text(w, v));
    w->exact = exact;
    return sum ? arena_printf(w->mem, "vi_add(%s, vi_set(%s))", s, int_text(w, (int64_t)add)) : s;
}

static const char *cast_text(printer *w, ctype from, ctype to, ex a, bool lanes)
{
    dim d;
    if (lanes && ex_is_dim(w->x, a, &d)) {
        const char *s = iota_text(w, d);
        return to == CT_F32 ? arena_printf(w->mem, "vi_to_f(%s)", s) : s;
    }
    const char *s = paren(w, value_text(w, a));
    if (from == to) return s;
    if (lanes) {
        if (to == CT_BOOL) return arena_printf(w->mem, "%s != %s", s, from == CT_F32 ? "vf_set(0.0f)" : "vi_set(0)");
        if (from == CT_BOOL) return arena_printf(w->mem, to == CT_F32 ? "vi_to_f(-%s)" : "-%s", s);
        if (to == CT_I32 && ex_at(w->x, a)->op == EX_RINT && is_clamped(w, a)) {
            const ex clamped = ex_at(w->x, a)->a[0];
            return arena_printf(w->mem, isfinite(magnitude(w, clamped)) ? "vf_round_to_i(%s)" : "vf_round_in(%s)", value_text(w, clamped));
        }
        return arena_printf(w->mem, to == CT_F32 ? "vi_to_f(%s)" : is_clamped(w, a) ? "vf_to_i_in(%s)" : "vf_to_i(%s)", value_text(w, a));
    }
    if (to == CT_BOOL) return arena_printf(w->mem, "%s != %s", s, from == CT_F32 ? "0.0f" : from == CT_F64 ? "0.0" : "0");
    if (from == CT_F32 && to == CT_I32 && is_clamped(w, a)) return call1(w, "sf_to_i_in", a, false);
    if (ctype_is_float(from) && !ctype_is_float(to)) return arena_printf(w->mem, "s%c_to_%c(%s)", ctype_letter(from), ctype_letter(to), value_text(w, a));
    return arena_printf(w->mem, "(%s)%s", ctype_name(to), s);
}

static const char *round_text(printer *w, ctype t, elem to, ex a)
{
    const char *s = value_text(w, a), *f = NULL;
    if (is_vec(w, a) && t == CT_I32) return arena_printf(w->mem, "vi_round_%c%d(%s)", elem_of(to)->kind == 'u' ? 'u' : 's', elem_of(to)->bits, s);
    switch (to) {
    case ELEM_FLOAT16: f = "f16"; break;
    case ELEM_BFLOAT16: f = "bf16"; break;
    case ELEM_FLOAT8E4M3FN: f = "e4m3fn"; break;
    case ELEM_FLOAT8E4M3FNUZ: f = "e4m3fnuz"; break;
    case ELEM_FLOAT8E5M2: f = "e5m2"; break;
    case ELEM_FLOAT8E5M2FNUZ: f = "e5m2fnuz"; break;
    case ELEM_FLOAT4E2M1: f = "e2m1"; break;
    case ELEM_FLOAT6E2M3: f = "e2m3"; break;
    case ELEM_FLOAT6E3M2: f = "e3m2"; break;
    case ELEM_FLOAT8E8M0: f = "e8m0"; break;
    case ELEM_UINT4: return arena_printf(w->mem, "%s & 15", paren(w, s));
    case ELEM_UINT2: return arena_printf(w->mem, "%s & 3", paren(w, s));
    case ELEM_INT4: return arena_printf(w->mem, "((%s & 15) ^ 8) - 8", paren(w, s));
    case ELEM_INT2: return arena_printf(w->mem, "((%s & 3) ^ 2) - 2", paren(w, s));
    default: break;
    }
    if (f && is_vec(w, a)) return arena_printf(w->mem, "vf_round_%s(%s)", f, s);
    if (f) return arena_printf(w->mem, "%s_to_f(%s_of_f(%s))", f, f, s);
    return arena_printf(w->mem, "(%s)(%s)%s", ctype_name(t), elem_of(to)->ctype, paren(w, s));
}

static const char *bitcast_text(printer *w, ctype from, ctype to, ex a, bool lanes)
{
    static const struct {
        ctype from, to;
        const char *f;
    } how[] = {{CT_F32, CT_I32, "sf_bits"},  {CT_I32, CT_F32, "si_float"},   {CT_F32, CT_U32, "sf_bits_u"},  {CT_U32, CT_F32, "su_float"},
               {CT_F64, CT_I64, "sd_bits"},  {CT_I64, CT_F64, "sl_double"},  {CT_F64, CT_U64, "sd_bits_w"},  {CT_U64, CT_F64, "sw_double"}};
    if (lanes) return call1(w, from == CT_F32 ? "vf_bits" : "vi_float", a, true);
    for (size_t i = 0; i < sizeof how / sizeof *how; i++)
        if (how[i].from == from && how[i].to == to) return call1(w, how[i].f, a, false);
    return arena_printf(w->mem, "(%s)%s", ctype_name(to), paren(w, value_text(w, a)));
}

static const char *unary_text(printer *w, ex e, const ex_node *n, bool lanes)
{
    const ctype t = (ctype)n->type, from = ex_type(w->x, n->a[0]);
    const bool is_float = ctype_is_float(t), is_signed = t == CT_I32 || t == CT_I64;
    switch ((ex_op)n->op) {
    case EX_NEG:
        if (is_float) return arena_printf(w->mem, "-%s", paren(w, value_text(w, n->a[0])));
        if (!is_signed) return arena_printf(w->mem, "0u - %s", paren(w, value_text(w, n->a[0])));
        return call1(w, own(w, t, lanes, "neg"), n->a[0], lanes);
    case EX_ABS:
        if (t == CT_F64) return call1(w, "fabs", n->a[0], false);
        return is_float || is_signed ? call1(w, own(w, t, lanes, "abs"), n->a[0], lanes) : value_text(w, n->a[0]);
    case EX_ISNAN: return call1(w, own(w, from, lanes, "isnan"), n->a[0], lanes);
    case EX_ISINF: return call1(w, own(w, from, lanes, "isinf"), n->a[0], lanes);
    case EX_NOT: return arena_printf(w->mem, "%s%s", t == CT_BOOL && !lanes ? "!" : "~", paren(w, value_text(w, n->a[0])));
    case EX_CAST: return cast_text(w, from, t, n->a[0], lanes);
    case EX_ROUND: return round_text(w, t, (elem)n->elem, n->a[0]);
    case EX_BITCAST: return bitcast_text(w, from, t, n->a[0], lanes);
    default:
        (void)e;
        return call1(w, t == CT_F64 ? function_names[n->op] : own(w, t, lanes, function_names[n->op]), n->a[0], lanes);
    }
}

/* ---- two arguments ---- */

/* The exact result of a signed operation stays inside its type, so the C operator does what is meant. */
static bool no_overflow(printer *w, ex_op op, ctype t, ex a, ex b)
{
    const interval x = ex_range(w, a), y = ex_range(w, b);
    int64_t v[4], lo, hi;
    if (op == EX_MUL) {
        v[0] = sat_mul(x.lo, y.lo), v[1] = sat_mul(x.lo, y.hi), v[2] = sat_mul(x.hi, y.lo), v[3] = sat_mul(x.hi, y.hi);
        lo = hi = v[0];
        for (int i = 1; i < 4; i++) lo = v[i] < lo ? v[i] : lo, hi = v[i] > hi ? v[i] : hi;
    } else {
        lo = op == EX_ADD ? sat_add(x.lo, y.lo) : sat_add(x.lo, -(y.hi == INT64_MIN ? INT64_MAX : y.hi));
        hi = op == EX_ADD ? sat_add(x.hi, y.hi) : sat_add(x.hi, y.lo == INT64_MIN ? INT64_MAX : -y.lo);
    }
    return t == CT_I32 ? lo >= INT32_MIN && hi <= INT32_MAX : lo > INT64_MIN / 2 && hi < INT64_MAX / 2;
}

/* a * b used only here: may become part of a fused multiply-add. */
static bool is_product(printer *w, ex e)
{
    const ex_node *n = ex_at(w->x, e);
    return n->op == EX_MUL && n->type == CT_F32 && mark_of(w, e)->refs <= 1;
}

bool is_fused(printer *w, const ex_node *n, int arg)
{
    if ((n->op != EX_ADD && n->op != EX_SUB) || n->type != CT_F32 || w->o->math == MATH_STRICT || w->exact) return false;
    return is_product(w, n->a[arg]) && (arg == 0 || !is_product(w, n->a[0]));
}

static const char *fma_text(printer *w, const ex_node *n, bool lanes)
{
    const bool left = is_fused(w, n, 0);
    if (!left && !is_fused(w, n, 1)) return NULL;
    const ex_node product = *ex_at(w->x, left ? n->a[0] : n->a[1]);
    const ex other = left ? n->a[1] : n->a[0];
    const char *a = lanes ? lanes_text(w, product.a[0]) : value_text(w, product.a[0]), *b = lanes ? lanes_text(w, product.a[1]) : value_text(w, product.a[1]);
    const char *c = lanes ? lanes_text(w, other) : value_text(w, other);
    if (n->op == EX_SUB && left) c = arena_printf(w->mem, "-%s", paren(w, c));
    if (n->op == EX_SUB && !left) a = arena_printf(w->mem, "-%s", paren(w, a));
    return arena_printf(w->mem, "%s_fma(%s, %s, %s)", prefix(w, CT_F32, lanes), a, b, c);
}

static const char *sum_text(printer *w, const ex_node *n, bool lanes)
{
    const ctype t = (ctype)n->type;
    const char *sign = n->op == EX_ADD ? "+" : n->op == EX_SUB ? "-" : "*", *name = n->op == EX_ADD ? "add" : n->op == EX_SUB ? "sub" : "mul";
    if (n->op != EX_MUL) {
        const char *fused = fma_text(w, n, lanes);
        if (fused) return fused;
    }
    if (ctype_is_float(t) || t == CT_U32 || t == CT_U64) return infix(w, sign, n->a[0], n->a[1], n->op == EX_MUL ? BIND_PRODUCT : BIND_SUM);
    if (lanes) return call2(w, own(w, t, true, name), n->a[0], n->a[1], true);
    if ((w->in_address && t == CT_I64) || no_overflow(w, (ex_op)n->op, t, n->a[0], n->a[1])) return infix(w, sign, n->a[0], n->a[1], n->op == EX_MUL ? BIND_PRODUCT : BIND_SUM);
    return call2(w, own(w, t, false, name), n->a[0], n->a[1], false);
}

static const char *quotient_text(printer *w, const ex_node *n)
{
    const ctype t = (ctype)n->type;
    const bool div = n->op == EX_DIV || n->op == EX_FDIV, down = n->op == EX_FDIV || n->op == EX_FMOD, is_signed = t == CT_I32 || t == CT_I64;
    if (ctype_is_float(t)) return div ? infix(w, "/", n->a[0], n->a[1], BIND_PRODUCT) : call2(w, t == CT_F32 ? "fmodf" : "fmod", n->a[0], n->a[1], false);
    double by;
    const bool plain = ex_is_num(w->x, n->a[1], &by) && by > 0 && (!down || !is_signed || ex_range(w, n->a[0]).lo >= 0);
    if (plain) return infix(w, div ? "/" : "%", n->a[0], n->a[1], BIND_PRODUCT);
    return call2(w, own(w, t, false, down && is_signed ? div ? "fdiv" : "fmod" : div ? "div" : "mod"), n->a[0], n->a[1], false);
}

/* NaN must win. A literal first makes the cheap form do that: it returns its second argument when the comparison fails. */
static const char *extremum_text(printer *w, const ex_node *n, bool lanes)
{
    const ctype t = (ctype)n->type;
    const bool max = n->op == EX_MAX;
    double v;
    if (ctype_is_float(t) && (ex_is_num(w->x, n->a[0], &v) || ex_is_num(w->x, n->a[1], &v)) && v == v) {
        const bool first = ex_is_num(w->x, n->a[0], &v);
        return call2(w, own(w, t, lanes, max ? "fmax" : "fmin"), n->a[first ? 0 : 1], n->a[first ? 1 : 0], lanes);
    }
    return call2(w, own(w, t == CT_BOOL ? CT_I32 : t, lanes, max ? "max" : "min"), n->a[0], n->a[1], lanes);
}

static const char *compare_text(printer *w, const ex_node *n, bool lanes)
{
    const char *op = n->op == EX_LT ? "<" : n->op == EX_LE ? "<=" : n->op == EX_EQ ? "==" : "!=";
    if (ex_type(w->x, n->a[0]) == CT_STR)
        return call2(w, n->op == EX_LT ? "st_lt" : n->op == EX_LE ? "st_le" : n->op == EX_EQ ? "st_eq" : "st_ne", n->a[0], n->a[1], false);
    if (!lanes) return infix(w, op, n->a[0], n->a[1], BIND_COMPARE + 1);
    const char *side[2];
    for (int i = 0; i < 2; i++) {
        dim d;
        if (!ex_is_dim(w->x, n->a[i], &d)) side[i] = paren(w, lanes_text(w, n->a[i]));
        else if (is_vec(w, n->a[i])) side[i] = iota_text(w, d);
        else side[i] = arena_printf(w->mem, w->wide ? "vi_set((int32_t)%s)" : "vi_set(%s)", w->wide ? paren(w, dim_str(w, d)) : dim_str(w, d));
    }
    return arena_printf(w->mem, "%s %s %s", side[0], op, side[1]);
}

static const char *logic_text(printer *w, const ex_node *n, bool lanes)
{
    const int k = n->op == EX_AND ? 0 : n->op == EX_OR ? 1 : 2;
    static const char *const of_bool[] = {"&&", "||", "!="}, *const of_bits[] = {"&", "|", "^"};
    if (!lanes) return infix(w, n->type == CT_BOOL ? of_bool[k] : of_bits[k], n->a[0], n->a[1], n->type != CT_BOOL || k == 2 ? BIND_UNARY : k ? BIND_COMPARE : BIND_AND);
    return arena_printf(w->mem, "%s %s %s", paren(w, lanes_text(w, n->a[0])), of_bits[k], paren(w, lanes_text(w, n->a[1])));
}

static const char *binary_text(printer *w, const ex_node *n, bool lanes)
{
    const ctype t = (ctype)n->type;
    switch ((ex_op)n->op) {
    case EX_ADD:
    case EX_SUB:
    case EX_MUL: return sum_text(w, n, lanes);
    case EX_DIV:
    case EX_MOD:
    case EX_FDIV:
    case EX_FMOD: return quotient_text(w, n);
    case EX_MAX:
    case EX_MIN: return extremum_text(w, n, lanes);
    case EX_POW:
    case EX_ATAN2:
        return call2(w, t == CT_F64 ? function_names[n->op] : own(w, t, lanes, function_names[n->op]), n->a[0], n->a[1], lanes);
    case EX_AND:
    case EX_OR:
    case EX_XOR: return logic_text(w, n, lanes);
    case EX_SHL: return call2(w, own(w, t, false, "shl"), n->a[0], n->a[1], false);
    case EX_SHR: return call2(w, own(w, t, false, "shr"), n->a[0], n->a[1], false);
    default: return compare_text(w, n, lanes);
    }
}

/* ---- one of two ---- */

typedef struct {
    printer *w;
    bool hit;
} risk_search;

static void find_risk(void *ctx, ex e)
{
    risk_search *s = ctx;
    const ex_op op = (ex_op)ex_at(s->w->x, e)->op;
    s->hit |= op == EX_LOAD || op == EX_INDEX;
}

/* Must not be evaluated unless it is selected. */
static bool is_risky(printer *w, ex e)
{
    risk_search s = {w, false};
    ex_walk(w->x, e, find_risk, &s);
    return s.hit;
}

/* Needs statements of its own: something is used twice, or can fail. */
static bool needs_block(printer *w, ex e)
{
    const ex_node n0 = *ex_at(w->x, e);
    if (is_leaf(&n0) || mark_of(w, e)->name) return false;
    if (n0.op == EX_INDEX || mark_of(w, e)->refs > 1) return true;
    const ex *kid;
    const uint32_t n = ex_kids(&n0, &kid);
    for (uint32_t i = 0; i < n; i++)
        if (needs_block(w, kid[i])) return true;
    return false;
}

static const char *select_block(printer *w, ex e, const ex_node *n, const char *cond, bool lanes)
{
    const char *name = arena_printf(w->mem, "v%u", ++w->temps);
    const ctype t = (ctype)n->type;
    line(w, "%s %s;", !lanes ? ctype_name(t) : t == CT_F32 ? "vf" : "vi", name);
    line(w, "if (%s) {", cond);
    for (int i = 1; i <= 2; i++) {
        const uint32_t level = name_level(w);
        const char *s = lanes ? lanes_text(w, n->a[i]) : value_text(w, n->a[i]);
        line(w, "%s = %s;", name, s);
        name_pop(w, level);
        line(w, i == 1 ? "} else {" : "}");
    }
    mark_of(w, e)->name = name;
    VEC_PUSH(w->mem, w->named, e);
    return name;
}

static const char *select_text(printer *w, ex e, const ex_node *n, bool lanes)
{
    const char *cond = value_text(w, n->a[0]);
    const bool risky = is_risky(w, n->a[1]) || is_risky(w, n->a[2]);
    if (lanes && is_vec(w, n->a[0])) {
        const char *a = lanes_text(w, n->a[1]), *b = lanes_text(w, n->a[2]);
        return arena_printf(w->mem, "%s_sel(%s, %s, %s)", prefix(w, n->type == CT_F32 ? CT_F32 : CT_I32, true), cond, a, b);
    }
    if (lanes || (risky && (needs_block(w, n->a[1]) || needs_block(w, n->a[2])))) return select_block(w, e, n, cond, lanes);
    if (risky) w->in_line++;
    const char *a = operand(w, n->a[1], BIND_OR), *b = operand(w, n->a[2], BIND_OR);
    if (risky) w->in_line--;
    return arena_printf(w->mem, "%s ? %s : %s", operand(w, n->a[0], BIND_OR), a, b);
}

static const char *index_text(printer *w, ex e, const ex_node *n)
{
    const char *checked = call2(w, "sl_index", n->a[0], n->a[1], false);
    if (w->o->notes_fail) return name_value(w, e, arena_printf(w->mem, "occ_index(%s, fail)", checked));
    const char *name = name_value(w, e, checked);
    line(w, "if (%s < 0) %s", name, w->o->on_fail ? w->o->on_fail : "return ONNXCC_E_INDEX;");
    return name;
}

/* ---- any ---- */

static const char *raw_text(printer *w, ex e)
{
    const ex_node n0 = *ex_at(w->x, e);
    const bool lanes = is_vec(w, e), exact = w->exact;
    const char *s;
    switch ((ex_op)n0.op) {
    case EX_NUM: return literal(w, (ctype)n0.type, &n0);
    case EX_DIM: return dim_str(w, n0.d);
    case EX_LOAD: return load_text(w, e);
    case EX_ACC: return acc_of(w, (uint32_t)n0.i)->name;
    case EX_SELECT: return select_text(w, e, &n0, lanes);
    case EX_INDEX: return index_text(w, e, &n0);
    case EX_RINT:
    case EX_FLOOR:
    case EX_CEIL:
    case EX_TRUNC:
    case EX_CAST: w->exact |= !ctype_is_float((ctype)n0.type) || n0.op != EX_CAST; break;
    default: break;
    }
    s = ex_arity((ex_op)n0.op) == 1 ? unary_text(w, e, &n0, lanes) : binary_text(w, &n0, lanes);
    w->exact = exact;
    return s;
}

const char *value_text(printer *w, ex e)
{
    if (mark_of(w, e)->name) return mark_of(w, e)->name;
    const char *s = raw_text(w, e);
    if (mark_of(w, e)->name || w->in_line || mark_of(w, e)->refs < 2 || is_leaf(ex_at(w->x, e))) return mark_of(w, e)->name ? mark_of(w, e)->name : s;
    return name_value(w, e, s);
}
