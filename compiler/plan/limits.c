/* limits.c - values that no memory holds.
 *
 * in:  a lowered program
 * out: an error when a dimension is negative (in a branch that never runs it may be until it is removed), and when a value is so large even with every dimension at its least that sizes and offsets in bytes leave the 64-bit range; all
 *      later arithmetic on shapes, strides and offsets of known extents is then safe. */
#include "base/size.h"
#include "plan/plan.h"

enum { MOST_LOG2 = 62 }; /* bytes; headroom for padding and halos */

bool plan_limits(program *p)
{
    for (slot s = 1; s < p->slot.n; s++) {
        const slot_info *i = slot_at(p, s);
        if (i->kind == SLOT_DEAD) continue;
        int64_t bytes = elem_of(i->type)->bits >= 8 ? elem_of(i->type)->bits / 8 : 1;
        for (uint32_t k = 0; k < i->rank; k++) {
            const int64_t least = dim_range(p->dims, i->extent[k]).lo;
            if (dim_range(p->dims, i->extent[k]).hi < 0)
                return diag_error(p->diag, EXIT_INVALID, arena_printf(p->mem, "value '%s'", i->name), "shape-negative", "dimension %u is %lld", k, (long long)least);
            bytes = sat_mul(bytes, least > 1 ? least : 1); /* an empty one has strides, too */
        }
        if (bytes < (int64_t)1 << MOST_LOG2) continue;
        return diag_error(p->diag, EXIT_LIMIT, arena_printf(p->mem, "value '%s'", i->name), "size-limit", "its shape takes more than 2^%d bytes",
                          MOST_LOG2);
    }
    return true;
}
