/* steps_avx512.c - steps of a chain, 16 numbers at a time. See steps_body.h. */
#include "kernels/cpu/vec_avx512.h"
#define STEP_NAME cpu_step_avx512
#include "kernels/cpu/steps_body.h"
