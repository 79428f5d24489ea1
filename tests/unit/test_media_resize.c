/* test_media_resize.c - resampling against a plain definition in double, against values computed by
 * hand, and with alpha (A09, A10); the spreading of colours under transparent pixels. */
#include "kernels/base/alloc.h"
#include "tests/unit/test_media.h"
#include <math.h>

static const char *const names[] = {"bicubic", "lanczos3", "bilinear", "nearest"};

/* Two-dimensional and in double: no separable passes, no window, every input pixel is asked. */
static double weight(enum syn_image_filter f, double t)
{
    const double a = -0.5, pi = acos(-1);
    t = fabs(t);
    if (f == SYN_FILTER_BILINEAR) return t < 1 ? 1 - t : 0;
    if (f == SYN_FILTER_LANCZOS3)
        return t < 1e-12 ? 1 : t < 3 ? sin(pi * t) / (pi * t) * sin(pi * t / 3) / (pi * t / 3) : 0;
    if (t <= 1) return (a + 2) * t * t * t - (a + 3) * t * t + 1;
    return t < 2 ? a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a : 0;
}

static double defined(const struct syn_image *im, int w, int h, enum syn_image_filter f, int x,
                      int y, int c)
{
    double rx = (double)im->width / w, ry = (double)im->height / h, sx = rx > 1 ? rx : 1,
           sy = ry > 1 ? ry : 1;
    double cx = (x + 0.5) * rx, cy = (y + 0.5) * ry, sum = 0, seen = 0, all = 0,
           top = im->bits == 8 ? 255 : 65535;
    if (f == SYN_FILTER_NEAREST) return sample_at(im, (int)floor(cx), (int)floor(cy), c);
    for (int v = 0; v < im->height; v++)
        for (int u = 0; u < im->width; u++) {
            double k = weight(f, (u + 0.5 - cx) / sx) * weight(f, (v + 0.5 - cy) / sy);
            double a = im->channels == 4 ? sample_at(im, u, v, 3) / top : 1;
            all += k;
            seen += k * a;
            sum += k * (c == 3 ? 1 : sample_at(im, u, v, c)) * a;
        }
    if (c == 3) return fmin(fmax(seen / all, 0), 1) * top;
    if (im->channels == 4)
        return seen / all * top < 0.5 ? 0 : fmin(fmax(sum / fmin(seen, all), 0), top);
    return fmin(fmax(sum / all, 0), top);
}

static void test_against_definition(void)
{
    static const int sizes[][4] = {{7, 5, 14, 10},   {7, 5, 3, 2},   {13, 9, 13, 4},
                                   {1, 1, 5, 3},     {16, 16, 1, 1}, {2, 11, 9, 11},
                                   {31, 17, 23, 19}, {40, 3, 7, 8},  {5, 40, 17, 3}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int f = 0; f < 4; f++)
            for (int k = 0; k < 4; k++) {
                int channels = k & 1 ? 4 : 3, bits = k & 2 ? 16 : 8, w = sizes[s][2],
                    h = sizes[s][3];
                struct syn_image im = photo(sizes[s][0], sizes[s][1], channels, bits, s), out = {0};
                struct syn_err err = {{0}};
                double worst = 0;
                /* half a step of rounding, and what float sums lose: under 1e-6 of the range each,
                 * more where a colour is divided by a small alpha */
                double near = 0.51 + (bits == 16      ? (channels == 4 ? 8 : 0.5)
                                      : channels == 4 ? 0.05
                                                      : 0);
                T_CHECK(syn_image_resize(&im, w, h, (enum syn_image_filter)f, &out, &err) == SYN_OK,
                        "%s", err.text);
                T_CHECK(out.width == w && out.height == h && out.channels == channels &&
                            out.bits == bits,
                        "shape");
                for (int y = 0; y < h; y++)
                    for (int x = 0; x < w; x++)
                        for (int c = 0; c < channels; c++) {
                            double d = fabs(sample_at(&out, x, y, c) -
                                            defined(&im, w, h, (enum syn_image_filter)f, x, y, c));
                            if (!(d <= worst)) worst = d;
                        }
                T_CHECK(worst <= near, "%s %d x %d to %d x %d, %d channels of %d: off by %g",
                        names[f], im.width, im.height, w, h, channels, bits, worst);
                syn_image_deinit(&out);
                syn_image_deinit(&im);
            }
}

static struct syn_image row_of(const int *v, int n)
{
    struct syn_image im = {0};
    struct syn_err err;
    if (syn_image_init(&im, n, 1, 3, 8, &err) != SYN_OK) abort();
    for (int i = 0; i < n * 3; i++) ((uint8_t *)im.pixels)[i] = (uint8_t)v[i / 3];
    return im;
}

/* By hand. 0, 100, 200, 100 doubled: at the inner places the offsets are 1/4 and 3/4, where
 * Catmull-Rom's weights are -9/128, 111/128, 29/128, -3/128 (-0.0703125, 0.8671875, 0.2265625,
 * -0.0234375). */
static void test_constants(void)
{
    static const int v[4] = {0, 100, 200, 100};
    struct syn_image im = row_of(v, 4), out = {0};
    struct syn_err err;
    T_CHECK(syn_image_resize(&im, 8, 1, SYN_FILTER_BICUBIC, &out, &err) == SYN_OK, "resize");
    /* x = 3 and 4 lie at 1.25 and 1.75: -9/128*0+111/128*100+29/128*200-3/128*100 = 129.6875;
     * -3/128*0+29/128*100+111/128*200-9/128*100 = 189.0625 */
    T_CHECK(sample_at(&out, 3, 0, 0) == 130 && sample_at(&out, 4, 0, 0) == 189, "%u %u",
            sample_at(&out, 3, 0, 0), sample_at(&out, 4, 0, 0));
    syn_image_deinit(&out);
    T_CHECK(syn_image_resize(&im, 8, 1, SYN_FILTER_BILINEAR, &out, &err) == SYN_OK, "resize");
    for (int x = 0; x < 8; x++) {
        static const unsigned want[8] = {0, 25, 75, 125, 175, 175, 125, 100};
        T_CHECK(sample_at(&out, x, 0, 2) == want[x], "%d: %u", x, sample_at(&out, x, 0, 2));
    }
    syn_image_deinit(&out);
    /* halved, the triangle is four wide: (1 3 3 1) / 8 inside, (3 3 1) / 7 at the edge */
    T_CHECK(syn_image_resize(&im, 2, 1, SYN_FILTER_BILINEAR, &out, &err) == SYN_OK, "resize");
    T_CHECK(sample_at(&out, 0, 0, 0) == 71 && sample_at(&out, 1, 0, 0) == 143, "%u %u",
            sample_at(&out, 0, 0, 0), sample_at(&out, 1, 0, 0));
    syn_image_deinit(&out);
    T_CHECK(syn_image_resize(&im, 3, 1, SYN_FILTER_NEAREST, &out, &err) == SYN_OK, "resize");
    T_CHECK(sample_at(&out, 0, 0, 0) == 0 && sample_at(&out, 1, 0, 0) == 200 &&
                sample_at(&out, 2, 0, 0) == 100,
            "nearest");
    syn_image_deinit(&out);
    syn_image_deinit(&im);
}

/* A constant picture stays one to the last bit, in every depth, at every ratio. */
static void test_constant_picture(void)
{
    static const int targets[][2] = {{1, 1}, {9, 4}, {50, 60}, {11, 200}, {10, 7}};
    for (int f = 0; f < 4; f++)
        for (int k = 0; k < 4; k++)
            for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
                int channels = k & 1 ? 4 : 3, bits = k & 2 ? 16 : 8, wrong = 0;
                static const unsigned v[4] = {12345, 65535, 777, 40000};
                struct syn_image im = {0}, out = {0};
                struct syn_err err;
                if (syn_image_init(&im, 11, 20, channels, bits, &err) != SYN_OK) abort();
                im.gray = true;
                for (int i = 0; i < 11 * 20 * channels; i++) {
                    if (bits == 8)
                        ((uint8_t *)im.pixels)[i] = (uint8_t)(v[i % channels] >> 8);
                    else
                        ((uint16_t *)im.pixels)[i] = (uint16_t)v[i % channels];
                }
                T_CHECK(syn_image_resize(&im, targets[t][0], targets[t][1],
                                         (enum syn_image_filter)f, &out, &err) == SYN_OK &&
                            out.gray,
                        "resize");
                for (int y = 0; y < out.height; y++)
                    for (int x = 0; x < out.width; x++)
                        for (int c = 0; c < channels; c++)
                            wrong += sample_at(&out, x, y, c) != (bits == 8 ? v[c] >> 8 : v[c]);
                T_CHECK(wrong == 0, "%s, %d channels of %d, to %d x %d: %d wrong", names[f],
                        channels, bits, out.width, out.height, wrong);
                syn_image_deinit(&out);
                syn_image_deinit(&im);
            }
}

static struct syn_image rgba_of(const char *pixels, int w, int h)
{
    struct syn_image im = {0};
    struct syn_err err;
    if (syn_image_init(&im, w, h, 4, 8, &err) != SYN_OK) abort();
    memcpy(im.pixels, pixels, (size_t)w * (size_t)h * 4);
    return im;
}

/* A10: hidden black beside red, x4: no fringe, whatever the filter. */
static void test_A10_no_fringe(void)
{
    for (int f = 0; f < 4; f++) {
        struct syn_image im = rgba_of("\xff\0\0\xff\0\0\0\0", 2, 1), out = {0};
        struct syn_err err;
        int half = 0;
        T_CHECK(syn_image_resize(&im, 8, 4, (enum syn_image_filter)f, &out, &err) == SYN_OK,
                "resize");
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 8; x++) {
                unsigned a = sample_at(&out, x, y, 3);
                half += a > 0 && a < 255;
                T_CHECK(a == 0 || (sample_at(&out, x, y, 0) >= 250 &&
                                   sample_at(&out, x, y, 1) == 0 && sample_at(&out, x, y, 2) == 0),
                        "%s at %d, %d: %u %u %u %u", names[f], x, y, sample_at(&out, x, y, 0),
                        sample_at(&out, x, y, 1), sample_at(&out, x, y, 2), a);
            }
        T_CHECK(f == SYN_FILTER_NEAREST || half > 0, "%s: nothing between", names[f]);
        syn_image_deinit(&out);
        syn_image_deinit(&im);
    }
}

/* A09: an alpha checkerboard keeps its four channels, its range and its mean. */
static void test_A09_checkerboard(void)
{
    for (int f = 0; f < 4; f++)
        for (int factor = 2; factor <= 4; factor += 2) {
            char px[8 * 8 * 4];
            struct syn_image im, out = {0};
            struct syn_err err;
            double sum = 0;
            unsigned low = 255, high = 0;
            for (int i = 0; i < 64; i++)
                memcpy(px + i * 4, (i + i / 8) % 2 ? "\x40\x80\xc0\xff" : "\0\0\0\0", 4);
            im = rgba_of(px, 8, 8);
            T_CHECK(syn_image_resize(&im, 8 * factor, 8 * factor, (enum syn_image_filter)f, &out,
                                     &err) == SYN_OK &&
                        out.channels == 4,
                    "resize");
            for (int i = 0; i < 64 * factor * factor; i++) {
                unsigned a = sample_at(&out, i % (8 * factor), i / (8 * factor), 3);
                sum += a;
                if (a < low) low = a;
                if (a > high) high = a;
            }
            sum /= 64 * factor * factor;
            T_CHECK(fabs(sum - 127.5) <= 2, "%s x%d: mean %g", names[f], factor, sum);
            /* bilinear has no overshoot: at an even factor no place falls on a source pixel but
             * at corners */
            T_CHECK(low <= 16 && high >= 239, "%s x%d: %u..%u", names[f], factor, low, high);
            if (f != SYN_FILTER_BILINEAR)
                T_CHECK(low == 0 && high == 255, "%s x%d: %u..%u", names[f], factor, low, high);
            syn_image_deinit(&out);
            syn_image_deinit(&im);
        }
}

static void test_identity_and_refusals(void)
{
    struct syn_image im = rgba_of("\1\2\3\0\4\5\6\7", 2, 1), out = {0};
    struct syn_err err = {{0}};
    T_CHECK(syn_image_resize(&im, 2, 1, SYN_FILTER_LANCZOS3, &out, &err) == SYN_OK &&
                farthest(&im, &out) == 0,
            "same size, same bytes");
    syn_image_deinit(&out);
    T_CHECK(syn_image_resize(&im, 0, 1, SYN_FILTER_LANCZOS3, &out, &err) == SYN_INVALID &&
                strstr(err.text, "width = 0") && !out.pixels,
            "%s", err.text);
    T_CHECK(syn_image_resize(&im, 1, 1 << 21, SYN_FILTER_LANCZOS3, &out, &err) == SYN_INVALID &&
                strstr(err.text, "height"),
            "%s", err.text);
    T_CHECK(syn_image_resize(&im, 1, 1, (enum syn_image_filter)9, &out, &err) == SYN_INVALID &&
                strstr(err.text, "filter = 9"),
            "%s", err.text);
    for (long n = 1; n <= 8; n++) {
        syn_status st;
        syn_alloc_fail_at(n);
        st = syn_image_resize(&im, 5, 5, SYN_FILTER_BICUBIC, &out, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_NO_MEMORY && !out.pixels, "allocation %ld: %s", n, syn_status_word(st));
    }
    T_CHECK(syn_image_resize(&im, 5, 5, SYN_FILTER_BICUBIC, &out, &err) == SYN_OK, "%s", err.text);
    syn_image_deinit(&out);
    syn_image_deinit(&im);
}

/* A10: each hidden pixel gets the colour of a nearest visible one; every pair is tried. */
static void test_A10_bleed(void)
{
    static const int sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {17, 13}, {40, 23}, {2, 2}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int k = 0; k < 8; k++) { /* 8 and 16 bits; from one visible pixel to most */
            int w = sizes[s][0], h = sizes[s][1], bits = k & 1 ? 16 : 8, n = w * h, wrong = 0;
            float *chance = t_uniform(s * 10 + (uint64_t)k, (size_t)n, 0, 1);
            struct syn_image im = {0}, before = {0};
            struct syn_err err;
            if (syn_image_init(&im, w, h, 4, bits, &err) != SYN_OK ||
                syn_image_init(&before, w, h, 4, bits, &err) != SYN_OK)
                abort();
            for (int i = 0; i < n * 4; i++) {
                unsigned v = (unsigned)i * 2654435761u >> (bits == 8 ? 24 : 16);
                if (i % 4 == 3)
                    v = i / 4 == n / 3 || chance[i / 4] < (float)(k / 2) * 0.2f ? (v | 1) : 0;
                if (bits == 8)
                    ((uint8_t *)im.pixels)[i] = (uint8_t)v;
                else
                    ((uint16_t *)im.pixels)[i] = (uint16_t)v;
            }
            memcpy(before.pixels, im.pixels, (size_t)n * 4 * (size_t)bits / 8);
            T_CHECK(syn_image_bleed_alpha(&im, &err) == SYN_OK, "bleed");
            for (int i = 0; i < n; i++) {
                int x = i % w, y = i / w, best = -1;
                bool fits = false;
                for (int j = 0; j < n; j++) {
                    int d = (j % w - x) * (j % w - x) + (j / w - y) * (j / w - y);
                    if (sample_at(&before, j % w, j / w, 3) && (best < 0 || d < best)) best = d;
                }
                for (int j = 0; j < n && !fits; j++) {
                    int d = (j % w - x) * (j % w - x) + (j / w - y) * (j / w - y);
                    fits = d == best && sample_at(&before, j % w, j / w, 3) &&
                           sample_at(&im, x, y, 0) == sample_at(&before, j % w, j / w, 0) &&
                           sample_at(&im, x, y, 1) == sample_at(&before, j % w, j / w, 1) &&
                           sample_at(&im, x, y, 2) == sample_at(&before, j % w, j / w, 2);
                }
                wrong += !fits || sample_at(&im, x, y, 3) != sample_at(&before, x, y, 3);
            }
            T_CHECK(wrong == 0, "%d x %d, %d bits, kind %d: %d wrong", w, h, bits, k, wrong);
            free(chance);
            syn_image_deinit(&before);
            syn_image_deinit(&im);
        }
    {
        struct syn_image im = rgba_of("\1\2\3\0\4\5\6\0", 2, 1), rgb = photo(4, 4, 3, 8, 1);
        struct syn_err err = {{0}};
        T_CHECK(syn_image_bleed_alpha(&im, &err) == SYN_OK &&
                    !memcmp(im.pixels, "\1\2\3\0\4\5\6\0", 8),
                "nothing visible: left alone");
        T_CHECK(syn_image_bleed_alpha(&rgb, &err) == SYN_INVALID &&
                    strstr(err.text, "channels = 3"),
                "%s", err.text);
        for (long n = 1; n <= 4; n++) {
            syn_alloc_fail_at(n);
            T_CHECK(syn_image_bleed_alpha(&im, &err) == SYN_NO_MEMORY, "allocation %ld", n);
            syn_alloc_fail_at(0);
        }
        syn_image_deinit(&rgb);
        syn_image_deinit(&im);
    }
}

int main(void)
{
    test_against_definition();
    test_constants();
    test_constant_picture();
    test_A10_no_fringe();
    test_A09_checkerboard();
    test_identity_and_refusals();
    test_A10_bleed();
    return t_report();
}
