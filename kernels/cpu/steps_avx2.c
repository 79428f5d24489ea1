/* steps_avx2.c - steps of a chain, 8 numbers at a time. See steps_body.h. */
#include "kernels/cpu/vec_avx2.h"
#define STEP_NAME cpu_step_avx2
#include "kernels/cpu/steps_body.h"
