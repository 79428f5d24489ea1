/* flat_avx512.c - see flat.h.
 *
 * Per 16 positions and tap: one masked load (two and a permutation where every second number is
 * wanted) and one multiply-add. Only words whose taps reach over an end of the plane compute a mask
 * against it. */
#include "kernels/cpu/flat.h"
#include <immintrin.h>

static inline __mmask16 first_lanes(int64_t n)
{
    return n >= 16 ? (__mmask16)0xffff : n <= 0 ? (__mmask16)0 : (__mmask16)((1u << n) - 1);
}

/* Lanes i with 0 <= at + i < n. */
static inline __mmask16 lanes_inside(int64_t at, int64_t n)
{
    return (__mmask16)(first_lanes(n - at) & ~first_lanes(-at));
}

static inline __attribute__((always_inline)) __m512 input(const struct cpu_flat *f, int64_t at,
                                                          __mmask16 mask, bool guarded, bool two)
{
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                            30);
    const float *x = f->x + at;
    if (!two)
        return _mm512_maskz_loadu_ps(guarded ? mask & lanes_inside(at, f->n_x) : mask, x);
    const __m512 low = guarded ? _mm512_maskz_loadu_ps(lanes_inside(at, f->n_x), x)
                               : _mm512_loadu_ps(x),
                 high = guarded ? _mm512_maskz_loadu_ps(lanes_inside(at + 16, f->n_x), x + 16)
                                : _mm512_loadu_ps(x + 16);
    return _mm512_maskz_permutex2var_ps(mask, low, evens, high);
}

static inline __attribute__((always_inline)) __m512 sum_of(const struct cpu_flat *f, int phase,
                                                           int64_t p, int64_t word, bool guarded,
                                                           bool two)
{
    const struct cpu_flat_tap *tap = f->tap[phase];
    const float *a = f->weight[phase];
    __m512 sum = _mm512_set1_ps(f->bias);
    for (int32_t t = 0; t < f->n_taps[phase]; t++)
        sum = _mm512_fmadd_ps(_mm512_set1_ps(a[t]),
                              input(f, (two ? 2 * p : p) + tap[t].off, tap[t].mask[word], guarded,
                                    two),
                              sum);
    return _mm512_max_ps(_mm512_set1_ps(f->least), sum); /* in this order a NaN stays one */
}

static inline __attribute__((always_inline)) void run(const struct cpu_flat *f, float *y,
                                                      int64_t from, int64_t to, bool guarded,
                                                      bool two, bool phased)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
                  high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                           31);
    int64_t word = from / CPU_FLAT_LANES % f->period;
    for (int64_t p = from; p < to; p += 16, word = word + 1 == f->period ? 0 : word + 1) {
        const __m512 a = sum_of(f, 0, p, word, guarded, two);
        if (!phased) {
            _mm512_mask_storeu_ps(y, first_lanes(to - p), a);
            y += 16;
            continue;
        }
        const __m512 b = sum_of(f, 1, p, word, guarded, two);
        _mm512_mask_storeu_ps(y, first_lanes(2 * (to - p)), _mm512_permutex2var_ps(a, low, b));
        _mm512_mask_storeu_ps(y + 16, first_lanes(2 * (to - p) - 16),
                              _mm512_permutex2var_ps(a, high, b));
        y += 32;
    }
}

/* y: where position `from` goes. */
static void run_part(const struct cpu_flat *f, float *y, int64_t from, int64_t to, bool guarded)
{
    if (from >= to) return;
    if (f->phases == 2) {
        if (guarded) run(f, y, from, to, true, false, true);
        else run(f, y, from, to, false, false, true);
    } else if (f->step == 2) {
        if (guarded) run(f, y, from, to, true, true, false);
        else run(f, y, from, to, false, true, false);
    } else {
        if (guarded) run(f, y, from, to, true, false, false);
        else run(f, y, from, to, false, false, false);
    }
}

void cpu_flat_avx512(const struct cpu_flat *f, int64_t from, int64_t to)
{
    /* words [lo, hi) read nothing outside the plane */
    int64_t lo = (-f->first + f->step * 16 - 1) / (f->step * 16) * 16,
            hi = (f->n_x - f->last) / (f->step * 16) * 16;
    if (lo < from) lo = from;
    if (lo > to) lo = to;
    if (hi > to) hi = to / 16 * 16;
    if (hi < lo) hi = lo;
    run_part(f, f->y, from, lo, true);
    run_part(f, f->y + (lo - from) * f->phases, lo, hi, false);
    run_part(f, f->y + (hi - from) * f->phases, hi, to, true);
}
