/* reduce.c - numbers brought together over axes: ReduceSum, Mean, Max, Min, Prod, L1, L2, LogSum,
 * LogSumExp, SumSquare.
 *
 * Source:  ONNX Reduce* of opsets 1 to 20.
 * Operands: data, axes? (integers; an attribute before opset 13 (sum) or 18).
 * Attributes: keepdims=1, noop_with_empty_axes=0, axes.
 * Maths:   no axes: all of them, or none with noop_with_empty_axes (each element is then a group
 *          of its own). Sums in double for floats, in 64 bits for integers; a mean of integers is
 *          truncated. Of nothing: 0, 1 for the product, the smallest and largest number of the
 *          type for max and min (minus and plus infinity), NaN for the mean, minus infinity for
 *          the logarithms. NaN wins a max and a min. LogSumExp is shifted by the maximum.
 * Types:   numbers of all kinds; bool for max and min.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <math.h>

struct axes {
    bool over[SYN_MAX_RANK];
    bool none; /* nothing is brought together */
    struct syn_shape y;
};

static syn_status read_axes(const struct syn_op_call *c, struct axes *a, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const bool keep = syn_attr_int(c->op, c->attr, "keepdims");
    int64_t list[SYN_MAX_RANK];
    int32_t n, axis;
    bool given;
    syn_status st = syn_ops_ints(c, 1, "axes", list, SYN_MAX_RANK, &n, &given, err);
    *a = (struct axes){.y = {.rank = 0}};
    if (st != SYN_OK) return st;
    a->none = n == 0 && syn_attr_int(c->op, c->attr, "noop_with_empty_axes");
    for (int32_t d = 0; d < x->rank; d++) a->over[d] = n == 0 && !a->none;
    for (int32_t i = 0; i < n; i++) {
        if ((st = syn_ops_axis(c, "axes", list[i], x->rank, &axis, err)) != SYN_OK) return st;
        a->over[axis] = true;
    }
    for (int32_t d = 0; d < x->rank; d++) {
        if (!a->over[d]) a->y.dim[a->y.rank++] = x->dim[d];
        else if (keep) a->y.dim[a->y.rank++] = 1;
    }
    return SYN_OK;
}

static syn_status shape_of(struct syn_op_call *c, uint32_t types, struct syn_err *err)
{
    struct axes a;
    syn_status st = syn_ops_operand(c, 0, "data", types, err);
    if (st == SYN_OK) st = read_axes(c, &a, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &a.y, c->in[0].dtype, err) : st;
}
static syn_status number_shape(struct syn_op_call *c, struct syn_err *err)
{
    return shape_of(c, SYN_TYPES_NUMBER, err);
}
static syn_status order_shape(struct syn_op_call *c, struct syn_err *err)
{
    return shape_of(c, SYN_TYPES_NUMBER | SYN_TYPE(BOOL), err);
}

enum how { SUM, MEAN, MAX, MIN, PROD, L1, L2, LOG_SUM, LOG_SUM_EXP, SUM_SQUARE };

/* One group's running value. */
struct acc {
    double f, most; /* most: the maximum, for LogSumExp */
    int64_t i;
    int64_t count;
};

static void start(enum how how, struct acc *a)
{
    *a = (struct acc){.f = how == PROD  ? 1
                           : how == MAX ? -INFINITY
                           : how == MIN ? INFINITY
                                        : 0,
                      .i = how == PROD,
                      .most = -INFINITY};
}

static void add_float(enum how how, struct acc *a, double v)
{
    a->count++;
    switch (how) {
    case SUM:
    case MEAN:
    case LOG_SUM: a->f += v; break;
    case MAX: a->f = isnan(a->f) || a->f > v ? a->f : v; break;
    case MIN: a->f = isnan(a->f) || a->f < v ? a->f : v; break;
    case PROD: a->f *= v; break;
    case L1: a->f += fabs(v); break;
    case L2:
    case SUM_SQUARE: a->f += v * v; break;
    case LOG_SUM_EXP:           /* f = sum of exp(x - most) */
        if (isnan(v)) a->f = v; /* and stays so */
        else if (v > a->most) {
            a->f = (a->most == -INFINITY ? a->f : a->f * exp(a->most - v)) + 1;
            a->most = v;
        } else if (v != -INFINITY) a->f += a->most == v ? 1 : exp(v - a->most);
        break;
    }
}

/* Integers wrap modulo 2^64, as the types do. */
static void add_int(enum how how, struct acc *a, int64_t v, bool is_unsigned)
{
    const bool first = a->count++ == 0;
    const uint64_t u = (uint64_t)v, s = (uint64_t)a->i;
    switch (how) {
    case SUM:
    case MEAN: a->i = (int64_t)(s + u); break;
    case MAX:
        if (first || (is_unsigned ? u > s : v > a->i)) a->i = v;
        break;
    case MIN:
        if (first || (is_unsigned ? u < s : v < a->i)) a->i = v;
        break;
    case PROD: a->i = (int64_t)(s * u); break;
    case L1: a->i = (int64_t)(s + (v < 0 && !is_unsigned ? 0 - u : u)); break;
    default: {
        const double d = is_unsigned ? (double)u : (double)v;
        a->i = (int64_t)(s + u * u);
        a->f += d * d;
    }
    }
}

static double end_float(enum how how, const struct acc *a)
{
    switch (how) {
    case MEAN: return a->f / (double)a->count;
    case L2: return sqrt(a->f);
    case LOG_SUM: return log(a->f);
    case LOG_SUM_EXP: return isnan(a->f) ? a->f : isinf(a->most) ? a->most : a->most + log(a->f);
    default: return a->f;
    }
}

/* Smallest or largest value of an integer type: what the max or min of nothing is. */
static int64_t limit_of(syn_dtype t, bool smallest)
{
    const int bits = 8 * (int)syn_dtype_bytes(t);
    if (t == SYN_BOOL) return !smallest;
    if (syn_dtype_kind(t) == 'U') return smallest ? 0 : bits == 64 ? -1 : ((int64_t)1 << bits) - 1;
    return smallest ? (int64_t)((uint64_t)INT64_MAX + 1) >> (64 - bits) : INT64_MAX >> (64 - bits);
}

static void put(const struct syn_op_call *c, enum how how, int64_t at, const struct acc *a)
{
    const syn_dtype t = c->out[0].dtype;
    if (syn_dtype_kind(t) == 'F') {
        syn_element_put_double(t, c->out[0].data, at, end_float(how, a), true);
        return;
    }
    if (how == L2) { /* cut to a whole number; more than the type holds is its largest */
        const bool is_unsigned = syn_dtype_kind(t) == 'U';
        const int64_t most = limit_of(t, false);
        const double d = floor(sqrt(a->f)),
                     limit = is_unsigned ? (double)(uint64_t)most : (double)most;
        const int64_t whole = d >= limit ? most : is_unsigned ? (int64_t)(uint64_t)d : (int64_t)d;
        syn_element_put_int(t, c->out[0].data, at, whole);
        return;
    }
    int64_t v = a->i;
    if (a->count == 0 && (how == MAX || how == MIN)) v = limit_of(t, how == MAX);
    if (how == MEAN && a->count)
        v = syn_dtype_kind(t) == 'U' ? (int64_t)((uint64_t)v / (uint64_t)a->count) : v / a->count;
    syn_element_put_int(t, c->out[0].data, at, v);
}

static syn_status reduce(const struct syn_op_call *c, enum how how, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0];
    const bool floats = syn_dtype_kind(x->dtype) == 'F',
               as_float = floats || how == LOG_SUM_EXP || how == LOG_SUM;
    int64_t step[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0}, size = 1,
                                groups = syn_ops_elements(&c->out[0].shape);
    struct axes a;
    struct acc *acc;
    syn_status st = read_axes(c, &a, err);
    if (st != SYN_OK || groups == 0) return st;
    if (!(acc = syn_alloc((size_t)groups * sizeof *acc)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int32_t d = x->shape.rank - 1; d >= 0; d--) {
        step[d] = a.over[d] ? 0 : size;
        if (!a.over[d]) size *= x->shape.dim[d];
    }
    for (int64_t g = 0; g < groups; g++) start(how, &acc[g]);
    for (int64_t i = 0, n = syn_ops_elements(&x->shape); i < n; i++, syn_ops_next(&x->shape, at)) {
        int64_t g = 0;
        for (int32_t d = 0; d < x->shape.rank; d++) g += at[d] * step[d];
        if (as_float) add_float(how, &acc[g], syn_element_double(x->dtype, x->data, i));
        else
            add_int(how, &acc[g], syn_element_int(x->dtype, x->data, i),
                    syn_dtype_kind(x->dtype) == 'U');
    }
    for (int64_t g = 0; g < groups; g++) {
        if (as_float && !floats)
            syn_element_put_double(c->out[0].dtype, c->out[0].data, g, end_float(how, &acc[g]),
                                   true);
        else put(c, how, g, &acc[g]);
    }
    syn_free(acc);
    return SYN_OK;
}

static const struct syn_attr_spec reduce_attrs[] = {
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"keepdims", SYN_ATTR_INT, 1, 0, 1},
    {"noop_with_empty_axes", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
#define ROW(id, word, how_, shape_)                                                                \
    static syn_status id##_reference(const struct syn_op_call *c, struct syn_err *err)             \
    {                                                                                              \
        return reduce(c, how_, err);                                                               \
    }                                                                                              \
    const struct syn_op syn_op_##id = {                                                            \
        .name = word,                                                                              \
        .min_in = 1,                                                                               \
        .max_in = 2,                                                                               \
        .n_out = 1,                                                                                \
        .reads = 2,                                                                                \
        .attrs = reduce_attrs,                                                                     \
        .shape = shape_,                                                                           \
        .reference = id##_reference,                                                               \
    };
ROW(reduce_sum, "ReduceSum", SUM, number_shape)
ROW(reduce_mean, "ReduceMean", MEAN, number_shape)
ROW(reduce_max, "ReduceMax", MAX, order_shape)
ROW(reduce_min, "ReduceMin", MIN, order_shape)
ROW(reduce_prod, "ReduceProd", PROD, number_shape)
ROW(reduce_l1, "ReduceL1", L1, number_shape)
ROW(reduce_l2, "ReduceL2", L2, number_shape)
ROW(reduce_log_sum, "ReduceLogSum", LOG_SUM, number_shape)
ROW(reduce_log_sum_exp, "ReduceLogSumExp", LOG_SUM_EXP, number_shape)
ROW(reduce_sum_square, "ReduceSumSquare", SUM_SQUARE, number_shape)
