/* state.c - pass `state`: initial states of LSTM, GRU and RNN that are zero for all sizes are left out, which means zero.
 *
 *     LSTM(x, w, r, b, , Expand(0, [batch, 64]), ...)       LSTM(x, w, r, b)
 *
 * requires: constants known. keeps: every bit. breaks: nothing. */
#include <string.h>

#include "passes/forms.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

enum { DEPTH = 8 }; /* nodes between the state and what makes the zeros */

static bool zero_tensor(const tensor *t)
{
    if (!t || t->strings || !t->type || elem_of(t->type)->kind != 'f') return false;
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++)
        if (elem_get_double(t->type, t->data, (size_t)i) != 0) return false;
    return n > 0;
}

/* The node only moves or repeats elements of its first input. */
static bool moves_elements(const node *n)
{
    static const char *const OPS[] = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Slice", "Gather"};
    for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++)
        if (op_is(n, OPS[i])) return true;
    return false;
}

static bool is_zero(rewrite *r, value_id v, uint32_t depth)
{
    if (value_at(r->m, v)->data) return zero_tensor(constant_of(r->m, v));
    const node *n = depth ? rewrite_producer(r, v) : NULL;
    if (!n || n->n_out != 1) return false;
    if (op_is(n, "ConstantOfShape")) {
        const attr *a = node_attr(n, "value");
        return !a || (a->kind == ATTR_TENSOR && zero_tensor(a->u.t));
    }
    if (!op_is(n, "Concat")) return moves_elements(n) && is_zero(r, n->in[0], depth - 1);
    for (uint32_t i = 0; i < n->n_in; i++)
        if (!is_zero(r, n->in[i], depth - 1)) return false;
    return true;
}

static bool leave_out(rewrite *r, node_id id, bool *gone)
{
    enum { INITIAL_H = 5, INITIAL_C = 6 };
    (void)gone;
    bool changed = false;
    for (uint32_t i = INITIAL_H; i <= INITIAL_C && i < node_at(r->m, id)->n_in; i++) {
        if (!node_at(r->m, id)->in[i] || !is_zero(r, node_at(r->m, id)->in[i], DEPTH)) continue;
        rewrite_set_input(r, id, i, 0);
        changed = true;
    }
    node *n = node_at(r->m, id);
    while (changed && n->n_in > 3 && !n->in[n->n_in - 1]) n->n_in--;
    return changed;
}

static const rule_row RULES[] = {{"LSTM", leave_out}, {"GRU", leave_out}, {"RNN", leave_out}, {NULL, NULL}};

void drop_zero_states(model *m)
{
    rewrite_rules(m, RULES, NULL);
}
