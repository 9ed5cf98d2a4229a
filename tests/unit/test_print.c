/* Printed nests: every case is built with the constructors, run by the oracle, flattened, printed, compiled by gcc and clang for several vector
 * lengths with all warnings as errors, and compared: with the oracle within rounding, and between vector lengths bit by bit. */
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expr/nest.h"
#include "nest_oracle.h"

enum { MAX_SLOTS = 64, MAX_CASES = 128 };

/* ---- the program under test ---- */

static arena *A;
static program *P;
static exprs *X;
static dims *D;
static unsigned char *memory[4096]; /* by slot: what the case starts from */
static size_t bytes_of[4096];
static int64_t symbol_value[4096]; /* by dim */

/* Runs that must agree in every bit. */
typedef enum { PORTABLE, NATIVE, STRICT, FAMILIES } family;

typedef struct {
    const char *name;
    nest *logical, *flat;
    bool fails; /* an INDEX is out of range */
    unsigned char *expected[4096];
    unsigned char *first[FAMILIES][4096]; /* what the first of a family of equal results gave */
    step_signature sig;
} test_case;
static test_case cases[MAX_CASES];
static uint32_t n_cases;

static uint32_t seed = 1;
static double uniform(void) /* -1 .. 1 */
{
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / 8388608.0 - 1.0;
}

static dim c(int64_t v)
{
    return dim_const(D, v);
}
static ex d(dim v)
{
    return ex_dim(X, v);
}
static ex f(double v)
{
    return ex_f(X, CT_F32, v);
}
static ex k(int64_t v)
{
    return ex_i(X, CT_I64, v);
}

static int64_t symbol_of(void *ctx, dim s)
{
    (void)ctx;
    return symbol_value[s];
}

/* A run-time dim with the value that it has in this run. */
static dim symbol(const char *name, int64_t now)
{
    const dim s = dim_symbol(D, name, 0, INT64_MAX);
    symbol_value[s] = now;
    return s;
}

static size_t count_elems(slot s)
{
    size_t n = 1;
    for (uint32_t i = 0; i < slot_at(P, s)->rank; i++) n *= (size_t)dim_eval(D, slot_at(P, s)->extent[i], symbol_of, NULL);
    return n;
}

static void fill(slot s, double scale)
{
    const elem t = slot_at(P, s)->type;
    for (size_t i = 0; i < count_elems(s); i++) {
        const double v = uniform() * scale;
        if (elem_of(t)->kind == 'f') elem_set_double(t, memory[s], i, v);
        else elem_set_int(t, memory[s], i, elem_of(t)->kind == 'b' ? v > 0 : elem_of(t)->kind == 'u' ? (long long)fabs(v) : (long long)v);
    }
}

static slot tensor_of(const char *name, elem t, slot_kind kind, double scale, uint32_t rank, const dim *extent)
{
    const slot s = slot_new(P, name, t, kind, rank, extent);
    bytes_of[s] = elem_bytes(t, count_elems(s));
    memory[s] = arena_alloc(A, bytes_of[s] + 64);
    fill(s, scale);
    return s;
}
#define SHAPE(...) (sizeof((dim[]){__VA_ARGS__}) / sizeof(dim)), (dim[]){__VA_ARGS__}
#define IN(name, t, ...) tensor_of(name, ELEM_##t, SLOT_INPUT, ELEM_##t == ELEM_FLOAT || ELEM_##t == ELEM_DOUBLE || ELEM_##t == ELEM_FLOAT16 ? 2 : 100, SHAPE(__VA_ARGS__))
#define OUT(name, t, ...) tensor_of(name, ELEM_##t, SLOT_OUTPUT, 1, SHAPE(__VA_ARGS__))
#define LOCAL(name, t, ...) tensor_of(name, ELEM_##t, SLOT_LOCAL, 0, SHAPE(__VA_ARGS__))

static ex load_at(slot s, uint32_t n, const ex *at)
{
    return ex_load(X, s, slot_at(P, s)->type, n, n ? at : NULL);
}
#define LOAD(s, ...) load_at(s, sizeof((ex[]){__VA_ARGS__}) / sizeof(ex), (ex[]){__VA_ARGS__})
#define STORE(b, s, v, ...) stage_store(b, s, sizeof((ex[]){__VA_ARGS__}) / sizeof(ex), (ex[]){__VA_ARGS__}, v)
#define BIN(op, a, b) ex_bin(X, EX_##op, a, b)
#define UN(op, a) ex_un(X, EX_##op, a)

static void end(nest_builder *b, const char *name)
{
    block to = {0};
    test_case *t = &cases[n_cases++];
    assert_true(n_cases <= MAX_CASES);
    t->name = name;
    t->logical = nest_end(b, &to, name)->nest;
}

#include "print_cases.h"

/* ---- running ---- */

static void *current[4096];
static void *data_of(void *ctx, slot s)
{
    (void)ctx;
    return current[s];
}

static nest *copy_nest(const nest *n)
{
    nest *r = arena_copy(A, n, sizeof *n);
    r->stage = arena_copy(A, n->stage, sizeof *n->stage * n->n_stages);
    for (uint32_t i = 0; i < r->n_stages; i++) r->stage[i].sink = arena_copy(A, n->stage[i].sink, sizeof(sink) * n->stage[i].n_sinks);
    return r;
}

static void expect_all(void)
{
    for (uint32_t i = 0; i < n_cases; i++) {
        test_case *t = &cases[i];
        oracle o = {.p = P, .data = data_of, .symbol = symbol_of};
        for (slot s = 1; s < P->slot.n; s++)
            if (memory[s]) current[s] = t->expected[s] = arena_copy(A, memory[s], bytes_of[s] + 1);
        t->fails = !oracle_run(&o, t->logical);
        t->flat = copy_nest(t->logical);
        nest_flatten(P, t->flat);
    }
}

typedef int (*entry)(void *const *slots, const int64_t *dims, int64_t lo, int64_t hi);

/* All cases as one C file: each function and a wrapper that takes arrays. */
static void print_all(text *out, int vl, math_mode math)
{
    text_addf(out, "%s#define VL %d\n#include \"onnxcc_rt.h\"\n#include \"simd.h\"\n", math == MATH_STRICT ? "#define SIMD_NO_FMA 1\n" : "", vl);
    for (uint32_t i = 0; i < n_cases; i++) {
        test_case *t = &cases[i];
        const print_options o = {.prefix = "t_", .vl = vl, .math = math};
        text_addf(out, "\n/* %s */\n", t->name);
        nest_print(P, t->flat, t->name, &o, out, &t->sig);
        text_addf(out, "int run_%u(void *const *p, const int64_t *d, int64_t lo, int64_t hi);\n", i);
        text_addf(out, "int run_%u(void *const *p, const int64_t *d, int64_t lo, int64_t hi)\n{\n    (void)d, (void)lo, (void)hi;\n    ", i);
        text_addf(out, "%st_%s(", t->sig.can_fail ? "return " : "", t->name);
        for (uint32_t s = 0; s < t->sig.slots.n; s++) text_addf(out, "%sp[%u]", s ? ", " : "", s);
        for (uint32_t s = 0; s < t->sig.symbols.n; s++) text_addf(out, ", d[%u]", s);
        text_addf(out, "%s);\n%s}\n", t->sig.ranged ? ", lo, hi" : "", t->sig.can_fail ? "" : "    return 0;\n");
    }
}

static void *compile(const char *cc, const char *flags, int vl, family kin)
{
    text out = {.mem = A};
    print_all(&out, vl, kin == STRICT ? MATH_STRICT : MATH_DEFAULT);
    char *c_file = arena_printf(A, "%s/print_%s_%d_%d.c", TEST_BINARY_DIR, cc, vl, kin), *so = arena_printf(A, "%s.so", c_file);
    const char *why;
    assert_true(file_write(c_file, out.p, out.n, &why));
    char *command = arena_printf(A,
                                 "%s -std=c99 -O2 %s -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wno-psabi -Werror -shared -fPIC %s "
                                 "-I%s/runtime -I%s/templates/simd -o %s %s -lm",
                                 cc, flags, getenv("PRINT_TEST_CFLAGS") ? getenv("PRINT_TEST_CFLAGS") : "", TEST_SOURCE_DIR, TEST_SOURCE_DIR, so, c_file);
    if (system(command) != 0) fail_msg("%s", command);
    void *lib = dlopen(so, RTLD_NOW | RTLD_LOCAL);
    if (!lib) fail_msg("%s", dlerror());
    return lib;
}

static bool equal(elem t, const void *a, const void *b, size_t i)
{
    if (elem_of(t)->kind != 'f') return elem_get_int(t, a, i) == elem_get_int(t, b, i);
    const double x = elem_get_double(t, a, i), y = elem_get_double(t, b, i);
    const double eps = t == ELEM_DOUBLE ? 1e-13 : t == ELEM_FLOAT16 ? 2e-3 : 2e-5;
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
    return x == y || fabs(x - y) <= eps * (fabs(y) > 1 ? fabs(y) : 1);
}

static bool same_bits(elem t, const void *a, const void *b, size_t i)
{
    const double x = elem_get_double(t, a, i), y = elem_get_double(t, b, i);
    if (elem_of(t)->kind != 'f') return elem_get_int(t, a, i) == elem_get_int(t, b, i);
    return (isnan(x) && isnan(y)) || (x == y && !signbit(x) == !signbit(y));
}

static void check(test_case *t, uint32_t id, void *lib, const char *how, family kin)
{
    void *p[MAX_SLOTS];
    int64_t dim_values[16];
    entry run;
    void *sym = dlsym(lib, arena_printf(A, "run_%u", id));
    memcpy(&run, &sym, sizeof run);
    for (uint32_t i = 0; i < t->sig.slots.n; i++) { /* memory of exactly its size, for sanitizers */
        const size_t n = bytes_of[t->sig.slots.p[i]];
        p[i] = mem_alloc(n);
        memcpy(p[i], memory[t->sig.slots.p[i]], n);
    }
    for (uint32_t i = 0; i < t->sig.symbols.n; i++) dim_values[i] = symbol_value[t->sig.symbols.p[i]];
    const int64_t n = t->sig.ranged ? dim_eval(D, t->sig.range, symbol_of, NULL) : 1, cut = n * 2 / 5;
    int rc = 0;
    if (t->sig.ranged && n > 1) rc = run(p, dim_values, 0, cut);
    if (!rc) rc = run(p, dim_values, t->sig.ranged && n > 1 ? cut : 0, n);
    if ((rc != 0) != t->fails) fail_msg("%s: %s: returns %d", t->name, how, rc);
    for (uint32_t i = 0; rc && i < t->sig.slots.n; i++) mem_free(p[i]);
    if (rc) return;
    for (uint32_t i = 0; i < t->sig.slots.n; i++) {
        const slot s = t->sig.slots.p[i];
        const elem type_of = slot_at(P, s)->type;
        for (size_t j = 0; j < count_elems(s); j++)
            if (!equal(type_of, p[i], t->expected[s], j))
                fail_msg("%s: %s: %s[%zu] is %g, not %g", t->name, how, slot_at(P, s)->name, j, elem_get_double(type_of, p[i], j),
                         elem_get_double(type_of, t->expected[s], j));
        if (!t->first[kin][s]) t->first[kin][s] = arena_copy(A, p[i], bytes_of[s]);
        for (size_t j = 0; j < count_elems(s); j++) /* any NaN is as good as another */
            if (!same_bits(type_of, p[i], t->first[kin][s], j))
                fail_msg("%s: %s: %s[%zu] is %.9g, but %.9g in the first run", t->name, how, slot_at(P, s)->name, j, elem_get_double(type_of, p[i], j),
                         elem_get_double(type_of, t->first[kin][s], j));
        mem_free(p[i]);
    }
}

static void run_all(const char *cc, const char *flags, int vl, family kin)
{
    void *lib = compile(cc, flags, vl, kin);
    char *how = arena_printf(A, "%s %s VL %d", cc, flags, vl);
    for (uint32_t i = 0; i < n_cases; i++) check(&cases[i], i, lib, how, kin);
}

static bool have(const char *cc)
{
    return system(arena_printf(A, "command -v %s > /dev/null 2>&1", cc)) == 0;
}

static void scalar_code_computes_what_the_nest_says(void **s)
{
    (void)s;
    run_all("gcc", "", 1, PORTABLE);
}

static void strict_code_gives_the_same_bits_on_every_target(void **s)
{
    (void)s;
    run_all("gcc", "", 1, STRICT);
    run_all("gcc", "", 4, STRICT);
    run_all("gcc", "-march=native", 16, STRICT);
    if (have("clang")) run_all("clang", "-march=native", 8, STRICT);
}

static void every_vector_length_gives_the_same_bits(void **s)
{
    static const int lanes[] = {1, 4, 8, 16};
    (void)s;
    for (int i = 0; i < 4; i++) run_all("gcc", "-march=native", lanes[i], NATIVE);
    if (have("clang"))
        for (int i = 1; i < 4; i += 2) run_all("clang", "-march=native", lanes[i], NATIVE);
}

/* ---- hooks ---- */

/* y[n][m][j] = max(acc * scale[j] + bias[m] + x[n][m][j], 0), and the same into float16 with a stride, compiled with a caller that walks all. */
static void hook_text(text *out, bool half, int vl, step_signature *sig)
{
    const dim rows = c(5), columns = c(37), ax[3] = {dim_axis(D, c(1)), dim_axis(D, rows), dim_axis(D, columns)};
    const slot x = IN("x", FLOAT, c(1), rows, columns), scale = IN("scale", FLOAT, columns), bias = IN("bias", FLOAT, rows);
    const slot y = half ? OUT("y", FLOAT16, c(1), rows, columns) : OUT("y", FLOAT, c(1), rows, columns);
    if (half) { /* columns outermost: no vector store */
        slot_info *info = slot_at(P, y);
        info->view = (view){.rank = 3, .offset = c(0)};
        info->view.d[0] = (struct view_dim){.stride = c(0)};
        info->view.d[1] = (struct view_dim){.stride = c(1)};
        info->view.d[2] = (struct view_dim){.stride = rows};
    }
    const ex at[3] = {d(ax[0]), d(ax[1]), d(ax[2])};
    ex v = BIN(ADD, BIN(MUL, ex_acc(X, 0, CT_F32), LOAD(scale, at[2])), LOAD(bias, at[1]));
    v = BIN(MAX, BIN(ADD, v, load_at(x, 3, at)), f(0));
    hook h = {.name = "OUT", .n_axes = 3, .axis = {ax[0], ax[1], ax[2]}, .value = v, .to = y, .n = 3, .at = {at[0], at[1], at[2]}};
    hook_flatten(P, &h);
    const print_options o = {.prefix = "t_", .vl = vl, .math = MATH_DEFAULT};
    text_addf(out, "#define VL %d\n#include \"simd.h\"\n", vl);
    hook_print(P, &h, "out", 2, &o, out, sig);
    assert_int_equal(sig->slots.n, 4);
    assert_true(sig->slots.p[0] == y);
    text_addf(out, "void run(void *const *p, const float *acc);\nvoid run(void *const *p, const float *acc)\n{\n    for (int64_t m = 0; m < 5; ++m) {\n        int64_t n = 0;\n");
    text_addf(out, "        for (; n + VL <= 37; n += VL) t_out_v(vf_ld(acc + 37 * m + n), 0, m, n, p[0], p[1], p[2], p[3]);\n");
    text_addf(out, "        for (; n < 37; ++n) t_out_s(acc[37 * m + n], 0, m, n, p[0], p[1], p[2], p[3]);\n    }\n}\n");
}

static void *slot_named(const step_signature *sig, const char *name)
{
    for (uint32_t i = 0; i < sig->slots.n; i++)
        if (!strcmp(slot_at(P, sig->slots.p[i])->name, name)) return memory[sig->slots.p[i]];
    return NULL;
}

static void check_hook(bool half, int vl)
{
    step_signature sig;
    text out = {.mem = A};
    hook_text(&out, half, vl, &sig);
    char *stem = arena_printf(A, "%s/print_hook_%d_%d", TEST_BINARY_DIR, half, vl);
    const char *why;
    assert_true(file_write(arena_printf(A, "%s.c", stem), out.p, out.n, &why));
    char *command = arena_printf(A, "gcc -std=c99 -O1 -march=native -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wno-psabi -Werror -shared -fPIC -I%s/templates/simd -o %s.so %s.c -lm",
                                 TEST_SOURCE_DIR, stem, stem);
    if (system(command) != 0) fail_msg("%s", command);
    void *lib = dlopen(arena_printf(A, "%s.so", stem), RTLD_NOW | RTLD_LOCAL), *sym = dlsym(lib, "run"), *p[4];
    void (*run)(void *const *, const float *);
    float acc[5 * 37];
    memcpy(&run, &sym, sizeof run);
    for (int i = 0; i < 5 * 37; i++) acc[i] = (float)uniform();
    for (uint32_t i = 0; i < 4; i++) p[i] = memory[sig.slots.p[i]];
    run(p, acc);
    const float *x = slot_named(&sig, "x"), *scale = slot_named(&sig, "scale"), *bias = slot_named(&sig, "bias");
    for (int m = 0; m < 5; m++)
        for (int n = 0; n < 37; n++) {
            const double want = fmax((double)acc[37 * m + n] * (double)scale[n] + (double)bias[m] + (double)x[37 * m + n], 0);
            const double got = half ? elem_get_double(ELEM_FLOAT16, p[0], (size_t)(5 * n + m)) : elem_get_double(ELEM_FLOAT, p[0], (size_t)(37 * m + n));
            if (fabs(want - got) > (half ? 2e-3 : 1e-6) * (1 + want)) fail_msg("half %d, VL %d: [%d][%d] is %g, not %g", half, vl, m, n, got, want);
        }
}

static void a_hook_is_printed_for_a_vector_and_for_an_element(void **s)
{
    static const int lanes[] = {1, 4, 8, 16};
    (void)s;
    for (int i = 0; i < 4; i++) {
        check_hook(false, lanes[i]);
        check_hook(true, lanes[i]);
    }
}

static int setup(void **s)
{
    (void)s;
    A = arena_new();
    P = program_new(A, model_new(A, diag_new(A, "test")));
    X = P->ex;
    D = P->dims;
    build_cases();
    expect_all();
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    arena_free(A);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scalar_code_computes_what_the_nest_says), cmocka_unit_test(strict_code_gives_the_same_bits_on_every_target),
                                       cmocka_unit_test(every_vector_length_gives_the_same_bits),
                                       cmocka_unit_test(a_hook_is_printed_for_a_vector_and_for_an_element)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
