#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/ir.h"
#include "schema/schema.h"

static void an_opset_selects_the_newest_form_not_after_it(void **state)
{
    (void)state;
    assert_null(schema_find("", "Gelu", 19));
    assert_int_equal(schema_find("", "Gelu", 20)->since, 20);
    assert_int_equal(schema_find("", "Conv", 7)->since, 1);
    assert_int_equal(schema_find("", "Conv", 21)->since, 11);
    assert_int_equal(schema_find("", "Conv", 28)->since, 22);
    assert_int_equal(schema_find("ai.onnx", "Conv", 28)->since, 22);
    assert_int_equal(schema_find("ai.onnx.ml", "TreeEnsemble", 5)->since, 5);
    assert_null(schema_find("ai.onnx.ml", "Conv", 5));
    assert_null(schema_find("", "Conv", 0));
    assert_null(schema_find("", "", 28));
    assert_null(schema_find("zzz", "Zzz", 28));
}

static void every_row_finds_itself_and_is_consistent(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < schema_count(); i++) {
        const op_schema *s = schema_at(i);
        assert_ptr_equal(schema_find(s->domain, s->name, s->since), s);
        assert_true(s->min_in <= s->max_in && s->min_out <= s->max_out);
        assert_true(schema_domain_version(s->domain) >= s->since);
        for (uint32_t k = 0; k < s->n_in; k++) assert_true(s->in[k].constraint < (int)s->n_constraint);
        for (uint32_t k = 0; k < s->n_attr; k++) assert_false(s->attr[k].required && s->attr[k].has_default);
        const op_schema *next = schema_next(s);
        assert_true(!next || next->since > s->since);
        if (!next) assert_ptr_equal(schema_newest(s->domain, s->name), s);
    }
}

static void attributes_carry_their_defaults(void **state)
{
    (void)state;
    assert_int_equal(schema_attr_find(schema_find("", "Softmax", 12), "axis")->otherwise.i, 1);
    assert_int_equal(schema_attr_find(schema_find("", "Softmax", 13), "axis")->otherwise.i, -1);
    assert_true(schema_attr_find(schema_find("", "LeakyRelu", 16), "alpha")->otherwise.f == 0.01f);
    assert_string_equal(schema_attr_find(schema_find("", "Pad", 13), "mode")->otherwise.s, "constant");
    const schema_attr *axes = schema_attr_find(schema_find("", "MeanVarianceNormalization", 13), "axes");
    assert_int_equal(axes->n, 3);
    assert_int_equal(axes->otherwise.ints[2], 3);
    const schema_attr *kernel = schema_attr_find(schema_find("", "MaxPool", 12), "kernel_shape");
    assert_true(kernel->required && !kernel->has_default && kernel->kind == ATTR_INTS);
    assert_string_equal(schema_attr_kind_name(kernel->kind), "INTS");
    assert_null(schema_attr_find(schema_find("", "Relu", 14), "alpha"));
}

static void a_variadic_parameter_serves_all_from_its_place_on(void **state)
{
    (void)state;
    const op_schema *concat = schema_find("", "Concat", 13), *conv = schema_find("", "Conv", 11);
    assert_ptr_equal(schema_input(concat, 7), &concat->in[0]);
    assert_true(concat->in[0].homogeneous && concat->max_in == SCHEMA_MANY);
    assert_int_equal(schema_input(conv, 2)->option, PARAM_OPTIONAL);
    assert_null(schema_input(conv, 3));
    assert_false(schema_find("", "Loop", 11)->in[2].homogeneous);
}

static void type_sets_print_as_the_standard_spells_them(void **state)
{
    (void)state;
    arena *a = arena_new();
    text t = {.mem = a};
    const op_schema *s = schema_find("", "Conv", 11);
    schema_types_text(s->in[0].types, &t);
    assert_string_equal(t.p, "float, float16, double");
    text map = {.mem = a};
    schema_types_text(schema_find("ai.onnx.ml", "ZipMap", 1)->out[0].types, &map);
    assert_string_equal(map.p, "seq(map(int64, float)), seq(map(string, float))");
    text seq = {.mem = a};
    schema_types_text(schema_find("", "SplitToSequence", 11)->in[1].types, &seq);
    assert_string_equal(seq.p, "int32, int64");
    arena_free(a);
}

static void element_and_attribute_codes_agree_with_the_ir(void **state)
{
    (void)state;
    const schema_types *all = schema_find("", "Identity", 25)->in[0].types;
    assert_int_equal(all->tensor, ((1u << ELEM_FLOAT6E2M3) - 1) & ~1u);
    assert_int_equal(schema_find("", "Cast", 28)->in[0].types->tensor >> ELEM_FLOAT6E2M3, 3);
    assert_string_equal(schema_attr_kind_name(ATTR_GRAPH), "GRAPH");
    assert_string_equal(schema_attr_kind_name(ATTR_TYPE), "TYPE_PROTO");
}

static void function_operators_carry_their_bodies(void **state)
{
    (void)state;
    const op_schema *mish = schema_find("", "Mish", 22);
    assert_int_equal(schema_body_find(mish, 28)->opset, 22);
    assert_null(schema_body_find(mish, 21));
    const op_schema *mvn = schema_find("", "MeanVarianceNormalization", 13);
    assert_int_equal(mvn->n_body, 2);
    assert_int_equal(schema_body_find(mvn, 17)->opset, 13);
    assert_int_equal(schema_body_find(mvn, 18)->opset, 18);
    assert_true(schema_body_find(mvn, 18)->size > 100);
    assert_true(schema_find("", "LayerNormalization", 17)->computed_body);
    assert_null(schema_body_find(schema_find("", "Conv", 22), 28));
}

static void releases_tie_opsets_to_ir_versions(void **state)
{
    (void)state;
    uint32_t n;
    const schema_release *r = schema_releases(&n);
    assert_int_equal(r[n - 1].ai_onnx, schema_domain_version(""));
    assert_int_equal(r[n - 1].ir, schema_newest_ir());
    assert_int_equal(schema_ir_for_opset(13), 7);
    assert_int_equal(schema_ir_for_opset(21), 10);
    assert_int_equal(schema_ir_for_opset(999), 0);
    assert_int_equal(schema_domain_version("com.microsoft"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opset_selects_the_newest_form_not_after_it),
        cmocka_unit_test(every_row_finds_itself_and_is_consistent),
        cmocka_unit_test(attributes_carry_their_defaults),
        cmocka_unit_test(a_variadic_parameter_serves_all_from_its_place_on),
        cmocka_unit_test(type_sets_print_as_the_standard_spells_them),
        cmocka_unit_test(element_and_attribute_codes_agree_with_the_ir),
        cmocka_unit_test(function_operators_carry_their_bodies),
        cmocka_unit_test(releases_tie_opsets_to_ir_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
