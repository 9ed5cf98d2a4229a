/* spread.c - a transposed convolution of dequantized bytes becomes a convolution, whose product of integers and kernels exist.
 *
 *     ConvTranspose(DQ(x), DQ(w), bias)  ->  Slice(interleaved(Conv(DQ(x), DQ(w'), bias')))
 *
 * With stride s, output position p = P * s + r gets the taps r, r + s, r + 2s, ...: for each r, a convolution of the input with stride 1. The channels of
 * the Conv are (group, r of each dimension, channel), so that interleaving moves whole runs of channels; taps that the kernel does not have hold
 * the zero point. The front padding that is no multiple of s is cut away. Sums are those of the original, in another order. Not for dilations, and not
 * where sizes that are not known would have to be interleaved in other ways than DepthToSpace does. */
#include <string.h>

#include "quant/region.h"

enum { SPATIAL = MAX_RANK / 2 - 1 }; /* interleaving doubles them */

typedef struct {
    node_id id;
    uint32_t rank; /* spatial dimensions */
    int64_t group, channels, in_channels; /* channels of a group: output, input */
    int64_t stride[SPATIAL], kernel[SPATIAL], taps[SPATIAL]; /* taps: of the Conv */
    int64_t first[SPATIAL], cut[SPATIAL];                    /* elements that the Slice takes away */
    int64_t pads[2 * SPATIAL];                               /* of the Conv */
    int64_t phases;                                          /* product of the strides */
    quantization w;
} spread;

enum { MOST_PHASES = 1024 }; /* each has weights of its own */

static int64_t number_of(const node *n, const char *name, uint32_t i, int64_t otherwise)
{
    uint32_t count;
    const int64_t *v = node_ints(n, name, &count);
    return v && i < count ? v[i] : otherwise;
}

static bool read_dimension(const node *n, const tensor *w, spread *s, uint32_t i)
{
    const int64_t k = s->kernel[i] = w->shape[i + 2], stride = s->stride[i] = number_of(n, "strides", i, 1);
    const int64_t lo = number_of(n, "pads", i, 0), hi = number_of(n, "pads", i + s->rank, 0), reach = k + number_of(n, "output_padding", i, 0) - hi;
    if (stride < 1 || k < 1 || lo < 0 || hi < 0 || number_of(n, "dilations", i, 1) != 1) return false;
    s->taps[i] = (k + stride - 1) / stride;
    const int64_t skip = lo / stride < s->taps[i] - 1 ? lo / stride : s->taps[i] - 1; /* positions of the Conv that padding takes away */
    int64_t behind = reach > 0 ? (reach + stride - 1) / stride - 1 : 0;
    if (behind < 0) behind = 0;
    s->pads[i] = s->taps[i] - 1 - skip;
    s->pads[i + s->rank] = behind;
    s->first[i] = lo - skip * stride;
    s->cut[i] = (behind + 1) * stride - reach;
    s->phases = sat_mul(s->phases, stride);
    return true;
}

static bool read_spread(region *r, node_id id, spread *s)
{
    const node *n = node_at(r->m, id);
    quantization x;
    *s = (spread){.id = id, .phases = 1};
    const char *automatic = node_string(n, "auto_pad", "NOTSET");
    if (!node_is(n, "", "ConvTranspose") || node_attr(n, "output_shape") || (strcmp(automatic, "NOTSET") && strcmp(automatic, "VALID"))) return false;
    if (!read_dequantized_byte(r, n->in[0], &x) || !read_dequantized(r, n->in[1], &s->w)) return false;
    const tensor *w = region_constant(r, s->w.x), *bias = region_constant(r, node_in(n, 2));
    s->group = node_int(n, "group", 1);
    if (!w || w->rank < 3 || w->rank - 2 > SPATIAL || elem_of(s->w.type)->bits > 8 || s->group < 1 || w->shape[0] % s->group) return false;
    if (s->w.axis >= 0 && (s->w.axis != 1 || s->group != 1)) return false;
    if (node_in(n, 2) && !bias) {
        quantization b;
        if (!read_dequantized(r, n->in[2], &b) || !region_constant(r, b.x)) return false;
    }
    s->rank = w->rank - 2;
    s->channels = w->shape[1];
    s->in_channels = w->shape[0] / s->group;
    for (uint32_t i = 0; i < s->rank; i++)
        if (!read_dimension(n, w, s, i)) return false;
    return s->phases <= MOST_PHASES;
}

/* DepthToSpace interleaves two dimensions alike, of any size. */
static bool is_depth_to_space(const spread *s)
{
    return s->rank == 2 && s->stride[0] == s->stride[1] && s->group == 1;
}

/* Others are interleaved by a Transpose of all dimensions and phases, whose number is limited, between sizes that are known. */
static bool can_be_turned(region *r, const spread *s)
{
    const type *t = &value_at(r->m, node_at(r->m, s->id)->in[0])->type;
    for (uint32_t i = 0; i < s->rank; i++)
        if (!dim_is_const(r->m->dims, t->shape[i + 2], NULL)) return false;
    return 2 * s->rank + 2 + (s->group > 1) <= MAX_RANK;
}

/* ---- constants ---- */

static value_id int64s(region *r, value_id of, const char *role, uint32_t n, const int64_t *v)
{
    tensor *t = tensor_new(r->m->mem, ELEM_INT64, 1, (const int64_t[]){n});
    for (uint32_t i = 0; i < n; i++) elem_set_int(ELEM_INT64, (void *)(uintptr_t)t->data, i, v[i]);
    return const_tensor(r, of, role, t);
}

/* A vector with one number for each channel, repeated for each phase; others stay. */
static value_id for_phases(region *r, const spread *s, value_id v, const char *role)
{
    const tensor *t = region_constant(r, v);
    if (!t || tensor_count(t) != s->channels * s->group || t->rank != 1) return v;
    tensor *y = tensor_new(r->m->mem, t->type, 1, (const int64_t[]){s->group * s->phases * s->channels});
    size_t at = 0;
    for (int64_t g = 0; g < s->group; g++)
        for (int64_t p = 0; p < s->phases; p++)
            for (int64_t c = 0; c < s->channels; c++) elem_set_double(t->type, (void *)(uintptr_t)y->data, at++, elem_get_double(t->type, t->data, (size_t)(g * s->channels + c)));
    return const_tensor(r, v, role, y);
}

static value_id bias_of(region *r, const spread *s)
{
    const value_id bias = node_in(node_at(r->m, s->id), 2);
    quantization q;
    if (!bias || region_constant(r, bias)) return bias ? for_phases(r, s, bias, "phases") : 0;
    (void)read_dequantized(r, bias, &q);
    const value_id x = for_phases(r, s, q.x, "phases");
    if (q.axis < 0) return region_dequantize(r, s->id, "bias", x, q.scale, q.zero, -1);
    return region_dequantize(r, s->id, "bias", x, for_phases(r, s, q.scale, "phases"), for_phases(r, s, q.zero, "phases"), q.axis);
}

/* Where tap v[] of the Conv, for the phase, lies in the kernel; -1: nowhere. */
static int64_t kernel_position(const spread *s, int64_t phase, int64_t tap)
{
    int64_t at = 0, scale = 1;
    for (uint32_t i = s->rank; i-- > 0;) {
        const int64_t k = phase % s->stride[i] + s->stride[i] * (s->taps[i] - 1 - tap % s->taps[i]);
        if (k >= s->kernel[i]) return -1;
        at += k * scale;
        scale *= s->kernel[i];
        phase /= s->stride[i];
        tap /= s->taps[i];
    }
    return at;
}

/* [group * in, channels, kernel...] to [group * phases * channels, in, taps...] */
static value_id weights_of(region *r, const spread *s)
{
    const tensor *w = region_constant(r, s->w.x), *zero = region_constant(r, s->w.zero);
    int64_t shape[MAX_RANK] = {s->group * s->phases * s->channels, s->in_channels}, taps = 1, positions = 1;
    for (uint32_t i = 0; i < s->rank; i++) {
        taps *= shape[i + 2] = s->taps[i];
        positions *= s->kernel[i];
    }
    tensor *y = tensor_new(r->m->mem, w->type, s->rank + 2, shape);
    size_t to = 0;
    for (int64_t row = 0; row < shape[0]; row++) {
        const int64_t c = row % s->channels, phase = row / s->channels % s->phases, g = row / s->channels / s->phases;
        const long long none = zero ? elem_get_int(zero->type, zero->data, s->w.axis < 0 ? 0 : (size_t)c) : 0;
        for (int64_t k = 0; k < s->in_channels; k++)
            for (int64_t tap = 0; tap < taps; tap++) {
                const int64_t at = kernel_position(s, phase, tap), from = ((g * s->in_channels + k) * s->channels + c) * positions + at;
                elem_set_int(w->type, (void *)(uintptr_t)y->data, to++, at < 0 ? none : elem_get_int(w->type, w->data, (size_t)from));
            }
    }
    return const_tensor(r, s->w.x, "phases", y);
}

/* ---- nodes ---- */

static value_id convolution(region *r, const spread *s)
{
    const bool own = s->w.axis >= 0;
    const value_id scale = own ? for_phases(r, s, s->w.scale, "phases") : s->w.scale, zero = own ? for_phases(r, s, s->w.zero, "phases") : s->w.zero;
    const value_id w = region_dequantize(r, s->id, "weights", weights_of(r, s), scale, zero, own ? 0 : -1), bias = bias_of(r, s);
    const attr a[3] = {attr_ints(r->m, "kernel_shape", s->rank, s->taps), attr_ints(r->m, "pads", 2 * s->rank, s->pads), attr_int(r->m, "group", s->group)};
    return region_make(r, s->id, "", "Conv", "phases", 3, a, bias ? 3 : 2, (const value_id[]){node_at(r->m, s->id)->in[0], w, bias});
}

/* [n, group, phase..., channel, size...] to [n, group, channel, size and phase, ...], joined. */
static value_id reshaped(region *r, const spread *s, value_id v)
{
    const type *t = &value_at(r->m, v)->type;
    const uint32_t lead = s->group > 1 ? 2 : 1, channel = lead + s->rank, n = channel + 1 + s->rank;
    int64_t apart[2 * SPATIAL + 3] = {0, s->group}, perm[2 * SPATIAL + 3] = {0, 1}, together[SPATIAL + 2] = {0, s->group * s->channels};
    apart[channel] = s->channels;
    perm[lead] = channel;
    for (uint32_t i = 0; i < s->rank; i++) {
        int64_t size = 0;
        (void)dim_is_const(r->m->dims, t->shape[i + 2], &size);
        apart[lead + i] = s->stride[i];
        apart[channel + 1 + i] = size;
        perm[lead + 1 + 2 * i] = channel + 1 + i;
        perm[lead + 2 + 2 * i] = lead + i;
        together[i + 2] = size * s->stride[i];
    }
    const attr order = attr_ints(r->m, "perm", n, perm);
    const value_id parts = region_make(r, s->id, "", "Reshape", "parts", 0, NULL, IN(v, int64s(r, v, "apart", n, apart)));
    const value_id turned = region_make(r, s->id, "", "Transpose", "turned", 1, &order, 1, &parts);
    return region_make(r, s->id, "", "Reshape", "whole", 0, NULL, IN(turned, int64s(r, v, "together", s->rank + 2, together)));
}

static value_id interleaved(region *r, const spread *s, value_id v)
{
    const attr size = attr_int(r->m, "blocksize", s->stride[0]);
    if (s->phases == 1) return v;
    return is_depth_to_space(s) ? region_make(r, s->id, "", "DepthToSpace", "whole", 1, &size, 1, &v) : reshaped(r, s, v);
}

static void slice(region *r, const spread *s, value_id v, value_id out)
{
    int64_t axes[SPATIAL], ends[SPATIAL];
    for (uint32_t i = 0; i < s->rank; i++) {
        axes[i] = i + 2;
        ends[i] = s->cut[i] ? -s->cut[i] : INT64_MAX;
    }
    region_add(r, s->id, "", "Slice", 0, NULL,
               IN(v, int64s(r, v, "first", s->rank, s->first), int64s(r, v, "ends", s->rank, ends), int64s(r, v, "axes", s->rank, axes)), out);
}

static void convolve(region *r, const spread *s)
{
    const value_id y = node_at(r->m, s->id)->out[0];
    quantization q;
    const node_id reader = only_reader(r, y);
    const bool bytes = reader && read_quantize_byte(r, reader, &q);
    const value_id out = bytes ? node_at(r->m, reader)->out[0] : y;
    drop_node(r, s->id);
    value_id v = convolution(r, s);
    if (bytes) {
        const node old = *node_at(r->m, reader);
        value_id in[3] = {v, node_in(&old, 1), node_in(&old, 2)};
        drop_node(r, reader);
        v = new_like(r, out, "phases");
        region_copy(r, reader, old.n_in, in, v);
    }
    slice(r, s, interleaved(r, s, v), out);
}

void make_convolutions(region *r)
{
    const graph *g = graph_at(r->m, r->g);
    const uint32_t count = g->nodes.n;
    for (uint32_t i = 0; i < count; i++) {
        spread s;
        const node_id id = g->nodes.p[i];
        if (!node_at(r->m, id)->dead && read_spread(r, id, &s) && (s.phases == 1 || is_depth_to_space(&s) || can_be_turned(r, &s))) convolve(r, &s);
    }
    region_settle(r);
}
