/* mutate.h - changes a model file in ways that keep most of it a model: see mutate.c. */
#ifndef ONNXCC_FUZZ_MUTATE_H
#define ONNXCC_FUZZ_MUTATE_H
#include <stddef.h>
#include <stdint.h>

/* One change to data[0..size), which has room for `max` bytes. Returns the new size. `state` is that of the random numbers, not 0. The same input and
 * state give the same result everywhere. */
size_t mutate_model(uint8_t *data, size_t size, size_t max, uint64_t *state);
uint64_t mutate_random(uint64_t *state);
#endif
