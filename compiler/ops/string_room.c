/* string_room.c - memory for the bytes of strings that operators make.
 *
 * A node's pool keeps its place to the end of the run, as outputs may point into it. Its size is known, or counted before it is filled: then it is the symbol
 * bytes.NODE, which --dim gives a capacity. In a subgraph, which may run again in a loop, the bytes of all turns lie one behind the other. */
#include <string.h>

#include "ops/formula.h"
#include "ops/strings.h"

static void store_int(lower_ctx *c, slot to, ex v, fold f)
{
    nest_builder b = low_begin(c);
    nest_stage(&b);
    store_axes(c, &b, to, 0, NULL, v)->fold = f;
    low_end(c, &b);
}

/* How many bytes there are already; `count` more are taken. */
static slot take(lower_ctx *c, slot count, slot *used)
{
    lower_ctx before = *c;
    const slot at = temp_slot(c, "at", ELEM_INT64, 0, NULL);
    before.to = &c->p->before;
    *used = temp_slot(c, "used", ELEM_INT64, 0, NULL);
    store_int(&before, *used, ex_i(c->x, CT_I64, 0), FOLD_NONE);
    store_int(c, at, load_scalar(c, *used), FOLD_NONE);
    store_int(c, *used, load_scalar(c, count), FOLD_SUM);
    return at;
}

static void look_at_turn(void *ctx, dim d)
{
    void **c = ctx;
    const dims *t = c[0];
    bool *found = c[1];
    if (dim_kind_of(t, d) == DIM_SYMBOL && !strncmp(dim_name(t, d), "turn.", 5)) *found = true;
}

/* What all turns need together, where each needs `most`; 0: that is not known before the run. */
static dim most_in_turns(lower_ctx *c, dim most)
{
    bool found = false;
    void *ctx[2] = {c->d, &found};
    if (!most || !c->p->turns) return 0;
    const dim all = dim_mul(c->d, most, c->p->turns);
    dim_atoms(c->d, all, look_at_turn, ctx);
    return found ? 0 : all;
}

string_room string_room_of(lower_ctx *c, slot count, dim most)
{
    string_room room = {0};
    dim size = most;
    if (count || c->to != &c->p->main) {
        slot used = count ? count : lower_dim(c, "bytes", most);
        if (c->to != &c->p->main) room.at = take(c, used, &used);
        size = decided_symbol(c->m, c->id, "bytes", INT64_MAX);
        lower_bind(c, size, used, most_in_turns(c, most));
    }
    room.pool = temp_slot(c, "pool", ELEM_UINT8, 1, &size);
    slot_at(c->p, room.pool)->keep = true;
    return room;
}
