/* conv_depth.c - depthwise convolutions in blocks of 16 channels: see conv_row.h for the row.
 *
 * Tasks: (picture, band of rows, output block), the block slowest: a block's rows are read by one
 *        thread, one after the other.
 * Tests: tests/unit/test_cpu_conv_few.c against the reference. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"

struct depth {
    struct cpu_form form;
    cpu_row_fn *row;
    int32_t n_taps;
    int32_t tap_offset[CPU_MAX_TAPS]; /* elements of the input */
    float *weights;                   /* [block][tap][16] */
    int64_t band, bands;
};
struct depth_run {
    const struct depth *d;
    struct cpu_form_run at;
};

bool cpu_conv_depth_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                          bool bf16)
{
    struct syn_conv c;
    return cpu_conv_rows_take(self, p, node, bf16, &c) && !c.transposed && c.group > 1 &&
           c.group == c.ci && c.group == c.co;
}

static void depth_free(void *state)
{
    struct depth *d = state;
    if (!d) return;
    cpu_form_deinit(&d->form);
    syn_free(d->weights);
    syn_free(d);
}

static void depth_task(void *ctx, int64_t task)
{
    const struct depth_run *r = ctx;
    const struct depth *d = r->d;
    const struct cpu_form *f = &d->form;
    const struct syn_place *x = &f->place[f->x];
    const int64_t band = task % d->bands, block = task / d->bands % f->y_blocks,
                  n = task / d->bands / f->y_blocks, begin = band * d->band,
                  end = begin + d->band < f->c.ho ? begin + d->band : f->c.ho;
    const int64_t size = (int64_t)syn_dtype_bytes(x->dtype);
    struct cpu_row k = cpu_form_block_row(f, &r->at, n, block, begin, 0);
    k.n_out = 1;
    k.x = r->at.x + cpu_row_at(x, n, block, begin * f->c.stride_h) * size;
    k.x_pixel = f->c.stride_w * CPU_BLOCK;
    k.tap_offset = d->tap_offset;
    k.n_taps = d->n_taps;
    k.w = d->weights + block * d->n_taps * CPU_BLOCK;
    k.cols = f->c.wo;
    for (int64_t oy = begin; oy < end; oy++) {
        d->row(&k);
        k.x = (const uint8_t *)k.x + f->c.stride_h * x->stride_y * size;
        cpu_form_go_down(f, &k, 1);
        cpu_zero_frame(&f->place[f->y], &f->y_shape, r->at.y, n, block, oy);
    }
}

static void depth_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct depth *d = k->state;
    struct depth_run run = {d, cpu_form_at(&d->form, r)};
    syn_pool_run(r->pool, d->form.c.n * d->form.y_blocks * d->bands, depth_task, &run);
}

/* Places of the taps. */
static syn_status place_taps(struct depth *d, struct syn_err *err)
{
    const struct cpu_form *f = &d->form;
    const struct syn_place *x = &f->place[f->x];
    struct cpu_tap tap[CPU_MAX_TAPS];
    d->n_taps = cpu_conv_taps(&f->c, 0, 0, tap);
    for (int32_t t = 0; t < d->n_taps; t++) {
        const int64_t at = tap[t].dy * x->stride_y + tap[t].dx * (int64_t)CPU_BLOCK;
        if (at != (int32_t)at)
            return syn_fail(err, SYN_TOO_LARGE, "conv: rows over 2^31 numbers");
        d->tap_offset[t] = (int32_t)at;
    }
    return SYN_OK;
}

syn_status cpu_conv_depth_prepare(struct cpu_self *self, const struct syn_placement *p,
                                  const struct syn_place *place, int32_t node, struct syn_kernel *k,
                                  struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct depth *d = syn_calloc(1, sizeof *d);
    struct cpu_form *f;
    syn_status st;
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    f = &d->form;
    if ((st = cpu_form_init(f, p, place, node, err)) != SYN_OK) goto done;
    d->row = f->bf16 ? self->bf16.depthwise : self->f32.depthwise;
    d->bands = (int64_t)self->threads * 4 / (f->c.n * f->y_blocks);
    d->bands = d->bands < 1 ? 1 : d->bands > f->c.ho ? f->c.ho : d->bands;
    d->band = (f->c.ho + d->bands - 1) / d->bands;
    d->bands = (f->c.ho + d->band - 1) / d->band;
    if (!p->dry) st = place_taps(d, err);
    if (st == SYN_OK && !p->dry)
        st = cpu_depth_weights(&f->c, &p->g->value[n->in[SYN_CONV_W]], &d->weights, err);
done:
    if (st != SYN_OK) {
        depth_free(d);
        return st;
    }
    k->impl = f->bf16 ? "depthwise avx512_bf16" : "depthwise avx512";
    k->run = depth_run;
    k->free = depth_free;
    k->state = d;
    k->weight_bytes = cpu_depth_weight_bytes(&f->c);
    return SYN_OK;
}
