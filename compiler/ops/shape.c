/* shape.c - operators that make shapes, or the same elements at other places. Values of shape tensors come from folding (fold.c), so each
 * operator here is its shape rule and one index map. Source: ONNX Operators.md, newest versions. */
#include <math.h>
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/ops.h"

/* ---- Constant ---- */

static const tensor *scalar_tensor(infer_ctx *c, elem e, double f, int64_t i)
{
    tensor *t = tensor_new(c->m->mem, e, 0, NULL);
    if (e == ELEM_FLOAT) elem_set_double(e, (void *)(uintptr_t)t->data, 0, f);
    else elem_set_int(e, (void *)(uintptr_t)t->data, 0, i);
    return t;
}

static const tensor *list_tensor(infer_ctx *c, elem e, const attr *a)
{
    const int64_t n = a->n;
    tensor *t = tensor_new(c->m->mem, e, 1, &n);
    for (uint32_t i = 0; i < a->n; i++) {
        if (e == ELEM_FLOAT) elem_set_double(e, (void *)(uintptr_t)t->data, i, (double)a->u.floats[i]);
        else elem_set_int(e, (void *)(uintptr_t)t->data, i, a->u.ints[i]);
    }
    return t;
}

bool infer_Constant(infer_ctx *c)
{
    const tensor *t = NULL;
    for (uint32_t i = 0; i < c->n->n_attr && !t; i++) {
        const attr *a = &c->n->attr[i];
        if (a->kind == ATTR_TENSOR) t = a->u.t;
        else if (a->kind == ATTR_FLOAT) t = scalar_tensor(c, ELEM_FLOAT, (double)a->u.f, 0);
        else if (a->kind == ATTR_INT) t = scalar_tensor(c, ELEM_INT64, 0, a->u.i);
        else if (a->kind == ATTR_FLOATS) t = list_tensor(c, ELEM_FLOAT, a);
        else if (a->kind == ATTR_INTS) t = list_tensor(c, ELEM_INT64, a);
    }
    if (!c->n->n_attr) return infer_error(c, "attr-missing", "a Constant needs one of the attributes value, value_int, value_floats and so on");
    if (!t) return infer_unsupported(c, "type-unsupported", "constants that are sparse tensors are not supported yet");
    dim *shape = shape_new(c->m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = dim_const(c->d, t->shape[i]);
    if (!out_tensor(c, 0, t->type, (int32_t)t->rank, shape)) return false;
    value_at(c->m, c->n->out[0])->data = t;
    return true;
}

/* Its value is constant data by now; nothing is left to compute. */
bool lower_Constant(lower_ctx *c)
{
    (void)c;
    return true;
}

/* ---- Shape, Size ---- */

static void shape_span(const node *n, int32_t rank, int32_t *start, int32_t *end)
{
    int64_t s = node_int(n, "start", 0), e = node_int(n, "end", rank);
    if (s < 0) s += rank;
    if (e < 0) e += rank;
    *start = (int32_t)(s < 0 ? 0 : s > rank ? rank : s);
    *end = (int32_t)(e < 0 ? 0 : e > rank ? rank : e);
    if (*end < *start) *end = *start;
}

bool infer_Shape(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    int32_t start, end;
    shape_span(c->n, t->rank, &start, &end);
    const dim n = dim_const(c->d, end - start);
    if (!out_tensor(c, 0, ELEM_INT64, 1, &n)) return false;
    out_content(c, 0, t->shape + start, (uint32_t)(end - start));
    return true;
}

/* Elements of an int64 vector (or scalar) given as dims. */
static bool store_dims(lower_ctx *c, const dim *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        nest_builder b = low_begin(c);
        nest_stage(&b);
        const dim at = dim_const(c->d, i);
        store_axes(c, &b, out_slot(c, 0), slot_rank(c, out_slot(c, 0)), &at, ex_dim(c->x, v[i]));
        low_end(c, &b);
    }
    return true;
}

bool lower_Shape(lower_ctx *c)
{
    const type *t = &value_at(c->m, c->n->in[0])->type;
    int32_t start, end;
    shape_span(c->n, t->rank, &start, &end);
    return store_dims(c, t->shape + start, (uint32_t)(end - start));
}

bool infer_Size(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    const dim n = dim_product(c->d, t->shape, (uint32_t)t->rank);
    if (!out_tensor(c, 0, ELEM_INT64, 0, NULL)) return false;
    out_content(c, 0, &n, 1);
    return true;
}

bool lower_Size(lower_ctx *c)
{
    const type *t = &value_at(c->m, c->n->in[0])->type;
    const dim n = dim_product(c->d, t->shape, (uint32_t)t->rank);
    return store_dims(c, &n, 1);
}

/* ---- Reshape and its relatives: the same elements in row-major order ---- */

/* The dim that makes a shape with one -1 hold `total` elements. */
static dim rest_of(infer_ctx *c, dim total, dim others)
{
    dim q = dim_div_exact(c->d, total, others);
    return q ? q : dim_fdiv(c->d, total, others);
}

bool infer_Reshape(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    uint32_t n;
    const dim *want = in_content(c, 1, &n);
    if (!want) {
        const type *s = in_type(c, 1);
        int64_t rank;
        if (s->rank != 1 || !dim_is_const(c->d, s->shape[0], &rank) || rank > 64)
            return infer_unsupported(c, "rank-unknown", "the number of dimensions to reshape to is not known");
        const value *v = value_at(c->m, c->n->out[0]);
        if (v->type.kind == TYPE_TENSOR && v->type.rank == rank) return out_tensor(c, 0, t->elem, v->type.rank, v->type.shape);
        infer_unsupported(c, "shape-data", "the shape to reshape to is computed from data");
        return diag_hint(c->m->diag, "inputs of fixed sizes, --shape or --dim when compiling, may make it a constant");
    }
    const bool allowzero = node_int(c->n, "allowzero", 0) != 0;
    dim *out = shape_new(c->m, n), others = dim_const(c->d, 1);
    int32_t open = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (dim_is(c->d, want[i], -1)) {
            if (open >= 0) return infer_error(c, "reshape", "the shape to reshape to has -1 twice");
            open = (int32_t)i;
            continue;
        }
        out[i] = want[i];
        int64_t size;
        if (dim_is_const(c->d, want[i], &size) && size < -1) return infer_error(c, "reshape", "dimension %u of the shape to reshape to is %lld", i, (long long)size);
        if (dim_is(c->d, want[i], 0) && !allowzero) {
            if ((int32_t)i >= t->rank) return infer_error(c, "reshape", "dimension %u is 0 (copy), but the input has only %d dimensions", i, t->rank);
            out[i] = t->shape[i];
        }
        others = dim_mul(c->d, others, out[i]);
    }
    const dim total = dim_product(c->d, t->shape, (uint32_t)t->rank);
    if (open >= 0 && dim_is(c->d, others, 0) && infer_is_strict(c)) return infer_error(c, "reshape", "what -1 stands for can't be told: the other dimensions are 0 elements");
    if (open >= 0) out[open] = dim_is(c->d, others, 0) ? dim_const(c->d, 0) : rest_of(c, total, others);
    const dim got = open >= 0 ? dim_mul(c->d, others, out[open]) : others;
    int64_t a, b;
    if (dim_is_const(c->d, total, &a) && dim_is_const(c->d, got, &b) && a != b)
        return infer_error(c, "reshape", "the input has %lld elements, the shape asks for %lld", (long long)a, (long long)b);
    (void)assume_equal(c, total, got);
    return out_tensor(c, 0, t->elem, (int32_t)n, out);
}

bool infer_Flatten(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    const int64_t axis = node_int(c->n, "axis", 1);
    if (axis < -t->rank || axis > t->rank) return infer_error(c, "axis-range", "axis %lld is outside [%d, %d]", (long long)axis, -t->rank, t->rank);
    const uint32_t k = (uint32_t)(axis < 0 ? axis + t->rank : axis);
    const dim out[2] = {dim_product(c->d, t->shape, k), dim_product(c->d, t->shape + k, (uint32_t)t->rank - k)};
    return out_tensor(c, 0, t->elem, 2, out);
}

/* Marks the axes of an axes input (known at compile time); `rank` is what they count in. */
static bool axes_mask(infer_ctx *c, uint32_t input, int32_t rank, bool *mask)
{
    uint32_t n;
    const dim *axes = in_content(c, input, &n);
    if (!axes) return infer_unsupported(c, "axes-data", "the axes are computed from data");
    for (uint32_t i = 0; i < n; i++) {
        int64_t v;
        uint32_t axis;
        if (!dim_is_const(c->d, axes[i], &v)) return infer_unsupported(c, "axes-data", "axis %u depends on a dimension", i);
        if (!fix_axis(c, v, rank, &axis)) return false;
        mask[axis] = true;
    }
    return true;
}

bool infer_Squeeze(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    bool drop[64] = {false};
    if (t->rank > 64) return infer_unsupported(c, "rank-limit", "more than 64 dimensions");
    if (node_in(c->n, 1)) {
        if (!axes_mask(c, 1, t->rank, drop)) return false;
    } else
        for (int32_t i = 0; i < t->rank; i++) {
            const size_is one = assume_is(c, t->shape[i], 1);
            drop[i] = one == SIZE_IS;
            if (one != SIZE_IS_OPEN) continue;
            text name = {.mem = c->m->mem};
            dim_text(c->d, t->shape[i], &name);
            infer_unsupported(c, "squeeze-axes", "without axes: the number of dimensions of the result depends on whether '%s' is 1", name.p);
            return diag_hint(c->m->diag, "fix it, for example with --dim %s=1", name.p);
        }
    dim out[64];
    int32_t n = 0;
    for (int32_t i = 0; i < t->rank; i++) {
        if (!drop[i]) out[n++] = t->shape[i];
        else if (!assume_equal(c, t->shape[i], dim_const(c->d, 1))) {
            text size = {.mem = c->m->mem};
            dim_text(c->d, t->shape[i], &size);
            return infer_error(c, "squeeze", "dimension %d is %s, not 1", i, size.p);
        }
    }
    return out_tensor(c, 0, t->elem, n, out);
}

bool infer_Unsqueeze(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    uint32_t n;
    if (!in_content(c, 1, &n)) return infer_unsupported(c, "axes-data", "the axes are computed from data");
    const int32_t rank = t->rank + (int32_t)n;
    bool fresh[64] = {false};
    dim out[64];
    if (rank > 64) return infer_unsupported(c, "rank-limit", "more than 64 dimensions");
    if (!axes_mask(c, 1, rank, fresh)) return false;
    int32_t k = 0, made = 0;
    for (int32_t i = 0; i < rank; i++) {
        made += fresh[i];
        out[i] = fresh[i] ? dim_const(c->d, 1) : k < t->rank ? t->shape[k++] : dim_const(c->d, 1);
    }
    if (made != (int32_t)n) return infer_error(c, "unsqueeze", "the axes repeat");
    return out_tensor(c, 0, t->elem, rank, out);
}

static bool same_dims(lower_ctx *c, slot a, slot b)
{
    if (slot_rank(c, a) != slot_rank(c, b)) return false;
    for (uint32_t i = 0; i < slot_rank(c, a); i++)
        if (slot_dim(c, a, i) != slot_dim(c, b, i)) return false;
    return true;
}

bool lower_reshape(lower_ctx *c)
{
    const slot in = in_slot(c, 0), out = out_slot(c, 0);
    const uint32_t r = slot_rank(c, in), n = slot_rank(c, out);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], at[MAX_RANK];
    axes_for(&b, n, slot_at(c->p, out)->extent, idx);
    part_axis(c, &b, out);
    nest_stage(&b);
    if (same_dims(c, in, out)) memcpy(at, idx, sizeof at);
    else {
        dim flat = dim_const(c->d, 0);
        for (uint32_t i = 0; i < n; i++) flat = dim_add(c->d, dim_mul(c->d, flat, slot_dim(c, out, i)), idx[i]);
        for (uint32_t i = r; i-- > 0;) {
            const dim e = slot_dim(c, in, i);
            at[i] = i ? dim_mod(c->d, flat, e) : flat;
            flat = i ? dim_fdiv(c->d, flat, e) : flat;
        }
    }
    store_axes(c, &b, out, n, idx, load_axes(c, in, r, at));
    low_end(c, &b);
    return true;
}

/* ---- Transpose ---- */

static bool permutation(const node *n, int32_t rank, uint32_t *perm)
{
    uint32_t count;
    const int64_t *p = node_ints(n, "perm", &count);
    uint64_t seen = 0;
    for (int32_t i = 0; i < rank; i++) {
        const int64_t v = p ? (i < (int32_t)count ? p[i] : -1) : rank - 1 - i;
        if (v < 0 || v >= rank || (seen >> v & 1)) return false;
        seen |= (uint64_t)1 << v;
        perm[i] = (uint32_t)v;
    }
    return !p || (int32_t)count == rank;
}

bool infer_Transpose(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    uint32_t perm[64];
    dim out[64];
    if (t->rank > 64) return infer_unsupported(c, "rank-limit", "more than 64 dimensions");
    if (!permutation(c->n, t->rank, perm)) return infer_error(c, "permutation", "attribute 'perm' is no permutation of %d axes", t->rank);
    for (int32_t i = 0; i < t->rank; i++) out[i] = t->shape[perm[i]];
    return out_tensor(c, 0, t->elem, t->rank, out);
}

static ex transpose_value(lower_ctx *c, const dim *idx, void *arg)
{
    const uint32_t *perm = arg, r = slot_rank(c, in_slot(c, 0));
    dim at[MAX_RANK];
    for (uint32_t i = 0; i < r; i++) at[perm[i]] = idx[i];
    return load_axes(c, in_slot(c, 0), r, at);
}

bool lower_Transpose(lower_ctx *c)
{
    uint32_t perm[MAX_RANK];
    (void)permutation(c->n, (int32_t)slot_rank(c, in_slot(c, 0)), perm);
    return lower_map(c, out_slot(c, 0), transpose_value, perm);
}

/* ---- Concat, Split ---- */

bool infer_Concat(infer_ctx *c)
{
    for (uint32_t i = 0; i < c->n->n_in; i++)
        if (!need_rank(c, i)) return false;
    const type *t = in_type(c, 0);
    uint32_t axis;
    if (!fix_axis(c, node_int(c->n, "axis", 0), t->rank, &axis)) return false;
    dim *out = arena_copy(c->m->mem, t->shape, (size_t)t->rank * sizeof *out);
    for (uint32_t i = 1; i < c->n->n_in; i++) {
        const type *u = in_type(c, i);
        if (u->rank != t->rank) return infer_error(c, "shape-rank", "input %u has %d dimensions, input 0 has %d", i, u->rank, t->rank);
        for (int32_t k = 0; k < t->rank; k++) {
            int64_t a, b;
            if (k == (int32_t)axis) out[k] = dim_add(c->d, out[k], u->shape[k]);
            else if (assume_equal(c, u->shape[k], out[k])) out[k] = dim_is_const(c->d, u->shape[k], NULL) ? u->shape[k] : out[k];
            else if (dim_is_const(c->d, u->shape[k], &b) && dim_is_const(c->d, out[k], &a)) return infer_error(c, "shape-mismatch", "dimension %d of input %u is %lld, of the others %lld", k, i, (long long)b, (long long)a);
        }
    }
    return out_tensor(c, 0, t->elem, t->rank, out);
}

/* One nest per input, storing at its offset: the input's producer can then write in place. */
bool lower_Concat(lower_ctx *c)
{
    const slot out = out_slot(c, 0);
    const uint32_t r = slot_rank(c, out);
    const int64_t a = node_int(c->n, "axis", 0);
    const uint32_t axis = (uint32_t)(a < 0 ? a + r : a);
    dim offset = dim_const(c->d, 0);
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        const slot in = in_slot(c, i);
        nest_builder b = low_begin(c);
        dim idx[MAX_RANK], at[MAX_RANK];
        axes_for(&b, r, slot_at(c->p, in)->extent, idx);
        part_axis(c, &b, out);
        nest_stage(&b);
        memcpy(at, idx, sizeof at);
        at[axis] = dim_add(c->d, at[axis], offset);
        store_axes(c, &b, out, r, at, load_axes(c, in, r, idx));
        low_end(c, &b);
        offset = dim_add(c->d, offset, slot_dim(c, in, axis));
    }
    return true;
}

bool infer_Split(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    uint32_t axis, n = 0;
    if (!fix_axis(c, node_int(c->n, "axis", 0), t->rank, &axis)) return false;
    const dim *sizes = in_content(c, 1, &n);
    const int64_t said = node_int(c->n, "num_outputs", c->n->n_out);
    if (infer_is_strict(c) && !node_in(c->n, 1) == !node_attr(c->n, "num_outputs"))
        return infer_error(c, "split", "%s", node_in(c->n, 1) ? "has input 'split' and attribute 'num_outputs', of which one is wanted" : "has neither input 'split' nor attribute 'num_outputs'");
    if (infer_is_strict(c) && said != c->n->n_out) return infer_error(c, "split", "num_outputs is %lld, but there are %u outputs", (long long)said, c->n->n_out);
    if (node_in(c->n, 1) && !sizes) return infer_unsupported(c, "split-data", "the sizes to split into are computed from data");
    if (sizes && n != c->n->n_out) return infer_error(c, "split", "%u sizes for %u outputs", n, c->n->n_out);
    const uint32_t parts = sizes ? n : c->n->n_out;
    const dim part = dim_cdiv(c->d, t->shape[axis], dim_const(c->d, parts));
    dim *out = arena_copy(c->m->mem, t->shape, (size_t)t->rank * sizeof *out), done = dim_const(c->d, 0);
    for (uint32_t i = 0; i < parts; i++) {
        out[axis] = sizes ? sizes[i] : i + 1 < parts ? part : dim_sub(c->d, t->shape[axis], done);
        done = dim_add(c->d, done, out[axis]);
        if (!out_tensor(c, i, t->elem, t->rank, out)) return false;
    }
    int64_t a, b;
    if (dim_is_const(c->d, done, &a) && dim_is_const(c->d, t->shape[axis], &b) && a != b)
        return infer_error(c, "split", "the sizes add up to %lld, the axis has %lld", (long long)a, (long long)b);
    (void)assume_equal(c, done, t->shape[axis]);
    if (!sizes) assume_at_least(c, out[axis], 0);
    return true;
}

typedef struct {
    uint32_t axis;
    dim offset;
} part;

static ex part_value(lower_ctx *c, const dim *idx, void *arg)
{
    const part *p = arg;
    const uint32_t r = slot_rank(c, in_slot(c, 0));
    dim at[MAX_RANK];
    memcpy(at, idx, r * sizeof *at);
    at[p->axis] = dim_add(c->d, at[p->axis], p->offset);
    return load_axes(c, in_slot(c, 0), r, at);
}

bool lower_Split(lower_ctx *c)
{
    const uint32_t r = slot_rank(c, in_slot(c, 0));
    const int64_t a = node_int(c->n, "axis", 0);
    part p = {(uint32_t)(a < 0 ? a + r : a), dim_const(c->d, 0)};
    for (uint32_t i = 0; i < c->n->n_out; i++) {
        if (!c->n->out[i]) return lower_unsupported(c, "split", "output %u is left out", i);
        if (!lower_map(c, out_slot(c, i), part_value, &p)) return false;
        p.offset = dim_add(c->d, p.offset, slot_dim(c, out_slot(c, i), p.axis));
    }
    return true;
}

/* ---- Slice: start and step per axis; steps are constants ---- */

typedef struct {
    dim start[MAX_RANK];
    int64_t step[MAX_RANK];
    dim length[MAX_RANK];
} slice_bounds;

enum { FAR = 1 << 30 }; /* exporters write INT64_MAX, INT32_MAX or the like for "to the end" */

/* v counted from the end when negative, then clamped to [lo, hi]. */
static dim clamp_index(dims *d, dim v, dim extent, dim lo, dim hi)
{
    const dim zero = dim_const(d, 0);
    int64_t c;
    if (dim_is_const(d, v, &c) && c >= FAR) return hi;
    if (dim_is_const(d, v, &c) && c <= -(int64_t)FAR) return lo;
    v = dim_select(d, v, zero, dim_add(d, v, extent), v);
    return dim_max(d, lo, dim_min(d, v, hi));
}

/* False when an element is not known; the shared part of infer and lower. */
static bool slice_span(model *m, dims *d, const node *n, const type *t, const dim *(*content)(void *ctx, uint32_t i, uint32_t *n), void *ctx, slice_bounds *s)
{
    uint32_t n_start, n_end, n_axes, n_steps;
    const dim *start = content(ctx, 1, &n_start), *end = content(ctx, 2, &n_end), *axes = content(ctx, 3, &n_axes), *steps = content(ctx, 4, &n_steps);
    (void)m;
    if (!start || !end || (node_in(n, 3) && !axes) || (node_in(n, 4) && !steps) || n_start != n_end || (axes && n_axes != n_start) || (steps && n_steps != n_start)) return false;
    for (int32_t i = 0; i < t->rank; i++) {
        s->start[i] = dim_const(d, 0);
        s->step[i] = 1;
        s->length[i] = t->shape[i];
    }
    for (uint32_t i = 0; i < n_start; i++) {
        int64_t axis = i, stride = 1;
        if (axes && !dim_is_const(d, axes[i], &axis)) return false;
        if (steps && !dim_is_const(d, steps[i], &stride)) return false;
        if (axis < 0) axis += t->rank;
        if (axis < 0 || axis >= t->rank || !stride) return false;
        stride = stride > FAR ? FAR : stride < -(int64_t)FAR ? -(int64_t)FAR : stride; /* one element either way */
        const dim e = t->shape[axis], zero = dim_const(d, 0), last = dim_addc(d, e, -1), minus = dim_const(d, -1);
        dim a, b, len;
        if (stride > 0) {
            a = clamp_index(d, start[i], e, zero, e);
            b = clamp_index(d, end[i], e, zero, e);
            len = dim_cdiv(d, dim_max(d, zero, dim_sub(d, b, a)), dim_const(d, stride));
        } else {
            a = clamp_index(d, start[i], e, zero, last);
            b = clamp_index(d, end[i], e, minus, last);
            len = dim_cdiv(d, dim_max(d, zero, dim_sub(d, a, b)), dim_const(d, -stride));
        }
        s->start[axis] = a;
        s->step[axis] = stride;
        s->length[axis] = len;
    }
    return true;
}

static const dim *infer_content(void *ctx, uint32_t i, uint32_t *n)
{
    return in_content(ctx, i, n);
}

static const dim *lower_content(void *ctx, uint32_t i, uint32_t *n)
{
    return low_content(ctx, i, n);
}

bool infer_Slice(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    slice_bounds s;
    uint32_t n_starts, n;
    if (t->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
    const dim *starts = in_content(c, 1, &n_starts);
    for (uint32_t i = 2; i < 5 && starts; i++)
        if (node_in(c->n, i) && in_content(c, i, &n) && n != n_starts)
            return infer_error(c, "shape-mismatch", "there are %u starts, but input %u '%s' has %u numbers", n_starts, i, value_at(c->m, c->n->in[i])->name, n);
    if (!slice_span(c->m, c->d, c->n, t, infer_content, c, &s))
        return infer_unsupported(c, "slice-data", "starts, ends, axes or steps are computed from data");
    return out_tensor(c, 0, t->elem, t->rank, s.length);
}

static ex slice_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slice_bounds *s = arg;
    const uint32_t r = slot_rank(c, in_slot(c, 0));
    dim at[MAX_RANK];
    for (uint32_t i = 0; i < r; i++) at[i] = dim_add(c->d, s->start[i], dim_mulc(c->d, idx[i], s->step[i]));
    return load_axes(c, in_slot(c, 0), r, at);
}

bool lower_Slice(lower_ctx *c)
{
    const slot in = in_slot(c, 0);
    const type t = type_tensor(slot_elem(c, in), (int32_t)slot_rank(c, in), slot_at(c->p, in)->extent);
    slice_bounds s;
    if (!slice_span(c->m, c->d, c->n, &t, lower_content, c, &s)) return lower_unsupported(c, "slice-data", "bounds are computed from data");
    return lower_map(c, out_slot(c, 0), slice_value, &s);
}

/* ---- Expand, Range, ConstantOfShape ---- */

/* Dimension i of `count`, aligned right, of a type; NULL or no dimension there: 1. */
static dim aligned_dim(dims *d, const type *t, uint32_t i, uint32_t count)
{
    const int64_t k = t ? (int64_t)i + t->rank - (int64_t)count : -1;
    return k < 0 ? dim_const(d, 1) : t->shape[k];
}

/* A shape in input i that data decides, of known length: a new symbol for each size, but those that `own` has are taken as they are. NULL when the length is
 * not known. */
static const dim *sizes_of_run(infer_ctx *c, uint32_t i, const type *own, uint32_t *n)
{
    int64_t rank;
    if (in_rank(c, i) != 1 || !dim_is_const(c->d, in_dim(c, i, 0), &rank) || rank > MAX_RANK) return NULL;
    *n = (uint32_t)rank;
    dim *shape = shape_new(c->m, *n);
    for (uint32_t k = 0; k < *n; k++) {
        const dim there = aligned_dim(c->d, own, k, *n);
        const bool stretches = dim_is(c->d, there, 1) || (c->m->written_back && !dim_is_const(c->d, there, NULL)); /* a symbol may be 1, which no run of ours will check */
        shape[k] = stretches ? out_unknown(c, arena_printf(c->m->mem, "size%u", k)) : there;
    }
    return shape;
}

/* Reads the sizes that sizes_of_run made symbols for; `own`: the slot of its `own`, 0: none. */
static void bind_sizes(lower_ctx *c, uint32_t i, slot own)
{
    const slot y = out_slot(c, 0), from = in_slot(c, i);
    uint32_t known;
    int64_t n;
    if (low_content(c, i, &known) || !dim_is_const(c->d, slot_dim(c, from, 0), &n)) return;
    const uint32_t rank = slot_rank(c, y), count = (uint32_t)n, own_rank = own ? slot_rank(c, own) : 0;
    for (uint32_t k = 0; k < count; k++) {
        const uint32_t to = rank - count + k;
        const bool there = to + own_rank >= rank && !dim_is(c->d, slot_dim(c, own, to + own_rank - rank), 1);
        if (there || !is_decided(c->m, slot_dim(c, y, to))) continue;
        const slot size = temp_slot(c, "size", ELEM_INT64, 0, NULL);
        const dim at = dim_const(c->d, k);
        nest_builder b = low_begin(c);
        nest_stage(&b);
        store_axes(c, &b, size, 0, NULL, load_axes(c, from, 1, &at));
        low_end(c, &b);
        lower_bind(c, slot_dim(c, y, to), size, 0);
    }
}

bool infer_Expand(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    const type *t = in_type(c, 0);
    uint32_t n;
    dim out[64];
    int32_t rank;
    const dim *want = in_content(c, 1, &n);
    if (!want && !(want = sizes_of_run(c, 1, t, &n))) return infer_unsupported(c, "shape-data", "the shape to expand to is computed from data, and its length is not known");
    if (t->rank > 64 || n > 64) return infer_unsupported(c, "rank-limit", "more than 64 dimensions");
    return broadcast(c, t->shape, t->rank, want, (int32_t)n, out, &rank) && out_tensor(c, 0, t->elem, rank, out);
}

static ex expand_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    return load_bcast(c, in_slot(c, 0), slot_rank(c, out_slot(c, 0)), idx);
}

bool lower_Expand(lower_ctx *c)
{
    bind_sizes(c, 1, in_slot(c, 0));
    return lower_map(c, out_slot(c, 0), expand_value, NULL);
}

bool infer_Range(infer_ctx *c)
{
    dim start, limit, delta;
    int64_t by;
    const elem e = in_elem(c, 0);
    if (in_scalar(c, 0, &start) && in_scalar(c, 1, &limit) && in_scalar(c, 2, &delta) && dim_is_const(c->d, delta, &by) && by && by != INT64_MIN) {
        const dim reach = by > 0 ? dim_sub(c->d, limit, start) : dim_sub(c->d, start, limit), zero = dim_const(c->d, 0);
        const dim n = dim_max(c->d, zero, dim_cdiv(c->d, reach, dim_const(c->d, by > 0 ? by : -by)));
        return out_tensor(c, 0, e, 1, &n);
    }
    double lo, hi, inc;
    if (tensor_number(in_data(c, 0), &lo) && tensor_number(in_data(c, 1), &hi) && tensor_number(in_data(c, 2), &inc)) {
        const double count = inc != 0 ? ceil((hi - lo) / inc) : 0;
        const int64_t n = count >= 9223372036854775808.0 ? INT64_MAX : count > 0 ? (int64_t)count : 0;
        const dim len = dim_const(c->d, n);
        return out_tensor(c, 0, e, 1, &len);
    }
    const dim n = out_unknown(c, "len");
    return out_tensor(c, 0, e, 1, &n);
}

/* ceil((limit - start) / delta) in float64, at least 0; a step of 0 gives 0 or what no capacity allows. */
static slot range_length(lower_ctx *c)
{
    const slot to = temp_slot(c, "length", ELEM_INT64, 0, NULL);
    nest_builder b = low_begin(c);
    nest_stage(&b);
    ex v[3];
    for (uint32_t i = 0; i < 3; i++) v[i] = ex_cast(c->x, CT_F64, load_scalar(c, in_slot(c, i)));
    const ex n = ex_un(c->x, EX_CEIL, ex_bin(c->x, EX_DIV, ex_bin(c->x, EX_SUB, v[1], v[0]), v[2]));
    const ex none = ex_f(c->x, CT_F64, 0), most = ex_f(c->x, CT_F64, 9007199254740992.0);
    const ex whole = ex_select(c->x, ex_bin(c->x, EX_LT, none, n), ex_select(c->x, ex_bin(c->x, EX_LT, n, most), n, most), none);
    store_axes(c, &b, to, 0, NULL, ex_cast(c->x, CT_I64, whole));
    low_end(c, &b);
    return to;
}

bool lower_Range(lower_ctx *c)
{
    const slot out = out_slot(c, 0);
    if (is_decided(c->m, slot_at(c->p, out)->extent[0])) lower_bind(c, slot_at(c->p, out)->extent[0], range_length(c), 0);
    nest_builder b = low_begin(c);
    dim i;
    axes_for(&b, 1, slot_at(c->p, out)->extent, &i);
    nest_stage(&b);
    const ex start = load_scalar(c, in_slot(c, 0)), delta = load_scalar(c, in_slot(c, 2));
    const ctype t = ex_type(c->x, start);
    store_axes(c, &b, out, 1, &i, ex_bin(c->x, EX_ADD, start, ex_bin(c->x, EX_MUL, ex_cast(c->x, t, ex_dim(c->x, i)), delta)));
    low_end(c, &b);
    return true;
}

bool infer_ConstantOfShape(infer_ctx *c)
{
    uint32_t n;
    const dim *shape = in_content(c, 0, &n);
    if (!shape && !(shape = sizes_of_run(c, 0, NULL, &n))) return infer_unsupported(c, "shape-data", "the shape is computed from data, and its length is not known");
    for (uint32_t i = 0; i < n; i++) {
        int64_t v;
        if (dim_is_const(c->d, shape[i], &v) && v < 0) return infer_error(c, "dim-negative", "dimension %u is %lld", i, (long long)v);
    }
    const attr *a = node_attr(c->n, "value");
    const bool given = a && a->kind == ATTR_TENSOR;
    if (given && tensor_count(a->u.t) != 1) return infer_error(c, "attribute-value", "attribute 'value' must have one element");
    return out_tensor(c, 0, given ? a->u.t->type : ELEM_FLOAT, (int32_t)n, shape);
}

static ex fill_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)idx;
    (void)arg;
    const attr *a = node_attr(c->n, "value");
    const ctype t = ctype_of(slot_elem(c, out_slot(c, 0)));
    if (!a || a->kind != ATTR_TENSOR) return ex_f(c->x, CT_F32, 0);
    const tensor *v = a->u.t;
    if (ctype_is_float(t)) return ex_f(c->x, t, elem_get_double(v->type, v->data, 0));
    return t == CT_BOOL ? ex_bool(c->x, elem_get_int(v->type, v->data, 0) != 0) : ex_i(c->x, t, elem_get_int(v->type, v->data, 0));
}

bool lower_ConstantOfShape(lower_ctx *c)
{
    bind_sizes(c, 0, 0);
    return lower_map(c, out_slot(c, 0), fill_value, NULL);
}
