/* fuzz_load.c - a libFuzzer target: any bytes as a model file, looked over and unpacked. */
#include "judge.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    judge_load(data, size);
    return 0;
}
