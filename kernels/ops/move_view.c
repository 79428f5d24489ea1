/* move_view.c - the same elements in another shape: RESHAPE_TO, SQUEEZE, UNSQUEEZE, FLATTEN.
 *
 * Source:  ONNX Reshape-5..25, Squeeze-1..25, Unsqueeze-1..25, Flatten-1..25. Any type.
 * Reshape: in data, shape (i64, at most 8 entries). 0 copies data's dimension unless allowzero =
 *          1; one -1 is what is left.
 * Squeeze: in data, axes? (attribute before opset 13). Without axes every dimension of 1 goes; a
 *          named one must be 1.
 * Unsqueeze: in data, axes (attribute before 13): axes of the result.
 * Flatten: axis = 1 in [-rank, rank]: [product before, product from there].
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/move.h"
#include <inttypes.h>

static syn_status copy_all(const struct syn_op_call *c, struct syn_err *err)
{
    const size_t n = (size_t)syn_ops_elements(&c->out[0].shape);
    (void)err;
    if (n) memcpy(c->out[0].data, c->in[0].data, n * syn_dtype_bytes(c->out[0].dtype));
    return SYN_OK;
}

/* The dimension that -1 stands for, `d`; the others are in y with a 1 there. */
static syn_status fill_rest(const struct syn_op_call *c, struct syn_shape *y, int32_t d,
                            struct syn_err *err)
{
    const int64_t have = syn_ops_elements(&c->in[0].shape);
    char x[192], want[192];
    int64_t given = 0;
    if (!syn_shape_elements(y, &given) || given == 0 || have % given)
        return syn_fail(err, SYN_INVALID,
                        "%s: shape %s leaves no whole number for its -1 at %d: data is %s",
                        c->op->name, syn_shape_text(y, want, sizeof want), (int)d,
                        syn_shape_text(&c->in[0].shape, x, sizeof x));
    y->dim[d] = have / given;
    return SYN_OK;
}

static syn_status reshape_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const bool allow_zero = syn_attr_int(c->op, c->attr, "allowzero") != 0;
    int64_t dims[SYN_MAX_RANK], have, want;
    struct syn_shape y = {.rank = 0};
    int32_t rest = -1;
    char tx[192], ty[192];
    bool given;
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 1, "shape", dims, SYN_MAX_RANK, &y.rank, &given, err);
    if (st != SYN_OK) return st;
    if (!syn_ops_given(c, 1))
        return syn_fail(err, SYN_INVALID, "%s: operand shape is missing", c->op->name);
    for (int32_t d = 0; d < y.rank; d++) {
        y.dim[d] = dims[d];
        if (dims[d] == 0 && !allow_zero) {
            if (d >= x->rank)
                return syn_fail(err, SYN_INVALID,
                                "%s: shape[%d] = 0 copies a dimension of data, which has rank %d",
                                c->op->name, (int)d, (int)x->rank);
            y.dim[d] = x->dim[d];
        }
        if (dims[d] < -1 || (dims[d] == -1 && rest >= 0))
            return syn_fail(err, SYN_INVALID,
                            "%s: shape[%d] = %" PRId64 ": must be at least 0, or one -1",
                            c->op->name, (int)d, dims[d]);
        if (dims[d] == -1) rest = d, y.dim[d] = 1;
    }
    if (rest >= 0 && (st = fill_rest(c, &y, rest, err)) != SYN_OK) return st;
    have = syn_ops_elements(x);
    if (!syn_shape_elements(&y, &want) || want != have)
        return syn_fail(
            err, SYN_INVALID, "%s: data %s has %" PRId64 " elements: they do not fit shape %s",
            c->op->name, syn_shape_text(x, tx, sizeof tx), have, syn_shape_text(&y, ty, sizeof ty));
    return syn_move_result(c, &y, err);
}

static syn_status squeeze_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int32_t axes[SYN_MAX_RANK], n;
    struct syn_shape y = {.rank = 0};
    uint32_t gone = 0;
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_move_axes(c, 1, x->rank, axes, &n, err);
    if (st != SYN_OK) return st;
    for (int32_t k = 0; k < n; k++) {
        if (x->dim[axes[k]] != 1)
            return syn_fail(err, SYN_INVALID,
                            "%s: dimension %d is %" PRId64 ": must be 1 to be squeezed",
                            c->op->name, (int)axes[k], x->dim[axes[k]]);
        gone |= (uint32_t)1 << axes[k];
    }
    for (int32_t d = 0; d < x->rank; d++)
        if (n < 0 ? x->dim[d] != 1 : !(gone >> d & 1)) y.dim[y.rank++] = x->dim[d];
    return syn_move_result(c, &y, err);
}

static syn_status unsqueeze_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t list[SYN_MAX_RANK];
    int32_t axes[SYN_MAX_RANK], n, own = 0;
    struct syn_shape y = {.rank = 0};
    uint32_t ones = 0;
    bool given;
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 1, "axes", list, SYN_MAX_RANK, &n, &given, err);
    if (st != SYN_OK) return st;
    if (!given) return syn_fail(err, SYN_INVALID, "%s: axes are missing", c->op->name);
    y.rank = x->rank + n;
    if (y.rank > SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: the result has rank %d: at most %d", c->op->name,
                        (int)y.rank, SYN_MAX_RANK);
    if ((st = syn_move_axes(c, 1, y.rank, axes, &n, err)) != SYN_OK) return st;
    for (int32_t k = 0; k < n; k++) ones |= (uint32_t)1 << axes[k];
    for (int32_t d = 0; d < y.rank; d++) y.dim[d] = ones >> d & 1 ? 1 : x->dim[own++];
    return syn_move_result(c, &y, err);
}

static syn_status flatten_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t axis = syn_attr_int(c->op, c->attr, "axis");
    struct syn_shape y = {.rank = 2};
    syn_status st = syn_ops_operand(c, 0, "input", SYN_TYPES_ALL, err);
    if (st != SYN_OK) return st;
    if (axis < -x->rank || axis > x->rank)
        return syn_fail(err, SYN_INVALID, "%s: axis = %" PRId64 ": must be in [%d, %d]",
                        c->op->name, axis, -(int)x->rank, (int)x->rank);
    if (axis < 0) axis += x->rank;
    y.dim[0] = syn_move_product(x, 0, (int32_t)axis);
    y.dim[1] = syn_move_product(x, (int32_t)axis, x->rank);
    return syn_move_result(c, &y, err);
}

static const struct syn_attr_spec reshape_attrs[] = {
    {"allowzero", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec axes_attrs[] = {
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec flatten_attrs[] = {
    {"axis", SYN_ATTR_INT, 1, -SYN_MAX_RANK, SYN_MAX_RANK},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_reshape_to = {
    .name = "Reshape", .min_in = 2, .max_in = 2, .n_out = 1, .flags = SYN_OP_VIEW, .reads = 1 << 1,
    .attrs = reshape_attrs, .shape = reshape_shape, .reference = copy_all,
};
const struct syn_op syn_op_squeeze = {
    .name = "Squeeze", .min_in = 1, .max_in = 2, .n_out = 1, .flags = SYN_OP_VIEW, .reads = 1 << 1,
    .attrs = axes_attrs, .shape = squeeze_shape, .reference = copy_all,
};
const struct syn_op syn_op_unsqueeze = {
    .name = "Unsqueeze",
    .min_in = 1,
    .max_in = 2,
    .n_out = 1,
    .flags = SYN_OP_VIEW,
    .reads = 1 << 1,
    .attrs = axes_attrs,
    .shape = unsqueeze_shape,
    .reference = copy_all,
};
const struct syn_op syn_op_flatten = {
    .name = "Flatten", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_VIEW,
    .attrs = flatten_attrs, .shape = flatten_shape, .reference = copy_all,
};
