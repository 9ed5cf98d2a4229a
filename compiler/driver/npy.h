/* npy.h - tensors in NumPy's files: .npy (one array) and .npz (a zip of them, stored or deflated).
 *
 * Types that NumPy does not have are written exactly in the next wider one: bfloat16 and the 8- and 4-bit floats as float32, int4 and int2
 * as int8, uint4 and uint2 as uint8. Strings are fixed-width unicode ('U'). Arrays of raw bytes ('V2': what NumPy writes for bfloat16 of
 * ml_dtypes) and narrow types are read as they stand; tensor_as() gives them the type that the model says. */
#ifndef ONNXCC_DRIVER_NPY_H
#define ONNXCC_DRIVER_NPY_H
#include "ir/ir.h"

/* Named tensors, in file order. */
typedef struct {
    arena *mem;
    VEC(tensor *) list;
    bool lists; /* some are elements of sequences */
} tensor_set;

tensor *tensor_set_find(const tensor_set *s, const char *name); /* NULL when there is none */

/* Reads one array from memory. Data is copied into the arena, row-major and little-endian whatever the file's order. NULL: *why is a short
 * reason. Raw bytes have type ELEM_NONE and `bytes` = elements * item size. */
tensor *npy_parse(arena *a, const unsigned char *data, size_t size, const char **why);
/* Appends the array as an .npy file to `to`. */
void npy_print(const tensor *t, text *to);

/* Reads all arrays of an .npz; names are the members' without .npy, a backslash standing for a slash. */
bool npz_parse(tensor_set *into, const unsigned char *data, size_t size, const char **why);
/* Appends a zip with stored members. False when a member would be 4 GiB or larger. */
bool npz_print(const tensor_set *s, text *to, const char **why);

/* The tensor as type `e`: itself when it has it already, reinterpreted when it holds the bits of e (raw bytes, or an integer of that width), one
 * element to a byte packed when e is narrower than a byte. NULL: it can't be. */
tensor *tensor_as(arena *a, tensor *t, elem e);
/* The tensor in a type that NumPy has; itself when it needs no change. */
const tensor *tensor_widen(arena *a, const tensor *t);
#endif
