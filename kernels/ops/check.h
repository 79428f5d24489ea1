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

/* How a window moves; of rows with windows. */
#define SYN_OPS_STEP_ATTRS                                                                         \
    {"strides", SYN_ATTR_INTS, 0, 1, SYN_OPS_MAX_STEP},                                            \
        {"pads", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_PAD},                                            \
        {"dilations", SYN_ATTR_INTS, 0, 1, SYN_OPS_MAX_STEP}

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

/* --- operators of any type and rank (ONNX's) --- */

/* Sets of element types, for the `types` below: 1 << SYN_F32 and so on. */
#define SYN_TYPE(ID) ((uint32_t)1 << SYN_##ID)
#define SYN_TYPES_HALF (SYN_TYPE(F16) | SYN_TYPE(BF16))
#define SYN_TYPES_FLOAT (SYN_TYPE(F32) | SYN_TYPE(F64) | SYN_TYPES_HALF)
#define SYN_TYPES_SIGNED (SYN_TYPE(I64) | SYN_TYPE(I32) | SYN_TYPE(I16) | SYN_TYPE(I8))
#define SYN_TYPES_UNSIGNED (SYN_TYPE(U64) | SYN_TYPE(U32) | SYN_TYPE(U16) | SYN_TYPE(U8))
#define SYN_TYPES_INDEX (SYN_TYPE(I64) | SYN_TYPE(I32))
#define SYN_TYPES_NUMBER (SYN_TYPES_FLOAT | SYN_TYPES_SIGNED | SYN_TYPES_UNSIGNED)
#define SYN_TYPES_ALL (((uint32_t)1 << SYN_DTYPE_COUNT) - 1)

/* Operand i is there, has one of the types, rank 0..SYN_MAX_RANK, known dimensions (0 is fine) of
 * at most 2^40 each, also beside a 0, and at most 2^40 elements. */
SYN_MUST_CHECK syn_status syn_ops_operand(const struct syn_op_call *c, int32_t i,
                                          const char *operand, uint32_t types, struct syn_err *err);
/* The same and its rank is in [lo, hi]. */
SYN_MUST_CHECK syn_status syn_ops_ranked(const struct syn_op_call *c, int32_t i,
                                         const char *operand, uint32_t types, int32_t lo,
                                         int32_t hi, struct syn_err *err);
/* Operand k has operand i's type. */
SYN_MUST_CHECK syn_status syn_ops_same_type(const struct syn_op_call *c, int32_t i, int32_t k,
                                            const char *operand, struct syn_err *err);
/* Writes out[o]; an absent output is left alone. SYN_TOO_LARGE over 2^40 elements; SYN_INVALID for
 * a negative dimension. */
SYN_MUST_CHECK syn_status syn_ops_result(struct syn_op_call *c, int32_t o,
                                         const struct syn_shape *shape, syn_dtype dtype,
                                         struct syn_err *err);
/* The same for SYN_OP_MAKES references: allocates zeroed out[o].data too (never NULL, even when
 * empty). */
SYN_MUST_CHECK syn_status syn_ops_make(struct syn_op_call *c, int32_t o,
                                       const struct syn_shape *shape, syn_dtype dtype,
                                       struct syn_err *err);
/* -rank <= axis < rank, counted from the front on success. */
SYN_MUST_CHECK syn_status syn_ops_axis(const struct syn_op_call *c, const char *name, int64_t axis,
                                       int32_t rank, int32_t *out, struct syn_err *err);
/* Numbers that are an operand (integers, rank 1 or 0, data known) or, when that is absent, a list
 * attribute (NULL: no such attribute): at most `most` of them to list[], how many to *n; *given =
 * false when neither is there. */
SYN_MUST_CHECK syn_status syn_ops_ints(const struct syn_op_call *c, int32_t operand,
                                       const char *attr, int64_t *list, int32_t most, int32_t *n,
                                       bool *given, struct syn_err *err);
/* NumPy's multidirectional broadcasting of operands [from, to): the common shape. */
SYN_MUST_CHECK syn_status syn_ops_broadcast(const struct syn_op_call *c, int32_t from, int32_t to,
                                            struct syn_shape *out, struct syn_err *err);
/* step[d]: how far the operand's index moves when dimension d of `out` does; 0 where it is
 * repeated. */
void syn_ops_steps(const struct syn_shape *s, const struct syn_shape *out,
                   int64_t step[SYN_MAX_RANK]);
/* Row-major steps of a shape. */
void syn_ops_strides(const struct syn_shape *s, int64_t stride[SYN_MAX_RANK]);
/* Moves a position to the next in row-major order; at[rank] starts as zeros. */
static inline void syn_ops_next(const struct syn_shape *s, int64_t at[SYN_MAX_RANK])
{
    for (int32_t d = s->rank - 1; d >= 0 && ++at[d] == s->dim[d]; d--) at[d] = 0;
}

/* Elements of a shape that has passed these checks. */
int64_t syn_ops_elements(const struct syn_shape *s);
/* No output has elements. A reference that walks outer and inner dimensions asks first: rows of
 * nothing, [2^20, 0, 2^20], would be walked for hours. */
bool syn_ops_writes_nothing(const struct syn_op_call *c);

#ifdef __cplusplus
}
#endif
#endif
