/* resample_avx512.c - rows of pixels resampled, 16 at a time. See resample_body.h. */
#include "kernels/cpu/vec_avx512.h"
#define RESAMPLE_NAME cpu_resample_avx512
#include "kernels/cpu/resample_body.h"
