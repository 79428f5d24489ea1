/* deform_conv.c - convolution whose taps are moved by an operand: DEFORM_CONV.
 *
 * Source:  ONNX DeformConv-19, 22.
 * Operands: x [n,c,...], w [m,c/group,k...], offset [n, offset_group*taps*r, out...], b [m]?, mask
 *          [n, offset_group*taps, out...]? (r spatial axes; offsets of a tap in the order of the
 *          axes).
 * Attributes: kernel_shape, strides, pads, dilations, group, offset_group.
 * Maths:   as CONV_ND with x read at p*stride - before + t*dil + offset by linear interpolation,
 *          times mask; zero outside x. A place that is not a number reads as zero.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>

struct deform {
    struct syn_window win;
    int64_t n, c, m, group, offset_group, taps, plane, out;
};

static syn_status check_field(const struct syn_op_call *c, const struct deform *p, int32_t i,
                              const char *name, int64_t rows, struct syn_err *err)
{
    struct syn_shape want = {.rank = p->win.rank + 2, .dim = {p->n, rows}};
    char got[192], expected[192];
    for (int32_t d = 0; d < p->win.rank; d++) want.dim[2 + d] = p->win.axis[d].out;
    if (syn_shape_equal(&c->in[i].shape, &want)) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s has shape %s: must be %s", c->op->name, name,
                    syn_shape_text(&c->in[i].shape, got, sizeof got),
                    syn_shape_text(&want, expected, sizeof expected));
}

static syn_status parse(const struct syn_op_call *c, struct deform *p, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    syn_status st = syn_window_slide(c, w, false, &p->win, err);
    if (st != SYN_OK) return st;
    p->n = x->dim[0], p->c = x->dim[1], p->m = w->dim[0];
    p->group = syn_attr_int(c->op, c->attr, "group");
    p->offset_group = syn_attr_int(c->op, c->attr, "offset_group");
    p->taps = syn_window_size(&p->win), p->plane = syn_window_in(&p->win),
    p->out = syn_window_out(&p->win);
    if (p->m % p->group || w->dim[1] > p->c || w->dim[1] * p->group != p->c ||
        p->c % p->offset_group || p->offset_group > SYN_OPS_MAX_STEP)
        return syn_fail(err, SYN_INVALID,
                        "%s: %" PRId64 " channels, w for %" PRId64 " of them and %" PRId64
                        " outputs, group %" PRId64 ", offset_group %" PRId64
                        ": channels must be group times w's and a multiple of both",
                        c->op->name, p->c, w->dim[1], p->m, p->group, p->offset_group);
    st = check_field(c, p, 2, "offset", p->offset_group * p->taps * p->win.rank, err);
    if (st == SYN_OK && syn_ops_given(c, 4))
        st = check_field(c, p, 4, "mask", p->offset_group * p->taps, err);
    if (st == SYN_OK && syn_ops_given(c, 3) &&
        (c->in[3].shape.rank != 1 || c->in[3].shape.dim[0] != p->m))
        st = syn_fail(err, SYN_INVALID, "%s: B has %" PRId64 " elements: must be [%" PRId64 "]",
                      c->op->name, syn_ops_elements(&c->in[3].shape), p->m);
    return st;
}

static syn_status deform_shape(struct syn_op_call *c, struct syn_err *err)
{
    static const char *const names[] = {"X", "W", "offset", "B", "mask"};
    struct deform p;
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < c->n_in; i++) {
        if (i > 2 && !syn_ops_given(c, i)) continue;
        st = syn_ops_ranked(c, i, names[i], SYN_TYPES_FLOAT, i == 3 ? 1 : 3, SYN_MAX_RANK, err);
        if (st == SYN_OK) st = syn_ops_same_type(c, 0, i, names[i], err);
    }
    if (st == SYN_OK) st = parse(c, &p, err);
    if (st != SYN_OK) return st;
    struct syn_shape y = {.rank = p.win.rank + 2, .dim = {p.n, p.m}};
    for (int32_t d = 0; d < p.win.rank; d++) y.dim[2 + d] = p.win.axis[d].out;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* x's plane at a place between its pixels. */
static double between(const struct deform *p, const float *x, const double *place)
{
    double sum = 0;
    for (int32_t corner = 0; corner < 1 << p->win.rank; corner++) {
        int64_t at = 0;
        double w = 1;
        for (int32_t d = 0; d < p->win.rank && at >= 0; d++) {
            const int64_t in = p->win.axis[d].in;
            if (!(place[d] > -1 && place[d] < (double)in)) return 0;
            const double low = floor(place[d]);
            const int64_t i = (int64_t)low + (corner >> d & 1);
            w *= corner >> d & 1 ? place[d] - low : 1 - (place[d] - low);
            at = i < 0 || i >= in ? -1 : at * in + i;
        }
        if (at >= 0 && w != 0) sum += w * (double)x[at];
    }
    return sum;
}

/* The sum over the channels and taps of one output at position k of the output's plane. */
static double gather(const struct syn_op_call *c, const struct deform *p, int64_t n, int64_t m,
                     const int64_t *o, int64_t k)
{
    const float *x = c->in[0].data, *w = c->in[1].data, *offset = c->in[2].data;
    const float *mask = syn_ops_given(c, 4) ? c->in[4].data : NULL;
    const int64_t channels = p->c / p->group, first = m / (p->m / p->group) * channels;
    double sum = 0;
    for (int64_t ch = 0; ch < channels; ch++) {
        const int64_t field = n * p->offset_group + (first + ch) / (p->c / p->offset_group);
        int64_t t[SYN_MAX_SPATIAL] = {0};
        for (int64_t tap = 0; tap < p->taps; tap++) {
            double place[SYN_MAX_SPATIAL];
            const int64_t row = field * p->taps + tap;
            for (int32_t d = 0; d < p->win.rank; d++) {
                const struct syn_window_axis *ax = &p->win.axis[d];
                place[d] = (double)(o[d] * ax->stride - ax->before + t[d] * ax->dil) +
                           (double)offset[(row * p->win.rank + d) * p->out + k];
            }
            const double v = between(p, x + (n * p->c + first + ch) * p->plane, place);
            sum += v * (double)w[(m * channels + ch) * p->taps + tap] *
                   (mask ? (double)mask[row * p->out + k] : 1);
            for (int32_t d = p->win.rank - 1; d >= 0 && ++t[d] == p->win.axis[d].k; d--) t[d] = 0;
        }
    }
    return sum;
}

static syn_status deform_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const float *bias = syn_ops_given(c, 3) ? c->in[3].data : NULL;
    float *y = c->out[0].data;
    struct deform p;
    const syn_status st = parse(c, &p, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    for (int64_t n = 0; n < p.n; n++)
        for (int64_t m = 0; m < p.m; m++) {
            int64_t o[SYN_MAX_SPATIAL] = {0};
            for (int64_t k = 0; k < p.out; k++) {
                *y++ = (float)(gather(c, &p, n, m, o, k) + (bias ? (double)bias[m] : 0));
                syn_window_advance(&p.win, o);
            }
        }
    return SYN_OK;
}

static const struct syn_attr_spec deform_attrs[] = {
    {"kernel_shape", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_STEP},
    SYN_OPS_STEP_ATTRS,
    {"group", SYN_ATTR_INT, 1, 1, 2147483647},
    {"offset_group", SYN_ATTR_INT, 1, 1, 2147483647},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_deform_conv = {
    .name = "DeformConv", .flags = SYN_OP_FLOAT, .min_in = 3, .max_in = 5, .n_out = 1,
    .attrs = deform_attrs, .shape = deform_shape, .reference = deform_reference,
};
