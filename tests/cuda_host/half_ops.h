/* half_ops.h - the arithmetic that __half and __nv_bfloat16 share, as a macro over both.
 *
 * Rounding: each operation in float and rounded once; that equals the half operation itself, since
 *          a float has more than twice the bits. fma goes through double for the same reason.
 * Layer:   tests. C++17; included by cuda_fp16.h and cuda_bf16.h. */
#ifndef CUDA_HOST_HALF_OPS_H
#define CUDA_HOST_HALF_OPS_H

#include "half_bits.h"
#include "here.h"
#include <cmath>

/* T: the type, T2: the pair, F: float to T, G: T to float, D: double to T. */
#define CUDA_HOST_HALF_OPS(T, T2, F, G, D)                                               \
    inline T __hadd(T a, T b) { return F(G(a) + G(b)); }                                 \
    inline T __hsub(T a, T b) { return F(G(a) - G(b)); }                                 \
    inline T __hmul(T a, T b) { return F(G(a) * G(b)); }                                 \
    inline T __hdiv(T a, T b) { return F(G(a) / G(b)); }                                 \
    inline T __hfma(T a, T b, T c) { return D((double)G(a) * G(b) + G(c)); }             \
    inline T __hfma_relu(T a, T b, T c) { return F(fmaxf(G(__hfma(a, b, c)), 0.0f)); }   \
    inline T __hneg(T a) { a.bits ^= 0x8000u; return a; }                                \
    inline T __habs(T a) { a.bits &= 0x7fffu; return a; }                                \
    inline T __hmax(T a, T b) { return F(fmaxf(G(a), G(b))); }                           \
    inline T __hmin(T a, T b) { return F(fminf(G(a), G(b))); }                           \
    inline bool __heq(T a, T b) { return G(a) == G(b); }                                 \
    inline bool __hne(T a, T b) { return G(a) < G(b) || G(a) > G(b); }                   \
    inline bool __hlt(T a, T b) { return G(a) < G(b); }                                  \
    inline bool __hle(T a, T b) { return G(a) <= G(b); }                                 \
    inline bool __hgt(T a, T b) { return G(a) > G(b); }                                  \
    inline bool __hge(T a, T b) { return G(a) >= G(b); }                                 \
    inline bool __hisnan(T a) { return std::isnan(G(a)); }                               \
    inline int __hisinf(T a) { return std::isinf(G(a)) ? (G(a) < 0 ? -1 : 1) : 0; }      \
    inline T hexp(T a) { return F(expf(G(a))); }                                         \
    inline T hexp2(T a) { return F(exp2f(G(a))); }                                       \
    inline T hlog(T a) { return F(logf(G(a))); }                                         \
    inline T hsqrt(T a) { return F(sqrtf(G(a))); }                                       \
    inline T hrsqrt(T a) { return F(1.0f / sqrtf(G(a))); }                               \
    inline T hrcp(T a) { return F(1.0f / G(a)); }                                        \
    inline T htanh(T a) { return F(tanhf(G(a))); }                                       \
    inline T hfloor(T a) { return F(floorf(G(a))); }                                     \
    inline T hceil(T a) { return F(ceilf(G(a))); }                                       \
    inline T hrint(T a) { return F(rintf(G(a))); }                                       \
    inline T operator+(T a, T b) { return __hadd(a, b); }                                \
    inline T operator-(T a, T b) { return __hsub(a, b); }                                \
    inline T operator*(T a, T b) { return __hmul(a, b); }                                \
    inline T operator/(T a, T b) { return __hdiv(a, b); }                                \
    inline T operator-(T a) { return __hneg(a); }                                        \
    inline T &operator+=(T &a, T b) { return a = a + b; }                                \
    inline T &operator-=(T &a, T b) { return a = a - b; }                                \
    inline T &operator*=(T &a, T b) { return a = a * b; }                                \
    inline bool operator==(T a, T b) { return __heq(a, b); }                             \
    inline bool operator!=(T a, T b) { return !__heq(a, b); }                            \
    inline bool operator<(T a, T b) { return __hlt(a, b); }                              \
    inline bool operator>(T a, T b) { return __hgt(a, b); }                              \
    inline bool operator<=(T a, T b) { return __hle(a, b); }                             \
    inline bool operator>=(T a, T b) { return __hge(a, b); }                             \
    CUDA_HOST_PAIR_OP(__hadd2, T2, (T2 a, T2 b), __hadd(a.x, b.x), __hadd(a.y, b.y))     \
    CUDA_HOST_PAIR_OP(__hsub2, T2, (T2 a, T2 b), __hsub(a.x, b.x), __hsub(a.y, b.y))     \
    CUDA_HOST_PAIR_OP(__hmul2, T2, (T2 a, T2 b), __hmul(a.x, b.x), __hmul(a.y, b.y))     \
    CUDA_HOST_PAIR_OP(__h2div, T2, (T2 a, T2 b), __hdiv(a.x, b.x), __hdiv(a.y, b.y))     \
    CUDA_HOST_PAIR_OP(__hmax2, T2, (T2 a, T2 b), __hmax(a.x, b.x), __hmax(a.y, b.y))     \
    CUDA_HOST_PAIR_OP(__hmin2, T2, (T2 a, T2 b), __hmin(a.x, b.x), __hmin(a.y, b.y))     \
    CUDA_HOST_PAIR_OP(__hfma2, T2, (T2 a, T2 b, T2 c), __hfma(a.x, b.x, c.x),            \
                      __hfma(a.y, b.y, c.y))                                             \
    CUDA_HOST_PAIR_OP(__hneg2, T2, (T2 a), __hneg(a.x), __hneg(a.y))                     \
    CUDA_HOST_PAIR_OP(__habs2, T2, (T2 a), __habs(a.x), __habs(a.y))                     \
    CUDA_HOST_PAIR_OP(h2exp, T2, (T2 a), hexp(a.x), hexp(a.y))                           \
    CUDA_HOST_PAIR_OP(h2rcp, T2, (T2 a), hrcp(a.x), hrcp(a.y))                           \
    CUDA_HOST_PAIR_OP(h2rsqrt, T2, (T2 a), hrsqrt(a.x), hrsqrt(a.y))                     \
    inline T2 operator+(T2 a, T2 b) { return __hadd2(a, b); }                            \
    inline T2 operator-(T2 a, T2 b) { return __hsub2(a, b); }                            \
    inline T2 operator*(T2 a, T2 b) { return __hmul2(a, b); }                            \
    inline float __low2float(T2 a) { return G(a.x); }                                    \
    inline float __high2float(T2 a) { return G(a.y); }

#define CUDA_HOST_PAIR_OP(name, T2, params, low, high)                                   \
    inline T2 name params                                                                \
    {                                                                                    \
        T2 r;                                                                            \
        r.x = (low), r.y = (high);                                                       \
        return r;                                                                        \
    }

/* The atomics, loads and shuffles of 16-bit types; B as for cuda_host_atomic. */
#define CUDA_HOST_HALF_MEMORY(T, T2, B)                                                  \
    inline T atomicAdd(T *p, T x)                                                        \
    {                                                                                    \
        T old;                                                                           \
        old.bits = (unsigned short)cuda_host_atomic(B, p, 2, x.bits, 0);                 \
        return old;                                                                      \
    }                                                                                    \
    inline T2 atomicAdd(T2 *p, T2 x)                                                     \
    {                                                                                    \
        T2 old;                                                                          \
        uint32_t mine;                                                                   \
        memcpy(&mine, &x, sizeof mine);                                                  \
        mine = (uint32_t)cuda_host_atomic(B, p, 4, mine, 0);                             \
        memcpy(&old, &mine, sizeof old);                                                 \
        return old;                                                                      \
    }

#endif
