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
#define ELEM_TYPE SYN_BF16
#define STEP 2
#define VEC __m512bh
#define LOADW(p) ((__m512bh)_mm512_loadu_si512(p))
#define BCAST(p) broadcast_pair(p)
#define TO_STORED(v) (__m256i)_mm512_cvtneps_pbh(v)
#define FMA(acc, w, x) _mm512_dpbf16_ps(acc, w, x)
#define HALF(v) (__m256bh) _mm512_castsi512_si256((__m512i)(v))
#define FMA_HALF(acc, w, x) _mm256_dpbf16_ps(acc, w, x)

static inline __attribute__((always_inline)) __m512bh broadcast_pair(const uint16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

static inline __attribute__((always_inline)) void store_fours(uint16_t *p, const __m512 v[4])
{
    /* two channels side by side in a register; then word 4*i + c is pixel i's of channel c */
    static const uint16_t low[32] = {0, 16, 32, 48, 1, 17, 33, 49, 2, 18, 34, 50, 3, 19, 35, 51,
                                     4, 20, 36, 52, 5, 21, 37, 53, 6, 22, 38, 54, 7, 23, 39, 55};
    const __m512i lo = _mm512_loadu_si512(low), hi = _mm512_add_epi16(lo, _mm512_set1_epi16(8)),
                  a = (__m512i)_mm512_cvtne2ps_pbh(v[1], v[0]),
                  b = (__m512i)_mm512_cvtne2ps_pbh(v[3], v[2]);
    _mm512_storeu_si512(p, _mm512_permutex2var_epi16(a, lo, b));
    _mm512_storeu_si512(p + 32, _mm512_permutex2var_epi16(a, hi, b));
}

static inline __attribute__((always_inline)) void load_two(const uint16_t *p, __m512 *a, __m512 *b)
{
    static const uint16_t low[32] = {0, 0, 0, 1, 0, 2,  0, 3,  0, 4,  0, 5,  0, 6,  0, 7,
                                     0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15};
    const __m512i v = _mm512_loadu_si512(p), lo = _mm512_loadu_si512(low),
                  hi = _mm512_add_epi16(lo, _mm512_set1_epi16(16));
    *a = (__m512)_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, lo, v);
    *b = (__m512)_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, hi, v);
}

static inline __attribute__((always_inline)) void store_two(uint16_t *p, __m512 a, __m512 b)
{
    _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

static inline __attribute__((always_inline)) void store_step(uint16_t *p, __m512 a, __m512 b)
{
    /* words of a and b in turn */
    static const uint16_t turn[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    _mm512_storeu_si512(p, _mm512_permutexvar_epi16(_mm512_loadu_si512(turn),
                                                    (__m512i)_mm512_cvtne2ps_pbh(b, a)));
}

#include "kernels/cpu/conv_row.h"
#include "kernels/cpu/conv_depth_row.h"
#include "kernels/cpu/conv_wino_body.h"

struct cpu_conv_isa cpu_conv_isa_bf16(void)
{
    const struct cpu_conv_isa here = {row, wino_in, wino_out, nested_in, wino_weights, depthwise},
                              none = {.row = NULL};
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl")
               ? here
               : none;
}
#else
struct cpu_conv_isa cpu_conv_isa_bf16(void) { return (struct cpu_conv_isa){0}; }
#endif
