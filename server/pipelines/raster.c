/* raster.c - see raster.h.
 *
 * These loops touch every pixel of the result, so they are written for the vectoriser: planes are
 * handled a row at a time, interleaving is a separate step, and the file is compiled at -O3 (which
 * changes no arithmetic). Clamping is written so that a NaN would come out as 0, not as garbage.
 *
 * Layer: server/pipelines.   Threads: pure functions. */
#pragma GCC optimize("O3")
#include "server/pipelines/raster.h"

int32_t syn_raster_edge(enum syn_edge edge, int32_t p, int32_t n)
{
    if (p >= 0 && p < n) return p;
    if (edge == SYN_EDGE_ZERO) return -1;
    if (edge == SYN_EDGE_REPLICATE) return p < 0 ? 0 : n - 1;
    if (n == 1) return 0;
    const int32_t period = 2 * (n - 1);
    int32_t q = p % period;
    if (q < 0) q += period;
    return q < n ? q : period - q;
}

static float max_sample(const struct syn_image *im)
{
    return im->bits == 16 ? 65535.0f : 255.0f;
}

/* n pixels from picture row y, columns x..., to three plane rows. */
static void read_run(const struct syn_image *im, int32_t x, int32_t y, int32_t n, float mul,
                     float add, float *restrict r, float *restrict g, float *restrict b)
{
    const size_t at = ((size_t)y * (size_t)im->width + (size_t)x) * 3;
    if (im->bits == 16) {
        const uint16_t *restrict s = (const uint16_t *)im->pixels + at;
        for (int32_t i = 0; i < n; i++) {
            r[i] = (float)s[3 * i] * mul + add;
            g[i] = (float)s[3 * i + 1] * mul + add;
            b[i] = (float)s[3 * i + 2] * mul + add;
        }
    } else {
        const uint8_t *restrict s = (const uint8_t *)im->pixels + at;
        for (int32_t i = 0; i < n; i++) {
            r[i] = (float)s[3 * i] * mul + add;
            g[i] = (float)s[3 * i + 1] * mul + add;
            b[i] = (float)s[3 * i + 2] * mul + add;
        }
    }
}

static void read_row(const struct syn_image *im, const struct syn_rect *rc, int32_t y,
                     enum syn_edge edge, float mul, float add, float *dst, size_t plane)
{
    /* columns left of the picture */
    const int32_t from = rc->x < 0 ? (-rc->x < rc->w ? -rc->x : rc->w) : 0;
    /* first column right of it */
    int32_t to = im->width - rc->x;
    if (to > rc->w) to = rc->w;
    if (to < from) to = from;
    if (to > from) read_run(im, rc->x + from, y, to - from, mul, add, dst + from,
                            dst + plane + from, dst + 2 * plane + from);
    for (int32_t i = 0; i < rc->w; i++) {
        if (i == from) i = to;
        if (i >= rc->w) break;
        const int32_t x = syn_raster_edge(edge, rc->x + i, im->width);
        if (x < 0) dst[i] = dst[plane + (size_t)i] = dst[2 * plane + (size_t)i] = 0;
        else read_run(im, x, y, 1, mul, add, dst + i, dst + plane + i, dst + 2 * plane + i);
    }
}

void syn_raster_read(const struct syn_image *im, const struct syn_rect *r, enum syn_edge edge,
                     float scale, float offset, float *dst)
{
    const float mul = scale / max_sample(im);
    const size_t plane = (size_t)r->w * (size_t)r->h;
    for (int32_t j = 0; j < r->h; j++) {
        float *row = dst + (size_t)j * (size_t)r->w;
        const int32_t y = syn_raster_edge(edge, r->y + j, im->height);
        if (y >= 0) {
            read_row(im, r, y, edge, mul, offset, row, plane);
            continue;
        }
        for (int32_t c = 0; c < 3; c++)
            for (int32_t i = 0; i < r->w; i++) row[(size_t)c * plane + (size_t)i] = 0;
    }
}

static void affine(const float *restrict src, int32_t n, float mul, float add, float *restrict dst)
{
    for (int32_t i = 0; i < n; i++) dst[i] = src[i] * mul + add;
}

static void mean_of_three(float *restrict a, float *restrict b, float *restrict c, int32_t n)
{
    for (int32_t i = 0; i < n; i++) a[i] = b[i] = c[i] = (a[i] + b[i] + c[i]) * (1.0f / 3.0f);
}

/* Row y of the picture made larger by repetition, columns from x, added to n values per channel. */
static void add_repeated(const struct syn_image *im, int32_t factor, int32_t x, int32_t y,
                         int32_t n, float *v)
{
    const size_t row = (size_t)(y / factor) * (size_t)im->width;
    for (int32_t i = 0; i < n; i++) {
        const size_t at = (row + (size_t)((x + i) / factor)) * 3;
        for (size_t c = 0; c < 3; c++)
            v[c * (size_t)n + (size_t)i] +=
                im->bits == 16 ? (float)((const uint16_t *)im->pixels)[at + c]
                               : (float)((const uint8_t *)im->pixels)[at + c];
    }
}

static inline float clamp_round(float v, float top)
{
    v = v + 0.5f;
    v = v > 0.0f ? v : 0.0f;
    return v < top ? v : top;
}

static void quantise(const float *restrict v, int32_t n, float top, int32_t *restrict q)
{
    for (int32_t i = 0; i < n; i++) q[i] = (int32_t)clamp_round(v[i], top);
}

#define BLOCK 1024 /* columns quantised at a time: three int32 rows stay in the first-level cache */

static void store_row(struct syn_image *im, int32_t x, int32_t y, int32_t n, const float *v)
{
    int32_t q[3][BLOCK];
    const float top = max_sample(im);
    for (int32_t from = 0; from < n; from += BLOCK) {
        const int32_t m = n - from < BLOCK ? n - from : BLOCK;
        const size_t at = ((size_t)y * (size_t)im->width + (size_t)(x + from)) * 3;
        for (int32_t c = 0; c < 3; c++) quantise(v + (size_t)c * (size_t)n + from, m, top, q[c]);
        if (im->bits == 16) {
            uint16_t *restrict d = (uint16_t *)im->pixels + at;
            for (int32_t i = 0; i < m; i++) {
                d[3 * i] = (uint16_t)q[0][i];
                d[3 * i + 1] = (uint16_t)q[1][i];
                d[3 * i + 2] = (uint16_t)q[2][i];
            }
        } else {
            uint8_t *restrict d = (uint8_t *)im->pixels + at;
            for (int32_t i = 0; i < m; i++) {
                d[3 * i] = (uint8_t)q[0][i];
                d[3 * i + 1] = (uint8_t)q[1][i];
                d[3 * i + 2] = (uint8_t)q[2][i];
            }
        }
    }
}

void syn_raster_write(struct syn_image *im, const struct syn_rect *r,
                      const struct syn_raster_planes *src, const struct syn_raster_out *how,
                      float *row)
{
    const float top = max_sample(im);
    const size_t n = (size_t)r->w;
    for (int32_t j = 0; j < r->h; j++) {
        const float *s = src->data + (size_t)j * src->row;
        for (size_t c = 0; c < 3; c++) affine(s + c * src->plane, r->w, how->scale * top,
                                              how->offset * top, row + c * n);
        if (how->add) add_repeated(how->add, how->add_factor, r->x, r->y + j, r->w, row);
        if (how->gray) mean_of_three(row, row + n, row + 2 * n, r->w);
        store_row(im, r->x, r->y + j, r->w, row);
    }
}

void syn_raster_sum(const struct syn_raster_planes *src, int32_t channels, int32_t w, int32_t h,
                    double *sums)
{
    for (int32_t c = 0; c < channels; c++)
        for (int32_t j = 0; j < h; j++) {
            const float *s = src->data + (size_t)c * src->plane + (size_t)j * src->row;
            double sum = 0;
            for (int32_t i = 0; i < w; i++) sum += (double)s[i];
            sums[c] += sum;
        }
}
