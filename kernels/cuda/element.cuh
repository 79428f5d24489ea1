/* element.cuh - eight channels of a pixel as eight floats, whatever their type; activations.
 *
 * Layer:   kernels/cuda; .cu files only.
 * Access:  eight f16 or bf16 are one load or store of 16 bytes, eight f32 are two: addresses are
 *          aligned to 16 bytes, which views promise at each multiple of 8 channels (kernels.h).
 * Types:   where the loads of a kernel are in a loop it is a template over its source's type
 *          (cuda_with_type); elsewhere the type is looked at as it runs: one branch that a whole
 *          launch takes the same way.
 * Rounding: to nearest, ties to even. NaN stays NaN. */
#ifndef SYN_CUDA_ELEMENT_CUH
#define SYN_CUDA_ELEMENT_CUH

#include "kernels/cuda/kernels.h"
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <string.h>

#define CUDA_LANES 8 /* channels that a thread has at a time */

/* --- one number ------------------------------------------------------------------------------ */

static __device__ __forceinline__ float cuda_load1(const float *p) { return *p; }
static __device__ __forceinline__ float cuda_load1(const __half *p) { return __half2float(*p); }
static __device__ __forceinline__ float cuda_load1(const __nv_bfloat16 *p)
{
    return __bfloat162float(*p);
}
static __device__ __forceinline__ void cuda_put1(float *p, float v) { *p = v; }
static __device__ __forceinline__ void cuda_put1(__half *p, float v) { *p = __float2half_rn(v); }
static __device__ __forceinline__ void cuda_put1(__nv_bfloat16 *p, float v)
{
    *p = __float2bfloat16_rn(v);
}

/* --- eight ----------------------------------------------------------------------------------- */

static __device__ __forceinline__ void cuda_load8(const float *p, float v[CUDA_LANES])
{
    const float4 a = reinterpret_cast<const float4 *>(p)[0];
    const float4 b = reinterpret_cast<const float4 *>(p)[1];
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
static __device__ __forceinline__ void cuda_unpack2(unsigned bits, float v[2], __half)
{
    v[0] = __half2float(__ushort_as_half((unsigned short)bits));
    v[1] = __half2float(__ushort_as_half((unsigned short)(bits >> 16)));
}
static __device__ __forceinline__ void cuda_unpack2(unsigned bits, float v[2], __nv_bfloat16)
{
    v[0] = __uint_as_float(bits << 16);
    v[1] = __uint_as_float(bits & 0xffff0000u);
}
template <class T>
static __device__ __forceinline__ void cuda_load8(const T *p, float v[CUDA_LANES])
{
    const uint4 q = *reinterpret_cast<const uint4 *>(p);
    cuda_unpack2(q.x, v, T());
    cuda_unpack2(q.y, v + 2, T());
    cuda_unpack2(q.z, v + 4, T());
    cuda_unpack2(q.w, v + 6, T());
}

static __device__ __forceinline__ void cuda_store8(float *p, const float v[CUDA_LANES])
{
    reinterpret_cast<float4 *>(p)[0] = make_float4(v[0], v[1], v[2], v[3]);
    reinterpret_cast<float4 *>(p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}
static __device__ __forceinline__ unsigned cuda_pack2(float low, float high, __half)
{
    return (unsigned)__half_as_ushort(__float2half_rn(low)) |
           (unsigned)__half_as_ushort(__float2half_rn(high)) << 16;
}
static __device__ __forceinline__ unsigned cuda_pack2(float low, float high, __nv_bfloat16)
{
    return (unsigned)__bfloat16_as_ushort(__float2bfloat16_rn(low)) |
           (unsigned)__bfloat16_as_ushort(__float2bfloat16_rn(high)) << 16;
}
template <class T>
static __device__ __forceinline__ void cuda_store8(T *p, const float v[CUDA_LANES])
{
    *reinterpret_cast<uint4 *>(p) =
        make_uint4(cuda_pack2(v[0], v[1], T()), cuda_pack2(v[2], v[3], T()),
                   cuda_pack2(v[4], v[5], T()), cuda_pack2(v[6], v[7], T()));
}

/* --- by a type known when it runs; at: elements from data ------------------------------------ */

static __device__ __forceinline__ float cuda_load1(const void *data, int32_t type, int64_t at)
{
    if (type == SYN_F16) return cuda_load1((const __half *)data + at);
    if (type == SYN_BF16) return cuda_load1((const __nv_bfloat16 *)data + at);
    return cuda_load1((const float *)data + at);
}
static __device__ __forceinline__ void cuda_put1(void *data, int32_t type, int64_t at, float v)
{
    if (type == SYN_F16) cuda_put1((__half *)data + at, v);
    else if (type == SYN_BF16) cuda_put1((__nv_bfloat16 *)data + at, v);
    else cuda_put1((float *)data + at, v);
}
static __device__ __forceinline__ void cuda_load8(const void *data, int32_t type, int64_t at,
                                                  float v[CUDA_LANES])
{
    if (type == SYN_F16) cuda_load8((const __half *)data + at, v);
    else if (type == SYN_BF16) cuda_load8((const __nv_bfloat16 *)data + at, v);
    else cuda_load8((const float *)data + at, v);
}
static __device__ __forceinline__ void cuda_store8(void *data, int32_t type, int64_t at,
                                                   const float v[CUDA_LANES])
{
    if (type == SYN_F16) cuda_store8((__half *)data + at, v);
    else if (type == SYN_BF16) cuda_store8((__nv_bfloat16 *)data + at, v);
    else cuda_store8((float *)data + at, v);
}

/* --- views ----------------------------------------------------------------------------------- */

/* Elements from the view's data to pixel (y, x) of picture n. */
static __host__ __device__ __forceinline__ int64_t cuda_pixel(const struct cuda_view *v, int32_t n,
                                                              int32_t y, int32_t x)
{
    return (((int64_t)n * v->h + y) * v->w + x) * v->pitch;
}

/* Writes the channels 8*group .. 8*group+7 of the pixel that begins `at` elements into the view;
 * those from c on become zero (in v too). */
static __device__ __forceinline__ void cuda_store_channels(const struct cuda_view *to, int64_t at,
                                                           int32_t group, float v[CUDA_LANES])
{
    const int32_t left = to->c - group * CUDA_LANES;
#pragma unroll
    for (int32_t k = 0; k < CUDA_LANES; k++)
        if (k >= left) v[k] = 0;
    cuda_store8(to->data, to->dtype, at + (int64_t)group * CUDA_LANES, v);
}

/* --- activations ----------------------------------------------------------------------------- */

/* syn_act_apply of kernels/ops, in float: NaN stays NaN in each. slope is read for PRELU only. */
static __device__ __forceinline__ float cuda_act1(enum syn_act act, float v, float a, float b,
                                                  float slope)
{
    switch (act) {
    case SYN_ACT_RELU: return v < 0 ? 0 : v;
    case SYN_ACT_LEAKY: return v < 0 ? a * v : v;
    case SYN_ACT_PRELU: return v < 0 ? slope * v : v;
    case SYN_ACT_SIGMOID: return 1 / (1 + expf(-v));
    case SYN_ACT_CLIP: {
        const float low = v < a ? a : v;
        return low > b ? b : low;
    }
    default: return v;
    }
}
static __device__ __forceinline__ void cuda_act8(enum syn_act act, float v[CUDA_LANES], float a,
                                                 float b, const float slope[CUDA_LANES])
{
    if (act == SYN_ACT_NONE) return;
#pragma unroll
    for (int32_t k = 0; k < CUDA_LANES; k++) v[k] = cuda_act1(act, v[k], a, b, slope[k]);
}

/* --- templates ------------------------------------------------------------------------------- */

/* Calls f with a value of the type: with_type(x.dtype, [&](auto t) { kernel<decltype(t)> ... }). */
template <class F> static inline void cuda_with_type(syn_dtype type, F f)
{
    if (type == SYN_F16) f(__half());
    else if (type == SYN_BF16) f(__nv_bfloat16());
    else f(float());
}

#endif
