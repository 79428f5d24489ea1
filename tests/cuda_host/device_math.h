/* device_math.h - CUDA's mathematical and bit functions on the CPU.
 *
 * Accuracy: the card's approximations (__expf, __fdividef ...) are the exact functions here, so a
 *          tolerance that a test needs on a card is not proven by this.
 * Layer:   tests. C++17; reached through cuda_host.h. */
#ifndef CUDA_HOST_DEVICE_MATH_H
#define CUDA_HOST_DEVICE_MATH_H

#include "half_bits.h"
#include "here.h"
#include <cmath>
#include <type_traits>

/* --- min and max: CUDA has them in the global namespace for all pairs of numbers ------------- */
template <class A, class B, class C = std::common_type_t<A, B>,
          class = std::enable_if_t<std::is_integral<C>::value>>
inline C min(A a, B b)
{
    return (C)a < (C)b ? (C)a : (C)b;
}
template <class A, class B, class C = std::common_type_t<A, B>,
          class = std::enable_if_t<std::is_integral<C>::value>>
inline C max(A a, B b)
{
    return (C)a > (C)b ? (C)a : (C)b;
}
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

/* --- float ----------------------------------------------------------------------------------- */
inline float rsqrtf(float x) { return (float)(1.0 / std::sqrt((double)x)); }
inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
inline float normcdff(float x)
{
    return (float)(0.5 * std::erfc(-(double)x * 0.70710678118654752));
}
inline float sinpif(float x) { return (float)std::sin(3.14159265358979324 * (double)x); }
inline float cospif(float x) { return (float)std::cos(3.14159265358979324 * (double)x); }
inline void sincospif(float x, float *s, float *c) { *s = sinpif(x), *c = cospif(x); }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.0f, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline void __sincosf(float x, float *s, float *c) { *s = sinf(x), *c = cosf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __frsqrt_rn(float a) { return rsqrtf(a); }

/* --- conversions: CUDA saturates and makes NaN 0, where C++ leaves both undefined ------------ */
inline int cuda_host_to_int(double x)
{
    if (!(x == x)) return 0;
    return x >= 2147483647.0 ? 2147483647 : x <= -2147483648.0 ? -2147483647 - 1 : (int)x;
}
inline unsigned cuda_host_to_uint(double x)
{
    if (!(x > 0.0)) return 0;
    return x >= 4294967295.0 ? 4294967295u : (unsigned)x;
}
inline int __float2int_rn(float x) { return cuda_host_to_int(std::nearbyint((double)x)); }
inline int __float2int_rz(float x) { return cuda_host_to_int((double)x); }
inline int __float2int_rd(float x) { return cuda_host_to_int(std::floor((double)x)); }
inline int __float2int_ru(float x) { return cuda_host_to_int(std::ceil((double)x)); }
inline unsigned __float2uint_rn(float x) { return cuda_host_to_uint(std::nearbyint((double)x)); }
inline unsigned __float2uint_rz(float x) { return cuda_host_to_uint((double)x); }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
inline float __ull2float_rn(unsigned long long x) { return (float)x; }
inline int __float_as_int(float x) { return (int)float_bits(x); }
inline unsigned __float_as_uint(float x) { return float_bits(x); }
inline float __int_as_float(int x) { return bits_float((uint32_t)x); }
inline float __uint_as_float(unsigned x) { return bits_float(x); }

/* --- integers -------------------------------------------------------------------------------- */
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x)
{
    unsigned r = 0;
    for (int i = 0; i < 32; i++) r |= (x >> i & 1u) << (31 - i);
    return r;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
inline int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __mul24(int a, int b) /* of the low 24 bits, with their sign */
{
    int x = (int)((unsigned)a << 8) >> 8, y = (int)((unsigned)b << 8) >> 8;
    return (int)((unsigned)x * (unsigned)y);
}
/* Four bytes out of the eight of b:a, each by its selector's low three bits. */
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selectors)
{
    uint64_t both = (uint64_t)b << 32 | a;
    unsigned r = 0;
    for (int i = 0; i < 4; i++) {
        unsigned from = selectors >> 4 * i & 7u;
        r |= (unsigned)(both >> 8 * from & 0xff) << 8 * i;
    }
    return r;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by)
{
    return (unsigned)(((uint64_t)high << 32 | low) << (by & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by)
{
    return (unsigned)(((uint64_t)high << 32 | low) >> (by & 31));
}
inline int __dp4a(int a, int b, int sum)
{
    for (int i = 0; i < 32; i += 8) sum += (int)(signed char)(a >> i) * (int)(signed char)(b >> i);
    return sum;
}

/* --- loads and stores with a cache hint: plain here ------------------------------------------ */
template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T __ldcg(const T *p) { return *p; }
template <class T> inline T __ldcs(const T *p) { return *p; }
template <class T> inline T __ldca(const T *p) { return *p; }
template <class T> inline void __stcg(T *p, T x) { *p = x; }
template <class T> inline void __stcs(T *p, T x) { *p = x; }
template <class T> inline void __stwt(T *p, T x) { *p = x; }
inline size_t __cvta_generic_to_shared(const void *p)
{
    if (!cuda_host_is_shared(p, 1))
        cuda_host_kernel_fault(cudaErrorIllegalAddress, "%p is not in shared memory", p);
    return (size_t)p;
}

#endif
