/* text.c - model_text(): the onnx package's text form of a model (docs/Syntax.md there), readable by onnx.parser and by proto/parse.c.
 *
 * In: a model. Out: text. What the form cannot say follows as a # comment: the types of inner values, and how many elements of a long
 * constant were left out (such a text can't be read back). Values without a name, and those whose name is taken, get one made from the id. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/labels.h"

typedef struct {
    model *m;
    text *out;
    uint32_t limit; /* elements of a constant that are printed */
    const char **label; /* by value id: the name in the text */
} printer;

static void print_graph(printer *p, graph_id g, int indent);

/* ---- words ---- */

static void add_quoted(text *out, const char *s, size_t n)
{
    text_add(out, "\"");
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\') text_add(out, "\\");
        text_addn(out, &s[i], 1);
    }
    text_add(out, "\"");
}

static bool is_word(const char *s)
{
    if (!*s || (*s >= '0' && *s <= '9')) return false;
    for (; *s; s++)
        if (!(*s == '_' || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z'))) return false;
    return true;
}

static void add_name(text *out, const char *s)
{
    if (is_word(s)) text_add(out, s);
    else add_quoted(out, s, strlen(s));
}

/* a.b.c, with quotes around parts that need them (which onnx.parser would not read) */
static void add_domain(text *out, const char *s)
{
    while (*s) {
        const size_t n = strcspn(s, ".");
        char *part = arena_strndup(out->mem, s, n);
        add_name(out, part);
        text_add(out, ".");
        s += n + (s[n] == '.');
    }
}

/* The shortest text that reads back as the same number. */
static void add_float(text *out, double v, bool single)
{
    char s[40];
    if (isnan(v)) {
        text_add(out, signbit(v) ? "-nan" : "nan");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (isinf(v) || (single ? (double)strtof(s, NULL) == v : strtod(s, NULL) == v)) break;
    }
    text_add(out, s);
}

/* ---- types and tensors ---- */

static void print_type(printer *p, const type *t);

static void print_shape(printer *p, const type *t)
{
    text_add(p->out, elem_of(t->elem)->name);
    if (t->rank < 0) text_add(p->out, "[]");
    if (t->rank <= 0) return;
    for (int32_t i = 0; i < t->rank; i++) {
        int64_t v;
        text name = {.mem = p->out->mem};
        text_add(p->out, i ? "," : "[");
        if (dim_is_const(p->m->dims, t->shape[i], &v)) text_addf(p->out, "%" PRId64, v);
        else {
            dim_text(p->m->dims, t->shape[i], &name);
            add_name(p->out, name.p);
        }
    }
    text_add(p->out, "]");
}

static void print_type(printer *p, const type *t)
{
    if (!t) return;
    switch (t->kind) {
    case TYPE_UNKNOWN: return;
    case TYPE_TENSOR: print_shape(p, t); return;
    case TYPE_SPARSE:
        text_add(p->out, "sparse_tensor(");
        print_shape(p, t);
        break;
    case TYPE_MAP:
        text_addf(p->out, "map(%s, ", elem_of(t->elem)->name);
        print_type(p, t->of);
        break;
    case TYPE_SEQUENCE:
    case TYPE_OPTIONAL:
        text_add(p->out, t->kind == TYPE_SEQUENCE ? "seq(" : "optional(");
        print_type(p, t->of);
        break;
    }
    text_add(p->out, ")");
}

/* Element i as it stands in the typed fields of TensorProto: small floats are bit patterns, packed ones whole bytes, complex ones pairs. */
static void print_element(printer *p, const tensor *t, size_t i)
{
    const elem_info *info = elem_of(t->type);
    if (t->type == ELEM_STRING) add_quoted(p->out, t->strings[i], strlen(t->strings[i]));
    else if (t->type == ELEM_FLOAT || t->type == ELEM_COMPLEX64) add_float(p->out, elem_get_double(ELEM_FLOAT, t->data, i), true);
    else if (t->type == ELEM_DOUBLE || t->type == ELEM_COMPLEX128) add_float(p->out, elem_get_double(ELEM_DOUBLE, t->data, i), false);
    else if (info->bits == 6) text_addf(p->out, "%u", elem_get_packed(t->type, t->data, i));
    else if (info->bits < 8) text_addf(p->out, "%u", ((const unsigned char *)t->data)[i]);
    else if (info->kind == 'f') text_addf(p->out, "%lld", elem_get_int(info->bits == 8 ? ELEM_UINT8 : ELEM_UINT16, t->data, i));
    else if (t->type == ELEM_UINT64) text_addf(p->out, "%" PRIu64, (uint64_t)elem_get_int(t->type, t->data, i));
    else text_addf(p->out, "%lld", elem_get_int(t->type, t->data, i));
}

static void print_data(printer *p, const tensor *t)
{
    size_t n = (size_t)tensor_count(t);
    if (elem_of(t->type)->kind == 'c') n *= 2;
    if (elem_of(t->type)->bits < 8 && elem_of(t->type)->bits != 6) n = t->bytes;
    if (n > p->limit) {
        text_addf(p->out, "{ # %zu elements\n}", n);
        return;
    }
    text_add(p->out, "{");
    for (size_t i = 0; i < n; i++) {
        if (i) text_add(p->out, ", ");
        print_element(p, t, i);
    }
    text_add(p->out, "}");
}

static void print_tensor_head(printer *p, const tensor *t)
{
    text_add(p->out, elem_of(t->type)->name);
    for (uint32_t i = 0; i < t->rank; i++) text_addf(p->out, "%s%" PRId64, i ? "," : "[", t->shape[i]);
    if (t->rank) text_add(p->out, "]");
}

static void print_tensor(printer *p, const tensor *t)
{
    print_tensor_head(p, t);
    /* onnx.parser reads no quoted name here, and the name means nothing. */
    text_addf(p->out, " %s%s", t->name && is_word(t->name) ? t->name : "", t->name && is_word(t->name) ? " " : "");
    print_data(p, t);
}

/* ---- values ---- */

static void print_value(printer *p, value_id v)
{
    add_name(p->out, !v ? "" : p->label[v] ? p->label[v] : value_at(p->m, v)->name);
}

static void print_typed(printer *p, value_id v)
{
    const type *t = &value_at(p->m, v)->type;
    if (t->kind != TYPE_UNKNOWN) {
        print_type(p, t);
        text_add(p->out, " ");
    }
    print_value(p, v);
}

static void print_initializer(printer *p, value_id v)
{
    const value *x = value_at(p->m, v);
    const tensor *t = x->data ? x->data : x->initial;
    print_tensor_head(p, t);
    text_add(p->out, " ");
    print_value(p, v);
    text_add(p->out, " = ");
    print_data(p, t);
}

/* ---- attributes ---- */

static const char *const KIND_NAME[] = {"", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings", "tensors", "graphs", "sparse_tensor",
                                        "sparse_tensors", "type_proto", "type_protos"};

static void print_sub(printer *p, graph_id g, int indent)
{
    if (!is_word(graph_at(p->m, g)->name)) text_addf(p->out, "g%u", g); /* where onnx.parser reads no quoted name */
    else text_add(p->out, graph_at(p->m, g)->name);
    print_graph(p, g, indent);
}

static void print_item(printer *p, const attr *a, uint32_t i, int indent)
{
    switch (a->kind) {
    case ATTR_FLOAT: add_float(p->out, (double)a->u.f, true); break;
    case ATTR_FLOATS: add_float(p->out, (double)a->u.floats[i], true); break;
    case ATTR_INT: text_addf(p->out, "%" PRId64, a->u.i); break;
    case ATTR_INTS: text_addf(p->out, "%" PRId64, a->u.ints[i]); break;
    case ATTR_STRING: add_quoted(p->out, a->u.s, a->n); break;
    case ATTR_STRINGS: add_quoted(p->out, a->u.strings[i], strlen(a->u.strings[i])); break;
    case ATTR_TENSOR:
    case ATTR_SPARSE: print_tensor(p, a->u.t); break;
    case ATTR_TENSORS:
    case ATTR_SPARSES: print_tensor(p, a->u.tensors[i]); break;
    case ATTR_GRAPH: print_sub(p, a->u.g, indent); break;
    case ATTR_GRAPHS: print_sub(p, a->u.graphs[i], indent); break;
    case ATTR_TYPE:
    case ATTR_TYPES: print_type(p, &a->u.type[i]); break;
    case ATTR_NONE: break;
    }
}

static bool is_list(attr_kind k)
{
    return (k >= ATTR_FLOATS && k <= ATTR_GRAPHS) || k == ATTR_SPARSES || k == ATTR_TYPES;
}

static void print_attr(printer *p, const attr *a, int indent)
{
    add_name(p->out, a->name);
    if (a->kind != ATTR_NONE) text_addf(p->out, ": %s", KIND_NAME[a->kind]);
    text_add(p->out, " = ");
    if (a->ref) {
        text_add(p->out, "@");
        add_name(p->out, a->ref);
        return;
    }
    if (!is_list(a->kind)) {
        print_item(p, a, 0, indent);
        return;
    }
    text_add(p->out, "[");
    for (uint32_t i = 0; i < a->n; i++) {
        if (i) text_add(p->out, ", ");
        print_item(p, a, i, indent);
    }
    text_add(p->out, "]");
}

static void print_attrs(printer *p, const attr *a, uint32_t n, int indent)
{
    if (!n) return;
    text_add(p->out, " <");
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(p->out, ", ");
        print_attr(p, &a[i], indent);
    }
    text_add(p->out, ">");
}

/* ---- nodes and graphs ---- */

static void print_values(printer *p, const value_id *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(p->out, ", ");
        print_value(p, v[i]);
    }
}

static bool has_subgraph(const node *n)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (n->attr[i].kind == ATTR_GRAPH || n->attr[i].kind == ATTR_GRAPHS) return true;
    return false;
}

/* The types of the outputs, behind the node. */
static void print_types(printer *p, const node *n)
{
    text types = {.mem = p->out->mem};
    printer aside = *p;
    aside.out = &types;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i] || value_at(p->m, n->out[i])->type.kind == TYPE_UNKNOWN) continue;
        text_add(&types, types.n ? ", " : "  # ");
        print_type(&aside, &value_at(p->m, n->out[i])->type);
    }
    for (size_t i = 0; i < types.n; i++)
        if (types.p[i] == '\n') types.p[i] = ' '; /* in the name of a dimension; it would end the comment */
    text_addn(p->out, types.p, types.n);
}

static void print_node(printer *p, const node *n, int indent)
{
    text_addf(p->out, "%*s", indent, "");
    if (*n->name) {
        text_add(p->out, "[");
        add_name(p->out, n->name);
        text_add(p->out, "] ");
    }
    print_values(p, n->out, n->n_out);
    text_add(p->out, n->n_out ? " = " : "= ");
    add_domain(p->out, n->domain);
    add_name(p->out, n->op);
    if (*n->overload) {
        text_add(p->out, ":");
        add_name(p->out, n->overload);
    }
    const bool attrs_last = has_subgraph(n);
    if (!attrs_last) print_attrs(p, n->attr, n->n_attr, indent);
    text_add(p->out, " (");
    print_values(p, n->in, n->n_in);
    text_add(p->out, ")");
    if (attrs_last) print_attrs(p, n->attr, n->n_attr, indent);
    print_types(p, n);
    text_add(p->out, "\n");
}

/* A function has no initializers: its constants are nodes. */
static void print_constant(printer *p, value_id v)
{
    text_add(p->out, "   ");
    print_value(p, v);
    text_add(p->out, " = Constant <value: tensor = ");
    print_tensor_head(p, value_at(p->m, v)->data);
    text_add(p->out, " ");
    print_data(p, value_at(p->m, v)->data);
    text_add(p->out, "> ()\n");
}

static void print_nodes(printer *p, const graph *g, const value_id *constants, uint32_t n_constants, int indent)
{
    text_add(p->out, "{\n");
    for (uint32_t i = 0; i < n_constants; i++) print_constant(p, constants[i]);
    for (uint32_t i = 0; i < g->nodes.n; i++) print_node(p, node_at(p->m, g->nodes.p[i]), indent + 3);
    text_addf(p->out, "%*s}", indent, "");
}

static void print_list(printer *p, const value_id *v, uint32_t n, bool typed)
{
    text_add(p->out, "(");
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(p->out, ", ");
        if (typed) print_typed(p, v[i]);
        else print_value(p, v[i]);
    }
    text_add(p->out, ")");
}

static void print_initializers(printer *p, const value_id *v, uint32_t n, const char **sep, int indent)
{
    for (uint32_t i = 0; i < n; i++) {
        text_addf(p->out, "%s%*s", *sep, indent + 4, "");
        print_initializer(p, v[i]);
        *sep = ",\n";
    }
}

/* Everything behind the graph's name. */
static void print_graph(printer *p, graph_id id, int indent)
{
    const graph *g = graph_at(p->m, id);
    uint32_t n_loose = 0;
    const value_id *loose = id == 1 ? loose_constants(p->m, p->out->mem, id, &n_loose) : NULL;
    text_add(p->out, " ");
    print_list(p, g->inputs.p, g->inputs.n, true);
    text_add(p->out, " => ");
    print_list(p, g->outputs.p, g->outputs.n, true);
    if (g->initializers.n + n_loose) {
        const char *sep = "\n";
        text_addf(p->out, "\n%*s<", indent + 3, "");
        print_initializers(p, g->initializers.p, g->initializers.n, &sep, indent);
        print_initializers(p, loose, n_loose, &sep, indent);
        text_addf(p->out, "\n%*s>", indent + 3, "");
    }
    text_add(p->out, "\n");
    text_addf(p->out, "%*s", indent, "");
    print_nodes(p, g, NULL, 0, indent);
}

/* ---- functions and the model ---- */

static void print_opsets(printer *p, const opset *o, uint32_t n)
{
    text_add(p->out, "opset_import: [");
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(p->out, ", ");
        add_quoted(p->out, o[i].domain, strlen(o[i].domain));
        text_addf(p->out, " : %d", o[i].version);
    }
    text_add(p->out, "]");
}

static void print_entry(printer *p, const char *key, const char *s)
{
    if (!s || !*s) return;
    text_addf(p->out, ",\n   %s: ", key);
    add_quoted(p->out, s, strlen(s));
}

static void print_function(printer *p, const function *f)
{
    const graph *g = graph_at(p->m, f->body);
    uint32_t n_constants;
    const value_id *constants = loose_constants(p->m, p->out->mem, f->body, &n_constants);
    text_add(p->out, "\n<\n   ");
    print_opsets(p, f->opsets.p, f->opsets.n);
    print_entry(p, "domain", f->domain);
    print_entry(p, "overload", f->overload);
    print_entry(p, "doc_string", f->doc);
    text_add(p->out, "\n>\n");
    add_name(p->out, f->name);
    text_add(p->out, f->n_attr ? " <" : " ");
    for (uint32_t i = 0; i < f->n_attr; i++) {
        if (i) text_add(p->out, ", ");
        if (f->attr[i].kind == ATTR_NONE) add_name(p->out, f->attr[i].name);
        else print_attr(p, &f->attr[i], 0);
    }
    if (f->n_attr) text_add(p->out, "> ");
    print_list(p, g->inputs.p, g->inputs.n, false);
    text_add(p->out, " => ");
    print_list(p, g->outputs.p, g->outputs.n, false);
    text_add(p->out, "\n");
    print_nodes(p, g, constants, n_constants, 0);
    text_add(p->out, "\n");
}

static void print_header(printer *p)
{
    const model *m = p->m;
    text_addf(p->out, "<\n   ir_version: %" PRId64 ",\n   ", m->ir_version);
    print_opsets(p, m->opsets.p, m->opsets.n);
    print_entry(p, "producer_name", m->producer);
    print_entry(p, "producer_version", m->producer_version);
    print_entry(p, "domain", m->domain);
    if (m->model_version) text_addf(p->out, ",\n   model_version: %" PRId64, m->model_version);
    print_entry(p, "doc_string", m->doc);
    if (m->metadata.n) {
        text_add(p->out, ",\n   metadata_props: [");
        for (uint32_t i = 0; i < m->metadata.n; i++) {
            if (i) text_add(p->out, ", ");
            add_quoted(p->out, m->metadata.p[i].key, strlen(m->metadata.p[i].key));
            text_add(p->out, ": ");
            add_quoted(p->out, m->metadata.p[i].value, strlen(m->metadata.p[i].value));
        }
        text_add(p->out, "]");
    }
    text_add(p->out, "\n>\n");
}

void model_text(model *m, text *out, uint32_t limit)
{
    printer p = {.m = m, .out = out, .limit = limit, .label = value_labels(m, out->mem)};
    print_header(&p);
    add_name(out, *model_main(m)->name ? model_main(m)->name : "graph");
    print_graph(&p, 1, 0);
    text_add(out, "\n");
    for (uint32_t i = 0; i < m->functions.n; i++) print_function(&p, &m->functions.p[i]);
}
