/* conv_avx512.c - convolution rows in f32 (AVX-512F). See conv_row.h.
 *
 * Weights of one group: [channel block][tap][channel][output block][16 output channels]. */
#include "kernels/cpu/conv.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Round to nearest even, as syn_bf16_from_float; results of a convolution of finite numbers. */
static inline __attribute__((always_inline)) __m256i to_bf16(__m512 v)
{
    __m512i i = _mm512_castps_si512(v);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(i, 16), _mm512_set1_epi32(1));
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    i = _mm512_add_epi32(i, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    i = _mm512_mask_mov_epi32(i, nan, _mm512_set1_epi32(0x7fc00000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(i, 16));
}

#define ELEM float
#define ELEM_TYPE SYN_F32
#define STEP 1
#define VEC __m512
#define LOADW(p) _mm512_loadu_ps(p)
#define BCAST(p) _mm512_set1_ps(*(p))
#define TO_STORED(v) to_bf16(v)
#define FMA(acc, w, x) _mm512_fmadd_ps(w, x, acc)
#define HALF(v) _mm512_castps512_ps256(v)
#define FMA_HALF(acc, w, x) _mm256_fmadd_ps(w, x, acc)

static inline __attribute__((always_inline)) void store_fours(float *p, const __m512 v[4])
{
    const __m512d a = (__m512d)_mm512_unpacklo_ps(v[0], v[1]),
                  b = (__m512d)_mm512_unpackhi_ps(v[0], v[1]),
                  c = (__m512d)_mm512_unpacklo_ps(v[2], v[3]),
                  d = (__m512d)_mm512_unpackhi_ps(v[2], v[3]);
    const __m512 px[4] = {/* pixel i of each quarter */
                          (__m512)_mm512_unpacklo_pd(a, c), (__m512)_mm512_unpackhi_pd(a, c),
                          (__m512)_mm512_unpacklo_pd(b, d), (__m512)_mm512_unpackhi_pd(b, d)};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm_storeu_ps(p + 4 * i, _mm512_extractf32x4_ps(px[i], 0));
        _mm_storeu_ps(p + 4 * i + 16, _mm512_extractf32x4_ps(px[i], 1));
        _mm_storeu_ps(p + 4 * i + 32, _mm512_extractf32x4_ps(px[i], 2));
        _mm_storeu_ps(p + 4 * i + 48, _mm512_extractf32x4_ps(px[i], 3));
    }
}

static inline __attribute__((always_inline)) void load_two(const float *p, __m512 *a, __m512 *b)
{
    *a = _mm512_loadu_ps(p);
    *b = _mm512_loadu_ps(p + CPU_BLOCK);
}

static inline __attribute__((always_inline)) void store_two(float *p, __m512 a, __m512 b)
{
    _mm512_storeu_ps(p, a);
    _mm512_storeu_ps(p + CPU_BLOCK, b);
}

static inline __attribute__((always_inline)) void store_step(float *p, __m512 a, __m512 b)
{
    (void)b;
    _mm512_storeu_ps(p, a);
}

#include "kernels/cpu/conv_row.h"
#include "kernels/cpu/conv_depth_row.h"
#include "kernels/cpu/conv_wino_body.h"

struct cpu_conv_isa cpu_conv_isa_f32(void)
{
    const struct cpu_conv_isa here = {row, wino_in, wino_out, nested_in, wino_weights, depthwise},
                              none = {.row = NULL};
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
               ? here
               : none;
}
#else
struct cpu_conv_isa cpu_conv_isa_f32(void) { return (struct cpu_conv_isa){0}; }
#endif
