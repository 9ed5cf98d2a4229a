/* Fusion: the text of fused programs, and that they compute what the unfused ones do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "expr/nest.h"

static const fuse_options ALL = {.inline_maps = true, .merge_rows = true, .merge_stages = true, .epilogues = true};

/* ---- a program under construction ---- */

typedef struct {
    arena *mem;
    program *p;
    dims *t;
    exprs *x;
} world;

static world world_new(void)
{
    world w = {.mem = arena_new()};
    model *m = model_new(w.mem, diag_new(w.mem, NULL));
    w.p = program_new(w.mem, m);
    w.t = w.p->dims;
    w.x = w.p->ex;
    return w;
}

static dim num(world *w, int64_t n)
{
    return dim_const(w->t, n);
}

static slot tensor_of(world *w, const char *name, slot_kind kind, elem stored, uint32_t rank, const dim *extent)
{
    const slot s = slot_new(w->p, name, stored, kind, rank, extent);
    if (kind == SLOT_INPUT) VEC_PUSH(w->mem, w->p->inputs, s);
    if (kind == SLOT_OUTPUT) VEC_PUSH(w->mem, w->p->outputs, s);
    return s;
}

#define SHAPE(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}
static slot make(world *w, const char *name, slot_kind kind, size_t rank, const int64_t *shape)
{
    dim d[MAX_RANK];
    for (size_t i = 0; i < rank; i++) d[i] = num(w, shape[i]);
    return tensor_of(w, name, kind, ELEM_FLOAT, (uint32_t)rank, d);
}

static slot like(world *w, const char *name, slot_kind kind, slot s)
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

static pen map_to(world *w, slot to)
{
    pen q = {.w = w, .b = nest_begin(w->p), .to = to};
    const slot_info *info = slot_at(w->p, to);
    q.rank = info->rank;
    for (uint32_t d = 0; d < q.rank; d++) q.i[d] = nest_axis(&q.b, slot_at(w->p, to)->extent[d]);
    return q;
}

static ex at_dims(world *w, slot s, const dim *i)
{
    const slot_info *info = slot_at(w->p, s);
    ex idx[MAX_RANK];
    for (uint32_t d = 0; d < info->rank; d++) idx[d] = ex_dim(w->x, i[d]);
    return ex_load(w->x, s, info->type, info->rank, idx);
}

/* The element of s that broadcasting puts at the point. */
static ex of(pen *q, slot s)
{
    const slot_info *info = slot_at(q->w->p, s);
    dim i[MAX_RANK];
    for (uint32_t d = 0; d < info->rank; d++)
        i[d] = dim_is(q->w->t, info->extent[d], 1) ? num(q->w, 0) : q->i[q->rank - info->rank + d];
    return at_dims(q->w, s, i);
}

static void store(pen *q, ex v, const char *what)
{
    ex at[MAX_RANK];
    for (uint32_t d = 0; d < q->rank; d++) at[d] = ex_dim(q->w->x, q->i[d]);
    stage_store(&q->b, q->to, q->rank, at, v);
    nest_end(&q->b, &q->w->p->main, what);
}

static ex lit(world *w, double v)
{
    return ex_f(w->x, CT_F32, v);
}

static slot unary(world *w, ex_op op, slot a, const char *name, slot_kind kind)
{
    const slot y = like(w, name, kind, a);
    pen q = map_to(w, y);
    store(&q, ex_un(w->x, op, of(&q, a)), name);
    return y;
}

/* y has a's shape; b broadcasts. */
static slot binary(world *w, ex_op op, slot a, slot b, const char *name, slot_kind kind)
{
    const slot y = like(w, name, kind, a);
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, op, of(&q, a), of(&q, b)), name);
    return y;
}

static slot with_number(world *w, ex_op op, slot a, double v, const char *name)
{
    const slot y = like(w, name, SLOT_TEMP, a);
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, op, of(&q, a), lit(w, v)), name);
    return y;
}

/* Over the last axis, keeping it with extent 1; scaled by `scale`. */
static slot reduce_last(world *w, fold f, slot a, double scale, const char *name)
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

static void transpose(world *w, slot a, slot y, const int *perm, const char *name)
{
    pen q = map_to(w, y);
    dim i[MAX_RANK];
    for (uint32_t d = 0; d < q.rank; d++) i[perm[d]] = q.i[d];
    store(&q, at_dims(w, a, i), name);
}

/* Copies a into y from index `from` of `axis` on. */
static void copy_into(world *w, slot a, slot y, uint32_t axis, int64_t from, const char *name)
{
    const slot_info info = *slot_at(w->p, a);
    nest_builder b = nest_begin(w->p);
    ex at[MAX_RANK];
    dim i[MAX_RANK];
    for (uint32_t d = 0; d < info.rank; d++) i[d] = nest_axis(&b, info.extent[d]);
    for (uint32_t d = 0; d < info.rank; d++) at[d] = ex_dim(w->x, d == axis ? dim_addc(w->t, i[d], from) : i[d]);
    stage_store(&b, y, info.rank, at, at_dims(w, a, i));
    nest_end(&b, &w->p->main, name);
}

static void reshape(world *w, slot a, slot y, const char *name)
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
static step *matmul(world *w, slot a, slot b, slot y, const char *name)
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
    VEC_PUSH(w->mem, w->p->main.steps, s);
    return s;
}

/* ---- running ---- */

typedef struct {
    world *w;
    int64_t symbol; /* of every run-time dim */
    void **data;
    uint32_t n;
} memory;

static int64_t symbol_value(void *ctx, dim d)
{
    (void)d;
    return ((memory *)ctx)->symbol;
}

static size_t elems_of(memory *m, slot s)
{
    const slot_info *info = slot_at(m->w->p, s);
    size_t n = 1;
    for (uint32_t d = 0; d < info->rank; d++) n *= (size_t)dim_eval(m->w->t, info->extent[d], symbol_value, m);
    return n;
}

static void *slot_data(void *ctx, slot s)
{
    memory *m = ctx;
    assert_true(s < m->n);
    if (!m->data[s]) m->data[s] = calloc(elems_of(m, s) + 1, 8);
    return m->data[s];
}

static ex hand_over(void *ctx, ex e)
{
    const ex *pair = ctx; /* the kernel's accumulator, what stands for it */
    return e == pair[0] ? pair[1] : 0;
}

/* A matmul step as the nest that says the same. */
static nest *as_nest(world *w, const kernel *k)
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

static memory run(world *w, int64_t symbol, uint32_t seed)
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
            elem_set_double(info->type, data, i, info->type == ELEM_FLOAT ? (double)(state >> 8) / 4194304.0 - 2.0 : (double)((state >> 16) % 3));
        }
    }
    interp in = {.p = w->p, .data = slot_data, .value = symbol_value, .ctx = &m};
    for (uint32_t i = 0; i < w->p->main.steps.n; i++) {
        const step *s = w->p->main.steps.p[i];
        const char *why = "";
        assert_true(nest_run(&in, s->nest ? s->nest : as_nest(w, s->kernel), &why));
    }
    return m;
}

static void memory_free(memory *m)
{
    for (uint32_t s = 0; s < m->n; s++) free(m->data[s]);
    free(m->data);
}

typedef void (*builder)(world *w);

/* The fused program; it has n steps, and its outputs are those of the unfused one within `tolerance`. The caller frees mem. */
static world check_with(builder build, const fuse_options *o, uint32_t n, double tolerance, int64_t symbol)
{
    world plain = world_new(), fused = world_new();
    build(&plain);
    build(&fused);
    fuse(fused.p, o);
    text t = {.mem = fused.mem};
    program_text(fused.p, &t);
    if (fused.p->main.steps.n != n || getenv("FUSE_TEXT")) printf("%s\n", t.p);
    assert_int_equal(fused.p->main.steps.n, n);
    memory a = run(&plain, symbol, 1), b = run(&fused, symbol, 1);
    for (uint32_t i = 0; i < plain.p->outputs.n; i++) {
        const slot s = plain.p->outputs.p[i];
        const elem e = slot_at(plain.p, s)->type;
        for (size_t k = 0; k < elems_of(&a, s); k++) {
            const double want = elem_get_double(e, slot_data(&a, s), k), got = elem_get_double(e, slot_data(&b, s), k);
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

static void check(builder build, uint32_t n)
{
    world w = check_with(build, &ALL, n, 1e-6, 5);
    arena_free(w.mem);
}

static uint32_t stages_of(const world *w, uint32_t i)
{
    return w->p->main.steps.p[i]->nest->n_stages;
}

/* ---- models ---- */

static void softmax_nodes(world *w, slot x, slot y)
{
    const slot m = reduce_last(w, FOLD_MAX, x, 1, "max");
    const slot d = binary(w, EX_SUB, x, m, "sub", SLOT_TEMP);
    const slot e = unary(w, EX_EXP, d, "exp", SLOT_TEMP);
    const slot s = reduce_last(w, FOLD_SUM, e, 1, "sum");
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, EX_DIV, of(&q, e), of(&q, s)), "div");
}

static void build_softmax(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(3, 4, 37));
    softmax_nodes(w, x, like(w, "y", SLOT_OUTPUT, x));
}

static void softmax_from_five_nodes_is_one_step(void **state)
{
    (void)state;
    world w = check_with(build_softmax, &ALL, 1, 1e-6, 0);
    assert_int_equal(stages_of(&w, 0), 3); /* max; exp and its sum; quotient */
    uint32_t locals = 0;
    for (slot s = 1; s < w.p->slot.n; s++) {
        if (slot_at(w.p, s)->kind != SLOT_LOCAL) continue;
        assert_int_equal(slot_at(w.p, s)->rank, 1);
        locals++;
    }
    assert_int_equal(locals, 1);
    arena_free(w.mem);
    fuse_options o = ALL;
    o.reciprocals = true;
    w = check_with(build_softmax, &o, 1, 1e-6, 0);
    arena_free(w.mem);
}

static void layernorm_nodes(world *w, slot x, slot gain, slot bias, slot y, double n)
{
    const slot m = reduce_last(w, FOLD_SUM, x, 1 / n, "mean");
    const slot d = binary(w, EX_SUB, x, m, "sub", SLOT_TEMP);
    const slot q2 = binary(w, EX_MUL, d, d, "pow", SLOT_TEMP);
    const slot v = reduce_last(w, FOLD_SUM, q2, 1 / n, "mean2");
    const slot e = with_number(w, EX_ADD, v, 1e-5, "add_eps");
    const slot r = unary(w, EX_SQRT, e, "sqrt", SLOT_TEMP);
    const slot h = binary(w, EX_DIV, d, r, "div", SLOT_TEMP);
    const slot g = binary(w, EX_MUL, h, gain, "mul", SLOT_TEMP);
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, EX_ADD, of(&q, g), of(&q, bias)), "add");
}

static void build_layernorm(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(2, 5, 48)), g = make(w, "g", SLOT_INPUT, SHAPE(48)), b = make(w, "b", SLOT_INPUT, SHAPE(48));
    layernorm_nodes(w, x, g, b, like(w, "y", SLOT_OUTPUT, x), 48);
}

static void layernorm_from_nine_nodes_is_one_step(void **state)
{
    (void)state;
    world w = check_with(build_layernorm, &ALL, 1, 1e-6, 0);
    assert_int_equal(stages_of(&w, 0), 4); /* sum; squares; root; result */
    for (slot s = 1; s < w.p->slot.n; s++)
        if (slot_at(w.p, s)->kind == SLOT_LOCAL) assert_int_equal(slot_at(w.p, s)->rank, 0);
    arena_free(w.mem);
}

static void build_residual_layernorm(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(2, 5, 48)), r = make(w, "r", SLOT_INPUT, SHAPE(2, 5, 48)), b0 = make(w, "b0", SLOT_INPUT, SHAPE(48));
    const slot g = make(w, "g", SLOT_INPUT, SHAPE(48)), b = make(w, "b", SLOT_INPUT, SHAPE(48));
    const slot s = binary(w, EX_ADD, binary(w, EX_ADD, x, b0, "bias", SLOT_TEMP), r, "residual", SLOT_TEMP);
    layernorm_nodes(w, s, g, b, like(w, "y", SLOT_OUTPUT, x), 48);
}

static void bias_residual_and_layernorm_are_one_step(void **state)
{
    (void)state;
    check(build_residual_layernorm, 1);
}

static void build_chain(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(3, 7)), s = make(w, "s", SLOT_INPUT, SHAPE(7));
    slot v = binary(w, EX_MUL, x, s, "mul", SLOT_TEMP);
    v = unary(w, EX_EXP, v, "exp", SLOT_TEMP);
    v = with_number(w, EX_ADD, v, 1, "add");
    v = unary(w, EX_LOG, v, "log", SLOT_TEMP);
    v = unary(w, EX_TANH, v, "tanh", SLOT_TEMP);
    binary(w, EX_MUL, v, x, "y", SLOT_OUTPUT);
}

static void chain_of_six_maps_is_one_step(void **state)
{
    (void)state;
    check(build_chain, 1);
}

static void build_movement(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(4, 6, 5)), rows = tensor_of(w, "rows", SLOT_INPUT, ELEM_INT64, 1, (dim[]){num(w, 7)});
    const slot t = make(w, "t", SLOT_TEMP, SHAPE(6, 4, 5));
    transpose(w, x, t, (int[]){1, 0, 2}, "transpose");
    const slot s = make(w, "s", SLOT_TEMP, SHAPE(3, 4, 5)); /* every second row */
    pen q = map_to(w, s);
    dim i[3] = {dim_addc(w->t, dim_mulc(w->t, q.i[0], 2), 1), q.i[1], q.i[2]};
    store(&q, at_dims(w, t, i), "slice");
    const slot p = make(w, "p", SLOT_TEMP, SHAPE(3, 4, 9)); /* two cells of padding on both sides */
    q = map_to(w, p);
    i[0] = q.i[0], i[1] = q.i[1], i[2] = dim_addc(w->t, q.i[2], -2);
    store(&q, ex_select(w->x, ex_in_range(w->x, ex_dim(w->x, i[2]), num(w, 5)), at_dims(w, s, i), lit(w, 3)), "pad");
    const slot y = make(w, "y", SLOT_OUTPUT, SHAPE(7, 4, 9));
    q = map_to(w, y);
    const ex row = ex_index(w->x, at_dims(w, rows, q.i), ex_i(w->x, CT_I64, 3));
    const ex idx[3] = {row, ex_dim(w->x, q.i[1]), ex_dim(w->x, q.i[2])};
    store(&q, ex_load(w->x, p, ELEM_FLOAT, 3, idx), "gather");
}

static void transpose_slice_pad_and_gather_are_one_step(void **state)
{
    (void)state;
    check(build_movement, 1);
}

static void build_concat(world *w)
{
    const slot a = make(w, "a", SLOT_INPUT, SHAPE(3, 4)), b = make(w, "b", SLOT_INPUT, SHAPE(3, 6)), c = make(w, "c", SLOT_INPUT, SHAPE(3, 2));
    const slot y = make(w, "y", SLOT_OUTPUT, SHAPE(3, 12));
    const slot u = unary(w, EX_TANH, a, "tanh", SLOT_TEMP);
    const slot v = like(w, "v", SLOT_TEMP, b);
    softmax_nodes(w, b, v);
    copy_into(w, u, y, 1, 0, "concat");
    copy_into(w, v, y, 1, 4, "concat");
    copy_into(w, c, y, 1, 10, "concat");
}

static void producers_of_a_concat_write_in_place(void **state)
{
    (void)state;
    check(build_concat, 3);
}

static void build_merge_heads(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(2, 3, 4, 8)); /* batch, head, row, depth */
    const slot s = like(w, "s", SLOT_TEMP, x), t = make(w, "t", SLOT_TEMP, SHAPE(2, 4, 3, 8)), y = make(w, "y", SLOT_OUTPUT, SHAPE(2, 4, 24));
    softmax_nodes(w, x, s);
    transpose(w, s, t, (int[]){0, 2, 1, 3}, "transpose");
    reshape(w, t, y, "reshape");
}

static void row_step_stores_through_a_transpose_and_a_reshape(void **state)
{
    (void)state;
    check(build_merge_heads, 1);
}

static void gelu_nodes(world *w, slot v, const char *name, slot_kind kind)
{
    const slot d = with_number(w, EX_DIV, v, 1.41421356, "div");
    const slot e = unary(w, EX_ERF, d, "erf", SLOT_TEMP);
    const slot o = with_number(w, EX_ADD, e, 1, "add1");
    const slot m = binary(w, EX_MUL, v, o, "mul", SLOT_TEMP);
    const slot y = like(w, name, kind, v);
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, EX_MUL, of(&q, m), lit(w, 0.5)), "half");
}

static void build_matmul_gelu(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(2, 5, 6)), k = make(w, "w", SLOT_INPUT, SHAPE(6, 8)), b = make(w, "b", SLOT_INPUT, SHAPE(8));
    const slot m = make(w, "m", SLOT_TEMP, SHAPE(2, 5, 8));
    matmul(w, x, k, m, "matmul");
    gelu_nodes(w, binary(w, EX_ADD, m, b, "bias", SLOT_TEMP), "y", SLOT_OUTPUT);
}

static void bias_and_gelu_become_the_epilogue_of_a_matmul(void **state)
{
    (void)state;
    check(build_matmul_gelu, 1);
}

static void build_two_readers(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(4, 6)), k = make(w, "w", SLOT_INPUT, SHAPE(6, 6)), b = make(w, "b", SLOT_INPUT, SHAPE(6));
    const slot m = like(w, "m", SLOT_TEMP, x), m2 = like(w, "m2", SLOT_TEMP, x);
    matmul(w, x, k, m, "matmul");
    const slot r = binary(w, EX_ADD, binary(w, EX_ADD, m, b, "bias", SLOT_TEMP), x, "residual", SLOT_TEMP);
    const slot n = like(w, "n", SLOT_TEMP, x);
    layernorm_nodes(w, r, b, b, n, 6);
    matmul(w, n, k, m2, "matmul2");
    binary(w, EX_ADD, r, m2, "y", SLOT_OUTPUT);
}

static void residual_with_two_readers_is_stored_by_the_kernel(void **state)
{
    (void)state;
    check(build_two_readers, 3); /* matmul + bias + residual; layernorm; matmul + residual */
}

/* Attention as transformers write it: heads are split by reshape and transpose, which the matmuls read through. */
static void build_attention(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(1, 5, 8)), wq = make(w, "wq", SLOT_INPUT, SHAPE(8, 8)), wk = make(w, "wk", SLOT_INPUT, SHAPE(8, 8));
    const slot wv = make(w, "wv", SLOT_INPUT, SHAPE(8, 8));
    const slot weight[3] = {wq, wk, wv};
    slot head[3];
    for (int i = 0; i < 3; i++) {
        const slot m = like(w, "m", SLOT_TEMP, x), s = make(w, "split", SLOT_TEMP, SHAPE(1, 5, 2, 4));
        matmul(w, x, weight[i], m, "project");
        reshape(w, m, s, "reshape");
        head[i] = i == 1 ? make(w, "head", SLOT_TEMP, SHAPE(1, 2, 4, 5)) : make(w, "head", SLOT_TEMP, SHAPE(1, 2, 5, 4));
        transpose(w, s, head[i], i == 1 ? (int[]){0, 2, 3, 1} : (int[]){0, 2, 1, 3}, "transpose");
    }
    const slot score = make(w, "score", SLOT_TEMP, SHAPE(1, 2, 5, 5)), p = like(w, "p", SLOT_TEMP, score), o = make(w, "o", SLOT_TEMP, SHAPE(1, 2, 5, 4));
    matmul(w, head[0], head[1], score, "score");
    softmax_nodes(w, with_number(w, EX_DIV, score, 2, "scale"), p);
    matmul(w, p, head[2], o, "mix");
    const slot t = make(w, "t", SLOT_TEMP, SHAPE(1, 5, 2, 4)), y = make(w, "y", SLOT_OUTPUT, SHAPE(1, 5, 8));
    transpose(w, o, t, (int[]){0, 2, 1, 3}, "transpose");
    reshape(w, t, y, "reshape");
}

static void attention_is_five_matmuls_and_a_softmax(void **state)
{
    (void)state;
    check(build_attention, 6);
}

static void build_symbolic(world *w)
{
    const dim batch = dim_symbol(w->t, "batch", 1, INT64_MAX);
    const dim shape[3] = {batch, num(w, 3), num(w, 16)};
    const slot x = tensor_of(w, "x", SLOT_INPUT, ELEM_FLOAT, 3, shape);
    const slot s = like(w, "s", SLOT_TEMP, x);
    softmax_nodes(w, with_number(w, EX_MUL, x, 0.25, "scale"), s);
    const slot y = tensor_of(w, "y", SLOT_OUTPUT, ELEM_FLOAT, 2, (dim[]){batch, num(w, 48)});
    reshape(w, s, y, "reshape");
}

static void symbolic_batch_fuses_as_a_constant_one(void **state)
{
    (void)state;
    check(build_symbolic, 1);
}

static void build_written_between(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(8)), s = make(w, "s", SLOT_STATE, SHAPE(8)), y = make(w, "y", SLOT_OUTPUT, SHAPE(8));
    const slot t = with_number(w, EX_ADD, s, 1, "before"); /* reads the state before it changes */
    pen q = map_to(w, s);
    store(&q, of(&q, x), "write state");
    q = map_to(w, y);
    store(&q, ex_bin(w->x, EX_ADD, of(&q, t), of(&q, s)), "after");
}

static void map_is_not_moved_over_a_write_of_what_it_reads(void **state)
{
    (void)state;
    check(build_written_between, 2); /* the later two join */
}

static void build_scan(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(4, 9)), y = make(w, "y", SLOT_OUTPUT, SHAPE(4, 9)), c = like(w, "c", SLOT_TEMP, x);
    nest_builder b = nest_begin(w->p);
    const dim i[2] = {nest_axis(&b, num(w, 4)), stage_axis(&b, num(w, 9))};
    const ex acc = ex_acc(w->x, w->p->n_acc + 1, CT_F32), at[2] = {ex_dim(w->x, i[0]), ex_dim(w->x, i[1])};
    stage_store(&b, c, 2, at, acc); /* exclusive: before the fold */
    stage_fold(&b, FOLD_SUM, at_dims(w, x, i));
    nest_end(&b, &w->p->main, "cumsum");
    pen q = map_to(w, y);
    store(&q, ex_bin(w->x, EX_MUL, of(&q, c), of(&q, x)), "mul");
}

static void running_value_of_a_scan_is_not_read_after_it_changed(void **state)
{
    (void)state;
    check(build_scan, 1);
}

static void build_dead(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(4, 9));
    reduce_last(w, FOLD_SUM, unary(w, EX_EXP, x, "exp", SLOT_TEMP), 1, "sum");
    unary(w, EX_TANH, x, "y", SLOT_OUTPUT);
}

static void steps_that_nobody_reads_are_dropped(void **state)
{
    (void)state;
    check(build_dead, 1);
}

static void build_narrow(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(40));
    const slot h = tensor_of(w, "h", SLOT_TEMP, ELEM_FLOAT16, 1, (dim[]){num(w, 40)}), y = make(w, "y", SLOT_OUTPUT, SHAPE(40));
    pen q = map_to(w, h);
    store(&q, ex_bin(w->x, EX_MUL, of(&q, x), lit(w, 1.001)), "half");
    q = map_to(w, y);
    store(&q, ex_bin(w->x, EX_ADD, of(&q, h), lit(w, 1)), "add");
}

static void value_through_a_narrow_slot_stays_rounded(void **state)
{
    (void)state;
    world w = check_with(build_narrow, &ALL, 1, 0, 0);
    arena_free(w.mem);
}

static void thousands_of_steps_fuse_in_a_moment(void **state)
{
    (void)state;
    enum { LAYERS = 500 };
    world w = world_new();
    slot x = make(&w, "x", SLOT_INPUT, SHAPE(4, 16));
    const slot g = make(&w, "g", SLOT_INPUT, SHAPE(16)), k = make(&w, "k", SLOT_INPUT, SHAPE(16, 16));
    for (int i = 0; i < LAYERS; i++) {
        const slot n = like(&w, "n", SLOT_TEMP, x), m = like(&w, "m", SLOT_TEMP, x);
        layernorm_nodes(&w, x, g, g, n, 16);
        matmul(&w, n, k, m, "matmul");
        x = binary(&w, EX_ADD, m, x, "residual", SLOT_TEMP);
    }
    unary(&w, EX_TANH, x, "y", SLOT_OUTPUT);
    assert_true(w.p->main.steps.n > 11 * LAYERS);
    const clock_t start = clock();
    fuse(w.p, &ALL);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (getenv("FUSE_TEXT")) printf("%g s\n", seconds);
    assert_int_equal(w.p->main.steps.n, 2 * LAYERS);
    assert_true(seconds < 5); /* far above what it takes, for instrumented builds */
    arena_free(w.mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_from_five_nodes_is_one_step),
        cmocka_unit_test(layernorm_from_nine_nodes_is_one_step),
        cmocka_unit_test(bias_residual_and_layernorm_are_one_step),
        cmocka_unit_test(chain_of_six_maps_is_one_step),
        cmocka_unit_test(transpose_slice_pad_and_gather_are_one_step),
        cmocka_unit_test(producers_of_a_concat_write_in_place),
        cmocka_unit_test(row_step_stores_through_a_transpose_and_a_reshape),
        cmocka_unit_test(bias_and_gelu_become_the_epilogue_of_a_matmul),
        cmocka_unit_test(residual_with_two_readers_is_stored_by_the_kernel),
        cmocka_unit_test(attention_is_five_matmuls_and_a_softmax),
        cmocka_unit_test(symbolic_batch_fuses_as_a_constant_one),
        cmocka_unit_test(map_is_not_moved_over_a_write_of_what_it_reads),
        cmocka_unit_test(running_value_of_a_scan_is_not_read_after_it_changed),
        cmocka_unit_test(steps_that_nobody_reads_are_dropped),
        cmocka_unit_test(value_through_a_narrow_slot_stays_rounded),
        cmocka_unit_test(thousands_of_steps_fuse_in_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
