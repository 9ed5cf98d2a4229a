/* onnxcc_device.h - what generated CUDA code is written in, beyond CUDA C++ itself. One text, two bodies:
 *
 *   nvcc -std=c++17 model.cu                                    CUDA intrinsics and inline PTX, sm_75 and later (this file)
 *   g++ -std=c++17 -DOCC_EMULATE -x c++ model.cu occ_*.cpp      an emulation on the processor that also checks (occ_emulate.h)
 *
 * A kernel and its launch:
 *
 *   OCC_KERNEL(scale, 128)(float *y, float a, int n)            at most 128 threads a block
 *   {
 *       OCC_SHARED(float, row, [128]);                          static shared memory, an array or one variable; 16-byte aligned
 *       OCC_DYNAMIC_SHARED(float, rest);                        const pointer to the launch's shared_bytes; 128-byte aligned
 *   }
 *   OCC_DEVICE float half_of(float x) {...}                     a function that kernels call; OCC_UNROLL before a loop
 *   OCC_LAUNCH(scale, grid, block, shared_bytes, stream, y, 2.0f, n);      errors as CUDA: cudaGetLastError()
 *
 * CUDA's own names work under both bodies: threadIdx and the like, __syncthreads, __syncwarp, __shfl_sync, __shfl_xor_sync, __shfl_down_sync,
 * __shfl_up_sync, __ballot_sync, __any_sync, __all_sync, atomicAdd, atomicMax, atomicMin, atomicExch, atomicCAS, __threadfence, the int, uint
 * and float vectors of two and four, __float_as_int and its like, and the functions of math.h. float16 and bfloat16 are stored as uint16_t. */
#ifndef ONNXCC_DEVICE_H
#define ONNXCC_DEVICE_H
#ifdef OCC_EMULATE
#include "occ_emulate.h"
#else
#include <cuda_runtime.h>
#include <stdint.h>

#define OCC_KERNEL(name, threads) static __global__ void __launch_bounds__(threads, 1) name /* one block on a processor will do: no spills for more */
#define OCC_DEVICE                [[maybe_unused]] static __device__ __forceinline__
#define OCC_UNROLL                _Pragma("unroll")
#define OCC_LAUNCH(name, grid, block, shared_bytes, stream, ...) name<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
#define OCC_SHARED(type, name, dims) __shared__ __align__(16) type name dims
#define OCC_DYNAMIC_SHARED(type, name)                                   \
    extern __shared__ __align__(128) unsigned char occ_dynamic_shared[]; \
    type *const name = (type *)(void *)occ_dynamic_shared

/* Shuffles by the whole warp: the value of lane `lane ^ mask`, `lane + delta` (the lane's own beyond the warp), or `source`. */
#define OCC_SHUFFLES(T)                                                     \
    OCC_DEVICE T occ_shfl_xor(T v, int mask)                                \
    {                                                                       \
        return __shfl_xor_sync(0xffffffffu, v, mask);                       \
    }                                                                       \
    OCC_DEVICE T occ_shfl_down(T v, int delta)                              \
    {                                                                       \
        return __shfl_down_sync(0xffffffffu, v, (unsigned)delta);           \
    }                                                                       \
    OCC_DEVICE T occ_shfl(T v, int source)                                  \
    {                                                                       \
        return __shfl_sync(0xffffffffu, v, source);                         \
    }
OCC_SHUFFLES(float)
OCC_SHUFFLES(double)
OCC_SHUFFLES(int)
OCC_SHUFFLES(unsigned)
OCC_SHUFFLES(long)
OCC_SHUFFLES(long long)
OCC_SHUFFLES(unsigned long)
OCC_SHUFFLES(unsigned long long)
#undef OCC_SHUFFLES

/* 16 and 8 bytes at once; the address is a multiple of that. */
OCC_DEVICE uint4 occ_load16(const void *p)
{
    return *(const uint4 *)p;
}
OCC_DEVICE void occ_store16(void *p, uint4 v)
{
    *(uint4 *)p = v;
}
OCC_DEVICE float4 occ_load_f4(const float *p)
{
    return *(const float4 *)(const void *)p;
}
OCC_DEVICE void occ_store_f4(float *p, float4 v)
{
    *(float4 *)(void *)p = v;
}
OCC_DEVICE uint2 occ_load8(const void *p)
{
    return *(const uint2 *)p;
}
OCC_DEVICE void occ_store8(void *p, uint2 v)
{
    *(uint2 *)p = v;
}

/* float16 and bfloat16, to the nearest, ties to even. pack: two in a word, `lo` in its low half. */
OCC_DEVICE float occ_f16_to_float(uint16_t h)
{
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}
OCC_DEVICE uint16_t occ_float_to_f16(float f)
{
    uint16_t h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}
OCC_DEVICE float occ_bf16_to_float(uint16_t h)
{
    return __uint_as_float((unsigned)h << 16);
}
OCC_DEVICE uint16_t occ_float_to_bf16(float f)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint16_t h;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
#else
    const unsigned u = __float_as_uint(f);
    return f == f ? (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16) : (uint16_t)0x7fff;
#endif
}
OCC_DEVICE uint32_t occ_pack_f16(float lo, float hi)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint32_t r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
#else
    return (uint32_t)occ_float_to_f16(lo) | (uint32_t)occ_float_to_f16(hi) << 16;
#endif
}
OCC_DEVICE uint32_t occ_pack_bf16(float lo, float hi)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
#else
    return (uint32_t)occ_float_to_bf16(lo) | (uint32_t)occ_float_to_bf16(hi) << 16;
#endif
}

/* Products of a warp, d += a * b in fp32, with the fragments of PTX: for g = lane / 4 and t = lane % 4,
 *   16x8x16: a[0..3] rows g, g+8, g, g+8, columns 2t and 2t+1 (a[2], a[3]: + 8); b[0..1] column g, rows 2t and 2t+1 (b[1]: + 8)
 *   16x8x8:  a[0..3] rows g, g+8, g, g+8, column t (a[2], a[3]: + 4); b[0..1] column g, row t (b[1]: + 4)
 *   both:    d[0..3] rows g, g, g+8, g+8, columns 2t, 2t+1, 2t, 2t+1
 * float16 from sm_75, bfloat16 and tf32 from sm_80. Below, products of bfloat16 and tf32 are made of shuffles and fused multiply-adds. */
#define OCC_MMA_16816(d, a, b, types)                                                                                                    \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." types ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"             \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                                        \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
OCC_DEVICE void occ_mma_f16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    OCC_MMA_16816(d, a, b, "f16.f16");
#else
    for (int k = 0; k < 2; k++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[2 * k]), "r"(a[2 * k + 1]), "r"(b[k]));
#endif
}
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
OCC_DEVICE void occ_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    OCC_MMA_16816(d, a, b, "bf16.bf16");
}
OCC_DEVICE void occ_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/* The nearest tf32 (8 bits of exponent, 10 of fraction), ties away from zero. The product itself ignores the low 13 bits. */
OCC_DEVICE uint32_t occ_float_to_tf32(float f)
{
    uint32_t r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(f));
    return r;
}
#endif
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
OCC_DEVICE void occ_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    const int lane = (int)(threadIdx.x % 32u), g = lane / 4, t = lane % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll 1
        for (int k = 0; k < 4; k++) {
            const float low = __uint_as_float(occ_shfl(a[half * 2], g * 4 + k)), high = __uint_as_float(occ_shfl(a[half * 2 + 1], g * 4 + k));
            const float left = __uint_as_float(occ_shfl(b[half], 2 * t * 4 + k)), right = __uint_as_float(occ_shfl(b[half], (2 * t + 1) * 4 + k));
            d[0] = fmaf(low, left, d[0]);
            d[1] = fmaf(low, right, d[1]);
            d[2] = fmaf(high, left, d[2]);
            d[3] = fmaf(high, right, d[3]);
        }
    }
}
/* A pair of bfloat16 as floats. */
OCC_DEVICE float occ_low_bf16(uint32_t pair)
{
    return __uint_as_float(pair << 16);
}
OCC_DEVICE float occ_high_bf16(uint32_t pair)
{
    return __uint_as_float(pair & 0xffff0000u);
}
OCC_DEVICE void occ_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    const int lane = (int)(threadIdx.x % 32u), g = lane / 4, t = lane % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll 1
        for (int k = 0; k < 4; k++) {
            const uint32_t low = occ_shfl(a[half * 2], g * 4 + k), high = occ_shfl(a[half * 2 + 1], g * 4 + k);
            const uint32_t left = occ_shfl(b[half], 2 * t * 4 + k), right = occ_shfl(b[half], (2 * t + 1) * 4 + k);
            d[0] = fmaf(occ_high_bf16(low), occ_high_bf16(left), fmaf(occ_low_bf16(low), occ_low_bf16(left), d[0]));
            d[1] = fmaf(occ_high_bf16(low), occ_high_bf16(right), fmaf(occ_low_bf16(low), occ_low_bf16(right), d[1]));
            d[2] = fmaf(occ_high_bf16(high), occ_high_bf16(left), fmaf(occ_low_bf16(high), occ_low_bf16(left), d[2]));
            d[3] = fmaf(occ_high_bf16(high), occ_high_bf16(right), fmaf(occ_low_bf16(high), occ_low_bf16(right), d[3]));
        }
    }
}
OCC_DEVICE uint32_t occ_float_to_tf32(float f)
{
    const uint32_t u = __float_as_uint(f);
    return (u & 0x7f800000u) == 0x7f800000u ? u : (u + 0x1000u) & 0xffffe000u;
}
#endif
#undef OCC_MMA_16816

/* Four 8x8 matrices of 16-bit elements from shared memory by a warp: lanes 8i to 8i+7 give the addresses of the rows of matrix i, each 16 bytes
 * at a multiple of 16; r[i] is row lane / 4, elements 2 (lane % 4) and the next. trans: the same of the transposed matrices. */
OCC_DEVICE void occ_ldmatrix_x4(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
}
OCC_DEVICE void occ_ldmatrix_x4_trans(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
}

/* A copy of 16 bytes from global to shared memory that the thread does not wait for. Of the 16, the first `bytes` (0 to 16) are read, the others
 * are zeros; with 0 nothing is read. Both addresses are multiples of 16. commit closes a group of the thread's copies (an empty one, too);
 * wait<N> waits until at most the N youngest groups are under way: then the thread sees its copies, and after a barrier the others do. A thread
 * does not end with copies under way. Below sm_80 the copy is done at once, which keeps the same contract. */
OCC_DEVICE void occ_cp_async16(void *dst, const void *src, int bytes)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(dst)), "l"(src), "r"(bytes)
                 : "memory");
#else
    uint4 v = make_uint4(0u, 0u, 0u, 0u);
    if (bytes > 0) {
        v = *(const uint4 *)src;
        unsigned *word = &v.x;
        for (int i = 0; i < 4; i++) {
            const int keep = bytes - 4 * i; /* bytes of this word that count */
            word[i] = keep >= 4 ? word[i] : keep <= 0 ? 0u : word[i] & (0xffffffffu >> (32 - 8 * keep));
        }
    }
    *(uint4 *)dst = v;
#endif
}
/* The same of 4 bytes, or of zeros when `bytes` is 0; addresses are multiples of 4. */
OCC_DEVICE void occ_cp_async4(void *dst, const void *src, int bytes)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(dst)), "l"(src), "r"(bytes)
                 : "memory");
#else
    *(unsigned *)dst = bytes ? *(const unsigned *)src : 0u;
#endif
}
OCC_DEVICE void occ_cp_async_commit(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int N> OCC_DEVICE void occ_cp_async_wait(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}
#endif
#endif
