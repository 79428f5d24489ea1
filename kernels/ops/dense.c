/* dense.c - the fully connected layer: the row DENSE and its definition.
 *
 * Source:  ONNX Gemm-13 with transB = 1, alpha = beta = 1; ncnn InnerProduct.
 * Maths:   y[n,m] = act(bias[m] + sum over k of w[m,k] * x[n,k]).
 * Shapes:  x [n,k] or [n,k,1,1], w [m,k], bias [m]; y [n,m] or [n,m,1,1] like x.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <inttypes.h>
#include <math.h>

static syn_status dense_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    const struct syn_shape *w = &c->in[1].shape;
    char text[192];
    syn_status st = syn_ops_check(c, 0, "x", err);
    if (st == SYN_OK) st = syn_ops_check_rank(c, 1, "w", 2, err);
    if (st != SYN_OK) return st;
    if (!(y.rank == 2 || (y.rank == 4 && y.dim[2] == 1 && y.dim[3] == 1)))
        return syn_fail(err, SYN_INVALID, "%s: x has shape %s: must be [n, k] or [n, k, 1, 1]",
                        c->op->name, syn_shape_text(&y, text, sizeof text));
    if (w->dim[1] != y.dim[1])
        return syn_fail(err, SYN_INVALID,
                        "%s: w has %" PRId64 " columns: must be %" PRId64 " (x's second dimension)",
                        c->op->name, w->dim[1], y.dim[1]);
    if (syn_attr_int(c->op, c->attr, "act") == SYN_ACT_PRELU)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: act = %d (prelu): there is no slope operand",
                        c->op->name, SYN_ACT_PRELU);
    y.dim[1] = w->dim[0];
    const struct syn_shape rows = syn_shape_of(1, &y.dim[1]);
    if (syn_ops_given(c, 2)) st = syn_ops_check_shape(c, 2, "bias", &rows, "rows of w", err);
    return st == SYN_OK ? syn_ops_out(c, &y, err) : st;
}

static syn_status dense_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const float *x = c->in[0].data, *w = c->in[1].data,
                *bias = syn_ops_given(c, 2) ? c->in[2].data : NULL;
    const int64_t rows = c->in[1].shape.dim[0], columns = c->in[1].shape.dim[1];
    const enum syn_act act = (enum syn_act)syn_attr_int(c->op, c->attr, "act");
    const float act_a = (float)syn_attr_float(c->op, c->attr, "act_a");
    const float act_b = (float)syn_attr_float(c->op, c->attr, "act_b");
    float *y = c->out[0].data;
    (void)err;
    for (int64_t n = 0; n < c->in[0].shape.dim[0]; n++)
        for (int64_t m = 0; m < rows; m++) {
            double sum = bias ? (double)bias[m] : 0;
            for (int64_t k = 0; k < columns; k++)
                sum += (double)w[m * columns + k] * (double)x[n * columns + k];
            *y++ = syn_act_apply(act, (float)sum, act_a, act_b, 0);
        }
    return SYN_OK;
}

static const struct syn_attr_spec dense_attrs[] = {
    {"act", SYN_ATTR_INT, SYN_ACT_NONE, 0, SYN_ACT_COUNT - 1},
    {"act_a", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"act_b", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_dense = {
    .name = "Dense", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 2, .max_in = 3,
    .n_out = 1,
    .attrs = dense_attrs, .shape = dense_shape, .reference = dense_reference,
};
