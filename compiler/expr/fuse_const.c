/* fuse_const.c - what is computed from constants alone is computed now: the largest parts of expressions that load only constants become
 * loads of a new constant (scale and shift of a batch normalization, an embedding plus positions, scales of quantization multiplied). Single
 * elements of constants become literals before everything else, so that indexes and factors are seen for what they are. */
#include <string.h>

#include "expr/expr_impl.h"
#include "expr/fuse_impl.h"

enum {
    LARGEST = 1 << 20, /* bytes of a constant made here */
    SMALL = 4096       /* beyond this many it may not be larger than the largest that it is made of */
};

/* What is known of a node, whatever it is a part of: does it depend on constants and axes alone, does it load one, what did it become? */
typedef struct {
    bool pure, loads;
    ex folded; /* 0: not tried */
} node_fact;

typedef struct {
    fuser *f;
    VEC(node_fact) fact; /* by ex */
} folder;

static bool is_const_load(const fuser *f, const ex_node *n)
{
    const slot_info *info = &f->p->slot.p[n->slot];
    return info->kind == SLOT_CONST && info->data && info->data->data;
}

/* ---- the axes and size of a new constant ---- */

typedef struct {
    fuser *f;
    uint32_t n;
    dim axis[MAX_RANK];
    int64_t extent[MAX_RANK];
    bool fits;
    double loaded; /* bytes of the largest constant in it */
} shape;

static void add_axis(void *ctx, dim atom)
{
    shape *s = ctx;
    int64_t extent;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->axis[i] == atom) return;
    if (s->n == MAX_RANK || !dim_is_axis(s->f->t, atom) || !dim_is_const(s->f->t, dim_extent(s->f->t, atom), &extent)) {
        s->fits = false;
        return;
    }
    s->axis[s->n] = atom;
    s->extent[s->n++] = extent;
}

static void add_leaf(void *ctx, ex e)
{
    shape *s = ctx;
    const ex_node *n = ex_at(s->f->x, e);
    if (n->op == EX_DIM) dim_atoms(s->f->t, n->d, add_axis, s);
    if (n->op != EX_LOAD) return;
    const double bytes = (double)s->f->p->slot.p[n->slot].data->bytes;
    if (bytes > s->loaded) s->loaded = bytes;
}

static elem elem_of_ctype(ctype t)
{
    static const elem of[] = {[CT_BOOL] = ELEM_BOOL,   [CT_I32] = ELEM_INT32, [CT_U32] = ELEM_UINT32, [CT_I64] = ELEM_INT64,
                              [CT_U64] = ELEM_UINT64, [CT_F32] = ELEM_FLOAT, [CT_F64] = ELEM_DOUBLE, [CT_STR] = ELEM_STRING};
    return of[t];
}

/* ---- computing it ---- */

typedef struct {
    program *p;
    slot made;
    void *data;
} memory;

static void *slot_memory(void *ctx, slot s)
{
    const memory *m = ctx;
    return s == m->made ? m->data : (void *)(uintptr_t)slot_at(m->p, s)->data->data;
}

static int64_t no_symbol(void *ctx, dim symbol)
{
    (void)ctx;
    (void)symbol;
    return 0;
}

/* A load of the new constant that holds e; e itself when it should stay. */
static ex fold_now(fuser *f, ex e)
{
    shape s = {.f = f, .fits = true};
    dim extent[MAX_RANK];
    ex at[MAX_RANK];
    const elem stored = elem_of_ctype(ex_type(f->x, e));
    double bytes = (double)elem_bytes(stored, 1);
    ex_walk(f->x, e, add_leaf, &s);
    for (uint32_t i = 0; i < s.n; i++) bytes *= (double)s.extent[i];
    if (!s.fits || bytes > LARGEST || (bytes > SMALL && bytes > s.loaded)) return e;

    for (uint32_t i = 0; i < s.n; i++) {
        extent[i] = dim_const(f->t, s.extent[i]);
        at[i] = ex_dim(f->x, s.axis[i]);
    }
    tensor *data = tensor_new(f->mem, stored, s.n, s.extent);
    const slot made = slot_new(f->p, "folded", stored, SLOT_CONST, s.n, extent);
    memory m = {f->p, made, (void *)(uintptr_t)data->data};
    sink store = {.to = made, .n = (uint8_t)s.n, .value = e};
    memcpy(store.at, at, sizeof at);
    stage g = {.n_sinks = 1, .sink = &store};
    nest n = {.n_axes = (uint8_t)s.n, .n_stages = 1, .stage = &g};
    memcpy(n.axis, s.axis, sizeof s.axis);
    const interp in = {.p = f->p, .data = slot_memory, .value = no_symbol, .ctx = &m};
    const char *why;
    if (!nest_run(&in, &n, &why)) return e;
    slot_at(f->p, made)->data = data;
    return ex_load(f->x, made, stored, s.n, at);
}

/* ---- finding it ---- */

static void derive_facts(folder *c)
{
    const exprs *x = c->f->x;
    while (c->fact.n < x->node.n) {
        const ex_node *n = &x->node.p[c->fact.n];
        const ex *kid;
        node_fact r = {.pure = n->op != EX_NONE && n->op != EX_ACC && n->op != EX_INDEX, .loads = n->op == EX_LOAD};
        if (n->op == EX_LOAD) r.pure = is_const_load(c->f, n);
        for (uint32_t k = ex_kids(n, &kid); k-- > 0;) {
            r.pure &= c->fact.p[kid[k]].pure;
            r.loads |= c->fact.p[kid[k]].loads;
        }
        VEC_PUSH(c->f->mem, c->fact, r);
    }
}

/* Is there arithmetic worth storing, not just a constant in another order or type? */
static bool worth_it(const fuser *f, ex e)
{
    const ex_node *n = ex_at(f->x, e);
    while (n->op == EX_CAST || n->op == EX_ROUND || n->op == EX_BITCAST) n = ex_at(f->x, n->a[0]);
    return n->op != EX_LOAD && n->op != EX_NUM && n->op != EX_DIM;
}

static bool is_candidate(const folder *c, ex e)
{
    return c->fact.p[e].pure && c->fact.p[e].loads && worth_it(c->f, e);
}

static ex folded(folder *c, ex e)
{
    if (!c->fact.p[e].folded) {
        const ex r = fold_now(c->f, e);
        c->fact.p[e].folded = r;
    }
    return c->fact.p[e].folded;
}

/* Nodes come after their arguments: a candidate waits for its users, which may be candidates too. */
static void fold_ex(void *ctx, ex *e)
{
    folder *c = ctx;
    exprs *x = c->f->x;
    derive_facts(c);
    if (is_candidate(c, *e)) {
        *e = folded(c, *e);
        return;
    }
    visit *v = visit_begin(x, 1, e);
    for (uint32_t i = 0; i < v->order.n; i++) {
        const ex id = v->order.p[i];
        const ex_node n = x->node.p[id];
        const bool waits = c->fact.p[id].pure;
        const ex *old;
        ex kid[256];
        bool same = true;
        const uint32_t count = ex_kids(&n, &old);
        for (uint32_t k = 0; k < count; k++) {
            kid[k] = !waits && n.op != EX_LOAD && is_candidate(c, old[k]) ? folded(c, old[k]) : v->to[old[k]];
            same &= kid[k] == old[k];
        }
        v->to[id] = same ? id : ex_rebuild(x, &n, kid);
    }
    *e = v->to[*e];
    visit_end(x, v);
}

/* ---- single elements ---- */

/* The element of a constant at literal indexes, as a literal. */
static ex element_leaf(void *ctx, ex e)
{
    fuser *f = ctx;
    const ex_node *n = ex_at(f->x, e);
    if (n->op != EX_LOAD || !is_const_load(f, n)) return 0;
    const slot_info *info = slot_at(f->p, n->slot);
    const elem_info *stored = elem_of(info->type);
    if (stored->kind != 'f' && stored->kind != 'i' && stored->kind != 'u' && stored->kind != 'b') return 0;
    int64_t at = 0;
    for (uint32_t i = 0; i < n->n; i++) {
        dim d;
        int64_t index;
        if (!ex_is_dim(f->x, n->idx[i], &d) || !dim_is_const(f->t, d, &index) || index < 0 || index >= info->data->shape[i]) return 0;
        at = at * info->data->shape[i] + index;
    }
    const ctype t = (ctype)n->type;
    if (ctype_is_float(t)) return ex_f(f->x, t, elem_get_double(info->type, info->data->data, (size_t)at));
    const int64_t v = elem_get_int(info->type, info->data->data, (size_t)at);
    return t == CT_BOOL ? ex_bool(f->x, v != 0) : ex_i(f->x, t, v);
}

static void elements(void *ctx, ex *e)
{
    *e = ex_subst(((fuser *)ctx)->x, *e, element_leaf, ctx);
}

void fuse_literals(fuser *f)
{
    for (uint32_t i = 1; i < f->item.n; i++) {
        nest *n = fuse_nest(f, i);
        for (uint32_t g = 0; n && g < n->n_stages; g++) fuse_each_stage(&n->stage[g], elements, f);
        kernel *k = fuse_kernel(f, i); /* operands stay loads */
        for (uint32_t h = 0; k && h < k->n_hook; h++)
            if (k->hook[h].value) elements(f, &k->hook[h].value);
    }
}

void fuse_constants(fuser *f)
{
    folder c = {.f = f};
    for (uint32_t i = 1; i < f->item.n; i++) {
        const nest *n = fuse_nest(f, i);
        for (uint32_t g = 0; n && g < n->n_stages; g++)
            for (uint32_t k = 0; k < n->stage[g].n_sinks; k++) fold_ex(&c, &n->stage[g].sink[k].value);
        kernel *k = fuse_kernel(f, i);
        for (uint32_t h = 0; k && h < k->n_hook; h++)
            if (k->hook[h].value) fold_ex(&c, &k->hook[h].value);
    }
}
