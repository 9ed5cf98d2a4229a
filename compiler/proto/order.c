/* order.c - topological order of nodes by the names that they use, subgraphs included; see order.h. Depth first in file order, with a
 * stack of its own, so that an order that is nearly right changes little. */
#include "proto/order.h"

typedef struct {
    arena *a;
    names *interned;
    const scope *producers; /* name -> place of the node + 1 */
    VEC(uint32_t) needs;    /* of the node that is looked at: places of the nodes that it uses */
} reader;

static void need(reader *r, const char *name)
{
    const uint32_t place = *name ? scope_find_here(r->producers, intern(r->interned, name)) : 0;
    if (place) VEC_PUSH(r->a, r->needs, place - 1);
}

static void needs_of(reader *r, const Onnx__NodeProto *p);

static void needs_of_graph(reader *r, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) needs_of(r, g->node[i]);
    for (size_t i = 0; i < g->n_output; i++)
        if (g->output[i]->name) need(r, g->output[i]->name);
}

/* Adds what a node uses, also inside its subgraphs (nested no deeper than the prescan allows). */
static void needs_of(reader *r, const Onnx__NodeProto *p)
{
    for (size_t i = 0; i < p->n_input; i++) need(r, p->input[i]);
    for (size_t i = 0; i < p->n_attribute; i++) {
        const Onnx__AttributeProto *a = p->attribute[i];
        if (a->g) needs_of_graph(r, a->g);
        for (size_t k = 0; k < a->n_graphs; k++) needs_of_graph(r, a->graphs[k]);
    }
}

typedef struct {
    uint32_t node, next, end; /* the needs not looked at yet, in reader.needs */
} visit;

/* Depth-first order; false when there is a circle through *circle. */
static bool sort(reader *r, Onnx__NodeProto *const *list, uint32_t n, uint32_t *out, uint32_t *circle)
{
    enum { NEW, OPEN, DONE };
    uint8_t *state = ARENA_ARRAY(r->a, uint8_t, n);
    visit *stack = ARENA_ARRAY(r->a, visit, n);
    uint32_t depth = 0, placed = 0;
    for (uint32_t i = 0; i < n || depth;) {
        if (!depth) {
            if (state[i]) {
                i++;
                continue;
            }
            r->needs.n = 0;
            needs_of(r, list[i]);
            state[i] = OPEN;
            stack[depth++] = (visit){i, 0, r->needs.n};
        }
        visit *v = &stack[depth - 1];
        if (v->next == v->end) {
            state[v->node] = DONE;
            out[placed++] = v->node;
            depth--;
            r->needs.n = depth ? stack[depth - 1].end : 0;
            continue;
        }
        const uint32_t to = r->needs.p[v->next++];
        if (state[to] == OPEN && to != v->node) {
            *circle = to;
            return false;
        }
        if (state[to]) continue;
        needs_of(r, list[to]);
        state[to] = OPEN;
        stack[depth] = (visit){to, stack[depth - 1].end, r->needs.n};
        depth++;
    }
    return true;
}

const uint32_t *node_order(arena *a, names *interned, scope *producers, Onnx__NodeProto *const *list, uint32_t n, uint32_t *circle)
{
    reader r = {.a = a, .interned = interned, .producers = producers};
    *circle = n;
    scope_enter(producers);
    for (uint32_t i = 0; i < n; i++)
        for (size_t k = 0; k < list[i]->n_output; k++)
            if (*list[i]->output[k]) scope_define(producers, intern(interned, list[i]->output[k]), i + 1);
    bool sorted = true;
    for (uint32_t i = 0; i < n && sorted; i++) {
        r.needs.n = 0;
        needs_of(&r, list[i]);
        for (uint32_t k = 0; k < r.needs.n; k++) sorted &= r.needs.p[k] <= i;
    }
    uint32_t *out = sorted ? NULL : ARENA_ARRAY(a, uint32_t, n);
    if (!sorted && !sort(&r, list, n, out, circle)) out = NULL;
    scope_leave(producers);
    return out;
}
