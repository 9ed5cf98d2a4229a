/* Random programs compute the same bits fused and unfused, with every choice of rules. */
#include "fuse_world.h"

static uint32_t seed;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 10) % n;
}

typedef struct {
    world *w;
    slot s[64];
    uint32_t n;
} pool;

static slot pick(pool *q)
{
    return q->s[draw(2) ? q->n - 1 - draw(q->n < 4 ? q->n : 4) : draw(q->n)];
}

static int64_t extent(pool *q, slot s, uint32_t d)
{
    int64_t v = 0;
    assert_true(dim_is_const(q->w->t, slot_at(q->w->p, s)->extent[d], &v));
    return v;
}

static uint32_t rank(pool *q, slot s)
{
    return slot_at(q->w->p, s)->rank;
}

static slot temp(pool *q, uint32_t r, const int64_t *shape)
{
    return make(q->w, arena_printf(q->w->mem, "t%u", q->w->p->slot.n), SLOT_TEMP, r, shape);
}

static void shape_of(pool *q, slot s, int64_t *shape)
{
    for (uint32_t d = 0; d < rank(q, s); d++) shape[d] = extent(q, s, d);
}

static slot random_map(pool *q, slot a)
{
    static const ex_op ops[] = {EX_TANH, EX_NEG, EX_ABS, EX_ERF, EX_RINT};
    return unary(q->w, ops[draw(5)], a, "unary", SLOT_TEMP);
}

/* With another slot that broadcasts to it, or itself. */
static slot random_binary(pool *q, slot a)
{
    static const ex_op ops[] = {EX_ADD, EX_SUB, EX_MUL, EX_MAX};
    slot b = a;
    for (int tries = 0; tries < 20; tries++) {
        const slot c = pick(q);
        bool fits = rank(q, c) <= rank(q, a);
        for (uint32_t d = 0; fits && d < rank(q, c); d++)
            fits = extent(q, c, d) == 1 || extent(q, c, d) == extent(q, a, rank(q, a) - rank(q, c) + d);
        if (!fits) continue;
        b = c;
        break;
    }
    return binary(q->w, ops[draw(4)], a, b, "binary", SLOT_TEMP);
}

static slot random_transpose(pool *q, slot a)
{
    int perm[MAX_RANK];
    int64_t shape[MAX_RANK];
    const uint32_t r = rank(q, a);
    for (uint32_t d = 0; d < r; d++) perm[d] = (int)d;
    for (uint32_t d = r; d > 1; d--) {
        const uint32_t k = draw(d);
        const int p = perm[k];
        perm[k] = perm[d - 1];
        perm[d - 1] = p;
    }
    for (uint32_t d = 0; d < r; d++) shape[d] = extent(q, a, (uint32_t)perm[d]);
    const slot y = temp(q, r, shape);
    transpose(q->w, a, y, perm, "transpose");
    return y;
}

/* Joins two neighbouring dimensions or splits one by two. */
static slot random_reshape(pool *q, slot a)
{
    int64_t shape[MAX_RANK];
    uint32_t r = rank(q, a);
    shape_of(q, a, shape);
    const uint32_t at = draw(r);
    if (draw(2) && at + 1 < r && r > 2) {
        shape[at] *= shape[at + 1];
        memmove(shape + at + 1, shape + at + 2, (r - at - 2) * sizeof *shape);
        r--;
    } else if (r < 5 && shape[at] % 2 == 0) {
        memmove(shape + at + 1, shape + at, (r - at) * sizeof *shape);
        shape[at] /= 2;
        shape[at + 1] = 2;
        r++;
    }
    const slot y = temp(q, r, shape);
    reshape(q->w, a, y, "reshape");
    return y;
}

static slot random_slice_or_pad(pool *q, slot a, bool pad)
{
    int64_t shape[MAX_RANK];
    const uint32_t r = rank(q, a), at = draw(r);
    const int64_t from = pad ? -(int64_t)draw(3) : (int64_t)draw(2), stride = pad ? 1 : 1 + (int64_t)draw(2), old = extent(q, a, at);
    shape_of(q, a, shape);
    shape[at] = pad ? old - from + draw(2) : (old - from + stride - 1) / stride;
    if (shape[at] < 1) return a;
    const slot y = temp(q, r, shape);
    pen p = map_to(q->w, y);
    dim i[MAX_RANK];
    memcpy(i, p.i, sizeof i);
    i[at] = dim_addc(q->w->t, dim_mulc(q->w->t, p.i[at], stride), from);
    const ex inside = ex_in_range(q->w->x, ex_dim(q->w->x, i[at]), num(q->w, old));
    const ex v = at_dims(q->w, a, i);
    store(&p, pad ? ex_select(q->w->x, inside, v, lit(q->w, 0.5)) : v, pad ? "pad" : "slice");
    return y;
}

/* Of slots that differ at most in one dimension. */
static slot random_concat(pool *q, slot a)
{
    int64_t shape[MAX_RANK];
    const uint32_t r = rank(q, a), at = draw(r);
    slot part[3] = {a};
    uint32_t n = 1;
    for (int tries = 0; tries < 12 && n < 3; tries++) {
        const slot b = pick(q);
        bool fits = rank(q, b) == r;
        for (uint32_t d = 0; fits && d < r; d++) fits = d == at || extent(q, b, d) == extent(q, a, d);
        if (fits) part[n++] = b;
    }
    shape_of(q, a, shape);
    shape[at] = 0;
    for (uint32_t i = 0; i < n; i++) shape[at] += extent(q, part[i], at);
    const slot y = temp(q, r, shape);
    int64_t offset = 0;
    for (uint32_t i = 0; i < n; i++) {
        copy_into(q->w, part[i], y, at, offset, "concat");
        offset += extent(q, part[i], at);
    }
    return y;
}

static slot random_matmul(pool *q, slot a)
{
    int64_t shape[MAX_RANK], weight[2];
    const uint32_t r = rank(q, a);
    if (r < 2) return a;
    shape_of(q, a, shape);
    weight[0] = shape[r - 1];
    weight[1] = shape[r - 1] = 2 * (1 + (int64_t)draw(3));
    const slot y = temp(q, r, shape);
    slot b = make(q->w, "w", SLOT_INPUT, 2, weight);
    if (draw(2)) {
        b = make(q->w, "wt", SLOT_INPUT, SHAPE(weight[1], weight[0]));
        const slot t = temp(q, 2, weight);
        transpose(q->w, b, t, (int[]){1, 0}, "transpose");
        b = t;
    }
    matmul(q->w, a, b, y, "matmul");
    return y;
}

static slot random_scan(pool *q, slot a)
{
    world *w = q->w;
    const slot y = like(w, "scan", SLOT_TEMP, a);
    const uint32_t r = rank(q, a), along = draw(r);
    nest_builder b = nest_begin(w->p);
    dim i[MAX_RANK];
    ex at[MAX_RANK];
    for (uint32_t d = 0; d < r; d++)
        if (d != along) i[d] = nest_axis(&b, num(w, extent(q, a, d)));
    nest_stage(&b);
    i[along] = stage_axis(&b, num(w, extent(q, a, along)));
    for (uint32_t d = 0; d < r; d++) at[d] = ex_dim(w->x, i[d]);
    const ex acc = ex_acc(w->x, w->p->n_acc + 1, CT_F32);
    const bool exclusive = draw(2);
    if (exclusive) stage_store(&b, y, r, at, acc);
    stage_fold(&b, FOLD_SUM, at_dims(w, a, i));
    if (!exclusive) stage_store(&b, y, r, at, acc);
    nest_end(&b, &w->p->main, "scan");
    return y;
}

static slot random_gather(pool *q, slot a)
{
    world *w = q->w;
    int64_t shape[MAX_RANK];
    const uint32_t at = draw(rank(q, a));
    shape_of(q, a, shape);
    const int64_t old = shape[at];
    if (old < 3) return a;
    shape[at] = 1 + (int64_t)draw(5);
    const slot rows = tensor_of(w, "rows", SLOT_INPUT, ELEM_INT64, 1, (dim[]){num(w, shape[at])}), y = temp(q, rank(q, a), shape);
    pen p = map_to(w, y);
    ex idx[MAX_RANK];
    for (uint32_t d = 0; d < p.rank; d++) idx[d] = ex_dim(w->x, p.i[d]);
    idx[at] = ex_index(w->x, at_dims(w, rows, &p.i[at]), ex_i(w->x, CT_I64, old));
    store(&p, ex_load(w->x, a, ELEM_FLOAT, p.rank, idx), "gather");
    return y;
}

/* A copy, then stores at data-dependent rows, the last one winning. */
static slot random_scatter(pool *q, slot a)
{
    world *w = q->w;
    const uint32_t r = rank(q, a);
    if (extent(q, a, 0) < 3) return a;
    const slot y = like(w, "scatter", SLOT_TEMP, a), rows = tensor_of(w, "rows", SLOT_INPUT, ELEM_INT64, 1, (dim[]){num(w, 2)});
    copy_into(w, a, y, 0, 0, "copy");
    nest_builder b = nest_begin(w->p);
    dim i[MAX_RANK];
    ex at[MAX_RANK];
    const dim k = nest_axis(&b, num(w, 2));
    for (uint32_t d = 1; d < r; d++) i[d] = nest_axis(&b, num(w, extent(q, a, d)));
    i[0] = k;
    for (uint32_t d = 0; d < r; d++) at[d] = ex_dim(w->x, i[d]);
    at[0] = at_dims(w, rows, &k);
    sink *s = stage_store(&b, y, r, at, ex_un(w->x, EX_NEG, at_dims(w, a, i)));
    if (draw(2)) s->fold = FOLD_SUM;
    s->in_order = true;
    nest_end(&b, &w->p->main, "scatter");
    return y;
}

static slot random_narrow(pool *q, slot a)
{
    world *w = q->w;
    const slot_info info = *slot_at(w->p, a);
    const slot h = tensor_of(w, "half", SLOT_TEMP, ELEM_FLOAT16, info.rank, info.extent), y = like(w, "wide", SLOT_TEMP, a);
    pen p = map_to(w, h);
    store(&p, of(&p, a), "narrow");
    p = map_to(w, y);
    store(&p, of(&p, h), "widen");
    return y;
}

static slot random_op(pool *q, slot a)
{
    switch (draw(16)) {
    case 0:
    case 1: return random_map(q, a);
    case 2:
    case 3:
    case 4: return random_binary(q, a);
    case 5: return random_transpose(q, a);
    case 6: return random_reshape(q, a);
    case 7: return random_slice_or_pad(q, a, false);
    case 8: return random_slice_or_pad(q, a, true);
    case 9: return random_concat(q, a);
    case 10: return random_matmul(q, a);
    case 11: return random_scan(q, a);
    case 12: return draw(2) ? random_gather(q, a) : random_scatter(q, a);
    case 13: return random_narrow(q, a);
    case 14: return reduce_last(q->w, draw(2) ? FOLD_SUM : FOLD_MAX, a, draw(2) ? 1 : 0.25, "reduce");
    default: {
        const slot y = like(q->w, "softmax", SLOT_TEMP, a);
        softmax_nodes(q->w, a, y);
        return y;
    }
    }
}

static uint32_t program_seed;

static void build_random(world *w)
{
    pool q = {.w = w};
    seed = program_seed;
    q.s[q.n++] = make(w, "x", SLOT_INPUT, SHAPE(2, 4, 6));
    q.s[q.n++] = make(w, "z", SLOT_INPUT, SHAPE(4, 6));
    q.s[q.n++] = constant(w, "c", SHAPE(6));
    q.s[q.n++] = constant(w, "d", SHAPE(4, 1));
    const uint32_t ops = 3 + draw(12);
    for (uint32_t i = 0; i < ops; i++) {
        const slot y = random_op(&q, pick(&q));
        double elems = 1;
        for (uint32_t d = 0; d < rank(&q, y); d++) elems *= (double)extent(&q, y, d);
        if (elems < 3000) q.s[q.n++] = y;
    }
    unary(w, EX_NEG, q.s[q.n - 1], "y", SLOT_OUTPUT);
    for (uint32_t i = draw(3); i-- > 0;) {
        const slot s = pick(&q);
        copy_into(w, s, like(w, "more", SLOT_OUTPUT, s), 0, 0, "output");
    }
}

static void random_programs_keep_their_bits(void **state)
{
    (void)state;
    const char *one = getenv("FUSE_SEED"), *count = getenv("FUSE_COUNT");
    const uint32_t first = one ? (uint32_t)strtoul(one, NULL, 10) : 1, n = one ? 1 : count ? (uint32_t)strtoul(count, NULL, 10) : 400;
    for (uint32_t i = first; i < first + n; i++) {
        program_seed = i * 2654435761u;
        fuse_options o = ALL;
        if (i % 4 == 1) o.epilogues = i % 8 == 1, o.merge_rows = i % 8 != 1;
        if (i % 4 == 2) o.inline_maps = false, o.merge_stages = i % 8 == 2;
        if (one || count) printf("%u\n", i);
        with_aliases = i % 3 != 0;
        world w = check_with(build_random, i % 9 == 1 ? NULL : &o, 0, 0, 0);
        arena_free(w.mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs_keep_their_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
