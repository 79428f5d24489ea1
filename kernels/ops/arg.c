/* arg.c - places and running sums along one axis: ArgMax, ArgMin, CumSum, CumProd.
 *
 * Source:  ONNX ArgMax-13, ArgMin-13, CumSum-14, CumProd-26.
 * Operands: ArgMax, ArgMin: data. CumSum, CumProd: x, axis (one integer).
 * Attributes: axis=0, keepdims=1, select_last_index=0; exclusive=0, reverse=0.
 * Maths:   the first (or last) place of the extreme value; NaN counts as the extreme, as NumPy
 *          has it. Running sums in double (integers: 64 bits); exclusive: without the element
 *          itself; reverse: from the end.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <math.h>

/* outer * axis * inner elements. */
struct split {
    int64_t outer, n, inner;
};
static struct split split_at(const struct syn_shape *s, int32_t axis)
{
    struct split p = {1, s->dim[axis], 1};
    for (int32_t d = 0; d < s->rank; d++) {
        if (d < axis) p.outer *= s->dim[d];
        if (d > axis) p.inner *= s->dim[d];
    }
    return p;
}

static syn_status arg_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    struct syn_shape y = {.rank = 0};
    int32_t axis;
    syn_status st = syn_ops_ranked(c, 0, "data", SYN_TYPES_NUMBER, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK)
        st = syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), x->rank, &axis, err);
    if (st != SYN_OK) return st;
    if (x->dim[axis] == 0)
        return syn_fail(err, SYN_INVALID, "%s: axis %d of data is empty: there is no place in it",
                        c->op->name, (int)axis);
    for (int32_t d = 0; d < x->rank; d++) {
        if (d != axis) y.dim[y.rank++] = x->dim[d];
        else if (syn_attr_int(c->op, c->attr, "keepdims")) y.dim[y.rank++] = 1;
    }
    return syn_ops_result(c, 0, &y, SYN_I64, err);
}

/* a comes before b as the extreme. */
static bool beats(const struct syn_tensor *x, int64_t a, int64_t b, bool max, bool last)
{
    if (syn_dtype_kind(x->dtype) == 'F') {
        const double v = syn_element_double(x->dtype, x->data, a),
                     w = syn_element_double(x->dtype, x->data, b);
        if (isnan(w)) return isnan(v) && last;
        return isnan(v) || (max ? v > w : v < w) || (last && v == w);
    }
    const int64_t v = syn_element_int(x->dtype, x->data, a),
                  w = syn_element_int(x->dtype, x->data, b);
    if (v == w) return last;
    return (syn_dtype_kind(x->dtype) == 'U' ? (uint64_t)v > (uint64_t)w : v > w) == max;
}

static syn_status arg(const struct syn_op_call *c, bool max, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0];
    const bool last = syn_attr_int(c->op, c->attr, "select_last_index");
    int64_t *y = c->out[0].data;
    int32_t axis;
    const syn_status st =
        syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), x->shape.rank, &axis, err);
    if (st != SYN_OK || syn_ops_writes_nothing(c)) return st;
    const struct split p = split_at(&x->shape, axis);
    for (int64_t o = 0; o < p.outer; o++)
        for (int64_t i = 0; i < p.inner; i++) {
            int64_t best = 0;
            for (int64_t k = 1; k < p.n; k++)
                if (beats(x, (o * p.n + k) * p.inner + i, (o * p.n + best) * p.inner + i, max,
                          last))
                    best = k;
            *y++ = best;
        }
    return SYN_OK;
}
static syn_status arg_max(const struct syn_op_call *c, struct syn_err *err)
{
    return arg(c, true, err);
}
static syn_status arg_min(const struct syn_op_call *c, struct syn_err *err)
{
    return arg(c, false, err);
}

static syn_status cum_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_NUMBER, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "axis", SYN_TYPES_INDEX, 0, 1, err);
    if (st == SYN_OK && syn_ops_elements(&c->in[1].shape) != 1)
        st = syn_fail(err, SYN_INVALID, "%s: axis has %lld elements: must be one", c->op->name,
                      (long long)syn_ops_elements(&c->in[1].shape));
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, c->in[0].dtype, err) : st;
}

static syn_status running(const struct syn_op_call *c, bool product, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const bool exclusive = syn_attr_int(c->op, c->attr, "exclusive"),
               reverse = syn_attr_int(c->op, c->attr, "reverse"),
               floats = syn_dtype_kind(x->dtype) == 'F';
    int32_t axis;
    const syn_status st = syn_ops_axis(c, "axis", syn_element_int(c->in[1].dtype, c->in[1].data, 0),
                                       x->shape.rank, &axis, err);
    if (st != SYN_OK || syn_ops_writes_nothing(c)) return st;
    const struct split p = split_at(&x->shape, axis);
    for (int64_t o = 0; o < p.outer; o++)
        for (int64_t i = 0; i < p.inner; i++) {
            double f = product;
            uint64_t u = product;
            for (int64_t k = 0; k < p.n; k++) {
                const int64_t at = (o * p.n + (reverse ? p.n - 1 - k : k)) * p.inner + i;
                const double before_f = f;
                const uint64_t before_u = u;
                if (floats) {
                    const double v = syn_element_double(x->dtype, x->data, at);
                    f = product ? f * v : f + v;
                    syn_element_put_double(y->dtype, y->data, at, exclusive ? before_f : f, true);
                } else {
                    const uint64_t v = (uint64_t)syn_element_int(x->dtype, x->data, at);
                    u = product ? u * v : u + v;
                    syn_element_put_int(y->dtype, y->data, at, (int64_t)(exclusive ? before_u : u));
                }
            }
        }
    return SYN_OK;
}
static syn_status cum_sum(const struct syn_op_call *c, struct syn_err *err)
{
    return running(c, false, err);
}
static syn_status cum_prod(const struct syn_op_call *c, struct syn_err *err)
{
    return running(c, true, err);
}

static const struct syn_attr_spec arg_attrs[] = {
    {"axis", SYN_ATTR_INT, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"keepdims", SYN_ATTR_INT, 1, 0, 1},
    {"select_last_index", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec cum_attrs[] = {
    {"exclusive", SYN_ATTR_INT, 0, 0, 1},
    {"reverse", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_arg_max = {
    .name = "ArgMax",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = arg_attrs,
    .shape = arg_shape,
    .reference = arg_max,
};
const struct syn_op syn_op_arg_min = {
    .name = "ArgMin",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = arg_attrs,
    .shape = arg_shape,
    .reference = arg_min,
};
const struct syn_op syn_op_cum_sum = {
    .name = "CumSum",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .attrs = cum_attrs,
    .shape = cum_shape,
    .reference = cum_sum,
};
const struct syn_op syn_op_cum_prod = {
    .name = "CumProd",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .attrs = cum_attrs,
    .shape = cum_shape,
    .reference = cum_prod,
};
