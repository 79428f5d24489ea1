/* half.h - bfloat16 and IEEE half as bits.
 *
 * Layer:   kernels/base: libc only.   Threads: pure functions. */
#ifndef SYN_HALF_H
#define SYN_HALF_H

#include <stdint.h>
#include <string.h>

/* Exact. */
static inline float syn_bf16_to_float(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &wide, sizeof x);
    return x;
}

/* Rounds to nearest, ties to even. NaN stays NaN: rounding could carry its payload to infinity. */
static inline uint16_t syn_bf16_from_float(float x)
{
    uint32_t wide;
    memcpy(&wide, &x, sizeof wide);
    if ((wide & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(wide >> 16 | 0x40u);
    return (uint16_t)((wide + 0x7fffu + (wide >> 16 & 1u)) >> 16);
}

/* Exact, subnormals, infinities and NaN included. */
static inline float syn_f16_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = bits >> 10 & 31u,
             mantissa = bits & 1023u;
    uint32_t wide;
    float x;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 */
        x = (float)mantissa * 0x1p-24f;
        return sign ? -x : x;
    }
    wide = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | mantissa << 13;
    memcpy(&x, &wide, sizeof x);
    return x;
}

#endif
