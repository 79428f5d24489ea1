/* pool.c - windows reduced to one number: MAX_POOL, AVERAGE_POOL, GLOBAL_AVERAGE_POOL.
 *
 * Source:  ONNX MaxPool-12, AveragePool-19, GlobalAveragePool-1, 22, with the rule of PyTorch (ONNX
 *          since 1.16) that ceil_mode drops a last window that would start beyond the input and its
 *          leading pad.
 * Maths:   window of (oy, ox): iy = oy*sh - top + ky*dh, ix likewise. Max over the taps inside x,
 *          NaN if one is NaN, -infinity if there are none. Average: sum of the taps inside x,
 *          divided by how many these are, or with count_include_pad by how many lie inside x and
 *          its pads; no tap gives 0. ho = (h + top + bottom - dh*(kh-1) - 1)/sh + 1, rounded down,
 *          or up with ceil_mode.
 * Shapes:  x [n,c,h,w] -> y [n,c,ho,wo]; global: x [n,c,...] of any rank from 2 -> [n,c,1,...].
 *          Pads are less than the dilated window.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <inttypes.h>
#include <math.h>

/* One axis of a pooling window. */
struct pool_axis {
    int64_t in, out, k, stride, dil, before, after;
};

/* Fills in ax[0] = rows and ax[1] = columns, out included. */
static syn_status parse_axis(const struct syn_op_call *c, int32_t d, struct pool_axis *ax,
                             struct syn_err *err)
{
    ax->in = c->in[0].shape.dim[2 + d];
    ax->k = syn_ops_entry(c, "kernel", d, 1);
    ax->stride = syn_ops_entry(c, "strides", d, 1);
    ax->dil = syn_ops_entry(c, "dilations", d, 1);
    ax->before = syn_ops_entry(c, "pads", d, 0);
    ax->after = syn_ops_entry(c, "pads", d + 2, 0);
    const int64_t extent = ax->dil * (ax->k - 1) + 1,
                  room = ax->in + ax->before + ax->after - extent;
    const char *side = d ? "width" : "height";
    if (ax->before >= extent || ax->after >= extent)
        return syn_fail(err, SYN_INVALID,
                        "%s: pads %" PRId64 " and %" PRId64 " of the %s: must be less than the "
                        "window's %" PRId64,
                        c->op->name, ax->before, ax->after, side, extent);
    if (room < 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: the window's %s %" PRId64 " exceeds x's %" PRId64 " with pads %" PRId64
                        " and %" PRId64,
                        c->op->name, side, extent, ax->in, ax->before, ax->after);
    ax->out = room / ax->stride + 1;
    if (syn_attr_int(c->op, c->attr, "ceil_mode") && room % ax->stride != 0 &&
        ax->out * ax->stride < ax->in + ax->before)
        ax->out++;
    return SYN_OK;
}

static syn_status parse_pool(const struct syn_op_call *c, struct pool_axis ax[2],
                             struct syn_err *err)
{
    syn_status st = syn_ops_check_rank(c, 0, "x", 4, err);
    if (st == SYN_OK && syn_attr_list(c->op, c->attr, "kernel")->n != 2)
        st = syn_fail(err, SYN_INVALID, "%s: attribute kernel has %d entries: must have 2",
                      c->op->name, (int)syn_attr_list(c->op, c->attr, "kernel")->n);
    if (st == SYN_OK) st = syn_ops_check_list(c, "strides", 2, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "dilations", 2, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "pads", 4, err);
    for (int32_t d = 0; d < 2 && st == SYN_OK; d++) st = parse_axis(c, d, &ax[d], err);
    return st;
}

static syn_status pool_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct pool_axis ax[2];
    syn_status st = parse_pool(c, ax, err);
    if (st != SYN_OK) return st;
    const struct syn_shape y =
        syn_shape4(c->in[0].shape.dim[0], c->in[0].shape.dim[1], ax[0].out, ax[1].out);
    return syn_ops_out(c, &y, err);
}

/* Taps [*lo, *hi) of the window at o that lie in [from, to) of the input axis. */
static void taps_between(const struct pool_axis *ax, int64_t o, int64_t from, int64_t to,
                         int64_t *lo, int64_t *hi)
{
    const int64_t start = o * ax->stride - ax->before;
    *lo = start >= from ? 0 : (from - start + ax->dil - 1) / ax->dil;
    *hi = start >= to ? 0 : (to - 1 - start) / ax->dil + 1;
    if (*hi > ax->k) *hi = ax->k;
    if (*hi < *lo) *hi = *lo;
}

static float max_window(const struct pool_axis ax[2], const float *x, int64_t oy, int64_t ox)
{
    int64_t y0, y1, x0, x1;
    float most = -INFINITY;
    taps_between(&ax[0], oy, 0, ax[0].in, &y0, &y1);
    taps_between(&ax[1], ox, 0, ax[1].in, &x0, &x1);
    for (int64_t ky = y0; ky < y1; ky++)
        for (int64_t kx = x0; kx < x1; kx++) {
            const int64_t iy = oy * ax[0].stride - ax[0].before + ky * ax[0].dil;
            const int64_t ix = ox * ax[1].stride - ax[1].before + kx * ax[1].dil;
            const float v = x[iy * ax[1].in + ix];
            if (v > most || isnan(v)) most = v;
        }
    return most;
}

static float average_window(const struct pool_axis ax[2], const float *x, int64_t oy, int64_t ox,
                            bool with_pads)
{
    int64_t y0, y1, x0, x1;
    double sum = 0;
    taps_between(&ax[0], oy, 0, ax[0].in, &y0, &y1);
    taps_between(&ax[1], ox, 0, ax[1].in, &x0, &x1);
    for (int64_t ky = y0; ky < y1; ky++)
        for (int64_t kx = x0; kx < x1; kx++) {
            const int64_t iy = oy * ax[0].stride - ax[0].before + ky * ax[0].dil;
            const int64_t ix = ox * ax[1].stride - ax[1].before + kx * ax[1].dil;
            sum += (double)x[iy * ax[1].in + ix];
        }
    if (with_pads) { /* the pads count as zeros; what ceil_mode adds beyond them does not */
        taps_between(&ax[0], oy, -ax[0].before, ax[0].in + ax[0].after, &y0, &y1);
        taps_between(&ax[1], ox, -ax[1].before, ax[1].in + ax[1].after, &x0, &x1);
    }
    const int64_t count = (y1 - y0) * (x1 - x0);
    return count > 0 ? (float)(sum / (double)count) : 0;
}

static syn_status pool_reference(const struct syn_op_call *c, bool average, struct syn_err *err)
{
    const struct syn_shape *in = &c->in[0].shape;
    const bool with_pads = average && syn_attr_int(c->op, c->attr, "count_include_pad") != 0;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    struct pool_axis ax[2];
    syn_status st = parse_pool(c, ax, err);
    if (st != SYN_OK) return st;
    for (int64_t plane = 0; plane < in->dim[0] * in->dim[1]; plane++, x += in->dim[2] * in->dim[3])
        for (int64_t oy = 0; oy < ax[0].out; oy++)
            for (int64_t ox = 0; ox < ax[1].out; ox++)
                *y++ =
                    average ? average_window(ax, x, oy, ox, with_pads) : max_window(ax, x, oy, ox);
    return SYN_OK;
}

static syn_status max_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return pool_reference(c, false, err);
}

static syn_status average_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return pool_reference(c, true, err);
}

static syn_status global_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 2, SYN_MAX_RANK, err);
    if (st != SYN_OK) return st;
    y = c->in[0].shape;
    for (int32_t d = 2; d < y.rank; d++) y.dim[d] = 1;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

static syn_status global_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *in = &c->in[0].shape;
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    int64_t area = syn_ops_elements(in) > 0;
    (void)err;
    for (int32_t d = 2; area > 0 && d < in->rank; d++) area *= in->dim[d];
    for (int64_t plane = syn_ops_elements(&c->out[0].shape); plane > 0; plane--) {
        double sum = 0;
        for (int64_t i = 0; i < area; i++) sum += (double)*x++;
        *y++ = (float)(sum / (double)area); /* nothing: NaN, as 0/0 is */
    }
    return SYN_OK;
}

static const struct syn_attr_spec max_attrs[] = {
    {"kernel", SYN_ATTR_INTS, 0, 1, SYN_OPS_MAX_STEP},
    SYN_OPS_STEP_ATTRS,
    {"ceil_mode", SYN_ATTR_INT, 0, 0, 1},
    {"count_include_pad", SYN_ATTR_INT, 0, 0, 0}, /* pads never win a maximum */
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec average_attrs[] = {
    {"kernel", SYN_ATTR_INTS, 0, 1, SYN_OPS_MAX_STEP},
    SYN_OPS_STEP_ATTRS,
    {"ceil_mode", SYN_ATTR_INT, 0, 0, 1},
    {"count_include_pad", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_max_pool = {
    .name = "MaxPool", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 1,
    .n_out = 1,
    .attrs = max_attrs, .shape = pool_shape, .reference = max_reference,
};
const struct syn_op syn_op_average_pool = {
    .name = "AveragePool", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 1,
    .n_out = 1,
    .attrs = average_attrs, .shape = pool_shape, .reference = average_reference,
};
const struct syn_op syn_op_global_average_pool = {
    .name = "GlobalAveragePool", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 1, .n_out = 1,
    .shape = global_shape, .reference = global_reference,
};
