/* External data never leaves the model's folder, whatever the model says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/external.h"
#include "proto/parse.h"

static arena *mem;
static diag *d;
static char root[512]; /* a folder with: outside.bin, m/ (the model's folder) with w.bin and sub/w.bin, all of 24 bytes */

static const char *in_root(const char *name)
{
    return arena_printf(mem, "%s/%s", root, name);
}
static void make_file(const char *name, size_t bytes)
{
    FILE *f = fopen(in_root(name), "wb");
    assert_non_null(f);
    for (size_t i = 0; i < bytes; i++) fputc((int)i, f);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    d = diag_new(mem, "test");
    snprintf(root, sizeof root, "%s/external.XXXXXX", TEST_BINARY_DIR);
    if (!mkdtemp(root) || mkdir(in_root("m"), 0777) || mkdir(in_root("m/sub"), 0777)) return -1;
    make_file("outside.bin", 24);
    make_file("m/w.bin", 24);
    make_file("m/sub/w.bin", 24);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena *a = mem;
    const char *const made[] = {"m/fifo", "m/link", "m/hard", "m/linked/w.bin", "m/linked", "m/empty.bin", "outside.bin", "m/w.bin", "m/sub/w.bin", "m/sub", "m", "."};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        if (remove(in_root(made[i])) && i >= 6 && i < 11) return -1;
    rmdir(root);
    arena_free(a);
    return 0;
}

/* A model in m/ with a weight of 4 floats at the place that `entries` says. */
static exit_code load(const char *entries)
{
    const char *s = arena_printf(mem, "<ir_version: 10, opset_import: [\"\" : 21]> g () => (y) <float[4] w = [%s]> { y = Neg (w) }", entries);
    model *m = model_parse(mem, d, s, in_root("m/model.onnx"));
    assert_int_equal(m != NULL, d->errors == 0);
    if (!m) {
        assert_int_equal(d->errors, 1);
        assert_string_equal(d->list.p[0].where, "1:56: graph.initializer[0] 'w'");
    } else {
        const tensor *w = value_at(m, model_main(m)->initializers.p[0])->data;
        assert_int_equal(w->bytes, 16);
        assert_true(((const unsigned char *)w->data)[1] == ((const unsigned char *)w->data)[0] + 1); /* readable, the file's bytes */
    }
    return diag_exit(d);
}

static void a_file_beside_the_model_is_read(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"w.bin\""), EXIT_OK);
}
static void a_file_in_a_folder_below_is_read(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"./sub/w.bin\", \"offset\": \"8\", \"length\": \"16\""), EXIT_OK);
}
static void a_path_upwards_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"../outside.bin\""), EXIT_INVALID);
}
static void a_path_down_and_up_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"sub/../../outside.bin\""), EXIT_INVALID);
}
static void an_absolute_path_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load(arena_printf(mem, "\"location\": \"%s\"", in_root("m/w.bin"))), EXIT_INVALID);
}
static void an_empty_path_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"\""), EXIT_INVALID);
}
static void a_path_without_a_file_name_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"sub/\""), EXIT_INVALID);
}
static void the_folder_itself_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \".\""), EXIT_INVALID);
}
static void a_folder_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"sub\""), EXIT_INVALID);
}
static void a_missing_location_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"offset\": \"0\""), EXIT_INVALID);
}
static void a_missing_file_is_an_input_output_error(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"gone.bin\""), EXIT_IO);
}
static void a_symbolic_link_is_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("w.bin", in_root("m/link")), 0);
    assert_int_equal(load("\"location\": \"link\""), EXIT_INVALID);
}
static void a_folder_that_is_a_symbolic_link_is_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("..", in_root("m/linked")), 0);
    assert_int_equal(load("\"location\": \"linked/outside.bin\""), EXIT_INVALID);
}
static void a_hard_link_is_refused(void **state)
{
    (void)state;
    assert_int_equal(link(in_root("outside.bin"), in_root("m/hard")), 0);
    assert_int_equal(load("\"location\": \"hard\""), EXIT_INVALID);
}
static void a_fifo_is_refused_without_waiting(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(in_root("m/fifo"), 0666), 0);
    assert_int_equal(load("\"location\": \"fifo\""), EXIT_INVALID);
}
static void a_file_as_a_folder_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"w.bin/x\""), EXIT_INVALID);
}
static void an_offset_past_the_end_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"w.bin\", \"offset\": \"9\""), EXIT_INVALID);
}
static void an_offset_that_overflows_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"w.bin\", \"offset\": \"18446744073709551608\""), EXIT_INVALID);
}
static void a_number_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"w.bin\", \"offset\": \"-4\""), EXIT_INVALID);
}
static void a_wrong_length_is_refused(void **state)
{
    (void)state;
    assert_int_equal(load("\"location\": \"w.bin\", \"length\": \"8\""), EXIT_INVALID);
}
static void an_empty_file_has_no_data(void **state)
{
    (void)state;
    make_file("m/empty.bin", 0);
    assert_int_equal(load("\"location\": \"empty.bin\""), EXIT_INVALID);
}

static void a_file_is_mapped_once(void **state)
{
    (void)state;
    externals *e = externals_new(mem, d, in_root("m"));
    const char *a = external_data(e, "", "w.bin", 0, 8), *b = external_data(e, "", "w.bin", 8, 16);
    assert_non_null(a);
    assert_ptr_equal(b, a + 8);
    uint64_t size;
    assert_true(external_size(e, "", "w.bin", &size));
    assert_int_equal(size, 24);
}
static void a_model_without_a_folder_has_no_external_data(void **state)
{
    (void)state;
    assert_null(external_data(externals_new(mem, d, NULL), "", "w.bin", 0, 8));
    assert_int_equal(diag_exit(d), EXIT_INVALID);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_beside_the_model_is_read),
        TEST(a_file_in_a_folder_below_is_read),
        TEST(a_path_upwards_is_refused),
        TEST(a_path_down_and_up_is_refused),
        TEST(an_absolute_path_is_refused),
        TEST(an_empty_path_is_refused),
        TEST(a_path_without_a_file_name_is_refused),
        TEST(the_folder_itself_is_refused),
        TEST(a_folder_is_refused),
        TEST(a_missing_location_is_refused),
        TEST(a_missing_file_is_an_input_output_error),
        TEST(a_symbolic_link_is_refused),
        TEST(a_folder_that_is_a_symbolic_link_is_refused),
        TEST(a_hard_link_is_refused),
        TEST(a_fifo_is_refused_without_waiting),
        TEST(a_file_as_a_folder_is_refused),
        TEST(an_offset_past_the_end_is_refused),
        TEST(an_offset_that_overflows_is_refused),
        TEST(a_number_that_is_none_is_refused),
        TEST(a_wrong_length_is_refused),
        TEST(an_empty_file_has_no_data),
        TEST(a_file_is_mapped_once),
        TEST(a_model_without_a_folder_has_no_external_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
