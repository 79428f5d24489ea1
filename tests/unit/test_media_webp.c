/* test_media_webp.c - WebP: lossy, lossless, alpha, animations, ends, and what is written. Single
 * pictures come from libwebp's encoder called here directly, containers are put together by
 * hand. */
#include "kernels/base/alloc.h"
#include "tests/unit/test_media.h"
#include <webp/encode.h>

/* A WebP file of 3 or 4 channels; lossy at 90. */
static struct bytes webp_of(const struct syn_image *im, bool lossless)
{
    uint8_t *out = NULL;
    int stride = im->width * im->channels;
    size_t n = lossless
                   ? (im->channels == 4
                          ? WebPEncodeLosslessRGBA(im->pixels, im->width, im->height, stride, &out)
                          : WebPEncodeLosslessRGB(im->pixels, im->width, im->height, stride, &out))
                   : (im->channels == 4
                          ? WebPEncodeRGBA(im->pixels, im->width, im->height, stride, 90, &out)
                          : WebPEncodeRGB(im->pixels, im->width, im->height, stride, 90, &out));
    struct bytes b = {0};
    put(&b, out, n);
    WebPFree(out);
    return b;
}

static void test_kinds(void)
{
    for (int k = 0; k < 4; k++) {
        bool lossless = k & 1;
        int channels = k & 2 ? 4 : 3;
        struct syn_image im = photo(61, 43, channels, 8, 11), back = {0};
        struct syn_image_report report = {0};
        struct syn_image_info info = {0};
        struct bytes b = webp_of(&im, lossless);
        T_CHECK(syn_image_probe(b.p, b.n, &info, NULL) == SYN_OK && info.width == 61 &&
                    info.height == 43 && info.channels == channels && info.bits == 8 &&
                    info.frames == 1 && info.format == SYN_IMAGE_WEBP,
                "info %d", k);
        if (decodes(&b, NULL, &back, &report, "kind")) {
            int visible = 0, worst_alpha = 0, worst = 0;
            T_CHECK(back.channels == channels && report.color == SYN_COLOR_ASSUMED_SRGB,
                    "%d: %d channels", k, back.channels);
            for (int i = 0; i < 61 * 43 && back.channels == channels; i++) {
                int x = i % 61, y = i / 61;
                if (channels == 4 && (int)sample_at(&im, x, y, 3) != (int)sample_at(&back, x, y, 3))
                    worst_alpha++;
                if (channels == 4 && sample_at(&im, x, y, 3) == 0)
                    continue; /* colours under alpha 0 are free */
                visible++;
                for (int c = 0; c < 3; c++) {
                    int d = abs((int)sample_at(&im, x, y, c) - (int)sample_at(&back, x, y, c));
                    if (d > worst) worst = d;
                }
            }
            T_CHECK(visible > 500 && worst <= (lossless ? 0 : 40) && worst_alpha == 0,
                    "%d: off by %d, alpha %d", k, worst, worst_alpha);
        }
        syn_image_deinit(&back);
        syn_image_deinit(&im);
        bytes_free(&b);
    }
}

static void test_round_trips(void)
{
    for (int k = 0; k < 8; k++) {
        bool lossless = k & 1, deep = k & 4;
        int channels = k & 2 ? 4 : 3;
        struct syn_image im = photo(50, 34, channels, deep ? 16 : 8, 12), back = {0};
        struct syn_image_encode_opts opts = {.format = SYN_IMAGE_WEBP, .lossless = lossless};
        struct syn_buf out = {0}, small = {0};
        struct syn_err err;
        struct bytes b;
        T_CHECK(syn_image_encode(&im, &opts, &out, &err) == SYN_OK, "encode %d", k);
        b = (struct bytes){out.data, out.size, 0};
        if (decodes(&b, NULL, &back, NULL, "round trip") && lossless) {
            int wrong = 0; /* 16 bits are rounded, not cut; hidden colours are kept, too */
            for (int y = 0; y < 34; y++)
                for (int x = 0; x < 50; x++)
                    for (int c = 0; c < channels; c++)
                        wrong += sample_at(&back, x, y, c) !=
                                 (deep ? (unsigned)(sample_at(&im, x, y, c) / 257.0 + 0.5)
                                       : sample_at(&im, x, y, c));
            T_CHECK(wrong == 0 && back.channels == channels, "%d: %d wrong", k, wrong);
        } else {
            opts.quality = 5;
            T_CHECK(syn_image_encode(&im, &opts, &small, &err) == SYN_OK && small.size < out.size,
                    "%zu, %zu", small.size, out.size);
        }
        syn_buf_deinit(&small);
        syn_buf_deinit(&out);
        syn_image_deinit(&back);
        syn_image_deinit(&im);
    }
    {
        struct syn_image im = {0};
        struct syn_buf out = {0};
        struct syn_err err;
        struct syn_image_encode_opts opts = {.format = SYN_IMAGE_WEBP};
        if (syn_image_init(&im, 16384, 1, 3, 8, &err) != SYN_OK) abort();
        memset(im.pixels, 0, 16384 * 3);
        T_CHECK(syn_image_encode(&im, &opts, &out, &err) == SYN_INVALID &&
                    strstr(err.text, "16383"),
                "%s", err.text);
        syn_image_deinit(&im);
    }
}

static void put_frame(struct bytes *chunks, const struct bytes *still, int x, int y, int w, int h)
{
    struct bytes f = {0};
    put_le(&f, (uint32_t)x / 2, 3);
    put_le(&f, (uint32_t)y / 2, 3);
    put_le(&f, (uint32_t)w - 1, 3);
    put_le(&f, (uint32_t)h - 1, 3);
    put_le(&f, 100, 3);
    put8(&f, 0);
    /* the picture chunks of a still file: after RIFF and, if it has one, VP8X */
    put(&f, still->p + (memcmp(still->p + 12, "VP8X", 4) ? 12 : 30),
        still->n - (memcmp(still->p + 12, "VP8X", 4) ? 12 : 30));
    riff_chunk(chunks, "ANMF", f.p, f.n);
    bytes_free(&f);
}

/* The first frame of an animation, on its canvas; frames are counted and held to the limit. */
static void test_animation(void)
{
    for (int k = 0; k < 4; k++) { /* VP8L, VP8, VP8 with ALPH, VP8L covering the canvas */
        bool covers = k == 3;
        struct syn_image im = photo(20, 14, k == 2 ? 4 : 3, 8, 13), back = {0};
        struct bytes still = webp_of(&im, k == 0 || k == 3), chunks = {0}, b;
        struct syn_image_info info = {0};
        struct syn_image_decode_opts opts = {.limits = {.max_frames = 3}};
        struct syn_err err = {{0}};
        int w = covers ? 20 : 40, h = covers ? 14 : 30, x0 = covers ? 0 : 6, y0 = covers ? 0 : 10;
        put_vp8x(&chunks, 0x02 | (k == 2 ? 0x10 : 0), w, h);
        riff_chunk(&chunks, "ANIM", "\0\0\0\0\0\0", 6);
        for (int i = 0; i < 3; i++)
            put_frame(&chunks, &still, i == 0 ? x0 : 0, i == 0 ? y0 : 0, 20, 14);
        b = riff_of(&chunks);
        T_CHECK(syn_image_probe(b.p, b.n, &info, &err) == SYN_OK && info.frames == 3 &&
                    info.width == w && info.height == h && info.channels == (covers ? 3 : 4),
                "info %d: %s", k, err.text);
        if (decodes(&b, &opts, &back, NULL, "animation")) {
            int d = abs((int)sample_at(&back, x0 + 9, y0 + 7, 1) - (int)sample_at(&im, 9, 7, 1));
            T_CHECK(back.width == w && back.height == h && back.channels == info.channels &&
                        d <= (k == 1 || k == 2 ? 40 : 0),
                    "%d: %d", k, d);
            if (!covers)
                T_CHECK(sample_at(&back, 1, 1, 3) == 0 && sample_at(&back, 39, 29, 3) == 0,
                        "canvas");
            if (k == 0) T_CHECK(sample_at(&back, x0, y0, 3) == 255, "frame alpha");
        }
        opts.limits.max_frames = 2;
        syn_image_deinit(&back);
        T_CHECK(syn_image_decode(b.p, b.n, &opts, &back, NULL, &err) == SYN_TOO_LARGE &&
                    strstr(err.text, "3 frames") && !back.pixels,
                "%s", err.text);
        bytes_free(&b);
        bytes_free(&chunks);
        bytes_free(&still);
        syn_image_deinit(&im);
    }
}

static void test_E03_truncation(void)
{
    for (int k = 0; k < 3; k++) {
        struct syn_image im = photo(120, 90, k == 2 ? 4 : 3, 8, 14);
        struct bytes b = webp_of(&im, k == 1);
        struct syn_image_decode_opts strict = {0}, lax = {.accept_truncated = true};
        int taken = 0;
        for (size_t n = 12; n + 1 < b.n; n = next_cut(n, b.n, 120, 53)) {
            struct syn_image got = {0};
            struct syn_image_report report = {0};
            struct syn_err err = {{0}};
            syn_status st = syn_image_decode(b.p, n, &strict, &got, NULL, &err);
            T_CHECK(st == SYN_TRUNCATED && !got.pixels, "%d: cut at %zu of %zu: %s %s", k, n, b.n,
                    syn_status_word(st), err.text);
            st = syn_image_decode(b.p, n, &lax, &got, &report, &err);
            T_CHECK(st == SYN_TRUNCATED || (st == SYN_OK && report.truncated),
                    "%d: lax, cut at %zu: %s %s", k, n, syn_status_word(st), err.text);
            taken += st == SYN_OK;
            if (st == SYN_OK && k == 0 && n > b.n / 2 - 30 && n < b.n / 2 + 30) {
                T_CHECK(abs((int)sample_at(&got, 9, 3, 0) - (int)sample_at(&im, 9, 3, 0)) < 40,
                        "top");
                T_CHECK(sample_at(&got, 60, 89, 1) == 128, "bottom: %u",
                        sample_at(&got, 60, 89, 1));
            }
            syn_image_deinit(&got);
        }
        T_CHECK(taken > 10, "%d: %d taken", k, taken);
        bytes_free(&b);
        syn_image_deinit(&im);
    }
}

static void test_malformed(void)
{
    struct syn_image im = photo(16, 16, 3, 8, 15), got = {0};
    struct bytes still = webp_of(&im, true), chunks = {0}, b;
    struct syn_image_decode_opts opts = {0};
    struct syn_err err = {{0}};
    put_vp8x(&chunks, 0, 17, 16);
    put(&chunks, still.p + 12, still.n - 12);
    b = riff_of(&chunks);
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_INVALID &&
                strstr(err.text, "17 x 16"),
            "%s", err.text);
    bytes_free(&b);
    chunks.n = 0;
    put_vp8x(&chunks, 2, 30, 30);
    put_frame(&chunks, &still, 16, 0, 16, 16);
    b = riff_of(&chunks);
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_INVALID &&
                strstr(err.text, "canvas"),
            "%s", err.text);
    bytes_free(&b);
    chunks.n = 0;
    put_vp8x(&chunks, 0, 16, 16);
    b = riff_of(&chunks);
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_INVALID, "%s", err.text);
    bytes_free(&b);
    chunks.n = 0;
    riff_chunk(&chunks, "JUNK", "abcd", 4);
    b = riff_of(&chunks);
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_INVALID &&
                strstr(err.text, "VP8"),
            "%s", err.text);
    bytes_free(&b);
    bytes_free(&chunks);
    bytes_free(&still);
    syn_image_deinit(&im);
}

static void test_each_allocation(void)
{
    struct syn_image im = photo(16, 16, 4, 8, 16), got = {0}, deep = photo(16, 16, 3, 16, 16);
    struct bytes still = webp_of(&im, true), chunks = {0}, b;
    struct syn_buf out = {0};
    struct syn_err err;
    syn_status st = SYN_NO_MEMORY;
    long n = 0;
    put_vp8x(&chunks, 2 | 0x10 | 0x08, 32, 20);
    put_frame(&chunks, &still, 2, 2, 16, 16);
    still.n = 0;
    put_exif(&still, 8, true);
    riff_chunk(&chunks, "EXIF", still.p, still.n);
    b = riff_of(&chunks);
    while (st != SYN_OK && n < 100) {
        struct syn_image_decode_opts opts = {0};
        syn_alloc_fail_at(++n);
        st = syn_image_decode(b.p, b.n, &opts, &got, NULL, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !got.pixels), "decode, allocation %ld: %s",
                n, syn_status_word(st));
    }
    T_CHECK(n == 4 && st == SYN_OK && got.width == 20, "%ld", n); /* canvas, frame, turned */
    st = SYN_NO_MEMORY;
    for (n = 0; st != SYN_OK && n < 100;) {
        struct syn_image_encode_opts opts = {.format = SYN_IMAGE_WEBP};
        syn_alloc_fail_at(++n);
        st = syn_image_encode(&deep, &opts, &out, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !out.data), "encode, allocation %ld: %s", n,
                syn_status_word(st));
    }
    T_CHECK(n >= 3 && st == SYN_OK, "%ld", n);
    syn_buf_deinit(&out);
    syn_image_deinit(&got);
    syn_image_deinit(&deep);
    syn_image_deinit(&im);
    bytes_free(&b);
    bytes_free(&chunks);
    bytes_free(&still);
}

int main(void)
{
    test_kinds();
    test_round_trips();
    test_animation();
    test_E03_truncation();
    test_malformed();
    test_each_allocation();
    return t_report();
}
