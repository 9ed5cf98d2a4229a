/* elementwise.c - operators that compute each element from the elements at the same (broadcast) place. A row of a formula table is all that
 * a new one needs besides its line in ops.def. Source: ONNX Operators.md, newest versions. */
#include <string.h>

#include "ops/families.h"
#include "ops/formula.h"
#include "ops/strings.h"

static ex sigmoid(lower_ctx *c, ex x)
{
    const ex one = num(c, x, 1);
    return divide(c, one, add(c, one, ex_un(c->x, EX_EXP, ex_un(c->x, EX_NEG, x))));
}
/* log(1 + exp(x)), without overflow: max(x, 0) + log(1 + exp(-|x|)) */
static ex softplus(lower_ctx *c, ex x)
{
    const ex e = ex_un(c->x, EX_EXP, ex_un(c->x, EX_NEG, ex_un(c->x, EX_ABS, x)));
    return add(c, larger(c, x, num(c, x, 0)), ex_un(c->x, EX_LOG, add(c, num(c, x, 1), e)));
}
static ex exp_minus_1(lower_ctx *c, ex x)
{
    return sub(c, ex_un(c->x, EX_EXP, x), num(c, x, 1));
}

/* ---- unary: y = formula(x) ---- */

static ex f_Celu(lower_ctx *c, ex x)
{
    const ex alpha = attr_f(c, x, "alpha", 1.0f), zero = num(c, x, 0);
    return add(c, larger(c, zero, x), smaller(c, zero, mul(c, alpha, exp_minus_1(c, divide(c, x, alpha)))));
}
static ex f_Clip(lower_ctx *c, ex x)
{
    const slot lo = in_slot(c, 1), hi = in_slot(c, 2);
    if (lo) x = larger(c, x, load_scalar(c, lo));
    if (hi) x = smaller(c, x, load_scalar(c, hi));
    return x;
}
static ex f_Elu(lower_ctx *c, ex x)
{
    const ex zero = num(c, x, 0);
    return ex_select(c->x, less(c, x, zero), mul(c, attr_f(c, x, "alpha", 1.0f), exp_minus_1(c, x)), x);
}
static ex f_Gelu(lower_ctx *c, ex x)
{
    const ex half = mul(c, num(c, x, 0.5), x);
    if (!strcmp(node_string(c->n, "approximate", "none"), "tanh")) {
        const ex cube = mul(c, x, mul(c, x, x));
        const ex in = mul(c, num(c, x, 0.79788456080286535588), add(c, x, mul(c, num(c, x, 0.044715), cube)));
        return mul(c, half, add(c, num(c, x, 1), ex_un(c->x, EX_TANH, in)));
    }
    return mul(c, half, add(c, num(c, x, 1), ex_un(c->x, EX_ERF, mul(c, x, num(c, x, 0.70710678118654752440)))));
}
static ex hard_sigmoid(lower_ctx *c, ex x, ex alpha, ex beta)
{
    return larger(c, num(c, x, 0), smaller(c, num(c, x, 1), add(c, mul(c, alpha, x), beta)));
}
static ex f_HardSigmoid(lower_ctx *c, ex x)
{
    return hard_sigmoid(c, x, attr_f(c, x, "alpha", 0.2f), attr_f(c, x, "beta", 0.5f));
}
static ex f_HardSwish(lower_ctx *c, ex x)
{
    return mul(c, x, hard_sigmoid(c, x, num(c, x, 1.0 / 6.0), num(c, x, 0.5)));
}
static ex f_Identity(lower_ctx *c, ex x)
{
    (void)c;
    return x;
}
static ex f_IsInf(lower_ctx *c, ex x)
{
    const ex zero = num(c, x, 0);
    ex r = ex_un(c->x, EX_ISINF, x);
    if (!node_int(c->n, "detect_negative", 1)) r = ex_bin(c->x, EX_AND, r, less(c, zero, x));
    if (!node_int(c->n, "detect_positive", 1)) r = ex_bin(c->x, EX_AND, r, less(c, x, zero));
    return r;
}
static ex f_LeakyRelu(lower_ctx *c, ex x)
{
    return ex_select(c->x, less(c, x, num(c, x, 0)), mul(c, attr_f(c, x, "alpha", 0.01f), x), x);
}
static ex f_Mish(lower_ctx *c, ex x)
{
    return mul(c, x, ex_un(c->x, EX_TANH, softplus(c, x)));
}
static ex f_Reciprocal(lower_ctx *c, ex x)
{
    return divide(c, num(c, x, 1), x);
}
static ex f_Relu(lower_ctx *c, ex x)
{
    return larger(c, x, whole(c, x, 0));
}
static ex f_Selu(lower_ctx *c, ex x)
{
    const ex alpha = attr_f(c, x, "alpha", 1.67326319217681884765625f), gamma = attr_f(c, x, "gamma", 1.05070102214813232421875f);
    return mul(c, gamma, ex_select(c->x, less(c, num(c, x, 0), x), x, sub(c, mul(c, alpha, ex_un(c->x, EX_EXP, x)), alpha)));
}
static ex f_Shrink(lower_ctx *c, ex x)
{
    const ctype t = ex_type(c->x, x), wide = ctype_is_float(t) ? t : CT_F64; /* lambd and bias are floats for integer tensors too */
    const ex v = ex_cast(c->x, wide, x);
    const ex lambd = attr_f(c, v, "lambd", 0.5f), bias = attr_f(c, v, "bias", 0.0f), zero = num(c, v, 0);
    const ex r = ex_select(c->x, less(c, v, ex_un(c->x, EX_NEG, lambd)), add(c, v, bias), ex_select(c->x, less(c, lambd, v), sub(c, v, bias), zero));
    return ex_cast(c->x, t, r);
}
static ex f_Sigmoid(lower_ctx *c, ex x)
{
    return sigmoid(c, x);
}
static ex f_Sign(lower_ctx *c, ex x)
{
    const ex zero = whole(c, x, 0);
    const ex s = ex_select(c->x, less(c, zero, x), whole(c, x, 1), ex_select(c->x, less(c, x, zero), whole(c, x, -1), zero));
    return ctype_is_float(ex_type(c->x, x)) ? ex_select(c->x, ex_un(c->x, EX_ISNAN, x), x, s) : s;
}
static ex f_Softplus(lower_ctx *c, ex x)
{
    return softplus(c, x);
}
static ex f_Softsign(lower_ctx *c, ex x)
{
    return divide(c, x, add(c, num(c, x, 1), ex_un(c->x, EX_ABS, x)));
}
static ex f_Swish(lower_ctx *c, ex x)
{
    return mul(c, x, sigmoid(c, mul(c, attr_f(c, x, "alpha", 1.0f), x)));
}
static ex f_ThresholdedRelu(lower_ctx *c, ex x)
{
    return ex_select(c->x, less(c, attr_f(c, x, "alpha", 1.0f), x), x, num(c, x, 0));
}

typedef struct {
    const char *name;
    ex_op op; /* EX_NONE: by formula */
    ex (*formula)(lower_ctx *c, ex x);
} unary_row;

static const unary_row UNARY[] = {
    {"Abs", EX_ABS, NULL},         {"Acos", EX_ACOS, NULL},     {"Acosh", EX_ACOSH, NULL},   {"Asin", EX_ASIN, NULL},
    {"Asinh", EX_ASINH, NULL},     {"Atan", EX_ATAN, NULL},     {"Atanh", EX_ATANH, NULL},   {"BitwiseNot", EX_NOT, NULL},
    {"Ceil", EX_CEIL, NULL},       {"Cos", EX_COS, NULL},       {"Cosh", EX_COSH, NULL},     {"Erf", EX_ERF, NULL},
    {"Exp", EX_EXP, NULL},         {"Floor", EX_FLOOR, NULL},   {"IsNaN", EX_ISNAN, NULL},   {"Log", EX_LOG, NULL},
    {"Neg", EX_NEG, NULL},         {"Not", EX_NOT, NULL},       {"Round", EX_RINT, NULL},    {"Sin", EX_SIN, NULL},
    {"Sinh", EX_SINH, NULL},       {"Sqrt", EX_SQRT, NULL},     {"Tan", EX_TAN, NULL},       {"Tanh", EX_TANH, NULL},
    {"Celu", EX_NONE, f_Celu},     {"Clip", EX_NONE, f_Clip},   {"Elu", EX_NONE, f_Elu},     {"Gelu", EX_NONE, f_Gelu},
    {"HardSigmoid", EX_NONE, f_HardSigmoid},                    {"HardSwish", EX_NONE, f_HardSwish},
    {"Identity", EX_NONE, f_Identity},                          {"IsInf", EX_NONE, f_IsInf},
    {"LeakyRelu", EX_NONE, f_LeakyRelu},                        {"Mish", EX_NONE, f_Mish},
    {"Reciprocal", EX_NONE, f_Reciprocal},                      {"Relu", EX_NONE, f_Relu},
    {"Selu", EX_NONE, f_Selu},     {"Shrink", EX_NONE, f_Shrink},                            {"Sigmoid", EX_NONE, f_Sigmoid},
    {"Sign", EX_NONE, f_Sign},     {"Softplus", EX_NONE, f_Softplus},                        {"Softsign", EX_NONE, f_Softsign},
    {"Swish", EX_NONE, f_Swish},   {"ThresholdedRelu", EX_NONE, f_ThresholdedRelu},
};

bool infer_unary(infer_ctx *c)
{
    return out_like(c, 0, 0);
}

bool infer_PRelu(infer_ctx *c)
{
    return need_rank(c, 0) && shape_stretches(c, 1, in_rank(c, 0), in_type(c, 0)->shape) && out_like(c, 0, 0);
}

bool infer_is(infer_ctx *c)
{
    const type *t = in_type(c, 0);
    return out_tensor(c, 0, ELEM_BOOL, t->rank, t->shape);
}

/* An element computed in float, for a store that rounds it: what is too large for an 8-bit float is infinity or NaN, as in arithmetic on wider ones. */
static ex computed(lower_ctx *c, ex v)
{
    return to_small_float(c, v, slot_elem(c, out_slot(c, 0)), false, "nearest");
}

static ex unary_value(lower_ctx *c, const dim *idx, void *arg)
{
    const unary_row *r = arg;
    const slot s = in_slot(c, 0);
    const ex x = load_axes(c, s, slot_rank(c, s), idx);
    return r->formula == f_Identity ? x : computed(c, r->formula ? r->formula(c, x) : ex_un(c->x, r->op, x));
}

bool lower_unary(lower_ctx *c)
{
    for (size_t i = 0; i < sizeof UNARY / sizeof *UNARY; i++)
        if (!strcmp(UNARY[i].name, c->n->op)) return lower_map(c, out_slot(c, 0), unary_value, (void *)(uintptr_t)&UNARY[i]);
    return lower_unsupported(c, "op-unsupported", "has no formula");
}

/* ---- binary ---- */

static bool infer_bcast(infer_ctx *c, elem e)
{
    dim out[64];
    int32_t rank;
    if (!need_rank(c, 0) || !need_rank(c, 1)) return false;
    const type *a = in_type(c, 0), *b = in_type(c, 1);
    if (a->rank > 64 || b->rank > 64) return infer_unsupported(c, "rank-limit", "more than 64 dimensions");
    return broadcast(c, a->shape, a->rank, b->shape, b->rank, out, &rank) && out_tensor(c, 0, e, rank, out);
}

bool infer_binary(infer_ctx *c)
{
    return infer_bcast(c, in_elem(c, 0));
}

bool infer_compare(infer_ctx *c)
{
    return infer_bcast(c, ELEM_BOOL);
}

static ex b_Pow(lower_ctx *c, ex a, ex b)
{
    const ctype t = ex_type(c->x, a), u = ex_type(c->x, b);
    if (t == u) return ex_bin(c->x, EX_POW, a, b);
    const ctype wide = ctype_is_float(t) || ctype_is_float(u) ? (t == CT_F32 && u != CT_F64 ? CT_F32 : CT_F64) : t;
    if (!ctype_is_float(wide)) return ex_bin(c->x, EX_POW, a, ex_cast(c->x, t, b));
    return ex_cast(c->x, t, ex_bin(c->x, EX_POW, ex_cast(c->x, wide, a), ex_cast(c->x, wide, b)));
}
/* x - y * floor(x / y), by way of fmod so that large quotients stay exact. */
static ex floor_mod_float(lower_ctx *c, ex a, ex b)
{
    const ex r = ex_bin(c->x, EX_MOD, a, b), zero = num(c, a, 0);
    const ex apart = ex_bin(c->x, EX_NE, less(c, r, zero), less(c, b, zero));
    const ex moved = ex_select(c->x, ex_bin(c->x, EX_AND, ex_bin(c->x, EX_NE, r, zero), apart), add(c, r, b), r);
    const ex signed_zero = ex_select(c->x, less(c, b, zero), num(c, a, -0.0), zero); /* as numpy: a zero has the sign of the divisor */
    return ex_select(c->x, ex_bin(c->x, EX_EQ, r, zero), signed_zero, moved);
}

static ex b_Mod(lower_ctx *c, ex a, ex b)
{
    if (ctype_is_float(ex_type(c->x, a)) && !node_int(c->n, "fmod", 0)) return floor_mod_float(c, a, b);
    return ex_bin(c->x, node_int(c->n, "fmod", 0) || ctype_is_float(ex_type(c->x, a)) ? EX_MOD : EX_FMOD, a, b);
}
static ex b_BitShift(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, strcmp(node_string(c->n, "direction", ""), "LEFT") ? EX_SHR : EX_SHL, a, b);
}
static ex b_Greater(lower_ctx *c, ex a, ex b)
{
    return less(c, b, a);
}
static ex b_GreaterOrEqual(lower_ctx *c, ex a, ex b)
{
    return ex_bin(c->x, EX_LE, b, a);
}
static ex b_PRelu(lower_ctx *c, ex a, ex b)
{
    return ex_select(c->x, less(c, a, whole(c, a, 0)), mul(c, b, a), a);
}

typedef struct {
    const char *name;
    ex_op op;
    ex (*formula)(lower_ctx *c, ex a, ex b);
} binary_row;

static const binary_row BINARY[] = {
    {"Add", EX_ADD, NULL},          {"And", EX_AND, NULL},        {"BitShift", EX_NONE, b_BitShift},
    {"BitwiseAnd", EX_AND, NULL},   {"BitwiseOr", EX_OR, NULL},   {"BitwiseXor", EX_XOR, NULL},
    {"Div", EX_DIV, NULL},          {"Equal", EX_EQ, NULL},       {"Greater", EX_NONE, b_Greater},
    {"GreaterOrEqual", EX_NONE, b_GreaterOrEqual},                {"Less", EX_LT, NULL},
    {"LessOrEqual", EX_LE, NULL},   {"Mod", EX_NONE, b_Mod},      {"Mul", EX_MUL, NULL},
    {"Or", EX_OR, NULL},            {"Pow", EX_NONE, b_Pow},      {"PRelu", EX_NONE, b_PRelu},
    {"Sub", EX_SUB, NULL},          {"Xor", EX_XOR, NULL},
};

static ex binary_value(lower_ctx *c, const dim *idx, void *arg)
{
    const binary_row *r = arg;
    const uint32_t rank = slot_rank(c, out_slot(c, 0));
    const ex a = load_bcast(c, in_slot(c, 0), rank, idx), b = load_bcast(c, in_slot(c, 1), rank, idx);
    return computed(c, r->formula ? r->formula(c, a, b) : ex_bin(c->x, r->op, a, b));
}

bool lower_binary(lower_ctx *c)
{
    for (size_t i = 0; i < sizeof BINARY / sizeof *BINARY; i++)
        if (!strcmp(BINARY[i].name, c->n->op)) return lower_map(c, out_slot(c, 0), binary_value, (void *)(uintptr_t)&BINARY[i]);
    return lower_unsupported(c, "op-unsupported", "has no formula");
}

/* ---- variadic ---- */

bool infer_variadic(infer_ctx *c)
{
    dim out[64];
    int32_t rank = 0;
    for (uint32_t i = 0; i < c->n->n_in; i++) {
        if (!need_rank(c, i)) return false;
        const type *t = in_type(c, i);
        if (t->rank > 64) return infer_unsupported(c, "rank-limit", "more than 64 dimensions");
        if (!broadcast(c, out, rank, t->shape, t->rank, out, &rank)) return false;
    }
    return out_tensor(c, 0, in_elem(c, 0), rank, out);
}

static ex variadic_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const uint32_t rank = slot_rank(c, out_slot(c, 0)), n = c->n->n_in;
    const ex_op op = !strcmp(c->n->op, "Max") ? EX_MAX : !strcmp(c->n->op, "Min") ? EX_MIN : EX_ADD;
    ex v = load_bcast(c, in_slot(c, 0), rank, idx);
    for (uint32_t i = 1; i < n; i++) v = ex_bin(c->x, op, v, load_bcast(c, in_slot(c, i), rank, idx));
    return computed(c, strcmp(c->n->op, "Mean") ? v : divide(c, v, num(c, v, n)));
}

bool lower_variadic(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), variadic_value, NULL);
}

/* ---- Where ---- */

bool infer_Where(infer_ctx *c)
{
    dim out[64];
    int32_t rank = 0;
    for (uint32_t i = 0; i < 3; i++) {
        if (!need_rank(c, i)) return false;
        const type *t = in_type(c, i);
        if (t->rank > 64) return infer_unsupported(c, "rank-limit", "more than 64 dimensions");
        if (!broadcast(c, out, rank, t->shape, t->rank, out, &rank)) return false;
    }
    return out_tensor(c, 0, in_elem(c, 1), rank, out);
}

static ex where_value(lower_ctx *c, const dim *idx, void *arg)
{
    (void)arg;
    const uint32_t rank = slot_rank(c, out_slot(c, 0));
    return ex_select(c->x, load_bcast(c, in_slot(c, 0), rank, idx), load_bcast(c, in_slot(c, 1), rank, idx), load_bcast(c, in_slot(c, 2), rank, idx));
}

bool lower_Where(lower_ctx *c)
{
    return lower_map(c, out_slot(c, 0), where_value, NULL);
}

/* ---- Cast ---- */

/* The bytes of numbers' texts are counted in a subgraph, which a loop may run any number of times. */
static void note_strings(infer_ctx *c, elem to)
{
    if (to == ELEM_STRING && in_elem(c, 0) != ELEM_STRING && c->n->graph != 1) (void)decided_symbol(c->m, c->id, "bytes", INT64_MAX);
}

bool infer_Cast(infer_ctx *c)
{
    const type *t = in_type(c, 0);
    const int64_t to = node_int(c->n, "to", 0);
    if (to < 1 || to >= ELEM_COUNT) return infer_error(c, "attribute-value", "attribute 'to' is %lld, which is no element type", (long long)to);
    note_strings(c, (elem)to);
    return out_tensor(c, 0, (elem)to, t->rank, t->shape);
}

bool infer_CastLike(infer_ctx *c)
{
    const type *t = in_type(c, 0);
    note_strings(c, in_elem(c, 1));
    return out_tensor(c, 0, in_elem(c, 1), t->rank, t->shape);
}

/* The part that the nest stores of a complex number, from one with other parts or from a real number. */
static ex complex_value(lower_ctx *c, slot s, const dim *idx)
{
    const ex v = ex_cast(c->x, ctype_of(slot_elem(c, out_slot(c, 0))), load_axes(c, s, slot_rank(c, s), idx));
    if (slot_at(c->p, s)->pairs) return v;
    return ex_select(c->x, equal(c, ex_dim(c->x, c->part), ex_i(c->x, CT_I64, 0)), v, num(c, v, 0));
}

static ex cast_value(lower_ctx *c, const dim *idx, void *arg)
{
    const slot s = *(const slot *)arg;
    if (slot_at(c->p, out_slot(c, 0))->pairs) return complex_value(c, s, idx);
    const elem to = slot_elem(c, out_slot(c, 0));
    const ex v = ex_cast(c->x, ctype_of(to), load_axes(c, s, slot_rank(c, s), idx));
    return to_small_float(c, v, to, node_int(c->n, "saturate", 1) != 0, node_string(c->n, "round_mode", "up"));
}

bool lower_cast_of(lower_ctx *c, slot x)
{
    return lower_map(c, out_slot(c, 0), cast_value, &x);
}

bool lower_Cast(lower_ctx *c)
{
    const slot x = in_slot(c, 0), y = out_slot(c, 0);
    if (slot_elem(c, x) != ELEM_STRING && slot_elem(c, y) == ELEM_STRING) return lower_number_strings(c, x, y);
    if (slot_elem(c, x) == ELEM_STRING && slot_elem(c, y) != ELEM_STRING) return lower_string_numbers(c, x, y);
    return lower_cast_of(c, x);
}
