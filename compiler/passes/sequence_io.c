/* sequence_io.c - sequences, optionals and maps as inputs and outputs of the model; see sequence.h. */
#include <string.h>

#include "passes/forms.h"
#include "passes/sequence_impl.h"

/* What --length says of an input; NULL: nothing. */
static const length_override *length_of(const compile_options *o, const char *name)
{
    for (uint32_t i = 0; i < o->lengths.n; i++)
        if (!strcmp(o->lengths.p[i].input, name)) return &o->lengths.p[i];
    return NULL;
}

/* A size of element k: elements differ in what is not a number, each has symbols of its own. INPUT:AXIS is INPUT.k:AXIS then, N is N.k, for all inputs. */
static dim size_of(model *m, const char *input, uint32_t k, uint32_t axis, dim d)
{
    const size_t n = strlen(input);
    if (dim_is_const(m->dims, d, NULL)) return d;
    const interval r = dim_range(m->dims, d);
    if (dim_kind_of(m->dims, d) == DIM_SYMBOL) {
        const char *name = dim_name(m->dims, d);
        if (strncmp(name, input, n) || name[n] != ':') return dim_symbol(m->dims, arena_printf(m->mem, "%s.%u", name, k), r.lo, r.hi);
    }
    return dim_symbol(m->dims, arena_printf(m->mem, "%s.%u:%u", input, k, axis), r.lo, r.hi);
}

static type element_type(model *m, const char *input, uint32_t k, const type *of)
{
    type t = *of;
    if (t.rank < 0) return t;
    t.shape = shape_new(m, (uint32_t)t.rank);
    for (int32_t a = 0; a < t.rank; a++) t.shape[a] = size_of(m, input, k, (uint32_t)a, of->shape[a]);
    return t;
}

static bool no_length(model *m, value_id v)
{
    diag_error(m->diag, EXIT_UNSUPPORTED, at_value(m, v), "sequence-length", "the length of this sequence has to be known when the model is compiled");
    diag_need(m->diag, "length", value_at(m, v)->name);
    return diag_hint(m->diag, "--length %s=N says it, or `any` where all elements have one size", value_at(m, v)->name);
}

/* The input as one tensor with its elements along a new first dimension, INPUT.length. */
static bool give_stack(sequences *s, value_id v, const type *of)
{
    model *m = s->m;
    const char *name = value_at(m, v)->name;
    if (of->rank < 0 || of->rank >= MAX_RANK)
        return diag_error(m->diag, EXIT_UNSUPPORTED, at_value(m, v), "rank-unknown", "--length %s=any needs elements of a known number of dimensions, below %d", name, MAX_RANK);
    dim *shape = shape_new(m, (uint32_t)of->rank + 1);
    shape[0] = dim_symbol(m->dims, arena_printf(m->mem, "%s.length", name), 0, INT64_MAX);
    for (int32_t k = 0; k < of->rank; k++) shape[k + 1] = of->shape[k];
    const value_id stack = value_new(m, name);
    value_at(m, stack)->type = type_tensor(of->elem, of->rank + 1, shape);
    VEC_PUSH(m->mem, model_main(m)->inputs, stack);
    hold(s, v, (held){.stack = stack});
    return true;
}

/* The map as two tensors, its keys and their values, INPUT.length of them. */
static bool give_map(sequences *s, value_id v)
{
    model *m = s->m;
    const type t = value_at(m, v)->type;
    const char *name = value_at(m, v)->name;
    if (!t.of || t.of->kind != TYPE_TENSOR || t.of->rank > 0)
        return diag_error(m->diag, EXIT_UNSUPPORTED, at_value(m, v), "type-unsupported", "only maps to numbers and strings are supported");
    dim *length = shape_new(m, 1);
    length[0] = dim_symbol(m->dims, arena_printf(m->mem, "%s.length", name), 0, INT64_MAX);
    value_id item[2];
    for (int k = 0; k < 2; k++) {
        item[k] = value_new(m, arena_printf(m->mem, "%s.%s", name, k ? "values" : "keys"));
        value_at(m, item[k])->type = type_tensor(k ? t.of->elem : t.elem, 1, length);
        VEC_PUSH(m->mem, model_main(m)->inputs, item[k]);
    }
    hold(s, v, (held){.n = 2, .item = arena_copy(m->mem, item, sizeof item), .map = true});
    return true;
}

/* The input as tensors, at the end of the graph's inputs. */
static bool give_input(sequences *s, const compile_options *o, value_id v)
{
    model *m = s->m;
    graph *g = model_main(m);
    type t = value_at(m, v)->type;
    const bool optional = t.kind == TYPE_OPTIONAL;
    if (t.kind == TYPE_MAP) return give_map(s, v);
    const length_override *given = length_of(o, value_at(m, v)->name);
    if (optional && given && given->none) {
        hold(s, v, (held){.absent = true});
        return true;
    }
    if (optional) t = t.of ? *t.of : (type){.rank = -1};
    if (t.kind == TYPE_TENSOR) { /* an optional with a tensor in it */
        value_at(m, v)->type = t;
        VEC_PUSH(m->mem, g->inputs, v);
        return true;
    }
    if (t.kind != TYPE_SEQUENCE || !t.of || t.of->kind != TYPE_TENSOR)
        return diag_error(m->diag, EXIT_UNSUPPORTED, at_value(m, v), "type-unsupported", "only sequences and optionals of tensors are supported");
    if (!given || given->none) return no_length(m, v);
    if (given->any) return give_stack(s, v, t.of);
    value_id *item = ARENA_ARRAY(m->mem, value_id, given->n + 1);
    for (uint32_t k = 0; k < given->n; k++) {
        const char *name = value_at(m, v)->name;
        item[k] = value_new(m, arena_printf(m->mem, "%s.%u", name, k));
        const type of = element_type(m, name, k, t.of);
        value_at(m, item[k])->type = of;
        VEC_PUSH(m->mem, g->inputs, item[k]);
    }
    hold_items(s, v, given->n, item);
    return true;
}

static bool is_list(const type *t)
{
    return t->kind == TYPE_SEQUENCE || t->kind == TYPE_OPTIONAL;
}

static bool is_tensors(const type *t)
{
    return is_list(t) || t->kind == TYPE_MAP;
}

static bool lengths_met(model *m, const compile_options *o)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < o->lengths.n; i++) {
        const value *v = NULL;
        for (uint32_t k = 0; k < g->inputs.n && !v; k++)
            if (!strcmp(value_at(m, g->inputs.p[k])->name, o->lengths.p[i].input)) v = value_at(m, g->inputs.p[k]);
        if (!v || !is_list(&v->type))
            return diag_error(m->diag, EXIT_USAGE, "", "length", "--length %s: the model has no sequence or optional of that name as an input", o->lengths.p[i].input);
        if (o->lengths.p[i].none && v->type.kind != TYPE_OPTIONAL)
            return diag_error(m->diag, EXIT_USAGE, "", "length", "--length %s: 'none' is for optionals", v->name);
    }
    return true;
}

sequences *sequences_of(model *m, const compile_options *o)
{
    sequences *s = ARENA_NEW(m->mem, sequences);
    graph *g = model_main(m);
    const uint32_t n = g->inputs.n;
    s->m = m;
    for (node_id i = 1; i < m->nodes.n; i++)
        if (!strcmp(node_at(m, i)->domain, OWN_DOMAIN) && !node_at(m, i)->dead) {
            diag_error(m->diag, EXIT_UNSUPPORTED, at_node(m, node_at(m, i)), "op-unsupported", "operator %s.%s is not supported yet", OWN_DOMAIN, node_at(m, i)->op);
            return NULL;
        }
    if (!lengths_met(m, o)) return NULL;
    const value_id *was = arena_copy(m->mem, g->inputs.p, n * sizeof *was);
    bool ok = true;
    g->inputs.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_tensors(&value_at(m, was[i])->type)) VEC_PUSH(m->mem, g->inputs, was[i]);
        else ok &= give_input(s, o, was[i]);
    }
    for (uint32_t i = 1; i < m->values.n; i++) /* what is declared inside says less than what is found */
        if (is_tensors(&value_at(m, i)->type)) value_at(m, i)->type = (type){.rank = -1};
    return ok ? s : NULL;
}

/* An output NAME that is this value. */
static value_id named_output(model *m, const char *name, value_id from)
{
    const node_id id = node_new(m, 1, "", "Identity", 1, 1, 0);
    const value_id out = value_new(m, name);
    node *n = node_at(m, id);
    n->version = op_version(m, "", "Identity");
    n->in[0] = from;
    n->out[0] = out;
    const value *x = value_at(m, from);
    value *v = value_at(m, out);
    if (x->producer) n->origin = node_at(m, x->producer)->origin;
    v->type = x->type;
    v->data = x->data;
    v->content = x->content;
    v->n_content = x->n_content;
    v->producer = id;
    VEC_PUSH(m->mem, model_main(m)->nodes, id);
    return out;
}

static const char *item_name(model *m, const char *name, const held *h, uint32_t k)
{
    return h->maps || h->map ? arena_printf(m->mem, "%s.%s", name, k ? "values" : "keys") : arena_printf(m->mem, "%s.%u", name, k);
}

bool sequences_give(sequences *s)
{
    model *m = s->m;
    graph *g = model_main(m);
    const uint32_t n = g->outputs.n;
    const value_id *was = arena_copy(m->mem, g->outputs.p, n * sizeof *was);
    g->outputs.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const held *h = held_by(s, was[i]);
        const char *name = value_at(m, was[i])->name;
        if (!h) VEC_PUSH(m->mem, g->outputs, was[i]);
        if (h && h->present) VEC_PUSH(m->mem, g->outputs, named_output(m, arena_printf(m->mem, "%s.present", name), h->present));
        if (h && h->stack) {
            spot p = {s, m, 1, 0, value_at(m, h->stack)->producer, {0}};
            if (!stack_alike(&p, h)) return false;
            VEC_PUSH(m->mem, g->outputs, named_output(m, name, h->stack));
        }
        for (uint32_t k = 0; h && !h->absent && k < h->n; k++)
            VEC_PUSH(m->mem, g->outputs, named_output(m, h->single ? name : item_name(m, name, h, k), h->item[k]));
    }
    if (n && !g->outputs.n) return diag_error(m->diag, EXIT_UNSUPPORTED, "", "sequence-empty", "all outputs are empty");
    return true;
}
