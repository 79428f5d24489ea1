/* conv_direct.c - convolutions by our own row kernels: plain, dilated, strided, and transposed as phases.
 *
 * See conv.h for the form, conv_row.h for the kernel, conv_pack.c for the weights.
 * Tasks: (picture, band of grid rows, group of two output blocks), the group fastest, so that a band's input
 *        stays in L2 while all groups read it. A task writes whole rows, frames included. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"
#include <math.h>
#include <string.h>

struct direct {
    const struct syn_place *place;
    struct syn_conv c;
    int32_t x, y, res1, res2;
    struct syn_shape y_shape;
    cpu_row_fn *row;
    struct cpu_packs *packs;
    struct cpu_pack *pack;
    struct cpu_phase phase[CPU_MAX_PHASES];
    int32_t n_phases, step_h, step_w, last_k, n_groups;
    int64_t band, bands, n_blocks;
    bool bf16;
    float *bias, *slope;
    float low, high;
};

bool cpu_conv_of(const struct syn_placement *p, int32_t node, struct syn_conv *c)
{
    const struct syn_node *n = &p->g->node[node];
    struct syn_op_call
        call; /* 12 KiB, not from the heap: placing and preparing must get the same answer */
    bool ok;
    syn_graph_call(p->g, node, &call);
    ok = syn_conv_parse(&call, c, NULL) == SYN_OK;
    for (int32_t k = 0; ok && k < n->n_in; k++) {
        const bool constant =
            k >= SYN_CONV_W && k <= SYN_CONV_SLOPE; /* pictures: values that have a place */
        ok = n->in[k] < 0 ? k > SYN_CONV_W : (p->g->value[n->in[k]].data != NULL) == constant;
    }
    return ok;
}

/* How far the taps reach outside the input, over all phases and both axes. */
static int64_t reach_outside(const struct syn_conv *c)
{
    const int32_t step_h = c->transposed ? (int32_t)c->stride_h : 1,
                  step_w = c->transposed ? (int32_t)c->stride_w : 1;
    int64_t most = 0;
    for (int32_t ph = 0; ph < step_h * step_w; ph++) {
        struct cpu_tap tap[CPU_MAX_TAPS];
        const int32_t row0 = ph / step_w, col0 = ph % step_w, n = cpu_conv_taps(c, row0, col0, tap);
        const int64_t rows = (c->ho - row0 + step_h - 1) / step_h,
                      cols = (c->wo - col0 + step_w - 1) / step_w;
        const int64_t sh = c->transposed ? 1 : c->stride_h, sw = c->transposed ? 1 : c->stride_w;
        for (int32_t t = 0; t < n; t++) {
            int64_t over[4] = {-tap[t].dy, -tap[t].dx, (rows - 1) * sh + tap[t].dy - (c->h - 1),
                               (cols - 1) * sw + tap[t].dx - (c->w - 1)};
            for (int i = 0; i < 4; i++)
                if (over[i] > most) most = over[i];
        }
    }
    return most;
}

bool cpu_conv_direct_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                           bool bf16)
{
    const struct syn_node *n = &p->g->node[node];
    struct syn_conv c;
    if (n->id != SYN_OP_CONV && n->id != SYN_OP_CONV_TRANSPOSE) return false;
    if (bf16 ? !self->own_bf16 : !self->own_f32) return false;
    if (!cpu_conv_of(p, node, &c) || c.group != 1 || c.kh * c.kw > CPU_MAX_TAPS) return false;
    if (c.h * c.w == 1 || c.act == SYN_ACT_SIGMOID) return false;
    if (c.transposed && c.stride_h * c.stride_w > CPU_MAX_PHASES) return false;
    if (c.act == SYN_ACT_CLIP && !(c.act_a <= 0 && c.act_b >= 0))
        return false; /* channels past the last stay 0 */
    return reach_outside(&c) <= CPU_MAX_FRAME;
}

int32_t cpu_conv_direct_frame(const struct syn_placement *p, int32_t node)
{
    struct syn_conv c;
    return cpu_conv_of(p, node, &c) ? (int32_t)reach_outside(&c) : 0;
}

static void direct_free(void *state)
{
    struct direct *d = state;
    if (!d) return;
    for (int32_t i = 0; i < d->n_phases; i++) syn_free(d->phase[i].tap_offset);
    cpu_packs_release(d->packs, d->pack);
    syn_free(d->bias);
    syn_free(d->slope);
    syn_free(d);
}

struct direct_run {
    const struct direct *d;
    const uint8_t *x, *res1, *res2;
    uint8_t *y;
};

static const uint8_t *element(const uint8_t *base, syn_dtype t, int64_t at)
{
    return base + at * (int64_t)syn_dtype_bytes(t);
}

/* Where a residual's (or the output's) group of blocks has output pixel (oy, ox). */
static int64_t pixel_at(const struct syn_place *p, int64_t n, int64_t block, int64_t oy, int64_t ox)
{
    return cpu_row_at(p, n, block, oy) + ox * p->block;
}

static void run_row(const struct direct_run *r, int64_t n, int32_t group,
                    const struct cpu_phase *ph, int64_t row)
{
    const struct direct *d = r->d;
    const struct syn_place *x = &d->place[d->x], *y = &d->place[d->y];
    const int64_t block = 2 * (int64_t)group, oy = row * d->step_h + ph->row0;
    const int64_t sh = d->c.transposed ? 1 : d->c.stride_h,
                  sw = d->c.transposed ? 1 : d->c.stride_w;
    struct cpu_row k = {
        .x = element(r->x, x->dtype, cpu_row_at(x, n, 0, row * sh)),
        .x_pixel = sw * CPU_BLOCK,
        .x_block = x->stride_c,
        .n_blocks = (int32_t)((d->c.ci + CPU_BLOCK - 1) / CPU_BLOCK),
        .last_k = d->last_k,
        .tap_offset = ph->tap_offset,
        .n_taps = ph->n_taps,
        .w = element(ph->weights, d->bf16 ? SYN_BF16 : SYN_F32,
                     group * cpu_pack_group_elements(&d->c, d->bf16, ph->n_taps, 2)),
        .n_out = d->n_blocks - block < 2 ? 1 : 2,
        .cols = ph->cols,
        .y = (void *)(uintptr_t)element(r->y, y->dtype,
                                        pixel_at(y, n, y->block == 1 ? 0 : block, oy, ph->col0)),
        .y_pixel = (int64_t)d->step_w * y->block,
        .y_block = y->stride_c,
        .y_dtype = y->dtype,
        .y_planes = y->block == 1 ? (int32_t)d->c.co : 0,
        .bias = d->bias + block * CPU_BLOCK,
        .slope = d->slope + block * CPU_BLOCK,
        .low = d->low,
        .high = d->high,
        .alpha = d->c.alpha,
        .beta1 = d->c.beta1,
        .beta2 = d->c.beta2,
    };
    if (r->res1) {
        const struct syn_place *p = &d->place[d->res1];
        k.res1 = element(r->res1, p->dtype, pixel_at(p, n, block, oy, ph->col0));
        k.res1_pixel = (int64_t)d->step_w * p->block, k.res1_block = p->stride_c,
        k.res1_dtype = p->dtype;
    }
    if (r->res2) {
        const struct syn_place *p = &d->place[d->res2];
        k.res2 = element(r->res2, p->dtype, pixel_at(p, n, block, oy, ph->col0));
        k.res2_pixel = (int64_t)d->step_w * p->block, k.res2_block = p->stride_c,
        k.res2_dtype = p->dtype;
    }
    d->row(&k);
}

static void direct_task(void *ctx, int64_t task)
{
    const struct direct_run *r = ctx;
    const struct direct *d = r->d;
    const int32_t group = (int32_t)(task % d->n_groups);
    const int64_t band = task / d->n_groups % d->bands, n = task / d->n_groups / d->bands;
    for (int64_t row = band * d->band; row < (band + 1) * d->band; row++)
        for (int32_t i = 0; i < d->n_phases; i++) {
            const struct cpu_phase *ph = &d->phase[i];
            if (row >= ph->rows) continue;
            run_row(r, n, group, ph, row);
            for (int64_t b = 2 * group;
                 ph->col0 == 0 && d->place[d->y].frame && b < 2 * group + 2 && b < d->n_blocks; b++)
                cpu_zero_frame(&d->place[d->y], &d->y_shape, r->y, n, b,
                               row * d->step_h + ph->row0);
        }
}

static void direct_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct direct *d = k->state;
    struct direct_run run = {
        .d = d,
        .x = syn_place_at(r, d->place, d->x),
        .y = syn_place_at(r, d->place, d->y),
        .res1 = d->res1 >= 0 ? syn_place_at(r, d->place, d->res1) : NULL,
        .res2 = d->res2 >= 0 ? syn_place_at(r, d->place, d->res2) : NULL,
    };
    syn_pool_run(r->pool, d->c.n * d->bands * d->n_groups, direct_task, &run);
}

float *cpu_per_channel(const struct syn_placement *p, const struct syn_node *n, int32_t operand,
                       int64_t channels, float fallback)
{
    const int64_t padded = (channels + 2 * CPU_BLOCK - 1) / (2 * CPU_BLOCK) * (2 * CPU_BLOCK);
    const bool given = operand < n->n_in && n->in[operand] >= 0;
    float *v = syn_alloc((size_t)padded * sizeof *v);
    for (int64_t i = 0; v && i < padded; i++)
        v[i] = i >= channels ? 0
               : given       ? syn_value_float(&p->g->value[n->in[operand]], i)
                             : fallback;
    return v;
}

float *cpu_conv_slopes(const struct syn_placement *p, const struct syn_node *n,
                       const struct syn_conv *c)
{
    const float same = c->act == SYN_ACT_RELU ? 0 : c->act == SYN_ACT_LEAKY ? c->act_a : 1;
    return cpu_per_channel(p, n, c->act == SYN_ACT_PRELU ? SYN_CONV_SLOPE : SYN_MAX_OPERANDS, c->co,
                           same);
}

static syn_status make_phases(struct direct *d, const struct syn_place *x, struct syn_err *err)
{
    const uint8_t *weights = d->pack->data;
    for (int32_t ph = 0; ph < d->step_h * d->step_w; ph++) {
        struct cpu_phase *f = &d->phase[ph];
        struct cpu_tap tap[CPU_MAX_TAPS];
        f->row0 = ph / d->step_w;
        f->col0 = ph % d->step_w;
        f->n_taps = cpu_conv_taps(&d->c, f->row0, f->col0, tap);
        f->rows = (d->c.ho - f->row0 + d->step_h - 1) / d->step_h;
        f->cols = (d->c.wo - f->col0 + d->step_w - 1) / d->step_w;
        f->weights = weights;
        f->tap_offset = syn_alloc((size_t)f->n_taps * sizeof *f->tap_offset);
        d->n_phases = ph + 1;
        if (!f->tap_offset) return syn_fail(err, SYN_NO_MEMORY, "conv: no memory");
        for (int32_t t = 0; t < f->n_taps; t++) {
            int64_t at = tap[t].dy * x->stride_y + tap[t].dx * (int64_t)x->block;
            if (at != (int32_t)at)
                return syn_fail(err, SYN_TOO_LARGE, "conv: rows over 2^31 numbers");
            f->tap_offset[t] = (int32_t)at;
        }
        weights +=
            (size_t)cpu_pack_group_elements(&d->c, d->bf16, f->n_taps, (int32_t)d->n_blocks) *
            (d->bf16 ? 2 : 4);
    }
    return SYN_OK;
}

syn_status cpu_conv_direct_prepare(struct cpu_self *self, const struct syn_placement *p,
                                   const struct syn_place *place, int32_t node,
                                   struct syn_kernel *k, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct direct *d = syn_calloc(1, sizeof *d);
    syn_status st = SYN_OK;
    int64_t rows;
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    d->place = place;
    if (!cpu_conv_of(p, node, &d->c))
        st = syn_fail(err, SYN_INTERNAL, "conv %s: not a form that was taken", n->name);
    d->x = n->in[SYN_CONV_X];
    d->y = n->out[0];
    d->y_shape = p->g->value[d->y].shape;
    d->res1 = n->n_in > SYN_CONV_RES1 ? n->in[SYN_CONV_RES1] : -1;
    d->res2 = n->n_in > SYN_CONV_RES2 ? n->in[SYN_CONV_RES2] : -1;
    d->bf16 = place[d->x].dtype == SYN_BF16;
    d->row = d->bf16 ? self->bf16.row : self->f32.row;
    d->packs = self->packs;
    d->step_h = d->c.transposed ? (int32_t)d->c.stride_h : 1;
    d->step_w = d->c.transposed ? (int32_t)d->c.stride_w : 1;
    d->last_k = cpu_last_k(&d->c, d->bf16);
    d->n_blocks = (d->c.co + CPU_BLOCK - 1) / CPU_BLOCK;
    d->n_groups = (int32_t)((d->n_blocks + 1) / 2);
    d->low = d->c.act == SYN_ACT_CLIP ? d->c.act_a : -INFINITY;
    d->high = d->c.act == SYN_ACT_CLIP ? d->c.act_b : INFINITY;
    rows = (d->c.ho + d->step_h - 1) / d->step_h;
    d->band = rows * d->n_groups * d->c.n / ((int64_t)self->threads * 8);
    d->band = d->band < 1 ? 1 : d->band > 16 ? 16 : d->band;
    d->bands = (rows + d->band - 1) / d->band;
    d->bias = cpu_per_channel(p, n, SYN_CONV_BIAS, d->c.co, 0);
    d->slope = cpu_conv_slopes(p, n, &d->c);
    if (st == SYN_OK && (!d->bias || !d->slope))
        st = syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    if (st == SYN_OK && !p->dry)
        st = cpu_pack_get(self, &d->c, &p->g->value[n->in[SYN_CONV_W]], d->bf16, &d->pack, err);
    if (st == SYN_OK && !p->dry) st = make_phases(d, &place[d->x], err);
    if (st != SYN_OK) {
        direct_free(d);
        return st;
    }
    k->impl = d->c.transposed ? d->bf16 ? "phases avx512_bf16" : "phases avx512"
              : d->bf16       ? "conv avx512_bf16"
                              : "conv avx512";
    k->run = direct_run;
    k->free = direct_free;
    k->state = d;
    k->weight_bytes = d->pack ? d->pack->bytes : 0;
    return SYN_OK;
}
