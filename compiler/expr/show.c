/* show.c - expressions as text for dumps, tests and messages. Not C: the printer is elsewhere. */
#include <assert.h>
#include <math.h>

#include "expr/expr_impl.h"

/* Shared sub-expressions are written out each time, so both depth and length are limited; what is cut shows as #id. */
enum { MAX_DEPTH = 40, MAX_LENGTH = 4000 };

typedef struct {
    const exprs *x;
    ex_slot_name name;
    void *ctx;
    text *out;
    size_t limit;
} shower;

static const char *const OP_NAME[EX_OPS] = {
    [EX_NEG] = "-",        [EX_ABS] = "abs",     [EX_SQRT] = "sqrt",   [EX_EXP] = "exp",     [EX_EXPN] = "expn",   [EX_LOG] = "log",     [EX_SIN] = "sin",
    [EX_COS] = "cos",      [EX_TAN] = "tan",     [EX_ASIN] = "asin",   [EX_ACOS] = "acos",   [EX_ATAN] = "atan",   [EX_SINH] = "sinh",
    [EX_COSH] = "cosh",    [EX_TANH] = "tanh",   [EX_ASINH] = "asinh", [EX_ACOSH] = "acosh", [EX_ATANH] = "atanh", [EX_ERF] = "erf",
    [EX_FLOOR] = "floor",  [EX_CEIL] = "ceil",   [EX_RINT] = "rint",   [EX_TRUNC] = "trunc", [EX_ISNAN] = "isnan", [EX_ISINF] = "isinf",
    [EX_NOT] = "!",        [EX_ADD] = "+",       [EX_SUB] = "-",       [EX_MUL] = "*",       [EX_DIV] = "/",       [EX_MOD] = "%",
    [EX_FDIV] = "fdiv",    [EX_FMOD] = "fmod",   [EX_MAX] = "max",     [EX_MIN] = "min",     [EX_POW] = "pow",     [EX_ATAN2] = "atan2",
    [EX_AND] = "&",        [EX_OR] = "|",        [EX_XOR] = "^",       [EX_SHL] = "<<",      [EX_SHR] = ">>",      [EX_LT] = "<",
    [EX_LE] = "<=",        [EX_EQ] = "==",       [EX_NE] = "!=",       [EX_INDEX] = "index",
};
static const char *const TYPE_NAME[] = {"bool", "i32", "u32", "i64", "u64", "f32", "f64"};

static void show(const shower *s, ex e, int depth, bool inner);

static void show_number(const shower *s, const ex_node *n)
{
    if (ctype_is_float((ctype)n->type)) {
        if (isnan(n->f)) text_add(s->out, "nan");
        else text_addf(s->out, "%.*g", n->type == CT_F32 ? 9 : 17, n->f);
    } else if (n->type == CT_BOOL) text_add(s->out, n->i ? "true" : "false");
    else if (n->type == CT_U64) text_addf(s->out, "%llu", (unsigned long long)n->i);
    else text_addf(s->out, "%lld", (long long)n->i);
}

static void show_list(const shower *s, uint32_t n, const ex *e, int depth)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(s->out, ",");
        show(s, e[i], depth, false);
    }
}

static void show_call(const shower *s, const char *f, uint32_t n, const ex *e, int depth)
{
    text_addf(s->out, "%s(", f);
    for (uint32_t i = 0; i < n; i++) {
        if (i) text_add(s->out, ", ");
        show(s, e[i], depth, false);
    }
    text_add(s->out, ")");
}

static bool is_infix(ex_op op)
{
    const char c = OP_NAME[op][0];
    return ex_arity(op) == 2 && !(c >= 'a' && c <= 'z');
}

static void show_op(const shower *s, const ex_node *n, int depth, bool inner)
{
    const ex_op op = (ex_op)n->op;
    switch (op) {
    case EX_CAST: show_call(s, TYPE_NAME[n->type], 1, n->a, depth); return;
    case EX_ROUND: show_call(s, elem_of((elem)n->elem)->name, 1, n->a, depth); return;
    case EX_BITCAST:
        text_addf(s->out, "%s_", TYPE_NAME[n->type]);
        show_call(s, "bits", 1, n->a, depth);
        return;
    case EX_NEG:
    case EX_NOT:
        text_add(s->out, OP_NAME[op]);
        show(s, n->a[0], depth, true);
        return;
    default: break;
    }
    if (op != EX_SELECT && !is_infix(op)) {
        show_call(s, OP_NAME[op], ex_arity(op), n->a, depth);
        return;
    }
    if (inner) text_add(s->out, "(");
    show(s, n->a[0], depth, true);
    if (op == EX_SELECT) {
        text_add(s->out, " ? ");
        show(s, n->a[1], depth, true);
        text_add(s->out, " : ");
        show(s, n->a[2], depth, true);
    } else {
        text_addf(s->out, " %s ", OP_NAME[op]);
        show(s, n->a[1], depth, true);
    }
    if (inner) text_add(s->out, ")");
}

static void show_dim(const shower *s, dim d, bool inner)
{
    const dim_kind kind = dim_kind_of(s->x->dims, d);
    const bool wrap = inner && (kind == DIM_POLY || kind == DIM_SELECT || kind == DIM_FDIV || kind == DIM_MOD);
    if (wrap) text_add(s->out, "(");
    dim_text(s->x->dims, d, s->out);
    if (wrap) text_add(s->out, ")");
}

static void show(const shower *s, ex e, int depth, bool inner)
{
    if (!e) {
        text_add(s->out, "none");
        return;
    }
    const ex_node *n = ex_at(s->x, e);
    if (n->op != EX_NUM && n->op != EX_DIM && (depth >= MAX_DEPTH || s->out->n > s->limit)) {
        text_addf(s->out, "#%u", e);
        return;
    }
    switch (n->op) {
    case EX_NUM: show_number(s, n); break;
    case EX_DIM: show_dim(s, n->d, inner); break;
    case EX_ACC: text_addf(s->out, "a%lld", (long long)n->i); break;
    case EX_LOAD:
        if (s->name) s->name(s->ctx, n->slot, s->out);
        else text_addf(s->out, "s%u", n->slot);
        text_add(s->out, "[");
        show_list(s, n->n, n->idx, depth + 1);
        text_add(s->out, "]");
        break;
    default: show_op(s, n, depth + 1, inner);
    }
}

void ex_text_named(const exprs *x, ex e, ex_slot_name name, void *ctx, text *out)
{
    const shower s = {x, name, ctx, out, out->n + MAX_LENGTH};
    show(&s, e, 0, false);
}

void ex_text(const exprs *x, ex e, text *out)
{
    ex_text_named(x, e, NULL, NULL, out);
}
