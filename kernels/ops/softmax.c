/* softmax.c - Softmax, LogSoftmax, Hardmax.
 *
 * Source:  ONNX of opsets 1, 11 and 13.
 * Attributes: axis (from opset 13 on -1: along that axis alone; before, 1: over all of the axes
 *          from it on together).
 * Maths:   e^(x - max) / sum, in double; its logarithm; one where the first maximum is, else zero.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <math.h>

/* outer rows of n elements, `inner` apart. */
struct rows {
    int64_t outer, n, inner;
};

static syn_status rows_of(const struct syn_op_call *c, struct rows *r, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const bool old = c->opset > 0 && c->opset < 13;
    int64_t axis = syn_attr_int(c->op, c->attr, "axis");
    int32_t at;
    syn_status st;
    if (axis == INT32_MIN) axis = old ? 1 : -1;
    *r = (struct rows){1, 1, 1};
    if (x->rank == 0) return SYN_OK;
    if (old && axis == x->rank) at = x->rank; /* nothing is left: rows of one */
    else if ((st = syn_ops_axis(c, "axis", axis, x->rank, &at, err)) != SYN_OK) return st;
    for (int32_t d = 0; d < x->rank; d++) {
        if (d < at) r->outer *= x->dim[d];
        else if (d == at || old) r->n *= x->dim[d];
        else r->inner *= x->dim[d];
    }
    return SYN_OK;
}

static syn_status softmax_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct rows r;
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_FLOAT, err);
    if (st == SYN_OK) st = rows_of(c, &r, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, c->in[0].dtype, err) : st;
}

enum how { SOFT, LOG, HARD };

static void one_row(const struct syn_op_call *c, enum how how, int64_t first, int64_t step,
                    int64_t n)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    double most = -INFINITY, sum = 0;
    int64_t place = 0;
    for (int64_t k = 0; k < n; k++) {
        const double v = syn_element_double(x->dtype, x->data, first + k * step);
        if (v > most) most = v, place = k;
    }
    for (int64_t k = 0; how != HARD && k < n; k++) {
        const double v = syn_element_double(x->dtype, x->data, first + k * step);
        sum += exp(v - most);
    }
    for (int64_t k = 0; k < n; k++) {
        const double v = syn_element_double(x->dtype, x->data, first + k * step);
        const double r = how == HARD  ? k == place
                         : how == LOG ? v - most - log(sum)
                                      : exp(v - most) / sum;
        syn_element_put_double(y->dtype, y->data, first + k * step, r, true);
    }
}

static syn_status run(const struct syn_op_call *c, enum how how, struct syn_err *err)
{
    struct rows r;
    const syn_status st = rows_of(c, &r, err);
    if (st != SYN_OK || syn_ops_writes_nothing(c)) return st;
    for (int64_t o = 0; o < r.outer; o++)
        for (int64_t i = 0; i < r.inner; i++) one_row(c, how, o * r.n * r.inner + i, r.inner, r.n);
    return SYN_OK;
}
static syn_status softmax(const struct syn_op_call *c, struct syn_err *err)
{
    return run(c, SOFT, err);
}
static syn_status log_softmax(const struct syn_op_call *c, struct syn_err *err)
{
    return run(c, LOG, err);
}
static syn_status hardmax(const struct syn_op_call *c, struct syn_err *err)
{
    return run(c, HARD, err);
}

static const struct syn_attr_spec softmax_attrs[] = {
    {"axis", SYN_ATTR_INT, INT32_MIN, INT32_MIN,
     SYN_MAX_RANK}, /* the default depends on the opset */
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_softmax = {
    .name = "Softmax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = softmax_attrs,
    .shape = softmax_shape,
    .reference = softmax,
};
const struct syn_op syn_op_log_softmax = {
    .name = "LogSoftmax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = softmax_attrs,
    .shape = softmax_shape,
    .reference = log_softmax,
};
const struct syn_op syn_op_hardmax = {
    .name = "Hardmax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = softmax_attrs,
    .shape = softmax_shape,
    .reference = hardmax,
};
