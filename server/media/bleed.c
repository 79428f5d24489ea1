/* bleed.c - gives wholly transparent pixels the colour of the nearest visible one.
 *
 * Maths:   nearest by Euclidean distance, exact, in O(pixels): for each column the nearest visible
 *          row, then for each row the lower envelope of the parabolas (x - i)^2 + g(i)^2
 *          (Meijster, Roerdink, Hesselink: A general algorithm for computing distance transforms in
 *          linear time, 2000). Of two at the same distance the upper, then the left one is taken.
 * Layer:   server/media.
 * Threads: works in place on the caller's image alone.
 * Memory:  4 bytes a pixel and 20 a column, freed before return. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>

static bool is_visible(const struct syn_image *im, size_t pixel)
{
    return im->bits == 8 ? ((const uint8_t *)im->pixels)[pixel * 4 + 3] != 0
                         : ((const uint16_t *)im->pixels)[pixel * 4 + 3] != 0;
}

static void copy_color(struct syn_image *im, size_t to, size_t from)
{
    size_t sample = (size_t)(im->bits / 8);
    uint8_t *p = im->pixels;
    memcpy(p + to * 4 * sample, p + from * 4 * sample, 3 * sample);
}

/* near[y][x] = the row of the visible pixel nearest in column x, -1 for none. Returns whether any
 * pixel is visible. below: one row of scratch. */
static bool nearest_in_columns(const struct syn_image *im, int32_t *near, int32_t *below)
{
    size_t w = (size_t)im->width, h = (size_t)im->height;
    bool any = false;
    for (size_t y = 0; y < h; y++) {
        for (size_t x = 0; x < w; x++) {
            bool here = is_visible(im, y * w + x);
            near[y * w + x] = here ? (int32_t)y : y > 0 ? near[(y - 1) * w + x] : -1;
            any = any || here;
        }
    }
    for (size_t x = 0; x < w; x++) below[x] = -1;
    for (size_t y = h; y-- > 0;) {
        for (size_t x = 0; x < w; x++) {
            int32_t *n = &near[y * w + x];
            if (*n == (int32_t)y)
                below[x] = (int32_t)y;
            else if (below[x] >= 0 && (*n < 0 || below[x] - (int32_t)y < (int32_t)y - *n))
                *n = below[x];
        }
    }
    return any;
}

struct envelope {
    int32_t *column; /* the parabolas that are lowest somewhere, left to right */
    int64_t *from;   /* the first x at which each of them is */
};

static int64_t height_squared(const int32_t *near, int32_t y, int32_t i)
{
    int64_t g = (int64_t)near[i] - y;
    return g * g;
}

/* The first x at which the parabola of column u is lower than the one of column i < u. */
static int64_t crossing(const int32_t *near, int32_t y, int32_t i, int32_t u)
{
    int64_t n =
        (int64_t)u * u - (int64_t)i * i + height_squared(near, y, u) - height_squared(near, y, i);
    int64_t d = 2 * ((int64_t)u - i);
    int64_t floor = n >= 0 ? n / d : -((-n + d - 1) / d);
    return floor + 1;
}

static void bleed_row(struct syn_image *im, const int32_t *near, int32_t y, struct envelope e)
{
    size_t w = (size_t)im->width, row = (size_t)y * w;
    int32_t top = -1, k = 0;
    for (int32_t u = 0; u < im->width; u++) {
        int64_t from = 0;
        if (near[u] < 0) continue;
        while (top >= 0 && (from = crossing(near, y, e.column[top], u)) <= e.from[top]) top--;
        if (top < 0) from = 0;
        if (from >= im->width) continue;
        top++;
        e.column[top] = u;
        e.from[top] = from > 0 ? from : 0;
    }
    for (int32_t x = 0; x < im->width; x++) {
        while (k < top && e.from[k + 1] <= x) k++;
        if (!is_visible(im, row + (size_t)x))
            copy_color(im, row + (size_t)x, (size_t)near[e.column[k]] * w + (size_t)e.column[k]);
    }
}

syn_status syn_image_bleed_alpha(struct syn_image *im, struct syn_err *err)
{
    struct envelope e = {0};
    int32_t *near = NULL, *below = NULL;
    size_t w = (size_t)im->width, h = (size_t)im->height, n;
    syn_status st = SYN_OK;
    if (im->channels != 4)
        return syn_fail(err, SYN_INVALID, "channels = %" PRId32 ": must be 4, there is no alpha",
                        im->channels);
    if (!syn_mul(w * h, sizeof *near, &n) || !(near = syn_alloc(n)) ||
        !(below = syn_alloc(w * sizeof *below)) || !(e.column = syn_alloc(w * sizeof *e.column)) ||
        !(e.from = syn_alloc(w * sizeof *e.from))) {
        st =
            syn_fail(err, SYN_NO_MEMORY, "no memory to spread colours over %zu x %zu pixels", w, h);
        goto done;
    }
    if (nearest_in_columns(im, near, below))
        for (int32_t y = 0; y < im->height; y++) bleed_row(im, near + (size_t)y * w, y, e);
done:
    syn_free(e.from);
    syn_free(e.column);
    syn_free(below);
    syn_free(near);
    return st;
}
