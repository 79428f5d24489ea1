/* webp.c - WebP to pixels and back, over libwebp.
 *
 * Source:  RFC 9649 (container, VP8L), RFC 6386 (VP8).
 * Layer:   server/media.
 * Threads: pure functions; libwebp keeps no state between calls.
 * Way:     the RIFF chunks are walked here (sizes, frames, EXIF, ICC), the pixels come from libwebp
 *          straight into ours. Of an animation the first frame is decoded, on a transparent canvas.
 * Memory:  libwebp's own, from malloc: VP8L keeps the picture as 32-bit pixels; VP8 a few rows, and
 *          two bytes a pixel for the alpha plane and its filter. The frame of an animation that
 *          does not cover its canvas is decoded apart and copied. All in work_bytes. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <webp/decode.h>
#include <webp/encode.h>

enum {
    LIBRARY_BYTES = 512 << 10,
    FLAG_ANIMATION = 0x02,
    FLAG_ALPHA = 0x10,
    FRAME_HEAD = 16, /* x, y, w, h, duration in 3 bytes each, flags in one */
    DEFAULT_QUALITY = 90,
    LOSSLESS_EFFORT = 2, /* libwebp's 0..9: later steps cost several times the time for 2 % */
    WEBP_SIDE = WEBP_MAX_DIMENSION
};

static uint32_t u24(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16; }

/* --- header --- */

struct chunk {
    const uint8_t *type; /* 4 bytes */
    struct syn_bytes body, whole;
    bool cut; /* the body is shorter than it says */
};

static bool next_chunk(struct syn_bytes *at, struct chunk *c)
{
    uint32_t size;
    const uint8_t *start = at->p;
    size_t had = at->left;
    if (!syn_bytes_take(at, 4, &c->type) || !syn_bytes_u32le(at, &size)) return false;
    c->cut = size > at->left;
    c->body = syn_bytes_of(at->p, c->cut ? at->left : size);
    (void)syn_bytes_skip(at, c->body.left);
    if (size & 1) (void)syn_bytes_skip(at, 1);
    c->whole = syn_bytes_of(start, had - at->left);
    return true;
}

static bool is(const struct chunk *c, const char *type) { return !memcmp(c->type, type, 4); }
static bool is_pixels(const struct chunk *c) { return is(c, "VP8 ") || is(c, "VP8L"); }

/* Frame: [ALPH] and VP8, or VP8L. What libwebp says of them; work_bytes from their kind. */
static syn_status read_frame(struct syn_codec_header *h, WebPBitstreamFeatures *f,
                             struct syn_err *err)
{
    VP8StatusCode code = WebPGetFeatures(h->frame.p, h->frame.left, f);
    uint64_t pixels;
    if (code == VP8_STATUS_NOT_ENOUGH_DATA)
        return syn_fail(err, SYN_TRUNCATED, "the data ends inside the header of the picture");
    if (code != VP8_STATUS_OK || f->width < 1 || f->height < 1)
        return syn_fail(err, SYN_INVALID, "the header of the picture is not one of VP8 or VP8L");
    pixels = (uint64_t)f->width * (uint64_t)f->height;
    h->work_bytes = LIBRARY_BYTES + (uint64_t)f->width * 128 +
                    (f->format == 2 ? 4 * pixels
                     : f->has_alpha ? 2 * pixels
                                    : 0);
    h->frame_w = f->width;
    h->frame_h = f->height;
    return SYN_OK;
}

/* The chunks of a file with VP8X: picks out what is wanted, from the file or its first frame. */
static syn_status walk(struct syn_bytes at, struct syn_codec_header *h, bool animated,
                       struct syn_err *err)
{
    struct chunk c, alpha = {0};
    int32_t frames = 0;
    while (next_chunk(&at, &c)) {
        if (c.cut) h->cut = true;
        if (is(&c, "ICCP") && !c.cut && !h->icc.left) h->icc = c.body;
        if (is(&c, "EXIF") && !c.cut) h->info.orientation = syn_exif_orientation(c.body);
        if (is(&c, "ANMF") && animated && ++frames == 1) {
            if (c.body.left < FRAME_HEAD)
                return syn_fail(err, c.cut ? SYN_TRUNCATED : SYN_INVALID,
                                "frame 0: its head is missing");
            h->frame_x = (int32_t)u24(c.body.p) * 2;
            h->frame_y = (int32_t)u24(c.body.p + 3) * 2;
            h->frame = syn_bytes_of(c.body.p + FRAME_HEAD, c.body.left - FRAME_HEAD);
        }
        if (is(&c, "ALPH") && !animated && !h->frame.left) alpha = c;
        if (is_pixels(&c) && !animated && !h->frame.left) {
            const uint8_t *from = alpha.type ? alpha.whole.p : c.whole.p;
            h->frame = syn_bytes_of(from, (size_t)(c.whole.p + c.whole.left - from));
        }
        if (is(&c, "ANMF") && frames == INT32_MAX) break;
    }
    if (animated) h->info.frames = frames;
    if (!h->frame.left)
        return syn_fail(err, h->cut || at.left ? SYN_TRUNCATED : SYN_INVALID,
                        "there is no picture in it");
    return SYN_OK;
}

static syn_status read_extended(struct syn_bytes rest, const struct chunk *vp8x,
                                struct syn_codec_header *h, bool *alpha, struct syn_err *err)
{
    bool animated, covered;
    WebPBitstreamFeatures f;
    uint64_t w, ht;
    syn_status st;
    if (vp8x->body.left < 10)
        return syn_fail(err, vp8x->cut ? SYN_TRUNCATED : SYN_INVALID,
                        "chunk VP8X: must have 10 bytes");
    animated = vp8x->body.p[0] & FLAG_ANIMATION;
    w = (uint64_t)u24(vp8x->body.p + 4) + 1;
    ht = (uint64_t)u24(vp8x->body.p + 7) + 1;
    st = walk(rest, h, animated, err);
    if (st == SYN_OK) st = read_frame(h, &f, err);
    if (st != SYN_OK) return st;
    covered = h->frame_w == (int32_t)w && h->frame_h == (int32_t)ht;
    if (!animated && !covered)
        return syn_fail(err, SYN_INVALID,
                        "picture of %d x %d on a canvas of %d x %d: must be equal", h->frame_w,
                        h->frame_h, (int)w, (int)ht);
    if ((uint64_t)h->frame_x + (uint64_t)h->frame_w > w ||
        (uint64_t)h->frame_y + (uint64_t)h->frame_h > ht)
        return syn_fail(err, SYN_INVALID,
                        "frame 0 of %d x %d at %d, %d: must lie in the canvas of %d x %d",
                        h->frame_w, h->frame_h, h->frame_x, h->frame_y, (int)w, (int)ht);
    *alpha = f.has_alpha || !covered;
    if (!covered) h->work_bytes += (uint64_t)h->frame_w * (uint64_t)h->frame_h * 4;
    h->info.width = (int32_t)w;
    h->info.height = (int32_t)ht;
    return SYN_OK;
}

syn_status syn_webp_read_header(struct syn_bytes file, struct syn_codec_header *h,
                                struct syn_err *err)
{
    struct syn_bytes at = file;
    struct chunk c;
    uint32_t riff = 0;
    bool alpha = false;
    syn_status st;
    if (!syn_bytes_skip(&at, 4) || !syn_bytes_u32le(&at, &riff) || !syn_bytes_skip(&at, 4))
        return syn_fail(err, SYN_TRUNCATED, "the data ends in its first bytes");
    if (riff < 12)
        return syn_fail(err, SYN_INVALID, "RIFF of %" PRIu32 " bytes: must be at least 12", riff);
    /* a missing pad byte at the very end takes nothing away */
    if (riff > (uint64_t)at.left + 4 + 1) h->cut = true;
    if (at.left > riff - 4) at.left = riff - 4; /* bytes behind the container are nobody's */
    if (!next_chunk(&at, &c))
        return syn_fail(err, SYN_TRUNCATED, "the data ends before the first chunk");
    if (c.cut) h->cut = true;
    if (is(&c, "VP8X")) {
        st = read_extended(at, &c, h, &alpha, err);
    } else if (is_pixels(&c)) {
        WebPBitstreamFeatures f;
        h->frame = c.whole;
        st = read_frame(h, &f, err);
        alpha = st == SYN_OK && f.has_alpha;
        h->info.width = h->frame_w;
        h->info.height = h->frame_h;
    } else {
        st = syn_fail(err, SYN_INVALID, "the first chunk must be VP8, VP8L or VP8X");
    }
    h->info.channels = alpha ? 4 : 3;
    h->info.bits = 8;
    return st;
}

/* --- decode --- */

/* The frame into w x h pixels at p. A frame that ends early is SYN_TRUNCATED; then what had been
 * decoded is there if opts allow such files, and the rest is left as it was. */
static syn_status decode_frame(const struct syn_codec_header *h, bool accept_truncated, uint8_t *p,
                               size_t stride, bool alpha, struct syn_err *err)
{
    size_t size = stride * (size_t)(h->frame_h - 1) + (size_t)h->frame_w * (alpha ? 4 : 3);
    WebPDecoderConfig config;
    VP8StatusCode code;
    if (!WebPInitDecoderConfig(&config))
        return syn_fail(err, SYN_INTERNAL, "libwebp is of another version than its header");
    config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = p;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = size;
    if (accept_truncated) { /* only the incremental decoder leaves the rows that it had */
        WebPIDecoder *piecemeal = WebPIDecode(NULL, 0, &config);
        if (!piecemeal) return syn_fail(err, SYN_NO_MEMORY, "no memory for the decoder");
        code = WebPIUpdate(piecemeal, h->frame.p, h->frame.left);
        WebPIDelete(piecemeal);
    } else {
        code = WebPDecode(h->frame.p, h->frame.left, &config);
    }
    WebPFreeDecBuffer(&config.output);
    switch (code) {
    case VP8_STATUS_OK: return SYN_OK;
    case VP8_STATUS_OUT_OF_MEMORY: return syn_fail(err, SYN_NO_MEMORY, "no memory for the decoder");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return syn_fail(err, SYN_TRUNCATED, "the data ends inside the picture");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return syn_fail(err, SYN_UNSUPPORTED, "it uses a feature that libwebp does not have");
    default:
        return syn_fail(err, SYN_INVALID, "the picture's data is broken (libwebp: %d)", (int)code);
    }
}

static syn_status decode_apart(const struct syn_codec_header *h, bool accept_truncated,
                               struct syn_image *im, struct syn_err *err)
{
    struct syn_image frame = {0};
    syn_status st = syn_image_init(&frame, h->frame_w, h->frame_h, 4, 8, err);
    if (st != SYN_OK) return st;
    syn_image_fill_gray(&frame);
    memset(im->pixels, 0, syn_image_row_bytes(im) * (size_t)im->height);
    st = decode_frame(h, accept_truncated, frame.pixels, syn_image_row_bytes(&frame), true, err);
    for (int32_t y = 0; y < h->frame_h && (st == SYN_OK || st == SYN_TRUNCATED); y++)
        memcpy(syn_image_row(im, h->frame_y + y) + (size_t)h->frame_x * 4, syn_image_row(&frame, y),
               syn_image_row_bytes(&frame));
    syn_image_deinit(&frame);
    return st;
}

syn_status syn_webp_decode(struct syn_bytes file, const struct syn_codec_header *h,
                           const struct syn_image_decode_opts *opts, struct syn_image *im,
                           struct syn_image_report *report, struct syn_err *err)
{
    struct syn_color_source src = {.icc = h->icc};
    bool covers = h->frame_w == im->width && h->frame_h == im->height;
    syn_status st;
    (void)file;
    if (opts->accept_truncated) syn_image_fill_gray(im);
    st = covers ? decode_frame(h, opts->accept_truncated, im->pixels, syn_image_row_bytes(im),
                               im->channels == 4, err)
                : decode_apart(h, opts->accept_truncated, im, err);
    if (st == SYN_TRUNCATED && opts->accept_truncated) {
        report->truncated = true;
        st = SYN_OK;
    }
    if (st == SYN_OK) st = syn_color_apply(im, &src, opts->keep_color, &report->color, err);
    return st;
}

/* --- encode --- */

static int keep_bytes(const uint8_t *data, size_t n, const WebPPicture *picture)
{
    return syn_sink_append(picture->custom_ptr, data, n);
}

static bool import(WebPPicture *picture, const struct syn_image *im, uint8_t *eight_bits)
{
    const uint8_t *p = eight_bits ? eight_bits : im->pixels;
    size_t row = (size_t)im->width * (size_t)im->channels;
    for (int32_t y = 0; eight_bits && y < im->height; y++)
        syn_image_row_to_8(im, y, false, eight_bits + (size_t)y * row);
    return im->channels == 4 ? WebPPictureImportRGBA(picture, p, (int)row)
                             : WebPPictureImportRGB(picture, p, (int)row);
}

static syn_status encode_failed(WebPEncodingError code, struct syn_err *err)
{
    if (code == VP8_ENC_ERROR_OUT_OF_MEMORY || code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY ||
        code == VP8_ENC_ERROR_BAD_WRITE)
        return syn_fail(err, SYN_NO_MEMORY, "no memory for the encoder");
    return syn_fail(err, SYN_INTERNAL, "libwebp refused to write (error %d)", (int)code);
}

syn_status syn_webp_encode(const struct syn_image *im, const struct syn_image_encode_opts *opts,
                           struct syn_buf *out, struct syn_err *err)
{
    struct syn_sink sink = {0};
    uint8_t *eight_bits = NULL;
    WebPPicture picture;
    WebPConfig config;
    syn_status st = SYN_OK;
    if (im->width > WEBP_SIDE || im->height > WEBP_SIDE)
        return syn_fail(err, SYN_INVALID,
                        "%" PRId32 " x %" PRId32 " pixels: sides must be at most %d", im->width,
                        im->height, WEBP_SIDE);
    if (!WebPPictureInit(&picture) ||
        !WebPConfigPreset(&config, WEBP_PRESET_DEFAULT,
                          (float)(opts->quality ? opts->quality : DEFAULT_QUALITY)) ||
        (opts->lossless && !WebPConfigLosslessPreset(&config, LOSSLESS_EFFORT)))
        return syn_fail(err, SYN_INTERNAL, "libwebp is of another version than its header");
    config.exact = opts->lossless; /* colours under alpha 0 are kept, too */
    picture.use_argb = opts->lossless;
    picture.width = im->width;
    picture.height = im->height;
    picture.writer = keep_bytes;
    picture.custom_ptr = &sink;
    if (im->bits == 16) {
        eight_bits = syn_alloc((size_t)im->width * (size_t)im->height * (size_t)im->channels);
        if (!eight_bits) st = syn_fail(err, SYN_NO_MEMORY, "no memory for the picture in 8 bits");
    }
    if (st == SYN_OK && (!import(&picture, im, eight_bits) || !WebPEncode(&config, &picture)))
        st = encode_failed(picture.error_code, err);
    if (st == SYN_OK) syn_sink_finish(&sink, out);
    WebPPictureFree(&picture);
    syn_buf_deinit(&sink.buf);
    syn_free(eight_bits);
    return st;
}
