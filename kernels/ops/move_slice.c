/* move_slice.c - parts of a tensor: SLICE, SPLIT, CENTER_CROP_PAD.
 *
 * Source:  ONNX Slice-1..13, Split-2..18, CenterCropPad-18. Any type.
 * Slice:   in data, starts, ends, axes?, steps? (the first three as attributes before opset 10).
 *          Negative places count from the end; places outside are clamped; a step < 0 goes
 *          backwards, a step of 0 is refused.
 * Split:   in input, split? (attribute before 13); axis = 0; num_outputs. Without sizes: equal
 *          parts, the last one smaller where they do not divide.
 * CenterCropPad: in data, shape; axes: each named axis is cropped or zero padded about its middle;
 *          an odd surplus leaves one element more cut or padded at the end.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/move.h"
#include <inttypes.h>

/* --- Slice ----------------------------------------------------------------------------------- */

/* What is taken from one axis: `count` elements from `start` on, `step` apart. */
struct cut {
    int64_t start, count, step;
};

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* n <= 2^40, so that sums with clamped numbers stay far from overflow. */
static struct cut cut_of(int64_t n, int64_t start, int64_t end, int64_t step)
{
    struct cut cut = {0, 0, clamp(step, -SYN_MAX_ELEMENTS, SYN_MAX_ELEMENTS)};
    if (n == 0) return cut;
    if (start < 0) start += n;
    if (end < 0) end += n;
    if (cut.step > 0) {
        cut.start = clamp(start, 0, n), end = clamp(end, 0, n);
        if (end > cut.start) cut.count = (end - cut.start - 1) / cut.step + 1;
    } else {
        cut.start = clamp(start, 0, n - 1), end = clamp(end, -1, n - 1);
        if (end < cut.start) cut.count = (cut.start - end - 1) / -cut.step + 1;
    }
    if (cut.count <= 1)
        cut.step = 0; /* so that step times stride is an element's place, or nothing */
    return cut;
}

static syn_status slice_parse(const struct syn_op_call *c, struct cut cut[SYN_MAX_RANK],
                              struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t start[SYN_MAX_RANK], end[SYN_MAX_RANK], step[SYN_MAX_RANK];
    int32_t axes[SYN_MAX_RANK], n_start, n_end, n_axes, n_step;
    bool given, stepped;
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 1, "starts", start, SYN_MAX_RANK, &n_start, &given, err);
    if (st == SYN_OK && !given)
        st = syn_fail(err, SYN_INVALID, "%s: starts are missing", c->op->name);
    if (st == SYN_OK) st = syn_ops_ints(c, 2, "ends", end, SYN_MAX_RANK, &n_end, &given, err);
    if (st == SYN_OK) st = syn_move_axes(c, 3, x->rank, axes, &n_axes, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 4, "steps", step, SYN_MAX_RANK, &n_step, &stepped, err);
    if (st != SYN_OK) return st;
    if (n_axes < 0)
        for (n_axes = 0; n_axes < n_start && n_axes < x->rank; n_axes++) axes[n_axes] = n_axes;
    if (n_end != n_start || n_axes != n_start || (stepped && n_step != n_start))
        return syn_fail(err, SYN_INVALID,
                        "%s: %d starts, %d ends, %d axes, %d steps: must be as many", c->op->name,
                        (int)n_start, (int)n_end, (int)n_axes, (int)(stepped ? n_step : n_start));
    for (int32_t d = 0; d < x->rank; d++) cut[d] = (struct cut){0, x->dim[d], 1};
    for (int32_t k = 0; k < n_start; k++) {
        if (stepped && step[k] == 0)
            return syn_fail(err, SYN_INVALID, "%s: steps[%d] = 0: must not be", c->op->name,
                            (int)k);
        cut[axes[k]] = cut_of(x->dim[axes[k]], start[k], end[k], stepped ? step[k] : 1);
    }
    return SYN_OK;
}

static syn_status slice_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct cut cut[SYN_MAX_RANK];
    struct syn_shape y = c->in[0].shape;
    syn_status st = slice_parse(c, cut, err);
    if (st != SYN_OK) return st;
    for (int32_t d = 0; d < y.rank; d++) y.dim[d] = cut[d].count;
    return syn_move_result(c, &y, err);
}

static syn_status slice_reference(const struct syn_op_call *c, struct syn_err *err)
{
    int64_t stride[SYN_MAX_RANK], step[SYN_MAX_RANK] = {0}, base = 0;
    struct cut cut[SYN_MAX_RANK];
    syn_status st = slice_parse(c, cut, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    syn_move_strides(&c->in[0].shape, stride);
    for (int32_t d = 0; d < c->in[0].shape.rank; d++) {
        base += cut[d].start * stride[d];
        step[d] = cut[d].step * stride[d];
    }
    syn_move_strided(c->out[0].data, &c->out[0].shape, c->in[0].data, base, step,
                     syn_dtype_bytes(c->in[0].dtype));
    return SYN_OK;
}

/* --- Split ----------------------------------------------------------------------------------- */

/* Sizes along the axis of the n_out parts: given, or equal ones with the rest last. */
static syn_status split_sizes(const struct syn_op_call *c, int64_t length,
                              int64_t size[SYN_MAX_OPERANDS], struct syn_err *err)
{
    const int64_t parts = syn_attr_int(c->op, c->attr, "num_outputs");
    int64_t sum = 0;
    int32_t n;
    bool given;
    syn_status st = syn_ops_ints(c, 1, "split", size, SYN_MAX_OPERANDS, &n, &given, err);
    if (st != SYN_OK) return st;
    if (parts && parts != c->n_out)
        return syn_fail(err, SYN_INVALID, "%s: num_outputs = %" PRId64 ": the node has %d",
                        c->op->name, parts, (int)c->n_out);
    if (!given) {
        const int64_t each = (length + c->n_out - 1) / c->n_out;
        for (int32_t o = 0; o < c->n_out; o++) {
            size[o] = length - sum < each ? length - sum : each;
            sum += size[o];
        }
        return SYN_OK;
    }
    if (n != c->n_out)
        return syn_fail(err, SYN_INVALID, "%s: split has %d entries: the node has %d outputs",
                        c->op->name, (int)n, (int)c->n_out);
    for (int32_t o = 0; o < n; o++) {
        if (size[o] < 0 || size[o] > length - sum)
            return syn_fail(err, SYN_INVALID,
                            "%s: split[%d] = %" PRId64 ": must be in [0, %" PRId64 "]", c->op->name,
                            (int)o, size[o], length - sum);
        sum += size[o];
    }
    if (sum != length)
        return syn_fail(err, SYN_INVALID, "%s: split adds up to %" PRId64 ": the axis has %" PRId64,
                        c->op->name, sum, length);
    return SYN_OK;
}

static syn_status split_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    int64_t size[SYN_MAX_OPERANDS];
    int32_t axis;
    syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_ALL, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK)
        st = syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), y.rank, &axis, err);
    if (st == SYN_OK) st = split_sizes(c, y.dim[axis], size, err);
    for (int32_t o = 0; st == SYN_OK && o < c->n_out; o++) {
        y.dim[axis] = size[o];
        st = syn_ops_result(c, o, &y, c->in[0].dtype, err);
    }
    return st;
}

static syn_status split_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t stride[SYN_MAX_RANK], size[SYN_MAX_OPERANDS], base = 0;
    int32_t axis;
    syn_status st =
        syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), x->rank, &axis, err);
    if (st == SYN_OK) st = split_sizes(c, x->dim[axis], size, err);
    if (st != SYN_OK) return st;
    syn_move_strides(x, stride);
    for (int32_t o = 0; o < c->n_out; base += size[o++] * stride[axis])
        if (c->out[o].shape.rank >= 0)
            syn_move_strided(c->out[o].data, &c->out[o].shape, c->in[0].data, base, stride,
                             syn_dtype_bytes(c->in[0].dtype));
    return SYN_OK;
}

/* --- CenterCropPad --------------------------------------------------------------------------- */

static syn_status center_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    int64_t size[SYN_MAX_RANK];
    int32_t axes[SYN_MAX_RANK], n, n_axes;
    bool given;
    syn_status st = syn_ops_operand(c, 0, "input_data", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 1, "shape", size, SYN_MAX_RANK, &n, &given, err);
    if (st == SYN_OK) st = syn_move_axes(c, -1, y.rank, axes, &n_axes, err);
    if (st != SYN_OK) return st;
    if (n_axes < 0)
        for (n_axes = 0; n_axes < y.rank; n_axes++) axes[n_axes] = n_axes;
    if (n != n_axes)
        return syn_fail(err, SYN_INVALID, "%s: shape has %d entries for %d axes", c->op->name,
                        (int)n, (int)n_axes);
    for (int32_t k = 0; k < n; k++) y.dim[axes[k]] = size[k];
    return syn_move_result(c, &y, err);
}

static syn_status center_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    int64_t stride[SYN_MAX_RANK], shift[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0};
    char *dst = c->out[0].data;
    (void)err;
    syn_move_strides(x, stride);
    for (int32_t d = 0; d < y->rank; d++) /* where x's part begins, or how far in y it is put */
        shift[d] =
            x->dim[d] >= y->dim[d] ? (x->dim[d] - y->dim[d]) / 2 : -((y->dim[d] - x->dim[d]) / 2);
    for (int64_t i = 0, n = syn_ops_elements(y); i < n; i++, dst += bytes) {
        int64_t from = 0;
        bool inside = true;
        for (int32_t d = 0; d < y->rank; d++) {
            const int64_t p = at[d] + shift[d];
            inside = inside && p >= 0 && p < x->dim[d];
            if (inside) from += p * stride[d];
        }
        if (inside) syn_move_one(dst, (const char *)c->in[0].data + (size_t)from * bytes, bytes);
        else memset(dst, 0, bytes);
        syn_ops_next(y, at);
    }
    return SYN_OK;
}

static const struct syn_attr_spec slice_attrs[] = {
    {"starts", SYN_ATTR_INTS, 0, -0x1p63, 0x1p63},
    {"ends", SYN_ATTR_INTS, 0, -0x1p63, 0x1p63},
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"steps", SYN_ATTR_INTS, 0, -0x1p63, 0x1p63},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec split_attrs[] = {
    {"axis", SYN_ATTR_INT, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"split", SYN_ATTR_INTS, 0, 0, (double)SYN_MAX_ELEMENTS},
    {"num_outputs", SYN_ATTR_INT, 0, 0, SYN_MAX_OPERANDS},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec center_attrs[] = {
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_slice = {
    .name = "Slice", .min_in = 1, .max_in = 5, .n_out = 1, .reads = 0x1e,
    .attrs = slice_attrs, .shape = slice_shape, .reference = slice_reference,
};
const struct syn_op syn_op_split = {
    .name = "Split",
    .min_in = 1,
    .max_in = 2,
    .n_out = 1,
    .max_out = SYN_MAX_OPERANDS,
    .reads = 1 << 1,
    .attrs = split_attrs,
    .shape = split_shape,
    .reference = split_reference,
};
const struct syn_op syn_op_center_crop_pad = {
    .name = "CenterCropPad", .min_in = 2, .max_in = 2, .n_out = 1, .reads = 1 << 1,
    .attrs = center_attrs, .shape = center_shape, .reference = center_reference,
};
