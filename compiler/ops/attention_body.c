/* attention_body.c - LinearAttention of ai.onnx and FlexAttention of ai.onnx.preview said with other operators.
 * Source: the standard's function bodies, versions 27 and 1, which depend on the node. Keys and values that several query heads share are not copied:
 * the queries of a group are rows of one product. */
#include <math.h>
#include <string.h>

#include "ops/contrib.h"

static value_id cast_to(edit *e, value_id v, elem to)
{
    const attr a = attr_int(e->m, "to", to);
    return elem_type_of(e, v) == to ? v : insert(e, "Cast", &a, 1, &v);
}

static value_id sizes_of(edit *e, value_id x, int64_t from, int64_t to)
{
    const attr a[2] = {attr_int(e->m, "start", from), attr_int(e->m, "end", to)};
    return make(e, "Shape", 2, a, 1, &x);
}

static value_id shape_of(edit *e, uint32_t n, const value_id *parts)
{
    const attr axis = attr_int(e->m, "axis", 0);
    return insert(e, "Concat", &axis, n, parts);
}

static value_id reciprocal_root(edit *e, value_id size, elem in)
{
    const value_id scalar = insert(e, "Squeeze", NULL, IN(cast_to(e, size, in)));
    return insert(e, "Reciprocal", NULL, IN(insert(e, "Sqrt", NULL, IN(scalar))));
}

/* ---- LinearAttention ---- */

/* [batch, time, heads * size] as [time, batch, heads, a, b], what a step reads of it in one piece. */
static value_id by_time(edit *e, value_id x, int64_t heads, int64_t a, int64_t b)
{
    const int64_t shape[5] = {0, 0, heads, a, b}, perm[5] = {1, 0, 2, 3, 4};
    const attr p = attr_ints(e->m, "perm", 5, perm);
    return insert(e, "Transpose", &p, IN(insert(e, "Reshape", NULL, IN(x, const_ints(e, "shape", 5, shape)))));
}

typedef struct {
    bool gated, delta;
    value_id scale; /* float scalar */
    elem own;       /* type of the queries; ELEM_NONE: not known */
} linear_rule;

enum { STATE, LQ, LK, LV, DECAY, BETA, N_STEP };

/* One step: inputs the state [batch, heads, dk, dv], q [batch, heads, group, dk], k [.., dk, 1], v [.., 1, dv], decay [.., dk or 1, 1] and
 * beta [batch, heads or 1, 1, 1], as far as the rule has them; outputs the new state and [batch, heads, group, dv]. */
static graph_id linear_step(edit *e, const linear_rule *r)
{
    model *m = e->m;
    const graph_id body = graph_new(m, e->graph, "step");
    edit s = {.m = m, .graph = body, .id = e->id, .serial = e->serial};
    value_id in[N_STEP] = {0};
    for (uint32_t i = 0; i < N_STEP; i++) {
        if ((i == DECAY && !r->gated) || (i == BETA && !r->delta)) continue;
        const value_id v = make_value(&s, "step");
        VEC_PUSH(m->mem, graph_at(m, body)->inputs, v);
        in[i] = i == STATE ? v : cast_to(&s, v, ELEM_FLOAT);
    }
    const value_id q = graph_at(m, body)->inputs.p[LQ];
    value_id state = in[STATE], write = in[LV];
    if (r->gated) state = insert(&s, "Mul", NULL, IN(state, insert(&s, "Exp", NULL, IN(in[DECAY]))));
    if (r->delta) {
        const value_id held = insert(&s, "ReduceSum", NULL, IN(insert(&s, "Mul", NULL, IN(state, in[LK])), one_int(&s, -2)));
        write = insert(&s, "Mul", NULL, IN(in[BETA], insert(&s, "Sub", NULL, IN(write, held))));
    }
    state = insert(&s, "Add", NULL, IN(state, insert(&s, "Mul", NULL, IN(in[LK], write))));
    const value_id y = insert(&s, "Mul", NULL, IN(insert(&s, "MatMul", NULL, IN(in[LQ], state)), r->scale));
    VEC_PUSH(m->mem, graph_at(m, body)->outputs, state);
    VEC_PUSH(m->mem, graph_at(m, body)->outputs, r->own ? cast_to(&s, y, r->own) : insert(&s, "CastLike", NULL, IN(y, q)));
    for (uint32_t i = 0; i < s.list.n; i++) VEC_PUSH(m->mem, graph_at(m, body)->nodes, s.list.p[i]);
    e->serial = s.serial;
    return body;
}

static bool linear_attention(edit *e)
{
    model *m = e->m;
    const value_id query = input_of(e, 0), values = input_of(e, 2), past = input_of(e, 3), decay = input_of(e, 4), beta = input_of(e, 5);
    const int64_t heads = node_int(edited(e), "q_num_heads", 0), kv = node_int(edited(e), "kv_num_heads", 0);
    const char *rule = node_string(edited(e), "update_rule", "gated_delta");
    const float scale = node_float(edited(e), "scale", 0);
    linear_rule r = {.own = elem_type_of(e, query), .gated = !strcmp(rule, "gated") || !strcmp(rule, "gated_delta"),
                     .delta = !strcmp(rule, "delta") || !strcmp(rule, "gated_delta")};
    if (!r.gated && !r.delta && strcmp(rule, "linear"))
        return version_error(e, "attr-value", "update_rule '%s' is none of linear, gated, delta, gated_delta", rule);
    if (kv < 1 || heads < 1 || heads % kv) return version_error(e, "attr-value", "q_num_heads is no multiple of kv_num_heads");
    if ((r.gated && !decay) || (r.delta && !beta))
        return version_error(e, "input-missing", "update_rule '%s' needs %s", rule, r.gated && !decay ? "decay" : "beta");
    const value_id dk = insert(e, "Div", NULL, IN(sizes_of(e, query, 2, 3), one_int(e, heads))),
                   dv = insert(e, "Div", NULL, IN(sizes_of(e, values, 2, 3), one_int(e, kv)));
    r.scale = scale != 0 ? const_floats(e, "scale", 1, &scale) : reciprocal_root(e, dk, ELEM_FLOAT);
    value_id in[N_STEP] = {0};
    in[STATE] = past ? cast_to(e, past, ELEM_FLOAT)
                     : insert(e, "ConstantOfShape", NULL, IN(shape_of(e, IN(sizes_of(e, query, 0, 1), one_int(e, kv), dk, dv))));
    in[LQ] = by_time(e, query, kv, heads / kv, -1);
    in[LK] = by_time(e, input_of(e, 1), kv, -1, 1);
    in[LV] = by_time(e, values, kv, 1, -1);
    uint32_t n_in = DECAY;
    if (r.gated) in[n_in++] = by_time(e, decay, kv, -1, 1);
    if (r.delta) in[n_in++] = by_time(e, beta, -1, 1, 1);
    const attr a[2] = {{.name = intern(m->names, "body"), .kind = ATTR_GRAPH, .u.g = linear_step(e, &r)}, attr_int(m, "num_scan_inputs", n_in - 1)};
    const value_id out[2] = {make_value(e, "state"), make_value(e, "steps")}, present = output_of(e, 1);
    make_node(e, "Scan", 2, a, n_in, in, 2, out);
    if (present) make_node(e, "CastLike", 0, NULL, IN(out[0], past ? past : query), 1, &present);
    const int64_t perm[5] = {1, 0, 2, 3, 4}, shape[3] = {0, 0, -1};
    const attr p = attr_ints(m, "perm", 5, perm);
    const value_id y = insert(e, "Transpose", &p, IN(out[1]));
    edited(e)->n_out = 1;
    replace_node(e, "Reshape", 0, NULL, IN(y, const_ints(e, "shape", 3, shape)));
    return true;
}

/* ---- FlexAttention ---- */

/* The nodes of a subgraph of one input and one output come before the edited node; x goes in. 0 after a report. */
static value_id through_graph(edit *e, const char *name, value_id x)
{
    model *m = e->m;
    const attr *a = node_attr(edited(e), name);
    if (!a) return x;
    const graph_id id = a->u.g;
    graph *g = a->kind == ATTR_GRAPH ? graph_at(m, id) : NULL;
    if (!g || g->inputs.n != 1 || g->outputs.n != 1) {
        version_error(e, "attr-value", "%s is no graph of one input and one output", name);
        return 0;
    }
    const value_id in = g->inputs.p[0], out = g->outputs.p[0];
    value_at(m, in)->type = (type){.rank = -1};
    make_node(e, "Identity", 0, NULL, IN(x), 1, &in);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        node *n = node_at(m, g->nodes.p[i]);
        n->graph = e->graph;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k]) value_at(m, n->out[k])->type = (type){.rank = -1}; /* declared with names of sizes that are the subgraph's own */
        VEC_PUSH(m->mem, e->list, g->nodes.p[i]);
    }
    for (uint32_t i = 0; i < g->initializers.n; i++) VEC_PUSH(m->mem, graph_at(m, e->graph)->initializers, g->initializers.p[i]);
    for (graph_id i = 1; i < m->graphs.n; i++)
        if (graph_at(m, i)->parent == id) graph_at(m, i)->parent = e->graph;
    g->nodes.n = g->initializers.n = g->inputs.n = g->outputs.n = 0;
    return out;
}

/* The first three sizes of a and the last one of b. */
static value_id reshaped(edit *e, value_id x, value_id a, value_id b, int64_t axis)
{
    return insert(e, "Reshape", NULL, IN(x, shape_of(e, IN(sizes_of(e, a, 0, 3), sizes_of(e, b, axis, axis + 1)))));
}

/* [batch, heads, rows, columns] as [batch, heads of k, rows of the group, columns]. */
static value_id grouped_rows(edit *e, value_id x, value_id k, value_id columns)
{
    return insert(e, "Reshape", NULL, IN(x, shape_of(e, IN(sizes_of(e, k, 0, 2), one_int(e, -1), columns))));
}

static bool flex_attention(edit *e)
{
    const value_id q = input_of(e, 0), k = input_of(e, 1), v = input_of(e, 2);
    const elem own = elem_type_of(e, q);
    if (own == ELEM_NONE) return true; /* later, when types are known */
    const elem precise = node_elem(edited(e), "softmax_precision", own == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT);
    if (elem_of(precise)->kind != 'f')
        return version_error(e, "attr-value", "softmax_precision is no type of real numbers");
    const attr *given = node_attr(edited(e), "scale");
    const float scale = given ? given->u.f : 1;
    value_id qs = q, ks = k; /* each times the root of the scale, so that products of 16-bit numbers stay small */
    if (given && scale < 0) {
        qs = insert(e, "Mul", NULL, IN(q, const_like(e, "scale", scale, q)));
    } else {
        const elem wide = own == ELEM_DOUBLE ? ELEM_DOUBLE : ELEM_FLOAT;
        const value_id root = given ? const_like(e, "root", sqrtf(scale), q)
                                    : cast_to(e, insert(e, "Sqrt", NULL, IN(reciprocal_root(e, sizes_of(e, q, 3, 4), wide))), own);
        qs = insert(e, "Mul", NULL, IN(q, root));
        ks = insert(e, "Mul", NULL, IN(k, root));
    }
    const int64_t perm[4] = {0, 1, 3, 2};
    const attr turned = attr_ints(e->m, "perm", 4, perm), last = attr_int(e->m, "axis", 3);
    const value_id product = insert(e, "MatMul", NULL, IN(grouped_rows(e, qs, k, sizes_of(e, q, 3, 4)), insert(e, "Transpose", &turned, 1, &ks)));
    value_id s = through_graph(e, "score_mod", cast_to(e, reshaped(e, product, q, k, 2), precise));
    if (!s) return false;
    s = through_graph(e, "prob_mod", insert(e, "Softmax", &last, 1, &s));
    if (!s) return false;
    const value_id rows = grouped_rows(e, s, k, sizes_of(e, k, 2, 3)), y = insert(e, "MatMul", NULL, IN(rows, cast_to(e, v, precise)));
    const attr to = attr_int(e->m, "to", own);
    replace_node(e, "Cast", 1, &to, IN(reshaped(e, y, q, v, 3)));
    return true;
}

static const struct {
    const char *domain, *op;
    bool (*run)(edit *e);
} BODIES[] = {{"", "LinearAttention", linear_attention}, {"ai.onnx.preview", "FlexAttention", flex_attention}};

bool attention_knows(const char *domain, const char *op)
{
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++)
        if (!strcmp(BODIES[i].domain, domain) && !strcmp(BODIES[i].op, op)) return true;
    return false;
}

bool attention_expand(edit *e)
{
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++)
        if (node_is(edited(e), BODIES[i].domain, BODIES[i].op)) return BODIES[i].run(e);
    return true;
}
