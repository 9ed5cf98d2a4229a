/* lower.c - from a typed graph to a program: one pass over the nodes in order, each appending its steps; see ops.h.
 *
 * in:  a model whose values all have known element types and ranks, at the newest versions
 * out: a program whose slots stand for values one to one; nothing is fused, placed or chosen yet */
#include <string.h>

#include "ops/control.h"
#include "ops/custom.h"
#include "ops/ops.h"
#include "ops/strings.h"

static const char *step_label(model *m, const node *n)
{
    if (*n->name) return arena_printf(m->mem, "'%s' (%s)", n->name, n->op);
    return arena_printf(m->mem, "%s", n->op);
}

static bool known_types(program *p, const node *n)
{
    model *m = p->model;
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        const value_id id = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        if (!id) continue;
        const value *v = value_at(m, id);
        const int32_t rank = v->data ? (int32_t)v->data->rank : v->type.rank;
        if (!v->data && v->type.kind != TYPE_TENSOR && v->type.kind != TYPE_UNKNOWN)
            return diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "type-kind", "'%s' is a sequence, optional or map, which is not supported yet",
                              v->name);
        if (rank < 0) {
            diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "rank-unknown", "the number of dimensions of '%s' is not known", v->name);
            return diag_hint(m->diag, "give input shapes with --shape");
        }
        if (rank > MAX_RANK)
            return diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "rank-limit", "'%s' has %d dimensions, more than %d", v->name, rank, MAX_RANK);
        const elem e = v->data ? v->data->type : v->type.elem;
        const char kind = elem_of(e)->kind;
        if (kind == 's' && !takes_strings(n) && !custom_find(m, n))
            return diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "type-unsupported", "%s on strings ('%s') is not supported yet", n->op, v->name);
        if (kind == '?' || (kind == 'c' && (!takes_complex(n) || rank == MAX_RANK)))
            return diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "type-unsupported", "'%s' has element type %s, which is not supported yet",
                              v->name, elem_of(e)->name);
    }
    return true;
}

bool lower_node(program *p, slot *of_value, block *to, node_id id)
{
    model *m = p->model;
    node *n = node_at(m, id);
    const op_def *op = op_of(m, n);
    if (!op || !op->lower) {
        diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, n), "op-unsupported", "operator %s%s%s is not supported yet", n->domain, *n->domain ? "." : "",
                   n->op);
        return diag_hint(m->diag, "`onnxcc ops` lists what is");
    }
    lower_ctx c = {p, m, p->dims, p->ex, id, n, to, of_value, step_label(m, n), 0};
    const uint32_t errors = m->diag->errors;
    return known_types(p, n) && op->lower(&c) && m->diag->errors == errors;
}

static bool all_content_out(model *m, const node *n)
{
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && !value_at(m, n->out[i])->data && !value_at(m, n->out[i])->content) return false;
    return true;
}

/* A value known as symbols (a shape that is also data somewhere): each element is stored as a dim. */
static void store_content(program *p, slot *of_value, block *to, value_id id, const char *what)
{
    model *m = p->model;
    const value v = *value_at(m, id);
    const slot s = of_value[id] ? of_value[id] : slot_new(p, v.name, v.type.elem, SLOT_TEMP, (uint32_t)v.type.rank, v.type.shape);
    of_value[id] = s;
    slot_at(p, s)->value = id;
    for (uint32_t i = 0; i < v.n_content; i++) {
        nest_builder b = nest_begin(p);
        nest_stage(&b);
        ex at[MAX_RANK];
        int64_t rest = i;
        for (int32_t k = v.type.rank - 1; k >= 0; k--) {
            int64_t n = 1;
            (void)dim_is_const(p->dims, v.type.shape[k], &n);
            at[k] = ex_i(p->ex, CT_I64, rest % n);
            rest /= n;
        }
        const ctype t = ctype_of(v.type.elem);
        stage_store(&b, s, (uint32_t)v.type.rank, at, ex_round(p->ex, v.type.elem, ex_cast(p->ex, t, ex_dim(p->ex, v.content[i]))));
        nest_end(&b, to, what);
    }
}

bool lower_graph(program *p, slot *of_value, block *to, graph_id g)
{
    model *m = p->model;
    bool ok = true;
    graph *gr = graph_at(m, g);
    for (uint32_t i = 0; i < gr->nodes.n; i++) {
        const node *n = node_at(m, gr->nodes.p[i]);
        if (!all_content_out(m, n)) {
            ok = lower_node(p, of_value, to, gr->nodes.p[i]) && ok; /* go on after an error: all problems in one run */
            continue;
        }
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] && !value_at(m, n->out[k])->data) store_content(p, of_value, to, n->out[k], step_label(m, n));
    }
    return ok;
}

static slot io_slot(program *p, slot *of_value, value_id id, slot_kind kind, uint32_t io)
{
    const value *v = value_at(p->model, id);
    const slot s = typed_slot(p, v->name, v->type.elem, kind, (uint32_t)v->type.rank, v->type.shape);
    slot_at(p, s)->value = id;
    slot_at(p, s)->io = io;
    if (!of_value[id]) of_value[id] = s;
    return s;
}

/* An output that is an input, a constant, or named twice: a copy. */
static void copy_out(program *p, slot *of_value, block *to, value_id id, uint32_t io)
{
    model *m = p->model;
    value *v = value_at(m, id);
    lower_ctx c = {p, m, p->dims, p->ex, 0, NULL, to, of_value, arena_printf(m->mem, "output '%s'", v->name), 0};
    node use = {.n_in = 1, .in = &id};
    c.n = &use;
    const slot from = in_slot(&c, 0);
    const uint32_t rank = slot_rank(&c, from);
    const bool pairs = slot_at(p, from)->pairs;
    const slot out = slot_new(p, v->name, slot_elem(&c, from), SLOT_OUTPUT, rank + pairs, slot_at(p, from)->extent);
    slot_at(p, out)->pairs = pairs;
    slot_at(p, out)->value = id;
    slot_at(p, out)->io = io;
    VEC_PUSH(p->mem, p->outputs, out);
    nest_builder b = low_begin(&c);
    dim idx[MAX_RANK];
    axes_for(&b, rank, slot_at(p, from)->extent, idx);
    part_axis(&c, &b, out);
    nest_stage(&b);
    store_axes(&c, &b, out, rank, idx, load_axes(&c, from, rank, idx));
    low_end(&c, &b);
}

static bool io_supported(model *m, value_id id, const char *what)
{
    const value *v = value_at(m, id);
    const bool pairs = elem_of(v->data ? v->data->type : v->type.elem)->kind == 'c'; /* one more dimension */
    if (v->data && v->data->rank + pairs <= MAX_RANK) return true;
    if (v->type.kind == TYPE_TENSOR && v->type.rank >= 0 && v->type.rank + pairs <= MAX_RANK && strchr("fiubsc", elem_of(v->type.elem)->kind)) return true;
    if (v->type.kind == TYPE_TENSOR && v->type.rank < 0) {
        diag_error(m->diag, EXIT_UNSUPPORTED, at_value(m, id), "rank-unknown", "the number of dimensions is not known");
        return !v->producer && diag_hint(m->diag, "give its shape: --shape %s=1x3x224x224, for example; ? is a size that the run says", v->name);
    }
    text t = {.mem = m->mem};
    type_text(m, &v->type, &t);
    return diag_error(m->diag, EXIT_UNSUPPORTED, at_value(m, id), "type-unsupported", "%s of type %s is not supported yet", what, t.p);
}

static void note_symbols(void *ctx, dim s)
{
    program *p = ctx;
    if (dim_kind_of(p->dims, s) != DIM_SYMBOL) return;
    for (uint32_t i = 0; i < p->symbols.n; i++)
        if (p->symbols.p[i] == s) return;
    VEC_PUSH(p->mem, p->symbols, s);
}

program *lower_model(arena *mem, model *m, bool in_sequence)
{
    program *p = program_new(mem, m);
    p->in_sequence = in_sequence;
    slot *of_value = ARENA_ARRAY(mem, slot, m->values.n + 1);
    graph *g = model_main(m);
    bool ok = true;
    for (uint32_t i = 0; i < g->inputs.n; i++) ok = io_supported(m, g->inputs.p[i], "an input") && ok;
    for (uint32_t i = 0; ok && i < g->outputs.n; i++) ok = io_supported(m, g->outputs.p[i], "an output"); /* theirs follow from the inputs' */
    if (!ok) return NULL;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value_id id = g->inputs.p[i];
        VEC_PUSH(mem, p->inputs, io_slot(p, of_value, id, SLOT_INPUT, i));
        const type *t = &value_at(m, id)->type;
        for (int32_t k = 0; k < t->rank; k++) dim_atoms(p->dims, t->shape[k], note_symbols, p);
    }
    VEC(uint32_t) copies = {0};
    VEC(slot) direct = {0};
    for (uint32_t i = 0; i < g->outputs.n; i++) {
        const value_id id = g->outputs.p[i];
        const bool copy = of_value[id] || value_at(m, id)->data;
        VEC_PUSH(mem, copies, copy);
        VEC_PUSH(mem, direct, copy ? 0 : io_slot(p, of_value, id, SLOT_OUTPUT, i));
    }
    ok = lower_graph(p, of_value, &p->main, 1);
    for (uint32_t i = 0; ok && i < g->outputs.n; i++) {
        if (copies.p[i]) copy_out(p, of_value, &p->main, g->outputs.p[i], i);
        else VEC_PUSH(mem, p->outputs, direct.p[i]);
    }
    if (!ok) return NULL;
    lower_string_constants(p);
    if (p->before.steps.n) {
        for (uint32_t i = 0; i < p->main.steps.n; i++) VEC_PUSH(mem, p->before.steps, p->main.steps.p[i]);
        p->main = p->before;
    }
    return p;
}
