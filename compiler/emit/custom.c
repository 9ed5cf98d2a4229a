/* custom.c - calls of the user's C functions: prototypes in the header, and around each call a function that knows sizes and attributes. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "emit/emit.h"
#include "ops/custom.h"

/* ---- prototypes ---- */

typedef struct {
    emit *e;
    text *out;
    VEC(const custom_op *) seen;
} prototypes;

static void print_prototype(void *ctx, step *s)
{
    prototypes *p = ctx;
    if (s->kind != STEP_KERNEL || !s->kernel->custom) return;
    const custom_op *op = s->kernel->custom->op;
    for (uint32_t i = 0; i < p->seen.n; i++)
        if (p->seen.p[i] == op) return;
    if (!p->seen.n)
        text_add(p->out, "/* Operators of the user's, which the program brings: 0, or the code that the run is to return. _shape: sizes, _rank of them (NULL for a scalar);\n"
                         " * _type: the element type's number in ONNX; NULL for what the node does not have; user: that of the environment. */\n");
    VEC_PUSH(p->e->mem, p->seen, op);
    custom_prototype(op, p->out);
    text_addf(p->out, "; /* %s.%s */\n", comment_text(p->e->mem, op->def.domain), comment_text(p->e->mem, op->def.name));
}

void custom_prototypes(emit *e, text *out)
{
    prototypes p = {.e = e, .out = out};
    program_steps(e->p, print_prototype, &p);
    if (p.seen.n) text_add(out, "\n");
}

/* ---- attributes ---- */

static void int_literal(text *t, int64_t v)
{
    if (v == INT64_MIN) text_add(t, "INT64_MIN");
    else text_addf(t, "INT64_C(%" PRId64 ")", v);
}

static void float_literal(text *t, float v)
{
    if (isnan(v)) text_add(t, "NAN");
    else if (isinf(v)) text_add(t, v > 0 ? "INFINITY" : "-INFINITY");
    else c_number(t, ELEM_FLOAT, &v, 0);
}

/* The list of a list attribute as a constant array `name`. */
static void print_list(const attr *a, const char *name, text *out)
{
    static const char *const TYPE[] = {"int64_t ", "float ", "char *const "};
    const int kind = a->kind == ATTR_INTS ? 0 : a->kind == ATTR_FLOATS ? 1 : 2;
    text_addf(out, "    static const %s%s[%u] = {", TYPE[kind], name, a->n);
    for (uint32_t i = 0; i < a->n; i++) {
        if (i) text_add(out, ", ");
        if (kind == 0) int_literal(out, a->u.ints[i]);
        else if (kind == 1) float_literal(out, a->u.floats[i]);
        else string_literal(out, a->u.strings[i]);
    }
    text_add(out, "};\n");
}

static void attribute_argument(const attr *a, const char *list, text *out)
{
    switch (a->kind) {
    case ATTR_INT: int_literal(out, a->u.i); break;
    case ATTR_FLOAT: float_literal(out, a->u.f); break;
    case ATTR_STRING: string_literal(out, a->u.s); break;
    default: text_addf(out, "%s, %u", a->n ? list : "NULL", a->n); break;
    }
    text_add(out, ", ");
}

/* ---- the function around the call ---- */

static void print_shape(emit *e, slot s, uint32_t i, const char *name, text *out)
{
    const slot_info *info = slot_at(e->p, s);
    if (!s || !info->rank) return;
    text_addf(out, "    const int64_t s%u[%d] = {", i, info->rank);
    for (uint32_t k = 0; k < info->rank; k++) {
        if (k) text_add(out, ", ");
        dim_c(e, info->extent[k], "d_", out);
    }
    text_addf(out, "}; /* %s */\n", name);
}

static void tensor_argument(emit *e, const custom_op *op, const custom_tensor *t, slot s, uint32_t i, text *out)
{
    const slot_info *info = slot_at(e->p, s);
    if (!s) text_add(out, "NULL, NULL, 0, ");
    else if (!info->rank) text_addf(out, "t%u, NULL, 0, ", i);
    else text_addf(out, "t%u, s%u, %d, ", i, i, info->rank);
    if (!strcmp(custom_ctype(op, t), "void")) text_addf(out, "%d, ", s ? (int)info->type : 0);
}

static const custom_tensor *tensor_of(const custom_op *op, uint32_t i)
{
    return i < op->n_out ? &op->out[i] : &op->in[i - op->n_out];
}

void print_custom(emit *e, step *s, text *out)
{
    const kernel *k = s->kernel;
    const custom_op *op = k->custom->op;
    const uint32_t n = op->n_out + op->n_in;
    printed *f = &e->by_step[s->id];
    f->name = arena_printf(e->mem, "%s_custom_%u", e->name, s->id);
    text_addf(out, "/* the call of %s */\nstatic int %s(", op->function, f->name);
    for (uint32_t i = 0; i < k->n_arg; i++) {
        const bool is_tensor = i < n;
        text_addf(out, "%s%s *t%u, ", i >= op->n_out && is_tensor ? "const " : "", !is_tensor ? "uint8_t" : k->arg[i].slot ? elem_of(slot_at(e->p, k->arg[i].slot)->type)->ctype : "void", i);
        VEC_PUSH(e->mem, f->args, ((printed_arg){k->arg[i].slot, k->arg[i].role != ARG_IN, true}));
    }
    text_add(out, "const onnxcc_env *env");
    for (uint32_t i = 0; i < f->sig.symbols.n; i++) text_addf(out, ", int64_t %s", symbol_param(e, f->sig.symbols.p[i]));
    text_add(out, ")\n{\n");
    for (uint32_t i = 0; i < n; i++) {
        print_shape(e, k->arg[i].slot, i, tensor_of(op, i)->name, out);
        if (!k->arg[i].slot) text_addf(out, "    (void)t%u; /* %s is not there */\n", i, tensor_of(op, i)->name);
    }
    for (uint32_t i = 0; i < op->n_attr; i++) {
        const attr *a = k->custom->attr[i];
        if (a->n && (a->kind == ATTR_INTS || a->kind == ATTR_FLOATS || a->kind == ATTR_STRINGS)) print_list(a, arena_printf(e->mem, "a%u", i), out);
    }
    text_addf(out, "    return %s(", op->function);
    for (uint32_t i = 0; i < n; i++) tensor_argument(e, op, tensor_of(op, i), k->arg[i].slot, i, out);
    for (uint32_t i = 0; i < op->n_attr; i++) attribute_argument(k->custom->attr[i], arena_printf(e->mem, "a%u", i), out);
    if (op->scratch) text_addf(out, "t%u, ", n);
    text_add(out, "env ? env->user : NULL);\n}\n\n");
    f->args_before_range = f->args.n;
}
