/* lines.h - pixels of channel blocks as lines, one line per channel (f32) or pair of channels
 * (bf16), and back: what kernels need whose lanes are pixels.
 *
 * A word is 32 bits: one f32 or two bf16 numbers. AVX-512 alone: their callers are.
 *
 * Layer:   kernels/cpu.   Threads: pure functions. */
#ifndef SYN_CPU_LINES_H
#define SYN_CPU_LINES_H

#include <stdint.h>

/* to[w * line + p] = word w of pixel p: w < words, p < px. `pixel`: words from one pixel to the
 * next. Reads whole fours of words. */
void cpu_words_to_lines_avx512(const uint32_t *from, int64_t pixel, int64_t words, int64_t px,
                               uint32_t *to, int64_t line);
/* The way back; words of a pixel past the last line become zero. */
void cpu_lines_to_words_avx512(const uint32_t *from, int64_t line, int64_t words, int64_t px,
                               uint32_t *to, int64_t pixel);
/* In place, line c by its own slope: v = alpha * min(high, max(low, v < 0 ? slope[c] * v : v)). */
struct cpu_line_act {
    const float *slope;
    float low, high, alpha;
};
void cpu_lines_act_avx512(float *v, int64_t line, int64_t lines, int64_t px,
                          const struct cpu_line_act *act);

#endif
