/* window.h - windows that slide over any number of axes: what convolutions and poolings share.
 *
 * Source:  ONNX Conv-11 and MaxPool-12 (auto_pad, pads, strides, dilations, ceil_mode).
 * Maths:   one axis: window o starts at o*stride - before and has taps start + t*dil, t < k. out =
 *          (in + before + after - extent)/stride + 1 with extent = dil*(k-1) + 1, rounded down;
 *          with ceil_mode up, where a last window that would start beyond the input and its leading
 *          pad is left out. auto_pad SAME_UPPER, SAME_LOWER: out = in/stride rounded up, the odd
 *          pad at the end or at the beginning; VALID: no pads.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: nothing is allocated. */
#ifndef SYN_OPS_WINDOW_H
#define SYN_OPS_WINDOW_H

#include "kernels/graph/element.h"
#include "kernels/ops/check.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_MAX_SPATIAL (SYN_MAX_RANK - 2)

/* Attributes that every sliding operator has. */
#define SYN_WINDOW_ATTRS                                                                           \
    {"auto_pad", SYN_ATTR_STRING, 0, 0, 0, "NOTSET"},                                              \
        {"kernel_shape", SYN_ATTR_INTS, 0, 0, SYN_OPS_MAX_STEP}, SYN_OPS_STEP_ATTRS

struct syn_window_axis {
    int64_t in, out, k, stride, dil, before, after;
};

struct syn_window {
    int32_t rank; /* spatial axes, 1..SYN_MAX_SPATIAL; in: dims 2.. of operand 0 */
    struct syn_window_axis axis[SYN_MAX_SPATIAL];
};

typedef enum syn_auto_pad {
    SYN_AUTO_PAD_NOTSET,
    SYN_AUTO_PAD_VALID,
    SYN_AUTO_PAD_SAME_UPPER,
    SYN_AUTO_PAD_SAME_LOWER
} syn_auto_pad;
SYN_MUST_CHECK syn_status syn_window_auto_pad(const struct syn_op_call *c, syn_auto_pad *out,
                                              struct syn_err *err);

/* Reads in, k, strides, dilations and explicit pads of operand 0 ([n, c, ...]). The window's size
 * is kernel_shape, or, where `w` is not NULL, the dimensions 2.. of that shape, with which
 * kernel_shape must agree.
 * out and pads of auto_pad are left to the caller or to syn_window_slide. */
SYN_MUST_CHECK syn_status syn_window_read(const struct syn_op_call *c, const struct syn_shape *w,
                                          struct syn_window *out, struct syn_err *err);
/* The same, then the pads of auto_pad and the output's lengths. */
SYN_MUST_CHECK syn_status syn_window_slide(const struct syn_op_call *c, const struct syn_shape *w,
                                           bool ceil_mode, struct syn_window *out,
                                           struct syn_err *err);

/* Taps [*lo, *hi) of window o that lie in [from, to) of the input axis. */
void syn_window_taps(const struct syn_window_axis *ax, int64_t o, int64_t from, int64_t to,
                     int64_t *lo, int64_t *hi);

/* The taps of one window that lie inside the input: a walk over them in row-major order. `tap`
 * counts the window's taps; the input's place follows. */
struct syn_window_walk {
    int64_t lo[SYN_MAX_SPATIAL], hi[SYN_MAX_SPATIAL], tap[SYN_MAX_SPATIAL];
    int64_t x, k; /* of the present tap: index in the input's and in the window's spatial block
                     (k is meaningless where nothing of the window's size exists: pools) */
};
/* Starts at the first tap of the window at position o[]; false when no tap is inside. */
bool syn_window_first(const struct syn_window *w, const int64_t *o, struct syn_window_walk *walk);
bool syn_window_next(const struct syn_window *w, const int64_t *o, struct syn_window_walk *walk);

/* Products of k, in and out over the axes. All are at most 2^40 once shapes have been checked. */
int64_t syn_window_size(const struct syn_window *w);
int64_t syn_window_in(const struct syn_window *w);
int64_t syn_window_out(const struct syn_window *w);

/* The next output position in row-major order. */
static inline void syn_window_advance(const struct syn_window *w, int64_t *o)
{
    for (int32_t d = w->rank - 1; d >= 0 && ++o[d] == w->axis[d].out; d--) o[d] = 0;
}

/* One element as double, f32 without a call. */
static inline double syn_get(const struct syn_tensor *t, int64_t i)
{
    return t->dtype == SYN_F32 ? (double)((const float *)t->data)[i]
                               : syn_element_double(t->dtype, t->data, i);
}
static inline void syn_put(const struct syn_tensor *t, int64_t i, double v)
{
    if (t->dtype == SYN_F32) ((float *)t->data)[i] = (float)v;
    else syn_element_put_double(t->dtype, t->data, i, v, true);
}

#ifdef __cplusplus
}
#endif
#endif
