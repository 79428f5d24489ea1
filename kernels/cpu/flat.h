/* flat.h - depthwise convolutions of small planes, all rows of a plane as one run of numbers.
 *
 * Maths:   where an input row is `step` times as long as an output row, output position p of the
 *          plane reads, for the tap (ky, kx), input position step*p + off with one off per tap for
 *          all rows. Columns that a tap would take from the row before or after are masked, rows
 *          above and below the plane lie outside [0, n_x). With two phases (a transposed
 *          convolution of stride 2) a position makes two outputs that lie side by side, each from
 *          taps of its own.
 * Why:     rows of 8 to 100 numbers, one at a time, cost more in loops and copies than in products.
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_FLAT_H
#define SYN_CPU_FLAT_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_FLAT_LANES 16 /* positions to a word of a mask */

struct cpu_flat_tap {
    int64_t off;          /* of its input from step * p */
    const uint16_t *mask; /* [period]: positions 16i..16i+15 whose column is inside; bit 0 first */
};

struct cpu_flat {
    const float *x; /* [n_x]: a plane */
    float *y;       /* where the outputs of position `from` go, those after it behind */
    int64_t n_x, n; /* positions of a plane: y's, over the phases */
    int64_t step;   /* 1 or 2; 1 where there are two phases */
    int64_t period; /* masks repeat after so many words */
    int32_t phases; /* 1 or 2 */
    int32_t n_taps[2];
    const struct cpu_flat_tap *tap[2]; /* by phase */
    const float *weight[2];            /* by phase, one per tap */
    int64_t first, last;               /* the least and the most of all off; 0 among them */
    float bias, least;                 /* least: no output is below it; -INFINITY: none */
};

/* Positions [from, to); from is a multiple of CPU_FLAT_LANES. */
void cpu_flat_avx512(const struct cpu_flat *f, int64_t from, int64_t to);

#endif
