/* resize.c - resampling between any two sizes.
 *
 * Maths:   out(x) = sum_i w(x, i) in(i), w(x, i) = k((i + 0.5 - c) / s) / (sum of these over the i
 *          that exist), c = (x + 0.5) * in / out, s = max(1, in / out): the kernel k is widened
 *          when shrinking, and cut and rescaled at the edges. Rows first, then columns.
 *          k: bilinear 1 - |t|; Catmull-Rom (Keys, a = -0.5); Lanczos-3 sinc(t) sinc(t / 3).
 *          Nearest takes in(floor(c)) as it is.
 * Alpha:   colours are multiplied by alpha before and divided by it after, so that a pixel weighs
 *          as much as can be seen of it. A result that rounds to alpha 0 is black.
 * Layer:   server/media.
 * Threads: pure function.
 * Memory:  a ring of the filtered rows that one output row needs, the output, the weights. A row is
 *          filtered when the window first reaches it, once.
 * Sums:    float, 24 bits: exact enough that 8 bits round as double would but for ties, and 16 bits
 *          are within one step of it (eight, where a colour is divided by a small alpha). */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <math.h>

enum { STEP = 16 }; /* floats: rows of sums are padded to a multiple */

/* For each output place: the first input place, and `most` weights (zero behind the last one). */
struct taps {
    int32_t *first;
    float *weight;
    int32_t most;
};

static double kernel_at(enum syn_image_filter filter, double t)
{
    const double pi = 3.14159265358979323846;
    t = fabs(t);
    switch (filter) {
    case SYN_FILTER_BILINEAR: return t < 1 ? 1 - t : 0;
    case SYN_FILTER_BICUBIC:
        if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
        return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
    default:
        if (t < 1e-9) return 1;
        return t < 3 ? 3 * sin(pi * t) * sin(pi * t / 3) / (pi * pi * t * t) : 0;
    }
}

static double radius_of(enum syn_image_filter filter)
{
    return filter == SYN_FILTER_BILINEAR ? 1 : filter == SYN_FILTER_BICUBIC ? 2 : 3;
}

static void taps_deinit(struct taps *t)
{
    syn_free(t->first);
    syn_free(t->weight);
}

/* false: no memory. */
static bool taps_init(struct taps *t, int32_t in, int32_t out, enum syn_image_filter filter)
{
    double ratio = (double)in / out, scale = ratio > 1 ? ratio : 1,
           reach = radius_of(filter) * scale;
    size_t n;
    t->most = (int32_t)fmin(2 * ceil(reach) + 1, in);
    t->first = syn_calloc((size_t)out, sizeof *t->first);
    t->weight = syn_mul((size_t)out, (size_t)t->most, &n) ? syn_calloc(n, sizeof *t->weight) : NULL;
    if (!t->first || !t->weight) return false;
    for (int32_t x = 0; x < out; x++) {
        double center = (x + 0.5) * ratio, sum = 0;
        int32_t from = (int32_t)fmax(0, floor(center - reach));
        float *w = t->weight + (size_t)x * (size_t)t->most;
        if (from > in - t->most) from = in - t->most;
        for (int32_t i = 0; i < t->most; i++)
            sum += kernel_at(filter, (from + i + 0.5 - center) / scale);
        for (int32_t i = 0; i < t->most; i++)
            w[i] = (float)(kernel_at(filter, (from + i + 0.5 - center) / scale) / sum);
        t->first[x] = from;
    }
    return true;
}

/* A row as floats, colours times alpha/top where there is alpha. */
static void load_row(const struct syn_image *im, int32_t y, float *out)
{
    const uint8_t *p8 = syn_image_row(im, y);
    const uint16_t *p16 = (const uint16_t *)(const void *)p8;
    size_t n = (size_t)im->width * (size_t)im->channels;
    float per_top = im->bits == 8 ? 1.0f / 255 : 1.0f / 65535;
    if (im->bits == 8)
        for (size_t i = 0; i < n; i++) out[i] = p8[i];
    else
        for (size_t i = 0; i < n; i++) out[i] = p16[i];
    for (size_t i = 0; im->channels == 4 && i < n; i += 4) {
        float a = out[i + 3] * per_top;
        out[i] *= a;
        out[i + 1] *= a;
        out[i + 2] *= a;
    }
}

static void filter_row(const struct taps *t, const float *in, float *out, int32_t w,
                       int32_t channels)
{
    for (int32_t x = 0; x < w; x++) {
        const float *weight = t->weight + (size_t)x * (size_t)t->most;
        const float *p = in + (size_t)t->first[x] * (size_t)channels;
        float a = 0, b = 0, c = 0, d = 0;
        if (channels == 3) {
            for (int32_t i = 0; i < t->most; i++, p += 3) {
                a += weight[i] * p[0];
                b += weight[i] * p[1];
                c += weight[i] * p[2];
            }
        } else {
            for (int32_t i = 0; i < t->most; i++, p += 4) {
                a += weight[i] * p[0];
                b += weight[i] * p[1];
                c += weight[i] * p[2];
                d += weight[i] * p[3];
            }
        }
        *out++ = a;
        *out++ = b;
        *out++ = c;
        if (channels == 4) *out++ = d;
    }
}

/* sum += w * row, in steps whose length the compiler knows, which is what it takes to vectorise
 * them. */
static void add_row(float *restrict sum, const float *restrict row, float w, size_t n)
{
    for (size_t j = 0; j < n; j += STEP)
        for (size_t k = 0; k < STEP; k++) sum[j + k] += w * row[j + k];
}

static inline float clamp(float v, float top) { return v > 0 ? (v < top ? v : top) : 0; }

static void store_row(const float *sum, struct syn_image *out, int32_t y)
{
    uint8_t *p8 = syn_image_row(out, y);
    uint16_t *p16 = (uint16_t *)(void *)p8;
    size_t n = (size_t)out->width * (size_t)out->channels, ch = (size_t)out->channels;
    float top = out->bits == 8 ? 255 : 65535;
    for (size_t i = 0; i < n; i += ch) {
        float v[4] = {sum[i], sum[i + 1], sum[i + 2], 0};
        if (ch == 4) {
            float a = clamp(sum[i + 3], top), back = a >= 0.5f ? top / a : 0;
            for (int c = 0; c < 3; c++) v[c] *= back;
            v[3] = a;
        }
        for (size_t c = 0; c < ch; c++) {
            if (out->bits == 8)
                p8[i + c] = (uint8_t)(clamp(v[c], top) + 0.5f);
            else
                p16[i + c] = (uint16_t)(clamp(v[c], top) + 0.5f);
        }
    }
}

static syn_status filter(const struct syn_image *im, struct syn_image *out,
                         enum syn_image_filter kind, struct syn_err *err)
{
    struct taps across = {0}, down = {0};
    size_t row = ((size_t)out->width * (size_t)out->channels + STEP - 1) / STEP * STEP, n;
    float *loaded = NULL, *ring = NULL, *sum = NULL;
    syn_status st = SYN_OK;
    int32_t ready = 0; /* rows of im below this one have passed through the ring */

    if (!taps_init(&across, im->width, out->width, kind) ||
        !taps_init(&down, im->height, out->height, kind) ||
        !syn_mul(row * sizeof *ring, (size_t)down.most, &n) || !(ring = syn_calloc(n, 1)) ||
        !(loaded = syn_alloc((size_t)im->width * (size_t)im->channels * sizeof *loaded)) ||
        !(sum = syn_alloc(row * sizeof *sum))) {
        st = syn_fail(err, SYN_NO_MEMORY,
                      "no memory to resize %" PRId32 " x %" PRId32 " to %" PRId32 " x %" PRId32,
                      im->width, im->height, out->width, out->height);
        goto done;
    }
    for (int32_t y = 0; y < out->height; y++) {
        const float *weight = down.weight + (size_t)y * (size_t)down.most;
        int32_t first = down.first[y];
        for (ready = ready > first ? ready : first; ready < first + down.most; ready++) {
            load_row(im, ready, loaded);
            filter_row(&across, loaded, ring + (size_t)(ready % down.most) * row, out->width,
                       out->channels);
        }
        memset(sum, 0, row * sizeof *sum);
        for (int32_t i = 0; i < down.most; i++)
            add_row(sum, ring + (size_t)((first + i) % down.most) * row, weight[i], row);
        store_row(sum, out, y);
    }
done:
    syn_free(sum);
    syn_free(loaded);
    syn_free(ring);
    taps_deinit(&down);
    taps_deinit(&across);
    return st;
}

static int32_t nearest(int32_t x, int32_t in,
                       int32_t out) /* floor((x + 0.5) * in / out), exactly */
{
    return (int32_t)((2 * (int64_t)x + 1) * in / (2 * (int64_t)out));
}

static void pick_nearest(const struct syn_image *im, struct syn_image *out)
{
    size_t px = (size_t)im->channels * (size_t)(im->bits / 8);
    for (int32_t y = 0; y < out->height; y++) {
        const uint8_t *from = syn_image_row(im, nearest(y, im->height, out->height));
        uint8_t *to = syn_image_row(out, y);
        for (int32_t x = 0; x < out->width; x++, to += px)
            memcpy(to, from + (size_t)nearest(x, im->width, out->width) * px, px);
    }
}

syn_status syn_image_resize(const struct syn_image *im, int32_t w, int32_t h,
                            enum syn_image_filter kind, struct syn_image *out, struct syn_err *err)
{
    struct syn_image made = {0};
    syn_status st;
    if ((unsigned)kind > SYN_FILTER_NEAREST)
        return syn_fail(err, SYN_INVALID, "filter = %d: no such filter", (int)kind);
    st = syn_image_init(&made, w, h, im->channels, im->bits, err);
    if (st != SYN_OK) return st;
    made.gray = im->gray;
    if (w == im->width && h == im->height) /* each pixel onto itself, hidden colours included */
        memcpy(made.pixels, im->pixels, syn_image_row_bytes(im) * (size_t)h);
    else if (kind == SYN_FILTER_NEAREST)
        pick_nearest(im, &made);
    else
        st = filter(im, &made, kind, err);
    if (st != SYN_OK) {
        syn_image_deinit(&made);
        return st;
    }
    *out = made;
    return SYN_OK;
}
