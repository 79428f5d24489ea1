/* image.h - pictures as bytes (PNG, JPEG, WebP) and as pixels, and nothing in between.
 *
 * One decoder stands in front of all pipelines: whatever came in, what comes out is upright (EXIF
 * orientation applied), sRGB (embedded ICC profile, PNG gAMA/cHRM or sRGB chunk honoured), straight
 * alpha, RGB or RGBA, 8 or 16 bits a sample. Format is decided by the first bytes, never by a name.
 *
 * Layer:   server/media: kernels/base and libraries only.
 * Units:   pixels; samples of 8 or 16 bits (native-endian uint16_t), full range.
 * Threads: pure functions; call from any thread at the same time.
 * Ownership: syn_image and syn_buf own their memory; deinit is safe on a zeroed struct and leaves
 *            one. */
#ifndef SYN_IMAGE_H
#define SYN_IMAGE_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum syn_image_format { SYN_IMAGE_UNKNOWN, SYN_IMAGE_PNG, SYN_IMAGE_JPEG, SYN_IMAGE_WEBP };

/* How the colours got to sRGB. CONVERTED: by what the file itself says (a profile, or PNG's sRGB,
 * gAMA and cHRM chunks), also where that came out as sRGB already. ASSUMED: the file says nothing,
 * or has a profile that cannot be used. PRESERVED: the caller asked to leave them alone. */
enum syn_image_color { SYN_COLOR_ASSUMED_SRGB, SYN_COLOR_CONVERTED, SYN_COLOR_PRESERVED };

struct syn_image {
    int32_t width, height;  /* upright, >= 1 */
    int32_t channels;       /* 3 = RGB, 4 = RGB and straight alpha */
    int32_t bits;           /* 8 or 16 per sample */
    bool gray;              /* the source was grey: R = G = B everywhere */
    void *pixels;           /* [height][width][channels] without gaps, uint8_t or uint16_t; owned */
};

/* Limits, checked against the header before anything is allocated. 0 = no limit of that kind. */
struct syn_image_limits {
    uint64_t max_pixels;        /* width * height */
    int32_t max_side;           /* width and height each */
    /* of the finished syn_image and of the decoder's own buffers together */
    uint64_t max_decoded_bytes;
    int32_t max_frames;         /* animated WebP: more is SYN_TOO_LARGE; a still pipeline passes 1.
                                 * What is decoded of an animation is its first frame */
};

/* What the header says: no pixel has been decoded. Width and height are upright. */
struct syn_image_info {
    enum syn_image_format format;
    int32_t width, height;
    int32_t channels;    /* 3 or 4, as syn_image would have */
    int32_t bits;        /* 8 or 16, as syn_image would have */
    int32_t orientation; /* EXIF tag 1..8 as stored; 1 when absent */
    int32_t frames;      /* 1 for a still */
    bool gray;
    uint64_t decode_bytes; /* what max_decoded_bytes is held against */
};

struct syn_image_report {
    enum syn_image_color color;
    bool truncated;   /* accept_truncated was on and the data ended early: the rest is grey */
};

struct syn_image_decode_opts {
    struct syn_image_limits limits;
    bool accept_truncated; /* otherwise a file that ends early is SYN_TRUNCATED */
    bool keep_color;       /* do not convert by the profile (SYN_COLOR_PRESERVED) */
};

struct syn_image_encode_opts {
    enum syn_image_format format;
    int32_t quality;  /* JPEG, WebP: 1..100; 0 = default (JPEG 92 with 4:4:4, WebP 90) */
    bool lossless;    /* WebP */
    int32_t level;    /* PNG: zlib 1..9; 0 = default (fast: 3) */
    bool gray;        /* write one grey channel (PNG and JPEG) when image->gray */
};

struct syn_buf {
    uint8_t *data; /* owned */
    size_t size;
};

void syn_image_deinit(struct syn_image *im);
void syn_buf_deinit(struct syn_buf *b);

/* By magic bytes; SYN_IMAGE_UNKNOWN for anything else (GIF, BMP, PSD, PNM, TGA... included). */
enum syn_image_format syn_image_sniff(const void *bytes, size_t n);
const char *syn_image_media_type(enum syn_image_format f); /* "image/png"; NULL for UNKNOWN */
/* "png" | "jpeg" | "jpg" | "webp"; UNKNOWN for any other word. */
enum syn_image_format syn_image_format_of(const char *word);

/* Allocates w*h*channels samples, contents undefined. SYN_INVALID for a side < 1 or > 2^20,
 * channels not 3 or 4, bits not 8 or 16; SYN_NO_MEMORY. *im untouched on failure. */
SYN_MUST_CHECK syn_status syn_image_init(struct syn_image *im, int32_t w, int32_t h,
                                         int32_t channels, int32_t bits, struct syn_err *err);

/* Header only, O(header) time and memory. SYN_UNSUPPORTED: not one of the formats; SYN_TRUNCATED;
 * SYN_INVALID: malformed. */
SYN_MUST_CHECK syn_status syn_image_probe(const void *bytes, size_t n, struct syn_image_info *info,
                                          struct syn_err *err);

/* SYN_TOO_LARGE names the limit and the value; SYN_TRUNCATED; SYN_INVALID (malformed, wrong CRC);
 * SYN_UNSUPPORTED; SYN_NO_MEMORY. On success the caller owns *out; on failure *out is untouched.
 * report may be NULL. */
SYN_MUST_CHECK syn_status syn_image_decode(const void *bytes, size_t n,
                                           const struct syn_image_decode_opts *opts,
                                           struct syn_image *out, struct syn_image_report *report,
                                           struct syn_err *err);

/* JPEG takes no alpha: an image with 4 channels is composited on white first. JPEG and WebP are 8
 * bit: 16-bit images are rounded. PNG keeps 16 bits and alpha. The output has an sRGB marker (PNG
 * sRGB chunk) and no other metadata. SYN_INVALID: a side over the format's own limit (JPEG 65500,
 * WebP 16383). On success the caller owns *out. */
SYN_MUST_CHECK syn_status syn_image_encode(const struct syn_image *im,
                                           const struct syn_image_encode_opts *opts,
                                           struct syn_buf *out, struct syn_err *err);

/* Resampling between any two sizes: Lanczos-3 or Catmull-Rom bicubic, widened when shrinking
 * (antialiased), separable, sums in float or wider. Images with alpha are filtered premultiplied
 * and divided back, so hidden colours never bleed. 8 and 16 bits keep their depth. On success the
 * caller owns *out (same channels, bits and gray as im). */
enum syn_image_filter {
    SYN_FILTER_BICUBIC,
    SYN_FILTER_LANCZOS3,
    SYN_FILTER_BILINEAR,
    SYN_FILTER_NEAREST
};
SYN_MUST_CHECK syn_status syn_image_resize(const struct syn_image *im, int32_t w, int32_t h,
                                           enum syn_image_filter filter, struct syn_image *out,
                                           struct syn_err *err);

/* Spreads the colour of visible pixels under the wholly transparent ones (nearest visible colour,
 * pushed outward until every pixel is covered; an image without any visible pixel is left alone),
 * so that a model or a filter run on the colours alone makes no dark fringe. In place; channels
 * must be 4. */
SYN_MUST_CHECK syn_status syn_image_bleed_alpha(struct syn_image *im, struct syn_err *err);

#endif
