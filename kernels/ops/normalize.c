/* normalize.c - norms over axes: LayerNormalization, RMSNormalization, InstanceNormalization,
 * GroupNormalization, LpNormalization, MeanVarianceNormalization, LRN.
 *
 * Source:  ONNX LayerNormalization-17, RMSNormalization-23, InstanceNormalization-6,
 *          GroupNormalization-18 and 21, LpNormalization-1, MeanVarianceNormalization-13, LRN-13.
 * Operands: Layer: x, scale, bias? (broadcast to x's dimensions from axis on); outputs y, mean?,
 *          1/deviation?. RMS: x, scale. Instance: x [n,c,...], scale [c], bias [c]. Group: x
 *          [n,c,...], scale, bias (one per group in opset 18, per channel from 21 on). Others: x.
 * Attributes: axis=-1, epsilon=1e-5, stash_type (sums are in double anyway); num_groups; p=2;
 *          axes; size, alpha, beta, bias.
 * Maths:   (x - mean) / sqrt(var + epsilon) * scale + bias, var with 1/n; RMS: x / sqrt(mean(x^2)
 *          + epsilon) * scale; Lp: x / (sum |x|^p)^(1/p), zero where that is zero; LRN: x / (bias
 *          + alpha/size * sum of squares of the channels from c - floor((size-1)/2) to c +
 *          ceil((size-1)/2))^beta.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <inttypes.h>
#include <math.h>

static double get(const struct syn_tensor *t, int64_t i)
{
    return syn_element_double(t->dtype, t->data, i);
}
static void put(const struct syn_tensor *t, int64_t i, double v)
{
    syn_element_put_double(t->dtype, t->data, i, v, true);
}

/* Mean and variance of n elements, step apart. */
static void moments(const struct syn_tensor *x, int64_t first, int64_t step, int64_t n,
                    double *mean, double *var)
{
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) sum += get(x, first + i * step);
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = get(x, first + i * step) - *mean;
        square += d * d;
    }
    *var = square / (double)n;
}

/* --- layer and RMS --------------------------------------------------------------------------- */

static syn_status layer_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    struct syn_shape tail, moment;
    int32_t axis;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK)
        st = syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), x->rank, &axis, err);
    if (st != SYN_OK) return st;
    tail = (struct syn_shape){.rank = x->rank - axis};
    moment = *x;
    for (int32_t d = axis; d < x->rank; d++) tail.dim[d - axis] = x->dim[d], moment.dim[d] = 1;
    for (int32_t i = 1; i < c->n_in; i++) {
        const struct syn_shape *s = &c->in[i].shape;
        if (!syn_ops_given(c, i)) continue;
        if ((st = syn_ops_operand(c, i, i == 1 ? "scale" : "bias", SYN_TYPES_FLOAT, err)) != SYN_OK)
            return st;
        for (int32_t d = 0; d < s->rank; d++)
            if (s->rank > tail.rank ||
                (s->dim[d] != 1 && s->dim[d] != tail.dim[d + tail.rank - s->rank]))
                return syn_fail(err, SYN_INVALID,
                                "%s: %s does not broadcast to x's dimensions from axis %d on",
                                c->op->name, i == 1 ? "scale" : "bias", (int)axis);
    }
    st = syn_ops_result(c, 0, x, c->in[0].dtype, err);
    for (int32_t o = 1; st == SYN_OK && o < c->n_out; o++)
        st = syn_ops_result(c, o, &moment, SYN_F32, err);
    return st;
}

static syn_status over_tail(const struct syn_op_call *c, bool rms, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const double epsilon = syn_attr_float(c->op, c->attr, "epsilon");
    struct syn_shape tail = {.rank = 0};
    int64_t outer = 1, n = 1, step[2][SYN_MAX_RANK] = {{0}};
    int32_t axis;
    const syn_status st =
        syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), x->shape.rank, &axis, err);
    if (st != SYN_OK || syn_ops_writes_nothing(c)) return st;
    for (int32_t d = 0; d < x->shape.rank; d++) {
        if (d < axis) outer *= x->shape.dim[d];
        else n *= x->shape.dim[d], tail.dim[tail.rank++] = x->shape.dim[d];
    }
    for (int32_t i = 1; i < c->n_in && i < 3; i++)
        if (syn_ops_given(c, i)) syn_ops_steps(&c->in[i].shape, &tail, step[i - 1]);
    for (int64_t o = 0; o < outer; o++) {
        int64_t at[SYN_MAX_RANK] = {0};
        double mean, var, factor;
        moments(x, o * n, 1, n, &mean, &var);
        if (rms) var += mean * mean, mean = 0;
        factor = 1 / sqrt(var + epsilon);
        for (int64_t i = 0; i < n; i++, syn_ops_next(&tail, at)) {
            double v = (get(x, o * n + i) - mean) * factor;
            for (int32_t k = 1; k < c->n_in && k < 3; k++) {
                int64_t from = 0;
                if (!syn_ops_given(c, k)) continue;
                for (int32_t d = 0; d < tail.rank; d++) from += at[d] * step[k - 1][d];
                v = k == 1 ? v * get(&c->in[k], from) : v + get(&c->in[k], from);
            }
            put(y, o * n + i, v);
        }
        if (c->n_out > 1 && c->out[1].shape.rank >= 0) put(&c->out[1], o, mean);
        if (c->n_out > 2 && c->out[2].shape.rank >= 0) put(&c->out[2], o, factor);
    }
    return SYN_OK;
}
static syn_status layer_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return over_tail(c, false, err);
}
static syn_status rms_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return over_tail(c, true, err);
}

/* --- instance and group ---------------------------------------------------------------------- */

static syn_status channels_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const bool groups = c->op == &syn_op_group_normalization;
    const int64_t n_groups = groups ? syn_attr_int(c->op, c->attr, "num_groups") : 0;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 2, SYN_MAX_RANK, err);
    if (st != SYN_OK) return st;
    if (groups && (n_groups < 1 || x->dim[1] % n_groups))
        return syn_fail(err, SYN_INVALID,
                        "%s: num_groups = %" PRId64 ": must divide the %" PRId64 " channels",
                        c->op->name, n_groups, x->dim[1]);
    for (int32_t i = 1; i < 3; i++) {
        const int64_t wanted = groups && c->opset < 21 ? n_groups : x->dim[1];
        if ((st = syn_ops_ranked(c, i, i == 1 ? "scale" : "bias", SYN_TYPES_FLOAT, 1, 1, err)) !=
            SYN_OK)
            return st;
        if (c->in[i].shape.dim[0] != wanted)
            return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " elements: must have %" PRId64,
                            c->op->name, i == 1 ? "scale" : "bias", c->in[i].shape.dim[0], wanted);
    }
    return syn_ops_result(c, 0, x, c->in[0].dtype, err);
}

static syn_status channels_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const bool groups = c->op == &syn_op_group_normalization;
    const int64_t channels = x->shape.dim[1],
                  n_groups = groups ? syn_attr_int(c->op, c->attr, "num_groups") : channels;
    const double epsilon = syn_attr_float(c->op, c->attr, "epsilon");
    int64_t plane = 1;
    (void)err;
    for (int32_t d = 2; d < x->shape.rank; d++) plane *= x->shape.dim[d];
    if (n_groups == 0 || syn_ops_writes_nothing(c)) return SYN_OK;
    for (int64_t g = 0; g < x->shape.dim[0] * n_groups; g++) {
        const int64_t n = channels / n_groups * plane;
        double mean, var;
        moments(x, g * n, 1, n, &mean, &var);
        for (int64_t i = 0; i < n; i++) {
            const int64_t channel = g % n_groups * (channels / n_groups) + i / plane,
                          at = groups && c->opset < 21 ? g % n_groups : channel;
            put(y, g * n + i,
                (get(x, g * n + i) - mean) / sqrt(var + epsilon) * get(&c->in[1], at) +
                    get(&c->in[2], at));
        }
    }
    return SYN_OK;
}

/* --- the others ------------------------------------------------------------------------------ */

static syn_status same_shape(struct syn_op_call *c, struct syn_err *err)
{
    const syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 1, SYN_MAX_RANK, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, c->in[0].dtype, err) : st;
}

static syn_status lp_shape(struct syn_op_call *c, struct syn_err *err)
{
    int32_t axis;
    const syn_status st = same_shape(c, err);
    return st == SYN_OK ? syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"),
                                       c->in[0].shape.rank, &axis, err)
                        : st;
}

static syn_status lp_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t p = syn_attr_int(c->op, c->attr, "p");
    int64_t outer = 1, inner = 1, n;
    int32_t axis;
    const syn_status st =
        syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), x->shape.rank, &axis, err);
    if (st != SYN_OK || syn_ops_writes_nothing(c)) return st;
    for (int32_t d = 0; d < x->shape.rank; d++) {
        if (d < axis) outer *= x->shape.dim[d];
        if (d > axis) inner *= x->shape.dim[d];
    }
    n = x->shape.dim[axis];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++)
                sum += pow(fabs(get(x, (o * n + k) * inner + i)), (double)p);
            sum = pow(sum, 1 / (double)p);
            for (int64_t k = 0; k < n; k++) {
                const int64_t at = (o * n + k) * inner + i;
                put(y, at, sum == 0 ? 0 : get(x, at) / sum);
            }
        }
    return SYN_OK;
}

static syn_status mvn_axes(const struct syn_op_call *c, bool over[SYN_MAX_RANK],
                           struct syn_err *err)
{
    static const int64_t usual[] = {0, 2, 3};
    const struct syn_attr *list = syn_attr_list(c->op, c->attr, "axes");
    for (int32_t i = 0; i < (list->n ? list->n : 3); i++) {
        int32_t axis;
        const syn_status st = syn_ops_axis(c, "axes", list->n ? list->v.i[i] : usual[i],
                                           c->in[0].shape.rank, &axis, err);
        if (st != SYN_OK) return st;
        over[axis] = true;
    }
    return SYN_OK;
}

static syn_status mvn_shape(struct syn_op_call *c, struct syn_err *err)
{
    bool over[SYN_MAX_RANK] = {false};
    const syn_status st = same_shape(c, err);
    return st == SYN_OK ? mvn_axes(c, over, err) : st;
}

/* What belongs together: sums first, then a mean and a deviation. */
struct group {
    double mean, square, count;
};

static syn_status mvn_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n = syn_ops_elements(&x->shape);
    bool over[SYN_MAX_RANK] = {false};
    int64_t step[SYN_MAX_RANK], groups = 1;
    struct group *g;
    const syn_status st = mvn_axes(c, over, err);
    if (st != SYN_OK || n == 0) return st;
    for (int32_t d = x->shape.rank - 1; d >= 0; d--) {
        step[d] = over[d] ? 0 : groups;
        if (!over[d]) groups *= x->shape.dim[d];
    }
    if (!(g = syn_calloc((size_t)groups, sizeof *g)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int turn = 0; turn < 3; turn++) { /* sums, then squares about the mean, then the result */
        int64_t at[SYN_MAX_RANK] = {0};
        for (int64_t i = 0; i < n; i++, syn_ops_next(&x->shape, at)) {
            const double v = get(x, i);
            int64_t mine = 0;
            for (int32_t d = 0; d < x->shape.rank; d++) mine += at[d] * step[d];
            if (turn == 0) g[mine].mean += v, g[mine].count++;
            else if (turn == 1) g[mine].square += (v - g[mine].mean) * (v - g[mine].mean);
            else put(y, i, (v - g[mine].mean) / (sqrt(g[mine].square / g[mine].count) + 1e-9));
        }
        for (int64_t k = 0; turn == 0 && k < groups; k++) g[k].mean /= g[k].count;
    }
    syn_free(g);
    return SYN_OK;
}

static syn_status lrn_shape(struct syn_op_call *c, struct syn_err *err)
{
    const syn_status st = same_shape(c, err);
    if (st != SYN_OK || c->in[0].shape.rank >= 2) return st;
    return syn_fail(err, SYN_INVALID, "%s: x has rank %d: must be at least 2", c->op->name,
                    (int)c->in[0].shape.rank);
}

static syn_status lrn_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const double alpha = syn_attr_float(c->op, c->attr, "alpha"),
                 beta = syn_attr_float(c->op, c->attr, "beta"),
                 bias = syn_attr_float(c->op, c->attr, "bias");
    const int64_t size = syn_attr_int(c->op, c->attr, "size"), channels = x->shape.dim[1];
    int64_t plane = 1;
    (void)err;
    if (syn_ops_writes_nothing(c)) return SYN_OK;
    for (int32_t d = 2; d < x->shape.rank; d++) plane *= x->shape.dim[d];
    for (int64_t n = 0; n < x->shape.dim[0]; n++)
        for (int64_t k = 0; k < channels; k++)
            for (int64_t i = 0; i < plane; i++) {
                const int64_t lo = k - (size - 1) / 2, hi = k + size / 2,
                              at = (n * channels + k) * plane + i;
                double sum = 0;
                for (int64_t q = lo < 0 ? 0 : lo; q <= hi && q < channels; q++) {
                    const double v = get(x, (n * channels + q) * plane + i);
                    sum += v * v;
                }
                put(y, at, get(x, at) / pow(bias + alpha / (double)size * sum, beta));
            }
    return SYN_OK;
}

static const struct syn_attr_spec layer_attrs[] = {
    {"axis", SYN_ATTR_INT, -1, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"epsilon", SYN_ATTR_FLOAT, (double)1e-5f, 0, INFINITY},
    {"stash_type", SYN_ATTR_INT, 1, 0, 100},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec instance_attrs[] = {
    {"epsilon", SYN_ATTR_FLOAT, (double)1e-5f, 0, INFINITY},
    {"consumed_inputs", SYN_ATTR_INTS, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec group_attrs[] = {
    {"epsilon", SYN_ATTR_FLOAT, (double)1e-5f, 0, INFINITY},
    {"num_groups", SYN_ATTR_INT, 1, 1, 1 << 30},
    {"stash_type", SYN_ATTR_INT, 1, 0, 100},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec lp_attrs[] = {
    {"axis", SYN_ATTR_INT, -1, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"p", SYN_ATTR_INT, 2, 1, 2},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec mvn_attrs[] = {
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec lrn_attrs[] = {
    {"alpha", SYN_ATTR_FLOAT, (double)1e-4f, -INFINITY, INFINITY},
    {"beta", SYN_ATTR_FLOAT, 0.75, -INFINITY, INFINITY},
    {"bias", SYN_ATTR_FLOAT, 1, -INFINITY, INFINITY},
    {"size", SYN_ATTR_INT, 1, 1, 1 << 20},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_layer_normalization = {
    .name = "LayerNormalization",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .max_out = 3,
    .attrs = layer_attrs,
    .shape = layer_shape,
    .reference = layer_reference,
};
const struct syn_op syn_op_rms_normalization = {
    .name = "RMSNormalization",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .attrs = layer_attrs,
    .shape = layer_shape,
    .reference = rms_reference,
};
const struct syn_op syn_op_instance_normalization = {
    .name = "InstanceNormalization",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .attrs = instance_attrs,
    .shape = channels_shape,
    .reference = channels_reference,
};
const struct syn_op syn_op_group_normalization = {
    .name = "GroupNormalization",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .attrs = group_attrs,
    .shape = channels_shape,
    .reference = channels_reference,
};
const struct syn_op syn_op_lp_normalization = {
    .name = "LpNormalization",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = lp_attrs,
    .shape = lp_shape,
    .reference = lp_reference,
};
const struct syn_op syn_op_mean_variance_normalization = {
    .name = "MeanVarianceNormalization",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = mvn_attrs,
    .shape = mvn_shape,
    .reference = mvn_reference,
};
const struct syn_op syn_op_lrn = {
    .name = "LRN",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = lrn_attrs,
    .shape = lrn_shape,
    .reference = lrn_reference,
};
