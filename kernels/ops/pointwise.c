/* pointwise.c - one number in, one number out, as pictures' networks have them: RELU, LEAKY_RELU,
 * SIGMOID, CLIP (our own, numbers as attributes), CLIP_TO (ONNX's), IDENTITY.
 *
 * Source:  ONNX Relu-6..14, LeakyRelu-6..16, Sigmoid-6..13, Clip-6..13, Identity-1..25.
 * Types:   floats; Relu whole numbers with a sign too; Clip any numbers; Identity anything.
 * Maths:   relu max(v, 0); leaky v < 0 ? alpha*v : v; sigmoid 1/(1 + e^-v); clip min(max(v, lo),
 *          hi), so that hi wins where lo > hi. NaN stays NaN in each, so that a scan of the output
 *          finds it.
 * Clip:    in x, min?, max? (one element of x's type each; attributes before opset 11).
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/element.h"
#include "kernels/ops/ops.h"
#include <float.h>
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

static syn_status own_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_check(c, 0, "x", err);
    return st == SYN_OK ? syn_ops_out(c, &c->in[0].shape, err) : st;
}

static syn_status float_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPES_FLOAT, err);
}

static syn_status relu_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPES_FLOAT | SYN_TYPES_SIGNED, err);
}

static syn_status any_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPES_ALL, err);
}

static double relu(double v, const double *p)
{
    (void)p;
    return v < 0 ? 0 : v;
}
static int64_t relu_int(int64_t v, const double *p)
{
    (void)p;
    return v < 0 ? 0 : v;
}
/* alpha is a float to ONNX, and so is the product where x is f32. */
static double leaky(double v, const double *p) { return v < 0 ? *p * v : v; }
static double sigmoid(double v, const double *p)
{
    (void)p;
    return 1 / (1 + exp(-v));
}
static double clip(double v, const double *p)
{
    const double low = v < p[0] ? p[0] : v;
    return low > p[1] ? p[1] : low;
}

static syn_status relu_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    syn_element_map(c, relu, relu_int, NULL);
    return SYN_OK;
}

static syn_status leaky_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const double alpha = (double)(float)syn_attr_float(c->op, c->attr, "alpha");
    (void)err;
    syn_element_map(c, leaky, NULL, &alpha);
    return SYN_OK;
}

static syn_status sigmoid_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    syn_element_map(c, sigmoid, NULL, NULL);
    return SYN_OK;
}

static syn_status clip_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const double range[2] = {(double)(float)syn_attr_float(c->op, c->attr, "min"),
                             (double)(float)syn_attr_float(c->op, c->attr, "max")};
    (void)err;
    syn_element_map(c, clip, NULL, range);
    return SYN_OK;
}

static syn_status identity_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    syn_element_convert(c->in[0].dtype, c->in[0].data, c->out[0].dtype, c->out[0].data,
                        syn_ops_elements(&c->out[0].shape));
    return SYN_OK;
}

/* --- ONNX's Clip ----------------------------------------------------------------------------- */

static syn_status clip_to_shape(struct syn_op_call *c, struct syn_err *err)
{
    static const char *const words[3] = {"input", "min", "max"};
    syn_status st = syn_element_same(c, SYN_TYPES_NUMBER, err);
    for (int32_t i = 1; st == SYN_OK && i < 3; i++) {
        if (!syn_ops_given(c, i)) continue;
        st = syn_element_scalar(c, i, words[i], SYN_TYPES_NUMBER, err);
        if (st == SYN_OK) st = syn_ops_same_type(c, 0, i, words[i], err);
    }
    return st;
}

/* The bounds of whole numbers are read as such: doubles hold them to 2^53 only. */
static void clip_whole(const struct syn_op_call *c)
{
    const syn_dtype t = c->in[0].dtype;
    const bool wide = t == SYN_U64;
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); i < n; i++) {
        int64_t v = syn_element_int(t, c->in[0].data, i);
        for (int32_t k = 1; k < 3; k++) {
            if (!syn_ops_given(c, k)) continue;
            const int64_t bound = syn_element_int(t, c->in[k].data, 0), lo = k == 1 ? v : bound,
                          hi = k == 1 ? bound : v;
            if (wide ? (uint64_t)lo < (uint64_t)hi : lo < hi) v = bound;
        }
        syn_element_put_int(t, c->out[0].data, i, v);
    }
}

static syn_status clip_to_reference(const struct syn_op_call *c, struct syn_err *err)
{
    double range[2] = {-INFINITY, INFINITY};
    (void)err;
    if (syn_dtype_kind(c->in[0].dtype) != 'F') return clip_whole(c), SYN_OK;
    if (c->opset < 11) {
        range[0] = (double)(float)syn_attr_float(c->op, c->attr, "min");
        range[1] = (double)(float)syn_attr_float(c->op, c->attr, "max");
    }
    for (int32_t k = 1; k < 3; k++)
        if (syn_ops_given(c, k))
            range[k - 1] = syn_element_double(c->in[k].dtype, c->in[k].data, 0);
    syn_element_map(c, clip, NULL, range);
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
static const struct syn_attr_spec clip_to_attrs[] = {
    {"min", SYN_ATTR_FLOAT, -(double)FLT_MAX, -INFINITY, INFINITY},
    {"max", SYN_ATTR_FLOAT, (double)FLT_MAX, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_relu = {
    .name = "Relu", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .shape = relu_shape, .reference = relu_reference,
};
const struct syn_op syn_op_leaky_relu = {
    .name = "LeakyRelu", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .attrs = leaky_attrs, .shape = float_shape, .reference = leaky_reference,
};
const struct syn_op syn_op_sigmoid = {
    .name = "Sigmoid", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .shape = float_shape, .reference = sigmoid_reference,
};
const struct syn_op syn_op_clip = {
    .name = "Clip",
    .domain = "synthd",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = SYN_OP_POINTWISE,
    .attrs = clip_attrs,
    .shape = own_shape,
    .reference = clip_reference,
};
const struct syn_op syn_op_clip_to = {
    .name = "Clip", .min_in = 1, .max_in = 3, .n_out = 1,
    .attrs = clip_to_attrs, .shape = clip_to_shape, .reference = clip_to_reference,
};
const struct syn_op syn_op_identity = {
    .name = "Identity",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = SYN_OP_POINTWISE | SYN_OP_VIEW,
    .shape = any_shape,
    .reference = identity_reference,
};
