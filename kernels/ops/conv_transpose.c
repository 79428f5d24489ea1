/* conv_transpose.c - transposed convolution: the row CONV_TRANSPOSE and its definition.
 *
 * Source:  ONNX ConvTranspose-11 with explicit pads. auto_pad is a matter of the loader: the output
 *          is in * stride, so total = (in-1)*stride + dil*(k-1) + 1 - in*stride is cut off
 *          (SAME_UPPER cuts the odd one at the end, SAME_LOWER at the start), or added by
 *          output_padding when negative.
 * Maths:   y[n, o, iy*sh - top + ky*dh, ix*sw - left + kx*dw] collects w[c, o % (co/group), ky, kx]
 *          * x[n, c, iy, ix] over the channels c of o's group; then bias and act. Places nothing
 *          reaches (output_padding) hold act(bias).
 * Shapes:  x [n,ci,h,w], w [ci,co/group,kh,kw], bias [co], slope [co].
 * Layer:   kernels/ops.   Threads: pure functions.
 * Ownership: the reference holds one row of sums while it runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <inttypes.h>
#include <math.h>

static syn_status transpose_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_conv p;
    syn_status st = syn_conv_parse(c, &p, err);
    if (st != SYN_OK) return st;
    const struct syn_shape y = syn_shape4(p.n, p.co, p.ho, p.wo);
    return syn_ops_out(c, &y, err);
}

/* sum[ox] for one output row, bias excluded. x: first input plane of the group; w: the kernel of
 * that plane and this output channel, w_step floats before the next plane's. */
static void transpose_row(const struct syn_conv *p, const float *x, const float *w, int64_t w_step,
                          int64_t oy, double *sum)
{
    for (int64_t ox = 0; ox < p->wo; ox++) sum[ox] = 0;
    for (int64_t ky = 0; ky < p->kh; ky++) {
        int64_t from = oy + p->top - ky * p->dil_h; /* iy * stride_h, if this tap reaches the row */
        if (from < 0 || from % p->stride_h != 0 || from / p->stride_h >= p->h) continue;
        for (int64_t c = 0; c < p->ci / p->group; c++) {
            const float *row = x + (c * p->h + from / p->stride_h) * p->w;
            for (int64_t kx = 0; kx < p->kw; kx++) {
                const double weight = w[c * w_step + ky * p->kw + kx];
                const int64_t shift = kx * p->dil_w - p->left; /* ox = ix*stride_w + shift */
                int64_t lo = shift >= 0 ? 0 : (-shift + p->stride_w - 1) / p->stride_w;
                int64_t hi = shift >= p->wo ? 0 : (p->wo - 1 - shift) / p->stride_w + 1;
                if (hi > p->w) hi = p->w;
                for (int64_t ix = lo; ix < hi; ix++)
                    sum[ix * p->stride_w + shift] += weight * (double)row[ix];
            }
        }
    }
}

static syn_status transpose_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const float *x = c->in[SYN_CONV_X].data, *w = c->in[SYN_CONV_W].data;
    const float *bias = syn_ops_given(c, SYN_CONV_BIAS) ? c->in[SYN_CONV_BIAS].data : NULL;
    const float *slope = syn_ops_given(c, SYN_CONV_SLOPE) ? c->in[SYN_CONV_SLOPE].data : NULL;
    float *y = c->out[0].data;
    struct syn_conv p;
    syn_status st = syn_conv_parse(c, &p, err);
    if (st != SYN_OK) return st;
    double *sum = syn_calloc((size_t)p.wo, sizeof *sum);
    if (!sum)
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for a row of %" PRId64, c->op->name,
                        p.wo);
    const int64_t ci_group = p.ci / p.group, co_group = p.co / p.group, kernel = p.kh * p.kw;
    for (int64_t n = 0; n < p.n; n++)
        for (int64_t o = 0; o < p.co; o++)
            for (int64_t oy = 0; oy < p.ho; oy++) {
                const int64_t first = o / co_group * ci_group; /* the group's first input channel */
                transpose_row(&p, x + (n * p.ci + first) * p.h * p.w,
                              w + (first * co_group + o % co_group) * kernel, co_group * kernel, oy,
                              sum);
                for (int64_t ox = 0; ox < p.wo; ox++)
                    *y++ = syn_act_apply(p.act, (float)(sum[ox] + (bias ? (double)bias[o] : 0)),
                                         p.act_a, p.act_b, slope ? slope[o] : 0);
            }
    syn_free(sum);
    return SYN_OK;
}

static const struct syn_attr_spec transpose_attrs[] = {
    {"group", SYN_ATTR_INT, 1, 1, SYN_OPS_MAX_PAD},
    SYN_OPS_STEP_ATTRS,
    {"output_padding", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_PAD},
    {"act", SYN_ATTR_INT, SYN_ACT_NONE, 0, SYN_ACT_COUNT - 1},
    {"act_a", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"act_b", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_conv_transpose = {
    .name = "ConvTranspose", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 2, .max_in = 4,
    .n_out = 1,
    .attrs = transpose_attrs, .shape = transpose_shape, .reference = transpose_reference,
};
