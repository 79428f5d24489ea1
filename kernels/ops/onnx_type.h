/* onnx_type.h - element types by their number in ONNX, as attributes such as dtype give them.
 *
 * Source:  onnx.proto, TensorProto.DataType.
 * Layer:   kernels/ops.   Threads: pure functions. */
#ifndef SYN_OPS_ONNX_TYPE_H
#define SYN_OPS_ONNX_TYPE_H

#include "kernels/graph/tensor.h"

/* SYN_DTYPE_COUNT for a number that is none of the usual types. */
static inline syn_dtype syn_ops_dtype(int64_t number)
{
    static const struct {
        int64_t number;
        syn_dtype type;
    } types[] = {{1, SYN_F32},  {2, SYN_U8},   {3, SYN_I8},   {4, SYN_U16},  {5, SYN_I16},
                 {6, SYN_I32},  {7, SYN_I64},  {9, SYN_BOOL}, {10, SYN_F16}, {11, SYN_F64},
                 {12, SYN_U32}, {13, SYN_U64}, {16, SYN_BF16}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].number == number) return types[i].type;
    return SYN_DTYPE_COUNT;
}

#endif
