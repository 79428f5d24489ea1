/* rowwise_avx512.c - softmax and norms along a row, 16 floats at a time. See rowwise_body.h. */
#include "kernels/cpu/vec_avx512.h"
#define ROWWISE_NAME cpu_rowwise_avx512
#include "kernels/cpu/rowwise_body.h"
