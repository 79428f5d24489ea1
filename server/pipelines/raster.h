/* raster.h - pictures to network planes and back.
 *
 *   network input  = sample(0..1) * scale + offset     planes R, G, B, one after the other, f32
 *   sample(0..1)   = network output * scale + offset   rounded to nearest, clamped, 8 or 16 bits
 *
 * Layer:   server/pipelines.   Threads: pure functions; rows of one picture may be written by
 *          different threads at the same time. */
#ifndef SYN_RASTER_H
#define SYN_RASTER_H

#include "server/media/image.h"
#include "server/models/models.h"

struct syn_rect {
    int32_t x, y, w, h;
};

/* The picture position that stands for position p beyond [0, n): the border pixel again, or
 * mirrored at the border pixel (again and again when p is far away); -1 for SYN_EDGE_ZERO, whose
 * network input is 0. */
int32_t syn_raster_edge(enum syn_edge edge, int32_t p, int32_t n);

/* Fills dst[3][r->h][r->w] from an RGB picture; r may reach beyond it. */
void syn_raster_read(const struct syn_image *im, const struct syn_rect *r, enum syn_edge edge,
                     float scale, float offset, float *dst);

struct syn_raster_planes {
    const float *data;    /* first pixel of the first plane */
    size_t row, plane;    /* floats from row to row, from plane to plane */
};
struct syn_raster_out {
    float scale, offset;
    bool gray;                   /* the mean of the three planes goes to all three channels */
    const struct syn_image *add; /* NULL, or a picture that is enlarged by repetition and added */
    int32_t add_factor;
};
/* Writes the rectangle r of an RGB picture, which it must lie inside. row[3 * r->w] is scratch. */
void syn_raster_write(struct syn_image *im, const struct syn_rect *r,
                      const struct syn_raster_planes *src, const struct syn_raster_out *how,
                      float *row);

/* sums[c] += every value of plane c in a rectangle: rows are summed in double. */
void syn_raster_sum(const struct syn_raster_planes *src, int32_t channels, int32_t w, int32_t h,
                    double *sums);

#endif
