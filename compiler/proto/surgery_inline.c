/* surgery_inline.c - calls of functions become the nodes of their bodies; see surgery.h. As onnx.inliner.
 *
 * Of a body, inputs and outputs get the names that the call gives, other values NAME__K, K counting the calls (a name that is taken gets another
 * number); attributes take the call's values, or the function's defaults. */
#include <string.h>

#include "proto/surgery_impl.h"
#include "schema/schema.h"

enum { MAX_DEPTH = 64, MAX_INLINED = 1 << 22 };

typedef struct {
    surgery *s;
    const inline_options *o;
    name_map taken;
    bool *selected; /* by function of the model */
    uint32_t calls, made, depth;
    VEC(Onnx__ValueInfoProto *) infos; /* types of the bodies' values */
    VEC(const Onnx__FunctionProto *) within;
} inliner;

typedef VEC(Onnx__NodeProto *) node_list;

/* One call. */
typedef struct {
    inliner *x;
    const Onnx__NodeProto *call;
    const Onnx__FunctionProto *f;
    name_map names; /* of the body's values */
    uint32_t k;
} expansion;

/* ---- names ---- */

static void take_names(inliner *x, const Onnx__GraphProto *g);

static void take_node(inliner *x, const Onnx__NodeProto *n)
{
    for (size_t k = 0; k < n->n_input; k++) name_map_set(&x->taken, n->input[k], "");
    for (size_t k = 0; k < n->n_output; k++) name_map_set(&x->taken, n->output[k], "");
    for (uint32_t k = 0; node_graph(n, k); k++) take_names(x, node_graph(n, k));
}

static void take_names(inliner *x, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_input; i++) name_map_set(&x->taken, g->input[i]->name, "");
    for (size_t i = 0; i < g->n_output; i++) name_map_set(&x->taken, g->output[i]->name, "");
    for (size_t i = 0; i < g->n_initializer; i++) name_map_set(&x->taken, g->initializer[i]->name, "");
    for (size_t i = 0; i < g->n_sparse_initializer; i++) name_map_set(&x->taken, sparse_name(g->sparse_initializer[i]), "");
    for (size_t i = 0; i < g->n_node; i++) take_node(x, g->node[i]);
}

static const char *fresh(expansion *e, const char *name)
{
    inliner *x = e->x;
    const char *to = arena_printf(x->s->mem, "%s__%u", name, e->k);
    for (uint32_t i = 1; has_name(&x->taken, to); i++) to = arena_printf(x->s->mem, "%s__%u_%u", name, e->k, i);
    name_map_set(&x->taken, to, "");
    return to;
}

static char *inner(expansion *e, char *name)
{
    if (!name || !*name) return name;
    char *to = name_map_get(&e->names, name);
    if (to) return to;
    name_map_set(&e->names, name, fresh(e, name));
    return name_map_get(&e->names, name);
}

/* ---- copies of what a body holds ---- */

#define COPY(e, p) ((void *)arena_copy((e)->x->s->mem, p, sizeof *(p)))

static Onnx__GraphProto *copy_graph(expansion *e, const Onnx__GraphProto *g);

static Onnx__AttributeProto *copy_graphs(expansion *e, const Onnx__AttributeProto *a)
{
    if (!a->g && !a->n_graphs) return (Onnx__AttributeProto *)(uintptr_t)a;
    Onnx__AttributeProto *p = COPY(e, a);
    if (a->g) p->g = copy_graph(e, a->g);
    p->graphs = ARENA_ARRAY(e->x->s->mem, Onnx__GraphProto *, a->n_graphs);
    for (size_t i = 0; i < a->n_graphs; i++) p->graphs[i] = copy_graph(e, a->graphs[i]);
    return p;
}

static const Onnx__AttributeProto *find_attr(Onnx__AttributeProto *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (list[i]->name && !strcmp(list[i]->name, name)) return list[i];
    return NULL;
}

/* The attribute of a node in the body; NULL: neither the call nor the function gives it. */
static Onnx__AttributeProto *copy_attr(expansion *e, const Onnx__AttributeProto *a)
{
    if (!a->ref_attr_name || !*a->ref_attr_name) return copy_graphs(e, a);
    const Onnx__AttributeProto *from = find_attr(e->call->attribute, e->call->n_attribute, a->ref_attr_name);
    if (!from) from = find_attr(e->f->attribute_proto, e->f->n_attribute_proto, a->ref_attr_name);
    if (!from) return NULL;
    Onnx__AttributeProto *p = COPY(e, from); /* its graphs speak of the caller's values */
    p->name = a->name;
    return p;
}

static char **copy_names(expansion *e, char *const *list, size_t n)
{
    char **to = ARENA_ARRAY(e->x->s->mem, char *, n);
    for (size_t i = 0; i < n; i++) to[i] = inner(e, list[i]);
    return to;
}

static Onnx__NodeProto *copy_node(expansion *e, const Onnx__NodeProto *n)
{
    Onnx__NodeProto *p = COPY(e, n);
    p->input = copy_names(e, n->input, n->n_input);
    p->output = copy_names(e, n->output, n->n_output);
    if (n->name && *n->name) p->name = arena_printf(e->x->s->mem, "%s__%u", n->name, e->k);
    p->attribute = ARENA_ARRAY(e->x->s->mem, Onnx__AttributeProto *, n->n_attribute);
    p->n_attribute = 0;
    for (size_t i = 0; i < n->n_attribute; i++) {
        Onnx__AttributeProto *a = copy_attr(e, n->attribute[i]);
        if (a) p->attribute[p->n_attribute++] = a;
    }
    return p;
}

static Onnx__ValueInfoProto **copy_infos(expansion *e, Onnx__ValueInfoProto *const *list, size_t n)
{
    Onnx__ValueInfoProto **to = ARENA_ARRAY(e->x->s->mem, Onnx__ValueInfoProto *, n);
    for (size_t i = 0; i < n; i++) {
        to[i] = COPY(e, list[i]);
        to[i]->name = inner(e, list[i]->name);
    }
    return to;
}

static Onnx__TensorProto *copy_tensor(expansion *e, const Onnx__TensorProto *t)
{
    if (!t) return NULL;
    Onnx__TensorProto *p = COPY(e, t);
    p->name = inner(e, t->name);
    return p;
}

static Onnx__GraphProto *copy_graph(expansion *e, const Onnx__GraphProto *g)
{
    arena *mem = e->x->s->mem;
    Onnx__GraphProto *p = COPY(e, g);
    p->input = copy_infos(e, g->input, g->n_input);
    p->initializer = ARENA_ARRAY(mem, Onnx__TensorProto *, g->n_initializer);
    for (size_t i = 0; i < g->n_initializer; i++) p->initializer[i] = copy_tensor(e, g->initializer[i]);
    p->sparse_initializer = ARENA_ARRAY(mem, Onnx__SparseTensorProto *, g->n_sparse_initializer);
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        p->sparse_initializer[i] = COPY(e, g->sparse_initializer[i]);
        p->sparse_initializer[i]->values = copy_tensor(e, g->sparse_initializer[i]->values);
    }
    p->node = ARENA_ARRAY(mem, Onnx__NodeProto *, g->n_node);
    for (size_t i = 0; i < g->n_node; i++) p->node[i] = copy_node(e, g->node[i]);
    p->output = copy_infos(e, g->output, g->n_output);
    p->value_info = copy_infos(e, g->value_info, g->n_value_info);
    return p;
}

/* ---- a call ---- */

static Onnx__NodeProto *identity(expansion *e, char *from, char *to)
{
    arena *mem = e->x->s->mem;
    Onnx__NodeProto *p = ARENA_NEW(mem, Onnx__NodeProto);
    onnx__node_proto__init(p);
    p->op_type = arena_printf(mem, "Identity");
    p->n_input = p->n_output = 1;
    p->input = arena_copy(mem, &from, sizeof from);
    p->output = arena_copy(mem, &to, sizeof to);
    return p;
}

static bool expand_nodes(inliner *x, Onnx__NodeProto *const *list, size_t n, node_list *out);

static bool expand(inliner *x, const Onnx__NodeProto *call, const Onnx__FunctionProto *f, node_list *out)
{
    surgery *s = x->s;
    expansion e = {x, call, f, name_map_new(s), ++x->calls};
    for (uint32_t i = 0; i < x->within.n; i++)
        if (x->within.p[i] == f) return diag_error(s->d, EXIT_INVALID, "", "function-recursion", "function '%s' calls itself", f->name);
    for (size_t i = 0; i < f->n_input; i++) name_map_set(&e.names, f->input[i], i < call->n_input ? call->input[i] : "");
    node_list body = {0};
    VEC(Onnx__NodeProto *) passed = {0};
    for (size_t i = 0; i < f->n_output; i++) {
        char *to = i < call->n_output ? call->output[i] : NULL;
        if (!to || !*to) continue;
        if (!has_name(&e.names, f->output[i])) name_map_set(&e.names, f->output[i], to);
        else VEC_PUSH(s->mem, passed, identity(&e, name_map_get(&e.names, f->output[i]), to)); /* an input, or an output twice */
    }
    for (size_t i = 0; i < f->n_node; i++) VEC_PUSH(s->mem, body, copy_node(&e, f->node[i]));
    for (uint32_t i = 0; i < passed.n; i++) VEC_PUSH(s->mem, body, passed.p[i]);
    Onnx__ValueInfoProto **infos = copy_infos(&e, f->value_info, f->n_value_info);
    for (size_t i = 0; i < f->n_value_info; i++) VEC_PUSH(s->mem, x->infos, infos[i]);
    x->made += body.n;
    if (x->made > MAX_INLINED) return diag_error(s->d, EXIT_LIMIT, "", "function-size", "function calls expand to more than %d nodes", MAX_INLINED);
    VEC_PUSH(s->mem, x->within, f);
    const bool ok = expand_nodes(x, body.p, body.n, out);
    x->within.n--;
    return ok;
}

/* ---- which calls ---- */

/* [DOMAIN:]NAME */
static bool is_id_of(const char *id, const char *domain, const char *name)
{
    const char *colon = strrchr(id, ':');
    if (strcmp(colon ? colon + 1 : id, name)) return false;
    return !colon || (strlen(domain) == (size_t)(colon - id) && !strncmp(domain, id, strlen(domain)));
}

static bool is_named(const inline_options *o, const char *domain, const char *name)
{
    for (uint32_t i = 0; i < o->n_ids; i++)
        if (is_id_of(o->ids[i], domain, name)) return true;
    return false;
}

static bool is_selected(const inline_options *o, const char *domain, const char *name)
{
    return !o->n_ids || is_named(o, domain, name) != o->except;
}

static int import_of(Onnx__OperatorSetIdProto *const *list, size_t n, const char *domain)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(plain_domain(list[i]->domain), domain)) return list[i]->version < 0 || list[i]->version > INT32_MAX ? 0 : (int)list[i]->version;
    return 0;
}

/* The body of a standard's operator, when its operators are at the version that the model imports. */
static const Onnx__FunctionProto *standard_body(inliner *x, const Onnx__NodeProto *n)
{
    const Onnx__ModelProto *m = x->s->m;
    const char *domain = plain_domain(n->domain), *op = n->op_type;
    const int version = import_of(m->opset_import, m->n_opset_import, domain);
    const op_schema *schema = version ? schema_find(domain, op, version) : NULL;
    const schema_body *b = schema && schema->n_body ? schema_body_find(schema, version) : NULL;
    if (!b || !is_selected(x->o, domain, op)) return NULL;
    const proto_file *file = proto_open_bytes(x->s->mem, x->s->d, b->data, b->size, NULL, &onnx__function_proto__descriptor, NULL);
    const Onnx__FunctionProto *f = file ? (const Onnx__FunctionProto *)(const void *)file->root : NULL;
    const int imported = import_of(m->opset_import, m->n_opset_import, "");
    for (size_t i = 0; f && i < f->n_node; i++) {
        const op_schema *then = schema_find(plain_domain(f->node[i]->domain), f->node[i]->op_type, b->opset);
        const op_schema *now = then ? schema_find(then->domain, then->name, imported) : NULL;
        if (!now || (then != now && !x->o->same_form(then, now))) return NULL;
    }
    return f;
}

/* An operator of that name with a body, in a domain that the model imports. */
static bool is_standard(const Onnx__ModelProto *m, const char *id)
{
    const char *colon = strrchr(id, ':'), *name = colon ? colon + 1 : id;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *domain = plain_domain(m->opset_import[i]->domain);
        const int version = import_of(m->opset_import, m->n_opset_import, domain);
        const op_schema *schema = version && is_id_of(id, domain, name) ? schema_find(domain, name, version) : NULL;
        if (schema && schema->n_body && schema_body_find(schema, version)) return true;
    }
    return false;
}

/* A name that is none would leave, or inline, what was not meant. */
static bool ids_exist(surgery *s, const inline_options *o)
{
    bool all = true;
    for (uint32_t i = 0; i < o->n_ids; i++) {
        bool found = o->standard && is_standard(s->m, o->ids[i]);
        for (size_t k = 0; k < s->m->n_functions && !found; k++) found = is_id_of(o->ids[i], plain_domain(s->m->functions[k]->domain), s->m->functions[k]->name);
        if (!found) all = diag_error(s->d, EXIT_USAGE, "", "inline", "--%s %s: the model has no function of that name%s", o->except ? "except" : "function", o->ids[i],
                                     o->standard ? ", and the version of the standard that it imports defines no such operator by a body" : "");
    }
    return all;
}

static const Onnx__FunctionProto *body_of(inliner *x, const Onnx__NodeProto *n)
{
    const Onnx__FunctionProto *f = called_function(x->s, n);
    for (size_t i = 0; f && i < x->s->m->n_functions; i++)
        if (x->s->m->functions[i] == f) return x->selected[i] ? f : NULL;
    return x->o->standard ? standard_body(x, n) : NULL;
}

/* ---- graphs ---- */

static bool expand_graph(inliner *x, Onnx__GraphProto *g)
{
    node_list out = {0};
    if (!expand_nodes(x, g->node, g->n_node, &out)) return false;
    g->node = out.p;
    g->n_node = out.n;
    return true;
}

static bool expand_nodes(inliner *x, Onnx__NodeProto *const *list, size_t n, node_list *out)
{
    bool ok =
        ++x->depth < MAX_DEPTH || diag_error(x->s->d, EXIT_LIMIT, "", "nesting", "functions and graphs are nested more than %d deep", MAX_DEPTH);
    for (size_t i = 0; i < n && ok; i++) {
        const Onnx__FunctionProto *f = body_of(x, list[i]);
        for (uint32_t k = 0; ok && node_graph(list[i], k); k++) ok = expand_graph(x, node_graph(list[i], k));
        if (f) ok = ok && expand(x, list[i], f, out);
        else VEC_PUSH(x->s->mem, *out, list[i]);
    }
    x->depth--;
    return ok;
}

/* ---- the model ---- */

/* The first node of a body that means something else in the model; NULL: there is none. */
static const Onnx__NodeProto *other_form(const surgery *s, const inline_options *o, const Onnx__FunctionProto *f)
{
    const Onnx__ModelProto *m = s->m;
    for (size_t i = 0; i < f->n_node; i++) {
        const Onnx__NodeProto *n = f->node[i];
        const char *domain = plain_domain(n->domain);
        const int there = import_of(m->opset_import, m->n_opset_import, domain), here = import_of(f->opset_import, f->n_opset_import, domain);
        if (!there || there == here || called_function(s, n)) continue;
        const op_schema *from = schema_find(domain, n->op_type, here), *into = schema_find(domain, n->op_type, there);
        if (from != into && (!from || !into || !o->same_form(from, into))) return n;
    }
    return NULL;
}

bool surgery_same_operators(surgery *s, const inline_options *o)
{
    for (size_t i = 0; i < s->m->n_functions; i++) {
        const Onnx__FunctionProto *f = s->m->functions[i];
        if (is_selected(o, plain_domain(f->domain), f->name) && other_form(s, o, f)) return false;
    }
    return true;
}

/* The domains of a body are the model's, too. */
static bool add_imports(surgery *s, const inline_options *o, const Onnx__FunctionProto *f)
{
    Onnx__ModelProto *m = s->m;
    const Onnx__NodeProto *n = other_form(s, o, f);
    for (size_t i = 0; i < f->n_opset_import; i++) {
        if (import_of(m->opset_import, m->n_opset_import, plain_domain(f->opset_import[i]->domain))) continue;
        Onnx__OperatorSetIdProto **all = ARENA_ARRAY(s->mem, Onnx__OperatorSetIdProto *, m->n_opset_import + 1);
        if (m->n_opset_import) memcpy(all, m->opset_import, m->n_opset_import * sizeof *all);
        all[m->n_opset_import++] = f->opset_import[i];
        m->opset_import = all;
    }
    return !n || diag_error(s->d, EXIT_UNSUPPORTED, "", "function-opset",
                            "%s in function '%s' means something else at the version that the model imports", n->op_type, f->name);
}

static bool expand_functions(inliner *x)
{
    Onnx__ModelProto *m = x->s->m;
    for (size_t i = 0; i < m->n_functions; i++) {
        Onnx__FunctionProto *f = m->functions[i];
        node_list out = {0};
        if (x->selected[i]) continue;
        for (size_t k = 0; k < f->n_node; k++) take_node(x, f->node[k]);
        x->infos.n = 0;
        if (!expand_nodes(x, f->node, f->n_node, &out)) return false;
        f->node = out.p;
        f->n_node = out.n;
    }
    return true;
}

bool surgery_inline(surgery *s, const inline_options *o)
{
    Onnx__ModelProto *m = s->m;
    inliner x = {.s = s, .o = o, .taken = name_map_new(s), .selected = ARENA_ARRAY(s->mem, bool, m->n_functions)};
    bool ok = ids_exist(s, o);
    for (size_t i = 0; i < m->n_functions; i++) {
        x.selected[i] = is_selected(o, plain_domain(m->functions[i]->domain), m->functions[i]->name);
        if (x.selected[i]) ok = ok && add_imports(s, o, m->functions[i]);
    }
    take_names(&x, m->graph);
    if (!ok || !expand_graph(&x, m->graph)) return false;
    Onnx__ValueInfoProto **infos = ARENA_ARRAY(s->mem, Onnx__ValueInfoProto *, m->graph->n_value_info + x.infos.n);
    if (m->graph->n_value_info) memcpy(infos, m->graph->value_info, m->graph->n_value_info * sizeof *infos);
    if (x.infos.n) memcpy(infos + m->graph->n_value_info, x.infos.p, x.infos.n * sizeof *infos);
    m->graph->value_info = infos;
    m->graph->n_value_info += x.infos.n;
    if (!expand_functions(&x)) return false;
    size_t kept = 0;
    for (size_t i = 0; i < m->n_functions; i++)
        if (!x.selected[i]) m->functions[kept++] = m->functions[i];
    m->n_functions = kept;
    return true;
}
