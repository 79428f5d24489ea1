/* fft.c - see fft.h.
 *
 * Layer:   kernels/ops. */
#include "kernels/ops/fft.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <math.h>

static int64_t smallest_factor(int64_t n)
{
    for (int64_t p = 2; p <= n / p; p++)
        if (n % p == 0) return p;
    return n;
}

syn_status syn_fft_new(struct syn_fft *f, int64_t n, bool inverse, struct syn_err *err)
{
    int64_t largest = 1;
    for (int64_t rest = n; rest > 1; rest /= largest)
        largest = smallest_factor(rest); /* they ascend */
    *f = (struct syn_fft){.n = n, .inverse = inverse};
    f->turn = syn_calloc((size_t)n, sizeof *f->turn);
    f->room = syn_calloc((size_t)largest, sizeof *f->room);
    if (!f->turn || !f->room) {
        syn_fft_free(f);
        return syn_fail(err, SYN_NO_MEMORY, "no memory for a transform of length %" PRId64, n);
    }
    for (int64_t k = 0; k < n; k++) {
        const double angle = 6.283185307179586476925286766559 * ((double)k / (double)n);
        f->turn[k] = (struct syn_complex){cos(angle), inverse ? sin(angle) : -sin(angle)};
    }
    return SYN_OK;
}

/* Transforms x[0], x[step], ... (n of them) into y[n]. */
static void transform(const struct syn_fft *f, int64_t n, const struct syn_complex *x, int64_t step,
                      struct syn_complex *y)
{
    if (n == 1) {
        y[0] = x[0];
        return;
    }
    const int64_t p = smallest_factor(n), m = n / p, unit = f->n / n;
    for (int64_t r = 0; r < p; r++) transform(f, m, x + r * step, step * p, y + r * m);
    for (int64_t k = 0; k < m; k++) {
        for (int64_t r = 0; r < p; r++) f->room[r] = y[r * m + k];
        for (int64_t q = 0; q < p; q++) {
            const int64_t at = k + q * m;
            struct syn_complex sum = f->room[0];
            for (int64_t r = 1, turn = at; r < p; r++, turn += at, turn -= turn >= n ? n : 0) {
                const struct syn_complex w = f->turn[turn * unit], v = f->room[r];
                sum.re += v.re * w.re - v.im * w.im;
                sum.im += v.re * w.im + v.im * w.re;
            }
            y[at] = sum;
        }
    }
}

void syn_fft_run(const struct syn_fft *f, const struct syn_complex *x, struct syn_complex *y)
{
    transform(f, f->n, x, 1, y);
}

void syn_fft_free(struct syn_fft *f)
{
    syn_free(f->turn);
    syn_free(f->room);
    f->turn = f->room = NULL;
}
