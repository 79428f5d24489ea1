/* convert.cu - dense f32 planes to views and back, and copies of windows. Contract: kernels.h.
 *
 * Maths    None but the conversion of types, to nearest. Outside of its source a window holds the
 *          constant, the reflected or the edge pixel, as kernels/ops/shape.c defines PAD.
 * Mapping  Planes: a block moves a tile of pixels x channels through shared memory: on the side of
 *          the planes neighbouring threads have neighbouring pixels (128 bytes a warp), on the side
 *          of the view each has 8 channels, 16 bytes. Up to 8 channels: 256 x 8, else 64 x 32. Rows
 *          of the tile are one float longer than its pixels: both sides are free of bank conflicts.
 *          Window: one thread = 8 channels of a written pixel.
 * Launch   256 threads, 8.1 KiB of shared memory; grid x = n * channel tiles * pixel tiles. Window:
 *          tiling.cuh, none. sm_90: 38 to 40 registers, window 26 (sm_75: 52, 35).
 * Roofline bytes = n*h*w*(4c + pitch*size): [1,3,1080,1920] to f16 moves 58 MB: 0.017 ms at an
 *          H100's 3.35 TB/s. Memory-bound.
 * Measured not yet.
 * Tried    nothing yet.
 * Tests    tests/cuda/test_convert.cu. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"

/* --- planes ---------------------------------------------------------------------------------- */

enum { TILE = 2048, EACH = TILE / CUDA_BLOCK }; /* elements of a tile, of a thread */

struct corner { /* of this block's tile */
    int32_t n, channel;
    int64_t pixel;
};
template <int CHANNELS>
static __device__ __forceinline__ struct corner corner_here(const struct cuda_view &v,
                                                            int64_t pixels)
{
    const unsigned across = (unsigned)((pixels + TILE / CHANNELS - 1) / (TILE / CHANNELS));
    const unsigned down = (unsigned)(((int64_t)v.c + CHANNELS - 1) / CHANNELS);
    const unsigned tile = blockIdx.x / across;
    return {(int32_t)(tile / down), (int32_t)(tile % down * CHANNELS),
            (int64_t)(blockIdx.x % across) * (TILE / CHANNELS)};
}

/* The k-th element of this thread, along the planes. */
template <int CHANNELS>
static __device__ __forceinline__ void plane_index(int k, int *channel, int *pixel)
{
    const int i = k * CUDA_BLOCK + (int)threadIdx.x;
    *channel = i / (TILE / CHANNELS), *pixel = i % (TILE / CHANNELS);
}

template <int CHANNELS>
static __global__ void __launch_bounds__(CUDA_BLOCK)
    planes_to_view_kernel(const float *__restrict__ from, struct cuda_view to)
{
    constexpr int PIXELS = TILE / CHANNELS;
    __shared__ float tile[CHANNELS][PIXELS + 1];
    const int64_t pixels = (int64_t)to.h * to.w;
    const struct corner at = corner_here<CHANNELS>(to, pixels);
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        int c, x;
        plane_index<CHANNELS>(k, &c, &x);
        const bool inside = at.channel + c < to.c && at.pixel + x < pixels;
        tile[c][x] = inside ? from[((int64_t)at.n * to.c + at.channel + c) * pixels + at.pixel + x]
                            : 0;
    }
    __syncthreads();
    const int group = (int)threadIdx.x % (CHANNELS / CUDA_LANES);
    const int x = (int)threadIdx.x / (CHANNELS / CUDA_LANES);
    if (at.pixel + x >= pixels || at.channel + group * CUDA_LANES >= to.c) return;
    float v[CUDA_LANES];
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) v[k] = tile[group * CUDA_LANES + k][x];
    cuda_store_channels(&to, (at.n * pixels + at.pixel + x) * to.pitch,
                        at.channel / CUDA_LANES + group, v);
}

template <int CHANNELS>
static __global__ void __launch_bounds__(CUDA_BLOCK)
    view_to_planes_kernel(struct cuda_view from, float *__restrict__ to)
{
    constexpr int PIXELS = TILE / CHANNELS;
    __shared__ float tile[CHANNELS][PIXELS + 1];
    const int64_t pixels = (int64_t)from.h * from.w;
    const struct corner at = corner_here<CHANNELS>(from, pixels);
    const int group = (int)threadIdx.x % (CHANNELS / CUDA_LANES);
    const int row = (int)threadIdx.x / (CHANNELS / CUDA_LANES);
    float v[CUDA_LANES] = {};
    if (at.pixel + row < pixels && at.channel + group * CUDA_LANES < from.c)
        cuda_load8(from.data, from.dtype,
                   (at.n * pixels + at.pixel + row) * from.pitch + at.channel + group * CUDA_LANES,
                   v);
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) tile[group * CUDA_LANES + k][row] = v[k];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < EACH; k++) {
        int c, x;
        plane_index<CHANNELS>(k, &c, &x);
        if (at.channel + c < from.c && at.pixel + x < pixels)
            to[((int64_t)at.n * from.c + at.channel + c) * pixels + at.pixel + x] = tile[c][x];
    }
}

enum { FEW = CUDA_LANES, MANY = 32 }; /* channels of a tile */

static int64_t tiles_of(const struct cuda_view *v, int32_t channels)
{
    return v->n * cuda_ceil(v->c, channels) *
           cuda_ceil((int64_t)v->h * v->w, TILE / channels);
}

extern "C" syn_status cuda_planes_to_view(const float *from, const struct cuda_view *to,
                                          cudaStream_t stream, struct syn_err *err)
{
    const int64_t blocks = tiles_of(to, to->c <= FEW ? FEW : MANY);
    const syn_status st = cuda_grid_fits(blocks, "planes to view", err);
    if (st != SYN_OK) return st;
    const dim3 grid((unsigned)blocks), block(CUDA_BLOCK);
    if (to->c <= FEW)
        SYN_LAUNCH(planes_to_view_kernel<FEW>, grid, block, 0, stream, from, *to);
    else
        SYN_LAUNCH(planes_to_view_kernel<MANY>, grid, block, 0, stream, from, *to);
    return syn_cuda_status(err, cudaGetLastError(), "planes to view launch");
}

extern "C" syn_status cuda_view_to_planes(const struct cuda_view *from, float *to,
                                          cudaStream_t stream, struct syn_err *err)
{
    const int64_t blocks = tiles_of(from, from->c <= FEW ? FEW : MANY);
    const syn_status st = cuda_grid_fits(blocks, "view to planes", err);
    if (st != SYN_OK) return st;
    const dim3 grid((unsigned)blocks), block(CUDA_BLOCK);
    if (from->c <= FEW)
        SYN_LAUNCH(view_to_planes_kernel<FEW>, grid, block, 0, stream, *from, to);
    else
        SYN_LAUNCH(view_to_planes_kernel<MANY>, grid, block, 0, stream, *from, to);
    return syn_cuda_status(err, cudaGetLastError(), "view to planes launch");
}

/* --- windows --------------------------------------------------------------------------------- */

/* Where place i, which may lie outside, reads on an axis of n; -1: the constant. */
static __device__ __forceinline__ int32_t source(enum syn_pad_mode mode, int32_t i, int32_t n)
{
    if (i >= 0 && i < n) return i;
    if (mode == SYN_PAD_CONSTANT) return -1;
    if (mode == SYN_PAD_REPLICATE) return i < 0 ? 0 : n - 1;
    return i < 0 ? -i : 2 * (n - 1) - i;
}

/* Channels first .. first+7 of a pixel, of which those past `have` are not read. */
static __device__ __forceinline__ void load_from(const struct cuda_view *from, int64_t pixel,
                                                 int32_t first, int32_t have, float v[CUDA_LANES])
{
    if (first % CUDA_LANES == 0) {
        cuda_load8(from->data, from->dtype, pixel + first, v);
        return;
    }
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++)
        v[k] = k < have ? cuda_load1(from->data, from->dtype, pixel + first + k) : 0;
}

static __global__ void __launch_bounds__(CUDA_BLOCK)
    window_kernel(const __grid_constant__ struct cuda_window p, int32_t tiles, int32_t groups)
{
    const struct cuda_place at = cuda_here(p.h, tiles);
    if (at.x >= p.w) return;
    const int32_t iy = source(p.mode, at.y + p.top, p.from.h),
                  ix = source(p.mode, at.x + p.left, p.from.w);
    const bool inside = iy >= 0 && ix >= 0;
    const int64_t from = cuda_pixel(&p.from, at.n, iy, ix),
                  to = cuda_pixel(&p.to, at.n, at.y + p.to_top, at.x + p.to_left);
    for (int32_t g = (int32_t)threadIdx.x; g < groups; g += (int32_t)blockDim.x) {
        const int32_t c = g * CUDA_LANES;
        float v[CUDA_LANES];
        if (inside) load_from(&p.from, from, p.first + c, p.c - c, v);
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++) {
            if (!inside) v[k] = p.value;
            if (c + k >= p.c) v[k] = 0;
        }
        cuda_store8(p.to.data, p.to.dtype, to + p.to_first + c, v);
    }
}

extern "C" syn_status cuda_window_launch(const struct cuda_window *p, cudaStream_t stream,
                                         struct syn_err *err)
{
    const struct cuda_tiling t = cuda_tiling_of(p->to.n, p->h, p->w, p->c);
    const syn_status st = cuda_grid_fits(t.blocks, "window", err);
    if (st != SYN_OK) return st;
    SYN_LAUNCH(window_kernel, dim3((unsigned)t.blocks), t.block, 0, stream, *p, t.tiles, t.groups);
    return syn_cuda_status(err, cudaGetLastError(), "window launch");
}
