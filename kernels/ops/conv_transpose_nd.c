/* conv_transpose_nd.c - transposed convolution over any number of axes: CONV_TRANSPOSE_ND.
 *
 * Source:  ONNX ConvTranspose-1, 11, 22.
 * Operands: x [n,c,...], w [c,m/group,k...], b [m]?.
 * Attributes: auto_pad, kernel_shape, strides, pads, dilations, group, output_padding,
 *          output_shape.
 * Maths:   y[n,o,i*stride - before + t*dil] += x[n,c,i] * w[c,o,t], on top of b[o]. Output length:
 *          stride*(in-1) + output_padding + extent - before - after, extent = dil*(k-1) + 1. Where
 *          output_shape is given, or auto_pad SAME_* asks for in*stride, the pads are what that
 *          formula leaves: the odd one goes to the end for SAME_UPPER, to the beginning otherwise;
 *          a lack becomes zeros (with b) at the end, as onnxruntime has it.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/window.h"
#include <inttypes.h>

/* Axis .in = x's length, .out = y's. */
struct transpose_nd {
    struct syn_window win;
    int64_t n, c, m, group;
};

static syn_status parse_axis(const struct syn_op_call *c, int32_t d, syn_auto_pad how,
                             struct syn_window_axis *ax, struct syn_err *err)
{
    const struct syn_attr *shape = syn_attr_list(c->op, c->attr, "output_shape");
    const int64_t extra = syn_ops_entry(c, "output_padding", d, 0);
    const int64_t full = ax->stride * (ax->in - 1) + extra + ax->dil * (ax->k - 1) + 1;
    const bool same = how == SYN_AUTO_PAD_SAME_UPPER || how == SYN_AUTO_PAD_SAME_LOWER;
    if (how == SYN_AUTO_PAD_VALID) ax->before = ax->after = 0;
    if (same || shape->n) {
        /* output_shape may carry n and m before the spatial sizes */
        const int64_t want =
            shape->n ? shape->v.i[shape->n - (c->in[0].shape.rank - 2) + d] : ax->in * ax->stride;
        const int64_t total = full > want ? full - want : 0;
        ax->before = how == SYN_AUTO_PAD_SAME_UPPER ? total / 2 : total - total / 2;
        ax->after = total - ax->before;
        ax->out = want;
        return SYN_OK;
    }
    ax->out = full - ax->before - ax->after;
    if (ax->in == 0 || ax->out < 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: axis %d of length %" PRId64 " with pads %" PRId64 " and %" PRId64
                        " gives %" PRId64 ": must not be negative",
                        c->op->name, (int)(2 + d), ax->in, ax->before, ax->after, ax->out);
    return SYN_OK;
}

static syn_status parse(const struct syn_op_call *c, struct transpose_nd *p, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    const struct syn_attr *shape = syn_attr_list(c->op, c->attr, "output_shape");
    syn_auto_pad how;
    syn_status st = syn_window_auto_pad(c, &how, err);
    if (st == SYN_OK) st = syn_window_read(c, w, &p->win, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "output_padding", p->win.rank, err);
    if (st == SYN_OK && shape->n != 0 && shape->n != x->rank - 2 && shape->n != x->rank)
        st = syn_fail(err, SYN_INVALID, "%s: attribute output_shape has %d entries: must have %d",
                      c->op->name, (int)shape->n, (int)x->rank - 2);
    for (int32_t d = 0; st == SYN_OK && d < p->win.rank; d++)
        st = parse_axis(c, d, how, &p->win.axis[d], err);
    if (st != SYN_OK) return st;
    p->n = x->dim[0], p->c = x->dim[1];
    p->group = syn_attr_int(c->op, c->attr, "group");
    p->m = w->dim[1] * p->group; /* < 2^40 * 2^31 */
    if (p->m > SYN_MAX_ELEMENTS || w->dim[0] != p->c || p->c % p->group)
        return syn_fail(err, SYN_INVALID,
                        "%s: %" PRId64 " channels, w for %" PRId64 ", group %" PRId64
                        ": channels must be w's and a multiple of group",
                        c->op->name, p->c, w->dim[0], p->group);
    if (syn_ops_given(c, 2) && (c->in[2].shape.rank != 1 || c->in[2].shape.dim[0] != p->m))
        return syn_fail(
            err, SYN_INVALID, "%s: b has %" PRId64 " elements of rank %d: must be [%" PRId64 "]",
            c->op->name, syn_ops_elements(&c->in[2].shape), (int)c->in[2].shape.rank, p->m);
    return SYN_OK;
}

static syn_status transpose_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct transpose_nd p;
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "w", SYN_TYPES_FLOAT, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_same_type(c, 0, 1, "w", err);
    if (st == SYN_OK && syn_ops_given(c, 2)) st = syn_ops_same_type(c, 0, 2, "b", err);
    if (st == SYN_OK) st = parse(c, &p, err);
    if (st != SYN_OK) return st;
    y = (struct syn_shape){.rank = p.win.rank + 2, .dim = {p.n, p.m}};
    for (int32_t d = 0; d < p.win.rank; d++) y.dim[2 + d] = p.win.axis[d].out;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* The input that output position o meets at tap t on one axis: -1 when there is none. */
static int64_t meets(const struct syn_window_axis *ax, int64_t o, int64_t t)
{
    const int64_t v = o + ax->before - t * ax->dil;
    if (v < 0 || v % ax->stride) return -1;
    return v / ax->stride < ax->in ? v / ax->stride : -1;
}

/* Sum over all taps t (row-major) whose inputs exist, and channels: x and w point at the group's
 * first channel
 * and, in w, at the output's filter. */
static double gather(const struct transpose_nd *p, const float *x, const float *w, const int64_t *o,
                     int64_t plane, int64_t taps, int64_t w_step)
{
    const int64_t channels = p->c / p->group;
    int64_t t[SYN_MAX_SPATIAL] = {0};
    double sum = 0;
    for (int64_t k = 0; k < taps; k++) {
        int64_t at = 0;
        for (int32_t d = 0; d < p->win.rank && at >= 0; d++) {
            const int64_t i = meets(&p->win.axis[d], o[d], t[d]);
            at = i < 0 ? -1 : at * p->win.axis[d].in + i;
        }
        for (int64_t c = 0; at >= 0 && c < channels; c++)
            sum += (double)x[c * plane + at] * (double)w[c * w_step + k];
        for (int32_t d = p->win.rank - 1; d >= 0 && ++t[d] == p->win.axis[d].k; d--) t[d] = 0;
    }
    return sum;
}

static syn_status transpose_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const float *x = c->in[0].data, *w = c->in[1].data,
                *bias = syn_ops_given(c, 2) ? c->in[2].data : NULL;
    float *y = c->out[0].data;
    struct transpose_nd p;
    const syn_status st = parse(c, &p, err);
    if (st != SYN_OK) return st;
    const int64_t plane = syn_window_in(&p.win), taps = syn_window_size(&p.win),
                  out = syn_window_out(&p.win);
    const int64_t channels = p.c / p.group, each = p.m / p.group;
    for (int64_t n = 0; n < p.n && p.m > 0 && out > 0; n++)
        for (int64_t m = 0; m < p.m; m++) {
            const int64_t first = m / each * channels;
            int64_t at[SYN_MAX_SPATIAL] = {0};
            for (int64_t k = 0; k < out; k++) {
                const double sum =
                    gather(&p, x + (n * p.c + first) * plane, w + (first * each + m % each) * taps,
                           at, plane, taps, each * taps);
                *y++ = (float)(bias ? sum + (double)bias[m] : sum);
                syn_window_advance(&p.win, at);
            }
        }
    return SYN_OK;
}

static const struct syn_attr_spec transpose_attrs[] = {
    SYN_WINDOW_ATTRS,
    {"group", SYN_ATTR_INT, 1, 1, 2147483647},
    {"output_padding", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_PAD},
    {"output_shape", SYN_ATTR_INTS, 0, 0, (double)SYN_MAX_ELEMENTS},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_conv_transpose_nd = {
    .name = "ConvTranspose", .flags = SYN_OP_FLOAT, .min_in = 2, .max_in = 3, .n_out = 1,
    .attrs = transpose_attrs, .shape = transpose_shape, .reference = transpose_reference,
};
