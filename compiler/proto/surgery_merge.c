/* surgery_merge.c - one model behind another; see surgery.h. As onnx.compose.merge_models; names in subgraphs of the second model are connected, too.
 */
#include <stdarg.h>
#include <string.h>

#include "base/elem.h"
#include "proto/surgery_impl.h"

#define APPEND(mem, a, list, b)                                                                                                                      \
    ((a)->list = joined(mem, (a)->list, (a)->n_##list, (b)->list, (b)->n_##list, sizeof *(a)->list), (a)->n_##list += (b)->n_##list)

static void *joined(arena *mem, const void *a, size_t n_a, const void *b, size_t n_b, size_t size)
{
    char *list = arena_array(mem, n_a + n_b, size);
    if (n_a) memcpy(list, a, n_a * size);
    if (n_b) memcpy(list + n_a * size, b, n_b * size);
    return list;
}

__attribute__((format(printf, 2, 3))) static bool merge_error(surgery *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *message = arena_vprintf(s->mem, fmt, ap);
    va_end(ap);
    return diag_error(s->d, EXIT_INVALID, "", "merge", "%s", message);
}

static bool equal(const char *a, const char *b)
{
    return !strcmp(a ? a : "", b ? b : "");
}

/* ---- the models ---- */

static bool merge_imports(surgery *a, const surgery *b)
{
    Onnx__ModelProto *m = a->m;
    const Onnx__ModelProto *o = b->m;
    if (m->ir_version != o->ir_version)
        return diag_error(a->d, EXIT_INVALID, "", "merge", "the IR versions differ: %lld and %lld", (long long)m->ir_version,
                          (long long)o->ir_version);
    Onnx__OperatorSetIdProto **list = joined(a->mem, m->opset_import, m->n_opset_import, NULL, 0, sizeof *list);
    VEC(Onnx__OperatorSetIdProto *) all = {list, (uint32_t)m->n_opset_import, (uint32_t)m->n_opset_import};
    for (size_t i = 0; i < o->n_opset_import; i++) {
        bool known = false;
        for (size_t k = 0; k < m->n_opset_import && !known; k++) {
            known = !strcmp(plain_domain(m->opset_import[k]->domain), plain_domain(o->opset_import[i]->domain));
            if (!known || m->opset_import[k]->version == o->opset_import[i]->version) continue;
            diag_error(a->d, EXIT_INVALID, "", "merge", "the models import different versions of %s: %lld and %lld",
                       *plain_domain(m->opset_import[k]->domain) ? m->opset_import[k]->domain : "ai.onnx", (long long)m->opset_import[k]->version,
                       (long long)o->opset_import[i]->version);
            return diag_hint(a->d, "`onnxcc convert` takes one of them to the other's version");
        }
        if (!known) VEC_PUSH(a->mem, all, o->opset_import[i]);
    }
    m->opset_import = all.p;
    m->n_opset_import = all.n;
    return true;
}

static bool merge_metadata(surgery *a, const surgery *b)
{
    Onnx__ModelProto *m = a->m;
    Onnx__StringStringEntryProto **list =
        joined(a->mem, m->metadata_props, m->n_metadata_props, b->m->metadata_props, b->m->n_metadata_props, sizeof *list);
    size_t n = m->n_metadata_props;
    for (size_t i = 0; i < b->m->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *e = b->m->metadata_props[i];
        bool known = false;
        for (size_t k = 0; k < m->n_metadata_props && !known; k++) {
            known = equal(m->metadata_props[k]->key, e->key);
            if (known && !equal(m->metadata_props[k]->value, e->value))
                return merge_error(a, "the models have different values of the metadata property '%s'", e->key ? e->key : "");
        }
        if (!known) list[n++] = b->m->metadata_props[i];
    }
    m->metadata_props = list;
    m->n_metadata_props = n;
    return true;
}

static bool merge_functions(surgery *a, const surgery *b)
{
    for (size_t i = 0; i < a->m->n_functions; i++)
        for (size_t k = 0; k < b->m->n_functions; k++)
            if (equal(a->m->functions[i]->name, b->m->functions[k]->name))
                return merge_error(a, "both models have a function '%s'", a->m->functions[i]->name);
    APPEND(a->mem, a->m, functions, b->m);
    return true;
}

/* ---- names ---- */

static bool listed(const char *const *list, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (equal(list[i], name)) return true;
    return false;
}

static const Onnx__ValueInfoProto *find_info(Onnx__ValueInfoProto *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (equal(list[i]->name, name)) return list[i];
    return NULL;
}

static bool in_infos(Onnx__ValueInfoProto *const *list, size_t n, const char *name)
{
    return find_info(list, n, name) != NULL;
}

static bool edge_out(const merge_options *o, const char *name)
{
    for (uint32_t i = 0; i < o->n_edges; i++)
        if (equal(o->edges[i].out, name)) return true;
    return false;
}

static bool edge_in(const merge_options *o, const char *name)
{
    for (uint32_t i = 0; i < o->n_edges; i++)
        if (equal(o->edges[i].in, name)) return true;
    return false;
}

/* ---- what is connected ---- */

static const char *elem_difference(surgery *s, int32_t out, int32_t in)
{
    return !out || !in || out == in ? NULL : arena_printf(s->mem, "%s and %s", elem_of((elem)out)->name, elem_of((elem)in)->name);
}

static const char *shape_difference(surgery *s, const Onnx__TensorShapeProto *out, const Onnx__TensorShapeProto *in)
{
    if (!out || !in) return NULL;
    if (out->n_dim != in->n_dim) return arena_printf(s->mem, "%zu and %zu dimensions", out->n_dim, in->n_dim);
    for (size_t i = 0; i < out->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *a = out->dim[i], *b = in->dim[i];
        const bool fixed = a->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && b->value_case == a->value_case;
        if (fixed && a->dim_value >= 0 && b->dim_value >= 0 && a->dim_value != b->dim_value)
            return arena_printf(s->mem, "%lld and %lld in dimension %zu", (long long)a->dim_value, (long long)b->dim_value, i);
    }
    return NULL;
}

/* Why no value has both types; NULL: one can, as far as both say. Types that hold others are nested as deep as the file's messages, which has a limit. */
static const char *type_difference(surgery *s, const Onnx__TypeProto *out, const Onnx__TypeProto *in)
{
    if (!out || !in || !out->value_case || !in->value_case) return NULL;
    if (out->value_case != in->value_case) return "kinds of types, as a tensor and a sequence are";
    switch (out->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE: {
        const char *why = elem_difference(s, out->tensor_type->elem_type, in->tensor_type->elem_type);
        return why ? why : shape_difference(s, out->tensor_type->shape, in->tensor_type->shape);
    }
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: {
        const char *why = elem_difference(s, out->sparse_tensor_type->elem_type, in->sparse_tensor_type->elem_type);
        return why ? why : shape_difference(s, out->sparse_tensor_type->shape, in->sparse_tensor_type->shape);
    }
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return type_difference(s, out->sequence_type->elem_type, in->sequence_type->elem_type);
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return type_difference(s, out->optional_type->elem_type, in->optional_type->elem_type);
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: {
        const char *why = elem_difference(s, out->map_type->key_type, in->map_type->key_type);
        return why ? why : type_difference(s, out->map_type->value_type, in->map_type->value_type);
    }
    default: return NULL;
    }
}

static bool edges_fit(surgery *a, const surgery *b, const merge_options *o)
{
    bool ok = true;
    for (uint32_t i = 0; i < o->n_edges; i++) {
        const Onnx__ValueInfoProto *out = find_info(a->m->graph->output, a->m->graph->n_output, o->edges[i].out);
        const Onnx__ValueInfoProto *in = find_info(b->m->graph->input, b->m->graph->n_input, o->edges[i].in);
        const char *why = out && in ? type_difference(a, out->type, in->type) : NULL;
        if (!out) ok = merge_error(a, "'%s' is no output of the first model", o->edges[i].out);
        if (!in) ok = merge_error(a, "'%s' is no input of the second model", o->edges[i].in);
        if (why) ok = merge_error(a, "output '%s' can't be connected with input '%s', they differ: %s", out->name, in->name, why);
    }
    return ok;
}

/* Names of --from and --to are there. */
static bool ends_exist(surgery *a, const surgery *b, const merge_options *o)
{
    const Onnx__GraphProto *g = a->m->graph, *h = b->m->graph;
    bool ok = true;
    for (uint32_t i = 0; i < o->n_inputs; i++)
        if (!in_infos(g->input, g->n_input, o->inputs[i]) && !in_infos(h->input, h->n_input, o->inputs[i]))
            ok = merge_error(a, "'%s' is no input of either model, after prefixes", o->inputs[i]);
    for (uint32_t i = 0; i < o->n_outputs; i++)
        if (!in_infos(g->output, g->n_output, o->outputs[i]) && !in_infos(h->output, h->n_output, o->outputs[i]))
            ok = merge_error(a, "'%s' is no output of either model, after prefixes", o->outputs[i]);
    return ok;
}

/* ---- names of both ---- */

/* What a graph defines or declares. */
static void own_names(const Onnx__GraphProto *g, read_function f, void *ctx)
{
    for (size_t i = 0; i < g->n_input; i++) f(ctx, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer; i++) f(ctx, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer; i++) f(ctx, sparse_name(g->sparse_initializer[i]));
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++) f(ctx, g->node[i]->output[k]);
    for (size_t i = 0; i < g->n_value_info; i++) f(ctx, g->value_info[i]->name);
}

typedef struct {
    surgery *s;
    name_map first;
    const merge_options *o;
    const char *clash;
} comparison;

static void collect(void *ctx, const char *name)
{
    comparison *c = ctx;
    if (name && *name) name_map_set(&c->first, name, "");
}

static void compare(void *ctx, const char *name)
{
    comparison *c = ctx;
    if (name && *name && !edge_in(c->o, name) && has_name(&c->first, name)) c->clash = name;
}

static bool names_differ(surgery *a, const surgery *b, const merge_options *o)
{
    comparison c = {a, name_map_new(a), o, NULL};
    own_names(a->m->graph, collect, &c);
    own_names(b->m->graph, compare, &c);
    if (!c.clash) return true;
    merge_error(a, "both models have a value '%s'", c.clash);
    return diag_hint(a->d, "--prefix1 and --prefix2 make names different");
}

/* ---- the graphs ---- */

/* Of each model only what the wanted inputs and outputs, and the connected ones, need. */
static bool cut(surgery *s, const merge_options *o, bool first)
{
    const Onnx__GraphProto *g = s->m->graph;
    VEC(const char *) in = {0}, out = {0};
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        if (!o->n_inputs || listed(o->inputs, o->n_inputs, name) || (!first && edge_in(o, name))) VEC_PUSH(s->mem, in, name);
    }
    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name;
        if (!o->n_outputs || listed(o->outputs, o->n_outputs, name) || (first && edge_out(o, name))) VEC_PUSH(s->mem, out, name);
    }
    if (in.n == g->n_input && out.n == g->n_output) return true;
    Onnx__FunctionProto **functions = s->m->functions;
    const size_t n_functions = s->m->n_functions;
    s->m->n_functions = 0; /* they stay, called or not */
    const bool ok = surgery_extract(s, in.p, in.n, out.p, out.n);
    s->m->functions = functions;
    s->m->n_functions = n_functions;
    return ok;
}

static void connect_graph(const merge_options *o, Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        Onnx__NodeProto *n = g->node[i];
        for (size_t k = 0; k < n->n_input; k++)
            for (uint32_t j = 0; j < o->n_edges; j++)
                if (equal(n->input[k], o->edges[j].in)) {
                    n->input[k] = (char *)(uintptr_t)o->edges[j].out;
                    break;
                }
        for (uint32_t k = 0; node_graph(n, k); k++) connect_graph(o, node_graph(n, k));
    }
}

/* Keeps of a list what `wanted` says. */
static size_t keep_infos(Onnx__ValueInfoProto **list, size_t n, const merge_options *o, bool (*dropped)(const merge_options *o, const char *name),
                         const char *const *only, uint32_t n_only)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (n_only ? listed(only, n_only, list[i]->name) : !dropped || !dropped(o, list[i]->name)) list[kept++] = list[i];
    return kept;
}

/* The types of connected outputs, which are inner values now. */
static void keep_types(surgery *a, Onnx__GraphProto *g, Onnx__ValueInfoProto *const *outputs, size_t n, const merge_options *o)
{
    VEC(Onnx__ValueInfoProto *) all = {g->value_info, (uint32_t)g->n_value_info, (uint32_t)g->n_value_info};
    for (size_t i = 0; i < n; i++)
        if (edge_out(o, outputs[i]->name) && !in_infos(all.p, all.n, outputs[i]->name) && !in_infos(g->output, g->n_output, outputs[i]->name))
            VEC_PUSH(a->mem, all, outputs[i]);
    g->value_info = all.p;
    g->n_value_info = all.n;
}

static void drop_connected_constants(const merge_options *o, Onnx__GraphProto *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n_initializer; i++)
        if (!edge_in(o, h->initializer[i]->name)) h->initializer[n++] = h->initializer[i];
    h->n_initializer = n;
    n = 0;
    for (size_t i = 0; i < h->n_sparse_initializer; i++)
        if (!edge_in(o, sparse_name(h->sparse_initializer[i]))) h->sparse_initializer[n++] = h->sparse_initializer[i];
    h->n_sparse_initializer = n;
}

static void merge_graphs(surgery *a, Onnx__GraphProto *g, Onnx__GraphProto *h, const merge_options *o)
{
    Onnx__ValueInfoProto *const *outputs = arena_copy(a->mem, g->output, g->n_output * sizeof *outputs);
    const size_t n_outputs = g->n_output;
    connect_graph(o, h);
    g->n_input = keep_infos(g->input, g->n_input, o, NULL, o->inputs, o->n_inputs);
    h->n_input = keep_infos(h->input, h->n_input, o, edge_in, o->inputs, o->n_inputs);
    g->n_output = keep_infos(g->output, g->n_output, o, edge_out, o->outputs, o->n_outputs);
    h->n_output = keep_infos(h->output, h->n_output, o, NULL, o->outputs, o->n_outputs);
    h->n_value_info = keep_infos(h->value_info, h->n_value_info, o, edge_in, NULL, 0);
    drop_connected_constants(o, h);
    APPEND(a->mem, g, node, h);
    APPEND(a->mem, g, input, h);
    APPEND(a->mem, g, output, h);
    APPEND(a->mem, g, initializer, h);
    APPEND(a->mem, g, sparse_initializer, h);
    APPEND(a->mem, g, value_info, h);
    APPEND(a->mem, g, quantization_annotation, h);
    APPEND(a->mem, g, metadata_props, h);
    keep_types(a, g, outputs, n_outputs, o);
    const char *one = g->name ? g->name : "", *two = h->name ? h->name : "";
    g->doc_string = arena_printf(a->mem, "Graph combining %s and %s\n%s\n\n%s\n\n%s\n\n%s", one, two, one, g->doc_string ? g->doc_string : "", two,
                                 h->doc_string ? h->doc_string : "");
    g->name = o->name ? arena_printf(a->mem, "%s", o->name) : arena_printf(a->mem, "%s_%s", one, two);
}

/* External data of both, which may lie in different folders. */
static void note_files(surgery *a, surgery *b)
{
    surgery *const both[] = {a, b};
    for (uint32_t i = 0; i < 2; i++) {
        surgery_files f = {.folder = surgery_folder(both[i])};
        surgery_locations(both[i], &f);
        if (!both[i]->others.n) VEC_PUSH(a->mem, a->others, f);
    }
}

bool surgery_merge(surgery *first, surgery *second, const merge_options *o)
{
    if (!merge_imports(first, second) || !edges_fit(first, second, o) || !ends_exist(first, second, o)) return false;
    if ((o->n_inputs || o->n_outputs) && (!cut(first, o, true) || !cut(second, o, false))) return false;
    if (!names_differ(first, second, o) || !merge_metadata(first, second) || !merge_functions(first, second)) return false;
    note_files(first, second);
    merge_graphs(first, first->m->graph, second->m->graph, o);
    return true;
}
