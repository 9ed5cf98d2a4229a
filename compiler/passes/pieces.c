/* pieces.c - pass `pieces`: nodes that take tensors apart and put them together are merged with their like.
 *
 *     Slice(Slice(x))                   Slice(x)      when they cut different axes
 *     Squeeze(Slice(x, 3, 4))           Gather(x, 3)
 *     Concat(a, Concat(b, c))           Concat(a, b, c)
 *     Concat(Split(x))                  x             all parts, in order
 *     Add(Expand(x), y)                 Add(x, y)     any operator that broadcasts and gives the same shape without the Expand
 *
 * requires: types known. keeps: every bit. breaks: nothing. */
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

enum { MANY = 16, SLICE_INPUTS = 10 };

/* ---- Slice ---- */

typedef struct {
    const int64_t *starts, *ends, *axes, *steps;
    uint32_t n;
    int64_t own[4][MANY]; /* what is written anew */
} cut;

/* False when something is not constant. */
static bool read_cut(model *m, const node *n, cut *c)
{
    uint32_t n_ends, n_axes, n_steps;
    if (!list_param(m, n, "starts", 1, &c->starts, &c->n) || !list_param(m, n, "ends", 2, &c->ends, &n_ends)) return false;
    if (!list_param(m, n, "axes", 3, &c->axes, &n_axes) || !list_param(m, n, "steps", 4, &c->steps, &n_steps)) return false;
    if (!c->starts || !c->ends || n_ends != c->n || c->n > MANY || (c->axes && n_axes != c->n) || (c->steps && n_steps != c->n)) return false;
    return true;
}

static bool add_cut(const cut *from, int32_t rank, uint8_t *taken, cut *all)
{
    for (uint32_t i = 0; i < from->n; i++) {
        const int64_t axis = from->axes ? from->axes[i] : i, at = axis < 0 ? axis + rank : axis;
        if (at < 0 || at >= rank || taken[at] || all->n == MANY) return false;
        taken[at] = 1;
        all->own[0][all->n] = from->starts[i];
        all->own[1][all->n] = from->ends[i];
        all->own[2][all->n] = at;
        all->own[3][all->n++] = from->steps ? from->steps[i] : 1;
    }
    return true;
}

static bool join_slices(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id), *first = rewrite_producer_is(r, n->in[0], "Slice");
    if (!first || !rewrite_only_use(r, n->in[0])) return false;
    const type *t = &value_at(m, n->out[0])->type;
    cut a, b, all = {0};
    uint8_t taken[MANY] = {0};
    if (t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > MANY || !read_cut(m, first, &a) || !read_cut(m, n, &b)) return false;
    if (!add_cut(&a, t->rank, taken, &all) || !add_cut(&b, t->rank, taken, &all)) return false;
    static const char *const NAME[] = {"starts", "ends", "axes", "steps"};
    const bool steps = n->version >= SLICE_INPUTS;
    rewrite_set_input(r, id, 0, first->in[0]);
    for (uint32_t i = 0; i < (steps ? 4 : 3); i++) set_list_param(m, id, NAME[i], i + 1, SLICE_INPUTS, all.n, all.own[i]);
    return true;
}

/* One element of one axis: its index, from the front or the end. */
static bool one_element(const cut *c, int64_t *index)
{
    if (c->n != 1 || (c->steps && c->steps[0] != 1)) return false;
    *index = c->starts[0];
    if (*index == -1) return c->ends[0] >= INT32_MAX;
    return c->ends[0] == *index + 1;
}

static bool slice_one(rewrite *r, node_id id, bool *gone)
{
    enum { FROM_THE_END = 11 };
    (void)gone;
    model *m = r->m;
    const node n = *node_at(m, id), *slice = rewrite_producer_is(r, n.in[0], "Slice");
    if (!slice || !rewrite_only_use(r, n.in[0])) return false;
    const type *t = &value_at(m, n.in[0])->type;
    const int64_t *axes;
    uint32_t count;
    int64_t index;
    cut c;
    if (t->kind != TYPE_TENSOR || t->rank < 1 || !read_cut(m, slice, &c) || !one_element(&c, &index)) return false;
    if (!list_param(m, &n, "axes", 1, &axes, &count) || !axes || count != 1) return false;
    const int64_t cut_axis = c.axes ? c.axes[0] : 0, at = cut_axis < 0 ? cut_axis + t->rank : cut_axis;
    if ((axes[0] < 0 ? axes[0] + t->rank : axes[0]) != at || !op_has(m, "Gather", index < 0 ? FROM_THE_END : 1)) return false;
    tensor *scalar = tensor_new(m->mem, ELEM_INT64, 0, NULL);
    elem_set_int(ELEM_INT64, (void *)(uintptr_t)scalar->data, 0, index);
    const value_id x = slice->in[0], which = new_constant(m, value_at(m, n.out[0])->name, "index", scalar);
    (void)rewrite_becomes(r, id, "", "Gather", 2, (const value_id[]){x, which});
    if (at) set_attr_int(m, id, "axis", at);
    return true;
}

/* ---- Concat and Split ---- */

static int64_t axis_of(model *m, const node *n, int64_t otherwise)
{
    const type *t = &value_at(m, n->out[0])->type;
    const int64_t axis = node_int(n, "axis", otherwise);
    return axis < 0 && t->kind == TYPE_TENSOR && t->rank >= 0 ? axis + t->rank : axis;
}

static bool flatten_concat(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node n = *node_at(m, id);
    for (uint32_t i = 0; i < n.n_in; i++) {
        const node *inner = rewrite_producer_is(r, n.in[i], "Concat");
        if (!inner || !rewrite_only_use(r, n.in[i]) || axis_of(m, inner, 1) != axis_of(m, &n, 1)) continue;
        const uint32_t count = n.n_in - 1 + inner->n_in;
        value_id *in = ARENA_ARRAY(r->mem, value_id, count);
        memcpy(in, n.in, i * sizeof *in);
        memcpy(in + i, inner->in, inner->n_in * sizeof *in);
        memcpy(in + i + inner->n_in, n.in + i + 1, (n.n_in - i - 1) * sizeof *in);
        const int64_t axis = node_int(&n, "axis", 1);
        (void)rewrite_becomes(r, id, "", "Concat", count, in);
        set_attr_int(m, id, "axis", axis);
        return true;
    }
    return false;
}

static bool undo_split(rewrite *r, node_id id, bool *gone)
{
    model *m = r->m;
    const node *n = node_at(m, id), *split = rewrite_producer_is(r, n->in[0], "Split");
    if (!split || split->n_out != n->n_in || axis_of(m, split, 0) != axis_of(m, n, 1)) return false;
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != split->out[i]) return false;
    if (!same_value_type(m, split->in[0], n->out[0])) return false;
    *gone = rewrite_alias(r, n->out[0], split->in[0]);
    return *gone;
}

/* ---- Expand ---- */

static bool broadcasts(const node *n)
{
    static const char *const OPS[] = {
        "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Where", "Max", "Min"};
    for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++)
        if (op_is(n, OPS[i])) return true;
    return false;
}

/* Dimension i of `rank`, counted as broadcasting does; 0: there is none. */
static dim aligned(const type *t, int32_t rank, int32_t i)
{
    return i - rank + t->rank >= 0 ? t->shape[i - rank + t->rank] : 0;
}

/* Whether the operands give the node's shape when operand k is `v` instead: every dimension comes from some operand as it is. */
static bool same_shape_with(model *m, const node *n, uint32_t k, value_id v)
{
    const type *out = &value_at(m, n->out[0])->type;
    if (out->kind != TYPE_TENSOR || out->rank < 0) return false;
    for (int32_t i = 0; i < out->rank; i++) {
        bool found = dim_is(m->dims, out->shape[i], 1);
        for (uint32_t j = 0; j < n->n_in; j++) {
            const type *t = &value_at(m, j == k ? v : n->in[j])->type;
            if (t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > out->rank) return false;
            found |= aligned(t, out->rank, i) == out->shape[i];
        }
        if (!found) return false;
    }
    return true;
}

static bool skip_expand(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node *n = node_at(m, id);
    if (!broadcasts(n)) return false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const node *expand = rewrite_producer_is(r, n->in[i], "Expand");
        if (!expand || !same_shape_with(m, n, i, expand->in[0])) continue;
        rewrite_set_input(r, id, i, expand->in[0]);
        return true;
    }
    return false;
}

static const rule_row RULES[] = {{"Slice", join_slices},     {"Squeeze", slice_one}, {"Concat", undo_split},
                                 {"Concat", flatten_concat}, {NULL, skip_expand},    {NULL, NULL}};

void merge_pieces(model *m)
{
    rewrite_rules(m, RULES, NULL);
}
