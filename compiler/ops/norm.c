/* norm.c - operators that shift and scale by statistics of the tensor or by parameters. Source: ONNX Operators.md, newest versions.
 *
 * All are row nests: stages that fold over the normalized dimensions, then one that stores. Half precisions compute in float. Factors made
 * from parameters alone (scale / sqrt(var + eps)) are written as sub-expressions of their own, so that passes can compute them once. */
#include <math.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

typedef struct {
    lower_ctx *c;
    nest_builder b;
    slot x, y;
    uint32_t rank, mask; /* mask: dimensions that are normalized over */
    ctype t;
    dim idx[MAX_RANK];
} rows;

static rows rows_begin(lower_ctx *c, uint32_t mask)
{
    const slot x = in_slot(c, 0);
    rows r = {.c = c, .b = low_begin(c), .x = x, .y = out_slot(c, 0), .rank = slot_rank(c, x), .mask = mask};
    r.t = ctype_of(slot_elem(c, x));
    nest_axes_mask(&r.b, r.rank, slot_at(c->p, x)->extent, ~mask, r.idx);
    return r;
}

static ex rows_stage(rows *r)
{
    nest_stage(&r->b);
    stage_axes_mask(&r->b, r->rank, slot_at(r->c->p, r->x)->extent, r->mask, r->idx);
    return ex_cast(r->c->x, r->t, load_axes(r->c, r->x, r->rank, r->idx));
}

static ex rows_count(rows *r)
{
    return ex_cast(r->c->x, r->t, ex_dim(r->c->x, product_mask(r->c->d, r->rank, slot_at(r->c->p, r->x)->extent, r->mask)));
}

static void rows_store(rows *r, ex v)
{
    store_axes(r->c, &r->b, r->y, r->rank, r->idx, ex_cast(r->c->x, ctype_of(slot_elem(r->c, r->y)), v));
}

static bool rank_fits(infer_ctx *c, int32_t least)
{
    if (!need_rank(c, 0)) return false;
    if (in_rank(c, 0) > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    return in_rank(c, 0) >= least || infer_error(c, "shape-rank", "the input has %d dimensions, fewer than %d", in_rank(c, 0), least);
}

static ex scalar_eps(lower_ctx *c, ctype t)
{
    return ex_f(c->x, t, (double)node_float(c->n, "epsilon", 1e-5f));
}

/* ---- Softmax, LogSoftmax ---- */

/* The exponentials go to a temporary row: fusion makes it local to the step. */
bool lower_Softmax(lower_ctx *c)
{
    rows r = rows_begin(c, 1u << axis_of(node_int(c->n, "axis", -1), slot_rank(c, in_slot(c, 0))));
    const ex m = stage_fold(&r.b, FOLD_MAX, rows_stage(&r));
    if (!strcmp(c->n->op, "LogSoftmax")) {
        ex x = rows_stage(&r);
        const ex sum = stage_fold(&r.b, FOLD_SUM, ex_un(c->x, EX_EXP, sub(c, x, m)));
        x = rows_stage(&r);
        rows_store(&r, sub(c, sub(c, x, m), ex_un(c->x, EX_LOG, sum)));
        low_end(c, &r.b);
        return true;
    }
    const elem e = r.t == CT_F64 ? ELEM_DOUBLE : ELEM_FLOAT;
    const slot row = temp_slot(c, "exps", e, r.rank, slot_at(c->p, r.x)->extent);
    const ex v = ex_un(c->x, EX_EXP, sub(c, rows_stage(&r), m));
    store_axes(c, &r.b, row, r.rank, r.idx, v);
    const ex sum = stage_fold(&r.b, FOLD_SUM, v);
    (void)rows_stage(&r);
    rows_store(&r, divide(c, load_axes(c, row, r.rank, r.idx), sum));
    low_end(c, &r.b);
    return true;
}

/* ---- BatchNormalization ---- */

bool infer_BatchNormalization(infer_ctx *c)
{
    if (!rank_fits(c, 2)) return false;
    dim channels = in_dim(c, 0, 1);
    for (uint32_t i = 1; i < 5; i++)
        if (!need_rank(c, i) || in_rank(c, i) != 1) return infer_error(c, "shape-rank", "input %u must have one dimension", i);
    for (uint32_t i = 1; i < 5; i++)
        if (!shape_stretches(c, i, 1, &channels)) return false;
    if (node_int(c->n, "training_mode", 0))
        return out_like(c, 0, 0) && out_tensor(c, 1, in_elem(c, 3), 1, &channels) && out_tensor(c, 2, in_elem(c, 4), 1, &channels);
    return out_like(c, 0, 0);
}

static ex param(lower_ctx *c, uint32_t i, dim at, ctype t)
{
    return ex_cast(c->x, t, load_channel(c, in_slot(c, i), at));
}

/* x * a + b with a = scale / sqrt(var + eps) and b = bias - mean * a, the form that folds into a convolution before it. */
static ex scaled(rows *r, ex x, ex mean, ex var, dim channel)
{
    lower_ctx *c = r->c;
    const ex a = divide(c, param(c, 1, channel, r->t), ex_un(c->x, EX_SQRT, add(c, var, scalar_eps(c, r->t))));
    return add(c, mul(c, x, a), sub(c, param(c, 2, channel, r->t), mul(c, mean, a)));
}

static void running(rows *r, uint32_t out, ex now)
{
    lower_ctx *c = r->c;
    if (!low_has_out(c, out)) return;
    const float momentum = node_float(c->n, "momentum", 0.9f);
    const ex old = param(c, out + 2, r->idx[1], r->t), keep = ex_f(c->x, r->t, (double)momentum), take = ex_f(c->x, r->t, 1.0 - (double)momentum);
    const slot to = out_slot(c, out);
    nest_stage(&r->b);
    store_axes(c, &r->b, to, 1, &r->idx[1], ex_cast(c->x, ctype_of(slot_elem(c, to)), add(c, mul(c, old, keep), mul(c, now, take))));
}

/* Two-pass mean and variance (of the population) over the masked dimensions. */
static void moments(rows *r, ex *mean, ex *var)
{
    lower_ctx *c = r->c;
    *mean = divide(c, stage_fold(&r->b, FOLD_SUM, rows_stage(r)), rows_count(r));
    const ex d = sub(c, rows_stage(r), *mean);
    *var = divide(c, stage_fold(&r->b, FOLD_SUM, mul(c, d, d)), rows_count(r));
}

bool lower_BatchNormalization(lower_ctx *c)
{
    const bool training = node_int(c->n, "training_mode", 0) != 0;
    rows r = rows_begin(c, training ? ~2u : 0);
    ex mean, var;
    if (training) moments(&r, &mean, &var);
    else mean = param(c, 3, r.idx[1], r.t), var = param(c, 4, r.idx[1], r.t);
    const ex x = rows_stage(&r);
    rows_store(&r, scaled(&r, x, mean, var, r.idx[1]));
    if (training) {
        running(&r, 1, mean);
        running(&r, 2, var);
    }
    low_end(c, &r.b);
    return true;
}

/* ---- InstanceNormalization, GroupNormalization ---- */

bool infer_InstanceNormalization(infer_ctx *c)
{
    if (!rank_fits(c, 2)) return false;
    const dim channels = in_dim(c, 0, 1);
    return shape_stretches(c, 1, 1, &channels) && shape_stretches(c, 2, 1, &channels) && out_like(c, 0, 0);
}

bool lower_InstanceNormalization(lower_ctx *c)
{
    rows r = rows_begin(c, ~3u);
    ex mean, var;
    moments(&r, &mean, &var);
    const ex x = rows_stage(&r);
    rows_store(&r, scaled(&r, x, mean, var, r.idx[1]));
    low_end(c, &r.b);
    return true;
}

bool infer_GroupNormalization(infer_ctx *c)
{
    if (!rank_fits(c, 2)) return false;
    const int64_t groups = node_int(c->n, "num_groups", 0);
    if (groups < 1) return infer_error(c, "attribute-value", "attribute 'num_groups' is %lld", (long long)groups);
    int64_t channels;
    if (dim_is_const(c->d, in_dim(c, 0, 1), &channels) && channels % groups)
        return infer_error(c, "attribute-value", "%lld channels can't be parted into %lld groups", (long long)channels, (long long)groups);
    const dim all = in_dim(c, 0, 1);
    (void)assume_equal(c, all, dim_mulc(c->d, dim_fdiv(c->d, all, dim_const(c->d, groups)), groups));
    return shape_stretches(c, 1, 1, &all) && shape_stretches(c, 2, 1, &all) && out_like(c, 0, 0);
}

/* As rows_stage, where a row is a group: channel = group * per_group + k. */
static ex group_stage(rows *r, dim group, dim per_group)
{
    dims *d = r->c->d;
    nest_stage(&r->b);
    r->idx[1] = dim_add(d, dim_mul(d, group, per_group), stage_axis(&r->b, per_group));
    stage_axes_mask(&r->b, r->rank, slot_at(r->c->p, r->x)->extent, ~3u, r->idx);
    return load_axes(r->c, r->x, r->rank, r->idx);
}

bool lower_GroupNormalization(lower_ctx *c)
{
    rows r = rows_begin(c, ~1u);
    const dim groups = dim_const(c->d, node_int(c->n, "num_groups", 1)), channels = slot_dim(c, r.x, 1);
    const dim per_group = dim_fdiv(c->d, channels, groups), g = nest_axis(&r.b, groups);
    const dim spatial = product_mask(c->d, r.rank, slot_at(c->p, r.x)->extent, ~3u);
    const ex n = ex_cast(c->x, r.t, ex_dim(c->x, dim_mul(c->d, per_group, spatial)));
    const ex mean = divide(c, stage_fold(&r.b, FOLD_SUM, group_stage(&r, g, per_group)), n);
    const ex dev = sub(c, group_stage(&r, g, per_group), mean);
    const ex var = divide(c, stage_fold(&r.b, FOLD_SUM, mul(c, dev, dev)), n);
    const ex x = group_stage(&r, g, per_group);
    rows_store(&r, scaled(&r, x, mean, var, r.idx[1]));
    low_end(c, &r.b);
    return true;
}

/* ---- LayerNormalization, RMSNormalization ---- */

bool infer_LayerNormalization(infer_ctx *c)
{
    uint32_t axis;
    if (!rank_fits(c, 1) || !fix_axis(c, node_int(c->n, "axis", -1), in_rank(c, 0), &axis)) return false;
    const int64_t stash = node_int(c->n, "stash_type", 1);
    const bool rms = !strcmp(c->n->op, "RMSNormalization");
    const type *t = in_type(c, 0);
    if (!shape_stretches(c, 1, t->rank, t->shape) || !shape_stretches(c, 2, t->rank, t->shape)) return false;
    if (rms) return out_tensor(c, 0, in_elem(c, 1), t->rank, t->shape);
    dim out[MAX_RANK];
    for (int32_t k = 0; k < t->rank; k++) out[k] = (uint32_t)k < axis ? t->shape[k] : dim_const(c->d, 1);
    const elem e = elem_known((int)stash) ? (elem)stash : ELEM_FLOAT;
    return out_like(c, 0, 0) && out_tensor(c, 1, e, t->rank, out) && out_tensor(c, 2, e, t->rank, out);
}

static void store_statistic(rows *r, uint32_t out, ex v)
{
    lower_ctx *c = r->c;
    if (!low_has_out(c, out)) return;
    const slot to = out_slot(c, out);
    dim at[MAX_RANK];
    for (uint32_t k = 0; k < r->rank; k++) at[k] = r->mask >> k & 1 ? dim_const(c->d, 0) : r->idx[k];
    nest_stage(&r->b);
    store_axes(c, &r->b, to, r->rank, at, ex_cast(c->x, ctype_of(slot_elem(c, to)), v));
}

bool lower_LayerNormalization(lower_ctx *c)
{
    const uint32_t rank = slot_rank(c, in_slot(c, 0)), axis = axis_of(node_int(c->n, "axis", -1), rank);
    rows r = rows_begin(c, ~((1u << axis) - 1));
    const int64_t stash = node_int(c->n, "stash_type", 1);
    const ctype out_t = r.t;
    r.t = elem_known((int)stash) && ctype_is_float(ctype_of((elem)stash)) ? ctype_of((elem)stash) : CT_F32;
    const bool rms = !strcmp(c->n->op, "RMSNormalization");
    ex mean = ex_f(c->x, r.t, 0);
    if (!rms) mean = divide(c, stage_fold(&r.b, FOLD_SUM, rows_stage(&r)), rows_count(&r));
    const ex d = sub(c, rows_stage(&r), mean);
    const ex var = divide(c, stage_fold(&r.b, FOLD_SUM, mul(c, d, d)), rows_count(&r));
    const ex inv = divide(c, ex_f(c->x, r.t, 1), ex_un(c->x, EX_SQRT, add(c, var, scalar_eps(c, r.t))));
    ex v = ex_cast(c->x, out_t, mul(c, sub(c, rows_stage(&r), mean), inv));
    v = mul(c, v, ex_cast(c->x, out_t, load_bcast(c, in_slot(c, 1), rank, r.idx)));
    if (!rms && in_slot(c, 2)) v = add(c, v, ex_cast(c->x, out_t, load_bcast(c, in_slot(c, 2), rank, r.idx)));
    rows_store(&r, v);
    if (!rms) {
        store_statistic(&r, 1, mean);
        store_statistic(&r, 2, inv);
    }
    low_end(c, &r.b);
    return true;
}

/* ---- LpNormalization, MeanVarianceNormalization ---- */

bool lower_LpNormalization(lower_ctx *c)
{
    rows r = rows_begin(c, 1u << axis_of(node_int(c->n, "axis", -1), slot_rank(c, in_slot(c, 0))));
    const int64_t p = node_int(c->n, "p", 2);
    const ex norm = root_of(c, stage_fold(&r.b, FOLD_SUM, power_of(c, rows_stage(&r), p)), p), zero = ex_f(c->x, r.t, 0);
    const ex inv = ex_select(c->x, equal(c, norm, zero), ex_f(c->x, r.t, 1), norm); /* a row of zeros stays zero */
    rows_store(&r, divide(c, rows_stage(&r), inv));
    low_end(c, &r.b);
    return true;
}

static uint32_t mvn_mask(const node *n, int64_t rank)
{
    static const int64_t DEFAULT[] = {0, 2, 3};
    uint32_t count, mask = 0;
    const int64_t *axes = node_ints(n, "axes", &count);
    if (!axes) axes = DEFAULT, count = 3;
    for (uint32_t i = 0; i < count; i++) {
        if (axes[i] < -rank || axes[i] >= rank) return 0;
        mask |= 1u << axis_of(axes[i], (uint32_t)rank);
    }
    return mask;
}

bool infer_MeanVarianceNormalization(infer_ctx *c)
{
    if (!rank_fits(c, 1)) return false;
    return mvn_mask(c->n, in_rank(c, 0)) ? out_like(c, 0, 0) : infer_error(c, "axis-range", "an axis is outside the %d dimensions", in_rank(c, 0));
}

bool lower_MeanVarianceNormalization(lower_ctx *c)
{
    rows r = rows_begin(c, mvn_mask(c->n, slot_rank(c, in_slot(c, 0))));
    ex mean, var;
    moments(&r, &mean, &var);
    const ex spread = add(c, ex_un(c->x, EX_SQRT, var), ex_f(c->x, r.t, 1e-9)); /* the constant of ONNX's definition as a function */
    rows_store(&r, divide(c, sub(c, rows_stage(&r), mean), spread));
    low_end(c, &r.b);
    return true;
}

/* ---- LRN ---- */

bool infer_LRN(infer_ctx *c)
{
    if (!rank_fits(c, 2)) return false;
    if (node_int(c->n, "size", 0) < 1) return infer_error(c, "attribute-value", "attribute 'size' must be positive");
    return out_like(c, 0, 0);
}

/* x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ** beta; channels outside count as 0. */
bool lower_LRN(lower_ctx *c)
{
    rows r = rows_begin(c, 0);
    const int64_t size = node_int(c->n, "size", 1);
    nest_stage(&r.b);
    const dim k = stage_axis(&r.b, dim_const(c->d, size)), channel = r.idx[1];
    r.idx[1] = dim_addc(c->d, dim_add(c->d, channel, k), -(size - 1) / 2);
    const ex v = load_axes(c, r.x, r.rank, r.idx), inside = dim_inside(c, r.idx[1], slot_dim(c, r.x, 1));
    const ex sum = stage_fold(&r.b, FOLD_SUM, ex_select(c->x, inside, mul(c, v, v), ex_f(c->x, r.t, 0)));
    r.idx[1] = channel;
    const ex x = rows_stage(&r);
    const ex share = num(c, x, (double)node_float(c->n, "alpha", 0.0001f) / (double)size);
    const ex base = add(c, attr_f(c, x, "bias", 1.0f), mul(c, share, sum)), beta = attr_f(c, x, "beta", 0.75f);
    rows_store(&r, divide(c, x, ex_bin(c->x, EX_POW, base, beta)));
    low_end(c, &r.b);
    return true;
}
