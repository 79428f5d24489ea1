/* rows.h - rows of a placed value as floats, and the zero frame around it.
 *
 * A row is one line of pixels of one channel block: width * block numbers in a row. Every loop of
 * this backend that is not a convolution works on rows: read them as f32, compute, write them back.
 *
 * Layer:   kernels/cpu.   Threads: pure functions over memory the caller owns. */
#ifndef SYN_CPU_ROWS_H
#define SYN_CPU_ROWS_H

#include "kernels/backend/backend.h"

#define CPU_CHUNK 1024 /* floats that a loop converts at a time: 4 KiB, well inside L1 */

/* Element index of pixel 0 of a row of one channel block, within the value. */
static inline int64_t cpu_row_at(const struct syn_place *p, int64_t n, int64_t cb, int64_t y)
{
    return syn_place_row(p, n, cb * p->block, y);
}
static inline int64_t cpu_blocks(const struct syn_place *p, const struct syn_shape *s)
{
    return (s->dim[1] + p->block - 1) / p->block;
}

/* count numbers from element `at`, as floats; and back, bf16 rounded to nearest even. */
void cpu_row_read(const struct syn_place *p, const void *base, int64_t at, int64_t count,
                  float *to);
void cpu_row_write(const struct syn_place *p, void *base, int64_t at, int64_t count,
                   const float *from);

/* n elements of constant data from element i, as floats: syn_value_floats, f16 sixteen at a
 * time. */
void cpu_value_floats(const struct syn_value *v, int64_t i, int64_t n, float *to);

/* The CPU has what files named *_avx512.c are compiled for. */
bool cpu_has_avx512(void);

/* bf16 alone, for CPUs with AVX-512; the two above use them there. */
void cpu_row_widen_avx512(const uint16_t *from, int64_t count, float *to);
/* Adds px pixels of a block of sixteen, channel by channel. */
void cpu_row_add_avx512(const float *from, int64_t px, float sum[16]);
/* px pixels of three channels as pixels of four, the last zero. */
void cpu_row_quads_avx512(const float *from, int64_t px, float *to);
void cpu_row_narrow_avx512(const float *from, int64_t count, uint16_t *to);
/* f16, at any alignment. */
void cpu_half_widen_avx512(const void *from, int64_t count, float *to);

/* Zeroes the frame beside row y of one channel block; with y = 0 and y = h-1 also the rows above
 * and below. A loop that calls it for every row it writes leaves the whole frame zero. */
void cpu_zero_frame(const struct syn_place *p, const struct syn_shape *s, void *base, int64_t n,
                    int64_t cb, int64_t y);

/* One task per (n, channel block, band of rows): the shape of nearly every loop here. Decodes task
 * t. */
struct cpu_grid {
    int64_t n, blocks, rows, band; /* band: rows per task */
};
struct cpu_grid cpu_grid_of(const struct syn_place *p, const struct syn_shape *s, int32_t threads);
int64_t cpu_grid_tasks(const struct cpu_grid *g);
void cpu_grid_task(const struct cpu_grid *g, int64_t task, int64_t *n, int64_t *cb, int64_t *y0,
                   int64_t *y1);

#endif
