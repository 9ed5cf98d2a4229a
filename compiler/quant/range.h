/* range.h - from what was seen of a tensor to scale and zero point.
 *
 * Two looks: the first finds least and largest value, the second counts values in bins between them, so memory does not grow with the data. Where
 * outliers leave few bins to all other values, the second look is taken again with bins between fewer ends.
 * Sources: Nagel et al. 2021 (arXiv 2106.08295) for the search of a clipping range with the least mean squared error; ONNX QuantizeLinear for
 * rounding and saturation. */
#ifndef ONNXCC_QUANT_RANGE_H
#define ONNXCC_QUANT_RANGE_H
#include <stdint.h>

#include "base/arena.h"
#include "base/elem.h"

enum { RANGE_BINS = 2048 };
typedef enum { RANGE_MINMAX, RANGE_PERCENTILE, RANGE_MSE } range_method;

typedef struct observed {
    double lo, hi; /* of all values; lo > hi: none was seen */
    uint64_t count;
    uint64_t *bins, zeros; /* RANGE_BINS between `from` and `to`, zeros left out; NULL before the second look */
    double from, to;       /* lo and hi, or closer */
    uint64_t below, above; /* values outside the bins */
    uint32_t refined;      /* how often the bins were made narrower */
    bool settled;          /* they are narrow enough */
    double noise, power;   /* third look: sums of squares of the error and of the value */
    uint64_t outside;      /* third look: values that saturate */
    int64_t strange;       /* index of a value that is not finite, in the tensor where it was seen; -1: none */
} observed;

/* y = (q - zero) * scale, q of type `type`, which has values from `least` to `most`. */
typedef struct quant_params {
    float scale;
    int32_t zero, least, most;
    elem type;
} quant_params;

observed *observed_new(arena *mem);
/* First look. False, and `strange` is set, when a value is not finite. */
bool observe_range(observed *s, const float *x, int64_t n);
/* Second look, after the first one has seen all data. */
void observe_bins(observed *s, arena *mem, const float *x, int64_t n);
/* After the second look has seen all data, for RANGE_PERCENTILE: true when it has to see them again, in narrower bins (values that need it no more
 * look away). */
bool observe_refine(observed *s);
/* Third look: what quantizing with these parameters does. */
void observe_error(observed *s, const quant_params *p, const float *x, int64_t n);

/* The range that is represented, after the looks that the method needs; it holds 0. */
void range_of(const observed *s, range_method method, double *lo, double *hi);
/* Scale and zero point (of ELEM_UINT8 or ELEM_INT8) for a range; 0 is exactly representable. A range of 0 alone gets scale 1. */
quant_params params_of_range(double lo, double hi, elem type);
int32_t quantize_one(const quant_params *p, float x); /* as QuantizeLinear does it */

/* Scale of symmetric 8-bit weights, whose largest magnitude this is. */
float weight_scale(double most);
/* The same, with the least squared error over the n values x[0], x[stride]...: large ones may be clipped. */
float weight_scale_mse(const float *x, int64_t n, int64_t stride);
double decibel(double power, double noise); /* INFINITY without noise; NAN without anything */
#endif
