/* resize_nd.c - ONNX's resampling over any number of axes: RESIZE_ND, UPSAMPLE.
 *
 * Source:  ONNX Resize-10, 11, 13, 18, 19; Upsample-7, 9.
 * Operands: Resize: x, roi?, scales?, sizes? (opset 10: x, scales). Upsample: x, scales (opset 7:
 *          attribute).
 * Attributes: mode nearest, linear (bilinear, trilinear) or cubic (bicubic);
 *          coordinate_transformation_mode; nearest_mode; cubic_coeff_a; exclude_outside;
 *          extrapolation_value; antialias; axes; keep_aspect_ratio_policy.
 * Maths:   each axis by itself, place s of output pixel o, scale = out/in:
 *            half_pixel              (o + 1/2)/scale - 1/2
 *            pytorch_half_pixel      the same, 0 when the output is 1 long
 *            half_pixel_symmetric    in/2*(1 - out/(in*scale)) + (o + 1/2)/scale - 1/2
 *            tf_half_pixel_for_nn    (o + 1/2)/scale
 *            asymmetric              o/scale (opset 10, Upsample)
 *            align_corners           o*(in - 1)/(in*scale - 1)
 *            tf_crop_and_resize      start*(in - 1) + o*(end - start)*(in - 1)/(in*scale - 1), the
 *                                    middle when in*scale = 1; beyond the input:
 *                                    extrapolation_value
 *          Nearest takes one pixel (opset 10: the floor, the ceiling when shrinking; Upsample: the
 *          floor); linear two; cubic four, by Keys' kernel. antialias: kernels stretched by 1/scale
 *          when shrinking, weights summing to 1. Pixels outside are those at the edge, or with
 *          exclude_outside have no weight.
 * Sizes:   from scales floor(in*scale); roi has no say in it, as in onnxruntime and ONNX's own
 *          shape inference. keep_aspect_ratio_policy not_larger and not_smaller: one scale for all
 *          axes, sizes rounded half up.
 * Ratios:  exact by place.h where scales are ratios: from sizes always, from scales where they lie
 *          within one float32 step of k/in. align_corners otherwise divides by in*scale - 1, as
 *          ONNX's vectors do.
 * Integers: interpolated values are truncated to the type and saturated.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: taps and doubles of the picture
 *          while it runs. */
#include "kernels/ops/resize_nd.h"
#include "kernels/base/alloc.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TYPES_LERP (SYN_TYPES_NUMBER)

/* --- taps ----------------------------------------------------------------------------------- */

static struct syn_place place_of(const struct syn_resize_nd *r, const struct syn_resize_nd_axis *ax,
                                 int64_t o, bool *beyond)
{
    const __int128 in = ax->in, num = ax->num, den = ax->den;
    const double width = (double)ax->in * ax->scale;
    *beyond = false;
    switch (r->coord) {
    case SYN_ND_TF_CROP_AND_RESIZE: {
        const double most = (double)(ax->in - 1),
                     span = ax->num ? (double)(num * in - den) / (double)den : width - 1;
        const double s =
            ax->start * most + (span == 0 ? (ax->end - ax->start) * most / 2
                                          : (double)o * (ax->end - ax->start) * most / span);
        *beyond = !(s >= 0 && s <= most); /* a NaN too */
        return *beyond ? syn_place_of_ratio(0, 1) : syn_place_of_double(s);
    }
    case SYN_ND_ALIGN_CORNERS:
        if (ax->num) {
            const __int128 span = num * in - den;
            return span > 0 ? syn_place_of_ratio(o * (in - 1) * den, span)
                            : syn_place_of_ratio(0, 1);
        }
        return width > 1 ? syn_place_of_double((double)o * (double)(ax->in - 1) / (width - 1))
                         : syn_place_of_ratio(0, 1);
    case SYN_ND_ASYMMETRIC:
        return ax->num ? syn_place_of_ratio(o * den, num)
                       : syn_place_of_double((double)o / ax->scale);
    case SYN_ND_TF_HALF_PIXEL_FOR_NN:
        return ax->num ? syn_place_of_ratio((2 * (__int128)o + 1) * den, 2 * num)
                       : syn_place_of_double(((double)o + 0.5) / ax->scale);
    case SYN_ND_PYTORCH_HALF_PIXEL:
        if (ax->out == 1) return syn_place_of_ratio(0, 1);
        break;
    case SYN_ND_HALF_PIXEL_SYMMETRIC:
        if (!ax->num || num * in != ax->out * den) {
            const double shift = (double)ax->in / 2 * (1 - (double)ax->out / width);
            return syn_place_of_double(shift + ((double)o + 0.5) / ax->scale - 0.5);
        }
        break;
    case SYN_ND_HALF_PIXEL: break;
    }
    if (!ax->num) return syn_place_of_double(((double)o + 0.5) / ax->scale - 0.5);
    return syn_place_of_ratio((2 * (__int128)o + 1) * den - num, 2 * num);
}

static double kernel(const struct syn_resize_nd *r, double distance)
{
    const double d = fabs(distance);
    if (r->mode == SYN_RESIZE_BILINEAR) return d < 1 ? 1 - d : 0;
    return d <= 1 ? syn_keys_near(r->cubic_a, d) : d < 2 ? syn_keys_far(r->cubic_a, d) : 0;
}

/* Pixels that the kernel reaches on either side of a place. */
static int64_t reach(const struct syn_resize_nd *r, const struct syn_resize_nd_axis *ax,
                     double *squeeze)
{
    const double radius = r->mode == SYN_RESIZE_BILINEAR ? 1 : 2;
    *squeeze = r->antialias && ax->scale < 1 ? ax->scale : 1;
    return (int64_t)ceil(radius / *squeeze);
}

int64_t syn_resize_nd_width(const struct syn_resize_nd *r, const struct syn_resize_nd_axis *ax)
{
    double squeeze;
    return r->mode == SYN_RESIZE_NEAREST ? 1 : 2 * reach(r, ax, &squeeze);
}

bool syn_resize_nd_tap(const struct syn_resize_nd *r, const struct syn_resize_nd_axis *ax,
                       int64_t o, int64_t width, int64_t *at, double *w)
{
    const bool nearest = r->mode == SYN_RESIZE_NEAREST,
               shrinks = r->ceil_when_shrinking && ax->scale < 1;
    double squeeze = 1, sum = 0;
    bool beyond;
    const int64_t side = nearest ? 0 : reach(r, ax, &squeeze);
    const struct syn_place p = place_of(r, ax, o, &beyond);
    const int64_t first =
        nearest ? syn_place_round(&p, shrinks ? SYN_ROUND_CEIL : r->round) : p.whole - side + 1;
    for (int64_t i = 0; i < width; i++) {
        const int64_t k = first + i;
        const bool out = k < 0 || k >= ax->in;
        w[i] = nearest ? 1 : kernel(r, ((double)(k - p.whole) - p.fraction) * squeeze);
        if (out && r->exclude_outside && !nearest) w[i] = 0;
        at[i] = k < 0 ? 0 : k >= ax->in ? ax->in - 1 : k;
        sum += w[i];
    }
    for (int64_t i = 0; (r->antialias || r->exclude_outside) && sum != 0 && i < width; i++)
        w[i] /= sum;
    return !beyond;
}

static void fill_taps(const struct syn_resize_nd *r, const struct syn_resize_nd_axis *ax,
                      struct syn_resize_nd_taps *t)
{
    t->identity = ax->in == ax->out;
    for (int64_t o = 0; o < ax->out; o++) {
        const int64_t *at = t->at + o * t->width;
        const double *w = t->weight + o * t->width;
        t->beyond[o] =
            !syn_resize_nd_tap(r, ax, o, t->width, t->at + o * t->width, t->weight + o * t->width);
        for (int64_t i = 0; i < t->width; i++)
            if (t->beyond[o] || (w[i] != 0 && at[i] != o)) t->identity = false;
    }
}

void syn_resize_nd_taps_free(struct syn_resize_nd_taps t[SYN_MAX_RANK])
{
    for (int32_t d = 0; d < SYN_MAX_RANK; d++)
        syn_free(t[d].at), syn_free(t[d].weight), syn_free(t[d].beyond);
}

syn_status syn_resize_nd_taps_new(const struct syn_op_call *c, const struct syn_resize_nd *r,
                                  struct syn_resize_nd_taps t[SYN_MAX_RANK], struct syn_err *err)
{
    for (int32_t d = 0; d < r->rank; d++) {
        const struct syn_resize_nd_axis *ax = &r->axis[d];
        size_t n = 0;
        t[d].width = syn_resize_nd_width(r, ax);
        if (!syn_mul((size_t)ax->out, (size_t)t[d].width, &n) ||
            !(t[d].at = syn_calloc(n, sizeof(int64_t))) ||
            !(t[d].weight = syn_calloc(n, sizeof(double))) ||
            !(t[d].beyond = syn_calloc((size_t)ax->out, sizeof(bool))))
            return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %" PRId64 " x %" PRId64 " taps",
                            c->op->name, ax->out, t[d].width);
        fill_taps(r, ax, &t[d]);
    }
    return SYN_OK;
}

/* --- resampling ----------------------------------------------------------------------------- */

static bool is_beyond(const struct syn_resize_nd *r, const struct syn_resize_nd_taps *t,
                      const int64_t *at)
{
    for (int32_t d = 0; d < r->rank; d++)
        if (t[d].beyond[at[d]]) return true;
    return false;
}

static void nearest(const struct syn_op_call *c, const struct syn_resize_nd *r,
                    const struct syn_resize_nd_taps *t)
{
    const struct syn_shape *y = &c->out[0].shape;
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    const int64_t n = syn_ops_elements(y);
    int64_t at[SYN_MAX_RANK] = {0}, stride[SYN_MAX_RANK];
    syn_ops_strides(&c->in[0].shape, stride);
    for (int64_t i = 0; i < n; i++) {
        int64_t from = 0;
        for (int32_t d = 0; d < r->rank; d++) from += t[d].at[at[d]] * stride[d];
        if (is_beyond(r, t, at)) syn_put(&c->out[0], i, r->outside);
        else
            memcpy((char *)c->out[0].data + (size_t)i * bytes,
                   (const char *)c->in[0].data + (size_t)from * bytes, bytes);
        syn_ops_next(y, at);
    }
}

/* One axis of x, whose shape is *s, by the taps; *s becomes the result's. */
static double *along(const double *x, struct syn_shape *s, int32_t d,
                     const struct syn_resize_nd_axis *ax, const struct syn_resize_nd_taps *t)
{
    int64_t before = 1, after = 1;
    for (int32_t k = 0; k < d; k++) before *= s->dim[k];
    for (int32_t k = d + 1; k < s->rank; k++) after *= s->dim[k];
    s->dim[d] = ax->out;
    double *y = syn_calloc((size_t)syn_ops_elements(s), sizeof *y), *to = y;
    if (!y) return NULL;
    for (int64_t b = 0; b < before; b++, x += ax->in * after)
        for (int64_t o = 0; o < ax->out; o++, to += after)
            for (int64_t k = 0; k < t->width; k++) {
                const double w = t->weight[o * t->width + k],
                             *row = x + t->at[o * t->width + k] * after;
                if (w == 0) continue; /* so that an infinity beside it does no harm */
                for (int64_t i = 0; i < after; i++) to[i] += w * row[i];
            }
    return y;
}

static double saturate(syn_dtype t, double v)
{
    const char kind = syn_dtype_kind(t);
    const int bits = (int)syn_dtype_bytes(t) * 8;
    if (kind == 'F') return v;
    const double lo = kind == 'I' ? -ldexp(1, bits - 1) : 0,
                 hi = ldexp(1, kind == 'I' ? bits - 1 : bits) - 1;
    return v < lo ? lo : v > hi ? hi : v;
}

static syn_status interpolate(const struct syn_op_call *c, const struct syn_resize_nd *r,
                              const struct syn_resize_nd_taps *t, struct syn_err *err)
{
    struct syn_shape s = c->in[0].shape;
    const int64_t n_in = syn_ops_elements(&s), n = syn_ops_elements(&c->out[0].shape);
    int64_t at[SYN_MAX_RANK] = {0};
    double *x = syn_calloc((size_t)n_in, sizeof *x);
    for (int64_t i = 0; x && i < n_in; i++) x[i] = syn_get(&c->in[0], i);
    for (int32_t d = 0; x && d < r->rank; d++) {
        if (t[d].identity) continue;
        double *y = along(x, &s, d, &r->axis[d], &t[d]);
        syn_free(x);
        x = y;
    }
    if (!x) return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t i = 0; i < n; i++) {
        const double v = is_beyond(r, t, at) ? r->outside : x[i];
        syn_put(&c->out[0], i, saturate(c->out[0].dtype, v));
        syn_ops_next(&c->out[0].shape, at);
    }
    syn_free(x);
    return SYN_OK;
}

static syn_status resize_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_resize_nd r = {0};
    struct syn_shape y;
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_resize_nd_parse(c, &r, err);
    if (st != SYN_OK) return st;
    if (r.mode != SYN_RESIZE_NEAREST && !(TYPES_LERP >> c->in[0].dtype & 1))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: x holds %s: only mode nearest takes it",
                        c->op->name, syn_dtype_word(c->in[0].dtype));
    y = c->in[0].shape;
    for (int32_t d = 0; d < r.rank; d++) y.dim[d] = r.axis[d].out;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

static syn_status resize_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct syn_resize_nd r = {0};
    struct syn_resize_nd_taps t[SYN_MAX_RANK] = {{0}};
    syn_status st = syn_resize_nd_parse(c, &r, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    st = syn_resize_nd_taps_new(c, &r, t, err);
    if (st == SYN_OK && r.mode == SYN_RESIZE_NEAREST) nearest(c, &r, t);
    else if (st == SYN_OK) st = interpolate(c, &r, t, err);
    syn_resize_nd_taps_free(t);
    return st;
}

static const struct syn_attr_spec resize_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "nearest"},
    {"coordinate_transformation_mode", SYN_ATTR_STRING, 0, 0, 0, "half_pixel"},
    {"nearest_mode", SYN_ATTR_STRING, 0, 0, 0, "round_prefer_floor"},
    {"keep_aspect_ratio_policy", SYN_ATTR_STRING, 0, 0, 0, "stretch"},
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK},
    {"antialias", SYN_ATTR_INT, 0, 0, 1},
    {"exclude_outside", SYN_ATTR_INT, 0, 0, 1},
    {"cubic_coeff_a", SYN_ATTR_FLOAT, -0.75, -1e6, 1e6},
    {"extrapolation_value", SYN_ATTR_FLOAT, 0, -3.5e38, 3.5e38},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec upsample_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "nearest"},
    {"scales", SYN_ATTR_FLOATS, 0, 0, SYN_RESIZE_MOST_SCALE},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_resize_nd = {
    .name = "Resize", .min_in = 1, .max_in = 4, .n_out = 1, .reads = 1 << 1 | 1 << 2 | 1 << 3,
    .attrs = resize_attrs, .shape = resize_shape, .reference = resize_reference,
};
const struct syn_op syn_op_upsample = {
    .name = "Upsample", .min_in = 1, .max_in = 2, .n_out = 1, .reads = 1 << 1,
    .attrs = upsample_attrs, .shape = resize_shape, .reference = resize_reference,
};
