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
