/* conv_halo.cu - convolutions on the tensor cores whose taps lie within 3x3: pixels come once.
 *
 * Maths    As conv.cu; K runs over blocks of 32 input channels and within one over taps. 16-bit
 *          products, f32 sums.
 * Mapping  A block makes 8 rows x 16 columns of a phase's grid x BN outputs. Of each 32 channels
 *          the 10 x 18 input pixels that its taps see lie in shared memory once, and a tap is a
 *          distance between rows there: the 16 pixels of an mma are 16 columns, their rows of 32
 *          channels 64 bytes apart, so ldmatrix takes them from any corner without a conflict of
 *          banks. Weights go by as in conv.cu, a ring of 3 steps; while the taps of a block of
 *          channels are multiplied the pixels of the next come into the other of two buffers, all
 *          of them along with the weights of the block's third step. Where x has no pixel, or taps
 *          of this phase do not reach, zeros come.
 * Launch   128 threads; grid x = tiles * blocks of outputs * phases, the last fastest: four phases
 *          of an upsampling read the same pixels at the same time. 39, 31 and 28 KiB shared memory
 *          for BN = 64, 32, 16; registers on sm_90 126, 105, 80: 4 blocks on a multiprocessor of
 *          164 KiB.
 * Roofline as conv.cu in memory. From L2 a block of 128 x 64 for 64 channels reads 23 KB of pixels
 *          and 74 KB of weights for 9.4 MFLOP: 97 FLOP/byte (conv.cu 43); 128 x 32, as RRDB's
 *          layers are, 23 + 37 KB for 4.7 MFLOP: 79 (conv.cu 26).
 * Measured not yet.
 * Tried    nothing on a card. Next: 16x16 pixels a block halves the weights' share.
 * Tests    tests/cuda/test_conv_halo.cu against kernels/ops. No spills, HMMA, LDGSTS.128 and LDSM
 *          in the SASS. bf16 needs sm_80. */
#include "kernels/cuda/conv_mma.cuh"

enum {
    TILE_ROWS = CUDA_HALO_ROWS,
    TILE_COLS = CUDA_HALO_COLS,
    HALO_ROWS = TILE_ROWS + CUDA_HALO_REACH,
    HALO_COLS = TILE_COLS + CUDA_HALO_REACH,
    HALO = HALO_ROWS * HALO_COLS
};
static_assert(TILE_ROWS * TILE_COLS == BM && BM == THREADS, "a thread takes one pixel apart");
static_assert(TILE_COLS == 16, "an mma's pixels are a row");

template <int BN> struct halo_shared {
    union {
        struct {
            unsigned char pixels[2][HALO * ROW_BYTES], weights[STAGES][BN * ROW_BYTES];
        } ring;
        float sum[BM][BN + OUT_PAD];
    };
    int64_t source[HALO]; /* elements from x to its pixel; -1: zeros */
    int64_t pixel[BM];    /* of y; -1: none */
};

struct halo_tile {
    int32_t n, row, col;  /* the first pixel, on the phase's grid */
};

/* --- what comes ------------------------------------------------------------------------------- */

template <int BN>
static __device__ __forceinline__ void find_pixels(struct halo_shared<BN> *s,
                                                   const struct cuda_conv *c,
                                                   const struct cuda_phase *phase,
                                                   struct halo_tile tile)
{
    const struct conv_place p = {tile.n, tile.row + (int32_t)threadIdx.x / TILE_COLS,
                                 tile.col + (int32_t)threadIdx.x % TILE_COLS};
    const bool there = p.row < cuda_grid_rows(c, phase->row0) &&
                       p.col < cuda_grid_cols(c, phase->col0);
    s->pixel[threadIdx.x] = there ? conv_pixel(c, phase, p) : -1;
    for (int i = (int)threadIdx.x; i < HALO; i += THREADS) {
        const int32_t row = tile.row + phase->dy + i / HALO_COLS,
                      col = tile.col + phase->dx + i % HALO_COLS;
        const bool inside = conv_inside(row, c->x.h) && conv_inside(col, c->x.w) &&
                            i / HALO_COLS < TILE_ROWS + phase->rows &&
                            i % HALO_COLS < TILE_COLS + phase->cols;
        s->source[i] = inside ? (((int64_t)tile.n * c->x.h + row) * c->x.w + col) * c->x.pitch : -1;
    }
}

/* Starts the copies of 32 channels of all pixels. */
template <class T, int BN>
static __device__ __forceinline__ void bring_pixels(struct halo_shared<BN> *s,
                                                    const struct cuda_conv *c, int32_t block)
{
    const int q = (int)threadIdx.x % 4;
    const int32_t channel = block * BK + q * 8;
    const bool live = channel < c->x.c;
    unsigned char *to = s->ring.pixels[block % 2];
    for (int i = (int)threadIdx.x / 4; i < HALO; i += THREADS / 4) {
        const int64_t at = live ? s->source[i] : -1;
        syn_cp_async<16>(to + chunk_at(i, q), (const T *)c->x.data + (at >= 0 ? at + channel : 0),
                         at >= 0 ? 16 : 0);
    }
}

/* --- multiplying ------------------------------------------------------------------------------ */

/* Where in the pixels' buffer a tap begins. */
static __device__ __forceinline__ int begin_of(const struct cuda_phase *phase, struct cuda_tap tap)
{
    return (tap.dy - phase->dy) * HALO_COLS + tap.dx - phase->dx;
}

/* Invariants of conv.cu's sum_steps, and: the pixels of a block of channels are committed with the
 * weights two steps after the block before begins, so they have come when it ends (phases have two
 * taps at least); they go where the block before that was, which everybody has left. */
template <class T, int BN>
static __device__ __forceinline__ void sum_steps(float sum[WARP_M / 16][BN / 8][4],
                                                 struct halo_shared<BN> *s,
                                                 const struct cuda_conv *c,
                                                 const struct cuda_phase *phase,
                                                 const struct cuda_tap *taps,
                                                 const unsigned char *weights)
{
    const int lane = (int)threadIdx.x % 32;
    const int pixel = (int)threadIdx.x / 32 * (WARP_M / TILE_COLS) * HALO_COLS + lane % 16;
    const int32_t steps = (int32_t)phase->k_steps, blocks = (c->x.c + BK - 1) / BK;
    int32_t fill = 0, use = 0, tap = 0, block = 0;
    int begin = begin_of(phase, taps[0]);
    bring_pixels<T, BN>(s, c, 0);
    for (; fill < STAGES - 1; fill++, weights += BN * ROW_BYTES) {
        bring_weights<BN>(s->ring.weights[fill], weights);
        syn_cp_async_commit();
    }
    for (int32_t now = 0; now < steps; now++) {
        const int first = pixel + begin;
        const int from[2] = {chunk_at(first, lane / 16), chunk_at(first + HALO_COLS, lane / 16)};
        const unsigned char *pixels = s->ring.pixels[block % 2];
        syn_cp_async_wait<STAGES - 2>();
        __syncthreads();
        if (now + STAGES - 1 < steps) bring_weights<BN>(s->ring.weights[fill], weights);
        if (tap == 0 && block + 1 < blocks) bring_pixels<T, BN>(s, c, block + 1);
        syn_cp_async_commit(); /* empty ones too: the wait counts groups */
        weights += BN * ROW_BYTES;
        if (++tap == phase->n_taps) tap = 0, block++;
        begin = begin_of(phase, taps[tap]); /* of the next step: on its way meanwhile */
        multiply<T, BN>(sum, pixels, from, s->ring.weights[use]);
        fill = fill == STAGES - 1 ? 0 : fill + 1;
        use = use == STAGES - 1 ? 0 : use + 1;
    }
}

template <class T, int BN>
static __global__ void __launch_bounds__(
    THREADS, SYN_PTX_SM75 ? 1 : 4) conv_halo_kernel(const __grid_constant__ struct cuda_conv c,
                                                    int32_t blocks_n, int32_t tiles_h,
                                                    int32_t tiles_w)
{
    SYN_SHARED(struct halo_shared<BN>, s);
    const struct cuda_phase *phases = (const struct cuda_phase *)c.weights;
    const uint32_t n_phases = (uint32_t)cuda_conv_phases(&c), at = blockIdx.x / n_phases,
                   tile = at / (uint32_t)blocks_n, row = tile / (uint32_t)tiles_w;
    const struct cuda_phase phase = phases[blockIdx.x % n_phases];
    const int block_n = (int)(at % (uint32_t)blocks_n);
    find_pixels<BN>(s, &c, &phase,
                    {(int32_t)(row / (uint32_t)tiles_h),
                     (int32_t)(row % (uint32_t)tiles_h) * TILE_ROWS,
                     (int32_t)(tile % (uint32_t)tiles_w) * TILE_COLS});
    __syncthreads();

    float sum[WARP_M / 16][BN / 8][4] = {};
    sum_steps<T, BN>(sum, s, &c, &phase, (const struct cuda_tap *)(phases + n_phases) +
                                             phase.first_tap,
                     (const unsigned char *)c.weights + phase.weights +
                         block_n * phase.k_steps * (BN * ROW_BYTES));
    __syncthreads(); /* the sums take the ring's place */
    spread<BN>(s, sum);
    __syncwarp();
    leave<BN>(s, &c, block_n * BN);
}

/* --- launches --------------------------------------------------------------------------------- */

template <class T, int BN>
static syn_status launch(const struct cuda_conv *c, cudaStream_t stream, struct syn_err *err)
{
    const int32_t tiles_h = (cuda_grid_rows(c, 0) + TILE_ROWS - 1) / TILE_ROWS,
                  tiles_w = (cuda_grid_cols(c, 0) + TILE_COLS - 1) / TILE_COLS,
                  blocks_n = (c->y.c + BN - 1) / BN;
    const int64_t blocks = (int64_t)c->y.n * tiles_h * tiles_w * blocks_n * cuda_conv_phases(c);
    SYN_LAUNCH((conv_halo_kernel<T, BN>), dim3((unsigned)blocks), THREADS,
               sizeof(struct halo_shared<BN>), stream, *c, blocks_n, tiles_h, tiles_w);
    return syn_cuda_status(err, cudaGetLastError(), "conv halo");
}

extern "C" syn_status cuda_conv_halo(const struct cuda_conv *c, cudaStream_t stream,
                                     struct syn_err *err)
{
    return conv_for_form(c, [&](auto type, auto width) {
        return launch<decltype(type), decltype(width)::n>(c, stream, err);
    });
}
