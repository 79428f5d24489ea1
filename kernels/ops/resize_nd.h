/* resize_nd.h - RESIZE_ND and UPSAMPLE calls as numbers, and what each output pixel reads: for the
 * reference and for
 * backends. Words and rules in resize_nd.c.
 *
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: taps are the caller's until
 * freed. */
#ifndef SYN_OPS_RESIZE_ND_H
#define SYN_OPS_RESIZE_ND_H

#include "kernels/ops/check.h"
#include "kernels/ops/place.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_RESIZE_MOST_SCALE ((double)SYN_MAX_ELEMENTS)

enum syn_resize_nd_coord {
    SYN_ND_HALF_PIXEL,
    SYN_ND_PYTORCH_HALF_PIXEL,
    SYN_ND_HALF_PIXEL_SYMMETRIC,
    SYN_ND_TF_HALF_PIXEL_FOR_NN,
    SYN_ND_ASYMMETRIC,
    SYN_ND_ALIGN_CORNERS,
    SYN_ND_TF_CROP_AND_RESIZE
};
struct syn_resize_nd_axis {
    int64_t in, out;
    int64_t num, den;  /* scale = num/den exactly; num = 0: only `scale` is known */
    double scale;
    double start, end; /* roi, in lengths */
};

struct syn_resize_nd {
    enum syn_resize_mode mode;
    enum syn_resize_nd_coord coord;
    enum syn_resize_round round;
    bool ceil_when_shrinking; /* opset 10's nearest */
    bool antialias, exclude_outside;
    double cubic_a, outside;
    int32_t rank;
    struct syn_resize_nd_axis axis[SYN_MAX_RANK];
};

/* What the outputs of one axis read: `width` places each, clamped to the axis. */
struct syn_resize_nd_taps {
    int64_t width;
    int64_t *at;     /* [out][width] */
    double *weight;
    bool *beyond;    /* [out]: extrapolated */
    bool identity;   /* output o reads pixel o alone */
};

/* Checks and reads a call's attributes and the data of scales, sizes and roi, which must be
 * known. */
SYN_MUST_CHECK syn_status syn_resize_nd_parse(const struct syn_op_call *c, struct syn_resize_nd *r,
                                              struct syn_err *err);
/* How many places an output of the axis reads; what output o reads, places clamped to the axis;
 * false: it lies beyond and reads nothing. */
int64_t syn_resize_nd_width(const struct syn_resize_nd *r, const struct syn_resize_nd_axis *ax);
bool syn_resize_nd_tap(const struct syn_resize_nd *r, const struct syn_resize_nd_axis *ax,
                       int64_t o, int64_t width, int64_t *at, double *weight);
/* The taps of every axis; on failure too to be freed. No axis may be empty. */
SYN_MUST_CHECK syn_status syn_resize_nd_taps_new(const struct syn_op_call *c,
                                                 const struct syn_resize_nd *r,
                                                 struct syn_resize_nd_taps t[SYN_MAX_RANK],
                                                 struct syn_err *err);
void syn_resize_nd_taps_free(struct syn_resize_nd_taps t[SYN_MAX_RANK]);

#ifdef __cplusplus
}
#endif
#endif
