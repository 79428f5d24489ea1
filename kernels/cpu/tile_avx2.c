/* tile_avx2.c - 4 rows by up to 24 columns at a time in 12 registers, for CPUs without AVX-512. See
 * tile.h. */
#include "kernels/cpu/tile.h"
#include <immintrin.h>

#define MR 4
#define NR 3 /* registers of 8 columns */

static inline __m256i mask_of(int32_t cols)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(cols), lane);
}

/* Rows [r0, r0+4), columns [j0, j0+24) of the tile. */
static void part(const struct cpu_tile *t, int32_t r0, int32_t j0)
{
    __m256i mask[NR];
    __m256 acc[MR][NR];
    const float *row[MR];
    /* first, so that a NaN stays one */
    const __m256 least = _mm256_set1_ps(t->relu ? 0 : -__builtin_inff());
    for (int v = 0; v < NR; v++) mask[v] = mask_of(t->cols - j0 - 8 * v);
    for (int r = 0; r < MR; r++) {
        const int32_t own = r0 + r < t->rows ? r0 + r : t->rows - 1;
        row[r] = t->a + own * t->a_row;
        for (int v = 0; v < NR; v++) {
            acc[r][v] = _mm256_set1_ps(t->bias ? t->bias[own] : 0);
            if (t->add)
                acc[r][v] = _mm256_add_ps(
                    acc[r][v], _mm256_maskload_ps(t->y + own * t->y_row + j0 + 8 * v, mask[v]));
        }
    }
    for (int64_t k = 0; k < t->k; k++) {
        const float *x = t->x + (t->off ? t->off[k] : k * t->x_k) + j0;
        __m256 b[NR];
        for (int v = 0; v < NR; v++) b[v] = _mm256_maskload_ps(x + 8 * v, mask[v]);
        for (int r = 0; r < MR; r++) {
            const __m256 a = _mm256_broadcast_ss(row[r] + k * t->a_k);
            for (int v = 0; v < NR; v++) acc[r][v] = _mm256_fmadd_ps(a, b[v], acc[r][v]);
        }
    }
    for (int r = 0; r < MR && r0 + r < t->rows; r++)
        for (int v = 0; v < NR; v++)
            _mm256_maskstore_ps(t->y + (r0 + r) * t->y_row + j0 + 8 * v, mask[v],
                                _mm256_max_ps(least, acc[r][v]));
}

void cpu_tile_avx2(const struct cpu_tile *t)
{
    for (int32_t j = 0; j < t->cols; j += 8 * NR)
        for (int32_t r = 0; r < t->rows; r += MR) part(t, r, j);
}
