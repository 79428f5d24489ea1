/* tensor.h - shapes, element types and views of dense tensors.
 *
 * Layer:   kernels/graph.   Threads: pure functions.
 * Layout:  logical and dense, last dimension fastest; pictures are NCHW. How a backend stores a
 *          value is its own business (kernels/backend/backend.h). */
#ifndef SYN_TENSOR_H
#define SYN_TENSOR_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_MAX_RANK 8
#define SYN_MAX_ELEMENTS                                                                           \
    ((int64_t)1 << 40) /* of one tensor: keeps every byte count far from 2^63 */

/* X(id, word, bytes an element, kind, number in ONNX): kind is F float, I signed, U unsigned, B
 * bool; the number is TensorProto.DataType's. One list gives enum, words, sizes and numbers. Types
 * narrower than a byte (i4, u4, i2, u2, f4e2m1) take one byte an element here: the integers as
 * their value, f4e2m1 as its four bits. bool is a byte, 0 or 1. The float8 formats are ONNX's (FN:
 * finite, NaN but no infinity; UZ: one zero). */
#define SYN_DTYPE_LIST(X)                                                                          \
    X(F32, "f32", 4, F, 1)                                                                         \
    X(F16, "f16", 2, F, 10)                                                                        \
    X(BF16, "bf16", 2, F, 16)                                                                      \
    X(F64, "f64", 8, F, 11)                                                                        \
    X(I64, "i64", 8, I, 7)                                                                         \
    X(I32, "i32", 4, I, 6)                                                                         \
    X(I16, "i16", 2, I, 5)                                                                         \
    X(I8, "i8", 1, I, 3)                                                                           \
    X(U64, "u64", 8, U, 13)                                                                        \
    X(U32, "u32", 4, U, 12)                                                                        \
    X(U16, "u16", 2, U, 4)                                                                         \
    X(U8, "u8", 1, U, 2)                                                                           \
    X(BOOL, "bool", 1, B, 9)                                                                       \
    X(I4, "i4", 1, I, 22)                                                                          \
    X(U4, "u4", 1, U, 21)                                                                          \
    X(I2, "i2", 1, I, 26)                                                                          \
    X(U2, "u2", 1, U, 25)                                                                          \
    X(F8E4M3FN, "f8e4m3fn", 1, F, 17)                                                              \
    X(F8E4M3FNUZ, "f8e4m3fnuz", 1, F, 18)                                                          \
    X(F8E5M2, "f8e5m2", 1, F, 19)                                                                  \
    X(F8E5M2FNUZ, "f8e5m2fnuz", 1, F, 20)                                                          \
    X(F8E8M0, "f8e8m0", 1, F, 24)                                                                  \
    X(F4E2M1, "f4e2m1", 1, F, 23)
typedef enum syn_dtype {
#define SYN_DTYPE_ENUM(ID, word, bytes, kind, onnx) SYN_##ID,
    SYN_DTYPE_LIST(SYN_DTYPE_ENUM)
#undef SYN_DTYPE_ENUM
    SYN_DTYPE_COUNT
} syn_dtype;

size_t syn_dtype_bytes(syn_dtype t);
const char *syn_dtype_word(syn_dtype t); /* "f32" */
char syn_dtype_kind(syn_dtype t);        /* 'F', 'I', 'U' or 'B' */
/* By ONNX's number; SYN_DTYPE_COUNT: none, or no type here (texts, complex, 6-bit floats). */
syn_dtype syn_dtype_of_onnx(int64_t number);

struct syn_shape {
    int32_t rank;               /* 0 = scalar; -1 = an absent operand */
    int64_t dim[SYN_MAX_RANK];  /* >= 0; -1 = unknown until a plan is made */
};

struct syn_shape syn_shape_of(int32_t rank, const int64_t *dim);
static inline struct syn_shape syn_shape4(int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t d[4] = {n, c, h, w};
    return syn_shape_of(4, d);
}
bool syn_shape_equal(const struct syn_shape *a, const struct syn_shape *b);
bool syn_shape_known(const struct syn_shape *s); /* no -1 */
/* Product of the dimensions; false when one is unknown or the product exceeds SYN_MAX_ELEMENTS. */
SYN_MUST_CHECK bool syn_shape_elements(const struct syn_shape *s, int64_t *out);
/* "[1, 3, 64, ?]" into text[size], always terminated; returns text. */
const char *syn_shape_text(const struct syn_shape *s, char *text, size_t size);

/* A view of a dense tensor. Borrows data. */
struct syn_tensor {
    struct syn_shape shape;
    syn_dtype dtype;
    void *data;
};

#ifdef __cplusplus
}
#endif
#endif
