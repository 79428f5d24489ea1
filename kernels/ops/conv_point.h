/* conv_point.h - CONV_POINT: a depthwise convolution and the 1x1 convolution that reads it as one
 * node, so that what lies between need not be stored.
 *
 * Operands: x [n,c,...]; w of the depthwise one, [c*m,1,k...]; w of the 1x1 one, [o,c*m,1...]; b of
 *          the first?; b of the second?
 * Attributes: ConvTranspose's, for the depthwise one (conv_nd.c, conv_transpose_nd.c); transposed:
 *          which of the two it is; step, arg0, arg1 as in conv_step.c, for the result; step -1:
 *          none.
 * Maths:   as the two or three nodes one after another, each rounded to f32.
 * Layer:   kernels/ops.   Threads: pure functions. */
#ifndef SYN_OPS_CONV_POINT_H
#define SYN_OPS_CONV_POINT_H

#include "kernels/graph/op.h"

struct syn_conv_point {
    struct syn_op_call front, point; /* data of what lies between is NULL in both */
    struct syn_attr attr[SYN_MAX_ATTRS]; /* point's */
};

/* The two calls, shapes filled in: point.out[0] is the node's. They borrow c's data. p must not
 * move afterwards. SYN_INVALID says what does not fit. */
SYN_MUST_CHECK syn_status syn_conv_point_parts(const struct syn_op_call *c,
                                               struct syn_conv_point *p, struct syn_err *err);

#endif
