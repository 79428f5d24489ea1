/* resize.c - the row RESIZE, its definition, and the one place where its coordinates are computed.
 *
 * Source:  ONNX Resize-19, modes nearest, linear and cubic on the last two axes; antialias = 0,
 *          exclude_outside = 0. PyTorch's pytorch_half_pixel is half_pixel unless the output is 1
 *          long.
 * Maths:   half_pixel s = (o + 0.5)*in/out - 0.5; asymmetric s = o*in/out; align_corners s =
 *          o*(in-1)/(out-1), 0 when out = 1. Nearest takes the pixel s rounds to; bilinear weighs
 *          floor(s) and the next by 1-f and f, f = s - floor(s); bicubic four pixels from
 *          floor(s)-1 on by Keys' kernel with a = cubic_a. Pixels outside are those at the edge.
 *          align_corners takes the whole number of output pixels also where a scale was given, as
 *          PyTorch and onnxruntime do; ONNX's vectors resize_downsample_scales_linear_align_corners
 *          and _cubic_align_corners were made with in*scale instead, and do not match.
 * Ratios:  s is a ratio of whole numbers whenever the scale is out/in, and is then computed as one,
 *          in 128 bits (dimensions reach 2^40): what is a tie on paper is a tie here. A scale given
 *          as a number is a rounded one: 64/26 arrives as the nearest float32, and would move ties
 *          and lose a pixel of floor(in*scale). So, if it lies within one float32 step of k/in, k
 *          whole, the output has k pixels and the ratio is k/in; otherwise the output has
 *          floor(in*scale) pixels and s is in doubles.
 * Shapes:  x [n,c,h,w] -> y [n,c,ho,wo].
 * Layer:   kernels/ops.   Threads: pure functions.
 * Ownership: the reference holds the taps of both axes while it runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include "kernels/ops/place.h"
#include <inttypes.h>
#include <math.h>

#define MAX_EXTENT ((double)SYN_MAX_ELEMENTS)

/* Where output pixel o lies on the input axis; pixel centres are at whole numbers. */
static struct syn_place place_of(const struct syn_resize_axis *ax, int64_t o)
{
    const __int128 in = ax->in, out = ax->out;
    switch (ax->coord) {
    case SYN_COORD_ALIGN_CORNERS:
        return out == 1 ? syn_place_of_ratio(0, 1) : syn_place_of_ratio(o * (in - 1), out - 1);
    case SYN_COORD_ASYMMETRIC:
        return ax->scale > 0 ? syn_place_of_double((double)o / ax->scale)
                             : syn_place_of_ratio(o * in, out);
    case SYN_COORD_HALF_PIXEL: break;
    }
    if (ax->scale > 0) return syn_place_of_double(((double)o + 0.5) / ax->scale - 0.5);
    return syn_place_of_ratio((2 * (__int128)o + 1) * in - out, 2 * out);
}

int32_t syn_resize_taps(const struct syn_resize_axis *axis, int64_t o, int64_t *first,
                        double weight[4])
{
    const struct syn_place p = place_of(axis, o);
    const double f = p.fraction, a = axis->cubic_a;
    switch (axis->mode) {
    case SYN_RESIZE_BILINEAR:
        *first = p.whole;
        weight[0] = 1 - f, weight[1] = f;
        return 2;
    case SYN_RESIZE_BICUBIC:
        *first = p.whole - 1;
        weight[0] = syn_keys_far(a, 1 + f), weight[1] = syn_keys_near(a, f);
        weight[2] = syn_keys_near(a, 1 - f), weight[3] = syn_keys_far(a, 2 - f);
        return 4;
    case SYN_RESIZE_NEAREST: break;
    }
    *first = syn_place_round(&p, axis->round);
    weight[0] = 1;
    return 1;
}

void syn_resize_axes(const struct syn_op_call *c, struct syn_resize_axis axis[2])
{
    for (int32_t d = 0; d < 2; d++) {
        const int64_t in = c->in[0].shape.dim[2 + d], out = c->out[0].shape.dim[2 + d];
        const double scale = syn_attr_float(c->op, c->attr, d ? "scale_w" : "scale_h");
        axis[d] = (struct syn_resize_axis){
            .mode = (enum syn_resize_mode)syn_attr_int(c->op, c->attr, "mode"),
            .coord = (enum syn_resize_coord)syn_attr_int(c->op, c->attr, "coord"),
            .round = (enum syn_resize_round)syn_attr_int(c->op, c->attr, "round"),
            .in = in,
            .out = out,
            .scale = scale > 0 && syn_exact_length(in, scale) == 0 ? scale : 0,
            .cubic_a = syn_attr_float(c->op, c->attr, "cubic_a"),
        };
    }
}

static syn_status resize_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    syn_status st = syn_ops_check_rank(c, 0, "x", 4, err);
    if (st != SYN_OK) return st;
    for (int32_t d = 0; d < 2; d++) {
        const char *out_name = d ? "out_w" : "out_h", *scale_name = d ? "scale_w" : "scale_h";
        const int64_t in = y.dim[2 + d], out = syn_attr_int(c->op, c->attr, out_name);
        const double scale = syn_attr_float(c->op, c->attr, scale_name);
        if ((out > 0) == (scale > 0))
            return syn_fail(err, SYN_INVALID,
                            "%s: %s = %" PRId64 " and %s = %g: one of the two must be over 0",
                            c->op->name, out_name, out, scale_name, scale);
        if (out > 0) {
            y.dim[2 + d] = out;
            continue;
        }
        const int64_t exact = syn_exact_length(in, scale);
        const double length = exact ? (double)exact : floor((double)in * scale);
        if (!(length >= 1 && length <= MAX_EXTENT))
            return syn_fail(err, SYN_INVALID,
                            "%s: %s = %g makes %" PRId64 " pixels %.0f: must be in [1, %.0f]",
                            c->op->name, scale_name, scale, in, length, MAX_EXTENT);
        y.dim[2 + d] = (int64_t)length;
    }
    return syn_ops_out(c, &y, err);
}

/* What one output position reads on one axis. */
struct taps {
    int32_t n;
    int64_t at[4]; /* inside the axis */
    double weight[4];
};

static void fill_taps(const struct syn_resize_axis *ax, struct taps *t)
{
    for (int64_t o = 0; o < ax->out; o++, t++) {
        int64_t first;
        t->n = syn_resize_taps(ax, o, &first, t->weight);
        for (int32_t i = 0; i < t->n; i++) {
            int64_t at = first + i;
            t->at[i] = at < 0 ? 0 : at >= ax->in ? ax->in - 1 : at;
        }
    }
}

static syn_status resize_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *in = &c->in[0].shape, *out = &c->out[0].shape;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    struct syn_resize_axis axis[2];
    syn_status st = SYN_NO_MEMORY;
    syn_resize_axes(c, axis);
    struct taps *row = syn_calloc((size_t)out->dim[2], sizeof *row);
    struct taps *column = syn_calloc((size_t)out->dim[3], sizeof *column);
    if (!row || !column) {
        syn_fail(err, st, "%s: no memory for the taps of %" PRId64 " x %" PRId64, c->op->name,
                 out->dim[2], out->dim[3]);
        goto done;
    }
    fill_taps(&axis[0], row);
    fill_taps(&axis[1], column);
    for (int64_t plane = 0; plane < in->dim[0] * in->dim[1]; plane++, x += in->dim[2] * in->dim[3])
        for (int64_t oy = 0; oy < out->dim[2]; oy++)
            for (int64_t ox = 0; ox < out->dim[3]; ox++) {
                const struct taps *v = &row[oy], *h = &column[ox];
                double sum = 0;
                for (int32_t i = 0; i < v->n; i++)
                    for (int32_t j = 0; j < h->n; j++)
                        sum += v->weight[i] * h->weight[j] *
                               (double)x[v->at[i] * in->dim[3] + h->at[j]];
                *y++ = (float)sum;
            }
    st = SYN_OK;
done:
    syn_free(row);
    syn_free(column);
    return st;
}

static const struct syn_attr_spec resize_attrs[] = {
    {"mode", SYN_ATTR_INT, SYN_RESIZE_NEAREST, SYN_RESIZE_NEAREST, SYN_RESIZE_BICUBIC},
    {"coord", SYN_ATTR_INT, SYN_COORD_HALF_PIXEL, SYN_COORD_HALF_PIXEL, SYN_COORD_ALIGN_CORNERS},
    {"round", SYN_ATTR_INT, SYN_ROUND_PREFER_FLOOR, SYN_ROUND_PREFER_FLOOR, SYN_ROUND_CEIL},
    {"scale_h", SYN_ATTR_FLOAT, 0, 0, MAX_EXTENT},
    {"scale_w", SYN_ATTR_FLOAT, 0, 0, MAX_EXTENT},
    {"out_h", SYN_ATTR_INT, 0, 0, MAX_EXTENT},
    {"out_w", SYN_ATTR_INT, 0, 0, MAX_EXTENT},
    {"cubic_a", SYN_ATTR_FLOAT, -0.75, -16, 16},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_resize = {
    .name = "Resize", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 1,
    .n_out = 1,
    .attrs = resize_attrs, .shape = resize_shape, .reference = resize_reference,
};
