/* lines_avx512.c - see lines.h. Eight pixels by four words at a time, as two 4x4 transposes in the
 * halves of a register. */
#include "kernels/cpu/lines.h"
#include <immintrin.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

/* Half l of r[k] is line k of a 4x4 square; afterwards it is column k. */
ALWAYS void transpose4(__m256i r[4])
{
    const __m256i a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpacklo_epi32(r[2], r[3]),
                  c = _mm256_unpackhi_epi32(r[0], r[1]), d = _mm256_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm256_unpacklo_epi64(a, b);
    r[1] = _mm256_unpackhi_epi64(a, b);
    r[2] = _mm256_unpacklo_epi64(c, d);
    r[3] = _mm256_unpackhi_epi64(c, d);
}

ALWAYS __m256i two(const uint32_t *low, const uint32_t *high)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
        _mm_loadu_si128((const __m128i *)high), 1);
}

void cpu_words_to_lines_avx512(const uint32_t *from, int64_t pixel, int64_t words, int64_t px,
                               uint32_t *to, int64_t line)
{
    int64_t p = 0;
    for (; p + 8 <= px; p += 8)
        for (int64_t w = 0; w < words; w += 4) {
            const uint32_t *x = from + p * pixel + w;
            __m256i r[4];
            for (int i = 0; i < 4; i++) r[i] = two(x + i * pixel, x + (i + 4) * pixel);
            transpose4(r);
            for (int i = 0; i < 4 && w + i < words; i++)
                _mm256_storeu_si256((__m256i *)(to + (w + i) * line + p), r[i]);
        }
    for (; p < px; p++)
        for (int64_t w = 0; w < words; w++) to[w * line + p] = from[p * pixel + w];
}

void cpu_lines_to_words_avx512(const uint32_t *from, int64_t line, int64_t words, int64_t px,
                               uint32_t *to, int64_t pixel)
{
    const int64_t used = (words + 3) / 4 * 4;
    int64_t p = 0;
    for (; p + 8 <= px; p += 8)
        for (int64_t w = 0; w < pixel; w += 4) {
            uint32_t *y = to + p * pixel + w;
            __m256i r[4];
            for (int i = 0; i < 4; i++)
                r[i] = w + i < words
                           ? _mm256_loadu_si256((const __m256i *)(from + (w + i) * line + p))
                           : _mm256_setzero_si256();
            if (w < used) transpose4(r);
            for (int i = 0; i < 4; i++) {
                _mm_storeu_si128((__m128i *)(y + i * pixel), _mm256_castsi256_si128(r[i]));
                _mm_storeu_si128((__m128i *)(y + (i + 4) * pixel),
                                 _mm256_extracti128_si256(r[i], 1));
            }
        }
    for (; p < px; p++)
        for (int64_t w = 0; w < pixel; w++)
            to[p * pixel + w] = w < words ? from[w * line + p] : 0;
}

void cpu_lines_act_avx512(float *v, int64_t line, int64_t lines, int64_t px,
                          const struct cpu_line_act *act)
{
    const __m512 low = _mm512_set1_ps(act->low), high = _mm512_set1_ps(act->high),
                 alpha = _mm512_set1_ps(act->alpha), zero = _mm512_setzero_ps();
    for (int64_t c = 0; c < lines; c++, v += line) {
        const __m512 slope = _mm512_set1_ps(act->slope[c]);
        for (int64_t p = 0; p < px; p += 16) {
            const __mmask16 m =
                px - p >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (px - p)) - 1);
            __m512 x = _mm512_maskz_loadu_ps(m, v + p);
            x = _mm512_mask_mul_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), x, slope);
            x = _mm512_min_ps(high, _mm512_max_ps(low, x)); /* NaN: the second */
            _mm512_mask_storeu_ps(v + p, m, _mm512_mul_ps(x, alpha));
        }
    }
}
