/* index.c - operators whose tensor says where to read: the Gather family, OneHot, ReverseSequence. Source: ONNX Operators.md, newest versions.
 *
 * An index from a tensor counts from the end when negative; outside the dimension the step fails (EX_INDEX). */
#include "ops/index.h"

#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

bool need_ranks(infer_ctx *c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!need_rank(c, i)) return false;
        if (in_rank(c, i) > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    }
    return true;
}

ex index_from(lower_ctx *c, slot s, const dim *at, dim n)
{
    return ex_index(c->x, ex_cast(c->x, CT_I64, load_axes(c, s, slot_rank(c, s), at)), ex_dim(c->x, n));
}

void as_ex(lower_ctx *c, uint32_t n, const dim *d, ex *out)
{
    for (uint32_t i = 0; i < n; i++) out[i] = ex_dim(c->x, d[i]);
}

/* ---- Gather ---- */

bool infer_Gather(infer_ctx *c)
{
    uint32_t axis;
    if (!need_ranks(c, 2) || !fix_axis(c, node_int(c->n, "axis", 0), in_rank(c, 0), &axis)) return false;
    const type *x = in_type(c, 0), *i = in_type(c, 1);
    if (x->rank + i->rank - 1 > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    dim out[2 * MAX_RANK];
    uint32_t r = 0;
    for (uint32_t k = 0; k < axis; k++) out[r++] = x->shape[k];
    for (int32_t k = 0; k < i->rank; k++) out[r++] = i->shape[k];
    for (int32_t k = (int32_t)axis + 1; k < x->rank; k++) out[r++] = x->shape[k];
    return out_tensor(c, 0, x->elem, (int32_t)r, out);
}

static ex gather_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), i = in_slot(c, 1);
    const uint32_t rank = slot_rank(c, x), ri = slot_rank(c, i), axis = axis_of(node_int(c->n, "axis", 0), rank);
    ex at[MAX_RANK];
    as_ex(c, axis, idx, at);
    at[axis] = index_from(c, i, idx + axis, slot_dim(c, x, axis));
    as_ex(c, rank - axis - 1, idx + axis + ri, at + axis + 1);
    return load_at(c, x, rank, at);
}

bool lower_Gather(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), gather_value, NULL);
}

void inside_data(infer_ctx *c, uint32_t axis)
{
    for (int32_t k = 0; k < in_rank(c, 0); k++)
        if ((uint32_t)k != axis) assume_at_least(c, dim_sub(c->d, in_dim(c, 0, k), in_dim(c, 1, k)), 0);
}

bool infer_GatherElements(infer_ctx *c)
{
    uint32_t axis;
    if (!need_ranks(c, 2) || !fix_axis(c, node_int(c->n, "axis", 0), in_rank(c, 0), &axis)) return false;
    if (in_rank(c, 0) != in_rank(c, 1)) return infer_error(c, "shape-rank", "data has %d dimensions and indices %d", in_rank(c, 0), in_rank(c, 1));
    const type *i = in_type(c, 1);
    inside_data(c, axis);
    return out_tensor(c, 0, in_elem(c, 0), i->rank, i->shape);
}

static ex gather_elements_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    const uint32_t rank = slot_rank(c, x), axis = axis_of(node_int(c->n, "axis", 0), rank);
    ex at[MAX_RANK];
    as_ex(c, rank, idx, at);
    at[axis] = index_from(c, in_slot(c, 1), idx, slot_dim(c, x, axis));
    return load_at(c, x, rank, at);
}

bool lower_GatherElements(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), gather_elements_value, NULL);
}

bool tuple_length(dims *d, const type *i, int64_t *n)
{
    return i->rank > 0 && dim_is_const(d, i->shape[i->rank - 1], n);
}

bool infer_GatherND(infer_ctx *c)
{
    if (!need_ranks(c, 2)) return false;
    const type *x = in_type(c, 0), *i = in_type(c, 1);
    const int64_t batch = node_int(c->n, "batch_dims", 0);
    int64_t n;
    if (!tuple_length(c->d, i, &n)) return infer_unsupported(c, "shape-unknown", "the last dimension of indices is not known");
    if (batch < 0 || batch >= i->rank || n < 1 || batch + n > x->rank)
        return infer_error(c, "shape-rank", "tuples of %lld indexes after %lld batch dimensions don't fit data of %d dimensions", (long long)n,
                           (long long)batch, x->rank);
    const int64_t rank = i->rank - 1 + x->rank - batch - n;
    if (rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    dim out[2 * MAX_RANK];
    int32_t r = 0;
    for (int32_t k = 0; k < batch; k++)
        if (!dim_fits(c, 1, k, x->shape[k])) return false;
    for (int32_t k = 0; k < i->rank - 1; k++) out[r++] = i->shape[k];
    for (int32_t k = (int32_t)(batch + n); k < x->rank; k++) out[r++] = x->shape[k];
    return out_tensor(c, 0, x->elem, r, out);
}

void tuple_indexes(lower_ctx *c, slot i, const dim *idx, slot x, uint32_t first, int64_t n, ex *at)
{
    dim to[MAX_RANK];
    const uint32_t ri = slot_rank(c, i);
    memcpy(to, idx, (ri - 1) * sizeof *to);
    for (uint32_t k = 0; k < n; k++) {
        to[ri - 1] = dim_const(c->d, k);
        at[first + k] = index_from(c, i, to, slot_dim(c, x, first + k));
    }
}

static ex gather_nd_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0), i = in_slot(c, 1);
    const uint32_t rank = slot_rank(c, x), ri = slot_rank(c, i), batch = (uint32_t)node_int(c->n, "batch_dims", 0);
    int64_t n = 1;
    (void)dim_is_const(c->d, slot_dim(c, i, ri - 1), &n);
    ex at[MAX_RANK];
    as_ex(c, batch, idx, at);
    tuple_indexes(c, i, idx, x, batch, n, at);
    const uint32_t done = batch + (uint32_t)n;
    as_ex(c, rank - done, idx + ri - 1, at + done);
    return load_at(c, x, rank, at);
}

bool lower_GatherND(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), gather_nd_value, NULL);
}

/* ---- OneHot ---- */

bool infer_OneHot(infer_ctx *c)
{
    uint32_t axis;
    dim depth;
    if (!need_ranks(c, 1)) return false;
    const type *i = in_type(c, 0);
    if (i->rank + 1 > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    if (!fix_axis(c, node_int(c->n, "axis", -1), i->rank + 1, &axis)) return false;
    const tensor *t = in_data(c, 1);
    if (t && tensor_count(t) == 1) depth = dim_const(c->d, elem_get_int(t->type, t->data, 0)); /* may be a float */
    else if (!in_scalar(c, 1, &depth)) {
        if (!strchr("iu", elem_of(in_elem(c, 1))->kind)) return infer_unsupported(c, "shape-unknown", "a depth that is no integer must be a constant");
        depth = out_unknown(c, "depth");
    }
    int64_t known;
    if (dim_is_const(c->d, depth, &known) && known < 0) return infer_error(c, "attribute-value", "the depth is %lld", (long long)known);
    dim out[MAX_RANK];
    for (uint32_t k = 0; k < (uint32_t)i->rank + 1; k++) out[k] = k < axis ? i->shape[k] : k == axis ? depth : i->shape[k - 1];
    return dim_fits(c, 2, 0, dim_const(c->d, 2)) && out_tensor(c, 0, in_elem(c, 2), i->rank + 1, out);
}

static ex one_hot_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot s = in_slot(c, 0), values = in_slot(c, 2);
    const uint32_t rank = slot_rank(c, s), axis = axis_of(node_int(c->n, "axis", -1), rank + 1);
    const dim depth = slot_dim(c, out_slot(c, 0), axis);
    dim at[MAX_RANK];
    for (uint32_t k = 0; k < rank; k++) at[k] = idx[k + (k >= axis)];
    const ex v = ex_cast(c->x, CT_I64, load_axes(c, s, rank, at)), here = ex_dim(c->x, idx[axis]);
    const ex hot = either(c, equal(c, v, here), equal(c, v, sub(c, here, ex_dim(c->x, depth))));
    const dim zero = dim_const(c->d, 0), one = dim_const(c->d, 1);
    return ex_select(c->x, hot, load_axes(c, values, 1, &one), load_axes(c, values, 1, &zero));
}

bool lower_OneHot(lower_ctx *c)
{
    const slot y = out_slot(c, 0);
    const uint32_t axis = axis_of(node_int(c->n, "axis", -1), slot_rank(c, y));
    const dim depth = slot_dim(c, y, axis);
    uint32_t n;
    if (!low_data(c, 1) && !low_content(c, 1, &n) && dim_kind_of(c->d, depth) == DIM_SYMBOL) lower_bind(c, depth, in_slot(c, 1), 0);
    return lower_map(c, y, one_hot_value, NULL);
}

/* ---- ReverseSequence ---- */

bool infer_ReverseSequence(infer_ctx *c)
{
    uint32_t batch, time;
    if (!need_ranks(c, 1) || !fix_axis(c, node_int(c->n, "batch_axis", 1), in_rank(c, 0), &batch)) return false;
    if (!fix_axis(c, node_int(c->n, "time_axis", 0), in_rank(c, 0), &time)) return false;
    if (!dim_fits(c, 1, 0, in_dim(c, 0, (int32_t)batch))) return false;
    return batch != time ? out_like(c, 0, 0) : infer_error(c, "axis-range", "batch_axis and time_axis are both %u", batch);
}

static ex reverse_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    const uint32_t batch = axis_of(node_int(c->n, "batch_axis", 1), rank), time = axis_of(node_int(c->n, "time_axis", 0), rank);
    const ex len = load_axes(c, in_slot(c, 1), 1, &idx[batch]), t = ex_dim(c->x, idx[time]);
    const ex back = ex_index(c->x, sub(c, sub(c, len, ex_i(c->x, CT_I64, 1)), t), ex_dim(c->x, slot_dim(c, x, time)));
    ex at[MAX_RANK];
    as_ex(c, rank, idx, at);
    at[time] = ex_select(c->x, less(c, t, len), back, t);
    return load_at(c, x, rank, at);
}

bool lower_ReverseSequence(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), reverse_value, NULL);
}
