/* strings.h - what operators on strings share. A string of the program is pointer and length (onnxcc_string in runtime/onnxcc_rt.h): into an input, a
 * constant, or a pool of bytes. Nests copy, select and compare strings; all else is a kernel of templates/cpu. */
#ifndef ONNXCC_OPS_STRINGS_H
#define ONNXCC_OPS_STRINGS_H

#include "ops/ops.h"

enum { STRING_OPS = 50 }; /* kernel.ops of one short string: to go through it once, or to write a number */

/* The operator, as it is lowered, may have strings among its inputs and outputs. */
bool takes_strings(const node *n);

/* Constant strings become bytes, where each begins, and a step before all others (program.before) that makes pointers of them: so every form of weights can hold them. */
void lower_string_constants(program *p);

/* A constant slot of strings; text ends with 0. */
slot slot_strings(lower_ctx *c, const char *name, uint32_t rank, const int64_t *shape, const char *const *v);
ex empty_string(lower_ctx *c); /* "" */

/* found[i...]: the last place of x[i...] in the list, -1: it is not there. By hashing. */
slot lower_find(lower_ctx *c, slot x, uint32_t n, const char *const *list);

/* The same for a list of small letters, where capital letters (of ASCII) are taken as small ones. */
slot lower_find_folded(lower_ctx *c, slot x, uint32_t n, const char *const *list);

/* Bytes for the strings that a node makes, which stay to the end of the run. at: int64, where those of this turn of a loop begin; 0: at the start. */
typedef struct {
    slot pool, at;
} string_room;

/* As many bytes as the int64 scalar `count` says, which the run has counted; or, where that is 0, `most`. */
string_room string_room_of(lower_ctx *c, slot count, dim most);

/* Cast between strings and numbers (string_cast.c): y = x. */
bool lower_number_strings(lower_ctx *c, slot x, slot y);
bool lower_string_numbers(lower_ctx *c, slot x, slot y);

/* The number of each string among the different ones, which are listed. */
const int64_t *string_numbers(arena *mem, uint32_t n, const char *const *v, const char ***distinct, uint32_t *n_distinct);

/* The hash of the kernels that look something up: FNV-1a. */
uint32_t string_hash(const char *s, size_t n);
#endif
