/* quantize.h - `onnxcc quantize`: products with constant weights, and in static mode the operators between them, in 8 bits.
 *
 *     choose        which nodes can be quantized, and why the others can't or should not     choose.c
 *     dynamic       DynamicQuantizeLinear, MatMulInteger, ConvInteger                        dynamic.c
 *     correct       what quantizing does to a product's output on average                    correct.c
 *     static        QuantizeLinear and DequantizeLinear around what stays                    static.c
 *
 * The model is one that is written back (passes/optimize.h): nodes at its own operator sets, types known by analyze(). Calibration is the
 * caller's part: it runs the float model and feeds `observed` (range.h) between choosing and writing. */
#ifndef ONNXCC_QUANT_QUANTIZE_H
#define ONNXCC_QUANT_QUANTIZE_H
#include "ir/ir.h"
#include "quant/range.h"

typedef enum { QUANTIZE_DYNAMIC, QUANTIZE_STATIC } quantize_mode;
/* Who runs what is written. Portable is onnxruntime's form, which every reader of Q and DQ understands: a Conv has an integer output, for else
 * onnxruntime computes it in float. OpenVINO keeps what follows a product in float until it is quantized once. */
typedef enum { QUANTIZE_FOR_PORTABLE, QUANTIZE_FOR_ONNXRUNTIME, QUANTIZE_FOR_OPENVINO } quantize_reader;

typedef struct quantize_options {
    quantize_mode mode;
    quantize_reader reader;
    range_method method;
    elem activations;             /* ELEM_UINT8 or ELEM_INT8 */
    bool per_tensor;              /* one scale for all weights of a node */
    const char *const *keep;      /* patterns (* and ?) of names of nodes that stay in float */
    const char *const *keep_type; /* operators that do */
    uint32_t n_keep, n_keep_type;
    double least_sqnr; /* dB: a layer that is worse stays in float */
} quantize_options;

/* What becomes of a node in static mode. */
typedef enum {
    ROLE_NONE,    /* float, or no real numbers at all */
    ROLE_PRODUCT, /* Conv, Gemm, MatMul with constant weights */
    ROLE_MOVE,    /* its outputs have elements of its input: the same parameters on both sides */
    ROLE_CLAMP,   /* Relu, Clip */
    ROLE_MATH,    /* computes from integers to integers */
} node_role;

/* A product, as Conv, Gemm and MatMul say it. */
typedef struct product {
    node_id id;
    value_id x, weights, bias; /* bias 0: none */
    uint32_t axis;             /* of the output channels in the weights; of a MatMul the last one, also with a batch of matrices */
    int64_t channels, depth;   /* depth: numbers that are added up for one output */
    float alpha, beta;
    bool turned; /* Gemm's transA */
} product;

/* A node that the report names. */
typedef struct layer {
    node_id id;
    const char *name, *op;
    const char *kept; /* why it stays in float; NULL: it's quantized */
    product p;
    struct weights8 *w8; /* its weights, once quantize_judge made them; static mode */
    double sqnr[3];      /* dB, of rounding its input, weights, output; NAN: not measured or not rounded, INFINITY: without error */
    double saturated;    /* share of input values outside the range, 0 to 1 */
    double *error;       /* by channel: sum of the errors that quantizing made of its output, then sum of their squares; NULL: not measured */
    int64_t n_error;     /* their number in each channel */
} layer;
typedef VEC(layer *) layer_list;

typedef struct quantize_plan {
    model *m;
    arena *mem;
    const quantize_options *o;
    VEC(layer) layers;    /* products in order of the graph, quantized and not */
    node_role *role;      /* by node id; ROLE_NONE: float */
    product *product;     /* by node id, where role is ROLE_PRODUCT */
    value_id *same_as;    /* by value id: whose parameters it has; itself at first */
    value_id *first_same; /* the same before any layer was taken back: what was observed */
    uint8_t *integer;     /* by value id: its producer's result is quantized */
    observed **seen;      /* by value id: what calibration saw; only of values that same_as names and that are quantized */
    node_id *absorbed;    /* by value id: Relu or Clip that vanishes in the rounding of this value's producer; 0: none */
    uint32_t n_values, n_nodes;
    VEC(struct weights8 *) weights; /* made so far: what several products share is stored once */
    VEC(const char *) notes;        /* what the report says about the whole model */
} quantize_plan;

/* Finds products and what stands between them. Lives in `mem`. */
quantize_plan *quantize_choose(arena *mem, model *m, const quantize_options *o);
typedef VEC(value_id) value_list;
/* The values that calibration has to observe, in order of ids; static mode. */
value_list quantize_observed(quantize_plan *p);
/* Scale and zero point of an observed value. */
quant_params quantize_params(const quantize_plan *p, value_id v);
/* After all looks: quantizes weights, says in the layers how good they are, and takes those that are too bad back into float. */
void quantize_judge(quantize_plan *p);
/* Takes a product back into float. */
void quantize_keep(quantize_plan *p, layer *l, const char *why);

/* Bias correction, after quantize_judge (correct.c). Adds nodes to the main graph that compute, for each product with a place for a bias, what quantizing
 * does to its output, and nothing reads; *layers is whose each is. The caller takes them away again when they have run. */
value_list quantize_errors(quantize_plan *p, layer_list *layers);
/* What such a value was in one run. */
void quantize_observe_error(quantize_plan *p, layer *l, const tensor *error);
/* The mean error of a channel, as far as it stands out of the scatter of errors: what leaves the bias. */
double quantize_mean_error(const layer *l, int64_t channel);

/* Write the plan into the model. */
void quantize_write_dynamic(quantize_plan *p);
void quantize_write_static(quantize_plan *p);

/* The least version of ai.onnx that a mode can be written in. */
int quantize_least_opset(quantize_mode mode);
#endif
