/* norm.cu - group and instance normalisation with scale, shift, activation and residual. Contract:
 * kernels.h.
 *
 * Maths    y = act((x - mean) * (scale / sqrt(var + epsilon)) + bias) + res. A part of the numbers
 *          is (n, mean, m2), m2 = sum of (x - mean)^2: adding one number is Welford's step, joining
 *          two parts Chan's formula; E[x^2] - E[x]^2 would cancel where the mean is large beside
 *          the spread. x - mean is taken before the product for the same reason.
 * Mapping  Moments: a thread has 8 channels of a slab's every by-th pixel (one division a pixel), a
 *          block joins its threads as a tree over by: one part for each channel and slab. Finish: a
 *          block = a group of a picture; its threads fold every 256th part, then join as a tree.
 *          Apply: a thread has 8 channels of some 16 pixels, so that the constants of its channels
 *          are read once for all of them.
 * Launch   up to 256 threads; grid x = n * chunks * slabs, n * groups, n * chunks * slabs. Shared
 *          memory 17 and 3 KiB. sm_90: 55 to 62, 29, 64 to 69 registers.
 * Order    Fixed by the shape: two runs are bitwise equal, on any card.
 * Roofline bytes = 2x + y (+ res): f16 [128,512,512] moves 201 MB: 0.060 ms at an H100's 3.35 TB/s;
 *          parts are at most 512 slabs: 0.5 MB. About 6 flops an element and pass: memory-bound.
 * Measured not yet.
 * Tried    nothing yet.
 * Tests    tests/cuda/test_norm.cu against the reference of CHANNEL_NORM and sums in double. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"

enum { EACH = 32, APPLY_EACH = 16, SLABS = 512 }; /* pixels of a thread, most slabs */

struct part {
    float n, mean, m2;
};
static __device__ __forceinline__ struct part join(struct part a, struct part b)
{
    const float n = a.n + b.n;
    if (b.n == 0) return a;
    const float gap = b.mean - a.mean, share = b.n / n;
    return {n, a.mean + gap * share, a.m2 + b.m2 + gap * gap * share * a.n};
}

/* --- moments --------------------------------------------------------------------------------- */

/* Welford over the pixels from, from + step ...; returns how many they were. */
template <class T>
static __device__ __forceinline__ float fold(const T *x, int64_t from, int64_t to, int32_t step,
                                             int32_t pitch, float mean[CUDA_LANES],
                                             float m2[CUDA_LANES])
{
    float n = 0;
#pragma unroll 2
    for (int64_t i = from; i < to; i += step) {
        float v[CUDA_LANES];
        cuda_load8(x + i * pitch, v);
        n += 1;
        const float share = 1 / n;
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++) {
            const float gap = v[k] - mean[k];
            mean[k] += gap * share;
            m2[k] += gap * (v[k] - mean[k]);
        }
    }
    return n;
}

/* partial[n][part][channel] = (mean, m2) of a slab. */
template <class T>
static __global__ void __launch_bounds__(CUDA_BLOCK, 3)
    moments_kernel(struct cuda_view x, const __grid_constant__ struct cuda_slabs s,
                   float2 *__restrict__ partial)
{
    __shared__ float2 parts[CUDA_LANES][CUDA_BLOCK];
    __shared__ float counts[CUDA_BLOCK];
    const struct cuda_slab at = cuda_slab_here(&s);
    const int me = (int)(threadIdx.y * blockDim.x + threadIdx.x), row = (int)threadIdx.y;
    const bool here = at.group < s.groups;
    float mean[CUDA_LANES] = {}, m2[CUDA_LANES] = {};
    const T *from = (const T *)x.data + at.n * s.pixels * x.pitch + (int64_t)at.group * CUDA_LANES;
    counts[me] = here ? fold(from, at.from + row, at.to, s.by, x.pitch, mean, m2) : 0;
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) parts[k][me] = make_float2(mean[k], m2[k]);
    int step = 1;
    while (step < s.by) step *= 2;
    for (step /= 2; step > 0; step /= 2) {
        __syncthreads();
        if (row >= step || row + step >= s.by) continue;
        const int other = me + step * (int)blockDim.x;
        const float n = counts[me], more = counts[other];
#pragma unroll
        for (int k = 0; k < CUDA_LANES; k++) {
            const float2 a = parts[k][me], b = parts[k][other];
            const struct part both = join({n, a.x, a.y}, {more, b.x, b.y});
            parts[k][me] = make_float2(both.mean, both.m2);
        }
        counts[me] = n + more;
    }
    if (row > 0 || !here) return;
    float2 *to = partial + (((int64_t)at.n * s.parts + at.part) * s.groups + at.group) * CUDA_LANES;
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) to[k] = parts[k][me];
}

/* stats[n][group] = (mean, 1/sqrt(var + epsilon)); of: channels of a group. */
static __global__ void __launch_bounds__(CUDA_BLOCK)
    finish_kernel(const float2 *__restrict__ partial, const __grid_constant__ struct cuda_slabs s,
                  int32_t norm_groups, int32_t of, float epsilon, float2 *__restrict__ stats)
{
    __shared__ struct part parts[CUDA_BLOCK];
    const int32_t n = (int32_t)blockIdx.x / norm_groups, group = (int32_t)blockIdx.x % norm_groups;
    const int me = (int)threadIdx.x;
    struct part sum = {0, 0, 0};
    for (int32_t i = me; i < s.parts * of; i += CUDA_BLOCK) {
        const int32_t part = i / of;
        const int64_t left = s.pixels - part * s.per_part;
        const float2 p = partial[((int64_t)n * s.parts + part) * s.groups * CUDA_LANES +
                                 group * of + i % of];
        sum = join(sum, {(float)(left < s.per_part ? left : s.per_part), p.x, p.y});
    }
    parts[me] = sum;
    for (int step = CUDA_BLOCK / 2; step > 0; step /= 2) {
        __syncthreads();
        if (me < step) parts[me] = join(parts[me], parts[me + step]);
    }
    if (me > 0) return;
    sum = parts[0];
    stats[blockIdx.x] = make_float2(sum.mean, 1 / sqrtf(sum.m2 / sum.n + epsilon));
}

/* --- apply ----------------------------------------------------------------------------------- */

struct constants { /* of 8 channels */
    float mean[CUDA_LANES], factor[CUDA_LANES], bias[CUDA_LANES];
};
static __device__ __forceinline__ void constants_of(const struct cuda_group_norm *p,
                                                    const float2 *stats, int32_t n, int32_t g,
                                                    struct constants *k)
{
    const int32_t of = p->x.c / p->groups;
    const int64_t first = p->per_image ? (int64_t)n * p->x.c : 0;
#pragma unroll
    for (int i = 0; i < CUDA_LANES; i++) {
        const int32_t c = g * CUDA_LANES + i;
        const bool there = c < p->x.c;
        const float2 s = there ? stats[(int64_t)n * p->groups + c / of] : make_float2(0, 0);
        k->mean[i] = s.x;
        k->factor[i] = there && p->scale ? s.y * p->scale[first + c] : s.y;
        k->bias[i] = there && p->bias ? p->bias[first + c] : 0;
    }
}

template <class T>
static __global__ void __launch_bounds__(CUDA_BLOCK, 3)
    apply_kernel(const __grid_constant__ struct cuda_group_norm p,
                 const __grid_constant__ struct cuda_slabs s, const float2 *__restrict__ stats)
{
    const struct cuda_slab at = cuda_slab_here(&s);
    const float none[CUDA_LANES] = {};
    struct constants k;
    if (at.group >= s.groups) return;
    constants_of(&p, stats, at.n, at.group, &k);
    for (int64_t i = at.from + threadIdx.y; i < at.to; i += s.by) {
        const int64_t pixel = at.n * s.pixels + i;
        float v[CUDA_LANES], more[CUDA_LANES] = {};
        cuda_load8((const T *)p.x.data + pixel * p.x.pitch + (int64_t)at.group * CUDA_LANES, v);
        if (p.res.data)
            cuda_load8(p.res.data, p.res.dtype,
                       pixel * p.res.pitch + (int64_t)at.group * CUDA_LANES, more);
#pragma unroll
        for (int c = 0; c < CUDA_LANES; c++) v[c] = (v[c] - k.mean[c]) * k.factor[c] + k.bias[c];
        cuda_act8(p.act, v, p.act_a, p.act_b, none);
#pragma unroll
        for (int c = 0; c < CUDA_LANES; c++) v[c] += more[c];
        cuda_store_channels(&p.y, pixel * p.y.pitch, at.group, v);
    }
}

/* --- the host's half ------------------------------------------------------------------------- */

/* Floats of the parts; behind them lie the statistics. */
static size_t parts_floats(const struct cuda_view *x, const struct cuda_slabs *s)
{
    return (size_t)x->n * (size_t)s->parts * (size_t)s->groups * CUDA_LANES * 2;
}

extern "C" size_t cuda_group_norm_scratch(const struct cuda_group_norm *p)
{
    const struct cuda_slabs s = cuda_slabs_of(&p->x, EACH, SLABS);
    return (parts_floats(&p->x, &s) + (size_t)p->x.n * (size_t)p->groups * 2) * sizeof(float);
}

extern "C" syn_status cuda_group_norm_launch(const struct cuda_group_norm *p, cudaStream_t stream,
                                             struct syn_err *err)
{
    const struct cuda_slabs s = cuda_slabs_of(&p->x, EACH, SLABS),
                            a = cuda_slabs_of(&p->x, APPLY_EACH, 0x7fffffff);
    const int64_t groups = (int64_t)p->x.n * p->groups, of = p->x.c / p->groups;
    int64_t most = s.blocks > a.blocks ? s.blocks : a.blocks;
    if (most < groups) most = groups;
    if (most < s.parts * of + CUDA_BLOCK) most = s.parts * of + CUDA_BLOCK; /* finish's index */
    syn_status st = cuda_grid_fits(most, "norm", err);
    if (st != SYN_OK) return st;
    float2 *const parts = (float2 *)p->partial,
                  *const stats = (float2 *)(p->partial + parts_floats(&p->x, &s));
    cuda_with_type(p->x.dtype, [&](auto tag) {
        SYN_LAUNCH(moments_kernel<decltype(tag)>, dim3((unsigned)s.blocks), s.block, 0, stream,
                   p->x, s, parts);
    });
    st = syn_cuda_status(err, cudaGetLastError(), "norm moments launch");
    if (st != SYN_OK) return st;
    SYN_LAUNCH(finish_kernel, dim3((unsigned)groups), dim3(CUDA_BLOCK), 0, stream, parts, s,
               p->groups, (int32_t)of, p->epsilon, stats);
    st = syn_cuda_status(err, cudaGetLastError(), "norm finish launch");
    if (st != SYN_OK) return st;
    cuda_with_type(p->x.dtype, [&](auto tag) {
        SYN_LAUNCH(apply_kernel<decltype(tag)>, dim3((unsigned)a.blocks), a.block, 0, stream, *p, a,
                   stats);
    });
    return syn_cuda_status(err, cudaGetLastError(), "norm apply launch");
}
