/* mistakes.cu WHICH - a kernel for each mistake that ends a program; tests/cuda/mistakes.sh has the messages that it wants,
 * which name the lines that say so. */
#include "check.h"

#define THREAD static_cast<int>(threadIdx.x)

OCC_KERNEL(lanes_part, 64)(float *x)
{
    float v = x[THREAD];
    if (THREAD % 2)
        v = occ_shfl_xor(v, 2); /* found here */
    else
        v = occ_shfl_down(v, 2);
    x[THREAD] = v;
}
OCC_KERNEL(masks_differ, 64)(float *x)
{
    x[THREAD] = __shfl_xor_sync(THREAD % 32 < 16 ? 0xffffffffu : 0xffffu << 16 | 1u, x[THREAD], 1); /* found here */
}
OCC_KERNEL(mask_without_me, 64)(float *x)
{
    x[THREAD] = __shfl_xor_sync(0xffffu, x[THREAD], 1); /* found here */
}
OCC_KERNEL(mask_of_nobody, 64)(float *x) /* launched with 48 threads */
{
    x[THREAD] = occ_shfl_xor(x[THREAD], 1); /* found here */
}
OCC_KERNEL(source_outside, 64)(float *x)
{
    if (THREAD % 32 < 16) x[THREAD] = __shfl_sync(0xffffu, x[THREAD], 20); /* found here */
}
OCC_KERNEL(odd_width, 64)(float *x)
{
    x[THREAD] = __shfl_sync(0xffffffffu, x[THREAD], 1, 12); /* found here */
}
OCC_KERNEL(some_barrier, 64)(float *x)
{
    if (THREAD < 40) __syncthreads(); /* found here */
    x[THREAD] = 1;
}
OCC_KERNEL(other_barrier, 64)(float *x)
{
    if (THREAD < 32)
        __syncthreads();
    else
        __syncthreads(); /* found here */
    x[THREAD] = 1;
}
OCC_KERNEL(ragged_load, 64)(float *x)
{
    const float4 v = occ_load_f4(x + THREAD); /* found here */
    x[THREAD] = v.x;
}
OCC_KERNEL(store_beyond, 64)(float *x)
{
    occ_store_f4(x + 4 * THREAD + 16, make_float4(1, 2, 3, 4)); /* found here */
}
OCC_KERNEL(shared_beyond, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(float, all);
    const float4 v = occ_load_f4(all + 4 * THREAD + 4); /* found here */
    x[THREAD] = v.x;
}
OCC_KERNEL(ldmatrix_ragged, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(uint16_t, all);
    uint32_t r[4];
    occ_ldmatrix_x4(r, all + THREAD % 32 * 4); /* found here */
    x[THREAD] = static_cast<float>(r[0]);
}
OCC_KERNEL(ldmatrix_beyond, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(uint16_t, all);
    uint32_t r[4];
    occ_ldmatrix_x4_trans(r, all + THREAD * 8 + 8); /* found here */
    x[THREAD] = static_cast<float>(r[0]);
}
OCC_KERNEL(ldmatrix_device, 64)(float *x)
{
    uint32_t r[4];
    occ_ldmatrix_x4(r, x); /* found here */
    x[THREAD] = static_cast<float>(r[0]);
}
OCC_KERNEL(copy_ragged, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(float, all);
    occ_cp_async16(all + 4 * THREAD, x + 1, 16); /* found here */
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
}
OCC_KERNEL(copy_beyond, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(float, all);
    occ_cp_async16(all + 4 * THREAD + 4, x, 16); /* found here */
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
}
OCC_KERNEL(copy_from_beyond, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(float, all);
    occ_cp_async16(all + 4 * THREAD, x + 64, 16); /* found here */
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
}
OCC_KERNEL(copy_from_shared, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(float, all);
    occ_cp_async16(all + 4 * THREAD, all, 16); /* found here */
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
    x[THREAD] = all[THREAD];
}
OCC_KERNEL(copy_too_long, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(float, all);
    occ_cp_async16(all + 4 * THREAD, x, 20); /* found here */
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
}
OCC_KERNEL(copy_left, 64)(float *x)
{
    OCC_DYNAMIC_SHARED(float, all);
    occ_cp_async16(all + 4 * THREAD, x, 16); /* found here */
    occ_cp_async_commit();
    occ_cp_async_wait<1>();
}
OCC_KERNEL(far_beyond, 64)(float *x)
{
    x[THREAD + 2048] = 1; /* found here */
}
OCC_KERNEL(too_much_shared, 64)(float *x)
{
    OCC_SHARED(float, a, [8192]);
    OCC_SHARED(float, b, [8192]);
    x[THREAD] = a[THREAD] + b[THREAD];
}
OCC_KERNEL(too_much_of_both, 64)(float *x) /* 47.5 KiB, and 1 KiB of dynamic shared memory */
{
    OCC_SHARED(float, a, [12160]);
    x[THREAD] = a[THREAD];
}
OCC_KERNEL(trapped, 64)(float *x)
{
    if (x[THREAD] == 0.0f && THREAD == 17) __trap(); /* found here */
}
OCC_KERNEL(good, 64)(float *x)
{
    x[THREAD] = 1;
}

OCC_KERNEL(add_to, 64)(float *x, const float *y)
{
    x[THREAD] += y[0];
}
static void host_pointer(float *x)
{
    static float y[4]; /* as weights that were not uploaded */
    OCC_LAUNCH(add_to, dim3(1), dim3(64), 0, 0, x, y);
}
static void heap_pointer(float *x)
{
    float *y = static_cast<float *>(calloc(1, sizeof(float)));
    OCC_LAUNCH(add_to, dim3(1), dim3(64), 0, 0, x, y);
}
static void no_memory(float *)
{
    OCC_LAUNCH(good, dim3(1), dim3(64), 0, 0, static_cast<float *>(NULL));
}
static void freed(float *x)
{
    CUDA(cudaFree(x));
    OCC_LAUNCH(good, dim3(1), dim3(64), 0, 0, x);
}
static void freed_copy(float *x)
{
    cudaStream_t stream;
    float y[64];
    CUDA(cudaStreamCreate(&stream));
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    CUDA(cudaMemcpyAsync(y, x, sizeof y, cudaMemcpyDeviceToHost, stream));
    CUDA(cudaStreamEndCapture(stream, &graph));
    CUDA(cudaGraphInstantiate(&exec, graph, 0));
    CUDA(cudaFree(x));
    CUDA(cudaGraphLaunch(exec, stream));
    CUDA(cudaStreamSynchronize(stream));
}
static void host_load(float *x)
{
    OCC_LAUNCH(good, dim3(1), dim3(64), 0, 0, x);
    CUDA(cudaDeviceSynchronize());
    printf("%g\n", static_cast<double>(x[3]));
}

#define LAUNCH(name, threads) \
    if (!strcmp(argv[1], #name)) OCC_LAUNCH(name, dim3(1), dim3(threads), 1024, 0, x)
#define CALL(name) \
    if (!strcmp(argv[1], #name)) name(x)

int main(int argc, char **argv)
{
    float zero[64] = {0}, *x = to_device(zero, 64);
    if (argc < 2) return 2;
    LAUNCH(lanes_part, 64);
    LAUNCH(masks_differ, 64);
    LAUNCH(mask_without_me, 64);
    LAUNCH(mask_of_nobody, 48);
    LAUNCH(source_outside, 64);
    LAUNCH(odd_width, 64);
    LAUNCH(some_barrier, 64);
    LAUNCH(other_barrier, 64);
    LAUNCH(ragged_load, 64);
    LAUNCH(store_beyond, 64);
    LAUNCH(shared_beyond, 64);
    LAUNCH(ldmatrix_ragged, 64);
    LAUNCH(ldmatrix_beyond, 64);
    LAUNCH(ldmatrix_device, 64);
    LAUNCH(copy_ragged, 64);
    LAUNCH(copy_beyond, 64);
    LAUNCH(copy_from_beyond, 64);
    LAUNCH(copy_from_shared, 64);
    LAUNCH(copy_too_long, 64);
    LAUNCH(copy_left, 64);
    LAUNCH(far_beyond, 64);
    LAUNCH(too_much_shared, 64);
    LAUNCH(too_much_of_both, 64);
    LAUNCH(trapped, 64);
    CALL(host_pointer);
    CALL(heap_pointer);
    CALL(no_memory);
    CALL(freed);
    CALL(freed_copy);
    CALL(host_load);
    CUDA(cudaDeviceSynchronize());
    printf("the mistake was not found\n");
    return 0;
}
