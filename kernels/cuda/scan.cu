/* scan.cu - is there a NaN or an infinity? Contract: kernels.h.
 *
 * Maths    A float is neither when its exponent's bits are not all ones.
 * Mapping  A thread looks at 4 neighbours at a time, SPAN of them a block apart; a block votes and
 *          one thread of it writes. Elements before the first address that is aligned to 16 bytes
 *          and after the last four are looked at alone, by the first block.
 * Launch   256 threads; grid x = ceil(n / 16384), at least 1. No shared memory of ours. sm_90: 16
 *          registers.
 * Order    *bad is only ever set to 1: the order does not matter.
 * Roofline bytes = 4n: [1,3,2048,2048] moves 50 MB: 0.015 ms at an H100's 3.35 TB/s.
 * Measured not yet.
 * Tried    nothing yet.
 * Tests    tests/cuda/test_scan.cu. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"

enum { FOUR = 4, SPAN = 16, OF_BLOCK = CUDA_BLOCK * FOUR * SPAN };

static __device__ __forceinline__ bool is_bad(float v)
{
    return (__float_as_uint(v) & 0x7f800000u) == 0x7f800000u;
}

/* The ends that are not looked at by fours: [0, head) and [tail, n). */
static __device__ bool ends_bad(const float *x, int64_t n, int64_t head, int64_t tail)
{
    const int64_t t = threadIdx.x;
    return (t < head && is_bad(x[t])) || (t < n - tail && is_bad(x[tail + t]));
}

static __global__ void __launch_bounds__(CUDA_BLOCK)
    scan_kernel(const float *__restrict__ x, int64_t n, int64_t head, int32_t *bad)
{
    const int64_t fours = (n - head) / FOUR, tail = head + fours * FOUR;
    const int64_t from = (int64_t)blockIdx.x * (CUDA_BLOCK * SPAN) + threadIdx.x;
    const float4 *const q = (const float4 *)(x + head);
    bool mine = blockIdx.x == 0 && ends_bad(x, n, head, tail);
#pragma unroll 4
    for (int k = 0; k < SPAN; k++) {
        const int64_t i = from + (int64_t)k * CUDA_BLOCK;
        if (i >= fours) break;
        const float4 v = q[i];
        mine = mine || is_bad(v.x) || is_bad(v.y) || is_bad(v.z) || is_bad(v.w);
    }
    if (__syncthreads_or(mine) && threadIdx.x == 0) atomicOr(bad, 1);
}

extern "C" syn_status cuda_scan_launch(const float *x, int64_t n, int32_t *bad,
                                       cudaStream_t stream, struct syn_err *err)
{
    const int64_t blocks = n > 0 ? cuda_ceil(n, OF_BLOCK) : 1;
    const int64_t off = (int64_t)((uintptr_t)x % sizeof(float4) / sizeof(float)),
                  lead = (FOUR - off) % FOUR, head = lead < n ? lead : n;
    const syn_status st = cuda_grid_fits(blocks, "scan", err);
    if (st != SYN_OK) return st;
    SYN_LAUNCH(scan_kernel, dim3((unsigned)blocks), dim3(CUDA_BLOCK), 0, stream, x, n, head, bad);
    return syn_cuda_status(err, cudaGetLastError(), "scan launch");
}
