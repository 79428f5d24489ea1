/* rowwise_body.h - softmax and norms along a row, a register at a time. See rowwise.h.
 *
 * Use:     include vec_avx512.h or vec_avx2.h, define ROWWISE_NAME (the struct), then include.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/rowwise.h"
#include "kernels/cpu/vmath.h"
#include <math.h>

static void softmax(const float *x, float *y, int64_t n)
{
    vec most = vec_set(-INFINITY), sum = vec_zero(), factor;
    for (int64_t i = 0; i < n; i += VEC)
        most = vec_max(most, vec_in(vec_first(n - i), vec_load_part(x + i, vec_first(n - i)),
                                    vec_set(-INFINITY)));
    most = vec_set(vec_max_of(most));
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        const vec e = v_exp(vec_sub(vec_load_part(x + i, m), most));
        vec_store_part(y + i, m, e);
        sum = vec_add(sum, vec_in(m, e, vec_zero()));
    }
    factor = vec_set(1 / vec_sum_of(sum));
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        vec_store_part(y + i, m, vec_mul(vec_load_part(y + i, m), factor));
    }
}

static float sum_of(const float *x, int64_t n)
{
    vec a = vec_zero(), b = a;
    int64_t i = 0;
    for (; i + 2 * VEC <= n; i += 2 * VEC) {
        a = vec_add(a, vec_load(x + i));
        b = vec_add(b, vec_load(x + i + VEC));
    }
    for (; i < n; i += VEC) a = vec_add(a, vec_load_part(x + i, vec_first(n - i)));
    return vec_sum_of(vec_add(a, b));
}

static void norm(const float *x, const float *scale, const float *bias, float *y, int64_t n,
                 float epsilon, bool rms)
{
    const vec mean = vec_set(rms ? 0 : sum_of(x, n) / (float)n);
    vec square = vec_zero(), factor;
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        const vec d = vec_in(m, vec_sub(vec_load_part(x + i, m), mean), vec_zero());
        square = vec_fma(d, d, square);
    }
    factor = vec_set(1 / sqrtf(vec_sum_of(square) / (float)n + epsilon));
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        vec v = vec_mul(vec_sub(vec_load_part(x + i, m), mean), factor);
        v = vec_mul(v, vec_load_part(scale + i, m));
        if (bias) v = vec_add(v, vec_load_part(bias + i, m));
        vec_store_part(y + i, m, v);
    }
}

static void moments(const float *x, int64_t n, float shift, double *sum, double *square)
{
    const vec k = vec_set(shift);
    vec s = vec_zero(), q = s;
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        const vec d = vec_in(m, vec_sub(vec_load_part(x + i, m), k), vec_zero());
        s = vec_add(s, d);
        q = vec_fma(d, d, q);
    }
    *sum += (double)vec_sum_of(s);
    *square += (double)vec_sum_of(q);
}

static void affine(const float *x, float *y, int64_t n, float factor, float offset)
{
    const vec a = vec_set(factor), b = vec_set(offset);
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        vec_store_part(y + i, m, vec_fma(vec_load_part(x + i, m), a, b));
    }
}

const struct cpu_rowwise ROWWISE_NAME = {softmax, norm, sum_of, moments, affine};
