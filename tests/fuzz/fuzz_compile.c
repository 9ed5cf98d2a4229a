/* fuzz_compile.c - a libFuzzer target: the whole compiler, to memory. */
#include "judge.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    compiled out;
    arena *mem = arena_new();
    (void)judge_compile(mem, data, size, "generic-c99", &out);
    arena_free(mem);
    return 0;
}
