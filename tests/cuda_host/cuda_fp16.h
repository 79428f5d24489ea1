/* cuda_fp16.h - __half and __half2 on the CPU, under CUDA's names.
 *
 * Differs: no implicit conversions between __half and numbers: the kernels say what they mean.
 *          hexp and its kin are the float function rounded, not the card's approximation.
 * Layer:   tests. C++17. */
#ifndef CUDA_HOST_FP16_H
#define CUDA_HOST_FP16_H

#include "half_ops.h"
#include "vector_types.h"

struct CUDA_HOST_ALIGN(2) __half {
    unsigned short bits;
    __half() = default; /* trivial, so that it can be __shared__ */
    explicit __half(float x) : bits(half_from_float(x)) {}
    explicit __half(double x) : bits(half_from_double(x)) {}
    explicit __half(int x) : bits(half_from_double(x)) {}
    explicit operator float() const { return half_to_float(bits); }
};
struct CUDA_HOST_ALIGN(4) __half2 {
    __half x, y;
    __half2() = default;
    __half2(__half x_, __half y_) : x(x_), y(y_) {}
};
typedef __half half;
typedef __half2 half2;

inline __half __ushort_as_half(unsigned short bits)
{
    __half h;
    h.bits = bits;
    return h;
}
inline unsigned short __half_as_ushort(__half h) { return h.bits; }
inline __half __short_as_half(short bits) { return __ushort_as_half((unsigned short)bits); }
inline short __half_as_short(__half h) { return (short)h.bits; }
inline __half __float2half(float x) { return __half(x); }
inline __half __float2half_rn(float x) { return __half(x); }
inline __half __double2half(double x) { return __half(x); }
inline float __half2float(__half h) { return half_to_float(h.bits); }
inline __half __int2half_rn(int x) { return __half(x); }
inline int __half2int_rn(__half h) { return (int)rintf(__half2float(h)); }
inline int __half2int_rz(__half h) { return (int)truncf(__half2float(h)); }
inline __half2 __halves2half2(__half a, __half b) { return __half2(a, b); }
inline __half2 make_half2(__half a, __half b) { return __half2(a, b); }
inline __half2 __half2half2(__half a) { return __half2(a, a); }
inline __half2 __floats2half2_rn(float a, float b) { return __half2(__half(a), __half(b)); }
inline __half2 __float2half2_rn(float a) { return __half2(__half(a), __half(a)); }
inline __half2 __float22half2_rn(float2 a) { return __floats2half2_rn(a.x, a.y); }
inline float2 __half22float2(__half2 a)
{
    return make_float2(__half2float(a.x), __half2float(a.y));
}
inline __half __low2half(__half2 a) { return a.x; }
inline __half __high2half(__half2 a) { return a.y; }
inline __half2 __low2half2(__half2 a) { return __half2(a.x, a.x); }
inline __half2 __high2half2(__half2 a) { return __half2(a.y, a.y); }
inline __half2 __lowhigh2highlow(__half2 a) { return __half2(a.y, a.x); }

CUDA_HOST_HALF_OPS(__half, __half2, __float2half, __half2float, __double2half)
CUDA_HOST_HALF_MEMORY(__half, __half2, CUDA_HOST_A_HADD)

#endif
