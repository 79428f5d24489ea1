/* shape.c - moving elements about without changing them: RESHAPE, CONCAT, CROP, PAD.
 *
 * Source:  ONNX Reshape-14 (allowzero = 0), Concat-4..13, Pad-19 on the last two axes (its "edge"
 *          is replicate here); ncnn Crop (with and without a second operand).
 * Shapes:  RESHAPE any; CONCAT any type, ranks 1..8, all dimensions but `axis` equal; CROP and PAD
 *          [n,c,h,w].
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/graph/element.h"
#include "kernels/ops/move.h"
#include "kernels/ops/ops.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_EXTENT ((double)SYN_MAX_ELEMENTS)

static syn_status reshape_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr *dims = syn_attr_list(c->op, c->attr, "dims");
    const struct syn_shape *x = &c->in[0].shape;
    struct syn_shape y = {.rank = dims->n};
    int32_t inferred = -1;
    char text[192], want[192];
    syn_status st = syn_ops_check(c, 0, "x", err);
    if (st != SYN_OK) return st;
    if (dims->n > SYN_MAX_RANK)
        return syn_fail(err, SYN_INVALID, "%s: attribute dims has %d entries: must be at most %d",
                        c->op->name, (int)dims->n, SYN_MAX_RANK);
    for (int32_t d = 0; d < dims->n; d++) {
        y.dim[d] = dims->v.i[d];
        if (y.dim[d] == 0 && d >= x->rank)
            return syn_fail(err, SYN_INVALID,
                            "%s: dims[%d] = 0 copies a dimension of x, which has rank %d",
                            c->op->name, (int)d, (int)x->rank);
        if (y.dim[d] == 0) y.dim[d] = x->dim[d];
        if (y.dim[d] >= 0) continue;
        if (inferred >= 0)
            return syn_fail(err, SYN_INVALID,
                            "%s: dims[%d] and dims[%d] are both -1: only one may be", c->op->name,
                            (int)inferred, (int)d);
        inferred = d;
        y.dim[d] = 1;
    }
    int64_t have = syn_ops_elements(x), given;
    if (syn_shape_elements(&y, &given) && inferred >= 0 && have % given == 0)
        y.dim[inferred] = have / given;
    if (!syn_shape_elements(&y, &given) || given != have)
        return syn_fail(err, SYN_INVALID,
                        "%s: x has shape %s: its %" PRId64 " elements do not fit dims %s",
                        c->op->name, syn_shape_text(x, text, sizeof text), have,
                        syn_shape_text(&y, want, sizeof want));
    return syn_ops_out(c, &y, err);
}

static syn_status reshape_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    memcpy(c->out[0].data, c->in[0].data,
           (size_t)syn_ops_elements(&c->out[0].shape) * sizeof(float));
    return SYN_OK;
}

/* Operands of one type; our own graphs (opset 0) may have f16 constants among f32. */
static syn_status concat_check(const struct syn_op_call *c, int32_t i, int32_t axis,
                               struct syn_err *err)
{
    const struct syn_shape *x0 = &c->in[0].shape, *x = &c->in[i].shape;
    struct syn_shape want = *x0; /* equal but for the axis */
    char operand[16], got[192], text[192];
    syn_status st;
    snprintf(operand, sizeof operand, "x%d", (int)i);
    if ((st = syn_ops_operand(c, i, operand, SYN_TYPES_ALL, err)) != SYN_OK) return st;
    if (c->opset > 0 && (st = syn_ops_same_type(c, 0, i, operand, err)) != SYN_OK) return st;
    if (x->rank != x0->rank)
        return syn_fail(err, SYN_INVALID, "%s: %s has shape %s: must have rank %d", c->op->name,
                        operand, syn_shape_text(x, got, sizeof got), (int)x0->rank);
    want.dim[axis] = x->dim[axis];
    if (!syn_shape_equal(x, &want))
        return syn_fail(err, SYN_INVALID,
                        "%s: %s has shape %s: must be %s (x0's shape off the axis)", c->op->name,
                        operand, syn_shape_text(x, got, sizeof got),
                        syn_shape_text(&want, text, sizeof text));
    return SYN_OK;
}

static syn_status concat_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    syn_dtype type = c->in[0].dtype;
    int32_t axis;
    syn_status st = syn_ops_ranked(c, 0, "x0", SYN_TYPES_ALL, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK)
        st = syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), y.rank, &axis, err);
    if (st != SYN_OK) return st;
    for (int32_t i = 1; i < c->n_in; i++) {
        if ((st = concat_check(c, i, axis, err)) != SYN_OK) return st;
        y.dim[axis] += c->in[i].shape.dim[axis]; /* 64 operands of at most 2^40: no overflow */
    }
    if (c->opset == 0 && type == SYN_F16) type = SYN_F32;
    return syn_ops_result(c, 0, &y, type, err);
}

/* Bytes are copied; only an f16 constant among f32 is converted. */
static syn_status concat_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *s = &c->out[0].shape;
    const syn_dtype to = c->out[0].dtype;
    char *y = c->out[0].data;
    int32_t axis;
    syn_status st =
        syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), s->rank, &axis, err);
    if (st != SYN_OK || syn_ops_elements(s) == 0) return st;
    const int64_t outer = syn_move_product(s, 0, axis),
                  inner = syn_move_product(s, axis + 1, s->rank);
    for (int64_t o = 0; o < outer; o++)
        for (int32_t i = 0; i < c->n_in; i++) {
            const int64_t run = c->in[i].shape.dim[axis] * inner;
            const syn_dtype from = c->in[i].dtype;
            const char *x = (const char *)c->in[i].data + (size_t)(o * run) * syn_dtype_bytes(from);
            syn_element_convert(from, x, to, y, run);
            y += (size_t)run * syn_dtype_bytes(to);
        }
    return SYN_OK;
}

/* The window's length on one axis: `like` if given, else `size` if given, else what the cuts
 * leave. */
static int64_t crop_length(int64_t like, int64_t size, int64_t in, int64_t before, int64_t after)
{
    return like > 0 ? like : size > 0 ? size : in - before - after;
}

static syn_status crop_shape(struct syn_op_call *c, struct syn_err *err)
{
    static const char *const word[2] = {"height", "width"};
    struct syn_shape y = c->in[0].shape;
    syn_status st = syn_ops_check_rank(c, 0, "x", 4, err);
    const bool with_like = syn_ops_given(c, 1);
    if (st == SYN_OK && with_like) st = syn_ops_check_rank(c, 1, "like", 4, err);
    if (st != SYN_OK) return st;
    for (int32_t d = 0; d < 2; d++) {
        int64_t in = y.dim[2 + d], before = syn_attr_int(c->op, c->attr, d ? "left" : "top");
        int64_t after = syn_attr_int(c->op, c->attr, d ? "right" : "bottom");
        int64_t size = syn_attr_int(c->op, c->attr, word[d]);
        if (size == 0)
            return syn_fail(err, SYN_INVALID,
                            "%s: %s = 0: must be at least 1, or -1 for what is left", c->op->name,
                            word[d]);
        int64_t length =
            crop_length(with_like ? c->in[1].shape.dim[2 + d] : 0, size, in, before, after);
        if (length < 1 || before > in - length)
            return syn_fail(err, SYN_INVALID,
                            "%s: %s = %" PRId64 " and %s %" PRId64 "%s: x has %s %" PRId64,
                            c->op->name, d ? "left" : "top", before, word[d], length,
                            with_like ? " (of like)" : "", word[d], in);
        y.dim[2 + d] = length;
    }
    return syn_ops_out(c, &y, err);
}

static syn_status crop_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *in = &c->in[0].shape, *out = &c->out[0].shape;
    const int64_t top = syn_attr_int(c->op, c->attr, "top"),
                  left = syn_attr_int(c->op, c->attr, "left");
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    (void)err;
    for (int64_t plane = 0; plane < in->dim[0] * in->dim[1]; plane++)
        for (int64_t oy = 0; oy < out->dim[2]; oy++, y += out->dim[3])
            memcpy(y, x + (plane * in->dim[2] + top + oy) * in->dim[3] + left,
                   (size_t)out->dim[3] * sizeof *y);
    return SYN_OK;
}

static syn_status pad_shape(struct syn_op_call *c, struct syn_err *err)
{
    static const char *const side[4] = {"top", "left", "bottom", "right"};
    struct syn_shape y = c->in[0].shape;
    syn_status st = syn_ops_check_rank(c, 0, "x", 4, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "pads", 4, err);
    if (st != SYN_OK) return st;
    for (int32_t i = 0; i < 4; i++) {
        int64_t pad = syn_ops_entry(c, "pads", i, 0), length = c->in[0].shape.dim[2 + i % 2];
        if (syn_attr_int(c->op, c->attr, "mode") == SYN_PAD_REFLECT && pad >= length)
            return syn_fail(err, SYN_INVALID,
                            "%s: pads[%d] = %" PRId64
                            " (%s): reflect needs less than x's %s, %" PRId64,
                            c->op->name, (int)i, pad, side[i], i % 2 ? "width" : "height", length);
        y.dim[2 + i % 2] += pad;
    }
    return syn_ops_out(c, &y, err);
}

/* Where position i (which may lie outside) reads on an axis of n; -1 = the constant. */
static int64_t pad_source(enum syn_pad_mode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    if (mode == SYN_PAD_CONSTANT) return -1;
    if (mode == SYN_PAD_REPLICATE) return i < 0 ? 0 : n - 1;
    return i < 0 ? -i : 2 * (n - 1) - i;
}

static syn_status pad_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *in = &c->in[0].shape, *out = &c->out[0].shape;
    const enum syn_pad_mode mode = (enum syn_pad_mode)syn_attr_int(c->op, c->attr, "mode");
    const int64_t top = syn_ops_entry(c, "pads", 0, 0), left = syn_ops_entry(c, "pads", 1, 0);
    const float value = (float)syn_attr_float(c->op, c->attr, "value");
    const float *x = c->in[0].data;
    float *y = c->out[0].data;
    (void)err;
    for (int64_t plane = 0; plane < in->dim[0] * in->dim[1]; plane++)
        for (int64_t oy = 0; oy < out->dim[2]; oy++)
            for (int64_t ox = 0; ox < out->dim[3]; ox++) {
                int64_t iy = pad_source(mode, oy - top, in->dim[2]),
                        ix = pad_source(mode, ox - left, in->dim[3]);
                *y++ = iy < 0 || ix < 0 ? value : x[(plane * in->dim[2] + iy) * in->dim[3] + ix];
            }
    return SYN_OK;
}

static const struct syn_attr_spec reshape_attrs[] = {
    {"dims", SYN_ATTR_INTS, 0, -1, MAX_EXTENT},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec concat_attrs[] = {
    {"axis", SYN_ATTR_INT, 1, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec crop_attrs[] = {
    {"top", SYN_ATTR_INT, 0, 0, MAX_EXTENT},     {"left", SYN_ATTR_INT, 0, 0, MAX_EXTENT},
    {"height", SYN_ATTR_INT, -1, -1, MAX_EXTENT}, {"width", SYN_ATTR_INT, -1, -1, MAX_EXTENT},
    {"bottom", SYN_ATTR_INT, 0, 0, MAX_EXTENT},  {"right", SYN_ATTR_INT, 0, 0, MAX_EXTENT},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec pad_attrs[] = {
    {"pads", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_PAD},
    {"mode", SYN_ATTR_INT, SYN_PAD_CONSTANT, SYN_PAD_CONSTANT, SYN_PAD_REPLICATE},
    {"value", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_reshape = {
    .name = "Reshape",
    .domain = "synthd",
    .flags = SYN_OP_FLOAT,
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .attrs = reshape_attrs,
    .shape = reshape_shape,
    .reference = reshape_reference,
};
const struct syn_op syn_op_concat = {
    .name = "Concat", .min_in = 1, .max_in = SYN_MAX_OPERANDS, .n_out = 1,
    .attrs = concat_attrs, .shape = concat_shape, .reference = concat_reference,
};
const struct syn_op syn_op_crop = {
    .name = "Crop", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 2, .n_out = 1,
    .attrs = crop_attrs, .shape = crop_shape, .reference = crop_reference,
};
const struct syn_op syn_op_pad = {
    .name = "Pad", .domain = "synthd", .flags = SYN_OP_FLOAT, .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = pad_attrs, .shape = pad_shape, .reference = pad_reference,
};
