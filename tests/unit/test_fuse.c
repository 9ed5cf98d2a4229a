/* Fusion: the text of fused programs, and that they compute what the unfused ones do. */
#include <time.h>

#include "fuse_world.h"

/* ---- models ---- */

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

/* Channels first, as a convolution leaves them. */
static void build_transposed_layernorm(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(48, 5)), r = make(w, "r", SLOT_INPUT, SHAPE(5, 48)), g = make(w, "g", SLOT_INPUT, SHAPE(48)), b = make(w, "b", SLOT_INPUT, SHAPE(48));
    const slot t = make(w, "t", SLOT_TEMP, SHAPE(5, 48));
    transpose(w, x, t, (int[]){1, 0}, "transpose");
    layernorm_nodes(w, binary(w, EX_ADD, t, r, "residual", SLOT_TEMP), g, b, make(w, "y", SLOT_OUTPUT, SHAPE(5, 48)), 48);
}

static void what_is_far_apart_is_loaded_once(void **state)
{
    (void)state;
    world w = check_with(build_transposed_layernorm, &ALL, 1, 1e-6, 0);
    text t = {.mem = w.mem};
    program_text(w.p, &t);
    assert_non_null(strstr(t.p, "{ for i15 < 48: residual[i15] = r[i14,i15] + x[i15,i14];")); /* and not in the later stages */
    assert_null(strstr(strstr(t.p, "a2 = "), "x[i15,i14]"));
    arena_free(w.mem);
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
    world w = check_with(build_matmul_gelu, &ALL, 1, 1e-6, 0);
    text t = {.mem = w.mem};
    program_text(w.p, &t);
    assert_non_null(strstr(t.p, "kernel  matmul + bias + div + erf + add1 + mul + half  matmul(out y, in x, in w)"));
    assert_null(strstr(t.p, "temp"));
    arena_free(w.mem);
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
    world w = check_with(build_attention, &ALL, 6, 1e-6, 0);
    text t = {.mem = w.mem};
    program_text(w.p, &t);
    assert_null(strstr(t.p, "head")); /* the split heads are read in place */
    assert_non_null(strstr(t.p, "nest    max + sub + exp + sum + div"));
    arena_free(w.mem);
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

/* s starts as x; every turn s = s + first, where first keeps what s was before the loop. */
static void build_loop(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(6)), trip = tensor_of(w, "trip", SLOT_INPUT, ELEM_INT64, 0, NULL);
    const slot s = like(w, "s", SLOT_TEMP, x), first = like(w, "first", SLOT_TEMP, x), twice = with_number(w, EX_MUL, x, 2, "twice");
    copy_into(w, x, s, 0, 0, "start");
    copy_into(w, s, first, 0, 0, "keep");
    step *loop = control_step(w, STEP_LOOP, trip);
    w->to = loop->control->then;
    const slot sum = binary(w, EX_ADD, s, first, "sum", SLOT_TEMP);
    const slot next = binary(w, EX_ADD, sum, twice, "next", SLOT_TEMP);
    loop->control->n_carried = 1;
    loop->control->state = arena_copy(w->mem, &s, sizeof s);
    loop->control->next = arena_copy(w->mem, &next, sizeof next);
    w->to = NULL;
    binary(w, EX_SUB, s, first, "y", SLOT_OUTPUT);
}

static void value_from_before_a_loop_stays_when_the_loop_changes_its_source(void **state)
{
    (void)state;
    for (int trip = 0; trip < 3; trip++) {
        world w = check_with(build_loop, &ALL, 5, 0, trip);
        assert_int_equal(w.p->main.steps.p[3]->control->then->steps.n, 1);
        arena_free(w.mem);
    }
}

static void build_if(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(6)), c = tensor_of(w, "c", SLOT_INPUT, ELEM_BOOL, 0, NULL), t = like(w, "t", SLOT_TEMP, x);
    const slot a = with_number(w, EX_ADD, x, 1, "before");
    step *s = control_step(w, STEP_IF, c);
    w->to = s->control->then;
    pen q = map_to(w, t);
    store(&q, ex_un(w->x, EX_NEG, of(&q, a)), "then");
    w->to = s->control->otherwise;
    q = map_to(w, t);
    store(&q, ex_un(w->x, EX_ABS, of(&q, x)), "else");
    w->to = NULL;
    unary(w, EX_TANH, t, "y", SLOT_OUTPUT);
}

static void slot_that_two_branches_write_is_not_inlined(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) arena_free(check_with(build_if, &ALL, 3, 0, c).mem);
}

static void build_dense(world *w)
{
    slot x = make(w, "x", SLOT_INPUT, SHAPE(2, 4, 8)), part[4], k = make(w, "k", SLOT_INPUT, SHAPE(8, 8));
    part[0] = unary(w, EX_TANH, x, "tanh", SLOT_TEMP);
    for (int64_t i = 1; i < 4; i++) { /* every layer reads all parts before it */
        const slot cat = make(w, "cat", i < 3 ? SLOT_TEMP : SLOT_OUTPUT, SHAPE(2, 4 * i, 8)), s = make(w, "s", SLOT_TEMP, SHAPE(2, 4, 8));
        for (int64_t j = 0; j < i; j++) copy_into(w, part[j], cat, 1, 4 * j, "concat");
        pen q = map_to(w, s);
        const dim at[3] = {q.i[0], dim_addc(w->t, q.i[1], 4 * (i - 1)), q.i[2]}, top[3] = {q.i[0], q.i[1], q.i[2]};
        store(&q, ex_un(w->x, EX_ERF, ex_bin(w->x, EX_ADD, at_dims(w, cat, at), at_dims(w, cat, top))), "use");
        part[i] = like(w, "part", SLOT_TEMP, s);
        matmul(w, s, k, part[i], "matmul");
    }
    unary(w, EX_NEG, part[3], "y", SLOT_OUTPUT);
}

static void chain_of_concats_keeps_one_buffer(void **state)
{
    (void)state;
    check(build_dense, 7); /* tanh, and in every layer the map and the matmul */
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

static void build_batchnorm(world *w)
{
    const slot x = make(w, "x", SLOT_INPUT, SHAPE(2, 5, 7));
    slot of_channel[4];
    for (int i = 0; i < 4; i++) of_channel[i] = constant(w, "parameter", SHAPE(5));
    const slot y = like(w, "y", SLOT_OUTPUT, x);
    pen q = map_to(w, y);
    ex v[4];
    for (int i = 0; i < 4; i++) v[i] = at_dims(w, of_channel[i], &q.i[1]);
    const ex scale = ex_bin(w->x, EX_DIV, v[0], ex_un(w->x, EX_SQRT, ex_bin(w->x, EX_ADD, v[1], lit(w, 1e-5))));
    const ex shift = ex_bin(w->x, EX_SUB, v[2], ex_bin(w->x, EX_MUL, v[3], scale));
    store(&q, ex_bin(w->x, EX_ADD, ex_bin(w->x, EX_MUL, of(&q, x), scale), shift), "batchnorm");
}

static void what_is_made_of_constants_alone_is_a_constant(void **state)
{
    (void)state;
    world w = check_with(build_batchnorm, &ALL, 1, 1e-6, 0);
    const nest *n = w.p->main.steps.p[0]->nest;
    assert_true(ex_cost(w.x, n->stage[0].sink[0].value) < 4); /* a product, a sum, three loads */
    arena_free(w.mem);
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
        cmocka_unit_test(what_is_far_apart_is_loaded_once),
        cmocka_unit_test(chain_of_six_maps_is_one_step),
        cmocka_unit_test(transpose_slice_pad_and_gather_are_one_step),
        cmocka_unit_test(producers_of_a_concat_write_in_place),
        cmocka_unit_test(row_step_stores_through_a_transpose_and_a_reshape),
        cmocka_unit_test(bias_and_gelu_become_the_epilogue_of_a_matmul),
        cmocka_unit_test(residual_with_two_readers_is_stored_by_the_kernel),
        cmocka_unit_test(attention_is_five_matmuls_and_a_softmax),
        cmocka_unit_test(symbolic_batch_fuses_as_a_constant_one),
        cmocka_unit_test(map_is_not_moved_over_a_write_of_what_it_reads),
        cmocka_unit_test(value_from_before_a_loop_stays_when_the_loop_changes_its_source),
        cmocka_unit_test(slot_that_two_branches_write_is_not_inlined),
        cmocka_unit_test(chain_of_concats_keeps_one_buffer),
        cmocka_unit_test(running_value_of_a_scan_is_not_read_after_it_changed),
        cmocka_unit_test(what_is_made_of_constants_alone_is_a_constant),
        cmocka_unit_test(steps_that_nobody_reads_are_dropped),
        cmocka_unit_test(value_through_a_narrow_slot_stays_rounded),
        cmocka_unit_test(thousands_of_steps_fuse_in_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
