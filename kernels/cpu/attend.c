/* attend.c - attention's softmax step and copies, portable, and the choice. See attend.h. */
#include "kernels/cpu/attend.h"
#include <math.h>

#define ROW CPU_ATTEND_QUERIES /* of scores */

static float prepared(const struct cpu_attend_block *b, int32_t j, int32_t c)
{
    float s = b->s[j * ROW + c];
    if (b->softcap > 0) s = b->softcap * tanhf(s / b->softcap);
    if (b->mask) {
        const float m = b->mask[b->mask_per_key ? j : j * ROW + c];
        s = !b->replaces ? s + m : m != 0 ? b->fill : s;
    }
    return b->lo && ((float)j < b->lo[c] || (float)j >= b->hi[c]) ? -INFINITY : s;
}

static bool step_block(const struct cpu_attend_block *b)
{
    bool shrinks = false;
    for (int32_t c = 0; c < b->cols; c++) {
        float most = b->most[c], from;
        for (int32_t j = 0; j < b->keys; j++) {
            const float s = prepared(b, j, c);
            b->s[j * ROW + c] = s;
            if (s > most) most = s;
        }
        from = most == -INFINITY ? 0 : most;
        b->shrink[c] = b->most[c] == most ? 1 : expf(b->most[c] - from);
        shrinks |= b->shrink[c] != 1;
        b->most[c] = most;
        b->sum[c] *= b->shrink[c];
        for (int32_t j = 0; j < b->keys; j++)
            b->sum[c] += b->s[j * ROW + c] = expf(b->s[j * ROW + c] - from);
    }
    return shrinks;
}

static void turn(const float *const *from, int32_t rows, int64_t n, float factor, float *to)
{
    for (int32_t c = 0; c < rows; c++)
        for (int64_t k = 0; k < n; k++) to[k * ROW + c] = from[c][k] * factor;
}

static bool scale(const float *x, float factor, float *y, int64_t n)
{
    float odd = 0; /* times 0: NaN where a number is not finite */
    for (int64_t i = 0; i < n; i++) odd += (y[i] = x[i] * factor) * 0.0f;
    return odd == 0;
}

static void dots(const float *q, const float *k, int64_t row, int32_t keys, int64_t size, float *s)
{
    for (int32_t j = 0; j < keys; j++) {
        s[j * ROW] = 0;
        for (int64_t i = 0; i < size; i++) s[j * ROW] += q[i] * k[j * row + i];
    }
}

static void weigh(const float *s, const float *v, int64_t row, int32_t keys, int64_t size,
                  float shrink, float *y)
{
    for (int64_t i = 0; i < size; i++) y[i] *= shrink;
    for (int32_t j = 0; j < keys; j++)
        for (int64_t i = 0; i < size; i++) y[i] += s[j * ROW] * v[j * row + i];
}

const struct cpu_attend cpu_attend_portable = {step_block, turn, scale, dots, weigh};

const struct cpu_attend *cpu_attend_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return &cpu_attend_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &cpu_attend_avx2;
#endif
    return &cpu_attend_portable;
}
