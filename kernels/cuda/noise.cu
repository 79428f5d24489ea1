/* noise.cu - random numbers by counter. Contract: kernels.h; definition: kernels/base/rng.
 *
 * Maths    Philox4x32-10 of (number / 2, stream) under the seed gives numbers 2b and 2b + 1: 64
 *          bits each; uniform (bits >> 11) * 2^-53; normal by Box and Muller from the two uniforms,
 *          in double and rounded once to float.
 * Equal    Bits and uniforms are rng's to the last bit. A normal goes through the card's log, sqrt,
 *          sin and cos in double, within 2 ulp of libm's: its float differs where those straddle
 *          the middle of two floats, once in about 2^27 numbers, by 1 ulp.
 * Mapping  One thread = the two numbers of a Philox block. Doubles are slow on cards for games (1
 *          in 64 of float): a latent of 65,536 numbers is still microseconds.
 * Launch   256 threads; grid x = pairs / 256. No shared memory. sm_90: 44 registers.
 * Roofline bytes = 4n (8n for bits); 10 rounds of 2 wide products a pair: some 80 integer
 *          operations to 8 bytes: balanced at an H100's 3.35 TB/s; normals are bound by double.
 * Measured not yet.
 * Tried    nothing yet.
 * Tests    tests/cuda/test_noise.cu against kernels/base/rng. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"

struct pair {
    uint64_t low, high; /* numbers 2b and 2b + 1 */
};
static __device__ __forceinline__ struct pair philox(uint64_t block, uint64_t stream, uint64_t seed)
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = (uint32_t)stream,
             c3 = (uint32_t)(stream >> 32), k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0, c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1, c3 = (uint32_t)a;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return {(uint64_t)c1 << 32 | c0, (uint64_t)c3 << 32 | c2};
}

static __device__ __forceinline__ double uniform(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

static __device__ __forceinline__ void write(const struct cuda_noise *p, int64_t at,
                                             struct pair bits, bool odd)
{
    const uint64_t mine = odd ? bits.high : bits.low;
    if (p->kind == CUDA_NOISE_BITS) ((uint64_t *)p->out)[at] = mine;
    else if (p->kind == CUDA_NOISE_UNIFORM) ((float *)p->out)[at] = (float)uniform(mine);
    else {
        const double turn = 6.283185307179586476925286766559 * uniform(bits.high);
        const double r = sqrt(-2 * log(1 - uniform(bits.low)));
        ((float *)p->out)[at] = (float)(r * (odd ? sin(turn) : cos(turn)));
    }
}

static __global__ void __launch_bounds__(CUDA_BLOCK)
    noise_kernel(const __grid_constant__ struct cuda_noise p)
{
    const uint64_t block = p.first / 2 + (uint64_t)blockIdx.x * CUDA_BLOCK + threadIdx.x;
    const struct pair bits = philox(block, p.stream, p.seed);
    for (int odd = 0; odd < 2; odd++) {
        const int64_t at = (int64_t)(2 * block + (uint64_t)odd - p.first);
        if (at >= 0 && at < p.n) write(&p, at, bits, odd);
    }
}

extern "C" syn_status cuda_noise_launch(const struct cuda_noise *p, cudaStream_t stream,
                                        struct syn_err *err)
{
    const int64_t blocks = cuda_ceil(p->n + 1, 2 * CUDA_BLOCK); /* an odd start needs half a pair */
    const syn_status st = cuda_grid_fits(blocks, "noise", err);
    if (st != SYN_OK) return st;
    SYN_LAUNCH(noise_kernel, dim3((unsigned)blocks), dim3(CUDA_BLOCK), 0, stream, *p);
    return syn_cuda_status(err, cudaGetLastError(), "noise launch");
}
