/* node_point.c - sums, products, activations: from a node to a cuda_pointwise. */
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"

#define Y CUDA_MOST_OPERANDS /* the slot of the result; operand i has slot i */

static syn_status point_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    struct cuda_pointwise *p = &n->point;
    for (int32_t i = 0; i < p->n_x; i++)
        if (n->value[i] >= 0) p->x[i].data = cuda_at(n, r, i);
    p->y.data = cuda_at(n, r, Y);
    return cuda_pointwise_launch(p, n->self->stream, err);
}

/* A shape as n, c, h, w, ones before it. False: not rank 0 to 4, or too long. */
static bool as_four(const struct syn_shape *s, int32_t to[4])
{
    if (s->rank < 0 || s->rank > 4) return false;
    for (int32_t d = 0; d < 4; d++) {
        const int32_t from = d - (4 - s->rank);
        const int64_t dim = from < 0 ? 1 : s->dim[from];
        if (dim < 1 || dim > 0x7fffffff) return false;
        to[d] = (int32_t)dim;
    }
    return true;
}

/* A constant operand as a view of one pixel; false in *fits: of another form. */
static syn_status constant_view(struct cuda_making *m, int32_t i, struct cuda_view *out, bool *fits,
                                struct syn_err *err)
{
    const struct syn_value *v = &m->p->g->value[m->p->g->node[m->node].in[i]];
    const struct cuda_view *y = &m->n->point.y;
    int32_t dim[4], padded;
    const float *data;
    syn_status st;
    *fits = as_four(&v->shape, dim) && dim[0] == 1 && dim[2] == 1 && dim[3] == 1 &&
            (dim[1] == 1 || dim[1] == y->c);
    if (!*fits) return SYN_OK;
    padded = cuda_padded(dim[1]);
    st = cuda_take_constant(m, i, dim[1], padded, &data, fits, err);
    *out = (struct cuda_view){(void *)(uintptr_t)data, SYN_F32, 1, dim[1], 1, 1, padded};
    return st;
}

static bool repeats(const struct cuda_view *x, const struct cuda_view *y)
{
    return (x->n == y->n || x->n == 1) && (x->c == y->c || x->c == 1) &&
           (x->h == y->h || x->h == 1) && (x->w == y->w || x->w == 1);
}

static syn_status take_operands(struct cuda_making *m, int32_t n_x, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_pointwise *p = &m->n->point;
    if (n_x > CUDA_MOST_OPERANDS) return SYN_UNSUPPORTED;
    p->y = cuda_take_out(m, Y);
    p->n_x = n_x;
    for (int32_t i = 0; i < n_x; i++) {
        bool fits = n->in[i] >= 0;
        syn_status st = SYN_OK;
        if (fits && m->p->g->value[n->in[i]].data)
            st = constant_view(m, i, &p->x[i], &fits, err);
        else if (fits) p->x[i] = cuda_take_in(m, i, i);
        if (st != SYN_OK) return st;
        if (!fits || !repeats(&p->x[i], &p->y)) return SYN_UNSUPPORTED;
    }
    return SYN_OK;
}

/* One slope for each channel, or for all: of our own kind [c] is per channel, of ONNX's (which
 * broadcasts) [c,1,1] is. */
static syn_status take_slope(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_pointwise *p = &m->n->point;
    const struct syn_shape *s = &m->p->g->value[n->in[1]].shape;
    const int32_t padded = cuda_padded(p->y.c);
    int32_t dim[4];
    int64_t count = 0;
    bool fits;
    syn_status st;
    if (!as_four(s, dim) || !syn_shape_elements(s, &count)) return SYN_UNSUPPORTED;
    if (count != 1 && n->opset >= 7 && !(dim[1] == p->y.c && count == p->y.c))
        return SYN_UNSUPPORTED;
    if (count != 1 && count != p->y.c) return SYN_UNSUPPORTED;
    st = cuda_take_constant(m, 1, count, count == 1 ? CUDA_GRANULE : padded, &p->slope, &fits, err);
    p->act = SYN_ACT_PRELU;
    p->slope_step = count == 1 ? 0 : 1;
    return st == SYN_OK && !fits ? SYN_UNSUPPORTED : st;
}

static void take_activation(struct cuda_making *m)
{
    const struct syn_op *op = m->call.op;
    const struct syn_attr *attr = m->call.attr;
    struct cuda_pointwise *p = &m->n->point;
    switch (m->p->g->node[m->node].id) {
    case SYN_OP_RELU: p->act = SYN_ACT_RELU; break;
    case SYN_OP_SIGMOID: p->act = SYN_ACT_SIGMOID; break;
    case SYN_OP_LEAKY_RELU:
        p->act = SYN_ACT_LEAKY;
        p->act_a = (float)syn_attr_float(op, attr, "alpha");
        break;
    case SYN_OP_CLIP:
        p->act = SYN_ACT_CLIP;
        p->act_a = (float)syn_attr_float(op, attr, "min");
        p->act_b = (float)syn_attr_float(op, attr, "max");
        break;
    default: break;
    }
}

static enum cuda_point combination(syn_op_id id)
{
    switch (id) {
    case SYN_OP_SUB: return CUDA_POINT_SUB;
    case SYN_OP_MUL: return CUDA_POINT_MUL;
    case SYN_OP_DIV: return CUDA_POINT_DIV;
    case SYN_OP_MIN: return CUDA_POINT_MIN;
    case SYN_OP_MAX: return CUDA_POINT_MAX;
    default: return CUDA_POINT_SUM;
    }
}

syn_status cuda_make_pointwise(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_pointwise *p = &m->n->point;
    const struct syn_attr *coeffs = n->id == SYN_OP_SCALED_SUM
                                        ? syn_attr_list(m->call.op, m->call.attr, "coeffs")
                                        : NULL;
    syn_status st = take_operands(m, n->id == SYN_OP_PRELU ? 1 : n->n_in, err);
    if (st != SYN_OK) return st;
    p->op = combination(n->id);
    for (int32_t i = 0; i < p->n_x; i++)
        p->coeff[i] = coeffs && i < coeffs->n ? (float)coeffs->v.f[i] : 1;
    if (n->id == SYN_OP_PRELU) {
        if ((st = take_slope(m, err)) != SYN_OK) return st;
    } else take_activation(m);
    m->k->impl = "cuda pointwise";
    m->n->launch = point_launch;
    return SYN_OK;
}
