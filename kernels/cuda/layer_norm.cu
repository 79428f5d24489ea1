/* layer_norm.cu - layer normalisation of dense rows. Contract: kernels.h; definition:
 * kernels/ops/normalize.c.
 *
 * Maths    y = (x - mean) / sqrt(var + epsilon) * scale + bias, mean and var of a row, by Welford's
 *          step and Chan's join: E[x^2] - E[x]^2 would cancel where the mean is large.
 * Mapping  A warp or a block a row (rows.cuh); x is read twice, the second time out of a cache.
 * Launch   256 threads; grid x = rows or rows/8; 96 bytes of shared memory for long rows. sm_90: 31
 *          to 32 registers.
 * Order    Fixed by n: two runs are bitwise equal.
 * Roofline bytes = x + y: f16 [2*4096, 1280] moves 42 MB: 0.013 ms at an H100's 3.35 TB/s. A
 *          division an element: memory-bound still.
 * Measured not yet.
 * Tried    nothing yet. 16-byte accesses where n is a multiple of 8 come next if loads show.
 * Tests    tests/cuda/test_rows.cu against the reference of LAYER_NORMALIZATION. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/rows.cuh"

/* a: how many, b: mean, c: sum of squared distances from it. */
static __device__ __forceinline__ struct cuda_part join(struct cuda_part p, struct cuda_part q)
{
    const float n = p.a + q.a, gap = q.b - p.b;
    if (q.a == 0) return p;
    const float share = q.a / n;
    return {n, p.b + gap * share, p.c + q.c + gap * gap * share * p.a};
}

template <int TEAM, class T>
static __global__ void __launch_bounds__(CUDA_BLOCK)
    layer_norm_kernel(const __grid_constant__ struct cuda_rows p, const float *__restrict__ scale,
                      const float *__restrict__ bias, float epsilon)
{
    const int64_t row = cuda_row_here<TEAM>(), first = row * p.n;
    if (row >= p.rows) return; /* whole warps leave, and blocks of one row none */
    const T *const x = (const T *)p.x + first;
    struct cuda_part part = {0, 0, 0};
    for (int64_t i = threadIdx.x % TEAM; i < p.n; i += TEAM) {
        const float v = cuda_load1(x + i), gap = v - part.b;
        part.a += 1;
        part.b += gap / part.a;
        part.c += gap * (v - part.b);
    }
    part = cuda_join_row<TEAM>(part, join);
    const float factor = 1 / sqrtf(part.c / part.a + epsilon);
    for (int64_t i = threadIdx.x % TEAM; i < p.n; i += TEAM) {
        const float z = (cuda_load1(x + i) - part.b) * factor;
        cuda_put1(p.y, p.y_type, first + i, (scale ? z * scale[i] : z) + (bias ? bias[i] : 0));
    }
}

extern "C" syn_status cuda_layer_norm_launch(const struct cuda_rows *p, const float *scale,
                                             const float *bias, float epsilon, cudaStream_t stream,
                                             struct syn_err *err)
{
    const int64_t blocks = cuda_row_blocks(p->rows, p->n);
    const syn_status st = cuda_grid_fits(blocks, "layer norm", err);
    if (st != SYN_OK) return st;
    cuda_with_type(p->x_type, [&](auto tag) {
        typedef decltype(tag) T;
        const dim3 grid((unsigned)blocks), block(CUDA_BLOCK);
        if (p->n <= CUDA_SHORT_ROW)
            SYN_LAUNCH((layer_norm_kernel<CUDA_WARP, T>), grid, block, 0, stream, *p, scale, bias,
                       epsilon);
        else
            SYN_LAUNCH((layer_norm_kernel<CUDA_BLOCK, T>), grid, block, 0, stream, *p, scale, bias,
                       epsilon);
    });
    return syn_cuda_status(err, cudaGetLastError(), "layer norm launch");
}
