/* sample_sets.h - sets of inputs as files: what quantize --calibrate and run --data name. */
#ifndef ONNXCC_DRIVER_SAMPLE_SETS_H
#define ONNXCC_DRIVER_SAMPLE_SETS_H
#include "driver/command.h"
#include "driver/data_set.h"

/* The sets at `path`, a file or folder each: the file itself; or, in a folder,
 *     test_data_set_K/input_N.pb      in order of K; also when the folder is itself one
 *     *.npz                           a tensor for each input of m; by name
 *     *.npy                           of a model with one input, each a set; of others the folder is one, with INPUT.npy for each input
 *     FOLDER/INPUT.npy                folders with one for each input, each a set; by name
 * (a slash in an input's name is a backslash there, as in an .npz). False after reporting: nothing there, inputs without file [no-data]. */
bool sample_sets_find(command *c, model *m, const char *path, folder_list *sets);
/* Reads one of them. */
bool sample_set_read(diag *d, arena *mem, const char *path, tensor_set *inputs);
#endif
