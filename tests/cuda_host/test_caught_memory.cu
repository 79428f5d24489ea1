/* test_caught_memory.cu - planted faults of memory: cp.async, ldmatrix, device memory, the end. */
#ifdef SYN_CUDA_HOST
#include "tests/cuda_host/fault_t.h"
#include <assert.h>

/* --- cp.async, ldmatrix ---------------------------------------------------------------------- */

static __global__ void stale_read(const float *x, float *y)
{
    __shared__ __align__(16) float s[64];
    if (threadIdx.x < 16) syn_cp_async<16>(&s[4 * threadIdx.x], x + 4 * threadIdx.x);
    syn_cp_async_commit();
    __syncthreads();
    y[threadIdx.x] = s[threadIdx.x];
}
static __global__ void waits_for_too_few(const float *x, float *y)
{
    __shared__ float s[2][64];
    syn_cp_async<4>(&s[0][threadIdx.x], x + threadIdx.x);
    syn_cp_async_commit();
    syn_cp_async<4>(&s[1][threadIdx.x], x + threadIdx.x);
    syn_cp_async_commit();
    syn_cp_async_wait<2>(); /* 1 would do */
    __syncthreads();
    y[threadIdx.x] = s[0][63 - threadIdx.x];
}
static __global__ void no_commit(const float *x, float *y)
{
    __shared__ float s[64];
    syn_cp_async<4>(&s[threadIdx.x], x + threadIdx.x);
    syn_cp_async_wait<0>(); /* of committed groups there is none */
    y[threadIdx.x] = s[threadIdx.x];
}
static __global__ void wait_without_barrier(const float *x, float *y)
{
    __shared__ float s[64];
    syn_cp_async<4>(&s[threadIdx.x], x + threadIdx.x);
    syn_cp_async_wait_all();
    y[threadIdx.x] = s[63 - threadIdx.x];
}
/* The next tile is asked for while others still read this one. */
static __global__ void refill_too_early(const float *x, float *y)
{
    __shared__ float s[64];
    float sum = 0;
    for (int i = 0; i < 2; i++) {
        syn_cp_async<4>(&s[threadIdx.x], x + threadIdx.x);
        syn_cp_async_wait_all();
        __syncthreads();
        sum += s[63 - threadIdx.x];
    }
    y[threadIdx.x] = sum;
}
static __global__ void async_misaligned(const float *x, float *y)
{
    __shared__ __align__(16) float s[80];
    syn_cp_async<16>(&s[threadIdx.x], x + 4 * (threadIdx.x % 16));
    y[0] = 0;
}
static __global__ void async_past_source(const float *x, float *)
{
    __shared__ __align__(16) float s[4 * 64];
    syn_cp_async<16>(&s[4 * threadIdx.x], x + 4 * threadIdx.x); /* x has 16 pieces */
    syn_cp_async_wait_all();
}
static __global__ void async_wrong_size(const float *x, float *)
{
    __shared__ float s[64];
    syn_cp_async<4>(&s[threadIdx.x], x + threadIdx.x, 8);
}
static __global__ void async_not_shared(const float *x, float *y)
{
    syn_cp_async<4>(y + threadIdx.x, x + threadIdx.x);
}
static __global__ void async_source_changes(float *x, float *)
{
    __shared__ float s[64];
    syn_cp_async<4>(&s[threadIdx.x], x + threadIdx.x);
    x[threadIdx.x] = -1;
    syn_cp_async_wait_all();
}
static __global__ void ldmatrix_misaligned(const float *, float *y)
{
    __shared__ __align__(16) unsigned short m[32][12]; /* rows of 24 bytes */
    uint32_t r[4];
    syn_ldmatrix_x4(r, m[threadIdx.x % 32]);
    y[threadIdx.x] = (float)r[0];
}
static __global__ void ldmatrix_past(const float *, float *y)
{
    SYN_SHARED(unsigned short, m); /* 16 rows */
    uint32_t r[4];
    syn_ldmatrix_x4(r, m + 8 * (threadIdx.x % 32));
    y[threadIdx.x] = (float)r[0];
}

/* --- device memory --------------------------------------------------------------------------- */

static __global__ void past_read(const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x + 1]; }
static __global__ void past_write(const float *x, float *y) { y[threadIdx.x + 1] = x[threadIdx.x]; }
static __global__ void before_read(const float *x, float *y)
{
    y[threadIdx.x] = x[(int)threadIdx.x - 1];
}
static __global__ void misaligned(const float *x, float *y)
{
    float4 v = *(const float4 *)(x + threadIdx.x / 2);
    y[threadIdx.x] = v.x + v.w;
}
static __global__ void read_all(const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x]; }
static __global__ void same_place(const float *x, float *y) { y[threadIdx.x / 2] = x[0]; }
static __global__ void blocks_overlap(const float *, float *y)
{
    if (threadIdx.x < 32) y[threadIdx.x + 16 * blockIdx.x] = 1.0f;
}
static __global__ void no_atomic(const float *, float *y) { y[0] += 1.0f; }
static __global__ void half_atomic(const float *, float *y)
{
    if (threadIdx.x % 2) atomicAdd(&y[0], 1.0f);
    else
        y[0] += 1.0f;
}
static __global__ void no_fence(float *x, float *y) /* the last block sums, but nothing published */
{
    if (threadIdx.x == 0) {
        x[blockIdx.x] = 1.0f;
        unsigned before = atomicAdd((unsigned *)y, 1u) - __float_as_uint(1.0f); /* y is 1.0 */
        if (before == gridDim.x - 1)
            for (unsigned i = 0; i < gridDim.x; i++) x[8] += x[i];
    }
}
static __global__ void divides(const float *, float *y)
{
    y[threadIdx.x] = (float)(7 / ((int)threadIdx.x - 5 + (int)blockIdx.x));
}
static __global__ void asserts(const float *, float *) { assert(threadIdx.x < 9); }
static __global__ void traps(const float *, float *)
{
    if (threadIdx.x == 3) __trap();
}
static __attribute__((noinline)) float deep(float x, int n)
{
    volatile float frame[64];
    frame[n % 64] = x;
    return n > 0 ? deep(x + 1, n - 1) + frame[n % 64] : x;
}
static __global__ void overflows_stack(const float *, float *y) { y[0] = deep(1, 1000000); }
static __global__ void atomic_misaligned(const float *, float *y)
{
    atomicAdd((unsigned long long *)(y + 1), 1ull);
}

/* --- the list -------------------------------------------------------------------------------- */

static const struct fault FAULTS[] = {    FAULT(stale_read, "cp.async of thread", FAIL, CHECKED),
    FAULT(waits_for_too_few, "cp.async of thread", FAIL, CHECKED),
    FAULT(no_commit, "cp.async of thread", FAIL, CHECKED),
    FAULT(wait_without_barrier, "", FAIL, CHECKED),
    FAULT(refill_too_early, "", FAIL, CHECKED),
    FAULT(async_misaligned, "misaligned address: cp.async of 16", MISALIGNED, ANY_BUILD),
    FAULT(async_past_source, "past the end of device buffer", ADDRESS, ANY_BUILD),
    FAULT(async_wrong_size, "source size 8", ILLEGAL, ANY_BUILD),
    FAULT(async_not_shared, "not in the block's shared memory", ADDRESS, ANY_BUILD),
    FAULT(async_source_changes, "changed before the wait", FAIL, ANY_BUILD),
    FAULT(ldmatrix_misaligned, "misaligned address: ldmatrix row", MISALIGNED, ANY_BUILD),
    FAULT(ldmatrix_past, "is not in the block's shared memory", ADDRESS, ANY_BUILD),
    FAULT(past_read, "0 bytes past the end of device buffer", ADDRESS, ANY_BUILD),
    FAULT(past_write, "0 bytes past the end of device buffer", ADDRESS, ANY_BUILD),
    FAULT(before_read, "4 bytes before device buffer", ADDRESS, CHECKED),
    FAULT(misaligned, "misaligned address", MISALIGNED, ANY_BUILD),
    FAULT(same_place, "data race in device memory", FAIL, CHECKED),
    FAULT_OF_BLOCKS(blocks_overlap, 2, "data race in device memory", FAIL, CHECKED),
    FAULT(no_atomic, "data race in device memory", FAIL, CHECKED),
    FAULT(half_atomic, "data race in device memory", FAIL, CHECKED),
    FAULT_OF_BLOCKS(no_fence, 3, "data race in device memory", FAIL, CHECKED),
    FAULT(divides, "division by zero", FAIL, ANY_BUILD),
    FAULT(asserts, "assertion `threadIdx.x < 9' failed", cudaErrorAssert, ANY_BUILD),
    FAULT(traps, "__trap", FAIL, ANY_BUILD),
    FAULT(overflows_stack, "stack overflow", cudaErrorHardwareStackError, ANY_BUILD),
    FAULT(atomic_misaligned, "misaligned address: atomic of 8", MISALIGNED, ANY_BUILD),
    {"null pointer", [] { SYN_LAUNCH(read_all, 1, 64, 0, nullptr, (float *)nullptr, d_y); }, "",
     ADDRESS, ANY_BUILD},
    {"use after free", [] { MUST(cudaFree(d_x)), launch_on(read_all, 1, 0); },
     "freed device buffer", ADDRESS, ANY_BUILD},
    {"host memory in a kernel", [] {
        float *heap = (float *)malloc(256);
        SYN_LAUNCH(read_all, 1, 64, 0, nullptr, heap, d_y);
        (void)cudaDeviceSynchronize(), free(heap);
    }, "host memory or a stack", ADDRESS, CHECKED},
    {"host stack in a kernel", [] {
        float local[64] = {0};
        SYN_LAUNCH(read_all, 1, 64, 0, nullptr, local, d_y);
        (void)cudaDeviceSynchronize();
    }, "host memory or a stack", ADDRESS, CHECKED},
};

/* A second device's memory, and what only a whole program shows. */
static void test_other_device(void)
{
    cuda_host_set_devices(2, nullptr);
    cuda_host_free_all();
    float *there = device_zeros<float>(64);
    MUST(cudaSetDevice(1));
    d_y = device_zeros<float>(64);
    SYN_LAUNCH(read_all, 1, 64, 0, nullptr, there, d_y);
    cudaError_t e = cudaDeviceSynchronize();
    bool said = strstr(cuda_host_fault(), "of another device") != nullptr;
    T_CHECK(!cuda_host_checks() || (e == ADDRESS && said), "%s", cuda_host_fault());
    cuda_host_set_devices(1, nullptr), cuda_host_free_all();
}

int main(void)
{
    run_faults(FAULTS, sizeof FAULTS / sizeof *FAULTS);
    test_other_device();
    cuda_host_reset(), cuda_host_free_all();
    return t_report();
}
#endif
