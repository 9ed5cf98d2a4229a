/* version_shape.c - version adapters of operators that move, select and resample data. */
#include <string.h>

#include "ops/version_edit.h"

/* Concat 1 -> 4: axis has no default any more; it was 1. */
static bool concat_to_4(edit *e)
{
    node_set_attr(e->m, edited(e), attr_int(e->m, "axis", node_int(edited(e), "axis", 1)));
    return true;
}

/* Reshape 1 -> 5: the shape is an input. An attribute of no elements means a scalar. */
static bool reshape_to_5(edit *e)
{
    uint32_t count;
    const int64_t *shape = node_ints(edited(e), "shape", &count);
    set_input(e, 1, const_ints(e, "shape", count, shape));
    node_drop_attr(edited(e), "shape");
    return true;
}

/* Pad 1 -> 2: the attribute's name. */
static bool pad_to_2(edit *e)
{
    uint32_t count;
    const int64_t *pads = node_ints(edited(e), "paddings", &count);
    node_set_attr(e->m, edited(e), attr_ints(e->m, "pads", count, pads));
    node_drop_attr(edited(e), "paddings");
    return true;
}

/* Pad 2 -> 11: pads and value are inputs. */
static bool pad_to_11(edit *e)
{
    uint32_t count;
    const int64_t *pads = node_ints(edited(e), "pads", &count);
    const float fill = node_float(edited(e), "value", 0);
    set_input(e, 1, const_ints(e, "pads", count, pads));
    if (fill != 0) set_input(e, 2, const_like(e, "value", fill, input_of(e, 0)));
    node_drop_attr(edited(e), "pads");
    node_drop_attr(edited(e), "value");
    return true;
}

/* Slice 1 -> 10: starts, ends and axes are inputs; steps are new. */
static bool slice_to_10(edit *e)
{
    static const char *const name[] = {"starts", "ends", "axes"};
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t count;
        const int64_t *v = node_ints(edited(e), name[i], &count);
        if (v || i < 2) set_input(e, 1 + i, const_ints(e, name[i], count, v));
        node_drop_attr(edited(e), name[i]);
    }
    return true;
}

/* Split 1 -> 2: the lengths are an attribute only; axis has a default. */
static bool split_to_2(edit *e)
{
    const value_id lengths = input_of(e, 1);
    const tensor *t = data_of(e, lengths);
    if (lengths && !t) return version_error(e, "version-split", "lengths that are computed have no form in version 2");
    if (!t) return true;
    const uint32_t count = (uint32_t)tensor_count(t);
    int64_t *v = ARENA_ARRAY(e->m->mem, int64_t, count);
    for (uint32_t i = 0; i < count; i++) v[i] = elem_get_int(t->type, t->data, i);
    node_set_attr(e->m, edited(e), attr_ints(e->m, "split", count, v));
    edited(e)->n_in = 1;
    return true;
}

/* Split 11 -> 13: the lengths are an input again. */
static bool split_to_13(edit *e)
{
    ints_to_input(e, "split", 1);
    return true;
}

/* Split 13 -> 18: equal parts need num_outputs, which also allows a shorter last one. */
static bool split_to_18(edit *e)
{
    if (!input_of(e, 1)) node_set_attr(e->m, edited(e), attr_int(e->m, "num_outputs", edited(e)->n_out));
    return true;
}

/* Squeeze Unsqueeze 11 -> 13: axes is an input; without it, Squeeze removes all axes of length 1, as before. */
static bool squeeze_to_13(edit *e)
{
    ints_to_input(e, "axes", 1);
    return true;
}

/* Unsqueeze 11 -> 13: as Squeeze, but axes is required, also when it has no elements. */
static bool unsqueeze_to_13(edit *e)
{
    ints_to_input(e, "axes", 1);
    if (!input_of(e, 1)) set_input(e, 1, const_ints(e, "axes", 0, NULL));
    return true;
}

/* Tile 1 -> 6: one axis and a count, both scalars of X's type, become counts for all axes: ones, with the count at the axis. */
static bool tile_to_6(edit *e)
{
    model *m = e->m;
    const attr to_int64 = attr_int(m, "to", ELEM_INT64), first = attr_int(m, "axis", 0);
    const value_id x = input_of(e, 0), vector = const_ints(e, "vector", 1, (const int64_t[]){1});
    const value_id tiles = insert(e, "Reshape", NULL, IN(insert(e, "Cast", &to_int64, IN(input_of(e, 1))), vector));
    const value_id axis = insert(e, "Reshape", NULL, IN(insert(e, "Cast", &to_int64, IN(input_of(e, 2))), vector));
    const value_id rank = insert(e, "Shape", NULL, IN(insert(e, "Shape", NULL, IN(x))));
    const value_id ones = insert(e, "Expand", NULL, IN(vector, rank));
    set_input(e, 1, insert(e, "ScatterElements", &first, IN(ones, axis, tiles)));
    edited(e)->n_in = 2;
    return true;
}

/* TopK 1 -> 10: k is an input of one element. */
static bool top_k_to_10(edit *e)
{
    const int64_t k = node_int(edited(e), "k", 0);
    set_input(e, 1, const_ints(e, "k", 1, &k));
    node_drop_attr(edited(e), "k");
    return true;
}

/* Scatter 9 -> 11: the operator is called ScatterElements since. */
static bool scatter_to_11(edit *e)
{
    edited(e)->op = intern(e->m->names, "ScatterElements");
    return true;
}

/* OneHot 9 -> 11: a negative index counts from the end; it gave a row of off values before. Indexes that may be negative are moved out of the
 * range of both meanings. */
static bool one_hot_to_11(edit *e)
{
    model *m = e->m;
    const value_id indices = input_of(e, 0);
    const elem kind = elem_type_of(e, indices);
    const tensor *t = data_of(e, indices);
    bool negative = elem_of(kind)->kind != 'u';
    if (t && negative) {
        const int64_t n = tensor_count(t);
        negative = false;
        for (int64_t i = 0; i < n && !negative; i++) negative = elem_get_double(t->type, t->data, (size_t)i) < 0;
    }
    if (!negative) return true;
    const attr to_int64 = attr_int(m, "to", ELEM_INT64);
    const value_id index = kind == ELEM_INT64 ? indices : insert(e, "Cast", &to_int64, IN(indices));
    const value_id below = insert(e, "Less", NULL, IN(index, const_int(e, "zero", 0)));
    set_input(e, 0, insert(e, "Where", NULL, IN(below, const_int(e, "nowhere", INT64_MIN), index)));
    return true;
}

/* Upsample 1 -> 7: scales for all axes, in place of those for height and width; "bilinear" is called "linear". */
static bool upsample_to_7(edit *e)
{
    model *m = e->m;
    node *n = edited(e);
    const float scales[] = {1, 1, node_float(n, "height_scale", 1), node_float(n, "width_scale", 1)};
    node_drop_attr(n, "height_scale");
    node_drop_attr(n, "width_scale");
    node_set_attr(m, n, (attr){.name = intern(m->names, "scales"), .kind = ATTR_FLOATS, .n = 4, .u.floats = arena_copy(m->mem, scales, sizeof scales)});
    if (!strcmp(node_string(n, "mode", ""), "bilinear")) node_set_attr(m, n, attr_string(m, "mode", "linear"));
    return true;
}

/* Upsample 7 -> 9: scales is an input. */
static bool upsample_to_9(edit *e)
{
    const attr *a = node_attr(edited(e), "scales");
    if (!a || a->kind != ATTR_FLOATS) return version_error(e, "version-resize", "has no scales");
    set_input(e, 1, const_floats(e, "scales", a->n, a->u.floats));
    node_drop_attr(edited(e), "scales");
    return true;
}

/* Upsample 9 -> 10: the operator is called Resize since, and may shrink too. */
static bool upsample_to_10(edit *e)
{
    edited(e)->op = intern(e->m->names, "Resize");
    return true;
}

static void set_nearest(edit *e, node *n, const char *nearest)
{
    node_set_attr(e->m, n, attr_string(e->m, "coordinate_transformation_mode", "asymmetric"));
    node_set_attr(e->m, n, attr_string(e->m, "nearest_mode", nearest));
}

/* Resize 10 -> 11: version 10 maps x to x / scale, and "nearest" takes the element before where an axis grows and the one after where it
 * shrinks (onnxruntime's reading; the standard does not say). Version 11 has one rounding for all axes, so a node that does both is split. */
static bool resize_to_11(edit *e)
{
    const value_id scales = input_of(e, 1);
    const tensor *t = data_of(e, scales);
    bool grows = false, shrinks = false;
    for (int64_t i = 0; t && i < tensor_count(t); i++) {
        grows |= elem_get_double(t->type, t->data, (size_t)i) > 1;
        shrinks |= elem_get_double(t->type, t->data, (size_t)i) < 1;
    }
    const bool nearest = !strcmp(node_string(edited(e), "mode", "nearest"), "nearest");
    if (nearest && !t)
        diag_warn(e->m->diag, at_node(e->m, edited(e)), "version-resize", "the scales are not known when compiling; they are taken to be 1 or more");
    value_id rest = scales;
    if (nearest && grows && shrinks) {
        const uint32_t n = (uint32_t)tensor_count(t);
        float *up = ARENA_ARRAY(e->m->mem, float, n), *down = ARENA_ARRAY(e->m->mem, float, n);
        for (uint32_t i = 0; i < n; i++) {
            const float s = (float)elem_get_double(t->type, t->data, i);
            up[i] = s > 1 ? s : 1;
            down[i] = s < 1 ? s : 1;
        }
        const value_id grown = insert(e, "Resize", NULL, IN(input_of(e, 0), 0, const_floats(e, "up", n, up)));
        set_nearest(e, node_at(e->m, value_at(e->m, grown)->producer), "floor");
        set_input(e, 0, grown);
        rest = const_floats(e, "down", n, down);
    }
    set_nearest(e, edited(e), shrinks ? "ceil" : "floor");
    set_input(e, 1, const_floats(e, "roi", 0, NULL));
    set_input(e, 2, rest);
    return true;
}

static bool is_empty(edit *e, value_id v)
{
    const tensor *t = data_of(e, v);
    return t && tensor_count(t) == 0;
}

/* Resize 11 -> 13: an unused input is absent, it was an empty tensor; tf_half_pixel_for_nn, x = (i + 0.5) / scale, is gone. It is half_pixel
 * moved by 0.5, so its floor is half_pixel's rounding with halves up, and its rounding with halves down is half_pixel's ceil. */
static bool resize_to_13(edit *e)
{
    model *m = e->m;
    const char *mode = node_string(edited(e), "coordinate_transformation_mode", "half_pixel");
    if (!strcmp(mode, "tf_half_pixel_for_nn")) {
        const char *nearest = node_string(edited(e), "nearest_mode", "round_prefer_floor");
        const bool floor = !strcmp(nearest, "floor");
        if (strcmp(node_string(edited(e), "mode", "nearest"), "nearest") || (!floor && strcmp(nearest, "round_prefer_floor")))
            return version_error(e, "version-resize", "tf_half_pixel_for_nn with mode '%s', nearest_mode '%s' has no form in later versions",
                                 node_string(edited(e), "mode", "nearest"), nearest);
        node_set_attr(m, edited(e), attr_string(m, "coordinate_transformation_mode", "half_pixel"));
        node_set_attr(m, edited(e), attr_string(m, "nearest_mode", floor ? "round_prefer_ceil" : "ceil"));
    }
    if (input_of(e, 1) && strcmp(mode, "tf_crop_and_resize")) set_input(e, 1, 0);
    if (is_empty(e, input_of(e, 3))) set_input(e, 3, 0);
    if (input_of(e, 3) || is_empty(e, input_of(e, 2))) set_input(e, 2, 0);
    return true;
}

/* GridSample 16 -> 20: other names of the modes. */
static bool grid_sample_to_20(edit *e)
{
    const char *mode = node_string(edited(e), "mode", "bilinear");
    if (!strcmp(mode, "bilinear")) mode = "linear";
    else if (!strcmp(mode, "bicubic")) mode = "cubic";
    node_set_attr(e->m, edited(e), attr_string(e->m, "mode", mode));
    return true;
}

/* RoiAlign 10 -> 16: coordinates are moved by half a pixel unless told not to; before they never were. */
static bool roi_align_to_16(edit *e)
{
    node_set_attr(e->m, edited(e), attr_string(e->m, "coordinate_transformation_mode", "output_half_pixel"));
    return true;
}

const adapter_row version_shape_rows[] = {
    {"", "Concat", 4, concat_to_4},
    {"", "Reshape", 5, reshape_to_5},
    {"", "Pad", 2, pad_to_2},
    {"", "Pad", 11, pad_to_11},
    {"", "Slice", 10, slice_to_10},
    {"", "Split", 2, split_to_2},
    {"", "Split", 13, split_to_13},
    {"", "Split", 18, split_to_18},
    {"", "Squeeze", 13, squeeze_to_13},
    {"", "Unsqueeze", 13, unsqueeze_to_13},
    {"", "Tile", 6, tile_to_6},
    {"", "TopK", 10, top_k_to_10},
    {"", "Scatter", 11, scatter_to_11},
    {"", "OneHot", 11, one_hot_to_11},
    {"", "Upsample", 7, upsample_to_7},
    {"", "Upsample", 9, upsample_to_9},
    {"", "Upsample", 10, upsample_to_10},
    {"", "Resize", 11, resize_to_11},
    {"", "Resize", 13, resize_to_13},
    {"", "GridSample", 20, grid_sample_to_20},
    {"", "RoiAlign", 16, roi_align_to_16},
    {NULL, NULL, 0, NULL},
};
