/* sequence_control.c - If, Loop and SequenceMap around sequences and optionals; see sequence.h.
 *
 * A loop whose number of turns is known becomes its turns, one after the other: the copy of the body for a turn stands before the loop, which is looked at
 * again when the copy is inferred, since only then it is known whether another turn follows. */
#include <string.h>

#include "passes/forms.h"
#include "passes/inline.h"
#include "passes/sequence_impl.h"

enum { MOST_TURNS = 4096, FREE_TURNS = 64 /* of a loop that carries no sequence: it may stay a loop */ };

static graph_id body_of(const node *n, const char *name)
{
    const attr *a = node_attr(n, name);
    return a && a->kind == ATTR_GRAPH ? a->u.g : 0;
}

/* Does anything in the graph, or in graphs inside it, deal with sequences or optionals? */
static bool graph_speaks(const spot *p, graph_id id)
{
    const graph *g = graph_at(p->m, id);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (held_by(p->s, g->outputs.p[i])) return true;
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(p->m, g->nodes.p[i]);
        if (speaks_of_sequences(n)) return true;
        for (uint32_t k = 0; k < n->n_in; k++)
            if (held_by(p->s, n->in[k])) return true;
        for (uint32_t k = 0; k < n->n_attr; k++)
            if (n->attr[k].kind == ATTR_GRAPH && graph_speaks(p, n->attr[k].u.g)) return true;
    }
    return false;
}

/* ---- If ---- */

/* Where the condition is known, the branch stands in place of the node. */
resolution resolve_If(spot *p)
{
    const graph_id then = body_of(&p->n, "then_branch"), otherwise = body_of(&p->n, "else_branch");
    int64_t condition;
    if (!then || !otherwise || !known_int(p->m, node_in(&p->n, 0), &condition)) return RESOLVE_LEAVES;
    const graph_id taken = condition ? then : otherwise;
    if (!graph_speaks(p, taken)) return RESOLVE_LEAVES;
    node call = p->n;
    call.n_in = 0;
    if (graph_at(p->m, taken)->outputs.n < call.n_out) return spot_error(p, "subgraph-outputs", "a branch has too few outputs");
    spot_drop(p);
    return inline_body(p->m, taken, &call, *call.name ? call.name : "if", p->i) ? RESOLVE_AGAIN : RESOLVE_FAILED;
}

/* What a branch gives, with a tensor as what an optional holds. */
static held given_by(const spot *p, value_id *v)
{
    const held *h = held_by(p->s, *v);
    return h ? *h : (held){.n = 1, .item = v, .single = true};
}

/* What stands for the content of an optional that is empty: zeros in the shape of the other branch's. */
static bool fill(spot *p, held *to, const held *like)
{
    value_id *item = ARENA_ARRAY(p->m->mem, value_id, like->n);
    for (uint32_t i = 0; i < like->n; i++)
        if (!(item[i] = zeros_like(p, like->item[i]))) return false;
    *to = *like;
    to->item = item;
    if (like->stack && !(to->stack = stack_in(p, &(held){0}, like, 0))) return false;
    return true;
}

/* Whether it is there: a constant, or what decided it in the branch. */
static value_id presence(spot *p, const held *h)
{
    return h->present ? h->present : spot_bool(p, h->absent ? "empty" : "full", !h->absent);
}

static void push_three(spot *p, value_list to[3], value_id out, value_id a, value_id b)
{
    VEC_PUSH(p->m->mem, to[0], out);
    VEC_PUSH(p->m->mem, to[1], a);
    VEC_PUSH(p->m->mem, to[2], b);
}

/* Output k of the If at the end of the three lists: a tensor; two lists of the same length as tensors, others as a stack; the presence of an optional where the
 * branches differ in it. */
static bool widen_output(spot *p, uint32_t k, graph_id then, graph_id otherwise, value_list to[3])
{
    model *m = p->m;
    value_id a = graph_at(m, then)->outputs.p[k], b = graph_at(m, otherwise)->outputs.p[k];
    const value_id out = p->n.out[k];
    const char *stem = out ? value_at(m, out)->name : "if";
    held x = given_by(p, &a), y = given_by(p, &b), h = {0};
    if (x.absent && y.absent) {
        hold(p->s, out, x);
        return true;
    }
    const bool decided = x.absent || y.absent || x.present || y.present;
    if (!decided && x.single && y.single) {
        push_three(p, to, out, a, b);
        return true;
    }
    if (decided) {
        h.present = value_new(m, arena_printf(m->mem, "%s.flag", stem));
        push_three(p, to, h.present, presence(p, &x), presence(p, &y));
    }
    if (x.absent ? !fill(p, &x, &y) : y.absent && !fill(p, &y, &x)) return false;
    h.single = x.single;
    if (x.single != y.single) {
        spot_error(p, "type-kind", "one branch gives a tensor for output %u, the other a sequence", k);
        return false;
    }
    if (x.stack || y.stack || x.n != y.n) {
        const value_id first = stack_in(p, &x, &y, then), second = stack_in(p, &y, &x, otherwise);
        h.stack = value_new(m, arena_printf(m->mem, "%s.stack", stem));
        push_three(p, to, h.stack, first, second);
        hold(p->s, out, h);
        return first && second;
    }
    value_id *item = ARENA_ARRAY(m->mem, value_id, x.n);
    for (uint32_t i = 0; i < x.n; i++) push_three(p, to, item[i] = spot_value(p, stem, i), x.item[i], y.item[i]);
    h.n = x.n;
    h.item = item;
    hold(p->s, out, h);
    return true;
}

bool resolve_branches(void *ctx, node_id id, graph_id then, graph_id otherwise)
{
    sequences *s = ctx;
    model *m = s->m;
    spot p = {s, m, node_at(m, id)->graph, 0, id, *node_at(m, id)};
    graph *a = graph_at(m, then), *b = graph_at(m, otherwise);
    bool any = false;
    if (a->outputs.n < p.n.n_out || b->outputs.n < p.n.n_out) return true; /* reported by inference */
    for (uint32_t k = 0; k < p.n.n_out; k++) any |= held_by(s, a->outputs.p[k]) || held_by(s, b->outputs.p[k]);
    if (!any) return true;
    value_list to[3] = {0};
    if (!*p.n.name && p.n.out[0]) node_at(m, id)->name = p.n.name = value_at(m, p.n.out[0])->name; /* for if.NODE */
    for (uint32_t k = 0; k < p.n.n_out; k++)
        if (!widen_output(&p, k, then, otherwise, to)) return false;
    spot_outputs(m, id, to[0].n, to[0].p);
    a->outputs.n = b->outputs.n = 0;
    for (uint32_t k = 0; k < to[1].n; k++) {
        VEC_PUSH(m->mem, a->outputs, to[1].p[k]);
        VEC_PUSH(m->mem, b->outputs, to[2].p[k]);
    }
    return true;
}

/* ---- Loop: inputs trip count, condition, carried...; body outputs condition, carried..., values to stack... ---- */

static unrolled *turns_of(spot *p)
{
    for (uint32_t k = 0; k < p->s->loops.n; k++)
        if (p->s->loops.p[k].loop == p->id) return &p->s->loops.p[k];
    return NULL;
}

static unrolled *first_turn(spot *p)
{
    VEC_PUSH(p->m->mem, p->s->loops, ((unrolled){p->id, 0, NULL}));
    unrolled *u = &p->s->loops.p[p->s->loops.n - 1];
    u->stacked = ARENA_ARRAY(p->m->mem, value_list, p->n.n_out + 1);
    return u;
}

/* What all turns gave for output k, along a new first axis. */
static bool stack_turns(spot *p, const unrolled *u, uint32_t k)
{
    model *m = p->m;
    const uint32_t n = u->stacked[k].n;
    const attr axis = {.name = intern(m->names, "axis"), .kind = ATTR_INT, .u.i = 0};
    if (!n) {
        spot_unsupported(p, "loop-empty", "a loop that never runs has nothing to stack for output %u", k);
        return false;
    }
    value_id *part = ARENA_ARRAY(m->mem, value_id, n);
    const value_id axes = new_ints(m, value_at(m, p->n.out[k])->name, "axes", 1, (const int64_t[]){0});
    for (uint32_t i = 0; i < n; i++) part[i] = spot_insert(p, "Unsqueeze", NULL, 2, (const value_id[]){u->stacked[k].p[i], axes}, 0);
    (void)spot_insert(p, "Concat", &axis, n, part, p->n.out[k]);
    return true;
}

/* No turn is left: the loop gives what it would be given for the next. */
static resolution end_loop(spot *p, const unrolled *u, uint32_t n_state)
{
    const uint32_t before = p->i;
    for (uint32_t k = 0; k < p->n.n_out; k++) {
        const value_id out = p->n.out[k];
        if (!out) continue;
        if (k >= n_state) {
            if (!stack_turns(p, u, k)) return RESOLVE_FAILED;
            continue;
        }
        const held *h = held_by(p->s, p->n.in[2 + k]);
        if (h) hold(p->s, out, *h);
        else (void)spot_insert(p, "Identity", NULL, 1, &p->n.in[2 + k], out);
    }
    spot_drop(p);
    p->i = before;
    return RESOLVE_AGAIN;
}

/* One turn before the loop, which goes on from there. */
static resolution one_turn(spot *p, unrolled *u, graph_id body, uint32_t n_state)
{
    model *m = p->m;
    const uint32_t n_body = graph_at(m, body)->outputs.n;
    const char *prefix = arena_printf(m->mem, "%s.%lld", *p->n.name ? p->n.name : "loop", (long long)u->turn);
    node call = p->n;
    call.n_in = n_state + 2;
    call.in = ARENA_ARRAY(m->mem, value_id, call.n_in);
    call.n_out = n_body;
    call.out = ARENA_ARRAY(m->mem, value_id, n_body);
    call.in[0] = spot_int(p, "turn", u->turn);
    call.in[1] = node_in(&p->n, 1) ? p->n.in[1] : spot_bool(p, "go", true);
    for (uint32_t k = 0; k < n_state; k++) call.in[2 + k] = p->n.in[2 + k];
    for (uint32_t k = 0; k < n_body; k++) call.out[k] = spot_value(p, prefix, k);
    value_id *next = arena_copy(m->mem, p->n.in, p->n.n_in * sizeof *next);
    next[1] = call.out[0];
    for (uint32_t k = 0; k < n_state; k++) next[2 + k] = call.out[1 + k];
    for (uint32_t k = n_state; k + 1 < n_body && k < p->n.n_out; k++) VEC_PUSH(m->mem, u->stacked[k], call.out[k + 1]);
    u->turn++;
    if (!inline_body(m, body, &call, prefix, p->i)) return RESOLVE_FAILED;
    node_at(m, p->id)->in = next;
    return RESOLVE_AGAIN;
}

/* Turns can't be written down one after the other. */
static resolution give_up(spot *p, resolution r)
{
    diag_hint(p->m->diag, "--dim length.%s=..N says how long the sequences get that it carries: then it stays a loop", p->n.name);
    return r;
}

resolution resolve_Loop(spot *p)
{
    model *m = p->m;
    const graph_id body = body_of(&p->n, "body");
    const uint32_t n_state = p->n.n_in > 2 ? p->n.n_in - 2 : 0;
    unrolled *u = turns_of(p);
    bool carries = u != NULL;
    int64_t trip = INT64_MAX, go = 1;
    if (!body || p->n.n_in < 2 || graph_at(m, body)->inputs.n != n_state + 2 || graph_at(m, body)->outputs.n < n_state + 1 ||
        graph_at(m, body)->outputs.n < p->n.n_out + 1)
        return RESOLVE_LEAVES;
    for (uint32_t k = 0; k < p->s->kept.n; k++)
        if (p->s->kept.p[k] == p->id) return RESOLVE_LEAVES;
    for (uint32_t k = 0; k < n_state; k++) carries |= held_by(p->s, p->n.in[2 + k]) != NULL;
    if (!carries && !graph_speaks(p, body)) return RESOLVE_LEAVES;
    const bool counted = !node_in(&p->n, 0) || known_int(m, p->n.in[0], &trip);
    const bool known = counted && (!node_in(&p->n, 1) || known_int(m, p->n.in[1], &go));
    if (!carries && (!known || trip > FREE_TURNS)) return RESOLVE_LEAVES;
    if (carries && !u && (!known || trip > FREE_TURNS)) {
        const resolution r = resolve_append(p, body, n_state);
        if (r != RESOLVE_LEAVES) return r;
    }
    if (!known && m->diag->errors) return RESOLVE_FAILED;
    const bool few = trip <= FREE_TURNS && passed_on_by(m, graph_at(m, body)->outputs.p[0]) == graph_at(m, body)->inputs.p[1];
    if (!u && (!known || (!few && carries_rows(p, body)))) return resolve_carried(p, body, n_state);
    if (!known) return give_up(p, spot_unsupported(p, "sequence-unknown", "the loop works on sequences, and whether it goes on after a turn is not known when the model is compiled"));
    if (!u) u = first_turn(p);
    if (!go || u->turn >= trip) return end_loop(p, u, n_state);
    if (u->turn >= MOST_TURNS) return give_up(p, spot_unsupported(p, "sequence-long", "the loop works on sequences and has more than %d turns", MOST_TURNS));
    return one_turn(p, u, body, n_state);
}

/* ---- SequenceMap: a copy of the body for each element ---- */

/* Over stacks it is a Scan: tensors that are the same for all elements are read from outside. */
static resolution scan_stacks(spot *p, graph_id body)
{
    model *m = p->m;
    graph *g = graph_at(m, body);
    spot front = *p;
    value_id *in = ARENA_ARRAY(m->mem, value_id, p->n.n_in);
    uint32_t n_in = 0;
    front.g = body;
    front.i = 0;
    for (uint32_t k = 0; k < p->n.n_in; k++) {
        const held *h = held_by(p->s, p->n.in[k]);
        if (!h) {
            (void)spot_insert(&front, "Identity", NULL, 1, &p->n.in[k], g->inputs.p[k]);
            continue;
        }
        if (!h->stack || h->present || (n_in && value_at(m, h->stack)->type.shape[0] != value_at(m, in[0])->type.shape[0]))
            return spot_unsupported(p, "sequence-unknown", "sequences of which the run decides the lengths, which may differ");
        if (!stack_alike(p, h)) return RESOLVE_FAILED;
        g->inputs.p[n_in] = g->inputs.p[k];
        in[n_in++] = h->stack;
    }
    g->inputs.n = n_in;
    const attr bodies = *node_attr(&p->n, "body");
    value_id *out = ARENA_ARRAY(m->mem, value_id, p->n.n_out + 1);
    for (uint32_t k = 0; k < p->n.n_out; k++) {
        if (!p->n.out[k]) continue;
        out[k] = value_new(m, arena_printf(m->mem, "%s.stack", value_at(m, p->n.out[k])->name));
        hold(p->s, p->n.out[k], (held){.stack = out[k]});
    }
    spot_becomes(p, "Scan", &bodies, n_in, in);
    node_set_attr(m, node_at(m, p->id), (attr){.name = intern(m->names, "num_scan_inputs"), .kind = ATTR_INT, .u.i = n_in});
    spot_outputs(m, p->id, p->n.n_out, out);
    return RESOLVE_AGAIN;
}

resolution resolve_SequenceMap(spot *p)
{
    model *m = p->m;
    const graph_id body = body_of(&p->n, "body");
    const held *first = held_by(p->s, node_in(&p->n, 0));
    if (!first || first->absent)
        return m->diag->errors ? RESOLVE_FAILED : spot_unsupported(p, "sequence-unknown", "the length of the sequence is not known when the model is compiled");
    if (!body || graph_at(m, body)->inputs.n != p->n.n_in || graph_at(m, body)->outputs.n < p->n.n_out)
        return spot_error(p, "subgraph-inputs", "the body does not fit the inputs and outputs");
    if (first->stack) return scan_stacks(p, body);
    for (uint32_t k = 1; k < p->n.n_in; k++) {
        const held *h = held_by(p->s, p->n.in[k]);
        if (h && h->stack) return spot_unsupported(p, "sequence-unknown", "the length of a sequence is not known when the model is compiled");
        if (h && h->n != first->n) return spot_error(p, "sequence-length", "the sequences '%s' and '%s' have %u and %u elements", value_at(m, p->n.in[0])->name, value_at(m, p->n.in[k])->name, first->n, h->n);
    }
    const node n = p->n;
    value_id **item = ARENA_ARRAY(m->mem, value_id *, n.n_out + 1);
    for (uint32_t k = 0; k < n.n_out; k++) {
        item[k] = ARENA_ARRAY(m->mem, value_id, first->n);
        for (uint32_t i = 0; i < first->n; i++) item[k][i] = spot_value(p, n.out[k] ? value_at(m, n.out[k])->name : "map", i);
        if (n.out[k]) hold_items(p->s, n.out[k], first->n, item[k]);
    }
    spot_drop(p);
    for (uint32_t i = first->n; i-- > 0;) { /* each copy before the last one */
        node call = n;
        call.in = ARENA_ARRAY(m->mem, value_id, n.n_in);
        call.out = ARENA_ARRAY(m->mem, value_id, n.n_out);
        for (uint32_t k = 0; k < n.n_in; k++) call.in[k] = held_by(p->s, n.in[k]) ? held_by(p->s, n.in[k])->item[i] : n.in[k];
        for (uint32_t k = 0; k < n.n_out; k++) call.out[k] = item[k][i];
        if (!inline_body(m, body, &call, arena_printf(m->mem, "%s.%u", *n.name ? n.name : "map", i), p->i)) return RESOLVE_FAILED;
    }
    return RESOLVE_AGAIN;
}
