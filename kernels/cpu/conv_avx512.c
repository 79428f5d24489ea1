/* conv_avx512.c - convolution rows in f32 (AVX-512F). See conv_row.h.
 *
 * Weights of one group: [channel block][tap][channel][output block][16 output channels]. */
#include "kernels/cpu/conv.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define ELEM float
#define STEP 1
#define VEC __m512
#define LOADW(p) _mm512_loadu_ps(p)
#define BCAST(p) _mm512_set1_ps(*(p))
#define TO_STORED(v) to_bf16(v)
#define FMA(acc, w, x) _mm512_fmadd_ps(w, x, acc)

#include "kernels/cpu/conv_row.h"

struct cpu_conv_isa cpu_conv_isa_f32(void)
{
    const struct cpu_conv_isa here = {row, wino_in, wino_out}, none = {NULL, NULL, NULL};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
               ? here
               : none;
}
#else
struct cpu_conv_isa cpu_conv_isa_f32(void) { return (struct cpu_conv_isa){NULL, NULL, NULL}; }
#endif
