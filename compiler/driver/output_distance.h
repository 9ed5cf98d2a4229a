/* output_distance.h - how far the outputs of a model are from those of another one with the same inputs and outputs. */
#ifndef ONNXCC_DRIVER_OUTPUT_DISTANCE_H
#define ONNXCC_DRIVER_OUTPUT_DISTANCE_H
#include "driver/command.h"
#include "driver/data_set.h"

/* Of one output, over all sets. Pairs of elements that are the same, or both NaN, differ by 0; where only one is finite, by infinity. */
typedef struct output_distance {
    const char *name;
    uint64_t count;               /* pairs of elements */
    double dot, power, own_power; /* sums of products, of squares in the first model and in the second; of finite pairs */
    double noise, largest;        /* sum of squares of the difference; the largest magnitude of one */
    uint64_t rows, same_argmax;   /* rows along a last axis of at least two elements, and those whose largest element is at the same place */
    uint32_t other_shapes;        /* sets in which the shapes differ, which count in nothing else */
} output_distance;
typedef VEC(output_distance) distance_list;

double distance_cosine(const output_distance *d); /* NAN: without direction */
double distance_sqnr(const output_distance *d);   /* dB; INFINITY: no difference */
void distance_add(output_distance *d, const tensor *expected, const tensor *got);

/* Compiles both models, runs both on each of the sets (sample_sets.h) and compares what comes out: an element of *out for each output with real
 * numbers or integers. False after reporting. */
bool outputs_compare(command *c, model *expected, model *got, const folder_list *sets, distance_list *out);
#endif
