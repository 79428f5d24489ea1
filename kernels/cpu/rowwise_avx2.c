/* rowwise_avx2.c - softmax and norms along a row, 8 floats at a time. See rowwise_body.h. */
#include "kernels/cpu/vec_avx2.h"
#define ROWWISE_NAME cpu_rowwise_avx2
#include "kernels/cpu/rowwise_body.h"
