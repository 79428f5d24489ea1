/* ncnn_text.h - the lines of a .param file: tokens, numbers, key=value.
 *
 * Layer:   kernels/load; used by ncnn.c and ncnn_layers.c only.
 * Ownership: strings and lists live in the arena that the caller hands in.
 * Threads: a reader belongs to one thread. */
#ifndef SYN_NCNN_TEXT_H
#define SYN_NCNN_TEXT_H

#include "kernels/base/arena.h"
#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYN_NCNN_KEYS 32     /* keys are 0..31 */
#define SYN_NCNN_OPERANDS 64 /* inputs and outputs of one layer, each */
#define SYN_NCNN_LIST 64     /* entries of an array */

struct syn_ncnn_text {
    const char *p; /* next byte */
    size_t left;
    int32_t line; /* of the line last read, from 1 */
};

struct syn_ncnn_param {
    bool given, array;
    int32_t n; /* numbers; 1 unless an array */
    const double *v;
};

struct syn_ncnn_line {
    int32_t number;
    const char *type, *name;
    int32_t n_in, n_out;
    const char *in[SYN_NCNN_OPERANDS], *out[SYN_NCNN_OPERANDS];
    struct syn_ncnn_param param[SYN_NCNN_KEYS];
};

/* One word of a line; borrowed from the text. */
struct syn_ncnn_word {
    const char *p;
    size_t n;
};

/* The next line that is not blank: *words (in the arena) and *n_words. At the end of the text
 *                                  *n_words = 0.
 * SYN_TRUNCATED: no newline at its end; SYN_INVALID: a byte outside printable ASCII. */
SYN_MUST_CHECK syn_status syn_ncnn_text_next(struct syn_ncnn_text *t, struct syn_arena *arena,
                                             struct syn_ncnn_word **words, int32_t *n_words,
                                             struct syn_err *err);

/* A whole number in decimal within [lo, hi]. */
bool syn_ncnn_integer(struct syn_ncnn_word w, int64_t lo, int64_t hi, int64_t *out);

/* A layer's line taken apart. */
SYN_MUST_CHECK syn_status syn_ncnn_line_parse(const struct syn_ncnn_word *words, int32_t n_words,
                                              int32_t number, struct syn_arena *arena,
                                              struct syn_ncnn_line *line, struct syn_err *err);

#endif
