/* attend.h - what attention does in registers beside its products: the softmax step on a block of
 * scores, and copies. See quick_attention.c.
 *
 * Scores lie transposed, a row per key, so that each lane is a query of its own: maxima and sums
 * run down the rows and no register is ever added up across.
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_ATTEND_H
#define SYN_CPU_ATTEND_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_ATTEND_QUERIES 48 /* in a block: as many columns as a tile has (tile.h) */
#define CPU_ATTEND_KEYS 128

struct cpu_attend_block {
    float *s;            /* [keys][48]: scores, overwritten with e^(score - maximum) */
    int32_t keys, cols;  /* cols: a multiple of 16 */
    const float *mask;   /* [keys][48], or [keys][1] for all queries; NULL: none */
    bool mask_per_key;
    bool replaces;       /* mask other than 0: the score becomes `fill`; else the mask is added */
    float fill, softcap; /* softcap 0: none */
    const float *lo, *hi; /* [48]: a query sees rows in [lo, hi); NULL: all */
    float *most, *sum;   /* [48]: so far; updated */
    float *shrink;       /* [48]: what earlier sums are to be multiplied by */
};

struct cpu_attend {
    bool (*step)(const struct cpu_attend_block *b); /* false: every shrink is 1 */
    /* to[k * 48 + c] = from[c][k] * factor, k < n; rows a multiple of 16, at most 48. */
    void (*turn)(const float *const *from, int32_t rows, int64_t n, float factor, float *to);
    /* y = x * factor; false: one of them is not finite. x may be y. */
    bool (*scale)(const float *x, float factor, float *y, int64_t n);
    /* For a few queries. s[j * 48] = q . k[j * row]; y[x] = y[x] * shrink + sum of s[j * 48] times
     * v[j * row + x]. */
    void (*dots)(const float *q, const float *k, int64_t row, int32_t keys, int64_t size, float *s);
    void (*weigh)(const float *s, const float *v, int64_t row, int32_t keys, int64_t size,
                  float shrink, float *y);
};
extern const struct cpu_attend cpu_attend_portable, cpu_attend_avx2, cpu_attend_avx512;
const struct cpu_attend *cpu_attend_best(void);

#endif
