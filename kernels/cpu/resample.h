/* resample.h - rows of pixels resampled along the row and across rows. See quick_resize.c.
 *
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_RESAMPLE_H
#define SYN_CPU_RESAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_RESAMPLE_GROUP 16 /* outputs that a window's first place is known for */

/* What the outputs of a row read, place and weight k of output o at [k * padded + o]; padded is a
 * multiple of 16, and what lies behind the row is as its last output. */
struct cpu_resample_taps {
    int64_t in, out, padded, width;
    const int32_t *at;
    const float *weight;
    const int32_t *base; /* by group of 16 outputs: the first place they read; -1: further apart
                            than two registers of the smallest kind hold */
};

struct cpu_resample {
    /* y[o] = sum over k of weight * x[at]; one tap: x[at]. */
    void (*along)(const struct cpu_resample_taps *t, const float *x, float *y);
    /* y[i] = sum over k of w[k] * row[k][i] */
    void (*across)(const float *const *row, const float *w, int64_t rows, int64_t n, float *y);
};
extern const struct cpu_resample cpu_resample_portable, cpu_resample_avx2, cpu_resample_avx512;
const struct cpu_resample *cpu_resample_best(void);

#endif
