/* version_lower_shape.c - steps back into the version before, of operators that move, select and resample data; each undoes the one of
 * version_shape.c that bears its name, where it can. */
#include <string.h>

#include "ops/version_edit.h"
#include "schema/schema.h"

static bool nothing(edit *e)
{
    (void)e;
    return true;
}

/* ---- axes ---- */

/* Before 11, axes count from the front. `rank` is that of what they are axes of. */
static bool axes_from_front(edit *e, int32_t rank)
{
    static const char *const name[] = {"axis", "axes"};
    for (uint32_t i = 0; i < 2; i++) {
        const attr *a = node_attr(edited(e), name[i]);
        const bool one = a && a->kind == ATTR_INT;
        if (!a || a->ref || (!one && a->kind != ATTR_INTS)) continue;
        const uint32_t count = one ? 1 : a->n;
        int64_t *v = ARENA_ARRAY(e->m->mem, int64_t, count);
        bool negative = false;
        for (uint32_t k = 0; k < count; k++) {
            v[k] = one ? a->u.i : a->u.ints[k];
            negative |= v[k] < 0;
            if (v[k] < 0) v[k] += rank;
        }
        if (!negative) continue;
        if (rank < 0)
            return version_error(e, "version-lower",
                                 "%s counts from the end, and the number of dimensions is not known; older versions count from the front", name[i]);
        node_set_attr(e->m, edited(e), one ? attr_int(e->m, name[i], v[0]) : attr_ints(e->m, name[i], count, v));
    }
    return true;
}

static bool axes_from_11(edit *e)
{
    return axes_from_front(e, rank_of(e, input_of(e, 0)));
}

static bool unsqueeze_from_11(edit *e)
{
    uint32_t count;
    node_ints(edited(e), "axes", &count);
    const int32_t rank = rank_of(e, input_of(e, 0));
    return axes_from_front(e, rank < 0 ? -1 : rank + (int32_t)count);
}

static bool squeeze_from_13(edit *e)
{
    return input_to_ints(e, 1, "axes");
}

/* ---- shapes ---- */

/* The product of sizes from..to-1, -1 when one is not known. */
static int64_t sizes(edit *e, const type *t, int64_t from, int64_t to)
{
    int64_t n = 1, d;
    for (int64_t i = from; i < to; i++) {
        if (!dim_is_const(e->m->dims, t->shape[i], &d) || (d && n > INT64_MAX / d)) return -1;
        n *= d;
    }
    return n;
}

/* Flatten 9 -> 1: only floats. Reshape takes all types. */
static bool flatten_from_9(edit *e)
{
    const value_id x = input_of(e, 0);
    const type *t = &value_at(e->m, x)->type;
    const int64_t axis = node_int(edited(e), "axis", 1);
    if (elem_type_of(e, x) == ELEM_NONE || elem_of(elem_type_of(e, x))->kind == 'f' || rank_of(e, x) < axis || axis < 0) return true;
    const int64_t shape[] = {sizes(e, t, 0, axis), sizes(e, t, axis, t->rank)};
    if ((shape[0] < 0 && shape[1] < 0) || !shape[0] || !shape[1]) return true;
    become(e, "Reshape", NULL, IN(x, const_ints(e, "shape", 2, shape)));
    return true;
}

static bool reshape_from_5(edit *e)
{
    return input_to_ints(e, 1, "shape");
}

/* Whether a shape may hold a zero: its numbers are known, or what they are symbols of, which are taken as sizes that are not 0. */
static bool may_hold_zero(edit *e, value_id shape)
{
    const tensor *t = data_of(e, shape);
    const value *x = value_at(e->m, shape);
    const node *n = x->producer ? node_at(e->m, x->producer) : NULL;
    const type *of = n && node_is(n, "", "Shape") ? &value_at(e->m, node_in(n, 0))->type : NULL;
    const dim *list = x->content;
    uint32_t count = list ? x->n_content : 0;
    bool zero = false;
    if (!list && of && of->kind == TYPE_TENSOR && of->rank >= 0) {
        list = of->shape;
        count = (uint32_t)of->rank;
    }
    for (int64_t i = 0; t && i < tensor_count(t); i++) zero |= !elem_get_int(t->type, t->data, (size_t)i);
    for (uint32_t i = 0; !t && i < count; i++) zero |= dim_is(e->m->dims, list[i], 0);
    return zero || (!t && !list);
}

/* Reshape 14 -> 13: 0 in the shape is no size. */
static bool reshape_from_14(edit *e)
{
    const attr *allow = node_attr(edited(e), "allowzero");
    if (allow && (allow->ref || allow->u.i) && may_hold_zero(e, input_of(e, 1))) return version_error(e, "version-lower", "allowzero=1 has no form in older versions");
    node_drop_attr(edited(e), "allowzero");
    return true;
}

/* Shape 15 -> 13: a part of it is a slice of it. */
static bool shape_from_15(edit *e)
{
    const int64_t start = node_int(edited(e), "start", 0), end = node_int(edited(e), "end", INT64_MAX);
    if (!start && end == INT64_MAX) return true;
    const value_id whole = insert(e, "Shape", NULL, IN(input_of(e, 0)));
    become(e, "Slice", NULL, IN(whole, const_ints(e, "start", 1, &start), const_ints(e, "end", 1, &end)));
    return true;
}

static bool scatter_from_11(edit *e)
{
    node *n = edited(e);
    const attr *a = node_attr(n, "reduction");
    if (a && (a->ref || strcmp(a->u.s, "none"))) return version_error(e, "version-lower", "Scatter knows no reduction");
    node_drop_attr(n, "reduction");
    n->op = intern(e->m->names, "Scatter");
    n->version = 9;
    return true;
}

/* OneHot 11 -> 9: an index below zero gives no row; from 11 on it counts from the end. */
static bool one_hot_from_11(edit *e)
{
    const value_id indices = input_of(e, 0);
    const tensor *t = data_of(e, indices);
    bool negative = elem_of(elem_type_of(e, indices))->kind != 'u';
    if (t && negative) {
        negative = false;
        for (int64_t i = 0; i < tensor_count(t); i++) negative |= elem_get_double(t->type, t->data, (size_t)i) < 0;
    }
    return !negative || version_error(e, "version-lower", "indexes may be negative, which means something else before version 11");
}

static bool top_k_from_10(edit *e)
{
    const int64_t *v;
    uint32_t count;
    if (!input_ints(e, 1, "k", &v, &count)) return false;
    node_set_attr(e->m, edited(e), attr_int(e->m, "k", count ? v[0] : 0));
    drop_input(e, 1);
    return true;
}

/* ---- pad, slice, split ---- */

static bool pad_from_2(edit *e)
{
    uint32_t count;
    const int64_t *pads = node_ints(edited(e), "pads", &count);
    node_set_attr(e->m, edited(e), attr_ints(e->m, "paddings", count, pads));
    node_drop_attr(edited(e), "pads");
    return true;
}

static bool pad_from_11(edit *e)
{
    const tensor *fill = settled(e, 2, "the padding value");
    double v = 0;
    if (input_of(e, 2) && !tensor_number(fill, &v))
        return version_error(e, "version-lower", "the padding value is computed; the older version wants an attribute");
    if (fill)
        node_set_attr(e->m, edited(e),
                      (attr){.name = intern(e->m->names, "value"), .kind = ATTR_FLOAT, .u.f = (float)v});
    drop_input(e, 2);
    return input_to_ints(e, 1, "pads");
}

/* Pad 18 -> 13: pads are for all axes. */
static bool pad_from_18(edit *e)
{
    const int64_t *axes, *pads;
    uint32_t n, count;
    if (!input_of(e, 3)) return true;
    if (!input_ints(e, 3, "the list of axes", &axes, &n) || !input_ints(e, 1, "the list of pads", &pads, &count)) return false;
    const int32_t rank = rank_of(e, input_of(e, 0));
    if (rank < 0 || count != 2 * n) return version_error(e, "version-lower", "the number of dimensions is not known; older versions pad all axes");
    int64_t *all = ARENA_ARRAY(e->m->mem, int64_t, 2 * rank);
    for (uint32_t i = 0; i < n; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank) return version_error(e, "version-lower", "axis %lld is none of the data", (long long)axes[i]);
        all[axis] = pads[i];
        all[rank + axis] = pads[n + i];
    }
    set_input(e, 1, const_ints(e, "pads", 2 * (uint32_t)rank, all));
    drop_input(e, 3);
    return true;
}

/* Slice 10 -> 1: no steps. */
static bool slice_from_10(edit *e)
{
    static const char *const name[] = {"starts", "ends", "axes"};
    const int64_t *steps;
    uint32_t count;
    if (!input_ints(e, 4, "the list of steps", &steps, &count)) return false;
    for (uint32_t i = 0; i < count; i++)
        if (steps[i] != 1) return version_error(e, "version-lower", "before version 10, there are no steps other than 1");
    drop_input(e, 4);
    for (uint32_t i = 3; i >= 1; i--)
        if (!input_to_ints(e, i, name[i - 1])) return false;
    return axes_from_11(e);
}

static bool split_from_13(edit *e)
{
    return input_to_ints(e, 1, "split");
}

/* Split 18 -> 13: where the parts are not equal, their lengths have to be said. */
static bool split_from_18(edit *e)
{
    model *m = e->m;
    const attr *given = node_attr(edited(e), "num_outputs");
    const int64_t parts = node_int(edited(e), "num_outputs", 0);
    if (!given) return true;
    if (given->ref || parts < 1) return version_error(e, "version-lower", "num_outputs is not known");
    if (parts != edited(e)->n_out) return version_error(e, "version-lower", "num_outputs is %lld, but there are %u outputs", (long long)parts, edited(e)->n_out);
    const type *t = &value_at(m, input_of(e, 0))->type;
    const int32_t rank = rank_of(e, input_of(e, 0));
    int64_t axis = node_int(edited(e), "axis", 0), size;
    if (axis < 0 && rank > 0) axis += rank;
    if (t->kind != TYPE_TENSOR || axis < 0 || axis >= rank || !dim_is_const(m->dims, t->shape[axis], &size))
        return version_error(e, "version-lower", "the size that is split is not known, so equal parts can't be told from a shorter last one");
    node_drop_attr(edited(e), "num_outputs");
    if (size % parts == 0) return true;
    int64_t *length = ARENA_ARRAY(m->mem, int64_t, parts);
    const int64_t most = size / parts + 1;
    for (int64_t i = 0; i < parts; i++) {
        length[i] = size < most ? size : most;
        size -= length[i];
    }
    set_input(e, 1, const_ints(e, "split", (uint32_t)parts, length));
    return true;
}

/* ---- resampling ---- */

static bool upsample_from_9(edit *e)
{
    const tensor *t = settled(e, 1, "the list of scales");
    if (!t) return version_error(e, "version-lower", "scales are computed; the older version wants an attribute");
    const uint32_t n = (uint32_t)tensor_count(t);
    float *scale = ARENA_ARRAY(e->m->mem, float, n);
    for (uint32_t i = 0; i < n; i++) scale[i] = (float)elem_get_double(t->type, t->data, i);
    node_set_attr(e->m, edited(e), (attr){.name = intern(e->m->names, "scales"), .kind = ATTR_FLOATS, .n = n, .u.floats = scale});
    drop_input(e, 1);
    return true;
}

static bool upsample_from_7(edit *e)
{
    model *m = e->m;
    const attr *a = node_attr(edited(e), "scales");
    if (!a || a->kind != ATTR_FLOATS || a->n != 4 || a->u.floats[0] < 1 || a->u.floats[0] > 1 || a->u.floats[1] < 1 || a->u.floats[1] > 1)
        return version_error(e, "version-lower", "before version 7, height and width of an image are scaled, nothing else");
    const float height = a->u.floats[2], width = a->u.floats[3];
    node_drop_attr(edited(e), "scales");
    node_set_attr(m, edited(e), (attr){.name = intern(m->names, "height_scale"), .kind = ATTR_FLOAT, .u.f = height});
    node_set_attr(m, edited(e), (attr){.name = intern(m->names, "width_scale"), .kind = ATTR_FLOAT, .u.f = width});
    if (!strcmp(node_string(edited(e), "mode", ""), "linear")) node_set_attr(m, edited(e), attr_string(m, "mode", "bilinear"));
    return true;
}

/* Whether all scales are at least (sign 1) or at most (sign -1) one. */
static bool scales_are(const tensor *t, int sign)
{
    bool all = t != NULL;
    for (int64_t i = 0; all && i < tensor_count(t); i++) all = (elem_get_double(t->type, t->data, (size_t)i) - 1) * sign >= 0;
    return all;
}

static bool resize_from_10(edit *e)
{
    if (!scales_are(data_of(e, input_of(e, 1)), 1)) return version_error(e, "version-lower", "Upsample can't shrink, and scales have to be known");
    node *n = edited(e);
    n->op = intern(e->m->names, "Upsample");
    n->version = 9;
    return true;
}

/* Resize 11 -> 10: places are x / scale; "nearest" takes the one before where an axis grows and the one behind where it shrinks. */
static bool resize_from_11(edit *e)
{
    const node *n = edited(e);
    const char *mode = node_string(n, "mode", "nearest"), *nearest = node_string(n, "nearest_mode", "round_prefer_floor");
    const tensor *scales = data_of(e, input_of(e, 2));
    const char *why = NULL;
    if (strcmp(node_string(n, "coordinate_transformation_mode", "half_pixel"), "asymmetric")) why = "before version 11, coordinates are asymmetric";
    else if (!strcmp(mode, "cubic")) why = "before version 11, there is no cubic mode";
    else if (input_of(e, 3) || (scales && !tensor_count(scales))) why = "before version 11, sizes can't be given";
    else if (!strcmp(mode, "nearest") && !(scales_are(scales, 1) && !strcmp(nearest, "floor")) &&
             !(scales_are(scales, -1) && !strcmp(nearest, "ceil")))
        why = "before version 11, nearest is floor for scales that grow and ceil for those that shrink";
    if (why) return version_error(e, "version-lower", "%s", why);
    node_drop_attr(edited(e), "coordinate_transformation_mode");
    node_drop_attr(edited(e), "nearest_mode");
    set_input(e, 1, input_of(e, 2));
    drop_input(e, 2);
    return true;
}

/* Resize 13 -> 11: absent inputs are empty. */
static bool resize_from_13(edit *e)
{
    if (!input_of(e, 1)) set_input(e, 1, const_floats(e, "roi", 0, NULL));
    if (!input_of(e, 2)) set_input(e, 2, const_floats(e, "scales", 0, NULL));
    return true;
}

static bool grid_sample_from_20(edit *e)
{
    const char *mode = node_string(edited(e), "mode", "linear");
    if (rank_of(e, input_of(e, 0)) != 4)
        return version_error(e, "version-lower", "before version 20, samples are taken from images, which have 4 dimensions");
    if (!strcmp(mode, "linear")) mode = "bilinear";
    else if (!strcmp(mode, "cubic")) mode = "bicubic";
    node_set_attr(e->m, edited(e), attr_string(e->m, "mode", mode));
    return true;
}

static bool roi_align_from_16(edit *e)
{
    if (strcmp(node_string(edited(e), "coordinate_transformation_mode", "half_pixel"), "output_half_pixel"))
        return version_error(e, "version-lower", "before version 16, coordinates are output_half_pixel");
    node_drop_attr(edited(e), "coordinate_transformation_mode");
    return true;
}

const adapter_row lower_shape_rows[] = {
    {"", "ArgMax", 11, axes_from_11},
    {"", "ArgMin", 11, axes_from_11},
    {"", "Compress", 11, axes_from_11},
    {"", "Concat", 11, axes_from_11},
    {"", "Flatten", 11, axes_from_11},
    {"", "Hardmax", 11, axes_from_11},
    {"", "LogSoftmax", 11, axes_from_11},
    {"", "Softmax", 11, axes_from_11},
    {"", "ReduceL1", 11, axes_from_11},
    {"", "ReduceL2", 11, axes_from_11},
    {"", "ReduceLogSum", 11, axes_from_11},
    {"", "ReduceLogSumExp", 11, axes_from_11},
    {"", "ReduceMax", 11, axes_from_11},
    {"", "ReduceMean", 11, axes_from_11},
    {"", "ReduceMin", 11, axes_from_11},
    {"", "ReduceProd", 11, axes_from_11},
    {"", "ReduceSum", 11, axes_from_11},
    {"", "ReduceSumSquare", 11, axes_from_11},
    {"", "Split", 11, axes_from_11},
    {"", "Squeeze", 11, axes_from_11},
    {"", "Unsqueeze", 11, unsqueeze_from_11},
    {"", "Squeeze", 13, squeeze_from_13},
    {"", "Unsqueeze", 13, squeeze_from_13},
    {"", "Concat", 4, nothing},
    {"", "Flatten", 9, flatten_from_9},
    {"", "Reshape", 5, reshape_from_5},
    {"", "Reshape", 14, reshape_from_14},
    {"", "Shape", 15, shape_from_15},
    {"", "ScatterElements", 11, scatter_from_11},
    {"", "OneHot", 11, one_hot_from_11},
    {"", "TopK", 10, top_k_from_10},
    {"", "Pad", 2, pad_from_2},
    {"", "Pad", 11, pad_from_11},
    {"", "Pad", 18, pad_from_18},
    {"", "Slice", 10, slice_from_10},
    {"", "Split", 2, nothing},
    {"", "Split", 13, split_from_13},
    {"", "Split", 18, split_from_18},
    {"", "Upsample", 7, upsample_from_7},
    {"", "Upsample", 9, upsample_from_9},
    {"", "Resize", 10, resize_from_10},
    {"", "Resize", 11, resize_from_11},
    {"", "Resize", 13, resize_from_13},
    {"", "GridSample", 20, grid_sample_from_20},
    {"", "RoiAlign", 16, roi_align_from_16},
    {NULL, NULL, 0, NULL},
};
