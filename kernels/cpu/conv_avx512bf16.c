/* conv_avx512bf16.c - convolution rows with bf16 operands and f32 sums (AVX512_BF16). See
 * conv_row.h.
 *
 * Weights of one group: [channel block][tap][pair][output block][16 output channels][2]. A pair of
 * input channels is one 32-bit broadcast; VDPBF16PS multiplies both and adds them to the f32
 * sum. */
#include "kernels/cpu/conv.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define ELEM uint16_t
#define STEP 2
#define VEC __m512bh
#define LOADW(p) ((__m512bh)_mm512_loadu_si512(p))
#define BCAST(p) broadcast_pair(p)
#define TO_STORED(v) (__m256i)_mm512_cvtneps_pbh(v)
#define FMA(acc, w, x) _mm512_dpbf16_ps(acc, w, x)

static inline __attribute__((always_inline)) __m512bh broadcast_pair(const uint16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

#include "kernels/cpu/conv_row.h"

struct cpu_conv_isa cpu_conv_isa_bf16(void)
{
    const struct cpu_conv_isa here = {row, wino_in, wino_out}, none = {NULL, NULL, NULL};
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl")
               ? here
               : none;
}
#else
struct cpu_conv_isa cpu_conv_isa_bf16(void) { return (struct cpu_conv_isa){NULL, NULL, NULL}; }
#endif
