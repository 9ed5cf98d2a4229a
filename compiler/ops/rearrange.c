/* rearrange.c - operators whose output elements are input elements at a place that shapes and attributes decide: Pad, Tile, DepthToSpace,
 * SpaceToDepth, CenterCropPad, Trilu, EyeLike. Source: ONNX Operators.md, newest versions. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/strings.h"

static bool rank_fits(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    return in_rank(c, 0) <= MAX_RANK || infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
}

/* ---- Pad ---- */

typedef enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP, PAD_UNKNOWN } pad_mode;

static pad_mode pad_mode_of(const node *n)
{
    static const char *const NAMES[] = {"constant", "reflect", "edge", "wrap"};
    const char *name = node_string(n, "mode", "constant");
    for (int i = 0; i < PAD_UNKNOWN; i++)
        if (!strcmp(name, NAMES[i])) return (pad_mode)i;
    return PAD_UNKNOWN;
}

/* Elements added in front of and behind every dimension, negative to cut. False when they are not known. */
static bool pads_of(model *m, const node *n, uint32_t rank, dim *lo, dim *hi)
{
    uint32_t n_pads, n_axes;
    const dim *pads = known_dims(m, n, 1, &n_pads);
    const int64_t *axes = known_ints(m, n, 3, &n_axes);
    if (!pads || (node_in(n, 3) && !axes) || n_pads != 2 * (axes ? n_axes : rank)) return false;
    for (uint32_t k = 0; k < rank; k++) lo[k] = hi[k] = dim_const(m->dims, 0);
    for (uint32_t i = 0; i < n_pads / 2; i++) {
        const uint32_t k = axes ? axis_of(axes[i], rank) : i;
        if (k >= rank) return false;
        lo[k] = pads[i];
        hi[k] = pads[n_pads / 2 + i];
    }
    return true;
}

bool infer_Pad(infer_ctx *c)
{
    if (!rank_fits(c)) return false;
    if (pad_mode_of(c->n) == PAD_UNKNOWN) return infer_error(c, "attribute-value", "attribute 'mode' is '%s'", node_string(c->n, "mode", ""));
    const type *t = in_type(c, 0);
    uint32_t n_axes, axis;
    const int64_t *axes = known_ints(c->m, c->n, 3, &n_axes);
    for (uint32_t i = 0; i < n_axes; i++)
        if (!fix_axis(c, axes[i], t->rank, &axis)) return false;
    dim lo[MAX_RANK], hi[MAX_RANK], out[MAX_RANK];
    if (!pads_of(c->m, c->n, (uint32_t)t->rank, lo, hi)) {
        infer_unsupported(c, "pads-unknown", "the number of pads is not known at compile time, or does not fit the axes");
        return diag_hint(c->m->diag, "make inputs 'pads' and 'axes' constants");
    }
    for (int32_t k = 0; k < t->rank; k++) assume_at_least(c, out[k] = dim_add(c->d, t->shape[k], dim_add(c->d, lo[k], hi[k])), 0);
    for (int32_t k = 0; k < t->rank && pad_mode_of(c->n) != PAD_CONSTANT; k++)
        if (out[k] != t->shape[k] && !needs_elements(c, 0, t->shape[k])) return false;
    return out_tensor(c, 0, t->elem, t->rank, out);
}

/* Where an index outside [0, n) reads. */
static dim pad_index(dims *d, pad_mode mode, dim i, dim n, dim lo, dim hi)
{
    const dim zero = dim_const(d, 0), last = dim_addc(d, n, -1);
    if (dim_ge0(d, i) && dim_lt(d, i, n)) return i;
    if (mode == PAD_EDGE) return dim_min(d, dim_max(d, i, zero), last);
    if (mode == PAD_WRAP) return dim_mod(d, i, n);
    if (dim_lt(d, lo, n) && dim_lt(d, hi, n)) { /* one reflection at most: |i|, then the same behind */
        const dim front = dim_max(d, i, dim_mulc(d, i, -1));
        return dim_min(d, front, dim_sub(d, dim_mulc(d, last, 2), front));
    }
    const dim period = dim_max(d, dim_mulc(d, last, 2), dim_const(d, 1)), at = dim_mod(d, i, period);
    return dim_min(d, at, dim_sub(d, period, at));
}

static ex pad_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const pad_mode mode = pad_mode_of(c->n);
    dim lo[MAX_RANK], hi[MAX_RANK], at[MAX_RANK];
    if (!pads_of(c->m, c->n, rank, lo, hi)) return 0;
    ex inside = ex_bool(c->x, true);
    for (uint32_t k = 0; k < rank; k++) {
        const dim i = dim_sub(c->d, idx[k], lo[k]), n = slot_dim(c, x, k);
        if (mode == PAD_CONSTANT) inside = both(c, inside, dim_inside(c, i, n));
        at[k] = mode == PAD_CONSTANT ? i : pad_index(c->d, mode, i, n, lo[k], hi[k]);
    }
    const ex v = load_axes(c, x, rank, at);
    if (mode != PAD_CONSTANT) return v;
    const slot fill = in_slot(c, 2);
    const ex other = fill ? load_scalar(c, fill) : slot_elem(c, x) == ELEM_STRING ? empty_string(c) : ex_i(c->x, ex_type(c->x, v), 0);
    return ex_select(c->x, inside, v, other);
}

bool lower_Pad(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), pad_value, NULL);
}

/* ---- Tile ---- */

bool infer_Tile(infer_ctx *c)
{
    if (!rank_fits(c)) return false;
    const type *t = in_type(c, 0);
    uint32_t n;
    const dim *repeats = in_content(c, 1, &n);
    if (repeats && n != (uint32_t)t->rank) return infer_error(c, "shape-rank", "%u repeats for %d dimensions", n, t->rank);
    if (!repeats) {
        infer_unsupported(c, "repeats-unknown", "the repeats are computed at run time");
        return diag_hint(c->m->diag, "make input 'repeats' a constant");
    }
    dim out[MAX_RANK];
    for (uint32_t k = 0; k < n; k++) {
        int64_t times;
        if (dim_is_const(c->d, repeats[k], &times) && times < 0) return infer_error(c, "shape-negative", "repeat %u is %lld", k, (long long)times);
        out[k] = dim_mul(c->d, t->shape[k], repeats[k]);
    }
    return out_tensor(c, 0, t->elem, t->rank, out);
}

static ex tile_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    uint32_t n;
    const dim *repeats = low_content(c, 1, &n);
    if (!repeats) return 0;
    dim at[MAX_RANK];
    for (uint32_t k = 0; k < n; k++) at[k] = dim_is(c->d, repeats[k], 1) ? idx[k] : dim_mod(c->d, idx[k], slot_dim(c, x, k));
    return load_axes(c, x, n, at);
}

bool lower_Tile(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), tile_value, NULL);
}

/* ---- DepthToSpace, SpaceToDepth: [n, c, h, w] ---- */

bool infer_DepthToSpace(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    const int64_t b = node_int(c->n, "blocksize", 0);
    if (t->rank != 4) return infer_error(c, "shape-rank", "the input has %d dimensions instead of 4", t->rank);
    if (b < 1 || b > 32768) return infer_error(c, "attribute-value", "attribute 'blocksize' is %lld", (long long)b);
    const dim *s = t->shape, unit = dim_const(c->d, b), area = dim_const(c->d, b * b);
    const bool to_space = !strcmp(c->n->op, "DepthToSpace");
    const dim out[4] = {s[0], to_space ? dim_fdiv(c->d, s[1], area) : dim_mul(c->d, s[1], area),
                        to_space ? dim_mul(c->d, s[2], unit) : dim_fdiv(c->d, s[2], unit),
                        to_space ? dim_mul(c->d, s[3], unit) : dim_fdiv(c->d, s[3], unit)};
    (void)assume_equal(c, dim_product(c->d, s, 4), dim_product(c->d, out, 4));
    return out_tensor(c, 0, t->elem, 4, out);
}

/* Channel of the deep form for block position (y, x) and channel k of the wide form, which has `wide` channels. */
static dim deep_channel(lower_ctx *c, int64_t b, dim y, dim x, dim k, dim wide)
{
    dims *d = c->d;
    const dim place = dim_add(d, dim_mulc(d, y, b), x);
    if (!strcmp(node_string(c->n, "mode", "DCR"), "CRD")) return dim_add(d, dim_mulc(d, k, b * b), place);
    return dim_add(d, dim_mul(d, place, wide), k);
}

static ex depth_to_space_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const int64_t b = node_int(c->n, "blocksize", 1);
    const dim unit = dim_const(c->d, b), y = dim_mod(c->d, idx[2], unit), x = dim_mod(c->d, idx[3], unit);
    const dim wide = slot_dim(c, out_slot(c, 0), 1);
    const dim at[4] = {idx[0], deep_channel(c, b, y, x, idx[1], wide), dim_fdiv(c->d, idx[2], unit), dim_fdiv(c->d, idx[3], unit)};
    return load_axes(c, in_slot(c, 0), 4, at);
}

bool lower_DepthToSpace(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), depth_to_space_value, NULL);
}

static ex space_to_depth_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    dims *d = c->d;
    const int64_t b = node_int(c->n, "blocksize", 1);
    const dim wide = slot_dim(c, in_slot(c, 0), 1), unit = dim_const(d, b), area = dim_const(d, b * b);
    const bool crd = !strcmp(node_string(c->n, "mode", "DCR"), "CRD");
    const dim place = crd ? dim_mod(d, idx[1], area) : dim_fdiv(d, idx[1], wide), k = crd ? dim_fdiv(d, idx[1], area) : dim_mod(d, idx[1], wide);
    const dim at[4] = {idx[0], k, dim_add(d, dim_mulc(d, idx[2], b), dim_fdiv(d, place, unit)),
                       dim_add(d, dim_mulc(d, idx[3], b), dim_mod(d, place, unit))};
    return load_axes(c, in_slot(c, 0), 4, at);
}

bool lower_SpaceToDepth(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), space_to_depth_value, NULL);
}

/* ---- CenterCropPad ---- */

/* The wanted size of every dimension; false when it is not known. */
static bool crop_shape(model *m, const node *n, uint32_t rank, const dim *shape, dim *out)
{
    uint32_t n_axes, count;
    const int64_t *axes = node_ints(n, "axes", &n_axes);
    const dim *want = known_dims(m, n, 1, &count);
    if (!want || count != (axes ? n_axes : rank)) return false;
    memcpy(out, shape, rank * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t k = axes ? axis_of(axes[i], rank) : i;
        if (k >= rank) return false;
        out[k] = want[i];
    }
    return true;
}

bool infer_CenterCropPad(infer_ctx *c)
{
    if (!rank_fits(c)) return false;
    const type *t = in_type(c, 0);
    dim out[MAX_RANK];
    if (!crop_shape(c->m, c->n, (uint32_t)t->rank, t->shape, out)) {
        infer_unsupported(c, "shape-unknown", "the shape is computed at run time, or does not fit the axes");
        return diag_hint(c->m->diag, "make input 'shape' a constant");
    }
    return out_tensor(c, 0, t->elem, t->rank, out);
}

/* Rounds like ONNX: the larger half of what is cut or added lies behind. */
static ex crop_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    dims *d = c->d;
    const dim two = dim_const(d, 2);
    dim at[MAX_RANK];
    ex inside = ex_bool(c->x, true);
    for (uint32_t k = 0; k < rank; k++) {
        const dim n = slot_dim(c, x, k), m = slot_dim(c, y, k);
        const dim cut = dim_fdiv(d, dim_max(d, dim_sub(d, n, m), dim_const(d, 0)), two);
        const dim pad = dim_fdiv(d, dim_max(d, dim_sub(d, m, n), dim_const(d, 0)), two);
        at[k] = dim_sub(d, dim_add(d, idx[k], cut), pad);
        inside = both(c, inside, dim_inside(c, at[k], n));
    }
    const ex v = load_axes(c, x, rank, at);
    return ex_select(c->x, inside, v, ex_i(c->x, ex_type(c->x, v), 0));
}

bool lower_CenterCropPad(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), crop_value, NULL);
}

/* ---- Trilu, EyeLike ---- */

bool infer_Trilu(infer_ctx *c)
{
    if (!rank_fits(c)) return false;
    if (in_rank(c, 0) < 2) return infer_error(c, "shape-rank", "the input has fewer than 2 dimensions");
    return out_like(c, 0, 0);
}

static ex trilu_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), ks = in_slot(c, 1);
    const uint32_t rank = slot_rank(c, x);
    uint32_t n;
    const dim *known = low_content(c, 1, &n);
    const ex k = known && n == 1 ? ex_dim(c->x, known[0]) : ks ? load_scalar(c, ks) : ex_i(c->x, CT_I64, 0);
    const ex diagonal = ex_dim(c->x, dim_sub(c->d, idx[rank - 1], idx[rank - 2])); /* of this element */
    const ex keep = ex_bin(c->x, EX_LE, node_int(c->n, "upper", 1) ? k : diagonal, node_int(c->n, "upper", 1) ? diagonal : k);
    const ex v = load_axes(c, x, rank, idx);
    return ex_select(c->x, keep, v, ex_i(c->x, ex_type(c->x, v), 0));
}

bool lower_Trilu(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), trilu_value, NULL);
}

bool infer_EyeLike(infer_ctx *c)
{
    if (!rank_fits(c)) return false;
    const type *t = in_type(c, 0);
    if (t->rank != 2) return infer_error(c, "shape-rank", "the input has %d dimensions instead of 2", t->rank);
    const int64_t e = node_int(c->n, "dtype", (int64_t)t->elem);
    if (e < 1 || e >= ELEM_COUNT) return infer_error(c, "attribute-value", "attribute 'dtype' is %lld, which is no element type", (long long)e);
    return out_tensor(c, 0, (elem)e, 2, t->shape);
}

static ex eye_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const ctype t = ctype_of(slot_elem(c, out_slot(c, 0)));
    const ex on = equal(c, ex_dim(c->x, idx[1]), ex_dim(c->x, dim_addc(c->d, idx[0], node_int(c->n, "k", 0))));
    return ex_select(c->x, on, ex_i(c->x, t, 1), ex_i(c->x, t, 0));
}

bool lower_EyeLike(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), eye_value, NULL);
}
