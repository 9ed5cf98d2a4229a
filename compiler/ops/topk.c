/* topk.c - TopK. Source: ONNX Operators.md, version 24. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

static bool rank_fits(infer_ctx *c)
{
    if (!need_rank(c, 0)) return false;
    return in_rank(c, 0) <= MAX_RANK || infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
}

/* As many as `axis` has, where that is known. */
static bool k_fits(infer_ctx *c, int64_t k, uint32_t axis)
{
    int64_t size = INT64_MAX;
    const bool known = dim_is_const(c->d, in_dim(c, 0, (int32_t)axis), &size);
    const char *x = value_at(c->m, c->n->in[0])->name;
    if (k >= 0 && k <= size) return true;
    if (!known) return infer_error(c, "k-range", "k is %lld: it can't be negative", (long long)k);
    infer_error(c, "k-range", "k is %lld, but axis %u of '%s' has %lld elements", (long long)k, axis, x, (long long)size);
    return diag_hint(c->m->diag, "k is from 0 to %lld here; axis=N names another axis", (long long)size);
}

bool infer_TopK(infer_ctx *c)
{
    uint32_t axis;
    dim k, out[MAX_RANK];
    if (!rank_fits(c) || !fix_axis(c, node_int(c->n, "axis", -1), in_rank(c, 0), &axis)) return false;
    if (!in_scalar(c, 1, &k)) {
        k = out_unknown(c, "k");
        dim_narrow(c->d, k, 0, dim_range(c->d, in_dim(c, 0, (int32_t)axis)).hi);
    }
    int64_t want;
    if (dim_is_const(c->d, k, &want) && !k_fits(c, want, axis)) return false;
    assume_at_least(c, dim_sub(c->d, in_dim(c, 0, (int32_t)axis), k), 0);
    for (int32_t i = 0; i < in_rank(c, 0); i++) out[i] = (uint32_t)i == axis ? k : in_dim(c, 0, i);
    return out_tensor(c, 0, in_elem(c, 0), in_rank(c, 0), out) && out_tensor(c, 1, ELEM_INT64, in_rank(c, 0), out);
}

typedef struct {
    slot x, places, indices; /* outputs: 0 where it is not wanted */
    uint32_t rank, axis;
    bool largest;
    dim k;
} topk;

/* a stands strictly before b, by value: NaN is larger than every number. */
static ex before(lower_ctx *c, ex a, ex b, bool largest)
{
    const ex hi = largest ? a : b, lo = largest ? b : a;
    const ex gt = less(c, lo, hi);
    if (!ctype_is_float(ex_type(c->x, a))) return gt;
    return either(c, gt, both(c, ex_un(c->x, EX_ISNAN, hi), ex_un(c->x, EX_NOT, ex_un(c->x, EX_ISNAN, lo))));
}

/* The place of every element among the others is counted, and the elements of the first k places stored there: n * n comparisons, no
 * temporary memory, any order. */
static bool by_counting(lower_ctx *c, const topk *t)
{
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], other[MAX_RANK];
    axes_for(&b, t->rank, slot_at(c->p, t->x)->extent, idx);
    memcpy(other, idx, sizeof other);
    const ex v = load_axes(c, t->x, t->rank, idx);
    nest_stage(&b);
    other[t->axis] = stage_axis(&b, slot_dim(c, t->x, t->axis));
    const ex w = load_axes(c, t->x, t->rank, other);
    const ex tie = both(c, ex_un(c->x, EX_NOT, before(c, v, w, t->largest)), dim_less(c, other[t->axis], idx[t->axis]));
    const ex first = either(c, before(c, w, v, t->largest), tie);
    const ex place = stage_fold(&b, FOLD_SUM, ex_cast(c->x, CT_I64, first));
    nest_stage(&b);
    ex at[MAX_RANK];
    for (uint32_t i = 0; i < t->rank; i++) at[i] = i == t->axis ? place : ex_dim(c->x, idx[i]);
    const ex guard = less(c, place, ex_dim(c->x, t->k));
    if (t->places) stage_store(&b, t->places, t->rank, at, ex_round(c->x, slot_elem(c, t->x), v))->guard = guard;
    if (t->indices) stage_store(&b, t->indices, t->rank, at, ex_dim(c->x, idx[t->axis]))->guard = guard;
    low_end(c, &b);
    return true;
}

static ex element_at(lower_ctx *c, const dim *idx, void *arg)
{
    const topk *t = arg;
    ex at[MAX_RANK];
    for (uint32_t i = 0; i < t->rank; i++) at[i] = i == t->axis ? load_axes(c, t->indices, t->rank, idx) : ex_dim(c->x, idx[i]);
    return load_at(c, t->x, t->rank, at);
}

/* A kernel finds the indices, and a nest takes the elements from there. Numbers that C has no type for are compared as floats. */
static bool by_heap(lower_ctx *c, topk *t)
{
    const dim *extent = slot_at(c->p, t->x)->extent;
    const elem_info *e = elem_of(slot_elem(c, t->x));
    const bool widen = e->bits < 8 || (e->kind == 'f' && e->bits < 32);
    const slot x = widen ? temp_slot(c, "floats", ELEM_FLOAT, t->rank, extent) : t->x;
    if (widen) lower_copy(c, x, t->x);
    if (!t->indices) t->indices = temp_slot(c, "indices", ELEM_INT64, t->rank, slot_at(c->p, t->places)->extent);
    extent = slot_at(c->p, t->x)->extent; /* new slots may have moved it */
    const dim outer = dim_product(c->d, extent, t->axis), inner = dim_product(c->d, extent + t->axis + 1, t->rank - t->axis - 1);
    const binding bind[5] = {{.name = "T", .kind = BIND_TYPE, .type = slot_elem(c, x)}, {.name = "LARGEST", .kind = BIND_DIM, .d = dim_const(c->d, t->largest)},
                             {.name = "N", .kind = BIND_DIM, .d = extent[t->axis]}, {.name = "K", .kind = BIND_DIM, .d = t->k}, {.name = "INNER", .kind = BIND_DIM, .d = inner}};
    const kernel_arg args[2] = {{t->indices, ARG_OUT}, {x, ARG_IN}};
    const dim rows = dim_mul(c->d, outer, inner), each = dim_add(c->d, dim_mulc(c->d, extent[t->axis], 2), dim_mulc(c->d, t->k, 20)); /* the heap is filled and sorted */
    lower_template(c, "topk", 5, bind, 2, args, rows)->kernel->ops = dim_mul(c->d, rows, each);
    return !t->places || lower_map(c, t->places, element_at, t);
}

bool lower_TopK(lower_ctx *c)
{
    topk t = {.x = in_slot(c, 0), .places = out_slot(c, 0), .indices = out_slot(c, 1), .largest = node_int(c->n, "largest", 1) != 0};
    t.rank = slot_rank(c, t.x);
    t.axis = axis_of(node_int(c->n, "axis", -1), t.rank);
    t.k = slot_dim(c, t.places ? t.places : t.indices, t.axis);
    uint32_t n;
    if (!low_content(c, 1, &n) && dim_kind_of(c->d, t.k) == DIM_SYMBOL) lower_bind(c, t.k, in_slot(c, 1), slot_dim(c, t.x, t.axis));
    return c->p->in_sequence ? by_heap(c, &t) : by_counting(c, &t);
}
