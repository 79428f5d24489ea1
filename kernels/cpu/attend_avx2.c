/* attend_avx2.c - attention's softmax step and copies, 8 numbers at a time. See attend.h. */
#include "kernels/cpu/vec_avx2.h"
#define ATTEND_NAME cpu_attend_avx2
#include "kernels/cpu/attend_body.h"
