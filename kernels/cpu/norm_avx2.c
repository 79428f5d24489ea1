/* norm_avx2.c - the inner loops of CHANNEL_NORM: one pixel of 16 channels is two registers. See
 * norm_body.h. */
#include "kernels/cpu/vec_avx2.h"
#define NORM_NAME cpu_norm_avx2
#include "kernels/cpu/norm_body.h"
