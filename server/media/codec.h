/* codec.h - what the three formats have in common, seen from inside server/media.
 *
 * The way of a decode, in image.c: sniff -> read_header (no pixel, no large block) -> limits ->
 * syn_image_init -> decode (fills the pixels, colours already sRGB) -> orient.
 *
 * Layer:   server/media, private to it.
 * Threads: pure functions.
 * New format: one row in image.c's table with these three functions. */
#ifndef SYN_MEDIA_CODEC_H
#define SYN_MEDIA_CODEC_H

#include "kernels/base/bytes.h"
#include "server/media/image.h"

#define SYN_IMAGE_MAX_SIDE (1 << 20)
#define SYN_ICC_MAX_BYTES \
    (8u << 20) /* a larger profile is refused: the large CMYK ones have 2 MiB */

/* Views point into the file's bytes and live as long as those. */
struct syn_codec_header {
    struct syn_image_info info; /* width and height as stored, not yet upright */
    uint64_t work_bytes;      /* decoder's own buffers at their peak, without the finished pixels */
    struct syn_bytes icc;     /* WebP only; PNG's is compressed, JPEG's comes in pieces */
    struct syn_bytes frame;   /* WebP: chunks of the first frame (ALPH, VP8 or VP8L) */
    int32_t frame_x, frame_y; /* WebP: where the first frame lies in the picture */
    int32_t frame_w, frame_h;
    bool cut; /* the container says that more bytes follow than there are */
};

/* SYN_TRUNCATED, SYN_INVALID, SYN_UNSUPPORTED; *h undefined on failure. */
typedef syn_status syn_read_header_fn(struct syn_bytes file, struct syn_codec_header *h,
                                      struct syn_err *err);
/* Fills im, which has the header's size, channels and bits. *report is zeroed before. */
typedef syn_status syn_decode_fn(struct syn_bytes file, const struct syn_codec_header *h,
                                 const struct syn_image_decode_opts *opts, struct syn_image *im,
                                 struct syn_image_report *report, struct syn_err *err);
/* im and opts have been checked, except for the format's own limit on sides. */
typedef syn_status syn_encode_fn(const struct syn_image *im,
                                 const struct syn_image_encode_opts *opts, struct syn_buf *out,
                                 struct syn_err *err);

syn_read_header_fn syn_png_read_header, syn_jpeg_read_header, syn_webp_read_header;
syn_decode_fn syn_png_decode, syn_jpeg_decode, syn_webp_decode;
syn_encode_fn syn_png_encode, syn_jpeg_encode, syn_webp_encode;

/* Orientation 1..8 of a TIFF block (what EXIF is), with or without "Exif\0\0" before it; 1 when it
 * has none, or one outside 1..8, or cannot be read: a broken tag is no reason to refuse a
 * picture. */
int32_t syn_exif_orientation(struct syn_bytes exif);

/* Turns *im upright; on success it may own another block. SYN_NO_MEMORY leaves it as it was. */
SYN_MUST_CHECK syn_status syn_image_orient(struct syn_image *im, int32_t orientation,
                                           struct syn_err *err);

/* What a file says about its colours. All zero: nothing. Precedence: icc, srgb, gamma and xy. */
struct syn_color_source {
    struct syn_bytes icc; /* left = 0: none */
    bool srgb;            /* the file says that it is sRGB */
    bool has_xy;
    double gamma; /* PNG gAMA: file = light^gamma; 0 = none */
    double xy[8]; /* chromaticities x, y of white, red, green, blue */
};

/* Converts im to sRGB in place, keeping alpha and, for a grey picture, R = G = B. Says in *how what
 * was done. A profile that cannot be used leaves the pixels alone and says
 * SYN_COLOR_ASSUMED_SRGB. */
SYN_MUST_CHECK syn_status syn_color_apply(struct syn_image *im, const struct syn_color_source *src,
                                          bool keep, enum syn_image_color *how,
                                          struct syn_err *err);

/* SYN_TOO_LARGE for a profile over SYN_ICC_MAX_BYTES. */
SYN_MUST_CHECK syn_status syn_icc_check_size(size_t n, struct syn_err *err);

/* Rows of CMYK (8 bits, 255 = full ink; inverted: 0 = full ink) to sRGB, by the profile where it is
 * one for CMYK, else by the plain formula R = (1 - C)(1 - K). */
struct syn_cmyk;
SYN_MUST_CHECK syn_status syn_cmyk_new(struct syn_bytes icc, bool inverted, bool keep,
                                       struct syn_cmyk **out, enum syn_image_color *how,
                                       struct syn_err *err);
void syn_cmyk_row(const struct syn_cmyk *c, const uint8_t *cmyk, uint8_t *rgb, size_t n_pixels);
void syn_cmyk_free(struct syn_cmyk *c); /* NULL-safe */

/* --- samples --- */

static inline uint8_t syn_sample_16_to_8(uint16_t v) /* rounds v / 257 */
{
    return (uint8_t)(((uint32_t)v + 128) / 257);
}
static inline size_t syn_image_row_bytes(const struct syn_image *im)
{
    return (size_t)im->width * (size_t)im->channels * (size_t)(im->bits / 8);
}
static inline uint8_t *syn_image_row(const struct syn_image *im, int32_t y)
{
    return (uint8_t *)im->pixels + (size_t)y * syn_image_row_bytes(im);
}

/* Row y of im as 8-bit samples, rounded; with on_white composited to 3 channels, else im's own. */
void syn_image_row_to_8(const struct syn_image *im, int32_t y, bool on_white, uint8_t *out);

/* All pixels mid-grey and opaque: what a file that ends early leaves. */
void syn_image_fill_gray(struct syn_image *im);

/* --- growing output, for encoders that hand out their bytes piecemeal --- */

struct syn_sink {
    struct syn_buf buf;
    size_t room; /* bytes allocated at buf.data */
};
/* false: no memory; the sink stays as it was. */
bool syn_sink_append(struct syn_sink *s, const void *bytes, size_t n);
/* Hands the bytes over, in a block cut to size, and empties the sink. */
void syn_sink_finish(struct syn_sink *s, struct syn_buf *out);

#endif
