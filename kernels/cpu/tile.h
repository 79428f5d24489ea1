/* tile.h - the one inner loop of matrix products and convolutions on dense f32: a block of rows
 * times a run of columns.
 *
 *     y[r][j] = bias[r] + sum over k of a[r*a_row + k*a_k] * x[at(k) + j]      r < rows, j < cols
 * with at(k) = off[k], or k * x_k where off is NULL. A matrix product has a = A, x = B; a
 * convolution has packed weights as a and, for every tap, the place in the (padded) input where its
 * row of columns begins as off.
 *
 * Layer:   kernels/cpu.   Threads: pure functions.
 * Reads:   x no further than column cols-1 of any k; writes y[r][0, cols) alone. */
#ifndef SYN_CPU_TILE_H
#define SYN_CPU_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_TILE_ROWS 8
#define CPU_TILE_COLS 48 /* three registers of 16 */

struct cpu_tile {
    const float *a, *x;
    const float *bias;      /* one per row; NULL = 0 */
    const int64_t *off;
    int64_t a_row, a_k, x_k, k;
    float *y;
    int64_t y_row;
    int32_t rows, cols;     /* at most CPU_TILE_ROWS and CPU_TILE_COLS */
    bool add;               /* y += instead of y = */
    bool relu;              /* 0 instead of what is less, last of all */
};

typedef void cpu_tile_fn(const struct cpu_tile *t);

void cpu_tile_portable(const struct cpu_tile *t);
void cpu_tile_avx512(const struct cpu_tile *t);
void cpu_tile_avx2(const struct cpu_tile *t);
cpu_tile_fn *cpu_tile_best(void); /* of this CPU */
/* The same with a and x in pairs: each 32-bit word is two bf16 numbers, whose products are both
 * added; k counts pairs. NULL where the CPU has no such instruction. */
cpu_tile_fn *cpu_tile_bf16(void);
void cpu_tile_avx512bf16(const struct cpu_tile *t);
/* to[i] = the word of a[i] (low half) and b[i], each rounded to bf16. Only where cpu_tile_bf16() is
 * not NULL. */
void cpu_pair_bf16(const float *a, const float *b, float *to, int64_t n);
/* to[i] = the word of a[2i] and a[2i + 1], 0 where n is odd and that is beyond; n counts numbers.
 * Under the same condition. */
void cpu_join_bf16(const float *a, float *to, int64_t n);

/* One row: y[j] = bias + sum over k of a[k] * x[off[k] + j], j < cols. Depthwise convolutions. */
typedef void cpu_taps_fn(const float *a, const float *x, const int64_t *off, int64_t k, float bias,
                         float *y, int64_t cols);
void cpu_taps_portable(const float *a, const float *x, const int64_t *off, int64_t k, float bias,
                       float *y, int64_t cols);
void cpu_taps_avx512(const float *a, const float *x, const int64_t *off, int64_t k, float bias,
                     float *y, int64_t cols);
cpu_taps_fn *cpu_taps_best(void);
/* Two rows of 64 at once: y0[j] = sum over k of a[k] * x0[64 * k + j], and y1 of x1 likewise. NULL where
 * there is nothing better than one after the other. */
typedef void cpu_pair_fn(const float *a, const float *x0, const float *x1, int64_t k, float *y0,
                         float *y1);
void cpu_pair_avx512(const float *a, const float *x0, const float *x1, int64_t k, float *y0,
                     float *y1);
cpu_pair_fn *cpu_pair_best(void);

#endif
