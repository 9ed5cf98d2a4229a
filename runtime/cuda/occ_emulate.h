/* occ_emulate.h - CUDA on the processor, for kernels and host code that include onnxcc_device.h: docs/cuda-emulation.md.
 *
 * One fiber per CUDA thread, block after block, all on the calling thread of the system. What a GPU leaves undefined is an error here: a message
 * that names kernel, block, thread and line, and exit with OCC_EXIT_ERROR. This file is the device side; occ_cudart.h the host side. */
#ifndef OCC_EMULATE_H
#define OCC_EMULATE_H
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

enum { OCC_EXIT_ERROR = 65, OCC_EXIT_RACE = 66 };

#define __global__
#define __device__
#define __host__
#define __constant__    const __attribute__((section("occ_constant")))
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n)    __attribute__((aligned(n)))
#ifndef __restrict__
#define __restrict__ __restrict
#endif

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};
#define OCC_VECTORS(T, name)                                     \
    struct alignas(2 * sizeof(T)) name##2 {                      \
        T x, y;                                                  \
    };                                                           \
    struct alignas(4 * sizeof(T)) name##4 {                      \
        T x, y, z, w;                                            \
    };                                                           \
    static inline name##2 make_##name##2(T x, T y)               \
    {                                                            \
        return name##2{x, y};                                    \
    }                                                            \
    static inline name##4 make_##name##4(T x, T y, T z, T w)     \
    {                                                            \
        return name##4{x, y, z, w};                              \
    }
OCC_VECTORS(float, float)
OCC_VECTORS(int, int)
OCC_VECTORS(unsigned, uint)
#undef OCC_VECTORS

#include "occ_cudart.h"

/* -- the scheduler (occ_emulate.cpp) ----------------------------------------------------------------------------------------------------- */

/* Where in the source a call stands; lanes of a warp and threads of a block meet at the same place only. */
#define OCC_AT const char *file = __builtin_FILE(), int line = __builtin_LINE()

struct occ_thread; /* of a running kernel */
struct occ_place {
    uint3 thread, block;
    dim3 block_dim, grid_dim;
};
extern occ_place occ_here; /* of the running thread */
#define threadIdx (occ_here.thread)
#define blockIdx  (occ_here.block)
#define blockDim  (occ_here.block_dim)
#define gridDim   (occ_here.grid_dim)
constexpr int warpSize = 32;

/* Says what is wrong in the running thread and where, and ends the program. `tag` is the kind of mistake, as "divergent-collective". */
[[noreturn]] void occ_fail(const char *file, int line, const char *tag, const char *format, ...) __attribute__((format(printf, 4, 5)));

void __syncthreads(OCC_AT);
void __syncwarp(unsigned mask = 0xffffffffu, OCC_AT);
static inline void __threadfence_block(void)
{
}
void __threadfence(void);
[[noreturn]] void __trap(OCC_AT);

/* Runs, or records while its stream is captured, one kernel; what it returns is also cudaGetLastError()'s. */
struct occ_launch_shape {
    const char *kernel;
    const void *function;
    unsigned max_threads;
    dim3 grid, block;
    size_t shared_bytes;
    cudaStream_t stream;
};
void occ_launch(const occ_launch_shape &shape, std::function<void()> body);

void occ_enter_kernel(void); /* the thread is about to run the kernel: from now on it reads no host memory */

/* The arguments are converted and copied at the launch, as CUDA does, and for each thread again, as its own. */
template <class... P, class... A>
static inline void occ_launch_kernel(const char *kernel, unsigned max_threads, void (*function)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                                     cudaStream_t stream, A &&...args)
{
    static_assert(sizeof...(P) == sizeof...(A), "a kernel is launched with another number of arguments than it has");
    const occ_launch_shape shape = {kernel, reinterpret_cast<const void *>(function), max_threads, grid, block, shared_bytes, stream};
    occ_launch(shape, [function, packed = std::tuple<P...>(args...)] {
        void (*const kernel_function)(P...) = function;
        std::tuple<P...> own = packed;
        occ_enter_kernel();
        std::apply(kernel_function, own);
    });
}

#define OCC_KERNEL(name, threads)      \
    enum { name##_threads = threads }; \
    static void name
#define OCC_DEVICE static inline
#define OCC_UNROLL
#define OCC_LAUNCH(name, grid, block, shared_bytes, stream, ...) \
    occ_launch_kernel(#name, name##_threads, name, (grid), (block), (shared_bytes), (stream), __VA_ARGS__)

/* Shared memory: of a declaration, the same for all threads of a block; of the launch. Poisoned (all bits set) when a block begins. */
struct occ_site {
    uint64_t block; /* number of the block that `at` belongs to */
    void *at;
};
void *occ_shared(occ_site *site, size_t bytes);
void *occ_dynamic_shared(void);
#define OCC_SHARED(type, name, dims)   \
    typedef type name##_shared dims;   \
    static occ_site name##_site;       \
    name##_shared &name = *static_cast<name##_shared *>(occ_shared(&name##_site, sizeof(name##_shared)))
#define OCC_DYNAMIC_SHARED(type, name) type *const name = static_cast<type *>(occ_dynamic_shared())

/* -- warps (occ_warp.cpp) ---------------------------------------------------------------------------------------------------------------- */

enum occ_shuffle { OCC_SHFL_IDX, OCC_SHFL_XOR, OCC_SHFL_DOWN, OCC_SHFL_UP };
uint64_t occ_shuffle_bits(occ_shuffle kind, unsigned mask, uint64_t bits, int operand, int width, const char *file, int line);
unsigned __ballot_sync(unsigned mask, int predicate, OCC_AT);
static inline int __any_sync(unsigned mask, int predicate, OCC_AT)
{
    return __ballot_sync(mask, predicate, file, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, OCC_AT)
{
    return __ballot_sync(mask, predicate, file, line) == mask;
}

template <class T> static inline T occ_shuffle_value(occ_shuffle kind, unsigned mask, T v, int operand, int width, const char *file, int line)
{
    static_assert(std::is_arithmetic<T>::value && sizeof(T) <= 8, "shuffles are of numbers");
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof v);
    bits = occ_shuffle_bits(kind, mask, bits, operand, width, file, line);
    memcpy(&v, &bits, sizeof v);
    return v;
}
template <class T> static inline T __shfl_sync(unsigned mask, T v, int source, int width = 32, OCC_AT)
{
    return occ_shuffle_value(OCC_SHFL_IDX, mask, v, source, width, file, line);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int lanes, int width = 32, OCC_AT)
{
    return occ_shuffle_value(OCC_SHFL_XOR, mask, v, lanes, width, file, line);
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, OCC_AT)
{
    return occ_shuffle_value(OCC_SHFL_DOWN, mask, v, static_cast<int>(delta), width, file, line);
}
template <class T> static inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, OCC_AT)
{
    return occ_shuffle_value(OCC_SHFL_UP, mask, v, static_cast<int>(delta), width, file, line);
}
template <class T> static inline T occ_shfl(T v, int source, OCC_AT)
{
    return occ_shuffle_value(OCC_SHFL_IDX, 0xffffffffu, v, source, 32, file, line);
}
template <class T> static inline T occ_shfl_xor(T v, int mask, OCC_AT)
{
    return occ_shuffle_value(OCC_SHFL_XOR, 0xffffffffu, v, mask, 32, file, line);
}
template <class T> static inline T occ_shfl_down(T v, int delta, OCC_AT)
{
    return occ_shuffle_value(OCC_SHFL_DOWN, 0xffffffffu, v, delta, 32, file, line);
}

void occ_mma_f16(float d[4], const uint32_t a[4], const uint32_t b[2], OCC_AT);
void occ_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], OCC_AT);
void occ_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2], OCC_AT);
void occ_ldmatrix_x4(uint32_t r[4], const void *row, OCC_AT);
void occ_ldmatrix_x4_trans(uint32_t r[4], const void *row, OCC_AT);

/* -- copies and accesses that are checked (occ_copy.cpp) ----------------------------------------------------------------------------------- */

void occ_cp_async16(void *dst, const void *src, int bytes, OCC_AT);
void occ_cp_async4(void *dst, const void *src, int bytes, OCC_AT);
void occ_cp_async_commit(void);
void occ_cp_async_wait_groups(int n);
template <int N> static inline void occ_cp_async_wait(void)
{
    static_assert(N >= 0, "a number of groups");
    occ_cp_async_wait_groups(N);
}

void occ_load_bytes(void *to, const void *p, size_t bytes, const char *file, int line);
void occ_store_bytes(void *p, const void *from, size_t bytes, const char *file, int line);
#define OCC_ACCESS(T, P, suffix)                                         \
    static inline T occ_load##suffix(const P *p, OCC_AT)                 \
    {                                                                    \
        T v;                                                             \
        occ_load_bytes(&v, p, sizeof v, file, line);                     \
        return v;                                                        \
    }                                                                    \
    static inline void occ_store##suffix(P *p, T v, OCC_AT)              \
    {                                                                    \
        occ_store_bytes(p, &v, sizeof v, file, line);                    \
    }
OCC_ACCESS(uint4, void, 16)
OCC_ACCESS(uint2, void, 8)
OCC_ACCESS(float4, float, _f4)
#undef OCC_ACCESS

#define OCC_ATOMICS(T)            \
    T atomicAdd(T *p, T v);       \
    T atomicExch(T *p, T v);      \
    T atomicMax(T *p, T v);       \
    T atomicMin(T *p, T v);       \
    T atomicCAS(T *p, T compare, T v);
OCC_ATOMICS(int)
OCC_ATOMICS(unsigned)
OCC_ATOMICS(unsigned long long)
#undef OCC_ATOMICS
float atomicAdd(float *p, float v);
float atomicExch(float *p, float v);

#include "occ_numbers.h"
#endif
