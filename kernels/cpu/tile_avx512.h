/* tile_avx512.h - the tile of 8 rows by up to 48 columns in 24 registers, for products of f32 and
 * of bf16 pairs. See tile.h.
 *
 * Use:     define TILE_NAME (the function) and TILE_MULTIPLY_ADD(sum, a, b) (sum + a*b, sixteen
 *          lanes), then include.
 * Per step of k: three loads of x, eight broadcasts of a, 24 multiply-adds, so that the multipliers
 *          are the limit. The tail of the columns is masked. Fewer rows have loops of their own: a
 *          convolution to three channels is three rows for every tile it has.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/tile.h"
#include <immintrin.h>

static inline __attribute__((always_inline)) void tile(const struct cpu_tile *t, const int mr,
                                                       const int nr, const bool masked)
{
    const __mmask16 last =
        masked ? (__mmask16)((1u << (t->cols - 16 * (nr - 1))) - 1) : (__mmask16)0xffff;
    const float *row[CPU_TILE_ROWS];
    __m512 acc[CPU_TILE_ROWS][3];
#pragma GCC unroll 8
    for (int r = 0; r < mr; r++) {
        row[r] = t->a + r * t->a_row;
        for (int v = 0; v < nr; v++) {
            acc[r][v] = _mm512_set1_ps(t->bias ? t->bias[r] : 0);
            if (t->add)
                acc[r][v] = _mm512_add_ps(
                    acc[r][v], _mm512_maskz_loadu_ps(v == nr - 1 ? last : (__mmask16)0xffff,
                                                     t->y + r * t->y_row + 16 * v));
        }
    }
    for (int64_t k = 0; k < t->k; k++) {
        const float *x = t->x + (t->off ? t->off[k] : k * t->x_k);
        const int64_t at = k * t->a_k;
        __m512 b[3];
        for (int v = 0; v < nr; v++)
            b[v] = masked && v == nr - 1 ? _mm512_maskz_loadu_ps(last, x + 16 * v)
                                         : _mm512_loadu_ps(x + 16 * v);
#pragma GCC unroll 8
        for (int r = 0; r < mr; r++) {
            const __m512 a = _mm512_set1_ps(row[r][at]);
            for (int v = 0; v < nr; v++) acc[r][v] = TILE_MULTIPLY_ADD(acc[r][v], a, b[v]);
        }
    }
    /* in this order a NaN stays one */
    const __m512 least = _mm512_set1_ps(t->relu ? 0 : -__builtin_inff());
#pragma GCC unroll 8
    for (int r = 0; r < mr; r++)
        for (int v = 0; v < nr; v++)
            _mm512_mask_storeu_ps(t->y + r * t->y_row + 16 * v,
                                  v == nr - 1 ? last : (__mmask16)0xffff,
                                  _mm512_max_ps(least, acc[r][v]));
}

/* One copy of the loop for each number of rows and registers, with and without a mask: constants
 * unroll it. */
#define TILES(r)                                                                                   \
    static void t##r##_1(const struct cpu_tile *t) { tile(t, r, 1, false); }                       \
    static void t##r##_1m(const struct cpu_tile *t) { tile(t, r, 1, true); }                       \
    static void t##r##_2(const struct cpu_tile *t) { tile(t, r, 2, false); }                       \
    static void t##r##_2m(const struct cpu_tile *t) { tile(t, r, 2, true); }                       \
    static void t##r##_3(const struct cpu_tile *t) { tile(t, r, 3, false); }                       \
    static void t##r##_3m(const struct cpu_tile *t) { tile(t, r, 3, true); }
#define ENTRY(r) {{t##r##_1, t##r##_1m}, {t##r##_2, t##r##_2m}, {t##r##_3, t##r##_3m}},
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
ROWS(TILES)

void TILE_NAME(const struct cpu_tile *t)
{
    static cpu_tile_fn *const by_size[CPU_TILE_ROWS][3][2] = {ROWS(ENTRY)};
    if (t->rows > 0 && t->cols > 0)
        by_size[t->rows - 1][(t->cols - 1) / 16][t->cols % 16 != 0](t);
}
