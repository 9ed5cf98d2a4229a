/* The text form, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "proto/parse.h"

static const char *print(model *m, uint32_t limit)
{
    text t = {.mem = mem};
    model_text(m, &t, limit);
    return t.p;
}
static model *parse(const char *s)
{
    model *m = model_parse(mem, d, s, NULL);
    if (!m) diag_print(d, stderr);
    assert_non_null(m);
    return m;
}
/* Text that is printed as it was read. */
static void expect_same(const char *s)
{
    assert_string_equal(print(parse(s), 100), s);
}
static void expect_error(const char *s, const char *where, const char *message)
{
    assert_null(model_parse(mem, d, s, NULL));
    assert_int_equal(d->errors, 1);
    assert_int_equal(diag_exit(d), EXIT_INVALID);
    assert_string_equal(d->list.p[0].where, where);
    if (message) assert_string_equal(d->list.p[0].message, message);
}

#define HEAD "<\n   ir_version: 10,\n   opset_import: [\"\" : 21]\n>\n"

static void a_small_model_prints_as_it_was_read(void **state)
{
    (void)state;
    expect_same(HEAD "g (float[N,3] x, seq(int64) \"odd name\", optional(float[]) o) => (float[N,3] y)\n"
                     "   <\n"
                     "    float[3] w = {1, -0.25, 1e-30},\n"
                     "    string[2] s = {\"a\\\"b\", \"\"}\n"
                     "   >\n"
                     "{\n"
                     "   [first] t = Mul (x, w)\n"
                     "   y, \"\" = com.example.Op:v2 <a: float = 0.1, b: ints = [1, -2], c: strings = [], d: string = \"x\\\\y\"> (t, \"\", s)  # float[N,3]\n"
                     "}\n");
}

static void subgraphs_print_as_they_were_read(void **state)
{
    (void)state;
    expect_same(HEAD "g (float[2] x, bool c) => (float[2] y)\n"
                     "{\n"
                     "   y = If (c) <then_branch: graph = a () => (p)\n"
                     "   {\n"
                     "      p = Neg (x)\n"
                     "   }, else_branch: graph = b () => (q)\n"
                     "      <\n"
                     "       float[1] k = {2}\n"
                     "      >\n"
                     "   {\n"
                     "      q = Mul (x, k)\n"
                     "   }>  # float[2]\n"
                     "}\n");
}

static void functions_print_as_they_were_read(void **state)
{
    (void)state;
    expect_same("<\n   ir_version: 10,\n   opset_import: [\"\" : 21, \"my\" : 1],\n   producer_name: \"p\",\n   model_version: 3,\n   doc_string: \"two\nlines\",\n"
                "   metadata_props: [\"k\": \"v\"]\n>\n"
                "g (float[2] x) => (y)\n{\n   y = my.f <a: float = 2> (x)\n}\n"
                "\n<\n   opset_import: [\"\" : 20],\n   domain: \"my\"\n>\n"
                "f <a, b: int = 3> (x) => (y)\n{\n   c = Constant <value_float: float = @a> ()\n   y = Mul (x, c)\n}\n");
}

static void every_tensor_type_prints_as_it_was_read(void **state)
{
    (void)state;
    expect_same(HEAD "g () => (y)\n"
                     "   <\n"
                     "    float16[2] a = {15360, 65535},\n"
                     "    bfloat16[1] b = {16256},\n"
                     "    float8e4m3fn[1] c = {255},\n"
                     "    int4[3] e = {242, 7},\n"
                     "    uint64[1] f = {18446744073709551615},\n"
                     "    int64[1] h = {-9223372036854775808},\n"
                     "    complex64[1] i = {1, -2.5},\n"
                     "    double[3] j = {0.1, inf, -nan},\n"
                     "    bool[2] k = {1, 0},\n"
                     "    int32 l = {-5},\n"
                     "    uint8[0] m = {},\n"
                     "    float[1] n = {3.4028235e+38}\n"
                     "   >\n{\n   y = Neg (a)\n}\n");
}

static void a_long_constant_is_abbreviated(void **state)
{
    (void)state;
    model *m = parse(HEAD "g () => (y) <float[4] w = {1, 2, 3, 4}> { y = Neg (w) }");
    assert_non_null(strstr(print(m, 3), "float[4] w = { # 4 elements\n}"));
    assert_non_null(strstr(print(m, 4), "float[4] w = {1, 2, 3, 4}"));
}

static void values_without_a_name_and_with_a_taken_one_get_one(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[2] x) => (y) { t = Neg (x) y = Abs (t) }");
    value *t = value_at(m, node_at(m, model_main(m)->nodes.p[0])->out[0]);
    t->name = intern(m->names, "");
    assert_non_null(strstr(print(m, 9), "v2 = Neg (x)\n   y = Abs (v2)"));
    t->name = intern(m->names, "x");
    assert_non_null(strstr(print(m, 9), "x_2 = Neg (x)\n   y = Abs (x_2)"));
}

static void constants_that_no_list_has_are_printed(void **state)
{
    (void)state;
    model *m = parse("<ir_version: 10, opset_import: [\"\" : 21]> g (float[2] x) => (y) { y = Add (x, x) }\n<domain: \"my\"> f (x) => (y) { y = Mul (x, x) }");
    const value_id k = value_new(m, "k"), k2 = value_new(m, "k2");
    value_at(m, k)->data = value_at(m, k2)->data = tensor_new(mem, ELEM_FLOAT, 1, (int64_t[]){1});
    node_at(m, model_main(m)->nodes.p[0])->in[1] = k;
    node_at(m, graph_at(m, m->functions.p[0].body)->nodes.p[0])->in[1] = k2;
    const char *s = print(m, 9);
    assert_non_null(strstr(s, "float[1] k = {0}"));
    assert_non_null(strstr(s, "k2 = Constant <value: tensor = float[1] {0}> ()\n   y = Mul (x, k2)"));
    parse(s);
}

static void comments_and_space_are_skipped(void **state)
{
    (void)state;
    parse("# a model\n<ir_version:10,opset_import:[\"\":21]>g(float x)=>(y){# nothing here }\n y=Neg(x)#}\n}#");
}

static void a_line_break_in_the_name_of_a_dim_does_not_end_a_comment(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[\"a\nb\"] x) => (float[\"a\nb\"] y) { y = Neg (x) }");
    parse(print(m, 9));
}

static void a_syntax_error_has_line_and_column(void **state)
{
    (void)state;
    expect_error("<ir_version: 10>\ng (float x) => (y)\n{\n   y = Neg x\n}", "4:12", "expected '(' but found 'x'");
}
static void a_missing_end_is_an_error(void **state)
{
    (void)state;
    expect_error("g (float x) => (y) { y = Neg (x)", "1:33", NULL);
}
static void a_string_without_end_is_an_error(void **state)
{
    (void)state;
    expect_error("g (float \"x) => (y) {}", "1:10", "the string that starts here has no end");
}
static void a_number_out_of_range_is_an_error(void **state)
{
    (void)state;
    expect_error("g () => () <int8[1] x = {200}> {}", "1:29", "200 is not between -128 and 127");
}
static void an_unknown_type_is_an_error(void **state)
{
    (void)state;
    expect_error("g (flaot[2] x) => () {}", "1:9", NULL);
}
static void a_value_of_another_kind_is_an_error(void **state)
{
    (void)state;
    expect_error("g (float x) => (y) { y = Op <a: int = \"s\"> (x) }", "1:42", NULL);
}
static void an_empty_list_needs_its_kind(void **state)
{
    (void)state;
    expect_error("g (float x) => (y) { y = Op <a = []> (x) }", "1:35", NULL);
}
static void deep_nesting_is_an_error(void **state)
{
    (void)state;
    text t = {.mem = mem};
    for (int i = 0; i < 100000; i++) text_add(&t, "g () => () { = If () <a = ");
    assert_null(model_parse(mem, d, t.p, NULL));
    assert_int_equal(d->errors, 1);
}
static void a_file_in_text_form_is_loaded(void **state)
{
    (void)state;
    const char *path = TEST_BINARY_DIR "/test_text.onnxtxt", *why;
    static const char TEXT[] = HEAD "g (float[2] x) => (y)\n{\n   y = Neg (x)\n}\n";
    assert_true(file_write(path, TEXT, sizeof TEXT - 1, &why));
    model *m = model_load(mem, d, path, NULL);
    assert_non_null(m);
    assert_string_equal(print(m, 9), TEXT);
    assert_int_equal(strlen(m->sha256), 64);
    assert_true(file_write(path, TEXT, sizeof TEXT, &why));
    assert_null(model_load(mem, d, path, NULL));
}
static void every_cut_of_a_text_is_survived(void **state)
{
    (void)state;
    const char *s = print(parse(HEAD "g (float[N] x, bool c) => (y) <float[2] w = {1, 2.5e3}, string[1] s = {\"a\"}> { [n] y = If (c) <t = a () => (p) { p = Neg (x) }, u: ints = "
                                     "[1, 2], v = seq(float[2]), r: float = @q> }"),
                          100);
    const size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        arena *a = arena_new();
        (void)model_parse(a, diag_new(a, "cut"), arena_strndup(a, s, i), NULL);
        arena_free(a);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_small_model_prints_as_it_was_read),
        TEST(subgraphs_print_as_they_were_read),
        TEST(functions_print_as_they_were_read),
        TEST(every_tensor_type_prints_as_it_was_read),
        TEST(a_long_constant_is_abbreviated),
        TEST(values_without_a_name_and_with_a_taken_one_get_one),
        TEST(constants_that_no_list_has_are_printed),
        TEST(comments_and_space_are_skipped),
        TEST(a_line_break_in_the_name_of_a_dim_does_not_end_a_comment),
        TEST(a_syntax_error_has_line_and_column),
        TEST(a_missing_end_is_an_error),
        TEST(a_string_without_end_is_an_error),
        TEST(a_number_out_of_range_is_an_error),
        TEST(an_unknown_type_is_an_error),
        TEST(a_value_of_another_kind_is_an_error),
        TEST(an_empty_list_needs_its_kind),
        TEST(deep_nesting_is_an_error),
        TEST(a_file_in_text_form_is_loaded),
        TEST(every_cut_of_a_text_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
