/* tile_avx512bf16.c - the tile on pairs of bf16 numbers: twice the products of a step. See
 * tile.h. */
#define TILE_NAME cpu_tile_avx512bf16
#define TILE_MULTIPLY_ADD(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)(b), (__m512bh)(a))
#include "kernels/cpu/tile_avx512.h"

void cpu_join_bf16(const float *a, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32) {
        const uint32_t m = n - i >= 32 ? ~0u : (1u << (n - i)) - 1;
        const __m512 lo = _mm512_maskz_loadu_ps((__mmask16)m, a + i),
                     hi = _mm512_maskz_loadu_ps((__mmask16)(m >> 16), a + i + 16);
        const int64_t words = (n - i + 1) / 2;
        _mm512_mask_storeu_epi32(to + i / 2,
                                 words >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << words) - 1),
                                 (__m512i)_mm512_cvtne2ps_pbh(hi, lo));
    }
}

void cpu_pair_bf16(const float *a, const float *b, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 m = n - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (n - i)) - 1);
        const __m512i lo =
            _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(m, a + i)));
        const __m512i hi =
            _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(m, b + i)));
        _mm512_mask_storeu_epi32(to + i, m, _mm512_or_si512(lo, _mm512_slli_epi32(hi, 16)));
    }
}
