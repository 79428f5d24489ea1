/* test_caught_block.cu - planted faults inside a block: barriers, warps, shared memory. */
#ifdef SYN_CUDA_HOST
#include "tests/cuda_host/fault_t.h"

/* --- barriers -------------------------------------------------------------------------------- */

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

/* --- warps ----------------------------------------------------------------------------------- */

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

/* --- shared memory --------------------------------------------------------------------------- */

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

/* --- the list -------------------------------------------------------------------------------- */

static const struct fault FAULTS[] = {
    FAULT(no_barrier, "data race in shared memory, tile", FAIL, CHECKED),
    FAULT(no_second_barrier, "data race in shared memory, dynamic", FAIL, CHECKED),
    FAULT(half_at_barrier, "threads 0-31: waits in __syncthreads", STUCK, ANY_BUILD),
    FAULT(split_barrier, "divergent __syncthreads", FAIL, ANY_BUILD),
    FAULT(uneven_loop, "divergent __syncthreads", FAIL, ANY_BUILD),
    FAULT(named_odd, "must be a multiple of 32", ILLEGAL, ANY_BUILD),
    FAULT(named_zero, "named barrier 0", ILLEGAL, ANY_BUILD),
    FAULT(named_differs, "others came for", ILLEGAL, ANY_BUILD),
    FAULT(named_alone, "waits at named barrier 3", STUCK, ANY_BUILD),
    FAULT(named_unasked, "data race in shared memory, stage", FAIL, CHECKED),
    FAULT(returned_lane, "reads lane 31, which is not among the living", FAIL, ANY_BUILD),
    FAULT(outside_mask, "reads lane 16", FAIL, ANY_BUILD),
    FAULT(not_in_mask, "not in its own mask 0xffff", ILLEGAL, ANY_BUILD),
    FAULT(masks_differ, "threads 0-4: waits for lanes 0xffffffff", STUCK, ANY_BUILD),
    FAULT(odd_width, "shuffle width 12", ILLEGAL, ANY_BUILD),
    FAULT(mma_half, "mma.sync needs all 32 lanes", ILLEGAL, ANY_BUILD),
    FAULT(no_syncwarp, "data race in shared memory, mail", FAIL, CHECKED),
    FAULT(shuffle_is_no_barrier, "data race in shared memory, mail", FAIL, CHECKED),
    FAULT(wrong_syncwarp_mask, "data race in shared memory, mail", FAIL, CHECKED),
    FAULT(past_array, "out of bounds of its array", ADDRESS, ANY_BUILD),
    FAULT(past_dynamic, "dynamic shared memory", ADDRESS, ANY_BUILD),
    FAULT(far_past_dynamic, "illegal read", ADDRESS, ANY_BUILD),
};

static void test_spinning(void)
{
    int flags[64] = {0};
    cuda_host_reset(), cuda_host_free_all();
    d_x = (float *)put(flags, 64);
    cuda_host_set_direction(CUDA_HOST_FORWARDS);
    launch_on(waits_for_block, 2, 0);
    T_CHECK(cudaDeviceSynchronize() == STUCK, "waiting for another block");
}

int main(void)
{
    run_faults(FAULTS, sizeof FAULTS / sizeof *FAULTS);
    test_spinning();
    cuda_host_reset(), cuda_host_free_all();
    return t_report();
}
#endif
