/* rng.h - random numbers by counter: the same on every machine, in any order, from any number of
 * threads.
 *
 * Source:  Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011),
 *          Philox4x32-10; Box and Muller 1958.
 * Use:     number i of stream s of a seed is a pure function of the three; nothing is kept.
 * Layer:   kernels/base: libc only.   Threads: pure functions. */
#ifndef SYN_RNG_H
#define SYN_RNG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The block for a 128-bit counter (counter[0] lowest) and a 64-bit key. */
void syn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* 64 random bits: number i of a stream. Key = seed, counter = i/2, stream. */
uint64_t syn_random_bits(uint64_t seed, uint64_t stream, uint64_t i);
/* In [0, 1), a multiple of 2^-53. */
double syn_random_uniform(uint64_t seed, uint64_t stream, uint64_t i);
/* Mean 0, deviation 1, up to 8.6 away: Box-Muller on the uniforms 2*(i/2) and 2*(i/2) + 1 of the
 * stream, cosine for even i, sine for odd. */
double syn_random_normal(uint64_t seed, uint64_t stream, uint64_t i);

/* A number that depends on every bit of both. */
uint64_t syn_random_mix(uint64_t a, uint64_t b);

#ifdef __cplusplus
}
#endif
#endif
