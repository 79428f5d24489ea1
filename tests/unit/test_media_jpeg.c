/* test_media_jpeg.c - JPEG in its kinds, its faults and its ends, and what is written. The inputs
 * come from libjpeg's encoder called here directly. */
#include "kernels/base/alloc.h"
#include "tests/unit/test_media.h"
#include <time.h>

static struct bytes jpeg_of_photo(const struct syn_image *im, struct jpeg_how how)
{
    how.in = JCS_RGB;
    if (!how.stored) how.stored = JCS_YCbCr;
    return jpeg_of(im->pixels, im->width, im->height, 3, how);
}

/* Baseline, progressive, arithmetic, subsampled, with restarts, RGB inside: near to the source. */
static void test_kinds(void)
{
    static const struct {
        const char *what;
        struct jpeg_how how;
        int near;
    } kinds[] = {
        {"baseline", {0}, 20},
        {"4:4:4", {.h_samp = 1, .v_samp = 1, .quality = 100}, 4},
        {"progressive", {.progressive = true}, 20},
        {"progressive 4:4:4", {.progressive = true, .h_samp = 1, .v_samp = 1, .quality = 100}, 4},
        {"arithmetic", {.arithmetic = true, .h_samp = 1, .v_samp = 1, .quality = 100}, 4},
        {"restarts", {.restart = 2, .h_samp = 1, .v_samp = 1, .quality = 100}, 4},
        {"4:2:2", {.h_samp = 2, .v_samp = 1}, 20},
        {"4:4:0", {.h_samp = 1, .v_samp = 2}, 20},
        {"4:1:1", {.h_samp = 4, .v_samp = 1}, 25},
        {"RGB inside", {.stored = JCS_RGB, .quality = 100}, 3}};
    struct syn_image im = photo(75, 53, 3, 8, 3);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct bytes b = jpeg_of_photo(&im, kinds[i].how);
        struct syn_image back = {0};
        struct syn_image_report report = {0};
        struct syn_image_info info = {0};
        T_CHECK(syn_image_probe(b.p, b.n, &info, NULL) == SYN_OK && info.width == 75 &&
                    info.height == 53 && info.channels == 3 && info.bits == 8 && !info.gray &&
                    info.format == SYN_IMAGE_JPEG,
                "%s: info", kinds[i].what);
        if (decodes(&b, NULL, &back, &report, kinds[i].what)) {
            int far = farthest(&im, &back);
            T_CHECK(far >= 0 && far <= kinds[i].near, "%s: off by %d", kinds[i].what, far);
            T_CHECK(report.color == SYN_COLOR_ASSUMED_SRGB && !report.truncated && !back.gray,
                    "%s: report", kinds[i].what);
        }
        syn_image_deinit(&back);
        bytes_free(&b);
    }
    syn_image_deinit(&im);
}

static void test_gray(void)
{
    uint8_t px[40 * 30];
    struct bytes b;
    struct syn_image im = {0};
    int off = 0;
    for (int i = 0; i < 40 * 30; i++) px[i] = (uint8_t)(i % 40 * 6);
    b = jpeg_of(px, 40, 30, 1,
                (struct jpeg_how){.in = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .quality = 100});
    if (decodes(&b, NULL, &im, NULL, "grey")) {
        T_CHECK(im.gray && im.channels == 3, "gray %d, %d channels", im.gray, im.channels);
        for (int i = 0; i < 40 * 30; i++)
            for (int c = 0; c < 3; c++)
                off += abs((int)sample_at(&im, i % 40, i / 40, c) - px[i]) > 3;
        T_CHECK(off == 0, "%d samples off", off);
    }
    syn_image_deinit(&im);
    bytes_free(&b);
}

/* Four patches in CMYK. With an Adobe marker 0 is full ink, without one 255 is. */
static void test_cmyk(void)
{
    static const uint8_t ink[4][4] = {
        {0, 0, 0, 0}, {255, 0, 0, 0}, {0, 100, 200, 50}, {30, 30, 30, 255}};
    static const uint8_t rgb[4][3] = {{255, 255, 255}, {0, 255, 255}, {205, 125, 44}, {0, 0, 0}};
    for (int kind = 0; kind < 3; kind++) { /* CMYK with Adobe marker, YCCK with, CMYK without */
        bool inverted = kind < 2;
        uint8_t px[32 * 8 * 4];
        struct jpeg_how how = {.in = JCS_CMYK,
                               .stored = kind == 1 ? JCS_YCCK : JCS_CMYK,
                               .quality = 100,
                               .no_adobe = !inverted,
                               .progressive = kind == 1};
        struct syn_image im = {0};
        struct syn_image_report report = {0};
        struct bytes b;
        for (int i = 0; i < 32 * 8; i++)
            for (int c = 0; c < 4; c++) px[i * 4 + c] = ink[i % 32 / 8][c] ^ (inverted ? 255 : 0);
        b = jpeg_of(px, 32, 8, 4, how);
        if (decodes(&b, NULL, &im, &report, "CMYK")) {
            for (int p = 0; p < 4; p++)
                for (int c = 0; c < 3; c++)
                    T_CHECK(abs((int)sample_at(&im, p * 8 + 4, 4, c) - rgb[p][c]) <= 4,
                            "kind %d patch %d channel %d: %u, not %d", kind, p, c,
                            sample_at(&im, p * 8 + 4, 4, c), rgb[p][c]);
            T_CHECK(report.color == SYN_COLOR_ASSUMED_SRGB && im.channels == 3, "kind %d", kind);
        }
        syn_image_deinit(&im);
        bytes_free(&b);
    }
}

/* E03: cut anywhere, by default an error; with the option, from the first scan on, a picture that
 *      is
 * right at the top and grey at the bottom. The closing EOI alone may be missing from a one-scan
 * file. */
static void test_E03_truncation(void)
{
    struct syn_image im = photo(160, 120, 3, 8, 4);
    for (int progressive = 0; progressive < 2; progressive++) {
        struct bytes b = jpeg_of_photo(
            &im, (struct jpeg_how){.progressive = progressive, .h_samp = 1, .v_samp = 1});
        struct syn_image_decode_opts strict = {0}, lax = {.accept_truncated = true};
        int taken = 0;
        for (size_t n = 3; n < b.n - 2; n = next_cut(n, b.n, 300, 61)) {
            struct syn_image got = {0};
            struct syn_image_report report = {0};
            struct syn_err err = {{0}};
            syn_status st = syn_image_decode(b.p, n, &strict, &got, NULL, &err);
            bool last_bits =
                !progressive && st == SYN_OK && n >= b.n - 4; /* only padding was cut off */
            T_CHECK(st == SYN_TRUNCATED || last_bits, "%d: cut at %zu of %zu: %s %s", progressive,
                    n, b.n, syn_status_word(st), err.text);
            syn_image_deinit(&got);
            st = syn_image_decode(b.p, n, &lax, &got, &report, &err);
            T_CHECK(st == SYN_TRUNCATED || (st == SYN_OK && (report.truncated || last_bits)),
                    "%d: lax, cut at %zu: %s", progressive, n, syn_status_word(st));
            taken += st == SYN_OK;
            if (st == SYN_OK && !progressive && n > b.n / 2 - 40 && n < b.n / 2 + 40) {
                T_CHECK(abs((int)sample_at(&got, 5, 5, 0) - (int)sample_at(&im, 5, 5, 0)) < 25,
                        "top");
                T_CHECK(sample_at(&got, 80, 119, 0) == 128 && sample_at(&got, 80, 119, 2) == 128,
                        "bottom: %u", sample_at(&got, 80, 119, 0));
            }
            syn_image_deinit(&got);
        }
        T_CHECK(taken > 50, "%d: %d taken", progressive, taken);
        for (int percent = 10; percent <= 90; percent += 40) {
            struct syn_image got = {0};
            T_CHECK(syn_image_decode(b.p, b.n * (size_t)percent / 100, &strict, &got, NULL, NULL) ==
                        SYN_TRUNCATED,
                    "%d %%", percent);
        }
        {
            struct syn_image got = {0};
            syn_status st = syn_image_decode(b.p, b.n - 2, &strict, &got, NULL, NULL);
            T_CHECK(st == (progressive ? SYN_TRUNCATED : SYN_OK), "without EOI: %s",
                    syn_status_word(st));
            syn_image_deinit(&got);
        }
        bytes_free(&b);
    }
    syn_image_deinit(&im);
}

/* A file cut and then closed with an EOI, and one with bits flipped: neither may pass. */
static void test_damage(void)
{
    struct syn_image im = photo(96, 80, 3, 8, 9), got = {0};
    struct bytes b = jpeg_of_photo(&im, (struct jpeg_how){0});
    struct syn_image_decode_opts strict = {0};
    struct syn_err err = {{0}};
    size_t half = b.n / 2;
    syn_status st;
    b.p[half] = 0xff;
    b.p[half + 1] = 0xd9;
    st = syn_image_decode(b.p, b.n, &strict, &got, NULL, &err);
    T_CHECK(st == SYN_TRUNCATED, "EOI in the middle: %s %s", syn_status_word(st), err.text);
    memset(b.p + half - 300, 0xfe, 300); /* no Huffman code is all ones */
    st = syn_image_decode(b.p, b.n, &strict, &got, NULL, &err);
    T_CHECK(st == SYN_INVALID || st == SYN_TRUNCATED, "all ones: %s", syn_status_word(st));
    syn_image_deinit(&got);
    bytes_free(&b);
    syn_image_deinit(&im);
}

static void test_refused(void)
{
    struct syn_image im = photo(16, 16, 3, 8, 1), got = {0};
    struct bytes b = jpeg_of_photo(&im, (struct jpeg_how){0});
    struct syn_image_decode_opts opts = {0};
    struct syn_err err = {{0}};
    size_t sof = 0;
    for (size_t i = 2; i + 1 < b.n && !sof; i += 2 + (size_t)(b.p[i + 2] << 8 | b.p[i + 3]))
        if (b.p[i + 1] == 0xc0) sof = i;
    T_CHECK(sof > 0, "no SOF0");
    b.p[sof + 4] = 12;
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_UNSUPPORTED &&
                strstr(err.text, "12 bits"),
            "%s", err.text);
    b.p[sof + 4] = 8;
    b.p[sof + 1] = 0xc3; /* lossless */
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_UNSUPPORTED, "%s", err.text);
    b.p[sof + 1] = 0xc0;
    b.p[sof + 5] = b.p[sof + 6] = 0; /* height left to a DNL marker */
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_INVALID &&
                strstr(err.text, "sides"),
            "%s", err.text);
    b.p[sof + 6] = 16;
    b.p[sof + 9] = 2;
    T_CHECK(syn_image_decode(b.p, b.n, &opts, &got, NULL, &err) == SYN_UNSUPPORTED, "%s", err.text);
    bytes_free(&b);
    syn_image_deinit(&im);
}

/* E01: 5000 scans of almost no bytes over many blocks. */
static void test_E01_scan_bomb(void)
{
    uint8_t *px = calloc(2048 * 2048, 1);
    struct bytes b = jpeg_of(
        px, 2048, 2048, 1,
        (struct jpeg_how){.in = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .progressive = true});
    struct syn_image_decode_opts opts = {0};
    struct syn_image im = {0};
    struct syn_err err = {{0}};
    clock_t start = clock();
    size_t scan = b.n - 2, from = 0;
    struct bytes bomb = {0};
    syn_status st;
    for (size_t i = 0; i + 1 < b.n; i++) /* the last scan, without EOI */
        if (b.p[i] == 0xff && b.p[i + 1] == 0xda) from = i;
    put(&bomb, b.p, scan);
    for (int i = 0; i < 5000; i++) put(&bomb, b.p + from, scan - from);
    put(&bomb, "\xff\xd9", 2);
    st = syn_image_decode(bomb.p, bomb.n, &opts, &im, NULL, &err);
    T_CHECK(st == SYN_TOO_LARGE && strstr(err.text, "scans"), "%s %s", syn_status_word(st),
            err.text);
    T_CHECK(clock() - start < 5 * CLOCKS_PER_SEC, "%.1f s",
            (double)(clock() - start) / CLOCKS_PER_SEC);
    bytes_free(&bomb);
    bytes_free(&b);
    free(px);
}

static void test_encode(void)
{
    struct syn_image_encode_opts opts = {.format = SYN_IMAGE_JPEG};
    struct syn_image im = photo(64, 48, 3, 8, 5), deep = photo(64, 48, 3, 16, 5), clear = {0},
                     back = {0};
    struct syn_buf out = {0}, small = {0};
    struct bytes b;
    struct syn_err err;
    size_t sof = 0;
    T_CHECK(syn_image_encode(&im, &opts, &out, &err) == SYN_OK, "encode");
    for (size_t i = 2; i + 12 < out.size && !sof;
         i += 2 + (size_t)(out.data[i + 2] << 8 | out.data[i + 3]))
        if (out.data[i + 1] == 0xc0) sof = i;
    T_CHECK(sof && out.data[sof + 11] == 0x11 && out.data[sof + 14] == 0x11, "not 4:4:4");
    b = (struct bytes){out.data, out.size, 0};
    if (decodes(&b, NULL, &back, NULL, "round trip"))
        T_CHECK(farthest(&im, &back) <= 20, "%d", farthest(&im, &back));
    syn_image_deinit(&back);
    opts.quality = 20;
    T_CHECK(syn_image_encode(&im, &opts, &small, &err) == SYN_OK && small.size < out.size,
            "%zu, %zu", small.size, out.size);
    syn_buf_deinit(&small);
    opts.quality = 0;
    T_CHECK(syn_image_encode(&deep, &opts, &small, &err) == SYN_OK, "16 bits");
    b = (struct bytes){small.data, small.size, 0};
    if (decodes(&b, NULL, &back, NULL, "from 16 bits"))
        T_CHECK(farthest(&im, &back) <= 20, "%d", farthest(&im, &back));
    syn_image_deinit(&back);
    syn_buf_deinit(&small);
    syn_buf_deinit(&out);

    /* alpha is composited on white: half black is mid-grey, hidden red is white */
    T_CHECK(syn_image_init(&clear, 16, 8, 4, 8, &err) == SYN_OK, "init");
    for (int i = 0; i < 16 * 8; i++)
        memcpy((uint8_t *)clear.pixels + i * 4, i % 16 < 8 ? "\0\0\0\x80" : "\xff\0\0\0", 4);
    T_CHECK(syn_image_encode(&clear, &opts, &out, &err) == SYN_OK, "alpha");
    b = (struct bytes){out.data, out.size, 0};
    if (decodes(&b, NULL, &back, NULL, "alpha"))
        T_CHECK(abs((int)sample_at(&back, 3, 3, 0) - 127) <= 2 &&
                    sample_at(&back, 12, 3, 1) >= 253 && back.channels == 3,
                "%u %u", sample_at(&back, 3, 3, 0), sample_at(&back, 12, 3, 1));
    syn_image_deinit(&back);
    syn_buf_deinit(&out);

    /* grey on request */
    for (int i = 0; i < 64 * 48 * 3; i++) ((uint8_t *)im.pixels)[i] = (uint8_t)(i / 3 % 64 * 4);
    im.gray = opts.gray = true;
    T_CHECK(syn_image_encode(&im, &opts, &out, &err) == SYN_OK, "grey");
    b = (struct bytes){out.data, out.size, 0};
    if (decodes(&b, NULL, &back, NULL, "grey"))
        T_CHECK(back.gray && farthest(&im, &back) <= 6, "%d", farthest(&im, &back));
    syn_image_deinit(&back);
    syn_buf_deinit(&out);

    opts.quality = 101;
    T_CHECK(syn_image_encode(&im, &opts, &out, &err) == SYN_INVALID && strstr(err.text, "101") &&
                !out.data,
            "%s", err.text);
    opts.quality = 0;
    syn_image_deinit(&im);
    T_CHECK(syn_image_init(&im, 65501, 1, 3, 8, &err) == SYN_OK, "wide");
    memset(im.pixels, 0, 65501 * 3);
    T_CHECK(syn_image_encode(&im, &opts, &out, &err) == SYN_INVALID && strstr(err.text, "65500"),
            "%s", err.text);
    syn_image_deinit(&im);
    syn_image_deinit(&deep);
    syn_image_deinit(&clear);
}

static void test_each_allocation(void)
{
    static uint8_t icc[70000]; /* in two pieces, so that they are put together; not a profile */
    uint8_t px[24 * 16 * 4];
    struct syn_image im = {0};
    struct syn_err err;
    struct bytes b, exif = {0};
    syn_status st = SYN_NO_MEMORY;
    struct syn_buf out = {0};
    long n = 0;
    for (int i = 0; i < 24 * 16 * 4; i++) px[i] = (uint8_t)i;
    put(&exif, "Exif\0\0", 6);
    put_exif(&exif, 6, false);
    b = jpeg_of(px, 24, 16, 4,
                (struct jpeg_how){.in = JCS_CMYK,
                                  .stored = JCS_YCCK,
                                  .app1 = exif.p,
                                  .app1_n = exif.n,
                                  .icc = icc,
                                  .icc_n = sizeof icc});
    while (st != SYN_OK && n < 100) {
        struct syn_image_decode_opts opts = {0};
        syn_alloc_fail_at(++n);
        st = syn_image_decode(b.p, b.n, &opts, &im, NULL, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !im.pixels), "decode, allocation %ld: %s",
                n, syn_status_word(st));
    }
    T_CHECK(n == 7 && st == SYN_OK && im.width == 16, "%ld",
            n); /* picture, reader, profile, CMYK, row, turned */
    st = SYN_NO_MEMORY;
    for (n = 0; st != SYN_OK && n < 100 && im.pixels;) {
        struct syn_image_encode_opts opts = {.format = SYN_IMAGE_JPEG};
        syn_alloc_fail_at(++n);
        st = syn_image_encode(&im, &opts, &out, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !out.data), "encode, allocation %ld: %s", n,
                syn_status_word(st));
    }
    T_CHECK(n >= 4 && st == SYN_OK, "%ld", n);
    syn_buf_deinit(&out);
    syn_image_deinit(&im);
    bytes_free(&exif);
    bytes_free(&b);
}

int main(void)
{
    test_kinds();
    test_gray();
    test_cmyk();
    test_E03_truncation();
    test_damage();
    test_refused();
    test_E01_scan_bomb();
    test_encode();
    test_each_allocation();
    return t_report();
}
