/* pixel_shuffle.c - channels to pixels and back: PIXEL_SHUFFLE, PIXEL_UNSHUFFLE.
 *
 * Source:  PyTorch pixel_shuffle and ONNX DepthToSpace-13 mode CRD (mode 0), DCR (mode 1); the
 *          inverses: PyTorch pixel_unshuffle (mode 0), ONNX SpaceToDepth-13 (mode 1).
 * Maths:   wide[n, k, y*r + dy, x*r + dx] = deep[n, d, y, x] with d = (k*r + dy)*r + dx in mode 0
 *          and d = (dy*r + dx)*c + k in mode 1; c = channels of wide. SHUFFLE writes wide,
 *          UNSHUFFLE deep. SHUFFLE with a residual adds res[n, k, y, x] to all r*r pixels of
 *          (y, x): what nearest enlargement by r and a sum would.
 * Shapes:  deep [n, c*r*r, h, w], wide [n, c, h*r, w*r].
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <inttypes.h>

#define MAX_FACTOR 1024

static syn_status shuffle_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    const int64_t r = syn_attr_int(c->op, c->attr, "r");
    syn_status st = syn_ops_check_rank(c, 0, "x", 4, err);
    if (st != SYN_OK) return st;
    if (y.dim[1] % (r * r) != 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: x has %" PRId64 " channels: must be a multiple of r*r = %" PRId64,
                        c->op->name, y.dim[1], r * r);
    y.dim[1] /= r * r;
    if (c->n_in > 1 && c->in[1].shape.rank >= 0 && !syn_shape_equal(&c->in[1].shape, &y)) {
        char got[96], want[96];
        return syn_fail(err, SYN_INVALID, "%s: res is %s: must be %s", c->op->name,
                        syn_shape_text(&c->in[1].shape, got, sizeof got),
                        syn_shape_text(&y, want, sizeof want));
    }
    y.dim[2] *= r, y.dim[3] *= r;
    return syn_ops_out(c, &y, err);
}

static syn_status unshuffle_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    const int64_t r = syn_attr_int(c->op, c->attr, "r");
    syn_status st = syn_ops_check_rank(c, 0, "x", 4, err);
    if (st != SYN_OK) return st;
    if (y.dim[2] % r != 0 || y.dim[3] % r != 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: x is %" PRId64 " x %" PRId64
                        ": both must be multiples of r = %" PRId64,
                        c->op->name, y.dim[2], y.dim[3], r);
    y.dim[1] *= r * r, y.dim[2] /= r, y.dim[3] /= r;
    return syn_ops_out(c, &y, err);
}

/* The index in the deep tensor of pixel (row, column) of channel k of the wide one. */
static int64_t deep_index(const struct syn_shape *wide, int64_t n, int64_t k, int64_t row,
                          int64_t column, int64_t r, bool dcr)
{
    const int64_t h = wide->dim[2] / r, w = wide->dim[3] / r, channels = wide->dim[1];
    const int64_t dy = row % r, dx = column % r;
    const int64_t d = dcr ? (dy * r + dx) * channels + k : (k * r + dy) * r + dx;
    return ((n * channels * r * r + d) * h + row / r) * w + column / r;
}

/* Walks the wide tensor in order; either side may be the one written. */
static void move_pixels(const struct syn_op_call *c, const struct syn_shape *wide, bool to_deep)
{
    const int64_t r = syn_attr_int(c->op, c->attr, "r");
    const bool dcr = syn_attr_int(c->op, c->attr, "mode") == 1;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    int64_t i = 0;
    for (int64_t n = 0; n < wide->dim[0]; n++)
        for (int64_t k = 0; k < wide->dim[1]; k++)
            for (int64_t row = 0; row < wide->dim[2]; row++)
                for (int64_t column = 0; column < wide->dim[3]; column++, i++) {
                    int64_t deep = deep_index(wide, n, k, row, column, r, dcr);
                    y[to_deep ? deep : i] = x[to_deep ? i : deep];
                }
}

static syn_status shuffle_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *wide = &c->out[0].shape;
    const int64_t r = syn_attr_int(c->op, c->attr, "r"), h = wide->dim[2], w = wide->dim[3];
    const float *res = c->n_in > 1 ? c->in[1].data : NULL;
    float *y = c->out[0].data;
    (void)err;
    move_pixels(c, wide, false);
    for (int64_t plane = 0; res && plane < wide->dim[0] * wide->dim[1]; plane++)
        for (int64_t row = 0; row < h; row++)
            for (int64_t column = 0; column < w; column++)
                y[(plane * h + row) * w + column] +=
                    res[(plane * (h / r) + row / r) * (w / r) + column / r];
    return SYN_OK;
}

static syn_status unshuffle_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    move_pixels(c, &c->in[0].shape, true);
    return SYN_OK;
}

static const struct syn_attr_spec shuffle_attrs[] = {
    {"r", SYN_ATTR_INT, 1, 1, MAX_FACTOR},
    {"mode", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_pixel_shuffle = {
    .name = "PixelShuffle", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 2,
    .n_out = 1,
    .attrs = shuffle_attrs, .shape = shuffle_shape, .reference = shuffle_reference,
};
const struct syn_op syn_op_pixel_unshuffle = {
    .name = "PixelUnshuffle", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 1,
    .n_out = 1,
    .attrs = shuffle_attrs, .shape = unshuffle_shape, .reference = unshuffle_reference,
};
