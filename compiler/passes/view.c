/* view.c - pass `view`: nodes that keep all elements and only say another shape or order (Reshape, Flatten, Squeeze, Unsqueeze, Transpose) are
 * merged with their like, and the shapes that they are given become constants where the sizes are known well enough.
 *
 *     Reshape(x, computed)            Reshape(x, [0, -1, 12, 64])     sizes that x has in the same place are 0; one may be unknown
 *     Reshape(Unsqueeze(x))           Reshape(x)                      any view before a Reshape
 *     Unsqueeze(Unsqueeze(x))         Unsqueeze(x), or a Reshape      as Squeeze of Squeeze
 *     Transpose(Transpose(x))         Transpose(x)
 *     Reshape(Transpose(Reshape(x)))  Transpose(x)                    [b, h, l, s] as [b * h, l, s], turned, and apart again
 *     Unsqueeze(Gather(x, 3))         Gather(x, [3])                  scalars of shape arithmetic
 *     Unsqueeze(ReduceSum(x))         ReduceSum(x), keepdims          the same axes; any reduction
 *
 * requires: types known. keeps: every bit. breaks: nothing. A view in between that something else reads too stays for that reader.
 * Sizes are at least 1: a shape that is written with -1 is not the same for a tensor without elements. */
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

enum { MANY = 16 }; /* dimensions that a rule looks at */

static const type *ranked(model *m, value_id v)
{
    const type *t = v ? &value_at(m, v)->type : NULL;
    return t && t->kind == TYPE_TENSOR && t->rank >= 0 && t->rank <= MANY ? t : NULL;
}

/* The shape operand of a Reshape from one type to the other, without any computing. */
static bool target_of(model *m, const type *from, const type *to, int64_t *shape)
{
    int32_t open = 0;
    for (int32_t i = 0; i < to->rank; i++) {
        if (dim_is_const(m->dims, to->shape[i], &shape[i])) {
            if (shape[i] < 1) return false;
        } else if (i < from->rank && from->shape[i] == to->shape[i]) {
            shape[i] = 0;
        } else {
            shape[i] = -1;
            open++;
        }
    }
    return open <= 1;
}

/* As many elements for all sizes. Where that is not known, the node fails for some sizes, which has to stay so. */
static bool same_count(model *m, value_id a, value_id b)
{
    const type *x = ranked(m, a), *y = ranked(m, b);
    return x && y && dim_product(m->dims, x->shape, (uint32_t)x->rank) == dim_product(m->dims, y->shape, (uint32_t)y->rank);
}

static bool reshape_to(rewrite *r, node_id id, value_id x)
{
    model *m = r->m;
    const value_id out = node_at(m, id)->out[0];
    const type *from = ranked(m, x), *to = ranked(m, out);
    int64_t shape[MANY];
    if (!from || !to || !op_has(m, "Reshape", 5) || !target_of(m, from, to, shape)) return false;
    const value_id target = new_ints(m, value_at(m, out)->name, "shape", (uint32_t)to->rank, shape);
    (void)rewrite_becomes(r, id, "", "Reshape", 2, (const value_id[]){x, target});
    return true;
}

/* Reshape with a computed shape. */
static bool settle_shape(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id);
    if (constant_of(m, node_in(n, 1)) || !node_in(n, 1) || !m->written_back) return false;
    return reshape_to(r, id, n->in[0]);
}

/* Elements stay in their order in memory. */
static bool is_view(model *m, const node *n)
{
    static const char *const VIEWS[] = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"};
    for (size_t i = 0; i < sizeof VIEWS / sizeof *VIEWS; i++)
        if (op_is(n, VIEWS[i])) return same_count(m, n->in[0], n->out[0]);
    return op_is(n, "Transpose") && transpose_moves_nothing(m, n);
}

static node *view_before(rewrite *r, value_id v)
{
    node *n = rewrite_producer(r, v);
    return n && is_view(r->m, n) && n->out[0] == v ? n : NULL;
}

/* Reshape(view(x)): the views before it do not matter. */
static bool skip_views(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    const value_id before = node_at(r->m, id)->in[0];
    const node *above = view_before(r, before);
    value_id x = before;
    for (uint32_t hop = 0; above && hop < MANY; hop++) {
        x = above->in[0];
        above = view_before(r, x);
    }
    return x != before && same_count(r->m, x, node_at(r->m, id)->out[0]) && reshape_to(r, id, x);
}

/* One view of another that nothing else reads. */
static bool join_views(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    const node *n = node_at(r->m, id);
    if (op_is(n, "Reshape") || op_is(n, "Identity") || !is_view(r->m, n) || !rewrite_only_use(r, n->in[0])) return false;
    const node *above = view_before(r, n->in[0]);
    return above && !op_is(above, "Identity") && same_count(r->m, above->in[0], n->out[0]) && reshape_to(r, id, above->in[0]);
}

/* ---- Squeeze and Unsqueeze ---- */

enum { AXES_AS_INPUT = 13 };

/* mark[i]: axis i is in the node's list; of a tensor of that rank. */
static bool mark_axes(model *m, const node *n, int32_t rank, uint8_t *mark)
{
    const int64_t *axes;
    uint32_t count;
    if (!list_param(m, n, "axes", 1, &axes, &count) || !axes || rank > MANY) return false;
    for (uint32_t i = 0; i < count; i++) {
        const int64_t a = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (a < 0 || a >= rank) return false;
        mark[a] = 1;
    }
    return true;
}

static bool set_axes(rewrite *r, node_id id, value_id x, const uint8_t *mark, int32_t rank)
{
    int64_t axes[MANY];
    uint32_t count = 0;
    for (int32_t i = 0; i < rank; i++)
        if (mark[i]) axes[count++] = i;
    rewrite_set_input(r, id, 0, x);
    set_list_param(r->m, id, "axes", 1, AXES_AS_INPUT, count, axes);
    return true;
}

/* The axes of both, in the result: those of the first one move up over the second one's. */
static bool join_unsqueeze(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *first = rewrite_producer_is(r, n->in[0], "Unsqueeze");
    if (!first || !rewrite_only_use(r, n->in[0])) return false;
    const type *mid = ranked(m, n->in[0]), *to = ranked(m, n->out[0]);
    uint8_t inner[MANY] = {0}, outer[MANY] = {0};
    if (!mid || !to || !mark_axes(m, first, mid->rank, inner) || !mark_axes(m, n, to->rank, outer)) return false;
    for (int32_t i = 0, k = 0; i < to->rank; i++)
        if (!outer[i]) outer[i] = inner[k++];
    return set_axes(r, id, first->in[0], outer, to->rank);
}

static bool join_squeeze(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *first = rewrite_producer_is(r, n->in[0], "Squeeze");
    if (!first || !rewrite_only_use(r, n->in[0])) return false;
    const type *from = ranked(m, first->in[0]), *mid = ranked(m, n->in[0]);
    uint8_t inner[MANY] = {0}, outer[MANY] = {0};
    if (!mid || !from || !mark_axes(m, first, from->rank, inner) || !mark_axes(m, n, mid->rank, outer)) return false;
    for (int32_t i = 0, k = 0; i < from->rank; i++)
        if (!inner[i]) inner[i] = outer[k++];
    return set_axes(r, id, first->in[0], inner, from->rank);
}

/* Gather with a scalar index leaves its axis out, Unsqueeze puts one there: an index of one element keeps it. */
static bool gather_one(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *gather = rewrite_producer_is(r, n->in[0], "Gather");
    if (!gather || !rewrite_only_use(r, n->in[0])) return false;
    const tensor *index = constant_of(m, gather->in[1]);
    const type *from = ranked(m, gather->in[0]), *to = ranked(m, n->out[0]);
    uint8_t axes[MANY] = {0};
    if (!index || index->rank || !from || !to || to->rank != from->rank || !mark_axes(m, n, to->rank, axes)) return false;
    const int64_t axis = node_int(gather, "axis", 0), at = axis < 0 ? axis + from->rank : axis;
    if (at < 0 || at >= from->rank || !axes[at]) return false;
    tensor *one = tensor_new(m->mem, index->type, 1, (const int64_t[]){1});
    elem_set_int(one->type, (void *)(uintptr_t)one->data, 0, elem_get_int(index->type, index->data, 0));
    const value_id list = new_constant(m, value_at(m, n->out[0])->name, "index", one), x = gather->in[0];
    (void)rewrite_becomes(r, id, "", "Gather", 2, (const value_id[]){x, list});
    if (at) set_attr_int(m, id, "axis", at);
    return true;
}

/* A reduction that leaves its axes out, which are put back as 1. */
static bool keep_reduced(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *found = rewrite_producer(r, n->in[0]);
    if (!found || *found->domain || strncmp(found->op, "Reduce", 6) != 0 || node_int(found, "keepdims", 1) || !rewrite_only_use(r, n->in[0]))
        return false;
    const node reduce = *found;
    const type *from = ranked(m, reduce.in[0]), *to = ranked(m, n->out[0]);
    uint8_t inner[MANY] = {0}, outer[MANY] = {0};
    if (!from || !to || from->rank != to->rank || !mark_axes(m, &reduce, from->rank, inner) || !mark_axes(m, n, to->rank, outer) ||
        memcmp(inner, outer, MANY) != 0)
        return false;
    (void)rewrite_becomes(r, id, "", reduce.op, reduce.n_in, reduce.in);
    for (uint32_t i = 0; i < reduce.n_attr; i++) node_set_attr(m, node_at(m, id), reduce.attr[i]);
    set_attr_int(m, id, "keepdims", 1);
    return true;
}

/* ---- Transpose ---- */

static bool join_transpose(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *first = rewrite_producer_is(r, n->in[0], "Transpose");
    uint32_t inner[MAX_RANK], outer[MAX_RANK], rank, rank_before;
    if (!first || !transpose_order(m, n, outer, &rank) || !transpose_order(m, first, inner, &rank_before) || rank != rank_before) return false;
    int64_t perm[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        if (outer[i] >= rank) return false;
        perm[i] = inner[outer[i]];
    }
    rewrite_set_input(r, id, 0, first->in[0]);
    set_attr_ints(m, id, "perm", rank, perm);
    return true;
}

/* x [.., a, b] -> [n, a, b] -> [n, b, a] -> [.., b, a]. */
static bool turn_in_place(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *turn = rewrite_producer_is(r, n->in[0], "Transpose");
    const node *flat = turn ? rewrite_producer_is(r, turn->in[0], "Reshape") : NULL;
    uint32_t order[MAX_RANK], rank;
    if (!flat || !transpose_order(m, turn, order, &rank) || rank != 3 || order[0] != 0 || order[1] != 2) return false;
    const type *x = ranked(m, flat->in[0]), *mid = ranked(m, flat->out[0]), *y = ranked(m, n->out[0]);
    if (!x || !mid || !y || x->rank != y->rank || x->rank < 3) return false;
    const int32_t last = x->rank - 1;
    for (int32_t i = 0; i < last - 1; i++)
        if (x->shape[i] != y->shape[i]) return false;
    if (mid->shape[1] != x->shape[last - 1] || mid->shape[2] != x->shape[last] || y->shape[last - 1] != x->shape[last] ||
        y->shape[last] != x->shape[last - 1])
        return false;
    int64_t perm[MANY];
    for (int32_t i = 0; i < x->rank; i++) perm[i] = i < last - 1 ? i : 2 * last - 1 - i;
    const value_id in = flat->in[0];
    (void)rewrite_becomes(r, id, "", "Transpose", 1, &in);
    set_attr_ints(m, id, "perm", (uint32_t)last + 1, perm);
    return true;
}

static const rule_row RULES[] = {
    {"Reshape", turn_in_place},    {"Reshape", settle_shape}, {"Reshape", skip_views}, {"Unsqueeze", gather_one},     {"Unsqueeze", keep_reduced},
    {"Unsqueeze", join_unsqueeze}, {"Squeeze", join_squeeze}, {NULL, join_views},      {"Transpose", join_transpose}, {NULL, NULL},
};

void merge_views(model *m)
{
    rewrite_rules(m, RULES, NULL);
}
