/* conv_dnnl.c - convolutions of a graph by oneDNN: for processors that our row kernels do not know
 * (AVX2) and for those where oneDNN is quicker (AMX). See dnnl.h.
 *
 * oneDNN fuses bias and (leaky) ReLU. What it does not fuse (PReLU, clip, scale, residuals), planar
 * outputs, and the phases of a transposed convolution, each of which is a small dense convolution,
 * go through a scratch buffer of f32 and one loop of ours that finishes rows and puts them in
 * place. Not taken: frames (place.c gives none where oneDNN runs), batches of views. */
#include "kernels/cpu/cpu_private.h"

#ifdef SYN_HAVE_DNNL
#include "kernels/base/alloc.h"
#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/rows.h"
#include <string.h>

struct part { /* one primitive: the convolution, or a phase */
    struct cpu_dnnl_conv *conv;
    struct cpu_phase_grid grid;
};

struct by_dnnl {
    struct cpu_form form;
    struct part part[CPU_MAX_PHASES];
    int32_t n_parts;
    bool straight; /* oneDNN writes y itself */
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
    cpu_form_deinit(&s->form);
    syn_free(s);
}

/* --- finishing rows ------------------------------------------------------------------------- */

struct finish_run {
    const struct by_dnnl *s;
    const struct part *part;
    const float *sums;           /* nChw16c, part's rows x cols */
    struct cpu_form_run at;
};

static void finish_block(const struct by_dnnl *s, float v[CPU_BLOCK], int64_t cb)
{
    for (int c = 0; c < CPU_BLOCK; c++) {
        if (v[c] < 0) v[c] *= s->form.slope[cb * CPU_BLOCK + c];
        if (s->form.c.act == SYN_ACT_CLIP)
            v[c] = v[c] < s->form.c.act_a   ? s->form.c.act_a
                   : v[c] > s->form.c.act_b ? s->form.c.act_b
                                            : v[c];
        v[c] *= s->form.c.alpha;
    }
}

static void add_residual(const struct by_dnnl *s, int32_t value, const uint8_t *base, float beta,
                         int64_t n, int64_t cb, int64_t oy, int64_t ox, float v[CPU_BLOCK])
{
    const struct syn_place *p = &s->form.place[value];
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
    const struct syn_place *y = &s->form.place[s->form.y];
    const int64_t blocks = s->form.y_blocks;
    const int64_t row = task % f->grid.rows, cb = task / f->grid.rows % blocks,
                  n = task / f->grid.rows / blocks, oy = row * s->form.step_h + f->grid.row0;
    const float *sums = r->sums + task * f->grid.cols * CPU_BLOCK;
    for (int64_t q = 0; q < f->grid.cols; q++, sums += CPU_BLOCK) {
        const int64_t ox = q * s->form.step_w + f->grid.col0;
        float v[CPU_BLOCK];
        memcpy(v, sums, sizeof v);
        finish_block(s, v, cb);
        if (r->at.res1)
            add_residual(s, s->form.res1, r->at.res1, s->form.c.beta1, n, cb, oy, ox, v);
        if (r->at.res2)
            add_residual(s, s->form.res2, r->at.res2, s->form.c.beta2, n, cb, oy, ox, v);
        if (y->block == 1)
            for (int64_t c = 0; c < CPU_BLOCK && cb * CPU_BLOCK + c < s->form.c.co; c++)
                cpu_row_write(y, r->at.y, cpu_row_at(y, n, cb * CPU_BLOCK + c, oy) + ox, 1, &v[c]);
        else cpu_row_write(y, r->at.y, cpu_row_at(y, n, cb, oy) + ox * CPU_BLOCK, CPU_BLOCK, v);
    }
    if (f->grid.col0 == 0 && y->block == CPU_BLOCK)
        cpu_zero_frame(y, &s->form.y_shape, r->at.y, n, cb, oy);
}

static void by_dnnl_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct by_dnnl *s = k->state;
    const struct cpu_form *f = &s->form;
    struct finish_run run = {.s = s, .sums = r->scratch, .at = cpu_form_at(f, r)};
    void *const to = s->straight ? (void *)run.at.y : r->scratch;
    const size_t size = s->straight ? syn_dtype_bytes(f->place[f->y].dtype) : sizeof(float);
    for (int32_t i = 0; i < s->n_parts; i++) {
        const struct part *part = run.part = &s->part[i];
        const int64_t lines = f->c.n * f->y_blocks * part->grid.rows;
        /* out of memory inside oneDNN: a result the scan for NaN will see */
        if (!cpu_dnnl_conv_run(part->conv, run.at.x, to))
            memset(to, 0xff, (size_t)(lines * part->grid.cols * CPU_BLOCK) * size);
        if (!s->straight) syn_pool_run(r->pool, lines, finish_task, &run);
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
    const struct syn_conv *c = &s->form.c;
    int32_t y0 = tap[0].dy, y1 = y0, x0 = tap[0].dx, x1 = x0;
    *spec = (struct cpu_dnnl_spec){.n = c->n,
                                   .ci = c->ci,
                                   .h = c->h,
                                   .w = c->w,
                                   .co = c->co,
                                   .ho = f->grid.rows,
                                   .wo = f->grid.cols,
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
        spec->bottom = f->grid.rows - 1 + y1 - (c->h - 1),
        spec->right = f->grid.cols - 1 + x1 - (c->w - 1);
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
    f->grid = cpu_conv_phase(&s->form.c, index);
    const int32_t n_taps = cpu_conv_taps(&s->form.c, f->grid.row0, f->grid.col0, tap);
    if (n_taps == 0 || !part_spec(s, tap, n_taps, f, &spec)) return SYN_UNSUPPORTED;
    spec.bf16 = s->form.bf16;
    spec.y_bf16 = s->straight && s->form.place[s->form.y].dtype == SYN_BF16;
    spec.leaky = s->straight && (s->form.c.act == SYN_ACT_RELU || s->form.c.act == SYN_ACT_LEAKY);
    /* oneDNN's ReLU turns NaN into 0 and would hide it from the scan of the result; its leaky form
     * keeps it. The smallest slope rounds to a negative zero. */
    spec.slope = s->form.c.act == SYN_ACT_LEAKY ? s->form.c.act_a : 1e-37f;
    spec.key = w->key ? w->key + (uint64_t)index * 0x9e3779b97f4a7c15u
                      : 0; /* phases of one tensor differ */
    if (dry) return cpu_dnnl_conv_offered(self->dnnl, &spec, true) ? SYN_OK : SYN_UNSUPPORTED;
    if (!(weights = plain_weights(&s->form.c, w, tap, n_taps)))
        return syn_fail(err, SYN_NO_MEMORY, "oneDNN: no memory");
    st = cpu_dnnl_conv_new(self->dnnl, &spec, weights, s->form.bias, &f->conv, err);
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
    struct cpu_form *f;
    int64_t most = 0;
    syn_status st;
    if (!s) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    f = &s->form;
    if ((st = cpu_form_init(f, p, place, node, err)) != SYN_OK) goto done;
    if (x->block != CPU_BLOCK || x->frame ||
        (f->c.n > 1 && x->stride_n != f->x_blocks * x->stride_c)) {
        st = SYN_UNSUPPORTED;
        goto done;
    }
    s->straight = !f->c.transposed && f->c.act != SYN_ACT_PRELU && f->c.act != SYN_ACT_CLIP &&
                  f->c.alpha == 1 && f->res1 < 0 && f->res2 < 0 && y->block == CPU_BLOCK &&
                  y->frame == 0 && (f->c.n == 1 || y->stride_n == f->y_blocks * y->stride_c);
    for (int32_t i = 0; i < cpu_conv_phases(&f->c); i++) {
        const struct part *part = &s->part[i];
        st = make_part(self, s, &p->g->value[n->in[SYN_CONV_W]], i, p->dry, err);
        if (st != SYN_OK) break;
        s->n_parts = i + 1;
        if (!p->dry) k->weight_bytes += cpu_dnnl_conv_bytes(part->conv);
        if (part->grid.rows * part->grid.cols > most) most = part->grid.rows * part->grid.cols;
    }
done:
    if (st != SYN_OK) {
        by_dnnl_free(s);
        k->weight_bytes = 0;
        return st;
    }
    if (!s->straight)
        k->scratch_bytes = (size_t)(f->c.n * f->y_blocks * most * CPU_BLOCK) * sizeof(float);
    k->impl = f->bf16 ? "oneDNN bf16" : "oneDNN f32";
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
