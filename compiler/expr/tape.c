/* tape.c - prepares a stage of a nest for the interpreter: chooses the row length, turns expressions into instructions, places each at its
 * loop level, and finds those that must run only under a condition. See tape.h. */
#include "expr/tape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    nest_run_state *r;
    exprs *x;
    const stage *stage;
    stage_tape *t;
    dim axis[MAX_LEVELS]; /* by level; 0: none */
    const uint32_t *number; /* by ex: its number in this stage, for: */
    uint32_t n_ex;
    instr **made; /* the instruction, in this stage (or this sink, when sinks depend on each other) */
    bool *want;   /* needed without condition by the present sink */
    bool *reads;  /* holds a load or an index */
    bool dependent; /* rows of one point, sinks one after the other */
    uint32_t lists; /* collected so far */
    VEC(instr *) run;
    struct {
        dim *d;
        instr **made;
        uint32_t n, cap;
    } dims;
} builder;

/* ---- numbers and slots ---- */

int64_t tape_dim(const nest_run_state *r, dim d)
{
    int64_t v;
    if (dim_is_const(r->in->p->dims, d, &v)) return v;
    return dim_eval(r->in->p->dims, d, r->in->value, r->in->ctx);
}

tensor_ref *tape_slot(nest_run_state *r, slot s)
{
    if (r->slot[s]) return r->slot[s];
    program *p = r->in->p;
    const slot_info *info = slot_at(p, s);
    tensor_ref *t = ARENA_NEW(r->mem, tensor_ref);
    t->type = info->type;
    t->name = info->name;
    int64_t count = 1;
    for (uint32_t i = info->rank; i-- > 0;) {
        t->stride[i] = count;
        count *= tape_dim(r, info->extent[i]);
    }
    t->rank = info->rank;
    t->count = count;
    if (info->kind == SLOT_LOCAL) t->data = arena_alloc(r->mem, elem_bytes(info->type, (size_t)count) + 16);
    else t->data = r->in->data(r->in->ctx, s);
    if (r->nest->flat) {
        t->rank = 1;
        t->stride[0] = 1;
        if (info->view.buf) t->count = tape_dim(r, p->buf.p[info->view.buf].elems);
    }
    return r->slot[s] = t;
}

/* ---- instructions ---- */

static instr *new_instr(builder *b, ex_op op, ctype t, uint32_t n)
{
    instr *i = ARENA_NEW(b->r->mem, instr);
    i->op = (uint8_t)op;
    i->type = i->from = (uint8_t)t;
    i->n = (uint8_t)n;
    i->arg = ARENA_ARRAY(b->r->mem, instr *, n);
    i->lanes = arena_alloc(b->r->mem, ROW * lane_bytes(t));
    return i;
}

static void raise_level(instr *i, uint32_t level)
{
    if (level > i->level) i->level = (uint8_t)level;
}

/* Sets an argument; an instruction that works on lanes wants its arguments spread over the row. */
static void set_arg(instr *i, uint32_t k, instr *a)
{
    i->arg[k] = a;
    raise_level(i, a->level);
}

/* Puts a finished instruction on the list of its level. */
static void schedule(builder *b, instr *i)
{
    i->at_row = i->level >= b->t->row_level;
    if (i->at_row) {
        for (uint32_t k = 0; k < i->n; k++)
            if (i->op != EX_LOAD || !i->arg[k]->straight) i->arg[k]->wide = true;
        VEC_PUSH(b->r->mem, b->run, i);
    } else VEC_PUSH(b->r->mem, b->t->outer[i->level], i);
}

/* ---- DIMs ---- */

static instr *dim_instr(builder *b, dim d);

static uint32_t level_of_axis(const builder *b, dim axis)
{
    for (uint32_t l = 1; l <= b->t->row_level; l++)
        if (b->axis[l] == axis) return l;
    return 0;
}

static instr *dim_product_of(builder *b, instr *p, instr *q)
{
    instr *i = new_instr(b, EX_MUL, CT_I64, 2);
    set_arg(i, 0, p);
    set_arg(i, 1, q);
    schedule(b, i);
    return i;
}

/* One term of a polynomial: symbols multiply into the coefficient, what depends on axes stays. */
static void add_term(builder *b, instr *sum, const dim_term *t)
{
    const dims *table = b->x->dims;
    affine_term *out = &sum->term[sum->n_terms];
    out->coef = t->coef;
    uint32_t last = 0, n = 0;
    instr *product = NULL;
    for (uint32_t k = 0; k < t->n_atoms; k++) {
        if (!dim_has_axis(table, t->atom[k])) out->coef *= tape_dim(b->r, t->atom[k]);
        else if (n++ == 0) last = k;
        else {
            instr *q = dim_instr(b, t->atom[k]);
            product = dim_product_of(b, product ? product : dim_instr(b, t->atom[last]), q);
        }
    }
    if (n == 0) {
        sum->constant += out->coef;
        return;
    }
    if (n == 1) {
        out->level = level_of_axis(b, t->atom[last]);
        assert(out->level || !dim_is_axis(table, t->atom[last])); /* an axis of another nest */
        if (!out->level) product = dim_instr(b, t->atom[last]);
    }
    out->of = product;
    raise_level(sum, product ? product->level : out->level);
    sum->n_terms++;
}

static instr *dim_sum(builder *b, dim d)
{
    const dim_term *term;
    uint32_t n;
    const int64_t c = dim_poly(b->x->dims, d, &term, &n);
    instr *i = new_instr(b, EX_DIM, CT_I64, 0);
    i->term = ARENA_ARRAY(b->r->mem, affine_term, n);
    i->constant = c;
    for (uint32_t k = 0; k < n; k++) add_term(b, i, &term[k]);
    i->straight = true;
    for (uint32_t k = 0; k < i->n_terms; k++)
        if (i->term[k].of && i->term[k].of->level >= b->t->row_level) {
            i->straight = false;
            i->term[k].of->wide = true;
        }
    schedule(b, i);
    return i;
}

static instr *dim_operation(builder *b, dim d)
{
    const dim *a = dim_args(b->x->dims, d);
    const dim_kind kind = dim_kind_of(b->x->dims, d);
    instr *p = dim_instr(b, a[0]), *q = dim_instr(b, a[1]);
    const ex_op op = kind == DIM_FDIV ? EX_FDIV : kind == DIM_MOD ? EX_FMOD : kind == DIM_MIN ? EX_MIN : kind == DIM_MAX ? EX_MAX : EX_LT;
    instr *i = new_instr(b, op, op == EX_LT ? CT_BOOL : CT_I64, 2);
    i->from = CT_I64;
    set_arg(i, 0, p);
    set_arg(i, 1, q);
    schedule(b, i);
    if (kind != DIM_SELECT) return i;
    instr *s = new_instr(b, EX_SELECT, CT_I64, 3), *yes = dim_instr(b, a[2]), *no = dim_instr(b, a[3]);
    set_arg(s, 0, i);
    set_arg(s, 1, yes);
    set_arg(s, 2, no);
    schedule(b, s);
    return s;
}

/* DIMs read no memory, so they never are lazy and are shared by the whole stage. */
static instr *dim_instr(builder *b, dim d)
{
    for (uint32_t k = 0; k < b->dims.n; k++)
        if (b->dims.d[k] == d) return b->dims.made[k];
    const dim_kind kind = dim_kind_of(b->x->dims, d);
    const bool has_axis = dim_has_axis(b->x->dims, d);
    instr *i;
    if (!has_axis || kind == DIM_CONST || kind == DIM_SYMBOL) {
        i = new_instr(b, EX_DIM, CT_I64, 0);
        i->constant = tape_dim(b->r, d);
        i->straight = true;
        schedule(b, i);
    } else if (kind == DIM_AXIS || kind == DIM_POLY) i = dim_sum(b, d);
    else i = dim_operation(b, d);
    if (b->dims.n == b->dims.cap) {
        uint32_t cap = b->dims.cap;
        b->dims.d = vec_grow(b->r->mem, b->dims.d, &cap, sizeof *b->dims.d);
        cap = b->dims.cap;
        b->dims.made = vec_grow(b->r->mem, b->dims.made, &cap, sizeof *b->dims.made);
        b->dims.cap = cap;
    }
    b->dims.d[b->dims.n] = d;
    b->dims.made[b->dims.n++] = i;
    return i;
}

/* ---- expressions ---- */

static bool own_acc(const builder *b, int64_t id)
{
    for (uint32_t k = 0; k < b->stage->n_sinks; k++)
        if (!b->stage->sink[k].to && b->stage->sink[k].acc == id) return true;
    return false;
}

static bool stored_by_stage(const builder *b, slot s)
{
    for (uint32_t k = 0; k < b->stage->n_sinks; k++)
        if (b->stage->sink[k].to == s) return true;
    return false;
}

/* The lowest level at which the value of a leaf may be taken. */
static uint32_t leaf_level(const builder *b, const ex_node *n)
{
    const uint32_t at_row = b->t->row_level;
    if (n->op == EX_ACC) return b->r->rows_are_points || own_acc(b, n->i) ? at_row : b->r->n_outer;
    if (!b->r->slot[n->slot]->stored) return 0;
    return b->r->rows_are_points || stored_by_stage(b, n->slot) ? at_row : b->r->n_outer; /* stored by another stage at this point */
}

static void set_literal(instr *i, const ex_node *n)
{
    switch (n->type) {
    case CT_BOOL: *(uint8_t *)i->lanes = n->i != 0; break;
    case CT_I32:
    case CT_U32: *(uint32_t *)i->lanes = (uint32_t)n->i; break;
    case CT_F32: *(float *)i->lanes = (float)n->f; break;
    case CT_F64: *(double *)i->lanes = n->f; break;
    default: *(int64_t *)i->lanes = n->i;
    }
}

static int by_number(const void *a, const void *b)
{
    const instr *p = *(instr *const *)a, *q = *(instr *const *)b;
    return p->number < q->number ? -1 : p->number > q->number;
}

/* The lazy instructions that `roots` need, not looking into arms of selects. */
static instr_list collect(builder *b, uint32_t n, instr *const *roots)
{
    VEC(instr *) found = {0};
    VEC(instr *) pending = {0};
    const uint32_t list = ++b->lists;
    for (uint32_t k = 0; k < n; k++) VEC_PUSH(b->r->mem, pending, roots[k]);
    while (pending.n) {
        instr *i = pending.p[--pending.n];
        if (!i->lazy || i->collected == list) continue;
        i->collected = list;
        VEC_PUSH(b->r->mem, found, i);
        for (uint32_t k = 0; k < (i->op == EX_SELECT ? 1u : i->n); k++) VEC_PUSH(b->r->mem, pending, i->arg[k]);
    }
    if (found.n) qsort(found.p, found.n, sizeof *found.p, by_number);
    return (instr_list){found.n, found.p};
}

static instr *make_instr(builder *b, ex e)
{
    const ex_node *n = ex_at(b->x, e);
    if (n->op == EX_DIM) return dim_instr(b, n->d);
    const ex *kid;
    const uint32_t count = ex_kids(n, &kid);
    instr *i = new_instr(b, (ex_op)n->op, (ctype)n->type, count);
    i->elem = n->elem;
    if (n->op == EX_NUM) set_literal(i, n);
    if (n->op == EX_LOAD) {
        i->mem = tape_slot(b->r, n->slot);
        assert(count == i->mem->rank || b->r->nest->flat);
    }
    if (n->op == EX_ACC) i->acc = &b->r->acc[n->i];
    if (n->op == EX_LOAD || n->op == EX_ACC) raise_level(i, leaf_level(b, n));
    for (uint32_t k = 0; k < count; k++) set_arg(i, k, b->made[b->number[kid[k]]]);
    if (count && n->op != EX_LOAD) i->from = i->arg[0]->type;
    if (n->op == EX_SELECT) i->from = i->type;
    i->lazy = b->reads[b->number[e]] && !b->want[b->number[e]];
    if (i->lazy) {
        raise_level(i, b->t->row_level);
        i->done = ARENA_ARRAY(b->r->mem, uint8_t, ROW);
        i->number = b->t->lazy.n;
        VEC_PUSH(b->r->mem, b->t->lazy, i);
    }
    for (uint32_t k = 0; i->op == EX_SELECT && k < 2; k++) i->arm[k] = collect(b, 1, &i->arg[k + 1]);
    if (!i->lazy) schedule(b, i);
    else {
        i->at_row = true;
        for (uint32_t k = 0; k < count; k++)
            if (i->op != EX_LOAD || !i->arg[k]->straight) i->arg[k]->wide = true;
    }
    return i;
}

/* Marks what the sink evaluates whatever its conditions give: everything but the arms of selects. */
static void mark_wanted(builder *b, ex root)
{
    VEC(ex) pending = {0};
    VEC_PUSH(b->r->mem, pending, root);
    while (pending.n) {
        const ex e = pending.p[--pending.n];
        if (b->want[b->number[e]]) continue;
        b->want[b->number[e]] = true;
        const ex_node *n = ex_at(b->x, e);
        const ex *kid;
        const uint32_t count = n->op == EX_SELECT ? (ex_kids(n, &kid), 1u) : ex_kids(n, &kid);
        for (uint32_t k = 0; k < count; k++) VEC_PUSH(b->r->mem, pending, kid[k]);
    }
}

static instr *lower(builder *b, ex root)
{
    visit *v = visit_begin(b->x, 1, &root);
    for (uint32_t k = 0; k < v->order.n; k++) {
        const ex e = v->order.p[k];
        const ex_node *n = ex_at(b->x, e);
        const ex *kid;
        bool reads = n->op == EX_LOAD || n->op == EX_INDEX;
        for (uint32_t j = ex_kids(n, &kid); j-- > 0;) reads |= b->reads[b->number[kid[j]]];
        b->reads[b->number[e]] = reads;
        instr *i = b->made[b->number[e]];
        if (!i) i = b->made[b->number[e]] = make_instr(b, e);
        else if (i->lazy && b->want[b->number[e]]) VEC_PUSH(b->r->mem, b->run, i); /* an earlier sink had it under a condition, this one always */
    }
    visit_end(b->x, v);
    return b->made[b->number[root]];
}

/* ---- sinks ---- */

/* Does an index walk along the row, so that different lanes are different elements? */
static bool walks_row(const builder *b, const sink *s)
{
    for (uint32_t k = 0; k < s->n; k++) {
        dim d, coef, rest;
        if (!ex_is_dim(b->x, s->at[k], &d) || !b->axis[b->t->row_level]) continue;
        if (dim_affine(b->x->dims, d, b->axis[b->t->row_level], &coef, &rest) && !dim_is(b->x->dims, coef, 0) &&
            (dim_lt(b->x->dims, dim_const(b->x->dims, 0), coef) || dim_lt(b->x->dims, coef, dim_const(b->x->dims, 0))))
            return true;
    }
    return false;
}

typedef struct {
    const builder *b;
    uint32_t sink; /* whose expression is walked */
    bool depends;
    uint8_t *when; /* by slot: 1 loaded before or in its storing sink, 2 after it */
} dependence;

static void find_dependence(void *ctx, ex e)
{
    dependence *d = ctx;
    const builder *b = d->b;
    const ex_node *n = ex_at(b->x, e);
    if (n->op == EX_ACC && own_acc(b, n->i)) d->depends = true;
    if (n->op != EX_LOAD) return;
    for (uint32_t k = 0; k < b->stage->n_sinks; k++) {
        const sink *s = &b->stage->sink[k];
        if (s->to != n->slot) continue;
        const bool same = s->n == n->n && (!s->n || !memcmp(s->at, n->idx, s->n * sizeof *s->at));
        d->when[n->slot] |= d->sink <= k ? 1 : 2;
        if (!same || s->in_order || d->when[n->slot] == 3 || !walks_row(b, s)) d->depends = true;
    }
}

/* Must the points of this stage be taken one by one? */
static bool is_dependent(const builder *b)
{
    const stage *g = b->stage;
    dependence d = {b, 0, false, ARENA_ARRAY(b->r->mem, uint8_t, b->r->in->p->slot.n)};
    for (uint32_t k = 0; k < g->n_sinks; k++) {
        const sink *s = &g->sink[k];
        d.sink = k;
        ex_walk(b->x, s->value, find_dependence, &d);
        if (s->guard) ex_walk(b->x, s->guard, find_dependence, &d);
        for (uint32_t i = 0; s->to && i < s->n; i++) ex_walk(b->x, s->at[i], find_dependence, &d);
        if (!s->to) continue;
        if (b->r->rows_are_points && slot_at(b->r->in->p, s->to)->kind == SLOT_LOCAL) return true; /* one cell for all points */
        for (uint32_t i = 0; i < g->n_sinks; i++)
            if (i != k && g->sink[i].to == s->to && (s->in_order || s->fold != FOLD_NONE)) return true;
    }
    return d.depends;
}

static void forget(builder *b)
{
    memset(b->made, 0, b->n_ex * sizeof *b->made);
}

typedef struct {
    uint32_t acc;
    const exprs *x;
    bool found;
} acc_search;

static void find_acc(void *ctx, ex e)
{
    acc_search *a = ctx;
    const ex_node *n = ex_at(a->x, e);
    if (n->op == EX_ACC && n->i == a->acc) a->found = true;
}

static bool read_by_stage(const builder *b, uint32_t acc)
{
    acc_search a = {acc, b->x, false};
    for (uint32_t k = 0; k < b->stage->n_sinks; k++) {
        const sink *s = &b->stage->sink[k];
        ex_walk(b->x, s->value, find_acc, &a);
        if (s->guard) ex_walk(b->x, s->guard, find_acc, &a);
        for (uint32_t i = 0; s->to && i < s->n; i++) ex_walk(b->x, s->at[i], find_acc, &a);
    }
    return a.found;
}

static void build_sink(builder *b, const sink *s, sink_tape *out)
{
    if (b->dependent) forget(b); /* an earlier sink may have changed what was loaded */
    memset(b->want, 0, b->n_ex);
    b->run.p = NULL, b->run.n = b->run.cap = 0;
    if (s->guard) mark_wanted(b, s->guard);
    else {
        mark_wanted(b, s->value);
        for (uint32_t i = 0; s->to && i < s->n; i++) mark_wanted(b, s->at[i]);
    }
    out->fold = s->fold;
    out->in_order = s->in_order;
    out->type = ex_type(b->x, s->value);
    if (s->guard) {
        out->guard = lower(b, s->guard);
        out->guard->wide = true;
    }
    out->value = lower(b, s->value);
    out->value->wide = true;
    if (s->to) {
        out->to = tape_slot(b->r, s->to);
        out->n = s->n;
        for (uint32_t i = 0; i < s->n; i++) {
            out->at[i] = lower(b, s->at[i]);
            if (!out->at[i]->straight) out->at[i]->wide = true;
        }
    } else {
        fold_identity(s->fold, out->type, &out->identity);
        out->acc = &b->r->acc[s->acc];
        out->running = b->dependent && read_by_stage(b, s->acc);
    }
    out->run = (instr_list){b->run.n, b->run.p};
    if (s->guard) {
        instr *roots[MAX_RANK + 1];
        memcpy(roots, out->at, sizeof out->at);
        roots[out->n] = out->value;
        out->guarded = collect(b, out->n + 1u, roots);
    }
}

static void set_levels(builder *b)
{
    nest_run_state *r = b->r;
    stage_tape *t = b->t;
    uint32_t l = 0;
    for (uint32_t i = 0; i < r->n_outer; i++) b->axis[++l] = r->outer[i];
    t->first_level = l + 1;
    for (uint32_t i = 0; i < b->stage->n_axes; i++) b->axis[++l] = b->stage->axis[i];
    if (l == 0 || (b->stage->n_axes == 0 && !r->rows_are_points)) b->axis[++l] = 0; /* a row of one lane */
    t->row_level = l;
    if (r->rows_are_points) t->first_level = l;
    for (uint32_t i = 1; i <= l; i++) {
        t->extent[i] = b->axis[i] ? tape_dim(r, dim_extent(b->x->dims, b->axis[i])) : 1;
        if (i >= t->first_level && t->extent[i] <= 0) t->empty = true;
    }
}

void tape_stage(nest_run_state *r, const stage *g, stage_tape *t)
{
    exprs *x = r->in->p->ex;
    builder b = {.r = r, .x = x, .stage = g, .t = t};
    VEC(ex) roots = {0};
    for (uint32_t k = 0; k < g->n_sinks; k++) {
        const sink *s = &g->sink[k];
        VEC_PUSH(r->mem, roots, s->value);
        VEC_PUSH(r->mem, roots, s->guard);
        for (uint32_t i = 0; s->to && i < s->n; i++) VEC_PUSH(r->mem, roots, s->at[i]);
    }
    visit *all = visit_begin(x, roots.n, roots.p);
    for (uint32_t k = 0; k < all->order.n; k++) all->to[all->order.p[k]] = k;
    b.number = all->to;
    b.n_ex = all->order.n;
    b.made = ARENA_ARRAY(r->mem, instr *, b.n_ex);
    b.want = ARENA_ARRAY(r->mem, bool, b.n_ex);
    b.reads = ARENA_ARRAY(r->mem, bool, b.n_ex);
    set_levels(&b);
    b.dependent = is_dependent(&b);
    const int64_t points = t->extent[t->row_level];
    t->width = b.dependent || points < 1 ? 1 : points < ROW ? (uint32_t)points : ROW;
    t->n_sinks = g->n_sinks;
    t->sink = ARENA_ARRAY(r->mem, sink_tape, g->n_sinks);
    for (uint32_t k = 0; k < g->n_sinks; k++) build_sink(&b, &g->sink[k], &t->sink[k]);
    visit_end(x, all);
}
