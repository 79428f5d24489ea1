/* vec_avx512.h - a register of 16 floats under the names that bodies for several instruction sets
 * are written in. vec_avx2.h has the same names for 8.
 *
 * vec_lanes says which lanes a load or a store touches, vec_bool what a comparison found.
 * Layer:   kernels/cpu. Included by files compiled for this set alone. */
#ifndef SYN_CPU_VEC_H
#define SYN_CPU_VEC_H

#include <immintrin.h>
#include <stdint.h>

#define VEC 16

typedef __m512 vec;
typedef __mmask16 vec_lanes, vec_bool;

static inline vec_lanes vec_first(int64_t n) /* lanes below n */
{
    return n >= VEC ? (vec_lanes)0xffff : (vec_lanes)((1u << n) - 1);
}
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline vec vec_load_part(const float *p, vec_lanes m) { return _mm512_maskz_loadu_ps(m, p); }
static inline void vec_store(float *p, vec v) { _mm512_storeu_ps(p, v); }
static inline void vec_store_part(float *p, vec_lanes m, vec v) { _mm512_mask_storeu_ps(p, m, v); }
static inline vec vec_in(vec_lanes m, vec v, vec others)
{
    return _mm512_mask_mov_ps(others, m, v);
}

static inline vec vec_set(float x) { return _mm512_set1_ps(x); }
static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec vec_sqrt(vec a) { return _mm512_sqrt_ps(a); }
/* b where either is NaN */
static inline vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
static inline vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }   /* ab + c */
static inline vec vec_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); } /* c - ab */
static inline vec vec_round(vec a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec vec_and(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline vec vec_or(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline vec vec_xor(vec a, vec b)
{
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline vec vec_bits(uint32_t b) { return _mm512_castsi512_ps(_mm512_set1_epi32((int)b)); }

static inline vec_bool vec_lt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vec_bool vec_ge(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline vec_bool vec_eq(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vec_bool vec_nan(vec a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
static inline vec vec_pick(vec_bool m, vec yes, vec no) { return _mm512_mask_mov_ps(no, m, yes); }

static inline vec vec_load_bf16(const uint16_t *p)
{
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
/* Nearest, ties to even; NaN keeps its sign and is quiet. */
static inline void vec_store_bf16(uint16_t *p, vec v)
{
    const __m512i bits = _mm512_castps_si512(v),
                  odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1)),
                  up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))),
                  r = _mm512_mask_or_epi32(up, vec_nan(v), bits, _mm512_set1_epi32(0x400000));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16)));
}

/* p * 2^n, n whole, rounded once */
static inline vec vec_scale(vec p, vec n) { return _mm512_scalef_ps(p, n); }
/* x = m * 2^e, 1 <= m < 2; for 0 and negative x m and e are anything */
static inline void vec_split(vec x, vec *m, vec *e)
{
    *e = _mm512_getexp_ps(x);
    *m = _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_nan);
}
static inline vec vec_gather(const float *p, const int32_t *at) /* p[at[lane]] */
{
    return _mm512_i32gather_ps(_mm512_loadu_si512(at), p, 4);
}
/* The same where all places lie in [base, base + 32) and below end. */
static inline vec vec_near(const float *p, const int32_t *at, int32_t base, int64_t end)
{
    const __m512i place = _mm512_sub_epi32(_mm512_loadu_si512(at), _mm512_set1_epi32(base));
    const vec lo = vec_load_part(p + base, vec_first(end - base)),
              hi = end - base > VEC ? vec_load_part(p + base + VEC, vec_first(end - base - VEC))
                                    : vec_zero();
    return _mm512_permutex2var_ps(lo, place, hi);
}
/* Rows become columns. */
static inline __attribute__((always_inline)) void vec_turn(vec r[VEC])
{
    __m512 t[VEC];
    for (int i = 0; i < 16; i += 4) { /* 4 x 4 within each quarter */
        const __m512 a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]),
                     c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]),
                     d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44), t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44), t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) { /* quarters */
        const __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88),
                     b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd),
                     c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88),
                     d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88), r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd), r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}
static inline float vec_sum_of(vec v) { return _mm512_reduce_add_ps(v); }
static inline float vec_max_of(vec v) { return _mm512_reduce_max_ps(v); }

#endif
