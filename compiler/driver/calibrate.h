/* calibrate.h - runs a float model on sample data and looks at the values that are to be quantized. */
#ifndef ONNXCC_DRIVER_CALIBRATE_H
#define ONNXCC_DRIVER_CALIBRATE_H
#include "driver/command.h"
#include "driver/data_set.h"
#include "quant/quantize.h"

/* The model is compiled with the values of the plan as additional outputs and run on every set of inputs (sample_sets.h): once for ranges, once more
 * (with outliers, a few times) for histograms when the method needs them, and once to see what quantizing does. Sets are read when they are needed, so memory does not grow with
 * their number. Warns about inputs and values that have one and the same number in all elements of all sets [calibration-constant]. False after
 * reporting: inputs that do not fit, a value that is not finite [not-finite], a model that can't be compiled. */
bool calibrate(command *c, quantize_plan *p, const folder_list *sets);
/* After quantize_judge: runs the float model with its products quantized one by one beside it, and takes the mean error of each from its bias. */
bool calibrate_biases(command *c, quantize_plan *p, const folder_list *sets);
#endif
