/* window.c - see window.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <string.h>

syn_status syn_window_auto_pad(const struct syn_op_call *c, syn_auto_pad *out, struct syn_err *err)
{
    const char *word = syn_attr_text(c->op, c->attr, "auto_pad");
    if (!word || !strcmp(word, "NOTSET") || !*word) *out = SYN_AUTO_PAD_NOTSET;
    else if (!strcmp(word, "VALID")) *out = SYN_AUTO_PAD_VALID;
    else if (!strcmp(word, "SAME_UPPER")) *out = SYN_AUTO_PAD_SAME_UPPER;
    else if (!strcmp(word, "SAME_LOWER")) *out = SYN_AUTO_PAD_SAME_LOWER;
    else
        return syn_fail(err, SYN_INVALID,
                        "%s: auto_pad = '%.40s': must be NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                        c->op->name, word);
    return SYN_OK;
}

syn_status syn_window_read(const struct syn_op_call *c, const struct syn_shape *w,
                           struct syn_window *out, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const int32_t rank = x->rank - 2;
    const struct syn_attr *kernel = syn_attr_list(c->op, c->attr, "kernel_shape");
    syn_status st = SYN_OK;
    if (w && w->rank != x->rank)
        return syn_fail(err, SYN_INVALID, "%s: w has rank %d: must be %d like x", c->op->name,
                        (int)w->rank, (int)x->rank);
    if (!w && kernel->n != rank)
        return syn_fail(err, SYN_INVALID, "%s: attribute kernel_shape has %d entries: must have %d",
                        c->op->name, (int)kernel->n, (int)rank);
    if ((st = syn_ops_check_list(c, "kernel_shape", rank, err)) != SYN_OK) return st;
    if ((st = syn_ops_check_list(c, "strides", rank, err)) != SYN_OK) return st;
    if ((st = syn_ops_check_list(c, "dilations", rank, err)) != SYN_OK) return st;
    if ((st = syn_ops_check_list(c, "pads", 2 * rank, err)) != SYN_OK) return st;
    out->rank = rank;
    for (int32_t d = 0; d < rank; d++) {
        if (x->dim[2 + d] > SYN_MAX_ELEMENTS) /* beside a dimension of 0 */
            return syn_fail(err, SYN_TOO_LARGE,
                            "%s: x has dimension %d = %" PRId64 ": at most %" PRId64, c->op->name,
                            (int)(2 + d), x->dim[2 + d], SYN_MAX_ELEMENTS);
        const int64_t k = w ? w->dim[2 + d] : kernel->v.i[d];
        if (k < 1 || k > SYN_OPS_MAX_STEP)
            return syn_fail(err, SYN_INVALID,
                            "%s: the window's side %d = %" PRId64 ": must be in [1, %d]",
                            c->op->name, (int)d, k, SYN_OPS_MAX_STEP);
        if (w && kernel->n && kernel->v.i[d] != k)
            return syn_fail(err, SYN_INVALID,
                            "%s: kernel_shape[%d] = %" PRId64 ": must be %" PRId64
                            " like w's dimension",
                            c->op->name, (int)d, kernel->v.i[d], k);
        out->axis[d] = (struct syn_window_axis){
            .in = x->dim[2 + d],
            .k = k,
            .stride = syn_ops_entry(c, "strides", d, 1),
            .dil = syn_ops_entry(c, "dilations", d, 1),
            .before = syn_ops_entry(c, "pads", d, 0),
            .after = syn_ops_entry(c, "pads", d + rank, 0),
        };
    }
    return SYN_OK;
}

/* Pads of auto_pad, then how many windows there are. */
static syn_status slide_axis(const struct syn_op_call *c, int32_t d, syn_auto_pad how,
                             bool ceil_mode, struct syn_window_axis *ax, struct syn_err *err)
{
    const int64_t extent = ax->dil * (ax->k - 1) + 1;
    int64_t room;
    if (how == SYN_AUTO_PAD_VALID) ax->before = ax->after = 0;
    if (how == SYN_AUTO_PAD_SAME_UPPER || how == SYN_AUTO_PAD_SAME_LOWER) {
        const int64_t out = (ax->in + ax->stride - 1) / ax->stride;
        const int64_t lack = (out - 1) * ax->stride + extent - ax->in,
                      total = out > 0 && lack > 0 ? lack : 0;
        ax->before = how == SYN_AUTO_PAD_SAME_UPPER ? total / 2 : total - total / 2;
        ax->after = total - ax->before;
        ax->out = out;
        return SYN_OK;
    }
    room = ax->in + ax->before + ax->after - extent;
    if (room < 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: the window covers %" PRId64 " of axis %d: exceeds x's %" PRId64
                        " with pads %" PRId64 " and %" PRId64,
                        c->op->name, extent, (int)(2 + d), ax->in, ax->before, ax->after);
    ax->out = room / ax->stride + 1;
    if (ceil_mode && how == SYN_AUTO_PAD_NOTSET && room % ax->stride &&
        ax->out * ax->stride < ax->in + ax->before)
        ax->out++;
    return SYN_OK;
}

syn_status syn_window_slide(const struct syn_op_call *c, const struct syn_shape *w, bool ceil_mode,
                            struct syn_window *out, struct syn_err *err)
{
    syn_auto_pad how;
    syn_status st = syn_window_auto_pad(c, &how, err);
    if (st == SYN_OK) st = syn_window_read(c, w, out, err);
    for (int32_t d = 0; st == SYN_OK && d < out->rank; d++)
        st = slide_axis(c, d, how, ceil_mode, &out->axis[d], err);
    return st;
}

void syn_window_taps(const struct syn_window_axis *ax, int64_t o, int64_t from, int64_t to,
                     int64_t *lo, int64_t *hi)
{
    const int64_t start = o * ax->stride - ax->before;
    *lo = start >= from ? 0 : (from - start + ax->dil - 1) / ax->dil;
    *hi = start >= to ? 0 : (to - 1 - start) / ax->dil + 1;
    if (*hi > ax->k) *hi = ax->k;
    if (*hi < *lo) *hi = *lo;
}

static void place(const struct syn_window *w, const int64_t *o, struct syn_window_walk *walk)
{
    walk->x = walk->k = 0;
    for (int32_t d = 0; d < w->rank; d++) {
        const struct syn_window_axis *ax = &w->axis[d];
        walk->x = walk->x * ax->in + o[d] * ax->stride - ax->before + walk->tap[d] * ax->dil;
        walk->k = (int64_t)((uint64_t)walk->k * (uint64_t)ax->k +
                            (uint64_t)walk->tap[d]); /* pools: may wrap */
    }
}

bool syn_window_first(const struct syn_window *w, const int64_t *o, struct syn_window_walk *walk)
{
    for (int32_t d = 0; d < w->rank; d++) {
        syn_window_taps(&w->axis[d], o[d], 0, w->axis[d].in, &walk->lo[d], &walk->hi[d]);
        if (walk->lo[d] >= walk->hi[d]) return false;
        walk->tap[d] = walk->lo[d];
    }
    place(w, o, walk);
    return true;
}

bool syn_window_next(const struct syn_window *w, const int64_t *o, struct syn_window_walk *walk)
{
    int32_t d = w->rank - 1;
    if (++walk->tap[d] < walk->hi[d]) { /* the common case: one step along the last axis */
        walk->x += w->axis[d].dil;
        walk->k++;
        return true;
    }
    for (; d >= 0 && walk->tap[d] >= walk->hi[d]; d--) {
        walk->tap[d] = walk->lo[d];
        if (d == 0) return false;
        walk->tap[d - 1]++;
    }
    place(w, o, walk);
    return true;
}

/* Beside a dimension of 0 the others may be wide: wraps there, where nothing is read. */
#define PRODUCT(field)                                                                             \
    uint64_t n = 1;                                                                                \
    for (int32_t d = 0; d < w->rank; d++) n *= (uint64_t)w->axis[d].field;                         \
    return (int64_t)n;

int64_t syn_window_size(const struct syn_window *w)
{
    PRODUCT(k)
}

int64_t syn_window_in(const struct syn_window *w)
{
    PRODUCT(in)
}

int64_t syn_window_out(const struct syn_window *w)
{
    PRODUCT(out)
}
