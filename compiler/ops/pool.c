/* pool.c - sliding windows: MaxPool, AveragePool, LpPool, MaxUnpool, and their global forms. Source: ONNX Operators.md, version 22. And
 * onnxcc.AveragePoolInteger, an operator of our own that the pass `integer` makes.
 *
 * A window is a stage over the taps; a tap outside the tensor is a guard, which folds away in the interior where the printer splits loops.
 * AveragePool divides by the number of taps in x, which is a size like any other. Sizes and SAME paddings are symbolic. */
#include <string.h>

#include "ops/conv.h"
#include "ops/families.h"
#include "ops/formula.h"
#include "ops/quant.h"

enum { SPATIAL = MAX_RANK - 2 };

static void int_list(const node *n, const char *name, uint32_t count, int64_t otherwise, int64_t *out)
{
    uint32_t k;
    const int64_t *v = node_ints(n, name, &k);
    for (uint32_t i = 0; i < count; i++) out[i] = v && i < k ? v[i] : otherwise;
}

/* Of the spatial dimensions of a tensor that inference has checked. */
static window window_of(dims *d, const node *n, uint32_t rank, const dim *shape)
{
    window w = {0};
    int64_t taps[SPATIAL];
    int_list(n, "kernel_shape", rank - 2, 1, taps);
    (void)window_read(d, n, rank - 2, shape + 2, taps, &w);
    return w;
}

static bool check_list(infer_ctx *c, const char *name, uint32_t want, int64_t least)
{
    uint32_t n;
    const int64_t *v = node_ints(c->n, name, &n);
    if (v && n != want) return infer_error(c, "attribute-value", "attribute '%s' has %u numbers instead of %u", name, n, want);
    for (uint32_t i = 0; v && i < n; i++)
        if (v[i] < least || v[i] > INT32_MAX)
            return infer_error(c, "attribute-value", "attribute '%s' holds %lld", name, (long long)v[i]);
    return true;
}

static bool check_window(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const int32_t rank = in_rank(c, 0);
    if (rank < 3) return infer_error(c, "shape-rank", "the input has %d dimensions, fewer than 3", rank);
    if (rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    const uint32_t n = (uint32_t)rank - 2;
    if (!node_attr(c->n, "kernel_shape")) return infer_error(c, "attribute-missing", "attribute 'kernel_shape' is missing");
    return check_list(c, "kernel_shape", n, 1) && check_list(c, "strides", n, 1) && check_list(c, "dilations", n, 1) && check_list(c, "pads", 2 * n, 0);
}

/* The output's shape; it has the input's rank. */
static bool pooled_shape(infer_ctx *c, dim *out)
{
    if (!check_window(c)) return false;
    const type *t = in_type(c, 0);
    const window w = window_of(c->d, c->n, (uint32_t)t->rank, t->shape);
    for (int32_t i = 0; i < t->rank; i++) out[i] = i < 2 ? t->shape[i] : w.out[i - 2];
    for (int32_t i = 2; i < t->rank; i++) assume_at_least(c, out[i], 1);
    return true;
}

bool infer_Pool(infer_ctx *c)
{
    dim out[MAX_RANK];
    return pooled_shape(c, out) && out_tensor(c, 0, in_elem(c, 0), in_rank(c, 0), out) && out_tensor(c, 1, ELEM_INT64, in_rank(c, 0), out);
}

bool infer_AveragePoolInteger(infer_ctx *c)
{
    dim out[MAX_RANK];
    return pooled_shape(c, out) && out_tensor(c, 0, node_in(c->n, 3) ? in_elem(c, 3) : in_elem(c, 2), in_rank(c, 0), out);
}

/* ---- lowering ---- */

typedef struct {
    lower_ctx *c;
    nest_builder b;
    window w;
    slot x;
    uint32_t rank, spatial;
    bool ceil;
    dim out[MAX_RANK]; /* axes of the output */
    dim at[MAX_RANK];  /* the tap's index in x */
    ex inside;         /* the tap lies in x */
} pool;

static pool pool_begin(lower_ctx *c, slot y)
{
    pool p = {.c = c, .b = low_begin(c), .x = in_slot(c, 0)};
    p.rank = slot_rank(c, p.x);
    p.spatial = p.rank - 2;
    p.ceil = node_int(c->n, "ceil_mode", 0) != 0;
    p.w = window_of(c->d, c->n, p.rank, slot_at(c->p, p.x)->extent);
    axes_for(&p.b, p.rank, slot_at(c->p, y)->extent, p.out);
    return p;
}

/* Opens a stage over the taps. */
static void pool_stage(pool *p)
{
    dims *d = p->c->d;
    nest_stage(&p->b);
    p->at[0] = p->out[0];
    p->at[1] = p->out[1];
    p->inside = ex_bool(p->c->x, true);
    for (uint32_t i = 0; i < p->spatial; i++) {
        const dim tap = dim_mulc(d, stage_axis(&p->b, dim_const(d, p->w.kernel[i])), p->w.dilation[i]);
        const dim at = dim_sub(d, dim_add(d, dim_mulc(d, p->out[i + 2], p->w.stride[i]), tap), p->w.pad_lo[i]);
        p->at[i + 2] = at;
        p->inside = both(p->c, p->inside, dim_inside(p->c, at, slot_dim(p->c, p->x, i + 2)));
    }
}

static ex pool_tap(pool *p, ex outside)
{
    return ex_select(p->c->x, p->inside, load_axes(p->c, p->x, p->rank, p->at), outside);
}

static void pool_store(pool *p, slot to, ex v)
{
    store_axes(p->c, &p->b, to, p->rank, p->out, v);
}

/* Row-major position in x, and from it the position with the spatial dimensions in column-major order. */
static dim flat_index(pool *p)
{
    dims *d = p->c->d;
    dim at = p->at[0];
    for (uint32_t i = 1; i < p->rank; i++) at = dim_add(d, dim_mul(d, at, slot_dim(p->c, p->x, i)), p->at[i]);
    return at;
}

static ex column_major(pool *p, ex row_major)
{
    lower_ctx *c = p->c;
    ex rest = row_major, at = 0;
    ex part[SPATIAL];
    for (uint32_t i = p->spatial; i-- > 0;) {
        const ex n = ex_dim(c->x, slot_dim(p->c, p->x, i + 2));
        part[i] = ex_bin(c->x, EX_FMOD, rest, n);
        rest = ex_bin(c->x, EX_FDIV, rest, n);
    }
    at = rest;
    for (uint32_t i = p->spatial; i-- > 0;) at = add(c, mul(c, at, ex_dim(c->x, slot_dim(p->c, p->x, i + 2))), part[i]);
    return at;
}

/* The first tap that is the maximum: the least row-major position among the equal ones. */
static void pool_indices(pool *p, slot to, ex max)
{
    lower_ctx *c = p->c;
    pool_stage(p);
    const ex x = load_axes(c, p->x, p->rank, p->at);
    ex hit = equal(c, x, max);
    if (ctype_is_float(ex_type(c->x, x))) hit = either(c, hit, ex_un(c->x, EX_ISNAN, x));
    const ex none = ex_i(c->x, CT_I64, INT64_MAX);
    hit = ex_select(c->x, p->inside, ex_select(c->x, hit, ex_dim(c->x, flat_index(p)), none), none);
    const ex at = stage_fold(&p->b, FOLD_MIN, hit);
    nest_stage(&p->b);
    pool_store(p, to, node_int(c->n, "storage_order", 0) ? column_major(p, at) : at);
}

bool lower_MaxPool(lower_ctx *c)
{
    const slot y = out_slot(c, 0), indices = out_slot(c, 1);
    pool p = pool_begin(c, y ? y : indices);
    pool_stage(&p);
    const ex max = stage_fold(&p.b, FOLD_MAX, pool_tap(&p, lowest_of(c, slot_elem(c, p.x))));
    nest_stage(&p.b);
    if (y) pool_store(&p, y, max);
    if (indices) pool_indices(&p, indices, max);
    low_end(c, &p.b);
    return true;
}

/* How many taps of the window lie in x along spatial dimension i or, with `padded`, in x or its padding: of those, only a window that ceil_mode added has others. */
static dim taps_along(const pool *p, uint32_t i, bool padded)
{
    dims *d = p->c->d;
    const dim taps = dim_const(d, p->w.kernel[i]), apart = dim_const(d, p->w.dilation[i]), size = slot_dim(p->c, p->x, i + 2);
    if (padded && !p->ceil) return taps;
    const dim before = dim_sub(d, p->w.pad_lo[i], dim_mulc(d, p->out[i + 2], p->w.stride[i])); /* cells from the first tap to x */
    const dim first = padded ? dim_const(d, 0) : dim_max(d, dim_const(d, 0), dim_cdiv(d, before, apart));
    const dim end = dim_min(d, taps, dim_cdiv(d, dim_add(d, before, padded ? dim_add(d, size, p->w.pad_hi[i]) : size), apart));
    return dim_max(d, dim_const(d, 0), dim_sub(d, end, first));
}

/* How many that are, as a number of the type of `zero`. */
static ex pool_count(const pool *p, bool padded, ex zero)
{
    lower_ctx *c = p->c;
    dim n = dim_const(c->d, 1);
    double inside;
    const bool all = ex_is_num(c->x, p->inside, &inside) && inside != 0; /* no window has taps beside x */
    for (uint32_t i = 0; i < p->spatial; i++) n = dim_mul(c->d, n, all ? dim_const(c->d, p->w.kernel[i]) : taps_along(p, i, padded));
    return size_as(c, zero, n);
}

/* Does an average divide by the taps in the padding, too? */
static bool pool_averages_padding(const pool *p)
{
    return node_int(p->c->n, "count_include_pad", 0) != 0;
}

bool lower_AveragePool(lower_ctx *c)
{
    const slot y = out_slot(c, 0);
    pool p = pool_begin(c, y);
    pool_stage(&p);
    const ex zero = ex_f(c->x, ctype_of(slot_elem(c, p.x)), 0);
    const ex sum = stage_fold(&p.b, FOLD_SUM, pool_tap(&p, zero)), n = pool_count(&p, pool_averages_padding(&p), zero);
    nest_stage(&p.b);
    pool_store(&p, y, divide(c, sum, n));
    low_end(c, &p.b);
    return true;
}

/* (sum of x inside - taps inside * zero point) * (factor / taps averaged), of bytes: x, its zero point, the factor of a unit. With a zero point of
 * y rounded to bytes, else float. The sum is exact in int32, and there is one rounding in float. */
bool lower_AveragePoolInteger(lower_ctx *c)
{
    const slot y = out_slot(c, 0), y_zero = in_slot(c, 3);
    pool p = pool_begin(c, y);
    pool_stage(&p);
    const ex none = ex_i(c->x, CT_I32, 0), sum = stage_fold(&p.b, FOLD_SUM, pool_tap(&p, none));
    const ex inside = pool_count(&p, false, none), taps = pool_count(&p, pool_averages_padding(&p), none);
    nest_stage(&p.b);
    const ex offset = mul(c, inside, ex_cast(c->x, CT_I32, load_scalar(c, in_slot(c, 1)))), factor = load_scalar(c, in_slot(c, 2));
    const ex v = mul(c, ex_cast(c->x, CT_F32, sub(c, sum, offset)), divide(c, factor, ex_cast(c->x, CT_F32, taps)));
    pool_store(&p, y, y_zero ? quantized(c, v, load_scalar(c, y_zero), slot_elem(c, y)) : v);
    low_end(c, &p.b);
    return true;
}

bool lower_LpPool(lower_ctx *c)
{
    const slot y = out_slot(c, 0);
    const int64_t power = node_int(c->n, "p", 2);
    pool p = pool_begin(c, y);
    pool_stage(&p);
    const ex zero = ex_f(c->x, ctype_of(slot_elem(c, p.x)), 0);
    const ex sum = stage_fold(&p.b, FOLD_SUM, power_of(c, pool_tap(&p, zero), power));
    nest_stage(&p.b);
    pool_store(&p, y, root_of(c, sum, power));
    low_end(c, &p.b);
    return true;
}

/* ---- global ---- */

bool infer_GlobalPool(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    if (t->rank < 2) return infer_error(c, "shape-rank", "the input has %d dimensions, fewer than 2", t->rank);
    if (t->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    dim out[MAX_RANK] = {t->shape[0], t->shape[1]};
    for (int32_t i = 2; i < t->rank; i++) out[i] = dim_const(c->d, 1);
    return out_tensor(c, 0, t->elem, t->rank, out);
}

bool lower_GlobalPool(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const dim *shape = slot_at(c->p, x)->extent;
    const int64_t p = node_int(c->n, "p", 2);
    const bool max = !strcmp(c->n->op, "GlobalMaxPool"), lp = !strcmp(c->n->op, "GlobalLpPool");
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    nest_axes_mask(&b, rank, shape, 3u, idx);
    const dim count = product_mask(c->d, rank, shape, ~3u);
    nest_stage(&b);
    stage_axes_mask(&b, rank, slot_at(c->p, x)->extent, ~3u, idx);
    ex v = load_axes(c, x, rank, idx);
    v = stage_fold(&b, max ? FOLD_MAX : FOLD_SUM, lp ? power_of(c, v, p) : v);
    if (lp) v = root_of(c, v, p);
    else if (!max) v = divide(c, v, size_as(c, v, count));
    nest_stage(&b);
    for (uint32_t i = 2; i < rank; i++) idx[i] = dim_const(c->d, 0);
    store_axes(c, &b, y, rank, idx, v);
    low_end(c, &b);
    return true;
}

/* ---- MaxUnpool ---- */

/* The shape that the positions in input 1 count in. */
static void unpooled_shape(dims *d, const node *n, uint32_t rank, const dim *shape, dim *out)
{
    int64_t taps[SPATIAL], stride[SPATIAL], pads[2 * SPATIAL];
    int_list(n, "kernel_shape", rank - 2, 1, taps);
    int_list(n, "strides", rank - 2, 1, stride);
    int_list(n, "pads", 2 * (rank - 2), 0, pads);
    out[0] = shape[0];
    out[1] = shape[1];
    for (uint32_t i = 0; i + 2 < rank; i++)
        out[i + 2] = dim_addc(d, dim_mulc(d, dim_addc(d, shape[i + 2], -1), stride[i]), taps[i] - pads[i] - pads[i + rank - 2]);
}

bool infer_MaxUnpool(infer_ctx *c)
{
    if (in_rank(c, 1) >= 0 && in_rank(c, 1) < 2) return infer_error(c, "shape-rank", "the indices have %d dimensions", in_rank(c, 1));
    if (!check_window(c)) return false;
    const type *t = in_type(c, 0);
    if (!shape_fits(c, 1, t->rank, t->shape)) return false;
    dim out[MAX_RANK];
    unpooled_shape(c->d, c->n, (uint32_t)t->rank, t->shape, out);
    uint32_t n;
    const dim *want = in_content(c, 2, &n);
    if (node_in(c->n, 2) && (!want || n != (uint32_t)t->rank)) {
        infer_unsupported(c, "shape-unknown", "the output shape is computed at run time");
        return diag_hint(c->m->diag, "make input 'output_shape' a constant");
    }
    return out_tensor(c, 0, t->elem, t->rank, want ? want : out);
}

/* Zeros, then every element goes to the position that input 1 names. */
bool lower_MaxUnpool(lower_ctx *c)
{
    const slot x = in_slot(c, 0), at = in_slot(c, 1), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    dim idx[MAX_RANK], shape[MAX_RANK];
    unpooled_shape(c->d, c->n, rank, slot_at(c->p, x)->extent, shape);
    nest_builder b = low_begin(c);
    axes_for(&b, rank, slot_at(c->p, y)->extent, idx);
    nest_stage(&b);
    store_axes(c, &b, y, rank, idx, ex_i(c->x, ctype_of(slot_elem(c, y)), 0));
    low_end(c, &b);

    b = low_begin(c);
    nest_stage(&b);
    stage_axes_for(&b, rank, slot_at(c->p, x)->extent, idx);
    ex rest = ex_index(c->x, ex_cast(c->x, CT_I64, load_axes(c, at, rank, idx)), ex_dim(c->x, dim_product(c->d, shape, rank)));
    ex to[MAX_RANK];
    for (uint32_t i = rank; i-- > 0;) {
        const ex n = ex_dim(c->x, shape[i]);
        to[i] = i ? ex_bin(c->x, EX_FMOD, rest, n) : rest;
        rest = ex_bin(c->x, EX_FDIV, rest, n);
    }
    stage_store(&b, y, rank, to, load_axes(c, x, rank, idx))->in_order = true;
    low_end(c, &b);
    return true;
}
