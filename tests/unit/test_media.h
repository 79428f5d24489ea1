/* test_media.h - builders for the tests of server/media: PNG, JPEG and WebP files byte by byte, so
 * that what is decoded was not written by the code under test.
 *
 * Layer:   tests. Bytes grow in a struct bytes; free with bytes_free. */
#ifndef SYN_TEST_MEDIA_H
#define SYN_TEST_MEDIA_H

#include "server/media/image.h"
#include "tests/t.h"
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <zlib.h>

#define UNUSED_OK __attribute__((unused))

struct bytes {
    uint8_t *p;
    size_t n;
    size_t room; /* reserved; 0: each put fits the block to its bytes, so that a sanitizer sees overruns */
};

static inline void reserve(struct bytes *b, size_t n)
{
    b->p = realloc(b->p, n);
    if (!b->p) abort();
    b->room = n;
}
/* Not inlined: GCC 12 then sees overflows that are none. */
static UNUSED_OK __attribute__((noinline)) void put(struct bytes *b, const void *data, size_t n)
{
    if (b->n + n + 1 > b->room) b->p = realloc(b->p, b->n + n + 1);
    if (!b->p) abort();
    if (n) memcpy(b->p + b->n, data, n);
    b->n += n;
}
static inline void put8(struct bytes *b, unsigned v)
{
    uint8_t c = (uint8_t)v;
    put(b, &c, 1);
}
static inline void put32be(struct bytes *b, uint32_t v)
{
    for (int s = 24; s >= 0; s -= 8) put8(b, v >> s & 255);
}
static inline void put_le(struct bytes *b, uint32_t v, int n)
{
    for (int i = 0; i < n; i++) put8(b, i < 4 ? v >> (8 * i) & 255 : 0);
}
static inline void bytes_free(struct bytes *b)
{
    free(b->p);
    memset(b, 0, sizeof *b);
}

/* --- EXIF: a TIFF block with two entries, the second of which is the orientation --- */

UNUSED_OK static void put_exif(struct bytes *b, int orientation, bool big)
{
    const uint8_t le[] = {'I',
                          'I',
                          42,
                          0,
                          8,
                          0,
                          0,
                          0,
                          2,
                          0,
                          /* Make, ASCII, 4 bytes */ 0x0f,
                          1,
                          2,
                          0,
                          4,
                          0,
                          0,
                          0,
                          'a',
                          'b',
                          'c',
                          0,
                          /* Orientation, SHORT, 1 */ 0x12,
                          1,
                          3,
                          0,
                          1,
                          0,
                          0,
                          0,
                          (uint8_t)orientation,
                          0,
                          0,
                          0,
                          0,
                          0,
                          0,
                          0};
    const uint8_t be[] = {
        'M', 'M', 0,   42,  0,   0, 0, 8,    0, 2, 1, 0x0f, 0, 2, 0, 0,
        0,   4,   'a', 'b', 'c', 0, 1, 0x12, 0, 3, 0, 0,    0, 1, 0, (uint8_t)orientation,
        0,   0,   0,   0,   0,   0};
    put(b, big ? be : le, sizeof le);
}

/* --- PNG --- */

static inline void png_chunk(struct bytes *b, const char *type, const void *data, size_t n)
{
    size_t start;
    put32be(b, (uint32_t)n);
    start = b->n;
    put(b, type, 4);
    put(b, data, n);
    put32be(b, (uint32_t)crc32(0, b->p + start, (unsigned)(n + 4)));
}

static inline void png_start(struct bytes *b, uint32_t w, uint32_t h, int depth, int type,
                             int interlace)
{
    struct bytes head = {0};
    put(b, "\x89PNG\r\n\x1a\n", 8);
    put32be(&head, w);
    put32be(&head, h);
    put8(&head, (unsigned)depth);
    put8(&head, (unsigned)type);
    put8(&head, 0);
    put8(&head, 0);
    put8(&head, (unsigned)interlace);
    png_chunk(b, "IHDR", head.p, head.n);
    bytes_free(&head);
}

static inline int png_samples(int type)
{
    return type == 2 ? 3 : type == 4 ? 2 : type == 6 ? 4 : 1;
}

/* Samples are [h][w][samples] in raw units of the depth. */
static inline void png_pass(struct bytes *raw, const uint16_t *samples, int w, int h, int depth,
                            int n, int x0, int y0, int dx, int dy)
{
    for (int y = y0; y < h; y += dy) {
        unsigned held = 0, bits = 0;
        if (x0 >= w) break;
        put8(raw, 0);
        for (int x = x0; x < w; x += dx) {
            for (int c = 0; c < n; c++) {
                unsigned v = samples[(y * w + x) * n + c];
                if (depth == 16) put8(raw, v >> 8);
                held = held << (depth == 16 ? 8 : depth) | (depth == 16 ? v & 255 : v);
                bits += depth == 16 ? 8 : (unsigned)depth;
                if (bits == 8) {
                    put8(raw, held);
                    held = bits = 0;
                }
            }
        }
        if (bits) put8(raw, held << (8 - bits));
    }
}

/* IDAT (in pieces of at most `piece` bytes) and IEND. */
UNUSED_OK static void png_pixels(struct bytes *b, const uint16_t *samples, int w, int h, int depth,
                                 int type, bool interlaced, size_t piece)
{
    static const int pass[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                   {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    struct bytes raw = {0};
    uLongf n;
    uint8_t *packed;
    reserve(&raw, ((size_t)w * 8 + 16) * (size_t)h + 1024); /* a sanitizer's realloc copies each time */
    if (!interlaced) png_pass(&raw, samples, w, h, depth, png_samples(type), 0, 0, 1, 1);
    for (int i = 0; i < 7 && interlaced; i++)
        png_pass(&raw, samples, w, h, depth, png_samples(type), pass[i][0], pass[i][1], pass[i][2],
                 pass[i][3]);
    n = compressBound(raw.n);
    packed = t_alloc(n);
    if (compress2(packed, &n, raw.p, raw.n, 6) != Z_OK) abort();
    for (size_t at = 0; at < n; at += piece)
        png_chunk(b, "IDAT", packed + at, n - at < piece ? n - at : piece);
    png_chunk(b, "IEND", NULL, 0);
    free(packed);
    bytes_free(&raw);
}

/* A PNG of one piece, 8 or 16 bits, from samples. */
UNUSED_OK static struct bytes png_of(const uint16_t *samples, int w, int h, int depth, int type)
{
    struct bytes b = {0};
    png_start(&b, (uint32_t)w, (uint32_t)h, depth, type, 0);
    png_pixels(&b, samples, w, h, depth, type, false, SIZE_MAX / 2);
    return b;
}

/* --- JPEG, by libjpeg's own encoder --- */

struct jpeg_how {
    J_COLOR_SPACE in, stored;
    int quality, h_samp, v_samp, restart;
    bool progressive, no_adobe, arithmetic;
    const uint8_t *app1;
    size_t app1_n;
    const uint8_t *icc;
    size_t icc_n;
};

UNUSED_OK static struct bytes jpeg_of(const uint8_t *pixels, int w, int h, int n,
                                      struct jpeg_how how)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr e;
    unsigned char *out = NULL;
    unsigned long size = 0;
    struct bytes b = {0};
    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, &size);
    c.image_width = (JDIMENSION)w;
    c.image_height = (JDIMENSION)h;
    c.input_components = n;
    c.in_color_space = how.in;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, how.stored);
    jpeg_set_quality(&c, how.quality ? how.quality : 95, TRUE);
    if (how.h_samp) c.comp_info[0].h_samp_factor = how.h_samp;
    if (how.v_samp) c.comp_info[0].v_samp_factor = how.v_samp;
    if (how.no_adobe) c.write_Adobe_marker = FALSE;
    c.arith_code = how.arithmetic;
    c.restart_interval = (unsigned)how.restart;
    if (how.progressive) jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    if (how.app1) jpeg_write_marker(&c, JPEG_APP0 + 1, how.app1, (unsigned)how.app1_n);
    if (how.icc) jpeg_write_icc_profile(&c, how.icc, (unsigned)how.icc_n);
    for (int y = 0; y < h; y++) {
        uint8_t *row = t_alloc((size_t)w * (size_t)n);
        JSAMPROW r = row;
        memcpy(row, pixels + (size_t)y * (size_t)w * (size_t)n, (size_t)w * (size_t)n);
        jpeg_write_scanlines(&c, &r, 1);
        free(row);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    put(&b, out, size);
    free(out);
    return b;
}

/* --- RIFF --- */

static inline void riff_chunk(struct bytes *b, const char *type, const void *data, size_t n)
{
    put(b, type, 4);
    put_le(b, (uint32_t)n, 4);
    put(b, data, n);
    if (n & 1) put8(b, 0);
}

UNUSED_OK static struct bytes riff_of(const struct bytes *chunks)
{
    struct bytes b = {0};
    put(&b, "RIFF", 4);
    put_le(&b, (uint32_t)chunks->n + 4, 4);
    put(&b, "WEBP", 4);
    put(&b, chunks->p, chunks->n);
    return b;
}

UNUSED_OK static void put_vp8x(struct bytes *chunks, unsigned flags, int w, int h)
{
    struct bytes x = {0};
    put_le(&x, flags, 4);
    put_le(&x, (uint32_t)w - 1, 3);
    put_le(&x, (uint32_t)h - 1, 3);
    riff_chunk(chunks, "VP8X", x.p, x.n);
    bytes_free(&x);
}

/* --- pictures --- */

UNUSED_OK static unsigned sample_at(const struct syn_image *im, int x, int y, int c)
{
    size_t i = ((size_t)y * (size_t)im->width + (size_t)x) * (size_t)im->channels + (size_t)c;
    return im->bits == 8 ? ((const uint8_t *)im->pixels)[i] : ((const uint16_t *)im->pixels)[i];
}

/* Decodes with the given options (NULL: none) and counts a check that it worked. */
UNUSED_OK static bool decodes(const struct bytes *b, const struct syn_image_decode_opts *opts,
                              struct syn_image *im, struct syn_image_report *report,
                              const char *what)
{
    struct syn_image_decode_opts plain = {0};
    struct syn_err err = {{0}};
    syn_status st = syn_image_decode(b->p, b->n, opts ? opts : &plain, im, report, &err);
    T_CHECK(st == SYN_OK, "%s: %s: %s", what, syn_status_word(st), err.text);
    return st == SYN_OK;
}

/* Lengths to cut a file of `size` bytes at: each in its first `head` and last 40 bytes, some
 * between. */
UNUSED_OK static size_t next_cut(size_t n, size_t size, size_t head, size_t step)
{
    if (n < head || n + 40 >= size) return n + 1;
    return n + step + 40 < size ? n + step : size - 40;
}

/* A smooth picture with some texture: what JPEG keeps well. */
UNUSED_OK static struct syn_image photo(int w, int h, int channels, int bits, uint64_t seed)
{
    struct syn_image im = {0};
    struct syn_err err;
    float *noise = t_uniform(seed, (size_t)w * (size_t)h, 0, 12);
    if (syn_image_init(&im, w, h, channels, bits, &err) != SYN_OK) abort();
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            float n = noise[y * w + x], v[4];
            v[0] = 40 + 170 * (float)x / (float)w + n;
            v[1] = 200 - 150 * (float)y / (float)h + n;
            v[2] = 60 + 100 * (float)(x + y) / (float)(w + h) + n;
            v[3] = 255 * (float)((x / 3 + y / 5) % 3) / 2;
            for (int c = 0; c < channels; c++) {
                size_t i = ((size_t)y * (size_t)w + (size_t)x) * (size_t)channels + (size_t)c;
                if (bits == 8)
                    ((uint8_t *)im.pixels)[i] = (uint8_t)v[c];
                else
                    ((uint16_t *)im.pixels)[i] = (uint16_t)(v[c] * 257);
            }
        }
    }
    free(noise);
    return im;
}

/* Largest difference of two pictures of the same shape; -1 for another shape. */
UNUSED_OK static int farthest(const struct syn_image *a, const struct syn_image *b)
{
    int worst = 0;
    if (a->width != b->width || a->height != b->height || a->channels != b->channels ||
        a->bits != b->bits)
        return -1;
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++)
            for (int c = 0; c < a->channels; c++) {
                int d = abs((int)sample_at(a, x, y, c) - (int)sample_at(b, x, y, c));
                if (d > worst) worst = d;
            }
    return worst;
}

#endif
