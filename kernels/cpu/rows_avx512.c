/* rows_avx512.c - bf16 and f16 to f32, f32 to bf16, sixteen at a time. See rows.h. */
#include "kernels/cpu/rows.h"
#include <immintrin.h>

void cpu_row_widen_avx512(const uint16_t *from, int64_t count, float *to)
{
    for (int64_t i = 0; i < count; i += 16) {
        const __mmask16 m =
            count - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (count - i)) - 1);
        const __m512i v = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, from + i));
        _mm512_mask_storeu_epi32(to + i, m, _mm512_slli_epi32(v, 16));
    }
}

void cpu_row_narrow_avx512(const float *from, int64_t count, uint16_t *to)
{
    const __m512i one = _mm512_set1_epi32(1), half = _mm512_set1_epi32(0x7fff),
                  quiet = _mm512_set1_epi32(0x40);
    for (int64_t i = 0; i < count; i += 16) {
        const __mmask16 m =
            count - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (count - i)) - 1);
        const __m512 x = _mm512_maskz_loadu_ps(m, from + i);
        const __m512i bits = _mm512_castps_si512(x), top = _mm512_srli_epi32(bits, 16);
        const __m512i near = _mm512_srli_epi32(
            _mm512_add_epi32(bits, _mm512_add_epi32(half, _mm512_and_si512(top, one))), 16);
        const __m512i v = _mm512_mask_or_epi32(near, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), top,
                                               quiet);
        _mm256_mask_storeu_epi16(to + i, m, _mm512_cvtepi32_epi16(v));
    }
}

void cpu_row_quads_avx512(const float *from, int64_t px, float *to)
{
    const __m512i where = _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0);
    for (int64_t i = 0; i < px; i += 4, from += 12, to += 16) {
        const int64_t n = px - i < 4 ? px - i : 4;
        const __m512 v = _mm512_maskz_loadu_ps((__mmask16)((1u << 3 * n) - 1), from);
        _mm512_mask_storeu_ps(to, (__mmask16)((1u << 4 * n) - 1),
                              _mm512_maskz_permutexvar_ps(0x7777, where, v));
    }
}

void cpu_row_add_avx512(const float *from, int64_t px, float sum[16])
{
    __m512 v = _mm512_loadu_ps(sum);
    for (int64_t p = 0; p < px; p++) v = _mm512_add_ps(v, _mm512_loadu_ps(from + 16 * p));
    _mm512_storeu_ps(sum, v);
}

void cpu_half_widen_avx512(const void *from, int64_t count, float *to)
{
    const uint16_t *h = from;
    for (int64_t i = 0; i < count; i += 16) {
        const __mmask16 m =
            count - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (count - i)) - 1);
        _mm512_mask_storeu_ps(to + i, m, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, h + i)));
    }
}
