/* node_move.c - CONCAT, CROP, PAD and RESHAPE: windows copied from one view to another. */
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/ops/ops.h"

enum { Y = CUDA_MOST_OPERANDS }; /* the slot of the result; operand i has slot i */

/* --- one window ----------------------------------------------------------------------------- */

static syn_status window_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    n->window.from.data = cuda_at(n, r, 0);
    n->window.to.data = cuda_at(n, r, Y);
    return cuda_window_launch(&n->window, n->self->stream, err);
}

static syn_status make_crop(struct cuda_making *m)
{
    struct cuda_window *w = &m->n->window;
    w->top = (int32_t)syn_attr_int(m->call.op, m->call.attr, "top");
    w->left = (int32_t)syn_attr_int(m->call.op, m->call.attr, "left");
    m->k->impl = "cuda crop";
    return SYN_OK;
}

static syn_status make_pad(struct cuda_making *m)
{
    const struct syn_attr *pads = syn_attr_list(m->call.op, m->call.attr, "pads");
    struct cuda_window *w = &m->n->window;
    w->top = pads->n == 4 ? -(int32_t)pads->v.i[0] : 0;
    w->left = pads->n == 4 ? -(int32_t)pads->v.i[1] : 0;
    w->mode = (enum syn_pad_mode)syn_attr_int(m->call.op, m->call.attr, "mode");
    w->value = (float)syn_attr_float(m->call.op, m->call.attr, "value");
    m->k->impl = "cuda pad";
    return SYN_OK;
}

/* The same pixels in the same order: [n,c,1,1] stays what it is, or the shape does not change. */
static syn_status make_reshape(struct cuda_making *m)
{
    const struct cuda_window *w = &m->n->window;
    m->k->impl = "cuda copy";
    return w->from.n == w->to.n && w->from.c == w->to.c && w->from.h == w->to.h &&
                   w->from.w == w->to.w
               ? SYN_OK
               : SYN_UNSUPPORTED;
}

/* --- several -------------------------------------------------------------------------------- */

struct part { /* of a concat: what is copied, from which value */
    struct cuda_window window;
    int32_t value;
};

static syn_status concat_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    struct part *part = n->extra;
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < n->n_extra; i++) {
        part[i].window.from.data = syn_place_at(r, n->place, part[i].value);
        part[i].window.to.data = cuda_at(n, r, Y);
        st = cuda_window_launch(&part[i].window, n->self->stream, err);
    }
    return st;
}

/* The operand lies where the result wants it. */
static bool in_place(const struct cuda_making *m, int32_t operand, int64_t first)
{
    const int32_t out = m->p->g->node[m->node].out[0];
    const struct syn_place *x = &m->place[operand], *y = &m->place[out];
    return x->root == y->root &&
           x->offset_bytes == y->offset_bytes + (size_t)first * syn_dtype_bytes(y->dtype);
}

static syn_status make_concat(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    const int64_t axis = syn_attr_int(m->call.op, m->call.attr, "axis");
    struct part *part;
    int32_t at = 0;
    if (axis < -4 || axis >= 4) return SYN_UNSUPPORTED;
    const int32_t along = (int32_t)(axis < 0 ? axis + 4 : axis);
    if (along == 0) return SYN_UNSUPPORTED;
    if (!(m->n->extra = part = syn_calloc((size_t)n->n_in, sizeof *part)))
        return syn_fail(err, SYN_NO_MEMORY, "no memory");
    for (int32_t i = 0; i < n->n_in; i++) {
        const struct syn_value *v = &m->p->g->value[n->in[i]];
        struct cuda_view from;
        if (v->data) return SYN_UNSUPPORTED;
        from = cuda_view_of(m->p, m->place, n->in[i]);
        if (along == 1 && at % CUDA_GRANULE != 0) return SYN_UNSUPPORTED;
        if (along != 1 || !in_place(m, n->in[i], at))
            part[m->n->n_extra++] = (struct part){{.from = from,
                                                   .to = cuda_take_out(m, Y),
                                                   .to_first = along == 1 ? at : 0,
                                                   .to_top = along == 2 ? at : 0,
                                                   .to_left = along == 3 ? at : 0,
                                                   .c = from.c,
                                                   .h = from.h,
                                                   .w = from.w},
                                                  n->in[i]};
        at += (int32_t)v->shape.dim[along];
    }
    if (m->n->n_extra == 0) return SYN_OK; /* nothing to do: no launch */
    m->k->impl = "cuda concat";
    m->n->launch = concat_launch;
    return SYN_OK;
}

syn_status cuda_make_move(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_window *w = &m->n->window;
    syn_status st;
    if (n->id == SYN_OP_CONCAT) return make_concat(m, err);
    if (n->in[0] < 0 || m->p->g->value[n->in[0]].data) return SYN_UNSUPPORTED;
    w->from = cuda_take_in(m, 0, 0);
    w->to = cuda_take_out(m, Y);
    w->c = w->to.c, w->h = w->to.h, w->w = w->to.w;
    st = n->id == SYN_OP_CROP  ? make_crop(m)
         : n->id == SYN_OP_PAD ? make_pad(m)
                               : make_reshape(m);
    if (st == SYN_OK) m->n->launch = window_launch;
    return st;
}
