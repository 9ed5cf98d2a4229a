#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "driver/compare.h"
#include "driver/inflate.h"
#include "driver/npy.h"

static arena *mem;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static tensor *make(elem e, uint32_t rank, const int64_t *shape)
{
    tensor *t = tensor_new(mem, e, rank, shape);
    const int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) elem_set_int(e, (void *)(uintptr_t)t->data, (size_t)i, i % 3);
    return t;
}

/* Writes the tensor and reads it back. */
static tensor *through_npy(const tensor *t)
{
    text bytes = {.mem = mem};
    const char *why = "";
    npy_print(t, &bytes);
    tensor *back = npy_parse(mem, (const unsigned char *)bytes.p, bytes.n, &why);
    if (!back) fail_msg("%s", why);
    return back;
}

static void every_type_survives_npy(void **state)
{
    (void)state;
    for (int e = 1; e < ELEM_COUNT; e++) {
        if (e == ELEM_STRING || elem_of((elem)e)->kind == 'c') continue;
        const tensor *t = make((elem)e, 2, (int64_t[]){2, 3});
        tensor *back = tensor_as(mem, through_npy(t), (elem)e);
        assert_non_null(back);
        const difference d = compare(back, t, (tolerance){0});
        if (!d.ok) fail_msg("%s: %s", elem_of((elem)e)->name, d.reason);
    }
}

static void scalars_and_empty_tensors_survive_npy(void **state)
{
    (void)state;
    assert_int_equal(through_npy(make(ELEM_FLOAT, 0, NULL))->rank, 0);
    const tensor *empty = through_npy(make(ELEM_INT64, 2, (int64_t[]){0, 4}));
    assert_int_equal(empty->rank, 2);
    assert_int_equal(empty->shape[1], 4);
    assert_int_equal(empty->bytes, 0);
}

static void strings_survive_npy_as_unicode(void **state)
{
    (void)state;
    const char *words[] = {"h\xc3\xa9llo", "", "\xf0\x9f\x98\x80!"};
    tensor t = {.type = ELEM_STRING, .rank = 1, .shape = (int64_t[]){3}, .strings = words};
    const tensor *back = through_npy(&t);
    for (int i = 0; i < 3; i++) assert_string_equal(back->strings[i], words[i]);
}

static tensor *parse_header(const char *dict, const void *data, size_t n, const char **why)
{
    text bytes = {.mem = mem};
    const size_t length = strlen(dict);
    text_addn(&bytes, "\x93NUMPY\1\0", 8);
    text_addn(&bytes, (const char[]){(char)length, (char)(length >> 8)}, 2);
    text_add(&bytes, dict);
    text_addn(&bytes, data, n);
    return npy_parse(mem, (const unsigned char *)bytes.p, bytes.n, why);
}

static void fortran_order_and_big_endian_become_row_major_little_endian(void **state)
{
    (void)state;
    const char *why;
    const unsigned char data[] = {0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6};
    const tensor *t = parse_header("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", data, sizeof data, &why);
    assert_non_null(t);
    for (size_t i = 0; i < 6; i++) assert_int_equal(elem_get_int(ELEM_INT16, t->data, i), (long long)i + 1);
}

static void damaged_npy_files_are_refused(void **state)
{
    (void)state;
    const char *why;
    assert_null(npy_parse(mem, (const unsigned char *)"nothing", 7, &why));
    assert_null(parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n", "1234", 4, &why));
    assert_string_equal(why, "the .npy file is cut short");
    assert_null(parse_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", "12345678", 8, &why));
    assert_null(parse_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", "1234", 4, &why));
    assert_null(parse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }\n", "", 0, &why));
    assert_null(parse_header("{'descr': '<f8'", "", 0, &why));
}

static void raw_bytes_take_the_type_that_the_model_says(void **state)
{
    (void)state;
    const char *why;
    tensor *t = parse_header("{'descr': '<V2', 'fortran_order': False, 'shape': (1,), }\n", "\x80\x3f", 2, &why);
    assert_non_null(t);
    const tensor *b = tensor_as(mem, t, ELEM_BFLOAT16);
    assert_non_null(b);
    assert_true(elem_get_double(ELEM_BFLOAT16, b->data, 0) == 1.0);
    assert_null(tensor_as(mem, t, ELEM_FLOAT));
}

static void an_npz_holds_tensors_by_name_and_slashes_survive(void **state)
{
    (void)state;
    tensor_set set = {.mem = mem}, back = {.mem = mem};
    text bytes = {.mem = mem};
    const char *why = "";
    tensor *a = make(ELEM_FLOAT, 1, (int64_t[]){5}), *b = make(ELEM_INT8, 2, (int64_t[]){2, 2});
    a->name = "a/b";
    b->name = "c";
    VEC_PUSH(mem, set.list, a);
    VEC_PUSH(mem, set.list, b);
    assert_true(npz_print(&set, &bytes, &why));
    assert_true(npz_parse(&back, (const unsigned char *)bytes.p, bytes.n, &why));
    assert_int_equal(back.list.n, 2);
    assert_non_null(tensor_set_find(&back, "a/b"));
    assert_true(compare(tensor_set_find(&back, "c"), b, (tolerance){0}).ok);
    bytes.p[70] ^= 1; /* in the first member */
    assert_false(npz_parse(&back, (const unsigned char *)bytes.p, bytes.n, &why));
}

static void no_cut_or_changed_npz_makes_the_reader_crash(void **state)
{
    (void)state;
    tensor_set set = {.mem = mem};
    text bytes = {.mem = mem};
    const char *why = "";
    tensor *a = make(ELEM_FLOAT, 1, (int64_t[]){5});
    a->name = "a";
    VEC_PUSH(mem, set.list, a);
    assert_true(npz_print(&set, &bytes, &why));
    for (size_t n = 0; n < bytes.n; n++) {
        tensor_set back = {.mem = mem};
        unsigned char *copy = arena_copy(mem, bytes.p, n);
        assert_false(npz_parse(&back, copy, n, &why));
        copy = arena_copy(mem, bytes.p, bytes.n);
        copy[n] ^= 0xff;
        npz_parse(&back, copy, bytes.n, &why);
    }
}

static const unsigned char DYNAMIC[] = {
    0x6d, 0xd2, 0xbb, 0x0d, 0x42, 0x41, 0x0c, 0x45, 0xc1, 0x9c, 0x2a, 0x5c, 0x02, 0xf6, 0xe5, 0x5b, 0x0e, 0x01, 0x48, 0x48, 0x8f, 0x47, 0x40, 0x44,
    0xf7, 0x40, 0x8a, 0x26, 0x59, 0xc9, 0x27, 0xf2, 0xc8, 0xbb, 0xdc, 0xd7, 0x6b, 0x6d, 0xeb, 0x79, 0xab, 0xc7, 0x65, 0x7d, 0xd7, 0xf2, 0x1d, 0x5f,
    0x9b, 0xdf, 0x5b, 0xad, 0x38, 0x8a, 0x51, 0xdc, 0x29, 0xee, 0x15, 0x0f, 0x8a, 0x47, 0xc5, 0x93, 0xe2, 0x99, 0xcb, 0x9b, 0x44, 0x53, 0x13, 0xd5,
    0x54, 0x35, 0x59, 0x4d, 0x57, 0x13, 0xd6, 0x94, 0x35, 0x69, 0x4d, 0xdb, 0xd0, 0x36, 0xbe, 0x17, 0x6d, 0x43, 0xdb, 0xd0, 0x36, 0xb4, 0x0d, 0x6d,
    0x43, 0xdb, 0xd0, 0x36, 0xb4, 0x85, 0xb6, 0xd0, 0x16, 0x7f, 0x46, 0xda, 0x42, 0x5b, 0x68, 0x0b, 0x6d, 0xa1, 0x2d, 0xb4, 0xe5, 0xdf, 0xf6, 0x01};

static void deflated_data_of_all_three_kinds_unpack(void **state)
{
    (void)state;
    static const unsigned char fixed[] = {0x4b, 0x4c, 0x4a, 0x4e, 0x44, 0x42, 0x00};
    static const unsigned char stored[] = {0x01, 0x06, 0x00, 0xf9, 0xff, 0x73, 0x74, 0x6f, 0x72, 0x65, 0x64};
    unsigned char out[1024];
    text expected = {.mem = mem};
    for (int i = 0; i < 40; i++) text_addf(&expected, "line %d of many lines\n", i);
    assert_true(inflate_raw(DYNAMIC, sizeof DYNAMIC, out, expected.n));
    assert_memory_equal(out, expected.p, expected.n);
    assert_true(inflate_raw(fixed, sizeof fixed, out, 15));
    assert_memory_equal(out, "abcabcabcabcabc", 15);
    assert_true(inflate_raw(stored, sizeof stored, out, 6));
    assert_memory_equal(out, "stored", 6);
    assert_false(inflate_raw(stored, sizeof stored, out, 5));
    assert_false(inflate_raw(stored, sizeof stored, out, 7));
}

static void damaged_deflated_data_never_leave_their_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DYNAMIC * 8; i++) {
        unsigned char *copy = arena_copy(mem, DYNAMIC, sizeof DYNAMIC), *out = arena_alloc(mem, 64);
        copy[i / 8] ^= (unsigned char)(1u << i % 8);
        assert_false(inflate_raw(copy, sizeof DYNAMIC, out, 64));
        assert_false(inflate_raw(DYNAMIC, i / 8, out, 64));
    }
}

static void crc32_of_the_check_string_is_the_known_value(void **state)
{
    (void)state;
    assert_int_equal(crc32_of("123456789", 9), 0xcbf43926u);
}

static tensor *floats(int n, const float *v)
{
    tensor *t = tensor_new(mem, ELEM_FLOAT, 1, (int64_t[]){n});
    memcpy((void *)(uintptr_t)t->data, v, (size_t)n * sizeof *v);
    return t;
}

static void floats_compare_within_tolerance_and_nan_equals_nan(void **state)
{
    (void)state;
    const tolerance tol = {.rtol = 1e-3, .atol = 1e-7};
    const float inf = __builtin_inff(), nan = __builtin_nanf("");
    const tensor *a = floats(4, (float[]){1, inf, nan, 0});
    assert_true(compare(floats(4, (float[]){1.0009f, inf, nan, 1e-8f}), a, tol).ok);
    assert_int_equal(compare(floats(4, (float[]){1.0011f, inf, nan, 0}), a, tol).index, 0);
    assert_int_equal(compare(floats(4, (float[]){1, -inf, nan, 0}), a, tol).index, 1);
    assert_int_equal(compare(floats(4, (float[]){1, inf, 0, 0}), a, tol).index, 2);
    assert_int_equal(compare(floats(4, (float[]){1, inf, nan, 1e-6f}), a, tol).index, 3);
    assert_int_equal(compare(floats(4, (float[]){1, 3e38f, nan, 0}), a, tol).index, 1);
    const tolerance of_range = {.range = 0.5};
    assert_true(compare(floats(4, (float[]){0.6f, inf, nan, 0.5f}), a, of_range).ok);
    assert_int_equal(compare(floats(4, (float[]){1, inf, nan, 0.6f}), a, of_range).index, 3);
}

static void types_and_shapes_must_agree_and_integers_be_equal(void **state)
{
    (void)state;
    const tolerance tol = {.rtol = 1, .atol = 1}, form = {.shapes_only = true};
    const tensor *a = make(ELEM_INT32, 2, (int64_t[]){2, 3}), *b = make(ELEM_INT32, 2, (int64_t[]){3, 2});
    assert_false(compare(a, b, tol).ok);
    assert_false(compare(a, b, form).ok);
    assert_false(compare(a, make(ELEM_INT64, 2, (int64_t[]){2, 3}), tol).ok);
    tensor *c = make(ELEM_INT32, 2, (int64_t[]){2, 3});
    elem_set_int(ELEM_INT32, (void *)(uintptr_t)c->data, 4, 7);
    assert_int_equal(compare(c, a, tol).index, 4);
    assert_true(compare(c, a, form).ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_type_survives_npy, setup, teardown),
        cmocka_unit_test_setup_teardown(scalars_and_empty_tensors_survive_npy, setup, teardown),
        cmocka_unit_test_setup_teardown(strings_survive_npy_as_unicode, setup, teardown),
        cmocka_unit_test_setup_teardown(fortran_order_and_big_endian_become_row_major_little_endian, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_npy_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(raw_bytes_take_the_type_that_the_model_says, setup, teardown),
        cmocka_unit_test_setup_teardown(an_npz_holds_tensors_by_name_and_slashes_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(no_cut_or_changed_npz_makes_the_reader_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(deflated_data_of_all_three_kinds_unpack, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_deflated_data_never_leave_their_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(crc32_of_the_check_string_is_the_known_value, setup, teardown),
        cmocka_unit_test_setup_teardown(floats_compare_within_tolerance_and_nan_equals_nan, setup, teardown),
        cmocka_unit_test_setup_teardown(types_and_shapes_must_agree_and_integers_be_equal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
