/* qconv_plain.c - a convolution of bytes by the kernel for machines without vectors (templates/cpu/qconv_plain.c).
 *
 * in:  a K_CONV step with an int32 accumulator and constant weights, whose input is row-major without a halo
 * out: a K_TEMPLATE step that reads both where they lie: it needs no memory that the loop nest would not */
#include <assert.h>
#include <stdlib.h>

#include "plan/plan.h"

/* Registers of a small machine, without those for addresses: RO * RX sums, RO weights, one element. */
enum { TILE_CHANNELS = 2, TILE_PIXELS = 4, MOST_BINDINGS = 40 };

typedef struct {
    program *p;
    const kernel *k;
    binding list[MOST_BINDINGS];
    uint32_t n;
} bindings;

static void bind(bindings *b, const char *name, dim v)
{
    assert(b->n < MOST_BINDINGS);
    b->list[b->n++] = (binding){.name = name, .kind = BIND_DIM, .d = v};
}

static void bind_number(bindings *b, const char *name, int64_t v)
{
    bind(b, name, dim_const(b->p->dims, v));
}

static void bind_type(bindings *b, const char *name, elem e)
{
    assert(b->n < MOST_BINDINGS);
    b->list[b->n++] = (binding){.name = name, .kind = BIND_TYPE, .type = e};
}

static dim extent_of(program *p, dim axis)
{
    return dim_is_axis(p->dims, axis) ? dim_extent(p->dims, axis) : dim_const(p->dims, 1);
}

static bool is_byte(elem e)
{
    return e == ELEM_UINT8 || e == ELEM_INT8;
}

/* Whether the last window ends behind the image; unknown sizes: it may. */
static bool ends_outside(program *p, dim size, dim out, int64_t taps, int64_t stride, int64_t dilation, int64_t pad)
{
    int64_t n, m;
    if (!dim_is_const(p->dims, size, &n) || !dim_is_const(p->dims, out, &m)) return true;
    return (m - 1) * stride - pad + (taps - 1) * dilation >= n;
}

/* Axis i of (depth, height, width), right-aligned; one cell where the rank has none. */
static void bind_axis(bindings *b, uint32_t i)
{
    static const char *const name[3][9] = {{"KD", "SD", "DD", "PD", "OD", "ID", "X_D", "EDGE_D"},
                                           {"KH", "SH", "DH", "PH", "OH", "IH", "X_H", "EDGE_H"},
                                           {"KW", "SW", "DW", "PW", "OW", "IW", "X_W", "EDGE_W"}};
    program *p = b->p;
    const conv_params *c = &b->k->conv;
    const slot_info *x = slot_at(p, b->k->arg[1].slot);
    const bool real = i + c->rank >= 3;
    const uint32_t k = real ? i + c->rank - 3 : 0;
    const int64_t taps = real ? c->kernel[k] : 1, stride = real ? c->stride[k] : 1, dilation = real ? c->dilation[k] : 1, pad = real ? c->pad_lo[k] : 0;
    const dim one = dim_const(p->dims, 1), out = real ? extent_of(p, b->k->hook[0].axis[k + 2]) : one, size = real ? x->extent[k + 2] : one;
    bind_number(b, name[i][0], taps);
    bind_number(b, name[i][1], stride);
    bind_number(b, name[i][2], dilation);
    bind_number(b, name[i][3], pad);
    bind(b, name[i][4], out);
    bind(b, name[i][5], size);
    bind(b, name[i][6], real ? x->view.d[k + 2].stride : dim_const(p->dims, 0));
    bind_number(b, name[i][7], real && (pad > 0 || c->pad_hi[k] > 0 || ends_outside(p, size, out, taps, stride, dilation, pad)));
}

/* Pixels of the tile: not more than a row has whose windows are inside. */
static int64_t tile_pixels(program *p, const kernel *k)
{
    const conv_params *c = &k->conv;
    const uint32_t w = c->rank - 1;
    int64_t size;
    if (!dim_is_const(p->dims, slot_at(p, k->arg[1].slot)->extent[w + 2], &size)) return TILE_PIXELS;
    const int64_t begin = (c->pad_lo[w] + c->stride[w] - 1) / c->stride[w], last = size + c->pad_lo[w] - (c->kernel[w] - 1) * c->dilation[w] - 1;
    const int64_t inside = last < 0 ? 0 : last / c->stride[w] + 1 - begin;
    return inside < 1 ? 1 : inside < TILE_PIXELS ? inside : TILE_PIXELS;
}

static bool fits(program *p, const kernel *k, int64_t *oc, int64_t *ic)
{
    const slot_info *x = slot_at(p, k->arg[1].slot), *w = slot_at(p, k->arg[2].slot);
    const conv_params *c = &k->conv;
    if (w->kind != SLOT_CONST || !is_byte(w->type) || !is_byte(x->type) || c->rank < 1 || c->rank > 3 || k->n_hook != 1 || ex_can_fail(p->ex, k->hook[0].value)) return false;
    if (!dim_is_const(p->dims, w->extent[0], oc) || !dim_is_const(p->dims, w->extent[1], ic) || x->view.rank != x->rank) return false;
    for (uint32_t i = 0; i < c->rank; i++)
        if (c->pad_lo[i] < 0 || c->pad_hi[i] < 0) return false;
    return x->view.d[1].block == 1;
}

/* Whether the sum of any of the kernel's products, all of one sign, stays in int32: the weights are known, an element is less than 256 from its zero. */
static bool sums_fit(program *p, const kernel *k, int64_t oc)
{
    const tensor *w = slot_at(p, k->arg[2].slot)->data;
    const int64_t per = tensor_count(w) / oc;
    for (int64_t o = 0; o < oc; o++) {
        int64_t most = 0;
        for (int64_t i = 0; i < per; i++) most += llabs(elem_get_int(w->type, w->data, (size_t)(o * per + i)) - k->conv.w_zero);
        if (most * 255 > INT32_MAX) return false;
    }
    return true;
}

bool select_qconv_plain(program *p, const step *s, block *out)
{
    const kernel *k = s->kernel;
    const conv_params *c = &k->conv;
    int64_t oc, ic;
    if (!fits(p, k, &oc, &ic)) return false;
    const int64_t own = oc / c->group, ro = own < TILE_CHANNELS ? own : TILE_CHANNELS;
    const slot_info *x = slot_at(p, k->arg[1].slot);
    bindings b = {.p = p, .k = k};
    bind_type(&b, "XT", x->type);
    bind_type(&b, "WT", slot_at(p, k->arg[2].slot)->type);
    bind_number(&b, "RO", ro);
    bind_number(&b, "RX", tile_pixels(p, k));
    bind_number(&b, "PAIRS", sums_fit(p, k, oc));
    bind_number(&b, "IC", ic);
    bind_number(&b, "OC", own);
    bind_number(&b, "GROUPS", c->group);
    bind_number(&b, "ZX", c->x_zero);
    bind_number(&b, "ZW", c->w_zero);
    bind(&b, "X_N", x->view.d[0].stride);
    bind(&b, "X_C", x->view.d[1].stride);
    for (uint32_t i = 0; i < 3; i++) bind_axis(&b, i);
    /* The kernel calls its hook with (n, oc, od, oh, ow). */
    hook h = k->hook[0];
    const dim none = dim_const(p->dims, 0);
    const dim axes[] = {h.axis[0], h.axis[1], c->rank == 3 ? h.axis[2] : none, c->rank >= 2 ? h.axis[c->rank] : none, h.axis[c->rank + 1]};
    h.n_axes = 5;
    for (uint32_t i = 0; i < 5; i++) h.axis[i] = axes[i];
    kernel made = {.name = "qconv_plain", .bind = arena_copy(p->mem, b.list, b.n * sizeof *b.list), .n_bind = b.n, .lane = 4, .n_hook = 1};
    const kernel_arg args[] = {{k->arg[1].slot, ARG_IN}, {k->arg[2].slot, ARG_IN}, {h.to, ARG_OUT}};
    made.arg = arena_copy(p->mem, args, sizeof args);
    made.n_arg = 3;
    made.hook = arena_copy(p->mem, &h, sizeof h);
    made.range = dim_mulc(p->dims, extent_of(p, h.axis[0]), c->group * ((own + ro - 1) / ro));
    append_template(p, s, made, out);
    return true;
}
