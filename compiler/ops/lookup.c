/* lookup.c - onnxcc.Lookup, an operator of our own that the pass `integer` makes: y = table[x - lowest], element by element.
 *
 * x is int8 or uint8, lowest its type's least number, table a vector of 256 elements of any type. No index can be out of range. */
#include "ops/families.h"
#include "ops/formula.h"

bool infer_Lookup(infer_ctx *c)
{
    const type *x = in_type(c, 0);
    return need_rank(c, 0) && out_tensor(c, 0, in_elem(c, 1), x->rank, x->shape);
}

static ex looked_up(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const slot x = in_slot(c, 0);
    ex at = ex_cast(c->x, CT_I64, load_axes(c, x, slot_rank(c, x), idx));
    if (slot_elem(c, x) == ELEM_INT8) at = add(c, at, ex_i(c->x, CT_I64, 128));
    return load_at(c, in_slot(c, 1), 1, &at);
}

bool lower_Lookup(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), looked_up, NULL);
}
