/* sequence_stack.c - sequences whose length the run decides: elements of one shape along the first axis of a tensor; see sequence.h. */
#include <string.h>

#include "passes/forms.h"
#include "passes/rewrite.h"
#include "passes/sequence_impl.h"

value_id *unsqueezed(spot *p, const held *h, int64_t axis)
{
    value_id *part = ARENA_ARRAY(p->m->mem, value_id, h->n);
    for (uint32_t k = 0; k < h->n; k++) {
        const value_id in[2] = {h->item[k], new_ints(p->m, value_at(p->m, p->n.out[0])->name, "axes", 1, &axis)};
        part[k] = spot_insert(p, "Unsqueeze", NULL, 2, in, 0);
    }
    return part;
}

attr axis_attr(spot *p, int64_t axis)
{
    return (attr){.name = intern(p->m->names, "axis"), .kind = ATTR_INT, .u.i = axis};
}


typedef struct {
    model *m;
    bool moves;
} atom_search;

/* A size that is counted in a loop, or that data decides: perhaps another one in each turn. */
static void look_at_symbol(void *ctx, dim d)
{
    atom_search *s = ctx;
    if (dim_kind_of(s->m->dims, d) == DIM_SYMBOL) s->moves |= !strncmp(dim_name(s->m->dims, d), "turn.", 5) || is_decided(s->m, d);
}

static bool sizes_stay(model *m, const type *t, int32_t from)
{
    atom_search s = {m, false};
    for (int32_t k = from; k < t->rank; k++) dim_atoms(m->dims, t->shape[k], look_at_symbol, &s);
    return !s.moves;
}

bool stack_alike(spot *p, const held *h)
{
    if (tensor_type_known(p->m, h->stack) && sizes_stay(p->m, &value_at(p->m, h->stack)->type, 1)) return true;
    if (!p->m->diag->errors) {
        spot_unsupported(p, "sequence-unlike", "the run decides the length of the sequence, and its elements may differ in size");
        hint_value(p->m, h->stack); /* a trip count, for example: a loop with a known one is its turns */
    }
    return false;
}

resolution stack_at(spot *p, const held *h)
{
    const attr axis = axis_attr(p, 0);
    if (value_at(p->m, h->stack)->type.kind == TYPE_TENSOR && !stack_alike(p, h)) return RESOLVE_FAILED;
    return spot_becomes(p, "Gather", &axis, 2, (const value_id[]){h->stack, stack_position(p, 1)});
}

resolution stack_length(spot *p, const held *h)
{
    const value_id n = stack_count(p, h->stack);
    return spot_becomes(p, "Identity", NULL, 1, &n);
}

/* The stack with its axis `from` at place `to`. */
static value_id moved_axis(spot *p, value_id x, uint32_t rank, uint32_t from, uint32_t to)
{
    if (from == to) return x;
    int64_t *order = ARENA_ARRAY(p->m->mem, int64_t, rank);
    for (uint32_t k = 0, next = 0; k < rank; k++) {
        if (next == from) next++;
        order[k] = k == to ? from : next++;
    }
    const attr perm = {.name = intern(p->m->names, "perm"), .kind = ATTR_INTS, .n = rank, .u.ints = order};
    return spot_insert(p, "Transpose", &perm, 1, &x, 0);
}

/* Sizes [from, to) of the tensor. */
static value_id sizes_of(spot *p, value_id x, int64_t from, int64_t to)
{
    const value_id shape = spot_insert(p, "Shape", NULL, 1, &x, 0);
    node *n = node_at(p->m, value_at(p->m, shape)->producer);
    node_set_attr(p->m, n, (attr){.name = intern(p->m->names, "start"), .kind = ATTR_INT, .u.i = from});
    node_set_attr(p->m, n, (attr){.name = intern(p->m->names, "end"), .kind = ATTR_INT, .u.i = to});
    return shape;
}

resolution stack_concat(spot *p, const held *h)
{
    model *m = p->m;
    if (!stack_alike(p, h)) return RESOLVE_FAILED;
    const uint32_t rank = (uint32_t)value_at(m, h->stack)->type.rank;
    const bool fresh = node_int(&p->n, "new_axis", 0) != 0;
    const int64_t given = node_int(&p->n, "axis", 0), all = (int64_t)rank - !fresh, axis = given < 0 ? given + all : given;
    if (axis < 0 || axis >= all) return spot_error(p, "axis-range", "axis %lld of %lld dimensions", (long long)given, (long long)all);
    const value_id in_place = moved_axis(p, h->stack, rank, 0, (uint32_t)axis);
    if (fresh) return spot_becomes(p, "Identity", NULL, 1, &in_place);
    const attr first = axis_attr(p, 0);
    const value_id part[3] = {sizes_of(p, in_place, 0, axis), new_ints(m, value_at(m, p->n.out[0])->name, "rest", 1, (const int64_t[]){-1}),
                              sizes_of(p, in_place, axis + 2, rank)};
    const value_id shape = spot_insert(p, "Concat", &first, 3, part, 0);
    return spot_becomes(p, "Reshape", NULL, 2, (const value_id[]){in_place, shape});
}

/* The node's output is the sequence that lies in this tensor. */
static resolution gives_stack(spot *p, value_id stack)
{
    hold(p->s, p->n.out[0], (held){.stack = stack});
    return spot_drop(p);
}

value_id stack_of(spot *p, const held *h)
{
    const attr axis = axis_attr(p, 0);
    return spot_insert(p, "Concat", &axis, h->n, unsqueezed(p, h, 0), 0);
}

/* The element has the size of those in the stack: sizes that the run compares at its start may have two names, others may not. False after a report. */
static bool fits(spot *p, value_id stack, value_id element)
{
    model *m = p->m;
    if (!tensor_type_known(m, stack) || !tensor_type_known(m, element)) return true; /* inference reports it */
    const type *all = &value_at(m, stack)->type, *one = &value_at(m, element)->type;
    bool good = all->rank == one->rank + 1;
    const bool stay = sizes_stay(m, one, 0) && sizes_stay(m, all, 1);
    for (int32_t k = 0; good && k < one->rank; k++) {
        const dim a = one->shape[k], b = all->shape[k + 1];
        good = a == b || (stay && !(dim_is_const(m->dims, a, NULL) && dim_is_const(m->dims, b, NULL)));
    }
    if (good) return true;
    spot_unsupported(p, "sequence-unlike", "the run decides the length of the sequence, and '%s' may differ in size from its elements", value_at(m, element)->name);
    return false;
}

resolution stack_insert(spot *p, const held *h)
{
    int64_t at = -1;
    const bool end = !node_in(&p->n, 2), front = !end && known_int(p->m, p->n.in[2], &at) && !at;
    if (value_at(p->m, h->stack)->type.kind == TYPE_TENSOR && (!stack_alike(p, h) || !fits(p, h->stack, p->n.in[1]))) return RESOLVE_FAILED;
    if (!end && !front) return gives_stack(p, stack_with(p, h->stack, p->n.in[1], stack_position(p, 2)));
    const attr axis = axis_attr(p, 0);
    const held one = {.n = 1, .item = &p->n.in[1]};
    const value_id part = unsqueezed(p, &one, 0)[0];
    const value_id order[2] = {front ? part : h->stack, front ? h->stack : part};
    return gives_stack(p, spot_insert(p, "Concat", &axis, 2, order, 0));
}

resolution stack_erase(spot *p, const held *h)
{
    int64_t at = -1;
    const bool known = !node_in(&p->n, 1) || known_int(p->m, p->n.in[1], &at);
    if (!known || (at && at != -1)) return gives_stack(p, stack_without(p, h->stack, stack_position(p, 1)));
    const char *name = value_at(p->m, p->n.out[0])->name;
    const value_id in[4] = {h->stack, new_ints(p->m, name, "start", 1, (const int64_t[]){at ? 0 : 1}),
                            new_ints(p->m, name, "end", 1, (const int64_t[]){at ? -1 : INT64_MAX}), new_ints(p->m, name, "axes", 1, (const int64_t[]){0})};
    return gives_stack(p, spot_insert(p, "Slice", NULL, 4, in, 0));
}

resolution stack_split(spot *p, value_id x, int64_t axis, bool keep)
{
    const uint32_t rank = (uint32_t)value_at(p->m, x)->type.rank;
    value_id stack = moved_axis(p, x, rank, (uint32_t)axis, 0);
    if (keep) stack = spot_insert(p, "Unsqueeze", NULL, 2, (const value_id[]){stack, new_ints(p->m, value_at(p->m, p->n.out[0])->name, "axes", 1, (const int64_t[]){axis + 1})}, 0);
    return gives_stack(p, stack);
}

/* The sizes from dimension `from` on, all of them numbers. */
static bool numbers_from(model *m, const type *t, int32_t from, int64_t *out)
{
    for (int32_t k = from; k < t->rank; k++)
        if (!dim_is_const(m->dims, t->shape[k], &out[k - from])) return false;
    return true;
}

/* An empty stack of such elements, a constant or in graph g. */
static value_id empty_stack(spot *p, const held *like, graph_id g)
{
    int64_t shape[MAX_RANK + 1] = {0};
    const int32_t from = like->stack != 0; /* the element's first dimension */
    const bool known = like->stack || like->n;
    const type *t = known ? &value_at(p->m, like->stack ? like->stack : like->item[0])->type : NULL;
    if (!t || t->kind != TYPE_TENSOR || t->rank < 0 || t->rank - from >= MAX_RANK) t = NULL;
    if (t && t->elem != ELEM_STRING && numbers_from(p->m, t, from, shape + 1))
        return new_constant(p->m, *p->n.name ? p->n.name : p->n.op, "empty", tensor_new(p->m->mem, t->elem, (uint32_t)(t->rank - from) + 1, shape));
    if (t && g && sizes_stay(p->m, t, from)) {
        type of = *t;
        of.rank -= from;
        of.shape += from;
        spot end = *p;
        end.g = g;
        end.i = graph_at(p->m, g)->nodes.n;
        return rows_like(&end, &of, dim_const(p->m->dims, 0));
    }
    spot_unsupported(p, "sequence-unknown", "one branch gives an empty sequence, and the run decides which is taken");
    return 0;
}

value_id zeros_like(spot *p, value_id v)
{
    int64_t shape[MAX_RANK];
    const type *t = &value_at(p->m, v)->type;
    if (t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > MAX_RANK || t->elem == ELEM_STRING || !numbers_from(p->m, t, 0, shape)) {
        spot_unsupported(p, "optional-unknown", "the run decides whether the optional holds something, and its size is not known when the model is compiled");
        return 0;
    }
    return new_constant(p->m, *p->n.name ? p->n.name : p->n.op, "zeros", tensor_new(p->m->mem, t->elem, (uint32_t)t->rank, shape));
}

value_id stack_in(spot *p, const held *h, const held *other, graph_id g)
{
    model *m = p->m;
    if (h->stack) return h->stack;
    if (!h->n) return empty_stack(p, other, g);
    for (uint32_t k = 1; k < h->n; k++)
        if (!same_value_type(m, h->item[0], h->item[k])) {
            spot_unsupported(p, "sequence-unlike", "the branches give sequences of different lengths, the elements differ in size, and the run decides which is taken");
            return 0;
        }
    spot end = *p;
    end.g = g;
    end.i = graph_at(m, g)->nodes.n;
    const uint32_t first = end.i;
    const attr axis = axis_attr(p, 0);
    const value_id all = spot_insert(&end, "Concat", &axis, h->n, unsqueezed(&end, h, 0), 0);
    for (uint32_t i = first; i < graph_at(m, g)->nodes.n; i++)
        if (!infer_node(m, graph_at(m, g)->nodes.p[i])) return 0;
    return all;
}
