/* attend.h - the softmax step of attention on a block of scores. See quick_attention.c.
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

/* False: every shrink is 1. */
typedef bool cpu_attend_fn(const struct cpu_attend_block *b);
bool cpu_attend_portable(const struct cpu_attend_block *b);
bool cpu_attend_avx2(const struct cpu_attend_block *b);
bool cpu_attend_avx512(const struct cpu_attend_block *b);
cpu_attend_fn *cpu_attend_best(void);

#endif
