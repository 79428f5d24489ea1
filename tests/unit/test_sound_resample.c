/* test_sound_resample.c - rates: alignment, length, level, stopband, and that pieces change no bit. */
#include "server/media/resample.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

static const double two_pi = 6.283185307179586;

/* All of n samples in pieces of `piece`, into room samples; the rest is left 0. Returns how many came. */
static size_t convert(const float *in, size_t n, int rate_in, int rate_out, size_t piece,
                      float *out, size_t room)
{
    struct syn_resampler *r = NULL;
    struct syn_err err = {{0}};
    size_t at = 0, got = 0, used, made;
    syn_status st = syn_resampler_new(rate_in, rate_out, &r, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    if (st != SYN_OK) return 0;
    memset(out, 0, room * sizeof *out);
    do {
        size_t now = n - at < piece ? n - at : piece;
        st = syn_resampler_push(r, now ? in + at : NULL, now, &used, out + got,
                                room - got < piece ? room - got : piece, &made, &err);
        at += used;
        got += made;
    } while (st == SYN_OK && got < room && (at < n || made));
    T_CHECK(st == SYN_OK, "%s", err.text);
    syn_resampler_free(r);
    return got;
}

static float *sine(size_t n, double hz, int rate)
{
    float *x = t_alloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(0.5 * sin(two_pi * hz * (double)i / rate + 0.3));
    return x;
}

/* A tone is the same tone at the same time in the other rate: away from the ends (where the filter
 * sees the sudden start) to 1e-6 of full scale, 28 bits and float's own rounding. */
static void test_alignment(void)
{
    static const int rates[][2] = {{8000, 48000},  {16000, 48000}, {22050, 48000}, {44100, 48000},
                                   {48000, 44100}, {96000, 48000}, {48000, 96000}, {48000, 8000},
                                   {11025, 48000}, {48000, 22050}, {44101, 48000}, {192000, 48000}};
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        const int a = rates[k][0], b = rates[k][1];
        const size_t n = (size_t)a, room = (size_t)syn_resampled_length((int64_t)n, a, b);
        float *in = sine(n, 997, a), *want = sine(room, 997, b), *out = t_alloc(room * sizeof *out);
        double worst = 0;
        size_t got = convert(in, n, a, b, 4096, out, room);
        T_CHECK(got == room, "%d to %d: %zu of %zu samples", a, b, got, room);
        for (size_t i = room / 10; i < room - room / 10; i++) {
            double d = fabs((double)out[i] - (double)want[i]);
            worst = d > worst || isnan(d) ? d : worst;
        }
        T_CHECK(worst < 1e-6, "%d to %d: off by %g", a, b, worst);
        free(in), free(want), free(out);
    }
}

/* What the lower rate cannot hold is gone, not folded. */
static void test_stopband(void)
{
    float *in = sine(96000, 30000, 96000), *out = t_alloc(48000 * sizeof *out);
    double worst = 0;
    convert(in, 96000, 96000, 48000, 96000, out, 48000);
    for (size_t i = 4800; i < 43200; i++) worst = fmax(worst, fabs((double)out[i]));
    T_CHECK(worst < 1e-7, "%g", worst);
    free(in), free(out);
}

static void test_there_and_back(void)
{
    float *in = sine(44100, 5000, 44100), *mid = t_alloc(48000 * 4), *out = t_alloc(44100 * 4);
    double worst = 0;
    convert(in, 44100, 44100, 48000, 1000, mid, 48000);
    convert(mid, 48000, 48000, 44100, 777, out, 44100);
    for (size_t i = 4410; i < 39690; i++) worst = fmax(worst, fabs((double)out[i] - (double)in[i]));
    T_CHECK(worst < 1e-6, "%g", worst);
    free(in), free(mid), free(out);
}

static void test_pieces(void)
{
    static const size_t piece[] = {1, 7, 480, 5000, 30000};
    float *in = t_uniform(3, 30000, -1, 1);
    const size_t room = (size_t)syn_resampled_length(30000, 44100, 48000);
    float *whole = t_alloc(room * 4), *out = t_alloc(room * 4);
    convert(in, 30000, 44100, 48000, 100000, whole, room);
    for (size_t k = 0; k < sizeof piece / sizeof *piece; k++) {
        size_t got = convert(in, 30000, 44100, 48000, piece[k], out, room);
        T_CHECK(got == 32653 && memcmp(out, whole, got * 4) == 0, "pieces of %zu: %zu of %zu",
                piece[k], got, room);
    }
    free(in), free(whole), free(out);
}

static void test_equal_rates(void)
{
    float *in = t_uniform(4, 5000, -2, 2), out[5000];
    T_CHECK(convert(in, 5000, 48000, 48000, 333, out, 5000) == 5000 &&
                memcmp(in, out, sizeof out) == 0,
            "bit for bit");
    free(in);
}

static void test_arguments(void)
{
    struct syn_resampler *r = NULL;
    struct syn_err err = {{0}};
    static const int bad[][2] = {{0, 1}, {1, 0}, {-5, 48000}, {(1 << 20) + 1, 48000}, {100, 48000}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        T_CHECK(syn_resampler_new(bad[k][0], bad[k][1], &r, &err) == SYN_INVALID && !r &&
                    err.text[0],
                "%d to %d", bad[k][0], bad[k][1]);
    T_CHECK(syn_resampled_length(1, 44100, 48000) == 2 &&
                syn_resampled_length(147, 44100, 48000) == 160 &&
                syn_resampled_length(148, 44100, 48000) == 162 &&
                syn_resampled_length((int64_t)1 << 60, 1, 1 << 20) == -1,
            "lengths");
    syn_resampler_free(NULL);
}

int main(void)
{
    test_alignment();
    test_stopband();
    test_there_and_back();
    test_pieces();
    test_equal_rates();
    test_arguments();
    return t_report();
}
