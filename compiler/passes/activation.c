/* activation.c - pass `activation`: activation functions, recognised in what they compute, become the operators of their names.
 *
 *     x (1 + erf(x / sqrt 2)) / 2                                     Gelu                       from opset 20 on; onnxruntime: always
 *     x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2               Gelu, approximate=tanh     from opset 20 on
 *     clip(x + 3, 0, 6) / 6                                           HardSigmoid(1/6, 1/2)
 *     x HardSigmoid(x; 1/6, 1/2)                                      HardSwish                  from opset 14 on
 *     x sigmoid(x)                                                    onnxruntime: QuickGelu
 *     x tanh(softplus(x))                                             Mish                       from opset 18 on
 *
 * The products and sums are matched as formulas (algebra.h), so their order and grouping do not matter.
 *
 * requires: types known; float32. breaks: the exact sequence of roundings. */
#include <math.h>
#include <string.h>

#include "passes/algebra.h"
#include "passes/forms.h"
#include "passes/optimize.h"
#include "passes/passes.h"

enum { LEAVES = 12 };

static const pass_context *context(rewrite *r)
{
    return rewrite_context(r);
}

static bool is_float(model *m, value_id v)
{
    const type *t = &value_at(m, v)->type;
    return t->kind == TYPE_TENSOR && t->elem == ELEM_FLOAT;
}

/* The operator that computes t among the leaves of v: one of these. */
static const node *find_inner(rewrite *r, value_id v, const char *const *ops, value_id *t)
{
    value_id leaf[LEAVES];
    const uint32_t n = formula_leaves(r, v, leaf, LEAVES);
    for (uint32_t i = 1; i < n; i++)
        for (const char *const *op = ops; *op; op++) {
            const node *found = rewrite_producer_is(r, leaf[i], *op);
            if (found) return *t = leaf[i], found;
        }
    return NULL;
}

/* x such that `arg` is want(x) and v is outer(x, t); 0: none. */
static value_id solve(rewrite *r, value_id v, value_id t, value_id arg, const formula *want, const formula *outer)
{
    value_id leaf[LEAVES];
    const uint32_t n = formula_leaves(r, arg, leaf, LEAVES);
    formula f;
    for (uint32_t i = 0; i < n; i++)
        if (formula_of(r, arg, leaf[i], 0, &f) && formula_is(&f, want) && formula_of(r, v, leaf[i], t, &f) && formula_is(&f, outer) &&
            same_value_type(r->m, leaf[i], v))
            return leaf[i];
    return 0;
}

/* ---- Gelu ---- */

static bool gelu(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    static const char *const INNER[] = {"Erf", "Tanh", NULL};
    static const formula OUTER = {.c = {{0, 0.5}, {0, 0.5}}}, ERF = {.c = {{0, 0.70710678118654752}}},
                         TANH = {.c = {{0, 0.79788456080286536, 0, 0.79788456080286536 * 0.044715}}};
    model *m = r->m;
    const value_id v = node_at(m, id)->out[0];
    value_id t;
    const bool standard = op_has(m, "Gelu", 20), microsoft = context(r)->reader == FOR_ONNXRUNTIME;
    const node *inner = is_float(m, v) && (standard || microsoft) ? find_inner(r, v, INNER, &t) : NULL;
    if (!inner) return false;
    const bool by_erf = op_is(inner, "Erf");
    const value_id x = solve(r, v, t, inner->in[0], by_erf ? &ERF : &TANH, &OUTER);
    if (!x || (!by_erf && !standard)) return false;
    (void)rewrite_becomes(r, id, standard ? "" : "com.microsoft", "Gelu", 1, &x);
    if (!by_erf) node_set_attr(m, node_at(m, id), (attr){.name = intern(m->names, "approximate"), .kind = ATTR_STRING, .n = 4, .u.s = "tanh"});
    return true;
}

/* ---- hard ones ---- */

static bool clip_bounds(model *m, const node *n, double *lo, double *hi)
{
    if (n->version < 11) {
        *lo = (double)node_float(n, "min", -1);
        *hi = (double)node_float(n, "max", -1);
        return true;
    }
    return scalar_constant(m, node_in(n, 1), lo) && scalar_constant(m, node_in(n, 2), hi);
}

static bool hard_sigmoid(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    static const char *const INNER[] = {"Clip", NULL};
    static const formula OUTER = {.c = {{0}, {1.0 / 6}}}, ARG = {.c = {{3, 1}}};
    model *m = r->m;
    const value_id v = node_at(m, id)->out[0];
    value_id t;
    double lo, hi;
    const node *clip = is_float(m, v) && op_has(m, "HardSigmoid", 6) ? find_inner(r, v, INNER, &t) : NULL;
    if (!clip || !rewrite_only_use(r, t) || !clip_bounds(m, clip, &lo, &hi) || lo != 0 || hi != 6) return false;
    const value_id x = solve(r, v, t, clip->in[0], &ARG, &OUTER);
    if (!x) return false;
    (void)rewrite_becomes(r, id, "", "HardSigmoid", 1, &x);
    set_attr_float(m, id, "alpha", 1.0f / 6);
    set_attr_float(m, id, "beta", 0.5f);
    return true;
}

/* x clip(x + 3, 0, 6) / 6, in whatever order. */
static bool hard_swish(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    static const char *const INNER[] = {"Clip", NULL};
    static const formula OUTER = {.c = {{0}, {0, 1.0 / 6}}}, ARG = {.c = {{3, 1}}};
    model *m = r->m;
    const value_id v = node_at(m, id)->out[0];
    value_id t;
    double lo, hi;
    const node *clip = is_float(m, v) && op_has(m, "HardSwish", 14) ? find_inner(r, v, INNER, &t) : NULL;
    if (!clip || !clip_bounds(m, clip, &lo, &hi) || lo != 0 || hi != 6) return false;
    const value_id x = solve(r, v, t, clip->in[0], &ARG, &OUTER);
    if (x) (void)rewrite_becomes(r, id, "", "HardSwish", 1, &x);
    return x != 0;
}

/* ---- x times a function of x ---- */

/* Operand i of Mul is what `op` computes of the other operand. */
static const node *function_of_other(rewrite *r, const node *n, uint32_t i, const char *op)
{
    const node *f = rewrite_producer_is(r, n->in[i], op);
    return f && f->in[0] == n->in[1 - i] && same_value_type(r->m, f->in[0], n->out[0]) ? f : NULL;
}

static bool swishes(rewrite *r, node_id id, bool *gone)
{
    (void)gone;
    model *m = r->m;
    const node n = *node_at(m, id);
    if (n.n_in != 2 || !is_float(m, n.out[0])) return false;
    for (uint32_t i = 0; i < 2; i++) {
        const value_id x = n.in[1 - i];
        const node *hard = op_has(m, "HardSwish", 14) ? function_of_other(r, &n, i, "HardSigmoid") : NULL;
        if (hard && close_to((double)node_float(hard, "alpha", 0.2f), 1.0 / 6) && node_float(hard, "beta", 0.5f) == 0.5f)
            return rewrite_becomes(r, id, "", "HardSwish", 1, &x) != NULL;
        const node *tanh_node = op_has(m, "Mish", 18) ? rewrite_producer_is(r, n.in[i], "Tanh") : NULL;
        const node *plus = tanh_node ? rewrite_producer_is(r, tanh_node->in[0], "Softplus") : NULL;
        if (plus && plus->in[0] == x && same_value_type(m, x, n.out[0])) return rewrite_becomes(r, id, "", "Mish", 1, &x) != NULL;
        if (context(r)->reader != FOR_ONNXRUNTIME || !function_of_other(r, &n, i, "Sigmoid") || !rewrite_only_use(r, n.in[i])) continue;
        (void)rewrite_becomes(r, id, "com.microsoft", "QuickGelu", 1, &x);
        set_attr_float(m, id, "alpha", 1);
        return true;
    }
    return false;
}

static const rule_row RULES[] = {
    {"Mul", gelu},         {"Add", gelu},         {"Div", gelu},    {"Mul", hard_swish}, {"Div", hard_swish},
    {"Mul", hard_sigmoid}, {"Div", hard_sigmoid}, {"Mul", swishes}, {NULL, NULL},
};

void make_activations(model *m, const struct pass_context *c)
{
    rewrite_rules(m, RULES, (void *)(uintptr_t)c);
}
