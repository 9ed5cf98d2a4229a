/* custom_mutator.c - mutate.c as libFuzzer's mutator: one to four changes that know the format, now and then one of libFuzzer's own. */
#include "mutate.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    uint64_t state = (uint64_t)seed << 20 | 0x9e37;
    if (!size || mutate_random(&state) % 8 == 0) return LLVMFuzzerMutate(data, size, max);
    for (uint64_t n = mutate_random(&state) % 4 + 1; n && size; n--) size = mutate_model(data, size, max, &state);
    return size;
}
