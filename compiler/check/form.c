/* form.c - rules on the protobuf form; see form.h.
 *
 * In: a file that was unpacked (so its nesting is bounded). Out: problems. Source: docs/IR.md of ONNX and what onnx.checker reports. What the
 * loader reports anyway (tensor data, undefined names) is not repeated here. */
#include "check/form.h"

#include <string.h>

#include "ir/scope.h"
#include "schema/schema.h"

typedef struct {
    diag *d;
    names *names;
    scope *scope;                      /* names seen so far, by graph */
    const Onnx__ModelProto *model;
    const Onnx__FunctionProto *function; /* whose body is looked at; NULL: none */
} form;

static bool fault(form *f, const place *at, const char *code, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static bool fault(form *f, const place *at, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *message = arena_vprintf(f->d->mem, fmt, ap);
    va_end(ap);
    return diag_error(f->d, EXIT_INVALID, place_text(f->d, at), code, "%s", message);
}

static bool empty(const char *s)
{
    return !s || !*s;
}

static bool need(form *f, const place *at, bool there, const char *field)
{
    return there || fault(f, at, "field-missing", "field '%s' is required but missing or empty", field);
}

/* Both are asked, so that both are reported. */
static bool both(bool a, bool b)
{
    return a && b;
}

static bool seen(const form *f, const char *name)
{
    return scope_find(f->scope, intern(f->names, name)) != 0;
}

static bool seen_here(const form *f, const char *name)
{
    return scope_find_here(f->scope, intern(f->names, name)) != 0;
}

static void see(form *f, const char *name)
{
    scope_define(f->scope, intern(f->names, name), 1);
}

/* ---- types of inputs and outputs ---- */

static bool check_type(form *f, const Onnx__TypeProto *t, const place *at)
{
    switch (t->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
        return both(need(f, at, t->tensor_type->has_elem_type, "elem_type"), need(f, at, t->tensor_type->shape != NULL, "shape"));
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
        return both(need(f, at, t->sparse_tensor_type->has_elem_type, "elem_type"), need(f, at, t->sparse_tensor_type->shape != NULL, "shape"));
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return need(f, at, t->sequence_type->elem_type != NULL, "elem_type");
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return need(f, at, t->optional_type->elem_type != NULL, "elem_type");
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
        return both(need(f, at, t->map_type->has_key_type, "key_type"), need(f, at, t->map_type->value_type != NULL, "value_type"));
    case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE: return true;
    default: return fault(f, at, "type-missing", "the type says neither tensor, sequence, map nor optional");
    }
}

static bool check_declared(form *f, Onnx__ValueInfoProto *const *list, size_t n, const char *field, const place *at)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        const place here = {at, field, (int64_t)i, list[i]->name};
        ok &= need(f, &here, !empty(list[i]->name), "name");
        ok &= need(f, &here, list[i]->type != NULL, "type");
        if (list[i]->type) ok &= check_type(f, list[i]->type, &here);
    }
    return ok;
}

/* ---- attributes ---- */

static bool check_graph(form *f, const Onnx__GraphProto *p, const place *at);

/* The kind that a filled field belongs to; *used counts them. */
static int filled_kind(const Onnx__AttributeProto *a, int *used)
{
    const bool filled[] = {false,
                           a->has_f,
                           a->has_i,
                           a->has_s,
                           a->t != NULL,
                           a->g != NULL,
                           a->n_floats > 0,
                           a->n_ints > 0,
                           a->n_strings > 0,
                           a->n_tensors > 0,
                           a->n_graphs > 0,
                           a->sparse_tensor != NULL,
                           a->n_sparse_tensors > 0,
                           a->tp != NULL,
                           a->n_type_protos > 0};
    int kind = 0;
    *used = 0;
    for (int i = 1; i < (int)(sizeof filled / sizeof *filled); i++) {
        if (!filled[i]) continue;
        kind = i;
        ++*used;
    }
    return kind;
}

static bool check_attribute(form *f, const Onnx__AttributeProto *a, const place *at)
{
    bool ok = need(f, at, !empty(a->name), "name");
    int used;
    const int kind = filled_kind(a, &used), said = a->has_type ? (int)a->type : 0;
    if (f->model->ir_version >= 2) ok &= need(f, at, a->has_type, "type");
    if (used > 1) ok = fault(f, at, "attribute-value", "the attribute has %d values, of different kinds", used);
    else if (used == 1 && a->has_type && said != kind)
        ok = fault(f, at, "attribute-value", "the attribute says that it is %s but holds %s", schema_attr_kind_name(said), schema_attr_kind_name(kind));
    if (f->function && !empty(a->ref_attr_name) && used)
        ok = fault(f, at, "attribute-value", "the attribute refers to '%s' and has a value too", a->ref_attr_name);
    if (a->g) {
        const place here = {at, "g", -1, a->g->name};
        ok &= check_graph(f, a->g, &here);
    }
    for (size_t i = 0; i < a->n_graphs; i++) {
        const place here = {at, "graphs", (int64_t)i, a->graphs[i]->name};
        ok &= check_graph(f, a->graphs[i], &here);
    }
    return ok;
}

/* ---- nodes ---- */

static const char *text_of(const char *s)
{
    return s ? s : "";
}

/* Domains must be imported by the name that nodes use; "ai.onnx" is not taken for "" here. */
static int64_t imported(Onnx__OperatorSetIdProto *const *list, size_t n, const char *domain)
{
    for (size_t i = n; i-- > 0;)
        if (!strcmp(text_of(list[i]->domain), domain)) return list[i]->version;
    return -1;
}

static const op_schema *schema_at_import(const char *domain, const char *op, int64_t version)
{
    return schema_find(domain, op, version > INT32_MAX ? INT32_MAX : (int)version);
}

/* A function may import another version than the model only where the operators it uses are the same in both. */
static bool check_same_form(form *f, const Onnx__NodeProto *n, const place *at)
{
    const char *domain = text_of(n->domain), *op = text_of(n->op_type);
    const int64_t here = imported(f->function->opset_import, f->function->n_opset_import, domain);
    const int64_t there = imported(f->model->opset_import, f->model->n_opset_import, domain);
    if (here < 0 || there < 0 || here == there) return true;
    const op_schema *a = schema_at_import(domain, op, here), *b = schema_at_import(domain, op, there);
    if (a == b) return true;
    return fault(f, at, "function-opset", "%s differs between version %lld of %s, which the function imports, and version %lld, which the model imports", op,
                 (long long)here, schema_domain_name(domain), (long long)there);
}

static bool check_node(form *f, const Onnx__NodeProto *n, const place *at)
{
    bool ok = need(f, at, !empty(n->op_type), "op_type");
    if (!n->n_input && !n->n_output) ok = fault(f, at, "node-empty", "the node has neither inputs nor outputs");
    if (!empty(n->domain) && !strcmp(n->domain, "ai.onnx") && !f->function && imported(f->model->opset_import, f->model->n_opset_import, "ai.onnx") < 0)
        ok = fault(f, at, "domain-import", "domain 'ai.onnx' is not imported by that name");
    if (f->function) ok &= check_same_form(f, n, at);
    for (size_t i = 0; i < n->n_input; i++)
        if (*n->input[i] && !seen(f, n->input[i]))
            ok = fault(f, at, "graph-order", "input %zu '%s' is not defined before the node; nodes must be in topological order", i, n->input[i]);
    for (size_t i = 0; i < n->n_attribute; i++) {
        const place here = {at, "attribute", (int64_t)i, n->attribute[i]->name};
        ok &= check_attribute(f, n->attribute[i], &here);
    }
    for (size_t i = 0; i < n->n_output; i++) {
        if (!*n->output[i]) continue;
        if (seen(f, n->output[i])) ok = fault(f, at, "value-twice", "output %zu '%s' is a name that is defined already", i, n->output[i]);
        see(f, n->output[i]);
    }
    return ok;
}

static bool check_nodes(form *f, Onnx__NodeProto *const *list, size_t n, const place *at)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        const place here = {at, "node", (int64_t)i, empty(list[i]->name) ? list[i]->op_type : list[i]->name};
        ok &= check_node(f, list[i], &here);
    }
    return ok;
}

/* ---- graphs ---- */

static bool check_initializer_name(form *f, const char *name, bool sparse, const place *at)
{
    const bool is_input = seen_here(f, text_of(name));
    if (empty(name)) return need(f, at, false, "name");
    see(f, name);
    if (f->model->ir_version > 3 || is_input || sparse) return true;
    return fault(f, at, "initializer-input", "up to IR version 3 an initializer must be a graph input too");
}

static bool check_graph(form *f, const Onnx__GraphProto *p, const place *at)
{
    bool ok = need(f, at, !empty(p->name), "name");
    if (!at->up) { /* below the main graph the operator says what the types are */
        ok &= check_declared(f, p->input, p->n_input, "input", at);
        ok &= check_declared(f, p->output, p->n_output, "output", at);
    }
    scope_enter(f->scope);
    for (size_t i = 0; i < p->n_input; i++) {
        const place here = {at, "input", (int64_t)i, p->input[i]->name};
        if (seen_here(f, text_of(p->input[i]->name))) ok = fault(f, &here, "value-twice", "the name is that of an earlier input");
        see(f, text_of(p->input[i]->name));
    }
    for (size_t i = 0; i < p->n_initializer; i++) {
        const place here = {at, "initializer", (int64_t)i, p->initializer[i]->name};
        ok &= check_initializer_name(f, p->initializer[i]->name, false, &here);
    }
    for (size_t i = 0; i < p->n_sparse_initializer; i++) {
        const Onnx__TensorProto *values = p->sparse_initializer[i]->values;
        const place here = {at, "sparse_initializer", (int64_t)i, values ? values->name : NULL};
        ok &= check_initializer_name(f, values ? values->name : NULL, true, &here);
    }
    ok &= check_nodes(f, p->node, p->n_node, at);
    for (size_t i = 0; i < p->n_output; i++) {
        const place here = {at, "output", (int64_t)i, p->output[i]->name};
        if (!empty(p->output[i]->name) && !seen_here(f, p->output[i]->name)) ok = fault(f, &here, "value-undefined", "nothing in this graph defines the output");
    }
    scope_leave(f->scope);
    return ok;
}

/* ---- functions and the model ---- */

static bool names_differ(form *f, char *const *list, size_t n, const char *what, const place *at)
{
    bool ok = true;
    scope_enter(f->scope);
    for (size_t i = 0; i < n; i++) {
        if (seen_here(f, list[i])) ok = fault(f, at, "function-names", "%s '%s' is given twice", what, list[i]);
        see(f, list[i]);
    }
    scope_leave(f->scope);
    return ok;
}

static bool check_function(form *f, const Onnx__FunctionProto *p, const place *at)
{
    bool ok = both(need(f, at, !empty(p->name), "name"), need(f, at, p->domain != NULL, "domain"));
    f->function = p;
    ok &= names_differ(f, p->input, p->n_input, "input", at);
    ok &= names_differ(f, p->output, p->n_output, "output", at);
    ok &= names_differ(f, p->attribute, p->n_attribute, "attribute", at);
    scope_enter(f->scope);
    for (size_t i = 0; i < p->n_input; i++) see(f, p->input[i]);
    ok &= check_nodes(f, p->node, p->n_node, at);
    scope_leave(f->scope);
    f->function = NULL;
    return ok;
}

static bool check_metadata(form *f)
{
    bool ok = true;
    scope_enter(f->scope);
    for (size_t i = 0; i < f->model->n_metadata_props; i++) {
        const char *key = text_of(f->model->metadata_props[i]->key);
        const place here = {NULL, "metadata_props", (int64_t)i, key};
        if (seen_here(f, key)) ok = fault(f, &here, "metadata-twice", "the key is given twice");
        see(f, key);
    }
    scope_leave(f->scope);
    return ok;
}

bool check_form(arena *scratch, diag *d, const Onnx__ModelProto *p)
{
    form f = {.d = d, .names = names_new(scratch), .scope = scope_new(scratch), .model = p};
    bool ok = check_metadata(&f);
    const place at = {NULL, "graph", -1, NULL}; /* by the same path as in the loader's messages */
    if (p->graph) ok &= check_graph(&f, p->graph, &at);
    else ok = need(&f, NULL, false, "graph");
    for (size_t i = 0; i < p->n_functions; i++) {
        const place here = {NULL, "functions", (int64_t)i, p->functions[i]->name};
        ok &= check_function(&f, p->functions[i], &here);
    }
    return ok;
}
