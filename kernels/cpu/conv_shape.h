/* conv_shape.h - a convolution of dense tensors as numbers, one spatial axis or two: what the quick
 * versions of it read from a call.
 *
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_CONV_SHAPE_H
#define SYN_CPU_CONV_SHAPE_H

#include "kernels/graph/chain.h"

struct cpu_conv_shape {
    bool transposed;
    int64_t n, ci, co, group; /* channels in all */
    int64_t h, w, ho, wo;     /* of input and output; one axis: h = ho = 1 */
    int64_t kh, kw, sh, sw, dh, dw, top, left;
    syn_step step;            /* applied to each output; SYN_STEP_COUNT: none is */
    double step_args[2];
};

/* Of a call of CONV_ND, CONV_STEP or CONV_TRANSPOSE_ND on f32. False: more axes, other types, an
 * empty tensor, weights that are not known, pads of a transposed one that follow from sizes. */
bool cpu_conv_shape_read(const struct syn_op_call *c, struct cpu_conv_shape *s);

/* What cpu_quick_conv packed, as f32: by 8 rows, [group][block][tap][8], as a tile reads it. NULL:
 * nothing was, or it is bf16. */
const float *cpu_conv_blocks(const void *packed);

#endif
