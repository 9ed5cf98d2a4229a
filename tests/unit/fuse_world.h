/* fuse_world.h - for tests of fusion: building small programs from operators, running them, comparing fused with unfused. */
#ifndef ONNXCC_TESTS_FUSE_WORLD_H
#define ONNXCC_TESTS_FUSE_WORLD_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expr/nest.h"
#include "ir/ir.h"
#include "plan/plan.h"

#define HELPER __attribute__((unused)) static

HELPER const fuse_options ALL = {.inline_maps = true, .merge_rows = true, .merge_stages = true, .epilogues = true};

/* ---- a program under construction ---- */

typedef struct {
    arena *mem;
    program *p;
    dims *t;
    exprs *x;
    block *to; /* where steps are appended; NULL: the main block */
} world;

HELPER world world_new(void)
{
    world w = {.mem = arena_new()};
    model *m = model_new(w.mem, diag_new(w.mem, NULL));
    w.p = program_new(w.mem, m);
    w.t = w.p->dims;
    w.x = w.p->ex;
    return w;
}

HELPER block *block_of(world *w)
{
    return w->to ? w->to : &w->p->main;
}

HELPER dim num(world *w, int64_t n)
{
    return dim_const(w->t, n);
}

HELPER slot tensor_of(world *w, const char *name, slot_kind kind, elem stored, uint32_t rank, const dim *extent)
{
    const slot s = slot_new(w->p, name, stored, kind, rank, extent);
    if (kind == SLOT_INPUT) VEC_PUSH(w->mem, w->p->inputs, s);
    if (kind == SLOT_OUTPUT) VEC_PUSH(w->mem, w->p->outputs, s);
    return s;
}

#define SHAPE(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}
HELPER slot make(world *w, const char *name, slot_kind kind, size_t rank, const int64_t *shape)
{
    dim d[MAX_RANK];
    for (size_t i = 0; i < rank; i++) d[i] = num(w, shape[i]);
    return tensor_of(w, name, kind, ELEM_FLOAT, (uint32_t)rank, d);
}

/* A constant of positive numbers. */
HELPER slot constant(world *w, const char *name, size_t rank, const int64_t *shape)
{
    const slot s = make(w, name, SLOT_CONST, rank, shape);
    tensor *t = tensor_new(w->mem, ELEM_FLOAT, (uint32_t)rank, shape);
    for (size_t i = 0; i < t->bytes / sizeof(float); i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, i, 0.25 + (double)((i * 7 + s) % 13) / 8);
    slot_at(w->p, s)->data = t;
    return s;
}

HELPER slot like(world *w, const char *name, slot_kind kind, slot s)
{
    const slot_info info = *slot_at(w->p, s);
    return tensor_of(w, name, kind, info.type, info.rank, info.extent);
}

/* A map over the shape of `to`. */
typedef struct {
    world *w;
    nest_builder b;
    slot to;
    uint32_t rank;
    dim i[MAX_RANK];
} pen;

HELPER pen map_to(world *w, slot to)
{
    pen q = {.w = w, .b = nest_begin(w->p), .to = to};
    const slot_info *info = slot_at(w->p, to);
    q.rank = info->rank;
    for (uint32_t d = 0; d < q.rank; d++) q.i[d] = nest_axis(&q.b, slot_at(w->p, to)->extent[d]);
    return q;
}

HELPER ex at_dims(world *w, slot s, const dim *i)
{
    const slot_info *info = slot_at(w->p, s);
    ex idx[MAX_RANK];
    for (uint32_t d = 0; d < info->rank; d++) idx[d] = ex_dim(w->x, i[d]);
    return ex_load(w->x, s, info->type, info->rank, idx);
}

/* The element of s that broadcasting puts at the point. */
HELPER ex of(pen *q, slot s)
{
    const slot_info *info = slot_at(q->w->p, s);
    dim i[MAX_RANK];
    for (uint32_t d = 0; d < info->rank; d++)
        i[d] = dim_is(q->w->t, info->extent[d], 1) ? num(q->w, 0) : q->i[q->rank - info->rank + d];
    return at_dims(q->w, s, i);
}

HELPER void store(pen *q, ex v, const char *what)
{
    ex at[MAX_RANK];
    for (uint32_t d = 0; d < q->rank; d++) at[d] = ex_dim(q->w->x, q->i[d]);
    stage_store(&q->b, q->to, q->rank, at, v);
    nest_end(&q->b, block_of(q->w), what);
}

HELPER ex lit(world *w, double v)
{
    return ex_f(w->x, CT_F32, v);
}

HELPER slot unary(world *w, ex_op op, slot a, const char *name, slot_kind kind)
{
    const slot y = like(w, name, kind, a);
    pen q = map_to(w, y);
    store(&q, ex_un(w->x, op, of(&q, a)), name);
    return y;
}

/* y has a's shape; b broadcasts. */
HELPER slot binary(world *w, ex_op op, slot a, slot b, const char *name, slot_kind kind)
{
    const slot y = like(w, name, kind, a);
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, op, of(&q, a), of(&q, b)), name);
    return y;
}

HELPER slot with_number(world *w, ex_op op, slot a, double v, const char *name)
{
    const slot y = like(w, name, SLOT_TEMP, a);
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, op, of(&q, a), lit(w, v)), name);
    return y;
}

/* Over the last axis, keeping it with extent 1; scaled by `scale`. */
HELPER slot reduce_last(world *w, fold f, slot a, double scale, const char *name)
{
    slot_info info = *slot_at(w->p, a);
    const dim extent = info.extent[info.rank - 1];
    info.extent[info.rank - 1] = num(w, 1);
    const slot y = tensor_of(w, name, SLOT_TEMP, ELEM_FLOAT, info.rank, info.extent);
    pen q = map_to(w, y);
    dim i[MAX_RANK];
    memcpy(i, q.i, sizeof i);
    i[info.rank - 1] = stage_axis(&q.b, extent);
    ex v = stage_fold(&q.b, f, at_dims(w, a, i));
    nest_stage(&q.b);
    if (scale != 1) v = ex_bin(w->x, EX_MUL, v, lit(w, scale));
    store(&q, v, name);
    return y;
}

HELPER void transpose(world *w, slot a, slot y, const int *perm, const char *name)
{
    pen q = map_to(w, y);
    dim i[MAX_RANK];
    for (uint32_t d = 0; d < q.rank; d++) i[perm[d]] = q.i[d];
    store(&q, at_dims(w, a, i), name);
}

/* Copies a into y from index `from` of `axis` on. */
HELPER void copy_into(world *w, slot a, slot y, uint32_t axis, int64_t from, const char *name)
{
    const slot_info info = *slot_at(w->p, a);
    nest_builder b = nest_begin(w->p);
    ex at[MAX_RANK];
    dim i[MAX_RANK];
    for (uint32_t d = 0; d < info.rank; d++) i[d] = nest_axis(&b, info.extent[d]);
    for (uint32_t d = 0; d < info.rank; d++) at[d] = ex_dim(w->x, d == axis ? dim_addc(w->t, i[d], from) : i[d]);
    stage_store(&b, y, info.rank, at, at_dims(w, a, i));
    nest_end(&b, block_of(w), name);
}

HELPER void reshape(world *w, slot a, slot y, const char *name)
{
    const slot_info from = *slot_at(w->p, a);
    pen q = map_to(w, y);
    dim flat = num(w, 0), i[MAX_RANK];
    for (uint32_t d = 0; d < q.rank; d++) flat = dim_add(w->t, dim_mul(w->t, flat, slot_at(w->p, y)->extent[d]), q.i[d]);
    for (uint32_t d = from.rank; d-- > 0;) {
        i[d] = d ? dim_mod(w->t, flat, from.extent[d]) : flat;
        flat = d ? dim_fdiv(w->t, flat, from.extent[d]) : flat;
    }
    store(&q, at_dims(w, a, i), name);
}

/* y[batch.., m, n] = a[batch.., m, k] * b[batch.., k, n] (b may have rank 2). */
HELPER step *matmul(world *w, slot a, slot b, slot y, const char *name)
{
    const slot_info info = *slot_at(w->p, y), left = *slot_at(w->p, a), right = *slot_at(w->p, b);
    kernel *k = ARENA_NEW(w->mem, kernel);
    hook *h = ARENA_NEW(w->mem, hook);
    const uint32_t r = info.rank;
    k->kind = K_MATMUL;
    k->hook = h;
    k->n_hook = 1;
    h->name = "OUT";
    h->to = y;
    h->n = h->n_axes = info.rank;
    for (uint32_t d = 0; d < r; d++) {
        h->axis[d] = dim_axis(w->t, info.extent[d]);
        h->at[d] = ex_dim(w->x, h->axis[d]);
    }
    h->value = ex_acc(w->x, 0, CT_F32);
    matmul_params *mm = &k->matmul;
    mm->n_batch = (uint8_t)(r - 2);
    for (uint32_t d = 0; d + 2 < r; d++) mm->batch[d] = h->axis[d];
    mm->m = h->axis[r - 2];
    mm->n = h->axis[r - 1];
    mm->k = dim_axis(w->t, left.extent[left.rank - 1]);
    dim ia[MAX_RANK], ib[MAX_RANK];
    memcpy(ia, h->axis, sizeof ia);
    memcpy(ib, h->axis + (r - right.rank), sizeof(dim) * right.rank);
    ia[r - 1] = mm->k;
    ib[right.rank - 2] = mm->k;
    mm->a = at_dims(w, a, ia);
    mm->b = at_dims(w, b, ib);
    k->n_arg = 3;
    k->arg = ARENA_ARRAY(w->mem, kernel_arg, 3);
    k->arg[0] = (kernel_arg){y, ARG_OUT};
    k->arg[1] = (kernel_arg){a, ARG_IN};
    k->arg[2] = (kernel_arg){b, ARG_IN};
    step *s = ARENA_NEW(w->mem, step);
    s->kind = STEP_KERNEL;
    s->what = name;
    s->kernel = k;
    VEC_PUSH(w->mem, block_of(w)->steps, s);
    return s;
}

HELPER step *control_step(world *w, step_kind kind, slot cond_or_trip)
{
    control *c = ARENA_NEW(w->mem, control);
    c->then = ARENA_NEW(w->mem, block);
    if (kind == STEP_IF) c->otherwise = ARENA_NEW(w->mem, block);
    if (kind == STEP_IF) c->cond = cond_or_trip;
    else c->trip = cond_or_trip;
    c->index = dim_fresh(w->t, "turn", 0, INT64_MAX);
    step *s = ARENA_NEW(w->mem, step);
    *s = (step){.kind = kind, .what = "control", .control = c};
    VEC_PUSH(w->mem, block_of(w)->steps, s);
    return s;
}

/* Softmax over the last axis as five nodes. */
HELPER void softmax_nodes(world *w, slot x, slot y)
{
    const slot m = reduce_last(w, FOLD_MAX, x, 1, "max");
    const slot d = binary(w, EX_SUB, x, m, "sub", SLOT_TEMP);
    const slot e = unary(w, EX_EXP, d, "exp", SLOT_TEMP);
    const slot s = reduce_last(w, FOLD_SUM, e, 1, "sum");
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, EX_DIV, of(&q, e), of(&q, s)), "div");
}

/* ---- running ---- */

typedef struct {
    world *w;
    int64_t symbol; /* of every run-time dim ... */
    dim index;      /* ... but that of the loop that runs */
    int64_t turn;
    void **data;
    uint32_t n;
} memory;

HELPER int64_t symbol_value(void *ctx, dim d)
{
    const memory *m = ctx;
    return d == m->index ? m->turn : m->symbol;
}

HELPER size_t elems_of(memory *m, slot s)
{
    const slot_info *info = slot_at(m->w->p, s);
    size_t n = 1;
    for (uint32_t d = 0; d < info->rank; d++) n *= (size_t)dim_eval(m->w->t, info->extent[d], symbol_value, m);
    return n;
}

HELPER void *slot_data(void *ctx, slot s)
{
    memory *m = ctx;
    assert_true(s < m->n);
    const slot_info *info = slot_at(m->w->p, s);
    if (info->alias_of) {
        const int64_t from = dim_eval(m->w->t, info->alias_offset, symbol_value, m);
        return (char *)slot_data(ctx, info->alias_of) + (size_t)from * elem_bytes(info->type, 1);
    }
    if (info->data) return (void *)(uintptr_t)info->data->data;
    if (!m->data[s]) m->data[s] = calloc(elems_of(m, s) + 1, 8);
    return m->data[s];
}

HELPER ex hand_over(void *ctx, ex e)
{
    const ex *pair = ctx; /* the kernel's accumulator, what stands for it */
    return e == pair[0] ? pair[1] : 0;
}

/* A matmul step as the nest that says the same. */
HELPER nest *as_nest(world *w, const kernel *k)
{
    nest_builder b = nest_begin(w->p);
    const hook *h = &k->hook[0];
    const matmul_params *mm = &k->matmul;
    for (uint32_t d = 0; d < h->n_axes; d++)
        if (dim_is_axis(w->t, h->axis[d])) b.nest->axis[b.nest->n_axes++] = h->axis[d];
    nest_stage(&b);
    if (dim_is_axis(w->t, mm->k)) b.stage->axis[b.stage->n_axes++] = mm->k;
    ex pair[2] = {ex_acc(w->x, 0, CT_F32), stage_fold(&b, FOLD_SUM, ex_bin(w->x, EX_MUL, mm->a, mm->b))};
    nest_stage(&b);
    stage_store(&b, h->to, h->n, h->at, ex_subst(w->x, h->value, hand_over, pair));
    block aside = {0};
    return nest_end(&b, &aside, "")->nest;
}

HELPER void run_block(memory *m, const block *b);

HELPER void run_control(memory *m, const step *s)
{
    const control *c = s->control;
    if (s->kind == STEP_IF) {
        run_block(m, elem_get_int(ELEM_BOOL, slot_data(m, c->cond), 0) ? c->then : c->otherwise);
        return;
    }
    const int64_t trips = elem_get_int(ELEM_INT64, slot_data(m, c->trip), 0);
    m->index = c->index;
    for (m->turn = 0; m->turn < trips; m->turn++) {
        run_block(m, c->then);
        for (uint32_t i = 0; i < c->n_carried; i++) memcpy(slot_data(m, c->state[i]), slot_data(m, c->next[i]), elems_of(m, c->next[i]) * sizeof(float));
    }
    m->index = 0;
}

HELPER void run_block(memory *m, const block *b)
{
    interp in = {.p = m->w->p, .data = slot_data, .value = symbol_value, .ctx = m};
    for (uint32_t i = 0; i < b->steps.n; i++) {
        const step *s = b->steps.p[i];
        const char *why = "";
        if (s->control) run_control(m, s);
        else assert_true(nest_run(&in, s->nest ? s->nest : as_nest(m->w, s->kernel), &why));
    }
}

HELPER memory run(world *w, int64_t symbol, uint32_t seed)
{
    memory m = {.w = w, .symbol = symbol, .n = w->p->slot.n};
    m.data = calloc(m.n, sizeof *m.data);
    for (slot s = 1; s < m.n; s++) {
        const slot_info *info = slot_at(w->p, s);
        if (info->kind != SLOT_INPUT) continue;
        void *data = slot_data(&m, s);
        uint32_t state = seed + 7919 * info->io + s * 104729; /* inputs are made first, so numbers agree in both programs */
        for (size_t i = 0; i < elems_of(&m, s); i++) {
            state = state * 1664525u + 1013904223u;
            if (!info->rank && info->type != ELEM_FLOAT) elem_set_int(info->type, data, i, info->type == ELEM_BOOL ? symbol & 1 : symbol);
            else elem_set_double(info->type, data, i, info->type == ELEM_FLOAT ? (double)(state >> 8) / 4194304.0 - 2.0 : (double)((state >> 16) % 3));
        }
    }
    run_block(&m, &w->p->main);
    return m;
}

HELPER void memory_free(memory *m)
{
    for (uint32_t s = 0; s < m->n; s++) free(m->data[s]);
    free(m->data);
}

typedef void (*builder)(world *w);

HELPER bool with_aliases; /* plan_alias after fusion */

/* The fused program; it has n steps (0: any number), and its outputs are those of the unfused one within `tolerance`. The caller frees mem. */
HELPER world check_with(builder build, const fuse_options *o, uint32_t n, double tolerance, int64_t symbol)
{
    world plain = world_new(), fused = world_new();
    build(&plain);
    build(&fused);
    if (o) fuse(fused.p, o);
    if (with_aliases) plan_alias(fused.p);
    text t = {.mem = fused.mem};
    program_text(fused.p, &t);
    if ((n && fused.p->main.steps.n != n) || getenv("FUSE_TEXT")) printf("%s\n", t.p);
    if (n) assert_int_equal(fused.p->main.steps.n, n);
    memory a = run(&plain, symbol, 1), b = run(&fused, symbol, 1);
    for (uint32_t i = 0; i < plain.p->outputs.n; i++) {
        const slot s = plain.p->outputs.p[i];
        const elem e = slot_at(plain.p, s)->type;
        for (size_t k = 0; k < elems_of(&a, s); k++) {
            const double want = elem_get_double(e, slot_data(&a, s), k), got = elem_get_double(e, slot_data(&b, s), k);
            if (want == got || (isnan(want) && isnan(got))) continue;
            if (!(fabs(want - got) <= tolerance * (1 + fabs(want)))) {
                printf("%s\n", t.p);
                fail_msg("output %u element %zu: %g, expected %g", i, k, got, want);
            }
        }
    }
    memory_free(&a);
    memory_free(&b);
    arena_free(plain.mem);
    return fused;
}

HELPER void check(builder build, uint32_t n)
{
    world w = check_with(build, &ALL, n, 1e-6, 5);
    arena_free(w.mem);
}

HELPER uint32_t stages_of(const world *w, uint32_t i)
{
    return w->p->main.steps.p[i]->nest->n_stages;
}
#endif
