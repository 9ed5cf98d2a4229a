/* pairs.c - functions of two bytes that are cheaper computed another way.
 *
 * in:  fused steps with integer values that depend on two numbers of 256 values each, as sums and products of dequantized tensors do:
 *      Q(DQ(a) + DQ(b)) is two products, a sum, a division by the scale and a rounding; com.microsoft's QLinearAdd counts in double.
 * out: where it gives the same integer for all 65,536 pairs, such a value is round(a * ka + (b * kb + c)) or round((a - za) * (b - zb) * k), clamped.
 *
 * The constants are what the numbers under the rounding say, then neighbours of these in the last bits, until no pair is left that rounds the
 * other way; if none fits, the value stays as it is. So the result is exact whatever the expression is. */
#include <math.h>
#include <string.h>

#include "expr/expr_impl.h"
#include "expr/vecop.h"
#include "plan/plan.h"

enum { VALUES = 256, PAIRS = VALUES * VALUES, MAX_NODES = 64 };

typedef struct {
    ex e;
    int32_t lo; /* its least value */
} atom;

typedef struct {
    exprs *x;
    arena *mem;
    atom a[2];
    uint32_t n_atoms, n_nodes;
    ex node[MAX_NODES]; /* evaluated so far */
    void *lane[MAX_NODES];
    bool has_double;
    /* what is to be computed: clamp(round(v) + zero, lo, hi) */
    int32_t *want;
    float *v;
    int32_t zero, lo, hi;
    uint32_t n_ties;
    uint16_t *tie; /* pairs close to a tie */
} pair;

/* ---- what it is a function of ---- */

static ex without_literal(exprs *x, ex e)
{
    const ex_node n = *ex_at(x, e);
    double v;
    if ((n.op == EX_ADD || n.op == EX_SUB) && ex_is_num(x, n.a[1], &v)) return without_literal(x, n.a[0]);
    return n.op == EX_ADD && ex_is_num(x, n.a[0], &v) ? without_literal(x, n.a[1]) : e;
}

static bool is_byte_range(const exprs *x, ex e)
{
    const interval r = x->fact.p[e].range;
    return r.lo >= -VALUES && r.hi <= VALUES && r.hi - r.lo < VALUES;
}

/* Finds the integers of 256 values that e, below a rounding, is made of. False: there are more than two, or other things. */
static bool collect(pair *q, ex e, uint32_t *looks)
{
    const ex_node n = *ex_at(q->x, e);
    if (n.op == EX_NUM) return true;
    if (++*looks > MAX_NODES) return false;
    q->has_double |= n.type == CT_F64;
    if (n.type == CT_I32) {
        const ex base = without_literal(q->x, e);
        if (is_byte_range(q->x, base)) {
            for (uint32_t i = 0; i < q->n_atoms; i++)
                if (q->a[i].e == base) return true;
            if (q->n_atoms == 2) return false;
            q->a[q->n_atoms++] = (atom){base, (int32_t)q->x->fact.p[base].range.lo};
            return true;
        }
    }
    if (n.op == EX_LOAD || n.op == EX_DIM || n.op == EX_ACC || n.op == EX_INDEX || n.op == EX_BITCAST) return false;
    for (uint32_t i = 0; i < ex_arity((ex_op)n.op); i++)
        if (!collect(q, n.a[i], looks)) return false;
    return true;
}

/* Along how many dimensions it changes. */
static uint32_t variety(const exprs *x, ex e)
{
    const ex_node n = *ex_at(x, e);
    double v;
    uint32_t many = 0;
    if (n.op != EX_LOAD) return MAX_RANK;
    for (uint32_t i = 0; i < n.n; i++) many += !ex_is_num(x, n.idx[i], &v);
    return many;
}

/* What changes less comes last: the part of a sum that inner loops need not compute. */
static void order_atoms(pair *q)
{
    if (q->n_atoms < 2 || variety(q->x, q->a[0].e) >= variety(q->x, q->a[1].e)) return;
    const atom first = q->a[0];
    q->a[0] = q->a[1];
    q->a[1] = first;
}

/* The float under the rounding of e, which only literals are added to or compared with, before and after; 0: e is something else. */
static ex under_rounding(pair *q, ex e)
{
    const ex_node n = *ex_at(q->x, e);
    double v;
    if (n.type == CT_I32 && n.op == EX_CAST) {
        const ex_node r = *ex_at(q->x, n.a[0]);
        return r.op == EX_RINT && r.type == CT_F32 ? under_rounding(q, r.a[0]) : 0;
    }
    const bool right = ex_arity((ex_op)n.op) == 2 && ex_is_num(q->x, n.a[1], &v), left = !right && ex_arity((ex_op)n.op) == 2 && ex_is_num(q->x, n.a[0], &v);
    const bool bound = (n.op == EX_MAX || n.op == EX_MIN) && (right || left);
    if (n.type == CT_F32) return bound ? under_rounding(q, n.a[left]) : e;
    if (n.type != CT_I32 || !(bound || (n.op == EX_ADD && (right || left)) || (n.op == EX_SUB && right))) return 0;
    if (!bound) q->zero += (int32_t)(n.op == EX_ADD ? v : -v);
    return under_rounding(q, n.a[left]);
}

/* ---- its value for every pair ---- */

static void fill(void *out, ctype t, const ex_node *n)
{
    const size_t size = lane_bytes(t);
    const float f = (float)n->f;
    const int32_t i = (int32_t)n->i;
    const uint8_t b = (uint8_t)n->i;
    const void *from = t == CT_F32 ? (const void *)&f : t == CT_F64 ? (const void *)&n->f : size == 1 ? (const void *)&b : size == 4 ? (const void *)&i : (const void *)&n->i;
    for (size_t k = 0; k < PAIRS; k++) memcpy((char *)out + k * size, from, size);
}

/* PAIRS lanes; pair k is value k / 256 of the first and k % 256 of the second. NULL: too many nodes. */
static void *lanes_of(pair *q, ex e)
{
    for (uint32_t i = 0; i < q->n_nodes; i++)
        if (q->node[i] == e) return q->lane[i];
    const ex_node n = *ex_at(q->x, e);
    const ctype t = (ctype)n.type;
    void *out = arena_alloc(q->mem, lane_bytes(t) * PAIRS), *arg[3] = {NULL, NULL, NULL};
    const bool atom0 = e == q->a[0].e, atom1 = e == q->a[1].e;
    for (uint32_t k = 0; k < PAIRS && (atom0 || atom1); k++) ((int32_t *)out)[k] = atom0 ? q->a[0].lo + (int32_t)(k / VALUES) : q->a[1].lo + (int32_t)(k % VALUES);
    for (uint32_t i = 0; i < ex_arity((ex_op)n.op) && !atom0 && !atom1; i++)
        if (!(arg[i] = lanes_of(q, n.a[i]))) return NULL;
    if (q->n_nodes == MAX_NODES) return NULL;
    if (n.op == EX_NUM) fill(out, t, &n);
    else if (arg[2]) vec_select(t, PAIRS, out, arg[0], arg[1], arg[2]);
    else if (arg[1]) vec_bin((ex_op)n.op, ex_type(q->x, n.a[0]), PAIRS, out, arg[0], arg[1]);
    else if (arg[0] && n.op == EX_CAST) vec_cast(t, ex_type(q->x, n.a[0]), PAIRS, out, arg[0]);
    else if (arg[0] && n.op == EX_ROUND) vec_round((elem)n.elem, t, PAIRS, out, arg[0]);
    else if (arg[0]) vec_un((ex_op)n.op, ex_type(q->x, n.a[0]), PAIRS, out, arg[0]);
    q->node[q->n_nodes] = e;
    q->lane[q->n_nodes++] = out;
    return out;
}

static bool evaluate(pair *q, ex e, ex v)
{
    enum { CLOSE = 512 }; /* one part of a step */
    q->want = lanes_of(q, e);
    q->v = lanes_of(q, v);
    if (!q->want || !q->v) return false;
    q->lo = q->hi = q->want[0];
    for (uint32_t k = 0; k < PAIRS; k++) {
        if (!(fabsf(q->v[k]) < 0x1p22f)) return false;
        if (q->want[k] < q->lo) q->lo = q->want[k];
        if (q->want[k] > q->hi) q->hi = q->want[k];
    }
    q->tie = ARENA_ARRAY(q->mem, uint16_t, PAIRS);
    for (uint32_t k = 0; k < PAIRS; k++)
        if (fabsf(q->v[k] - floorf(q->v[k]) - 0.5f) < 1.0f / CLOSE) q->tie[q->n_ties++] = (uint16_t)k;
    return q->hi > q->lo && q->hi - q->lo < VALUES;
}

/* ---- the forms ---- */

typedef struct {
    bool product;
    float ka, kb, c;   /* a * ka + (b * kb + c) */
    int32_t za, zb;    /* (a - za) * (b - zb) * ka + c */
    int32_t zero;      /* added after the rounding */
} form;

static float form_value(const pair *q, const form *f, uint32_t k)
{
    const int32_t a = q->a[0].lo + (int32_t)(k / VALUES), b = q->a[1].lo + (int32_t)(k % VALUES);
    if (!f->product) return (float)a * f->ka + ((float)b * f->kb + f->c);
    return (float)(a - f->za) * (float)(b - f->zb) * f->ka + f->c;
}

static bool right_at(const pair *q, const form *f, uint32_t k)
{
    const float v = fminf(fmaxf(form_value(q, f, k), (float)(q->lo - f->zero)), (float)(q->hi - f->zero));
    return (int32_t)rintf(v) + f->zero == q->want[k];
}

static bool right_everywhere(const pair *q, const form *f)
{
    for (uint32_t i = 0; i < q->n_ties; i++)
        if (!right_at(q, f, q->tie[i])) return false;
    for (uint32_t k = 0; k < PAIRS; k++)
        if (!right_at(q, f, k)) return false;
    return true;
}

static float neighbour(float v, int steps)
{
    for (; steps > 0; steps--) v = nextafterf(v, INFINITY);
    for (; steps < 0; steps++) v = nextafterf(v, -INFINITY);
    return v;
}

/* 0, 1, -1, 2, -2, ... */
static int alternating(int i)
{
    return i % 2 ? (i + 1) / 2 : -i / 2;
}

/* Neighbours of the constants; `last_bit` is that of the largest number that is added up. */
static bool settle(const pair *q, form *f, double last_bit)
{
    enum { SHIFTS = 49, SLOPES = 5, FACTORS = 33 };
    const form first = *f;
    for (int i = 0; i < FACTORS && f->product; i++) {
        f->ka = neighbour(first.ka, alternating(i));
        if (right_everywhere(q, f)) return true;
    }
    for (int i = 0; i < SLOPES * SLOPES && !f->product; i++)
        for (int s = 0; s < SHIFTS; s++) {
            f->ka = neighbour(first.ka, alternating(i / SLOPES));
            f->kb = neighbour(first.kb, alternating(i % SLOPES));
            f->c = (float)((double)first.c + alternating(s) * last_bit);
            if (right_everywhere(q, f)) return true;
        }
    return false;
}

/* The zero point is added before the rounding if that is as good. */
static bool settle_zero(const pair *q, form *f, double last_bit)
{
    form inside = *f;
    inside.c += (float)q->zero;
    inside.zero = 0;
    if (settle(q, &inside, last_bit)) {
        *f = inside;
        return true;
    }
    f->zero = q->zero;
    return q->zero && settle(q, f, last_bit);
}

static bool find_form(const pair *q, form *f)
{
    const float *v = q->v;
    const double most = VALUES - 1, start = (double)v[0], along_a = (double)v[PAIRS - VALUES] - start, along_b = (double)v[VALUES - 1] - start;
    const double mixed = (double)v[PAIRS - 1] - start - along_a - along_b, size = fabs(start) + fabs(along_a) + fabs(along_b) + fabs(mixed);
    *f = (form){.product = fabs(mixed) > size * 1e-5};
    if (!f->product) {
        f->ka = (float)(along_a / most);
        f->kb = (float)(along_b / most);
        f->c = (float)(start - along_a / most * q->a[0].lo - along_b / most * q->a[1].lo);
        return settle_zero(q, f, ldexp(fabs(along_a) + fabs(along_b) + fabs((double)f->c), -25));
    }
    const double k = mixed / (most * most), za = q->a[0].lo - along_b / most / k, zb = q->a[1].lo - along_a / most / k;
    if (!(fabs(za) < VALUES) || !(fabs(zb) < VALUES)) return false;
    f->za = (int32_t)rint(za);
    f->zb = (int32_t)rint(zb);
    f->ka = (float)k;
    return settle_zero(q, f, 0);
}

static ex form_as_ex(const pair *q, const form *f)
{
    exprs *x = q->x;
    ex v;
    if (f->product) {
        const ex a = ex_cast(x, CT_F32, ex_bin(x, EX_SUB, q->a[0].e, ex_i(x, CT_I32, f->za)));
        const ex b = ex_cast(x, CT_F32, ex_bin(x, EX_SUB, q->a[1].e, ex_i(x, CT_I32, f->zb)));
        v = ex_bin(x, EX_MUL, ex_bin(x, EX_MUL, a, b), ex_f(x, CT_F32, (double)f->ka));
        if (f->c != 0) v = ex_bin(x, EX_ADD, v, ex_f(x, CT_F32, (double)f->c));
    } else {
        const ex a = ex_bin(x, EX_MUL, ex_cast(x, CT_F32, q->a[0].e), ex_f(x, CT_F32, (double)f->ka));
        const ex b = ex_bin(x, EX_MUL, ex_cast(x, CT_F32, q->a[1].e), ex_f(x, CT_F32, (double)f->kb));
        v = ex_bin(x, EX_ADD, a, ex_bin(x, EX_ADD, b, ex_f(x, CT_F32, (double)f->c)));
    }
    v = ex_bin(x, EX_MIN, ex_bin(x, EX_MAX, v, ex_f(x, CT_F32, q->lo - f->zero)), ex_f(x, CT_F32, q->hi - f->zero));
    return ex_bin(x, EX_ADD, ex_cast(x, CT_I32, ex_un(x, EX_RINT, v)), ex_i(x, CT_I32, f->zero));
}

ex pair_computed(exprs *x, ex e)
{
    arena *mem = arena_new();
    pair q = {.x = x, .mem = mem};
    form f;
    uint32_t looks = 0;
    const ex v = ex_type(x, e) == CT_I32 ? under_rounding(&q, e) : 0;
    ex r = e;
    const bool found = v && collect(&q, v, &looks);
    order_atoms(&q);
    if (found && q.n_atoms == 2 && evaluate(&q, e, v) && find_form(&q, &f)) {
        const ex made = form_as_ex(&q, &f);
        if (q.has_double || ex_cost(x, made) < ex_cost(x, e)) r = made;
    }
    arena_free(mem);
    return r;
}

/* ---- all steps ---- */

static bool takes_bytes(program *p, slot to)
{
    return to && (slot_at(p, to)->type == ELEM_UINT8 || slot_at(p, to)->type == ELEM_INT8);
}

typedef struct {
    program *p;
    const nest *n;
    bool written; /* something read is memory that the nest writes */
} kept;

static slot memory_of(program *p, slot s)
{
    return slot_at(p, s)->alias_of ? slot_at(p, s)->alias_of : s;
}

static void find_written(void *ctx, ex e)
{
    kept *k = ctx;
    const ex_node n = *ex_at(k->p->ex, e);
    if (n.op != EX_LOAD || slot_at(k->p, n.slot)->kind == SLOT_LOCAL) return;
    for (uint32_t i = 0; i < k->n->n_stages; i++)
        for (uint32_t j = 0; j < k->n->stage[i].n_sinks; j++) {
            const slot to = k->n->stage[i].sink[j].to;
            k->written |= to && memory_of(k->p, to) == memory_of(k->p, n.slot);
        }
}

/* A number that a stage without loops keeps for those behind it, as its expression. */
static ex kept_value(void *ctx, ex e)
{
    kept *k = ctx;
    const ex_node n = *ex_at(k->p->ex, e);
    ex found = 0;
    if (n.op != EX_LOAD || n.n || slot_at(k->p, n.slot)->kind != SLOT_LOCAL) return 0;
    for (uint32_t i = 0; i < k->n->n_stages; i++)
        for (uint32_t j = 0; j < k->n->stage[i].n_sinks; j++) {
            const sink *to = &k->n->stage[i].sink[j];
            if (to->to != n.slot) continue;
            if (found || k->n->stage[i].n_axes || to->guard || to->fold != FOLD_NONE) return 0;
            found = to->value;
        }
    if (!found) return 0;
    k->written = false;
    ex_walk(k->p->ex, found, find_written, k);
    return k->written ? 0 : ex_subst(k->p->ex, found, kept_value, ctx);
}

typedef struct {
    exprs *x;
    slot s;
    bool hit;
} reading;

static void find_reading(void *ctx, ex e)
{
    reading *r = ctx;
    r->hit |= ex_at(r->x, e)->op == EX_LOAD && ex_at(r->x, e)->slot == r->s;
}

static bool is_read(program *p, const nest *n, slot s)
{
    reading r = {p->ex, s, false};
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            const sink *to = &n->stage[i].sink[k];
            ex_walk(p->ex, to->value, find_reading, &r);
            if (to->guard) ex_walk(p->ex, to->guard, find_reading, &r);
            for (uint32_t a = 0; to->to && a < to->n; a++) ex_walk(p->ex, to->at[a], find_reading, &r);
        }
    return r.hit;
}

/* What is kept for nobody is not computed. */
static void drop_kept(program *p, nest *n)
{
    uint32_t stages = 0;
    for (uint32_t i = n->n_stages; i-- > 0;) {
        stage *s = &n->stage[i];
        uint32_t sinks = 0;
        for (uint32_t k = 0; k < s->n_sinks; k++)
            if (!s->sink[k].to || slot_at(p, s->sink[k].to)->kind != SLOT_LOCAL || is_read(p, n, s->sink[k].to)) s->sink[sinks++] = s->sink[k];
        s->n_sinks = sinks;
    }
    for (uint32_t i = 0; i < n->n_stages; i++)
        if (n->stage[i].n_sinks) n->stage[stages++] = n->stage[i];
    n->n_stages = stages;
}

static void compute_nest(program *p, nest *n)
{
    bool changed = false;
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            sink *to = &n->stage[i].sink[k];
            if (!takes_bytes(p, to->to)) continue;
            kept from = {p, n, false};
            const ex whole = ex_subst(p->ex, to->value, kept_value, &from), made = pair_computed(p->ex, whole);
            if (made == whole) continue;
            to->value = made;
            changed = true;
        }
    if (changed) drop_kept(p, n);
}

static void compute_in(void *ctx, step *s)
{
    program *p = ctx;
    if (s->nest) compute_nest(p, s->nest);
    for (uint32_t i = 0; s->kernel && i < s->kernel->n_hook; i++)
        if (takes_bytes(p, s->kernel->hook[i].to)) s->kernel->hook[i].value = pair_computed(p->ex, s->kernel->hook[i].value);
}

void plan_pairs(program *p, const plan_options *o)
{
    if (o->target->vl > 1) program_steps(p, compute_in, p);
}
