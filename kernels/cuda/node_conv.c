/* node_conv.c - CONV, CONV_TRANSPOSE and DENSE: from a node to a cuda_conv. */
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/ops/ops.h"

enum { X, Y, RES1, RES2 }; /* slots */

static syn_status conv_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    struct cuda_conv *c = &n->conv;
    c->x.data = cuda_at(n, r, X);
    c->y.data = cuda_at(n, r, Y);
    c->res1.data = cuda_at(n, r, RES1);
    c->res2.data = cuda_at(n, r, RES2);
    c->partial = r->scratch;
    return cuda_conv_launch(n->way, c, n->self->stream, err);
}

struct packing {
    const struct cuda_conv *c;
    enum cuda_conv_way way;
    float *numbers;
};
static void fill_weights(void *ctx, void *host)
{
    const struct packing *p = ctx;
    cuda_conv_pack(p->way, p->c, p->numbers, host);
}

/* What the packed bytes depend on besides the weights themselves. */
static uint64_t form_of(const struct cuda_conv *c, enum cuda_conv_way way)
{
    const int32_t part[] = {(int32_t)way, (int32_t)c->x.dtype, c->x.c,      c->y.c,   c->group,
                            c->kh,        c->kw,               c->stride_h, c->stride_w,
                            c->dil_h,     c->dil_w,            c->top,      c->left,
                            c->transposed};
    uint64_t mixed = 14695981039346656037u; /* FNV-1a over the numbers */
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        mixed = (mixed ^ (uint32_t)part[i]) * 1099511628211u;
    return mixed;
}

static syn_status pack(struct cuda_making *m, const struct syn_value *w, struct syn_err *err)
{
    struct cuda_conv *c = &m->n->conv;
    struct packing p = {.c = c, .way = m->n->way};
    struct cuda_pack *out;
    const size_t bytes = cuda_conv_packed_bytes(p.way, c);
    int64_t n = 0;
    syn_status st;
    m->k->weight_bytes += bytes;
    if (m->p->dry) return SYN_OK;
    if (!syn_shape_elements(&w->shape, &n) ||
        !(p.numbers = syn_calloc((size_t)n, sizeof *p.numbers)))
        return syn_fail(err, SYN_NO_MEMORY, "weights: no memory");
    syn_value_floats(w, 0, n, p.numbers);
    st = cuda_pack_get(m->self, w->data, form_of(c, p.way), bytes, fill_weights, &p, &out, err);
    syn_free(p.numbers);
    if (st != SYN_OK) return st;
    m->n->pack[m->n->n_packs++] = out;
    c->weights = out->data;
    return SYN_OK;
}

/* Chooses the way, and brings weights and numbers per channel to the device. */
static syn_status finish(struct cuda_making *m, int32_t bias, int32_t slope, int32_t weights,
                         struct syn_err *err)
{
    struct cuda_conv *c = &m->n->conv;
    const int32_t padded = cuda_padded(c->y.c);
    bool fits;
    syn_status st = cuda_take_constant(m, bias, c->y.c, padded, &c->bias, &fits, err);
    if (st == SYN_OK && !fits) return SYN_UNSUPPORTED;
    if (st == SYN_OK && c->act == SYN_ACT_PRELU)
        st = cuda_take_constant(m, slope, c->y.c, padded, &c->slope, &fits, err);
    if (st == SYN_OK && !fits) return SYN_UNSUPPORTED;
    if (st != SYN_OK) return st;
    c->split = 1;
    m->n->way = cuda_conv_choose(c, m->self->multiprocessors);
    if (!cuda_conv_takes(m->n->way, c)) return SYN_UNSUPPORTED;
    m->k->scratch_bytes = cuda_conv_scratch(m->n->way, c);
    m->k->impl = cuda_conv_way_word(m->n->way);
    m->n->launch = conv_launch;
    return pack(m, &m->p->g->value[m->p->g->node[m->node].in[weights]], err);
}

static bool small(int64_t v) { return v >= 0 && v < 0x7fffffff; }

syn_status cuda_make_conv(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_conv *c = &m->n->conv;
    struct syn_conv v;
    if (!m->p->g->value[n->in[SYN_CONV_W]].data || syn_conv_parse(&m->call, &v, NULL) != SYN_OK ||
        !small(v.kh * v.kw) || !small(v.top) || !small(v.left) || !small(v.dil_h * v.kh) ||
        !small(v.dil_w * v.kw))
        return SYN_UNSUPPORTED;
    for (int32_t i = SYN_CONV_RES1; i <= SYN_CONV_RES2; i++)
        if (i < n->n_in && n->in[i] >= 0 && m->p->g->value[n->in[i]].data) return SYN_UNSUPPORTED;
    c->x = cuda_take_in(m, SYN_CONV_X, X);
    c->y = cuda_take_out(m, Y);
    c->res1 = cuda_take_in(m, SYN_CONV_RES1, RES1);
    c->res2 = cuda_take_in(m, SYN_CONV_RES2, RES2);
    c->group = (int32_t)v.group;
    c->kh = (int32_t)v.kh, c->kw = (int32_t)v.kw;
    c->stride_h = (int32_t)v.stride_h, c->stride_w = (int32_t)v.stride_w;
    c->dil_h = (int32_t)v.dil_h, c->dil_w = (int32_t)v.dil_w;
    c->top = (int32_t)v.top, c->left = (int32_t)v.left;
    c->transposed = v.transposed;
    c->act = v.act;
    c->act_a = v.act_a, c->act_b = v.act_b;
    c->alpha = v.alpha, c->beta1 = v.beta1, c->beta2 = v.beta2;
    return finish(m, SYN_CONV_BIAS, SYN_CONV_SLOPE, SYN_CONV_W, err);
}

/* [n,k,1,1] times [m,k]: a 1x1 convolution of one pixel. */
syn_status cuda_make_dense(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_op *op = m->call.op;
    const struct syn_attr *attr = m->call.attr;
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_conv *c = &m->n->conv;
    if (n->in[0] < 0 || m->p->g->value[n->in[0]].data || !m->p->g->value[n->in[1]].data)
        return SYN_UNSUPPORTED;
    c->x = cuda_take_in(m, 0, X);
    c->y = cuda_take_out(m, Y);
    if (c->x.h != 1 || c->x.w != 1) return SYN_UNSUPPORTED;
    c->group = c->kh = c->kw = c->stride_h = c->stride_w = c->dil_h = c->dil_w = 1;
    c->act = (enum syn_act)syn_attr_int(op, attr, "act");
    c->act_a = (float)syn_attr_float(op, attr, "act_a");
    c->act_b = (float)syn_attr_float(op, attr, "act_b");
    c->alpha = 1;
    if (c->act == SYN_ACT_PRELU) return SYN_UNSUPPORTED;
    return finish(m, 2, -1, 1, err);
}
