/* half_bits.h - half and bfloat16 as bits, for the host's CUDA types and mma.
 *
 * Rounding: to nearest, ties to even, from float; from double in one step where noted.
 * Speed:   half_to_float has no branch for numbers and subnormals; mma lives on it. */
#ifndef CUDA_HOST_HALF_BITS_H
#define CUDA_HOST_HALF_BITS_H

#include <cstdint>
#include <cstring>

static inline uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float bf16_to_float(uint16_t bits) { return bits_float((uint32_t)bits << 16); }

static inline uint16_t bf16_from_float(float x)
{
    uint32_t u = float_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff; /* CUDA's canonical NaN */
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* The exponent moves by 112 through a product, which also makes subnormals come out right. */
static inline float half_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, rest = (uint32_t)(bits & 0x7fffu) << 13;
    if (rest >= 0x0f800000u) return bits_float(sign | rest | 0x7f800000u); /* infinity, NaN */
    return bits_float(sign | float_bits(bits_float(rest) * 0x1p112f));
}

/* Exact to the last bit for every double: the one rounding is here. */
static inline uint16_t half_from_double(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    uint16_t sign = (uint16_t)(u >> 48 & 0x8000u);
    uint64_t rest = u & 0x7fffffffffffffffull;
    int e = (int)(rest >> 52) - 1023;
    if (rest > 0x7ff0000000000000ull) return 0x7fff;
    if (e > 15) return (uint16_t)(sign | 0x7c00u);
    if (e < -25) return sign;
    /* Bits of the significand to drop: 42 for normal numbers, more for subnormal ones. */
    int drop = e >= -14 ? 42 : 42 + (-14 - e);
    uint64_t m = (rest & 0xfffffffffffffull) | 0x10000000000000ull;
    uint64_t kept = m >> drop, lost = m & ((1ull << drop) - 1), half = 1ull << (drop - 1);
    if (lost > half || (lost == half && (kept & 1))) kept++;
    /* A normal number's implicit bit adds one to the exponent field; so does a carry. */
    uint64_t field = e >= -14 ? (uint64_t)(e + 14) << 10 : 0;
    return (uint16_t)(sign | (field + kept));
}

static inline uint16_t half_from_float(float x) { return half_from_double((double)x); }

#endif
