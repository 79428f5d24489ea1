/* test_media_orient.c - EXIF orientation, all eight tags, in each format that can carry one
 * (A13). */
#include "kernels/base/alloc.h"
#include "tests/unit/test_media.h"

/* A13: the stored picture is ABC/DEF; the rows of what must come out, by tag. */
static const char *const upright[9] = {"",         "ABC/DEF",  "CBA/FED",  "FED/CBA", "DEF/ABC",
                                       "AD/BE/CF", "DA/EB/FC", "FC/EB/DA", "CF/BE/AD"};

/* Each letter is a block of `block` x `block` pixels (8 for JPEG, so that none shares a DCT
 * block). */
static void letter_color(char letter, int rgb[3])
{
    int i = letter - 'A';
    rgb[0] = 40 + 40 * i;
    rgb[1] = 220 - 35 * i;
    rgb[2] = i & 1 ? 200 : 60;
}

static void expect_upright(const struct bytes *b, int tag, int want_tag, int block, int near,
                           const char *what)
{
    const char *want = upright[want_tag];
    int columns = want_tag >= 5 ? 2 : 3, rows = want_tag >= 5 ? 3 : 2, wrong = 0;
    struct syn_image im = {0};
    struct syn_image_info info = {0};
    if (!decodes(b, NULL, &im, NULL, what)) return;
    T_CHECK(im.width == columns * block && im.height == rows * block, "%s tag %d: %d x %d", what,
            tag, im.width, im.height);
    T_CHECK(syn_image_probe(b->p, b->n, &info, NULL) == SYN_OK && info.width == im.width &&
                info.height == im.height && info.orientation == want_tag,
            "%s tag %d: probe says %d x %d, %d", what, tag, info.width, info.height,
            info.orientation);
    for (int y = 0; y < rows && im.width == columns * block; y++)
        for (int x = 0; x < columns; x++) {
            int rgb[3];
            letter_color(want[y * (columns + 1) + x], rgb);
            for (int c = 0; c < 3; c++)
                wrong += abs((int)sample_at(&im, x * block + block / 2, y * block + block / 2, c) /
                                 (im.bits == 16 ? 257 : 1) -
                             rgb[c]) > near;
        }
    T_CHECK(wrong == 0, "%s tag %d: %d samples wrong", what, tag, wrong);
    syn_image_deinit(&im);
}

static void fill(uint16_t *raw, int block, int channels, int unit)
{
    for (int y = 0; y < 2 * block; y++)
        for (int x = 0; x < 3 * block; x++) {
            int rgb[3];
            letter_color("ABCDEF"[y / block * 3 + x / block], rgb);
            for (int c = 0; c < channels; c++)
                raw[(y * 3 * block + x) * channels + c] = (uint16_t)((c < 3 ? rgb[c] : 255) * unit);
        }
}

static void test_A13_png(void)
{
    for (int tag = 1; tag <= 8; tag++) {
        for (int k = 0; k < 8;
             k++) { /* 8 and 16 bits, 3 and 4 channels, before and after the pixels */
            int channels = k & 1 ? 4 : 3, depth = k & 2 ? 16 : 8;
            uint16_t raw[6 * 4];
            struct bytes b = {0}, exif = {0}, pixels = {0};
            fill(raw, 1, channels, depth == 16 ? 257 : 1);
            put_exif(&exif, tag, k & 1);
            png_start(&b, 3, 2, depth, channels == 4 ? 6 : 2, 0);
            png_pixels(&pixels, raw, 3, 2, depth, channels == 4 ? 6 : 2, false, 1000);
            if (k & 4) png_chunk(&b, "eXIf", exif.p, exif.n);
            put(&b, pixels.p, pixels.n - 12);
            if (!(k & 4)) png_chunk(&b, "eXIf", exif.p, exif.n);
            png_chunk(&b, "IEND", NULL, 0);
            expect_upright(&b, tag, tag, 1, 0, "PNG");
            bytes_free(&pixels);
            bytes_free(&exif);
            bytes_free(&b);
        }
    }
}

static struct bytes jpeg_with(const struct bytes *app1)
{
    uint16_t raw[24 * 16 * 3];
    uint8_t px[24 * 16 * 3];
    fill(raw, 8, 3, 1);
    for (int i = 0; i < 24 * 16 * 3; i++) px[i] = (uint8_t)raw[i];
    return jpeg_of(px, 24, 16, 3,
                   (struct jpeg_how){.in = JCS_RGB,
                                     .stored = JCS_YCbCr,
                                     .quality = 100,
                                     .h_samp = 1,
                                     .v_samp = 1,
                                     .app1 = app1->p,
                                     .app1_n = app1->n});
}

static void test_A13_jpeg(void)
{
    for (int tag = 1; tag <= 8; tag++) {
        for (int big = 0; big < 2; big++) {
            struct bytes app1 = {0}, b;
            put(&app1, "Exif\0\0", 6);
            put_exif(&app1, tag, big);
            b = jpeg_with(&app1);
            expect_upright(&b, tag, tag, 8, 5, "JPEG");
            bytes_free(&b);
            bytes_free(&app1);
        }
    }
}

static void test_A13_webp(void)
{
    struct syn_image im = {0};
    struct syn_image_encode_opts opts = {.format = SYN_IMAGE_WEBP, .lossless = true};
    struct syn_buf still = {0};
    struct syn_err err;
    uint16_t raw[24 * 16 * 3];
    fill(raw, 8, 3, 1);
    if (syn_image_init(&im, 24, 16, 3, 8, &err) != SYN_OK) abort();
    for (int i = 0; i < 24 * 16 * 3; i++) ((uint8_t *)im.pixels)[i] = (uint8_t)raw[i];
    T_CHECK(syn_image_encode(&im, &opts, &still, &err) == SYN_OK, "encode");
    for (int tag = 1; tag <= 8 && still.size; tag++) {
        for (int prefix = 0; prefix < 2; prefix++) { /* some writers put JPEG's prefix in front */
            struct bytes chunks = {0}, exif = {0}, b;
            put_vp8x(&chunks, 0x08, 24, 16);
            put(&chunks, still.data + 12, still.size - 12);
            if (prefix) put(&exif, "Exif\0\0", 6);
            put_exif(&exif, tag, tag & 1);
            riff_chunk(&chunks, "EXIF", exif.p, exif.n);
            b = riff_of(&chunks);
            expect_upright(&b, tag, tag, 8, 0, "WebP");
            bytes_free(&b);
            bytes_free(&exif);
            bytes_free(&chunks);
        }
    }
    syn_buf_deinit(&still);
    syn_image_deinit(&im);
}

/* Tags that say nothing sensible, and blocks cut or pointing anywhere, leave the picture as
 * stored. */
static void test_broken_exif(void)
{
    struct bytes whole = {0};
    put(&whole, "Exif\0\0", 6);
    put_exif(&whole, 6, false);
    for (size_t n = 6; n <= whole.n; n++) { /* the tag's value ends 6 bytes before the end */
        struct bytes app1 = {whole.p, n, 0}, b = jpeg_with(&app1);
        expect_upright(&b, 6, n >= whole.n - 6 ? 6 : 1, 8, 5, "cut");
        bytes_free(&b);
    }
    for (int k = 0; k < 7; k++) {
        static const struct {
            size_t at;
            int value;
        } change[7] = {{6 + 30, 9},   {6 + 30, 0}, {6, 'X'},   {6 + 2, 43},
                       {6 + 7, 0x7f}, {6 + 24, 5}, {6 + 26, 2}};
        struct bytes app1 = {0}, b;
        put(&app1, whole.p, whole.n);
        app1.p[change[k].at] = (uint8_t)change[k].value;
        b = jpeg_with(&app1);
        expect_upright(&b, 100 + k, 1, 8, 5, "broken");
        bytes_free(&b);
        bytes_free(&app1);
    }
    bytes_free(&whole);
}

/* Sizes around the tiles of the transposition, against the definition pixel by pixel. */
static void test_A13_large(void)
{
    static const int sides[][2] = {{1, 1}, {1, 40}, {33, 31}, {64, 32}, {65, 97}};
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++) {
        for (int tag = 1; tag <= 8; tag++) {
            int w = sides[s][0], h = sides[s][1], wrong = 0;
            uint16_t *raw = t_alloc((size_t)w * (size_t)h * 2);
            struct bytes b = {0}, exif = {0};
            struct syn_image im = {0};
            for (int i = 0; i < w * h; i++) raw[i] = (uint16_t)(i * 7919 % 65536);
            put_exif(&exif, tag, true);
            png_start(&b, (uint32_t)w, (uint32_t)h, 16, 0, 0);
            png_chunk(&b, "eXIf", exif.p, exif.n);
            png_pixels(&b, raw, w, h, 16, 0, false, 100000);
            if (decodes(&b, NULL, &im, NULL, "large"))
                for (int y = 0; y < h; y++)
                    for (int x = 0; x < w; x++) {
                        int mx = w - 1 - x, my = h - 1 - y;
                        int tx[9] = {0, x, mx, mx, x, y, my, my, y},
                            ty[9] = {0, y, y, my, my, x, x, mx, mx};
                        wrong += tx[tag] >= im.width || ty[tag] >= im.height ||
                                 sample_at(&im, tx[tag], ty[tag], 1) != raw[y * w + x];
                    }
            T_CHECK(wrong == 0 && im.width == (tag < 5 ? w : h) && im.gray,
                    "%d x %d, tag %d: %d wrong", w, h, tag, wrong);
            syn_image_deinit(&im);
            bytes_free(&exif);
            bytes_free(&b);
            free(raw);
        }
    }
}

int main(void)
{
    test_A13_png();
    test_A13_jpeg();
    test_A13_webp();
    test_broken_exif();
    test_A13_large();
    return t_report();
}
