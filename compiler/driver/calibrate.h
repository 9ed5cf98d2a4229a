/* calibrate.h - runs a float model on sample data and looks at the values that are to be quantized. */
#ifndef ONNXCC_DRIVER_CALIBRATE_H
#define ONNXCC_DRIVER_CALIBRATE_H
#include "driver/command.h"
#include "quant/quantize.h"

/* The model is compiled with the values of the plan as additional outputs and run on every set of inputs at `path`: once for ranges, once more for
 * histograms when the method needs them, and once to see what quantizing does. A set is an .npz file, or the input_N.pb of a folder; sets are read
 * when they are needed, so memory does not grow with their number. *sets is how many there were. False after reporting: no data [no-data], inputs
 * that do not fit, a value that is not finite [not-finite], a model that can't be compiled. */
bool calibrate(command *c, quantize_plan *p, const char *path, uint32_t *sets);
#endif
