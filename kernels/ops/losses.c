/* losses.c - NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss, Det.
 *
 * Source:  ONNX NegativeLogLikelihoodLoss-13, SoftmaxCrossEntropyLoss-13, Det-11.
 * Operands: x [n,c,d...] (log probabilities; scores), target [n,d...] integers, weight [c]?; Det:
 *          x [...,m,m].
 * Outputs: loss [n,d...] or one number; SoftmaxCrossEntropyLoss: log probabilities like x.
 * Attributes: reduction = mean, sum, none; ignore_index (none where left out).
 * Maths:   -weight[t] * x[n][t][d], nothing where t is ignore_index; mean: by the sum of the
 *          weights that counted. Scores first become x - max - log(sum e^(x - max)) along c. A
 *          target outside of [0, c) that is not ignored: SYN_INVALID.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NO_INDEX ((double)INT64_MIN)

enum reduction { NONE, SUM, MEAN };

static syn_status reduction_of(const struct syn_op_call *c, enum reduction *r, struct syn_err *err)
{
    const char *t = syn_attr_text(c->op, c->attr, "reduction");
    if (!t || !strcmp(t, "mean")) *r = MEAN;
    else if (!strcmp(t, "sum")) *r = SUM;
    else if (!strcmp(t, "none")) *r = NONE;
    else
        return syn_fail(err, SYN_INVALID, "%s: reduction = %.20s: must be none, sum or mean",
                        c->op->name, t);
    return SYN_OK;
}

static syn_status loss_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *t = &c->in[1].shape;
    const struct syn_shape one = {.rank = 0};
    enum reduction how;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 2, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "target", SYN_TYPES_INDEX, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = reduction_of(c, &how, err);
    if (st != SYN_OK) return st;
    bool fits = t->rank == x->rank - 1 && t->dim[0] == x->dim[0];
    for (int32_t d = 1; fits && d < t->rank; d++) fits = t->dim[d] == x->dim[d + 1];
    if (!fits)
        return syn_fail(err, SYN_INVALID, "%s: target must have x's shape without its channels",
                        c->op->name);
    if (syn_ops_given(c, 2)) {
        if ((st = syn_ops_ranked(c, 2, "weight", SYN_TYPES_FLOAT, 1, 1, err)) != SYN_OK) return st;
        if (c->in[2].shape.dim[0] != x->dim[1])
            return syn_fail(err, SYN_INVALID,
                            "%s: weight has %" PRId64 " elements: must have %" PRId64, c->op->name,
                            c->in[2].shape.dim[0], x->dim[1]);
    }
    st = syn_ops_result(c, 0, how == NONE ? t : &one, c->in[0].dtype, err);
    return st == SYN_OK ? syn_ops_result(c, 1, x, c->in[0].dtype, err) : st;
}

static double get(const struct syn_tensor *t, int64_t i)
{
    return syn_element_double(t->dtype, t->data, i);
}

/* max + log(sum e^(x - max)) along the channels of one place. */
static double log_sum(const struct syn_tensor *x, int64_t first, int64_t step, int64_t n)
{
    double most = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) most = fmax(most, get(x, first + k * step));
    for (int64_t k = 0; k < n; k++) sum += exp(get(x, first + k * step) - most);
    return most + log(sum);
}

static syn_status loss(const struct syn_op_call *c, bool scores, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *t = &c->in[1], *y = &c->out[0];
    const double ignored = (double)syn_attr_int(c->op, c->attr, "ignore_index");
    const int64_t channels = x->shape.dim[1], n = syn_ops_elements(&t->shape),
                  plane = x->shape.dim[0] ? n / x->shape.dim[0] : 0;
    const bool probabilities = c->n_out > 1 && c->out[1].shape.rank >= 0;
    double sum = 0, weights = 0;
    enum reduction how;
    syn_status st = reduction_of(c, &how, err);
    if (st != SYN_OK) return st;
    for (int64_t i = 0; i < n; i++) {
        const int64_t target = syn_element_int(t->dtype, t->data, i),
                      first = i / plane * channels * plane + i % plane;
        const double norm = scores ? log_sum(x, first, plane, channels) : 0;
        double v = 0, w = 0;
        for (int64_t k = 0; probabilities && k < channels; k++)
            syn_element_put_double(c->out[1].dtype, c->out[1].data, first + k * plane,
                                   get(x, first + k * plane) - norm, true);
        if ((double)target != ignored) {
            if (target < 0 || target >= channels)
                return syn_fail(err, SYN_INVALID,
                                "%s: target %" PRId64 " of element %" PRId64
                                ": must be in [0, %" PRId64 ")",
                                c->op->name, target, i, channels);
            w = syn_ops_given(c, 2) ? get(&c->in[2], target) : 1;
            v = -(get(x, first + target * plane) - norm) * w;
        }
        if (how == NONE) syn_element_put_double(y->dtype, y->data, i, v, true);
        sum += v, weights += w;
    }
    if (how != NONE)
        syn_element_put_double(y->dtype, y->data, 0, how == MEAN ? sum / weights : sum, true);
    return SYN_OK;
}
static syn_status nll_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return loss(c, false, err);
}
static syn_status sce_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return loss(c, true, err);
}

/* --- determinant ----------------------------------------------------------------------------- */

static syn_status det_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 2, SYN_MAX_RANK, err);
    if (st != SYN_OK) return st;
    if (x->dim[x->rank - 1] != x->dim[x->rank - 2])
        return syn_fail(err, SYN_INVALID, "%s: x ends in %" PRId64 " x %" PRId64 ": must be square",
                        c->op->name, x->dim[x->rank - 2], x->dim[x->rank - 1]);
    y = *x;
    y.rank -= 2;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* By elimination with pivots; a is destroyed. */
static double determinant(double *a, int64_t n)
{
    double det = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t p = k;
        for (int64_t i = k + 1; i < n; i++)
            if (!(fabs(a[i * n + k]) <= fabs(a[p * n + k]))) p = i; /* NaN too: it must stay */
        if (a[p * n + k] == 0) return 0;
        if (p != k) det = -det;
        for (int64_t j = k; p != k && j < n; j++) {
            const double swap = a[k * n + j];
            a[k * n + j] = a[p * n + j];
            a[p * n + j] = swap;
        }
        det *= a[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            const double f = a[i * n + k] / a[k * n + k];
            for (int64_t j = k; j < n; j++) a[i * n + j] -= f * a[k * n + j];
        }
    }
    return det;
}

static syn_status det_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0];
    const int64_t n = x->shape.dim[x->shape.rank - 1], count = syn_ops_elements(&c->out[0].shape);
    double *a;
    size_t bytes;
    if (count == 0) return SYN_OK;
    if (!syn_mul((size_t)(n > 0 ? n * n : 1), sizeof *a, &bytes) || !(a = syn_alloc(bytes)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < n * n; k++) a[k] = get(x, i * n * n + k);
        syn_element_put_double(c->out[0].dtype, c->out[0].data, i, determinant(a, n), true);
    }
    syn_free(a);
    return SYN_OK;
}

static const struct syn_attr_spec loss_attrs[] = {
    {"reduction", SYN_ATTR_STRING, 0, 0, 0, "mean"},
    {"ignore_index", SYN_ATTR_INT, NO_INDEX, NO_INDEX, 9.2e18},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_negative_log_likelihood_loss = {
    .name = "NegativeLogLikelihoodLoss",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .attrs = loss_attrs,
    .shape = loss_shape,
    .reference = nll_reference,
};
const struct syn_op syn_op_softmax_cross_entropy_loss = {
    .name = "SoftmaxCrossEntropyLoss",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .max_out = 2,
    .attrs = loss_attrs,
    .shape = loss_shape,
    .reference = sce_reference,
};
const struct syn_op syn_op_det = {
    .name = "Det",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = det_shape,
    .reference = det_reference,
};
