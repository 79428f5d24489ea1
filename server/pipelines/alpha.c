/* alpha.c - see alpha.h.
 *
 * Layer: server/pipelines.   Threads: pure functions. */
#include "server/pipelines/alpha.h"

static size_t pixels_of(const struct syn_image *im)
{
    return (size_t)im->width * (size_t)im->height;
}

bool syn_alpha_opaque(const struct syn_image *im)
{
    if (im->channels != 4) return true;
    const size_t n = pixels_of(im);
    const uint8_t *b = (const uint8_t *)im->pixels;
    const uint16_t *s = (const uint16_t *)im->pixels;
    for (size_t i = 0; i < n; i++)
        if (im->bits == 16 ? s[4 * i + 3] != 65535 : b[4 * i + 3] != 255) return false;
    return true;
}

/* dst's channel 0..2 = src's channels from `first`, each `step` further. */
static void copy_three(const struct syn_image *src, size_t first, size_t step,
                       struct syn_image *dst)
{
    const size_t n = pixels_of(src), stride = (size_t)src->channels;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            const size_t from = i * stride + first + c * step;
            if (src->bits == 16) ((uint16_t *)dst->pixels)[3 * i + c] =
                ((const uint16_t *)src->pixels)[from];
            else ((uint8_t *)dst->pixels)[3 * i + c] = ((const uint8_t *)src->pixels)[from];
        }
}

syn_status syn_alpha_split(struct syn_image *im, struct syn_image *color, struct syn_image *alpha,
                           struct syn_err *err)
{
    struct syn_image rgb = {0}, grey = {0};
    syn_status st = SYN_OK;
    if (im->channels == 3) {
        *color = *im;
        *im = (struct syn_image){0};
        return SYN_OK;
    }
    const bool opaque = syn_alpha_opaque(im);
    st = syn_image_init(&rgb, im->width, im->height, 3, im->bits, err);
    if (st == SYN_OK && alpha) st = syn_image_init(&grey, im->width, im->height, 3, im->bits, err);
    if (st == SYN_OK && !opaque) st = syn_image_bleed_alpha(im, err);
    if (st != SYN_OK) {
        syn_image_deinit(&rgb);
        syn_image_deinit(&grey);
        return st;
    }
    copy_three(im, 0, 1, &rgb);
    rgb.gray = im->gray;
    *color = rgb;
    if (alpha) {
        copy_three(im, 3, 0, &grey);
        grey.gray = true;
        *alpha = grey;
    }
    syn_image_deinit(im);
    return SYN_OK;
}

syn_status syn_alpha_join(const struct syn_image *color, const struct syn_image *alpha,
                          struct syn_image *out, struct syn_err *err)
{
    struct syn_image im = {0};
    if (color->width != alpha->width || color->height != alpha->height ||
        color->bits != alpha->bits)
        return syn_fail(err, SYN_INTERNAL, "alpha: %dx%d beside a picture of %dx%d", alpha->width,
                        alpha->height, color->width, color->height);
    syn_status st = syn_image_init(&im, color->width, color->height, 4, color->bits, err);
    if (st != SYN_OK) return st;
    im.gray = color->gray;
    const size_t n = pixels_of(color);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 4; c++) {
            const struct syn_image *src = c < 3 ? color : alpha;
            const size_t from = 3 * i + (c < 3 ? c : 0);
            if (im.bits == 16) ((uint16_t *)im.pixels)[4 * i + c] =
                ((const uint16_t *)src->pixels)[from];
            else ((uint8_t *)im.pixels)[4 * i + c] = ((const uint8_t *)src->pixels)[from];
        }
    *out = im;
    return SYN_OK;
}
