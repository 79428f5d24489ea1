/* footprint.c - see footprint.h. */
#include "kernels/graph/footprint.h"
#include "kernels/graph/op_words.h"
#include <math.h>

static int64_t list_at(const struct syn_node *n, const char *name, int32_t i, int64_t fallback)
{
    const struct syn_attr *a = syn_attr_list(n->op, n->attr, name);
    return i < a->n ? a->v.i[i] : fallback;
}

/* One window of a convolution or pooling, both axes. */
static syn_status window(const struct syn_node *n, int64_t kh, int64_t kw,
                         const struct syn_reach *x, struct syn_reach *y, struct syn_err *err)
{
    for (int32_t axis = 0; axis < 2; axis++) {
        int64_t stride = list_at(n, "strides", axis, 1),
                extent = list_at(n, "dilations", axis, 1) * ((axis ? kw : kh) - 1);
        int64_t begin = list_at(n, "pads", axis, 0);
        struct syn_reach r = {true, x->step * (double)stride, x->lo - x->step * (double)begin,
                              x->hi + x->step * (double)(extent - begin)};
        if (axis && (r.step != y->step))
            return syn_fail(err, SYN_UNSUPPORTED, "%s: axes of different stride", n->name);
        if (axis && r.lo > y->lo) r.lo = y->lo;
        if (axis && r.hi < y->hi) r.hi = y->hi;
        *y = r;
    }
    return SYN_OK;
}

/* Output o takes inputs (o + pad - j)/stride for j in 0..extent. */
static syn_status transposed(const struct syn_node *n, int64_t kh, int64_t kw,
                             const struct syn_reach *x, struct syn_reach *y, struct syn_err *err)
{
    int64_t stride = list_at(n, "strides", 0, 1), begin = list_at(n, "pads", 0, 0);
    int64_t extent = list_at(n, "dilations", 0, 1) * (kh - 1);
    if (kh != kw || list_at(n, "strides", 1, 1) != stride || list_at(n, "pads", 1, 0) != begin ||
        list_at(n, "dilations", 1, 1) != list_at(n, "dilations", 0, 1))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: axes differ", n->name);
    y->spatial = true;
    y->step = x->step / (double)stride;
    y->lo = x->lo + y->step * (double)(begin - extent);
    y->hi = x->hi + y->step * (double)begin;
    return SYN_OK;
}

/* Nearest by a whole factor that copies pixel floor(o/s). Elsewhere o/s is rounded another way. */
static bool repeats_pixels(const struct syn_node *n, double scale)
{
    const int64_t coord = syn_attr_int(n->op, n->attr, "coord"),
                  round = syn_attr_int(n->op, n->attr, "round");
    if (syn_attr_int(n->op, n->attr, "mode") != SYN_RESIZE_NEAREST || scale != floor(scale))
        return false;
    return coord == SYN_COORD_ASYMMETRIC
               ? round == SYN_ROUND_FLOOR
               : round == SYN_ROUND_PREFER_FLOOR || round == SYN_ROUND_PREFER_CEIL;
}

static syn_status resized(const struct syn_node *n, const struct syn_reach *x, struct syn_reach *y,
                          struct syn_err *err)
{
    double sh = syn_attr_float(n->op, n->attr, "scale_h"),
           sw = syn_attr_float(n->op, n->attr, "scale_w");
    double taps = syn_attr_int(n->op, n->attr, "mode") == SYN_RESIZE_BICUBIC ? 2 : 1;
    if (sh <= 0 || sh != sw)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: resize without one scale for both axes",
                        n->name);
    if (syn_attr_int(n->op, n->attr, "coord") ==
        SYN_COORD_ALIGN_CORNERS) /* positions depend on the picture's size */
        return syn_fail(err, SYN_UNSUPPORTED, "%s: resize with aligned corners", n->name);
    y->spatial = true;
    y->step = x->step / sh;
    if (repeats_pixels(n, sh)) {
        y->lo = x->lo - y->step * (sh - 1);
        y->hi = x->hi;
    } else { /* half a pixel of shift, and taps on both sides (nearest: rounding up or down) */
        y->lo = x->lo - x->step * (taps + 0.5 + 0.5 / sh);
        y->hi = x->hi + x->step * (taps + 0.5 + 0.5 / sh);
    }
    return SYN_OK;
}

/* Position p reads p - top. Outside the picture: nothing; the edge; or what lies as far inside as
 * p lies outside, so that the last position reads 2*bottom before its own. */
static syn_status padded(const struct syn_node *n, const struct syn_reach *x, struct syn_reach *y,
                         struct syn_err *err)
{
    const int64_t mode = syn_attr_int(n->op, n->attr, "mode"), top = list_at(n, "pads", 0, 0);
    const int64_t bottom = list_at(n, "pads", 2, 0), right = list_at(n, "pads", 3, 0),
                  end = bottom > right ? bottom : right;
    const int64_t inwards = mode == SYN_PAD_REFLECT ? 2 : mode == SYN_PAD_REPLICATE ? 1 : 0;
    if (top != list_at(n, "pads", 1, 0))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: pads rows and columns differently", n->name);
    *y = *x;
    y->lo -= x->step * (double)(top + inwards * end);
    y->hi -= x->step * (double)(top - inwards * top);
    return SYN_OK;
}

/* Operands of one size meet: the widest reach. */
static syn_status meet(const struct syn_graph *g, const struct syn_node *n,
                       const struct syn_reach *reach, struct syn_reach *y, struct syn_err *err)
{
    y->spatial = false;
    for (int32_t k = 0; k < n->n_in; k++) {
        const struct syn_reach *x = n->in[k] >= 0 ? &reach[n->in[k]] : NULL;
        if (!x || g->value[n->in[k]].data || !x->spatial) continue;
        if (!y->spatial) {
            *y = *x;
            continue;
        }
        if (fabs(y->step - x->step) > 1e-9)
            return syn_fail(err, SYN_UNSUPPORTED, "%s: operands of different scale", n->name);
        if (x->lo < y->lo) y->lo = x->lo;
        if (x->hi > y->hi) y->hi = x->hi;
    }
    return SYN_OK;
}

static syn_status node_reach(const struct syn_graph *g, const struct syn_node *n,
                             const struct syn_reach *reach, struct syn_reach *y,
                             struct syn_err *err)
{
    const struct syn_reach *x = &reach[n->in[0]];
    const struct syn_shape *w = n->n_in > 1 && n->in[1] >= 0 ? &g->value[n->in[1]].shape : NULL;
    struct syn_reach own;
    syn_status st = SYN_OK;
    double r;
    switch (n->id) {
    case SYN_OP_CONV:
    case SYN_OP_CONV_TRANSPOSE:
        st = n->id == SYN_OP_CONV ? window(n, w->dim[2], w->dim[3], x, &own, err)
                                  : transposed(n, w->dim[2], w->dim[3], x, &own, err);
        own.spatial = x->spatial;
        *y = own;
        for (int32_t k = SYN_CONV_RES1; st == SYN_OK && k < n->n_in;
             k++) { /* residuals have the output's size */
            if (n->in[k] < 0) continue;
            if (reach[n->in[k]].lo < y->lo) y->lo = reach[n->in[k]].lo;
            if (reach[n->in[k]].hi > y->hi) y->hi = reach[n->in[k]].hi;
        }
        return st;
    case SYN_OP_MAX_POOL:
    case SYN_OP_AVERAGE_POOL:
        return window(n, list_at(n, "kernel", 0, 1), list_at(n, "kernel", 1, 1), x, y, err);
    case SYN_OP_GLOBAL_AVERAGE_POOL:
    case SYN_OP_DENSE:
        *y = (struct syn_reach){.spatial = false};
        return SYN_OK;
    case SYN_OP_CROP:
        if (syn_attr_int(n->op, n->attr, "top") != syn_attr_int(n->op, n->attr, "left"))
            return syn_fail(err, SYN_UNSUPPORTED, "%s: crops rows and columns differently",
                            n->name);
        *y = *x;
        y->lo += x->step * (double)syn_attr_int(n->op, n->attr, "top");
        y->hi += x->step * (double)syn_attr_int(n->op, n->attr, "top");
        return SYN_OK;
    case SYN_OP_PAD:
        return padded(n, x, y, err);
    case SYN_OP_RESIZE:
        return resized(n, x, y, err);
    case SYN_OP_PIXEL_SHUFFLE:
        r = (double)syn_attr_int(n->op, n->attr, "r");
        *y = (struct syn_reach){x->spatial, x->step / r, x->lo - x->step * (r - 1) / r, x->hi};
        if (n->n_in > 1 && n->in[1] >= 0 &&
            reach[n->in[1]].spatial) { /* the residual, of the input's size */
            if (reach[n->in[1]].lo - x->step * (r - 1) / r < y->lo)
                y->lo = reach[n->in[1]].lo - x->step * (r - 1) / r;
            if (reach[n->in[1]].hi > y->hi) y->hi = reach[n->in[1]].hi;
        }
        return SYN_OK;
    case SYN_OP_PIXEL_UNSHUFFLE:
        r = (double)syn_attr_int(n->op, n->attr, "r");
        *y = (struct syn_reach){x->spatial, x->step * r, x->lo, x->hi + x->step * (r - 1)};
        return SYN_OK;
    case SYN_OP_RESHAPE:
        if (x->spatial) return syn_fail(err, SYN_UNSUPPORTED, "%s: reshapes the picture", n->name);
        *y = *x;
        return SYN_OK;
    default:
        return meet(g, n, reach, y, err);
    }
}

/* Least common multiple of m and the numerator of a step: what whole pixels of a value cost in
 * input pixels (4/3: three of them are four). */
static int64_t with_step(int64_t m, double step)
{
    int64_t num = llround(step), a, b;
    for (int32_t den = 1; den <= 64; den++)
        if (fabs(step * den - round(step * den)) < 1e-6) {
            num = llround(step * den);
            break;
        }
    if (num < 1) num = 1;
    for (a = m, b = num; b;) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return m / a > (1 << 20) ? m : m / a * num;
}

syn_status syn_footprint(const struct syn_graph *g, struct syn_reach *reach, int32_t *align,
                         struct syn_err *err)
{
    int64_t multiple = 1;
    for (int32_t v = 0; v < g->n_values; v++) reach[v] = (struct syn_reach){.spatial = false};
    if (g->n_inputs > 0) reach[g->input[0]] = (struct syn_reach){.spatial = true, .step = 1};
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        syn_status st;
        if (!n->op) continue;
        if ((st = node_reach(g, n, reach, &reach[n->out[0]], err)) != SYN_OK) return st;
        if (reach[n->out[0]].spatial) multiple = with_step(multiple, reach[n->out[0]].step);
    }
    if (multiple > 1 << 16)
        return syn_fail(err, SYN_UNSUPPORTED, "sizes would have to be multiples of %lld",
                        (long long)multiple);
    *align = (int32_t)multiple;
    return SYN_OK;
}

int32_t syn_global_averages(const struct syn_graph *g, int32_t *node, int32_t max)
{
    int32_t n = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].op && g->node[i].id == SYN_OP_GLOBAL_AVERAGE_POOL && n++ < max)
            node[n - 1] = i;
    return n;
}

syn_status syn_make_stage(struct syn_graph *g, int32_t stage, struct syn_err *err)
{
    static const char *const names[] = {"mean0",  "mean1",  "mean2",  "mean3", "mean4",  "mean5",
                                        "mean6",  "mean7",  "mean8",  "mean9", "mean10", "mean11",
                                        "mean12", "mean13", "mean14", "mean15"};
    const struct syn_shape vector = syn_shape4(1, -1, 1, 1);
    int32_t at[16], n = syn_global_averages(g, at, 16);
    if (n > 15 || stage < 0 || stage > n)
        return syn_fail(err, SYN_INVALID, "stage %d: must be in [0, %d]", (int)stage, (int)n);
    for (int32_t k = 0; k < stage; k++) {
        int32_t fresh;
        syn_status st = syn_graph_input(g, names[k], &vector, &fresh, err);
        if (st != SYN_OK) return st;
        syn_graph_replace(g, g->node[at[k]].out[0], fresh);
        g->node[at[k]].op = NULL;
    }
    if (stage < n) {
        g->output[0] = g->node[at[stage]].in[0];
        g->n_outputs = 1;
    }
    syn_graph_sweep(g);
    return SYN_OK;
}
