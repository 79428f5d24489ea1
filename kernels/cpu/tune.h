/* tune.h - which convolution is quickest here, by timing: our kernels or oneDNN's, f32 or bf16.
 *
 * One 3x3 convolution of 64 channels, the shape that dominates super-resolution, runs a few times
 * in each way this build and this CPU offer. Flags of the CPU are not asked: bf16 without hardware
 * is five times slower than f32, with AVX-512 or AMX two to eight times quicker. Answers are kept
 * in a file, by CPU model, threads and build, so that only the first start measures.
 *
 * Layer:   kernels/cpu. */
#ifndef SYN_CPU_TUNE_H
#define SYN_CPU_TUNE_H

#include "kernels/cpu/cpu_private.h"

/* Sets own_f32, own_bf16, dnnl_bf16 and the figures in self->info. file may be NULL; a file that
 * can't be read or written costs a measurement, not an error. want_bf16 false: f32 only. */
SYN_MUST_CHECK syn_status cpu_tune(struct cpu_self *self, const char *file, bool want_bf16,
                                   struct syn_err *err);

#endif
