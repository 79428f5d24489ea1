/* conv_shape.c - see conv_shape.h. */
#include "kernels/cpu/conv_shape.h"
#include "kernels/ops/window.h"
#include <string.h>

static bool types_fit(const struct syn_op_call *c)
{
    const int32_t rank = c->in[0].shape.rank;
    return (rank == 3 || rank == 4) && c->in[0].dtype == SYN_F32 && c->in[1].dtype == SYN_F32 &&
           c->in[1].data && (!syn_ops_given(c, 2) || c->in[2].dtype == SYN_F32);
}

/* A transposed convolution whose pads are written out. */
static bool pads_given(const struct syn_op_call *c)
{
    const char *how = syn_attr_text(c->op, c->attr, "auto_pad");
    return (!how || !strcmp(how, "NOTSET")) && !syn_attr_list(c->op, c->attr, "output_shape")->n;
}

static void read_step(const struct syn_op_call *c, struct cpu_conv_shape *s)
{
    s->step = SYN_STEP_COUNT;
    if (c->op != &syn_op_conv_step) return;
    s->step = (syn_step)syn_attr_int(c->op, c->attr, "step");
    s->step_args[0] = syn_attr_float(c->op, c->attr, "arg0");
    s->step_args[1] = syn_attr_float(c->op, c->attr, "arg1");
}

bool cpu_conv_shape_read(const struct syn_op_call *c, struct cpu_conv_shape *s)
{
    const bool two = c->in[0].shape.rank == 4, tr = c->op == &syn_op_conv_transpose_nd;
    const int64_t *x = c->in[0].shape.dim, *w = c->in[1].shape.dim, *y = c->out[0].shape.dim;
    const struct syn_window_axis one = {.in = 1, .out = 1, .k = 1, .stride = 1, .dil = 1};
    struct syn_window_axis a, b;
    struct syn_window win;
    if (!types_fit(c) || (tr && !pads_given(c))) return false;
    if (tr ? syn_window_read(c, &c->in[1].shape, &win, NULL)
           : syn_window_slide(c, &c->in[1].shape, false, &win, NULL))
        return false;
    a = two ? win.axis[0] : one, b = win.axis[two];
    *s = (struct cpu_conv_shape){.transposed = tr,
                                 .n = x[0],
                                 .ci = x[1],
                                 .co = y[1],
                                 .group = syn_attr_int(c->op, c->attr, "group"),
                                 .h = two ? x[2] : 1,
                                 .w = x[two + 2],
                                 .ho = two ? y[2] : 1,
                                 .wo = y[two + 2],
                                 .kh = two ? w[2] : 1,
                                 .kw = w[two + 2],
                                 .sh = a.stride,
                                 .sw = b.stride,
                                 .dh = a.dil,
                                 .dw = b.dil,
                                 .top = a.before,
                                 .left = b.before};
    read_step(c, s);
    return s->n * s->ci * s->h * s->w != 0 && s->co * s->ho * s->wo != 0;
}
