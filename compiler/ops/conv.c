/* conv.c - Conv: float with one to three spatial dimensions goes to the convolution kernels (chosen in plan/), every other type is a
 * reduction in a nest. Source: ONNX Operators.md, Conv-22. */
#include "ops/conv.h"

#include <string.h>

#include "ops/families.h"

/* ---- windows: shared by convolutions and pools ---- */

static int64_t list_at(const int64_t *list, uint32_t n, uint32_t i, int64_t otherwise)
{
    return list && i < n ? list[i] : otherwise;
}

bool window_read(dims *d, const node *n, uint32_t rank, const dim *input, const int64_t *taps, window *w)
{
    uint32_t n_stride, n_dilation, n_pad;
    const int64_t *stride = node_ints(n, "strides", &n_stride), *dilation = node_ints(n, "dilations", &n_dilation), *pad = node_ints(n, "pads", &n_pad);
    const char *automatic = node_string(n, "auto_pad", "NOTSET");
    const bool same_upper = !strcmp(automatic, "SAME_UPPER"), same_lower = !strcmp(automatic, "SAME_LOWER");
    const bool ceil_mode = node_int(n, "ceil_mode", 0) != 0;
    for (uint32_t i = 0; i < rank; i++) {
        const int64_t s = list_at(stride, n_stride, i, 1), l = list_at(dilation, n_dilation, i, 1);
        w->kernel[i] = taps[i];
        w->stride[i] = s;
        w->dilation[i] = l;
        if (s < 1 || l < 1 || taps[i] < 1 || l > INT32_MAX || taps[i] > INT32_MAX) return false;
        const int64_t reach = (taps[i] - 1) * l + 1;
        const dim zero = dim_const(d, 0);
        if (same_upper || same_lower) {
            w->out[i] = dim_cdiv(d, input[i], dim_const(d, s));
            const dim covered = dim_addc(d, dim_mulc(d, dim_addc(d, w->out[i], -1), s), reach), total = dim_max(d, zero, dim_sub(d, covered, input[i]));
            const dim small = dim_fdiv(d, total, dim_const(d, 2)), large = dim_sub(d, total, small);
            w->pad_lo[i] = same_upper ? small : large;
            w->pad_hi[i] = same_upper ? large : small;
            continue;
        }
        const bool valid = !strcmp(automatic, "VALID");
        const int64_t lo = valid ? 0 : list_at(pad, n_pad, i, 0), hi = valid ? 0 : list_at(pad, n_pad, i + rank, 0);
        w->pad_lo[i] = dim_const(d, lo);
        w->pad_hi[i] = dim_const(d, hi);
        const dim room = dim_addc(d, input[i], lo + hi - reach);
        if (!ceil_mode || valid) {
            w->out[i] = dim_max(d, zero, dim_addc(d, dim_fdiv(d, room, dim_const(d, s)), 1));
            continue;
        }
        /* Rounding up, a window must still begin inside the input or its left padding. */
        const dim up = dim_addc(d, dim_cdiv(d, room, dim_const(d, s)), 1), last = dim_mulc(d, dim_addc(d, up, -1), s);
        w->out[i] = dim_max(d, zero, dim_select(d, last, dim_addc(d, input[i], lo), up, dim_addc(d, up, -1)));
    }
    return true;
}

/* ---- Conv ---- */

bool window_of_conv(dims *d, const node *n, uint32_t rank, const dim *x_shape, const dim *w_shape, window *w)
{
    int64_t taps[MAX_RANK];
    uint32_t count;
    const int64_t *given = node_ints(n, "kernel_shape", &count);
    for (uint32_t i = 0; i + 2 < rank; i++) {
        if (given && i < count) taps[i] = given[i];
        else if (!dim_is_const(d, w_shape[i + 2], &taps[i])) return false;
    }
    return window_read(d, n, rank - 2, x_shape + 2, taps, w);
}

/* One number for each spatial dimension, at least 1, in the lists that are there. */
bool steps_are_positive(infer_ctx *c)
{
    static const char *const lists[] = {"kernel_shape", "strides", "dilations"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        uint32_t n;
        const int64_t *list = node_ints(c->n, lists[i], &n);
        if (!node_attr(c->n, lists[i])) continue;
        if ((int32_t)n != in_rank(c, 0) - 2) return infer_error(c, "attr-length", "attribute '%s' has %u numbers, expected %d", lists[i], n, in_rank(c, 0) - 2);
        for (uint32_t k = 0; k < n; k++)
            if (list[k] < 1) return infer_error(c, "attr-range", "attribute '%s' has the number %lld, which is not positive", lists[i], (long long)list[k]);
    }
    return true;
}

bool kernel_fits(infer_ctx *c, uint32_t weights)
{
    uint32_t n;
    const int64_t *taps = node_ints(c->n, "kernel_shape", &n);
    for (uint32_t i = 0; taps && i < n && (int32_t)i + 2 < in_rank(c, weights) && !infer_only_checks(c); i++) {
        const dim size = in_dim(c, weights, (int32_t)i + 2);
        text have = {.mem = c->m->mem};
        if (assume_equal(c, size, dim_const(c->d, taps[i]))) continue;
        dim_text(c->d, size, &have);
        return infer_error(c, "kernel-shape", "attribute 'kernel_shape' is %lld in spatial dimension %u, the weights have %s there", (long long)taps[i], i, have.p);
    }
    return true;
}

bool infer_Conv(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const type *x = in_type(c, 0), *wt = in_type(c, 1);
    if (x->rank < 3) return infer_error(c, "shape-rank", "input 0 has %d dimensions, expected at least 3 (batch, channel, spatial...)", x->rank);
    if (wt->rank != x->rank) return infer_error(c, "shape-rank", "input 1 has %d dimensions, input 0 has %d", wt->rank, x->rank);
    if (x->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    const int64_t group = node_int(c->n, "group", 1);
    if (group < 1 && !infer_only_checks(c)) return infer_error(c, "attribute-value", "attribute 'group' is %lld", (long long)group);
    int64_t in_c, w_c, want;
    if (dim_is_const(c->d, x->shape[1], &in_c) && dim_is_const(c->d, wt->shape[1], &w_c) && (!mul_i64(w_c, group, &want) || in_c != want))
        return infer_error(c, "shape-channels", "input 0 has %lld channels, the weights expect %lld x %lld groups", (long long)in_c, (long long)w_c, (long long)group);
    (void)assume_equal(c, x->shape[1], dim_mulc(c->d, wt->shape[1], group));
    if (!steps_are_positive(c) || !kernel_fits(c, 1)) return false;
    window w;
    if (!window_of_conv(c->d, c->n, (uint32_t)x->rank, x->shape, wt->shape, &w))
        return infer_unsupported(c, "kernel-shape", "the kernel's shape is not known");
    dim out[MAX_RANK] = {x->shape[0], wt->shape[0]};
    for (int32_t i = 2; i < x->rank; i++) assume_at_least(c, out[i] = w.out[i - 2], 1);
    if (!shape_fits(c, 2, 1, &wt->shape[0])) return false;
    return out_tensor(c, 0, in_elem(c, 0), x->rank, out);
}

/* y[n, g*OG+o, p...] = sum over c, k... of x[n, g*CG+c, p*s + k*d - pad...] * w[g*OG+o, c, k...], outside the input 0. Used for every type by the
 * nest, and by plan/ when no kernel fits. */
static ex conv_term(lower_ctx *c, const window *w, const dim *out_idx, dim channel, const dim *tap, dim group_size, dim in_per_group)
{
    const slot x = in_slot(c, 0), wt = in_slot(c, 1);
    const uint32_t rank = slot_rank(c, x);
    dim xi[MAX_RANK], wi[MAX_RANK];
    xi[0] = out_idx[0];
    xi[1] = dim_add(c->d, dim_mul(c->d, dim_fdiv(c->d, out_idx[1], group_size), in_per_group), channel);
    wi[0] = out_idx[1];
    wi[1] = channel;
    ex inside = ex_bool(c->x, true);
    for (uint32_t i = 2; i < rank; i++) {
        const uint32_t k = i - 2;
        xi[i] = dim_sub(c->d, dim_add(c->d, dim_mulc(c->d, out_idx[i], w->stride[k]), dim_mulc(c->d, tap[k], w->dilation[k])), w->pad_lo[k]);
        wi[i] = tap[k];
        inside = ex_bin(c->x, EX_AND, inside, ex_in_range(c->x, ex_dim(c->x, xi[i]), slot_dim(c, x, i)));
    }
    const ex xv = load_axes(c, x, rank, xi);
    return ex_bin(c->x, EX_MUL, ex_select(c->x, inside, xv, ex_i(c->x, ex_type(c->x, xv), 0)), load_axes(c, wt, rank, wi));
}

static ex with_bias(lower_ctx *c, ex v, dim channel)
{
    const slot bias = in_slot(c, 2);
    return bias ? ex_bin(c->x, EX_ADD, v, load_channel(c, bias, channel)) : v;
}

static bool conv_nest(lower_ctx *c, const window *w)
{
    const slot x = in_slot(c, 0), wt = in_slot(c, 1), out = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const int64_t group = node_int(c->n, "group", 1);
    const dim per_group = slot_dim(c, wt, 1), group_size = dim_fdiv(c->d, slot_dim(c, wt, 0), dim_const(c->d, group));
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], tap[MAX_RANK];
    axes_for(&b, rank, slot_at(c->p, out)->extent, idx);
    nest_stage(&b);
    const dim channel = stage_axis(&b, per_group);
    for (uint32_t i = 0; i + 2 < rank; i++) tap[i] = stage_axis(&b, dim_const(c->d, w->kernel[i]));
    const ex acc = stage_fold(&b, FOLD_SUM, conv_term(c, w, idx, channel, tap, group_size, per_group));
    nest_stage(&b);
    store_axes(c, &b, out, rank, idx, with_bias(c, acc, idx[1]));
    low_end(c, &b);
    return true;
}

enum { MOST_STEPS = 1 << 24 }; /* of pads and dilations: kernels want memory for the cells around the image, counted in 32 bits with the lanes of a block */

bool window_params(lower_ctx *c, const window *w, uint32_t rank, conv_params *p)
{
    p->rank = rank;
    p->group = node_int(c->n, "group", 1);
    for (uint32_t i = 0; i < rank; i++) {
        if (!dim_is_const(c->d, w->pad_lo[i], &p->pad_lo[i]) || !dim_is_const(c->d, w->pad_hi[i], &p->pad_hi[i])) return false;
        p->kernel[i] = w->kernel[i];
        p->stride[i] = w->stride[i];
        p->dilation[i] = w->dilation[i];
        if (p->pad_lo[i] > MOST_STEPS || p->pad_hi[i] > MOST_STEPS || p->dilation[i] > MOST_STEPS) return false;
    }
    return true;
}

hook *lower_conv_step(lower_ctx *c, const conv_params *params, slot x, slot w, ctype acc)
{
    const slot out = out_slot(c, 0);
    kernel *k = ARENA_NEW(c->p->mem, kernel);
    k->kind = K_CONV;
    k->conv = *params;
    k->n_arg = 3;
    k->arg = ARENA_ARRAY(c->p->mem, kernel_arg, 3);
    k->arg[0] = (kernel_arg){out, ARG_OUT};
    k->arg[1] = (kernel_arg){x, ARG_IN};
    k->arg[2] = (kernel_arg){w, ARG_IN};
    k->n_hook = 1;
    hook *h = k->hook = ARENA_NEW(c->p->mem, hook);
    h->name = "OUT";
    h->n_axes = h->n = (uint8_t)slot_rank(c, out);
    for (uint32_t i = 0; i < h->n_axes; i++) {
        h->axis[i] = dim_axis(c->d, slot_dim(c, out, i));
        h->at[i] = ex_dim(c->x, h->axis[i]);
    }
    h->to = out;
    h->int_acc = acc == CT_I32;
    h->value = ex_acc(c->x, 0, acc);
    step *s = ARENA_NEW(c->p->mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = c->what, .kernel = k};
    VEC_PUSH(c->p->mem, c->to->steps, s);
    return h;
}

/* Weights that a kernel can have: constant; or, for one processor, floats of a known shape, which each run packs. */
static bool weights_fit(lower_ctx *c, slot w)
{
    const slot_info *i = slot_at(c->p, w);
    if (i->kind == SLOT_CONST || !c->p->in_sequence) return i->kind == SLOT_CONST;
    int64_t n;
    for (uint32_t k = 0; k < i->rank; k++)
        if (!dim_is_const(c->d, i->extent[k], &n)) return false;
    return i->type == ELEM_FLOAT;
}

bool lower_Conv(lower_ctx *c)
{
    const slot x = in_slot(c, 0), wt = in_slot(c, 1);
    const uint32_t rank = slot_rank(c, x);
    window w;
    conv_params params = {0};
    if (!window_of_conv(c->d, c->n, rank, slot_at(c->p, x)->extent, slot_at(c->p, wt)->extent, &w)) return lower_unsupported(c, "kernel-shape", "unknown kernel shape");
    const elem e = slot_elem(c, x);
    const bool plain = (e == ELEM_FLOAT || e == ELEM_FLOAT16 || e == ELEM_BFLOAT16) && rank <= 5 && weights_fit(c, wt);
    if (!plain || !window_params(c, &w, rank - 2, &params)) return conv_nest(c, &w);
    hook *h = lower_conv_step(c, &params, x, wt, CT_F32);
    h->value = with_bias(c, h->value, h->axis[1]);
    return true;
}
