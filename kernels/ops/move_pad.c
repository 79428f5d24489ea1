/* move_pad.c - PAD_ND: elements put around a tensor, or cut off it.
 *
 * Source:  ONNX Pad-2..25. Any type.
 * Operands: data, pads [2 * axes] (all begins, then all ends; attribute before opset 11),
 *          constant_value? (one element of data's type; attribute `value` before 11), axes? (all
 *          when absent).
 * Maths:   a negative pad cuts; what is left, the region, is then extended: constant, edge (the
 *          nearest), reflect (the edge not repeated, going to and fro), wrap (from the other side).
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: the reference allocates the places
 *          of each axis. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/move.h"
#include <inttypes.h>
#include <math.h>

enum mode { MODE_CONSTANT, MODE_EDGE, MODE_REFLECT, MODE_WRAP, MODE_COUNT };
static const char *const words[MODE_COUNT] = {"constant", "edge", "reflect", "wrap"};

static enum mode mode_of(const struct syn_op_call *c)
{
    const char *text = syn_attr_text(c->op, c->attr, "mode");
    int m = 0;
    while (m < MODE_COUNT && strcmp(text, words[m])) m++;
    return (enum mode)m;
}

/* pads per axis of data: begin[d], end[d]. */
static syn_status pads_of(const struct syn_op_call *c, int64_t begin[SYN_MAX_RANK],
                          int64_t end[SYN_MAX_RANK], struct syn_err *err)
{
    const int32_t rank = c->in[0].shape.rank;
    int64_t pads[2 * SYN_MAX_RANK];
    int32_t axes[SYN_MAX_RANK], n, n_axes = -1;
    bool given;
    syn_status st = syn_ops_ints(c, 1, "pads", pads, 2 * SYN_MAX_RANK, &n, &given, err);
    if (st == SYN_OK && syn_ops_given(c, 3)) st = syn_move_axes(c, 3, rank, axes, &n_axes, err);
    if (st != SYN_OK) return st;
    if (n_axes < 0)
        for (n_axes = 0; n_axes < rank; n_axes++) axes[n_axes] = n_axes;
    if (n != 2 * n_axes)
        return syn_fail(err, SYN_INVALID, "%s: pads has %d entries: must have %d, two an axis",
                        c->op->name, (int)n, 2 * (int)n_axes);
    memset(begin, 0, SYN_MAX_RANK * sizeof *begin), memset(end, 0, SYN_MAX_RANK * sizeof *end);
    for (int32_t k = 0; k < n; k++) {
        if (pads[k] < -SYN_MAX_ELEMENTS || pads[k] > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_INVALID,
                            "%s: pads[%d] = %" PRId64 ": must be in [-2^40, 2^40]", c->op->name,
                            (int)k, pads[k]);
        (k < n_axes ? begin : end)[axes[k % n_axes]] = pads[k];
    }
    return SYN_OK;
}

/* The part of an axis that negative pads leave: [lo, hi). */
static void region_of(int64_t n, int64_t begin, int64_t end, int64_t *lo, int64_t *hi)
{
    *lo = begin < 0 ? -begin : 0;
    *hi = end < 0 ? n + end : n;
}

static syn_status pad_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    int64_t begin[SYN_MAX_RANK], end[SYN_MAX_RANK], lo, hi;
    const enum mode mode = mode_of(c);
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    if (st != SYN_OK) return st;
    if (mode == MODE_COUNT)
        return syn_fail(err, SYN_INVALID,
                        "%s: mode '%.40s': must be constant, edge, reflect or wrap", c->op->name,
                        syn_attr_text(c->op, c->attr, "mode"));
    if (syn_ops_given(c, 2)) {
        if ((st = syn_ops_operand(c, 2, "constant_value", SYN_TYPES_ALL, err)) != SYN_OK ||
            (st = syn_ops_same_type(c, 0, 2, "constant_value", err)) != SYN_OK)
            return st;
        if (syn_ops_elements(&c->in[2].shape) > 1)
            return syn_fail(err, SYN_INVALID, "%s: constant_value must be one element",
                            c->op->name);
    }
    if ((st = pads_of(c, begin, end, err)) != SYN_OK) return st;
    for (int32_t d = 0; d < y.rank; d++) {
        region_of(y.dim[d], begin[d], end[d], &lo, &hi);
        if (hi < lo)
            return syn_fail(err, SYN_INVALID,
                            "%s: pads %" PRId64 " and %" PRId64
                            " cut more than dimension %d has, %" PRId64,
                            c->op->name, begin[d], end[d], (int)d, y.dim[d]);
        if (hi == lo && mode != MODE_CONSTANT && (begin[d] > 0 || end[d] > 0))
            return syn_fail(err, SYN_INVALID,
                            "%s: dimension %d is empty: mode %s has nothing to repeat", c->op->name,
                            (int)d, words[mode]);
        y.dim[d] += begin[d] + end[d];
    }
    return syn_move_result(c, &y, err);
}

/* Where position i of the region [0, n), or outside it, reads; -1 = the constant. */
static int64_t source_of(enum mode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    if (mode == MODE_CONSTANT || n == 0) return -1;
    if (mode == MODE_EDGE) return i < 0 ? 0 : n - 1;
    if (mode == MODE_WRAP) return (i % n + n) % n;
    if (n == 1) return 0;
    i = (i % (2 * (n - 1)) + 2 * (n - 1)) % (2 * (n - 1));
    return i < n ? i : 2 * (n - 1) - i;
}

/* The bytes of the constant: the operand's, the attribute's as data's type, or zeros. */
static void constant_of(const struct syn_op_call *c, char value[8])
{
    const syn_dtype t = c->in[0].dtype;
    memset(value, 0, 8);
    if (syn_ops_given(c, 2) && syn_ops_elements(&c->in[2].shape) == 1)
        memcpy(value, c->in[2].data, syn_dtype_bytes(t));
    else if (c->opset < 11)
        syn_element_put_double(t, value, 0, syn_attr_float(c->op, c->attr, "value"), true);
}

/* One row of the result: places of the last axis, `base` where the row begins in data. */
static char *pad_row(char *dst, const char *row, const int64_t *place, int64_t n, const char *value,
                     size_t bytes)
{
    for (int64_t i = 0; i < n;) {
        int64_t run = 1;
        if (!row || place[i] < 0) {
            syn_move_one(dst, value, bytes);
        } else {
            while (i + run < n && place[i + run] == place[i] + run) run++;
            memcpy(dst, row + (size_t)place[i] * bytes, (size_t)run * bytes);
        }
        i += run, dst += (size_t)run * bytes;
    }
    return dst;
}

static syn_status pad_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    const enum mode mode = mode_of(c);
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    int64_t begin[SYN_MAX_RANK], end[SYN_MAX_RANK], stride[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0},
                                                                          lo, hi;
    const int64_t last = y->rank ? y->dim[y->rank - 1] : 1, total = syn_ops_elements(y);
    int64_t *place;
    struct syn_shape rows = *y;
    char value[8], *dst = c->out[0].data;
    syn_status st = pads_of(c, begin, end, err);
    if (st != SYN_OK || total == 0) return st;
    constant_of(c, value);
    if (y->rank == 0) return syn_move_one(dst, c->in[0].data, bytes), SYN_OK;
    if (!(place = syn_calloc((size_t)last, sizeof *place)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %" PRId64 " places", c->op->name,
                        last);
    region_of(x->dim[x->rank - 1], begin[x->rank - 1], end[x->rank - 1], &lo, &hi);
    for (int64_t i = 0; i < last; i++) {
        const int64_t p =
            source_of(mode, i - (begin[x->rank - 1] > 0 ? begin[x->rank - 1] : 0), hi - lo);
        place[i] = p < 0 ? -1 : lo + p;
    }
    syn_move_strides(x, stride);
    rows.rank--;
    for (int64_t r = 0; r < total / last; r++) {
        int64_t from = 0;
        bool inside = true;
        for (int32_t d = 0; d < rows.rank; d++) {
            region_of(x->dim[d], begin[d], end[d], &lo, &hi);
            const int64_t p = source_of(mode, at[d] - (begin[d] > 0 ? begin[d] : 0), hi - lo);
            inside = inside && p >= 0;
            if (inside) from += (lo + p) * stride[d];
        }
        dst = pad_row(dst, inside ? (const char *)c->in[0].data + (size_t)from * bytes : NULL,
                      place, last, value, bytes);
        syn_ops_next(&rows, at);
    }
    syn_free(place);
    return SYN_OK;
}

static const struct syn_attr_spec pad_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "constant"},
    {"pads", SYN_ATTR_INTS, 0, -0x1p40, 0x1p40},
    {"value", SYN_ATTR_FLOAT, 0, -INFINITY, INFINITY},
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_pad_nd = {
    .name = "Pad", .min_in = 1, .max_in = 4, .n_out = 1, .reads = 1 << 1 | 1 << 3,
    .attrs = pad_attrs, .shape = pad_shape, .reference = pad_reference,
};
