/* vec_avx2.h - a register of 8 floats under the names of vec_avx512.h.
 *
 * Layer:   kernels/cpu. Included by files compiled for AVX2 and FMA alone. */
#ifndef SYN_CPU_VEC_H
#define SYN_CPU_VEC_H

#include <immintrin.h>
#include <stdint.h>

#define VEC 8

typedef __m256 vec, vec_bool;
typedef __m256i vec_lanes;

static inline vec_lanes vec_first(int64_t n) /* lanes below n */
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n >= VEC ? VEC : (int)n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline vec vec_load_part(const float *p, vec_lanes m) { return _mm256_maskload_ps(p, m); }
static inline void vec_store(float *p, vec v) { _mm256_storeu_ps(p, v); }
static inline void vec_store_part(float *p, vec_lanes m, vec v) { _mm256_maskstore_ps(p, m, v); }
static inline vec vec_in(vec_lanes m, vec v, vec others)
{
    return _mm256_blendv_ps(others, v, _mm256_castsi256_ps(m));
}

static inline vec vec_set(float x) { return _mm256_set1_ps(x); }
static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec vec_sqrt(vec a) { return _mm256_sqrt_ps(a); }
/* b where either is NaN */
static inline vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }   /* ab + c */
static inline vec vec_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); } /* c - ab */
static inline vec vec_round(vec a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec vec_and(vec a, vec b) { return _mm256_and_ps(a, b); }
static inline vec vec_or(vec a, vec b) { return _mm256_or_ps(a, b); }
static inline vec vec_xor(vec a, vec b) { return _mm256_xor_ps(a, b); }
static inline vec vec_bits(uint32_t b) { return _mm256_castsi256_ps(_mm256_set1_epi32((int)b)); }

static inline vec_bool vec_lt(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vec_bool vec_ge(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_GE_OQ); }
static inline vec_bool vec_eq(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline vec_bool vec_nan(vec a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
static inline vec vec_pick(vec_bool m, vec yes, vec no) { return _mm256_blendv_ps(no, yes, m); }

static inline vec vec_load_bf16(const uint16_t *p)
{
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
/* Nearest, ties to even; NaN keeps its sign and is quiet. */
static inline void vec_store_bf16(uint16_t *p, vec v)
{
    const __m256i bits = _mm256_castps_si256(v),
                  odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1)),
                  up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))),
                  quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000)),
                  r = _mm256_blendv_epi8(up, quiet, _mm256_castps_si256(vec_nan(v))),
                  high = _mm256_srli_epi32(r, 16);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(_mm256_castsi256_si128(high),
                                                    _mm256_extracti128_si256(high, 1)));
}

/* p * 2^n, n whole, |n| < 252: in two steps, since one power of two holds no more than 127. The
 * first is exact, so that the result is rounded once. */
static inline vec vec_scale(vec p, vec n)
{
    const __m256i bias = _mm256_set1_epi32(127), whole = _mm256_cvtps_epi32(n),
                  half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    const __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23),
                  b = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
}
/* x = m * 2^e, 1 <= m < 2, NaN for negative x and NaN; for 0 and infinity m and e are anything */
static inline void vec_split(vec x, vec *m, vec *e)
{
    const vec small = _mm256_cmp_ps(x, _mm256_set1_ps(0x1p-126f), _CMP_LT_OQ), /* subnormal */
              y = _mm256_blendv_ps(x, _mm256_mul_ps(x, _mm256_set1_ps(0x1p24f)), small);
    const __m256i bits = _mm256_castps_si256(y),
                  field = _mm256_and_si256(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(0xff)),
                  exponent = _mm256_sub_epi32(field, _mm256_set1_epi32(127));
    const vec odd = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NGE_UQ); /* negative or NaN */
    *e = _mm256_sub_ps(_mm256_cvtepi32_ps(exponent), _mm256_and_ps(small, _mm256_set1_ps(24)));
    *m = _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffff)),
                                             _mm256_set1_epi32(0x3f800000)));
    *m = _mm256_blendv_ps(*m, _mm256_set1_ps(__builtin_nanf("")), odd);
}
static inline vec vec_gather(const float *p, const int32_t *at) /* p[at[lane]] */
{
    return _mm256_i32gather_ps(p, _mm256_loadu_si256((const __m256i *)at), 4);
}
/* The same where all places lie in [base, base + 16) and below end. */
static inline vec vec_near(const float *p, const int32_t *at, int32_t base, int64_t end)
{
    const __m256i place = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)at),
                                           _mm256_set1_epi32(base));
    const vec lo = vec_load_part(p + base, vec_first(end - base)),
              hi = end - base > VEC ? vec_load_part(p + base + VEC, vec_first(end - base - VEC))
                                    : vec_zero();
    const vec second = _mm256_castsi256_ps(_mm256_slli_epi32(place, 28)); /* bit 3 as the sign */
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(lo, place),
                            _mm256_permutevar8x32_ps(hi, place), second);
}
/* Rows become columns. */
static inline __attribute__((always_inline)) void vec_turn(vec r[VEC])
{
    __m256 t[VEC];
    for (int i = 0; i < 8; i += 4) { /* 4 x 4 within each half */
        const __m256 a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]),
                     c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]),
                     d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44), t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44), t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) { /* halves */
        r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}
static inline float vec_sum_of(vec v)
{
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
static inline float vec_max_of(vec v)
{
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}

#endif
