/* norm_avx512.c - the inner loops of CHANNEL_NORM with AVX-512: one pixel of 16 channels is one
 * register. See norm.h. */
#include "kernels/cpu/norm.h"
#include "kernels/graph/op_words.h"
#include <immintrin.h>

static inline __m512 load_bf16(const uint16_t *p)
{
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
static inline __m512 load(syn_dtype t, const void *base, int64_t i)
{
    return t == SYN_BF16 ? load_bf16((const uint16_t *)base + i)
                         : _mm512_loadu_ps((const float *)base + i);
}
/* Nearest, ties to even; NaN keeps its sign and is quiet. */
static inline __m256i to_bf16(__m512 v)
{
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i r = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
}
static inline void store(syn_dtype t, void *base, int64_t i, __m512 v)
{
    if (t == SYN_BF16) _mm256_storeu_si256((__m256i *)((uint16_t *)base + i), to_bf16(v));
    else _mm512_storeu_ps((float *)base + i, v);
}

static inline void sum_as(syn_dtype t, const void *x, int64_t pixels, const float *shift,
                          float *sum, float *square)
{
    const __m512 k = _mm512_loadu_ps(shift);
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, q0 = s0, q1 = s0;
    int64_t i = 0;
    for (; i + 2 <= pixels; i += 2) {
        const __m512 a = _mm512_sub_ps(load(t, x, i * 16), k),
                     b = _mm512_sub_ps(load(t, x, i * 16 + 16), k);
        s0 = _mm512_add_ps(s0, a), s1 = _mm512_add_ps(s1, b);
        q0 = _mm512_fmadd_ps(a, a, q0), q1 = _mm512_fmadd_ps(b, b, q1);
    }
    if (i < pixels) {
        const __m512 a = _mm512_sub_ps(load(t, x, i * 16), k);
        s0 = _mm512_add_ps(s0, a);
        q0 = _mm512_fmadd_ps(a, a, q0);
    }
    _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), _mm512_add_ps(s0, s1)));
    _mm512_storeu_ps(square, _mm512_add_ps(_mm512_loadu_ps(square), _mm512_add_ps(q0, q1)));
}

static void sum_row(syn_dtype t, const void *x, int64_t pixels, const float *shift, float *sum,
                    float *square)
{
    if (t == SYN_BF16) sum_as(SYN_BF16, x, pixels, shift, sum, square);
    else sum_as(SYN_F32, x, pixels, shift, sum, square);
}

static inline __m512 activate(__m512 v, const struct cpu_norm_apply *p)
{
    const __m512 zero = _mm512_setzero_ps();
    const __mmask16 below = _mm512_cmp_ps_mask(v, zero, _CMP_LT_OQ); /* NaN stays */
    switch (p->act) {
    case SYN_ACT_RELU: return _mm512_mask_mov_ps(v, below, zero);
    case SYN_ACT_LEAKY: return _mm512_mask_mul_ps(v, below, v, _mm512_set1_ps(p->a));
    default: return v;
    }
}

static inline void apply_as(syn_dtype t, const void *x, syn_dtype res_t, const void *res,
                            syn_dtype out_t, void *y, int64_t pixels,
                            const struct cpu_norm_apply *p)
{
    const __m512 factor = _mm512_loadu_ps(p->factor), offset = _mm512_loadu_ps(p->offset);
    for (int64_t i = 0; i < pixels * 16; i += 16) {
        __m512 v = activate(_mm512_fmadd_ps(load(t, x, i), factor, offset), p);
        if (res) v = _mm512_add_ps(v, load(res_t, res, i));
        store(out_t, y, i, v);
    }
}

static void apply_row(syn_dtype t, const void *x, syn_dtype res_t, const void *res, syn_dtype out_t,
                      void *y, int64_t pixels, const struct cpu_norm_apply *p)
{
    if (t == SYN_BF16 && out_t == SYN_BF16 && (!res || res_t == SYN_BF16))
        apply_as(SYN_BF16, x, SYN_BF16, res, SYN_BF16, y, pixels, p);
    else apply_as(t, x, res_t, res, out_t, y, pixels, p);
}

const struct cpu_norm_rows cpu_norm_avx512 = {sum_row, apply_row};
