/* deform.c - DeformConv. Source: ONNX Operators.md, version 22.
 *
 * A matrix of taps by output positions is read from the input between its elements, and multiplied with the weights as a product of its own:
 * each tap is interpolated once, not once for each output channel. */
#include "ops/conv.h"
#include "ops/families.h"
#include "ops/formula.h"
#include "ops/grid.h"
#include "ops/matmul.h"

enum { SPATIAL = GRID_SPATIAL };

static dim taps_of(dims *d, const window *w, uint32_t spatial)
{
    int64_t n = 1;
    for (uint32_t i = 0; i < spatial; i++) n *= w->kernel[i];
    return dim_const(d, n);
}

/* Input i has the shape [batch, count, output...]. */
static bool check_side(infer_ctx *c, uint32_t i, const char *what, dim count, const window *w, uint32_t spatial)
{
    if (!node_in(c->n, i)) return true;
    if (!need_rank(c, i)) return false;
    if (in_rank(c, i) != (int32_t)spatial + 2) return infer_error(c, "shape-rank", "the %s has %d dimensions, expected %u", what, in_rank(c, i), spatial + 2);
    int64_t have, want;
    if (dim_is_const(c->d, in_dim(c, i, 1), &have) && dim_is_const(c->d, count, &want) && have != want)
        return infer_error(c, "shape-mismatch", "the %s has %lld channels, expected %lld", what, (long long)have, (long long)want);
    (void)assume_equal(c, in_dim(c, i, 0), in_dim(c, 0, 0));
    (void)assume_equal(c, in_dim(c, i, 1), count);
    for (uint32_t k = 0; k < spatial; k++)
        if (!assume_equal(c, in_dim(c, i, (int32_t)k + 2), w->out[k])) return infer_error(c, "shape-mismatch", "the %s has not the size of the output", what);
    return true;
}

bool infer_DeformConv(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const int32_t rank = in_rank(c, 0);
    if (rank < 3 || in_rank(c, 1) != rank) return infer_error(c, "shape-rank", "inputs 0 and 1 have %d and %d dimensions", rank, in_rank(c, 1));
    if (rank > SPATIAL + 2) return infer_unsupported(c, "rank-limit", "more than %d spatial dimensions", SPATIAL);
    const int64_t group = node_int(c->n, "group", 1), sets = node_int(c->n, "offset_group", 1);
    int64_t channels, weights, outputs, want;
    if (group < 1 || sets < 1) return infer_error(c, "attribute-value", "attribute '%s' is not positive", group < 1 ? "group" : "offset_group");
    if (dim_is_const(c->d, in_dim(c, 0, 1), &channels)) {
        if (dim_is_const(c->d, in_dim(c, 1, 1), &weights) && (!mul_i64(weights, group, &want) || channels != want))
            return infer_error(c, "shape-channels", "input 0 has %lld channels, the weights expect %lld x %lld groups", (long long)channels, (long long)weights, (long long)group);
        if (channels % sets) return infer_error(c, "shape-channels", "input 0 has %lld channels, which is no multiple of offset_group", (long long)channels);
    }
    if (dim_is_const(c->d, in_dim(c, 1, 0), &outputs) && outputs % group) return infer_error(c, "shape-channels", "%lld output channels in %lld groups", (long long)outputs, (long long)group);
    (void)assume_equal(c, in_dim(c, 0, 1), dim_mulc(c->d, in_dim(c, 1, 1), group));
    const uint32_t spatial = (uint32_t)rank - 2;
    window w;
    if (!kernel_fits(c, 1)) return false;
    if (!window_of_conv(c->d, c->n, (uint32_t)rank, in_type(c, 0)->shape, in_type(c, 1)->shape, &w))
        return infer_unsupported(c, "kernel-shape", "the kernel's shape is not known, or a stride, dilation or kernel size is not positive");
    const dim masks = dim_mulc(c->d, taps_of(c->d, &w, spatial), sets);
    if (!check_side(c, 2, "offset", dim_mulc(c->d, masks, rank - 2), &w, spatial) || !check_side(c, 4, "mask", masks, &w, spatial)) return false;
    dim out[MAX_RANK] = {in_dim(c, 0, 0), in_dim(c, 1, 0)};
    for (uint32_t i = 0; i < spatial; i++) out[i + 2] = w.out[i];
    return out_tensor(c, 0, in_elem(c, 0), rank, out);
}

/* Row-major position of index[0..n) in a shape. */
static dim place_in(dims *d, uint32_t n, const dim *shape, const dim *index)
{
    dim at = dim_const(d, 0);
    for (uint32_t i = 0; i < n; i++) at = dim_add(d, dim_mul(d, at, shape[i]), index[i]);
    return at;
}

typedef struct {
    window w;
    uint32_t rank, spatial;
    dim taps, kernel[SPATIAL], places, in_group, out_group; /* places: output positions of a channel */
} deform;

static deform deform_of(lower_ctx *c)
{
    const slot x = in_slot(c, 0), wt = in_slot(c, 1), y = out_slot(c, 0);
    deform f = {.rank = slot_rank(c, x), .spatial = slot_rank(c, x) - 2};
    (void)window_of_conv(c->d, c->n, f.rank, slot_at(c->p, x)->extent, slot_at(c->p, wt)->extent, &f.w);
    f.taps = taps_of(c->d, &f.w, f.spatial);
    for (uint32_t i = 0; i < f.spatial; i++) f.kernel[i] = dim_const(c->d, f.w.kernel[i]);
    f.places = dim_product(c->d, slot_at(c->p, y)->extent + 2, f.spatial);
    f.in_group = slot_dim(c, wt, 1);
    f.out_group = dim_fdiv(c->d, slot_dim(c, wt, 0), dim_const(c->d, node_int(c->n, "group", 1)));
    return f;
}

/* x where the offset moves the tap of a channel to, times the mask. */
static ex moved_tap(lower_ctx *c, const deform *f, dim n, dim channel, const dim *tap, const dim *out)
{
    const slot x = in_slot(c, 0), offset = in_slot(c, 2), mask = in_slot(c, 4);
    const dim in_set = dim_fdiv(c->d, slot_dim(c, x, 1), dim_const(c->d, node_int(c->n, "offset_group", 1)));
    const dim entry = dim_add(c->d, dim_mul(c->d, dim_fdiv(c->d, channel, in_set), f->taps), place_in(c->d, f->spatial, f->kernel, tap));
    grid_sampler s = {.c = c, .x = x, .rank = f->rank, .inside = ex_bool(c->x, true)};
    s.at[0] = ex_dim(c->x, n);
    s.at[1] = ex_dim(c->x, channel);
    dim at[SPATIAL + 2] = {n};
    for (uint32_t i = 0; i < f->spatial; i++) at[i + 2] = out[i];
    for (uint32_t i = 0; i < f->spatial; i++) {
        at[1] = dim_addc(c->d, dim_mulc(c->d, entry, f->spatial), i);
        const dim still = dim_sub(c->d, dim_add(c->d, dim_mulc(c->d, out[i], f->w.stride[i]), dim_mulc(c->d, tap[i], f->w.dilation[i])), f->w.pad_lo[i]);
        const ex move = load_axes(c, offset, f->rank, at);
        s.tap[i + 2] = grid_linear(c, add(c, size_as(c, move, still), move), slot_dim(c, x, i + 2));
    }
    const ex v = grid_sum(&s, 2);
    at[1] = entry;
    return mask ? mul(c, v, load_axes(c, mask, f->rank, at)) : v;
}

/* [batch, groups, channels of a group * taps, places] */
static slot deform_columns(lower_ctx *c, const deform *f)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const dim groups = dim_const(c->d, node_int(c->n, "group", 1)), depth = dim_mul(c->d, f->in_group, f->taps);
    const dim shape[4] = {slot_dim(c, x, 0), groups, depth, f->places};
    const slot to = temp_slot(c, "columns", slot_elem(c, x), 4, shape);
    nest_builder b = low_begin(c);
    dim tap[SPATIAL], out[SPATIAL];
    const dim n = nest_axis(&b, shape[0]), group = nest_axis(&b, groups), channel = nest_axis(&b, f->in_group);
    for (uint32_t i = 0; i < f->spatial; i++) tap[i] = nest_axis(&b, f->kernel[i]);
    for (uint32_t i = 0; i < f->spatial; i++) out[i] = nest_axis(&b, slot_dim(c, y, i + 2));
    nest_stage(&b);
    const dim row = dim_add(c->d, dim_mul(c->d, channel, f->taps), place_in(c->d, f->spatial, f->kernel, tap));
    const dim at[4] = {n, group, row, place_in(c->d, f->spatial, slot_at(c->p, y)->extent + 2, out)};
    store_axes(c, &b, to, 4, at, moved_tap(c, f, n, dim_add(c->d, dim_mul(c->d, group, f->in_group), channel), tap, out));
    low_end(c, &b);
    return to;
}

/* The weights as [outputs, channels of a group * taps]. */
static slot weight_rows(lower_ctx *c, const deform *f)
{
    const slot w = in_slot(c, 1);
    const dim shape[2] = {slot_dim(c, w, 0), dim_mul(c->d, f->in_group, f->taps)};
    const slot to = temp_slot(c, "rows", slot_elem(c, w), 2, shape);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK];
    axes_for(&b, f->rank, slot_at(c->p, w)->extent, idx);
    nest_stage(&b);
    const dim at[2] = {idx[0], dim_add(c->d, dim_mul(c->d, idx[1], f->taps), place_in(c->d, f->spatial, f->kernel, idx + 2))};
    store_axes(c, &b, to, 2, at, load_axes(c, w, f->rank, idx));
    low_end(c, &b);
    return to;
}

typedef struct {
    const deform *f;
    slot product; /* [batch, outputs, places] */
} deform_sum;

static ex deform_value(lower_ctx *c, const dim *idx, void *arg)
{
    const deform_sum *s = arg;
    const slot bias = in_slot(c, 3);
    const dim at[3] = {idx[0], idx[1], place_in(c->d, s->f->spatial, slot_at(c->p, out_slot(c, 0))->extent + 2, idx + 2)};
    const ex v = load_axes(c, s->product, 3, at);
    return bias ? add(c, v, load_channel(c, bias, idx[1])) : v;
}

bool lower_DeformConv(lower_ctx *c)
{
    const slot y = out_slot(c, 0);
    const deform f = deform_of(c);
    const dim groups = dim_const(c->d, node_int(c->n, "group", 1)), shape[3] = {slot_dim(c, y, 0), slot_dim(c, y, 1), f.places};
    deform_sum s = {&f, temp_slot(c, "product", slot_elem(c, y), 3, shape)};
    product q = {.a_slot = weight_rows(c, &f), .b_slot = deform_columns(c, &f), .out = s.product, .n_batch = 2, .n_at = 3};
    q.batch[0] = dim_axis(c->d, shape[0]);
    q.batch[1] = dim_axis(c->d, groups);
    q.m = dim_axis(c->d, f.out_group);
    q.n = dim_axis(c->d, f.places);
    q.k = dim_axis(c->d, dim_mul(c->d, f.in_group, f.taps));
    q.at[0] = q.batch[0];
    q.at[1] = dim_add(c->d, dim_mul(c->d, q.batch[1], f.out_group), q.m);
    q.at[2] = q.n;
    const dim a[2] = {q.at[1], q.k}, b[4] = {q.batch[0], q.batch[1], q.k, q.n};
    q.a = load_axes(c, q.a_slot, 2, a);
    q.b = load_axes(c, q.b_slot, 4, b);
    return lower_product(c, &q) && lower_map(c, y, deform_value, &s);
}
