/* rowwise.h - operations along one row of floats: softmax and norms. See quick_rows.c.
 *
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_ROWWISE_H
#define SYN_CPU_ROWWISE_H

#include <stdbool.h>
#include <stdint.h>

struct cpu_rowwise {
    void (*softmax)(const float *x, float *y, int64_t n);
    /* (x - mean) / sqrt(var + epsilon) * scale + bias; rms: without the mean. bias may be NULL. */
    void (*norm)(const float *x, const float *scale, const float *bias, float *y, int64_t n,
                 float epsilon, bool rms);
    float (*sum)(const float *x, int64_t n);
    /* sum += x - shift, square += (x - shift)^2 */
    void (*moments)(const float *x, int64_t n, float shift, double *sum, double *square);
    void (*affine)(const float *x, float *y, int64_t n, float factor,
                   float offset); /* y = x * factor + offset */
};
const struct cpu_rowwise *cpu_rowwise_best(void);
extern const struct cpu_rowwise cpu_rowwise_portable;
extern const struct cpu_rowwise cpu_rowwise_avx512;
extern const struct cpu_rowwise cpu_rowwise_avx2;

#endif
