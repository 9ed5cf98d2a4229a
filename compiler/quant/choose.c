/* choose.c - which nodes are quantized.
 *
 * Products with constant weights are, unless something speaks against it. In static mode the nodes between them are when they have a form in
 * integers, get integers, and give them to one that takes integers: an island of them among float nodes would only add error. Which ones
 * that is is a fixed point: all that could be are assumed to be, and those without reason are taken out until nothing changes. */
#include <math.h>
#include <string.h>

#include "passes/forms.h"
#include "quant/plan.h"

static const struct {
    const char *op;
    node_role role;
    int least; /* version from which readers have it in 8 bits */
} ROLES[] = {
    {"Conv", ROLE_PRODUCT, 1},
    {"Gemm", ROLE_PRODUCT, 7},
    {"MatMul", ROLE_PRODUCT, 1},
    {"Reshape", ROLE_MOVE, 5},
    {"Transpose", ROLE_MOVE, 1},
    {"Squeeze", ROLE_MOVE, 1},
    {"Unsqueeze", ROLE_MOVE, 1},
    {"Flatten", ROLE_MOVE, 9},
    {"Slice", ROLE_MOVE, 1},
    {"Gather", ROLE_MOVE, 1},
    {"Split", ROLE_MOVE, 2},
    {"MaxPool", ROLE_MOVE, 12},
    {"DepthToSpace", ROLE_MOVE, 1},
    {"SpaceToDepth", ROLE_MOVE, 1},
    {"Expand", ROLE_MOVE, 8},
    {"Resize", ROLE_MOVE, 11},
    {"Relu", ROLE_CLAMP, 6},
    {"Clip", ROLE_CLAMP, 6},
    {"Add", ROLE_MATH, 7},
    {"Mul", ROLE_MATH, 7},
    {"Concat", ROLE_MATH, 4},
    {"AveragePool", ROLE_MATH, 7},
    {"GlobalAveragePool", ROLE_MATH, 1},
    {"LeakyRelu", ROLE_MATH, 6},
    {"Sigmoid", ROLE_MATH, 6},
    {"HardSigmoid", ROLE_MATH, 6},
    {"HardSwish", ROLE_MATH, 14},
    {"Tanh", ROLE_MATH, 6},
};

static node_role role_of(const node *n)
{
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES && !*n->domain; i++)
        if (!strcmp(ROLES[i].op, n->op)) return n->version >= ROLES[i].least ? ROLES[i].role : ROLE_NONE;
    return ROLE_NONE;
}

/* ---- what the user keeps ---- */

/* * stands for any text, ? for one character. */
static bool fits(const char *pattern, const char *s)
{
    const char *star = NULL, *from = s;
    while (*s) {
        if (*pattern == '*') {
            star = pattern++;
            from = s;
        } else if (*pattern == '?' || *pattern == *s) {
            pattern++;
            s++;
        } else if (star) {
            pattern = star + 1;
            s = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

/* The operator in the file that a pass may have made another of. */
static const char *source_op(const quantize_plan *p, const node *n)
{
    return n->origin ? p->m->origins.p[n->origin].op : n->op;
}

static const char *kept_by_user(const quantize_plan *p, const node *n, const char *name)
{
    for (uint32_t i = 0; i < p->o->n_keep; i++)
        if (fits(p->o->keep[i], name)) return arena_printf(p->mem, "--keep %s", p->o->keep[i]);
    for (uint32_t i = 0; i < p->o->n_keep_type; i++)
        if (!strcmp(p->o->keep_type[i], n->op) || !strcmp(p->o->keep_type[i], source_op(p, n))) return arena_printf(p->mem, "--keep-type %s", p->o->keep_type[i]);
    return NULL;
}

/* ---- candidates ---- */

static bool is_float(model *m, value_id v)
{
    const type *t = &value_at(m, v)->type;
    return v && t->kind == TYPE_TENSOR && t->elem == ELEM_FLOAT;
}

uint32_t data_inputs(const node *n)
{
    return !strcmp(n->op, "Add") || !strcmp(n->op, "Mul") || !strcmp(n->op, "Concat") ? n->n_in : 1;
}

static bool one_number(model *m, value_id v)
{
    const tensor *t = constant_of(m, v);
    return t && tensor_count(t) == 1 && t->type == ELEM_FLOAT && isfinite(elem_get_double(t->type, t->data, 0));
}

/* A node between products that could compute in integers: real numbers in and out; of constants only single ones, which 8 bits represent well. */
static bool could_be_integer(const quantize_plan *p, const node *n, node_role role)
{
    model *m = p->m;
    uint32_t variable = 0;
    for (uint32_t i = 0; i < data_inputs(n); i++) {
        const value_id v = node_in(n, i);
        if (!is_float(m, v) || (constant_of(m, v) && (role != ROLE_MATH || !one_number(m, v)))) return false;
        variable += !constant_of(m, v);
    }
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] && !is_float(m, n->out[k])) return false;
    if (!strcmp(n->op, "Resize") && strcmp(node_string(n, "mode", "nearest"), "nearest")) return false;
    if (!strcmp(n->op, "MaxPool") && n->n_out > 1 && n->out[1]) return false;
    const bool activation = !strcmp(n->op, "LeakyRelu") || strstr(n->op, "Sigmoid") || !strcmp(n->op, "HardSwish") || !strcmp(n->op, "Tanh");
    const bool no_kernel = !strcmp(n->op, "MaxPool") && p->o->activations == ELEM_INT8; /* OpenVINO 2026.4 has none for s8 */
    if (no_kernel && p->o->reader == QUANTIZE_FOR_OPENVINO) return false;
    if (activation && p->o->reader == QUANTIZE_FOR_OPENVINO) return false;
    return variable > 0;
}

static const char *product_kept(quantize_plan *p, const node *n, const char *name, product *out)
{
    const char *why = kept_by_user(p, n, name);
    if (!why) why = read_product(p, out->id, out);
    if (!why && p->o->mode == QUANTIZE_STATIC && n->graph != 1) why = "it stands in a body of control flow, which calibration does not see";
    if (!why && p->o->mode == QUANTIZE_STATIC && (out->turned || out->alpha != 1 || out->beta != 1))
        why = "its alpha, beta or transA have no form in integers";
    return why;
}

static void add_node(quantize_plan *p, node_id id)
{
    const node *n = node_at(p->m, id);
    const node_role role = role_of(n);
    const char *name = *n->name ? n->name : n->n_out ? value_at(p->m, n->out[0])->name : "";
    if (role == ROLE_PRODUCT) {
        layer l = {.id = id, .name = name, .op = n->op, .sqnr = {NAN, NAN, NAN}, .p = {.id = id}};
        l.kept = product_kept(p, n, name, &l.p);
        if (!l.kept) {
            p->role[id] = role;
            p->product[id] = l.p;
        }
        VEC_PUSH(p->mem, p->layers, l);
        return;
    }
    const bool usable = p->o->mode == QUANTIZE_STATIC && n->graph == 1 && role != ROLE_NONE && op_readable(n) && !kept_by_user(p, n, name);
    if (usable && could_be_integer(p, n, role)) p->role[id] = role;
}

/* ---- reasons to be ---- */

typedef struct {
    quantize_plan *p;
    uint32_t *uses;    /* by value id, outputs of the graph counted */
    uint8_t *consumed; /* by value id: a node that computes in integers reads it */
    uint8_t *makes;    /* by value id: it comes out in integers */
} flow;

static void count_uses(flow *f)
{
    model *m = f->p->m;
    for (graph_id g = 1; g < m->graphs.n; g++) {
        const graph *gr = graph_at(m, g);
        for (uint32_t i = 0; i < gr->nodes.n; i++) {
            const node *n = node_at(m, gr->nodes.p[i]);
            for (uint32_t k = 0; k < n->n_in; k++) f->uses[n->in[k]]++;
        }
        for (uint32_t i = 0; i < gr->outputs.n; i++) f->uses[gr->outputs.p[i]]++;
    }
}

/* A Relu or Clip that can vanish in the rounding of the node before it. */
static bool follows_alone(const flow *f, const node *n)
{
    const node_id before = value_at(f->p->m, n->in[0])->producer;
    const node_role role = before ? f->p->role[before] : ROLE_NONE;
    return f->uses[n->in[0]] == 1 && (role == ROLE_PRODUCT || role == ROLE_MATH);
}

static bool is_conv(const node *n)
{
    return !strcmp(n->op, "Conv");
}

/* A Conv computes in integers only if its result is rounded to 8 bits, where onnxruntime runs it. */
static bool rounds_anyway(const flow *f, const node *n)
{
    return is_conv(n) && f->p->o->reader != QUANTIZE_FOR_OPENVINO;
}

static void find_consumed(flow *f)
{
    quantize_plan *p = f->p;
    const graph *g = model_main(p->m);
    memset(f->consumed, 0, p->n_values);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(p->m, g->nodes.p[i]);
        const node_role role = p->role[g->nodes.p[i]];
        for (uint32_t k = 0; role != ROLE_NONE && k < data_inputs(n); k++) f->consumed[n->in[k]] = 1;
    }
}

static bool gets_integers(const flow *f, const node *n)
{
    for (uint32_t k = 0; k < data_inputs(n); k++)
        if (!constant_of(f->p->m, n->in[k]) && !f->makes[n->in[k]]) return false;
    return true;
}

static bool gives_integers(const flow *f, const node *n)
{
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] && f->consumed[n->out[k]]) return true;
    return false;
}

/* In order of execution: whose results come out in integers. True when a node lost its role. */
static bool round_of_reasons(flow *f)
{
    quantize_plan *p = f->p;
    model *m = p->m;
    const graph *g = model_main(m);
    bool changed = false;
    find_consumed(f);
    memset(f->makes, 0, p->n_values);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node_id id = g->nodes.p[i];
        const node *n = node_at(m, id);
        if (p->role[id] == ROLE_NONE) continue;
        bool makes = gives_integers(f, n) || rounds_anyway(f, n);
        if (p->role[id] == ROLE_CLAMP && follows_alone(f, n)) makes |= rounds_anyway(f, node_at(m, value_at(m, n->in[0])->producer));
        if (p->role[id] != ROLE_PRODUCT && (!makes || !gets_integers(f, n))) {
            p->role[id] = ROLE_NONE;
            changed = true;
            continue;
        }
        for (uint32_t k = 0; makes && k < n->n_out; k++) f->makes[n->out[k]] = 1;
    }
    return changed;
}

/* Parameters that follow from others, and clamps that vanish. */
static void settle(flow *f)
{
    quantize_plan *p = f->p;
    const graph *g = model_main(p->m);
    for (value_id v = 0; v < p->n_values; v++) p->same_as[v] = v, p->absorbed[v] = 0, p->integer[v] = f->makes[v];
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node_id id = g->nodes.p[i];
        const node *n = node_at(p->m, id);
        if (p->role[id] == ROLE_MOVE)
            for (uint32_t k = 0; k < n->n_out; k++) p->same_as[n->out[k]] = p->same_as[n->in[0]];
        if (p->role[id] == ROLE_CLAMP && follows_alone(f, n)) {
            p->absorbed[n->in[0]] = id;
            p->integer[n->in[0]] = 0;
        }
    }
}

static void choose(quantize_plan *p)
{
    arena *scratch = arena_new();
    flow f = {.p = p, .uses = ARENA_ARRAY(scratch, uint32_t, p->n_values)};
    f.consumed = ARENA_ARRAY(scratch, uint8_t, p->n_values);
    f.makes = ARENA_ARRAY(scratch, uint8_t, p->n_values);
    count_uses(&f);
    while (round_of_reasons(&f)) {
    }
    settle(&f);
    arena_free(scratch);
}

/* ---- the plan ---- */

quantize_plan *quantize_choose(arena *mem, model *m, const quantize_options *o)
{
    quantize_plan *p = ARENA_NEW(mem, quantize_plan);
    *p = (quantize_plan){.m = m, .mem = mem, .o = o, .n_values = m->values.n, .n_nodes = m->nodes.n};
    p->role = ARENA_ARRAY(mem, node_role, m->nodes.n);
    p->product = ARENA_ARRAY(mem, product, m->nodes.n);
    p->same_as = ARENA_ARRAY(mem, value_id, m->values.n);
    p->first_same = ARENA_ARRAY(mem, value_id, m->values.n);
    p->integer = ARENA_ARRAY(mem, uint8_t, m->values.n);
    p->seen = ARENA_ARRAY(mem, observed *, m->values.n);
    p->absorbed = ARENA_ARRAY(mem, node_id, m->values.n);
    for (graph_id g = 1; g < m->graphs.n; g++)
        for (uint32_t i = 0; i < graph_at(m, g)->nodes.n; i++) add_node(p, graph_at(m, g)->nodes.p[i]);
    choose(p);
    memcpy(p->first_same, p->same_as, p->n_values * sizeof *p->same_as);
    return p;
}

void quantize_keep(quantize_plan *p, layer *l, const char *why)
{
    l->kept = why;
    p->role[l->id] = ROLE_NONE;
    choose(p);
}

value_list quantize_observed(quantize_plan *p)
{
    value_list list = {0};
    uint8_t *wanted = ARENA_ARRAY(p->mem, uint8_t, p->n_values);
    const graph *g = model_main(p->m);
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        const node *n = node_at(p->m, g->nodes.p[i]);
        if (p->role[g->nodes.p[i]] == ROLE_NONE) continue;
        for (uint32_t k = 0; k < data_inputs(n); k++)
            if (!p->absorbed[n->in[k]]) wanted[p->same_as[n->in[k]]] = 1;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] && p->integer[n->out[k]]) wanted[p->same_as[n->out[k]]] = 1;
    }
    for (value_id v = 1; v < p->n_values; v++) {
        if (!wanted[v] || constant_of(p->m, v)) continue;
        if (!p->seen[v]) p->seen[v] = observed_new(p->mem);
        VEC_PUSH(p->mem, list, v);
    }
    return list;
}

int quantize_least_opset(quantize_mode mode)
{
    return mode == QUANTIZE_DYNAMIC ? 11 : 10;
}
