/* table.c - lookups in tables of 256 bytes that are cheaper computed.
 *
 * in:  fused steps whose expressions load from constant tables by a byte. out: where a table is exactly clamp(round((x - a) * k) + b, lo, hi) for
 *      some a, b and float k, as the requantization of Relu, Clip and the like is, its loads are that expression, which
 *      vectors do in fewer operations than a lookup, and which meets the clamp before it. Other tables, and targets without vectors, keep the load. */
#include <math.h>
#include <string.h>

#include "plan/plan.h"

enum { TABLE = 256 };

typedef struct {
    int32_t a, b, lo, hi;
    float k;
} affine_map;

static int32_t mapped(const affine_map *m, int32_t x)
{
    float v = (float)(x - m->a) * m->k;
    v = fmaxf(v, (float)(m->lo - m->b));
    v = fminf(v, (float)(m->hi - m->b));
    return (int32_t)rintf(v) + m->b;
}

/* Narrows [*k_lo, *k_hi] to the slopes that give y at x; false when none is left. */
static bool narrow_slope(const affine_map *m, int32_t x, int32_t y, double *k_lo, double *k_hi)
{
    const double at = x - m->a, low = (y - m->b - 0.5) / at, high = (y - m->b + 0.5) / at;
    const double from = low < high ? low : high, to = low < high ? high : low;
    if (y > m->lo && from > *k_lo) *k_lo = from; /* a clamped result bounds the slope on one side only */
    if (y < m->hi && to < *k_hi) *k_hi = to;
    return *k_lo <= *k_hi;
}

static bool fits_with(const int32_t *table, affine_map *m)
{
    double k_lo = 0, k_hi = 512;
    for (int32_t x = 0; x < TABLE; x++) {
        if (x == m->a) continue;
        if (x > m->a ? !narrow_slope(m, x, table[x], &k_lo, &k_hi) : table[x] > m->b) return false;
        if (x < m->a && table[x] > m->lo && !narrow_slope(m, x, table[x], &k_lo, &k_hi)) return false;
    }
    m->k = k_lo <= 1 && k_hi >= 1 ? 1 : (float)((k_lo + k_hi) / 2);
    for (int32_t x = 0; x < TABLE; x++)
        if (mapped(m, x) != table[x]) return false;
    return true;
}

/* Rising tables only: a falling one would need the bounds the other way round, and quantizations do not make them. */
static bool find_map(const int32_t *table, affine_map *m)
{
    for (int32_t x = 1; x < TABLE; x++)
        if (table[x] < table[x - 1]) return false;
    m->lo = table[0];
    m->hi = table[TABLE - 1];
    for (m->a = 0; m->a < TABLE; m->a++) {
        m->b = table[m->a];
        if (fits_with(table, m)) return true;
    }
    return false;
}

typedef struct {
    program *p;
    uint8_t *looked; /* by slot: 1 not such a table, 2 one */
    affine_map *map; /* by slot */
} tables;

static bool map_of(tables *t, slot s, affine_map *m)
{
    const slot_info *i = slot_at(t->p, s);
    int32_t table[TABLE];
    if (!t->looked[s]) {
        t->looked[s] = 1;
        const bool bytes = i->kind == SLOT_CONST && i->data && i->rank == 1 && (i->type == ELEM_UINT8 || i->type == ELEM_INT8) && tensor_count(i->data) == TABLE;
        for (int32_t x = 0; bytes && x < TABLE; x++) table[x] = (int32_t)elem_get_int(i->type, i->data->data, (size_t)x);
        if (bytes && find_map(table, &t->map[s])) t->looked[s] = 2;
    }
    *m = t->map[s];
    return t->looked[s] == 2;
}

/* e without the literals that are added to it and taken from it, whose sum is *off. */
static ex without_offset(exprs *x, ex e, int64_t *off)
{
    const ex_node n = *ex_at(x, e);
    double v;
    if ((n.op == EX_ADD || n.op == EX_SUB) && ex_is_num(x, n.a[1], &v)) {
        *off += n.op == EX_ADD ? (int64_t)v : -(int64_t)v;
        return without_offset(x, n.a[0], off);
    }
    if (n.op == EX_ADD && ex_is_num(x, n.a[0], &v)) {
        *off += (int64_t)v;
        return without_offset(x, n.a[1], off);
    }
    return e;
}

/* The float v of a rounded v that is clamped to [*lo, *hi], and those; 0: e is something else. */
static ex clamped_value(exprs *x, ex e, double *lo, double *hi)
{
    const ex_node cast = *ex_at(x, e);
    if (cast.op != EX_CAST) return 0;
    const ex_node round = *ex_at(x, cast.a[0]);
    if (round.op != EX_RINT || round.type != CT_F32) return 0;
    const ex_node min = *ex_at(x, round.a[0]);
    if (min.op != EX_MIN) return 0;
    const int m = ex_is_num(x, min.a[1], hi) ? 0 : 1;
    if (!ex_is_num(x, min.a[1 - m], hi)) return 0;
    const ex_node max = *ex_at(x, min.a[m]);
    if (max.op != EX_MAX) return 0;
    const int k = ex_is_num(x, max.a[1], lo) ? 0 : 1;
    return ex_is_num(x, max.a[1 - k], lo) ? max.a[k] : 0;
}

/* clamp(x + shift, lo, hi): a clamp before it takes the tighter bounds. */
static ex shifted_and_clamped(exprs *x, ex index, int64_t shift, int32_t lo, int32_t hi)
{
    double low, high;
    const ex base = without_offset(x, index, &shift), v = clamped_value(x, base, &low, &high);
    const ex offset = ex_i(x, CT_I32, shift);
    if (v && fmax(low, (double)(lo - shift)) <= fmin(high, (double)(hi - shift))) {
        const ex least = ex_f(x, CT_F32, fmax(low, (double)(lo - shift))), most = ex_f(x, CT_F32, fmin(high, (double)(hi - shift)));
        return ex_bin(x, EX_ADD, ex_cast(x, CT_I32, ex_un(x, EX_RINT, ex_bin(x, EX_MIN, ex_bin(x, EX_MAX, v, least), most))), offset);
    }
    return ex_bin(x, EX_MIN, ex_bin(x, EX_MAX, ex_bin(x, EX_ADD, base, offset), ex_i(x, CT_I32, lo)), ex_i(x, CT_I32, hi));
}

static ex computed(void *ctx, ex e)
{
    tables *t = ctx;
    exprs *x = t->p->ex;
    const ex_node n = *ex_at(x, e);
    affine_map m;
    if (n.op != EX_LOAD || n.n != 1 || !map_of(t, n.slot, &m)) return 0;
    const ex index = ex_as_i32(x, n.idx[0]);
    if (!index) return 0;
    const ex at = ex_subst(x, index, computed, t);
    if (m.k == 1) return shifted_and_clamped(x, at, m.b - m.a, m.lo, m.hi);
    ex v = ex_cast(x, CT_F32, ex_bin(x, EX_SUB, at, ex_i(x, CT_I32, m.a)));
    v = ex_bin(x, EX_MUL, v, ex_f(x, CT_F32, (double)m.k));
    v = ex_bin(x, EX_MIN, ex_bin(x, EX_MAX, v, ex_f(x, CT_F32, m.lo - m.b)), ex_f(x, CT_F32, m.hi - m.b));
    return ex_bin(x, EX_ADD, ex_cast(x, CT_I32, ex_un(x, EX_RINT, v)), ex_i(x, CT_I32, m.b));
}

static void compute_in(void *ctx, step *s)
{
    tables *t = ctx;
    exprs *x = t->p->ex;
    for (uint32_t i = 0; s->nest && i < s->nest->n_stages; i++)
        for (uint32_t k = 0; k < s->nest->stage[i].n_sinks; k++) {
            sink *to = &s->nest->stage[i].sink[k];
            to->value = ex_subst(x, to->value, computed, t);
        }
    for (uint32_t i = 0; s->kernel && i < s->kernel->n_hook; i++) s->kernel->hook[i].value = ex_subst(x, s->kernel->hook[i].value, computed, t);
}

void plan_tables(program *p, const plan_options *o)
{
    if (o->target->vl == 1) return;
    arena *scratch = arena_new();
    tables t = {p, ARENA_ARRAY(scratch, uint8_t, p->slot.n), ARENA_ARRAY(scratch, affine_map, p->slot.n)};
    program_steps(p, compute_in, &t);
    arena_free(scratch);
}
