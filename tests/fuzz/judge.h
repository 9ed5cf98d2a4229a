/* judge.h - what fuzz targets and mutants do with the bytes of a model, and what has to hold. Each ends the program when it does not. */
#ifndef ONNXCC_FUZZ_JUDGE_H
#define ONNXCC_FUZZ_JUDGE_H
#include "compile.h"

/* Looks it over, unpacks and converts it; what loads verifies, prints, and loads again when it is written. */
void judge_load(const unsigned char *data, size_t size);
/* What `check --full` and `infer --data-prop` do. */
void judge_check(const unsigned char *data, size_t size);
/* Compiles to memory, for generic C99. True: into `out`, which lives in `mem`. */
bool judge_compile(arena *mem, const unsigned char *data, size_t size, compiled *out);
#endif
