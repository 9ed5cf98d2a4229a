/* identity.c - nodes that give back what came in vanish: Identity, Cast to the type it is, Dropout in inference, Transpose that moves nothing,
 * Reshape, Expand, Slice, Pad, Tile and the like to the shape that is there; also chains of them that lead back (Unsqueeze after Squeeze,
 * a Transpose that undoes another).
 *
 * requires: types known (infer), newest versions. Equal shapes are equal dims: proved for all sizes.
 * keeps: names of graph outputs; where an output is an input or a constant of the graph, the node that copies it stays.
 * breaks: nothing; nodes inside a chain that nobody reads any more are left to dead. */
#include <string.h>

#include "ops/ops.h"
#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

enum { CHAIN = 16 }; /* nodes of a chain that are looked at, so that the pass is linear */

static bool one_of(const char *const *list, size_t count, const char *op)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i], op)) return true;
    return false;
}
#define ONE_OF(list, op) one_of(list, sizeof(list) / sizeof *(list), op)

/* Elements of an integer input, known as symbols. */
static bool all_elements(model *m, value_id id, bool (*good)(dims *d, dim x))
{
    const value *v = value_at(m, id);
    if (v->data) {
        const int64_t count = v->data->strings ? 0 : tensor_count(v->data);
        for (int64_t i = 0; i < count; i++)
            if (!good(m->dims, dim_const(m->dims, elem_get_int(v->data->type, v->data->data, (size_t)i)))) return false;
        return count > 0;
    }
    for (uint32_t i = 0; i < v->n_content; i++)
        if (!v->content[i] || !good(m->dims, v->content[i])) return false;
    return v->content != NULL;
}

static bool is_positive(dims *d, dim x)
{
    return dim_ge0(d, dim_addc(d, x, -1));
}

static bool is_zero(dims *d, dim x)
{
    return dim_is(d, x, 0);
}

/* Elements stay in their order in memory, whatever the shape. */
static bool keeps_order(const node *n)
{
    static const char *const VIEWS[] = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"};
    return !*n->domain && ONE_OF(VIEWS, n->op);
}

/* Operators that give input 0 back when the output has its type. */
static bool gives_back(rewrite *r, const node *n)
{
    static const char *const ALWAYS[] = {"Cast", "CastLike", "Expand", "Tile"};
    model *m = r->m;
    if (*n->domain) return false;
    if (keeps_order(n) || ONE_OF(ALWAYS, n->op)) return true;
    if (!strcmp(n->op, "Dropout")) {
        const value_id mask = n->n_out > 1 ? n->out[1] : 0;
        return !node_is_random(m, n) && (!mask || (!r->uses[mask] && !r->output[mask]));
    }
    if (!strcmp(n->op, "Slice")) return !node_in(n, 4) || all_elements(m, n->in[4], is_positive); /* forwards and nothing left out */
    if (!strcmp(n->op, "Pad")) return node_in(n, 1) && all_elements(m, n->in[1], is_zero);
    return false;
}

bool transpose_order(model *m, const node *n, uint32_t *order, uint32_t *rank)
{
    const type *t = &value_at(m, n->in[0])->type;
    if (!node_is(n, "", "Transpose") || t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > MAX_RANK) return false;
    *rank = (uint32_t)t->rank;
    uint32_t count;
    const int64_t *perm = node_ints(n, "perm", &count);
    if (perm && count != *rank) return false;
    for (uint32_t i = 0; i < *rank; i++) order[i] = perm ? (uint32_t)(perm[i] < 0 ? perm[i] + *rank : perm[i]) : *rank - 1 - i;
    return true;
}

/* The dimensions larger than 1 stay in their order. */
static bool moves_nothing(model *m, const type *t, const uint32_t *order, uint32_t rank)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (order[i] >= rank) return false;
        if (dim_is(m->dims, t->shape[order[i]], 1)) continue;
        if (order[i] < last) return false;
        last = order[i];
    }
    return true;
}

bool transpose_moves_nothing(model *m, const node *n)
{
    uint32_t order[MAX_RANK], rank;
    return transpose_order(m, n, order, &rank) && moves_nothing(m, &value_at(m, n->in[0])->type, order, rank);
}

/* A chain of Transposes back to a value that has the same elements in the same places; 0: there is none. */
static value_id undo_transpose(rewrite *r, const node *n)
{
    model *m = r->m;
    uint32_t order[MAX_RANK], rank, before[MAX_RANK], before_rank;
    const value_id out = n->out[0];
    if (!transpose_order(m, n, order, &rank)) return 0;
    for (uint32_t hop = 0; hop < CHAIN; hop++) {
        const value_id v = n->in[0];
        if (same_value_type(m, v, out) && moves_nothing(m, &value_at(m, v)->type, order, rank)) return v;
        const node_id above = value_at(m, v)->producer;
        if (!above) return 0;
        n = node_at(m, above);
        if (!transpose_order(m, n, before, &before_rank) || before_rank != rank) return 0;
        for (uint32_t i = 0; i < rank; i++) order[i] = order[i] < rank ? before[order[i]] : rank;
    }
    return 0;
}

/* A chain of nodes that only say another shape, back to a value of the output's shape; 0: there is none. */
static value_id undo_shape(rewrite *r, const node *n)
{
    const value_id out = n->out[0];
    for (uint32_t hop = 0; hop < CHAIN && keeps_order(n); hop++) {
        const value_id v = n->in[0];
        if (same_value_type(r->m, v, out)) return v;
        const node_id above = value_at(r->m, v)->producer;
        if (!above) return 0;
        n = node_at(r->m, above);
    }
    return 0;
}

/* Whatever the type. */
static bool is_plain_copy(const node *n)
{
    static const char *const LISTS[] = {"Concat", "Sum", "Max", "Min", "Mean"};
    return !*n->domain && (!strcmp(n->op, "Identity") || (n->n_in == 1 && ONE_OF(LISTS, n->op)));
}

static bool visit(rewrite *r, node_id id)
{
    model *m = r->m;
    const node *n = node_at(m, id);
    const value_id out = n->n_out ? n->out[0] : 0;
    if (!op_readable(n)) return false;
    if (!out || value_at(m, out)->data || !node_in(n, 0)) return false;
    value_id same = 0;
    if (is_plain_copy(n) || (gives_back(r, n) && same_value_type(m, n->in[0], out))) same = n->in[0];
    if (!same) same = keeps_order(n) ? undo_shape(r, n) : undo_transpose(r, n);
    return same && rewrite_alias(r, out, same);
}

void remove_identities(model *m)
{
    arena *scratch = arena_new();
    rewrite r = rewrite_new(m, scratch, NULL);
    rewrite_run(&r, visit, NULL);
    arena_free(scratch);
}
