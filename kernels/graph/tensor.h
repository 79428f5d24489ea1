/* tensor.h - shapes, element types and views of dense tensors.
 *
 * Layer:   kernels/graph.   Threads: pure functions.
 * Layout:  logical and dense, last dimension fastest; pictures are NCHW. How a backend stores a value
 *          is its own business (kernels/backend/backend.h). */
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

typedef enum syn_dtype {
    SYN_F32,
    SYN_F16,
    SYN_BF16,
    SYN_I64,
    SYN_I32,
    SYN_U8,
    SYN_DTYPE_COUNT
} syn_dtype;

size_t syn_dtype_bytes(syn_dtype t);
const char *syn_dtype_word(syn_dtype t); /* "f32" */

struct syn_shape {
    int32_t rank;               /* 0 = scalar */
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
