/* sum.c - the weighted sum of several tensors of one shape: SCALED_SUM.
 *
 * Source:  ncnn Eltwise (op_type 1, with coefficients); ONNX Sum-13 without broadcasting.
 * Maths:   y[i] = sum over k of coeffs[k] * x_k[i]; an empty list of coefficients means all 1.
 * Shapes:  2..16 operands with coefficients (as many as a list attribute holds), 2..64 without; any
 *          rank.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <float.h>
#include <stdio.h>

static syn_status sum_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_check(c, 0, "x0", err);
    for (int32_t i = 1; i < c->n_in && st == SYN_OK; i++) {
        char operand[16];
        snprintf(operand, sizeof operand, "x%d", (int)i);
        st = syn_ops_check_shape(c, i, operand, &c->in[0].shape, "x0's shape", err);
    }
    if (st == SYN_OK) st = syn_ops_check_list(c, "coeffs", c->n_in, err);
    return st == SYN_OK ? syn_ops_out(c, &c->in[0].shape, err) : st;
}

static syn_status sum_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr *coeffs = syn_attr_list(c->op, c->attr, "coeffs");
    float *y = c->out[0].data;
    (void)err;
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); i < n; i++) {
        double sum = 0;
        for (int32_t k = 0; k < c->n_in; k++)
            sum += (coeffs->n ? coeffs->v.f[k] : 1.0) * (double)((const float *)c->in[k].data)[i];
        y[i] = (float)sum;
    }
    return SYN_OK;
}

static const struct syn_attr_spec sum_attrs[] = {
    {"coeffs", SYN_ATTR_FLOATS, 0, -FLT_MAX, FLT_MAX},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_scaled_sum = {
    .name = "ScaledSum", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 2,
    .max_in = SYN_MAX_OPERANDS, .n_out = 1,
    .attrs = sum_attrs, .shape = sum_shape, .reference = sum_reference,
};
