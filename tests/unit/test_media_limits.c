/* test_media_limits.c - limits hold against the header, before anything large is allocated
 * (E01). */
#include "kernels/base/alloc.h"
#include "tests/unit/test_media.h"
#include <sys/resource.h>
#include <time.h>
#include <webp/encode.h>

/* The highest resident size so far, in KiB: a limit that works does not move it. */
static long peak_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static void refused(const struct bytes *b, struct syn_image_limits limits, const char *word,
                    const char *what)
{
    struct syn_image_decode_opts opts = {.limits = limits};
    struct syn_image im = {0};
    struct syn_err err = {{0}};
    long before = peak_kib();
    clock_t start = clock();
    syn_status st = syn_image_decode(b->p, b->n, &opts, &im, NULL, &err);
    T_CHECK(st == SYN_TOO_LARGE && strstr(err.text, word), "%s: %s: %s", what, syn_status_word(st),
            err.text);
    T_CHECK(!im.pixels && peak_kib() - before < 10240, "%s: %ld KiB more", what,
            peak_kib() - before);
    T_CHECK(clock() - start < CLOCKS_PER_SEC, "%s: slow", what);
}

static void test_E01_header_only(void)
{
    struct bytes b = {0};
    png_start(&b, 65535, 65535, 8, 2, 0);
    png_chunk(&b, "IDAT", "", 0);
    refused(&b, (struct syn_image_limits){.max_pixels = 100000000},
            "4294836225 pixels: limit is 100000000", "pixels");
    refused(&b, (struct syn_image_limits){.max_side = 16384}, "width = 65535: limit is 16384",
            "side");
    refused(&b, (struct syn_image_limits){.max_decoded_bytes = 1 << 30}, "limit is 1073741824",
            "bytes");
    bytes_free(&b);
    png_start(&b, 100, 0x7fffffff, 16, 6, 1);
    png_chunk(&b, "IDAT", "", 0);
    refused(&b, (struct syn_image_limits){0}, "height = 2147483647: limit is 1048576",
            "no limits at all");
    bytes_free(&b);
}

/* 19000 x 19000 in some 45 KB: zeros deflate to a thousandth. */
static void test_E01_small_file(void)
{
    struct bytes b = {0}, z = {0};
    uint8_t *zeros = calloc(19001, 1), out[4096];
    z_stream s = {0};
    if (deflateInit(&s, 9) != Z_OK) abort();
    for (int y = 0; y <= 19000; y++) {
        s.next_in = zeros;
        s.avail_in = y < 19000 ? 19000 / 8 + 1 : 0;
        do {
            s.next_out = out;
            s.avail_out = sizeof out;
            deflate(&s, y < 19000 ? Z_NO_FLUSH : Z_FINISH);
            put(&z, out, sizeof out - s.avail_out);
        } while (s.avail_out == 0);
    }
    deflateEnd(&s);
    png_start(&b, 19000, 19000, 1, 0, 0);
    png_chunk(&b, "IDAT", z.p, z.n);
    png_chunk(&b, "IEND", NULL, 0);
    T_CHECK(b.n < 60000, "%zu bytes", b.n);
    refused(&b, (struct syn_image_limits){.max_pixels = 100000000}, "361000000 pixels",
            "small file");
    refused(&b, (struct syn_image_limits){.max_decoded_bytes = 512 << 20}, "bytes to decode",
            "small file");
    bytes_free(&b);
    bytes_free(&z);
    free(zeros);
}

/* Text and profile that inflate to 64 MiB, plain text of 9 MiB, and thousands of small texts. */
static void test_E01_text_bombs(void)
{
    size_t big = 64u << 20;
    uint8_t *zeros = calloc(big, 1), *packed;
    uLongf n = compressBound(big);
    uint16_t px[4 * 4 * 3] = {0};
    packed = t_alloc(n);
    if (!zeros || compress2(packed, &n, zeros, big, 9) != Z_OK) abort();
    for (int k = 0; k < 5; k++) {
        struct bytes b = {0}, body = {0};
        png_start(&b, 4, 4, 8, 2, 0);
        switch (k) {
        case 0:
            put(&body, "a\0\1\0\0\0", 6), put(&body, packed, n),
                png_chunk(&b, "iTXt", body.p, body.n);
            break;
        case 1:
            put(&body, "a\0\0", 3), put(&body, packed, n), png_chunk(&b, "zTXt", body.p, body.n);
            break;
        case 2:
            put(&body, "a\0\0", 3), put(&body, packed, n), png_chunk(&b, "iCCP", body.p, body.n);
            break;
        case 3:
            put(&body, "a\0", 2), put(&body, zeros, 9 << 20), memset(body.p + 2, 'x', 9 << 20),
                png_chunk(&b, "tEXt", body.p, body.n);
            break;
        default:
            put(&body, "a\0\1\0\0\0", 6), put(&body, packed, n);
            compress2(packed, &n, zeros, 1 << 20, 9);
            body.n = 6, put(&body, packed, n);
            for (int i = 0; i < 300; i++) png_chunk(&b, "iTXt", body.p, body.n);
        }
        png_pixels(&b, px, 4, 4, 8, 2, false, 1000);
        if (k == 2 || k == 0 || k == 1 || k == 4) {
            struct syn_image_decode_opts opts = {0};
            struct syn_image im = {0};
            struct syn_err err = {{0}};
            long before = peak_kib();
            clock_t start = clock();
            syn_status st = syn_image_decode(b.p, b.n, &opts, &im, NULL, &err);
            T_CHECK(st == SYN_TOO_LARGE && !im.pixels, "bomb %d: %s: %s", k, syn_status_word(st),
                    err.text);
            T_CHECK(peak_kib() - before < 10240, "bomb %d: %ld KiB more", k, peak_kib() - before);
            T_CHECK(clock() - start < CLOCKS_PER_SEC, "bomb %d: slow", k);
            syn_image_deinit(&im);
        } else {
            refused(&b, (struct syn_image_limits){0}, "chunk", "plain text");
        }
        bytes_free(&body);
        bytes_free(&b);
    }
    free(packed);
    free(zeros);
}

static void test_E01_frames(void)
{
    uint8_t px[16 * 16 * 3] = {0}, *still = NULL;
    size_t n = WebPEncodeLosslessRGB(px, 16, 16, 48, &still);
    struct bytes chunks = {0}, frame = {0}, b;
    struct syn_image_info info = {0};
    put_vp8x(&chunks, 2, 16, 16);
    put_le(&frame, 0, 6);
    put_le(&frame, 15, 3);
    put_le(&frame, 15, 3);
    put_le(&frame, 100, 4);
    put(&frame, still + 12, n - 12);
    for (int i = 0; i < 10000; i++) riff_chunk(&chunks, "ANMF", frame.p, frame.n);
    b = riff_of(&chunks);
    refused(&b, (struct syn_image_limits){.max_frames = 1}, "10000 frames: limit is 1", "frames");
    T_CHECK(syn_image_probe(b.p, b.n, &info, NULL) == SYN_OK && info.frames == 10000, "%d",
            info.frames);
    bytes_free(&b);
    bytes_free(&frame);
    bytes_free(&chunks);
    WebPFree(still);
}

/* A picture that just fits passes, one byte less does not; the decoder's buffers are part of the
 * sum. */
static void test_boundaries(void)
{
    for (int k = 0; k < 7;
         k++) { /* PNG, turned PNG, JPEG, progressive JPEG, WebP, lossless, lossy with alpha */
        struct syn_image im = photo(640, 320, k == 6 ? 4 : 3, 8, 2), got = {0};
        struct bytes b = {0};
        struct syn_err err = {{0}};
        uint64_t floor = 640 * 320 * (k == 6 ? 4 : 3), low = 0, high = 1 << 24;
        if (k == 0) {
            struct syn_buf out = {0};
            if (syn_image_encode(&im, &(struct syn_image_encode_opts){.format = SYN_IMAGE_PNG},
                                 &out, &err) != SYN_OK)
                abort();
            put(&b, out.data, out.size);
            syn_buf_deinit(&out);
        } else if (k == 1) {
            static uint16_t px[640 * 320 * 3];
            struct bytes exif = {0};
            put_exif(&exif, 6, true);
            png_start(&b, 640, 320, 8, 2, 0);
            png_chunk(&b, "eXIf", exif.p, exif.n);
            png_pixels(&b, px, 640, 320, 8, 2, false, 1000);
            bytes_free(&exif);
            floor *= 2; /* before and after turning */
        } else if (k <= 3) {
            b = jpeg_of(im.pixels, 640, 320, 3,
                        (struct jpeg_how){.in = JCS_RGB,
                                          .stored = JCS_YCbCr,
                                          .h_samp = 1,
                                          .v_samp = 1,
                                          .progressive = k == 3});
            if (k == 3) floor += 640 * 320 * 3 * 2; /* two bytes a coefficient */
        } else {
            struct syn_buf out = {0};
            if (syn_image_encode(
                    &im,
                    &(struct syn_image_encode_opts){.format = SYN_IMAGE_WEBP, .lossless = k == 5},
                    &out, &err) != SYN_OK)
                abort();
            put(&b, out.data, out.size);
            syn_buf_deinit(&out);
            if (k == 5) floor += 640 * 320 * 4;
            if (k == 6) floor += 640 * 320 * 2;
        }
        while (high - low > 1) {
            uint64_t mid = (low + high) / 2;
            struct syn_image_decode_opts opts = {.limits = {.max_pixels = 640 * 320,
                                                            .max_side = 640,
                                                            .max_decoded_bytes = mid,
                                                            .max_frames = 1}};
            syn_status st = syn_image_decode(b.p, b.n, &opts, &got, NULL, &err);
            if (st == SYN_OK)
                high = mid;
            else if (st == SYN_TOO_LARGE)
                low = mid;
            else
                break;
            syn_image_deinit(&got);
        }
        T_CHECK(high - low == 1 && high > floor && high < floor + (600 << 10),
                "kind %d: %llu bytes, floor %llu: %s", k, (unsigned long long)high,
                (unsigned long long)floor, err.text);
        refused(&b, (struct syn_image_limits){.max_pixels = 640 * 320 - 1},
                "204800 pixels: limit is 204799", "pixels");
        refused(&b, (struct syn_image_limits){.max_side = 639}, "640: limit is 639", "side");
        bytes_free(&b);
        syn_image_deinit(&im);
    }
}

static void test_init(void)
{
    static const int bad[][4] = {{0, 1, 3, 8},           {1, 0, 3, 8},           {-1, 1, 3, 8},
                                 {1 << 20 | 1, 1, 3, 8}, {1, 1 << 20 | 1, 3, 8}, {1, 1, 1, 8},
                                 {1, 1, 5, 8},           {1, 1, 3, 1},           {1, 1, 3, 32}};
    struct syn_image im = {0};
    struct syn_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        T_CHECK(syn_image_init(&im, bad[i][0], bad[i][1], bad[i][2], bad[i][3], &err) ==
                        SYN_INVALID &&
                    !im.pixels,
                "%zu", i);
    syn_alloc_fail_at(1);
    T_CHECK(syn_image_init(&im, 1, 1, 3, 8, &err) == SYN_NO_MEMORY && !im.pixels, "no memory");
    syn_alloc_fail_at(0);
    T_CHECK(syn_image_init(&im, 1 << 20, 1, 4, 16, &err) == SYN_OK && im.pixels && !im.gray,
            "largest side");
    syn_image_deinit(&im);
    T_CHECK(!im.pixels && !im.width, "deinit leaves zeros");
    syn_image_deinit(&im);
}

int main(void)
{
    test_E01_header_only();
    test_E01_text_bombs();
    test_E01_small_file();
    test_E01_frames();
    test_boundaries();
    test_init();
    return t_report();
}
