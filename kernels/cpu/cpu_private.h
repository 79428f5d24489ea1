/* cpu_private.h - what the files of the CPU backend share.
 *
 * Layer:   kernels/cpu. */
#ifndef SYN_CPU_PRIVATE_H
#define SYN_CPU_PRIVATE_H

#include "kernels/backend/backend.h"
#include "kernels/cpu/conv_form.h"
#include "kernels/cpu/conv_pack.h"

#define CPU_MAX_QUICK 4 /* versions of one operator */
struct cpu_quick_row {
    const struct syn_quick *quick[CPU_MAX_QUICK + 1]; /* NULL after the last */
};

/* The backend's state; immutable after open but for packs (guarded by the engine's build lock). */
struct cpu_self {
    struct syn_backend_info info;
    struct syn_pool *pool;            /* ours, or oneDNN's team while that runs convolutions */
    struct syn_pool *own_pool;
    struct cpu_dnnl *dnnl;            /* NULL: not built in, or of no use here */
    int32_t threads;
    struct cpu_conv_isa f32, bf16;    /* our kernels; empty where the CPU lacks the instructions */
    bool own_f32, own_bf16; /* use them (measured against oneDNN where that is built in) */
    bool wino;                        /* Winograd where it fits */
    bool dnnl_bf16;                   /* oneDNN's bf16 convolutions are the quickest */
    struct cpu_packs *packs;
    struct cpu_quick_row *quick;      /* by operator */
};

/* What all row kernels ask of a convolution, grouped ones too; then *c is its form. The frame that
 * they need around the input is cpu_conv_direct_frame's. */
bool cpu_conv_rows_take(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                        bool bf16, struct syn_conv *c);
/* True when our row kernels run this convolution in this precision. */
bool cpu_conv_direct_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                           bool bf16);
/* Zero frame that the convolution needs around its input; call after _takes. */
int32_t cpu_conv_direct_frame(const struct syn_placement *p, int32_t node);
SYN_MUST_CHECK syn_status cpu_conv_direct_prepare(struct cpu_self *self,
                                                  const struct syn_placement *p,
                                                  const struct syn_place *place, int32_t node,
                                                  struct syn_kernel *k, struct syn_err *err);

/* Depthwise: as many groups as channels, in and out. */
bool cpu_conv_depth_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                          bool bf16);
SYN_MUST_CHECK syn_status cpu_conv_depth_prepare(struct cpu_self *self,
                                                 const struct syn_placement *p,
                                                 const struct syn_place *place, int32_t node,
                                                 struct syn_kernel *k, struct syn_err *err);

/* A convolution and the depthwise one that alone reads its result, as one step (SYN_PASS_PAIRS).
 * place marks the values between: they are `passing`; call when all others have their place.
 * prepare is for the second of the two; the first then has nothing to do. */
void cpu_conv_pair_place(const struct cpu_self *self, const struct syn_placement *p,
                         struct syn_place *place);
SYN_MUST_CHECK syn_status cpu_conv_pair_prepare(struct cpu_self *self,
                                                const struct syn_placement *p,
                                                const struct syn_place *place, int32_t node,
                                                struct syn_kernel *k, struct syn_err *err);

/* The same by Winograd's F(2x2, 3x3): plain 3x3 convolutions with enough channels. Takes what it
 * takes from the direct form, so the frame is the same. */
bool cpu_conv_wino_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                         bool bf16);
SYN_MUST_CHECK syn_status cpu_conv_wino_prepare(struct cpu_self *self,
                                                const struct syn_placement *p,
                                                const struct syn_place *place, int32_t node,
                                                struct syn_kernel *k, struct syn_err *err);

/* Large kernels over few channels, as several 3x3 ones of that form. They read planes of f32, not
 * blocks: place.c keeps a value that nobody else reads so. The frame is the direct form's. */
bool cpu_conv_nested_takes(const struct cpu_self *self, const struct syn_placement *p,
                           int32_t node);
SYN_MUST_CHECK syn_status cpu_conv_nested_prepare(struct cpu_self *self,
                                                  const struct syn_placement *p,
                                                  const struct syn_place *place, int32_t node,
                                                  struct syn_kernel *k, struct syn_err *err);

/* The same with pixels in the lanes: few output channels, stride 1. The frame is the direct
 * form's. */
bool cpu_conv_few_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                        bool bf16);
SYN_MUST_CHECK syn_status cpu_conv_few_prepare(struct cpu_self *self, const struct syn_placement *p,
                                               const struct syn_place *place, int32_t node,
                                               struct syn_kernel *k, struct syn_err *err);

/* By oneDNN. prepare says SYN_UNSUPPORTED, without text, when oneDNN has none for this form after
 * all. */
bool cpu_conv_dnnl_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                         bool bf16);
SYN_MUST_CHECK syn_status cpu_conv_dnnl_prepare(struct cpu_self *self,
                                                const struct syn_placement *p,
                                                const struct syn_place *place, int32_t node,
                                                struct syn_kernel *k, struct syn_err *err);

/* Loops over rows (loops.c, resize.c, shuffle.c): SYN_UNSUPPORTED without text when the node's form
 * is none of theirs; the caller then takes the reference. */
SYN_MUST_CHECK syn_status cpu_loop_prepare(struct cpu_self *self, const struct syn_placement *p,
                                           const struct syn_place *place, int32_t node,
                                           struct syn_kernel *k, struct syn_err *err);
SYN_MUST_CHECK syn_status cpu_spatial_prepare(struct cpu_self *self, const struct syn_placement *p,
                                              const struct syn_place *place, int32_t node,
                                              struct syn_kernel *k, struct syn_err *err);
SYN_MUST_CHECK syn_status cpu_norm_prepare(struct cpu_self *self, const struct syn_placement *p,
                                           const struct syn_place *place, int32_t node,
                                           struct syn_kernel *k, struct syn_err *err);
SYN_MUST_CHECK syn_status cpu_edges_prepare(struct cpu_self *self, const struct syn_placement *p,
                                            const struct syn_place *place, int32_t node,
                                            struct syn_kernel *k, struct syn_err *err);
SYN_MUST_CHECK syn_status cpu_transpose_prepare(struct cpu_self *self,
                                                const struct syn_placement *p,
                                                const struct syn_place *place, int32_t node,
                                                struct syn_kernel *k, struct syn_err *err);
/* A PAD's operand lies in the middle of its result: the border alone is to be written. */
bool cpu_pad_inside(const struct syn_placement *p, const struct syn_place *place, int32_t node);
SYN_MUST_CHECK syn_status cpu_load_prepare(struct cpu_self *self, const struct syn_placement *p,
                                           const struct syn_place *place, int32_t value,
                                           int32_t index, bool load, struct syn_kernel *k,
                                           struct syn_err *err);

/* quick.c: what there is for dense tensors, best first, ending with NULL; NULL: nothing. */
const struct syn_quick *const *cpu_quick(void *self, syn_op_id id);
bool cpu_quick_open(struct cpu_self *self); /* false: no memory */

/* cpu_place.c */
SYN_MUST_CHECK syn_status cpu_place(void *self, const struct syn_placement *p,
                                    struct syn_place *place, struct syn_err *err);

#endif
