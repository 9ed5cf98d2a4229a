/* contrib_image.c - what onnxruntime fuses in diffusion models, in terms of ai.onnx: GroupNorm, SkipGroupNorm, BiasAdd, BiasSplitGelu. Source: the
 * documentation of onnxruntime's contrib operators. */
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
