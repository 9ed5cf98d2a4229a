/* inputs.h - what run, verify and bench share: the tensors of --input, and the folder to build in. */
#ifndef ONNXCC_DRIVER_INPUTS_H
#define ONNXCC_DRIVER_INPUTS_H
#include "driver/command.h"
#include "driver/npy.h"

/* The FILE of FILE or NAME=FILE; reads it. */
const char *input_path(const char *word);
bool input_add(command *c, const char *word, tensor_set *into);
/* Reads every --input. */
bool inputs_read(command *c, tensor_set *into);
/* Whether every NAME= that was given is an input of the model: false after reporting. Tensors of other names get a warning. */
bool inputs_named(command *c, model *m, const tensor_set *given);

/* The folder of --keep, made if needed, or a temporary one that the caller removes; NULL after reporting. */
const char *build_folder(command *c, bool *temporary);
#endif
