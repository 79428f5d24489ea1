/* dnnl.h - convolutions by oneDNN, versions 2.x and 3.x behind one face.
 *
 * Activations are nChw16c without gaps: blocks of 16 channels, pixels one after another, no frame.
 * oneDNN takes its reference path for strided views (hundreds of times slower), so none is ever
 * handed over: a beginning of a concat at batch 1 is dense by itself.
 *
 * Layer:   kernels/cpu. The only files that include oneDNN's header are dnnl.c and dnnl_omp.c.
 * Threads: as the backend; oneDNN runs on its OpenMP team, so while it is in use all loops do
 *          (cpu_dnnl_pool): two teams would take the cores from each other. */
#ifndef SYN_CPU_DNNL_H
#define SYN_CPU_DNNL_H

#include "kernels/base/threads.h"
#include "kernels/graph/tensor.h"

struct cpu_dnnl;
struct cpu_dnnl_conv;

struct cpu_dnnl_spec {
    int64_t n, ci, h, w, co, ho, wo, kh, kw, group;
    int64_t stride_h, stride_w, dil_h, dil_w, top, left, bottom, right;
    bool bf16;         /* input and weights; sums are f32 */
    bool y_bf16;       /* output */
    bool leaky;        /* y < 0 becomes slope*y */
    float slope;
    uint64_t key;      /* of the weights: equal keys share packed weights; 0 = unknown */
};

SYN_MUST_CHECK syn_status cpu_dnnl_new(int32_t threads, struct cpu_dnnl **out, struct syn_err *err);
void cpu_dnnl_free(struct cpu_dnnl *d); /* NULL-safe */
/* Loops on oneDNN's own OpenMP team. Lives as long as d. */
struct syn_pool *cpu_dnnl_pool(struct cpu_dnnl *d);

/* weights: f32 [co][ci/group][kh][kw]; bias: f32 [co] or NULL; both read now. SYN_UNSUPPORTED:
 * oneDNN has only its reference for this. */
SYN_MUST_CHECK syn_status cpu_dnnl_conv_new(struct cpu_dnnl *d, const struct cpu_dnnl_spec *spec,
                                            const float *weights, const float *bias,
                                            struct cpu_dnnl_conv **out, struct syn_err *err);
/* Would cpu_dnnl_conv_new find an implementation? Makes nothing. */
bool cpu_dnnl_conv_offered(struct cpu_dnnl *d, const struct cpu_dnnl_spec *spec, bool bias);
void cpu_dnnl_conv_free(struct cpu_dnnl_conv *c); /* NULL-safe */
size_t cpu_dnnl_conv_bytes(const struct cpu_dnnl_conv *c);
/* y must not overlap x. False: oneDNN failed (out of memory for its own scratch). */
bool cpu_dnnl_conv_run(struct cpu_dnnl_conv *c, const void *x, void *y);

#endif
