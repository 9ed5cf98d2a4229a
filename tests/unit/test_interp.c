/* The interpreter: whole operators written as nests, against plain C. */
#include "expr/nest.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fmath.h"
#include "base/half.h"

static arena *A;
static program *P;
static exprs *X;
static dims *D;
static void *data_of[64]; /* by slot */
static int64_t batch;     /* value of every symbol */

static int setup(void **s)
{
    (void)s;
    A = arena_new();
    P = program_new(A, model_new(A, diag_new(A, "test")));
    X = P->ex;
    D = P->dims;
    memset(data_of, 0, sizeof data_of);
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    arena_free(A);
    return 0;
}

static dim c(int64_t v)
{
    return dim_const(D, v);
}
static ex k(int64_t v)
{
    return ex_i(X, CT_I64, v);
}
static ex f(double v)
{
    return ex_f(X, CT_F32, v);
}
static ex d(dim v)
{
    return ex_dim(X, v);
}
static ex add(ex a, ex b)
{
    return ex_bin(X, EX_ADD, a, b);
}
static ex sub(ex a, ex b)
{
    return ex_bin(X, EX_SUB, a, b);
}
static ex mul(ex a, ex b)
{
    return ex_bin(X, EX_MUL, a, b);
}
static ex divide(ex a, ex b)
{
    return ex_bin(X, EX_DIV, a, b);
}

/* A slot of fixed sizes with zeroed memory. */
static slot tensor_of(elem t, uint32_t rank, const int64_t *size)
{
    dim shape[MAX_RANK];
    size_t n = 1;
    for (uint32_t i = 0; i < rank; i++) {
        shape[i] = c(size[i]);
        n *= (size_t)size[i];
    }
    const slot s = slot_new(P, "t", t, SLOT_INPUT, rank, shape);
    data_of[s] = arena_alloc(A, elem_bytes(t, n) + 8);
    return s;
}
#define TENSOR(t, ...) tensor_of(t, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static float *floats(slot s)
{
    return data_of[s];
}
static int64_t *ints(slot s)
{
    return data_of[s];
}

static float noise(void)
{
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (float)(state >> 8) / 4194304.0f - 2.0f;
}

static void fill(slot s, int n)
{
    for (int i = 0; i < n; i++) floats(s)[i] = noise();
}

#define LOAD(s, ...) load_at(s, (ex[]){__VA_ARGS__})
static ex load_at(slot s, const ex *at)
{
    const slot_info *i = slot_at(P, s);
    return ex_load(X, s, i->type, i->rank, at);
}
#define STORE(b, s, v, ...) stage_store(b, s, slot_at(P, s)->rank, (ex[]){__VA_ARGS__}, v)

static void *get_data(void *ctx, slot s)
{
    (void)ctx;
    return data_of[s];
}
static int64_t get_value(void *ctx, dim symbol)
{
    (void)ctx, (void)symbol;
    return batch;
}

static bool run(nest_builder *b, const char **why)
{
    const interp in = {P, get_data, get_value, NULL};
    const step *s = nest_end(b, &P->main, "test");
    return nest_run(&in, s->nest, why);
}

static void run_ok(nest_builder *b)
{
    const char *why = NULL;
    if (!run(b, &why)) fail_msg("%s", why);
}

/* Sum as DESIGN section 10 defines it. */
static float sum16(const float *v, int n)
{
    float p[16] = {0};
    for (int i = 0; i < n; i++) p[i % 16] += v[i];
    for (int h = 8; h; h /= 2)
        for (int i = 0; i < h; i++) p[i] += p[i + h];
    return p[0];
}

static void softmax_is_bit_exact(void **s)
{
    (void)s;
    enum { N = 7, M = 300 };
    const slot x = TENSOR(ELEM_FLOAT, N, M), y = TENSOR(ELEM_FLOAT, N, M);
    fill(x, N * M);
    const dim m_ext = c(M);
    const slot row = slot_new(P, "row", ELEM_FLOAT, SLOT_LOCAL, 1, &m_ext);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(N)));
    nest_stage(&b);
    ex j = d(stage_axis(&b, m_ext));
    const ex top = stage_fold(&b, FOLD_MAX, LOAD(x, i, j));
    nest_stage(&b);
    j = d(stage_axis(&b, m_ext));
    const ex e = ex_un(X, EX_EXP, sub(LOAD(x, i, j), top));
    STORE(&b, row, e, j);
    const ex total = stage_fold(&b, FOLD_SUM, e);
    nest_stage(&b);
    j = d(stage_axis(&b, m_ext));
    STORE(&b, y, divide(LOAD(row, j), total), i, j);
    run_ok(&b);
    for (int r = 0; r < N; r++) {
        const float *v = floats(x) + r * M;
        float most = -INFINITY, t[M];
        for (int q = 0; q < M; q++) most = v[q] > most ? v[q] : most;
        for (int q = 0; q < M; q++) t[q] = (float)fm_exp((double)(v[q] - most));
        const float sum = sum16(t, M);
        for (int q = 0; q < M; q++) assert_true(floats(y)[r * M + q] == t[q] / sum);
    }
}

static void layernorm_works_on_a_dynamic_batch(void **s)
{
    (void)s;
    enum { H = 40 };
    const dim shape[] = {dim_symbol(D, "batch", 1, 64), c(H)};
    const slot x = slot_new(P, "x", ELEM_FLOAT, SLOT_INPUT, 2, shape), y = slot_new(P, "y", ELEM_FLOAT, SLOT_OUTPUT, 2, shape);
    const slot gain = TENSOR(ELEM_FLOAT, H);
    batch = 5;
    data_of[x] = arena_alloc(A, 5 * H * 4);
    data_of[y] = arena_alloc(A, 5 * H * 4);
    fill(x, 5 * H);
    fill(gain, H);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, shape[0]));
    ex h = d(stage_axis(&b, shape[1]));
    const ex mean = mul(stage_fold(&b, FOLD_SUM, LOAD(x, i, h)), f(1.0 / H));
    nest_stage(&b);
    h = d(stage_axis(&b, shape[1]));
    const ex centred = sub(LOAD(x, i, h), mean);
    const ex var = mul(stage_fold(&b, FOLD_SUM, mul(centred, centred)), f(1.0 / H));
    nest_stage(&b);
    h = d(stage_axis(&b, shape[1]));
    const ex scale = divide(f(1), ex_un(X, EX_SQRT, add(var, f(1e-5))));
    STORE(&b, y, mul(mul(sub(LOAD(x, i, h), mean), scale), LOAD(gain, h)), i, h);
    run_ok(&b);
    for (int r = 0; r < batch; r++) {
        double m = 0, v = 0;
        for (int q = 0; q < H; q++) m += (double)floats(x)[r * H + q] / H;
        for (int q = 0; q < H; q++) v += pow((double)floats(x)[r * H + q] - m, 2) / H;
        for (int q = 0; q < H; q++)
            assert_true(fabs((double)floats(y)[r * H + q] - ((double)floats(x)[r * H + q] - m) / sqrt(v + 1e-5) * (double)floats(gain)[q]) < 1e-5);
    }
}

static void argmax_is_two_folds(void **s)
{
    (void)s;
    enum { N = 4, M = 37 };
    const slot x = TENSOR(ELEM_FLOAT, N, M), y = TENSOR(ELEM_INT64, N);
    fill(x, N * M);
    floats(x)[5] = floats(x)[9] = 100; /* a tie: the first wins */
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(N)));
    ex j = d(stage_axis(&b, c(M)));
    const ex top = stage_fold(&b, FOLD_MAX, LOAD(x, i, j));
    nest_stage(&b);
    j = d(stage_axis(&b, c(M)));
    const ex at = stage_fold(&b, FOLD_MIN, ex_select(X, ex_bin(X, EX_EQ, LOAD(x, i, j), top), j, k(INT64_MAX)));
    nest_stage(&b);
    STORE(&b, y, at, i);
    run_ok(&b);
    for (int r = 0; r < N; r++) {
        int best = 0;
        for (int q = 1; q < M; q++)
            if (floats(x)[r * M + q] > floats(x)[r * M + best]) best = q;
        assert_int_equal(ints(y)[r], best);
    }
}

static void cumsum_is_a_scan(void **s)
{
    (void)s;
    enum { N = 3, M = 20 };
    const slot x = TENSOR(ELEM_FLOAT, N, M), in = TENSOR(ELEM_FLOAT, N, M), before = TENSOR(ELEM_FLOAT, N, M);
    fill(x, N * M);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(N)));
    nest_stage(&b);
    const ex j = d(stage_axis(&b, c(M)));
    const ex acc = ex_acc(X, P->n_acc + 1, CT_F32); /* read before it is folded: exclusive */
    STORE(&b, before, acc, i, j);
    assert_int_equal(stage_fold(&b, FOLD_SUM, LOAD(x, i, j)), acc);
    STORE(&b, in, acc, i, j);
    run_ok(&b);
    for (int r = 0; r < N; r++) {
        float sum = 0;
        for (int q = 0; q < M; q++) {
            assert_true(floats(before)[r * M + q] == sum);
            sum += floats(x)[r * M + q];
            assert_true(floats(in)[r * M + q] == sum);
        }
    }
}

static void padded_max_pool_reads_nothing_outside(void **s)
{
    (void)s;
    enum { H = 9, W = 11, OH = 5, OW = 6 };
    const slot x = TENSOR(ELEM_FLOAT, H, W), y = TENSOR(ELEM_FLOAT, OH, OW);
    fill(x, H * W);
    nest_builder b = nest_begin(P);
    const ex oh = d(nest_axis(&b, c(OH))), ow = d(nest_axis(&b, c(OW)));
    const ex kh = d(stage_axis(&b, c(3))), kw = d(stage_axis(&b, c(3)));
    const ex ih = sub(add(mul(oh, k(2)), kh), k(1)), iw = sub(add(mul(ow, k(2)), kw), k(1));
    const ex inside = ex_bin(X, EX_AND, ex_in_range(X, ih, c(H)), ex_in_range(X, iw, c(W)));
    const ex top = stage_fold(&b, FOLD_MAX, ex_select(X, inside, LOAD(x, ih, iw), f(-(double)INFINITY)));
    nest_stage(&b);
    STORE(&b, y, ex_bin(X, EX_MAX, top, f(0)), oh, ow);
    run_ok(&b);
    for (int p = 0; p < OH; p++)
        for (int q = 0; q < OW; q++) {
            float most = 0;
            for (int r = 2 * p - 1; r < 2 * p + 2; r++)
                for (int t = 2 * q - 1; t < 2 * q + 2; t++)
                    if (r >= 0 && r < H && t >= 0 && t < W && floats(x)[r * W + t] > most) most = floats(x)[r * W + t];
            assert_true(floats(y)[p * OW + q] == most);
        }
}

static void pad_of_an_empty_tensor_is_all_fill(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 0), y = TENSOR(ELEM_FLOAT, 4);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(4))), j = sub(i, k(2));
    STORE(&b, y, ex_select(X, ex_in_range(X, j, c(0)), LOAD(x, j), f(7)), i);
    run_ok(&b);
    for (int q = 0; q < 4; q++) assert_true(floats(y)[q] == 7);
}

static void a_sum_over_nothing_is_the_identity(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 3, 0), one = TENSOR(ELEM_FLOAT, 0), y = TENSOR(ELEM_FLOAT, 3);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(3))), j = d(stage_axis(&b, c(0)));
    const ex sum = stage_fold(&b, FOLD_SUM, mul(LOAD(x, i, j), LOAD(one, k(0))));
    nest_stage(&b);
    STORE(&b, y, add(sum, f(1)), i);
    run_ok(&b);
    for (int q = 0; q < 3; q++) assert_true(floats(y)[q] == 1);
}

static nest_builder gather(slot x, slot at, slot y)
{
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, slot_at(P, at)->extent[0])), j = d(nest_axis(&b, slot_at(P, x)->extent[1]));
    STORE(&b, y, LOAD(x, ex_index(X, LOAD(at, i), d(slot_at(P, x)->extent[0])), j), i, j);
    return b;
}

static void gather_wraps_negative_indexes_and_fails_outside(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 6, 4), at = TENSOR(ELEM_INT64, 3), y = TENSOR(ELEM_FLOAT, 3, 4);
    fill(x, 24);
    memcpy(ints(at), (int64_t[]){5, -6, 2}, 24);
    nest_builder b = gather(x, at, y);
    run_ok(&b);
    assert_true(b.nest->can_fail);
    assert_memory_equal(floats(y), floats(x) + 20, 16);
    assert_memory_equal(floats(y) + 4, floats(x), 16);
    assert_memory_equal(floats(y) + 8, floats(x) + 8, 16);
    ints(at)[1] = 6;
    const char *why = NULL;
    b = gather(x, at, y);
    assert_false(run(&b, &why));
    assert_non_null(strstr(why, "index"));
}

static void an_index_under_a_false_condition_does_not_fail(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 6), at = TENSOR(ELEM_INT64, 5), y = TENSOR(ELEM_FLOAT, 5);
    fill(x, 6);
    memcpy(ints(at), (int64_t[]){0, 5, 600, -7, 3}, 40);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(5))), v = LOAD(at, i);
    const ex ok = ex_in_range(X, v, c(6)), got = LOAD(x, ex_index(X, v, k(6)));
    /* The same load under two conditions, one of which depends on it. */
    const ex positive = ex_select(X, ok, ex_bin(X, EX_LT, f(0), got), ex_bool(X, false));
    STORE(&b, y, ex_select(X, positive, got, ex_select(X, ok, mul(got, f(10)), f(-1))), i);
    run_ok(&b);
    for (int q = 0; q < 5; q++) {
        const int64_t p = ints(at)[q];
        const float v0 = p >= 0 && p < 6 ? floats(x)[p] : 0, want = p < 0 || p >= 6 ? -1 : v0 > 0 ? v0 : v0 * 10;
        assert_true(floats(y)[q] == want);
    }
}

static void scatter_in_order_lets_the_last_one_win(void **s)
{
    (void)s;
    enum { U = 600, N = 10 };
    const slot at = TENSOR(ELEM_INT64, U), u = TENSOR(ELEM_FLOAT, U), y = TENSOR(ELEM_FLOAT, N), sum = TENSOR(ELEM_FLOAT, N);
    fill(u, U);
    for (int q = 0; q < U; q++) ints(at)[q] = (q * 7) % N;
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(U))), to = ex_index(X, LOAD(at, i), k(N));
    STORE(&b, y, LOAD(u, i), to)->in_order = true;
    STORE(&b, sum, LOAD(u, i), to)->fold = FOLD_SUM;
    run_ok(&b);
    float last[N], total[N] = {0};
    for (int q = 0; q < U; q++) {
        last[ints(at)[q]] = floats(u)[q];
        total[ints(at)[q]] += floats(u)[q];
    }
    assert_memory_equal(floats(y), last, sizeof last);
    assert_memory_equal(floats(sum), total, sizeof total);
}

static void concat_stores_into_parts(void **s)
{
    (void)s;
    const slot p = TENSOR(ELEM_INT32, 2, 3), q = TENSOR(ELEM_INT32, 2, 2), y = TENSOR(ELEM_INT32, 2, 5);
    for (int i = 0; i < 6; i++) ((int32_t *)data_of[p])[i] = i;
    for (int i = 0; i < 4; i++) ((int32_t *)data_of[q])[i] = 10 + i;
    for (int part = 0; part < 2; part++) {
        const slot from = part ? q : p;
        nest_builder b = nest_begin(P);
        const ex i = d(nest_axis(&b, c(2))), j = d(nest_axis(&b, slot_at(P, from)->extent[1]));
        STORE(&b, y, LOAD(from, i, j), i, add(j, k(part ? 3 : 0)));
        run_ok(&b);
    }
    assert_memory_equal(data_of[y], ((int32_t[]){0, 1, 2, 10, 11, 3, 4, 5, 12, 13}), 40);
}

static void guards_of_stores_are_respected(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 5), y = TENSOR(ELEM_FLOAT, 8);
    fill(x, 5);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(8)));
    STORE(&b, y, LOAD(x, i), i)->guard = ex_bin(X, EX_LT, i, k(5));
    run_ok(&b);
    assert_memory_equal(data_of[y], data_of[x], 20);
    assert_true(floats(y)[5] == 0 && floats(y)[7] == 0);
}

static void narrow_types_round_and_wrap(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 4), h = TENSOR(ELEM_FLOAT16, 4), r = TENSOR(ELEM_FLOAT, 4), q = TENSOR(ELEM_INT8, 4), u4 = TENSOR(ELEM_INT4, 5);
    memcpy(floats(x), (float[]){0.1f, 70000.0f, -2.5f, 200.0f}, 16);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(4))), v = LOAD(x, i);
    STORE(&b, h, v, i);
    STORE(&b, r, add(ex_round(X, ELEM_FLOAT16, v), f(-0.0)), i);
    STORE(&b, q, ex_cast(X, CT_I32, v), i);
    STORE(&b, u4, ex_cast(X, CT_I32, v), add(i, k(1)));
    run_ok(&b);
    for (size_t n = 0; n < 4; n++) assert_true(elem_get_double(ELEM_FLOAT16, data_of[h], n) == (double)floats(r)[n]);
    assert_true((double)floats(r)[0] == 0.0999755859375 && isinf(floats(r)[1]));
    assert_memory_equal(data_of[q], ((int8_t[]){0, 112, -2, -56}), 4);
    assert_int_equal(elem_get_int(ELEM_INT4, data_of[u4], 1), 0);
    assert_int_equal(elem_get_int(ELEM_INT4, data_of[u4], 3), -2);
    assert_int_equal(elem_get_int(ELEM_INT4, data_of[u4], 4), -8);
}

static void mean_over_three_axes_follows_the_lane_order(void **s)
{
    (void)s;
    enum { C = 3, H = 5, W = 7, T = 2 };
    const slot x = TENSOR(ELEM_FLOAT, T, C, H, W), y = TENSOR(ELEM_FLOAT, C);
    fill(x, T * C * H * W);
    nest_builder b = nest_begin(P);
    const ex ch = d(nest_axis(&b, c(C)));
    const ex t = d(stage_axis(&b, c(T))), h = d(stage_axis(&b, c(H))), w = d(stage_axis(&b, c(W)));
    const ex sum = stage_fold(&b, FOLD_SUM, LOAD(x, t, ch, h, w));
    nest_stage(&b);
    STORE(&b, y, mul(sum, f(1.0 / (T * H * W))), ch);
    run_ok(&b);
    for (int q = 0; q < C; q++) {
        float flat[T * H * W];
        for (int n = 0; n < T; n++) memcpy(flat + n * H * W, floats(x) + (n * C + q) * H * W, H * W * 4);
        assert_true(floats(y)[q] == sum16(flat, T * H * W) * (1.0f / (T * H * W)));
    }
}

static void max_passes_nan_on(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 40), y = TENSOR(ELEM_FLOAT, 2);
    fill(x, 40);
    floats(x)[17] = NAN;
    nest_builder b = nest_begin(P);
    const ex j = d(stage_axis(&b, c(40)));
    const ex top = stage_fold(&b, FOLD_MAX, LOAD(x, j)), low = stage_fold(&b, FOLD_MIN, LOAD(x, j));
    nest_stage(&b);
    STORE(&b, y, top, k(0));
    STORE(&b, y, low, k(1));
    run_ok(&b);
    assert_true(isnan(floats(y)[0]) && isnan(floats(y)[1]));
}

static void a_recurrence_through_memory_runs_point_by_point(void **s)
{
    (void)s;
    enum { N = 50 };
    const slot x = TENSOR(ELEM_FLOAT, N), y = TENSOR(ELEM_FLOAT, N);
    fill(x, N);
    nest_builder b = nest_begin(P);
    const ex i = d(stage_axis(&b, c(N))), first = ex_bin(X, EX_EQ, i, k(0));
    const ex before = ex_select(X, first, f(0), LOAD(y, sub(i, k(1))));
    STORE(&b, y, add(mul(before, f(0.5)), LOAD(x, i)), i);
    run_ok(&b);
    float v = 0;
    for (int q = 0; q < N; q++) {
        v = v * 0.5f + floats(x)[q];
        assert_true(floats(y)[q] == v);
    }
}

static void divided_and_reversed_indexes_work(void **s)
{
    (void)s;
    enum { N = 700 };
    const slot x = TENSOR(ELEM_INT64, N), y = TENSOR(ELEM_INT64, N);
    for (int q = 0; q < N; q++) ints(x)[q] = q * q;
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(N)));
    const ex at = add(mul(ex_bin(X, EX_FMOD, i, k(9)), k(3)), ex_bin(X, EX_FDIV, i, k(9)));
    STORE(&b, y, add(LOAD(x, sub(k(N - 1), i)), ex_select(X, ex_bin(X, EX_LT, at, k(N)), LOAD(x, at), k(0))), i);
    run_ok(&b);
    for (int q = 0; q < N; q++) {
        const int p = q % 9 * 3 + q / 9;
        assert_int_equal(ints(y)[q], (N - 1 - q) * (N - 1 - q) + (p < N ? p * p : 0));
    }
}

static void fused_points_pass_values_through_accumulators_and_memory(void **s)
{
    (void)s;
    enum { N = 530 };
    const slot x = TENSOR(ELEM_FLOAT, N), t = TENSOR(ELEM_FLOAT, N), y = TENSOR(ELEM_FLOAT, N);
    const slot one = slot_new(P, "one", ELEM_FLOAT, SLOT_LOCAL, 0, NULL);
    fill(x, N);
    for (int local = 0; local < 2; local++) {
        nest_builder b = nest_begin(P);
        const ex i = d(nest_axis(&b, c(N)));
        nest_stage(&b);
        STORE(&b, t, mul(LOAD(x, i), f(3)), i);
        const ex acc = stage_fold(&b, FOLD_SUM, LOAD(t, i));
        if (local) stage_store(&b, one, 0, NULL, LOAD(x, i));
        nest_stage(&b);
        STORE(&b, y, add(acc, local ? ex_load(X, one, ELEM_FLOAT, 0, NULL) : LOAD(x, i)), i);
        run_ok(&b);
        for (int q = 0; q < N; q++) assert_true(floats(y)[q] == floats(x)[q] * 3 + floats(x)[q]);
    }
}

static void flattened_nests_use_offsets(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 4, 5), y = TENSOR(ELEM_FLOAT, 4, 5);
    fill(x, 20);
    nest_builder b = nest_begin(P);
    const dim i = nest_axis(&b, c(20));
    STORE(&b, y, LOAD(x, d(i), d(i)), d(i), d(i));
    nest *n = b.nest;
    const ex at = d(i);
    n->stage[0].sink[0].n = 1;
    n->stage[0].sink[0].value = ex_load(X, x, ELEM_FLOAT, 1, &at);
    n->flat = true;
    const interp in = {P, get_data, get_value, NULL};
    assert_true(nest_run(&in, n, NULL));
    assert_memory_equal(data_of[y], data_of[x], 80);
}

static void a_load_outside_is_reported(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 4), y = TENSOR(ELEM_FLOAT, 6);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(6)));
    STORE(&b, y, LOAD(x, i), i);
    const char *why = NULL;
    assert_false(run(&b, &why));
    assert_non_null(strstr(why, "load outside"));
}

static uint32_t pick(uint32_t n)
{
    return (uint32_t)((noise() + 2.0f) / 4.0f * (float)n) % n;
}

static dim random_dim(const dim *axis, int depth)
{
    if (depth == 0) return pick(4) ? axis[pick(5)] : c((int64_t)pick(9) - 3);
    const dim a = random_dim(axis, depth - 1), b = random_dim(axis, depth - 1);
    switch (pick(8)) {
    case 0: return dim_mul(D, a, b);
    case 1: return dim_fdiv(D, a, c(1 + (int64_t)pick(6)));
    case 2: return dim_mod(D, a, c(1 + (int64_t)pick(6)));
    case 3: return dim_min(D, a, b);
    case 4: return dim_max(D, a, b);
    case 5: return dim_select(D, a, b, random_dim(axis, depth - 1), a);
    default: return pick(2) ? dim_add(D, a, b) : dim_sub(D, a, b);
    }
}

static dim axes[6];
static int64_t point[6];

static int64_t value_of(void *ctx, dim atom)
{
    (void)ctx;
    for (int i = 0; i < 6; i++)
        if (axes[i] == atom) return point[i];
    fail_msg("an unknown axis");
    return 0;
}

static void random_index_expressions_agree_with_dim_eval(void **s)
{
    (void)s;
    enum { N0 = 3, N1 = 4, M0 = 2, M1 = 5, POINTS = N0 * N1 * M0 * M1 };
    batch = 6;
    const slot y = TENSOR(ELEM_INT64, N0, N1, M0, M1), z = TENSOR(ELEM_INT64, N0, N1);
    for (int round = 0; round < 300; round++) {
        nest_builder b = nest_begin(P);
        axes[0] = nest_axis(&b, c(N0));
        axes[1] = nest_axis(&b, c(N1));
        axes[2] = stage_axis(&b, c(M0));
        axes[3] = stage_axis(&b, c(M1));
        axes[4] = dim_symbol(D, "batch", 1, 64);
        const dim v = random_dim(axes, 4);
        STORE(&b, y, d(v), d(axes[0]), d(axes[1]), d(axes[2]), d(axes[3]));
        const ex sum = stage_fold(&b, FOLD_SUM, d(v));
        nest_stage(&b);
        STORE(&b, z, sum, d(axes[0]), d(axes[1]));
        run_ok(&b);
        int64_t total = 0;
        for (int p = 0; p < POINTS; p++) {
            point[0] = p / (N1 * M0 * M1);
            point[1] = p / (M0 * M1) % N1;
            point[2] = p / M1 % M0;
            point[3] = p % M1;
            point[4] = batch;
            const int64_t want = dim_eval(D, v, value_of, NULL);
            assert_int_equal(ints(y)[p], want);
            total = p % (M0 * M1) ? total + want : want;
            if (p % (M0 * M1) == M0 * M1 - 1) assert_int_equal(ints(z)[p / (M0 * M1)], total);
        }
    }
    (void)dims_overflowed(D);
}

static void half_conversions_agree_with_the_element_table(void **s)
{
    (void)s;
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t bits = (uint16_t)h;
        const double v = elem_get_double(ELEM_FLOAT16, &bits, 0), w = elem_get_double(ELEM_BFLOAT16, &bits, 0);
        assert_true(isnan(v) ? isnan(half_to_float(bits)) : (double)half_to_float(bits) == v);
        assert_true(isnan(w) ? isnan(bfloat16_to_float(bits)) : (double)bfloat16_to_float(bits) == w);
    }
    for (uint64_t u = 0; u < (uint64_t)1 << 32; u += 7919) { /* every kind of float */
        const float v = bits_float((uint32_t)u);
        uint16_t half, brain;
        elem_set_double(ELEM_FLOAT16, &half, 0, (double)v);
        elem_set_double(ELEM_BFLOAT16, &brain, 0, (double)v);
        assert_int_equal(float_to_half(v), half);
        assert_int_equal(float_to_bfloat16(v), brain);
    }
    static const float EDGE[] = {65519.996f, 65520.0f, 65504.0f, 0x1p-24f, 0x1p-25f, 0x1.8p-25f, 0x1.ffcp-15f, 0x1.ffep-15f, 3.4e38f, 0x1.fep127f, 0x1.ffp127f};
    for (size_t i = 0; i < sizeof EDGE / sizeof *EDGE; i++) {
        uint16_t half, brain;
        elem_set_double(ELEM_FLOAT16, &half, 0, (double)EDGE[i]);
        elem_set_double(ELEM_BFLOAT16, &brain, 0, (double)EDGE[i]);
        assert_int_equal(float_to_half(EDGE[i]), half);
        assert_int_equal(float_to_bfloat16(EDGE[i]), brain);
    }
}

static void long_chains_under_a_condition_run(void **s)
{
    (void)s;
    const slot x = TENSOR(ELEM_FLOAT, 4), y = TENSOR(ELEM_FLOAT, 6);
    fill(x, 4);
    nest_builder b = nest_begin(P);
    const ex i = d(nest_axis(&b, c(6)));
    ex v = LOAD(x, i);
    for (int n = 0; n < 5000; n++) v = mul(add(v, f(1)), f(0.5));
    STORE(&b, y, ex_select(X, ex_in_range(X, i, c(4)), v, f(3)), i);
    run_ok(&b);
    for (int q = 0; q < 6; q++) assert_true(floats(y)[q] == (q < 4 ? 1 : 3));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(softmax_is_bit_exact),
        T(layernorm_works_on_a_dynamic_batch),
        T(argmax_is_two_folds),
        T(cumsum_is_a_scan),
        T(padded_max_pool_reads_nothing_outside),
        T(pad_of_an_empty_tensor_is_all_fill),
        T(a_sum_over_nothing_is_the_identity),
        T(gather_wraps_negative_indexes_and_fails_outside),
        T(an_index_under_a_false_condition_does_not_fail),
        T(scatter_in_order_lets_the_last_one_win),
        T(concat_stores_into_parts),
        T(guards_of_stores_are_respected),
        T(narrow_types_round_and_wrap),
        T(mean_over_three_axes_follows_the_lane_order),
        T(max_passes_nan_on),
        T(a_recurrence_through_memory_runs_point_by_point),
        T(divided_and_reversed_indexes_work),
        T(fused_points_pass_values_through_accumulators_and_memory),
        T(flattened_nests_use_offsets),
        T(a_load_outside_is_reported),
        T(random_index_expressions_agree_with_dim_eval),
        T(half_conversions_agree_with_the_element_table),
        T(long_chains_under_a_condition_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
