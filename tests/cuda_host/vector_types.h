/* vector_types.h - float4, uint2, dim3 and their kin, with CUDA's alignment.
 *
 * Alignment: a load through a pointer that is not aligned as the type says is a fault on a card;
 *          here the type's alignment lets -fsanitize=alignment see it.
 * Layer:   tests. C11 and C++17. */
#ifndef CUDA_HOST_VECTOR_TYPES_H
#define CUDA_HOST_VECTOR_TYPES_H

#define CUDA_HOST_ALIGN(n) __attribute__((aligned(n)))

#define CUDA_HOST_VECTORS(T, name, a2, a4)                                       \
    struct name##1 { T x; };                                                     \
    struct CUDA_HOST_ALIGN(a2) name##2 { T x, y; };                              \
    struct name##3 { T x, y, z; };                                               \
    struct CUDA_HOST_ALIGN(a4) name##4 { T x, y, z, w; };                        \
    typedef struct name##1 name##1;                                              \
    typedef struct name##2 name##2;                                              \
    typedef struct name##3 name##3;                                              \
    typedef struct name##4 name##4;                                              \
    static inline name##1 make_##name##1(T x) { name##1 v = {x}; return v; }     \
    static inline name##2 make_##name##2(T x, T y) { name##2 v = {x, y}; return v; } \
    static inline name##3 make_##name##3(T x, T y, T z)                          \
    {                                                                            \
        name##3 v = {x, y, z};                                                   \
        return v;                                                                \
    }                                                                            \
    static inline name##4 make_##name##4(T x, T y, T z, T w)                     \
    {                                                                            \
        name##4 v = {x, y, z, w};                                                \
        return v;                                                                \
    }

CUDA_HOST_VECTORS(signed char, char, 2, 4)
CUDA_HOST_VECTORS(unsigned char, uchar, 2, 4)
CUDA_HOST_VECTORS(short, short, 4, 8)
CUDA_HOST_VECTORS(unsigned short, ushort, 4, 8)
CUDA_HOST_VECTORS(int, int, 8, 16)
CUDA_HOST_VECTORS(unsigned, uint, 8, 16)
CUDA_HOST_VECTORS(long long, longlong, 16, 16)
CUDA_HOST_VECTORS(unsigned long long, ulonglong, 16, 16)
CUDA_HOST_VECTORS(float, float, 8, 16)
CUDA_HOST_VECTORS(double, double, 16, 16)
#undef CUDA_HOST_VECTORS

struct dim3 {
    unsigned x, y, z;
#ifdef __cplusplus
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
#endif
};
typedef struct dim3 dim3;

#endif
