/* steps.c - portable steps and the choice. See steps.h. */
#include "kernels/cpu/steps.h"
#include <math.h>

void cpu_step_portable(syn_step s, const float *a, const float *b, float *y, int64_t n,
                       const double args[2])
{
    const float lo = (float)args[0], hi = (float)args[1];
    switch (s) {
    case SYN_STEP_ADD: for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i]; break;
    case SYN_STEP_SUB: for (int64_t i = 0; i < n; i++) y[i] = a[i] - b[i]; break;
    case SYN_STEP_MUL: for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i]; break;
    case SYN_STEP_DIV: for (int64_t i = 0; i < n; i++) y[i] = a[i] / b[i]; break;
    case SYN_STEP_NEG: for (int64_t i = 0; i < n; i++) y[i] = -a[i]; break;
    case SYN_STEP_RELU: for (int64_t i = 0; i < n; i++) y[i] = a[i] < 0 ? 0 : a[i]; break;
    case SYN_STEP_LEAKY_RELU:
        for (int64_t i = 0; i < n; i++) y[i] = a[i] < 0 ? lo * a[i] : a[i];
        break;
    case SYN_STEP_SQRT: for (int64_t i = 0; i < n; i++) y[i] = sqrtf(a[i]); break;
    case SYN_STEP_EXP: for (int64_t i = 0; i < n; i++) y[i] = expf(a[i]); break;
    case SYN_STEP_SIGMOID: for (int64_t i = 0; i < n; i++) y[i] = 1 / (1 + expf(-a[i])); break;
    case SYN_STEP_TANH: for (int64_t i = 0; i < n; i++) y[i] = tanhf(a[i]); break;
    case SYN_STEP_CLIP:
        for (int64_t i = 0; i < n; i++) y[i] = a[i] < lo ? lo : a[i] > hi ? hi : a[i];
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            y[i] = (float)syn_step_apply(s, (double)a[i], b ? (double)b[i] : 0, args);
        break;
    }
}

cpu_step_fn *cpu_step_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return cpu_step_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return cpu_step_avx2;
#endif
    return cpu_step_portable;
}
