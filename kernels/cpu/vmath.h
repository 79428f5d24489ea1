/* vmath.h - exp, log, tanh, erf and logistic of a register of floats, for any instruction set:
 * include vec_avx512.h or vec_avx2.h first.
 *
 * Errors:  exp, log within 2 units in the last place; tanh, sigmoid within 4; erf 2e-7 absolute.
 *          Against libm over all of the range by tests/unit/test_quick.c. NaN stays NaN, infinities
 *          go where they should.
 * Source:  Cody and Waite reductions, minimax polynomials of the Cephes library's degree; erf by
 *          Abramowitz and Stegun 7.1.26 away from zero, its series near it. */
#ifndef SYN_CPU_VMATH_H
#define SYN_CPU_VMATH_H

static inline vec v_exp(vec x)
{
    const vec one = vec_set(1);
    vec n, r, p;
    /* of a NaN and a number these give the second: NaN stays */
    x = vec_min(vec_set(89.5f), x);
    x = vec_max(vec_set(-105.0f), x);
    n = vec_round(vec_mul(x, vec_set(1.44269504088896341f)));
    r = vec_fnma(n, vec_set(0.693359375f), x);
    r = vec_fnma(n, vec_set(-2.12194440e-4f), r);
    p = vec_set(1.9875691500e-4f);
    p = vec_fma(p, r, vec_set(1.3981999507e-3f));
    p = vec_fma(p, r, vec_set(8.3334519073e-3f));
    p = vec_fma(p, r, vec_set(4.1665795894e-2f));
    p = vec_fma(p, r, vec_set(1.6666665459e-1f));
    p = vec_fma(p, r, vec_set(5.0000001201e-1f));
    p = vec_fma(p, vec_mul(r, r), vec_add(r, one));
    return vec_scale(p, n);
}

/* log(0) = -inf, log of a negative number NaN. */
static inline vec v_log(vec x)
{
    const vec one = vec_set(1);
    vec e, m, z, p;
    vec_bool big;
    vec_split(x, &m, &e);
    big = vec_lt(vec_set(1.41421356237f), m);
    m = vec_pick(big, vec_mul(m, vec_set(0.5f)), m);
    e = vec_pick(big, vec_add(e, one), e);
    m = vec_sub(m, one);
    z = vec_mul(m, m);
    p = vec_set(7.0376836292e-2f);
    p = vec_fma(p, m, vec_set(-1.1514610310e-1f));
    p = vec_fma(p, m, vec_set(1.1676998740e-1f));
    p = vec_fma(p, m, vec_set(-1.2420140846e-1f));
    p = vec_fma(p, m, vec_set(1.4249322787e-1f));
    p = vec_fma(p, m, vec_set(-1.6668057665e-1f));
    p = vec_fma(p, m, vec_set(2.0000714765e-1f));
    p = vec_fma(p, m, vec_set(-2.4999993993e-1f));
    p = vec_fma(p, m, vec_set(3.3333331174e-1f));
    p = vec_mul(vec_mul(p, m), z);
    p = vec_fma(e, vec_set(-2.12194440e-4f), p);
    p = vec_fnma(z, vec_set(0.5f), p);
    p = vec_fma(e, vec_set(0.693359375f), vec_add(m, p));
    p = vec_pick(vec_eq(x, vec_zero()), vec_set(-__builtin_inff()), p);
    return vec_pick(vec_eq(x, vec_set(__builtin_inff())), x, p);
}

static inline vec v_abs(vec x)
{
    return vec_and(x, vec_bits(0x7fffffffu));
}
static inline vec v_with_sign(vec magnitude, vec sign)
{
    return vec_or(magnitude, vec_and(sign, vec_bits(0x80000000u)));
}

static inline vec v_sigmoid(vec x)
{
    const vec one = vec_set(1);
    return vec_div(one, vec_add(one, v_exp(vec_sub(vec_zero(), x))));
}

static inline vec v_tanh(vec x)
{
    const vec one = vec_set(1), a = v_abs(x), z = vec_mul(x, x);
    const vec t = v_exp(vec_mul(a, vec_set(-2)));
    const vec far = v_with_sign(vec_div(vec_sub(one, t), vec_add(one, t)), x);
    vec p = vec_set(0.0218694885f); /* 62/2835 */
    p = vec_fma(p, z, vec_set(-0.0539682540f));
    p = vec_fma(p, z, vec_set(0.1333333333f));
    p = vec_fma(p, z, vec_set(-0.3333333333f));
    p = vec_fma(vec_mul(p, z), x, x);
    return vec_pick(vec_lt(a, vec_set(0.2f)), p, far);
}

static inline vec v_erf(vec x)
{
    const vec one = vec_set(1), a = v_abs(x), z = vec_mul(x, x);
    const vec t = vec_div(one, vec_fma(a, vec_set(0.3275911f), one));
    vec p = vec_set(1.061405429f), far;
    p = vec_fma(p, t, vec_set(-1.453152027f));
    p = vec_fma(p, t, vec_set(1.421413741f));
    p = vec_fma(p, t, vec_set(-0.284496736f));
    p = vec_fma(p, t, vec_set(0.254829592f));
    p = vec_mul(p, t);
    far = v_with_sign(vec_fnma(p, v_exp(vec_sub(vec_zero(), z)), one), x);
    p = vec_set(-8.5483270e-4f); /* series times 2/sqrt(pi) */
    p = vec_fma(p, z, vec_set(5.2239776e-3f));
    p = vec_fma(p, z, vec_set(-2.6866171e-2f));
    p = vec_fma(p, z, vec_set(1.1283792e-1f));
    p = vec_fma(p, z, vec_set(-3.7612639e-1f));
    p = vec_fma(p, z, vec_set(1.1283792f));
    p = vec_mul(p, x);
    return vec_pick(vec_lt(a, vec_set(0.5f)), p, far);
}

/* log(1 + e^x) */
static inline vec v_softplus(vec x)
{
    const vec e = v_exp(vec_sub(vec_zero(), v_abs(x)));
    /* e - e^2/2 */
    const vec small = vec_fnma(vec_mul(e, e), vec_set(0.5f), e);
    const vec l =
        vec_pick(vec_lt(e, vec_set(1e-4f)), small, v_log(vec_add(vec_set(1), e)));
    return vec_add(vec_max(vec_zero(), x), l); /* NaN in x: the second */
}

#endif
