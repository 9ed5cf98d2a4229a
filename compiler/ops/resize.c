/* resize.c - Resize: nearest, linear and cubic interpolation of any dimensions. Source: ONNX Operators.md, version 19.
 *
 * The place in the input that an output index y comes from is an exact fraction num / den of symbolic integers, so that its floor, its
 * nearest neighbour and its remainder need no floating point, whole factors become plain index arithmetic, and sizes may be symbols; only
 * the region of tf_crop_and_resize is computed in double. One nest reads the 1, 2 or 4 neighbours along each resized dimension; with
 * antialias, which widens the filter where the tensor shrinks, a stage walks the taps. */
#include <math.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

typedef struct {
    bool resized;
    dim in, out;
    dim up, down;    /* the scale is up / down */
    int32_t roi, n_roi; /* position of this dimension in roi, and the number of positions; -1: none */
} scaling;

typedef struct {
    scaling axis[MAX_RANK];
    const char *why; /* it is not known */
    bool ok;
} plan;

/* ---- scales and sizes ---- */

/* A float as a fraction. */
static bool fraction(dims *d, double v, dim *up, dim *down)
{
    int e;
    if (!(v > 0) || isinf(v)) return false;
    int64_t m = (int64_t)ldexp(frexp(v, &e), 53);
    e -= 53;
    while (m % 2 == 0) m /= 2, e++;
    if (e > 30 || e < -40 || (e > 0 && m > INT32_MAX)) return false;
    *up = dim_const(d, e > 0 ? m << e : m);
    *down = dim_const(d, e < 0 ? INT64_C(1) << -e : 1);
    return true;
}

/* One dimension whose scale is given: sizes round down, in float as onnxruntime does. */
static bool by_scale(dims *d, scaling *s, double scale)
{
    int64_t n;
    if (!fraction(d, scale, &s->up, &s->down)) return false;
    if (dim_is_const(d, s->in, &n)) {
        const double out = n < 1 << 24 ? (double)floorf((float)n * (float)scale) : floor((double)n * scale); /* what float can't hold is exact */
        if (!(out < 0x1p62)) return false;
        s->out = dim_const(d, (int64_t)out);
    } else s->out = dim_fdiv(d, dim_mul(d, s->in, s->up), s->down);
    s->resized = scale != 1.0;
    return true;
}

/* keep_aspect_ratio_policy: all dimensions get the scale of the one that shrinks most, or least. */
static bool keep_aspect(dims *d, scaling *axis, uint32_t rank, bool not_larger)
{
    const scaling *best = NULL;
    double best_scale = 0;
    for (uint32_t k = 0; k < rank; k++) {
        int64_t in, out;
        if (!axis[k].resized) continue;
        if (!dim_is_const(d, axis[k].in, &in) || !dim_is_const(d, axis[k].out, &out) || in < 1) return false;
        const double scale = (double)out / (double)in;
        if (!best || (not_larger ? scale < best_scale : scale > best_scale)) best = &axis[k], best_scale = scale;
    }
    if (!best) return true;
    const dim up = best->up, down = best->down;
    for (uint32_t k = 0; k < rank; k++) {
        if (!axis[k].resized) continue;
        axis[k].up = up;
        axis[k].down = down;
        const dim twice = dim_add(d, dim_mulc(d, dim_mul(d, axis[k].in, up), 2), down); /* round half up */
        axis[k].out = dim_fdiv(d, twice, dim_mulc(d, down, 2));
    }
    return true;
}

static plan plan_of(model *m, const node *n, uint32_t rank, const dim *shape)
{
    plan p = {.why = "the scales or sizes are not known at compile time"};
    uint32_t n_axes, n_scales, n_sizes;
    const int64_t *axes = node_ints(n, "axes", &n_axes);
    const double *scales = known_doubles(m, n, 2, &n_scales);
    const dim *sizes = known_dims(m, n, 3, &n_sizes);
    const uint32_t count = axes ? n_axes : rank;
    const bool crop = !strcmp(node_string(n, "coordinate_transformation_mode", ""), "tf_crop_and_resize");
    for (uint32_t k = 0; k < rank; k++) {
        p.axis[k].in = p.axis[k].out = shape[k];
        p.axis[k].up = p.axis[k].down = dim_const(m->dims, 1);
        p.axis[k].roi = -1;
    }
    const bool by_size = sizes && n_sizes;
    if (!by_size && !(scales && n_scales)) return p;
    p.why = "the number of scales or sizes is not that of the axes";
    if ((by_size ? n_sizes : n_scales) != count) return p;
    p.why = "a scale or axis is out of range";
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t k = axes ? axis_of(axes[i], rank) : i;
        if (k >= rank) return p;
        scaling *s = &p.axis[k];
        if (!by_size && !by_scale(m->dims, s, scales[i])) return p;
        if (by_size) s->out = s->up = sizes[i], s->down = s->in, s->resized = s->in != s->out;
        if (crop) s->roi = (int32_t)i, s->n_roi = (int32_t)count, s->resized = true;
    }
    const char *policy = node_string(n, "keep_aspect_ratio_policy", "stretch");
    p.why = "keep_aspect_ratio_policy needs sizes that are numbers";
    if (by_size && strcmp(policy, "stretch") && !keep_aspect(m->dims, p.axis, rank, !strcmp(policy, "not_larger"))) return p;
    p.ok = true;
    return p;
}

/* Older models give an empty tensor for one that is not there. */
static bool in_is_given(infer_ctx *c, uint32_t i)
{
    const type *t = in_type(c, i);
    return t && !(t->kind == TYPE_TENSOR && t->rank == 1 && dim_is(c->d, t->shape[0], 0));
}

bool infer_Resize(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    if (!in_is_given(c, 2) == !in_is_given(c, 3)) return infer_error(c, "input-missing", "needs scales or sizes, and not both");
    if (t->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    const plan p = plan_of(c->m, c->n, (uint32_t)t->rank, t->shape);
    if (!p.ok) return infer_unsupported(c, "resize-scale", "%s", p.why);
    dim out[MAX_RANK];
    for (int32_t k = 0; k < t->rank; k++) out[k] = p.axis[k].out;
    for (int32_t k = 0; k < t->rank; k++)
        if (out[k] != t->shape[k] && !dim_is(c->d, out[k], 0) && !needs_elements(c, 0, t->shape[k])) return false;
    return out_tensor(c, 0, t->elem, t->rank, out);
}

/* ---- places ---- */

/* Where an output index comes from: num / den, or `x` in double for a region of interest. */
typedef struct {
    dim num, den;
    ex x;
} place;

static place crop_place(lower_ctx *c, const scaling *s, dim y)
{
    const slot roi = in_slot(c, 1);
    const dim at_lo = dim_const(c->d, s->roi), at_hi = dim_const(c->d, s->roi + s->n_roi);
    const ex lo = ex_cast(c->x, CT_F64, load_axes(c, roi, 1, &at_lo)), hi = ex_cast(c->x, CT_F64, load_axes(c, roi, 1, &at_hi));
    const ex last = size_as(c, lo, dim_addc(c->d, s->in, -1)), steps = size_as(c, lo, dim_max(c->d, dim_addc(c->d, s->out, -1), dim_const(c->d, 1)));
    const ex along = divide(c, mul(c, mul(c, size_as(c, lo, y), sub(c, hi, lo)), last), steps);
    const ex middle = mul(c, mul(c, sub(c, hi, lo), last), num(c, lo, 0.5));
    const ex only = equal(c, ex_dim(c->x, s->out), ex_i(c->x, CT_I64, 1));
    return (place){.x = add(c, ex_select(c->x, only, middle, along), mul(c, lo, last))};
}

static place place_of(lower_ctx *c, const scaling *s, dim y)
{
    dims *d = c->d;
    const char *mode = node_string(c->n, "coordinate_transformation_mode", "half_pixel");
    const dim zero = dim_const(d, 0), one = dim_const(d, 1), full = dim_mul(d, s->in, s->up); /* size before rounding: full / down */
    if (!strcmp(mode, "tf_crop_and_resize")) return crop_place(c, s, y);
    if (!strcmp(mode, "asymmetric")) return (place){dim_mul(d, y, s->down), s->up, 0};
    if (!strcmp(mode, "align_corners")) {
        if (full == s->down) return (place){zero, one, 0};
        const dim den = dim_sub(d, full, s->down);
        return (place){dim_mul(d, y, dim_mul(d, dim_addc(d, s->in, -1), s->down)), dim_ge0(d, dim_addc(d, den, -1)) ? den : dim_max(d, den, one), 0};
    }
    if (!strcmp(mode, "pytorch_half_pixel") && full == s->down) return (place){zero, one, 0};
    const dim middle = dim_mul(d, dim_addc(d, dim_mulc(d, y, 2), 1), s->down); /* (2y + 1) / scale, times up */
    dim up = dim_sub(d, middle, s->up);
    if (!strcmp(mode, "half_pixel_symmetric")) up = dim_add(d, up, dim_sub(d, full, dim_mul(d, s->out, s->down)));
    return (place){up, dim_mulc(d, s->up, 2), 0};
}

static ex place_floor(lower_ctx *c, const place *p)
{
    return p->x ? ex_cast(c->x, CT_I64, ex_un(c->x, EX_FLOOR, p->x)) : ex_dim(c->x, dim_fdiv(c->d, p->num, p->den));
}

/* Distance behind the floor, in [0, 1), as type t. */
static ex place_rest(lower_ctx *c, const place *p, ctype t)
{
    if (p->x) return ex_cast(c->x, t, sub(c, p->x, ex_un(c->x, EX_FLOOR, p->x)));
    const ex den = ex_cast(c->x, t, ex_dim(c->x, p->den));
    return divide(c, size_as(c, den, dim_mod(c->d, p->num, p->den)), den);
}

static ex place_nearest(lower_ctx *c, const place *p, const char *mode)
{
    dims *d = c->d;
    const bool prefer_floor = !strcmp(mode, "round_prefer_floor"), round = !strncmp(mode, "round", 5);
    if (p->x) {
        const ex half = num(c, p->x, 0.5);
        ex v = p->x;
        if (round) v = prefer_floor ? sub(c, v, half) : add(c, v, half);
        return ex_cast(c->x, CT_I64, ex_un(c->x, prefer_floor || !strcmp(mode, "ceil") ? EX_CEIL : EX_FLOOR, v));
    }
    if (!strcmp(mode, "floor")) return ex_dim(c->x, dim_fdiv(d, p->num, p->den));
    if (!strcmp(mode, "ceil")) return ex_dim(c->x, dim_cdiv(d, p->num, p->den));
    const dim twice = dim_mulc(d, p->num, 2), two_den = dim_mulc(d, p->den, 2);
    if (prefer_floor) return ex_dim(c->x, dim_cdiv(d, dim_sub(d, twice, p->den), two_den));
    return ex_dim(c->x, dim_fdiv(d, dim_add(d, twice, p->den), two_den));
}

static ex clamp_index(lower_ctx *c, ex i, dim n)
{
    return smaller(c, larger(c, i, ex_i(c->x, CT_I64, 0)), ex_dim(c->x, dim_addc(c->d, n, -1)));
}

/* ---- weights ---- */

enum { MAX_TAPS = 4 };
typedef struct {
    uint32_t n;
    ex at[MAX_TAPS], weight[MAX_TAPS]; /* weight 0: one */
    ex outside;                        /* tf_crop_and_resize: the place is not in the input; 0: never */
} taps;

static void taps_exclude(lower_ctx *c, taps *t, ex first, dim n)
{
    ex sum = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const ex in = ex_in_range(c->x, add(c, first, ex_i(c->x, CT_I64, i)), n);
        t->weight[i] = ex_select(c->x, in, t->weight[i], num(c, t->weight[i], 0));
        sum = sum ? add(c, sum, t->weight[i]) : t->weight[i];
    }
    for (uint32_t i = 0; i < t->n; i++) t->weight[i] = divide(c, t->weight[i], sum);
}

static taps taps_of(lower_ctx *c, const scaling *s, dim y, ctype ct)
{
    const place p = place_of(c, s, y);
    const char *mode = node_string(c->n, "mode", "nearest");
    taps t = {.n = 1};
    if (p.x) t.outside = either(c, less(c, p.x, num(c, p.x, 0)), less(c, size_as(c, p.x, dim_addc(c->d, s->in, -1)), p.x));
    if (!strcmp(mode, "nearest")) {
        t.at[0] = clamp_index(c, place_nearest(c, &p, node_string(c->n, "nearest_mode", "round_prefer_floor")), s->in);
        return t;
    }
    const ex rest = place_rest(c, &p, ct), one = num(c, rest, 1);
    ex first = place_floor(c, &p);
    if (!strcmp(mode, "cubic")) {
        const ex a = attr_f(c, rest, "cubic_coeff_a", -0.75f);
        t.n = 4;
        first = sub(c, first, ex_i(c->x, CT_I64, 1));
        t.weight[0] = cubic_far(c, add(c, rest, one), a);
        t.weight[1] = cubic_near(c, rest, a);
        t.weight[2] = cubic_near(c, sub(c, one, rest), a);
        t.weight[3] = cubic_far(c, add(c, sub(c, one, rest), one), a);
    } else {
        t.n = 2;
        t.weight[0] = sub(c, one, rest);
        t.weight[1] = rest;
    }
    for (uint32_t i = 0; i < t.n; i++) t.at[i] = clamp_index(c, add(c, first, ex_i(c->x, CT_I64, i)), s->in);
    if (node_int(c->n, "exclude_outside", 0)) taps_exclude(c, &t, first, s->in);
    return t;
}

/* ---- lowering ---- */

typedef struct {
    lower_ctx *c;
    slot x;
    uint32_t rank;
    ctype type;
    bool weighted;
    taps tap[MAX_RANK]; /* n 0: not resized */
    ex at[MAX_RANK];
} sampler;

/* The weighted sum over the taps of dimensions k and up. */
static ex sample(sampler *s, uint32_t k)
{
    lower_ctx *c = s->c;
    if (k == s->rank) {
        const ex v = load_at(c, s->x, s->rank, s->at);
        return s->weighted ? ex_cast(c->x, s->type, v) : v;
    }
    const taps *t = &s->tap[k];
    if (!t->n) return sample(s, k + 1);
    ex sum = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        s->at[k] = t->at[i];
        ex v = sample(s, k + 1);
        if (t->weight[i]) v = mul(c, v, t->weight[i]);
        sum = sum ? add(c, sum, v) : v;
    }
    return sum;
}

/* To the stored type: integers round to nearest and saturate. */
static ex stored(lower_ctx *c, ex v, elem e)
{
    if (elem_of(e)->kind == 'f' || !ctype_is_float(ex_type(c->x, v))) return ex_cast(c->x, ctype_of(e), v);
    v = ex_cast(c->x, CT_F64, ex_un(c->x, EX_RINT, v));
    v = smaller(c, larger(c, v, ex_cast(c->x, CT_F64, lowest_of(c, e))), ex_cast(c->x, CT_F64, highest_of(c, e)));
    return ex_cast(c->x, ctype_of(e), v);
}

static ex resize_value(lower_ctx *c, const dim *idx, void *arg)
{
    const plan *p = arg;
    const slot x = in_slot(c, 0);
    const elem e = slot_elem(c, x);
    sampler s = {.c = c, .x = x, .rank = slot_rank(c, x), .type = ctype_of(e) == CT_F64 ? CT_F64 : CT_F32};
    s.weighted = strcmp(node_string(c->n, "mode", "nearest"), "nearest") != 0;
    ex outside = ex_bool(c->x, false);
    for (uint32_t k = 0; k < s.rank; k++) {
        s.at[k] = ex_dim(c->x, idx[k]);
        if (!p->axis[k].resized) continue;
        s.tap[k] = taps_of(c, &p->axis[k], idx[k], s.type);
        if (s.tap[k].outside) outside = either(c, outside, s.tap[k].outside);
    }
    const ex v = stored(c, sample(&s, 0), e);
    const ex fill = ex_cast(c->x, ex_type(c->x, v), ex_f(c->x, CT_F64, (double)node_float(c->n, "extrapolation_value", 0)));
    return ex_select(c->x, outside, fill, v);
}

/* ---- antialias ---- */

/* A dimension that is filtered by a kernel stretched over 1 / scale elements. */
typedef struct {
    ex first, rest, scale;
    dim tap;
    int64_t start;
} filter;

static bool filter_of(lower_ctx *c, nest_builder *b, const scaling *s, dim y, ctype t, bool cubic, filter *f)
{
    int64_t up, down;
    if (!dim_is_const(c->d, s->up, &up) || !dim_is_const(c->d, s->down, &down)) return false;
    const double scale = fmin((double)up / (double)down, 1.0);
    const place p = place_of(c, s, y);
    f->start = (int64_t)floor(-(cubic ? 2.0 : 1.0) / scale) + 1;
    f->tap = dim_addc(c->d, stage_axis(b, dim_const(c->d, 2 - 2 * f->start)), f->start);
    f->first = place_floor(c, &p);
    f->rest = place_rest(c, &p, t);
    f->scale = ex_f(c->x, t, scale);
    return true;
}

static ex filter_weight(lower_ctx *c, const filter *f, bool cubic)
{
    const ex x = ex_un(c->x, EX_ABS, mul(c, sub(c, size_as(c, f->rest, f->tap), f->rest), f->scale));
    const ex zero = num(c, x, 0), one = num(c, x, 1), two = num(c, x, 2);
    if (!cubic) return larger(c, sub(c, one, x), zero);
    const ex a = attr_f(c, x, "cubic_coeff_a", -0.75f);
    return ex_select(c->x, ex_bin(c->x, EX_LE, x, one), cubic_near(c, x, a), ex_select(c->x, less(c, x, two), cubic_far(c, x, a), zero));
}

static bool lower_antialias(lower_ctx *c, const plan *p)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const elem e = slot_elem(c, x);
    const ctype t = ctype_of(e) == CT_F64 ? CT_F64 : CT_F32;
    const uint32_t rank = slot_rank(c, x);
    const bool cubic = !strcmp(node_string(c->n, "mode", ""), "cubic"), exclude = node_int(c->n, "exclude_outside", 0) != 0;
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    ex at[MAX_RANK], weight = ex_f(c->x, t, 1);
    axes_for(&b, rank, slot_at(c->p, y)->extent, idx);
    nest_stage(&b);
    for (uint32_t k = 0; k < rank; k++) {
        filter f;
        at[k] = ex_dim(c->x, idx[k]);
        if (!p->axis[k].resized) continue;
        if (!filter_of(c, &b, &p->axis[k], idx[k], t, cubic, &f)) return lower_unsupported(c, "resize-scale", "antialias needs sizes that are numbers");
        ex w = filter_weight(c, &f, cubic);
        const ex i = add(c, f.first, ex_dim(c->x, f.tap));
        if (exclude) w = ex_select(c->x, ex_in_range(c->x, i, p->axis[k].in), w, num(c, w, 0));
        at[k] = clamp_index(c, i, p->axis[k].in);
        weight = mul(c, weight, w);
    }
    const ex v = ex_cast(c->x, t, load_at(c, x, rank, at));
    const ex sum = stage_fold(&b, FOLD_SUM, mul(c, v, weight)), total = stage_fold(&b, FOLD_SUM, weight);
    nest_stage(&b);
    store_axes(c, &b, y, rank, idx, stored(c, divide(c, sum, total), e));
    low_end(c, &b);
    return true;
}

bool lower_Resize(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    plan p = plan_of(c->m, c->n, slot_rank(c, x), slot_at(c->p, x)->extent);
    if (!p.ok) return lower_unsupported(c, "resize-scale", "%s", p.why);
    const bool nearest = !strcmp(node_string(c->n, "mode", "nearest"), "nearest");
    if (node_int(c->n, "antialias", 0) && !nearest) return lower_antialias(c, &p);
    uint32_t resized = 0;
    for (uint32_t k = 0; k < slot_rank(c, x); k++) resized += p.axis[k].resized;
    if (resized > 4 && !nearest) return lower_unsupported(c, "rank-limit", "interpolation along %u dimensions, more than 4", resized);
    return lower_map(c, out_slot(c, 0), resize_value, &p);
}
