/* element.h - one element of any type, read and written as double or int64: what generic
 * references stand on.
 *
 * Rounding: writing to a narrower float rounds to nearest, ties to even; f8 and f4 saturate or not
 *          as syn_element_write's caller says (ONNX Cast has an attribute for it). Writing to an
 *          integer type truncates towards zero and wraps modulo 2^bits, as ONNX Runtime does on
 *          x86 for values in the 64-bit range; NaN gives 0. Writing to bool: anything but 0 is 1.
 * Layer:   kernels/graph.   Threads: pure functions. */
#ifndef SYN_ELEMENT_H
#define SYN_ELEMENT_H

#include "kernels/graph/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Element i of dense data; alignment does not matter. Exact but for i64/u64 beyond 2^53 as
 * double. */
double syn_element_double(syn_dtype t, const void *data, int64_t i);
/* Floats are truncated; u64 beyond 2^63 wraps. */
int64_t syn_element_int(syn_dtype t, const void *data, int64_t i);

void syn_element_put_double(syn_dtype t, void *data, int64_t i, double v, bool saturate);
void syn_element_put_int(syn_dtype t, void *data, int64_t i, int64_t v);

/* n elements from one type to another, saturating floats; plain copies where the types are equal.
 * Quick for f32 <-> f16, bf16, f64. */
void syn_element_convert(syn_dtype from, const void *src, syn_dtype to, void *dst, int64_t n);

/* Bit patterns of the small floats. e8m0 has neither sign nor zero: 2^(bits - 127), 255 = NaN. */
float syn_small_float(syn_dtype t, uint8_t bits);
uint8_t syn_small_from_float(syn_dtype t, float v, bool saturate);
uint16_t syn_f16_from_double(double v); /* once rounded, ties to even; overflow to infinity */

#ifdef __cplusplus
}
#endif
#endif
