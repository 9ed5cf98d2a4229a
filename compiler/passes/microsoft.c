/* microsoft.c - pass `microsoft`: operators of onnxruntime that do two or three steps at once, for --for=onnxruntime.
 *
 *     LayerNormalization(Add(x, y), g, b)             SkipLayerNormalization(x, y, g, b)
 *     SkipLayerNormalization(Add(x, c), y, g, b)      SkipLayerNormalization(x, y, g, b, c)      c: one row, constant
 *     Gelu(Add(x, c))                                 BiasGelu(x, c)
 *     Relu(Conv(x)), also Sigmoid, Tanh, LeakyRelu, HardSigmoid, Clip     FusedConv(x)
 *     Relu(Add(Conv(x), z))                           FusedConv(x, z)
 *
 * requires: types known; float32. breaks: the exact sequence of roundings. Source: onnxruntime's ContribOperators.md. */
#include <string.h>

#include "passes/forms.h"
#include "passes/optimize.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

static const char MS[] = "com.microsoft";

static const type *floats(model *m, value_id v)
{
    const type *t = v ? &value_at(m, v)->type : NULL;
    return t && t->kind == TYPE_TENSOR && t->elem == ELEM_FLOAT ? t : NULL;
}

static bool is_row(model *m, value_id v, const type *x)
{
    const type *t = floats(m, v);
    return t && constant_of(m, v) && t->rank == 1 && t->shape[0] == x->shape[x->rank - 1];
}

static bool skip_norm(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node n = *node_at(m, id);
    const node *sum = n.n_out == 1 ? rewrite_producer_is(r, n.in[0], "Add") : NULL;
    const type *x = floats(m, n.in[0]);
    if (!sum || !x || x->rank != 3 || !rewrite_only_use(r, n.in[0]) || !same_value_type(m, sum->in[0], n.in[0]) ||
        !same_value_type(m, sum->in[1], n.in[0]))
        return false;
    const int64_t axis = node_int(&n, "axis", -1);
    const type *g = floats(m, n.in[1]);
    if ((axis != -1 && axis != 2) || !g || g->rank != 1) return false;
    const float epsilon = node_float(&n, "epsilon", 1e-5f);
    const value_id in[] = {sum->in[0], sum->in[1], n.in[1], node_in(&n, 2)};
    (void)rewrite_becomes(r, id, MS, "SkipLayerNormalization", in[3] ? 4 : 3, in);
    set_attr_float(m, id, "epsilon", epsilon);
    return true;
}

/* The sum's operands are the same to it: a bias of either will do. */
static bool skip_bias(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node n = *node_at(m, id);
    const type *x = floats(m, n.in[0]);
    if (!node_is(&n, MS, "SkipLayerNormalization") || !x || x->rank != 3 || n.n_in > 4) return false;
    for (uint32_t i = 0; i < 2; i++) {
        const node *sum = rewrite_producer_is(r, n.in[i], "Add");
        if (!sum || !rewrite_only_use(r, n.in[i])) continue;
        for (uint32_t k = 0; k < 2; k++) {
            if (!is_row(m, sum->in[k], x) || !same_value_type(m, sum->in[1 - k], n.in[i])) continue;
            const float epsilon = node_float(&n, "epsilon", 1e-5f);
            const value_id in[] = {sum->in[1 - k], n.in[1 - i], n.in[2], node_in(&n, 3), sum->in[k]};
            (void)rewrite_becomes(r, id, MS, "SkipLayerNormalization", 5, in);
            set_attr_float(m, id, "epsilon", epsilon);
            return true;
        }
    }
    return false;
}

static bool bias_gelu(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node n = *node_at(m, id);
    if (n.n_in != 1 || (!node_is(&n, MS, "Gelu") && !(node_is(&n, "", "Gelu") && !strcmp(node_string(&n, "approximate", "none"), "none"))))
        return false;
    const node *sum = rewrite_producer_is(r, n.in[0], "Add");
    const type *x = floats(m, n.in[0]);
    if (!sum || !x || x->rank < 1 || !rewrite_only_use(r, n.in[0])) return false;
    for (uint32_t k = 0; k < 2; k++) {
        if (!is_row(m, sum->in[k], x) || !same_value_type(m, sum->in[1 - k], n.in[0])) continue;
        (void)rewrite_becomes(r, id, MS, "BiasGelu", 2, (const value_id[]){sum->in[1 - k], sum->in[k]});
        return true;
    }
    return false;
}

/* FusedConv with the activation's name and numbers. */
static void become_fused(rewrite *r, node_id id, const node *conv, value_id added, const char *activation, uint32_t n, const float *numbers)
{
    model *m = r->m;
    const value_id in[] = {conv->in[0], conv->in[1], node_in(conv, 2), added};
    const node from = *conv;
    (void)rewrite_becomes(r, id, MS, "FusedConv", added ? 4 : from.n_in, in);
    for (uint32_t i = 0; i < from.n_attr; i++) node_set_attr(m, node_at(m, id), from.attr[i]);
    node_set_attr(m, node_at(m, id),
                  (attr){.name = intern(m->names, "activation"), .kind = ATTR_STRING, .n = (uint32_t)strlen(activation), .u.s = activation});
    if (!n) return;
    const float *kept = arena_copy(m->mem, numbers, n * sizeof *numbers);
    node_set_attr(m, node_at(m, id), (attr){.name = intern(m->names, "activation_params"), .kind = ATTR_FLOATS, .n = n, .u.floats = kept});
}

/* A Conv that nothing but this reads. */
static const node *conv_alone(rewrite *r, value_id v)
{
    return floats(r->m, v) && rewrite_only_use(r, v) ? rewrite_producer_is(r, v, "Conv") : NULL;
}

static bool fused_conv(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    static const char *const ACTIVATIONS[] = {"Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid"};
    const node n = *node_at(r->m, id);
    const node *conv = NULL;
    for (size_t i = 0; i < sizeof ACTIVATIONS / sizeof *ACTIVATIONS && !conv; i++)
        if (op_is(&n, ACTIVATIONS[i])) conv = conv_alone(r, n.in[0]);
    if (!conv) return false;
    const bool hard = op_is(&n, "HardSigmoid"), leaky = op_is(&n, "LeakyRelu");
    const float numbers[] = {node_float(&n, "alpha", hard ? 0.2f : 0.01f), node_float(&n, "beta", 0.5f)};
    become_fused(r, id, conv, 0, n.op, hard ? 2 : leaky ? 1 : 0, numbers);
    return true;
}

static bool fused_clip(rewrite *r, node_id id, bool *gone)
{
    enum { BOUNDS_AS_INPUTS = 11 };
    (void)gone;
    const node n = *node_at(r->m, id);
    const node *conv = conv_alone(r, n.in[0]);
    double lo = (double)node_float(&n, "min", 0), hi = (double)node_float(&n, "max", 0);
    const bool given = n.version >= BOUNDS_AS_INPUTS ? scalar_constant(r->m, node_in(&n, 1), &lo) && scalar_constant(r->m, node_in(&n, 2), &hi)
                                                     : node_attr(&n, "min") && node_attr(&n, "max");
    if (!conv || !given) return false;
    become_fused(r, id, conv, 0, "Clip", 2, (const float[]){(float)lo, (float)hi});
    return true;
}

/* Relu(Add(Conv(x), z)): the sum goes into the product too. */
static bool fused_sum(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const value_id v = node_at(m, id)->in[0];
    const node *sum = floats(m, v) && rewrite_only_use(r, v) ? rewrite_producer_is(r, v, "Add") : NULL;
    for (uint32_t i = 0; sum && i < 2; i++) {
        const node *conv = conv_alone(r, sum->in[i]);
        const value_id z = sum->in[1 - i];
        if (!conv || !node_in(conv, 2) || !same_value_type(m, z, v) || !same_value_type(m, sum->in[i], v)) continue;
        become_fused(r, id, conv, z, "Relu", 0, NULL);
        return true;
    }
    return false;
}

static const rule_row RULES[] = {{"LayerNormalization", skip_norm},
                                 {NULL, skip_bias},
                                 {NULL, bias_gelu},
                                 {NULL, fused_conv},
                                 {"Clip", fused_clip},
                                 {"Relu", fused_sum},
                                 {NULL, NULL}};

void make_microsoft(model *m, const struct pass_context *c)
{
    if (c->reader == FOR_ONNXRUNTIME) rewrite_rules(m, RULES, NULL);
}
