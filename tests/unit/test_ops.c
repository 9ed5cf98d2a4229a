/* Operators on constants: a model in text form whose output folds to numbers, and models whose output shape follows from symbols. The
 * operators' full semantics are tested by the standard's own cases (onnxcc verify --cases). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "check/check.h"
#include "ops/ops.h"
#include "ops/version.h"
#include "proto/parse.h"

/* The output of `main (INPUTS) => (y) <CONSTANTS> { NODES }` as text: its numbers when it folds, else its type. */
static const char *result(arena *mem, const char *inputs, const char *constants, const char *nodes)
{
    diag *d = diag_new(mem, "test.txt");
    const char *source = arena_printf(mem, "<ir_version: 10, opset_import: [\"\" : 22, \"com.microsoft\" : 1, \"ai.onnx.preview.training\" : 1]>\nmain (%s) => (y)\n%s%s%s\n{ %s }\n", inputs,
                                      *constants ? "<" : "", constants, *constants ? ">" : "", nodes);
    model *m = model_parse(mem, d, source, "test.txt");
    if (!m || !check_model_basic(m) || !version_to_newest(m)) return d->list.n ? d->list.p[0].message : "not read";
    const infer_options o = {.fold_limit = 1 << 16};
    if (!infer_model(m, &o)) return d->list.n ? d->list.p[0].code : "not inferred";
    const value *y = value_at(m, model_main(m)->outputs.p[0]);
    text t = {.mem = mem};
    text_add(&t, "");
    if (!y->data) type_text(m, &y->type, &t);
    const bool pairs = y->data && elem_of(y->data->type)->kind == 'c';
    const elem part = pairs && y->data->type == ELEM_COMPLEX64 ? ELEM_FLOAT : ELEM_DOUBLE;
    for (int64_t i = 0; y->data && i < tensor_count(y->data); i++) {
        if (!pairs) text_addf(&t, "%s%.4g", i ? " " : "", elem_get_double(y->data->type, y->data->data, (size_t)i));
        else text_addf(&t, "%s%.4g%+.4gi", i ? " " : "", elem_get_double(part, y->data->data, (size_t)i * 2), elem_get_double(part, y->data->data, (size_t)i * 2 + 1));
    }
    return t.p;
}

typedef struct {
    const char *inputs, *constants, *nodes, *expected;
} sample;

static const sample SAMPLES[] = {
    /* elements */
    {"", "float[3] x = {6,3,1.5}", "y = HardSwish (x)", "6 3 1.125"},
    /* types that the schema does not list: computed in float and rounded once, beyond the largest number to NaN or infinity; integers wrap */
    {"", "float[3] x = {1.125,400,-16}", "a = Cast <to = 17> (x) b = Add (a, a) y = Cast <to = 1> (b)", "2.25 nan -32"},
    {"", "float[3] x = {1.25,57344,-16}", "a = Cast <to = 19> (x) b = Add (a, a) y = Cast <to = 1> (b)", "2.5 inf -32"},
    {"", "float[2] x = {3,-0.25}, int64[2] i = {1,0}", "a = Cast <to = 14> (x) b = Cast <to = 15> (a) y = Gather (b, i)", "-0.25+0i 3+0i"},
    {"", "float[2] x = {3,0.25}", "a = Cast <to = 17> (x) b = Exp (a) y = Cast <to = 1> (b)", "20 1.25"},
    {"", "int32[3] x = {7,-8,3}", "a = Cast <to = 22> (x) b = Add (a, a) y = Cast <to = 6> (b)", "-2 0 6"},
    /* reductions */
    {"", "float[2,3] x = {1,2,3,4,5,6}, int64[1] a = {-1}", "y = ReduceSum <keepdims = 0> (x, a)", "6 15"},
    {"", "float[2,3] x = {1,2,3,4,5,6}", "y = ReduceMean <keepdims = 0> (x)", "3.5"},
    {"", "float[1,3] x = {3,7,7}", "y = ArgMax <axis = 1, keepdims = 0> (x)", "1"},
    {"", "float[1,3] x = {3,7,7}", "y = ArgMax <axis = 1, keepdims = 0, select_last_index = 1> (x)", "2"},
    {"", "float[4] x = {1,2,3,4}, int64 a = {0}", "y = CumSum <exclusive = 1, reverse = 1> (x, a)", "9 7 4 0"},
    {"", "float[4] x = {1,9,3,9}, int64[1] k = {2}", "v, y = TopK (x, k)", "1 3"},
    {"float[n,4] x", "int64[1] a = {0}", "y = ReduceMax <keepdims = 0> (x, a)", "float[4]"},
    /* normalizations */
    {"", "float[1,2] x = {0,0}", "y = Softmax (x)", "0.5 0.5"},
    {"", "float[1,2] x = {3,4}", "y = LpNormalization (x)", "0.6 0.8"},
    /* windows */
    {"", "float[1,1,4] x = {1,5,2,3}", "y = MaxPool <kernel_shape = [2], strides = [2]> (x)", "5 3"},
    {"float[n,c,h,w] x, float[r,5] b", "", "y = MaxRoiPool <pooled_shape = [6, 7]> (x, b)", "float[r,c,6,7]"},
    {"float[n,c,h,w] x, float[r,4] b, int64[r] i", "", "y = RoiAlign <output_height = 6, output_width = 7> (x, b, i)", "float[r,c,6,7]"},
    {"", "float[1,1,3] x = {1,2,4}", "y = AveragePool <kernel_shape = [2], pads = [1, 0]> (x)", "1 1.5 3"},
    {"float[n,c,h,w] x", "", "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], auto_pad = \"SAME_UPPER\"> (x)", "float[n,c,fdiv(h + 1, 2),fdiv(w + 1, 2)]"},
    /* indexes */
    {"", "float[3] x = {5,6,7}, int64[2] i = {-1,0}", "y = Gather (x, i)", "7 5"},
    {"", "float[3] x = {1,1,1}, int64[2,1] i = {1,1}, float[2] u = {2,3}", "y = ScatterND <reduction = \"add\"> (x, i, u)", "1 6 1"},
    {"", "float[3] x = {1,2,3}, int64[2] p = {2,1}", "y = Pad <mode = \"reflect\"> (x, p)", "3 2 1 2 3 2"},
    {"", "float[3] x = {1,2,3}, int64[2] p = {-1,1}", "y = Pad (x, p)", "2 3 0"},
    {"int64[2] s", "", "y = ConstantOfShape (s)", "float[size0.y,size1.y]"},
    {"float[3,1] x, int64[3] s", "", "y = Expand (x, s)", "float[size0.y,3,size2.y]"},
    {"float[3,1] x, int64[r] s", "", "y = Expand (x, s)", "shape-data"},
    {"", "float[2] x = {1,2}, int64[1] r = {2}", "y = Tile (x, r)", "1 2 1 2"},
    {"", "float[1,1,2] x = {1,3}, int64[3] s = {1,1,4}", "y = Resize <mode = \"linear\"> (x, , , s)", "1 1.5 2.5 3"},
    {"", "float[1,1,4] x = {1,2,3,4}, int64[3] s = {1,1,2}", "y = Resize <coordinate_transformation_mode = \"asymmetric\", nearest_mode = \"floor\"> (x, , , s)", "1 3"},
    {"", "float[1,2,3] t = {1,0,0,0,2,1}, int64[4] s = {1,1,2,2}", "y = AffineGrid (t, s)", "-0.5 0 0.5 0 -0.5 2 0.5 2"},
    {"", "float[1,2,3] t = {1,0,0,0,1,0}, int64[4] s = {1,1,2,2}", "y = AffineGrid <align_corners = 1> (t, s)", "-1 -1 1 -1 -1 1 1 1"},
    {"float[n,3,4] t, float[n,c,d,h,w] x", "", "s = Shape (x) y = AffineGrid (t, s)", "float[n,d,h,w,3]"},
    {"float[1,3,h,w] x", "float[4] s = {1,1,2,2}", "y = Resize (x, , s)", "float[1,3,2*h,2*w]"},
    {"", "float[2,2] x = {1,2,3,4}", "y = Einsum <equation = \"ij->ji\"> (x)", "1 3 2 4"},
    {"", "float[1,1,2] x = {1,2}, float[1,1,2] w = {1,10}", "y = ConvTranspose <strides = [2]> (x, w)", "1 10 2 20"},
    {"float[n,2,h,w] x, float[n,18,h2,w2] o, float[4,2,3,3] k", "", "y = DeformConv <pads = [1, 1, 1, 1]> (x, k, o)", "float[n,4,h,w]"},
    {"float[n,2,8,8] x, float[n,17,6,6] o, float[4,2,3,3] k", "", "y = DeformConv (x, k, o)", "shape-mismatch"},
    /* signals */
    {"float[n,len,1] x", "int64 s = {128}, int64 l = {512}", "y = STFT (x, s, , l)", "float[n,fdiv(len, 128) - 3,257,2]"},
    {"float[n,len,2] x, float[400] v", "int64 s = {160}", "y = STFT <onesided = 0> (x, s, v)", "float[n,fdiv(len + 80, 160) - 2,400,2]"},
    {"float[n,len,1] x, int64 s", "", "y = STFT (x, s)", "frames-unknown"},
    {"", "int64 n = {2}, int64 l = {6}, int64 r = {6000}, float f = {0}, float t = {3000}", "y = MelWeightMatrix (n, l, r, f, t)", "1 0 0 1 0 0 0 0"},
    {"int64 n, int64 r, float f, float t", "int64 l = {6}", "y = MelWeightMatrix (n, l, r, f, t)", "shape-unknown"},
    /* matrices */
    {"float[n,k,k] x", "", "y = Det (x)", "float[n]"},
    {"float[n,2,3] x", "", "y = Det (x)", "shape-mismatch"},
    /* quantization */
    {"", "float[4] x = {0.5,1.5,-0.5,900}, float s = {1}, uint8 z = {10}", "y = QuantizeLinear (x, s, z)", "10 12 10 255"},
    {"", "uint8[2] x = {9,12}, float s = {0.5}, uint8 z = {10}", "y = DequantizeLinear (x, s, z)", "-0.5 1"},
    /* training */
    {"", "float r = {0.5}, int64 t = {1}, float[2] x = {1,2}, float[2] g = {1,0}, float[2] v = {0,2}",
     "y, w = ai.onnx.preview.training.Momentum <alpha = 0.5, beta = 1.0, norm_coefficient = 0.0, mode = \"standard\"> (r, t, x, g, v)", "0.5 1.5"},
    /* com.microsoft */
    {"", "float[1,2] a = {0,0}, float[2,2] b = {3,4,0,1}", "y = com.microsoft.CDist <metric = \"euclidean\"> (a, b)", "5 1"},
    {"float[m,k] a, float[n,k] b", "", "y = com.microsoft.CDist (a, b)", "float[m,n]"},
    {"float[n,c] x", "int32 a = {-1}", "y = com.microsoft.ExpandDims (x, a)", "float[n,c,1]"},
    {"", "float s = {1}, float l = {3}", "y = com.microsoft.Range (s, l)", "1 2"},
    {"", "float[2,2] x = {1,2,3,4}, int32[1,1] i = {-1}", "y = com.microsoft.GatherND (x, i)", "3 4"},
    {"uint8[n,9,8,c] x", "", "y = com.microsoft.NhwcMaxPool <kernel_shape = [3, 2], strides = [2, 2]> (x)", "uint8[n,4,4,c]"},
    {"float[b,s,8] x, float[t,4] r, float[4,32,8] v, float[4,8,16] w", "", "y = com.microsoft.MoE <k = 2, activation_type = \"swiglu\", swiglu_fusion = 1> (x, r, v, , w)", "float[b,s,8]"},
    {"float[t,1,8] x, float[1,12,8] w, float[1,12,4] r", "", "y = GRU <hidden_size = 5> (x, w, r)", "attribute-value"},
    {"float[t,8] x, float[t,4] r, float[4,16,8] v, float[4,8,16] w", "", "y = com.microsoft.MoE <k = 5> (x, r, v, , w)", "attribute-value"},
    /* errors */
    {"float[2,3] x", "int64[1] a = {2}", "y = ReduceSum (x, a)", "axis-range"},
    {"float[2,3] x, int64[1] a", "", "y = ReduceSum (x, a)", "axes-unknown"},
};

static void operators_fold_on_constants_and_follow_shapes_by_symbols(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++) {
        const sample *s = &SAMPLES[i];
        arena *mem = arena_new();
        const char *got = result(mem, s->inputs, s->constants, s->nodes);
        if (strcmp(got, s->expected)) print_error("%s\n  gives    %s\n  expected %s\n", s->nodes, got, s->expected);
        assert_string_equal(got, s->expected);
        arena_free(mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(operators_fold_on_constants_and_follow_shapes_by_symbols)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
