/* move_gather.c - reading by index: GATHER, GATHER_ELEMENTS, GATHER_ND.
 *
 * Source:  ONNX Gather-1..13, GatherElements-11..13, GatherND-11..13. Any type of data, indices
 *          i32 or i64; negative indices count from the end, others outside are refused.
 * Gather:  axis = 0: y[a.., i.., b..] = data[a.., indices[i..], b..].
 * GatherElements: axis = 0: y has indices' shape; y[at] = data[at with indices[at] on the axis].
 *          Off the axis indices may be smaller than data, not larger.
 * GatherND: batch_dims = b: the first b dimensions are equal and walked together; the last of
 *          indices holds k coordinates into data's dimensions b..b+k-1; y is [indices' dims but
 *          the last, data's from b+k].
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/move.h"
#include <inttypes.h>

static syn_status check_operands(const struct syn_op_call *c, int32_t min_indices,
                                 struct syn_err *err)
{
    syn_status st = syn_ops_ranked(c, 0, "data", SYN_TYPES_ALL, 1, SYN_MAX_RANK, err);
    return st == SYN_OK
               ? syn_ops_ranked(c, 1, "indices", SYN_TYPES_INDEX, min_indices, SYN_MAX_RANK, err)
               : st;
}

static syn_status axis_of(const struct syn_op_call *c, int32_t *axis, struct syn_err *err)
{
    return syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), c->in[0].shape.rank, axis,
                        err);
}

/* --- Gather ---------------------------------------------------------------------------------- */

static syn_status gather_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    struct syn_shape y = {.rank = x->rank + k->rank - 1};
    int32_t axis, d = 0;
    syn_status st = check_operands(c, 0, err);
    if (st == SYN_OK) st = axis_of(c, &axis, err);
    if (st != SYN_OK) return st;
    if (y.rank > SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: the result has rank %d: at most %d", c->op->name,
                        (int)y.rank, SYN_MAX_RANK);
    for (int32_t i = 0; i < axis; i++) y.dim[d++] = x->dim[i];
    for (int32_t i = 0; i < k->rank; i++) y.dim[d++] = k->dim[i];
    for (int32_t i = axis + 1; i < x->rank; i++) y.dim[d++] = x->dim[i];
    return syn_move_result(c, &y, err);
}

static syn_status gather_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int32_t axis;
    syn_status st = axis_of(c, &axis, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    const int64_t outer = syn_move_product(x, 0, axis), n = x->dim[axis],
                  picks = syn_ops_elements(&c->in[1].shape);
    const size_t run =
        (size_t)syn_move_product(x, axis + 1, x->rank) * syn_dtype_bytes(c->in[0].dtype);
    for (int64_t i = 0; i < picks; i++) {
        int64_t at;
        if ((st = syn_move_index(c, 1, "indices", i, n, &at, err)) != SYN_OK) return st;
        for (int64_t o = 0; o < outer; o++)
            memcpy((char *)c->out[0].data + (size_t)(o * picks + i) * run,
                   (const char *)c->in[0].data + (size_t)(o * n + at) * run, run);
    }
    return SYN_OK;
}

/* --- GatherElements -------------------------------------------------------------------------- */

static syn_status elements_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    char a[192], b[192];
    int32_t axis;
    syn_status st = check_operands(c, 1, err);
    if (st == SYN_OK) st = axis_of(c, &axis, err);
    if (st != SYN_OK) return st;
    bool fits = k->rank == x->rank;
    for (int32_t d = 0; fits && d < x->rank; d++) fits = d == axis || k->dim[d] <= x->dim[d];
    if (!fits)
        return syn_fail(err, SYN_INVALID, "%s: indices %s do not fit data %s off axis %d",
                        c->op->name, syn_shape_text(k, a, sizeof a), syn_shape_text(x, b, sizeof b),
                        (int)axis);
    return syn_move_result(c, k, err);
}

static syn_status elements_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    int64_t stride[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0};
    char *dst = c->out[0].data;
    int32_t axis;
    syn_status st = axis_of(c, &axis, err);
    syn_move_strides(x, stride);
    for (int64_t i = 0, n = syn_ops_elements(y); st == SYN_OK && i < n; i++, dst += bytes) {
        int64_t from = 0, pick;
        if ((st = syn_move_index(c, 1, "indices", i, x->dim[axis], &pick, err)) != SYN_OK) break;
        for (int32_t d = 0; d < y->rank; d++) from += (d == axis ? pick : at[d]) * stride[d];
        syn_move_one(dst, (const char *)c->in[0].data + (size_t)from * bytes, bytes);
        syn_ops_next(y, at);
    }
    return st;
}

/* --- GatherND -------------------------------------------------------------------------------- */

static syn_status nd_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    const int32_t batch = (int32_t)syn_attr_int(c->op, c->attr, "batch_dims");
    struct syn_shape y = {.rank = k->rank - 1};
    char a[192], b[192];
    syn_status st = check_operands(c, 1, err);
    if (st != SYN_OK) return st;
    const int64_t width = k->dim[k->rank - 1];
    bool fits = batch < k->rank && batch < x->rank && width >= 1 && width <= x->rank - batch;
    for (int32_t d = 0; fits && d < batch; d++) fits = x->dim[d] == k->dim[d];
    if (!fits)
        return syn_fail(err, SYN_INVALID, "%s: indices %s do not fit data %s with batch_dims = %d",
                        c->op->name, syn_shape_text(k, a, sizeof a), syn_shape_text(x, b, sizeof b),
                        (int)batch);
    for (int32_t d = 0; d < y.rank; d++) y.dim[d] = k->dim[d];
    if (y.rank + x->rank - batch - (int32_t)width > SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: the result's rank is over %d", c->op->name,
                        SYN_MAX_RANK);
    for (int32_t d = batch + (int32_t)width; d < x->rank; d++) y.dim[y.rank++] = x->dim[d];
    return syn_move_result(c, &y, err);
}

static syn_status nd_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    const int32_t batch = (int32_t)syn_attr_int(c->op, c->attr, "batch_dims"),
                  width = (int32_t)k->dim[k->rank - 1];
    int64_t stride[SYN_MAX_RANK];
    if (syn_ops_elements(&c->out[0].shape) == 0) return SYN_OK;
    const int64_t batches = syn_move_product(x, 0, batch),
                  each = syn_ops_elements(k) / width / batches,
                  block = syn_move_product(x, batch, x->rank);
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype),
                 run = (size_t)syn_move_product(x, batch + width, x->rank) * bytes;
    char *dst = c->out[0].data;
    syn_move_strides(x, stride);
    for (int64_t i = 0; i < batches * each; i++, dst += run) {
        int64_t from = i / each * block, pick;
        for (int32_t w = 0; w < width; w++) {
            syn_status st =
                syn_move_index(c, 1, "indices", i * width + w, x->dim[batch + w], &pick, err);
            if (st != SYN_OK) return st;
            from += pick * stride[batch + w];
        }
        memcpy(dst, (const char *)c->in[0].data + (size_t)from * bytes, run);
    }
    return SYN_OK;
}

static const struct syn_attr_spec axis_attrs[] = {
    {"axis", SYN_ATTR_INT, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec nd_attrs[] = {
    {"batch_dims", SYN_ATTR_INT, 0, 0, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_gather = {
    .name = "Gather", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = axis_attrs, .shape = gather_shape, .reference = gather_reference,
};
const struct syn_op syn_op_gather_elements = {
    .name = "GatherElements", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = axis_attrs, .shape = elements_shape, .reference = elements_reference,
};
const struct syn_op syn_op_gather_nd = {
    .name = "GatherND", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = nd_attrs, .shape = nd_shape, .reference = nd_reference,
};
