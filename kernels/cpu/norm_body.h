/* norm_body.h - the inner loops of CHANNEL_NORM, a register of a pixel's 16 channels at a time. See
 * norm.h.
 *
 * Use:     include vec_avx512.h or vec_avx2.h, define NORM_NAME (the struct), then include.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/norm.h"
#include "kernels/graph/op_words.h"

static inline vec load(syn_dtype t, const void *base, int64_t i)
{
    return t == SYN_BF16 ? vec_load_bf16((const uint16_t *)base + i)
                         : vec_load((const float *)base + i);
}
static inline void store(syn_dtype t, void *base, int64_t i, vec v)
{
    if (t == SYN_BF16) vec_store_bf16((uint16_t *)base + i, v);
    else vec_store((float *)base + i, v);
}

/* Channels [l, l + VEC). */
static inline void sum_lanes(syn_dtype t, const void *x, int64_t pixels, int l, const float *shift,
                             float *sum, float *square)
{
    const vec k = vec_load(shift + l);
    vec s0 = vec_zero(), s1 = s0, q0 = s0, q1 = s0;
    int64_t i = 0;
    for (; i + 2 <= pixels; i += 2) {
        const vec a = vec_sub(load(t, x, i * CPU_BLOCK + l), k),
                  b = vec_sub(load(t, x, (i + 1) * CPU_BLOCK + l), k);
        s0 = vec_add(s0, a), s1 = vec_add(s1, b);
        q0 = vec_fma(a, a, q0), q1 = vec_fma(b, b, q1);
    }
    if (i < pixels) {
        const vec a = vec_sub(load(t, x, i * CPU_BLOCK + l), k);
        s0 = vec_add(s0, a);
        q0 = vec_fma(a, a, q0);
    }
    vec_store(sum + l, vec_add(vec_load(sum + l), vec_add(s0, s1)));
    vec_store(square + l, vec_add(vec_load(square + l), vec_add(q0, q1)));
}

static void sum_row(syn_dtype t, const void *x, int64_t pixels, const float *shift, float *sum,
                    float *square)
{
    for (int l = 0; l < CPU_BLOCK; l += VEC) {
        if (t == SYN_BF16) sum_lanes(SYN_BF16, x, pixels, l, shift, sum, square);
        else sum_lanes(SYN_F32, x, pixels, l, shift, sum, square);
    }
}

static inline vec activate(vec v, const struct cpu_norm_apply *p)
{
    const vec_bool below = vec_lt(v, vec_zero()); /* NaN stays */
    switch (p->act) {
    case SYN_ACT_RELU: return vec_pick(below, vec_zero(), v);
    case SYN_ACT_LEAKY: return vec_pick(below, vec_mul(v, vec_set(p->a)), v);
    default: return v;
    }
}

static inline void apply_as(syn_dtype t, const void *x, syn_dtype res_t, const void *res,
                            syn_dtype out_t, void *y, int64_t pixels,
                            const struct cpu_norm_apply *p)
{
    for (int l = 0; l < CPU_BLOCK; l += VEC) {
        const vec factor = vec_load(p->factor + l), offset = vec_load(p->offset + l);
        for (int64_t i = l; i < pixels * CPU_BLOCK; i += CPU_BLOCK) {
            vec v = activate(vec_fma(load(t, x, i), factor, offset), p);
            if (res) v = vec_add(v, load(res_t, res, i));
            store(out_t, y, i, v);
        }
    }
}

static void apply_row(syn_dtype t, const void *x, syn_dtype res_t, const void *res, syn_dtype out_t,
                      void *y, int64_t pixels, const struct cpu_norm_apply *p)
{
    if (t == SYN_BF16 && out_t == SYN_BF16 && (!res || res_t == SYN_BF16))
        apply_as(SYN_BF16, x, SYN_BF16, res, SYN_BF16, y, pixels, p);
    else apply_as(t, x, res_t, res, out_t, y, pixels, p);
}

const struct cpu_norm_rows NORM_NAME = {sum_row, apply_row};
