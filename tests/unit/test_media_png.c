/* test_media_png.c - PNG in every legal kind, its faults, and what is written. Inputs are built
 * chunk by chunk here, with zlib alone. */
#include "kernels/base/alloc.h"
#include "tests/unit/test_media.h"
#include <time.h>

enum { W = 5, H = 3, SIDE = 160 };

static const uint8_t palette[16 * 3] = {0,   0,   0,   255, 0,   0,   0,   255, 0,  0,  0,  255,
                                        10,  20,  30,  250, 251, 252, 1,   2,   3,  4,  5,  6,
                                        99,  98,  97,  70,  80,  90,  200, 100, 50, 25, 75, 125,
                                        255, 255, 255, 128, 128, 128, 64,  32,  16, 7,  77, 177};
static const uint8_t palette_alpha[16] = {0, 128, 255, 77, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static unsigned scaled(unsigned v, int depth)
{
    return depth >= 8 ? v : v * 255 / ((1u << depth) - 1);
}

/* What sample c of the RGBA picture must be for the raw samples of a pixel. */
static unsigned wanted(const uint16_t *raw, int depth, int type, bool trns, int c)
{
    unsigned top = depth == 16 ? 65535 : 255;
    switch (type) {
    case 0:
        if (c == 3) return trns && raw[0] == 1 ? 0 : top;
        return scaled(raw[0], depth);
    case 2:
        if (c == 3) return trns && raw[0] == 3 && raw[1] == 4 && raw[2] == 5 ? 0 : top;
        return raw[c];
    case 3: return c == 3 ? (trns ? palette_alpha[raw[0]] : 255) : palette[raw[0] * 3 + c];
    case 4: return c == 3 ? raw[1] : raw[0];
    default: return raw[c];
    }
}

static void one_layout(int depth, int type, bool trns, bool interlaced)
{
    uint16_t raw[W * H * 4];
    int n = png_samples(type);
    struct bytes b = {0};
    struct syn_image im = {0};
    struct syn_image_info info = {0};
    char what[80];
    unsigned off = 0;
    snprintf(what, sizeof what, "depth %d type %d%s%s", depth, type, trns ? " tRNS" : "",
             interlaced ? " Adam7" : "");
    for (int i = 0; i < W * H * n; i++) {
        raw[i] = (uint16_t)((unsigned)(i * 40503 + 3) % (1u << depth));
        if (type == 3 && raw[i] > 15) raw[i] %= 16;
    }
    if (type == 2) raw[9] = 3, raw[10] = 4, raw[11] = 5;
    if (type == 0) raw[7] = 1;
    png_start(&b, W, H, depth, type, interlaced);
    if (type == 3) png_chunk(&b, "PLTE", palette, (size_t)(depth < 4 ? 1 << depth : 16) * 3);
    if (trns && type == 3)
        png_chunk(&b, "tRNS", palette_alpha, (size_t)(depth < 4 ? 1 << depth : 16));
    if (trns && type == 0) png_chunk(&b, "tRNS", "\0\1", 2);
    if (trns && type == 2) png_chunk(&b, "tRNS", "\0\3\0\4\0\5", 6);
    png_pixels(&b, raw, W, H, depth, type, interlaced, 7);

    T_CHECK(syn_image_probe(b.p, b.n, &info, NULL) == SYN_OK, "%s: probe", what);
    if (decodes(&b, NULL, &im, NULL, what)) {
        int channels = trns || type >= 4 ? 4 : 3;
        T_CHECK(im.width == W && im.height == H && im.channels == channels &&
                    im.bits == (depth == 16 ? 16 : 8),
                "%s: %d x %d, %d channels of %d", what, im.width, im.height, im.channels, im.bits);
        T_CHECK(im.gray == (type == 0 || type == 4), "%s: gray %d", what, im.gray);
        T_CHECK(info.width == W && info.height == H && info.channels == im.channels &&
                    info.bits == im.bits && info.gray == im.gray && info.frames == 1 &&
                    info.format == SYN_IMAGE_PNG,
                "%s: info", what);
        for (int i = 0; i < W * H; i++)
            for (int c = 0; c < im.channels; c++)
                off += sample_at(&im, i % W, i / W, c) != wanted(raw + i * n, depth, type, trns, c);
        T_CHECK(off == 0, "%s: %u samples differ", what, off);
    }
    syn_image_deinit(&im);
    bytes_free(&b);
}

static void test_A11_layouts(void)
{
    static const int kinds[][2] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {8, 2}, {16, 2}, {1, 3},
                                   {2, 3}, {4, 3}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}};
    struct bytes b;
    struct syn_image im = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (int k = 0; k < 4; k++) {
            if ((k & 1) && kinds[i][1] >= 4) continue;
            one_layout(kinds[i][0], kinds[i][1], k & 1, k & 2);
        }
    }
    b = png_of((const uint16_t[]){0, 1, 2, 3}, 4, 1, 2, 0);
    if (decodes(&b, NULL, &im, NULL, "gray2"))
        for (int x = 0; x < 4; x++)
            T_CHECK(sample_at(&im, x, 0, 1) == (unsigned)x * 85, "gray2 %d: %u", x,
                    sample_at(&im, x, 0, 1));
    syn_image_deinit(&im);
    bytes_free(&b);
    b = png_of((const uint16_t[]){9}, 1, 1, 4, 0);
    if (decodes(&b, NULL, &im, NULL, "gray4"))
        T_CHECK(sample_at(&im, 0, 0, 2) == 153, "gray4 9: %u", sample_at(&im, 0, 0, 2));
    syn_image_deinit(&im);
    bytes_free(&b);
}

static struct bytes rich_png(void) /* every kind of chunk that there may be, pixels in two IDATs */
{
    static uint16_t raw[SIDE * SIDE * 3];
    float *noise = t_uniform(7, SIDE * SIDE * 3, 0, 256);
    struct bytes b = {0}, exif = {0};
    for (int i = 0; i < SIDE * SIDE * 3; i++) raw[i] = (uint16_t)noise[i];
    free(noise);
    put_exif(&exif, 3, true);
    png_start(&b, SIDE, SIDE, 8, 2, 0);
    png_chunk(&b, "gAMA", "\0\0\xb1\x8f", 4);
    png_chunk(&b, "tEXt", "Comment\0hello", 13);
    png_chunk(&b, "pHYs", "\0\0\x0b\x13\0\0\x0b\x13\1", 9);
    png_chunk(&b, "eXIf", exif.p, exif.n);
    png_pixels(&b, raw, SIDE, SIDE, 8, 2, false, 40000);
    bytes_free(&exif);
    return b;
}

/* E02: one wrong CRC byte, in whatever chunk, is SYN_INVALID, and at once. */
static void test_E02_wrong_crc(void)
{
    struct bytes b = rich_png();
    struct syn_image im = {0};
    struct syn_err err;
    int chunks = 0;
    T_CHECK(decodes(&b, NULL, &im, NULL, "untouched"), "the picture itself");
    syn_image_deinit(&im);
    for (size_t at = 8; at + 12 <= b.n;) {
        size_t n = (size_t)b.p[at] << 24 | (size_t)b.p[at + 1] << 16 | (size_t)b.p[at + 2] << 8 |
                   b.p[at + 3];
        for (size_t k = 0; k < 4; k++) {
            struct syn_image_decode_opts opts = {0};
            clock_t start = clock();
            syn_status st;
            b.p[at + 8 + n + k] ^= 0x40;
            st = syn_image_decode(b.p, b.n, &opts, &im, NULL, &err);
            T_CHECK(st == SYN_INVALID && strstr(err.text, "PNG"), "%.4s CRC byte %zu: %s %s",
                    (char *)b.p + at + 4, k, syn_status_word(st), err.text);
            T_CHECK(clock() - start < CLOCKS_PER_SEC / 10, "%.4s: slow", (char *)b.p + at + 4);
            b.p[at + 8 + n + k] ^= 0x40;
            if (st == SYN_OK) syn_image_deinit(&im);
        }
        at += 12 + n;
        chunks++;
    }
    T_CHECK(chunks >= 8, "%d chunks", chunks);
    bytes_free(&b);
}

/* E02: kind by the first bytes alone; others are not supported. */
static void test_E02_magic(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *what;
    } others[] = {{"\x53\x80\xf6\x34", 4, "PIC"},
                  {"P6\n1 1\n255\nabc", 14, "PNM"},
                  {"BM\x3a\0\0\0\0\0\0\0", 10, "BMP"},
                  {"\0\0\2\0\0\0\0\0\0\0\0\0\1\0\1\0\x18\0", 18, "TGA"},
                  {"8BPS\0\1\0\0\0\0\0\0", 12, "PSD"},
                  {"GIF89a\1\0\1\0", 10, "GIF"},
                  {"RIFF\x24\0\0\0WAVEfmt ", 16, "WAV"},
                  {"II*\0\x08\0\0\0", 8, "TIFF"},
                  {"\x89PNG\r\n\x1a", 7, "short PNG"},
                  {"\xff\xd8", 2, "short JPEG"},
                  {"", 0, "nothing"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct syn_image_decode_opts opts = {0};
        struct syn_image im = {0};
        struct syn_image_info info;
        struct syn_err err;
        T_CHECK(syn_image_sniff(others[i].bytes, others[i].n) == SYN_IMAGE_UNKNOWN, "%s",
                others[i].what);
        T_CHECK(syn_image_decode(others[i].bytes, others[i].n, &opts, &im, NULL, &err) ==
                    SYN_UNSUPPORTED,
                "%s", others[i].what);
        T_CHECK(syn_image_probe(others[i].bytes, others[i].n, &info, &err) == SYN_UNSUPPORTED, "%s",
                others[i].what);
        T_CHECK(!im.pixels, "%s: touched", others[i].what);
    }
    T_CHECK(syn_image_format_of("jpg") == SYN_IMAGE_JPEG &&
                syn_image_format_of("jpeg") == SYN_IMAGE_JPEG &&
                syn_image_format_of("png") == SYN_IMAGE_PNG &&
                syn_image_format_of("webp") == SYN_IMAGE_WEBP &&
                syn_image_format_of("gif") == SYN_IMAGE_UNKNOWN &&
                syn_image_format_of("") == SYN_IMAGE_UNKNOWN,
            "words");
    T_CHECK(!strcmp(syn_image_media_type(SYN_IMAGE_WEBP), "image/webp") &&
                !syn_image_media_type(SYN_IMAGE_UNKNOWN),
            "types");
}

/* E03, at every length: an error without the option; with it, from the first pixel byte on, a
 * picture whose missing rows are grey. */
static void test_E03_truncation(void)
{
    struct bytes b = rich_png();
    struct syn_image_decode_opts strict = {0}, lax = {.accept_truncated = true};
    struct syn_image whole = {0};
    size_t taken = 0;
    if (!decodes(&b, NULL, &whole, NULL, "whole")) return;
    for (size_t n = 8; n < b.n; n = next_cut(n, b.n, 400, 397)) {
        struct syn_image im = {0};
        struct syn_image_report report = {0};
        struct syn_err err = {{0}};
        syn_status st = syn_image_decode(b.p, n, &strict, &im, NULL, &err);
        T_CHECK(st == SYN_TRUNCATED, "cut at %zu of %zu: %s %s", n, b.n, syn_status_word(st),
                err.text);
        st = syn_image_decode(b.p, n, &lax, &im, &report, &err);
        T_CHECK(st == SYN_TRUNCATED || (st == SYN_OK && report.truncated), "lax, cut at %zu: %s", n,
                syn_status_word(st));
        taken += st == SYN_OK;
        syn_image_deinit(&im);
    }
    T_CHECK(taken > 50, "only %zu taken", taken);
    for (int percent = 10; percent <= 90; percent += 40) {
        struct syn_image im = {0};
        struct syn_image_report report = {0};
        struct syn_err err;
        size_t n = b.n * (size_t)percent / 100;
        int rows = 0;
        T_CHECK(syn_image_decode(b.p, n, &lax, &im, &report, &err) == SYN_OK, "%d %%", percent);
        for (int y = 0; y < SIDE && im.pixels;
             y++) { /* stored orientation 3: the last rows came first */
            size_t at = (size_t)(SIDE - 1 - y) * SIDE * 3;
            if (memcmp((uint8_t *)im.pixels + at, (uint8_t *)whole.pixels + at, SIDE * 3)) break;
            rows++;
        }
        T_CHECK(rows > percent * SIDE / 100 - 20 && rows <= percent * SIDE / 100 + 1,
                "%d %%: %d rows", percent, rows);
        T_CHECK(percent > 10 ? rows > 0 : rows >= 0, "%d %%: %d rows", percent, rows);
        T_CHECK(im.pixels && sample_at(&im, 0, 0, 0) == 128, "%d %%: grey", percent);
        syn_image_deinit(&im);
    }
    syn_image_deinit(&whole);
    bytes_free(&b);
}

static void test_round_trips(void)
{
    for (int k = 0; k < 16; k++) {
        int channels = k & 1 ? 4 : 3, bits = k & 2 ? 16 : 8;
        bool gray = k & 4;
        struct syn_image im = photo(37, 21, channels, bits, (uint64_t)k), back = {0};
        struct syn_image_encode_opts opts = {
            .format = SYN_IMAGE_PNG, .gray = gray, .level = k & 8 ? 9 : 0};
        struct syn_image_report report = {0};
        struct syn_buf out = {0};
        struct syn_err err;
        if (gray) {
            im.gray = true;
            for (size_t i = 0; i < 37 * 21; i++)
                for (size_t c = 1; c < 3; c++) {
                    if (bits == 8)
                        ((uint8_t *)im.pixels)[i * (size_t)channels + c] =
                            ((uint8_t *)im.pixels)[i * (size_t)channels];
                    else
                        ((uint16_t *)im.pixels)[i * (size_t)channels + c] =
                            ((uint16_t *)im.pixels)[i * (size_t)channels];
                }
        }
        if (bits == 16)
            ((uint16_t *)im.pixels)[0] = 0x1234, im.gray = false; /* low bytes of their own */
        if (bits == 16 && gray)
            ((uint16_t *)im.pixels)[1] = ((uint16_t *)im.pixels)[2] = 0x1234, im.gray = true;
        T_CHECK(syn_image_encode(&im, &opts, &out, &err) == SYN_OK, "encode %d", k);
        T_CHECK(out.size > 41 && out.data[24] == bits &&
                    out.data[25] == (gray ? 0 : 2) + (channels == 4 ? 4 : 0),
                "kind %d: depth %d type %d", k, out.data[24], out.data[25]);
        T_CHECK(out.size > 50 && !memcmp(out.data + 37, "sRGB", 4), "no sRGB chunk (%d)", k);
        T_CHECK(syn_image_decode(out.data, out.size,
                                 &(struct syn_image_decode_opts){{0}, false, false}, &back, &report,
                                 &err) == SYN_OK,
                "decode %d", k);
        T_CHECK(farthest(&im, &back) == 0, "%d: differs by %d", k, farthest(&im, &back));
        T_CHECK(back.gray == gray && report.color == SYN_COLOR_CONVERTED && !report.truncated,
                "%d: report", k);
        syn_image_deinit(&back);
        syn_image_deinit(&im);
        syn_buf_deinit(&out);
    }
}

/* libspng allocates through syn_alloc, so each of its blocks fails here once, too. */
static void test_each_allocation(void)
{
    struct bytes b = rich_png();
    struct syn_image im = {0};
    struct syn_buf out = {0};
    struct syn_err err;
    syn_status st = SYN_NO_MEMORY;
    long n = 0;
    while (st != SYN_OK && n < 200) {
        struct syn_image_decode_opts opts = {0};
        syn_alloc_fail_at(++n);
        st = syn_image_decode(b.p, b.n, &opts, &im, NULL, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !im.pixels),
                "decode, allocation %ld: %s %s", n, syn_status_word(st), err.text);
    }
    T_CHECK(n > 5 && st == SYN_OK, "%ld allocations", n);
    st = SYN_NO_MEMORY;
    for (n = 0; st != SYN_OK && n < 200 && im.pixels;) {
        struct syn_image_encode_opts opts = {.format = SYN_IMAGE_PNG};
        syn_alloc_fail_at(++n);
        st = syn_image_encode(&im, &opts, &out, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !out.data), "encode, allocation %ld: %s %s",
                n, syn_status_word(st), err.text);
    }
    T_CHECK(n > 5 && st == SYN_OK, "%ld allocations", n);
    syn_buf_deinit(&out);
    syn_image_deinit(&im);
    bytes_free(&b);
}

static void test_malformed(void)
{
    static const int bad[][3] = {{3, 0, 0}, {16, 3, 0}, {4, 2, 0}, {1, 4, 0},
                                 {8, 1, 0}, {8, 5, 0},  {8, 7, 0}, {8, 2, 2}};
    struct syn_image_info info;
    struct syn_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bytes b = {0};
        png_start(&b, 3, 3, bad[i][0], bad[i][1], bad[i][2]);
        png_chunk(&b, "IDAT", "", 0);
        T_CHECK(syn_image_probe(b.p, b.n, &info, &err) == SYN_INVALID,
                "depth %d type %d interlace %d", bad[i][0], bad[i][1], bad[i][2]);
        bytes_free(&b);
    }
    for (int k = 0; k < 3; k++) {
        struct bytes b = {0};
        png_start(&b, k == 0 ? 0 : k == 1 ? 0x80000000u : 3, k == 2 ? 0 : 3, 8, 2, 0);
        png_chunk(&b, "IDAT", "", 0);
        T_CHECK(syn_image_probe(b.p, b.n, &info, &err) == SYN_INVALID && strstr(err.text, "sides"),
                "size %d", k);
        bytes_free(&b);
    }
}

int main(void)
{
    test_A11_layouts();
    test_E02_wrong_crc();
    test_E02_magic();
    test_E03_truncation();
    test_round_trips();
    test_each_allocation();
    test_malformed();
    return t_report();
}
