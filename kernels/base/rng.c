/* rng.c - see rng.h.
 *
 * Layer:   kernels/base.   Threads: pure functions. */
#include "kernels/base/rng.h"
#include <math.h>

#define MULTIPLY_0 0xD2511F53u
#define MULTIPLY_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u /* golden ratio */
#define WEYL_1 0xBB67AE85u /* sqrt(3) - 1 */

void syn_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0],
             k1 = key[1];
    for (int round = 0; round < 10; round++, k0 += WEYL_0, k1 += WEYL_1) {
        const uint64_t a = (uint64_t)MULTIPLY_0 * c0, b = (uint64_t)MULTIPLY_1 * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

uint64_t syn_random_bits(uint64_t seed, uint64_t stream, uint64_t i)
{
    const uint64_t block = i / 2;
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t out[4];
    syn_philox(counter, key, out);
    return i % 2 ? (uint64_t)out[3] << 32 | out[2] : (uint64_t)out[1] << 32 | out[0];
}

static double uniform(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

double syn_random_uniform(uint64_t seed, uint64_t stream, uint64_t i)
{
    return uniform(syn_random_bits(seed, stream, i));
}

double syn_random_normal(uint64_t seed, uint64_t stream, uint64_t i)
{
    const double turn = 6.283185307179586476925286766559;
    const double u = 1 - syn_random_uniform(seed, stream, i & ~(uint64_t)1); /* in (0, 1] */
    const double v = syn_random_uniform(seed, stream, i | 1), r = sqrt(-2 * log(u));
    return r * (i % 2 ? sin(turn * v) : cos(turn * v));
}

uint64_t syn_random_mix(uint64_t a, uint64_t b)
{
    const uint32_t counter[4] = {(uint32_t)b, (uint32_t)(b >> 32), 0, 0};
    const uint32_t key[2] = {(uint32_t)a, (uint32_t)(a >> 32)};
    uint32_t out[4];
    syn_philox(counter, key, out);
    return (uint64_t)out[1] << 32 | out[0];
}
