/* unpool.c - windows put back together: MAX_UNPOOL, COL2_IM.
 *
 * Source:  ONNX MaxUnpool-9, 11, 22; Col2Im-18.
 * Operands: MaxUnpool: x [n,c,...], indices (x's shape), output_shape?. Col2Im: input [n, c*block,
 *          windows], image_shape, block_shape.
 * Attributes: kernel_shape, strides, pads; Col2Im: dilations, pads, strides.
 * Maths:   MaxUnpool: zeros but for x's elements, at indices into a tensor of the inferred shape
 *          [n, c, (in - 1)*stride - before - after + k, ...]; a larger output_shape is filled up
 *          with zeros behind. Col2Im: y[n,c,p] = the sum of what all windows hold for pixel p.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: Col2Im holds sums of one plane. */
#include "kernels/base/alloc.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <string.h>

/* --- MaxUnpool ------------------------------------------------------------------------------ */

/* The shape that indices speak of, and the output's. */
static syn_status unpool_parse(const struct syn_op_call *c, struct syn_shape *inferred,
                               struct syn_shape *y, struct syn_err *err)
{
    struct syn_window w;
    int64_t asked[SYN_MAX_RANK];
    int32_t n;
    bool given;
    syn_status st = syn_window_read(c, NULL, &w, err);
    if (st != SYN_OK) return st;
    *inferred = c->in[0].shape;
    for (int32_t d = 0; d < w.rank; d++) {
        const struct syn_window_axis *ax = &w.axis[d];
        inferred->dim[2 + d] = (ax->in - 1) * ax->stride - ax->before - ax->after + ax->k;
    }
    *y = *inferred;
    if ((st = syn_ops_ints(c, 2, NULL, asked, SYN_MAX_RANK, &n, &given, err)) != SYN_OK || !given)
        return st;
    if (n != y->rank)
        return syn_fail(err, SYN_INVALID, "%s: output_shape has %d entries: must have %d",
                        c->op->name, (int)n, (int)y->rank);
    for (int32_t d = 0; d < n; d++) {
        if (asked[d] < inferred->dim[d])
            return syn_fail(err, SYN_INVALID,
                            "%s: output_shape[%d] = %" PRId64 ": must be at least %" PRId64,
                            c->op->name, (int)d, asked[d], inferred->dim[d]);
        y->dim[d] = asked[d];
    }
    return SYN_OK;
}

static syn_status unpool_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape inferred, y;
    syn_status st = syn_ops_ranked(c, 0, "X", SYN_TYPES_NUMBER, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "I", SYN_TYPE(I64), err);
    if (st == SYN_OK && !syn_shape_equal(&c->in[0].shape, &c->in[1].shape))
        st = syn_fail(err, SYN_INVALID, "%s: I must have X's shape", c->op->name);
    if (st == SYN_OK) st = unpool_parse(c, &inferred, &y, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, c->in[0].dtype, err) : st;
}

static syn_status unpool_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    const int64_t n = syn_ops_elements(&c->in[0].shape), *index = c->in[1].data;
    struct syn_shape inferred, y;
    int64_t stride[SYN_MAX_RANK];
    const syn_status st = unpool_parse(c, &inferred, &y, err);
    if (st != SYN_OK || syn_ops_elements(&y) == 0) return st;
    const int64_t most = syn_ops_elements(&inferred);
    syn_ops_strides(&y, stride);
    memset(c->out[0].data, 0, (size_t)syn_ops_elements(&y) * bytes);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = index[i], to = 0;
        if (rest < 0 || rest >= most)
            return syn_fail(err, SYN_INVALID,
                            "%s: I[%" PRId64 "] = %" PRId64 ": must be in [0, %" PRId64 ")",
                            c->op->name, i, rest, most);
        for (int32_t d = inferred.rank - 1; d >= 0; d--) {
            to += rest % inferred.dim[d] * stride[d];
            rest /= inferred.dim[d];
        }
        memcpy((char *)c->out[0].data + (size_t)to * bytes,
               (const char *)c->in[0].data + (size_t)i * bytes, bytes);
    }
    return SYN_OK;
}

/* --- Col2Im --------------------------------------------------------------------------------- */

/* axis.in: the image, axis.out: the windows along it. */
static syn_status col_parse(const struct syn_op_call *c, struct syn_window *w, int64_t *channels,
                            struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t image[SYN_MAX_SPATIAL], block[SYN_MAX_SPATIAL], taps = 1, windows = 1;
    int32_t n_block;
    bool given;
    syn_status st = syn_ops_ints(c, 1, NULL, image, SYN_MAX_SPATIAL, &w->rank, &given, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 2, NULL, block, SYN_MAX_SPATIAL, &n_block, &given, err);
    if (st != SYN_OK) return st;
    if (w->rank < 1 || w->rank != n_block)
        return syn_fail(err, SYN_INVALID,
                        "%s: image_shape has %d entries, block_shape %d: must be as many",
                        c->op->name, (int)w->rank, (int)n_block);
    if ((st = syn_ops_check_list(c, "strides", w->rank, err)) != SYN_OK) return st;
    if ((st = syn_ops_check_list(c, "dilations", w->rank, err)) != SYN_OK) return st;
    if ((st = syn_ops_check_list(c, "pads", 2 * w->rank, err)) != SYN_OK) return st;
    for (int32_t d = 0; d < w->rank; d++) {
        struct syn_window_axis *ax = &w->axis[d];
        *ax = (struct syn_window_axis){.in = image[d], .k = block[d],
                                       .stride = syn_ops_entry(c, "strides", d, 1),
                                       .dil = syn_ops_entry(c, "dilations", d, 1),
                                       .before = syn_ops_entry(c, "pads", d, 0),
                                       .after = syn_ops_entry(c, "pads", d + w->rank, 0)};
        const int64_t room =
            ax->in < 1 || ax->in > SYN_MAX_ELEMENTS || ax->k < 1 || ax->k > SYN_OPS_MAX_STEP
                ? -1
                : ax->in + ax->before + ax->after - ax->dil * (ax->k - 1) - 1;
        if (room < 0)
            return syn_fail(err, SYN_INVALID,
                            "%s: image_shape[%d] = %" PRId64 ", block_shape[%d] = %" PRId64
                            ": the block must fit the padded image",
                            c->op->name, (int)d, ax->in, (int)d, ax->k);
        ax->out = room / ax->stride + 1;
        if (__builtin_mul_overflow(taps, ax->k, &taps) ||
            __builtin_mul_overflow(windows, ax->out, &windows))
            taps = -1;
        if (taps < 0 || windows > SYN_MAX_ELEMENTS || taps > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_TOO_LARGE, "%s: over %" PRId64 " windows or block elements",
                            c->op->name, SYN_MAX_ELEMENTS);
    }
    if (x->dim[1] % taps || x->dim[2] != windows)
        return syn_fail(err, SYN_INVALID,
                        "%s: input is [.., %" PRId64 ", %" PRId64
                        "]: must be [.., channels*%" PRId64 ", %" PRId64 "]",
                        c->op->name, x->dim[1], x->dim[2], taps, windows);
    *channels = x->dim[1] / taps;
    return SYN_OK;
}

static syn_status col_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_window w;
    int64_t channels;
    syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_NUMBER, 3, 3, err);
    if (st == SYN_OK) st = col_parse(c, &w, &channels, err);
    if (st != SYN_OK) return st;
    struct syn_shape y = {.rank = w.rank + 2, .dim = {c->in[0].shape.dim[0], channels}};
    for (int32_t d = 0; d < w.rank; d++) y.dim[2 + d] = w.axis[d].in;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

static syn_status col_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct syn_window w;
    int64_t channels;
    syn_status st = col_parse(c, &w, &channels, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    const int64_t plane = syn_window_in(&w), taps = syn_window_size(&w),
                  windows = syn_window_out(&w);
    double *sum = syn_calloc((size_t)plane, sizeof *sum);
    if (!sum) return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t p = 0; p < c->in[0].shape.dim[0] * channels; p++) {
        int64_t o[SYN_MAX_SPATIAL] = {0};
        memset(sum, 0, (size_t)plane * sizeof *sum);
        for (int64_t k = 0; k < windows; k++) {
            struct syn_window_walk at;
            if (syn_window_first(&w, o, &at)) do
                    sum[at.x] += syn_get(&c->in[0], (p * taps + at.k) * windows + k);
                while (syn_window_next(&w, o, &at));
            syn_window_advance(&w, o);
        }
        for (int64_t i = 0; i < plane; i++) syn_put(&c->out[0], p * plane + i, sum[i]);
    }
    syn_free(sum);
    return SYN_OK;
}

static const struct syn_attr_spec unpool_attrs[] = {
    {"kernel_shape", SYN_ATTR_INTS, 0, 1, SYN_OPS_MAX_STEP},
    {"strides", SYN_ATTR_INTS, 0, 1, SYN_OPS_MAX_STEP},
    {"pads", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_PAD},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec col_attrs[] = {
    SYN_OPS_STEP_ATTRS,
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_max_unpool = {
    .name = "MaxUnpool", .min_in = 2, .max_in = 3, .n_out = 1, .reads = 1 << 2,
    .attrs = unpool_attrs, .shape = unpool_shape, .reference = unpool_reference,
};
const struct syn_op syn_op_col2_im = {
    .name = "Col2Im", .min_in = 3, .max_in = 3, .n_out = 1, .reads = 1 << 1 | 1 << 2,
    .attrs = col_attrs, .shape = col_shape, .reference = col_reference,
};
