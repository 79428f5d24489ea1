/* resample.cu - nearest, bilinear and bicubic resize. Contract: kernels.h; definition:
 * kernels/ops/resize.c, which also makes the taps.
 *
 * Maths    y = sum over i of wy[i] * sum over j of wx[j] * x[ay[i]][ax[j]], in float. A weight of 0
 *          is multiplied too, so that a NaN under it comes through as in the definition.
 * Mapping  One thread = 8 channels of an output pixel; a block's pixels are of one row, so that it
 *          reads few rows of x and neighbours' taps meet in the first-level cache.
 * Launch   up to 256 threads; grid x = rows * tiles. No shared memory. sm_90: nearest 32,
 *          bilinear 40 (f32: 52), bicubic 76 registers.
 * Roofline bytes = x + y once each: f16 [64,512,512] to 1024^2 moves 168 MB: 0.050 ms at an H100's
 *          3.35 TB/s. Bicubic: 20 multiply-adds an element: still memory-bound.
 * Measured not yet.
 * Tried    nothing yet.
 * Tests    tests/cuda/test_resample.cu against the reference of RESIZE. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"

template <class T, int WIDTH>
static __global__ void __launch_bounds__(CUDA_BLOCK)
    resize_kernel(const __grid_constant__ struct cuda_resize p, int32_t tiles, int32_t groups)
{
    const struct cuda_place at = cuda_here(p.y.h, tiles);
    if (at.x >= p.y.w) return;
    const T *x = (const T *)p.x.data;
    const int32_t *const rows = p.rows.at + (int64_t)at.y * WIDTH;
    const int32_t *const cols = p.cols.at + (int64_t)at.x * WIDTH;
    const float *const wy = p.rows.weight + (int64_t)at.y * WIDTH;
    const float *const wx = p.cols.weight + (int64_t)at.x * WIDTH;
    for (int32_t g = (int32_t)threadIdx.x; g < groups; g += (int32_t)blockDim.x) {
        float sum[CUDA_LANES] = {};
#pragma unroll
        for (int i = 0; i < WIDTH; i++) {
            float line[CUDA_LANES] = {};
#pragma unroll
            for (int j = 0; j < WIDTH; j++) {
                float v[CUDA_LANES];
                cuda_load8(x + cuda_pixel(&p.x, at.n, rows[i], cols[j]) + (int64_t)g * CUDA_LANES,
                           v);
#pragma unroll
                for (int k = 0; k < CUDA_LANES; k++) line[k] += wx[j] * v[k];
            }
#pragma unroll
            for (int k = 0; k < CUDA_LANES; k++) sum[k] += wy[i] * line[k];
        }
        cuda_store_channels(&p.y, cuda_pixel(&p.y, at.n, at.y, at.x), g, sum);
    }
}

extern "C" syn_status cuda_resize_launch(const struct cuda_resize *p, cudaStream_t stream,
                                         struct syn_err *err)
{
    const struct cuda_tiling t = cuda_tiling_of(p->y.n, p->y.h, p->y.w, p->y.c);
    const dim3 grid((unsigned)t.blocks);
    const syn_status st = cuda_grid_fits(t.blocks, "resize", err);
    if (st != SYN_OK) return st;
    cuda_with_type(p->x.dtype, [&](auto tag) {
        typedef decltype(tag) T;
        if (p->rows.width == 1)
            SYN_LAUNCH((resize_kernel<T, 1>), grid, t.block, 0, stream, *p, t.tiles, t.groups);
        else if (p->rows.width == 2)
            SYN_LAUNCH((resize_kernel<T, 2>), grid, t.block, 0, stream, *p, t.tiles, t.groups);
        else
            SYN_LAUNCH((resize_kernel<T, 4>), grid, t.block, 0, stream, *p, t.tiles, t.groups);
    });
    return syn_cuda_status(err, cudaGetLastError(), "resize launch");
}
