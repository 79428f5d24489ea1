/* resample_avx2.c - rows of pixels resampled, 8 at a time. See resample_body.h. */
#include "kernels/cpu/vec_avx2.h"
#define RESAMPLE_NAME cpu_resample_avx2
#include "kernels/cpu/resample_body.h"
