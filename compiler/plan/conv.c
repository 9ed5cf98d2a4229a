/* conv.c - a convolution by the direct kernels (templates/cpu/conv.c, conv_half.c, conv_dw.c; of bytes qconv.c, qconv_dw.c).
 *
 * in:  a K_CONV step whose slots have views, its input with the halo that its padding needs
 * out: a K_TEMPLATE step with packed weights */
#include <assert.h>
#include <string.h>

#include "plan/conv_plan.h"
#include "plan/pack.h"
#include "plan/tuning.h"

static const double JOINED_GAIN = 0.98;
enum { STRICT_BLOCK = 16 /* channels; a multiple of every target's block */, MOST_VECTORS = 8 /* of a tile */ };

dim conv_extent(program *p, dim axis)
{
    return dim_is_axis(p->dims, axis) ? dim_extent(p->dims, axis) : dim_const(p->dims, 1);
}

int64_t conv_known(program *p, dim d)
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
        c->out[i] = real ? conv_extent(p, c->hook.axis[k + 2]) : dim_const(d, 1);
        if (dim_is(d, c->out[i], 0)) return false; /* nothing to compute */
        c->kernel[i] = real ? params->kernel[k] : 1;
        c->stride[i] = real ? params->stride[k] : 1;
        c->dilation[i] = real && params->kernel[k] > 1 ? params->dilation[k] : 1;
        c->x_stride[i] = real ? v->d[k + 2].stride : dim_const(d, 0);
        if (!real) continue;
        if (params->pad_lo[k] > v->d[k + 2].halo_lo || params->pad_hi[k] > v->d[k + 2].halo_hi) return false;
        c->x_at = dim_sub(d, c->x_at, dim_mulc(d, v->d[k + 2].stride, params->pad_lo[k]));
        if (v->d[k + 2].first) c->x_at = dim_sub(d, c->x_at, dim_mul(d, v->d[k + 2].stride, v->d[k + 2].first));
    }
    return true;
}

dim conv_row_axis(const conv_plan *c, uint32_t *n, dim *from, dim *to)
{
    dims *d = c->p->dims;
    const hook *h = &c->hook;
    if (c->k->conv.rank < 3) return c->k->conv.rank == 1 ? dim_const(d, 0) : h->axis[2];
    const dim row = dim_axis(d, dim_mul(d, c->out[0], c->out[1]));
    for (uint32_t i = 0; i < 2; i++) {
        if (!dim_is_axis(d, h->axis[i + 2])) continue;
        from[*n] = h->axis[i + 2];
        to[(*n)++] = i ? dim_mod(d, row, c->out[1]) : dim_fdiv(d, row, c->out[1]);
    }
    return row;
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
    dim from[3], to[3];
    uint32_t n = 0;
    if (dim_is_axis(d, h->axis[1])) {
        from[n] = h->axis[1];
        to[n++] = dim_add(d, dim_mulc(d, blocks, vl), lane);
    }
    const dim row = conv_row_axis(c, &n, from, to);
    h->value = ex_map(x, h->value, n, from, to);
    for (uint32_t i = 0; i < h->n; i++) h->at[i] = ex_map(x, h->at[i], n, from, to);
    const dim axes[] = {h->axis[0], blocks, row, width, lane};
    h->n_axes = 5;
    memcpy(h->axis, axes, sizeof axes);
}

kernel *conv_append(conv_plan *c, const step *s, block *out, const char *name, const binding *bind, uint32_t n_bind, slot weights, slot third, int64_t scratch, dim range)
{
    program *p = c->p;
    kernel k = {.name = name, .lane = 4, .thread_scratch = scratch, .bind = arena_copy(p->mem, bind, n_bind * sizeof *bind), .n_bind = n_bind, .range = range, .n_hook = 1};
    k.hook = arena_copy(p->mem, &c->hook, sizeof c->hook);
    k.arg = ARENA_ARRAY(p->mem, kernel_arg, 4);
    k.arg[k.n_arg++] = (kernel_arg){c->k->arg[1].slot, ARG_IN};
    k.arg[k.n_arg++] = (kernel_arg){weights, ARG_IN};
    if (third) k.arg[k.n_arg++] = (kernel_arg){third, scratch ? ARG_SCRATCH : ARG_IN};
    k.arg[k.n_arg++] = (kernel_arg){c->hook.to, ARG_OUT};
    append_template(p, s, k, out);
    return out->steps.p[out->steps.n - 1]->kernel;
}

vector_unit conv_unit(const conv_plan *c)
{
    const target *t = c->o->target;
    return (vector_unit){t->vl, t->registers, t->l2, c->hook.int_acc && !t->dot4, t->l3_rate};
}

const char *conv_weights_name(conv_plan *c)
{
    const char *name = slot_at(c->p, c->k->arg[2].slot)->name;
    return arena_printf(c->p->mem, "%s_packed", name ? name : "w");
}

/* ---- whole vectors ---- */

typedef struct {
    ex from, to;
} ex_swap;

static ex swap_leaf(void *ctx, ex e)
{
    const ex_swap *s = ctx;
    return e == s->from ? s->to : 0;
}

typedef struct {
    const conv_plan *c;
    dim channel; /* the hook's axis */
    bool whole;  /* lanes beyond the last channel may be loaded of everything, once the constants are longer */
    VEC(ex) constant; /* loads of a constant per channel */
} lane_search;

static bool has_dim(const conv_plan *c, ex index, dim axis)
{
    const dim zero = dim_const(c->p->dims, 0);
    return ex_map(c->p->ex, index, 1, &axis, &zero) != index;
}

static void look_at_lanes(void *ctx, ex e)
{
    lane_search *s = ctx;
    program *p = s->c->p;
    const ex_node n = *ex_at(p->ex, e);
    if (n.op != EX_LOAD || table_index(p, &n)) return; /* inside a table whatever the lanes hold; what the index is made of is walked, too */
    const ex own = ex_dim(p->ex, s->channel);
    const slot_info *i = slot_at(p, n.slot);
    for (uint32_t k = 0; k < n.n; k++) {
        if (!has_dim(s->c, n.idx[k], s->channel)) continue;
        if (n.idx[k] == own && n.n == 1 && i->kind == SLOT_CONST) VEC_PUSH(p->mem, s->constant, e);
        else if (n.idx[k] != own || k != 1 || i->view.d[1].block != s->c->o->target->vl) s->whole = false;
    }
}

/* The same constant with zeros behind its end. */
static ex longer(conv_plan *c, ex load, int64_t channels)
{
    program *p = c->p;
    const ex_node n = *ex_at(p->ex, load);
    const slot_info info = *slot_at(p, n.slot);
    tensor *t = tensor_new(p->mem, info.type, 1, &channels);
    memcpy((void *)(uintptr_t)t->data, info.data->data, info.data->bytes);
    const dim extent = dim_const(p->dims, channels);
    const slot made = slot_new(p, info.name, info.type, SLOT_CONST, 1, &extent);
    t->name = info.name;
    slot_at(p, made)->data = t;
    return ex_load(p->ex, made, info.type, 1, n.idx);
}

/* Channels that the hook may be called for with whole vectors: those that there are, or with those that fill the last vector, where the output has room
 * for them and every load that depends on the channel, too. */
static int64_t whole_lanes(conv_plan *c)
{
    program *p = c->p;
    const int64_t vl = c->o->target->vl, channels = c->oc * c->k->conv.group, up = (channels + vl - 1) / vl * vl;
    const slot_info *to = slot_at(p, c->hook.to);
    lane_search s = {c, c->hook.axis[1], true, {0}};
    if (up == channels || !dim_is_axis(p->dims, s.channel) || to->view.d[1].block != vl || c->hook.at[1] != ex_dim(p->ex, s.channel)) return channels;
    if (!dim_is(p->dims, to->extent[1], channels)) return channels;
    ex_walk(p->ex, c->hook.value, look_at_lanes, &s);
    if (!s.whole) return channels;
    for (uint32_t i = 0; i < s.constant.n; i++) {
        const ex_swap swap = {s.constant.p[i], longer(c, s.constant.p[i], up)};
        c->hook.value = ex_subst(p->ex, c->hook.value, swap_leaf, (void *)(uintptr_t)&swap);
    }
    return up;
}

/* ---- bytes ---- */

/* By output channel, - x_zero * the sum of its weights: what is still to be added when padding is x_zero and it is taken from no element. */
static int32_t *zero_shares(conv_plan *c)
{
    const conv_params *params = &c->k->conv;
    const tensor *w = slot_at(c->p, c->k->arg[2].slot)->data;
    const int64_t channels = w->shape[0], per = channels ? tensor_count(w) / channels : 0;
    int32_t *share = ARENA_ARRAY(c->p->mem, int32_t, channels);
    for (int64_t o = 0; o < channels; o++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < per; i++) sum += elem_get_int(w->type, w->data, (size_t)(o * per + i)) - params->w_zero;
        share[o] = (int32_t)(uint32_t)(-sum * params->x_zero);
    }
    return share;
}

typedef struct {
    const conv_plan *c;
    ex acc, bias; /* the accumulator; a constant per channel that is added to it, nothing else being done with it: 0 for none */
    bool alone;
} bias_search;

static void look_for_bias(void *ctx, ex e)
{
    bias_search *s = ctx;
    exprs *x = s->c->p->ex;
    const ex_node n = *ex_at(x, e);
    for (int i = 0; i < 3; i++) {
        if (n.a[i] != s->acc || !s->acc) continue;
        const ex other = n.op == EX_ADD ? n.a[1 - i] : 0;
        const ex_node *load = other ? ex_at(x, other) : NULL;
        if (load && load->op == EX_LOAD && load->n == 1 && load->idx[0] == ex_dim(x, s->c->hook.axis[1]) && slot_at(s->c->p, load->slot)->kind == SLOT_CONST &&
            slot_at(s->c->p, load->slot)->type == ELEM_INT32 && !s->bias)
            s->bias = other;
        else s->alone = false;
    }
}

/* What the accumulators begin with: the shares, and the bias that the hook would add. */
static slot make_bias(conv_plan *c, int64_t behind)
{
    program *p = c->p;
    exprs *x = p->ex;
    const int32_t *share = zero_shares(c);
    const int64_t channels = slot_at(p, c->k->arg[2].slot)->data->shape[0], room = channels + behind;
    bias_search s = {c, ex_acc(x, 0, CT_I32), 0, true};
    ex_walk(x, c->hook.value, look_for_bias, &s);
    const slot given = s.bias && s.alone ? ex_at(x, s.bias)->slot : 0;
    const tensor *own = given ? slot_at(p, given)->data : NULL;
    tensor *t = tensor_new(p->mem, ELEM_INT32, 1, &room);
    for (int64_t o = 0; o < channels; o++) {
        const uint32_t add = own ? (uint32_t)elem_get_int(own->type, own->data, (size_t)o) : 0;
        elem_set_int(t->type, (void *)(uintptr_t)t->data, (size_t)o, (int32_t)((uint32_t)share[o] + add));
    }
    const dim extent = dim_const(p->dims, room);
    const slot made = slot_new(p, arena_printf(p->mem, "%s_bias", conv_weights_name(c)), ELEM_INT32, SLOT_CONST, 1, &extent);
    t->name = slot_at(p, made)->name;
    slot_at(p, made)->data = t;
    if (own) { /* acc + bias is what the kernel hands over */
        const ex_swap swap = {s.bias, ex_i(x, CT_I32, 0)};
        c->hook.value = ex_subst(x, c->hook.value, swap_leaf, (void *)(uintptr_t)&swap);
    }
    return made;
}

/* What is still to be added to each packed weight, times each element of x. */
static int64_t weight_offset(const conv_plan *c)
{
    return (slot_at(c->p, c->k->arg[2].slot)->type == ELEM_UINT8 ? 128 : 0) - c->k->conv.w_zero;
}

bool conv_pack(conv_plan *c, block *out, block *steps, slot weights)
{
    if (slot_at(c->p, c->k->arg[2].slot)->kind == SLOT_CONST) return pack_now(c->p, steps, weights);
    for (uint32_t i = 0; i < steps->steps.n; i++) VEC_PUSH(c->p->mem, out->steps, steps->steps.p[i]);
    return true;
}

/* ---- the kernels ---- */

void conv_bind(bindings *b, const char *name, dim v)
{
    assert(b->n < MOST_BINDINGS);
    b->list[b->n++] = (binding){.name = name, .kind = BIND_DIM, .d = v};
}

void conv_bind_number(bindings *b, const char *name, int64_t v)
{
    conv_bind(b, name, dim_const(b->d, v));
}

void conv_bind_window(bindings *b, const conv_plan *c, uint32_t first, bool adjoining)
{
    static const char *const terms[3][5] = {{"KD", "SD", "DD", "OD", "X_D"}, {"KH", "SH", "DH", "OH", "X_H"}, {"KW", "SW", "DW", "OW", "X_W"}};
    for (uint32_t i = first; i < 3; i++) {
        conv_bind_number(b, terms[i][0], c->kernel[i]);
        conv_bind_number(b, terms[i][1], c->stride[i]);
        conv_bind(b, terms[i][3], c->out[i]);
        conv_bind_number(b, terms[i][2], c->dilation[i]);
        if (adjoining && i == 2) continue;
        conv_bind(b, terms[i][4], c->x_stride[i]);
    }
    conv_bind(b, "X_AT", c->x_at);
    conv_bind(b, "X_N", c->x_n);
    conv_bind(b, "X_C", c->x_c);
}

void conv_bind_input(bindings *b, const conv_plan *c)
{
    const elem stored = slot_at(c->p, c->k->arg[1].slot)->type;
    assert(b->n + 2 <= MOST_BINDINGS);
    b->list[b->n++] = (binding){.name = "X_T", .kind = BIND_TYPE, .type = stored};
    b->list[b->n++] = (binding){.name = "X_LD", .kind = BIND_TEXT, .text = stored == ELEM_BFLOAT16 ? "vf_ld_bf16" : stored == ELEM_FLOAT16 ? "vf_ld_f16" : "vf_ld"};
}

static bool depthwise(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    block steps = {0};
    const int vl = c->o->target->vl;
    const slot w = c->k->arg[2].slot;
    const slot weights = c->hook.int_acc ? pack_qconv_dw(p, &steps, conv_weights_name(c), w, vl) : pack_conv_dw(p, &steps, conv_weights_name(c), w, vl);
    if (!conv_pack(c, out, &steps, weights)) return false;
    const vector_unit unit = conv_unit(c);
    const char *shape = tuning_conv_shape(p, c->o, c->k);
    const dw_tile t = tuning_dw_tile(p, c->o, shape, &unit, conv_known(p, c->out[2]));
    const int64_t channels = c->k->conv.group;
    bindings b = {.d = d};
    if (!c->hook.int_acc) conv_bind_input(&b, c);
    conv_bind_number(&b, "RX", t.rx);
    conv_bind_number(&b, "RT", t.rt);
    conv_bind_number(&b, "C", channels);
    conv_bind_number(&b, "C_LANES", c->lanes);
    conv_bind_window(&b, c, 1, c->hook.int_acc);
    if (c->hook.int_acc) conv_bind_number(&b, "WZ", weight_offset(c));
    const dim rows = dim_mul(d, conv_extent(p, c->hook.axis[0]), c->out[1]);
    if (!c->hook.int_acc) {
        conv_bind_number(&b, "PARTS", 1); /* see plan_splits */
        conv_bind(&b, "LINES", rows);
    }
    kernel *made = conv_append(c, s, out, c->hook.int_acc ? "qconv_dw" : "conv_dw", b.list, b.n, weights, c->bias, 0, rows);
    made->by = SPLIT_ROWS;
    made->shape = shape;
    return true;
}

/* Shares of the output channels for threads: where weights are more than the input and than a core's cache, each thread had better read a part of them. Else
 * they go by rows, like the steps before and behind: what a thread reads then, it has mostly written itself. */
static int64_t shares(const conv_plan *c, int64_t blocks, dim rows)
{
    const int64_t threads = c->o->threads, lines = conv_known(c->p, rows), width = conv_known(c->p, c->out[2]);
    if (threads < 2 || lines < 1 || width < 1 || c->hook.int_acc || c->k->conv.rows) return 1;
    const int64_t weights = c->oc * c->ic * c->kernel[0] * c->kernel[1] * c->kernel[2], input = lines * width * c->stride[1] * c->stride[2] * c->ic;
    if (lines >= 3 * threads && (lines < 4 * threads || weights > input) ? weights * 8 <= c->o->target->l2 : lines >= 4 * threads) return 1;
    const int64_t most = blocks < 4 * threads ? blocks : 4 * threads;
    return most - most % threads > 0 ? most - most % threads : 1;
}

/* The direct sum, or tiles of Winograd's algorithm. */
static bool tiles(conv_plan *c, const step *s, block *out)
{
    program *p = c->p;
    dims *d = p->dims;
    const bool bytes = c->hook.int_acc, narrow = c->k->conv.narrow != ELEM_NONE;
    const int vl = c->o->target->vl;
    vector_unit unit = conv_unit(c);
    if (bytes && weight_offset(c)) unit.registers = unit.registers * 2 / 3; /* sums of x besides the accumulators */
    const int64_t height = conv_known(p, c->out[1]), width = conv_known(p, c->out[2]), lines = c->kernel[1] < c->stride[1] ? c->kernel[1] : c->stride[1];
    const int64_t row = width < 0 ? 65536 : width * c->stride[2] * lines * c->ic * (bytes ? 1 : narrow ? 2 : 4);
    int side = c->k->conv.winograd;
    const char *shape = tuning_conv_shape(p, c->o, c->k);
    conv_tile t = tuning_conv_tile(p, c->o, c->k, shape, &unit, c->oc, height, width, row, &side);
    if (side && conv_winograd(c, s, out)) {
        out->steps.p[out->steps.n - 1]->kernel->shape = shape;
        return true;
    }
    /* Strict: every target adds up in the order of the longest vectors. */
    const int64_t channels = !bytes && !narrow && c->o->math == MATH_STRICT ? STRICT_BLOCK : c->block, group = c->k->conv.group, nr = (int64_t)t.nv * vl;
    const slot w = c->k->arg[2].slot;
    block steps = {0};
    const char *name = conv_weights_name(c);
    const slot weights = bytes    ? pack_qconv(p, &steps, name, w, group, channels, nr)
                         : narrow ? pack_conv_half(p, &steps, name, w, group, channels, nr, c->k->conv.narrow)
                                  : pack_conv(p, &steps, name, w, group, channels, nr);
    if (!conv_pack(c, out, &steps, weights)) return false;
    const int64_t all = (c->ic + channels - 1) / channels, terms = channels * c->kernel[0] * c->kernel[1] * c->kernel[2];
    if (!bytes && !narrow && c->k->conv.rank < 3) conv_steps(&unit, &t, all, terms, height, width, row);
    bindings b = {.d = d};
    conv_bind_number(&b, "NV", t.nv);
    conv_bind_number(&b, "NVT", t.nvt);
    conv_bind_number(&b, "RY", t.ry);
    conv_bind_number(&b, "RX", t.rx);
    conv_bind_number(&b, "RT", t.rt);
    conv_bind_number(&b, "XB", c->block);
    conv_bind_number(&b, "IC", c->ic);
    conv_bind_number(&b, "OC", c->oc);
    conv_bind_number(&b, "OC_LANES", group == 1 ? c->lanes : c->oc % vl ? 0 : c->oc); /* groups inside vectors: element by element */
    conv_bind_number(&b, "GROUPS", group);
    conv_bind_window(&b, c, 0, false);
    conv_bind_number(&b, "ROWS", t.rows);
    if (bytes) conv_bind_number(&b, "WZ", weight_offset(c));
    else conv_bind_number(&b, "AHEAD", conv_ahead(&unit, &t, narrow ? channels / 2 : channels, height, width));
    if (!bytes && !narrow) {
        conv_bind_number(&b, "CB", channels);
        conv_bind_number(&b, "STEP", t.step ? t.step : all);
        conv_bind_number(&b, "SUMS", t.step ? t.rows * width * nr : 1);
    }
    if (narrow) {
        assert(b.n + NARROW_BINDINGS <= MOST_BINDINGS);
        narrow_bindings(p, c->o, c->k->conv.narrow, b.list + b.n);
        b.n += NARROW_BINDINGS;
    }
    const dim rows = dim_mul(d, dim_mul(d, conv_extent(p, c->hook.axis[0]), c->out[0]), c->out[1]);
    const int64_t parts = shares(c, group * ((c->oc + nr - 1) / nr), rows);
    if (!bytes) {
        conv_bind_number(&b, "PARTS", parts);
        conv_bind(&b, "LINES", rows);
    }
    kernel *made = conv_append(c, s, out, bytes ? "qconv" : narrow ? "conv_half" : "conv", b.list, b.n, weights, c->bias, 0, dim_mulc(d, rows, parts));
    made->shape = shape;
    made->by = parts == 1 ? SPLIT_ROWS : SPLIT_FILTERS;
    made->unit = parts > 1 ? conv_known(p, rows) : t.ry;
    return true;
}

/* Where the pixels of an image fill register tiles better than those of its rows, and all of it is in the cache: one row. One thread only, for rows are what
 * threads share. */
static bool join_image(conv_plan *c)
{
    const vector_unit unit = conv_unit(c);
    const int64_t height = conv_known(c->p, c->out[1]), width = conv_known(c->p, c->out[2]), bytes = height * width * c->ic * 4;
    conv_plan joined = *c;
    if (c->o->threads > 1 || c->hook.int_acc || c->k->conv.rows || height < 2 || width < 1 || bytes > unit.l2_bytes * 4 / 5 || !conv_join_rows(&joined)) return false;
    const double rows = conv_tile_choose(&unit, c->oc, height, width, bytes / height).cycles, image = conv_tile_choose(&unit, c->oc, 1, height * width, bytes).cycles;
    hook_axes(&joined);
    if (image > JOINED_GAIN * rows || conv_divides(&joined)) return false;
    *c = joined;
    return true;
}

bool select_conv(program *p, const plan_options *o, const step *s, block *out)
{
    const kernel *k = s->kernel;
    if (k->hook[0].int_acc && o->target->vl < 4) return select_qconv_plain(p, s, out);
    if (!conv_input_block(p, k, o->target->vl)) return false;
    conv_plan c = {.p = p, .o = o, .k = k, .hook = k->hook[0]};
    (void)dim_is_const(p->dims, slot_at(p, k->arg[2].slot)->extent[0], &c.oc);
    (void)dim_is_const(p->dims, slot_at(p, k->arg[2].slot)->extent[1], &c.ic);
    c.oc /= k->conv.group;
    if (!read_shape(&c)) return false;
    const bool bytes = c.hook.int_acc, lanes = conv_is_depthwise(p, k);
    if (bytes) c.bias = make_bias(&c, MOST_VECTORS * o->target->vl);
    c.lanes = whole_lanes(&c);
    const bool rows = conv_by_rows(p, o, k), few = !rows && conv_to_few(p, o, k);
    if (!rows && !few && (lanes || !join_image(&c))) hook_axes(&c);
    const bool done = rows ? conv_rows(&c, s, out) : few ? conv_sums(&c, s, out) : lanes ? depthwise(&c, s, out) : tiles(&c, s, out);
    plan_layout(p);
    return done;
}
