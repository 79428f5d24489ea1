/* attend_body.h - attention's softmax step, a register of queries at a time, and copies. See
 * attend.h.
 *
 * Use:     include vec_avx512.h or vec_avx2.h, define ATTEND_NAME (the struct), then include.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/attend.h"
#include "kernels/cpu/vmath.h"
#include <math.h>

#define STEP CPU_ATTEND_QUERIES /* of a row of scores */

/* Scores of queries [c, c + VEC) as the softmax sees them; their maximum. */
static inline __attribute__((always_inline)) vec
prepare(const struct cpu_attend_block *b, int32_t c, vec most, const bool capped, const bool masked,
        const bool ranged)
{
    const vec cap = vec_set(b->softcap), below = vec_set(-INFINITY), fill = vec_set(b->fill);
    const vec lo = ranged ? vec_load(b->lo + c) : cap, hi = ranged ? vec_load(b->hi + c) : cap;
    for (int32_t j = 0; j < b->keys; j++) {
        vec s = vec_load(b->s + j * STEP + c);
        if (capped) s = vec_mul(cap, v_tanh(vec_div(s, cap)));
        if (masked) {
            const vec m =
                b->mask_per_key ? vec_set(b->mask[j]) : vec_load(b->mask + j * STEP + c);
            s = b->replaces ? vec_pick(vec_eq(m, vec_zero()), s, fill) : vec_add(s, m);
        }
        if (ranged) {
            const vec at = vec_set((float)j);
            s = vec_pick(vec_lt(at, lo), below, vec_pick(vec_lt(at, hi), s, below));
        }
        if (capped || masked || ranged) vec_store(b->s + j * STEP + c, s);
        most = vec_max(most, s);
    }
    return most;
}

/* Twice the maxima, so that one need not wait for the other. */
static inline vec plain(const struct cpu_attend_block *b, int32_t c, vec most)
{
    vec other = most;
    int32_t j = 0;
    for (; j + 2 <= b->keys; j += 2) {
        most = vec_max(most, vec_load(b->s + j * STEP + c));
        other = vec_max(other, vec_load(b->s + (j + 1) * STEP + c));
    }
    if (j < b->keys) most = vec_max(most, vec_load(b->s + j * STEP + c));
    return vec_max(most, other);
}

static vec maximum(const struct cpu_attend_block *b, int32_t c, vec most)
{
    if (b->softcap > 0) return prepare(b, c, most, true, b->mask != NULL, b->lo != NULL);
    if (b->mask && b->lo) return prepare(b, c, most, false, true, true);
    if (b->mask) return prepare(b, c, most, false, true, false);
    if (b->lo) return prepare(b, c, most, false, false, true);
    return plain(b, c, most);
}

static bool step(const struct cpu_attend_block *b)
{
    bool shrinks = false;
    for (int32_t c = 0; c < b->cols; c += VEC) {
        const vec before = vec_load(b->most + c), most = maximum(b, c, before),
                  none = vec_set(-INFINITY);
        /* where nothing has been seen yet, e^(-inf) must be 0, not e^(-inf + inf) */
        const vec from = vec_pick(vec_eq(most, none), vec_zero(), most),
                  shrink = vec_pick(vec_eq(before, most), vec_set(1), v_exp(vec_sub(before, from)));
        float *shrunk = b->shrink + c;
        vec sum = vec_mul(vec_load(b->sum + c), shrink), more = vec_zero();
        int32_t j = 0;
        for (; j + 2 <= b->keys; j += 2) {
            const vec p = v_exp(vec_sub(vec_load(b->s + j * STEP + c), from)),
                      r = v_exp(vec_sub(vec_load(b->s + (j + 1) * STEP + c), from));
            vec_store(b->s + j * STEP + c, p);
            vec_store(b->s + (j + 1) * STEP + c, r);
            sum = vec_add(sum, p), more = vec_add(more, r);
        }
        if (j < b->keys) {
            const vec p = v_exp(vec_sub(vec_load(b->s + j * STEP + c), from));
            vec_store(b->s + j * STEP + c, p);
            sum = vec_add(sum, p);
        }
        vec_store(b->sum + c, vec_add(sum, more));
        vec_store(b->most + c, most);
        vec_store(shrunk, shrink);
        for (int32_t l = 0; l < VEC; l++) shrinks |= shrunk[l] != 1;
    }
    return shrinks;
}

static void turn(const float *const *from, int32_t rows, int64_t n, float factor, float *to)
{
    const vec f = vec_set(factor);
    for (int32_t c = 0; c < rows; c += VEC)
        for (int64_t k = 0; k < n; k += VEC) {
            const int left = n - k < VEC ? (int)(n - k) : VEC;
            const vec_lanes m = vec_first(left);
            vec r[VEC];
            for (int i = 0; i < VEC; i++) r[i] = vec_mul(vec_load_part(from[c + i] + k, m), f);
            vec_turn(r);
            if (left == VEC)
                for (int i = 0; i < VEC; i++) vec_store(to + (k + i) * STEP + c, r[i]);
            else
                for (int i = 0; i < left; i++) vec_store(to + (k + i) * STEP + c, r[i]);
        }
}

static bool scale(const float *x, float factor, float *y, int64_t n)
{
    const vec f = vec_set(factor);
    vec odd = vec_zero(); /* times 0: NaN where a number is not finite */
    for (int64_t i = 0; i < n; i += VEC) {
        const vec_lanes m = vec_first(n - i);
        const vec v = vec_mul(vec_load_part(x + i, m), f);
        vec_store_part(y + i, m, v);
        odd = vec_fma(vec_in(m, v, vec_zero()), vec_zero(), odd);
    }
    return vec_sum_of(odd) == 0;
}

static void dots(const float *q, const float *k, int64_t row, int32_t keys, int64_t size, float *s)
{
    int32_t j = 0;
    for (; j + 4 <= keys; j += 4, k += 4 * row) {
        vec a = vec_zero(), b = a, c = a, d = a;
        for (int64_t i = 0; i < size; i += VEC) {
            const vec_lanes m = vec_first(size - i);
            const vec x = vec_load_part(q + i, m);
            a = vec_fma(x, vec_load_part(k + i, m), a);
            b = vec_fma(x, vec_load_part(k + row + i, m), b);
            c = vec_fma(x, vec_load_part(k + 2 * row + i, m), c);
            d = vec_fma(x, vec_load_part(k + 3 * row + i, m), d);
        }
        s[j * STEP] = vec_sum_of(a), s[(j + 1) * STEP] = vec_sum_of(b);
        s[(j + 2) * STEP] = vec_sum_of(c), s[(j + 3) * STEP] = vec_sum_of(d);
    }
    for (; j < keys; j++, k += row) {
        vec a = vec_zero();
        for (int64_t i = 0; i < size; i += VEC) {
            const vec_lanes m = vec_first(size - i);
            a = vec_fma(vec_load_part(q + i, m), vec_load_part(k + i, m), a);
        }
        s[j * STEP] = vec_sum_of(a);
    }
}

static void weigh(const float *s, const float *v, int64_t row, int32_t keys, int64_t size,
                  float shrink, float *y)
{
    int64_t i = 0;
    for (; i + 4 * VEC <= size; i += 4 * VEC) {
        vec a[4];
        for (int r = 0; r < 4; r++) a[r] = vec_mul(vec_load(y + i + r * VEC), vec_set(shrink));
        for (int32_t j = 0; j < keys; j++)
            for (int r = 0; r < 4; r++)
                a[r] = vec_fma(vec_set(s[j * STEP]), vec_load(v + j * row + i + r * VEC), a[r]);
        for (int r = 0; r < 4; r++) vec_store(y + i + r * VEC, a[r]);
    }
    for (; i < size; i += VEC) {
        const vec_lanes m = vec_first(size - i);
        vec a = vec_mul(vec_load_part(y + i, m), vec_set(shrink));
        for (int32_t j = 0; j < keys; j++)
            a = vec_fma(vec_set(s[j * STEP]), vec_load_part(v + j * row + i, m), a);
        vec_store_part(y + i, m, a);
    }
}

const struct cpu_attend ATTEND_NAME = {step, turn, scale, dots, weigh};
