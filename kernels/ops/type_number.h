/* type_number.h - any of ONNX's numbers of element types (TensorProto.DataType), as Cast's `to`
 * holds them, with a refusal in words.
 *
 * Source:  onnx.proto, IR version 13.   Layer: kernels/ops.   Threads: pure functions. */
#ifndef SYN_OPS_TYPE_NUMBER_H
#define SYN_OPS_TYPE_NUMBER_H

#include "kernels/ops/check.h"
#include <inttypes.h>

#ifdef __cplusplus
extern "C" {
#endif

/* SYN_UNSUPPORTED (strings, complex numbers, 6-bit floats) or SYN_INVALID names the attribute and
 * the number. */
static inline syn_status syn_ops_type_number(const struct syn_op_call *c, const char *attr,
                                             int64_t number, syn_dtype *out, struct syn_err *err)
{
    const syn_dtype t = syn_dtype_of_onnx(number);
    const char *lacks = number == 8                    ? "strings"
                        : number == 14 || number == 15 ? "complex numbers"
                        : number == 27 || number == 28 ? "6-bit floats"
                                                       : NULL;
    if (lacks)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: %s = %" PRId64 ": %s", c->op->name, attr, number,
                        lacks);
    if (t == SYN_DTYPE_COUNT)
        return syn_fail(err, SYN_INVALID, "%s: %s = %" PRId64 ": must be a type in [1, 28]",
                        c->op->name, attr, number);
    *out = t;
    return SYN_OK;
}

#ifdef __cplusplus
}
#endif
#endif
