/* control.c - If, Loop and Scan: subgraphs as blocks of steps. Source: ONNX Operators.md, version 25.
 *
 * A body's values have ids of the whole model, so that it reads values from outside like its own. Its inputs are slots that the step around
 * it fills: a Loop's carried values live in one slot each, which gets the body's result after each turn; a Scan's slices are copied. What a
 * body gives for stacking is stored at the number of the turn. Sizes that only the run decides are symbols that a BIND step reads. */
#include "ops/control.h"

#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"

static graph_id body_of(const node *n, const char *name)
{
    const attr *a = node_attr(n, name);
    return a && a->kind == ATTR_GRAPH ? a->u.g : 0;
}

static const type *value_type(model *m, value_id v)
{
    return &value_at(m, v)->type;
}

static bool tensor_known(infer_ctx *c, value_id v)
{
    const type *t = value_type(c->m, v);
    if (t->kind == TYPE_TENSOR && t->rank >= 0 && t->rank <= MAX_RANK) return true;
    return infer_unsupported(c, "type-unsupported", "'%s' in a subgraph is no tensor of known rank", value_at(c->m, v)->name);
}

/* Input i, where it is given, is one number, whatever its shape. */
static bool is_one(infer_ctx *c, uint32_t i)
{
    const type *t = in_type(c, i);
    int64_t count = 1, size;
    if (!t || t->kind != TYPE_TENSOR || infer_only_checks(c)) return true;
    for (int32_t k = 0; k < t->rank; k++) count = sat_mul(count, dim_is_const(c->d, t->shape[k], &size) ? size : 1);
    return count == 1 || infer_error(c, "shape-mismatch", "input %u '%s' has %lld elements instead of one", i, value_at(c->m, c->n->in[i])->name, (long long)count);
}

/* ---- If ---- */

/* An output has the dimensions on which both branches agree; a symbol stands for each other one. */
static bool merge_branches(infer_ctx *c, uint32_t i, value_id a, value_id b)
{
    if (!tensor_known(c, a) || !tensor_known(c, b)) return false;
    const type *x = value_type(c->m, a), *y = value_type(c->m, b);
    if (x->elem != y->elem) return infer_error(c, "type-mismatch", "the branches give %s and %s", elem_of(x->elem)->name, elem_of(y->elem)->name);
    if (x->rank != y->rank) return infer_unsupported(c, "rank-unknown", "the branches give %d and %d dimensions", x->rank, y->rank);
    dim out[MAX_RANK];
    for (int32_t k = 0; k < x->rank; k++) {
        out[k] = x->shape[k];
        if (x->shape[k] == y->shape[k]) continue;
        const interval p = dim_range(c->d, x->shape[k]), q = dim_range(c->d, y->shape[k]);
        out[k] = out_unknown(c, "if");
        dim_narrow(c->d, out[k], p.lo < q.lo ? p.lo : q.lo, p.hi > q.hi ? p.hi : q.hi);
    }
    return out_tensor(c, i, x->elem, x->rank, out);
}

/* The condition is a constant: the other branch may be one that could never run. Pass `branch` puts this one in place of the If. */
static bool infer_taken(infer_ctx *c, graph_id g)
{
    if (!infer_subgraph(c, g)) return false;
    const graph *gr = graph_at(c->m, g);
    if (gr->outputs.n < c->n->n_out) return infer_error(c, "subgraph-outputs", "a branch has too few outputs");
    for (uint32_t i = 0; i < c->n->n_out; i++) {
        if (!c->n->out[i]) continue;
        const value *from = value_at(c->m, gr->outputs.p[i]);
        value *to = value_at(c->m, c->n->out[i]);
        to->type = from->type;
        to->data = from->data;
        to->content = from->content;
        to->n_content = from->n_content;
    }
    return true;
}

/* Does the condition ask whether two sizes are equal, which is not known before the run? */
static bool asks_for_equal(infer_ctx *c, dim *a, dim *b)
{
    const node_id id = value_at(c->m, node_in(c->n, 0))->producer;
    const node *n = id ? node_at(c->m, id) : NULL;
    if (!n || strcmp(n->op, "Equal") || *n->domain) return false;
    uint32_t na, nb;
    const dim *x = value_content(c->m, node_in(n, 0), &na), *y = value_content(c->m, node_in(n, 1), &nb);
    if (!x || !y || na != 1 || nb != 1) return false;
    *a = *x;
    *b = *y;
    return true;
}

static bool ranks_differ(const infer_ctx *c, const graph *a, const graph *b)
{
    for (uint32_t i = 0; i < c->n->n_out; i++) {
        const type *x = value_type(c->m, a->outputs.p[i]), *y = value_type(c->m, b->outputs.p[i]);
        if (x->kind == TYPE_TENSOR && y->kind == TYPE_TENSOR && x->rank >= 0 && y->rank >= 0 && x->rank != y->rank) return true;
    }
    return false;
}

/* The condition is a constant from now on. */
static void fix_condition(infer_ctx *c, bool v)
{
    tensor *t = tensor_new(c->m->mem, ELEM_BOOL, 0, (const int64_t[]){0});
    elem_set_int(ELEM_BOOL, (void *)(uintptr_t)t->data, 0, v); /* its own */
    const value_id constant = value_new(c->m, value_at(c->m, node_in(c->n, 0))->name);
    value *x = value_at(c->m, constant);
    x->data = t;
    x->type = (type){.kind = TYPE_TENSOR, .elem = ELEM_BOOL};
    VEC_PUSH(c->m->mem, graph_at(c->m, c->n->graph)->initializers, constant);
    c->n->in[0] = constant;
}

bool infer_If(infer_ctx *c)
{
    const graph_id then = body_of(c->n, "then_branch"), otherwise = body_of(c->n, "else_branch");
    if (!then || !otherwise) return infer_error(c, "attribute-missing", "a branch is missing");
    if (infer_is_strict(c) && (graph_at(c->m, then)->inputs.n || graph_at(c->m, otherwise)->inputs.n)) return infer_error(c, "subgraph-inputs", "a branch has inputs");
    dim condition;
    int64_t known;
    if (!is_one(c, 0)) return false;
    if (in_scalar(c, 0, &condition) && dim_is_const(c->d, condition, &known)) return infer_taken(c, known ? then : otherwise);
    const bool first = infer_subgraph(c, then), second = infer_subgraph(c, otherwise);
    if (!first || !second || !infer_branches(c, then, otherwise)) return false;
    const graph *a = graph_at(c->m, then), *b = graph_at(c->m, otherwise);
    if (a->outputs.n < c->n->n_out || b->outputs.n < c->n->n_out) return infer_error(c, "subgraph-outputs", "a branch has too few outputs");
    /* Exporters write this for the squeeze of a dimension whose size they don't know: a result has one number of dimensions, and the size is 1. */
    dim x, y;
    if (!c->m->written_back && ranks_differ(c, a, b) && asks_for_equal(c, &x, &y) && assume_equal(c, x, y)) {
        fix_condition(c, true);
        return infer_taken(c, then);
    }
    for (uint32_t i = 0; i < c->n->n_out; i++)
        if (!merge_branches(c, i, a->outputs.p[i], b->outputs.p[i])) return false;
    return true;
}

/* `from` is copied to `to`, whose dimensions may be symbols that get from's sizes. */
static void copy_bound(lower_ctx *c, slot to, slot from)
{
    for (uint32_t k = 0; k < slot_rank(c, to); k++) {
        const dim want = slot_dim(c, to, k), have = slot_dim(c, from, k);
        if (want != have && dim_kind_of(c->d, want) == DIM_SYMBOL) lower_bind(c, want, lower_dim(c, "size", have), have);
    }
    lower_copy(c, to, from);
}

static block *new_block(lower_ctx *c)
{
    return ARENA_NEW(c->p->mem, block);
}

/* The context for steps that go into another block. */
static lower_ctx in_block(const lower_ctx *c, block *to)
{
    lower_ctx inner = *c;
    inner.to = to;
    return inner;
}

static bool lower_branch(lower_ctx *c, graph_id g, block **out)
{
    lower_ctx inner = in_block(c, *out = new_block(c));
    (*out)->graph = g;
    if (!lower_graph(c->p, c->of_value, *out, g)) return false;
    const graph *gr = graph_at(c->m, g);
    for (uint32_t i = 0; i < c->n->n_out; i++)
        if (low_has_out(c, i)) copy_bound(&inner, out_slot(c, i), value_slot(&inner, gr->outputs.p[i]));
    return true;
}

static control *push_control(lower_ctx *c, step_kind kind)
{
    step *s = ARENA_NEW(c->p->mem, step);
    s->kind = kind;
    s->what = c->what;
    s->control = ARENA_NEW(c->p->mem, control);
    VEC_PUSH(c->p->mem, c->to->steps, s);
    return s->control;
}

bool lower_If(lower_ctx *c)
{
    const slot cond = in_slot(c, 0);
    block *then, *otherwise;
    for (uint32_t i = 0; i < c->n->n_out; i++) (void)out_slot(c, i);
    if (!lower_branch(c, body_of(c->n, "then_branch"), &then) || !lower_branch(c, body_of(c->n, "else_branch"), &otherwise)) return false;
    control *k = push_control(c, STEP_IF);
    k->cond = cond;
    k->then = then;
    k->otherwise = otherwise;
    return true;
}

/* ---- what Loop and Scan share ---- */

typedef struct {
    graph_id body;
    uint32_t n_state; /* carried values */
    uint32_t in;      /* first carried input of the node */
    uint32_t body_in, body_out; /* first carried value among the body's inputs and outputs */
} turns;

static void set_type(infer_ctx *c, value_id v, elem e, int32_t rank, const dim *shape)
{
    dim *own = shape_new(c->m, (uint32_t)rank);
    if (rank) memcpy(own, shape, (size_t)rank * sizeof *own);
    value_at(c->m, v)->type = type_tensor(e, rank, own);
}

static void set_content(infer_ctx *c, value_id v, dim d)
{
    value *x = value_at(c->m, v);
    x->content = arena_copy(c->m->mem, &d, sizeof d);
    x->n_content = 1;
}

static bool carried_inputs(infer_ctx *c, const turns *t)
{
    const graph *g = graph_at(c->m, t->body);
    for (uint32_t i = 0; i < t->n_state; i++) {
        const type *x = in_type(c, t->in + i);
        if (!x) return infer_error(c, "input-missing", "the initial value %u is missing", i);
        if (!need_rank(c, t->in + i)) return false;
        if (x->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
        set_type(c, g->inputs.p[t->body_in + i], x->elem, x->rank, x->shape);
    }
    return true;
}

/* A carried value keeps its shape from turn to turn. */
static bool carried_outputs(infer_ctx *c, const turns *t)
{
    const graph *g = graph_at(c->m, t->body);
    for (uint32_t i = 0; i < t->n_state; i++) {
        const value_id v = g->outputs.p[t->body_out + i];
        if (!tensor_known(c, v)) return false;
        const type *x = in_type(c, t->in + i), *y = value_type(c->m, v);
        if (x->elem != y->elem)
            return infer_error(c, "type-mismatch", "the carried value '%s' is %s at first and %s after a turn", value_at(c->m, v)->name, elem_of(x->elem)->name, elem_of(y->elem)->name);
        bool same = x->rank == y->rank;
        for (int32_t k = 0; same && k < x->rank; k++) same = x->shape[k] == y->shape[k];
        if (!same) {
            infer_unsupported(c, "loop-shape", "the carried value '%s' changes its shape from turn to turn", value_at(c->m, v)->name);
            return diag_hint(c->m->diag, "keep it in a buffer of its largest size");
        }
        if (!out_tensor(c, i, y->elem, y->rank, y->shape)) return false;
    }
    return true;
}

/* Carried values get a slot that starts as the initial value; it is the output's where that is wanted. */
static void carried_slots(lower_ctx *c, const turns *t, control *k)
{
    const graph *g = graph_at(c->m, t->body);
    k->state = ARENA_ARRAY(c->p->mem, slot, t->n_state + 1);
    k->next = ARENA_ARRAY(c->p->mem, slot, t->n_state + 1);
    for (uint32_t i = 0; i < t->n_state; i++) {
        const slot from = in_slot(c, t->in + i);
        const char *name = value_at(c->m, g->inputs.p[t->body_in + i])->name;
        const slot s = temp_like(c, name, from, slot_rank(c, from), slot_at(c->p, from)->extent);
        lower_copy(c, s, from);
        k->state[i] = c->of_value[g->inputs.p[t->body_in + i]] = s;
    }
}

/* After the body: what it gives for carried values. One that is another's state, or not computed in the turn, is copied first, because the
 * moves at the end of a turn happen one after the other. */
static void carried_next(lower_ctx *c, const turns *t, control *k)
{
    const graph *g = graph_at(c->m, t->body);
    for (uint32_t i = 0; i < t->n_state; i++) {
        const slot from = value_slot(c, g->outputs.p[t->body_out + i]);
        if (from == k->state[i]) continue;
        slot next = from;
        bool shared = slot_at(c->p, from)->kind != SLOT_TEMP;
        for (uint32_t j = 0; j < t->n_state; j++) shared |= from == k->state[j];
        for (uint32_t j = 0; j < k->n_carried; j++) shared |= from == k->next[j];
        if (shared) {
            next = temp_like(c, "next", from, slot_rank(c, from), slot_at(c->p, from)->extent);
            lower_copy(c, next, from);
        }
        const slot own = k->state[i]; /* pairs that stay are moved to the front, in order */
        k->state[i] = k->state[k->n_carried];
        k->state[k->n_carried] = own;
        k->next[k->n_carried++] = next;
    }
}

static void carried_results(lower_ctx *c, const turns *t)
{
    const graph *g = graph_at(c->m, t->body);
    for (uint32_t i = 0; i < t->n_state; i++)
        if (low_has_out(c, i)) lower_copy(c, out_slot(c, i), c->of_value[g->inputs.p[t->body_in + i]]);
}

/* Stores a turn's value into output i at position `at` of dimension `axis`. */
static void store_turn(lower_ctx *c, uint32_t i, value_id v, uint32_t axis, dim at)
{
    if (!low_has_out(c, i)) return;
    const slot from = value_slot(c, v), to = out_slot(c, i);
    const uint32_t rank = slot_rank(c, from);
    nest_builder b = low_begin(c);
    dim idx[MAX_RANK], out[MAX_RANK];
    axes_for(&b, rank, slot_at(c->p, from)->extent, idx);
    part_axis(c, &b, to);
    nest_stage(&b);
    for (uint32_t k = 0; k <= rank; k++) out[k] = k < axis ? idx[k] : k == axis ? at : idx[k - 1];
    store_axes(c, &b, to, rank + 1, out, load_axes(c, from, rank, idx));
    low_end(c, &b);
}

/* The symbol for a turn's number, the same at inference and lowering. */
static dim turn_symbol(dims *d, node_id id)
{
    char name[32];
    snprintf(name, sizeof name, "turn.%u", id);
    return dim_symbol(d, name, 0, INT64_MAX);
}

/* ---- Loop: inputs trip count, condition, carried...; body inputs number, condition, carried...; body outputs condition, carried...,
 * values to stack... ---- */

static turns loop_turns(model *m, const node *n)
{
    const graph_id g = body_of(n, "body");
    const uint32_t n_state = n->n_in > 2 ? n->n_in - 2 : 0;
    (void)m;
    return (turns){g, n_state, 2, 2, 1};
}

static bool is_true(model *m, value_id v)
{
    const tensor *t = value_at(m, v)->data;
    return t && t->data && tensor_count(t) == 1 && elem_get_int(t->type, t->data, 0) != 0;
}

/* The body's condition is always true: a constant, or the one it was given, which began as true. */
static bool never_stops(model *m, const node *n, const graph *body)
{
    value_id v = body->outputs.p[0];
    for (;;) {
        if (is_true(m, v)) return true;
        if (v == body->inputs.p[1]) return !node_in(n, 1) || is_true(m, n->in[1]);
        const node_id by = value_at(m, v)->producer;
        if (!by || !node_is(node_at(m, by), "", "Identity")) return false;
        v = node_in(node_at(m, by), 0);
    }
}

/* The number of turns: the trip count where nothing else stops the loop; 0 where only the run decides. */
static dim loop_trip(model *m, const node *n, const graph *body)
{
    uint32_t count;
    const dim *trip = known_dims(m, n, 0, &count);
    return trip && count == 1 && (!node_in(n, 1) || is_true(m, n->in[1])) && never_stops(m, n, body) ? dim_max(m->dims, trip[0], dim_const(m->dims, 0)) : 0;
}

/* What the number of turns can't exceed: the trip count where it is known before the run; 0 otherwise. */
static dim loop_limit(model *m, const node *n)
{
    uint32_t count;
    const dim *trip = known_dims(m, n, 0, &count);
    return trip && count == 1 ? dim_max(m->dims, trip[0], dim_const(m->dims, 0)) : 0;
}

/* Stacked outputs whose number of turns is unknown have the symbol of their node: "trip.NODE", with the node's id behind it where an earlier
 * node has the same name. The same at inference and lowering. */
static dim stack_symbol(model *m, node_id id, int64_t most)
{
    return decided_symbol(m, id, "trip", most);
}

static bool stacks(const node *n, uint32_t n_state)
{
    for (uint32_t i = n_state; i < n->n_out; i++)
        if (n->out[i]) return true;
    return false;
}

bool infer_Loop(infer_ctx *c)
{
    const turns t = loop_turns(c->m, c->n);
    const graph *g = t.body ? graph_at(c->m, t.body) : NULL;
    if (g && !g->outputs.n && infer_is_strict(c)) return infer_unsupported(c, "subgraph-outputs", "the body has no outputs"); /* of which onnx infers nothing */
    if (!g || g->inputs.n != t.n_state + 2 || g->outputs.n < t.n_state + 1) return infer_error(c, "subgraph-inputs", "the body does not fit the loop");
    if (!is_one(c, 0) || !is_one(c, 1)) return false;
    set_type(c, g->inputs.p[0], ELEM_INT64, 0, NULL);
    set_type(c, g->inputs.p[1], ELEM_BOOL, 0, NULL);
    const dim turn = turn_symbol(c->d, c->id);
    uint32_t count;
    const dim *limit = in_content(c, 0, &count);
    const int64_t most = limit && count == 1 ? dim_range(c->d, limit[0]).hi : INT64_MAX;
    if (most > 0 && most < INT64_MAX) dim_narrow(c->d, turn, 0, most - 1); /* the body sees no other */
    set_content(c, g->inputs.p[0], turn);
    if (!carried_inputs(c, &t) || !infer_subgraph(c, t.body) || !carried_outputs(c, &t)) return false;
    const type *go = value_type(c->m, g->outputs.p[0]);
    if (!infer_only_checks(c) && (go->kind != TYPE_TENSOR || go->elem != ELEM_BOOL)) return infer_error(c, "type-mismatch", "the body's condition '%s' is no bool", value_at(c->m, g->outputs.p[0])->name);
    dim trip = loop_trip(c->m, c->n, g);
    if (!trip && stacks(c->n, t.n_state)) trip = stack_symbol(c->m, c->id, most);
    for (uint32_t i = t.n_state; i < c->n->n_out; i++) {
        if (i + 1 >= g->outputs.n) return infer_error(c, "subgraph-outputs", "the body has too few outputs");
        if (!tensor_known(c, g->outputs.p[i + 1])) return false;
        const type *x = value_type(c->m, g->outputs.p[i + 1]);
        dim out[MAX_RANK + 1] = {trip};
        for (int32_t k = 0; k < x->rank; k++) out[k + 1] = x->shape[k];
        if (!out_tensor(c, i, x->elem, x->rank + 1, out)) return false;
    }
    return true;
}

/* A turn's number for the body to read, and the count of turns so far where only the run decides it. */
static void store_scalar(lower_ctx *c, slot to, ex v)
{
    dim at[MAX_RANK];
    for (uint32_t k = 0; k < slot_rank(c, to); k++) at[k] = dim_const(c->d, 0);
    nest_builder b = low_begin(c);
    nest_stage(&b);
    store_axes(c, &b, to, slot_rank(c, to), at, v);
    low_end(c, &b);
}

/* At the start of a turn: there is room for what it will stack. */
static void guard_turns(lower_ctx *c, slot number)
{
    const dim symbol = stack_symbol(c->m, c->id, INT64_MAX), limit = loop_limit(c->m, c->n);
    if (limit && dim_range(c->d, limit).hi <= dim_range(c->d, symbol).hi) return; /* the trip count ends the loop before that */
    lower_bind(c, symbol, number, limit);
    c->to->steps.p[c->to->steps.n - 1]->control->guard = true;
}

/* The body of a loop of at most so many turns, 0: not known before the run. */
static bool lower_body(lower_ctx *c, block *to, graph_id g, dim trip)
{
    const dim around = c->p->turns;
    c->p->turns = trip && around ? dim_mul(c->d, around, trip) : 0;
    const bool good = lower_graph(c->p, c->of_value, to, g);
    c->p->turns = around;
    return good;
}

bool lower_Loop(lower_ctx *c)
{
    const turns t = loop_turns(c->m, c->n);
    const graph *g = graph_at(c->m, t.body);
    const dim turn = turn_symbol(c->d, c->id);
    const bool endless = loop_trip(c->m, c->n, g) != 0 || never_stops(c->m, c->n, g);
    const slot trip = in_slot(c, 0), cond = in_slot(c, 1);
    if (!trip && endless && is_true(c->m, g->outputs.p[0])) return lower_unsupported(c, "loop-endless", "neither a trip count nor a condition ends the loop");
    control work = {.index = turn, .trip = trip};
    carried_slots(c, &t, &work);
    const slot number = temp_slot(c, "turn", ELEM_INT64, 0, NULL), go = temp_slot(c, "go", ELEM_BOOL, 0, NULL);
    const slot done = loop_trip(c->m, c->n, g) || !stacks(c->n, t.n_state) ? 0 : lower_dim(c, "turns", dim_const(c->d, 0));
    store_scalar(c, go, cond ? load_scalar(c, cond) : ex_bool(c->x, true));
    c->of_value[g->inputs.p[0]] = number;
    c->of_value[g->inputs.p[1]] = go;
    work.cond = go;

    lower_ctx in = in_block(c, work.then = new_block(c));
    store_scalar(&in, number, ex_dim(c->x, turn));
    if (done) guard_turns(&in, number);
    const int64_t stacked = done ? dim_range(c->d, stack_symbol(c->m, c->id, INT64_MAX)).hi : INT64_MAX;
    const dim limit = loop_limit(c->m, c->n), most = limit ? limit : stacked < INT64_MAX ? dim_const(c->d, stacked) : 0;
    work.turns = most;
    if (!lower_body(c, work.then, t.body, most)) return false;
    for (uint32_t i = t.n_state; i < c->n->n_out; i++) store_turn(&in, i, g->outputs.p[i + 1], 0, turn);
    carried_next(&in, &t, &work);
    if (!endless) {
        work.cond_next = temp_slot(c, "go_on", ELEM_BOOL, 0, NULL);
        store_scalar(&in, work.cond_next, load_scalar(c, value_slot(&in, g->outputs.p[0])));
    }
    if (done) store_scalar(&in, done, ex_dim(c->x, dim_addc(c->d, turn, 1)));

    *push_control(c, STEP_LOOP) = work;
    if (done) lower_bind(c, stack_symbol(c->m, c->id, INT64_MAX), done, loop_limit(c->m, c->n));
    carried_results(c, &t);
    return true;
}

/* ---- Scan: inputs carried..., sequences...; body inputs carried..., slices...; body outputs carried..., values to stack... ---- */

static int64_t list_at(const node *n, const char *name, uint32_t i)
{
    uint32_t count;
    const int64_t *v = node_ints(n, name, &count);
    return v && i < count ? v[i] : 0;
}

static turns scan_turns(const node *n)
{
    const uint32_t scans = (uint32_t)node_int(n, "num_scan_inputs", 0);
    return (turns){body_of(n, "body"), n->n_in > scans ? n->n_in - scans : 0, 0, 0, 0};
}

/* The number of turns: the size of the first sequence along its axis. */
static dim scan_trip(const node *n, const type *first)
{
    return first->shape[axis_of(list_at(n, "scan_input_axes", 0), (uint32_t)first->rank)];
}

static bool scan_slices(infer_ctx *c, const turns *t)
{
    const graph *g = graph_at(c->m, t->body);
    for (uint32_t i = t->n_state; i < c->n->n_in; i++) {
        uint32_t axis;
        if (!need_rank(c, i)) return false;
        const type *x = in_type(c, i);
        if (x->rank > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
        if (!fix_axis(c, list_at(c->n, "scan_input_axes", i - t->n_state), x->rank, &axis)) return false;
        dim shape[MAX_RANK];
        for (int32_t k = 0; k + 1 < x->rank; k++) shape[k] = x->shape[k + ((uint32_t)k >= axis)];
        set_type(c, g->inputs.p[i], x->elem, x->rank - 1, shape);
    }
    return true;
}

bool infer_Scan(infer_ctx *c)
{
    const turns t = scan_turns(c->n);
    const graph *g = t.body ? graph_at(c->m, t.body) : NULL;
    if (!g || t.n_state >= c->n->n_in || g->inputs.n != c->n->n_in || g->outputs.n < c->n->n_out || g->outputs.n < t.n_state)
        return infer_error(c, "subgraph-inputs", "the body does not fit the scan");
    if (!carried_inputs(c, &t) || !scan_slices(c, &t) || !infer_subgraph(c, t.body) || !carried_outputs(c, &t)) return false;
    const dim trip = scan_trip(c->n, in_type(c, t.n_state));
    for (uint32_t i = t.n_state; i < c->n->n_in; i++)
        if (!dim_fits(c, i, (int32_t)axis_of(list_at(c->n, "scan_input_axes", i - t.n_state), (uint32_t)in_rank(c, i)), trip)) return false;
    for (uint32_t i = t.n_state; i < c->n->n_out; i++) {
        uint32_t axis;
        if (!tensor_known(c, g->outputs.p[i])) return false;
        const type *x = value_type(c->m, g->outputs.p[i]);
        if (x->rank + 1 > MAX_RANK) return infer_unsupported(c, "rank-limit", "more than %d dimensions", MAX_RANK);
        if (!fix_axis(c, list_at(c->n, "scan_output_axes", i - t.n_state), x->rank + 1, &axis)) return false;
        dim out[MAX_RANK];
        for (uint32_t k = 0; k <= (uint32_t)x->rank; k++) out[k] = k < axis ? x->shape[k] : k == axis ? trip : x->shape[k - 1];
        if (!out_tensor(c, i, x->elem, x->rank + 1, out)) return false;
    }
    return true;
}

/* The slice of a sequence for this turn. */
static void load_turn(lower_ctx *c, const turns *t, uint32_t i, dim turn)
{
    const slot x = in_slot(c, i);
    const uint32_t rank = slot_rank(c, x), axis = axis_of(list_at(c->n, "scan_input_axes", i - t->n_state), rank);
    const bool backward = list_at(c->n, "scan_input_directions", i - t->n_state) != 0;
    dim shape[MAX_RANK], idx[MAX_RANK], at[MAX_RANK];
    for (uint32_t k = 0; k + 1 < rank; k++) shape[k] = slot_dim(c, x, k + (k >= axis));
    const value_id v = graph_at(c->m, t->body)->inputs.p[i];
    const slot to = temp_like(c, value_at(c->m, v)->name, x, rank - 1, shape);
    c->of_value[v] = to;
    nest_builder b = low_begin(c);
    axes_for(&b, rank - 1, shape, idx);
    part_axis(c, &b, to);
    nest_stage(&b);
    const dim here = backward ? dim_sub(c->d, dim_addc(c->d, slot_dim(c, x, axis), -1), turn) : turn;
    for (uint32_t k = 0; k < rank; k++) at[k] = k < axis ? idx[k] : k == axis ? here : idx[k - 1];
    store_axes(c, &b, to, rank - 1, idx, load_axes(c, x, rank, at));
    low_end(c, &b);
}

bool lower_Scan(lower_ctx *c)
{
    const turns t = scan_turns(c->n);
    const graph *g = graph_at(c->m, t.body);
    const dim turn = turn_symbol(c->d, c->id);
    const slot first = in_slot(c, t.n_state);
    const type shape = type_tensor(slot_elem(c, first), (int32_t)slot_rank(c, first), slot_at(c->p, first)->extent);
    const dim trip = scan_trip(c->n, &shape);
    control work = {.index = turn, .turns = trip, .trip = lower_dim(c, "trip", trip)};
    carried_slots(c, &t, &work);
    lower_ctx in = in_block(c, work.then = new_block(c));
    for (uint32_t i = t.n_state; i < c->n->n_in; i++) load_turn(&in, &t, i, turn);
    if (!lower_body(c, work.then, t.body, trip)) return false;
    for (uint32_t i = t.n_state; i < c->n->n_out; i++) {
        if (!low_has_out(c, i)) continue;
        const uint32_t axis = axis_of(list_at(c->n, "scan_output_axes", i - t.n_state), slot_rank(c, out_slot(c, i)));
        const bool backward = list_at(c->n, "scan_output_directions", i - t.n_state) != 0;
        store_turn(&in, i, g->outputs.p[i], axis, backward ? dim_sub(c->d, dim_addc(c->d, trip, -1), turn) : turn);
    }
    carried_next(&in, &t, &work);
    *push_control(c, STEP_LOOP) = work;
    carried_results(c, &t);
    return true;
}
