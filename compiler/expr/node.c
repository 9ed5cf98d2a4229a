/* node.c - the table of interned expression nodes, and walks over their DAG: substitution, renaming of axes, visiting, cost.
 *
 * A node is immutable and its arguments are older than itself, so a DAG has no cycles and equal expressions have equal ids. All walks use
 * an explicit stack and visit each node once: a chain of a hundred thousand nodes or a ladder of shared ones costs what it has nodes. */
#include <assert.h>
#include <string.h>

#include "expr/expr_impl.h"

exprs *exprs_new(arena *a, dims *t)
{
    exprs *x = ARENA_NEW(a, exprs);
    x->mem = a;
    x->dims = t;
    x->table_size = 1024;
    x->table = ARENA_ARRAY(a, ex, x->table_size);
    VEC_PUSH(a, x->node, (ex_node){0});
    VEC_PUSH(a, x->fact, (ex_fact){0});
    return x;
}

dims *exprs_dims(exprs *x)
{
    return x->dims;
}

const ex_node *ex_at(const exprs *x, ex e)
{
    assert(e && e < x->node.n);
    return &x->node.p[e];
}

ctype ex_type(const exprs *x, ex e)
{
    return (ctype)ex_at(x, e)->type;
}

ctype ctype_of(elem t)
{
    switch (t) {
    case ELEM_BOOL: return CT_BOOL;
    case ELEM_UINT32: return CT_U32;
    case ELEM_INT64: return CT_I64;
    case ELEM_UINT64: return CT_U64;
    case ELEM_STRING: return CT_STR;
    case ELEM_DOUBLE:
    case ELEM_COMPLEX128: return CT_F64;
    default: return elem_of(t)->kind == 'f' || elem_of(t)->kind == 'c' ? CT_F32 : CT_I32;
    }
}

bool ctype_is_float(ctype t)
{
    return t == CT_F32 || t == CT_F64;
}

uint32_t ex_arity(ex_op op)
{
    if (op < EX_NEG) return 0;
    if (op < EX_ADD) return 1;
    return op == EX_SELECT ? 3 : 2;
}

uint32_t ex_kids(const ex_node *n, const ex **k)
{
    if (n->op == EX_LOAD) {
        *k = n->idx;
        return n->n;
    }
    *k = n->a;
    return ex_arity((ex_op)n->op);
}

/* ---- interning ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static uint64_t bits_of(double f)
{
    uint64_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static uint32_t hash_node(const ex_node *n)
{
    uint64_t h = mix(n->op + 256u * n->type + 65536u * n->elem, n->slot);
    for (int i = 0; i < 3; i++) h = mix(h, n->a[i]);
    h = mix(mix(mix(h, n->d), (uint64_t)n->i), bits_of(n->f));
    for (uint32_t i = 0; i < n->n; i++) h = mix(h, n->idx[i]);
    return (uint32_t)(h >> 16);
}

/* Floats by their bits: 0 and -0 differ. */
static bool same_node(const ex_node *a, const ex_node *b)
{
    return a->op == b->op && a->type == b->type && a->elem == b->elem && a->n == b->n && a->slot == b->slot && a->d == b->d && a->i == b->i &&
           bits_of(a->f) == bits_of(b->f) && !memcmp(a->a, b->a, sizeof a->a) && (!a->n || !memcmp(a->idx, b->idx, a->n * sizeof *a->idx));
}

static void grow_table(exprs *x)
{
    const uint32_t size = x->table_size * 2;
    ex *table = ARENA_ARRAY(x->mem, ex, size);
    for (uint32_t e = 1; e < x->node.n; e++) {
        uint32_t at = hash_node(&x->node.p[e]) & (size - 1);
        while (table[at]) at = (at + 1) & (size - 1);
        table[at] = e;
    }
    x->table = table;
    x->table_size = size;
}

ex ex_make(exprs *x, const ex_node *n)
{
    uint32_t at = hash_node(n) & (x->table_size - 1);
    for (; x->table[at]; at = (at + 1) & (x->table_size - 1))
        if (same_node(&x->node.p[x->table[at]], n)) return x->table[at];
    ex_node own = *n;
    if (n->n) own.idx = arena_copy(x->mem, n->idx, n->n * sizeof *n->idx);
    const ex_fact fact = ex_derive(x, &own);
    const ex e = x->node.n;
    VEC_PUSH(x->mem, x->node, own);
    VEC_PUSH(x->mem, x->fact, fact);
    x->table[at] = e;
    if (x->node.n * 2 > x->table_size) grow_table(x);
    return e;
}

bool ex_can_fail(const exprs *x, ex e)
{
    return x->fact.p[e].can_fail;
}

/* ---- walks ---- */

visit *visit_begin(exprs *x, uint32_t n, const ex *roots)
{
    ex last = 0;
    for (uint32_t i = 0; i < n; i++) last = roots[i] > last ? roots[i] : last;
    visit *v = x->idle;
    if (v) x->idle = v->next;
    else v = ARENA_NEW(x->mem, visit);
    if (v->size <= last) {
        v->size = last * 2 + 64;
        v->mark = ARENA_ARRAY(x->mem, uint32_t, v->size);
        v->to = ARENA_ARRAY(x->mem, uint32_t, v->size);
        v->round = 0;
    }
    v->round++;
    v->order.n = v->stack.n = 0;
    const uint32_t entered = 2 * v->round, done = entered + 1;
    for (uint32_t i = n; i-- > 0;)
        if (roots[i]) VEC_PUSH(x->mem, v->stack, roots[i]);
    while (v->stack.n) {
        const ex e = v->stack.p[v->stack.n - 1];
        if (v->mark[e] >= entered) {
            v->stack.n--;
            if (v->mark[e] == done) continue;
            v->mark[e] = done;
            VEC_PUSH(x->mem, v->order, e);
            continue;
        }
        v->mark[e] = entered;
        const ex *kid;
        for (uint32_t i = ex_kids(&x->node.p[e], &kid); i-- > 0;)
            if (v->mark[kid[i]] < entered) VEC_PUSH(x->mem, v->stack, kid[i]);
    }
    return v;
}

void visit_end(exprs *x, visit *v)
{
    v->next = x->idle;
    x->idle = v;
}

void ex_walk(const exprs *x, ex e, void (*f)(void *ctx, ex e), void *ctx)
{
    exprs *own = (exprs *)(uintptr_t)x; /* only its working memory changes */
    visit *v = visit_begin(own, 1, &e);
    for (uint32_t i = 0; i < v->order.n; i++) f(ctx, v->order.p[i]);
    visit_end(own, v);
}

ex ex_subst(exprs *x, ex e, ex (*leaf)(void *ctx, ex e), void *ctx)
{
    if (!e) return 0;
    visit *v = visit_begin(x, 1, &e);
    for (uint32_t i = 0; i < v->order.n; i++) {
        const ex id = v->order.p[i];
        const ex_node n = x->node.p[id];
        ex r = n.op <= EX_ACC ? leaf(ctx, id) : 0;
        if (!r) {
            const ex *old;
            ex kid[256];
            const uint32_t count = ex_kids(&n, &old);
            bool same = true;
            for (uint32_t k = 0; k < count; k++) {
                kid[k] = v->to[old[k]];
                same &= kid[k] == old[k];
            }
            r = same ? id : ex_rebuild(x, &n, kid);
        }
        v->to[id] = r;
    }
    const ex r = v->to[e];
    visit_end(x, v);
    return r;
}

ex ex_rebuild(exprs *x, const ex_node *n, const ex *kids)
{
    switch (n->op) {
    case EX_LOAD: return ex_load(x, n->slot, (elem)n->elem, n->n, kids);
    case EX_CAST: return ex_cast(x, (ctype)n->type, kids[0]);
    case EX_ROUND: return ex_round(x, (elem)n->elem, kids[0]);
    case EX_BITCAST: return ex_bitcast(x, (ctype)n->type, kids[0]);
    case EX_SELECT: return ex_select(x, kids[0], kids[1], kids[2]);
    case EX_INDEX: return ex_index(x, kids[0], kids[1]);
    default: return ex_arity((ex_op)n->op) == 1 ? ex_un(x, (ex_op)n->op, kids[0]) : ex_bin(x, (ex_op)n->op, kids[0], kids[1]);
    }
}

/* ---- axes ---- */

typedef struct {
    exprs *x;
    uint32_t n;
    const dim *from, *to;
} dim_map;

static ex map_leaf(void *ctx, ex e)
{
    const dim_map *m = ctx;
    const ex_node *n = ex_at(m->x, e);
    return n->op == EX_DIM ? ex_dim(m->x, dim_subst(m->x->dims, n->d, m->n, m->from, m->to)) : 0;
}

ex ex_map(exprs *x, ex e, uint32_t n, const dim *from, const dim *to)
{
    dim_map m = {x, n, from, to};
    return n ? ex_subst(x, e, map_leaf, &m) : e;
}

typedef struct {
    exprs *x;
    uint32_t n;
    const dim *from;
    const ex *to;
    struct {
        dim *from; /* those whose replacement is a DIM, so that pure size arithmetic stays in one normal form */
        dim *to;
        uint32_t n;
    } plain;
    VEC(dim) done; /* dims mapped so far in this call ... */
    VEC(ex) result;
} ex_mapping;

static ex map_dim(ex_mapping *m, dim d);

/* constant + sum of coefficient * product of atoms; what stays a dim is gathered into one summand. */
static ex map_poly(ex_mapping *m, dim d)
{
    exprs *x = m->x;
    const dim_term *t;
    uint32_t n;
    const int64_t c = dim_poly(x->dims, d, &t, &n);
    dim plain = dim_const(x->dims, c);
    ex other = 0;
    for (uint32_t i = 0; i < n; i++) {
        ex product = ex_i(x, CT_I64, t[i].coef);
        for (uint32_t k = 0; k < t[i].n_atoms; k++) product = ex_bin(x, EX_MUL, map_dim(m, t[i].atom[k]), product);
        dim p;
        if (ex_is_dim(x, product, &p)) plain = dim_add(x->dims, plain, p);
        else other = other ? ex_bin(x, EX_ADD, other, product) : product;
    }
    const ex rest = ex_dim(x, plain);
    return other ? ex_bin(x, EX_ADD, other, rest) : rest;
}

static ex map_compound(ex_mapping *m, dim d)
{
    exprs *x = m->x;
    const dim_kind kind = dim_kind_of(x->dims, d);
    if (kind == DIM_POLY) return map_poly(m, d);
    const dim *a = dim_args(x->dims, d);
    const ex p = map_dim(m, a[0]), q = map_dim(m, a[1]);
    switch (kind) {
    case DIM_FDIV: return ex_bin(x, EX_FDIV, p, q);
    case DIM_MOD: return ex_bin(x, EX_FMOD, p, q);
    case DIM_MIN: return ex_bin(x, EX_MIN, p, q);
    case DIM_MAX: return ex_bin(x, EX_MAX, p, q);
    default: assert(kind == DIM_SELECT); return ex_select(x, ex_bin(x, EX_LT, p, q), map_dim(m, a[2]), map_dim(m, a[3]));
    }
}

static ex map_dim(ex_mapping *m, dim d)
{
    bool touched = false;
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->from[i] == d) return m->to[i];
        dim ignored;
        if (!ex_is_dim(m->x, m->to[i], &ignored)) touched |= dim_has(m->x->dims, d, m->from[i]);
    }
    if (!touched) return ex_dim(m->x, dim_subst(m->x->dims, d, m->plain.n, m->plain.from, m->plain.to));
    for (uint32_t i = 0; i < m->done.n; i++)
        if (m->done.p[i] == d) return m->result.p[i];
    const ex r = map_compound(m, d);
    VEC_PUSH(m->x->mem, m->done, d);
    VEC_PUSH(m->x->mem, m->result, r);
    return r;
}

static ex map_ex_leaf(void *ctx, ex e)
{
    ex_mapping *m = ctx;
    const ex_node *n = ex_at(m->x, e);
    return n->op == EX_DIM ? map_dim(m, n->d) : 0;
}

ex ex_map_ex(exprs *x, ex e, uint32_t n, const dim *from, const ex *to)
{
    if (!n) return e;
    ex_mapping m = {.x = x, .n = n, .from = from, .to = to};
    m.plain.from = ARENA_ARRAY(x->mem, dim, n);
    m.plain.to = ARENA_ARRAY(x->mem, dim, n);
    for (uint32_t i = 0; i < n; i++) {
        dim d;
        if (!ex_is_dim(x, to[i], &d)) continue;
        m.plain.from[m.plain.n] = from[i];
        m.plain.to[m.plain.n++] = d;
    }
    return ex_subst(x, e, map_ex_leaf, &m);
}

/* ---- cost ---- */

static double op_cost(ex_op op)
{
    switch (op) {
    case EX_NUM:
    case EX_DIM:
    case EX_ACC: return 0;
    case EX_LOAD: return 0.5;
    case EX_SQRT: return 8;
    case EX_DIV:
    case EX_MOD:
    case EX_FDIV:
    case EX_FMOD: return 4;
    case EX_ERF:
    case EX_TANH:
    case EX_SINH:
    case EX_COSH: return 20;
    case EX_POW:
    case EX_ATAN2: return 40;
    default: return op >= EX_EXP && op <= EX_ATANH ? 15 : 1;
    }
}

typedef struct {
    const exprs *x;
    double sum;
} cost_sum;

static void add_cost(void *ctx, ex e)
{
    cost_sum *c = ctx;
    c->sum += op_cost((ex_op)ex_at(c->x, e)->op);
}

double ex_cost(const exprs *x, ex e)
{
    cost_sum c = {x, 0};
    ex_walk(x, e, add_cost, &c);
    return c.sum;
}
