/* conv.c - convolution: the numbers of one (for backends too), the row CONV and its definition.
 *
 * Source:  ONNX Conv-11 (cross-correlation, explicit pads), with an activation and two residuals
 *          that the passes fold in.
 * Maths:   y[n,o,oy,ox] = alpha * act(bias[o] + sum over c, ky, kx of
 *              w[o,c,ky,kx] * x[n, g*ci/group + c, oy*sh - top + ky*dh, ox*sw - left + kx*dw])
 *              + beta1*res1[n,o,oy,ox] + beta2*res2[n,o,oy,ox], g = o / (co/group); outside x is 0.
 * Shapes:  x [n,ci,h,w], w [co,ci/group,kh,kw], bias [co], slope [co], res1 and res2 like y.
 * Layer:   kernels/ops.   Threads: pure functions.
 * Ownership: the reference holds one row of sums while it runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>

/* strides, dilations, pads and (transposed) output_padding. */
static syn_status parse_window(const struct syn_op_call *c, struct syn_conv *p, struct syn_err *err)
{
    syn_status st = syn_ops_check_list(c, "strides", 2, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "dilations", 2, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "pads", 4, err);
    if (st == SYN_OK && p->transposed) st = syn_ops_check_list(c, "output_padding", 2, err);
    if (st != SYN_OK) return st;
    p->stride_h = syn_ops_entry(c, "strides", 0, 1);
    p->stride_w = syn_ops_entry(c, "strides", 1, 1);
    p->dil_h = syn_ops_entry(c, "dilations", 0, 1);
    p->dil_w = syn_ops_entry(c, "dilations", 1, 1);
    p->top = syn_ops_entry(c, "pads", 0, 0);
    p->left = syn_ops_entry(c, "pads", 1, 0);
    p->bottom = syn_ops_entry(c, "pads", 2, 0);
    p->right = syn_ops_entry(c, "pads", 3, 0);
    return SYN_OK;
}

/* x and w, and what group demands of their channels. */
static syn_status parse_channels(const struct syn_op_call *c, struct syn_conv *p,
                                 struct syn_err *err)
{
    const struct syn_shape *x = &c->in[SYN_CONV_X].shape, *w = &c->in[SYN_CONV_W].shape;
    syn_status st = syn_ops_check_rank(c, SYN_CONV_X, "x", 4, err);
    if (st == SYN_OK) st = syn_ops_check_rank(c, SYN_CONV_W, "w", 4, err);
    if (st != SYN_OK) return st;
    p->n = x->dim[0], p->ci = x->dim[1], p->h = x->dim[2], p->w = x->dim[3];
    p->kh = w->dim[2], p->kw = w->dim[3];
    if (p->ci % p->group != 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: group = %" PRId64 ": must divide the %" PRId64 " channels of x",
                        c->op->name, p->group, p->ci);
    int64_t got = w->dim[p->transposed ? 0 : 1], want = p->transposed ? p->ci : p->ci / p->group;
    if (got != want)
        return syn_fail(err, SYN_INVALID,
                        "%s: w has %" PRId64 " input channels: must be %" PRId64 " (x has %" PRId64
                        " channels, group = %" PRId64 ")",
                        c->op->name, got, want, p->ci, p->group);
    /* group <= ci here, so the product is at most w's element count */
    p->co = p->transposed ? w->dim[1] * p->group : w->dim[0];
    if (p->co % p->group != 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: w has %" PRId64
                        " output channels: must be a multiple of group = %" PRId64,
                        c->op->name, p->co, p->group);
    return SYN_OK;
}

/* Output positions on one axis; 0 or less when the kernel does not fit. */
static int64_t out_size(int64_t in, int64_t k, int64_t stride, int64_t dil, int64_t before,
                        int64_t after)
{
    int64_t room = in + before + after - dil * (k - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static syn_status parse_out(const struct syn_op_call *c, struct syn_conv *p, struct syn_err *err)
{
    if (p->transposed) {
        p->ho = (p->h - 1) * p->stride_h - p->top - p->bottom + p->dil_h * (p->kh - 1) + 1 +
                syn_ops_entry(c, "output_padding", 0, 0);
        p->wo = (p->w - 1) * p->stride_w - p->left - p->right + p->dil_w * (p->kw - 1) + 1 +
                syn_ops_entry(c, "output_padding", 1, 0);
    } else {
        p->ho = out_size(p->h, p->kh, p->stride_h, p->dil_h, p->top, p->bottom);
        p->wo = out_size(p->w, p->kw, p->stride_w, p->dil_w, p->left, p->right);
    }
    if (p->ho >= 1 && p->wo >= 1) return SYN_OK;
    return syn_fail(err, SYN_INVALID,
                    "%s: output would be %" PRId64 " x %" PRId64 ": x is %" PRId64 " x %" PRId64
                    ", w %" PRId64 " x %" PRId64 ", strides %" PRId64 ",%" PRId64
                    ", dilations %" PRId64 ",%" PRId64 ", pads %" PRId64 ",%" PRId64 ",%" PRId64
                    ",%" PRId64,
                    c->op->name, p->ho, p->wo, p->h, p->w, p->kh, p->kw, p->stride_h, p->stride_w,
                    p->dil_h, p->dil_w, p->top, p->left, p->bottom, p->right);
}

/* Optional operands: bias, slope, residuals. */
static syn_status parse_extras(const struct syn_op_call *c, const struct syn_conv *p,
                               struct syn_err *err)
{
    const struct syn_shape channels = syn_shape_of(1, &p->co),
                           y = syn_shape4(p->n, p->co, p->ho, p->wo);
    bool prelu = p->act == SYN_ACT_PRELU;
    syn_status st = SYN_OK;
    if (syn_ops_given(c, SYN_CONV_BIAS))
        st = syn_ops_check_shape(c, SYN_CONV_BIAS, "bias", &channels, "output channels", err);
    if (st == SYN_OK && syn_ops_given(c, SYN_CONV_SLOPE) != prelu)
        st = syn_fail(err, SYN_INVALID, "%s: operand slope is %s: act = %d %s", c->op->name,
                      prelu ? "missing" : "given", (int)p->act,
                      prelu ? "(prelu) needs it" : "has no use for it");
    if (st == SYN_OK && prelu)
        st = syn_ops_check_shape(c, SYN_CONV_SLOPE, "slope", &channels, "output channels", err);
    if (st == SYN_OK && syn_ops_given(c, SYN_CONV_RES1))
        st = syn_ops_check_shape(c, SYN_CONV_RES1, "res1", &y, "the output's shape", err);
    if (st == SYN_OK && syn_ops_given(c, SYN_CONV_RES2))
        st = syn_ops_check_shape(c, SYN_CONV_RES2, "res2", &y, "the output's shape", err);
    return st;
}

syn_status syn_conv_parse(const struct syn_op_call *c, struct syn_conv *p, struct syn_err *err)
{
    struct syn_conv v = {.transposed = c->op == syn_op_get(SYN_OP_CONV_TRANSPOSE)};
    v.group = syn_attr_int(c->op, c->attr, "group");
    v.act = (enum syn_act)syn_attr_int(c->op, c->attr, "act");
    v.act_a = (float)syn_attr_float(c->op, c->attr, "act_a");
    v.act_b = (float)syn_attr_float(c->op, c->attr, "act_b");
    v.alpha = v.transposed ? 1 : (float)syn_attr_float(c->op, c->attr, "alpha");
    v.beta1 = v.transposed ? 0 : (float)syn_attr_float(c->op, c->attr, "beta1");
    v.beta2 = v.transposed ? 0 : (float)syn_attr_float(c->op, c->attr, "beta2");
    syn_status st = parse_window(c, &v, err);
    if (st == SYN_OK) st = parse_channels(c, &v, err);
    if (st == SYN_OK) st = parse_out(c, &v, err);
    if (st == SYN_OK) st = parse_extras(c, &v, err);
    if (st == SYN_OK) *p = v;
    return st;
}

static syn_status conv_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_conv p;
    syn_status st = syn_conv_parse(c, &p, err);
    if (st != SYN_OK) return st;
    const struct syn_shape y = syn_shape4(p.n, p.co, p.ho, p.wo);
    return syn_ops_out(c, &y, err);
}

/* The output positions [*lo, *hi) whose tap k lies inside the input: 0 <= o*stride + shift < in. */
static void valid_range(int64_t in, int64_t out, int64_t stride, int64_t shift, int64_t *lo,
                        int64_t *hi)
{
    *lo = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    *hi = shift >= in ? 0 : (in - 1 - shift) / stride + 1;
    if (*hi > out) *hi = out;
}

/* -O2 leaves the inner loop scalar; two doubles at a time, each sum in the same order, make whole
 * networks of the parity tests 2.5 times as quick (64 channels of 64x64: 1.7 to 4.3 GMAC/s). */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif

/* sum[ox] for one output row, bias excluded. x: the first input plane of the group; w: the kernels
 * of this output channel. */
static void conv_row(const struct syn_conv *p, const float *x, const float *w, int64_t oy,
                     double *sum)
{
    for (int64_t ox = 0; ox < p->wo; ox++) sum[ox] = 0;
    for (int64_t c = 0; c < p->ci / p->group; c++)
        for (int64_t ky = 0; ky < p->kh; ky++) {
            int64_t iy = oy * p->stride_h - p->top + ky * p->dil_h;
            if (iy < 0 || iy >= p->h) continue;
            const float *row = x + (c * p->h + iy) * p->w;
            for (int64_t kx = 0; kx < p->kw; kx++) {
                const double weight = w[(c * p->kh + ky) * p->kw + kx];
                const int64_t shift = kx * p->dil_w - p->left, stride = p->stride_w;
                int64_t lo, hi;
                valid_range(p->w, p->wo, stride, shift, &lo, &hi);
                for (int64_t ox = lo; ox < hi; ox++)
                    sum[ox] += weight * (double)row[ox * stride + shift];
            }
        }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

static syn_status conv_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const float *x = c->in[SYN_CONV_X].data, *w = c->in[SYN_CONV_W].data;
    const float *bias = syn_ops_given(c, SYN_CONV_BIAS) ? c->in[SYN_CONV_BIAS].data : NULL;
    const float *slope = syn_ops_given(c, SYN_CONV_SLOPE) ? c->in[SYN_CONV_SLOPE].data : NULL;
    const float *res1 = syn_ops_given(c, SYN_CONV_RES1) ? c->in[SYN_CONV_RES1].data : NULL;
    const float *res2 = syn_ops_given(c, SYN_CONV_RES2) ? c->in[SYN_CONV_RES2].data : NULL;
    float *y = c->out[0].data;
    struct syn_conv p;
    syn_status st = syn_conv_parse(c, &p, err);
    if (st != SYN_OK) return st;
    double *sum = syn_calloc((size_t)p.wo, sizeof *sum);
    if (!sum)
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for a row of %" PRId64, c->op->name,
                        p.wo);
    const int64_t ci_group = p.ci / p.group, co_group = p.co / p.group;
    int64_t i = 0; /* index into y and the residuals, in their order */
    for (int64_t n = 0; n < p.n; n++)
        for (int64_t o = 0; o < p.co; o++)
            for (int64_t oy = 0; oy < p.ho; oy++) {
                conv_row(&p, x + (n * p.ci + o / co_group * ci_group) * p.h * p.w,
                         w + o * ci_group * p.kh * p.kw, oy, sum);
                for (int64_t ox = 0; ox < p.wo; ox++, i++) {
                    float v = syn_act_apply(p.act, (float)(sum[ox] + (bias ? (double)bias[o] : 0)),
                                            p.act_a, p.act_b, slope ? slope[o] : 0);
                    y[i] = (float)((double)p.alpha * (double)v +
                                   (res1 ? (double)p.beta1 * (double)res1[i] : 0) +
                                   (res2 ? (double)p.beta2 * (double)res2[i] : 0));
                }
            }
    syn_free(sum);
    return SYN_OK;
}

static const struct syn_attr_spec conv_attrs[] = {
    {"group", SYN_ATTR_INT, 1, 1, SYN_OPS_MAX_PAD},
    SYN_OPS_STEP_ATTRS,
    {"act", SYN_ATTR_INT, SYN_ACT_NONE, 0, SYN_ACT_COUNT - 1},
    {"act_a", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"act_b", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"alpha", SYN_ATTR_FLOAT, 1, -FLT_MAX, FLT_MAX},
    {"beta1", SYN_ATTR_FLOAT, 1, -FLT_MAX, FLT_MAX},
    {"beta2", SYN_ATTR_FLOAT, 1, -FLT_MAX, FLT_MAX},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_conv = {
    .name = "Conv", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 2, .max_in = 6, .n_out = 1,
    .attrs = conv_attrs, .shape = conv_shape, .reference = conv_reference,
};
