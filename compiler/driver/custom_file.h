/* custom_file.h - descriptions of the user's operators from YAML files. */
#ifndef ONNXCC_DRIVER_CUSTOM_FILE_H
#define ONNXCC_DRIVER_CUSTOM_FILE_H
#include "compile.h"
#include "ops/custom.h"

typedef VEC(const struct custom_op *) custom_ops;

/* Adds the operators that the file describes. False after reporting every mistake that could be found, with its line. */
bool custom_read(arena *mem, diag *d, const char *path, custom_ops *to);
#endif
