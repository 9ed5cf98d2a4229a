/* fold.c - constant folding and shape arithmetic by one mechanism: lower the node alone, then run its nests on numbers (the interpreter)
 * or on dims (below), so that no operator needs a second definition; see fold.h. */
#include "ops/fold.h"

#include <string.h>

struct folder {
    arena *mem;
    model *m;
    program *p; /* scratch: slots and steps of folded nodes pile up here, all small */
    slot *of_value;
    uint32_t cap;
    int64_t points; /* of nests that may still be run */
};

/* Points of nests that folding runs: a part of a second for a model without constants, and more where the file brings more. What is not folded is computed by the
 * program. A point on dims costs as much as many on numbers. */
enum { MOST_POINTS = 1 << 24, POINTS_PER_ELEMENT = 32, POINTS_PER_DIMS = 64 };

folder *folder_new(arena *mem, model *m)
{
    folder *f = ARENA_NEW(mem, folder);
    f->mem = mem;
    f->m = m;
    f->p = program_new(mem, m);
    f->points = MOST_POINTS;
    for (value_id v = 1; v < m->values.n; v++) {
        const tensor *t = value_at(m, v)->data;
        if (t) f->points = sat_add(f->points, sat_mul(tensor_count(t), POINTS_PER_ELEMENT));
    }
    return f;
}

/* Lowers node n alone into `to`, silently: what can't be lowered is not folded, and is reported when it is lowered for good. */
static bool lower_alone(folder *f, node_id id, block *to)
{
    model *m = f->m;
    if (f->cap < m->values.n) {
        f->cap = m->values.n + 1024;
        f->of_value = ARENA_ARRAY(f->mem, slot, f->cap);
    }
    const uint32_t before = m->diag->list.n, errors = m->diag->errors;
    const bool ok = lower_node(f->p, f->of_value, to, id);
    m->diag->list.n = before;
    m->diag->errors = errors;
    return ok;
}

static void forget(folder *f, node_id id)
{
    const node *n = node_at(f->m, id);
    for (uint32_t i = 0; i < n->n_in; i++) f->of_value[n->in[i]] = 0;
    for (uint32_t i = 0; i < n->n_out; i++) f->of_value[n->out[i]] = 0;
}

static bool only_nests(const block *b)
{
    for (uint32_t i = 0; i < b->steps.n; i++)
        if (b->steps.p[i]->kind != STEP_NEST) return false;
    return b->steps.n > 0;
}

static int64_t axes_points(const dims *d, const dim *axis, uint32_t n)
{
    int64_t points = 1, extent;
    for (uint32_t i = 0; i < n; i++)
        if (dim_is_axis(d, axis[i]) && dim_is_const(d, dim_extent(d, axis[i]), &extent)) points = sat_mul(points, extent);
    return points;
}

/* Takes what the nests cost, each point `each`; false, with nothing taken, when they cost more than there is. */
static bool afford(folder *f, const block *b, int64_t each)
{
    const dims *d = f->p->dims;
    int64_t all = 0;
    for (uint32_t i = 0; i < b->steps.n; i++) {
        const nest *n = b->steps.p[i]->nest;
        int64_t inner = 1;
        for (uint32_t k = 0; k < n->n_stages; k++) inner = sat_add(inner, axes_points(d, n->stage[k].axis, n->stage[k].n_axes));
        all = sat_add(all, sat_mul(sat_mul(axes_points(d, n->axis, n->n_axes), inner), each));
    }
    if (all > f->points) return false;
    f->points -= all;
    return true;
}

/* ---- on numbers ---- */

typedef struct {
    folder *f;
    slot first;  /* slots below it belong to nodes folded earlier */
    void **data; /* by slot - first */
} memory;

static void *slot_data(void *ctx, slot s)
{
    const memory *m = ctx;
    return m->data[s - m->first];
}

static int64_t no_symbol(void *ctx, dim d)
{
    (void)ctx;
    (void)d;
    return 0;
}

/* Elements of a slot, -1 when not constant. */
static int64_t slot_count(folder *f, slot s)
{
    const slot_info *i = slot_at(f->p, s);
    int64_t n = 1, v;
    for (uint32_t k = 0; k < i->rank; k++) {
        if (!dim_is_const(f->p->dims, i->extent[k], &v) || v < 0) return -1;
        n = sat_mul(n, v);
    }
    return n;
}

static bool foldable_sizes(folder *f, const node *n, int64_t limit)
{
    int64_t largest = 0, shape[64];
    for (uint32_t i = 0; i < n->n_in; i++) {
        const tensor *t = n->in[i] ? value_at(f->m, n->in[i])->data : NULL;
        if (n->in[i] && (!t || (!t->data && !t->strings && tensor_count(t)))) return false;
        if (t && tensor_count(t) > largest) largest = tensor_count(t);
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        const type *t = &value_at(f->m, n->out[i])->type;
        if (t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > 64 || !shape_is_static(f->m, t, shape)) return false;
        int64_t count = 1;
        for (int32_t k = 0; k < t->rank; k++) count = sat_mul(count, shape[k]);
        if (count > limit && count > largest) return false;
    }
    return true;
}

static bool run_block(folder *f, const block *b, memory *mem)
{
    const interp in = {f->p, slot_data, no_symbol, mem};
    for (uint32_t i = 0; i < b->steps.n; i++) {
        const char *why;
        if (!nest_run(&in, b->steps.p[i]->nest, &why)) return false;
    }
    return true;
}

static bool fold_block(folder *f, node_id id, const block *b, uint32_t first_slot)
{
    model *m = f->m;
    memory mem = {f, first_slot, ARENA_ARRAY(f->mem, void *, f->p->slot.n - first_slot)};
    for (slot s = first_slot; s < f->p->slot.n; s++) {
        const slot_info *i = slot_at(f->p, s);
        const int64_t count = slot_count(f, s);
        if (count < 0) return false;
        void **to = &mem.data[s - first_slot];
        if (i->kind != SLOT_CONST) *to = arena_alloc(m->mem, elem_bytes(i->type, (size_t)count) + 1);
        else *to = i->type == ELEM_STRING ? (void *)i->data->strings : (void *)(uintptr_t)i->data->data;
    }
    if (!run_block(f, b, &mem)) return false;
    const node *n = node_at(m, id);
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        const slot s = f->of_value[n->out[i]];
        if (!s) return false;
        const slot_info *info = slot_at(f->p, s);
        tensor *t = ARENA_NEW(m->mem, tensor);
        t->type = !info->pairs ? info->type : info->type == ELEM_FLOAT ? ELEM_COMPLEX64 : ELEM_COMPLEX128;
        t->rank = (uint32_t)info->rank - info->pairs;
        t->shape = ARENA_ARRAY(m->mem, int64_t, t->rank);
        for (uint32_t k = 0; k < t->rank; k++) (void)dim_is_const(f->p->dims, info->extent[k], &t->shape[k]);
        if (t->type == ELEM_STRING) t->strings = mem.data[s - first_slot];
        else {
            t->bytes = elem_bytes(t->type, (size_t)tensor_count(t));
            t->data = mem.data[s - first_slot];
        }
        t->name = value_at(m, n->out[i])->name;
        value_at(m, n->out[i])->data = t;
    }
    return true;
}

bool fold_numbers(folder *f, node_id id, int64_t limit)
{
    const node *n = node_at(f->m, id);
    if (!foldable_sizes(f, n, limit)) return false;
    block b = {0};
    const uint32_t first = f->p->slot.n;
    const bool ok = lower_alone(f, id, &b) && only_nests(&b) && afford(f, &b, 1) && fold_block(f, id, &b, first);
    forget(f, id);
    return ok;
}

/* ---- on symbols ---- */

typedef VEC(ex) ex_list;

typedef struct {
    folder *f;
    slot first;
    dim **content; /* by slot - first: its elements, 0 where not known */
    dim axis[2 * NEST_AXES], at[2 * NEST_AXES];
    uint32_t n_axis;
    ex_list acc; /* by accumulator id */
    bool failed;
} symbolic;

static bool as_dim(symbolic *s, ex e, dim *out);

static bool as_dim2(symbolic *s, const ex_node *n, dim *a, dim *b)
{
    return as_dim(s, n->a[0], a) && as_dim(s, n->a[1], b);
}

/* BOOL expressions as a dim of 0 or 1. */
static bool truth(symbolic *s, const ex_node *n, dim *out)
{
    dims *t = s->f->p->dims;
    const dim one = dim_const(t, 1), zero = dim_const(t, 0);
    dim a, b;
    switch (n->op) {
    case EX_LT:
    case EX_LE:
        if (!as_dim2(s, n, &a, &b)) return false;
        *out = n->op == EX_LT ? dim_select(t, a, b, one, zero) : dim_select(t, b, a, zero, one);
        return true;
    case EX_EQ:
    case EX_NE:
        if (!as_dim2(s, n, &a, &b)) return false;
        if (a != b && !dim_lt(t, a, b) && !dim_lt(t, b, a)) return false;
        *out = (a == b) == (n->op == EX_EQ) ? one : zero;
        return true;
    case EX_NOT:
        if (!as_dim(s, n->a[0], &a)) return false;
        *out = dim_sub(t, one, a);
        return true;
    case EX_AND:
    case EX_OR:
        if (!as_dim2(s, n, &a, &b)) return false;
        *out = n->op == EX_AND ? dim_min(t, a, b) : dim_max(t, a, b);
        return true;
    default: return false;
    }
}

static bool whole(symbolic *s, const ex_node *n, dim *out)
{
    dims *t = s->f->p->dims;
    dim a, b, c;
    switch (n->op) {
    case EX_NEG:
        if (!as_dim(s, n->a[0], &a)) return false;
        *out = dim_mulc(t, a, -1);
        return true;
    case EX_CAST:
    case EX_ROUND: return !ctype_is_float((ctype)n->type) && as_dim(s, n->a[0], out); /* sizes fit every integer type that models use for them */
    case EX_SELECT:
        if (!as_dim(s, n->a[0], &c) || !as_dim2(s, &(ex_node){.a = {n->a[1], n->a[2]}}, &a, &b)) return false;
        *out = dim_select(t, c, dim_const(t, 1), b, a);
        return true;
    default: break;
    }
    if (n->op < EX_ADD || n->op > EX_MIN || !as_dim2(s, n, &a, &b)) return false;
    const bool positive = n->op != EX_DIV && n->op != EX_MOD && n->op != EX_FDIV && n->op != EX_FMOD ? true : dim_ge0(t, dim_addc(t, b, -1));
    switch (n->op) {
    case EX_ADD: *out = dim_add(t, a, b); return true;
    case EX_SUB: *out = dim_sub(t, a, b); return true;
    case EX_MUL: *out = dim_mul(t, a, b); return true;
    case EX_MAX: *out = dim_max(t, a, b); return true;
    case EX_MIN: *out = dim_min(t, a, b); return true;
    case EX_DIV: *out = dim_fdiv(t, a, b); return positive && dim_ge0(t, a);
    case EX_FDIV: *out = dim_fdiv(t, a, b); return positive;
    case EX_MOD: *out = dim_mod(t, a, b); return positive && dim_ge0(t, a);
    case EX_FMOD: *out = dim_mod(t, a, b); return positive;
    default: return false;
    }
}

static bool as_dim(symbolic *s, ex e, dim *out)
{
    const ex_node *n = ex_at(s->f->p->ex, e);
    if (n->op == EX_DIM) {
        *out = n->d;
        return true;
    }
    if (n->op == EX_NUM) {
        *out = dim_const(s->f->p->dims, ctype_is_float((ctype)n->type) ? (int64_t)n->f : n->i);
        return !ctype_is_float((ctype)n->type);
    }
    if (n->type == CT_BOOL && n->op != EX_SELECT && n->op != EX_CAST) return truth(s, n, out);
    if (n->type == CT_BOOL && n->op == EX_CAST) { /* x != 0 */
        dim a;
        dims *t = s->f->p->dims;
        if (!as_dim(s, n->a[0], &a)) return false;
        if (dim_is(t, a, 0)) *out = a;
        else if (dim_ge0(t, dim_addc(t, a, -1))) *out = dim_const(t, 1);
        else return false;
        return true;
    }
    return whole(s, n, out);
}

static ex typed(exprs *x, ctype t, dim d)
{
    return t == CT_BOOL ? ex_bin(x, EX_NE, ex_dim(x, d), ex_i(x, CT_I64, 0)) : ex_cast(x, t, ex_dim(x, d));
}

static ex symbolic_subst(symbolic *s, ex e);

/* Row-major position of constant indexes; -1 when one is not constant. */
static int64_t position(symbolic *s, slot to, uint32_t n, const ex *idx)
{
    const slot_info *info = slot_at(s->f->p, to);
    int64_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        dim d;
        int64_t v, extent;
        if (!as_dim(s, symbolic_subst(s, idx[i]), &d) || !dim_is_const(s->f->p->dims, d, &v)) return -1;
        if (!dim_is_const(s->f->p->dims, info->extent[i], &extent) || v < 0 || v >= extent) return -1;
        at = at * extent + v;
    }
    return at;
}

static ex symbolic_leaf(void *ctx, ex e)
{
    symbolic *s = ctx;
    exprs *x = s->f->p->ex;
    const ex_node n = *ex_at(x, e);
    if (n.op == EX_DIM) return ex_dim(x, dim_subst(s->f->p->dims, n.d, s->n_axis, s->axis, s->at));
    if (n.op == EX_ACC) return n.i < s->acc.n ? s->acc.p[n.i] : 0;
    if (n.op != EX_LOAD) return 0;
    const int64_t at = s->content[n.slot - s->first] ? position(s, n.slot, n.n, n.idx) : -1;
    if (at < 0 || !s->content[n.slot - s->first][at]) {
        s->failed = true;
        return ex_i(x, (ctype)n.type, 0);
    }
    return typed(x, (ctype)n.type, s->content[n.slot - s->first][at]);
}

/* Selects are resolved outside in, so that a load in the branch not taken is never looked at. */
static ex symbolic_subst(symbolic *s, ex e)
{
    const ex_node n = *ex_at(s->f->p->ex, e);
    if (n.op == EX_SELECT) {
        const ex c = symbolic_subst(s, n.a[0]);
        dim d;
        int64_t v;
        if (as_dim(s, c, &d) && dim_is_const(s->f->p->dims, d, &v)) return symbolic_subst(s, n.a[v ? 1 : 2]);
    }
    if ((n.op == EX_CAST || n.op == EX_ROUND) && ex_at(s->f->p->ex, n.a[0])->op == EX_SELECT) {
        const ex a = symbolic_subst(s, n.a[0]);
        return n.op == EX_CAST ? ex_cast(s->f->p->ex, (ctype)n.type, a) : ex_round(s->f->p->ex, (elem)n.elem, a);
    }
    if (n.op == EX_INDEX) {
        exprs *x = s->f->p->ex;
        dim v, extent;
        if (!as_dim(s, symbolic_subst(s, n.a[0]), &v) || !as_dim(s, symbolic_subst(s, n.a[1]), &extent)) return e;
        dims *t = s->f->p->dims;
        if (dim_ge0(t, v)) return ex_dim(x, v);
        if (dim_lt(t, v, dim_const(t, 0))) return ex_dim(x, dim_add(t, v, extent));
        return e;
    }
    return ex_subst(s->f->p->ex, e, symbolic_leaf, s);
}

static ex fold_ex(exprs *x, fold f, ex acc, ex v)
{
    static const uint8_t OP[] = {[FOLD_SUM] = EX_ADD, [FOLD_PROD] = EX_MUL, [FOLD_MAX] = EX_MAX, [FOLD_MIN] = EX_MIN, [FOLD_OR] = EX_OR, [FOLD_AND] = EX_AND};
    return acc ? ex_bin(x, (ex_op)OP[f], acc, v) : v;
}

static void symbolic_sink(symbolic *s, const sink *k)
{
    program *p = s->f->p;
    if (k->guard) {
        dim g;
        int64_t v;
        if (!as_dim(s, symbolic_subst(s, k->guard), &g) || !dim_is_const(p->dims, g, &v)) s->failed = true;
        else if (!v) return;
    }
    const ex v = symbolic_subst(s, k->value);
    if (s->failed) return;
    if (!k->to) {
        while (s->acc.n <= k->acc) VEC_PUSH(s->f->mem, s->acc, 0);
        s->acc.p[k->acc] = fold_ex(p->ex, k->fold, s->acc.p[k->acc], v);
        return;
    }
    dim d;
    const int64_t at = position(s, k->to, k->n, k->at);
    if (at < 0 || k->fold != FOLD_NONE || !as_dim(s, v, &d)) s->failed = true;
    else s->content[k->to - s->first][at] = d;
}

/* Walks axes [i, n) of a nest or stage, then does `inner`. */
static void symbolic_walk(symbolic *s, const dim *axis, uint32_t n, void (*inner)(symbolic *s, const void *arg), const void *arg)
{
    if (!n) {
        inner(s, arg);
        return;
    }
    int64_t extent;
    if (!dim_is_const(s->f->p->dims, dim_extent(s->f->p->dims, axis[0]), &extent)) {
        s->failed = true;
        return;
    }
    const uint32_t k = s->n_axis++;
    s->axis[k] = axis[0];
    for (int64_t i = 0; i < extent && !s->failed; i++) {
        s->at[k] = dim_const(s->f->p->dims, i);
        symbolic_walk(s, axis + 1, n - 1, inner, arg);
    }
    s->n_axis--;
}

static void symbolic_sinks(symbolic *s, const void *arg)
{
    const stage *g = arg;
    for (uint32_t i = 0; i < g->n_sinks && !s->failed; i++) symbolic_sink(s, &g->sink[i]);
}

static void symbolic_stages(symbolic *s, const void *arg)
{
    const nest *n = arg;
    memset(s->acc.p, 0, s->acc.n * sizeof *s->acc.p);
    for (uint32_t i = 0; i < n->n_stages && !s->failed; i++) symbolic_walk(s, n->stage[i].axis, n->stage[i].n_axes, symbolic_sinks, &n->stage[i]);
}

static bool content_inputs(folder *f, const node *n)
{
    infer_ctx c = {f->m, f->m->dims, 0, (node *)(uintptr_t)n, NULL, false};
    for (uint32_t i = 0; i < n->n_in; i++) {
        uint32_t count;
        if (n->in[i] && !in_content(&c, i, &count)) return false;
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        const type *t = &value_at(f->m, n->out[i])->type;
        int64_t shape[64], count = 1;
        if (t->kind != TYPE_TENSOR || t->rank < 0 || t->rank > MAX_RANK || !strchr("iub", elem_of(t->elem)->kind)) return false;
        if (!shape_is_static(f->m, t, shape)) return false;
        for (int32_t k = 0; k < t->rank; k++) count = sat_mul(count, shape[k]);
        if (count > MAX_CONTENT) return false;
    }
    return n->n_out > 0;
}

static bool run_symbols(folder *f, node_id id, const block *b, uint32_t first_slot)
{
    symbolic s = {.f = f, .first = first_slot, .content = ARENA_ARRAY(f->mem, dim *, f->p->slot.n - first_slot)};
    VEC_PUSH(f->mem, s.acc, 0);
    for (slot k = first_slot; k < f->p->slot.n; k++) {
        const slot_info *info = slot_at(f->p, k);
        const int64_t count = slot_count(f, k);
        if (count < 0 || count > MAX_CONTENT) return false;
        s.content[k - first_slot] = ARENA_ARRAY(f->mem, dim, count + 1);
        const value *v = info->value ? value_at(f->m, info->value) : NULL;
        if (v && v->content && v->n_content == count) memcpy(s.content[k - first_slot], v->content, (size_t)count * sizeof(dim));
    }
    for (uint32_t i = 0; i < b->steps.n && !s.failed; i++) {
        const nest *n = b->steps.p[i]->nest;
        symbolic_walk(&s, n->axis, n->n_axes, symbolic_stages, n);
    }
    if (s.failed || dims_too_long(f->m->dims)) return false;
    const node *n = node_at(f->m, id);
    infer_ctx c = {f->m, f->m->dims, id, node_at(f->m, id), NULL, false};
    for (uint32_t i = 0; i < n->n_out; i++) {
        const slot k = n->out[i] ? f->of_value[n->out[i]] : 0;
        if (!k) continue;
        const uint32_t count = (uint32_t)slot_count(f, k);
        for (uint32_t j = 0; j < count; j++)
            if (!s.content[k - first_slot][j] || dim_length(f->m->dims, s.content[k - first_slot][j]) > DIM_LONG) return false;
        out_content(&c, i, s.content[k - first_slot], count);
    }
    return true;
}

bool fold_symbols(folder *f, node_id id)
{
    if (!content_inputs(f, node_at(f->m, id))) return false;
    block b = {0};
    const uint32_t first = f->p->slot.n;
    const bool ok = lower_alone(f, id, &b) && only_nests(&b) && afford(f, &b, POINTS_PER_DIMS) && run_symbols(f, id, &b, first);
    forget(f, id);
    return ok;
}
