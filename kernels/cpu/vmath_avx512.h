/* vmath_avx512.h - exp, log, tanh, erf and logistic of 16 floats.
 *
 * Errors:  exp, log within 2 units in the last place; tanh, sigmoid within 4; erf 2e-7 absolute.
 *          Against libm over all of the range by tests/unit/test_vmath.c. NaN stays NaN, infinities
 *          go where they should.
 * Source:  Cody and Waite reductions, minimax polynomials of the Cephes library's degree; erf by
 *          Abramowitz and Stegun 7.1.26 away from zero, its series near it. */
#ifndef SYN_CPU_VMATH_AVX512_H
#define SYN_CPU_VMATH_AVX512_H

#include <immintrin.h>

static inline __m512 v_exp(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1);
    __m512 n, r, p;
    /* of a NaN and a number these give the second: NaN stays */
    x = _mm512_min_ps(_mm512_set1_ps(89.5f), x);
    x = _mm512_max_ps(_mm512_set1_ps(-105.0f), x);
    n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)),
                             _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, one));
    return _mm512_scalef_ps(p, n);
}

/* log(0) = -inf, log of a negative number NaN. */
static inline __m512 v_log(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1);
    __m512 e = _mm512_getexp_ps(x), m = _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_nan),
           z, p;
    const __mmask16 big = _mm512_cmp_ps_mask(m, _mm512_set1_ps(1.41421356237f), _CMP_GT_OQ);
    m = _mm512_mask_mul_ps(m, big, m, _mm512_set1_ps(0.5f));
    e = _mm512_mask_add_ps(e, big, e, one);
    m = _mm512_sub_ps(m, one);
    z = _mm512_mul_ps(m, m);
    p = _mm512_set1_ps(7.0376836292e-2f);
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(-1.1514610310e-1f));
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(1.1676998740e-1f));
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(-1.2420140846e-1f));
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(1.4249322787e-1f));
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(-1.6668057665e-1f));
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(2.0000714765e-1f));
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(-2.4999993993e-1f));
    p = _mm512_fmadd_ps(p, m, _mm512_set1_ps(3.3333331174e-1f));
    p = _mm512_mul_ps(_mm512_mul_ps(p, m), z);
    p = _mm512_fmadd_ps(e, _mm512_set1_ps(-2.12194440e-4f), p);
    p = _mm512_fnmadd_ps(z, _mm512_set1_ps(0.5f), p);
    p = _mm512_fmadd_ps(e, _mm512_set1_ps(0.693359375f), _mm512_add_ps(m, p));
    p = _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_EQ_OQ),
                           _mm512_set1_ps(-__builtin_inff()));
    return _mm512_mask_mov_ps(
        p, _mm512_cmp_ps_mask(x, _mm512_set1_ps(__builtin_inff()), _CMP_EQ_OQ), x);
}

static inline __m512 v_abs(__m512 x)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}
static inline __m512 v_with_sign(__m512 magnitude, __m512 sign)
{
    return _mm512_castsi512_ps(_mm512_or_si512(
        _mm512_castps_si512(magnitude),
        _mm512_and_si512(_mm512_castps_si512(sign), _mm512_set1_epi32((int)0x80000000u))));
}

static inline __m512 v_sigmoid(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1);
    return _mm512_div_ps(one, _mm512_add_ps(one, v_exp(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

static inline __m512 v_tanh(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1), a = v_abs(x), z = _mm512_mul_ps(x, x);
    const __m512 t = v_exp(_mm512_mul_ps(a, _mm512_set1_ps(-2)));
    const __m512 far = v_with_sign(_mm512_div_ps(_mm512_sub_ps(one, t), _mm512_add_ps(one, t)), x);
    __m512 p = _mm512_set1_ps(0.0218694885f); /* 62/2835 */
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-0.0539682540f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(0.1333333333f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-0.3333333333f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(p, z), x, x);
    return _mm512_mask_mov_ps(far, _mm512_cmp_ps_mask(a, _mm512_set1_ps(0.2f), _CMP_LT_OQ), p);
}

static inline __m512 v_erf(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1), a = v_abs(x), z = _mm512_mul_ps(x, x);
    const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(a, _mm512_set1_ps(0.3275911f), one));
    __m512 p = _mm512_set1_ps(1.061405429f), far;
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
    p = _mm512_mul_ps(p, t);
    far = v_with_sign(_mm512_fnmadd_ps(p, v_exp(_mm512_sub_ps(_mm512_setzero_ps(), z)), one), x);
    p = _mm512_set1_ps(-8.5483270e-4f); /* series times 2/sqrt(pi) */
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(5.2239776e-3f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-2.6866171e-2f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(1.1283792e-1f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-3.7612639e-1f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(1.1283792f));
    p = _mm512_mul_ps(p, x);
    return _mm512_mask_mov_ps(far, _mm512_cmp_ps_mask(a, _mm512_set1_ps(0.5f), _CMP_LT_OQ), p);
}

/* log(1 + e^x) */
static inline __m512 v_softplus(__m512 x)
{
    const __m512 e = v_exp(_mm512_sub_ps(_mm512_setzero_ps(), v_abs(x)));
    /* e - e^2/2 */
    const __m512 small = _mm512_fnmadd_ps(_mm512_mul_ps(e, e), _mm512_set1_ps(0.5f), e);
    const __m512 l =
        _mm512_mask_mov_ps(v_log(_mm512_add_ps(_mm512_set1_ps(1), e)),
                           _mm512_cmp_ps_mask(e, _mm512_set1_ps(1e-4f), _CMP_LT_OQ), small);
    return _mm512_add_ps(_mm512_max_ps(_mm512_setzero_ps(), x), l); /* NaN in x: the second */
}

#endif
