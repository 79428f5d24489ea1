/* conv_mma.cuh - what the convolutions on tensor cores share: a tile of 128 pixels x BN outputs in
 * 4 warps of 32 x BN, a step of K, the ways out.
 *
 * Shared   Steps of K are stored as rows of 32 of K (a pixel's, an output's), 64 bytes, in 4
 *          chunks. Chunk q of row r lies at place q ^ (r>>1 & 3): any 8 rows in a row, as an
 *          ldmatrix reads them, and the 8 threads of a store touch every bank once.
 * Layer:   kernels/cuda; .cu files only. */
#ifndef SYN_CUDA_CONV_MMA_CUH
#define SYN_CUDA_CONV_MMA_CUH

#include "kernels/cuda/conv_device.cuh"
#include "kernels/cuda/ptx.cuh"

enum {
    BM = CUDA_MMA_M,
    BK = CUDA_MMA_K,
    STAGES = 3,
    THREADS = 128,
    WARP_M = 32,        /* pixels of a warp */
    ROW_BYTES = BK * 2, /* a pixel's or an output's */
    OUT_PAD = 8,        /* floats after each row of sums: rows 8 banks apart */
};
static_assert(BM / WARP_M * 32 == THREADS, "warps lie along pixels");

template <class T> struct conv_type;
template <> struct conv_type<__half> {
    static const syn_dtype id = SYN_F16;
    static __device__ __forceinline__ void mma(float *d, const uint32_t *a, const uint32_t *b)
    {
        syn_mma_m16n8k16_f16(d, a, b);
    }
};
template <> struct conv_type<__nv_bfloat16> {
    static const syn_dtype id = SYN_BF16;
    static __device__ __forceinline__ void mma(float *d, const uint32_t *a, const uint32_t *b)
    {
        syn_mma_m16n8k16_bf16(d, a, b);
    }
};

/* The turn of a row is that of the row 8 further: so a thread's places in a stage are one number
 * and distances known when this is compiled, and the chunk 2 further (0 or 1 to 2 or 3) is at
 * place ^ 32. */
static __device__ __forceinline__ int chunk_at(int row, int q)
{
    return row * ROW_BYTES + (q ^ (row >> 1 & 3)) * 16;
}

/* Starts the copies of a step's weights, packed as the stage wants them. from: its beginning. */
template <int BN>
static __device__ __forceinline__ void bring_weights(unsigned char *to, const unsigned char *from)
{
    const int first = (int)threadIdx.x * 16;
#pragma unroll
    for (int at = 0; at < BN * ROW_BYTES; at += THREADS * 16)
        if (at + THREADS * 16 <= BN * ROW_BYTES || at + first < BN * ROW_BYTES)
            syn_cp_async<16>(to + at + first, from + at + first);
}

/* --- multiplying ------------------------------------------------------------------------------ */

/* sum[i][j]: 16 pixels x 8 outputs of the warp, as mma keeps them. from_a[i]: place of this lane's
 * row of pixels i, of chunk 0 or 1 (chunk_at). */
template <class T, int BN>
static __device__ __forceinline__ void multiply(float sum[WARP_M / 16][BN / 8][4],
                                                const unsigned char *pixels, const int from_a[2],
                                                const unsigned char *weights)
{
    const int lane = (int)threadIdx.x % 32;
    const int from_b = chunk_at(lane % 8 + lane / 16 * 8, lane / 8 % 2);
#pragma unroll
    for (int k = 0; k < BK / 8; k += 2) { /* two chunks: 16 of K */
        uint32_t a[WARP_M / 16][4];
#pragma unroll
        for (int i = 0; i < WARP_M / 16; i++)
            syn_ldmatrix_x4(a[i], pixels + (from_a[i] ^ k * 16));
#pragma unroll
        for (int j = 0; j < BN / 8; j += 2) {
            uint32_t b[4]; /* two of 8 outputs */
            syn_ldmatrix_x4(b, weights + (from_b ^ k * 16) + j * 8 * ROW_BYTES);
#pragma unroll
            for (int i = 0; i < WARP_M / 16; i++) {
                conv_type<T>::mma(sum[i][j], a[i], b);
                conv_type<T>::mma(sum[i][j + 1], a[i], b + 2);
            }
        }
    }
}

/* --- the ways out ----------------------------------------------------------------------------- */

/* A warp's sums to the warp's own rows of shared memory: s->sum[pixel][BN + OUT_PAD]. */
template <int BN, class SHARED>
static __device__ __forceinline__ void spread(SHARED *s, const float sum[WARP_M / 16][BN / 8][4])
{
    const int lane = (int)threadIdx.x % 32;
    const int row = (int)threadIdx.x / 32 * WARP_M + lane / 4, col = lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < WARP_M / 16; i++)
#pragma unroll
        for (int j = 0; j < BN / 8; j++) {
            const float *d = sum[i][j];
            *(float2 *)&s->sum[row + i * 16][j * 8 + col] = make_float2(d[0], d[1]);
            *(float2 *)&s->sum[row + i * 16 + 8][j * 8 + col] = make_float2(d[2], d[3]);
        }
}

/* From there, 8 channels at a time, finished to y or as they are to the part's place in partial.
 * s->pixel: of y; -1: none. */
template <int BN, class SHARED>
static __device__ __forceinline__ void leave(const SHARED *s, const struct cuda_conv *c,
                                             int first_channel)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int32_t padded = cuda_padded(c->y.c);
    const int64_t pixels = (int64_t)c->y.n * c->y.h * c->y.w;
    const int32_t channel = first_channel + lane % (BN / 8) * 8;
    if (channel >= padded) return;
#pragma unroll 1
    for (int row = warp * WARP_M + lane / (BN / 8); row < (warp + 1) * WARP_M;
         row += 32 / (BN / 8)) {
        const int64_t pixel = s->pixel[row];
        float v[8];
        if (pixel < 0) continue;
        conv_load<8>(s->sum[row], SYN_F32, channel - first_channel, v);
        if (c->split > 1)
            conv_store<8>(c->partial, SYN_F32, (blockIdx.z * pixels + pixel) * padded + channel, v);
        else
            conv_finish<8>(c, pixel, channel, v);
    }
}

/* --- launches --------------------------------------------------------------------------------- */

/* launch(T(), conv_width<BN>()) for the type of the weights and the outputs in a tile. */
template <int BN> struct conv_width {
    static const int n = BN;
};
template <class T, class F>
static inline syn_status conv_for_width(const struct cuda_conv *c, F launch)
{
    switch (cuda_mma_n(c->y.c)) {
    case 64: return launch(T(), conv_width<64>());
    case 32: return launch(T(), conv_width<32>());
    default: return launch(T(), conv_width<16>());
    }
}
template <class F> static inline syn_status conv_for_form(const struct cuda_conv *c, F launch)
{
    return c->x.dtype == SYN_F16 ? conv_for_width<__half>(c, launch)
                                 : conv_for_width<__nv_bfloat16>(c, launch);
}

#endif
