/* move.h - what the operators that move elements share: copies of one element and of strided
 * blocks.
 *
 * Layer:   kernels/ops; private to move*.c and shape.c.   Threads: pure functions.
 * Types:   any; an element is `bytes` bytes, nothing is converted.
 * Bounds:  callers have checked that every index that the steps reach lies in the source. */
#ifndef SYN_OPS_MOVE_H
#define SYN_OPS_MOVE_H

#include "kernels/ops/check.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One element; the sizes that exist are copied without a call. */
static inline void syn_move_one(void *dst, const void *src, size_t bytes)
{
    switch (bytes) {
    case 1: memcpy(dst, src, 1); break;
    case 2: memcpy(dst, src, 2); break;
    case 4: memcpy(dst, src, 4); break;
    case 8: memcpy(dst, src, 8); break;
    default: memcpy(dst, src, bytes); break;
    }
}

/* dst[at] = src[base + sum at[d] * step[d]] for each position of `out`, in order; steps in
 * elements. */
void syn_move_strided(void *dst, const struct syn_shape *out, const void *src, int64_t base,
                      const int64_t step[SYN_MAX_RANK], size_t bytes);

/* Elements of dimensions [from, to); INT64_MAX where that overflows, which only empty tensors can
 * bring about. */
int64_t syn_move_product(const struct syn_shape *s, int32_t from, int32_t to);

/* Row-major steps of a shape; zeros when it has no elements. */
void syn_move_strides(const struct syn_shape *s, int64_t stride[SYN_MAX_RANK]);

/* Operand 0 may be of any type; out[0] gets its type and the shape. */
SYN_MUST_CHECK syn_status syn_move_result(struct syn_op_call *c, const struct syn_shape *shape,
                                          struct syn_err *err);

/* Entry i of operand `operand` (i32, i64 or any integer) as an index into n, negative ones counted
 * from the end. SYN_INVALID names operand, entry, value and bound. */
SYN_MUST_CHECK syn_status syn_move_index(const struct syn_op_call *c, int32_t operand,
                                         const char *word, int64_t i, int64_t n, int64_t *out,
                                         struct syn_err *err);

/* Axes of an operand or attribute, counted from the front, each at most once; none given: *n =
 * -1. */
SYN_MUST_CHECK syn_status syn_move_axes(const struct syn_op_call *c, int32_t operand, int32_t rank,
                                        int32_t axes[SYN_MAX_RANK], int32_t *n,
                                        struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
