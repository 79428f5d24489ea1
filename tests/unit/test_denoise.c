/* test_denoise.c - the signal side of denoise-speech against numpy in double precision: bands,
 * features, gains and filters, attenuation limit, post filter; chunks = whole; delay.
 *
 * Vectors: made by numpy from the formulas in denoise_dsp.h (numpy's own FFT), for the input, gains
 *          and filters that the functions below compute. Tolerance: 2e-6 of full scale in f32, some
 *          ten roundings of values around 1; features divide by 40 dB or by small roots: 1e-5. */
#include "server/pipelines/denoise_dsp.h"
#include "kernels/base/alloc.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

enum { STEPS = 8, HOP = 480, BANDS = 32, BINS = 96, ORDER = 5 };
static const struct syn_denoise_form form = {48000, 960, HOP, BANDS, 2, BINS, ORDER, 2, 1};
static const struct syn_denoise_mix all = {100, 0};
static const double two_pi = 6.283185307179586;

static float *signal_of(int32_t steps)
{
    float *x = t_alloc((size_t)steps * HOP * sizeof *x);
    for (int32_t i = 0; i < steps * HOP; i++)
        x[i] =
            (float)(0.3 * sin(two_pi * 440 * i / 48000) + 0.2 * sin(two_pi * 5000.5 * i / 48000) +
                    0.05 * sin(two_pi * 15000 * i / 48000 + 1));
    return x;
}

static void answers(int32_t first, int32_t steps, float *gains, float *coefs)
{
    for (int32_t s = 0; s < steps; s++) {
        const int32_t t = first + s;
        for (int32_t b = 0; b < BANDS; b++) *gains++ = (float)((t * 7 + b * 5) % 11) / 10;
        for (int32_t k = 0; k < BINS; k++)
            for (int32_t j = 0; j < ORDER; j++) {
                *coefs++ = (float)((t * 3 + k * 2 + j * 5) % 9 - 4) / 10;
                *coefs++ = (float)((t * 5 + k * 3 + j * 2) % 7 - 3) / 10;
            }
    }
}

struct run {
    float erb[64 * BANDS], spec[2 * 64 * BINS], out[64 * HOP];
};

/* steps of the signal in chunks of `chunk`; spec as [2][steps][BINS]. */
static void run_chunks(const struct syn_denoise_mix *mix, int32_t steps, int32_t chunk,
                       struct run *r)
{
    struct syn_denoise_dsp *d = NULL;
    struct syn_err err = {{0}};
    float *x = signal_of(steps), *gains = t_alloc((size_t)chunk * BANDS * 4);
    float *coefs = t_alloc((size_t)chunk * BINS * ORDER * 2 * 4);
    float *spec = t_alloc((size_t)chunk * BINS * 2 * 4);
    syn_status st = syn_denoise_dsp_new(&form, mix, chunk, &d, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    for (int32_t t = 0; st == SYN_OK && t < steps; t += chunk) {
        syn_denoise_dsp_analyse(d, x + t * HOP, r->erb + t * BANDS, spec);
        for (int32_t i = 0; i < 2; i++)
            memcpy(r->spec + (i * steps + t) * BINS, spec + i * chunk * BINS,
                   (size_t)chunk * BINS * 4);
        answers(t, chunk, gains, coefs);
        syn_denoise_dsp_synthesise(d, gains, coefs, r->out + t * HOP);
    }
    syn_denoise_dsp_free(d);
    free(x), free(gains), free(coefs), free(spec);
}

static void near(const float *got, int32_t step, const float *want, int32_t n, double tolerance,
                 const char *what)
{
    for (int32_t i = 0; i < n; i++)
        T_CHECK(fabs((double)got[i * step] - (double)want[i]) <= tolerance,
                "%s[%d] = %.9g, not %.9g", what, i, (double)got[i * step], (double)want[i]);
}

static void test_bands(void)
{
    static const int32_t want[BANDS] = {2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,
                                        2,  2,  5,  5,  7,  7,  8,  10, 12, 13, 15,
                                        18, 20, 24, 28, 31, 37, 42, 50, 56, 67};
    int32_t width[BANDS], sum = 0;
    syn_denoise_bands(&form, width);
    for (int32_t b = 0; b < BANDS; b++) {
        T_CHECK(width[b] == want[b], "band %d: %d bins", b, width[b]);
        sum += width[b];
    }
    T_CHECK(sum == 481, "%d bins", sum);
}

static void test_features(void)
{
    static const float erb3[BANDS] = {
        -0.57831946f, -0.449712f,   -0.15658404f, 0.34679741f,  0.98825263f,  0.71773781f,
        -0.17983139f, -0.26590377f, -0.44204002f, -0.55854779f, -0.62883143f, -0.65965414f,
        -0.66344155f, -0.65632735f, -0.63703445f, -0.61651366f, -0.59511546f, -0.57274561f,
        -0.55021212f, -0.52781779f, -0.50569616f, 1.0946735f,   -0.45889075f, -0.43385932f,
        -0.4093194f,  -0.38496653f, -0.36076138f, -0.3373601f,  0.86079955f,  -0.29300986f,
        -0.26729267f, -0.24323223f};
    static const float re[12] = {5.9644378e-05f, -0.0022543295f, 5.3410867e-05f, 1.4062008e-05f,
                                 6.9341984e-06f, 4.3219127e-06f, 3.0513983e-06f, 2.3326394e-06f,
                                 1.8804896e-06f, 1.5276057e-06f, 9.2747448e-07f, -2.6554021e-06f};
    static const float im[12] = {0,
                                 -0.8627337f,
                                 -0.0021425338f,
                                 -0.00025554212f,
                                 -8.1279109e-05f,
                                 -3.7451897e-05f,
                                 -2.0956329e-05f,
                                 -1.3147865e-05f,
                                 -8.6546762e-06f,
                                 -5.1796385e-06f,
                                 5.1229729e-07f,
                                 2.9699637e-05f};
    static struct run r;
    run_chunks(&all, STEPS, STEPS, &r);
    near(r.erb + 3 * BANDS, 1, erb3, BANDS, 1e-5, "erb");
    near(r.spec + 5 * BINS, 8, re, 12, 2e-6, "real");
    near(r.spec + (STEPS + 5) * BINS, 8, im, 12, 2e-6, "imaginary");
}

static void test_result(void)
{
    static const struct {
        struct syn_denoise_mix mix;
        float want[15]; /* samples 1500, 1660, ... */
    } cases[] = {
        {{100, 0},
         {0.21772199f, -0.0042433039f, -0.19026642f, 0.13410661f, 0.028291277f, -0.077217718f,
          0.040238736f, -0.20713628f, 0.10713614f, -0.034324428f, -0.063246714f, -0.032678796f,
          0.068823028f, 0.062972471f, -0.24772619f}},
        {{12, 0},
         {0.18319769f, -0.02657624f, -0.16757568f, 0.12055455f, 0.028977307f, -0.14255747f,
          0.13443591f, -0.2524208f, 0.11831561f, -0.057849186f, -0.00068901877f, -0.13020895f,
          0.15553082f, -0.028853849f, -0.1859672f}},
        {{100, 0.02f},
         {0.21670727f, -0.0032360759f, -0.18937637f, 0.13233563f, 0.029555579f, -0.07177978f,
          0.03145794f, -0.20318665f, 0.10674963f, -0.034241407f, -0.061841255f, -0.031935164f,
          0.067268656f, 0.063317862f, -0.24631698f}},
    };
    static struct run r;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        run_chunks(&cases[k].mix, STEPS, STEPS, &r);
        near(r.out + 1500, 160, cases[k].want, 15, 2e-6, "sample");
    }
}

/* The same bits whatever the chunk. */
static void test_chunks(void)
{
    static struct run whole, parts;
    run_chunks(&all, 60, 60, &whole);
    for (int32_t chunk = 1; chunk <= 30; chunk += chunk == 1 ? 1 : chunk == 2 ? 3 : 25) {
        memset(&parts, 0xff, sizeof parts);
        run_chunks(&all, 60, chunk, &parts);
        T_CHECK(memcmp(parts.out, whole.out, 60 * HOP * 4) == 0 &&
                    memcmp(parts.erb, whole.erb, 60 * BANDS * 4) == 0 &&
                    memcmp(parts.spec, whole.spec, 60 * BINS * 2 * 4) == 0,
                "chunks of %d", chunk);
    }
}

/* Attenuation of 0 dB gives the input back, three hops later; a reset starts anew. */
static void test_delay(void)
{
    const struct syn_denoise_mix none = {0, 0};
    struct syn_denoise_dsp *d = NULL;
    float *x = signal_of(20), *gains = t_alloc(20 * BANDS * 4),
          *coefs = t_alloc(20 * BINS * ORDER * 8);
    static float erb[20 * BANDS], spec[2 * 20 * BINS], out[20 * HOP], again[20 * HOP];
    answers(0, 20, gains, coefs);
    if (syn_denoise_dsp_new(&form, &none, 20, &d, NULL) != SYN_OK) abort();
    syn_denoise_dsp_analyse(d, x, erb, spec);
    syn_denoise_dsp_synthesise(d, gains, coefs, out);
    for (int32_t i = 0; i < 3 * HOP; i++)
        if (!(fabsf(out[i]) < 1e-6f)) {
            T_CHECK(false, "before the start: %g at %d", (double)out[i], i);
            break;
        }
    near(out + 3 * HOP, 1, x, 17 * HOP, 2e-6, "delayed");
    syn_denoise_dsp_reset(d);
    syn_denoise_dsp_analyse(d, x, erb, spec);
    syn_denoise_dsp_synthesise(d, gains, coefs, again);
    T_CHECK(memcmp(out, again, sizeof out) == 0, "reset");
    syn_denoise_dsp_free(d);
    free(x), free(gains), free(coefs);
}

/* Minutes of digital silence, then sound: finite numbers throughout. */
static void test_silence(void)
{
    struct syn_denoise_dsp *d = NULL;
    float *x = signal_of(60), *zero = t_alloc(60 * HOP * 4);
    static float erb[60 * BANDS], spec[2 * 60 * BINS];
    bool finite = true;
    memset(zero, 0, 60 * HOP * 4);
    if (syn_denoise_dsp_new(&form, &all, 60, &d, NULL) != SYN_OK) abort();
    for (int32_t c = 0; c < 302; c++) {
        syn_denoise_dsp_analyse(d, c < 300 ? zero : x, erb, spec);
        for (int32_t i = 0; i < 60 * BANDS; i++) finite &= isfinite(erb[i]) != 0;
        for (int32_t i = 0; i < 2 * 60 * BINS; i++) finite &= isfinite(spec[i]) != 0;
    }
    T_CHECK(finite, "features of silence");
    syn_denoise_dsp_free(d);
    free(x), free(zero);
}

static void test_arguments(void)
{
    static const struct syn_denoise_form bad[] = {
        {0, 960, 480, 32, 2, 96, 5, 2, 1},      {48000, 960, 240, 32, 2, 96, 5, 2, 1},
        {48000, 0, 0, 32, 2, 96, 5, 2, 1},      {48000, 28, 14, 2, 1, 4, 5, 2, 1},
        {48000, 960, 480, 1, 2, 96, 5, 2, 1},   {48000, 960, 480, 241, 2, 96, 5, 2, 1},
        {48000, 960, 480, 32, 2, 481, 5, 2, 1}, {48000, 960, 480, 32, 2, 96, 5, 5, 1},
        {48000, 960, 480, 32, 2, 96, 0, 0, 1},  {48000, 960, 480, 32, 2, 96, 5, 2, 0}};
    struct syn_denoise_dsp *d = NULL;
    struct syn_err err = {{0}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        T_CHECK(syn_denoise_dsp_new(&bad[k], &all, 10, &d, &err) == SYN_UNSUPPORTED && !d &&
                    err.text[0],
                "form %zu", k);
    T_CHECK(syn_denoise_dsp_new(&form, &all, 0, &d, &err) == SYN_INVALID && !d, "steps");
    for (int n = 1, done = 0; !done; n++) {
        syn_alloc_fail_at(n);
        syn_status st = syn_denoise_dsp_new(&form, &all, 10, &d, &err);
        syn_alloc_fail_at(0);
        done = st == SYN_OK;
        T_CHECK(done ? n > 10 : st == SYN_NO_MEMORY && !d, "allocation %d", n);
    }
    syn_denoise_dsp_free(d);
    syn_denoise_dsp_free(NULL);
}

int main(void)
{
    test_bands();
    test_features();
    test_result();
    test_chunks();
    test_delay();
    test_silence();
    test_arguments();
    return t_report();
}
