/* conv.c - a convolution by the direct kernels (templates/cpu/conv.c, conv_dw.c).
 *
 * in:  a K_CONV step whose slots have views, its input with the halo that its padding needs
 * out: a K_TEMPLATE step with packed weights */
#include <string.h>

#include "plan/pack.h"
#include "plan/plan.h"
#include "plan/tile.h"

enum { STRICT_BLOCK = 16 }; /* channels; a multiple of every target's block */

typedef struct {
    program *p;
    const plan_options *o;
    const kernel *k;
    hook hook;
    int64_t oc, ic;            /* per group */
    dim out[3];                /* extents of the output: depth, height, width; 1 where the rank has none */
    int64_t kernel[3], stride[3], dilation[3];
    dim x_at, x_stride[3];     /* elements from x's index 0 to the first halo cell; per spatial axis */
    dim x_n, x_c;
    int block;
} conv_plan;

static binding dim_binding(const char *name, dim d)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = d};
}

static dim extent_of(program *p, dim axis)
{
    return dim_is_axis(p->dims, axis) ? dim_extent(p->dims, axis) : dim_const(p->dims, 1);
}

static int64_t known(program *p, dim d)
{
    int64_t v;
    return dim_is_const(p->dims, d, &v) ? v : -1;
}

/* Spatial axes right-aligned in (depth, height, width). False when the input's view has not the room that the padding needs. */
static bool read_shape(conv_plan *c)
{
    program *p = c->p;
    dims *d = p->dims;
    const slot_info *x = slot_at(p, c->k->arg[1].slot);
    const conv_params *params = &c->k->conv;
    const view *v = &x->view;
    c->block = v->d[1].block;
    if (c->block != conv_input_block(p, c->k, c->o->target->vl)) return false;
    c->x_at = dim_const(d, 0);
    c->x_n = v->d[0].stride;
    c->x_c = v->d[1].stride;
    for (uint32_t i = 0; i < 3; i++) {
        const bool real = i + params->rank >= 3;
        const uint32_t k = real ? i + params->rank - 3 : 0;
        c->out[i] = real ? extent_of(p, c->hook.axis[k + 2]) : dim_const(d, 1);
        c->kernel[i] = real ? params->kernel[k] : 1;
        c->stride[i] = real ? params->stride[k] : 1;
        c->dilation[i] = real ? params->dilation[k] : 1;
        c->x_stride[i] = real ? v->d[k + 2].stride : dim_const(d, 0);
        if (!real) continue;
        if (params->pad_lo[k] < 0 || params->pad_hi[k] < 0 || params->pad_lo[k] > v->d[k + 2].halo_lo || params->pad_hi[k] > v->d[k + 2].halo_hi) return false;
        c->x_at = dim_sub(d, c->x_at, dim_mulc(d, v->d[k + 2].stride, params->pad_lo[k]));
    }
    return true;
}

/* The hook's axes as the kernels call them: (n, channel block, row, ow, lane) with oc = block * VL + lane and row = od * OH + oh; so an
 * address in a blocked view is affine in each of them. */
static void hook_axes(conv_plan *c)
{
    dims *d = c->p->dims;
    exprs *x = c->p->ex;
    hook *h = &c->hook;
    const uint32_t rank = c->k->conv.rank;
    const int64_t vl = c->o->target->vl;
    const dim blocks = dim_axis(d, dim_const(d, (c->oc * c->k->conv.group + vl - 1) / vl)), lane = dim_axis(d, dim_const(d, vl));
    const dim width = h->axis[rank + 1];
    dim row = rank == 1 ? dim_const(d, 0) : h->axis[2], from[3], to[3];
    uint32_t n = 0;
    if (dim_is_axis(d, h->axis[1])) {
        from[n] = h->axis[1];
        to[n++] = dim_add(d, dim_mulc(d, blocks, vl), lane);
    }
    if (rank == 3) row = dim_axis(d, dim_mul(d, c->out[0], c->out[1]));
    for (uint32_t i = 0; i < 2 && rank == 3; i++) {
        if (!dim_is_axis(d, h->axis[i + 2])) continue;
        from[n] = h->axis[i + 2];
        to[n++] = i ? dim_mod(d, row, c->out[1]) : dim_fdiv(d, row, c->out[1]);
    }
    h->value = ex_map(x, h->value, n, from, to);
    for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_map(x, h->at[i], n, from, to);
    const dim axes[] = {h->axis[0], blocks, row, width, lane};
    h->n_axes = 5;
    memcpy(h->axis, axes, sizeof axes);
}

static void append_kernel(conv_plan *c, const step *s, block *out, const char *name, const binding *bind, uint32_t n_bind, slot weights, dim range)
{
    program *p = c->p;
    kernel *k = ARENA_NEW(p->mem, kernel);
    k->kind = K_TEMPLATE;
    k->name = name;
    k->lane = 4;
    k->bind = arena_copy(p->mem, bind, n_bind * sizeof *bind);
    k->n_bind = n_bind;
    k->range = range;
    k->hook = arena_copy(p->mem, &c->hook, sizeof c->hook);
    k->n_hook = 1;
    k->n_arg = 3;
    k->arg = ARENA_ARRAY(p->mem, kernel_arg, 3);
    k->arg[0] = (kernel_arg){c->k->arg[1].slot, ARG_IN};
    k->arg[1] = (kernel_arg){weights, ARG_IN};
    k->arg[2] = (kernel_arg){c->hook.to, ARG_OUT};
    kernel_note_loads(p, k, c->hook.value);
    step *made = ARENA_NEW(p->mem, step);
    *made = (step){.kind = STEP_KERNEL, .what = s->what, .kernel = k};
    VEC_PUSH(p->mem, out->steps, made);
}

static const char *weights_name(conv_plan *c)
{
    const char *name = slot_at(c->p, c->k->arg[2].slot)->name;
    return arena_printf(c->p->mem, "%s_packed", name ? name : "w");
}

static bool depthwise(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    block steps = {0};
    const int vl = c->o->target->vl;
    const slot weights = pack_conv_dw(p, &steps, weights_name(c), c->k->arg[2].slot, vl);
    if (!pack_now(p, &steps, weights)) return false;
    const vector_unit unit = {.vl = vl, .registers = c->o->target->registers, .l2_bytes = c->o->target->l2};
    const dw_tile t = dw_tile_choose(&unit, known(p, c->out[2]));
    const int64_t channels = c->k->conv.group;
    const dim channel = dim_const(d, channels);
    const binding bind[] = {dim_binding("RX", dim_const(d, t.rx)), dim_binding("RT", dim_const(d, t.rt)), dim_binding("C", channel),
                            dim_binding("C_LANES", channel), dim_binding("KH", dim_const(d, c->kernel[1])), dim_binding("KW", dim_const(d, c->kernel[2])),
                            dim_binding("SH", dim_const(d, c->stride[1])), dim_binding("SW", dim_const(d, c->stride[2])),
                            dim_binding("DH", dim_const(d, c->dilation[1])), dim_binding("DW", dim_const(d, c->dilation[2])), dim_binding("OH", c->out[1]),
                            dim_binding("OW", c->out[2]), dim_binding("X_AT", c->x_at), dim_binding("X_N", c->x_n), dim_binding("X_C", c->x_c),
                            dim_binding("X_H", c->x_stride[1]), dim_binding("X_W", c->x_stride[2])};
    const dim rows = dim_mul(d, dim_mul(d, extent_of(p, c->hook.axis[0]), dim_const(d, (channels + vl - 1) / vl)), c->out[1]);
    append_kernel(c, s, out, "conv_dw", bind, sizeof bind / sizeof *bind, weights, rows);
    return true;
}

static bool direct(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    const int vl = c->o->target->vl;
    const vector_unit unit = {.vl = vl, .registers = c->o->target->registers, .l2_bytes = c->o->target->l2};
    const int64_t width = known(p, c->out[2]), row = width < 0 ? 65536 : width * c->stride[2] * c->stride[1] * c->ic * 4;
    const conv_tile t = conv_tile_choose(&unit, c->oc, known(p, c->out[1]), width, row);
    /* Strict: every target adds up in the order of the longest vectors. */
    const int64_t channels = c->o->math == MATH_STRICT ? STRICT_BLOCK : c->block;
    const int ahead = conv_ahead(&unit, &t, channels, known(p, c->out[1]), width);
    block steps = {0};
    const slot weights = pack_conv(p, &steps, weights_name(c), c->k->arg[2].slot, c->k->conv.group, channels, (int64_t)t.nv * vl);
    if (!pack_now(p, &steps, weights)) return false;
    const int64_t lanes = c->k->conv.group > 1 && c->oc % vl ? 0 : c->oc; /* groups inside vectors: element by element */
    const binding bind[] = {dim_binding("NV", dim_const(d, t.nv)), dim_binding("NVT", dim_const(d, t.nvt)), dim_binding("RY", dim_const(d, t.ry)),
                            dim_binding("RX", dim_const(d, t.rx)), dim_binding("RT", dim_const(d, t.rt)), dim_binding("AHEAD", dim_const(d, ahead)), dim_binding("XB", dim_const(d, c->block)),
                            dim_binding("CB", dim_const(d, channels)), dim_binding("IC", dim_const(d, c->ic)),
                            dim_binding("OC", dim_const(d, c->oc)), dim_binding("OC_LANES", dim_const(d, lanes)),
                            dim_binding("GROUPS", dim_const(d, c->k->conv.group)), dim_binding("KD", dim_const(d, c->kernel[0])),
                            dim_binding("KH", dim_const(d, c->kernel[1])), dim_binding("KW", dim_const(d, c->kernel[2])), dim_binding("SD", dim_const(d, c->stride[0])),
                            dim_binding("SH", dim_const(d, c->stride[1])), dim_binding("SW", dim_const(d, c->stride[2])), dim_binding("DD", dim_const(d, c->dilation[0])),
                            dim_binding("DH", dim_const(d, c->dilation[1])), dim_binding("DW", dim_const(d, c->dilation[2])), dim_binding("OD", c->out[0]),
                            dim_binding("OH", c->out[1]), dim_binding("OW", c->out[2]), dim_binding("X_AT", c->x_at), dim_binding("X_N", c->x_n),
                            dim_binding("X_C", c->x_c), dim_binding("X_D", c->x_stride[0]), dim_binding("X_H", c->x_stride[1]), dim_binding("X_W", c->x_stride[2]),
                            dim_binding("ROWS", dim_const(d, t.rows))};
    const dim rows = dim_mul(d, dim_mul(d, extent_of(p, c->hook.axis[0]), c->out[0]), c->out[1]);
    append_kernel(c, s, out, "conv", bind, sizeof bind / sizeof *bind, weights, rows);
    return true;
}

bool select_conv(program *p, const plan_options *o, const step *s, block *out)
{
    const kernel *k = s->kernel;
    if (!conv_has_kernel(p, k)) return false;
    conv_plan c = {.p = p, .o = o, .k = k, .hook = k->hook[0]};
    (void)dim_is_const(p->dims, slot_at(p, k->arg[2].slot)->extent[0], &c.oc);
    (void)dim_is_const(p->dims, slot_at(p, k->arg[2].slot)->extent[1], &c.ic);
    c.oc /= k->conv.group;
    if (!read_shape(&c)) return false;
    hook_axes(&c);
    const bool done = conv_is_depthwise(p, k) ? depthwise(&c, s, out) : direct(&c, s, out);
    plan_layout(p);
    return done;
}
