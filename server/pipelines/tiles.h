/* tiles.h - how a picture is cut for a network: pure geometry.
 *
 * One axis (the other is alike). The network sees the picture extended: `trim` pixels more on each
 * side for networks that lose their border (valid convolutions), and up to align - 1 more at the
 * end, so that what is left after the trim is a multiple of the alignment.
 *
 *      extended   0     trim                              trim+size     extended
 *                 |------|====================================|---------|
 *      window 0   [==== core 0 ====|after]
 *      window 1              [before|==== core 1 ====|after]
 *      window n-1                              [     before|=== core n-1 ===]    moved back
 *
 * All windows of a picture have one length, so one plan serves them all: the last is moved back
 * rather than cut. A window that touches an end of the extended picture needs no halo there: the
 * network's own padding acts as it would in one run over the whole. Cores follow each other without
 * gap or overlap, so there is nothing to blend.
 *
 * Invariants
 *  1. Cores of an axis partition [0, size) exactly, none is empty.
 *  2. Windows lie in the extended picture; their origins, and their length less 2 * trim, are
 *     multiples of align
 *     (origins of at least 2: see grid_of in tiles.c).
 *  3. Between a core and each end of its window that is inside the extended picture lie at least
 *     before (after) pixels.
 *
 * Layer:   server/pipelines.   Threads: pure functions.
 * Units:   pixels of the network's input unless said. */
#ifndef SYN_TILES_H
#define SYN_TILES_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stdint.h>

/* What the geometry knows of a network. */
struct syn_tile_net {
    int32_t before, after; /* halo at inner ends; at least trim */
    int32_t trim;          /* pixels lost at each border */
    int32_t align;         /* >= 1 */
};

struct syn_tile_axis {
    int32_t size;          /* of the picture */
    int32_t trim, before, after;
    int32_t extended;      /* size rounded up to align, and 2 * trim */
    int32_t window;        /* length of every window */
    int32_t step;          /* from one window's origin to the next */
    int32_t n;             /* windows */
};

struct syn_tile_span {
    int32_t origin;        /* first pixel of the window, in the extended picture */
    int32_t from, to;      /* the core, in the picture: [from, to) */
};

/* The fewest windows whose length stays within `longest` (>= syn_tile_shortest), as short as that
 * many allow. SYN_INVALID: sizes out of range. */
SYN_MUST_CHECK syn_status syn_tile_axis_init(struct syn_tile_axis *a,
                                             const struct syn_tile_net *net, int32_t size,
                                             int32_t longest, struct syn_err *err);
/* halo on both sides and one unit of core */
int32_t syn_tile_shortest(const struct syn_tile_net *net);
int32_t syn_tile_extended(const struct syn_tile_net *net, int32_t size);
/* Window i in [0, n). */
struct syn_tile_span syn_tile_axis_span(const struct syn_tile_axis *a, int32_t i);

/* The part of a feature map (num/den pixels per input pixel, `lost` of its own pixels gone at both
 * borders together) that window i answers for, as positions inside that window's own feature map:
 * [*from, *to). Over all windows the parts partition the whole picture's feature map of
 * syn_tile_feature_size pixels. */
void syn_tile_axis_feature(const struct syn_tile_axis *a, int32_t i, int32_t lost, int32_t num,
                           int32_t den, int32_t *from, int32_t *to);
static inline int32_t syn_tile_feature_size(int32_t input, int32_t lost, int32_t num, int32_t den)
{
    return (int32_t)((int64_t)input * num / den) - lost;
}

struct syn_tiles {
    struct syn_tile_axis x, y;
};
static inline int64_t syn_tiles_count(const struct syn_tiles *t)
{
    return (int64_t)t->x.n * t->y.n;
}

/* Bytes that a window of this size needs. */
typedef syn_status syn_tile_bytes(void *user, int32_t width, int32_t height, uint64_t *bytes,
                                  struct syn_err *err);

struct syn_tile_limits {
    int32_t max_core;      /* windows are at most this and a halo on both sides; 0 = no limit */
    uint64_t budget_bytes;
    syn_tile_bytes *bytes;
    void *user;
};
/* The cut with the least computed area whose window fits the budget; one window when the picture
 * fits. bytes is asked about a dozen times. SYN_NO_MEMORY: the smallest window is over the budget,
 * the text says needed and available. */
SYN_MUST_CHECK syn_status syn_tiles_plan(const struct syn_tile_net *net, int32_t width,
                                         int32_t height, const struct syn_tile_limits *lim,
                                         struct syn_tiles *out, struct syn_err *err);

#endif
