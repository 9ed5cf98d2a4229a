/* check.h - what the kernel tests share: numbers, buffers with exact ends (for AddressSanitizer), an output that notices what is written.
 *
 * A test defines its kernel's parameters as macros - run-time values as members of `shape` -, includes the kernel's file, and compares with a
 * plain loop in double. */
#ifndef CHECK_H
#define CHECK_H
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "simd/simd.h"

static uint64_t check_seed = 0x9e3779b97f4a7c15u;

static inline uint64_t check_random(void)
{
    check_seed ^= check_seed << 13;
    check_seed ^= check_seed >> 7;
    check_seed ^= check_seed << 17;
    return check_seed;
}

/* lo <= result <= hi */
static inline int64_t check_int(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(check_random() % (uint64_t)(hi - lo + 1));
}

static inline float check_float(void)
{
    return (float)check_int(-1000, 1000) / 500.0f;
}

/* n random floats, exactly; 64-byte aligned so that a read past the end is seen by the sanitizer only in whole vectors' reach. */
static inline float *check_floats(int64_t n)
{
    float *p = NULL;
    if (posix_memalign((void **)&p, 64, (size_t)(n > 0 ? n : 1) * sizeof *p)) exit(3);
    for (int64_t i = 0; i < n; i++) p[i] = check_float();
    return p;
}

static inline void check_fail(const char *what, double got, double want)
{
    printf("FAILED: %s: got %.9g, expected %.9g\n", what, got, want);
    exit(1);
}

/* |got - want| <= bound; NaN equals NaN. */
static inline void check_near(const char *what, double got, double want, double bound)
{
    if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= bound)) check_fail(what, got, want);
}

/* An output tensor: every element must be written exactly once, through the hooks. */
typedef struct {
    int64_t n;
    float *value;
    uint8_t *times;
} check_output;

static inline check_output check_output_new(int64_t n)
{
    check_output o = {n, malloc((size_t)n * sizeof(float) + 1), calloc((size_t)n + 1, 1)};
    if (!o.value || !o.times) exit(3);
    return o;
}

static inline void check_store(const check_output *o, int64_t at, float v)
{
    if (at < 0 || at >= o->n) check_fail("an index outside the output", (double)at, (double)o->n);
    o->value[at] = v;
    o->times[at]++;
}

static inline void check_written_once(const check_output *o)
{
    for (int64_t i = 0; i < o->n; i++)
        if (o->times[i] != 1) check_fail("times that an element was written", o->times[i], 1);
}

static inline void check_output_free(check_output *o)
{
    free(o->value);
    free(o->times);
}

/* Runs f on [0, n) in pieces of random length. */
#define CHECK_RANGES(n, call)                                                       \
    for (int64_t lo = 0, hi; lo < (n); lo = hi) {                                   \
        hi = check_random() % 2 ? (n) : check_int(lo + 1, (n));                     \
        call;                                                                       \
    }
#endif
