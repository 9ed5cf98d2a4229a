/* kernel.h - what a kernel file needs to be compiled alone, by tests and benchmarks. The emitter drops the #include and binds the names itself.
 *
 * KERNEL  the functions that generated code calls
 * INLINE  their parts: always inlined, so that arguments known at the call fold as constants */
#ifndef KERNEL_H
#define KERNEL_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../runtime/onnxcc_rt.h"

#define KERNEL static __attribute__((unused))
#ifdef KERNEL_OUTLINE /* tests: one copy of each part, which sanitizers compile in a fraction of the time */
#define INLINE static __attribute__((noinline, unused))
#else
#define INLINE static inline __attribute__((always_inline, unused))
#endif
#endif
