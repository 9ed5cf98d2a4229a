/* launch.cu - a kernel, its place in grid and block, shared memory of both kinds, barriers, shuffles, atomics; launches that are refused. */
#include "check.h"

OCC_KERNEL(places, 128)(int *out)
{
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] = static_cast<int>(block * 1000 + thread);
}

static void test_places(void)
{
    const int n = 2 * 3 * 2 * 4 * 5 * 3;
    static int got[n];
    int *out = to_device<int>(NULL, n);
    OCC_LAUNCH(places, dim3(2, 3, 2), dim3(4, 5, 3), 0, 0, out);
    to_host(got, out, n);
    for (int i = 0; i < n; i++) CHECK_INT(got[i], i / 60 * 1000 + i % 60);
}

/* Sums of 128 numbers: by warp, then over the warps in shared memory; the reversed numbers through dynamic shared memory. */
OCC_KERNEL(sums, 128)(float *sum, float *reversed, const float *x, int n)
{
    OCC_SHARED(float, partial, [4]);
    OCC_SHARED(float, grid, [2][64]);
    OCC_SHARED(float, total, );
    OCC_DYNAMIC_SHARED(float, all);
    const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * 128 + t;
    all[t] = i < n ? x[i] : 0.0f;
    float v = all[t];
    for (int o = 16; o > 0; o >>= 1) v += occ_shfl_xor(v, o);
    if (t % 32 == 0) partial[t / 32] = v;
    __syncthreads();
    grid[t / 64][t % 64] = all[127 - t];
    if (t == 0) total = partial[0] + partial[1] + partial[2] + partial[3];
    __syncthreads();
    if (i < n) reversed[i] = grid[t / 64][t % 64];
    if (t == 0) sum[blockIdx.x] = total;
}

static void test_sums(void)
{
    static float x[300], sum[3], reversed[300];
    for (int i = 0; i < 300; i++) x[i] = static_cast<float>(i);
    float *dx = to_device(x, 300), *dsum = to_device<float>(NULL, 3), *dreversed = to_device<float>(NULL, 300);
    OCC_LAUNCH(sums, dim3(3), dim3(128), 128 * sizeof(float), 0, dsum, dreversed, dx, 300);
    to_host(sum, dsum, 3);
    to_host(reversed, dreversed, 300);
    CHECK_NEAR(sum[0], 127 * 64, 0);
    CHECK_NEAR(sum[1], 127 * 64 + 128 * 128, 0);
    CHECK_NEAR(sum[2], (256 + 299) * 22, 0);
    CHECK_NEAR(reversed[0], 127, 0);
    CHECK_NEAR(reversed[200], 128 + 255 - 200, 0);
    CHECK_NEAR(reversed[299], 0, 0); /* of element 340, which is not there */
}

OCC_KERNEL(count, 256)(int *n, float *sum, int *largest)
{
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    atomicAdd(n, 1);
    atomicAdd(sum, 0.5f);
    atomicMax(largest, i);
}

static void test_atomics(void)
{
    int n = 0, largest = -1;
    float sum = 0;
    int *dn = to_device(&n, 1), *dlargest = to_device(&largest, 1);
    float *dsum = to_device(&sum, 1);
    OCC_LAUNCH(count, dim3(5), dim3(200), 0, 0, dn, dsum, dlargest);
    to_host(&n, dn, 1);
    to_host(&sum, dsum, 1);
    to_host(&largest, dlargest, 1);
    CHECK_INT(n, 1000);
    CHECK_NEAR(sum, 500, 0);
    CHECK_INT(largest, 999);
}

/* An error is told once by cudaGetLastError; the kernel does not run. */
static void refused(dim3 grid, dim3 block, size_t shared, cudaError_t expected)
{
    int out = 77, *d = to_device(&out, 1);
    OCC_LAUNCH(places, grid, block, shared, 0, d);
    CHECK_INT(cudaPeekAtLastError(), expected);
    CHECK_INT(cudaGetLastError(), expected);
    CHECK_INT(cudaGetLastError(), cudaSuccess);
    to_host(&out, d, 1);
    CHECK_INT(out, expected == cudaSuccess ? 0 : 77);
}

static void test_refused(void)
{
    refused(dim3(1), dim3(1025), 0, cudaErrorInvalidConfiguration);
    refused(dim3(1), dim3(0), 0, cudaErrorInvalidConfiguration);
    refused(dim3(0), dim3(32), 0, cudaErrorInvalidConfiguration);
    refused(dim3(1), dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration);
    refused(dim3(1, 65536), dim3(32), 0, cudaErrorInvalidConfiguration);
    refused(dim3(1), dim3(1), 48 << 10, cudaSuccess);
    refused(dim3(1), dim3(1), (48 << 10) + 16, cudaErrorInvalidValue);
    CUDA(cudaFuncSetAttribute(places, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10));
    refused(dim3(1), dim3(1), 64 << 10, cudaSuccess);
    refused(dim3(1), dim3(1), (64 << 10) + 16, cudaErrorInvalidValue);
    cudaDeviceProp p;
    CUDA(cudaGetDeviceProperties(&p, 0));
    CHECK_INT(cudaFuncSetAttribute(places, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(p.sharedMemPerBlockOptin) + 1),
              cudaErrorInvalidValue);
    CHECK_INT(cudaGetLastError(), cudaErrorInvalidValue);
}

int main(void)
{
    test_places();
    test_sums();
    test_atomics();
    test_refused();
    return finish();
}
