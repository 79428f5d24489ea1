/* conv_dnnl.c - convolutions of a graph by oneDNN: for processors that our row kernels do not know (AVX2) and for
 * those where oneDNN is quicker (AMX). See dnnl.h.
 *
 * oneDNN fuses bias and (leaky) ReLU. What it does not fuse (PReLU, clip, scale, residuals), planar outputs,
 * and the phases of a transposed convolution, each of which is a small dense convolution, go through a
 * scratch buffer of f32 and one loop of ours that finishes rows and puts them in place.
 * Not taken: frames (place.c gives none where oneDNN runs), batches of views. */
#include "kernels/cpu/cpu_private.h"

#ifdef SYN_HAVE_DNNL
#include "kernels/base/alloc.h"
#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/rows.h"
#include <math.h>
#include <string.h>

struct part { /* one primitive: the convolution, or a phase */
    struct cpu_dnnl_conv *conv;
    int32_t row0, col0;
    int64_t rows, cols;
};

struct by_dnnl {
    const struct syn_place *place;
    struct syn_conv c;
    int32_t x, y, res1, res2;
    struct syn_shape y_shape;
    struct part part[CPU_MAX_PHASES];
    int32_t n_parts, step_h, step_w;
    bool straight;               /* oneDNN writes y itself */
    float *bias, *slope;
};

bool cpu_conv_dnnl_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                         bool bf16)
{
    const struct syn_node *n = &p->g->node[node];
    struct syn_conv c;
    if (!self->dnnl || (bf16 && !self->dnnl_bf16)) return false;
    if (n->id != SYN_OP_CONV && n->id != SYN_OP_CONV_TRANSPOSE) return false;
    if (!cpu_conv_of(p, node, &c) || c.act == SYN_ACT_SIGMOID || c.h * c.w == 1) return false;
    if (c.group > 1 && (c.transposed || c.ci / c.group % CPU_BLOCK || c.co / c.group % CPU_BLOCK))
        return false;
    if (c.kh * c.kw > CPU_MAX_TAPS) return false;
    return !c.transposed || c.stride_h * c.stride_w <= CPU_MAX_PHASES;
}

static void by_dnnl_free(void *state)
{
    struct by_dnnl *s = state;
    if (!s) return;
    for (int32_t i = 0; i < s->n_parts; i++) cpu_dnnl_conv_free(s->part[i].conv);
    syn_free(s->bias);
    syn_free(s->slope);
    syn_free(s);
}

/* --- finishing rows ------------------------------------------------------------------------- */

struct finish_run {
    const struct by_dnnl *s;
    const struct part *part;
    const float *sums;           /* nChw16c, part's rows x cols */
    const uint8_t *res1, *res2;
    uint8_t *y;
};

static void finish_block(const struct by_dnnl *s, float v[CPU_BLOCK], int64_t cb)
{
    for (int c = 0; c < CPU_BLOCK; c++) {
        if (v[c] < 0) v[c] *= s->slope[cb * CPU_BLOCK + c];
        if (s->c.act == SYN_ACT_CLIP)
            v[c] = v[c] < s->c.act_a ? s->c.act_a : v[c] > s->c.act_b ? s->c.act_b : v[c];
        v[c] *= s->c.alpha;
    }
}

static void add_residual(const struct by_dnnl *s, int32_t value, const uint8_t *base, float beta,
                         int64_t n, int64_t cb, int64_t oy, int64_t ox, float v[CPU_BLOCK])
{
    const struct syn_place *p = &s->place[value];
    float r[CPU_BLOCK];
    cpu_row_read(p, base, cpu_row_at(p, n, cb, oy) + ox * CPU_BLOCK, CPU_BLOCK, r);
    for (int c = 0; c < CPU_BLOCK; c++) v[c] += beta * r[c];
}

/* One task: one row of the part, one block of channels. */
static void finish_task(void *ctx, int64_t task)
{
    const struct finish_run *r = ctx;
    const struct by_dnnl *s = r->s;
    const struct part *f = r->part;
    const struct syn_place *y = &s->place[s->y];
    const int64_t blocks = (s->c.co + CPU_BLOCK - 1) / CPU_BLOCK;
    const int64_t row = task % f->rows, cb = task / f->rows % blocks, n = task / f->rows / blocks,
                  oy = row * s->step_h + f->row0;
    const float *sums = r->sums + task * f->cols * CPU_BLOCK;
    for (int64_t q = 0; q < f->cols; q++, sums += CPU_BLOCK) {
        const int64_t ox = q * s->step_w + f->col0;
        float v[CPU_BLOCK];
        memcpy(v, sums, sizeof v);
        finish_block(s, v, cb);
        if (r->res1) add_residual(s, s->res1, r->res1, s->c.beta1, n, cb, oy, ox, v);
        if (r->res2) add_residual(s, s->res2, r->res2, s->c.beta2, n, cb, oy, ox, v);
        if (y->block == 1)
            for (int64_t c = 0; c < CPU_BLOCK && cb * CPU_BLOCK + c < s->c.co; c++)
                cpu_row_write(y, r->y, cpu_row_at(y, n, cb * CPU_BLOCK + c, oy) + ox, 1, &v[c]);
        else cpu_row_write(y, r->y, cpu_row_at(y, n, cb, oy) + ox * CPU_BLOCK, CPU_BLOCK, v);
    }
    if (f->col0 == 0 && y->block == CPU_BLOCK) cpu_zero_frame(y, &s->y_shape, r->y, n, cb, oy);
}

static void by_dnnl_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct by_dnnl *s = k->state;
    const int64_t blocks = (s->c.co + CPU_BLOCK - 1) / CPU_BLOCK;
    struct finish_run f = {
        .s = s,
        .sums = r->scratch,
        .y = syn_place_at(r, s->place, s->y),
        .res1 = s->res1 >= 0 ? syn_place_at(r, s->place, s->res1) : NULL,
        .res2 = s->res2 >= 0 ? syn_place_at(r, s->place, s->res2) : NULL,
    };
    const uint8_t *x = syn_place_at(r, s->place, s->x);
    for (int32_t i = 0; i < s->n_parts; i++) {
        f.part = &s->part[i];
        if (!cpu_dnnl_conv_run(f.part->conv, x, s->straight ? (void *)f.y : r->scratch)) {
            /* out of memory inside oneDNN: a result the scan for NaN will see */
            const size_t bytes =
                (size_t)(s->c.n * blocks * f.part->rows * f.part->cols * CPU_BLOCK) *
                (s->straight ? syn_dtype_bytes(s->place[s->y].dtype) : sizeof(float));
            memset(s->straight ? (void *)f.y : r->scratch, 0xff, bytes);
        }
        if (!s->straight) syn_pool_run(r->pool, s->c.n * blocks * f.part->rows, finish_task, &f);
    }
}

/* --- preparing ------------------------------------------------------------------------------ */

/* Plain f32 weights [co][ci/group][ny][nx] of the taps, in their order. */
static float *plain_weights(const struct syn_conv *c, const struct syn_value *w,
                            const struct cpu_tap *tap, int32_t n_taps)
{
    const int64_t ci = c->ci / c->group;
    float *out = syn_alloc((size_t)(c->co * ci * n_taps) * sizeof *out), *at = out;
    for (int64_t o = 0; out && o < c->co; o++)
        for (int64_t i = 0; i < ci; i++)
            for (int32_t t = 0; t < n_taps; t++)
                *at++ = syn_value_float(
                    w, ((c->transposed ? i * c->co + o : o * ci + i) * c->kh + tap[t].ky) * c->kw +
                           tap[t].kx);
    return out;
}

/* The specification of one part; taps are a rectangle, in increasing distance after sorting. */
static bool part_spec(const struct by_dnnl *s, struct cpu_tap *tap, int32_t n_taps,
                      const struct part *f, struct cpu_dnnl_spec *spec)
{
    const struct syn_conv *c = &s->c;
    int32_t y0 = tap[0].dy, y1 = y0, x0 = tap[0].dx, x1 = x0;
    *spec = (struct cpu_dnnl_spec){.n = c->n,
                                   .ci = c->ci,
                                   .h = c->h,
                                   .w = c->w,
                                   .co = c->co,
                                   .ho = f->rows,
                                   .wo = f->cols,
                                   .kh = c->kh,
                                   .kw = c->kw,
                                   .group = c->group,
                                   .stride_h = c->stride_h,
                                   .stride_w = c->stride_w,
                                   .dil_h = c->dil_h,
                                   .dil_w = c->dil_w,
                                   .top = c->top,
                                   .left = c->left,
                                   .bottom = c->bottom,
                                   .right = c->right};
    if (c->transposed) {
        for (int32_t i = 1; i < n_taps;
             i++) { /* insertion sort by position: the kernel's order is backwards */
            struct cpu_tap t = tap[i];
            int32_t k = i;
            for (;
                 k > 0 && (tap[k - 1].dy > t.dy || (tap[k - 1].dy == t.dy && tap[k - 1].dx > t.dx));
                 k--)
                tap[k] = tap[k - 1];
            tap[k] = t;
        }
        for (int32_t i = 0; i < n_taps; i++) {
            y0 = tap[i].dy < y0 ? tap[i].dy : y0, y1 = tap[i].dy > y1 ? tap[i].dy : y1;
            x0 = tap[i].dx < x0 ? tap[i].dx : x0, x1 = tap[i].dx > x1 ? tap[i].dx : x1;
        }
        spec->kh = y1 - y0 + 1, spec->kw = x1 - x0 + 1;
        if (spec->kh * spec->kw != n_taps) return false; /* dilated phases have holes */
        spec->stride_h = spec->stride_w = spec->dil_h = spec->dil_w = 1;
        spec->top = -y0, spec->left = -x0;
        spec->bottom = f->rows - 1 + y1 - (c->h - 1), spec->right = f->cols - 1 + x1 - (c->w - 1);
    } else { /* what the pads say, less what the output does not reach */
        spec->bottom = (c->ho - 1) * c->stride_h + c->dil_h * (c->kh - 1) - c->top - (c->h - 1);
        spec->right = (c->wo - 1) * c->stride_w + c->dil_w * (c->kw - 1) - c->left - (c->w - 1);
        if (spec->bottom < 0) spec->bottom = 0;
        if (spec->right < 0) spec->right = 0;
    }
    return spec->top >= 0 && spec->left >= 0 && spec->bottom >= 0 && spec->right >= 0;
}

static syn_status make_part(struct cpu_self *self, struct by_dnnl *s, const struct syn_value *w,
                            int32_t index, bool dry, struct syn_err *err)
{
    struct part *f = &s->part[index];
    struct cpu_tap tap[CPU_MAX_TAPS];
    struct cpu_dnnl_spec spec;
    float *weights;
    syn_status st;
    f->row0 = index / s->step_w;
    f->col0 = index % s->step_w;
    f->rows = (s->c.ho - f->row0 + s->step_h - 1) / s->step_h;
    f->cols = (s->c.wo - f->col0 + s->step_w - 1) / s->step_w;
    const int32_t n_taps = cpu_conv_taps(&s->c, f->row0, f->col0, tap);
    if (n_taps == 0 || !part_spec(s, tap, n_taps, f, &spec)) return SYN_UNSUPPORTED;
    spec.bf16 = s->place[s->x].dtype == SYN_BF16;
    spec.y_bf16 = s->straight && s->place[s->y].dtype == SYN_BF16;
    spec.leaky = s->straight && (s->c.act == SYN_ACT_RELU || s->c.act == SYN_ACT_LEAKY);
    /* oneDNN's ReLU turns NaN into 0 and would hide it from the scan of the result; its leaky form keeps it. The
     * smallest slope rounds to a negative zero. */
    spec.slope = s->c.act == SYN_ACT_LEAKY ? s->c.act_a : 1e-37f;
    spec.key = w->key ? w->key + (uint64_t)index * 0x9e3779b97f4a7c15u
                      : 0; /* phases of one tensor differ */
    if (dry) return cpu_dnnl_conv_offered(self->dnnl, &spec, true) ? SYN_OK : SYN_UNSUPPORTED;
    if (!(weights = plain_weights(&s->c, w, tap, n_taps)))
        return syn_fail(err, SYN_NO_MEMORY, "oneDNN: no memory");
    st = cpu_dnnl_conv_new(self->dnnl, &spec, weights, s->bias, &f->conv, err);
    syn_free(weights);
    return st;
}

syn_status cpu_conv_dnnl_prepare(struct cpu_self *self, const struct syn_placement *p,
                                 const struct syn_place *place, int32_t node, struct syn_kernel *k,
                                 struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct by_dnnl *s = syn_calloc(1, sizeof *s);
    const struct syn_place *x = &place[n->in[0]], *y = &place[n->out[0]];
    int64_t blocks, most = 0;
    syn_status st = SYN_OK;
    if (!s) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    s->place = place;
    s->x = n->in[SYN_CONV_X];
    s->y = n->out[0];
    s->y_shape = p->g->value[s->y].shape;
    s->res1 = n->n_in > SYN_CONV_RES1 ? n->in[SYN_CONV_RES1] : -1;
    s->res2 = n->n_in > SYN_CONV_RES2 ? n->in[SYN_CONV_RES2] : -1;
    if (!cpu_conv_of(p, node, &s->c)) st = SYN_UNSUPPORTED;
    blocks = (s->c.ci + CPU_BLOCK - 1) / CPU_BLOCK;
    if (x->block != CPU_BLOCK || x->frame || (s->c.n > 1 && x->stride_n != blocks * x->stride_c))
        st = SYN_UNSUPPORTED;
    s->step_h = s->c.transposed ? (int32_t)s->c.stride_h : 1;
    s->step_w = s->c.transposed ? (int32_t)s->c.stride_w : 1;
    blocks = (s->c.co + CPU_BLOCK - 1) / CPU_BLOCK;
    s->straight = !s->c.transposed && s->c.act != SYN_ACT_PRELU && s->c.act != SYN_ACT_CLIP &&
                  s->c.alpha == 1 && s->res1 < 0 && s->res2 < 0 && y->block == CPU_BLOCK &&
                  y->frame == 0 && (s->c.n == 1 || y->stride_n == blocks * y->stride_c);
    if (st == SYN_OK) {
        s->bias = cpu_per_channel(p, n, SYN_CONV_BIAS, s->c.co, 0);
        s->slope = cpu_conv_slopes(p, n, &s->c);
        if (!s->bias || !s->slope) st = syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    }
    for (int32_t i = 0; st == SYN_OK && i < s->step_h * s->step_w; i++) {
        st = make_part(self, s, &p->g->value[n->in[SYN_CONV_W]], i, p->dry, err);
        if (st != SYN_OK) break;
        s->n_parts = i + 1;
        if (!p->dry) k->weight_bytes += cpu_dnnl_conv_bytes(s->part[i].conv);
        if (s->part[i].rows * s->part[i].cols > most) most = s->part[i].rows * s->part[i].cols;
    }
    if (st != SYN_OK) {
        by_dnnl_free(s);
        k->weight_bytes = 0;
        return st;
    }
    if (!s->straight)
        k->scratch_bytes = (size_t)(s->c.n * blocks * most * CPU_BLOCK) * sizeof(float);
    k->impl = x->dtype == SYN_BF16 ? "oneDNN bf16" : "oneDNN f32";
    k->run = by_dnnl_run;
    k->free = by_dnnl_free;
    k->state = s;
    return SYN_OK;
}

#else
bool cpu_conv_dnnl_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                         bool bf16)
{
    (void)self, (void)p, (void)node, (void)bf16;
    return false;
}
syn_status cpu_conv_dnnl_prepare(struct cpu_self *self, const struct syn_placement *p,
                                 const struct syn_place *place, int32_t node, struct syn_kernel *k,
                                 struct syn_err *err)
{
    (void)self, (void)p, (void)place, (void)node, (void)k, (void)err;
    return SYN_UNSUPPORTED;
}
#endif
