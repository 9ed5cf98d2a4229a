/* check.h - what the programs of tests/cuda share: checks that name what they saw, data, device buffers. The same under nvcc and the emulation. */
#ifndef TESTS_CUDA_CHECK_H
#define TESTS_CUDA_CHECK_H
#include "onnxcc_device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                           \
    do {                                                                           \
        if (!(condition)) {                                                        \
            failures++;                                                            \
            printf("FAILED %s:%d: %s\n", __FILE__, __LINE__, #condition);          \
        }                                                                          \
    } while (0)
#define CHECK_INT(got, expected)                                                                                    \
    do {                                                                                                            \
        const long long got_ = static_cast<long long>(got), expected_ = static_cast<long long>(expected);           \
        if (got_ != expected_ && failures++ < 20) printf("FAILED %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, expected_); \
    } while (0)
/* |got - expected| <= tolerance, false for NaN. */
#define CHECK_NEAR(got, expected, tolerance)                                                                        \
    do {                                                                                                            \
        const double got_ = static_cast<double>(got), expected_ = static_cast<double>(expected);                    \
        if (!(fabs(got_ - expected_) <= (tolerance)) && failures++ < 20)                                            \
            printf("FAILED %s:%d: %s is %g, not %g\n", __FILE__, __LINE__, #got, got_, expected_);                  \
    } while (0)

/* The first call that fails ends the program. */
#define CUDA(call)                                                                                                  \
    do {                                                                                                            \
        const cudaError_t error_ = (call);                                                                          \
        if (error_ != cudaSuccess) {                                                                                \
            printf("FAILED %s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(error_));                \
            exit(1);                                                                                                \
        }                                                                                                           \
    } while (0)

/* Numbers in [-1, 1), the same every time. */
static unsigned random_state = 1;
static inline float random_float(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return static_cast<float>(random_state >> 8) / 8388608.0f - 1.0f;
}

/* n elements on the device; from host, or left as cudaMalloc gives them for NULL. */
template <class T> static inline T *to_device(const T *host, size_t n)
{
    T *p = NULL;
    CUDA(cudaMalloc(&p, n * sizeof(T)));
    if (host) CUDA(cudaMemcpy(p, host, n * sizeof(T), cudaMemcpyHostToDevice));
    return p;
}
template <class T> static inline void to_host(T *host, T *device, size_t n)
{
    CUDA(cudaGetLastError());
    CUDA(cudaMemcpy(host, device, n * sizeof(T), cudaMemcpyDeviceToHost));
    CUDA(cudaFree(device));
}

static inline int finish(void)
{
    if (failures) printf("%d checks failed\n", failures);
    return failures != 0;
}
#endif
