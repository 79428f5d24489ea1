/* conv_form.h - what all convolutions of this backend have in common: operands, constants per
 * channel, the grid of a phase, and where a row of outputs lies.
 *
 * A transposed convolution is one plain convolution for each phase of its stride (conv.h);
 * everything else is its own only phase.
 *
 * Layer:   kernels/cpu.
 * Threads: a form is immutable after init. */
#ifndef SYN_CPU_CONV_FORM_H
#define SYN_CPU_CONV_FORM_H

#include "kernels/cpu/conv.h"

struct cpu_form {
    const struct syn_place *place;
    struct syn_conv c;
    int32_t x, y, res1, res2;     /* values; residuals -1 = absent */
    struct syn_shape y_shape;
    bool bf16;                    /* the input's type, and so the weights' */
    int64_t x_blocks, y_blocks;   /* of CPU_BLOCK channels */
    int32_t n_groups;             /* of two output blocks, the last perhaps of one */
    int32_t step_h,
        step_w; /* output pixels between two of one phase: the stride if transposed, else 1 */
    float *bias, *slope;          /* per channel, zero up to whole groups; owned */
    float low, high;              /* clip; -inf, inf = none */
    bool clip_only;               /* all that happens to a sum: no slope, no scale, no residual */
};

/* The convolution of a node as numbers; false when its operands are not what this backend takes
 * (weights, bias and slope constant, pictures not). */
bool cpu_conv_of(const struct syn_placement *p, int32_t node, struct syn_conv *c);

/* SYN_INTERNAL: cpu_conv_of is false for the node; SYN_NO_MEMORY. *f must be zeroed and is good for
 * deinit in every case. */
SYN_MUST_CHECK syn_status cpu_form_init(struct cpu_form *f, const struct syn_placement *p,
                                        const struct syn_place *place, int32_t node,
                                        struct syn_err *err);
void cpu_form_deinit(struct cpu_form *f);

/* Phase `index` of step_h * step_w: its first output pixel, and how many rows and columns it
 * has. */
struct cpu_phase_grid {
    int32_t row0, col0;
    int64_t rows, cols;
};
int32_t cpu_conv_phases(const struct syn_conv *c);
struct cpu_phase_grid cpu_conv_phase(const struct syn_conv *c, int32_t index);

/* Addresses of one run. */
struct cpu_form_run {
    const uint8_t *x, *res1, *res2; /* residuals NULL = absent */
    uint8_t *y;
};
struct cpu_form_run cpu_form_at(const struct cpu_form *f, const struct syn_run *r);

/* The output side (y, residuals, constants) of a row of two output blocks, the last perhaps of one,
 * from output pixel (oy, ox) on, taking every step_w-th pixel. The caller fills in the input
 * side. */
struct cpu_row cpu_form_block_row(const struct cpu_form *f, const struct cpu_form_run *run,
                                  int64_t n, int64_t block, int64_t oy, int64_t ox);
/* The row `rows` grid rows further down, made of *k in place. Rows of one task are made so: to fill
 * a struct anew in front of every row would make the processor wait for the stores of the row
 * before (what was stored in halves is loaded as one). */
void cpu_form_go_down(const struct cpu_form *f, struct cpu_row *k, int64_t rows);
/* The same from the group's first block on. */
struct cpu_row cpu_form_row(const struct cpu_form *f, const struct cpu_form_run *run, int64_t n,
                            int32_t group, int64_t oy, int64_t ox);

#endif
