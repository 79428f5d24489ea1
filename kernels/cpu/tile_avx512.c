/* tile_avx512.c - the tile on f32, and one row of it for depthwise convolutions. See tile.h. */
#define TILE_NAME cpu_tile_avx512
#define TILE_MULTIPLY_ADD(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#include "kernels/cpu/tile_avx512.h"

void cpu_taps_avx512(const float *a, const float *x, const int64_t *off, int64_t k, float bias,
                     float *y, int64_t cols)
{
    int64_t j = 0;
    for (; j + 64 <= cols; j += 64) {
        __m512 acc[4];
        for (int v = 0; v < 4; v++) acc[v] = _mm512_set1_ps(bias);
        for (int64_t i = 0; i < k; i++)
            for (int v = 0; v < 4; v++)
                acc[v] = _mm512_fmadd_ps(_mm512_set1_ps(a[i]),
                                         _mm512_loadu_ps(x + off[i] + j + 16 * v), acc[v]);
        for (int v = 0; v < 4; v++) _mm512_storeu_ps(y + j + 16 * v, acc[v]);
    }
    for (; j < cols; j += 16) {
        const __mmask16 m =
            cols - j >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (cols - j)) - 1);
        __m512 acc = _mm512_set1_ps(bias);
        for (int64_t i = 0; i < k; i++)
            acc = _mm512_fmadd_ps(_mm512_set1_ps(a[i]), _mm512_maskz_loadu_ps(m, x + off[i] + j),
                                  acc);
        _mm512_mask_storeu_ps(y + j, m, acc);
    }
}

/* Eight sums hide the latency that four do not, and a state's number is spread once for both. */
void cpu_pair_avx512(const float *a, const float *x0, const float *x1, int64_t k, float *y0,
                     float *y1)
{
    __m512 s0[4], s1[4];
    for (int v = 0; v < 4; v++) s0[v] = s1[v] = _mm512_setzero_ps();
    for (int64_t i = 0; i < k; i++, x0 += 64, x1 += 64) {
        const __m512 one = _mm512_set1_ps(a[i]);
        _mm_prefetch((const char *)(x0 + 1024), _MM_HINT_T0);
        _mm_prefetch((const char *)(x0 + 1040), _MM_HINT_T0);
        _mm_prefetch((const char *)(x0 + 1056), _MM_HINT_T0);
        _mm_prefetch((const char *)(x0 + 1072), _MM_HINT_T0);
        _mm_prefetch((const char *)(x1 + 1024), _MM_HINT_T0);
        _mm_prefetch((const char *)(x1 + 1040), _MM_HINT_T0);
        _mm_prefetch((const char *)(x1 + 1056), _MM_HINT_T0);
        _mm_prefetch((const char *)(x1 + 1072), _MM_HINT_T0);
        for (int v = 0; v < 4; v++) {
            s0[v] = _mm512_fmadd_ps(one, _mm512_loadu_ps(x0 + 16 * v), s0[v]);
            s1[v] = _mm512_fmadd_ps(one, _mm512_loadu_ps(x1 + 16 * v), s1[v]);
        }
    }
    for (int v = 0; v < 4; v++) {
        _mm512_storeu_ps(y0 + 16 * v, s0[v]);
        _mm512_storeu_ps(y1 + 16 * v, s1[v]);
    }
}
