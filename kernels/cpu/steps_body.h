/* steps_body.h - steps of a chain, a register at a time. See steps.h.
 *
 * Use:     include vec_avx512.h or vec_avx2.h, define STEP_NAME (the function), then include.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/steps.h"
#include "kernels/cpu/vmath.h"
#include <math.h>

/* A loop over whole registers and a masked tail, with the step's formula between. */
#define LOOP(formula)                                                                              \
    for (int64_t i = 0; i < n; i += VEC) {                                                         \
        const vec_lanes m = vec_first(n - i);                                                      \
        const vec x = vec_load_part(a + i, m);                                                     \
        vec_store_part(y + i, m, formula);                                                         \
    }                                                                                              \
    break
#define Z vec_load_part(b + i, m)
/* of two, NaN when either is: min and max give the second operand then */
#define NAN_OF(r) vec_pick(vec_nan(x), x, r)

static void powers(const float *a, const float *b, float *y, int64_t n)
{
    bool two = true;
    for (int64_t i = 0; two && i < n; i++) two = b[i] == 2;
    for (int64_t i = 0; i < n; i++) y[i] = two ? a[i] * a[i] : powf(a[i], b[i]);
}

void STEP_NAME(syn_step s, const float *a, const float *b, float *y, int64_t n,
               const double args[2])
{
    const vec zero = vec_zero(), one = vec_set(1), lo = vec_set((float)args[0]),
              hi = vec_set((float)args[1]);
    switch (s) {
    case SYN_STEP_ADD: LOOP(vec_add(x, Z));
    case SYN_STEP_SUB: LOOP(vec_sub(x, Z));
    case SYN_STEP_MUL: LOOP(vec_mul(x, Z));
    case SYN_STEP_DIV: LOOP(vec_div(x, Z));
    case SYN_STEP_MIN: LOOP(NAN_OF(vec_min(x, Z)));
    case SYN_STEP_MAX: LOOP(NAN_OF(vec_max(x, Z)));
    case SYN_STEP_POW: powers(a, b, y, n); break;
    case SYN_STEP_NEG: LOOP(vec_xor(x, vec_set(-0.0f)));
    case SYN_STEP_ABS: LOOP(v_abs(x));
    case SYN_STEP_SQRT: LOOP(vec_sqrt(x));
    case SYN_STEP_RECIPROCAL: LOOP(vec_div(one, x));
    case SYN_STEP_EXP: LOOP(v_exp(x));
    case SYN_STEP_LOG: LOOP(v_log(x));
    case SYN_STEP_RELU: LOOP(vec_pick(vec_lt(x, zero), zero, x));
    case SYN_STEP_LEAKY_RELU: LOOP(vec_pick(vec_lt(x, zero), vec_mul(x, lo), x));
    case SYN_STEP_SIGMOID: LOOP(v_sigmoid(x));
    case SYN_STEP_TANH: LOOP(v_tanh(x));
    case SYN_STEP_ERF: LOOP(v_erf(x));
    case SYN_STEP_SOFTPLUS: LOOP(v_softplus(x));
    case SYN_STEP_CLIP:
        LOOP(vec_min(hi, vec_max(lo, x))); /* NaN in x: the second, twice */
    case SYN_STEP_COUNT: break;
    }
}
