/* contrib_parts.c - see contrib.h: short ways to say what several rewrites need. */
#include "ops/contrib.h"

value_id one_int(edit *e, int64_t v)
{
    return const_ints(e, "number", 1, &v);
}

value_id as_int64(edit *e, value_id v)
{
    const attr to = attr_int(e->m, "to", ELEM_INT64);
    return insert(e, "Cast", &to, 1, &v);
}

value_id count_to(edit *e, value_id n)
{
    return insert(e, "Range", NULL, IN(const_int(e, "zero", 0), insert(e, "Squeeze", NULL, IN(n, one_int(e, 0))), const_int(e, "one", 1)));
}

value_id with_axes(edit *e, value_id x, uint32_t n, const int64_t *axes)
{
    return insert(e, "Unsqueeze", NULL, IN(x, const_ints(e, "axes", n, axes)));
}

value_id slice(edit *e, value_id x, value_id from, value_id to, int64_t axis)
{
    return insert(e, "Slice", NULL, IN(x, from, to, one_int(e, axis)));
}

value_id parted(edit *e, value_id x, int64_t heads)
{
    const int64_t shape[4] = {0, 0, heads, -1};
    return insert(e, "Reshape", NULL, IN(x, const_ints(e, "shape", 4, shape)));
}

value_id joined(edit *e, value_id x)
{
    const int64_t shape[3] = {0, 0, -1};
    return insert(e, "Reshape", NULL, IN(x, const_ints(e, "shape", 3, shape)));
}

value_id picked(edit *e, value_id x, int64_t at, int64_t axis)
{
    const attr a = attr_int(e->m, "axis", axis);
    return insert(e, "Gather", &a, IN(x, const_int(e, "part", at)));
}

value_id small_numbers(edit *e, uint32_t n, const int64_t *v)
{
    const attr to = attr_int(e->m, "to", ELEM_UINT8);
    return insert(e, "Cast", &to, IN(const_ints(e, "bits", n, v)));
}

value_id unpacked_bits(edit *e, value_id bytes, int64_t bits)
{
    const int64_t last = -1, shifts[4] = {0, bits, 2 * bits, 3 * bits}, mask = (1 << bits) - 1;
    const attr right = attr_string(e->m, "direction", "RIGHT");
    const value_id moved = insert(e, "BitShift", &right, IN(with_axes(e, bytes, 1, &last), small_numbers(e, (uint32_t)(8 / bits), shifts)));
    return insert(e, "BitwiseAnd", NULL, IN(moved, small_numbers(e, 1, &mask)));
}
