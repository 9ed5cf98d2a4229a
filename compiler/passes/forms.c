/* forms.c - reading and writing operators at whatever version a model has; see forms.h. Source of the versions: the ONNX operator change log. */
#include "passes/forms.h"

#include <string.h>

#include "schema/schema.h"

/* The first version with the meaning that passes read; operators that are not listed never changed theirs in a way that matters here. */
static const struct {
    const char *op;
    int least;
} LEAST[] = {
    {"Add", 7},      {"And", 7},         {"BatchNormalization", 7},
    {"Cast", 6},     {"Clip", 6},        {"Concat", 4},
    {"Div", 7},      {"Dropout", 7},     {"Equal", 7},
    {"Gemm", 7},     {"Greater", 7},     {"Less", 7},
    {"Max", 8},      {"Mean", 8},        {"Min", 8},
    {"Mul", 7},      {"Or", 7},          {"PRelu", 7},
    {"Pad", 2},      {"Pow", 7},         {"Reshape", 5},
    {"Softmax", 13}, {"LogSoftmax", 13}, {"Split", 2},
    {"Sub", 7},      {"Sum", 8},         {"Tile", 6},
    {"Xor", 7},      {"AveragePool", 7},
};

bool op_readable(const node *n)
{
    if (*n->domain) return true;
    if (!strcmp(n->op, "BatchNormalization") && !node_int(n, "spatial", 1)) return false;
    for (size_t i = 0; i < sizeof LEAST / sizeof *LEAST; i++)
        if (!strcmp(LEAST[i].op, n->op)) return n->version >= LEAST[i].least;
    return true;
}

bool op_is(const node *n, const char *op)
{
    return node_is(n, "", op) && op_readable(n);
}

int op_version(const model *m, const char *domain, const char *op)
{
    const op_schema *s = !m->written_back         ? schema_newest(domain, op)
                         : model_opset(m, domain) ? schema_find(domain, op, model_opset(m, domain))
                                                  : NULL;
    return s && !s->deprecated ? s->since : 0;
}

bool op_has(const model *m, const char *op, int least)
{
    return op_version(m, "", op) >= least;
}

/* ---- parameters ---- */

bool list_param(model *m, const node *n, const char *name, uint32_t i, const int64_t **v, uint32_t *count)
{
    *v = node_ints(n, name, count);
    const value_id input = *v ? 0 : node_in(n, i);
    if (!input) return true;
    const tensor *t = value_at(m, input)->data;
    if (!t || t->strings || t->type == ELEM_STRING) return false;
    *count = (uint32_t)tensor_count(t);
    int64_t *list = ARENA_ARRAY(m->mem, int64_t, *count + 1);
    for (uint32_t k = 0; k < *count; k++) list[k] = elem_get_int(t->type, t->data, k);
    *v = list;
    return true;
}

void set_list_param(model *m, node_id id, const char *name, uint32_t i, int as_input, uint32_t count, const int64_t *v)
{
    if (node_at(m, id)->version < as_input) {
        set_attr_ints(m, id, name, count, v);
        return;
    }
    const value_id list = new_ints(m, value_at(m, node_at(m, id)->out[0])->name, name, count, v);
    node *n = node_at(m, id);
    value_id *in = ARENA_ARRAY(m->mem, value_id, (n->n_in > i ? n->n_in : i + 1));
    memcpy(in, n->in, n->n_in * sizeof *in);
    in[i] = list;
    if (n->n_in <= i) n->n_in = i + 1;
    n->in = in;
}

void set_attr_int(model *m, node_id id, const char *name, int64_t v)
{
    node_set_attr(m, node_at(m, id), (attr){.name = intern(m->names, name), .kind = ATTR_INT, .u.i = v});
}

void set_attr_ints(model *m, node_id id, const char *name, uint32_t count, const int64_t *v)
{
    node_set_attr(m, node_at(m, id),
                  (attr){.name = intern(m->names, name), .kind = ATTR_INTS, .n = count, .u.ints = arena_copy(m->mem, v, count * sizeof *v)});
}

void set_attr_float(model *m, node_id id, const char *name, float v)
{
    node_set_attr(m, node_at(m, id), (attr){.name = intern(m->names, name), .kind = ATTR_FLOAT, .u.f = v});
}

/* ---- constants and nodes ---- */

/* No list of the graph has it: it is written for as long as something reads it (loose_constants in ir/labels.h). */
value_id new_constant(model *m, const char *of, const char *role, tensor *t)
{
    const value_id v = value_new(m, arena_printf(m->mem, "%s.%s", of, role));
    value *x = value_at(m, v);
    t->name = x->name;
    x->data = t;
    dim *shape = shape_new(m, t->rank);
    for (uint32_t i = 0; i < t->rank; i++) shape[i] = dim_const(m->dims, t->shape[i]);
    x->type = type_tensor(t->type, (int32_t)t->rank, shape);
    return v;
}

value_id new_ints(model *m, const char *of, const char *role, uint32_t count, const int64_t *v)
{
    tensor *t = tensor_new(m->mem, ELEM_INT64, 1, (const int64_t[]){count});
    for (uint32_t i = 0; i < count; i++) elem_set_int(ELEM_INT64, (void *)(uintptr_t)t->data, i, v[i]);
    return new_constant(m, of, role, t);
}

node *node_becomes(model *m, node_id id, const char *domain, const char *op, uint32_t n_in, const value_id *in)
{
    node *n = node_at(m, id);
    n->domain = intern(m->names, domain);
    n->op = intern(m->names, op);
    n->version = op_version(m, domain, op);
    if (!strcmp(domain, "com.microsoft") && !model_opset(m, domain)) VEC_PUSH(m->mem, m->opsets, ((opset){n->domain, 1}));
    n->n_attr = 0;
    n->n_in = n_in;
    n->in = arena_copy(m->mem, in, n_in * sizeof *in);
    n->source = NULL;
    return n;
}

const tensor *constant_of(model *m, value_id v)
{
    const tensor *t = v ? value_at(m, v)->data : NULL;
    return t && !t->strings && t->type != ELEM_STRING && (t->data || !tensor_count(t)) ? t : NULL;
}

bool scalar_constant(model *m, value_id v, double *x)
{
    const tensor *t = constant_of(m, v);
    if (!t || tensor_count(t) != 1 || !strchr("fiub", elem_of(t->type)->kind)) return false;
    *x = elem_of(t->type)->kind == 'f' ? elem_get_double(t->type, t->data, 0) : (double)elem_get_int(t->type, t->data, 0);
    return true;
}
