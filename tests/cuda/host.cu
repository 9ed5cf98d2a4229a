/* host.cu - the runtime API as generated host code uses it: memory, copies and their limits, streams, events, capture into graphs. */
#include "check.h"

OCC_KERNEL(add, 64)(float *x, float a, int n)
{
    const int i = static_cast<int>(blockIdx.x * 64 + threadIdx.x);
    if (i < n) x[i] += a;
}

/* The call fails with that error, which cudaGetLastError tells once. */
#define FAILS(call, error)                              \
    do {                                                \
        CHECK_INT(call, error);                         \
        CHECK_INT(cudaGetLastError(), error);           \
        CHECK_INT(cudaGetLastError(), cudaSuccess);     \
    } while (0)

static void test_device(void)
{
    int n = 0, value = 0;
    CUDA(cudaGetDeviceCount(&n));
    CHECK(n >= 1);
    CUDA(cudaSetDevice(0));
    FAILS(cudaSetDevice(n), cudaErrorInvalidDevice);
    cudaDeviceProp p;
    CUDA(cudaGetDeviceProperties(&p, 0));
    CHECK(p.name[0] && p.warpSize == 32 && p.maxThreadsPerBlock == 1024 && p.multiProcessorCount >= 1 && p.major >= 7);
    CHECK(p.sharedMemPerBlock >= 48 << 10 && p.sharedMemPerBlockOptin >= p.sharedMemPerBlock && p.totalGlobalMem > 0);
    CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0));
    CHECK_INT(value, p.multiProcessorCount);
    CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    CHECK_INT(value, p.sharedMemPerBlockOptin);
    CHECK(!strcmp(cudaGetErrorName(cudaErrorInvalidValue), "cudaErrorInvalidValue"));
    CHECK(!strcmp(cudaGetErrorString(cudaErrorInvalidValue), "invalid argument"));
    CHECK(!strcmp(cudaGetErrorString(cudaSuccess), "no error"));
}

static void test_memory(void)
{
    float in[100], out[100], *x, *y;
    for (int i = 0; i < 100; i++) in[i] = static_cast<float>(i);
    CUDA(cudaMalloc(&x, sizeof in));
    CUDA(cudaMalloc(reinterpret_cast<void **>(&y), sizeof in));
    CHECK_INT(reinterpret_cast<uintptr_t>(x) % 256, 0);
    CUDA(cudaMemcpy(x, in, sizeof in, cudaMemcpyHostToDevice));
    CUDA(cudaMemcpy(y, x, sizeof in, cudaMemcpyDeviceToDevice));
    CUDA(cudaMemcpy(out, y + 1, 99 * sizeof(float), cudaMemcpyDefault));
    for (int i = 0; i < 99; i++) CHECK_NEAR(out[i], i + 1, 0);
    CUDA(cudaMemset(y + 10, 0, 20 * sizeof(float)));
    CUDA(cudaMemcpy(out, y, sizeof out, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 100; i++) CHECK_NEAR(out[i], i >= 10 && i < 30 ? 0 : i, 0);
#ifdef OCC_EMULATE /* where CUDA leaves it undefined, or finds it by other means */
    FAILS(cudaMemcpy(x + 1, in, sizeof in, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    FAILS(cudaMemcpy(out, x + 100, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    FAILS(cudaMemcpy(in, out, sizeof in, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    FAILS(cudaMemcpy(x, y, sizeof in, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    FAILS(cudaMemset(x, 0, sizeof in + 1), cudaErrorInvalidValue);
    FAILS(cudaFree(x + 4), cudaErrorInvalidValue);
    unsigned char *raw, seen[64];
    CUDA(cudaMalloc(&raw, 64));
    CUDA(cudaMemcpy(seen, raw, 64, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 64; i++) CHECK_INT(seen[i], 0xff);
    CUDA(cudaFree(raw));
#endif
    void *huge = NULL;
    FAILS(cudaMalloc(&huge, static_cast<size_t>(1) << 46), cudaErrorMemoryAllocation);
    CUDA(cudaFree(x));
    CUDA(cudaFree(y));
    CUDA(cudaFree(NULL));
}

/* A batch of work in a stream: in order, and done when the host has waited for it. */
static void test_streams(void)
{
    cudaStream_t a, b;
    cudaEvent_t begin, end, other;
    float *pinned, *x;
    CUDA(cudaStreamCreate(&a));
    CUDA(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    CUDA(cudaEventCreate(&begin));
    CUDA(cudaEventCreate(&end));
    CUDA(cudaEventCreateWithFlags(&other, cudaEventDisableTiming));
    CUDA(cudaMallocHost(&pinned, 100 * sizeof(float)));
    CUDA(cudaMalloc(&x, 100 * sizeof(float)));
    CUDA(cudaEventRecord(begin, a));
    CUDA(cudaMemsetAsync(x, 0, 100 * sizeof(float), a));
    OCC_LAUNCH(add, dim3(2), dim3(64), 0, a, x, 3.0f, 100);
    CUDA(cudaGetLastError());
    CUDA(cudaEventRecord(other, a));
    CUDA(cudaStreamWaitEvent(b, other, 0));
    OCC_LAUNCH(add, dim3(2), dim3(64), 0, b, x, 0.5f, 100);
    CUDA(cudaMemcpyAsync(pinned, x, 100 * sizeof(float), cudaMemcpyDeviceToHost, b));
    CUDA(cudaEventRecord(end, a));
    CUDA(cudaStreamSynchronize(b));
    for (int i = 0; i < 100; i++) CHECK_NEAR(pinned[i], 3.5, 0);
    CUDA(cudaEventSynchronize(end));
    float ms = -1;
    CUDA(cudaEventElapsedTime(&ms, begin, end));
    CHECK(ms >= 0);
    FAILS(cudaEventElapsedTime(&ms, begin, other), cudaErrorInvalidResourceHandle);
    while (cudaStreamQuery(a) == cudaErrorNotReady) {
    }
    CHECK_INT(cudaEventQuery(end), cudaSuccess);
    CUDA(cudaFreeHost(pinned));
    CUDA(cudaFree(x));
    CUDA(cudaEventDestroy(begin));
    CUDA(cudaEventDestroy(end));
    CUDA(cudaEventDestroy(other));
    CUDA(cudaStreamDestroy(a));
    CUDA(cudaStreamDestroy(b));
}

/* A graph over two streams, launched twice: nothing runs when it is captured. */
static void test_graph(void)
{
    cudaStream_t a, b;
    cudaEvent_t fork, join;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    cudaStreamCaptureStatus status;
    float x[100] = {0}, *d = to_device(x, 100);
    size_t nodes = 0;
    CUDA(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    CUDA(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    CUDA(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    CUDA(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    CUDA(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    CUDA(cudaStreamIsCapturing(a, &status));
    CHECK_INT(status, cudaStreamCaptureStatusActive);
    float step = 1.0f;
    OCC_LAUNCH(add, dim3(1), dim3(64), 0, a, d, step, 50);
    CUDA(cudaEventRecord(fork, a));
    CUDA(cudaStreamWaitEvent(b, fork, 0));
    OCC_LAUNCH(add, dim3(1), dim3(64), 0, b, d + 50, step * 2, 50);
    CUDA(cudaEventRecord(join, b));
    CUDA(cudaStreamWaitEvent(a, join, 0));
    OCC_LAUNCH(add, dim3(2), dim3(64), 0, a, d, step * 10, 100);
    step = 1000.0f; /* the arguments have been taken */
    CUDA(cudaGetLastError());
    CUDA(cudaStreamEndCapture(a, &graph));
    CUDA(cudaGraphGetNodes(graph, NULL, &nodes));
    CHECK_INT(nodes, 3);
    CUDA(cudaMemcpy(x, d, sizeof x, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 100; i++) CHECK_NEAR(x[i], 0, 0);
    CUDA(cudaGraphInstantiate(&exec, graph, 0));
    CUDA(cudaGraphDestroy(graph));
    CUDA(cudaGraphLaunch(exec, a));
    CUDA(cudaGraphLaunch(exec, a));
    CUDA(cudaStreamSynchronize(a));
    to_host(x, d, 100);
    for (int i = 0; i < 100; i++) CHECK_NEAR(x[i], i < 50 ? 22 : 24, 0);
    CUDA(cudaGraphExecDestroy(exec));
    CUDA(cudaEventDestroy(fork));
    CUDA(cudaEventDestroy(join));
    CUDA(cudaStreamDestroy(a));
    CUDA(cudaStreamDestroy(b));
}

/* What a capture forbids is refused, and ends in no graph. */
static void broken_capture(cudaError_t (*call)(cudaStream_t), cudaError_t expected, cudaError_t at_end)
{
    cudaStream_t a;
    cudaGraph_t graph;
    CUDA(cudaStreamCreate(&a));
    CUDA(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    CHECK_INT(call(a), expected);
    cudaGetLastError();
    CHECK_INT(cudaStreamEndCapture(a, &graph), at_end);
    CHECK(at_end == cudaSuccess ? graph != NULL : graph == NULL);
    cudaGetLastError();
    if (graph) CUDA(cudaGraphDestroy(graph));
    CUDA(cudaStreamDestroy(a));
}
static cudaError_t call_sync(cudaStream_t s)
{
    return cudaStreamSynchronize(s);
}
static cudaError_t call_device_sync(cudaStream_t)
{
    return cudaDeviceSynchronize();
}
static cudaError_t call_malloc(cudaStream_t)
{
    float *p;
    return cudaMalloc(&p, 64);
}
static cudaError_t call_default_stream(cudaStream_t)
{
    OCC_LAUNCH(add, dim3(1), dim3(64), 0, 0, static_cast<float *>(NULL), 0.0f, 0);
    return cudaGetLastError();
}
static cudaError_t call_good(cudaStream_t s)
{
    OCC_LAUNCH(add, dim3(1), dim3(64), 0, s, static_cast<float *>(NULL), 0.0f, 0);
    return cudaGetLastError();
}
static cudaError_t call_unjoined(cudaStream_t s)
{
    cudaStream_t b;
    cudaEvent_t fork;
    CUDA(cudaStreamCreate(&b));
    CUDA(cudaEventCreate(&fork));
    CUDA(cudaEventRecord(fork, s));
    CUDA(cudaStreamWaitEvent(b, fork, 0));
    CUDA(cudaEventDestroy(fork));
    return call_good(b); /* nobody destroys the stream: that is not allowed while it is captured */
}

int main(void)
{
    test_device();
    test_memory();
    test_streams();
    test_graph();
    broken_capture(call_good, cudaSuccess, cudaSuccess);
    broken_capture(call_sync, cudaErrorStreamCaptureUnsupported, cudaErrorStreamCaptureInvalidated);
    broken_capture(call_device_sync, cudaErrorStreamCaptureUnsupported, cudaErrorStreamCaptureInvalidated);
    broken_capture(call_malloc, cudaErrorStreamCaptureUnsupported, cudaErrorStreamCaptureInvalidated);
    broken_capture(call_default_stream, cudaErrorStreamCaptureImplicit, cudaErrorStreamCaptureInvalidated);
    broken_capture(call_unjoined, cudaSuccess, cudaErrorStreamCaptureUnjoined);
    return finish();
}
