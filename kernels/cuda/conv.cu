/* conv.cu - convolutions on the tensor cores, f16 and bf16 with f32 sums: implicit GEMM.
 *
 * Maths    Y[m][o] = sum over k of X[m][k] * W[o][k]. m: output pixels of a phase, counted through
 *          images, rows and columns. k: taps, within one input channels in chunks of 8, so that a
 *          chunk is 16 neighbouring bytes of x or lies outside the picture and is zero. The matrix
 *          X exists in shared memory only, a tile at a time. Then bias, activation, alpha,
 *          residuals.
 * Mapping  A block makes 128 pixels x BN outputs with 4 warps of 32 pixels x BN each, mma m16n8k16.
 *          K goes by in steps of 32 through a ring of 3 stages: while one is multiplied two are on
 *          their way by cp.async, each thread bringing one chunk (the same q of the 4 in a step) of
 *          4 pixels and its part of the weights, which lie packed as the stage wants them. Pixels
 *          are taken apart into image, row, column once a block; along K a chunk counter steps
 *          without divisions, and a tap is one distance in x for all pixels.
 *          Chunk q of row r of a stage lies at place q ^ (r>>1 & 3): the 8 rows of an ldmatrix, and
 *          the 8 threads of a store, touch every bank once.
 *          The sums leave through shared memory, so that a thread finishes 8 neighbouring channels
 *          and stores 16 bytes (f16).
 *          Split K: block z sums its part of the steps into `partial`, f32; conv_sum_kernel adds
 *          the parts in their order and finishes. Same bits in every run.
 * Launch   128 threads; grid x = pixels' blocks * blocks of outputs * phases, the last fastest, so
 *          that blocks which read the same pixels run together; z = parts. Shared memory: 39, 33
 *          and 30 KiB for BN = 64, 32 and 16; registers on sm_90 128, 114, 90 (sm_80 128, 116,
 *          94): 4 blocks on a multiprocessor of 164 KiB, 2 of 100 KiB.
 * Roofline 64 -> 64 channels, 3x3, f16, per pixel: 73,728 FLOP; 128 bytes in, 128 out: 288
 *          FLOP/byte (an H100's ridge: 295). 64 -> 32 (RRDB): 36,864 FLOP over 192 bytes: 192. 64
 *          -> 3 as the last layer: 3,456 useful FLOP (18,432 done, BN = 16) over 144 bytes: bound
 *          by memory. From L2 a block of 128 x 64 reads 147 KB of pixels (9 taps) and 74 KB of
 *          weights for 9.4 MFLOP: 43 FLOP/byte; at 5.5 TB/s that is 236 TFLOP/s, below the tensor
 *          cores of an H100.
 * Measured not yet.
 * Tried    nothing on a card. A warp's turn of a step in the SASS of sm_80 (BN = 64): 32 HMMA, 12
 *          LDSM, 6 LDGSTS among some 165 instructions; with places recomputed from row and chunk
 *          ptxas kept 12 addresses more and spilled on sm_90. Where taps lie within 3x3
 *          conv_halo.cu reads L2 half as much.
 * Tests    tests/cuda/test_conv*.cu against kernels/ops. No spills, HMMA, LDGSTS.128 and LDSM in
 *          the SASS of sm_80. bf16 needs sm_80; below, copies are synchronous (ptx.cuh). */
#include "kernels/cuda/conv_mma.cuh"

enum {
    ROWS = BM / (THREADS / 4), /* pixels of which a thread brings a chunk */
    SUM_THREADS = 256
};
static_assert(BM == THREADS, "a thread takes one pixel apart");

/* --- shared memory ---------------------------------------------------------------------------- */

struct source {      /* of an output pixel */
    int64_t at;      /* elements from x to input pixel (row, col), which may lie outside */
    int32_t row, col;
};
template <int BN> struct conv_shared {
    union {
        struct {
            unsigned char pixels[BM * ROW_BYTES], weights[BN * ROW_BYTES];
        } stage[STAGES];
        float sum[BM][BN + OUT_PAD];
    };
    struct source source[BM];
    int64_t pixel[BM]; /* of y; -1: none */
};

/* --- bringing a step of K --------------------------------------------------------------------- */

/* What a thread knows of the stages that it fills. */
struct loader {
    int64_t at[ROWS];
    int32_t row[ROWS], col[ROWS];
    const struct cuda_tap *taps;
    struct cuda_tap next;        /* of the next chunk, read a step ahead of its use */
    int32_t tap, n_taps;         /* its number; n_taps and more: past K */
    int32_t chunk, chunks;       /* of the next chunk in its tap, of x */
    int32_t step_taps, step_chunks; /* 4 chunks further */
    const unsigned char *weights; /* of the next step */
    int32_t to;                  /* place of its first chunk of pixels in a stage */
};

static __device__ __forceinline__ void read_tap(struct loader *l)
{
    if (l->tap < l->n_taps) l->next = l->taps[l->tap];
}

template <int BN>
static __device__ __forceinline__ void loader_init(struct loader *l, const struct cuda_conv *c,
                                                   const struct cuda_phase *phase,
                                                   const struct conv_shared<BN> *s, int block_n,
                                                   int64_t first_step)
{
    const int q = (int)threadIdx.x % 4;
    const int64_t chunk = first_step * (BK / 8) + q;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const struct source from = s->source[threadIdx.x / 4 + i * (THREADS / 4)];
        l->at[i] = from.at, l->row[i] = from.row, l->col[i] = from.col;
    }
    l->chunks = cuda_conv_chunks(c->x.c);
    l->taps = (const struct cuda_tap *)((const struct cuda_phase *)c->weights +
                                        cuda_conv_phases(c)) + phase->first_tap;
    l->n_taps = phase->n_taps;
    l->tap = (int32_t)(chunk / l->chunks);
    l->chunk = (int32_t)(chunk % l->chunks);
    l->step_taps = BK / 8 / l->chunks;
    l->step_chunks = BK / 8 % l->chunks;
    l->weights = (const unsigned char *)c->weights + phase->weights +
                 (block_n * phase->k_steps + first_step) * (BN * ROW_BYTES);
    l->to = chunk_at((int)threadIdx.x / 4, q);
    l->next = {0, 0};
    read_tap(l);
}

/* Starts the copies of the next step into a stage. */
template <class T, int BN>
static __device__ __forceinline__ void bring(struct loader *l, const struct cuda_conv *c,
                                             unsigned char *pixels, unsigned char *weights)
{
    const bool live = l->tap < l->n_taps; /* else zeros */
    const struct cuda_tap tap = l->next;
    const T *x = (const T *)c->x.data;
    const int64_t delta = ((int64_t)tap.dy * c->x.w + tap.dx) * c->x.pitch + l->chunk * 8;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        const bool inside = live && conv_inside(l->row[i] + tap.dy, c->x.h) &&
                            conv_inside(l->col[i] + tap.dx, c->x.w);
        syn_cp_async<16>(pixels + l->to + i * (THREADS / 4) * ROW_BYTES,
                         x + (inside ? l->at[i] + delta : 0), inside ? 16 : 0);
    }
    bring_weights<BN>(weights, l->weights);
    l->weights += BN * ROW_BYTES;
    l->tap += l->step_taps;
    l->chunk += l->step_chunks;
    if (l->chunk >= l->chunks) l->chunk -= l->chunks, l->tap++;
    read_tap(l);
}

/* --- multiplying ------------------------------------------------------------------------------ */

/* All steps from first to end. In turn `now`, step now lies in stage now % 3 and the two after it
 * are on their way; the barrier says both that everybody's part of this step has come and that
 * nobody reads the stage of the step before it any more, which the next copies fill. */
template <class T, int BN>
static __device__ __forceinline__ void sum_steps(float sum[WARP_M / 16][BN / 8][4],
                                                 struct conv_shared<BN> *s, struct loader *l,
                                                 const struct cuda_conv *c, int64_t first,
                                                 int64_t end)
{
    const int lane = (int)threadIdx.x % 32, pixel = (int)threadIdx.x / 32 * WARP_M + lane % 16;
    const int from_a[2] = {chunk_at(pixel, lane / 16), chunk_at(pixel + 16, lane / 16)};
    int fill = 0, use = 0;
    for (; fill < STAGES - 1; fill++) {
        if (first + fill < end) bring<T, BN>(l, c, s->stage[fill].pixels, s->stage[fill].weights);
        syn_cp_async_commit();
    }
    for (int64_t now = first; now < end; now++) {
        syn_cp_async_wait<STAGES - 2>();
        __syncthreads();
        if (now + STAGES - 1 < end)
            bring<T, BN>(l, c, s->stage[fill].pixels, s->stage[fill].weights);
        syn_cp_async_commit(); /* empty ones too: the wait counts groups */
        multiply<T, BN>(sum, s->stage[use].pixels, from_a, s->stage[use].weights);
        fill = fill == STAGES - 1 ? 0 : fill + 1;
        use = use == STAGES - 1 ? 0 : use + 1;
    }
}

template <class T, int BN>
static __global__ void __launch_bounds__(
    THREADS, SYN_PTX_SM75 ? 1 : 4) conv_mma_kernel(
    const __grid_constant__ struct cuda_conv c, int32_t blocks_n)
{
    SYN_SHARED(struct conv_shared<BN>, s);
    const uint32_t phases = (uint32_t)cuda_conv_phases(&c), at = blockIdx.x / phases;
    const struct cuda_phase phase = ((const struct cuda_phase *)c.weights)[blockIdx.x % phases];
    const int block_n = (int)(at % (uint32_t)blocks_n);
    const struct conv_tile tile = conv_tile_at(&c, &phase, (int64_t)(at / (uint32_t)blocks_n) * BM);
    if (tile.n0 >= c.y.n) return; /* phases differ by a row or column */

    const struct conv_place place = conv_place_of(&tile, threadIdx.x);
    const int32_t row = conv_in_row(&c, place.row), col = conv_in_col(&c, place.col);
    s->pixel[threadIdx.x] = conv_pixel(&c, &phase, place);
    s->source[threadIdx.x] = {(((int64_t)place.n * c.x.h + row) * c.x.w + col) * c.x.pitch,
                              place.n < c.y.n ? row : -2 * CUDA_CONV_MOST_SIDE, col};
    __syncthreads();

    const int64_t first = phase.k_steps * blockIdx.z / gridDim.z,
                  end = phase.k_steps * (blockIdx.z + 1) / gridDim.z;
    struct loader l;
    float sum[WARP_M / 16][BN / 8][4] = {};
    loader_init<BN>(&l, &c, &phase, s, block_n, first);
    sum_steps<T, BN>(sum, s, &l, &c, first, end);
    __syncthreads(); /* the sums take the stages' place */
    spread<BN>(s, sum);
    __syncwarp();
    leave<BN>(s, &c, block_n * BN);
}

/* One thread = 8 channels of a pixel. */
static __global__ void __launch_bounds__(SUM_THREADS) conv_sum_kernel(
    const __grid_constant__ struct cuda_conv c)
{
    const int32_t chunks = cuda_conv_chunks(c.y.c);
    const int64_t all = (int64_t)c.y.n * c.y.h * c.y.w * chunks;
    const int64_t at = (int64_t)blockIdx.x * SUM_THREADS + threadIdx.x;
    float sum[8], part[8];
    if (at >= all) return;
    conv_load<8>(c.partial, SYN_F32, at * 8, sum);
    for (int32_t z = 1; z < c.split; z++) {
        conv_load<8>(c.partial, SYN_F32, (z * all + at) * 8, part);
        for (int i = 0; i < 8; i++) sum[i] += part[i];
    }
    conv_finish<8>(&c, at / chunks, (int32_t)(at % chunks) * 8, sum);
}

/* --- launches --------------------------------------------------------------------------------- */

template <class T, int BN>
static syn_status launch(const struct cuda_conv *c, cudaStream_t stream, struct syn_err *err)
{
    const int64_t pixels = (int64_t)c->y.n * cuda_grid_rows(c, 0) * cuda_grid_cols(c, 0);
    const int32_t blocks_n = (c->y.c + BN - 1) / BN;
    const dim3 grid((unsigned)((pixels + BM - 1) / BM * blocks_n * cuda_conv_phases(c)), 1,
                    (unsigned)c->split);
    SYN_LAUNCH((conv_mma_kernel<T, BN>), grid, THREADS, sizeof(struct conv_shared<BN>), stream, *c,
               blocks_n);
    return syn_cuda_status(err, cudaGetLastError(), "conv mma");
}

extern "C" syn_status cuda_conv_mma(const struct cuda_conv *c, cudaStream_t stream,
                                    struct syn_err *err)
{
    const syn_status st = conv_for_form(c, [&](auto type, auto width) {
        return launch<decltype(type), decltype(width)::n>(c, stream, err);
    });
    if (st != SYN_OK || c->split <= 1) return st;
    const int64_t threads = (int64_t)c->y.n * c->y.h * c->y.w * cuda_conv_chunks(c->y.c);
    SYN_LAUNCH(conv_sum_kernel, dim3((unsigned)((threads + SUM_THREADS - 1) / SUM_THREADS)),
               SUM_THREADS, 0, stream, *c);
    return syn_cuda_status(err, cudaGetLastError(), "conv sum of parts");
}
