/* png.c - PNG to pixels and back, over libspng.
 *
 * Source:  PNG, third edition (W3C 2023).
 * Layer:   server/media.
 * Threads: pure functions; one spng context per call.
 * Strict:  a wrong CRC is SYN_INVALID in any chunk (libspng would drop an ancillary one), and the
 *          file must go on to its IEND. Chunks other than IDAT are held to CHUNK_MAX_BYTES each and
 *          twice that together, compressed text counted after inflating: that is all a text bomb
 *          can take.
 * Memory:  libspng keeps two raw rows, a row for interlacing and 32 KiB for inflate; it decodes
 *          straight into the finished pixels. A 16-bit grey picture is decoded into the front of
 *          them and spread out from the end.
 * Speed:   writing is bound by zlib. Filters at level 3 on three photographs brought to 2 and 4
 *          megapixels, MP/s and bytes a pixel: Up 13..22, 0.76..1.54; Sub 13..20, 0.86..1.67; Paeth
 *          11..18, 0.80..1.48; choosing among all five for each row 8..12, 0.80..1.48. Hence Up
 *          alone. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <spng.h>
#include <zlib.h>

enum {
    CHUNK_MAX_BYTES = 4 << 20,
    LIBRARY_BYTES = 96 << 10, /* context, inflate state and window */
    DEFAULT_LEVEL = 3,
    FILTERS = SPNG_FILTER_CHOICE_UP
};

/* libspng returns these two from its own reader, outside its public list of errors. */
enum { READ_EOF = -1, READ_ERROR = -2 };

/* libspng calls a full memory a broken file where zlib met it (the inflate window), and its hooks
 * carry no pointer of ours: hence this note to oneself, written and read within one call on one
 * thread. */
static _Thread_local bool out_of_memory;

static void *noted(void *p)
{
    if (!p) out_of_memory = true;
    return p;
}
static void *lib_malloc(size_t n) { return noted(syn_alloc(n)); }
static void *lib_realloc(void *old, size_t n) { return noted(syn_realloc(old, n, 1)); }
static void *lib_calloc(size_t n, size_t size) { return noted(syn_calloc(n, size)); }
static void lib_free(void *p) { syn_free(p); }

static spng_ctx *new_context(int flags)
{
    struct spng_alloc a = {lib_malloc, lib_realloc, lib_calloc, lib_free};
    out_of_memory = false;
    return spng_ctx_new2(&a, flags);
}

static syn_status failed(int ret, const char *doing, struct syn_err *err)
{
    if (out_of_memory) ret = SPNG_EMEM;
    switch (ret) {
    case SPNG_EMEM: return syn_fail(err, SYN_NO_MEMORY, "no memory while %s", doing);
    case READ_EOF:
    case SPNG_EOF:
    case SPNG_EIDAT_TOO_SHORT:
        return syn_fail(err, SYN_TRUNCATED, "the data ends early, while %s", doing);
    case SPNG_ECHUNK_LIMITS:
        return syn_fail(err, SYN_TOO_LARGE,
                        "a chunk beside the pixels: limit is %d bytes, inflated", CHUNK_MAX_BYTES);
    default: return syn_fail(err, SYN_INVALID, "%s, while %s", spng_strerror(ret), doing);
    }
}

/* --- header --- */

static bool legal_depth(uint8_t color_type, uint8_t depth)
{
    switch (color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
        return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case SPNG_COLOR_TYPE_INDEXED: return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case SPNG_COLOR_TYPE_TRUECOLOR:
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA: return depth == 8 || depth == 16;
    default: return false;
    }
}

static syn_status read_ihdr(struct syn_bytes *at, struct syn_codec_header *h, struct syn_err *err)
{
    static const int samples[7] = {1, 0, 3, 1, 2, 0, 4};
    struct syn_bytes chunk, head;
    const uint8_t *body, *tail;
    uint32_t length, width, height, crc;
    uint64_t row_bits;
    if (!syn_bytes_u32(at, true, &length) || at->left < 4)
        return syn_fail(err, SYN_TRUNCATED, "the data ends before the header");
    if (length != 13 || memcmp(at->p, "IHDR", 4))
        return syn_fail(err, SYN_INVALID, "the first chunk must be an IHDR of 13 bytes");
    chunk = *at;
    if (!syn_bytes_take(at, 17, &body) || !syn_bytes_u32(at, true, &crc))
        return syn_fail(err, SYN_TRUNCATED, "the data ends inside the header");
    if (crc != (uint32_t)crc32(0, body, 17))
        return syn_fail(err, SYN_INVALID, "wrong CRC in chunk IHDR");

    head = syn_bytes_of(chunk.p + 4, 13);
    if (!syn_bytes_u32(&head, true, &width) || !syn_bytes_u32(&head, true, &height) ||
        !syn_bytes_take(&head, 5, &tail))
        return syn_fail(err, SYN_INTERNAL, "an IHDR of 13 bytes without 13 bytes");
    if (width < 1 || width > INT32_MAX || height < 1 || height > INT32_MAX)
        return syn_fail(err, SYN_INVALID,
                        "%" PRIu32 " x %" PRIu32 " pixels: sides must be in [1, %d]", width, height,
                        INT32_MAX);
    if (!legal_depth(tail[1], tail[0]))
        return syn_fail(err, SYN_INVALID,
                        "bit depth %u with colour type %u: no such kind of picture", tail[0],
                        tail[1]);
    if (tail[2] != 0 || tail[3] != 0 || tail[4] > 1)
        return syn_fail(err, SYN_INVALID,
                        "compression %u, filter %u, interlace %u: must be 0, 0, 0 or 1", tail[2],
                        tail[3], tail[4]);
    h->info.width = (int32_t)width;
    h->info.height = (int32_t)height;
    h->info.bits = tail[0] == 16 ? 16 : 8;
    h->info.gray =
        tail[1] == SPNG_COLOR_TYPE_GRAYSCALE || tail[1] == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    h->info.channels = tail[1] >= SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ? 4 : 3;
    row_bits = (uint64_t)width * (uint64_t)(samples[tail[1]] * tail[0]);
    h->work_bytes = LIBRARY_BYTES + 3 * ((row_bits + 7) / 8 + 1);
    return SYN_OK;
}

/* Walks the chunks' heads: tRNS adds a channel, eXIf (which may follow the pixels) has the
 * orientation. What lies past the first IDAT may be missing here; the decode will say so. */
syn_status syn_png_read_header(struct syn_bytes file, struct syn_codec_header *h,
                               struct syn_err *err)
{
    struct syn_bytes at = file;
    bool has_pixels = false, ended = false;
    syn_status st;
    if (!syn_bytes_skip(&at, 8))
        return syn_fail(err, SYN_TRUNCATED, "the data ends in its first bytes");
    st = read_ihdr(&at, h, err);
    if (st != SYN_OK) return st;
    for (;;) {
        const uint8_t *type, *body;
        uint32_t length;
        if (!syn_bytes_u32(&at, true, &length) || !syn_bytes_take(&at, 4, &type)) break;
        if (length > INT32_MAX)
            return syn_fail(err, SYN_INVALID, "a chunk of %" PRIu32 " bytes: must be below 2^31",
                            length);
        if (!memcmp(type, "IDAT", 4)) has_pixels = true;
        if (!syn_bytes_take(&at, length, &body) || !syn_bytes_skip(&at, 4)) break;
        if ((ended = !memcmp(type, "IEND", 4))) break;
        if (!has_pixels && !memcmp(type, "tRNS", 4)) h->info.channels = 4;
        if (!memcmp(type, "eXIf", 4))
            h->info.orientation = syn_exif_orientation(syn_bytes_of(body, length));
    }
    h->cut = !ended;
    return has_pixels ? SYN_OK
                      : syn_fail(err, SYN_TRUNCATED, "the data ends before the first pixel");
}

/* --- decode --- */

static void spread_gray16(struct syn_image *im)
{
    const uint16_t *gray = im->pixels;
    uint16_t *rgb = im->pixels;
    for (size_t i = (size_t)im->width * (size_t)im->height; i-- > 0;) {
        uint16_t v = gray[i];
        rgb[i * 3] = rgb[i * 3 + 1] = rgb[i * 3 + 2] = v;
    }
}

/* With a reader, libspng goes on to the last 8 KiB that are there; from a buffer it wants whole
 * chunks. */
static int read_piece(spng_ctx *ctx, void *user, void *dest, size_t n)
{
    const uint8_t *view;
    (void)ctx;
    if (!syn_bytes_take(user, n, &view)) return READ_EOF;
    memcpy(dest, view, n);
    return 0;
}

static int decode_pixels(spng_ctx *ctx, struct syn_image *im)
{
    size_t n = syn_image_row_bytes(im) * (size_t)im->height;
    int ret;
    if (im->channels == 4)
        return spng_decode_image(
            ctx, im->pixels, n, im->bits == 8 ? SPNG_FMT_RGBA8 : SPNG_FMT_RGBA16, SPNG_DECODE_TRNS);
    if (im->bits == 8) return spng_decode_image(ctx, im->pixels, n, SPNG_FMT_RGB8, 0);
    ret = spng_decode_image(ctx, im->pixels, im->gray ? n / 3 : n, SPNG_FMT_PNG, 0);
    if (im->gray) spread_gray16(im);
    return ret;
}

static void read_color(spng_ctx *ctx, struct syn_color_source *src)
{
    struct spng_iccp icc;
    struct spng_chrm c;
    uint8_t intent;
    if (spng_get_iccp(ctx, &icc) == 0) src->icc = syn_bytes_of(icc.profile, icc.profile_len);
    src->srgb = spng_get_srgb(ctx, &intent) == 0;
    if (spng_get_gama(ctx, &src->gamma) != 0) src->gamma = 0;
    if (spng_get_chrm(ctx, &c) == 0) {
        const double xy[8] = {c.white_point_x, c.white_point_y, c.red_x,  c.red_y,
                              c.green_x,       c.green_y,       c.blue_x, c.blue_y};
        memcpy(src->xy, xy, sizeof xy);
        src->has_xy = true;
    }
}

syn_status syn_png_decode(struct syn_bytes file, const struct syn_codec_header *h,
                          const struct syn_image_decode_opts *opts, struct syn_image *im,
                          struct syn_image_report *report, struct syn_err *err)
{
    struct syn_color_source src = {0};
    spng_ctx *ctx = new_context(0);
    syn_status st = SYN_OK;
    int ret;
    if (!ctx) return syn_fail(err, SYN_NO_MEMORY, "no memory for the decoder");
    if (opts->accept_truncated) syn_image_fill_gray(im);

    ret = spng_set_crc_action(ctx, SPNG_CRC_ERROR, SPNG_CRC_ERROR);
    if (!ret) ret = spng_set_image_limits(ctx, (uint32_t)h->info.width, (uint32_t)h->info.height);
    if (!ret) ret = spng_set_chunk_limits(ctx, CHUNK_MAX_BYTES, 2 * CHUNK_MAX_BYTES);
    if (!ret && opts->accept_truncated)
        ret = spng_set_png_stream(ctx, read_piece, &file);
    else if (!ret)
        ret = spng_set_png_buffer(ctx, file.p, file.left);
    if (!ret) ret = decode_pixels(ctx, im);
    if (!ret) ret = spng_decode_chunks(ctx);
    if (ret || out_of_memory)
        st = failed(ret, "reading", err); /* a chunk may have been dropped for it */
    if (st == SYN_TRUNCATED && opts->accept_truncated) {
        report->truncated = true;
        st = SYN_OK;
    }
    if (st == SYN_OK) {
        read_color(ctx, &src);
        st = syn_color_apply(im, &src, opts->keep_color, &report->color, err);
    }
    spng_ctx_free(ctx);
    return st;
}

/* --- encode --- */

static void gray_row(const struct syn_image *im, int32_t y, bool alpha, uint8_t *out)
{
    const uint8_t *p8 = syn_image_row(im, y);
    const uint16_t *p16 = (const uint16_t *)(const void *)p8;
    uint16_t *out16 = (uint16_t *)(void *)out;
    size_t ch = (size_t)im->channels, n = alpha ? 2 : 1;
    for (size_t x = 0; x < (size_t)im->width; x++) {
        if (im->bits == 8) {
            out[x * n] = p8[x * ch];
            if (alpha) out[x * n + 1] = p8[x * ch + 3];
        } else {
            out16[x * n] = p16[x * ch];
            if (alpha) out16[x * n + 1] = p16[x * ch + 3];
        }
    }
}

static int write_rows(spng_ctx *ctx, const struct syn_image *im, bool gray, size_t row_bytes,
                      uint8_t *scratch)
{
    int ret = spng_encode_image(ctx, NULL, 0, SPNG_FMT_PNG,
                                SPNG_ENCODE_PROGRESSIVE | SPNG_ENCODE_FINALIZE);
    for (int32_t y = 0; y < im->height && !ret; y++) {
        if (gray) gray_row(im, y, im->channels == 4, scratch);
        ret = spng_encode_row(ctx, gray ? scratch : syn_image_row(im, y), row_bytes);
    }
    return ret == SPNG_EOI ? 0 : ret;
}

syn_status syn_png_encode(const struct syn_image *im, const struct syn_image_encode_opts *opts,
                          struct syn_buf *out, struct syn_err *err)
{
    bool gray = opts->gray && im->gray;
    size_t samples = (gray ? 1u : 3u) + (im->channels == 4 ? 1u : 0u);
    size_t row_bytes = (size_t)im->width * samples * (size_t)(im->bits / 8), size = 0;
    struct spng_ihdr ihdr = {.width = (uint32_t)im->width,
                             .height = (uint32_t)im->height,
                             .bit_depth = (uint8_t)im->bits};
    uint8_t *scratch = gray ? syn_alloc(row_bytes) : NULL;
    spng_ctx *ctx = new_context(SPNG_CTX_ENCODER);
    void *data = NULL;
    int level = opts->level ? opts->level : DEFAULT_LEVEL;
    int ret = (gray && !scratch) || !ctx ? SPNG_EMEM : 0;

    ihdr.color_type = (uint8_t)((gray ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR) |
                                (im->channels == 4 ? SPNG_COLOR_TYPE_GRAYSCALE_ALPHA : 0));
    if (!ret) ret = spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    if (!ret) ret = spng_set_option(ctx, SPNG_IMG_COMPRESSION_LEVEL, level);
    if (!ret) ret = spng_set_option(ctx, SPNG_FILTER_CHOICE, FILTERS);
    if (!ret) ret = spng_set_ihdr(ctx, &ihdr);
    if (!ret) ret = spng_set_srgb(ctx, 0);
    if (!ret) ret = write_rows(ctx, im, gray, row_bytes, scratch);
    if (!ret) data = spng_get_png_buffer(ctx, &size, &ret);
    spng_ctx_free(ctx);
    syn_free(scratch);
    if (ret || !data) {
        syn_free(data);
        return failed(ret ? ret : SPNG_EMEM, "writing", err);
    }
    out->data = data;
    out->size = size;
    return SYN_OK;
}
