/* fuse_recip.c - rule 6: x / u becomes x * (1 / u) where u is the same along the innermost loop, so that the division happens once. Changes
 * the last bit, so never below an operation that jumps (rounding, comparison, conversion to integers), and not in strict mode. */

#include "expr/expr_impl.h"
#include "expr/fuse_impl.h"

typedef struct {
    fuser *f;
    const dim *axis; /* loop axes that make a value not uniform */
    uint32_t n_axes;
    const sink *sink; /* sinks whose accumulators change in that loop */
    uint32_t n_sinks;
    bool varies;
} uniform_check;

static void check_node(void *ctx, ex e)
{
    uniform_check *c = ctx;
    const ex_node *n = ex_at(c->f->x, e);
    for (uint32_t i = 0; n->op == EX_DIM && i < c->n_axes; i++) c->varies |= dim_has(c->f->t, n->d, c->axis[i]);
    for (uint32_t i = 0; n->op == EX_ACC && i < c->n_sinks; i++) c->varies |= !c->sink[i].to && c->sink[i].acc == (uint32_t)n->i;
    /* A local that this loop stores may change even at an index that does not. */
    for (uint32_t i = 0; n->op == EX_LOAD && i < c->n_sinks; i++) c->varies |= c->sink[i].to == n->slot;
}

static bool is_uniform(uniform_check *c, ex e)
{
    c->varies = false;
    ex_walk(c->f->x, e, check_node, c);
    return !c->varies;
}

static bool jumps(const exprs *x, const ex_node *n)
{
    switch (n->op) {
    case EX_FLOOR:
    case EX_CEIL:
    case EX_RINT:
    case EX_TRUNC:
    case EX_ROUND:
    case EX_BITCAST:
    case EX_MOD:
    case EX_LT:
    case EX_LE:
    case EX_EQ:
    case EX_NE: return true;
    case EX_CAST: return ctype_is_float(ex_type(x, n->a[0])) && !ctype_is_float((ctype)n->type);
    default: return false;
    }
}

/* Rewrites bottom up; marks what stands below a jump top down first. visit.order has arguments before users. */
static ex rewrite(uniform_check *c, ex root)
{
    exprs *x = c->f->x;
    visit *v = visit_begin(x, 1, &root);
    bool *fixed = mem_alloc(root + 1);
    for (uint32_t i = v->order.n; i-- > 0;) {
        const ex e = v->order.p[i];
        const ex_node *n = &x->node.p[e];
        const ex *kid;
        for (uint32_t k = ex_kids(n, &kid); k-- > 0;)
            if (fixed[e] || n->op == EX_LOAD || jumps(x, n)) fixed[kid[k]] = true;
    }
    for (uint32_t i = 0; i < v->order.n; i++) {
        const ex e = v->order.p[i];
        const ex_node n = x->node.p[e];
        const ex *old;
        ex kid[256];
        bool same = true;
        const uint32_t count = ex_kids(&n, &old);
        for (uint32_t k = 0; k < count; k++) {
            kid[k] = v->to[old[k]];
            same &= kid[k] == old[k];
        }
        double one;
        if (fixed[e]) v->to[e] = e;
        else if (n.op == EX_DIV && n.type == CT_F32 && is_uniform(c, n.a[1]) && !is_uniform(c, n.a[0]) && !(ex_is_num(x, n.a[0], &one)))
            v->to[e] = ex_bin(x, EX_MUL, kid[0], ex_bin(x, EX_DIV, ex_f(x, CT_F32, 1), kid[1]));
        else v->to[e] = same ? e : ex_rebuild(x, &n, kid);
    }
    const ex r = v->to[root];
    visit_end(x, v);
    mem_free(fixed);
    return r;
}

static void find_div(void *ctx, ex e)
{
    uniform_check *c = ctx;
    c->varies |= ex_at(c->f->x, e)->op == EX_DIV;
}

static ex reciprocals(uniform_check *c, ex e)
{
    c->varies = false;
    ex_walk(c->f->x, e, find_div, c);
    return c->varies ? rewrite(c, e) : e;
}

static void in_nest(fuser *f, nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++) {
        stage *g = &n->stage[i];
        /* The loop that counts: the stage's axes, or for a map the innermost parallel one. */
        uniform_check c = {.f = f, .axis = g->axis, .n_axes = g->n_axes, .sink = g->sink, .n_sinks = g->n_sinks};
        if (!g->n_axes && n->n_stages == 1 && n->n_axes) c.axis = &n->axis[n->n_axes - 1], c.n_axes = 1;
        for (uint32_t k = 0; c.n_axes && k < g->n_sinks; k++) g->sink[k].value = reciprocals(&c, g->sink[k].value);
    }
}

void fuse_reciprocals(fuser *f)
{
    for (uint32_t i = 1; i < f->item.n; i++) {
        if (fuse_nest(f, i)) in_nest(f, fuse_nest(f, i));
        kernel *k = fuse_kernel(f, i);
        for (uint32_t h = 0; k && h < k->n_hook; h++) {
            hook *o = &k->hook[h];
            if (!o->value) continue;
            const sink handed = {.acc = 0}; /* the kernel's accumulator differs from element to element */
            uniform_check c = {.f = f, .axis = o->axis, .n_axes = o->n_axes, .sink = &handed, .n_sinks = 1};
            o->value = reciprocals(&c, o->value);
        }
    }
}
