/* grid.c - AffineGrid, GridSample, CausalConvWithState, BitCast. Source: ONNX Operators.md, versions 20, 22, 27, 26. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/grid.h"

/* ---- GridSample: x [n, c, d...], grid [n, o..., r], last coordinate first ---- */

enum { SPATIAL = GRID_SPATIAL };
typedef enum { OUT_ZEROS, OUT_BORDER, OUT_REFLECTION } outside_mode;

bool infer_GridSample(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const type *x = in_type(c, 0), *g = in_type(c, 1);
    if (x->rank < 3 || g->rank != x->rank) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions", x->rank, g->rank);
    if (x->rank > SPATIAL + 2) return infer_unsupported(c, "rank-limit", "more than %d spatial dimensions", SPATIAL);
    const char *mode = node_string(c->n, "mode", "linear");
    if (strcmp(mode, "linear") && strcmp(mode, "nearest") && strcmp(mode, "cubic")) return infer_error(c, "attribute-value", "attribute 'mode' is '%s'", mode);
    dim out[SPATIAL + 2] = {x->shape[0], x->shape[1]};
    for (int32_t k = 2; k < x->rank; k++) out[k] = g->shape[k - 1];
    for (int32_t k = 2; k < x->rank; k++)
        if (!needs_elements(c, 0, x->shape[k])) return false;
    return out_tensor(c, 0, x->elem, x->rank, out);
}

/* v folded back at both ends of [lo, hi]. */
static ex reflected(lower_ctx *c, ex v, ex lo, ex hi)
{
    const ex range = sub(c, hi, lo), twice = add(c, range, range), m = sub(c, v, lo);
    const ex t = sub(c, m, mul(c, ex_un(c->x, EX_FLOOR, divide(c, m, twice)), twice));
    const ex r = add(c, lo, ex_select(c->x, ex_bin(c->x, EX_LE, t, range), t, sub(c, twice, t)));
    return ex_select(c->x, less(c, num(c, v, 0), range), r, lo);
}

/* Tap i at the whole number `at`; what is outside counts nothing with `zeros`, else it is the border. */
static void set_tap(lower_ctx *c, grid_taps *t, uint32_t i, ex at, dim extent, bool zeros)
{
    const ex zero = num(c, at, 0), last = sub(c, size_as(c, at, extent), num(c, at, 1));
    t->inside[i] = zeros ? both(c, ex_bin(c->x, EX_LE, zero, at), ex_bin(c->x, EX_LE, at, last)) : ex_bool(c->x, true);
    const ex index = ex_cast(c->x, CT_I64, smaller(c, larger(c, at, zero), last));
    t->at[i] = smaller(c, larger(c, index, ex_i(c->x, CT_I64, 0)), ex_dim(c->x, dim_addc(c->d, extent, -1))); /* NaN too */
}

grid_taps grid_linear(lower_ctx *c, ex v, dim extent)
{
    const ex one = num(c, v, 1), low = ex_un(c->x, EX_FLOOR, v), rest = sub(c, v, low);
    grid_taps t = {.n = 2, .weight = {sub(c, one, rest), rest}};
    set_tap(c, &t, 0, low, extent, true);
    set_tap(c, &t, 1, add(c, low, one), extent, true);
    return t;
}

/* The taps along a dimension of n elements for the normalized coordinate g in [-1, 1]. */
static grid_taps taps_along(lower_ctx *c, ex g, dim extent)
{
    const bool align = node_int(c->n, "align_corners", 0) != 0;
    const char *mode = node_string(c->n, "mode", "linear"), *pad = node_string(c->n, "padding_mode", "zeros");
    const outside_mode out = !strcmp(pad, "border") ? OUT_BORDER : !strcmp(pad, "reflection") ? OUT_REFLECTION : OUT_ZEROS;
    const bool cubic = !strcmp(mode, "cubic");
    const ex one = num(c, g, 1), half = num(c, g, 0.5), n = size_as(c, g, extent), last = sub(c, n, one), zero = num(c, g, 0);
    const ex lo = align ? zero : num(c, g, -0.5), hi = align ? last : sub(c, n, half);
    ex v = align ? mul(c, mul(c, add(c, g, one), half), last) : mul(c, sub(c, mul(c, add(c, g, one), n), one), half);
    grid_taps t = {.n = cubic ? 4 : strcmp(mode, "nearest") ? 2 : 1};
    if (t.n == 1) v = ex_un(c->x, EX_RINT, v);
    if (!cubic && out == OUT_BORDER) v = smaller(c, larger(c, v, zero), last);
    if (!cubic && out == OUT_REFLECTION) v = reflected(c, v, lo, hi);
    const ex floor_v = t.n == 1 ? v : ex_un(c->x, EX_FLOOR, v), rest = sub(c, v, floor_v);
    if (t.n == 2) t.weight[0] = sub(c, one, rest), t.weight[1] = rest;
    if (cubic) {
        const ex a = num(c, g, -0.75), back = sub(c, one, rest);
        t.weight[0] = cubic_far(c, add(c, rest, one), a);
        t.weight[1] = cubic_near(c, rest, a);
        t.weight[2] = cubic_near(c, back, a);
        t.weight[3] = cubic_far(c, add(c, back, one), a);
    }
    for (uint32_t i = 0; i < t.n; i++) {
        ex at = add(c, floor_v, num(c, g, (double)i - (cubic ? 1 : 0)));
        if (cubic && out == OUT_REFLECTION) at = reflected(c, at, lo, hi);
        set_tap(c, &t, i, at, extent, out == OUT_ZEROS);
    }
    return t;
}

ex grid_sum(grid_sampler *s, uint32_t k)
{
    lower_ctx *c = s->c;
    if (k == s->rank) {
        const ex v = load_at(c, s->x, s->rank, s->at);
        return ex_select(c->x, s->inside, v, whole(c, v, 0));
    }
    ex sum = 0;
    const ex before = s->inside;
    for (uint32_t i = 0; i < s->tap[k].n; i++) {
        s->at[k] = s->tap[k].at[i];
        s->inside = both(c, before, s->tap[k].inside[i]);
        ex v = grid_sum(s, k + 1);
        if (s->tap[k].weight[i]) v = mul(c, v, ex_cast(c->x, ex_type(c->x, v), s->tap[k].weight[i]));
        sum = !sum ? v : ex_type(c->x, v) == CT_BOOL ? either(c, sum, v) : add(c, sum, v);
    }
    s->inside = before;
    return sum;
}

static ex grid_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), g = in_slot(c, 1);
    grid_sampler s = {.c = c, .x = x, .rank = slot_rank(c, x), .inside = ex_bool(c->x, true)};
    s.at[0] = ex_dim(c->x, idx[0]);
    s.at[1] = ex_dim(c->x, idx[1]);
    for (uint32_t k = 2; k < s.rank; k++) {
        dim at[SPATIAL + 2] = {idx[0]};
        for (uint32_t i = 2; i < s.rank; i++) at[i - 1] = idx[i];
        at[s.rank - 1] = dim_const(c->d, s.rank - 1 - k);
        s.tap[k] = taps_along(c, load_axes(c, g, s.rank, at), slot_dim(c, x, k));
    }
    return grid_sum(&s, 2);
}

bool lower_GridSample(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), grid_value, NULL);
}

/* ---- AffineGrid: theta [n, r, r + 1] times the places of an image of `size` [n, c, d...], last coordinate first -> [n, d..., r] ---- */

bool infer_AffineGrid(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    uint32_t n;
    const dim *size = in_content(c, 1, &n);
    if (in_rank(c, 0) != 3) return infer_error(c, "shape-rank", "input 0 has %d dimensions, expected 3", in_rank(c, 0));
    if (!size) {
        infer_unsupported(c, "shape-unknown", "the size is computed at run time");
        return diag_hint(c->m->diag, "make input 'size' a constant%s", infer_is_partial(c) ? "" : ", or say it with --value");
    }
    if (n != 4 && n != 5) return infer_error(c, "shape-rank", "the size has %u numbers, expected 4 or 5", n);
    const uint32_t spatial = n - 2;
    const dim rows = dim_const(c->d, spatial), columns = dim_const(c->d, spatial + 1);
    if (!assume_equal(c, in_dim(c, 0, 0), size[0]) || !assume_equal(c, in_dim(c, 0, 1), rows) || !assume_equal(c, in_dim(c, 0, 2), columns))
        return infer_error(c, "shape-mismatch", "input 0 is not [batch, %u, %u]", spatial, spatial + 1);
    dim out[SPATIAL + 2] = {size[0]};
    for (uint32_t i = 0; i < spatial; i++) out[i + 1] = size[i + 2];
    out[n - 1] = rows;
    return out_tensor(c, 0, in_elem(c, 0), (int32_t)n, out);
}

/* Place i of `extent` as a number in [-1, 1]: of the pixel's middle, or with align_corners from the first to the last. */
static ex affine_place(lower_ctx *c, ex like, dim i, dim extent)
{
    const bool align = node_int(c->n, "align_corners", 0) != 0;
    const ex at = size_as(c, like, i), n = size_as(c, like, extent), one = num(c, like, 1), two = num(c, like, 2);
    const ex steps = align ? sub(c, n, one) : n, pace = ex_select(c->x, equal(c, steps, num(c, like, 0)), num(c, like, 0), divide(c, two, steps));
    const ex first = align ? num(c, like, -1) : sub(c, divide(c, pace, two), one);
    return add(c, first, mul(c, at, pace));
}

static ex affine_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot theta = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t spatial = slot_rank(c, y) - 2;
    dim at[3] = {idx[0], idx[spatial + 1], dim_const(c->d, spatial)};
    ex sum = load_axes(c, theta, 3, at);
    for (uint32_t k = 0; k < spatial; k++) {
        const uint32_t axis = spatial - k;
        at[2] = dim_const(c->d, k);
        sum = add(c, sum, mul(c, load_axes(c, theta, 3, at), affine_place(c, sum, idx[axis], slot_dim(c, y, axis))));
    }
    return sum;
}

bool lower_AffineGrid(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), affine_value, NULL);
}

/* ---- CausalConvWithState: each channel by itself, over its own past ---- */

bool infer_CausalConvWithState(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    if (in_rank(c, 0) != 3 || in_rank(c, 1) != 3) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions instead of 3", in_rank(c, 0), in_rank(c, 1));
    if (in_rank(c, 2) >= 0 && in_rank(c, 2) != 1) return infer_error(c, "shape-rank", "bias has %d dimensions instead of 1", in_rank(c, 2));
    if (in_rank(c, 3) >= 0 && in_rank(c, 3) != 3) return infer_error(c, "shape-rank", "past_state has %d dimensions instead of 3", in_rank(c, 3));
    const char *activation = node_string(c->n, "activation", "none");
    if (dim_is(c->d, in_dim(c, 1, 2), 0)) return infer_error(c, "kernel-shape", "the kernel has no elements");
    if (strcmp(activation, "none") && strcmp(activation, "silu") && strcmp(activation, "swish"))
        return infer_error(c, "attribute-value", "activation '%s' is none of silu, swish, none", activation);
    const dim channels = in_dim(c, 0, 1), length = in_dim(c, 1, 2), state[3] = {in_dim(c, 0, 0), channels, dim_addc(c->d, length, -1)};
    const dim weights[3] = {channels, dim_const(c->d, 1), length};
    if (!shape_fits(c, 1, 3, weights) || !shape_fits(c, 2, 1, &channels) || !shape_fits(c, 3, 3, state)) return false;
    return out_like(c, 0, 0) && out_tensor(c, 1, in_elem(c, 0), 3, state);
}

/* Element `at` of the input with the past in front: negative positions are the last ones of the past, or 0. */
static ex with_past(lower_ctx *c, dim n, dim channel, dim at)
{
    const slot x = in_slot(c, 0), past = in_slot(c, 3);
    const dim here[3] = {n, channel, at}, back[3] = {n, channel, dim_addc(c->d, dim_add(c->d, at, slot_dim(c, in_slot(c, 1), 2)), -1)};
    const ex v = load_axes(c, x, 3, here);
    return ex_select(c->x, dim_less(c, at, dim_const(c->d, 0)), past ? load_axes(c, past, 3, back) : num(c, v, 0), v);
}

static ex state_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const dim length = slot_dim(c, in_slot(c, 0), 2), kept = dim_addc(c->d, slot_dim(c, in_slot(c, 1), 2), -1);
    return with_past(c, idx[0], idx[1], dim_sub(c->d, dim_add(c->d, length, idx[2]), kept));
}

bool lower_CausalConvWithState(lower_ctx *c)
{
    const slot w = in_slot(c, 1), bias = in_slot(c, 2), y = out_slot(c, 0);
    const char *act = node_string(c->n, "activation", "none");
    const bool silu = !strcmp(act, "silu") || !strcmp(act, "swish");
    if (!silu && strcmp(act, "none")) return lower_unsupported(c, "activation", "activation '%s' is not known", act);
    if (y) {
        nest_builder b = low_begin(c);
        dim idx[3];
        axes_for(&b, 3, slot_at(c->p, y)->extent, idx);
        nest_stage(&b);
        const dim k = stage_axis(&b, slot_dim(c, w, 2)), wi[3] = {idx[1], dim_const(c->d, 0), k};
        const dim at = dim_addc(c->d, dim_sub(c->d, dim_add(c->d, idx[2], k), slot_dim(c, w, 2)), 1);
        ex v = stage_fold(&b, FOLD_SUM, mul(c, with_past(c, idx[0], idx[1], at), load_axes(c, w, 3, wi)));
        nest_stage(&b);
        if (bias) v = add(c, v, load_channel(c, bias, idx[1]));
        const ex one = num(c, v, 1);
        if (silu) v = divide(c, v, add(c, one, ex_un(c->x, EX_EXP, ex_un(c->x, EX_NEG, v))));
        store_axes(c, &b, y, 3, idx, v);
        low_end(c, &b);
    }
    return !low_has_out(c, 1) || lower_map(c, out_slot(c, 1), state_value, NULL);
}

/* ---- BitCast ---- */

bool infer_BitCast(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const int64_t to = node_int(c->n, "to", 0);
    const type *t = in_type(c, 0);
    if (to < 1 || to >= ELEM_COUNT) return infer_error(c, "attribute-value", "attribute 'to' is %lld, which is no element type", (long long)to);
    const elem_info *a = elem_of(t->elem), *b = elem_of((elem)to);
    if (a->bits != b->bits) return infer_error(c, "type-mismatch", "%s and %s have not the same width", a->name, b->name);
    return out_tensor(c, 0, (elem)to, t->rank, t->shape);
}

/* The bits of a part of a complex64 as U64, moved up to where the imaginary part lies. */
static ex part_bits(lower_ctx *c, slot x, const dim *idx, int64_t part)
{
    c->part = dim_const(c->d, part);
    const ex bits = ex_cast(c->x, CT_U64, ex_bitcast(c->x, CT_U32, load_axes(c, x, slot_rank(c, x), idx)));
    return part ? ex_bin(c->x, EX_SHL, bits, ex_i(c->x, CT_U64, 32)) : bits;
}

static ex bit_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const elem to = slot_elem(c, y);
    if (slot_at(c->p, x)->pairs && !slot_at(c->p, y)->pairs) return ex_bitcast(c->x, ctype_of(to), either(c, part_bits(c, x, idx, 0), part_bits(c, x, idx, 1)));
    ex v = load_axes(c, x, slot_rank(c, x), idx);
    if (slot_at(c->p, y)->pairs && !slot_at(c->p, x)->pairs) {
        const ex bits = ex_bitcast(c->x, CT_U64, v), up = ex_select(c->x, equal(c, ex_dim(c->x, c->part), ex_i(c->x, CT_I64, 0)), ex_i(c->x, CT_U64, 0), ex_i(c->x, CT_U64, 32));
        v = ex_cast(c->x, CT_U32, ex_bin(c->x, EX_SHR, bits, up));
    }
    return elem_of(to)->bits < 32 ? ex_cast(c->x, ctype_of(to), v) : ex_bitcast(c->x, ctype_of(to), v);
}

/* Floats under 32 bits: a kernel on the bytes as they are stored. */
static void lower_bits(lower_ctx *c, slot x, slot y)
{
    const int bits = elem_of(slot_elem(c, y))->bits;
    const dim n = dim_product(c->d, slot_at(c->p, y)->extent, slot_rank(c, y)), stored = bits < 8 ? dim_cdiv(c->d, dim_mulc(c->d, n, bits), dim_const(c->d, 8)) : n;
    const kernel_arg args[2] = {{y, ARG_OUT}, {x, ARG_IN}};
    const binding bind[2] = {{.name = "Y_T", .kind = BIND_TYPE, .type = slot_elem(c, y)}, {.name = "X_T", .kind = BIND_TYPE, .type = slot_elem(c, x)}};
    lower_template(c, "bits", 2, bind, 2, args, stored)->kernel->ops = dim_mulc(c->d, n, 2);
}

bool lower_BitCast(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const elem_info *from = elem_of(slot_elem(c, x)), *to = elem_of(slot_elem(c, y));
    if (to->bits < 32 && from != to && (from->kind == 'f' || to->kind == 'f')) {
        lower_bits(c, x, y);
        return true;
    }
    return lower_map(c, out_slot(c, 0), bit_value, NULL);
}
