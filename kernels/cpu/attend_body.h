/* attend_body.h - the softmax step of attention, a register of queries at a time. See attend.h.
 *
 * Use:     include vec_avx512.h or vec_avx2.h, define ATTEND_NAME (the function), then include.
 * Layer:   kernels/cpu. */
#include "kernels/cpu/attend.h"
#include "kernels/cpu/vmath.h"
#include <math.h>

#define STEP CPU_ATTEND_QUERIES

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

bool ATTEND_NAME(const struct cpu_attend_block *b)
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
