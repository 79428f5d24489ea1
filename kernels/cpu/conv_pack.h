/* conv_pack.h - see conv_pack.c. */
#ifndef SYN_CPU_CONV_PACK_H
#define SYN_CPU_CONV_PACK_H

#include "kernels/cpu/conv.h"

struct cpu_self;

#define CPU_MAX_TAPS 128

struct cpu_tap {
    int32_t ky, kx; /* position in the kernel */
    int32_t dy, dx; /* input pixel relative to (grid row * stride, grid column * stride) */
};

/* Taps of the phase that writes output rows row0 + step*r and columns col0 + step*q (0, 0 for a
 * plain convolution). kh * kw must be at most CPU_MAX_TAPS. Returns how many. */
int32_t cpu_conv_taps(const struct syn_conv *c, int32_t row0, int32_t col0,
                      struct cpu_tap tap[CPU_MAX_TAPS]);

/* Channels that the kernel reads of the last input block. */
static inline int32_t cpu_last_k(const struct syn_conv *c, bool bf16)
{
    int32_t k = (int32_t)((c->ci - 1) % CPU_BLOCK + 1);
    return bf16 ? (k + 1) & ~1 : k;
}
/* Elements of the weights of n_out output blocks of one phase. */
int64_t cpu_pack_group_elements(const struct syn_conv *c, bool bf16, int32_t n_taps, int32_t n_out);

/* The packed weights of w, from the list or made anew by fill (which writes every one of so many
 * elements, 2 or 4 bytes each), in n_tasks tasks on the pool; the caller releases them. One key may
 * be packed in several forms. */
typedef void cpu_pack_fn(const struct syn_conv *c, const struct syn_value *w, bool bf16, void *data,
                         int64_t task);
SYN_MUST_CHECK syn_status cpu_pack_find(struct cpu_self *self, enum cpu_pack_form form,
                                        const struct syn_conv *c, const struct syn_value *w,
                                        bool bf16, int64_t elements, cpu_pack_fn *fill,
                                        int64_t n_tasks, struct cpu_pack **out,
                                        struct syn_err *err);

/* In the form of the row kernels (CPU_PACK_DIRECT). group must be 1. */
SYN_MUST_CHECK syn_status cpu_pack_get(struct cpu_self *self, const struct syn_conv *c,
                                       const struct syn_value *w, bool bf16, struct cpu_pack **out,
                                       struct syn_err *err);

/* Of a depthwise convolution: f32, [block][tap][16], zeros past the last channel; the caller's
 * (syn_free). */
SYN_MUST_CHECK syn_status cpu_depth_weights(const struct syn_conv *c, const struct syn_value *w,
                                            float **out, struct syn_err *err);
size_t cpu_depth_weight_bytes(const struct syn_conv *c);

#endif
