/* conv_sum.c - convolutions to few channels, with the input's channels as lanes (templates/cpu/conv_sum.c): the direct kernel, whose lanes are the output's,
 * would leave many of them idle.
 *
 * in:  a K_CONV step, its input in blocks with the halo that its padding needs
 * out: a K_TEMPLATE step with packed weights */
#include "plan/conv_plan.h"
#include "plan/pack.h"

/* Of a pixel, in multiply-adds of vectors; measured on a Zen 4. Each product of this kernel has a load of its own. */
static const double PRODUCT = 1.3, LANES_SUM = 8, LANE_STORE = 1.5, GAIN = 0.85;

bool conv_to_few(program *p, const plan_options *o, const kernel *k)
{
    const int vl = o->target->vl;
    const slot_info *w = slot_at(p, k->arg[2].slot);
    int64_t oc, ic, taps = 1;
    if (k->hook[0].int_acc || k->conv.narrow || k->conv.group != 1 || vl == 1 || o->math == MATH_STRICT || conv_input_block(p, k, vl) != vl) return false;
    if (!dim_is_const(p->dims, w->extent[0], &oc) || !dim_is_const(p->dims, w->extent[1], &ic) || oc >= vl) return false;
    for (uint32_t i = 0; i < k->conv.rank; i++) taps *= k->conv.kernel[i];
    const double blocks = (double)((ic + vl - 1) / vl), here = (double)oc * ((double)taps * blocks * PRODUCT + LANES_SUM);
    return here < GAIN * ((double)taps * (double)ic + (double)oc * LANE_STORE);
}

bool conv_sums(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    conv_pixel_axes(c);
    block steps = {0};
    const slot weights = pack_conv(p, &steps, conv_weights_name(c), c->k->arg[2].slot, 1, c->block, 1);
    if (!conv_pack(c, out, &steps, weights)) return false;
    bindings b = {.d = d};
    conv_bind_number(&b, "IC", c->ic);
    conv_bind_number(&b, "OC", c->oc);
    conv_bind_window(&b, c, 0, false);
    kernel *k = conv_append(c, s, out, "conv_sum", b.list, b.n, weights, 0, 0, dim_mul(d, dim_mul(d, conv_extent(p, c->hook.axis[0]), c->out[0]), c->out[1]));
    k->lane = 3;
    k->by = SPLIT_ROWS;
    return true;
}
