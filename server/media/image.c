/* image.c - see image.h: the front of the codecs, and what does not depend on a format.
 *
 * Layer:   server/media.
 * Threads: pure functions; nothing is shared.
 * Memory:  a decode holds the finished pixels, the codec's buffers (syn_codec_header.work_bytes)
 *          and, for the four orientations that swap the sides, a second copy of the pixels. That
 *          sum is what max_decoded_bytes is held against before the first of them is allocated. The
 *          tables of a colour conversion (at most a few MiB) are not in it. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <string.h>

struct format {
    enum syn_image_format id;
    const char *name, *word, *other_word, *media_type;
    syn_read_header_fn *read_header;
    syn_decode_fn *decode;
    syn_encode_fn *encode;
};

static const struct format formats[] = {
    {SYN_IMAGE_PNG, "PNG", "png", "png", "image/png", syn_png_read_header, syn_png_decode,
     syn_png_encode},
    {SYN_IMAGE_JPEG, "JPEG", "jpeg", "jpg", "image/jpeg", syn_jpeg_read_header, syn_jpeg_decode,
     syn_jpeg_encode},
    {SYN_IMAGE_WEBP, "WebP", "webp", "webp", "image/webp", syn_webp_read_header, syn_webp_decode,
     syn_webp_encode},
};

static const struct format *find_format(enum syn_image_format id)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].id == id) return &formats[i];
    return NULL;
}

/* --- the two owning structs --- */

void syn_image_deinit(struct syn_image *im)
{
    if (!im) return;
    syn_free(im->pixels);
    memset(im, 0, sizeof *im);
}

void syn_buf_deinit(struct syn_buf *b)
{
    if (!b) return;
    syn_free(b->data);
    memset(b, 0, sizeof *b);
}

syn_status syn_image_init(struct syn_image *im, int32_t w, int32_t h, int32_t channels,
                          int32_t bits, struct syn_err *err)
{
    size_t bytes;
    void *pixels;
    if (w < 1 || w > SYN_IMAGE_MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "width = %" PRId32 ": must be in [1, %d]", w,
                        SYN_IMAGE_MAX_SIDE);
    if (h < 1 || h > SYN_IMAGE_MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "height = %" PRId32 ": must be in [1, %d]", h,
                        SYN_IMAGE_MAX_SIDE);
    if (channels != 3 && channels != 4)
        return syn_fail(err, SYN_INVALID, "channels = %" PRId32 ": must be 3 or 4", channels);
    if (bits != 8 && bits != 16)
        return syn_fail(err, SYN_INVALID, "bits = %" PRId32 ": must be 8 or 16", bits);
    if (!syn_mul((size_t)w * (size_t)channels * (size_t)(bits / 8), (size_t)h, &bytes) ||
        !(pixels = syn_alloc(bytes)))
        return syn_fail(err, SYN_NO_MEMORY,
                        "no memory for a picture of %" PRId32 " x %" PRId32 ", %" PRId32
                        " channels of %" PRId32 " bits",
                        w, h, channels, bits);
    memset(im, 0, sizeof *im);
    im->width = w;
    im->height = h;
    im->channels = channels;
    im->bits = bits;
    im->pixels = pixels;
    return SYN_OK;
}

void syn_image_fill_gray(struct syn_image *im)
{
    size_t n = (size_t)im->width * (size_t)im->height;
    memset(im->pixels, 0x80, syn_image_row_bytes(im) * (size_t)im->height);
    if (im->channels != 4) return;
    for (size_t i = 0; i < n; i++) {
        if (im->bits == 8)
            ((uint8_t *)im->pixels)[i * 4 + 3] = 255;
        else
            ((uint16_t *)im->pixels)[i * 4 + 3] = 65535;
    }
}

void syn_image_row_to_8(const struct syn_image *im, int32_t y, bool on_white, uint8_t *out)
{
    const uint8_t *p8 = syn_image_row(im, y);
    const uint16_t *p16 = (const uint16_t *)(const void *)p8;
    size_t w = (size_t)im->width, ch = (size_t)im->channels;
    if (!on_white || ch == 3) {
        if (im->bits == 8)
            memcpy(out, p8, w * ch);
        else
            for (size_t i = 0; i < w * ch; i++) out[i] = syn_sample_16_to_8(p16[i]);
        return;
    }
    for (size_t x = 0; x < w; x++) {
        uint64_t top = im->bits == 8 ? 255 : 65535;
        uint64_t a = im->bits == 8 ? p8[x * 4 + 3] : p16[x * 4 + 3];
        for (size_t c = 0; c < 3; c++) { /* rounded once, from full precision */
            uint64_t v = im->bits == 8 ? p8[x * 4 + c] : p16[x * 4 + c];
            out[x * 3 + c] =
                (uint8_t)(((v * a + top * (top - a)) * 255 + top * top / 2) / (top * top));
        }
    }
}

bool syn_sink_append(struct syn_sink *s, const void *bytes, size_t n)
{
    size_t need, room = s->room;
    if (!syn_add(s->buf.size, n, &need)) return false;
    if (need > room) {
        uint8_t *grown;
        size_t half = room / 2;
        if (!syn_add(room, half, &room) || room < need) room = need;
        if (room < 65536) room = 65536;
        grown = syn_realloc(s->buf.data, room, 1);
        if (!grown) return false;
        s->buf.data = grown;
        s->room = room;
    }
    if (n) memcpy(s->buf.data + s->buf.size, bytes, n);
    s->buf.size = need;
    return true;
}

void syn_sink_finish(struct syn_sink *s, struct syn_buf *out)
{
    uint8_t *cut = s->room > s->buf.size ? syn_realloc(s->buf.data, s->buf.size, 1) : NULL;
    *out = s->buf;
    if (cut) out->data = cut;
    memset(s, 0, sizeof *s);
}

/* --- formats --- */

enum syn_image_format syn_image_sniff(const void *bytes, size_t n)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10};
    static const uint8_t jpeg[3] = {0xff, 0xd8, 0xff};
    const uint8_t *p = bytes;
    if (n >= sizeof png && !memcmp(p, png, sizeof png)) return SYN_IMAGE_PNG;
    if (n >= sizeof jpeg && !memcmp(p, jpeg, sizeof jpeg)) return SYN_IMAGE_JPEG;
    if (n >= 12 && !memcmp(p, "RIFF", 4) && !memcmp(p + 8, "WEBP", 4)) return SYN_IMAGE_WEBP;
    return SYN_IMAGE_UNKNOWN;
}

const char *syn_image_media_type(enum syn_image_format f)
{
    const struct format *format = find_format(f);
    return format ? format->media_type : NULL;
}

enum syn_image_format syn_image_format_of(const char *word)
{
    for (size_t i = 0; word && i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(word, formats[i].word) || !strcmp(word, formats[i].other_word))
            return formats[i].id;
    return SYN_IMAGE_UNKNOWN;
}

static syn_status read_header(struct syn_bytes file, const struct format **format,
                              struct syn_codec_header *h, struct syn_err *err)
{
    enum syn_image_format id = file.p ? syn_image_sniff(file.p, file.left) : SYN_IMAGE_UNKNOWN;
    syn_status st;
    *format = find_format(id);
    if (!*format) {
        uint8_t first[4] = {0};
        if (file.left) memcpy(first, file.p, file.left < 4 ? file.left : 4);
        return syn_fail(err, SYN_UNSUPPORTED,
                        "%zu bytes that start with %02x %02x %02x %02x: must be PNG, JPEG or WebP",
                        file.left, first[0], first[1], first[2], first[3]);
    }
    memset(h, 0, sizeof *h);
    h->info.format = id;
    h->info.orientation = 1;
    h->info.frames = 1;
    st = (*format)->read_header(file, h, err);
    return st == SYN_OK ? SYN_OK : syn_fail_in(err, st, "%s: ", (*format)->name);
}

static bool swaps_sides(int32_t orientation) { return orientation >= 5; }

/* Pixels, the codec's buffers, and a copy when the sides are swapped. Stays far below 2^64: each
 * side has at most 31 bits here, a pixel at most 8 bytes. */
static uint64_t decode_bytes(const struct syn_codec_header *h)
{
    uint64_t bytes = (uint64_t)h->info.width * (uint64_t)h->info.height *
                     (uint64_t)h->info.channels * (uint64_t)(h->info.bits / 8);
    return bytes + h->work_bytes + (swaps_sides(h->info.orientation) ? bytes : 0);
}

syn_status syn_image_probe(const void *bytes, size_t n, struct syn_image_info *info,
                           struct syn_err *err)
{
    const struct format *format;
    struct syn_codec_header h;
    syn_status st = read_header(syn_bytes_of(bytes, n), &format, &h, err);
    if (st != SYN_OK) return st;
    *info = h.info;
    info->decode_bytes = decode_bytes(&h);
    if (swaps_sides(h.info.orientation)) {
        info->width = h.info.height;
        info->height = h.info.width;
    }
    return SYN_OK;
}

static syn_status check_limits(const struct syn_codec_header *h, const struct syn_image_limits *l,
                               struct syn_err *err)
{
    int32_t w = h->info.width, ht = h->info.height;
    uint64_t pixels = (uint64_t)w * (uint64_t)ht, total = decode_bytes(h);
    int32_t max_side =
        l->max_side > 0 && l->max_side < SYN_IMAGE_MAX_SIDE ? l->max_side : SYN_IMAGE_MAX_SIDE;
    if (w > max_side)
        return syn_fail(err, SYN_TOO_LARGE, "width = %" PRId32 ": limit is %" PRId32, w, max_side);
    if (ht > max_side)
        return syn_fail(err, SYN_TOO_LARGE, "height = %" PRId32 ": limit is %" PRId32, ht,
                        max_side);
    if (l->max_pixels && pixels > l->max_pixels)
        return syn_fail(err, SYN_TOO_LARGE,
                        "%" PRId32 " x %" PRId32 " = %" PRIu64 " pixels: limit is %" PRIu64, w, ht,
                        pixels, l->max_pixels);
    if (l->max_frames && h->info.frames > l->max_frames)
        return syn_fail(err, SYN_TOO_LARGE, "%" PRId32 " frames: limit is %" PRId32, h->info.frames,
                        l->max_frames);
    if (l->max_decoded_bytes && total > l->max_decoded_bytes)
        return syn_fail(err, SYN_TOO_LARGE,
                        "%" PRId32 " x %" PRId32 " needs %" PRIu64
                        " bytes to decode: limit is %" PRIu64,
                        w, ht, total, l->max_decoded_bytes);
    return SYN_OK;
}

syn_status syn_image_decode(const void *bytes, size_t n, const struct syn_image_decode_opts *opts,
                            struct syn_image *out, struct syn_image_report *report,
                            struct syn_err *err)
{
    struct syn_bytes file = syn_bytes_of(bytes, n);
    struct syn_image_report said = {0};
    struct syn_image im = {0};
    struct syn_codec_header h;
    const struct format *format;
    syn_status st = read_header(file, &format, &h, err);
    if (st != SYN_OK) return st;
    st = check_limits(&h, &opts->limits, err);
    if (st == SYN_OK && h.cut && !opts->accept_truncated)
        st = syn_fail(err, SYN_TRUNCATED, "the file ends after %zu bytes, before its end", n);
    if (st == SYN_OK)
        st = syn_image_init(&im, h.info.width, h.info.height, h.info.channels, h.info.bits, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "%s: ", format->name);

    im.gray = h.info.gray;
    said.truncated = h.cut;
    st = format->decode(file, &h, opts, &im, &said, err);
    if (st == SYN_OK) st = syn_image_orient(&im, h.info.orientation, err);
    if (st != SYN_OK) {
        syn_image_deinit(&im);
        return syn_fail_in(err, st, "%s: ", format->name);
    }
    *out = im;
    if (report) *report = said;
    return SYN_OK;
}

syn_status syn_image_encode(const struct syn_image *im, const struct syn_image_encode_opts *opts,
                            struct syn_buf *out, struct syn_err *err)
{
    const struct format *format = find_format(opts->format);
    syn_status st;
    if (!format)
        return syn_fail(err, SYN_INVALID, "format = %d: must be PNG, JPEG or WebP",
                        (int)opts->format);
    if (!im->pixels || im->width < 1 || im->height < 1 ||
        (im->channels != 3 && im->channels != 4) || (im->bits != 8 && im->bits != 16))
        return syn_fail(err, SYN_INVALID,
                        "picture of %" PRId32 " x %" PRId32 ", %" PRId32 " channels of %" PRId32
                        " bits: not one that syn_image_init makes",
                        im->width, im->height, im->channels, im->bits);
    if (opts->quality < 0 || opts->quality > 100)
        return syn_fail(err, SYN_INVALID, "quality = %" PRId32 ": must be in [1, 100], or 0",
                        opts->quality);
    if (opts->level < 0 || opts->level > 9)
        return syn_fail(err, SYN_INVALID, "level = %" PRId32 ": must be in [1, 9], or 0",
                        opts->level);
    st = format->encode(im, opts, out, err);
    return st == SYN_OK ? SYN_OK : syn_fail_in(err, st, "%s: ", format->name);
}
