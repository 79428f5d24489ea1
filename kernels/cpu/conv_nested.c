/* conv_nested.c - large kernels over few channels by Winograd's F(2x2, 3x3): a 9x9 kernel is nine
 * 3x3 kernels side by side.
 *
 * Maths:    out(y, x) = sum over parts (a, b) of conv3x3(part, input moved by (3a, 3b)). An output
 *           tile's sum over all parts is taken before the output transform, so a part costs 16
 *           products for 4 outputs instead of 36, and the output transform is paid once: 2.25 times
 *           fewer products for 9x9. The input transform is needed at every row and column, as parts
 *           stand at odd distances too; with few channels that is cheap.
 * Mapping:  conv_wino.c's products with the parts as taps: v has four channels a pixel, two pixels
 *           from tile to tile. Rows of v are kept in a ring for the tile rows that use them.
 * Input:    planes of f32, as the caller's pictures are: blocks of 16 channels would be mostly
 *           padding to write and to read.
 * Precision: as conv_wino.c.
 * Tests:    tests/unit/test_cpu_conv.c against the reference. */
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include "kernels/cpu/conv_wino.h"
#include "kernels/cpu/rows.h"
#include <stdatomic.h>
#include <string.h>

#define MOST_CHANNELS 4
#define MOST_PARTS 3 /* along one axis: kernels up to 9 */
#define RING 8         /* rows of v: seven are in use */
#define CHUNK_TILES 56 /* four pieces of 14 */

struct nested {
    struct cpu_wino core;
    int32_t threads;
    int64_t parts_h, parts_w, band, v_line;
    size_t lines_bytes, v_bytes, m_bytes; /* of one thread's scratch */
};

bool cpu_conv_nested_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node)
{
    struct syn_conv c;
    int64_t parts;
    if (!p->winograd || !self->wino || p->g->node[node].id != SYN_OP_CONV) return false;
    if (!cpu_conv_of(p, node, &c) || c.stride_h != 1 || c.stride_w != 1 || c.dil_h != 1 ||
        c.dil_w != 1)
        return false;
    parts = ((c.kh + 2) / 3) * ((c.kw + 2) / 3);
    return c.ci <= MOST_CHANNELS && c.co >= CPU_BLOCK && c.kh <= 3 * MOST_PARTS &&
           c.kw <= 3 * MOST_PARTS && c.kh * c.kw >= 25 && c.kh * c.kw >= 6 * parts && c.ho >= 4 &&
           c.wo >= 8 && cpu_conv_direct_takes(self, p, node, false) &&
           (!p->bf16 || cpu_conv_direct_takes(self, p, node, true));
}

static void nested_free(void *state)
{
    struct nested *d = state;
    if (!d) return;
    cpu_wino_deinit(&d->core);
    syn_free(d);
}

/* --- weights -------------------------------------------------------------------------------- */

/* The 3x3 part (a, b) of one kernel, zeros beyond its edge. */
static void part_of(const struct syn_conv *c, const struct syn_value *w, int64_t o, int64_t i,
                    int64_t a, int64_t b, float g[9])
{
    for (int64_t y = 0; y < 3; y++)
        for (int64_t x = 0; x < 3; x++) {
            const int64_t ky = 3 * a + y, kx = 3 * b + x;
            g[3 * y + x] = ky < c->kh && kx < c->kw
                               ? syn_value_float(w, ((o * c->ci + i) * c->kh + ky) * c->kw + kx)
                               : 0;
        }
}

/* One group: [position][part][channel / step][output block][16][step]. */
static void pack_nested(const struct syn_conv *c, const struct syn_value *w, bool bf16, void *data,
                        int64_t group)
{
    const int64_t parts_w = (c->kw + 2) / 3, parts = (c->kh + 2) / 3 * parts_w,
                  y_blocks = (c->co + CPU_BLOCK - 1) / CPU_BLOCK, co0 = group * 2 * CPU_BLOCK,
                  n_out = y_blocks - 2 * group < 2 ? 1 : 2, step = bf16 ? 2 : 1,
                  position = cpu_pack_group_elements(c, bf16, (int32_t)parts, (int32_t)n_out),
                  first = group * CPU_WINO_POSITIONS *
                          cpu_pack_group_elements(c, bf16, (int32_t)parts, 2);
    /* channels past the last ones, in and out */
    memset((uint8_t *)data + (size_t)first * (bf16 ? 2 : 4), 0,
           (size_t)(CPU_WINO_POSITIONS * position) * (bf16 ? 2 : 4));
    for (int64_t o = 0; o < n_out * CPU_BLOCK && co0 + o < c->co; o++)
        for (int64_t part = 0; part < parts; part++)
            for (int64_t i = 0; i < c->ci; i++) {
                float g[9], u[CPU_WINO_POSITIONS];
                int64_t at = first +
                             (part * cpu_last_k(c, bf16) + i / step * step) * n_out * CPU_BLOCK +
                             o * step + i % step;
                part_of(c, w, co0 + o, i, part / parts_w, part % parts_w, g);
                cpu_wino_weight(g, u);
                for (int pos = 0; pos < CPU_WINO_POSITIONS; pos++, at += position) {
                    if (bf16) ((uint16_t *)data)[at] = syn_bf16_from_float(u[pos]);
                    else ((float *)data)[at] = u[pos];
                }
            }
}

/* --- running -------------------------------------------------------------------------------- */

struct nested_run {
    const struct nested *d;
    struct cpu_form_run at;
    uint8_t *scratch;
    atomic_llong next;
};

/* A thread's own. */
struct desk {
    float *lines, *m;
    uint8_t *v;
    int64_t row_of[RING]; /* which row of v is there; -1: none */
};

/* Row y of v (its 4x4 inputs begin y rows below the first output's) unless it is there. */
static void bring_row(const struct nested_run *r, struct desk *desk, int64_t n, int64_t y,
                      int64_t ox, int64_t px)
{
    const struct nested *d = r->d;
    const struct cpu_form *f = &d->core.form;
    const struct syn_place *x = &f->place[f->x];
    const int64_t left = ox - f->c.left, last = f->c.h - 1 + x->frame;
    struct cpu_nested_in in = {.channels = (int32_t)f->c.ci,
                               .n_cols = f->c.w + x->frame - left,
                               .px = px,
                               .lines = desk->lines,
                               .v_position = d->core.v_position};
    if (desk->row_of[y % RING] == y) return;
    desk->row_of[y % RING] = y;
    for (int32_t c = 0; c < in.channels; c++)
        for (int i = 0; i < 4; i++) {
            int64_t iy = y - f->c.top + i;
            if (iy > last) iy = last; /* for parts and output rows that do not exist */
            in.row[c][i] =
                (const float *)(const void *)r->at.x + cpu_row_at(x, n, c, iy) + left;
        }
    in.v = desk->v + (size_t)(y % RING * d->v_line) * (f->bf16 ? 2 : 4);
    d->core.isa.nested_in(&in);
}

/* Tile rows [begin, end) of one chunk of columns. */
static void run_chunk(const struct nested_run *r, struct desk *desk, int64_t n, int64_t begin,
                      int64_t end, int64_t first, int64_t tiles)
{
    const struct nested *d = r->d;
    const int64_t px = 2 * tiles - 1 + 3 * (d->parts_w - 1);
    int32_t tap[MOST_PARTS * MOST_PARTS];
    for (int i = 0; i < RING; i++) desk->row_of[i] = -1;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t a = 0; a < d->parts_h; a++) {
            const int64_t y = 2 * i + 3 * a;
            bring_row(r, desk, n, y, 2 * first, px);
            for (int64_t b = 0; b < d->parts_w; b++)
                tap[a * d->parts_w + b] =
                    (int32_t)(y % RING * d->v_line + 3 * b * MOST_CHANNELS);
        }
        cpu_wino_outputs(&d->core, &r->at, n, 2 * i, 2 * first, tiles, desk->v, tap, desk->m);
        if (first == 0) cpu_wino_frames(&d->core, &r->at, n, 2 * i);
    }
}

static void nested_worker(void *ctx, int64_t worker)
{
    struct nested_run *r = ctx;
    const struct nested *d = r->d;
    const struct cpu_wino *w = &d->core;
    uint8_t *own = r->scratch + (size_t)worker * (d->lines_bytes + d->v_bytes + d->m_bytes);
    struct desk desk = {.lines = (float *)(void *)own,
                        .v = own + d->lines_bytes,
                        .m = (float *)(void *)(own + d->lines_bytes + d->v_bytes)};
    const int64_t all_tiles = (w->form.c.wo + 1) / 2,
                  bands = (w->tile_rows + d->band - 1) / d->band;
    for (int64_t unit; (unit = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed)) <
                       w->form.c.n * bands;) {
        const int64_t n = unit / bands, begin = unit % bands * d->band,
                      end = begin + d->band < w->tile_rows ? begin + d->band : w->tile_rows;
        for (int64_t chunk = 0; chunk < w->chunks; chunk++) {
            const int64_t first = all_tiles * chunk / w->chunks;
            run_chunk(r, &desk, n, begin, end, first,
                      all_tiles * (chunk + 1) / w->chunks - first);
        }
    }
}

static void nested_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct nested *d = k->state;
    struct nested_run run = {
        .d = d, .at = cpu_form_at(&d->core.form, r), .scratch = r->scratch};
    atomic_init(&run.next, 0);
    syn_pool_run(r->pool, d->threads, nested_worker, &run);
}

/* --- preparing ------------------------------------------------------------------------------ */

static void lay_out(struct nested *d, struct syn_kernel *k)
{
    struct cpu_wino *w = &d->core;
    const int64_t all_tiles = (w->form.c.wo + 1) / 2;
    int64_t px;
    d->parts_h = (w->form.c.kh + 2) / 3, d->parts_w = (w->form.c.kw + 2) / 3;
    w->n_taps = (int32_t)(d->parts_h * d->parts_w);
    w->chunks = (all_tiles + CHUNK_TILES - 1) / CHUNK_TILES;
    w->tiles = (all_tiles + w->chunks - 1) / w->chunks;
    px = (2 * w->tiles - 1 + 3 * (d->parts_w - 1) + 15) / 16 * 16;
    d->v_line = px * MOST_CHANNELS;
    w->v_pixel = 2 * MOST_CHANNELS;
    w->v_position = RING * d->v_line;
    w->m_position = 2 * w->tiles * CPU_BLOCK;
    d->band = w->tile_rows / ((int64_t)d->threads * 4);
    d->band = d->band < 1 ? 1 : d->band > 16 ? 16 : d->band;
    d->lines_bytes = syn_aligned((size_t)(4 * MOST_CHANNELS * cpu_nested_line(px)) * sizeof(float));
    d->v_bytes =
        syn_aligned((size_t)(CPU_WINO_POSITIONS * w->v_position) * (w->form.bf16 ? 2 : 4));
    d->m_bytes = syn_aligned((size_t)(CPU_WINO_POSITIONS * w->m_position) * sizeof(float));
    k->scratch_bytes = (size_t)d->threads * (d->lines_bytes + d->v_bytes + d->m_bytes);
}

syn_status cpu_conv_nested_prepare(struct cpu_self *self, const struct syn_placement *p,
                                   const struct syn_place *place, int32_t node,
                                   struct syn_kernel *k, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    /* a picture that comes in is not rounded (place.c) */
    const bool bf16 = p->bf16 && p->g->value[n->in[SYN_CONV_X]].producer >= 0;
    struct nested *d = syn_calloc(1, sizeof *d);
    struct cpu_wino *w = d ? &d->core : NULL;
    syn_status st;
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    if ((st = cpu_wino_init(w, self, p, place, node, bf16, err)) != SYN_OK) goto done;
    d->threads = self->threads;
    lay_out(d, k);
    if (!p->dry)
        st = cpu_pack_find(self, CPU_PACK_NESTED, &w->form.c, &p->g->value[n->in[SYN_CONV_W]], bf16,
                           CPU_WINO_POSITIONS * cpu_wino_elements(w, w->form.y_blocks), pack_nested,
                           w->form.n_groups, &w->pack, err);
done:
    if (st != SYN_OK) {
        nested_free(d);
        k->scratch_bytes = 0;
        return st;
    }
    k->impl = bf16 ? "nested winograd avx512_bf16" : "nested winograd avx512";
    k->run = nested_run;
    k->free = nested_free;
    k->state = d;
    k->weight_bytes = w->pack ? w->pack->bytes : 0;
    return SYN_OK;
}
