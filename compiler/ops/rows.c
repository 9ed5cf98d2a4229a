/* rows.c - operators of our own for sequences that a loop carries (passes/sequence_carry.h): their elements lie in a tensor with room for the most of them.
 *
 *     Rows(x) <capacity>   x with rows behind it up to `capacity`, of which nothing reads; more than that end the run
 *     Rows()               a tensor of the type that its output has been given, with nothing of meaning in it
 *     Front(x, n)          the first n rows of x */
#include "ops/families.h"
#include "ops/formula.h"
#include "ops/strings.h"

bool infer_Rows(infer_ctx *c)
{
    if (!c->n->n_in) return true;
    const type *t = in_type(c, 0);
    dim shape[MAX_RANK] = {dim_const(c->d, node_int(c->n, "capacity", 0))};
    if (!need_rank(c, 0) || t->rank > MAX_RANK) return false;
    for (int32_t k = 1; k < t->rank; k++) shape[k] = t->shape[k];
    return out_tensor(c, 0, t->elem, t->rank, shape);
}

static ex nothing(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *empty = arg;
    const elem e = slot_elem(c, out_slot(c, 0));
    (void)idx;
    return *empty ? load_at(c, *empty, 1, (const ex[]){ex_i(c->x, CT_I64, 0)}) : ex_i(c->x, ctype_of(e), 0);
}

/* Rows of x, as many as `to` or `from` has: the fewer. */
static void copy_rows(lower_ctx *c, slot to, slot from, dim n)
{
    const uint32_t rank = slot_rank(c, from);
    dim extent[MAX_RANK], idx[MAX_RANK];
    for (uint32_t k = 0; k < rank; k++) extent[k] = k ? slot_dim(c, from, k) : n;
    nest_builder b = low_begin(c);
    axes_for(&b, rank, extent, idx);
    nest_stage(&b);
    store_axes(c, &b, to, rank, idx, load_axes(c, from, rank, idx));
    low_end(c, &b);
}

bool lower_Rows(lower_ctx *c)
{
    const slot y = out_slot(c, 0);
    if (!c->n->n_in) {
        slot empty = slot_elem(c, y) == ELEM_STRING ? slot_strings(c, "empty", 1, (const int64_t[]){1}, (const char *const[]){""}) : 0;
        return lower_map(c, y, nothing, &empty);
    }
    const slot x = in_slot(c, 0);
    const dim n = slot_dim(c, x, 0), most = slot_dim(c, y, 0);
    int64_t room = 0;
    (void)dim_is_const(c->d, most, &room);
    if (dim_range(c->d, n).hi > room) {
        const slot over = temp_slot(c, "over", ELEM_BOOL, 0, NULL);
        nest_builder b = low_begin(c);
        nest_stage(&b);
        store_axes(c, &b, over, 0, NULL, dim_less(c, most, n));
        low_end(c, &b);
        lower_check(c, over, "ONNXCC_E_CAPACITY");
    }
    copy_rows(c, y, x, n);
    return true;
}

bool infer_Front(infer_ctx *c)
{
    const type *t = in_type(c, 0);
    dim shape[MAX_RANK];
    if (!need_rank(c, 0) || t->rank < 1 || t->rank > MAX_RANK) return false;
    for (int32_t k = 0; k < t->rank; k++) shape[k] = t->shape[k];
    shape[0] = decided_symbol(c->m, c->id, "length", dim_range(c->d, t->shape[0]).hi);
    return out_tensor(c, 0, t->elem, t->rank, shape);
}

bool lower_Front(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    lower_bind(c, slot_dim(c, y, 0), in_slot(c, 1), slot_dim(c, x, 0));
    copy_rows(c, y, x, slot_dim(c, y, 0));
    return true;
}
