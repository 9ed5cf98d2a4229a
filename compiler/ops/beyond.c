/* beyond.c - element types that an operator's schema does not list, but for which its meaning is plain and the lowering computes it; see ops.h.
 *
 * onnx.checker without full_check looks at no types, so such models are about (they are what onnx.reference runs), and the standard itself extends the lists
 * from version to version. Nothing here is a list of operators: what decides is how the operator is computed and what its schema lists. */
#include <string.h>

#include "ops/families.h"

static bool lists(uint32_t mask, elem e)
{
    return mask >> e & 1;
}

/* The schema lists strings and complex numbers beside numbers: the operator moves elements about, whatever they are. */
static bool moves_anything(uint32_t mask)
{
    return lists(mask, ELEM_STRING) && lists(mask, ELEM_COMPLEX64) && lists(mask, ELEM_BOOL) && lists(mask, ELEM_FLOAT);
}

/* A wider type of the same kind is listed. FLOAT8E8M0 has neither sign nor zero, so that most results would be none of its numbers. */
static bool narrower_than_listed(uint32_t mask, elem e)
{
    const elem_info *own = elem_of(e);
    if (e == ELEM_FLOAT8E8M0 || !strchr("fiu", own->kind)) return false;
    for (int k = 1; k < ELEM_COUNT; k++)
        if (lists(mask, (elem)k) && elem_of((elem)k)->kind == own->kind && elem_of((elem)k)->bits > own->bits) return true;
    return false;
}

static char kind_of_value(model *m, value_id v)
{
    return v ? elem_of(value_at(m, v)->type.elem)->kind : '?';
}

/* To complex numbers from anything but text. Not from them to others, which would lose the imaginary part. */
static bool makes_complex(model *m, const node *n)
{
    return n->n_out == 1 && kind_of_value(m, n->out[0]) == 'c' && strchr("fiubc", kind_of_value(m, node_in(n, 0)));
}

const char *type_beyond(model *m, const node *n, uint32_t listed, elem e)
{
    const op_def *op = op_of(m, n);
    if (!op || !op->lower || e <= ELEM_NONE || e >= ELEM_COUNT) return NULL;
    if (op->lower == lower_Cast && makes_complex(m, n)) return "as real and imaginary part, the latter 0 where there is none";
    if (moves_anything(listed)) return "as every other element type";
    const bool by_element = op->lower == lower_unary || op->lower == lower_binary || op->lower == lower_variadic;
    if (!by_element || !narrower_than_listed(listed, e)) return NULL;
    return elem_of(e)->kind == 'f' ? "in float, each element rounded once" : "in 32 bits, each element wrapped once";
}
