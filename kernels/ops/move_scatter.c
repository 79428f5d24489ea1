/* move_scatter.c - writing by index: SCATTER, SCATTER_ELEMENTS, SCATTER_ND, TENSOR_SCATTER.
 *
 * Source:  ONNX Scatter-9..11, ScatterElements-11..18, ScatterND-11..18, TensorScatter-24. Any
 *          type of data, indices i32 or i64; negative indices count from the end, others outside
 *          are refused.
 * Scatter, ScatterElements: y = data; y[at with indices[at] on the axis] = updates[at].
 * ScatterND: y = data; y[indices[i..]] = updates[i..] (blocks where the indices have fewer
 *          coordinates than data).
 * reduction: none (the last of equal indices wins), add, mul, min, max of what is there and the
 *          update; NaN wins min and max. Numbers, and bool, where add is "or" and mul "and".
 * TensorScatter: past_cache [b, .., length, ..], update [b, .., n, ..], write_indices? [b]; axis =
 *          -2, mode linear (what does not fit is refused) or circular (modulo length): update's
 *          steps are written from write_indices[b] on.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/graph/element.h"
#include "kernels/ops/move.h"
#include <inttypes.h>
#include <math.h>

enum reduction { RED_NONE, RED_ADD, RED_MUL, RED_MIN, RED_MAX, RED_COUNT };

static enum reduction reduction_of(const struct syn_op_call *c)
{
    static const char *const words[RED_COUNT] = {"none", "add", "mul", "min", "max"};
    const char *text = syn_attr_text(c->op, c->attr, "reduction");
    int r = 0;
    while (text && r < RED_COUNT && strcmp(text, words[r])) r++;
    return text ? (enum reduction)r : RED_NONE; /* Scatter has no such attribute */
}

static double combine_double(enum reduction r, double a, double b)
{
    switch (r) {
    case RED_ADD: return a + b;
    case RED_MUL: return a * b;
    case RED_MIN: return isnan(a) || a < b ? a : b;
    case RED_MAX: return isnan(a) || a > b ? a : b;
    default: return b;
    }
}

/* Sums and products wrap, as in the type itself. */
static int64_t combine_int(enum reduction r, int64_t a, int64_t b, bool is_unsigned)
{
    const bool less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
    switch (r) {
    case RED_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case RED_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
    case RED_MIN: return less ? a : b;
    case RED_MAX: return less ? b : a;
    default: return b;
    }
}

/* n updates from element `from` on, into y from element `to` on. */
static void put(const struct syn_op_call *c, enum reduction r, int64_t to, int64_t from, int64_t n)
{
    const syn_dtype t = c->out[0].dtype;
    const size_t bytes = syn_dtype_bytes(t);
    void *y = c->out[0].data;
    const void *u = c->in[2].data;
    if (r == RED_NONE) {
        memcpy((char *)y + (size_t)to * bytes, (const char *)u + (size_t)from * bytes,
               (size_t)n * bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (syn_dtype_kind(t) == 'F')
            syn_element_put_double(t, y, to + i,
                                   combine_double(r, syn_element_double(t, y, to + i),
                                                  syn_element_double(t, u, from + i)),
                                   true);
        else
            syn_element_put_int(t, y, to + i,
                                combine_int(r, syn_element_int(t, y, to + i),
                                            syn_element_int(t, u, from + i),
                                            syn_dtype_kind(t) == 'U'));
    }
}

static syn_status check_scatter(const struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_ranked(c, 0, "data", SYN_TYPES_ALL, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "indices", SYN_TYPES_INDEX, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 2, "updates", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_same_type(c, 0, 2, "updates", err);
    if (st == SYN_OK && reduction_of(c) == RED_COUNT)
        return syn_fail(err, SYN_INVALID,
                        "%s: reduction '%.40s': must be none, add, mul, min or max", c->op->name,
                        syn_attr_text(c->op, c->attr, "reduction"));
    return st;
}

static void copy_data(const struct syn_op_call *c)
{
    const size_t n = (size_t)syn_ops_elements(&c->out[0].shape);
    if (n) memcpy(c->out[0].data, c->in[0].data, n * syn_dtype_bytes(c->out[0].dtype));
}

/* --- Scatter, ScatterElements ---------------------------------------------------------------- */

static syn_status axis_of(const struct syn_op_call *c, int32_t *axis, struct syn_err *err)
{
    return syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), c->in[0].shape.rank, axis,
                        err);
}

static syn_status elements_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    char a[192], b[192];
    int32_t axis;
    syn_status st = check_scatter(c, err);
    if (st == SYN_OK) st = axis_of(c, &axis, err);
    if (st != SYN_OK) return st;
    if (!syn_shape_equal(k, &c->in[2].shape))
        return syn_fail(err, SYN_INVALID, "%s: updates %s must have indices' shape %s", c->op->name,
                        syn_shape_text(&c->in[2].shape, a, sizeof a),
                        syn_shape_text(k, b, sizeof b));
    bool fits = k->rank == x->rank;
    for (int32_t d = 0; fits && d < x->rank; d++) fits = d == axis || k->dim[d] <= x->dim[d];
    if (!fits)
        return syn_fail(err, SYN_INVALID, "%s: indices %s do not fit data %s off axis %d",
                        c->op->name, syn_shape_text(k, a, sizeof a), syn_shape_text(x, b, sizeof b),
                        (int)axis);
    return syn_move_result(c, x, err);
}

static syn_status elements_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    const enum reduction r = reduction_of(c);
    int64_t stride[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0};
    int32_t axis;
    syn_status st = axis_of(c, &axis, err);
    copy_data(c);
    syn_move_strides(x, stride);
    for (int64_t i = 0, n = syn_ops_elements(k); st == SYN_OK && i < n; i++) {
        int64_t to = 0, pick;
        if ((st = syn_move_index(c, 1, "indices", i, x->dim[axis], &pick, err)) != SYN_OK) break;
        for (int32_t d = 0; d < k->rank; d++) to += (d == axis ? pick : at[d]) * stride[d];
        put(c, r, to, i, 1);
        syn_ops_next(k, at);
    }
    return st;
}

/* --- ScatterND ------------------------------------------------------------------------------- */

static syn_status nd_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    struct syn_shape want = {.rank = k->rank - 1};
    char a[192], b[192];
    syn_status st = check_scatter(c, err);
    if (st != SYN_OK) return st;
    const int64_t width = k->dim[k->rank - 1];
    if (width < 1 || width > x->rank || k->rank - 1 + x->rank - width > SYN_MAX_RANK)
        return syn_fail(err, SYN_INVALID,
                        "%s: indices %s have %" PRId64 " coordinates: data %s takes 1 to %d",
                        c->op->name, syn_shape_text(k, a, sizeof a), width,
                        syn_shape_text(x, b, sizeof b), (int)x->rank);
    for (int32_t d = 0; d < want.rank; d++) want.dim[d] = k->dim[d];
    for (int32_t d = (int32_t)width; d < x->rank; d++) want.dim[want.rank++] = x->dim[d];
    if (!syn_shape_equal(&want, &c->in[2].shape))
        return syn_fail(err, SYN_INVALID, "%s: updates %s must be %s (of indices and data)",
                        c->op->name, syn_shape_text(&c->in[2].shape, a, sizeof a),
                        syn_shape_text(&want, b, sizeof b));
    return syn_move_result(c, x, err);
}

static syn_status nd_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *k = &c->in[1].shape;
    const enum reduction r = reduction_of(c);
    const int32_t width = (int32_t)k->dim[k->rank - 1];
    const int64_t writes = syn_ops_elements(k) / width;
    int64_t stride[SYN_MAX_RANK];
    if (syn_ops_elements(x) == 0 && syn_ops_elements(&c->in[2].shape) == 0) return SYN_OK;
    const int64_t run = syn_move_product(x, width, x->rank);
    copy_data(c);
    syn_move_strides(x, stride);
    for (int64_t i = 0; i < writes; i++) {
        int64_t to = 0, pick;
        for (int32_t w = 0; w < width; w++) {
            syn_status st = syn_move_index(c, 1, "indices", i * width + w, x->dim[w], &pick, err);
            if (st != SYN_OK) return st;
            to += pick * stride[w];
        }
        put(c, r, to, i * run, run);
    }
    return SYN_OK;
}

/* --- TensorScatter --------------------------------------------------------------------------- */

static syn_status cache_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *u = &c->in[1].shape;
    const char *mode = syn_attr_text(c->op, c->attr, "mode");
    char a[192], b[192];
    int32_t axis;
    syn_status st = syn_ops_ranked(c, 0, "past_cache", SYN_TYPES_ALL, 2, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "update", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_same_type(c, 0, 1, "update", err);
    if (st == SYN_OK && syn_ops_given(c, 2))
        st = syn_ops_ranked(c, 2, "write_indices", SYN_TYPES_INDEX, 1, 1, err);
    if (st == SYN_OK) st = axis_of(c, &axis, err);
    if (st != SYN_OK) return st;
    if (strcmp(mode, "linear") && strcmp(mode, "circular"))
        return syn_fail(err, SYN_INVALID, "%s: mode '%.40s': must be linear or circular",
                        c->op->name, mode);
    if (axis == 0) return syn_fail(err, SYN_INVALID, "%s: axis = 0 is the batch", c->op->name);
    bool fits = u->rank == x->rank && (!syn_ops_given(c, 2) || c->in[2].shape.dim[0] == x->dim[0]);
    for (int32_t d = 0; fits && d < x->rank; d++)
        fits = d == axis ? u->dim[d] <= x->dim[d] : u->dim[d] == x->dim[d];
    if (!fits)
        return syn_fail(err, SYN_INVALID, "%s: update %s or write_indices do not fit past_cache %s",
                        c->op->name, syn_shape_text(u, a, sizeof a),
                        syn_shape_text(x, b, sizeof b));
    return syn_move_result(c, x, err);
}

static syn_status cache_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *u = &c->in[1].shape;
    const bool circular = strcmp(syn_attr_text(c->op, c->attr, "mode"), "circular") == 0;
    int32_t axis;
    syn_status st = axis_of(c, &axis, err);
    if (st != SYN_OK || syn_ops_elements(x) == 0) return st;
    const int64_t length = x->dim[axis], steps = u->dim[axis],
                  middle = syn_move_product(x, 1, axis);
    const size_t run =
        (size_t)syn_move_product(x, axis + 1, x->rank) * syn_dtype_bytes(c->in[0].dtype);
    copy_data(c);
    for (int64_t b = 0; b < x->dim[0]; b++) {
        const int64_t first =
            syn_ops_given(c, 2) ? syn_element_int(c->in[2].dtype, c->in[2].data, b) : 0;
        if (first < 0 || (circular ? first >= length : first > length - steps))
            return syn_fail(err, SYN_INVALID,
                            "%s: write_indices[%" PRId64 "] = %" PRId64 ": %" PRId64
                            " steps do not fit a cache of %" PRId64,
                            c->op->name, b, first, steps, length);
        for (int64_t m = 0; m < middle; m++)
            for (int64_t s = 0; s < steps; s++) {
                const int64_t row = b * middle + m, to = (first + s) % length;
                memcpy((char *)c->out[0].data + (size_t)(row * length + to) * run,
                       (const char *)c->in[1].data + (size_t)(row * steps + s) * run, run);
            }
    }
    return SYN_OK;
}

static const struct syn_attr_spec scatter_attrs[] = {
    {"axis", SYN_ATTR_INT, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec elements_attrs[] = {
    {"axis", SYN_ATTR_INT, 0, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"reduction", SYN_ATTR_STRING, 0, 0, 0, "none"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec nd_attrs[] = {
    {"reduction", SYN_ATTR_STRING, 0, 0, 0, "none"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec cache_attrs[] = {
    {"axis", SYN_ATTR_INT, -2, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "linear"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_scatter = {
    .name = "Scatter", .min_in = 3, .max_in = 3, .n_out = 1,
    .attrs = scatter_attrs, .shape = elements_shape, .reference = elements_reference,
};
const struct syn_op syn_op_scatter_elements = {
    .name = "ScatterElements", .min_in = 3, .max_in = 3, .n_out = 1,
    .attrs = elements_attrs, .shape = elements_shape, .reference = elements_reference,
};
const struct syn_op syn_op_scatter_nd = {
    .name = "ScatterND", .min_in = 3, .max_in = 3, .n_out = 1,
    .attrs = nd_attrs, .shape = nd_shape, .reference = nd_reference,
};
const struct syn_op syn_op_tensor_scatter = {
    .name = "TensorScatter", .min_in = 2, .max_in = 3, .n_out = 1,
    .attrs = cache_attrs, .shape = cache_shape, .reference = cache_reference,
};
