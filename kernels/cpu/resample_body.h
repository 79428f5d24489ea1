/* resample_body.h - rows of pixels resampled, a register at a time. See resample.h.
 *
 * Use:     include vec_avx512.h or vec_avx2.h, define RESAMPLE_NAME (the struct), then include.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/resample.h"

/* A copy of the loop for the numbers of taps that are common: constants unroll it. */
static inline __attribute__((always_inline)) void
along_by(const struct cpu_resample_taps *t, const float *x, float *y, const int64_t width)
{
    for (int64_t o = 0; o < t->out; o += VEC) {
        const int32_t base = t->base[o / CPU_RESAMPLE_GROUP];
        vec v = vec_zero();
        for (int64_t k = 0; k < width; k++) {
            const int32_t *at = t->at + k * t->padded + o;
            const vec p = base >= 0 ? vec_near(x, at, base, t->in) : vec_gather(x, at);
            v = width == 1 ? p : vec_fma(p, vec_load(t->weight + k * t->padded + o), v);
        }
        vec_store_part(y + o, vec_first(t->out - o), v);
    }
}

static void along(const struct cpu_resample_taps *t, const float *x, float *y)
{
    switch (t->width) {
    case 1: along_by(t, x, y, 1); break;
    case 2: along_by(t, x, y, 2); break;
    case 4: along_by(t, x, y, 4); break;
    default: along_by(t, x, y, t->width); break;
    }
}

static void across(const float *const *row, const float *w, int64_t rows, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        vec v = vec_mul(vec_load_part(row[0] + i, m), vec_set(w[0]));
        for (int64_t k = 1; k < rows; k++)
            v = vec_fma(vec_load_part(row[k] + i, m), vec_set(w[k]), v);
        vec_store_part(y + i, m, v);
    }
}

const struct cpu_resample RESAMPLE_NAME = {along, across};
