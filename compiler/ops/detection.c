/* detection.c - NonMaxSuppression, RoiAlign, MaxRoiPool. Source: ONNX Operators.md, versions 11 and 22. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

/* ---- NonMaxSuppression ---- */

/* No more boxes are selected than there are, and than input 2 allows. */
static dim selected_at_most(model *m, const node *n, dim batch, dim classes, dim boxes)
{
    uint32_t count;
    dims *d = m->dims;
    const dim *most = known_dims(m, n, 2, &count);
    dim per_class = boxes;
    if (!node_in(n, 2)) per_class = dim_const(d, 0);
    else if (most && count == 1) per_class = dim_min(d, boxes, dim_max(d, most[0], dim_const(d, 0)));
    return dim_mul(d, dim_mul(d, batch, classes), per_class);
}

bool infer_NonMaxSuppression(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    if (in_rank(c, 0) != 3 || in_rank(c, 1) != 3) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions instead of 3", in_rank(c, 0), in_rank(c, 1));
    if (!dim_fits(c, 0, 2, dim_const(c->d, 4)) || !dim_fits(c, 1, 0, in_dim(c, 0, 0)) || !dim_fits(c, 1, 2, in_dim(c, 0, 1))) return false;
    const dim most = selected_at_most(c->m, c->n, in_dim(c, 0, 0), in_dim(c, 1, 1), in_dim(c, 0, 1)), n = out_unknown(c, "selected");
    dim_narrow(c->d, n, 0, dim_range(c->d, most).hi);
    const dim out[2] = {n, dim_const(c->d, 3)};
    return out_tensor(c, 0, ELEM_INT64, 2, out);
}

static ex selected_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *from = arg;
    return load_axes(c, *from, 2, idx);
}

bool lower_NonMaxSuppression(lower_ctx *c)
{
    const slot boxes = in_slot(c, 0), scores = in_slot(c, 1), y = out_slot(c, 0);
    const dim batch = slot_dim(c, boxes, 0), classes = slot_dim(c, scores, 1), n = slot_dim(c, boxes, 1);
    const dim most = selected_at_most(c->m, c->n, batch, classes, n), shape[2] = {most, dim_const(c->d, 3)};
    slot all = temp_slot(c, "selected", ELEM_INT64, 2, shape);
    const slot count = temp_slot(c, "count", ELEM_INT64, 0, NULL);
    const dim kept[2] = {dim_addc(c->d, n, MAX_LANES - 1), dim_const(c->d, 5)};
    const kernel_arg args[9] = {{all, ARG_OUT}, {count, ARG_OUT}, {boxes, ARG_IN}, {scores, ARG_IN}, {in_slot(c, 2), ARG_IN}, {in_slot(c, 3), ARG_IN},
                                {in_slot(c, 4), ARG_IN}, {temp_slot(c, "order", ELEM_INT32, 1, &n), ARG_SCRATCH},
                                {temp_slot(c, "kept", ELEM_FLOAT, 2, kept), ARG_SCRATCH}};
    const binding bind[4] = {{.name = "CENTER", .kind = BIND_DIM, .d = dim_const(c->d, node_int(c->n, "center_point_box", 0) != 0)},
                             {.name = "BATCH", .kind = BIND_DIM, .d = batch}, {.name = "CLASSES", .kind = BIND_DIM, .d = classes},
                             {.name = "BOXES", .kind = BIND_DIM, .d = n}};
    lower_template(c, "nms", 4, bind, 9, args, 0);
    const dim size = slot_dim(c, y, 0);
    if (dim_kind_of(c->d, size) == DIM_SYMBOL) lower_bind(c, size, count, most);
    return lower_map(c, y, selected_value, &all);
}

/* ---- RoiAlign ---- */

bool infer_RoiAlign(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    if (in_rank(c, 0) != 4 || in_rank(c, 1) != 2) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions instead of 4 and 2", in_rank(c, 0), in_rank(c, 1));
    if (!dim_fits(c, 1, 1, dim_const(c->d, 4)) || !dim_fits(c, 2, 0, in_dim(c, 1, 0)) || !needs_elements(c, 0, in_dim(c, 0, 2)) || !needs_elements(c, 0, in_dim(c, 0, 3))) return false;
    const dim out[4] = {in_dim(c, 1, 0), in_dim(c, 0, 1), dim_const(c->d, node_int(c->n, "output_height", 1)), dim_const(c->d, node_int(c->n, "output_width", 1))};
    return out_tensor(c, 0, in_elem(c, 0), 4, out);
}

typedef struct {
    ex low, high, rest, outside; /* neighbours, distance from the lower, whether the place is outside */
} sample_place;

/* Sample s of bin `bin` along a side that begins at `start` and has bins of `size`. */
static sample_place roi_place(lower_ctx *c, ex start, ex size, dim bin, dim s, int64_t samples, dim extent)
{
    const ex part = divide(c, add(c, size_as(c, size, s), num(c, size, 0.5)), num(c, size, (double)samples));
    ex v = add(c, start, mul(c, size, add(c, size_as(c, size, bin), part)));
    const ex n = size_as(c, v, extent), zero = num(c, v, 0), last = ex_dim(c->x, dim_addc(c->d, extent, -1));
    sample_place p = {.outside = either(c, less(c, v, num(c, v, -1)), less(c, n, v))};
    v = larger(c, v, zero);
    const ex low = ex_cast(c->x, CT_I64, ex_un(c->x, EX_FLOOR, v));
    const ex at_end = ex_bin(c->x, EX_LE, last, low);
    p.low = larger(c, smaller(c, low, last), ex_i(c->x, CT_I64, 0));
    p.high = smaller(c, add(c, p.low, ex_i(c->x, CT_I64, 1)), last);
    p.rest = ex_select(c->x, at_end, zero, sub(c, v, ex_un(c->x, EX_FLOOR, v)));
    return p;
}

static ex roi_side(lower_ctx *c, dim r, int64_t k, ex scale, ex shift)
{
    const dim at[2] = {r, dim_const(c->d, k)};
    return sub(c, mul(c, load_axes(c, in_slot(c, 1), 2, at), scale), shift);
}

/* y = a kernel of x and `args`, computed in float or double. */
static bool roi_kernel(lower_ctx *c, const char *name, uint32_t n_arg, const kernel_arg *args, const binding *more)
{
    slot x = in_slot(c, 0), y = out_slot(c, 0);
    const elem e = slot_elem(c, x) == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT;
    const bool direct = slot_elem(c, x) == e;
    const slot from = direct ? x : temp_slot(c, "image", e, 4, slot_at(c->p, x)->extent), to = direct ? y : temp_slot(c, "pooled", e, 4, slot_at(c->p, y)->extent);
    if (!direct) lower_copy(c, from, x);
    kernel_arg arg[4] = {{to, ARG_OUT}, {from, ARG_IN}};
    memcpy(arg + 2, args, n_arg * sizeof *args);
    binding bind[7] = {{.name = "T", .kind = BIND_TYPE, .type = e}};
    static const char *const SIZES[] = {"C", "H", "W", "PH", "PW"};
    for (uint32_t i = 0; i < 5; i++) bind[1 + i] = (binding){.name = SIZES[i], .kind = BIND_DIM, .d = i < 3 ? slot_dim(c, x, i + 1) : slot_dim(c, y, i - 1)};
    if (more) bind[6] = *more;
    const dim cells = dim_product(c->d, slot_at(c->p, y)->extent, 4);
    lower_template(c, name, more ? 7 : 6, bind, n_arg + 2, arg, slot_dim(c, y, 0))->kernel->ops = dim_mulc(c->d, cells, 40); /* as of few samples a cell */
    if (!direct) lower_copy(c, y, to);
    return true;
}

typedef struct {
    ex left, top, width, height; /* of region r, in elements */
} region;

static region region_of(lower_ctx *c, dim r)
{
    const bool half = !strcmp(node_string(c->n, "coordinate_transformation_mode", "half_pixel"), "half_pixel");
    const ex like = ex_f(c->x, ctype_of(slot_elem(c, in_slot(c, 0))), 0), scale = attr_f(c, like, "spatial_scale", 1), shift = num(c, like, half ? 0.5 : 0);
    ex side[4]; /* x1, y1, x2, y2 */
    for (int64_t k = 0; k < 4; k++) side[k] = roi_side(c, r, k, scale, shift);
    region g = {side[0], side[1], sub(c, side[2], side[0]), sub(c, side[3], side[1])};
    if (half) return g;
    g.width = larger(c, g.width, num(c, like, 1));
    g.height = larger(c, g.height, num(c, like, 1));
    return g;
}

static ex image_of(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    return ex_index(c->x, ex_cast(c->x, CT_I64, load_axes(c, in_slot(c, 2), 1, idx)), ex_dim(c->x, slot_dim(c, in_slot(c, 0), 0)));
}

/* As many samples as a region is large: loops whose length only the data knows. */
static bool roi_align_adaptive(lower_ctx *c)
{
    const dim shape[2] = {slot_dim(c, out_slot(c, 0), 0), dim_const(c->d, 4)};
    const slot boxes = temp_slot(c, "boxes", slot_elem(c, in_slot(c, 0)) == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT, 2, shape), image = temp_slot(c, "images", ELEM_INT64, 1, shape);
    nest_builder b = low_begin(c);
    const dim r = nest_axis(&b, shape[0]);
    const region g = region_of(c, r);
    const ex side[4] = {g.left, g.top, g.width, g.height};
    nest_stage(&b);
    for (int64_t k = 0; k < 4; k++) {
        const dim at[2] = {r, dim_const(c->d, k)};
        store_axes(c, &b, boxes, 2, at, side[k]);
    }
    low_end(c, &b);
    if (!lower_map(c, image, image_of, NULL)) return false;
    const bool max = !strcmp(node_string(c->n, "mode", "avg"), "max");
    const kernel_arg args[2] = {{boxes, ARG_IN}, {image, ARG_IN}};
    const binding mode = {.name = "MAX", .kind = BIND_DIM, .d = dim_const(c->d, max)};
    return roi_kernel(c, "roi_align", 2, args, &mode);
}

bool lower_RoiAlign(lower_ctx *c)
{
    if (node_int(c->n, "sampling_ratio", 0) < 1) return roi_align_adaptive(c);
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const int64_t samples = node_int(c->n, "sampling_ratio", 1);
    const bool max = !strcmp(node_string(c->n, "mode", "avg"), "max");
    nest_builder b = low_begin(c);
    dim idx[4];
    axes_for(&b, 4, slot_at(c->p, y)->extent, idx);
    const region g = region_of(c, idx[0]);
    const ex like = g.width, bin_h = divide(c, g.height, size_as(c, like, slot_dim(c, y, 2))), bin_w = divide(c, g.width, size_as(c, like, slot_dim(c, y, 3)));
    nest_stage(&b);
    const dim sy = stage_axis(&b, dim_const(c->d, samples)), sx = stage_axis(&b, dim_const(c->d, samples));
    const sample_place v = roi_place(c, g.top, bin_h, idx[2], sy, samples, slot_dim(c, x, 2)), h = roi_place(c, g.left, bin_w, idx[3], sx, samples, slot_dim(c, x, 3));
    const ex batch = ex_index(c->x, ex_cast(c->x, CT_I64, load_axes(c, in_slot(c, 2), 1, &idx[0])), ex_dim(c->x, slot_dim(c, x, 0)));
    const ex one = num(c, like, 1), row[2] = {v.low, v.high}, column[2] = {h.low, h.high}, wv[2] = {sub(c, one, v.rest), v.rest}, wh[2] = {sub(c, one, h.rest), h.rest};
    ex sum = 0;
    for (int i = 0; i < 4; i++) {
        const ex at[4] = {batch, ex_dim(c->x, idx[1]), row[i / 2], column[i % 2]};
        const ex term = mul(c, mul(c, wv[i / 2], wh[i % 2]), load_at(c, x, 4, at));
        sum = !sum ? term : max ? larger(c, sum, term) : add(c, sum, term);
    }
    sum = ex_select(c->x, either(c, v.outside, h.outside), num(c, like, 0), sum);
    const ex all = stage_fold(&b, max ? FOLD_MAX : FOLD_SUM, sum);
    nest_stage(&b);
    store_axes(c, &b, y, 4, idx, max ? all : divide(c, all, num(c, all, (double)samples * (double)samples)));
    low_end(c, &b);
    return true;
}

/* ---- MaxRoiPool: the maximum of each bin of a region [batch, x1, y1, x2, y2], whose corners are rounded to elements ---- */

bool infer_MaxRoiPool(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    uint32_t n;
    const int64_t *pooled = node_ints(c->n, "pooled_shape", &n);
    int64_t columns;
    if (in_rank(c, 0) != 4 || in_rank(c, 1) != 2) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions instead of 4 and 2", in_rank(c, 0), in_rank(c, 1));
    if (!pooled || n != 2 || pooled[0] < 1 || pooled[1] < 1) return infer_error(c, "attribute-value", "attribute 'pooled_shape' is no two positive numbers");
    if (dim_is_const(c->d, in_dim(c, 1, 1), &columns) && columns != 5) return infer_error(c, "shape-mismatch", "a region has %lld numbers instead of 5", (long long)columns);
    const dim out[4] = {in_dim(c, 1, 0), in_dim(c, 0, 1), dim_const(c->d, pooled[0]), dim_const(c->d, pooled[1])};
    return out_tensor(c, 0, in_elem(c, 0), 4, out);
}

/* Which image, or a corner rounded to an element, halves away from zero. */
static ex region_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const ex v = load_axes(c, in_slot(c, 1), 2, idx), scaled = mul(c, v, attr_f(c, v, "spatial_scale", 1));
    const ex size = ex_un(c->x, EX_FLOOR, add(c, ex_un(c->x, EX_ABS, scaled), num(c, v, 0.5)));
    const ex corner = ex_cast(c->x, CT_I64, ex_select(c->x, less(c, scaled, num(c, v, 0)), ex_un(c->x, EX_NEG, size), size));
    const ex image = ex_index(c->x, ex_cast(c->x, CT_I64, v), ex_dim(c->x, slot_dim(c, in_slot(c, 0), 0)));
    return ex_select(c->x, equal(c, ex_dim(c->x, idx[1]), ex_i(c->x, CT_I64, 0)), image, corner);
}

bool lower_MaxRoiPool(lower_ctx *c)
{
    const dim shape[2] = {slot_dim(c, in_slot(c, 1), 0), dim_const(c->d, 5)};
    const slot boxes = temp_slot(c, "boxes", ELEM_INT64, 2, shape);
    if (!lower_map(c, boxes, region_value, NULL)) return false;
    const kernel_arg arg = {boxes, ARG_IN};
    return roi_kernel(c, "roi_max", 1, &arg, NULL);
}
