/* gradient_rules.c - derivatives of operators on elements, products, reductions and the like; see gradient.h.
 *
 * The derivative of y by an input is said by what came to the outputs (d) and values of the forward nodes. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ops/gradient.h"
#include "ops/ops.h"
#include "schema/schema.h"

/* ---- formulas: operators on elements ----
 *
 * A row's text has a part for each input, separated by "|": words in postfix order, over d, a and b (inputs 0 and 1, b in the type of a), y (the output),
 * numbers, float attributes by name, operators of ONNX with one input by name, and + - * / > < = & ^ with two, ? with three (condition, then, else). A part
 * that is empty is 0; a part that is missing has no rule. */

enum { MOST = 16 }; /* values of a formula at a time */

typedef struct {
    value_id v[MOST];
    uint32_t n;
} stack;

static value_id pop(stack *s)
{
    return s->v[--s->n];
}

static value_id second_input(backward *b)
{
    const elem a = elem_type_of(b->e, in_of(b, 0)), own = elem_type_of(b->e, in_of(b, 1));
    return a == own || own == ELEM_BOOL || a == ELEM_BOOL ? in_of(b, 1) : cast_to(b, in_of(b, 1), a);
}

static float attribute(backward *b, const char *name)
{
    const schema_attr *formal = schema_attr_find(schema_newest("", rule_node(b)->op), name);
    return node_float(rule_node(b), name, formal && formal->has_default ? formal->otherwise.f : 0);
}

static value_id word_value(backward *b, stack *s, const char *word)
{
    static const struct {
        char sign;
        const char *op;
    } two[] = {{'+', "Add"}, {'-', "Sub"}, {'*', "Mul"}, {'/', "Div"}, {'>', "Greater"}, {'<', "Less"}, {'=', "Equal"}, {'&', "And"}, {'^', "Pow"}};
    const value_id like = out_of(b, 0);
    if (!strcmp(word, "d")) return d_out(b, 0);
    if (!strcmp(word, "a")) return in_of(b, 0);
    if (!strcmp(word, "b")) return second_input(b);
    if (!strcmp(word, "y")) return like;
    if (isdigit((unsigned char)*word) || (*word == '-' && word[1])) return number(b, strtod(word, NULL), like);
    if (islower((unsigned char)*word)) return number(b, (double)attribute(b, word), like);
    if (isupper((unsigned char)*word)) return op1(b, word, pop(s));
    const value_id last = pop(s), before = pop(s);
    if (*word == '?') return op3(b, "Where", pop(s), before, last);
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (*word == two[i].sign) return op2(b, two[i].op, before, last);
    return 0;
}

/* The value of the words up to the end of the part; 0: there are none. */
static value_id formula(backward *b, const char *words)
{
    stack s = {.n = 0};
    for (;;) {
        words += strspn(words, " ");
        const size_t n = strcspn(words, " |");
        if (!n) return s.n ? s.v[0] : 0;
        const value_id v = word_value(b, &s, arena_strndup(b->scratch, words, n));
        s.v[s.n++] = v;
        words += n;
    }
}

static bool by_formula(backward *b, const gradient_row *row)
{
    const char *part = row->with;
    const uint32_t n = rule_node(b)->n_in;
    for (uint32_t i = 0; i < n; i++) {
        if (wants(b, i) && !part) return cant(b, arena_printf(b->scratch, "by its input %u", i));
        const value_id g = wants(b, i) ? formula(b, part) : 0;
        if (g) add_broadcast(b, i, g);
        part = part ? strchr(part, '|') : NULL;
        if (part) part++;
    }
    return true;
}

/* ---- with something beside the formula ---- */

static bool no_gelu_tanh(backward *b, const gradient_row *row)
{
    return strcmp(node_string(rule_node(b), "approximate", "none"), "none") ? cant(b, "attribute 'approximate'") : by_formula(b, row);
}

static bool no_training(backward *b, const gradient_row *row)
{
    return node_is_random(b->e->m, rule_node(b)) ? cant(b, "it draws random numbers") : by_formula(b, row);
}

static bool by_cast(backward *b, const gradient_row *row)
{
    (void)row;
    add_to(b, 0, cast_to(b, d_out(b, 0), elem_type_of(b->e, in_of(b, 0))));
    return true;
}

/* Sum and Mean of any number of tensors. */
static bool by_sum(backward *b, const gradient_row *row)
{
    const uint32_t n = rule_node(b)->n_in;
    value_id d = d_out(b, 0);
    if (*row->with == 'm') d = op2(b, "Div", d, number(b, n, out_of(b, 0)));
    for (uint32_t i = 0; i < n; i++) add_broadcast(b, i, d);
    return true;
}

/* Max and Min of any number of tensors: those that are the result share it. */
static bool by_extreme(backward *b, const gradient_row *row)
{
    (void)row;
    const uint32_t n = rule_node(b)->n_in;
    const elem type_of_y = elem_type_of(b->e, out_of(b, 0));
    value_id *hit = ARENA_ARRAY(b->scratch, value_id, n), count = 0;
    for (uint32_t i = 0; i < n; i++) {
        hit[i] = cast_to(b, op2(b, "Equal", in_of(b, i), out_of(b, 0)), type_of_y);
        count = count ? op2(b, "Add", count, hit[i]) : hit[i];
    }
    const value_id part = op2(b, "Div", d_out(b, 0), count);
    for (uint32_t i = 0; i < n; i++) add_broadcast(b, i, op2(b, "Mul", part, hit[i]));
    return true;
}

/* ---- products ---- */

static value_id turned(backward *b, value_id x, int32_t rank)
{
    int64_t perm[MAX_RANK];
    for (int32_t i = 0; i < rank; i++) perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    const attr a = attr_ints(b->e->m, "perm", (uint32_t)rank, perm);
    return make(b->e, "Transpose", 1, &a, IN(x));
}

/* Shape with a dimension 1 at `axis`. */
static type with_one(backward *b, const type *t, int32_t axis)
{
    model *m = b->e->m;
    dim *shape = shape_new(m, (uint32_t)t->rank + 1);
    for (int32_t i = 0, k = 0; i <= t->rank; i++) shape[i] = i == axis ? dim_const(m->dims, 1) : t->shape[k++];
    return type_tensor(t->elem, t->rank + 1, shape);
}

static value_id unsqueezed(backward *b, value_id x, int64_t axis)
{
    return op2(b, "Unsqueeze", x, const_ints(b->e, "axes", 1, &axis));
}

/* A vector is a row on the left and a column on the right. */
static bool by_matmul(backward *b, const gradient_row *row)
{
    (void)row;
    value_id x[2] = {in_of(b, 0), in_of(b, 1)}, d = d_out(b, 0);
    type t[2] = {type_of(b, x[0]), type_of(b, x[1])}, out = type_of(b, out_of(b, 0));
    if (t[0].rank < 1 || t[1].rank < 1) return cant(b, "an operand has no dimensions");
    const bool vector[2] = {t[0].rank == 1, t[1].rank == 1};
    for (int k = 0; k < 2; k++) {
        if (!vector[k]) continue;
        t[k] = with_one(b, &t[k], k);
        x[k] = unsqueezed(b, x[k], k);
    }
    if (vector[1]) { /* the column's first: then a row goes before the last dimension */
        d = unsqueezed(b, d, -1);
        out = with_one(b, &out, out.rank);
    }
    if (vector[0]) {
        d = unsqueezed(b, d, -2);
        out = with_one(b, &out, out.rank - 1);
    }
    if (out.rank != (t[0].rank > t[1].rank ? t[0].rank : t[1].rank)) return cant(b, "its output is declared with another number of dimensions");
    for (uint32_t k = 0; k < 2; k++) {
        if (!wants(b, k)) continue;
        const value_id g = k == 0 ? op2(b, "MatMul", d, turned(b, x[1], t[1].rank)) : op2(b, "MatMul", turned(b, x[0], t[0].rank), d);
        type full = out; /* of g: the batch of the result, the matrix of the input */
        full.shape = shape_new(b->e->m, (uint32_t)out.rank);
        for (int32_t i = 0; i < out.rank; i++) full.shape[i] = i < out.rank - 2 ? out.shape[i] : t[k].shape[t[k].rank - out.rank + i];
        const value_id sum = sum_back(b, g, &full, &t[k]);
        add_to(b, k, vector[k] ? op2(b, "Squeeze", sum, const_ints(b->e, "axes", 1, &(int64_t){k})) : sum);
    }
    return true;
}

static value_id gemm(backward *b, value_id x, value_id y, bool turn_x, bool turn_y, float alpha)
{
    model *m = b->e->m;
    const attr a[3] = {attr_float(m, "alpha", alpha), attr_int(m, "transA", turn_x), attr_int(m, "transB", turn_y)};
    return make(b->e, "Gemm", 3, a, IN(x, y));
}

static bool by_gemm(backward *b, const gradient_row *row)
{
    (void)row;
    const bool ta = node_int(rule_node(b), "transA", 0), tb = node_int(rule_node(b), "transB", 0);
    const float alpha = node_float(rule_node(b), "alpha", 1), beta = node_float(rule_node(b), "beta", 1);
    const value_id x = in_of(b, 0), w = in_of(b, 1), d = d_out(b, 0);
    if (wants(b, 0)) add_to(b, 0, ta ? gemm(b, w, d, tb, true, alpha) : gemm(b, d, w, false, !tb, alpha));
    if (wants(b, 1)) add_to(b, 1, tb ? gemm(b, d, x, true, ta, alpha) : gemm(b, x, d, !ta, false, alpha));
    if (wants(b, 2)) add_broadcast(b, 2, beta == 1 ? d : op2(b, "Mul", d, number(b, (double)beta, out_of(b, 0))));
    return true;
}

/* ---- reductions ---- */

/* x, which lacks the dimensions that were reduced, with 1 there. */
static bool kept(backward *b, value_id x, value_id *out)
{
    const node *n = rule_node(b);
    const bool keep = strncmp(n->op, "Reduce", 6) || node_int(n, "keepdims", 1) == 1;
    const int32_t rank = rank_of(b->e, in_of(b, 0));
    *out = x;
    if (keep || rank == rank_of(b->e, out_of(b, 0))) return true;
    const value_id axes = in_of(b, 1);
    const tensor *t = data_of(b->e, axes);
    if (axes && !t) return cant(b, "its axes are not known");
    const int64_t given = t ? tensor_count(t) : 0;
    int64_t list[MAX_RANK];
    uint32_t count = 0;
    for (int32_t i = 0; i < rank && i < MAX_RANK; i++) {
        bool in = !given;
        for (int64_t k = 0; k < given; k++) {
            const int64_t axis = elem_get_int(t->type, t->data, (size_t)k);
            in |= (axis < 0 ? axis + rank : axis) == i;
        }
        if (in) list[count++] = i;
    }
    *out = op2(b, "Unsqueeze", x, const_ints(b->e, "axes", count, list));
    return true;
}

/* How many elements of the input became one, as a number of the input's type. */
static value_id folded(backward *b)
{
    return cast_to(b, op2(b, "Div", op1(b, "Size", in_of(b, 0)), op1(b, "Size", out_of(b, 0))), elem_type_of(b->e, in_of(b, 0)));
}

static value_id hits(backward *b, value_id y)
{
    return cast_to(b, op2(b, "Equal", in_of(b, 0), y), elem_type_of(b->e, in_of(b, 0)));
}

/* Sum over the same axes, kept. A global pool is over all but two. */
static value_id reduced_again(backward *b, value_id x)
{
    model *m = b->e->m;
    int64_t axes[MAX_RANK];
    const int32_t rank = rank_of(b->e, in_of(b, 0));
    for (int32_t i = 2; i < rank && i < MAX_RANK; i++) axes[i - 2] = i;
    if (strncmp(rule_node(b)->op, "Reduce", 6)) return rank > 2 ? summed(b, x, (uint32_t)rank - 2, axes) : x;
    const attr a[2] = {attr_int(m, "keepdims", 1), attr_int(m, "noop_with_empty_axes", node_int(rule_node(b), "noop_with_empty_axes", 0))};
    const value_id in[2] = {x, in_of(b, 1)};
    return make(b->e, "ReduceSum", 2, a, in[1] ? 2 : 1, in);
}

static bool by_reduce(backward *b, const gradient_row *row)
{
    const value_id x = in_of(b, 0), two = number(b, 2, x);
    value_id d, y, g;
    if (!kept(b, d_out(b, 0), &d) || !kept(b, out_of(b, 0), &y)) return false;
    if (!strcmp(row->with, "mean")) d = op2(b, "Div", d, folded(b));
    if (!strcmp(row->with, "sum") || !strcmp(row->with, "mean")) g = op2(b, "Expand", d, shape_of(b, x));
    else if (!strcmp(row->with, "extreme")) {
        const value_id hit = hits(b, y);
        g = op2(b, "Mul", op2(b, "Div", d, reduced_again(b, hit)), hit);
    } else if (!strcmp(row->with, "square")) g = op2(b, "Mul", op2(b, "Mul", d, two), x);
    else if (!strcmp(row->with, "absolute")) g = op2(b, "Mul", d, op1(b, "Sign", x));
    else if (!strcmp(row->with, "norm")) g = op2(b, "Mul", op2(b, "Div", d, y), x);
    else if (!strcmp(row->with, "log")) g = op2(b, "Expand", op2(b, "Div", d, op1(b, "Exp", y)), shape_of(b, x));
    else g = op2(b, "Mul", d, op1(b, "Exp", op2(b, "Sub", x, y))); /* of the sum of exp */
    add_to(b, 0, g);
    return true;
}

/* ---- along an axis ---- */

static bool by_softmax(backward *b, const gradient_row *row)
{
    const int64_t axis = node_int(rule_node(b), "axis", -1);
    const value_id y = out_of(b, 0), d = d_out(b, 0);
    if (*row->with == 'l') add_to(b, 0, op2(b, "Sub", d, op2(b, "Mul", op1(b, "Exp", y), summed(b, d, 1, &axis))));
    else add_to(b, 0, op2(b, "Mul", y, op2(b, "Sub", d, summed(b, op2(b, "Mul", d, y), 1, &axis))));
    return true;
}

static bool by_cumsum(backward *b, const gradient_row *row)
{
    (void)row;
    model *m = b->e->m;
    const attr a[2] = {attr_int(m, "exclusive", node_int(rule_node(b), "exclusive", 0)), attr_int(m, "reverse", !node_int(rule_node(b), "reverse", 0))};
    add_to(b, 0, make(b->e, "CumSum", 2, a, IN(d_out(b, 0), in_of(b, 1))));
    return true;
}

const gradient_row gradient_rules[] = {
    {"Identity", by_formula, "d"},
    {"Neg", by_formula, "d Neg"},
    {"Abs", by_formula, "d a Sign *"},
    {"Exp", by_formula, "d y *"},
    {"Log", by_formula, "d a /"},
    {"Sqrt", by_formula, "d y / 0.5 *"},
    {"Reciprocal", by_formula, "d y y * * Neg"},
    {"Sigmoid", by_formula, "d y * 1 y - *"},
    {"Tanh", by_formula, "d 1 y y * - *"},
    {"Relu", by_formula, "a 0 > d 0 ?"},
    {"Sin", by_formula, "d a Cos *"},
    {"Cos", by_formula, "d a Sin * Neg"},
    {"Tan", by_formula, "d 1 y y * + *"},
    {"Asin", by_formula, "d 1 a a * - Sqrt /"},
    {"Acos", by_formula, "d 1 a a * - Sqrt / Neg"},
    {"Atan", by_formula, "d 1 a a * + /"},
    {"Sinh", by_formula, "d a Cosh *"},
    {"Cosh", by_formula, "d a Sinh *"},
    {"Asinh", by_formula, "d a a * 1 + Sqrt /"},
    {"Acosh", by_formula, "d a a * 1 - Sqrt /"},
    {"Atanh", by_formula, "d 1 a a * - /"},
    {"Erf", by_formula, "d 1.1283791670955126 * a a * Neg Exp *"},
    {"Softplus", by_formula, "d a Sigmoid *"},
    {"Softsign", by_formula, "d a Abs 1 + a Abs 1 + * /"},
    {"LeakyRelu", by_formula, "a 0 < d alpha * d ?"},
    {"ThresholdedRelu", by_formula, "a alpha > d 0 ?"},
    {"Elu", by_formula, "a 0 > d d y alpha + * ?"},
    {"Celu", by_formula, "a 0 > d d a alpha / Exp * ?"},
    {"Selu", by_formula, "a 0 > d gamma * d y gamma alpha * + * ?"},
    {"HardSigmoid", by_formula, "y 0 > y 1 < & d alpha * 0 ?"},
    {"HardSwish", by_formula, "a -3 < 0 a 3 > d d a 3 / 0.5 + * ? ?"},
    {"Mish", by_formula, "d a Softplus Tanh 1 a Softplus Tanh a Softplus Tanh * - a * a Sigmoid * + *"},
    {"Gelu", no_gelu_tanh, "d a 0.70710678118654752 * Erf 1 + 0.5 * a a a * -0.5 * Exp * 0.39894228040143268 * + *"},
    {"Floor", by_formula, ""}, {"Ceil", by_formula, ""}, {"Round", by_formula, ""}, {"Sign", by_formula, ""},
    {"Add", by_formula, "d | d"},
    {"Sub", by_formula, "d | d Neg"},
    {"Mul", by_formula, "d b * | d a *"},
    {"Div", by_formula, "d b / | d y * b / Neg"},
    {"Pow", by_formula, "b 0 = 0 d b * a b 1 - ^ * ? | a 0 > d y * a Log * 0 ?"},
    {"Mod", by_formula, "d"},
    {"PRelu", by_formula, "a 0 < d b * d ? | a 0 < d a * 0 ?"},
    {"Where", by_formula, "| a d 0 ? | a 0 d ?"},
    {"Clip", by_formula, "a y = d 0 ?"},
    {"Dropout", no_training, "d"},
    {"Cast", by_cast, NULL}, {"CastLike", by_cast, NULL},
    {"Sum", by_sum, "sum"}, {"Mean", by_sum, "mean"},
    {"Max", by_extreme, NULL}, {"Min", by_extreme, NULL},
    {"MatMul", by_matmul, NULL}, {"Gemm", by_gemm, NULL},
    {"ReduceSum", by_reduce, "sum"}, {"ReduceMean", by_reduce, "mean"}, {"GlobalAveragePool", by_reduce, "mean"},
    {"ReduceMax", by_reduce, "extreme"}, {"ReduceMin", by_reduce, "extreme"}, {"GlobalMaxPool", by_reduce, "extreme"},
    {"ReduceSumSquare", by_reduce, "square"}, {"ReduceL1", by_reduce, "absolute"}, {"ReduceL2", by_reduce, "norm"},
    {"ReduceLogSum", by_reduce, "log"}, {"ReduceLogSumExp", by_reduce, "exp"},
    {"Softmax", by_softmax, "softmax"}, {"LogSoftmax", by_softmax, "logarithm"},
    {"CumSum", by_cumsum, NULL},
    {NULL, NULL, NULL},
};
