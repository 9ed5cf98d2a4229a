/* fuzz_check.c - a libFuzzer target: check --full and infer. */
#include "judge.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    judge_check(data, size);
    return 0;
}
