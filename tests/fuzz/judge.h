/* judge.h - what fuzz targets and mutants do with the bytes of a model, and what has to hold. Each ends the program when it does not. */
#ifndef ONNXCC_FUZZ_JUDGE_H
#define ONNXCC_FUZZ_JUDGE_H
#include "compile.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZERS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZERS 1
#elif !defined(UNDER_SANITIZERS)
#define UNDER_SANITIZERS 0
#endif

/* Looks it over, unpacks and converts it; what loads verifies, prints, and loads again when it is written. */
void judge_load(const unsigned char *data, size_t size);
/* What `check --full` and `infer --data-prop` do. */
void judge_check(const unsigned char *data, size_t size);
/* What `optimize` and `convert` do, the latter to an old, a middle and a new version; what they write loads. */
void judge_rewrite(const unsigned char *data, size_t size);
/* Compiles to memory, for a target ("generic-c99"). True: into `out`, which lives in `mem`. */
bool judge_compile(arena *mem, const unsigned char *data, size_t size, const char *target, compiled *out);
#endif
