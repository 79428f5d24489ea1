/* check.h - what the shape functions ask of operands and outputs, with messages that name operand,
 * got and expected.
 *
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: nothing is allocated.
 * Bounds:  an operand has 1..SYN_MAX_ELEMENTS (2^40) elements, so each dimension is at most 2^40;
 *          steps are at most SYN_OPS_MAX_STEP (2^20) and paddings below 2^31. Hence (dim - 1) *
 *          step < 2^60, and sums of a few such terms stay inside int64: the formulas of window
 *          sizes need no further checks. */
#ifndef SYN_OPS_CHECK_H
#define SYN_OPS_CHECK_H

#include "kernels/graph/op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_OPS_MAX_STEP (1 << 20)         /* strides, dilations, pooling kernels */
#define SYN_OPS_MAX_PAD 2147483647         /* on one side of one axis */

/* Whether operand i was given; optional ones may be absent. */
bool syn_ops_given(const struct syn_op_call *c, int32_t i);

/* Operand i is there, holds f32 (or f16, which a constant may be), has rank 0..SYN_MAX_RANK and
 * 1..2^40 elements. SYN_INVALID, SYN_UNSUPPORTED (element type) or SYN_TOO_LARGE. */
SYN_MUST_CHECK syn_status syn_ops_check(const struct syn_op_call *c, int32_t i, const char *operand,
                                        struct syn_err *err);

/* The same, and its rank is `rank`. */
SYN_MUST_CHECK syn_status syn_ops_check_rank(const struct syn_op_call *c, int32_t i,
                                             const char *operand, int32_t rank,
                                             struct syn_err *err);

/* The same, and its shape is *want. `why` says in words where the expectation comes from. */
SYN_MUST_CHECK syn_status syn_ops_check_shape(const struct syn_op_call *c, int32_t i,
                                              const char *operand, const struct syn_shape *want,
                                              const char *why, struct syn_err *err);

/* A list attribute is empty or has n entries. */
SYN_MUST_CHECK syn_status syn_ops_check_list(const struct syn_op_call *c, const char *name,
                                             int32_t n, struct syn_err *err);

/* Entry i of an integer list, or `fallback` when the list is empty. */
int64_t syn_ops_entry(const struct syn_op_call *c, const char *name, int32_t i, int64_t fallback);

/* Writes out[0]: *shape and f32. Each dimension must be at least 1 and the product at most 2^40. */
SYN_MUST_CHECK syn_status syn_ops_out(struct syn_op_call *c, const struct syn_shape *shape,
                                      struct syn_err *err);

/* Elements of a shape that has passed these checks. */
int64_t syn_ops_elements(const struct syn_shape *s);

#ifdef __cplusplus
}
#endif
#endif
