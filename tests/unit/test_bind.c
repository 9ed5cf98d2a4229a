/* The kernel copier: what is replaced, what is left alone, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "base/embedded.h"
#include "emit/bind.h"

typedef struct {
    arena *mem;
    dims *dims;
    diag *diag;
    binder *binder;
    text out;
} fixture;

static int setup(void **state)
{
    arena *mem = arena_new();
    fixture *f = ARENA_NEW(mem, fixture);
    f->mem = f->out.mem = mem;
    f->dims = dims_new(mem);
    f->diag = diag_new(mem, NULL);
    f->binder = binder_new(mem, f->dims, f->diag, "net_", false);
    text_add(&f->out, "");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    arena_free(((fixture *)*state)->mem);
    return 0;
}

static binding dim_binding(fixture *f, const char *name, int64_t v)
{
    return (binding){.name = name, .kind = BIND_DIM, .d = dim_const(f->dims, v)};
}

static binding text_binding(const char *name, const char *s)
{
    return (binding){.name = name, .kind = BIND_TEXT, .text = s};
}

enum { GEMM_BINDINGS = 17, AT_M = 6, AT_ARGS = 16 };

static void gemm_bindings(fixture *f, binding *b)
{
    const binding all[GEMM_BINDINGS] = {
        dim_binding(f, "MR", 8), dim_binding(f, "NV", 3), dim_binding(f, "MC", 64), dim_binding(f, "MT", 4), dim_binding(f, "KC", 0), dim_binding(f, "AHEAD", 0),
        dim_binding(f, "M", 128), dim_binding(f, "N", 768), dim_binding(f, "K", 64), dim_binding(f, "BATCH", 1), dim_binding(f, "LDA", 64),
        text_binding("A_AT", "0"), text_binding("B_AT", "0"), text_binding("OUT_V", "out_v"), text_binding("OUT_S", "out_s"),
        text_binding("HOOK_PARAMS", ", float *restrict y"), text_binding("HOOK_ARGS", ", y")};
    memcpy(b, all, sizeof all);
}

static void parameters_become_literals_and_functions_get_the_instance_name(void **state)
{
    fixture *f = *state;
    binding b[GEMM_BINDINGS];
    gemm_bindings(f, b);
    assert_string_equal(bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS, NULL), "net_gemm_1");
    assert_non_null(strstr(f->out.p, "static __attribute__((noinline)) void net_gemm_1(const float *restrict a, const float *restrict b, int64_t lo, int64_t hi , float *restrict y)"));
    assert_non_null(strstr(f->out.p, "net_gemm_1_tile(8, a, b, ahead"));
    assert_non_null(strstr(f->out.p, "vf acc[8][3];"));
    assert_null(strstr(f->out.p, "HOOK_"));
    assert_null(strstr(f->out.p, "#include"));
    assert_non_null(strstr(f->out.p, "#pragma GCC unroll 8"));
}

static void equal_instances_are_printed_once(void **state)
{
    fixture *f = *state;
    binding b[GEMM_BINDINGS];
    gemm_bindings(f, b);
    const char *first = bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS, NULL);
    const size_t size = f->out.n;
    assert_ptr_equal(bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS, NULL), first);
    assert_int_equal(f->out.n, size);
    b[AT_M] = dim_binding(f, "M", 129);
    assert_string_equal(bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS, "matmul"), "net_matmul_2");
    assert_true(f->out.n > size);
}

static void run_time_values_stand_in_parentheses(void **state)
{
    fixture *f = *state;
    binding b[GEMM_BINDINGS];
    gemm_bindings(f, b);
    b[AT_M].d = dim_addc(f->dims, dim_symbol(f->dims, "seq", 1, 512), 1);
    assert_non_null(bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS, NULL));
    assert_non_null(strstr(f->out.p, "(seq"));
    assert_null(strstr(f->out.p, "< M"));
}

static void a_local_variable_never_hides_a_hook_argument(void **state)
{
    fixture *f = *state;
    binding b[GEMM_BINDINGS];
    gemm_bindings(f, b);
    b[AT_ARGS - 1] = text_binding("HOOK_PARAMS", ", float *restrict y, int64_t panels");
    b[AT_ARGS] = text_binding("HOOK_ARGS", ", y, panels");
    assert_non_null(bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS, NULL));
    assert_non_null(strstr(f->out.p, "const int64_t panels_ ="));
    assert_non_null(strstr(f->out.p, ", y, panels)"));
}

static void a_missing_parameter_is_an_internal_error(void **state)
{
    fixture *f = *state;
    binding b[GEMM_BINDINGS];
    gemm_bindings(f, b);
    assert_null(bind_kernel(f->binder, &f->out, "gemm", b + 1, GEMM_BINDINGS - 1, NULL));
    assert_string_equal(f->diag->list.p[0].message, "parameter MR is not bound");
    assert_int_equal(diag_exit(f->diag), EXIT_INTERNAL);
    assert_int_equal(f->out.n, 0);
}

static void a_fixed_parameter_must_be_a_literal(void **state)
{
    fixture *f = *state;
    binding b[GEMM_BINDINGS];
    gemm_bindings(f, b);
    b[0].d = dim_symbol(f->dims, "rows", 1, 8);
    assert_null(bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS, NULL));
    assert_string_equal(f->diag->list.p[0].message, "parameter MR must be a literal");
}

static void unknown_and_repeated_parameters_are_refused(void **state)
{
    fixture *f = *state;
    binding b[GEMM_BINDINGS + 2];
    gemm_bindings(f, b);
    b[GEMM_BINDINGS] = dim_binding(f, "QQ", 1);
    b[GEMM_BINDINGS + 1] = dim_binding(f, "M", 1);
    assert_null(bind_kernel(f->binder, &f->out, "gemm", b, GEMM_BINDINGS + 2, NULL));
    assert_int_equal(f->diag->errors, 2);
    assert_null(bind_kernel(f->binder, &f->out, "no_such_kernel", b, 0, NULL));
}

static void numbers_are_printed_so_that_they_mean_the_same_anywhere(void **state)
{
    fixture *f = *state;
    binding b = dim_binding(f, "X", -3);
    assert_string_equal(binding_text(f->binder, &b), "(-3)");
    b = dim_binding(f, "X", 5000000000);
    assert_string_equal(binding_text(f->binder, &b), "INT64_C(5000000000)");
    b = (binding){.name = "X", .kind = BIND_FLOAT, .f = 0.1, .type = ELEM_FLOAT};
    assert_string_equal(binding_text(f->binder, &b), "0.100000001f");
    b.f = -2;
    assert_string_equal(binding_text(f->binder, &b), "(-2.0f)");
    b = (binding){.name = "X", .kind = BIND_FLOAT, .f = 1e300, .type = ELEM_DOUBLE};
    assert_string_equal(binding_text(f->binder, &b), "1.0000000000000001e+300");
    b = (binding){.name = "T", .kind = BIND_TYPE, .type = ELEM_UINT8};
    assert_string_equal(binding_text(f->binder, &b), "uint8_t");
}

static void equal_hooks_are_printed_once(void **state)
{
    fixture *f = *state;
    const char *body = "static void HOOK_s(float acc) { puts(\"HOOK\"); }\n";
    assert_string_equal(bind_hook(f->binder, &f->out, body, 0, NULL, "out"), "net_out_1");
    assert_string_equal(bind_hook(f->binder, &f->out, body, 0, NULL, "out"), "net_out_1");
    assert_string_equal(f->out.p, "static void net_out_1_s(float acc) { puts(\"HOOK\"); }\n");
    f->out.n = 0;
    const char *bias = "bias", *scale = "scale";
    assert_string_equal(bind_hook(f->binder, &f->out, "HOOK_s(bias, \"bias\", bias2)", 1, &bias, "out"), "net_out_2");
    assert_string_equal(bind_hook(f->binder, &f->out, "HOOK_s(scale, \"bias\", bias2)", 1, &scale, "out"), "net_out_2"); /* differs in the name alone */
    assert_string_equal(bind_hook(f->binder, &f->out, "HOOK_s(scale, \"scale\", bias2)", 1, &scale, "out"), "net_out_3");
    assert_string_equal(f->out.p, "net_out_2_s(bias, \"bias\", bias2)net_out_3_s(scale, \"scale\", bias2)");
    f->out.n = 0;
    assert_string_equal(bind_printed(f->binder, &f->out, "head ", "HOOK(bias)", 1, &bias, "net_step3"), "net_step3");
    assert_string_equal(bind_printed(f->binder, &f->out, "head ", "HOOK(scale)", 1, &scale, "net_step7"), "net_step3");
    assert_string_equal(bind_printed(f->binder, &f->out, "head ", "HOOK(scale)", 0, NULL, "net_step7"), "net_step7"); /* a name that is no parameter */
    assert_string_equal(f->out.p, "head net_step3(bias)\nhead net_step7(scale)\n");
}

/* Names that templates use without being their parameters. */
static bool is_known_macro(const char *name)
{
    static const char *const known[] = {"KERNEL", "INLINE", "HOOK_PARAMS", "HOOK_ARGS", "VL", "SIMD_PREFETCH", "SIMD_FORGET", "SIMD_FENCE", "SIMD_PICKS", "GCC", "OCC_KERNEL", "OCC_UNROLL", "OCC_DYNAMIC_SHARED", "NULL", "INFINITY", "NAN", "FLT_MAX", "INT64_MAX", "INT64_C", "UINT64_MAX", "UINT64_C", "ONNXCC_E_HOOK"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], name)) return true;
    return false;
}

/* Every upper-case identifier in the code of a template (comments aside) is a parameter or a hook of its row. */
static void check_words(const kernel_def *k, const char *s)
{
    bool comment = false;
    while (*s) {
        if (!strncmp(s, "/*", 2)) comment = true;
        if (!strncmp(s, "*/", 2)) comment = false;
        if (!comment && *s == '"') s += 1 + strcspn(s + 1, "\""); /* a text is no code */
        if (!isalpha((unsigned char)*s) && *s != '_') {
            s++;
            continue;
        }
        char word[64] = {0};
        size_t n = 0;
        bool upper = true;
        for (; isalnum((unsigned char)*s) || *s == '_'; s++) {
            if (islower((unsigned char)*s)) upper = false;
            if (n < sizeof word - 1) word[n++] = *s;
        }
        if (comment || !upper || is_known_macro(word) || kernel_has_param(k, word)) continue;
        const bool hook_call = n > 2 && (!strcmp(word + n - 2, "_V") || !strcmp(word + n - 2, "_S"));
        if (hook_call) word[n - 2] = 0;
        if (!hook_call || !strstr(k->hooks, word)) fail_msg("%s uses %s, which its row in kernels.def does not declare", k->file, word);
    }
}

static void every_template_declares_its_parameters(void **state)
{
    (void)state;
    uint32_t n;
    const kernel_def *k = kernel_defs(&n);
    for (uint32_t i = 0; i < n; i++) {
        const embedded_file *f = onnxcc_embedded;
        while (f->name && strcmp(f->name + strlen("templates/"), k[i].file)) f++;
        if (!f->name) fail_msg("%s: no file %s", k[i].name, k[i].file);
        const char *code = strstr((const char *)f->data, "#include");
        assert_non_null(code);
        while (*code == '#') code = strchr(code, '\n') + 1;
        check_words(&k[i], code);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(parameters_become_literals_and_functions_get_the_instance_name), T(equal_instances_are_printed_once),
        T(run_time_values_stand_in_parentheses), T(a_local_variable_never_hides_a_hook_argument), T(a_missing_parameter_is_an_internal_error),
        T(a_fixed_parameter_must_be_a_literal), T(unknown_and_repeated_parameters_are_refused),
        T(numbers_are_printed_so_that_they_mean_the_same_anywhere), T(equal_hooks_are_printed_once), T(every_template_declares_its_parameters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
