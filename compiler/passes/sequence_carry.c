/* sequence_carry.c - loops whose number of turns the run decides, and that change the length of a sequence in other ways than by appending to it; see
 * sequence.h.
 *
 * The loop carries the elements in a tensor with room for the most of them (`--dim length.LOOP=..N`), and how many there are. In a turn the sequence is the
 * stack of the first ones (onnxcc.Front), and what it has become goes back (onnxcc.Rows). Elements have one size. Of a sequence that is empty before the
 * loop, a copy of the first turn says what its elements are; nothing reads what it computes. */
#include <string.h>

#include "passes/forms.h"
#include "passes/inline.h"
#include "passes/rewrite.h"
#include "passes/sequence_impl.h"

/* ---- what elements are ---- */

static bool is_changed(spot *p, const graph *body, uint32_t k)
{
    return held_by(p->s, p->n.in[2 + k]) && passed_on_by(p->m, body->outputs.p[1 + k]) != body->inputs.p[2 + k];
}

/* The type of an element. False after a report: they differ. */
static bool element_of(spot *p, const held *h, type *out)
{
    if (h->stack && !stack_alike(p, h)) return false;
    *out = value_at(p->m, h->stack ? h->stack : h->item[0])->type;
    for (uint32_t k = 1; k < h->n; k++)
        if (!same_value_type(p->m, h->item[0], h->item[k])) {
            spot_unsupported(p, "sequence-unlike", "the run decides the length of the sequence, and its elements differ in size");
            return false;
        }
    if (h->stack) {
        out->rank--;
        out->shape++;
    }
    return true;
}

static probe *probe_of(spot *p)
{
    for (uint32_t i = 0; i < p->s->probes.n; i++)
        if (p->s->probes.p[i].loop == p->id) return &p->s->probes.p[i];
    return NULL;
}

/* A copy of the first turn before the loop. */
static resolution first_turn(spot *p, graph_id body, uint32_t n_state)
{
    model *m = p->m;
    const char *prefix = arena_printf(m->mem, "%s.first", p->n.name);
    node call = p->n;
    call.n_in = n_state + 2;
    call.in = arena_copy(m->mem, p->n.in, call.n_in * sizeof *call.in);
    call.in[0] = spot_int(p, "turn", 0);
    if (!call.in[1]) call.in[1] = spot_bool(p, "go", true);
    call.n_out = graph_at(m, body)->outputs.n;
    call.out = ARENA_ARRAY(m->mem, value_id, call.n_out);
    for (uint32_t k = 0; k < call.n_out; k++) call.out[k] = spot_value(p, prefix, k);
    VEC_PUSH(m->mem, p->s->probes, ((probe){p->id, call.out}));
    return inline_body(m, body, &call, prefix, p->i) ? RESOLVE_AGAIN : RESOLVE_FAILED;
}

/* RESOLVE_LEAVES: the type is known. */
static resolution find_element(spot *p, graph_id body, uint32_t n_state, uint32_t k, type *out)
{
    const held *h = held_by(p->s, p->n.in[2 + k]);
    if (h->absent || h->present || h->map || h->maps) return spot_unsupported(p, "type-kind", "a loop whose turns the run counts carries '%s', which is no sequence", value_at(p->m, p->n.in[2 + k])->name);
    if (!h->stack && !h->n) {
        const probe *first = probe_of(p);
        if (!first) return first_turn(p, body, n_state);
        h = held_by(p->s, first->out[1 + k]);
        if (!h || (!h->stack && !h->n))
            return p->m->diag->errors ? RESOLVE_FAILED : spot_unsupported(p, "sequence-unknown", "the sequence '%s' is empty, and nothing says of which size its elements are", value_at(p->m, p->n.in[2 + k])->name);
    }
    return element_of(p, h, out) ? RESOLVE_LEAVES : RESOLVE_FAILED;
}

/* ---- tensors with room ---- */

static value_id rows_node(spot *p, value_id stack, int64_t capacity, value_id out)
{
    const attr a = {.name = intern(p->m->names, "capacity"), .kind = ATTR_INT, .u.i = capacity};
    return spot_insert_in(p, OWN_DOMAIN, "Rows", &a, 1, &stack, out);
}

value_id rows_like(spot *p, const type *of, dim n)
{
    model *m = p->m;
    dim *shape = shape_new(m, (uint32_t)of->rank + 1);
    shape[0] = n;
    for (int32_t k = 0; k < of->rank; k++) shape[k + 1] = of->shape[k];
    const value_id v = spot_insert_in(p, OWN_DOMAIN, "Rows", NULL, 0, NULL, 0);
    value_at(m, v)->type = type_tensor(of->elem, of->rank + 1, shape);
    return v;
}

static value_id front(spot *p, value_id rows, value_id count)
{
    return spot_insert_in(p, OWN_DOMAIN, "Front", NULL, 2, (const value_id[]){rows, count}, 0);
}

/* At the end of a turn: what the sequence has become. */
resolution resolve_Pack(spot *p)
{
    model *m = p->m;
    const held *h = held_by(p->s, p->n.in[0]);
    const type *rows = &value_at(m, p->n.in[1])->type;
    const int64_t capacity = node_int(&p->n, "capacity", 0);
    if (!h || h->absent || h->present) return m->diag->errors ? RESOLVE_FAILED : spot_unsupported(p, "sequence-unknown", "'%s' is no sequence that is known when the model is compiled", value_at(m, p->n.in[0])->name);
    if (!h->stack && !h->n) {
        const value_id none = spot_int(p, "none", 0);
        (void)spot_insert(p, "Identity", NULL, 1, &p->n.in[1], p->n.out[0]);
        (void)spot_insert(p, "Identity", NULL, 1, &none, p->n.out[1]);
        return spot_drop(p);
    }
    type of;
    if (!element_of(p, h, &of)) return RESOLVE_FAILED;
    bool same = of.kind == TYPE_TENSOR && of.elem == rows->elem && of.rank + 1 == rows->rank;
    for (int32_t k = 0; same && k < of.rank; k++) same = of.shape[k] == rows->shape[k + 1];
    if (!same) return spot_unsupported(p, "sequence-unlike", "the elements of the sequence that the loop carries, '%s', differ in size from turn to turn", value_at(m, p->n.in[0])->name);
    const value_id stack = h->stack ? h->stack : stack_of(p, h), count = stack_count(p, stack);
    (void)rows_node(p, stack, capacity, p->n.out[0]);
    (void)spot_insert(p, "Identity", NULL, 1, &count, p->n.out[1]);
    return spot_drop(p);
}

/* ---- the loop ---- */

static void insert_at(model *m, value_id **list, uint32_t *n, uint32_t at, value_id v)
{
    value_id *to = ARENA_ARRAY(m->mem, value_id, *n + 1);
    memcpy(to, *list, at * sizeof *to);
    memcpy(to + at + 1, *list + at, (*n - at) * sizeof *to);
    to[at] = v;
    *list = to;
    (*n)++;
}

/* Before the loop: the tensor of what the sequence holds, and how many there are. */
static value_id start_rows(spot *p, const held *h, const type *of, int64_t capacity, value_id *count)
{
    if (!h->stack && !h->n) {
        *count = spot_int(p, "none", 0);
        return rows_like(p, of, dim_const(p->m->dims, capacity));
    }
    const value_id stack = h->stack ? h->stack : stack_of(p, h);
    *count = stack_count(p, stack);
    return rows_node(p, stack, capacity, 0);
}

static value_id named(spot *p, value_id like, const char *role)
{
    return value_new(p->m, arena_printf(p->m->mem, "%s.%s", value_at(p->m, like)->name, role));
}

/* Carried value k, a sequence, becomes a tensor with room; how many elements it has is carried behind the last one of n_state. */
static void carry_rows(spot *p, graph_id id, uint32_t k, uint32_t n_state, const type *of, int64_t capacity)
{
    model *m = p->m;
    graph *body = graph_at(m, id);
    const value_id inner = body->inputs.p[2 + k], end = body->outputs.p[1 + k], out = k < p->n.n_out ? p->n.out[k] : 0;
    value_id first, rows = start_rows(p, held_by(p->s, p->n.in[2 + k]), of, capacity, &first);
    node *n = node_at(m, p->id);
    n->in = arena_copy(m->mem, n->in, n->n_in * sizeof *n->in);
    n->in[2 + k] = rows;
    insert_at(m, &n->in, &n->n_in, 2 + n_state, first);
    const value_id buffer = named(p, inner, "rows"), count = named(p, inner, "count"), kept = named(p, inner, "kept"), left = named(p, inner, "left");
    body->inputs.p[2 + k] = buffer;
    VEC_PUSH(m->mem, body->inputs, count);
    body->outputs.p[1 + k] = kept;
    VEC_PUSH(m->mem, body->outputs, 0);
    for (uint32_t i = body->outputs.n - 1; i > 1 + n_state; i--) body->outputs.p[i] = body->outputs.p[i - 1];
    body->outputs.p[1 + n_state] = left;

    spot in = *p;
    in.g = id;
    in.i = 0;
    hold(p->s, inner, (held){.stack = front(&in, buffer, count)});
    in.i = graph_at(m, id)->nodes.n;
    const attr room = {.name = intern(m->names, "capacity"), .kind = ATTR_INT, .u.i = capacity};
    const node_id pack = value_at(m, spot_insert_in(&in, OWN_DOMAIN, "Pack", &room, 2, (const value_id[]){end, buffer}, kept))->producer;
    spot_outputs(m, pack, 2, (const value_id[]){kept, left});

    n = node_at(m, p->id);
    value_id *outs = arena_copy(m->mem, n->out, n->n_out * sizeof *outs);
    uint32_t n_out = n->n_out;
    while (n_out < n_state) insert_at(m, &outs, &n_out, n_out, 0);
    outs[k] = value_new(m, arena_printf(m->mem, "%s.rows", value_at(m, out ? out : inner)->name));
    const value_id total = value_new(m, arena_printf(m->mem, "%s.count", value_at(m, out ? out : inner)->name));
    insert_at(m, &outs, &n_out, n_state, total);
    spot_outputs(m, p->id, n_out, outs);
    spot behind = *p;
    behind.i = p->i + 1;
    if (out) hold(p->s, out, (held){.stack = front(&behind, outs[k], total)});
    p->n = *node_at(m, p->id);
}

/* How long the sequences get; a name for the loop comes first. */
static dim length_of(spot *p, const graph *body)
{
    if (!*p->n.name) node_at(p->m, p->id)->name = p->n.name = value_at(p->m, p->n.n_out && p->n.out[0] ? p->n.out[0] : body->outputs.p[0])->name;
    return decided_symbol(p->m, p->id, "length", INT64_MAX);
}

bool carries_rows(spot *p, graph_id body)
{
    return dim_range(p->m->dims, length_of(p, graph_at(p->m, body))).hi < INT64_MAX;
}

resolution resolve_carried(spot *p, graph_id id, uint32_t n_state)
{
    model *m = p->m;
    graph *body = graph_at(m, id);
    type *of = ARENA_ARRAY(m->mem, type, n_state + 1);
    const dim length = length_of(p, body);
    for (uint32_t k = 0; k < n_state; k++) {
        if (!is_changed(p, body, k)) continue;
        const resolution r = find_element(p, id, n_state, k, &of[k]);
        if (r != RESOLVE_LEAVES) return r;
    }
    const int64_t capacity = dim_range(m->dims, length).hi;
    if (capacity == INT64_MAX) {
        spot_unsupported(p, "dim-data", "the run decides the length of a sequence that the loop carries, '%s', which has no upper bound", dim_name(m->dims, length));
        diag_hint(m->diag, "give it a capacity: --dim %s=..N", dim_name(m->dims, length));
        return RESOLVE_FAILED;
    }
    for (uint32_t k = n_state; k-- > 0;) {
        const held *h = held_by(p->s, p->n.in[2 + k]);
        if (!h || is_changed(p, body, k)) continue;
        hold(p->s, body->inputs.p[2 + k], *h);
        if (k < p->n.n_out) hold(p->s, p->n.out[k], *h);
        stop_carrying(p, body, k);
        p->n = *node_at(m, p->id);
        memmove(of + k, of + k + 1, (n_state - k - 1) * sizeof *of);
        n_state--;
    }
    for (uint32_t k = 0, all = n_state; k < n_state; k++)
        if (held_by(p->s, p->n.in[2 + k])) carry_rows(p, id, k, all++, &of[k], capacity);
    VEC_PUSH(m->mem, p->s->kept, p->id);
    return RESOLVE_AGAIN;
}
