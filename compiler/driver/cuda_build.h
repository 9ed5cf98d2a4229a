/* cuda_build.h - libraries from generated CUDA code: by nvcc for a device of this machine, or by the C++ compiler for the emulation. */
#ifndef ONNXCC_DRIVER_CUDA_BUILD_H
#define ONNXCC_DRIVER_CUDA_BUILD_H
#include "driver/options.h"
#include "driver/process.h"

/* Where generated CUDA code runs, and what watches it there. */
typedef enum {
    CUDA_DEVICE,
    CUDA_EMULATED,
    CUDA_RACES,    /* emulated, and accesses that nothing orders are errors */
    CUDA_SANITIZED /* emulated, with AddressSanitizer and UndefinedBehaviorSanitizer in kernels and emulation */
} cuda_mode;

/* What --emulate, --races and --sanitize ask for together; false after reporting, where they don't fit each other or the target. */
bool cuda_mode_of(const options *o, diag *d, const char *target_name, cuda_mode *out);

typedef struct {
    cuda_mode mode;
    const char *emulator; /* the emulation as a shared library; NULL when not emulating */
    const char *arch;     /* compile_options.gpu_arch */
    const char *identity; /* changes when the compiler or the emulation does */
} cuda_tools;

/* Writes the emulation's headers to `folder` and builds its library there, or in `cache` (may be NULL), where it stays for the next time. False
 * after reporting: there is no compiler, or it refused. For a device only looks for nvcc ($CUDACXX, else nvcc). */
bool cuda_prepare(arena *a, diag *d, const char *folder, const char *cache, cuda_mode mode, const char *arch, cuda_tools *out);

/* Builds the shared library `library` from .cu, .c and .S files. False: what the compiler said is in *messages. */
bool cuda_shared(arena *a, const cuda_tools *tools, const char *const *sources, uint32_t n, const char *include, const char *flags, const char *level,
                 const char *library, text *messages);
#endif
