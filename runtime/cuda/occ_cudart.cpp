/* occ_cudart.cpp - errors, the device, its memory, copies, launches. */
#include "occ_stream.h"

#include <iterator>
#include <map>

static cudaError_t last_error;

cudaError_t occ_error(cudaError_t e)
{
    if (e) last_error = e;
    return e;
}

cudaError_t cudaGetLastError(void)
{
    const cudaError_t e = last_error;
    last_error = cudaSuccess;
    return e;
}

cudaError_t cudaPeekAtLastError(void)
{
    return last_error;
}

static const struct {
    cudaError_t error;
    const char *name, *text;
} ERRORS[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge", "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "capture was not ended in the same stream as it began"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation", "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit", "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent", "operation not permitted on an event last recorded in a capturing stream"},
};

const char *cudaGetErrorString(cudaError_t error)
{
    for (const auto &e : ERRORS)
        if (e.error == error) return e.text;
    return "unrecognized error code";
}

const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &e : ERRORS)
        if (e.error == error) return e.name;
    return "unrecognized error code";
}

/* -- the device ------------------------------------------------------------------------------------------------------------------------------------ */

static cudaDeviceProp properties(void)
{
    cudaDeviceProp p = {};
    strcpy(p.name, "onnxcc emulation");
    p.totalGlobalMem = size_t(16) << 30;
    p.sharedMemPerBlock = OCC_STATIC_SHARED;
    p.sharedMemPerBlockOptin = OCC_MAX_SHARED;
    p.sharedMemPerMultiprocessor = 100 << 10;
    p.regsPerBlock = p.regsPerMultiprocessor = 65536;
    p.warpSize = OCC_WARP;
    p.maxThreadsPerBlock = p.maxThreadsDim[0] = p.maxThreadsDim[1] = OCC_MAX_THREADS;
    p.maxThreadsDim[2] = 64;
    p.maxGridSize[0] = 0x7fffffff;
    p.maxGridSize[1] = p.maxGridSize[2] = 65535;
    p.totalConstMem = 65536;
    p.major = 8; /* the members of this family have 99 KiB of shared memory */
    p.minor = 6;
    p.multiProcessorCount = 4;
    p.l2CacheSize = 4 << 20;
    p.maxThreadsPerMultiProcessor = 1536;
    p.concurrentKernels = p.asyncEngineCount = p.unifiedAddressing = 1;
    return p;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    if (!count) return occ_error(cudaErrorInvalidValue);
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    if (!device) return occ_error(cudaErrorInvalidValue);
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return occ_error(device ? cudaErrorInvalidDevice : cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int device)
{
    if (!prop || device) return occ_error(prop ? cudaErrorInvalidDevice : cudaErrorInvalidValue);
    *prop = properties();
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device)
{
    if (!value || device) return occ_error(value ? cudaErrorInvalidDevice : cudaErrorInvalidValue);
    const cudaDeviceProp p = properties();
    switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = static_cast<int>(p.sharedMemPerBlock); break;
    case cudaDevAttrWarpSize: *value = p.warpSize; break;
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(p.sharedMemPerBlockOptin); break;
    default: return occ_error(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void)
{
    const cudaError_t e = occ_outside_capture(false);
    if (e) return occ_error(e);
    occ_finish_all();
    return cudaSuccess;
}

cudaError_t cudaDeviceReset(void)
{
    return cudaDeviceSynchronize();
}

/* -- memory ----------------------------------------------------------------------------------------------------------------------------------------- */

cudaError_t occ_malloc(void **p, size_t bytes)
{
    const cudaError_t e = occ_outside_capture(true);
    if (e || !p) return occ_error(e ? e : cudaErrorInvalidValue);
    *p = bytes ? occ_device_new(bytes) : nullptr;
    return occ_error(bytes && !*p ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFree(void *p)
{
    const cudaError_t e = occ_outside_capture(true);
    if (e) return occ_error(e);
    occ_finish_all();
    if (p && !occ_device_delete(p)) {
        occ_note("cudaFree", "%p is not the address of an allocation", p);
        return occ_error(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    if (!free_bytes || !total_bytes) return occ_error(cudaErrorInvalidValue);
    *total_bytes = properties().totalGlobalMem;
    *free_bytes = *total_bytes - occ_device_used();
    return cudaSuccess;
}

static std::map<const unsigned char *, size_t> &pinned(void)
{
    static std::map<const unsigned char *, size_t> *all = new std::map<const unsigned char *, size_t>;
    return *all;
}

bool occ_is_pinned(const void *p)
{
    const unsigned char *c = static_cast<const unsigned char *>(p);
    const auto after = pinned().upper_bound(c);
    return after != pinned().begin() && c < std::prev(after)->first + std::prev(after)->second;
}

cudaError_t occ_malloc_host(void **p, size_t bytes)
{
    const cudaError_t e = occ_outside_capture(true);
    if (e || !p) return occ_error(e ? e : cudaErrorInvalidValue);
    *p = aligned_alloc(256, (bytes + 255) / 256 * 256 + (bytes ? 0 : 256));
    if (*p) {
        memset(*p, OCC_POISON, bytes);
        pinned()[static_cast<unsigned char *>(*p)] = bytes;
    }
    return occ_error(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *p)
{
    occ_finish_all();
    if (p && !pinned().erase(static_cast<unsigned char *>(p))) {
        occ_note("cudaFreeHost", "%p is not the address of an allocation", p);
        return occ_error(cudaErrorInvalidValue);
    }
    free(p);
    return cudaSuccess;
}

/* Whether the bytes at p may be a copy's or memset's operand, on the device or on the host as `device` says. */
static bool operand(const char *function, const char *what, const void *p, size_t bytes, bool device)
{
    if (device ? occ_in_device(p, bytes) : p && !occ_in_space(occ_device_space, p)) return true;
    occ_allocation a;
    if (device && occ_in_space(occ_device_space, p) && occ_allocation_of(p, &a))
        occ_note(function, "%s: %zu bytes at byte %td of an allocation of %zu", what, bytes, static_cast<const unsigned char *>(p) - a.at, a.bytes);
    else
        occ_note(function, "%s: %p is not %s memory", what, p, device ? "device" : "host");
    return false;
}

static cudaError_t copy(const char *function, void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
    if (bytes == 0) return cudaSuccess;
    const bool any = kind == cudaMemcpyDefault;
    const bool to_device = any ? occ_in_space(occ_device_space, dst) : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = any ? occ_in_space(occ_device_space, src) : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!operand(function, "destination", dst, bytes, to_device) || !operand(function, "source", src, bytes, from_device)) return cudaErrorInvalidValue;
    return occ_submit(stream, [=] {
        if ((to_device && !occ_in_device(dst, bytes)) || (from_device && !occ_in_device(src, bytes)))
            occ_fail(nullptr, 0, "freed", "%s of %zu bytes: its device memory has been freed since", function, bytes);
        memmove(dst, src, bytes);
    });
}

static cudaError_t set(const char *function, void *p, int value, size_t bytes, cudaStream_t stream)
{
    if (bytes == 0) return cudaSuccess;
    if (!operand(function, "destination", p, bytes, true)) return cudaErrorInvalidValue;
    return occ_submit(stream, [=] {
        if (!occ_in_device(p, bytes)) occ_fail(nullptr, 0, "freed", "%s of %zu bytes: its device memory has been freed since", function, bytes);
        memset(p, value, bytes);
    });
}

/* Copies that are waited for go through the default stream. */
static cudaError_t finish_default(cudaError_t e)
{
    if (!e) occ_finish(occ_stream_of(nullptr), occ_stream_of(nullptr)->submitted);
    return occ_error(e);
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind)
{
    return finish_default(copy("cudaMemcpy", dst, src, bytes, kind, nullptr));
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    return occ_error(copy("cudaMemcpyAsync", dst, src, bytes, kind, stream));
}

cudaError_t cudaMemset(void *p, int value, size_t bytes)
{
    return finish_default(set("cudaMemset", p, value, bytes, nullptr));
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
    return occ_error(set("cudaMemsetAsync", p, value, bytes, stream));
}

/* -- launches ---------------------------------------------------------------------------------------------------------------------------------------- */

/* Dynamic shared memory that kernels were allowed beyond the usual. */
static std::map<const void *, int> &allowed_shared(void)
{
    static std::map<const void *, int> *all = new std::map<const void *, int>;
    return *all;
}

cudaError_t occ_function_attribute(const void *function, cudaFuncAttribute attribute, int value)
{
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
    if (!function || attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || value > OCC_MAX_SHARED)
        return occ_error(cudaErrorInvalidValue);
    allowed_shared()[function] = value;
    return cudaSuccess;
}

size_t occ_allowed_shared(const void *function)
{
    const auto it = allowed_shared().find(function);
    return it == allowed_shared().end() ? 0 : static_cast<size_t>(it->second);
}

static cudaError_t check_shape(const occ_launch_shape &s)
{
    const uint64_t threads = static_cast<uint64_t>(s.block.x) * s.block.y * s.block.z;
    if (threads == 0 || threads > OCC_MAX_THREADS || s.block.x > OCC_MAX_THREADS || s.block.y > OCC_MAX_THREADS || s.block.z > 64)
        return cudaErrorInvalidConfiguration;
    if (!s.grid.x || !s.grid.y || !s.grid.z || s.grid.x > 0x7fffffffu || s.grid.y > 65535 || s.grid.z > 65535) return cudaErrorInvalidConfiguration;
    if (threads > s.max_threads) {
        occ_note(s.kernel, "launched with %llu threads a block, compiled for at most %u", static_cast<unsigned long long>(threads), s.max_threads);
        return cudaErrorInvalidValue;
    }
    return s.shared_bytes > occ_allowed_shared(s.function) && s.shared_bytes > OCC_STATIC_SHARED ? cudaErrorInvalidValue : cudaSuccess;
}

void occ_launch(const occ_launch_shape &shape, std::function<void()> body)
{
    cudaError_t e = check_shape(shape);
    if (!e) e = occ_submit(shape.stream, [shape, body = std::move(body)] { occ_run(shape, body); });
    occ_error(e);
}
