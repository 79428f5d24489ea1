/* tile_avx512.h - the tile of 8 rows by up to 48 columns in 24 registers, for products of f32 and of bf16 pairs. See
 * tile.h.
 *
 * Use:     define TILE_NAME (the function) and TILE_MULTIPLY_ADD(sum, a, b) (sum + a*b, sixteen lanes), then include.
 * Per step of k: three loads of x, eight broadcasts of a, 24 multiply-adds, so that the multipliers are the limit. The
 *          tail of the columns is masked; missing rows repeat the last one and are not stored.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/tile.h"
#include <immintrin.h>

#define MR CPU_TILE_ROWS

static inline __attribute__((always_inline)) void tile(const struct cpu_tile *t, const int nr,
                                                       const bool masked)
{
    const __mmask16 last =
        masked ? (__mmask16)((1u << (t->cols - 16 * (nr - 1))) - 1) : (__mmask16)0xffff;
    const float *row[MR];
    __m512 acc[MR][3];
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
        const int own = r < t->rows ? r : t->rows - 1;
        row[r] = t->a + own * t->a_row;
        for (int v = 0; v < nr; v++) {
            acc[r][v] = _mm512_set1_ps(t->bias ? t->bias[own] : 0);
            if (t->add)
                acc[r][v] = _mm512_add_ps(
                    acc[r][v], _mm512_maskz_loadu_ps(v == nr - 1 ? last : (__mmask16)0xffff,
                                                     t->y + own * t->y_row + 16 * v));
        }
    }
    for (int64_t k = 0; k < t->k; k++) {
        const float *x = t->x + (t->off ? t->off[k] : k * t->x_k);
        const int64_t at = k * t->a_k;
        __m512 b[3];
        for (int v = 0; v < nr; v++)
            b[v] = masked && v == nr - 1 ? _mm512_maskz_loadu_ps(last, x + 16 * v)
                                         : _mm512_loadu_ps(x + 16 * v);
        for (int r = 0; r < MR; r++) {
            const __m512 a = _mm512_set1_ps(row[r][at]);
            for (int v = 0; v < nr; v++) acc[r][v] = TILE_MULTIPLY_ADD(acc[r][v], a, b[v]);
        }
    }
    for (int r = 0; r < t->rows; r++)
        for (int v = 0; v < nr; v++)
            _mm512_mask_storeu_ps(t->y + r * t->y_row + 16 * v,
                                  v == nr - 1 ? last : (__mmask16)0xffff, acc[r][v]);
}

/* One copy of the loop for each number of registers, with and without a mask: constants unroll
 * it. */
static void one(const struct cpu_tile *t) { tile(t, 1, false); }
static void one_masked(const struct cpu_tile *t) { tile(t, 1, true); }
static void two(const struct cpu_tile *t) { tile(t, 2, false); }
static void two_masked(const struct cpu_tile *t) { tile(t, 2, true); }
static void three(const struct cpu_tile *t) { tile(t, 3, false); }
static void three_masked(const struct cpu_tile *t) { tile(t, 3, true); }

void TILE_NAME(const struct cpu_tile *t)
{
    static void (*const by_registers[3][2])(const struct cpu_tile *) = {
        {one, one_masked}, {two, two_masked}, {three, three_masked}};
    if (t->rows > 0 && t->cols > 0) by_registers[(t->cols - 1) / 16][t->cols % 16 != 0](t);
}
