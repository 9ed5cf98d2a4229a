/* fuse_expr.c - what the fusion rules ask and do with the expressions of a step: visiting, loads of a slot, replacing them, limits, and the
 * inversion of a copy's index map. */
#include <assert.h>
#include <string.h>

#include "expr/fuse_impl.h"

/* ---- visiting ---- */

void fuse_each_sink(sink *k, fuse_visitor v, void *ctx)
{
    for (uint32_t i = 0; k->to && i < k->n; i++) v(ctx, &k->at[i]);
    if (k->guard) v(ctx, &k->guard);
    v(ctx, &k->value);
}

void fuse_each_stage(stage *g, fuse_visitor v, void *ctx)
{
    for (uint32_t i = 0; i < g->n_sinks; i++) fuse_each_sink(&g->sink[i], v, ctx);
}

void fuse_each(step *s, fuse_visitor v, void *ctx)
{
    for (uint32_t i = 0; s->nest && i < s->nest->n_stages; i++) fuse_each_stage(&s->nest->stage[i], v, ctx);
    kernel *k = s->kernel;
    if (!k) return;
    if (k->matmul.a) v(ctx, &k->matmul.a);
    if (k->matmul.b) v(ctx, &k->matmul.b);
    for (uint32_t i = 0; i < k->n_hook; i++) {
        hook *h = &k->hook[i];
        if (h->value) v(ctx, &h->value);
        for (uint32_t d = 0; d < h->n; d++) v(ctx, &h->at[d]);
    }
}

/* ---- loads ---- */

typedef struct {
    fuser *f;
    slot slot;
    fuse_loads *out;
} load_search;

static void add_load(void *ctx, ex e)
{
    const load_search *s = ctx;
    const ex_node *n = ex_at(s->f->x, e);
    if (n->op != EX_LOAD || n->slot != s->slot) return;
    for (uint32_t i = 0; i < s->out->load.n; i++)
        if (s->out->load.p[i] == e) return;
    VEC_PUSH(s->f->mem, s->out->load, e);
}

void fuse_loads_of_ex(fuser *f, ex e, slot s, fuse_loads *out)
{
    load_search search = {f, s, out};
    if (e) ex_walk(f->x, e, add_load, &search);
}

static void visit_loads(void *ctx, ex *e)
{
    ex_walk(((load_search *)ctx)->f->x, *e, add_load, ctx);
}

fuse_loads fuse_loads_of_stage(fuser *f, stage *g, slot s)
{
    fuse_loads out = {0};
    load_search search = {f, s, &out};
    fuse_each_stage(g, visit_loads, &search);
    return out;
}

fuse_loads fuse_loads_of_nest(fuser *f, nest *n, slot s)
{
    fuse_loads out = {0};
    load_search search = {f, s, &out};
    for (uint32_t i = 0; i < n->n_stages; i++) fuse_each_stage(&n->stage[i], visit_loads, &search);
    return out;
}

static ex rewrite_leaf(void *ctx, ex e)
{
    fuse_rewrite *r = ctx;
    const ex_node n = *ex_at(r->f->x, e);
    if (n.op != EX_LOAD || n.slot != r->slot) return 0;
    ex idx[MAX_RANK];
    assert(n.n <= MAX_RANK);
    for (uint32_t i = 0; i < n.n; i++) idx[i] = ex_subst(r->f->x, n.idx[i], rewrite_leaf, r);
    return r->make(r->ctx, n.n, idx);
}

void fuse_rewrite_ex(void *rewrite, ex *e)
{
    *e = ex_subst(((fuse_rewrite *)rewrite)->f->x, *e, rewrite_leaf, rewrite);
}

void fuse_rename_arg(kernel *k, slot from, slot to)
{
    for (uint32_t i = 0; i < k->n_arg; i++)
        if (k->arg[i].slot == from && k->arg[i].role == ARG_IN) k->arg[i].slot = to;
}

/* ---- limits ---- */

typedef struct {
    fuser *f;
    double cost;
    uint32_t nodes;
} measure;

static void count_node(void *ctx, ex e)
{
    (void)e;
    ((measure *)ctx)->nodes++;
}

static void add_measure(void *ctx, ex *e)
{
    measure *m = ctx;
    m->cost += ex_cost(m->f->x, *e);
    ex_walk(m->f->x, *e, count_node, m);
}

bool fuse_fits(fuser *f, step *s, ex extra, uint32_t times)
{
    measure have = {.f = f}, more = {.f = f};
    fuse_each(s, add_measure, &have);
    add_measure(&more, &extra);
    return have.cost + times * more.cost <= FUSE_COST && (double)have.nodes + (double)times * more.nodes <= FUSE_NODES;
}

/* ---- small questions ---- */

bool fuse_is_axis(const fuser *f, ex e, dim *axis)
{
    return ex_is_dim(f->x, e, axis) && dim_is_axis(f->t, *axis);
}

typedef struct {
    const fuser *f;
    dim axis;
    bool found;
} stride_search;

static void look_for_stride(void *ctx, ex e)
{
    stride_search *c = ctx;
    const ex_node *n = ex_at(c->f->x, e);
    dim d;
    for (uint32_t i = 0; n->op == EX_LOAD && i + 1 < n->n; i++)
        if (ex_is_dim(c->f->x, n->idx[i], &d) && dim_has(c->f->t, d, c->axis)) c->found = true;
}

bool fuse_strided(const fuser *f, ex e, dim axis)
{
    stride_search c = {f, axis, false};
    ex_walk(f->x, e, look_for_stride, &c);
    return c.found;
}

bool fuse_is_zero(const fuser *f, ex e)
{
    dim d;
    return ex_is_dim(f->x, e, &d) && dim_is(f->t, d, 0);
}

bool fuse_affine(const fuser *f, ex e)
{
    dim d;
    if (!ex_is_dim(f->x, e, &d)) return false;
    const dim_term *term;
    uint32_t n;
    dim_poly(f->t, d, &term, &n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t axes = 0;
        for (uint32_t k = 0; k < term[i].n_atoms; k++) {
            const dim a = term[i].atom[k];
            if (dim_is_axis(f->t, a)) axes++;
            else if (dim_has_axis(f->t, a)) return false;
        }
        if (axes > 1) return false;
    }
    return true;
}

typedef struct {
    const fuser *f;
    const sink *sink;
    uint32_t n;
    bool found;
} acc_search;

static void find_acc(void *ctx, ex e)
{
    acc_search *s = ctx;
    const ex_node *n = ex_at(s->f->x, e);
    for (uint32_t i = 0; n->op == EX_ACC && i < s->n; i++)
        if (!s->sink[i].to && s->sink[i].acc == (uint32_t)n->i) s->found = true;
}

bool fuse_uses_acc(fuser *f, ex e, const sink *k, uint32_t n)
{
    acc_search s = {f, k, n, false};
    if (e && n) ex_walk(f->x, e, find_acc, &s);
    return s.found;
}

sink *fuse_map_sink(const nest *n)
{
    if (n->n_stages != 1 || n->stage[0].n_axes || n->stage[0].n_sinks != 1) return NULL;
    sink *k = &n->stage[0].sink[0];
    return k->to && k->fold == FOLD_NONE && !k->in_order && !k->guard ? k : NULL;
}

bool fuse_has_rows(const nest *n)
{
    if (n->n_stages != 1 || n->stage[0].n_axes) return true;
    for (uint32_t k = 0; k < n->stage[0].n_sinks; k++)
        if (n->stage[0].sink[k].fold != FOLD_NONE) return true; /* starts anew at every point, even without an axis to walk */
    return false;
}

bool fuse_plain(const nest *n)
{
    for (uint32_t i = 0; i < n->n_stages; i++)
        for (uint32_t k = 0; k < n->stage[i].n_sinks; k++) {
            const sink *s = &n->stage[i].sink[k];
            if (s->in_order || (s->to && s->fold != FOLD_NONE)) return false;
        }
    return true;
}

/* ---- inverting the index map of a copy ---- */

typedef struct {
    fuser *f;
    nest *nest;
    dim axis, by; /* an axis that something divides, and by what */
} split_search;

static void find_division(void *ctx, dim d)
{
    split_search *s = ctx;
    const dims *t = s->f->t;
    const dim_kind kind = dim_kind_of(t, d);
    const dim_term *term;
    uint32_t n;
    if (s->axis || !dim_has_axis(t, d)) return;
    if (kind == DIM_FDIV || kind == DIM_MOD) {
        const dim *a = dim_args(t, d);
        if (dim_is_axis(t, a[0]) && !dim_has_axis(t, a[1])) {
            for (uint32_t i = 0; i < s->nest->n_axes; i++)
                if (s->nest->axis[i] == a[0]) s->axis = a[0], s->by = a[1];
            return;
        }
        find_division(s, a[0]);
        return;
    }
    if (kind != DIM_POLY) return;
    dim_poly(t, d, &term, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < term[i].n_atoms; k++) find_division(s, term[i].atom[k]);
}

typedef struct {
    exprs *x;
    dim from, to;
} axis_change;

static void change_axis(void *ctx, ex *e)
{
    const axis_change *c = ctx;
    *e = ex_map(c->x, *e, 1, &c->from, &c->to);
}

/* axis = by * high + low, where by divides the extent. */
static bool split_axis(fuser *f, nest *n, dim axis, dim by)
{
    const dim high_extent = dim_div_exact(f->t, dim_extent(f->t, axis), by);
    if (!high_extent || n->n_axes == NEST_AXES) return false;
    const dim high = dim_axis(f->t, high_extent), low = dim_axis(f->t, by);
    if (!dim_is_axis(f->t, high) || !dim_is_axis(f->t, low)) return false;
    axis_change c = {f->x, axis, dim_add(f->t, dim_mul(f->t, high, by), low)};
    for (uint32_t i = 0; i < n->n_stages; i++) fuse_each_stage(&n->stage[i], change_axis, &c);
    uint32_t place = 0;
    while (n->axis[place] != axis) place++;
    memmove(&n->axis[place + 1], &n->axis[place], (n->n_axes - place) * sizeof *n->axis);
    n->axis[place] = high;
    n->axis[place + 1] = low;
    n->n_axes++;
    return true;
}

static void find_division_ex(void *ctx, ex e)
{
    split_search *s = ctx;
    const ex_node *n = ex_at(s->f->x, e);
    if (n->op == EX_DIM) find_division(s, n->d);
}

static void find_division_below(void *ctx, ex *e)
{
    ex_walk(((split_search *)ctx)->f->x, *e, find_division_ex, ctx);
}

bool fuse_split_axes(fuser *f, nest *n)
{
    for (bool changed = false;; changed = true) {
        split_search s = {f, n, 0, 0};
        for (uint32_t i = 0; i < n->n_stages; i++) fuse_each_stage(&n->stage[i], find_division_below, &s);
        if (!s.axis || !split_axis(f, n, s.axis, s.by)) return changed;
    }
}

nest *fuse_copy_nest(fuser *f, const nest *n)
{
    nest *c = arena_copy(f->mem, n, sizeof *n);
    c->stage = arena_copy(f->mem, n->stage, n->n_stages * sizeof *n->stage);
    for (uint32_t i = 0; i < n->n_stages; i++) c->stage[i].sink = arena_copy(f->mem, n->stage[i].sink, n->stage[i].n_sinks * sizeof(sink));
    return c;
}

/* Splits until no index of the load of `from` divides an axis; the load that is left, or 0. */
static ex split_all(fuser *f, nest *n, slot from)
{
    for (;;) {
        const fuse_loads l = fuse_loads_of_nest(f, n, from);
        if (l.load.n != 1) return 0;
        const ex_node *loaded = ex_at(f->x, l.load.p[0]);
        split_search s = {f, n, 0, 0};
        for (uint32_t i = 0; i < loaded->n && !s.axis; i++) {
            dim d;
            if (ex_is_dim(f->x, loaded->idx[i], &d)) find_division(&s, d);
        }
        if (!s.axis) return l.load.p[0];
        if (!split_axis(f, n, s.axis, s.by)) return 0;
    }
}

typedef struct {
    dim axis, coef;
} digit;

/* index = sum of coef * axis without constant, as digits of a mixed radix number: sorted from the largest coefficient down, each one being
 * the product of the extents of the later ones, and all together the extent. */
static bool read_digits(fuser *f, dim index, dim extent, digit *out, uint32_t *n_out)
{
    const dim_term *term;
    uint32_t n;
    if (dim_poly(f->t, index, &term, &n) != 0 || n > NEST_AXES) return false;
    bool used[NEST_AXES] = {false};
    dim next = dim_const(f->t, 1);
    for (uint32_t i = 0; i < n; i++) { /* the next digit, from the smallest */
        uint32_t k = 0;
        for (; k < n; k++) {
            dim axis = 0, coef, rest;
            for (uint32_t a = 0; a < term[k].n_atoms; a++)
                if (dim_is_axis(f->t, term[k].atom[a])) axis = term[k].atom[a];
            if (used[k] || !axis || !dim_affine(f->t, index, axis, &coef, &rest) || coef != next) continue;
            if (dim_range(f->t, coef).lo < 1) return false;
            out[n - 1 - i] = (digit){axis, coef};
            next = dim_mul(f->t, next, dim_extent(f->t, axis));
            break;
        }
        if (k == n) return false;
        used[k] = true;
    }
    *n_out = n;
    return next == extent;
}

static bool set_axis(fuser *f, const nest *n, dim axis, ex v, ex *axis_value)
{
    (void)f;
    for (uint32_t i = 0; i < n->n_axes; i++) {
        if (n->axis[i] != axis) continue;
        if (axis_value[i]) return false;
        axis_value[i] = v;
        return true;
    }
    return false;
}

bool fuse_invert(fuser *f, nest *n, ex load, const ex *at, ex *axis_value)
{
    const slot from = ex_at(f->x, load)->slot;
    load = split_all(f, n, from);
    if (!load) return false;
    const ex_node *loaded = ex_at(f->x, load);
    const slot_info info = *slot_at(f->p, from);
    memset(axis_value, 0, NEST_AXES * sizeof *axis_value);
    for (uint32_t d = 0; d < loaded->n; d++) {
        dim index;
        digit digits[NEST_AXES];
        uint32_t count;
        if (!ex_is_dim(f->x, loaded->idx[d], &index) || !read_digits(f, index, info.extent[d], digits, &count)) return false;
        for (uint32_t i = 0; i < count; i++) {
            const ex coef = ex_dim(f->x, digits[i].coef), extent = ex_dim(f->x, dim_extent(f->t, digits[i].axis));
            ex v = i + 1 < count ? ex_bin(f->x, EX_FDIV, at[d], coef) : at[d];
            if (i > 0) v = ex_bin(f->x, EX_FMOD, v, extent);
            if (!set_axis(f, n, digits[i].axis, v, axis_value)) return false;
        }
    }
    for (uint32_t i = 0; i < n->n_axes; i++)
        if (!axis_value[i]) return false;
    return true;
}
