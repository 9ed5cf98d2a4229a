/* reduce.c - reductions over axes, arg max and min, running sums. Source: ONNX Operators.md, newest versions.
 *
 * A reduction is a nest whose parallel axes are the kept dimensions: one stage folds over the others, the next stores the result. A
 * reduction over nothing gives the identity of its fold. A running sum stores the accumulator in the stage that folds it. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

/* ---- which axes ---- */

/* The bits of the reduced dimensions: from input 1, all when it is absent or empty (none with noop_with_empty_axes). */
static bool axes_known(model *m, const node *n, uint32_t *count, const int64_t **axes)
{
    *axes = known_ints(m, n, 1, count);
    return *axes || !node_in(n, 1);
}

static uint32_t reduced_mask(model *m, const node *n, uint32_t rank)
{
    uint32_t count, mask = 0;
    const int64_t *axes;
    if (!axes_known(m, n, &count, &axes)) return 0;
    if (!count) return node_int(n, "noop_with_empty_axes", 0) ? 0 : (1u << rank) - 1;
    for (uint32_t i = 0; i < count; i++) mask |= 1u << axis_of(axes[i], rank);
    return mask;
}

static bool out_reduced(infer_ctx *c, elem e, uint32_t mask, bool keep)
{
    const type *t = in_type(c, 0);
    dim out[MAX_RANK];
    int32_t r = 0;
    for (int32_t k = 0; k < t->rank; k++) {
        if (!(mask >> k & 1)) out[r++] = t->shape[k];
        else if (keep) out[r++] = dim_const(c->d, 1);
    }
    return out_tensor(c, 0, e, r, out);
}

static bool rank_fits(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    return in_rank(c, 0) <= MAX_RANK || infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
}

bool infer_Reduce(infer_ctx *c)
{
    uint32_t count, axis;
    const int64_t *axes;
    if (!rank_fits(c)) return false;
    if (!axes_known(c->m, c->n, &count, &axes)) {
        infer_unsupported(c, "axes-unknown", "the axes are computed at run time");
        return diag_hint(c->m->diag, "make input 'axes' a constant");
    }
    for (uint32_t i = 0; i < count; i++)
        if (!fix_axis(c, axes[i], in_rank(c, 0), &axis)) return false;
    return out_reduced(c, in_elem(c, 0), reduced_mask(c->m, c->n, (uint32_t)in_rank(c, 0)), node_int(c->n, "keepdims", 1) == 1);
}

/* Index of an output element whose kept dimensions are idx. */
static uint32_t kept_index(lower_ctx *c, uint32_t rank, uint32_t mask, const dim *idx, dim *at)
{
    const bool keep = node_int(c->n, "keepdims", 1) == 1;
    uint32_t r = 0;
    for (uint32_t k = 0; k < rank; k++) {
        if (!(mask >> k & 1)) at[r++] = idx[k];
        else if (keep) at[r++] = dim_const(c->d, 0);
    }
    return r;
}

/* ---- reductions ---- */

typedef struct {
    const char *name;
    fold fold;
    bool real; /* integers are reduced as double */
    ex (*each)(lower_ctx *c, ex x);
    ex (*last)(lower_ctx *c, ex acc, ex count);
} reduce_row;

static ex each_abs(lower_ctx *c, ex x)
{
    return ex_un(c->x, EX_ABS, x);
}
static ex each_square(lower_ctx *c, ex x)
{
    return mul(c, x, x);
}
static ex last_mean(lower_ctx *c, ex acc, ex count)
{
    return divide(c, acc, count);
}
static ex last_sqrt(lower_ctx *c, ex acc, ex count)
{
    (void)count;
    return ex_un(c->x, EX_SQRT, acc);
}
static ex last_log(lower_ctx *c, ex acc, ex count)
{
    (void)count;
    return ex_un(c->x, EX_LOG, acc);
}

static const reduce_row REDUCE[] = {
    {"ReduceL1", FOLD_SUM, false, each_abs, NULL},        {"ReduceL2", FOLD_SUM, true, each_square, last_sqrt},
    {"ReduceLogSum", FOLD_SUM, true, NULL, last_log},     {"ReduceLogSumExp", FOLD_SUM, true, NULL, NULL},
    {"ReduceMax", FOLD_MAX, false, NULL, NULL},           {"ReduceMean", FOLD_SUM, true, NULL, last_mean},
    {"ReduceMin", FOLD_MIN, false, NULL, NULL},           {"ReduceProd", FOLD_PROD, false, NULL, NULL},
    {"ReduceSum", FOLD_SUM, false, NULL, NULL},           {"ReduceSumSquare", FOLD_SUM, false, each_square, NULL},
};

typedef struct {
    lower_ctx *c;
    nest_builder b;
    slot x;
    uint32_t rank, mask;
    bool real;
    dim idx[MAX_RANK];
} reduction;

/* Opens a stage over the reduced axes and gives the element there. */
static ex reduction_stage(reduction *r)
{
    nest_stage(&r->b);
    stage_axes_mask(&r->b, r->rank, slot_at(r->c->p, r->x)->extent, r->mask, r->idx);
    const ex x = load_axes(r->c, r->x, r->rank, r->idx);
    return r->real && !ctype_is_float(ex_type(r->c->x, x)) ? ex_cast(r->c->x, CT_F64, x) : x;
}

/* log(sum(exp(x))) = m + log(sum(exp(x - m))), where m is the largest, or 0 when that is infinite. */
static ex log_sum_exp(reduction *r)
{
    lower_ctx *c = r->c;
    const ex m = stage_fold(&r->b, FOLD_MAX, reduction_stage(r));
    const ex shift = ex_select(c->x, ex_un(c->x, EX_ISINF, m), num(c, m, 0), m);
    const ex x = reduction_stage(r);
    return add(c, shift, ex_un(c->x, EX_LOG, stage_fold(&r->b, FOLD_SUM, ex_un(c->x, EX_EXP, sub(c, x, shift)))));
}

static ex reduced(reduction *r, const reduce_row *row)
{
    lower_ctx *c = r->c;
    if (!strcmp(row->name, "ReduceLogSumExp")) return log_sum_exp(r);
    const ex x = reduction_stage(r);
    fold f = row->fold;
    if (ex_type(c->x, x) == CT_BOOL) f = f == FOLD_MAX ? FOLD_OR : FOLD_AND;
    const ex acc = stage_fold(&r->b, f, row->each ? row->each(c, x) : x);
    const dim n = product_mask(c->d, r->rank, slot_at(c->p, r->x)->extent, r->mask);
    if (row->last) return row->last(c, acc, size_as(c, acc, n));
    if (f != FOLD_MAX && f != FOLD_MIN) return acc;
    if (ctype_is_float(ex_type(c->x, acc)) || dim_ge0(c->d, dim_addc(c->d, n, -1))) return acc;
    /* over nothing: the limit of the stored type, not of the compute type */
    return f == FOLD_MAX ? larger(c, acc, lowest_of(c, slot_elem(c, r->x))) : smaller(c, acc, highest_of(c, slot_elem(c, r->x)));
}

bool lower_Reduce(lower_ctx *c)
{
    const reduce_row *row = NULL;
    for (size_t i = 0; i < sizeof REDUCE / sizeof *REDUCE; i++)
        if (!strcmp(REDUCE[i].name, c->n->op)) row = &REDUCE[i];
    if (!row) return lower_unsupported(c, "op-unsupported", "has no formula");
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    reduction r = {.c = c, .b = low_begin(c), .x = x, .rank = slot_rank(c, x), .real = row->real};
    r.mask = reduced_mask(c->m, c->n, r.rank);
    nest_axes_mask(&r.b, r.rank, slot_at(c->p, x)->extent, ~r.mask, r.idx);
    const ex v = reduced(&r, row);
    nest_stage(&r.b);
    dim at[MAX_RANK];
    const uint32_t n = kept_index(c, r.rank, r.mask, r.idx, at);
    store_axes(c, &r.b, y, n, at, ex_cast(c->x, ctype_of(slot_elem(c, y)), v));
    low_end(c, &r.b);
    return true;
}

/* ---- ArgMax, ArgMin, Hardmax ---- */

bool infer_ArgMax(infer_ctx *c)
{
    uint32_t axis;
    if (!rank_fits(c) || !fix_axis(c, node_int(c->n, "axis", 0), in_rank(c, 0), &axis)) return false;
    return out_reduced(c, ELEM_INT64, 1u << axis, node_int(c->n, "keepdims", 1) == 1);
}

/* Two stages along `axis`: the extreme, then the first (or last) index at which it stands. NaN is the extreme, as in numpy. The index is
 * folded by minimum, which may be done in any order. */
static ex arg_extreme(reduction *r, uint32_t axis, bool least, bool last)
{
    lower_ctx *c = r->c;
    const ctype t = ex_type(c->x, reduction_stage(r)); /* the stage of the extreme */
    ex x = load_axes(c, r->x, r->rank, r->idx);
    if (t == CT_BOOL) x = ex_cast(c->x, CT_I32, x);
    const ex m = stage_fold(&r->b, least ? FOLD_MIN : FOLD_MAX, x);
    x = reduction_stage(r);
    if (t == CT_BOOL) x = ex_cast(c->x, CT_I32, x);
    ex hit = equal(c, x, m);
    if (ctype_is_float(t)) hit = either(c, hit, ex_un(c->x, EX_ISNAN, x));
    const ctype it = dim_range(c->d, slot_dim(c, r->x, axis)).hi <= INT32_MAX ? CT_I32 : CT_I64;
    const ex none = ex_i(c->x, it, last ? -1 : it == CT_I32 ? INT32_MAX : INT64_MAX);
    const ex at = ex_cast(c->x, it, ex_dim(c->x, r->idx[axis]));
    return stage_fold(&r->b, last ? FOLD_MAX : FOLD_MIN, ex_select(c->x, hit, at, none));
}

static reduction along(lower_ctx *c, uint32_t axis)
{
    const slot x = in_slot(c, 0);
    reduction r = {.c = c, .b = low_begin(c), .x = x, .rank = slot_rank(c, x), .mask = 1u << axis};
    nest_axes_mask(&r.b, r.rank, slot_at(c->p, x)->extent, ~r.mask, r.idx);
    return r;
}

bool lower_ArgMax(lower_ctx *c)
{
    const uint32_t axis = axis_of(node_int(c->n, "axis", 0), slot_rank(c, in_slot(c, 0)));
    reduction r = along(c, axis);
    const ex at = arg_extreme(&r, axis, !strcmp(c->n->op, "ArgMin"), node_int(c->n, "select_last_index", 0) != 0);
    nest_stage(&r.b);
    dim idx[MAX_RANK];
    const uint32_t n = kept_index(c, r.rank, r.mask, r.idx, idx);
    store_axes(c, &r.b, out_slot(c, 0), n, idx, ex_cast(c->x, CT_I64, at));
    low_end(c, &r.b);
    return true;
}

bool infer_axis_like(infer_ctx *c)
{
    uint32_t axis;
    if (!rank_fits(c)) return false;
    return fix_axis(c, node_int(c->n, "axis", -1), in_rank(c, 0), &axis) && out_like(c, 0, 0);
}

bool lower_Hardmax(lower_ctx *c)
{
    const uint32_t axis = axis_of(node_int(c->n, "axis", -1), slot_rank(c, in_slot(c, 0)));
    reduction r = along(c, axis);
    const ex at = arg_extreme(&r, axis, false, false), like = reduction_stage(&r);
    const ex here = equal(c, at, ex_cast(c->x, ex_type(c->x, at), ex_dim(c->x, r.idx[axis])));
    store_axes(c, &r.b, out_slot(c, 0), r.rank, r.idx, ex_select(c->x, here, num(c, like, 1), num(c, like, 0)));
    low_end(c, &r.b);
    return true;
}

/* ---- CumSum, CumProd ---- */

bool infer_Cum(infer_ctx *c)
{
    uint32_t n, axis;
    if (!rank_fits(c)) return false;
    const int64_t *a = known_ints(c->m, c->n, 1, &n);
    if (!a || n != 1) {
        infer_unsupported(c, "axes-unknown", "the axis is computed at run time");
        return diag_hint(c->m->diag, "make input 'axis' a constant");
    }
    return fix_axis(c, a[0], in_rank(c, 0), &axis) && out_like(c, 0, 0);
}

bool lower_Cum(lower_ctx *c)
{
    uint32_t n;
    const int64_t *a = known_ints(c->m, c->n, 1, &n);
    if (!a) return lower_unsupported(c, "axes-unknown", "the axis is computed at run time");
    const uint32_t axis = axis_of(a[0], slot_rank(c, in_slot(c, 0)));
    reduction r = along(c, axis);
    (void)reduction_stage(&r);
    if (node_int(c->n, "reverse", 0)) r.idx[axis] = dim_sub(c->d, dim_addc(c->d, slot_dim(c, r.x, axis), -1), r.idx[axis]);
    const ex x = load_axes(c, r.x, r.rank, r.idx);
    const ex acc = stage_fold(&r.b, strcmp(c->n->op, "CumProd") ? FOLD_SUM : FOLD_PROD, x);
    store_axes(c, &r.b, out_slot(c, 0), r.rank, r.idx, acc);
    if (node_int(c->n, "exclusive", 0)) { /* store what came before this element */
        const sink swap = r.b.stage->sink[0];
        r.b.stage->sink[0] = r.b.stage->sink[1];
        r.b.stage->sink[1] = swap;
    }
    low_end(c, &r.b);
    return true;
}
