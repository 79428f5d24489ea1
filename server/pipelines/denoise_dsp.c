/* denoise_dsp.c - see denoise_dsp.h.
 *
 * Layer:   server/pipelines.   Threads: as the header.
 * FFT:     a real transform of fft points as a complex one of half as many (even samples real, odd
 *          ones imaginary), that one by Stockham's passes of radix 2, 3 and 5. Twiddles in
 * double. */
#include "server/pipelines/denoise_dsp.h"
#include "kernels/base/alloc.h"
#include <complex.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#ifndef CMPLXF /* glibc gives it to GCC alone */
#define CMPLXF(x, y) __builtin_complex((float)(x), (float)(y))
#endif

enum { MAX_FFT = 1 << 16, MAX_BANDS = 256, MAX_ORDER = 64, MAX_STEPS = 1 << 14 };

static const double pi = 3.14159265358979323846;

struct syn_denoise_dsp {
    struct syn_denoise_form form;
    struct syn_denoise_mix mix;
    int32_t steps, bins;
    float alpha;
    int32_t *width;            /* [bands] */
    float *window;             /* [fft] */
    float complex *turn;       /* [fft]: exp(-2 pi i k / fft) */
    float complex *work[2];    /* [fft / 2] each */
    float *frame;              /* [fft] */
    float *before, *overlap;   /* [hop]: last input hop; second half of the last output frame */
    float *mean, *unit;        /* [bands], [df_bins]: the two norms' states */
    float complex *spectra;    /* [order - 1 + steps][bins]: the past, then this chunk */
    float complex *out;        /* [bins] */
};

/* --- the transform --- */

/* n points of x, y is scratch; the result's place is returned. turn has points * n entries a
 * circle. */
static float complex *transform(const struct syn_denoise_dsp *d, float complex *x, float complex *y)
{
    const int32_t fft = d->form.fft, points = fft / 2;
    int32_t n = points, stride = 1;
    while (n > 1) {
        const int32_t p = n % 2 == 0 ? 2 : n % 3 == 0 ? 3 : 5, m = n / p;
        for (int32_t r = 0; r < m; r++)
            for (int32_t j = 0; j < p; j++) {
                float complex w[5];
                for (int32_t k = 0; k < p; k++) /* of the small transform, times the twiddle */
                    w[k] = d->turn[(((int64_t)j * k * (points / p) + (int64_t)r * j * stride) * 2) %
                                   fft];
                for (int32_t q = 0; q < stride; q++) {
                    float complex sum = 0;
                    for (int32_t k = 0; k < p; k++) {
                        const float complex a = x[q + stride * (r + m * k)];
                        sum += CMPLXF(crealf(a) * crealf(w[k]) - cimagf(a) * cimagf(w[k]),
                                      crealf(a) * cimagf(w[k]) + cimagf(a) * crealf(w[k]));
                    }
                    y[q + stride * (p * r + j)] = sum;
                }
            }
        float complex *swap = x;
        x = y;
        y = swap;
        n = m;
        stride *= p;
    }
    return x;
}

static float complex times(float complex a, float complex b)
{
    return CMPLXF(crealf(a) * crealf(b) - cimagf(a) * cimagf(b),
                  crealf(a) * cimagf(b) + cimagf(a) * crealf(b));
}

/* d->frame to out[bins], divided by fft. */
static void forward(struct syn_denoise_dsp *d, float complex *out)
{
    const int32_t half = d->form.fft / 2;
    const float scale = 0.5f / (float)d->form.fft;
    const float complex *z;
    for (int32_t k = 0; k < half; k++)
        d->work[0][k] = CMPLXF(d->frame[2 * k], d->frame[2 * k + 1]);
    z = transform(d, d->work[0], d->work[1]);
    for (int32_t k = 0; k <= half; k++) {
        const float complex a = z[k % half], b = conjf(z[(half - k) % half]);
        const float complex odd = times(d->turn[k], a - b);
        out[k] = scale * (a + b + CMPLXF(cimagf(odd), -crealf(odd)));
    }
}

/* in[bins] to d->frame, the inverse of forward. The parts that a real signal has not (of the first
 * and the last bin) do not count. */
static void backward(struct syn_denoise_dsp *d, float complex *in)
{
    const int32_t half = d->form.fft / 2;
    const float complex *z;
    in[0] = crealf(in[0]);
    in[half] = crealf(in[half]);
    for (int32_t k = 0; k < half; k++) {
        const float complex a = in[k], b = conjf(in[half - k]);
        const float complex odd = times(conjf(d->turn[k]), a - b);
        d->work[0][k] = conjf(a + b + CMPLXF(-cimagf(odd), crealf(odd)));
    }
    z = transform(d, d->work[0], d->work[1]);
    for (int32_t k = 0; k < half; k++) {
        d->frame[2 * k] = crealf(z[k]);
        d->frame[2 * k + 1] = -cimagf(z[k]);
    }
}

/* --- making one --- */

void syn_denoise_bands(const struct syn_denoise_form *form, int32_t *width)
{
    const double q = 9.265, low = 24.7; /* Glasberg and Moore's ERB scale */
    const double top = q * log1p(form->rate / 2.0 / (low * q));
    int32_t last = 0, owed = 0, sum = 0;
    for (int32_t b = 0; b < form->bands; b++) {
        const double hz = low * q * expm1(top * (b + 1) / form->bands / q);
        const int32_t edge = (int32_t)lround(hz * form->fft / form->rate);
        int32_t n = edge - last - owed;
        owed = n < form->min_bins ? form->min_bins - n : 0;
        if (n < form->min_bins) n = form->min_bins;
        width[b] = n;
        sum += n;
        last = edge;
    }
    width[form->bands - 1] += form->fft / 2 + 1 - sum; /* the bin of the Nyquist frequency */
}

static bool small_factors(int32_t n)
{
    static const int32_t prime[] = {2, 3, 5};
    for (int i = 0; i < 3; i++)
        while (n % prime[i] == 0) n /= prime[i];
    return n == 1;
}

static syn_status check_form(const struct syn_denoise_form *f, int32_t steps, struct syn_err *err)
{
    if (f->fft < 4 || f->fft > MAX_FFT || f->hop * 2 != f->fft || !small_factors(f->fft / 2))
        return syn_fail(err, SYN_UNSUPPORTED,
                        "fft = %" PRId32 ", hop = %" PRId32
                        ": must be at most %d, twice the hop, of factors 2, 3 and 5",
                        f->fft, f->hop, MAX_FFT);
    if (f->rate < 1 || !(f->norm_tau > 0) || f->min_bins < 1 || f->bands < 2 ||
        f->bands > MAX_BANDS || (int64_t)f->bands * f->min_bins > f->fft / 2)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "erb_bands = %" PRId32 ", erb_min_bins = %" PRId32
                        ": must fit %" PRId32 " bins",
                        f->bands, f->min_bins, f->fft / 2);
    if (f->df_bins < 2 || f->df_bins > f->fft / 2 || f->order < 1 || f->order > MAX_ORDER ||
        f->lookahead < 0 || f->lookahead >= f->order)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "df_bins = %" PRId32 ", df_order = %" PRId32 ", lookahead = %" PRId32
                        ": the order must be in [1, %d] and larger than the lookahead",
                        f->df_bins, f->order, f->lookahead, MAX_ORDER);
    if (steps < 1 || steps > MAX_STEPS)
        return syn_fail(err, SYN_INVALID, "steps = %" PRId32 ": must be in [1, %d]", steps,
                        MAX_STEPS);
    return SYN_OK;
}

static float norm_alpha(const struct syn_denoise_form *f)
{
    const double exact = exp(-(double)f->hop / f->rate / f->norm_tau);
    double digits = 1000, a = round(exact * digits) / digits;
    while (a >= 1 && digits < 1e9) {
        digits *= 10;
        a = round(exact * digits) / digits;
    }
    return (float)a;
}

static bool allocate(struct syn_denoise_dsp *d)
{
    const size_t fft = (size_t)d->form.fft, hop = (size_t)d->form.hop, bins = (size_t)d->bins;
    d->width = syn_calloc((size_t)d->form.bands, sizeof *d->width);
    d->window = syn_calloc(fft, sizeof *d->window);
    d->turn = syn_calloc(fft, sizeof *d->turn);
    d->work[0] = syn_calloc(fft / 2, sizeof *d->work[0]);
    d->work[1] = syn_calloc(fft / 2, sizeof *d->work[1]);
    d->frame = syn_calloc(fft, sizeof *d->frame);
    d->before = syn_calloc(hop, sizeof *d->before);
    d->overlap = syn_calloc(hop, sizeof *d->overlap);
    d->mean = syn_calloc((size_t)d->form.bands, sizeof *d->mean);
    d->unit = syn_calloc((size_t)d->form.df_bins, sizeof *d->unit);
    d->spectra =
        syn_calloc((size_t)(d->form.order - 1 + d->steps) * bins, sizeof *d->spectra);
    d->out = syn_calloc(bins, sizeof *d->out);
    return d->width && d->window && d->turn && d->work[0] && d->work[1] && d->frame && d->before &&
           d->overlap && d->mean && d->unit && d->spectra && d->out;
}

syn_status syn_denoise_dsp_new(const struct syn_denoise_form *form,
                               const struct syn_denoise_mix *mix, int32_t steps,
                               struct syn_denoise_dsp **out, struct syn_err *err)
{
    struct syn_denoise_dsp *d;
    syn_status st = check_form(form, steps, err);
    if (st != SYN_OK) return st;
    d = syn_calloc(1, sizeof *d);
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "no memory for a channel");
    d->form = *form;
    d->mix = *mix;
    d->steps = steps;
    d->bins = form->fft / 2 + 1;
    d->alpha = norm_alpha(form);
    if (!allocate(d)) {
        syn_denoise_dsp_free(d);
        return syn_fail(err, SYN_NO_MEMORY, "no memory for a channel");
    }
    syn_denoise_bands(form, d->width);
    for (int32_t i = 0; i < form->fft; i++) {
        const double s = sin(pi * (i + 0.5) / form->fft), a = -2 * pi * i / form->fft;
        d->window[i] = (float)sin(pi / 2 * s * s);
        d->turn[i] = CMPLXF((float)cos(a), (float)sin(a));
    }
    syn_denoise_dsp_reset(d);
    *out = d;
    return SYN_OK;
}

void syn_denoise_dsp_free(struct syn_denoise_dsp *d)
{
    if (!d) return;
    syn_free(d->width);
    syn_free(d->window);
    syn_free(d->turn);
    syn_free(d->work[0]);
    syn_free(d->work[1]);
    syn_free(d->frame);
    syn_free(d->before);
    syn_free(d->overlap);
    syn_free(d->mean);
    syn_free(d->unit);
    syn_free(d->spectra);
    syn_free(d->out);
    syn_free(d);
}

void syn_denoise_dsp_reset(struct syn_denoise_dsp *d)
{
    const struct syn_denoise_form *f = &d->form;
    memset(d->before, 0, (size_t)f->hop * sizeof *d->before);
    memset(d->overlap, 0, (size_t)f->hop * sizeof *d->overlap);
    memset(d->spectra, 0, (size_t)(f->order - 1) * (size_t)d->bins * sizeof *d->spectra);
    for (int32_t b = 0; b < f->bands; b++)
        d->mean[b] = -60.0f - 30.0f * (float)b / (float)(f->bands - 1);
    for (int32_t k = 0; k < f->df_bins; k++)
        d->unit[k] = 1e-3f - 9e-4f * (float)k / (float)(f->df_bins - 1);
}

/* --- analysis --- */

static float complex *spectrum(const struct syn_denoise_dsp *d, int32_t step)
{
    return d->spectra + (size_t)(d->form.order - 1 + step) * (size_t)d->bins;
}

static void band_features(struct syn_denoise_dsp *d, const float complex *x, float *erb)
{
    for (int32_t b = 0; b < d->form.bands; b++) {
        float power = 0, db;
        for (int32_t i = 0; i < d->width[b]; i++, x++)
            power += crealf(*x) * crealf(*x) + cimagf(*x) * cimagf(*x);
        db = 10 * log10f(power / (float)d->width[b] + 1e-10f);
        d->mean[b] = db * (1 - d->alpha) + d->mean[b] * d->alpha;
        erb[b] = (db - d->mean[b]) / 40;
    }
}

static void bin_features(struct syn_denoise_dsp *d, const float complex *x, float *re, float *im)
{
    for (int32_t k = 0; k < d->form.df_bins; k++) {
        float root;
        d->unit[k] = cabsf(x[k]) * (1 - d->alpha) + d->unit[k] * d->alpha;
        if (d->unit[k] < 1e-30f) d->unit[k] = 1e-30f; /* after minutes of zeros: never 0 / 0 */
        root = sqrtf(d->unit[k]);
        re[k] = crealf(x[k]) / root;
        im[k] = cimagf(x[k]) / root;
    }
}

void syn_denoise_dsp_analyse(struct syn_denoise_dsp *d, const float *samples, float *erb,
                             float *spec)
{
    const int32_t hop = d->form.hop, bins = d->form.df_bins;
    float *im = spec + (size_t)d->steps * (size_t)bins;
    for (int32_t t = 0; t < d->steps; t++, samples += hop) {
        for (int32_t i = 0; i < hop; i++) {
            d->frame[i] = d->before[i] * d->window[i];
            d->frame[hop + i] = samples[i] * d->window[hop + i];
        }
        memcpy(d->before, samples, (size_t)hop * sizeof *samples);
        forward(d, spectrum(d, t));
        band_features(d, spectrum(d, t), erb + (size_t)t * (size_t)d->form.bands);
        bin_features(d, spectrum(d, t), spec + (size_t)t * (size_t)bins,
                     im + (size_t)t * (size_t)bins);
    }
}

/* --- synthesis --- */

/* Bins that the gains left small against the noisy ones are made smaller still. */
static void post_filter(float complex *out, const float complex *noisy, int32_t bins, float beta)
{
    for (int32_t k = 0; k < bins; k++) {
        const float least = 1e-12f;
        float g = cabsf(out[k]) / (cabsf(noisy[k]) + least), s;
        g = g > 1 ? 1 : g < least ? least : g;
        s = sinf(g * (float)pi / 2);
        out[k] *= (1 + beta) / (1 + beta / (s * s));
    }
}

/* What the networks say of step t, as the spectrum of step t - lookahead, to d->out. */
static void apply(struct syn_denoise_dsp *d, int32_t t, const float *gains, const float *coefs)
{
    const struct syn_denoise_form *f = &d->form;
    const float complex *noisy = spectrum(d, t - f->lookahead);
    const float limit = d->mix.attenuation_db >= 100 ? 0 : powf(10, -d->mix.attenuation_db / 20);
    int32_t k = 0;
    for (int32_t b = 0; b < f->bands; b++)
        for (int32_t i = 0; i < d->width[b]; i++, k++) d->out[k] = noisy[k] * gains[b];
    for (k = 0; k < f->df_bins; k++) {
        float complex sum = 0;
        for (int32_t j = 0; j < f->order; j++, coefs += 2)
            sum += times(spectrum(d, t - f->order + 1 + j)[k], CMPLXF(coefs[0], coefs[1]));
        d->out[k] = sum;
    }
    if (d->mix.post_filter > 0) post_filter(d->out, noisy, d->bins, d->mix.post_filter);
    for (k = 0; limit > 0 && k < d->bins; k++)
        d->out[k] = d->out[k] * (1 - limit) + noisy[k] * limit;
}

void syn_denoise_dsp_synthesise(struct syn_denoise_dsp *d, const float *gains, const float *coefs,
                                float *samples)
{
    const struct syn_denoise_form *f = &d->form;
    const size_t past = (size_t)(f->order - 1) * (size_t)d->bins;
    for (int32_t t = 0; t < d->steps; t++, samples += f->hop) {
        apply(d, t, gains + (size_t)t * (size_t)f->bands,
              coefs + (size_t)t * (size_t)f->df_bins * (size_t)f->order * 2);
        backward(d, d->out);
        for (int32_t i = 0; i < f->hop; i++) {
            samples[i] = d->frame[i] * d->window[i] + d->overlap[i];
            d->overlap[i] = d->frame[f->hop + i] * d->window[f->hop + i];
        }
    }
    memmove(d->spectra, d->spectra + (size_t)d->steps * (size_t)d->bins, past * sizeof *d->spectra);
}
