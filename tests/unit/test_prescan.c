/* Hostile files: every one must end in one clear error with the right exit code, never in a crash. Field numbers are those of proto/onnx.proto:
 * ModelProto.graph 7, GraphProto.node 1, NodeProto.attribute 5, AttributeProto.g 6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "onnx.pb-c.h"
#include "proto/parse.h"
#include "proto/prescan.h"
#include "proto/proto.h"
#include "wire_build.h"

static exit_code scan(const text *t, uint64_t memory)
{
    prescan_result r;
    const prescan_limits limits = {.memory = memory};
    const bool ok = prescan(d, (const unsigned char *)(t->p ? t->p : ""), t->n, &onnx__model_proto__descriptor, &limits, &r);
    assert_int_equal(ok, d->errors == 0);
    if (!ok) assert_int_equal(d->errors, 1);
    return diag_exit(d);
}

static text small_model(void)
{
    const proto_file *f = proto_parse(mem, d,
                                      "<ir_version: 10, opset_import: [\"\" : 21], metadata_props: [\"a\": \"b\"]>\n"
                                      "g (float[N,3] x, bool c) => (float[N,3] y) <float[3] w = {1, 2, 3}, int64[2] s = {-1, 3}>\n"
                                      "{ t = Mul (x, w)  y = If (c) <then_branch = a () => (float[N,3] z) { z = Add (t, w) }, else_branch = b () => (u) "
                                      "{ u = Reshape <allowzero = 0> (t, s) }> }",
                                      NULL);
    assert_non_null(f);
    text t = {.mem = mem};
    uint8_t *bytes = arena_alloc(mem, protobuf_c_message_get_packed_size(f->root));
    const size_t n = protobuf_c_message_pack(f->root, bytes);
    text_addn(&t, (const char *)bytes, n);
    return t;
}

static void a_model_passes(void **state)
{
    (void)state;
    const text t = small_model();
    assert_int_equal(scan(&t, 0), EXIT_OK);
    assert_non_null(model_load_bytes(mem, d, t.p, t.n, NULL, NULL));
}

static void every_cut_of_a_model_is_an_error_or_a_model(void **state)
{
    (void)state;
    const text t = small_model();
    for (size_t n = 0; n < t.n; n++) {
        arena *a = arena_new();
        diag *here = diag_new(a, "cut");
        void *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read past the end */
        memcpy(exact, t.p, n);
        const model *m = model_load_bytes(a, here, exact, n, NULL, NULL);
        if (!m) assert_in_range(diag_exit(here), EXIT_INVALID, EXIT_UNSUPPORTED);
        arena_free(a);
        free(exact);
    }
}

static void every_changed_byte_is_survived(void **state)
{
    (void)state;
    const text t = small_model();
    static const unsigned char WITH[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x12, 0x3a};
    for (size_t i = 0; i < t.n; i++) {
        for (size_t k = 0; k < sizeof WITH; k++) {
            arena *a = arena_new();
            diag *here = diag_new(a, "changed");
            unsigned char *copy = malloc(t.n);
            memcpy(copy, t.p, t.n);
            copy[i] = WITH[k];
            const model *m = model_load_bytes(a, here, copy, t.n, NULL, NULL);
            if (!m) assert_in_range(diag_exit(here), EXIT_INVALID, EXIT_LIMIT);
            arena_free(a);
            free(copy);
        }
    }
}

/* `levels` graphs inside the main one. Built from the inside out, from the end of a buffer towards its start. */
static text nested(size_t levels)
{
    const size_t cap = levels * 20 + 64;
    unsigned char *buffer = arena_alloc(mem, cap), *p = buffer + cap;
    for (size_t i = 0; i < levels; i++) {
        static const unsigned char TAG[] = {6 << 3 | 2, 5 << 3 | 2, 1 << 3 | 2}; /* g, attribute, node */
        for (size_t k = 0; k < 3; k++) {
            size_t n = (size_t)(buffer + cap - p);
            unsigned char length[10];
            size_t bytes = 0;
            do length[bytes++] = (unsigned char)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
            while (n >>= 7);
            p -= bytes;
            memcpy(p, length, bytes);
            *--p = TAG[k];
        }
    }
    text t = {.mem = mem};
    put_bytes(&t, 7, p, (size_t)(buffer + cap - p));
    return t;
}

static void nesting_is_allowed_as_deep_as_the_onnx_package_allows(void **state)
{
    (void)state;
    const text ok = nested(33);
    assert_int_equal(scan(&ok, 0), EXIT_OK);
    const text too_deep = nested(34);
    assert_int_equal(scan(&too_deep, 0), EXIT_LIMIT);
}

static void three_thousand_nested_graphs_are_refused(void **state)
{
    (void)state;
    const text t = nested(3000);
    assert_int_equal(scan(&t, 0), EXIT_LIMIT);
    assert_string_equal(d->list.p[0].code, "nesting");
}

static void a_hundred_thousand_nested_graphs_are_refused(void **state)
{
    (void)state;
    const text t = nested(100000);
    assert_int_equal(scan(&t, 0), EXIT_LIMIT);
    assert_null(model_load_bytes(mem, d, t.p, t.n, NULL, NULL));
}

static void two_million_empty_nodes_are_over_the_budget(void **state)
{
    (void)state;
    text g = {.mem = mem}, t = {.mem = mem};
    for (int i = 0; i < 2000000; i++) text_addn(&g, "\x0a", 2); /* node, length 0 */
    put_message(&t, 7, &g);
    assert_int_equal(scan(&t, 0), EXIT_LIMIT);
    assert_string_equal(d->list.p[0].code, "model-memory");
}

static void the_budget_can_be_set(void **state)
{
    (void)state;
    const text t = small_model();
    assert_int_equal(scan(&t, 500), EXIT_LIMIT);
}

static void expect_invalid(const char *bytes, size_t n)
{
    text t = {.mem = mem};
    text_addn(&t, bytes, n);
    assert_int_equal(scan(&t, 0), EXIT_INVALID);
}

static void groups_are_refused(void **state)
{
    (void)state;
    expect_invalid("\x3b\x3c", 2);
}
static void field_number_zero_is_refused(void **state)
{
    (void)state;
    expect_invalid("\x00\x01", 2);
}
static void a_number_of_eleven_bytes_is_refused(void **state)
{
    (void)state;
    expect_invalid("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
}
static void a_length_past_the_end_is_refused(void **state)
{
    (void)state;
    expect_invalid("\x3a\x05\x0a\x00", 4);
}
static void a_length_of_four_gigabytes_is_refused(void **state)
{
    (void)state;
    expect_invalid("\x3a\xff\xff\xff\xff\x0f", 6);
}
/* As protobuf does: a graph that is a number is an unknown field. */
static void a_field_of_another_wire_type_is_passed_over(void **state)
{
    (void)state;
    text t = small_model();
    text_addn(&t, "\x38\x01", 2);
    assert_int_equal(scan(&t, 0), EXIT_OK);
    model *m = model_load_bytes(mem, d, t.p, t.n, NULL, NULL);
    assert_non_null(m);
    assert_string_equal(graph_at(m, 1)->name, "g");
}

static void zeros_behind_a_model_are_its_end(void **state)
{
    (void)state;
    text t = small_model();
    text_addn(&t, "\0\0\0", 3);
    assert_non_null(model_load_bytes(mem, d, t.p, t.n, NULL, NULL));
    text_addn(&t, "\1", 1);
    assert_int_equal(scan(&t, 0), EXIT_INVALID);
}
static void bad_utf8_is_refused(void **state)
{
    (void)state;
    expect_invalid("\x12\x02\xc3\x28", 4);
}

static void a_child_may_not_be_longer_than_its_parent(void **state)
{
    (void)state;
    expect_invalid("\x3a\x04\x0a\x06\x1a\x00\x1a\x00\x1a\x00", 10); /* the file is long enough, the graph is not */
}

static void a_graph_given_twice_is_refused(void **state)
{
    (void)state;
    text t = {.mem = mem};
    text_addn(&t, "\x3a\x00\x3a\x00", 4);
    assert_int_equal(scan(&t, 0), EXIT_INVALID);
}

static void a_zero_byte_in_a_name_is_refused(void **state)
{
    (void)state;
    text t = {.mem = mem};
    put_bytes(&t, 2, "a\0b", 3);
    assert_int_equal(scan(&t, 0), EXIT_UNSUPPORTED);
}

static void the_path_of_a_broken_message_is_told(void **state)
{
    (void)state;
    text bad = {.mem = mem}, g = {.mem = mem}, t = {.mem = mem}, empty = {.mem = mem};
    text_addn(&bad, "\x0a\x09x", 3); /* NodeProto.input, 9 bytes said, 1 there */
    put_message(&g, 1, &empty);
    put_message(&g, 1, &bad);
    put_message(&t, 7, &g);
    assert_int_equal(scan(&t, 0), EXIT_INVALID);
    assert_string_equal(d->list.p[0].where, "graph.node[1].input");
}

static void unknown_fields_are_read_over(void **state)
{
    (void)state;
    text t = small_model();
    put_string(&t, 1000, "something of the future");
    put_int(&t, 1001, -5);
    assert_int_equal(scan(&t, 0), EXIT_OK);
    assert_non_null(model_load_bytes(mem, d, t.p, t.n, NULL, NULL));
}

static void utf8_is_checked_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t n;
        bool ok;
    } CASES[] = {{"abc", 3, true},       {"\xc3\xa4", 2, true},         {"\xe2\x82\xac", 3, true},     {"\xf0\x9f\x98\x80", 4, true}, {"\x80", 1, false},
                 {"\xc0\x80", 2, false}, {"\xe0\x80\x80", 3, false},    {"\xed\xa0\x80", 3, false},    {"\xf4\x90\x80\x80", 4, false}, {"\xc3", 1, false},
                 {"\xe2\x82", 2, false}, {"\xf5\x80\x80\x80", 4, false}, {"\xf0\x8f\xbf\xbf", 4, false}, {"", 0, true}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_int_equal(utf8_valid((const unsigned char *)CASES[i].s, CASES[i].n), CASES[i].ok);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_passes),
        TEST(every_cut_of_a_model_is_an_error_or_a_model),
        TEST(every_changed_byte_is_survived),
        TEST(nesting_is_allowed_as_deep_as_the_onnx_package_allows),
        TEST(three_thousand_nested_graphs_are_refused),
        TEST(a_hundred_thousand_nested_graphs_are_refused),
        TEST(two_million_empty_nodes_are_over_the_budget),
        TEST(the_budget_can_be_set),
        TEST(groups_are_refused),
        TEST(field_number_zero_is_refused),
        TEST(a_number_of_eleven_bytes_is_refused),
        TEST(a_length_past_the_end_is_refused),
        TEST(a_length_of_four_gigabytes_is_refused),
        TEST(a_field_of_another_wire_type_is_passed_over),
        TEST(zeros_behind_a_model_are_its_end),
        TEST(bad_utf8_is_refused),
        TEST(a_child_may_not_be_longer_than_its_parent),
        TEST(a_graph_given_twice_is_refused),
        TEST(a_zero_byte_in_a_name_is_refused),
        TEST(the_path_of_a_broken_message_is_told),
        TEST(unknown_fields_are_read_over),
        TEST(utf8_is_checked_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
