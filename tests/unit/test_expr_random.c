/* Random expressions, built once through the simplifying constructors and once node by node without any simplification: the interpreter
 * must give the same bits for both. NaN, infinities, -0 and the ends of integer ranges are among the inputs. */
#include "expr/expr_impl.h"
#include "expr/nest.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N = 24, ROUNDS = 3000, POOL = 14 };

typedef struct {
    ex simple, raw;
} both;

static arena *A;
static program *P;
static exprs *X;
static void *data_of[32];
static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t pick(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

static void *get_data(void *ctx, slot s)
{
    (void)ctx;
    return data_of[s];
}

static ex raw(ex_op op, ctype t, ex a, ex b, ex c)
{
    return ex_make(X, &(ex_node){.op = (uint8_t)op, .type = (uint8_t)t, .a = {a, b, c}});
}

/* The slot of a type, filled with ordinary and special values. */
static slot input(elem t)
{
    static const double FLOATS[] = {0.0, -0.0, 1, -1, 0.5, 3.25, -7.75, 1e30, -1e30, (double)INFINITY, -(double)INFINITY, (double)NAN, 2, 1e-40};
    static const int64_t INTS[] = {0, 1, -1, 2, 7, -8, 100, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 255, -128, 5};
    const dim n = dim_const(P->dims, N);
    const slot s = slot_new(P, "", t, SLOT_INPUT, 1, &n);
    data_of[s] = arena_alloc(A, N * 8);
    for (size_t i = 0; i < N; i++) {
        if (elem_of(t)->kind == 'f') elem_set_double(t, data_of[s], i, FLOATS[pick(sizeof FLOATS / sizeof *FLOATS)]);
        else elem_set_int(t, data_of[s], i, INTS[pick(sizeof INTS / sizeof *INTS)]);
    }
    return s;
}

static both constant(ctype t)
{
    static const double V[] = {0, 1, -1, 2, 0.5, 8, -0.0, 3};
    static const int64_t W[] = {0, 1, -1, 2, 3, 8, 127, -128};
    const ex e = ctype_is_float(t) ? ex_f(X, t, V[pick(8)]) : ex_i(X, t, W[pick(8)]);
    return (both){e, e};
}

static both operation(ctype t, both a, both b, both c, both condition)
{
    static const ex_op FLOAT2[] = {EX_ADD, EX_SUB, EX_MUL, EX_DIV, EX_MAX, EX_MIN, EX_MOD};
    static const ex_op INT2[] = {EX_ADD, EX_SUB, EX_MUL, EX_DIV, EX_MOD, EX_FDIV, EX_FMOD, EX_MAX, EX_MIN, EX_AND, EX_OR, EX_XOR, EX_SHL, EX_SHR};
    static const ex_op FLOAT1[] = {EX_NEG, EX_ABS, EX_SQRT, EX_FLOOR, EX_CEIL, EX_RINT, EX_TRUNC};
    static const ex_op INT1[] = {EX_NEG, EX_ABS, EX_NOT, EX_RINT};
    static const ex_op BOOL2[] = {EX_AND, EX_OR, EX_XOR, EX_EQ, EX_NE};
    const bool fl = ctype_is_float(t);
    const uint32_t kind = pick(10);
    if (kind < 2 && t != CT_BOOL) {
        const ex_op op = fl ? FLOAT1[pick(7)] : INT1[pick(4)];
        return (both){ex_un(X, op, a.simple), raw(op, t, a.raw, 0, 0)};
    }
    if (kind < 3 && t == CT_BOOL) return (both){ex_un(X, EX_NOT, a.simple), raw(EX_NOT, t, a.raw, 0, 0)};
    if (kind < 5) return (both){ex_select(X, condition.simple, a.simple, c.simple), raw(EX_SELECT, t, condition.raw, a.raw, c.raw)};
    const ex_op op = t == CT_BOOL ? BOOL2[pick(5)] : fl ? FLOAT2[pick(7)] : INT2[pick(14)];
    return (both){ex_bin(X, op, a.simple, b.simple), raw(op, t, a.raw, b.raw, 0)};
}

static both rounded(both a)
{
    static const elem TO[] = {ELEM_INT8, ELEM_UINT8, ELEM_INT16, ELEM_UINT4};
    const elem to = TO[pick(4)];
    return (both){ex_round(X, to, a.simple), ex_make(X, &(ex_node){.op = EX_ROUND, .type = CT_I32, .elem = (uint8_t)to, .a = {a.raw}})};
}

static both compare(both a, both b)
{
    const ex_op op = EX_LT + pick(4);
    return (both){ex_bin(X, op, a.simple, b.simple), raw(op, CT_BOOL, a.raw, b.raw, 0)};
}

static both cast(ctype to, both a)
{
    return (both){ex_cast(X, to, a.simple), ex_type(X, a.raw) == to ? a.raw : raw(EX_CAST, to, a.raw, 0, 0)};
}

static void show_and_fail(both e)
{
    text t = {.mem = A};
    ex_text(X, e.raw, &t);
    text_add(&t, "\nbecame\n");
    ex_text(X, e.simple, &t);
    fail_msg("%s", t.p);
}

static const struct {
    ctype type;
    elem stored, narrow;
} TYPES[] = {{CT_F32, ELEM_FLOAT, ELEM_FLOAT16}, {CT_F64, ELEM_DOUBLE, ELEM_DOUBLE}, {CT_I32, ELEM_INT32, ELEM_INT8},
             {CT_I64, ELEM_INT64, ELEM_INT64},   {CT_U32, ELEM_UINT32, ELEM_UINT32}, {CT_BOOL, ELEM_BOOL, ELEM_BOOL}};
enum { N_TYPES = sizeof TYPES / sizeof *TYPES };

static void simplification_keeps_every_value(void **unused)
{
    (void)unused;
    A = arena_new();
    P = program_new(A, model_new(A, diag_new(A, "test")));
    X = P->ex;
    slot in[N_TYPES][2], out[N_TYPES][2];
    const dim n = dim_const(P->dims, N);
    for (uint32_t t = 0; t < N_TYPES; t++) {
        in[t][0] = input(TYPES[t].stored);
        in[t][1] = input(TYPES[t].narrow);
        for (int k = 0; k < 2; k++) {
            out[t][k] = slot_new(P, "", TYPES[t].stored, SLOT_OUTPUT, 1, &n);
            data_of[out[t][k]] = arena_alloc(A, N * 8);
        }
    }
    const interp run = {P, get_data, NULL, NULL};
    for (int round = 0; round < ROUNDS; round++) {
        both pool[N_TYPES][POOL];
        nest_builder b = nest_begin(P);
        const ex i = ex_dim(X, nest_axis(&b, n));
        for (uint32_t t = 0; t < N_TYPES; t++)
            for (int k = 0; k < 3; k++) {
                const elem stored = k ? TYPES[t].narrow : TYPES[t].stored;
                const ex e = ex_load(X, in[t][k != 0], stored, 1, &i);
                pool[t][k] = k == 2 ? constant(TYPES[t].type) : (both){e, e};
            }
        pool[3][1] = (both){i, i};
        for (uint32_t k = 3; k < POOL; k++)
            for (uint32_t t = 0; t < N_TYPES; t++) {
                const uint32_t kind = pick(8), from = pick(N_TYPES - 1);
                both *const p = pool[t];
                if (kind == 0) p[k] = cast(TYPES[t].type, pool[from][pick(k)]);
                else if (kind == 1 && t == 2) p[k] = rounded(p[pick(k)]);
                else if (kind < 4 && t == N_TYPES - 1) p[k] = compare(pool[from][pick(k)], pool[from][pick(k)]);
                else if (kind == 7) p[k] = constant(TYPES[t].type);
                else p[k] = operation(TYPES[t].type, p[pick(k)], p[pick(k)], p[pick(k)], pool[N_TYPES - 1][pick(k)]);
            }
        for (uint32_t t = 0; t < N_TYPES; t++) {
            const both e = pool[t][POOL - 1];
            stage_store(&b, out[t][0], 1, &i, e.simple);
            stage_store(&b, out[t][1], 1, &i, e.raw);
        }
        const char *why = "";
        const step *s = nest_end(&b, &P->main, "random");
        if (!nest_run(&run, s->nest, &why)) fail_msg("%s", why);
        for (uint32_t t = 0; t < N_TYPES; t++)
            for (size_t k = 0; k < N; k++) {
                const double v = elem_get_double(TYPES[t].stored, data_of[out[t][0]], k), w = elem_get_double(TYPES[t].stored, data_of[out[t][1]], k);
                if (isnan(v) && isnan(w)) continue;
                if (v != w || signbit(v) != signbit(w) ||
                    (!ctype_is_float(TYPES[t].type) && elem_get_int(TYPES[t].stored, data_of[out[t][0]], k) != elem_get_int(TYPES[t].stored, data_of[out[t][1]], k))) {
                    printf("type %u, lane %zu: %.17g, without simplification %.17g\n", t, k, v, w);
                    show_and_fail(pool[t][POOL - 1]);
                }
            }
    }
    arena_free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(simplification_keeps_every_value)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
