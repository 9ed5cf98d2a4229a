/* target.c - the table of targets, and what "native" means here. */
#include "target/target.h"

#include <stddef.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define V4_GUARD "defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__FMA__)"
#define V3_GUARD "defined(__AVX2__) && defined(__FMA__)"
#define ZEN4_CACHES 32768, 1048576, 16000000, 40, 14
#define XEON_CACHES 49152, 2097152, 64000000, 10, 5 /* a vector's multiply-add takes half the time there */
#define SMALL_CACHES(l2) 32768, l2, 16000000, 40, 14 /* l3 and rates: not measured */
static const target TABLE[] = {
    {"x86-64-v4-fp16", "x86-64 with AVX-512, VNNI and FP16, for --precision=fp16 (Intel Sapphire Rapids and later)", 16, 32, true, false, true, true, ENDIAN_LITTLE,
     "-march=x86-64-v4 -mavx512vnni -mavx512fp16 -mprefer-vector-width=512", V4_GUARD " && defined(__AVX512VNNI__) && defined(__AVX512FP16__)",
     "-march=x86-64-v4 -mavx512vnni -mavx512fp16", XEON_CACHES, LANGUAGE_C},
    {"x86-64-v4-bf16", "x86-64 with AVX-512, VNNI and BF16, for --precision=bf16 (AMD Zen 4 and later)", 16, 32, true, true, false, false, ENDIAN_LITTLE,
     "-march=x86-64-v4 -mavx512vnni -mavx512bf16 -mprefer-vector-width=512", V4_GUARD " && defined(__AVX512VNNI__) && defined(__AVX512BF16__)",
     "-march=x86-64-v4 -mavx512vnni -mavx512bf16", ZEN4_CACHES, LANGUAGE_C},
    {"x86-64-v4-xeon", "x86-64-v4-vnni with the caches of Intel's Sapphire Rapids and later: 2 MiB of second cache", 16, 32, true, false, false, true, ENDIAN_LITTLE,
     "-march=x86-64-v4 -mavx512vnni -mprefer-vector-width=512", V4_GUARD " && defined(__AVX512VNNI__)", "-march=x86-64-v4 -mavx512vnni", XEON_CACHES, LANGUAGE_C},
    {"x86-64-v4-vnni", "x86-64 with AVX-512 and VNNI, products of bytes", 16, 32, true, false, false, false, ENDIAN_LITTLE, "-march=x86-64-v4 -mavx512vnni -mprefer-vector-width=512",
     V4_GUARD " && defined(__AVX512VNNI__)", "-march=x86-64-v4 -mavx512vnni", ZEN4_CACHES, LANGUAGE_C},
    {"x86-64-v4", "x86-64 with AVX-512", 16, 32, false, false, false, true, ENDIAN_LITTLE, "-march=x86-64-v4 -mprefer-vector-width=512", V4_GUARD, "-march=x86-64-v4", ZEN4_CACHES, LANGUAGE_C},
    {"x86-64-v3-vnni", "x86-64 with AVX2, FMA and AVX-VNNI, products of bytes", 8, 16, true, false, false, false, ENDIAN_LITTLE, "-march=x86-64-v3 -mavxvnni",
     V3_GUARD " && defined(__AVXVNNI__)", "-march=x86-64-v3 -mavxvnni", SMALL_CACHES(524288), LANGUAGE_C},
    {"x86-64-v3", "x86-64 with AVX2 and FMA", 8, 16, false, false, false, false, ENDIAN_LITTLE, "-march=x86-64-v3", V3_GUARD, "-march=x86-64-v3", SMALL_CACHES(524288), LANGUAGE_C},
    {"x86-64", "any x86-64 (SSE2)", 4, 16, false, false, false, false, ENDIAN_LITTLE, "", "defined(__SSE2__)", "-msse2", SMALL_CACHES(262144), LANGUAGE_C},
    {"aarch64", "64-bit ARM with NEON", 4, 32, false, false, false, false, ENDIAN_LITTLE, "", "defined(__aarch64__)", "an AArch64 compiler", SMALL_CACHES(524288), LANGUAGE_C},
    {"generic-c99", "any C99 compiler, any byte order, no vector extensions", 1, 8, false, false, false, false, ENDIAN_ANY, "", "", "", 16384, 131072, 16000000, 40, 14, LANGUAGE_C},
    {"cuda", "CUDA C++ for NVIDIA GPUs", 1, 255, false, false, false, false, ENDIAN_LITTLE, "", "", "", 131072, 41943040, 41943040, 1, 1, LANGUAGE_CUDA},
};
enum { N_TARGETS = sizeof TABLE / sizeof *TABLE };

const target *target_table(uint32_t *n)
{
    *n = N_TARGETS;
    return TABLE;
}

#if defined(__x86_64__)
/* Not every compiler's __builtin_cpu_supports knows these. */
static bool has_avx_vnni(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

static bool has_bf16(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

static bool has_fp16(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 23 & 1);
}

static bool has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Intel's, with at least 2 MiB of second cache: the leaves of cpuid's table of caches, one after the other. */
static bool is_large_xeon(void)
{
    if (!__builtin_cpu_is("intel")) return false;
    for (unsigned i = 0; i < 8; i++) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        if (!__get_cpuid_count(4, i, &a, &b, &c, &d) || !(a & 31)) return false;
        if ((a >> 5 & 7) == 2) return (uint64_t)((b >> 22) + 1) * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) * ((uint64_t)c + 1) >= 2097152;
    }
    return false;
}
#endif

static const char *native(void)
{
#if defined(__x86_64__)
    if (has_avx512()) return !__builtin_cpu_supports("avx512vnni") ? "x86-64-v4" : is_large_xeon() ? "x86-64-v4-xeon" : "x86-64-v4-vnni";
    if (has_avx2()) return has_avx_vnni() ? "x86-64-v3-vnni" : "x86-64-v3";
    return "x86-64";
#elif defined(__aarch64__)
    return "aarch64";
#else
    return "generic-c99";
#endif
}

const target *target_native_fma16(void)
{
#if defined(__x86_64__)
    if (has_fp16() && target_find(NULL)->vl == 16 && target_find(NULL)->dot4) return target_find("x86-64-v4-fp16");
#endif
    return NULL;
}

/* Intel's processors take longer for one instruction of it than for four multiply-adds of float32; theirs is AMX. */
const target *target_native_dot2(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (has_bf16() && __builtin_cpu_is("amd") && !strcmp(native(), "x86-64-v4-vnni")) return target_find("x86-64-v4-bf16");
#endif
    return NULL;
}

const target *target_find(const char *name)
{
    if (!name || !strcmp(name, "native")) name = native();
    for (size_t i = 0; i < N_TARGETS; i++)
        if (!strcmp(TABLE[i].name, name)) return &TABLE[i];
    return NULL;
}

bool target_is_cuda(const char *name)
{
    const target *t = name ? target_find(name) : NULL;
    return t && t->language == LANGUAGE_CUDA;
}

bool target_runs_here(const char *name)
{
    if (!name) return true;
    const bool x86 = !strncmp(name, "x86-64", 6);
#if defined(__x86_64__)
    const target *t = target_find(name);
    if (t && x86 && t->vl == 16 && !(has_avx512() && (!t->dot4 || __builtin_cpu_supports("avx512vnni")) && (!t->dot2 || has_bf16()) && (!t->fma16 || has_fp16()))) return false;
    if (t && x86 && t->vl == 8 && !(has_avx2() && (!t->dot4 || has_avx_vnni()))) return false;
#else
    if (x86) return false;
#endif
#if !defined(__aarch64__)
    if (!strcmp(name, "aarch64")) return false;
#endif
    return true;
}
