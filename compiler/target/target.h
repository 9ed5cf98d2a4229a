/* target.h - what the generated code runs on. */
#ifndef ONNXCC_TARGET_TARGET_H
#define ONNXCC_TARGET_TARGET_H
#include <stdbool.h>
#include <stdint.h>

typedef enum { ENDIAN_LITTLE, ENDIAN_BIG, ENDIAN_ANY } endian;
typedef enum { LANGUAGE_C, LANGUAGE_CUDA } target_language;

typedef struct target {
    const char *name, *what;
    int vl;             /* float lanes of a vector register; 1: scalar code */
    int registers;      /* vector registers */
    bool dot4;          /* one instruction multiplies bytes and adds four products to a lane (simd.h: vi_dot4) */
    bool dot2;          /* the same of bfloat16, two products (vf_dot2), as fast as a multiply-add */
    bool fma16;         /* multiply-adds of float16 (vk_dot2) */
    bool gathers;       /* a vector is sooner fetched from places of its own by one instruction than by loads of its elements; measured: Zen 4 takes 34 cycles for 16 */
    endian endian;      /* ANY: the same C runs everywhere, so weights are typed numbers */
    const char *cflags; /* for gcc and clang */
    const char *guard;  /* condition of the preprocessor that must hold; "" when anything will do */
    const char *needs;  /* the flags that make it hold, for the #error */
    int64_t l1, l2;     /* bytes of data cache per core */
    int64_t l3;         /* bytes of the third cache that a program can likely count on */
    double l3_rate, memory_rate; /* bytes that one thread reads, prefetched, in the time of two multiply-adds of vectors; measured */
    target_language language;
} target;

/* NULL: there is no target of that name. "native" is the best one that the machine running the compiler can execute. */
const target *target_find(const char *name);
const target *target_table(uint32_t *n);
/* The ones with dot2 and with fma16 that the machine running the compiler can execute, where those instructions are faster than two of float32; else NULL. */
const target *target_native_dot2(void);
const target *target_native_fma16(void);
bool target_is_cuda(const char *name); /* NULL and unknown: false */
/* Whether code for the target called so can run on the machine that onnxcc runs on: its architecture, not its extensions. NULL and unknown: true. */
bool target_runs_here(const char *name);
#endif
