/* conv_step.c - CONV_STEP: a convolution and what is done to each of its results (chain.h) as one
 * node.
 *
 * Operands, attributes: Conv's (conv_nd.c), then
 *          step: which one, of those with one operand; arg0, arg1: its numbers.
 * Maths:   y = step(conv(x, w, b)), the convolution rounded to f32 as the node it stands for does.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/graph/chain.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>

/* The call as the convolution's own: its attributes come first. */
static struct syn_op_call conv_of(const struct syn_op_call *c)
{
    struct syn_op_call conv = *c;
    conv.op = &syn_op_conv_nd;
    return conv;
}

static syn_status step_shape(struct syn_op_call *c, struct syn_err *err)
{
    const int64_t step = syn_attr_int(c->op, c->attr, "step");
    struct syn_op_call conv = conv_of(c);
    syn_status st;
    if (step < 0 || step >= SYN_STEP_COUNT || syn_step_operands((syn_step)step) != 1)
        return syn_fail(err, SYN_INVALID, "%s: step %" PRId64 ": none of one operand",
                        c->op->name, step);
    if ((st = syn_op_conv_nd.shape(&conv, err)) != SYN_OK)
        return syn_fail_in(err, st, "%s: ", c->op->name);
    c->out[0] = conv.out[0];
    return SYN_OK;
}

static syn_status step_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const syn_step step = (syn_step)syn_attr_int(c->op, c->attr, "step");
    const double args[2] = {syn_attr_float(c->op, c->attr, "arg0"),
                            syn_attr_float(c->op, c->attr, "arg1")};
    const struct syn_op_call conv = conv_of(c);
    float *y = c->out[0].data;
    const syn_status st = syn_op_conv_nd.reference(&conv, err);
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); st == SYN_OK && i < n; i++)
        y[i] = (float)syn_step_apply(step, (double)y[i], 0, args);
    return st;
}

static const struct syn_attr_spec step_attrs[] = {
    SYN_WINDOW_ATTRS,
    {"group", SYN_ATTR_INT, 1, 1, 2147483647},
    {"step", SYN_ATTR_INT, SYN_STEP_RELU, 0, SYN_STEP_COUNT - 1},
    {"arg0", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"arg1", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_conv_step = {
    .name = "ConvStep", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 2, .max_in = 3,
    .n_out = 1, .attrs = step_attrs, .shape = step_shape, .reference = step_reference,
};
