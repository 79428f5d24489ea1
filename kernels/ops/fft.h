/* fft.h - the discrete Fourier transform of any length, in double.
 *
 * Maths:   X[k] = sum x[t] e^(-2 pi i k t/n), with + for the inverse (not divided by n). By
 *          splitting off the smallest prime factor of the length until none is left: n * (sum of
 *          prime factors) steps. The e^... are read from one table of n, so nothing is accumulated.
 * Layer:   kernels/ops.   Threads: a plan is immutable, the room belongs to one thread.
 * Ownership: a plan owns its tables until syn_fft_free. */
#ifndef SYN_OPS_FFT_H
#define SYN_OPS_FFT_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct syn_complex {
    double re, im;
};

struct syn_fft {
    int64_t n;
    bool inverse;
    struct syn_complex *turn; /* [n]: e^(-2 pi i k/n), conjugated for the inverse */
    struct syn_complex *room; /* [largest prime factor] */
};

/* SYN_NO_MEMORY; n >= 1. */
SYN_MUST_CHECK syn_status syn_fft_new(struct syn_fft *f, int64_t n, bool inverse,
                                      struct syn_err *err);
/* x[n] -> y[n], which do not overlap. */
void syn_fft_run(const struct syn_fft *f, const struct syn_complex *x, struct syn_complex *y);
void syn_fft_free(struct syn_fft *f); /* of a zeroed one too */

#ifdef __cplusplus
}
#endif
#endif
