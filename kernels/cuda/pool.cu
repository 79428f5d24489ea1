/* pool.cu - windows reduced to their maximum or average, and whole pictures. Contract: kernels.h;
 * definition: kernels/ops/pool.c.
 *
 * Maths    Maximum over the taps inside x, NaN if one is, -infinity if there are none. Average: sum
 *          of the taps inside, a row at a time and then over the rows, divided by how many they are
 *          or, with count_pads, by how many lie in x and its pads; no tap gives 0. In float.
 * Mapping  Windows: one thread = 8 channels of an output pixel. Whole pictures: pass 1, a thread
 *          sums 8 channels of a slab's every by-th pixel, a block adds its threads' sums as a tree
 *          over by; pass 2, 8 x 32 threads = 32 channels, each adds every 8th slab, then the 8.
 * Launch   up to 256 threads. Windows: grid x = rows * tiles. Whole: pass 1 grid x = n * channel
 *          chunks * slabs, 8 KiB of shared memory; pass 2 n * ceil(c/32), 1 KiB. sm_90: maximum 44
 *          to 48, average 60 to 64, passes 42 and 21 registers. Without a least number of blocks
 *          ptxas spills 4 to 16 bytes here and there.
 * Order    Fixed by the shape: two runs are bitwise equal, on any card.
 * Roofline bytes = x + y: f16 [64,512,512] to [64,1,1] reads 34 MB: 0.010 ms at an H100's
 *          3.35 TB/s; partial sums are at most 512 slabs: 0.13 MB.
 * Measured not yet.
 * Tried    nothing yet.
 * Tests    tests/cuda/test_pool.cu against the references of the three rows. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"
#include <math.h>

/* --- windows --------------------------------------------------------------------------------- */

struct taps {
    int32_t start, from, to; /* place of tap 0 on the axis; taps from .. to-1 are inside */
};

/* Taps of output o between `low` and `high` on the axis. All numbers < 2^31: see launch. */
static __device__ __forceinline__ struct taps taps_at(int32_t o, int32_t stride, int32_t before,
                                                      int32_t dil, int32_t k, int32_t low,
                                                      int32_t high)
{
    struct taps t = {o * stride - before, 0, 0};
    if (t.start < low) t.from = (low - t.start + dil - 1) / dil;
    if (t.start < high) t.to = (high - 1 - t.start) / dil + 1;
    if (t.to > k) t.to = k;
    if (t.to < t.from) t.to = t.from;
    return t;
}

static __device__ __forceinline__ float divisor(const struct cuda_pool *p, struct cuda_place at,
                                                struct taps y, struct taps x)
{
    if (p->count_pads) {
        y = taps_at(at.y, p->stride_h, p->top, p->dil_h, p->kh, -p->top, p->x.h + p->bottom);
        x = taps_at(at.x, p->stride_w, p->left, p->dil_w, p->kw, -p->left, p->x.w + p->right);
    }
    return (float)(y.to - y.from) * (float)(x.to - x.from);
}

template <class T, bool AVERAGE>
static __device__ __forceinline__ void pool_window(const struct cuda_pool *p, struct cuda_place at,
                                                   struct taps ty, struct taps tx, int32_t g,
                                                   float acc[CUDA_LANES])
{
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) acc[k] = AVERAGE ? 0 : -INFINITY;
    for (int32_t ky = ty.from; ky < ty.to; ky++) {
        const T *row = (const T *)p->x.data + (int64_t)g * CUDA_LANES +
                       cuda_pixel(&p->x, at.n, ty.start + ky * p->dil_h, tx.start);
        float line[CUDA_LANES] = {}, v[CUDA_LANES];
#pragma unroll 2
        for (int32_t kx = tx.from; kx < tx.to; kx++) {
            cuda_load8(row + (int64_t)kx * p->dil_w * p->x.pitch, v);
#pragma unroll
            for (int k = 0; k < CUDA_LANES; k++) {
                if (AVERAGE) line[k] += v[k];
                else if (v[k] > acc[k] || v[k] != v[k]) acc[k] = v[k];
            }
        }
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++)
            if (AVERAGE) acc[k] += line[k];
    }
}

template <class T, bool AVERAGE>
static __global__ void __launch_bounds__(CUDA_BLOCK, 3)
    pool_kernel(const __grid_constant__ struct cuda_pool p, int32_t tiles, int32_t groups)
{
    const struct cuda_place at = cuda_here(p.y.h, tiles);
    if (at.x >= p.y.w) return;
    const struct taps ty = taps_at(at.y, p.stride_h, p.top, p.dil_h, p.kh, 0, p.x.h),
                      tx = taps_at(at.x, p.stride_w, p.left, p.dil_w, p.kw, 0, p.x.w);
    const float count = AVERAGE ? divisor(&p, at, ty, tx) : 1;
    for (int32_t g = (int32_t)threadIdx.x; g < groups; g += (int32_t)blockDim.x) {
        float acc[CUDA_LANES];
        pool_window<T, AVERAGE>(&p, at, ty, tx, g, acc);
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++)
            if (AVERAGE) acc[k] = count > 0 ? acc[k] / count : 0;
        cuda_store_channels(&p.y, cuda_pixel(&p.y, at.n, at.y, at.x), g, acc);
    }
}

/* Every place on an axis that a tap is computed to lie at. */
static bool axis_fits(int64_t in, int64_t before, int64_t after, int64_t k, int64_t dil,
                      int64_t stride)
{
    return in + before + after + k * dil + stride <= 0x7fffffff;
}

extern "C" syn_status cuda_pool_launch(const struct cuda_pool *p, cudaStream_t stream,
                                       struct syn_err *err)
{
    const struct cuda_tiling t = cuda_tiling_of(p->y.n, p->y.h, p->y.w, p->y.c);
    const dim3 grid((unsigned)t.blocks);
    const syn_status st = cuda_grid_fits(t.blocks, "pool", err);
    if (st != SYN_OK) return st;
    if (!axis_fits(p->x.h, p->top, p->bottom, p->kh, p->dil_h, p->stride_h) ||
        !axis_fits(p->x.w, p->left, p->right, p->kw, p->dil_w, p->stride_w))
        return syn_fail(err, SYN_TOO_LARGE, "pool: side, pads and window: must be less than 2^31");
    cuda_with_type(p->x.dtype, [&](auto tag) {
        typedef decltype(tag) T;
        if (p->average)
            SYN_LAUNCH((pool_kernel<T, true>), grid, t.block, 0, stream, *p, t.tiles, t.groups);
        else
            SYN_LAUNCH((pool_kernel<T, false>), grid, t.block, 0, stream, *p, t.tiles, t.groups);
    });
    return syn_cuda_status(err, cudaGetLastError(), "pool launch");
}

/* --- whole pictures -------------------------------------------------------------------------- */

enum { EACH = 32, SLABS = 512, ROWS = 8, COLUMNS = 32 }; /* pixels of a thread; pass 2's block */

/* partial[n][part][channel]: the sum over a slab. */
template <class T>
static __global__ void __launch_bounds__(CUDA_BLOCK, 4)
    sum_kernel(struct cuda_view x, const __grid_constant__ struct cuda_slabs s,
               float *__restrict__ partial)
{
    __shared__ float sums[CUDA_LANES][CUDA_BLOCK];
    const struct cuda_slab at = cuda_slab_here(&s);
    const int me = (int)(threadIdx.y * blockDim.x + threadIdx.x);
    const bool here = at.group < s.groups;
    float sum[CUDA_LANES] = {}, v[CUDA_LANES];
    const T *from = (const T *)x.data + at.n * s.pixels * x.pitch + (int64_t)at.group * CUDA_LANES;
#pragma unroll 4
    for (int64_t i = at.from + threadIdx.y; here && i < at.to; i += s.by) {
        cuda_load8(from + i * x.pitch, v);
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++) sum[k] += v[k];
    }
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) sums[k][me] = sum[k];
    int step = 1;
    while (step < s.by) step *= 2;
    for (step /= 2; step > 0; step /= 2) {
        __syncthreads();
        if ((int)threadIdx.y >= step || (int)threadIdx.y + step >= s.by) continue;
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++) sums[k][me] += sums[k][me + step * (int)blockDim.x];
    }
    if (threadIdx.y > 0 || !here) return;
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) sum[k] = sums[k][me];
    cuda_store8(partial + (((int64_t)at.n * s.parts + at.part) * s.groups + at.group) * CUDA_LANES,
                sum);
}

static __global__ void __launch_bounds__(ROWS *COLUMNS)
    average_kernel(const float *__restrict__ partial, struct cuda_view y, int32_t parts,
                   int32_t groups, int64_t pixels)
{
    __shared__ float sums[ROWS][COLUMNS];
    const int32_t across = (groups * CUDA_LANES + COLUMNS - 1) / COLUMNS;
    const int32_t n = (int32_t)blockIdx.x / across;
    const int32_t c = (int32_t)blockIdx.x % across * COLUMNS + (int32_t)threadIdx.x;
    const bool here = c < groups * CUDA_LANES;
    float sum = 0;
#pragma unroll 4
    for (int32_t i = (int32_t)threadIdx.y; here && i < parts; i += ROWS)
        sum += partial[((int64_t)n * parts + i) * groups * CUDA_LANES + c];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || !here) return;
    sum = 0;
    for (int i = 0; i < ROWS; i++) sum += sums[i][threadIdx.x];
    /* past c: zero, as the sums of x's zeros are */
    cuda_put1(y.data, y.dtype, (int64_t)n * y.pitch + c, sum / (float)pixels);
}

extern "C" size_t cuda_average_scratch(const struct cuda_view *x)
{
    const struct cuda_slabs s = cuda_slabs_of(x, EACH, SLABS);
    return (size_t)x->n * (size_t)s.parts * (size_t)s.groups * CUDA_LANES * sizeof(float);
}

extern "C" syn_status cuda_average_launch(const struct cuda_view *x, const struct cuda_view *y,
                                          float *partial, cudaStream_t stream, struct syn_err *err)
{
    const struct cuda_slabs s = cuda_slabs_of(x, EACH, SLABS);
    const int64_t second = x->n * cuda_ceil((int64_t)s.groups * CUDA_LANES, COLUMNS);
    syn_status st = cuda_grid_fits(s.blocks > second ? s.blocks : second, "average", err);
    if (st != SYN_OK) return st;
    cuda_with_type(x->dtype, [&](auto tag) {
        SYN_LAUNCH(sum_kernel<decltype(tag)>, dim3((unsigned)s.blocks), s.block, 0, stream, *x, s,
                   partial);
    });
    if ((st = syn_cuda_status(err, cudaGetLastError(), "average launch")) != SYN_OK) return st;
    SYN_LAUNCH(average_kernel, dim3((unsigned)second), dim3(COLUMNS, ROWS), 0, stream, partial, *y,
               s.parts, s.groups, s.pixels);
    return syn_cuda_status(err, cudaGetLastError(), "average launch");
}
