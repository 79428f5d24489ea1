/* rowwise_avx512.c - softmax and norms along a row, 16 floats at a time. See rowwise.h. */
#include "kernels/cpu/rowwise.h"
#include "kernels/cpu/vmath_avx512.h"
#include <math.h>

static inline __mmask16 mask_of(int64_t left)
{
    return left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
}

static void softmax(const float *x, float *y, int64_t n)
{
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps(), factor;
    for (int64_t i = 0; i < n; i += 16)
        most = _mm512_max_ps(
            most, _mm512_mask_loadu_ps(_mm512_set1_ps(-INFINITY), mask_of(n - i), x + i));
    most = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask_of(n - i);
        const __m512 e = v_exp(_mm512_sub_ps(_mm512_maskz_loadu_ps(m, x + i), most));
        _mm512_mask_storeu_ps(y + i, m, e);
        sum = _mm512_mask_add_ps(sum, m, sum, e);
    }
    factor = _mm512_set1_ps(1 / _mm512_reduce_add_ps(sum));
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask_of(n - i);
        _mm512_mask_storeu_ps(y + i, m, _mm512_mul_ps(_mm512_maskz_loadu_ps(m, y + i), factor));
    }
}

static float sum_of(const float *x, int64_t n)
{
    __m512 a = _mm512_setzero_ps(), b = a;
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        a = _mm512_add_ps(a, _mm512_loadu_ps(x + i));
        b = _mm512_add_ps(b, _mm512_loadu_ps(x + i + 16));
    }
    for (; i < n; i += 16) a = _mm512_add_ps(a, _mm512_maskz_loadu_ps(mask_of(n - i), x + i));
    return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}

static void norm(const float *x, const float *scale, const float *bias, float *y, int64_t n,
                 float epsilon, bool rms)
{
    const __m512 mean = _mm512_set1_ps(rms ? 0 : sum_of(x, n) / (float)n);
    __m512 square = _mm512_setzero_ps(), factor;
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask_of(n - i);
        const __m512 d = _mm512_maskz_sub_ps(m, _mm512_maskz_loadu_ps(m, x + i), mean);
        square = _mm512_fmadd_ps(d, d, square);
    }
    factor = _mm512_set1_ps(1 / sqrtf(_mm512_reduce_add_ps(square) / (float)n + epsilon));
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask_of(n - i);
        __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(m, x + i), mean), factor);
        v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(m, scale + i));
        if (bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(m, bias + i));
        _mm512_mask_storeu_ps(y + i, m, v);
    }
}

static void moments(const float *x, int64_t n, float shift, double *sum, double *square)
{
    const __m512 k = _mm512_set1_ps(shift);
    __m512 s = _mm512_setzero_ps(), q = s;
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask_of(n - i);
        const __m512 d = _mm512_maskz_sub_ps(m, _mm512_maskz_loadu_ps(m, x + i), k);
        s = _mm512_add_ps(s, d);
        q = _mm512_fmadd_ps(d, d, q);
    }
    *sum += (double)_mm512_reduce_add_ps(s);
    *square += (double)_mm512_reduce_add_ps(q);
}

static void affine(const float *x, float *y, int64_t n, float factor, float offset)
{
    const __m512 a = _mm512_set1_ps(factor), b = _mm512_set1_ps(offset);
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask_of(n - i);
        _mm512_mask_storeu_ps(y + i, m, _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, x + i), a, b));
    }
}

const struct cpu_rowwise cpu_rowwise_avx512 = {softmax, norm, sum_of, moments, affine};
