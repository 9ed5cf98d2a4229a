/* build_graph.h - small graphs by hand, for unit tests of parts that come before or beside the text parser. */
#ifndef ONNXCC_TESTS_BUILD_GRAPH_H
#define ONNXCC_TESTS_BUILD_GRAPH_H
#include <string.h>

#include "ir/ir.h"

/* The value of that name; made when it is new. Names are unique in the tests' models. "" is none. */
static inline value_id val(model *m, const char *name)
{
    if (!*name) return 0;
    for (uint32_t i = 1; i < m->values.n; i++)
        if (!strcmp(m->values.p[i].name, name)) return i;
    return value_new(m, name);
}

/* "x, w, _" -> the values of these names (_ is none); returns how many. */
static inline uint32_t parse_list(model *m, const char *s, value_id *out)
{
    uint32_t n = 0;
    while (*(s += strspn(s, ", "))) {
        const size_t len = strcspn(s, ", ");
        out[n++] = len == 1 && *s == '_' ? 0 : val(m, intern_n(m->names, s, len));
        s += len;
    }
    return n;
}

/* A node at the end of graph g, of domain ai.onnx; at most 16 inputs and outputs each. */
static inline node_id add_node(model *m, graph_id g, const char *op, const char *ins, const char *outs)
{
    value_id in[16], out[16];
    const uint32_t n_in = parse_list(m, ins, in), n_out = parse_list(m, outs, out);
    const node_id id = node_new(m, g, "", op, n_in, n_out, 0);
    const node *n = node_at(m, id);
    if (n_in) memcpy(n->in, in, n_in * sizeof *in);
    for (uint32_t i = 0; i < n_out; i++) {
        n->out[i] = out[i];
        if (!out[i]) continue;
        value_at(m, out[i])->producer = id;
        value_at(m, out[i])->output = i;
    }
    VEC_PUSH(m->mem, graph_at(m, g)->nodes, id);
    return id;
}

static inline value_id add_input(model *m, graph_id g, const char *name, elem e, int32_t rank)
{
    const value_id v = val(m, name);
    type t = type_tensor(e, rank, rank > 0 ? shape_new(m, (uint32_t)rank) : NULL);
    for (int32_t i = 0; i < rank; i++) t.shape[i] = dim_fresh(m->dims, name, 0, INT64_MAX);
    value_at(m, v)->type = t;
    VEC_PUSH(m->mem, graph_at(m, g)->inputs, v);
    return v;
}

static inline void add_output(model *m, graph_id g, const char *name)
{
    const value_id v = val(m, name);
    VEC_PUSH(m->mem, graph_at(m, g)->outputs, v);
}

static inline void set_int(model *m, node_id n, const char *name, int64_t i)
{
    node_set_attr(m, node_at(m, n), (attr){.name = intern(m->names, name), .kind = ATTR_INT, .u.i = i});
}

static inline void set_float(model *m, node_id n, const char *name, float f)
{
    node_set_attr(m, node_at(m, n), (attr){.name = intern(m->names, name), .kind = ATTR_FLOAT, .u.f = f});
}

static inline void set_string(model *m, node_id n, const char *name, const char *s)
{
    node_set_attr(m, node_at(m, n), (attr){.name = intern(m->names, name), .kind = ATTR_STRING, .n = (uint32_t)strlen(s), .u.s = s});
}

static inline void set_ints(model *m, node_id n, const char *name, uint32_t count, const int64_t *p)
{
    node_set_attr(m, node_at(m, n),
                  (attr){.name = intern(m->names, name), .kind = ATTR_INTS, .n = count, .u.ints = arena_copy(m->mem, p, count * sizeof *p)});
}

static inline void import_opset(model *m, const char *domain, int version)
{
    VEC_PUSH(m->mem, m->opsets, ((opset){intern(m->names, domain), version}));
}
#endif
