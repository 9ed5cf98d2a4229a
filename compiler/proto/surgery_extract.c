/* surgery_extract.c - a part of a model by the names of values; see surgery.h. As onnx.utils.extract_model; values that subgraphs read from around
 * them count. */
#include <stdlib.h>
#include <string.h>

#include "proto/surgery_impl.h"

typedef struct {
    surgery *s;
    Onnx__GraphProto *g;
    name_map producer; /* of a value: the place of its node, as text */
    name_map stop;     /* the inputs of the part */
    name_map used;     /* by what is kept */
    bool *keep;        /* by node */
    VEC(uint32_t) todo;
    VEC(const char *) loose; /* read, and neither computed, given, nor constant */
} extraction;

static Onnx__ValueInfoProto *find_info(Onnx__ValueInfoProto **list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (list[i]->name && !strcmp(list[i]->name, name)) return list[i];
    return NULL;
}

static Onnx__ValueInfoProto *declared(const Onnx__GraphProto *g, const char *name)
{
    Onnx__ValueInfoProto *v = find_info(g->input, g->n_input, name);
    if (!v) v = find_info(g->output, g->n_output, name);
    return v ? v : find_info(g->value_info, g->n_value_info, name);
}

static bool is_constant(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name && !strcmp(g->initializer[i]->name, name)) return true;
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (!strcmp(sparse_name(g->sparse_initializer[i]), name)) return true;
    return false;
}

static void reach(void *ctx, const char *name)
{
    extraction *x = ctx;
    if (!*name || has_name(&x->used, name)) return;
    name_map_set(&x->used, name, "");
    if (has_name(&x->stop, name)) return;
    const char *at = name_map_get(&x->producer, name);
    if (!at) {
        if (!is_constant(x->g, name)) VEC_PUSH(x->s->mem, x->loose, name);
        return;
    }
    const uint32_t i = (uint32_t)strtoul(at, NULL, 10);
    if (!x->keep[i]) VEC_PUSH(x->s->mem, x->todo, i);
    x->keep[i] = true;
}

static void mark_nodes(extraction *x, const char *const *outputs, uint32_t n)
{
    for (size_t i = 0; i < x->g->n_node; i++)
        for (size_t k = 0; k < x->g->node[i]->n_output; k++) name_map_set(&x->producer, x->g->node[i]->output[k], arena_printf(x->s->mem, "%zu", i));
    for (uint32_t i = 0; i < n; i++) reach(x, outputs[i]);
    while (x->todo.n) node_reads(x->s, x->g->node[x->todo.p[--x->todo.n]], reach, x);
}

/* ---- what stays ---- */

static bool select_infos(extraction *x, const char *const *list, uint32_t n, const char *what, size_t *count, Onnx__ValueInfoProto ***out)
{
    Onnx__ValueInfoProto **infos = ARENA_ARRAY(x->s->mem, Onnx__ValueInfoProto *, n);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(list[i], list[k])) return diag_error(x->s->d, EXIT_USAGE, "", "extract", "%s '%s' is asked for twice", what, list[i]);
        infos[i] = declared(x->g, list[i]);
        if (!infos[i])
            return diag_error(x->s->d, EXIT_USAGE, "", "extract", "%s '%s' is no value of the main graph with a known type", what, list[i]);
    }
    *count = n;
    *out = infos;
    return true;
}

static void keep_used(extraction *x)
{
    Onnx__GraphProto *g = x->g;
    size_t n = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        if (has_name(&x->used, g->initializer[i]->name)) g->initializer[n++] = g->initializer[i];
    g->n_initializer = n;
    n = 0;
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (has_name(&x->used, sparse_name(g->sparse_initializer[i]))) g->sparse_initializer[n++] = g->sparse_initializer[i];
    g->n_sparse_initializer = n;
    n = 0;
    for (size_t i = 0; i < g->n_node; i++) {
        if (!x->keep[i]) continue;
        for (size_t k = 0; k < g->node[i]->n_output; k++) name_map_set(&x->used, g->node[i]->output[k], "");
        g->node[n++] = g->node[i];
    }
    g->n_node = n;
    n = 0;
    for (size_t i = 0; i < g->n_value_info; i++) {
        const char *name = g->value_info[i]->name;
        const bool outer = find_info(g->input, g->n_input, name) || find_info(g->output, g->n_output, name);
        if (has_name(&x->used, name) && !outer) g->value_info[n++] = g->value_info[i];
    }
    g->n_value_info = n;
    n = 0;
    for (size_t i = 0; i < g->n_quantization_annotation; i++)
        if (has_name(&x->used, g->quantization_annotation[i]->tensor_name)) g->quantization_annotation[n++] = g->quantization_annotation[i];
    g->n_quantization_annotation = n;
}

/* ---- functions ---- */

static void mark_called(surgery *s, const Onnx__NodeProto *n, bool *called)
{
    const Onnx__FunctionProto *f = called_function(s, n);
    for (uint32_t k = 0; node_graph(n, k); k++)
        for (size_t i = 0; i < node_graph(n, k)->n_node; i++) mark_called(s, node_graph(n, k)->node[i], called);
    for (size_t i = 0; f && i < s->m->n_functions; i++) {
        if (s->m->functions[i] != f || called[i]) continue;
        called[i] = true;
        for (size_t k = 0; k < f->n_node; k++) mark_called(s, f->node[k], called);
    }
}

static void keep_called(surgery *s)
{
    Onnx__ModelProto *m = s->m;
    bool *called = ARENA_ARRAY(s->mem, bool, m->n_functions);
    size_t n = 0;
    for (size_t i = 0; i < m->graph->n_node; i++) mark_called(s, m->graph->node[i], called);
    for (size_t i = 0; i < m->n_functions; i++)
        if (called[i]) m->functions[n++] = m->functions[i];
    m->n_functions = n;
}

bool surgery_extract(surgery *s, const char *const *inputs, uint32_t n_inputs, const char *const *outputs, uint32_t n_outputs)
{
    Onnx__GraphProto *g = s->m->graph;
    extraction x = {
        .s = s, .g = g, .producer = name_map_new(s), .stop = name_map_new(s), .used = name_map_new(s), .keep = ARENA_ARRAY(s->mem, bool, g->n_node)};
    size_t n_in, n_out;
    Onnx__ValueInfoProto **in, **out;
    if (!select_infos(&x, inputs, n_inputs, "input", &n_in, &in) || !select_infos(&x, outputs, n_outputs, "output", &n_out, &out)) return false;
    for (uint32_t i = 0; i < n_inputs; i++) name_map_set(&x.stop, inputs[i], "");
    mark_nodes(&x, outputs, n_outputs);
    for (uint32_t i = 0; i < x.loose.n; i++)
        diag_error(s->d, EXIT_USAGE, "", "extract", "the outputs need '%s', which is no input of the part", x.loose.p[i]);
    if (x.loose.n) return false;
    g->input = in;
    g->n_input = n_in;
    g->output = out;
    g->n_output = n_out;
    keep_used(&x);
    keep_called(s);
    g->name = arena_printf(s->mem, "Extracted from {%s}", g->name ? g->name : "");
    return true;
}
