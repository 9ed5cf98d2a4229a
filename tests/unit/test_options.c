#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "driver/options.h"

static arena *mem;
static diag *d;
static options o;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    d = diag_new(mem, NULL);
    memset(&o, 0, sizeof o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

/* Parses the words, of which the last is followed by NULL. */
static bool parse(const char *first, ...)
{
    const char *argv[16] = {"onnxcc", first};
    int n = 1 + (first != NULL);
    va_list ap;
    va_start(ap, first);
    while (first && (argv[n] = va_arg(ap, const char *)) != NULL) n++;
    va_end(ap);
    return options_parse(mem, d, n, argv, &o);
}

static void a_model_as_first_argument_means_compile(void **state)
{
    (void)state;
    assert_true(parse("a.onnx", "-o", "out", NULL));
    assert_int_equal(o.verb, VERB_COMPILE);
    assert_string_equal(o.args.p[0], "a.onnx");
    assert_string_equal(opt_text(&o, OPT_OUTPUT, ""), "out");
}

static void values_may_follow_or_be_joined_and_lists_add_up(void **state)
{
    (void)state;
    assert_true(parse("compile", "m.onnx", "-oout", "--threads=4", "--dim", "a=1", "--dim=b=2..3", "-qv", NULL));
    assert_int_equal(opt_int(&o, OPT_THREADS, 0), 4);
    assert_int_equal(o.n[OPT_DIM], 2);
    assert_string_equal(o.values[OPT_DIM][1], "b=2..3");
    assert_true(opt_flag(&o, OPT_QUIET) && opt_flag(&o, OPT_VERBOSE));
}

static void after_two_dashes_everything_is_an_argument(void **state)
{
    (void)state;
    assert_true(parse("check", "--", "--odd", "-x", NULL));
    assert_int_equal(o.args.n, 2);
}

static void choices_give_their_position(void **state)
{
    (void)state;
    assert_true(parse("compile", "m.onnx", "--weights=incbin", NULL));
    assert_int_equal(opt_choice(&o, OPT_WEIGHTS), 2);
    assert_int_equal(opt_choice(&o, OPT_MATH), 0);
}

static void cases_take_a_file_behind_json(void **state)
{
    (void)state;
    assert_true(parse("verify", "--cases", "dir", "--json", "out.jsonl", NULL));
    assert_string_equal(opt_text(&o, OPT_JSON, ""), "out.jsonl");
    assert_int_equal(o.args.n, 0);
}

static void elsewhere_json_takes_its_file_behind_an_equals_sign(void **state)
{
    (void)state;
    assert_true(parse("check", "--json", "m.onnx", NULL));
    assert_string_equal(opt_text(&o, OPT_JSON, "x"), "");
    assert_int_equal(o.args.n, 1);
}

static void expect_usage_error(const char *code)
{
    assert_int_equal(diag_exit(d), EXIT_USAGE);
    assert_string_equal(d->list.p[0].code, code);
}

static void an_unknown_verb_is_an_error(void **state)
{
    (void)state;
    assert_false(parse("fly", NULL));
    expect_usage_error("unknown-verb");
}

static void an_unknown_option_is_an_error(void **state)
{
    (void)state;
    assert_false(parse("check", "a", "--fast", NULL));
    expect_usage_error("unknown-option");
}

static void an_option_of_another_verb_is_an_error(void **state)
{
    (void)state;
    assert_false(parse("check", "a", "--repeat=3", NULL));
    expect_usage_error("unknown-option");
}

static void a_value_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    assert_false(parse("bench", "a", "--threads=many", NULL));
    expect_usage_error("bad-value");
    assert_false(parse("bench", "a", "--math=quick", NULL));
    assert_false(parse("bench", "a", "--quiet=1", NULL));
}

static void a_missing_value_is_an_error(void **state)
{
    (void)state;
    assert_false(parse("bench", "a", "--threads", NULL));
    expect_usage_error("missing-value");
}

static void too_few_and_too_many_arguments_are_errors(void **state)
{
    (void)state;
    assert_false(parse("inspect", NULL));
    assert_false(parse("inspect", "a", "b", NULL));
    expect_usage_error("arguments");
}

static const char *write_file(const char *name, const char *content)
{
    const char *path = arena_printf(mem, "%s/%s", TEST_BINARY_DIR, name), *why;
    assert_true(file_write(path, content, strlen(content), &why));
    return path;
}

static void an_argument_file_stands_for_its_words(void **state)
{
    (void)state;
    const char *path = write_file("args.txt", "m.onnx --name 'a b'\n-o \"x y\"\\ z");
    assert_true(parse("compile", arena_printf(mem, "@%s", path), NULL));
    assert_string_equal(opt_text(&o, OPT_NAME, ""), "a b");
    assert_string_equal(opt_text(&o, OPT_OUTPUT, ""), "x y z");
}

static void an_argument_file_that_names_itself_is_an_error(void **state)
{
    (void)state;
    const char *path = arena_printf(mem, "%s/loop.txt", TEST_BINARY_DIR);
    write_file("loop.txt", arena_printf(mem, "@%s", path));
    assert_false(parse("compile", arena_printf(mem, "@%s", path), NULL));
    expect_usage_error("nested-arguments");
}

static void a_config_file_gives_options_and_the_command_line_wins(void **state)
{
    (void)state;
    const char *path = write_file("config.yaml", "threads: 3\ntarget: cortex-m4\nprofile: true\nexplain: false\ndim: {batch: 4, seq: 1..8}\n");
    assert_true(parse("compile", "m.onnx", "--config", path, "--threads=2", NULL));
    assert_int_equal(opt_int(&o, OPT_THREADS, 0), 2);
    assert_string_equal(opt_text(&o, OPT_TARGET, ""), "cortex-m4");
    assert_true(opt_flag(&o, OPT_PROFILE));
    assert_false(opt_flag(&o, OPT_EXPLAIN));
    assert_int_equal(o.n[OPT_DIM], 2);
    assert_string_equal(o.values[OPT_DIM][1], "seq=1..8");
}

static void wrong_config_files_are_errors_with_their_line(void **state)
{
    (void)state;
    assert_false(parse("compile", "m.onnx", "--config", write_file("wrong.yaml", "threads: 1\nspeed: 9\n"), NULL));
    expect_usage_error("config");
    assert_non_null(strstr(d->list.p[0].where, "wrong.yaml:2"));
}

static size_t printed(void (*print)(FILE *))
{
    char *bytes = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&bytes, &n);
    assert_non_null(to);
    print(to);
    fclose(to);
    for (int i = 0; i < OPT_COUNT; i++) {
        const char *name = option_info_of((option_id)i)->name;
        if (print == help_bash && !strstr(bytes, name)) fail_msg("--%s is missing", name);
    }
    free(bytes);
    return n;
}

static void help_comes_in_three_forms(void **state)
{
    (void)state;
    assert_true(printed(help_general) > 500);
    assert_true(printed(help_man) > 1000);
    assert_true(printed(help_bash) > 500);
}

static void names_and_letters_of_options_are_unique(void **state)
{
    (void)state;
    for (int i = 0; i < OPT_COUNT; i++)
        for (int k = 0; k < i; k++) {
            const option_info *a = option_info_of((option_id)i), *b = option_info_of((option_id)k);
            assert_string_not_equal(a->name, b->name);
            if (a->letter) assert_int_not_equal(a->letter, b->letter);
        }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_model_as_first_argument_means_compile),
        T(values_may_follow_or_be_joined_and_lists_add_up),
        T(after_two_dashes_everything_is_an_argument),
        T(choices_give_their_position),
        T(cases_take_a_file_behind_json),
        T(elsewhere_json_takes_its_file_behind_an_equals_sign),
        T(an_unknown_verb_is_an_error),
        T(an_unknown_option_is_an_error),
        T(an_option_of_another_verb_is_an_error),
        T(a_value_that_does_not_fit_is_an_error),
        T(a_missing_value_is_an_error),
        T(too_few_and_too_many_arguments_are_errors),
        T(an_argument_file_stands_for_its_words),
        T(an_argument_file_that_names_itself_is_an_error),
        T(a_config_file_gives_options_and_the_command_line_wins),
        T(wrong_config_files_are_errors_with_their_line),
        T(help_comes_in_three_forms),
        T(names_and_letters_of_options_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
