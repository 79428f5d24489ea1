/* test_threads.cu - two host threads, a device each, as the engine's workers use the API. */
#include "tests/cuda_host/cuda_t.h"
#ifdef SYN_CUDA_HOST
#include <pthread.h>
#include <string.h>

enum { N = 64, ROUNDS = 50 };

static __global__ void reverse_kernel(float *y, const float *x)
{
    __shared__ float tile[N];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[N - 1 - threadIdx.x] + 1;
}

static __global__ void faulty_kernel(float *y) { y[1 << 20] = (float)threadIdx.x; }

struct worker {
    int device, good;
    bool ends_badly;
    cudaError_t last;
};

static void *work(void *user)
{
    struct worker *w = (struct worker *)user;
    float x[N], y[N], *d = nullptr;
    cudaStream_t s = nullptr;
    bool ready = cudaSetDevice(w->device) == cudaSuccess && !cudaStreamCreate(&s) &&
                 !cudaMalloc(&d, 2 * sizeof x);
    for (int r = 0; ready && r < ROUNDS; r++) {
        for (int i = 0; i < N; i++) x[i] = (float)(i * (w->device + 1) + r);
        (void)cudaMemcpyAsync(d, x, sizeof x, cudaMemcpyHostToDevice, s);
        SYN_LAUNCH(reverse_kernel, 1, N, 0, s, d + N, d);
        (void)cudaMemcpyAsync(y, d + N, sizeof y, cudaMemcpyDeviceToHost, s);
        (void)cudaStreamSynchronize(s);
        for (int i = 0; i < N; i++) w->good += y[i] == x[N - 1 - i] + 1;
    }
    if (w->ends_badly) SYN_LAUNCH(faulty_kernel, 1, N, 0, s, d);
    w->last = cudaStreamSynchronize(s);
    if (!w->ends_badly) (void)cudaFree(d), (void)cudaStreamDestroy(s);
    return nullptr;
}

/* One device's sticky error leaves the other one alone. */
int main(void)
{
    pthread_t thread[2];
    struct worker w[2] = {{0, 0, true, cudaSuccess}, {1, 0, false, cudaSuccess}};
    setenv("CUDA_HOST_LINES", "0", 1);
    cuda_host_set_devices(2, nullptr);
    for (int i = 0; i < 2; i++) pthread_create(&thread[i], nullptr, work, &w[i]);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], nullptr);
    for (int i = 0; i < 2; i++) T_CHECK(w[i].good == N * ROUNDS, "%d: %d", i, w[i].good);
    T_CHECK(w[0].last == cudaErrorIllegalAddress, "%s", cudaGetErrorName(w[0].last));
    T_CHECK(w[1].last == cudaSuccess, "%s", cudaGetErrorName(w[1].last));
    T_CHECK(strstr(cuda_host_fault(), "faulty_kernel"), "%s", cuda_host_fault());
    cuda_host_reset(), cuda_host_free_all();
    cudaStream_t s; /* the failed worker's stream is still there; a new process would not have it */
    T_CHECK(cuda_host_leaks(nullptr, 0) == 1 && !cudaStreamCreate(&s), "one stream");
    MUST(cudaStreamDestroy(s));
    return t_report();
}
#endif
