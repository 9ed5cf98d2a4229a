/* surgery.c - opening and saving, and what the operations share; see surgery.h. */
#include <string.h>

#include "proto/external.h"
#include "proto/load.h"
#include "proto/parse.h"
#include "proto/save.h"
#include "proto/surgery_impl.h"

/* ---- files ---- */

/* Names that a file leaves out are empty from here on. */
static void fill(char **name)
{
    static char empty[1];
    if (!*name) *name = empty;
}

static void fill_graph(const Onnx__GraphProto *g);

static void fill_nodes(Onnx__NodeProto *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fill(&list[i]->op_type);
        for (uint32_t k = 0; node_graph(list[i], k); k++) fill_graph(node_graph(list[i], k));
    }
}

static void fill_infos(Onnx__ValueInfoProto *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) fill(&list[i]->name);
}

static void fill_graph(const Onnx__GraphProto *g)
{
    fill_infos(g->input, g->n_input);
    fill_infos(g->output, g->n_output);
    fill_infos(g->value_info, g->n_value_info);
    for (size_t i = 0; i < g->n_initializer; i++) fill(&g->initializer[i]->name);
    fill_nodes(g->node, g->n_node);
}

static surgery *surgery_of(arena *mem, diag *d, const proto_file *f, const char *path)
{
    if (!f) return NULL;
    surgery *s = ARENA_NEW(mem, surgery);
    *s = (surgery){.mem = mem, .d = d, .m = (Onnx__ModelProto *)(uintptr_t)f->root, .path = path, .names = names_new(mem)};
    for (size_t i = 0; i < s->m->n_functions; i++) {
        fill(&s->m->functions[i]->name);
        fill_infos(s->m->functions[i]->value_info, s->m->functions[i]->n_value_info);
        fill_nodes(s->m->functions[i]->node, s->m->functions[i]->n_node);
    }
    if (s->m->graph) {
        fill_graph(s->m->graph);
        return s;
    }
    diag_error(d, EXIT_INVALID, "", "field-missing", "the model has no graph");
    return NULL;
}

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

surgery *surgery_open(arena *mem, diag *d, const char *path)
{
    if (!ends_with(path, ".onnxtxt") && !ends_with(path, ".onnxtext"))
        return surgery_of(mem, d, proto_open(mem, d, path, &onnx__model_proto__descriptor, NULL), path);
    file_view f;
    const char *why;
    if (!file_map(path, &f, &why)) {
        diag_error(d, EXIT_IO, "", "file-open", "can't read the file: %s", why);
        return NULL;
    }
    const char *source = arena_strndup(mem, (const char *)f.data, f.size);
    const bool whole = strlen(source) == f.size;
    file_unmap(&f);
    if (whole) return surgery_of(mem, d, proto_parse(mem, d, source, path), path);
    diag_error(d, EXIT_INVALID, "", "syntax", "the text has a zero byte in it");
    return NULL;
}

surgery *surgery_open_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path)
{
    return surgery_of(mem, d, proto_open_bytes(mem, d, data, size, path, &onnx__model_proto__descriptor, NULL), path);
}

bool surgery_encode(surgery *s, text *out)
{
    return proto_encode(s->d, &s->m->base, out);
}

const char *surgery_folder(surgery *s)
{
    return proto_folder(s->mem, s->path);
}

bool surgery_in_one_folder(surgery *s)
{
    for (uint32_t i = 0; i < s->others.n; i++)
        if (s->others.p[i].location.n && strcmp(s->others.p[i].folder, surgery_folder(s)) != 0) return false;
    return true;
}

bool surgery_save(surgery *s, const char *path)
{
    text bytes = {.mem = s->mem}, shown = {.mem = s->mem};
    if (!surgery_encode(s, &bytes)) return false;
    const text *out = &bytes;
    if (ends_with(path, ".onnxtxt")) {
        const load_options o = {.overridable_inputs = true, .incomplete = true};
        model *m = model_load_bytes(s->mem, s->d, bytes.p, bytes.n, s->path, &o);
        if (!m) return false;
        model_text(m, &shown, UINT32_MAX);
        out = &shown;
    }
    surgery_files own = {.folder = surgery_folder(s)};
    if (!s->made.n) surgery_locations(s, &own);
    file_list files = s->made;
    for (uint32_t i = 0; i < s->others.n; i++)
        if (!external_copy(s->mem, s->d, s->others.p[i].folder, path, s->others.p[i].location.p, s->others.p[i].location.n, &files)) return false;
    if (!s->others.n && !external_copy(s->mem, s->d, own.folder, path, own.location.p, own.location.n, &files)) return false;
    VEC_PUSH(s->mem, files, ((file_content){.path = path, .data = out->p, .size = out->n}));
    return file_list_write(&files, s->d);
}

/* ---- names ---- */

name_map name_map_new(surgery *s)
{
    name_map t = {.mem = s->mem, .names = s->names, .ids = scope_new(s->mem)};
    scope_enter(t.ids);
    return t;
}

void name_map_set(name_map *t, const char *from, const char *to)
{
    const char *name = intern(t->names, from);
    const uint32_t id = scope_find(t->ids, name);
    char *own = arena_strndup(t->mem, to, strlen(to));
    if (id) {
        t->to.p[id - 1] = own;
        return;
    }
    VEC_PUSH(t->mem, t->to, own);
    scope_define(t->ids, name, t->to.n);
}

char *name_map_get(const name_map *t, const char *from)
{
    const uint32_t id = from ? scope_find(t->ids, intern(t->names, from)) : 0;
    return id ? t->to.p[id - 1] : NULL;
}

/* ---- walks ---- */

Onnx__GraphProto *node_graph(const Onnx__NodeProto *n, uint32_t k)
{
    for (size_t i = 0; i < n->n_attribute; i++) {
        const Onnx__AttributeProto *a = n->attribute[i];
        if (a->g && k-- == 0) return a->g;
        if (k < a->n_graphs) return a->graphs[k];
        k -= (uint32_t)a->n_graphs;
    }
    return NULL;
}

/* What graph g reads and neither it nor a graph around it, up to the node, defines. */
static void graph_reads(surgery *s, const Onnx__GraphProto *g, name_map *inside, read_function f, void *ctx)
{
    for (size_t i = 0; i < g->n_input; i++) name_map_set(inside, g->input[i]->name, "");
    for (size_t i = 0; i < g->n_initializer; i++) name_map_set(inside, g->initializer[i]->name, "");
    for (size_t i = 0; i < g->n_sparse_initializer; i++) name_map_set(inside, sparse_name(g->sparse_initializer[i]), "");
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        for (size_t k = 0; k < n->n_input; k++)
            if (!has_name(inside, n->input[k])) f(ctx, n->input[k]);
        for (uint32_t k = 0; node_graph(n, k); k++) graph_reads(s, node_graph(n, k), inside, f, ctx);
        for (size_t k = 0; k < n->n_output; k++) name_map_set(inside, n->output[k], "");
    }
    for (size_t i = 0; i < g->n_output; i++)
        if (!has_name(inside, g->output[i]->name)) f(ctx, g->output[i]->name);
}

void node_reads(surgery *s, const Onnx__NodeProto *n, read_function f, void *ctx)
{
    for (size_t i = 0; i < n->n_input; i++) f(ctx, n->input[i]);
    for (uint32_t k = 0; node_graph(n, k); k++) {
        name_map inside = name_map_new(s);
        graph_reads(s, node_graph(n, k), &inside, f, ctx);
    }
}

Onnx__FunctionProto *called_function(const surgery *s, const Onnx__NodeProto *n)
{
    for (size_t i = 0; i < s->m->n_functions; i++) {
        Onnx__FunctionProto *f = s->m->functions[i];
        if (f->name && !strcmp(f->name, n->op_type ? n->op_type : "") && !strcmp(plain_domain(f->domain), plain_domain(n->domain)) &&
            !strcmp(f->overload ? f->overload : "", n->overload ? n->overload : ""))
            return f;
    }
    return NULL;
}

/* ---- external data ---- */

static void note_tensor(surgery *s, const Onnx__TensorProto *t, surgery_files *out)
{
    if (!t || t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) return;
    const char *location = NULL;
    for (size_t i = 0; i < t->n_external_data; i++)
        if (t->external_data[i]->key && !strcmp(t->external_data[i]->key, "location")) location = t->external_data[i]->value;
    for (uint32_t i = 0; location && i < out->location.n; i++)
        if (!strcmp(out->location.p[i], location)) return;
    if (location) VEC_PUSH(s->mem, out->location, location);
}

static void note_graph(surgery *s, const Onnx__GraphProto *g, surgery_files *out);

static void note_node(surgery *s, const Onnx__NodeProto *n, surgery_files *out)
{
    for (size_t i = 0; i < n->n_attribute; i++) {
        note_tensor(s, n->attribute[i]->t, out);
        for (size_t k = 0; k < n->attribute[i]->n_tensors; k++) note_tensor(s, n->attribute[i]->tensors[k], out);
    }
    for (uint32_t k = 0; node_graph(n, k); k++) note_graph(s, node_graph(n, k), out);
}

static void note_graph(surgery *s, const Onnx__GraphProto *g, surgery_files *out)
{
    for (size_t i = 0; i < g->n_initializer; i++) note_tensor(s, g->initializer[i], out);
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        note_tensor(s, g->sparse_initializer[i]->values, out);
        note_tensor(s, g->sparse_initializer[i]->indices, out);
    }
    for (size_t i = 0; i < g->n_node; i++) note_node(s, g->node[i], out);
}

void surgery_locations(surgery *s, surgery_files *out)
{
    note_graph(s, s->m->graph, out);
    for (size_t i = 0; i < s->m->n_functions; i++)
        for (size_t k = 0; k < s->m->functions[i]->n_node; k++) note_node(s, s->m->functions[i]->node[k], out);
}
