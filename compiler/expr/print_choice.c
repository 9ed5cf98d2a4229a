/* print_choice.c - which axis of a nest lies in the lanes of the vectors.
 *
 * Two shapes suffice: along the row (the last axis of each stage; a fold ends with one horizontal operation per row) and across (one parallel axis,
 * walked innermost; no horizontal operation, locals hold a vector per element). Each candidate is scored by the memory it touches, weighted by how
 * well a vector can touch it. Whether rows are folded along is decided without looking at the vector length, so that sums have the same bits on
 * every target; the choice between across and scalar code changes no bits and may. */
#include <math.h>

#include "expr/expr_impl.h"
#include "expr/print.h"

enum { MAX_LOCAL_BYTES = 64 * 1024 };

/* ---- can it be printed with lanes ---- */

typedef struct {
    printer *w;
    bool hopeful;
} lane_check;

static bool has_lanes(const lane_check *c, ex e);

/* Minimum, maximum and selection replaced by their first value: what a size or an index is between the places where it turns. */
static dim straight(printer *w, dim d)
{
    const dim_kind kind = dim_kind_of(w->t, d);
    if (!dim_has(w->t, d, w->vec)) return d;
    if (kind == DIM_POLY) {
        const dim_term *term;
        uint32_t n;
        dim sum = dim_const(w->t, dim_poly(w->t, d, &term, &n));
        for (uint32_t i = 0; i < n; i++) {
            dim product = dim_const(w->t, term[i].coef);
            for (uint32_t k = 0; k < term[i].n_atoms; k++) product = dim_mul(w->t, product, straight(w, term[i].atom[k]));
            sum = dim_add(w->t, sum, product);
        }
        return sum;
    }
    if (kind == DIM_MIN || kind == DIM_MAX) return straight(w, dim_args(w->t, d)[0]);
    return kind == DIM_SELECT ? straight(w, dim_args(w->t, d)[2]) : d;
}

/* An index that is straight between the cuts that find_cuts makes. */
static bool turns(printer *w, ex index)
{
    dim d, coef, rest;
    if (!ex_is_dim(w->x, index, &d)) return false;
    d = straight(w, d);
    return dim_affine(w->t, d, w->vec, &coef, &rest) && (dim_is(w->t, coef, 1) || dim_is(w->t, coef, -1));
}

/* An index as int32 lanes: one step per lane. */
static bool dim_has_lanes(printer *w, dim d)
{
    dim coef, rest;
    const interval r = dim_range(w->t, d);
    if (r.lo <= INT32_MIN || r.hi >= INT32_MAX) return false;
    if (!dim_has(w->t, d, w->vec)) return true;
    return dim_affine(w->t, d, w->vec, &coef, &rest) && dim_is_const(w->t, coef, NULL);
}

static bool is_index_compare(printer *w, const ex_node *n)
{
    return (n->op == EX_LT || n->op == EX_LE || n->op == EX_EQ || n->op == EX_NE) && ex_is_dim(w->x, n->a[0], NULL) && ex_is_dim(w->x, n->a[1], NULL);
}

/* Only comparisons of indexes, joined by logic: splitting loops can decide it. */
static bool is_border(printer *w, ex cond)
{
    const ex_node n = *ex_at(w->x, cond);
    if (n.op == EX_AND || n.op == EX_OR) return is_border(w, n.a[0]) && is_border(w, n.a[1]);
    if (n.op == EX_NOT) return is_border(w, n.a[0]);
    return n.op == EX_NUM || is_index_compare(w, &n);
}

typedef struct {
    printer *w;
    bool bad;
} safe_search;

bool stays_inside(printer *w, slot s, dim at)
{
    const slot_info *info = slot_at(w->p, s);
    const dim elems = info->view.buf ? w->p->buf.p[info->view.buf].elems : dim_product(w->t, info->extent, info->rank);
    return elems && dim_ge0(w->t, at) && dim_lt(w->t, at, elems);
}

static void check_safe(void *ctx, ex e)
{
    safe_search *s = ctx;
    printer *w = s->w;
    const ex_node n = *ex_at(w->x, e);
    dim at;
    if (n.op == EX_INDEX) s->bad = true;
    if (n.op != EX_LOAD || s->bad || table_index(w->p, &n)) return;
    s->bad = !ex_is_dim(w->x, n.idx[0], &at) || !stays_inside(w, n.slot, at);
}

/* May be evaluated for lanes that do not want it: every load stays inside its buffer. */
static bool is_safe(printer *w, ex e)
{
    safe_search s = {w, false};
    ex_walk(w->x, e, check_safe, &s);
    return !s.bad;
}

static bool op_has_lanes(ex_op op, ctype t)
{
    switch (op) {
    case EX_DIV: return t == CT_F32;
    case EX_MOD:
    case EX_FDIV:
    case EX_FMOD:
    case EX_SHL:
    case EX_SHR:
    case EX_INDEX: return false;
    default: return true;
    }
}

static bool round_has_lanes(elem to)
{
    return to == ELEM_FLOAT16 || to == ELEM_BFLOAT16 || to == ELEM_INT8 || to == ELEM_UINT8 || to == ELEM_INT16 || to == ELEM_UINT16;
}

static bool select_has_lanes(const lane_check *c, const ex_node *n)
{
    printer *w = c->w;
    if (is_vec(w, n->a[0]) && !(c->hopeful && is_border(w, n->a[0]))) {
        if (!has_lanes(c, n->a[0]) || !is_safe(w, n->a[1]) || !is_safe(w, n->a[2])) return false;
    }
    return has_lanes(c, n->a[1]) && has_lanes(c, n->a[2]);
}

static bool has_lanes(const lane_check *c, ex e)
{
    printer *w = c->w;
    if (!is_vec(w, e) || mark_of(w, e)->walk == w->walk) return true;
    const ex_node n = *ex_at(w->x, e);
    const ctype t = (ctype)n.type, from = n.a[0] ? ex_type(w->x, n.a[0]) : t;
    dim d;
    mark_of(w, e)->walk = w->walk;
    if (n.op == EX_LOAD) {
        const ex index = table_index(w->p, &n);
        return index ? load_has_lanes(w, &n) && has_lanes(c, index) : load_has_lanes(w, &n) || (c->hopeful && turns(w, n.idx[0]));
    }
    if (is_index_compare(w, &n))
        return ex_is_dim(w->x, n.a[0], &d) && dim_has_lanes(w, d) && ex_is_dim(w->x, n.a[1], &d) && dim_has_lanes(w, d);
    if (t != CT_F32 && t != CT_I32 && t != CT_BOOL) return false;
    if (n.op == EX_ACC) return true;
    if (n.op == EX_CAST && ex_is_dim(w->x, n.a[0], &d)) return t != CT_BOOL && (dim_has_lanes(w, d) || (c->hopeful && dim_has_lanes(w, straight(w, d))));
    if (from != CT_F32 && from != CT_I32 && from != CT_BOOL) return false;
    if (n.op == EX_ROUND && !round_has_lanes((elem)n.elem)) return false;
    if (n.op == EX_SELECT) return select_has_lanes(c, &n);
    if (!op_has_lanes((ex_op)n.op, t)) return false;
    for (uint32_t i = 0; i < ex_arity((ex_op)n.op); i++)
        if (!has_lanes(c, n.a[i])) return false;
    return true;
}

/* The int64 store of int32 lanes. */
static bool value_has_lanes(const lane_check *c, const sink *k)
{
    const ex_node n = *ex_at(c->w->x, k->value);
    if (k->to && slot_at(c->w->p, k->to)->type == ELEM_INT64 && n.op == EX_CAST && is_vec(c->w, k->value)) {
        const ctype from = ex_type(c->w->x, n.a[0]);
        return (from == CT_I32 || from == CT_BOOL) && has_lanes(c, n.a[0]);
    }
    return has_lanes(c, k->value);
}

static bool sink_has_lanes(const lane_check *c, const sink *k)
{
    printer *w = c->w;
    const ctype t = ex_type(w->x, k->value);
    dim stride;
    if (k->guard && is_vec(w, k->guard) && !(c->hopeful && is_border(w, k->guard))) return false;
    if (!value_has_lanes(c, k)) return false;
    if (!k->to) return t == CT_F32 || t == CT_I32 || t == CT_BOOL;
    const elem stored = slot_at(w->p, k->to)->type;
    if (w->across && slot_is_local(w, k->to)) return (stored == ELEM_FLOAT || stored == ELEM_INT32) && !is_vec(w, k->at[0]);
    return lane_stride(w, k->at[0], &stride) && store_has_lanes(w, stored, stride) && (t == CT_F32 || t == CT_I32 || t == CT_BOOL || stored == ELEM_INT64);
}

bool stage_has_lanes(printer *w, const stage *s, dim axis, bool across, bool hopeful)
{
    const dim vec = w->vec;
    const bool was_across = w->across;
    bool ok = true;
    w->across = across;
    set_vec(w, axis);
    const lane_check c = {w, hopeful};
    for (uint32_t i = 0; i < s->n_sinks && ok; i++) {
        w->walk++;
        ok = sink_has_lanes(&c, &s->sink[i]);
    }
    w->across = was_across;
    set_vec(w, vec);
    return ok;
}

/* ---- along ---- */

bool is_ordered_fold(const printer *w, const sink *k)
{
    return !k->to && (k->fold == FOLD_SUM || k->fold == FOLD_PROD) && ex_type(w->x, k->value) == CT_F32;
}

typedef struct {
    printer *w;
    const stage *s;
    bool hit;
} scan_search;

static void find_running(void *ctx, ex e)
{
    scan_search *f = ctx;
    const ex_node *n = ex_at(f->w->x, e);
    if (n->op != EX_ACC) return;
    for (uint32_t i = 0; i < f->s->n_sinks; i++) f->hit |= !f->s->sink[i].to && f->s->sink[i].acc == (uint32_t)n->i;
}

/* Reads an accumulator while it is being folded, or what the stage itself stores: elements depend on the ones before. */
static bool is_scan(printer *w, const stage *s)
{
    scan_search f = {w, s, false};
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        ex_walk(w->x, s->sink[i].value, find_running, &f);
        if (s->sink[i].guard) ex_walk(w->x, s->sink[i].guard, find_running, &f);
        for (uint32_t d = 0; s->sink[i].to && d < s->sink[i].n; d++) ex_walk(w->x, s->sink[i].at[d], find_running, &f);
    }
    return f.hit;
}

typedef struct {
    printer *w;
    const stage *s;
    const sink *to;
    bool hit;
} feedback_search;

static void find_feedback(void *ctx, ex e)
{
    feedback_search *f = ctx;
    const ex_node *n = ex_at(f->w->x, e);
    if (n->op != EX_LOAD || !same_memory(f->w, n->slot, f->to->to)) return;
    if (n->idx[0] != f->to->at[0]) f->hit = true; /* the same element is read before it is written */
}

/* A stage that reads at another place what it writes. */
static bool has_feedback(printer *w, const stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        if (!s->sink[i].to) continue;
        feedback_search f = {w, s, &s->sink[i], false};
        for (uint32_t k = 0; k < s->n_sinks; k++) ex_walk(w->x, s->sink[k].value, find_feedback, &f);
        if (f.hit) return true;
    }
    return false;
}

bool is_serial(printer *w, const stage *s)
{
    for (uint32_t i = 0; i < s->n_sinks; i++)
        if (s->sink[i].in_order) return true;
    return is_scan(w, s) || has_feedback(w, s);
}

static bool extent_at_least(printer *w, dim axis, int64_t least)
{
    int64_t n;
    return !dim_is_const(w->t, dim_extent(w->t, axis), &n) || n >= least;
}

bool stage_along(printer *w, const stage *s, bool hopeful)
{
    if (!s->n_axes) return false;
    const dim axis = s->axis[s->n_axes - 1];
    return extent_at_least(w, axis, ROW_LANES) && !is_serial(w, s) && stage_has_lanes(w, s, axis, false, hopeful);
}

/* ---- scores ---- */

typedef struct {
    printer *w;
    const nest *n;
    const stage *s;
    double score;
} score_walk;

static double nominal(printer *w, dim extent)
{
    int64_t n;
    return dim_is_const(w->t, extent, &n) ? (double)n : 64;
}

/* Bytes of the elements that an index reaches: the product of the extents of the axes in it. */
static double touched(const score_walk *c, ex index, elem stored)
{
    double n = elem_of(stored)->bits / 8.0;
    const struct {
        uint32_t n;
        const dim *axis;
    } list[2] = {{c->n->n_axes, c->n->axis}, {c->s->n_axes, c->s->axis}};
    for (int l = 0; l < 2; l++)
        for (uint32_t i = 0; i < list[l].n; i++) {
            const dim vec = c->w->vec;
            set_vec(c->w, list[l].axis[i]);
            if (is_vec(c->w, index)) n *= nominal(c->w, dim_extent(c->w->t, list[l].axis[i]));
            set_vec(c->w, vec);
        }
    return n;
}

static double class_factor(printer *w, ex index, bool store)
{
    dim stride;
    if (!lane_stride(w, index, &stride)) return turns(w, index) ? 2 : -6;
    if (dim_is(w->t, stride, 0)) return 1;
    if (dim_is(w->t, stride, 1)) return store ? 6 : 4;
    if (store) return -16;
    return dim_is(w->t, stride, 2) || dim_is(w->t, stride, -1) ? 2 : -16;
}

static void score_load(void *ctx, ex e)
{
    score_walk *c = ctx;
    const ex_node n = *ex_at(c->w->x, e);
    if (n.op != EX_LOAD || slot_is_local(c->w, n.slot) || table_index(c->w->p, &n)) return;
    c->score += touched(c, n.idx[0], (elem)n.elem) * class_factor(c->w, n.idx[0], false);
}

static double score_stage(printer *w, const nest *n, const stage *s, dim axis, bool across)
{
    const dim vec = w->vec;
    const bool was = w->across;
    w->across = across;
    set_vec(w, axis);
    score_walk c = {w, n, s, 0};
    for (uint32_t i = 0; i < s->n_sinks; i++) {
        const sink *k = &s->sink[i];
        ex_walk(w->x, k->value, score_load, &c);
        if (!k->to || slot_is_local(w, k->to)) continue;
        c.score += touched(&c, k->at[0], slot_at(w->p, k->to)->type) * class_factor(w, k->at[0], true);
    }
    w->across = was;
    set_vec(w, vec);
    return c.score;
}

/* Locals hold a vector per element in an across-nest: they must stay small enough for a stack. */
static bool locals_fit(const printer *w)
{
    for (uint32_t i = 0; i < w->param.n; i++) {
        const slot_info *s = slot_at(w->p, w->param.p[i].slot);
        if (s->kind == SLOT_LOCAL && s->rank > 0 && dim_range(w->t, dim_product(w->t, s->extent, s->rank)).hi > MAX_LOCAL_BYTES / 4 / ROW_LANES) return false;
    }
    return true;
}

static bool across_allowed(printer *w, const nest *n, uint32_t which)
{
    bool stores = false;
    if (!locals_fit(w)) return false;
    for (uint32_t i = 0; i < n->n_stages; i++) {
        const stage *s = &n->stage[i];
        if (!stage_has_lanes(w, s, n->axis[which], true, true)) return false;
        for (uint32_t k = 0; k < s->n_sinks; k++) {
            stores |= s->sink[k].to != 0;
            if (s->sink[k].in_order && which + 1 != n->n_axes) return false; /* walking it innermost would change the order */
        }
        if (has_feedback(w, s)) return false;
    }
    return stores;
}

static double score_across(printer *w, const nest *n, int64_t least, dim *axis)
{
    double best = 0;
    *axis = 0;
    for (uint32_t i = 0; i < n->n_axes; i++) {
        if (!extent_at_least(w, n->axis[i], least) || !across_allowed(w, n, i)) continue;
        double score = 0;
        for (uint32_t k = 0; k < n->n_stages; k++) score += score_stage(w, n, &n->stage[k], n->axis[i], true);
        if (score > best) {
            best = score;
            *axis = n->axis[i];
        }
    }
    return best;
}

static double score_along(printer *w, const nest *n)
{
    double score = 0;
    bool any = false;
    for (uint32_t i = 0; i < n->n_stages; i++) {
        const stage *s = &n->stage[i];
        if (!s->n_axes) continue;
        const bool ok = stage_along(w, s, true);
        any |= ok;
        const double one = score_stage(w, n, s, s->axis[s->n_axes - 1], false);
        score += ok ? one : one > 0 ? -one : one;
    }
    return any ? score : 0;
}

choice choose_vector(printer *w, const nest *n)
{
    dim axis;
    const double along = score_along(w, n), across = score_across(w, n, ROW_LANES, &axis);
    if (along > 0 && along >= across) return (choice){MODE_ALONG, 0};
    if (w->o->vl > 1 && score_across(w, n, w->o->vl, &axis) > 0) return (choice){MODE_ACROSS, axis};
    return (choice){MODE_SCALAR, 0};
}
