/* string_cast.c - Cast and CastLike between strings and numbers. Source: ONNX Operators.md, version 25, and onnxruntime for the format that it leaves open.
 *
 * A number's text has a longest length, so its pool needs no capacity but in a loop whose turns the run counts. What is read is a number as the standard writes it, as a whole; a string that is
 * none ends the run with an error (ONNXCC_E_TEXT). */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/strings.h"

static binding size_bind(const char *name, int64_t v, dims *d)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = dim_const(d, v)};
}

/* The type that the kernels know which has all values of this one. */
static elem wide_elem(elem e)
{
    if (elem_of(e)->kind == 'f') return e == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT;
    return e == ELEM_UINT64 ? ELEM_UINT64 : ELEM_INT64;
}

static ex widened_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot *s = arg;
    return ex_cast(c->x, ctype_of(wide_elem(slot_elem(c, *s))), load_axes(c, *s, slot_rank(c, *s), idx));
}

bool lower_number_strings(lower_ctx *c, slot x, slot y)
{
    enum { FLOAT_BYTES = 15, INTEGER_BYTES = 20 }; /* -1.2345678e-100; -2^63, 2^64 - 1 */
    const uint32_t rank = slot_rank(c, x);
    const elem wide = wide_elem(slot_elem(c, x));
    const bool floats = elem_of(wide)->kind == 'f';
    if (slot_elem(c, x) != wide) {
        const slot to = temp_slot(c, "numbers", wide, rank, slot_at(c->p, x)->extent);
        (void)lower_map(c, to, widened_value, &x);
        x = to;
    }
    const int64_t most = floats ? FLOAT_BYTES : INTEGER_BYTES;
    const dim n = dim_product(c->d, slot_at(c->p, x)->extent, rank);
    const string_room room = string_room_of(c, 0, dim_mulc(c->d, n, most));
    const binding bind[3] = {{.name = "T", .kind = BIND_TYPE, .type = wide}, size_bind("MOST", most, c->d),
                             size_bind("KIND", floats ? 2 : wide == ELEM_INT64, c->d)};
    const kernel_arg args[4] = {{y, ARG_OUT}, {room.pool, ARG_OUT}, {x, ARG_IN}, {room.at, ARG_IN}};
    lower_template(c, "number_string", 3, bind, 4, args, n)->kernel->ops = dim_mulc(c->d, n, STRING_OPS);
    return true;
}

bool lower_string_numbers(lower_ctx *c, slot x, slot y)
{
    const uint32_t rank = slot_rank(c, x);
    const elem wide = wide_elem(slot_elem(c, y));
    const slot to = slot_elem(c, y) == wide ? y : temp_slot(c, "numbers", wide, rank, slot_at(c->p, x)->extent);
    const slot bad = temp_slot(c, "bad", ELEM_INT64, 0, NULL);
    const bool is_float = wide == ELEM_FLOAT, floats = is_float || wide == ELEM_DOUBLE;
    const binding bind[5] = {{.name = "T", .kind = BIND_TYPE, .type = wide},
                             size_bind("DIGITS", is_float ? 24 : floats ? 53 : 0, c->d),
                             size_bind("LOWEST", is_float ? -149 : floats ? -1074 : 0, c->d),
                             size_bind("HIGHEST", is_float ? 127 : floats ? 1023 : wide == ELEM_INT64 ? 63 : 64, c->d),
                             {.name = "N", .kind = BIND_DIM, .d = dim_product(c->d, slot_at(c->p, x)->extent, rank)}};
    const kernel_arg args[3] = {{to, ARG_OUT}, {bad, ARG_OUT}, {x, ARG_IN}};
    lower_template(c, "string_number", 5, bind, 3, args, 0);
    lower_check(c, bad, "ONNXCC_E_TEXT");
    return to == y || lower_cast_of(c, to);
}
