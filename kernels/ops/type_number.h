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

/* SYN_UNSUPPORTED (strings, complex numbers) or SYN_INVALID names the attribute and the number. */
static inline syn_status syn_ops_type_number(const struct syn_op_call *c, const char *attr,
                                             int64_t number, syn_dtype *out, struct syn_err *err)
{
    static const int8_t type[] = {
        -1,      SYN_F32, SYN_U8,     SYN_I8,       SYN_U16,        SYN_I16,    SYN_I32,
        SYN_I64, -1,      SYN_BOOL,   SYN_F16,      SYN_F64,        SYN_U32,    SYN_U64,
        -1,      -1,      SYN_BF16,   SYN_F8E4M3FN, SYN_F8E4M3FNUZ, SYN_F8E5M2, SYN_F8E5M2FNUZ,
        SYN_U4,  SYN_I4,  SYN_F4E2M1, SYN_F8E8M0,   SYN_U2,         SYN_I2,
    };
    const int64_t n = (int64_t)(sizeof type / sizeof *type);
    if (number < 1 || number >= n)
        return syn_fail(err, SYN_INVALID,
                        "%s: %s = %" PRId64 ": must be a type in [1, %" PRId64 ")", c->op->name,
                        attr, number, n);
    if (type[number] < 0)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: %s = %" PRId64 ": %s", c->op->name, attr, number,
                        number == 8 ? "strings" : "complex numbers");
    *out = (syn_dtype)type[number];
    return SYN_OK;
}

#ifdef __cplusplus
}
#endif
#endif
