/* test_runtime.cu - the runtime API: devices, memory, copies, streams, events, graphs, errors.
 *
 * What is asked of a card too compiles with nvcc; what only the host runtime can do (fake devices,
 * planned failures, faults by name) is behind SYN_CUDA_HOST. */
#include "tests/cuda_host/cuda_t.h"
#include <string.h>

static __global__ void add_kernel(float *x, float by) { x[threadIdx.x] += by; }
static __global__ void scale_kernel(float *y, const float *x, float by)
{
    y[threadIdx.x] = x[threadIdx.x] * by;
}
static __global__ void shared_kernel(float *y, int n)
{
    SYN_SHARED(float, s);
    for (int i = (int)threadIdx.x; i < n; i += 32) s[i] = (float)i;
    __syncthreads();
    if (threadIdx.x == 0) *y = s[n - 1];
}

/* --- copies ---------------------------------------------------------------------------------- */

static void test_copies(void)
{
    float x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, y[12];
    float *d = put(x, 12), *e = device_zeros<float>(12), *h = nullptr;
    MUST(cudaMallocHost(&h, sizeof x));
    MUST(cudaMemcpy(e, d, sizeof x, cudaMemcpyDeviceToDevice));
    MUST(cudaMemcpy(h, e, sizeof x, cudaMemcpyDefault));
    T_CHECK(memcmp(h, x, sizeof x) == 0, "through pinned memory");
    MUST(cudaMemset(e, 0, sizeof x));
    /* Columns 1 and 2 of a 3 by 4 matrix to columns 0 and 1. */
    MUST(cudaMemcpy2D(e, 16, d + 1, 16, 8, 3, cudaMemcpyDeviceToDevice));
    get(y, e, 12);
    const float want[12] = {1, 2, 0, 0, 5, 6, 0, 0, 9, 10, 0, 0};
    T_CHECK(memcmp(y, want, sizeof y) == 0, "2D");
    MUST(cudaFree(d)), MUST(cudaFree(e)), MUST(cudaFreeHost(h));
    MUST(cudaFree(nullptr)), MUST(cudaFreeHost(nullptr));
}

/* --- streams and events ---------------------------------------------------------------------- */

/* Three streams in a chain of events, buffers used again: right whatever the order between them. */
static void test_chain(void)
{
    float x[32], y[32];
    int good = 0;
    cudaStream_t s[3];
    cudaEvent_t e[3];
    float *d[3];
    for (int i = 0; i < 32; i++) x[i] = (float)i;
    for (int i = 0; i < 3; i++) {
        MUST(cudaStreamCreateWithFlags(&s[i], cudaStreamNonBlocking));
        MUST(cudaEventCreateWithFlags(&e[i], cudaEventDisableTiming));
        d[i] = device_zeros<float>(32);
    }
    MUST(cudaDeviceSynchronize());
    for (int run = 0; run < 4; run++) {
        MUST(cudaStreamWaitEvent(s[0], e[2])); /* the reader of the run before has done */
        MUST(cudaMemcpyAsync(d[0], x, sizeof x, cudaMemcpyHostToDevice, s[0]));
        MUST(cudaEventRecord(e[0], s[0]));
        MUST(cudaStreamWaitEvent(s[1], e[0]));
        SYN_LAUNCH(scale_kernel, 1, 32, 0, s[1], d[1], d[0], 2.0f);
        SYN_LAUNCH(add_kernel, 1, 32, 0, s[1], d[1], (float)run);
        MUST(cudaEventRecord(e[1], s[1]));
        MUST(cudaStreamWaitEvent(s[2], e[1]));
        MUST(cudaMemcpyAsync(y, d[1], sizeof y, cudaMemcpyDeviceToHost, s[2]));
        MUST(cudaEventRecord(e[2], s[2]));
        MUST(cudaStreamSynchronize(s[2]));
        for (int i = 0; i < 32; i++) good += y[i] == 2.0f * i + run;
    }
    T_CHECK(good == 128, "%d of 128", good);
    for (int i = 0; i < 3; i++) {
        MUST(cudaStreamDestroy(s[i])), MUST(cudaEventDestroy(e[i])), MUST(cudaFree(d[i]));
    }
}

static void test_events(void)
{
    cudaEvent_t a, b, c;
    float ms = -1;
    float *d = device_zeros<float>(32);
    MUST(cudaEventCreate(&a)), MUST(cudaEventCreate(&b));
    MUST(cudaEventCreateWithFlags(&c, cudaEventDisableTiming));
    T_CHECK(cudaEventQuery(a) == cudaSuccess, "never recorded");
    T_CHECK(cudaEventElapsedTime(&ms, a, b) == cudaErrorInvalidResourceHandle, "not recorded");
    MUST(cudaEventRecord(a, 0));
    SYN_LAUNCH(add_kernel, 1, 32, 0, 0, d, 1.0f);
    MUST(cudaEventRecord(b, 0));
    for (int i = 0; i < 1000000 && cudaEventQuery(b) == cudaErrorNotReady; i++) {}
    (void)cudaGetLastError();
    MUST(cudaEventSynchronize(b));
    MUST(cudaEventElapsedTime(&ms, a, b));
    T_CHECK(ms >= 0 && ms < 10000, "%g ms", (double)ms);
    MUST(cudaEventRecord(c, 0)), MUST(cudaEventSynchronize(c));
    T_CHECK(cudaEventElapsedTime(&ms, a, c) == cudaErrorInvalidResourceHandle, "without timing");
    T_CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle, "last error");
    T_CHECK(cudaGetLastError() == cudaSuccess, "told twice");
    MUST(cudaEventDestroy(a)), MUST(cudaEventDestroy(b)), MUST(cudaEventDestroy(c));
    MUST(cudaFree(d));
}

/* --- graphs ---------------------------------------------------------------------------------- */

/* A fork and a join by events, captured; by is an argument of the last kernel. */
static cudaGraph_t capture(cudaStream_t s, cudaStream_t t, float *d[3], float by)
{
    cudaEvent_t fork, join;
    cudaGraph_t graph = nullptr;
    MUST(cudaEventCreate(&fork)), MUST(cudaEventCreate(&join));
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    SYN_LAUNCH(add_kernel, 1, 32, 0, s, d[0], 1.0f);
    MUST(cudaEventRecord(fork, s)), MUST(cudaStreamWaitEvent(t, fork));
    SYN_LAUNCH(scale_kernel, 1, 32, 0, s, d[1], d[0], 10.0f);
    SYN_LAUNCH(scale_kernel, 1, 32, 0, t, d[2], d[0], 100.0f);
    MUST(cudaEventRecord(join, t)), MUST(cudaStreamWaitEvent(s, join));
    SYN_LAUNCH(scale_kernel, 1, 32, 0, s, d[0], d[0], by);
    MUST(cudaStreamEndCapture(s, &graph));
    MUST(cudaEventDestroy(fork)), MUST(cudaEventDestroy(join));
    return graph;
}

static void expect(float *d[3], float a, float b, float c)
{
    float x[3];
    for (int i = 0; i < 3; i++) get(&x[i], d[i], 1);
    T_CHECK(x[0] == a && x[1] == b && x[2] == c, "%g %g %g, not %g %g %g", (double)x[0],
            (double)x[1], (double)x[2], (double)a, (double)b, (double)c);
}

static void test_graphs(void)
{
    cudaStream_t s, t;
    cudaGraphExec_t exec;
    cudaGraphExecUpdateResultInfo info;
    size_t n = 0;
    float *d[3];
    for (int i = 0; i < 3; i++) d[i] = device_zeros<float>(32);
    MUST(cudaStreamCreate(&s)), MUST(cudaStreamCreate(&t));
    cudaGraph_t g = capture(s, t, d, 1.0f), h = capture(s, t, d, 2.0f);
    expect(d, 0, 0, 0); /* captured, not run */
    MUST(cudaGraphGetNodes(g, nullptr, &n));
    T_CHECK(n == 4, "%zu nodes", n);
    MUST(cudaGraphInstantiate(&exec, g, 0));
    MUST(cudaGraphLaunch(exec, s)), MUST(cudaGraphLaunch(exec, s));
    MUST(cudaStreamSynchronize(s));
    expect(d, 2, 20, 200);
    MUST(cudaGraphLaunch(exec, s));
    MUST(cudaGraphExecUpdate(exec, h, &info));
    MUST(cudaGraphLaunch(exec, s)), MUST(cudaStreamSynchronize(s));
    expect(d, 8, 40, 400); /* the queued launch kept its own arguments */
    MUST(cudaGraphDestroy(g)), MUST(cudaGraphDestroy(h));
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    SYN_LAUNCH(add_kernel, 1, 32, 0, s, d[0], 1.0f);
    MUST(cudaStreamEndCapture(s, &g));
    T_CHECK(cudaGraphExecUpdate(exec, g, &info) == cudaErrorGraphExecUpdateFailure, "other nodes");
    (void)cudaGetLastError();
    MUST(cudaGraphDestroy(g)), MUST(cudaGraphExecDestroy(exec));
    MUST(cudaStreamDestroy(s)), MUST(cudaStreamDestroy(t));
    for (int i = 0; i < 3; i++) MUST(cudaFree(d[i]));
}

static void test_capture_errors(void)
{
    cudaStream_t s, t;
    cudaEvent_t e;
    cudaGraph_t g;
    MUST(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    MUST(cudaStreamCreateWithFlags(&t, cudaStreamNonBlocking));
    MUST(cudaEventCreate(&e));
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    T_CHECK(cudaStreamSynchronize(s) == cudaErrorStreamCaptureUnsupported, "waits");
    T_CHECK(cudaStreamEndCapture(s, &g) == cudaErrorStreamCaptureInvalidated && !g, "and ends");
    float *d = device_zeros<float>(32);
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    MUST(cudaEventRecord(e, s)), MUST(cudaStreamWaitEvent(t, e));
    SYN_LAUNCH(add_kernel, 1, 32, 0, t, d, 1.0f);
    T_CHECK(cudaStreamEndCapture(s, &g) == cudaErrorStreamCaptureUnjoined, "not joined");
    (void)cudaGetLastError();
    MUST(cudaFree(d));
    MUST(cudaStreamDestroy(s)), MUST(cudaStreamDestroy(t)), MUST(cudaEventDestroy(e));
}

/* --- launches -------------------------------------------------------------------------------- */

static void refuse(dim3 grid, dim3 block, size_t smem, const char *what)
{
    SYN_LAUNCH(shared_kernel, grid, block, smem, 0, (float *)nullptr, 1);
    struct syn_err err = {""};
    syn_status st = syn_cuda_status(&err, cudaGetLastError(), "shared_kernel");
    T_CHECK(st == SYN_INTERNAL && strstr(err.text, "invalid"), "%s: %s", what, err.text);
    T_CHECK(cudaGetLastError() == cudaSuccess, "%s: told twice", what);
}

static void test_launch_limits(void)
{
    refuse(dim3(1), dim3(1025), 0, "1025 threads");
    refuse(dim3(1), dim3(32, 33), 0, "32 by 33 threads");
    refuse(dim3(1), dim3(1, 1, 65), 0, "65 deep");
    refuse(dim3(0), dim3(1), 0, "no block");
    refuse(dim3(1, 65536), dim3(1), 0, "65536 rows of blocks");
    refuse(dim3(1), dim3(32), 49153, "shared memory not asked for");
    float y = 0;
    float *d = device_zeros<float>(1);
    struct syn_err err = {""};
    T_CHECK(syn_cuda_allow_shared(&err, shared_kernel, 60000) == SYN_OK, "%s", err.text);
    T_CHECK(syn_cuda_allow_shared(&err, shared_kernel, 1 << 20) == SYN_INTERNAL, "a MiB");
    T_CHECK(cudaGetLastError() == cudaSuccess, "told twice");
    SYN_LAUNCH(shared_kernel, 1, 32, 60000, 0, d, 15000);
    get(&y, d, 1);
    T_CHECK(y == 14999, "%g", (double)y);
    int blocks = 0;
    MUST(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, shared_kernel, 32, 60000));
    T_CHECK(blocks >= 1, "%d blocks", blocks);
    MUST(cudaFree(d));
}

/* By the address, as a C host would. */
static void test_launch_by_address(void)
{
    float x[32] = {0};
    float *d = put(x, 32);
    float by = 3;
    void *args[] = {&d, &by};
    MUST(cudaLaunchKernel((const void *)add_kernel, dim3(1), dim3(32), args, 0, 0));
    get(x, d, 32);
    T_CHECK(x[31] == 3, "%g", (double)x[31]);
    MUST(cudaFree(d));
}

#ifdef SYN_CUDA_HOST
/* --- only here ------------------------------------------------------------------------------- */

static void test_devices(void)
{
    const struct cuda_host_device list[2] = {{"Old one", 7, 5, 40, 1 << 20, 0, 64 << 10, 64 << 10},
                                             {"New one", 9, 0, 132, 0, 0, 227 << 10, 228 << 10}};
    struct cudaDeviceProp p;
    size_t free_bytes, total;
    int n = 7, v = 0;
    void *d, *e;
    cuda_host_set_devices(0, nullptr);
    T_CHECK(cudaGetDeviceCount(&n) == cudaErrorNoDevice && n == 0, "%d devices", n);
    T_CHECK(cudaMalloc(&d, 1) == cudaErrorNoDevice, "no device");
    T_CHECK(syn_cuda_status(nullptr, cudaErrorNoDevice, "") == SYN_UNSUPPORTED, "status");
    cuda_host_set_devices(2, list);
    MUST(cudaGetDeviceCount(&n));
    MUST(cudaGetDeviceProperties(&p, 1));
    T_CHECK(n == 2 && p.major == 9 && !strcmp(p.name, "New one"), "%s", p.name);
    MUST(cudaDeviceGetAttribute(&v, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    T_CHECK(v == 64 << 10, "%d", v);
    T_CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice, "device 2");
    MUST(cudaMalloc(&d, 1000 << 10));
    T_CHECK(cudaMalloc(&e, 100 << 10) == cudaErrorMemoryAllocation, "the first is full");
    MUST(cudaMemGetInfo(&free_bytes, &total));
    T_CHECK(total == 1 << 20 && free_bytes == 24 << 10, "%zu free", free_bytes);
    MUST(cudaSetDevice(1)), MUST(cudaMalloc(&e, 100 << 10));
    T_CHECK(cuda_host_bytes() == 100 << 10, "%zu", cuda_host_bytes());
    MUST(cudaFree(e)), MUST(cudaFree(d)), MUST(cudaSetDevice(0));
    T_CHECK(cuda_host_peak_bytes() == 1000 << 10, "%zu", cuda_host_peak_bytes());
    check_clean();
    cuda_host_set_devices(1, nullptr);
}

static void test_failures(void)
{
    float *d = nullptr, *h = nullptr;
    cuda_host_fail_alloc(2);
    MUST(cudaMalloc(&d, 256));
    T_CHECK(cudaMallocHost(&h, 256) == cudaErrorMemoryAllocation && !h, "the second");
    MUST(cudaMallocHost(&h, 256));
    T_CHECK(cudaGetLastError() == cudaErrorMemoryAllocation, "last error");
    T_CHECK(cuda_host_allocs() == 3, "%u", cuda_host_allocs());
    cuda_host_fail_call(1, cudaErrorUnknown);
    T_CHECK(cudaMemset(d, 0, 4) == cudaErrorUnknown, "planned");
    MUST(cudaMemset(d, 0, 4));
    cuda_host_fail_call(2, cudaErrorECCUncorrectable);
    MUST(cudaDeviceSynchronize());
    T_CHECK(cudaDeviceSynchronize() == cudaErrorECCUncorrectable, "planned, sticky");
    T_CHECK(cudaFree(d) == cudaErrorECCUncorrectable, "stays");
    T_CHECK(syn_cuda_status(nullptr, cudaGetLastError(), "") == SYN_DEVICE, "status");
    cuda_host_reset();
    MUST(cudaFree(d)), MUST(cudaFreeHost(h));
    check_clean();
}

/* What must be reported of the host's own use. */
static void said(const char *name, const char *words)
{
    T_CHECK(strstr(cuda_host_fault(), words), "%s: %s", name, cuda_host_fault());
    cuda_host_reset();
}

static void test_misuse(void)
{
    char host[512] = {0}, left[200];
    char *d = nullptr;
    cudaStream_t s;
    MUST(cudaMalloc(&d, 256));
    T_CHECK(cudaFree(d + 16) == cudaErrorInvalidValue, "inside");
    said("inside", "which no allocation returned");
    T_CHECK(cudaMemcpy(d, host, 257, cudaMemcpyHostToDevice) == cudaErrorInvalidValue, "257");
    said("copy", "copy out of bounds");
    T_CHECK(cudaMemcpy(host, d, 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue, "kind");
    said("kind", "copy of kind 1 from device memory to host memory");
    T_CHECK(cudaMemset(d + 255, 0, 2) == cudaErrorInvalidValue, "fill");
    said("fill", "fill out of bounds");
    T_CHECK(cudaMemset(host, 0, 2) == cudaErrorInvalidValue, "fill");
    said("fill", "not device memory");
    volatile char *touched = d;
    host[0] = touched[3];
    said("touch", "host code touched device memory");
    MUST(cudaFree(d));
    T_CHECK(cudaFree(d) == cudaErrorInvalidValue, "twice");
    said("twice", "cudaFree twice");
    MUST(cudaStreamCreate(&s)), MUST(cudaStreamDestroy(s));
    T_CHECK(cudaStreamDestroy(s) == cudaErrorInvalidResourceHandle, "stream");
    said("stream", "no living stream");
    MUST(cudaMalloc(&d, 100));
    T_CHECK(cuda_host_leaks(left, sizeof left) == 1 && strstr(left, "100 bytes"), "%s", left);
    MUST(cudaMallocHost(&d, 10));
    d[11] = 1; /* in the slack, so found later */
    MUST(cudaFreeHost(d));
    said("pinned", "1 bytes past the end of pinned buffer");
    cuda_host_free_all();
    check_clean();
}

static void in_callback(void *user) { *(cudaError_t *)user = cudaDeviceSynchronize(); }

static void test_host_functions(void)
{
    cudaError_t e = cudaSuccess;
    MUST(cudaLaunchHostFunc(0, in_callback, &e));
    MUST(cudaDeviceSynchronize());
    T_CHECK(e == cudaErrorNotPermitted, "%s", cudaGetErrorName(e));
    (void)cudaGetLastError();
}
#endif

int main(void)
{
    test_copies();
    test_chain();
    test_events();
    test_graphs();
    test_capture_errors();
    test_launch_limits();
    test_launch_by_address();
    check_clean();
#ifdef SYN_CUDA_HOST
    test_devices();
    test_failures();
    test_misuse();
    test_host_functions();
    cuda_host_reset();
#endif
    return t_report();
}
