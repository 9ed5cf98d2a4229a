/* From the protobuf form to the IR. Models are written in the text form where that can say them, else byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "fixture.h"
#include "onnx.pb-c.h"
#include "proto/dimparam.h"
#include "proto/parse.h"
#include "wire_build.h"

static model *parse(const char *s)
{
    model *m = model_parse(mem, d, s, NULL);
    if (!m) diag_print(d, stderr);
    assert_non_null(m);
    assert_true(ir_verify(m));
    return m;
}
static void expect_error(const char *s, exit_code code, const char *where, const char *short_name)
{
    assert_null(model_parse(mem, d, s, NULL));
    assert_int_equal(diag_exit(d), code);
    assert_string_equal(d->list.p[0].code, short_name);
    assert_string_equal(d->list.p[0].where, where);
    assert_int_equal(d->errors, 1);
}
static const value *named(model *m, const char *name)
{
    for (value_id i = 1; i < m->values.n; i++)
        if (!strcmp(value_at(m, i)->name, name)) return value_at(m, i);
    fail_msg("no value %s", name);
    return NULL;
}
static node *nth(model *m, uint32_t i)
{
    return node_at(m, model_main(m)->nodes.p[i]);
}

/* A model with one initializer 'w' of the given TensorProto fields. */
static model *load_tensor(const text *fields)
{
    text g = {.mem = mem}, t = {.mem = mem}, w = {.mem = mem};
    text_addn(&w, fields->p, fields->n);
    put_string(&w, 8, "w");
    put_message(&g, 5, &w);
    put_int(&t, 1, 10);
    put_message(&t, 7, &g);
    return model_load_bytes(mem, d, t.p, t.n, NULL, NULL);
}
static void expect_bad_tensor(const text *fields, exit_code code, const char *short_name)
{
    assert_null(load_tensor(fields));
    assert_int_equal(diag_exit(d), code);
    assert_string_equal(d->list.p[0].code, short_name);
    assert_string_equal(d->list.p[0].where, "graph.initializer[0] 'w'");
    assert_int_equal(d->list.n, 1);
}
static text tensor_fields(int type_code, uint32_t rank, const int64_t *shape)
{
    text t = {.mem = mem};
    for (uint32_t i = 0; i < rank; i++) put_int(&t, 1, shape[i]);
    put_int(&t, 2, type_code);
    return t;
}

/* ---- tensors ---- */

static void raw_data_is_pointed_into_not_copied(void **state)
{
    (void)state;
    text w = tensor_fields(ELEM_FLOAT, 1, (int64_t[]){2}), g = {.mem = mem}, t = {.mem = mem};
    put_bytes(&w, 9, "\0\0\x80\x3f\0\0\0\x40", 8);
    put_string(&w, 8, "w");
    put_message(&g, 5, &w);
    put_message(&t, 7, &g);
    model *m = model_load_bytes(mem, d, t.p, t.n, NULL, NULL);
    assert_non_null(m);
    const tensor *data = named(m, "w")->data;
    assert_true((const char *)data->data > t.p && (const char *)data->data < t.p + t.n);
    assert_true(elem_get_double(ELEM_FLOAT, data->data, 1) == 2.0);
    assert_int_equal(strlen(m->sha256), 64);
}

static void raw_data_of_a_wrong_length_is_an_error(void **state)
{
    (void)state;
    text w = tensor_fields(ELEM_FLOAT, 1, (int64_t[]){3});
    put_bytes(&w, 9, "12345678", 8);
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-data");
    assert_string_equal(d->list.p[0].message, "raw_data has 8 bytes, float of its shape needs 12");
}
static void a_missing_value_is_an_error(void **state)
{
    (void)state;
    const text w = tensor_fields(ELEM_INT64, 1, (int64_t[]){1000000});
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-data");
}
static void a_negative_dimension_is_an_error(void **state)
{
    (void)state;
    const text w = tensor_fields(ELEM_FLOAT, 2, (int64_t[]){2, -3});
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-shape");
}
static void a_huge_product_of_dimensions_is_an_error(void **state)
{
    (void)state;
    const text w = tensor_fields(ELEM_FLOAT, 3, (int64_t[]){1ll << 31, 1ll << 31, 1ll << 31});
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-shape");
}
static void a_size_of_2_to_the_63_bits_is_an_error(void **state)
{
    (void)state;
    const text w = tensor_fields(ELEM_FLOAT, 1, (int64_t[]){INT64_MAX});
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-shape");
}
static void a_zero_dimension_beside_huge_ones_is_fine(void **state)
{
    (void)state;
    const text w = tensor_fields(ELEM_FLOAT, 3, (int64_t[]){1ll << 62, 1ll << 62, 0});
    model *m = load_tensor(&w);
    assert_non_null(m);
    assert_int_equal(named(m, "w")->data->bytes, 0);
}
static void an_unknown_element_type_is_an_error(void **state)
{
    (void)state;
    const text w = tensor_fields(99, 1, (int64_t[]){1});
    expect_bad_tensor(&w, EXIT_INVALID, "elem-type");
}
static void six_bit_floats_have_an_entry_each_and_are_packed(void **state)
{
    (void)state;
    text w = tensor_fields(ELEM_FLOAT6E2M3, 1, (int64_t[]){5});
    put_bytes(&w, 5, "\x08\x3f\x01\x20\x1f", 5);
    model *m = load_tensor(&w);
    assert_non_null(m);
    const tensor *t = named(m, "w")->data;
    assert_int_equal(t->bytes, 4);
    static const double want[] = {1, -7.5, 0.125, -0.0, 7.5};
    for (size_t i = 0; i < 5; i++) assert_true(elem_get_double(t->type, t->data, i) == want[i]);
}
static void data_in_the_wrong_field_is_an_error(void **state)
{
    (void)state;
    text w = tensor_fields(ELEM_FLOAT, 1, (int64_t[]){1});
    put_bytes(&w, 5, "\x01", 1);
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-data");
}
static void data_in_two_forms_is_an_error(void **state)
{
    (void)state;
    text w = tensor_fields(ELEM_FLOAT, 1, (int64_t[]){1});
    put_bytes(&w, 9, "1234", 4);
    put_bytes(&w, 4, "1234", 4);
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-data");
}

static void typed_fields_become_little_endian_data(void **state)
{
    (void)state;
    model *m = parse("<ir_version: 10, opset_import: [\"\" : 21]> g () => (y) <float[2] f = {1.5, -2}, float16[2] h = {1.5, 15360}, int8[2] b = {-1, 127},"
                     "uint32[1] u = {4294967295}, int4[3] q = {-1, 7, -8}, double[1] e = {1e300}, complex64[1] c = {1, 2}, string[2] s = {\"a\", \"b\\\"c\"},"
                     "bool[2] o = {1, 0}, bfloat16[1] z = {-2.0}, uint64[1] v = {18446744073709551615}> { y = Identity (f) }");
    assert_memory_equal(named(m, "f")->data->data, "\0\0\xc0\x3f\0\0\0\xc0", 8);
    assert_memory_equal(named(m, "h")->data->data, "\0\x3e\0\x3c", 4);
    assert_memory_equal(named(m, "b")->data->data, "\xff\x7f", 2);
    assert_memory_equal(named(m, "u")->data->data, "\xff\xff\xff\xff", 4);
    assert_memory_equal(named(m, "q")->data->data, "\x7f\x08", 2);
    assert_int_equal(elem_get_int(ELEM_INT4, named(m, "q")->data->data, 2), -8);
    assert_true(elem_get_double(ELEM_DOUBLE, named(m, "e")->data->data, 0) == 1e300);
    assert_int_equal(named(m, "c")->data->bytes, 8);
    assert_string_equal(named(m, "s")->data->strings[1], "b\"c");
    assert_memory_equal(named(m, "o")->data->data, "\x01\x00", 2);
    assert_memory_equal(named(m, "z")->data->data, "\x00\xc0", 2);
    assert_memory_equal(named(m, "v")->data->data, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
}

/* SparseTensorProto: values 1, indices 2, dims 3. */
static model *load_sparse(const int64_t *index, uint32_t n, const int64_t *shape, uint32_t rank)
{
    text values = tensor_fields(ELEM_FLOAT, 1, (int64_t[]){n}), indices = tensor_fields(ELEM_INT64, 1, (int64_t[]){n});
    text s = {.mem = mem}, g = {.mem = mem}, t = {.mem = mem};
    for (uint32_t i = 0; i < n; i++) {
        text one = {.mem = mem}, float_data = {.mem = mem};
        put_varint(&one, (uint64_t)index[i]);
        put_bytes(&indices, 7, one.p, one.n);
        const float v = (float)(i + 1);
        text_addn(&float_data, (const char *)&v, 4);
        put_bytes(&values, 4, float_data.p, 4);
    }
    put_string(&values, 8, "w");
    put_message(&s, 1, &values);
    put_message(&s, 2, &indices);
    for (uint32_t i = 0; i < rank; i++) put_int(&s, 3, shape[i]);
    put_message(&g, 15, &s);
    put_message(&t, 7, &g);
    return model_load_bytes(mem, d, t.p, t.n, NULL, NULL);
}

static void a_sparse_initializer_becomes_dense(void **state)
{
    (void)state;
    model *m = load_sparse((int64_t[]){1, 5}, 2, (int64_t[]){2, 3}, 2);
    assert_non_null(m);
    const tensor *w = named(m, "w")->data;
    assert_int_equal(w->bytes, 24);
    for (size_t i = 0; i < 6; i++) assert_true(elem_get_double(ELEM_FLOAT, w->data, i) == (i == 1 ? 1.0 : i == 5 ? 2.0 : 0.0));
}
static void a_sparse_index_outside_is_an_error(void **state)
{
    (void)state;
    assert_null(load_sparse((int64_t[]){1, 6}, 2, (int64_t[]){2, 3}, 2));
    assert_int_equal(diag_exit(d), EXIT_INVALID);
}
static void sparse_indices_out_of_order_are_an_error(void **state)
{
    (void)state;
    assert_null(load_sparse((int64_t[]){5, 1}, 2, (int64_t[]){2, 3}, 2));
    assert_int_equal(diag_exit(d), EXIT_INVALID);
}
static void a_sparse_tensor_that_is_huge_when_dense_is_over_the_limit(void **state)
{
    (void)state;
    assert_null(load_sparse((int64_t[]){1, 5}, 2, (int64_t[]){1 << 20, 1 << 20}, 2));
    assert_int_equal(diag_exit(d), EXIT_LIMIT);
}

/* ---- graphs ---- */

#define HEAD "<ir_version: 10, opset_import: [\"\" : 21]>\n"

static void an_input_with_an_initializer_is_a_constant(void **state)
{
    (void)state;
    static const char *const TEXT = HEAD "g (float[2] x, float[2] w = {1, 2}) => (float[2] y) { y = Add (x, w) }";
    model *m = parse(TEXT);
    assert_int_equal(model_main(m)->inputs.n, 1);
    assert_non_null(named(m, "w")->data);
    m = model_parse_with(mem, d, TEXT, NULL, &(load_options){.overridable_inputs = true});
    assert_int_equal(model_main(m)->inputs.n, 2);
    assert_non_null(named(m, "w")->initial);
}

static void nodes_out_of_order_are_sorted_with_a_warning(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[2] x, bool c) => (float[2] y) { y = If (c) <then_branch = a () => (p) { p = Neg (t) }, else_branch = b () => (t) {}> t = Abs (x) }");
    assert_string_equal(nth(m, 0)->op, "Abs");
    assert_string_equal(nth(m, 1)->op, "If");
    assert_int_equal(m->origins.p[nth(m, 0)->origin].index, 1);
    assert_int_equal(d->list.n, 1);
    assert_int_equal(d->list.p[0].sev, SEV_WARNING);
}
static void a_circle_of_nodes_is_an_error(void **state)
{
    (void)state;
    expect_error(HEAD "g (float[2] x) => (float[2] y) { [one] y = Add (x, z) [two] z = Neg (y) }", EXIT_INVALID, "2:34: graph.node[0] 'one'", "node-circle");
}
static void an_undefined_name_is_an_error(void **state)
{
    (void)state;
    expect_error(HEAD "g (float[2] x) => (float[2] y) { [n] y = Add (x, nothing) }", EXIT_INVALID, "2:34: graph.node[0] 'n'", "value-undefined");
}
static void an_output_that_nothing_computes_is_an_error(void **state)
{
    (void)state;
    expect_error(HEAD "g (float[2] x) => (float[2] y) { z = Neg (x) }", EXIT_INVALID, "2:20: graph.output[0] 'y'", "value-undefined");
}
static void a_name_defined_twice_is_an_error(void **state)
{
    (void)state;
    expect_error(HEAD "g (float[2] x) => (float[2] y) { y = Neg (x) y = Abs (x) }", EXIT_INVALID, "2:46: graph.node[1] 'Abs'", "value-twice");
}
static void an_error_inside_a_subgraph_has_its_path(void **state)
{
    (void)state;
    expect_error(HEAD "g (bool c) => (float[2] y) { [pick] y = If (c) <then_branch = a () => (z) { z = Neg (q) }, else_branch = b () => (float[2] w) <float[2] w = "
                      "{1, 2}> {}> }",
                 EXIT_INVALID, "2:77: graph.node[0] 'pick'.attribute[0] 'then_branch'.g 'a'.node[0] 'Neg'", "value-undefined");
}

static void a_subgraph_sees_outer_values_and_may_shadow_them(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[2] x, bool c) => (float[2] y) { t = Neg (x) y = If (c) <then_branch = a () => (t) { t = Abs (x) }, else_branch = b () => (u) { u = "
                          "Neg (t) }> }");
    const node *pick = nth(m, 1);
    const graph *then_branch = graph_at(m, node_attr(pick, "then_branch")->u.g), *else_branch = graph_at(m, node_attr(pick, "else_branch")->u.g);
    assert_int_equal(then_branch->parent, 1);
    assert_int_equal(node_at(m, then_branch->nodes.p[0])->in[0], model_main(m)->inputs.p[0]);
    assert_int_not_equal(then_branch->outputs.p[0], nth(m, 0)->out[0]);
    assert_int_equal(node_at(m, else_branch->nodes.p[0])->in[0], nth(m, 0)->out[0]);
}

static void an_optional_input_left_out_is_id_zero(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[2] x) => (float[2] y) { y, \"\" = Clip (x, \"\", x) }");
    assert_int_equal(nth(m, 0)->n_in, 3);
    assert_int_equal(nth(m, 0)->in[1], 0);
    assert_int_equal(nth(m, 0)->out[1], 0);
}

static void attributes_of_every_kind_are_read(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[2] x) => (y) { y = some.domain.Op <f = 1.5, i = -3, s = \"a\\\\b\", t = int64[2] {4, 5}, fs = [1.0, 2.0], is: ints = [], ss = [\"p\", \"q\"],"
                          "ts = [int64[1] {1}, float {2}], ty: type_proto = seq(float[N]), g = sub () => () {}, gs = [h () => () {}] > (x) }");
    const node *n = nth(m, 0);
    assert_string_equal(n->domain, "some.domain");
    assert_true(node_float(n, "f", 0) == 1.5f);
    assert_int_equal(node_int(n, "i", 0), -3);
    assert_string_equal(node_string(n, "s", ""), "a\\b");
    assert_int_equal(node_attr(n, "s")->n, 3);
    assert_int_equal(elem_get_int(ELEM_INT64, node_attr(n, "t")->u.t->data, 1), 5);
    assert_int_equal(node_attr(n, "fs")->n, 2);
    assert_int_equal(node_attr(n, "is")->kind, ATTR_INTS);
    assert_int_equal(node_attr(n, "is")->n, 0);
    assert_string_equal(node_attr(n, "ss")->u.strings[1], "q");
    assert_int_equal(node_attr(n, "ts")->u.tensors[1]->rank, 0);
    assert_int_equal(node_attr(n, "ty")->u.type->kind, TYPE_SEQUENCE);
    assert_string_equal(graph_at(m, node_attr(n, "g")->u.g)->name, "sub");
    assert_int_equal(node_attr(n, "gs")->n, 1);
}

static void functions_are_read_with_their_attributes(void **state)
{
    (void)state;
    model *m = parse("<ir_version: 10, opset_import: [\"\" : 21, \"my\" : 1]> g (float[2] x) => (float[2] y) { y = my.f <a = 2.0> (x) }\n"
                     "<domain: \"my\", opset_import: [\"\" : 20]> f <a, b: int = 3> (x) => (y) { c = Constant <value_float: float = @a> () y = Mul (x, c) }");
    assert_int_equal(m->functions.n, 1);
    const function *f = &m->functions.p[0];
    assert_int_equal(f->n_attr, 2);
    assert_int_equal(f->attr[0].kind, ATTR_NONE);
    assert_int_equal(f->attr[1].u.i, 3);
    assert_int_equal(f->opsets.p[0].version, 20);
    const graph *body = graph_at(m, f->body);
    assert_int_equal(body->parent, 0);
    assert_string_equal(node_attr(node_at(m, body->nodes.p[0]), "value_float")->ref, "a");
}

/* ---- types ---- */

static void equal_names_of_dims_are_one_symbol_and_each_unnamed_is_its_own(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[N,?,3] x, float[N,?] z, float[] r, float s) => (y) { y = Neg (x) }");
    const type *x = &named(m, "x")->type, *z = &named(m, "z")->type;
    assert_int_equal(x->shape[0], z->shape[0]);
    assert_int_not_equal(x->shape[1], z->shape[1]);
    assert_true(dim_is(m->dims, x->shape[2], 3));
    assert_int_equal(dim_range(m->dims, x->shape[0]).lo, 1);
    assert_int_equal(named(m, "r")->type.rank, -1);
    assert_int_equal(named(m, "s")->type.rank, 0);
}
static void minus_one_is_an_unknown_dim_and_less_is_an_error(void **state)
{
    (void)state;
    model *m = parse(HEAD "g (float[-1,2] x) => (y) { y = Neg (x) }");
    assert_false(dim_is_const(m->dims, named(m, "x")->type.shape[0], NULL));
    assert_int_equal(d->list.p[0].sev, SEV_WARNING);
    assert_null(model_parse(mem, d, HEAD "g (float[-2] x) => (y) { y = Neg (x) }", NULL));
    assert_int_equal(diag_exit(d), EXIT_INVALID);
}

static void sums_in_dim_params_are_expressions(void **state)
{
    (void)state;
    dims *t = dims_new(mem);
    const dim past = dim_of_param(t, mem, "past");
    assert_int_equal(dim_of_param(t, mem, "past + 1"), dim_addc(t, past, 1));
    assert_int_equal(dim_of_param(t, mem, "2*past"), dim_mulc(t, past, 2));
    assert_int_equal(dim_of_param(t, mem, "(past + 3)//4"), dim_fdiv(t, dim_addc(t, past, 3), dim_const(t, 4)));
    assert_int_equal(dim_of_param(t, mem, "Max(past, 8)"), dim_max(t, past, dim_const(t, 8)));
    assert_int_equal(dim_kind_of(t, dim_of_param(t, mem, "batch-size")), DIM_SYMBOL);
    assert_int_equal(dim_kind_of(t, dim_of_param(t, mem, "1 + ")), DIM_SYMBOL);
    assert_int_equal(dim_kind_of(t, dim_of_param(t, mem, "((((((((((((((((((((((((((((((((((((((((x+1")), DIM_SYMBOL);
    assert_int_equal(dim_kind_of(t, dim_of_param(t, mem, "99999999999999999999*x")), DIM_SYMBOL);
    text again = {.mem = mem};
    const dim d1 = dim_of_param(t, mem, "max(fdiv(past + 3, 4), b) + mod(b, 7)");
    dim_text(t, d1, &again);
    assert_int_equal(dim_of_param(t, mem, again.p), d1);
}

static void a_map_without_a_type_of_its_values_is_unknown_inside(void **state)
{
    (void)state;
    text map = {.mem = mem}, kind = {.mem = mem}, x = {.mem = mem}, g = {.mem = mem}, t = {.mem = mem}, out = {.mem = mem};
    put_int(&map, 1, ELEM_INT64); /* key_type; no value_type */
    put_message(&kind, 5, &map);
    put_string(&x, 1, "x");
    put_message(&x, 2, &kind);
    put_message(&g, 11, &x);
    put_message(&t, 7, &g);
    model *m = model_load_bytes(mem, d, t.p, t.n, NULL, NULL);
    assert_non_null(m);
    assert_int_equal(named(m, "x")->type.kind, TYPE_MAP);
    assert_int_equal(named(m, "x")->type.of->kind, TYPE_UNKNOWN);
    model_text(m, &out, 10);
}
static void long_float_data_is_pointed_into(void **state)
{
    (void)state;
    float *v = arena_array(mem, 1000, sizeof *v);
    for (int i = 0; i < 1000; i++) v[i] = (float)i;
    text w = tensor_fields(ELEM_FLOAT, 1, (int64_t[]){1000}), g = {.mem = mem}, t = {.mem = mem};
    put_bytes(&w, 4, v, 4000);
    put_string(&w, 8, "w");
    put_message(&g, 5, &w);
    put_message(&t, 7, &g);
    model *m = model_load_bytes(mem, d, t.p, t.n, NULL, NULL);
    assert_non_null(m);
    const tensor *data = named(m, "w")->data;
    assert_true((const char *)data->data > t.p && (const char *)data->data < t.p + t.n);
    assert_memory_equal(data->data, v, 4000);
}
static void long_float_data_of_another_type_is_an_error(void **state)
{
    (void)state;
    text w = tensor_fields(ELEM_INT64, 1, (int64_t[]){500});
    put_bytes(&w, 4, arena_alloc(mem, 4000), 4000);
    expect_bad_tensor(&w, EXIT_INVALID, "tensor-data");
    assert_string_equal(d->list.p[0].message, "elements of type int64 are in float_data, they belong in int64_data");
}

static void an_attribute_of_an_unknown_kind_is_an_error(void **state)
{
    (void)state;
    text a = {.mem = mem}, n = {.mem = mem}, g = {.mem = mem}, t = {.mem = mem};
    put_string(&a, 1, "alpha");
    put_int(&a, 20, 6000);
    put_string(&a, 21, "ref");
    put_string(&n, 4, "Op");
    put_message(&n, 5, &a);
    put_message(&g, 1, &n);
    put_message(&t, 7, &g);
    assert_null(model_load_bytes(mem, d, t.p, t.n, NULL, NULL));
    assert_string_equal(d->list.p[0].where, "graph.node[0] 'Op'.attribute[0] 'alpha'");
}

static void a_file_without_a_graph_is_an_error(void **state)
{
    (void)state;
    assert_null(model_load_bytes(mem, d, "", 0, NULL, NULL));
    assert_int_equal(diag_exit(d), EXIT_INVALID);
    assert_string_equal(d->list.p[0].code, "model-graph");
}
static void a_missing_file_is_an_input_output_error(void **state)
{
    (void)state;
    assert_null(model_load(mem, d, "/nonexistent/model.onnx", NULL));
    assert_int_equal(diag_exit(d), EXIT_IO);
    assert_null(model_load(mem, d, "/", NULL));
}

static void sha256_gives_the_standard_digests(void **state)
{
    (void)state;
    char hex[65];
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(raw_data_is_pointed_into_not_copied),
        TEST(raw_data_of_a_wrong_length_is_an_error),
        TEST(a_missing_value_is_an_error),
        TEST(a_negative_dimension_is_an_error),
        TEST(a_huge_product_of_dimensions_is_an_error),
        TEST(a_size_of_2_to_the_63_bits_is_an_error),
        TEST(a_zero_dimension_beside_huge_ones_is_fine),
        TEST(an_unknown_element_type_is_an_error),
        TEST(six_bit_floats_have_an_entry_each_and_are_packed),
        TEST(data_in_the_wrong_field_is_an_error),
        TEST(data_in_two_forms_is_an_error),
        TEST(typed_fields_become_little_endian_data),
        TEST(a_sparse_initializer_becomes_dense),
        TEST(a_sparse_index_outside_is_an_error),
        TEST(sparse_indices_out_of_order_are_an_error),
        TEST(a_sparse_tensor_that_is_huge_when_dense_is_over_the_limit),
        TEST(an_input_with_an_initializer_is_a_constant),
        TEST(nodes_out_of_order_are_sorted_with_a_warning),
        TEST(a_circle_of_nodes_is_an_error),
        TEST(an_undefined_name_is_an_error),
        TEST(an_output_that_nothing_computes_is_an_error),
        TEST(a_name_defined_twice_is_an_error),
        TEST(an_error_inside_a_subgraph_has_its_path),
        TEST(a_subgraph_sees_outer_values_and_may_shadow_them),
        TEST(an_optional_input_left_out_is_id_zero),
        TEST(attributes_of_every_kind_are_read),
        TEST(functions_are_read_with_their_attributes),
        TEST(equal_names_of_dims_are_one_symbol_and_each_unnamed_is_its_own),
        TEST(minus_one_is_an_unknown_dim_and_less_is_an_error),
        TEST(sums_in_dim_params_are_expressions),
        TEST(a_map_without_a_type_of_its_values_is_unknown_inside),
        TEST(long_float_data_is_pointed_into),
        TEST(long_float_data_of_another_type_is_an_error),
        TEST(an_attribute_of_an_unknown_kind_is_an_error),
        TEST(a_file_without_a_graph_is_an_error),
        TEST(a_missing_file_is_an_input_output_error),
        TEST(sha256_gives_the_standard_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
