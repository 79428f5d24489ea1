/* test_numbers.cu - faults that no build reports but every build shows: in the numbers.
 *
 * Each case runs twice, in the two orders that the runtime takes in turn. With the fault at least
 * one run gives wrong numbers; without it both are right, so that the case tests the order and
 * nothing else. In a checked build a report counts as well. */
#include "tests/cuda_host/cuda_t.h"
#include "kernels/cuda/ptx.cuh"
#include <cuda_fp16.h>
#include <math.h>

#ifndef SYN_CUDA_HOST
int main(void) { T_CHECK(true, "a card may hide all of these"); return t_report(); }
#else

enum { N = 64 };
static float *d_x, *d_y, *h_pinned;
static cudaStream_t s, t;
static cudaEvent_t e;

/* --- between streams, and with the host ------------------------------------------------------ */

static __global__ void add_kernel(float *y, const float *x, float by)
{
    y[threadIdx.x] = x[threadIdx.x] + by;
}

static bool is_all(const float *y, float want)
{
    int good = 0;
    for (int i = 0; i < N; i++) good += y[i] == want;
    return good == N;
}

static bool event_wait(bool faulty)
{
    float y[N];
    SYN_LAUNCH(add_kernel, 1, N, 0, s, d_x, d_x, 1.0f);
    MUST(cudaEventRecord(e, s));
    if (!faulty) MUST(cudaStreamWaitEvent(t, e));
    SYN_LAUNCH(add_kernel, 1, N, 0, t, d_y, d_x, 1.0f);
    MUST(cudaStreamSynchronize(t)), MUST(cudaDeviceSynchronize());
    get(y, d_y, N);
    return is_all(y, 2);
}

/* The writer of the next round does not wait for this round's reader. */
static bool event_wait_of_writer(bool faulty)
{
    float y[N];
    SYN_LAUNCH(add_kernel, 1, N, 0, t, d_y, d_x, 1.0f);
    MUST(cudaEventRecord(e, t));
    if (!faulty) MUST(cudaStreamWaitEvent(s, e));
    SYN_LAUNCH(add_kernel, 1, N, 0, s, d_x, d_x, 5.0f);
    MUST(cudaStreamSynchronize(s)), MUST(cudaDeviceSynchronize());
    get(y, d_y, N);
    return is_all(y, 1);
}

static bool event_recorded_too_early(bool faulty)
{
    float y[N];
    if (faulty) MUST(cudaEventRecord(e, s));
    SYN_LAUNCH(add_kernel, 1, N, 0, s, d_x, d_x, 1.0f);
    if (!faulty) MUST(cudaEventRecord(e, s));
    MUST(cudaStreamWaitEvent(t, e));
    SYN_LAUNCH(add_kernel, 1, N, 0, t, d_y, d_x, 1.0f);
    MUST(cudaStreamSynchronize(t)), MUST(cudaDeviceSynchronize());
    get(y, d_y, N);
    return is_all(y, 2);
}

static bool pinned_reused(bool faulty)
{
    float y[N];
    for (int i = 0; i < N; i++) h_pinned[i] = 3;
    MUST(cudaMemcpyAsync(d_x, h_pinned, sizeof y, cudaMemcpyHostToDevice, s));
    if (!faulty) MUST(cudaStreamSynchronize(s));
    for (int i = 0; i < N; i++) h_pinned[i] = 4;
    MUST(cudaMemcpyAsync(d_y, h_pinned, sizeof y, cudaMemcpyHostToDevice, s));
    MUST(cudaStreamSynchronize(s));
    get(y, d_x, N);
    return is_all(y, 3);
}

static bool pinned_read_early(bool faulty)
{
    for (int i = 0; i < N; i++) h_pinned[i] = -1;
    MUST(cudaMemcpyAsync(h_pinned, d_x, N * sizeof *d_x, cudaMemcpyDeviceToHost, s));
    if (!faulty) MUST(cudaStreamSynchronize(s));
    bool good = is_all(h_pinned, 0);
    MUST(cudaDeviceSynchronize());
    return good;
}

/* The same dependency inside a graph. */
static bool graph_dependency(bool faulty)
{
    float y[N];
    cudaGraph_t g = nullptr;
    cudaGraphExec_t exec = nullptr;
    cudaEvent_t join;
    MUST(cudaEventCreate(&join));
    MUST(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    MUST(cudaEventRecord(e, s)), MUST(cudaStreamWaitEvent(t, e));
    SYN_LAUNCH(add_kernel, 1, N, 0, s, d_x, d_x, 1.0f);
    if (!faulty) MUST(cudaEventRecord(e, s)), MUST(cudaStreamWaitEvent(t, e));
    SYN_LAUNCH(add_kernel, 1, N, 0, t, d_y, d_x, 1.0f);
    MUST(cudaEventRecord(join, t)), MUST(cudaStreamWaitEvent(s, join));
    MUST(cudaStreamEndCapture(s, &g));
    MUST(cudaGraphInstantiate(&exec, g, 0));
    MUST(cudaGraphLaunch(exec, s)), MUST(cudaStreamSynchronize(s));
    get(y, d_y, N);
    MUST(cudaGraphExecDestroy(exec)), MUST(cudaGraphDestroy(g)), MUST(cudaEventDestroy(join));
    return is_all(y, 2);
}

/* --- inside a kernel ------------------------------------------------------------------------- */

static __global__ void reverse_kernel(float *y, bool faulty)
{
    __shared__ float tile[N];
    tile[threadIdx.x] = (float)threadIdx.x;
    if (!faulty) __syncthreads();
    y[threadIdx.x] = tile[N - 1 - threadIdx.x] + (float)threadIdx.x;
}

static bool missing_barrier(bool faulty)
{
    float y[N];
    SYN_LAUNCH(reverse_kernel, 1, N, 0, nullptr, d_y, faulty);
    if (cudaDeviceSynchronize() != cudaSuccess) return false;
    get(y, d_y, N);
    return is_all(y, N - 1);
}

static __global__ void async_kernel(float *y, const float *x, bool faulty)
{
    __shared__ float tile[N];
    syn_cp_async<4>(&tile[threadIdx.x], x + threadIdx.x);
    syn_cp_async_commit();
    if (!faulty) syn_cp_async_wait<0>();
    __syncthreads();
    y[threadIdx.x] = tile[N - 1 - threadIdx.x] + 1;
}

static bool stale_async(bool faulty)
{
    float y[N];
    SYN_LAUNCH(async_kernel, 1, N, 0, nullptr, d_y, d_x, faulty);
    if (cudaDeviceSynchronize() != cudaSuccess) return false;
    get(y, d_y, N);
    return is_all(y, 1);
}

static __global__ void partial_kernel(float *y, bool faulty) /* sums what was never written */
{
    SYN_SHARED(float, part);
    if (threadIdx.x < N - (faulty ? 1 : 0)) part[threadIdx.x] = 1;
    __syncthreads();
    float sum = 0;
    for (int i = 0; i < N; i++) sum += part[i];
    y[threadIdx.x] = sum;
}

static bool unwritten_shared(bool faulty)
{
    float y[N];
    SYN_LAUNCH(partial_kernel, 1, N, N * sizeof *y, nullptr, d_y, faulty);
    get(y, d_y, N);
    return is_all(y, N);
}

static bool unwritten_device(bool faulty)
{
    float y[N], *d = nullptr;
    MUST(cudaMalloc(&d, sizeof y));
    if (!faulty) MUST(cudaMemset(d, 0, sizeof y));
    SYN_LAUNCH(add_kernel, 1, N, 0, nullptr, d_y, d, 7.0f);
    get(y, d_y, N);
    MUST(cudaFree(d));
    return is_all(y, 7);
}

/* A is stored row by row; fault 1 swaps two registers of its fragment, fault 2 loads B the other
 * way round. */
static __global__ void fragment_kernel(float *y, int fault)
{
    __shared__ __align__(16) __half a[16][16], b[16][8];
    uint32_t fa[4], fb[2];
    float d[4] = {0, 0, 0, 0};
    int lane = (int)threadIdx.x;
    for (int i = lane; i < 256; i += 32) a[i / 16][i % 16] = __float2half((float)(i % 16 - i / 16));
    for (int i = lane; i < 128; i += 32) b[i / 8][i % 8] = __float2half((float)(i / 8 * 2 + i % 8));
    __syncwarp();
    syn_ldmatrix_x4(fa, &a[lane % 16][lane / 16 * 8]);
    if (fault == 2) syn_ldmatrix_x2(fb, &b[lane % 16][0]);
    else
        syn_ldmatrix_x2_trans(fb, &b[lane % 16][0]);
    if (fault == 1) {
        uint32_t swapped = fa[1];
        fa[1] = fa[2], fa[2] = swapped;
    }
    syn_mma_m16n8k16_f16(d, fa, fb);
    for (int i = 0; i < 4; i++) y[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

static bool fragments(int fault)
{
    float y[128];
    float *d = device_zeros<float>(128);
    int good = 0;
    SYN_LAUNCH(fragment_kernel, 1, 32, 0, nullptr, d, fault);
    get(y, d, 128);
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 8; n++) {
            int want = 0;
            for (int k = 0; k < 16; k++) want += (k - m) * (2 * k + n);
            good += y[m * 8 + n] == (float)want;
        }
    MUST(cudaFree(d));
    return good == 128;
}
static bool swapped_fragment(bool faulty) { return fragments(faulty ? 1 : 0); }
static bool missing_trans(bool faulty) { return fragments(faulty ? 2 : 0); }

/* --- the list -------------------------------------------------------------------------------- */

#define CASE(f) {#f, f}
static const struct {
    const char *name;
    bool (*right)(bool faulty);
} CASES[] = {
    CASE(event_wait), CASE(event_wait_of_writer), CASE(event_recorded_too_early),
    CASE(pinned_reused), CASE(pinned_read_early), CASE(graph_dependency), CASE(missing_barrier),
    CASE(stale_async), CASE(unwritten_shared), CASE(unwritten_device), CASE(swapped_fragment),
    CASE(missing_trans),
};

static bool run(bool (*right)(bool), bool faulty)
{
    MUST(cudaMemset(d_x, 0, N * sizeof *d_x));
    MUST(cudaDeviceSynchronize());
    bool good = right(faulty);
    if (cuda_host_fault()[0]) good = false;
    if (faulty) cuda_host_reset();
    return good;
}

int main(void)
{
    setenv("CUDA_HOST_LINES", "0", 1);
    MUST(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    MUST(cudaStreamCreateWithFlags(&t, cudaStreamNonBlocking));
    MUST(cudaEventCreate(&e));
    d_x = device_zeros<float>(N), d_y = device_zeros<float>(N);
    MUST(cudaMallocHost(&h_pinned, N * sizeof *h_pinned));
    for (const auto &c : CASES) {
        bool a = run(c.right, false), b = run(c.right, false);
        T_CHECK(a && b, "%s: wrong without the fault: %s", c.name, cuda_host_fault());
        a = run(c.right, true), b = run(c.right, true);
        T_CHECK(!a || !b, "%s: the fault does not show", c.name);
    }
    MUST(cudaFree(d_x)), MUST(cudaFree(d_y)), MUST(cudaFreeHost(h_pinned));
    MUST(cudaStreamDestroy(s)), MUST(cudaStreamDestroy(t)), MUST(cudaEventDestroy(e));
    check_clean();
    return t_report();
}
#endif
