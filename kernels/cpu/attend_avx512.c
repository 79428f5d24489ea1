/* attend_avx512.c - attention's softmax step and copies, 16 numbers at a time. See attend.h. */
#include "kernels/cpu/vec_avx512.h"
#define ATTEND_NAME cpu_attend_avx512
#include "kernels/cpu/attend_body.h"
