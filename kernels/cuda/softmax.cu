/* softmax.cu - softmax of dense rows. Contract: kernels.h; definition: kernels/ops/softmax.c.
 *
 * Maths    y = e^(x - max) / sum of e^(x - max). Maximum and sum in one pass: a part of a row is
 *          (max, sum of e^(x - max)); joining two scales the sum under the smaller maximum. A NaN,
 *          an infinity or -infinity alone make the row NaN, as the definition does; -infinity
 *          beside numbers becomes 0.
 * Mapping  A warp or a block a row (rows.cuh); x is read twice, the second time out of a cache.
 * Launch   256 threads; grid x = rows or rows/8; 96 bytes of shared memory for long rows. sm_90: 27
 *          to 31 registers.
 * Order    Fixed by n: two runs are bitwise equal.
 * Roofline bytes = x + y: f16 [8*4096, 4096] moves 537 MB: 0.16 ms at an H100's 3.35 TB/s. Two
 *          exponentials an element, 16 a clock and SM: 0.07 ms: memory-bound.
 * Measured not yet.
 * Tried    nothing yet. 16-byte accesses where n is a multiple of 8 come next if loads show.
 * Tests    tests/cuda/test_rows.cu against the reference of SOFTMAX. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/rows.cuh"
#include <math.h>

/* a: maximum, b: sum of e^(x - a). Equal maxima are not subtracted: both may be infinite. */
static __device__ __forceinline__ float scaled(float sum, float from, float to)
{
    return from == to ? sum : sum * expf(from - to);
}
static __device__ __forceinline__ struct cuda_part join(struct cuda_part p, struct cuda_part q)
{
    const float most = q.a > p.a ? q.a : p.a;
    return {most, scaled(p.b, p.a, most) + scaled(q.b, q.a, most), 0};
}

template <int TEAM, class T>
static __global__ void __launch_bounds__(CUDA_BLOCK)
    softmax_kernel(const T *__restrict__ x, void *__restrict__ y, int32_t y_type, int64_t rows,
                   int32_t n)
{
    const int64_t row = cuda_row_here<TEAM>(), first = row * n;
    if (row >= rows) return; /* whole warps leave, and blocks of one row none */
    struct cuda_part part = {-INFINITY, 0, 0};
    for (int64_t i = threadIdx.x % TEAM; i < n; i += TEAM)
        part = join(part, {cuda_load1(x + first + i), 1, 0});
    part = cuda_join_row<TEAM>(part, join);
    const float sum = part.a == INFINITY ? NAN : part.b;
    for (int64_t i = threadIdx.x % TEAM; i < n; i += TEAM)
        cuda_put1(y, y_type, first + i, expf(cuda_load1(x + first + i) - part.a) / sum);
}

extern "C" syn_status cuda_softmax_launch(const struct cuda_rows *p, cudaStream_t stream,
                                          struct syn_err *err)
{
    const int64_t blocks = cuda_row_blocks(p->rows, p->n);
    const syn_status st = cuda_grid_fits(blocks, "softmax", err);
    if (st != SYN_OK) return st;
    cuda_with_type(p->x_type, [&](auto tag) {
        typedef decltype(tag) T;
        const dim3 grid((unsigned)blocks), block(CUDA_BLOCK);
        if (p->n <= CUDA_SHORT_ROW)
            SYN_LAUNCH((softmax_kernel<CUDA_WARP, T>), grid, block, 0, stream, (const T *)p->x,
                       p->y, p->y_type, p->rows, p->n);
        else
            SYN_LAUNCH((softmax_kernel<CUDA_BLOCK, T>), grid, block, 0, stream, (const T *)p->x,
                       p->y, p->y_type, p->rows, p->n);
    });
    return syn_cuda_status(err, cudaGetLastError(), "softmax launch");
}
