/* steps.h - one step of a chain over a run of numbers. See kernels/graph/chain.h.
 *
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_STEPS_H
#define SYN_CPU_STEPS_H

#include "kernels/graph/chain.h"

/* y[i] = step(a[i], b[i]); b may be NULL for unary steps. y may be a or b. */
typedef void cpu_step_fn(syn_step s, const float *a, const float *b, float *y, int64_t n,
                         const double args[2]);
void cpu_step_portable(syn_step s, const float *a, const float *b, float *y, int64_t n,
                       const double args[2]);
void cpu_step_avx512(syn_step s, const float *a, const float *b, float *y, int64_t n,
                     const double args[2]);
void cpu_step_avx2(syn_step s, const float *a, const float *b, float *y, int64_t n,
                   const double args[2]);
cpu_step_fn *cpu_step_best(void);

#endif
