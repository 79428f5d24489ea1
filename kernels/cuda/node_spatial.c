/* node_spatial.c - RESIZE, PIXEL_SHUFFLE, the poolings and CHANNEL_NORM: from nodes to launches. */
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/ops/ops.h"

enum { X, Y, THIRD, SCALE, BIAS }; /* slots */

/* --- resize --------------------------------------------------------------------------------- */

static syn_status resize_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    n->resize.x.data = cuda_at(n, r, X);
    n->resize.y.data = cuda_at(n, r, Y);
    return cuda_resize_launch(&n->resize, n->self->stream, err);
}

/* Places, then weights, of all outputs of an axis. */
struct tapping {
    const struct syn_resize_axis *axis;
    int32_t width;
};
static void fill_taps(void *ctx, void *host)
{
    const struct tapping *t = ctx;
    int32_t *at = host;
    float *weight = (float *)(void *)(at + t->axis->out * t->width);
    for (int64_t o = 0; o < t->axis->out; o++) {
        double w[4];
        int64_t first;
        const int32_t n = syn_resize_taps(t->axis, o, &first, w);
        for (int32_t k = 0; k < t->width; k++) {
            const int64_t i = first + (k < n ? k : 0);
            at[o * t->width + k] = (int32_t)(i < 0 ? 0 : i >= t->axis->in ? t->axis->in - 1 : i);
            weight[o * t->width + k] = k < n ? (float)w[k] : 0;
        }
    }
}

static syn_status take_taps(struct cuda_making *m, const struct syn_resize_axis *axis,
                            struct cuda_taps *out, struct syn_err *err)
{
    struct tapping t = {axis, axis->mode == SYN_RESIZE_NEAREST    ? 1
                              : axis->mode == SYN_RESIZE_BILINEAR ? 2
                                                                  : 4};
    struct cuda_pack *pack;
    size_t bytes;
    syn_status st;
    if (!syn_mul((size_t)axis->out, (size_t)t.width * (sizeof(int32_t) + sizeof(float)), &bytes))
        return syn_fail(err, SYN_TOO_LARGE, "over 2^63 bytes");
    out->width = t.width;
    if (m->p->dry) return SYN_OK;
    if ((st = cuda_pack_get(m->self, NULL, 0, bytes, fill_taps, &t, &pack, err)) != SYN_OK)
        return st;
    m->n->pack[m->n->n_packs++] = pack;
    m->k->weight_bytes += bytes;
    out->at = pack->data;
    out->weight = (const float *)(const void *)(out->at + axis->out * t.width);
    return SYN_OK;
}

syn_status cuda_make_resize(struct cuda_making *m, struct syn_err *err)
{
    struct syn_resize_axis axis[2];
    syn_status st;
    if (m->p->g->value[m->p->g->node[m->node].in[0]].data) return SYN_UNSUPPORTED;
    m->n->resize.x = cuda_take_in(m, 0, X);
    m->n->resize.y = cuda_take_out(m, Y);
    syn_resize_axes(&m->call, axis);
    if ((st = take_taps(m, &axis[0], &m->n->resize.rows, err)) != SYN_OK) return st;
    if ((st = take_taps(m, &axis[1], &m->n->resize.cols, err)) != SYN_OK) return st;
    m->k->impl = "cuda resize";
    m->n->launch = resize_launch;
    return SYN_OK;
}

/* --- pixel shuffle -------------------------------------------------------------------------- */

static syn_status shuffle_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    n->shuffle.x.data = cuda_at(n, r, X);
    n->shuffle.y.data = cuda_at(n, r, Y);
    n->shuffle.res.data = cuda_at(n, r, THIRD);
    return cuda_shuffle_launch(&n->shuffle, n->self->stream, err);
}

syn_status cuda_make_shuffle(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_shuffle *s = &m->n->shuffle;
    (void)err;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && m->p->g->value[n->in[i]].data) return SYN_UNSUPPORTED;
    s->x = cuda_take_in(m, 0, X);
    s->y = cuda_take_out(m, Y);
    s->res = cuda_take_in(m, 1, THIRD);
    s->r = (int32_t)syn_attr_int(m->call.op, m->call.attr, "r");
    s->dcr = syn_attr_int(m->call.op, m->call.attr, "mode") == 1;
    s->inverse = n->id == SYN_OP_PIXEL_UNSHUFFLE;
    m->k->impl = s->inverse ? "cuda pixel unshuffle" : "cuda pixel shuffle";
    m->n->launch = shuffle_launch;
    return SYN_OK;
}

/* --- pools ---------------------------------------------------------------------------------- */

static syn_status pool_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    n->pool.x.data = cuda_at(n, r, X);
    n->pool.y.data = cuda_at(n, r, Y);
    return cuda_pool_launch(&n->pool, n->self->stream, err);
}

static int32_t entry(const struct cuda_making *m, const char *name, int32_t i, int32_t fallback)
{
    const struct syn_attr *a = syn_attr_list(m->call.op, m->call.attr, name);
    return a->n > i ? (int32_t)a->v.i[i] : fallback;
}

syn_status cuda_make_pool(struct cuda_making *m, struct syn_err *err)
{
    struct cuda_pool *p = &m->n->pool;
    (void)err;
    if (m->p->g->value[m->p->g->node[m->node].in[0]].data) return SYN_UNSUPPORTED;
    p->x = cuda_take_in(m, 0, X);
    p->y = cuda_take_out(m, Y);
    p->average = m->p->g->node[m->node].id == SYN_OP_AVERAGE_POOL;
    p->count_pads = p->average && syn_attr_int(m->call.op, m->call.attr, "count_include_pad");
    p->kh = entry(m, "kernel", 0, 1), p->kw = entry(m, "kernel", 1, 1);
    p->stride_h = entry(m, "strides", 0, 1), p->stride_w = entry(m, "strides", 1, 1);
    p->dil_h = entry(m, "dilations", 0, 1), p->dil_w = entry(m, "dilations", 1, 1);
    p->top = entry(m, "pads", 0, 0), p->left = entry(m, "pads", 1, 0);
    p->bottom = entry(m, "pads", 2, 0), p->right = entry(m, "pads", 3, 0);
    m->k->impl = p->average ? "cuda average pool" : "cuda max pool";
    m->n->launch = pool_launch;
    return SYN_OK;
}

static syn_status average_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    n->pool.x.data = cuda_at(n, r, X);
    n->pool.y.data = cuda_at(n, r, Y);
    return cuda_average_launch(&n->pool.x, &n->pool.y, r->scratch, n->self->stream, err);
}

syn_status cuda_make_average(struct cuda_making *m, struct syn_err *err)
{
    (void)err;
    if (m->p->g->value[m->p->g->node[m->node].in[0]].data) return SYN_UNSUPPORTED;
    m->n->pool.x = cuda_take_in(m, 0, X);
    m->n->pool.y = cuda_take_out(m, Y);
    m->k->impl = "cuda average";
    m->k->scratch_bytes = cuda_average_scratch(&m->n->pool.x);
    m->n->launch = average_launch;
    return SYN_OK;
}

/* --- norm ----------------------------------------------------------------------------------- */

static syn_status norm_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    n->norm.x.data = cuda_at(n, r, X);
    n->norm.y.data = cuda_at(n, r, Y);
    n->norm.res.data = cuda_at(n, r, THIRD);
    n->norm.partial = r->scratch;
    return cuda_group_norm_launch(&n->norm, n->self->stream, err);
}

syn_status cuda_make_norm(struct cuda_making *m, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct cuda_group_norm *p = &m->n->norm;
    const float **const to[] = {&p->scale, &p->bias};
    if (m->p->g->value[n->in[0]].data) return SYN_UNSUPPORTED;
    p->x = cuda_take_in(m, 0, X);
    p->y = cuda_take_out(m, Y);
    p->groups = p->x.c;
    if (n->n_in > 3 && n->in[3] >= 0) {
        if (m->p->g->value[n->in[3]].data) return SYN_UNSUPPORTED;
        p->res = cuda_take_in(m, 3, THIRD);
    }
    for (int32_t i = 0; i < 2; i++) { /* scale and bias: constants, one per channel */
        bool fits;
        syn_status st = cuda_take_constant(m, 1 + i, p->x.c, p->x.c, to[i], &fits, err);
        if (st != SYN_OK || !fits) return st != SYN_OK ? st : SYN_UNSUPPORTED;
    }
    p->epsilon = (float)syn_attr_float(m->call.op, m->call.attr, "epsilon");
    p->act = (enum syn_act)syn_attr_int(m->call.op, m->call.attr, "act");
    p->act_a = (float)syn_attr_float(m->call.op, m->call.attr, "act_a");
    p->act_b = (float)syn_attr_float(m->call.op, m->call.attr, "act_b");
    m->k->impl = "cuda norm";
    m->k->scratch_bytes = cuda_group_norm_scratch(p);
    m->n->launch = norm_launch;
    return SYN_OK;
}
