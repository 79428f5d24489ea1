/* depth.h - depthwise convolutions planned for runs over planes (flat.h): what quick_depth.c does
 * and others do on the way to something else.
 *
 * Layer:   kernels/cpu.   Threads: a plan is read only once it is made. */
#ifndef SYN_CPU_DEPTH_H
#define SYN_CPU_DEPTH_H

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/flat.h"
#include <stddef.h>

#define CPU_DEPTH_TAPS 64 /* most of a kernel */

struct cpu_depth {
    struct cpu_conv_shape s;
    struct cpu_flat flat; /* without a plane's own; flat.n: positions of a plane */
    struct cpu_flat_tap tap[2][CPU_DEPTH_TAPS];
    const float *x, *bias; /* bias may be NULL */
    const float *weight;   /* [co][taps], by phase and tap */
};

/* Outputs read one channel each, and rows are short and as long as they must be. */
bool cpu_depth_takes(const struct cpu_conv_shape *s);
size_t cpu_depth_scratch(const struct cpu_conv_shape *s); /* bytes, aligned to SYN_ALIGN */
/* d->s must be one that is taken. Scratch must live as long as the plan; the step is not done
 * unless it is a Relu. */
void cpu_depth_plan(struct cpu_depth *d, const float *x, const float *weights, const float *bias,
                    void *scratch);
/* Positions [from, to) of a plane of the output (of n * co); from is a multiple of CPU_FLAT_LANES.
 * y: where the first of them goes. */
void cpu_depth_run(const struct cpu_depth *d, int64_t plane, int64_t from, int64_t to, float *y);

#endif
