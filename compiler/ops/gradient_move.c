/* gradient_move.c - derivatives of operators that move elements: the derivative goes back to where each element came from; see gradient.h. */
#include <string.h>

#include "ops/gradient.h"
#include "ops/ops.h"

/* The same elements in the same order. */
static bool by_reshape(backward *b, const gradient_row *row)
{
    (void)row;
    const attr zeros = attr_int(b->e->m, "allowzero", 1);
    add_to(b, 0, make(b->e, "Reshape", 1, &zeros, IN(d_out(b, 0), shape_of(b, in_of(b, 0)))));
    return true;
}

static bool by_transpose(backward *b, const gradient_row *row)
{
    (void)row;
    const int32_t rank = rank_of(b->e, in_of(b, 0));
    uint32_t n;
    const int64_t *perm = node_ints(rule_node(b), "perm", &n);
    int64_t back[MAX_RANK];
    if (rank > MAX_RANK) return cant(b, "its number of dimensions");
    for (int32_t i = 0; i < rank; i++) back[perm ? perm[i] : rank - 1 - i] = i;
    const attr a = attr_ints(b->e->m, "perm", (uint32_t)rank, back);
    add_to(b, 0, make(b->e, "Transpose", 1, &a, IN(d_out(b, 0))));
    return true;
}

static bool by_expand(backward *b, const gradient_row *row)
{
    (void)row;
    add_broadcast(b, 0, d_out(b, 0));
    return true;
}

/* One size of a value as int64[1]. */
static value_id size_along(backward *b, value_id v, int64_t axis)
{
    model *m = b->e->m;
    const attr a[2] = {attr_int(m, "start", axis), attr_int(m, "end", axis + 1)};
    return make(b->e, "Shape", 2, a, IN(v));
}

static int64_t axis_from_start(backward *b, int64_t otherwise)
{
    const int64_t axis = node_int(rule_node(b), "axis", otherwise);
    return axis < 0 ? axis + rank_of(b->e, out_of(b, 0)) : axis;
}

static bool by_concat(backward *b, const gradient_row *row)
{
    (void)row;
    const int64_t axis = axis_from_start(b, 0);
    const uint32_t n = rule_node(b)->n_in;
    const value_id along = one_int(b->e, axis);
    value_id from = one_int(b->e, 0);
    for (uint32_t i = 0; i < n; i++) {
        const value_id to = op2(b, "Add", from, size_along(b, in_of(b, i), axis));
        if (wants(b, i)) add_to(b, i, make(b->e, "Slice", 0, NULL, IN(d_out(b, 0), from, to, along)));
        from = to;
    }
    return true;
}

static bool by_split(backward *b, const gradient_row *row)
{
    (void)row;
    const attr a = attr_int(b->e->m, "axis", axis_from_start(b, 0));
    const uint32_t n = rule_node(b)->n_out;
    value_id *part = ARENA_ARRAY(b->scratch, value_id, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!out_of(b, i)) return cant(b, "one of its outputs has no name");
        part[i] = d_out(b, i) ? d_out(b, i) : zeros_for(b, out_of(b, i));
    }
    add_to(b, 0, make(b->e, "Concat", 1, &a, n, part));
    return true;
}

/* The node's own operator on the numbers 1, 2, ... of the input's elements says where each element of the output came from, 0: from none. There the derivative
 * is added up. */
static bool by_place(backward *b, const gradient_row *row)
{
    edit *e = b->e;
    const node n = *rule_node(b);
    const value_id x = in_of(b, 0), minus_one = one_int(e, -1), zero = const_int(e, "zero", 0), one = const_int(e, "one", 1);
    const value_id count = op1(b, "Size", x), end = op2(b, "Add", count, one);
    const value_id numbers = op2(b, "Reshape", op3(b, "Range", one, end, one), shape_of(b, x));
    value_id *in = ARENA_ARRAY(b->scratch, value_id, n.n_in);
    memcpy(in, n.in, n.n_in * sizeof *in);
    for (uint32_t i = 1; i < n.n_in; i++)
        if (wants(b, i)) return cant(b, arena_printf(b->scratch, "by its input %u", i));
    in[0] = numbers;
    if (!strcmp(row->with, "pad")) { /* what is put in is not from the input */
        const char *mode = node_string(&n, "mode", "constant");
        if (n.n_in > 2) in[2] = !strcmp(mode, "constant") ? zero : 0;
    }
    const value_id places = op2(b, "Reshape", make(e, n.op, n.n_attr, n.attr, n.n_in, in), minus_one);
    const value_id d = op2(b, "Reshape", d_out(b, 0), minus_one);
    const value_id room = op2(b, "Expand", number(b, 0, x), op2(b, "Reshape", end, one_int(e, 1)));
    const attr add = attr_string(e->m, "reduction", "add");
    const value_id sums = make(e, "ScatterElements", 1, &add, IN(room, places, d));
    const value_id mine = make(e, "Slice", 0, NULL, IN(sums, one_int(e, 1), op2(b, "Reshape", end, one_int(e, 1))));
    const attr zeros = attr_int(e->m, "allowzero", 1);
    add_to(b, 0, make(e, "Reshape", 1, &zeros, IN(mine, shape_of(b, x))));
    return true;
}

/* What was written gets its derivative from where it went; what was there keeps its own but where it was written over. */
static bool by_scatter(backward *b, const gradient_row *row)
{
    const char *reduction = node_string(rule_node(b), "reduction", "none");
    const attr *given = node_attr(rule_node(b), "axis");
    const attr axis = given ? *given : attr_int(b->e->m, "axis", 0);
    const uint32_t n_attr = strcmp(row->with, "GatherND") ? 1 : 0;
    const bool adds = !strcmp(reduction, "add");
    const value_id d = d_out(b, 0), places = in_of(b, 1);
    if (!adds && strcmp(reduction, "none")) return cant(b, arena_printf(b->scratch, "reduction '%s'", reduction));
    if (wants(b, 0)) add_to(b, 0, adds ? d : make(b->e, rule_node(b)->op, n_attr, &axis, IN(d, places, zeros_for(b, in_of(b, 2)))));
    if (wants(b, 2)) add_to(b, 2, make(b->e, row->with, n_attr, &axis, IN(d, places)));
    return true;
}

const gradient_row gradient_move_rules[] = {
    {"Reshape", by_reshape, NULL}, {"Flatten", by_reshape, NULL}, {"Squeeze", by_reshape, NULL}, {"Unsqueeze", by_reshape, NULL},
    {"Transpose", by_transpose, NULL},
    {"Expand", by_expand, NULL},
    {"Concat", by_concat, NULL},
    {"Split", by_split, NULL},
    {"Slice", by_place, ""}, {"Gather", by_place, ""}, {"GatherElements", by_place, ""}, {"GatherND", by_place, ""}, {"Tile", by_place, ""},
    {"DepthToSpace", by_place, ""}, {"SpaceToDepth", by_place, ""}, {"Trilu", by_place, ""}, {"ReverseSequence", by_place, ""}, {"Compress", by_place, ""},
    {"Pad", by_place, "pad"},
    {"ScatterElements", by_scatter, "GatherElements"}, {"ScatterND", by_scatter, "GatherND"},
    {NULL, NULL, NULL},
};
