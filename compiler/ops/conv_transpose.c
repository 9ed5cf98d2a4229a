/* conv_transpose.c - ConvTranspose and Col2Im: windows that add into the output. Source: ONNX Operators.md, ConvTranspose-22, Col2Im-18.
 *
 * Written from the output's side, so that points are independent: output position p gets tap k from input position q / stride where
 * q = p + pad - k * dilation, for the taps where stride divides q and the position exists. */
#include <string.h>

#include "ops/conv.h"
#include "ops/families.h"
#include "ops/formula.h"

enum { SPATIAL = MAX_RANK - 2 };

typedef struct {
    uint32_t rank; /* spatial dimensions */
    int64_t stride[SPATIAL], dilation[SPATIAL];
    dim taps[SPATIAL], lo[SPATIAL], in[SPATIAL], out[SPATIAL];
} spread;

static void int_list(const node *n, const char *name, uint32_t count, int64_t otherwise, int64_t *out)
{
    uint32_t k;
    const int64_t *v = node_ints(n, name, &k);
    for (uint32_t i = 0; i < count; i++) out[i] = v && i < k ? v[i] : otherwise;
}

/* Input position of tap k at output position p along dimension i; *inside gets the condition that there is one. */
static dim spread_position(lower_ctx *c, const spread *w, uint32_t i, dim p, dim k, ex *inside)
{
    dims *d = c->d;
    const dim s = dim_const(d, w->stride[i]), q = dim_sub(d, dim_add(d, p, w->lo[i]), dim_mulc(d, k, w->dilation[i]));
    const dim at = dim_fdiv(d, q, s);
    if (w->stride[i] > 1) *inside = both(c, *inside, equal(c, ex_dim(c->x, dim_mod(d, q, s)), ex_i(c->x, CT_I64, 0)));
    *inside = both(c, *inside, dim_inside(c, at, w->in[i]));
    return at;
}

/* ---- ConvTranspose ---- */

/* Size and front padding of dimension i: from pads, or the other way round from a wanted size. */
static void spread_size(dims *d, const node *n, spread *w, uint32_t i, const int64_t *pads, const int64_t *wanted)
{
    int64_t extra[SPATIAL];
    int_list(n, "output_padding", w->rank, 0, extra);
    const char *automatic = node_string(n, "auto_pad", "NOTSET");
    const dim reach = dim_addc(d, dim_mulc(d, dim_addc(d, w->taps[i], -1), w->dilation[i]), 1 + extra[i]);
    const dim full = dim_add(d, dim_mulc(d, dim_addc(d, w->in[i], -1), w->stride[i]), reach);
    const bool same = !strncmp(automatic, "SAME", 4);
    if (!wanted && !same) {
        const bool valid = !strcmp(automatic, "VALID");
        w->lo[i] = dim_const(d, valid ? 0 : pads[i]);
        w->out[i] = valid ? full : dim_addc(d, full, -pads[i] - pads[i + w->rank]);
        return;
    }
    w->out[i] = wanted ? dim_const(d, wanted[i]) : dim_mulc(d, w->in[i], w->stride[i]);
    const dim total = dim_max(d, dim_sub(d, full, w->out[i]), dim_const(d, 0)), half = dim_fdiv(d, total, dim_const(d, 2));
    w->lo[i] = strcmp(automatic, "SAME_UPPER") ? dim_sub(d, total, half) : half;
}

static bool spread_of(dims *d, const node *n, uint32_t rank, const dim *x, const dim *weights, spread *w)
{
    int64_t pads[2 * SPATIAL], taps[SPATIAL];
    uint32_t n_wanted;
    *w = (spread){.rank = rank - 2};
    int_list(n, "strides", w->rank, 1, w->stride);
    int_list(n, "dilations", w->rank, 1, w->dilation);
    int_list(n, "pads", 2 * w->rank, 0, pads);
    int_list(n, "kernel_shape", w->rank, 0, taps);
    const int64_t *wanted = node_ints(n, "output_shape", &n_wanted);
    if (wanted && n_wanted == rank) wanted += 2; /* some exporters write all dimensions */
    else if (wanted && n_wanted != w->rank) return false;
    for (uint32_t i = 0; i < w->rank; i++) {
        if (w->stride[i] < 1 || w->dilation[i] < 1 || taps[i] < 0) return false;
        w->in[i] = x[i + 2];
        w->taps[i] = taps[i] ? dim_const(d, taps[i]) : weights[i + 2];
        spread_size(d, n, w, i, pads, wanted);
    }
    return true;
}

static bool padding_is_right(infer_ctx *c)
{
    uint32_t n;
    const int64_t *more = node_ints(c->n, "output_padding", &n);
    for (uint32_t i = 0; i < n; i++)
        if (more[i] < 0) return infer_error(c, "attr-range", "attribute 'output_padding' has the number %lld", (long long)more[i]);
    const char *automatic = node_string(c->n, "auto_pad", "NOTSET");
    return !infer_is_strict(c) || !node_attr(c->n, "pads") || !strcmp(automatic, "NOTSET") || infer_error(c, "attribute-value", "attributes 'pads' and 'auto_pad' exclude each other");
}

bool infer_ConvTranspose(infer_ctx *c)
{
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const type *x = in_type(c, 0), *w = in_type(c, 1);
    const int64_t group = node_int(c->n, "group", 1);
    if (x->rank < 3 || w->rank != x->rank) return infer_error(c, "shape-rank", "inputs have %d and %d dimensions", x->rank, w->rank);
    if (x->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    if (group < 1) return infer_error(c, "attribute-value", "attribute 'group' is %lld", (long long)group);
    if (!steps_are_positive(c) || !kernel_fits(c, 1) || !padding_is_right(c)) return false;
    spread s;
    if (!spread_of(c->d, c->n, (uint32_t)x->rank, x->shape, w->shape, &s)) return infer_error(c, "attribute-value", "a stride, dilation or output shape is wrong");
    dim out[MAX_RANK] = {x->shape[0], dim_mulc(c->d, w->shape[1], group)};
    if (!dim_fits(c, 1, 0, x->shape[1]) || !shape_fits(c, 2, 1, &out[1])) return false;
    for (uint32_t i = 0; i < s.rank; i++) assume_at_least(c, out[i + 2] = s.out[i], 1);
    return out_tensor(c, 0, x->elem, x->rank, out);
}

enum { MOST_PHASES = 16 /* of the output, each of which becomes a step */ };

/* As a K_CONV that is transposed: float, constant weights, and sizes of which only the input's is not known before the run. */
static bool as_kernel(lower_ctx *c, const spread *s)
{
    const slot x = in_slot(c, 0), wt = in_slot(c, 1), bias = in_slot(c, 2);
    const slot_info *w = slot_at(c->p, wt);
    int64_t phases = 1, beyond;
    if (!c->p->in_sequence || slot_elem(c, x) != ELEM_FLOAT || w->kind != SLOT_CONST || !w->data || s->rank > 3) return false;
    conv_params k = {.rank = s->rank, .group = node_int(c->n, "group", 1), .transposed = true};
    for (uint32_t i = 0; i < s->rank; i++) {
        k.stride[i] = s->stride[i];
        k.dilation[i] = s->dilation[i];
        if (!dim_is_const(c->d, s->taps[i], &k.kernel[i]) || !dim_is_const(c->d, s->lo[i], &k.pad_lo[i]) || k.kernel[i] < 1) return false;
        if (!dim_is_const(c->d, dim_sub(c->d, s->out[i], dim_mulc(c->d, s->in[i], s->stride[i])), &beyond) || s->stride[i] > MOST_PHASES) return false;
        phases *= s->stride[i];
    }
    if (phases > MOST_PHASES) return false;
    hook *h = lower_conv_step(c, &k, x, wt, CT_F32);
    if (bias) h->value = add(c, h->value, load_channel(c, bias, h->axis[1]));
    return true;
}

bool lower_ConvTranspose(lower_ctx *c)
{
    const slot x = in_slot(c, 0), wt = in_slot(c, 1), bias = in_slot(c, 2), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const int64_t group = node_int(c->n, "group", 1);
    spread s;
    if (!spread_of(c->d, c->n, rank, slot_at(c->p, x)->extent, slot_at(c->p, wt)->extent, &s)) return lower_unsupported(c, "attribute-value", "unknown shape");
    if (as_kernel(c, &s)) return true;
    const dim out_per = slot_dim(c, wt, 1), in_per = dim_fdiv(c->d, slot_dim(c, x, 1), dim_const(c->d, group));
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], xi[MAX_RANK], wi[MAX_RANK];
    ex inside = ex_bool(c->x, true);
    axes_for(&b, rank, slot_at(c->p, y)->extent, idx);
    nest_stage(&b);
    const dim g = dim_fdiv(c->d, idx[1], out_per);
    xi[0] = idx[0];
    xi[1] = wi[0] = dim_add(c->d, dim_mul(c->d, g, in_per), stage_axis(&b, in_per));
    wi[1] = dim_sub(c->d, idx[1], dim_mul(c->d, g, out_per));
    for (uint32_t i = 0; i < s.rank; i++) {
        wi[i + 2] = stage_axis(&b, s.taps[i]);
        xi[i + 2] = spread_position(c, &s, i, idx[i + 2], wi[i + 2], &inside);
    }
    const ex v = load_axes(c, x, rank, xi);
    ex sum = stage_fold(&b, FOLD_SUM, mul(c, ex_select(c->x, inside, v, num(c, v, 0)), load_axes(c, wt, rank, wi)));
    nest_stage(&b);
    if (bias) sum = add(c, sum, load_channel(c, bias, idx[1]));
    store_axes(c, &b, y, rank, idx, sum);
    low_end(c, &b);
    return true;
}

/* ---- Col2Im: [n, channels * taps, positions] to [n, channels, image...] ---- */

static bool col2im_of(model *m, const node *n, spread *w)
{
    dims *d = m->dims;
    uint32_t n_image, n_taps;
    int64_t pads[2 * SPATIAL];
    const dim *image = known_dims(m, n, 1, &n_image), *taps = known_dims(m, n, 2, &n_taps);
    if (!image || !taps || n_image != n_taps || n_image < 1 || n_image > SPATIAL) return false;
    *w = (spread){.rank = n_image};
    int_list(n, "strides", w->rank, 1, w->stride);
    int_list(n, "dilations", w->rank, 1, w->dilation);
    int_list(n, "pads", 2 * w->rank, 0, pads);
    for (uint32_t i = 0; i < w->rank; i++) {
        if (w->stride[i] < 1 || w->dilation[i] < 1) return false;
        w->taps[i] = taps[i];
        w->out[i] = image[i];
        w->lo[i] = dim_const(d, pads[i]);
        const dim reach = dim_mulc(d, dim_addc(d, taps[i], -1), w->dilation[i]);
        const dim room = dim_sub(d, dim_addc(d, image[i], pads[i] + pads[i + w->rank] - 1), reach);
        w->in[i] = dim_addc(d, dim_fdiv(d, room, dim_const(d, w->stride[i])), 1); /* positions of the window */
    }
    return true;
}

bool infer_Col2Im(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    if (t->rank != 3) return infer_error(c, "shape-rank", "the input has %d dimensions instead of 3", t->rank);
    spread w;
    if (!col2im_of(c->m, c->n, &w)) {
        infer_unsupported(c, "shape-unknown", "the image and block shapes must be known, of one length, with positive strides and dilations");
        return diag_hint(c->m->diag, "make inputs 'image_shape' and 'block_shape' constants");
    }
    dim out[MAX_RANK] = {t->shape[0], dim_fdiv(c->d, t->shape[1], dim_product(c->d, w.taps, w.rank))};
    for (uint32_t i = 0; i < w.rank; i++) out[i + 2] = w.out[i];
    return out_tensor(c, 0, t->elem, (int32_t)w.rank + 2, out);
}

bool lower_Col2Im(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    dims *d = c->d;
    spread w;
    if (!col2im_of(c->m, c->n, &w)) return lower_unsupported(c, "shape-unknown", "the image and block shapes are not known");
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], tap = dim_const(d, 0), at = dim_const(d, 0);
    ex inside = ex_bool(c->x, true);
    axes_for(&b, w.rank + 2, slot_at(c->p, y)->extent, idx);
    part_axis(c, &b, y);
    nest_stage(&b);
    for (uint32_t i = 0; i < w.rank; i++) {
        const dim k = stage_axis(&b, w.taps[i]);
        tap = dim_add(d, dim_mul(d, tap, w.taps[i]), k);
        at = dim_add(d, dim_mul(d, at, w.in[i]), spread_position(c, &w, i, idx[i + 2], k, &inside));
    }
    const dim from[3] = {idx[0], dim_add(d, dim_mul(d, idx[1], dim_product(d, w.taps, w.rank)), tap), at};
    const ex v = load_axes(c, x, 3, from);
    const bool truth = slot_elem(c, y) == ELEM_BOOL;
    const ex sum = stage_fold(&b, truth ? FOLD_MAX : FOLD_SUM, truth ? both(c, inside, v) : ex_select(c->x, inside, v, ex_i(c->x, ex_type(c->x, v), 0)));
    nest_stage(&b);
    store_axes(c, &b, y, w.rank + 2, idx, sum);
    low_end(c, &b);
    return true;
}
