/* batch_norm.c - BatchNormalization.
 *
 * Source:  ONNX BatchNormalization of opsets 1, 6, 7, 9, 14, 15.
 * Operands: x [n,c,...] (or [c]), scale, bias, mean, var, each [c]. Outputs: y; training:
 *          running_mean, running_var.
 * Attributes: epsilon=1e-5, momentum=0.9, training_mode=0 (is_test, spatial, consumed_inputs of
 *          older opsets).
 * Maths:   (x - mean) / sqrt(var + epsilon) * scale + bias. Training: mean and variance of x
 *          itself; running = running * momentum + that * (1 - momentum).
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <inttypes.h>
#include <math.h>

static syn_status shape_of(struct syn_op_call *c, struct syn_err *err)
{
    static const char *const words[] = {"x", "scale", "bias", "mean", "var"};
    const struct syn_shape *x = &c->in[0].shape;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 1, SYN_MAX_RANK, err);
    const int64_t channels = st != SYN_OK ? 0 : x->rank > 1 ? x->dim[1] : 1;
    struct syn_shape vector = syn_shape_of(1, &channels);
    for (int32_t i = 1; st == SYN_OK && i < 5; i++) {
        st = syn_ops_ranked(c, i, words[i], SYN_TYPES_FLOAT, 1, 1, err);
        if (st == SYN_OK && c->in[i].shape.dim[0] != channels)
            st = syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " elements: must have %" PRId64,
                          c->op->name, words[i], c->in[i].shape.dim[0], channels);
    }
    for (int32_t o = 1; st == SYN_OK && o < c->n_out; o++)
        if (c->out[o].shape.rank >= 0 && (o > 2 || !syn_attr_int(c->op, c->attr, "training_mode")))
            st = syn_fail(err, SYN_UNSUPPORTED,
                          "%s: output %d: beside y there are running_mean and running_var with "
                          "training_mode = 1 alone",
                          c->op->name, (int)o);
    if (st == SYN_OK) st = syn_ops_result(c, 0, x, c->in[0].dtype, err);
    for (int32_t o = 1; st == SYN_OK && o < c->n_out; o++)
        st = syn_ops_result(c, o, &vector, c->in[3].dtype, err);
    return st;
}

static double get(const struct syn_tensor *t, int64_t i)
{
    return syn_element_double(t->dtype, t->data, i);
}

static syn_status reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const bool training = syn_attr_int(c->op, c->attr, "training_mode");
    const double epsilon = syn_attr_float(c->op, c->attr, "epsilon"),
                 momentum = syn_attr_float(c->op, c->attr, "momentum");
    const int64_t channels = x->shape.rank > 1 ? x->shape.dim[1] : 1, n = x->shape.dim[0];
    int64_t plane = 1;
    (void)err;
    for (int32_t d = 2; d < x->shape.rank; d++) plane *= x->shape.dim[d];
    for (int64_t k = 0; k < channels; k++) {
        double mean = get(&c->in[3], k), var = get(&c->in[4], k), factor;
        if (training) {
            double sum = 0, square = 0;
            for (int64_t i = 0; i < n * plane; i++)
                sum += get(x, (i / plane * channels + k) * plane + i % plane);
            sum /= (double)(n * plane);
            for (int64_t i = 0; i < n * plane; i++) {
                const double d = get(x, (i / plane * channels + k) * plane + i % plane) - sum;
                square += d * d;
            }
            square /= (double)(n * plane);
            if (c->n_out > 1 && c->out[1].shape.rank >= 0)
                syn_element_put_double(c->out[1].dtype, c->out[1].data, k,
                                       mean * momentum + sum * (1 - momentum), true);
            if (c->n_out > 2 && c->out[2].shape.rank >= 0)
                syn_element_put_double(c->out[2].dtype, c->out[2].data, k,
                                       var * momentum + square * (1 - momentum), true);
            mean = sum, var = square;
        }
        factor = get(&c->in[1], k) / sqrt(var + epsilon);
        for (int64_t i = 0; i < n * plane; i++) {
            const int64_t at = (i / plane * channels + k) * plane + i % plane;
            syn_element_put_double(y->dtype, y->data, at,
                                   (get(x, at) - mean) * factor + get(&c->in[2], k), true);
        }
    }
    return SYN_OK;
}

static const struct syn_attr_spec attrs[] = {
    {"epsilon", SYN_ATTR_FLOAT, (double)1e-5f, 0, INFINITY},
    {"momentum", SYN_ATTR_FLOAT, (double)0.9f, -INFINITY, INFINITY},
    {"training_mode", SYN_ATTR_INT, 0, 0, 1},
    {"is_test", SYN_ATTR_INT, 1, 0, 1},
    {"spatial", SYN_ATTR_INT, 1, 1, 1},
    {"consumed_inputs", SYN_ATTR_INTS, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_batch_normalization = {
    .name = "BatchNormalization",
    .min_in = 5,
    .max_in = 5,
    .n_out = 1,
    .max_out = 5,
    .attrs = attrs,
    .shape = shape_of,
    .reference = reference,
};
