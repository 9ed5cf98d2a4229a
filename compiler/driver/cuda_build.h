/* cuda_build.h - libraries from generated CUDA code: by nvcc for a device of this machine, or by the C++ compiler for the emulation. */
#ifndef ONNXCC_DRIVER_CUDA_BUILD_H
#define ONNXCC_DRIVER_CUDA_BUILD_H
#include "driver/process.h"

typedef struct {
    bool emulate;
    const char *emulator; /* the emulation as a shared library; NULL when not emulating */
    const char *arch;     /* compile_options.gpu_arch */
    const char *identity; /* changes when the compiler or the emulation does */
} cuda_tools;

/* Writes the emulation's headers to `folder` and builds its library there, or in `cache` (may be NULL), where it stays for the next time. False
 * after reporting: there is no compiler, or it refused. Without `emulate` only looks for nvcc ($CUDACXX, else nvcc). */
bool cuda_prepare(arena *a, diag *d, const char *folder, const char *cache, bool emulate, const char *arch, cuda_tools *out);

/* Builds the shared library `library` from .cu, .c and .S files. False: what the compiler said is in *messages. */
bool cuda_shared(arena *a, const cuda_tools *tools, const char *const *sources, uint32_t n, const char *include, const char *flags, const char *level,
                 const char *library, text *messages);
#endif
