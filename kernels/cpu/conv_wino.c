/* conv_wino.c - 3x3 convolutions by Winograd's F(2x2, 3x3): 16 products for 4 outputs instead of
 * 36.
 *
 * Maths:    conv_row.h has the transforms. For each of 16 positions the products are a 1x1
 *           convolution over tiles, run by the same row kernel as everything else.
 * Mapping:  the unit of work is a band of rows of tiles (two output rows each), every row cut into
 *           chunks of columns so that the transformed input (16 positions x channels x tiles) and
 *           the sums of one group stay in L2. Each thread owns a piece of scratch and takes bands
 *           from a counter.
 * Tried:    chunks as units: two threads then write neighbouring parts of one row, their
 *           prefetchers fight over the lines, and the output transform takes three times as long
 *           (two threads 1.5 times as quick as one; with bands 1.9).
 * Roofline: 2.25x fewer multiply-adds than the direct form; the transforms cost a tenth to a sixth
 *           of what is left at 64 channels.
 * Precision: the transformed input and weights are rounded to bf16 once more; over Real-ESRGAN
 *           x4plus the mean error grows from 0.36 to 0.45 of 255, the maximum from 5.5 to 6.9.
 *           F(4x4, 3x3) was tried in a model of this arithmetic: maximum 16 to 25 of 255, too much.
 * Tests:    tests/unit/test_cpu_conv.c against the reference. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/conv_wino.h"
#include "kernels/cpu/rows.h"
#include <stdatomic.h>
#include <string.h>

/* Five pieces of 14: with a row of 64 tiles in one chunk and not two, pieces are 13 long and not 11,
 * and weights are read once (x4plus 128x128: 737 to 709 ms; 28 tiles: 768). */
#define CHUNK_TILES 70

struct wino {
    struct cpu_wino core;
    int32_t threads;
    int64_t band;
    size_t v_bytes, m_bytes; /* of one thread's scratch */
};

bool cpu_conv_wino_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                         bool bf16)
{
    struct syn_conv c;
    if (!p->winograd || !self->wino || p->g->node[node].id != SYN_OP_CONV ||
        !cpu_conv_direct_takes(self, p, node, bf16))
        return false;
    if (!cpu_conv_of(p, node, &c) || c.kh != 3 || c.kw != 3) return false;
    if (c.stride_h != 1 || c.stride_w != 1 || c.dil_h != 1 || c.dil_w != 1) return false;
    /* few channels: the transforms cost more than they save; odd corners of tiny pictures
     * neither */
    return c.ci >= 32 && c.co >= 16 && c.ho >= 4 && c.wo >= 8;
}

static void wino_free(void *state)
{
    struct wino *w = state;
    if (!w) return;
    cpu_wino_deinit(&w->core);
    syn_free(w);
}

/* --- weights -------------------------------------------------------------------------------- */

/* One line of G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1] times three numbers, for all four
 * lines. */
static void times_g(float a, float b, float c, float *u, int stride)
{
    const float ends = 0.5f * (a + c), middle = 0.5f * b;
    u[0] = a;
    u[stride] = ends + middle;
    u[2 * stride] = ends - middle;
    u[3 * stride] = c;
}

/* Sums of four halves of f16 or f32 weights: f32 is exact to its last bit or two. */
void cpu_wino_weight(const float g[9], float u[CPU_WINO_POSITIONS])
{
    float down[12]; /* 4 x 3 */
    for (int x = 0; x < 3; x++) times_g(g[x], g[3 + x], g[6 + x], down + x, 3);
    for (int i = 0; i < 4; i++)
        times_g(down[3 * i], down[3 * i + 1], down[3 * i + 2], u + 4 * i, 1);
}

/* Elements of one position of one group. */
static int64_t group_elements(const struct syn_conv *c, bool bf16, int64_t n_out)
{
    return cpu_pack_group_elements(c, bf16, 1, (int32_t)n_out);
}

/* By group of two output blocks: [position][channel block][channel / step][output block][16][step].
 * One task is one block of input channels of one group. */
static void pack_wino(const struct syn_conv *c, const struct syn_value *w, bool bf16, void *data,
                      int64_t task)
{
    enum { KERNELS = CPU_BLOCK * 9 };
    const int64_t x_blocks = (c->ci + CPU_BLOCK - 1) / CPU_BLOCK,
                  y_blocks = (c->co + CPU_BLOCK - 1) / CPU_BLOCK;
    const int64_t group = task / x_blocks, ci0 = task % x_blocks * CPU_BLOCK,
                  co0 = group * 2 * CPU_BLOCK;
    const int64_t n_out = y_blocks - 2 * group < 2 ? 1 : 2;
    const int64_t n_ci = c->ci - ci0 < CPU_BLOCK ? c->ci - ci0 : CPU_BLOCK;
    const int64_t n_co = c->co - co0 < n_out * CPU_BLOCK ? c->co - co0 : n_out * CPU_BLOCK;
    const int64_t at =
        group * CPU_WINO_POSITIONS * group_elements(c, bf16, 2) + ci0 * n_out * CPU_BLOCK;
    _Alignas(64) float g[2 * CPU_BLOCK * KERNELS];
    const struct cpu_wino_weights weights = {
        .g = g,
        .n_out = (int32_t)n_out,
        .n_k = ci0 + CPU_BLOCK < c->ci ? CPU_BLOCK : cpu_last_k(c, bf16),
        .u = (uint8_t *)data + (size_t)at * (bf16 ? 2 : 4),
        .u_position = group_elements(c, bf16, n_out),
    };
    if (n_ci < CPU_BLOCK || n_co < n_out * CPU_BLOCK) memset(g, 0, sizeof g);
    for (int64_t o = 0; o < n_co; o++)
        cpu_value_floats(w, ((co0 + o) * c->ci + ci0) * 9, n_ci * 9, g + o * KERNELS);
    (bf16 ? cpu_conv_isa_bf16() : cpu_conv_isa_f32()).wino_weights(&weights);
}

/* --- what both share ------------------------------------------------------------------------ */

syn_status cpu_wino_init(struct cpu_wino *w, struct cpu_self *self, const struct syn_placement *p,
                         const struct syn_place *place, int32_t node, bool bf16,
                         struct syn_err *err)
{
    syn_status st = cpu_form_init(&w->form, p, place, node, err);
    w->packs = self->packs;
    if (st != SYN_OK) return st;
    w->form.bf16 = bf16;
    w->isa = bf16 ? self->bf16 : self->f32;
    w->last_k = cpu_last_k(&w->form.c, bf16);
    w->tile_rows = (w->form.c.ho + 1) / 2;
    w->zero = syn_calloc(2 * CPU_BLOCK, sizeof *w->zero);
    return w->zero ? SYN_OK
                   : syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", p->g->node[node].name);
}

void cpu_wino_deinit(struct cpu_wino *w)
{
    cpu_packs_release(w->packs, w->pack);
    cpu_form_deinit(&w->form);
    syn_free(w->zero);
}

int64_t cpu_wino_elements(const struct cpu_wino *w, int64_t n_out)
{
    return cpu_pack_group_elements(&w->form.c, w->form.bf16, w->n_taps, (int32_t)n_out);
}

/* Products of one group at all positions, then its outputs. */
static void run_group(const struct cpu_wino *w, const struct cpu_form_run *at, int64_t n,
                      int32_t group, int64_t oy, int64_t ox, int64_t tiles, const uint8_t *v,
                      const int32_t *tap_offset, float *m)
{
    const size_t elem = w->form.bf16 ? 2 : 4;
    const struct cpu_row last = cpu_form_row(&w->form, at, n, group, oy, ox);
    struct cpu_row k = {
        .x_pixel = w->v_pixel,
        .x_block = w->v_block,
        .n_blocks = (int32_t)w->form.x_blocks,
        .last_k = w->last_k,
        .tap_offset = tap_offset,
        .n_taps = w->n_taps,
        .n_out = last.n_out,
        .cols = tiles,
        .bias = w->zero,
        .slope = w->zero,
    };
    const uint8_t *u = (const uint8_t *)w->pack->data +
                       (size_t)(group * CPU_WINO_POSITIONS * cpu_wino_elements(w, 2)) * elem;
    struct cpu_wino_out out = {
        .m_position = w->m_position,
        .tiles = tiles,
        .rows = oy + 1 < w->form.c.ho ? 2 : 1,
        .cols = w->form.c.wo - ox < 2 * tiles ? w->form.c.wo - ox : 2 * tiles,
        .y_line = w->form.place[w->form.y].stride_y,
        .res1_line = at->res1 ? w->form.place[w->form.res1].stride_y : 0,
        .res2_line = at->res2 ? w->form.place[w->form.res2].stride_y : 0,
        .r = &last,
    };
    for (int pos = 0; pos < CPU_WINO_POSITIONS; pos++) {
        k.x = v + (size_t)(pos * w->v_position) * elem;
        k.w = u + (size_t)(pos * cpu_wino_elements(w, last.n_out)) * elem;
        k.raw = m + pos * w->m_position;
        w->isa.row(&k);
    }
    for (out.o = 0; out.o < last.n_out; out.o++) {
        out.m = m + out.o * tiles * CPU_BLOCK;
        w->isa.wino_out(&out);
    }
}

void cpu_wino_outputs(const struct cpu_wino *w, const struct cpu_form_run *at, int64_t n,
                      int64_t oy, int64_t ox, int64_t tiles, const uint8_t *v,
                      const int32_t *tap_offset, float *m)
{
    for (int32_t g = 0; g < w->form.n_groups; g++)
        run_group(w, at, n, g, oy, ox, tiles, v, tap_offset, m);
}

void cpu_wino_frames(const struct cpu_wino *w, const struct cpu_form_run *at, int64_t n, int64_t oy)
{
    const struct syn_place *y = &w->form.place[w->form.y];
    for (int64_t row = oy; y->frame && row < oy + 2 && row < w->form.c.ho; row++)
        for (int64_t b = 0; b < w->form.y_blocks; b++)
            cpu_zero_frame(y, &w->form.y_shape, at->y, n, b, row);
}

/* --- running -------------------------------------------------------------------------------- */

struct wino_run {
    const struct wino *w;
    struct cpu_form_run at;
    uint8_t *scratch;
    atomic_llong next;
};

/* Transforms all channel blocks of one chunk into v. */
static void transform_input(const struct wino_run *r, int64_t n, int64_t oy, int64_t ox,
                            int64_t tiles, uint8_t *v)
{
    const struct cpu_wino *w = &r->w->core;
    const struct syn_place *x = &w->form.place[w->form.x];
    struct cpu_wino_in in = {.tiles = tiles, .v_position = w->v_position};
    const size_t size = syn_dtype_bytes(x->dtype);
    const int64_t left = ox - w->form.c.left; /* first input column; may lie in the frame */
    in.n_cols = w->form.c.w + x->frame - left;
    for (int64_t b = 0; b < w->form.x_blocks; b++) {
        for (int i = 0; i < 4; i++) {
            int64_t iy = oy - w->form.c.top + i;
            /* a row below the frame belongs to an output row that doesn't exist */
            if (iy > w->form.c.h - 1 + x->frame) iy = w->form.c.h - 1 + x->frame;
            in.row[i] = r->at.x + (size_t)(cpu_row_at(x, n, b, iy) + left * CPU_BLOCK) * size;
        }
        in.v = v + (size_t)(b * w->v_block) * size;
        w->isa.wino_in(&in);
    }
}

static void wino_worker(void *ctx, int64_t worker)
{
    static const int32_t no_offset[1] = {0};
    struct wino_run *r = ctx;
    const struct wino *own = r->w;
    const struct cpu_wino *w = &own->core;
    uint8_t *v = r->scratch + (size_t)worker * (own->v_bytes + own->m_bytes);
    float *m = (float *)(void *)(v + own->v_bytes);
    const int64_t all_tiles = (w->form.c.wo + 1) / 2,
                  bands = (w->tile_rows + own->band - 1) / own->band;
    for (int64_t unit; (unit = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed)) <
                       w->form.c.n * bands;) {
        const int64_t n = unit / bands, begin = unit % bands * own->band;
        const int64_t end = begin + own->band < w->tile_rows ? begin + own->band : w->tile_rows;
        for (int64_t i = begin * w->chunks; i < end * w->chunks; i++) {
            const int64_t chunk = i % w->chunks, oy = i / w->chunks * 2;
            const int64_t first = all_tiles * chunk / w->chunks,
                          tiles = all_tiles * (chunk + 1) / w->chunks - first;
            transform_input(r, n, oy, 2 * first, tiles, v);
            cpu_wino_outputs(w, &r->at, n, oy, 2 * first, tiles, v, no_offset, m);
            if (chunk == 0) cpu_wino_frames(w, &r->at, n, oy);
        }
    }
}

static void wino_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct wino *w = k->state;
    struct wino_run run = {.w = w, .at = cpu_form_at(&w->core.form, r), .scratch = r->scratch};
    atomic_init(&run.next, 0);
    syn_pool_run(r->pool, w->threads, wino_worker, &run);
}

/* --- preparing ------------------------------------------------------------------------------ */

static void lay_out(struct wino *own, struct syn_kernel *k)
{
    struct cpu_wino *w = &own->core;
    const int64_t all_tiles = (w->form.c.wo + 1) / 2;
    w->n_taps = 1;
    w->chunks = (all_tiles + CHUNK_TILES - 1) / CHUNK_TILES;
    w->tiles = (all_tiles + w->chunks - 1) / w->chunks;
    w->v_pixel = CPU_BLOCK;
    w->v_block = (w->tiles + 1) / 2 * 2 * CPU_BLOCK; /* transforms write two tiles at a time */
    w->v_position = w->form.x_blocks * w->v_block + 2 * CPU_BLOCK;
    w->m_position = 2 * w->tiles * CPU_BLOCK + CPU_BLOCK;
    own->band = w->tile_rows / ((int64_t)own->threads * 8);
    own->band = own->band < 1 ? 1 : own->band > 8 ? 8 : own->band;
    own->v_bytes =
        syn_aligned((size_t)(CPU_WINO_POSITIONS * w->v_position) * (w->form.bf16 ? 2 : 4));
    own->m_bytes = syn_aligned((size_t)(CPU_WINO_POSITIONS * w->m_position) * sizeof(float));
    k->scratch_bytes = (size_t)own->threads * (own->v_bytes + own->m_bytes);
}

syn_status cpu_conv_wino_prepare(struct cpu_self *self, const struct syn_placement *p,
                                 const struct syn_place *place, int32_t node, struct syn_kernel *k,
                                 struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    const bool bf16 = place[n->in[SYN_CONV_X]].dtype == SYN_BF16;
    struct wino *own = syn_calloc(1, sizeof *own);
    struct cpu_wino *w = own ? &own->core : NULL;
    syn_status st;
    if (!own) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    if ((st = cpu_wino_init(w, self, p, place, node, bf16, err)) != SYN_OK) goto done;
    own->threads = self->threads;
    lay_out(own, k);
    if (!p->dry)
        st = cpu_pack_find(self, CPU_PACK_WINO, &w->form.c, &p->g->value[n->in[SYN_CONV_W]], bf16,
                           CPU_WINO_POSITIONS * cpu_wino_elements(w, w->form.y_blocks), pack_wino,
                           w->form.n_groups * w->form.x_blocks, &w->pack, err);
done:
    if (st != SYN_OK) {
        wino_free(own);
        k->scratch_bytes = 0;
        return st;
    }
    k->impl = bf16 ? "winograd avx512_bf16" : "winograd avx512";
    k->run = wino_run;
    k->free = wino_free;
    k->state = own;
    k->weight_bytes = w->pack ? w->pack->bytes : 0;
    return SYN_OK;
}
