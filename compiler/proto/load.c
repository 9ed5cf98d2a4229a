/* load.c - the protobuf form to the IR: names become ids; see load.h.
 *
 * In: a file that passed the prescan, so that nesting is bounded (WIRE_NESTING) and recursion here is too. Out: a model whose nodes have
 * version 0 (the schema part resolves it). All problems are reported, not only the first. */
#include <string.h>

#include "base/sha256.h"
#include "proto/convert.h"
#include "proto/order.h"
#include "proto/parse.h"

static graph_id convert_graph(converter *c, const Onnx__GraphProto *p, graph_id parent, const place *at);

const char *where_of(const converter *c, const place *at)
{
    const char *path = place_text(c->d, at);
    return c->line ? arena_printf(c->d->mem, "%u:%u: %s", c->line, c->column, path) : path;
}

void look_at(converter *c, const void *message)
{
    const uint32_t i = c->places ? scope_find(c->places->by_message, message) : 0;
    if (!i) return;
    c->line = c->places->list.p[i - 1].line;
    c->column = c->places->list.p[i - 1].column;
}

static const char *domain_of(converter *c, const char *s)
{
    return keep(c, s && !strcmp(s, "ai.onnx") ? "" : s);
}

/* Lengths of lists fit: a file has less than 2^31 bytes, and a list element takes two. */
static uint32_t count(size_t n)
{
    return (uint32_t)n;
}

/* ---- attributes ---- */

/* Files of IR version 1 do not say the kind: the field that is filled tells. */
static attr_kind kind_of(const Onnx__AttributeProto *p)
{
    if (p->has_type && p->type) return (attr_kind)p->type;
    if (p->has_f) return ATTR_FLOAT;
    if (p->has_i) return ATTR_INT;
    if (p->has_s) return ATTR_STRING;
    if (p->t) return ATTR_TENSOR;
    if (p->g) return ATTR_GRAPH;
    if (p->n_floats) return ATTR_FLOATS;
    if (p->n_ints) return ATTR_INTS;
    if (p->n_strings) return ATTR_STRINGS;
    if (p->n_tensors) return ATTR_TENSORS;
    if (p->n_graphs) return ATTR_GRAPHS;
    return ATTR_NONE;
}

static bool missing(converter *c, const place *at, const char *what)
{
    return diag_error(c->d, EXIT_INVALID, where_of(c, at), "attribute-value", "the attribute says that it is a %s but has none", what);
}

static bool convert_tensors(converter *c, const Onnx__AttributeProto *p, const place *at, attr *a)
{
    const bool sparse = a->kind == ATTR_SPARSES;
    a->n = count(sparse ? p->n_sparse_tensors : p->n_tensors);
    const tensor **list = ARENA_ARRAY(c->mem, const tensor *, a->n);
    bool ok = true;
    for (uint32_t i = 0; i < a->n; i++) {
        const place here = {at, sparse ? "sparse_tensors" : "tensors", i, NULL};
        list[i] = sparse ? convert_sparse(c, p->sparse_tensors[i], &here) : convert_tensor(c, p->tensors[i], &here);
        ok &= list[i] != NULL;
    }
    a->u.tensors = list;
    return ok;
}

static bool convert_types(converter *c, const Onnx__AttributeProto *p, const place *at, attr *a)
{
    const bool one = a->kind == ATTR_TYPE;
    if (one && !p->tp) return missing(c, at, "type");
    a->n = one ? 1 : count(p->n_type_protos);
    type *list = ARENA_ARRAY(c->mem, type, a->n);
    bool ok = true;
    for (uint32_t i = 0; i < a->n; i++) ok &= convert_type(c, one ? p->tp : p->type_protos[i], a->name, at, &list[i]);
    a->u.type = list;
    return ok;
}

static bool convert_graphs(converter *c, const Onnx__AttributeProto *p, graph_id parent, const place *at, attr *a)
{
    if (a->kind == ATTR_GRAPH) {
        const place here = {at, "g", -1, p->g ? p->g->name : NULL};
        if (!p->g) return missing(c, at, "graph");
        a->u.g = convert_graph(c, p->g, parent, &here);
        return a->u.g != 0;
    }
    a->n = count(p->n_graphs);
    graph_id *list = ARENA_ARRAY(c->mem, graph_id, a->n);
    bool ok = true;
    for (uint32_t i = 0; i < a->n; i++) {
        const place here = {at, "graphs", i, p->graphs[i]->name};
        list[i] = convert_graph(c, p->graphs[i], parent, &here);
        ok &= list[i] != 0;
    }
    a->u.graphs = list;
    return ok;
}

static void convert_lists(converter *c, const Onnx__AttributeProto *p, attr *a)
{
    if (a->kind == ATTR_FLOATS) {
        a->n = count(p->n_floats);
        a->u.floats = arena_copy(c->mem, p->floats, a->n * sizeof *p->floats);
    } else if (a->kind == ATTR_INTS) {
        a->n = count(p->n_ints);
        a->u.ints = arena_copy(c->mem, p->ints, a->n * sizeof *p->ints);
    } else {
        a->n = count(p->n_strings);
        a->u.strings = ARENA_ARRAY(c->mem, const char *, a->n);
        for (uint32_t i = 0; i < a->n; i++) a->u.strings[i] = arena_strndup(c->mem, (const char *)p->strings[i].data, p->strings[i].len);
    }
}

static bool convert_attr(converter *c, const Onnx__AttributeProto *p, graph_id g, const place *at, attr *a)
{
    *a = (attr){.name = keep(c, p->name), .kind = kind_of(p), .ref = p->ref_attr_name && *p->ref_attr_name ? keep(c, p->ref_attr_name) : NULL};
    if (c->keep_source) a->source = p;
    if ((unsigned)a->kind > ATTR_TYPES)
        return diag_error(c->d, EXIT_INVALID, where_of(c, at), "attribute-value", "the attribute's kind %d is unknown", (int)a->kind);
    if (a->ref) return true;
    const place t = {at, "t", -1, p->t ? p->t->name : NULL}, sparse = {at, "sparse_tensor", -1, NULL};
    switch (a->kind) {
    case ATTR_FLOAT: a->u.f = p->f; return true;
    case ATTR_INT: a->u.i = p->i; return true;
    case ATTR_STRING:
        a->n = count(p->s.len);
        a->u.s = arena_strndup(c->mem, (const char *)p->s.data, a->n);
        return true;
    case ATTR_TENSOR:
        if (!p->t) return missing(c, at, "tensor");
        a->u.t = convert_tensor(c, p->t, &t);
        return a->u.t != NULL;
    case ATTR_SPARSE:
        if (!p->sparse_tensor) return missing(c, at, "sparse tensor");
        a->u.t = convert_sparse(c, p->sparse_tensor, &sparse);
        return a->u.t != NULL;
    case ATTR_FLOATS:
    case ATTR_INTS:
    case ATTR_STRINGS: convert_lists(c, p, a); return true;
    case ATTR_TENSORS:
    case ATTR_SPARSES: return convert_tensors(c, p, at, a);
    case ATTR_GRAPH:
    case ATTR_GRAPHS: return convert_graphs(c, p, g, at, a);
    case ATTR_TYPE:
    case ATTR_TYPES: return convert_types(c, p, at, a);
    case ATTR_NONE: break;
    }
    return diag_error(c->d, EXIT_INVALID, where_of(c, at), "attribute-value", "the attribute has no value");
}

/* ---- nodes ---- */

static origin_id origin_new(converter *c, const Onnx__NodeProto *p, const node *n, uint32_t index)
{
    const origin o = {.name = keep(c, p->name), .op = n->op, .domain = n->domain, .index = index, .clean = true};
    VEC_PUSH(c->mem, c->m->origins, o);
    return c->m->origins.n - 1;
}

/* A value for a name that nothing defines, which was reported, so that the rest can be looked at; 0 where that is not wanted. */
static value_id undefined(converter *c, const char *name)
{
    if (!c->judging) return 0;
    const value_id v = value_new(c->m, keep(c, name));
    value_at(c->m, v)->undefined = true;
    c->mended++;
    return v;
}

static bool convert_inputs(converter *c, const Onnx__NodeProto *p, const place *at, value_id *in)
{
    bool ok = true;
    for (size_t i = 0; i < p->n_input; i++) {
        if (!*p->input[i]) continue;
        in[i] = scope_find(c->names, keep(c, p->input[i]));
        if (in[i]) continue;
        diag_error(c->d, EXIT_INVALID, where_of(c, at), "value-undefined",
                   "input %zu '%s' is neither an input, an initializer nor the output of an earlier node", i, p->input[i]);
        in[i] = undefined(c, p->input[i]);
        ok &= in[i] != 0;
    }
    return ok;
}

/* Makes the value that `name` stands for from here on. After reporting 0, or when judging one that nothing can read. */
static value_id define(converter *c, const char *name, const place *at)
{
    const char *const s = keep(c, name);
    if (scope_find_here(c->names, s)) {
        diag_error(c->d, EXIT_INVALID, where_of(c, at), "value-twice", "value '%s' is defined twice in its graph", s);
        if (!c->judging) return 0;
        c->mended++;
        return value_new(c->m, s);
    }
    const value_id v = value_new(c->m, s);
    scope_define(c->names, s, v);
    return v;
}

static bool convert_node(converter *c, const Onnx__NodeProto *p, graph_id g, uint32_t index, const place *at)
{
    model *m = c->m;
    look_at(c, p);
    const node_id id = node_new(m, g, domain_of(c, p->domain), given(p->op_type), count(p->n_input), count(p->n_output),
                                count(p->n_attribute));
    node *n = node_at(m, id);
    n->name = keep(c, p->name);
    n->overload = keep(c, p->overload);
    if (p->doc_string && *p->doc_string) n->doc = arena_strndup(c->mem, p->doc_string, strlen(p->doc_string));
    n->origin = origin_new(c, p, n, index);
    if (c->keep_source) n->source = p;
    const bool constant = node_is(n, "", "Constant");
    attr *attrs = n->attr;
    value_id *out = n->out;
    bool ok = convert_inputs(c, p, at, n->in);
    for (uint32_t i = 0; i < p->n_attribute; i++) { /* `n` moves when a subgraph has nodes */
        const place here = {at, "attribute", i, p->attribute[i]->name};
        ok &= convert_attr(c, p->attribute[i], g, &here, &attrs[i]);
        if (attrs[i].kind == ATTR_SPARSE && constant && !strcmp(attrs[i].name, "sparse_value")) { /* dense by now */
            attrs[i].kind = ATTR_TENSOR;
            attrs[i].name = keep(c, "value");
        }
    }
    look_at(c, p); /* again, after subgraphs */
    for (uint32_t i = 0; i < p->n_output; i++) {
        if (!*p->output[i]) continue;
        out[i] = define(c, p->output[i], at);
        if (!out[i]) {
            ok = false;
            continue;
        }
        value *v = value_at(m, out[i]);
        v->producer = id;
        v->output = i;
    }
    VEC_PUSH(c->mem, graph_at(m, g)->nodes, id);
    return ok;
}

static bool convert_nodes(converter *c, Onnx__NodeProto *const *list, size_t n, graph_id g, const place *at)
{
    bool ok = true;
    uint32_t circle;
    const uint32_t *order = node_order(c->mem, c->m->names, c->producers, list, count(n), &circle);
    if (order) diag_warn(c->d, where_of(c, at), "node-order", "nodes stand before what they use; they are taken in a valid order");
    if (circle < n) {
        const Onnx__NodeProto *first = list[circle];
        const place here = {at, "node", circle, first->name && *first->name ? first->name : first->op_type};
        look_at(c, list[circle]);
        ok = diag_error(c->d, EXIT_INVALID, where_of(c, &here), "node-circle", "the node depends on its own output");
        for (uint32_t i = 0; i < n; i++) /* so that what uses them is no error as well */
            for (uint32_t k = 0; k < list[i]->n_output; k++)
                if (*list[i]->output[k]) define(c, list[i]->output[k], &here);
    }
    enum { ENOUGH = 1000 }; /* errors after which no more are looked for */
    for (uint32_t i = 0; i < n && circle == n && c->d->errors < ENOUGH; i++) {
        const uint32_t k = order ? order[i] : i;
        const Onnx__NodeProto *p = list[k];
        const place here = {at, "node", k, p->name && *p->name ? p->name : p->op_type};
        ok &= convert_node(c, p, g, k, &here);
    }
    return ok;
}

/* ---- graphs ---- */

static bool describe(converter *c, const Onnx__ValueInfoProto *p, value_id v, const place *at)
{
    value *val = value_at(c->m, v);
    if (c->keep_source && !val->source) val->source = p;
    if (p->doc_string && *p->doc_string) val->doc = arena_strndup(c->mem, p->doc_string, strlen(p->doc_string));
    if (val->type.kind != TYPE_UNKNOWN || !p->type) return true;
    type t;
    if (!convert_type(c, p->type, given(p->name), at, &t)) return false;
    value_at(c->m, v)->type = t;
    return true;
}

static bool convert_graph_inputs(converter *c, const Onnx__GraphProto *p, graph_id g, const place *at)
{
    bool ok = true;
    for (uint32_t i = 0; i < p->n_input; i++) {
        const place here = {at, "input", i, p->input[i]->name};
        look_at(c, p->input[i]);
        const value_id v = *given(p->input[i]->name) ? define(c, p->input[i]->name, &here) : 0;
        if (!v) {
            ok = *given(p->input[i]->name) ? false : diag_error(c->d, EXIT_INVALID, where_of(c, &here), "value-name", "a graph input has no name");
            continue;
        }
        ok &= describe(c, p->input[i], v, &here);
        VEC_PUSH(c->mem, graph_at(c->m, g)->inputs, v);
    }
    return ok;
}

static dim *constant_shape(model *m, const tensor *t)
{
    dim *shape = shape_new(m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = dim_const(m->dims, t->shape[i]);
    return shape;
}

/* An initializer: a constant of its own, or the default of the graph input of that name. */
static bool add_initializer(converter *c, const tensor *t, graph_id g, const place *at)
{
    model *m = c->m;
    if (!t) { /* reported; its name is defined, so that what uses it is no error as well */
        if (*given(at->name) && !scope_find_here(c->names, keep(c, at->name))) define(c, at->name, at);
        return false;
    }
    if (!*t->name) return diag_error(c->d, EXIT_INVALID, where_of(c, at), "value-name", "an initializer has no name");
    const value_id input = scope_find_here(c->names, t->name);
    if (input && (value_at(m, input)->data || value_at(m, input)->initial)) return diag_error(c->d, EXIT_INVALID, where_of(c, at), "value-twice", "value '%s' is defined twice in its graph", t->name);
    if (input && g != 1) return true; /* a body's formal input gets its value from the operator, never from a default */
    const value_id v = input ? input : define(c, t->name, at);
    if (!v) return false;
    value *val = value_at(m, v);
    if (input && c->overridable_inputs && c->m->ir_version >= 4) val->initial = t; /* before, an initializer is a constant */
    else val->data = t;
    if (!input || !c->overridable_inputs) val->type = type_tensor(t->type, (int32_t)t->rank, constant_shape(m, t));
    VEC_PUSH(c->mem, graph_at(m, g)->initializers, v);
    return true;
}

static bool convert_initializers(converter *c, const Onnx__GraphProto *p, graph_id g, const place *at)
{
    bool ok = true;
    for (uint32_t i = 0; i < p->n_initializer; i++) {
        const place here = {at, "initializer", i, p->initializer[i]->name};
        look_at(c, p->initializer[i]);
        ok &= add_initializer(c, convert_tensor(c, p->initializer[i], &here), g, &here);
    }
    for (uint32_t i = 0; i < p->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *s = p->sparse_initializer[i];
        const place here = {at, "sparse_initializer", i, s->values ? s->values->name : NULL};
        ok &= add_initializer(c, convert_sparse(c, s, &here), g, &here);
    }
    graph *gr = graph_at(c->m, g);
    if (g != 1 || c->overridable_inputs) return ok;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < gr->inputs.n; i++)
        if (!value_at(c->m, gr->inputs.p[i])->data) gr->inputs.p[kept++] = gr->inputs.p[i];
    gr->inputs.n = kept;
    return ok;
}

static bool convert_value_info(converter *c, Onnx__ValueInfoProto *const *list, size_t n, const place *at)
{
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        const place here = {at, "value_info", i, list[i]->name};
        look_at(c, list[i]);
        const value_id v = scope_find_here(c->names, keep(c, list[i]->name));
        if (v) ok &= describe(c, list[i], v, &here); /* types of values that do not exist do no harm */
    }
    return ok;
}

static bool convert_graph_outputs(converter *c, const Onnx__GraphProto *p, graph_id g, const place *at)
{
    bool ok = true;
    for (uint32_t i = 0; i < p->n_output; i++) {
        const place here = {at, "output", i, p->output[i]->name};
        look_at(c, p->output[i]);
        value_id v = scope_find(c->names, keep(c, p->output[i]->name));
        if (!v) {
            diag_error(c->d, EXIT_INVALID, where_of(c, &here), "value-undefined", "nothing in the graph computes this output");
            v = undefined(c, p->output[i]->name);
            ok &= v != 0;
            if (!v) continue;
        }
        value *val = value_at(c->m, v);
        if (c->judging && g == 1 && !val->producer && !val->data && p->output[i]->type) val->type = (type){.rank = -1}; /* an input: for onnx its type is that of the output */
        ok &= describe(c, p->output[i], v, &here);
        VEC_PUSH(c->mem, graph_at(c->m, g)->outputs, v);
    }
    return ok;
}

static bool fill_graph(converter *c, const Onnx__GraphProto *p, graph_id g, const place *at)
{
    graph *gr = graph_at(c->m, g);
    if (c->keep_source) gr->source = p;
    gr->name = keep(c, p->name);
    if (p->doc_string && *p->doc_string) gr->doc = arena_strndup(c->mem, p->doc_string, strlen(p->doc_string));
    scope_enter(c->names);
    bool ok = convert_graph_inputs(c, p, g, at);
    ok &= convert_initializers(c, p, g, at);
    ok &= convert_nodes(c, p->node, p->n_node, g, at);
    ok &= convert_value_info(c, p->value_info, p->n_value_info, at);
    ok &= convert_graph_outputs(c, p, g, at);
    scope_leave(c->names);
    return ok;
}

/* A subgraph. 0 after reporting. */
static graph_id convert_graph(converter *c, const Onnx__GraphProto *p, graph_id parent, const place *at)
{
    const graph_id g = graph_new(c->m, parent, "");
    return fill_graph(c, p, g, at) ? g : 0;
}

/* ---- functions and the model ---- */

static void add_opset(converter *c, const Onnx__OperatorSetIdProto *p, opset *out, const place *at)
{
    *out = (opset){domain_of(c, p->domain), 0};
    if (p->version < 1 && c->judging) /* no fault while no node needs it */
        diag_warn(c->d, where_of(c, at), "opset-version", "version %lld of operator set '%s' does not exist", (long long)p->version, *out->domain ? out->domain : "ai.onnx");
    else if (p->version < 1 || p->version > INT32_MAX)
        diag_error(c->d, EXIT_INVALID, where_of(c, at), "opset-version", "version %lld of operator set '%s' does not exist", (long long)p->version,
                   *out->domain ? out->domain : "ai.onnx");
    else out->version = (int)p->version;
}

static void convert_function_attrs(converter *c, const Onnx__FunctionProto *p, function *f, const place *at)
{
    f->n_attr = count(p->n_attribute + p->n_attribute_proto);
    f->attr = ARENA_ARRAY(c->mem, attr, f->n_attr);
    for (uint32_t i = 0; i < f->n_attr; i++) {
        if (i < p->n_attribute) {
            f->attr[i].name = keep(c, p->attribute[i]);
            continue;
        }
        const Onnx__AttributeProto *a = p->attribute_proto[i - p->n_attribute];
        const place here = {at, "attribute_proto", i - (int64_t)p->n_attribute, a->name};
        convert_attr(c, a, f->body, &here, &f->attr[i]);
    }
}

static void convert_function(converter *c, const Onnx__FunctionProto *p, const place *at)
{
    model *m = c->m;
    function f = {.domain = domain_of(c, p->domain), .name = keep(c, p->name), .overload = keep(c, p->overload), .body = graph_new(m, 0, given(p->name)), .source = c->keep_source ? p : NULL};
    if (p->doc_string && *p->doc_string) f.doc = arena_strndup(c->mem, p->doc_string, strlen(p->doc_string));
    scope_enter(c->names);
    for (uint32_t i = 0; i < p->n_input; i++) {
        const place here = {at, "input", i, p->input[i]};
        const value_id v = define(c, p->input[i], &here);
        if (v) VEC_PUSH(c->mem, graph_at(m, f.body)->inputs, v);
    }
    convert_function_attrs(c, p, &f, at);
    convert_nodes(c, p->node, p->n_node, f.body, at);
    convert_value_info(c, p->value_info, p->n_value_info, at);
    for (uint32_t i = 0; i < p->n_output; i++) {
        const place here = {at, "output", i, p->output[i]};
        const value_id v = scope_find(c->names, keep(c, p->output[i]));
        if (v) VEC_PUSH(c->mem, graph_at(m, f.body)->outputs, v);
        else diag_error(c->d, EXIT_INVALID, where_of(c, &here), "value-undefined", "nothing in the function computes this output");
    }
    scope_leave(c->names);
    for (uint32_t i = 0; i < p->n_opset_import; i++) {
        const place here = {at, "opset_import", i, NULL};
        opset o;
        add_opset(c, p->opset_import[i], &o, &here);
        VEC_PUSH(c->mem, f.opsets, o);
    }
    VEC_PUSH(c->mem, m->functions, f);
}

static void convert_header(converter *c, const Onnx__ModelProto *p)
{
    model *m = c->m;
    m->ir_version = p->ir_version;
    m->producer = keep(c, p->producer_name);
    m->producer_version = keep(c, p->producer_version);
    m->domain = keep(c, p->domain);
    m->model_version = p->model_version;
    m->doc = arena_strndup(c->mem, given(p->doc_string), strlen(given(p->doc_string)));
    for (uint32_t i = 0; i < p->n_opset_import; i++) {
        const place here = {NULL, "opset_import", i, NULL};
        opset o;
        add_opset(c, p->opset_import[i], &o, &here);
        VEC_PUSH(c->mem, m->opsets, o);
    }
    for (uint32_t i = 0; i < p->n_metadata_props; i++) {
        const metadata e = {keep(c, p->metadata_props[i]->key), keep(c, p->metadata_props[i]->value)};
        VEC_PUSH(c->mem, m->metadata, e);
    }
    if (p->n_training_info) diag_warn(c->d, "training_info", "training", "training information is left out");
}

model *model_from_proto(arena *mem, diag *d, const proto_file *f, const load_options *o)
{
    const Onnx__ModelProto *p = proto_model(f);
    const uint32_t errors = d->errors;
    if (!p->graph) {
        diag_error(d, EXIT_INVALID, "", "model-graph", "the model has no graph");
        diag_hint(d, "is this an ONNX file?");
        return NULL;
    }
    model *m = model_new(mem, d);
    m->path = f->path;
    memcpy(m->sha256, f->sha256, sizeof m->sha256);
    converter c = {.mem = mem, .d = d, .m = m, .files = externals_new(mem, d, f->folder), .names = scope_new(mem), .producers = scope_new(mem), .places = f->places};
    c.dense_limit = o && o->dense ? o->dense : (uint64_t)256 << 20;
    c.overridable_inputs = o && o->overridable_inputs;
    c.keep_source = o && o->keep_source;
    c.judging = o && o->judging;
    if (c.keep_source) m->source = p;
    convert_header(&c, p);
    const place at_graph = {NULL, "graph", -1, NULL};
    bool ok = fill_graph(&c, p->graph, 1, &at_graph);
    for (uint32_t i = 0; i < p->n_functions; i++) {
        const place here = {NULL, "functions", i, p->functions[i]->name};
        convert_function(&c, p->functions[i], &here);
    }
    return ok && d->errors == errors + c.mended ? m : NULL;
}

/* ---- files ---- */

static model *finish(arena *mem, diag *d, proto_file *f, const load_options *o)
{
    if (!f) return NULL;
    model *m = model_from_proto(mem, d, f, o);
    if (!o || !o->keep_source) proto_release(f);
    return m;
}

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

static model *load_text(arena *mem, diag *d, const char *path, const load_options *o)
{
    file_view f;
    const char *why;
    if (!file_map(path, &f, &why)) {
        diag_error(d, EXIT_IO, "", "file-open", "can't read the file: %s", why);
        return NULL;
    }
    const char *source = arena_strndup(mem, (const char *)f.data, f.size);
    model *m = NULL;
    if (strlen(source) == f.size) m = model_parse_with(mem, d, source, path, o);
    else diag_error(d, EXIT_INVALID, "", "syntax", "the text has a zero byte in it");
    if (m) sha256_hex(f.data, f.size, m->sha256);
    file_unmap(&f);
    return m;
}

model *model_load(arena *mem, diag *d, const char *path, const load_options *o)
{
    if (ends_with(path, ".onnxtxt") || ends_with(path, ".onnxtext")) return load_text(mem, d, path, o); /* the onnx package's endings */
    return finish(mem, d, proto_open(mem, d, path, &onnx__model_proto__descriptor, o), o);
}

model *model_load_bytes(arena *mem, diag *d, const void *data, size_t size, const char *path, const load_options *o)
{
    return finish(mem, d, proto_open_bytes(mem, d, data, size, path, &onnx__model_proto__descriptor, o), o);
}

tensor *tensor_load(arena *mem, diag *d, const char *path)
{
    proto_file *f = proto_open(mem, d, path, &onnx__tensor_proto__descriptor, NULL);
    if (!f) return NULL;
    model *m = model_new(mem, d);
    converter c = {.mem = mem, .d = d, .m = m, .files = externals_new(mem, d, f->folder)};
    const place at = {NULL, "tensor", -1, ((const Onnx__TensorProto *)f->root)->name};
    tensor *t = convert_tensor(&c, (const Onnx__TensorProto *)f->root, &at);
    proto_release(f);
    return t;
}
