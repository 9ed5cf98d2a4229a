/* custom.c - nodes that follow a user's description: checks, types and shapes, the step; see custom.h. */
#include "ops/custom.h"

#include <string.h>

#include "base/elem.h"
#include "ops/formula.h"
#include "schema/schema.h"

const custom_op *custom_find(const model *m, const node *n)
{
    const int version = m->customs.n ? model_opset(m, n->domain) : 0;
    for (uint32_t i = 0; i < m->customs.n; i++) {
        const custom_op *op = m->customs.p[i];
        if (strcmp(op->def.domain, n->domain) || strcmp(op->def.name, n->op)) continue;
        if (!version || (version >= op->since && version <= op->until)) return op;
    }
    return NULL;
}

const op_def *op_of(const model *m, const node *n)
{
    const custom_op *op = custom_find(m, n);
    return op ? &op->def : op_find(n->domain, n->op);
}

/* ---- checks ---- */

static bool bad(model *m, const node *n, const custom_op *op, const char *code, const char *what)
{
    diag_error(m->diag, EXIT_INVALID, at_node(m, n), code, "%s", what);
    return diag_hint(m->diag, "the operator is described in %s", op->where);
}

static bool check_list(model *m, const node *n, const custom_op *op, bool input)
{
    arena *mem = m->mem;
    const char *what = input ? "input" : "output", *code = input ? "node-inputs" : "node-outputs";
    const uint32_t given = input ? n->n_in : n->n_out, most = input ? op->n_in : op->n_out;
    if (given > most) return bad(m, n, op, code, arena_printf(mem, "has %u %ss, expected at most %u", given, what, most));
    for (uint32_t i = 0; i < most; i++) {
        const custom_tensor *t = input ? &op->in[i] : &op->out[i];
        const bool there = i < given && (input ? n->in[i] : n->out[i]);
        if (!there && !t->optional && (input || i >= given)) return bad(m, n, op, code, arena_printf(mem, "%s %u (%s) is required but left out", what, i, t->name));
    }
    return true;
}

static const custom_attr *described(const custom_op *op, const char *name)
{
    for (uint32_t i = 0; i < op->n_attr; i++)
        if (!strcmp(op->attr[i].otherwise.name, name)) return &op->attr[i];
    return NULL;
}

/* C strings end at a zero byte. */
static bool holds_zero(const attr *a)
{
    return a->kind == ATTR_STRING && strlen(a->u.s) != a->n;
}

bool custom_check(model *m, const node *n, const custom_op *op)
{
    arena *mem = m->mem;
    bool ok = check_list(m, n, op, true);
    ok &= check_list(m, n, op, false);
    for (uint32_t i = 0; i < n->n_attr; i++) {
        const attr *a = &n->attr[i];
        const custom_attr *formal = described(op, a->name);
        if (!formal) ok = bad(m, n, op, "attr-unknown", arena_printf(mem, "%s has no attribute '%s'", n->op, a->name));
        else if (formal->otherwise.kind != a->kind)
            ok = bad(m, n, op, "attr-type", arena_printf(mem, "attribute '%s' is %s, expected %s", a->name, schema_attr_kind_name((int)a->kind), schema_attr_kind_name((int)formal->otherwise.kind)));
        else if (holds_zero(a)) ok = bad(m, n, op, "attr-value", arena_printf(mem, "attribute '%s' holds a zero byte", a->name));
    }
    for (uint32_t i = 0; i < op->n_attr; i++)
        if (op->attr[i].required && !node_attr(n, op->attr[i].otherwise.name))
            ok = bad(m, n, op, "attr-missing", arena_printf(mem, "required attribute '%s' is missing", op->attr[i].otherwise.name));
    return ok;
}

static bool has_type(uint32_t types, elem e)
{
    return types >> (unsigned)e & 1;
}

/* An input's type and number of dimensions. */
static bool check_input(infer_ctx *c, const custom_op *op, uint32_t i)
{
    arena *mem = c->m->mem;
    const custom_tensor *t = &op->in[i];
    if (!node_in(c->n, i)) return true;
    if (!need_rank(c, i)) return false;
    const type *is = in_type(c, i);
    const elem want = t->types ? ELEM_NONE : in_elem(c, t->like);
    if (t->types ? !has_type(t->types, is->elem) : is->elem != want)
        return bad(c->m, c->n, op, "type-constraint", arena_printf(mem, "input %u (%s) is %s, which the description does not allow", i, t->name, elem_of(is->elem)->name));
    if (is->rank < t->rank_lo || is->rank > t->rank_hi)
        return bad(c->m, c->n, op, "shape-rank", t->rank_lo == t->rank_hi
            ? arena_printf(mem, "input %u (%s) has %d dimensions instead of %d", i, t->name, is->rank, t->rank_lo)
            : arena_printf(mem, "input %u (%s) has %d dimensions instead of %d to %d", i, t->name, is->rank, t->rank_lo, t->rank_hi));
    return true;
}

/* ---- types and shapes ---- */

static elem output_elem(model *m, const node *n, const custom_tensor *t)
{
    if (!t->types) return value_at(m, node_in(n, t->like))->type.elem;
    for (unsigned e = 1; e < ELEM_COUNT; e++)
        if (has_type(t->types, (elem)e)) return (elem)e;
    return ELEM_NONE;
}

static bool rule_failed(model *m, const node *n, const custom_op *op, const char *of, const char *rule, const char *why)
{
    return bad(m, n, op, "shape-rule", arena_printf(m->mem, "the rule '%s' for %s does not fit this node: %s", rule, of, why));
}

/* The shape of output i by its rule, the sizes within what a size can be. */
static bool output_shape(model *m, const node *n, const custom_op *op, uint32_t i, dim *shape, uint32_t *rank)
{
    const char *why, *of = arena_printf(m->mem, "output '%s'", op->out[i].name);
    if (!custom_rule(m->mem, m, n, op, op->out[i].shape, shape, rank, &why)) return rule_failed(m, n, op, of, op->out[i].shape, why);
    for (uint32_t k = 0; k < *rank; k++)
        if (dim_range(m->dims, shape[k]).hi < 0) return rule_failed(m, n, op, of, op->out[i].shape, arena_printf(m->mem, "size %u is negative", k));
    return true;
}

bool custom_infer(infer_ctx *c)
{
    const custom_op *op = custom_find(c->m, c->n);
    if (!custom_check(c->m, c->n, op)) return false;
    for (uint32_t i = 0; i < op->n_in; i++)
        if (!check_input(c, op, i)) return false;
    for (uint32_t i = 0; i < op->n_out; i++) {
        dim shape[MAX_RANK];
        uint32_t rank;
        if (!output_shape(c->m, c->n, op, i, shape, &rank)) return false;
        for (uint32_t k = 0; k < rank; k++) /* known only when it runs: the run checks that there is something */
            if (dim_range(c->d, shape[k]).lo < 0) (void)assume_equal(c, dim_max(c->d, shape[k], dim_const(c->d, 1)), shape[k]);
        if (!out_tensor(c, i, output_elem(c->m, c->n, &op->out[i]), (int32_t)rank, shape)) return false;
    }
    return true;
}

/* ---- the step ---- */

/* An output that nobody reads has memory all the same, unless the function can do without it. */
static bool output_slot(lower_ctx *c, const custom_op *op, uint32_t i, slot *out)
{
    dim shape[MAX_RANK];
    uint32_t rank;
    *out = out_slot(c, i);
    if (*out || op->out[i].optional) return true;
    if (!output_shape(c->m, c->n, op, i, shape, &rank)) return false;
    *out = temp_slot(c, op->out[i].name, output_elem(c->m, c->n, &op->out[i]), rank, shape);
    return true;
}

/* One number by a rule, at least 0; without a rule 0. */
static bool amount(lower_ctx *c, const custom_op *op, const char *rule, const char *of, dim *out)
{
    const char *why = "it is not one number";
    uint32_t n;
    dim v[MAX_RANK];
    *out = dim_const(c->d, 0);
    if (!rule) return true;
    if (!custom_rule(c->m->mem, c->m, c->n, op, rule, v, &n, &why) || n != 1) return rule_failed(c->m, c->n, op, of, rule, why ? why : "it is not one number");
    *out = dim_max(c->d, v[0], *out);
    return true;
}

bool custom_lower(lower_ctx *c)
{
    arena *mem = c->p->mem;
    const custom_op *op = custom_find(c->m, c->n);
    custom_call *call = ARENA_NEW(mem, custom_call);
    kernel_arg *arg = ARENA_ARRAY(mem, kernel_arg, op->n_out + op->n_in + 1);
    uint32_t n = 0;
    dim bytes, cost;
    call->op = op;
    call->attr = ARENA_ARRAY(mem, const attr *, op->n_attr + 1);
    for (uint32_t i = 0; i < op->n_attr; i++) {
        const attr *given = node_attr(c->n, op->attr[i].otherwise.name);
        call->attr[i] = given ? given : &op->attr[i].otherwise;
    }
    for (uint32_t i = 0; i < op->n_out; i++, n++) {
        if (!output_slot(c, op, i, &arg[n].slot)) return false;
        arg[n].role = ARG_OUT;
    }
    for (uint32_t i = 0; i < op->n_in; i++) arg[n++] = (kernel_arg){in_slot(c, i), ARG_IN};
    if (!amount(c, op, op->scratch, "its scratch memory", &bytes) || !amount(c, op, op->cost, "its cost", &cost)) return false;
    if (op->scratch) arg[n++] = (kernel_arg){dim_is(c->d, bytes, 0) ? 0 : temp_slot(c, "scratch", ELEM_UINT8, 1, &bytes), ARG_SCRATCH};
    step *s = lower_template(c, "custom", 0, NULL, n, arg, 0);
    s->kernel->custom = call;
    s->kernel->takes_env = true;
    s->work = cost;
    return true;
}

/* ---- the function in C ---- */

static const custom_tensor *typed_by(const custom_op *op, const custom_tensor *t)
{
    while (!t->types) t = &op->in[t->like];
    return t;
}

const char *custom_ctype(const custom_op *op, const custom_tensor *t)
{
    const uint32_t types = typed_by(op, t)->types;
    for (unsigned e = 1; e < ELEM_COUNT; e++)
        if (types == 1u << e) return elem_of((elem)e)->ctype;
    return "void";
}

static void tensor_params(const custom_op *op, const custom_tensor *t, const char *mark, text *out)
{
    const char *c_type = custom_ctype(op, t);
    text_addf(out, "%s%s *%s, const int64_t *%s_shape, int %s_rank, ", mark, c_type, t->name, t->name, t->name);
    if (!strcmp(c_type, "void")) text_addf(out, "int %s_type, ", t->name);
}

void custom_prototype(const custom_op *op, text *out)
{
    text_addf(out, "int %s(", op->function);
    for (uint32_t i = 0; i < op->n_out; i++) tensor_params(op, &op->out[i], "", out);
    for (uint32_t i = 0; i < op->n_in; i++) tensor_params(op, &op->in[i], "const ", out);
    for (uint32_t i = 0; i < op->n_attr; i++) {
        const attr *a = &op->attr[i].otherwise;
        switch (a->kind) {
        case ATTR_INT: text_addf(out, "int64_t %s, ", a->name); break;
        case ATTR_FLOAT: text_addf(out, "float %s, ", a->name); break;
        case ATTR_STRING: text_addf(out, "const char *%s, ", a->name); break;
        case ATTR_INTS: text_addf(out, "const int64_t *%s, int64_t %s_count, ", a->name, a->name); break;
        case ATTR_FLOATS: text_addf(out, "const float *%s, int64_t %s_count, ", a->name, a->name); break;
        default: text_addf(out, "const char *const *%s, int64_t %s_count, ", a->name, a->name); break;
        }
    }
    if (op->scratch) text_add(out, "void *scratch, ");
    text_add(out, "void *user)");
}
