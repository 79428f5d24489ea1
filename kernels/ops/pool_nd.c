/* pool_nd.c - windows and whole planes reduced to one number, over any number of axes: MAX_POOL_ND,
 * AVERAGE_POOL_ND,
 * LP_POOL, GLOBAL_MAX_POOL, GLOBAL_LP_POOL. (GLOBAL_AVERAGE_POOL is in pool.c.)
 *
 * Source:  ONNX MaxPool-1..22, AveragePool-1..22, LpPool-1..22, GlobalMaxPool-1, 22,
 *          GlobalLpPool-1..22.
 * Operands: x [n,c,...]. Outputs: y; MaxPool also the maximum's index in the whole of x, as if
 *          row-major, or with storage_order = 1 with the spatial axes column-major (the first
 *          fastest); -1 for a window without taps inside x.
 * Attributes: auto_pad, kernel_shape, strides, pads, dilations, ceil_mode (window.h);
 *          count_include_pad; p (LpPool, 2).
 * Maths:   Max over the taps inside x, the first of equals, NaN if one is NaN; the lowest value if
 *          there are none. Average: the sum divided by how many taps lie inside x, or with
 *          count_include_pad inside x and its pads (what ceil_mode adds beyond does not count); no
 *          tap gives 0. Lp: (sum |x|^p)^(1/p).
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>

#define TYPES_MAX (SYN_TYPES_FLOAT | SYN_TYPE(I8) | SYN_TYPE(U8))

static bool ceils(const struct syn_op_call *c)
{
    return syn_attr_int(c->op, c->attr, "ceil_mode") != 0;
}

static syn_status parse(const struct syn_op_call *c, struct syn_window *w, struct syn_err *err)
{
    return syn_window_slide(c, NULL, ceils(c), w, err);
}

static syn_status shape_of_types(struct syn_op_call *c, uint32_t types, struct syn_err *err)
{
    struct syn_window w;
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "x", types, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = parse(c, &w, err);
    if (st != SYN_OK) return st;
    y = c->in[0].shape;
    for (int32_t d = 0; d < w.rank; d++) y.dim[2 + d] = w.axis[d].out;
    st = syn_ops_result(c, 0, &y, c->in[0].dtype, err);
    return st == SYN_OK ? syn_ops_result(c, 1, &y, SYN_I64, err) : st;
}

static syn_status pool_shape(struct syn_op_call *c, struct syn_err *err)
{
    return shape_of_types(c, SYN_TYPES_FLOAT, err);
}

static syn_status max_shape(struct syn_op_call *c, struct syn_err *err)
{
    return shape_of_types(c, TYPES_MAX, err);
}

/* One window at position o of the plane that starts at element `from` of x. */
typedef double pool_fn(const struct syn_op_call *c, const struct syn_window *w, int64_t from,
                       const int64_t *o, int64_t *best);

static syn_status pool(const struct syn_op_call *c, pool_fn *one, struct syn_err *err)
{
    const bool indices = c->n_out > 1 && c->out[1].shape.rank >= 0;
    struct syn_window w;
    const syn_status st = parse(c, &w, err);
    if (st != SYN_OK) return st;
    const int64_t plane = syn_window_in(&w), out = syn_window_out(&w);
    int64_t i = 0;
    for (int64_t p = 0; out > 0 && p < syn_ops_elements(&c->out[0].shape) / out; p++) {
        int64_t o[SYN_MAX_SPATIAL] = {0};
        for (int64_t k = 0; k < out; k++, i++) {
            int64_t best = -1;
            syn_put(&c->out[0], i, one(c, &w, p * plane, o, &best));
            if (indices) ((int64_t *)c->out[1].data)[i] = best;
            syn_window_advance(&w, o);
        }
    }
    return SYN_OK;
}

static double lowest(syn_dtype t)
{
    return syn_dtype_kind(t) == 'F' ? (double)-INFINITY : t == SYN_I8 ? -128 : 0;
}

/* The place of spatial index x (row-major) in a plane whose first axis is the fastest. */
static int64_t column_major(const struct syn_window *w, int64_t x)
{
    int64_t at = 0, plane = syn_window_in(w);
    for (int32_t d = w->rank - 1; d >= 0; d--) {
        plane /= w->axis[d].in;
        at += x % w->axis[d].in * plane;
        x /= w->axis[d].in;
    }
    return at;
}

static double max_window(const struct syn_op_call *c, const struct syn_window *w, int64_t from,
                         const int64_t *o, int64_t *best)
{
    struct syn_window_walk at;
    double most = lowest(c->in[0].dtype);
    int64_t place = -1;
    if (!syn_window_first(w, o, &at)) return most;
    do {
        const double v = syn_get(&c->in[0], from + at.x);
        if (place >= 0 && !(v > most) && (!isnan(v) || isnan(most))) continue;
        most = v, place = at.x;
    } while (syn_window_next(w, o, &at));
    *best = from + (syn_attr_int(c->op, c->attr, "storage_order") ? column_major(w, place) : place);
    return most;
}

static double average_window(const struct syn_op_call *c, const struct syn_window *w, int64_t from,
                             const int64_t *o, int64_t *best)
{
    const bool with_pads = syn_attr_int(c->op, c->attr, "count_include_pad") != 0;
    struct syn_window_walk at;
    double sum = 0, count = 1; /* a double: the product of six windows' sides may exceed 64 bits */
    (void)best;
    if (syn_window_first(w, o, &at)) do
            sum += syn_get(&c->in[0], from + at.x);
        while (syn_window_next(w, o, &at));
    for (int32_t d = 0; d < w->rank; d++) {
        const struct syn_window_axis *ax = &w->axis[d];
        int64_t lo, hi;
        syn_window_taps(ax, o[d], with_pads ? -ax->before : 0, ax->in + (with_pads ? ax->after : 0),
                        &lo, &hi);
        count *= (double)(hi - lo);
    }
    return count > 0 ? sum / count : 0;
}

static double norm_end(double sum, double p)
{
    return p == 2 ? sqrt(sum) : p == 1 ? sum : pow(sum, 1 / p);
}
static double norm_add(double v, double p)
{
    return p == 2 ? v * v : p == 1 ? fabs(v) : pow(fabs(v), p);
}

static double lp_window(const struct syn_op_call *c, const struct syn_window *w, int64_t from,
                        const int64_t *o, int64_t *best)
{
    const double p = (double)syn_attr_int(c->op, c->attr, "p");
    struct syn_window_walk at;
    double sum = 0;
    (void)best;
    if (syn_window_first(w, o, &at)) do
            sum += norm_add(syn_get(&c->in[0], from + at.x), p);
        while (syn_window_next(w, o, &at));
    return norm_end(sum, p);
}

static syn_status max_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return pool(c, max_window, err);
}
static syn_status average_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return pool(c, average_window, err);
}
static syn_status lp_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return pool(c, lp_window, err);
}

/* --- whole planes --------------------------------------------------------------------------- */

static syn_status global_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 2, SYN_MAX_RANK, err);
    if (st != SYN_OK) return st;
    y = c->in[0].shape;
    for (int32_t d = 2; d < y.rank; d++) y.dim[d] = 1;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

static int64_t plane_size(const struct syn_shape *s)
{
    int64_t n = syn_ops_elements(s) > 0;
    for (int32_t d = 2; n > 0 && d < s->rank; d++) n *= s->dim[d];
    return n;
}

static syn_status global_max_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t plane = plane_size(&c->in[0].shape), n = syn_ops_elements(&c->out[0].shape);
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        double most = (double)-INFINITY;
        for (int64_t k = 0; k < plane; k++) {
            const double v = syn_get(&c->in[0], i * plane + k);
            if (v > most || isnan(v)) most = v;
        }
        syn_put(&c->out[0], i, most);
    }
    return SYN_OK;
}

static syn_status global_lp_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t plane = plane_size(&c->in[0].shape), n = syn_ops_elements(&c->out[0].shape);
    const double p = (double)syn_attr_int(c->op, c->attr, "p");
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t k = 0; k < plane; k++) sum += norm_add(syn_get(&c->in[0], i * plane + k), p);
        syn_put(&c->out[0], i, norm_end(sum, p));
    }
    return SYN_OK;
}

static const struct syn_attr_spec max_attrs[] = {
    SYN_WINDOW_ATTRS,
    {"ceil_mode", SYN_ATTR_INT, 0, 0, 1},
    {"storage_order", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec average_attrs[] = {
    SYN_WINDOW_ATTRS,
    {"ceil_mode", SYN_ATTR_INT, 0, 0, 1},
    {"count_include_pad", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec lp_attrs[] = {
    SYN_WINDOW_ATTRS,
    {"ceil_mode", SYN_ATTR_INT, 0, 0, 1},
    {"p", SYN_ATTR_INT, 2, 1, 2147483647},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec global_lp_attrs[] = {
    {"p", SYN_ATTR_INT, 2, 1, 2147483647},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_max_pool_nd = {
    .name = "MaxPool", .min_in = 1, .max_in = 1, .n_out = 1, .max_out = 2,
    .attrs = max_attrs, .shape = max_shape, .reference = max_reference,
};
const struct syn_op syn_op_average_pool_nd = {
    .name = "AveragePool", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = average_attrs, .shape = pool_shape, .reference = average_reference,
};
const struct syn_op syn_op_lp_pool = {
    .name = "LpPool", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = lp_attrs, .shape = pool_shape, .reference = lp_reference,
};
const struct syn_op syn_op_global_max_pool = {
    .name = "GlobalMaxPool", .min_in = 1, .max_in = 1, .n_out = 1,
    .shape = global_shape, .reference = global_max_reference,
};
const struct syn_op syn_op_global_lp_pool = {
    .name = "GlobalLpPool", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = global_lp_attrs, .shape = global_shape, .reference = global_lp_reference,
};
