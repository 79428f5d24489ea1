/* norm.h - the two inner loops of CHANNEL_NORM, over a row of pixels of one channel block.
 *
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_NORM_H
#define SYN_CPU_NORM_H

#include "kernels/backend/backend.h"
#include "kernels/cpu/conv_form.h"

struct cpu_norm_apply {        /* y = act(x * factor + offset) + res, per lane of a block */
    float factor[CPU_BLOCK], offset[CPU_BLOCK];
    int32_t act;               /* enum syn_act */
    float a, b;
};

struct cpu_norm_rows {
    /* sum[l] += x - shift[l], square[l] += (x - shift[l])^2 over `pixels` pixels of CPU_BLOCK
     * numbers. */
    void (*sum)(syn_dtype t, const void *x, int64_t pixels, const float *shift, float *sum,
                float *square);
    /* res may be NULL. */
    void (*apply)(syn_dtype t, const void *x, syn_dtype res_t, const void *res, syn_dtype out_t,
                  void *y, int64_t pixels, const struct cpu_norm_apply *p);
};

extern const struct cpu_norm_rows cpu_norm_portable;
/* Without activation, with ReLU or leaky ReLU; where the CPU has avx512f and avx512bw, or avx2 and
 * fma. */
extern const struct cpu_norm_rows cpu_norm_avx512, cpu_norm_avx2;

#endif
