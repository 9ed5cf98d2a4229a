/* nonzero.c - operators whose output size depends on data: NonZero, Compress, Unique. Source: ONNX Operators.md, versions 13, 28, 28.
 *
 * A nest counts, the count becomes a size that the run decides (BIND), and further nests store to the places that running counts give. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/strings.h"

static bool rank_fits(infer_ctx *c, uint32_t i)
{
    if (!need_rank(c, i)) return false;
    return in_rank(c, i) <= MAX_RANK - 1 || infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK - 1);
}

/* A size between 0 and `most` that the run decides. */
static dim decided(infer_ctx *c, const char *stem, dim most)
{
    const dim n = out_unknown(c, stem);
    dim_narrow(c->d, n, 0, dim_range(c->d, most).hi);
    return n;
}

static void bind_count(lower_ctx *c, dim size, ex one_if, nest_builder *b, dim most)
{
    const slot count = temp_slot(c, "count", ELEM_INT64, 0, NULL);
    const ex sum = stage_fold(b, FOLD_SUM, one_if);
    nest_stage(b);
    store_axes(c, b, count, 0, NULL, sum);
    low_end(c, b);
    if (dim_kind_of(c->d, size) == DIM_SYMBOL) lower_bind(c, size, count, most);
}

/* 1 where v is not zero, as I64. */
static ex counted(lower_ctx *c, ex v)
{
    const ex one = ex_i(c->x, CT_I64, 1), zero = ex_i(c->x, CT_I64, 0);
    return ex_select(c->x, ex_type(c->x, v) == CT_BOOL ? v : ex_bin(c->x, EX_NE, v, whole(c, v, 0)), one, zero);
}

/* The same of element `idx` of x: a string with bytes in it, a complex number with a part that is not zero. */
static ex counted_at(lower_ctx *c, slot x, const dim *idx)
{
    const uint32_t rank = slot_rank(c, x);
    if (slot_elem(c, x) == ELEM_STRING) return counted(c, ex_un(c->x, EX_NOT, ex_bin(c->x, EX_EQ, load_axes(c, x, rank, idx), empty_string(c))));
    if (!slot_at(c->p, x)->pairs) return counted(c, load_axes(c, x, rank, idx));
    ex part[2];
    for (int32_t k = 0; k < 2; k++) {
        c->part = dim_const(c->d, k);
        const ex v = load_axes(c, x, rank, idx);
        part[k] = ex_bin(c->x, EX_NE, v, whole(c, v, 0));
    }
    return counted(c, either(c, part[0], part[1]));
}

/* A stage whose accumulator is how many came before: the fold, which was added first, runs last. */
static void fold_last(nest_builder *b)
{
    stage *s = b->stage;
    const sink first = s->sink[0];
    memmove(s->sink, s->sink + 1, (s->n_sinks - 1) * sizeof *s->sink);
    s->sink[s->n_sinks - 1] = first;
}

/* ---- NonZero ---- */

bool infer_NonZero(infer_ctx *c)
{
    if (!rank_fits(c, 0)) return false;
    const type *t = in_type(c, 0);
    const dim out[2] = {dim_const(c->d, t->rank), decided(c, "nonzero", dim_product(c->d, t->shape, (uint32_t)t->rank))};
    return out_tensor(c, 0, ELEM_INT64, 2, out);
}

bool lower_NonZero(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    dim idx[MAX_RANK];
    nest_builder b = low_begin(c);
    nest_stage(&b);
    stage_axes_for(&b, rank, slot_at(c->p, x)->extent, idx);
    bind_count(c, slot_dim(c, y, 1), counted_at(c, x, idx), &b, dim_product(c->d, slot_at(c->p, x)->extent, rank));
    b = low_begin(c);
    nest_stage(&b);
    stage_axes_for(&b, rank, slot_at(c->p, x)->extent, idx);
    const ex one = counted_at(c, x, idx), before = stage_fold(&b, FOLD_SUM, one);
    for (uint32_t k = 0; k < rank; k++) {
        const ex at[2] = {ex_i(c->x, CT_I64, k), before};
        stage_store(&b, y, 2, at, ex_dim(c->x, idx[k]))->guard = ex_bin(c->x, EX_NE, one, ex_i(c->x, CT_I64, 0));
    }
    fold_last(&b);
    low_end(c, &b);
    return true;
}

/* ---- Compress ---- */

bool infer_Compress(infer_ctx *c)
{
    if (!rank_fits(c, 0) || !rank_fits(c, 1)) return false;
    const type *t = in_type(c, 0), *cond = in_type(c, 1);
    if (cond->rank != 1) return infer_error(c, "shape-rank", "the condition has %d dimensions instead of 1", cond->rank);
    const dim n = decided(c, "compress", cond->shape[0]);
    uint32_t axis = 0;
    const bool flat = !node_attr(c->n, "axis");
    if (!flat && !fix_axis(c, node_int(c->n, "axis", 0), t->rank, &axis)) return false;
    assume_at_least(c, dim_sub(c->d, flat ? dim_product(c->d, t->shape, (uint32_t)t->rank) : t->shape[axis], cond->shape[0]), 0);
    if (flat) return out_tensor(c, 0, t->elem, 1, &n);
    dim out[MAX_RANK];
    for (uint32_t k = 0; k < (uint32_t)t->rank; k++) out[k] = k == axis ? n : t->shape[k];
    return out_tensor(c, 0, t->elem, t->rank, out);
}

/* places[k] = position of the k-th true element of the condition. */
static slot true_places(lower_ctx *c, dim size)
{
    const slot cond = in_slot(c, 1);
    const dim n = slot_dim(c, cond, 0);
    const slot places = temp_slot(c, "places", ELEM_INT64, 1, &n);
    nest_builder b = low_begin(c);
    nest_stage(&b);
    dim i = stage_axis(&b, n);
    bind_count(c, size, counted(c, load_axes(c, cond, 1, &i)), &b, n);
    b = low_begin(c);
    nest_stage(&b);
    i = stage_axis(&b, n);
    const ex one = counted(c, load_axes(c, cond, 1, &i)), before = stage_fold(&b, FOLD_SUM, one);
    stage_store(&b, places, 1, &before, ex_dim(c->x, i))->guard = ex_bin(c->x, EX_NE, one, ex_i(c->x, CT_I64, 0));
    fold_last(&b);
    low_end(c, &b);
    return places;
}

static ex compress_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *places = arg, x = in_slot(c, 0);
    const uint32_t rank = slot_rank(c, x);
    ex at[MAX_RANK];
    if (node_attr(c->n, "axis")) {
        const uint32_t axis = axis_of(node_int(c->n, "axis", 0), rank);
        for (uint32_t k = 0; k < rank; k++) at[k] = ex_dim(c->x, idx[k]);
        at[axis] = ex_index(c->x, load_axes(c, *places, 1, &idx[axis]), ex_dim(c->x, slot_dim(c, x, axis)));
        return load_at(c, x, rank, at);
    }
    const dim all = dim_product(c->d, slot_at(c->p, x)->extent, rank);
    ex rest = ex_index(c->x, load_axes(c, *places, 1, idx), ex_dim(c->x, all)); /* position among all elements */
    for (uint32_t k = rank; k-- > 0;) {
        const ex n = ex_dim(c->x, slot_dim(c, x, k));
        at[k] = k ? ex_bin(c->x, EX_FMOD, rest, n) : rest;
        rest = ex_bin(c->x, EX_FDIV, rest, n);
    }
    return load_at(c, x, rank, at);
}

bool lower_Compress(lower_ctx *c)
{
    const slot y = out_slot(c, 0);
    const uint32_t axis = node_attr(c->n, "axis") ? axis_of(node_int(c->n, "axis", 0), slot_rank(c, y)) : 0;
    slot places = true_places(c, slot_dim(c, y, axis));
    return lower_map(c, y, compress_value, &places);
}

/* ---- Unique: of all elements, or of the slices along an axis ---- */

/* x seen as [before, n, after]: the items that are compared are x[:, i, :]. */
typedef struct {
    lower_ctx *c;
    slot x;
    uint32_t rank, axis;
    bool flat; /* items are elements */
    dim n;
} items;

bool infer_Unique(infer_ctx *c)
{
    if (!rank_fits(c, 0)) return false;
    const type *t = in_type(c, 0);
    const bool flat = !node_attr(c->n, "axis");
    uint32_t axis = 0;
    if (!flat && !fix_axis(c, node_int(c->n, "axis", 0), t->rank, &axis)) return false;
    const dim n = flat ? dim_product(c->d, t->shape, (uint32_t)t->rank) : t->shape[axis], k = decided(c, "unique", n);
    dim out[MAX_RANK] = {k};
    for (uint32_t i = 0; !flat && i < (uint32_t)t->rank; i++) out[i] = i == axis ? k : t->shape[i];
    return out_tensor(c, 0, t->elem, flat ? 1 : t->rank, out) && out_tensor(c, 1, ELEM_INT64, 1, &k) && out_tensor(c, 2, ELEM_INT64, 1, &n)
        && out_tensor(c, 3, ELEM_INT64, 1, &k);
}

static items items_of(lower_ctx *c)
{
    items t = {.c = c, .x = in_slot(c, 0), .flat = !node_attr(c->n, "axis")};
    t.rank = slot_rank(c, t.x);
    if (!t.flat) t.axis = axis_of(node_int(c->n, "axis", 0), t.rank);
    t.n = t.flat ? dim_product(c->d, slot_at(c->p, t.x)->extent, t.rank) : slot_dim(c, t.x, t.axis);
    return t;
}

/* Element `part` (the indexes of the other dimensions) of item i. */
static ex item_element(const items *t, dim i, const dim *part)
{
    dim at[MAX_RANK], rest = i;
    for (uint32_t k = t->rank; k-- > 0;) {
        if (t->flat) {
            at[k] = k ? dim_mod(t->c->d, rest, slot_dim(t->c, t->x, k)) : rest;
            rest = dim_fdiv(t->c->d, rest, slot_dim(t->c, t->x, k));
        } else at[k] = k == t->axis ? i : part[k];
    }
    return load_axes(t->c, t->x, t->rank, at);
}

/* v < w, where NaN is more than any number and equal to itself, as in numpy: an order of all values. */
static ex before(lower_ctx *c, ex v, ex w)
{
    const ctype t = ex_type(c->x, v);
    if (t != CT_F32 && t != CT_F64) return less(c, v, w);
    return ex_select(c->x, ex_un(c->x, EX_ISNAN, w), ex_un(c->x, EX_NOT, ex_un(c->x, EX_ISNAN, v)), less(c, v, w));
}

/* order[i, j] = -1, 0, 1: how item i compares with item j, by its first different element. */
static slot item_order(const items *t)
{
    lower_ctx *c = t->c;
    const dim shape[2] = {t->n, t->n};
    const slot order = temp_slot(c, "order", ELEM_INT32, 2, shape);
    nest_builder b = low_begin(c);
    dim at[2], part[MAX_RANK], place = dim_const(c->d, 0);
    axes_for(&b, 2, shape, at);
    nest_stage(&b);
    dim size = dim_const(c->d, 1);
    for (uint32_t k = 0; !t->flat && k < t->rank; k++) {
        if (k == t->axis) continue;
        part[k] = stage_axis(&b, slot_dim(c, t->x, k));
        place = dim_add(c->d, dim_mul(c->d, place, slot_dim(c, t->x, k)), part[k]);
        size = dim_mul(c->d, size, slot_dim(c, t->x, k));
    }
    if (slot_at(c->p, t->x)->pairs) { /* by real part, then imaginary part */
        c->part = stage_axis(&b, dim_const(c->d, 2));
        place = dim_add(c->d, dim_mulc(c->d, place, 2), c->part);
        size = dim_mulc(c->d, size, 2);
    }
    const ex v = item_element(t, at[0], part), w = item_element(t, at[1], part);
    /* 2 * place + 1 of the first element that is less, 2 * place of the first that is more; the least of these decides */
    const ex more = ex_dim(c->x, dim_mulc(c->d, place, 2)), less_here = ex_dim(c->x, dim_addc(c->d, dim_mulc(c->d, place, 2), 1));
    const ex none = ex_dim(c->x, dim_mulc(c->d, size, 2));
    const ex wide_v = ex_type(c->x, v) == CT_BOOL ? ex_cast(c->x, CT_I32, v) : v, wide_w = ex_type(c->x, w) == CT_BOOL ? ex_cast(c->x, CT_I32, w) : w;
    const ex first = stage_fold(&b, FOLD_MIN, ex_select(c->x, before(c, wide_v, wide_w), less_here, ex_select(c->x, before(c, wide_w, wide_v), more, none)));
    nest_stage(&b);
    const ex odd = ex_bin(c->x, EX_FMOD, first, ex_i(c->x, CT_I64, 2)), minus = ex_i(c->x, CT_I32, -1), plus = ex_i(c->x, CT_I32, 1);
    const ex sign = ex_select(c->x, equal(c, odd, ex_i(c->x, CT_I64, 0)), plus, minus);
    store_axes(c, &b, order, 2, at, ex_select(c->x, equal(c, first, none), ex_i(c->x, CT_I32, 0), sign));
    low_end(c, &b);
    return order;
}

static ex compared(lower_ctx *c, slot order, dim i, dim j, int64_t with)
{
    const dim at[2] = {i, j};
    return equal(c, load_axes(c, order, 2, at), ex_i(c->x, CT_I32, with));
}

static ex one_if(lower_ctx *c, ex cond)
{
    return ex_select(c->x, cond, ex_i(c->x, CT_I64, 1), ex_i(c->x, CT_I64, 0));
}

/* first[i]: no item before i equals it. */
static slot first_of_kind(const items *t, slot order)
{
    lower_ctx *c = t->c;
    const slot to = temp_slot(c, "first", ELEM_BOOL, 1, &t->n);
    nest_builder b = low_begin(c);
    const dim i = nest_axis(&b, t->n);
    nest_stage(&b);
    const dim j = stage_axis(&b, t->n);
    const ex earlier = stage_fold(&b, FOLD_SUM, one_if(c, both(c, dim_less(c, j, i), compared(c, order, i, j, 0))));
    nest_stage(&b);
    store_axes(c, &b, to, 1, &i, equal(c, earlier, ex_i(c->x, CT_I64, 0)));
    low_end(c, &b);
    return to;
}

/* rank[i]: the place of item i's kind: how many kinds are smaller, or, unsorted, begin earlier than the first of its kind. */
static slot kind_rank(const items *t, slot order, slot first)
{
    lower_ctx *c = t->c;
    const bool sorted = node_int(c->n, "sorted", 1) != 0;
    const slot to = low_has_out(c, 2) ? out_slot(c, 2) : temp_slot(c, "rank", ELEM_INT64, 1, &t->n);
    nest_builder b = low_begin(c);
    const dim i = nest_axis(&b, t->n);
    ex begin = 0;
    if (!sorted) {
        nest_stage(&b);
        const dim j = stage_axis(&b, t->n);
        begin = stage_fold(&b, FOLD_MIN, ex_select(c->x, compared(c, order, i, j, 0), ex_dim(c->x, j), ex_dim(c->x, t->n)));
    }
    nest_stage(&b);
    const dim j = stage_axis(&b, t->n);
    const ex ahead = sorted ? compared(c, order, i, j, 1) : less(c, ex_dim(c->x, j), begin);
    const ex rank = stage_fold(&b, FOLD_SUM, one_if(c, both(c, load_axes(c, first, 1, &j), ahead)));
    nest_stage(&b);
    store_axes(c, &b, to, 1, &i, rank);
    low_end(c, &b);
    return to;
}

/* Each first of its kind goes to its rank, with its position and the number of equal items. */
static void store_kinds(const items *t, slot order, slot first, slot ranks)
{
    lower_ctx *c = t->c;
    const slot y = out_slot(c, 0), indices = out_slot(c, 1), counts = out_slot(c, 3);
    nest_builder b = low_begin(c);
    const dim i = nest_axis(&b, t->n);
    const ex guard = load_axes(c, first, 1, &i), at = load_axes(c, ranks, 1, &i);
    nest_stage(&b);
    const dim j = stage_axis(&b, t->n);
    const ex same = stage_fold(&b, FOLD_SUM, one_if(c, compared(c, order, i, j, 0)));
    nest_stage(&b);
    if (indices) stage_store(&b, indices, 1, &at, ex_dim(c->x, i))->guard = guard;
    if (counts) stage_store(&b, counts, 1, &at, same)->guard = guard;
    if (y) {
        dim part[MAX_RANK];
        ex to[MAX_RANK] = {at};
        nest_stage(&b);
        for (uint32_t k = 0; !t->flat && k < t->rank; k++) {
            part[k] = k == t->axis ? i : stage_axis(&b, slot_dim(c, t->x, k));
            to[k] = k == t->axis ? at : ex_dim(c->x, part[k]);
        }
        if (slot_at(c->p, y)->pairs) to[slot_rank(c, y)] = ex_dim(c->x, c->part = stage_axis(&b, dim_const(c->d, 2)));
        stage_store(&b, y, slot_rank(c, y) + slot_at(c->p, y)->pairs, to, item_element(t, i, part))->guard = guard;
    }
    low_end(c, &b);
}

bool lower_Unique(lower_ctx *c)
{
    const items t = items_of(c);
    const slot order = item_order(&t), first = first_of_kind(&t, order);
    const slot any = low_has_out(c, 0) ? out_slot(c, 0) : low_has_out(c, 1) ? out_slot(c, 1) : out_slot(c, 3);
    if (any) {
        nest_builder b = low_begin(c);
        nest_stage(&b);
        const dim i = stage_axis(&b, t.n);
        bind_count(c, slot_dim(c, any, t.flat || !low_has_out(c, 0) ? 0 : t.axis), counted(c, load_axes(c, first, 1, &i)), &b, t.n);
    }
    const slot ranks = kind_rank(&t, order, first);
    if (any) store_kinds(&t, order, first, ranks);
    return true;
}
