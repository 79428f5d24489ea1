/* pointwise.c - one number in, one number out: RELU, LEAKY_RELU, PRELU, SIGMOID, CLIP, IDENTITY.
 *
 * Source:  ONNX Relu-14, LeakyRelu-16, PRelu-16, Sigmoid-13, Clip-13, Identity-19.
 * Maths:   relu max(v, 0); leaky v < 0 ? alpha*v : v; prelu the same with a slope per channel;
 *          sigmoid 1/(1 + e^-v); clip min(max(v, lo), hi), so that hi wins where lo > hi.
 *          NaN stays NaN in each, so that a scan of the output finds it.
 * Shapes:  any; PRELU x [n,c,...] with slope [c], [c,1,...,1] (ONNX's spelling) or [1].
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <inttypes.h>
#include <math.h>

float syn_act_apply(enum syn_act act, float v, float a, float b, float slope)
{
    switch (act) {
    case SYN_ACT_RELU: return v < 0 ? 0 : v;
    case SYN_ACT_LEAKY: return v < 0 ? a * v : v;
    case SYN_ACT_PRELU: return v < 0 ? slope * v : v;
    case SYN_ACT_SIGMOID: return (float)(1 / (1 + exp(-(double)v)));
    case SYN_ACT_CLIP: {
        float low = v < a ? a : v;
        return low > b ? b : low;
    }
    case SYN_ACT_NONE:
    case SYN_ACT_COUNT: break;
    }
    return v;
}

static syn_status same_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_check(c, 0, "x", err);
    return st == SYN_OK ? syn_ops_out(c, &c->in[0].shape, err) : st;
}

static syn_status apply_all(const struct syn_op_call *c, enum syn_act act, float a, float b)
{
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); i < n; i++)
        y[i] = syn_act_apply(act, x[i], a, b, 0);
    return SYN_OK;
}

static syn_status relu_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return apply_all(c, SYN_ACT_RELU, 0, 0);
}

static syn_status leaky_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return apply_all(c, SYN_ACT_LEAKY, (float)syn_attr_float(c->op, c->attr, "alpha"), 0);
}

static syn_status sigmoid_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return apply_all(c, SYN_ACT_SIGMOID, 0, 0);
}

static syn_status clip_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return apply_all(c, SYN_ACT_CLIP, (float)syn_attr_float(c->op, c->attr, "min"),
                     (float)syn_attr_float(c->op, c->attr, "max"));
}

static syn_status identity_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return apply_all(c, SYN_ACT_NONE, 0, 0);
}

/* Entries of slope when its shape is one of the three allowed, else 0. */
static int64_t slope_entries(const struct syn_shape *x, const struct syn_shape *slope)
{
    if (slope->rank != 1 && slope->rank != x->rank - 1) return 0;
    for (int32_t d = 1; d < slope->rank; d++)
        if (slope->dim[d] != 1) return 0;
    return slope->dim[0] == 1 || slope->dim[0] == x->dim[1] ? slope->dim[0] : 0;
}

static syn_status prelu_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    char text[192];
    syn_status st = syn_ops_check(c, 0, "x", err);
    if (st == SYN_OK) st = syn_ops_check(c, 1, "slope", err);
    if (st != SYN_OK) return st;
    if (x->rank < 2)
        return syn_fail(err, SYN_INVALID, "%s: x has rank %d: must be at least 2", c->op->name,
                        (int)x->rank);
    if (slope_entries(x, &c->in[1].shape) == 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: slope has shape %s: must be [%" PRId64 "] (x's channels) or [1]",
                        c->op->name, syn_shape_text(&c->in[1].shape, text, sizeof text), x->dim[1]);
    return syn_ops_out(c, x, err);
}

static syn_status prelu_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const float *x = c->in[0].data, *slope = c->in[1].data;
    const struct syn_shape *s = &c->in[0].shape;
    const bool shared = c->in[1].shape.dim[0] == 1;
    float *y = c->out[0].data;
    int64_t plane = 1;
    (void)err;
    for (int32_t d = 2; d < s->rank; d++) plane *= s->dim[d];
    for (int64_t n = 0; n < s->dim[0]; n++)
        for (int64_t k = 0; k < s->dim[1]; k++)
            for (int64_t i = 0; i < plane; i++)
                *y++ = syn_act_apply(SYN_ACT_PRELU, *x++, 0, 0, slope[shared ? 0 : k]);
    return SYN_OK;
}

static const struct syn_attr_spec leaky_attrs[] = {
    {"alpha", SYN_ATTR_FLOAT, 0.01, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec clip_attrs[] = {
    {"min", SYN_ATTR_FLOAT, -INFINITY, -INFINITY, INFINITY},
    {"max", SYN_ATTR_FLOAT, INFINITY, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_relu = {
    .name = "Relu", .min_in = 1, .max_in = 1, .n_out = 1,
    .shape = same_shape, .reference = relu_reference, .flags = SYN_OP_FLOAT | SYN_OP_POINTWISE,
};
const struct syn_op syn_op_leaky_relu = {
    .name = "LeakyRelu", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = leaky_attrs, .shape = same_shape, .reference = leaky_reference, .flags = SYN_OP_FLOAT | SYN_OP_POINTWISE,
};
const struct syn_op syn_op_prelu = {
    .name = "PRelu", .flags = SYN_OP_FLOAT, .min_in = 2, .max_in = 2, .n_out = 1,
    .shape = prelu_shape, .reference = prelu_reference,
};
const struct syn_op syn_op_sigmoid = {
    .name = "Sigmoid", .min_in = 1, .max_in = 1, .n_out = 1,
    .shape = same_shape, .reference = sigmoid_reference, .flags = SYN_OP_FLOAT | SYN_OP_POINTWISE,
};
const struct syn_op syn_op_clip = {
    .name = "Clip", .domain = "synthd", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = clip_attrs, .shape = same_shape, .reference = clip_reference, .flags = SYN_OP_FLOAT | SYN_OP_POINTWISE,
};
const struct syn_op syn_op_identity = {
    .name = "Identity", .min_in = 1, .max_in = 1, .n_out = 1,
    .shape = same_shape, .reference = identity_reference, .flags = SYN_OP_FLOAT | SYN_OP_POINTWISE,
};
