/* im2col.c - experimental.Im2Col, which the onnx package's reference evaluator has: the windows of [n, channels, image...] as the columns of a matrix
 * [channels * taps, n * positions]. Source: onnx/reference/ops/experimental/op_im2col.py. Input 1 is the shape of a convolution's weights, of which the
 * sizes from the third on are the window. */
#include "ops/families.h"
#include "ops/formula.h"

enum { SPATIAL = MAX_RANK - 2 };

typedef struct {
    uint32_t rank; /* spatial dimensions */
    int64_t stride[SPATIAL], dilation[SPATIAL], pad[2 * SPATIAL];
    dim taps[SPATIAL], out[SPATIAL];
} windows;

static void int_list(const node *n, const char *name, uint32_t count, int64_t otherwise, int64_t *out)
{
    uint32_t k;
    const int64_t *v = node_ints(n, name, &k);
    for (uint32_t i = 0; i < count; i++) out[i] = v && i < k ? v[i] : otherwise;
}

static bool windows_of(model *m, const node *n, uint32_t rank, const dim *image, windows *w)
{
    dims *d = m->dims;
    uint32_t count;
    const dim *weights = known_dims(m, n, 1, &count);
    if (!weights || count != rank) return false;
    *w = (windows){.rank = rank - 2};
    int_list(n, "strides", w->rank, 1, w->stride);
    int_list(n, "dilations", w->rank, 1, w->dilation);
    int_list(n, "pads", 2 * w->rank, 0, w->pad);
    for (uint32_t i = 0; i < w->rank; i++) {
        if (w->stride[i] < 1 || w->dilation[i] < 1) return false;
        w->taps[i] = weights[i + 2];
        const dim reach = dim_mulc(d, dim_addc(d, w->taps[i], -1), w->dilation[i]);
        const dim room = dim_sub(d, dim_addc(d, image[i + 2], w->pad[i] + w->pad[i + w->rank] - 1), reach);
        w->out[i] = dim_addc(d, dim_fdiv(d, room, dim_const(d, w->stride[i])), 1);
    }
    return true;
}

bool infer_Im2Col(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *x = in_type(c, 0);
    if (x->rank < 3) return infer_error(c, "shape-rank", "the image has %d dimensions, fewer than 3", x->rank);
    if (x->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    windows w;
    if (!windows_of(c->m, c->n, (uint32_t)x->rank, x->shape, &w)) return infer_unsupported(c, "kernel-shape", "the kernel's shape is not known, or a stride or dilation is not positive");
    const dim out[2] = {dim_mul(c->d, x->shape[1], dim_product(c->d, w.taps, w.rank)), dim_mul(c->d, x->shape[0], dim_product(c->d, w.out, w.rank))};
    return out_tensor(c, 0, x->elem, 2, out);
}

static ex window_element(lower_ctx *c, const dim *idx, void *arg)
{
    const windows *w = arg;
    dims *d = c->d;
    const slot x = in_slot(c, 0);
    dim tap = idx[0], place = idx[1], at[MAX_RANK];
    ex inside = ex_bool(c->x, true);
    for (uint32_t i = w->rank; i-- > 0;) {
        const dim k = dim_mod(d, tap, w->taps[i]), p = dim_mod(d, place, w->out[i]);
        tap = dim_fdiv(d, tap, w->taps[i]);
        place = dim_fdiv(d, place, w->out[i]);
        at[i + 2] = dim_addc(d, dim_add(d, dim_mulc(d, p, w->stride[i]), dim_mulc(d, k, w->dilation[i])), -w->pad[i]);
        inside = both(c, inside, dim_inside(c, at[i + 2], slot_dim(c, x, i + 2)));
    }
    at[0] = place;
    at[1] = tap;
    const ex v = load_axes(c, x, w->rank + 2, at);
    return ex_select(c->x, inside, v, num(c, v, 0));
}

bool lower_Im2Col(lower_ctx *c)
{
    const slot x = in_slot(c, 0);
    windows w;
    if (!windows_of(c->m, c->n, slot_rank(c, x), slot_at(c->p, x)->extent, &w)) return lower_unsupported(c, "kernel-shape", "the kernel's shape is not known");
    return lower_map(c, out_slot(c, 0), window_element, &w);
}
