/* sequence_append.c - loops whose number of turns the run decides, and that carry sequences; see sequence.h.
 *
 * Where all that a turn does with a carried sequence is to append one element, the loop gives that element for stacking, and the sequence is what stood
 * there before the loop and the stack. A sequence that every turn passes on as it is, is one from outside. */
#include <string.h>

#include "passes/forms.h"
#include "passes/rewrite.h"
#include "passes/sequence_impl.h"

static uint32_t uses_of(const model *m, value_id v)
{
    uint32_t n = 0;
    for (uint32_t i = 1; i < m->nodes.n; i++)
        for (uint32_t k = 0; !m->nodes.p[i].dead && k < m->nodes.p[i].n_in; k++) n += m->nodes.p[i].in[k] == v;
    for (uint32_t i = 1; i < m->graphs.n; i++)
        for (uint32_t k = 0; k < m->graphs.p[i]->outputs.n; k++) n += m->graphs.p[i]->outputs.p[k] == v;
    return n;
}

/* Behind nodes that pass a value on. */
value_id passed_on_by(model *m, value_id v)
{
    for (;;) {
        const node_id by = value_at(m, v)->producer;
        if (!by || !node_is(node_at(m, by), "", "Identity")) return v;
        v = node_in(node_at(m, by), 0);
    }
}

/* What a turn appends to carried value k; 0: it does something else. */
static value_id appended(model *m, const graph *body, uint32_t k)
{
    const value_id end = body->outputs.p[1 + k], v = passed_on_by(m, end);
    const node_id by = value_at(m, v)->producer;
    const node *n = by ? node_at(m, by) : NULL;
    if (!n || !node_is(n, "", "SequenceInsert") || node_in(n, 2) || graph_at(m, n->graph) != body) return 0;
    if (n->in[0] != body->inputs.p[2 + k] || uses_of(m, n->in[0]) != 1) return 0;
    for (value_id at = end; at != v; at = node_in(node_at(m, value_at(m, at)->producer), 0))
        if (uses_of(m, at) != 1) return 0;
    return uses_of(m, v) == 1 ? n->in[1] : 0;
}

static void remove_at(value_id *list, uint32_t *n, uint32_t k)
{
    memmove(list + k, list + k + 1, (*n - k - 1) * sizeof *list);
    (*n)--;
}

/* The loop no longer carries value k. */
void stop_carrying(spot *p, graph *body, uint32_t k)
{
    node *n = node_at(p->m, p->id);
    value_id *out = arena_copy(p->m->mem, n->out, (n->n_out + 1) * sizeof *out);
    uint32_t n_out = n->n_out;
    n->in = arena_copy(p->m->mem, n->in, n->n_in * sizeof *n->in);
    remove_at(n->in, &n->n_in, 2 + k);
    remove_at(body->inputs.p, &body->inputs.n, 2 + k);
    remove_at(body->outputs.p, &body->outputs.n, 1 + k);
    if (k < n_out) remove_at(out, &n_out, k);
    spot_outputs(p->m, p->id, n_out, out);
}

/* One more output of the loop: v of each turn. */
static value_id give_stacked(spot *p, graph *body, value_id v, const char *stem)
{
    node *n = node_at(p->m, p->id);
    const uint32_t most = body->outputs.n; /* without the condition, and with v */
    value_id *out = ARENA_ARRAY(p->m->mem, value_id, most + 1);
    memcpy(out, n->out, n->n_out * sizeof *out);
    VEC_PUSH(p->m->mem, body->outputs, v);
    out[most - 1] = value_new(p->m, arena_printf(p->m->mem, "%s.stack", stem));
    spot_outputs(p->m, p->id, most, out);
    return out[most - 1];
}

/* The stack behind what the sequence held before the loop. */
static value_id after(spot *p, const held *before, value_id stack)
{
    const attr axis = axis_attr(p, 0);
    if (!before->stack && !before->n) return stack;
    const uint32_t n = before->stack ? 1 : before->n;
    value_id *part = ARENA_ARRAY(p->m->mem, value_id, n + 1);
    if (before->stack) part[0] = before->stack;
    else memcpy(part, unsqueezed(p, before, 0), n * sizeof *part);
    part[n] = stack;
    p->i++; /* behind the loop */
    const value_id all = spot_insert(p, "Concat", &axis, n + 1, part, 0);
    p->i -= 2;
    return all;
}

resolution resolve_append(spot *p, graph_id id, uint32_t n_state)
{
    model *m = p->m;
    graph *body = graph_at(m, id);
    for (uint32_t k = 0; k < n_state; k++) {
        const held *h = held_by(p->s, p->n.in[2 + k]);
        if (h && (h->absent || !appended(m, body, k)) && passed_on_by(m, body->outputs.p[1 + k]) != body->inputs.p[2 + k]) return RESOLVE_LEAVES;
    }
    if (!*p->n.name) node_at(m, p->id)->name = p->n.name = value_at(m, p->n.n_out && p->n.out[0] ? p->n.out[0] : body->outputs.p[0])->name; /* for trip.NODE */
    const node was = p->n;
    for (uint32_t k = n_state; k-- > 0;) {
        const held *h = held_by(p->s, was.in[2 + k]);
        if (!h) continue;
        const value_id inner = body->inputs.p[2 + k], end = body->outputs.p[1 + k], out = k < was.n_out ? was.out[k] : 0;
        const value_id v = passed_on_by(m, end) == inner ? 0 : appended(m, body, k);
        const char *stem = value_at(m, out ? out : inner)->name;
        stop_carrying(p, body, k);
        if (!v) {
            hold(p->s, inner, *h);
            hold(p->s, out, *h);
            continue;
        }
        if (out) hold(p->s, out, (held){.stack = after(p, h, give_stacked(p, body, v, stem))});
        spot insert = *p;
        insert.g = id;
        insert.id = value_at(m, passed_on_by(m, end))->producer;
        for (insert.i = 0; body->nodes.p[insert.i] != insert.id;) insert.i++;
        hold(p->s, inner, (held){0}); /* nodes that pass it on have nobody left who reads it */
        spot_drop(&insert);
        hold(p->s, end, (held){0});
        hold(p->s, node_at(m, insert.id)->out[0], (held){0});
    }
    return RESOLVE_AGAIN;
}
