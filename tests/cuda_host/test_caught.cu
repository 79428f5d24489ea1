/* test_caught.cu - faults planted in kernels: each must be reported, in these words.
 *
 * A case launches a faulty kernel; the runtime's report must hold the case's words and the device's
 * error must be the case's error. Some faults only an instrumented build sees (CHECKED); some give
 * NaN or wrong numbers instead of a report in a plain build (see test_numbers.cu). */
#include "tests/cuda_host/cuda_t.h"
#include "kernels/cuda/ptx.cuh"
#include <assert.h>
#include <string.h>

#ifndef SYN_CUDA_HOST
int main(void) { T_CHECK(true, "nothing is caught on a card"); return t_report(); }
#else

static const unsigned ALL = ~0u;
static float *d_x; /* 64 floats */
static char host_array[256];

/* --- barriers ---------------------------------------------------------------------------------- */

static __global__ void no_barrier(float *y)
{
    __shared__ float tile[64];
    tile[threadIdx.x] = (float)threadIdx.x;
    y[threadIdx.x] = tile[63 - threadIdx.x];
}

static __global__ void no_second_barrier(float *y)
{
    SYN_SHARED(float, ring);
    ring[threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    float next = ring[(threadIdx.x + 1) % 64];
    ring[threadIdx.x] = next;
    __syncthreads();
    y[threadIdx.x] = ring[threadIdx.x];
}

static __global__ void half_at_barrier(float *)
{
    if (threadIdx.x < 32) __syncthreads();
    else if (threadIdx.x < 48) __shfl_xor_sync(ALL, 1, 1);
    else
        __syncwarp(ALL);
}

static __global__ void split_barrier(float *)
{
    if (threadIdx.x % 2) __syncthreads();
    else
        __syncthreads();
}

static __global__ void uneven_loop(float *y)
{
    for (unsigned i = 0; i < 2 + threadIdx.x / 32; i++) {
        __syncthreads();
        if (threadIdx.x % 32 == 0) y[threadIdx.x / 32] = (float)i;
        if (i == 1) __syncwarp();
    }
    if (threadIdx.x < 32) __syncwarp(ALL), __syncthreads(), __syncthreads();
}

static __global__ void named_odd(float *) { syn_bar_sync(1, 48); }
static __global__ void named_zero(float *) { syn_bar_sync(0, 64); }
static __global__ void named_differs(float *) { syn_bar_sync(1, threadIdx.x % 2 ? 64 : 32); }
static __global__ void named_alone(float *)
{
    if (threadIdx.x < 32) syn_bar_sync(3, 64);
}

/* The producer fills the next stage without asking whether the users are done with it. */
static __global__ void named_unasked(float *y)
{
    __shared__ float stage[32];
    float sum = 0;
    for (int s = 0; s < 2; s++) {
        if (threadIdx.x < 32) {
            stage[threadIdx.x] = (float)s;
            syn_bar_arrive(1 + s % 2, 64);
        } else {
            syn_bar_sync(1 + s % 2, 64);
            sum += stage[threadIdx.x - 32];
        }
    }
    y[threadIdx.x] = sum;
}

static __global__ void waits_for_block(float *y)
{
    int *flag = (int *)y;
    if (blockIdx.x == (gridDim.x - 1) * (unsigned)flag[1]) /* the block that runs first waits */
        while (atomicAdd(flag, 0) < 1) {}
    atomicAdd(flag, 1);
}

/* --- warps ------------------------------------------------------------------------------------- */

static __global__ void returned_lane(float *y)
{
    if (threadIdx.x % 32 == 31) return;
    y[threadIdx.x] = __shfl_down_sync(ALL, 1.0f, 1);
}
static __global__ void outside_mask(float *y)
{
    if (threadIdx.x < 16) y[threadIdx.x] = __shfl_down_sync(0xffffu, 1.0f, 1);
}
static __global__ void not_in_mask(float *y) { y[threadIdx.x] = __shfl_sync(0xffffu, 1.0f, 0); }
static __global__ void masks_differ(float *)
{
    __shfl_sync(threadIdx.x % 32 < 5 ? ALL : ALL << 1, 1, 7);
}
static __global__ void odd_width(float *y) { y[threadIdx.x] = __shfl_xor_sync(ALL, 1.0f, 1, 12); }
static __global__ void mma_half(float *y)
{
    uint32_t a[4] = {0, 0, 0, 0}, b[2] = {0, 0};
    float d[4] = {0, 0, 0, 0};
    if (threadIdx.x >= 16) return;
    syn_mma_m16n8k16_f16(d, a, b);
    y[threadIdx.x] = d[0];
}
static __global__ void no_syncwarp(float *y)
{
    __shared__ float mail[64];
    mail[threadIdx.x] = 1.0f;
    y[threadIdx.x] = mail[threadIdx.x ^ 1];
}
static __global__ void shuffle_is_no_barrier(float *y)
{
    __shared__ float mail[64];
    mail[threadIdx.x] = 1.0f;
    __shfl_xor_sync(ALL, 1, 1);
    y[threadIdx.x] = mail[threadIdx.x ^ 1];
}
static __global__ void wrong_syncwarp_mask(float *y)
{
    __shared__ float mail[64];
    mail[threadIdx.x] = 1.0f;
    __syncwarp(threadIdx.x % 32 < 16 ? 0xffffu : 0xffff0000u);
    y[threadIdx.x] = mail[threadIdx.x ^ 16];
}

/* --- shared memory ------------------------------------------------------------------------------ */

static __global__ void past_array(float *y)
{
    __shared__ float tile[64];
    tile[threadIdx.x] = 0;
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x + gridDim.x];
}
static __global__ void past_dynamic(float *y)
{
    SYN_SHARED(float, s);
    s[threadIdx.x + 1] = y[threadIdx.x];
}
static __global__ void far_past_dynamic(float *y)
{
    SYN_SHARED(float, s);
    y[threadIdx.x] = s[threadIdx.x + 4096];
}

/* --- cp.async, ldmatrix -------------------------------------------------------------------------- */

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

/* --- device memory --------------------------------------------------------------------------------- */

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

/* --- the list -------------------------------------------------------------------------------------- */

static void L1(void (*kernel)(float *), unsigned grid, size_t smem)
{
    SYN_LAUNCH(kernel, dim3(grid), dim3(64), smem, nullptr, d_x);
}
static float *d_y;
template <class X> static void L2(void (*kernel)(X *, float *), unsigned grid)
{
    SYN_LAUNCH(kernel, dim3(grid), dim3(64), 64 * 4, nullptr, d_x, d_y);
}

enum { ANY_BUILD, CHECKED };
struct fault {
    const char *name;
    void (*run)(void);
    const char *words;
    cudaError_t error;
    int build;
};
#define ONE(kernel, words, e, build) {#kernel, [] { L1(kernel, 1, 64 * 4); }, words, e, build}
#define TWO(kernel, words, e, build) {#kernel, [] { L2(kernel, 1); }, words, e, build}
#define FAIL cudaErrorLaunchFailure
#define ILLEGAL cudaErrorIllegalInstruction
#define ADDRESS cudaErrorIllegalAddress
#define MISALIGNED cudaErrorMisalignedAddress
#define STUCK cudaErrorLaunchTimeout

static const struct fault FAULTS[] = {
    ONE(no_barrier, "data race in shared memory, tile", FAIL, CHECKED),
    ONE(no_second_barrier, "data race in shared memory, dynamic", FAIL, CHECKED),
    ONE(half_at_barrier, "threads 0-31: waits in __syncthreads", STUCK, ANY_BUILD),
    ONE(split_barrier, "divergent __syncthreads", FAIL, ANY_BUILD),
    ONE(uneven_loop, "divergent __syncthreads", FAIL, ANY_BUILD),
    ONE(named_odd, "must be a multiple of 32", ILLEGAL, ANY_BUILD),
    ONE(named_zero, "named barrier 0", ILLEGAL, ANY_BUILD),
    ONE(named_differs, "others came for", ILLEGAL, ANY_BUILD),
    ONE(named_alone, "waits at named barrier 3", STUCK, ANY_BUILD),
    ONE(named_unasked, "data race in shared memory, stage", FAIL, CHECKED),
    ONE(returned_lane, "reads lane 31, which is not among the living", FAIL, ANY_BUILD),
    ONE(outside_mask, "reads lane 16", FAIL, ANY_BUILD),
    ONE(not_in_mask, "not in its own mask 0xffff", ILLEGAL, ANY_BUILD),
    ONE(masks_differ, "threads 0-4: waits for lanes 0xffffffff", STUCK, ANY_BUILD),
    ONE(odd_width, "shuffle width 12", ILLEGAL, ANY_BUILD),
    ONE(mma_half, "mma.sync needs all 32 lanes", ILLEGAL, ANY_BUILD),
    ONE(no_syncwarp, "data race in shared memory, mail", FAIL, CHECKED),
    ONE(shuffle_is_no_barrier, "data race in shared memory, mail", FAIL, CHECKED),
    ONE(wrong_syncwarp_mask, "data race in shared memory, mail", FAIL, CHECKED),
    ONE(past_array, "out of bounds of its array", ADDRESS, ANY_BUILD),
    ONE(past_dynamic, "dynamic shared memory", ADDRESS, ANY_BUILD),
    ONE(far_past_dynamic, "illegal read", ADDRESS, ANY_BUILD),
    TWO(stale_read, "cp.async of thread", FAIL, CHECKED),
    TWO(waits_for_too_few, "cp.async of thread", FAIL, CHECKED),
    TWO(no_commit, "cp.async of thread", FAIL, CHECKED),
    TWO(wait_without_barrier, "", FAIL, CHECKED),
    TWO(refill_too_early, "", FAIL, CHECKED),
    TWO(async_misaligned, "misaligned address: cp.async of 16", MISALIGNED, ANY_BUILD),
    TWO(async_past_source, "past the end of device buffer", ADDRESS, ANY_BUILD),
    TWO(async_wrong_size, "source size 8", ILLEGAL, ANY_BUILD),
    TWO(async_not_shared, "not in the block's shared memory", ADDRESS, ANY_BUILD),
    TWO(async_source_changes, "changed before the wait", FAIL, ANY_BUILD),
    TWO(ldmatrix_misaligned, "misaligned address: ldmatrix row", MISALIGNED, ANY_BUILD),
    TWO(ldmatrix_past, "is not in the block's shared memory", ADDRESS, ANY_BUILD),
    TWO(past_read, "0 bytes past the end of device buffer", ADDRESS, ANY_BUILD),
    TWO(past_write, "0 bytes past the end of device buffer", ADDRESS, ANY_BUILD),
    TWO(before_read, "4 bytes before device buffer", ADDRESS, CHECKED),
    TWO(misaligned, "misaligned address", MISALIGNED, ANY_BUILD),
    TWO(same_place, "data race in device memory", FAIL, CHECKED),
    {"blocks_overlap", [] { L2(blocks_overlap, 2); }, "data race in device memory", FAIL, CHECKED},
    TWO(no_atomic, "data race in device memory", FAIL, CHECKED),
    TWO(half_atomic, "data race in device memory", FAIL, CHECKED),
    {"no_fence", [] { L2(no_fence, 3); }, "data race in device memory", FAIL, CHECKED},
    TWO(divides, "integer division by zero", FAIL, ANY_BUILD),
    TWO(asserts, "assertion `threadIdx.x < 9' failed", cudaErrorAssert, ANY_BUILD),
    TWO(traps, "__trap", FAIL, ANY_BUILD),
    TWO(overflows_stack, "stack overflow", cudaErrorHardwareStackError, ANY_BUILD),
    TWO(atomic_misaligned, "misaligned address: atomic of 8", MISALIGNED, ANY_BUILD),
    {"null pointer", [] { SYN_LAUNCH(read_all, 1, 64, 0, nullptr, (float *)nullptr, d_y); }, "",
     ADDRESS, ANY_BUILD},
    {"use after free", [] { MUST(cudaFree(d_x)), L2(read_all, 1); }, "freed device buffer",
     ADDRESS, ANY_BUILD},
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

/* A launch whose order between first and last block decides: the fault must be in both. */
static void run_case(const struct fault *f, bool backwards)
{
    float ones[64];
    for (int i = 0; i < 64; i++) ones[i] = 1.0f;
    cuda_host_reset(), cuda_host_free_all();
    d_x = put(ones, 64), d_y = put(ones, 64);
    cuda_host_set_backwards(backwards);
    f->run();
    cudaError_t e = cudaDeviceSynchronize();
    const char *said = cuda_host_fault();
    T_CHECK(said[0] && strstr(said, f->words), "%s: no \"%s\" in: %s", f->name, f->words, said);
    T_CHECK(e == f->error, "%s: %s", f->name, cudaGetErrorName(e));
    T_CHECK(cudaMalloc(&d_x, 4) == e && cudaGetLastError() == e, "%s: not sticky", f->name);
}

static void test_kernels(void)
{
    int tried = 0, left = 0;
    for (const struct fault &f : FAULTS) {
        if (f.build == CHECKED && !cuda_host_checks()) {
            left++;
            continue;
        }
        run_case(&f, false), run_case(&f, true);
        tried++;
    }
    printf("%d planted faults reported, %d more in the checked build\n", tried, left);
}

static void test_spinning(void)
{
    int flags[64] = {0};
    cuda_host_reset(), cuda_host_free_all();
    d_x = (float *)put(flags, 64);
    cuda_host_set_backwards(false);
    L1(waits_for_block, 2, 0);
    T_CHECK(cudaDeviceSynchronize() == STUCK, "waiting for another block");
}

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
    setenv("CUDA_HOST_LINES", "0", 1);
    (void)host_array;
    test_kernels();
    test_spinning();
    test_other_device();
    cuda_host_reset(), cuda_host_free_all();
    return t_report();
}
#endif
