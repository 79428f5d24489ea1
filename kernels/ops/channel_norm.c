/* channel_norm.c - CHANNEL_NORM: each channel of a picture brought to mean 0 and variance 1, then
 * scaled, shifted and activated: what instance normalisation and its spelled-out forms become.
 *
 * Operands: x [n,c,h,w], scale?, bias? (n*c or c numbers, any shape), res? [n,c,h,w].
 * Attrs:    epsilon, act, act_a, act_b (enum syn_act without PRELU).
 * Maths:    y = act((x - mean) / sqrt(var + epsilon) * scale + bias) + res; mean and var over h,
 *           w, var with 1/(h*w). Scale and bias may be computed by the model: style networks do.
 * Source:   ONNX InstanceNormalization-6.
 * Layer:    kernels/ops.   Threads: pure functions. */
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <math.h>

enum { X, SCALE, BIAS, RES };

static syn_status norm_shape(struct syn_op_call *c, struct syn_err *err)
{
    static const char *const words[] = {"x", "scale", "bias"};
    const struct syn_shape *x = &c->in[X].shape;
    syn_status st = syn_ops_check_rank(c, X, "x", 4, err);
    for (int32_t i = SCALE; st == SYN_OK && i <= BIAS; i++) {
        int64_t n;
        if (!syn_ops_given(c, i)) continue;
        if ((st = syn_ops_check(c, i, words[i], err)) != SYN_OK) break;
        n = syn_ops_elements(&c->in[i].shape);
        if (n != x->dim[1] && n != x->dim[0] * x->dim[1])
            st = syn_fail(err, SYN_INVALID, "%s: %s has %lld numbers: must be one per channel",
                          c->op->name, words[i], (long long)n);
    }
    if (st == SYN_OK && syn_ops_given(c, RES))
        st = syn_ops_check_shape(c, RES, "res", x, "x's", err);
    return st == SYN_OK ? syn_ops_out(c, x, err) : st;
}

static float per_channel(const struct syn_op_call *c, int32_t i, int64_t n, int64_t k,
                         float fallback)
{
    const int64_t channels = c->in[X].shape.dim[1];
    if (!syn_ops_given(c, i)) return fallback;
    const float *data = c->in[i].data;
    return data[syn_ops_elements(&c->in[i].shape) == channels ? k : n * channels + k];
}

static syn_status norm_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *s = &c->in[X].shape;
    const float *x = c->in[X].data, *res = syn_ops_given(c, RES) ? c->in[RES].data : NULL;
    const double epsilon = syn_attr_float(c->op, c->attr, "epsilon");
    const enum syn_act act = (enum syn_act)syn_attr_int(c->op, c->attr, "act");
    const float a = (float)syn_attr_float(c->op, c->attr, "act_a"),
                b = (float)syn_attr_float(c->op, c->attr, "act_b");
    const int64_t plane = s->dim[2] * s->dim[3];
    float *y = c->out[0].data;
    (void)err;
    for (int64_t n = 0; n < s->dim[0]; n++)
        for (int64_t k = 0; k < s->dim[1];
             k++, x += plane, y += plane, res = res ? res + plane : NULL) {
            const float scale = per_channel(c, SCALE, n, k, 1),
                        bias = per_channel(c, BIAS, n, k, 0);
            double mean = 0, var = 0, factor;
            for (int64_t i = 0; i < plane; i++) mean += (double)x[i];
            mean /= (double)plane;
            for (int64_t i = 0; i < plane; i++)
                var += ((double)x[i] - mean) * ((double)x[i] - mean);
            factor = (double)scale / sqrt(var / (double)plane + epsilon);
            for (int64_t i = 0; i < plane; i++)
                y[i] = syn_act_apply(act, (float)(((double)x[i] - mean) * factor + (double)bias), a,
                                     b, 0) +
                       (res ? res[i] : 0);
        }
    return SYN_OK;
}

static const struct syn_attr_spec norm_attrs[] = {
    {"epsilon", SYN_ATTR_FLOAT, 1e-5, 0, INFINITY},
    {"act", SYN_ATTR_INT, SYN_ACT_NONE, 0, SYN_ACT_COUNT - 1},
    {"act_a", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"act_b", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_channel_norm = {
    .name = "ChannelNorm",
    .domain = "synthd",
    .flags = SYN_OP_FLOAT,
    .min_in = 1,
    .max_in = 4,
    .n_out = 1,
    .attrs = norm_attrs,
    .shape = norm_shape,
    .reference = norm_reference,
};
