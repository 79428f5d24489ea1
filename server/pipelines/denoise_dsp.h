/* denoise_dsp.h - the signal side of DeepFilterNet3: samples to spectra and features, gains and
 * filters to spectra, spectra to samples. One channel at the model's rate.
 *
 * Source:  Schroeter et al., DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement
 *          (2023), and the numbers in the model's configuration. What its library does was
 *          measured: tests/parity/denoise_library.py.
 * Maths.   Frame t holds samples [(t-1) hop, (t+1) hop) under w[i] = sin(pi/2 sin^2(pi
 *          (i+1/2)/fft)), which squared overlaps to one; spectra are divided by fft.
 *          erb[b] = (dB - m) / 40, dB = 10 log10(mean power of band b + 1e-10), m = m a + dB (1 -
 *          a); spec[k] = X[k] / sqrt(u), u = u a + |X[k]| (1 - a); m starts at -60..-90 dB over
 *          the bands, u at 1e-3..1e-4 over the bins; a = exp(-hop / rate / norm_tau), rounded to
 *          three digits. The networks see frame t and answer for frame t - lookahead: bins under
 *          df_bins become sum over j of coefs[j] X[t - order + 1 + j]; the others X times their
 *          band's gain.
 * Delay.   (1 + lookahead) hops: step t gives the samples of hop t - 1 - lookahead.
 *
 * Layer:   server/pipelines.   Threads: a struct belongs to one thread at a time. */
#ifndef SYN_DENOISE_DSP_H
#define SYN_DENOISE_DSP_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct syn_denoise_form {
    int32_t rate, fft, hop;   /* fft = 2 hop, its half of factors 2, 3 and 5 */
    int32_t bands, min_bins;  /* ERB bands; the fewest bins of one */
    int32_t df_bins, order, lookahead;
    double norm_tau;          /* seconds */
};
struct syn_denoise_mix {
    float attenuation_db;    /* noise is taken down by at most so much; >= 100: no limit */
    float post_filter;       /* beta of the post filter; 0 = none */
};

struct syn_denoise_dsp;

/* steps: of one chunk. SYN_UNSUPPORTED: a form that the formulas above do not hold for. */
SYN_MUST_CHECK syn_status syn_denoise_dsp_new(const struct syn_denoise_form *form,
                                              const struct syn_denoise_mix *mix, int32_t steps,
                                              struct syn_denoise_dsp **out, struct syn_err *err);
void syn_denoise_dsp_free(struct syn_denoise_dsp *d); /* NULL-safe */
/* As new; the next channel starts so. */
void syn_denoise_dsp_reset(struct syn_denoise_dsp *d);

/* One chunk's analysis: steps * hop samples to erb[steps][bands] and spec[2][steps][df_bins] (real,
 * then imaginary). */
void syn_denoise_dsp_analyse(struct syn_denoise_dsp *d, const float *samples, float *erb,
                             float *spec);
/* The same chunk's answer: gains[steps][bands], coefs[steps][df_bins][order][2] to steps * hop
 * samples, delayed as above. */
void syn_denoise_dsp_synthesise(struct syn_denoise_dsp *d, const float *gains, const float *coefs,
                                float *samples);

/* Widths of the bands in bins; their sum is fft / 2 + 1. */
void syn_denoise_bands(const struct syn_denoise_form *form, int32_t *width);

#endif
