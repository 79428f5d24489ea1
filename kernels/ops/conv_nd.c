/* conv_nd.c - convolution over any number of axes: CONV_ND, CONV_INTEGER, Q_LINEAR_CONV.
 *
 * Source:  ONNX Conv-1, 11, 22; ConvInteger-10; QLinearConv-10.
 * Operands: Conv: x [n,c,...], w [m,c/group,k...], b [m]?.
 *          ConvInteger: x, w (i8 or u8), x_zero_point scalar?, w_zero_point scalar or [m]?; y i32.
 *          QLinearConv: x, x_scale, x_zero_point, w, w_scale, w_zero_point (scalars; w's or [m]),
 *          y_scale, y_zero_point, b i32 [m]?.
 * Attributes: auto_pad, kernel_shape, strides, pads, dilations (window.h), group.
 * Maths:   y[n,o,p] = b[o] + sum over c, t of x[n,c,p*stride - before + t*dil] * w[o,c,t], zero
 *          outside x (an integer x is zero where it equals its zero point). QLinearConv: the sum of
 *          integers, b included, times x_scale*w_scale/y_scale, rounded to nearest even, plus
 *          y_zero_point, saturated.
 * Layer:   kernels/ops.   Threads: pure functions.
 * Ownership: the integer forms hold copies of x and w without their zero points while they run. */
#include "kernels/base/alloc.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>

#define TYPES_BYTE (SYN_TYPE(I8) | SYN_TYPE(U8))

/* Which operand is what. */
struct roles {
    int32_t w, bias;
};

struct conv_nd {
    struct syn_window win;
    int64_t n, c, m, group;
};

static syn_status parse(const struct syn_op_call *c, const struct roles *r, struct conv_nd *p,
                        struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *w = &c->in[r->w].shape;
    syn_status st = syn_window_slide(c, w, false, &p->win, err);
    if (st != SYN_OK) return st;
    p->n = x->dim[0], p->c = x->dim[1], p->m = w->dim[0];
    p->group = syn_attr_int(c->op, c->attr, "group");
    if (p->m % p->group || w->dim[1] > p->c || w->dim[1] * p->group != p->c)
        return syn_fail(err, SYN_INVALID,
                        "%s: %" PRId64 " channels, w for %" PRId64 " of them and %" PRId64
                        " outputs, group %" PRId64
                        ": channels must be group times w's, outputs a multiple of group",
                        c->op->name, p->c, w->dim[1], p->m, p->group);
    if (r->bias >= 0 && syn_ops_given(c, r->bias) &&
        (c->in[r->bias].shape.rank != 1 || c->in[r->bias].shape.dim[0] != p->m))
        return syn_fail(err, SYN_INVALID,
                        "%s: b has %" PRId64 " elements of rank %d: must be [%" PRId64 "]",
                        c->op->name, syn_ops_elements(&c->in[r->bias].shape),
                        (int)c->in[r->bias].shape.rank, p->m);
    return SYN_OK;
}

static syn_status result(struct syn_op_call *c, const struct conv_nd *p, syn_dtype t,
                         struct syn_err *err)
{
    struct syn_shape y = {.rank = p->win.rank + 2, .dim = {p->n, p->m}};
    for (int32_t d = 0; d < p->win.rank; d++) y.dim[2 + d] = p->win.axis[d].out;
    return syn_ops_result(c, 0, &y, t, err);
}

/* The sum of one output at position o: x and w point at the channels of its group and its
 * filter. */
static double dot(const struct conv_nd *p, const float *x, const float *w, const int64_t *o,
                  int64_t plane, int64_t taps)
{
    const int64_t channels = p->c / p->group;
    struct syn_window_walk at;
    double sum = 0;
    if (!syn_window_first(&p->win, o, &at)) return 0;
    do
        for (int64_t c = 0; c < channels; c++)
            sum += (double)x[c * plane + at.x] * (double)w[c * taps + at.k];
    while (syn_window_next(&p->win, o, &at));
    return sum;
}

/* Calls store(ctx, output channel, index in y, sum) for every element of y. */
static void convolve(const struct conv_nd *p, const float *x, const float *w,
                     void (*store)(const void *ctx, int64_t o, int64_t i, double sum),
                     const void *ctx)
{
    const int64_t plane = syn_window_in(&p->win), taps = syn_window_size(&p->win),
                  out = syn_window_out(&p->win);
    const int64_t channels = p->c / p->group, each = p->m / p->group;
    int64_t i = 0;
    for (int64_t n = 0; n < p->n && p->m > 0 && out > 0; n++)
        for (int64_t m = 0; m < p->m; m++) {
            int64_t at[SYN_MAX_SPATIAL] = {0};
            const float *from = x + (n * p->c + m / each * channels) * plane,
                        *filter = w + m * channels * taps;
            for (int64_t k = 0; k < out; k++, i++) {
                store(ctx, m, i, dot(p, from, filter, at, plane, taps));
                syn_window_advance(&p->win, at);
            }
        }
}

/* --- Conv ----------------------------------------------------------------------------------- */

static const struct roles conv_roles = {.w = 1, .bias = 2};

static syn_status conv_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct conv_nd p;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_FLOAT, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "w", SYN_TYPES_FLOAT, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_same_type(c, 0, 1, "w", err);
    if (st == SYN_OK && syn_ops_given(c, 2)) st = syn_ops_same_type(c, 0, 2, "b", err);
    if (st == SYN_OK) st = parse(c, &conv_roles, &p, err);
    return st == SYN_OK ? result(c, &p, c->in[0].dtype, err) : st;
}

struct real_out {
    float *y;
    const float *bias;
};
static void store_real(const void *ctx, int64_t o, int64_t i, double sum)
{
    const struct real_out *r = ctx;
    r->y[i] = (float)(r->bias ? sum + (double)r->bias[o] : sum);
}

static syn_status conv_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct real_out out = {c->out[0].data, syn_ops_given(c, 2) ? c->in[2].data : NULL};
    struct conv_nd p;
    syn_status st = parse(c, &conv_roles, &p, err);
    if (st == SYN_OK) convolve(&p, c->in[0].data, c->in[1].data, store_real, &out);
    return st;
}

/* --- integers ------------------------------------------------------------------------------- */

/* Operand i is a single number, or (per_output > 0) one per output channel. */
static syn_status check_few(const struct syn_op_call *c, int32_t i, const char *name,
                            uint32_t types, int64_t per_output, struct syn_err *err)
{
    syn_status st = syn_ops_ranked(c, i, name, types, 0, 1, err);
    const int64_t n = st == SYN_OK ? syn_ops_elements(&c->in[i].shape) : 1;
    if (st == SYN_OK && n != 1 && n != per_output)
        return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " elements: must be 1%s",
                        c->op->name, name, n, per_output ? " or one per output channel" : "");
    return st;
}

/* Entry for channel m of an operand with one or many entries; 0 when it is absent. */
static double entry(const struct syn_op_call *c, int32_t i, int64_t m)
{
    if (i < 0 || !syn_ops_given(c, i)) return 0;
    return syn_get(&c->in[i], syn_ops_elements(&c->in[i].shape) == 1 ? 0 : m);
}

/* An operand minus its zero point (by its first dimension), as floats: at most 255 in size, hence
 * exact. */
static float *centred(const struct syn_op_call *c, int32_t i, int32_t zero, bool by_row)
{
    const int64_t n = syn_ops_elements(&c->in[i].shape), rows = c->in[i].shape.dim[0];
    float *to = syn_calloc(n ? (size_t)n : 1, sizeof *to);
    for (int64_t k = 0; to && k < n; k++)
        to[k] = (float)(syn_get(&c->in[i], k) - entry(c, zero, by_row ? k / (n / rows) : 0));
    return to;
}

static syn_status convolve_integers(const struct syn_op_call *c, const struct conv_nd *p, int32_t w,
                                    int32_t x_zero, int32_t w_zero,
                                    void (*store)(const void *ctx, int64_t o, int64_t i,
                                                  double sum),
                                    const void *ctx, struct syn_err *err)
{
    float *x = centred(c, 0, x_zero, false), *f = centred(c, w, w_zero, true);
    syn_status st = x && f ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    if (st == SYN_OK) convolve(p, x, f, store, ctx);
    syn_free(x);
    syn_free(f);
    return st;
}

static const struct roles integer_roles = {.w = 1, .bias = -1};

static syn_status integer_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct conv_nd p;
    syn_status st = syn_ops_ranked(c, 0, "x", TYPES_BYTE, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "w", TYPES_BYTE, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = parse(c, &integer_roles, &p, err);
    if (st == SYN_OK && syn_ops_given(c, 2))
        st = check_few(c, 2, "x_zero_point", TYPES_BYTE, 0, err);
    if (st == SYN_OK && syn_ops_given(c, 3))
        st = check_few(c, 3, "w_zero_point", TYPES_BYTE, p.m, err);
    return st == SYN_OK ? result(c, &p, SYN_I32, err) : st;
}

static void store_integer(const void *ctx, int64_t o, int64_t i, double sum)
{
    (void)o;
    ((int32_t *)(uintptr_t)ctx)[i] = (int32_t)(uint32_t)(uint64_t)(int64_t)sum;
}

static syn_status integer_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct conv_nd p;
    syn_status st = parse(c, &integer_roles, &p, err);
    return st == SYN_OK ? convolve_integers(c, &p, 1, 2, 3, store_integer, c->out[0].data, err)
                        : st;
}

enum { Q_X, Q_X_SCALE, Q_X_ZERO, Q_W, Q_W_SCALE, Q_W_ZERO, Q_Y_SCALE, Q_Y_ZERO, Q_BIAS };
static const struct roles q_roles = {.w = Q_W, .bias = Q_BIAS};

static syn_status q_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct conv_nd p;
    syn_status st = syn_ops_ranked(c, Q_X, "x", TYPES_BYTE, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, Q_W, "w", TYPES_BYTE, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK && syn_ops_given(c, Q_BIAS))
        st = syn_ops_ranked(c, Q_BIAS, "b", SYN_TYPE(I32), 1, 1, err);
    if (st == SYN_OK) st = parse(c, &q_roles, &p, err);
    if (st == SYN_OK) st = check_few(c, Q_X_SCALE, "x_scale", SYN_TYPE(F32), 0, err);
    if (st == SYN_OK) st = check_few(c, Q_X_ZERO, "x_zero_point", TYPES_BYTE, 0, err);
    if (st == SYN_OK) st = check_few(c, Q_W_SCALE, "w_scale", SYN_TYPE(F32), p.m, err);
    if (st == SYN_OK) st = check_few(c, Q_W_ZERO, "w_zero_point", TYPES_BYTE, p.m, err);
    if (st == SYN_OK) st = check_few(c, Q_Y_SCALE, "y_scale", SYN_TYPE(F32), 0, err);
    if (st == SYN_OK) st = check_few(c, Q_Y_ZERO, "y_zero_point", TYPES_BYTE, 0, err);
    return st == SYN_OK ? result(c, &p, c->in[Q_Y_ZERO].dtype, err) : st;
}

static void store_q(const void *ctx, int64_t o, int64_t i, double sum)
{
    const struct syn_op_call *c = ctx;
    const bool is_signed = c->out[0].dtype == SYN_I8;
    const double lo = is_signed ? -128 : 0, hi = is_signed ? 127 : 255;
    const double scale = entry(c, Q_X_SCALE, 0) * entry(c, Q_W_SCALE, o) / entry(c, Q_Y_SCALE, 0);
    double v = rint((sum + entry(c, Q_BIAS, o)) * scale) + entry(c, Q_Y_ZERO, 0);
    v = v < lo ? lo : v > hi ? hi : v;
    syn_element_put_int(c->out[0].dtype, c->out[0].data, i, isnan(v) ? 0 : (int64_t)v);
}

static syn_status q_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct conv_nd p;
    syn_status st = parse(c, &q_roles, &p, err);
    return st == SYN_OK ? convolve_integers(c, &p, Q_W, Q_X_ZERO, Q_W_ZERO, store_q, c, err) : st;
}

static const struct syn_attr_spec conv_attrs[] = {
    SYN_WINDOW_ATTRS,
    {"group", SYN_ATTR_INT, 1, 1, 2147483647},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_conv_nd = {
    .name = "Conv", .flags = SYN_OP_FLOAT, .min_in = 2, .max_in = 3, .n_out = 1,
    .attrs = conv_attrs, .shape = conv_shape, .reference = conv_reference,
};
const struct syn_op syn_op_conv_integer = {
    .name = "ConvInteger", .min_in = 2, .max_in = 4, .n_out = 1,
    .attrs = conv_attrs, .shape = integer_shape, .reference = integer_reference,
};
const struct syn_op syn_op_q_linear_conv = {
    .name = "QLinearConv", .min_in = 8, .max_in = 9, .n_out = 1,
    .attrs = conv_attrs, .shape = q_shape, .reference = q_reference,
};
