/* orient.c - turns pixels upright by the EXIF orientation.
 *
 * Source:  EXIF 2.32 tag 0x0112: which side of the scene row 0 and column 0 of the stored picture
 *          are. 1 top/left, 2 top/right, 3 bottom/right, 4 bottom/left, 5 left/top, 6 right/top,
 *          7 right/bottom, 8 left/bottom.
 * Maths:   upright(x, y) = stored(column x, row y) for 1..4, stored(column y, row x) for 5..8,
 *          where x counts from the far end for 2, 3, 6, 7 and y for 3, 4, 7, 8.
 * Layer:   server/media.
 * Threads: pure function.
 * Memory:  1..4 work in place; 5..8 need a second block, freed or handed over before return. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"

enum { TILE = 32 }; /* pixels: a tile of source and of target fit the L1 cache together */

static void swap_bytes(uint8_t *a, uint8_t *b, size_t n)
{
    uint8_t held[8];
    memcpy(held, a, n);
    memcpy(a, b, n);
    memcpy(b, held, n);
}

static void mirror_columns(struct syn_image *im, size_t px)
{
    for (int32_t y = 0; y < im->height; y++) {
        uint8_t *left = syn_image_row(im, y), *right = left + ((size_t)im->width - 1) * px;
        for (; left < right; left += px, right -= px) swap_bytes(left, right, px);
    }
}

static void mirror_rows(struct syn_image *im, size_t px)
{
    for (int32_t top = 0, bottom = im->height - 1; top < bottom; top++, bottom--) {
        uint8_t *a = syn_image_row(im, top), *b = syn_image_row(im, bottom);
        for (int32_t x = 0; x < im->width; x++)
            swap_bytes(a + (size_t)x * px, b + (size_t)x * px, px);
    }
}

/* dst(x, y) = src(u, v), u and v running with y and x, or against them. px is a constant in each of
 * the calls below, so that the copy becomes plain moves. */
static inline void transpose(const struct syn_image *src, struct syn_image *dst, bool against_x,
                             bool against_y, size_t px)
{
    size_t src_row = syn_image_row_bytes(src);
    for (int32_t y0 = 0; y0 < dst->height; y0 += TILE) {
        for (int32_t x0 = 0; x0 < dst->width; x0 += TILE) {
            int32_t y1 = y0 + TILE < dst->height ? y0 + TILE : dst->height;
            int32_t x1 = x0 + TILE < dst->width ? x0 + TILE : dst->width;
            for (int32_t y = y0; y < y1; y++) {
                size_t u = (size_t)(against_y ? src->width - 1 - y : y);
                const uint8_t *column = (const uint8_t *)src->pixels + u * px;
                uint8_t *to = syn_image_row(dst, y) + (size_t)x0 * px;
                for (int32_t x = x0; x < x1; x++, to += px) {
                    size_t v = (size_t)(against_x ? src->height - 1 - x : x);
                    memcpy(to, column + v * src_row, px);
                }
            }
        }
    }
}

syn_status syn_image_orient(struct syn_image *im, int32_t orientation, struct syn_err *err)
{
    size_t px = (size_t)im->channels * (size_t)(im->bits / 8);
    bool against_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    bool against_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    struct syn_image turned = {0};
    syn_status st;

    if (orientation < 5) {
        if (against_x) mirror_columns(im, px);
        if (against_y) mirror_rows(im, px);
        return SYN_OK;
    }
    st = syn_image_init(&turned, im->height, im->width, im->channels, im->bits, err);
    if (st != SYN_OK) return st;
    turned.gray = im->gray;
    switch (px) {
    case 3: transpose(im, &turned, against_x, against_y, 3); break;
    case 4: transpose(im, &turned, against_x, against_y, 4); break;
    case 6: transpose(im, &turned, against_x, against_y, 6); break;
    default: transpose(im, &turned, against_x, against_y, 8); break;
    }
    syn_image_deinit(im);
    *im = turned;
    return SYN_OK;
}
