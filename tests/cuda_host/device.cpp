/* device.cpp - the fake machine's cards, and what errors do to later calls. */
#include "runtime.h"
#include <cstdio>
#include <cstring>
#include <mutex>

struct device devices[CUDA_HOST_MAX_DEVICES];
int n_devices = -1; /* -1: nobody has asked yet */

static std::recursive_mutex lock;
static thread_local cudaError_t last_error;
static thread_local int current;
static unsigned calls, fail_in;
static cudaError_t fail_with;
__thread bool in_host_function;

static const struct cuda_host_device DEFAULT_DEVICE = {
    "CUDA on the host (sm_80)", 8, 0, 4, (size_t)4 << 30, 48 << 10, 163 << 10, 164 << 10,
};

int current_device(void) { return current; }

void cuda_host_set_devices(int count, const struct cuda_host_device *list)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    const struct cuda_host_device *d = &DEFAULT_DEVICE;
    n_devices = count < CUDA_HOST_MAX_DEVICES ? count : CUDA_HOST_MAX_DEVICES;
    for (int i = 0; i < n_devices; i++) {
        struct cuda_host_device s = list ? list[i] : *d;
        devices[i].name = s.name ? s.name : d->name;
        if (!s.major) s.major = d->major, s.minor = d->minor;
        if (!s.multiprocessors) s.multiprocessors = d->multiprocessors;
        if (!s.memory_bytes) s.memory_bytes = d->memory_bytes;
        if (!s.shared_default) s.shared_default = d->shared_default;
        if (!s.shared_optin) s.shared_optin = d->shared_optin;
        if (!s.shared_sm) s.shared_sm = d->shared_sm;
        devices[i].spec = s;
    }
    current = 0;
    cuda_host_reset();
}

bool is_sticky(cudaError_t e)
{
    return (e >= cudaErrorIllegalAddress && e <= cudaErrorLaunchFailure &&
            e != cudaErrorLaunchOutOfResources && e != cudaErrorHostMemoryAlreadyRegistered &&
            e != cudaErrorHostMemoryNotRegistered) ||
           e == cudaErrorECCUncorrectable;
}

void make_sticky(int device, cudaError_t e)
{
    if (devices[device].sticky == cudaSuccess) devices[device].sticky = e;
}

/* --- every call ------------------------------------------------------------------------------ */

api_call::api_call(const char *name_) : name(name_), error(cudaSuccess)
{
    lock.lock();
    if (n_devices < 0) cuda_host_set_devices(1, nullptr);
    calls++;
    if (in_host_function) error = cudaErrorNotPermitted;
    else if (n_devices == 0)
        error = cudaErrorNoDevice;
    else if (devices[current].sticky != cudaSuccess)
        error = devices[current].sticky;
    else if (fail_in > 0 && --fail_in == 0) {
        error = fail_with;
        if (is_sticky(error)) make_sticky(current, error);
    }
    if (error != cudaSuccess) last_error = error;
}

api_call::~api_call() { lock.unlock(); }

cudaError_t api_call::end(cudaError_t e)
{
    if (e == cudaSuccess && n_devices > 0) e = devices[current].sticky;
    if (e != cudaSuccess) last_error = e;
    return e;
}

void cuda_host_fail_call(unsigned n, cudaError_t e) { fail_in = n, fail_with = e; }
unsigned cuda_host_calls(void) { return calls; }
bool cuda_host_checks(void) { return check_on; }

bool cuda_host_reset(void)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    bool had = cuda_host_fault()[0] != 0;
    stream_reset();
    for (struct device &d : devices) d.sticky = cudaSuccess, d.peak = d.bytes;
    last_error = cudaSuccess;
    fail_in = calls = 0;
    launches = 0;
    memory_reset_failures();
    fault_clear();
    return had;
}

size_t cuda_host_bytes(void) { return devices[current].bytes; }
size_t cuda_host_peak_bytes(void) { return devices[current].peak; }

/* --- errors ---------------------------------------------------------------------------------- */

static cudaError_t standing_error(void)
{
    return n_devices > 0 ? devices[current].sticky : cudaSuccess;
}

cudaError_t cudaPeekAtLastError(void)
{
    return standing_error() != cudaSuccess ? standing_error() : last_error;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t e = cudaPeekAtLastError();
    last_error = cudaSuccess;
    return e;
}

const char *cudaGetErrorName(cudaError_t e)
{
#define NAME(name, number, words) case name: return #name;
    switch (e) { CUDA_HOST_ERRORS(NAME) }
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t e)
{
#define WORDS(name, number, words) case name: return words;
    switch (e) { CUDA_HOST_ERRORS(WORDS) }
    return "unrecognized error code";
}

/* --- devices --------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *count)
{
    struct api_call call("cudaGetDeviceCount");
    *count = n_devices;
    if (call.error == cudaErrorNoDevice || call.error == fail_with) return call.error;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    struct api_call call("cudaSetDevice");
    if (call.error == cudaErrorNoDevice) return call.error;
    if (device < 0 || device >= n_devices) return call.end(cudaErrorInvalidDevice);
    current = device;
    return call.end(cudaSuccess);
}

cudaError_t cudaGetDevice(int *device)
{
    struct api_call call("cudaGetDevice");
    if (call.error == cudaErrorNoDevice) return call.error;
    *device = current;
    return cudaSuccess;
}

cudaError_t cudaSetDeviceFlags(unsigned flags)
{
    struct api_call call("cudaSetDeviceFlags");
    return call.refused() ? call.error : call.end(flags > 0x1f ? cudaErrorInvalidValue
                                                               : cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device)
{
    struct api_call call("cudaGetDeviceProperties");
    if (call.refused()) return call.error;
    if (device < 0 || device >= n_devices) return call.end(cudaErrorInvalidDevice);
    const struct cuda_host_device *s = &devices[device].spec;
    struct cudaDeviceProp p = {};
    snprintf(p.name, sizeof p.name, "%s", devices[device].name.c_str());
    p.uuid.bytes[0] = (char)(device + 1);
    p.totalGlobalMem = s->memory_bytes;
    p.sharedMemPerBlock = s->shared_default;
    p.sharedMemPerBlockOptin = s->shared_optin;
    p.sharedMemPerMultiprocessor = s->shared_sm;
    p.reservedSharedMemPerBlock = 1024;
    p.totalConstMem = 64 << 10;
    p.regsPerBlock = p.regsPerMultiprocessor = 64 << 10;
    p.warpSize = 32, p.maxThreadsPerBlock = 1024;
    p.maxThreadsPerMultiProcessor = s->major == 7 ? 1024 : 2048;
    p.maxBlocksPerMultiProcessor = 16;
    p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024, p.maxThreadsDim[2] = 64;
    p.maxGridSize[0] = 0x7fffffff, p.maxGridSize[1] = p.maxGridSize[2] = 65535;
    p.major = s->major, p.minor = s->minor;
    p.multiProcessorCount = s->multiprocessors;
    p.memoryBusWidth = 256, p.l2CacheSize = 4 << 20;
    p.concurrentKernels = p.unifiedAddressing = p.memoryPoolsSupported = p.canMapHostMemory = 1;
    p.asyncEngineCount = 2, p.pciBusID = device + 1;
    *prop = p;
    return cudaSuccess;
}

static int attribute(enum cudaDeviceAttr attr, const struct cudaDeviceProp *p)
{
    switch (attr) {
    case cudaDevAttrMaxThreadsPerBlock: return p->maxThreadsPerBlock;
    case cudaDevAttrMaxSharedMemoryPerBlock: return (int)p->sharedMemPerBlock;
    case cudaDevAttrWarpSize: return p->warpSize;
    case cudaDevAttrMaxRegistersPerBlock: return p->regsPerBlock;
    case cudaDevAttrClockRate: return 1000 * 1000;
    case cudaDevAttrMultiProcessorCount: return p->multiProcessorCount;
    case cudaDevAttrIntegrated: return 0;
    case cudaDevAttrPciBusId: return p->pciBusID;
    case cudaDevAttrPciDeviceId: return p->pciDeviceID;
    case cudaDevAttrMemoryClockRate: return 1000 * 1000;
    case cudaDevAttrGlobalMemoryBusWidth: return p->memoryBusWidth;
    case cudaDevAttrL2CacheSize: return p->l2CacheSize;
    case cudaDevAttrMaxThreadsPerMultiProcessor: return p->maxThreadsPerMultiProcessor;
    case cudaDevAttrAsyncEngineCount: return p->asyncEngineCount;
    case cudaDevAttrComputeCapabilityMajor: return p->major;
    case cudaDevAttrComputeCapabilityMinor: return p->minor;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return (int)p->sharedMemPerMultiprocessor;
    case cudaDevAttrMaxRegistersPerMultiprocessor: return p->regsPerMultiprocessor;
    case cudaDevAttrCooperativeLaunch: return 0;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: return (int)p->sharedMemPerBlockOptin;
    case cudaDevAttrMaxBlocksPerMultiprocessor: return p->maxBlocksPerMultiProcessor;
    case cudaDevAttrReservedSharedMemoryPerBlock: return (int)p->reservedSharedMemPerBlock;
    case cudaDevAttrMemoryPoolsSupported: return p->memoryPoolsSupported;
    }
    return -1;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device)
{
    struct cudaDeviceProp p;
    cudaError_t e = cudaGetDeviceProperties(&p, device);
    if (e != cudaSuccess) return e;
    struct api_call call("cudaDeviceGetAttribute");
    if (call.refused()) return call.error;
    int v = attribute(attr, &p);
    if (v < 0) return call.end(cudaErrorInvalidValue);
    *value = v;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device)
{
    struct api_call call("cudaDeviceGetPCIBusId");
    if (call.refused()) return call.error;
    if (device < 0 || device >= n_devices) return call.end(cudaErrorInvalidDevice);
    int n = snprintf(text, (size_t)size, "0000:%02x:00.0", device + 1);
    return call.end(n < size ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer)
{
    struct api_call call("cudaDeviceCanAccessPeer");
    if (call.refused()) return call.error;
    (void)device, (void)peer;
    *can = 0;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    struct api_call call("cudaDriverGetVersion");
    *version = n_devices > 0 ? CUDART_VERSION : 0;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}
