/* values.c - --value INPUT=...: what the user knows of inputs, such as the axes of a reduction or the sizes of a Resize, which decide shapes. */
#include <string.h>

#include "passes/passes.h"

static void replace_uses(model *m, value_id from, value_id to)
{
    for (uint32_t i = 1; i < m->nodes.n; i++) {
        node *n = node_at(m, i);
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] == from) n->in[k] = to;
    }
    for (uint32_t i = 1; i < m->graphs.n; i++) {
        graph *g = graph_at(m, i);
        for (uint32_t k = 0; k < g->outputs.n; k++)
            if (g->outputs.p[k] == from) g->outputs.p[k] = to;
    }
}

static bool has_shape(model *m, const type *t, const tensor *data)
{
    if (t->kind != TYPE_TENSOR || t->rank < 0) return t->kind == TYPE_TENSOR;
    if ((uint32_t)t->rank != data->rank) return false;
    for (uint32_t i = 0; i < data->rank; i++) {
        const interval r = dim_range(m->dims, t->shape[i]);
        if (data->shape[i] < r.lo || data->shape[i] > r.hi) return false;
    }
    return true;
}

/* The numbers as a tensor of the input's type and rank (0 or 1); NULL when they are none. */
static const tensor *from_numbers(model *m, const type *t, const value_override *o)
{
    const elem_info *e = elem_of(t->elem);
    const int64_t n = o->n;
    if (t->kind != TYPE_TENSOR || (t->rank == 0 && n != 1) || t->rank > 1 || e->bits < 8) return NULL;
    if (t->elem != ELEM_FLOAT && t->elem != ELEM_DOUBLE && e->kind != 'i' && e->kind != 'u' && e->kind != 'b') return NULL;
    if (o->truths && e->kind != 'b') return NULL;
    tensor *made = tensor_new(m->mem, t->elem, t->rank ? 1 : 0, &n);
    for (uint32_t i = 0; i < o->n; i++) {
        unsigned char *to = (unsigned char *)(uintptr_t)made->data + (size_t)i * (size_t)e->bits / 8;
        const float f = (float)o->number[i];
        const int64_t v = (int64_t)o->number[i];
        if (t->elem == ELEM_DOUBLE) memcpy(to, &o->number[i], 8);
        else if (t->elem == ELEM_FLOAT) memcpy(to, &f, 4);
        else {
            if ((double)v != o->number[i] || (e->kind == 'b' && v != 0 && v != 1)) return NULL;
            for (int b = 0; b < e->bits / 8; b++) to[b] = (unsigned char)((uint64_t)v >> 8 * b);
        }
    }
    return made;
}

static bool set_value(model *m, const value_override *o)
{
    graph *g = model_main(m);
    value_id input = 0;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (!strcmp(value_at(m, g->inputs.p[i])->name, o->input)) input = g->inputs.p[i];
    if (!input) return diag_error(m->diag, EXIT_USAGE, "", "value", "--value %s: the model has no input of that name", o->input);
    type *t = &value_at(m, input)->type;
    const tensor *data = o->data ? o->data : from_numbers(m, t, o);
    if (!data) return diag_error(m->diag, EXIT_USAGE, "", "value", "--value %s: these numbers are no value of that input; an .npy or .pb file can hold any", o->input);
    if (!has_shape(m, t, data)) return diag_error(m->diag, EXIT_USAGE, "", "value", "--value %s: the tensor does not have the input's shape", o->input);
    if (t->elem != data->type)
        return diag_error(m->diag, EXIT_USAGE, "", "value", "--value %s: the tensor is %s, the input %s", o->input, elem_of(data->type)->name, elem_of(t->elem)->name);
    t->rank = (int32_t)data->rank;
    t->shape = shape_new(m, data->rank);
    for (uint32_t i = 0; i < data->rank; i++) t->shape[i] = dim_const(m->dims, data->shape[i]);
    const type whole = *t;
    const value_id constant = value_new(m, arena_printf(m->mem, "%s.value", o->input));
    value_at(m, constant)->type = whole;
    value_at(m, constant)->data = data;
    VEC_PUSH(m->mem, g->initializers, constant);
    replace_uses(m, input, constant);
    VEC_PUSH(m->mem, m->fixed, ((fixed_input){input, data}));
    return true;
}

bool set_values(model *m, const compile_options *o)
{
    for (uint32_t i = 0; i < o->values.n; i++)
        if (!set_value(m, &o->values.p[i])) return false;
    return true;
}
