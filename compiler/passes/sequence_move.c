/* sequence_move.c - elements inserted and erased at positions inside a stack, or at ones that only the run knows; see sequence.h. The stack after it is
 * gathered from the one before; a position outside it ends the run as any index does. Source: ONNX Operators.md, SequenceInsert, SequenceErase. */
#include "passes/forms.h"
#include "passes/sequence_impl.h"

static value_id pair(spot *p, const char *op, value_id a, value_id b)
{
    return spot_insert(p, op, NULL, 2, (const value_id[]){a, b}, 0);
}

static value_id three(spot *p, const char *op, value_id a, value_id b, value_id c)
{
    return spot_insert(p, op, NULL, 3, (const value_id[]){a, b, c}, 0);
}

static value_id as_int64(spot *p, value_id v)
{
    const attr to = {.name = intern(p->m->names, "to"), .kind = ATTR_INT, .u.i = ELEM_INT64};
    return spot_insert(p, "Cast", &to, 1, &v, 0);
}

value_id stack_position(spot *p, uint32_t i)
{
    value_id at = p->n.in[i];
    if (tensor_type_known(p->m, at) && value_at(p->m, at)->type.rank > 0) at = spot_insert(p, "Squeeze", NULL, 1, &at, 0);
    return at;
}

value_id stack_count(spot *p, value_id stack)
{
    const value_id shape = spot_insert(p, "Shape", NULL, 1, &stack, 0);
    return pair(p, "Gather", shape, spot_int(p, "first", 0));
}

/* 0, 1 ... n - 1 */
static value_id numbers_below(spot *p, value_id n)
{
    return three(p, "Range", spot_int(p, "zero", 0), n, spot_int(p, "one", 1));
}

value_id stack_without(spot *p, value_id stack, value_id position)
{
    const value_id one = spot_int(p, "one", 1), n = stack_count(p, stack), at = pair(p, "Gather", numbers_below(p, n), position);
    const value_id left = numbers_below(p, pair(p, "Sub", n, one)), before = as_int64(p, pair(p, "Less", left, at));
    return pair(p, "Gather", stack, pair(p, "Sub", pair(p, "Add", left, one), before));
}

/* The place of a new element among n: the position, or from the end where it is negative. Both are looked up in one table, n places from the position, so that
 * one outside [-n, n] is found. */
static value_id place_of(spot *p, value_id n, value_id after, value_id position)
{
    const attr axis = axis_attr(p, 0);
    const value_id places[2] = {numbers_below(p, n), numbers_below(p, after)}, table = spot_insert(p, "Concat", &axis, 2, places, 0);
    const value_id at = pair(p, "Add", as_int64(p, position), n), none = pair(p, "Add", n, after);
    return pair(p, "Gather", table, three(p, "Where", pair(p, "Less", at, spot_int(p, "zero", 0)), none, at));
}

value_id stack_with(spot *p, value_id stack, value_id element, value_id position)
{
    const attr axis = axis_attr(p, 0);
    const held one = {.n = 1, .item = &element};
    const value_id parts[2] = {stack, unsqueezed(p, &one, 0)[0]}, all = spot_insert(p, "Concat", &axis, 2, parts, 0);
    const value_id n = stack_count(p, stack), after = pair(p, "Add", n, spot_int(p, "one", 1)), at = place_of(p, n, after, position);
    const value_id to = numbers_below(p, after), moved = pair(p, "Sub", to, as_int64(p, pair(p, "Less", at, to)));
    return pair(p, "Gather", all, three(p, "Where", pair(p, "Equal", to, at), n, moved));
}
