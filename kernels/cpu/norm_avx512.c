/* norm_avx512.c - the inner loops of CHANNEL_NORM: one pixel of 16 channels is one register. See
 * norm_body.h. */
#include "kernels/cpu/vec_avx512.h"
#define NORM_NAME cpu_norm_avx512
#include "kernels/cpu/norm_body.h"
