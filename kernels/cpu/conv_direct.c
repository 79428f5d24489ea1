/* conv_direct.c - convolutions by our own row kernels: plain, dilated, strided, and transposed as
 * phases.
 *
 * See conv.h for the form, conv_row.h for the kernel, conv_pack.c for the weights.
 * Flat:  a 1x1 convolution between values without frames takes all pixels of a picture as one row,
 *        cut into bands: full pieces in the kernel however narrow the picture is.
 * Tasks: (picture, band of grid rows, group of two output blocks), the group fastest, so that a
 *        band's input stays in L2 while all groups read it. A task writes whole rows, frames
 *        included. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"

struct phase {
    struct cpu_phase_grid grid;
    int32_t n_taps;
    int32_t *tap_offset;    /* elements of the input; owned */
    const uint8_t *weights; /* this phase's part of the packed weights */
};

struct direct {
    struct cpu_form form;
    cpu_row_fn *row;
    struct cpu_packs *packs;
    struct cpu_pack *pack;
    struct phase phase[CPU_MAX_PHASES];
    int32_t n_phases, last_k;
    int64_t stride_h; /* input rows between two of a grid */
    bool flat;
    int64_t band, bands;      /* grid rows of a task; pixels if flat */
};

/* How far the taps reach outside the input, over all phases and both axes. */
static int64_t reach_outside(const struct syn_conv *c)
{
    const int64_t sh = c->transposed ? 1 : c->stride_h, sw = c->transposed ? 1 : c->stride_w;
    int64_t most = 0;
    for (int32_t ph = 0; ph < cpu_conv_phases(c); ph++) {
        const struct cpu_phase_grid g = cpu_conv_phase(c, ph);
        struct cpu_tap tap[CPU_MAX_TAPS];
        const int32_t n = cpu_conv_taps(c, g.row0, g.col0, tap);
        for (int32_t t = 0; t < n; t++) {
            int64_t over[4] = {-tap[t].dy, -tap[t].dx, (g.rows - 1) * sh + tap[t].dy - (c->h - 1),
                               (g.cols - 1) * sw + tap[t].dx - (c->w - 1)};
            for (int i = 0; i < 4; i++)
                if (over[i] > most) most = over[i];
        }
    }
    return most;
}

bool cpu_conv_rows_take(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                        bool bf16, struct syn_conv *conv)
{
    const struct syn_node *n = &p->g->node[node];
    struct syn_conv c;
    if (n->id != SYN_OP_CONV && n->id != SYN_OP_CONV_TRANSPOSE) return false;
    if (bf16 ? !self->own_bf16 : !self->own_f32) return false;
    if (!cpu_conv_of(p, node, &c) || c.kh * c.kw > CPU_MAX_TAPS) return false;
    *conv = c;
    if (c.act == SYN_ACT_SIGMOID) return false;
    if (c.transposed && c.stride_h * c.stride_w > CPU_MAX_PHASES) return false;
    if (c.act == SYN_ACT_CLIP && !(c.act_a <= 0 && c.act_b >= 0))
        return false; /* channels past the last stay 0 */
    return reach_outside(&c) <= CPU_MAX_FRAME;
}

bool cpu_conv_direct_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                           bool bf16)
{
    struct syn_conv c;
    return cpu_conv_rows_take(self, p, node, bf16, &c) && c.group == 1;
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
    cpu_form_deinit(&d->form);
    syn_free(d);
}

struct direct_run {
    const struct direct *d;
    struct cpu_form_run at;
};

/* Row `row` of a phase's grid, as the kernel is told it. */
static struct cpu_row phase_row(const struct direct_run *r, int64_t n, int32_t group,
                                const struct phase *ph, int64_t row)
{
    const struct direct *d = r->d;
    const struct cpu_form *f = &d->form;
    const struct syn_place *x = &f->place[f->x];
    const int64_t sw = f->c.transposed ? 1 : f->c.stride_w;
    const int64_t size = (int64_t)syn_dtype_bytes(x->dtype);
    struct cpu_row k =
        cpu_form_row(f, &r->at, n, group, row * f->step_h + ph->grid.row0, ph->grid.col0);
    k.x = r->at.x + cpu_row_at(x, n, 0, row * d->stride_h) * size;
    k.x_pixel = sw * x->block;
    k.x_block = x->stride_c;
    k.n_blocks = (int32_t)f->x_blocks;
    k.last_k = d->last_k;
    k.tap_offset = ph->tap_offset;
    k.n_taps = ph->n_taps;
    k.w = ph->weights + group * cpu_pack_group_elements(&f->c, f->bf16, ph->n_taps, 2) * size;
    k.cols = ph->grid.cols;
    return k;
}

/* The frame beside an output row, both blocks of the group. */
static void zero_frames(const struct direct_run *r, int64_t n, int32_t group, int64_t oy)
{
    const struct cpu_form *f = &r->d->form;
    for (int64_t b = 2 * group; b < 2 * group + 2 && b < f->y_blocks; b++)
        cpu_zero_frame(&f->place[f->y], &f->y_shape, r->at.y, n, b, oy);
}

static void flat_task(void *ctx, int64_t task)
{
    const struct direct_run *r = ctx;
    const struct direct *d = r->d;
    const struct cpu_form *f = &d->form;
    const int32_t group = (int32_t)(task % f->n_groups);
    const int64_t n = task / f->n_groups / d->bands, all = f->c.ho * f->c.wo,
                  begin = task / f->n_groups % d->bands * d->band;
    struct phase ph = d->phase[0];
    struct cpu_row k;
    ph.grid.col0 = (int32_t)begin;
    ph.grid.cols = begin + d->band < all ? d->band : all - begin;
    k = phase_row(r, n, group, &ph, 0);
    k.x = (const uint8_t *)k.x +
          begin * CPU_BLOCK * (int64_t)syn_dtype_bytes(f->place[f->x].dtype);
    d->row(&k);
}

static void direct_task(void *ctx, int64_t task)
{
    const struct direct_run *r = ctx;
    const struct direct *d = r->d;
    const struct cpu_form *f = &d->form;
    const struct syn_place *x = &f->place[f->x];
    const int32_t group = (int32_t)(task % f->n_groups);
    const int64_t band = task / f->n_groups % d->bands, n = task / f->n_groups / d->bands,
                  begin = band * d->band, end = begin + d->band,
                  x_row = d->stride_h * x->stride_y * (int64_t)syn_dtype_bytes(x->dtype);
    for (int32_t i = 0; i < d->n_phases; i++) {
        const struct phase *ph = &d->phase[i];
        struct cpu_row k;
        if (begin < ph->grid.rows) k = phase_row(r, n, group, ph, begin);
        for (int64_t row = begin; row < end && row < ph->grid.rows; row++) {
            d->row(&k);
            k.x = (const uint8_t *)k.x + x_row;
            cpu_form_go_down(f, &k, 1);
            if (ph->grid.col0 == 0 && f->place[f->y].frame)
                zero_frames(r, n, group, row * f->step_h + ph->grid.row0);
        }
    }
}

static void direct_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct direct *d = k->state;
    struct direct_run run = {d, cpu_form_at(&d->form, r)};
    syn_pool_run(r->pool, d->form.c.n * d->bands * d->form.n_groups,
                 d->flat ? flat_task : direct_task, &run);
}

/* All pixels of a picture lie side by side. */
static bool is_flat(const struct cpu_form *f, int32_t value, int64_t w)
{
    const struct syn_place *p = &f->place[value];
    return p->block == CPU_BLOCK && p->frame == 0 && p->stride_y == w * CPU_BLOCK;
}

/* As many bands as give each thread four tasks; a power of two, for even shares; none shorter than
 * two pieces of the kernel, nor longer than what the second-level cache holds of its input. */
static void cut_flat(struct direct *d, int32_t threads)
{
    const struct cpu_form *f = &d->form;
    const int64_t all = f->c.ho * f->c.wo, most = ((int64_t)1 << 16) / (f->x_blocks * CPU_BLOCK);
    int64_t bands = 1;
    while ((f->c.n * f->n_groups * bands < 4 * (int64_t)threads && all / bands >= 56) ||
           all / bands > (most < 56 ? 56 : most))
        bands *= 2;
    d->band = (all + bands - 1) / bands;
    d->bands = (all + d->band - 1) / d->band;
}

static void cut_bands(struct direct *d, int32_t threads)
{
    const struct cpu_form *f = &d->form;
    const struct syn_conv *c = &f->c;
    const int64_t rows = cpu_conv_phase(c, 0).rows;
    d->flat = !c->transposed && c->kh * c->kw == 1 && c->stride_h * c->stride_w == 1 &&
              c->ho == c->h && c->wo == c->w && c->ho * c->wo <= INT32_MAX &&
              is_flat(f, f->x, c->w) && is_flat(f, f->y, c->w) &&
              (f->res1 < 0 || is_flat(f, f->res1, c->w)) &&
              (f->res2 < 0 || is_flat(f, f->res2, c->w));
    if (d->flat) {
        cut_flat(d, threads);
        return;
    }
    d->band = rows * f->n_groups * c->n / ((int64_t)threads * 8);
    d->band = d->band < 1 ? 1 : d->band > 16 ? 16 : d->band;
    d->bands = (rows + d->band - 1) / d->band;
}

static syn_status make_phases(struct direct *d, struct syn_err *err)
{
    const struct cpu_form *f = &d->form;
    const struct syn_place *x = &f->place[f->x];
    const uint8_t *weights = d->pack->data;
    for (int32_t i = 0; i < cpu_conv_phases(&f->c); i++) {
        struct phase *ph = &d->phase[i];
        struct cpu_tap tap[CPU_MAX_TAPS];
        ph->grid = cpu_conv_phase(&f->c, i);
        ph->n_taps = cpu_conv_taps(&f->c, ph->grid.row0, ph->grid.col0, tap);
        ph->weights = weights;
        ph->tap_offset = syn_alloc((size_t)ph->n_taps * sizeof *ph->tap_offset);
        d->n_phases = i + 1;
        if (!ph->tap_offset) return syn_fail(err, SYN_NO_MEMORY, "conv: no memory");
        for (int32_t t = 0; t < ph->n_taps; t++) {
            int64_t at = tap[t].dy * x->stride_y + tap[t].dx * (int64_t)x->block;
            if (at != (int32_t)at)
                return syn_fail(err, SYN_TOO_LARGE, "conv: rows over 2^31 numbers");
            ph->tap_offset[t] = (int32_t)at;
        }
        weights +=
            (size_t)cpu_pack_group_elements(&f->c, f->bf16, ph->n_taps, (int32_t)f->y_blocks) *
            syn_dtype_bytes(x->dtype);
    }
    return SYN_OK;
}

syn_status cpu_conv_direct_prepare(struct cpu_self *self, const struct syn_placement *p,
                                   const struct syn_place *place, int32_t node,
                                   struct syn_kernel *k, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct direct *d = syn_calloc(1, sizeof *d);
    struct cpu_form *f;
    syn_status st;
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    f = &d->form;
    d->packs = self->packs;
    if ((st = cpu_form_init(f, p, place, node, err)) != SYN_OK) goto done;
    d->row = f->bf16 ? self->bf16.row : self->f32.row;
    d->last_k = cpu_last_k(&f->c, f->bf16);
    d->stride_h = f->c.transposed ? 1 : f->c.stride_h;
    cut_bands(d, self->threads);
    if (!p->dry)
        st = cpu_pack_get(self, &f->c, &p->g->value[n->in[SYN_CONV_W]], f->bf16, &d->pack, err);
    if (st == SYN_OK && !p->dry) st = make_phases(d, err);
done:
    if (st != SYN_OK) {
        direct_free(d);
        return st;
    }
    k->impl = f->c.transposed ? f->bf16 ? "phases avx512_bf16" : "phases avx512"
              : f->bf16       ? "conv avx512_bf16"
                              : "conv avx512";
    k->run = direct_run;
    k->free = direct_free;
    k->state = d;
    k->weight_bytes = d->pack ? d->pack->bytes : 0;
    return SYN_OK;
}
