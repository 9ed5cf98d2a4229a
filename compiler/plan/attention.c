/* attention.c - softmax(scores) times values as one step (templates/cpu/attention.c), so that the scores of all rows are never in memory together.
 *
 * in:  K_MATMUL of queries and keys with what else makes scores as its hook, a nest that is a softmax over their last axis, K_MATMUL of its result and the
 *      values; nothing else reads what is between them. However a model says it, lowering and fusing make it these three.
 * out: the kernel, before it the steps that pack keys and values
 *
 * Three forms of softmax are known, which differ in rows whose scores are all -inf: as it is (NaN), as the operators Attention have it (zeros), and with
 * NaN replaced by 0 behind it, as PyTorch exports it. */
#include <math.h>
#include <string.h>

#include "plan/matmul.h"
#include "plan/tile.h"

typedef enum { EMPTY_NAN, EMPTY_ZEROS, NAN_ZEROS } empty_rows; /* EMPTY of the template */

/* What reads and writes a slot, as far as it is one step each. */
typedef struct {
    step *writer, *reader;
    uint32_t n_writers, n_readers;
} slot_use;

typedef struct {
    program *p;
    const plan_options *o;
    slot_use *use; /* of the slots that there were */
    slot n_slots;
    step *now;
} search;

/* The nest: out[..., row..., n] = softmax over n of score(row, n). */
typedef struct {
    slot in, exps, out;
    ex score;                          /* over the nest's axes and `n` */
    dim n;
    ex in_at[MAX_RANK], out_at[MAX_RANK]; /* indexes of the load of `in`, and of the store */
    empty_rows empty;
} softmax;

static void note_use(void *ctx, slot s, bool written)
{
    search *q = ctx;
    slot_use *u = &q->use[s];
    if (written) u->n_writers++;
    else u->n_readers++;
    *(written ? &u->writer : &u->reader) = q->now;
}

static void note_step(void *ctx, step *s)
{
    search *q = ctx;
    q->now = s;
    step_access(q->p, s, note_use, q);
}

/* ---- the softmax ---- */

static bool is_op(const exprs *x, ex e, ex_op op)
{
    return e && ex_at(x, e)->op == op;
}

static bool is_number(const exprs *x, ex e, double v)
{
    double have;
    return ex_is_num(x, e, &have) && have == v;
}

static bool is_acc(const exprs *x, ex e, uint32_t acc)
{
    return is_op(x, e, EX_ACC) && ex_at(x, e)->i == (int64_t)acc;
}

/* The accumulator, or `other` where it is `special`. */
static bool acc_or(const exprs *x, ex e, uint32_t acc, double special, double other, bool *replaced)
{
    *replaced = is_op(x, e, EX_SELECT);
    if (!*replaced) return is_acc(x, e, acc);
    const ex_node n = *ex_at(x, e);
    if (!is_op(x, n.a[0], EX_EQ) || !is_number(x, n.a[1], other) || !is_acc(x, n.a[2], acc)) return false;
    const ex_node same = *ex_at(x, n.a[0]);
    return (is_acc(x, same.a[0], acc) && is_number(x, same.a[1], special)) || (is_acc(x, same.a[1], acc) && is_number(x, same.a[0], special));
}

/* e / sum, as a quotient or a product with 1 / sum. */
static bool read_quotient(const exprs *x, ex e, slot exps, uint32_t sum, bool *replaced)
{
    const ex_node n = *ex_at(x, e);
    ex above = n.a[0], below = n.a[1];
    if (n.op == EX_MUL) {
        if (is_op(x, above, EX_DIV)) above = n.a[1], below = n.a[0];
        if (!is_op(x, below, EX_DIV) || !is_number(x, ex_at(x, below)->a[0], 1)) return false;
        below = ex_at(x, below)->a[1];
    } else if (n.op != EX_DIV) return false;
    return is_op(x, above, EX_LOAD) && ex_at(x, above)->slot == exps && acc_or(x, below, sum, 0, 1, replaced);
}

typedef struct {
    const exprs *x;
    slot s;
    ex load;
    uint32_t n;
} load_search;

static void find_load(void *ctx, ex e)
{
    load_search *c = ctx;
    if (ex_at(c->x, e)->op != EX_LOAD || ex_at(c->x, e)->slot != c->s) return;
    c->load = e;
    c->n++;
}

/* The one place where e reads s; 0: there is none, or several. */
static ex only_load(const exprs *x, ex e, slot s)
{
    load_search c = {x, s, 0, 0};
    ex_walk(x, e, find_load, &c);
    return c.n == 1 ? c.load : 0;
}

static const sink *plain(const sink *k, fold f)
{
    return k->fold == f && !k->guard && !k->in_order && (f == FOLD_NONE) == (k->to != 0) ? k : NULL;
}

static bool same_axes(const dims *d, const stage *a, const stage *b)
{
    return a->n_axes == 1 && b->n_axes == 1 && dim_extent(d, a->axis[0]) == dim_extent(d, b->axis[0]);
}

/* The value over the last stage's axis, for stages whose axes differ. */
static ex along(program *p, ex e, const stage *from, dim to)
{
    return from->axis[0] == to ? e : ex_map(p->ex, e, 1, &from->axis[0], &to);
}

/* The exponents are a local of the nest, or a temporary where their number is not known. */
static bool is_own(const search *q, slot s, const step *at)
{
    const slot_info *i = slot_at(q->p, s);
    const slot_use *u = &q->use[s];
    return i->kind == SLOT_LOCAL || (i->kind == SLOT_TEMP && u->n_writers == 1 && u->n_readers == 1 && u->writer == at && u->reader == at);
}

static bool read_softmax(const search *q, const step *at, softmax *out)
{
    program *p = q->p;
    const exprs *x = p->ex;
    const nest *n = at->nest;
    if (n->can_fail || n->n_stages != 3) return false;
    const stage *s = n->stage;
    if (!same_axes(p->dims, &s[0], &s[1]) || !same_axes(p->dims, &s[1], &s[2])) return false;
    if (s[0].n_sinks != 1 || s[1].n_sinks != 2 || s[2].n_sinks != 1 || !dim_is_axis(p->dims, s[2].axis[0])) return false;
    const sink *most = plain(&s[0].sink[0], FOLD_MAX), *exps = plain(&s[1].sink[0], FOLD_NONE), *sum = plain(&s[1].sink[1], FOLD_SUM), *to = plain(&s[2].sink[0], FOLD_NONE);
    if (!most || !exps || !sum || !to || exps->value != sum->value || !is_own(q, exps->to, at) || !is_op(x, exps->value, EX_EXP)) return false;
    const ex_node below = *ex_at(x, ex_at(x, exps->value)->a[0]);
    out->n = s[2].axis[0];
    out->score = along(p, most->value, &s[0], out->n);
    bool guarded, divided;
    if (below.op != EX_SUB || along(p, below.a[0], &s[1], out->n) != out->score || !acc_or(x, below.a[1], most->acc, -INFINITY, 0, &guarded)) return false;
    ex stored = to->value;
    const bool cleaned = is_op(x, stored, EX_SELECT);
    if (cleaned) {
        const ex_node c = *ex_at(x, stored);
        if (!is_op(x, c.a[0], EX_ISNAN) || ex_at(x, c.a[0])->a[0] != c.a[2] || !is_number(x, c.a[1], 0)) return false;
        stored = c.a[2];
    }
    if (!read_quotient(x, stored, exps->to, sum->acc, &divided) || guarded != divided || (cleaned && guarded)) return false;
    out->empty = cleaned ? NAN_ZEROS : guarded ? EMPTY_ZEROS : EMPTY_NAN;
    out->exps = exps->to;
    out->out = to->to;
    memcpy(out->out_at, to->at, to->n * sizeof *to->at);
    return true;
}

/* ---- the three as one ---- */

/* Axes of one step that stand for those of another. */
typedef struct {
    dim from[2 * MAX_RANK], to[2 * MAX_RANK];
    uint32_t n;
} renaming;

/* Index `a` of one step and `b` of another are the same one, an axis of each (or 0 in both). */
static bool rename_axis(program *p, renaming *r, ex a, ex b)
{
    dim from, to;
    if (!ex_is_dim(p->ex, a, &from) || !ex_is_dim(p->ex, b, &to)) return false;
    if (!dim_is_axis(p->dims, from) || !dim_is_axis(p->dims, to)) return from == to && dim_is(p->dims, from, 0);
    if (dim_extent(p->dims, from) != dim_extent(p->dims, to)) return false;
    for (uint32_t i = 0; i < r->n; i++)
        if (r->from[i] == from || r->to[i] == to) return false;
    r->from[r->n] = from;
    r->to[r->n++] = to;
    return true;
}

static bool rename_axes(program *p, renaming *r, uint32_t n, const ex *from, const ex *to)
{
    for (uint32_t i = 0; i < n; i++)
        if (!rename_axis(p, r, from[i], to[i])) return false;
    return true;
}

/* `axis` as it is called behind r; 0: it is not renamed. The constant 0 stays. */
static dim renamed(const program *p, const renaming *r, dim axis)
{
    if (!dim_is_axis(p->dims, axis)) return axis;
    for (uint32_t i = 0; i < r->n; i++)
        if (r->from[i] == axis) return r->to[i];
    return 0;
}

typedef struct {
    slot s;
    ex value;
} replacement;

static ex replace_load(void *ctx, ex e)
{
    void **c = ctx;
    const replacement *r = c[1];
    const ex_node *n = ex_at(c[0], e);
    return n->op == EX_LOAD && n->slot == r->s ? r->value : 0;
}

/* Is the slot only what one step hands to one other? */
static bool is_between(const search *q, slot s)
{
    const slot_info *i = slot_at(q->p, s);
    const slot_use *u = &q->use[s];
    return i->kind == SLOT_TEMP && i->type == ELEM_FLOAT && !i->keep && !i->alias_of && !i->has_views && u->n_writers == 1 && u->n_readers == 1;
}

static bool is_float_product(program *p, const step *s)
{
    return s && s->kind == STEP_KERNEL && s->kernel->kind == K_MATMUL && matmul_is_float(p, s->kernel);
}

/* Both products over the axes of the second one, whose k are the keys. scores->hook has the score as its value and stores nothing. */
static bool join(search *q, const softmax *soft, matmul_plan *scores, matmul_plan *values)
{
    program *p = q->p;
    exprs *x = p->ex;
    const hook h = scores->hook;
    renaming to_values = {0}, rows = {0};
    const ex_node read = *ex_at(x, values->mm.a);
    if (read.op != EX_LOAD || read.slot != soft->out || !rename_axes(p, &to_values, read.n, soft->out_at, read.idx)) return false;
    if (renamed(p, &to_values, soft->n) != values->mm.k || !dim_is_axis(p->dims, values->mm.k)) return false;
    ex at[MAX_RANK];
    for (uint32_t i = 0; i < h.n; i++) at[i] = ex_map(x, soft->in_at[i], to_values.n, to_values.from, to_values.to);
    if (!rename_axes(p, &rows, h.n, h.at, at)) return false;
    for (uint32_t i = 0; i < h.n_axes; i++)
        if (!renamed(p, &rows, h.axis[i])) return false;
    if (renamed(p, &rows, scores->mm.m) != values->mm.m || renamed(p, &rows, scores->mm.n) != values->mm.k) return false;
    scores->mm.a = ex_map(x, scores->mm.a, rows.n, rows.from, rows.to);
    scores->mm.b = ex_map(x, scores->mm.b, rows.n, rows.from, rows.to);
    scores->mm.m = values->mm.m;
    scores->mm.n = values->mm.k;
    scores->mm.n_batch = values->mm.n_batch;
    memcpy(scores->mm.batch, values->mm.batch, sizeof scores->mm.batch);
    replacement made = {soft->in, ex_map(x, h.value, rows.n, rows.from, rows.to)};
    void *ctx[2] = {x, &made};
    const ex score = ex_map(x, soft->score, to_values.n, to_values.from, to_values.to);
    scores->hook = (hook){.name = "SCORE", .map = true, .value = ex_subst(x, score, replace_load, ctx)};
    return !ex_can_fail(x, scores->hook.value) && ex_type(x, scores->hook.value) == CT_F32;
}

static int64_t known(program *p, dim d)
{
    int64_t v;
    return dim_is_const(p->dims, d, &v) ? v : -1;
}

/* With few queries the time is that of packing keys and values and of reading them once, which products do in wider panels; measured. Unknown sizes may be
 * large. The sums of values of a block of rows must stay in the first caches. */
static bool worth_it(program *p, const matmul_plan *values)
{
    enum { LEAST_ROWS = 8, FEW_ROWS = 32, MANY_KEYS_A_ROW = 4, MOST_VALUES = 512 };
    const int64_t m = known(p, matmul_extent(p, values->mm.m)), n = known(p, matmul_extent(p, values->mm.k)), width = known(p, matmul_extent(p, values->mm.n));
    if (width <= 0 || width > MOST_VALUES) return false;
    return m < 0 || m >= FEW_ROWS || (m >= LEAST_ROWS && n <= MANY_KEYS_A_ROW * m);
}

static kernel_arg *attention_args(program *p, const matmul_plan *scores, const matmul_plan *values, int64_t threads, int64_t scratch)
{
    kernel_arg *arg = ARENA_ARRAY(p->mem, kernel_arg, 5);
    const dim extent[2] = {dim_const(p->dims, threads), dim_const(p->dims, scratch)};
    arg[0] = (kernel_arg){scores->a, ARG_IN};
    arg[1] = (kernel_arg){scores->b, ARG_IN};
    arg[2] = (kernel_arg){values->b, ARG_IN};
    arg[3] = (kernel_arg){slot_new(p, "scores", ELEM_FLOAT, SLOT_TEMP, 2, extent), ARG_SCRATCH};
    arg[4] = (kernel_arg){values->hook.to, ARG_OUT};
    return arg;
}

static dim work_of(program *p, const matmul_plan *q, dim batches)
{
    dims *d = p->dims;
    return dim_mul(d, dim_mul(d, batches, matmul_extent(p, q->mm.m)), dim_mul(d, matmul_extent(p, q->mm.n), matmul_extent(p, q->mm.k)));
}

static void attention_step(search *q, const softmax *soft, matmul_plan *scores, matmul_plan *values, const matmul_operand *a)
{
    program *p = q->p;
    dims *d = p->dims;
    const vector_unit unit = {q->o->target->vl, q->o->target->registers, q->o->target->l2, false, q->o->target->l3_rate};
    const dim batches = matmul_batches(values), m = matmul_extent(p, values->mm.m), n = matmul_extent(p, values->mm.k), depth = matmul_extent(p, scores->mm.k);
    const int64_t width = known(p, matmul_extent(p, values->mm.n)), threads = q->o->threads > 1 ? q->o->threads : 1;
    const attention_tile t = attention_tile_choose(&unit, known(p, m), known(p, n), known(p, depth), width);
    const dim k_at = matmul_panels(scores, t.kv), v_at = matmul_panels(values, t.pv);
    const int64_t scratch = t.rb * (t.kb + unit.vl + (width + t.pv * unit.vl - 1) / (t.pv * unit.vl) * t.pv * unit.vl + 3);
    const binding bind[] = {
        dim_binding("MR", dim_const(d, t.mr)), dim_binding("MT", dim_const(d, t.mt)), dim_binding("KV", dim_const(d, t.kv)), dim_binding("PV", dim_const(d, t.pv)),
        dim_binding("RB", dim_const(d, t.rb)), dim_binding("KB", dim_const(d, t.kb)), dim_binding("DV", dim_const(d, width)), dim_binding("EMPTY", dim_const(d, soft->empty)),
        dim_binding("M", m), dim_binding("N", n), dim_binding("D", depth), dim_binding("LDQ", a->line), dim_binding("Q_AT", matmul_by_batch_index(p, &scores->mm, a->base)),
        dim_binding("K_AT", matmul_by_batch_index(p, &scores->mm, k_at)), dim_binding("V_AT", matmul_by_batch_index(p, &values->mm, v_at))};
    kernel *k = ARENA_NEW(p->mem, kernel);
    *k = (kernel){.kind = K_TEMPLATE, .name = "attention", .lane = 2, .thread_scratch = scratch, .n_hook = 2, .n_arg = 5};
    k->n_bind = sizeof bind / sizeof *bind;
    k->bind = arena_copy(p->mem, bind, sizeof bind);
    k->range = dim_mul(d, batches, dim_cdiv(d, m, dim_const(d, t.rb)));
    k->arg = attention_args(p, scores, values, threads, scratch);
    const dim work = dim_add(d, work_of(p, scores, batches), work_of(p, values, batches));
    matmul_hook_axes(scores, batches);
    matmul_hook_axes(values, batches);
    k->hook = ARENA_ARRAY(p->mem, hook, 2);
    k->hook[0] = values->hook;
    k->hook[1] = scores->hook;
    for (int i = 0; i < 2; i++) kernel_note_loads(p, k, k->hook[i].value);
    step *s = ARENA_NEW(p->mem, step);
    *s = (step){.kind = STEP_KERNEL, .what = values->what, .kernel = k, .work = work};
    VEC_PUSH(p->mem, values->out->steps, s);
}

/* Where step s is in b; b->steps.n: it is not. */
static uint32_t place_of(const block *b, const step *s)
{
    uint32_t i = 0;
    while (i < b->steps.n && b->steps.p[i] != s) i++;
    return i;
}

typedef struct {
    const search *q;
    bool found;
} write_search;

static void is_written(void *ctx, slot s, bool written)
{
    write_search *w = ctx;
    const slot_info *i = slot_at(w->q->p, s);
    if (!written && i->kind != SLOT_CONST && w->q->use[s].n_writers > 1) w->found = true;
}

/* The first product is computed later than it was: what it reads must be what it was. */
static bool may_move(const search *q, const step *s)
{
    write_search w = {q, false};
    step_access(q->p, s, is_written, &w);
    return !w.found;
}

/* Replaces the steps around the softmax `s` of `b` by steps in *out, to stand where the last of them was. */
static bool fuse_attention(search *q, const block *b, const step *s, step **first, step **last, block *out)
{
    program *p = q->p;
    softmax soft = {0};
    if (s->kind != STEP_NEST || !read_softmax(q, s, &soft) || !is_between(q, soft.out)) return false;
    *last = q->use[soft.out].reader;
    if (!is_float_product(p, *last) || only_load(p->ex, (*last)->kernel->matmul.b, soft.out)) return false;
    for (slot in = 1; in < q->n_slots && !soft.in; in++)
        if (q->use[in].reader == s && is_between(q, in) && is_float_product(p, q->use[in].writer) && q->use[in].writer->kernel->hook[0].to == in) soft.in = in;
    const ex load = soft.in ? only_load(p->ex, soft.score, soft.in) : 0;
    if (!load) return false;
    memcpy(soft.in_at, ex_at(p->ex, load)->idx, ex_at(p->ex, load)->n * sizeof(ex));
    *first = q->use[soft.in].writer;
    if (place_of(b, *first) == b->steps.n || place_of(b, *last) == b->steps.n) return false;
    const char *what = arena_printf(p->mem, "%s + %s + %s", (*first)->what, s->what, (*last)->what);
    matmul_plan scores = {.p = p, .o = q->o, .what = what, .out = out, .mm = (*first)->kernel->matmul, .hook = (*first)->kernel->hook[0]};
    matmul_plan values = {.p = p, .o = q->o, .what = what, .out = out, .mm = (*last)->kernel->matmul, .hook = (*last)->kernel->hook[0]};
    matmul_operand a;
    if (!may_move(q, *first) || !may_move(q, s) || !join(q, &soft, &scores, &values) || !worth_it(p, &values) || !matmul_lines(&scores, &a)) return false;
    scores.name = arena_printf(p->mem, "%s_keys", slot_at(p, soft.in)->name);
    values.name = arena_printf(p->mem, "%s_values", slot_at(p, soft.in)->name);
    attention_step(q, &soft, &scores, &values, &a);
    slot_at(p, soft.in)->kind = slot_at(p, soft.exps)->kind = slot_at(p, soft.out)->kind = SLOT_DEAD;
    return true;
}

static void append(program *p, block *to, const block *steps)
{
    for (uint32_t i = 0; i < steps->steps.n; i++) VEC_PUSH(p->mem, to->steps, steps->steps.p[i]);
}

void select_attention(program *p, const plan_options *o, block *b)
{
    arena *scratch = arena_new();
    search q = {p, o, ARENA_ARRAY(scratch, slot_use, p->slot.n), p->slot.n, NULL};
    program_steps(p, note_step, &q);
    const uint32_t n = b->steps.n;
    block *instead = ARENA_ARRAY(scratch, block, n + 1);
    bool *gone = ARENA_ARRAY(scratch, bool, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        step *first, *last;
        block steps = {0};
        if (!fuse_attention(&q, b, b->steps.p[i], &first, &last, &steps)) continue;
        const uint32_t at = place_of(b, last);
        gone[place_of(b, first)] = gone[i] = gone[at] = true;
        instead[at] = steps;
    }
    block out = {.graph = b->graph};
    for (uint32_t i = 0; i < n; i++) {
        if (!gone[i]) VEC_PUSH(p->mem, out.steps, b->steps.p[i]);
        append(p, &out, &instead[i]);
    }
    *b = out;
    arena_free(scratch);
}
