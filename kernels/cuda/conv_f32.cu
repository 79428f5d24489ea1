/* conv_f32.cu - convolutions on the CUDA cores with f32 products and sums: any group, any types.
 *
 * Maths    As conv.cu: an implicit GEMM for each group, K = taps x the group's input channels one
 *          by one, in f32 whatever x is; weights are f32.
 * Mapping  A block makes 64 pixels of a phase x 64 outputs of a group; a thread 8 x 4 of them, by
 *          outer products from shared memory (12 floats read for 32 FMA). K goes by in steps of 16:
 *          the next step is read into registers while this one is multiplied, and put into the
 *          other of two buffers. A thread reads the same k of every step for 8 pixels, so that 16
 *          threads read neighbouring channels; k steps without divisions. The pixels of a step lie
 *          [k][pixel] so that a thread's 8 are two 16-byte loads.
 * Launch   128 threads; grid x = pixels' blocks * blocks of outputs * phases, the last fastest; y =
 *          groups. 18 KiB shared memory, 123 registers on sm_90: 4 blocks on a multiprocessor
 *          (left to itself ptxas takes 96 for 5 and spills there).
 * Roofline 64 -> 64, 3x3, f32, per pixel: 73,728 FLOP over 512 bytes: bound by FMA (an H100: 67
 *          TFLOP/s, 33.5 T FMA: 1.1 ns a pixel); shared memory gives 12 floats for 32 FMA.
 * Measured not yet.
 * Tried    nothing on a card. A group of few outputs wastes the rest of its 64; nothing here is for
 *          such models yet.
 * Tests    tests/cuda/test_conv*.cu against kernels/ops. No spills on sm_75 to sm_120. */
#include "kernels/cuda/conv_device.cuh"

enum {
    BM = 64,
    BN = 64,
    BK = 16,
    THREADS = 128,
    TM = 8, /* pixels and outputs of a thread */
    TN = 4,
    PIXELS = BM * BK / THREADS,       /* of which a thread reads its k */
    FOURS = BK * BN / 4 / THREADS,    /* 16 bytes of weights of a thread */
    PITCH = BM + 4                    /* floats from one k to the next: keeps 16-byte alignment */
};
static_assert(BM / TM * (BN / TN) == THREADS, "the threads cover the tile");

struct source {
    int64_t at; /* of the input pixel (row, col) and the group's first channel, from x */
    int32_t row, col;
};
struct plain_shared {
    struct {
        float pixels[BK][PITCH], weights[BK][BN];
    } stage[2];
    struct source source[BM];
    int64_t pixel[BM]; /* of y; -1: none */
};

/* What a thread reads of a step. */
struct loader {
    const struct cuda_tap *taps;
    const float *weights;            /* of the group, from the tile's first output on */
    int64_t k, k_all;                /* this thread's of the next step; of the step: */
    int64_t step;
    int32_t tap, n_taps, channel, channels, step_taps, step_channels;
    int32_t out_pitch, out_left;     /* of the weights; outputs from the tile's first on, in 4s */
};

static __device__ __forceinline__ void loader_init(struct loader *l, const struct cuda_conv *c,
                                                   const struct cuda_phase *phase, int first_out)
{
    const int32_t out = c->y.c / c->group;
    l->channels = c->x.c / c->group;
    l->taps = (const struct cuda_tap *)((const struct cuda_phase *)c->weights +
                                        cuda_conv_phases(c)) + phase->first_tap;
    l->n_taps = phase->n_taps;
    l->k_all = (int64_t)phase->n_taps * l->channels;
    l->step = 0;
    l->tap = (int)threadIdx.x % BK / l->channels;
    l->channel = (int)threadIdx.x % BK % l->channels;
    l->step_taps = BK / l->channels;
    l->step_channels = BK % l->channels;
    l->out_pitch = (out + 3) / 4 * 4;
    l->out_left = l->out_pitch - first_out;
    l->weights = (const float *)((const char *)c->weights + phase->weights) +
                 blockIdx.y * l->k_all * l->out_pitch + first_out;
}

/* Reads the next step into registers. */
template <syn_dtype TYPE>
static __device__ __forceinline__ void bring(struct loader *l, const struct cuda_conv *c,
                                             const struct plain_shared *s, float x[PIXELS],
                                             float4 w[FOURS])
{
    const bool live = l->tap < l->n_taps;
    struct cuda_tap tap = {0, 0};
    if (live) tap = l->taps[l->tap];
    const int64_t delta = ((int64_t)tap.dy * c->x.w + tap.dx) * c->x.pitch + l->channel;
#pragma unroll
    for (int i = 0; i < PIXELS; i++) {
        const struct source from = s->source[threadIdx.x / BK + i * (THREADS / BK)];
        x[i] = 0;
        if (live && conv_inside(from.row + tap.dy, c->x.h) &&
            conv_inside(from.col + tap.dx, c->x.w))
            conv_load<1>(c->x.data, TYPE, from.at + delta, &x[i]);
    }
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        const int index = (int)threadIdx.x + i * THREADS, col = index % (BN / 4) * 4;
        const int64_t k = l->step + index / (BN / 4);
        w[i] = make_float4(0, 0, 0, 0);
        if (k < l->k_all && col < l->out_left)
            w[i] = *(const float4 *)(l->weights + k * l->out_pitch + col);
    }
    l->step += BK;
    l->tap += l->step_taps;
    l->channel += l->step_channels;
    if (l->channel >= l->channels) l->channel -= l->channels, l->tap++;
}

static __device__ __forceinline__ void put(struct plain_shared *s, int stage,
                                           const float x[PIXELS], const float4 w[FOURS])
{
#pragma unroll
    for (int i = 0; i < PIXELS; i++)
        s->stage[stage].pixels[threadIdx.x % BK][threadIdx.x / BK + i * (THREADS / BK)] = x[i];
#pragma unroll
    for (int i = 0; i < FOURS; i++) {
        const int index = (int)threadIdx.x + i * THREADS;
        *(float4 *)&s->stage[stage].weights[index / (BN / 4)][index % (BN / 4) * 4] = w[i];
    }
}

static __device__ __forceinline__ void multiply(const struct plain_shared *s, int stage,
                                                float sum[TM][TN])
{
    const int row = (int)threadIdx.x / (BN / TN) * TM, col = (int)threadIdx.x % (BN / TN) * TN;
#pragma unroll
    for (int k = 0; k < BK; k++) {
        float a[TM], b[TN];
        conv_load<TM>(&s->stage[stage].pixels[k][row], SYN_F32, 0, a);
        conv_load<TN>(&s->stage[stage].weights[k][col], SYN_F32, 0, b);
#pragma unroll
        for (int i = 0; i < TM; i++)
#pragma unroll
            for (int j = 0; j < TN; j++) sum[i][j] += a[i] * b[j];
    }
}

/* Outputs from `out` on of the group, 4 of them; past the last group's come the zeros up to the
 * next multiple of 8. */
static __device__ __forceinline__ void leave(const struct cuda_conv *c, int64_t pixel, int32_t out,
                                             float v[TN])
{
    const int32_t outs = c->y.c / c->group, channel = (int32_t)blockIdx.y * outs + out;
    const int32_t end = (int32_t)blockIdx.y == c->group - 1 ? cuda_padded(c->y.c)
                                                            : ((int32_t)blockIdx.y + 1) * outs;
    if (c->group == 1) {
        if (channel < end) conv_finish<TN>(c, pixel, channel, v);
    } else {
        for (int j = 0; j < TN; j++)
            if (channel + j < end) conv_finish<1>(c, pixel, channel + j, &v[j]);
    }
}

template <syn_dtype TYPE>
static __global__ void __launch_bounds__(THREADS, 4) conv_plain_kernel(
    const __grid_constant__ struct cuda_conv c, int32_t blocks_n)
{
    SYN_SHARED(struct plain_shared, s);
    const uint32_t phases = (uint32_t)cuda_conv_phases(&c), at = blockIdx.x / phases;
    const struct cuda_phase phase = ((const struct cuda_phase *)c.weights)[blockIdx.x % phases];
    const int first_out = (int)(at % (uint32_t)blocks_n) * BN;
    const struct conv_tile tile = conv_tile_at(&c, &phase, (int64_t)(at / (uint32_t)blocks_n) * BM);
    if (tile.n0 >= c.y.n) return;

    if (threadIdx.x < BM) {
        const struct conv_place p = conv_place_of(&tile, threadIdx.x);
        const int32_t row = conv_in_row(&c, p.row), col = conv_in_col(&c, p.col);
        s->pixel[threadIdx.x] = conv_pixel(&c, &phase, p);
        s->source[threadIdx.x] = {(((int64_t)p.n * c.x.h + row) * c.x.w + col) * c.x.pitch +
                                      (int64_t)blockIdx.y * (c.x.c / c.group),
                                  p.n < c.y.n ? row : -2 * CUDA_CONV_MOST_SIDE, col};
    }
    __syncthreads();

    struct loader l;
    float sum[TM][TN] = {}, x[PIXELS];
    float4 w[FOURS];
    loader_init(&l, &c, &phase, first_out);
    bring<TYPE>(&l, &c, s, x, w);
    for (int64_t k = 0; k < l.k_all; k += BK) {
        const int stage = (int)(k / BK % 2);
        put(s, stage, x, w);
        __syncthreads(); /* the other buffer's readers passed the one before */
        if (k + BK < l.k_all) bring<TYPE>(&l, &c, s, x, w);
        multiply(s, stage, sum);
    }
    const int row = (int)threadIdx.x / (BN / TN) * TM, col = (int)threadIdx.x % (BN / TN) * TN;
#pragma unroll
    for (int i = 0; i < TM; i++)
        if (s->pixel[row + i] >= 0) leave(&c, s->pixel[row + i], first_out + col, sum[i]);
}

extern "C" syn_status cuda_conv_plain(const struct cuda_conv *c, cudaStream_t stream,
                                      struct syn_err *err)
{
    const int64_t pixels = (int64_t)c->y.n * cuda_grid_rows(c, 0) * cuda_grid_cols(c, 0);
    /* the zeros past the last channel may need a block of their own */
    const int32_t outs = c->y.c / c->group + cuda_padded(c->y.c) - c->y.c,
                  blocks_n = (outs + BN - 1) / BN;
    const dim3 grid((unsigned)((pixels + BM - 1) / BM * blocks_n * cuda_conv_phases(c)),
                    (unsigned)c->group);
    const size_t smem = sizeof(struct plain_shared);
    switch (c->x.dtype) {
    case SYN_F16:
        SYN_LAUNCH(conv_plain_kernel<SYN_F16>, grid, THREADS, smem, stream, *c, blocks_n);
        break;
    case SYN_BF16:
        SYN_LAUNCH(conv_plain_kernel<SYN_BF16>, grid, THREADS, smem, stream, *c, blocks_n);
        break;
    default: SYN_LAUNCH(conv_plain_kernel<SYN_F32>, grid, THREADS, smem, stream, *c, blocks_n);
    }
    return syn_cuda_status(err, cudaGetLastError(), "conv plain");
}
