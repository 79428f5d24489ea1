/* conv_depth.cu - depthwise convolutions: as many groups as channels, in and out.
 *
 * Maths    y[i][j][c] = finish(sum over taps of w[tap][c] * x[in_step*i + dy][in_step*j + dx][c]),
 *          f32 sums, taps in their order.
 * Mapping  A thread makes 8 neighbouring channels of 4 neighbouring columns of a phase's grid: 16
 *          bytes a load (f16; twice 16 for f32), a tap's weights read once for the 4. Threads of a
 *          warp lie along channels, then columns. What the taps of neighbours share comes from the
 *          first-level cache.
 * Launch   128 threads; grid x = (channel chunks * column groups * rows) / 128, y = images, z =
 *          phases. No shared memory, no barrier; 72 registers on sm_90.
 * Roofline 3x3, f16, per output: 18 FLOP over 4 bytes (and 2 to 4 with residuals): bound by memory.
 *          A thread issues 9 loads of weights (2 x 16 bytes) and 36 of pixels for 32 outputs.
 * Measured not yet.
 * Tried    nothing on a card.
 * Tests    tests/cuda/test_conv*.cu against kernels/ops. No spills on sm_75 to sm_120. */
#include "kernels/cuda/conv_device.cuh"

enum { THREADS = 128, COLS = 4 };

/* index, chunks * column groups * rows of an image: below 2^31 by cuda_conv_takes. */
struct depth_place {
    int32_t channel, row, col; /* the first of 8 channels; of the first of COLS columns */
};

static __device__ __forceinline__ struct depth_place place_of(const struct cuda_conv *c,
                                                              int32_t groups, uint32_t index)
{
    const uint32_t chunks = (uint32_t)cuda_conv_chunks(c->y.c), rest = index / chunks,
                   row = rest / (uint32_t)groups;
    return {(int32_t)(index - rest * chunks) * 8, (int32_t)row,
            (int32_t)(rest - row * (uint32_t)groups) * COLS};
}

/* Adds the tap's part to each of the columns. */
template <syn_dtype TYPE>
static __device__ __forceinline__ void add_tap(const struct cuda_conv *c, int64_t image_row,
                                               int32_t channel, int32_t first_col,
                                               const float weight[8], float sum[COLS][8])
{
    const int32_t step = c->transposed ? 1 : c->stride_w;
#pragma unroll
    for (int j = 0; j < COLS; j++) {
        const int32_t col = first_col + j * step;
        float x[8];
        if (!conv_inside(col, c->x.w)) continue;
        conv_load<8>(c->x.data, TYPE, (image_row * c->x.w + col) * c->x.pitch + channel, x);
#pragma unroll
        for (int i = 0; i < 8; i++) sum[j][i] += weight[i] * x[i];
    }
}

template <syn_dtype TYPE>
static __global__ void __launch_bounds__(THREADS) conv_depth_kernel(
    const __grid_constant__ struct cuda_conv c)
{
    const struct cuda_phase *phases = (const struct cuda_phase *)c.weights;
    const struct cuda_phase phase = phases[blockIdx.z];
    const struct cuda_tap *taps = (const struct cuda_tap *)(phases + gridDim.z) + phase.first_tap;
    const float *w = (const float *)((const char *)c.weights + phase.weights);
    const struct conv_tile tile = conv_tile_at(&c, &phase, 0);
    const int32_t groups = (int32_t)(tile.cols + COLS - 1) / COLS, n = (int32_t)blockIdx.y,
                  padded = cuda_padded(c.y.c);
    if (tile.plane == 0) return;
    const struct depth_place at = place_of(&c, groups, blockIdx.x * THREADS + threadIdx.x);
    if (at.row >= (int32_t)(tile.plane / tile.cols)) return;

    float sum[COLS][8] = {};
    for (int32_t t = 0; t < phase.n_taps; t++) {
        const struct cuda_tap tap = taps[t];
        const int32_t row = conv_in_row(&c, at.row) + tap.dy;
        float weight[8];
        if (!conv_inside(row, c.x.h)) continue;
        conv_load<8>(w, SYN_F32, (int64_t)t * padded + at.channel, weight);
        add_tap<TYPE>(&c, (int64_t)n * c.x.h + row, at.channel,
                      conv_in_col(&c, at.col) + tap.dx, weight, sum);
    }
#pragma unroll
    for (int j = 0; j < COLS; j++)
        if (at.col + j < (int32_t)tile.cols)
            conv_finish<8>(&c, conv_pixel(&c, &phase, {n, at.row, at.col + j}), at.channel, sum[j]);
}

extern "C" syn_status cuda_conv_depth(const struct cuda_conv *c, cudaStream_t stream,
                                      struct syn_err *err)
{
    const int64_t threads = (int64_t)cuda_grid_rows(c, 0) *
                            ((cuda_grid_cols(c, 0) + COLS - 1) / COLS) * cuda_conv_chunks(c->y.c);
    const dim3 grid((unsigned)((threads + THREADS - 1) / THREADS), (unsigned)c->y.n,
                    (unsigned)cuda_conv_phases(c));
    switch (c->x.dtype) {
    case SYN_F16: SYN_LAUNCH(conv_depth_kernel<SYN_F16>, grid, THREADS, 0, stream, *c); break;
    case SYN_BF16: SYN_LAUNCH(conv_depth_kernel<SYN_BF16>, grid, THREADS, 0, stream, *c); break;
    default: SYN_LAUNCH(conv_depth_kernel<SYN_F32>, grid, THREADS, 0, stream, *c); break;
    }
    return syn_cuda_status(err, cudaGetLastError(), "conv depth");
}
