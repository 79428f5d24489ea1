/* shuffle.cu - channels to pixels and back, with a residual. Contract: kernels.h; definition:
 * kernels/ops/pixel_shuffle.c.
 *
 * Maths    wide[k][y*r + dy][x*r + dx] = deep[d][y][x]; d = (k*r + dy)*r + dx, depth first
 *          (dy*r + dx)*c + k. Shuffling adds res[k][y][x], in float.
 * Mapping  Shuffle: one thread = 8 channels of the r pixels (y*r .. y*r+r-1, x) of wide: the r*r
 *          pixels that read one deep pixel are in one block and share it in the first-level cache.
 *          Where its 8 channels lie together (depth first) they are one load, else 8.
 *          Unshuffle: one thread = 8 channels of a deep pixel.
 * Launch   up to 256 threads; grid x = deep rows * tiles. No shared memory. sm_90: 48 to 54
 *          registers, unshuffle 32. Without a least number of blocks ptxas spills 4 bytes.
 * Roofline bytes = x + y (+ res): the last layer of a 4x network, f16 [48,512,512] to f32
 *          [3,2048,2048] in pixels of 8 floats, moves 159 MB: 0.048 ms at an H100's 3.35 TB/s.
 * Measured not yet.
 * Tried    nothing yet. The reads of CRD are 2 bytes r*r channels apart: if that shows, next is a
 *          tile of deep pixels in shared memory.
 * Tests    tests/cuda/test_shuffle.cu against the references of both rows. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"

/* 8 channels from `first` on, `step` apart, of which `have` are there. */
template <class T>
static __device__ __forceinline__ void load_apart(const T *x, int32_t first, int32_t step,
                                                  int32_t have, float v[CUDA_LANES])
{
    if (step == 1 && first % CUDA_LANES == 0 && have >= CUDA_LANES) {
        cuda_load8(x + first, v);
        return;
    }
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++)
        v[k] = k < have ? cuda_load1(x + first + (int64_t)k * step) : 0;
}

static __device__ __forceinline__ void add_residual(const struct cuda_view *res,
                                                    struct cuda_place at, int32_t r, int32_t g,
                                                    float v[CUDA_LANES])
{
    float more[CUDA_LANES];
    if (!res->data) return;
    cuda_load8(res->data, res->dtype,
               cuda_pixel(res, at.n, at.y, at.x / r) + (int64_t)g * CUDA_LANES, more);
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) v[k] += more[k];
}

template <class T>
static __global__ void __launch_bounds__(CUDA_BLOCK, 4)
    shuffle_kernel(const __grid_constant__ struct cuda_shuffle p, int32_t tiles, int32_t groups)
{
    const struct cuda_place at = cuda_here(p.x.h, tiles); /* x: of wide, y: of deep */
    if (at.x >= p.y.w) return;
    const int32_t r = p.r, dx = at.x % r;
    const T *const deep = (const T *)p.x.data + cuda_pixel(&p.x, at.n, at.y, at.x / r);
    for (int32_t g = (int32_t)threadIdx.x; g < groups; g += (int32_t)blockDim.x) {
        const int32_t k = g * CUDA_LANES, have = p.y.c - k;
        for (int32_t dy = 0; dy < r; dy++) {
            float v[CUDA_LANES];
            if (p.dcr) load_apart(deep, (dy * r + dx) * p.y.c + k, 1, have, v);
            else load_apart(deep, (k * r + dy) * r + dx, r * r, have, v);
            add_residual(&p.res, at, r, g, v);
            cuda_store_channels(&p.y, cuda_pixel(&p.y, at.n, at.y * r + dy, at.x), g, v);
        }
    }
}

/* Element of wide that deep channel d of the deep pixel `at` holds. */
static __device__ __forceinline__ int64_t wide_element(const struct cuda_shuffle *p,
                                                       struct cuda_place at, int32_t d)
{
    const int32_t r = p->r, c = p->x.c;
    const int32_t k = p->dcr ? d % c : d / r / r, step = p->dcr ? d / c : d % (r * r);
    return cuda_pixel(&p->x, at.n, at.y * r + step / r, at.x * r + step % r) + k;
}

template <class T>
static __global__ void __launch_bounds__(CUDA_BLOCK)
    unshuffle_kernel(const __grid_constant__ struct cuda_shuffle p, int32_t tiles, int32_t groups)
{
    const struct cuda_place at = cuda_here(p.y.h, tiles);
    if (at.x >= p.y.w) return;
    const T *const wide = (const T *)p.x.data;
    for (int32_t g = (int32_t)threadIdx.x; g < groups; g += (int32_t)blockDim.x) {
        const int32_t d = g * CUDA_LANES;
        float v[CUDA_LANES];
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++)
            v[k] = d + k < p.y.c ? cuda_load1(wide + wide_element(&p, at, d + k)) : 0;
        cuda_store_channels(&p.y, cuda_pixel(&p.y, at.n, at.y, at.x), g, v);
    }
}

extern "C" syn_status cuda_shuffle_launch(const struct cuda_shuffle *p, cudaStream_t stream,
                                          struct syn_err *err)
{
    const struct cuda_tiling t =
        cuda_tiling_of(p->y.n, p->inverse ? p->y.h : p->x.h, p->y.w, p->y.c);
    const dim3 grid((unsigned)t.blocks);
    const syn_status st = cuda_grid_fits(t.blocks, "pixel shuffle", err);
    if (st != SYN_OK) return st;
    cuda_with_type(p->x.dtype, [&](auto tag) {
        typedef decltype(tag) T;
        if (p->inverse)
            SYN_LAUNCH(unshuffle_kernel<T>, grid, t.block, 0, stream, *p, t.tiles, t.groups);
        else
            SYN_LAUNCH(shuffle_kernel<T>, grid, t.block, 0, stream, *p, t.tiles, t.groups);
    });
    return syn_cuda_status(err, cudaGetLastError(), "pixel shuffle launch");
}
