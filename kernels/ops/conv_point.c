/* conv_point.c - CONV_POINT. See conv_point.h.
 *
 * Ownership: the reference holds what lies between while it runs. */
#include "kernels/ops/conv_point.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/chain.h"
#include "kernels/ops/window.h"
#include <math.h>

enum { IN_X, IN_FRONT, IN_POINT, IN_FRONT_BIAS, IN_POINT_BIAS };

static void begin(const struct syn_op_call *c, const struct syn_op *op, int32_t w, int32_t bias,
                  struct syn_op_call *to)
{
    *to = (struct syn_op_call){.op = op, .n_in = 2, .n_out = 1, .opset = c->opset};
    to->bf16 = c->bf16;
    to->in[1] = c->in[w];
    if (!syn_ops_given(c, bias)) return;
    to->in[2] = c->in[bias];
    to->n_in = 3;
}

syn_status syn_conv_point_parts(const struct syn_op_call *c, struct syn_conv_point *p,
                                struct syn_err *err)
{
    const int64_t step = syn_attr_int(c->op, c->attr, "step");
    const struct syn_attr given[3] = {
        syn_attr_of_int("step", step),
        syn_attr_of_float("arg0", syn_attr_float(c->op, c->attr, "arg0")),
        syn_attr_of_float("arg1", syn_attr_float(c->op, c->attr, "arg1"))};
    const bool transposed = syn_attr_int(c->op, c->attr, "transposed") != 0;
    const struct syn_op *last = step < 0 ? &syn_op_conv_nd : &syn_op_conv_step;
    syn_status st;
    begin(c, transposed ? &syn_op_conv_transpose_nd : &syn_op_conv_nd, IN_FRONT, IN_FRONT_BIAS,
          &p->front);
    p->front.in[0] = c->in[IN_X];
    p->front.attr = c->attr; /* the row's own attributes come first */
    if ((st = p->front.op->shape(&p->front, err)) != SYN_OK) return st;
    begin(c, last, IN_POINT, IN_POINT_BIAS, &p->point);
    p->point.in[0] = p->front.out[0];
    p->point.attr = p->attr;
    if ((st = syn_attr_fill(last, given, step < 0 ? 0 : 3, p->attr, err)) != SYN_OK) return st;
    return last->shape(&p->point, err);
}

static syn_status point_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_conv_point p;
    const syn_status st = syn_conv_point_parts(c, &p, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "%s: ", c->op->name);
    c->out[0] = p.point.out[0];
    return SYN_OK;
}

static syn_status point_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct syn_conv_point p;
    float *between;
    syn_status st = syn_conv_point_parts(c, &p, err);
    if (st != SYN_OK) return st;
    between = syn_calloc((size_t)syn_ops_elements(&p.point.in[0].shape), sizeof *between);
    if (!between) return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    p.front.out[0].data = p.point.in[0].data = between;
    p.point.out[0].data = c->out[0].data;
    st = p.front.op->reference(&p.front, err);
    if (st == SYN_OK) st = p.point.op->reference(&p.point, err);
    syn_free(between);
    return st;
}

static const struct syn_attr_spec point_attrs[] = {
    SYN_WINDOW_ATTRS,
    {"group", SYN_ATTR_INT, 1, 1, 2147483647},
    {"output_padding", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_PAD},
    {"output_shape", SYN_ATTR_INTS, 0, 0, (double)SYN_MAX_ELEMENTS},
    {"transposed", SYN_ATTR_INT, 0, 0, 1},
    {"step", SYN_ATTR_INT, -1, -1, SYN_STEP_COUNT - 1},
    {"arg0", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"arg1", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_conv_point = {
    .name = "ConvPoint", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 3, .max_in = 5,
    .n_out = 1, .attrs = point_attrs, .shape = point_shape, .reference = point_reference,
};
