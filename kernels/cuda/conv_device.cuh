/* conv_device.cuh - what the convolution kernels share: which pixel, numbers in and out, the
 * epilogue.
 *
 * Layer:   kernels/cuda; .cu files only.
 * Threads: every function is one thread's own work. */
#ifndef SYN_CUDA_CONV_DEVICE_CUH
#define SYN_CUDA_CONV_DEVICE_CUH

#include "kernels/cuda/conv_phase.h"
#include "kernels/cuda/element.cuh"
#include "kernels/cuda/launch.h"

/* --- pixels ---------------------------------------------------------------------------------- */

/* A run of pixels on a phase's grid, counted through rows, columns and images; the same in all of a
 * block. */
struct conv_tile {
    uint32_t cols, plane; /* of the grid; plane 0: the phase has no pixels */
    int32_t n0;           /* image of the tile's first pixel */
    uint32_t rest0;       /* its place in that image */
};
struct conv_place {
    int32_t n, row, col;  /* on the grid; n >= y.n: past the end */
};

static __device__ __forceinline__ struct conv_tile conv_tile_at(const struct cuda_conv *c,
                                                                const struct cuda_phase *phase,
                                                                int64_t first)
{
    struct conv_tile t;
    t.cols = (uint32_t)cuda_grid_cols(c, phase->col0);
    t.plane = t.cols * (uint32_t)cuda_grid_rows(c, phase->row0);
    t.n0 = t.plane ? (int32_t)(first / t.plane) : c->y.n;
    t.rest0 = t.plane ? (uint32_t)(first % t.plane) : 0;
    return t;
}

static __device__ __forceinline__ struct conv_place conv_place_of(const struct conv_tile *t,
                                                                  uint32_t pixel)
{
    const uint32_t rest = t->rest0 + pixel, image = rest / t->plane, at = rest - image * t->plane;
    const uint32_t row = at / t->cols;
    return {t->n0 + (int32_t)image, (int32_t)row, (int32_t)(at - row * t->cols)};
}

/* Of y, counted through images, rows and columns; -1 past the end. */
static __device__ __forceinline__ int64_t conv_pixel(const struct cuda_conv *c,
                                                     const struct cuda_phase *phase,
                                                     struct conv_place p)
{
    const int32_t y = p.row * cuda_step_h(c) + phase->row0,
                  x = p.col * cuda_step_w(c) + phase->col0;
    return p.n < c->y.n ? ((int64_t)p.n * c->y.h + y) * c->y.w + x : -1;
}

static __device__ __forceinline__ int32_t conv_in_row(const struct cuda_conv *c, int32_t row)
{
    return c->transposed ? row : row * c->stride_h;
}
static __device__ __forceinline__ int32_t conv_in_col(const struct cuda_conv *c, int32_t col)
{
    return c->transposed ? col : col * c->stride_w;
}
static __device__ __forceinline__ bool conv_inside(int32_t i, int32_t size)
{
    return (uint32_t)i < (uint32_t)size;
}

/* --- numbers: N = 1, 4 or 8 neighbours, aligned to what they fill ----------------------------- */

/* Not element.cuh's eight: by these ptxas holds two registers less in sm_120's depthwise kernel, a
 * block more on each multiprocessor. */

template <int WORDS> struct conv_words;
template <> struct conv_words<1> { typedef uint32_t type; };
template <> struct conv_words<2> { typedef uint2 type; };
template <> struct conv_words<4> { typedef uint4 type; };

static __device__ __forceinline__ void conv_unpack(syn_dtype type, uint32_t word, float *v)
{
    if (type == SYN_F16) {
        __half2 h;
        memcpy(&h, &word, sizeof h);
        const float2 f = __half22float2(h);
        v[0] = f.x, v[1] = f.y;
    } else {
        v[0] = __uint_as_float(word << 16), v[1] = __uint_as_float(word & 0xffff0000u);
    }
}

static __device__ __forceinline__ uint32_t conv_pack2(syn_dtype type, float a, float b)
{
    uint32_t word;
    if (type == SYN_F16) {
        const __half2 h = __floats2half2_rn(a, b);
        memcpy(&word, &h, sizeof word);
    } else {
        const __nv_bfloat162 h = __floats2bfloat162_rn(a, b);
        memcpy(&word, &h, sizeof word);
    }
    return word;
}

template <int N>
static __device__ __forceinline__ void conv_load(const void *from, syn_dtype type, int64_t at,
                                                 float *v)
{
    if (type == SYN_F32) {
        const float *f = (const float *)from + at;
        if (N == 1) {
            v[0] = *f;
        } else {
            for (int i = 0; i < N; i += 4) {
                const float4 four = *(const float4 *)(f + i);
                v[i] = four.x, v[i + 1] = four.y, v[i + 2] = four.z, v[i + 3] = four.w;
            }
        }
    } else if (N == 1) {
        float two[2];
        conv_unpack(type, ((const uint16_t *)from)[at], two);
        v[0] = two[0];
    } else {
        uint32_t word[N / 2 + (N == 1)];
        const typename conv_words<N / 2 + (N == 1)>::type all =
            *(const typename conv_words<N / 2 + (N == 1)>::type *)((const uint16_t *)from + at);
        memcpy(word, &all, sizeof all);
        for (int i = 0; i + 1 < N; i += 2) conv_unpack(type, word[i / 2], v + i);
    }
}

template <int N>
static __device__ __forceinline__ void conv_store(void *to, syn_dtype type, int64_t at,
                                                  const float *v)
{
    if (type == SYN_F32) {
        float *f = (float *)to + at;
        if (N == 1) {
            *f = v[0];
        } else {
            for (int i = 0; i < N; i += 4)
                *(float4 *)(f + i) = make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]);
        }
    } else if (N == 1) {
        ((uint16_t *)to)[at] = (uint16_t)conv_pack2(type, v[0], 0);
    } else {
        uint32_t word[N / 2 + (N == 1)];
        typename conv_words<N / 2 + (N == 1)>::type all;
        for (int i = 0; i + 1 < N; i += 2) word[i / 2] = conv_pack2(type, v[i], v[i + 1]);
        memcpy(&all, word, sizeof all);
        *(typename conv_words<N / 2 + (N == 1)>::type *)((uint16_t *)to + at) = all;
    }
}

/* --- the epilogue ----------------------------------------------------------------------------- */

/* v: sums of N neighbouring channels of a pixel, from `channel` on, which is a multiple of N below
 * y.c rounded up to 8. Writes y there, zeros past y.c. */
template <int N>
static __device__ __forceinline__ void conv_finish(const struct cuda_conv *c, int64_t pixel,
                                                   int32_t channel, float *v)
{
    float other[N];
    if (c->bias) {
        conv_load<N>(c->bias, SYN_F32, channel, other);
        for (int i = 0; i < N; i++) v[i] += other[i];
    }
    if (c->act == SYN_ACT_PRELU) {
        conv_load<N>(c->slope, SYN_F32, channel, other);
        for (int i = 0; i < N; i++) v[i] = v[i] < 0 ? other[i] * v[i] : v[i];
    } else if (c->act != SYN_ACT_NONE) {
        for (int i = 0; i < N; i++) v[i] = cuda_act1(c->act, v[i], c->act_a, c->act_b, 0);
    }
    for (int i = 0; i < N; i++) v[i] *= c->alpha;
    if (c->res1.data) {
        conv_load<N>(c->res1.data, c->res1.dtype, pixel * c->res1.pitch + channel, other);
        for (int i = 0; i < N; i++) v[i] += c->beta1 * other[i];
    }
    if (c->res2.data) {
        conv_load<N>(c->res2.data, c->res2.dtype, pixel * c->res2.pitch + channel, other);
        for (int i = 0; i < N; i++) v[i] += c->beta2 * other[i];
    }
    for (int i = 0; i < N; i++)
        if (channel + i >= c->y.c) v[i] = 0;
    conv_store<N>(c->y.data, c->y.dtype, pixel * c->y.pitch + channel, v);
}

#endif
