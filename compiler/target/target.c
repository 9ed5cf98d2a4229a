/* target.c - the table of targets, and what "native" means here. */
#include "target/target.h"

#include <stddef.h>
#include <string.h>

static const target TABLE[] = {
    {"x86-64-v4", "x86-64 with AVX-512", 16, 32, ENDIAN_LITTLE, "-march=x86-64-v4 -mprefer-vector-width=512",
     "defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__FMA__)", "-march=x86-64-v4", 32768, 1048576},
    {"x86-64-v3", "x86-64 with AVX2 and FMA", 8, 16, ENDIAN_LITTLE, "-march=x86-64-v3", "defined(__AVX2__) && defined(__FMA__)", "-march=x86-64-v3",
     32768, 524288},
    {"x86-64", "any x86-64 (SSE2)", 4, 16, ENDIAN_LITTLE, "", "defined(__SSE2__)", "-msse2", 32768, 262144},
    {"aarch64", "64-bit ARM with NEON", 4, 32, ENDIAN_LITTLE, "", "defined(__aarch64__)", "an AArch64 compiler", 32768, 524288},
    {"generic-c99", "any C99 compiler, any byte order, no vector extensions", 1, 8, ENDIAN_ANY, "", "", "", 16384, 131072},
};
enum { N_TARGETS = sizeof TABLE / sizeof *TABLE };

const target *target_table(uint32_t *n)
{
    *n = N_TARGETS;
    return TABLE;
}

static const char *native(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-v3";
    return "x86-64";
#elif defined(__aarch64__)
    return "aarch64";
#else
    return "generic-c99";
#endif
}

const target *target_find(const char *name)
{
    if (!name || !strcmp(name, "native")) name = native();
    for (size_t i = 0; i < N_TARGETS; i++)
        if (!strcmp(TABLE[i].name, name)) return &TABLE[i];
    return NULL;
}
