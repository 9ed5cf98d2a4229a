/* The packing nests put every weight where its kernel reads it, and zeros elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "plan/pack.h"
#include "plan/plan.h"

typedef struct {
    arena *mem;
    program *p;
} fixture;

static int setup(void **state)
{
    arena *mem = arena_new();
    fixture *f = ARENA_NEW(mem, fixture);
    f->mem = mem;
    f->p = program_new(mem, model_new(mem, diag_new(mem, NULL)));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    arena_free(((fixture *)*state)->mem);
    return 0;
}

/* A constant whose element i is i + 1. */
static slot counting(fixture *f, uint32_t rank, const int64_t *shape)
{
    dim extent[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) extent[i] = dim_const(f->p->dims, shape[i]);
    tensor *t = tensor_new(f->mem, ELEM_FLOAT, rank, shape);
    for (int64_t i = 0; i < tensor_count(t); i++) elem_set_double(ELEM_FLOAT, (void *)(uintptr_t)t->data, (size_t)i, (double)(i + 1));
    const slot s = slot_new(f->p, "w", ELEM_FLOAT, SLOT_CONST, rank, extent);
    slot_at(f->p, s)->data = t;
    return s;
}

static const void *packed_data(fixture *f, block *steps, slot packed)
{
    assert_true(pack_now(f->p, steps, packed));
    return slot_at(f->p, packed)->data->data;
}

static void weights_of_a_grouped_convolution(void **state)
{
    fixture *f = *state;
    enum { G = 2, OC = 5, IC = 3, KH = 2, KW = 1, XB = 2, NR = 4 };
    const slot w = counting(f, 4, (const int64_t[]){G * OC, IC, KH, KW});
    block steps = {0};
    const slot packed = pack_conv(f->p, &steps, "packed", w, G, XB, NR);
    const float *at = packed_data(f, &steps, packed);
    for (int g = 0; g < G; g++)
        for (int o0 = 0; o0 < 8; o0 += NR)
            for (int i0 = 0; i0 < 4; i0 += XB)
                for (int tap = 0; tap < KH * KW; tap++)
                    for (int i = i0; i < i0 + XB; i++)
                        for (int o = o0; o < o0 + NR; o++) {
                            const int want = o < OC && i < IC ? ((g * OC + o) * IC + i) * KH * KW + tap + 1 : 0;
                            assert_int_equal((int)*at++, want);
                        }
}

/* Two channels of an output lie together. */
static void weights_of_a_convolution_of_bfloat16(void **state)
{
    fixture *f = *state;
    enum { G = 2, OC = 5, IC = 6, K = 3, XB = 4, NR = 4 };
    const slot w = counting(f, 3, (const int64_t[]){G * OC, IC, K});
    block steps = {0};
    const slot packed = pack_conv_half(f->p, &steps, "packed", w, G, XB, NR, ELEM_BFLOAT16);
    const void *data = packed_data(f, &steps, packed);
    size_t at = 0;
    for (int g = 0; g < G; g++)
        for (int o0 = 0; o0 < 8; o0 += NR)
            for (int i0 = 0; i0 < 8; i0 += XB)
                for (int tap = 0; tap < K; tap++)
                    for (int i = i0; i < i0 + XB; i += 2)
                        for (int o = o0; o < o0 + NR; o++)
                            for (int c = i; c < i + 2; c++)
                                assert_int_equal((int)elem_get_double(ELEM_BFLOAT16, data, at++), o < OC && c < IC ? ((g * OC + o) * IC + c) * K + tap + 1 : 0);
}

static void weights_of_a_depthwise_convolution(void **state)
{
    fixture *f = *state;
    enum { C = 6, K = 3, LANES = 4 };
    const slot w = counting(f, 4, (const int64_t[]){C, 1, K, K});
    block steps = {0};
    const float *at = packed_data(f, &steps, pack_conv_dw(f->p, &steps, "packed", w, LANES));
    for (int c0 = 0; c0 < 8; c0 += LANES)
        for (int tap = 0; tap < K * K; tap++)
            for (int c = c0; c < c0 + LANES; c++) assert_int_equal((int)*at++, c < C ? c * K * K + tap + 1 : 0);
}

/* B of [batch][n][k], so transposed, where the batch is shared: only the axes that B has are packed. */
static void a_transposed_operand_without_its_batch(void **state)
{
    fixture *f = *state;
    enum { N = 6, K = 3, NR = 4 };
    dims *d = f->p->dims;
    exprs *x = f->p->ex;
    const slot w = counting(f, 2, (const int64_t[]){N, K});
    matmul_params mm = {.n_batch = 1, .m = dim_axis(d, dim_const(d, 5)), .n = dim_axis(d, dim_const(d, N)), .k = dim_axis(d, dim_const(d, K))};
    mm.batch[0] = dim_axis(d, dim_const(d, 2));
    mm.b = ex_load(x, w, ELEM_FLOAT, 2, (const ex[]){ex_dim(x, mm.n), ex_dim(x, mm.k)});
    block steps = {0};
    uint32_t kept;
    const slot packed = pack_gemm_b(f->p, &steps, "packed", &mm, NR, &kept);
    const float *at = packed_data(f, &steps, packed);
    assert_int_equal(kept, 0);
    for (int n0 = 0; n0 < 8; n0 += NR)
        for (int k = 0; k < K; k++)
            for (int n = n0; n < n0 + NR; n++) assert_int_equal((int)*at++, n < N ? n * K + k + 1 : 0);
}

/* Four k of a column lie together, zeros behind the last. */
static void an_operand_of_bytes(void **state)
{
    fixture *f = *state;
    enum { N = 6, K = 5, NR = 4 };
    dims *d = f->p->dims;
    exprs *x = f->p->ex;
    const slot w = counting(f, 2, (const int64_t[]){K, N});
    matmul_params mm = {.m = dim_axis(d, dim_const(d, 3)), .n = dim_axis(d, dim_const(d, N)), .k = dim_axis(d, dim_const(d, K))};
    mm.b = ex_cast(x, CT_I32, ex_load(x, w, ELEM_FLOAT, 2, (const ex[]){ex_dim(x, mm.k), ex_dim(x, mm.n)}));
    block steps = {0};
    uint32_t kept;
    const slot packed = pack_qgemm_b(f->p, &steps, "packed", &mm, NR, &kept);
    const int8_t *at = packed_data(f, &steps, packed);
    for (int n0 = 0; n0 < 8; n0 += NR)
        for (int k0 = 0; k0 < 8; k0 += 4)
            for (int n = n0; n < n0 + NR; n++)
                for (int k = k0; k < k0 + 4; k++) assert_int_equal(*at++, n < N && k < K ? k * N + n + 1 : 0);
}

/* Two k of a column lie together, a zero behind an odd last one. */
static void an_operand_of_bfloat16(void **state)
{
    fixture *f = *state;
    enum { N = 6, K = 5, NR = 4 };
    dims *d = f->p->dims;
    exprs *x = f->p->ex;
    const slot w = counting(f, 2, (const int64_t[]){K, N});
    matmul_params mm = {.m = dim_axis(d, dim_const(d, 3)), .n = dim_axis(d, dim_const(d, N)), .k = dim_axis(d, dim_const(d, K)), .narrow = ELEM_BFLOAT16};
    mm.b = ex_load(x, w, ELEM_FLOAT, 2, (const ex[]){ex_dim(x, mm.k), ex_dim(x, mm.n)});
    block steps = {0};
    uint32_t kept;
    const slot packed = pack_gemm_b(f->p, &steps, "packed", &mm, NR, &kept);
    const void *data = packed_data(f, &steps, packed);
    size_t at = 0;
    for (int n0 = 0; n0 < 8; n0 += NR)
        for (int k0 = 0; k0 < 6; k0 += 2)
            for (int n = n0; n < n0 + NR; n++)
                for (int k = k0; k < k0 + 2; k++) assert_int_equal((int)elem_get_double(ELEM_BFLOAT16, data, at++), n < N && k < K ? k * N + n + 1 : 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {T(weights_of_a_grouped_convolution), T(weights_of_a_convolution_of_bfloat16), T(weights_of_a_depthwise_convolution), T(a_transposed_operand_without_its_batch),
                                       T(an_operand_of_bytes), T(an_operand_of_bfloat16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
