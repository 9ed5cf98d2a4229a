/* races.cu [WHICH] - pairs of accesses for the race detector: without WHICH those that something orders, with it one that races. */
#include "check.h"

#define THREAD static_cast<int>(threadIdx.x)
#define ALL    static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x)

/* -- ordered ---------------------------------------------------------------------------------------------------------------------------------------- */

/* Neighbours' bytes of one word are written by different threads. */
OCC_KERNEL(bytes_side_by_side, 64)(unsigned char *x)
{
    x[ALL] = static_cast<unsigned char>(ALL);
}
OCC_KERNEL(barrier_between, 64)(int *x)
{
    OCC_SHARED(int, slot, [64]);
    slot[THREAD] = ALL;
    __syncthreads();
    const int v = slot[63 - THREAD];
    __syncthreads();
    slot[THREAD] = v;
    x[ALL] = v;
    __syncthreads();
    x[static_cast<int>(blockIdx.x * 64) + 63 - THREAD] = v; /* device memory, within the block */
}
OCC_KERNEL(syncwarp_between, 64)(int *x)
{
    OCC_SHARED(int, slot, [64]);
    slot[THREAD] = ALL;
    __syncwarp();
    x[ALL] = slot[THREAD ^ 1];
}
OCC_KERNEL(atomics_together, 64)(int *x)
{
    atomicAdd(x, 1);
}
/* The block that comes last adds up what the others left. */
OCC_KERNEL(last_block, 64)(int *x) /* x[0] counts, x[1] sum, x[64..] parts */
{
    OCC_SHARED(int, last, );
    x[64 + ALL] = ALL;
    __threadfence();
    __syncthreads();
    if (THREAD == 0) last = atomicAdd(x, 1) == static_cast<int>(gridDim.x) - 1;
    __syncthreads();
    if (!last) return;
    int sum = 0;
    for (int i = THREAD; i < static_cast<int>(gridDim.x) * 64; i += 64) sum += x[64 + i];
    for (int o = 16; o > 0; o >>= 1) sum += occ_shfl_xor(sum, o);
    if (THREAD % 32 == 0) atomicAdd(x + 1, sum);
}

/* Memory that kernels may read beside their own: constants, and pinned host memory. */
__constant__ int SQUARES[4] = {0, 1, 4, 9};
OCC_KERNEL(other_memory, 64)(int *x, const int *pinned, int at)
{
    const int weights[4] = {7, at, 5, 6};
    x[ALL] = SQUARES[(THREAD + at) % 4] + pinned[THREAD % 4] + weights[(THREAD + at) % 4];
}

/* -- races ------------------------------------------------------------------------------------------------------------------------------------------- */

OCC_KERNEL(other_warp_reads, 64)(int *x)
{
    OCC_SHARED(int, slot, [64]);
    slot[THREAD] = THREAD;
    __syncwarp();
    x[THREAD] = slot[63 - THREAD];
}
OCC_KERNEL(same_warp_reads, 64)(int *x)
{
    OCC_SHARED(int, slot, [64]);
    slot[THREAD] = THREAD;
    x[THREAD] = slot[THREAD ^ 1];
}
OCC_KERNEL(shuffle_is_no_order, 64)(int *x)
{
    OCC_SHARED(int, slot, [64]);
    slot[THREAD] = THREAD;
    x[THREAD] = occ_shfl_xor(THREAD, 1) + slot[THREAD ^ 1];
}
OCC_KERNEL(write_after_read, 64)(int *x)
{
    OCC_SHARED(int, slot, [64]);
    slot[THREAD] = THREAD;
    __syncthreads();
    x[THREAD] = slot[63 - THREAD];
    slot[THREAD] = 0;
}
OCC_KERNEL(blocks_write, 64)(int *x)
{
    x[THREAD] = static_cast<int>(blockIdx.x);
}
OCC_KERNEL(blocks_overlap, 64)(int *x)
{
    x[static_cast<int>(blockIdx.x) * 63 + THREAD] = 1;
}
OCC_KERNEL(block_reads_neighbour, 64)(int *x)
{
    x[ALL] = ALL ? x[ALL - 1] : 0;
}
OCC_KERNEL(vectors_overlap, 64)(int *x)
{
    occ_store16(x + 4 * (THREAD / 2), make_uint4(1, 2, 3, 4));
}
OCC_KERNEL(atomic_and_plain, 64)(int *x)
{
    if (THREAD == 40)
        x[0] = 3;
    else
        atomicAdd(x, 1);
}
OCC_KERNEL(last_block_no_fence, 64)(int *x)
{
    OCC_SHARED(int, last, );
    x[64 + ALL] = ALL;
    __syncthreads();
    if (THREAD == 0) last = atomicAdd(x, 1) == static_cast<int>(gridDim.x) - 1;
    __syncthreads();
    if (last && THREAD == 0) x[1] = x[64] + x[128] + x[192];
}
OCC_KERNEL(copy_read_early, 64)(int *x)
{
    OCC_DYNAMIC_SHARED(int, stage);
    occ_cp_async16(stage + 4 * THREAD, x, 16);
    occ_cp_async_commit();
    x[64 + THREAD] = stage[4 * THREAD];
    occ_cp_async_wait<0>();
}
OCC_KERNEL(copy_over_copy, 64)(int *x)
{
    OCC_DYNAMIC_SHARED(int, stage);
    occ_cp_async16(stage + 4 * THREAD, x, 16);
    occ_cp_async16(stage + 4 * THREAD, x + 4, 16);
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
}
OCC_KERNEL(copy_without_barrier, 64)(int *x)
{
    OCC_DYNAMIC_SHARED(int, stage);
    occ_cp_async16(stage + 4 * THREAD, x, 16);
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
    x[64 + THREAD] = stage[4 * (63 - THREAD)];
}

#define RUN(name)    OCC_LAUNCH(name, dim3(3), dim3(64), 1024, 0, x)
#define LAUNCH(name) if (!strcmp(argv[1], #name)) RUN(name)

int main(int argc, char **argv)
{
    enum { N = 512 };
    static int zero[N];
    int *x = to_device(zero, N);
    if (argc < 2) {
        OCC_LAUNCH(bytes_side_by_side, dim3(3), dim3(64), 0, 0, reinterpret_cast<unsigned char *>(x));
        RUN(barrier_between);
        RUN(syncwarp_between);
        CUDA(cudaMemset(x, 0, N * sizeof(int)));
        RUN(atomics_together);
        CUDA(cudaMemset(x, 0, N * sizeof(int)));
        int *pinned;
        CUDA(cudaMallocHost(&pinned, 4 * sizeof(int)));
        for (int i = 0; i < 4; i++) pinned[i] = i;
        OCC_LAUNCH(other_memory, dim3(3), dim3(64), 0, 0, x, pinned, 1);
        CUDA(cudaMemset(x, 0, N * sizeof(int)));
        CUDA(cudaDeviceSynchronize());
        CUDA(cudaFreeHost(pinned));
        RUN(last_block);
        static int got[N];
        to_host(got, x, N);
        CHECK_INT(got[1], 191 * 192 / 2);
        return finish();
    }
    LAUNCH(other_warp_reads);
    LAUNCH(same_warp_reads);
    LAUNCH(shuffle_is_no_order);
    LAUNCH(write_after_read);
    LAUNCH(blocks_write);
    LAUNCH(blocks_overlap);
    LAUNCH(block_reads_neighbour);
    LAUNCH(vectors_overlap);
    LAUNCH(atomic_and_plain);
    LAUNCH(last_block_no_fence);
    LAUNCH(copy_read_early);
    LAUNCH(copy_over_copy);
    LAUNCH(copy_without_barrier);
    CUDA(cudaDeviceSynchronize());
    return 0;
}
