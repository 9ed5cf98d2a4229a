/* contrib_quant.c - quantized operators of com.microsoft in terms of ai.onnx. Source: the documentation of onnxruntime's contrib operators.
 *
 * Elementwise operators become DequantizeLinear, the operator, QuantizeLinear; products stay products of integers, with one scaling after. */
#include <string.h>

#include "ops/contrib.h"
#include "schema/schema.h"

static value_id dequantized(edit *e, value_id x, value_id scale, value_id zero)
{
    const value_id in[3] = {x, scale, zero};
    return insert(e, "DequantizeLinear", NULL, zero ? 3 : 2, in);
}

/* The edited node becomes QuantizeLinear of x. Without a zero point the output is uint8. */
static bool become_quantized(edit *e, value_id x, value_id scale, value_id zero)
{
    const value_id in[3] = {x, scale, zero};
    become(e, "QuantizeLinear", NULL, zero ? 3 : 2, in);
    edited(e)->domain = intern(e->m->names, "");
    return true;
}

static value_id one_float(edit *e, float v)
{
    return const_floats(e, "number", 1, &v);
}

/* The edited node becomes x rounded and saturated to the type of its input 0: a quantization with scale 1 and zero point 0. */
static bool become_rounded(edit *e, value_id x)
{
    const attr to = attr_int(e->m, "to", elem_type_of(e, input_of(e, 0)));
    const value_id zero = const_int(e, "zero", 0);
    return become_quantized(e, x, one_float(e, 1), insert(e, "Cast", &to, 1, &zero));
}

static value_id cast_to(edit *e, value_id v, elem t)
{
    const attr to = attr_int(e->m, "to", t);
    return insert(e, "Cast", &to, 1, &v);
}

static value_id as_float(edit *e, value_id v)
{
    return v ? cast_to(e, v, ELEM_FLOAT) : one_float(e, 0);
}

/* x * y + z, rounded once as by a fused multiply-add: in double, where the product is exact. Rounding twice gives another sum for one in a thousand
 * pairs of numbers, and a whole network may hang on it. */
static value_id multiply_add(edit *e, value_id x, value_id y, value_id z)
{
    const value_id product = insert(e, "Mul", NULL, IN(cast_to(e, x, ELEM_DOUBLE), cast_to(e, y, ELEM_DOUBLE)));
    return cast_to(e, insert(e, "Add", NULL, IN(product, cast_to(e, z, ELEM_DOUBLE))), ELEM_FLOAT);
}

/* Sums and products of quantized numbers as onnxruntime computes them: in units of the result, the zero point added before rounding. For ties this
 * is not what DequantizeLinear, the operator and QuantizeLinear give. */
static bool q_add(edit *e)
{
    if (elem_type_of(e, input_of(e, 0)) == ELEM_NONE) return true;
    const value_id a = insert(e, "Div", NULL, IN(input_of(e, 1), input_of(e, 6))), b = insert(e, "Div", NULL, IN(input_of(e, 4), input_of(e, 6)));
    const value_id zb = insert(e, "Mul", NULL, IN(b, as_float(e, input_of(e, 5)))), zeros = multiply_add(e, as_float(e, input_of(e, 2)), a, zb);
    const value_id fixed = insert(e, "Sub", NULL, IN(as_float(e, input_of(e, 7)), zeros));
    const value_id second = multiply_add(e, as_float(e, input_of(e, 3)), b, fixed);
    return become_rounded(e, multiply_add(e, as_float(e, input_of(e, 0)), a, second));
}

static value_id without_zero(edit *e, value_id x, value_id zero)
{
    return insert(e, "Sub", NULL, IN(as_float(e, x), as_float(e, zero)));
}

static bool q_mul(edit *e)
{
    if (elem_type_of(e, input_of(e, 0)) == ELEM_NONE) return true;
    const value_id scale = insert(e, "Div", NULL, IN(insert(e, "Mul", NULL, IN(input_of(e, 1), input_of(e, 4))), input_of(e, 6)));
    const value_id product = insert(e, "Mul", NULL, IN(without_zero(e, input_of(e, 0), input_of(e, 2)), without_zero(e, input_of(e, 3), input_of(e, 5))));
    return become_rounded(e, insert(e, "Add", NULL, IN(insert(e, "Mul", NULL, IN(product, scale)), as_float(e, input_of(e, 7)))));
}

static bool q_leaky_relu(edit *e)
{
    const attr a = attr_float(e->m, "alpha", node_float(edited(e), "alpha", 0.01f));
    const value_id x = dequantized(e, input_of(e, 0), input_of(e, 1), input_of(e, 2));
    return become_quantized(e, insert(e, "LeakyRelu", &a, 1, &x), input_of(e, 3), input_of(e, 4));
}

static bool q_sigmoid(edit *e)
{
    const value_id x = dequantized(e, input_of(e, 0), input_of(e, 1), input_of(e, 2));
    return become_quantized(e, insert(e, "Sigmoid", NULL, 1, &x), input_of(e, 3), input_of(e, 4));
}

/* Before opset 13, softmax normalized over the axis and all after it. */
static bool q_softmax(edit *e)
{
    const int32_t rank = rank_of(e, input_of(e, 0));
    int64_t axis = node_int(edited(e), "axis", -1);
    if (rank < 0) return true;
    if (axis < 0) axis += rank;
    if (node_int(edited(e), "opset", 13) < 13 && axis != rank - 1) return version_error(e, "contrib", "a softmax over several axes is not supported yet");
    const attr a = attr_int(e->m, "axis", axis);
    const value_id x = dequantized(e, input_of(e, 0), input_of(e, 1), input_of(e, 2));
    return become_quantized(e, insert(e, "Softmax", &a, 1, &x), input_of(e, 3), input_of(e, 4));
}

static bool q_global_pool(edit *e)
{
    const value_id x = dequantized(e, input_of(e, 0), input_of(e, 1), input_of(e, 2)), scale = input_of(e, 3), zero = input_of(e, 4);
    if (!node_int(edited(e), "channels_last", 0)) return become_quantized(e, insert(e, "GlobalAveragePool", NULL, 1, &x), scale, zero);
    const int32_t rank = rank_of(e, input_of(e, 0));
    int64_t axes[MAX_RANK];
    if (rank < 3 || rank > MAX_RANK) return version_error(e, "contrib", "the number of dimensions is not known");
    for (int32_t i = 1; i < rank - 1; i++) axes[i - 1] = i;
    return become_quantized(e, insert(e, "ReduceMean", NULL, IN(x, const_ints(e, "axes", (uint32_t)rank - 2, axes))), scale, zero);
}

static bool q_average_pool(edit *e)
{
    const node *n = edited(e);
    attr a[16];
    uint32_t n_attr = 0;
    if (node_int(n, "channels_last", 0)) {
        if (rank_of(e, input_of(e, 0)) < 0) return true;
        if (!with_channels_first(e, 0)) return version_error(e, "contrib", "the input has too few dimensions");
        n = edited(e);
    }
    for (uint32_t i = 0; i < n->n_attr && n_attr < 15; i++)
        if (strcmp(n->attr[i].name, "channels_last")) a[n_attr++] = n->attr[i];
    a[n_attr++] = attr_int(e->m, "in_float", 1); /* onnxruntime averages floats: where a sum of integers is a tie, its rounding decides */
    const value_id x = dequantized(e, input_of(e, 0), input_of(e, 1), input_of(e, 2));
    return become_quantized(e, make(e, "AveragePool", n_attr, a, 1, &x), input_of(e, 3), input_of(e, 4));
}

static bool q_where(edit *e)
{
    const value_id x = dequantized(e, input_of(e, 1), input_of(e, 2), input_of(e, 3)), y = dequantized(e, input_of(e, 4), input_of(e, 5), input_of(e, 6));
    return become_quantized(e, insert(e, "Where", NULL, IN(input_of(e, 0), x, y)), input_of(e, 7), input_of(e, 8));
}

static bool q_reduce_mean(edit *e)
{
    uint32_t n_axes;
    const int64_t *axes = node_ints(edited(e), "axes", &n_axes);
    const attr keep = attr_int(e->m, "keepdims", node_int(edited(e), "keepdims", 1));
    const value_id x = dequantized(e, input_of(e, 0), input_of(e, 1), input_of(e, 2)), in[2] = {x, axes ? const_ints(e, "axes", n_axes, axes) : 0};
    return become_quantized(e, insert(e, "ReduceMean", &keep, axes ? 2 : 1, in), input_of(e, 3), input_of(e, 4));
}

/* Products of integers without their zero points, as int32. */
static bool mul_integer(edit *e)
{
    value_id in[2];
    for (uint32_t i = 0; i < 2; i++) {
        in[i] = cast_to(e, input_of(e, 2 * i), ELEM_INT32);
        if (input_of(e, 2 * i + 1)) in[i] = insert(e, "Sub", NULL, IN(in[i], cast_to(e, input_of(e, 2 * i + 1), ELEM_INT32)));
    }
    replace_node(e, "Mul", 0, NULL, 2, in);
    return true;
}

/* Scale and zero point of the output come first, then three inputs for each part. */
static bool q_concat(edit *e)
{
    const uint32_t parts = (edited(e)->n_in - 2) / 3;
    value_id *x = ARENA_ARRAY(e->m->mem, value_id, parts + 1);
    const attr axis = attr_int(e->m, "axis", node_int(edited(e), "axis", 0));
    for (uint32_t i = 0; i < parts; i++) x[i] = dequantized(e, input_of(e, 2 + 3 * i), input_of(e, 3 + 3 * i), input_of(e, 4 + 3 * i));
    return become_quantized(e, insert(e, "Concat", &axis, parts, x), input_of(e, 0), input_of(e, 1));
}

/* The float value of an integer product. */
static value_id scaled_product(edit *e, value_id product, value_id a_scale, value_id b_scale)
{
    const attr to = attr_int(e->m, "to", ELEM_FLOAT);
    return insert(e, "Mul", NULL, IN(insert(e, "Cast", &to, 1, &product), insert(e, "Mul", NULL, IN(a_scale, b_scale))));
}

static value_id integer_product(edit *e, value_id a, value_id b, value_id a_zero, value_id b_zero)
{
    const value_id in[4] = {a, b, a_zero, b_zero};
    return insert(e, "MatMulInteger", NULL, b_zero ? 4 : a_zero ? 3 : 2, in);
}

static value_id dequantized_along(edit *e, value_id x, value_id scale, value_id zero, int64_t axis)
{
    const attr a = attr_int(e->m, "axis", axis);
    const value_id in[3] = {x, scale, zero};
    return insert(e, "DequantizeLinear", &a, zero ? 3 : 2, in);
}

/* alpha * (op(A) * op(B) + C), with C in units of the product: a Gemm of dequantized operands, which the pass `integer` takes back to integers. */
static bool q_gemm(edit *e)
{
    const value_id y_scale = input_of(e, 7), y_zero = input_of(e, 8);
    const float alpha = node_float(edited(e), "alpha", 1.0f);
    const bool turn_a = node_int(edited(e), "transA", 0) != 0, turn_b = node_int(edited(e), "transB", 0) != 0;
    const value_id a = dequantized(e, input_of(e, 0), input_of(e, 1), input_of(e, 2)), b = dequantized_along(e, input_of(e, 3), input_of(e, 4), input_of(e, 5), !turn_b);
    value_id c = input_of(e, 6);
    if (c) c = dequantized_along(e, c, insert(e, "Mul", NULL, IN(input_of(e, 1), input_of(e, 4))), 0, -1);
    const attr attrs[4] = {attr_float(e->m, "alpha", alpha), attr_float(e->m, "beta", alpha), attr_int(e->m, "transA", turn_a), attr_int(e->m, "transB", turn_b)};
    const value_id in[3] = {a, b, c}, y = make(e, "Gemm", 4, attrs, c ? 3 : 2, in);
    if (y_scale) return become_quantized(e, y, y_scale, y_zero);
    become(e, "Identity", NULL, 1, &y);
    edited(e)->domain = intern(e->m->names, "");
    return true;
}

/* x * weights + bias of a quantized attention, in float. */
static bool q_attention(edit *e)
{
    const value_id x = input_of(e, 0), mask = input_of(e, 5);
    if (mask && rank_of(e, mask) < 0) return true;
    const value_id product = integer_product(e, x, input_of(e, 1), input_of(e, 6), input_of(e, 7));
    const value_id qkv = insert(e, "Add", NULL, IN(scaled_product(e, product, input_of(e, 3), input_of(e, 4)), input_of(e, 2)));
    return become_attention(e, qkv, input_of(e, 2), mask, input_of(e, 8), 0);
}

static bool q_embed_norm(edit *e)
{
    const value_id ids = input_of(e, 0), segment = input_of(e, 1);
    const value_id word = insert(e, "Gather", NULL, IN(input_of(e, 2), ids));
    value_id sum = dequantized(e, word, input_of(e, 8), input_of(e, 13));
    sum = insert(e, "Add", NULL, IN(sum, dequantized(e, position_rows(e, input_of(e, 3), ids, 0), input_of(e, 9), input_of(e, 14))));
    if (segment) {
        const value_id rows = insert(e, "Gather", NULL, IN(input_of(e, 4), segment));
        sum = insert(e, "Add", NULL, IN(sum, dequantized(e, rows, input_of(e, 10), input_of(e, 15))));
    }
    const value_id gamma = dequantized(e, input_of(e, 5), input_of(e, 11), input_of(e, 16)), beta = dequantized(e, input_of(e, 6), input_of(e, 12), input_of(e, 17));
    return become_embed_norm(e, sum, gamma, beta, input_of(e, 7));
}

/* MatMulInteger, scaled. */
static bool matmul_integer_to_float(edit *e)
{
    const value_id bias = input_of(e, 6), product = integer_product(e, input_of(e, 0), input_of(e, 1), input_of(e, 4), input_of(e, 5));
    value_id y = scaled_product(e, product, input_of(e, 2), input_of(e, 3));
    if (bias) y = insert(e, "Add", NULL, IN(y, bias));
    become(e, "Identity", NULL, 1, &y);
    edited(e)->domain = intern(e->m->names, "");
    return true;
}

static bool dynamic_matmul(edit *e)
{
    const value_id q[3] = {make_value(e, "quantized"), make_value(e, "scale"), make_value(e, "zero")}, bias = input_of(e, 4);
    make_node(e, "DynamicQuantizeLinear", 0, NULL, IN(input_of(e, 0)), 3, q);
    value_id y = scaled_product(e, integer_product(e, q[0], input_of(e, 1), q[2], input_of(e, 3)), q[1], input_of(e, 2));
    if (bias) y = insert(e, "Add", NULL, IN(y, bias));
    become(e, "Identity", NULL, 1, &y);
    edited(e)->domain = intern(e->m->names, "");
    return true;
}

/* com.microsoft has its own QuantizeLinear and DequantizeLinear, of more types than ai.onnx had once. */
static bool same_name(edit *e)
{
    node *n = edited(e);
    n->domain = intern(e->m->names, "");
    n->version = schema_newest("", n->op)->since;
    return true;
}

const contrib_row contrib_quant_rows[] = {
    {"DequantizeLinear", same_name},
    {"DynamicQuantizeLSTM", dynamic_lstm},
    {"DynamicQuantizeMatMul", dynamic_matmul},
    {"MatMulIntegerToFloat", matmul_integer_to_float},
    {"MatMulNBits", matmul_nbits},
    {"MulInteger", mul_integer},
    {"QAttention", q_attention},
    {"QEmbedLayerNormalization", q_embed_norm},
    {"QGemm", q_gemm},
    {"QLinearAdd", q_add},
    {"QLinearAveragePool", q_average_pool},
    {"QLinearConcat", q_concat},
    {"QLinearConv", q_conv},
    {"QLinearGlobalAveragePool", q_global_pool},
    {"QLinearLeakyRelu", q_leaky_relu},
    {"QLinearMul", q_mul},
    {"QLinearReduceMean", q_reduce_mean},
    {"QLinearSigmoid", q_sigmoid},
    {"QLinearSoftmax", q_softmax},
    {"QLinearWhere", q_where},
    {"QuantizeLinear", same_name},
    {NULL, NULL},
};
