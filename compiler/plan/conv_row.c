/* conv_row.c - grouped convolutions whose groups fill no vectors, with the pixels of a row as lanes (templates/cpu/conv_row.c).
 *
 * in:  a K_CONV step, its input row-major with the halo that its padding needs
 * out: a K_TEMPLATE step with packed weights. Where nothing but the channels is added up and rows adjoin, a whole image is one row. */
#include <string.h>

#include "plan/conv_plan.h"
#include "plan/pack.h"

bool conv_by_rows(program *p, const plan_options *o, const kernel *k)
{
    const conv_params *c = &k->conv;
    const int vl = o->target->vl;
    int64_t oc;
    if (k->hook[0].int_acc || vl == 1 || o->math == MATH_STRICT || c->group == 1 || conv_is_depthwise(p, k) || conv_input_block(p, k, vl) != 1) return false;
    return dim_is_const(p->dims, slot_at(p, k->arg[2].slot)->extent[0], &oc) && oc / c->group % vl != 0 && c->stride[c->rank - 1] == 1;
}

void conv_pixel_axes(conv_plan *c)
{
    exprs *x = c->p->ex;
    hook *h = &c->hook;
    const dim width = h->axis[c->k->conv.rank + 1];
    dim from[2], to[2];
    uint32_t n = 0;
    const dim row = conv_row_axis(c, &n, from, to);
    h->value = ex_map(x, h->value, n, from, to);
    for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_map(x, h->at[i], n, from, to);
    const dim axes[] = {h->axis[0], h->axis[1], row, width};
    h->n_axes = 4;
    memcpy(h->axis, axes, sizeof axes);
}

bool conv_join_rows(conv_plan *c)
{
    program *p = c->p;
    dims *d = p->dims;
    hook *h = &c->hook;
    const conv_params *k = &c->k->conv;
    if (k->rank != 2 || !dim_is_axis(d, h->axis[2]) || !dim_is_axis(d, h->axis[3]) || c->x_stride[1] != dim_mul(d, c->out[2], c->x_stride[2])) return false;
    for (uint32_t i = 0; i < 2; i++)
        if (k->kernel[i] != 1 || k->stride[i] != 1) return false;
    const dim all = dim_axis(d, dim_mul(d, c->out[1], c->out[2])), from[2] = {h->axis[2], h->axis[3]}, to[2] = {dim_fdiv(d, all, c->out[2]), dim_mod(d, all, c->out[2])};
    h->value = ex_map(p->ex, h->value, 2, from, to);
    for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_map(p->ex, h->at[i], 2, from, to);
    h->axis[2] = dim_const(d, 0);
    h->axis[3] = all;
    c->out[2] = dim_mul(d, c->out[1], c->out[2]);
    c->out[1] = dim_const(d, 1);
    return true;
}

bool conv_divides(const conv_plan *c)
{
    hook flat = c->hook;
    hook_flatten(c->p, &flat);
    return ex_has_division(c->p, flat.value) || ex_has_division(c->p, flat.at[0]);
}

bool conv_rows(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    const int64_t group = c->k->conv.group;
    const vector_unit unit = conv_unit(c);
    conv_plan joined = *c;
    if (conv_join_rows(&joined) && !conv_divides(&joined)) *c = joined;
    else conv_pixel_axes(c);
    const row_tile t = row_tile_choose(&unit, c->oc, conv_known(p, c->out[2]));
    block steps = {0};
    const slot weights = pack_conv(p, &steps, conv_weights_name(c), c->k->arg[2].slot, group, 1, t.ro);
    if (!conv_pack(c, out, &steps, weights)) return false;
    bindings b = {.d = d};
    conv_bind_number(&b, "RO", t.ro);
    conv_bind_number(&b, "RV", t.rv);
    conv_bind_number(&b, "IC", c->ic);
    conv_bind_number(&b, "OC", c->oc);
    conv_bind_number(&b, "GROUPS", group);
    conv_bind_window(&b, c, 0, true);
    for (uint32_t i = 0; i < b.n; i++)
        if (!strcmp(b.list[i].name, "SW")) b.list[i] = b.list[--b.n]; /* 1 */
    const dim rows = dim_mul(d, dim_mul(d, conv_extent(p, c->hook.axis[0]), c->out[0]), c->out[1]);
    const int64_t blocks = group * ((c->oc + t.ro - 1) / t.ro);
    kernel *k = conv_append(c, s, out, "conv_row", b.list, b.n, weights, 0, 0, dim_mulc(d, rows, blocks));
    k->lane = 3;
    if (dim_is(d, rows, 1)) k->by = SPLIT_CHANNELS;
    return true;
}
