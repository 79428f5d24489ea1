/* cuda_bf16.h - __nv_bfloat16 and its pair on the CPU, under CUDA's names.
 *
 * Differs: as cuda_fp16.h.
 * Layer:   tests. C++17. */
#ifndef CUDA_HOST_BF16_H
#define CUDA_HOST_BF16_H

#include "half_ops.h"
#include "vector_types.h"

/* A double goes to float first, toward odd, so that two roundings are as good as one. */
inline unsigned short cuda_host_bf16_from_double(double x)
{
    float f = (float)x;
    if ((double)f == x || f - f != 0.0f) return bf16_from_float(f);
    uint32_t u = float_bits(f);
    if (std::fabs((double)f) > std::fabs(x)) u--; /* toward zero ... */
    return bf16_from_float(bits_float(u | 1u));   /* ... and to odd */
}

struct CUDA_HOST_ALIGN(2) __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    explicit __nv_bfloat16(float x) : bits(bf16_from_float(x)) {}
    explicit __nv_bfloat16(double x) : bits(cuda_host_bf16_from_double(x)) {}
    explicit __nv_bfloat16(int x) : bits(cuda_host_bf16_from_double(x)) {}
    explicit operator float() const { return bf16_to_float(bits); }
};
struct CUDA_HOST_ALIGN(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
    __nv_bfloat162() = default;
    __nv_bfloat162(__nv_bfloat16 x_, __nv_bfloat16 y_) : x(x_), y(y_) {}
};
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits)
{
    __nv_bfloat16 h;
    h.bits = bits;
    return h;
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.bits; }
inline __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
inline __nv_bfloat16 __double2bfloat16(double x) { return __nv_bfloat16(x); }
inline float __bfloat162float(__nv_bfloat16 h) { return bf16_to_float(h.bits); }
inline __nv_bfloat16 __int2bfloat16_rn(int x) { return __nv_bfloat16(x); }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b)
{
    return __nv_bfloat162(a, b);
}
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b)
{
    return __nv_bfloat162(a, b);
}
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return __nv_bfloat162(a, a); }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b)
{
    return __nv_bfloat162(__nv_bfloat16(a), __nv_bfloat16(b));
}
inline __nv_bfloat162 __float2bfloat162_rn(float a) { return __floats2bfloat162_rn(a, a); }
inline __nv_bfloat162 __float22bfloat162_rn(float2 a) { return __floats2bfloat162_rn(a.x, a.y); }
inline float2 __bfloat1622float2(__nv_bfloat162 a)
{
    return make_float2(__bfloat162float(a.x), __bfloat162float(a.y));
}
inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 a) { return a.x; }
inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 a) { return a.y; }

CUDA_HOST_HALF_OPS(__nv_bfloat16, __nv_bfloat162, __float2bfloat16, __bfloat162float,
                   __double2bfloat16)
CUDA_HOST_HALF_MEMORY(__nv_bfloat16, __nv_bfloat162, CUDA_HOST_A_BADD)

#endif
