#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/diag.h"
#include "fixture.h"

static void equal_messages_fold_into_one(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) assert_false(diag_error(d, EXIT_INVALID, i ? "here" : "there", "code", "the same"));
    diag_hint(d, "how");
    assert_int_equal(d->list.n, 1);
    assert_int_equal(d->list.p[0].times, 5);
    assert_int_equal(d->errors, 5);
    assert_string_equal(d->list.p[0].where, "there");
    assert_string_equal(d->list.p[0].hint, "how");
}
static void control_characters_of_a_model_do_not_reach_the_terminal(void **state)
{
    (void)state;
    diag_error(d, EXIT_INVALID, "node 'a\nb'", "code", "bad '%s'", "\x1b[2J\x7f");
    diag_hint(d, "%s", "x\ty");
    assert_string_equal(d->list.p[0].where, "node 'a\\x0ab'");
    assert_string_equal(d->list.p[0].message, "bad '\\x1b[2J\\x7f'");
    assert_string_equal(d->list.p[0].hint, "x\\x09y");
}
static void text_that_turns_the_direction_of_writing_is_shown_as_bytes(void **state)
{
    (void)state;
    diag_error(d, EXIT_INVALID, "", "code", "a\xe2\x80\xae" "b\xc2\x9b" "c\xe2\x82\xac");
    assert_string_equal(d->list.p[0].message, "a\\xe2\\x80\\xaeb\\xc2\\x9bc\xe2\x82\xac");
}
static void a_long_message_is_cut_in_its_middle(void **state)
{
    (void)state;
    char s[8000];
    memset(s, 'x', sizeof s);
    s[sizeof s - 1] = 0;
    diag_error(d, EXIT_INVALID, s, "code", "begin %s end", s);
    assert_true(strlen(d->list.p[0].message) < 2000 && strlen(d->list.p[0].where) < 2000);
    assert_memory_equal(d->list.p[0].message, "begin x", 7);
    assert_non_null(strstr(d->list.p[0].message, "x end"));
}
static void errors_beyond_those_kept_can_be_allowed(void **state)
{
    (void)state;
    for (int i = 0; i < DIAG_PROBLEMS + 50; i++) diag_error(d, EXIT_INVALID, "", "order", "number %d", i);
    diag_error(d, EXIT_LIMIT, "", "other", "one of another code");
    diag_allow(d, "order");
    assert_int_equal(d->errors, 1);
    assert_int_equal(diag_exit(d), EXIT_LIMIT);
    diag_allow(d, "other");
    assert_int_equal(d->errors, 0);
    assert_int_equal(diag_exit(d), EXIT_OK);
}
static void needs_of_equal_messages_are_kept_once_each(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "a"};
    for (int i = 0; i < 3; i++) {
        diag_error(d, EXIT_UNSUPPORTED, "", "code", "the same");
        diag_need(d, "value", names[i]);
    }
    assert_int_equal(d->list.n, 1);
    assert_int_equal(d->list.p[0].needs.n, 2);
    assert_string_equal(d->list.p[0].needs.p[1].name, "b");
}
static void after_many_problems_they_are_only_counted(void **state)
{
    (void)state;
    for (int i = 0; i < DIAG_PROBLEMS + 50; i++) diag_warn(d, "", "w", "warning %d", i);
    diag_error(d, EXIT_LIMIT, "", "e", "the first error is kept");
    diag_error(d, EXIT_INVALID, "", "e", "the second is not");
    diag_hint(d, "nor its hint");
    assert_int_equal(d->list.n, DIAG_PROBLEMS + 1);
    assert_int_equal(d->dropped, 51);
    assert_int_equal(d->errors, 2);
    assert_int_equal(diag_exit(d), EXIT_LIMIT);
    assert_null(d->list.p[DIAG_PROBLEMS].hint);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_messages_fold_into_one),
        TEST(control_characters_of_a_model_do_not_reach_the_terminal),
        TEST(text_that_turns_the_direction_of_writing_is_shown_as_bytes), TEST(a_long_message_is_cut_in_its_middle),
        TEST(errors_beyond_those_kept_can_be_allowed), TEST(needs_of_equal_messages_are_kept_once_each),
        TEST(after_many_problems_they_are_only_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
