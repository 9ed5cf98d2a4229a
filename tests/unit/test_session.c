#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "driver/build.h"
#include "driver/data_set.h"

/* A model as the compiler would write it, by hand: x[n, 3], s[1] -> sum[n] (of each row), big[count] (the elements above s; count is decided by
 * the data, at most 3 n). BREAK plants mistakes. */
static const char MODEL[] =
    "#include \"onnxcc_rt.h\"\n"
    "static int run(const void *const *in, void *const *out, int64_t *dims, void *arena, size_t arena_bytes, void *state, const onnxcc_env *env)\n"
    "{\n"
    "    const float *x = in[0], *s = in[1];\n"
    "    float *sum = out[0], *big = out[1], *copy = arena;\n"
    "    (void)state; (void)env;\n"
    "    if (arena_bytes < (size_t)dims[0] * 12) return ONNXCC_E_ARENA;\n"
    "    dims[1] = 0;\n"
    "    for (int64_t i = 0; i < dims[0]; i++) {\n"
    "        sum[i] = 0;\n"
    "        for (int k = 0; k < 3; k++) { copy[i * 3 + k] = x[i * 3 + k]; sum[i] += copy[i * 3 + k]; if (x[i * 3 + k] > s[0]) big[dims[1]++] = x[i * 3 + k]; }\n"
    "    }\n"
    "#if BREAK == 1\n"
    "    sum[dims[0]] = 1;\n"
    "#elif BREAK == 2\n"
    "    return ONNXCC_E_INDEX;\n"
    "#elif BREAK == 3\n"
    "    copy[dims[0] * 3] = 1;\n"
    "#elif BREAK == 4\n"
    "    dims[1] = 7;\n"
    "    return ONNXCC_E_CAPACITY;\n"
    "#endif\n"
    "    return 0;\n"
    "}\n"
    "static int64_t prepare(const int64_t *dims) { return dims[0] * 12; }\n"
    "static int shape(int o, const int64_t *dims, int64_t *to) { to[0] = !o ? dims[0] : dims[1] == INT64_MAX ? 3 * dims[0] : dims[1]; return 0; }\n"
    "static const int64_t sx[] = {-1, 3}, ss[] = {1}, so[] = {-1}, sb[] = {-2};\n"
    "static const onnxcc_tensor_info ins[] = {{\"x\", 1, 2, sx, 0}, {\"s\", 1, 1, ss, 4}}, outs[] = {{\"sum\", 1, 1, so, 0}, {\"big\", 1, 1, sb, 0}};\n"
    "static const onnxcc_dim_info dims_[] = {{\"n\", 1, 100, 0, 0}, {\"count\", 0, INT64_MAX, -1, 0}};\n"
    "const onnxcc_model *hand_model(void);\n"
    "const onnxcc_model *hand_model(void)\n"
    "{\n"
    "    static const onnxcc_model m = {ONNXCC_RT_ABI, \"hand\", \"\", \"c\", 2, 2, 2, 1, ins, outs, dims_, 0, 64, 0, 0, prepare, shape, run, 0, 0};\n"
    "    return &m;\n"
    "}\n";

static arena *mem;
static diag *d;
static char *folder;
static session s;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    d = diag_new(mem, NULL);
    folder = folder_temporary(mem, d);
    memset(&s, 0, sizeof s);
    return folder && write_runtime_header(d, mem, folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    session_close(&s);
    folder_remove(folder);
    arena_free(mem);
    return 0;
}

static void build(int mistake)
{
    const char *source = arena_printf(mem, "%s/hand.c", folder), *library = arena_printf(mem, "%s/hand.so", folder), *why;
    text said = {.mem = mem};
    assert_true(file_write(source, MODEL, sizeof MODEL - 1, &why));
    if (!cc_shared(mem, &source, 1, folder, arena_printf(mem, "-DBREAK=%d", mistake), "-O1", library, &said)) fail_msg("%s", said.p);
    if (!session_open(&s, mem, d, library, "hand", 2)) fail_msg("%s", d->list.p[0].message);
    s.poison = true;
}

static tensor *floats(const char *name, uint32_t rank, const int64_t *shape, const float *v)
{
    tensor *t = tensor_new(mem, ELEM_FLOAT, rank, shape);
    t->name = name;
    memcpy((void *)(uintptr_t)t->data, v, t->bytes);
    return t;
}

static tensor_set inputs(const char *x, const char *limit, int64_t rows, int64_t columns)
{
    tensor_set set = {.mem = mem};
    VEC_PUSH(mem, set.list, floats(limit, 1, (int64_t[]){1}, (float[]){4}));
    VEC_PUSH(mem, set.list, floats(x, 2, (int64_t[]){rows, columns}, (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    return set;
}

static void dims_come_from_the_inputs_and_outputs_have_their_final_shape(void **state)
{
    (void)state;
    build(0);
    const tensor_set in = inputs("x", "s", 2, 3);
    tensor_set out = {.mem = mem};
    double ms;
    assert_true(session_bind(&s, &in) && session_call(&s, &ms) && session_outputs(&s, &out));
    assert_int_equal(out.list.n, 2);
    assert_true(compare(tensor_set_find(&out, "sum"), floats(NULL, 1, (int64_t[]){2}, (float[]){6, 15}), (tolerance){0}).ok);
    assert_true(compare(tensor_set_find(&out, "big"), floats(NULL, 1, (int64_t[]){2}, (float[]){5, 6}), (tolerance){0}).ok);
}

static void one_library_runs_several_sizes(void **state)
{
    (void)state;
    build(0);
    for (int64_t rows = 1; rows <= 4; rows++) {
        const tensor_set in = inputs("x", "s", rows, 3);
        tensor_set out = {.mem = mem};
        assert_true(session_bind(&s, &in) && session_call(&s, NULL) && session_outputs(&s, &out));
        assert_int_equal(out.list.p[0]->shape[0], rows);
    }
}

static void unnamed_tensors_bind_in_order(void **state)
{
    (void)state;
    build(0);
    tensor_set in = inputs("x", "s", 1, 3), turned = {.mem = mem};
    VEC_PUSH(mem, turned.list, in.list.p[1]);
    VEC_PUSH(mem, turned.list, in.list.p[0]);
    turned.list.p[0]->name = turned.list.p[1]->name = NULL;
    assert_true(session_bind(&s, &turned) && session_call(&s, NULL));
}

static void expect_error(bool ok, const char *code)
{
    assert_false(ok);
    assert_string_equal(d->list.p[0].code, code);
}

static void a_missing_input_is_an_error(void **state)
{
    (void)state;
    build(0);
    tensor_set in = inputs("x", "s", 1, 3);
    in.list.n = 1;
    expect_error(session_bind(&s, &in), "missing-input");
}

static void a_wrong_shape_is_an_error(void **state)
{
    (void)state;
    build(0);
    const tensor_set in = inputs("x", "s", 3, 4);
    expect_error(session_bind(&s, &in), "input-shape");
    assert_string_equal(d->list.p[0].message, "dimension 1 is 4, expected 3");
}

static void a_dimension_out_of_its_range_is_an_error(void **state)
{
    (void)state;
    build(0);
    const tensor_set in = inputs("x", "s", 0, 3);
    expect_error(session_bind(&s, &in), "input-shape");
}

static void a_wrong_type_is_an_error(void **state)
{
    (void)state;
    build(0);
    tensor_set in = inputs("x", "s", 1, 3);
    in.list.p[0] = tensor_new(mem, ELEM_INT32, 1, (int64_t[]){1});
    in.list.p[0]->name = "s";
    expect_error(session_bind(&s, &in), "input-type");
}

static void writing_past_an_output_is_found(void **state)
{
    (void)state;
    build(1);
    const tensor_set in = inputs("x", "s", 2, 3);
    tensor_set out = {.mem = mem};
    assert_true(session_bind(&s, &in) && session_call(&s, NULL));
    expect_error(session_outputs(&s, &out), "overrun");
}

static void writing_past_the_work_memory_is_found(void **state)
{
    (void)state;
    build(3);
    const tensor_set in = inputs("x", "s", 2, 3);
    tensor_set out = {.mem = mem};
    assert_true(session_bind(&s, &in) && session_call(&s, NULL));
    expect_error(session_outputs(&s, &out), "overrun");
}

static void an_error_code_of_the_model_is_reported_in_words(void **state)
{
    (void)state;
    build(2);
    const tensor_set in = inputs("x", "s", 2, 3);
    assert_true(session_bind(&s, &in));
    expect_error(session_call(&s, NULL), "run-failed");
    assert_non_null(strstr(d->list.p[0].message, "outside its tensor"));
}

static void a_size_that_there_is_no_room_for_is_named(void **state)
{
    (void)state;
    build(4);
    const tensor_set in = inputs("x", "s", 2, 3);
    assert_true(session_bind(&s, &in));
    expect_error(session_call(&s, NULL), "run-failed");
    assert_string_equal(d->list.p[0].hint, "'count' is 7, which may be 0 to 6");
}

static void outcomes_survive_the_way_to_the_parent(void **state)
{
    (void)state;
    char *line = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&line, &n);
    const outcome o = {OUTCOME_FAIL, 0.5, (double)__builtin_inff(), "y", 7, "element 7\tis wrong\nreally"};
    outcome_write(&o, to);
    fclose(to);
    const outcome back = outcome_parse(mem, line);
    free(line);
    assert_int_equal(back.kind, OUTCOME_FAIL);
    assert_true(back.max_abs == 0.5 && back.max_rel > 1e300);
    assert_int_equal(back.index, 7);
    assert_string_equal(back.output, "y");
    assert_string_equal(back.reason, "element 7 is wrong really");
    assert_int_equal(outcome_parse(mem, "rubbish").kind, OUTCOME_ERROR);
}

static void job(void *ctx, uint32_t i, FILE *result)
{
    (void)ctx;
    if (i == 1) abort();
    if (i == 2) for (;;) {}
    fprintf(result, "job %u", i);
}

static void take(void *ctx, uint32_t i, const job_result *r)
{
    job_result *all = ctx;
    all[i] = *r;
}

static void crashes_and_hangs_of_jobs_are_results(void **state)
{
    (void)state;
    job_result r[4] = {{0}};
    const job_limits limits = {.at_once = 2, .seconds = 1};
    jobs_run(mem, 4, &limits, job, take, r);
    assert_int_equal(r[0].end, JOB_DONE);
    assert_string_equal(r[0].text, "job 0");
    assert_int_equal(r[1].end, JOB_CRASHED);
    assert_int_equal(r[2].end, JOB_TIMED_OUT);
    assert_string_equal(r[3].text, "job 3");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(dims_come_from_the_inputs_and_outputs_have_their_final_shape),
        T(one_library_runs_several_sizes),
        T(unnamed_tensors_bind_in_order),
        T(a_missing_input_is_an_error),
        T(a_wrong_shape_is_an_error),
        T(a_dimension_out_of_its_range_is_an_error),
        T(a_wrong_type_is_an_error),
        T(writing_past_an_output_is_found),
        T(writing_past_the_work_memory_is_found),
        T(an_error_code_of_the_model_is_reported_in_words),
        T(a_size_that_there_is_no_room_for_is_named),
        T(outcomes_survive_the_way_to_the_parent),
        T(crashes_and_hangs_of_jobs_are_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
