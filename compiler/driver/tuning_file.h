/* tuning_file.h - the text file of `onnxcc tune` (docs/tune.md): YAML, sorted by shape. */
#ifndef ONNXCC_DRIVER_TUNING_FILE_H
#define ONNXCC_DRIVER_TUNING_FILE_H
#include "compile.h"
#include "driver/process.h"
#include "plan/tuning.h"

/* Reads the file; NULL after reporting, with the line: EXIT_USAGE "tuning-file", EXIT_IO. */
tuning *tuning_read(arena *a, diag *d, const char *path);

/* What was measured of one shape. */
typedef struct {
    const char *shape, *choice, *over; /* over: what the plan would do */
    double gain;                       /* time of that over time of the choice */
    const char *spare;                 /* the best way without more weights than the plan's, and its gain */
    double spare_gain;
    const char *better;                /* what was faster and is not the choice all the same; NULL: nothing was */
    double better_gain;
    const char *why; /* it was not taken */
} tuning_result;
/* The file's text: what was measured with these options, the model pinned by `sizes`; sorts the results. */
void tuning_text(tuning_result *list, uint32_t n, const compile_options *o, const arguments *sizes, text *out);
#endif
