/* tile.c - the portable tile and the choice among them. See tile.h. */
#include "kernels/cpu/tile.h"

void cpu_tile_portable(const struct cpu_tile *t)
{
    for (int32_t r = 0; r < t->rows; r++) {
        float acc[CPU_TILE_COLS];
        for (int32_t j = 0; j < t->cols; j++)
            acc[j] = (t->bias ? t->bias[r] : 0) + (t->add ? t->y[r * t->y_row + j] : 0);
        for (int64_t k = 0; k < t->k; k++) {
            const float a = t->a[r * t->a_row + k * t->a_k],
                        *x = t->x + (t->off ? t->off[k] : k * t->x_k);
            for (int32_t j = 0; j < t->cols; j++) acc[j] += a * x[j];
        }
        for (int32_t j = 0; j < t->cols; j++)
            t->y[r * t->y_row + j] = t->relu && acc[j] < 0 ? 0 : acc[j];
    }
}

cpu_tile_fn *cpu_tile_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return cpu_tile_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return cpu_tile_avx2;
#endif
    return cpu_tile_portable;
}

cpu_tile_fn *cpu_tile_bf16(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw"))
        return cpu_tile_avx512bf16;
#endif
    return NULL;
}

void cpu_taps_portable(const float *a, const float *x, const int64_t *off, int64_t k, float bias,
                       float *y, int64_t cols)
{
    for (int64_t j = 0; j < cols; j++) y[j] = bias;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < cols; j++) y[j] += a[i] * x[off[i] + j];
}

cpu_taps_fn *cpu_taps_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return cpu_taps_avx512;
#endif
    return cpu_taps_portable;
}

cpu_pair_fn *cpu_pair_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return cpu_pair_avx512;
#endif
    return NULL;
}
