/* steps_avx512.c - steps of a chain, 16 numbers at a time. See steps.h. */
#include "kernels/cpu/steps.h"
#include "kernels/cpu/vmath_avx512.h"
#include <math.h>

/* A loop over whole registers and a masked tail, with the step's formula between. */
#define LOOP(formula)                                                                              \
    for (int64_t i = 0; i < n; i += 16) {                                                          \
        const __mmask16 m = n - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (n - i)) - 1);    \
        const __m512 x = _mm512_maskz_loadu_ps(m, a + i);                                          \
        _mm512_mask_storeu_ps(y + i, m, formula);                                                  \
    }                                                                                              \
    break
#define Z _mm512_maskz_loadu_ps(m, b + i)
/* of two, NaN when either is: min and max give the second operand then */
#define NAN_OF(r) _mm512_mask_mov_ps(r, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x)

static void powers(const float *a, const float *b, float *y, int64_t n)
{
    bool two = true;
    for (int64_t i = 0; two && i < n; i++) two = b[i] == 2;
    for (int64_t i = 0; i < n; i++) y[i] = two ? a[i] * a[i] : powf(a[i], b[i]);
}

void cpu_step_avx512(syn_step s, const float *a, const float *b, float *y, int64_t n,
                     const double args[2])
{
    const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1),
                 lo = _mm512_set1_ps((float)args[0]), hi = _mm512_set1_ps((float)args[1]);
    switch (s) {
    case SYN_STEP_ADD: LOOP(_mm512_add_ps(x, Z));
    case SYN_STEP_SUB: LOOP(_mm512_sub_ps(x, Z));
    case SYN_STEP_MUL: LOOP(_mm512_mul_ps(x, Z));
    case SYN_STEP_DIV: LOOP(_mm512_div_ps(x, Z));
    case SYN_STEP_MIN: LOOP(NAN_OF(_mm512_min_ps(x, Z)));
    case SYN_STEP_MAX: LOOP(NAN_OF(_mm512_max_ps(x, Z)));
    case SYN_STEP_POW: powers(a, b, y, n); break;
    case SYN_STEP_NEG: LOOP(_mm512_xor_ps(x, _mm512_set1_ps(-0.0f)));
    case SYN_STEP_ABS: LOOP(v_abs(x));
    case SYN_STEP_SQRT: LOOP(_mm512_sqrt_ps(x));
    case SYN_STEP_RECIPROCAL: LOOP(_mm512_div_ps(one, x));
    case SYN_STEP_EXP: LOOP(v_exp(x));
    case SYN_STEP_LOG: LOOP(v_log(x));
    case SYN_STEP_RELU: LOOP(_mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), zero));
    case SYN_STEP_LEAKY_RELU:
        LOOP(_mm512_mask_mul_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), x, lo));
    case SYN_STEP_SIGMOID: LOOP(v_sigmoid(x));
    case SYN_STEP_TANH: LOOP(v_tanh(x));
    case SYN_STEP_ERF: LOOP(v_erf(x));
    case SYN_STEP_SOFTPLUS: LOOP(v_softplus(x));
    case SYN_STEP_CLIP:
        LOOP(_mm512_min_ps(hi, _mm512_max_ps(lo, x))); /* NaN in x: the second, twice */
    case SYN_STEP_COUNT: break;
    }
}
