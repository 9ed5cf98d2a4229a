/* contrib_image.c - what onnxruntime fuses in diffusion models, in terms of ai.onnx: GroupNorm, SkipGroupNorm, BiasAdd, BiasSplitGelu; CropAndResize.
 * Source: the documentation of onnxruntime's contrib operators. */
#include <string.h>

#include "ops/contrib.h"

static value_id in_float(edit *e, value_id v)
{
    const attr to = attr_int(e->m, "to", ELEM_FLOAT);
    return insert(e, "Cast", &to, IN(v));
}

/* The edited node's output 0 becomes the normalized x, in float between its scale and its activation. */
static bool become_group_norm(edit *e, value_id x)
{
    attr first, last;
    const elem kind = elem_type_of(e, x) == ELEM_NONE ? elem_type_of(e, input_of(e, 0)) : elem_type_of(e, x);
    const bool channels_last = node_int(edited(e), "channels_last", 1) != 0;
    const attr norm[2] = {attr_int(e->m, "num_groups", node_int(edited(e), "groups", 1)), attr_float(e->m, "epsilon", node_float(edited(e), "epsilon", 1e-5f))};
    const attr to = attr_int(e->m, "to", kind), alpha = attr_float(e->m, "alpha", 1);
    if (channels_last && !channel_orders(e, input_of(e, 0), &first, &last)) return version_error(e, "contrib", "the number of dimensions is not known");
    value_id y = in_float(e, x);
    if (channels_last) y = insert(e, "Transpose", &first, IN(y));
    y = make(e, "GroupNormalization", 2, norm, IN(y, in_float(e, input_of(e, 1)), in_float(e, input_of(e, 2))));
    if (node_int(edited(e), "activation", 0)) y = insert(e, "Swish", &alpha, IN(y));
    if (channels_last) y = insert(e, "Transpose", &last, IN(y));
    edited(e)->n_out = 1;
    replace_node(e, "Cast", 1, &to, IN(y));
    return true;
}

bool group_norm(edit *e)
{
    if (elem_type_of(e, input_of(e, 0)) == ELEM_NONE || rank_of(e, input_of(e, 0)) < 0) return true; /* later, when types are known */
    return become_group_norm(e, input_of(e, 0));
}

bool skip_group_norm(edit *e)
{
    const value_id x = input_of(e, 0), skip = input_of(e, 3), bias = input_of(e, 4), sum = output_of(e, 1);
    static const int64_t MIDDLE[] = {1, 2}, BEHIND[] = {2, 3}, BIAS[] = {1, 2};
    const bool channels_last = node_int(edited(e), "channels_last", 1) != 0;
    if (elem_type_of(e, x) == ELEM_NONE || rank_of(e, x) < 0 || rank_of(e, skip) < 0) return true;
    const value_id spread = rank_of(e, skip) == 2 ? with_axes(e, skip, 2, channels_last ? MIDDLE : BEHIND) : skip;
    value_id all = insert(e, "Add", NULL, IN(x, spread));
    if (bias) all = insert(e, "Add", NULL, IN(all, channels_last ? bias : with_axes(e, bias, 2, BIAS)));
    if (sum) make_node(e, "Identity", 0, NULL, IN(all), 1, &sum);
    return become_group_norm(e, all);
}

bool bias_add(edit *e)
{
    replace_node(e, "Add", 0, NULL, IN(insert(e, "Add", NULL, IN(input_of(e, 0), input_of(e, 1))), input_of(e, 2)));
    return true;
}

/* The first half of x + bias times gelu of the second. */
bool bias_split_gelu(edit *e)
{
    const attr a[2] = {attr_int(e->m, "axis", -1), attr_int(e->m, "num_outputs", 2)};
    const value_id part[2] = {make_value(e, "left"), make_value(e, "right")};
    make_node(e, "Split", 2, a, IN(with_bias(e, input_of(e, 0), input_of(e, 1))), 2, part);
    replace_node(e, "Mul", 0, NULL, IN(part[0], insert(e, "Gelu", NULL, IN(part[1]))));
    return true;
}

/* ---- CropAndResize: boxes [y1, x1, y2, x2] in units of an image's last row and column, each resized to one size, corners on corners ---- */

/* Column k of the boxes, [boxes, 1]. */
static value_id corner(edit *e, int64_t k)
{
    return slice(e, input_of(e, 1), one_int(e, k), one_int(e, k + 1), 1);
}

/* Where the `size` (int64[1]) samples between two corners lie along a dimension, from 0 to 1: [boxes, size]. A single one is in the middle. */
static value_id sample_places(edit *e, int64_t from, int64_t to, value_id size, int64_t axis, bool nearest)
{
    const value_id x = input_of(e, 1), one = const_int(e, "one", 1), half = const_like(e, "half", 0.5f, x);
    const value_id last = insert(e, "Max", NULL, IN(insert(e, "Sub", NULL, IN(size_of(e, input_of(e, 0), axis), one)), one));
    const value_id unit = insert(e, "CastLike", NULL, IN(last, x)), a = corner(e, from), b = corner(e, to);
    const value_id steps = insert(e, "CastLike", NULL, IN(insert(e, "Max", NULL, IN(insert(e, "Sub", NULL, IN(size, one)), one)), x));
    const value_id step = insert(e, "Div", NULL, IN(insert(e, "Mul", NULL, IN(insert(e, "Sub", NULL, IN(b, a)), unit)), steps));
    const value_id along = insert(e, "Mul", NULL, IN(insert(e, "CastLike", NULL, IN(count_to(e, size), x)), step));
    const value_id many = insert(e, "Add", NULL, IN(insert(e, "Mul", NULL, IN(a, unit)), along));
    const value_id middle = insert(e, "Mul", NULL, IN(insert(e, "Mul", NULL, IN(half, insert(e, "Add", NULL, IN(a, b)))), unit));
    value_id place = insert(e, "Where", NULL, IN(insert(e, "Equal", NULL, IN(size, one)), middle, many));
    if (nearest) { /* halves up */
        const value_id whole = insert(e, "Floor", NULL, IN(place));
        const value_id up = insert(e, "GreaterOrEqual", NULL, IN(insert(e, "Sub", NULL, IN(place, whole)), half));
        place = insert(e, "Add", NULL, IN(whole, insert(e, "CastLike", NULL, IN(up, x))));
    }
    return insert(e, "Div", NULL, IN(place, unit));
}

static value_id inside(edit *e, value_id place)
{
    const value_id x = input_of(e, 1);
    return insert(e, "And", NULL, IN(insert(e, "GreaterOrEqual", NULL, IN(place, const_like(e, "zero", 0, x))), insert(e, "LessOrEqual", NULL, IN(place, const_like(e, "one", 1, x)))));
}

bool crop_and_resize(edit *e)
{
    const bool nearest = !strcmp(node_string(edited(e), "mode", "bilinear"), "nearest");
    const float outside = node_float(edited(e), "extrapolation_value", 0);
    const value_id x = input_of(e, 0), size = as_int64(e, input_of(e, 3));
    const int64_t row = 2, column = 1, last = 3, channel = 1;
    const value_id y = sample_places(e, 0, 2, slice(e, size, one_int(e, 0), one_int(e, 1), 0), 2, nearest);
    const value_id z = sample_places(e, 1, 3, slice(e, size, one_int(e, 1), one_int(e, 2), 0), 3, nearest);
    const value_id images = insert(e, "Gather", NULL, IN(x, input_of(e, 2))), ya = with_axes(e, y, 1, &row), za = with_axes(e, z, 1, &column);
    const value_id zero = insert(e, "Mul", NULL, IN(insert(e, "Add", NULL, IN(ya, za)), const_like(e, "zero", 0, x)));
    const attr grid_axis = attr_int(e->m, "axis", 3);
    const value_id pair = insert(e, "Concat", &grid_axis, IN(with_axes(e, insert(e, "Add", NULL, IN(za, zero)), 1, &last), with_axes(e, insert(e, "Add", NULL, IN(ya, zero)), 1, &last)));
    const value_id grid = insert(e, "Sub", NULL, IN(insert(e, "Mul", NULL, IN(pair, const_like(e, "two", 2, x))), const_like(e, "one", 1, x)));
    const attr how[3] = {attr_int(e->m, "align_corners", 1), attr_string(e->m, "padding_mode", "border"), attr_string(e->m, "mode", nearest ? "nearest" : "linear")};
    const value_id samples = make(e, "GridSample", 3, how, IN(images, grid));
    const value_id seen = with_axes(e, insert(e, "And", NULL, IN(with_axes(e, inside(e, y), 1, &row), with_axes(e, inside(e, z), 1, &column))), 1, &channel);
    replace_node(e, "Where", 0, NULL, IN(seen, samples, const_like(e, "outside", outside, x)));
    return true;
}
