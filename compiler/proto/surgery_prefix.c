/* surgery_prefix.c - names with a prefix; see surgery.h. As onnx.compose.add_prefix, in subgraphs too, and calls there go with their functions. */
#include <string.h>

#include "proto/surgery_impl.h"

typedef struct {
    surgery *s;
    const char *prefix;
    unsigned what;
    name_map values;
} renaming;

static char *prefixed(renaming *r, const char *name)
{
    return arena_printf(r->s->mem, "%s%s", name && *name ? r->prefix : "", name ? name : "");
}

static void mark(renaming *r, const char *name)
{
    if (name && *name) name_map_set(&r->values, name, prefixed(r, name));
}

static bool is_output(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_output; i++)
        if (g->output[i]->name && !strcmp(g->output[i]->name, name)) return true;
    return false;
}

/* ---- which names ---- */

static void mark_graph(renaming *r, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        for (size_t k = 0; k < n->n_output && r->what & RENAME_EDGES; k++)
            if (!is_output(g, n->output[k])) mark(r, n->output[k]);
        for (uint32_t k = 0; node_graph(n, k); k++) mark_graph(r, node_graph(n, k));
    }
    for (size_t i = 0; i < g->n_input && r->what & RENAME_INPUTS; i++) mark(r, g->input[i]->name);
    for (size_t i = 0; i < g->n_output && r->what & RENAME_OUTPUTS; i++) mark(r, g->output[i]->name);
    for (size_t i = 0; i < g->n_initializer && r->what & RENAME_INITIALIZERS; i++) mark(r, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer && r->what & RENAME_INITIALIZERS; i++) {
        const Onnx__SparseTensorProto *t = g->sparse_initializer[i];
        mark(r, sparse_name(t));
        if (t->indices) mark(r, t->indices->name);
    }
    for (size_t i = 0; i < g->n_value_info && r->what & RENAME_VALUE_INFOS; i++) mark(r, g->value_info[i]->name);
}

/* ---- the renaming ---- */

static void rename_value(renaming *r, char **name)
{
    char *to = name_map_get(&r->values, *name);
    if (to) *name = to;
}

static void rename_infos(renaming *r, Onnx__ValueInfoProto **list, size_t n)
{
    for (size_t i = 0; i < n; i++) rename_value(r, &list[i]->name);
}

static void rename_annotation(renaming *r, Onnx__TensorAnnotation *a)
{
    rename_value(r, &a->tensor_name);
    for (size_t i = 0; i < a->n_quant_parameter_tensor_names; i++) rename_value(r, &a->quant_parameter_tensor_names[i]->value);
}

static void rename_graph(renaming *r, Onnx__GraphProto *g);

static void rename_node(renaming *r, Onnx__NodeProto *n)
{
    if (r->what & RENAME_NODES && n->name && *n->name) n->name = prefixed(r, n->name);
    for (size_t i = 0; i < n->n_input; i++) rename_value(r, &n->input[i]);
    for (size_t i = 0; i < n->n_output; i++) rename_value(r, &n->output[i]);
    for (uint32_t k = 0; node_graph(n, k); k++) rename_graph(r, node_graph(n, k));
}

static void rename_graph(renaming *r, Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) rename_node(r, g->node[i]);
    rename_infos(r, g->input, g->n_input);
    rename_infos(r, g->output, g->n_output);
    rename_infos(r, g->value_info, g->n_value_info);
    for (size_t i = 0; i < g->n_initializer; i++) rename_value(r, &g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        Onnx__SparseTensorProto *t = g->sparse_initializer[i];
        if (t->values) rename_value(r, &t->values->name);
        if (t->indices) rename_value(r, &t->indices->name);
    }
    for (size_t i = 0; i < g->n_quantization_annotation; i++) rename_annotation(r, g->quantization_annotation[i]);
}

/* ---- functions: calls first, which find them by their old names ---- */

static void rename_call(renaming *r, Onnx__NodeProto *n)
{
    for (uint32_t k = 0; node_graph(n, k); k++)
        for (size_t i = 0; i < node_graph(n, k)->n_node; i++) rename_call(r, node_graph(n, k)->node[i]);
    if (called_function(r->s, n)) n->op_type = prefixed(r, n->op_type);
}

static void rename_functions(renaming *r)
{
    Onnx__ModelProto *m = r->s->m;
    for (size_t i = 0; i < m->graph->n_node; i++) rename_call(r, m->graph->node[i]);
    for (size_t i = 0; i < m->n_functions; i++)
        for (size_t k = 0; k < m->functions[i]->n_node; k++) rename_call(r, m->functions[i]->node[k]);
    for (size_t i = 0; i < m->n_functions; i++) m->functions[i]->name = prefixed(r, m->functions[i]->name);
}

void surgery_prefix(surgery *s, const char *prefix, unsigned what)
{
    renaming r = {s, prefix, what, name_map_new(s)};
    mark_graph(&r, s->m->graph);
    rename_graph(&r, s->m->graph);
    if (what & RENAME_FUNCTIONS) rename_functions(&r);
}
